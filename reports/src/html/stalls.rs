//! Drills on a cluster: a picture of each with what its client waited for and what the cluster said, the figures, whether every acknowledged write is there, and the
//! limits that the site's gates set.

use assay_model::outage::Span;
use assay_model::run::{Run, Step};
use assay_model::stall::{Client, Stall, Wait};

use crate::chart::Svg;
use crate::chart::stall::picture;
use crate::dossier::Dossier;
use crate::printable::Shown;
use crate::scale::{self, NARROW_SPACE, Scaled};

use super::mark::Mark;
use super::outages::{LimitView, at_most, limit_view, on_figure};

pub(super) struct StallView {
    pub(super) heading: Shown,
    pub(super) on: Shown,
    pub(super) context: Shown,
    pub(super) alt: Shown,
    pub(super) svg: Svg,
    pub(super) height: u32,
    pub(super) names: Vec<(u32, Shown)>,
    pub(super) rows: Vec<(&'static str, Scaled)>,
    pub(super) kinds: Vec<Shown>,
    pub(super) of_kinds: Vec<(&'static str, Vec<Scaled>)>,
    pub(super) data: Mark,
    pub(super) data_text: Shown,
    pub(super) first: Vec<Shown>,
    pub(super) limits: Vec<LimitView>,
    pub(super) states: Vec<(Shown, Scaled, Scaled)>,
    pub(super) states_note: Shown,
}

/// Every drill in the runs of a dossier, in their order.
pub(super) fn stalls(dossier: &Dossier<'_>) -> Vec<StallView> {
    let steps = dossier.runs.iter().flat_map(|run| run.steps.iter().map(move |step| (run, step)));
    steps.flat_map(|(run, step)| step.stalls.iter().map(move |stall| view(stall, run, step, dossier))).collect()
}

fn view(stall: &Stall, run: &Run, step: &Step, dossier: &Dossier<'_>) -> StallView {
    let figure = format!("{}.stall", stall.family);
    let required = on_figure(&figure, run, dossier);
    let mut lines: Vec<f64> = required.iter().filter_map(|(_, _, limit)| at_most(limit)).collect();
    lines.sort_by(f64::total_cmp);
    lines.dedup();
    let drawing = picture(stall, &lines);
    // Of several drills of a kind in one step each has a figure, in their order.
    let same: Vec<&Stall> = step.stalls.iter().filter(|other| other.family == stall.family).collect();
    let place = same.iter().position(|other| std::ptr::eq(*other, stall)).unwrap_or(0);
    let events: Vec<_> = step.metrics.iter().filter(|recorded| recorded.fact.name.0 == figure).map(|recorded| recorded.event).collect();
    let limits = required
        .iter()
        .map(|one| {
            let line = at_most(one.2).and_then(|ns| lines.iter().position(|line| *line == ns));
            let is_drawn = line.is_some_and(|line| drawing.drawn[line]);
            limit_view(one, is_drawn, events.get(place).copied(), (run, step), dossier)
        })
        .collect();
    let (data, data_text) = data(stall);
    let note = if drawing.left_out > 0 { format!("{} more are not drawn.", drawing.left_out) } else { String::new() };
    StallView {
        heading: Shown::from(&stall.fault),
        on: Shown::from(stall.on.join(", ")),
        context: Shown::from(format!("step {} of run {}", step.name, run.id)),
        alt: Shown::from(alt(stall)),
        svg: drawing.svg,
        height: drawing.height,
        names: drawing.names.into_iter().map(|(y, name)| (y, Shown::from(name))).collect(),
        rows: rows(stall),
        kinds: stall.client.iter().map(|client| Shown::from(format!("{}s", client.kind))).collect(),
        of_kinds: of_kinds(stall),
        data,
        data_text: Shown::from(data_text),
        first: stall.data.first.iter().map(Shown::from).collect(),
        limits,
        states: stall
            .cluster
            .iter()
            .map(|state| (Shown::from(&state.what), moment(state.during.from_ns), state.during.to_ns.map_or_else(|| words("to the end"), moment)))
            .collect(),
        states_note: Shown::from(note),
    }
}

/// Whether every acknowledged write is there. What was not read back is not.
fn data(stall: &Stall) -> (Mark, String) {
    use assay_model::verdict::Rank;
    let data = &stall.data;
    let held = format!(
        "{} of {} blocks hold what {} acknowledged writes and the layout left",
        scale::grouped(data.right),
        scale::grouped(data.blocks),
        scale::grouped(data.acknowledged)
    );
    let wrong: Vec<String> = data.wrong.iter().map(|(kind, count)| format!("{} {kind}", scale::grouped(*count))).collect();
    let back = data.back_to.map(|Span { from_ns, to_ns }| {
        format!(
            "; together they hold what was there between {} and {}, as if the image had been set back to that time",
            moment(from_ns).text,
            moment(to_ns).text
        )
    });
    let (rank, text) = if !wrong.is_empty() {
        (Rank::Fail, format!("{held}; {}{}", wrong.join(", "), back.unwrap_or_default()))
    } else if data.unreadable > 0 {
        (Rank::Inconclusive, format!("{held}; {} could not be read back", scale::grouped(data.unreadable)))
    } else if data.blocks == 0 || data.right < data.blocks {
        (Rank::Inconclusive, format!("{held}: that proves nothing"))
    } else {
        (Rank::Pass, held)
    };
    (Mark::of(rank), text)
}

fn rows(stall: &Stall) -> Vec<(&'static str, Scaled)> {
    let at = |ns: Option<i64>, never: &str| ns.map_or_else(|| words(never), moment);
    let count = |count: u64| Scaled { text: scale::grouped(count), exact: String::new() };
    let recovered = stall.recovered.map(|recovered| {
        [("Objects recovered until it was healed", count(recovered.meanwhile)), ("Objects recovered in all", count(recovered.in_all))]
    });
    let rows = vec![
        ("The cluster had noticed", at(stall.detected_ns, "never")),
        ("The longest wait was over", at(stall.resumed_ns, "never")),
        ("Healed", moment(stall.healed.from_ns)),
        ("Clean again", at(stall.clean_ns, "never")),
        ("Fault and healing known within", words(&format!("±{}", time(stall.uncertainty_ns).text))),
        ("The cluster was asked every", time(stall.asked_every_ns)),
    ];
    rows.into_iter().chain(recovered.into_iter().flatten()).collect()
}

fn of_kinds(stall: &Stall) -> Vec<(&'static str, Vec<Scaled>)> {
    let each = |of: &dyn Fn(&Client) -> Scaled| stall.client.iter().map(of).collect::<Vec<_>>();
    let count = |of: fn(&Client) -> u64| each(&|client| Scaled { text: scale::grouped(of(client)), exact: String::new() });
    let longest = |of: &dyn Fn(Wait) -> Scaled| each(&|client| client.longest.map_or_else(|| words("–"), of));
    vec![
        ("Longest wait", longest(&|wait| time(wait.length_ns(stall.watched.to_ns)))),
        ("asked for", longest(&|wait| moment(wait.from_ns))),
        ("answered", longest(&|wait| wait.to_ns.map_or_else(|| words("never"), moment))),
        ("Times without an answer", count(|client| client.gaps_seen)),
        ("Acknowledged", count(|client| client.acknowledged)),
        ("Failed", count(|client| client.failed)),
        ("Never answered", count(|client| client.unanswered)),
    ]
}

fn alt(stall: &Stall) -> String {
    let at = |ns: Option<i64>| ns.map_or_else(|| "never".to_owned(), |ns| moment(ns).text);
    let longest = stall.longest().map_or_else(
        || "nothing waited".to_owned(),
        |(client, wait)| format!("the longest wait was {} of a {}", time(wait.length_ns(stall.watched.to_ns)).text, client.kind),
    );
    format!(
        "{} on {}: noticed {}, healed {}, {longest}, over {}, clean again {}",
        stall.fault,
        stall.on.join(", "),
        at(stall.detected_ns),
        moment(stall.healed.from_ns).text,
        at(stall.resumed_ns),
        at(stall.clean_ns)
    )
}

/// Seconds since the fault, with a sign.
fn moment(ns: i64) -> Scaled {
    let sign = if ns < 0 { '\u{2212}' } else { '+' };
    let hundredths = ns.unsigned_abs().saturating_add(5_000_000) / 10_000_000;
    Scaled { text: format!("{sign}{}.{:02}{NARROW_SPACE}s", scale::grouped(hundredths / 100), hundredths % 100), exact: format!("{ns} ns") }
}

fn time(ns: u64) -> Scaled {
    super::outages::time(ns)
}

fn words(text: &str) -> Scaled {
    super::outages::words(text)
}
