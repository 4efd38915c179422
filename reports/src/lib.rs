//! What assay concludes: the store of runs, and the report as HTML, text and JSON.

#![forbid(unsafe_code)]

mod chart;
pub mod dossier;
mod grouped;
pub mod html;
pub mod printable;
pub mod scale;
pub mod store;
pub mod text;
