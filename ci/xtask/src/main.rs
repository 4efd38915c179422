//! Chores of the repository: `cargo xtask ci | deps | docs [--check] | ab inventory`.

mod ab;
mod ci;
mod deps;
mod docs;
mod matrix;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

const USAGE: &str =
    "usage: cargo xtask ci             everything that a commit must pass without services: fmt, clippy, deps, docs, licences, unused dependencies
       cargo xtask deps           compare the crates' dependencies with the table of allowed edges
       cargo xtask docs [--check] regenerate README tables, confusion matrix, schemas, man page and completions; --check fails when they are stale;
                                      ASSAY_BINARY names a build of this tree that is asked
       cargo xtask ab inventory [PAIRS] [-- OPTIONS]   `assay inventory` beside lshw and dmidecode, interleaved";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match act(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(words: &[&str]) -> Result<()> {
    match words {
        ["ci"] => ci::run(),
        ["deps"] => deps::compare(),
        ["docs"] => docs::generate(docs::Mode::Write),
        ["ab", "inventory"] => ab::inventory(10, &[]),
        ["ab", "inventory", pairs] => ab::inventory(pairs.parse().context("PAIRS is a number")?, &[]),
        ["ab", "inventory", pairs, "--", options @ ..] => ab::inventory(pairs.parse().context("PAIRS is a number")?, options),
        ["docs", "--check"] => docs::generate(docs::Mode::Check),
        _ => bail!("{USAGE}"),
    }
}

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("ci/xtask lies two folders below the root").to_path_buf()
}
