//! Ports that failed in a drill: a picture of each with both directions, what each direction made of it, and the limits that the site's gates set.

use assay_model::check::EventSeq;
use assay_model::gate::{Gate, Requirement, Severity};
use assay_model::limit::{Bound, Limit};
use assay_model::outage::{Gap, Outage, Way};
use assay_model::run::{Run, Step};
use assay_model::unit::Unit;

use crate::chart::Svg;
use crate::chart::outage::picture;
use crate::dossier::Dossier;
use crate::printable::Shown;
use crate::scale::{self, NARROW_SPACE, Scaled};

use super::figures::required;
use super::mark::Mark;

// Of more gaps the longest are listed.
const LISTED: usize = 48;
// What fits beside the lanes; the table has the whole names.
const NAME: usize = 27;

pub(super) struct OutageView {
    pub(super) heading: Shown,
    pub(super) context: Shown,
    pub(super) alt: Shown,
    pub(super) svg: Svg,
    pub(super) height: u32,
    /// Where the name of each direction is written in the picture.
    pub(super) names: Vec<(u32, Shown)>,
    /// Each direction in full.
    pub(super) ways: Vec<Shown>,
    /// What it is, and that of each direction.
    pub(super) rows: Vec<(&'static str, Vec<Scaled>)>,
    pub(super) limits: Vec<LimitView>,
    pub(super) gaps: Vec<GapRow>,
    pub(super) gaps_note: Shown,
}

pub(super) struct LimitView {
    pub(super) text: String,
    pub(super) id: Shown,
    pub(super) severity: Severity,
    pub(super) basis: Shown,
    /// What the check on this very figure says; None when it is not judged here.
    pub(super) mark: Option<Mark>,
    /// Why there is no line, or no verdict.
    pub(super) note: Shown,
}

pub(super) struct GapRow {
    pub(super) way: Shown,
    pub(super) flow: u16,
    pub(super) last_good: Scaled,
    pub(super) first_good: Scaled,
    pub(super) length: Scaled,
    pub(super) lost: Scaled,
}

/// Every port that failed in the runs of a dossier, in their order.
pub(super) fn outages(dossier: &Dossier<'_>) -> Vec<OutageView> {
    let steps = dossier.runs.iter().flat_map(|run| run.steps.iter().map(move |step| (run, step)));
    steps.flat_map(|(run, step)| step.outages.iter().map(move |outage| view(outage, run, step, dossier))).collect()
}

fn view(outage: &Outage, run: &Run, step: &Step, dossier: &Dossier<'_>) -> OutageView {
    let required = on_figure(&format!("{}.outage", outage.family), run, dossier);
    let mut lines: Vec<f64> = required.iter().filter_map(|(_, _, limit)| at_most(limit)).collect();
    lines.sort_by(f64::total_cmp);
    lines.dedup();
    let drawing = picture(outage, &lines);
    let is_drawn = |limit: &Limit| {
        let place = at_most(limit).and_then(|ns| lines.iter().position(|line| *line == ns));
        place.is_some_and(|place| drawing.drawn[place])
    };
    let limits = required.iter().map(|one| limit_view(one, is_drawn(one.2), figure_of(outage, one.2, step), (run, step), dossier)).collect();
    let arrow = |way: &Way| Shown::from(format!("{} to {}", way.from, way.to));
    let short = |way: &Way| Shown::from(format!("{} to {}", cut(&way.from), cut(&way.to)));
    let (gaps, gaps_note) = gaps(outage, drawing.left_out);
    let same = |other: &&Outage| (&other.family, &other.node, &other.port) == (&outage.family, &outage.node, &outage.port);
    let repeats: Vec<&Outage> = step.outages.iter().filter(same).collect();
    let repeat = match repeats.iter().position(|other| std::ptr::eq(*other, outage)) {
        Some(at) if repeats.len() > 1 => format!(", round {} of {}", at + 1, repeats.len()),
        Some(_) | None => String::new(),
    };
    OutageView {
        heading: Shown::from(format!("{} of {} {}", outage.fault, outage.node, outage.port)),
        context: Shown::from(format!("step {} of run {}{repeat}", step.name, run.id)),
        alt: Shown::from(alt(outage)),
        svg: drawing.svg,
        height: drawing.height,
        names: drawing.names.into_iter().zip(outage.ways.iter().map(short)).collect(),
        ways: outage.ways.iter().map(arrow).collect(),
        rows: rows(outage),
        limits,
        gaps,
        gaps_note,
    }
}

fn cut(name: &str) -> String {
    let shown = Shown::from(name);
    if shown.as_str().chars().count() <= NAME { shown.to_string() } else { format!("{}…", shown.as_str().chars().take(NAME).collect::<String>()) }
}

/// The limits on a figure of a run, of every gate of the site.
pub(super) fn on_figure<'a>(name: &str, run: &Run, dossier: &'a Dossier<'_>) -> Vec<(&'a Gate, &'a Requirement, &'a Limit)> {
    let all = dossier.site.gates.iter().flat_map(|gate| gate.requires.iter().map(move |requirement| (gate, requirement)));
    all.filter_map(|(gate, requirement)| Some((gate, requirement, requirement.limit.as_ref()?)))
        .filter(|(_, _, limit)| limit.metric.0 == name && (limit.scenarios.is_empty() || limit.scenarios.contains(&run.scenario)))
        .collect()
}

/// The longest gap that a limit allows, where it is one of that kind.
pub(super) fn at_most(limit: &Limit) -> Option<f64> {
    match limit.bound {
        Bound::AtMost(ns) => Some(ns),
        Bound::Exactly(_) | Bound::AtLeast(_) | Bound::Efficiency(_) | Bound::Rated { .. } => None,
    }
}

/// Where the figure of an outage stands that a limit is on.
fn figure_of(outage: &Outage, limit: &Limit, step: &Step) -> Option<EventSeq> {
    let to = outage.ways.first().map(|way| &way.to);
    // What failed was a port of the node, or a switch.
    let is_it = |metric: &assay_model::metric::Metric| {
        let of = |name: &str| metric.dimensions.get(name);
        metric.name == limit.metric && of("from") == Some(&outage.node) && of("to") == to && [of("port"), of("chassis")].contains(&Some(&outage.port))
    };
    step.metrics.iter().find(|recorded| is_it(&recorded.fact)).map(|recorded| recorded.event)
}

pub(super) fn limit_view(
    (gate, requirement, limit): &(&Gate, &Requirement, &Limit),
    is_drawn: bool,
    event: Option<EventSeq>,
    (run, step): (&Run, &Step),
    dossier: &Dossier<'_>,
) -> LimitView {
    let source = format!("run {}, step {}", run.id, step.name);
    let judged = dossier.judgement.judged.iter().filter(|judged| judged.check.id == requirement.id && judged.check.source == source);
    let mark = event.and_then(|event| {
        let about = judged.filter(|judged| judged.check.evidence.contains(&event));
        about.map(|judged| judged.check.verdict.rank()).max().map(Mark::of)
    });
    let mut notes = Vec::new();
    if mark.is_none() {
        notes.push(if gate.phase == dossier.judgement.phase {
            "not judged".to_owned()
        } else {
            format!("judged by the gate of {}, not here", gate.phase)
        });
    }
    if !is_drawn {
        notes.push("not drawn: it ends beyond the picture, or counts from a packet that never came".to_owned());
    }
    let required = required(limit, Unit::Nanoseconds);
    LimitView {
        text: required.text,
        id: Shown::from(requirement.id.as_str()),
        severity: requirement.severity,
        basis: required.basis,
        mark,
        note: Shown::from(notes.join("; ")),
    }
}

fn rows(outage: &Outage) -> Vec<(&'static str, Vec<Scaled>)> {
    let each = |of: &dyn Fn(&Way) -> Scaled| outage.ways.iter().map(of).collect::<Vec<Scaled>>();
    let of_longest = |of: fn(&Gap, &Way) -> Scaled| each(&|way: &Way| way.longest().map_or_else(|| words("–"), |(_, gap)| of(gap, way)));
    let sum = |of: fn(&assay_model::outage::Flow) -> u64| each(&|way: &Way| count(way.sum(of)));
    let mut rows = vec![
        ("Last good", of_longest(|gap, _| last_good(gap))),
        ("First good", of_longest(|gap, _| first_good(gap))),
        (
            "Longest gap",
            each(&|way: &Way| match way.longest() {
                Some((_, gap)) => length(gap),
                None => words(&format!("none of {} or more", time(way.threshold_ns).text)),
            }),
        ),
        ("of it perhaps the harness", of_longest(|gap, _| time(gap.harness_ns))),
        ("Flows with a gap", each(&|way: &Way| words(&format!("{} of {}", way.hit(), way.flows.len())))),
        ("Packets sent", sum(|flow| flow.sent)),
        ("Lost", sum(|flow| flow.lost)),
        ("Duplicated", sum(|flow| flow.duplicated)),
        ("Reordered", sum(|flow| flow.reordered)),
        ("Healed", each(&|way: &Way| moment(way.healed.from_ns))),
        ("Fault and healing known within", each(&|way: &Way| words(&format!("±{}", time(way.uncertainty_ns).text)))),
    ];
    if outage.ways.iter().any(|way| way.silent() > 0) {
        rows.insert(5, ("Flows not heard again", each(&|way: &Way| words(&format!("{} of {}", way.silent(), way.flows.len())))));
    }
    rows
}

fn gaps(outage: &Outage, not_drawn: usize) -> (Vec<GapRow>, Shown) {
    let of_way = |way: &Way| way.flows.iter().flat_map(|flow| flow.gaps.iter().map(move |gap| (flow.flow, *gap))).collect::<Vec<_>>();
    let mut all: Vec<(&Way, u16, Gap)> =
        outage.ways.iter().flat_map(|way| of_way(way).into_iter().map(move |(flow, gap)| (way, flow, gap))).collect();
    let kept = all.len();
    let seen = outage.ways.iter().map(|way| way.sum(|flow| flow.gaps_seen)).fold(0, u64::saturating_add);
    all.sort_by_key(|(_, _, gap)| std::cmp::Reverse(gap.length_ns()));
    all.truncate(LISTED);
    let mut notes = Vec::new();
    if kept > all.len() {
        notes.push(format!("The {} longest of {kept} gaps.", all.len()));
    }
    if seen > u64::try_from(kept).unwrap_or(u64::MAX) {
        notes.push(format!("There were {}; of each flow the longest are kept.", scale::grouped(seen)));
    }
    if not_drawn > 0 {
        notes.push(format!("The {not_drawn} shortest are not drawn."));
    }
    let row = |(way, flow, gap): &(&Way, u16, Gap)| GapRow {
        way: Shown::from(format!("{} to {}", way.from, way.to)),
        flow: *flow,
        last_good: last_good(gap),
        first_good: first_good(gap),
        length: length(gap),
        lost: gap.lost.map_or_else(|| words("not kept"), count),
    };
    (all.iter().map(row).collect(), Shown::from(notes.join(" ")))
}

fn alt(outage: &Outage) -> String {
    let way = |way: &Way| {
        let lost = format!("{} of {} packets lost", count(way.sum(|flow| flow.lost)), count(way.sum(|flow| flow.sent)));
        let told = match way.longest() {
            None => format!("no gap of {} or more", time(way.threshold_ns)),
            Some((_, gap)) => {
                format!(
                    "longest gap {}, last good {}, first good {}, {} of {} flows",
                    length(gap),
                    last_good(gap),
                    first_good(gap),
                    way.hit(),
                    way.flows.len()
                )
            }
        };
        format!(" {} to {}: {told}; {lost}.", way.from, way.to)
    };
    let healed = outage.ways.first().map_or_else(|| "an unknown time".to_owned(), |way| moment(way.healed.from_ns).text);
    let ways: String = outage.ways.iter().map(way).collect();
    format!("{} of {} {}, healed at {healed}.{ways}", outage.fault, outage.node, outage.port)
}

fn last_good(gap: &Gap) -> Scaled {
    gap.last_good_ns.map_or_else(|| words("none before"), moment)
}

fn first_good(gap: &Gap) -> Scaled {
    gap.first_good_ns.map_or_else(|| words("not heard again"), moment)
}

fn length(gap: &Gap) -> Scaled {
    let Scaled { text, exact } = time(gap.length_ns());
    if gap.at_most_ns.is_some() { Scaled { text, exact } } else { Scaled { text: format!("at least {text}"), exact } }
}

/// Milliseconds since the fault, with a sign.
fn moment(ns: i64) -> Scaled {
    let sign = if ns < 0 { '\u{2212}' } else { '+' };
    let tenths = ns.unsigned_abs().saturating_add(50_000) / 100_000;
    Scaled { text: format!("{sign}{}.{}{NARROW_SPACE}ms", scale::grouped(tenths / 10), tenths % 10), exact: format!("{ns} ns") }
}

pub(super) fn time(ns: u64) -> Scaled {
    #[allow(clippy::cast_precision_loss, reason = "rounded to four digits; the exact figure stands beside it")]
    let rounded = ns as f64;
    Scaled { exact: format!("{ns} ns"), ..scale::scaled(rounded, Unit::Nanoseconds) }
}

fn count(packets: u64) -> Scaled {
    Scaled { text: scale::grouped(packets), exact: String::new() }
}

pub(super) fn words(text: &str) -> Scaled {
    Scaled { text: text.to_owned(), exact: String::new() }
}
