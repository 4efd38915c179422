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
    assert_eq!((scenario.name.as_str(), scenario.target_bytes, scenario.steps.len(), scenario.steps[1].repeats), ("x", Some(16 << 20), 2, 3));
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
        ("rw = \"randread\"", "rw = \"trim\"", "unknown variant `trim`", 22),
        ("rw = \"randread\"", "rw = \"randwrite\"", "expected `io_size`", 20),
        ("engine = \"uring\"\nrw = \"randread\"", "engine = \"spdk\"\nrw = \"randread\"", "unknown engine `spdk`; expected one of: null, uring", 20),
        ("bs = \"4KiB\"", "bs = \"5KiB\"", "power of two", 20),
        ("bs = \"4KiB\"", "bs = \"512B\"", "power of two", 20),
        ("bs = \"1MiB\"", "bs = \"16MiB\"\nverify = true", "unknown field `verify`", 14),
        ("iodepth = 32", "iodepth = 0", "iodepth from 1", 20),
        ("runtime = \"1s\"", "runtime = \"0s\"", "more than nothing", 20),
        ("runtime = \"1s\"", "runtime = \"25h\"", "at most 24h", 20),
        ("runtime = \"1s\"", "", "expected `runtime`", 20),
        ("runtime = \"1s\"", "whole = true", "`whole` is one sequential pass", 20),
        ("runtime = \"1s\"", "runtime = \"1s\"\nio_size = \"1GiB\"", "only for them", 20),
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
