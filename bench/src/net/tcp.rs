//! TCP between two nodes: streams over pinned threads, each with an io_uring of its own. Both halves are plain functions with specs and results that travel;
//! [`TcpRun::of`] makes one result of both halves. Bytes count where and when they are received. `latency.rs` asks and answers at a fixed rate.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, OnceLock};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::error::EngineError;
use crate::net::token::Token;

mod hello;
mod lane;
pub mod latency;
mod pattern;
mod result;
mod sample;
mod socket;
mod spec;
mod worker;

#[cfg(test)]
mod tests;

pub use pattern::{FaultKind, StreamFault, Verified};
pub use result::{Disagreement, TcpDirection, TcpHalf, TcpReceived, TcpRun, TcpSent, TcpStreamEnd};
pub use sample::{Extent, TcpSample, TcpSampled};
pub use spec::{Receiving, Sending, TcpConnect, TcpFlow, TcpHow, TcpListen, Way};

use lane::{Lane, Receiver, Sender};
use pattern::Pattern;
use worker::{Seen, Worker};

/// The half that listens: `ready` is told where; it returns when every stream is over, or the run is broken. Its sockets are closed then.
pub fn serve(spec: &TcpListen, stop: &AtomicBool, ready: &mut dyn FnMut(SocketAddr)) -> Result<TcpHalf, EngineError> {
    let address = SocketAddr::new(spec.address, spec.port).to_string();
    refuse(&spec.flow, &spec.how, &address)?;
    let listener = socket::listener(spec)?;
    let bound = listener.local_addr().map_err(|source| EngineError::Setup { act: "ask for the address of a socket", target: address, source })?;
    ready(bound);
    let (sockets, strangers) = hello::accept(&listener, &spec.token, &spec.flow, stop)?;
    drop(listener);
    let half = Half { flow: &spec.flow, how: &spec.how, token: &spec.token, listens: true };
    half.run(sockets, strangers, stop)
}

/// The half that connects; it returns when every stream is over, or the run is broken. Its sockets are closed then.
pub fn connect(spec: &TcpConnect, stop: &AtomicBool) -> Result<TcpHalf, EngineError> {
    let peer = spec.peer.to_string();
    refuse(&spec.flow, &spec.how, &peer)?;
    let streams = usize::try_from(spec.flow.streams).expect("32 bits");
    if !spec.source_ports.is_empty() && spec.source_ports.len() != streams {
        let why = format!("{} source ports for {streams} streams", spec.source_ports.len());
        return Err(EngineError::Job { rw: "TCP", target: peer, why });
    }
    let mut sockets = Vec::new();
    for stream in 0..streams {
        let mut socket = socket::connected(spec, stream, stop)?;
        hello::say(&mut socket, &spec.token, stream, &spec.flow).map_err(|source| EngineError::Ring {
            act: "show the token",
            target: peer.clone(),
            source,
        })?;
        sockets.push(socket);
    }
    let half = Half { flow: &spec.flow, how: &spec.how, token: &spec.token, listens: false };
    half.run(sockets, 0, stop)
}

fn refuse(flow: &TcpFlow, how: &TcpHow, target: &str) -> Result<(), EngineError> {
    let pages = how.sending == Sending::FilePages;
    let why = flow.complaint().or_else(|| how.complaint()).or_else(|| match (pages, flow.verify, flow.way) {
        (true, Some(_), _) => Some("the pages of a file cannot carry a pattern to verify".to_owned()),
        (true, None, Way::Both) => Some("the pages of a file are sent one way only".to_owned()),
        (true, None, Way::Forward | Way::Reverse) | (false, _, _) => None,
    });
    why.map_or(Ok(()), |why| Err(EngineError::Job { rw: "TCP", target: target.to_owned(), why }))
}

struct Half<'a> {
    flow: &'a TcpFlow,
    how: &'a TcpHow,
    token: &'a Token,
    listens: bool,
}

type Done = Result<(Vec<Lane>, Seen), EngineError>;

impl Half<'_> {
    fn run(&self, sockets: Vec<TcpStream>, strangers: u64, stop: &AtomicBool) -> Result<TcpHalf, EngineError> {
        let streams = sockets.len();
        let threads = usize::try_from(self.how.threads).expect("32 bits").min(streams);
        let mut shares: Vec<Vec<Lane>> = (0..threads).map(|_| Vec::new()).collect();
        for (stream, socket) in sockets.into_iter().enumerate() {
            shares[stream % threads].push(self.lane(stream, socket)?);
        }
        let (halt, barrier, start) = (AtomicBool::new(false), Barrier::new(threads), OnceLock::new());
        let results: Vec<Done> = std::thread::scope(|scope| {
            let spawn = |(thread, lanes): (usize, Vec<Lane>)| {
                let (halt, barrier, start) = (&halt, &barrier, &start);
                scope.spawn(move || {
                    let done = self.work(thread, lanes, barrier, start, halt);
                    if done.is_err() {
                        halt.store(true, Ordering::Relaxed);
                    }
                    done
                })
            };
            let handles: Vec<_> = shares.into_iter().enumerate().map(spawn).collect();
            while !handles.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                if stop.load(Ordering::Relaxed) {
                    halt.store(true, Ordering::Relaxed);
                }
                #[allow(clippy::disallowed_methods, reason = "the threads keep their own time; this one only hands on a stop")]
                std::thread::sleep(Duration::from_millis(5));
            }
            let died = |_| Err(EngineError::Stopped { target: "a measuring thread that died".to_owned() });
            handles.into_iter().map(|handle| handle.join().unwrap_or_else(died)).collect()
        });
        self.merge(results, streams, strangers)
    }

    fn lane(&self, stream: usize, socket: TcpStream) -> Result<Lane, EngineError> {
        let sends = match self.flow.way {
            Way::Both => true,
            Way::Forward => !self.listens,
            Way::Reverse => self.listens,
        };
        let receives = self.flow.way == Way::Both || !sends;
        let pattern = |stream: usize, reverse: bool| {
            let number = u32::try_from(stream).expect("streams are counted in 32 bits");
            self.flow.verify.map(|seed| Pattern::new(seed, number, reverse))
        };
        // What we send goes forward unless we listen.
        let send = sends.then(|| Sender::new(pattern(stream, self.listens)));
        let receive = receives.then(|| {
            let all = (0..usize::try_from(self.flow.streams).expect("32 bits")).filter(|other| *other != stream);
            let others = all.filter_map(|other| pattern(other, !self.listens)).chain(pattern(stream, self.listens));
            Receiver::new(pattern(stream, !self.listens), others.collect())
        });
        Lane::new(stream, socket, send, receive)
    }

    // One thread: everyone waits at the barrier, also who has failed, so that nobody starts alone and nobody waits for ever.
    fn work(&self, thread: usize, lanes: Vec<Lane>, barrier: &Barrier, start: &OnceLock<Instant>, halt: &AtomicBool) -> Done {
        let prepared = self.seat(thread).and_then(|()| self.prepare(lanes));
        if prepared.is_err() {
            halt.store(true, Ordering::Relaxed);
        }
        barrier.wait();
        let mut worker = prepared?;
        let start = *start.get_or_init(Instant::now);
        if self.listens {
            for socket in worker.sockets() {
                let target = socket.peer_addr().map_or_else(|_| "a peer".to_owned(), |address| address.to_string());
                hello::welcome(socket, self.token).map_err(|source| EngineError::Ring { act: "answer", target, source })?;
            }
        }
        worker.run(start, halt)
    }

    fn prepare(&self, mut lanes: Vec<Lane>) -> Result<Worker<'_>, EngineError> {
        if !self.listens {
            for lane in &mut lanes {
                let target = lane.name();
                let heard = hello::hear(&mut lane.socket, self.token, self.flow.patience());
                heard.map_err(|source| EngineError::Ring { act: "hear the answer of the peer", target, source })?;
            }
        }
        Worker::new(self.flow, self.how, lanes)
    }

    fn seat(&self, thread: usize) -> Result<(), EngineError> {
        let Some(cpu) = self.how.cpus.get(thread % self.how.cpus.len().max(1)) else { return Ok(()) };
        let refused = |source| EngineError::Thread { act: "pin a thread of TCP streams", cpus: cpu.to_string(), source };
        let number = usize::try_from(*cpu).ok().filter(|cpu| *cpu < CpuSet::MAX_CPU);
        let number = number.ok_or_else(|| refused(std::io::Error::from_raw_os_error(libc::EINVAL)))?;
        let mut set = CpuSet::new();
        set.set(number);
        sched_setaffinity(None, &set).map_err(|error| refused(error.into()))
    }

    fn merge(&self, results: Vec<Done>, streams: usize, strangers: u64) -> Result<TcpHalf, EngineError> {
        // A thread that was only stopped because another failed is not what is wrong.
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(one) => done.push(one),
                Err(error) => failed.push(error),
            }
        }
        failed.sort_by_key(|error| matches!(error, EngineError::Stopped { .. }));
        if let Some(error) = failed.into_iter().next() {
            return Err(error);
        }
        let mut ends: Vec<Option<TcpStreamEnd>> = (0..streams).map(|_| None).collect();
        let (mut user_ns, mut system_ns, mut elapsed, mut notes) = (0, 0, Duration::MAX, Vec::new());
        for (lanes, seen) in done {
            (user_ns, system_ns) = (user_ns + seen.cpu.user_ns, system_ns + seen.cpu.system_ns);
            elapsed = elapsed.min(seen.elapsed);
            if !notes.contains(&seen.engine) {
                notes.push(seen.engine);
            }
            for lane in lanes {
                let stream = lane.stream;
                ends[stream] = Some(lane.finish());
            }
        }
        let streams: Vec<TcpStreamEnd> = ends.into_iter().flatten().collect();
        let sent = |wanted: fn(&TcpSent) -> bool| streams.iter().filter_map(|end| end.sent.as_ref()).any(wanted);
        if self.how.sending == Sending::ZeroCopy && sent(|sent| sent.sending == Sending::Plain) {
            notes.push("SEND_ZC is not known to this kernel: data was copied (plain send)".to_owned());
        }
        if sent(|sent| sent.copied > 0) {
            notes.push(
                "the kernel copied what SEND_ZC should have sent without: packets that stay on this host are copied when they are received"
                    .to_owned(),
            );
        }
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        Ok(TcpHalf { streams, strangers, elapsed_ns, user_ns, system_ns, notes })
    }
}
