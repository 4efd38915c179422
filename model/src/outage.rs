//! The timeline of an outage: one port that failed and was healed, what each direction made of it, and the figures that a picture of it is drawn from.
//! All times are nanoseconds on the clock of the receiver since the fault began to be injected; negative before it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attr::Attr;

/// One port that failed once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outage {
    /// The family of its figures: `bond.failover` of `bond.failover.outage`.
    pub family: String,
    /// What was done to the port: `link-down`.
    pub fault: String,
    /// The node of the port.
    pub node: String,
    /// The port.
    pub port: String,
    /// Each direction, the one from the node first.
    pub ways: Vec<Way>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(ns: &i64) -> bool {
    *ns == 0
}

/// One direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Way {
    /// The node that sent.
    pub from: String,
    /// The node that received.
    pub to: String,
    /// From the beginning of the injection, which is 0, to its end.
    pub injected: Span,
    /// From the beginning of the healing to its end.
    pub healed: Span,
    /// When it can have been broken at the earliest: before the injection where nobody saw it begin. What was silent only before is not the fault's.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earliest_ns: i64,
    /// Injection and healing are no further from where they are said to be than this: the clocks of two hosts cannot be compared more exactly.
    pub uncertainty_ns: u64,
    /// When the receiver listened.
    pub listened: Span,
    /// The shortest silence that is a gap.
    pub threshold_ns: u64,
    /// Its flows.
    pub flows: Vec<Flow>,
}

/// A time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// From.
    pub from_ns: i64,
    /// To.
    pub to_ns: i64,
}

/// What came of one flow of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// The flow.
    pub flow: u16,
    /// Packets that were sent.
    pub sent: u64,
    /// Packets that did not come.
    pub lost: u64,
    /// Packets that came again.
    pub duplicated: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// How many gaps it had.
    pub gaps_seen: u64,
    /// Those, in order of time; of very many the longest.
    pub gaps: Vec<Gap>,
}

/// Time in which nothing of a flow came although packets were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// When the last good packet came; None when none came before.
    pub last_good_ns: Option<i64>,
    /// When the first good packet after it came; None when none came any more.
    pub first_good_ns: Option<i64>,
    /// How long the network was silent at least.
    pub at_least_ns: u64,
    /// How long it was silent at most; None when only one end of it was seen.
    pub at_most_ns: Option<u64>,
    /// How much of it the harness may have caused.
    pub harness_ns: u64,
    /// Packets that were lost in it; None when that was not kept.
    pub lost: Option<u64>,
}

impl Gap {
    /// How long it was, as far as it was seen.
    pub fn length_ns(&self) -> u64 {
        self.at_most_ns.unwrap_or(self.at_least_ns)
    }
}

/// Whether a counter of a host counts what a port could not send while a drill had set that port down: frames that were under way are no error of the device.
pub fn explains(outages: &[Outage], hosts: &[String], component: &str, counter: Attr) -> bool {
    counter == Attr::TransmitErrors && outages.iter().any(|outage| outage.port == component && hosts.contains(&outage.node))
}

impl Way {
    /// The longest gap of any flow, with its flow, of those that were not over before anything can have been broken.
    pub fn longest(&self) -> Option<(&Flow, &Gap)> {
        let uncertainty_ns = i64::try_from(self.uncertainty_ns).unwrap_or(i64::MAX);
        let is_of_it = |gap: &Gap| gap.first_good_ns.is_none_or(|good| good.saturating_add(uncertainty_ns) >= self.earliest_ns);
        let gaps = self.flows.iter().flat_map(|flow| flow.gaps.iter().map(move |gap| (flow, gap)));
        gaps.filter(|(_, gap)| is_of_it(gap)).max_by_key(|(_, gap)| gap.length_ns())
    }

    /// A count of all flows together.
    pub fn sum(&self, of: fn(&Flow) -> u64) -> u64 {
        self.flows.iter().map(of).fold(0, u64::saturating_add)
    }

    /// How many flows had a gap.
    pub fn hit(&self) -> usize {
        self.flows.iter().filter(|flow| flow.gaps_seen > 0).count()
    }

    /// How many flows were not heard any more at the end.
    pub fn silent(&self) -> usize {
        self.flows.iter().filter(|flow| flow.gaps.iter().any(|gap| gap.first_good_ns.is_none())).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(at: i64, length_ns: u64) -> Gap {
        let first_good_ns = Some(at + i64::try_from(length_ns).expect("short"));
        Gap { last_good_ns: Some(at), first_good_ns, at_least_ns: length_ns, at_most_ns: Some(length_ns), harness_ns: 0, lost: None }
    }

    fn flow(flow: u16, gaps: Vec<Gap>) -> Flow {
        Flow { flow, sent: 1000, lost: 7, duplicated: 0, reordered: 0, gaps_seen: u64::try_from(gaps.len()).expect("few"), gaps }
    }

    fn way(flows: Vec<Flow>) -> Way {
        let span = Span { from_ns: 0, to_ns: 10 };
        Way {
            from: "a".into(),
            to: "b".into(),
            injected: span,
            healed: span,
            earliest_ns: 0,
            uncertainty_ns: 1,
            listened: span,
            threshold_ns: 5,
            flows,
        }
    }

    #[test]
    fn the_longest_gap_is_one_of_any_flow_and_may_have_no_end() {
        let unended = Gap { first_good_ns: None, at_least_ns: 400, at_most_ns: None, ..gap(90, 0) };
        let way = way(vec![flow(0, vec![gap(1, 50)]), flow(1, vec![]), flow(2, vec![gap(-4, 300), unended])]);
        assert_eq!(way.longest().map(|(flow, gap)| (flow.flow, gap.length_ns())), Some((2, 400)));
        assert_eq!((way.hit(), way.silent(), way.sum(|flow| flow.lost)), (2, 1, 21));
    }

    #[test]
    fn a_gap_that_was_over_before_the_fault_is_not_its_longest() {
        let before = gap(-500, 490);
        for (earliest_ns, longest) in [(0, 40), (-8, 40), (-9, 490)] {
            let way = Way { earliest_ns, ..way(vec![flow(0, vec![before]), flow(1, vec![gap(-30, 40)])]) };
            assert_eq!(way.longest().map(|(_, gap)| gap.length_ns()), Some(longest), "{earliest_ns}");
        }
        assert_eq!(way(vec![flow(0, vec![before])]).longest(), None);
    }

    #[test]
    fn only_what_the_broken_port_of_this_host_could_not_send_is_explained() {
        let outage = Outage { family: "bond.failover".into(), fault: "link-down".into(), node: "n1".into(), port: "eth0".into(), ways: vec![] };
        let of = |host: &str, port, counter| explains(std::slice::from_ref(&outage), &[host.to_owned()], port, counter);
        assert!(of("n1", "eth0", Attr::TransmitErrors));
        assert!(!of("n2", "eth0", Attr::TransmitErrors) && !of("n1", "eth1", Attr::TransmitErrors) && !of("n1", "eth0", Attr::ReceiveErrors));
        assert!(!explains(&[], &["n1".to_owned()], "eth0", Attr::TransmitErrors));
    }

    #[test]
    fn without_a_gap_there_is_no_longest() {
        assert_eq!(way(vec![flow(0, vec![])]).longest(), None);
        assert_eq!(way(vec![]).longest(), None);
    }
}
