//! The sides of one comparison with the same parameters: our engine under its driver, the variants of fio's flags of which the best is taken, and `rbd bench`.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use assay_bench::engine::rbd::{self, Connect};
use assay_bench::engine::uring::WriteLeave;
use assay_bench::{EngineError, Extent, History, Job, JobResult, Rw, Span, Verify, drive};

use crate::claim::{Claim, Target};
use crate::error::chain;

/// What is not measured at the beginning of our side and fio's; `rbd bench` has no such time.
pub(super) const RAMP: Duration = Duration::from_millis(300);
/// Bytes of one operation of the layout.
const LAYOUT_BS: u32 = 4 << 20;
/// Operations of it that are out.
const LAYOUT_DEPTH: u32 = 4;

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparison {
    /// Its permanent name.
    pub(super) name: &'static str,
    /// The name of the same beside `rbd bench`.
    pub(super) beside_bench: &'static str,
    pub(super) describe: &'static str,
    pub(super) rw: Rw,
    pub(super) bs: u32,
    pub(super) iodepth: u32,
}

/// Every comparison.
pub(super) const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "rbd-randwrite-4k-qd16",
        beside_bench: "rbd-randwrite-4k-qd16-bench",
        describe: "random writes of an image, every block stamped by assay",
        rw: Rw::RandWrite,
        bs: 4096,
        iodepth: 16,
    },
    Comparison {
        name: "rbd-randread-4k-qd16",
        beside_bench: "rbd-randread-4k-qd16-bench",
        describe: "random reads of an image, every block verified by assay",
        rw: Rw::RandRead,
        bs: 4096,
        iodepth: 16,
    },
    Comparison {
        name: "rbd-write-4m-qd4",
        beside_bench: "rbd-write-4m-qd4-bench",
        describe: "sequential writes of an image, every block stamped by assay",
        rw: Rw::Write,
        bs: 4 << 20,
        iodepth: 4,
    },
    Comparison {
        name: "rbd-read-4m-qd4",
        beside_bench: "rbd-read-4m-qd4-bench",
        describe: "sequential reads of an image, every block verified by assay",
        rw: Rw::Read,
        bs: 4 << 20,
        iodepth: 4,
    },
];

/// Our side: the image that only we write, and what we remember of its content.
pub(super) struct Ours {
    pub(super) claim: Claim,
    pub(super) history: History,
}

impl Ours {
    pub(super) fn new(claim: Claim) -> Self {
        let history = History::new(span(&claim));
        Self { claim, history }
    }

    /// Writes the whole image with stamped blocks.
    pub(super) fn lay_out(&self, stop: &AtomicBool) -> Result<(), String> {
        self.pass(Rw::Write, stop)
    }

    /// Reads and compares all of it.
    pub(super) fn verify(&self, stop: &AtomicBool) -> Result<(), String> {
        self.pass(Rw::Read, stop)
    }

    fn pass(&self, rw: Rw, stop: &AtomicBool) -> Result<(), String> {
        let job = Job { extent: Extent::WholeSpan, ramp_time: Duration::ZERO, ..self.job(rw, LAYOUT_BS, LAYOUT_DEPTH, Duration::ZERO, 1) };
        self.drive(&job, stop).map(drop)
    }

    /// One measured side.
    pub(super) fn measure(&self, comparison: &Comparison, runtime: Duration, seed: u64, stop: &AtomicBool) -> Result<JobResult, String> {
        let result = self.drive(&self.job(comparison.rw, comparison.bs, comparison.iodepth, runtime, seed), stop)?;
        // A figure of a side that was told to stop is dropped by whoever told it.
        if result.stopped || result.iops() > 0.0 { Ok(result) } else { Err("no operation of assay was measured".to_owned()) }
    }

    fn job(&self, rw: Rw, bs: u32, iodepth: u32, runtime: Duration, seed: u64) -> Job {
        let job = Job::new(rw, bs, iodepth, span(&self.claim));
        Job { ramp_time: RAMP, extent: Extent::Runtime(runtime), seed, stamp_seed: 7, verify: Verify::Stamp, ..job }
    }

    fn drive(&self, job: &Job, stop: &AtomicBool) -> Result<JobResult, String> {
        let told = |error: EngineError| chain(&error);
        let leave = self.claim.leave().map_err(|refusal| refusal.to_string())?;
        let Target::Image(image) = leave.on() else { return Err("it is no image".to_owned()) };
        let writable = job.rw.writes().then_some(&leave as &dyn WriteLeave);
        let mut lane = rbd::open(image, job.bs.largest(), job.iodepth, writable).map_err(told)?;
        let result = drive(job, &mut lane, Some(&self.history), stop, None).map_err(told)?;
        let wrong = result.verification.failed.iter().chain(&result.verification.corrupt).map(|(what, count)| format!("{count} x {what}"));
        let wrong: Vec<String> = wrong.collect();
        // A side with failed operations or wrong content is no side of a ratio.
        if wrong.is_empty() { Ok(result) } else { Err(format!("operations of assay were wrong: {}", wrong.join(", "))) }
    }

    /// What our side is, for people.
    pub(super) fn describe(&self, comparison: &Comparison) -> String {
        let verify =
            if comparison.rw.writes() { "stamped (place, generation, seed, XXH3-64)" } else { "compared with stamp and write history, every block" };
        format!(
            "engine rbd, rw={} bs={} iodepth={}, content {verify}, every latency in a histogram, one thread on any CPU; {}",
            comparison.rw.name(),
            comparison.bs,
            comparison.iodepth,
            self.claim.describe()
        )
    }
}

fn span(claim: &Claim) -> Span {
    Span { start: claim.start(), bytes: claim.bytes() }
}

/// The pool and the name of an image.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) pool: String,
    pub(super) image: String,
    pub(super) bytes: u64,
}

fn reached(named: &Named) -> Vec<String> {
    let user = Connect::user().unwrap_or_else(|| "admin".to_owned());
    vec!["--ioengine=rbd".to_owned(), format!("--clientname={user}"), format!("--pool={}", named.pool), format!("--rbdname={}", named.image)]
}

/// The words of fio for a comparison in every variant that helps it somewhere, all with its latency accounting.
pub(super) fn variants(comparison: &Comparison, named: &Named, runtime: Duration) -> Vec<Vec<String>> {
    let depth = comparison.iodepth;
    let mut common = words(&["--name=calibrate", "--thread", "--norandommap", "--time_based", "--direct=1"]);
    common.extend(reached(named));
    common.extend([
        format!("--rw={}", comparison.rw.name()),
        format!("--bs={}", comparison.bs),
        format!("--iodepth={depth}"),
        format!("--size={}", named.bytes),
        format!("--ramp_time={}ms", RAMP.as_millis()),
        format!("--runtime={}ms", runtime.as_millis()),
    ]);
    let batch = |count: u32| {
        vec![format!("--iodepth_batch_submit={count}"), format!("--iodepth_batch_complete_max={count}"), "--iodepth_batch_complete_min=1".to_owned()]
    };
    // Busy polling takes a processor from the OSDs where they share the host, and gains where they do not.
    let extras = [Vec::new(), words(&["--busy_poll=1"]), batch(depth), batch((depth / 4).max(1))];
    extras.into_iter().map(|extra| [common.clone(), extra].concat()).collect()
}

/// fio fills the image that it and `rbd bench` work on.
pub(super) fn fill(named: &Named) -> Vec<String> {
    let mut fill = words(&["--name=fill", "--rw=write", "--bs=4m", "--iodepth=4", "--thread", "--refill_buffers"]);
    fill.extend(reached(named));
    fill.push(format!("--size={}", named.bytes));
    fill
}

/// The words of `rbd` for a bench that does so many operations: it knows no time.
pub(super) fn bench(comparison: &Comparison, named: &Named, operations: u64) -> Vec<String> {
    let user = Connect::user().unwrap_or_else(|| "admin".to_owned());
    let kind = if comparison.rw.writes() { "write" } else { "read" };
    let pattern = if comparison.rw.is_random() { "rand" } else { "full-seq" };
    let (bs, depth) = (comparison.bs, comparison.iodepth);
    let total = operations.max(u64::from(depth)) * u64::from(bs) / 1024;
    let mut bench = words(&["bench", "--id"]);
    bench.push(user);
    bench.extend([format!("--io-type={kind}"), format!("--io-size={}K", bs / 1024), format!("--io-threads={depth}")]);
    bench.extend([format!("--io-total={total}K"), format!("--io-pattern={pattern}"), format!("{}/{}", named.pool, named.image)]);
    bench
}

fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named() -> Named {
        Named { pool: "rbd-vms".to_owned(), image: "assay-scratch-x-theirs".to_owned(), bytes: 256 << 20 }
    }

    #[test]
    fn every_side_keeps_the_parameters_and_names_are_unique() {
        let mut names: Vec<&str> = COMPARISONS.iter().flat_map(|one| [one.name, one.beside_bench]).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 2 * COMPARISONS.len());
        for comparison in COMPARISONS {
            let (bs, depth) = (comparison.bs, comparison.iodepth);
            for words in variants(comparison, &named(), Duration::from_secs(2)) {
                let has = |word: &str| words.iter().any(|one| one == word);
                assert!(has(&format!("--iodepth={depth}")) && has(&format!("--bs={bs}")) && has("--ioengine=rbd"), "{words:?}");
                assert!(has("--pool=rbd-vms") && has("--rbdname=assay-scratch-x-theirs"), "{words:?}");
                assert!(
                    !words.iter().any(|word| word.contains("gtod_reduce") || word.contains("disable_") || word.contains("filename")),
                    "{words:?}"
                );
            }
            let words = bench(comparison, &named(), 1000).join(" ");
            let kib = bs / 1024;
            let expected = format!("--io-size={kib}K --io-threads={depth} --io-total={}K", 1000 * kib);
            assert!(words.contains(&expected) && words.ends_with("rbd-vms/assay-scratch-x-theirs"), "{words}");
        }
    }
}
