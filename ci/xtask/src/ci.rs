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
        let mut command = Command::new("cargo");
        // cargo-machete takes this variable for a sign that `cargo run` started it, and its own name for a folder.
        command.args(*step).current_dir(root()).env_remove("CARGO_PKG_NAME");
        let status = command.status().with_context(|| format!("cannot start cargo {}", step.join(" ")))?;
        if !status.success() {
            bail!("cargo {} failed ({status})", step.join(" "));
        }
    }
    Ok(())
}
