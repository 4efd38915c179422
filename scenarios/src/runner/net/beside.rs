//! Which processors the threads of the halves of a TCP measurement are pinned to: on each node those beside the cards that carry its address, as its own agent
//! sees them, dealt out over all cards in turn. Where nothing is known, nothing is pinned, and the note says why.

use std::collections::BTreeSet;

use super::carrier::Carrier;
use super::ceiling::Hardware;
use super::{AT_ONCE, Both, told};
use crate::remote::Remote;
use crate::remote::task::beside::{self, BesideSpec};
use crate::runner::bench::{Outcome, Trouble};

/// The processors of both halves; by default none, and then nothing is pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pinned {
    /// Of the node that connects.
    pub(super) from: Vec<u32>,
    /// Of the node that listens.
    pub(super) to: Vec<u32>,
}

impl Pinned {
    /// For so many threads of each half; those of the node that connects work for one member of its bond, where there is one named.
    pub(super) async fn of(both: &Both<'_>, hardware: &Hardware, member: Option<&str>, threads: u32, outcome: &mut Outcome) -> Result<Self, Trouble> {
        let ports = |carrier: Result<Carrier, String>| carrier.map(|carrier| carrier.ports);
        let sender = member.map_or_else(|| ports(hardware.sender(both)), |member| Ok(vec![member.to_owned()]));
        let (from, at_from) = at(both.from, sender, threads).await?;
        let (to, at_to) = at(both.to, ports(hardware.receiver(both)), threads).await?;
        let what = member.map_or_else(|| "threads".to_owned(), |member| format!("threads of {member}"));
        outcome.notes.insert(both.note(&what), format!("{}: {at_from}; {}: {at_to}", both.net.from.node, both.net.to.node));
        Ok(Self { from, to })
    }
}

/// The processors at one end, and what is said of them.
async fn at(remote: &Remote, ports: Result<Vec<String>, String>, threads: u32) -> Result<(Vec<u32>, String), Trouble> {
    let ports = match ports {
        Ok(ports) => ports,
        Err(why) => return Ok((Vec::new(), format!("{} not pinned: {why}", counted(threads)))),
    };
    let seen: beside::Beside = remote.call(beside::NAME, &BesideSpec { interfaces: ports.clone() }, AT_ONCE).await.map_err(told)?;
    let cards: Vec<(String, Vec<u32>)> =
        ports.into_iter().map(|port| (port.clone(), seen.interfaces.get(&port).cloned().unwrap_or_default())).collect();
    Ok(dealt(&cards, threads))
}

/// Processors for so many threads: of every card's in turn, the last of each first, for the first ones of a node serve most interrupts.
fn dealt(ports: &[(String, Vec<u32>)], threads: u32) -> (Vec<u32>, String) {
    let named = |known: bool| ports.iter().filter(|(_, cpus)| cpus.is_empty() != known).map(|(port, _)| port.as_str()).collect::<Vec<_>>().join(", ");
    // Ports of one card, and cards of one socket, have the same ones.
    let cards: BTreeSet<Vec<u32>> = ports.iter().map(|(_, cpus)| cpus.iter().rev().copied().collect()).collect();
    let longest = cards.iter().map(Vec::len).max().unwrap_or(0);
    let mut cpus: Vec<u32> = Vec::new();
    for cpu in (0..longest).flat_map(|place| cards.iter().filter_map(move |card| card.get(place))) {
        if !cpus.contains(cpu) {
            cpus.push(*cpu);
        }
    }
    cpus.truncate(usize::try_from(threads).expect("32 bits"));
    if cpus.is_empty() {
        return (cpus, format!("{} not pinned: no processor is known beside {}", counted(threads), named(false)));
    }
    let list: Vec<String> = cpus.iter().map(u32::to_string).collect();
    let plural = if cpus.len() == 1 { "processor" } else { "processors" };
    let mut text = format!("{} on {plural} {} beside {}", counted(threads), list.join(", "), named(true));
    let unknown = named(false);
    if !unknown.is_empty() {
        text += &format!(" (none is known beside {unknown})");
    }
    (cpus, text)
}

fn counted(threads: u32) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ports: &[(&str, &[u32])], threads: u32) -> (Vec<u32>, String) {
        dealt(&ports.iter().map(|(port, cpus)| ((*port).to_owned(), cpus.to_vec())).collect::<Vec<_>>(), threads)
    }

    #[test]
    fn threads_are_dealt_over_the_processors_of_all_cards_in_turn() {
        let near: &[u32] = &[0, 1, 2, 3];
        assert_eq!(of(&[("eth0", near)], 2), (vec![3, 2], "2 threads on processors 3, 2 beside eth0".into()));
        // Two ports of a card.
        assert_eq!(of(&[("eth0", near), ("eth1", near)], 3).0, [3, 2, 1]);
        // Cards at two sockets.
        assert_eq!(
            of(&[("eth0", near), ("eth1", &[4, 5, 6, 7])], 4),
            (vec![3, 7, 2, 6], "4 threads on processors 3, 7, 2, 6 beside eth0, eth1".into())
        );
        assert_eq!(of(&[("eth0", &[0, 1, 2]), ("eth1", &[2])], 8).0, [2, 1, 0], "each of them once, and then from the beginning");
        assert_eq!(of(&[("eth0", &[5])], 1).1, "1 thread on processor 5 beside eth0");
    }

    #[test]
    fn where_nothing_is_known_nothing_is_pinned() {
        assert_eq!(of(&[("veth0", &[])], 4), (vec![], "4 threads not pinned: no processor is known beside veth0".into()));
        assert_eq!(of(&[("m0", &[1]), ("m1", &[])], 2), (vec![1], "2 threads on processor 1 beside m0 (none is known beside m1)".into()));
    }
}
