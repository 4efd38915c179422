//! Snapshots as text. One line per short answer, one line per line of a long one, so that a review sees a diff.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::answer::{Answer, Ask};
use super::super::error::errno_name;
use super::escape::word;
use super::{Snapshot, Unmentioned};

/// Bytes per line of base64.
const BYTES_PER_LINE: usize = 57;

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = &self.header;
        writeln!(f, "assay-snapshot 1")?;
        writeln!(f, "tool: {}", one_line(&header.tool))?;
        writeln!(f, "time: {}", one_line(&header.time))?;
        writeln!(f, "host: {}", one_line(&header.host))?;
        writeln!(f, "redacted: {}", if header.redacted { "yes" } else { "no" })?;
        let unmentioned = match header.unmentioned {
            Unmentioned::NotRecorded => "not recorded",
            Unmentioned::Absent => "absent",
        };
        writeln!(f, "unmentioned: {unmentioned}\n")?;
        let mut entries = 0_usize;
        for (path, asked) in &self.answers {
            for (ask, answer) in asked {
                entry(f, path, ask.as_ref(), answer)?;
                entries += 1;
            }
        }
        writeln!(f, "\nend {entries}")
    }
}

fn entry(f: &mut fmt::Formatter<'_>, path: &str, ask: Option<&Ask>, answer: &Answer) -> fmt::Result {
    f.write_str(&word(path))?;
    // An answer that has a form of its own says by it what was asked; a "no" names what it was the answer to.
    let asked = match (ask, answer) {
        (Some(Ask::Lines(label)), _) => format!(" lines {}", word(label)),
        (Some(Ask::Content), Answer::Text(_)) | (Some(Ask::Existence), Answer::Exists) | (None, _) => String::new(),
        (Some(Ask::Content), _) => " text".into(),
        (Some(Ask::Bytes), _) => " bytes".into(),
        (Some(Ask::List), _) => " list".into(),
        (Some(Ask::Link), _) => " link".into(),
        (Some(Ask::Existence), _) => " exists".into(),
    };
    f.write_str(&asked)?;
    match answer {
        Answer::Text(text) => block(f, text),
        Answer::Bytes(bytes) => {
            writeln!(f, ":")?;
            bytes.chunks(BYTES_PER_LINE).try_for_each(|chunk| writeln!(f, "  |{}", STANDARD.encode(chunk)))
        }
        Answer::List(names) => {
            writeln!(f, ":")?;
            names.iter().try_for_each(|name| writeln!(f, "  |{}", word(name)))
        }
        Answer::Link(target) => writeln!(f, ": {}", word(target)),
        Answer::Exists => writeln!(f, " exists"),
        Answer::Absent => writeln!(f, " absent"),
        Answer::Refused(errno) => writeln!(f, " error: {}", errno_name(*errno)),
        Answer::TooLarge(limit) => writeln!(f, " too-large: {limit}"),
        Answer::Status(status) => writeln!(f, " status: {status:#05x}"),
    }
}

fn block(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.is_empty() {
        writeln!(f, ":")
    } else if text.trim() == text && !text.contains(char::is_control) {
        writeln!(f, ": {text}")
    } else {
        writeln!(f, ":")?;
        text.split('\n').try_for_each(|line| writeln!(f, "  |{line}"))
    }
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ").trim().to_owned()
}
