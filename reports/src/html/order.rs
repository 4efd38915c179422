//! What was ordered beside what was found, line by line. A comparison, not a verdict: the verdicts are those of the checks.

use assay_model::attr::{Attr, Kind};
use assay_model::bom::{Bom, BomLine};
use assay_model::component::{Component, Value};
use assay_model::contradiction::Contradiction;
use assay_model::inventory::{Inventory, Observed};
use assay_model::matcher::Matcher;
use assay_model::unit::Unit;

use crate::dossier::Dossier;
use crate::printable::Shown;
use crate::scale::{self, Bytes, Scaled};

use super::mark::Mark;
use super::seen::{Seen, safe, seen};

pub(super) struct Order {
    pub(super) title: Shown,
    pub(super) lines: Vec<Line>,
    pub(super) differing: usize,
    pub(super) none: Shown,
}

pub(super) struct Line {
    pub(super) name: Shown,
    pub(super) kind: &'static str,
    pub(super) part: Shown,
    pub(super) quantity: u32,
    /// How many were found, or why that cannot be told.
    pub(super) found: Shown,
    pub(super) mark: Mark,
    /// Unresolved contradictions that put the quantity in question.
    pub(super) question: Shown,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    pub(super) attr: &'static str,
    pub(super) meaning: &'static str,
    pub(super) ordered: Scaled,
    pub(super) found: Vec<Seen>,
    pub(super) mark: Mark,
    /// Unresolved contradictions that put the expectation in question.
    pub(super) question: Shown,
}

const SAME: Mark = Mark { shape: "pass", word: "as ordered" };
const DIFFERS: Mark = Mark { shape: "fail", word: "differs" };
const UNKNOWN: Mark = Mark { shape: "open", word: "cannot tell" };
// The order contradicts itself here: to differ from it is no fault of the node, and to agree with it no merit.
const IN_QUESTION: Mark = Mark { shape: "open", word: "in question" };

impl Order {
    pub(super) fn new(dossier: &Dossier<'_>) -> Self {
        let (title, lines, none) = match (&dossier.site.bom, dossier.inventory) {
            (None, _) => (
                String::new(),
                Vec::new(),
                format!("The site {} orders nothing, so there is no order to compare with. What was found is listed below.", dossier.site.name),
            ),
            (Some(bom), None) => (title(bom), Vec::new(), format!("There is no inventory to compare the order with: {}.", dossier.inventory_note)),
            (Some(bom), Some(_)) if bom.lines.is_empty() => (title(bom), Vec::new(), "The order has no lines.".to_owned()),
            (Some(bom), Some(inventory)) => (
                title(bom),
                bom.lines.iter().map(|line| compare(line, bom, inventory, &dossier.judgement.contradictions)).collect::<Vec<_>>(),
                String::new(),
            ),
        };
        let differing = lines.iter().filter(|line| line.mark == DIFFERS || line.rows.iter().any(|row| row.mark == DIFFERS)).count();
        Self { title: Shown::from(title), lines, differing, none: Shown::from(none) }
    }
}

fn title(bom: &Bom) -> String {
    format!("{}, revision {}", bom.node_class, bom.revision)
}

fn compare(line: &BomLine, bom: &Bom, inventory: &Inventory, contradictions: &[Contradiction]) -> Line {
    let (components, found, mark) = match inventory.of(line.kind) {
        Observed::Components(all) => {
            let of_line: Vec<&Component> = all.into_iter().filter(|component| speaks_of(line, bom, component)).collect();
            let same = u32::try_from(of_line.len()).is_ok_and(|count| count == line.quantity);
            let found = of_line.len().to_string();
            (of_line, found, if same { SAME } else { DIFFERS })
        }
        Observed::SourceMissing(source) => (Vec::new(), format!("{source} does not exist on this host"), UNKNOWN),
        Observed::Unknown(reason) => (Vec::new(), reason.detail().to_owned(), UNKNOWN),
    };
    let questions = |check: String| open_questions(&check, contradictions);
    let rows =
        line.expect.iter().map(|(attr, matcher)| row(line.kind, *attr, matcher, &components, questions(format!("{}.{attr}", line.kind)))).collect();
    let question = questions(format!("{}.quantity", line.kind));
    Line {
        name: Shown::from(&line.name),
        kind: line.kind.name(),
        part: line.part.as_deref().map(Shown::new).unwrap_or_default(),
        quantity: line.quantity,
        found: Shown::from(found),
        mark: if question.is_empty() { mark } else { IN_QUESTION },
        question,
        rows,
    }
}

// A line without a selection takes what no other line of its kind selects.
fn speaks_of(line: &BomLine, bom: &Bom, component: &Component) -> bool {
    let selects = |line: &BomLine| {
        !line.select.is_empty() && line.select.iter().all(|(attr, matcher)| component.value(*attr).is_some_and(|value| matcher.matches(value)))
    };
    if line.select.is_empty() { !bom.lines.iter().any(|other| other.kind == line.kind && selects(other)) } else { selects(line) }
}

// Ids of the unresolved contradictions that block a check.
fn open_questions(check: &str, contradictions: &[Contradiction]) -> Shown {
    let blocking = contradictions.iter().filter(|c| !c.is_resolved() && c.checks.iter().any(|blocked| blocked.as_str() == check));
    Shown::from(blocking.map(|c| c.id.as_str()).collect::<Vec<_>>().join(", "))
}

fn row(kind: Kind, attr: Attr, matcher: &Matcher, components: &[&Component], question: Shown) -> Row {
    let values: Vec<Option<&Value>> = components.iter().map(|component| component.value(attr)).collect();
    let differs = values.iter().flatten().any(|value| !matcher.matches(value));
    let mark = match () {
        () if !question.is_empty() => IN_QUESTION,
        () if differs => DIFFERS,
        () if values.is_empty() || values.iter().any(Option::is_none) => UNKNOWN,
        () => SAME,
    };
    Row {
        attr: attr.name(),
        meaning: attr.describe(),
        ordered: ordered(matcher, attr.unit(), Bytes::of(kind)),
        found: seen(kind, attr, components),
        mark,
        question,
    }
}

fn ordered(matcher: &Matcher, unit: Unit, bytes: Bytes) -> Scaled {
    let number = |number: f64| scale::scaled_bytes(number, unit, bytes).text;
    let value = |value: &Value| scale::value(value, unit, bytes).text;
    let text = match matcher {
        Matcher::Equals(expected) => value(expected),
        Matcher::AnyOf(expected) => format!("one of {}", expected.iter().map(value).collect::<Vec<_>>().join(", ")),
        Matcher::AtLeast(low) => format!("at least {}", number(*low)),
        Matcher::Within(low, high) => format!("from {} to {}", number(*low), number(*high)),
    };
    safe(Scaled { text, exact: format!("{matcher} {}", unit.symbol()) })
}
