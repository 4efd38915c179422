//! The path between two nodes: how long packets take there and back, idle or beside a load, and the largest that gets there whole.

use std::net::SocketAddr;

use assay_bench::net::path::mtu::{Fate, MtuConnect, MtuPath, SizeTried};
use assay_bench::net::path::reflector::{ReflectListen, Reflected};
use assay_bench::net::path::rtt::{Rtt, RttConnect, RttFlow};
use assay_bench::net::token::Token;
use assay_model::metric::Direction;
use assay_model::run::Condition;
use assay_model::unit::Unit;

use super::{AT_ONCE, Both, float, tcp, told, unless_told};
use crate::remote::task::halves;
use crate::remote::{Remote, RemoteTask};
use crate::runner::bench::{Outcome, Trouble};
use crate::runner::latencies::Latencies;

/// How long an answer is waited for.
const PATIENCE_NS: u64 = 1_000_000_000;
/// A reflector that hears nothing for so long is not needed any more.
const IDLE_NS: u64 = 15_000_000_000;
/// Bytes of the IP packet of a question.
const QUESTION: u32 = 128;
/// Packets of each size.
const TRIES: u32 = 10;
/// Of a time the harness may have caused so much by sending late.
const LAG_SHARE: f64 = 0.1;

/// A reflector at the far end.
struct Reflector {
    task: RemoteTask,
    token: Token,
    peer: SocketAddr,
}

impl Reflector {
    async fn start(both: &Both<'_>) -> Result<Self, Trouble> {
        let token = Token::fresh().map_err(|error| format!("cannot make a token: {error}"))?;
        let listen = ReflectListen { token, address: SocketAddr::new(both.net.to.address, 0), idle_ns: IDLE_NS };
        let mut task = both.to.start(halves::REFLECT, &listen).map_err(told)?;
        match task.event(AT_ONCE).await.map_err(told)? {
            Some(peer) => Ok(Self { task, token, peer }),
            None => Err(task.finish::<Reflected>(AT_ONCE).await.map_or_else(told, |_| Trouble::Failed("the reflector was never ready".to_owned()))),
        }
    }

    async fn end(self) -> Result<Reflected, Trouble> {
        self.task.cancel();
        self.task.finish(AT_ONCE).await.map_err(told)
    }
}

/// Measures round trips.
pub(super) async fn rtt(both: &Both<'_>, rate: u32, load_streams: u32) -> Result<Outcome, Trouble> {
    let mut outcome = Outcome::default();
    let (seen, load) = unless_told(both.stop, async {
        let reflector = Reflector::start(both).await?;
        let seconds = both.net.spec.runtime_ms.div_ceil(1000).max(1);
        let probes = u32::try_from(u64::from(rate) * seconds).unwrap_or(u32::MAX);
        let asked = RttConnect {
            token: reflector.token,
            address: SocketAddr::new(both.net.from.address, 0),
            peer: reflector.peer,
            source_ports: vec![0],
            probes,
            rate,
            ip_bytes: QUESTION,
            patience_ns: PATIENCE_NS,
        };
        let questions = async {
            // Beside a load that has come to its speed.
            if load_streams > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(both.net.spec.ramp_ms)).await;
            }
            ask(both.from, &asked, both).await
        };
        let mut own = Outcome::default();
        let (seen, load) = if load_streams == 0 {
            (questions.await?, None)
        } else {
            let (seen, load) = tokio::join!(questions, tcp::load(both, load_streams, &mut own));
            (seen?, Some(load?))
        };
        let reflected = reflector.end().await?;
        Ok::<_, Trouble>(((seen, reflected, own.doubts), load))
    })
    .await??;
    let (seen, reflected, doubts) = seen;
    outcome.doubts.extend(doubts);
    record(both, &seen, &reflected, load, &mut outcome);
    Ok(outcome)
}

async fn ask(from: &Remote, asked: &RttConnect, both: &Both<'_>) -> Result<Rtt, Trouble> {
    from.start(halves::RTT, asked).map_err(told)?.finish(both.within()).await.map_err(told)
}

fn record(both: &Both<'_>, seen: &Rtt, reflected: &Reflected, load: Option<f64>, outcome: &mut Outcome) {
    let family = both.net.spec.family();
    let label = both.net.label();
    let times = seen.rtt();
    let (sent, answered) = seen.sent_and_answered();
    let lost = sent.saturating_sub(answered);
    for (word, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999)] {
        // A question that was never answered took longer than any: the quantile is one of all that were asked.
        let of_answered = quantile * float(sent) / float(answered.max(1));
        let value = if of_answered < 1.0 { times.at(of_answered).map_or(f64::NAN, float) } else { f64::NAN };
        outcome.figures.push(both.figure(format!("{family}.{word}"), Unit::Nanoseconds, Direction::LowerIsBetter, value));
    }
    let share = float(lost) / float(sent.max(1));
    outcome.figures.push(both.figure(format!("{family}.lost_share"), Unit::Ratio, Direction::LowerIsBetter, share));
    let reordered: u64 = seen.flows.iter().map(|flow| flow.reordered).sum();
    outcome.figures.push(both.figure(format!("{family}.reordered"), Unit::Count, Direction::LowerIsBetter, float(reordered)));
    if let Some(jitter) = jitter(&seen.flows) {
        outcome.figures.push(both.figure(format!("{family}.jitter"), Unit::Nanoseconds, Direction::LowerIsBetter, jitter));
    }
    // What came late, or not, because a host was not up to it is no property of the path.
    let p99 = times.at(0.99).map_or(f64::NAN, float);
    let lag = seen.lag.at(0.99).map_or(f64::NAN, float);
    if lag.is_nan() || p99.is_nan() || lag > p99 * LAG_SHARE {
        outcome.doubts.push(Condition::AtHarnessFloor(format!(
            "{label}: questions were sent {:.0} us late, of {:.0} us (p99)",
            lag / 1e3,
            p99 / 1e3
        )));
    }
    if seen.overflowed + reflected.overflowed > 0 {
        let lost = seen.overflowed + reflected.overflowed;
        outcome.doubts.push(Condition::HostSaturated(format!("{label}: {lost} packets came and found no room in a socket")));
    }
    if seen.unstamped + reflected.unstamped > 0 {
        let unstamped = seen.unstamped + reflected.unstamped;
        outcome.doubts.push(Condition::AtHarnessFloor(format!("{label}: the kernel did not say when {unstamped} packets came")));
    }
    outcome.doubts.extend(implausible(&label, &seen.flows));
    let damaged = seen.damaged + reflected.damaged;
    if damaged > 0 {
        outcome.corrupt.insert("damaged packets".to_owned(), damaged);
    }
    if let Some(load) = load {
        outcome.notes.insert(both.note("load"), format!("{:.3} Gbit/s beside it", load * 8.0 / 1e9));
    }
    outcome.latencies = Some(Latencies::from(times.histogram()));
    outcome.operations = answered;
    outcome.all_operations = sent;
    outcome.verified = answered;
    outcome.elapsed = std::time::Duration::from_millis(both.net.spec.runtime_ms);
}

/// The worst mean variation of any flow and way; none when that of one is not known.
fn jitter(flows: &[RttFlow]) -> Option<f64> {
    let of_flow = |flow: &RttFlow| Some(flow.there?.mean_ns.max(flow.back?.mean_ns));
    flows.iter().map(of_flow).collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
}

/// Times of the far end that cannot be: a clock or a host there is not what it seems.
fn implausible(family: &str, flows: &[RttFlow]) -> Option<Condition> {
    let (implausible, answered) = flows.iter().fold((0, 0), |(bad, all), flow| (bad + flow.implausible, all + flow.answered));
    let what = || format!("{family}: of {answered} answers the far end says of {implausible} that it took longer for them than the whole way took");
    (implausible > 0).then(|| Condition::Impossible(what()))
}

/// Measures which packets get there whole: those of `bytes`, and those of one byte more.
pub(super) async fn mtu(both: &Both<'_>, bytes: u32) -> Result<Outcome, Trouble> {
    let path: MtuPath = unless_told(both.stop, async {
        let reflector = Reflector::start(both).await?;
        let asked = MtuConnect {
            token: reflector.token,
            address: SocketAddr::new(both.net.from.address, 0),
            peer: reflector.peer,
            ip_bytes: vec![bytes, bytes + 1],
            probes: TRIES,
            patience_ns: PATIENCE_NS / 2,
        };
        let path = both.from.start(halves::MTU, &asked).map_err(told)?.finish(both.within()).await.map_err(told)?;
        reflector.end().await?;
        Ok::<_, Trouble>(path)
    })
    .await??;
    let [whole, beyond] = path.sizes.as_slice() else {
        return Err(Trouble::Failed("not both sizes were tried".to_owned()));
    };
    let mut outcome = Outcome { operations: 1, elapsed: std::time::Duration::from_secs(1), ..Outcome::default() };
    let words = format!("{bytes} bytes: {}; {} bytes: {}", words(whole), bytes + 1, words(beyond));
    let largest = largest(whole, beyond).map_err(|why| Trouble::Failed(format!("{why}: {words}")))?;
    outcome.figures.push(both.figure("path.mtu.bytes".to_owned(), Unit::Bytes, Direction::HigherIsBetter, f64::from(largest)));
    outcome.notes.insert(both.note("path MTU"), words);
    Ok(outcome)
}

/// The largest packet that is proven to get there.
fn largest(whole: &SizeTried, beyond: &SizeTried) -> Result<u32, &'static str> {
    match (whole.fate(), beyond.fate()) {
        (Fate::Dead, _) => Err("nothing gets there, whatever its size"),
        (Fate::Fragmented | Fate::Unreliable, _) => Err("packets of one size do not all fare alike"),
        (Fate::Passes, Fate::Passes) => Ok(beyond.ip_bytes),
        (Fate::Passes, _) if beyond.is_too_large() => Ok(whole.ip_bytes),
        (Fate::Passes, Fate::TooLargeThere | Fate::VanishesOnTheWayBack) => Ok(whole.ip_bytes),
        (Fate::Passes, _) => Err("whether larger ones get there cannot be told"),
        (Fate::TooLargeHere { mtu } | Fate::TooLargeAt { mtu, .. }, _) => Ok(mtu.min(whole.ip_bytes - 1)),
        // Small ones get there; more is not known.
        (Fate::Vanishes | Fate::VanishesOnTheWayBack | Fate::TooLargeThere, _) => Ok(SMALL),
    }
}

/// What every path carries, and what was seen to get there beside packets that did not.
const SMALL: u32 = 1280;

fn words(tried: &SizeTried) -> String {
    match tried.fate() {
        Fate::Passes => "pass".to_owned(),
        Fate::TooLargeHere { mtu } => format!("are too large for the own interface (MTU {mtu})"),
        Fate::TooLargeAt { router, mtu } => format!("are too large, says {router} (MTU {mtu})"),
        Fate::Vanishes => "vanish, and nobody says why".to_owned(),
        Fate::VanishesOnTheWayBack => "get there and vanish on the way back".to_owned(),
        Fate::TooLargeThere => "get there and are too large for the way back".to_owned(),
        Fate::Fragmented => "come in fragments in spite of \"don't fragment\"".to_owned(),
        Fate::Unreliable => "get there sometimes".to_owned(),
        Fate::Dead => "do not get there, as nothing does".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use assay_bench::net::path::rtt::Jitter;
    use assay_bench::net::quantiles::Times;

    use super::*;

    fn tried(ip_bytes: u32, echoed: u32, is_alive: bool) -> SizeTried {
        SizeTried {
            ip_bytes,
            probes: 10,
            echoed,
            received: echoed,
            fragmented: 0,
            not_echoed: BTreeMap::new(),
            refusals: Vec::new(),
            silent: 10 - echoed,
            is_alive,
        }
    }

    fn flow(means: [Option<f64>; 2], implausible: u64) -> RttFlow {
        let variation = |mean_ns| Jitter { last_ns: mean_ns, highest_ns: mean_ns, mean_ns, differences: 1 };
        let [there, back] = means.map(|mean| mean.map(variation));
        RttFlow {
            source: "10.9.0.1:1".parse().expect("an address"),
            sent: 10,
            refused: BTreeMap::new(),
            answered: 9,
            duplicated: 0,
            reordered: 0,
            rtt: Times::default(),
            network: Times::default(),
            far_host: Times::default(),
            implausible,
            there,
            back,
        }
    }

    #[test]
    fn jitter_that_nobody_measured_is_no_figure() {
        let known = flow([Some(3.0), Some(7.0)], 0);
        assert_eq!(jitter(&[known.clone(), flow([Some(9.0), Some(1.0)], 0)]), Some(9.0));
        assert_eq!(jitter(&[flow([Some(0.0), Some(0.0)], 0)]), Some(0.0), "none that was measured is 0");
        for unknown in [[None, None], [Some(3.0), None], [None, Some(3.0)]] {
            assert_eq!(jitter(&[known.clone(), flow(unknown, 0)]), None);
        }
        assert_eq!(jitter(&[]), None);
    }

    #[test]
    fn times_that_cannot_be_are_a_doubt() {
        let doubt = |implausible| super::implausible("net.rtt.idle", &[flow([None, None], 0), flow([None, None], implausible)]);
        assert_eq!(doubt(0), None);
        assert!(matches!(doubt(1), Some(Condition::Impossible(why)) if why.contains("of 18 answers the far end says of 1")));
    }

    #[test]
    fn a_path_is_as_large_as_what_is_proven_to_pass() {
        assert_eq!(largest(&tried(9000, 10, true), &tried(9001, 0, true)), Ok(9000));
        assert_eq!(largest(&tried(9000, 10, true), &tried(9001, 10, true)), Ok(9001), "larger than it should be is not what it should be");
        assert_eq!(largest(&tried(9000, 0, true), &tried(9001, 0, true)), Ok(SMALL));
        assert!(largest(&tried(9000, 0, false), &tried(9001, 0, false)).expect_err("dead").contains("nothing gets there"));
        assert!(largest(&tried(9000, 7, true), &tried(9001, 0, true)).is_err(), "some of them");
        assert!(largest(&tried(9000, 10, true), &tried(9001, 0, false)).is_err(), "the path died in between");
    }
}
