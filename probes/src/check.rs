//! Checks: pure functions over an inventory and a site. They read no file and run no command; what the node says was written down by the probes.
//! A check that cannot be answered says so: no entry ever returns an empty list, and none passes on what was not read.
//! What changed between two looks at a node is asked in `check/window.rs`. Severity and phase stand in the gate files; what happens during a run is judged by `assay_model::judge`.

use std::collections::BTreeSet;

use assay_model::check::{Check, CheckId};
use assay_model::inventory::Inventory;
use assay_model::site::Site;

mod block;
mod bmc;
mod bom;
mod bond;
mod boot_drives;
mod ceph;
mod channels;
mod clock;
mod cpu;
mod data_pool;
mod declared;
mod dimm;
mod drive;
mod drive_history;
mod drive_window;
mod edac;
mod findings;
mod firmware_pinned;
mod gpu;
mod machine_check;
mod management;
mod memory;
mod new_errors;
mod nic;
mod numa;
mod nvme;
mod os;
mod package;
mod pcie;
mod pool;
mod power_profile;
mod question;
mod repositories;
mod seen;
mod ssh;
mod thermal;
mod vlan;
mod window;

#[cfg(test)]
mod planted;
#[cfg(test)]
mod tests;

pub use window::{WINDOWS, Window, WindowEntry, window};

/// One entry of the registry.
#[derive(Debug, Clone, Copy)]
pub struct CheckEntry {
    /// The ids of the checks that it gives. The entry that follows the order gives those of [`implemented_ids`] besides.
    pub ids: &'static [&'static str],
    /// What it is about.
    pub topic: &'static str,
    /// One sentence that says what it finds out.
    pub describe: &'static str,
    /// Answers the question for every subject; never an empty list.
    pub check: fn(&Inventory, &Site) -> Vec<Check>,
}

/// All checks of an inventory, in the order of reports.
pub const CHECKS: &[CheckEntry] = &[
    CheckEntry {
        ids: &[bom::COMPARED],
        topic: "order",
        describe: "Each component is what the bill of materials orders: quantity, every expected attribute, and nothing that no line takes.",
        check: bom::as_ordered,
    },
    CheckEntry {
        ids: &[cpu::ALL_ONLINE.id],
        topic: "cpu",
        describe: "Every hardware thread that is present is online, or the kernel command line asks for it to be off.",
        check: cpu::all_online,
    },
    CheckEntry { ids: &[cpu::PACKAGES_ALIKE.id], topic: "cpu", describe: "All processors are the same product.", check: cpu::packages_alike },
    CheckEntry {
        ids: &[cpu::MICROCODE_ALIKE.id],
        topic: "cpu",
        describe: "All processors run the same microcode revision.",
        check: cpu::microcode_alike,
    },
    CheckEntry {
        ids: &[cpu::GOVERNOR_ALIKE.id],
        topic: "cpu",
        describe: "All processors have the same cpufreq governor.",
        check: cpu::governor_alike,
    },
    CheckEntry {
        ids: &[dimm::ALIKE.id],
        topic: "dimm",
        describe: "All fitted memory modules have the same capacity, part number and rated speed.",
        check: dimm::alike,
    },
    CheckEntry {
        ids: &[dimm::SPEED_ALIKE.id],
        topic: "dimm",
        describe: "All fitted memory modules run at the same speed.",
        check: dimm::speed_alike,
    },
    CheckEntry {
        ids: &[memory::TOTAL_PLAUSIBLE.id],
        topic: "memory",
        describe: "The kernel manages about as much memory as the fitted modules have.",
        check: memory::total_plausible,
    },
    CheckEntry {
        ids: &[memory::ECC_ACTIVE.id],
        topic: "memory",
        describe: "Memory errors are corrected: every fitted module carries ECC bits, or a controller that corrects them in another way is at work.",
        check: memory::ecc_active,
    },
    CheckEntry {
        ids: &[edac::NO_UNCORRECTED.id],
        topic: "edac",
        describe: "No uncorrected memory error since boot.",
        check: edac::no_uncorrected_errors,
    },
    CheckEntry { ids: &[edac::NO_CORRECTED.id], topic: "edac", describe: "No corrected memory error since boot.", check: edac::no_corrected_errors },
    CheckEntry {
        ids: &[machine_check::NONE.id],
        topic: "machine_check",
        describe: "No machine check exception since boot.",
        check: machine_check::none,
    },
    CheckEntry {
        ids: &[pcie::TRAINED.id],
        topic: "pcie",
        describe: "Every PCIe link runs at the best speed and width that both its ends are capable of.",
        check: pcie::trained_at_maximum,
    },
    CheckEntry {
        ids: &[pcie::NO_FATAL.id],
        topic: "pcie",
        describe: "No PCIe error since boot that lost data: neither fatal nor non-fatal.",
        check: pcie::no_fatal_errors,
    },
    CheckEntry {
        ids: &[pcie::NO_CORRECTABLE.id],
        topic: "pcie",
        describe: "No PCIe error since boot that the link had to correct.",
        check: pcie::no_correctable_errors,
    },
    CheckEntry {
        ids: &[drive::HEALTH.id],
        topic: "nvme",
        describe: "No drive warns, lost data, or is worn; where the site declares it, each is as good as new.",
        check: drive::health,
    },
    CheckEntry {
        ids: &[drive::TEMPERATURE.id],
        topic: "nvme",
        describe: "Every drive is at least 5 K below the temperature at which it warns.",
        check: drive::temperature,
    },
    CheckEntry {
        ids: &[drive::SELF_TEST.id],
        topic: "nvme",
        describe: "The newest extended self-test of every drive passed, and none that it remembers failed.",
        check: drive::self_test,
    },
    CheckEntry {
        ids: &[drive::FIRMWARE.id],
        topic: "nvme",
        describe: "No drive has a firmware waiting for a reset, and each runs the one that its active slot has and the site pinned.",
        check: drive::firmware_slot,
    },
    CheckEntry {
        ids: &[drive::SANITIZE.id],
        topic: "nvme",
        describe: "No sanitize operation of a drive is running or has failed.",
        check: drive::sanitize,
    },
    CheckEntry {
        ids: &[drive::FORMAT.id],
        topic: "nvme",
        describe: "Drives of one model are formatted alike, and as the site declares.",
        check: drive::format,
    },
    CheckEntry {
        ids: &[drive::ALIKE.id],
        topic: "nvme",
        describe: "The drives of one line of the order are one model with one firmware.",
        check: drive::alike,
    },
    CheckEntry {
        ids: &[drive::SERIALS.id],
        topic: "nvme",
        describe: "No two drives have one serial number, and driver and controller agree on it.",
        check: drive::serials_unique,
    },
    CheckEntry {
        ids: &[drive::OCP.id],
        topic: "nvme",
        describe: "No drive with an OCP log page lost a read or met an end-to-end error; its capacitor and spare blocks are as declared.",
        check: drive::ocp,
    },
    CheckEntry {
        ids: &[drive_history::HISTORY.id],
        topic: "nvme",
        describe: "No drive with a persistent event log remembers a fatal error, a critical warning or a loss of data integrity.",
        check: drive_history::persistent_events,
    },
    CheckEntry { ids: &[nvme::LIVE.id], topic: "nvme", describe: "Every NVMe controller is in state live.", check: nvme::live },
    CheckEntry {
        ids: &[block::WRITABLE.id],
        topic: "block",
        describe: "No fixed disk is read-only, as the kernel makes one that fails.",
        check: block::writable_state,
    },
    CheckEntry {
        ids: &[nic::NO_ERRORS.id],
        topic: "nic",
        describe: "No network interface received a broken frame or failed to send one since boot.",
        check: nic::no_errors,
    },
    CheckEntry {
        ids: &[nic::card::LINK_LAYER.id],
        topic: "nic",
        describe: "Every port of a network card speaks Ethernet, or what is declared: a VPI port may be set to InfiniBand.",
        check: nic::card::link_layer,
    },
    CheckEntry {
        ids: &[nic::card::FIRMWARE.id],
        topic: "nic",
        describe: "The firmware of every network card that runs is the one that is stored and the one that is pinned.",
        check: nic::card::firmware_activated,
    },
    CheckEntry {
        ids: &[nic::card::PSID.id],
        topic: "nic",
        describe: "All network cards of one kind have the same board id, to which firmware belongs.",
        check: nic::card::psid_alike,
    },
    CheckEntry {
        ids: &[nic::card::FEC.id],
        topic: "nic",
        describe: "Every link of 25 Gbit/s and more runs with RS FEC, or with what is declared.",
        check: nic::card::fec,
    },
    CheckEntry {
        ids: &[nic::module::MODULE.id],
        topic: "nic",
        describe: "The modules of linked ports are alike, and their temperature and optical power are inside their own alarm limits.",
        check: nic::module::module,
    },
    CheckEntry {
        ids: &[thermal::BELOW_CRITICAL.id],
        topic: "thermal",
        describe: "Every temperature that has a critical limit is below it.",
        check: thermal::below_critical,
    },
    CheckEntry {
        ids: &[thermal::NO_THROTTLE.id],
        topic: "throttle",
        describe: "No processor slowed down for its temperature since boot.",
        check: thermal::no_throttle,
    },
    CheckEntry {
        ids: &[clock::SYNCHRONISED.id],
        topic: "clock",
        describe: "The kernel says that its clock is synchronised, to within 2 s at worst.",
        check: clock::synchronised,
    },
    CheckEntry {
        ids: &[os::NOT_TAINTED.id],
        topic: "os",
        describe: "The kernel did not mark itself as tainted by a machine check.",
        check: os::not_tainted_by_hardware,
    },
    CheckEntry {
        ids: &[bond::MODE.id],
        topic: "bond",
        describe: "Every bond that is ordered is there, in the ordered mode, with fast LACP, the ordered hash policy and a look at its links every 100 ms.",
        check: bond::mode,
    },
    CheckEntry {
        ids: &[bond::ONE_AGGREGATOR.id],
        topic: "bond",
        describe: "All ports of an LACP bond have a link and are in its active aggregator.",
        check: bond::one_aggregator,
    },
    CheckEntry {
        ids: &[bond::SAME_PARTNER.id],
        topic: "bond",
        describe: "All ports of an LACP bond see one partner with one key.",
        check: bond::same_partner,
    },
    CheckEntry {
        ids: &[bond::SWITCH_DIVERSITY.id],
        topic: "bond",
        describe: "The ports of a bond that is ordered lead to more than one switch, by what those announce over LLDP.",
        check: bond::switch_diversity,
    },
    CheckEntry {
        ids: &[bond::PARTNER_STATE.id],
        topic: "bond",
        describe: "The LACP partner of every port is in sync, collects and distributes.",
        check: bond::partner_state,
    },
    CheckEntry {
        ids: &[vlan::HOST_ADDRESSES.id],
        topic: "vlan",
        describe: "The node has IP addresses on the declared VLAN of the hosts and nowhere else.",
        check: vlan::host_addresses,
    },
    CheckEntry {
        ids: &[vlan::GUEST_PORTS.id],
        topic: "vlan",
        describe: "No guest, running or only configured, reaches the VLAN of the hosts through a bridge.",
        check: vlan::guest_ports,
    },
    CheckEntry {
        ids: &[vlan::FORWARDING.id],
        topic: "vlan",
        describe: "The node routes nothing between its interfaces, and its firewall is on and drops by default.",
        check: vlan::forwarding,
    },
    CheckEntry {
        ids: &[bmc::HEALTH.id],
        topic: "bmc",
        describe: "By the management controller the system is healthy: power supplies redundant, fans and sensors within their limits, no critical log entry.",
        check: bmc::health,
    },
    CheckEntry {
        ids: &[bmc::NETWORK.id],
        topic: "bmc",
        describe: "The management controller has a network port of its own, and does not fall back to one of the host.",
        check: bmc::dedicated_port,
    },
    CheckEntry {
        ids: &[bmc::AGREES.id],
        topic: "bmc",
        describe: "The management controller and the operating system know the same system, firmware, processors and memory modules.",
        check: bmc::inventory_agrees,
    },
    CheckEntry {
        ids: &[bmc::PROFILE.id],
        topic: "bmc",
        describe: "Every setting of the system firmware that the site declares is in force, and none is waiting to change it.",
        check: bmc::bios_profile,
    },
    CheckEntry {
        ids: &[bmc::FIRMWARE.id],
        topic: "bmc",
        describe: "BIOS and management controller have the versions that the site pins.",
        check: bmc::pinned_firmware,
    },
    CheckEntry {
        ids: &[bmc::CLOCK.id],
        topic: "bmc",
        describe: "The clock of the management controller is that of the node, so that its log can be read beside the node's.",
        check: bmc::clock,
    },
    CheckEntry {
        ids: &[package::PVE_VERSION.id],
        topic: "package",
        describe: "pve-manager is installed, of the declared version.",
        check: package::pve_version,
    },
    CheckEntry {
        ids: &[os::KERNEL_NEWEST.id],
        topic: "os",
        describe: "The running kernel is the newest that is installed, or the one that is declared.",
        check: os::kernel_newest,
    },
    CheckEntry {
        ids: &[os::COMMAND_LINE.id],
        topic: "os",
        describe: "The kernel was started with the declared words and without those that are forbidden.",
        check: os::command_line,
    },
    CheckEntry {
        ids: &[os::LEFTOVERS.id],
        topic: "os",
        describe: "No answer file, first-boot hook or cloud-init data of an unattended installation is left.",
        check: os::installer_leftovers,
    },
    CheckEntry {
        ids: &[power_profile::POWER_PROFILE.id],
        topic: "cpu",
        describe: "Driver, governor, boost and idle states of the processors are as the site's power profile declares.",
        check: power_profile::power_profile,
    },
    CheckEntry {
        ids: &[numa::AS_DECLARED.id],
        topic: "cpu",
        describe: "Each processor is split into as many NUMA nodes as the site declares.",
        check: numa::as_declared,
    },
    CheckEntry {
        ids: &[numa::MEMORY_ALIKE.id],
        topic: "numa_node",
        describe: "All NUMA nodes with processors have the same amount of memory, within 2 %.",
        check: numa::memory_alike,
    },
    CheckEntry {
        ids: &[firmware_pinned::PINNED.id],
        topic: "board",
        describe: "System firmware, AGESA and microcode have the versions that the site pins.",
        check: firmware_pinned::pinned,
    },
    CheckEntry {
        ids: &[channels::POPULATED.id],
        topic: "dimm",
        describe: "Every memory channel of every socket is fitted, with equal numbers of modules.",
        check: channels::populated,
    },
    CheckEntry {
        ids: &[pcie::PAYLOAD_SIZE.id],
        topic: "pcie",
        describe: "Drives and network cards send payloads of at least 256 bytes, and no larger ones than the port above takes.",
        check: pcie::payload_size,
    },
    CheckEntry {
        ids: &[pcie::POWER_SAVING.id],
        topic: "pcie",
        describe: "Links of drives and network cards save power only as the site declares.",
        check: pcie::power_saving,
    },
    CheckEntry {
        ids: &[pcie::ROOT_PORTS.id],
        topic: "pcie",
        describe: "Each NVMe drive is right below a root port of its own.",
        check: pcie::root_ports_distinct,
    },
    CheckEntry {
        ids: &[pcie::LANE_BUDGET.id],
        topic: "pcie",
        describe: "The slots use no more lanes than the processors have.",
        check: pcie::lane_budget,
    },
    CheckEntry {
        ids: &[edac::CONTROLLERS.id],
        topic: "edac",
        describe: "The EDAC drivers watch every memory channel and all of the fitted memory.",
        check: edac::controllers_present,
    },
    CheckEntry {
        ids: &[gpu::BOARD_LINK.id],
        topic: "gpu",
        describe: "The board that carries the GPUs has the PCIe speed and lanes of its product, at its upstream port.",
        check: gpu::board_link,
    },
    CheckEntry {
        ids: &[gpu::ONE_BOARD.id],
        topic: "gpu",
        describe: "The GPUs are behind as many upstream ports as boards are ordered.",
        check: gpu::one_board,
    },
    CheckEntry {
        ids: &[gpu::BINDING.id],
        topic: "gpu",
        describe: "Each GPU is bound to the driver of its declared consumer, virtual machines or containers.",
        check: gpu::binding,
    },
    CheckEntry {
        ids: &[gpu::IOMMU_GROUPS.id],
        topic: "gpu",
        describe: "Each GPU that a virtual machine gets as a whole is alone in its IOMMU group.",
        check: gpu::iommu_groups,
    },
    CheckEntry {
        ids: &[gpu::VGPU_TYPES.id],
        topic: "gpu",
        describe: "Of each GPU that is divided among virtual machines, the declared virtual GPU can be made.",
        check: gpu::vgpu_types,
    },
    CheckEntry {
        ids: &[boot_drives::ROOT_MIRROR.id],
        topic: "pool",
        describe: "The root pool is a mirror of exactly the boot drives, online, without errors and scrubbed in time.",
        check: boot_drives::root_mirror,
    },
    CheckEntry {
        ids: &[boot_drives::BOTH_DRIVES.id],
        topic: "esp",
        describe: "Each boot drive has an EFI system partition with the same kernels, the running one among them.",
        check: boot_drives::both_drives,
    },
    CheckEntry {
        ids: &[ssh::POLICY.id],
        topic: "ssh",
        describe: "SSH takes no passwords, in no Match block either, lets root in as declared and only keys of declared types and lengths.",
        check: ssh::policy,
    },
    CheckEntry {
        ids: &[repositories::REPOSITORIES.id],
        topic: "repository",
        describe: "Exactly the declared package repositories are enabled.",
        check: repositories::repositories,
    },
    CheckEntry {
        ids: &[management::REALM.id],
        topic: "account",
        describe: "The management has a realm of each declared type.",
        check: management::realm,
    },
    CheckEntry {
        ids: &[management::SECOND_FACTOR.id],
        topic: "account",
        describe: "Who can log in to the management needs a second factor.",
        check: management::second_factor,
    },
    CheckEntry {
        ids: &[management::SUBSCRIPTION.id],
        topic: "subscription",
        describe: "The subscription is in the declared state.",
        check: management::subscription,
    },
    CheckEntry {
        ids: &[clock::OFFSET.id],
        topic: "clock",
        describe: "The time daemon follows a reference near enough, is near enough to it, and has measured it lately.",
        check: clock::offset,
    },
    CheckEntry {
        ids: &[ceph::FSID.id],
        topic: "ceph",
        describe: "The node is configured for the Ceph cluster that is declared.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::FSID, inventory, site, ceph::fsid),
    },
    CheckEntry {
        ids: &[ceph::HEALTH.id],
        topic: "ceph",
        describe: "The Ceph cluster is in HEALTH_OK, and nobody has muted a health check.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::HEALTH, inventory, site, ceph::health),
    },
    CheckEntry {
        ids: &[ceph::DAEMONS.id],
        topic: "ceph",
        describe: "Every monitor that the map knows is in quorum, managers and OSDs are as many as ordered, all up and in, and no flag holds them back.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::DAEMONS, inventory, site, ceph::daemons),
    },
    CheckEntry {
        ids: &[ceph::PGS_CLEAN.id],
        topic: "ceph",
        describe: "Every placement group that the pools are configured with is known, active and clean.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::PGS_CLEAN, inventory, site, ceph::pgs_clean),
    },
    CheckEntry {
        ids: &[ceph::osds::IDENTITY.id],
        topic: "ceph",
        describe: "Each data drive of this host is below exactly one OSD, and no OSD of it is on another device.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::osds::IDENTITY, inventory, site, ceph::osds::identity),
    },
    CheckEntry {
        ids: &[ceph::osds::NETWORKS.id],
        topic: "ceph",
        describe: "Monitors, managers and OSDs are bound to the declared networks and to nothing else.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::osds::NETWORKS, inventory, site, ceph::osds::networks),
    },
    CheckEntry {
        ids: &[ceph::pools::POOLS.id],
        topic: "ceph",
        describe: "Every ordered pool is there with its copies, min_size, device class, share and quota, over enough hosts; no other is.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::pools::POOLS, inventory, site, ceph::pools::pools),
    },
    CheckEntry {
        ids: &[ceph::osds::BALANCE.id],
        topic: "ceph",
        describe: "OSDs are about equally full, and each has as many placement groups as declared.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::osds::BALANCE, inventory, site, ceph::osds::balance),
    },
    CheckEntry {
        ids: &[ceph::osds::MEMORY.id],
        topic: "ceph",
        describe: "Every OSD may use the declared memory, and the host has it.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::osds::MEMORY, inventory, site, ceph::osds::memory_targets),
    },
    CheckEntry {
        ids: &[ceph::osds::MESSENGER.id],
        topic: "ceph",
        describe: "Monitors speak msgr2, and messengers check or encrypt as declared.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::osds::MESSENGER, inventory, site, ceph::osds::messenger),
    },
    CheckEntry {
        ids: &[ceph::SCRUB.id],
        topic: "ceph",
        describe: "Scrubs found nothing, are not switched off, and no deep scrub is overdue.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::SCRUB, inventory, site, ceph::scrub),
    },
    CheckEntry {
        ids: &[ceph::CLOCK_SKEW.id],
        topic: "ceph",
        describe: "The monitors' clocks are as near to the leader's as declared.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::CLOCK_SKEW, inventory, site, ceph::clock_skew),
    },
    CheckEntry {
        ids: &[ceph::CRASHES.id],
        topic: "ceph",
        describe: "No daemon crashed without somebody having looked at it, and Ceph expects no device to fail.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::CRASHES, inventory, site, ceph::crashes),
    },
    CheckEntry {
        ids: &[ceph::VERSIONS.id],
        topic: "ceph",
        describe: "All daemons of the cluster run one version.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::VERSIONS, inventory, site, ceph::versions),
    },
    CheckEntry {
        ids: &[ceph::CAPACITY.id],
        topic: "ceph",
        describe: "No OSD is nearly full, and none would be with one host lost.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::CAPACITY, inventory, site, ceph::capacity),
    },
    CheckEntry {
        ids: &[ceph::osds::NO_ZPOOL.id],
        topic: "ceph",
        describe: "No device of a ZFS pool is on a drive that was ordered for Ceph.",
        check: |inventory, site| ceph::unless_elsewhere(&ceph::osds::NO_ZPOOL, inventory, site, ceph::osds::no_zpool),
    },
    CheckEntry {
        ids: &[data_pool::LAYOUT.id],
        topic: "pool",
        describe: "The ZFS pool of the data drives is made of dRAID vdevs of the declared geometry, and of nothing else.",
        check: data_pool::layout,
    },
    CheckEntry {
        ids: &[data_pool::DRIVES.id],
        topic: "pool",
        describe: "The ZFS pool of the data drives lies on exactly the declared drives, once on each, and on no boot drive.",
        check: data_pool::drives,
    },
    CheckEntry {
        ids: &[data_pool::SPARES.id],
        topic: "pool",
        describe: "The distributed spares of the data pool are as many as declared, and none stands in for a drive.",
        check: data_pool::spares,
    },
    CheckEntry {
        ids: &[data_pool::ASHIFT.id],
        topic: "pool",
        describe: "The smallest block of every vdev of the data pool is at least the declared one, and the same on all.",
        check: data_pool::ashift,
    },
    CheckEntry {
        ids: &[data_pool::HEALTH.id],
        topic: "pool",
        describe: "The data pool, its vdevs and devices are online, without an error or a damaged file, and no resilver runs.",
        check: data_pool::health,
    },
    CheckEntry {
        ids: &[data_pool::SCRUB.id],
        topic: "pool",
        describe: "The last scrub of the data pool found nothing and is no older than declared.",
        check: data_pool::scrub,
    },
];

/// Every check of the registry, answered for this node at this site.
pub fn inventory(inventory: &Inventory, site: &Site) -> Vec<Check> {
    CHECKS.iter().flat_map(|entry| (entry.check)(inventory, site)).collect()
}

/// Every id that an entry can give. Of the ids that follow the order, those of attributes that a probe fills: an expectation of another
/// attribute would never be answered.
pub fn implemented_ids() -> BTreeSet<CheckId> {
    let listed = CHECKS.iter().flat_map(|entry| entry.ids).chain(WINDOWS.iter().flat_map(|entry| entry.ids)).map(|&id| CheckId::from(id));
    listed.chain(bom::ids()).collect()
}
