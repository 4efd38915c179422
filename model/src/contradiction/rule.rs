//! The registry of rules: each is a pure function that finds one kind of contradiction in an order, from the BOM and the parts catalogue alone.

use crate::bom::Bom;
use crate::check::CheckId;
use crate::contradiction::{Contradiction, ContradictionKind, ceph, corosync, cpu, gpu, memory, network, pcie, storage};
use crate::parts::Parts;
use crate::phase::Phase;

/// What a rule found: the order's statement and why it cannot hold, both with their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What the order says.
    pub statement: String,
    /// Why that cannot hold.
    pub why: String,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its permanent name; the contradiction's id where the site gives it none.
    pub name: &'static str,
    /// One sentence: when it fires.
    pub describe: &'static str,
    /// The kind of its contradictions, where the site says no other.
    pub kind: ContradictionKind,
    /// Phases that it blocks, where the site says no others.
    pub blocks: &'static [u8],
    /// Checks that it blocks, where the site says no others.
    pub checks: &'static [&'static str],
    /// Looks at an order.
    pub find: fn(&Bom, &Parts) -> Option<Finding>,
}

/// Every rule, by topic.
pub const RULES: &[Rule] = &[
    cpu::SOCKETS,
    memory::MODULES_FIT,
    memory::MODULE_SPEED,
    pcie::LANE_BUDGET,
    pcie::LINK_SPEED,
    storage::DRIVE_UNNAMED,
    network::CARDS_UNSTATED,
    network::BOND_PORTS,
    network::BOND_BEYOND_SLOT,
    network::LACP_SLOW,
    corosync::ON_STORAGE_NETWORK,
    corosync::SINGLE_PATH,
    ceph::SHARED_NETWORK,
    ceph::NO_SPARE_HOST,
    ceph::REPLICAS_EXCEED_HOSTS,
    ceph::MIN_SIZE,
    ceph::DEVICE_CLASS,
    ceph::RATIO_NO_QUOTA,
    gpu::BOARDS,
    gpu::MIG_SUPPORT,
    gpu::MIG_PLACEMENT,
    gpu::VGPU_CONTAINERS,
];

impl Rule {
    /// The phases that it blocks.
    pub fn phases(&self) -> Vec<Phase> {
        // A number that is no phase is caught by the registry's test.
        self.blocks.iter().filter_map(|&number| Phase::try_from(number).ok()).collect()
    }

    /// The contradiction of a site that says nothing of this rule.
    pub(crate) fn contradiction(&self, finding: &Finding) -> Contradiction {
        Contradiction {
            id: self.name.to_owned(),
            kind: self.kind,
            statement: finding.statement.clone(),
            why: finding.why.clone(),
            candidates: Vec::new(),
            resolution: None,
            blocks: self.phases(),
            checks: self.checks.iter().map(|&id| CheckId::from(id)).collect(),
            derived_by: Some(self.name.to_owned()),
        }
    }
}

/// `one`, `two`, ... up to twelve, then digits.
pub(crate) fn in_words(n: u64) -> String {
    const WORDS: [&str; 13] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    usize::try_from(n).ok().and_then(|n| WORDS.get(n)).map_or_else(|| n.to_string(), |word| (*word).to_owned())
}

/// `1 socket`, `2 sockets`.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_blocks_phases_that_exist() {
        for (i, rule) in RULES.iter().enumerate() {
            assert!(RULES[..i].iter().all(|other| other.name != rule.name), "{}", rule.name);
            assert_eq!(rule.phases().len(), rule.blocks.len(), "{}", rule.name);
            assert!(!rule.blocks.is_empty() && !rule.describe.is_empty(), "{}", rule.name);
        }
    }
}
