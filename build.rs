//! Embeds the gates, the `generic` site and the parts catalogue by folder, so that adding a file touches nothing else, and stamps the git revision.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let mut code = String::new();
    embed(&mut code, "GATES", &root.join("ci/gates"), "");
    embed(&mut code, "PARTS", &root.join("sites/parts"), "");
    embed(&mut code, "GENERIC", &root.join("sites/generic"), "");
    fs::write(out.join("embedded.rs"), code).expect("OUT_DIR is writable");
    println!("cargo:rustc-env=ASSAY_REVISION={}", revision(&root));
}

fn embed(code: &mut String, name: &str, folder: &Path, prefix: &str) {
    let mut files = Vec::new();
    collect(folder, prefix, &mut files);
    writeln!(code, "pub(crate) const {name}: &[(&str, &str)] = &[").expect("a String");
    for (label, path) in files {
        writeln!(code, "    ({label:?}, include_str!({:?})),", path.display().to_string()).expect("a String");
    }
    code.push_str("];\n");
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        let label = format!("{prefix}{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            collect(&path, &format!("{label}/"), files);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push((label, path));
        }
    }
}

fn revision(root: &Path) -> String {
    for watched in [".git/HEAD", ".git/index"] {
        if root.join(watched).exists() {
            println!("cargo:rerun-if-changed={}", root.join(watched).display());
        }
    }
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(head) => match git(&["status", "--porcelain", "--untracked-files=no"]) {
            Some(changes) if changes.is_empty() => head,
            Some(_) | None => format!("{head}-dirty"),
        },
        None => "unknown".to_owned(),
    }
}
