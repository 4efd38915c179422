//! A page of a controller as bytes: fields by their offset, little-endian. A page that is shorter than its fields is unreadable, and never a page of zeroes.

use assay_model::component::Reading;

use crate::host::{HostError, unanswered};

/// A page, or the reading of why there is none.
pub(super) struct Page {
    bytes: Result<Vec<u8>, Reading>,
    /// Where it comes from.
    pub(super) source: String,
}

impl Page {
    /// An answer that must have at least `length` bytes.
    pub(super) fn of(answer: Result<Vec<u8>, HostError>, source: String, length: usize) -> Self {
        let bytes = match answer {
            Ok(bytes) if bytes.len() >= length => Ok(bytes),
            Ok(bytes) => Err(Reading::Unreadable(format!("it has {} of {length} bytes", bytes.len()))),
            Err(error) => Err(unanswered(&error)),
        };
        Self { bytes, source }
    }

    /// The same page, which must say something: one byte over and over is what a broken answer looks like, and zeros would read as perfect health.
    pub(super) fn saying(self) -> Self {
        let repeated = match &self.bytes {
            Ok(bytes) => bytes.first().copied().filter(|first| bytes.iter().all(|byte| byte == first)),
            Err(_) => None,
        };
        match repeated {
            Some(byte) => self.refused(Reading::Unreadable(format!("the page is nothing but {byte:#04x}"))),
            None => self,
        }
    }

    /// The same page, which the controller must have, by the specification or by its own word: one that is absent is unreadable.
    pub(super) fn required(self) -> Self {
        match self.bytes {
            Err(Reading::Absent) => self.refused(Reading::Unreadable("the controller says that it has no such page, and it must have it".into())),
            Ok(_) | Err(_) => self,
        }
    }

    /// What `understand` makes of the page; why there is none otherwise.
    pub(super) fn reading(&self, understand: impl FnOnce(Fields<'_>) -> Option<Reading>) -> Reading {
        match &self.bytes {
            Ok(bytes) => understand(Fields(bytes)).unwrap_or_else(|| Reading::Unreadable("the page ends before the field".into())),
            Err(reading) => reading.clone(),
        }
    }

    /// The page when it was answered.
    pub(super) fn fields(&self) -> Option<Fields<'_>> {
        self.bytes.as_ref().ok().map(|bytes| Fields(bytes))
    }

    /// The same page, not believed.
    pub(super) fn refused(self, why: Reading) -> Self {
        Self { bytes: Err(why), ..self }
    }

    /// Where a field of it comes from.
    pub(super) fn field(&self, name: &str) -> String {
        format!("{} {name}", self.source)
    }
}

/// The bytes of a page.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn u8(self, at: usize) -> Option<u64> {
        self.0.get(at).map(|byte| u64::from(*byte))
    }

    pub(super) fn u16(self, at: usize) -> Option<u64> {
        self.little_endian(at, 2)
    }

    pub(super) fn u32(self, at: usize) -> Option<u64> {
        self.little_endian(at, 4)
    }

    pub(super) fn u64(self, at: usize) -> Option<u64> {
        self.little_endian(at, 8)
    }

    /// A counter of sixteen bytes; one beyond 64 bits counts as the largest.
    pub(super) fn u128(self, at: usize) -> Option<u64> {
        let (low, high) = (self.u64(at)?, self.u64(at.checked_add(8)?)?);
        Some(if high == 0 { low } else { u64::MAX })
    }

    /// Text without the blanks that fill it up; characters that no terminal should see become `?`.
    pub(super) fn text(self, at: usize, length: usize) -> Option<String> {
        let bytes = self.0.get(at..at.checked_add(length)?)?;
        let printable = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' };
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Some(bytes.get(..end)?.iter().map(printable).collect::<String>().trim().to_owned())
    }

    fn little_endian(self, at: usize, length: usize) -> Option<u64> {
        let bytes = self.0.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_little_endian_and_end_with_the_page() {
        let page = Fields(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!((page.u8(0), page.u16(0), page.u32(1), page.u64(0)), (Some(1), Some(0x0201), Some(0x0504_0302), Some(0x0807_0605_0403_0201)));
        assert_eq!((page.u16(8), page.u8(usize::MAX), page.u64(2), page.u128(0)), (None, None, None, None));
        let mut counter = [0; 16];
        counter[8] = 1;
        assert_eq!(Fields(&counter).u128(0), Some(u64::MAX), "what does not fit is not zero");
        assert_eq!(Fields(b"ABC  \x1b[").text(0, 7).as_deref(), Some("ABC  ?["));
    }

    proptest! {
        #[test]
        fn no_bytes_and_no_offset_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), at in any::<usize>(), length in any::<usize>()) {
            let page = Fields(&bytes);
            let _ = (page.u8(at), page.u16(at), page.u32(at), page.u64(at), page.u128(at), page.text(at, length));
        }
    }
}
