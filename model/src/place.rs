//! Where in a TOML file a value stands. Types stay plain serde records; only when one is refused is the file walked again for the span of the
//! value (or key) that is wrong. `source` renders the error.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::source::{self, FileError};

/// A TOML file by name and text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
}

impl<'a> Document<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text }
    }

    /// Parses the file after its schema version was found to be `supported`: a file of another version has other keys, and should not be
    /// refused for those.
    pub(crate) fn parse<T: DeserializeOwned>(self, supported: u32) -> Result<T, FileError> {
        if let Ok(table) = DeTable::parse(self.text)
            && let Some((_, value)) = entry(table.get_ref(), "schema")
            && !matches!(value.get_ref(), DeValue::Integer(version) if version.as_str() == supported.to_string())
        {
            let message = format!("this version of assay judges files of schema {supported}; expected `schema = {supported}`");
            return Err(FileError::at(self.file, self.text, value.span(), message));
        }
        source::parse(self.file, self.text)
    }

    /// An error at the value that `path` leads to; array items are given by number. Where the path ends early, its last part that exists.
    pub(crate) fn refuse(self, path: &[&str], message: impl Into<String>) -> FileError {
        FileError::at(self.file, self.text, self.span(path, Part::Value), message)
    }

    /// An error at the key that `path` leads to.
    pub(crate) fn refuse_key(self, path: &[&str], message: impl Into<String>) -> FileError {
        FileError::at(self.file, self.text, self.span(path, Part::Key), message)
    }

    fn span(self, path: &[&str], part: Part) -> Range<usize> {
        DeTable::parse(self.text).map_or(0..0, |table| in_table(table.get_ref(), 0..0, path, part))
    }
}

#[derive(Clone, Copy)]
enum Part {
    Key,
    Value,
}

fn entry<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> Option<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>)> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}

fn in_table(table: &DeTable<'_>, own: Range<usize>, path: &[&str], part: Part) -> Range<usize> {
    let Some((first, rest)) = path.split_first() else { return own };
    match (entry(table, first), part) {
        (None, _) => own,
        (Some((key, _)), Part::Key) if rest.is_empty() => key.span(),
        (Some((_, value)), _) => in_value(value, rest, part),
    }
}

fn in_value(value: &Spanned<DeValue<'_>>, path: &[&str], part: Part) -> Range<usize> {
    let Some((first, rest)) = path.split_first() else { return value.span() };
    match value.get_ref() {
        DeValue::Table(table) => in_table(table, value.span(), path, part),
        DeValue::Array(items) => match first.parse::<usize>().ok().and_then(|index| items.get(index)) {
            Some(item) => in_value(item, rest, part),
            None => value.span(),
        },
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => value.span(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "schema = 1\n[[line]]\nname = \"a\"\n[line.expect]\nmodel = { any_of = [\"x\", \"y\"] }\n";

    fn shown(path: &[&str], part: Part) -> &'static str {
        &TEXT[Document::new("f", TEXT).span(path, part)]
    }

    #[test]
    fn a_path_leads_through_tables_and_arrays() {
        assert_eq!(shown(&["line", "0", "name"], Part::Value), "\"a\"");
        assert_eq!(shown(&["line", "0", "expect", "model", "any_of", "1"], Part::Value), "\"y\"");
        assert_eq!(shown(&["line", "0", "expect", "model"], Part::Key), "model");
    }

    #[test]
    fn a_path_that_ends_early_shows_the_last_part_that_exists() {
        assert_eq!(shown(&["line", "0", "expect", "serial"], Part::Value), "[line.expect]");
        assert_eq!(shown(&["nothing"], Part::Value), "");
    }

    #[test]
    fn another_schema_version_is_refused_before_its_unknown_keys_are() {
        let error = Document::new("bom.toml", "novelty = true\nschema = 2\n").parse::<toml::Table>(1).expect_err("schema 2");
        assert_eq!(error.line, 2);
        assert!(error.message.contains("schema = 1"), "{error}");
    }
}
