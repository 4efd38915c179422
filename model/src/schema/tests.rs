use super::*;
use crate::contradiction::tests::{BOM, CONTRADICTIONS};

fn schema(name: &str) -> Value {
    all().into_iter().find(|(known, _)| *known == name).map(|(_, schema)| schema).unwrap_or_else(|| panic!("a schema {name}"))
}

fn json(toml: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(toml).expect("TOML")).expect("JSON")
}

fn errors(name: &str, instance: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&schema(name)).expect("a valid schema");
    validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_shipped_files_are_valid_under_their_schemas() {
    let files = [
        ("site", include_str!("../../../sites/pve1/site.toml")),
        ("site", include_str!("../../../sites/generic/site.toml")),
        ("bom", BOM),
        ("contradictions", CONTRADICTIONS),
        ("parts", include_str!("../../../sites/parts/cpu.toml")),
        ("parts", include_str!("../../../sites/parts/gpu.toml")),
        ("parts", include_str!("../../../sites/parts/nic.toml")),
        ("parts", include_str!("../../../sites/parts/nvme.toml")),
    ];
    for (name, text) in files {
        assert_eq!(errors(name, &json(text)), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn an_unknown_key_is_invalid_under_every_file_schema() {
    for name in ["site", "bom", "contradictions", "waivers", "gate", "parts"] {
        let found = errors(name, &json("schema = 1\nnovelty = 1\n"));
        assert!(found.iter().any(|error| error.contains("novelty")), "{name}: {found:?}");
    }
}

#[test]
fn a_misspelt_attribute_is_invalid_under_the_bom_schema() {
    assert_ne!(errors("bom", &json(&BOM.replacen("configured_speed", "configured_sped", 1))), Vec::<String>::new());
}

#[test]
fn every_schema_has_a_name_of_its_own_and_is_valid_itself() {
    let schemas = all();
    for (i, (name, schema)) in schemas.iter().enumerate() {
        assert!(schemas[..i].iter().all(|(other, _)| other != name), "{name}");
        jsonschema::validator_for(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert_eq!(schemas.len(), 18);
}

#[test]
fn what_is_printed_is_valid_under_its_schema() {
    let contradictions = crate::contradiction::all(&crate::contradiction::tests::ordered(), &crate::parts::tests::shipped(), &[]);
    let lint = BomLint::of(&contradictions);
    assert_eq!(lint.exit_code(), 3);
    assert_eq!(errors("bom-lint", &serde_json::to_value(&lint).expect("JSON")), Vec::<String>::new());
    let listing = Listing::default();
    assert_eq!(errors("list", &serde_json::to_value(&listing).expect("JSON")), Vec::<String>::new());
}
