//! `assay calibrate`: a script stands in for fio, so that the test needs none and can make it fail, lie or hang.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{Answer, Assay, alone};

/// Answers what every job asks with the same figure, but does `$1` (a line of shell) where the job works on a device.
fn stand_in(assay: &Assay, on_devices: &str) {
    let script = format!(
        r#"#!/bin/sh
[ "$1" = --version ] && {{ echo fio-0.0; exit 0; }}
case "$*" in *io_uring*) {on_devices} ;; esac
echo '{{"jobs": [{{"error": 0, "job_runtime": 1000, "usr_cpu": 50.0,
  "read": {{"iops": 1000.0, "total_ios": 1000, "short_ios": 0, "drop_ios": 0}}, "write": {{"iops": 0, "total_ios": 0, "short_ios": 0, "drop_ios": 0}}}}]}}'
"#
    );
    let path = assay.folder().join("fio");
    crate::program::write(&path, &script);
}

const WORDS: &[&str] = &["calibrate", "--against", "fio", "--fio", "./fio", "--pairs", "1", "--seconds", "1", "--scratch", ".", "--format", "json"];

/// Loop devices over files in the folder; the kernel lets go of one some time after its last user.
fn loop_devices(assay: &Assay) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let output = std::process::Command::new("losetup").args(["--list", "--noheadings", "--output", "BACK-FILE"]).output().expect("losetup");
        let all = String::from_utf8_lossy(&output.stdout).into_owned();
        let ours: Vec<String> = all.lines().filter(|line| line.contains(&*assay.folder().to_string_lossy())).map(str::to_owned).collect();
        if ours.is_empty() || begun.elapsed() > Duration::from_secs(10) {
            return ours;
        }
        #[allow(clippy::disallowed_methods, reason = "nothing tells when the kernel detaches a device")]
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn nothing_is_left(assay: &Assay) {
    assert_eq!((assay.scratch_files(), loop_devices(assay)), (Vec::<String>::new(), Vec::new()));
}

#[test]
fn without_fio_it_is_said_how_to_get_one_and_nothing_is_stored() {
    let assay = Assay::new();
    let answer = assay.run(&["calibrate", "--against", "fio", "--fio", "/nonexistent/fio"]);
    assert_eq!(answer.code, 2, "{}", answer.stderr);
    assert!(answer.stderr.contains("/nonexistent/fio") && answer.stderr.contains("install fio"), "{}", answer.stderr);
    assert!(assay.runs().is_empty());
}

#[test]
fn without_rdma_in_this_build_or_on_this_machine_that_is_said_and_nothing_is_stored() {
    let assay = Assay::new();
    let answer = assay.run(&["calibrate", "--against", "perftest", "--address", "192.0.2.77"]);
    assert_eq!(answer.code, 2, "{}", answer.stderr);
    let why: &[&str] = if cfg!(feature = "rdma") {
        // Also where there is a device: nobody has this address.
        &["no RDMA device", "no active RDMA port has a RoCE v2 GID of 192.0.2.77"]
    } else {
        &["built without RDMA; build it with `apt-get install --no-install-recommends libibverbs-dev librdmacm-dev libclang-dev pkg-config`"]
    };
    assert!(why.iter().any(|words| answer.stderr.contains(words)), "{}", answer.stderr);
    assert!(assay.runs().is_empty());
}

#[test]
fn a_fio_that_fails_is_no_ratio_and_what_was_compared_before_it_is_kept() {
    let _machine = alone();
    let assay = Assay::new();
    stand_in(&assay, "echo 'no such engine' >&2; exit 1");
    let answer = assay.run(WORDS);
    assert_eq!(answer.code, 4, "{}", answer.stderr);
    assert!(answer.stderr.contains("no such engine") && answer.stderr.contains("randread-4k-qd32"), "{}", answer.stderr);
    let json: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let pairs = json["pairs"].as_array().expect("pairs");
    // Both comparisons that need no device.
    assert_eq!(pairs.iter().filter_map(|pair| pair["name"].as_str()).collect::<Vec<_>>(), ["null-4k", "randwrite-stamped-4k-null"], "{pairs:?}");
    assert_eq!(
        (pairs[0]["name"].as_str(), pairs[0]["theirs"].as_f64(), pairs[0]["unit"].as_str()),
        (Some("null-4k"), Some(1000.0), Some("ops_per_second"))
    );
    let ratio = pairs[0]["ours"].as_f64().expect("ours") / 1000.0;
    assert!((pairs[0]["ratio"].as_f64().expect("ratio") - ratio).abs() < ratio * 1e-9);
    nothing_is_left(&assay);
    // Half a calibration is not resumed.
    assert_eq!(assay.run(&["run", "--resume"]).code, 2);
}

#[test]
fn an_interrupt_while_fio_runs_removes_file_and_device() {
    let _machine = alone();
    let assay = Assay::new();
    stand_in(&assay, "touch here; sleep 600");
    let child = assay.command(WORDS).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let begun = Instant::now();
    while !assay.folder().join("here").exists() && begun.elapsed() < Duration::from_secs(60) {
        #[allow(clippy::disallowed_methods, reason = "the other process is waited for")]
        std::thread::sleep(Duration::from_millis(20));
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    let answer = Answer::of(child.wait_with_output().expect("ends"));
    assert_eq!(answer.code, 3, "{}", answer.stderr);
    nothing_is_left(&assay);
}
