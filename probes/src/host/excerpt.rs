//! Excerpts: what is taken of a file that must not, or need not, be written down whole: secrets beside facts, one package out of a thousand. Only the
//! excerpt is recorded, as `excerpt:PATH`; the rest of the file never leaves the function that takes it.

use super::answer::{Answer, Ask};
use super::error::Act;
use super::live::Live;
use super::{Host, HostError, TABLE_MAX, closed, taken};

/// How the text of an excerpt begins that could not be taken.
const FAILED: &str = "failed: ";

impl Host {
    /// What `take` takes of a file's text. Its reasons are written down too: they must not quote the file. A fixture may give the file itself.
    pub(crate) fn excerpt(&self, path: &str, take: impl Fn(&str) -> Result<String, String>) -> Result<String, HostError> {
        let name = format!("excerpt:{path}");
        let written = |text: &str| take(text).unwrap_or_else(|why| format!("{FAILED}{why}"));
        let live = |live: &Live| Ok(Answer::Text(closed(&written(&String::from_utf8_lossy(&live.content(path, TABLE_MAX)?)))));
        let text = match self.ask(Act::Read, &name, Ask::Content, live) {
            Ok(answer) => taken(&name, answer.into_text())?,
            Err(error @ (HostError::Absent { .. } | HostError::NotRecorded { .. })) if self.is_snapshot() => match self.read(path) {
                Ok(text) => written(&text),
                Err(HostError::NotRecorded { .. }) => return Err(error),
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        };
        match text.strip_prefix(FAILED) {
            Some(why) => Err(HostError::Malformed { path: path.to_owned(), reason: why.to_owned() }),
            None => Ok(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;

    use super::*;
    use crate::host::RecordingOptions;

    fn names(text: &str) -> Result<String, String> {
        let names: Option<Vec<&str>> = text.lines().map(|line| line.split_once(' ').map(|(name, _)| name)).collect();
        names.map(|names| names.join("\n")).ok_or_else(|| "a line without a name".into())
    }

    #[test]
    fn only_the_excerpt_is_recorded_and_it_reads_back() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("etc")).expect("a folder");
        fs::write(root.path().join("etc/secrets"), "alice hunter2\nbob swordfish\n").expect("a file");
        fs::write(root.path().join("etc/torn"), "hunter2\n").expect("a file");
        let host = Host::recording(root.path());
        assert_eq!(host.excerpt("/etc/secrets", names), Ok("alice\nbob".into()));
        assert!(host.excerpt("/etc/torn", names).is_err_and(|error| !error.is_absent()));
        assert!(host.excerpt("/etc/none", names).is_err_and(|error| error.is_absent()));
        let options = RecordingOptions { redact: false, tool: "a test".into(), now: Timestamp::UNIX_EPOCH };
        let text = host.recorded(&options).expect("a recording");
        assert!(text.contains("excerpt:/etc/secrets:") && !text.contains("hunter2") && !text.contains("swordfish"), "{text}");
        let again = Host::from_snapshot(&text).expect("it reads back");
        for path in ["/etc/secrets", "/etc/torn", "/etc/none"] {
            assert_eq!(again.excerpt(path, names).map_err(|error| error.cause()), host.excerpt(path, names).map_err(|error| error.cause()), "{path}");
        }
        assert!(matches!(again.excerpt("/etc/other", names), Err(HostError::NotRecorded { .. })));
    }

    #[test]
    fn a_fixture_may_give_the_file_itself() {
        let host = Host::from_snapshot("/etc/secrets:\n|alice hunter2\n/etc/gone absent\n/etc/refused error: EACCES").expect("a fixture");
        assert_eq!(host.excerpt("/etc/secrets", names), Ok("alice".into()));
        assert!(host.excerpt("/etc/gone", names).is_err_and(|error| error.is_absent()));
        assert!(host.excerpt("/etc/refused", names).is_err_and(|error| !error.is_absent()));
        assert!(host.excerpt("/etc/none", names).is_err_and(|error| error.is_absent()));
    }
}
