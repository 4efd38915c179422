//! One file per command. Each resolves what it needs, acts and presents; the exit status is its answer.

mod accept;
mod agent;
mod baseline;
mod bom;
mod calibrate;
mod compare;
mod gate;
mod history;
mod inventory;
mod isolation;
mod list;
mod manual;
mod plan;
mod report;
mod run;
mod selftest;
mod snapshot;
mod verify;
mod writes;

use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::context::Context;

/// Everything is as it should be.
pub(crate) const DONE: u8 = 0;

/// Does what was asked and answers with the exit status.
pub(crate) fn act(cli: &Cli) -> Result<u8> {
    let context = Context::new(&cli.global);
    match &cli.command {
        Command::Accept(options) => accept::accept(&context, options),
        Command::Inventory => inventory::inventory(&context),
        Command::Verify => verify::verify(&context),
        Command::Bom(what) => bom::bom(&context, what),
        Command::List => list::list(&context),
        Command::Plan(load) => plan::plan(&context, load),
        Command::Run(options) => run::run(&context, options),
        Command::Drill(options) => run::drill(&context, options),
        Command::Baseline { file, share } => baseline::baseline(&context, file, *share),
        Command::Calibrate(options) => calibrate::calibrate(&context, options),
        Command::Gate { phase, reuse_none } => gate::gate(&context, *phase, *reuse_none),
        Command::Report { ids, output } => report::report(&context, ids, output.as_deref()),
        Command::Selftest(options) => selftest::selftest(&context, options),
        Command::VerifyWrites { run } => writes::verify_writes(&context, run),
        Command::Snapshot(options) => snapshot::snapshot(&context, options),
        Command::Compare(options) => compare::compare(&context, options),
        Command::History { metric } => history::history(&context, metric.as_deref()),
        Command::Isolation(options) => isolation::isolation(&context, options),
        Command::Agent(options) => agent::agent(options),
        Command::Completions { shell } => manual::completions(*shell),
        Command::Man => manual::man(),
    }
}
