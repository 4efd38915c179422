//! Writes the reports of made-up nodes, so that a change of the templates can be looked at: `cargo run -p assay-reports --example sample -- FOLDER`.

use std::error::Error;
use std::path::PathBuf;

use assay_reports::{html, text};

#[path = "../specimen/specimen.rs"]
mod specimen;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("target/sample-reports"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let all = [
        ("held-node", specimen::held_node()),
        ("admitted-vm", specimen::admitted_vm()),
        ("interrupted", specimen::interrupted()),
        ("empty", specimen::empty()),
        ("hostile", specimen::hostile()),
        ("nodes", specimen::nodes()),
    ];
    for (name, specimen) in all {
        let dossier = specimen.dossier();
        let page = html::html(&dossier)?;
        println!("{name}: {} bytes", page.len());
        std::fs::write(folder.join(format!("{name}.html")), page)?;
        std::fs::write(folder.join(format!("{name}.txt")), text::text(&dossier))?;
    }
    Ok(())
}
