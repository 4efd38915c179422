//! Everything that is written from the registries, so that no manual is written twice: tables between `<!-- begin:NAME -->` marks of README.md,
//! docs/confusion-matrix.md, JSON Schemas in docs/schema, man page and completions in docs/man. What was verified on what stands in docs/verified.toml.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use assay_model::selftest::Confusion;
use serde::Deserialize;

use crate::{matrix, root};

/// Whether files are written or only compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write what changed.
    Write,
    /// Fail when something would change.
    Check,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    describe: String,
    #[serde(default)]
    phase: Option<u8>,
    #[serde(default)]
    implemented: Option<bool>,
    #[serde(default)]
    requires: Option<usize>,
    #[serde(default)]
    requires_implemented: Option<usize>,
}

type Registries = BTreeMap<String, Vec<Entry>>;

/// Where a thing was proven: on hardware, on emulation or not yet, with the evidence.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verified {
    on: Proof,
    how: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Proof {
    Hardware,
    VirtualMachine,
    Emulation,
    Snapshot,
    Untested,
}

impl Proof {
    fn words(&self) -> &'static str {
        match self {
            Proof::Hardware => "hardware",
            Proof::VirtualMachine => "virtual machine",
            Proof::Emulation => "emulation",
            Proof::Snapshot => "snapshots only",
            Proof::Untested => "untested",
        }
    }
}

/// Regenerates, or compares.
pub(crate) fn generate(mode: Mode) -> Result<()> {
    let root = root();
    let mut stale = Vec::new();
    let mut put = |path: &Path, text: &str| -> Result<()> {
        if fs::read_to_string(path).ok().as_deref() == Some(text) {
            return Ok(());
        }
        stale.push(path.strip_prefix(&root).unwrap_or(path).display().to_string());
        if mode == Mode::Write {
            fs::create_dir_all(path.parent().context("a file has a folder")?)?;
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    };

    for (name, schema) in assay_model::schema::all() {
        put(&root.join(format!("docs/schema/{name}.schema.json")), &(serde_json::to_string_pretty(&schema)? + "\n"))?;
    }
    put(&root.join("docs/man/assay.1"), &assay(&["man"])?)?;
    for (shell, file) in [("bash", "assay.bash"), ("zsh", "_assay"), ("fish", "assay.fish")] {
        put(&root.join("docs/man").join(file), &assay(&["completions", shell])?)?;
    }
    let registries: Registries = serde_json::from_str(&assay(&["list", "--format", "json"])?).context("cannot read the answer of assay list")?;
    let readme_path = root.join("README.md");
    let mut readme = fs::read_to_string(&readme_path).context("cannot read README.md")?;
    readme = between(
        &readme,
        "verified",
        &verified_table(&registries, &fs::read_to_string(root.join("docs/verified.toml")).context("cannot read docs/verified.toml")?)?,
    )?;
    readme = between(&readme, "gates", &gates_table(&registries)?)?;
    readme = between(&readme, "scenarios", &plain_table(&registries, "scenarios")?)?;
    let confusion: Confusion =
        serde_json::from_str(&answer(&["selftest", "--format", "json"], &[0, 1])?).context("cannot read the answer of assay selftest")?;
    readme = between(&readme, "selftest", &matrix::summary(&confusion)?)?;
    put(&readme_path, &readme)?;
    put(&root.join("docs/confusion-matrix.md"), &matrix::page(&confusion)?)?;

    if mode == Mode::Check && !stale.is_empty() {
        bail!("stale, run `cargo xtask docs`: {}", stale.join(", "));
    }
    eprintln!("xtask: {}", if stale.is_empty() { "generated documents are up to date".to_owned() } else { format!("wrote {}", stale.join(", ")) });
    Ok(())
}

// The binary is asked, not the crates: what it prints is what a user sees.
fn assay(words: &[&str]) -> Result<String> {
    answer(words, &[0])
}

fn answer(words: &[&str], allowed: &[i32]) -> Result<String> {
    // One that is built already answers sooner than what `cargo run` builds for it.
    let mut command = std::env::var_os("ASSAY_BINARY").map_or_else(
        || {
            let mut cargo = Command::new("cargo");
            cargo.args(["run", "--quiet", "--locked", "--package", "assay", "--"]);
            cargo
        },
        Command::new,
    );
    let output = command.args(words).current_dir(root()).output()?;
    let is_allowed = output.status.code().is_some_and(|code| allowed.contains(&code));
    ensure!(is_allowed, "assay {} failed: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn between(text: &str, name: &str, table: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- begin:{name} -->\n"), format!("<!-- end:{name} -->"));
    let from = text.find(&begin).with_context(|| format!("README.md has no {begin}"))? + begin.len();
    let to = text[from..].find(&end).with_context(|| format!("README.md has no {end}"))? + from;
    Ok(format!("{}{table}{}", &text[..from], &text[to..]))
}

fn registry<'a>(registries: &'a Registries, name: &str) -> Result<&'a [Entry]> {
    registries.get(name).map(Vec::as_slice).with_context(|| format!("assay list has no {name}"))
}

fn verified_table(registries: &Registries, text: &str) -> Result<String> {
    let mut verified: BTreeMap<String, BTreeMap<String, Verified>> = toml::from_str(text).context("docs/verified.toml")?;
    let mut table = String::from("| kind | name | verified on | how |\n| --- | --- | --- | --- |\n");
    for kind in ["probes", "engines", "scenarios"] {
        let mut stated = verified.remove(kind).unwrap_or_default();
        for entry in registry(registries, kind)? {
            let Some(proof) = stated.remove(&entry.name) else { bail!("docs/verified.toml says nothing of {kind}.{}", entry.name) };
            writeln!(table, "| {} | `{}` | {} | {} |", kind.trim_end_matches('s'), entry.name, proof.on.words(), proof.how)?;
        }
        ensure!(
            stated.is_empty(),
            "docs/verified.toml speaks of {kind} that do not exist: {}",
            stated.keys().cloned().collect::<Vec<_>>().join(", ")
        );
    }
    ensure!(verified.is_empty(), "docs/verified.toml has unknown sections: {}", verified.keys().cloned().collect::<Vec<_>>().join(", "));
    Ok(table)
}

fn gates_table(registries: &Registries) -> Result<String> {
    let checks = registry(registries, "checks")?;
    let mut table = String::from("| phase | gate | checks | of them implemented |\n| --- | --- | --- | --- |\n");
    for gate in registry(registries, "gates")? {
        writeln!(
            table,
            "| {} | {} | {} | {} |",
            gate.phase.context("a gate has a phase")?,
            gate.describe,
            gate.requires.context("a gate counts its checks")?,
            gate.requires_implemented.context("a gate counts its implemented checks")?
        )?;
    }
    let implemented = checks.iter().filter(|check| check.implemented == Some(true)).count();
    writeln!(
        table,
        "\n{implemented} of {} check ids are implemented; the others are listed in their gates, come out as `not_run` and keep their gate shut.",
        checks.len()
    )?;
    Ok(table)
}

fn plain_table(registries: &Registries, name: &str) -> Result<String> {
    let mut table = String::from("| name | what it does |\n| --- | --- |\n");
    for entry in registry(registries, name)? {
        writeln!(table, "| `{}` | {} |", entry.name, entry.describe)?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_marks_is_replaced() {
        let text = "a\n<!-- begin:x -->\nold\n<!-- end:x -->\nb";
        assert_eq!(between(text, "x", "new\n").expect("marks"), "a\n<!-- begin:x -->\nnew\n<!-- end:x -->\nb");
        assert!(between("no marks", "x", "new").is_err());
    }

    #[test]
    fn a_probe_of_which_nothing_is_stated_is_refused() {
        let entry = |name: &str| Entry {
            name: name.into(),
            describe: String::new(),
            phase: None,
            implemented: None,
            requires: None,
            requires_implemented: None,
        };
        let registries: Registries =
            [("probes".to_owned(), vec![entry("cpu")]), ("engines".to_owned(), vec![]), ("scenarios".to_owned(), vec![])].into_iter().collect();
        assert!(verified_table(&registries, "").is_err());
        assert!(verified_table(&registries, "[probes.cpu]\non = \"hardware\"\nhow = \"x\"\n[probes.gone]\non = \"untested\"\nhow = \"x\"").is_err());
        assert!(
            verified_table(&registries, "[probes.cpu]\non = \"hardware\"\nhow = \"x\"")
                .expect("complete")
                .contains("| probe | `cpu` | hardware | x |")
        );
    }
}
