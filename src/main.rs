//! assay: parse -> resolve -> act -> present.

mod act;
mod assessment;
mod cli;
mod context;
mod embedded;
mod present;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use crate::context::Usage;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match act::act(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("assay: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 4 })
        }
    }
}
