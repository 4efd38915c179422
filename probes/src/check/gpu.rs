//! GPUs as PCI devices: the link of the board that carries them, whether they are on one board, whose driver they are bound to, and who shares their IOMMU
//! group. What their driver says of them is judged elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading};
use assay_model::inventory::Inventory;
use assay_model::parts::GpuPart;
use assay_model::site::Site;
use assay_model::site::declared::{GpuConsumers, VmGpu};
use assay_model::verdict::{Reason, Verdict};

use super::findings::Findings;
use super::pcie::{device, has_class};
use super::question::{Question, absent};
use super::seen::{Seen, count, number, text};

pub(super) const BOARD_LINK: Question = Question { id: "gpu.board_link", expected: "speed and lanes of the board, at its upstream port" };
pub(super) const ONE_BOARD: Question = Question { id: "gpu.one_board", expected: "as many boards as ordered, each behind one upstream port" };
pub(super) const BINDING: Question = Question { id: "gpu.binding", expected: "the driver of its declared consumer" };
pub(super) const IOMMU_GROUPS: Question = Question { id: "gpu.iommu_groups", expected: "alone in its IOMMU group, if it is for virtual machines" };
pub(super) const VGPU_TYPES: Question = Question { id: "gpu.vgpu_types", expected: "the declared virtual GPU can be made" };

const NOBODY: &str = "no GPU was found";

/// The ordered board, when the order names one that the catalogue knows, and how many of it are ordered.
fn board(site: &Site) -> Option<(&GpuPart, u64)> {
    let line = site.bom.as_ref()?.of(Kind::Gpu).find(|line| line.part.is_some())?;
    let part = site.parts.gpu.get(line.part.as_deref()?)?;
    let boards = line.facts.get("boards").copied().unwrap_or_else(|| u64::from(line.quantity.div_ceil(part.gpus.max(1))));
    Some((part, boards))
}

const UNKNOWN_BOARD: &str = "the order names no GPU board that the parts catalogue knows";

pub(super) fn board_link(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let gpus = match BOARD_LINK.subjects(inventory, site, Kind::Gpu) {
        Ok(gpus) => gpus,
        Err(unasked) => return unasked,
    };
    let Some((part, _)) = board(site) else {
        return vec![BOARD_LINK.absent(site, Kind::Gpu.name(), UNKNOWN_BOARD, site.origin.as_str())];
    };
    let mut asked = BTreeSet::new();
    gpus.iter().filter_map(|gpu| one_board_link(inventory, site, part, gpu, &mut asked)).collect()
}

/// The link of the board of one GPU; nothing when another GPU has asked for it.
fn one_board_link<'a>(inventory: &'a Inventory, site: &Site, part: &GpuPart, gpu: &'a Component, asked: &mut BTreeSet<&'a str>) -> Option<Check> {
    let seen = Seen::of(gpu, &[Attr::BoardPort]);
    let unclear = |reason| Some(BOARD_LINK.answer(&gpu.locator, &seen, Verdict::Inconclusive(reason)));
    // A board with one GPU has no switch, and its link is the GPU's own.
    let address = match text(gpu, Attr::BoardPort) {
        Ok(Some(port)) => port,
        Ok(None) if part.gpus == 1 => gpu.locator.as_str(),
        Ok(None) => return unclear(Reason::Invalid(format!("{} is behind no switch, and its board has one for {} GPUs", gpu.locator, part.gpus))),
        Err(reason) => return unclear(reason),
    };
    if !asked.insert(address) {
        return None;
    }
    let Some(port) = inventory.iter(Kind::Pci).find(|function| function.locator == address) else {
        return unclear(Reason::Unreadable(format!("{address}, the port of the board, is not among the PCI functions")));
    };
    let seen = Seen::of(port, &[Attr::LinkWidth, Attr::LinkSpeed]);
    let mut findings = Findings::default();
    if let Some(lanes) = findings.value(Attr::LinkWidth, number(port, Attr::LinkWidth)) {
        match lanes {
            lanes if lanes > 32.0 => findings.unclear(Reason::Invalid(format!("{} says {lanes}, which no link has", port.source(Attr::LinkWidth)))),
            lanes if lanes < f64::from(part.pcie_lanes) => findings.wrong(format!("{} is {lanes} of {}", Attr::LinkWidth, part.pcie_lanes)),
            _ => {}
        }
    }
    match (part.pcie_gtps, findings.value(Attr::LinkSpeed, number(port, Attr::LinkSpeed))) {
        (None, _) => findings.unclear(Reason::NotRun("the parts catalogue has no PCIe speed of the board".into())),
        (Some(gtps), Some(speed)) if speed < gtps => {
            let why = format!("{} is {speed} of {gtps} GT/s", Attr::LinkSpeed);
            // Without a switch it is the GPU's own link, which it slows down when idle.
            if address == gpu.locator {
                findings.unclear(Reason::Disturbed(format!("{why}: it has to be read under load")))
            } else {
                findings.wrong(why)
            }
        }
        (Some(_), _) => {}
    }
    let speed = part.pcie_gtps.map_or_else(|| "unknown".into(), |gtps| gtps.to_string());
    let expected = format!("{speed} GT/s and {} lanes", part.pcie_lanes);
    Some(Check::new(BOARD_LINK.id, address, findings.verdict(site, &seen), expected, seen.observed(), seen.source()))
}

pub(super) fn one_board(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let gpus = match ONE_BOARD.subjects(inventory, site, Kind::Gpu) {
        Ok(gpus) => gpus,
        Err(unasked) => return unasked,
    };
    let Some((part, boards)) = board(site) else {
        return vec![ONE_BOARD.absent(site, Kind::Gpu.name(), UNKNOWN_BOARD, site.origin.as_str())];
    };
    // Where a GPU is, is what its root port tells; that it is behind no switch may be right.
    let seen = Seen::across(&gpus, Attr::BoardPort).and(Seen::across(&gpus, Attr::RootPort));
    let mut findings = Findings::default();
    let mut by_port: BTreeMap<&str, u64> = BTreeMap::new();
    for gpu in &gpus {
        match text(gpu, Attr::BoardPort) {
            Ok(Some(port)) => *by_port.entry(port).or_default() += 1,
            Ok(None) if part.gpus == 1 => *by_port.entry(&gpu.locator).or_default() += 1,
            Ok(None) => findings.wrong(format!("{} is behind no switch", gpu.locator)),
            Err(reason) => findings.unclear(reason),
        }
    }
    let found = u64::try_from(by_port.len()).unwrap_or(u64::MAX);
    let observed = by_port.iter().map(|(port, gpus)| format!("{gpus} behind {port}")).collect::<Vec<_>>().join(", ");
    if found > boards {
        findings.wrong(format!("they are behind {found} upstream ports: {observed}"));
    } else if let Some((port, gpus)) = by_port.iter().find(|(_, gpus)| **gpus != u64::from(part.gpus)) {
        findings.wrong(format!("{gpus} of {} are behind {port}", part.gpus));
    } else if found < boards {
        findings.wrong(format!("{found} of {boards} boards are there"));
    }
    let expected = format!("{} behind each of {boards} upstream ports", part.gpus);
    vec![Check::new(ONE_BOARD.id, Kind::Gpu.name(), findings.verdict(site, &seen), expected, observed, seen.source())]
}

/// What a GPU is declared to be used for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Consumer {
    Vm(VmGpu),
    Container,
}

fn consumer(declared: &GpuConsumers, gpu: &Component) -> Result<Consumer, Reason> {
    let is_in = |list: &[String]| list.contains(&gpu.locator);
    match (is_in(&declared.vm), is_in(&declared.container)) {
        (true, false) => Ok(Consumer::Vm(declared.vm_by)),
        (false, true) => Ok(Consumer::Container),
        (true, true) => Err(Reason::Invalid(format!("the site declares {} for virtual machines and for containers", gpu.locator))),
        (false, false) => Err(Reason::NotRun(format!("the site does not declare whose {} is", gpu.locator))),
    }
}

pub(super) fn binding(inventory: &Inventory, site: &Site) -> Vec<Check> {
    BINDING.each(inventory, site, Kind::Gpu, NOBODY, |gpu| {
        let seen = Seen::of(gpu, &[Attr::Driver]);
        let Some(declared) = &site.declared.platform.gpus else {
            return [BINDING.answer(&gpu.locator, &seen, absent(site, "the site does not declare which GPU is whose"))];
        };
        let wanted = match consumer(declared, gpu) {
            Ok(Consumer::Vm(VmGpu::Passthrough)) => "vfio-pci",
            // Both the vGPU manager and the driver for the host call themselves so; never both on one GPU, because only one can be bound.
            Ok(Consumer::Vm(VmGpu::Vgpu) | Consumer::Container) => "nvidia",
            Err(reason) => return [BINDING.answer(&gpu.locator, &seen, Verdict::Inconclusive(reason))],
        };
        let verdict = match text(gpu, Attr::Driver) {
            Ok(Some(driver)) if driver == wanted => Verdict::pass_on(seen.evidence()),
            Ok(Some(driver)) => Verdict::Fail(format!("it is bound to {driver}")),
            // The link is there whenever a driver is bound: without it, none is.
            Ok(None) => Verdict::Fail("it is bound to no driver".into()),
            Err(reason) => Verdict::Inconclusive(reason),
        };
        [Check::new(BINDING.id, &gpu.locator, verdict, wanted, seen.observed(), seen.source())]
    })
}

pub(super) fn iommu_groups(inventory: &Inventory, site: &Site) -> Vec<Check> {
    IOMMU_GROUPS.each(inventory, site, Kind::Gpu, NOBODY, |gpu| {
        let seen = Seen::of(gpu, &[Attr::IommuGroup, Attr::IommuGroupMembers]);
        let verdict = match &site.declared.platform.gpus {
            None => absent(site, "the site does not declare which GPU is whose"),
            Some(declared) => match consumer(declared, gpu) {
                Ok(Consumer::Vm(VmGpu::Passthrough)) => isolated(inventory, gpu).verdict(site, &seen),
                Ok(Consumer::Vm(VmGpu::Vgpu) | Consumer::Container) => Verdict::NotApplicable("no virtual machine gets it as a whole".into()),
                Err(reason) => Verdict::Inconclusive(reason),
            },
        };
        [IOMMU_GROUPS.answer(&gpu.locator, &seen, verdict)]
    })
}

// Both the kernel's list of the group and what every function says of its own group are looked at. Ports in the group do no harm, and the GPU's own functions
// (its audio) go with it.
fn isolated(inventory: &Inventory, gpu: &Component) -> Findings {
    let mut findings = Findings::default();
    let Some(group) = findings.value(Attr::IommuGroup, count(gpu, Attr::IommuGroup)) else { return findings };
    let listed = findings.value(Attr::IommuGroupMembers, text(gpu, Attr::IommuGroupMembers)).unwrap_or_default();
    let mut members: BTreeSet<&str> = listed.split_whitespace().collect();
    for function in inventory.iter(Kind::Pci) {
        match function.reading(Attr::IommuGroup) {
            Reading::Value(_) if count(function, Attr::IommuGroup) == Ok(Some(group)) => drop(members.insert(&function.locator)),
            Reading::Unreadable(why) => findings.unclear(Reason::Unreadable(format!("{}: {why}", function.source(Attr::IommuGroup)))),
            Reading::Value(_) | Reading::Absent => {}
        }
    }
    let is_foreign = |member: &&&str| {
        let own = member.rsplit_once('.').map(|(device, _)| device) == Some(device(gpu));
        let is_port = inventory.iter(Kind::Pci).any(|function| function.locator == **member && has_class(function, "0604"));
        !own && !is_port
    };
    let foreign: Vec<&str> = members.iter().filter(is_foreign).copied().collect();
    if !foreign.is_empty() {
        findings.wrong(format!("{} in group {group} as well", foreign.join(", ")));
    }
    findings
}

pub(super) fn vgpu_types(inventory: &Inventory, site: &Site) -> Vec<Check> {
    VGPU_TYPES.each(inventory, site, Kind::Gpu, NOBODY, |gpu| {
        let seen = Seen::of(gpu, &[Attr::VgpuTypes, Attr::VgpusInUse]);
        let verdict = match &site.declared.platform.gpus {
            None => absent(site, "the site does not declare which GPU is whose"),
            Some(declared) => match (consumer(declared, gpu), &declared.vgpu_type) {
                (Ok(Consumer::Vm(VmGpu::Vgpu)), Some(wanted)) => can_make(gpu, wanted).verdict(site, &seen),
                (Ok(Consumer::Vm(VmGpu::Vgpu)), None) => absent(site, "the site declares no type of virtual GPU"),
                (Ok(Consumer::Vm(VmGpu::Passthrough) | Consumer::Container), _) => Verdict::NotApplicable("it is not divided".into()),
                (Err(reason), _) => Verdict::Inconclusive(reason),
            },
        };
        [VGPU_TYPES.answer(&gpu.locator, &seen, verdict)]
    })
}

fn can_make(gpu: &Component, wanted: &str) -> Findings {
    let mut findings = Findings::default();
    let types = findings.value(Attr::VgpuTypes, text(gpu, Attr::VgpuTypes));
    let in_use = findings.value(Attr::VgpusInUse, count(gpu, Attr::VgpusInUse));
    if let (Some(types), Some(in_use)) = (types, in_use)
        && !types.split(", ").any(|name| name == wanted)
    {
        // Where guests have theirs, there may be no room for one more.
        match in_use {
            0 => findings.wrong(format!("{wanted} is not among those that can be made")),
            _ => findings.unclear(Reason::Disturbed(format!("{in_use} are in use, and {wanted} cannot be made beside them"))),
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, generic, ordering, rank, strict, unreadable};

    const UP: &str = "0000:81:00.0";
    const FIRST: &str = "0000:83:00.0";

    fn part(gpus: u32) -> GpuPart {
        GpuPart { source: "a test".into(), gpus, memory_bytes: 16 << 30, pcie_lanes: 16, pcie_gtps: Some(16.0), mig: BTreeMap::new() }
    }

    fn ordered(quantity: u32, gpus: u32) -> Site {
        let mut site = ordering(strict(), Kind::Gpu, quantity, |site| drop(site.parts.gpu.insert("part".into(), part(gpus))));
        let vm = vec![FIRST.to_owned(), "0000:84:00.0".into()];
        let container = vec!["0000:85:00.0".into(), "0000:86:00.0".into()];
        site.declared.platform.gpus = Some(GpuConsumers { vm, vm_by: VmGpu::Passthrough, vgpu_type: None, container });
        site
    }

    fn site() -> Site {
        ordered(4, 4)
    }

    /// A board with a switch and four GPUs, two for virtual machines.
    fn node() -> Node {
        let port = component(
            Kind::Pci,
            UP,
            &[
                (Attr::PciClass, "0x060400".into()),
                (Attr::LinkSpeed, 16.0.into()),
                (Attr::LinkWidth, 16_u64.into()),
                (Attr::IommuGroup, 80_u64.into()),
            ],
        );
        (0..4_u64).fold(Node::healthy().without(Kind::Pci).with(port), |node, number| {
            let (address, group) = (format!("0000:{}:00.0", 83 + number), 84 + number);
            let gpu = component(
                Kind::Gpu,
                &address,
                &[
                    (Attr::Driver, if number < 2 { "vfio-pci".into() } else { "nvidia".into() }),
                    (Attr::BoardPort, UP.into()),
                    (Attr::IommuGroup, group.into()),
                    (Attr::IommuGroupMembers, address.as_str().into()),
                ],
            );
            let function = component(Kind::Pci, &address, &[(Attr::PciClass, "0x030200".into()), (Attr::IommuGroup, group.into())]);
            node.with(gpu).with(function)
        })
    }

    type Ask = fn(&Inventory, &Site) -> Vec<Check>;
    const ALL: [Ask; 4] = [board_link, one_board, binding, iommu_groups];

    fn at(ask: Ask, node: &Node) -> Rank {
        rank(&ask(&node.0, &site()))
    }

    #[test]
    fn a_board_as_ordered_passes_and_where_nothing_is_ordered_nothing_is_judged() {
        for ask in ALL {
            assert_eq!(
                (at(ask, &node()), rank(&ask(&node().0, &generic())), rank(&ask(&node().0, &strict()))),
                (Rank::Pass, Rank::NotApplicable, Rank::Inconclusive)
            );
        }
        assert_eq!(board_link(&node().0, &site()).len(), 1, "one answer for one board");
    }

    #[test]
    fn a_narrow_or_slow_board_is_found_and_its_idle_gpus_are_not_held_against_it() {
        for (attr, other) in [(Attr::LinkWidth, Reading::from(8_u64)), (Attr::LinkSpeed, 8.0.into())] {
            assert_eq!(at(board_link, &node().plant(Kind::Pci, UP, attr, other)), Rank::Fail, "{attr}");
            for reading in [unreadable(), Reading::Absent, "x".into(), 255.0.into()] {
                let expected = if attr == Attr::LinkSpeed && reading == 255.0.into() { Rank::Pass } else { Rank::Inconclusive };
                assert_eq!(at(board_link, &node().plant(Kind::Pci, UP, attr, reading.clone())), expected, "{attr} {reading}");
            }
        }
        assert_eq!(at(board_link, &node().pulled(Kind::Pci, UP)), Rank::Inconclusive);
        assert_eq!(at(board_link, &node().plant(Kind::Gpu, FIRST, Attr::BoardPort, Reading::Absent)), Rank::Inconclusive);
    }

    #[test]
    fn a_card_with_one_gpu_is_judged_by_its_own_link() {
        let card = |speed: f64, lanes: u64| {
            let function = component(Kind::Pci, FIRST, &[(Attr::LinkSpeed, speed.into()), (Attr::LinkWidth, lanes.into())]);
            let gpu = component(Kind::Gpu, FIRST, &[(Attr::BoardPort, Reading::Absent), (Attr::RootPort, "0000:80:01.1".into())]);
            Node::healthy().without(Kind::Pci).with(gpu).with(function)
        };
        let judged = |node: Node| (rank(&board_link(&node.0, &ordered(1, 1))), rank(&one_board(&node.0, &ordered(1, 1))));
        assert_eq!(judged(card(16.0, 16)), (Rank::Pass, Rank::Pass));
        assert_eq!((judged(card(2.5, 16)).0, judged(card(2.5, 8)).0), (Rank::Inconclusive, Rank::Fail));
    }

    #[test]
    fn gpus_on_two_boards_or_on_none_are_found() {
        for port in [Reading::from("0000:e2:00.0"), Reading::Absent] {
            assert_eq!(at(one_board, &node().plant(Kind::Gpu, FIRST, Attr::BoardPort, port)), Rank::Fail);
        }
        assert_eq!(at(one_board, &node().pulled(Kind::Gpu, FIRST)), Rank::Fail);
        assert_eq!(at(one_board, &node().plant(Kind::Gpu, FIRST, Attr::BoardPort, unreadable())), Rank::Fail, "three of four are left");
        assert_eq!(rank(&one_board(&node().0, &ordered(8, 4))), Rank::Fail, "the second board is missing");
    }

    #[test]
    fn the_wrong_driver_or_none_is_found() {
        for (gpu, driver) in
            [(FIRST, Reading::from("nvidia")), ("0000:85:00.0", "vfio-pci".into()), ("0000:86:00.0", "nouveau".into()), (FIRST, Reading::Absent)]
        {
            let planted = node().plant(Kind::Gpu, gpu, Attr::Driver, driver.clone());
            assert_eq!((planted.clone(), at(binding, &planted)).1, Rank::Fail, "{gpu} {driver}");
        }
        assert_eq!(at(binding, &node().plant(Kind::Gpu, FIRST, Attr::Driver, unreadable())), Rank::Inconclusive);
    }

    #[test]
    fn a_gpu_of_nobody_or_of_two_is_inconclusive() {
        let declaring = |vm: &[&str], container: &[&str]| {
            let mut site = site();
            let owned = |list: &[&str]| list.iter().map(|gpu| (*gpu).to_owned()).collect();
            site.declared.platform.gpus = Some(GpuConsumers { vm: owned(vm), container: owned(container), ..GpuConsumers::default() });
            rank(&binding(&node().0, &site))
        };
        let rest = ["0000:85:00.0", "0000:86:00.0"];
        assert_eq!(declaring(&[FIRST], &rest), Rank::Inconclusive);
        assert_eq!(declaring(&[FIRST, "0000:84:00.0"], &[FIRST, rest[0], rest[1]]), Rank::Inconclusive);
    }

    #[test]
    fn whoever_shares_the_group_of_a_gpu_for_virtual_machines_is_found() {
        let listed = node().plant(Kind::Gpu, FIRST, Attr::IommuGroupMembers, "0000:83:00.0 0000:05:00.4");
        assert_eq!(at(iommu_groups, &listed), Rank::Fail);
        let linked = node().plant(Kind::Pci, "0000:85:00.0", Attr::IommuGroup, 84_u64);
        assert_eq!(at(iommu_groups, &linked), Rank::Fail);
        let container = node().plant(Kind::Gpu, "0000:86:00.0", Attr::IommuGroupMembers, "0000:86:00.0 0000:05:00.4");
        assert_eq!(at(iommu_groups, &container), Rank::Pass);
        let with_ports = node().plant(Kind::Gpu, FIRST, Attr::IommuGroupMembers, "0000:81:00.0 0000:83:00.0 0000:83:00.1");
        assert_eq!(at(iommu_groups, &with_ports), Rank::Pass);
    }

    #[test]
    fn groups_that_are_not_known_are_never_a_pass() {
        for attr in [Attr::IommuGroup, Attr::IommuGroupMembers] {
            for reading in [unreadable(), Reading::Absent] {
                assert_eq!(at(iommu_groups, &node().plant(Kind::Gpu, FIRST, attr, reading)), Rank::Inconclusive, "{attr}");
            }
        }
        assert_eq!(at(iommu_groups, &node().plant(Kind::Pci, "0000:86:00.0", Attr::IommuGroup, unreadable())), Rank::Inconclusive);
    }

    #[test]
    fn the_declared_virtual_gpu_must_be_among_those_that_can_be_made() {
        let judged = |types: Reading, in_use: Reading, wanted: Option<&str>| {
            let node = node().plant(Kind::Gpu, FIRST, Attr::VgpuTypes, types).plant(Kind::Gpu, FIRST, Attr::VgpusInUse, in_use);
            let mut site = ordered(1, 1);
            let gpus = GpuConsumers { vm: vec![FIRST.into()], vm_by: VmGpu::Vgpu, vgpu_type: wanted.map(str::to_owned), container: Vec::new() };
            site.declared.platform.gpus = Some(gpus);
            vgpu_types(&node.0, &site).into_iter().find(|check| check.subject == FIRST).expect("an answer").verdict.rank()
        };
        let types = || "NVIDIA A16-4Q, NVIDIA A16-8Q".into();
        assert_eq!(judged(types(), 0_u64.into(), Some("NVIDIA A16-4Q")), Rank::Pass);
        assert_eq!(judged(types(), 0_u64.into(), Some("NVIDIA A16-4")), Rank::Fail);
        assert_eq!(judged(types(), 2_u64.into(), Some("NVIDIA A16-16Q")), Rank::Inconclusive);
        assert_eq!(judged(types(), 0_u64.into(), None), Rank::Inconclusive);
        for reading in [unreadable(), Reading::Absent] {
            assert_eq!(judged(reading.clone(), 0_u64.into(), Some("NVIDIA A16-4Q")), Rank::Inconclusive);
            assert_eq!(judged(types(), reading, Some("NVIDIA A16-4Q")), Rank::Inconclusive);
        }
        assert_eq!((at(vgpu_types, &node()), rank(&vgpu_types(&node().0, &generic()))), (Rank::NotApplicable, Rank::NotApplicable));
    }
}
