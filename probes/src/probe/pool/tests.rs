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
    assert_eq!(names, ["rpool", "rpool /dev/disk/by-id/nvme-A-part3", "rpool /dev/disk/by-id/nvme-B-part3"]);
    assert_eq!(found[0].reading(Attr::State), &"ONLINE".into());
    assert_eq!(found[0].reading(Attr::Layout), &Value::List(vec!["mirror".into()]).into());
    assert_eq!(found[0].reading(Attr::Scan), &"scrub finished".into());
    assert_eq!(found[0].reading(Attr::ScrubAge), &(1_763_900_100_u64 - 1_762_647_854).into());
    for attr in [Attr::ScrubErrors, Attr::DataErrors] {
        assert_eq!(found[0].reading(attr), &0_u64.into(), "{attr}");
    }
    let drives: Vec<&Reading> = found[1..].iter().map(|device| device.reading(Attr::Drive)).collect();
    assert_eq!(drives, [&"0000:01:00.0".into(), &"0000:02:00.0".into()]);
    assert_eq!(found[1].reading(Attr::ChecksumErrors), &0_u64.into());
}

#[test]
fn an_older_tool_is_understood_by_its_text() {
    let found = found(&answering("exit 2", &format!("exit 0\n{TEXT}"))).expect("looked");
    assert_eq!(found[0].reading(Attr::State), &"DEGRADED".into());
    assert_eq!(found[0].reading(Attr::Layout), &Value::List(vec!["mirror".into(), "log:disk".into(), "spare:disk".into()]).into());
    assert_eq!(found[0].reading(Attr::ScrubAge), &(1_763_900_100_u64 - 1_762_647_854).into());
    assert_eq!(found[0].reading(Attr::DataErrors), &0_u64.into());
    assert_eq!(found.len(), 5);
    assert_eq!((found[2].reading(Attr::State), found[2].reading(Attr::WriteErrors)), (&"UNAVAIL".into(), &21_u64.into()));
    assert_eq!(found[2].reading(Attr::Drive), &Reading::Absent);
    assert_eq!(found[4].reading(Attr::ReadErrors), &Reading::Absent);
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
    assert_eq!(found[1].reading(Attr::State), &"ONLINE".into());
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
        let _ = text::parse(&garbage);
        let _ = json::parse(&garbage);
    }
}
