//! Both sides of one comparison with the same parameters: our engine under its driver, and the variants of fio's flags of which the best is taken.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use assay_bench::engine::null::Null;
use assay_bench::engine::uring::{Options, Uring, WriteLeave};
use assay_bench::{EngineError, Extent, History, Job, JobResult, Rw, Span, Verify, drive};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::claim::Leave;
use crate::error::chain;
use crate::fio::place::Place;
use crate::printable::Printable;

/// Every operation has so many bytes.
pub(super) const BS: u32 = 4096;
/// Bytes of one operation of the layout.
const LAYOUT_BS: u32 = 1 << 20;
/// What is not measured at the beginning of each side.
pub(super) const RAMP: Duration = Duration::from_millis(300);
/// Bytes that a side writes at most, its ramp included.
pub(super) const WRITTEN_MAX: u64 = 16 << 30;
/// The range that the null engines pretend to have.
const NULL_SPAN: Span = Span { start: 0, bytes: 1 << 30 };

/// What a comparison works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// Nothing: operations complete at once.
    Null,
    /// A block device: the operator's, or a loop device over a file on tmpfs, whose worker is the limit there.
    Device,
    /// A file on tmpfs: the page cache.
    PageCache,
    /// A zram device.
    Zram,
}

/// How operations reach a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The block layer, which is told of completions by interrupts.
    Blocks,
    /// The block layer, completions polled for at the drive.
    Polled,
    /// NVMe commands through the character device.
    Commands,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparison {
    /// Its permanent name.
    pub(super) name: &'static str,
    pub(super) describe: &'static str,
    pub(super) subject: Subject,
    pub(super) way: Way,
    /// Made only where the device is a drive.
    pub(super) only_drives: bool,
    pub(super) rw: Rw,
    pub(super) iodepth: u32,
    /// Ours: stamps are written, or every block that is read is compared.
    pub(super) verify: Verify,
}

/// Every comparison. The one that lets fio write the loop device is the last on it: afterwards its content is not ours.
pub(super) const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "null-4k",
        describe: "operations that do nothing, every latency recorded, one thread",
        subject: Subject::Null,
        way: Way::Blocks,
        only_drives: false,
        rw: Rw::RandRead,
        iodepth: 128,
        verify: Verify::Off,
    },
    Comparison {
        name: "randwrite-stamped-4k-null",
        describe: "writes that go nowhere, stamped by assay, with verify=crc32c of fio: what a stamp costs each",
        subject: Subject::Null,
        way: Way::Blocks,
        only_drives: false,
        rw: Rw::RandWrite,
        iodepth: 32,
        verify: Verify::Stamp,
    },
    Comparison {
        name: "randread-4k-qd32",
        describe: "random reads of a block device",
        subject: Subject::Device,
        way: Way::Blocks,
        only_drives: false,
        rw: Rw::RandRead,
        iodepth: 32,
        verify: Verify::Off,
    },
    Comparison {
        name: "verify-4k-qd32",
        describe: "random reads of a block device, every block verified by assay and none by fio",
        subject: Subject::Device,
        way: Way::Blocks,
        only_drives: false,
        rw: Rw::RandRead,
        iodepth: 32,
        verify: Verify::Stamp,
    },
    Comparison {
        name: "randread-4k-qd1-drive",
        describe: "random reads of a drive, one at a time",
        subject: Subject::Device,
        way: Way::Blocks,
        only_drives: true,
        rw: Rw::RandRead,
        iodepth: 1,
        verify: Verify::Off,
    },
    Comparison {
        name: "randread-4k-qd1-hipri",
        describe: "random reads of a drive, one at a time, completions polled for",
        subject: Subject::Device,
        way: Way::Polled,
        only_drives: true,
        rw: Rw::RandRead,
        iodepth: 1,
        verify: Verify::Off,
    },
    Comparison {
        name: "randread-4k-qd32-cmd",
        describe: "random reads of a drive by NVMe commands past the block layer",
        subject: Subject::Device,
        way: Way::Commands,
        only_drives: true,
        rw: Rw::RandRead,
        iodepth: 32,
        verify: Verify::Off,
    },
    Comparison {
        name: "randwrite-stamped-4k-qd32",
        describe: "random writes of a block device, stamped by assay, with verify=crc32c of fio",
        subject: Subject::Device,
        way: Way::Blocks,
        only_drives: false,
        rw: Rw::RandWrite,
        iodepth: 32,
        verify: Verify::Stamp,
    },
    Comparison {
        name: "randread-4k-qd1",
        describe: "random reads of the page cache, one at a time",
        subject: Subject::PageCache,
        way: Way::Blocks,
        only_drives: false,
        rw: Rw::RandRead,
        iodepth: 1,
        verify: Verify::Off,
    },
    Comparison {
        name: "randread-4k-qd1-zram",
        describe: "random reads of a zram device, one at a time",
        subject: Subject::Zram,
        way: Way::Blocks,
        only_drives: false,
        rw: Rw::RandRead,
        iodepth: 1,
        verify: Verify::Off,
    },
];

impl Comparison {
    /// Whether it is made where the operator's device is a drive, or where it is not.
    pub(super) fn is_made(&self, on_a_drive: bool) -> bool {
        match self.subject {
            Subject::Null => true,
            Subject::Device => on_a_drive || !self.only_drives,
            Subject::PageCache | Subject::Zram => !on_a_drive,
        }
    }
}

/// Our side: what it works with, and what it remembers of the content.
pub(super) struct Ours<'a> {
    pub(super) place: Option<&'a Place>,
    pub(super) history: Option<&'a History>,
    pub(super) stamp_seed: u64,
    pub(super) cpu: u32,
    pub(super) stop: &'a AtomicBool,
}

impl Ours<'_> {
    /// Writes the whole place with stamped blocks, then reads and compares all of them.
    pub(super) fn lay_out(&self) -> Result<(), String> {
        for rw in [Rw::Write, Rw::Read] {
            let job = Job { bs: LAYOUT_BS.into(), extent: Extent::WholeSpan, ..self.job(rw, 8, Verify::Stamp, Duration::ZERO, 1) };
            self.drive(&job, Way::Blocks)?;
        }
        Ok(())
    }

    /// One measured side.
    pub(super) fn measure(&self, comparison: &Comparison, runtime: Duration, seed: u64) -> Result<JobResult, String> {
        let job = self.job(comparison.rw, comparison.iodepth, comparison.verify, runtime, seed);
        let result = self.drive(&job, comparison.way)?;
        // A figure of a side that was told to stop is dropped by whoever told it.
        if result.stopped || result.iops() > 0.0 { Ok(result) } else { Err("no operation of assay was measured".to_owned()) }
    }

    /// The reason why the device cannot be reached so, where it cannot: no comparison, and no failure.
    pub(super) fn not_configured(&self, comparison: &Comparison) -> Result<Option<String>, String> {
        let Some(place) = self.place else { return Ok(None) };
        let leave = place.leave()?;
        match open(place, leave.as_ref(), &self.job(comparison.rw, comparison.iodepth, comparison.verify, Duration::ZERO, 1), comparison.way) {
            Ok(_) => Ok(None),
            Err(error @ EngineError::NotConfigured { .. }) => Ok(Some(chain(&error))),
            Err(error) => Err(chain(&error)),
        }
    }

    /// What our side is, for people.
    pub(super) fn describe(&self, comparison: &Comparison) -> String {
        let verify = match (comparison.verify, comparison.rw.writes()) {
            (Verify::Off, _) => "not looked at",
            (Verify::Stamp, true) => "stamped (place, generation, seed, XXH3-64)",
            (Verify::Stamp, false) => "compared with stamp and write history, every block",
        };
        let engine = match (self.place, comparison.way) {
            (None, _) => "null",
            (Some(_), Way::Blocks) => "uring",
            (Some(_), Way::Polled) => "uring with hipri",
            (Some(_), Way::Commands) => "uring_cmd",
        };
        format!(
            "engine {engine}, rw={} bs={BS} iodepth={}, content {verify}, every latency in a histogram, one thread on CPU {}",
            comparison.rw.name(),
            comparison.iodepth,
            self.cpu
        )
    }

    fn job(&self, rw: Rw, iodepth: u32, verify: Verify, runtime: Duration, seed: u64) -> Job {
        Job {
            ramp_time: RAMP,
            extent: Extent::Runtime(runtime),
            io_size: (self.place.is_some() && rw.writes() && !runtime.is_zero()).then_some(WRITTEN_MAX),
            seed,
            stamp_seed: self.stamp_seed,
            verify,
            ..Job::new(rw, BS, iodepth, self.place.map_or(NULL_SPAN, Place::span))
        }
    }

    /// On a thread of its own: fio is a child of this one, and would inherit the pinning.
    fn drive(&self, job: &Job, way: Way) -> Result<JobResult, String> {
        let (place, stop, cpu) = (self.place, self.stop, self.cpu);
        let history = self.history.filter(|_| job.verify == Verify::Stamp);
        let work = || -> Result<JobResult, String> {
            pin(cpu);
            let told = |error: EngineError| chain(&error);
            let Some(place) = place else {
                let history = (job.verify == Verify::Stamp).then(|| History::new(NULL_SPAN));
                return drive(job, &mut Null::new(job.bs.largest(), job.iodepth), history.as_ref(), stop, None).map_err(told);
            };
            let leave = place.leave()?;
            let mut lane = open(place, leave.as_ref(), job, way).map_err(told)?;
            drive(job, &mut lane, history, stop, None).map_err(told)
        };
        let result = std::thread::scope(|scope| scope.spawn(work).join()).map_err(|_| "our measuring thread died".to_owned())??;
        let wrong = result.verification.failed.iter().chain(&result.verification.corrupt).map(|(what, count)| format!("{count} x {what}"));
        let wrong: Vec<String> = wrong.collect();
        // A side with failed operations or wrong content is no side of a ratio.
        if wrong.is_empty() { Ok(result) } else { Err(format!("operations of assay were wrong: {}", wrong.join(", "))) }
    }
}

fn open(place: &Place, leave: Option<&Leave>, job: &Job, way: Way) -> Result<Uring, EngineError> {
    let target = Printable::new(place.path()).to_string();
    let passthrough = match (way, leave.and_then(Leave::passthrough)) {
        (Way::Commands, None) => {
            let why = "the kernel has no character device for it".to_owned();
            return Err(EngineError::NotConfigured { what: "NVMe passthrough", target, why });
        }
        (Way::Commands, passthrough) => passthrough,
        (Way::Blocks | Way::Polled, _) => None,
    };
    let writable = leave.filter(|_| job.rw.writes()).map(|leave| leave as &dyn WriteLeave);
    let options = Options { hipri: way == Way::Polled, passthrough, ..Options::default() };
    let Some(file) = place.target() else {
        return Err(EngineError::Job { rw: job.rw.name(), target, why: "it is no file".to_owned() });
    };
    Uring::open(file, &target, job.bs.largest(), job.iodepth, writable, options)
}

fn pin(cpu: u32) {
    let mut set = CpuSet::new();
    if let Some(cpu) = usize::try_from(cpu).ok().filter(|cpu| *cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
        // Where the kernel does not allow it any more, it measures unpinned.
        let _ = sched_setaffinity(None, &set);
    }
}

/// The words of fio for a comparison in every variant that helps it somewhere, all with its latency accounting. Which is best differs by kernel and depth.
pub(super) fn variants(comparison: &Comparison, place: Option<&Place>, runtime: Duration, cpu: u32) -> Vec<Vec<String>> {
    let depth = comparison.iodepth;
    let mut common = words(&["--name=calibrate", "--thread", "--norandommap"]);
    common.push(match place {
        // With time_based, fio looks at no bound of bytes; with io_size and lfsr it ends after one pass.
        Some(place) if comparison.rw.writes() => format!("--loops={}", (WRITTEN_MAX / place.span().bytes).max(1)),
        Some(_) | None => "--time_based".to_owned(),
    });
    common.extend([
        format!("--rw={}", comparison.rw.name()),
        format!("--bs={BS}"),
        format!("--iodepth={depth}"),
        format!("--ramp_time={}ms", RAMP.as_millis()),
        format!("--runtime={}ms", runtime.as_millis()),
    ]);
    match place {
        None => common.extend([words(&["--ioengine=null"]), vec![format!("--size={}", NULL_SPAN.bytes)]].concat()),
        Some(place) => {
            let span = place.span();
            let path = if comparison.way == Way::Commands { place.commands_path() } else { place.path() };
            common.extend(words(match comparison.way {
                Way::Blocks => &["--ioengine=io_uring", "--direct=1"],
                Way::Polled => &["--ioengine=io_uring", "--direct=1", "--hipri=1"],
                Way::Commands => &["--ioengine=io_uring_cmd", "--cmd_type=nvme"],
            }));
            common.extend(words(&["--fixedbufs=1", "--registerfiles=1"]));
            common.extend([format!("--filename={}", path.display()), format!("--offset={}", span.start), format!("--size={}", span.bytes)]);
        }
    }
    if comparison.rw.writes() {
        common.extend(words(&["--verify=crc32c", "--do_verify=0", "--verify_state_save=0"]));
    }
    let batch = |count: u32| {
        vec![format!("--iodepth_batch_submit={count}"), format!("--iodepth_batch_complete_max={count}"), "--iodepth_batch_complete_min=1".to_owned()]
    };
    let pinned = vec![format!("--cpus_allowed={cpu}")];
    let mut extras: Vec<Vec<String>> = vec![Vec::new(), pinned.clone(), words(&["--random_generator=lfsr"])];
    if depth > 1 {
        extras.extend([batch(depth), [batch(depth), pinned.clone()].concat(), batch(depth / 4), [batch(depth / 4), pinned.clone()].concat()]);
        extras.push([batch(depth), words(&["--random_generator=lfsr"])].concat());
    }
    if comparison.rw.writes() {
        // Otherwise fio draws the content of every block anew.
        let fixed = words(&["--verify_pattern=0x5aa5f00d"]);
        extras.extend([fixed.clone(), [fixed.clone(), batch(depth)].concat(), [fixed, batch(depth), pinned].concat()]);
    }
    extras.into_iter().map(|extra| [common.clone(), extra].concat()).collect()
}

/// fio fills a device that assay may only read: half of each block can be compressed, as a zram device expects.
pub(super) fn fill(place: &Place) -> Vec<String> {
    let mut fill = words(&["--name=fill", "--rw=write", "--bs=1m", "--ioengine=io_uring", "--iodepth=4", "--direct=1", "--thread"]);
    fill.extend(words(&["--refill_buffers", "--buffer_compress_percentage=50"]));
    fill.extend([format!("--filename={}", place.path().display()), format!("--size={}", place.span().bytes)]);
    fill
}

fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_keeps_the_parameters_and_the_accounting_and_names_are_unique() {
        let mut names: Vec<&str> = COMPARISONS.iter().map(|one| one.name).collect();
        for wanted in ["null-4k", "randread-4k-qd32", "randread-4k-qd1", "verify-4k-qd32", "randwrite-stamped-4k-qd32"] {
            assert!(names.contains(&wanted), "{wanted}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COMPARISONS.len());
        for comparison in COMPARISONS {
            let all = variants(comparison, None, Duration::from_secs(2), 1);
            assert!(all.len() >= 3);
            for words in all {
                assert!(words.contains(&format!("--iodepth={}", comparison.iodepth)) && words.contains(&"--bs=4096".to_owned()), "{words:?}");
                assert!(!words.iter().any(|word| word.contains("gtod_reduce") || word.contains("disable_")), "{words:?}");
                assert_eq!(words.contains(&"--verify=crc32c".to_owned()), comparison.rw.writes());
            }
        }
    }

    #[test]
    fn what_fio_writes_to_a_device_is_bounded_as_what_we_do() {
        let folder = tempfile::tempdir_in("/dev/shm").expect("a folder");
        let place = Place::file(folder.path(), "calibrate", 1 << 20).expect("a file");
        for comparison in COMPARISONS {
            for words in variants(comparison, Some(&place), Duration::from_secs(600), 1) {
                let has = |word: &str| words.iter().any(|one| one == word);
                assert_eq!((has("--loops=16384"), has("--time_based")), (comparison.rw.writes(), !comparison.rw.writes()), "{words:?}");
            }
        }
    }
}
