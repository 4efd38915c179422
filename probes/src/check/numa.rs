//! NUMA nodes: how many a processor is split into (NPS), and whether the memory is spread evenly over them.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::findings::Findings;
use super::question::{Question, absent};
use super::seen::{Seen, count, guest, text};

/// The order may allow several; a declaration names one. Both answer with the same id.
pub(super) const AS_DECLARED: Question = Question { id: "cpu.numa_nodes", expected: "as many NUMA nodes per processor as declared" };
pub(super) const MEMORY_ALIKE: Question = Question { id: "numa_node.memory_alike", expected: "within 2 % of each other" };

/// Nodes may differ by this part of the largest: firmware and kernel take what they need from one of them.
const TOLERANCE_PERCENT: u64 = 2;
/// What they take does not shrink with the memory: on small nodes it is more, but never as much as an eighth of one.
const FIXED_RESERVE_BYTES: u64 = 2 << 30;

pub(super) fn as_declared(inventory: &Inventory, site: &Site) -> Vec<Check> {
    AS_DECLARED.each(inventory, site, Kind::Cpu, "no processor was found", |package| {
        let seen = Seen::of(package, &[Attr::NumaNodes]);
        let verdict = match site.declared.platform.numa_nodes_per_socket {
            Some(declared) => {
                let mut findings = Findings::default();
                findings.expect(Attr::NumaNodes, count(package, Attr::NumaNodes), &declared);
                findings.verdict(site, &seen)
            }
            None if is_ordered(site) => Verdict::NotApplicable("the site declares no number beyond those that it orders".into()),
            None => absent(site, "the site declares no number of NUMA nodes per processor"),
        };
        [AS_DECLARED.answer(format!("{} as declared", package.locator), &seen, verdict)]
    })
}

fn is_ordered(site: &Site) -> bool {
    site.bom.as_ref().is_some_and(|bom| bom.of(Kind::Cpu).any(|line| line.expect.contains_key(&Attr::NumaNodes)))
}

pub(super) fn memory_alike(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let question = &MEMORY_ALIKE;
    let nodes = match question.subjects(inventory, site, Kind::NumaNode) {
        Ok(nodes) => nodes,
        Err(unasked) => return unasked,
    };
    if let Some(os) = guest(inventory) {
        let why = "this is a guest: its NUMA nodes are made up by the hypervisor";
        return vec![question.absent(site, Kind::NumaNode.name(), why, os.source(Attr::Hypervisor))];
    }
    // Nodes of memory expanders and of accelerators have no CPUs, and their memory is their own affair.
    let nodes: Vec<&Component> = nodes.into_iter().filter(|node| text(node, Attr::CpuList) != Ok(Some(""))).collect();
    let seen = Seen::across(&nodes, Attr::Total);
    let observed: Vec<String> = nodes.iter().map(|node| format!("{} {}", node.locator, node.reading(Attr::Total))).collect();
    let verdict = spread(site, &nodes, &seen);
    vec![Check::new(question.id, Kind::NumaNode.name(), verdict, question.expected, observed.join(", "), seen.source())]
}

fn spread(site: &Site, nodes: &[&Component], seen: &Seen<'_>) -> Verdict {
    let mut totals = Vec::new();
    let mut findings = Findings::default();
    for node in nodes {
        if let Some(lists) = findings.value(format!("CPU list of {}", node.locator), text(node, Attr::CpuList))
            && let Some(total) = findings.value(format!("total of {}", node.locator), count(node, Attr::Total))
        {
            debug_assert!(!lists.is_empty());
            totals.push(total);
        }
    }
    let (Some(&least), Some(&most)) = (totals.iter().min(), totals.iter().max()) else {
        if nodes.is_empty() {
            findings.unclear(Reason::NotRun("no NUMA node has a processor: there was nothing to compare".into()));
        }
        return findings.verdict(site, seen);
    };
    if most - least > (most / 100 * TOLERANCE_PERCENT).max(FIXED_RESERVE_BYTES.min(most / 8)) {
        findings.wrong(format!("they differ by {} of {most} bytes", most - least));
    }
    findings.verdict(site, seen)
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{GIB, Node, component, generic, rank, strict, unreadable};

    fn node(totals: &[Reading]) -> Node {
        let numbered = totals.iter().enumerate();
        numbered.fold(Node::healthy().without(Kind::NumaNode), |node, (number, total)| {
            node.with(component(
                Kind::NumaNode,
                &format!("node{number}"),
                &[(Attr::CpuList, format!("{number}").into()), (Attr::Total, total.clone())],
            ))
        })
    }

    fn of(totals: &[u64]) -> Node {
        node(&totals.iter().map(|total| (*total).into()).collect::<Vec<_>>())
    }

    #[test]
    fn memory_is_compared_within_two_percent() {
        for (totals, expected) in [
            (vec![1000 * GIB, 1000 * GIB], Rank::Pass),
            (vec![980 * GIB, 1000 * GIB], Rank::Pass),
            (vec![980 * GIB - 1, 1000 * GIB], Rank::Fail),
            (vec![1000 * GIB, 904 * GIB], Rank::Fail),
            (vec![24 * GIB], Rank::Pass),
            (vec![744 << 20, 791 << 20], Rank::Pass),
            (vec![14 * GIB, 16 * GIB], Rank::Pass),
            (vec![8 * GIB, 16 * GIB], Rank::Fail),
            (vec![512 << 20, GIB], Rank::Fail),
            (vec![0, 1000 * GIB], Rank::Fail),
        ] {
            assert_eq!(of(&totals).strictly(memory_alike), expected, "{totals:?}");
            assert_eq!(of(&totals).generically(memory_alike), expected, "{totals:?}");
        }
    }

    #[test]
    fn an_expander_without_cpus_is_left_out_and_a_guest_is_not_accused() {
        let expander = component(Kind::NumaNode, "node2", &[(Attr::CpuList, "".into()), (Attr::Total, GIB.into())]);
        assert_eq!(of(&[1000 * GIB, 1000 * GIB]).with(expander).strictly(memory_alike), Rank::Pass);
        let guest = of(&[10 * GIB, GIB]).plant(Kind::Os, "node", Attr::Hypervisor, true);
        assert_eq!((guest.generically(memory_alike), guest.strictly(memory_alike)), (Rank::NotApplicable, Rank::Inconclusive));
    }

    #[test]
    fn totals_that_are_not_known_are_never_a_pass() {
        assert_eq!(node(&[(1000 * GIB).into(), unreadable()]).generically(memory_alike), Rank::Inconclusive);
        assert_eq!(node(&[(1000 * GIB).into(), Reading::Absent]).strictly(memory_alike), Rank::Inconclusive);
        assert_eq!(node(&[unreadable()]).generically(memory_alike), Rank::Inconclusive);
        let unlisted = of(&[1000 * GIB, 1000 * GIB]).plant(Kind::NumaNode, "node1", Attr::CpuList, unreadable());
        assert_eq!(unlisted.strictly(memory_alike), Rank::Inconclusive);
    }

    fn split(nodes: impl Into<Reading>, declared: Option<u64>) -> Rank {
        let nodes = nodes.into();
        let node =
            Node::healthy().plant(Kind::Cpu, "package 0", Attr::NumaNodes, nodes.clone()).plant(Kind::Cpu, "package 1", Attr::NumaNodes, nodes);
        let mut site = strict();
        site.declared.platform.numa_nodes_per_socket = declared;
        rank(&as_declared(&node.0, &site))
    }

    #[test]
    fn nps_is_compared_with_the_declared_one() {
        assert_eq!((split(1_u64, Some(1)), split(4_u64, Some(1)), split(1_u64, Some(4))), (Rank::Pass, Rank::Fail, Rank::Fail));
        assert_eq!(
            (split(unreadable(), Some(1)), split(Reading::Absent, Some(1)), split(1_u64, None)),
            (Rank::Inconclusive, Rank::Inconclusive, Rank::Inconclusive)
        );
        assert_eq!(rank(&as_declared(&Node::healthy().0, &generic())), Rank::NotApplicable);
    }
}
