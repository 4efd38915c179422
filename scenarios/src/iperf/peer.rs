//! The installed iperf3 as two child processes, one at each end: what one test of it came to by its JSON. An iperf3 that failed, that reports an error or that
//! moved nothing is an error with its words, never a figure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::answer::Answer;
use super::place::Ends;
use crate::child::{self, ChildError, Running};
use crate::peer::{PeerError, Program};

/// Setting up and summing up may take iperf3 this much longer than its time.
const SLOW: Duration = Duration::from_secs(20);
/// How long its server may take until it listens.
const LISTENS: Duration = Duration::from_secs(5);
const TURN: Duration = Duration::from_millis(20);
const PORT: u16 = 5201;

/// An installed iperf3.
#[derive(Debug, Clone)]
pub struct Peer(Program);

/// What one test came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// What the receiver counted, bytes/s.
    pub(super) goodput: f64,
    /// User and system time of both ends per byte, ns.
    pub(super) cpu_ns_per_byte: f64,
}

impl Peer {
    /// The iperf3 that `program` starts.
    pub fn find(program: &str) -> Result<Self, PeerError> {
        Program::find("iperf3", program, |first| first.split(" (").next().map(str::trim).filter(|version| version.starts_with("iperf 3"))).map(Self)
    }

    /// `iperf 3.12`.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// The client's command line.
    pub(super) fn command(&self, words: &[String], ends: &Ends) -> String {
        let own = [self.0.path.clone(), "-c".to_owned(), ends.address.to_string(), "-J".to_owned()];
        own.iter().chain(words).map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Runs one test from one end to the other; `runtime` is what it was told, ramp included.
    pub(super) fn run(&self, words: &[String], ends: &Ends, runtime: Duration, stop: &AtomicBool) -> Result<Measured, PeerError> {
        let failed = |why: String| self.0.failed(self.command(words, ends), why);
        let told = |error: ChildError| self.0.told(error, || self.command(words, ends));
        let address = ends.address.to_string();
        let mut server = ends.inside(&ends.far, &self.0.path);
        // One test, and it ends.
        server.args(["-s", "-1", "-J", "-B", &address, "-p", &PORT.to_string()]);
        let server = Running::start(&mut server).map_err(|source| told(ChildError::Missing(source)))?;
        let begin = Instant::now();
        let said = loop {
            let mut client = ends.inside(&ends.near, &self.0.path);
            client.args(["-c", &address, "-J", "-p", &PORT.to_string()]).args(words);
            let said = child::run(&mut client, runtime + SLOW, stop).map_err(told)?;
            let not_yet = said.out.contains("Connection refused");
            if !not_yet || begin.elapsed() >= LISTENS || stop.load(Ordering::Relaxed) {
                break said;
            }
            #[allow(clippy::disallowed_methods, reason = "nothing tells when iperf3 listens; nothing is measured here")]
            std::thread::sleep(TURN);
        };
        let measured = measured(&said.out).map_err(|why| failed(if said.status.success() { why } else { format!("{why}; {}", said.failure()) }))?;
        if !said.status.success() {
            return Err(failed(said.failure()));
        }
        // A server that does not end is killed with its value.
        server.finish(SLOW, stop).map_err(told)?;
        Ok(measured)
    }
}

/// The figures of iperf3's answer.
fn measured(text: &str) -> Result<Measured, String> {
    let answer = Answer::read(text)?;
    let end = answer.end()?;
    let goodput = end.sum_received.as_ref().ok_or("its receiver said nothing")?.goodput()?;
    let cpu = end.cpu_utilization_percent.as_ref().ok_or("it said nothing about its processor time")?;
    let cpu_ns_per_byte = (cpu.host_total + cpu.remote_total) / 100.0 * 1e9 / goodput;
    if !(cpu_ns_per_byte.is_finite() && cpu_ns_per_byte > 0.0) {
        return Err(format!("{cpu_ns_per_byte} ns of processor time per byte is no figure"));
    }
    Ok(Measured { goodput, cpu_ns_per_byte })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_the_receivers_with_the_processor_time_of_both_ends() {
        let text = |bits: f64, host: f64| {
            format!(
                r#"{{"start": {{}}, "end": {{"sum_sent": {{"seconds": 1, "bytes": 9e9, "bits_per_second": 72e9}},
                "sum_received": {{"seconds": 1, "bytes": 1e9, "bits_per_second": {bits}}},
                "cpu_utilization_percent": {{"host_total": {host}, "remote_total": 50.0}}}}}}"#
            )
        };
        assert_eq!(measured(&text(8e9, 50.0)), Ok(Measured { goodput: 1e9, cpu_ns_per_byte: 1.0 }));
        for (text, word) in [
            (text(0.0, 50.0), "no figure"),
            (text(8e9, -50.0), "no figure"),
            (text(8e9, 50.0).replace("sum_received", "sum"), "receiver said nothing"),
            (r#"{"error": "interrupt"}"#.to_owned(), "interrupt"),
            ("iperf3: error".to_owned(), "no result"),
        ] {
            let why = measured(&text).expect_err(word);
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn what_is_not_there_or_is_no_iperf3_is_named() {
        assert!(crate::error::chain(&Peer::find("/nonexistent/iperf3").expect_err("missing")).contains("install iperf3"));
        assert!(crate::error::chain(&Peer::find("true").expect_err("no iperf3")).contains("it is no iperf3"));
    }
}
