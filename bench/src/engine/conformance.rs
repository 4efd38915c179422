//! What every engine that has operations must do, tried on each of them.
