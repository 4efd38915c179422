//! Processors against each other, and whether all of their threads are at work. What they must be is the order's to say.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::question::{Question, absent};
use super::seen::{Seen, count, guest, text};

pub(super) const ALL_ONLINE: Question = Question { id: "cpu.all_online", expected: "0 threads offline" };
pub(super) const PACKAGES_ALIKE: Question = Question { id: "cpu.packages_alike", expected: "the same in all packages" };
pub(super) const MICROCODE_ALIKE: Question = Question { id: "cpu.microcode_alike", expected: "the same in all packages" };
pub(super) const GOVERNOR_ALIKE: Question = Question { id: "cpu.governor_alike", expected: "the same on all CPUs" };

pub(super) fn all_online(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let packages = match ALL_ONLINE.subjects(inventory, site, Kind::Cpu) {
        Ok(packages) => packages,
        Err(unasked) => return unasked,
    };
    let seen = Seen::across(&packages, Attr::ThreadsOffline);
    let counts: Vec<Result<Option<u64>, Reason>> = packages.iter().map(|package| count(package, Attr::ThreadsOffline)).collect();
    // The number is the node's, and every package repeats it.
    let offline = counts.iter().filter_map(|count| count.as_ref().ok().copied().flatten()).max();
    let verdict = match (offline, counts.into_iter().find_map(Result::err)) {
        (Some(offline), _) if offline > 0 => match asked_for(inventory, &packages, offline) {
            Some(parameter) => Verdict::NotApplicable(format!("{offline} threads are offline because the kernel command line says {parameter}")),
            None => Verdict::Fail(format!("{offline} threads are present and offline")),
        },
        (Some(_), None) => Verdict::pass_on(seen.evidence()),
        (_, Some(reason)) => Verdict::Inconclusive(reason),
        (None, None) => absent(site, "the kernel does not say which CPUs are offline"),
    };
    let observed = offline.map_or_else(|| "nothing".into(), |offline| format!("{offline} threads offline"));
    vec![Check::new(ALL_ONLINE.id, "node", verdict, ALL_ONLINE.expected, observed, seen.source())]
}

// The parameter that accounts for exactly this many offline threads; one more is a fault that it must not cover.
fn asked_for<'a>(inventory: &'a Inventory, packages: &[&Component], offline: u64) -> Option<&'a str> {
    let command_line = inventory.iter(Kind::Os).find_map(|os| text(os, Attr::CommandLine).ok().flatten())?;
    let sum = |attr| packages.iter().try_fold(0_u64, |sum, package| sum.checked_add(count(package, attr).ok()??));
    let (online, cores) = (sum(Attr::Threads)?, sum(Attr::Cores)?);
    // One thread of each core is left, and its siblings are off.
    let is_one_of_each_core = online == cores && online > 0 && offline.is_multiple_of(online);
    command_line.split_whitespace().find(|word| match word.split_once('=') {
        Some(("maxcpus", most)) => most.parse() == Ok(online),
        Some(("mitigations", how)) => is_one_of_each_core && how.split(',').any(|part| part == "nosmt"),
        Some(("nosmt", _)) => is_one_of_each_core,
        Some(_) => false,
        None => *word == "nosmt" && is_one_of_each_core,
    })
}

pub(super) fn packages_alike(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let packages = match PACKAGES_ALIKE.subjects(inventory, site, Kind::Cpu) {
        Ok(packages) => packages,
        Err(unasked) => return unasked,
    };
    let product = [Attr::Vendor, Attr::Model, Attr::Family, Attr::ModelNumber, Attr::Stepping];
    let mut checks: Vec<Check> = product.into_iter().map(|attr| PACKAGES_ALIKE.alike(site, &packages, attr)).collect();
    // Cores are counted online: with CPUs offline, or in a guest, the numbers say nothing about the packages.
    let is_whole = packages.iter().all(|package| count(package, Attr::ThreadsOffline).is_ok_and(|offline| offline.unwrap_or(0) == 0));
    if is_whole && guest(inventory).is_none() {
        checks.extend([Attr::Cores, Attr::L3Bytes].map(|attr| PACKAGES_ALIKE.alike(site, &packages, attr)));
    }
    checks
}

pub(super) fn microcode_alike(inventory: &Inventory, site: &Site) -> Vec<Check> {
    match MICROCODE_ALIKE.subjects(inventory, site, Kind::Cpu) {
        Ok(packages) => vec![MICROCODE_ALIKE.alike(site, &packages, Attr::Microcode)],
        Err(unasked) => unasked,
    }
}

pub(super) fn governor_alike(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let packages = match GOVERNOR_ALIKE.subjects(inventory, site, Kind::Cpu) {
        Ok(packages) => packages,
        Err(unasked) => return unasked,
    };
    let mut check = GOVERNOR_ALIKE.alike(site, &packages, Attr::Governor);
    if let Some(mixed) = packages.iter().find(|package| text(package, Attr::Governor) == Ok(Some("mixed"))) {
        check.verdict = Verdict::Fail(format!("the CPUs of {} have different governors", mixed.locator));
    }
    vec![check]
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, unreadable};

    fn everywhere(node: Node, attr: Attr, reading: impl Into<Reading>) -> Node {
        let reading = reading.into();
        node.plant(Kind::Cpu, "package 0", attr, reading.clone()).plant(Kind::Cpu, "package 1", attr, reading)
    }

    #[test]
    fn threads_that_are_offline_are_found() {
        assert_eq!(everywhere(Node::healthy(), Attr::ThreadsOffline, 1_u64).strictly(all_online), Rank::Fail);
        assert_eq!(everywhere(Node::healthy(), Attr::ThreadsOffline, 128_u64).generically(all_online), Rank::Fail);
        let second_only = Node::healthy().plant(Kind::Cpu, "package 1", Attr::ThreadsOffline, 2_u64);
        assert_eq!(second_only.generically(all_online), Rank::Fail);
        let unread_elsewhere = Node::healthy().plant(Kind::Cpu, "package 0", Attr::ThreadsOffline, 2_u64);
        assert_eq!(unread_elsewhere.plant(Kind::Cpu, "package 1", Attr::ThreadsOffline, unreadable()).generically(all_online), Rank::Fail);
    }

    #[test]
    fn threads_that_the_command_line_turns_off_are_not_a_fault_and_one_more_is() {
        let one_thread_each = || everywhere(everywhere(Node::healthy(), Attr::Threads, 64_u64), Attr::ThreadsOffline, 128_u64);
        for parameter in ["nosmt", "nosmt=force", "mitigations=auto,nosmt", "maxcpus=128"] {
            let asked = one_thread_each().plant(Kind::Os, "node", Attr::CommandLine, format!("quiet {parameter} ro"));
            assert_eq!(asked.strictly(all_online), Rank::NotApplicable, "{parameter}");
            let one_more = everywhere(asked, Attr::ThreadsOffline, 129_u64).plant(Kind::Cpu, "package 0", Attr::Threads, 63_u64);
            assert_eq!(one_more.strictly(all_online), Rank::Fail, "{parameter}");
        }
        for parameter in ["nosmtx", "mitigations=auto", "maxcpus=256", "xnosmt"] {
            let not_asked = one_thread_each().plant(Kind::Os, "node", Attr::CommandLine, parameter);
            assert_eq!(not_asked.strictly(all_online), Rank::Fail, "{parameter}");
        }
    }

    #[test]
    fn a_number_of_offline_threads_that_is_not_known_is_never_a_pass() {
        assert_eq!(everywhere(Node::healthy(), Attr::ThreadsOffline, unreadable()).generically(all_online), Rank::Inconclusive);
        let absent = everywhere(Node::healthy(), Attr::ThreadsOffline, Reading::Absent);
        assert_eq!((absent.strictly(all_online), absent.generically(all_online)), (Rank::Inconclusive, Rank::NotApplicable));
    }

    #[test]
    fn a_second_processor_of_another_kind_is_found() {
        for (attr, other) in [
            (Attr::Model, Reading::from("AMD EPYC 9554 64-Core Processor")),
            (Attr::Stepping, 2_u64.into()),
            (Attr::Cores, 63_u64.into()),
            (Attr::L3Bytes, (224_u64 << 20).into()),
        ] {
            let node = Node::healthy().plant(Kind::Cpu, "package 1", attr, other);
            assert_eq!(node.about(&format!("cpu {attr}"), packages_alike).verdict.rank(), Rank::Fail, "{attr}");
        }
    }

    #[test]
    fn cores_that_differ_because_some_are_offline_are_left_to_the_check_of_offline_threads() {
        let node = everywhere(Node::healthy(), Attr::ThreadsOffline, 2_u64).plant(Kind::Cpu, "package 1", Attr::Cores, 63_u64);
        assert_eq!((node.strictly(packages_alike), node.strictly(all_online)), (Rank::Pass, Rank::Fail));
    }

    #[test]
    fn a_single_processor_is_like_itself() {
        let node = Node::healthy().pulled(Kind::Cpu, "package 1");
        assert_eq!((node.strictly(packages_alike), node.strictly(microcode_alike)), (Rank::Pass, Rank::Pass));
    }

    #[test]
    fn microcode_that_differs_or_is_not_known_is_found() {
        let other = Node::healthy().plant(Kind::Cpu, "package 1", Attr::Microcode, "0xa101111");
        assert_eq!(other.generically(microcode_alike), Rank::Fail);
        assert_eq!(other.pulled(Kind::Cpu, "package 0").generically(microcode_alike), Rank::Pass);
        let unread = Node::healthy().plant(Kind::Cpu, "package 1", Attr::Microcode, unreadable());
        assert_eq!(unread.generically(microcode_alike), Rank::Inconclusive);
        let half = Node::healthy().plant(Kind::Cpu, "package 1", Attr::Microcode, Reading::Absent);
        assert_eq!(half.generically(microcode_alike), Rank::Inconclusive);
    }

    #[test]
    fn governors_that_differ_between_or_within_packages_are_found() {
        let between = Node::healthy().plant(Kind::Cpu, "package 1", Attr::Governor, "powersave");
        assert_eq!(between.generically(governor_alike), Rank::Fail);
        assert_eq!(everywhere(Node::healthy(), Attr::Governor, "mixed").generically(governor_alike), Rank::Fail);
        assert_eq!(everywhere(Node::healthy(), Attr::Governor, "schedutil").generically(governor_alike), Rank::Pass);
        assert_eq!(everywhere(Node::healthy(), Attr::Governor, Reading::Absent).generically(governor_alike), Rank::NotApplicable);
    }
}
