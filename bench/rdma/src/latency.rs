//! Latency: one message at a time. A write is waited for in memory, a send by its completion, and the listening end answers each in kind; a read is waited
//! for alone. The connecting end's clock runs from before the request is posted until the answer is here; content is compared after it has stopped.

use std::time::Instant;

use hdrhistogram::Histogram;

use crate::bandwidth::{nanoseconds, post, thread_ns};
use crate::control::{Issued, Message, Verdict};
use crate::error::{RdmaError, Seen};
use crate::pattern::{Mismatch, remainder};
use crate::result::{Direction, Latency, RdmaResult, Window};
use crate::session::{Session, Side};
use crate::spec::Operation;
use crate::sys::completions::Completion;

/// Longest latency that is told apart from longer ones, 120 s, and the digits of all: as everywhere in assay.
const LATENCY_MAX: u64 = 120_000_000_000;
const DIGITS: u8 = 3;
/// How often, in looks, a wait listens to the other end and offers its processor.
const LOOKS: u32 = 1024;

/// Measures at one end.
pub(crate) fn measure(session: &mut Session<'_>) -> Result<RdmaResult, RdmaError> {
    session.control.enter("measuring latency");
    let mut game = Game { done: Vec::new(), verified_bytes: 0, sent: 0, acknowledged: 0, claimed: None };
    let (forth, latency) = match session.side {
        Side::Connecting => game.lead(session)?,
        Side::Listening => (game.follow(session)?, None),
    };
    session.part()?;
    Ok(RdmaResult { local: session.local.clone(), remote: session.remote.clone(), mtu: session.mtu, forth, back: None, latency })
}

struct Game {
    done: Vec<Completion>,
    verified_bytes: u64,
    sent: u64,
    acknowledged: u64,
    claimed: Option<Issued>,
}

impl Game {
    fn lead(&mut self, session: &mut Session<'_>) -> Result<(Direction, Option<Latency>), RdmaError> {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, LATENCY_MAX, DIGITS).expect("valid bounds");
        let begin = Instant::now();
        let mut from: Option<(Instant, u64)> = None;
        let mut number = 0;
        let (ended, (started, cpu)) = loop {
            let now = Instant::now();
            if from.is_none() && now >= begin + session.workload.ramp() {
                from = Some((now, thread_ns()));
            }
            if let Some(from) = from.filter(|(from, _)| now.duration_since(*from) >= session.workload.runtime()) {
                break (now, from);
            }
            let asked = Instant::now();
            self.send(session, number)?;
            self.wait_for(session, number)?;
            let answered = Instant::now();
            self.compare(session, number)?;
            self.settle(session, number)?;
            if from.is_some() {
                histogram.saturating_record(nanoseconds(answered.duration_since(asked)).max(1));
            }
            number += 1;
        };
        let messages = histogram.len();
        if messages == 0 {
            return Err(RdmaError::Nothing { measured: session.workload.runtime() });
        }
        let bytes = messages * u64::from(session.workload.message_bytes);
        let completed = Window { messages, bytes, elapsed_ns: nanoseconds(ended.duration_since(started)) };
        let cpu_ns = thread_ns().saturating_sub(cpu);
        let issued = Issued { messages: vec![number], completed, verified_bytes: self.verified_bytes, arrived: Some(completed), cpu_ns };
        session.control.say(&Message::Done(issued.clone()))?;
        let said = session.control.wait(session.stop)?;
        let Message::Verdict(verdict) = &said else { return Err(session.control.unexpected(&said)) };
        match verdict.messages.as_deref() {
            // Who answers reads sees nothing of them.
            None if session.workload.operation == Operation::Read => {}
            Some([seen]) if *seen == number => {}
            seen => return Err(RdmaError::Lost { pair: 0, claimed: number, seen: seen.and_then(|seen| seen.first().copied()).unwrap_or(0) }),
        }
        Ok((direction(&issued, verdict), Latency::of(&histogram)))
    }

    fn follow(&mut self, session: &mut Session<'_>) -> Result<Direction, RdmaError> {
        let mut number = 0;
        if session.workload.operation != Operation::Read {
            while self.wait_or_end(session, number)? {
                self.compare(session, number)?;
                self.send(session, number)?;
                self.settle(session, number)?;
                number += 1;
            }
        }
        let issued = match self.claimed.take() {
            Some(issued) => issued,
            None => {
                let said = session.control.wait(session.stop)?;
                let Message::Done(issued) = &said else { return Err(session.control.unexpected(&said)) };
                issued.clone()
            }
        };
        let is_read = session.workload.operation == Operation::Read;
        if !is_read && issued.messages != [number] {
            return Err(RdmaError::Lost { pair: 0, claimed: issued.messages.first().copied().unwrap_or(0), seen: number });
        }
        let messages = (!is_read).then(|| vec![number]);
        let verdict = Verdict { messages, verified_bytes: self.verified_bytes, arrived: None, mismatch: None };
        session.control.say(&Message::Verdict(verdict.clone()))?;
        Ok(direction(&issued, &verdict))
    }

    fn send(&mut self, session: &mut Session<'_>, number: u64) -> Result<(), RdmaError> {
        post(session, 0, number, true)?;
        self.sent = number + 1;
        Ok(())
    }

    // The other end's message of this number, or a read's own completion.
    fn wait_for(&mut self, session: &mut Session<'_>, number: u64) -> Result<(), RdmaError> {
        if self.wait_or_end(session, number)? { Ok(()) } else { Err(RdmaError::Lost { pair: 0, claimed: number + 1, seen: number }) }
    }

    // False when the other end says that there is none.
    fn wait_or_end(&mut self, session: &mut Session<'_>, number: u64) -> Result<bool, RdmaError> {
        let begun = Instant::now();
        let mut looks: u32 = 0;
        while !self.is_here(session, number)? {
            looks = looks.wrapping_add(1);
            if !looks.is_multiple_of(LOOKS) {
                std::hint::spin_loop();
                continue;
            }
            if session.stop.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(RdmaError::Stopped { phase: "measuring latency" });
            }
            self.reap(session)?;
            match session.control.listen()? {
                Some(Message::Done(issued)) if session.side == Side::Listening => {
                    self.claimed = Some(issued);
                    return Ok(false);
                }
                Some(other) => return Err(session.control.unexpected(&other)),
                None => {}
            }
            if begun.elapsed() > session.patience {
                return Err(self.lost(session, number));
            }
            std::thread::yield_now();
        }
        Ok(true)
    }

    fn is_here(&mut self, session: &mut Session<'_>, number: u64) -> Result<bool, RdmaError> {
        match session.workload.operation {
            Operation::Write => Ok(session.pattern.has_arrived(session.open(0, 0), session.place(session.side.other(), 0, 0), number)),
            Operation::Read => {
                self.reap(session)?;
                Ok(self.acknowledged > number)
            }
            Operation::Send => {
                session.receives.poll(&mut self.done)?;
                let Some(completion) = self.done.first().copied() else { return Ok(false) };
                let (pair, message) = session.succeeded(&completion)?;
                if (pair, message, self.done.len()) != (0, number, 1) {
                    return Err(RdmaError::Completion { pair, message });
                }
                if completion.bytes != session.workload.message_bytes {
                    let status = format!("{} bytes have arrived instead of {}", completion.bytes, session.workload.message_bytes);
                    return Err(RdmaError::Failed { pair, message, status });
                }
                Ok(true)
            }
        }
    }

    // What became of requests; those that have failed end it.
    fn reap(&mut self, session: &mut Session<'_>) -> Result<(), RdmaError> {
        session.sends.poll(&mut self.done)?;
        for completion in &self.done {
            let (pair, message) = session.succeeded(completion)?;
            if (pair, message) != (0, self.acknowledged) || message >= self.sent {
                return Err(RdmaError::Completion { pair, message });
            }
            self.acknowledged += 1;
        }
        Ok(())
    }

    // A message may be changed once it is acknowledged: until then the card may have to send it again.
    fn settle(&mut self, session: &mut Session<'_>, number: u64) -> Result<(), RdmaError> {
        let begun = Instant::now();
        let mut looks: u32 = 0;
        while self.acknowledged <= number {
            self.reap(session)?;
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(LOOKS) {
                session.control.beat()?;
                if begun.elapsed() > session.patience {
                    return Err(RdmaError::Stalled { what: format!("message {number} is not acknowledged"), waited: session.patience });
                }
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    fn compare(&mut self, session: &mut Session<'_>, number: u64) -> Result<(), RdmaError> {
        let from = session.side.other();
        let (words, expected, slot) = match session.workload.operation {
            Operation::Write => (session.open(0, 0), number, 0),
            Operation::Read => (session.own(0, 0), 0, 0),
            Operation::Send => {
                (session.open(0, remainder(number, session.workload.receives())), number, remainder(number, session.workload.receives()))
            }
        };
        if let Some(plant) = session.plant.filter(|_| number == 0 && session.side == Side::Listening) {
            session.flip(plant, slot);
        }
        let wrong = |what: Mismatch| RdmaError::Corrupt { by: Seen::Here, what: Mismatch { message: number, ..what } };
        self.verified_bytes += session.pattern.check(words, session.place(from, 0, 0), expected).map_err(wrong)?;
        if session.workload.operation == Operation::Send {
            session.receive(0, number + u64::from(session.workload.receives()))?;
        }
        Ok(())
    }

    // The wait was long enough. Where something else lies in memory than what was there before, that is the reason.
    fn lost(&self, session: &Session<'_>, number: u64) -> RdmaError {
        let stalled = RdmaError::Stalled { what: format!("message {number} of the other end has not arrived"), waited: session.patience };
        if session.workload.operation != Operation::Write {
            return stalled;
        }
        match session.pattern.check(session.open(0, 0), session.place(session.side.other(), 0, 0), number) {
            Err(what) if !what.untouched && what.holds != number.checked_sub(1) => RdmaError::Corrupt { by: Seen::Here, what },
            Ok(_) | Err(_) => stalled,
        }
    }
}

fn direction(issued: &Issued, verdict: &Verdict) -> Direction {
    Direction {
        completed: issued.completed,
        arrived: issued.arrived,
        messages: issued.messages.iter().sum(),
        verified_bytes: issued.verified_bytes + verdict.verified_bytes,
        cpu_ns: issued.cpu_ns,
    }
}
