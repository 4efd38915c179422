//! Runs the binary in a folder of its own.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

/// Held by tests that load the whole machine: two of them at once would disturb each other, and memory for two triads may not be there.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The binary with a private folder, in which it keeps its runs and its scratch files.
pub(crate) struct Assay {
    folder: TempDir,
}

/// What a command answered.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Assay {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::with_prefix("assay-e2e-").expect("a folder below /tmp") }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.current_dir(self.folder()).env_remove("ASSAY_SITE").env_remove("ASSAY_RUNS").args(words);
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Answer {
        Answer::of(self.command(words).output().expect("the binary starts"))
    }

    /// Names of what lies in the folder of runs.
    pub(crate) fn runs(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.folder().join("runs")) else { return Vec::new() };
        // A run that was killed before its folder was made may have left its scratch file there.
        let folders = entries.map(|entry| entry.expect("an entry")).filter(|entry| entry.path().is_dir());
        let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Scratch files that were left behind anywhere below the folder.
    pub(crate) fn scratch_files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if entry.file_name().is_some_and(|name| name.to_string_lossy().contains("assay-scratch")) {
                    found.push(entry.display().to_string());
                }
            }
        }
        found
    }
}

impl Answer {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {}\n{}", self.stdout, self.stderr))
    }
}

/// A path inside the repository.
pub(crate) fn repository(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}
