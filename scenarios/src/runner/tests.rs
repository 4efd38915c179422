//! The runner with a bench that does what each test wants, and with the real one.

mod catalog;
pub(super) mod place;
mod real;
mod resumed;
mod resumption;
mod rounds;
mod scripted;
