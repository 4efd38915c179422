//! What the stream of a drill says of a port that failed, in the form in which a run stores it. Pure.

use assay_bench::net::stream::StreamHalf;
use assay_bench::net::stream::timeline::{FlowTimeline, Moment};
use assay_model::outage::{Flow, Gap, Span, Way};

use crate::remote::task::fault::Healed;

/// Gaps of a flow in a direction that are stored: a busy machine makes hundreds of short ones, and the fault a few long ones.
const GAPS_KEPT: usize = 16;

/// What was done to the port, since the injection began. How long an act took is the same on either clock, as far as that moment is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Acts {
    pub(super) injected: Span,
    pub(super) healed: Span,
}

impl Acts {
    /// As the node told that was broken; an error when it did one before the other.
    pub(super) fn of(healed: &Healed) -> Result<Self, String> {
        let stamps = [healed.injected.from, healed.injected.to, healed.from, healed.to].map(|stamp| stamp.monotonic_ns);
        if !stamps.is_sorted() || i64::try_from(stamps[3]).is_err() {
            return Err(format!(
                "a fault cannot have been injected from {} to {} and healed from {} to {} ns",
                stamps[0], stamps[1], stamps[2], stamps[3]
            ));
        }
        let after = |stamp: u64| relative(stamp, stamps[0]);
        Ok(Self { injected: Span { from_ns: 0, to_ns: after(stamps[1]) }, healed: Span { from_ns: after(stamps[2]), to_ns: after(stamps[3]) } })
    }
}

/// One direction, between the nodes of these names. `moment` is when the injection began, and `earliest` when it can have, by the clock of the receiver.
pub(super) fn way(
    (from, to): (&str, &str),
    flows: &[FlowTimeline],
    receiving: &StreamHalf,
    (moment, earliest): (&Moment, &Moment),
    acts: &Acts,
) -> Way {
    let heard = |at: u64| relative(at, moment.at_ns);
    Way {
        from: from.to_owned(),
        to: to.to_owned(),
        injected: acts.injected,
        healed: acts.healed,
        earliest_ns: heard(earliest.at_ns),
        uncertainty_ns: moment.uncertainty_ns,
        listened: Span { from_ns: heard(receiving.listened_from_ns), to_ns: heard(receiving.listened_until_ns) },
        threshold_ns: receiving.shape.gap_ns,
        flows: flows.iter().map(|flow| flow_of(flow, moment)).collect(),
    }
}

/// How long the network was silent, without what the harness may have caused, in the longest gap that was over before anything can have been broken.
pub(super) fn silent_before(flows: &[FlowTimeline], earliest: &Moment) -> u64 {
    let before = flows.iter().flat_map(|flow| &flow.gaps).filter(|gap| gap.is_over_by(earliest));
    before.map(|gap| gap.at_least_ns).max().unwrap_or(0)
}

fn relative(at: u64, zero: u64) -> i64 {
    let far = i128::from(at) - i128::from(zero);
    // Further than that is no time since a boot.
    i64::try_from(far).unwrap_or(if far < 0 { i64::MIN } else { i64::MAX })
}

fn flow_of(flow: &FlowTimeline, moment: &Moment) -> Flow {
    let all = flow.gaps.iter().map(|gap| {
        let since = gap.since(moment);
        Gap {
            last_good_ns: since.last_good_ns,
            first_good_ns: since.first_good_ns,
            at_least_ns: gap.at_least_ns,
            at_most_ns: gap.at_most_ns,
            harness_ns: gap.harness_ns,
            lost: gap.lost,
        }
    });
    Flow {
        flow: flow.flow,
        sent: flow.sent,
        lost: flow.lost,
        duplicated: flow.duplicated,
        reordered: flow.reordered,
        gaps_seen: u64::try_from(flow.gaps.len()).expect("a few thousand"),
        gaps: longest(all.collect(), GAPS_KEPT),
    }
}

/// The longest `most` of some gaps, still in order of time. One without an end is always among them.
fn longest(gaps: Vec<Gap>, most: usize) -> Vec<Gap> {
    let mut by_length: Vec<(usize, Gap)> = gaps.into_iter().enumerate().collect();
    by_length.sort_by_key(|(_, gap)| std::cmp::Reverse((gap.at_most_ns.is_none(), gap.length_ns())));
    by_length.truncate(most);
    by_length.sort_by_key(|(at, _)| *at);
    by_length.into_iter().map(|(_, gap)| gap).collect()
}

#[cfg(test)]
mod tests;
