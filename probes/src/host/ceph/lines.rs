//! JSON with a line per element of its outer lists: compact, and a reader of a snapshot sees what differs.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Lists that are deeper than this stand in one line.
const OUTER: usize = 2;

/// The text of a value.
pub(super) fn written<T: Serialize>(value: &T) -> String {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, Lines { depth: 0 });
    // Nothing can go wrong with a buffer, and keys of these answers are texts.
    value.serialize(&mut serializer).expect("answers can be written as JSON");
    String::from_utf8(text).expect("serde_json writes UTF-8")
}

struct Lines {
    depth: usize,
}

impl Lines {
    fn line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        if self.depth <= OUTER { writer.write_all(b"\n") } else { Ok(()) }
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.line(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn outer_lists_have_a_line_per_element_and_nothing_is_lost() {
        let value = json!({ "osds": [{ "osd": 0, "addrs": ["a", "b"] }, { "osd": 1, "addrs": [] }], "flags": ["x},{y\n"] });
        let text = written(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("\n{\"addrs\":[\"a\",\"b\"],\"osd\":0}"), "{text}");
    }
}
