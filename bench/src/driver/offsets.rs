//! Where the next operation goes, how long it is and what it does: at random over the span in one of fio's distributions, or one block after the other.
//! Where anything is written no two operations overlap: what must be there afterwards is never a matter of luck.

use super::busy::Busy;
use super::distribution::Places;
use crate::engine::OpKind;
use crate::job::{Extent, Job, Rw};
use crate::sprandom::Sprandom;

/// Places that are tried before it is left to the operations that are out to make room.
const TRIES: u32 = 32;

/// A small fast generator, good enough for offsets and incompressible payload; the same seed gives the same draws.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Starts at `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits (splitmix64, public domain, Steele, Lea and Flood 2014).
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number above 0 and up to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "53 bits, as many as the number has")]
        let unit = ((self.draw() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        unit
    }

    /// A number below `bound`, by multiplication instead of division.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = (u128::from(self.draw()) * u128::from(bound)) >> 64;
        u64::try_from(wide).expect("the high half of a product of two 64-bit numbers has 64 bits")
    }
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) kind: OpKind,
    pub(super) offset: u64,
    pub(super) bytes: u32,
}

/// The answer to a draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draw {
    Next(Drawn),
    /// Wherever it could go, operations are out: when some are back there will be room.
    Busy,
    /// The budget or the span is used up.
    Exhausted,
}

/// In which order blocks are visited.
enum Order {
    /// One after the other; where the next begins, from the start of the span.
    Sequence(u64),
    /// By chance.
    Random(Places),
    /// As preconditioning wants it, and the block that is next.
    Sprandom(Box<Sprandom>, Option<u64>),
}

impl Order {
    fn new(job: &Job) -> Self {
        let blocks = job.span.bytes / u64::from(job.bs.smallest());
        if let Extent::Sprandom { over_provisioning } = job.extent {
            let mut stream = Sprandom::new(blocks, f64::from(over_provisioning) / 100.0, Sprandom::USUAL_REGIONS, job.seed);
            let first = stream.next();
            Order::Sprandom(Box::new(stream), first)
        } else if job.rw.is_random() {
            Order::Random(Places::new(job.distribution, blocks, job.seed))
        } else {
            Order::Sequence(0)
        }
    }
}

pub(super) struct Offsets {
    start: u64,
    bytes: u64,
    // Random offsets are multiples of it.
    align: u64,
    order: Order,
    once: bool,
    // Streams of their own: one seed gives the same places whatever the mix.
    sizes: Random,
    kinds: Random,
    shares: Vec<(u32, u8)>,
    rw: Rw,
    rwmixread: u64,
    write: OpKind,
    budget: Option<u64>,
    // Drawn, but there was no room: a large block must not lose against small ones because it is harder to place.
    waiting: Option<(OpKind, u32)>,
    busy: Option<Busy>,
}

impl Offsets {
    pub(super) fn new(job: &Job) -> Self {
        let align = u64::from(job.bs.smallest());
        Self {
            start: job.span.start,
            bytes: job.span.bytes,
            align,
            order: Order::new(job),
            once: job.extent == Extent::WholeSpan,
            sizes: Random::new(job.seed.rotate_left(16) ^ 0x512e),
            kinds: Random::new(job.seed.rotate_left(48) ^ 0x417d),
            shares: job.bs.shares().to_vec(),
            rw: job.rw,
            rwmixread: u64::from(job.rwmixread),
            write: if job.fua { OpKind::WriteFua } else { OpKind::Write },
            budget: job.io_size,
            waiting: None,
            busy: job.rw.writes().then(|| Busy::new(job.span, job.bs.shares())),
        }
    }

    /// Whether no operation will ever come again.
    pub(super) fn is_exhausted(&self) -> bool {
        let is_over = match self.order {
            Order::Sequence(next) => self.once && self.bytes - next < self.align,
            Order::Random(_) => false,
            Order::Sprandom(_, next) => next.is_none(),
        };
        is_over || self.budget.is_some_and(|left| left < self.align * self.operations())
    }

    /// The next operation; its place is taken until it is given back.
    pub(super) fn draw(&mut self) -> Draw {
        if self.is_exhausted() {
            return Draw::Exhausted;
        }
        let (kind, mut bytes) = self.waiting.take().unwrap_or_else(|| (self.kind(), self.size()));
        let afford = |shares: &[(u32, u8)], room: u64| shares.iter().map(|(size, _)| *size).filter(|size| u64::from(*size) <= room).max();
        if let Some(left) = self.budget.map(|left| left / self.operations()).filter(|left| *left < u64::from(bytes)) {
            let Some(size) = afford(&self.shares, left) else { return Draw::Exhausted };
            bytes = size;
        }
        if let Order::Sequence(next) = &mut self.order
            && self.bytes - *next < u64::from(bytes)
        {
            if !self.once {
                *next = 0;
            } else if let Some(size) = afford(&self.shares, self.bytes - *next) {
                bytes = size;
            }
        }
        let Some(at) = self.place(bytes) else {
            self.waiting = Some((kind, bytes));
            return Draw::Busy;
        };
        if let Some(budget) = &mut self.budget {
            *budget -= u64::from(bytes) * if self.rw == Rw::ReadModifyWrite { 2 } else { 1 };
        }
        Draw::Next(Drawn { kind, offset: self.start + at, bytes })
    }

    /// The operation at `offset` is over, and what it has read was looked at.
    pub(super) fn give_back(&mut self, offset: u64, bytes: u32) {
        if let Some(busy) = &mut self.busy {
            busy.release(offset - self.start, bytes);
        }
    }

    // How many operations one draw comes to.
    fn operations(&self) -> u64 {
        if self.rw == Rw::ReadModifyWrite { 2 } else { 1 }
    }

    fn place(&mut self, bytes: u32) -> Option<u64> {
        let places = match &mut self.order {
            Order::Random(places) => places,
            Order::Sequence(next) => {
                let at = *next;
                if self.busy.as_mut().is_some_and(|busy| !busy.take(at, bytes)) {
                    return None;
                }
                *next += u64::from(bytes);
                return Some(at);
            }
            // A block that is out is waited for: the order is what preconditions.
            Order::Sprandom(stream, next) => {
                let at = (*next)? * self.align;
                if self.busy.as_mut().is_some_and(|busy| !busy.take(at, bytes)) {
                    return None;
                }
                *next = stream.next();
                return Some(at);
            }
        };
        let last = self.bytes - u64::from(bytes);
        let Some(busy) = &mut self.busy else { return Some((places.draw() * self.align).min(last / self.align * self.align)) };
        (0..TRIES).map(|_| (places.draw() * self.align).min(last / self.align * self.align)).find(|at| busy.take(*at, bytes))
    }

    fn kind(&mut self) -> OpKind {
        match self.rw {
            Rw::Read | Rw::RandRead | Rw::ReadModifyWrite => OpKind::Read,
            Rw::Write | Rw::RandWrite => self.write,
            Rw::Trim | Rw::RandTrim => OpKind::Trim,
            Rw::ReadWrite | Rw::RandRw => {
                if self.kinds.below(100) < self.rwmixread {
                    OpKind::Read
                } else {
                    self.write
                }
            }
        }
    }

    fn size(&mut self) -> u32 {
        if let [(bytes, _)] = self.shares.as_slice() {
            return *bytes;
        }
        let mut at = self.sizes.below(100);
        for (bytes, percent) in &self.shares {
            match at.checked_sub(u64::from(*percent)) {
                Some(rest) => at = rest,
                None => return *bytes,
            }
        }
        unreachable!("shares add up to 100")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{BlockSizes, Span};

    fn drawn(offsets: &mut Offsets) -> Drawn {
        match offsets.draw() {
            Draw::Next(drawn) => drawn,
            other @ (Draw::Busy | Draw::Exhausted) => panic!("{other:?}"),
        }
    }

    const SPAN: Span = Span { start: 1 << 20, bytes: 16 << 20 };

    fn mixed(rw: Rw) -> Job {
        let bs = BlockSizes::split(&[(4096, 50), (16384, 30), (65536, 20)]).expect("a split");
        Job { rwmixread: 70, seed: 3, ..Job::new(rw, bs, 32, SPAN) }
    }

    #[test]
    fn sizes_and_kinds_have_their_shares_and_places_are_aligned_inside_the_span() {
        let mut offsets = Offsets::new(&mixed(Rw::RandRw));
        let mut sizes = std::collections::BTreeMap::new();
        let mut reads = 0;
        for _ in 0..100_000 {
            let op = drawn(&mut offsets);
            assert!(
                op.offset.is_multiple_of(4096) && op.offset >= SPAN.start && op.offset + u64::from(op.bytes) <= SPAN.start + SPAN.bytes,
                "{op:?}"
            );
            *sizes.entry(op.bytes).or_insert(0u32) += 1;
            reads += u32::from(op.kind == OpKind::Read);
            offsets.give_back(op.offset, op.bytes);
        }
        // Six standard errors of a share of 100 000.
        for (size, share) in [(4096, 50_000), (16384, 30_000), (65536, 20_000)] {
            assert!(sizes[&size].abs_diff(share) < 950, "{sizes:?}");
        }
        assert!(reads.abs_diff(70_000) < 870, "{reads}");
    }

    #[test]
    fn operations_that_are_out_never_overlap_and_a_full_span_waits() {
        let span = Span { start: 0, bytes: 256 << 10 };
        let mut offsets = Offsets::new(&Job { span, ..mixed(Rw::RandRw) });
        let mut out: Vec<Drawn> = Vec::new();
        let mut turns = Random::new(9);
        let mut waited = 0;
        for _ in 0..50_000 {
            match offsets.draw() {
                Draw::Next(op) => {
                    let overlaps =
                        |other: &Drawn| op.offset < other.offset + u64::from(other.bytes) && other.offset < op.offset + u64::from(op.bytes);
                    assert!(!out.iter().any(overlaps), "{op:?} among {out:?}");
                    out.push(op);
                }
                Draw::Busy => {
                    waited += 1;
                    let back = out.swap_remove(usize::try_from(turns.below(out.len() as u64)).expect("fits"));
                    offsets.give_back(back.offset, back.bytes);
                }
                Draw::Exhausted => panic!("nothing is used up"),
            }
        }
        assert!(waited > 1000, "{waited}");
    }

    #[test]
    fn a_sequence_follows_itself_and_one_pass_covers_the_whole_span() {
        let mut offsets = Offsets::new(&Job { extent: Extent::WholeSpan, ..mixed(Rw::Read) });
        let mut at = SPAN.start;
        while let Draw::Next(op) = offsets.draw() {
            assert_eq!(op.offset, at);
            at += u64::from(op.bytes);
        }
        assert_eq!(at, SPAN.start + SPAN.bytes);
        assert!(offsets.is_exhausted());
    }

    #[test]
    fn preconditioning_visits_its_blocks_in_order_although_some_are_out() {
        let span = Span { start: 4096, bytes: 4 << 20 };
        let job = Job { extent: Extent::Sprandom { over_provisioning: 28 }, span, ..Job::new(Rw::RandWrite, 4096, 32, span) };
        let mut offsets = Offsets::new(&job);
        let expected: Vec<u64> = Sprandom::new(1024, 0.28, Sprandom::USUAL_REGIONS, job.seed).map(|block| 4096 + block * 4096).collect();
        let mut out = std::collections::VecDeque::new();
        let mut seen = Vec::new();
        loop {
            match offsets.draw() {
                Draw::Next(op) => {
                    seen.push(op.offset);
                    out.push_back(op.offset);
                    if out.len() > 16 {
                        offsets.give_back(out.pop_front().expect("is out"), 4096);
                    }
                }
                Draw::Busy => offsets.give_back(out.pop_front().expect("is out"), 4096),
                Draw::Exhausted => break,
            }
        }
        assert!(seen == expected && seen.len() > 1200, "{} of {}", seen.len(), expected.len());
    }

    #[test]
    fn a_budget_is_kept_to_the_byte_and_a_read_modify_write_costs_twice() {
        for (rw, each) in [(Rw::RandWrite, 1), (Rw::ReadModifyWrite, 2)] {
            let mut offsets = Offsets::new(&Job { io_size: Some(1 << 20), ..mixed(rw) });
            let mut sum = 0;
            while let Draw::Next(op) = offsets.draw() {
                sum += u64::from(op.bytes) * each;
                offsets.give_back(op.offset, op.bytes);
            }
            assert_eq!(sum, 1 << 20, "{rw:?}");
        }
    }
}
