//! `assay calibrate --against perftest`: interleaved pairs of both on one RDMA device, whose packets come back to it, with the same message, depth, queue pairs
//! and GID; who goes first alternates. perftest compares no content: ours does as `Workload::compared` says, with new stamps in each packet,
//! and of writes once more with every byte made anew.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use assay_bench::net::token::Token;
use assay_model::metric::Direction;
use assay_model::unit::Unit;
use assay_rdma::choice::{Choice, choose};
use assay_rdma::result::Port;
use assay_rdma::{Endpoint, Measure, Operation, RdmaConnect, RdmaError, RdmaListen, RdmaResult, Verify, Workload, perftest};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::peer::{Commands, Measured, Peer};
use crate::calibration::{self, Agenda, Beside, Calibrated, Comparing, Figures, Ledger, Rival, Step, Stop, load_average};
use crate::error::{ScenarioError, chain};
use crate::peer::PeerError;
use crate::runner::{Observer, Surroundings};

/// What neither side counts at the beginning.
const RAMP: Duration = Duration::from_millis(500);
/// A packet is sent again after a second: both ends may share a processor, and a device in software is late.
const ACK_TIMEOUT: u8 = 18;
/// For how long nothing may happen at a half of ours.
const PATIENCE_MS: u64 = 20_000;
/// Of a time that is given to it perftest measures the half in the middle.
const MARGINS: u32 = 2;
/// Messages of a latency, whose time perftest cannot be told.
const EXCHANGES: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;

/// What is compared.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    /// Pairs of each comparison.
    pub pairs: u32,
    /// Measured seconds of each side.
    pub seconds: u32,
    /// Names of the comparisons that are made; all of them without any.
    pub only: Vec<String>,
    /// The RDMA device, where the address does not say it.
    pub device: Option<String>,
    /// The address of both ends.
    pub address: IpAddr,
}

/// One line of the table.
#[derive(Debug)]
struct Comparison {
    /// Its permanent name.
    name: &'static str,
    describe: &'static str,
    operation: Operation,
    measure: Measure,
    bytes: u32,
    verify: Verify,
}

const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "rdma-write-64k",
        describe: "RDMA write of 64 KiB on one queue pair, new stamps in every packet, what lies in memory at the end compared",
        operation: Operation::Write,
        measure: Measure::Bandwidth,
        bytes: 65536,
        verify: Verify::Stamps,
    },
    Comparison {
        name: "rdma-write-64k-every-byte",
        describe: "the same with every byte made anew",
        operation: Operation::Write,
        measure: Measure::Bandwidth,
        bytes: 65536,
        verify: Verify::Full,
    },
    Comparison {
        name: "rdma-read-64k",
        describe: "RDMA read of 64 KiB on one queue pair, the stamps of every packet compared, and what lies in memory at the end",
        operation: Operation::Read,
        measure: Measure::Bandwidth,
        bytes: 65536,
        verify: Verify::Stamps,
    },
    Comparison {
        name: "rdma-send-64k",
        describe: "sends of 64 KiB on one queue pair, the stamps of every packet compared, and what lies in memory at the end",
        operation: Operation::Send,
        measure: Measure::Bandwidth,
        bytes: 65536,
        verify: Verify::Stamps,
    },
    Comparison {
        name: "rdma-write-64-latency",
        describe: "RDMA write of 64 bytes to and fro, every byte compared",
        operation: Operation::Write,
        measure: Measure::Latency,
        bytes: 64,
        verify: Verify::Full,
    },
];

impl Comparison {
    fn workload(&self, runtime: Duration) -> Workload {
        let usual = match self.measure {
            // As many as soft devices take; a card is filled by fewer.
            Measure::Bandwidth => Workload { depth: 16, ..Workload::bandwidth(self.operation, self.bytes, runtime) },
            Measure::Latency => Workload::latency(self.operation, self.bytes, runtime),
        };
        let ramp_ms = u64::try_from(RAMP.as_millis()).unwrap_or(u64::MAX);
        Workload { verify: self.verify, ack_timeout: ACK_TIMEOUT, ramp_ms, ..usual }
    }

    fn figure(&self) -> (String, Unit, Direction) {
        let (word, unit, direction) = match self.measure {
            Measure::Bandwidth => ("bandwidth", Unit::BytesPerSecond, Direction::HigherIsBetter),
            Measure::Latency => ("p50", Unit::Nanoseconds, Direction::LowerIsBetter),
        };
        (format!("{}.{word}", super::family(&self.workload(RAMP))), unit, direction)
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

    /// The port and the GID of the address; why there is none, before anything is begun.
    pub fn port(&self) -> Result<Port, RdmaError> {
        let wanted = Endpoint { device: self.device.clone(), ..Endpoint::at(self.address) };
        let Choice { port, gid } = choose(&assay_rdma::ports()?, &wanted)?;
        Ok(Port { device: port.device, port: port.port, gid: gid.gid, gid_index: gid.index, active_mtu: port.active_mtu })
    }

    fn comparisons(&self) -> Vec<&'static Comparison> {
        COMPARISONS.iter().filter(|comparison| self.only.is_empty() || self.only.iter().any(|name| name == comparison.name)).collect()
    }

    fn runtime(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    fn pair(&self) -> Duration {
        RAMP + self.runtime() + self.runtime() * MARGINS
    }
}

/// Calibrates as run `id` below `runs`. Signals end the run as Cancelled, a perftest or a half that fails as Failed.
pub fn calibrate(
    runs: &std::path::Path,
    id: &str,
    calibration: &Calibration,
    port: &Port,
    peer: &Peer,
    surroundings: &Surroundings<'_>,
    observer: &mut Observer<'_>,
) -> Result<Calibrated, ScenarioError> {
    let comparisons = calibration.comparisons();
    let duration_ms = u64::try_from((calibration.pair() * calibration.pairs).as_millis()).unwrap_or(u64::MAX);
    let steps: Vec<Step<'_>> = comparisons.iter().map(|one| Step { name: one.name, describe: one.describe, duration_ms }).collect();
    let agenda = Agenda { steps, rival: Rival { name: "perftest", version: peer.version() } };
    let mut session = Session { calibration, port, peer, comparisons };
    calibration::calibrate(runs, id, calibration, &agenda, surroundings, observer, &mut session)
}

struct Session<'a> {
    calibration: &'a Calibration,
    port: &'a Port,
    peer: &'a Peer,
    comparisons: Vec<&'static Comparison>,
}

impl Comparing for Session<'_> {
    fn compare(&mut self, ledger: &mut Ledger<'_, '_>, step: usize, tick: &mut dyn FnMut(u64)) -> Result<(), Stop> {
        let comparison = self.comparisons[step];
        let Port { device, port, gid_index, .. } = self.port;
        let target = format!("port {port} of {device}, GID {gid_index}, to itself");
        for (name, text) in [("target", target), ("load average", load_average())] {
            ledger.note(comparison.name, name, text)?;
        }
        // What perftest is told of a latency comes of ours: how many there are in the time.
        let workload = comparison.workload(self.calibration.runtime());
        let first = self.ours(&workload, &ledger.stop)?;
        let commands = self.commands(&workload, first.figure);
        ledger.note(comparison.name, "perftest", format!("{} ({})", commands.connect, self.peer.version()))?;
        let (name, unit, direction) = comparison.figure();
        let (mut figures, mut processors) = (Figures::default(), Figures::default());
        for pair in 0..self.calibration.pairs {
            let early = if pair % 2 == 1 { Some(self.theirs(&commands, &name, &ledger.stop)?) } else { None };
            let ours = self.ours(&workload, &ledger.stop)?;
            let theirs = match early {
                Some(theirs) => theirs,
                None => self.theirs(&commands, &name, &ledger.stop)?,
            };
            figures.ours.push(ours.figure);
            figures.theirs.push(theirs.figure);
            processors.ours.push(ours.used / (RAMP + self.calibration.runtime()).as_secs_f64());
            processors.theirs.push(theirs.used / self.their_time(&workload, first.figure, theirs.figure));
            tick(u64::try_from((self.calibration.pair() * (pair + 1)).as_millis()).unwrap_or(u64::MAX));
        }
        let (name, beside) = (comparison.name, Beside { target: device, theirs: None });
        ledger.record(name, name, beside, &figures, unit, direction)?;
        // Both wait by polling: what counts is how many processors that takes while messages go. What setting up takes is counted with both.
        ledger.record(name, &format!("{name}-processors"), beside, &processors, Unit::Ratio, Direction::LowerIsBetter)
    }

    fn leave(&mut self) -> Result<(), String> {
        Ok(())
    }
}

impl Session<'_> {
    fn commands(&self, workload: &Workload, ours: f64) -> Commands {
        let given = Workload { runtime_ms: workload.runtime_ms.saturating_mul(MARGINS.into()), ..workload.clone() };
        let line = |peer| {
            let line = perftest::command(&given, self.port, peer);
            match workload.measure {
                Measure::Bandwidth => line,
                // In a given time it says no quantiles.
                Measure::Latency => {
                    line.replace(&format!(" -D {} ", seconds(&given)), &format!(" -n {} ", exchanges(self.calibration.runtime(), ours)))
                }
            }
        };
        Commands { serve: line(None), connect: line(Some(self.calibration.address)) }
    }

    /// Seconds for which perftest's messages go.
    fn their_time(&self, workload: &Workload, ours: f64, theirs: f64) -> f64 {
        let runtime = self.calibration.runtime();
        match workload.measure {
            Measure::Bandwidth => (runtime * MARGINS).as_secs_f64(),
            #[allow(clippy::cast_precision_loss, reason = "a million messages at most")]
            Measure::Latency => exchanges(runtime, ours) as f64 * theirs / 1e9,
        }
    }

    fn theirs(&self, commands: &Commands, name: &str, stop: &AtomicBool) -> Result<Measured, PeerError> {
        self.peer.run(commands, name, self.calibration.runtime() * MARGINS, stop)
    }

    /// Both our halves, each on a thread of its own.
    fn ours(&self, workload: &Workload, stop: &AtomicBool) -> Result<Measured, Stop> {
        let endpoint = Endpoint {
            address: self.calibration.address,
            device: Some(self.port.device.clone()),
            port: Some(self.port.port),
            gid_index: Some(self.port.gid_index),
        };
        let token = Token::fresh().map_err(|error| format!("the kernel gives no random numbers: {error}"))?;
        let (workload, patience_ms, plant) = (workload.clone(), PATIENCE_MS, None);
        let listen = RdmaListen { endpoint: endpoint.clone(), token, workload: workload.clone(), patience_ms, plant };
        let (ready, address) = mpsc::channel();
        let (near, far) = std::thread::scope(|scope| {
            // Where nobody hears it, the other half has failed, and says why.
            let far = scope.spawn(move || timed(|| assay_rdma::serve(&listen, stop, &mut |address| ready.send(address).unwrap_or(()))));
            let near = scope.spawn(move || {
                timed(|| {
                    // Without an address the other half says why.
                    let peer = address.recv().map_err(|_| RdmaError::Stopped { phase: "waiting for the half that listens" })?;
                    assay_rdma::connect(&RdmaConnect { endpoint, peer, token, workload, patience_ms, plant }, stop)
                })
            });
            (near.join(), far.join())
        });
        if stop.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        let died = |_| "a thread of ours died".to_owned();
        let ((near, near_used), (far, far_used)) = (near.map_err(died)?, far.map_err(died)?);
        let result = match (near, far) {
            (Ok(near), Ok(_)) => near,
            // Who listens knows best why nobody came.
            (_, Err(error)) | (Err(error), Ok(_)) => return Err(Stop::Failed(format!("assay gave no figure: {}", chain(&error)))),
        };
        let figure = figure(&result).ok_or_else(|| "assay gave no figure".to_owned())?;
        Ok(Measured { figure, used: (near_used + far_used).as_secs_f64() })
    }
}

fn figure(result: &RdmaResult) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "nanoseconds of one message")]
    let figure = result.latency.as_ref().map_or_else(|| result.forth.completed.bandwidth(), |latency| latency.p50_ns as f64);
    (figure.is_finite() && figure > 0.0).then_some(figure)
}

fn seconds(workload: &Workload) -> u64 {
    workload.runtime_ms.div_ceil(1000).max(1)
}

// As many as there are in the time.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count, which is clamped")]
fn exchanges(runtime: Duration, nanoseconds: f64) -> u64 {
    ((runtime.as_secs_f64() * 1e9 / nanoseconds) as u64).clamp(*EXCHANGES.start(), *EXCHANGES.end())
}

/// What it came to, and the processor time of this thread.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let used = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let part = |number: i64| u64::try_from(number).unwrap_or(0);
        Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
    };
    let before = used();
    let done = work();
    (done, used().saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_told_the_same_and_give_a_figure_of_the_same_name() {
        let mut names = Calibration::names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COMPARISONS.len());
        let calibration = Calibration { pairs: 1, seconds: 2, only: Vec::new(), device: None, address: "10.9.0.11".parse().expect("an address") };
        let port = Port { device: "rxe0".into(), port: 1, gid: "::ffff:10.9.0.11".parse().expect("a GID"), gid_index: 1, active_mtu: 1024 };
        let peer = Peer::find().expect("install perftest");
        let session = Session { calibration: &calibration, port: &port, peer: &peer, comparisons: calibration.comparisons() };
        for comparison in COMPARISONS {
            let workload = comparison.workload(calibration.runtime());
            assert_eq!(workload.fault(), None, "{}", comparison.name);
            let commands = session.commands(&workload, 1e6);
            let same = format!("-d rxe0 -i 1 -x 1 -s {} ", comparison.bytes);
            let time = if comparison.measure == Measure::Latency { "-n 2000 " } else { "-D 4 " };
            for line in [&commands.serve, &commands.connect] {
                assert!(line.contains(&same) && line.contains(time) && line.contains(" -u 18"), "{line}");
            }
            assert!(commands.connect.ends_with(" 10.9.0.11") && !commands.serve.ends_with("10.9.0.11"));
        }
        assert_eq!(COMPARISONS[0].figure().0, "net.rdma_write_64k_qp1.bandwidth");
        assert_eq!(COMPARISONS[4].figure().0, "net.rdma_write_latency_64_qp1.p50");
    }

    #[test]
    fn an_address_without_an_rdma_device_is_told_before_anything_is_begun() {
        let calibration = Calibration { pairs: 1, seconds: 1, only: Vec::new(), device: None, address: "192.0.2.77".parse().expect("an address") };
        let why = calibration.port().expect_err("nobody has this address").to_string();
        assert!(why.contains("no RDMA device") || why.contains("no active RDMA port has a RoCE v2 GID of 192.0.2.77"), "{why}");
    }
}
