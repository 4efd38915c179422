//! Over which members of the sender's bond streams go: source ports that lead to them, and the members' counters at both ends that prove it.

use std::collections::BTreeSet;

use assay_model::bond::hash::{HashPolicy, LowestBit};
use assay_model::bond::ports::{Route, SourcePort, Unchoosable};
use assay_model::bond::shares::{self, MemberCounter, Shares};
use assay_model::metric::{Direction, Samples};
use assay_model::unit::Unit;

use super::carrier::Carrier;
use super::ceiling::Hardware;
use super::members::Members;
use super::tcp::FlowEnd;
use super::{AT_ONCE, Both, float, told};
use crate::remote::Remote;
use crate::remote::task::counters::{self, Counters, CountersSpec};
use crate::runner::bench::{Figure, Outcome, Trouble};
use crate::scenario::MEMBERS;

/// Ports that streams are given: above those that the kernel hands out by itself (ip_local_port_range), which others have.
pub(super) const PORTS: std::ops::RangeInclusive<u16> = 61_000..=65_500;
/// The share of what streams carried that the members which they should not touch may have carried meanwhile: LACP, ARP and other small talk.
const STRAY: f64 = 0.05;

/// The bond of the sending node, and what puts a stream on a member of it.
pub(super) struct Routed {
    bond: String,
    route: Route,
}

impl Routed {
    pub(super) fn new(both: &Both<'_>, hardware: &Hardware) -> Result<Self, Trouble> {
        let carrier = hardware.sender(both)?;
        let Some(bond) = carrier.bond else {
            return Err(Trouble::NotConfigured(format!("{} of {} is carried by no bond", both.net.from.address, both.net.from.node)));
        };
        if let Some(vxlan) = carrier.vxlan {
            let why = format!("{} wraps them in VXLAN, and {} sees the ports of the tunnel, not theirs", vxlan.name, bond.name);
            return Err(Trouble::NotConfigured(format!("streams of {} cannot be put on members: {why}", both.net.from.node)));
        }
        let policy: HashPolicy = bond.policy.parse().map_err(Trouble::Failed)?;
        let route = Route {
            policy,
            lowest_bit: LowestBit::Discarded,
            members: carrier.ports,
            // No policy that looks at ports looks at these.
            source_mac: [0; 6],
            destination_mac: [0; 6],
            vlan: None,
            source: both.net.from.address,
            destination: both.net.to.address,
            destination_port: 0,
            connected: true,
        };
        Ok(Self { bond: bond.name, route })
    }

    #[cfg(test)]
    pub(super) fn planted(route: Route) -> Self {
        Self { bond: "bond0".to_owned(), route }
    }

    pub(super) fn members(&self) -> &[String] {
        &self.route.members
    }

    pub(super) fn policy(&self) -> HashPolicy {
        self.route.policy
    }

    /// The way of one flow, under either generation of the hash.
    pub(super) fn of(&self, end: &FlowEnd, lowest_bit: LowestBit) -> Route {
        Route { source: end.local.ip(), destination: end.remote.ip(), destination_port: end.remote.port(), lowest_bit, ..self.route.clone() }
    }

    /// A port for each stream, as many on each member as on every other.
    pub(super) fn spread(&self, peer: u16, streams: u32) -> Result<Vec<u16>, Trouble> {
        let chosen = self.choose(peer, usize::try_from(streams).expect("32 bits"))?;
        Ok(chosen.iter().map(|chosen| chosen.port).collect())
    }

    /// Ports that all lead to one member.
    pub(super) fn only(&self, peer: u16, member: usize, streams: u32) -> Result<Vec<u16>, Trouble> {
        let all = self.choose(peer, usize::try_from(streams).expect("32 bits") * self.route.members.len())?;
        Ok(all.iter().filter(|chosen| chosen.member == member).map(|chosen| chosen.port).collect())
    }

    fn choose(&self, peer: u16, flows: usize) -> Result<Vec<SourcePort>, Trouble> {
        let route = Route { destination_port: peer, ..self.route.clone() };
        route.choose(flows, PORTS, &BTreeSet::new()).map_err(|why| self.unchoosable(&why))
    }

    fn unchoosable(&self, why: &Unchoosable) -> Trouble {
        Trouble::NotConfigured(format!("streams cannot be put on the members of {}: {why}", self.bond))
    }

    pub(super) async fn counters(&self, both: &Both<'_>) -> Result<Counters, Trouble> {
        read(both.from, &self.route.members).await
    }

    /// Bytes that each member has sent between two readings.
    pub(super) fn rose(&self, before: &Counters, after: &Counters) -> Result<Vec<MemberCounter>, Trouble> {
        rose(&self.route.members, "tx_bytes", before, after)
    }

    /// What each member sent of what was carried.
    pub(super) fn shares(&self, before: &Counters, after: &Counters, carried: u64) -> Result<Shares, Trouble> {
        Shares::of(&self.rose(before, after)?, carried)
            .map_err(|why| Trouble::Failed(format!("what each member of {} carried cannot be told: {why}", self.bond)))
    }
}

/// Why what was carried did not go over this member and over no other.
pub(super) fn proves(rose: &[MemberCounter], member: usize, carried: u64) -> Result<(), String> {
    for (at, counter) in rose.iter().enumerate() {
        let sent = counter.after.checked_sub(counter.before).ok_or_else(|| format!("the count of {} ran backwards", counter.member))?;
        let (own, enough) = (at == member, sent >= carried);
        if own && !enough {
            return Err(format!("{} counted {sent} of the {carried} bytes that were to go over it", counter.member));
        }
        if !own && float(sent) > STRAY * float(carried) {
            return Err(format!("{} sent {sent} bytes while {carried} were to go over another member", counter.member));
        }
    }
    Ok(())
}

/// What the member carried that carried least: of the whole, and as a part of an equal share, which limits are of.
pub(super) fn least(both: &Both<'_>, family: &str, shares: &Shares) -> [Figure; 2] {
    let figure =
        |word: &str, value: Option<f64>| both.figure(format!("{family}.{word}"), Unit::Ratio, Direction::HigherIsBetter, value.unwrap_or(f64::NAN));
    [figure("least_share", shares.least().map(|least| least.share)), figure("least_of_equal", shares.least_of_equal())]
}

/// LACP has all members of both ends in: one that is out now and then carries what it is told to all the same, or nothing.
pub(super) async fn agreed(both: &Both<'_>, hardware: &Hardware) -> Result<(), Trouble> {
    for (remote, carrier) in [(both.from, hardware.sender(both)), (both.to, hardware.receiver(both))] {
        if let Some(bond) = carrier?.bond.filter(|bond| bond.is_lacp) {
            let members = Members::read(remote, &bond.name).await?;
            members.all_in().map_err(|why| Trouble::Failed(format!("the members of the bond do not agree: on {} {why}", remote.node())))?;
        }
    }
    Ok(())
}

/// How each member does beside the median of the others, each of them alone: one that works, and does so at a tenth, is found by nothing else.
pub(super) fn beside_peers(both: &Both<'_>, alone: &[(String, f64)], outcome: &mut Outcome) -> Result<(), Trouble> {
    let degraded = shares::degraded(alone).map_err(|why| Trouble::Failed(format!("how the members compare cannot be told: {why}")))?;
    for (member, share) in peer_shares(alone) {
        outcome.figures.push(of_member(both, format!("{MEMBERS}.peer_share"), Unit::Ratio, &member, share));
    }
    for one in &degraded {
        let text = format!("{:.3} Gbit/s alone, where the others do {:.3}", one.goodput * 8.0 / 1e9, one.peers * 8.0 / 1e9);
        outcome.notes.insert(both.note(&format!("{} is degraded", one.member)), text);
    }
    Ok(())
}

/// What each carries as a part of the median of what the others do.
fn peer_shares(alone: &[(String, f64)]) -> Vec<(String, f64)> {
    let share = |(at, (member, goodput)): (usize, &(String, f64))| {
        let others = alone.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, (_, goodput))| *goodput).collect();
        (member.clone(), goodput / Samples::new(others).median())
    };
    alone.iter().enumerate().map(share).collect()
}

pub(super) fn of_member(both: &Both<'_>, name: String, unit: Unit, member: &str, value: f64) -> Figure {
    let mut figure = both.figure(name, unit, Direction::HigherIsBetter, value);
    figure.dimensions.insert("member".to_owned(), member.to_owned());
    figure
}

pub(super) fn words(shares: &Shares) -> String {
    let words: Vec<String> = shares.members.iter().map(|member| format!("{} {:.1} %", member.member, member.share * 100.0)).collect();
    words.join(", ")
}

/// The counters of what carries the address of the receiver, where that can be told.
pub(super) async fn received(both: &Both<'_>, receiver: &Result<Carrier, String>) -> Result<Option<Counters>, Trouble> {
    match receiver {
        Ok(carrier) => read(both.to, &carrier.ports).await.map(Some),
        Err(_) => Ok(None),
    }
}

/// The other end: what arrived must have come in by its members, and how it lay on them is the choice of what sent it to them.
pub(super) fn arrived(
    both: &Both<'_>,
    receiver: &Result<Carrier, String>,
    counters: Option<(&Counters, &Counters)>,
    carried: u64,
    family: &str,
    outcome: &mut Outcome,
) -> Result<(), Trouble> {
    let node = &both.net.to.node;
    let carrier = match receiver {
        Ok(carrier) => carrier,
        Err(why) => {
            return Err(Trouble::Failed(format!("by which members it came in at {node} cannot be told: {why}")));
        }
    };
    let (before, after) = counters.ok_or_else(|| format!("the ports of {node} were not counted"))?;
    let came = rose(&carrier.ports, "rx_bytes", before, after)?;
    let text = if let [port] = came.as_slice() {
        let bytes = port.after.checked_sub(port.before).ok_or_else(|| format!("the count of {} on {node} ran backwards", port.member))?;
        if bytes < carried {
            return Err(Trouble::Failed(format!("{} on {node} counted {bytes} of the {carried} bytes that came", port.member)));
        }
        format!("{} alone", port.member)
    } else {
        let shares =
            Shares::of(&came, carried).map_err(|why| Trouble::Failed(format!("what came in by each member of {node} cannot be told: {why}")))?;
        let least = shares.least().map_or(f64::NAN, |least| least.share);
        outcome.figures.push(both.figure(format!("{family}.least_received_share"), Unit::Ratio, Direction::HigherIsBetter, least));
        words(&shares)
    };
    outcome.notes.insert(both.note("members of the receiver"), text);
    Ok(())
}

async fn read(remote: &Remote, ports: &[String]) -> Result<Counters, Trouble> {
    remote.call(counters::NAME, &CountersSpec { interfaces: ports.to_vec() }, AT_ONCE).await.map_err(told)
}

/// What a counter of each port was before and after.
fn rose(ports: &[String], counter: &str, before: &Counters, after: &Counters) -> Result<Vec<MemberCounter>, Trouble> {
    let of = |counters: &Counters, port: &String| {
        let value = counters.interfaces.get(port).and_then(|all| all.get(counter)).copied();
        value.ok_or_else(|| Trouble::Failed(format!("{port} has no {counter}")))
    };
    let member = |port: &String| Ok(MemberCounter { member: port.clone(), before: of(before, port)?, after: of(after, port)? });
    ports.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(sent: &[u64]) -> Vec<MemberCounter> {
        let member = |(at, sent): (usize, &u64)| MemberCounter { member: format!("eth{at}"), before: 7, after: 7 + sent };
        sent.iter().enumerate().map(member).collect()
    }

    #[test]
    fn streams_that_were_to_go_over_one_member_went_there_or_prove_nothing() {
        assert_eq!(proves(&counted(&[1_020, 3]), 0, 1_000), Ok(()));
        assert_eq!(proves(&counted(&[50, 1_000]), 1, 1_000), Ok(()));
        for (sent, member, why) in [
            ([999, 0], 0, "eth0 counted 999 of the 1000 bytes"),
            ([1_020, 51], 0, "eth1 sent 51 bytes while 1000 were to go over another member"),
            ([1_020, 3], 1, "eth0 sent 1020 bytes"),
            ([0, 0], 1, "eth1 counted 0 of"),
        ] {
            assert!(proves(&counted(&sent), member, 1_000).expect_err(why).contains(why), "{sent:?}");
        }
        let backwards = [MemberCounter { member: "eth0".into(), before: 9, after: 8 }];
        assert!(proves(&backwards, 0, 1).expect_err("backwards").contains("ran backwards"));
    }

    #[test]
    fn a_member_at_a_tenth_is_a_tenth_of_its_peers() {
        let shares = |goodputs: &[f64]| {
            let alone: Vec<(String, f64)> = goodputs.iter().enumerate().map(|(at, goodput)| (format!("eth{at}"), *goodput)).collect();
            peer_shares(&alone).into_iter().map(|(_, share)| share).collect::<Vec<_>>()
        };
        assert_eq!(shares(&[100.0, 10.0]), [10.0, 0.1]);
        assert_eq!(shares(&[100.0, 100.0, 50.0]), [100.0 / 75.0, 100.0 / 75.0, 0.5]);
        assert!(shares(&[0.0, 100.0])[1].is_infinite(), "a peer that carries nothing is no measure, and has itself a share of none");
    }
}
