//! Made-up nodes for the golden tests and for `cargo run -p assay-reports --example sample`: a healthy VM, a node of the reference cluster with
//! planted faults, an interrupted run, and nothing at all. Gates are judged here by the plain rule, so that reports are tested without the judge.

use std::collections::BTreeMap;

use assay_model::check::{Absence, Check};
use assay_model::gate::{Decision, Gate, Judged, Judgement, Requirement, Severity};
use assay_model::inventory::Inventory;
use assay_model::outcome::MetricRow;
use assay_model::parts::Parts;
use assay_model::phase::Phase;
use assay_model::run::{Acceptance, PlannedRun, Run};
use assay_model::site::Site;
use assay_model::verdict::{Rank, worst};
use assay_reports::dossier::Dossier;

#[path = "cluster.rs"]
pub(crate) mod cluster;
#[path = "machine.rs"]
pub(crate) mod machine;
#[path = "order.rs"]
pub(crate) mod order;
#[path = "work.rs"]
pub(crate) mod work;

/// Everything that a dossier borrows.
pub(crate) struct Specimen {
    pub(crate) judgement: Judgement,
    pub(crate) site: Site,
    pub(crate) runs: Vec<Run>,
    pub(crate) inventory: Option<Inventory>,
    pub(crate) acceptance: Option<Acceptance>,
}

impl Specimen {
    pub(crate) fn dossier(&self) -> Dossier<'_> {
        Dossier {
            judgement: &self.judgement,
            asked: format!("{} ({})", self.judgement.phase, self.judgement.phase.title()),
            site: &self.site,
            runs: &self.runs,
            inventory: self.inventory.as_ref(),
            inventory_note: if self.inventory.is_some() { "read live".into() } else { "no probe has looked".into() },
            acceptance: self.acceptance.as_ref(),
            report: Some("runs/20261123T020600Z-accept-7f3a/report.html".into()),
            generated_at: "2026-11-23T02:07:12.5Z".into(),
            tool: "assay 0.1.0 (97bed38)".into(),
            repeat_command: "assay accept --site sites/pve1 --phase 1".into(),
        }
    }
}

/// A check with the severity and title that a gate gives it.
pub(crate) struct Asked {
    pub(crate) check: Check,
    pub(crate) severity: Severity,
    pub(crate) title: &'static str,
    pub(crate) excused_by: Option<String>,
}

pub(crate) fn asked(severity: Severity, title: &'static str, check: Check) -> Asked {
    Asked { check, severity, title, excused_by: None }
}

/// The judgement of these checks: `gate` checks that are not excused hold unless they pass.
pub(crate) fn judgement(site: &Site, asked: Vec<Asked>, metrics: Vec<MetricRow>, ceilings: Vec<assay_model::ceiling::Ceiling>) -> Judgement {
    let mut judged: Vec<Judged> = asked
        .into_iter()
        .map(|asked| {
            let holds = asked.severity == Severity::Gate && asked.excused_by.is_none() && asked.check.verdict.rank() != Rank::Pass;
            Judged {
                check: asked.check,
                phase: Phase::FIRST,
                severity: asked.severity,
                title: asked.title.into(),
                excused_by: asked.excused_by,
                holds,
            }
        })
        .collect();
    judged.sort_by(|a, b| b.check.verdict.rank().cmp(&a.check.verdict.rank()).then_with(|| a.check.id.cmp(&b.check.id)));
    let line = |judged: &Judged| format!("{} of {}: {}", judged.check.id, judged.check.subject, judged.check.verdict.reason());
    let mut blocking: Vec<String> = judged.iter().filter(|judged| judged.holds).map(line).collect();
    let blocked = site.contradictions.iter().filter(|c| !c.is_resolved() && c.blocks.contains(&Phase::FIRST));
    blocking.extend(blocked.map(|c| format!("contradiction {} is unresolved: {}", c.id, c.statement)));
    let is_bad = |judged: &&Judged| judged.severity == Severity::Warn && matches!(judged.check.verdict.rank(), Rank::Fail | Rank::Inconclusive);
    let warnings: Vec<String> = judged.iter().filter(is_bad).map(line).collect();
    let deciding = judged.iter().filter(|judged| judged.severity == Severity::Gate && judged.excused_by.is_none());
    let verdict = worst(deciding.map(|judged| judged.check.verdict.rank()));
    let verdict = if blocking.is_empty() { verdict } else { verdict.max(Rank::Inconclusive) };
    Judgement {
        phase: Phase::FIRST,
        decision: if verdict == Rank::Pass { Decision::Admit { warnings } } else { Decision::Hold { blocking } },
        judged,
        verdict,
        metrics,
        ceilings,
        waivers: site.waivers.iter().take(1).cloned().collect(),
        contradictions: site.contradictions.clone(),
    }
}

pub(crate) fn site(name: &str) -> Site {
    Site {
        name: name.into(),
        origin: format!("sites/{name}"),
        digest: "5d41402abc4b2a76b9719d911017c592aa0b4cf2e2c1d7a8f0e6b1a2c3d4e5f6".into(),
        absence: Absence::Inconclusive,
        nodes: vec![],
        bom: None,
        contradictions: vec![],
        waivers: vec![],
        not_here: vec![],
        parts: Parts::default(),
        declared: assay_model::site::declared::Declared::default(),
        gates: vec![],
    }
}

pub(crate) fn gate(requires: Vec<Requirement>) -> Gate {
    Gate { schema: 1, phase: Phase::FIRST, title: "base OS and hardware identity".into(), max_age_hours: 24, scenarios: vec![], requires }
}

pub(crate) fn acceptance(site: &Site, runs: &[Run]) -> Acceptance {
    Acceptance {
        id: "20261123T020600Z-accept-7f3a".into(),
        site: site.digest.clone(),
        policy: "9b74c9897bac770ffc029102a200c5de71f1a7c0d5a6b3e4f8c2d1e0a9b8c7d6".into(),
        site_name: site.name.clone(),
        phase: Phase::FIRST,
        runs: runs.iter().map(|run| PlannedRun { scenario: run.scenario.clone(), run: run.id.clone() }).collect(),
    }
}

/// A general-purpose VM under the embedded site: everything passes, one warning.
pub(crate) fn admitted_vm() -> Specimen {
    let site = Site { absence: Absence::NotApplicable, origin: "embedded".into(), ..site("generic") };
    let inventory = machine::vm();
    let runs = vec![work::storage_quick(1.0), work::memory_triad(1, 19.2e9)];
    let (metrics, ceilings) = work::against_ceilings(&runs, &[("memory.triad.bandwidth", None)]);
    let mut checks = machine::generic_checks(&inventory);
    checks.extend(work::checks(&runs));
    let judgement = judgement(&site, checks, metrics, ceilings);
    Specimen { judgement, acceptance: Some(acceptance(&site, &runs)), site, runs, inventory: Some(inventory) }
}

/// A node of the reference cluster: a drive at half width, an unreadable module, new PCIe errors, a figure above its ceiling, an order that
/// contradicts itself, a waiver, and many checks that nothing has run.
pub(crate) fn held_node() -> Specimen {
    let site = order::pve1();
    let inventory = machine::pve1_node();
    let mut runs = vec![work::storage_quick(4.1), work::memory_triad(2, 371.4e9)];
    work::plant_errors(&mut runs[0]);
    let (metrics, ceilings) =
        work::against_ceilings(&runs, &[("memory.triad.bandwidth", Some(460.8e9)), ("storage.read_1m_qd8.bandwidth", Some(4.2e9))]);
    let mut checks = order::checks(&site, &inventory);
    checks.extend(work::checks(&runs));
    checks.extend(order::not_run());
    let judgement = judgement(&site, checks, metrics, ceilings);
    Specimen { judgement, acceptance: Some(acceptance(&site, &runs)), site, runs, inventory: Some(inventory) }
}

/// A run that was killed in its second step, on the VM.
pub(crate) fn interrupted() -> Specimen {
    let mut whole = admitted_vm();
    whole.runs.truncate(1);
    work::interrupt(&mut whole.runs[0]);
    let (metrics, ceilings) = work::against_ceilings(&whole.runs, &[]);
    let inventory = whole.inventory.take().expect("the VM has one");
    let mut checks = machine::generic_checks(&inventory);
    checks.extend(work::checks(&whole.runs));
    whole.judgement = judgement(&whole.site, checks, metrics, ceilings);
    whole.inventory = Some(inventory);
    whole
}

/// Nodes of the reference cluster measured against each other, with planted faults, and their ports made to fail.
pub(crate) fn nodes() -> Specimen {
    use assay_model::verdict::{Evidence, Verdict, Witnessed};
    let mut site = site("pve1");
    site.gates = vec![cluster::limits()];
    let runs = vec![cluster::pairs(), cluster::two(), cluster::nobody(), cluster::drill(), cluster::stalls()];
    let (metrics, _) = work::against_ceilings(&runs, &[]);
    let step = format!("run {}, step broken", runs[3].id);
    let judged = |id: &str, event: u64, verdict: Verdict| {
        let subject = format!("bond.failover.outage{{port={event}}}");
        let check = Check { evidence: vec![event], ..Check::new(id, subject, verdict, "at most 1000000000 ns", "1341000000 ns", step.clone()) };
        asked(Severity::Gate, "loss of a member costs at most 1 s", check)
    };
    let seen = |observed: &str| Evidence::try_from(vec![Witnessed { source: step.clone(), observed: observed.into() }]).expect("one");
    let mut checks = vec![
        judged("bond.failover", 60, Verdict::Pass(seen("92 ms"))),
        judged("bond.failover", 61, Verdict::Fail("the median 1341000000 is above 1000000000 ns".into())),
    ];
    checks.extend([asked(Severity::Warn, "the path carries 9000", {
        let source = format!("run {}, step tcp", runs[0].id);
        let subject = "net.tcp_8_streams.goodput{from=pve3,to=pve2}";
        let check = Check::new("bond.sum", subject, Verdict::Fail("below".into()), "at least 180000000000 bit/s", "21000000000 bit/s", source);
        Check { evidence: vec![35], ..check }
    })]);
    let judgement = judgement(&site, checks, metrics, vec![]);
    Specimen { judgement, acceptance: None, site, runs, inventory: Some(machine::pve1_node()) }
}

/// An inventory without a component, because no probe could look.
pub(crate) fn empty() -> Specimen {
    let site = site("generic");
    let judgement = judgement(&site, vec![], vec![], vec![]);
    Specimen { judgement, site, runs: vec![], inventory: Some(machine::nothing()), acceptance: None }
}

/// The reference node with names that attack the reader of the report.
pub(crate) fn hostile() -> Specimen {
    let mut specimen = held_node();
    let attack = "<script>alert(1)</script>\" onload='x' --></style>{{7*7}}\u{202e}gnp\u{1b}[31m";
    let inventory = specimen.inventory.as_mut().expect("the node has one");
    inventory.host = attack.into();
    for component in &mut inventory.components {
        component.locator.push_str(attack);
        for reading in component.attributes.values_mut() {
            if let assay_model::component::Reading::Value(assay_model::component::Value::Text(text)) = reading {
                text.push_str(attack);
            }
        }
    }
    for outcome in &mut inventory.probes {
        outcome.probe.push_str(attack);
    }
    for judged in &mut specimen.judgement.judged {
        judged.title = attack.into();
        let check = &mut judged.check;
        for text in [&mut check.id.0, &mut check.subject, &mut check.expected, &mut check.observed, &mut check.source] {
            text.push_str(attack);
        }
    }
    for contradiction in &mut specimen.judgement.contradictions {
        contradiction.statement = attack.into();
        contradiction.id = attack.into();
    }
    for run in &mut specimen.runs {
        run.id.push_str(attack);
        run.environment.facts = BTreeMap::from([(attack.to_owned(), attack.to_owned())]);
        for step in &mut run.steps {
            step.name.push_str(attack);
            step.notes = BTreeMap::from([(attack.to_owned(), attack.to_owned())]);
            for curve in &mut step.latencies {
                curve.name = attack.into();
            }
            for series in &mut step.series {
                series.name = attack.into();
            }
        }
    }
    for row in &mut specimen.judgement.metrics {
        row.name = attack.into();
    }
    let mut between = [cluster::pairs(), cluster::drill(), cluster::nobody(), cluster::stalls()];
    for run in &mut between {
        for name in run.nodes.iter_mut().chain([&mut run.id, &mut run.scenario]) {
            name.push_str(attack);
        }
        for step in &mut run.steps {
            step.name.push_str(attack);
            for metric in &mut step.metrics {
                metric.fact.name.0.push_str(attack);
                metric.fact.dimensions.iter_mut().for_each(|(name, value)| value.push_str(if name == "port" { "" } else { attack }));
            }
            for stall in &mut step.stalls {
                for name in stall.on.iter_mut().chain(stall.cluster.iter_mut().map(|state| &mut state.what)).chain(&mut stall.data.first) {
                    name.push_str(attack);
                }
                stall.fault.push_str(attack);
            }
            for outage in &mut step.outages {
                for name in [&mut outage.fault, &mut outage.node, &mut outage.port] {
                    name.push_str(attack);
                }
                for way in &mut outage.ways {
                    way.from.insert_str(0, attack);
                    way.to.insert_str(0, attack);
                }
            }
        }
    }
    specimen.runs.extend(between);
    specimen.site.gates.push(cluster::limits());
    specimen.site.name = attack.into();
    specimen
}
