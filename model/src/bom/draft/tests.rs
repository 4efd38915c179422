use proptest::prelude::*;

use super::*;
use crate::bom::{Bom, BomLine, parse};
use crate::inventory::{ProbeEnded, ProbeOutcome};

fn inventory(components: Vec<Component>) -> Inventory {
    let kinds = RECIPES.iter().map(|recipe| recipe.kind).collect();
    let probes = vec![ProbeOutcome { probe: "all".into(), kinds, ended: ProbeEnded::Completed, elapsed_ns: 0 }];
    Inventory { host: "node1".into(), boot_id: "b".into(), taken_at: "2026-11-22T00:00:00Z".into(), components, probes }
}

fn drive(n: u32, model: &str) -> Component {
    Component::new(Kind::Nvme, format!("0000:{n:02x}:00.0"))
        .with(Attr::Model, "m", model)
        .with(Attr::Serial, "s", format!("SERIAL{n}"))
        .with(Attr::Name, "n", format!("nvme{n}"))
        .with(Attr::LinkSpeed, "l", 32.0)
        .with(Attr::LinkWidth, "w", 4_u64)
}

fn read(text: &str) -> Bom {
    parse("draft.toml", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The components of the line's kind that its select picks, or that no other line's does.
fn selected<'a>(bom: &Bom, line: &BomLine, inventory: &'a Inventory) -> Vec<&'a Component> {
    let picks = |line: &BomLine, component: &Component| {
        !line.select.is_empty() && line.select.iter().all(|(attr, matcher)| component.value(*attr).is_some_and(|value| matcher.matches(value)))
    };
    let is_free = |component: &Component| bom.of(line.kind).all(|other| !picks(other, component));
    inventory.iter(line.kind).filter(|component| if line.select.is_empty() { is_free(component) } else { picks(line, component) }).collect()
}

fn holds_for_its_own_node(bom: &Bom, inventory: &Inventory) {
    for line in &bom.lines {
        let members = selected(bom, line, inventory);
        assert_eq!(u32::try_from(members.len()), Ok(line.quantity), "line {}", line.name);
        for (attr, matcher) in &line.expect {
            for member in &members {
                assert!(
                    member.value(*attr).is_some_and(|value| matcher.matches(value)),
                    "{}: {attr} {matcher} against {}",
                    line.name,
                    member.reading(*attr)
                );
            }
        }
    }
}

#[test]
fn equal_components_become_one_line_and_different_ones_are_selected() {
    let node = inventory(vec![drive(1, "BOOT"), drive(2, "BOOT"), drive(3, "DATA"), drive(4, "DATA"), drive(5, "DATA")]);
    let text = draft(&node);
    let bom = read(&text);
    let lines: Vec<(u32, Option<&Value>)> = bom.lines.iter().map(|line| (line.quantity, line.expected(Attr::Model))).collect();
    assert_eq!(lines, [(2, Some(&"BOOT".into())), (3, Some(&"DATA".into()))]);
    holds_for_its_own_node(&bom, &node);
    assert!(!text.contains("SERIAL") && !text.contains("nvme3"), "marks of one unit:\n{text}");
}

#[test]
fn what_could_not_be_read_or_differs_is_said_in_a_comment() {
    let node = inventory(vec![
        drive(1, "DATA").with(Attr::Firmware, "f", "1").with(Attr::Transport, "t", Reading::Unreadable("Input/output error".into())),
        drive(2, "DATA").with(Attr::Firmware, "f", "2").with(Attr::Transport, "t", "pcie"),
    ]);
    let text = draft(&node);
    assert!(text.contains("# firmware: not stated, they differ: 1, 2"), "{text}");
    assert!(text.contains("# transport: not stated, could not be read (Input/output error)"), "{text}");
    let bom = read(&text);
    assert!(!bom.lines[0].expect.contains_key(&Attr::Firmware) && !bom.lines[0].expect.contains_key(&Attr::Transport));
    holds_for_its_own_node(&bom, &node);
}

#[test]
fn a_drive_whose_model_is_unreadable_takes_the_rest() {
    let odd = Component::new(Kind::Nvme, "0000:09:00.0").with(Attr::Model, "m", Reading::Unreadable("EIO".into())).with(Attr::LinkWidth, "w", 2_u64);
    let node = inventory(vec![drive(1, "DATA"), odd]);
    let bom = read(&draft(&node));
    assert_eq!(bom.lines.len(), 2);
    assert!(bom.lines[1].select.is_empty() && bom.lines[1].expected(Attr::LinkWidth) == Some(&2_u64.into()));
    holds_for_its_own_node(&bom, &node);
}

#[test]
fn a_probe_that_failed_is_named_and_nothing_is_made_up() {
    let mut node = inventory(vec![drive(1, "DATA")]);
    node.probes[0].ended = ProbeEnded::Failed("cannot read /sys/class/nvme: EIO\nschema = 2".into());
    let text = draft(&node);
    assert!(text.contains("# nvme: not drafted, unreadable: cannot read /sys/class/nvme: EIO"), "{text}");
    assert_eq!(read(&text).lines[0].name, "to be written");
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        Just("\"\"\"\n[[line]]\nname = '''".to_owned()),
        Just("a\\\"b'c\u{0}\u{7f}\u{85}\u{2028}\r\nend # no".to_owned()),
        Just(String::new()),
        "[ab]",
    ]
}

fn any_reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        any_text().prop_map(Reading::from),
        any::<u64>().prop_map(Reading::from),
        (0_u64..3).prop_map(Reading::from),
        any::<f64>().prop_map(Reading::from),
        any::<bool>().prop_map(Reading::from),
        proptest::collection::vec(any_text(), 0..3).prop_map(|items| Reading::Value(Value::List(items))),
        Just(Reading::Absent),
        any_text().prop_map(Reading::Unreadable),
    ]
}

fn any_component() -> impl Strategy<Value = Component> {
    let attr = proptest::sample::select(Attr::ALL);
    let kind = proptest::sample::select(vec![Kind::Nvme, Kind::Dimm, Kind::Nic, Kind::Board]);
    (kind, any_text(), proptest::collection::btree_map(attr, any_reading(), 0..40)).prop_map(|(kind, locator, attributes)| Component {
        kind,
        locator,
        attributes,
        sources: BTreeMap::new(),
    })
}

/// Few words for few attributes, so that groups overlap in every way.
fn alike_component() -> impl Strategy<Value = Component> {
    let reading = prop_oneof![Just(Reading::from("a")), Just(Reading::from("b")), Just(Reading::Absent), Just(Reading::Unreadable("EIO".into()))];
    (reading.clone(), reading.clone(), reading).prop_map(|(model, pci, firmware)| {
        Component::new(Kind::Nvme, "x").with(Attr::Model, "", model).with(Attr::PciId, "", pci).with(Attr::Firmware, "", firmware)
    })
}

proptest! {
    #[test]
    fn whatever_the_node_says_the_draft_is_read_back_and_holds_for_it(
        host in any_text(), taken_at in any_text(), components in proptest::collection::vec(any_component(), 0..8)
    ) {
        let node = Inventory { host, taken_at, ..inventory(components) };
        let text = draft(&node);
        let bom = parse("draft.toml", &text);
        prop_assert!(bom.is_ok(), "{}\n{}", bom.unwrap_err(), text);
        let bom = bom.unwrap();
        if bom.lines[0].name != "to be written" {
            holds_for_its_own_node(&bom, &node);
        }
    }

    #[test]
    fn lines_that_overlap_are_still_told_apart(components in proptest::collection::vec(alike_component(), 1..10)) {
        let node = inventory(components);
        let text = draft(&node);
        let bom = parse("draft.toml", &text);
        prop_assert!(bom.is_ok(), "{}\n{}", bom.unwrap_err(), text);
        let bom = bom.unwrap();
        if bom.lines[0].name != "to be written" {
            holds_for_its_own_node(&bom, &node);
        }
    }
}
