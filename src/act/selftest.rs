//! `assay selftest`: the confusion matrix of the checks over the fault corpus.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use assay_model::selftest::{Bounds, Confusion, Level, Outcome, Power};
use assay_probes::{nodes, selftest};
use assay_reports::printable::Shown;
use assay_scenarios::power;

use super::DONE;
use crate::cli::{Format, Selftest};
use crate::context::{Context, SNAPSHOT_HEAD, Usage};
use crate::{output, present};

/// Runs it, or writes a reference node.
pub(crate) fn selftest(context: &Context, options: &Selftest) -> Result<u8> {
    if let Some([node, file]) = options.write_node.as_deref() {
        return write_node(node, Path::new(file));
    }
    if options.measure {
        return measure(context, options.trials);
    }
    if let Some(phase) = options.phase.filter(|phase| !selftest::PHASES.contains(phase)) {
        return Err(Usage(format!("phase {phase} is not tested; the phases 1, 2, 4 and 5 are")).into());
    }
    let is_wanted = |id: &str| options.case.as_ref().is_none_or(|part| id.contains(part.as_str()));
    let answered = selftest::answer(&is_wanted).context("the corpus of this binary is broken")?;
    if let Some(part) = options.case.as_ref().filter(|_| answered.is_empty()) {
        return Err(Usage(format!("no case of the corpus has `{part}` in its id")).into());
    }
    let mut confusion = answered.confusion(None, options.phase);
    if options.case.is_some() {
        // Of a part of the corpus nothing can be said about what is missing in it.
        confusion.uncovered.clear();
    }
    match context.format {
        Format::Json => present::print_json(&confusion)?,
        Format::Text => present::print(&text(&confusion, context.verbose)?)?,
    }
    Ok(confusion.exit_code())
}

/// The power of detection.
fn measure(context: &Context, trials: u32) -> Result<u8> {
    let mut shown = 0.0;
    let mut told = |share: f64| {
        if share - shown >= 0.1 {
            shown = share;
            present::progress(&format!("selftest: {:.0} % of the trials are done", share * 100.0));
        }
    };
    let power = power::measure(trials, &mut told).map_err(|why| anyhow::anyhow!(why))?;
    match context.format {
        Format::Json => present::print_json(&power)?,
        Format::Text => present::print(&measured(&power)?)?,
    }
    Ok(u8::from(!power.wrong.is_empty()))
}

fn measured(power: &Power) -> Result<String> {
    let mut out = String::new();
    writeln!(
        out,
        "{:<10} {:>6} {:>7} {:>9} {:>9} {:>14} {:>7}  acceptance (exact binomial, 95 %)",
        "noise", "truth", "trials", "accepted", "rejected", "stopped early", "rounds"
    )?;
    for level in &power.levels {
        let Level { noise, truth, trials, accepted, rejected, stopped_early, rounds, acceptance } = level;
        let (low, high) = (acceptance.low * 100.0, acceptance.high * 100.0);
        let truth = truth * 100.0;
        writeln!(out, "{noise:<10} {truth:>4.0} % {trials:>7} {accepted:>9} {rejected:>9} {stopped_early:>14} {rounds:>7.1}  {low:.1}-{high:.1} %")?;
    }
    writeln!(out, "\n{:<30} {:>7} {:>7} {:>13}", "fault", "planted", "found", "false alarms")?;
    for fault in &power.faults {
        writeln!(out, "{:<30} {:>7} {:>7} {:>13}", fault.fault, fault.planted, fault.found, fault.false_alarms)?;
    }
    for wrong in &power.wrong {
        writeln!(out, "\nwrong: {wrong}")?;
    }
    Ok(out)
}

fn write_node(name: &str, file: &Path) -> Result<u8> {
    let nodes = nodes().context("the reference nodes of this binary are broken")?;
    let names = nodes.keys().cloned().collect::<Vec<_>>().join(", ");
    let node = nodes.get(name).with_context(|| Usage(format!("there is no reference node `{name}`; there are {names}")))?;
    output::write_whole(file, SNAPSHOT_HEAD, &node.text(jiff::Timestamp::now()))?;
    Ok(DONE)
}

fn text(confusion: &Confusion, is_verbose: bool) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "{:<5} {:<34} {:>7} {:>7} {:>9} {:>7} {:>12}", "phase", "check", "planted", "caught", "by others", "missed", "false alarms")?;
    for row in &confusion.rows {
        let (planted, caught, others, missed, alarms) = (row.planted, row.caught, row.caught_by_another, row.missed, row.false_alarms);
        writeln!(out, "{:<5} {:<34} {planted:>7} {caught:>7} {others:>9} {missed:>7} {alarms:>12}", row.phase, row.check)?;
    }
    for planted in &confusion.not_caught {
        let how = match planted.outcome {
            Outcome::Caught => continue,
            Outcome::CaughtByAnother => "caught by another check",
            Outcome::Missed => "missed",
        };
        writeln!(out, "\n{how}: {}\n  expected {} of {}\n  seen     {}", planted.id, planted.expected, planted.check, Shown::from(&planted.seen))?;
    }
    for alarm in &confusion.alarms {
        writeln!(out, "\nfalse alarm: {}", alarm.id)?;
        let shown = if is_verbose { alarm.answers.len() } else { 5 };
        for answer in alarm.answers.iter().take(shown) {
            writeln!(out, "  {} {} is {}: {}", answer.check, Shown::from(&answer.subject), answer.rank.name(), Shown::from(&answer.why))?;
        }
        if alarm.answers.len() > shown {
            writeln!(out, "  and {} more; -v shows all", alarm.answers.len() - shown)?;
        }
    }
    if !confusion.uncovered.is_empty() {
        writeln!(out, "\nno fault is planted for: {}", confusion.uncovered.join(", "))?;
    }
    let rate = |bounds: &Bounds| format!("{:.1}-{:.1} %", bounds.low * 100.0, bounds.high * 100.0);
    writeln!(
        out,
        "\nplanted      {} faults: {} caught by the right check, {} by another, {} missed; detection {} (exact binomial, 95 %)",
        confusion.planted,
        confusion.caught,
        confusion.caught_by_another,
        confusion.missed,
        rate(&confusion.detection)
    )?;
    writeln!(
        out,
        "healthy      {} nodes and variations: {} false alarms; rate {}",
        confusion.healthy,
        confusion.false_alarms,
        rate(&confusion.false_alarm_rate)
    )?;
    Ok(out)
}
