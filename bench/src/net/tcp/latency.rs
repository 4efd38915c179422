//! Request and response at a fixed rate, open loop: a request is due when its schedule says, whatever became of those before it, and its latency counts from
//! then. What was due and did not go out, or was not answered, is counted, never left out.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use serde::{Deserialize, Serialize};

use super::spec::{TcpConnect, TcpFlow, TcpHow, TcpListen};
use super::{hello, socket};
use crate::driver::schedule::Schedule;
use crate::error::EngineError;
use crate::job::Arrivals;
use crate::net::token::Token;

/// Longest latency that is told apart from longer ones, ns.
const LATENCY_MAX: u64 = 120_000_000_000;
const DIGITS: u8 = 3;
const BYTES_MIN: u32 = 16;
const BYTES_MAX: u32 = 1 << 20;
/// Requests that may wait to be written.
const BACKLOG_MAX: usize = 1 << 16;

/// What both halves are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AskFlow {
    /// Requests per second.
    pub rate: u32,
    /// How they follow one another.
    pub arrivals: Arrivals,
    /// Seed of the arrivals.
    pub seed: u64,
    /// Bytes of a request and of its response, at least 16.
    pub bytes: u32,
    /// What is not counted at the beginning, ms.
    pub ramp_ms: u64,
    /// What is counted after it, ms.
    pub runtime_ms: u64,
    /// How long nothing may be answered before the run is broken, ms.
    pub patience_ms: u64,
}

impl AskFlow {
    // What the hello is about.
    fn flow(&self) -> TcpFlow {
        let verify = Some(u64::from(self.rate) << 32 | u64::from(self.bytes));
        TcpFlow { ramp_ms: self.ramp_ms, patience_ms: self.patience_ms, verify, ..TcpFlow::new(Duration::from_millis(self.runtime_ms)) }
    }

    fn refuse(&self, target: &str) -> Result<(), EngineError> {
        let why = match self {
            Self { rate: 0, .. } => Some("no requests per second".to_owned()),
            Self { bytes, .. } if !(BYTES_MIN..=BYTES_MAX).contains(bytes) => Some(format!("{bytes} bytes are not from {BYTES_MIN} to {BYTES_MAX}")),
            Self { .. } => self.flow().complaint(),
        };
        why.map_or(Ok(()), |why| Err(EngineError::Job { rw: "TCP requests", target: target.to_owned(), why }))
    }

    fn size(&self) -> usize {
        usize::try_from(self.bytes).expect("32 bits")
    }
}

/// What the half that answers is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AskListen {
    /// The only address that it is bound to.
    pub address: std::net::IpAddr,
    /// The port, or 0 for one that is free.
    pub port: u16,
    /// What the connection must show.
    pub token: Token,
    /// What is measured.
    pub flow: AskFlow,
    /// How the socket is made.
    pub how: TcpHow,
}

/// What the half that asks is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AskConnect {
    /// The half that answers.
    pub peer: SocketAddr,
    /// The address that the connection comes from.
    pub source: Option<std::net::IpAddr>,
    /// The port that it comes from, or 0.
    pub source_port: u16,
    /// What it shows.
    pub token: Token,
    /// What is measured.
    pub flow: AskFlow,
    /// How the socket is made.
    pub how: TcpHow,
}

/// What the half that answered has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Requests that were answered, the ramp included.
    pub requests: u64,
    /// Connections that did not show the token.
    pub strangers: u64,
}

/// What the half that asked has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Requests, the ramp included; each was answered.
    pub requests: u64,
    /// Of these the ones that were due in the window, and whose latency is below.
    pub counted: u64,
    /// Latencies from the moment a request was due, ns, and how many took so long (at most 0.1 % more).
    pub latencies: Vec<(u64, u64)>,
    /// The median, ns.
    pub p50_ns: u64,
    /// 90 % took no longer, ns.
    pub p90_ns: u64,
    /// 99 % took no longer, ns.
    pub p99_ns: u64,
    /// 99.9 % took no longer, ns.
    pub p99_9_ns: u64,
    /// The longest, ns.
    pub max_ns: u64,
    /// How late requests went out that could have gone when they were due, p99.9, ns: the harness's own share.
    pub lag_p99_9_ns: u64,
}

/// The half that answers.
pub fn serve(spec: &AskListen, stop: &AtomicBool, ready: &mut dyn FnMut(SocketAddr)) -> Result<Answered, EngineError> {
    let address = SocketAddr::new(spec.address, spec.port).to_string();
    spec.flow.refuse(&address)?;
    let flow = spec.flow.flow();
    let listen = TcpListen {
        address: spec.address,
        port: spec.port,
        token: spec.token,
        flow: flow.clone(),
        how: TcpHow { nodelay: true, ..spec.how.clone() },
    };
    let listener = socket::listener(&listen)?;
    ready(listener.local_addr().map_err(|source| EngineError::Setup { act: "ask for the address of a socket", target: address.clone(), source })?);
    let (mut sockets, strangers) = hello::accept(&listener, &spec.token, &flow, stop)?;
    drop(listener);
    let mut peer = sockets.pop().expect("a flow of one stream");
    let name = peer.peer_addr().map_or(address, |address| address.to_string());
    let broken = |act: &'static str| {
        let target = name.clone();
        move |source| EngineError::Ring { act, target: target.clone(), source }
    };
    hello::welcome(&mut peer, &spec.token).map_err(broken("answer"))?;
    peer.set_nonblocking(true).map_err(broken("make non-blocking the socket to"))?;
    let (mut held, mut answers, mut buffer) = (Vec::new(), Vec::new(), vec![0; 256 << 10]);
    let (mut requests, mut last) = (0, Instant::now());
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(EngineError::Stopped { target: name });
        }
        let flags = if answers.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        if !socket::ready(&peer, flags).map_err(broken("wait for"))? {
            if last.elapsed() >= flow.patience() {
                return Err(EngineError::Stalled { target: name, in_flight: 0, waited: last.elapsed() });
            }
            continue;
        }
        match peer.read(&mut buffer) {
            Ok(0) if held.is_empty() && answers.is_empty() => return Ok(Answered { requests, strangers }),
            Ok(0) => {
                let why = format!("it has closed the connection in the middle of a request ({} bytes)", held.len() + answers.len());
                return Err(EngineError::Peer { act: "answer", peer: name, why });
            }
            Ok(read) => {
                held.extend_from_slice(&buffer[..read]);
                // Whole requests go back as they came.
                let whole = held.len() / spec.flow.size();
                answers.extend(held.drain(..whole * spec.flow.size()));
                requests += u64::try_from(whole).expect("fits");
                last = Instant::now();
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(source) => return Err(broken("hear requests from")(source)),
        }
        if !answers.is_empty() {
            match peer.write(&answers) {
                Ok(written) => drop(answers.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(source) => return Err(broken("answer")(source)),
            }
        }
    }
}

/// The half that asks.
pub fn connect(spec: &AskConnect, stop: &AtomicBool) -> Result<Asked, EngineError> {
    let target = spec.peer.to_string();
    spec.flow.refuse(&target)?;
    let flow = spec.flow.flow();
    let to = TcpConnect {
        peer: spec.peer,
        source: spec.source,
        source_ports: vec![spec.source_port],
        token: spec.token,
        flow: flow.clone(),
        how: TcpHow { nodelay: true, ..spec.how.clone() },
    };
    let mut peer = socket::connected(&to, 0, stop)?;
    let broken = |act: &'static str| {
        let target = target.clone();
        move |source| EngineError::Ring { act, target: target.clone(), source }
    };
    hello::say(&mut peer, &spec.token, 0, &flow).map_err(broken("show the token"))?;
    hello::hear(&mut peer, &spec.token, flow.patience()).map_err(broken("hear the answer of"))?;
    peer.set_nonblocking(true).map_err(broken("make non-blocking the socket to"))?;
    let begin = Instant::now();
    let mut asker = Asker {
        spec,
        target,
        peer,
        schedule: Schedule::of(spec.flow.rate, spec.flow.arrivals, spec.flow.seed, begin),
        window: begin + flow.ramp()..begin + flow.ramp() + flow.runtime(),
        out: VecDeque::new(),
        unwritten: VecDeque::new(),
        answer: Vec::new(),
        asked: 0,
        answered: 0,
        latency: histogram(),
        lag: histogram(),
        answered_at: begin,
    };
    asker.run(stop)?;
    Ok(asker.sum_up())
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX, DIGITS).expect("valid bounds")
}

struct Asker<'a> {
    spec: &'a AskConnect,
    target: String,
    peer: TcpStream,
    schedule: Schedule,
    window: std::ops::Range<Instant>,
    // When each request that is not answered was due, in their order.
    out: VecDeque<Instant>,
    unwritten: VecDeque<u8>,
    answer: Vec<u8>,
    asked: u64,
    answered: u64,
    latency: Histogram<u64>,
    lag: Histogram<u64>,
    answered_at: Instant,
}

impl Asker<'_> {
    fn run(&mut self, stop: &AtomicBool) -> Result<(), EngineError> {
        loop {
            let now = Instant::now();
            self.ask(now)?;
            let over = self.schedule.next() >= self.window.end;
            if over && self.out.is_empty() {
                return Ok(());
            }
            if stop.load(Ordering::Relaxed) {
                return Err(EngineError::Stopped { target: self.target.clone() });
            }
            let patience = Duration::from_millis(self.spec.flow.patience_ms);
            if self.out.front().is_some_and(|due| now.saturating_duration_since((*due).max(self.answered_at)) >= patience) {
                let waited = now.duration_since(self.answered_at);
                return Err(EngineError::Stalled { target: self.target.clone(), in_flight: self.out.len(), waited });
            }
            let until = if over { socket::TURN } else { self.schedule.next().saturating_duration_since(Instant::now()).min(socket::TURN) };
            self.wait(until)?;
            self.hear()?;
        }
    }

    fn ask(&mut self, now: Instant) -> Result<(), EngineError> {
        let clear = self.unwritten.is_empty();
        while self.schedule.next() < self.window.end {
            let Some(due) = self.schedule.take(now) else { break };
            if self.out.len() >= BACKLOG_MAX {
                let why = format!("it has not answered {} requests that were due", self.out.len());
                return Err(EngineError::Peer { act: "ask", peer: self.target.clone(), why });
            }
            if clear && self.window.contains(&due) {
                self.lag.saturating_record(nanoseconds(now.duration_since(due)));
            }
            self.unwritten.extend(request(self.asked, self.spec.flow.size()));
            self.asked += 1;
            self.out.push_back(due);
        }
        while !self.unwritten.is_empty() {
            match self.peer.write(self.unwritten.as_slices().0) {
                Ok(written) => drop(self.unwritten.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(source) => return Err(EngineError::Ring { act: "ask", target: self.target.clone(), source }),
            }
        }
        Ok(())
    }

    fn wait(&mut self, time: Duration) -> Result<(), EngineError> {
        let flags = if self.unwritten.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let mut fds = [PollFd::new(&self.peer, flags)];
        let time = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
        match poll(&mut fds, Some(&time)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(EngineError::Ring { act: "wait for", target: self.target.clone(), source: error.into() }),
        }
    }

    fn hear(&mut self) -> Result<(), EngineError> {
        let mut buffer = [0; 64 << 10];
        loop {
            match self.peer.read(&mut buffer) {
                Ok(0) => {
                    let why = format!("it has closed the connection; {} requests are not answered", self.out.len());
                    return Err(EngineError::Peer { act: "ask", peer: self.target.clone(), why });
                }
                Ok(read) => self.answer.extend_from_slice(&buffer[..read]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return Ok(()),
                Err(source) => return Err(EngineError::Ring { act: "hear answers of", target: self.target.clone(), source }),
            }
            self.match_answers(Instant::now())?;
        }
    }

    fn match_answers(&mut self, now: Instant) -> Result<(), EngineError> {
        let size = self.spec.flow.size();
        let whole = self.answer.len() / size;
        for answer in self.answer.chunks_exact(size).take(whole) {
            let due = self.out.pop_front().filter(|_| answer == request(self.answered, size));
            let Some(due) = due else {
                let why = format!("answer {} is not the one to its request", self.answered);
                return Err(EngineError::Peer { act: "ask", peer: self.target.clone(), why });
            };
            self.answered += 1;
            self.answered_at = now;
            if self.window.contains(&due) {
                self.latency.saturating_record(nanoseconds(now.duration_since(due)));
            }
        }
        self.answer.drain(..whole * size);
        Ok(())
    }

    fn sum_up(&self) -> Asked {
        let quantile = |quantile: f64| self.latency.value_at_quantile(quantile);
        Asked {
            requests: self.asked,
            counted: self.latency.len(),
            latencies: self.latency.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect(),
            p50_ns: quantile(0.5),
            p90_ns: quantile(0.9),
            p99_ns: quantile(0.99),
            p99_9_ns: quantile(0.999),
            max_ns: self.latency.max(),
            lag_p99_9_ns: self.lag.value_at_quantile(0.999),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}

// Its number all over: an answer to another request is not this one.
fn request(number: u64, size: usize) -> Vec<u8> {
    number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes().into_iter().cycle().take(size).collect()
}
