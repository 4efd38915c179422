//! Several lanes at once: a thread each, on the processors it is given, with a ring of its own, over a common start. Writes and sequences of each keep to
//! their own part of the span; what the lanes found becomes one result. An error of one stops all, and names it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Barrier, mpsc};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

use super::{JobResult, Progress, drive};
use crate::engine::Lane;
use crate::error::EngineError;
use crate::history::History;
use crate::job::{Job, Load, Span};

/// How soon a stop is handed on to the lanes.
const TURN: Duration = Duration::from_millis(5);

/// Opens the lane of this number for its part of the job, on the thread that will drive it.
pub type Open<'a> = &'a (dyn Fn(usize, &Job) -> Result<Box<dyn Lane>, EngineError> + Sync);

/// Runs one job on as many lanes as there are `seats`: the processors that the thread of each may use, any when there are none. `iodepth` is that of every
/// lane; `io_size` and an open loop's rate are those of all together.
pub fn drive_lanes(
    job: &Job,
    seats: &[Vec<usize>],
    open: Open<'_>,
    history: Option<&History>,
    stop: &AtomicBool,
    progress: Option<&Progress>,
) -> Result<JobResult, EngineError> {
    let parts = parts(job, seats.len())?;
    let own_progress: Vec<Progress> = seats.iter().map(|_| Progress::default()).collect();
    let halt = AtomicBool::new(false);
    let start = Barrier::new(seats.len());
    let mut results: Vec<Option<Result<JobResult, EngineError>>> = seats.iter().map(|_| None).collect();
    std::thread::scope(|scope| {
        let (sender, receiver) = channel();
        for (lane, (part, cpus)) in parts.iter().zip(seats).enumerate() {
            let (sender, halt, start, progress): (mpsc::Sender<_>, _, _, _) = (sender.clone(), &halt, &start, &own_progress[lane]);
            scope.spawn(move || {
                let opened = seat(cpus).and_then(|()| open(lane, part));
                if opened.is_err() {
                    halt.store(true, Ordering::Relaxed);
                }
                // Everyone waits here, also who has failed: nobody starts alone, and nobody waits for ever.
                start.wait();
                let result = opened.and_then(|mut lane| drive(part, lane.as_mut(), history, halt, Some(progress)));
                if result.is_err() {
                    halt.store(true, Ordering::Relaxed);
                }
                // The receiver outlives the scope's threads.
                let _ = sender.send((lane, result));
            });
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(TURN) {
                Ok((lane, result)) => results[lane] = Some(result),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if stop.load(Ordering::Relaxed) {
                halt.store(true, Ordering::Relaxed);
            }
            if let Some(progress) = progress {
                progress.operations.store(own_progress.iter().map(Progress::operations).sum(), Ordering::Relaxed);
            }
        }
    });
    let mut merged: Vec<JobResult> = Vec::new();
    for (lane, result) in results.into_iter().flatten().enumerate() {
        merged.push(result.map_err(|source| EngineError::Lane { lane, lanes: seats.len(), source: Box::new(source) })?);
    }
    let mut result = merge(merged);
    result.stopped = stop.load(Ordering::Relaxed);
    Ok(result)
}

// What each lane is asked to do.
fn parts(job: &Job, lanes: usize) -> Result<Vec<Job>, EngineError> {
    let refuse = |why: String| EngineError::Job { rw: job.rw.name(), target: format!("{lanes} lanes"), why };
    let count = u32::try_from(lanes).ok().filter(|count| *count > 0).ok_or_else(|| refuse("there must be at least one lane".to_owned()))?;
    let part = job.part_of_a_lane(count);
    if count == 1 {
        return Ok(vec![job.clone()]);
    }
    if job.parts_the_span() && part / u64::from(job.bs.largest().max(1)) < u64::from(job.iodepth) {
        return Err(refuse(format!("a part of {part} bytes of the span holds less than one block per operation in flight")));
    }
    let share = |whole: u64, lane: u32| whole / u64::from(count) + u64::from(u64::from(lane) < whole % u64::from(count));
    if let Load::Open { rate, .. } = job.load
        && rate < count
    {
        return Err(refuse(format!("{rate} operations per second are less than one for each lane")));
    }
    Ok((0..count)
        .map(|lane| {
            let span = if job.parts_the_span() { Span { start: job.span.start + u64::from(lane) * part, bytes: part } } else { job.span };
            let load = match job.load {
                Load::Closed => Load::Closed,
                Load::Open { rate, arrivals } => Load::Open { rate: u32::try_from(share(rate.into(), lane)).expect("a part of a rate"), arrivals },
            };
            let seed = job.seed ^ u64::from(lane).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Job { span, load, seed, io_size: job.io_size.map(|bytes| share(bytes, lane)), ..job.clone() }
        })
        .collect())
}

fn seat(cpus: &[usize]) -> Result<(), EngineError> {
    if cpus.is_empty() {
        return Ok(());
    }
    let refused = |source| EngineError::Thread { act: "pin a lane", cpus: format!("{cpus:?}"), source };
    let mut set = CpuSet::new();
    for cpu in cpus {
        // CpuSet::set panics above its maximum, and a thread that panics leaves the others at the barrier.
        if *cpu >= CpuSet::MAX_CPU {
            return Err(refused(std::io::Error::from_raw_os_error(libc::EINVAL)));
        }
        set.set(*cpu);
    }
    sched_setaffinity(None, &set).map_err(|error| refused(error.into()))
}

/// One result of several over the same time: operations are added, histograms merged, the series summed.
///
/// # Panics
/// When there is no result at all.
pub fn merge(results: Vec<JobResult>) -> JobResult {
    let series = sum_of_series(&results.iter().map(|result| result.series.as_slice()).collect::<Vec<_>>());
    let mut results = results.into_iter();
    let mut all = results.next().expect("at least one lane");
    for other in results {
        all.operations += other.operations;
        all.bytes += other.bytes;
        all.elapsed = all.elapsed.max(other.elapsed);
        all.histogram.add(&other.histogram).expect("histograms of one precision that resize themselves");
        for (direction, other) in
            [(&mut all.read, &other.read), (&mut all.write, &other.write), (&mut all.trim, &other.trim), (&mut all.flush, &other.flush)]
        {
            direction.add(other);
        }
        all.verification.operations += other.verification.operations;
        all.verification.verified += other.verification.verified;
        for (counts, others) in
            [(&mut all.verification.failed, other.verification.failed), (&mut all.verification.corrupt, other.verification.corrupt)]
        {
            for (name, count) in others {
                *counts.entry(name).or_insert(0) += count;
            }
        }
        all.corrupt_offsets.extend(other.corrupt_offsets);
        all.cpu_share = all.cpu_share.max(other.cpu_share);
        all.cpu.user_ns += other.cpu.user_ns;
        all.cpu.system_ns += other.cpu.system_ns;
        if let (Some(open), Some(other)) = (&mut all.open, other.open) {
            open.backlog += other.backlog;
            open.lag.add(&other.lag).expect("histograms of one precision and range");
        }
    }
    all.series = series;
    all
}

/// The sum of several series, at the points of the one that lasts longest: lanes tick when their batches end, each at times of its own.
pub fn sum_of_series(all: &[&[(f64, f64)]]) -> Vec<(f64, f64)> {
    let end = |series: &&[(f64, f64)]| series.last().map_or(0.0, |(at, _)| *at);
    let Some(longest) = all.iter().copied().max_by(|a, b| end(a).total_cmp(&end(b))) else { return Vec::new() };
    // Where each lane stands: the point it is in, and since when it is accounted for.
    let mut standing = vec![(0, 0.0); all.len()];
    let mut before = 0.0;
    let mut sum = Vec::with_capacity(longest.len());
    for (until, _) in longest {
        let mut operations = 0.0;
        for (series, (point, since)) in all.iter().zip(&mut standing) {
            while let Some((at, rate)) = series.get(*point) {
                let upto = at.min(*until);
                operations += (upto - *since).max(0.0) * rate;
                *since = upto;
                if at > until {
                    break;
                }
                *point += 1;
            }
        }
        sum.push((*until, operations / (until - before)));
        before = *until;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::conformance::{SIZE, job};
    use crate::engine::null::Null;
    use crate::engine::{Completion, Op};
    use crate::job::{Arrivals, Extent, Rw, Verify};

    fn null(_lane: usize, job: &Job) -> Result<Box<dyn Lane>, EngineError> {
        Ok(Box::new(Null::new(job.bs.largest(), job.iodepth)))
    }

    fn run(job: &Job, lanes: usize, open: Open<'_>, history: Option<&History>) -> Result<JobResult, EngineError> {
        drive_lanes(job, &vec![Vec::new(); lanes], open, history, &AtomicBool::new(false), None)
    }

    #[test]
    fn lanes_divide_writes_and_sequences_and_share_random_reads() {
        for (rw, divided) in [(Rw::Write, true), (Rw::RandRw, true), (Rw::Read, true), (Rw::RandRead, false)] {
            let parts = parts(&Job { io_size: Some(10 * 4096 + 1), ..job(rw, 4096, 8) }, 3).expect("parts");
            let spans: Vec<Span> = parts.iter().map(|part| part.span).collect();
            if divided {
                assert!(spans.windows(2).all(|pair| pair[0].start + pair[0].bytes <= pair[1].start), "{rw:?}: {spans:?}");
                assert!(spans.iter().all(|span| span.bytes == SIZE / 3 / 4096 * 4096 && span.start + span.bytes <= SIZE), "{rw:?}: {spans:?}");
            } else {
                assert!(spans.iter().all(|span| *span == Span { start: 0, bytes: SIZE }));
            }
            assert_eq!(parts.iter().filter_map(|part| part.io_size).sum::<u64>(), 10 * 4096 + 1);
            assert!(parts[0].seed != parts[1].seed && parts[1].seed != parts[2].seed);
        }
        assert!(parts(&job(Rw::Write, 1 << 20, 2), 4).is_err(), "no room for four parts");
        assert!(parts(&job(Rw::Read, 4096, 1), 0).is_err());
    }

    #[test]
    fn a_pass_of_several_lanes_writes_every_block_once_and_one_lane_reads_all_of_it_back() {
        let history = History::new(Span { start: 0, bytes: SIZE });
        let job = Job { extent: Extent::WholeSpan, verify: Verify::Stamp, ..job(Rw::Write, 4096, 4) };
        let result = run(&job, 4, &null, Some(&history)).expect("runs");
        assert_eq!((result.operations, result.write.operations, result.histogram.len()), (1024, 1024, 1024));
        assert!((0..1024u64).all(|block| matches!(history.expected(block * 4096), crate::history::Expected::Generation(_))));
    }

    #[test]
    fn an_open_loop_of_several_lanes_keeps_its_rate_together() {
        let load = Load::Open { rate: 1001, arrivals: Arrivals::Constant };
        let job = Job { load, extent: Extent::Runtime(Duration::from_millis(200)), ..job(Rw::RandRead, 4096, 4) };
        let result = run(&job, 3, &null, None).expect("runs");
        assert!((198..=201).contains(&result.histogram.len()), "{}", result.histogram.len());
    }

    /// Fails after a while, as a lane whose ring breaks.
    struct Breaks(Null, u32);

    impl Lane for Breaks {
        fn target(&self) -> &str {
            self.0.target()
        }
        fn slots(&self) -> u32 {
            self.0.slots()
        }
        fn block_size(&self) -> u32 {
            self.0.block_size()
        }
        fn buffer(&mut self, slot: u32) -> &mut [u8] {
            self.0.buffer(slot)
        }
        fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError> {
            self.0.submit(ops)
        }
        fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
            self.1 -= 1;
            if self.1 == 0 {
                let source = std::io::Error::from_raw_os_error(libc::EBADF);
                return Err(EngineError::Ring { act: "wait for completions", target: "the test".to_owned(), source });
            }
            self.0.reap(patience, done)
        }
    }

    #[test]
    fn an_error_of_one_lane_stops_all_and_names_it() {
        let endless = Job { extent: Extent::Runtime(Duration::from_secs(600)), ..job(Rw::RandRead, 4096, 4) };
        let breaks = |lane: usize, job: &Job| -> Result<Box<dyn Lane>, EngineError> {
            if lane == 2 { Ok(Box::new(Breaks(Null::new(4096, job.iodepth), 100))) } else { null(lane, job) }
        };
        let error = run(&endless, 4, &breaks, None).expect_err("one breaks");
        assert!(matches!(error, EngineError::Lane { lane: 2, lanes: 4, .. }), "{error}");
        let closed = |lane: usize, job: &Job| -> Result<Box<dyn Lane>, EngineError> {
            let source = std::io::Error::from_raw_os_error(libc::EACCES);
            if lane == 1 { Err(EngineError::Setup { act: "set up io_uring", target: "the test".to_owned(), source }) } else { null(lane, job) }
        };
        assert!(matches!(run(&endless, 2, &closed, None), Err(EngineError::Lane { lane: 1, lanes: 2, .. })));
        let pinned = drive_lanes(&endless, &[vec![100_000], Vec::new()], &null, None, &AtomicBool::new(false), None);
        assert!(matches!(pinned, Err(EngineError::Lane { lane: 0, .. })), "there is no such processor");
    }

    #[test]
    fn series_of_lanes_add_up_whatever_their_ticks() {
        let one: &[(f64, f64)] = &[(0.1, 100.0), (0.2, 100.0), (0.3, 100.0)];
        let two: &[(f64, f64)] = &[(0.15, 200.0), (0.25, 0.0)];
        let sum = sum_of_series(&[one, two, &[]]);
        assert_eq!(sum.len(), 3);
        for ((at, rate), expected) in sum.iter().zip([(0.1, 300.0), (0.2, 200.0), (0.3, 100.0)]) {
            assert!((at - expected.0).abs() < 1e-9 && (rate - expected.1).abs() < 1e-6, "{sum:?}");
        }
        assert!(sum_of_series(&[]).is_empty());
    }
}
