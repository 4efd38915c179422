//! Figures of pairs of nodes as tables from node by node: a value in every cell, and a shade that says how far it is behind the best cell of its table. A pair
//! without a figure is never shaded.

use assay_model::between::{FROM, TO, is_round};
use assay_model::metric::{Direction, Metric};
use assay_model::run::{Ended, Run, Step};
use assay_model::verdict::Rank;

use crate::dossier::Dossier;
use crate::printable::Shown;
use crate::scale::{self, Scaled};

use super::mark::Mark;

/// How far behind the best a cell may be to have each shade; farther is the last one. What decides is the limit of the gate, never a shade.
const SHADES: [f64; 4] = [0.05, 0.15, 0.30, 0.60];
// Tables of more nodes need the whole width.
const NARROW: usize = 3;

pub(super) struct Between {
    pub(super) maps: Vec<Map>,
    /// Runs between nodes that have no figure of a pair.
    pub(super) without: Vec<Shown>,
}

pub(super) struct Map {
    pub(super) heading: Shown,
    pub(super) context: Shown,
    pub(super) better: &'static str,
    pub(super) wide: bool,
    pub(super) nodes: Vec<Shown>,
    pub(super) rows: Vec<(Shown, Vec<Cell>)>,
    /// Pairs without a figure, and nodes without any.
    pub(super) note: Shown,
}

pub(super) struct Cell {
    /// `best` to `shade4`, `unmeasured`, `mirrored` or `self`.
    pub(super) class: &'static str,
    pub(super) value: Scaled,
    /// How far it is from the best one.
    pub(super) beside: String,
    pub(super) mark: Option<Mark>,
}

/// One figure of a pair.
struct Figure<'a> {
    from: &'a str,
    to: &'a str,
    /// What else tells it from others of its name.
    others: String,
    metric: &'a Metric,
    event: u64,
    run: &'a Run,
    step: &'a Step,
}

const DOUBTFUL: Mark = Mark { shape: "open", word: "doubtful" };

impl Between {
    pub(super) fn new(dossier: &Dossier<'_>) -> Self {
        let mut maps = Vec::new();
        let mut without = Vec::new();
        for run in dossier.runs {
            let mut groups: Vec<Vec<Figure<'_>>> = Vec::new();
            for figure in figures(run) {
                let same = |group: &&mut Vec<Figure<'_>>| {
                    let first = &group[0];
                    (&first.step.name, &first.metric.name, &first.others) == (&figure.step.name, &figure.metric.name, &figure.others)
                };
                match groups.iter_mut().find(same) {
                    Some(group) => group.push(figure),
                    None => groups.push(vec![figure]),
                }
            }
            let has_any = run.steps.iter().any(|step| !step.metrics.is_empty());
            if !run.nodes.is_empty() && !has_any {
                let why = match &run.ended {
                    Ended::Failed(why) => format!("it failed: {why}"),
                    Ended::Completed | Ended::Interrupted | Ended::Cancelled => "nothing was measured of any pair".to_owned(),
                };
                without.push(Shown::from(format!("Run {} between {} has no figure: {why}.", run.id, run.nodes.join(", "))));
            }
            maps.extend(groups.iter().map(|group| map(group, dossier)));
        }
        Self { maps, without }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.maps.is_empty() && self.without.is_empty()
    }
}

/// The figures of a run that are of a pair. One of a port or a switch is not: it has a picture of its own; nor is one of several of a pair, each of one end.
fn figures(run: &Run) -> impl Iterator<Item = Figure<'_>> {
    let all = run.steps.iter().flat_map(|step| step.metrics.iter().map(move |recorded| (step, recorded)));
    all.filter_map(move |(step, recorded)| {
        let metric = &recorded.fact;
        let (from, to) = (metric.dimensions.get(FROM)?, metric.dimensions.get(TO)?);
        let of_one_end = ["port", "chassis", "at"].iter().any(|name| metric.dimensions.contains_key(*name));
        let others: Vec<String> = metric
            .dimensions
            .iter()
            .filter(|(name, _)| ![FROM, TO].contains(&name.as_str()))
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        (!of_one_end).then(|| Figure { from, to, others: others.join(", "), metric, event: recorded.event, run, step })
    })
}

/// The table of figures of one name.
fn map(group: &[Figure<'_>], dossier: &Dossier<'_>) -> Map {
    let (metric, run, step) = (group[0].metric, group[0].run, group[0].step);
    let mut nodes: Vec<&str> = run.nodes.iter().map(String::as_str).collect();
    let mut found: Vec<&str> = group.iter().flat_map(|figure| [figure.from, figure.to]).filter(|name| !nodes.contains(name)).collect();
    found.sort_unstable();
    found.dedup();
    nodes.extend(found);
    let of = |from: &str, to: &str| group.iter().find(|figure| figure.from == from && figure.to == to);
    let values: Vec<f64> = group.iter().map(|figure| figure.metric.samples.median()).filter(|value| value.is_finite()).collect();
    let best = match metric.direction {
        Direction::HigherIsBetter => values.iter().copied().reduce(f64::max),
        Direction::LowerIsBetter => values.iter().copied().reduce(f64::min),
    };
    // One alone, or several that are the same, are compared with nothing.
    let best = best.filter(|best| values.iter().any(|value| value != best));
    let doubt = doubt(run, step);
    let is_round = is_round(&metric.name.0);
    let mut unmeasured = 0;
    let mut cell = |from: &str, to: &str| match of(from, to) {
        _ if from == to => blank("self", "–"),
        Some(figure) => measured(figure, best, doubt.is_some(), dossier),
        None if is_round && of(to, from).is_some() => blank("mirrored", &format!("as {} to {}", Shown::from(to), Shown::from(from))),
        None => {
            unmeasured += 1;
            blank("unmeasured", "not measured")
        }
    };
    let rows = nodes.iter().map(|from| (Shown::from(*from), nodes.iter().map(|to| cell(from, to)).collect())).collect();
    let silent: Vec<&str> = nodes.iter().copied().filter(|node| !group.iter().any(|figure| figure.from == *node || figure.to == *node)).collect();
    let mut notes: Vec<String> = doubt.iter().map(|why| format!("Doubtful: {why}.")).collect();
    if unmeasured > 0 {
        notes.push(format!("{unmeasured} of {} pairs not measured.", nodes.len() * nodes.len().saturating_sub(1)));
    }
    notes.extend(silent.iter().map(|node| format!("Of {node} there is no figure at all.")));
    let others = if group[0].others.is_empty() { String::new() } else { format!(", {}", group[0].others) };
    Map {
        heading: Shown::from(&metric.name.0),
        context: Shown::from(format!("step {} of run {}{others}", step.name, run.id)),
        better: match metric.direction {
            Direction::HigherIsBetter => "higher is better",
            Direction::LowerIsBetter => "lower is better",
        },
        wide: nodes.len() > NARROW,
        nodes: nodes.iter().map(|node| Shown::from(*node)).collect(),
        rows,
        note: Shown::from(notes.join(" ")),
    }
}

fn blank(class: &'static str, text: &str) -> Cell {
    Cell { class, value: Scaled { text: text.to_owned(), exact: String::new() }, beside: String::new(), mark: None }
}

fn measured(figure: &Figure<'_>, best: Option<f64>, is_doubtful: bool, dossier: &Dossier<'_>) -> Cell {
    let (metric, value) = (figure.metric, figure.metric.samples.median());
    if !value.is_finite() {
        return blank("unmeasured", "no number");
    }
    let shade = best.map(|best| behind(value, best));
    let beside = match best {
        None => String::new(),
        Some(best) if value == best => "best".to_owned(),
        Some(best) if best > 0.0 && value / best >= 3.0 => format!("×{:.1}", value / best),
        Some(best) if best != 0.0 => {
            let sign = if value > best { "+" } else { "\u{2212}" };
            format!("{sign}{}", scale::percent(((value - best) / best).abs()))
        }
        Some(_) => String::new(),
    };
    // A figure that is doubtful is not shown as good, whoever judges it.
    let mark = match judged(figure, dossier) {
        Some(rank) if rank >= Rank::Inconclusive => Some(Mark::of(rank)),
        Some(_) | None if is_doubtful => Some(DOUBTFUL),
        judged => judged.map(Mark::of),
    };
    Cell { class: shade.unwrap_or("alone"), value: scale::scaled(value, metric.unit), beside, mark }
}

/// The shade of a value: by how much it is worse than the best one.
fn behind(value: f64, best: f64) -> &'static str {
    if value == best {
        return "best";
    }
    let share = ((value - best) / best).abs();
    // Next to a best of zero everything is far behind.
    let place = SHADES.iter().position(|most| share <= *most).unwrap_or(SHADES.len());
    ["shade0", "shade1", "shade2", "shade3", "shade4"][place]
}

fn judged(figure: &Figure<'_>, dossier: &Dossier<'_>) -> Option<Rank> {
    let source = format!("run {}, step {}", figure.run.id, figure.step.name);
    let about = dossier.judgement.judged.iter().filter(|judged| judged.check.source == source && judged.check.evidence.contains(&figure.event));
    about.map(|judged| judged.check.verdict.rank()).max()
}

fn doubt(run: &Run, step: &Step) -> Option<String> {
    let unfinished = |what: &str, ended: &Ended| match ended {
        Ended::Completed => None,
        Ended::Interrupted => Some(format!("its {what} was interrupted")),
        Ended::Cancelled => Some(format!("its {what} was cancelled")),
        Ended::Failed(_) => Some(format!("its {what} failed")),
    };
    // What it was stands with the step, among the runs.
    let disturbed = (!step.conditions.is_empty()).then(|| "something disturbed its step".to_owned());
    unfinished("step", &step.ended).or_else(|| unfinished("run", &run.ended)).or(disturbed)
}
