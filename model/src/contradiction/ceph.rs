//! Ceph: replicas against hosts, networks, device classes and what pool ratios mean.

use crate::attr::{Attr, Kind};
use crate::bom::{Bom, Ceph, Cluster};
use crate::component::Value;
use crate::contradiction::ContradictionKind;
use crate::contradiction::rule::{Finding, Rule, counted};
use crate::parts::Parts;

pub(crate) const SHARED_NETWORK: Rule = Rule {
    name: "ceph.shared_network",
    describe: "Public and cluster network are the same.",
    kind: ContradictionKind::Conflict,
    blocks: &[4],
    checks: &[],
    find: shared_network,
};

pub(crate) const NO_SPARE_HOST: Rule = Rule {
    name: "ceph.no_spare_host",
    describe: "There are as many replicas as hosts: after the loss of one nothing is replicated again.",
    kind: ContradictionKind::Conflict,
    blocks: &[4],
    checks: &[],
    find: no_spare_host,
};

pub(crate) const REPLICAS_EXCEED_HOSTS: Rule = Rule {
    name: "ceph.replicas_exceed_hosts",
    describe: "There are more replicas than hosts.",
    kind: ContradictionKind::Impossible,
    blocks: &[4],
    checks: &[],
    find: replicas_exceed_hosts,
};

pub(crate) const MIN_SIZE: Rule = Rule {
    name: "ceph.min_size",
    describe: "More replicas must be there for I/O than are kept at all.",
    kind: ContradictionKind::Impossible,
    blocks: &[4],
    checks: &[],
    find: min_size,
};

pub(crate) const DEVICE_CLASS: Rule = Rule {
    name: "ceph.device_class",
    describe: "A rule selects a device class that no ordered drive has.",
    kind: ContradictionKind::Conflict,
    blocks: &[4],
    checks: &[],
    find: device_class,
};

pub(crate) const RATIO_NO_QUOTA: Rule = Rule {
    name: "ceph.ratio_no_quota",
    describe: "Pool sizes are given as ratios, without quotas.",
    kind: ContradictionKind::Unsupported,
    blocks: &[4],
    checks: &[],
    find: ratio_no_quota,
};

fn ceph(bom: &Bom) -> Option<(&Cluster, &Ceph)> {
    let cluster = bom.cluster.as_ref()?;
    Some((cluster, cluster.ceph.as_ref()?))
}

fn shared_network(bom: &Bom, _: &Parts) -> Option<Finding> {
    let (_, ceph) = ceph(bom)?;
    (ceph.public_network == ceph.cluster_network).then(|| Finding {
        statement: format!("Ceph's public and cluster network are both {}", ceph.public_network),
        why: "replication and recovery compete with the clients on the same links".into(),
    })
}

fn no_spare_host(bom: &Bom, _: &Parts) -> Option<Finding> {
    let (cluster, ceph) = ceph(bom)?;
    (ceph.size == cluster.nodes).then(|| Finding {
        statement: format!("{} across {}", counted(ceph.size.into(), "replica"), counted(cluster.nodes.into(), "host")),
        why: format!(
            "every host holds one replica of everything: after the loss of one there is nowhere to make it again, the data stay at {} until that host is back",
            counted(u64::from(ceph.size.saturating_sub(1)), "replica")
        ),
    })
}

fn replicas_exceed_hosts(bom: &Bom, _: &Parts) -> Option<Finding> {
    let (cluster, ceph) = ceph(bom)?;
    (ceph.size > cluster.nodes).then(|| Finding {
        statement: format!("{} on {}", counted(ceph.size.into(), "replica"), counted(cluster.nodes.into(), "host")),
        why: "with one replica per host some can never be placed".into(),
    })
}

fn min_size(bom: &Bom, _: &Parts) -> Option<Finding> {
    let (_, ceph) = ceph(bom)?;
    (ceph.min_size > ceph.size).then(|| Finding {
        statement: format!("size {} with min_size {}", ceph.size, ceph.min_size),
        why: "I/O would wait for replicas that are never made".into(),
    })
}

fn device_class(bom: &Bom, _: &Parts) -> Option<Finding> {
    let (_, ceph) = ceph(bom)?;
    let line = bom.line(&ceph.line)?;
    // Ceph names the class of a new OSD by transport and rotation.
    let class = match line.kind {
        Kind::Nvme => "nvme",
        Kind::Block => match line.expected(Attr::Rotational).and_then(Value::as_bool)? {
            true => "hdd",
            false => "ssd",
        },
        Kind::Board
        | Kind::Cpu
        | Kind::NumaNode
        | Kind::MemoryArray
        | Kind::Dimm
        | Kind::Memory
        | Kind::Edac
        | Kind::EdacDimm
        | Kind::Pci
        | Kind::Nic
        | Kind::Gpu
        | Kind::Os
        | Kind::Clock
        | Kind::Thermal
        | Kind::Throttle
        | Kind::MachineCheck
        | Kind::Bond
        | Kind::BondMember
        | Kind::Package
        | Kind::Subscription
        | Kind::Ceph
        | Kind::CephMonitor
        | Kind::CephOsd
        | Kind::CephPool
        | Kind::Account
        | Kind::Realm
        | Kind::Repository
        | Kind::SshKey
        | Kind::SshServer
        | Kind::Neighbour
        | Kind::Esp
        | Kind::PoolDevice
        | Kind::PoolVdev
        | Kind::Pool
        | Kind::Firewall
        | Kind::GuestNic
        | Kind::Interface
        | Kind::Bmc
        | Kind::BmcHost
        | Kind::BmcPort
        | Kind::BmcCpu
        | Kind::BmcDimm
        | Kind::BmcFirmware
        | Kind::BmcSensor
        | Kind::BmcLog
        | Kind::BmcLogEntry
        | Kind::Psu
        | Kind::Fan
        | Kind::Redundancy
        | Kind::BiosSetting => return None,
    };
    let mut wrong = Vec::new();
    if ceph.device_class != class {
        wrong.push(format!("the pools on class {}", ceph.device_class));
    }
    wrong.extend(ceph.pool_classes.iter().filter(|(_, wanted)| *wanted != class).map(|(pool, wanted)| format!("{pool} on class {wanted}")));
    (!wrong.is_empty()).then(|| Finding {
        statement: wrong.join(", "),
        why: format!("all OSDs are {} of class {class}: a rule for another class selects nothing", line.name),
    })
}

fn ratio_no_quota(bom: &Bom, _: &Parts) -> Option<Finding> {
    let (_, ceph) = ceph(bom)?;
    let unlimited: Vec<String> = ceph
        .pools
        .iter()
        .filter(|(pool, _)| !ceph.quotas.contains_key(*pool))
        .map(|(pool, ratio)| format!("{pool} {:.0} %", ratio * 100.0))
        .collect();
    (!unlimited.is_empty()).then(|| Finding {
        statement: format!("pool sizes {}", unlimited.join(", ")),
        why: "a target ratio is only a weight by which placement groups are spread: any pool can fill the cluster; limits need quotas".into(),
    })
}
