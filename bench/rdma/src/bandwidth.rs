//! Bandwidth: as many messages as go on all queue pairs, in one thread that issues, answers and listens to the other end. What counts is what has completed
//! successfully here, and what the other end has seen arrive.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::control::{Issued, Memory, Message, Verdict};
use crate::error::{RdmaError, Seen};
use crate::pattern::{Mismatch, remainder, source};
use crate::result::{Direction, RdmaResult, Window};
use crate::session::{Session, Side, name};
use crate::spec::{Operation, Verify};
use crate::sys::completions::Completion;
use crate::sys::pair::{Deed, Request};

/// How often the other end is listened to.
const GLANCE: Duration = Duration::from_millis(1);
/// After so many turns in which nothing came back the processor is offered to others: a soft RDMA device may need it.
const EMPTY_TURNS: u32 = 2048;

/// Measures at one end, until both are done.
pub(crate) fn measure(session: &mut Session<'_>) -> Result<RdmaResult, RdmaError> {
    session.control.enter("measuring bandwidth");
    let issuing = session.side.issues(&session.workload).then(|| Issuing::new(session));
    let answering = session.side.other().issues(&session.workload).then(|| Answering::new(session));
    let mut ends = Ends { issuing, answering, done: Vec::new() };
    ends.run(session)?;
    session.part()?;

    let mut own = ends.issuing.map(Issuing::direction);
    let mut theirs = ends.answering.map(Answering::direction);
    if session.side == Side::Listening {
        std::mem::swap(&mut own, &mut theirs);
    }
    let forth = own.expect("the connecting end always issues");
    Ok(RdmaResult { local: session.local.clone(), remote: session.remote.clone(), mtu: session.mtu, forth, back: theirs, latency: None })
}

struct Ends {
    issuing: Option<Issuing>,
    answering: Option<Answering>,
    done: Vec<Completion>,
}

impl Ends {
    fn run(&mut self, session: &mut Session<'_>) -> Result<(), RdmaError> {
        let begin = Instant::now();
        let mut glanced = begin;
        let mut empty: u32 = 0;
        loop {
            let now = Instant::now();
            let mut moved = false;
            if let Some(issuing) = &mut self.issuing {
                moved |= issuing.turn(session, now, begin, &mut self.done)?;
            }
            if let Some(answering) = &mut self.answering {
                moved |= answering.turn(session, &mut self.done)?;
            }
            empty = if moved { 0 } else { empty.saturating_add(1) };
            if empty > EMPTY_TURNS {
                std::thread::yield_now();
            }
            // What is written here, or read from here, needs no processor of this end's.
            if self.issuing.is_none() && session.workload.operation != Operation::Send {
                session.control.rest();
            }
            if now.duration_since(glanced) < GLANCE {
                continue;
            }
            glanced = now;
            if session.stop.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(RdmaError::Stopped { phase: "measuring bandwidth" });
            }
            // What is said after the last verdict is for the parting.
            while !self.is_over() {
                let Some(message) = session.control.listen()? else { break };
                self.told(session, message, Instant::now())?;
            }
            // Who compares issues nothing meanwhile: first what this end issues is done.
            let has_issued = self.issuing.as_ref().is_none_or(|issuing| issuing.said.is_some());
            if let (true, Some(answering)) = (has_issued, &mut self.answering) {
                answering.judge_when_due(session, now)?;
            }
            if self.is_over() {
                return Ok(());
            }
        }
    }

    fn is_over(&self) -> bool {
        let issued = self.issuing.as_ref().is_none_or(|issuing| issuing.verdict.is_some());
        issued && self.answering.as_ref().is_none_or(|answering| answering.said.is_some())
    }

    fn told(&mut self, session: &mut Session<'_>, message: Message, now: Instant) -> Result<(), RdmaError> {
        match (message, &mut self.issuing, &mut self.answering) {
            (Message::Measure, _, Some(answering)) if answering.from.is_none() => answering.from = Some((now, answering.arrived(session))),
            (Message::Stop, _, Some(answering)) if answering.to.is_none() => answering.to = Some((now, answering.arrived(session))),
            (Message::Done(issued), _, Some(answering)) if answering.issued.is_none() && issued.messages.len() == answering.seen.len() => {
                answering.issued = Some((issued, now));
            }
            (Message::Verdict(verdict), Some(issuing), _) if issuing.said.is_some() && issuing.verdict.is_none() => issuing.judged(verdict)?,
            (other, _, _) => return Err(session.control.unexpected(&other)),
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Default)]
struct Lane {
    posted: u64,
    completed: u64,
    // Whether the last message that was posted asks for a completion.
    is_signalled: bool,
}

// What this end issues.
struct Issuing {
    lanes: Vec<Lane>,
    // Completed and compared, over all queue pairs.
    completed: u64,
    verified_bytes: u64,
    moved_at: Instant,
    from: Option<(Instant, u64, u64)>,
    window: Option<(Window, u64)>,
    said: Option<Issued>,
    verdict: Option<Verdict>,
}

impl Issuing {
    fn new(session: &Session<'_>) -> Self {
        let lanes = vec![Lane::default(); session.pairs.len()];
        Self { lanes, completed: 0, verified_bytes: 0, moved_at: Instant::now(), from: None, window: None, said: None, verdict: None }
    }

    // Whether anything has come back.
    fn turn(&mut self, session: &mut Session<'_>, now: Instant, begin: Instant, done: &mut Vec<Completion>) -> Result<bool, RdmaError> {
        if self.said.is_some() {
            return Ok(false);
        }
        let bytes = u64::from(session.workload.message_bytes);
        if self.from.is_none() && now >= begin + session.workload.ramp() {
            self.from = Some((now, self.completed, thread_ns()));
            session.control.say(&Message::Measure)?;
        }
        let is_over = match (self.from, self.window) {
            (_, Some(_)) => true,
            (Some((from, before, cpu)), None) if now.duration_since(from) >= session.workload.runtime() => {
                let messages = self.completed - before;
                let window = Window { messages, bytes: messages * bytes, elapsed_ns: nanoseconds(now.duration_since(from)) };
                self.window = Some((window, thread_ns().saturating_sub(cpu)));
                session.control.say(&Message::Stop)?;
                true
            }
            (Some(_) | None, None) => false,
        };
        for pair in 0..session.workload.pairs {
            self.feed(session, pair, is_over)?;
        }
        session.sends.poll(done)?;
        for completion in done.iter() {
            self.complete(session, completion)?;
            self.moved_at = now;
        }
        let out = self.lanes.iter().position(|lane| lane.posted > lane.completed);
        match out {
            Some(pair) if now.duration_since(self.moved_at) > session.patience => {
                let lane = self.lanes[pair];
                let what = format!("queue pair {pair} has {} messages out, the first of them {}", lane.posted - lane.completed, lane.completed);
                Err(RdmaError::Stalled { what, waited: session.patience })
            }
            None if is_over => {
                self.finish(session)?;
                Ok(true)
            }
            Some(_) | None => Ok(!done.is_empty()),
        }
    }

    // Posts what there is room for; at the end only what says that the messages before it are done.
    fn feed(&mut self, session: &mut Session<'_>, pair: u16, is_over: bool) -> Result<(), RdmaError> {
        let depth = u64::from(session.workload.depth);
        loop {
            let lane = self.lanes[usize::from(pair)];
            let has_room = lane.posted - lane.completed < depth;
            let is_wanted = if is_over { lane.posted > lane.completed && !lane.is_signalled } else { true };
            if !has_room || !is_wanted {
                return Ok(());
            }
            let signalled = is_over || (lane.posted + 1).is_multiple_of(u64::from(session.workload.signal_every));
            post(session, pair, lane.posted, signalled)?;
            let lane = &mut self.lanes[usize::from(pair)];
            lane.posted += 1;
            lane.is_signalled = signalled;
        }
    }

    fn complete(&mut self, session: &Session<'_>, completion: &Completion) -> Result<(), RdmaError> {
        let (pair, message) = session.succeeded(completion)?;
        let lane = self.lanes.get_mut(usize::from(pair)).filter(|lane| (lane.completed..lane.posted).contains(&message));
        let lane = lane.ok_or(RdmaError::Completion { pair, message })?;
        if session.workload.operation == Operation::Read {
            for number in lane.completed..=message {
                let place = session.place(session.side.other(), pair, source(number, session.workload.depth));
                let words = session.own(pair, remainder(number, session.workload.depth));
                let wrong = |what| RdmaError::Corrupt { by: Seen::Here, what: Mismatch { message: number, ..what } };
                self.verified_bytes += session.pattern.check_lightly(words, place, 0).map_err(wrong)?;
            }
        }
        self.completed += message + 1 - lane.completed;
        lane.completed = message + 1;
        Ok(())
    }

    fn finish(&mut self, session: &mut Session<'_>) -> Result<(), RdmaError> {
        let (completed, cpu_ns) = self.window.expect("it is over");
        if completed.messages == 0 {
            return Err(RdmaError::Nothing { measured: session.workload.runtime() });
        }
        // With stamps alone verified on the way, what lies here is looked at whole.
        if session.workload.operation == Operation::Read && session.workload.verify == Verify::Stamps {
            self.compare(session)?;
        }
        let issued = Issued {
            messages: self.lanes.iter().map(|lane| lane.completed).collect(),
            completed,
            verified_bytes: self.verified_bytes,
            // Who reads sees itself what arrives.
            arrived: (session.workload.operation == Operation::Read).then_some(completed),
            cpu_ns,
        };
        session.control.say(&Message::Done(issued.clone()))?;
        self.said = Some(issued);
        Ok(())
    }

    // The last message of each slot, every byte.
    fn compare(&mut self, session: &mut Session<'_>) -> Result<(), RdmaError> {
        for (pair, lane) in (0..session.workload.pairs).zip(&self.lanes) {
            let from = session.place(session.side.other(), pair, 0);
            let right = session.pattern.check_reads(from, lane.completed, session.workload.depth, |slot| session.own(pair, slot));
            self.verified_bytes += right.map_err(|what| RdmaError::Corrupt { by: Seen::Here, what })?;
            session.control.beat()?;
        }
        Ok(())
    }

    // What the other end says that it has seen.
    fn judged(&mut self, verdict: Verdict) -> Result<(), RdmaError> {
        let own: Vec<u64> = self.lanes.iter().map(|lane| lane.completed).collect();
        if let Some(theirs) = &verdict.messages {
            agree(&own, theirs)?;
        }
        self.verdict = Some(verdict);
        Ok(())
    }

    fn direction(self) -> Direction {
        let issued = self.said.expect("it has said what it did");
        let verdict = self.verdict.expect("the other end has said what it saw");
        direction(&issued, &verdict)
    }
}

fn direction(issued: &Issued, verdict: &Verdict) -> Direction {
    Direction {
        completed: issued.completed,
        arrived: issued.arrived.or(verdict.arrived),
        messages: issued.messages.iter().sum(),
        verified_bytes: issued.verified_bytes + verdict.verified_bytes,
        cpu_ns: issued.cpu_ns,
    }
}

// What one end has sent, the other must have seen, on every queue pair.
fn agree(claimed: &[u64], seen: &[u64]) -> Result<(), RdmaError> {
    for pair in 0..claimed.len().max(seen.len()) {
        let (claimed, seen) = (claimed.get(pair).copied().unwrap_or(0), seen.get(pair).copied().unwrap_or(0));
        if claimed != seen {
            return Err(RdmaError::Lost { pair: u16::try_from(pair).unwrap_or(u16::MAX), claimed, seen });
        }
    }
    Ok(())
}

/// Makes a message and hands it to the card.
pub(crate) fn post(session: &mut Session<'_>, pair: u16, number: u64, signalled: bool) -> Result<(), RdmaError> {
    let depth = session.workload.depth;
    let slot = remainder(number, depth);
    let deed = match session.workload.operation {
        Operation::Send => Deed::Send,
        Operation::Write => {
            let Memory { address, rkey, .. } = reach(session)?;
            Deed::Write { address: address + session.offset(pair, slot, depth), rkey }
        }
        Operation::Read => {
            let from = source(number, depth);
            let Memory { address, rkey, .. } = reach(session)?;
            session.pattern.spoil(session.own(pair, slot), session.place(session.side.other(), pair, from), 0);
            Deed::Read { address: address + session.offset(pair, from, depth), rkey }
        }
    };
    if session.workload.operation != Operation::Read {
        session.pattern.renew(session.own(pair, slot), session.place(session.side, pair, slot), number);
    }
    let bytes = session.workload.message_bytes;
    let inline = bytes <= u32::from(session.workload.inline_bytes);
    let request = Request { id: name(pair, number), deed, offset: session.offset(pair, slot, depth), bytes, signalled, inline };
    session.pairs[usize::from(pair)].post(&request)
}

// The other end's memory, all of it.
fn reach(session: &Session<'_>) -> Result<Memory, RdmaError> {
    let needed = session.offset(session.workload.pairs, 0, session.workload.depth);
    let enough = session.theirs.filter(|memory| memory.bytes >= needed);
    enough.ok_or_else(|| RdmaError::Protocol {
        peer: session.control.peer(),
        why: format!("it offers less memory than the {needed} bytes that are needed"),
    })
}

// What this end sees of what the other one issues.
struct Answering {
    // Sends received and writes seen, by queue pair.
    seen: Vec<u64>,
    verified_bytes: u64,
    // Whether it can be told how many there are while they come.
    can_count: bool,
    from: Option<(Instant, u64)>,
    to: Option<(Instant, u64)>,
    issued: Option<(Issued, Instant)>,
    said: Option<Verdict>,
}

impl Answering {
    fn new(session: &Session<'_>) -> Self {
        let can_count = match session.workload.operation {
            Operation::Send => true,
            Operation::Write => session.workload.message_bytes >= 8,
            Operation::Read => false,
        };
        Self { seen: vec![0; session.pairs.len()], verified_bytes: 0, can_count, from: None, to: None, issued: None, said: None }
    }

    fn arrived(&mut self, session: &Session<'_>) -> u64 {
        self.count(session);
        self.seen.iter().sum()
    }

    fn turn(&mut self, session: &mut Session<'_>, done: &mut Vec<Completion>) -> Result<bool, RdmaError> {
        if session.workload.operation != Operation::Send || self.said.is_some() {
            return Ok(false);
        }
        session.receives.poll(done)?;
        for completion in done.iter() {
            let (pair, message) = session.succeeded(completion)?;
            let seen = self.seen.get_mut(usize::from(pair)).filter(|seen| **seen == message).ok_or(RdmaError::Completion { pair, message })?;
            if let Some(plant) = session.plant.filter(|plant| plant.pair == pair && message == 0) {
                session.flip(plant, 0);
            }
            if completion.bytes != session.workload.message_bytes {
                let status = format!("{} bytes have arrived instead of {}", completion.bytes, session.workload.message_bytes);
                return Err(RdmaError::Failed { pair, message, status });
            }
            *seen += 1;
            let place = session.place(session.side.other(), pair, remainder(message, session.workload.depth));
            let words = session.open(pair, remainder(message, session.workload.receives()));
            let right = session.pattern.check_lightly(words, place, message);
            self.verified_bytes += right.map_err(|what| RdmaError::Corrupt { by: Seen::Here, what })?;
            session.receive(pair, message + u64::from(session.workload.receives()))?;
        }
        Ok(!done.is_empty())
    }

    // Writes say nothing when they arrive: how many there are is read from memory. Sends were counted one by one.
    fn count(&mut self, session: &Session<'_>) {
        if !self.can_count || session.workload.operation != Operation::Write {
            return;
        }
        let depth = session.workload.depth;
        for pair in 0..session.workload.pairs {
            let highest = (0..depth).filter_map(|slot| {
                let number = session.pattern.number_at(session.open(pair, slot), session.place(session.side.other(), pair, slot))?;
                (remainder(number, depth) == slot).then_some(number + 1)
            });
            self.seen[usize::from(pair)] = highest.max().unwrap_or(0);
        }
    }

    // When the other end is done and says how much it was.
    fn judge_when_due(&mut self, session: &mut Session<'_>, now: Instant) -> Result<(), RdmaError> {
        let Some((issued, since)) = self.issued.as_ref().filter(|_| self.said.is_none()) else { return Ok(()) };
        // An acknowledged send has arrived: its completion is here or will be at once.
        let is_here = session.workload.operation != Operation::Send || issued.messages == self.seen;
        if is_here || now.duration_since(*since) > session.patience { self.judge(session) } else { Ok(()) }
    }

    // Compares everything that lies here with what must.
    fn judge(&mut self, session: &mut Session<'_>) -> Result<(), RdmaError> {
        let (issued, _) = self.issued.clone().expect("the other end is done");
        let messages = match session.workload.operation {
            Operation::Read => None,
            Operation::Send => {
                agree(&issued.messages, &self.seen)?;
                // With stamps alone verified on the way, what lies here is looked at whole.
                self.compare(session, &issued.messages, session.workload.receives())?;
                Some(self.seen.clone())
            }
            Operation::Write => {
                if let Some(plant) = session.plant {
                    let last = issued.messages.get(usize::from(plant.pair)).and_then(|count| count.checked_sub(1));
                    session.flip(plant, remainder(last.unwrap_or(0), session.workload.depth));
                }
                self.compare(session, &issued.messages, session.workload.depth)?;
                if self.can_count {
                    self.count(session);
                    agree(&issued.messages, &self.seen)?;
                }
                Some(issued.messages.clone())
            }
        };
        let bytes = u64::from(session.workload.message_bytes);
        let arrived = match (self.from, self.to) {
            (Some((from, before)), Some((to, after))) if self.can_count => {
                let messages = after - before;
                Some(Window { messages, bytes: messages * bytes, elapsed_ns: nanoseconds(to.duration_since(from)) })
            }
            (Some(_) | None, Some(_) | None) => None,
        };
        let verdict = Verdict { messages, verified_bytes: self.verified_bytes, arrived, mismatch: None };
        session.control.say(&Message::Verdict(verdict.clone()))?;
        self.said = Some(verdict);
        Ok(())
    }

    // The last message of each slot, every byte.
    fn compare(&mut self, session: &mut Session<'_>, counts: &[u64], slots: u16) -> Result<(), RdmaError> {
        let is_compared = session.workload.operation == Operation::Send && session.workload.verify == Verify::Full;
        for (pair, count) in (0..session.workload.pairs).zip(counts) {
            for slot in 0..slots {
                // The last message below `count` that belongs to this slot.
                let Some(last) = count.checked_sub(1) else { continue };
                let behind = u64::from(remainder(last + u64::from(slots) - u64::from(slot), slots));
                let Some(number) = last.checked_sub(behind) else { continue };
                let place = session.place(session.side.other(), pair, remainder(number, session.workload.depth));
                let right = session.pattern.check(session.open(pair, slot), place, number);
                let bytes = right.map_err(|what| RdmaError::Corrupt { by: Seen::Here, what })?;
                if !is_compared {
                    self.verified_bytes += bytes;
                }
            }
            session.control.beat()?;
        }
        Ok(())
    }

    fn direction(self) -> Direction {
        let (issued, _) = self.issued.expect("the other end has said what it did");
        direction(&issued, &self.said.expect("it has said what it saw"))
    }
}

/// Processor time of this thread, ns.
pub(crate) fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// A duration in ns.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
