//! The stored runs that a gate is judged on, and those that cannot be read: a damaged run is evidence too, and never makes room for an older one.

use anyhow::Result;
use assay_model::check::Check;
use assay_model::gate::Gate;
use assay_model::run::{Acceptance, Run};
use assay_model::verdict::Reason;
use assay_reports::store::{Content, Store, StoreError};
use assay_scenarios::isolation;

use crate::present;

/// Runs as they are stored.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) runs: Vec<Run>,
    damaged: Vec<Damaged>,
}

#[derive(Debug)]
struct Damaged {
    id: String,
    why: String,
}

impl Stored {
    /// Everything in the store. What cannot be read is named on standard error.
    pub(crate) fn all(store: &Store) -> Result<Self> {
        let mut stored = Self::default();
        for entry in store.entries()? {
            stored.take(&entry.id, entry.content);
        }
        Ok(stored)
    }

    /// The runs of an acceptance that were begun; one that was not is missing, and its checks come out as not run.
    pub(crate) fn of(store: &Store, acceptance: &Acceptance) -> Self {
        let mut stored = Self::default();
        for planned in &acceptance.runs {
            match store.load(&planned.run) {
                Err(StoreError::Unknown { .. }) => {}
                content => stored.take(&planned.run, content),
            }
        }
        stored
    }

    /// And the runs of `assay isolation`, which no acceptance makes.
    pub(crate) fn with_isolation(mut self, store: &Store) -> Result<Self, StoreError> {
        for entry in store.entries()?.into_iter().filter(|entry| scenario_of(&entry.id) == Some(isolation::SCENARIO)) {
            self.take(&entry.id, entry.content);
        }
        Ok(self)
    }

    /// Runs that were named one by one.
    pub(crate) fn named(runs: Vec<Run>) -> Self {
        Self { runs, damaged: Vec::new() }
    }

    fn take(&mut self, id: &str, content: Result<Content, StoreError>) {
        match content {
            Ok(Content::Run(run)) => self.runs.push(*run),
            Ok(Content::Acceptance(_)) => {}
            Err(error) => {
                let why = present::chain(&error);
                present::say(&format!("{id} is left out: {why}"));
                self.damaged.push(Damaged { id: id.to_owned(), why });
            }
        }
    }

    /// What the damaged runs say for a gate: nobody can tell how the newest run of that scenario ended, so no older one speaks for it. Whose it was
    /// cannot be told either: only a newer run of the judged host makes room for it.
    pub(crate) fn unreadable(&self, gate: &Gate, host: &str) -> Vec<Check> {
        let hides = |damaged: &&Damaged, scenario: &str| {
            let newer = |run: &Run| run.scenario == scenario && run.id.as_str() > damaged.id.as_str() && run.hosts.iter().any(|of| of == host);
            scenario_of(&damaged.id) == Some(scenario) && !self.runs.iter().any(newer)
        };
        let of = |scenario: &str| self.damaged.iter().filter(|damaged| hides(damaged, scenario)).collect::<Vec<_>>();
        let asked = gate
            .scenarios
            .iter()
            .flat_map(|scenario| of(scenario).into_iter().map(|damaged| check("run.completed", scenario, "every planned step is done", damaged)));
        // No gate names that scenario, and only its runs answer these.
        let of_isolation = isolation::CHECKS
            .iter()
            .flat_map(|id| of(isolation::SCENARIO).into_iter().map(|damaged| check(id, "guest VLANs", "a run that can be read", damaged)));
        asked.chain(of_isolation).collect()
    }
}

fn check(id: &str, subject: &str, expected: &str, damaged: &Damaged) -> Check {
    let reason = Reason::Unreadable(format!("run {}: {}", damaged.id, damaged.why));
    Check::inconclusive(id, subject, expected, reason, format!("run {}", damaged.id))
}

// `20261123T020304Z-storage-quick-0a1b2c3d`: the journal that says it better is the one that cannot be read.
fn scenario_of(id: &str) -> Option<&str> {
    let (_, rest) = id.split_once('-')?;
    rest.rsplit_once('-').map(|(scenario, _)| scenario)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenario_is_in_the_id_of_its_run() {
        assert_eq!(scenario_of("20261123T020304Z-storage-quick-0a1b2c3d"), Some("storage-quick"));
        assert_eq!(scenario_of("lost+found"), None);
    }
}
