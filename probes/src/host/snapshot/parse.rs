//! Snapshots from text. Whatever is not exactly understood is refused with its line: a snapshot that was torn or edited wrongly must not
//! read as a node on which something is missing.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::answer::{Answer, Ask, is_call};
use super::super::error::{HostError, errno_of};
use super::escape::name;
use super::{Answers, Header, Snapshot, Unmentioned};

impl Snapshot {
    /// Reads a snapshot: a recording with header and `end`, or a fixture (see `docs/snapshot-format.md`).
    pub(crate) fn parse(text: &str) -> Result<Self, HostError> {
        let mut parser = Parser::default();
        for (index, line) in text.split('\n').enumerate() {
            parser.take(line).map_err(|reason| HostError::Snapshot { line: index + 1, reason })?;
        }
        let line = text.lines().count().max(1);
        parser.finish().map_err(|reason| HostError::Snapshot { line, reason })
    }
}

#[derive(Default)]
struct Parser {
    header: Header,
    version: bool,
    said: Vec<String>,
    answers: Answers,
    entries: usize,
    open: Option<Open>,
    ended: bool,
}

/// An entry whose lines follow.
struct Open {
    path: String,
    ask: Ask,
    lines: Vec<String>,
}

impl Parser {
    fn take(&mut self, line: &str) -> Result<(), String> {
        if line.contains(|character: char| character.is_control() && character != '\t') {
            return Err("it contains a control character".into());
        }
        let line = line.trim_start();
        if let Some(text) = line.strip_prefix('|') {
            let open = self.open.as_mut().ok_or("a line of a longer answer follows nothing that it could belong to")?;
            open.lines.push(text.to_owned());
            return Ok(());
        }
        self.close()?;
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if self.ended {
            return Err("something follows the `end` line".into());
        }
        if line.starts_with('/') || is_call(line) {
            self.entry(line)
        } else if let Some(count) = line.strip_prefix("end ") {
            self.end(count)
        } else {
            self.header(line)
        }
    }

    fn header(&mut self, line: &str) -> Result<(), String> {
        if self.entries > 0 {
            return Err(format!("`{}` is neither an answer nor `end`", excerpt(line)));
        }
        if let Some(version) = line.strip_prefix("assay-snapshot ") {
            if version != "1" {
                return Err(format!("version `{}` of the format is not known; this program reads version 1", excerpt(version)));
            }
            if self.version || !self.said.is_empty() {
                return Err("`assay-snapshot` must come first, and once".into());
            }
            self.version = true;
            return Ok(());
        }
        let (key, value) = line.split_once(':').ok_or_else(|| format!("`{}` is not a line of a snapshot", excerpt(line)))?;
        let value = value.trim();
        if self.said.iter().any(|said| said == key) {
            return Err(format!("`{key}` is given twice"));
        }
        match (key, value) {
            ("tool", _) => self.header.tool = value.to_owned(),
            ("time", _) => self.header.time = value.to_owned(),
            ("host", _) => self.header.host = value.to_owned(),
            ("redacted", "yes") => self.header.redacted = true,
            ("redacted", "no") => self.header.redacted = false,
            ("unmentioned", "absent") => self.header.unmentioned = Unmentioned::Absent,
            ("unmentioned", "not recorded") => self.header.unmentioned = Unmentioned::NotRecorded,
            _ => return Err(format!("`{}` is not a header line of a snapshot", excerpt(line))),
        }
        self.said.push(key.to_owned());
        Ok(())
    }

    fn entry(&mut self, line: &str) -> Result<(), String> {
        let (head, value) = match line.split_once(": ") {
            Some((head, value)) => (head, Some(value.trim())),
            None => (line.strip_suffix(':').unwrap_or(line), line.ends_with(':').then_some("")),
        };
        let mut words = head.split(' ');
        let path = path(words.next().unwrap_or_default())?;
        let words: Vec<&str> = words.collect();
        let (asked, form) = match words.as_slice() {
            [asked @ .., form @ ("absent" | "error" | "too-large" | "status")] => (asked, *form),
            asked => (asked, ""),
        };
        let ask = match asked {
            [] => None,
            ["text"] => Some(Ask::Content),
            ["bytes"] => Some(Ask::Bytes),
            ["list"] => Some(Ask::List),
            ["link"] => Some(Ask::Link),
            ["exists"] => Some(Ask::Existence),
            ["lines", label] => Some(Ask::Lines(name(label)?)),
            _ => return Err(format!("`{}` is not a kind of answer", excerpt(&asked.join(" ")))),
        };
        match (form, value) {
            ("absent", None) => self.insert(path, ask, Answer::Absent),
            ("error", Some(value)) => {
                let errno = errno_of(value).ok_or_else(|| format!("`{}` is not an errno such as EIO", excerpt(value)))?;
                self.insert(path, ask, Answer::Refused(errno))
            }
            ("too-large", Some(value)) => {
                let limit = value.parse().map_err(|_| format!("`{}` is not a number of bytes", excerpt(value)))?;
                self.insert(path, ask, Answer::TooLarge(limit))
            }
            ("status", Some(value)) => {
                let status = value.strip_prefix("0x").and_then(|digits| u16::from_str_radix(digits, 16).ok());
                let status = status.ok_or_else(|| format!("`{}` is not a device's status such as 0x109", excerpt(value)))?;
                self.insert(path, ask, Answer::Status(status))
            }
            ("", value) => self.answered(path, ask.unwrap_or(Ask::Content), value),
            (form, _) => Err(format!("`{form}` is written `PATH absent`, `PATH error: ERRNO`, `PATH status: 0xCODE` or `PATH too-large: BYTES`")),
        }
    }

    fn answered(&mut self, path: String, ask: Ask, value: Option<&str>) -> Result<(), String> {
        match (&ask, value) {
            (Ask::Existence, None) => self.insert(path, Some(ask), Answer::Exists),
            (Ask::Existence, Some(_)) => Err("`exists` takes no value".into()),
            (_, None) => Err(format!("`{}` says nothing: a value, `absent` or `error: ERRNO` is missing", excerpt(&path))),
            (Ask::Link, Some(target)) => self.insert(path, Some(ask), Answer::Link(name(target)?)),
            (Ask::List, Some(names)) if !names.is_empty() => {
                let lines = names.split_whitespace().map(str::to_owned).collect();
                self.insert_lines(Open { path, ask, lines })
            }
            (Ask::Content | Ask::Bytes | Ask::List | Ask::Lines(_), Some("")) => {
                self.open = Some(Open { path, ask, lines: Vec::new() });
                Ok(())
            }
            (Ask::Content | Ask::Bytes | Ask::List | Ask::Lines(_), Some(value)) => {
                self.insert_lines(Open { path, ask, lines: vec![value.to_owned()] })
            }
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.open.take().map_or(Ok(()), |open| self.insert_lines(open))
    }

    fn insert_lines(&mut self, open: Open) -> Result<(), String> {
        let Open { path, ask, lines } = open;
        let answer = match &ask {
            Ask::Bytes => {
                let mut bytes = Vec::new();
                for line in &lines {
                    STANDARD
                        .decode_vec(line.trim(), &mut bytes)
                        .map_err(|error| format!("the bytes of {} are not base64: {error}", excerpt(&path)))?;
                }
                Answer::Bytes(bytes)
            }
            Ask::List => {
                let mut names = lines.iter().map(|line| name(line.trim())).collect::<Result<Vec<_>, _>>()?;
                names.sort();
                if names.iter().any(|name| name.is_empty() || name.contains('/')) {
                    return Err(format!("the list of {} has an entry that is not a name", excerpt(&path)));
                }
                Answer::List(names)
            }
            Ask::Content | Ask::Lines(_) => Answer::Text(lines.join("\n")),
            Ask::Link | Ask::Existence => return Err(format!("{} takes no lines", excerpt(&path))),
        };
        self.insert(path, Some(ask), answer)
    }

    fn insert(&mut self, path: String, ask: Option<Ask>, answer: Answer) -> Result<(), String> {
        let asked: &mut BTreeMap<_, _> = self.answers.entry(path.clone()).or_default();
        if asked.insert(ask, answer).is_some() {
            return Err(format!("{} is answered twice", excerpt(&path)));
        }
        self.entries += 1;
        Ok(())
    }

    fn end(&mut self, count: &str) -> Result<(), String> {
        if count != self.entries.to_string() {
            return Err(format!("`end` counts {} answers and {} were read", excerpt(count), self.entries));
        }
        self.ended = true;
        Ok(())
    }

    fn finish(mut self) -> Result<Snapshot, String> {
        self.close()?;
        let by_hand = !self.version && self.said.iter().all(|said| said == "unmentioned");
        if by_hand && self.said.is_empty() {
            if self.entries == 0 {
                return Err("there is nothing in it".into());
            }
            self.header.unmentioned = Unmentioned::Absent;
        }
        if !by_hand && !self.version {
            return Err("the first line `assay-snapshot 1` is missing".into());
        }
        if !self.ended && self.header.unmentioned != Unmentioned::Absent {
            return Err("the `end` line is missing: the file was cut off".into());
        }
        Ok(Snapshot { header: self.header, answers: self.answers })
    }
}

fn path(word: &str) -> Result<String, String> {
    let path = name(word)?;
    let steps = path.strip_prefix('/');
    let is_plain = steps.is_some_and(|steps| path == "/" || steps.split('/').all(|step| !matches!(step, "" | "." | "..")));
    if is_plain || is_call(&path) { Ok(path) } else { Err(format!("`{}` is neither an absolute, plain path nor a named call", excerpt(&path))) }
}

// Hostile lines may be megabytes long.
fn excerpt(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN { text.to_owned() } else { text.chars().take(SHOWN).chain(['…']).collect() }
}
