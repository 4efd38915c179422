//! How results and progress reach people: results on standard output, progress on standard error and only on a terminal.

use std::io::{self, Write};

use anyhow::{Context as _, Result};
use assay_reports::store::Store;
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

/// Names the folders of the store that cannot be read: they are missing from whatever is judged.
pub(crate) fn warn_of_damaged(store: &Store) -> Result<()> {
    for entry in store.entries()? {
        if let Err(error) = entry.content {
            eprintln!("assay: {} is left out: {error}", entry.id);
        }
    }
    Ok(())
}
