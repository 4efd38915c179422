//! The timeline of a drill on a cluster: what failed and was healed, how long a client waited, what the cluster said of it, and whether every acknowledged write is there.
//! All times are nanoseconds on the clock of the client since the fault began to be injected; negative before it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outage::Span;

/// One drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stall {
    /// The family of its figures: `ceph.host_loss` of `ceph.host_loss.stall`.
    pub family: String,
    /// What was done: `host-loss`.
    pub fault: String,
    /// To what: `osd.3 of pve1-node2`.
    pub on: Vec<String>,
    /// From the beginning of the injection, which is 0, to its end.
    pub injected: Span,
    /// From the beginning of the healing to its end.
    pub healed: Span,
    /// Injection and healing are no further from where they are said to be than this: the clocks of two hosts cannot be compared more exactly.
    pub uncertainty_ns: u64,
    /// When the client worked.
    pub watched: Span,
    /// How often the cluster was asked; what it said is known to this.
    pub asked_every_ns: u64,
    /// What each kind of operation made of it: `read`, `write`.
    pub client: Vec<Client>,
    /// What was so of the cluster, and was not before the drill.
    pub cluster: Vec<State>,
    /// When the cluster said that it had noticed.
    pub detected_ns: Option<i64>,
    /// When the longest wait of an operation was over.
    pub resumed_ns: Option<i64>,
    /// When the cluster was as before the drill.
    pub clean_ns: Option<i64>,
    /// Objects that the cluster has recovered, as its managers count them; None where they did not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Recovered>,
    /// What was read back afterwards.
    pub data: Data,
}

/// One kind of operation of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Client {
    /// `read` or `write`.
    pub kind: String,
    /// Operations that were acknowledged.
    pub acknowledged: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those of which nothing was heard.
    pub unanswered: u64,
    /// The operation that waited longest: when it was asked for and when it was answered, if it was.
    pub longest: Option<Wait>,
    /// How many gaps there were.
    pub gaps_seen: u64,
    /// Times in which operations were waited for and none came back, longer than [`Client::threshold_ns`], in order; of very many the longest.
    pub gaps: Vec<Wait>,
    /// The shortest silence that is a gap.
    pub threshold_ns: u64,
}

/// From when to when something was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wait {
    /// From.
    pub from_ns: i64,
    /// To; None when it had no end.
    pub to_ns: Option<i64>,
}

impl Wait {
    /// How long it was, until `end` where it had none.
    pub fn length_ns(&self, end: i64) -> u64 {
        u64::try_from(self.to_ns.unwrap_or(end).saturating_sub(self.from_ns)).unwrap_or(0)
    }
}

/// Something that was so of the cluster for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct State {
    /// What: `osd.3 down`.
    pub what: String,
    /// From when to when; None when it was so to the end.
    pub during: Wait,
}

/// Copies of objects that were made where they were missing or belonged. Managers hear of them some seconds later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recovered {
    /// Those that they had counted when the healing began.
    pub meanwhile: u64,
    /// Those, and what was counted until all was as before.
    pub in_all: u64,
}

/// What was read back, and held against every write that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Data {
    /// Blocks that had to hold something.
    pub blocks: u64,
    /// Those that hold what was acknowledged last, or a later write that was asked for.
    pub right: u64,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Blocks that could not be read back.
    pub unreadable: u64,
    /// Blocks that hold something else, by kind: `lost`, `stale`, `reordered`, `duplicated`, `torn`, ...
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub wrong: BTreeMap<String, u64>,
    /// The first of them, with the times of their operations in seconds since the fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<String>,
    /// The one moment to which all wrong blocks went back, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<Span>,
}

impl Stall {
    /// The operation that waited longest, of any kind.
    pub fn longest(&self) -> Option<(&Client, Wait)> {
        let waits = self.client.iter().filter_map(|client| Some((client, client.longest?)));
        waits.max_by_key(|(_, wait)| wait.length_ns(self.watched.to_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_is_one_of_any_kind_and_may_have_no_end() {
        let client = |kind: &str, from_ns, to_ns| Client {
            kind: kind.into(),
            acknowledged: 1,
            failed: 0,
            unanswered: 0,
            longest: Some(Wait { from_ns, to_ns }),
            gaps_seen: 0,
            gaps: Vec::new(),
            threshold_ns: 1,
        };
        let span = Span { from_ns: 0, to_ns: 1 };
        let stall = Stall {
            family: "ceph.osd_stop".into(),
            fault: "osd-stop".into(),
            on: Vec::new(),
            injected: span,
            healed: span,
            uncertainty_ns: 0,
            watched: Span { from_ns: -5, to_ns: 100 },
            asked_every_ns: 1,
            client: vec![client("read", 3, Some(40)), client("write", 10, None)],
            cluster: Vec::new(),
            detected_ns: None,
            resumed_ns: None,
            clean_ns: None,
            recovered: None,
            data: Data::default(),
        };
        let (longest, wait) = stall.longest().expect("two");
        assert_eq!((longest.kind.as_str(), wait.length_ns(100)), ("write", 90));
    }
}
