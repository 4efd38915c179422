//! Shared vocabulary and judgement of assay. Pure: no I/O, no clock, no `unsafe`. Whatever is read, measured or broken elsewhere is put into
//! these types, and every verdict is a function of them.

#![forbid(unsafe_code)]

pub mod attr;
pub mod between;
pub mod binomial;
pub mod bom;
pub mod bond;
pub mod ceiling;
pub mod check;
pub mod component;
pub mod contradiction;
pub mod drift;
pub mod error_log;
pub mod gate;
pub mod inventory;
pub mod journal;
pub mod judge;
pub mod knee;
pub mod limit;
pub mod matcher;
pub mod metric;
pub mod outage;
pub mod outcome;
pub mod parts;
pub mod phase;
mod place;
pub mod run;
pub mod schema;
pub mod selftest;
pub mod sequential;
pub mod site;
pub mod source;
mod spelling;
pub mod spread;
pub mod stall;
pub mod steady;
pub mod unit;
pub mod verdict;
pub mod waiver;
pub mod writes;
