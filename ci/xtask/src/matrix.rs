//! The confusion matrix of `assay selftest` as documents: the table of README.md and docs/confusion-matrix.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use assay_model::selftest::{Bounds, Confusion, Row};

/// What every release says first: by phase, and all together.
pub(crate) fn summary(confusion: &Confusion) -> Result<String> {
    let mut table = String::from(
        "| phase | faults planted | caught by the right check | by another | missed | false alarms |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    let mut phases: BTreeMap<u8, Vec<&Row>> = BTreeMap::new();
    confusion.rows.iter().for_each(|row| phases.entry(row.phase).or_default().push(row));
    for (phase, rows) in &phases {
        let sum = |count: fn(&Row) -> u64| rows.iter().map(|row| count(row)).sum::<u64>();
        let (planted, caught, others, missed, alarms) =
            (sum(|row| row.planted), sum(|row| row.caught), sum(|row| row.caught_by_another), sum(|row| row.missed), sum(|row| row.false_alarms));
        writeln!(table, "| {phase} | {planted} | {caught} | {others} | {missed} | {alarms} |")?;
    }
    writeln!(table, "\n{}", sentence(confusion))?;
    Ok(table)
}

fn sentence(confusion: &Confusion) -> String {
    format!(
        "{} planted faults, {} caught by the check that must: detection {}. {} healthy nodes and variations, {} accused: false alarms {}. Exact binomial 95 % bounds.",
        confusion.planted,
        confusion.caught,
        percent(&confusion.detection),
        confusion.healthy,
        confusion.false_alarms,
        percent(&confusion.false_alarm_rate)
    )
}

fn percent(bounds: &Bounds) -> String {
    format!("{:.1} % to {:.1} %", bounds.low * 100.0, bounds.high * 100.0)
}

/// The whole matrix.
pub(crate) fn page(confusion: &Confusion) -> Result<String> {
    let mut page = format!(
        "# The confusion matrix\n\n\
         How often the checks are wrong: `assay selftest` plants every fault of `probes/corpus` in a healthy reference node (`probes/fixtures`), one at a time, and asks every check; it\n\
         does the same with variations that are healthy. What must answer, and how, stands in the corpus and was written from the specification of the source, not from the check.\n\
         This page is written by `cargo xtask docs` from the answer of `assay selftest --format json` and says nothing that you cannot run yourself, offline, in seconds.\n\n\
         {}\n\n\
         The bounds say what this many cases can prove, and hold for faults like those planted. They do not speak of faults that nobody thought of, and every node here is a\n\
         snapshot: what a driver does on real hardware stands in the README's table of what was verified on what.\n\n\
         *Caught*: the check that must answer accused, in the way expected (`fail`, or `inconclusive` where nothing can be known), and had not accused the unchanged node.\n\
         *By another*: only other checks accused. *Missed*: nobody did. *False alarm*: a check accused a healthy node or variation.\n\n\
         | phase | check | planted | caught | by another | missed | false alarms | detection, 95 % |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
        sentence(confusion)
    );
    for row in &confusion.rows {
        let (planted, caught, others, missed, alarms) = (row.planted, row.caught, row.caught_by_another, row.missed, row.false_alarms);
        let bounds = if planted == 0 { "-".into() } else { percent(&row.detection) };
        writeln!(page, "| {} | `{}` | {planted} | {caught} | {others} | {missed} | {alarms} | {bounds} |", row.phase, row.check)?;
    }
    list(&mut page, "Not caught by the right check", confusion.not_caught.iter().map(|planted| format!("`{}` of `{}`", planted.id, planted.check)))?;
    list(&mut page, "False alarms", confusion.alarms.iter().map(|alarm| format!("`{}`", alarm.id)))?;
    list(&mut page, "Decide a gate and have no fault planted", confusion.uncovered.iter().map(|check| format!("`{check}`")))?;
    Ok(page)
}

fn list(page: &mut String, title: &str, entries: impl Iterator<Item = String>) -> Result<()> {
    let entries: Vec<String> = entries.collect();
    let words = if entries.is_empty() { "none".to_owned() } else { entries.join(", ") };
    Ok(writeln!(page, "\n{title}: {words}.")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_summed_and_everything_wrong_is_named() {
        let row = |check: &str| Row { planted: 3, caught: 2, missed: 1, ..Row::of(1, check.into()) };
        let confusion =
            Confusion { planted: 6, caught: 4, missed: 2, rows: vec![row("a.b"), row("c.d")], uncovered: vec!["e.f".into()], ..Confusion::default() };
        assert!(summary(&confusion).expect("a table").contains("| 1 | 6 | 4 | 0 | 2 | 0 |"));
        let page = page(&confusion).expect("a page");
        assert!(
            page.contains("| 1 | `c.d` | 3 | 2 | 0 | 1 | 0 |") && page.contains("no fault planted: `e.f`.") && page.contains("False alarms: none.")
        );
    }
}
