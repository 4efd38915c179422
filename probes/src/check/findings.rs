//! What speaks against one subject, collected over several readings: what is wrong decides, then what could not be read, then what is not there.

use std::fmt;

use assay_model::check::Absence;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::question::absent;
use super::seen::Seen;

/// The findings of one question about one subject.
#[derive(Default)]
pub(super) struct Findings {
    wrong: Vec<String>,
    unclear: Vec<Reason>,
    missing: Vec<String>,
}

impl Findings {
    /// Something is not as expected.
    pub(super) fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    /// Something could not be told.
    pub(super) fn unclear(&mut self, reason: Reason) {
        self.unclear.push(reason);
    }

    /// Nobody has said what is expected: open where there is an order, and not asked where there is none.
    pub(super) fn undeclared(&mut self, site: &Site, what: impl Into<String>) {
        match site.absence {
            Absence::NotApplicable => {}
            Absence::Inconclusive => self.unclear(Reason::NotRun(what.into())),
        }
    }

    /// The value, when there is one; what it is instead is a finding.
    pub(super) fn value<T>(&mut self, name: impl fmt::Display, read: Result<Option<T>, Reason>) -> Option<T> {
        match read {
            Ok(Some(value)) => return Some(value),
            Ok(None) => self.missing.push(name.to_string()),
            Err(reason) => self.unclear(reason),
        }
        None
    }

    /// A value that must be `wanted`.
    pub(super) fn expect<T: PartialEq + fmt::Display>(&mut self, name: impl fmt::Display, read: Result<Option<T>, Reason>, wanted: &T) {
        if let Some(value) = self.value(&name, read)
            && value != *wanted
        {
            self.wrong(format!("{name} is {value}, expected {wanted}"));
        }
    }

    /// The verdict on what was seen.
    pub(super) fn verdict(mut self, site: &Site, seen: &Seen<'_>) -> Verdict {
        if !self.wrong.is_empty() {
            return Verdict::Fail(self.wrong.join("; "));
        }
        if !self.unclear.is_empty() {
            return Verdict::Inconclusive(self.unclear.remove(0));
        }
        if self.missing.is_empty() { Verdict::pass_on(seen.evidence()) } else { absent(site, format!("there is no {}", self.missing.join(", no "))) }
    }
}
