//! JSON in the form of zpool-status(8) of OpenZFS 2.3.9 (its example, and the names of fields and states in the binary of Debian 13), text in that of 2.2.

use proptest::prelude::*;

use super::*;

const MIRROR: &str = r#"{"output_version":{"command":"zpool status","vers_major":0,"vers_minor":1},"pools":{"rpool":{"name":"rpool","state":"ONLINE",
"pool_guid":9183475610293847561,"txg":184467,"spa_version":5000,"zpl_version":5,
"scan_stats":{"function":"SCRUB","state":"FINISHED","start_time":1762647841,"end_time":1762647854,"to_examine":5368709120,"examined":5368709120,
"skipped":0,"processed":0,"errors":0,"bytes_per_scan":0,"pass_start":1762647841,"scrub_pause":0,"scrub_spent_paused":0,"issued_bytes_per_scan":5368709120,"issued":5368709120},
"vdevs":{"rpool":{"name":"rpool","vdev_type":"root","guid":9183475610293847561,"class":"normal","state":"ONLINE","alloc_space":5368709120,
"total_space":478000000000,"def_space":478000000000,"read_errors":0,"write_errors":0,"checksum_errors":0,"vdevs":{
"mirror-0":{"name":"mirror-0","vdev_type":"mirror","guid":1111,"class":"normal","state":"ONLINE","read_errors":0,"write_errors":0,"checksum_errors":0,"vdevs":{
"nvme-A-part3":{"name":"nvme-A-part3","vdev_type":"disk","guid":2222,"path":"/dev/disk/by-id/nvme-A-part3","class":"normal","state":"ONLINE","read_errors":0,"write_errors":0,"checksum_errors":0},
"nvme-B-part3":{"name":"nvme-B-part3","vdev_type":"disk","guid":3333,"path":"/dev/disk/by-id/nvme-B-part3","class":"normal","state":"ONLINE","read_errors":0,"write_errors":0,"checksum_errors":0}}}}}},
"error_count":0}}}"#;

const TEXT: &str = "  pool: rpool
 state: DEGRADED
status: One or more devices could not be used because the label is missing or
\tinvalid.  Sufficient replicas exist for the pool to continue
\tfunctioning in a degraded state.
action: Replace the device using 'zpool replace'.
   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-4J
  scan: scrub repaired 0B in 00:00:13 with 0 errors on Sun Nov  9 00:24:14 2025
config:

\tNAME                                       STATE     READ WRITE CKSUM
\trpool                                      DEGRADED     0     0     0
\t  mirror-0                                 DEGRADED     0     0     0
\t    /dev/disk/by-id/nvme-A-part3           ONLINE       0     0     0
\t    5783901234567890123                    UNAVAIL      3    21     1  was /dev/disk/by-id/nvme-B-part3
\tlogs
\t  /dev/disk/by-id/nvme-L-part1             ONLINE       0     0     0
\tspares
\t  /dev/disk/by-id/nvme-S                   AVAIL

errors: No known data errors
";

const DRIVES: &str = "/sys/module/zfs/version: 2.3.4-pve1
    syscall:clock_gettime: realtime 1763900100
    /dev/disk/by-id/nvme-A-part3 link: ../../nvme0n1p3
    /dev/disk/by-id/nvme-B-part3 link: ../../nvme1n1p3
    /sys/class/block/nvme0n1p3 link: ../../devices/pci0000:00/0000:00:01.1/0000:01:00.0/nvme/nvme0/nvme0n1/nvme0n1p3
    /sys/class/block/nvme1n1p3 link: ../../devices/pci0000:00/0000:00:01.2/0000:02:00.0/nvme/nvme1/nvme1n1/nvme1n1p3";

fn answering(json: &str, text: &str) -> String {
    let lines = |text: &str| text.lines().map(|line| format!("|{line}\n")).collect::<String>();
    format!("{DRIVES}\ncommand:zpool%20status%20-j%20--json-int:\n{}command:zpool%20status%20-Pp:\n{}", lines(json), lines(text))
}

fn found(snapshot: &str) -> Result<Vec<Component>, HostError> {
    Pool.probe(&Host::from_snapshot(snapshot).expect("a fixture"))
}

#[test]
fn a_mirror_is_read_from_json() {
    let found = found(&answering(&format!("exit 0\n{MIRROR}"), "exit 1")).expect("looked");
    let names: Vec<&str> = found.iter().map(|component| component.locator.as_str()).collect();
    assert_eq!(names, ["rpool", "rpool mirror-0", "rpool /dev/disk/by-id/nvme-A-part3", "rpool /dev/disk/by-id/nvme-B-part3"]);
    assert_eq!(found[0].reading(Attr::State), &"ONLINE".into());
    assert_eq!(found[0].reading(Attr::Layout), &Value::List(vec!["mirror".into()]).into());
    assert_eq!(found[0].reading(Attr::Scan), &"scrub finished".into());
    assert_eq!(found[0].reading(Attr::ScrubAge), &(1_763_900_100_u64 - 1_762_647_854).into());
    for attr in [Attr::ScrubErrors, Attr::DataErrors] {
        assert_eq!(found[0].reading(attr), &0_u64.into(), "{attr}");
    }
    let drives: Vec<&Reading> = found[2..].iter().map(|device| device.reading(Attr::Drive)).collect();
    assert_eq!(drives, [&"0000:01:00.0".into(), &"0000:02:00.0".into()]);
    assert_eq!(found[2].reading(Attr::ChecksumErrors), &0_u64.into());
    let mirror = &found[1];
    assert_eq!((mirror.kind, mirror.reading(Attr::VdevType), mirror.reading(Attr::Children)), (Kind::PoolVdev, &"mirror".into(), &2_u64.into()));
    assert_eq!((mirror.reading(Attr::Parity), mirror.reading(Attr::Rebuild)), (&Reading::Absent, &"none".into()));
    // Nobody said what zpool get answers.
    for reading in [mirror.reading(Attr::Ashift), found[2].reading(Attr::Ashift), found[0].reading(Attr::Autotrim)] {
        assert!(matches!(reading, Reading::Unreadable(_)), "{reading}");
    }
}

fn called<'a>(found: &'a [Component], locator: &str) -> &'a Component {
    let names = || found.iter().map(|one| one.locator.as_str()).collect::<Vec<_>>();
    found.iter().find(|one| one.locator == locator).unwrap_or_else(|| panic!("{locator} is not among {:?}", names()))
}

#[test]
fn an_older_tool_is_understood_by_its_text() {
    let found = found(&answering("exit 2", &format!("exit 0\n{TEXT}"))).expect("looked");
    assert_eq!(found[0].reading(Attr::State), &"DEGRADED".into());
    assert_eq!(found[0].reading(Attr::Layout), &Value::List(vec!["mirror".into(), "log:disk".into(), "spare:disk".into()]).into());
    assert_eq!(found[0].reading(Attr::ScrubAge), &(1_763_900_100_u64 - 1_762_647_854).into());
    assert_eq!(found[0].reading(Attr::DataErrors), &0_u64.into());
    assert_eq!(found.len(), 7, "a pool, two vdevs, four devices");
    let gone = called(&found, "rpool 5783901234567890123");
    assert_eq!((gone.reading(Attr::State), gone.reading(Attr::WriteErrors)), (&"UNAVAIL".into(), &21_u64.into()));
    assert_eq!((gone.reading(Attr::Drive), gone.reading(Attr::Vdev)), (&Reading::Absent, &"mirror-0".into()));
    let spare = called(&found, "rpool /dev/disk/by-id/nvme-S");
    assert_eq!(
        (spare.reading(Attr::State), spare.reading(Attr::ReadErrors), spare.reading(Attr::Vdev)),
        (&"AVAIL".into(), &Reading::Absent, &Reading::Absent)
    );
    let log = called(&found, "rpool /dev/disk/by-id/nvme-L-part1");
    assert_eq!((log.kind, log.reading(Attr::VdevClass)), (Kind::PoolVdev, &"log".into()));
}

/// A dRAID pool in the text of OpenZFS 2.2: its spare room has taken the place of a drive, and another one is being replaced.
const DRAID: &str = "  pool: tank
 state: DEGRADED
status: One or more devices is currently being resilvered.
  scan: scrub repaired 0B in 01:25:21 with 0 errors on Sun Nov  9 03:14:00 2025
  scan: resilver (draid1:2d:5c:1s-0) in progress since Sun Nov 23 11:56:40 2025
\t1.2T / 18.3T scanned at 2.1G/s, 0.9T / 18.3T issued 1.6G/s, 3.1T total
\t80.1G resilvered, 4.92% done, 02:58:01 to go
config:

\tNAME                     STATE     READ WRITE CKSUM
\ttank                     DEGRADED     0     0     1
\t  draid1:2d:5c:1s-0      DEGRADED     0     0     2
\t    /dev/sda             ONLINE       0     0     0
\t    spare-1              DEGRADED     0     0     0
\t      /dev/sdb           FAULTED      0    14     0  too many errors
\t      draid1-0-0         ONLINE       0     0     0  (resilvering)
\t    replacing-2          DEGRADED     0     0     0
\t      8734650192837465012  UNAVAIL      0     0     0  was /dev/sdc1
\t      /dev/sdf           ONLINE       0     0     0
\t    /var/tmp/my disk     ONLINE       0     0     0  block size: 512B configured, 4096B native
\t    /dev/sde             ONLINE       0     0     0
\tspares
\t  draid1-0-0             INUSE     currently in use
\t  /dev/sdg               AVAIL

errors: No known data errors
";

fn of_draid(text: &str) -> Vec<Component> {
    found(&answering("exit 2", &format!("exit 0\n{text}"))).expect("looked")
}

#[test]
fn a_draid_vdev_is_what_its_name_says_and_its_spare_stands_in_for_a_device() {
    let found = of_draid(DRAID);
    let vdevs: Vec<&Component> = found.iter().filter(|one| one.kind == Kind::PoolVdev).collect();
    assert_eq!(vdevs.len(), 1, "spares are no vdevs");
    for (attr, expected) in [
        (Attr::VdevType, Reading::from("draid")),
        (Attr::VdevClass, "normal".into()),
        (Attr::State, "DEGRADED".into()),
        (Attr::Parity, 1_u64.into()),
        (Attr::GroupData, 2_u64.into()),
        (Attr::Children, 5_u64.into()),
        (Attr::DistributedSpares, 1_u64.into()),
        (Attr::ChecksumErrors, 2_u64.into()),
        (Attr::Rebuild, "active".into()),
    ] {
        assert_eq!(vdevs[0].reading(attr), &expected, "{attr}");
    }
    let pool = called(&found, "tank");
    assert_eq!((pool.reading(Attr::Scan), pool.reading(Attr::ChecksumErrors)), (&"scrub finished".into(), &1_u64.into()));
    assert!(pool.value(Attr::ScrubAge).is_some(), "a rebuild is no scan");
    let layout = ["draid", "spare:dspare", "spare:disk"].map(str::to_owned).to_vec();
    assert_eq!(pool.reading(Attr::Layout), &Value::List(layout).into());
    let spare = called(&found, "tank draid1-0-0");
    assert_eq!((spare.reading(Attr::State), spare.reading(Attr::VdevType)), (&"INUSE".into(), &"dspare".into()));
    assert_eq!((spare.reading(Attr::StandsInFor), spare.reading(Attr::ReadErrors)), (&"/dev/sdb".into(), &Reading::Absent));
    assert_eq!(found.iter().filter(|one| one.locator == spare.locator).count(), 1, "it is told of once");
    for (device, state) in
        [("/dev/sdb", "FAULTED"), ("8734650192837465012", "UNAVAIL"), ("/dev/sdf", "ONLINE"), ("/var/tmp/my disk", "ONLINE"), ("/dev/sdg", "AVAIL")]
    {
        let device = called(&found, &format!("tank {device}"));
        assert_eq!((device.reading(Attr::State), device.reading(Attr::StandsInFor)), (&state.into(), &Reading::Absent), "{}", device.locator);
    }
    assert_eq!(called(&found, "tank /var/tmp/my disk").reading(Attr::WriteErrors), &0_u64.into());
}

#[test]
fn a_whole_drive_that_stands_in_for_another_is_told_of_once() {
    let hot = DRAID.replace("draid1-0-0 ", "/dev/sdg   ").replace("  /dev/sdg               AVAIL\n", "  /dev/sdh               AVAIL\n");
    let found = of_draid(&hot);
    let spare = called(&found, "tank /dev/sdg");
    assert_eq!((spare.reading(Attr::State), spare.reading(Attr::StandsInFor)), (&"INUSE".into(), &"/dev/sdb".into()));
    assert_eq!(found.iter().filter(|one| one.locator == spare.locator).count(), 1);
}

#[test]
fn a_name_that_does_not_fit_what_is_listed_is_not_believed() {
    let vdev = |text: &str| of_draid(text).into_iter().find(|one| one.kind == Kind::PoolVdev).expect("a vdev");
    let one_less = vdev(&DRAID.replace("\t    /dev/sde             ONLINE       0     0     0\n", ""));
    assert!(matches!(one_less.reading(Attr::Children), Reading::Unreadable(_)), "{:?}", one_less.reading(Attr::Children));
    let newer = vdev(&DRAID.replace("draid1:2d:5c:1s-0", "draid1:2d:5c:1s:2w-0"));
    for attr in [Attr::Parity, Attr::GroupData, Attr::DistributedSpares] {
        assert!(matches!(newer.reading(attr), Reading::Unreadable(_)), "{attr}");
    }
}

#[test]
fn a_table_that_breaks_off_or_is_none_of_a_pool_is_malformed() {
    for torn in [
        DRAID.split("\t    /dev/sde").next().unwrap_or_default().to_owned(),
        DRAID.replace("errors: No known data errors\n", ""),
        format!("{}{TEXT}", DRAID.replace("errors: No known data errors\n", "")),
        DRAID.replace("\tspares\n", "\tstand-ins\n"),
        DRAID.replace("\ttank                     DEGRADED     0     0     1\n", ""),
    ] {
        let found = found(&answering("exit 2", &format!("exit 0\n{torn}")));
        assert!(matches!(found, Err(HostError::Malformed { .. })), "{torn}");
    }
    let odd = DRAID.replace("  pool: tank", "  pool: cache").replace("\ttank ", "\tcache");
    assert_eq!(called(&of_draid(&odd), "cache draid1:2d:5c:1s-0").reading(Attr::VdevClass), &"normal".into(), "a pool that is called like a class");
}

#[test]
fn the_json_of_a_draid_pool_is_read_though_it_does_not_say_what_its_vdev_is() {
    let node = crate::reference::nodes().expect("reference nodes").remove("pve1-draid").expect("it is one");
    let found = Pool.probe(&node.host()).expect("looked");
    let vdev = called(&found, "tank draid2:4d:12c:1s-0");
    assert_eq!((vdev.reading(Attr::VdevType), vdev.reading(Attr::State)), (&"draid".into(), &Reading::Absent));
    assert_eq!((vdev.reading(Attr::Children), vdev.reading(Attr::Parity)), (&12_u64.into(), &2_u64.into()));
    assert!(matches!(vdev.reading(Attr::Ashift), Reading::Unreadable(_)), "zpool get does not find it");
    assert_eq!(called(&found, "rpool mirror-0").reading(Attr::Ashift), &12_u64.into());
    let members: Vec<&Component> = found.iter().filter(|one| one.reading(Attr::Vdev) == &"draid2:4d:12c:1s-0".into()).collect();
    assert_eq!(members.len(), 12);
    for member in members {
        assert_eq!((member.reading(Attr::Ashift), member.reading(Attr::VdevType)), (&12_u64.into(), &"disk".into()), "{}", member.locator);
        assert!(member.value(Attr::Drive).is_some(), "{}", member.locator);
    }
    let spare = called(&found, "tank draid2-0-0");
    assert_eq!((spare.reading(Attr::State), spare.reading(Attr::StandsInFor)), (&"AVAIL".into(), &Reading::Absent));
    assert_eq!(called(&found, "tank").reading(Attr::Autotrim), &true.into());
}

#[test]
fn a_rebuild_that_runs_is_told_beside_a_scan_and_without_one() {
    let rebuild = r#""rebuild_stats":{"mirror-0":{"name":"mirror-0","state":"ACTIVE"}}"#;
    let beside = MIRROR.replace("\"scan_stats\":{", &format!("\"scan_stats\":{{{rebuild},"));
    let alone = MIRROR.replace(
        &MIRROR[MIRROR.find("\"scan_stats\"").expect("it is there")..MIRROR.find("\"vdevs\"").expect("it is there")],
        &format!("\"scan_stats\":{{{rebuild}}},"),
    );
    for (json, scan) in [(beside, "scrub finished"), (alone, "none")] {
        let found = found(&answering(&format!("exit 0\n{json}"), "exit 1")).expect("looked");
        assert_eq!((found[0].reading(Attr::Scan), found[1].reading(Attr::Rebuild)), (&scan.into(), &"active".into()));
    }
    for broken in [r#""rebuild_stats":7"#, r#""rebuild_stats":{"mirror-0":{}}"#] {
        let json = MIRROR.replace("\"scan_stats\":{", &format!("\"scan_stats\":{{{broken},"));
        assert!(found(&answering(&format!("exit 0\n{json}"), "exit 1")).is_err(), "{broken}");
    }
}

#[test]
fn only_a_finished_scrub_has_an_age() {
    for (from, to, scan) in [
        ("\"SCRUB\",\"state\":\"FINISHED\"", "\"SCRUB\",\"state\":\"SCANNING\"", "scrub scanning"),
        ("\"SCRUB\"", "\"RESILVER\"", "resilver finished"),
        ("\"SCRUB\"", "\"NONE\"", "none"),
        ("scan_stats", "other_stats", "none"),
    ] {
        let found = found(&answering(&format!("exit 0\n{}", MIRROR.replace(from, to)), "exit 1")).expect("looked");
        assert_eq!((found[0].reading(Attr::Scan), found[0].reading(Attr::ScrubAge)), (&scan.into(), &Reading::Absent), "{to}");
    }
    for (line, scan) in [
        ("none requested", "none"),
        ("scrub in progress since Sun Nov 23 00:24:01 2025", "scrub scanning"),
        ("scrub canceled on Sun Nov 23 00:24:01 2025", "scrub canceled"),
        ("resilvered 1.21G in 00:00:03 with 0 errors on Sun Nov 23 00:24:01 2025", "resilver finished"),
    ] {
        let text = TEXT.replace("scrub repaired 0B in 00:00:13 with 0 errors on Sun Nov  9 00:24:14 2025", line);
        let found = found(&answering("exit 2", &format!("exit 0\n{text}"))).expect("looked");
        assert_eq!((found[0].reading(Attr::Scan), found[0].reading(Attr::ScrubAge)), (&scan.into(), &Reading::Absent), "{line}");
    }
}

#[test]
fn a_scrub_of_no_date_or_of_tomorrow_has_no_age() {
    for end in ["\"end_time\":\"soon\"", "\"end_time\":1863900100", "\"end\":1"] {
        let json = MIRROR.replace("\"end_time\":1762647854", end);
        let found = found(&answering(&format!("exit 0\n{json}"), "exit 1")).expect("looked");
        assert!(matches!(found[0].reading(Attr::ScrubAge), Reading::Unreadable(_)), "{end}");
    }
}

#[test]
fn the_states_of_the_manual_are_understood() {
    let json = MIRROR.replace("\"state\":\"ONLINE\",\"read_errors\"", "\"state\":\"HEALTHY\",\"read_errors\"");
    let found = found(&answering(&format!("exit 0\n{json}"), "exit 1")).expect("looked");
    assert_eq!(called(&found, "rpool /dev/disk/by-id/nvme-A-part3").reading(Attr::State), &"ONLINE".into());
}

#[test]
fn no_zfs_no_pool_and_no_answer_are_three_things() {
    assert!(matches!(found("/sys/module/ext4/refcnt: 1"), Err(HostError::SourceMissing(_))));
    let none = r#"{"output_version":{"command":"zpool status","vers_major":0,"vers_minor":1},"pools":{}}"#;
    assert_eq!(found(&answering(&format!("exit 0\n{none}"), "exit 1")), Ok(Vec::new()));
    assert_eq!(found(&answering("exit 2", "exit 0\nno pools available")), Ok(Vec::new()));
    for (json, text) in [
        ("exit 1", "exit 1"),
        ("exit 0", "exit 0"),
        ("exit 0\n{}", "exit 0"),
        ("exit 2", "exit 0\n"),
        ("killed", "killed"),
        ("exit 0\n{\"pools\":{\"rpool\":{\"name\":\"rpool\"}}}", ""),
    ] {
        let found = found(&answering(json, text));
        assert!(found.as_ref().is_err_and(|error| !error.is_absent()), "{json}: {found:?}");
    }
    let hung = format!("{DRIVES}\ncommand:zpool%20status%20-j%20--json-int error: ETIMEDOUT");
    assert!(matches!(found(&hung), Err(HostError::Refused { .. })));
    let bare = format!("{DRIVES}\ncommand:zpool%20status%20-j%20--json-int: exit 1");
    assert!(matches!(found(&bare), Err(HostError::Malformed { .. })));
}

proptest! {
    #[test]
    fn torn_and_mixed_answers_come_back(cut in 0_usize..3000, garbage in "(?s).{0,200}") {
        let torn = |text: &str| text.chars().take(cut).collect::<String>() + &garbage;
        let _ = json::parse(&torn(MIRROR));
        let _ = text::parse(&torn(TEXT));
        let _ = text::parse(&torn(DRAID));
        let _ = text::parse(&garbage);
        let _ = json::parse(&garbage);
    }
}
