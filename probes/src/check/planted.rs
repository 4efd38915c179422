//! Made-up nodes for the tests of checks: a healthy two-socket server, in which a test plants its fault.

use assay_model::attr::{Attr, Kind};
use assay_model::bom::{Bom, BomLine};
use assay_model::check::{Absence, Check};
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::{Inventory, ProbeEnded, ProbeOutcome};
use assay_model::parts::{CpuPart, Parts};
use assay_model::site::Site;
use assay_model::site::declared::Declared;
use assay_model::verdict::{Rank, worst};

pub(super) const GIB: u64 = 1 << 30;

/// A site with an order: what is absent is Inconclusive.
pub(super) fn strict() -> Site {
    Site {
        name: "strict".into(),
        origin: "a test".into(),
        digest: String::new(),
        absence: Absence::Inconclusive,
        nodes: Vec::new(),
        bom: None,
        contradictions: Vec::new(),
        waivers: Vec::new(),
        not_here: Vec::new(),
        parts: Parts::default(),
        declared: Declared::default(),
        gates: Vec::new(),
    }
}

/// A site that orders nothing: what is absent does not apply.
pub(super) fn generic() -> Site {
    Site { name: "generic".into(), absence: Absence::NotApplicable, ..strict() }
}

/// A strict site that orders two processors of a part with so many memory channels and 128 or 160 PCIe lanes.
pub(super) fn ordering_processor(memory_channels: u32) -> Site {
    let part = CpuPart {
        source: "a test".into(),
        sockets_max: 2,
        memory_channels,
        dimms_per_channel_max: 2,
        memory_bytes_max: 6 << 40,
        memory_mtps: vec![4800],
        pcie_lanes: vec![128, 160],
        pcie_gtps: 32.0,
    };
    ordering(strict(), Kind::Cpu, 2, |site| drop(site.parts.cpu.insert("part".into(), part)))
}

/// The site with one line that orders a `part` of a kind.
pub(super) fn ordering(mut site: Site, kind: Kind, quantity: u32, add_part: impl FnOnce(&mut Site)) -> Site {
    add_part(&mut site);
    let (select, expect, facts) = Default::default();
    let line = BomLine { name: "ordered".into(), kind, quantity, part: Some("part".into()), select, expect, facts };
    site.bom = Some(Bom { schema: 1, node_class: "made-up".into(), revision: "1".into(), lines: vec![line], cluster: None });
    site
}

pub(super) fn unreadable() -> Reading {
    Reading::Unreadable("Input/output error (os error 5)".into())
}

/// A component whose sources are named after its locator and attributes.
pub(super) fn component(kind: Kind, locator: &str, attributes: &[(Attr, Reading)]) -> Component {
    let add = |component: Component, (attr, reading): &(Attr, Reading)| component.with(*attr, format!("/sys/{locator}/{attr}"), reading.clone());
    attributes.iter().fold(Component::new(kind, locator), add)
}

/// A drive with nothing to be said against it.
pub(super) fn drive(address: &str, serial: &str) -> Component {
    let attributes: &[(Attr, Reading)] = &[
        (Attr::State, "live".into()),
        (Attr::Model, "a drive".into()),
        (Attr::Serial, serial.into()),
        (Attr::IdentifiedSerial, serial.into()),
        (Attr::Firmware, "0107".into()),
        (Attr::CriticalWarning, 0_u64.into()),
        (Attr::MediaErrors, 0_u64.into()),
        (Attr::AvailableSpare, 100_u64.into()),
        (Attr::SpareThreshold, 10_u64.into()),
        (Attr::PercentageUsed, 0_u64.into()),
        (Attr::HotMinutes, 0_u64.into()),
        (Attr::CriticalMinutes, 0_u64.into()),
        (Attr::UnsafeShutdowns, 3_u64.into()),
        (Attr::ErrorLogEntries, 7_u64.into()),
        (Attr::Temperature, 38.0.into()),
        (Attr::TemperatureMax, 77.0.into()),
        (Attr::SelfTest, "passed".into()),
        (Attr::SelfTestsFailed, 0_u64.into()),
        (Attr::SelfTestRunning, false.into()),
        (Attr::FirmwareSlot, 1_u64.into()),
        (Attr::FirmwareStored, "0107".into()),
        (Attr::Sanitize, "never".into()),
        (Attr::LogicalBlockSize, 4096_u64.into()),
        (Attr::MetadataSize, 0_u64.into()),
        (Attr::ProtectionType, 0_u64.into()),
        (Attr::HardwareErrors, Reading::Value(Value::List(vec!["2 x unsafe shutdown".into()]))),
        (Attr::UncorrectableReads, 0_u64.into()),
        (Attr::EndToEndErrors, 0_u64.into()),
        (Attr::CapacitorHealth, 100_u64.into()),
        (Attr::BadUserBlocks, 100_u64.into()),
        (Attr::BadSystemBlocks, 100_u64.into()),
    ];
    component(Kind::Nvme, address, attributes)
}

/// A node under construction.
#[derive(Clone)]
pub(super) struct Node(pub(super) Inventory);

impl Node {
    /// A node on which every probe looked and found nothing.
    pub(super) fn bare() -> Self {
        let probes =
            Kind::ALL.iter().map(|kind| ProbeOutcome { probe: kind.name().into(), kinds: vec![*kind], ended: ProbeEnded::Completed, elapsed_ns: 1 });
        Self(Inventory {
            host: "made-up".into(),
            boot_id: "0".into(),
            taken_at: "2026-11-22T00:00:00Z".into(),
            components: Vec::new(),
            probes: probes.collect(),
        })
    }

    /// A healthy server with all that the checks ask for.
    pub(super) fn healthy() -> Self {
        let mut node = Self::bare();
        for package in ["package 0", "package 1"] {
            node = node.with(component(
                Kind::Cpu,
                package,
                &[
                    (Attr::Vendor, "AuthenticAMD".into()),
                    (Attr::Model, "AMD EPYC 9534 64-Core Processor".into()),
                    (Attr::Family, 25_u64.into()),
                    (Attr::ModelNumber, 17_u64.into()),
                    (Attr::Stepping, 1_u64.into()),
                    (Attr::Microcode, "0xa101148".into()),
                    (Attr::Cores, 64_u64.into()),
                    (Attr::Threads, 128_u64.into()),
                    (Attr::ThreadsOffline, 0_u64.into()),
                    (Attr::L3Bytes, (256_u64 << 20).into()),
                    (Attr::Governor, "performance".into()),
                ],
            ));
            node = node.with(component(Kind::Throttle, package, &[(Attr::CoreThrottles, 0_u64.into()), (Attr::PackageThrottles, 0_u64.into())]));
            node = node.with(component(Kind::Edac, package, &[(Attr::CorrectedErrors, 0_u64.into()), (Attr::UncorrectedErrors, 0_u64.into())]));
        }
        for slot in 0..24 {
            node = node.with(module(&format!("DIMM_{slot:02}"), 96 * GIB));
        }
        for (number, cpus) in [("node0", "0-63,128-191"), ("node1", "64-127,192-255")] {
            node = node.with(component(Kind::NumaNode, number, &[(Attr::CpuList, cpus.into()), (Attr::Total, (1130 * GIB).into())]));
        }
        node.with(component(Kind::Dimm, "DIMM_24", &[(Attr::Populated, false.into())]))
            .with(component(Kind::MemoryArray, "array 0", &[(Attr::ErrorCorrection, "Multi-bit ECC".into())]))
            .with(component(Kind::Memory, "node", &[(Attr::Total, (2260 * GIB).into())]))
            .with(component(Kind::MachineCheck, "node", &[(Attr::MachineChecks, 0_u64.into())]))
            .with_pci()
            .with_bond()
            .with(drive("0000:41:00.0", "S1"))
            .with(component(Kind::Block, "nvme0n1", &[(Attr::ReadOnly, false.into()), (Attr::Removable, false.into())]))
            .with(component(Kind::Block, "sr0", &[(Attr::ReadOnly, true.into()), (Attr::Removable, true.into())]))
            .with(component(
                Kind::Nic,
                "eth0",
                &[
                    (Attr::Carrier, true.into()),
                    (Attr::ReceiveErrors, 0_u64.into()),
                    (Attr::TransmitErrors, 0_u64.into()),
                    (Attr::PciId, "15b3:101b".into()),
                    (Attr::Speed, 200_000_000_000_u64.into()),
                    (Attr::LinkLayer, "Ethernet".into()),
                    (Attr::FecActive, "RS".into()),
                    (Attr::Firmware, "20.43.2566".into()),
                    (Attr::FirmwareStored, "20.43.2566".into()),
                    (Attr::Psid, "MT_0000000225".into()),
                    (Attr::ModuleVendor, "Mellanox".into()),
                    (Attr::ModulePart, "MMA1T00-VS".into()),
                    (Attr::ModuleTemperature, 47.5.into()),
                    (Attr::ModuleTemperatureLow, (-10.0).into()),
                    (Attr::ModuleTemperatureHigh, 80.0.into()),
                    (Attr::ModuleTransmitMin, 1.1e-3.into()),
                    (Attr::ModuleTransmitMax, 1.3e-3.into()),
                    (Attr::ModuleTransmitLow, 5.1e-5.into()),
                    (Attr::ModuleTransmitHigh, 3.1e-3.into()),
                    (Attr::ModuleReceiveMin, 0.9e-3.into()),
                    (Attr::ModuleReceiveMax, 1.0e-3.into()),
                    (Attr::ModuleReceiveLow, 4.1e-5.into()),
                    (Attr::ModuleReceiveHigh, 3.1e-3.into()),
                ],
            ))
            .with(component(
                Kind::Nic,
                "eth1",
                &[
                    (Attr::Carrier, Reading::Absent),
                    (Attr::ReceiveErrors, 0_u64.into()),
                    (Attr::TransmitErrors, 0_u64.into()),
                    (Attr::LinkLayer, "Ethernet".into()),
                ],
            ))
            .with(component(
                Kind::Os,
                "node",
                &[
                    (Attr::Tainted, 0_u64.into()),
                    (Attr::Hypervisor, false.into()),
                    (Attr::CommandLine, "BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 quiet".into()),
                ],
            ))
            .with(component(Kind::Clock, "node", &[(Attr::Synchronised, true.into()), (Attr::ClockError, 25_000_000.0.into())]))
            .with(component(Kind::Thermal, "k10temp Tctl", &[(Attr::Temperature, 61.5.into())]))
            .with(component(Kind::Thermal, "nvme Composite", &[(Attr::Temperature, 44.0.into()), (Attr::TemperatureCritical, 84.8.into())]))
    }

    fn with_bond(self) -> Self {
        let bond = component(
            Kind::Bond,
            "bond0",
            &[
                (Attr::BondMode, "802.3ad".into()),
                (Attr::LacpRate, "fast".into()),
                (Attr::XmitHashPolicy, "layer3+4".into()),
                (Attr::LinkPolling, 100_000_000_u64.into()),
                (Attr::Aggregator, 1_u64.into()),
                (Attr::AggregatorPorts, 2_u64.into()),
            ],
        );
        let member = |port| {
            component(
                Kind::BondMember,
                port,
                &[
                    (Attr::Bond, "bond0".into()),
                    (Attr::LinkMonitor, "up".into()),
                    (Attr::Aggregator, 1_u64.into()),
                    (Attr::PartnerMac, "02:00:00:00:00:f1".into()),
                    (Attr::PartnerKey, 17_u64.into()),
                    (Attr::PartnerState, 0x3f_u64.into()),
                ],
            )
        };
        let neighbour = |port, chassis: &str| component(Kind::Neighbour, port, &[(Attr::Listened, 31_u64.into()), (Attr::ChassisId, chassis.into())]);
        self.with(bond)
            .with(member("eth0"))
            .with(member("eth1"))
            .with(neighbour("eth0", "mac 02:00:00:00:0a:01"))
            .with(neighbour("eth1", "mac 02:00:00:00:0a:02"))
    }

    fn with_pci(self) -> Self {
        self.with(component(
            Kind::Pci,
            "0000:40:01.1",
            // A root port with nothing in its slot.
            &[
                (Attr::PciClass, "0x060400".into()),
                (Attr::LinkSpeed, 2.5.into()),
                (Attr::LinkWidth, 0_u64.into()),
                (Attr::LinkSpeedMax, 32.0.into()),
                (Attr::LinkWidthMax, 16_u64.into()),
                (Attr::AerCorrectable, 0_u64.into()),
                (Attr::AerNonfatal, 0_u64.into()),
                (Attr::AerFatal, 0_u64.into()),
            ],
        ))
        .with(linked("0000:41:00.0", "0x010802", (32.0, 4), (32.0, 4), (32.0, 16)))
        // A x16 card in a x8 slot of an older generation: trained as far as the slot allows.
        .with(linked("0000:61:00.0", "0x020000", (16.0, 8), (32.0, 16), (16.0, 8)))
        // An idle GPU and its audio function.
        .with(linked("0000:81:00.0", "0x030000", (2.5, 16), (16.0, 16), (16.0, 16)))
        .with(linked("0000:81:00.1", "0x040300", (2.5, 16), (16.0, 16), (16.0, 16)))
        // A virtual function: it has the registers and no link.
        .with(component(
            Kind::Pci,
            "0000:61:00.2",
            &[
                (Attr::PciClass, "0x020000".into()),
                (Attr::LinkSpeed, Reading::Absent),
                (Attr::LinkWidth, 0_u64.into()),
                (Attr::LinkSpeedMax, 32.0.into()),
                (Attr::LinkWidthMax, 16_u64.into()),
            ],
        ))
        .with(component(Kind::Pci, "0000:00:14.0", &[(Attr::PciClass, "0x0c0500".into())]))
    }

    /// One more component.
    pub(super) fn with(mut self, component: Component) -> Self {
        self.0.components.push(component);
        self
    }

    /// Another reading in place of the one that is there.
    pub(super) fn plant(mut self, kind: Kind, locator: &str, attr: Attr, reading: impl Into<Reading>) -> Self {
        let planted =
            self.0.components.iter_mut().find(|component| component.kind == kind && component.locator == locator).expect("the component is there");
        planted.attributes.insert(attr, reading.into());
        self
    }

    /// Without the components of a kind.
    pub(super) fn without(mut self, kind: Kind) -> Self {
        self.0.components.retain(|component| component.kind != kind);
        self
    }

    /// Without one component.
    pub(super) fn pulled(mut self, kind: Kind, locator: &str) -> Self {
        let before = self.0.components.len();
        self.0.components.retain(|component| component.kind != kind || component.locator != locator);
        assert_eq!(self.0.components.len() + 1, before, "the component was there");
        self
    }

    /// Another end of the probe that answers for a kind; it leaves nothing behind.
    pub(super) fn ended(mut self, kind: Kind, ended: ProbeEnded) -> Self {
        self.0.probes.iter_mut().filter(|outcome| outcome.kinds.contains(&kind)).for_each(|outcome| outcome.ended = ended.clone());
        self.without(kind)
    }

    /// Every reading replaced.
    pub(super) fn all(mut self, reading: &Reading) -> Self {
        self.0.components.iter_mut().flat_map(|component| component.attributes.values_mut()).for_each(|old| *old = reading.clone());
        self
    }

    /// The worst verdict of a check, strict.
    pub(super) fn strictly(&self, check: fn(&Inventory, &Site) -> Vec<Check>) -> Rank {
        rank(&check(&self.0, &strict()))
    }

    /// The worst verdict of a check at the generic site.
    pub(super) fn generically(&self, check: fn(&Inventory, &Site) -> Vec<Check>) -> Rank {
        rank(&check(&self.0, &generic()))
    }

    /// The one answer about a subject, strict.
    pub(super) fn about(&self, subject: &str, check: fn(&Inventory, &Site) -> Vec<Check>) -> Check {
        let mut found: Vec<Check> = check(&self.0, &strict()).into_iter().filter(|check| check.subject == subject).collect();
        assert_eq!(found.len(), 1, "one answer about {subject}");
        found.remove(0)
    }
}

/// The worst of the verdicts.
pub(super) fn rank(checks: &[Check]) -> Rank {
    worst(checks.iter().map(|check| check.verdict.rank()))
}

/// A fitted memory module.
pub(super) fn module(slot: &str, capacity: u64) -> Component {
    component(
        Kind::Dimm,
        slot,
        &[
            (Attr::Populated, true.into()),
            (Attr::Capacity, capacity.into()),
            (Attr::PartNumber, "M321RYGA0PB0-CWMKH".into()),
            (Attr::RatedSpeed, 5600_u64.into()),
            (Attr::ConfiguredSpeed, 4800_u64.into()),
            (Attr::TotalWidth, 80_u64.into()),
            (Attr::DataWidth, 64_u64.into()),
        ],
    )
}

/// A function with a link: (speed, width) now, its own maxima, and those of the port above.
pub(super) fn linked(address: &str, class: &str, now: (f64, u64), own: (f64, u64), above: (f64, u64)) -> Component {
    component(
        Kind::Pci,
        address,
        &[
            (Attr::PciClass, class.into()),
            (Attr::LinkSpeed, now.0.into()),
            (Attr::LinkWidth, now.1.into()),
            (Attr::LinkSpeedMax, own.0.into()),
            (Attr::LinkWidthMax, own.1.into()),
            (Attr::UpstreamPort, "0000:40:01.0".into()),
            (Attr::UpstreamLinkSpeedMax, above.0.into()),
            (Attr::UpstreamLinkWidthMax, above.1.into()),
            (Attr::AerCorrectable, 0_u64.into()),
            (Attr::AerNonfatal, 0_u64.into()),
            (Attr::AerFatal, 0_u64.into()),
        ],
    )
}
