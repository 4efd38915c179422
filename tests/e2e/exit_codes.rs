//! Exit status and message for what a user can get wrong.

use crate::command::{Assay, repository};

#[test]
fn usage_errors_exit_2_and_say_what_was_expected() {
    let assay = Assay::new();
    std::fs::write(assay.folder().join("bad.snap"), "this is no snapshot\n").expect("writes");
    std::fs::create_dir_all(assay.folder().join("empty-site")).expect("makes");
    std::fs::create_dir_all(assay.folder().join("typo")).expect("makes");
    std::fs::write(assay.folder().join("typo/site.toml"), "schema = 1\nnaem = \"x\"\n").expect("writes");
    let cases: &[(&[&str], &str)] = &[
        (&["frobnicate"], "unrecognized subcommand"),
        (&["accept", "--phase", "12"], "phases run from 1 to 11"),
        (&["gate", "0"], "phases run from 1 to 11"),
        (&["plan", "no-such-scenario"], "storage-quick"),
        (&["run", "no-such-scenario"], "storage-quick"),
        (&["--site", "/does/not/exist", "verify"], "/does/not/exist"),
        (&["--site", "empty-site", "verify"], "site.toml"),
        (&["--site", "typo", "verify"], "site.toml:2"),
        (&["--snapshot", "missing.snap", "inventory"], "missing.snap"),
        (&["--snapshot", "bad.snap", "inventory"], "bad.snap"),
        (&["--snapshot", "bad.snap", "--root", "/", "inventory"], "cannot be used with"),
        (&["run", "--resume", "nothing-like-it"], "nothing-like-it"),
        (&["report", "nothing-like-it"], "nothing-like-it"),
    ];
    for (words, expected) in cases {
        let answer = assay.run(words);
        assert_eq!(answer.code, 2, "{words:?}: {}", answer.stderr);
        assert!(answer.stderr.contains(expected), "{words:?} should name `{expected}`: {}", answer.stderr);
        assert!(answer.stdout.is_empty(), "{words:?} printed a result: {}", answer.stdout);
    }
}

#[test]
fn nothing_is_written_over_what_assay_did_not_write() {
    let assay = Assay::new();
    let folder = assay.folder();
    std::fs::write(folder.join("mine"), "precious").expect("writes");
    std::os::unix::fs::symlink("mine", folder.join("link")).expect("links");
    std::os::unix::fs::symlink("nowhere", folder.join("dangling")).expect("links");
    std::fs::create_dir(folder.join("folder")).expect("makes");
    for (path, why) in [
        ("mine", "not written by assay"),
        ("link", "no regular file"),
        ("dangling", "no regular file"),
        ("folder", "no regular file"),
        ("/dev/null", "no regular file"),
        ("no-folder/file", "No such file"),
        ("mine/file", "Not a directory"),
    ] {
        let answer = assay.run(&["snapshot", "-o", path]);
        assert_eq!(answer.code, 2, "{path}: {}", answer.stderr);
        assert!(answer.stderr.contains(path) && answer.stderr.contains(why), "{path}: {}", answer.stderr);
    }
    assert_eq!(std::fs::read_to_string(folder.join("mine")).expect("reads"), "precious");
    std::fs::write(folder.join("empty"), "").expect("writes");
    for path in ["new", "new", "empty"] {
        assert_eq!(assay.run(&["snapshot", "-o", path]).code, 0, "{path}");
    }
    let left = std::fs::read_dir(folder).expect("lists").filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some()));
    assert_eq!(left.count(), 0, "a partial file was left behind");
}

#[test]
fn a_full_disk_is_the_harness_s_fault_and_a_closed_reader_is_nobody_s() {
    let assay = Assay::new();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("opens");
    for words in [&["list"][..], &["verify"], &["gate", "1", "--format", "json"], &["man"]] {
        let output = assay.command(words).stdout(full()).output().expect("starts");
        assert_eq!(output.status.code(), Some(4), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to standard output"), "{words:?}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = assay.command(words).stdout(writer).output().expect("starts");
        assert!([0, 1, 3].contains(&output.status.code().expect("ends by itself")), "{words:?}: {output:?}");
    }
    // An error that nobody can be told of keeps its exit status.
    let output = assay.command(&["plan", "no-such-scenario"]).stderr(full()).output().expect("starts");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_folder_of_runs_that_is_none_is_refused_by_every_command() {
    let assay = Assay::new();
    std::fs::write(assay.folder().join("runs"), "a file").expect("writes");
    for words in [&["accept"][..], &["gate", "1"], &["history"], &["report"], &["run", "--resume"], &["accept", "--resume"]] {
        let answer = assay.run(words);
        assert_eq!(answer.code, 2, "{words:?}: {}", answer.stderr);
        assert!(answer.stderr.contains("runs") && answer.stderr.contains("os error"), "{words:?}: {}", answer.stderr);
    }
}

#[test]
fn a_run_that_compared_nothing_does_not_pass() {
    let assay = Assay::new();
    let head = "schema = 1\nname = \"mine\"\ndescribe = \"d\"\n[target]\nsize = \"16MiB\"\n[[step]]\nname = \"a\"\ndescribe = \"d\"\n[[step.io]]\n";
    for (name, work) in [
        ("writes.toml", "engine = \"uring\"\nrw = \"write\"\nbs = \"64KiB\"\niodepth = 4\nwhole = true\n"),
        ("idles.toml", "engine = \"null\"\nrw = \"randread\"\nbs = \"4KiB\"\niodepth = 4\nruntime = \"50ms\"\n"),
    ] {
        std::fs::write(assay.folder().join(name), format!("{head}{work}")).expect("writes");
        let answer = assay.run(&["run", name, "--format", "json"]);
        assert_eq!(answer.code, 3, "{name}: {}{}", answer.stdout, answer.stderr);
        let checks = answer.json()["checks"].as_array().expect("a list").clone();
        assert!(checks.iter().any(|check| check["id"] == "storage.data_verified" && check["verdict"] == "inconclusive"), "{name}: {checks:#?}");
    }
}

#[test]
fn an_order_with_open_contradictions_exits_3() {
    let assay = Assay::new();
    let answer = assay.run(&["--site", &repository("sites/pve1"), "bom", "lint"]);
    assert_eq!(answer.code, 3, "{}", answer.stderr);
    for id in (1..=37).map(|n| format!("C-{n:02}")) {
        assert!(answer.stdout.contains(&id), "{id} is missing");
    }
}

#[test]
fn a_corrected_order_loses_its_impossible_line_and_another_gpu_changes_it() {
    let assay = Assay::new();
    let bom = std::fs::read_to_string(repository("sites/pve1/bom.toml")).expect("reads");
    assert!(bom.contains("quantity = 72") && bom.contains("part = \"nvidia-a16\""), "the order of pve1 asks for 72 modules and an A16");
    let corrected = bom.replace("quantity = 72", "quantity = 24").replace("part = \"nvidia-a16\"", "part = \"nvidia-a100-40gb\"");
    let site = assay.folder().join("site");
    std::fs::create_dir(&site).expect("makes");
    for file in ["site.toml", "contradictions.toml"] {
        std::fs::copy(repository(&format!("sites/pve1/{file}")), site.join(file)).expect("copies");
    }
    std::fs::write(site.join("bom.toml"), corrected).expect("writes");
    let answer = assay.run(&["--site", "site", "bom", "lint", "--format", "json"]);
    let contradictions = answer.json()["contradictions"].as_array().expect("a list").clone();
    let of = |id: &str| contradictions.iter().find(|contradiction| contradiction["id"] == id).cloned();
    let gpu: Vec<String> = contradictions.iter().filter(|c| c["id"] == "C-03" || c["id"] == "C-04").map(|c| c["why"].to_string()).collect();
    assert!(gpu.iter().any(|why| why.contains("at most two 3g.20gb per GPU")), "{gpu:?}");
    // One socket takes 24 modules only at two per channel; on two sockets the contradiction is gone (see the unit tests of the rule).
    if let Some(memory) = of("C-01") {
        assert!(!memory["why"].as_str().unwrap_or_default().contains("72"), "{memory}");
    }
}

#[test]
fn help_manual_and_completions_are_printed() {
    let assay = Assay::new();
    for words in [&["--help"][..], &["man"], &["completions", "bash"], &["completions", "zsh"], &["completions", "fish"]] {
        let answer = assay.run(words);
        assert_eq!(answer.code, 0, "{words:?}: {}", answer.stderr);
        assert!(answer.stdout.contains("accept"), "{words:?}");
    }
}
