//! `assay calibrate --against iperf3`: interleaved pairs of both over the same path with the same parameters, who goes first alternating, so that drift of the
//! machine favours nobody. Each runs with the best of its own ways, found out by trials before. The path is a network namespace or two, made for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use assay_bench::EngineError;
use assay_bench::net::tcp::{self, Sending, TcpConnect, TcpFlow, TcpHalf, TcpHow, TcpListen, TcpRun};
use assay_bench::net::token::Token;
use assay_model::metric::{Direction, Samples};
use assay_model::unit::Unit;
use serde::Serialize;

use super::peer::{Measured, Peer};
use super::place::{self, Between, Ends, Place};
use crate::calibration::{self, Agenda, Beside, Calibrated, Comparing, Figures, Ledger, Rival, Step, Stop, load_average};
use crate::error::{ScenarioError, chain};
use crate::peer::PeerError;
use crate::runner::{Observer, Surroundings};

/// What neither side counts at the beginning; iperf3 takes whole seconds.
const RAMP: Duration = Duration::from_secs(1);
/// How long a trial measures.
const TRIAL: Duration = Duration::from_secs(1);
/// Trials of each way of each side, at most.
const TRIALS: u32 = 3;
/// The same for both: what the kernel takes without being asked differs from host to host.
const CONGESTION: &str = "cubic";
/// Ethernet header that a shaper counts with every segment.
const ETHERNET: f64 = 14.0;
/// IPv4 20, TCP 20, timestamps 12.
const HEADERS: f64 = 52.0;

/// What is compared.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    /// Pairs of each comparison.
    pub pairs: u32,
    /// Measured seconds of each side.
    pub seconds: u32,
    /// Names of the comparisons that are made; all of them without any.
    pub only: Vec<String>,
    /// The CPUs that our side may be pinned to: who sends to the first, who receives to the last.
    pub cpus: Vec<u32>,
}

/// One line of the table.
#[derive(Debug)]
struct Comparison {
    /// Its permanent name.
    name: &'static str,
    describe: &'static str,
    between: Between,
    streams: u32,
}

const SHAPED: u64 = 2_500_000_000;
const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "tcp-1-stream-veth-1500",
        describe: "one stream over a veth pair of MTU 1500",
        between: Between::Veth { mtu: 1500 },
        streams: 1,
    },
    Comparison {
        name: "tcp-1-stream-veth-9000",
        describe: "one stream over a veth pair of MTU 9000",
        between: Between::Veth { mtu: 9000 },
        streams: 1,
    },
    Comparison { name: "tcp-1-stream-loopback", describe: "one stream over loopback", between: Between::Loopback, streams: 1 },
    Comparison {
        name: "tcp-4-streams-veth-9000",
        describe: "four streams over a veth pair of MTU 9000",
        between: Between::Veth { mtu: 9000 },
        streams: 4,
    },
    Comparison {
        name: "tcp-tbf-2.5gbit",
        describe: "one stream over a veth pair that is shaped to 2.5 Gbit/s; also against what the shaper has let through",
        between: Between::Shaped { mtu: 1500, bits_per_s: SHAPED },
        streams: 1,
    },
];

impl Comparison {
    fn is_shaped(&self) -> bool {
        matches!(self.between, Between::Shaped { .. })
    }
}

impl Calibration {
    /// A name of `only` that nothing here has.
    pub fn unknown(&self) -> Option<&str> {
        self.only.iter().map(String::as_str).find(|name| !COMPARISONS.iter().any(|comparison| comparison.name == *name))
    }

    /// Names that `only` may have.
    pub fn names() -> Vec<&'static str> {
        COMPARISONS.iter().map(|comparison| comparison.name).collect()
    }

    fn comparisons(&self) -> Vec<&'static Comparison> {
        COMPARISONS.iter().filter(|comparison| self.only.is_empty() || self.only.iter().any(|name| name == comparison.name)).collect()
    }

    fn runtime(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    fn trials(&self) -> u32 {
        TRIALS.min(self.pairs)
    }

    fn duration_ms(&self) -> u64 {
        let ways = u32::try_from(WAYS.len() + variants(0, 0).len()).unwrap_or(u32::MAX);
        let time = (RAMP + TRIAL) * ways * self.trials() + (RAMP + self.runtime()) * 2 * self.pairs;
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Network namespaces that calibrations have left that are dead now, which are removed.
pub fn leftovers() -> Vec<String> {
    place::sweep()
}

/// Calibrates as run `id` below `runs`. What is made for it is removed, also after SIGINT and SIGTERM, which end the run as Cancelled; an iperf3 that fails
/// ends it as Failed. Must not be called from inside an async runtime.
pub fn calibrate(
    runs: &std::path::Path,
    id: &str,
    calibration: &Calibration,
    peer: &Peer,
    surroundings: &Surroundings<'_>,
    observer: &mut Observer<'_>,
) -> Result<Calibrated, ScenarioError> {
    let comparisons = calibration.comparisons();
    let steps: Vec<Step<'_>> =
        comparisons.iter().map(|one| Step { name: one.name, describe: one.describe, duration_ms: calibration.duration_ms() }).collect();
    let agenda = Agenda { steps, rival: Rival { name: "iperf3", version: peer.version() } };
    let mut session = Session { calibration, peer, comparisons, place: None };
    calibration::calibrate(runs, id, calibration, &agenda, surroundings, observer, &mut session)
}

struct Session<'a> {
    calibration: &'a Calibration,
    peer: &'a Peer,
    comparisons: Vec<&'static Comparison>,
    place: Option<Place>,
}

/// What our side of a pair came to.
struct Ours {
    goodput: f64,
    cpu_ns_per_byte: f64,
    notes: Vec<String>,
    /// Data that the shaper has let through meanwhile, bytes/s; none without one, and where it was not counted within the measured time.
    truth: Option<f64>,
}

impl Comparing for Session<'_> {
    fn compare(&mut self, ledger: &mut Ledger<'_, '_>, step: usize, tick: &mut dyn FnMut(u64)) -> Result<(), Stop> {
        let comparison = self.comparisons[step];
        self.leave()?;
        let place = Place::make(comparison.between)?;
        let (text, kind, ends) = (place.describe(), place.kind(), place.ends.clone());
        self.place = Some(place);
        for (name, text) in [("target", text), ("load average", load_average())] {
            ledger.note(comparison.name, name, text)?;
        }
        let (way, words) = (self.best_way(ledger, comparison, &ends)?, self.best_words(ledger, comparison, &ends)?);
        let (mut goodput, mut cpu, mut truth) = (Figures::default(), Figures::default(), Figures::default());
        let runtime = self.calibration.runtime();
        for pair in 0..self.calibration.pairs {
            let early = if pair % 2 == 1 { Some(self.theirs(&words, &ends, runtime, &ledger.stop)?) } else { None };
            let ours = self.ours(comparison, way, &ends, runtime, &ledger.stop)?;
            let theirs = match early {
                Some(theirs) => theirs,
                None => self.theirs(&words, &ends, runtime, &ledger.stop)?,
            };
            goodput.ours.push(ours.goodput);
            goodput.theirs.push(theirs.goodput);
            cpu.ours.push(ours.cpu_ns_per_byte);
            cpu.theirs.push(theirs.cpu_ns_per_byte);
            if comparison.is_shaped() {
                let let_through = ours.truth.ok_or_else(|| format!("pair {}: the shaper was not counted within the measured time", pair + 1))?;
                truth.ours.push(ours.goodput);
                truth.theirs.push(let_through);
            }
            if pair == 0 {
                ledger.note(comparison.name, "ours", format!("{}; {}", way.name(), ours.notes.join("; ")))?;
            }
            tick(u64::try_from(((RAMP + runtime) * 2 * (pair + 1)).as_millis()).unwrap_or(u64::MAX));
        }
        let (name, beside) = (comparison.name, Beside { target: kind, theirs: None });
        ledger.record(name, name, beside, &goodput, Unit::BytesPerSecond, Direction::HigherIsBetter)?;
        if comparison.is_shaped() {
            ledger.record(
                name,
                &format!("{name}-truth"),
                Beside { theirs: Some("shaper"), ..beside },
                &truth,
                Unit::BytesPerSecond,
                Direction::HigherIsBetter,
            )?;
        }
        ledger.record(name, &format!("{name}-cpu-per-byte"), beside, &cpu, Unit::Nanoseconds, Direction::LowerIsBetter)
    }

    fn leave(&mut self) -> Result<(), String> {
        self.place.take().map_or(Ok(()), Place::release)
    }
}

/// One of our ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    sending: Sending,
    /// Each half keeps to a CPU of its own: fastest where nobody else works on them, by far the slowest where somebody does.
    pinned: bool,
}

impl Way {
    fn name(self) -> String {
        format!("{}, {}", self.sending.name(), if self.pinned { "pinned" } else { "not pinned" })
    }
}

/// Ways that are tried. Where packets stay on this host a zero-copy send is copied after all: the trial shows what that costs.
const WAYS: &[Way] = &[
    Way { sending: Sending::FilePages, pinned: true },
    Way { sending: Sending::FilePages, pinned: false },
    Way { sending: Sending::Plain, pinned: true },
    Way { sending: Sending::Plain, pinned: false },
    Way { sending: Sending::ZeroCopy, pinned: true },
];

/// The words of iperf3 in every variant that helps it somewhere.
fn variants(first: u32, last: u32) -> Vec<Vec<String>> {
    let pinned = format!("{first},{last}");
    let all: [&[&str]; 6] = [&[], &["-Z"], &["-Z", "-A", &pinned], &["-Z", "-l", "1M"], &["-A", &pinned], &["-Z", "-w", "1M"]];
    all.iter().map(|words| words.iter().map(ToString::to_string).collect()).collect()
}

impl Session<'_> {
    fn ends_of_cpus(&self) -> (u32, u32) {
        let cpus = &self.calibration.cpus;
        (cpus.first().copied().unwrap_or(0), cpus.last().copied().unwrap_or(0))
    }

    /// Our fastest way here: the best median of interleaved trials.
    fn best_way(&self, ledger: &mut Ledger<'_, '_>, comparison: &Comparison, ends: &Ends) -> Result<Way, Stop> {
        let mut figures = vec![Vec::new(); WAYS.len()];
        for _ in 0..self.calibration.trials() {
            for (way, figures) in WAYS.iter().zip(&mut figures) {
                figures.push(self.ours(comparison, *way, ends, TRIAL, &ledger.stop)?.goodput);
            }
        }
        let medians: Vec<f64> = figures.into_iter().map(|figures| Samples::new(figures).median()).collect();
        let best = best_of(&medians).ok_or_else(|| "no way of sending".to_owned())?;
        let tried: Vec<String> = WAYS.iter().zip(&medians).map(|(way, median)| format!("{}: {median:.3e} B/s", way.name())).collect();
        ledger.note(comparison.name, "our way", format!("the fastest in trials of {}", tried.join("; ")))?;
        Ok(WAYS[best])
    }

    /// iperf3's words with which it is fastest here: the best median of interleaved trials of every variant.
    fn best_words(&self, ledger: &mut Ledger<'_, '_>, comparison: &Comparison, ends: &Ends) -> Result<Vec<String>, Stop> {
        let (first, last) = self.ends_of_cpus();
        let all: Vec<Vec<String>> = variants(first, last).into_iter().map(|extra| [common(comparison), extra].concat()).collect();
        let mut figures = vec![Vec::new(); all.len()];
        for _ in 0..self.calibration.trials() {
            for (words, figures) in all.iter().zip(&mut figures) {
                figures.push(self.theirs(words, ends, TRIAL, &ledger.stop)?.goodput);
            }
        }
        let medians: Vec<f64> = figures.into_iter().map(|figures| Samples::new(figures).median()).collect();
        let best = best_of(&medians).ok_or_else(|| "no variant of iperf3's flags".to_owned())?;
        let tried = medians.iter().map(|median| format!("{median:.3e}")).collect::<Vec<_>>().join(", ");
        let command = self.peer.command(&timed(&all[best], self.calibration.runtime()), ends);
        for (name, text) in [
            ("iperf3", format!("{command} ({})", self.peer.version())),
            ("iperf3's flags", format!("the best of {} variants; B/s of each in trials: {tried}", medians.len())),
        ] {
            ledger.note(comparison.name, name, text)?;
        }
        Ok(all[best].clone())
    }

    fn theirs(&self, words: &[String], ends: &Ends, runtime: Duration, stop: &AtomicBool) -> Result<Measured, PeerError> {
        self.peer.run(&timed(words, runtime), ends, RAMP + runtime, stop)
    }

    /// Both our halves, each on threads that have moved to its end.
    fn ours(&self, comparison: &Comparison, way: Way, ends: &Ends, runtime: Duration, stop: &AtomicBool) -> Result<Ours, Stop> {
        let ramp_ms = u64::try_from(RAMP.as_millis()).unwrap_or(u64::MAX);
        let flow = TcpFlow { streams: comparison.streams, ramp_ms, ..TcpFlow::new(runtime) };
        let (first, last) = self.ends_of_cpus();
        let how = |cpu: u32| TcpHow {
            cpus: if way.pinned { vec![cpu] } else { Vec::new() },
            sending: way.sending,
            congestion: Some(CONGESTION.to_owned()),
            ..TcpHow::default()
        };
        let token = Token::fresh().map_err(|error| format!("the kernel gives no random numbers: {error}"))?;
        let listen = TcpListen { address: ends.address, port: 0, token, flow: flow.clone(), how: how(last) };
        let (ready, address) = mpsc::channel();
        let halt = AtomicBool::new(false);
        let (near, far, truth) = std::thread::scope(|scope| {
            let (flow, halt, listen) = (&flow, &halt, &listen);
            let far = scope.spawn(move || {
                half(&ends.far, || {
                    // Where nobody hears it, the other half has failed, and says why.
                    tcp::serve(listen, halt, &mut |address| ready.send(address).unwrap_or(()))
                })
            });
            let near = scope.spawn(move || {
                // Without an address the other half says why.
                let peer = address.recv().map_err(|_| "the half that listens has failed".to_owned())?;
                let spec = TcpConnect { peer, source: None, source_ports: Vec::new(), token, flow: flow.clone(), how: how(first) };
                half(&ends.near, || tcp::connect(&spec, halt))
            });
            let truth = watch(comparison, ends, runtime, &|| {
                halt.store(stop.load(Ordering::Relaxed), Ordering::Relaxed);
                near.is_finished() && far.is_finished()
            });
            (near.join(), far.join(), truth)
        });
        if stop.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        let died = |_| "a thread of ours died".to_owned();
        let far = far.map_err(died)?;
        let near = near.map_err(died)?;
        // Who listens knows best why nobody came.
        let (near, far) = match (near, far) {
            (Ok(near), Ok(far)) => (near, far),
            (Err(near), Err(far)) => return Err(Stop::Failed(format!("assay gave no figure: {near}; {far}"))),
            (Err(why), _) | (_, Err(why)) => return Err(Stop::Failed(format!("assay gave no figure: {why}"))),
        };
        let run = TcpRun::of(&flow, &near, &far).map_err(|why| format!("assay gave no figure: {why}"))?;
        let forward = run.forward.ok_or_else(|| "assay sent nothing forward".to_owned())?;
        let share = f64::from(forward.mss) / (f64::from(forward.mss) + HEADERS + ETHERNET);
        let mut notes: Vec<String> = near.notes.iter().chain(&far.notes).cloned().collect();
        let seats = if way.pinned { format!("sender on CPU {first}, receiver on CPU {last}") } else { "on any CPU".to_owned() };
        notes.push(format!("congestion control {CONGESTION}, MSS {} of MTU {}, {seats}", forward.mss, forward.path_mtu));
        Ok(Ours { goodput: forward.goodput, cpu_ns_per_byte: run.cpu_ns_per_byte, notes, truth: truth?.map(|bytes| bytes * share) })
    }
}

fn best_of(medians: &[f64]) -> Option<usize> {
    (0..medians.len()).max_by(|a, b| medians[*a].total_cmp(&medians[*b]))
}

fn half(end: &str, work: impl FnOnce() -> Result<TcpHalf, EngineError>) -> Result<TcpHalf, String> {
    Ends::enter(end)?;
    work().map_err(|error| chain(&error))
}

/// Waits until both halves are over; on a shaped path it reads the shaper's count meanwhile, well within the measured time. Bytes of frames per second.
fn watch(comparison: &Comparison, ends: &Ends, runtime: Duration, over: &dyn Fn() -> bool) -> Result<Option<f64>, String> {
    let (begin, mut first, mut last) = (Instant::now(), None, None);
    while !over() {
        if comparison.is_shaped() && first.is_none() && begin.elapsed() >= RAMP + runtime / 10 {
            first = Some(place::shaped_bytes(&ends.near)?);
        }
        if comparison.is_shaped() && last.is_none() && begin.elapsed() >= RAMP + runtime * 9 / 10 {
            // One that came when the halves were done counts a path on which nobody sent any more.
            last = Some(place::shaped_bytes(&ends.near)?).filter(|_| !over());
        }
        #[allow(clippy::disallowed_methods, reason = "the halves keep their own time")]
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(first.zip(last).and_then(|(first, last)| rate(first, last, runtime)))
}

/// Bytes per second between two counts; none between those that are too near to each other to say it, or that were set back.
fn rate((from, before): (Instant, u64), (to, after): (Instant, u64), runtime: Duration) -> Option<f64> {
    let within = to.duration_since(from);
    #[allow(clippy::cast_precision_loss, reason = "bytes of some seconds")]
    let rate = after.checked_sub(before)? as f64 / within.as_secs_f64();
    (within >= runtime / 2).then_some(rate)
}

fn common(comparison: &Comparison) -> Vec<String> {
    ["-C", CONGESTION, "-P", &comparison.streams.to_string()].map(ToOwned::to_owned).to_vec()
}

fn timed(words: &[String], runtime: Duration) -> Vec<String> {
    let time = ["-t".to_owned(), runtime.as_secs().to_string(), "-O".to_owned(), RAMP.as_secs().to_string()];
    words.iter().cloned().chain(time).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_keeps_the_parameters_and_names_are_unique() {
        let mut names = Calibration::names();
        for wanted in ["tcp-1-stream-veth-1500", "tcp-1-stream-veth-9000", "tcp-1-stream-loopback", "tcp-4-streams-veth-9000", "tcp-tbf-2.5gbit"] {
            assert!(names.contains(&wanted), "{wanted}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COMPARISONS.len());
        for words in variants(0, 3).iter().map(|extra| timed(&[common(&COMPARISONS[3]), extra.clone()].concat(), Duration::from_secs(2))) {
            let text = words.join(" ");
            assert!(text.contains("-C cubic -P 4") && text.contains("-t 2 -O 1"), "{text}");
        }
    }

    #[test]
    fn what_the_shaper_counted_is_a_rate_only_over_most_of_the_measured_time() {
        let (begin, runtime) = (Instant::now(), Duration::from_secs(2));
        let of = |after_ms: u64, bytes: u64| rate((begin, 1000), (begin + Duration::from_millis(after_ms), bytes), runtime);
        assert_eq!(of(1_600, 17_000), Some(10_000.0));
        assert_eq!(of(1_000, 11_000), Some(10_000.0));
        for (after_ms, bytes) in [(999, 11_000), (0, 1000), (1_600, 999)] {
            assert_eq!(of(after_ms, bytes), None, "{after_ms} ms, {bytes} bytes");
        }
    }

    #[test]
    fn both_sides_give_figures_over_the_same_path_and_nothing_is_left() {
        let calibration = Calibration { pairs: 1, seconds: 1, only: Vec::new(), cpus: crate::plan::this_host().0 };
        let peer = Peer::find("iperf3").expect("install iperf3");
        let comparison = &COMPARISONS[4];
        let session = Session { calibration: &calibration, peer: &peer, comparisons: vec![comparison], place: None };
        let place = Place::make(Between::Shaped { mtu: 1500, bits_per_s: 200_000_000 }).expect("needs root, iproute2 and tbf");
        let ends = place.ends.clone();
        let stop = AtomicBool::new(false);
        let Ok(ours) = session.ours(comparison, WAYS[0], &ends, Duration::from_secs(1), &stop) else { panic!("no figure of ours") };
        let theirs = session.theirs(&common(comparison), &ends, Duration::from_secs(1), &stop).expect("a figure of theirs");
        // 200 Mbit/s of frames of 1514 bytes with 1448 of data each; a machine that is busy with something else does not fill them.
        let expected = 200e6 / 8.0 * 1448.0 / 1514.0;
        let truth = ours.truth.expect("the shaper counts");
        assert!((ours.goodput / truth - 1.0).abs() < 0.02 && (0.7..1.05).contains(&(truth / expected)), "{} {truth} {expected}", ours.goodput);
        assert!((0.7..1.1).contains(&(theirs.goodput / expected)), "{} {expected}", theirs.goodput);
        place.release().expect("removed");
        assert!(Ends::enter(&ends.near).is_err());
    }
}
