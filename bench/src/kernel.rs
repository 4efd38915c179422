//! Kernels: work without single operations. Each is one file.

pub mod triad;
