//! Changes to a snapshot as the fault corpus writes them (`probes/corpus/README.md`): one patch, one thing that a node answers differently. A patch that
//! matches nothing is an error: the fault that it should plant would not be there.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rustix::io::Errno;
use serde::Deserialize;

use super::super::answer::{Answer, Ask};
use super::super::error::errno_of;
use super::{Answers, Snapshot};
use crate::smbios::edit::{self, DimmEdit};

/// One change. `path` and exactly one of the others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    /// What is changed: one path or name of a call, or several; `*` stands for any text without a `/`, `{64..127}` for each of these numbers,
    /// which `{}` stands for in `text`.
    path: Paths,
    /// In which of the two looks; the later one unless said otherwise, for a node both.
    pub(crate) look: Option<Look>,
    /// The file's new text.
    text: Option<String>,
    /// Words that are replaced.
    replace: Option<Replace>,
    /// There is no such thing.
    absent: Option<bool>,
    /// The kernel refuses.
    error: Option<String>,
    /// What is left of a text or of bytes.
    truncate: Option<usize>,
    /// Bytes that are overwritten.
    bytes: Option<Bytes>,
    /// It and everything below it is gone, and gone from the list that it was in.
    remove: Option<bool>,
    /// It and everything below it is elsewhere.
    rename: Option<String>,
    /// It answers what another one answers.
    copy_from: Option<String>,
    /// Where the link leads.
    link: Option<String>,
    /// The names in it.
    list: Option<Vec<String>>,
    /// A field of a memory module in the SMBIOS table.
    dimm: Option<DimmEdit>,
    /// A value within a JSON text.
    json: Option<Json>,
    /// Lines that are replaced.
    line: Option<Line>,
}

/// Which of the two looks at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Look {
    /// The earlier one.
    Before,
    /// The later one, which is the only one unless a window is judged.
    Now,
    /// Both.
    Both,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Paths {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replace {
    from: String,
    to: String,
    /// How many of them; all without it.
    count: Option<usize>,
    /// Only behind the first occurrence of this.
    after: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bytes {
    at: usize,
    hex: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    pointer: String,
    /// The new value; the member is removed without one.
    value: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    starts_with: String,
    /// The line instead; removed without one.
    text: Option<String>,
}

impl Snapshot {
    /// Makes one change, or says why the snapshot does not have what it changes.
    pub(crate) fn patch(&mut self, patch: &Patch) -> Result<(), String> {
        let paths = match &patch.path {
            Paths::One(path) => std::slice::from_ref(path),
            Paths::Several(paths) => paths.as_slice(),
        };
        let act = patch.act(patch.text.as_deref())?;
        for path in paths {
            match numbers(path)? {
                None => self.act_on(&act, path)?,
                Some((head, numbers, tail)) => numbers.into_iter().try_for_each(|number| {
                    let text = patch.text.as_ref().map(|text| text.replace("{}", &number.to_string()));
                    self.act_on(&patch.act(text.as_deref())?, &format!("{head}{number}{tail}"))
                })?,
            }
        }
        Ok(())
    }

    /// Acts on a path by all its names: the folder of a class reaches the same files as that of its device.
    fn act_on(&mut self, act: &Act<'_>, path: &str) -> Result<(), String> {
        let same = other_names(&self.answers, path);
        std::iter::once(path.to_owned()).chain(same).try_for_each(|path| act.apply(self, &path).map_err(|why| format!("{path}: {why}")))
    }
}

/// What becomes of an answer.
type Edit<'a> = Box<dyn Fn(&Answer) -> Result<Answer, String> + 'a>;

/// What a patch does.
enum Act<'a> {
    Set(Ask, Answer),
    Whatever(Answer),
    Remove,
    Rename(&'a str),
    CopyFrom(&'a str),
    Edit(Edit<'a>),
}

impl Patch {
    fn act(&self, text: Option<&str>) -> Result<Act<'_>, String> {
        let mut acts: Vec<Act<'_>> = Vec::new();
        acts.extend(text.map(|text| Act::Set(Ask::Content, Answer::Text(text.to_owned()))));
        acts.extend(self.link.as_ref().map(|target| Act::Set(Ask::Link, Answer::Link(target.clone()))));
        acts.extend(self.list.as_ref().map(|names| Act::Set(Ask::List, Answer::List(names.clone()))));
        acts.extend(self.absent.filter(|absent| *absent).map(|_| Act::Whatever(Answer::Absent)));
        if let Some(name) = &self.error {
            let errno: Errno = errno_of(name).ok_or_else(|| format!("`{name}` is not an errno such as EIO"))?;
            acts.push(Act::Whatever(Answer::Refused(errno)));
        }
        acts.extend(self.remove.filter(|remove| *remove).map(|_| Act::Remove));
        acts.extend(self.rename.as_deref().map(Act::Rename));
        acts.extend(self.copy_from.as_deref().map(Act::CopyFrom));
        acts.extend(self.replace.as_ref().map(|replace| Act::Edit(Box::new(|answer| of_text(answer, |text| replaced(text, replace))))));
        acts.extend(self.line.as_ref().map(|line| Act::Edit(Box::new(|answer| of_text(answer, |text| with_line(text, line))))));
        acts.extend(self.json.as_ref().map(|json| Act::Edit(Box::new(|answer| of_text(answer, |text| with_json(text, json))))));
        acts.extend(self.truncate.map(|left| Act::Edit(Box::new(move |answer| truncated(answer, left)))));
        acts.extend(self.bytes.as_ref().map(|bytes| Act::Edit(Box::new(|answer| overwritten(answer, bytes)))));
        acts.extend(self.dimm.as_ref().map(|dimm| Act::Edit(Box::new(|answer| of_bytes(answer, |table| edit::dimm(table, dimm))))));
        let count = acts.len();
        match (acts.pop(), count) {
            (Some(act), 1) => Ok(act),
            (_, count) => Err(format!("a patch does one thing; this one does {count}")),
        }
    }
}

impl Act<'_> {
    fn apply(&self, snapshot: &mut Snapshot, pattern: &str) -> Result<(), String> {
        let answers = &mut snapshot.answers;
        match self {
            Act::Set(ask, answer) => {
                for path in named(answers, pattern)? {
                    enlist(answers, &path);
                    let asked = answers.entry(path).or_default();
                    asked.retain(|of, _| of.is_some() && of.as_ref() != Some(ask) && !(*ask == Ask::Content && *of == Some(Ask::Bytes)));
                    asked.insert(Some(ask.clone()), answer.clone());
                }
                Ok(())
            }
            Act::Whatever(answer) => {
                for path in named(answers, pattern)? {
                    answers.insert(path, [(None, answer.clone())].into());
                }
                Ok(())
            }
            Act::Remove => {
                let gone = at_or_below(answers, pattern);
                if gone.is_empty() {
                    return Err("nothing is there to be removed".into());
                }
                for path in &gone {
                    answers.remove(path);
                }
                unlist(answers, pattern);
                Ok(())
            }
            Act::Rename(to) => {
                let moved = at_or_below(answers, pattern);
                if moved.is_empty() || pattern.contains('*') {
                    return Err("nothing is there to be renamed, or several things".into());
                }
                for path in moved {
                    let Some(asked) = answers.remove(&path) else { continue };
                    answers.insert(format!("{to}{}", &path[pattern.len()..]), asked);
                }
                unlist(answers, pattern);
                enlist(answers, to);
                Ok(())
            }
            Act::CopyFrom(from) => {
                let asked = answers.get(*from).cloned().ok_or_else(|| format!("{from} is not there to be copied"))?;
                for path in named(answers, pattern)? {
                    enlist(answers, &path);
                    answers.insert(path, asked.clone());
                }
                Ok(())
            }
            Act::Edit(edit) => {
                let paths = matching(answers, pattern);
                let mut edited = 0_usize;
                for path in &paths {
                    for (ask, answer) in answers.get_mut(path).into_iter().flatten() {
                        if matches!(ask, Some(Ask::Content | Ask::Bytes | Ask::Lines(_))) {
                            *answer = edit(answer)?;
                            edited += 1;
                        }
                    }
                }
                if edited == 0 { Err("no text and no bytes are there to be changed".into()) } else { Ok(()) }
            }
        }
    }
}

/// The paths of a pattern: those that match it, or the one that it names.
fn named(answers: &Answers, pattern: &str) -> Result<Vec<String>, String> {
    if !pattern.contains('*') {
        return Ok(vec![pattern.to_owned()]);
    }
    let found = matching(answers, pattern);
    if found.is_empty() { Err("nothing matches".into()) } else { Ok(found) }
}

fn matching(answers: &Answers, pattern: &str) -> Vec<String> {
    beginning_like(answers, pattern).filter(|path| matches(pattern, path)).cloned().collect()
}

fn at_or_below(answers: &Answers, pattern: &str) -> Vec<String> {
    let depth = pattern.matches('/').count();
    let is_in = |path: &&String| {
        let head = path.match_indices('/').nth(depth).map_or(path.as_str(), |(end, _)| &path[..end]);
        matches(pattern, head)
    };
    beginning_like(answers, pattern).filter(is_in).cloned().collect()
}

/// The paths that begin with what the pattern has before its first `*`.
fn beginning_like<'a>(answers: &'a Answers, pattern: &'a str) -> impl Iterator<Item = &'a String> {
    let head = pattern.split('*').next().unwrap_or_default();
    answers.range(head.to_owned()..).map(|(path, _)| path).take_while(move |path| path.starts_with(head))
}

/// What stands before and after `{FIRST..LAST}` in a path, and the numbers.
#[allow(clippy::type_complexity, reason = "a path in three parts, taken apart where it is called")]
fn numbers(path: &str) -> Result<Option<(&str, RangeInclusive<u16>, &str)>, String> {
    let Some((head, (range, tail))) = path.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?))) else { return Ok(None) };
    let numbers = range.split_once("..").and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    let numbers = numbers.filter(|numbers| !numbers.is_empty()).ok_or_else(|| format!("{path}: `{range}` is not a range such as 64..127"))?;
    Ok(Some((head, numbers, tail)))
}

/// Where files of a PCI function are found as well: below the folders, such as `/sys/class/nvme/nvme2`, whose `device` leads to it.
fn other_names(answers: &Answers, pattern: &str) -> Vec<String> {
    const FUNCTIONS: &str = "/sys/bus/pci/devices/";
    let Some((function, file)) = pattern.strip_prefix(FUNCTIONS).and_then(|rest| rest.split_once('/')) else { return Vec::new() };
    let leads_there = |asked: &BTreeMap<Option<Ask>, Answer>| match asked.get(&Some(Ask::Link)) {
        Some(Answer::Link(target)) => target.rsplit('/').next().is_some_and(|target| matches(function, target)),
        _ => false,
    };
    let devices = answers.range("/sys/class/".to_owned().."/sys/class0".to_owned()).filter(|(path, _)| path.ends_with("/device"));
    let same = devices.filter(|(_, asked)| leads_there(asked)).map(|(path, _)| format!("{path}/{file}"));
    same.filter(|path| !matching(answers, path).is_empty()).collect()
}

/// What is new in a folder that lists its names is listed.
fn enlist(answers: &mut Answers, path: &str) {
    let Some((folder, name)) = path.rsplit_once('/') else { return };
    if let Some(Answer::List(names)) = answers.get_mut(folder).and_then(|asked| asked.get_mut(&Some(Ask::List)))
        && !names.iter().any(|listed| listed == name)
    {
        names.push(name.to_owned());
        names.sort();
    }
}

fn unlist(answers: &mut Answers, pattern: &str) {
    let Some((folder, name)) = pattern.rsplit_once('/') else { return };
    for (_, asked) in answers.iter_mut().filter(|(path, _)| matches(folder, path)) {
        if let Some(Answer::List(names)) = asked.get_mut(&Some(Ask::List)) {
            names.retain(|listed| !matches(name, listed));
        }
    }
}

/// Whether `*` in the pattern can stand for what the text has there; in paths it stands for no `/`.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(tail) = text.strip_prefix(head) else { return false };
    let is_path = pattern.starts_with('/');
    let ends = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
    let within = |end: &usize| !is_path || !tail[..*end].contains('/');
    ends.take_while(within).any(|end| matches(rest, &tail[end..]))
}

fn of_text(answer: &Answer, edit: impl Fn(&str) -> Result<String, String>) -> Result<Answer, String> {
    match answer {
        Answer::Text(text) => edit(text).map(Answer::Text),
        Answer::Bytes(_)
        | Answer::List(_)
        | Answer::Link(_)
        | Answer::Exists
        | Answer::Absent
        | Answer::Refused(_)
        | Answer::TooLarge(_)
        | Answer::Status(_) => Err("it is no text".into()),
    }
}

fn of_bytes(answer: &Answer, edit: impl Fn(&[u8]) -> Result<Vec<u8>, String>) -> Result<Answer, String> {
    match answer {
        Answer::Bytes(bytes) => edit(bytes).map(Answer::Bytes),
        Answer::Text(_)
        | Answer::List(_)
        | Answer::Link(_)
        | Answer::Exists
        | Answer::Absent
        | Answer::Refused(_)
        | Answer::TooLarge(_)
        | Answer::Status(_) => Err("it is no bytes".into()),
    }
}

fn replaced(text: &str, replace: &Replace) -> Result<String, String> {
    let from = match &replace.after {
        Some(after) => text.find(after.as_str()).map(|at| at + after.len()).ok_or_else(|| format!("`{after}` is not in it"))?,
        None => 0,
    };
    let (head, tail) = text.split_at(from);
    if !tail.contains(&replace.from) {
        return Err(format!("`{}` is not in it", replace.from));
    }
    let tail = replace.count.map_or_else(|| tail.replace(&replace.from, &replace.to), |count| tail.replacen(&replace.from, &replace.to, count));
    Ok(format!("{head}{tail}"))
}

fn with_line(text: &str, line: &Line) -> Result<String, String> {
    let is_meant = |old: &str| old.starts_with(&line.starts_with);
    if !text.lines().any(is_meant) {
        return Err(format!("no line begins with `{}`", line.starts_with));
    }
    let lines = text.split('\n').filter_map(|old| if is_meant(old) { line.text.as_deref() } else { Some(old) });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn with_json(text: &str, json: &Json) -> Result<String, String> {
    // A program's answer has its exit status on the first line.
    let (head, body) = match text.split_once('\n') {
        Some((status, body)) if status.starts_with("exit ") => (format!("{status}\n"), body),
        Some(_) | None => (String::new(), text),
    };
    let mut document: serde_json::Value = serde_json::from_str(body).map_err(|error| format!("it is no JSON: {error}"))?;
    match &json.value {
        Some(value) => match document.pointer_mut(&json.pointer) {
            Some(there) => *there = value.clone(),
            None => insert(&mut document, &json.pointer, value.clone())?,
        },
        None => remove(&mut document, &json.pointer)?,
    }
    Ok(format!("{head}{document:#}"))
}

fn insert(document: &mut serde_json::Value, pointer: &str, value: serde_json::Value) -> Result<(), String> {
    let (parent, name) = pointer.rsplit_once('/').ok_or_else(|| format!("`{pointer}` is no JSON pointer"))?;
    match document.pointer_mut(parent) {
        Some(serde_json::Value::Object(members)) => {
            members.insert(name.to_owned(), value);
            Ok(())
        }
        Some(serde_json::Value::Array(elements)) if name == "-" => {
            elements.push(value);
            Ok(())
        }
        Some(_) | None => Err(format!("there is nothing at `{parent}` that could have `{name}`")),
    }
}

fn remove(document: &mut serde_json::Value, pointer: &str) -> Result<(), String> {
    let missing = || format!("there is nothing at `{pointer}`");
    let (parent, name) = pointer.rsplit_once('/').ok_or_else(missing)?;
    match document.pointer_mut(parent) {
        Some(serde_json::Value::Object(members)) => members.remove(name).map(|_| ()).ok_or_else(missing),
        Some(serde_json::Value::Array(elements)) => {
            let at = name.parse::<usize>().ok().filter(|at| *at < elements.len()).ok_or_else(missing)?;
            elements.remove(at);
            Ok(())
        }
        Some(_) | None => Err(missing()),
    }
}

fn truncated(answer: &Answer, left: usize) -> Result<Answer, String> {
    match answer {
        Answer::Text(text) if text.chars().count() > left => Ok(Answer::Text(text.chars().take(left).collect())),
        Answer::Bytes(bytes) if bytes.len() > left => Ok(Answer::Bytes(bytes[..left].to_vec())),
        Answer::Text(_)
        | Answer::Bytes(_)
        | Answer::List(_)
        | Answer::Link(_)
        | Answer::Exists
        | Answer::Absent
        | Answer::Refused(_)
        | Answer::TooLarge(_)
        | Answer::Status(_) => Err(format!("it is not longer than {left}")),
    }
}

fn overwritten(answer: &Answer, patch: &Bytes) -> Result<Answer, String> {
    let digits = patch.hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    let new: Vec<u8> = digits.collect::<Option<_>>().ok_or_else(|| format!("`{}` is not bytes in hex", patch.hex))?;
    of_bytes(answer, |bytes| {
        let mut bytes = bytes.to_vec();
        let there = patch.at.checked_add(new.len()).and_then(|end| bytes.get_mut(patch.at..end));
        let there = there.ok_or_else(|| format!("it has no bytes {} to {}", patch.at, patch.at.saturating_add(new.len())))?;
        if *there == *new {
            return Err("the bytes are like that already".into());
        }
        there.copy_from_slice(&new);
        Ok(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(snapshot: &str, patch: &str) -> Result<Snapshot, String> {
        let mut snapshot = Snapshot::parse(snapshot).expect("a snapshot");
        let patch: Patch = toml::from_str(patch).expect("a patch");
        snapshot.patch(&patch)?;
        Ok(snapshot)
    }

    fn text(snapshot: &Snapshot, path: &str) -> Option<Answer> {
        snapshot.answer(path, &Ask::Content)
    }

    #[test]
    fn each_act_changes_what_it_names() {
        let node =
            "/a/b0/x: 1\n/a/b1/x: 2\n/a/b1/y: 3\n/a list: b0 b1\n/t:\n|one\n|two\ncommand:p%20-j:\n|exit 0\n|{\"k\": [1, 2]}\n/z bytes: AAECAw==";
        for (patch, path, answer) in [
            ("path = '/a/b0/x'\ntext = '9'", "/a/b0/x", Answer::Text("9".into())),
            ("path = '/a/*/x'\nerror = 'EIO'", "/a/b1/x", Answer::Refused(Errno::IO)),
            ("path = ['/a/b0/x', '/new']\nabsent = true", "/new", Answer::Absent),
            ("path = '/t'\nline = { starts_with = 'two', text = '2' }", "/t", Answer::Text("one\n2".into())),
            ("path = '/t'\nline = { starts_with = 'one' }", "/t", Answer::Text("two".into())),
            ("path = '/t'\nreplace = { from = 'o', to = '0', count = 1, after = 'one' }", "/t", Answer::Text("one\ntw0".into())),
            ("path = '/t'\ntruncate = 2", "/t", Answer::Text("on".into())),
            ("path = '/a/b0/x'\ncopy_from = '/a/b1/x'", "/a/b0/x", Answer::Text("2".into())),
            ("path = '/a/b1'\nrename = '/a/c'", "/a/c/y", Answer::Text("3".into())),
            ("path = '/a/b1'\nremove = true", "/a/b1/y", Answer::Absent),
            ("path = '/a/b{0..1}/x'\ntext = 'x{}'", "/a/b1/x", Answer::Text("x1".into())),
            (
                "path = 'command:p*'\njson = { pointer = '/k/0', value = 7 }",
                "command:p -j",
                Answer::Text("exit 0\n{\n  \"k\": [\n    7,\n    2\n  ]\n}".into()),
            ),
        ] {
            let snapshot = patched(node, patch).unwrap_or_else(|why| panic!("{patch}: {why}"));
            assert_eq!(text(&snapshot, path), Some(answer), "{patch}");
        }
        let snapshot = patched(node, "path = '/z'\nbytes = { at = 1, hex = 'ffee' }").expect("bytes");
        assert_eq!(snapshot.answer("/z", &Ask::Bytes), Some(Answer::Bytes(vec![0, 0xff, 0xee, 3])));
        for (patch, names) in [("path = '/a/b7'\ntext = ''", "b0 b1 b7"), ("path = '/a/b1'\nrename = '/a/b9'", "b0 b9")] {
            let snapshot = patched(node, patch).expect("changed");
            let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
            assert_eq!(snapshot.answer("/a", &Ask::List), Some(Answer::List(names)), "{patch}");
        }
        let snapshot = patched(node, "path = '/a/b1'\nremove = true").expect("removed");
        assert_eq!(snapshot.answer("/a", &Ask::List), Some(Answer::List(vec!["b0".into()])));
    }

    #[test]
    fn a_file_of_a_device_changes_by_all_its_names() {
        let node = "/sys/bus/pci/devices/0000:21:00.0/w: 4\n/sys/class/nvme/n2/device link: ../../../0000:21:00.0\n/sys/class/nvme/n2/device/w: 4\n\
             /sys/class/nvme/n3/device link: ../../../0000:22:00.0\n/sys/class/nvme/n3/device/w: 4";
        let snapshot = patched(node, "path = '/sys/bus/pci/devices/0000:21:00.0/w'\ntext = '2'").expect("changed");
        let answers = ["/sys/class/nvme/n2/device/w", "/sys/class/nvme/n3/device/w"].map(|path| text(&snapshot, path));
        assert_eq!(answers, ["2", "4"].map(|width| Some(Answer::Text(width.into()))));
    }

    #[test]
    fn a_patch_that_changes_nothing_is_refused() {
        let node = "/a: 1\n/z bytes: AAECAw==";
        for patch in [
            "path = '/b'\nremove = true",
            "path = '/b*'\nabsent = true",
            "path = '/a'\nreplace = { from = '2', to = '3' }",
            "path = '/a'\ntruncate = 1",
            "path = '/z'\nbytes = { at = 3, hex = 'ffff' }",
            "path = '/z'\nbytes = { at = 0, hex = '00' }",
            "path = '/a'\ntext = '1'\nabsent = true",
            "path = '/a'",
            "path = '/a'\nerror = 'EWHAT'",
            "path = '/b'\ncopy_from = '/c'",
            "path = '/a{3..1}'\ntext = '1'",
        ] {
            assert!(patched(node, patch).is_err(), "{patch}");
        }
        assert!(toml::from_str::<Patch>("path = '/a'\ntxet = '1'").is_err());
    }

    #[test]
    fn stars_stand_for_no_slash_in_paths() {
        assert!(matches("/a/*/c", "/a/b/c") && matches("/a*", "/abc") && matches("command:zpool status*", "command:zpool status -P /x"));
        assert!(!matches("/a/*/c", "/a/b/b/c") && !matches("/a*", "/a/b") && !matches("/a", "/ab"));
    }
}
