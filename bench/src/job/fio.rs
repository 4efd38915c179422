//! The fio command that repeats a job, with latency accounting and without verification, as fio runs best.

use super::{Access, Arrivals, Distribution, Extent, Job, Load, Rw};

impl Job {
    /// The fio command that repeats it on `target`, reached as `access` says. What fio cannot do is said behind it, as a comment of the shell.
    pub fn fio(&self, target: &str, access: &Access) -> String {
        let mut words = vec!["fio".to_owned(), format!("--name={}", self.family())];
        let mut add = |word: String| words.push(word);
        if access.image {
            // The engine first: what follows are its own words.
            let (pool, image) = target.split_once('/').unwrap_or((target, ""));
            add(format!("--ioengine=rbd --clientname=admin --pool={pool} --rbdname={image}"));
        } else if access.passthrough {
            add(format!("--filename={target}"));
            add("--ioengine=io_uring_cmd --cmd_type=nvme --fixedbufs=1 --registerfiles=1".to_owned());
        } else {
            add(format!("--filename={target}"));
            add("--ioengine=io_uring --direct=1 --fixedbufs=1 --registerfiles=1".to_owned());
        }
        if access.hipri {
            add("--hipri=1".to_owned());
        }
        if access.sqthread_poll {
            add("--sqthread_poll=1".to_owned());
        }
        let lanes = u64::from(access.numjobs.max(1));
        add(format!("--rw={}", self.fio_rw()));
        if self.rw == Rw::ReadModifyWrite {
            add("--rwmixread=50".to_owned());
        } else if self.rw.is_mixed() {
            add(format!("--rwmixread={}", self.rwmixread));
        }
        match self.bs.single() {
            Some(bytes) => add(format!("--bs={bytes}")),
            None => add(format!("--bssplit={}", self.bs)),
        }
        add(format!("--iodepth={} --offset={}", self.iodepth, self.span.start));
        if lanes > 1 {
            add(format!("--numjobs={lanes} --thread --group_reporting"));
        }
        if lanes > 1 && self.parts_the_span() {
            let part = self.part_of_a_lane(access.numjobs);
            add(format!("--offset_increment={part} --size={part}"));
        } else {
            add(format!("--size={}", self.span.bytes));
        }
        if self.rw.is_random() {
            add("--norandommap".to_owned());
        }
        if self.distribution != Distribution::Uniform {
            add(format!("--random_distribution={}", self.distribution));
        }
        match self.load {
            Load::Closed => {}
            Load::Open { rate, arrivals } => {
                add(format!("--rate_iops={}", u64::from(rate).div_ceil(lanes)));
                if arrivals == Arrivals::Poisson {
                    add("--rate_process=poisson".to_owned());
                }
            }
        }
        if self.fsync > 0 {
            add(format!("--fsync={}", self.fsync));
        }
        if self.fua && !access.image {
            // fio has no FUA of single writes here: a file opened with O_DSYNC makes the kernel ask for the same of all of them.
            add("--sync=dsync".to_owned());
        }
        if self.compress_percentage > 0 {
            add(format!("--buffer_compress_percentage={} --refill_buffers", self.compress_percentage));
        }
        if let Extent::Runtime(runtime) = self.extent {
            add(format!("--time_based --ramp_time={}ms --runtime={}ms", self.ramp_time.as_millis(), runtime.as_millis()));
        }
        if let Some(bytes) = self.io_size {
            add(format!("--io_size={}", bytes / lanes));
        }
        if let Extent::Sprandom { over_provisioning } = self.extent {
            // Since fio 3.41: what it adds to the command for older ones is random writes of as many bytes, which do not have the effect.
            add(format!("# with fio 3.41 or later: --sprandom=1 --spr_op={}", f64::from(over_provisioning) / 100.0));
        }
        if self.fua && access.image {
            add("# fio's engine rbd has no FUA: without a cache every write is on the medium, with one these are not".to_owned());
        }
        if self.rw == Rw::ReadModifyWrite {
            add("# fio does not write back the block that it has read: as many reads and writes, at other places".to_owned());
        }
        words.join(" ")
    }

    fn fio_rw(&self) -> &'static str {
        match self.rw {
            Rw::ReadModifyWrite => "randrw",
            Rw::Read | Rw::Write | Rw::RandRead | Rw::RandWrite | Rw::ReadWrite | Rw::RandRw | Rw::Trim | Rw::RandTrim => self.rw.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;
    use crate::job::{BlockSizes, Span};

    fn job() -> Job {
        let span = Span { start: 1 << 20, bytes: 64 << 20 };
        Job { ramp_time: Duration::from_millis(100), extent: Extent::Runtime(Duration::from_secs(1)), ..Job::new(Rw::RandRw, 4096, 8, span) }
    }

    #[test]
    fn every_field_is_one_that_fio_accepts_and_says_back() {
        let access = Access::default();
        let split = || BlockSizes::split(&[(4096, 60), (65536, 40)]).expect("a split");
        let cases: Vec<(Job, Access, &[&str])> = vec![
            (job(), access, &["--rw=randrw", "--rwmixread=50", "--bs=4096", "--offset=1048576 --size=67108864"]),
            (Job { rwmixread: 70, bs: split(), ..job() }, access, &["--rwmixread=70", "--bssplit=4096/60:65536/40"]),
            (Job { rw: Rw::ReadWrite, ..job() }, access, &["--rw=rw"]),
            (Job { rw: Rw::ReadModifyWrite, ..job() }, access, &["--rw=randrw", "# fio does not write back"]),
            (Job { rw: Rw::RandRead, distribution: Distribution::Zipf(1.2), ..job() }, access, &["--random_distribution=zipf:1.2"]),
            (Job { rw: Rw::RandRead, distribution: Distribution::Pareto(0.2), ..job() }, access, &["--random_distribution=pareto:0.2"]),
            (Job { rw: Rw::Write, fsync: 32, fua: true, ..job() }, access, &["--fsync=32", "--sync=dsync"]),
            (Job { rw: Rw::RandWrite, compress_percentage: 50, ..job() }, access, &["--buffer_compress_percentage=50"]),
            (job(), Access { numjobs: 4, ..access }, &["--numjobs=4", "--offset_increment=16777216 --size=16777216"]),
            (Job { rw: Rw::RandRead, ..job() }, Access { numjobs: 4, hipri: true, ..access }, &["--hipri=1", "--size=67108864"]),
            (job(), Access { sqthread_poll: true, ..access }, &["--sqthread_poll=1"]),
            (job(), Access { passthrough: true, hipri: true, ..access }, &["--ioengine=io_uring_cmd --cmd_type=nvme", "--hipri=1"]),
            (Job { load: Load::Open { rate: 1000, arrivals: Arrivals::Poisson }, ..job() }, access, &["--rate_iops=1000", "--rate_process=poisson"]),
            (Job { rw: Rw::Write, extent: Extent::WholeSpan, io_size: Some(1 << 20), ..job() }, access, &["--io_size=1048576"]),
        ];
        for (job, access, words) in cases {
            let command = job.fio("/tmp/assay-fio-target", &access);
            for word in words {
                assert!(command.contains(word), "{word} in {command}");
            }
            accepted(&command);
        }
        let image = Access { image: true, ..access };
        for (job, word) in [(job(), "--ioengine=rbd"), (Job { rw: Rw::Write, fua: true, ..job() }, "has no FUA")] {
            let command = job.fio("rbd-vms/assay-scratch-1", &image);
            assert!(command.contains("--pool=rbd-vms --rbdname=assay-scratch-1") && command.contains(word), "{command}");
            accepted(&command);
        }
        // fio wants to see a device before it trims: a real one, that is only looked at.
        for rw in [Rw::Trim, Rw::RandTrim] {
            let command = Job { rw, ..job() }.fio("/tmp/assay-fio-target", &access);
            assert!(command.contains(&format!("--rw={}", rw.name())), "{command}");
            accepted(&command);
        }
    }

    // Without fio on the test machine only the words are compared.
    fn accepted(command: &str) {
        if Command::new("fio").arg("--version").output().is_err() {
            return;
        }
        let words = command.split(" # ").next().expect("a command").split(' ').skip(1);
        let output = Command::new("fio").arg("--parse-only").args(words).output().expect("fio runs");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !said.contains("nrecognized") && !said.contains("bad option"), "{command}\n{said}");
    }

    #[test]
    fn a_wrong_word_is_one_that_the_test_above_would_see() {
        if Command::new("fio").arg("--version").output().is_ok() {
            let seen = std::panic::catch_unwind(|| accepted("fio --name=x --ioengine=io_uring --rwmixread=sometimes"));
            assert!(seen.is_err());
        }
    }
}
