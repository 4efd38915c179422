//! TOML files with errors that a person can act on: file, line, column, the line itself with a caret, and what was expected.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::de::DeserializeOwned;

/// A file that does not say what it should. Its text names file, line and column and shows the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rendered}")]
pub struct FileError {
    /// The file.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong and what was expected, one line.
    pub message: String,
    rendered: String,
}

impl FileError {
    /// An error at `span` (byte offsets) of `text`.
    pub fn at(file: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let message = message.into();
        let start = floor_char(text, span.start.min(text.len()));
        let end = floor_char(text, span.end.min(text.len())).max(start);
        let line = text[..start].matches('\n').count() + 1;
        let group = Level::ERROR
            .primary_title(message.as_str())
            .element(Snippet::source(text).path(file).annotation(AnnotationKind::Primary.span(start..end)));
        let rendered = Renderer::plain().render(&[group]).to_string();
        Self { file: file.to_owned(), line, message, rendered }
    }
}

fn floor_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Parses a TOML file. Types should `deny_unknown_fields`, so that a typo is an error here.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, FileError> {
    toml::from_str(text).map_err(|error| FileError::at(file, text, error.span().unwrap_or(0..0), error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiver::Waiver;

    #[test]
    fn an_unknown_key_is_refused_with_file_line_and_caret() {
        let text = "check = \"nvme.link_width\"\nownr = \"ops\"\nreason = \"x\"\nexpires = \"2027-01-01\"\n";
        let error = parse::<Waiver>("waivers.toml", text).expect_err("a typo");
        assert_eq!((error.file.as_str(), error.line), ("waivers.toml", 2));
        let shown = error.to_string();
        assert!(shown.contains("ownr") && shown.contains("owner") && shown.contains("waivers.toml:2") && shown.contains('^'), "{shown}");
    }

    #[test]
    fn a_span_inside_a_character_does_not_panic() {
        assert_eq!(FileError::at("f", "ä\nö", 4..9, "m").line, 2);
    }
}
