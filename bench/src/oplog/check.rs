//! Holds a target against the log of operations: whether every acknowledged write is there, and what became of those that are not. A block belongs to one operation at a
//! time, so that its writes have an order; what is found there is therefore the last acknowledged one, or one that was asked for after it and not acknowledged, or a fault.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;

use crate::job::Span;
use crate::stamp::{self, Content};

use super::{Log, Operation};

/// Findings that are described, of each check.
const NAMED: usize = 32;
/// What is read at once.
const CHUNK: u64 = 4 << 20;

/// How acknowledged content is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// The last acknowledged write is not there and was never seen there: what was before it is, or nothing.
    Lost,
    /// The block went back in time: it holds what several acknowledged writes replaced, or what it was seen to have left behind.
    Stale,
    /// A write of which nothing was acknowledged came over a later one that was.
    Reordered,
    /// A write is at its own place and at this one.
    Duplicated,
    /// A write is at this place and not at its own.
    Misdirected,
    /// One part of a write is there, and another is not.
    Torn,
    /// The stamp is right, the rest is not.
    Damaged,
    /// Nothing of ours.
    Garbage,
    /// Content of this place that no operation wrote.
    Unexpected,
}

impl Loss {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Lost => "lost",
            Loss::Stale => "stale",
            Loss::Reordered => "reordered",
            Loss::Duplicated => "duplicated",
            Loss::Misdirected => "misdirected",
            Loss::Torn => "torn",
            Loss::Damaged => "damaged",
            Loss::Garbage => "garbage",
            Loss::Unexpected => "unexpected",
        }
    }
}

/// One block with wrong content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub loss: Loss,
    /// Byte offset of the block.
    pub offset: u64,
    /// What was acknowledged and what is there, with times.
    pub text: String,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Blocks that had to have content of ours.
    pub blocks: u64,
    /// Those that have what was acknowledged last, or something later.
    pub right: u64,
    /// Acknowledged writes that the blocks were held against.
    pub acknowledged: u64,
    /// Blocks with wrong content, by kind.
    pub wrong: BTreeMap<Loss, u64>,
    /// Blocks that could not be read: of these nothing is proved.
    pub unreadable: u64,
    /// The first wrong ones, described.
    pub first: Vec<Finding>,
    /// The one moment to which all wrong blocks went back, when there is one: nanoseconds, from and to.
    pub back_to: Option<(u64, u64)>,
}

impl Verdict {
    /// Whether everything that was acknowledged is there, and there was something.
    pub fn is_whole(&self) -> bool {
        self.wrong.is_empty() && self.unreadable == 0 && self.right == self.blocks && self.blocks > 0
    }
}

/// What is known of one unit.
#[derive(Default)]
struct Unit<'a> {
    // In the order in which they began.
    writes: Vec<&'a Operation>,
    // Generations that reads found there, with when.
    seen: Vec<(u64, u64)>,
}

/// Where the acknowledged state of a unit stands.
#[derive(Clone, Copy)]
struct Acknowledged {
    generation: u64,
    // None of what was there before the log began.
    place: Option<usize>,
}

/// What a log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The bytes that are held against it.
    pub span: Span,
    /// Bytes of a stamped unit.
    pub unit: u64,
    /// Seed of the stamps.
    pub seed: u64,
    /// From when times are told, nanoseconds since the log began.
    pub zero_ns: i64,
}

/// Reads all of the span by `read` and holds it against the log. `before` tells the generation that a unit had when the log began; None where nothing is known of it.
pub fn check(
    log: &Log,
    Subject { span, unit, seed, zero_ns }: Subject,
    before: &dyn Fn(u64) -> Option<u64>,
    read: &mut dyn FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> Verdict {
    let mut units: HashMap<u64, Unit<'_>> = HashMap::new();
    let mut by_generation: HashMap<u64, &Operation> = HashMap::new();
    for operation in log.operations.iter().filter(|operation| operation.writes()) {
        by_generation.insert(operation.generation, operation);
        let end = operation.offset.saturating_add(operation.bytes.into());
        let mut at = operation.offset;
        while at < end {
            units.entry(at).or_default().writes.push(operation);
            at += unit;
        }
    }
    for seen in &log.seen {
        units.entry(seen.offset).or_default().seen.push((seen.generation, seen.at_ns));
    }
    for known in units.values_mut() {
        known.writes.sort_by_key(|write| write.begun_ns);
    }

    let mut check = Check {
        units,
        by_generation,
        before,
        verdict: Verdict::default(),
        wrong: Vec::new(),
        right_of: HashMap::new(),
        homes: HashMap::new(),
        zero_ns,
    };
    check.verdict.acknowledged =
        u64::try_from(log.operations.iter().filter(|operation| operation.writes() && operation.done_ns().is_some()).count()).unwrap_or(u64::MAX);
    let bytes = usize::try_from(unit).expect("a unit fits");
    let mut chunk = vec![0; usize::try_from(CHUNK.next_multiple_of(unit)).expect("a chunk fits")];
    let mut at = span.start;
    let end = span.start.saturating_add(span.bytes);
    while at < end {
        let length = usize::try_from((end - at).min(CHUNK.next_multiple_of(unit))).expect("a chunk fits");
        let part = &mut chunk[..length];
        let whole = read(at, part).is_ok();
        for (block, offset) in part.chunks_exact_mut(bytes).zip((at..).step_by(bytes)) {
            // Of a chunk that cannot be read some blocks can.
            if !whole && read(offset, block).is_err() {
                check.unreadable(offset);
                continue;
            }
            check.look(offset, stamp::read(block, seed, offset));
        }
        at += u64::try_from(length).expect("a chunk fits");
    }
    check.conclude()
}

struct Check<'a> {
    units: HashMap<u64, Unit<'a>>,
    by_generation: HashMap<u64, &'a Operation>,
    before: &'a dyn Fn(u64) -> Option<u64>,
    verdict: Verdict,
    wrong: Vec<Wrong>,
    // Of each write how many of its units have it.
    right_of: HashMap<u64, u64>,
    // What each wrong or right unit holds of its own place.
    homes: HashMap<u64, u64>,
    zero_ns: i64,
}

struct Wrong {
    loss: Loss,
    offset: u64,
    // What should be there, and what is.
    wanted: u64,
    found: Option<u64>,
    // Whose content it is, of another place.
    home: Option<u64>,
}

impl<'a> Check<'a> {
    fn acknowledged(&self, offset: u64) -> Option<Acknowledged> {
        let writes = self.units.get(&offset).map_or(&[][..], |unit| &unit.writes);
        match writes.iter().rposition(|write| write.done_ns().is_some()) {
            Some(place) => Some(Acknowledged { generation: writes[place].generation, place: Some(place) }),
            None => (self.before)(offset).map(|generation| Acknowledged { generation, place: None }),
        }
    }

    fn unreadable(&mut self, offset: u64) {
        if self.acknowledged(offset).is_some() {
            self.verdict.blocks += 1;
            self.verdict.unreadable += 1;
        }
    }

    fn look(&mut self, offset: u64, content: Content) {
        let Some(acknowledged) = self.acknowledged(offset) else { return };
        self.verdict.blocks += 1;
        let wanted = acknowledged.generation;
        let wrong = |loss, found, home| Wrong { loss, offset, wanted, found, home };
        let wrong = match content {
            Content::Whole { offset: home, generation } if home == offset => {
                self.homes.insert(offset, generation);
                match self.place_in_time(offset, acknowledged, generation) {
                    None => {
                        self.verdict.right += 1;
                        *self.right_of.entry(generation).or_insert(0) += 1;
                        return;
                    }
                    Some(loss) => wrong(loss, Some(generation), None),
                }
            }
            Content::Whole { offset: home, generation } => wrong(Loss::Misdirected, Some(generation), Some(home)),
            Content::Zeroes => wrong(if self.was_seen(offset, acknowledged) { Loss::Stale } else { Loss::Lost }, None, None),
            Content::Torn { oldest } => wrong(Loss::Torn, Some(oldest), None),
            Content::Damaged => wrong(Loss::Damaged, None, None),
            Content::Garbage => wrong(Loss::Garbage, None, None),
        };
        self.wrong.push(wrong);
    }

    /// Whether a read found there what was acknowledged last, or something later.
    fn was_seen(&self, offset: u64, acknowledged: Acknowledged) -> bool {
        let Some(unit) = self.units.get(&offset) else { return false };
        let from = acknowledged.place.unwrap_or(0);
        unit.seen.iter().any(|(generation, _)| {
            *generation == acknowledged.generation || unit.writes.iter().skip(from).any(|write| write.generation == *generation)
        })
    }

    /// What is wrong with content of the right place and this generation; None when it is what it has to be.
    fn place_in_time(&self, offset: u64, acknowledged: Acknowledged, found: u64) -> Option<Loss> {
        if found == acknowledged.generation {
            return None;
        }
        let writes = self.units.get(&offset).map_or(&[][..], |unit| &unit.writes);
        let last = acknowledged.place;
        match writes.iter().position(|write| write.generation == found) {
            // Asked for after the last that was acknowledged: it may have landed.
            Some(place) if last.is_none_or(|last| place > last) => None,
            Some(place) if writes[place].done_ns().is_none() => Some(Loss::Reordered),
            Some(place) => {
                let replaced = writes[place + 1..=last.unwrap_or(place)].iter().filter(|write| write.done_ns().is_some()).count();
                Some(if replaced > 1 || self.was_seen(offset, acknowledged) { Loss::Stale } else { Loss::Lost })
            }
            None if (self.before)(offset) == Some(found) => {
                let replaced = writes.iter().take(last.map_or(0, |last| last + 1)).filter(|write| write.done_ns().is_some()).count();
                Some(if replaced > 1 || self.was_seen(offset, acknowledged) { Loss::Stale } else { Loss::Lost })
            }
            None => Some(Loss::Unexpected),
        }
    }

    /// When content of that generation was the last one of a unit: from its acknowledgement until the next write was asked for.
    fn reign(&self, offset: u64, found: Option<u64>) -> Option<(u64, u64)> {
        let writes = self.units.get(&offset).map_or(&[][..], |unit| &unit.writes);
        match found.and_then(|found| writes.iter().position(|write| write.generation == found)) {
            Some(place) => Some((writes[place].done_ns()?, writes.get(place + 1).map_or(u64::MAX, |next| next.begun_ns))),
            None if found.is_some() && found == (self.before)(offset) => Some((0, writes.first().map_or(u64::MAX, |next| next.begun_ns))),
            None => None,
        }
    }

    fn conclude(mut self) -> Verdict {
        let mut wrong = std::mem::take(&mut self.wrong);
        for one in &mut wrong {
            // A write of several units of which some have it.
            let partly = self.by_generation.get(&one.wanted).is_some_and(|_| self.right_of.get(&one.wanted).is_some_and(|units| *units > 0));
            if matches!(one.loss, Loss::Lost | Loss::Stale) && partly {
                one.loss = Loss::Torn;
            }
            // It landed at its own place, too.
            if let (Loss::Misdirected, Some(home), Some(found)) = (one.loss, one.home, one.found)
                && self.homes.get(&home) == Some(&found)
            {
                one.loss = Loss::Duplicated;
            }
        }
        let back = wrong.iter().filter(|one| matches!(one.loss, Loss::Lost | Loss::Stale));
        let reigns: Option<Vec<(u64, u64)>> = back.map(|one| self.reign(one.offset, one.found)).collect();
        if let Some(reigns) = reigns.filter(|reigns| reigns.len() > 1) {
            let from = reigns.iter().map(|(from, _)| *from).max().unwrap_or(0);
            let to = reigns.iter().map(|(_, to)| *to).min().unwrap_or(0);
            self.verdict.back_to = (from <= to).then_some((from, to));
        }
        wrong.sort_by_key(|one| one.offset);
        for one in &wrong {
            *self.verdict.wrong.entry(one.loss).or_insert(0) += 1;
            if self.verdict.first.len() < NAMED {
                let text = self.describe(one);
                self.verdict.first.push(Finding { loss: one.loss, offset: one.offset, text });
            }
        }
        self.verdict
    }

    fn describe(&self, wrong: &Wrong) -> String {
        let mut text = format!("{} at byte {}: ", wrong.loss.name(), wrong.offset);
        let _ = write!(text, "{} is not there; ", self.written(wrong.wanted, true));
        let _ = match (wrong.found, wrong.home) {
            (Some(found), Some(home)) => write!(text, "{}, which belongs at byte {home}, is", self.written(found, false)),
            (Some(found), None) => write!(text, "{} is", self.written(found, false)),
            (None, _) => write!(text, "{}", if matches!(wrong.loss, Loss::Lost | Loss::Stale) { "zeroes are" } else { "other content is" }),
        };
        text
    }

    fn written(&self, generation: u64, acknowledged: bool) -> String {
        match self.by_generation.get(&generation) {
            Some(write) => {
                let at = |ns: u64| seconds(i64::try_from(ns).unwrap_or(i64::MAX).saturating_sub(self.zero_ns));
                let asked = at(write.begun_ns);
                let end = write.done_ns().map_or_else(|| "never acknowledged".to_owned(), |ns| format!("acknowledged at {}", at(ns)));
                format!("write {generation}, asked for at {asked} and {end},")
            }
            None if acknowledged => format!("write {generation} of before the log"),
            None => format!("write {generation}"),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown to a tenth of a millisecond")]
fn seconds(ns: i64) -> String {
    format!("{:+.4} s", ns as f64 / 1e9)
}
