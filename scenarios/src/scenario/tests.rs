use assay_bench::Arrivals;
use assay_rdma::Verify;

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
fn a_drill_has_a_family_for_each_fault_and_one_silence_of_a_slow_partner_is_no_longer_than_30_s() {
    let drill = |fault: &str, hold: &str| {
        let net = format!("[[step.net]]\nmeasure = \"outage\"\nfault = \"{fault}\"\nhold = \"{hold}\"\n");
        parse(&format!("schema = 1\nname = \"x\"\ndescribe = \"d\"\n[[step]]\nname = \"s\"\ndescribe = \"d\"\n{net}"))
    };
    for (fault, family) in
        [("link-down", "bond.failover"), ("silent-link", "bond.silent"), ("switch-loss", "bond.switch_loss"), ("lacp-slow", "bond.lacp_slow")]
    {
        let scenario = drill(fault, "10s").expect("good");
        assert_eq!((scenario.steps[0].work[0].family(), scenario.breaks()), (Some(family.to_owned()), true));
    }
    for (fault, hold, part) in [
        ("lacp-slow", "5s", "6s to 30s"),
        ("lacp-slow", "31s", "6s to 30s"),
        ("switch-loss", "99ms", "`hold` of 100ms to 10min"),
        ("switch-loss", "11min", "`hold` of 100ms to 10min"),
        ("switch-off", "1s", "unknown variant `switch-off`"),
    ] {
        let error = drill(fault, hold).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
    drill("lacp-slow", "30s").expect("one silence");
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
    let spread = |streams: u32| format!("[[step.net]]\nmeasure = \"tcp\"\nover = \"spread\"\nstreams = {streams}\nruntime = \"1s\"\n");
    let head = "schema = 1\nname = \"x\"\ndescribe = \"d\"\n[[step]]\nname = \"s\"\ndescribe = \"d\"\n";
    assert!(parse(&format!("{head}{}", spread(4))).is_ok());
    let twice = format!("{head}{}{}", spread(4), spread(8));
    assert!(parse(&twice).expect_err("twice").to_string().contains("bond.spread is measured twice"));
    let both = format!("{GOOD}[[step.kernel]]\nkernel = \"triad\"\nruntime = \"1s\"\n");
    assert!(parse(&both).expect_err("both").to_string().contains("either"));
    let unused = "schema = 1\nname = \"x\"\ndescribe = \"d\"\n[target]\nsize = \"1MiB\"\n[[step]]\nname = \"t\"\ndescribe = \"d\"\n[[step.kernel]]\nkernel = \"triad\"\nruntime = \"1s\"\n";
    assert!(parse(unused).expect_err("unused").to_string().contains("uses the target"));
}

#[test]
fn what_was_trimmed_is_not_read_before_it_is_written_again() {
    let trims = "rw = \"randtrim\"\nio_size = \"1GiB\"";
    let then = "[[step]]\nname = \"after\"\ndescribe = \"d\"\n[[step.io]]\nengine = \"uring\"\nrw = \"read\"\nbs = \"4KiB\"\niodepth = 1\nruntime = \"1s\"\n";
    let trimmed = GOOD.replace("rw = \"randread\"", trims) + then;
    assert!(parse(&trimmed).expect_err("nothing there").to_string().contains("laid out before"));
    // A round later.
    let read = then.split_once("[[step.io]]").expect("there").1;
    let before =
        GOOD.replacen("[[step.io]]\nengine = \"uring\"\nrw = \"randread\"", &format!("[[step.io]]{read}[[step.io]]\nengine = \"uring\"\n{trims}"), 1);
    assert!(parse(&before).expect_err("a round later").to_string().contains("the next would read"));
    assert!(parse(&before.replace("repeats = 3", "repeats = 1")).is_ok());
}

#[test]
fn what_must_be_written_before_it_is_steady_needs_something_that_writes() {
    let steady = |rw: &str| GOOD.replace("repeats = 3", "[step.steady]\nwritten_min = \"2x\"").replace("rw = \"randread\"", rw);
    let scenario = parse(&steady("rw = \"randwrite\"\nio_size = \"1GiB\"")).expect("good");
    assert!(matches!(scenario.steps[1].rounds, Rounds::Steady { written_min: 2, .. }));
    assert_eq!(scenario.steps[1].rounds.to_string(), "at most 25 rounds, until steady once 2 times the target is written");
    assert!(parse(&steady("rw = \"randread\"")).expect_err("reads").to_string().contains("written_min"));
    let twice = steady("rw = \"randread\"").replace("2x", "2");
    assert!(parse(&twice).expect_err("no times").to_string().contains("whole times"));
}

#[test]
fn tcp_is_read_as_it_stands_and_what_cannot_be_measured_is_refused() {
    use assay_bench::net::tcp::{Sending, Way};
    let of = |measure: &str, keys: &str| {
        parse(&format!(
            "schema = 1\nname = \"x\"\ndescribe = \"d\"\n[[step]]\nname = \"s\"\ndescribe = \"d\"\n[[step.net]]\nmeasure = \"{measure}\"\nruntime = \"1s\"\n{keys}"
        ))
    };
    let read = |keys: &str| {
        let scenario = of("tcp", keys).expect("good");
        let Work::Net(net) = &scenario.steps[0].work[0] else { panic!("a net") };
        let Measure::Tcp(tcp) = net.measure.clone() else { panic!("tcp") };
        (net.family(), tcp)
    };
    assert_eq!(read(""), ("net.tcp_1_stream".into(), TcpSpec::default()));
    let whole = "streams = 4\nway = \"both\"\nsend = \"zero_copy\"\nthreads = 2\nmss = 1400\ncongestion = \"bbr\"\nverify = true";
    let asked = TcpSpec {
        streams: 4,
        over: Over::Any,
        verify: true,
        way: Way::Both,
        send: Sending::ZeroCopy,
        threads: Some(2),
        mss: Some(1400),
        congestion: Some("bbr".into()),
    };
    assert_eq!(read(whole), ("net.tcp_4_streams_bidir_verified".into(), asked.clone()));
    // A plan that was written down is read again; one of before these words has none of them.
    let written = |text: &str| serde_json::from_str::<Measure>(text).expect("a measure");
    assert_eq!(written(&serde_json::to_string(&Measure::Tcp(asked.clone())).expect("JSON")), Measure::Tcp(asked));
    let old = written(r#"{"tcp": {"streams": 4, "over": "spread", "verify": false}}"#);
    assert_eq!(old, Measure::Tcp(TcpSpec { streams: 4, over: Over::Spread, ..TcpSpec::default() }));
    // What is not asked for in a name must not change it: limits and baselines go by it.
    for (keys, family, threads) in [
        ("streams = 4", "net.tcp_4_streams", 4),
        ("streams = 4\nway = \"forward\"\nsend = \"plain\"\nthreads = 1", "net.tcp_4_streams", 1),
        ("streams = 2\nsend = \"zero_copy\"", "net.tcp_2_streams", 2),
        ("streams = 32\nover = \"spread\"\nsend = \"zero_copy\"\nthreads = 8", "net.tcp_32_streams_spread", 8),
        ("streams = 8\nover = \"each_member\"\nthreads = 8", "nic.port", 8),
        ("streams = 16\nway = \"reverse\"", "net.tcp_16_streams_reverse", 4),
        ("way = \"both\"", "net.tcp_1_stream_bidir", 1),
    ] {
        let (found, tcp) = read(keys);
        assert_eq!((found.as_str(), tcp.threads()), (family, threads), "{keys}");
    }
    for (keys, why) in [
        ("streams = 0", "1 to 1024 streams"),
        ("streams = 128\nthreads = 65", "1 to 64 `threads`"),
        ("streams = 4\nthreads = 0", "1 to 64 `threads`"),
        ("streams = 4\nthreads = 5", "no more than streams"),
        ("streams = 4\nover = \"spread\"\nway = \"both\"", "goes with `over = \"any\"`"),
        ("streams = 4\nover = \"each_member\"\nway = \"reverse\"", "goes with `over = \"any\"`"),
        ("mss = 87", "88 to 32767 bytes"),
        ("mss = 32768", "88 to 32767 bytes"),
        ("congestion = \"\"", "the name of a congestion control"),
        ("congestion = \"sixteen-letters-\"", "at most 15 letters"),
        ("congestion = \"cubic -R\"", "the name of a congestion control"),
        ("send = \"file_pages\"", "file_pages"),
        ("way = \"sideways\"", "sideways"),
        ("rate = 5", "`rate` is no word of this measurement; it knows streams, over, verify, way, send, threads, mss, congestion"),
    ] {
        let error = of("tcp", keys).expect_err(why).to_string();
        assert!(error.contains(why), "{keys}: {error}");
    }
    for word in ["way = \"both\"", "send = \"plain\"", "threads = 2", "mss = 1400", "congestion = \"cubic\""] {
        for measure in ["rtt", "requests", "hash_spread", "rdma"] {
            let error = of(measure, word).expect_err(word).to_string();
            assert!(error.contains("is no word of this measurement"), "{measure}: {error}");
        }
    }
}

#[test]
fn rdma_is_read_as_it_stands_and_what_cannot_be_measured_is_refused() {
    let with = |keys: &str| {
        parse(&format!(
            "schema = 1\nname = \"x\"\ndescribe = \"d\"\n[[step]]\nname = \"s\"\ndescribe = \"d\"\n[[step.net]]\nmeasure = \"rdma\"\nruntime = \"1s\"\n{keys}"
        ))
    };
    let read = |keys: &str| {
        let scenario = with(keys).expect("good");
        let Work::Net(net) = &scenario.steps[0].work[0] else { panic!("a net") };
        net.clone()
    };
    let net =
        read("op = \"write\"\nbytes = 65536\npairs = 4\nverify = false\ngid_index = 3\ntraffic_class = 104\nack_timeout = 18\nramp_time = \"100ms\"");
    // As perftest's figures are called, which serve as baselines.
    assert_eq!(net.family(), "net.rdma_write_64k_qp4");
    let Measure::Rdma { workload, gid_index } = net.measure else { panic!("rdma") };
    assert_eq!(
        (workload.pairs, workload.depth, workload.verify, workload.ramp_ms, workload.runtime_ms, gid_index),
        (4, 128, Verify::Stamps, 100, 1000, Some(3))
    );
    assert_eq!((workload.traffic_class, workload.ack_timeout), (104, 18));
    assert_eq!(read("op = \"read\"\nof = \"latency\"\nbytes = 64").family(), "net.rdma_read_latency_64_qp1");
    for (keys, why) in [
        ("bytes = 64", "an `op` and its `bytes`"),
        ("op = \"write\"", "an `op` and its `bytes`"),
        ("op = \"write\"\nbytes = 1", "2 bytes to 8 MiB"),
        ("op = \"read\"\nbytes = 64\ninline = 64", "nothing to carry inline"),
        ("op = \"write\"\nof = \"latency\"\nbytes = 64\npairs = 2", "one message at a time"),
        ("op = \"write\"\nbytes = 64\nstreams = 2", "`streams` is no word"),
        ("op = \"atomic\"\nbytes = 64", "atomic"),
    ] {
        let error = with(keys).expect_err(why).to_string();
        assert!(error.contains(why), "{keys}: {error}");
    }
}

#[test]
fn a_drill_on_a_cluster_works_on_what_is_laid_out_and_each_of_its_words_has_bounds() {
    let head = "schema = 1\nname = \"x\"\ndescribe = \"d\"\n[target]\nsize = \"16MiB\"\n";
    let layout =
        "[[step]]\nname = \"layout\"\ndescribe = \"d\"\n[[step.io]]\nengine = \"rbd\"\nrw = \"write\"\nbs = \"1MiB\"\niodepth = 8\nwhole = true\n";
    let drill = |words: &str| format!("[[step]]\nname = \"drill\"\ndescribe = \"d\"\n[[step.drill]]\n{words}\n");
    let parse = |text: &str| Scenario::parse("x.toml", text, &["rbd"]);
    let of = |words: &str| parse(&format!("{head}{layout}{}", drill(words)));
    let scenario = of("fault = \"host-loss\"\nhold = \"30s\"").expect("good");
    let Work::Drill(spec) = &scenario.steps[1].work[0] else { panic!("a drill") };
    assert_eq!((spec.family().as_str(), spec.hold_ms, spec.rate, spec.bs), ("ceph.host_loss", 30_000, 200, 4096));
    assert!(scenario.breaks() && scenario.needs_nodes());
    assert_eq!(of("fault = \"below-min-size\"\nhold = \"30s\"").expect("good").families(), ["ceph.below_min_size", "corosync.rtt.below_min_size"]);
    assert_eq!(of("fault = \"osd-out\"\nhold = \"30s\"").expect("good").families(), ["ceph.osd_out", "corosync.rtt.recovery"]);
    let ring = of("fault = \"partition\"\nhold = \"30s\"\nnetwork = \"cluster\"\nring = \"ring0\"").expect("good");
    let Work::Drill(spec) = &ring.steps[1].work[0] else { panic!("a drill") };
    assert_eq!((spec.network.as_deref(), spec.ring.as_deref()), (Some("cluster"), Some("ring0")));
    for (words, said) in [
        ("fault = \"osd-out\"\nhold = \"9s\"\nnetwork = \"ring0\"", "round trips are measured in that of `ring`"),
        ("fault = \"partition\"\nhold = \"9s\"\nnetwork = \"ring0\"\nring = \"ring0\"", "expected another `ring`"),
        ("fault = \"osd-stop\"\nhold = \"1s\"", "2 to 120 s"),
        ("fault = \"osd-stop\"\nhold = \"180s\"", "2 to 120 s"),
        ("fault = \"osd-stop\"\nhold = \"9s\"\nsettle = \"7h\"", "6h"),
        ("fault = \"osd-stop\"\nhold = \"9s\"\nbs = \"2KiB\"", "4KiB to 4MiB"),
        ("fault = \"osd-stop\"\nhold = \"9s\"\nrate = 0", "operations per second"),
        ("fault = \"osd-stop\"\nhold = \"9s\"\nrwmixread = 97\nrate = 2000", "5 to 95"),
        ("fault = \"osd-stop\"\nhold = \"9s\"\nrate = 10", "30 reads and as many writes"),
        ("fault = \"osd-stop\"\nhold = \"9s\"\ndelay = \"5ms\"", "`osd-slow` alone"),
        ("fault = \"osd-slow\"\nhold = \"9s\"\ndelay = \"20s\"", "1 to 10000 ms"),
        ("fault = \"osd-stop\"\nhold = \"9s\"\nnetwork = \"public\"", "`partition`"),
        ("fault = \"osd-crash\"\nhold = \"9s\"", "osd-crash"),
    ] {
        let error = of(words).expect_err(said).to_string();
        assert!(error.contains(said), "{error}");
    }
    let bare = parse(&format!("{head}{}", drill("fault = \"full\"\nhold = \"9s\""))).expect_err("nothing there").to_string();
    assert!(bare.contains("laid out before"), "{bare}");
    let repeated = drill("fault = \"full\"\nhold = \"9s\"").replace("[[step.drill]]", "repeats = 3\n[[step.drill]]");
    assert!(parse(&format!("{head}{layout}{repeated}")).expect_err("repeats").to_string().contains("no `repeats`"));
}
