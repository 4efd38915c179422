//! Embeds what `assay selftest` works on, so that it needs no repository: reference nodes, the fault corpus, the site that the reference nodes were ordered
//! for, the gates and the parts catalogue. Every file of these folders is taken; adding one touches nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let own = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = own.parent().expect("probes lies in the repository").to_path_buf();
    let mut code = String::new();
    for (name, folder, endings) in [
        ("FIXTURES", own.join("fixtures"), &["snap", "toml"][..]),
        ("CORPUS", own.join("corpus"), &["toml"]),
        ("ORDER", root.join("sites/pve1"), &["toml"]),
        ("GENERIC", root.join("sites/generic"), &["toml"]),
        ("PARTS", root.join("sites/parts"), &["toml"]),
        ("GATES", root.join("ci/gates"), &["toml"]),
    ] {
        let mut files = Vec::new();
        collect(&folder, "", endings, &mut files);
        writeln!(code, "pub(crate) const {name}: &[(&str, &str)] = &[").expect("a String");
        for (label, path) in files {
            writeln!(code, "    ({label:?}, include_str!({:?})),", path.display().to_string()).expect("a String");
        }
        code.push_str("];\n");
    }
    fs::write(Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("embedded.rs"), code).expect("OUT_DIR is writable");
}

fn collect(folder: &Path, prefix: &str, endings: &[&str], files: &mut Vec<(String, PathBuf)>) {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        let label = format!("{prefix}{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            collect(&path, &format!("{label}/"), endings, files);
        } else if path.extension().is_some_and(|extension| endings.iter().any(|ending| extension == *ending)) {
            files.push((label, path));
        }
    }
}
