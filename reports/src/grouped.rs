//! Checks that say the same thing of several subjects, folded into one row: twelve drives at the wrong width are one finding. What is folded here
//! is shown subject by subject, with its evidence, in the list of all checks.

use std::str::FromStr;

use assay_model::attr::{Attr, Kind};
use assay_model::check::{Check, CheckId};
use assay_model::gate::{Judged, Severity};
use assay_model::unit::Unit;
use assay_model::verdict::{Rank, Verdict};

use crate::dossier::why;
use crate::printable::Shown;
use crate::scale::{self, Bytes, Scaled};

/// One finding with all its subjects.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// The check.
    pub(crate) id: Shown,
    /// For people: the requirement's title.
    pub(crate) title: Shown,
    /// Its severity at the gate.
    pub(crate) severity: Severity,
    /// The answer.
    pub(crate) rank: Rank,
    /// Why it is Inconclusive, as the stable word; none for the other ranks.
    pub(crate) reason: Option<&'static str>,
    /// What was expected, scaled for people.
    pub(crate) expected: Scaled,
    /// What was observed, scaled for people.
    pub(crate) observed: Scaled,
    /// Why, where that is more than expected and observed; of the first subject.
    pub(crate) why: Shown,
    /// How many other reasons the other subjects have.
    pub(crate) other_reasons: usize,
    /// Where it was observed, of the first subject.
    pub(crate) source: Shown,
    /// All subjects that say the same.
    pub(crate) subjects: Vec<Shown>,
}

impl Finding {
    /// The subjects in one line; long lists end with their number.
    pub(crate) fn subject_line(&self) -> String {
        listed(&self.subjects, 6)
    }
}

/// Names in one line: all when there are few, else the first ones and how many more.
pub(crate) fn listed(names: &[Shown], most: usize) -> String {
    let shown = names.iter().take(most).map(Shown::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > most { format!("{shown} and {} more", names.len() - most) } else { shown }
}

/// Folds judged checks that agree in id, verdict, expected and observed, in their order.
pub(crate) fn findings<'a>(judged: impl Iterator<Item = &'a Judged>) -> Vec<Finding> {
    let mut keys: Vec<(&CheckId, Rank, Option<&'static str>, &str, &str)> = Vec::new();
    let mut out: Vec<Finding> = Vec::new();
    let mut reasons: Vec<Vec<String>> = Vec::new();
    for judged in judged {
        let check = &judged.check;
        let key = (&check.id, check.verdict.rank(), reason_word(&check.verdict), check.expected.as_str(), check.observed.as_str());
        let at = keys.iter().position(|known| *known == key).unwrap_or_else(|| {
            keys.push(key);
            out.push(finding(judged));
            reasons.push(Vec::new());
            out.len() - 1
        });
        out[at].subjects.push(Shown::from(&check.subject));
        let why = why(check);
        if !reasons[at].contains(&why) {
            reasons[at].push(why);
        }
    }
    for (finding, reasons) in out.iter_mut().zip(&reasons) {
        finding.other_reasons = reasons.len().saturating_sub(1);
    }
    out
}

fn finding(judged: &Judged) -> Finding {
    let check = &judged.check;
    Finding {
        id: Shown::from(check.id.as_str()),
        title: Shown::from(&judged.title),
        severity: judged.severity,
        rank: check.verdict.rank(),
        reason: reason_word(&check.verdict),
        expected: humane(check, &check.expected),
        observed: humane(check, &check.observed),
        why: Shown::from(why(check)),
        other_reasons: 0,
        source: Shown::from(&check.source),
        subjects: Vec::new(),
    }
}

/// The stable word of an Inconclusive verdict.
pub(crate) fn reason_word(verdict: &Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Inconclusive(reason) => Some(reason.name()),
        Verdict::Fail(_) | Verdict::Pass(_) | Verdict::NotApplicable(_) => None,
    }
}

/// An expectation or observation of a check named `<kind>.<attr>`, with bare numbers scaled by the unit of the attribute. Other text stays as it is.
pub(crate) fn humane(check: &Check, text: &str) -> Scaled {
    let as_is = || Scaled { text: Shown::new(text).to_string(), exact: String::new() };
    let Some((kind, attr)) = check.id.as_str().split_once('.') else { return as_is() };
    let (Ok(kind), Ok(attr)) = (Kind::from_str(kind), Attr::from_str(attr)) else { return as_is() };
    match attr.unit() {
        Unit::None | Unit::Count => as_is(),
        unit => {
            let number = |word: &str| word.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| scale::scaled_bytes(number, unit, Bytes::of(kind)));
            let exact = format!("{text} {}", unit.symbol());
            let scaled = |text: String| Scaled { text, exact };
            if let Some(one) = number(text) {
                return one;
            }
            if let Some(low) = text.strip_prefix("at least ").and_then(number) {
                return scaled(format!("at least {}", low.text));
            }
            if let Some((low, high)) = text.strip_prefix("from ").and_then(|range| range.split_once(" to "))
                && let (Some(low), Some(high)) = (number(low), number(high))
            {
                return scaled(format!("from {} to {}", low.text, high.text));
            }
            if let Some(list) = text.strip_prefix("one of ")
                && let Some(numbers) = list.split(", ").map(number).collect::<Option<Vec<_>>>()
            {
                return scaled(format!("one of {}", numbers.iter().map(|one| one.text.as_str()).collect::<Vec<_>>().join(", ")));
            }
            as_is()
        }
    }
}

#[cfg(test)]
mod tests {
    use assay_model::phase::Phase;

    use super::*;

    fn judged(id: &str, subject: &str, why: &str, expected: &str, observed: &str) -> Judged {
        let check = Check::new(id, subject, Verdict::Fail(why.into()), expected, observed, "/sys/x");
        Judged { check, phase: Phase::FIRST, severity: Severity::Gate, title: "t".into(), excused_by: None, holds: true }
    }

    #[test]
    fn subjects_that_say_the_same_are_one_finding_and_others_are_not() {
        let all = [
            judged("nvme.link_width", "a", "expected 4, observed 2", "4", "2"),
            judged("nvme.link_width", "b", "expected 4, observed 2", "4", "2"),
            judged("nvme.link_width", "c", "expected 4, observed 1", "4", "1"),
        ];
        let found = findings(all.iter());
        assert_eq!(found.iter().map(|f| f.subjects.len()).collect::<Vec<_>>(), [2, 1]);
        assert!(found[0].why.is_empty(), "the reason repeats expected and observed");
    }

    #[test]
    fn different_reasons_are_counted_and_not_lost() {
        let all = [judged("a.b", "x", "first", "1", "2"), judged("a.b", "y", "second", "1", "2")];
        let found = findings(all.iter());
        assert_eq!((found.len(), found[0].other_reasons, found[0].why.as_str()), (1, 1, "first"));
    }

    #[test]
    fn bare_numbers_are_scaled_by_the_unit_of_the_attribute() {
        let table = [
            ("dimm.capacity", "103079215104", "96 GiB"),
            ("nvme.capacity", "7681501126656", "7.682 TB"),
            ("dimm.configured_speed", "at least 4800", "at least 4800 MT/s"),
            ("nvme.link_speed", "from 16 to 32", "from 16 GT/s to 32 GT/s"),
            ("nic.speed", "one of 100000000000, 200000000000", "one of 100 Gbit/s, 200 Gbit/s"),
            ("nvme.link_width", "4", "4"),
            ("nvme.capacity", "absent", "absent"),
            ("memory.ecc_active", "128", "128"),
        ];
        for (id, text, expected) in table {
            let check = judged(id, "s", "w", text, "").check;
            assert_eq!(humane(&check, text).text.replace('\u{202f}', " "), expected, "{id} {text}");
        }
    }
}
