//! How flows whose ports nobody chose lie on the members of the sender's bond: by the members' counters, beside what the bond's hash policy says of these very flows. Every
//! flow is held to one slow pace, so that bytes are flows: at full speed two lines are full however the flows lie on them.

use assay_model::bond::hash::LowestBit;
use assay_model::bond::shares::{SHARE_TOLERANCE, Shares};
use assay_model::metric::{Direction, Samples};
use assay_model::run::Condition;
use assay_model::unit::Unit;

use super::ceiling::Hardware;
use super::routed::{self, PORTS, Routed};
use super::tcp::{self, FlowEnd, Streams};
use super::{Both, float};
use crate::runner::bench::{Outcome, Trouble};
use crate::scenario::{Ports, TcpSpec};

/// The pace of a flow, bytes/s: 256 of them are a twentieth of a line of 10 Gbit/s.
const PACE: u32 = 250_000;
/// Counters that are further than that from the prediction do not follow the policy: small talk and retransmissions explain less.
const FOLLOWS: f64 = 0.05;
/// Flows whose bytes are further apart from their median are no equal weights.
const UNEQUAL: f64 = 0.25;
/// Streams that iperf3 is usually given.
const FEW: usize = 4;

/// Measures how flows spread.
pub(super) async fn measure(both: &Both<'_>, flows: u32, ports: Ports) -> Result<Outcome, Trouble> {
    let family = both.net.spec.family();
    let mut outcome = Outcome::default();
    let hardware = Hardware::of(both).await;
    let route = Routed::new(both, &hardware)?;
    if route.members().len() < 2 {
        return Err(Trouble::NotConfigured(format!("the bond of {} has one member: there is nothing to spread over", both.net.from.node)));
    }
    let receiver = hardware.receiver(both);
    let before = (route.counters(both).await?, routed::received(both, &receiver).await?);
    let chosen = |peer| match ports {
        Ports::Kernel => tcp::kernels(peer),
        Ports::Consecutive => consecutive(peer, flows),
    };
    let flowed =
        tcp::flow(both, &Streams { pacing: Some(PACE), ..Streams::of(&TcpSpec { streams: flows, ..TcpSpec::default() }, &chosen) }, &mut outcome)
            .await?;
    let after = (route.counters(both).await?, routed::received(both, &receiver).await?);
    let flowed = flowed.ok_or_else(|| "the flows carried nothing that counts".to_owned())?;
    let shares = route.shares(&before.0, &after.0, flowed.bytes)?;
    let predicted = predicted(&route, &flowed.ends, LowestBit::Discarded);
    outcome.figures.extend(routed::least(both, &family, &shares));
    let (deviation, text) = against(&route, &shares, predicted.as_deref());
    if let Some(deviation) = deviation {
        outcome.figures.push(both.figure(format!("{family}.deviation"), Unit::Ratio, Direction::LowerIsBetter, deviation));
    }
    outcome.notes.insert(both.note("members"), text);
    routed::arrived(both, &receiver, before.1.as_ref().zip(after.1.as_ref()), flowed.bytes, &family, &mut outcome)?;
    if let Some(why) = unequal(&flowed.ends) {
        outcome.doubts.push(Condition::NotSteady(format!("{}: {why}", both.net.label())));
    }
    match ports {
        Ports::Kernel => drop(outcome.notes.insert(both.note("iperf3's ports"), few(&route, &flowed.ends))),
        Ports::Consecutive => {}
    }
    Ok(outcome)
}

/// Ports one after the other; each repeat has its own, for those of the last are not free at once.
fn consecutive(peer: u16, flows: u32) -> Result<Vec<u16>, Trouble> {
    let flows = u16::try_from(flows).map_err(|_| format!("{flows} flows are more than there are ports"))?;
    let room = PORTS.end() - PORTS.start() - flows;
    let first = PORTS.start() + peer % room;
    Ok((first..first + flows).collect())
}

/// Bytes for each member, of flows that leave as the policy says; none where no policy can tell.
fn predicted(route: &Routed, ends: &[FlowEnd], lowest: LowestBit) -> Option<Vec<u64>> {
    let mut bytes = vec![0; route.members().len()];
    for end in ends {
        *bytes.get_mut(route.of(end, lowest).member(end.local.port())?)? += end.bytes;
    }
    route.policy().looks_at_ports().then_some(bytes)
}

/// How far the counters are from the policy, and both in words.
fn against(route: &Routed, shares: &Shares, predicted: Option<&[u64]>) -> (Option<f64>, String) {
    let (policy, counted) = (route.policy(), routed::words(shares));
    let (deviation, says) = match predicted {
        Some(predicted) => {
            let all = float(predicted.iter().sum());
            let words = route.members().iter().zip(predicted).map(|(member, bytes)| format!("{member} {:.1} %", float(*bytes) / all * 100.0));
            (shares.deviation(predicted), words.collect::<Vec<_>>().join(", "))
        }
        // Which one it is depends on addresses of the link that are not asked for here.
        None if !policy.looks_at_ports() => {
            let most = shares.members.iter().map(|member| member.share).fold(0.0, f64::max);
            (Some(1.0 - most), "all of it on one member, for it does not look at ports".to_owned())
        }
        None => return (None, format!("{counted}; the policy {policy} spreads these flows at random")),
    };
    let follows = match deviation {
        Some(deviation) if deviation <= FOLLOWS => "the counters follow it",
        Some(_) => "THE COUNTERS DO NOT FOLLOW IT: the members, their order or the policy are not what was read, or something else sends",
        None => "which cannot be compared",
    };
    (deviation, format!("{counted}; the policy {policy} says {says}: {follows}"))
}

/// Why bytes are no flows.
fn unequal(ends: &[FlowEnd]) -> Option<String> {
    let bytes: Vec<f64> = ends.iter().map(|end| float(end.bytes)).collect();
    let median = Samples::new(bytes.clone()).median();
    let apart = bytes.iter().filter(|bytes| (**bytes - median).abs() > median * UNEQUAL).count();
    (apart > 0).then(|| {
        format!(
            "{apart} of {} flows carried more than {:.0} % more or less than the median: shares of bytes are none of flows",
            bytes.len(),
            UNEQUAL * 100.0
        )
    })
}

/// What runs of iperf3 with a few streams would have come to: it leaves its ports to connect(2), as was done here, and these are what connect(2) gave.
fn few(route: &Routed, ends: &[FlowEnd]) -> String {
    let members = route.members().len();
    let count = |ends: &[FlowEnd], lowest| -> Option<Vec<usize>> {
        let mut flows = vec![0; members];
        for end in ends {
            *flows.get_mut(route.of(end, lowest).member(end.local.port())?)? += 1;
        }
        Some(flows)
    };
    if !route.policy().looks_at_ports() {
        return format!("the policy {} puts all flows on one member, whatever their ports", route.policy());
    }
    let runs: Option<Vec<Vec<usize>>> = ends.chunks_exact(FEW).map(|run| count(run, LowestBit::Discarded)).collect();
    let (Some(runs), Some(kept)) = (runs, count(ends, LowestBit::Kept)) else {
        return format!("the policy {} spreads them at random", route.policy());
    };
    let equal = 1.0 / float(members.try_into().unwrap_or(u64::MAX));
    let share = |flows: &usize| float(u64::try_from(*flows).unwrap_or(u64::MAX)) / float(FEW.try_into().unwrap_or(u64::MAX));
    let on_one = runs.iter().filter(|run| run.contains(&FEW)).count();
    let uneven = runs.iter().filter(|run| run.iter().any(|flows| (share(flows) - equal).abs() > equal * SHARE_TOLERANCE + 1e-9)).count();
    let kept = if kept.iter().filter(|flows| **flows > 0).count() == 1 { "all lie on one" } else { "they lie on several" };
    let even = ends.iter().filter(|end| end.local.port().is_multiple_of(2)).count();
    format!(
        "it leaves them to connect(2), whose {} here are even in {even} cases: of {} runs with {FEW} streams each, {on_one} have all on one member and {uneven} a share outside \
         of {:.0} % around an equal one; where a hash keeps its lowest bit, {kept}",
        ends.len(),
        runs.len(),
        SHARE_TOLERANCE * 100.0
    )
}

#[cfg(test)]
mod tests;
