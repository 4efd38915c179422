//! What assay said in a node.

use std::collections::BTreeSet;

use serde_json::Value;

/// The JSON answer of `verify`, `run` or `accept`.
pub(crate) struct Outcome(Value);

impl Outcome {
    pub(crate) fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// The verdict on the whole.
    pub(crate) fn verdict(&self) -> &str {
        self.0["verdict"].as_str().expect("a verdict")
    }

    fn checks(&self) -> &Vec<Value> {
        self.0["checks"].as_array().expect("a list of checks")
    }

    /// The checks that did not pass, with their reasons: for people who read why a test failed.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let lines = self.checks().iter().filter(|check| check["verdict"] != "pass");
        lines.map(|check| format!("{} {} of {}: {}", check["verdict"], check["id"], check["subject"], check["reason"])).collect()
    }

    /// Ids of the checks that failed.
    pub(crate) fn failed(&self) -> BTreeSet<&str> {
        self.checks().iter().filter(|check| check["verdict"] == "fail").map(|check| check["id"].as_str().expect("an id")).collect()
    }

    /// What was said under one id: subjects and verdicts.
    pub(crate) fn of(&self, id: &str) -> Vec<(String, String)> {
        let word = |check: &Value, field: &str| check[field].as_str().expect("a word").to_owned();
        self.checks().iter().filter(|check| check["id"] == id).map(|check| (word(check, "subject"), word(check, "verdict"))).collect()
    }
}
