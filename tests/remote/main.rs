//! Remote nodes, end to end: the real binary behind a real sshd in network namespaces, lying and dying peers, and faults that heal whoever is killed.

mod between;
mod bond;
mod bond_drills;
mod drills;
mod lacp;
#[path = "../../scenarios/src/fault/tests/namespaces.rs"]
#[allow(dead_code, reason = "shared with the tests of single faults")]
mod namespaces;
mod pair;
mod peers;
#[path = "../e2e/program.rs"]
mod program;
mod ring;
mod session;
mod sshd;
mod stand_in;
mod switch;
mod three;
