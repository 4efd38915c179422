//! Manual page and shell completions, generated from the command line's own definition.

use anyhow::{Context as _, Result};
use clap::CommandFactory;

use super::DONE;
use crate::cli::Cli;
use crate::present;

/// Prints the completion script of `shell`.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "assay", &mut script);
    present::print(&String::from_utf8(script).context("a completion script is text")?)?;
    Ok(DONE)
}

/// Prints the manual page.
pub(crate) fn man() -> Result<u8> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).context("cannot render the manual page")?;
    present::print(&String::from_utf8(page).context("a manual page is text")?)?;
    Ok(DONE)
}
