//! A node as plain text (`docs/snapshot-format.md`): support bundle, test fixture and bug report in one. Reading is in `snapshot/parse.rs`,
//! writing in `snapshot/write.rs`; here is what a snapshot answers.

use std::collections::BTreeMap;
use std::ops::Bound;

use rustix::io::Errno;

use super::RecordingOptions;
use super::answer::{Answer, Ask};

mod escape;
mod parse;
pub(crate) mod patch;
mod write;

#[cfg(test)]
mod tests;

/// Answers by path and by what was asked of it; `None` is an answer to whatever is asked.
pub(crate) type Answers = BTreeMap<String, BTreeMap<Option<Ask>, Answer>>;

/// A node that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) header: Header,
    pub(crate) answers: Answers,
}

/// What stands above the answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Header {
    pub(crate) tool: String,
    pub(crate) time: String,
    pub(crate) host: String,
    pub(crate) redacted: bool,
    pub(crate) unmentioned: Unmentioned,
}

/// What it means that a path is not mentioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Unmentioned {
    /// Nobody asked: nothing is known. So in every recording.
    #[default]
    NotRecorded,
    /// There is no such thing: for fixtures written by hand. Folders follow from what is below them.
    Absent,
}

impl Snapshot {
    /// A node of which nothing is known to be there.
    pub(crate) fn of_a_fixture() -> Self {
        Self { header: Header { unmentioned: Unmentioned::Absent, ..Header::default() }, answers: Answers::new() }
    }

    /// A recording. A path that gave the same "no" to whatever was asked says so once.
    pub(super) fn new(options: &RecordingOptions, host: &str, recorded: BTreeMap<(String, Ask), Answer>) -> Self {
        let mut answers = Answers::new();
        for ((path, ask), answer) in recorded {
            answers.entry(path).or_default().insert(Some(ask), answer);
        }
        for asked in answers.values_mut() {
            let first = asked.values().next().cloned();
            if let Some(no @ (Answer::Absent | Answer::Refused(_))) = first
                && asked.values().all(|answer| *answer == no)
            {
                *asked = BTreeMap::from([(None, no)]);
            }
        }
        let header = Header {
            tool: options.tool.clone(),
            time: options.now.to_string(),
            host: host.to_owned(),
            redacted: false,
            unmentioned: Unmentioned::NotRecorded,
        };
        Self { header, answers }
    }

    /// What the node answered; none when nobody asked it.
    pub(super) fn answer(&self, path: &str, ask: &Ask) -> Option<Answer> {
        let recorded = self.answers.get(path).and_then(|asked| {
            let of = |ask: Ask| asked.get(&Some(ask));
            let near = match ask {
                Ask::Content => of(Ask::Bytes),
                Ask::Bytes | Ask::Lines(_) => of(Ask::Content),
                Ask::Existence => asked.iter().find(|(ask, answer)| ask.is_some() && **answer != Answer::Absent).map(|_| &Answer::Exists),
                Ask::List | Ask::Link => None,
            };
            of(ask.clone()).or(near).or_else(|| asked.get(&None))
        });
        match (recorded, self.header.unmentioned) {
            (Some(answer), _) => Some(answer.clone()),
            (None, Unmentioned::NotRecorded) => match ask {
                Ask::Existence if !self.children(path).is_empty() => Some(Answer::Exists),
                Ask::Content | Ask::Bytes | Ask::Lines(_) | Ask::List | Ask::Link | Ask::Existence => None,
            },
            (None, Unmentioned::Absent) => Some(self.derived(path, ask)),
        }
    }

    // A fixture's path that has no answer of its own: a folder when something is below it.
    fn derived(&self, path: &str, ask: &Ask) -> Answer {
        let names = self.children(path);
        if names.is_empty() {
            // A file that is mentioned is no folder, and no link.
            return if self.answers.contains_key(path) { Answer::Refused(Errno::INVAL) } else { Answer::Absent };
        }
        match ask {
            Ask::List => Answer::List(names),
            Ask::Existence => Answer::Exists,
            Ask::Link => Answer::Refused(Errno::INVAL),
            Ask::Content | Ask::Bytes | Ask::Lines(_) => Answer::Refused(Errno::ISDIR),
        }
    }

    // The names directly below `path` that are not themselves absent, sorted.
    fn children(&self, path: &str) -> Vec<String> {
        let below = format!("{}/", path.trim_end_matches('/'));
        let mut names: Vec<String> = Vec::new();
        let range = (Bound::Excluded(below.as_str()), Bound::Unbounded);
        for (child, asked) in self.answers.range::<str, _>(range).take_while(|(child, _)| child.starts_with(&below)) {
            let name = child[below.len()..].split('/').next().unwrap_or_default();
            if names.last().map(String::as_str) != Some(name) && asked.values().any(|answer| *answer != Answer::Absent) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        names.dedup();
        names
    }
}
