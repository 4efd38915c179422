//! End to end: the real binary, real files, real loop devices, real kills, a real browser.

mod accept;
mod bmc;
mod browser;
mod calibrate;
mod command;
mod compare;
mod exit_codes;
mod fio;
mod golden;
mod iperf;
mod kill;
mod program;
mod refusals;
mod schema;
mod site;
mod snapshot;
