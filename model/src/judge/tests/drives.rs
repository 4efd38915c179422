use super::*;
use crate::bom::{Bom, BomLine};
use crate::limit::Rating;
use crate::matcher::Matcher;
use crate::parts::NvmePart;

const READ: &str = "nvme.read_bandwidth";
const METRIC: &str = "storage.read_128k_qd32.bandwidth";

fn line(name: &str, part: Option<&str>, model: Option<&str>) -> BomLine {
    BomLine {
        name: name.into(),
        kind: Kind::Nvme,
        quantity: 2,
        part: part.map(str::to_owned),
        select: model.map(|model| (Attr::Model, Matcher::Equals(model.into()))).into_iter().collect(),
        expect: Default::default(),
        facts: Default::default(),
    }
}

fn figure(serial: &str, samples: &[f64]) -> Recorded<Metric> {
    metric(METRIC, Unit::BytesPerSecond, &[("drive", &format!("name-of-{serial}")), ("serial", serial)], samples)
}

/// Two boot drives that nobody measures, and two data drives of a part that reads 10 GB/s, with a figure each.
fn drives(f: &mut Fixture) {
    for (locator, model, serial) in [("b0", "BOOT", "B0"), ("b1", "BOOT", "B1"), ("d0", "DATA", "D0"), ("d1", "DATA", "D1 ")] {
        let drive = Component::new(Kind::Nvme, locator).with(Attr::Model, "sysfs", model).with(Attr::Serial, "sysfs", serial);
        f.inventory().components.push(drive.with(Attr::LinkSpeed, "sysfs", 32.0).with(Attr::LinkWidth, "sysfs", 4_u64));
    }
    let lines = vec![line("boot drives", None, Some("BOOT")), line("data drives", Some("fast"), None)];
    f.site.declared.software.boot_line = Some("boot drives".into());
    f.site.bom = Some(Bom { schema: crate::bom::BOM_SCHEMA, node_class: "class".into(), revision: "1".into(), cluster: None, lines });
    f.checks.extend(["nvme.quantity", "nvme.unexpected"].map(|id| passed(id, "nvme")));
    let sheet = NvmePart {
        source: "test".into(),
        pcie_lanes: 4,
        pcie_gtps: 32.0,
        read_bytes_per_s: Some(10e9),
        write_bytes_per_s: None,
        randread_iops: None,
        randwrite_iops: None,
        dwpd: None,
    };
    f.site.parts.nvme.insert("fast".into(), sheet);
    let bound = Bound::Rated { figure: Rating::ReadBandwidth, share: 0.9 };
    let limit = Limit { metric: METRIC.into(), bound, basis: Basis::Datasheet("test".into()), scenarios: vec!["nvme-accept".into()] };
    f.require(Requirement { limit: Some(limit), ..requirement(READ, Severity::Gate) });
    let all = metric(METRIC, Unit::BytesPerSecond, &[("drive", "all")], &[12e9]);
    let metrics = vec![figure("D0", &[9.5e9]), figure("D1", &[9.1e9]), all];
    f.runs.push(run("20261120-accept", "nvme-accept", vec![step("sequential", metrics, counted(1000, 1000), 60)]));
    let drives = f.inventory().components.iter().filter(|one| one.kind == Kind::Nvme).cloned().collect::<Vec<_>>();
    for run in &mut f.runs {
        run.inventory.as_mut().expect("an inventory").fact.components.extend(drives.clone());
    }
}

fn spoilt(f: &mut Fixture, spoil: impl FnOnce(&mut Fixture)) {
    drives(f);
    spoil(f);
}

fn figures(f: &mut Fixture) -> &mut Vec<Recorded<Metric>> {
    &mut f.step("sequential").metrics
}

#[test]
fn drives_are_held_against_their_data_sheet() {
    admits(&[
        ("both as rated", drives, ""),
        (
            "a figure of a file is nobody's",
            |f| spoilt(f, |f| figures(f).push(metric(METRIC, Unit::BytesPerSecond, &[("drive", "file")], &[1.0]))),
            "",
        ),
    ]);
    let judgement = Fixture::spoilt(drives).judge();
    let row = rows(&judgement, READ)[0];
    assert_eq!(row.check.expected, "at least 90 % of the rated read bandwidth of fast, that is at least 9000000000 B/s");
    holds(&[
        ("one is slower", |f| spoilt(f, |f| figures(f)[1] = figure("D1", &[8.9e9])), 1, "the median 8900000000 is below 9000000000"),
        ("one was not measured", |f| spoilt(f, |f| drop(figures(f).remove(1))), 3, "{serial=D1}): not_run: drive D1 was not measured"),
        (
            "a boot drive that is none",
            |f| spoilt(f, |f| f.site.declared.software.boot_line = None),
            3,
            "{serial=B0}): not_run: drive B0 was not measured",
        ),
        (
            "more than its link carries",
            |f| spoilt(f, |f| figures(f)[1] = figure("D1", &[30e9])),
            3,
            "nvme.read_bandwidth (storage.read_128k_qd32.bandwidth{drive=name-of-D1,serial=D1}): invalid",
        ),
        (
            "measured by something else",
            |f| spoilt(f, |f| f.run("nvme-accept").scenario = "burst".into()),
            3,
            "nvme.read_bandwidth (storage.read_128k_qd32.bandwidth): not_run",
        ),
        (
            "read by a run that compared nothing",
            |f| spoilt(f, |f| *f.verification("sequential") = counted(1000, 0).expect("counts")),
            3,
            "of run 20261120-accept: none of 1000 operations was compared",
        ),
        (
            "read by a run that compared some",
            |f| spoilt(f, |f| *f.verification("sequential") = counted(1000, 999).expect("counts")),
            3,
            "step sequential compared 999 of the 1000 operations that it read",
        ),
        (
            "read while errors could not be counted",
            |f| spoilt(f, |f| f.step("sequential").counters = vec![counter(3_u64, Reading::Unreadable("EIO".into()))]),
            3,
            "run.no_new_errors of run 20261120-accept",
        ),
        ("none was", |f| spoilt(f, |f| figures(f).clear()), 3, "nvme.read_bandwidth (storage.read_128k_qd32.bandwidth): not_run"),
        (
            "all at once are none",
            |f| spoilt(f, |f| drop(figures(f).drain(..2))),
            3,
            "nvme.read_bandwidth (storage.read_128k_qd32.bandwidth): not_run",
        ),
    ]);
}

#[test]
fn what_a_drive_should_do_is_unknown_without_its_product() {
    fn data(f: &mut Fixture) -> &mut BomLine {
        &mut f.site.bom.as_mut().expect("an order").lines[1]
    }
    holds(&[
        ("no product", |f| spoilt(f, |f| data(f).part = None), 3, "line `data drives` of the order names no product"),
        ("an unknown one", |f| spoilt(f, |f| data(f).part = Some("other".into())), 3, "the parts catalogue has no drive other"),
        (
            "no figure of it",
            |f| spoilt(f, |f| f.site.parts.nvme.values_mut().for_each(|part| part.read_bytes_per_s = None)),
            3,
            "the parts catalogue has no rated read bandwidth of fast",
        ),
        ("no order", |f| spoilt(f, |f| f.site.bom = None), 3, "the site has no order"),
        ("another node's drive", |f| spoilt(f, |f| figures(f).push(figure("X", &[9.5e9]))), 3, "no drive of the node has the serial number X"),
        (
            "a model that cannot be read, and is selected by",
            |f| {
                spoilt(f, |f| {
                    let runs = f.runs.iter_mut().map(|run| &mut run.inventory.as_mut().expect("an inventory").fact);
                    for inventory in runs.chain(&mut f.inventory) {
                        let drive = inventory.components.iter_mut().find(|one| one.locator == "d0").expect("d0");
                        drive.attributes.insert(Attr::Model, Reading::Unreadable("EIO".into()));
                    }
                });
            },
            3,
            "line `boot drives` selects by it",
        ),
        (
            "in another unit",
            |f| spoilt(f, |f| figures(f).iter_mut().for_each(|figure| figure.fact.unit = Unit::OpsPerSecond)),
            3,
            "is in another unit than rated read bandwidth",
        ),
    ]);
}

#[test]
fn several_at_once_are_all_of_the_order() {
    fn together(f: &mut Fixture, serials: &str) {
        drives(f);
        let share = "storage.read_128k_qd32.all_share";
        let limit = Limit { metric: share.into(), bound: Bound::AtLeast(0.85), basis: Basis::Policy("test".into()), scenarios: Vec::new() };
        f.require(Requirement { limit: Some(limit), ..requirement("nvme.all_read_bandwidth", Severity::Gate) });
        figures(f).push(metric(share, Unit::Ratio, &[("drive", "all"), ("serials", serials)], &[0.97]));
    }
    admits(&[("both", |f| together(f, "D0,D1"), "")]);
    holds(&[("one of two", |f| together(f, "D0"), 3, "nvme.all_read_bandwidth (storage.read_128k_qd32.all_share{serial=D1}): not_run")]);
}

#[test]
fn a_run_is_held_against_what_the_data_sheet_of_each_drive_rates() {
    let mut fixture = Fixture::spoilt(drives);
    let of = |fixture: &Fixture| -> Vec<(Option<String>, Bound)> {
        let edges = edges(&fixture.site, fixture.inventory.as_ref(), "nvme-accept");
        edges.into_iter().filter(|edge| edge.metric.0 == METRIC).map(|edge| (edge.serial, edge.bound)).collect()
    };
    fixture.site.gates = vec![fixture.gate.clone()];
    // Boot drives are of no part; the serial number is without the blanks that a drive pads it with.
    let expected: Vec<_> = ["D0", "D1"].map(|serial| (Some(serial.to_owned()), Bound::AtLeast(9e9))).into();
    assert_eq!(of(&fixture), expected);
    let edge = edges(&fixture.site, fixture.inventory.as_ref(), "nvme-accept")
        .into_iter()
        .find(|edge| edge.serial.as_deref() == Some("D1"))
        .expect("an edge");
    for (serial, is_its) in [("D1", true), ("D0", false)] {
        assert_eq!(edge.is_of(&figure(serial, &[1.0]).fact), is_its, "{serial}");
    }
    assert!(!edge.is_of(&metric(METRIC, Unit::BytesPerSecond, &[("drive", "all")], &[1.0]).fact), "of several drives at once");
    let limit = fixture.site.gates[0]
        .requires
        .iter_mut()
        .filter_map(|requirement| requirement.limit.as_mut())
        .find(|limit| limit.metric.0 == METRIC)
        .expect("a limit");
    limit.scenarios = vec!["nvme-accept".to_owned()];
    assert_eq!(of(&fixture), expected);
    assert!(
        edges(&fixture.site, fixture.inventory.as_ref(), "storage-quick").iter().all(|edge| edge.metric.0 != METRIC),
        "a figure of that name of another scenario"
    );
    fixture.site.parts.nvme.clear();
    assert_eq!(of(&fixture), Vec::new(), "what is not rated holds nothing open");
}
