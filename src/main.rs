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

use clap::Parser;

use crate::context::Usage;

/// As std has it.
const PANICKED: u8 = 101;

fn main() {
    let cli = cli::Cli::parse();
    let act = || {
        act::act(&cli).unwrap_or_else(|error| {
            present::say(&format!("{error:#}"));
            if error.is::<Usage>() { 2 } else { 4 }
        })
    };
    // What a panic has to say was said when it began.
    assay_bench::end_process(std::panic::catch_unwind(act).unwrap_or(PANICKED))
}
