//! People who come from iperf3: a calibration beside it in network namespaces (needs root), and its results as a gate. A script stands in for it where it must fail.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::command::{Assay, alone};

/// The least that it takes: one pair of one second of one comparison.
const LEAST: &[&str] =
    &["calibrate", "--against", "iperf3", "--pairs", "1", "--seconds", "1", "--only", "tcp-1-stream-veth-1500", "--format", "json"];

/// Network namespaces of calibrations that are over. Others may run beside this test.
fn left() -> Vec<String> {
    let listed = Command::new("ip").args(["netns", "list"]).output().expect("this test needs `ip` of iproute2");
    let is_over = |name: &&str| {
        let pid = name.strip_prefix("assay-cal-").and_then(|rest| rest.split('-').next());
        pid.is_some_and(|pid| !std::path::Path::new("/proc").join(pid).exists())
    };
    String::from_utf8_lossy(&listed.stdout).lines().filter(is_over).map(str::to_owned).collect()
}

/// An iperf3 of which the client says this.
fn stand_in(assay: &Assay, says: &str) -> String {
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 'iperf 3.99 (a script)'; exit 0; }}\n[ \"$1\" = -s ] && exec sleep 600\ncat <<'SAID'\n{says}\nSAID\n"
    );
    let path = assay.folder().join("iperf3");
    crate::program::write(&path, &script);
    path.display().to_string()
}

#[test]
fn a_calibration_gives_the_figures_of_both_and_leaves_no_namespace() {
    let _machine = alone();
    let assay = Assay::new();
    let answer = assay.run(LEAST);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let outcome = answer.json();
    crate::schema::assert_valid("calibration", &outcome);
    assert!(outcome["against"].as_str().is_some_and(|version| version.starts_with("iperf 3")), "{outcome}");
    let pairs = outcome["pairs"].as_array().expect("pairs");
    let figures: Vec<(&str, &str)> =
        pairs.iter().map(|pair| (pair["name"].as_str().expect("a name"), pair["unit"].as_str().expect("a unit"))).collect();
    assert!(figures.iter().any(|(name, unit)| name.starts_with("tcp-1-stream-veth-1500") && *unit == "bytes_per_second"), "{figures:?}");
    for pair in pairs {
        let figure = |name: &str| pair[name].as_f64().unwrap_or_else(|| panic!("{name} of {pair}"));
        let ratio = figure("ours") / figure("theirs");
        assert!(figure("ours") > 0.0 && (figure("ratio") - ratio).abs() < ratio * 1e-9, "{pair}");
    }
    let run = &assay.runs()[0];
    assert_eq!(outcome["run_id"], run.as_str());
    let stored: Value =
        serde_json::from_slice(&std::fs::read(assay.folder().join("runs").join(run).join("run.json")).expect("stored")).expect("JSON");
    let names: Vec<&str> =
        stored["steps"][0]["metrics"].as_array().expect("metrics").iter().filter_map(|metric| metric["fact"]["name"].as_str()).collect();
    for side in ["ours", "iperf3", "ratio"] {
        assert!(names.iter().any(|name| name.starts_with("calibrate.tcp_1_stream_veth_1500") && name.ends_with(side)), "{side}: {names:?}");
    }
    assert_eq!(left(), Vec::<String>::new());
}

#[test]
fn without_iperf3_it_is_said_how_to_get_one_and_nothing_is_stored() {
    let assay = Assay::new();
    let answer = assay.run(&["calibrate", "--against", "iperf3", "--iperf3", "/nonexistent/iperf3"]);
    assert_eq!(answer.code, 2, "{}", answer.stderr);
    assert!(answer.stderr.contains("/nonexistent/iperf3") && answer.stderr.contains("install iperf3"), "{}", answer.stderr);
    assert!(assay.runs().is_empty());
}

#[test]
fn an_iperf3_whose_answer_breaks_off_is_no_ratio_and_leaves_no_namespace() {
    let _machine = alone();
    let assay = Assay::new();
    let iperf3 = stand_in(&assay, "{\n  \"start\": {\n    \"version\": \"iperf 3.99\",");
    let answer = assay.run(&[LEAST, &["--iperf3", &iperf3]].concat());
    assert_eq!(answer.code, 4, "{}", answer.stderr);
    assert!(answer.stderr.contains("tcp-1-stream-veth-1500") && answer.stderr.contains("at line 4 column 0"), "{}", answer.stderr);
    assert_eq!((answer.json()["pairs"].as_array().map(Vec::len), left()), (Some(0), Vec::new()));
}

/// What iperf3 says of a second over the loopback. The server is started anew, on another port, where it ended or another program has its
/// port: it says nothing of either. A client that wrote JSON exits with 0, whatever befell it.
fn a_result_of_iperf3() -> Vec<u8> {
    let mut said = Vec::new();
    for _ in 0..10 {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port().to_string();
        let mut server = Command::new("iperf3").args(["-s", "-B", "127.0.0.1", "-p", &port]).stdout(Stdio::null()).spawn().expect("iperf3");
        let mut asked = 0;
        while asked < 100 && server.try_wait().expect("a child").is_none() {
            let client = Command::new("iperf3").args(["-c", "127.0.0.1", "-p", &port, "-t", "1", "-J"]).output().expect("iperf3");
            said = client.stdout;
            let told: Value = serde_json::from_slice(&said).unwrap_or_default();
            if told.get("error").is_none() && told["end"]["sum_received"]["bits_per_second"].is_number() {
                server.kill().ok();
                server.wait().expect("ends");
                return said;
            }
            asked += 1;
            #[allow(clippy::disallowed_methods, reason = "nothing tells when iperf3 listens")]
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        server.kill().ok();
        server.wait().expect("ends");
    }
    panic!("iperf3 answered nothing: {}", String::from_utf8_lossy(&said));
}

#[test]
fn results_of_iperf3_become_a_gate_and_broken_ones_are_refused_with_their_place() {
    let _machine = alone();
    let assay = Assay::new();
    let result = a_result_of_iperf3();
    std::fs::write(assay.folder().join("iperf3.json"), &result).expect("written");

    let read = assay.run(&["baseline", "iperf3.json", "--share", "90"]);
    assert_eq!(read.code, 0, "{}", read.stderr);
    assert!(read.stdout.contains("id = \"net.tcp_1_stream.goodput\""), "{}", read.stdout);
    let said: Value = serde_json::from_slice(&result).expect("JSON");
    let figures: Vec<Value> = serde_json::from_str(&assay.run(&["baseline", "iperf3.json", "--format", "json"]).stdout).expect("JSON");
    let goodput = figures.iter().find(|figure| figure["name"] == "net.tcp_1_stream.goodput").expect("a figure");
    let bits = said["end"]["sum_received"]["bits_per_second"].as_f64().expect("a rate");
    assert!(bits > 0.0 && goodput["samples"][0] == bits && goodput["unit"] == "bits_per_second", "{goodput} of {bits}");

    // Broken off in the middle, and in the middle with a warning before it.
    let text = String::from_utf8(result).expect("text");
    let half = &text[..text.len() / 2];
    for (before, warning) in [(0, ""), (2, "iperf3: a warning\nand another\n")] {
        std::fs::write(assay.folder().join("half.json"), format!("{warning}{half}")).expect("written");
        let refused = assay.run(&["baseline", "half.json"]);
        let place = format!("at line {} column", before + half.lines().count());
        assert!(refused.code == 2 && refused.stderr.contains("half.json") && refused.stderr.contains(&place), "{place}: {}", refused.stderr);
        assert!(!refused.stderr.contains("fio"), "{}", refused.stderr);
    }
    std::fs::write(assay.folder().join("failed.json"), text.replacen('{', "{ \"error\": \"unable to connect\",", 1)).expect("written");
    let refused = assay.run(&["baseline", "failed.json"]);
    assert!(refused.code == 2 && refused.stderr.contains("iperf3 says: unable to connect"), "{}", refused.stderr);
}
