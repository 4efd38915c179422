//! How results and progress reach people: results on standard output, progress on standard error and only on a terminal.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::{Context as _, Result};
use assay_model::ceiling::Ceiling;
use assay_reports::printable::Shown;
use assay_reports::scale;
use serde::Serialize;

/// Prints a result. A reader that went away (`assay list | head`) is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let written =
        out.write_all(text.as_bytes()).and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") }).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Prints one JSON object.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value).context("cannot serialise the result")?)
}

/// Ceilings with their formulas and inputs.
pub(crate) fn ceilings(ceilings: &[Ceiling]) -> Result<String> {
    let mut out = String::new();
    for ceiling in ceilings {
        match ceiling.value {
            Some(value) => writeln!(out, "{}  {}", ceiling.metric, scale::scaled(value, ceiling.unit))?,
            None => writeln!(out, "{}  unknown: an input is missing", ceiling.metric)?,
        }
        writeln!(out, "  = {}", ceiling.formula)?;
        for (name, reading) in &ceiling.inputs {
            writeln!(out, "    {name}: {reading}")?;
        }
    }
    Ok(out)
}

/// Says something of assay's own on standard error. Further lines stand back: a name with a line break in it never begins one.
pub(crate) fn say(text: &str) {
    progress(&format!("assay: {}", text.replace('\n', "\n  ")));
}

/// Says on standard error how far it is, without anything that acts on a terminal.
pub(crate) fn progress(text: &str) {
    // Whoever closed standard error does not want to hear; a run goes on.
    let _ = writeln!(io::stderr().lock(), "{}", tame(text));
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

/// Lines of people's text without anything that acts on a terminal. Lines stay lines: errors in site files point with a caret.
pub(crate) fn tame(text: &str) -> String {
    let line = |line: &str| {
        let indent = line.len() - line.trim_start_matches(' ').len();
        format!("{}{}", &line[..indent], Shown::from(line))
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_lines_and_loses_its_escape_sequences() {
        assert_eq!(tame("a.toml:1\n    ^ here\u{1b}[2J"), "a.toml:1\n    ^ here‹U+001B›[2J");
    }
}
