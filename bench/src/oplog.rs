//! The log of single operations: what was asked of a target and when, and what it answered and when. A lane of any engine is put into a [`Logging`] one, which writes
//! both down in a file, the asking before it is asked: whoever reads the file, also one that a failed client has left, knows every write that was acknowledged, and every one
//! that may have landed.
//! [`check`] holds a target against it.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::engine::{Completion, Lane, Op, OpKind};
use crate::error::EngineError;
use crate::stamp::{self, Content};

mod check;

pub use check::{Finding, Loss, Subject, Verdict, check};

/// Bytes of a record.
const RECORD: usize = 48;
/// The part of it that its sum is of.
const SUMMED: usize = 40;
const BEGUN: u8 = 1;
const ENDED: u8 = 2;
const SEEN: u8 = 3;

/// One operation, as its log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// What it does.
    pub kind: OpKind,
    /// Byte offset on the target.
    pub offset: u64,
    /// Bytes from there.
    pub bytes: u32,
    /// Of a write, the generation of its stamps; 0 of what has none.
    pub generation: u64,
    /// Before it was asked for, nanoseconds since the log began.
    pub begun_ns: u64,
    /// What became of it.
    pub end: End,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was acknowledged.
    Done {
        /// When that was known.
        at_ns: u64,
    },
    /// It failed, or came back short.
    Failed {
        /// When that was known.
        at_ns: u64,
        /// The error as [`crate::engine::status::describe_error`] takes it; 0 of a short one.
        error: i32,
    },
    /// Nothing was heard of it any more.
    Unanswered,
}

impl Operation {
    /// Whether it writes.
    pub fn writes(&self) -> bool {
        matches!(self.kind, OpKind::Write | OpKind::WriteFua)
    }

    /// When it was acknowledged.
    pub fn done_ns(&self) -> Option<u64> {
        match self.end {
            End::Done { at_ns } => Some(at_ns),
            End::Failed { .. } | End::Unanswered => None,
        }
    }

    /// When something was heard of it.
    pub fn ended_ns(&self) -> Option<u64> {
        match self.end {
            End::Done { at_ns } | End::Failed { at_ns, .. } => Some(at_ns),
            End::Unanswered => None,
        }
    }
}

/// What a read found in one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenUnit {
    /// Byte offset of the unit.
    pub offset: u64,
    /// The generation that was whole there.
    pub generation: u64,
    /// When the read came back.
    pub at_ns: u64,
}

/// All that a log holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// Every operation, in the order in which they began.
    pub operations: Vec<Operation>,
    /// What reads found, in the order in which they came back.
    pub seen: Vec<SeenUnit>,
}

/// A log that cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It cannot be read.
    #[error("cannot read the log of operations")]
    Read(#[source] io::Error),
    /// A record other than the last is not what was written.
    #[error("record {record} of the log of operations is damaged")]
    Damaged {
        /// Its number, from 0.
        record: usize,
    },
    /// A record ends what was not begun.
    #[error("record {record} of the log of operations ends an operation of slot {slot}, which was not begun")]
    Unbegun {
        /// Its number, from 0.
        record: usize,
        /// The slot.
        slot: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    what: u8,
    kind: u8,
    error: i32,
    offset: u64,
    bytes: u32,
    slot: u32,
    generation: u64,
    at_ns: u64,
}

impl Record {
    fn put(&self, into: &mut Vec<u8>) {
        let from = into.len();
        into.extend([self.what, self.kind, 0, 0]);
        into.extend(self.error.to_le_bytes());
        into.extend(self.offset.to_le_bytes());
        into.extend(self.bytes.to_le_bytes());
        into.extend(self.slot.to_le_bytes());
        into.extend(self.generation.to_le_bytes());
        into.extend(self.at_ns.to_le_bytes());
        let sum = twox_hash::XxHash3_64::oneshot(&into[from..]);
        into.extend(sum.to_le_bytes());
    }

    /// None of what was not written as one.
    fn take(bytes: &[u8; RECORD]) -> Option<Self> {
        let (summed, sum) = bytes.split_at(SUMMED);
        if twox_hash::XxHash3_64::oneshot(summed).to_le_bytes() != sum {
            return None;
        }
        let wide = |at: usize| u64::from_le_bytes(summed[at..at + 8].try_into().expect("eight bytes"));
        let narrow = |at: usize| u32::from_le_bytes(summed[at..at + 4].try_into().expect("four bytes"));
        Some(Self {
            what: summed[0],
            kind: summed[1],
            error: narrow(4).cast_signed(),
            offset: wide(8),
            bytes: narrow(16),
            slot: narrow(20),
            generation: wide(24),
            at_ns: wide(32),
        })
    }
}

const KINDS: [OpKind; 5] = [OpKind::Read, OpKind::Write, OpKind::WriteFua, OpKind::Trim, OpKind::Flush];

fn number_of(kind: OpKind) -> u8 {
    let at = KINDS.iter().position(|other| *other == kind).expect("every kind is in it");
    u8::try_from(at).expect("five kinds")
}

impl Log {
    /// Reads a log. A torn last record is what a death leaves, and is none; anything wrong before it is damage.
    pub fn read(file: &mut File) -> Result<Self, LogError> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(LogError::Read)?;
        let (records, _torn) = bytes.as_chunks::<RECORD>();
        let mut log = Self::default();
        // By slot: the place of what is out.
        let mut out: Vec<Option<usize>> = Vec::new();
        for (number, bytes) in records.iter().enumerate() {
            let last = number + 1 == records.len();
            let Some(record) = Record::take(bytes) else {
                if last {
                    break;
                }
                return Err(LogError::Damaged { record: number });
            };
            let slot = usize::try_from(record.slot).map_err(|_| LogError::Damaged { record: number })?;
            match record.what {
                BEGUN => {
                    let kind = *KINDS.get(usize::from(record.kind)).ok_or(LogError::Damaged { record: number })?;
                    let Record { offset, bytes, generation, at_ns: begun_ns, .. } = record;
                    let begun = Operation { kind, offset, bytes, generation, begun_ns, end: End::Unanswered };
                    if slot >= out.len() {
                        out.resize(slot + 1, None);
                    }
                    // A lane that had no room is offered the same operation again.
                    let again = out[slot].is_some_and(|at| {
                        let before = &log.operations[at];
                        (before.kind, before.offset, before.bytes, before.generation) == (kind, offset, bytes, generation)
                    });
                    if !again {
                        out[slot] = Some(log.operations.len());
                        log.operations.push(begun);
                    }
                }
                ENDED => {
                    let at = out.get_mut(slot).and_then(Option::take).ok_or(LogError::Unbegun { record: number, slot: record.slot })?;
                    let operation = &mut log.operations[at];
                    let whole = record.error == 0 && record.bytes == operation.bytes;
                    let at_ns = record.at_ns;
                    operation.end = if whole { End::Done { at_ns } } else { End::Failed { at_ns, error: record.error } };
                }
                SEEN => log.seen.push(SeenUnit { offset: record.offset, generation: record.generation, at_ns: record.at_ns }),
                _ => return Err(LogError::Damaged { record: number }),
            }
        }
        Ok(log)
    }
}

/// A lane that writes down what is asked of another one.
pub struct Logging<'a> {
    lane: Box<dyn Lane + 'a>,
    file: File,
    began: Instant,
    seed: u64,
    unit: usize,
    // By slot: what is out.
    out: Vec<Option<Op>>,
    records: Vec<u8>,
}

impl<'a> Logging<'a> {
    /// Writes into an empty file what is asked of `lane`, in times since `began`. Stamps are of this seed and of units of so many bytes.
    pub fn new(lane: Box<dyn Lane + 'a>, file: File, began: Instant, seed: u64, unit: u64) -> Self {
        let slots = usize::try_from(lane.slots()).expect("slots fit");
        let unit = usize::try_from(unit).expect("a unit fits");
        Self { lane, file, began, seed, unit, out: vec![None; slots], records: Vec::new() }
    }

    fn now(&self) -> u64 {
        nanoseconds(self.began.elapsed())
    }

    /// The generation that the first unit of a buffer is stamped with; 0 where it is not.
    fn generation_in(&mut self, op: &Op) -> u64 {
        let (seed, unit) = (self.seed, self.unit);
        let bytes = usize::try_from(op.bytes).expect("a block fits");
        let first = self.lane.buffer(op.slot)[..bytes].get(..unit);
        match first.map(|first| stamp::read(first, seed, op.offset)) {
            Some(Content::Whole { offset, generation }) if offset == op.offset => generation,
            Some(_) | None => 0,
        }
    }

    fn note_seen(&mut self, op: &Op, at_ns: u64) {
        let (seed, unit) = (self.seed, self.unit);
        let bytes = usize::try_from(op.bytes).expect("a block fits");
        let step = u64::try_from(unit).expect("a unit is small");
        let mut seen = Vec::new();
        for (part, offset) in self.lane.buffer(op.slot)[..bytes].chunks_exact(unit).zip((op.offset..).step_by(unit)) {
            match stamp::read(part, seed, offset) {
                Content::Whole { offset: home, generation } if home == offset => seen.push((offset, generation)),
                Content::Whole { .. } | Content::Zeroes | Content::Torn { .. } | Content::Damaged | Content::Garbage => {}
            }
        }
        for (offset, generation) in seen {
            let bytes = u32::try_from(step).expect("a unit is small");
            Record { what: SEEN, kind: 0, error: 0, offset, bytes, slot: op.slot, generation, at_ns }.put(&mut self.records);
        }
    }

    fn write_down(&mut self) -> Result<(), EngineError> {
        if self.records.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.records);
        self.records.clear();
        written.map_err(|source| EngineError::Setup { act: "write the log of operations", target: self.lane.target().to_owned(), source })
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Lane for Logging<'_> {
    fn target(&self) -> &str {
        self.lane.target()
    }

    fn slots(&self) -> u32 {
        self.lane.slots()
    }

    fn block_size(&self) -> u32 {
        self.lane.block_size()
    }

    fn buffer(&mut self, slot: u32) -> &mut [u8] {
        self.lane.buffer(slot)
    }

    fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError> {
        let at_ns = self.now();
        for op in ops {
            let generation = if matches!(op.kind, OpKind::Write | OpKind::WriteFua) { self.generation_in(op) } else { 0 };
            let Op { slot, kind, offset, bytes } = *op;
            Record { what: BEGUN, kind: number_of(kind), error: 0, offset, bytes, slot, generation, at_ns }.put(&mut self.records);
            if let Some(place) = usize::try_from(slot).ok().and_then(|slot| self.out.get_mut(slot)) {
                *place = Some(*op);
            }
        }
        // Before they are asked for: one that nobody wrote down could land unseen.
        self.write_down()?;
        self.lane.submit(ops)
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        self.lane.commit()
    }

    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
        let before = done.len();
        self.lane.reap(patience, done)?;
        let at_ns = self.now();
        for completion in done.iter().skip(before) {
            let slot = completion.slot;
            // What was not out is the driver's to be astonished at.
            let Some(op) = usize::try_from(slot).ok().and_then(|slot| self.out.get_mut(slot)).and_then(Option::take) else { continue };
            let (error, bytes) = match completion.result {
                Ok(bytes) => (0, bytes),
                Err(error) => (error, 0),
            };
            Record { what: ENDED, kind: number_of(op.kind), error, offset: op.offset, bytes, slot, generation: 0, at_ns }.put(&mut self.records);
            if op.kind == OpKind::Read && completion.result == Ok(op.bytes) {
                self.note_seen(&op, at_ns);
            }
        }
        self.write_down()
    }
}

#[cfg(test)]
mod tests;
