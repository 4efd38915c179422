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
