//! The report for a terminal: verdict, gate and warnings in the first three lines, then what is wrong, and three lines at the end that say it again.

use std::fmt::Write;

use assay_model::contradiction::Contradiction;
use assay_model::gate::Decision;
use assay_model::outcome::MetricRow;
use assay_model::verdict::Rank;

use crate::dossier::{Dossier, Tally};
use crate::grouped::{Finding, findings, listed};
use crate::printable::Shown;
use crate::scale;

/// The report as text, without colour and without control characters. It ends with exactly three lines: verdict, worst check, path of the report.
pub fn text(dossier: &Dossier<'_>) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write(&mut out, dossier);
    // Typography that not every terminal has.
    out.replace([scale::NARROW_SPACE, '\u{a0}'], " ")
}

fn write(out: &mut String, dossier: &Dossier<'_>) -> std::fmt::Result {
    let judgement = dossier.judgement;
    let warnings = dossier.warnings();
    writeln!(out, "verdict   {} (exit status {})", judgement.verdict, judgement.exit_code())?;
    writeln!(out, "gate      {} is {}{}", Shown::from(&dossier.asked), dossier.gate_word(), held_by(dossier))?;
    writeln!(out, "warnings  {}", if warnings.is_empty() { "none".to_owned() } else { format!("{}: {}", warnings.len(), warning_line(&warnings)) })?;
    let tally = Tally::of(judgement.judged.iter().map(|judged| judged.check.verdict.rank()));
    let (host, site) = (dossier.host(), Shown::from(&dossier.site.name));
    writeln!(
        out,
        "checks    {} of {host} by site {site}: {} failed, {} inconclusive, {} passed, {} not applicable",
        tally.total(),
        tally.fail,
        tally.inconclusive,
        tally.pass,
        tally.not_applicable
    )?;

    let found = findings(judgement.judged.iter());
    checks(out, "FAILED", found.iter().filter(|finding| finding.rank == Rank::Fail))?;
    let untold = |finding: &&Finding| finding.rank == Rank::Inconclusive;
    checks(out, "INCONCLUSIVE", found.iter().filter(untold).filter(|finding| finding.reason != Some("not_run")))?;
    let not_run: Vec<Shown> =
        found.iter().filter(untold).filter(|finding| finding.reason == Some("not_run")).map(|finding| finding.id.clone()).collect();
    if !not_run.is_empty() {
        writeln!(out, "\nNOT RUN ({})", not_run.len())?;
        wrapped(out, &not_run)?;
    }
    besides(out, dossier)?;
    contradictions(out, &judgement.contradictions)?;
    for waiver in &judgement.waivers {
        writeln!(
            out,
            "\nWAIVED  {} by {} until {}: {}",
            Shown::from(waiver.check.as_str()),
            Shown::from(&waiver.owner),
            waiver.expires,
            Shown::from(&waiver.reason)
        )?;
    }
    metrics(out, &judgement.metrics)?;

    writeln!(out, "\nverdict: {}", dossier.verdict_line())?;
    writeln!(out, "worst:   {}", dossier.worst_line())?;
    writeln!(out, "report:  {}", dossier.report.as_deref().map_or_else(|| Shown::new("none was written"), Shown::new))
}

fn held_by(dossier: &Dossier<'_>) -> String {
    match (&dossier.judgement.decision, dossier.holding()) {
        (Decision::Admit { .. }, _) => String::new(),
        (Decision::Hold { .. }, 0) => ", and its judgement names no reason".into(),
        (Decision::Hold { .. }, 1) => " by 1 finding".into(),
        (Decision::Hold { .. }, findings) => format!(" by {findings} findings"),
    }
}

fn warning_line(warnings: &[Shown]) -> String {
    let shown = warnings.iter().take(3).map(Shown::as_str).collect::<Vec<_>>().join("; ");
    if warnings.len() > 3 { format!("{shown}; and {} more", warnings.len() - 3) } else { shown }
}

fn checks<'a>(out: &mut String, heading: &str, found: impl Iterator<Item = &'a Finding>) -> std::fmt::Result {
    let found: Vec<&Finding> = found.collect();
    if found.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{heading} ({})", found.len())?;
    for finding in found {
        writeln!(out, "  {} [{}]  {}", finding.id, finding.severity.name(), finding.subject_line())?;
        writeln!(out, "      expected  {}", finding.expected.text)?;
        writeln!(out, "      observed  {}", finding.observed.text)?;
        if !finding.why.is_empty() {
            let more = if finding.other_reasons > 0 { format!(" (and {} other reasons)", finding.other_reasons) } else { String::new() };
            writeln!(out, "      because   {}{more}", finding.why)?;
        }
        if let Some(by) = &finding.excused_by {
            writeln!(out, "      excused   {by}")?;
        }
        if !finding.source.is_empty() {
            writeln!(out, "      source    {}", finding.source)?;
        }
    }
    Ok(())
}

fn wrapped(out: &mut String, names: &[Shown]) -> std::fmt::Result {
    let mut line = String::from(" ");
    for name in names {
        if line.chars().count() + name.as_str().chars().count() > 100 {
            writeln!(out, "{line}")?;
            line = String::from(" ");
        }
        line.push(' ');
        line.push_str(name.as_str());
    }
    writeln!(out, "{line}")
}

// What holds the gate and is no check of it: a gate of an earlier phase, for example.
fn besides(out: &mut String, dossier: &Dossier<'_>) -> std::fmt::Result {
    let other = dossier.held_besides_checks();
    if !other.is_empty() {
        writeln!(out, "\nALSO HOLDS THE GATE ({})", other.len())?;
    }
    for line in other {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn contradictions(out: &mut String, all: &[Contradiction]) -> std::fmt::Result {
    let open: Vec<&Contradiction> = all.iter().filter(|c| !c.is_resolved()).collect();
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nCONTRADICTIONS IN THE ORDER ({} unresolved, {} resolved)", open.len(), all.len() - open.len())?;
    for c in open {
        let phases = c.blocks.iter().map(ToString::to_string);
        let blocked: Vec<Shown> = phases.chain(c.checks.iter().map(ToString::to_string)).map(Shown::from).collect();
        let blocks = if blocked.is_empty() { "blocks nothing".to_owned() } else { format!("blocks {}", listed(&blocked, 12)) };
        writeln!(out, "  {}  {} ({blocks})", Shown::from(&c.id), Shown::from(&c.statement))?;
        writeln!(out, "        {}", Shown::from(&c.why))?;
    }
    Ok(())
}

fn metrics(out: &mut String, rows: &[MetricRow]) -> std::fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).min(60);
    writeln!(out, "\nFIGURES ({})", rows.len())?;
    for row in rows {
        let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| scale::scaled(value, row.unit).text);
        let value = row.value.map_or_else(|| "not measured".to_owned(), |value| scale::scaled(value, row.unit).text);
        let ceiling = match (row.ceiling, row.efficiency) {
            (Some(_), Some(share)) => format!("{} of the ceiling {}", scale::percent(share), figure(row.ceiling)),
            (Some(_), None) => format!("ceiling {}", figure(row.ceiling)),
            (None, _) => "no ceiling known".to_owned(),
        };
        let interval = if row.low.is_some() || row.high.is_some() { format!("{} to {}", figure(row.low), figure(row.high)) } else { String::new() };
        writeln!(out, "  {:width$}  {value:>14}  {interval:>30}  {ceiling}", Shown::from(&row.name))?;
    }
    Ok(())
}
