//! What TCP brings over, one way or both at once: over whatever members of a bond the streams fall on, spread over all of them, or over each alone (`routed.rs`). That streams went
//! where they should is proven by the members' own counters at the sending end, not by the ports that were chosen.

use std::net::SocketAddr;

use assay_bench::net::tcp::{Disagreement, TcpConnect, TcpDirection, TcpFlow, TcpHalf, TcpHow, TcpListen, TcpRun, Way};
use assay_bench::net::token::Token;
use assay_model::metric::Direction;
use assay_model::run::Condition;
use assay_model::unit::Unit;

use super::beside::Pinned;
use super::ceiling::{Hardware, Lines};
use super::routed::{Routed, agreed, arrived, beside_peers, least, of_member, proves, received, words};
use super::{AT_ONCE, Both, float, told, unless_told};
use crate::remote::task::halves;
use crate::runner::bench::{Figure, Outcome, Trouble};
use crate::scenario::{Over, SPREAD, SUM, TcpSpec};

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

/// The kernel's own choice of ports.
pub(super) fn kernels(_peer: u16) -> Result<Vec<u16>, Trouble> {
    Ok(Vec::new())
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
