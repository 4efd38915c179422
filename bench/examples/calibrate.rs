//! Interleaved pairs of our engines against fio with the same parameters, both with full latency accounting:
//! `cargo run --release -p assay-bench --example calibrate -- [pairs] [seconds per side] [folder of the scratch file]`.
//! Prints every pair, the median of the pairwise ratios and their range.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use assay_bench::engine::null::Null;
use assay_bench::engine::uring::{Uring, WriteLeave};
use assay_bench::{Extent, History, Job, Rw, Span, Verify, drive};

const SIZE: u64 = 256 << 20;

struct Ours(Span);

impl WriteLeave for Ours {
    fn span(&self) -> Span {
        self.0
    }
}

fn job(rw: Rw, iodepth: u32, runtime: Duration, verify: Verify) -> Job {
    let span = Span { start: 0, bytes: SIZE };
    let ramp_time = Duration::from_millis(300);
    Job { ramp_time, extent: Extent::Runtime(runtime), seed: 7, stamp_seed: 7, verify, ..Job::new(rw, 4096, iodepth, span) }
}

fn fio(words: &[String]) -> f64 {
    let output = Command::new("fio").args(words).args(["--output-format=json"]).output().expect("fio is installed");
    assert!(output.status.success(), "fio {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let json: serde_json::Value = serde_json::from_str(&text[text.find('{').expect("json")..]).expect("fio answers in JSON");
    json["jobs"][0]["read"]["iops"].as_f64().expect("a figure")
}

fn pairs(name: &str, count: usize, mut ours: impl FnMut() -> f64, mut theirs: impl FnMut() -> f64) {
    let mut ratios = Vec::new();
    for pair in 0..count {
        // Who goes first alternates, so that drift of the machine favours nobody.
        let (mine, fios) = if pair % 2 == 0 {
            let mine = ours();
            (mine, theirs())
        } else {
            let fios = theirs();
            (ours(), fios)
        };
        ratios.push(mine / fios);
        println!("{name} pair {pair}: ours {mine:.0} op/s, fio {fios:.0} op/s, ratio {:.3}", mine / fios);
    }
    ratios.sort_by(f64::total_cmp);
    let median = if count.is_multiple_of(2) { f64::midpoint(ratios[count / 2 - 1], ratios[count / 2]) } else { ratios[count / 2] };
    println!("{name}: median ratio {median:.3}, from {:.3} to {:.3}, {count} pairs", ratios[0], ratios[count - 1]);
    std::io::stdout().flush().expect("flushes");
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let count = words.first().map_or(10, |word| word.parse().expect("a number of pairs"));
    let seconds: u64 = words.get(1).map_or(3, |word| word.parse().expect("seconds"));
    let folder = words.get(2).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let runtime = Duration::from_secs(seconds);
    let stop = AtomicBool::new(false);

    let null = || drive(&job(Rw::RandRead, 128, runtime, Verify::Off), &mut Null::new(4096, 128), None, &stop, None).expect("runs").iops();
    let common = |engine: &str, depth: u32| -> Vec<String> {
        ["--name=x", "--rw=randread", "--bs=4k", "--time_based", "--thread", "--ramp_time=300ms", "--norandommap", "--randrepeat=1"]
            .iter()
            .map(ToString::to_string)
            .chain([format!("--ioengine={engine}"), format!("--iodepth={depth}"), format!("--runtime={seconds}s"), format!("--size={SIZE}")])
            .collect()
    };
    let batched = ["--iodepth_batch_submit=128", "--iodepth_batch_complete_max=128", "--iodepth_batch_complete_min=1"].map(String::from);
    pairs("null 4k qd128", count, null, || fio(&[common("null", 128), batched.to_vec()].concat()));

    let path = folder.join("assay-calibrate.scratch");
    let file = scratch(&path);
    let history = History::new(Span { start: 0, bytes: SIZE });
    lay_out(&file, &history, &stop);
    for (name, depth, verify) in [
        ("randread 4k qd32", 32, Verify::Off),
        ("randread 4k qd32, every block verified by us", 32, Verify::Stamp),
        ("randread 4k qd1", 1, Verify::Off),
    ] {
        let direct = ["--direct=1", "--fixedbufs=1", "--registerfiles=1"].map(String::from);
        let batched =
            [format!("--iodepth_batch_submit={depth}"), format!("--iodepth_batch_complete_max={depth}"), "--iodepth_batch_complete_min=1".into()];
        let ours = || {
            let job = job(Rw::RandRead, depth, runtime, verify);
            let mut lane = Uring::open(&file, "the scratch file", 4096, depth, None).expect("opens");
            let result = drive(&job, &mut lane, Some(&history), &stop, None).expect("runs");
            assert!(result.verification.corrupt.is_empty() && result.verification.failed.is_empty(), "{:?}", result.verification);
            result.iops()
        };
        let filename = format!("--filename={}", path.display());
        pairs(name, count, ours, || fio(&[common("io_uring", depth), direct.to_vec(), batched.to_vec(), vec![filename.clone()]].concat()));
    }
    std::fs::remove_file(&path).expect("removes its scratch file");
}

fn scratch(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create_new(true).custom_flags(libc::O_DIRECT).open(path).expect("a new scratch file")
}

fn lay_out(file: &File, history: &History, stop: &AtomicBool) {
    let span = Span { start: 0, bytes: SIZE };
    let job = Job { rw: Rw::Write, bs: (1 << 20).into(), extent: Extent::WholeSpan, ..job(Rw::Write, 8, Duration::ZERO, Verify::Stamp) };
    let mut lane = Uring::open(file, "the scratch file", job.bs.largest(), job.iodepth, Some(&Ours(span))).expect("opens");
    let result = drive(&job, &mut lane, Some(history), stop, None).expect("lays out");
    assert_eq!(result.verification.operations, SIZE >> 20);
}
