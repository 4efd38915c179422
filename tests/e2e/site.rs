//! The reference site on a machine that is not what was ordered.

use crate::command::{Assay, repository};

#[test]
fn an_ordinary_machine_is_not_a_pve1_node() {
    let assay = Assay::new();
    let answer = assay.run(&["verify", "--site", &repository("sites/pve1"), "--format", "json"]);
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    let outcome = answer.json();
    assert_eq!(outcome["verdict"], "fail");
    let checks = outcome["checks"].as_array().expect("a list");
    let failed: Vec<_> = checks.iter().filter(|check| check["verdict"] == "fail").collect();
    assert!(failed.iter().any(|check| check["id"] == "cpu.model"), "{failed:#?}");
    for check in &failed {
        for field in ["expected", "observed", "source", "reason"] {
            assert!(check[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {check}");
        }
    }
    let blocked: Vec<_> =
        checks.iter().filter(|check| check["verdict"] == "inconclusive" && check["reason"].as_str().unwrap_or_default().contains("C-01")).collect();
    assert!(!blocked.is_empty(), "the 72 modules are blocked on C-01: {checks:#?}");
    let text = assay.run(&["verify", "--site", &repository("sites/pve1")]);
    assert_eq!(text.code, 1);
    let shown = format!("{}{}", text.stdout, text.stderr);
    assert!(!shown.contains("panicked") && shown.contains("C-01"), "{shown}");
}

#[test]
fn the_drafted_order_of_this_machine_is_what_this_machine_is() {
    let assay = Assay::new();
    let draft = assay.run(&["bom", "draft"]);
    assert_eq!(draft.code, 0, "{}", draft.stderr);
    let site = assay.folder().join("mine");
    std::fs::create_dir(&site).expect("makes");
    std::fs::write(site.join("bom.toml"), &draft.stdout).expect("writes");
    std::fs::write(site.join("site.toml"), "schema = 1\nname = \"mine\"\nabsence = \"not_applicable\"\n").expect("writes");
    let answer = assay.run(&["verify", "--site", "mine", "--format", "json"]);
    let outcome = answer.json();
    let accused: Vec<_> = outcome["checks"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|check| check["verdict"] == "fail" && check["id"] != "clock.synchronised")
        .collect();
    assert!(accused.is_empty(), "{accused:#?}");
    // And a planted fault in that order is found.
    assert!(draft.stdout.contains("kind = \"cpu\""), "{}", draft.stdout);
    let wrong = draft.stdout.replacen("quantity = 1", "quantity = 7", 1);
    assert_ne!(wrong, draft.stdout, "something exists once");
    std::fs::write(site.join("bom.toml"), wrong).expect("writes");
    assert_eq!(assay.run(&["verify", "--site", "mine"]).code, 1);
}
