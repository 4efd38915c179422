//! `assay compare`: what differs between two snapshots, and which checks answer differently for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use assay_model::attr::Attr;
use assay_model::check::Check;
use assay_model::drift::{self, Change, Consequence, Drift, Moves, Relation, Side, VerdictChange};
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::unit::Unit;
use assay_model::verdict::Rank;
use assay_probes::check;
use assay_reports::printable::Shown;
use assay_reports::scale;

use super::DONE;
use crate::cli::{Compare, Format};
use crate::context::{Context, comparable, recorded};
use crate::present;

/// Something differs that nobody expected.
const DIFFERENT: u8 = 1;
/// Nothing is known to differ, and something cannot be read.
const UNCLEAR: u8 = 3;

/// Compares two snapshots.
pub(crate) fn compare(context: &Context, options: &Compare) -> Result<u8> {
    let site = context.site()?;
    let (a, b) = (recorded(&options.a)?, recorded(&options.b)?);
    comparable(&a, &options.a.display().to_string(), &b, &options.b.display().to_string())?;
    let (a, b) = (context.inventory(&a), context.inventory(&b));
    let relation = if options.peers { Relation::Peers } else { Relation::of(&a, &b) };
    let mut drift = drift::between(&a, &b, relation);
    drift.verdicts = verdicts(&a, &b, &site, &Moves::between(&a, &b, relation));
    if !options.all {
        drift.changes.retain(|change| change.consequence != Consequence::Volatile);
    }
    match context.format {
        Format::Json => present::print_json(&drift)?,
        Format::Text => present::print(&text(&drift)?)?,
    }
    Ok(status(&drift, &options.allow))
}

fn status(drift: &Drift, allow: &[String]) -> u8 {
    let is_expected =
        |change: &&Change| change.consequence == Consequence::Volatile || allow.iter().any(|allowed| allowed == change.consequence.name());
    let unexpected: Vec<&Change> = drift.changes.iter().filter(|change| !is_expected(change)).collect();
    let is_worse = |rank| drift.verdicts.iter().any(|change| change.is_worse() && change.after == Some(rank));
    if is_worse(Rank::Fail) || unexpected.iter().any(|change| is_known(change)) {
        DIFFERENT
    } else if is_worse(Rank::Inconclusive) || !unexpected.is_empty() {
        UNCLEAR
    } else {
        DONE
    }
}

/// Whether a change is a difference, and not only something that could not be read.
fn is_known(change: &Change) -> bool {
    match change.consequence {
        Consequence::Unreadable | Consequence::Unknown => false,
        Consequence::Duplicate
        | Consequence::Lost
        | Consequence::Degraded
        | Consequence::Errors
        | Consequence::Reset
        | Consequence::Replaced
        | Consequence::Moved
        | Consequence::Appeared
        | Consequence::Firmware
        | Consequence::Topology
        | Consequence::Setting
        | Consequence::Volatile => true,
    }
}

/// Checks that answer differently, those that got worse first. What moved is known by its new place.
fn verdicts(a: &Inventory, b: &Inventory, site: &Site, moves: &Moves) -> Vec<VerdictChange> {
    let before = answers(a, site, |subject| moves.rename(subject));
    let after = answers(b, site, str::to_owned);
    let mut changes: Vec<VerdictChange> = before
        .keys()
        .chain(after.keys().filter(|key| !before.contains_key(*key)))
        .filter_map(|key| {
            let (old, new) = (before.get(key), after.get(key));
            let rank = |check: Option<&Check>| check.map(|check| check.verdict.rank());
            let why = new.filter(|new| new.verdict.rank() != Rank::Pass).or(old).map(|check| check.verdict.reason()).unwrap_or_default();
            let change = VerdictChange { id: key.0.clone(), subject: key.1.clone(), before: rank(old), after: rank(new), why };
            (change.before != change.after).then_some(change)
        })
        .collect();
    changes.sort_by_key(|change| !change.is_worse());
    changes
}

/// The answers by check and subject; of two answers to one question the worse one.
fn answers(inventory: &Inventory, site: &Site, place: impl Fn(&str) -> String) -> BTreeMap<(String, String), Check> {
    let mut answers: BTreeMap<(String, String), Check> = BTreeMap::new();
    for check in check::inventory(inventory, site) {
        let key = (check.id.to_string(), place(&check.subject));
        if answers.get(&key).is_none_or(|kept| kept.verdict.rank() < check.verdict.rank()) {
            answers.insert(key, check);
        }
    }
    answers
}

/// From what to what, scaled for people where they can still tell the two apart.
fn step(change: &Change) -> String {
    if change.before == change.after {
        return Shown::from(&change.before).to_string();
    }
    let unit = change.attr.map_or(Unit::None, Attr::unit);
    let scaled = |text: &str| {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && unit != Unit::None);
        number.map_or_else(|| Shown::from(text).to_string(), |number| scale::scaled_bytes(number, unit, scale::Bytes::of(change.kind)).text)
    };
    let (before, after) = (scaled(&change.before), scaled(&change.after));
    let said = if before == after {
        format!("{} -> {} {}", Shown::from(&change.before), Shown::from(&change.after), unit.symbol())
    } else {
        format!("{before} -> {after}")
    };
    said.replace(scale::NARROW_SPACE, " ")
}

fn text(drift: &Drift) -> Result<String> {
    let mut out = String::new();
    let relation = match drift.relation {
        Relation::SameNode => "one node at two times",
        Relation::Peers => "two nodes that should be alike",
    };
    for (name, side) in [("a", &drift.a), ("b", &drift.b)] {
        writeln!(out, "{name}: {}, {}, boot {}", Shown::from(&side.host), Shown::from(&side.taken_at), Shown::from(&side.boot_id))?;
    }
    writeln!(out, "{relation}")?;
    let time = |side: &Side| side.taken_at.parse::<jiff::Timestamp>().ok();
    if drift.relation == Relation::SameNode && time(&drift.a).zip(time(&drift.b)).is_some_and(|(a, b)| b < a) {
        writeln!(out, "b is the earlier of the two: what is better here was better then")?;
    }
    for consequence in Consequence::ALL {
        let changes: Vec<&Change> = drift.changes.iter().filter(|change| change.consequence == *consequence).collect();
        if !changes.is_empty() {
            writeln!(out, "\n{consequence} ({})", changes.len())?;
        }
        for change in changes {
            let attr = change.attr.map(|attr| format!(" {attr}")).unwrap_or_default();
            let subject = format!("{} {}{attr}", change.kind, Shown::from(&change.locator));
            writeln!(out, "  {subject:<44} {}", step(change))?;
        }
    }
    if !drift.verdicts.is_empty() {
        writeln!(out, "\nchecks that answer differently ({})", drift.verdicts.len())?;
    }
    for change in &drift.verdicts {
        let said = |rank: Option<Rank>| rank.map_or("not asked", Rank::name);
        let subject = format!("{} {}", change.id, Shown::from(&change.subject));
        writeln!(out, "  {subject:<44} {} -> {}  {}", said(change.before), said(change.after), Shown::from(&change.why))?;
    }
    if drift.changes.is_empty() && drift.verdicts.is_empty() {
        writeln!(out, "\nno difference of consequence")?;
    }
    Ok(out)
}
