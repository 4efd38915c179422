//! People who come from fio: their job files run, a real fio accepts the same file, and its results become a gate.

use std::process::Command;

use serde_json::Value;

use crate::command::{Assay, alone};

const JOB: &str = "[global]\nioengine=io_uring\ndirect=1\nsize=16m\ndirectory=.\n";

fn job(assay: &Assay) -> String {
    let text = JOB.to_owned() + "time_based\nruntime=1\n[reads]\nrw=randread\nbs=4k\niodepth=8\n";
    std::fs::write(assay.folder().join("job.fio"), &text).expect("written");
    text
}

#[test]
fn a_job_file_runs_as_fio_runs_it_and_fios_results_become_a_gate() {
    let _machine = alone();
    let assay = Assay::new();
    job(&assay);
    let planned = assay.run(&["plan", "job.fio"]);
    assert!(planned.code == 0 && planned.stdout.contains("storage.randread_4k_qd8_job0"), "{}{}", planned.stdout, planned.stderr);
    let ran = assay.run(&["run", "job.fio", "--format", "json"]);
    assert!([0, 3].contains(&ran.code), "{}", ran.stderr);
    assert!(assay.scratch_files().is_empty());

    let fio = Command::new("fio").args(["--output-format=json+", "--output=fio.json", "job.fio"]).current_dir(assay.folder()).output().expect("fio");
    assert!(fio.status.success(), "{}", String::from_utf8_lossy(&fio.stderr));
    let read = assay.run(&["baseline", "fio.json", "--share", "90"]);
    assert_eq!(read.code, 0, "{}", read.stderr);
    for figure in ["storage.randread_4k_qd8.iops", "storage.randread_4k_qd8.p99"] {
        assert!(read.stdout.contains(&format!("id = \"{figure}\"")), "{}", read.stdout);
    }
    let figures: Vec<Value> = serde_json::from_str(&assay.run(&["baseline", "fio.json", "--format", "json"]).stdout).expect("JSON");
    let iops = figures.iter().find(|figure| figure["name"] == "storage.randread_4k_qd8.iops").expect("a figure");
    let said: Value = serde_json::from_str(&std::fs::read_to_string(assay.folder().join("fio.json")).expect("results")).expect("JSON");
    assert_eq!(iops["samples"][0], said["jobs"][0]["read"]["iops"]);
}

#[test]
fn what_is_not_honoured_is_refused_before_anything_is_written() {
    let assay = Assay::new();
    let text = job(&assay);
    std::fs::write(assay.folder().join("odd.fio"), text + "cpus_allowed=0\n").expect("written");
    let answer = assay.run(&["run", "odd.fio"]);
    assert!(answer.code == 2 && answer.stderr.contains("cpus_allowed") && answer.stderr.contains("odd.fio:12"), "{}", answer.stderr);
    assert!(assay.runs().is_empty() && assay.scratch_files().is_empty());
    std::fs::write(assay.folder().join("odd.json"), "{}").expect("written");
    let answer = assay.run(&["baseline", "odd.json"]);
    assert!(answer.code == 2 && answer.stderr.contains("odd.json"), "{}", answer.stderr);
}
