//! The kernel that runs, what it was told, what it says of the hardware (taint bits of `/proc/sys/kernel/tainted`,
//! Documentation/admin-guide/tainted-kernels.rst), and what the installation left behind.

use std::cmp::Ordering;

use assay_model::attr::{Attr, Kind};
use assay_model::check::{Absence, Check};
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::site::declared::Leftovers;
use assay_model::verdict::Verdict;

use super::question::{Question, absent};
use super::seen::{Seen, count, list, text};
use crate::debian_version::compare_releases;

pub(super) const NOT_TAINTED: Question = Question { id: "os.not_tainted_by_hardware", expected: "taint bit 4 (machine check) not set" };
pub(super) const KERNEL_NEWEST: Question = Question { id: "os.kernel_newest", expected: "the running kernel is the newest installed one" };
pub(super) const COMMAND_LINE: Question =
    Question { id: "os.command_line", expected: "every declared word on the kernel's command line, none of the forbidden ones" };
pub(super) const LEFTOVERS: Question =
    Question { id: "os.installer_leftovers", expected: "no answer file and no first-boot hook of an unattended installation" };

/// Bit 4, letter M: the processor reported a machine check exception.
const MACHINE_CHECK: u64 = 1 << 4;

pub(super) fn not_tainted_by_hardware(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |os: &Component| {
        let seen = Seen::of(os, &[Attr::Tainted]);
        let verdict = match count(os, Attr::Tainted) {
            Ok(Some(taint)) if taint & MACHINE_CHECK != 0 => {
                Verdict::Fail(format!("taint {taint} has bit 4: a machine check was reported since boot"))
            }
            Ok(Some(_)) => Verdict::pass_on(seen.evidence()),
            Ok(None) => absent(site, "the kernel shows no taint bits"),
            Err(reason) => Verdict::Inconclusive(reason),
        };
        [NOT_TAINTED.answer(&os.locator, &seen, verdict)]
    };
    NOT_TAINTED.each(inventory, site, Kind::Os, "nothing is known of the kernel", ask)
}

pub(super) fn kernel_newest(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |os: &Component| {
        let seen = Seen::of(os, &[Attr::Kernel, Attr::KernelsInstalled, Attr::KernelPinned]);
        [KERNEL_NEWEST.answer(&os.locator, &seen, newest(site, os, &seen))]
    };
    KERNEL_NEWEST.each(inventory, site, Kind::Os, "nothing is known of the kernel", ask)
}

fn newest(site: &Site, os: &Component, seen: &Seen<'_>) -> Verdict {
    let running = match text(os, Attr::Kernel) {
        Ok(Some(running)) => running,
        Ok(None) => return absent(site, "the kernel does not give its release"),
        Err(reason) => return Verdict::Inconclusive(reason),
    };
    if let Some(declared) = &site.declared.software.kernel_pinned {
        return if running == declared {
            Verdict::pass_on(seen.evidence())
        } else {
            Verdict::Fail(format!("{running} runs, {declared} is declared"))
        };
    }
    let installed = match list(os, Attr::KernelsInstalled) {
        Ok(Some(installed)) => installed,
        Ok(None) => return absent(site, "no kernel is installed in /boot"),
        Err(reason) => return Verdict::Inconclusive(reason),
    };
    let Some(newest) = installed.iter().max_by(|a, b| compare_releases(a, b)) else { return absent(site, "no kernel is installed in /boot") };
    let pin = text(os, Attr::KernelPinned).ok().flatten().map_or_else(String::new, |pin| format!("; {pin} is pinned"));
    match (compare_releases(running, newest), site.absence) {
        (Ordering::Equal, _) => Verdict::pass_on(seen.evidence()),
        // A machine that nobody ordered is restarted when its owner likes.
        (_, Absence::NotApplicable) => Verdict::NotApplicable(format!("{running} runs and {newest} is installed; no site says which is to run")),
        (Ordering::Less, Absence::Inconclusive) => Verdict::Fail(format!("{running} runs, {newest} is installed{pin}")),
        (Ordering::Greater, Absence::Inconclusive) => {
            Verdict::Fail(format!("{running} runs and is not installed, the newest that is is {newest}{pin}"))
        }
    }
}

pub(super) fn command_line(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |os: &Component| {
        let seen = Seen::of(os, &[Attr::CommandLine]);
        let verdict = match (&site.declared.software.command_line, text(os, Attr::CommandLine)) {
            (None, _) => absent(site, "the site declares nothing of the kernel's command line"),
            (Some(_), Err(reason)) => Verdict::Inconclusive(reason),
            (Some(_), Ok(None)) => absent(site, "the kernel does not show its command line"),
            (Some(declared), Ok(Some(line))) => match words_wrong(line, &declared.required, &declared.forbidden) {
                wrong if wrong.is_empty() => Verdict::pass_on(seen.evidence()),
                wrong => Verdict::Fail(wrong.join("; ")),
            },
        };
        [COMMAND_LINE.answer(&os.locator, &seen, verdict)]
    };
    COMMAND_LINE.each(inventory, site, Kind::Os, "nothing is known of the kernel", ask)
}

/// What of the declared words is not as declared. Of a setting that is given more than once, the last one counts.
fn words_wrong(line: &str, required: &[String], forbidden: &[String]) -> Vec<String> {
    // What follows `--` is for init and not for the kernel, which strips quotes and takes `-` in a name for `_`.
    let words: Vec<(String, Option<String>)> = line.split_whitespace().take_while(|word| *word != "--").map(word_of).collect();
    let mut wrong = Vec::new();
    for wanted in required {
        let (name, value) = word_of(wanted);
        let Some(value) = value else {
            if !words.contains(&(name, None)) {
                wrong.push(format!("{wanted} is missing"));
            }
            continue;
        };
        let given = words.iter().rev().filter(|(given, _)| *given == name).find_map(|(_, value)| value.as_deref());
        match given {
            None => wrong.push(format!("{wanted} is missing")),
            // `iommu=pt,nobypass` is two options of one word.
            Some(given) if has_option(given, &value) => {}
            Some(given) => wrong.push(format!("{name}={given} is given, {wanted} is declared")),
        }
    }
    let is_given = |forbidden: &&String| {
        let (name, value) = word_of(forbidden);
        // Whatever a forbidden switch is set to, it is given: `nosmt=force`.
        words.iter().any(|(given, set)| *given == name && value.as_ref().is_none_or(|value| set.as_ref().is_some_and(|set| has_option(set, value))))
    };
    wrong.extend(forbidden.iter().filter(is_given).map(|word| format!("{word} is given and must not be")));
    wrong
}

fn word_of(word: &str) -> (String, Option<String>) {
    let plain = word.replace('"', "");
    match plain.split_once('=') {
        Some((name, value)) => (name.replace('-', "_"), Some(value.to_owned())),
        None => (plain.replace('-', "_"), None),
    }
}

fn has_option(given: &str, value: &str) -> bool {
    given == value || given.split(',').any(|option| option == value)
}

pub(super) fn installer_leftovers(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |os: &Component| {
        let seen = Seen::of(os, &[Attr::InstallerLeftovers]);
        let verdict = match (site.declared.software.installer_leftovers, list(os, Attr::InstallerLeftovers)) {
            (None, _) if site.absence == Absence::NotApplicable => absent(site, "no site says how this machine was installed"),
            (Some(Leftovers::Any), _) => Verdict::NotApplicable("the site allows for leftovers of the installation".into()),
            (None | Some(Leftovers::None), Ok(Some([]))) => Verdict::pass_on(seen.evidence()),
            (None | Some(Leftovers::None), Ok(Some(left))) => Verdict::Fail(format!("left behind: {}", left.join(", "))),
            (None | Some(Leftovers::None), Ok(None)) => absent(site, "nothing is known of what is left"),
            (None | Some(Leftovers::None), Err(reason)) => Verdict::Inconclusive(reason),
        };
        [LEFTOVERS.answer(&os.locator, &seen, verdict)]
    };
    LEFTOVERS.each(inventory, site, Kind::Os, "nothing is known of the system", ask)
}

#[cfg(test)]
mod tests {
    use assay_model::component::{Reading, Value};
    use assay_model::site::declared::CommandLine;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, generic, rank, strict, unreadable};

    fn texts(items: &[&str]) -> Reading {
        Value::List(items.iter().map(|&item| item.to_owned()).collect()).into()
    }

    fn asked(check: fn(&Inventory, &Site) -> Vec<Check>, node: &Node, site: &Site) -> Rank {
        rank(&check(&node.0, site))
    }

    #[test]
    fn the_newest_kernel_is_judged_as_the_table_says() {
        let both = || texts(&["6.14.8-2-pve", "6.14.11-2-pve"]);
        for (running, installed, strictly, generically) in [
            (Reading::from("6.14.11-2-pve"), both(), Rank::Pass, Rank::Pass),
            ("6.14.8-2-pve".into(), both(), Rank::Fail, Rank::NotApplicable),
            // Debian's own kernel where the management's is installed.
            ("6.12.48+deb13-amd64".into(), both(), Rank::Fail, Rank::NotApplicable),
            // Removed, and it will not boot again.
            ("6.17.2-1-pve".into(), both(), Rank::Fail, Rank::NotApplicable),
            ("6.14.11-2-pve".into(), Reading::Absent, Rank::Inconclusive, Rank::NotApplicable),
            ("6.14.11-2-pve".into(), unreadable(), Rank::Inconclusive, Rank::Inconclusive),
            (unreadable(), both(), Rank::Inconclusive, Rank::Inconclusive),
            (Reading::Absent, both(), Rank::Inconclusive, Rank::NotApplicable),
            ("6.14.11-2-pve".into(), texts(&[]), Rank::Inconclusive, Rank::NotApplicable),
        ] {
            let node = Node::healthy().plant(Kind::Os, "node", Attr::Kernel, running.clone()).plant(
                Kind::Os,
                "node",
                Attr::KernelsInstalled,
                installed.clone(),
            );
            assert_eq!((node.strictly(kernel_newest), node.generically(kernel_newest)), (strictly, generically), "{running}, {installed}");
        }
    }

    #[test]
    fn a_declared_kernel_takes_the_place_of_the_newest() {
        let node = Node::healthy().plant(Kind::Os, "node", Attr::Kernel, "6.14.8-2-pve").plant(
            Kind::Os,
            "node",
            Attr::KernelsInstalled,
            texts(&["6.14.8-2-pve", "6.14.11-2-pve"]),
        );
        let mut site = strict();
        for (declared, expected) in [("6.14.8-2-pve", Rank::Pass), ("6.14.11-2-pve", Rank::Fail)] {
            site.declared.software.kernel_pinned = Some(declared.into());
            assert_eq!(asked(kernel_newest, &node, &site), expected, "{declared}");
        }
    }

    #[test]
    fn the_command_line_is_judged_by_whole_words_and_the_last_of_them() {
        let mut site = strict();
        site.declared.software.command_line = Some(CommandLine {
            required: vec!["iommu=pt".into(), "quiet".into()],
            forbidden: vec!["mitigations=off".into(), "nvme_core.multipath=N".into(), "nosmt".into()],
        });
        for (line, expected) in [
            ("root=ZFS=rpool/ROOT/pve-1 boot=zfs quiet iommu=pt", Rank::Pass),
            ("amd_iommu=on iommu=nobypass,pt quiet", Rank::Pass),
            ("quiet iommu=off iommu=pt", Rank::Pass),
            ("quiet iommu=pt iommu=off", Rank::Fail),
            ("quiet amd_iommu=pt", Rank::Fail),
            ("quiet iommu=ptx", Rank::Fail),
            ("iommu=pt quietly", Rank::Fail),
            ("quiet -- iommu=pt", Rank::Fail),
            ("quiet iommu=pt mitigations=off", Rank::Fail),
            ("quiet iommu=pt mitigations=auto", Rank::Pass),
            ("quiet iommu=pt mitigations=off,nosmt", Rank::Fail),
            ("quiet iommu=pt \"mitigations=off\"", Rank::Fail),
            ("quiet iommu=pt nvme-core.multipath=N", Rank::Fail),
            ("quiet iommu=pt nosmt=force", Rank::Fail),
        ] {
            let node = Node::healthy().plant(Kind::Os, "node", Attr::CommandLine, line);
            assert_eq!(asked(command_line, &node, &site), expected, "{line}");
        }
        let unread = Node::healthy().plant(Kind::Os, "node", Attr::CommandLine, unreadable());
        assert_eq!(asked(command_line, &unread, &site), Rank::Inconclusive);
        let undeclared = Node::healthy();
        assert_eq!((undeclared.strictly(command_line), undeclared.generically(command_line)), (Rank::Inconclusive, Rank::NotApplicable));
    }

    #[test]
    fn leftovers_are_judged_where_somebody_ordered_the_node() {
        let mut any = strict();
        any.declared.software.installer_leftovers = Some(Leftovers::Any);
        for (left, strictly, generically) in [
            (texts(&[]), Rank::Pass, Rank::NotApplicable),
            (texts(&["/root/answer.toml"]), Rank::Fail, Rank::NotApplicable),
            (unreadable(), Rank::Inconclusive, Rank::NotApplicable),
            (Reading::Absent, Rank::Inconclusive, Rank::NotApplicable),
        ] {
            let node = Node::healthy().plant(Kind::Os, "node", Attr::InstallerLeftovers, left.clone());
            assert_eq!((node.strictly(installer_leftovers), asked(installer_leftovers, &node, &generic())), (strictly, generically), "{left}");
            assert_eq!(asked(installer_leftovers, &node, &any), Rank::NotApplicable);
        }
    }

    #[test]
    fn taint_is_judged_by_the_machine_check_bit_alone() {
        for (taint, strictly, generically) in [
            (Reading::from(0_u64), Rank::Pass, Rank::Pass),
            (16_u64.into(), Rank::Fail, Rank::Fail),
            ((16_u64 + 1 + 4096).into(), Rank::Fail, Rank::Fail),
            // A proprietary and out-of-tree module (12289), a warning (512), everything else but bit 4.
            (12_289_u64.into(), Rank::Pass, Rank::Pass),
            (512_u64.into(), Rank::Pass, Rank::Pass),
            ((u64::MAX - 16).into(), Rank::Pass, Rank::Pass),
            (Reading::Absent, Rank::Inconclusive, Rank::NotApplicable),
            (unreadable(), Rank::Inconclusive, Rank::Inconclusive),
            ("16".into(), Rank::Inconclusive, Rank::Inconclusive),
        ] {
            let node = Node::healthy().plant(Kind::Os, "node", Attr::Tainted, taint.clone());
            assert_eq!((node.strictly(not_tainted_by_hardware), node.generically(not_tainted_by_hardware)), (strictly, generically), "{taint}");
        }
    }
}
