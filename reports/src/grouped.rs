//! Checks that say the same thing of several subjects, folded into one row: twelve drives at the wrong width are one finding. What is folded here
//! is shown subject by subject, with its evidence, in the list of all checks.

use std::collections::BTreeSet;
use std::str::FromStr;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
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
    /// The waiver or the site's statement by which it does not decide.
    pub(crate) excused_by: Option<Shown>,
    /// All subjects that say the same.
    pub(crate) subjects: Vec<Shown>,
}

impl Finding {
    /// The subjects in one line; long lists end with their number.
    pub(crate) fn subject_line(&self) -> Shown {
        Shown::from(listed(&self.subjects, 6))
    }
}

/// Names in one line: all when there are few, else the first ones and how many more.
pub(crate) fn listed(names: &[Shown], most: usize) -> String {
    let shown = names.iter().take(most).map(Shown::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > most { format!("{shown} and {} more", names.len() - most) } else { shown }
}

/// Folds judged checks that agree in id, verdict, expected and observed, in their order.
pub(crate) fn findings<'a>(judged: impl Iterator<Item = &'a Judged>) -> Vec<Finding> {
    let mut groups: Vec<Vec<&Judged>> = Vec::new();
    for judged in judged {
        match groups.iter_mut().find(|group| agree(group[0], judged)) {
            Some(group) => group.push(judged),
            None => groups.push(vec![judged]),
        }
    }
    groups.iter().map(|group| finding(group)).collect()
}

fn agree(a: &Judged, b: &Judged) -> bool {
    a.check.id == b.check.id
        && a.check.verdict.rank() == b.check.verdict.rank()
        && reason_word(&a.check.verdict) == reason_word(&b.check.verdict)
        && a.check.expected == b.check.expected
        && a.check.observed == b.check.observed
        && a.severity == b.severity
        && a.excused_by == b.excused_by
}

// Of a group that is never empty.
fn finding(group: &[&Judged]) -> Finding {
    let (judged, check) = (group[0], &group[0].check);
    let reasons: BTreeSet<String> = group.iter().map(|judged| why(&judged.check)).collect();
    Finding {
        id: Shown::from(check.id.as_str()),
        title: Shown::from(&judged.title),
        severity: judged.severity,
        rank: check.verdict.rank(),
        reason: reason_word(&check.verdict),
        expected: humane(check, &check.expected),
        observed: humane(check, &check.observed),
        why: Shown::from(why(check)),
        other_reasons: reasons.len() - 1,
        source: Shown::from(&check.source),
        excused_by: judged.excused_by.as_ref().map(Shown::from),
        subjects: group.iter().map(|judged| Shown::from(&judged.check.subject)).collect(),
    }
}

/// The stable word of an Inconclusive verdict.
pub(crate) fn reason_word(verdict: &Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Inconclusive(reason) => Some(reason.name()),
        Verdict::Fail(_) | Verdict::Pass(_) | Verdict::NotApplicable(_) => None,
    }
}

/// An expectation or observation for people: bare numbers of a check named `<kind>.<attr>` are scaled by the unit of the attribute, and in any
/// other text each number that a base unit follows (`at least 500000000 B/s`).
pub(crate) fn humane(check: &Check, text: &str) -> Scaled {
    let attribute = check.id.as_str().split_once('.').and_then(|(kind, attr)| Some((Kind::from_str(kind).ok()?, Attr::from_str(attr).ok()?)));
    let scaled = match attribute {
        Some((kind, attr)) if has_scale(attr.unit()) => by_attribute(text, attr.unit(), Bytes::of(kind)),
        Some(_) | None => None,
    };
    scaled.unwrap_or_else(|| by_symbol(text))
}

fn has_scale(unit: Unit) -> bool {
    match unit {
        Unit::None | Unit::Count => false,
        Unit::Bytes
        | Unit::BytesPerSecond
        | Unit::BitsPerSecond
        | Unit::OpsPerSecond
        | Unit::Nanoseconds
        | Unit::Seconds
        | Unit::Hertz
        | Unit::Celsius
        | Unit::MegatransfersPerSecond
        | Unit::GigatransfersPerSecond
        | Unit::Bits
        | Unit::Watts
        | Unit::Ratio => true,
    }
}

// The forms in which a matcher is printed.
fn by_attribute(text: &str, unit: Unit, bytes: Bytes) -> Option<Scaled> {
    let number = |word: &str| word.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| scale::scaled_bytes(number, unit, bytes));
    let said = if let Some(low) = text.strip_prefix("at least ") {
        format!("at least {}", number(low)?.text)
    } else if let Some((low, high)) = text.strip_prefix("from ").and_then(|range| range.split_once(" to ")) {
        format!("from {} to {}", number(low)?.text, number(high)?.text)
    } else if let Some(list) = text.strip_prefix("one of ") {
        let numbers = list.split(", ").map(number).collect::<Option<Vec<_>>>()?;
        format!("one of {}", numbers.iter().map(|one| one.text.as_str()).collect::<Vec<_>>().join(", "))
    } else {
        number(text)?.text
    };
    Some(Scaled { text: said, exact: format!("{text} {}", unit.symbol()) })
}

const SYMBOLS: [Unit; 6] = [Unit::BytesPerSecond, Unit::BitsPerSecond, Unit::OpsPerSecond, Unit::Nanoseconds, Unit::Hertz, Unit::Bytes];

fn by_symbol(text: &str) -> Scaled {
    let words: Vec<&str> = text.split(' ').collect();
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let following = words.get(at + 1).map_or("", |word| word.trim_end_matches([',', ';', ')', ':']));
        let unit = SYMBOLS.into_iter().find(|unit| unit.symbol() == following);
        match (words[at].parse::<f64>(), unit) {
            (Ok(number), Some(unit)) if number.is_finite() => {
                out.push(format!("{}{}", scale::scaled(number, unit).text, &words[at + 1][following.len()..]));
                at += 2;
            }
            (_, _) => {
                out.push(words[at].to_owned());
                at += 1;
            }
        }
    }
    let said = Shown::from(out.join(" ")).to_string();
    let as_is = Shown::new(text).to_string();
    if said == as_is { Scaled { text: said, exact: String::new() } } else { Scaled { text: said, exact: as_is } }
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
            ("storage.read_bandwidth", "at least 500000000 B/s, observed 4387000000 B/s", "at least 500 MB/s, observed 4.387 GB/s"),
            ("storage.p99", "(500000 ns)", "(500000 ns)"),
            ("nvme.capacity", "not 12 B", "not 12 B"),
        ];
        for (id, text, expected) in table {
            let check = judged(id, "s", "w", text, "").check;
            assert_eq!(humane(&check, text).text.replace('\u{202f}', " "), expected, "{id} {text}");
        }
    }
}
