//! fio's job files as scenarios. What assay does otherwise, or not at all, is an error with the line: an option that were ignored would give a figure of
//! something else than the file says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use assay_model::source::FileError;

use crate::scenario::{IoSpec, Scenario, Work};

/// A job file that was read.
#[derive(Debug)]
pub struct JobFile {
    /// What it does.
    pub scenario: Scenario,
    /// `directory` or `filename`, where all jobs name the same.
    pub target: Option<PathBuf>,
}

/// One job with what [global] says: each option with the line that says it.
type Options = BTreeMap<String, (String, usize)>;

/// Options that change nothing of what assay does anyway, with the values that they may have; none means any.
const GRANTED: &[(&str, &[&str])] = &[
    ("direct", &["1"]),
    ("buffered", &["0"]),
    ("fixedbufs", &["1", ""]),
    ("registerfiles", &["1", ""]),
    ("norandommap", &["1", ""]),
    ("thread", &["1", ""]),
    ("invalidate", &["0", "1"]),
    ("group_reporting", &["1", ""]),
    ("time_based", &["1", ""]),
    ("stonewall", &["1", ""]),
    ("refill_buffers", &["1", ""]),
    ("scramble_buffers", &["1", ""]),
    ("randrepeat", &["0", "1"]),
    ("end_fsync", &["0"]),
    ("overwrite", &["0", "1"]),
    // Every block is verified, by a checksum of our own.
    ("verify", &["0", "md5", "crc16", "crc32", "crc32c", "crc32c-intel", "crc64", "xxhash", "sha256", "sha512", "meta"]),
    ("name", &[]),
    ("description", &[]),
];

/// Options that the text of the scenario is made of.
const USED: &[&str] = &[
    "ioengine",
    "rw",
    "bs",
    "bssplit",
    "iodepth",
    "numjobs",
    "runtime",
    "ramp_time",
    "size",
    "io_size",
    "rwmixread",
    "rwmixwrite",
    "random_distribution",
    "fsync",
    "rate_iops",
    "rate_process",
    "hipri",
    "sqthread_poll",
    "buffer_compress_percentage",
    "filename",
    "directory",
];

/// Other names of the same options.
const ALIASES: &[(&str, &str)] = &[
    ("readwrite", "rw"),
    ("blocksize", "bs"),
    ("blocksize_split", "bssplit"),
    ("io_limit", "io_size"),
    ("timeout", "runtime"),
    ("iodepth_batch", ""),
];

/// A write of fio ends with its size or its time; ours has a bound of bytes. Without `io_size`, a drive of 16 GB/s would end the time first.
const BYTES_PER_SECOND: u64 = 16 << 30;

/// Reads a job file. `engines` are those that a scenario may use.
pub fn read(file: &str, text: &str, engines: &[&str]) -> Result<JobFile, FileError> {
    let reader = Reader { file, text };
    let jobs = reader.jobs()?;
    let Some((_, first)) = jobs.first() else { return Err(reader.error(1, "expected at least one job: a section that is not [global]")) };
    let size = reader.size(first, 1)?;
    let mut target: Option<PathBuf> = None;
    let mut steps = String::new();
    for (number, (name, options)) in jobs.iter().enumerate() {
        let line = options.values().map(|(_, line)| *line).max().unwrap_or(1);
        let at_once = number > 0 && !options.contains_key("stonewall");
        if at_once {
            return Err(reader.error(line, &format!("job [{name}] begins with the one before it; assay does one after the other: say stonewall")));
        }
        if reader.size(options, line)? != size {
            return Err(reader.error(line, &format!("job [{name}] has another size than the first one: one target has one size")));
        }
        let own = options.get("directory").or_else(|| options.get("filename")).map(|(path, _)| PathBuf::from(path));
        if number > 0 && own != target {
            return Err(reader.error(line, &format!("job [{name}] works on another target than the first one")));
        }
        target = own;
        reader.step(&mut steps, number, name, options)?;
    }
    let scenario = format!(
        "schema = 1\nname = \"fio-job\"\ndescribe = \"the jobs of a fio job file\"\n[target]\nsize = \"{}MiB\"\n\
         [[step]]\nname = \"layout\"\ndescribe = \"writes the target with stamped blocks, as fio lays out its files\"\n\
         [[step.io]]\nengine = \"uring\"\nrw = \"write\"\nbs = \"1MiB\"\niodepth = 8\nwhole = true\n{steps}",
        size >> 20
    );
    // What the scenario refuses is said of the job file: its lines are not those of the text that was made here.
    let scenario = Scenario::parse(file, &scenario, engines).map_err(|error| reader.error(1, &error.message))?;
    Ok(JobFile { scenario, target })
}

/// The family of the figures of a job of which these are the options, however long it ran and on whatever; or the option that assay does not honour.
pub(super) fn family(options: &BTreeMap<String, String>) -> Result<String, String> {
    const OF_THE_RUN: &[&str] = &[
        "name",
        "description",
        "filename",
        "directory",
        "size",
        "io_size",
        "io_limit",
        "runtime",
        "timeout",
        "ramp_time",
        "time_based",
        "stonewall",
    ];
    let mut text = "[job]\nsize=1g\ntime_based\nruntime=1\n".to_owned();
    for (key, value) in options.iter().filter(|(key, _)| !OF_THE_RUN.contains(&key.as_str())) {
        // Operations of the same kind, as many at once, on the same path through the kernel.
        let value = if (key.as_str(), value.as_str()) == ("ioengine", "libaio") { "io_uring" } else { value };
        writeln!(text, "{key}={}", value.replace('\n', " ")).expect("a string takes all");
    }
    let file = read("the job's options", &text, &crate::catalog::engines()).map_err(|error| error.message)?;
    let measured = file.scenario.steps.iter().flat_map(|step| &step.work).find_map(|work| match work {
        Work::Io(io) if io.extent.is_measured() => Some(IoSpec { name: None, ..io.clone() }.family()),
        Work::Io(_) | Work::Kernel(_) | Work::Net(_) | Work::Ceph(_) | Work::Drill(_) => None,
    });
    measured.ok_or_else(|| "nothing of it is measured".to_owned())
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn error(&self, line: usize, message: &str) -> FileError {
        let begin: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let length = self.text[begin..].lines().next().map_or(0, str::len);
        FileError::at(self.file, self.text, begin..begin + length, message)
    }

    fn jobs(&self) -> Result<Vec<(String, Options)>, FileError> {
        let mut global = Options::new();
        let mut jobs: Vec<(String, Options)> = Vec::new();
        let mut section: Option<String> = None;
        for (number, line) in (1..).zip(self.text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = Some(name.to_owned());
                if name != "global" {
                    jobs.push((name.to_owned(), global.clone()));
                }
                continue;
            }
            let (key, value) = line.split_once('=').map_or((line, ""), |(key, value)| (key.trim(), value.trim()));
            let key = ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, name)| name);
            self.allowed(number, key, value)?;
            match (&section, jobs.last_mut()) {
                (None, _) => return Err(self.error(number, "expected a section such as [global] before the first option")),
                (Some(name), _) if name == "global" => drop(global.insert(key.to_owned(), (value.to_owned(), number))),
                (Some(_), Some((_, options))) => drop(options.insert(key.to_owned(), (value.to_owned(), number))),
                (Some(_), None) => return Err(self.error(number, "expected a section such as [global] before the first option")),
            }
        }
        Ok(jobs)
    }

    fn allowed(&self, line: usize, key: &str, value: &str) -> Result<(), FileError> {
        if USED.contains(&key) {
            return Ok(());
        }
        match GRANTED.iter().find(|(name, _)| *name == key) {
            Some((_, values)) if values.is_empty() || values.contains(&value) => Ok(()),
            Some((_, values)) => Err(self.error(line, &format!("assay does not do {key}={value}; what it does is {key}={}", values.join(" or ")))),
            None => Err(self.error(line, &format!("assay does not honour the option `{key}`, and ignores none; take it out if it does not matter"))),
        }
    }

    fn size(&self, options: &Options, line: usize) -> Result<u64, FileError> {
        let Some((size, line)) = options.get("size") else { return Err(self.error(line, "expected size=, of every job")) };
        let bytes = self.bytes(size, *line)?;
        if bytes == 0 || bytes % (1 << 20) != 0 {
            return Err(self.error(*line, "expected a size of whole MiB"));
        }
        Ok(bytes)
    }

    // fio's units with kb_base=1024, as it is without that option: k and KiB are 1024 bytes.
    fn bytes(&self, text: &str, line: usize) -> Result<u64, FileError> {
        let lower = text.to_ascii_lowercase();
        let digits = lower.trim_end_matches(|c: char| !c.is_ascii_digit());
        let shift = match lower[digits.len()..].trim_end_matches("ib").trim_end_matches('b') {
            "" => Some(0),
            "k" => Some(10),
            "m" => Some(20),
            "g" => Some(30),
            "t" => Some(40),
            _ => None,
        };
        let value = digits.parse::<u64>().ok().zip(shift).and_then(|(number, shift)| number.checked_mul(1 << shift));
        value.ok_or_else(|| self.error(line, &format!("expected bytes such as 4k or 1g, found `{text}`")))
    }

    // Seconds without a unit.
    fn millis(&self, text: &str, line: usize) -> Result<u64, FileError> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let factor = match &text[digits.len()..] {
            "" | "s" => Some(1000),
            "ms" => Some(1),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            _ => None,
        };
        let value = digits.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
        value.ok_or_else(|| self.error(line, &format!("expected a time such as 30, 30s or 500ms, found `{text}`")))
    }

    /// The text of the step that a job is.
    fn step(&self, out: &mut String, number: usize, name: &str, options: &Options) -> Result<(), FileError> {
        let say = |out: &mut String, text: &str| writeln!(out, "{text}").expect("a string takes all");
        let get = |key: &str| options.get(key).map(|(value, line)| (value.as_str(), *line));
        let last = options.values().map(|(_, line)| *line).max().unwrap_or(1);
        if get("direct").is_none() && get("buffered").is_none() {
            return Err(self.error(last, &format!("job [{name}] goes through the page cache, as fio does without direct=1; assay does not")));
        }
        let (rw, line) = get("rw").unwrap_or(("read", last));
        let rw = if rw == "readwrite" { "rw" } else { rw };
        if !["read", "write", "randread", "randwrite", "rw", "randrw", "trim", "randtrim"].contains(&rw) {
            return Err(self.error(line, &format!("assay does not do rw={rw}")));
        }
        say(out, &format!("[[step]]\nname = \"job_{number}\"\ndescribe = {}", toml::Value::from(format!("job {name}"))));
        say(out, &format!("[[step.io]]\nname = \"job{number}\"\nrw = \"{rw}\""));
        match get("ioengine") {
            Some(("io_uring", _)) => say(out, "engine = \"uring\""),
            Some(("io_uring_cmd", _)) => say(out, "engine = \"uring_cmd\""),
            Some((other, line)) => return Err(self.error(line, &format!("assay does not do ioengine={other}; io_uring and io_uring_cmd it does"))),
            None => return Err(self.error(last, "expected ioengine=io_uring or io_uring_cmd: fio's own default is another")),
        }
        match (get("bssplit"), get("bs")) {
            (Some((split, _)), _) => say(out, &format!("bssplit = {}", toml::Value::from(split))),
            (None, bs) => say(out, &format!("bs = \"{}B\"", bs.map_or(Ok(4096), |(bs, line)| self.bytes(bs, line))?)),
        }
        say(out, &format!("iodepth = {}", self.number(get("iodepth"), 1)?));
        let jobs = self.number(get("numjobs"), 1)?;
        let is_mixed = matches!(rw, "rw" | "randrw");
        if let (true, Some((_, line))) = (jobs > 1 && !rw.starts_with("rand"), get("numjobs")) {
            return Err(self.error(
                line,
                &format!("each of fio's {jobs} jobs goes through all of it, one after the other; assay gives each lane a part of its own"),
            ));
        }
        if let (true, Some((_, line))) = (is_mixed, get("rate_iops")) {
            return Err(self.error(line, "fio's rate_iops is one of reads and another of writes; assay's rate is that of both together"));
        }
        let read_share = match (get("rwmixread"), get("rwmixwrite")) {
            (None, Some((write, line))) => Some(100_u64.saturating_sub(self.number(Some((write, line)), 50)?)),
            (read, _) => read.map(|read| self.number(Some(read), 50)).transpose()?,
        };
        for (key, value) in [
            ("rwmixread", read_share),
            ("numjobs", get("numjobs").map(|value| self.number(Some(value), 1)).transpose()?),
            ("fsync", get("fsync").map(|value| self.number(Some(value), 0)).transpose()?),
            // fio's is that of each job.
            ("rate", get("rate_iops").map(|value| self.number(Some(value), 0).map(|rate| rate.saturating_mul(jobs))).transpose()?),
            ("buffer_compress_percentage", get("buffer_compress_percentage").map(|value| self.number(Some(value), 0)).transpose()?),
        ] {
            if let Some(value) = value {
                say(out, &format!("{key} = {value}"));
            }
        }
        if let Some((value, _)) = get("random_distribution").filter(|(value, _)| *value != "random") {
            say(out, &format!("random_distribution = {}", toml::Value::from(value)));
        }
        match get("rate_process") {
            None => {
                if get("rate_iops").is_some() {
                    say(out, "arrivals = \"constant\"");
                }
            }
            Some(("poisson", _)) => say(out, "arrivals = \"poisson\""),
            Some(("linear", _)) => say(out, "arrivals = \"constant\""),
            Some((other, line)) => return Err(self.error(line, &format!("assay does not do rate_process={other}"))),
        }
        for flag in ["hipri", "sqthread_poll"] {
            match get(flag) {
                Some(("1" | "", _)) => say(out, &format!("{flag} = true")),
                Some(("0", _)) | None => {}
                Some((other, line)) => return Err(self.error(line, &format!("expected {flag}=0 or 1, found {other}"))),
            }
        }
        let writes = !matches!(rw, "read" | "randread");
        match (get("runtime"), get("time_based")) {
            (Some((runtime, line)), Some(_)) => {
                let ms = self.millis(runtime, line)?;
                say(out, &format!("runtime = \"{ms}ms\""));
                let mut ramp_ms = 0;
                if let Some((ramp, line)) = get("ramp_time") {
                    ramp_ms = self.millis(ramp, line)?;
                    say(out, &format!("ramp_time = \"{ramp_ms}ms\""));
                }
                if writes {
                    let bound = (ms + ramp_ms).div_ceil(1000).max(1).saturating_mul(BYTES_PER_SECOND);
                    // fio's is that of each job, ours of all lanes.
                    let own = |(bytes, line): (&str, usize)| self.bytes(bytes, line).map(|bytes| bytes.saturating_mul(jobs));
                    let bytes = get("io_size").map_or(Ok(bound), own)?;
                    say(out, &format!("io_size = \"{bytes}B\""));
                } else if let Some((_, line)) = get("io_size") {
                    return Err(self.error(line, "assay bounds writes by io_size, and reads by time only"));
                }
            }
            (Some((_, line)), None) => return Err(self.error(line, "runtime without time_based ends with the size or the time: assay ends with one")),
            (None, _) if matches!(rw, "read" | "write" | "trim") => say(out, "whole = true"),
            (None, _) => return Err(self.error(line, "random operations without time_based and runtime: assay has no random map to end with")),
        }
        Ok(())
    }

    fn number(&self, option: Option<(&str, usize)>, otherwise: u64) -> Result<u64, FileError> {
        let Some((text, line)) = option else { return Ok(otherwise) };
        text.parse().map_err(|_| self.error(line, &format!("expected a number, found `{text}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Extent, Rounds, TargetSize};

    const GLOBAL: &str = "; a comment\n[global]\nioengine=io_uring\ndirect=1\nsize=64m\nfilename=/dev/nvme0n1\ntime_based\nruntime=2\n";

    fn parsed(text: &str) -> Result<JobFile, FileError> {
        read("x.fio", text, &crate::catalog::engines())
    }

    #[test]
    fn the_common_options_are_honoured() {
        let text = format!(
            "{GLOBAL}ramp_time=500ms\n[one]\nreadwrite=randrw\nrwmixwrite=30\nblocksize_split=4k/60:64k/40\niodepth=16\nnumjobs=2\nfsync=8\n\
             random_distribution=zipf:1.2\nbuffer_compress_percentage=50\n\
             [two]\nstonewall\nrw=randread\nbs=8k\nrate_iops=1000\nrate_process=poisson\nhipri=1\n"
        );
        let file = parsed(&text).expect("reads");
        assert_eq!(file.target, Some(PathBuf::from("/dev/nvme0n1")));
        assert_eq!(file.scenario.target, Some(TargetSize::Bytes(64 << 20)));
        let io = |step: usize| match &file.scenario.steps[step].work[0] {
            Work::Io(io) => io.clone(),
            Work::Kernel(_) | Work::Net(_) | Work::Ceph(_) | Work::Drill(_) => panic!("only operations"),
        };
        assert_eq!(file.scenario.steps.iter().map(|step| step.rounds.clone()).collect::<Vec<_>>(), vec![Rounds::Fixed(1); 3]);
        let one = io(1);
        assert_eq!((one.rwmixread, one.iodepth, one.numjobs, one.fsync, one.buffer_compress_percentage), (Some(70), 16, Some(2), Some(8), Some(50)));
        assert_eq!((one.bssplit.as_deref(), one.random_distribution.as_deref()), (Some("4k/60:64k/40"), Some("zipf:1.2")));
        assert_eq!(one.extent, Extent::Timed { ramp_ms: 500, runtime_ms: 2000, io_size: Some(3 * BYTES_PER_SECOND) });
        let two = io(2);
        assert_eq!((two.bs, two.iodepth, two.hipri, two.rate.map(|rate| rate.per_second)), (8192, 1, true, Some(1000)));
    }

    #[test]
    fn what_fio_counts_by_job_is_that_of_all_lanes_together() {
        let file = parsed(&format!("{GLOBAL}[one]\nrw=randwrite\nnumjobs=4\nrate_iops=1000\nio_size=1g\n")).expect("reads");
        let Work::Io(io) = &file.scenario.steps[1].work[0] else { panic!("no kernel") };
        assert_eq!((io.numjobs, io.rate.map(|rate| rate.per_second)), (Some(4), Some(4000)));
        assert!(matches!(io.extent, Extent::Timed { io_size: Some(bytes), .. } if bytes == 4 << 30), "{:?}", io.extent);
    }

    #[test]
    fn what_is_not_honoured_is_an_error_with_its_line() {
        let with = |option: &str| parsed(&format!("{GLOBAL}[one]\nrw=randread\n{option}\n")).map(|_| ()).map_err(|error| (error.line, error.message));
        assert!(with("bs=4k").is_ok());
        for (option, says) in [
            ("cpus_allowed=1", "cpus_allowed"),
            ("rate=10m", "`rate`"),
            ("ioengine=libaio", "libaio"),
            ("direct=0", "direct=0"),
            ("rw=randread:8", "randread:8"),
            ("bs=4q", "4q"),
            ("iodepth=many", "many"),
            ("rate_process=weird\nrate_iops=5", "weird"),
            ("verify=pattern", "verify=pattern"),
            ("io_size=1g", "reads by time only"),
            ("rw=read\nnumjobs=2", "goes through all of it"),
            ("rw=randrw\nrate_iops=100", "one of reads and another of writes"),
        ] {
            let (line, message) = with(option).expect_err(option);
            assert!(message.contains(says), "{option}: {message}");
            assert!((11..=12).contains(&line), "{option}: line {line}");
        }
        for (text, says) in [
            ("[global]\nsize=1m\n".to_owned(), "at least one job"),
            ("rw=read\n".to_owned(), "section"),
            (format!("{GLOBAL}[a]\nrw=read\n[b]\nrw=read\n"), "stonewall"),
            (format!("{GLOBAL}[a]\nrw=read\n[b]\nstonewall\nrw=read\nsize=32m\n"), "another size"),
            (format!("{GLOBAL}[a]\nrw=read\n[b]\nstonewall\nrw=read\nfilename=/x\n"), "another target"),
            (GLOBAL.replace("direct=1\n", "") + "[a]\nrw=read\n", "page cache"),
            (GLOBAL.replace("time_based\n", "") + "[a]\nrw=read\n", "time_based"),
            (GLOBAL.replace("size=64m\n", "") + "[a]\nrw=read\n", "expected size="),
            (GLOBAL.replace("ioengine=io_uring\n", "") + "[a]\nrw=read\n", "ioengine"),
        ] {
            let error = parsed(&text).expect_err(says);
            assert!(error.message.contains(says), "{says}: {}", error.message);
        }
    }
}
