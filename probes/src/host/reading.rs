//! Readings: a file's answer as what a component can carry. Absent, unreadable and malformed stay three answers; a malformed one is
//! `Unreadable` with what the file said.

use assay_model::component::{Reading, Value};

use super::{Host, HostError};

impl Host {
    /// The file's text without blanks around it; an empty file is `Absent`.
    pub fn reading(&self, path: &str) -> Reading {
        self.reading_as(path, |text| Ok(text.into()))
    }

    /// A whole number in decimal.
    pub fn reading_u64(&self, path: &str) -> Reading {
        self.reading_as(path, |text| whole(text).map(Reading::from))
    }

    /// `1` or `0`.
    pub fn reading_flag(&self, path: &str) -> Reading {
        self.reading_as(path, |text| match text {
            "0" => Ok(false.into()),
            "1" => Ok(true.into()),
            _ => Err("neither 0 nor 1".into()),
        })
    }

    /// What `understand` makes of the file's text without blanks around it. An empty file is `Absent` without asking it.
    pub fn reading_as(&self, path: &str, understand: impl FnOnce(&str) -> Result<Reading, String>) -> Reading {
        reading_of(self.read(path), understand)
    }
}

/// The reading of an answer that may not have been given.
pub(crate) fn reading_of(answer: Result<String, HostError>, understand: impl FnOnce(&str) -> Result<Reading, String>) -> Reading {
    match answer {
        Ok(text) if text.trim().is_empty() => Reading::Absent,
        Ok(text) => understand(text.trim()).unwrap_or_else(|why| malformed(&text, &why)),
        Err(error) => unanswered(&error),
    }
}

/// The reading of an answer that was not given.
pub(crate) fn unanswered(error: &HostError) -> Reading {
    if error.is_absent() { Reading::Absent } else { Reading::Unreadable(error.cause()) }
}

/// A value, or the reading of why there is none.
pub(crate) fn reading_from<T: Into<Value>>(answer: Result<T, HostError>) -> Reading {
    answer.map_or_else(|error| unanswered(&error), Reading::from)
}

/// The reading of a text that cannot be understood.
pub(crate) fn malformed(text: &str, why: &str) -> Reading {
    let shown: String = text.trim().chars().take(60).collect();
    Reading::Unreadable(format!("says `{shown}`: {why}"))
}

/// A whole number in decimal.
pub(crate) fn whole(text: &str) -> Result<u64, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| "larger than any count".into())
    } else {
        Err("not a whole number".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_unreadable_and_malformed_are_three_answers() {
        let host = Host::from_snapshot("/good: 12\n/bad: 0x12\n/minus: -1\n/huge: 99999999999999999999\n/refused error: EIO\n/empty:\n/flag: 1")
            .expect("a fixture");
        assert_eq!(host.reading_u64("/good"), 12_u64.into());
        assert_eq!(host.reading_u64("/none"), Reading::Absent);
        assert_eq!(host.reading_u64("/empty"), Reading::Absent);
        assert_eq!(host.reading_u64("/refused"), Reading::Unreadable("Input/output error (os error 5)".into()));
        assert_eq!(host.reading_u64("/bad"), Reading::Unreadable("says `0x12`: not a whole number".into()));
        assert!(matches!(host.reading_u64("/minus"), Reading::Unreadable(_)));
        assert!(matches!(host.reading_u64("/huge"), Reading::Unreadable(_)));
        assert_eq!(host.reading_flag("/flag"), true.into());
        assert!(matches!(host.reading_flag("/good"), Reading::Unreadable(_)));
    }
}
