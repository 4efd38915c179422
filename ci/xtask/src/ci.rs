//! Everything that a commit must pass and that needs no service: the fast half of `ci/test`.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::root;

const STEPS: &[&[&str]] = &[
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    &["xtask", "deps"],
    &["xtask", "docs", "--check"],
    &["deny", "--log-level", "error", "check", "licenses", "bans", "sources"],
    &["machete"],
];

/// Runs all steps in order and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    for step in STEPS {
        eprintln!("xtask: cargo {}", step.join(" "));
        let status =
            Command::new("cargo").args(*step).current_dir(root()).status().with_context(|| format!("cannot start cargo {}", step.join(" ")))?;
        if !status.success() {
            bail!("cargo {} failed ({status})", step.join(" "));
        }
    }
    Ok(())
}
