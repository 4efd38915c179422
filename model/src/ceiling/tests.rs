use super::*;
use crate::component::Component;
use crate::contradiction::tests::ordered;
use crate::inventory::{ProbeEnded, ProbeOutcome};
use crate::parts::tests::shipped;

fn close(what: &str, value: f64, expected: f64) {
    assert!((value / expected - 1.0).abs() < 0.005, "{what}: {value}, expected {expected}");
}

#[test]
fn the_formulas_give_the_figures_of_the_reference_cluster() {
    // The figures of the project's draft of the reference BOM.
    close("12 channels at 4800, GB/s", memory::bandwidth(12.0, 4800.0) / 1e9, 460.8);
    close("12 channels at 4400, GB/s", memory::bandwidth(12.0, 4400.0) / 1e9, 422.4);
    close("PCIe 5 x4, GB/s", pcie::line(32.0, 4.0) / 1e9, 15.754);
    close("PCIe 4 x4, GB/s", pcie::line(16.0, 4.0) / 1e9, 7.877);
    close("PCIe 2 x4, GB/s", pcie::line(5.0, 4.0) / 1e9, 2.0);
    close("PCIe 1 x1, GB/s", pcie::line(2.5, 1.0) / 1e9, 0.25);
    for (payload, expected) in [(128.0, 13.266), (256.0, 14.404), (512.0, 15.048)] {
        close("PCIe 5 x4 payload, GB/s", pcie::payload(32.0, 4.0, payload) / 1e9, expected);
    }
    close("PCIe 4 x16, Gb/s", network::card(16.0, 16.0) / 1e9, 252.06);
    for (payload, expected) in [(256.0, 230.5), (512.0, 240.8)] {
        close("PCIe 4 x16 payload, Gb/s", pcie::payload(16.0, 16.0, payload) * 8.0 / 1e9, expected);
    }
    close("TCP at MTU 9000, Gb/s", 200.0 * network::tcp_share(9000.0), 197.92);
    close("TCP at MTU 1500, Gb/s", 200.0 * network::tcp_share(1500.0), 187.81);
    close("RDMA at MTU 9000, Gb/s", 200.0 * network::rdma_share(9000.0), 195.89);
    close("RDMA at MTU 1500, Gb/s", 200.0 * network::rdma_share(1500.0), 184.50);
    close("Ceph write, GB/s", ceph::write_shared(3.0, 3.0, 24.5), 27.6);
    close("Ceph write behind PCIe 4, GB/s", ceph::write_shared(3.0, 3.0, 28.8), 32.4);
    close("Ceph read, GB/s", ceph::read(3.0, 24.5), 110.3);
    close("Ceph read behind PCIe 4, GB/s", ceph::read(3.0, 28.8), 129.6);
    close("1 DWPD of 7.68 TB, MB/s", drive::budget(1.0, 7_681_501_126_656.0) / 1e6, 88.9);
}

#[test]
fn two_networks_bound_a_write_each_for_itself() {
    close("public binds", ceph::write(3.0, 3.0, 1.0, 100.0), 4.5);
    close("cluster binds", ceph::write(3.0, 3.0, 100.0, 1.0), 1.5);
}

#[test]
fn a_speed_of_no_generation_and_an_mtu_of_no_payload_give_no_figure() {
    assert!(pcie::line(12.0, 4.0).is_nan() && pcie::line(f64::NAN, 4.0).is_nan());
    assert!(network::rdma_share(200.0).is_nan());
}

fn value(ceilings: &[Ceiling], metric: &str) -> f64 {
    one(ceilings, metric).value.unwrap_or_else(|| panic!("{metric} has a value: {:?}", one(ceilings, metric)))
}

fn one<'a>(ceilings: &'a [Ceiling], metric: &str) -> &'a Ceiling {
    let names = || ceilings.iter().map(|ceiling| ceiling.metric.0.as_str()).collect::<Vec<_>>().join(", ");
    ceilings.iter().find(|ceiling| ceiling.metric.0 == metric).unwrap_or_else(|| panic!("{metric} among {}", names()))
}

fn missing(ceiling: &Ceiling) -> Vec<&str> {
    ceiling.inputs.iter().filter(|(_, reading)| reading.value().is_none()).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn the_order_of_the_reference_cluster_lacks_what_it_leaves_open() {
    let ceilings = of_bom(&ordered(), &shipped());
    close("memory", value(&ceilings, "memory.socket.bandwidth"), 460.8e9);
    close("drive", value(&ceilings, "nvme.read.bandwidth{drives=data drives}"), 15.048e9);
    close("drives", value(&ceilings, "nvme.all.read.bandwidth"), 12.0 * 15.048e9 + 2.0 * 7.524e9);
    close("card", value(&ceilings, "nic.card.bandwidth{ports=fast ports}"), 252.06e9);
    close("TCP", value(&ceilings, "nic.port.tcp_goodput{ports=fast ports}"), 197.92e9);
    close("RDMA", value(&ceilings, "nic.port.rdma_goodput{ports=fast ports}"), 195.89e9);
    // One card or two is contradiction C-05, which drives C-07.
    for metric in ["bond.bond0.bandwidth", "ceph.write.bandwidth", "ceph.read.bandwidth"] {
        let ceiling = one(&ceilings, metric);
        assert_eq!(ceiling.value, None, "{metric}");
        assert!(missing(ceiling).contains(&"cards"), "{metric}: {ceiling:?}");
    }
    let endurance = one(&ceilings, "nvme.endurance.write_bandwidth{drives=data drives}");
    assert_eq!((endurance.value, missing(endurance)), (None, vec!["drive writes per day"]));
}

#[test]
fn a_bond_over_one_card_ends_at_its_slot_and_over_two_at_its_ports() {
    for (cards, bond, write) in [(1, 252.06e9, 35.4e9), (2, 400e9, 55.7e9)] {
        let mut bom = ordered();
        bom.lines.iter_mut().find(|line| line.name == "fast ports").expect("the line").facts.insert("cards".into(), cards);
        let ceilings = of_bom(&bom, &shipped());
        close("bond", value(&ceilings, "bond.bond0.bandwidth"), bond);
        close("ceph", value(&ceilings, "ceph.write.bandwidth"), write);
    }
}

fn inventory(components: Vec<Component>, ended: ProbeEnded) -> Inventory {
    let kinds = vec![Kind::Cpu, Kind::Dimm, Kind::NumaNode, Kind::Nvme, Kind::Nic];
    let outcome = ProbeOutcome { probe: "all".into(), kinds, ended, elapsed_ns: 1 };
    Inventory { host: "n1".into(), boot_id: "b".into(), taken_at: "2026-11-20T00:00:00Z".into(), components, probes: vec![outcome] }
}

fn module(slot: usize, mtps: impl Into<Reading>) -> Component {
    Component::new(Kind::Dimm, format!("DIMM_{slot}")).with(Attr::Populated, "dmi", true).with(Attr::ConfiguredSpeed, "dmi", mtps)
}

fn node(modules: impl Iterator<Item = Component>) -> Vec<Component> {
    let mut components: Vec<Component> = modules.collect();
    components.push(Component::new(Kind::Dimm, "DIMM_Z9").with(Attr::Populated, "dmi", false));
    for socket in 0..2 {
        components.push(Component::new(Kind::Cpu, format!("package {socket}")));
        components.push(Component::new(Kind::NumaNode, socket.to_string()).with(Attr::CpuList, "sysfs", "0-63"));
    }
    components.push(Component::new(Kind::NumaNode, "2").with(Attr::CpuList, "sysfs", ""));
    components
}

#[test]
fn the_triad_of_a_numa_node_has_its_share_of_the_channels() {
    let seen = inventory(node((0..24).map(|slot| module(slot, 4800_u64))), ProbeEnded::Completed);
    let ceilings = of_node(&seen, Some(12));
    close("node", value(&ceilings, "memory.node.bandwidth"), 921.6e9);
    close("socket", value(&ceilings, "memory.socket.bandwidth"), 460.8e9);
    close("triad", value(&ceilings, "memory.triad.bandwidth"), 460.8e9);
    let doubled = inventory(node((0..48).map(|slot| module(slot, 4400_u64))), ProbeEnded::Completed);
    close("two modules per channel", value(&of_node(&doubled, Some(12)), "memory.triad.bandwidth"), 422.4e9);
    let half = inventory(node((0..12).map(|slot| module(slot, 4800_u64))), ProbeEnded::Completed);
    close("half the channels", value(&of_inventory(&half), "memory.triad.bandwidth"), 230.4e9);
}

#[test]
fn what_was_not_read_leaves_no_ceiling_and_says_so() {
    let speed = "configured speed, MT/s";
    let unreadable = Reading::Unreadable("EACCES".into());
    let cases = [
        (node((0..2).map(|slot| module(slot, Reading::Absent))), vec![speed]),
        (node((0..2).map(|slot| module(slot, unreadable.clone()))), vec![speed]),
        (node((0..2).map(|slot| module(slot, if slot == 0 { 4800_u64 } else { 4400 }))), vec![speed]),
        (
            node([Component::new(Kind::Dimm, "A").with(Attr::Populated, "dmi", unreadable.clone())].into_iter()),
            vec!["modules", "channels per socket", speed],
        ),
        (node(std::iter::empty()), vec!["modules", "channels per socket", speed]),
    ];
    for (components, expected) in cases {
        let ceilings = of_inventory(&inventory(components, ProbeEnded::Completed));
        let triad = one(&ceilings, "memory.triad.bandwidth");
        assert_eq!((triad.value, missing(triad)), (None, expected));
    }
    let none = of_inventory(&inventory(Vec::new(), ProbeEnded::SourceMissing("DMI".into())));
    assert!(one(&none, "memory.triad.bandwidth").inputs.iter().all(|(_, reading)| *reading == Reading::Absent));
    let failed = of_inventory(&inventory(Vec::new(), ProbeEnded::Failed("EIO".into())));
    for metric in ["memory.triad.bandwidth", "nvme.all.read.bandwidth", "nic.card.bandwidth"] {
        let ceiling = one(&failed, metric);
        assert!(ceiling.value.is_none() && ceiling.inputs.iter().any(|(_, reading)| matches!(reading, Reading::Unreadable(_))), "{ceiling:?}");
    }
}

#[test]
fn the_modules_that_a_hypervisor_made_up_bound_nothing() {
    let mut components = node((0..24).map(|slot| module(slot, 4800_u64)));
    let os = |guest: bool| Component::new(Kind::Os, "node").with(Attr::Hypervisor, "cpuid", guest);
    components.push(os(true));
    let guest = of_inventory(&inventory(components.clone(), ProbeEnded::Completed));
    let triad = one(&guest, "memory.triad.bandwidth");
    assert!(triad.value.is_none() && missing(triad).contains(&"modules"), "{triad:?}");
    components.pop();
    components.push(os(false));
    assert!(one(&of_inventory(&inventory(components, ProbeEnded::Completed)), "memory.triad.bandwidth").value.is_some());
}

fn drive(address: &str, gtps: impl Into<Reading>, lanes: u64) -> Component {
    Component::new(Kind::Nvme, address).with(Attr::LinkSpeed, "sysfs", gtps).with(Attr::LinkWidth, "sysfs", lanes).with(
        Attr::Transport,
        "sysfs",
        "pcie",
    )
}

#[test]
fn drives_of_one_link_share_a_ceiling_and_a_degraded_one_has_its_own() {
    let alike = inventory(vec![drive("41", 32.0, 4), drive("42", 32.0, 4)], ProbeEnded::Completed);
    close("alike", value(&of_inventory(&alike), "nvme.read.bandwidth"), 15.048e9);
    close("together", value(&of_inventory(&alike), "nvme.all.read.bandwidth"), 30.096e9);
    let degraded = inventory(vec![drive("41", 32.0, 4), drive("42", 32.0, 2)], ProbeEnded::Completed);
    close("degraded", value(&of_inventory(&degraded), "nvme.read.bandwidth{drives=42}"), 7.524e9);
    let unread = inventory(vec![drive("41", 32.0, 4), drive("42", Reading::Absent, 4)], ProbeEnded::Completed);
    assert_eq!(one(&of_inventory(&unread), "nvme.all.read.bandwidth").value, None, "a drive that is not known is not left out of the sum");
}

#[test]
fn a_port_without_a_link_has_no_ceiling_of_goodput() {
    let port = |name: &str, carrier: bool| {
        let speed = if carrier { 200_000_000_000_u64.into() } else { Reading::Absent };
        Component::new(Kind::Nic, name)
            .with(Attr::Carrier, "sysfs", carrier)
            .with(Attr::Speed, "sysfs", speed)
            .with(Attr::Mtu, "sysfs", 9000_u64)
            .with(Attr::LinkSpeed, "sysfs", 16.0)
            .with(Attr::LinkWidth, "sysfs", 16_u64)
    };
    let ceilings = of_inventory(&inventory(vec![port("eth0", true), port("eth1", false)], ProbeEnded::Completed));
    close("TCP", value(&ceilings, "nic.port.tcp_goodput"), 197.92e9);
    assert!(of_inventory(&inventory(vec![port("eth1", false)], ProbeEnded::Completed)).iter().all(|ceiling| !ceiling.metric.0.starts_with("nic.")));
}

#[test]
fn tcp_over_a_line_leaves_what_its_frames_leave() {
    let plain = TcpFraming::UNTAGGED;
    for (what, framing, mtu, expected) in [
        ("200G untagged, 1500", plain, 1500.0, 188.30),
        ("200G untagged, 9000", plain, 9000.0, 198.01),
        ("200G tagged, 1500", TcpFraming::TAGGED, 1500.0, 187.81),
        ("200G tagged, 9000", TcpFraming::TAGGED, 9000.0, 197.92),
        ("without timestamps, 1500", TcpFraming { timestamps: false, ..plain }, 1500.0, 189.86),
        ("IPv6, 1500", TcpFraming { ipv6: true, ..plain }, 1500.0, 185.70),
        ("VXLAN of the host, 1500", TcpFraming { vxlan: Some(OuterIp::V4), ..plain }, 1500.0, 182.37),
        // Worked out by hand: 200 x 1448 / (1500 + 38 + 70).
        ("VXLAN of the host over IPv6, 1500", TcpFraming { vxlan: Some(OuterIp::V6), ..plain }, 1500.0, 180.10),
        ("two tags, 9000", TcpFraming { vlan_tags: 2, ..plain }, 9000.0, 197.83),
    ] {
        assert!((200.0 * framing.share(mtu) - expected).abs() < 0.01, "{what}: {}", 200.0 * framing.share(mtu));
    }
    assert!(plain.share(52.0).is_nan() && plain.share(40.0).is_nan());
}

#[test]
fn a_tcp_path_is_bounded_by_its_lines_or_by_its_slots_whichever_is_less() {
    let path = TcpPath {
        lines: 2,
        line_bits_per_s: 200_000_000_000_u64.into(),
        mtu: 9000_u64.into(),
        framing: TcpFraming::UNTAGGED,
        cards: 1,
        gtps: 16.0.into(),
        lanes: 16_u64.into(),
        max_payload: Some(512),
    };
    let value = |path: &TcpPath| of_tcp_path(path).value.unwrap_or(f64::NAN) / 1e9;
    close("two lines in one PCIe 4 slot", value(&path), 240.8 * 8948.0 / 9014.0);
    close("with MPS 256", value(&TcpPath { max_payload: Some(256), ..path.clone() }), 230.5 * 8948.0 / 9014.0);
    close("on two cards", value(&TcpPath { cards: 2, ..path.clone() }), 2.0 * 198.01);
    close("one line", value(&TcpPath { lines: 1, ..path.clone() }), 198.01);
    close("one line, 1500", value(&TcpPath { lines: 1, mtu: 1500_u64.into(), ..path.clone() }), 188.30);
    close("in a PCIe 5 slot", value(&TcpPath { gtps: 32.0.into(), ..path.clone() }), 2.0 * 198.01);
    let unread = of_tcp_path(&TcpPath { gtps: Reading::Absent, max_payload: None, ..path });
    assert_eq!((unread.value, missing(&unread)), (None, vec!["link speed, GT/s"]));
    assert!(unread.inputs.iter().any(|(name, _)| name.contains("assumed")) && unread.formula.contains("MTU - 52 B"), "{}", unread.formula);
}

#[test]
fn the_life_of_a_drive_is_that_of_its_own_part_and_not_of_another_of_its_size() {
    let (bom, parts) = (ordered(), shipped());
    let size = 480_103_981_056_u64;
    let drive = |serial: &str, pci_id: Reading| {
        let drive = Component::new(Kind::Nvme, serial).with(Attr::Serial, "sysfs", serial).with(Attr::PciId, "sysfs", pci_id);
        drive.with(Attr::Capacity, "sysfs", size)
    };
    let drives = vec![drive("OURS", "1344:51c3".into()), drive("FOREIGN", "144d:a80a".into()), drive("UNREAD", Reading::Unreadable("EIO".into()))];
    let inventory = inventory(drives, ProbeEnded::Completed);
    let dwpd = parts.nvme["micron-7450-pro-480gb"].dwpd.expect("known");
    let rated = |serial: &str| rated_bytes(&bom, &parts, &inventory, serial);
    close("ours", rated("OURS").expect("known"), dwpd * 480_103_981_056.0 * 5.0 * 365.0);
    assert_eq!(["FOREIGN", "UNREAD", "NOT THERE"].map(rated), [None; 3]);
}
