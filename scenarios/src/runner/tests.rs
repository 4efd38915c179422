//! The runner with a bench that does what each test wants, and with the real one.

mod place;
mod real;
mod resumed;
mod scripted;
