//! What TCP brings over, one way or both at once: over whatever members of a bond the streams fall on, spread over all of them, or over each alone. That streams went
//! where they should is proven by the members' own counters at the sending end, not by the ports that were chosen.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use assay_bench::net::tcp::{Disagreement, TcpConnect, TcpDirection, TcpFlow, TcpHalf, TcpHow, TcpListen, TcpRun, Way};
use assay_bench::net::token::Token;
use assay_model::bond::hash::{HashPolicy, LowestBit};
use assay_model::bond::ports::{Route, SourcePort, Unchoosable};
use assay_model::bond::shares::{self, MemberCounter, Shares};
use assay_model::metric::{Direction, Samples};
use assay_model::run::Condition;
use assay_model::unit::Unit;

use super::beside::Pinned;
use super::carrier::Carrier;
use super::ceiling::{Hardware, Lines};
use super::members::Members;
use super::{AT_ONCE, Both, float, told, unless_told};
use crate::remote::Remote;
use crate::remote::task::counters::{self, Counters, CountersSpec};
use crate::remote::task::halves;
use crate::runner::bench::{Figure, Outcome, Trouble};
use crate::scenario::{MEMBERS, Over, SPREAD, SUM, TcpSpec};

/// Ports that streams are given: above those that the kernel hands out by itself (ip_local_port_range), which others have.
pub(super) const PORTS: std::ops::RangeInclusive<u16> = 61_000..=65_500;
/// The share of what streams carried that the members which they should not touch may have carried meanwhile: LACP, ARP and other small talk.
const STRAY: f64 = 0.05;
/// A point of the series.
const INTERVAL_MS: u64 = 500;

/// Source ports for a peer at this port; none for the kernel's choice.
type Chosen<'a> = &'a dyn Fn(u16) -> Result<Vec<u16>, Trouble>;

/// Streams and where they go.
pub(super) struct Streams<'a> {
    /// What is asked of them.
    pub(super) asked: &'a TcpSpec,
    pub(super) ports: Chosen<'a>,
    /// What each may send at most, bytes/s.
    pub(super) pacing: Option<u32>,
    /// Where the threads of either half are.
    pub(super) pinned: Pinned,
}

impl<'a> Streams<'a> {
    /// As fast as they go, by threads that are where the kernel has them.
    pub(super) fn of(asked: &'a TcpSpec, ports: Chosen<'a>) -> Self {
        Self { asked, ports, pacing: None, pinned: Pinned::default() }
    }

    /// How a half does it.
    fn how(&self, cpus: &[u32]) -> TcpHow {
        let TcpSpec { send, mss, congestion, .. } = self.asked;
        let usual = TcpHow {
            threads: self.asked.threads(),
            cpus: cpus.to_vec(),
            sending: *send,
            mss: *mss,
            congestion: congestion.clone(),
            pacing: self.pacing,
            ..TcpHow::default()
        };
        match self.pacing {
            // What is queued at the end must still go, at that pace.
            Some(_) => TcpHow { message_bytes: 16 << 10, send_buffer: Some(64 << 10), ..usual },
            None => usual,
        }
    }
}

/// What one flow came to.
pub(super) struct Flowed {
    pub(super) run: TcpRun,
    pub(super) bytes: u64,
    pub(super) command: String,
    pub(super) ends: Vec<FlowEnd>,
}

impl Flowed {
    fn forward(&self) -> Result<&TcpDirection, Trouble> {
        self.run.forward.as_ref().ok_or_else(|| Trouble::Failed("a flow forward has no forward direction".to_owned()))
    }
}

/// One direction of a flow.
struct OneWay<'a> {
    /// Tells it from the other one in names, where there are both.
    word: &'static str,
    /// The node that sends.
    from: &'a str,
    /// The node that receives.
    to: &'a str,
    seen: &'a TcpDirection,
}

impl<'a> OneWay<'a> {
    /// Those that there are.
    fn all(both: &Both<'a>, run: &'a TcpRun) -> impl Iterator<Item = Self> {
        let (from, to) = (both.net.from.node.as_str(), both.net.to.node.as_str());
        let forward = run.forward.iter().map(move |seen| Self { word: "forward", from, to, seen });
        forward.chain(run.reverse.iter().map(move |seen| Self { word: "reverse", from: to, to: from, seen }))
    }

    /// What its figures are called in a family.
    fn name(&self, family: &str, way: Way) -> String {
        match way {
            Way::Forward | Way::Reverse => family.to_owned(),
            Way::Both => format!("{family}.{}", self.word),
        }
    }
}

/// One stream of a flow, as its sender's bond sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlowEnd {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// What its receiver got.
    pub(super) bytes: u64,
}

/// Measures TCP.
pub(super) async fn measure(both: &Both<'_>, asked: &TcpSpec) -> Result<Outcome, Trouble> {
    let (streams, over, family) = (asked.streams, asked.over, both.net.spec.family());
    let mut outcome = Outcome::default();
    let hardware = Hardware::of(both).await;
    match over {
        Over::Any => {
            let pinned = Pinned::of(both, &hardware, None, asked.threads(), &mut outcome).await?;
            let flowed = flow(both, &Streams { pinned, ..Streams::of(asked, &kernels) }, &mut outcome).await?;
            if let Some(flowed) = flowed {
                figures(both, asked, &flowed, &mut outcome);
                for one in OneWay::all(both, &flowed.run) {
                    hardware.judge(both, &one.name(&family, asked.way), Lines::Streams(streams), streams, one.seen, &mut outcome);
                }
            }
        }
        Over::Spread => {
            let route = Routed::new(both, &hardware)?;
            let receiver = hardware.receiver(both);
            agreed(both, &hardware).await?;
            let pinned = Pinned::of(both, &hardware, None, asked.threads(), &mut outcome).await?;
            let before = (route.counters(both).await?, received(both, &receiver).await?);
            let ports = |peer| route.spread(peer, streams);
            let flowed = flow(both, &Streams { pinned, ..Streams::of(asked, &ports) }, &mut outcome).await?;
            let after = (route.counters(both).await?, received(both, &receiver).await?);
            if let Some(flowed) = flowed {
                let sent = route.shares(&before.0, &after.0, flowed.bytes)?;
                outcome.notes.insert(both.note("members"), words(&sent));
                outcome.figures.extend(least(both, SPREAD, &sent));
                arrived(both, &receiver, before.1.as_ref().zip(after.1.as_ref()), flowed.bytes, SPREAD, &mut outcome)?;
                figures(both, asked, &flowed, &mut outcome);
                // What every byte costs that is compared, the bond need not be able to.
                let name = if asked.verify { family.as_str() } else { SUM };
                hardware.judge(both, name, Lines::Streams(streams), streams, flowed.forward()?, &mut outcome);
            }
        }
        Over::EachMember => {
            let route = Routed::new(both, &hardware)?;
            agreed(both, &hardware).await?;
            let mut alone: Vec<(String, f64)> = Vec::new();
            for (member, name) in route.members().iter().enumerate() {
                let ports = |peer| route.only(peer, member, streams);
                let pinned = Pinned::of(both, &hardware, Some(name), asked.threads(), &mut outcome).await?;
                let before = route.counters(both).await?;
                let flowed = flow(both, &Streams { pinned, ..Streams::of(asked, &ports) }, &mut outcome).await?;
                let after = route.counters(both).await?;
                let Some(flowed) = flowed else { continue };
                proves(&route.rose(&before, &after)?, member, flowed.bytes).map_err(Trouble::Failed)?;
                let forward = flowed.forward()?;
                outcome.figures.push(of_member(both, format!("{family}.tcp_goodput"), Unit::BitsPerSecond, name, forward.goodput * 8.0));
                hardware.judge(both, &family, Lines::Only(name), streams, forward, &mut outcome);
                alone.push((name.clone(), forward.goodput));
            }
            if alone.len() == route.members().len() {
                beside_peers(both, &alone, &mut outcome)?;
            }
        }
    }
    if over != Over::Any {
        agreed(both, &hardware).await?;
    }
    Ok(outcome)
}

/// What the member carried that carried least: of the whole, and as a part of an equal share, which limits are of.
pub(super) fn least(both: &Both<'_>, family: &str, shares: &Shares) -> [Figure; 2] {
    let figure =
        |word: &str, value: Option<f64>| both.figure(format!("{family}.{word}"), Unit::Ratio, Direction::HigherIsBetter, value.unwrap_or(f64::NAN));
    [figure("least_share", shares.least().map(|least| least.share)), figure("least_of_equal", shares.least_of_equal())]
}

/// LACP has all members of both ends in: one that is out now and then carries what it is told to all the same, or nothing.
async fn agreed(both: &Both<'_>, hardware: &Hardware) -> Result<(), Trouble> {
    for (remote, carrier) in [(both.from, hardware.sender(both)), (both.to, hardware.receiver(both))] {
        if let Some(bond) = carrier?.bond.filter(|bond| bond.is_lacp) {
            let members = Members::read(remote, &bond.name).await?;
            members.all_in().map_err(|why| Trouble::Failed(format!("the members of the bond do not agree: on {} {why}", remote.node())))?;
        }
    }
    Ok(())
}

/// The kernel's own choice of ports.
pub(super) fn kernels(_peer: u16) -> Result<Vec<u16>, Trouble> {
    Ok(Vec::new())
}

/// How each member does beside the median of the others, each of them alone: one that works, and does so at a tenth, is found by nothing else.
fn beside_peers(both: &Both<'_>, alone: &[(String, f64)], outcome: &mut Outcome) -> Result<(), Trouble> {
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

fn of_member(both: &Both<'_>, name: String, unit: Unit, member: &str, value: f64) -> Figure {
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

fn figures(both: &Both<'_>, asked: &TcpSpec, flowed: &Flowed, outcome: &mut Outcome) {
    let family = both.net.spec.family();
    for one in OneWay::all(both, &flowed.run) {
        let name = one.name(&family, asked.way);
        let figure = |word: &str, unit, direction, value| -> Figure { both.figure(format!("{name}.{word}"), unit, direction, value) };
        outcome.figures.push(figure("goodput", Unit::BitsPerSecond, Direction::HigherIsBetter, one.seen.goodput * 8.0));
        outcome.figures.push(figure("retransmits", Unit::Count, Direction::LowerIsBetter, float(one.seen.retransmits)));
        let label = both.net.label_of(&name);
        outcome.notes.insert(format!("TCP {label}"), done(asked, one.seen, flowed.run.cpu_ns_per_byte));
        outcome.notes.insert(format!("TCP_INFO {label}"), info(one.seen));
    }
    outcome.notes.insert(both.note("iperf3"), flowed.command.clone());
}

/// How it was done, and what of it was asked for.
fn done(asked: &TcpSpec, seen: &TcpDirection, cpu_ns_per_byte: f64) -> String {
    let zero_copy = match seen.zero_copy {
        Some(true) => ", nothing copied",
        Some(false) => ", some of it copied after all",
        None => "",
    };
    let words = [
        asked.threads.map(|threads| format!("threads = {threads}")),
        asked.mss.map(|mss| format!("mss = {mss}")),
        asked.congestion.as_ref().map(|name| format!("congestion = {name}")),
    ];
    let words: String = words.into_iter().flatten().map(|word| format!(", {word} as asked for")).collect();
    format!(
        "MSS {}, path MTU {}, {}{zero_copy}{words}, {cpu_ns_per_byte:.2} ns of processor time per byte at both ends together",
        seen.mss,
        seen.path_mtu,
        seen.sending.name(),
    )
}

/// What the kernel of the sender says of its streams.
fn info(seen: &TcpDirection) -> String {
    let sampled = &seen.sampled;
    let ms = |ns: f64| format!("{:.3}", ns / 1e6);
    let limited = match (sampled.window_limited, sampled.buffer_limited) {
        (Some(window), Some(buffer)) => {
            format!("{:.1} % of the busy time limited by the peer's window and {:.1} % by the send buffer", window * 100.0, buffer * 100.0)
        }
        (_, _) => "never busy".to_owned(),
    };
    format!(
        "rtt {}, {} and {} ms (least, median, largest), cwnd {} segments, delivery rate {:.3} Gbit/s (medians), {} segments sent again, {limited}",
        ms(sampled.rtt_ns.least),
        ms(sampled.rtt_ns.median),
        ms(sampled.rtt_ns.largest),
        sampled.cwnd,
        sampled.delivery_rate * 8.0 / 1e9,
        seen.retransmits,
    )
}

/// One flow; none when its content was wrong, which is counted.
pub(super) async fn flow(both: &Both<'_>, streams: &Streams<'_>, outcome: &mut Outcome) -> Result<Option<Flowed>, Trouble> {
    let (spec, asked) = (&both.net.spec, streams.asked);
    let token = Token::fresh().map_err(|error| format!("cannot make a token: {error}"))?;
    let flow = TcpFlow {
        streams: asked.streams,
        way: asked.way,
        ramp_ms: spec.ramp_ms,
        runtime_ms: spec.runtime_ms,
        interval_ms: INTERVAL_MS,
        // Any seed will do, as long as it is another one each time.
        verify: asked.verify.then(|| u64::from_le_bytes(*token.bytes().first_chunk().expect("sixteen bytes"))),
        patience_ms: 10_000,
    };
    let how = streams.how(&streams.pinned.from);
    let listen = TcpListen { address: both.net.to.address, port: 0, token, flow: flow.clone(), how: streams.how(&streams.pinned.to) };
    let (connect, command, there) = unless_told(both.stop, async {
        let mut serving = both.to.start(halves::TCP_SERVE, &listen).map_err(told)?;
        let Some(peer) = serving.event::<SocketAddr>(AT_ONCE).await.map_err(told)? else {
            // It has ended before it was ready, and says why.
            return Err(serving
                .finish::<TcpHalf>(AT_ONCE)
                .await
                .map_or_else(told, |_| Trouble::Failed("the listening half was never ready".to_owned())));
        };
        let source_ports = (streams.ports)(peer.port())?;
        let connect = TcpConnect { peer, source: Some(both.net.from.address), source_ports, token, flow: flow.clone(), how: how.clone() };
        let command = connect.iperf3_command();
        let connecting = both.from.start(halves::TCP_CONNECT, &connect).map_err(told)?;
        let connect: TcpHalf = connecting.finish(both.within()).await.map_err(told)?;
        let there: TcpHalf = serving.finish(AT_ONCE).await.map_err(told)?;
        Ok((connect, command, there))
    })
    .await??;
    let notes: Vec<&str> = connect.notes.iter().chain(&there.notes).map(String::as_str).collect();
    if !notes.is_empty() {
        outcome.notes.insert(both.note("TCP halves"), notes.join("; "));
    }
    let ends = connect.streams.iter().chain(&there.streams);
    let bytes: u64 = ends.filter_map(|end| end.received.as_ref()).map(|received| received.bytes).sum();
    if asked.verify {
        outcome.all_operations += bytes;
    }
    match TcpRun::of(&flow, &connect, &there) {
        Ok(run) => {
            for OneWay { from, to, seen, .. } in OneWay::all(both, &run) {
                if let Some(why) = seen.not_granted(&how) {
                    return Err(Trouble::Failed(format!("from {from} to {to}: {why}")));
                }
                if asked.verify {
                    outcome.verified += seen.verified_bytes;
                }
                let starved = seen.by_stream.iter().filter(|goodput| **goodput <= 0.0).count();
                if starved > 0 {
                    outcome.doubts.push(Condition::NotSteady(format!(
                        "{starved} of {} streams from {from} to {to} brought nothing while it was measured",
                        asked.streams
                    )));
                }
            }
            outcome.operations += 1;
            outcome.bytes += bytes;
            outcome.elapsed += std::time::Duration::from_millis(flow.runtime_ms);
            let ends = connect.streams.iter().zip(&there.streams);
            let ends = ends.map(|(near, far)| FlowEnd {
                local: near.local,
                remote: near.remote,
                bytes: far.received.as_ref().map_or(0, |received| received.bytes),
            });
            Ok(Some(Flowed { run, bytes, command, ends: ends.collect() }))
        }
        // Wrong bytes are no failure of the harness: they are what it looks for.
        Err(wrong @ Disagreement::Content { faults, .. }) => {
            outcome.verified += bytes;
            *outcome.corrupt.entry("bytes that were not sent so".to_owned()).or_default() += faults;
            outcome.notes.insert(both.note("corrupt"), wrong.to_string());
            Ok(None)
        }
        Err(other) => Err(Trouble::Failed(other.to_string())),
    }
}

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
    fn spread(&self, peer: u16, streams: u32) -> Result<Vec<u16>, Trouble> {
        let chosen = self.choose(peer, usize::try_from(streams).expect("32 bits"))?;
        Ok(chosen.iter().map(|chosen| chosen.port).collect())
    }

    /// Ports that all lead to one member.
    fn only(&self, peer: u16, member: usize, streams: u32) -> Result<Vec<u16>, Trouble> {
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
    fn rose(&self, before: &Counters, after: &Counters) -> Result<Vec<MemberCounter>, Trouble> {
        rose(&self.route.members, "tx_bytes", before, after)
    }

    /// What each member sent of what was carried.
    pub(super) fn shares(&self, before: &Counters, after: &Counters, carried: u64) -> Result<Shares, Trouble> {
        Shares::of(&self.rose(before, after)?, carried)
            .map_err(|why| Trouble::Failed(format!("what each member of {} carried cannot be told: {why}", self.bond)))
    }
}

/// Why what was carried did not go over this member and over no other.
fn proves(rose: &[MemberCounter], member: usize, carried: u64) -> Result<(), String> {
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

/// A load for something else that is measured meanwhile: plain streams, whose own figure nobody asks for.
pub(super) async fn load(both: &Both<'_>, streams: u32, outcome: &mut Outcome) -> Result<f64, Trouble> {
    let mut own = Outcome::default();
    let flowed = flow(both, &Streams::of(&TcpSpec { streams, ..TcpSpec::default() }, &kernels), &mut own).await?;
    let goodput = flowed.and_then(|flowed| flowed.run.forward).map_or(f64::NAN, |forward| forward.goodput);
    if goodput.is_nan() || goodput <= 0.0 {
        outcome.doubts.push(Condition::NotSteady("the load beside it carried nothing".to_owned()));
    }
    Ok(goodput)
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
