//! Where foreign bytes come in: each door gives the bytes of a fuzzer to one probe as the answer to one question that it asks of the reference node, and takes what
//! it makes of them. Whatever the bytes are, nothing panics and nothing runs away; `probes/fuzz` holds the fuzzer, `ci/fuzz` runs it. The tests feed
//! each door bytes at random and look that nothing passes on them.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use assay_model::component::Component;

use crate::host::answer::{Answer, Ask};
use crate::host::{Host, Snapshot};
use crate::probe::PROBES;
use crate::reference::nodes;

/// A question whose answer is foreign.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// Its name: also that of its folder of seeds.
    pub name: &'static str,
    /// The probe that asks; none for the snapshot itself.
    probe: Option<&'static str>,
    /// What is asked.
    question: &'static str,
    /// Whether the answer is text.
    is_text: bool,
    /// The reference node.
    node: &'static str,
    /// What else of the node the probe may see: what begins so.
    around: &'static [&'static str],
}

const fn bytes(name: &'static str, probe: &'static str, question: &'static str, around: &'static [&'static str]) -> Door {
    Door { name, probe: Some(probe), question, is_text: false, node: SERVER, around }
}

const fn text(name: &'static str, probe: &'static str, question: &'static str, around: &'static [&'static str]) -> Door {
    Door { name, probe: Some(probe), question, is_text: true, node: SERVER, around }
}

const SERVER: &str = "pve1-node1";
const LAPTOP: &str = "generic-laptop";
const DRAID: &str = "pve1-draid";
const PORT: &[&str] = &["/sys/class/net/enp97s0f0np0/", "ethtool:enp97s0f0np0/", "/sys/bus/pci/devices/0000:61:00.0/"];
const POOL: &[&str] = &["/sys/module/zfs/", "syscall:clock_gettime", "/dev/disk/by-id/", "/sys/class/block/"];
const DRAID_POOL: &[&str] = &["/sys/module/zfs/", "syscall:clock_gettime", "/dev/disk/by-id/", "/sys/class/block/", "command:zpool"];
const ESP: &[&str] = &["/etc/kernel/", "command:proxmox-boot-tool", "/sys/firmware/efi/efivars/", "/dev/disk/by-", "/sys/class/block/"];
const SSH: &[&str] = &["/etc/ssh/", "/etc/passwd", "/home/", "command:sshd"];
const ACCOUNTS: &[&str] = &["/etc/pve/", "excerpt:/etc/pve/", "syscall:clock_gettime"];
const DRIVE: &[&str] = &["/sys/class/nvme/nvme2/", "nvme:nvme2/"];
const BOND: &[&str] = &[
    "/sys/class/net/bond0/",
    "/sys/class/net/enp97s0f0np0/bonding_slave/",
    "/sys/class/net/enp97s0f1np1/bonding_slave/",
    "/sys/class/net/bonding_masters",
];

/// Every door.
pub const DOORS: &[Door] = &[
    Door { name: "snapshot", probe: None, question: "", is_text: true, node: SERVER, around: &[] },
    bytes("smbios", "dimm", "/sys/firmware/dmi/tables/DMI", &["/sys/firmware/dmi/"]),
    // A server has too many processors to be made anew for every input.
    Door { node: LAPTOP, ..text("cpuinfo", "cpu", "/proc/cpuinfo", &["/sys/devices/system/cpu/"]) },
    text("meminfo", "memory", "/proc/meminfo", &[]),
    bytes(
        "config-space",
        "pci",
        "/sys/bus/pci/devices/0000:21:00.0/config",
        &["/sys/bus/pci/devices/0000:21:00.0", "/sys/bus/pci/devices/0000:20:01.1"],
    ),
    text(
        "aer",
        "pci",
        "/sys/bus/pci/devices/0000:21:00.0/aer_dev_fatal",
        &["/sys/bus/pci/devices/0000:21:00.0", "/sys/bus/pci/devices/0000:20:01.1"],
    ),
    bytes("nvme-identify", "nvme", "nvme:nvme2/identify/01/0", DRIVE),
    bytes("nvme-namespace", "nvme", "nvme:nvme2/identify/00/1", DRIVE),
    bytes("nvme-error-log", "nvme", "nvme:nvme2/log/01", DRIVE),
    bytes("nvme-smart", "nvme", "nvme:nvme2/log/02", DRIVE),
    bytes("nvme-firmware", "nvme", "nvme:nvme2/log/03", DRIVE),
    bytes("nvme-self-test", "nvme", "nvme:nvme2/log/06", DRIVE),
    bytes("nvme-sanitize", "nvme", "nvme:nvme2/log/81", DRIVE),
    bytes("nvme-ocp", "nvme", "nvme:nvme2/log/c0", DRIVE),
    bytes("nvme-events", "nvme", "nvme:nvme2/log/0d", DRIVE),
    text("bonding", "bond", "/proc/net/bonding/bond0", BOND),
    text("lldp", "lldp", "lldp:enp97s0f0np0", &["/sys/class/net/", "/proc/net/bonding/", "lldp:"]),
    text("links", "interface", "netlink:links", &["netlink:", "/sys/class/net/", "/proc/sys/net/"]),
    text("vlans", "interface", "netlink:vlans", &["netlink:", "/sys/class/net/", "/proc/sys/net/"]),
    text("ethtool-stats", "nic", "ethtool:enp97s0f0np0/stats", PORT),
    bytes("module", "nic", "ethtool:enp97s0f0np0/module", PORT),
    text("devlink", "nic", "devlink:pci/0000:61:00.0/info", PORT),
    text("redfish", "bmc", "redfish:/redfish/v1/Managers/1", &["redfish:"]),
    text("redfish-sensors", "bmc_sensors", "redfish:/redfish/v1/Chassis/1/Thermal", &["redfish:"]),
    text("addresses", "interface", "netlink:addresses", &["netlink:"]),
    text("guest", "guest_nic", "/etc/pve/qemu-server/101.conf", &["/etc/pve/"]),
    text("firewall", "firewall", "/etc/pve/firewall/cluster.fw", &["/etc/pve/local", "/sys/fs/cgroup/system.slice/"]),
    text("dpkg", "package", "/var/lib/dpkg/status", &[]),
    text("zpool", "pool", "command:zpool status -j --json-int", POOL),
    Door { node: DRAID, ..text("zpool-draid", "pool", "command:zpool status -j --json-int", DRAID_POOL) },
    Door { node: DRAID, ..text("zpool-get", "pool", "command:zpool get -Hp -o name,property,value ashift tank all-vdevs", DRAID_POOL) },
    text("boot-tool", "esp", "command:proxmox-boot-tool status", ESP),
    bytes("boot-entry", "esp", "/sys/firmware/efi/efivars/Boot0001-8be4df61-93ca-11d2-aa0d-00e098032b8c", ESP),
    text("apt-sources", "repository", "/etc/apt/sources.list.d/debian.sources", &["/etc/apt/"]),
    text("sshd", "ssh", "command:sshd -T", SSH),
    text("sshd-config", "ssh", "/etc/ssh/sshd_config", SSH),
    text("authorized-keys", "ssh", "/home/admin/.ssh/authorized_keys", SSH),
    text("realms", "account", "/etc/pve/domains.cfg", ACCOUNTS),
    text("users", "account", "/etc/pve/user.cfg", ACCOUNTS),
    text("factors", "account", "excerpt:/etc/pve/priv/tfa.cfg", ACCOUNTS),
    text("chrony", "clock", "command:chronyc -c tracking", &["/run/chrony/", "syscall:"]),
];

/// What each door sees around it, taken once.
fn surroundings(door: &Door) -> Option<Snapshot> {
    static TAKEN: OnceLock<Mutex<BTreeMap<&'static str, Option<Snapshot>>>> = OnceLock::new();
    let taken = TAKEN.get_or_init(Mutex::default);
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    let take = || {
        let mut node = nodes().ok()?.remove(door.node)?.now;
        node.answers.retain(|path, _| path == door.question || door.around.iter().any(|around| path.starts_with(around)));
        Some(node)
    };
    taken.entry(door.name).or_insert_with(take).clone()
}

impl Door {
    /// The door of that name.
    pub fn named(name: &str) -> Option<&'static Door> {
        DOORS.iter().find(|door| door.name == name)
    }

    /// Gives the bytes to the probe. What it makes of them is nobody's business here, only that it comes back.
    pub fn feed(&self, bytes: &[u8]) -> Vec<Component> {
        let Some(host) = self.host(bytes) else { return Vec::new() };
        let asked = PROBES.iter().filter(|probe| self.probe.is_none_or(|name| probe.name() == name));
        asked.flat_map(|probe| probe.probe(&host).unwrap_or_default()).collect()
    }

    /// What the reference node answers at this door: the seed of its fuzzing.
    pub fn seed(&self) -> Option<Vec<u8>> {
        let node = surroundings(self)?;
        let asked = node.answers.get(self.question)?;
        asked.values().find_map(|answer| match answer {
            Answer::Text(text) => Some(text.clone().into_bytes()),
            Answer::Bytes(bytes) => Some(bytes.clone()),
            Answer::List(_) | Answer::Link(_) | Answer::Exists | Answer::Absent | Answer::Refused(_) | Answer::TooLarge(_) | Answer::Status(_) => {
                None
            }
        })
    }

    fn host(&self, bytes: &[u8]) -> Option<Host> {
        if self.probe.is_none() {
            return Host::from_snapshot(&String::from_utf8_lossy(bytes)).ok();
        }
        let printable = |c: char| if c == '\n' || c == '\t' || !c.is_control() { c } else { '\u{fffd}' };
        let (ask, answer) = if self.is_text {
            (Ask::Content, Answer::Text(String::from_utf8_lossy(bytes).chars().map(printable).collect()))
        } else {
            (Ask::Bytes, Answer::Bytes(bytes.to_vec()))
        };
        let mut node = surroundings(self)?;
        node.answers.insert(self.question.to_owned(), [(Some(ask), answer)].into());
        Some(Host::of_snapshot(node))
    }

    #[cfg(test)]
    fn refused(&self) -> Option<Host> {
        let mut node = surroundings(self)?;
        node.answers.insert(self.question.to_owned(), [(None, Answer::Refused(rustix::io::Errno::IO))].into());
        Some(Host::of_snapshot(node))
    }
}

#[cfg(test)]
mod tests {
    use assay_model::component::{Reading, Value};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_door_has_a_probe_that_asks_its_question_and_a_seed() {
        for door in DOORS.iter().filter(|door| door.probe.is_some()) {
            let probe = PROBES.iter().find(|probe| Some(probe.name()) == door.probe).unwrap_or_else(|| panic!("no probe of {}", door.name));
            let seed = door.seed().unwrap_or_else(|| panic!("the reference node does not answer {}", door.question));
            // A question that nobody asks lets no bytes in: the probe must see the difference between the node's answer and a refusal.
            let seen = |host: Option<Host>| format!("{:?}", probe.probe(&host.expect("the reference node")));
            assert_ne!(seen(door.host(&seed)), seen(door.refused()), "{} does not reach {}", door.name, probe.name());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn random_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            for door in DOORS {
                for component in door.feed(&bytes) {
                    let is_sane = |reading: &Reading| !matches!(reading.value().and_then(Value::as_f64), Some(x) if x.is_nan());
                    prop_assert!(component.attributes.values().all(is_sane), "{}: {component:?}", door.name);
                }
            }
        }

        #[test]
        fn seeds_with_a_byte_changed_come_back(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            for door in DOORS {
                let Some(mut seed) = door.seed().filter(|seed| !seed.is_empty()) else { continue };
                let at = at.index(seed.len());
                seed[at] = byte;
                door.feed(&seed);
            }
        }
    }
}
