use super::*;
use crate::check::EventSeq;
use crate::component::{Component, Reading};
use crate::contradiction::ContradictionKind;
use crate::inventory::{ProbeEnded, ProbeOutcome};
use crate::limit::{Basis, Bound, Limit};
use crate::metric::{Direction, Metric, Samples};
use crate::run::{Condition, CounterDelta, Ended, Environment, RUN_SCHEMA, Recorded, Step, Verification};
use crate::site::NotHere;
use crate::unit::Unit;
use crate::verdict::Evidence;

mod admission;
mod blocked;
mod drives;
mod fresh;
mod pairs;
mod properties;
mod runs;

/// Everything that a case borrows. As built it is a healthy node of a site with an order, and admits.
struct Fixture {
    site: Site,
    gate: Gate,
    runs: Vec<Run>,
    inventory: Option<Inventory>,
    checks: Vec<Check>,
    run_checks: BTreeMap<String, Vec<Check>>,
    earlier: Vec<(Phase, Decision)>,
    now: jiff::Timestamp,
}

/// One way to spoil the healthy case.
type Spoil = fn(&mut Fixture);

const LINK: &str = "nvme.link_width";
const WARNED: &str = "nvme.firmware";
const NOTED: &str = "os.kernel";
const TRIAD: &str = "memory.triad_bandwidth";
const PROMISED: &str = "corosync.links_up";

impl Fixture {
    fn healthy() -> Self {
        // Its node has no neighbours that it could measure with, and no cluster.
        let of_node = RUN_CHECKS.iter().filter(|id| !id.starts_with("net.") && !id.starts_with("ceph."));
        let mut requires: Vec<Requirement> = of_node.map(|id| requirement(id, Severity::Gate)).collect();
        requires.extend([requirement(LINK, Severity::Gate), requirement(WARNED, Severity::Warn), requirement(NOTED, Severity::Info)]);
        let limit = Limit {
            metric: "memory.triad.bandwidth".into(),
            bound: Bound::Efficiency(0.7),
            basis: Basis::Policy("test".into()),
            scenarios: Vec::new(),
        };
        requires.push(Requirement { limit: Some(limit), ..requirement(TRIAD, Severity::Gate) });
        let gate = Gate {
            schema: GATE_SCHEMA,
            phase: Phase::FIRST,
            title: "one".into(),
            max_age_hours: 24,
            scenarios: vec!["storage-quick".into(), "memory-triad".into()],
            requires,
        };
        Self {
            site: Site {
                name: "site".into(),
                origin: "sites/site".into(),
                digest: "d".into(),
                absence: Absence::Inconclusive,
                nodes: Vec::new(),
                bom: None,
                contradictions: Vec::new(),
                waivers: Vec::new(),
                not_here: Vec::new(),
                parts: Default::default(),
                declared: crate::site::declared::Declared::default(),
                gates: vec![gate.clone()],
            },
            gate,
            runs: vec![storage(), triad()],
            inventory: Some(inventory()),
            run_checks: BTreeMap::new(),
            checks: vec![passed(LINK, "0000:41:00.0"), passed(WARNED, "0000:41:00.0"), passed(NOTED, "os"), passed("dimm.quantity", "dimm")],
            earlier: Vec::new(),
            now: time("2026-11-20T12:00:00Z"),
        }
    }

    fn spoilt(spoil: Spoil) -> Self {
        let mut fixture = Self::healthy();
        spoil(&mut fixture);
        fixture
    }

    fn judge(&self) -> Judgement {
        let implemented = [LINK, WARNED, NOTED, TRIAD].map(str::to_owned).into();
        judge(&Case {
            site: &self.site,
            gate: &self.gate,
            runs: &self.runs,
            inventory: self.inventory.as_ref(),
            inventory_checks: &self.checks,
            run_checks: &self.run_checks,
            implemented: &implemented,
            earlier: &self.earlier,
            now: self.now,
        })
    }

    fn check(&mut self, id: &str) -> &mut Check {
        self.checks.iter_mut().find(|check| check.id.as_str() == id).unwrap_or_else(|| panic!("a check {id}"))
    }

    fn run(&mut self, scenario: &str) -> &mut Run {
        self.runs.iter_mut().find(|run| run.scenario == scenario).unwrap_or_else(|| panic!("a run of {scenario}"))
    }

    fn step(&mut self, name: &str) -> &mut Step {
        self.runs.iter_mut().flat_map(|run| &mut run.steps).find(|step| step.name == name).unwrap_or_else(|| panic!("a step {name}"))
    }

    fn verification(&mut self, step: &str) -> &mut Verification {
        &mut self.step(step).verification.as_mut().expect("verified").fact
    }

    fn require(&mut self, requirement: Requirement) {
        self.gate.requires.retain(|other| other.id != requirement.id);
        self.gate.requires.push(requirement);
    }

    fn inventory(&mut self) -> &mut Inventory {
        self.inventory.as_mut().expect("an inventory")
    }
}

fn time(text: &str) -> jiff::Timestamp {
    text.parse().expect("a time")
}

fn phase(number: u8) -> Phase {
    number.try_into().expect("a phase")
}

fn requirement(id: &str, severity: Severity) -> Requirement {
    Requirement { id: id.into(), reference: None, severity, title: format!("title of {id}"), limit: None, blocked_by: Vec::new(), when: None }
}

fn passed(id: &str, subject: &str) -> Check {
    let verdict = Verdict::pass_on(Evidence::of_reading("/sys/x", &4_u64.into()));
    Check::new(id, subject, verdict, "4", "4", "/sys/x")
}

fn failed() -> Verdict {
    Verdict::Fail("expected 4, observed 2".into())
}

fn unreadable() -> Verdict {
    Verdict::Inconclusive(Reason::Unreadable("EIO".into()))
}

fn inventory() -> Inventory {
    let module = |slot: &str| {
        Component::new(Kind::Dimm, slot).with(Attr::Populated, "dmi", true).with(Attr::ConfiguredSpeed, "dmi", 4800_u64).with(
            Attr::Serial,
            "dmi",
            format!("S-{slot}"),
        )
    };
    Inventory {
        host: "n1".into(),
        boot_id: "boot-1".into(),
        taken_at: "2026-11-20T11:59:00Z".into(),
        components: vec![
            Component::new(Kind::Cpu, "package 0").with(Attr::Model, "cpuinfo", "EPYC"),
            Component::new(Kind::NumaNode, "0").with(Attr::CpuList, "sysfs", "0-63"),
            module("A1"),
            module("B1"),
        ],
        probes: vec![ProbeOutcome {
            probe: "all".into(),
            kinds: vec![Kind::Cpu, Kind::NumaNode, Kind::Dimm, Kind::Nvme, Kind::Nic],
            ended: ProbeEnded::Completed,
            elapsed_ns: 1,
        }],
    }
}

fn run(id: &str, scenario: &str, steps: Vec<Step>) -> Run {
    Run {
        id: id.into(),
        schema: RUN_SCHEMA,
        hosts: vec!["n1".into()],
        nodes: vec![],
        boot_ids: vec!["boot-1".into()],
        scenario: scenario.into(),
        environment: Environment::default(),
        inventory: Some(Recorded { event: 2, fact: Inventory { boot_id: "boot-0".into(), ..inventory() } }),
        steps,
        ended: Ended::Completed,
        started_at: "2026-11-20T10:00:00Z".into(),
        ended_at: "2026-11-20T10:10:00Z".into(),
    }
}

fn step(name: &str, metrics: Vec<Recorded<Metric>>, verification: Option<Verification>, event: EventSeq) -> Step {
    Step {
        findings: None,
        name: name.into(),
        hosts: vec!["n1".into()],
        ended: Ended::Completed,
        metrics,
        counters: vec![counter(3_u64, 3_u64)],
        conditions: Vec::new(),
        verification: verification.map(|fact| Recorded { event, fact }),
        latencies: Vec::new(),
        series: Vec::new(),
        outages: Vec::new(),
        stalls: Vec::new(),
        notes: Default::default(),
    }
}

fn counter(before: impl Into<Reading>, after: impl Into<Reading>) -> CounterDelta {
    CounterDelta {
        component: "0000:41:00.0".into(),
        counter: Attr::AerCorrectable,
        source: "aer".into(),
        before: before.into(),
        after: after.into(),
        event: 40,
    }
}

fn metric(name: &str, unit: Unit, dimensions: &[(&str, &str)], samples: &[f64]) -> Recorded<Metric> {
    Recorded {
        event: 30,
        fact: Metric {
            name: name.into(),
            unit,
            direction: Direction::HigherIsBetter,
            dimensions: dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            samples: Samples::new(samples.to_vec()),
        },
    }
}

fn counted(operations: u64, verified: u64) -> Option<Verification> {
    Some(Verification { operations, verified, ..Verification::default() })
}

fn storage() -> Run {
    let floor =
        Step { verification: None, ..step("harness_floor", vec![metric("harness.null_4k_qd128.iops", Unit::OpsPerSecond, &[], &[9e6])], None, 0) };
    let random = vec![metric("storage.randread_4k_qd32.iops", Unit::OpsPerSecond, &[], &[9e4, 9.1e4, 9.2e4])];
    let steps = vec![
        floor,
        step("layout", vec![], counted(256, 0), 50),
        step("random", random, counted(1000, 1000), 51),
        step("verify", vec![], counted(256, 256), 52),
    ];
    run("20261120-storage", "storage-quick", steps)
}

// 2 modules x 8 B x 4800 MT/s are 76.8 GB/s.
fn triad() -> Run {
    let figure = metric("memory.triad.bandwidth", Unit::BytesPerSecond, &[("numa_node", "0")], &[60e9, 60.1e9, 60.2e9, 60.1e9, 60e9]);
    run("20261120-triad", "memory-triad", vec![step("triad", vec![figure], counted(4096, 4096), 53)])
}

fn contradiction(id: &str) -> Contradiction {
    Contradiction {
        id: id.into(),
        kind: ContradictionKind::Ambiguous,
        statement: "one card or two".into(),
        why: "the order says both".into(),
        candidates: Vec::new(),
        resolution: None,
        blocks: Vec::new(),
        checks: Vec::new(),
        derived_by: None,
    }
}

fn waiver(check: &str, expires: &str) -> Waiver {
    Waiver { check: check.into(), subject: None, owner: "ops".into(), reason: "riser on order".into(), expires: expires.parse().expect("a date") }
}

fn rows<'a>(judgement: &'a Judgement, id: &str) -> Vec<&'a Judged> {
    judgement.judged.iter().filter(|one| one.check.id.as_str() == id).collect()
}

fn row<'a>(judgement: &'a Judgement, id: &str) -> &'a Judged {
    let [row] = rows(judgement, id)[..] else { panic!("one row of {id} in {:#?}", judgement.judged) };
    row
}

fn blocking(judgement: &Judgement) -> String {
    match &judgement.decision {
        Decision::Hold { blocking } => blocking.join("\n"),
        Decision::Admit { .. } => panic!("admitted"),
    }
}

fn warnings(judgement: &Judgement) -> String {
    match &judgement.decision {
        Decision::Admit { warnings } => warnings.join("\n"),
        Decision::Hold { blocking } => panic!("held: {blocking:?}"),
    }
}

/// Each spoilt case holds with this exit status and says this; judging it twice, and with its runs the other way round, gives the same bytes.
fn holds(cases: &[(&str, Spoil, u8, &str)]) {
    for (name, spoil, exit_code, words) in cases {
        let mut fixture = Fixture::spoilt(*spoil);
        let judgement = fixture.judge();
        assert!(matches!(judgement.decision, Decision::Hold { .. }), "{name}: admitted");
        assert_eq!(judgement.exit_code(), *exit_code, "{name}: {}", blocking(&judgement));
        assert!(blocking(&judgement).contains(words), "{name}: `{words}` in\n{}", blocking(&judgement));
        assert_ne!(judgement.verdict, Rank::Pass, "{name}");
        let json = serde_json::to_string(&judgement).expect("serialises");
        fixture.runs.reverse();
        fixture.checks.reverse();
        fixture.site.waivers.reverse();
        assert_eq!(serde_json::to_string(&fixture.judge()).expect("serialises"), json, "{name}: the order of the parts matters");
    }
}

/// Each changed case still admits and warns of this.
fn admits(cases: &[(&str, Spoil, &str)]) {
    for (name, spoil, words) in cases {
        let judgement = Fixture::spoilt(*spoil).judge();
        assert!(matches!(judgement.decision, Decision::Admit { .. }), "{name}: {}", blocking(&judgement));
        assert!(warnings(&judgement).contains(words), "{name}: `{words}` in\n{}", warnings(&judgement));
        assert_eq!((judgement.verdict, judgement.exit_code()), (Rank::Pass, 0), "{name}");
    }
}
