//! The scenarios that come with assay: every file of `catalog/`, embedded by `build.rs`.

use crate::error::ScenarioError;
use crate::scenario::Scenario;

include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

/// All scenarios, by file name.
pub fn catalog() -> Vec<Scenario> {
    FILES.iter().map(|(file, text)| Scenario::parse(file, text, &engines()).expect("a test reads every embedded file")).collect()
}

/// The scenario of that name.
pub fn scenario(name: &str) -> Result<Scenario, ScenarioError> {
    let known = catalog();
    let names = known.iter().map(|scenario| scenario.name.as_str()).collect::<Vec<_>>().join(", ");
    known.into_iter().find(|scenario| scenario.name == name).ok_or_else(|| ScenarioError::UnknownScenario { name: name.to_owned(), known: names })
}

/// Names of all engines that a scenario may use.
pub fn engines() -> Vec<&'static str> {
    crate::runner::ENGINES.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_besides_is_among_the_families() {
        let families: Vec<String> = catalog().iter().flat_map(Scenario::families).collect();
        for family in ["bond.sum", "bond.spread", "bond.members", "corosync.rtt.recovery"] {
            assert!(families.iter().any(|one| one == family), "{family}");
        }
    }

    #[test]
    fn every_embedded_scenario_loads_and_is_named_like_its_file() {
        assert!(FILES.len() >= 11);
        for (file, text) in FILES {
            let scenario = Scenario::parse(file, text, &engines()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(format!("{}.toml", scenario.name), *file);
        }
    }

    #[test]
    fn an_unknown_scenario_says_which_there_are() {
        let error = scenario("storage-quik").expect_err("a typo").to_string();
        assert!(error.contains("storage-quik") && error.contains("storage-quick") && error.contains("memory-triad"), "{error}");
    }
}
