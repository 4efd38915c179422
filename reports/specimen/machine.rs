//! Inventories: a node of the reference cluster with planted faults, a VM, and nothing.

use assay_model::attr::{Attr, Kind};
use assay_model::check::{Absence, Check};
use assay_model::component::{Component, Reading, Value};
use assay_model::gate::Severity;
use assay_model::inventory::{Inventory, ProbeEnded, ProbeOutcome};
use assay_model::matcher::Matcher;
use assay_model::verdict::{Evidence, Verdict};

use super::{Asked, asked};

fn probes(ended: impl Fn(&str) -> ProbeEnded) -> Vec<ProbeOutcome> {
    let all: [(&str, &[Kind]); 8] = [
        ("cpu", &[Kind::Cpu, Kind::NumaNode]),
        ("dimm", &[Kind::MemoryArray, Kind::Dimm]),
        ("memory", &[Kind::Memory, Kind::Edac]),
        ("pci", &[Kind::Pci]),
        ("nvme", &[Kind::Nvme]),
        ("nic", &[Kind::Nic]),
        ("os", &[Kind::Os, Kind::Clock]),
        ("thermal", &[Kind::Thermal, Kind::Throttle]),
    ];
    let outcome =
        |(probe, kinds): (&str, &[Kind])| ProbeOutcome { probe: probe.into(), kinds: kinds.to_vec(), ended: ended(probe), elapsed_ns: 1_840_000 };
    all.into_iter().map(outcome).collect()
}

fn dimm(n: u64) -> Component {
    let (socket, channel) = (n / 12, n % 12);
    let slot = format!("P{socket} DIMM {}1", char::from(b'A' + u8::try_from(channel).expect("a channel")));
    let source = |field: &str| format!("/sys/firmware/dmi/tables/DMI type 17 #{n} {field}");
    let serial = if n == 17 { Reading::Unreadable("string index 4 of 3".into()) } else { format!("S0{:06X}", 0x3A_1190 + n * 77).into() };
    Component::new(Kind::Dimm, slot.clone())
        .with(Attr::Slot, source("locator"), slot)
        .with(Attr::Populated, source("size"), true)
        .with(Attr::MemoryType, source("type"), "DDR5")
        .with(Attr::Capacity, source("size"), 103_079_215_104_u64)
        .with(Attr::RatedSpeed, source("speed"), 5600_u64)
        .with(Attr::ConfiguredSpeed, source("configured speed"), 4800_u64)
        .with(Attr::TotalWidth, source("total width"), 80_u64)
        .with(Attr::DataWidth, source("data width"), 64_u64)
        .with(Attr::Vendor, source("manufacturer"), "Samsung")
        .with(Attr::PartNumber, source("part number"), if n == 5 { "M321RYGA0BB0-CQKZJ" } else { "M321RYGA0PB0-CWMZJ" })
        .with(Attr::Serial, source("serial"), serial)
}

fn nvme(n: u64) -> Component {
    let boot = n >= 12;
    let address = if boot { format!("0000:{:02x}:00.0", 0xe1 + n - 12) } else { format!("0000:{:02x}:00.0", 0x41 + n) };
    let dir = format!("/sys/class/nvme/nvme{n}");
    // The planted fault: a dual-port drive that trained at two lanes.
    let width: u64 = if n == 7 { 2 } else { 4 };
    Component::new(Kind::Nvme, address)
        .with(Attr::Name, &dir, format!("nvme{n}"))
        .with(Attr::Model, format!("{dir}/model"), if boot { "Micron_7450_MTFDKBA480TFR" } else { "SAMSUNG MZWLO7T6HBLA-00A07" })
        .with(Attr::Serial, format!("{dir}/serial"), format!("S79YNG0W{:06}", 400_112 + n * 31))
        .with(Attr::Firmware, format!("{dir}/firmware_rev"), if boot { "E2MU200" } else { "OPPA3B5Q" })
        .with(Attr::Capacity, format!("{dir}/nvme{n}n1/size"), if boot { 480_103_981_056_u64 } else { 7_681_501_126_656 })
        .with(Attr::State, format!("{dir}/state"), "live")
        .with(Attr::LinkWidth, format!("{dir}/device/current_link_width"), width)
        .with(Attr::LinkSpeed, format!("{dir}/device/current_link_speed"), if boot { 16.0 } else { 32.0 })
        .with(Attr::LinkWidthMax, format!("{dir}/device/max_link_width"), 4_u64)
        .with(Attr::NumaNode, format!("{dir}/device/numa_node"), n % 2)
        .with(Attr::AerCorrectable, format!("{dir}/device/aer_dev_correctable"), if n == 7 { 1_284_u64 } else { 0 })
}

fn cpu(n: u64) -> Component {
    let dir = "/sys/devices/system/cpu";
    Component::new(Kind::Cpu, format!("package {n}"))
        .with(Attr::Vendor, "/proc/cpuinfo", "AuthenticAMD")
        .with(Attr::Model, "/proc/cpuinfo", "AMD EPYC 9534 64-Core Processor")
        .with(Attr::Microcode, "/proc/cpuinfo", "0xa101148")
        .with(Attr::Cores, dir, 64_u64)
        .with(Attr::Threads, dir, 128_u64)
        .with(Attr::L3Bytes, dir, 268_435_456_u64)
        .with(Attr::L3Domains, dir, 8_u64)
        .with(Attr::Governor, dir, if n == 0 { "performance" } else { "schedutil" })
        .with(Attr::FrequencyMax, dir, 3_718_066_000_u64)
        .with(Attr::CpuList, dir, if n == 0 { "0-63,128-191" } else { "64-127,192-255" })
}

fn nic(n: u64) -> Component {
    let dir = format!("/sys/class/net/ens{n}np0");
    Component::new(Kind::Nic, format!("ens{n}np0"))
        .with(Attr::PciId, &dir, if n < 2 { "15b3:101b" } else { "15b3:101f" })
        .with(Attr::Speed, format!("{dir}/speed"), if n < 2 { 200_000_000_000_u64 } else { 25_000_000_000 })
        .with(Attr::Mtu, format!("{dir}/mtu"), 9000_u64)
        .with(Attr::Carrier, format!("{dir}/carrier"), n < 3)
        .with(Attr::Mac, format!("{dir}/address"), format!("b8:3f:d2:1a:00:{n:02x}"))
        .with(Attr::ReceiveErrors, format!("{dir}/statistics/rx_errors"), 0_u64)
}

fn os(host: &str, kernel: &str, hypervisor: bool) -> [Component; 2] {
    let os = Component::new(Kind::Os, host)
        .with(Attr::Kernel, "/proc/sys/kernel/osrelease", kernel)
        .with(Attr::CommandLine, "/proc/cmdline", format!("BOOT_IMAGE=/vmlinuz-{kernel} root=ZFS=rpool/ROOT/pve-1 ro iommu=pt amd_iommu=on quiet"))
        .with(Attr::Hypervisor, "/proc/cpuinfo", hypervisor)
        .with(Attr::Uptime, "/proc/uptime", 412_331_u64);
    let clock = Component::new(Kind::Clock, "system clock")
        .with(Attr::Clocksource, "/sys/devices/system/clocksource/clocksource0/current_clocksource", if hypervisor { "kvm-clock" } else { "tsc" })
        .with(Attr::Synchronised, "adjtimex", true)
        .with(Attr::ClockError, "adjtimex", 412_000_u64);
    [os, clock]
}

pub(crate) fn pve1_node() -> Inventory {
    let mut components: Vec<Component> = (0..2).map(cpu).collect();
    components.extend((0..24).map(dimm));
    components.push(Component::new(Kind::Memory, "memory").with(Attr::Total, "/proc/meminfo", 2_433_217_863_680_u64).with(
        Attr::Available,
        "/proc/meminfo",
        2_390_112_063_488_u64,
    ));
    components.extend((0..14).map(nvme));
    components.extend((0..4).map(nic));
    components.extend(os("pve1-node1", "6.14.11-2-pve", false));
    components.push(Component::new(Kind::Thermal, "k10temp/Tctl").with(Attr::Temperature, "/sys/class/hwmon/hwmon3/temp1_input", 48.375).with(
        Attr::TemperatureCritical,
        "/sys/class/hwmon/hwmon3/temp1_crit",
        Reading::Absent,
    ));
    let ended = |probe: &str| if probe == "thermal" { ProbeEnded::Hung("/sys/class/hwmon/hwmon7/temp2_input".into()) } else { ProbeEnded::Completed };
    Inventory { host: "pve1-node1".into(), boot_id: "0f1e2d3c".into(), taken_at: "2026-11-23T02:06:00.8Z".into(), components, probes: probes(ended) }
}

pub(crate) fn vm() -> Inventory {
    let cpu = Component::new(Kind::Cpu, "package 0")
        .with(Attr::Vendor, "/proc/cpuinfo", "GenuineIntel")
        .with(Attr::Model, "/proc/cpuinfo", "Intel(R) Xeon(R) Processor @ 2.60GHz")
        .with(Attr::Cores, "/sys/devices/system/cpu", 1_u64)
        .with(Attr::Threads, "/sys/devices/system/cpu", 2_u64)
        .with(Attr::L3Bytes, "/sys/devices/system/cpu", 34_603_008_u64);
    let memory = Component::new(Kind::Memory, "memory").with(Attr::Total, "/proc/meminfo", 8_322_289_664_u64);
    let block = Component::new(Kind::Block, "vda")
        .with(Attr::Capacity, "/sys/block/vda/size", 68_719_476_736_u64)
        .with(Attr::LogicalBlockSize, "/sys/block/vda/queue/logical_block_size", 512_u64)
        .with(Attr::Rotational, "/sys/block/vda/queue/rotational", false);
    let mut components = vec![cpu, memory, block];
    components.extend(os("builder", "6.8.0-45-generic", true));
    let ended = |probe: &str| if probe == "dimm" { ProbeEnded::SourceMissing("/sys/firmware/dmi/tables/DMI".into()) } else { ProbeEnded::Completed };
    Inventory { host: "builder".into(), boot_id: "0f1e2d3c".into(), taken_at: "2026-11-23T02:06:00.8Z".into(), components, probes: probes(ended) }
}

pub(crate) fn nothing() -> Inventory {
    let ended = |_: &str| ProbeEnded::Failed("cannot list /sys: Permission denied (os error 13)".into());
    Inventory { host: String::new(), boot_id: String::new(), taken_at: "2026-11-23T02:06:00.8Z".into(), components: vec![], probes: probes(ended) }
}

/// Checks of the embedded site on the VM.
pub(crate) fn generic_checks(inventory: &Inventory) -> Vec<Asked> {
    let on = |kind: Kind, attr: Attr| -> (String, Reading) {
        let component = inventory.iter(kind).next().expect("the VM has one");
        (component.source(attr).to_owned(), component.reading(attr).clone())
    };
    let (sync, synced) = on(Kind::Clock, Attr::Synchronised);
    let (total, memory) = on(Kind::Memory, Attr::Total);
    let yes = Matcher::Equals(Value::Bool(true));
    let online = Evidence::all([
        Evidence::of_reading("/sys/devices/system/cpu/online", &Reading::from("0-1")),
        Evidence::of_reading("/sys/devices/system/cpu/present", &Reading::from("0-1")),
    ]);
    vec![
        asked(
            Severity::Gate,
            "the clock is synchronised",
            Check::compare("clock.synchronised", "system clock", sync, &yes, &synced, Absence::NotApplicable),
        ),
        asked(
            Severity::Gate,
            "the node has memory",
            Check::compare("memory.total", "memory", total, &Matcher::AtLeast(1_073_741_824.0), &memory, Absence::NotApplicable),
        ),
        asked(
            Severity::Gate,
            "all CPUs that are present are online",
            Check::new("cpu.all_online", "node", Verdict::pass_on(online), "every present CPU online", "0-1 of 0-1", "/sys/devices/system/cpu"),
        ),
        asked(
            Severity::Gate,
            "memory modules are alike",
            Check::not_applicable(
                "dimm.alike",
                "node",
                "one part number",
                "/sys/firmware/dmi/tables/DMI does not exist on this host",
                "/sys/firmware/dmi/tables/DMI",
            ),
        ),
        asked(
            Severity::Warn,
            "all CPUs have the same governor",
            Check::new(
                "cpu.governor_alike",
                "package 0",
                Verdict::Fail("CPU 0 has performance, CPU 1 has powersave".into()),
                "one governor",
                "performance, powersave",
                "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
            ),
        ),
    ]
    .into_iter()
    .map(|mut asked| {
        // What does not apply to a VM is said by the embedded site.
        if matches!(asked.check.verdict, Verdict::NotApplicable(_)) {
            asked.excused_by = Some("site generic: expectations apply where their source exists".into());
        }
        asked
    })
    .collect()
}
