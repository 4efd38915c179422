//! Memory channels: whether every channel of every socket carries as many modules as the others. Which channel a slot belongs to was told from its label by the
//! probe; how many channels a socket has is the processor's to say, by the parts catalogue.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::check::{Absence, Check};
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::dimm::Modules;
use super::question::{Question, absent};
use super::seen::{Seen, count, text};

pub(super) const POPULATED: Question =
    Question { id: "dimm.channels_populated", expected: "every channel of every socket, with equal numbers of modules" };

/// Modules by socket and channel.
type Population<'a> = BTreeMap<(u64, &'a str), u64>;

pub(super) fn populated(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let modules = match Modules::fitted(&POPULATED, inventory, site) {
        Ok(modules) => modules,
        Err(unasked) => return unasked,
    };
    if modules.fitted.is_empty() {
        return modules.unclear(&POPULATED);
    }
    let seen = Seen::across(&modules.fitted, Attr::Channel).and(Seen::across(&modules.fitted, Attr::Socket));
    let channels = site
        .bom
        .as_ref()
        .and_then(|bom| bom.of(Kind::Cpu).find_map(|line| site.parts.cpu.get(line.part.as_deref()?)))
        .map(|part| part.memory_channels);
    let (verdict, observed) = match population(&modules.fitted) {
        Ok(population) => (judged(site, inventory, &population, channels, &seen), observed(&population)),
        Err(reason) => (if channels.is_some() { Verdict::Inconclusive(reason) } else { unknown(site, reason) }, "unknown".into()),
    };
    let expected = channels
        .map_or_else(|| POPULATED.expected.to_owned(), |channels| format!("{channels} channels of every socket, with equal numbers of modules"));
    let check = Check::new(POPULATED.id, "node", verdict, expected, observed, seen.source());
    std::iter::once(check).chain(modules.unclear(&POPULATED)).collect()
}

// Where nothing is ordered, a label that nobody understands is no finding.
fn unknown(site: &Site, reason: Reason) -> Verdict {
    match site.absence {
        Absence::NotApplicable => Verdict::NotApplicable(reason.to_string()),
        Absence::Inconclusive => Verdict::Inconclusive(reason),
    }
}

fn population<'a>(modules: &[&'a Component]) -> Result<Population<'a>, Reason> {
    let mut population = Population::new();
    for module in modules {
        let unknown = |what: &str| Reason::Unreadable(format!("{}: its {what} cannot be told from its label", module.locator));
        let socket = count(module, Attr::Socket)?.ok_or_else(|| unknown("socket"))?;
        let channel = text(module, Attr::Channel)?.ok_or_else(|| unknown("channel"))?;
        *population.entry((socket, channel)).or_default() += 1;
    }
    Ok(population)
}

fn judged(site: &Site, inventory: &Inventory, population: &Population<'_>, channels: Option<u32>, seen: &Seen<'_>) -> Verdict {
    let Some(channels) = channels else {
        return absent(site, "the order names no processor of which the memory channels are known");
    };
    let channels = u64::from(channels);
    let mut per_socket: BTreeMap<u64, u64> = BTreeMap::new();
    population.keys().for_each(|(socket, _)| *per_socket.entry(*socket).or_default() += 1);
    if let Some((socket, found)) = per_socket.iter().find(|(_, found)| **found > channels) {
        return Verdict::Inconclusive(Reason::Invalid(format!("{found} channels are told from the labels of socket {socket}, which has {channels}")));
    }
    let mut wrong: Vec<String> = per_socket
        .iter()
        .filter(|(_, found)| **found < channels)
        .map(|(socket, found)| format!("socket {socket} has {found} of {channels} channels fitted"))
        .collect();
    let packages = inventory.iter(Kind::Cpu).count();
    if packages == 0 {
        return Verdict::Inconclusive(Reason::NotRun("the processors were not counted".into()));
    }
    if per_socket.len() != packages {
        wrong.push(format!("memory is fitted at {} of {packages} sockets", per_socket.len()));
    }
    let counts: Vec<u64> = population.values().copied().collect();
    if counts.iter().min() != counts.iter().max() {
        let most = counts.iter().copied().max().unwrap_or_default();
        let fewer: Vec<String> = population
            .iter()
            .filter(|(_, modules)| **modules < most)
            .map(|((socket, channel), modules)| format!("{socket} {channel} has {modules}"))
            .collect();
        wrong.push(format!("some channels have {most} modules, others fewer: {}", fewer.join(", ")));
    }
    if wrong.is_empty() { Verdict::pass_on(seen.evidence()) } else { Verdict::Fail(wrong.join("; ")) }
}

fn observed(population: &Population<'_>) -> String {
    let mut sockets: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for ((socket, channel), modules) in population {
        sockets.entry(*socket).or_default().push(if *modules == 1 { (*channel).to_owned() } else { format!("{channel} x{modules}") });
    }
    sockets.iter().map(|(socket, channels)| format!("socket {socket}: {}", channels.join(" "))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{GIB, Node, generic, module, ordering_processor, rank, unreadable};

    fn placed(slot: &str, socket: impl Into<Reading>, channel: impl Into<Reading>) -> Component {
        module(slot, 96 * GIB).with(Attr::Socket, slot, socket).with(Attr::Channel, slot, channel)
    }

    fn node(per_channel: u64) -> Node {
        let mut node = Node::healthy().without(Kind::Dimm);
        for socket in 0..2_u64 {
            for channel in "ABCDEFGHIJKL".chars() {
                for slot in 0..per_channel {
                    node = node.with(placed(&format!("P{socket}-{channel}{slot}"), socket, channel.to_string()));
                }
            }
        }
        node
    }

    fn judged(node: &Node) -> Rank {
        rank(&populated(&node.0, &ordering_processor(12)))
    }

    #[test]
    fn one_or_two_modules_on_every_channel_pass() {
        assert_eq!((judged(&node(1)), judged(&node(2))), (Rank::Pass, Rank::Pass));
    }

    #[test]
    fn an_empty_channel_an_odd_one_and_an_empty_socket_are_found() {
        assert_eq!(judged(&node(1).pulled(Kind::Dimm, "P0-C0")), Rank::Fail);
        assert_eq!(judged(&node(2).pulled(Kind::Dimm, "P1-L1")), Rank::Fail);
        assert_eq!(judged(&node(1).with(placed("P0-A1", 0_u64, "A"))), Rank::Fail);
        let moved = node(1).plant(Kind::Dimm, "P1-A0", Attr::Socket, 0_u64);
        assert_eq!(judged(&moved), Rank::Fail);
        let mut half = node(1);
        half.0.components.retain(|component| !component.locator.starts_with("P1-"));
        assert_eq!(judged(&half), Rank::Fail);
    }

    #[test]
    fn labels_that_name_no_channel_or_too_many_are_inconclusive() {
        for reading in [unreadable(), Reading::Absent] {
            assert_eq!(judged(&node(1).plant(Kind::Dimm, "P0-C0", Attr::Channel, reading.clone())), Rank::Inconclusive);
            assert_eq!(judged(&node(1).plant(Kind::Dimm, "P0-C0", Attr::Socket, reading)), Rank::Inconclusive);
        }
        assert_eq!(judged(&node(1).with(placed("P0-M0", 0_u64, "M"))), Rank::Inconclusive);
        assert_eq!(judged(&node(1).without(Kind::Cpu)), Rank::Inconclusive);
    }

    #[test]
    fn where_nothing_is_ordered_a_laptop_with_one_module_is_not_accused() {
        let laptop = Node::healthy().without(Kind::Dimm).with(placed("ChannelA-DIMM0", 0_u64, "A"));
        assert_eq!(rank(&populated(&laptop.0, &generic())), Rank::NotApplicable);
        let unlabelled = Node::healthy().without(Kind::Dimm).with(placed("DIMM 0", unreadable(), unreadable()));
        assert_eq!(rank(&populated(&unlabelled.0, &generic())), Rank::NotApplicable);
    }
}
