//! assay: parse -> resolve -> act -> present.

mod act;
mod assessment;
mod bmc;
mod cli;
mod context;
mod embedded;
mod output;
mod present;
mod stored;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use crate::context::Usage;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match act::act(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            present::say(&format!("{error:#}"));
            ExitCode::from(if error.is::<Usage>() { 2 } else { 4 })
        }
    }
}
