//! Lines of a journal: `<crc32c, 8 lower-case hex digits> <json>\n`. Tells a torn tail from damage; what the events mean stands in `fold.rs`.

use super::{Entry, Journal, JournalError};

const CHECKSUM: usize = 8;

pub(super) fn encode(entry: &Entry) -> Result<String, JournalError> {
    let unwritable = |why: String| JournalError::Unwritable { seq: entry.seq, why };
    let json = serde_json::to_string(entry).map_err(|error| unwritable(error.to_string()))?;
    // NaN and infinity become `null`, which nothing reads back: better no event than one that makes the whole journal unreadable.
    let again: Entry = serde_json::from_str(&json).map_err(|error| unwritable(format!("it would not read back: {error}")))?;
    if again != *entry {
        return Err(unwritable("it would read back as something else".to_owned()));
    }
    Ok(format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes())))
}

pub(super) fn read(bytes: &[u8]) -> Result<Journal, JournalError> {
    let mut journal = Journal { entries: Vec::new(), intact: 0 };
    let mut line = 0;
    while journal.intact < bytes.len() {
        line += 1;
        let rest = &bytes[journal.intact..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let content = &rest[..end.unwrap_or(rest.len())];
        let is_last = end.is_none_or(|end| end + 1 == rest.len());
        let (Some(end), Some(json)) = (end, checked(content)) else {
            if is_last && !holds_a_whole_line_and_more(content) {
                break;
            }
            return Err(JournalError::Damaged { line, why: "its checksum does not match".to_owned() });
        };
        // The checksum is right, so this is what was written: a torn tail it is not, even at the end.
        let entry: Entry = serde_json::from_slice(json).map_err(|error| JournalError::Damaged { line, why: format!("not an event: {error}") })?;
        let expected = journal.next_seq();
        if entry.seq != expected {
            return Err(JournalError::Sequence { line, expected, found: entry.seq });
        }
        journal.entries.push(entry);
        journal.intact += end + 1;
    }
    if journal.entries.is_empty() { Err(JournalError::Empty) } else { Ok(journal) }
}

/// The JSON of a line whose checksum is right.
fn checked(content: &[u8]) -> Option<&[u8]> {
    let json = content.get(CHECKSUM + 1..)?;
    // Compared as text: `A` for `a` is a changed byte too.
    let expected = format!("{:08x} ", crc32c::crc32c(json));
    (content[..=CHECKSUM] == *expected.as_bytes()).then_some(json)
}

/// Whether a bad last line begins with a whole good one: then a newline was changed, and two events would be lost silently.
fn holds_a_whole_line_and_more(content: &[u8]) -> bool {
    let Some((sum, json)) = content.get(..CHECKSUM).zip(content.get(CHECKSUM + 1..)) else { return false };
    let mut crc = 0;
    let mut done = 0;
    for end in json.iter().enumerate().filter(|(_, byte)| **byte == b'}').map(|(at, _)| at + 1) {
        crc = crc32c::crc32c_append(crc, &json[done..end]);
        done = end;
        if end < json.len() && sum == format!("{crc:08x}").as_bytes() {
            return true;
        }
    }
    false
}
