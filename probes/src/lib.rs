//! What the node is: the host seam, one file per probe, and the checks of what was found.

pub mod check;
