//! The sites, gates and parts that ship, as files of this repository: assembled, held to the catalogue of checks, and judged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assay_model::gate::Gate;
use assay_model::site::{Site, SiteFiles, assemble};

mod catalogue;
mod unproven;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The TOML files of a folder by name; none when it does not exist.
fn files(folder: &str) -> Vec<(String, String)> {
    let Ok(entries) = std::fs::read_dir(root().join(folder)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("readable").path()).filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let named = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("readable");
        (path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned(), text)
    };
    let mut files: Vec<(String, String)> = paths.map(named).collect();
    files.sort();
    files
}

fn site(name: &str) -> Site {
    let mut own: BTreeMap<String, String> = files(&format!("sites/{name}")).into_iter().collect();
    own.extend(files(&format!("sites/{name}/gates")).into_iter().map(|(file, text)| (format!("gates/{file}"), text)));
    let read = SiteFiles { origin: format!("sites/{name}"), files: own };
    assemble(read, &files("ci/gates"), &files("sites/parts")).unwrap_or_else(|error| panic!("{error}"))
}

/// The gate of a phase.
fn gate(site: &Site, phase: u8) -> &Gate {
    site.gates.iter().find(|gate| gate.phase.number() == phase).unwrap_or_else(|| panic!("a gate of phase {phase}"))
}
