//! The order of the reference cluster, its contradictions and its checks.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::bom::{BOM_SCHEMA, Bom, BomLine};
use assay_model::check::{Absence, Check};
use assay_model::component::{Component, Value};
use assay_model::contradiction::{Candidate, Contradiction, ContradictionKind};
use assay_model::gate::{Requirement, Severity};
use assay_model::inventory::Inventory;
use assay_model::limit::{Basis, Bound, Limit};
use assay_model::matcher::Matcher;
use assay_model::phase::Phase;
use assay_model::site::{NotHere, Site};
use assay_model::verdict::{Evidence, Reason, Verdict};
use assay_model::waiver::Waiver;

use super::{Asked, asked, gate, site};

fn line(name: &str, kind: Kind, quantity: u32, part: Option<&str>, select: &[(Attr, Matcher)], expect: &[(Attr, Matcher)]) -> BomLine {
    let map = |pairs: &[(Attr, Matcher)]| pairs.iter().cloned().collect();
    BomLine { name: name.into(), kind, quantity, part: part.map(str::to_owned), select: map(select), expect: map(expect), facts: BTreeMap::new() }
}

fn is(value: impl Into<Value>) -> Matcher {
    Matcher::Equals(value.into())
}

fn bom() -> Bom {
    let lines = vec![
        line(
            "processors",
            Kind::Cpu,
            2,
            Some("epyc-9534"),
            &[],
            &[(Attr::Model, is("AMD EPYC 9534 64-Core Processor")), (Attr::Cores, is(64_u64)), (Attr::L3Bytes, is(268_435_456_u64))],
        ),
        line(
            "memory modules",
            Kind::Dimm,
            72,
            None,
            &[],
            &[
                (Attr::Capacity, is(103_079_215_104_u64)),
                (Attr::RatedSpeed, Matcher::AtLeast(5600.0)),
                (Attr::ConfiguredSpeed, is(4800_u64)),
                (Attr::PartNumber, is("M321RYGA0PB0-CWMZJ")),
            ],
        ),
        line(
            "data drives",
            Kind::Nvme,
            12,
            None,
            &[(Attr::Capacity, is(7_681_501_126_656_u64))],
            &[
                (Attr::LinkWidth, is(4_u64)),
                (Attr::LinkSpeed, is(32.0)),
                (Attr::Capacity, is(7_681_501_126_656_u64)),
                (Attr::Firmware, is("OPPA3B5Q")),
            ],
        ),
        line(
            "boot drives",
            Kind::Nvme,
            2,
            Some("micron-7450-pro-480"),
            &[(Attr::Capacity, is(480_103_981_056_u64))],
            &[(Attr::LinkWidth, is(4_u64)), (Attr::LinkSpeed, is(16.0))],
        ),
        line(
            "fast network ports",
            Kind::Nic,
            2,
            Some("mcx653106a-hdat"),
            &[(Attr::PciId, is("15b3:101b"))],
            &[(Attr::Speed, is(200_000_000_000_u64)), (Attr::Mtu, is(9000_u64))],
        ),
        line("GPUs", Kind::Gpu, 4, Some("nvidia-a16"), &[], &[(Attr::PciId, is("10de:25b6"))]),
    ];
    Bom { schema: BOM_SCHEMA, node_class: "pve1 node".into(), revision: "2026-11".into(), lines, cluster: None }
}

fn contradiction(id: &str, kind: ContradictionKind, statement: &str, why: &str, candidates: &[(&str, &str, &str)], blocks: &[u8]) -> Contradiction {
    let candidate =
        |(id, statement, why): &(&str, &str, &str)| Candidate { id: (*id).into(), statement: (*statement).into(), why: (*why).into(), set: vec![] };
    Contradiction {
        id: id.into(),
        kind,
        statement: statement.into(),
        why: why.into(),
        candidates: candidates.iter().map(candidate).collect(),
        resolution: None,
        blocks: blocks.iter().map(|phase| Phase::try_from(*phase).expect("a phase")).collect(),
        checks: vec![],
        derived_by: None,
    }
}

fn contradictions() -> Vec<Contradiction> {
    let mut all = vec![
        contradiction(
            "C-01",
            ContradictionKind::Impossible,
            "72x 96 GB memory modules per host",
            "two sockets take 12 channels x 2 modules x 2 sockets = 48 modules; 72 x 96 GiB = 6912 GiB also exceed the 6 TB of one socket",
            &[
                (
                    "two-sockets",
                    "24 modules on two sockets, one per channel, 4800 MT/s, 2304 GiB",
                    "72 = 3 nodes x 2 sockets x 12 channels; nodes with two 9534 and 2.3 TB exist [S12]",
                ),
                (
                    "one-socket-two-per-channel",
                    "24 modules on one socket, two per channel, at the speed of the board's table",
                    "72 counted over the cluster",
                ),
                ("one-per-channel", "12 modules on one socket, one per channel, 1152 GiB", "the figure 72 is then unexplained"),
            ],
            &[1],
        ),
        contradiction(
            "C-03",
            ContradictionKind::Unsupported,
            "the GPU supports both MIG and vGPU, MIG enabled",
            "the A16 is not among the GPUs with MIG",
            &[
                ("whole-gpus", "whole GPUs by passthrough", "works with the ordered board [S21]"),
                ("another-gpu", "a GPU with MIG is ordered instead", ""),
            ],
            &[5],
        ),
        contradiction(
            "C-06",
            ContradictionKind::Impossible,
            "bond of both 200G ports for 400 Gbit/s",
            "one PCIe 4.0 x16 card carries 252 Gbit/s at most",
            &[("redundancy", "the bond is for redundancy", "")],
            &[2],
        ),
        contradiction(
            "C-25",
            ContradictionKind::Conflict,
            "replica 3, HA across 3 hosts",
            "there is no spare host: after a loss nothing can be re-replicated",
            &[],
            &[],
        ),
        contradiction(
            "C-02",
            ContradictionKind::Ambiguous,
            "EPYC 9534 (64C/128T), without a number of processors",
            "64 cores are one processor; the best reading of the memory needs two",
            &[("one-socket", "one processor", ""), ("two-sockets", "two processors", "agrees with 24 modules per node")],
            &[1],
        ),
    ];
    all[0].derived_by = Some("memory.modules_fit".into());
    all[0].checks = vec!["dimm.quantity".into(), "dimm.configured_speed".into()];
    all[4].resolution = Some("two-sockets".into());
    all
}

pub(crate) fn pve1() -> Site {
    let limit = |metric: &str, bound, basis| Limit { metric: metric.into(), bound, basis, scenarios: Vec::new() };
    let requirement = |id: &str, title: &str, limit| Requirement {
        id: id.into(),
        reference: Some("P1.MEM.06".into()),
        severity: Severity::Gate,
        title: title.into(),
        limit: Some(limit),
        blocked_by: vec![],
        when: None,
    };
    let day = |text: &str| text.parse().expect("a day");
    let waiver = |check: &str, subject: Option<&str>, reason: &str, expires| Waiver {
        check: check.into(),
        subject: subject.map(str::to_owned),
        owner: "m.keller".into(),
        reason: reason.into(),
        expires,
    };
    Site {
        bom: Some(bom()),
        contradictions: contradictions(),
        waivers: vec![
            waiver(
                "dimm.part_number",
                Some("P0 DIMM F1"),
                "Replacement from stock, same ranks and speed; exchange is ordered (RMA 88121).",
                day("2026-12-31"),
            ),
            waiver("nic.speed", None, "Fabric was not cabled yet.", day("2026-10-01")),
        ],
        not_here: vec![NotHere { check: "block.writable_state".into(), why: "all block devices are NVMe and are checked there".into() }],
        gates: vec![gate(vec![
            requirement(
                "memory.triad_efficiency",
                "triad bandwidth per socket",
                limit("memory.triad.bandwidth", Bound::Efficiency(0.72), Basis::Policy("proposal of the facts sheet, 1.1".into())),
            ),
            requirement(
                "storage.randread_p99",
                "99th percentile of random reads",
                limit("storage.randread_4k_qd32.p99", Bound::AtMost(500_000.0), Basis::Datasheet("[S18]".into())),
            ),
        ])],
        ..site("pve1")
    }
}

/// The checks of every line, as the check catalogue makes them, and some that need no order.
pub(crate) fn checks(site: &Site, inventory: &Inventory) -> Vec<Asked> {
    let mut all = Vec::new();
    for line in &site.bom.as_ref().expect("the site has an order").lines {
        let of_line: Vec<&Component> = inventory
            .iter(line.kind)
            .filter(|c| line.select.iter().all(|(attr, matcher)| c.value(*attr).is_some_and(|value| matcher.matches(value))))
            .collect();
        let id = format!("{}.quantity", line.kind);
        let found = of_line.len();
        let reading = u64::from(line.quantity).into();
        let quantity = if line.kind == Kind::Dimm {
            Verdict::Inconclusive(Reason::Blocked("C-01: 72 modules do not fit; resolve it in contradictions.toml".into()))
        } else if line.kind == Kind::Gpu {
            Verdict::Inconclusive(Reason::NotRun("no probe looked for gpu".into()))
        } else if u32::try_from(found).is_ok_and(|found| found == line.quantity) {
            Verdict::pass_on(Evidence::of_reading(format!("{} probe", line.kind), &reading))
        } else {
            Verdict::Fail(format!("expected {}, observed {found}", line.quantity))
        };
        all.push(asked(
            Severity::Gate,
            "as many as were ordered",
            Check::new(&id, &line.name, quantity, line.quantity.to_string(), found.to_string(), format!("{} probe", line.kind)),
        ));
        for component in of_line {
            for (attr, matcher) in &line.expect {
                let check = Check::compare(
                    &format!("{}.{attr}", line.kind),
                    &component.locator,
                    component.source(*attr),
                    matcher,
                    component.reading(*attr),
                    Absence::Inconclusive,
                );
                let mut asked = asked(Severity::Gate, attr.describe(), check);
                if *attr == Attr::PartNumber && component.locator == "P0 DIMM F1" {
                    asked.excused_by = Some("waiver of m.keller until 2026-12-31".into());
                }
                all.push(asked);
            }
        }
    }
    all.push(asked(
        Severity::Warn,
        "all CPUs have the same governor",
        Check::new(
            "cpu.governor_alike",
            "node",
            Verdict::Fail("package 0 has performance, package 1 has schedutil".into()),
            "one governor",
            "performance, schedutil",
            "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        ),
    ));
    all.push(asked(
        Severity::Gate,
        "every module can be identified",
        Check::new(
            "dimm.serial",
            "P1 DIMM F1",
            Verdict::Inconclusive(Reason::Unreadable("string index 4 of 3".into())),
            "a serial number",
            "nothing",
            "/sys/firmware/dmi/tables/DMI type 17 #17 serial",
        ),
    ));
    all.push(asked(
        Severity::Warn,
        "sensors answer",
        Check::new(
            "thermal.below_critical",
            "node",
            Verdict::Inconclusive(Reason::Unreadable("probe thermal hung on /sys/class/hwmon/hwmon7/temp2_input".into())),
            "every sensor below its critical limit",
            "nothing",
            "/sys/class/hwmon",
        ),
    ));
    all
}

/// Checks that the gate lists and nothing has run.
pub(crate) fn not_run() -> Vec<Asked> {
    let ids = [
        ("nvme.smart_health", "SMART: no critical warning, no media error"),
        ("nvme.error_log", "no new entries in the error log"),
        ("nvme.self_test", "extended self-test without failures"),
        ("memory.pattern_soak", "24 h of patterns without a mismatch"),
        ("cpu.sustained_clock", "clock under load at or above base"),
        ("os.root_pool", "root pool is a healthy mirror"),
        ("os.boot_redundant", "both disks can boot"),
        ("ssh.policy", "keys only"),
        ("bmc.reachable", "Redfish answers, no critical entries"),
        ("bmc.network", "dedicated port, not reachable for guests"),
    ];
    let not_run = |(id, title): (&str, &'static str)| {
        asked(Severity::Gate, title, Check::inconclusive(id, "node", title, Reason::NotRun("no code implements it yet".into()), ""))
    };
    ids.into_iter().map(not_run).collect()
}
