//! A mirror of two boot drives and an ESP on each, and every way in which they are not.

use std::collections::BTreeMap;

use assay_model::bom::{Bom, BomLine};
use assay_model::component::{Reading, Value};
use assay_model::inventory::ProbeEnded;
use assay_model::matcher::Matcher;
use assay_model::verdict::Rank;

use super::*;
use crate::check::planted::{Node, component, generic, rank, strict, unreadable};

fn list_of(items: &[&str]) -> Reading {
    Value::List(items.iter().map(|&item| item.to_owned()).collect()).into()
}

/// Two boot drives by their PCI id, and a mirror of them.
fn site() -> Site {
    let line = BomLine {
        name: "boot drives".into(),
        kind: Kind::Nvme,
        quantity: 2,
        part: None,
        select: BTreeMap::from([(Attr::PciId, Matcher::Equals("1344:51c3".into()))]),
        expect: BTreeMap::from([(Attr::State, Matcher::Equals("live".into()))]),
        facts: BTreeMap::new(),
    };
    let bom = Bom { schema: 1, node_class: "test".into(), revision: "1".into(), lines: vec![line], cluster: None };
    let mut site = Site { bom: Some(bom), ..strict() };
    site.declared.software.boot_line = Some("boot drives".into());
    site.declared.software.root_pool = Some(RootPool { name: "rpool".into(), layout: "mirror".into(), scrub_max_age_days: 35 });
    site
}

fn device(name: &str, drive: &str) -> Component {
    let zero = || Reading::from(0_u64);
    component(
        Kind::PoolDevice,
        name,
        &[
            (Attr::Pool, "rpool".into()),
            (Attr::State, "ONLINE".into()),
            (Attr::ReadErrors, zero()),
            (Attr::WriteErrors, zero()),
            (Attr::ChecksumErrors, zero()),
            (Attr::Drive, drive.into()),
        ],
    )
}

fn esp(uuid: &str, drive: &str) -> Component {
    component(
        Kind::Esp,
        uuid,
        &[
            (Attr::Drive, drive.into()),
            (Attr::BootLoaders, list_of(&["uefi"])),
            (Attr::BootKernels, list_of(&["6.14.11-2-pve", "6.14.8-2-pve"])),
            (Attr::BootEntries, list_of(&["Boot0001 Linux Boot Manager"])),
        ],
    )
}

fn healthy() -> Node {
    let drive = |address: &str, id: &str| component(Kind::Nvme, address, &[(Attr::PciId, id.into()), (Attr::State, "live".into())]);
    Node::bare()
        .with(drive("0000:01:00.0", "1344:51c3"))
        .with(drive("0000:02:00.0", "1344:51c3"))
        .with(drive("0000:21:00.0", "1e0f:0011"))
        .with(component(
            Kind::Pool,
            "rpool",
            &[
                (Attr::State, "ONLINE".into()),
                (Attr::Layout, list_of(&["mirror"])),
                (Attr::DataErrors, 0_u64.into()),
                (Attr::Scan, "scrub finished".into()),
                (Attr::ScrubAge, (35 * 86_400_u64).into()),
                (Attr::ScrubErrors, 0_u64.into()),
            ],
        ))
        .with(device("rpool a", "0000:01:00.0"))
        .with(device("rpool b", "0000:02:00.0"))
        .with(esp("8D5C-1B2F", "0000:01:00.0"))
        .with(esp("8D5D-77A0", "0000:02:00.0"))
        .with(component(Kind::Os, "node", &[(Attr::Kernel, "6.14.11-2-pve".into())]))
}

fn mirror(node: &Node) -> Rank {
    rank(&root_mirror(&node.0, &site()))
}

fn booting(node: &Node) -> Rank {
    rank(&both_drives(&node.0, &site()))
}

#[test]
fn a_healthy_mirror_passes_and_what_is_not_declared_is_not_judged() {
    assert_eq!((mirror(&healthy()), booting(&healthy())), (Rank::Pass, Rank::Pass));
    for check in [root_mirror, both_drives] {
        assert_eq!(rank(&check(&healthy().0, &strict())), Rank::Inconclusive);
        assert_eq!(rank(&check(&healthy().0, &generic())), Rank::NotApplicable);
    }
}

#[test]
fn the_pool_is_judged_as_the_table_says() {
    for (attr, reading, expected) in [
        (Attr::State, Reading::from("DEGRADED"), Rank::Fail),
        (Attr::State, "SUSPENDED".into(), Rank::Fail),
        (Attr::State, Reading::Absent, Rank::Inconclusive),
        (Attr::State, unreadable(), Rank::Inconclusive),
        (Attr::Layout, list_of(&["disk", "disk"]), Rank::Fail),
        (Attr::Layout, list_of(&["raidz1"]), Rank::Fail),
        (Attr::Layout, list_of(&["mirror", "mirror"]), Rank::Fail),
        (Attr::Layout, list_of(&["mirror", "cache:disk"]), Rank::Fail),
        (Attr::Layout, list_of(&[]), Rank::Fail),
        (Attr::DataErrors, 1_u64.into(), Rank::Fail),
        (Attr::DataErrors, Reading::Absent, Rank::Inconclusive),
        (Attr::Scan, "none".into(), Rank::Fail),
        (Attr::Scan, "scrub canceled".into(), Rank::Fail),
        (Attr::Scan, "scrub scanning".into(), Rank::Inconclusive),
        (Attr::Scan, "resilver finished".into(), Rank::Inconclusive),
        (Attr::Scan, unreadable(), Rank::Inconclusive),
        (Attr::ScrubErrors, 1_u64.into(), Rank::Fail),
        (Attr::ScrubAge, (35 * 86_400_u64 + 1).into(), Rank::Fail),
        (Attr::ScrubAge, 0_u64.into(), Rank::Pass),
        (Attr::ScrubAge, Reading::Absent, Rank::Inconclusive),
        (Attr::ScrubAge, unreadable(), Rank::Inconclusive),
    ] {
        assert_eq!(mirror(&healthy().plant(Kind::Pool, "rpool", attr, reading.clone())), expected, "{attr} {reading}");
    }
    assert_eq!(mirror(&healthy().without(Kind::Pool)), Rank::Fail, "no pool of that name");
    assert_eq!(mirror(&healthy().ended(Kind::Pool, ProbeEnded::Hung("zpool".into()))), Rank::Inconclusive);
    assert_eq!(mirror(&healthy().ended(Kind::Pool, ProbeEnded::SourceMissing("/sys/module/zfs".into()))), Rank::Inconclusive);
}

#[test]
fn every_device_is_judged_and_has_to_be_on_a_boot_drive_of_its_own() {
    for (attr, reading, expected) in [
        (Attr::State, Reading::from("FAULTED"), Rank::Fail),
        (Attr::State, Reading::Absent, Rank::Inconclusive),
        (Attr::ReadErrors, 1_u64.into(), Rank::Fail),
        (Attr::WriteErrors, 1_u64.into(), Rank::Fail),
        (Attr::ChecksumErrors, 1_u64.into(), Rank::Fail),
        (Attr::ChecksumErrors, unreadable(), Rank::Inconclusive),
        (Attr::Drive, "0000:21:00.0".into(), Rank::Fail),
        (Attr::Drive, "0000:01:00.0".into(), Rank::Fail),
        (Attr::Drive, "sda".into(), Rank::Fail),
        (Attr::Drive, unreadable(), Rank::Inconclusive),
        (Attr::Drive, Reading::Absent, Rank::Inconclusive),
    ] {
        assert_eq!(mirror(&healthy().plant(Kind::PoolDevice, "rpool b", attr, reading.clone())), expected, "{attr} {reading}");
    }
    assert_eq!(mirror(&healthy().pulled(Kind::PoolDevice, "rpool b")), Rank::Fail, "a boot drive is not part of it");
    assert_eq!(mirror(&healthy().with(device("rpool c", "0000:21:00.0"))), Rank::Fail, "a third one");
    let data = component(Kind::PoolDevice, "tank a", &[(Attr::Pool, "tank".into()), (Attr::State, "FAULTED".into())]);
    assert_eq!(mirror(&healthy().with(data)), Rank::Pass, "another pool is another matter");
    assert_eq!(mirror(&healthy().pulled(Kind::Nvme, "0000:02:00.0")), Rank::Inconclusive, "which drives are meant is not known");
    assert_eq!(mirror(&healthy().plant(Kind::Nvme, "0000:02:00.0", Attr::PciId, unreadable())), Rank::Inconclusive);
}

#[test]
fn the_esps_are_judged_as_the_table_says() {
    let newer = || list_of(&["6.14.11-2-pve"]);
    for (attr, reading, expected) in [
        (Attr::BootKernels, newer(), Rank::Fail),
        (Attr::BootKernels, list_of(&[]), Rank::Fail),
        (Attr::BootKernels, list_of(&["6.14.8-2-pve"]), Rank::Fail),
        (Attr::BootKernels, unreadable(), Rank::Inconclusive),
        (Attr::BootKernels, Reading::Absent, Rank::Inconclusive),
        (Attr::Drive, "0000:01:00.0".into(), Rank::Fail),
        (Attr::Drive, "0000:21:00.0".into(), Rank::Fail),
        (Attr::Drive, Reading::Absent, Rank::Fail),
        (Attr::Drive, unreadable(), Rank::Inconclusive),
        (Attr::BootEntries, list_of(&[]), Rank::Pass),
        (Attr::BootEntries, Reading::Absent, Rank::Pass),
    ] {
        assert_eq!(booting(&healthy().plant(Kind::Esp, "8D5D-77A0", attr, reading.clone())), expected, "{attr} {reading}");
    }
    let both = healthy().plant(Kind::Esp, "8D5C-1B2F", Attr::BootKernels, newer()).plant(Kind::Esp, "8D5D-77A0", Attr::BootKernels, newer());
    assert_eq!(booting(&both), Rank::Pass);
    assert_eq!(booting(&both.plant(Kind::Os, "node", Attr::Kernel, "6.17.2-1-pve")), Rank::Fail, "the running kernel is on neither");
    assert_eq!(booting(&healthy().without(Kind::Esp)), Rank::Fail);
    assert_eq!(booting(&healthy().pulled(Kind::Esp, "8D5D-77A0")), Rank::Fail);
    let mut stale = esp("AAAA-BBBB", "").clone();
    stale.attributes.insert(Attr::Drive, Reading::Absent);
    stale.attributes.insert(Attr::BootKernels, list_of(&[]));
    assert_eq!(booting(&healthy().with(stale)), Rank::Pass, "the list names one that is gone");
    assert_eq!(booting(&healthy().pulled(Kind::Nvme, "0000:02:00.0")), Rank::Inconclusive);
    assert_eq!(booting(&healthy().ended(Kind::Esp, ProbeEnded::Failed("EIO".into()))), Rank::Inconclusive);
}
