//! The virtual node of `ci/lab`: a clean boot of it is accused of nothing that it does not have, and each fault that is made from outside is reported by
//! the check that it belongs to, and by no other. `ci/lab/check` runs this; a plain `cargo test` does not boot nodes.

mod bmc;
mod bond;
mod drives;
mod krbd;
mod lldp;
mod node;
mod outcome;
mod qmp;
mod rdma;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::bmc::Bmc;
use crate::lldp::Switches;
use crate::node::{ASSAY, Node, repository};
use crate::outcome::Outcome;

/// What a virtual node is rightly accused of, whatever is done to it.
const ALWAYS: &[&str] = &[
    // Nobody disciplines the clock of a machine without a network.
    "clock.synchronised",
    // The modules are those of the reference machine, and the memory is 1.5 GiB.
    "memory.total_plausible",
    // QEMU's drives say that they run 10.0.2 and that their active slot has 1.0.
    "nvme.firmware_slot",
    // And they can do a payload of 128 bytes only.
    "pcie.payload_size",
];
/// The drive that is loaded in an acceptance, the one that `--bad-drive` names, and one that is pulled.
const SCRATCH: u8 = 2;
const BAD: u8 = 13;
const PULLED: u8 = 5;
/// Two ends of a bond that lost each other agree again within this, on a busy machine too.
const SETTLES: Duration = Duration::from_secs(60);

#[test]
#[ignore = "boots virtual nodes; ci/lab/check runs it"]
fn a_clean_boot_raises_nothing_and_each_fault_is_reported_by_its_check() {
    let _alone = alone();
    let folder = tempfile::Builder::new().prefix("assay-lab-").tempdir().expect("a folder below /tmp");
    let links = folder.path().join("links");
    std::fs::create_dir(&links).expect("a folder");
    let wires = links.display().to_string();
    let mut peer = Node::boot(&folder.path().join("2"), &["--id", "2", "--sockets", "1", "--drives", "0", "--links", &wires]);
    let mut node = Node::boot(&folder.path().join("1"), &["--bad-drive", &BAD.to_string(), "--links", &wires, "--tool", &program("fio")]);
    node.wait();
    peer.wait();
    // Two healthy ends of a bond need some seconds to agree: bit 5 of a port's state is "distributing".
    node.until("[ $(grep -c 'port state: 63' /proc/net/bonding/bond0) = 4 ]");

    let switches = Switches::announce(&links, 1, [0xa, 0xb]);
    clean(&node);
    media_error(&node);
    link_down(&node);
    bond_faults(&node);
    pulled_drive(&node);
    drop(switches);
    one_switch(&node, &links);
    drives::tested(&node, SCRATCH, BAD);
    power_off(&mut node, &peer, &Bmc::start(folder.path(), &folder.path().join("1")));
}

/// Four nodes at a time are more than two processors can emulate.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static NODES: Mutex<()> = Mutex::new(());
    NODES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where this machine has a program.
pub(crate) fn program(name: &str) -> String {
    let found = std::env::split_paths(&std::env::var_os("PATH").expect("a PATH")).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed; ci/test installs it")).display().to_string()
}

/// The whole job on a node without faults.
fn clean(node: &Node) {
    let inventory = node.sure(&format!("{ASSAY} inventory"));
    for shown in ["P1-DIMMA1", "P2-DIMML1", "QEMU NVMe Ctrl", "AMD EPYC 9534"] {
        assert!(inventory.contains(shown), "{shown} is not in the inventory: {inventory}");
    }
    let drive = node.drive(SCRATCH);
    node.sure(&format!("mkdir /data && mke2fs {drive} 4194304 && mount -t ext4 {drive} /data"));
    let accepted = node.assay("accept --window 10 --scratch /data");
    assert_eq!((accepted.verdict(), accepted.failed()), ("pass", BTreeSet::new()), "{:#?}", accepted.reasons());
    node.sure("umount /data");

    node.sure(&format!("{ASSAY} snapshot -o /lab/clean.snap && {ASSAY} snapshot --redact -o /lab/redacted.snap"));
    // The fixture of the virtual node is recorded so.
    if let Some(kept) = std::env::var_os("ASSAY_LAB_RECORD") {
        std::fs::copy(node.share("redacted.snap"), kept).expect("copied");
    }
    let verified = accuses_only(node, "verify", &[]);
    // QEMU's drives say that 0 % of their spare blocks are left and that they warn below 0 %: no figure to believe.
    let health = verified.of("nvme.health");
    assert!(health.len() == 14 && health.iter().all(|(_, verdict)| verdict == "inconclusive"), "{health:?}");
    assert_eq!(verified.of("bond.switch_diversity"), [("bond0".to_owned(), "pass".to_owned())]);
}

/// A drive that does not give back what it took. QEMU's drives do not count media errors, so only who reads it can tell.
fn media_error(node: &Node) {
    std::fs::copy(repository("ci/lab/read-back.toml"), node.share("read-back.toml")).expect("copied");
    let drive = node.drive(BAD);
    node.sure(&format!("mkdir /bad && mke2fs {drive} 2097152 && mount -t ext4 {drive} /bad"));
    let read = node.assay("run /lab/read-back.toml --target /bad");
    assert_eq!(read.of("storage.no_failed_operations"), [("read-back".to_owned(), "fail".to_owned())]);
    node.sure("umount /bad");
}

/// A link that loses its carrier, and gets it back.
fn link_down(node: &Node) {
    node.qmp().set_link(0, false);
    node.until("[ $(cat /sys/class/net/eth0/carrier) = 0 ]");
    accuses_only(node, "verify --since /lab/clean.snap", &["bond.one_aggregator", "nic.carrier_stable", "nic.quantity"]);
    node.qmp().set_link(0, true);
    node.until("[ $(grep -c 'port state: 63' /proc/net/bonding/bond0) = 4 ]");
    accuses_only(node, "verify", &[]);
}

/// What drills do to the members of a bond: its state is that of the kernel's driver here, and nobody's stand-in.
fn bond_faults(node: &Node) {
    std::fs::copy(repository("ci/lab/bond-faults.sh"), node.share("bond-faults.sh")).expect("copied");
    eprintln!("{}", node.sure("sh /lab/bond-faults.sh"));
    accuses_only(node, "verify", &[]);
}

/// A drive that is pulled while the node runs.
fn pulled_drive(node: &Node) {
    node.qmp().pull_drive(PULLED);
    node.until("[ $(ls /sys/class/nvme | wc -l) = 13 ]");
    let missing = accuses_only(node, "verify", &["nvme.quantity"]);
    assert!(missing.of("nvme.quantity").contains(&("data drives".to_owned(), "fail".to_owned())));
}

/// Both links of a bond that lead to one switch.
fn one_switch(node: &Node, links: &Path) {
    let _switches = Switches::announce(links, 1, [0xa, 0xa]);
    // The drive is still away.
    accuses_only(node, "verify", &["nvme.quantity", "bond.switch_diversity"]);
}

/// A node that is switched off by its management controller, and its neighbour that notices.
fn power_off(node: &mut Node, peer: &Node, bmc: &Bmc) {
    assert!(node.is_on());
    assert_eq!(bmc.power_state(), "On");
    bmc.power_off();
    assert_eq!(bmc.power_state(), "Off");
    assert!(!node.is_on());
    peer.until("! grep -q 'Partner Mac Address: 52:54:00:00:01:00' /proc/net/bonding/bond0");
    let alone = peer.assay("verify");
    assert!(alone.failed().contains("bond.same_partner"), "{:?}", alone.failed());
}

/// Exactly these checks fail, besides those that fail in every virtual node. It is asked again for a while where something else fails: on a machine that
/// has too much to do, an emulated node misses the second in which LACP wants to hear of it, and its partner says so. A false accusation stays.
fn accuses_only(node: &Node, arguments: &str, ids: &[&str]) -> Outcome {
    let expected: BTreeSet<&str> = ALWAYS.iter().chain(ids).copied().collect();
    let asked = Instant::now();
    let mut outcome = node.assay(arguments);
    while outcome.failed() != expected && asked.elapsed() < SETTLES {
        node.sure("sleep 2");
        outcome = node.assay(arguments);
    }
    assert_eq!(outcome.failed(), expected, "{:#?}", outcome.reasons());
    outcome
}
