//! A redacted snapshot of a node that has every kind of identity: none survives in any form, and the node is otherwise the same.

use std::collections::BTreeMap;
use std::time::Duration;

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Reading, Value};
use assay_model::inventory::Inventory;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::*;
use crate::host::{Host, RecordingOptions};
use crate::smbios::made_up::{array, module, structure};
use crate::{ProbeOptions, take_inventory};

/// Whatever identifies this node.
const IDENTITIES: &[&str] = &[
    "anna",
    "corp",
    "desk-of-anna",
    "WnjYB9TTqPlxbnDCdAkJDpeDxm92cnmPAWNnD1GKbW8",
    "8D5C-1B2F",
    "183475610293847561",
    "pve1",
    "example.com",
    "S64HNE0R500001",
    "94:6d:ae:01:02:03",
    "BC:24:11:2E:9A:01",
    "94:6D:AE:01:02:03",
    "946dae010203",
    "94-6d-ae-01-02-03",
    "0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a1",
    "4c4c4544-0042-3510-8056-b2c04f4e3333",
    "10.20.30.40",
    "2001:db8::17",
    "80CE00000000",
    "80CE00000001",
    "ASSET01",
    "BOARD-SERIAL-77",
    "S45GNX0R01",
    "HPE-KEY-1234",
    "1a2b3c4d-01",
    "MT2241FT01234",
    "MT2245X00001",
    "PSU-SERIAL-9",
    "8X3K9Z2",
    "bmc-rack7",
    "lab.example.net",
    "10.6.0.211",
    "WZP23400AK4",
    "nqn.2016-08.com.samsung:nvme:7",
    "VENDORS-SECRET-1",
    "hunter",
    "tail",
    "two words",
    "idrac-8X",
    "naa.500056",
    "iqn.2001-04.org.lab:node7",
    "rack7-b",
    "rack7-c",
    "rack7-d",
    "CEPHSERIAL9",
];

/// The first page of a QSFP module.
fn plugged() -> Vec<u8> {
    let mut bytes = vec![0; 256];
    (bytes[0], bytes[128]) = (0x11, 0x11);
    bytes[148..164].copy_from_slice(b"Mellanox        ");
    bytes[168..184].copy_from_slice(b"MMA1T00-VS      ");
    bytes[196..212].copy_from_slice(b"MT2241FT01234   ");
    bytes[191] = bytes[128..191].iter().fold(0, |sum, byte| sum.wrapping_add(*byte));
    bytes
}

/// Identify Controller of the drive.
fn identify() -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[4..24].copy_from_slice(b"S64HNE0R500001      ");
    bytes[24..64].copy_from_slice(b"SAMSUNG MZQL2                           ");
    bytes[768..798].copy_from_slice(b"nqn.2016-08.com.samsung:nvme:7");
    bytes[3072..3088].copy_from_slice(b"VENDORS-SECRET-1");
    bytes
}

fn table() -> Vec<u8> {
    let uuid = [0x44, 0x45, 0x4c, 0x4c, 0x42, 0x00, 0x10, 0x35, 0x80, 0x56, 0xb2, 0xc0, 0x4f, 0x4e, 0x33, 0x33];
    let system = [&[1, 2, 3, 4][..], &uuid, &[6, 0, 0]].concat();
    let mut table = structure(1, 0x0100, &system, &["Supermicro", "AS -2125HS-TNR", "0123", "BOARD-SERIAL-77"]);
    table.extend(structure(2, 0x0200, &[1, 2, 0, 3], &["Supermicro", "H13DSH", "BOARD-SERIAL-77"]));
    table.extend(structure(221, 0x0300, &[0x94, 0x6d, 0xae, 0x01, 0x02, 0x03, 1], &["HPE-KEY-1234"]));
    [table, array(2), module(0, 98_304, 4800), module(1, 98_304, 4800), structure(127, 0x7f00, &[], &[])].concat()
}

fn node() -> Snapshot {
    let page = STANDARD.encode(b"\x00\x80\x00\x0aS45GNX0R01");
    let text = format!(
        "/proc/sys/kernel/hostname: pve1.example.com
        /proc/sys/kernel/osrelease: 6.8.12-4-pve
        /proc/sys/kernel/random/boot_id: 0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a1
        /proc/cmdline: root=UUID=0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a1 ip=10.20.30.40:::255.255.255.0:pve1 dns=2001:db8::17 BOOTIF=01-94-6d-ae-01-02-03 root=/dev/mapper/pve1-root by-id/nvme-X_S64HNE0R500001-part3 PARTUUID=1a2b3c4d-01 auto_login.password=hunter2%tail netconsole_token=\"two words\" rd.iscsi.password:hunter3 inst.ks=https://bob:hunter4@10.20.30.41/ks.cfg systemd.set_credential=root.pw:hunter5 iommu=pt
        /etc/os-release: ID=debian
        ceph:osd%20metadata: [{{\"id\":0,\"hostname\":\"rack7-b\",\"device_ids\":\"nvme0n1=KIOXIA_KCMYXRUG7T68_CEPHSERIAL9\",\"rotational\":\"0\"}}]
        ceph:quorum_status: {{\"quorum_names\":[\"rack7-c\"],\"monmap\":{{\"fsid\":\"0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a1\",\"mons\":[]}}}}
        ceph:time-sync-status: {{\"time_skew_status\":{{\"rack7-c\":{{\"skew\":0.0}}}}}}
        ceph:osd%20tree: {{\"nodes\":[{{\"id\":-2,\"name\":\"rack7-d\",\"type\":\"host\"}}]}}
        excerpt:/etc/passwd:
        |account root /root
        |account anna /home/anna
        excerpt:/home/anna/.ssh/authorized_keys: 1 ssh-ed25519 256 SHA256:WnjYB9TTqPlxbnDCdAkJDpeDxm92cnmPAWNnD1GKbW8 anna@desk-of-anna
        /home/anna/.ssh/authorized_keys link: keys-of-anna
        /etc/ssh/sshd_config: PermitRootLogin no
        command:sshd%20-T:
        |exit 0
        |passwordauthentication no
        |authorizedkeysfile .ssh/authorized_keys
        |allowusers anna
        /etc/pve/local link: nodes/pve1
        /etc/pve/qemu-server list: 101.conf
        excerpt:/etc/pve/qemu-server/101.conf:
        |net0: virtio=BC:24:11:2E:9A:01,bridge=vmbr0,tag=11
        |hostpci0: mapping=fast
        /etc/pve/mapping/pci.cfg:
        |fast
        |  map id=15b3:101b,node=pve1,path=0000:61:00.0
        /sys/bus/pci/devices/0000:61:00.0/class: 0x020000
        excerpt:/etc/pve/domains.cfg: realm ad corp
        excerpt:/etc/pve/user.cfg: user anna@corp 1 0
        excerpt:/etc/pve/priv/tfa.cfg: factor anna@corp totp
        excerpt:/etc/pve/priv/shadow.cfg:
        /etc/kernel/proxmox-boot-uuids: 8D5C-1B2F
        /dev/disk/by-uuid/8D5C-1B2F link: ../../nvme0n1p2
        command:proxmox-boot-tool%20status:
        |exit 0
        |8D5C-1B2F is configured with: uefi (versions: 6.14.11-2-pve)
        /sys/module/zfs/version: 2.3.4
        command:zpool%20status%20-j%20--json-int:
        |exit 0
        |{{\"pools\":{{\"rpool\":{{\"name\":\"rpool\",\"state\":\"ONLINE\",\"pool_guid\":9183475610293847561,\"vdevs\":{{\"rpool\":{{\"vdevs\":{{}}}}}}}}}}}}
        /sys/class/dmi/id/product_uuid: 4c4c4544-0042-3510-8056-b2c04f4e3333
        /sys/class/dmi/id/product_serial: BOARD-SERIAL-77
        /sys/class/dmi/id/product_name: AS -2125HS-TNR
        /sys/class/dmi/id/bios_version: 3.1.2.4
        /sys/class/net list: enx946dae010203 pve1-uplink lo
        /sys/class/net/lo/device absent
        /sys/class/net/pve1-uplink/device absent
        /sys/class/net/enx946dae010203/address: 94:6d:ae:01:02:03
        /sys/class/net/enx946dae010203/device exists
        /sys/class/net/enx946dae010203/mtu: 1500
        /sys/class/net/enx946dae010203/device/driver link: ../../94:6D:AE:01:02:03/mlx5_core
        ethtool:enx946dae010203/driver:
        |driver: ice
        |fw_version: 1.2.3.4
        ethtool:enx946dae010203/module bytes: {}
        devlink:pci/0000:61:00.0/info:
        |driver: mlx5_core
        |board.serial_number: MT2245X00001
        |running fw.version: 20.43.2566
        /sys/class/nvme/nvme0/serial: S64HNE0R500001
        nvme:nvme0/identify/01/0 bytes: {}
        /sys/class/nvme/nvme0/model: SAMSUNG MZQL2
        /sys/class/nvme/nvme0/firmware_rev: 1.2.3.4
        /sys/block/sda/size: 100
        /sys/block/sda/device/vpd_pg80 bytes: {page}
        /sys/block/sdb/size: 100
        /sys/block/sdb/device/vpd_pg83 bytes: {page}
        redfish:/redfish/v1/: {{\"Systems\": {{\"@odata.id\": \"/redfish/v1/Systems\"}}, \"Managers\": {{\"@odata.id\": \"/redfish/v1/Managers\"}}}}
        redfish:/redfish/v1/Systems: {{\"Members\": [{{\"@odata.id\": \"/redfish/v1/Systems/WZP23400AK4\"}}]}}
        redfish:/redfish/v1/Systems/WZP23400AK4: {{\"Attributes\": {{\"NIC.1.DNSRacName\": \"idrac-8X3K\", \"IscsiInitiatorName\": \"iqn.2001-04.org.lab:node7\"}}, \"Identifiers\": [{{\"DurableName\": \"naa.500056B31234ABCD\"}}], \"SerialNumber\": \"WZP23400AK4\", \"SKU\": \"8X3K9Z2\", \"BiosVersion\": \"2.19.1.3\", \"Oem\": {{\"X\": {{\"PsuSerial\": [\"PSU-SERIAL-9\"]}}}}}}
        redfish:/redfish/v1/Managers: {{\"Members\": [{{\"Id\": \"1\", \"HostName\": \"bmc-rack7\", \"FQDN\": \"bmc-rack7.lab.example.net\", \"IPv4\": \"10.6.0.211\"}}]}}
        {TABLE} bytes: {}",
        STANDARD.encode(plugged()),
        STANDARD.encode(identify()),
        STANDARD.encode(table())
    );
    let mut snapshot = Snapshot::parse(&format!("unmentioned: absent\n{text}")).expect("a fixture");
    snapshot.header.host = "pve1.example.com".into();
    snapshot
}

fn redacted() -> Snapshot {
    Redactor::keyed_by(b"f00dfeed\n").expect("keyed").redact(node())
}

fn inventory(snapshot: &Snapshot) -> Inventory {
    let host = Host::from_snapshot(&snapshot.to_string()).expect("reads back");
    take_inventory(&host, &ProbeOptions { deadline: Duration::from_secs(20), now: Timestamp::UNIX_EPOCH })
}

#[test]
fn no_original_survives_in_any_form() {
    let before = node();
    let written = before.to_string();
    let bytes = |snapshot: &Snapshot| -> Vec<u8> {
        let answers = snapshot.answers.values().flat_map(BTreeMap::values);
        answers.flat_map(|answer| if let Answer::Bytes(bytes) = answer { [bytes.as_slice(), b"\n"].concat() } else { Vec::new() }).collect()
    };
    let everything = |snapshot: &Snapshot| format!("{snapshot}\n{}", String::from_utf8_lossy(&bytes(snapshot)));
    let (before, after) = (everything(&before), everything(&redacted()));
    for identity in IDENTITIES {
        let is_derived_spelling = ["94:6D:AE:01:02:03"].contains(identity);
        assert!(before.contains(identity) || is_derived_spelling, "{identity} is in the fixture: {written}");
        assert!(!after.contains(identity), "{identity} survives:\n{after}");
    }
    let uuid = [0x44, 0x45, 0x4c, 0x4c, 0x42, 0x00, 0x10, 0x35];
    let address = [0x94, 0x6d, 0xae, 0x01, 0x02, 0x03];
    for raw in [&uuid[..], &address] {
        assert!(bytes(&node()).windows(raw.len()).any(|window| window == raw));
        assert!(!bytes(&redacted()).windows(raw.len()).any(|window| window == raw));
    }
}

/// What identifies a machine, wherever probes found it. People are named in excerpts only, in whose place the fixtures have the files.
const OF_SOMEBODY: &[Attr] = &[
    Attr::Serial,
    Attr::IdentifiedSerial,
    Attr::ModuleSerial,
    Attr::Uuid,
    Attr::Mac,
    Attr::PartnerMac,
    Attr::Hostname,
    Attr::BootId,
    Attr::Subsystem,
    Attr::Addresses,
    Attr::ChassisId,
    Attr::SystemName,
];

#[test]
fn nothing_that_probes_find_on_a_reference_node_survives() {
    let nodes = crate::reference::nodes().expect("reference nodes");
    let (mut found, mut survivors) = (0, std::collections::BTreeSet::new());
    for node in nodes.values() {
        let snapshot = &node.now;
        let seen = inventory(snapshot);
        let texts = seen.components.iter().flat_map(|component| OF_SOMEBODY.iter().filter_map(|attr| component.value(*attr)));
        let mut identities: std::collections::BTreeSet<String> = texts
            .flat_map(|value| match value {
                Value::List(items) => items.clone(),
                value @ (Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_)) => vec![value.to_string()],
            })
            .map(|text| text.split('/').next().unwrap_or_default().trim().to_owned())
            .collect();
        identities.insert(seen.host.clone());
        let after = Redactor::keyed_by(b"f00dfeed").expect("keyed").redact(snapshot.clone());
        let bytes = after
            .answers
            .values()
            .flat_map(BTreeMap::values)
            .filter_map(|answer| if let Answer::Bytes(bytes) = answer { Some(String::from_utf8_lossy(bytes).into_owned()) } else { None });
        let after = format!("{after}\n{}", bytes.collect::<Vec<_>>().join("\n")).to_ascii_lowercase();
        let everywhere = ["127.0.0.1", "::1", "localhost"];
        for identity in identities.iter().filter(|text| text.len() >= 4 && !secrets::says_nothing(text) && !everywhere.contains(&text.as_str())) {
            found += 1;
            let identity = identity.to_ascii_lowercase();
            let line = after.lines().find(|line| line.contains(&identity));
            if let Some(line) = line {
                survivors.insert(format!("{}: `{identity}` in {}", node.name, line.chars().take(120).collect::<String>()));
            }
        }
    }
    assert!(survivors.is_empty(), "{survivors:#?}");
    assert!(found > 300, "only {found} identities were looked for");
}

#[test]
fn the_node_is_otherwise_the_same() {
    let (before, after) = (inventory(&node()), inventory(&redacted()));
    let of_node = [Attr::Serial, Attr::Uuid, Attr::Mac, Attr::Hostname, Attr::BootId, Attr::CommandLine, Attr::Name, Attr::Driver];
    let identity = [&of_node[..], &[Attr::ModuleSerial, Attr::IdentifiedSerial, Attr::Subsystem, Attr::Fingerprint, Attr::Comment]].concat();
    assert_eq!(before.components.len(), after.components.len());
    for (before, after) in before.components.iter().zip(&after.components) {
        assert_eq!(before.kind, after.kind);
        for (attr, reading) in before.attributes.iter().filter(|(attr, _)| !identity.contains(attr)) {
            assert_eq!(after.reading(*attr), reading, "{} {attr}", before.locator);
        }
    }
    let guests: Vec<_> = after.iter(Kind::GuestNic).map(|nic| nic.locator.as_str()).collect();
    assert_eq!(guests, ["101 hostpci0 0000:61:00.0", "101 net0"], "the mapping still names this node");
    let modules: Vec<_> = after.iter(Kind::Dimm).collect();
    assert_eq!(modules.len(), 2);
    assert_eq!(modules[0].reading(Attr::PartNumber), &"M321RYGA0BB0-CQKZJ".into());
    assert_ne!(modules[0].reading(Attr::Serial), modules[1].reading(Attr::Serial));
    let system = after.iter(Kind::BmcHost).next().expect("a system");
    assert_eq!(system.reading(Attr::Firmware), &"2.19.1.3".into(), "a version is no address");
    assert_ne!(system.reading(Attr::Serial), &Reading::Absent);
    assert_eq!(after.iter(Kind::Nvme).next().expect("a drive").reading(Attr::Firmware), &"1.2.3.4".into());
    let drive = after.iter(Kind::Nvme).next().expect("a drive");
    assert_eq!(drive.reading(Attr::IdentifiedSerial), drive.reading(Attr::Serial), "driver and drive still say the same");
    assert_eq!(drive.reading(Attr::IdentifiedModel), &"SAMSUNG MZQL2".into());
}

#[test]
fn pseudonyms_are_the_same_in_every_place_and_in_every_snapshot() {
    let after = inventory(&redacted());
    let port = after.iter(Kind::Nic).next().expect("a port");
    let mac = port.value(Attr::Mac).and_then(|mac| mac.as_str()).expect("an address").replace(':', "");
    assert_eq!(port.locator, format!("enx{mac}"));
    let os = after.iter(Kind::Os).next().expect("an os");
    let boot = os.value(Attr::BootId).and_then(|id| id.as_str()).expect("an id");
    let command_line = os.value(Attr::CommandLine).and_then(|line| line.as_str()).expect("a line");
    assert!(command_line.contains(boot), "{command_line}");
    let host = after.host.split('.').next().expect("a label");
    assert!(command_line.contains(&format!("/dev/mapper/{host}-root")), "{command_line}");
    assert_eq!(redacted(), redacted());
    let elsewhere = Redactor::keyed_by(b"another machine").expect("keyed").redact(node());
    assert_ne!(elsewhere, redacted());
    let without_id = || Redactor::keyed_by(b"\n").expect("keyed").redact(node());
    assert_ne!(without_id(), without_id(), "without a machine id, pseudonyms hold for one snapshot");
}

#[test]
fn bytes_of_which_nothing_is_known_and_torn_tables_are_left_out() {
    assert!(!redacted().to_string().contains("vpd_pg83"));
    let torn = format!("unmentioned: absent\n{TABLE} bytes: {}", STANDARD.encode(&table()[..60]));
    let snapshot = Redactor::keyed_by(b"x").expect("keyed").redact(Snapshot::parse(&torn).expect("a fixture"));
    assert!(snapshot.answers.is_empty());
}

#[test]
fn a_redacted_recording_of_this_machine_says_so_and_reads_back() {
    let live = Host::recording(std::path::Path::new("/"));
    let seen = take_inventory(&live, &ProbeOptions { deadline: Duration::from_secs(30), now: Timestamp::UNIX_EPOCH });
    let text = live.recorded(&RecordingOptions { redact: true, tool: "a test".into(), now: Timestamp::UNIX_EPOCH }).expect("a snapshot");
    assert!(text.contains("\nredacted: yes\n") && !text.contains(&seen.boot_id));
    let again = inventory(&Snapshot::parse(&text).expect("reads back"));
    assert_eq!(again.components.len(), seen.components.len());
    assert_ne!(again.host, seen.host);
}
