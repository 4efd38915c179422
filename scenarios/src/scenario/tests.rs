use assay_bench::Arrivals;

use super::*;

const GOOD: &str = r#"
schema = 1
name = "x"
describe = "d"
[target]
size = "16MiB"
[[step]]
name = "layout"
describe = "d"
[[step.io]]
engine = "uring"
rw = "write"
bs = "1MiB"
iodepth = 8
whole = true
[[step]]
name = "random"
describe = "d"
repeats = 3
[[step.io]]
engine = "uring"
rw = "randread"
bs = "4KiB"
iodepth = 32
runtime = "1s"
"#;

fn parse(text: &str) -> Result<Scenario, FileError> {
    Scenario::parse("x.toml", text, &["null", "uring"])
}

#[test]
fn a_good_file_is_read_as_it_stands() {
    let scenario = parse(GOOD).expect("good");
    assert_eq!(
        (scenario.name.as_str(), scenario.target, scenario.steps.len(), scenario.steps[1].rounds.clone()),
        ("x", Some(TargetSize::Bytes(16 << 20)), 2, Rounds::Fixed(3))
    );
    let Work::Io(io) = &scenario.steps[1].work[0] else { panic!("an io") };
    assert_eq!((io.family().as_str(), io.extent), ("storage.randread_4k_qd32", Extent::Timed { ramp_ms: 0, runtime_ms: 1000, io_size: None }));
}

#[test]
fn a_rate_makes_a_family_of_its_own() {
    let with = |keys: &str| {
        let scenario = parse(&GOOD.replace("iodepth = 32", &format!("iodepth = 32\n{keys}"))).expect("good");
        let Work::Io(io) = &scenario.steps[1].work[0] else { panic!("an io") };
        (io.family(), io.rate)
    };
    let family = "storage.randread_4k_qd32_r500".to_owned();
    assert_eq!(with("rate = 500"), (family.clone(), Some(Rate { per_second: 500, arrivals: Arrivals::Poisson })));
    assert_eq!(with("rate = 500\narrivals = \"constant\""), (family, Some(Rate { per_second: 500, arrivals: Arrivals::Constant })));
}

#[test]
fn every_word_is_read_and_what_changes_a_figure_is_in_its_name() {
    let with = |from: &str, to: &str| {
        let scenario = parse(&GOOD.replace(from, to)).unwrap_or_else(|error| panic!("{error}"));
        let Work::Io(io) = &scenario.steps[1].work[0] else { panic!("an io") };
        (io.family(), io.written(16 << 20))
    };
    let rw = "rw = \"randread\"";
    let writes = "runtime = \"1s\"\nio_size = \"1GiB\"";
    for (from, to, family, written) in [
        (rw, "rw = \"randread\"\nnumjobs = 4\nhipri = true\nsqthread_poll = true", "storage.randread_4k_qd32_j4_hipri_sqpoll", 0),
        (rw, "rw = \"randread\"\nrandom_distribution = \"zipf:1.2\"", "storage.randread_4k_qd32_zipf1_2", 0),
        (rw, "rw = \"randread\"\nnumjobs = 1\ntargets = \"all\"", "storage.randread_4k_qd32", 0),
        ("bs = \"4KiB\"", "bssplit = \"4k/60:64k/40\"", "storage.randread_4k60-64k40_qd32", 0),
        ("bs = \"4KiB\"", "bs = \"512B\"", "storage.randread_512_qd32", 0),
    ] {
        assert_eq!(with(from, to), (family.to_owned(), written));
    }
    for (words, family) in [
        ("rw = \"randrw\"\nrwmixread = 70", "storage.randrw70_4k_qd32"),
        ("rw = \"rw\"", "storage.rw50_4k_qd32"),
        ("rw = \"rmw\"", "storage.rmw_4k_qd32"),
        ("rw = \"randtrim\"", "storage.randtrim_4k_qd32"),
        ("rw = \"randwrite\"\nfua = true\nfsync = 8\nbuffer_compress_percentage = 50", "storage.randwrite_4k_qd32_fsync8_fua_compress50"),
    ] {
        let scenario = parse(&GOOD.replace(rw, words).replace("runtime = \"1s\"", writes)).unwrap_or_else(|error| panic!("{error}"));
        let Work::Io(io) = &scenario.steps[1].work[0] else { panic!("an io") };
        assert_eq!((io.family().as_str(), io.written(16 << 20)), (family, 1 << 30));
    }
    let sprandom = GOOD.replace("rw = \"write\"", "rw = \"randwrite\"").replace("whole = true", "sprandom = \"28%\"");
    let Work::Io(io) = &parse(&sprandom).expect("preconditions").steps[0].work[0] else { panic!("an io") };
    assert!(io.lays_out() && io.written(1 << 30) > 1_300_000_000);
    let purged = GOOD.replace("rw = \"write\"", "rw = \"trim\"");
    assert!(parse(&purged).expect_err("nothing there").to_string().contains("laid out before"));
}

#[test]
fn whatever_cannot_be_meant_is_refused_at_its_line() {
    let cases = [
        ("schema = 1", "schema = 2", "schema = 1", 2),
        ("name = \"x\"", "name = \"../x\"", "expected a name", 3),
        ("name = \"x\"", "name = \"X\"", "expected a name", 3),
        ("name = \"x\"", "nam = \"x\"", "unknown field `nam`", 3),
        ("size = \"16MiB\"", "size = \"16\"", "expected a size", 6),
        ("size = \"16MiB\"", "size = \"1KiB\"", "whole MiB", 5),
        ("[target]\nsize = \"16MiB\"\n", "", "expected a [target]", 8),
        ("name = \"random\"", "name = \"layout\"", "another step", 17),
        ("name = \"random\"", "name = \"harness_floor\"", "other than", 17),
        ("repeats = 3", "repeats = 0", "1 to 100 repeats", 16),
        ("repeats = 3", "repeats = -1", "invalid value", 19),
        ("rw = \"randread\"", "rw = \"erase\"", "unknown variant `erase`", 22),
        ("rw = \"randread\"", "rw = \"randtrim\"", "expected `io_size`", 20),
        ("rw = \"randread\"", "rw = \"randread\"\nrwmixread = 70", "`rwmixread` means", 20),
        ("rw = \"randread\"", "rw = \"read\"\nrandom_distribution = \"zipf:1.2\"", "`random_distribution` means", 20),
        ("rw = \"randread\"", "rw = \"randread\"\nrandom_distribution = \"zipf:1\"", "zipf needs a theta", 20),
        ("rw = \"randread\"", "rw = \"randread\"\nfsync = 4", "fua and fsync", 20),
        ("rw = \"randread\"", "rw = \"randread\"\nfua = true", "fua and fsync", 20),
        ("rw = \"randread\"", "rw = \"randread\"\nbuffer_compress_percentage = 101", "percentages", 20),
        ("rw = \"randread\"", "rw = \"randread\"\nnumjobs = 0", "numjobs", 20),
        ("rw = \"randread\"", "rw = \"randread\"\ntargets = \"some\"", "unknown variant `some`", 23),
        ("bs = \"4KiB\"", "bssplit = \"4k/60:64k/30\"", "add up to 90", 20),
        ("bs = \"4KiB\"", "bs = \"4KiB\"\nbssplit = \"4k/100\"", "either `bs` or `bssplit`", 20),
        ("runtime = \"1s\"", "sprandom = \"7%\"", "pseudo-random preconditioning is random writes", 20),
        ("runtime = \"1s\"", "sprandom = \"7\"", "whole percent", 25),
        ("runtime = \"1s\"", "runtime = \"1s\"\nsprandom = \"7%\"", "`sprandom` is one pass", 20),
        ("rw = \"randread\"", "rw = \"randwrite\"", "expected `io_size`", 20),
        ("engine = \"uring\"\nrw = \"randread\"", "engine = \"spdk\"\nrw = \"randread\"", "unknown engine `spdk`; expected one of: null, uring", 20),
        ("bs = \"4KiB\"", "bs = \"5KiB\"", "power of two", 20),
        ("bs = \"4KiB\"", "bs = \"256B\"", "power of two", 20),
        ("bs = \"1MiB\"", "bs = \"16MiB\"\nverify = true", "unknown field `verify`", 14),
        ("iodepth = 32", "iodepth = 0", "iodepth from 1", 20),
        ("runtime = \"1s\"", "runtime = \"0s\"", "more than nothing", 20),
        ("runtime = \"1s\"", "runtime = \"25h\"", "at most 24h", 20),
        ("runtime = \"1s\"", "", "expected `runtime`", 20),
        ("runtime = \"1s\"", "whole = true", "`whole` is one sequential pass", 20),
        ("runtime = \"1s\"", "runtime = \"1s\"\nio_size = \"1GiB\"", "only there", 20),
        ("iodepth = 32", "iodepth = 32\nrate = 0", "rate from 1", 20),
        ("iodepth = 32", "iodepth = 32\nrate = 10000001", "rate from 1", 20),
        ("iodepth = 32", "iodepth = 32\narrivals = \"constant\"", "expected `rate`", 20),
        ("iodepth = 32", "iodepth = 32\nrate = 5\narrivals = \"random\"", "unknown variant `random`", 26),
        ("whole = true", "whole = true\nrate = 5", "`whole` is one sequential pass", 10),
        ("whole = true", "runtime = \"1s\"\nio_size = \"1GiB\"", "laid out before", 10),
        ("rw = \"write\"", "rw = \"read\"", "laid out before", 10),
    ];
    for (old, new, says, line) in cases {
        let text = GOOD.replacen(old, new, 1);
        assert_ne!(text, GOOD, "{old} is not in the file");
        let error = parse(&text).expect_err(new);
        assert!(error.to_string().contains(says), "{new}: {error}");
        assert_eq!(error.line, line, "{new}: {error}");
    }
}

#[test]
fn a_family_that_is_measured_twice_and_a_scenario_without_steps_are_refused() {
    let twice = format!("{GOOD}[[step.io]]\nengine = \"uring\"\nrw = \"randread\"\nbs = \"4KiB\"\niodepth = 32\nruntime = \"2s\"\n");
    assert!(parse(&twice).expect_err("twice").to_string().contains("measured twice"));
    assert!(parse("schema = 1\nname = \"x\"\ndescribe = \"d\"\n").expect_err("empty").to_string().contains("at least one"));
    let both = format!("{GOOD}[[step.kernel]]\nkernel = \"triad\"\nruntime = \"1s\"\n");
    assert!(parse(&both).expect_err("both").to_string().contains("either"));
    let unused = "schema = 1\nname = \"x\"\ndescribe = \"d\"\n[target]\nsize = \"1MiB\"\n[[step]]\nname = \"t\"\ndescribe = \"d\"\n[[step.kernel]]\nkernel = \"triad\"\nruntime = \"1s\"\n";
    assert!(parse(unused).expect_err("unused").to_string().contains("uses the target"));
}
