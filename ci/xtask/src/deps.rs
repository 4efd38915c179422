//! The table of allowed edges between our crates, compared with `cargo metadata`.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::root;

/// Who may depend on whom. bench never reads sysfs, reports never sees engines: that is what this table is for.
const ALLOWED: &[(&str, &[&str])] = &[
    ("assay-model", &[]),
    ("assay-probes", &["assay-model"]),
    ("assay-bench", &["assay-model"]),
    ("assay-rdma", &["assay-model", "assay-bench"]),
    ("assay-reports", &["assay-model"]),
    ("assay-scenarios", &["assay-model", "assay-bench", "assay-rdma", "assay-probes"]),
    ("assay", &["assay-model", "assay-probes", "assay-bench", "assay-rdma", "assay-scenarios", "assay-reports"]),
    ("xtask", &["assay-model"]),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Fails on any edge that the table does not allow and on any crate that it does not know. Dev-dependencies are free.
pub(crate) fn compare() -> Result<()> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root())
        .output()
        .context("cannot start cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cannot read the answer of cargo metadata")?;
    let wrong = wrong_edges(&metadata);
    if !wrong.is_empty() {
        bail!("edges that ci/xtask/src/deps.rs does not allow:\n  {}", wrong.join("\n  "));
    }
    eprintln!("xtask: {} crates keep to the table of edges", metadata.packages.len());
    Ok(())
}

fn wrong_edges(metadata: &Metadata) -> Vec<String> {
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            wrong.push(format!("{} is not in the table", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev")) {
            if ours.contains(dependency.name.as_str()) && !allowed.contains(&dependency.name.as_str()) {
                wrong.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(edges: &[(&str, &str, Option<&str>)]) -> Metadata {
        let names: BTreeSet<&str> = edges.iter().flat_map(|(from, to, _)| [*from, *to]).collect();
        let packages = names
            .iter()
            .map(|name| Package {
                name: (*name).to_owned(),
                dependencies: edges
                    .iter()
                    .filter(|(from, _, _)| from == name)
                    .map(|(_, to, kind)| Dependency { name: (*to).to_owned(), kind: kind.map(str::to_owned) })
                    .collect(),
            })
            .collect();
        Metadata { packages }
    }

    #[test]
    fn an_engine_that_reads_the_inventory_is_caught() {
        assert_eq!(wrong_edges(&metadata(&[("assay-bench", "assay-probes", None)])), ["assay-bench -> assay-probes"]);
    }

    #[test]
    fn the_allowed_edges_and_test_edges_are_not_accused() {
        assert!(wrong_edges(&metadata(&[("assay-scenarios", "assay-bench", None), ("assay-bench", "assay-scenarios", Some("dev"))])).is_empty());
    }

    #[test]
    fn a_new_crate_must_be_entered() {
        assert_eq!(wrong_edges(&metadata(&[("assay-utils", "assay-model", None)])), ["assay-utils is not in the table"]);
    }
}
