//! What is planted is found with its kind and its times: by lanes that spoil what goes through them, and in logs written by hand for what no lane can do.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::engine::faulty::{Faulty, Spoil};
use crate::engine::memory::Memory;
use crate::history::{Expected, History};
use crate::job::{Extent, Job, Rw, Span, Verify};

const UNIT: u64 = 4096;
const SEED: u64 = 7;
const SPAN: Span = Span { start: 0, bytes: 64 * UNIT };
const SUBJECT: Subject = Subject { span: SPAN, unit: UNIT, seed: SEED, zero_ns: 0 };

fn bytes_of(offset: u64, generation: u64) -> Vec<u8> {
    let mut block = vec![0x5a; usize::try_from(UNIT).expect("small")];
    stamp::stamp(&mut block, usize::try_from(UNIT).expect("small"), SEED, offset, generation);
    block
}

fn write(generation: u64, offset: u64, begun_ns: u64, end: End) -> Operation {
    Operation { kind: OpKind::Write, offset, bytes: 4096, generation, begun_ns, end }
}

fn done(generation: u64, offset: u64, begun_ns: u64) -> Operation {
    write(generation, offset, begun_ns, End::Done { at_ns: begun_ns + 5 })
}

/// What a target is said to hold, held against a log.
fn held(log: &Log, before: &dyn Fn(u64) -> Option<u64>, content: &dyn Fn(u64) -> Vec<u8>) -> Verdict {
    check(log, Subject { span: Span { start: 0, bytes: 4 * UNIT }, ..SUBJECT }, before, &mut |at, into| {
        for (part, offset) in into.chunks_exact_mut(usize::try_from(UNIT).expect("small")).zip((at..).step_by(4096)) {
            part.copy_from_slice(&content(offset));
        }
        Ok(())
    })
}

fn kinds(verdict: &Verdict) -> Vec<(&'static str, u64)> {
    verdict.wrong.iter().map(|(loss, count)| (loss.name(), *count)).collect()
}

#[test]
fn what_was_acknowledged_or_asked_for_after_it_is_right() {
    let failed = End::Failed { at_ns: 40, error: 110 };
    let log = Log { operations: vec![done(2, 0, 10), write(3, 0, 30, failed), write(4, 0, 50, End::Unanswered)], seen: Vec::new() };
    for generation in [2, 3, 4] {
        let verdict = held(&log, &|_| None, &|at| bytes_of(at, if at == 0 { generation } else { 1 }));
        assert!(verdict.is_whole() && (verdict.blocks, verdict.acknowledged) == (1, 1), "{generation}: {verdict:?}");
    }
    let nothing = held(&Log::default(), &|_| None, &|at| bytes_of(at, 1));
    assert!(!nothing.is_whole(), "nothing was acknowledged, and nothing is proved");
}

#[test]
fn each_loss_has_its_name_and_its_times() {
    let seen = |generation, at_ns| SeenUnit { offset: 0, generation, at_ns };
    let own = |generation| move |at: u64| bytes_of(at, if at == 0 { generation } else { 1 });
    let zeroes = |at: u64| if at == 0 { vec![0; 4096] } else { bytes_of(at, 1) };
    type Case<'a> = (Vec<Operation>, Vec<SeenUnit>, Box<dyn Fn(u64) -> Vec<u8> + 'a>, &'static str, &'static str);
    let cases: Vec<Case<'_>> = vec![
        // Generation 1 was there before the log began.
        (vec![done(2, 0, 10)], vec![], Box::new(own(1)), "lost", "write 2, asked for at +0.0000 s and acknowledged at"),
        (vec![done(2, 0, 10)], vec![], Box::new(zeroes), "lost", "zeroes are"),
        (vec![done(2, 0, 10), done(3, 0, 20)], vec![], Box::new(own(2)), "lost", "write 2, asked"),
        (vec![done(2, 0, 10), done(3, 0, 20)], vec![], Box::new(own(1)), "stale", "write 1 is"),
        (vec![done(2, 0, 10), done(3, 0, 20)], vec![seen(3, 28)], Box::new(own(2)), "stale", "write 3"),
        (vec![done(2, 0, 10)], vec![seen(2, 18)], Box::new(zeroes), "stale", "zeroes are"),
        // Nobody heard of it, and it came back over a later one.
        (vec![write(2, 0, 10, End::Unanswered), done(3, 0, 20)], vec![], Box::new(own(2)), "reordered", "never acknowledged"),
        (vec![done(2, 0, 10)], vec![], Box::new(own(9)), "unexpected", "write 9 is"),
        (vec![done(2, 0, 10)], vec![], Box::new(|at| bytes_of(at + UNIT, 1)), "misdirected", "which belongs at byte 4096"),
    ];
    for (operations, seen, content, loss, said) in cases {
        let verdict = held(&Log { operations, seen }, &|at| (at == 0).then_some(1), &*content);
        assert_eq!(kinds(&verdict), [(loss, 1)], "{verdict:?}");
        assert!(verdict.first[0].text.contains(said) && verdict.first[0].text.starts_with(loss), "{:?}", verdict.first);
        assert!(!verdict.is_whole());
    }
}

#[test]
fn a_write_at_two_places_is_a_double_and_half_of_one_is_torn() {
    let log = Log { operations: vec![done(2, 0, 10), done(3, UNIT, 20)], seen: Vec::new() };
    let double = held(&log, &|at| (at < 2 * UNIT).then_some(1), &|_| bytes_of(0, 2));
    assert_eq!(kinds(&double), [("duplicated", 1)], "{double:?}");
    let wide = Operation { bytes: 8192, ..done(2, 0, 10) };
    let log = Log { operations: vec![wide], seen: Vec::new() };
    let half = held(&log, &|at| (at < 2 * UNIT).then_some(1), &|at| bytes_of(at, if at == 0 { 2 } else { 1 }));
    assert_eq!((kinds(&half), half.right), (vec![("torn", 1)], 1), "{half:?}");
}

#[test]
fn a_target_that_went_back_as_a_whole_is_told_with_the_moment() {
    let operations = (0..4).flat_map(|unit| [done(10 + unit, unit * UNIT, 100 + unit), done(20 + unit, unit * UNIT, 500 + unit)]).collect();
    let log = Log { operations, seen: Vec::new() };
    let verdict = held(&log, &|_| Some(1), &|at| bytes_of(at, 10 + at / UNIT));
    assert_eq!((kinds(&verdict), verdict.back_to), (vec![("lost", 4)], Some((108, 500))), "{verdict:?}");
    // Each of another moment: no one of them is that of all.
    let verdict = held(&log, &|_| Some(1), &|at| bytes_of(at, if at == 0 { 1 } else { 10 + at / UNIT }));
    assert_eq!(verdict.back_to, None, "{verdict:?}");
}

#[test]
fn what_cannot_be_read_proves_nothing() {
    let log = Log { operations: vec![done(2, 0, 10)], seen: Vec::new() };
    let verdict = check(&log, SUBJECT, &|_| None, &mut |_, _| Err(io::Error::from_raw_os_error(5)));
    assert!(!verdict.is_whole() && (verdict.unreadable, verdict.wrong.len()) == (1, 0), "{verdict:?}");
}

/// Runs a job through a lane that spoils one write in so many, and holds the target against the log.
fn spoiled(plan: &[(Spoil, u64)], bs: u32) -> (Verdict, Log, usize) {
    let history = History::new(SPAN);
    let stop = AtomicBool::new(false);
    let mut target = Faulty::new(Memory::new(SPAN.bytes, bs, 8), plan);
    let planted = target.planted();
    let file = tempfile::tempfile().expect("a file");
    let layout = Job { stamp_seed: SEED, verify: Verify::Stamp, extent: Extent::WholeSpan, ..Job::new(Rw::Write, bs, 4, SPAN) };
    // The layout goes past the log, as that of a scenario does, and is not spoiled: it is written by a plan of its own.
    let mut sound = Memory::new(SPAN.bytes, bs, 8);
    crate::drive(&layout, &mut sound, Some(&history), &stop, None).expect("laid out");
    let before: Vec<Option<u64>> = (0..64)
        .map(|unit| match history.expected(unit * UNIT) {
            Expected::Generation(generation) => Some(generation),
            Expected::Unwritten | Expected::AtLeast(_) | Expected::Uncertain => None,
        })
        .collect();
    std::mem::swap(target.inner(), &mut sound);
    let job = Job {
        stamp_seed: SEED,
        verify: Verify::Stamp,
        extent: Extent::Runtime(Duration::from_millis(60)),
        io_size: Some(2 << 20),
        ..Job::new(Rw::RandWrite, bs, 4, SPAN)
    };
    let mut lane = Logging::new(Box::new(target), file.try_clone().expect("a handle"), Instant::now(), SEED, UNIT);
    crate::drive(&job, &mut lane, Some(&history), &stop, None).expect("driven");
    let mut reread = file;
    std::io::Seek::rewind(&mut reread).expect("rewound");
    let log = Log::read(&mut reread).expect("a log");
    let mut done = Vec::new();
    let verdict = check(&log, SUBJECT, &|at| before[usize::try_from(at / UNIT).expect("few")], &mut |at, into| {
        for (part, offset) in into.chunks_exact_mut(4096).zip((at..).step_by(4096)) {
            lane.lane.submit(&[Op { slot: 0, kind: OpKind::Read, offset, bytes: 4096 }]).map_err(io::Error::other)?;
            done.clear();
            lane.lane.reap(Duration::ZERO, &mut done).map_err(io::Error::other)?;
            part.copy_from_slice(&lane.lane.buffer(0)[..4096]);
        }
        Ok(())
    });
    let planted = planted.lock().expect("whole").len();
    (verdict, log, planted)
}

#[test]
fn a_sound_target_is_accused_of_nothing() {
    for bs in [4096, 16_384] {
        let (verdict, log, _) = spoiled(&[], bs);
        assert!(verdict.is_whole() && verdict.blocks == 64, "{verdict:?}");
        assert!(log.operations.len() > 10 && log.operations.iter().all(|operation| operation.end != End::Unanswered));
    }
}

#[test]
fn a_lane_that_loses_tears_or_misdirects_is_found_out() {
    // One in so many, and the others may have been written over since; of some hundred writes to 64 blocks the last are there.
    for (spoil, bs, expected) in [
        (Spoil::LostWrite, 4096, &["lost", "stale"][..]),
        (Spoil::MisdirectedWrite, 4096, &["lost", "stale", "misdirected", "duplicated"]),
        (Spoil::TornWrite, 16_384, &["torn", "lost", "stale"]),
        (Spoil::FlippedBit, 4096, &["damaged", "garbage", "torn"]),
    ] {
        let (verdict, _, planted) = spoiled(&[(spoil, 7)], bs);
        assert!(planted > 3, "{spoil:?}: {planted}");
        assert!(!verdict.is_whole() && !verdict.wrong.is_empty(), "{spoil:?}: {verdict:?}");
        for (name, _) in kinds(&verdict) {
            assert!(expected.contains(&name), "{spoil:?}: {name} of {verdict:?}");
        }
    }
}

#[test]
fn a_log_is_read_as_it_was_written_and_a_torn_end_is_none() {
    let (_, log, _) = spoiled(&[], 4096);
    assert!(log.operations.iter().all(|operation| operation.writes() && operation.generation > 0));
    assert!(log.operations.iter().all(|operation| operation.done_ns().is_some_and(|at| at >= operation.begun_ns)));
    let record = |what, slot, generation| {
        let mut bytes = Vec::new();
        Record { what, kind: number_of(OpKind::Write), error: 0, offset: 0, bytes: 4096, slot, generation, at_ns: 9 }.put(&mut bytes);
        bytes
    };
    let read = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        std::io::Seek::rewind(&mut file).expect("rewound");
        Log::read(&mut file)
    };
    let whole = [record(BEGUN, 0, 5), record(BEGUN, 0, 5), record(ENDED, 0, 0), record(BEGUN, 1, 6)].concat();
    let log = read(&whole).expect("whole");
    let unanswered: Vec<bool> = log.operations.iter().map(|operation| operation.end == End::Unanswered).collect();
    assert_eq!(unanswered, [false, true], "offered twice, begun once");
    for cut in 1..RECORD {
        assert_eq!(read(&whole[..whole.len() - cut]).expect("torn").operations.len(), 1, "{cut}");
    }
    let mut damaged = whole.clone();
    damaged[60] ^= 1;
    assert!(matches!(read(&damaged), Err(LogError::Damaged { record: 1 })));
    let unbegun = [record(ENDED, 3, 0), record(BEGUN, 1, 6)].concat();
    assert!(matches!(read(&unbegun), Err(LogError::Unbegun { record: 0, slot: 3 })));
}
