//! Cuts a stream of bytes into lines of bounded length and of UTF-8, for both ends. A peer that sends megabytes without a newline is an error, not a
//! growing buffer.

/// Longest line of the protocol, bytes without the newline: an encoded histogram fits many times.
pub const LINE_MAX: usize = 4 << 20;

/// Lines that come in pieces.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Up to here no newline was found.
    looked: usize,
    most: usize,
}

/// Why the stream is no stream of lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Too long.
    #[error("a line of more than {most} bytes, beginning with `{start}`")]
    TooLong {
        /// The limit.
        most: usize,
        /// How it begins, escaped.
        start: String,
    },
    /// Not UTF-8.
    #[error("a line that is no UTF-8: `{start}`")]
    NotText {
        /// How it begins, escaped.
        start: String,
    },
    /// The stream ended within a line.
    #[error("the stream ends within a line, after `{start}`")]
    Torn {
        /// How it begins, escaped.
        start: String,
    },
}

impl Default for Lines {
    fn default() -> Self {
        Self::bounded(LINE_MAX)
    }
}

impl Lines {
    /// Lines of at most `most` bytes.
    pub fn bounded(most: usize) -> Self {
        Self { buffer: Vec::new(), looked: 0, most }
    }

    /// Takes what has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, without its newline; none until more has come.
    pub fn line(&mut self) -> Result<Option<String>, LineError> {
        let found = self.buffer[self.looked..].iter().position(|byte| *byte == b'\n').map(|at| self.looked + at);
        let length = found.unwrap_or(self.buffer.len());
        if length > self.most {
            return Err(LineError::TooLong { most: self.most, start: start(&self.buffer) });
        }
        let Some(end) = found else {
            self.looked = self.buffer.len();
            return Ok(None);
        };
        let rest = self.buffer.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.buffer, rest);
        self.looked = 0;
        line.truncate(end);
        String::from_utf8(line).map(Some).map_err(|error| LineError::NotText { start: start(error.as_bytes()) })
    }

    /// What there is to say of the end of the stream.
    pub fn end(&self) -> Result<(), LineError> {
        if self.buffer.is_empty() { Ok(()) } else { Err(LineError::Torn { start: start(&self.buffer) }) }
    }
}

/// The first bytes for people.
fn start(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(80)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(lines: &mut Lines) -> Result<Vec<String>, LineError> {
        std::iter::from_fn(|| lines.line().transpose()).collect()
    }

    #[test]
    fn what_is_no_line_of_text_is_named() {
        let mut lines = Lines::bounded(8);
        lines.push(b"12345678\n123456789");
        assert_eq!(lines.line(), Ok(Some("12345678".into())));
        assert_eq!(lines.line(), Err(LineError::TooLong { most: 8, start: "123456789".into() }));
        let mut lines = Lines::default();
        lines.push(b"\xff\x1b[2J\n");
        assert_eq!(lines.line(), Err(LineError::NotText { start: "\\xff\\x1b[2J".into() }));
        let mut lines = Lines::default();
        lines.push(b"{\"kind\":");
        assert_eq!((lines.line(), lines.end()), (Ok(None), Err(LineError::Torn { start: "{\\\"kind\\\":".into() })));
    }

    #[test]
    fn a_flood_without_a_newline_is_refused_before_it_is_kept() {
        let mut lines = Lines::default();
        let chunk = vec![b'x'; 64 << 10];
        let refused = (0..1000).find(|_| {
            lines.push(&chunk);
            lines.line().is_err()
        });
        assert_eq!(refused, Some(LINE_MAX / chunk.len()));
    }

    proptest! {
        #[test]
        fn however_a_text_is_cut_its_lines_are_the_same(text in prop::collection::vec("[^\n]{0,12}", 0..8), cuts in prop::collection::vec(0usize..100, 0..8)) {
            let whole: String = text.iter().map(|line| format!("{line}\n")).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.len())).chain([0, whole.len()]).collect();
            cuts.sort_unstable();
            let mut lines = Lines::bounded(64);
            let mut found = Vec::new();
            for cut in cuts.windows(2) {
                lines.push(&whole.as_bytes()[cut[0]..cut[1]]);
                found.extend(all(&mut lines).expect("text"));
            }
            prop_assert_eq!(found, text);
            prop_assert_eq!(lines.end(), Ok(()));
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut lines = Lines::bounded(32);
            lines.push(&bytes);
            while let Ok(Some(_)) = lines.line() {}
        }
    }
}
