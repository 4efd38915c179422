//! What was tried and what came, in words for the report: from where, what, who answered, and whether he may.

use assay_bench::net::isolation::{Answer, GuestFindings, HostFindings, IsolationPlan, Vantage};
use assay_model::site::declared::GuestVlan;

use super::judge::{allowing, host};
use super::{Found, coverage};

/// Lines of one kind that are written out.
const SHOWN: usize = 12;

/// Name and text of each note.
pub(super) fn notes(found: &Found) -> Vec<(String, String)> {
    let plan = &found.trial.plan;
    let mut notes: Vec<(String, String)> = plan.guests.iter().flat_map(|guest| of_vlan(found, plan, guest)).collect();
    for (at, witness) in found.findings.hosts.iter().enumerate() {
        notes.push((format!("witness {}", at + 1), witnessed(plan, witness)));
    }
    for failed in &found.failed {
        notes.push((format!("VLAN {}, could not be taken: {}", failed.vantage.vlan, place(&failed.vantage)), failed.why.clone()));
    }
    notes
}

fn of_vlan(found: &Found, plan: &IsolationPlan, guest: &GuestVlan) -> Vec<(String, String)> {
    let own: Vec<&GuestFindings> = found.findings.guests.iter().filter(|found| found.vantage.vlan == guest.vlan).collect();
    if own.is_empty() {
        return vec![(format!("VLAN {}", guest.vlan), "nobody probed from it".to_owned())];
    }
    let about = |found: &GuestFindings| {
        let name = |what: &str| format!("VLAN {} from {}, {what}", guest.vlan, place(&found.vantage));
        let untried = coverage::untried(plan, guest, found).map(|missing| (name("not tried"), missing));
        let unsearched = coverage::unsearched(plan, guest, found).map(|missing| (name("not searched"), missing));
        let controls = found.controls.iter().map(|one| format!("{} of {}: {} before, {} after", one.service, one.address, one.before, one.after));
        let heard = found.heard.iter().map(|heard| format!("{}: {} ({}x)", heard.sign, heard.frame, heard.count));
        let offered = found.offered.iter().map(|offered| format!("{} of {}", offered.service, offered.address));
        let all = [
            ("tried", coverage::tried(found)),
            ("controls", shown(controls, "the VLAN has no gateway to answer")),
            ("answers", shown(found.answers.iter().map(|answer| decided(plan, guest.vlan, answer)), "no host answered")),
            ("services offered on the VLAN", shown(offered, "none that must not be")),
            ("heard", shown(heard, &format!("nothing that does not belong there, of {} stations", found.stations.len()))),
        ];
        all.into_iter().map(|(what, text)| (name(what), text)).chain(untried).chain(unsearched).collect::<Vec<_>>()
    };
    own.into_iter().flat_map(about).collect()
}

fn decided(plan: &IsolationPlan, vlan: u16, answer: &Answer) -> String {
    let decision = match allowing(plan, vlan, answer.target, &answer.technique) {
        Some(flow) => format!("allowed: {}", flow.why),
        None => "not allowed".to_owned(),
    };
    format!("{} ({}) to {}: {}, {}x: {decision}", answer.target, host(plan, answer.target), answer.technique, answer.what, answer.count)
}

fn witnessed(plan: &IsolationPlan, found: &HostFindings) -> String {
    let dead = plan.targets.iter().filter(|target| !found.alive.contains_key(&target.address)).map(|target| target.address.to_string());
    let got_in = found.strayed.iter().map(|strayed| format!("{} ({}x)", strayed.frame, strayed.count));
    format!(
        "{}: {} sets of beacons; {} of {} addresses answered on the hosts' side{}; probes that got in: {}",
        place(&found.vantage),
        found.beacons,
        found.alive.len(),
        plan.targets.len(),
        match shown(dead, "") {
            silent if silent.is_empty() => String::new(),
            silent => format!(", not {silent}"),
        },
        shown(got_in, "none")
    )
}

fn place(vantage: &Vantage) -> String {
    match &vantage.netns {
        Some(netns) => format!("{netns}:{}", vantage.interface),
        None => vantage.interface.clone(),
    }
}

fn shown(lines: impl Iterator<Item = String>, none: &str) -> String {
    let lines: Vec<String> = lines.collect();
    let more = lines.len().saturating_sub(SHOWN);
    match (lines.is_empty(), more) {
        (true, _) => none.to_owned(),
        (false, 0) => lines.join("; "),
        (false, more) => format!("{}; and {more} more", lines[..SHOWN].join("; ")),
    }
}
