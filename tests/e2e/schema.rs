//! What is printed with `--format json` keeps to the schemas in docs/schema: others build on them.

use serde_json::Value;

use crate::command::{Assay, repository};

pub(crate) fn assert_valid(schema: &str, value: &Value) {
    let text = std::fs::read_to_string(repository(&format!("docs/schema/{schema}.schema.json"))).expect("the schema is generated");
    let schema_value: Value = serde_json::from_str(&text).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema_value).expect("a valid schema");
    let errors: Vec<String> = validator.iter_errors(value).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}");
}

#[test]
fn every_command_prints_what_its_schema_says() {
    let assay = Assay::new();
    let pve1 = repository("sites/pve1");
    let cases: &[(&[&str], &str)] = &[
        (&["inventory"], "inventory"),
        (&["list"], "list"),
        (&["bom", "limits"], "ceilings"),
        (&["bom", "limits", "--site", &pve1], "ceilings"),
        (&["bom", "lint", "--site", &pve1], "bom-lint"),
        (&["verify"], "outcome"),
        (&["verify", "--site", &pve1], "outcome"),
        (&["gate", "1"], "outcome"),
        (&["gate", "4", "--site", &pve1], "outcome"),
    ];
    for (words, schema) in cases {
        let mut words = words.to_vec();
        words.extend(["--format", "json"]);
        let answer = assay.run(&words);
        assert!([0, 1, 3].contains(&answer.code), "{words:?} ended with {}: {}", answer.code, answer.stderr);
        assert_valid(schema, &answer.json());
    }
}

#[test]
fn a_gate_without_any_run_is_held_and_never_passes() {
    let assay = Assay::new();
    for phase in 1..=11 {
        let answer = assay.run(&["gate", &phase.to_string(), "--site", &repository("sites/pve1"), "--format", "json"]);
        let outcome = answer.json();
        assert_ne!(outcome["verdict"], "pass", "phase {phase}");
        assert!(answer.code == 1 || answer.code == 3, "phase {phase} ended with {}", answer.code);
        assert_eq!(outcome["exit_code"], answer.code);
        assert!(!outcome["checks"].as_array().expect("a list").is_empty());
    }
}

#[test]
fn the_power_of_detection_is_measured() {
    let _machine = crate::command::alone();
    let assay = Assay::new();
    let answer = assay.run(&["selftest", "--measure", "--trials", "1", "--format", "json"]);
    // On a busy machine one trial of a good target may well fail; a fault that was planted is always found.
    assert!([0, 1].contains(&answer.code), "{}", answer.stderr);
    let power = answer.json();
    assert_valid("power", &power);
    let faults = power["faults"].as_array().expect("faults");
    assert!(faults.len() == 9 && faults.iter().all(|fault| fault["found"] == fault["planted"] && fault["false_alarms"] == 0), "{faults:?}");
}
