//! Neighbours from frames, from lldpd, from nobody, and one that is heard for real.

use std::path::Path;

use proptest::prelude::*;

use super::frame::tests::frame;
use super::*;
use crate::sys::lab::{in_a_namespace, run};

const BOND: &str = "
    /sys/class/net/bond0/bonding/slaves: eth0 eth1
    /sys/class/net/eth0/bonding_slave/mii_status: up
    /sys/class/net/eth1/bonding_slave/mii_status: up";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A frame of the switch with this number.
fn announced(switch: u8, port: &str, seconds: u8) -> Vec<u8> {
    frame(&[(1, &[4, 2, 0, 0, 0, 0x0a, switch]), (2, &[b"\x05", port.as_bytes()].concat()), (3, &[0, seconds]), (5, b"leaf")])
}

fn found(rest: &str) -> Vec<Component> {
    Lldp.probe(&Host::from_snapshot(&format!("{BOND}\n{rest}")).expect("a fixture")).expect("looked")
}

#[test]
fn each_member_has_the_neighbour_that_was_heard_on_it() {
    let heard = |interface: &str, frame: &[u8]| format!("lldp:{interface}:\n  |listened 31\n  |{}\n", hex(frame));
    let all = found(&(heard("eth0", &announced(1, "Ethernet7", 120)) + &heard("eth1", &announced(2, "Ethernet7", 120))));
    assert_eq!(all.iter().map(|one| one.locator.as_str()).collect::<Vec<_>>(), ["eth0", "eth1"]);
    assert_eq!(
        (all[0].reading(Attr::ChassisId), all[1].reading(Attr::ChassisId)),
        (&"mac 02:00:00:00:0a:01".into(), &"mac 02:00:00:00:0a:02".into())
    );
    assert_eq!((all[0].reading(Attr::PortId), all[0].reading(Attr::SystemName)), (&"ifname Ethernet7".into(), &"leaf".into()));
    assert_eq!(all[0].reading(Attr::Listened), &31_u64.into());
}

#[test]
fn several_frames_are_one_neighbour_several_neighbours_a_list_and_one_that_left_none() {
    let heard = |frames: &[Vec<u8>]| {
        let lines: String = frames.iter().map(|frame| format!("  |{}\n", hex(frame))).collect();
        found(&format!("lldp:eth0:\n  |listened 35\n{lines}"))[0].reading(Attr::ChassisId).clone()
    };
    let (first, second) = (announced(1, "a", 120), announced(2, "a", 120));
    assert_eq!(heard(&[first.clone(), first.clone()]), "mac 02:00:00:00:0a:01".into());
    assert_eq!(heard(&[first.clone(), second]), Value::List(vec!["mac 02:00:00:00:0a:01".into(), "mac 02:00:00:00:0a:02".into()]).into());
    assert_eq!(heard(&[first.clone(), announced(1, "a", 0)]), Reading::Absent);
    assert_eq!(heard(&[first.clone(), announced(1, "b", 0)]), "mac 02:00:00:00:0a:01".into(), "another port left");
    assert_eq!(heard(&[]), Reading::Absent);
    assert!(matches!(heard(&[first[..20].to_vec()]), Reading::Unreadable(_)));
    assert_eq!(heard(&[first[..20].to_vec(), first]), "mac 02:00:00:00:0a:01".into(), "a torn frame does not unsay a whole one");
}

#[test]
fn what_was_not_listened_for_was_not_recorded_or_is_torn_is_unreadable_and_never_nobody() {
    for rest in [
        "",
        "lldp:eth0 absent",
        "lldp:eth0 error: EPERM",
        "lldp:eth0:",
        "lldp:eth0: listened",
        "lldp:eth0:\n  |listened 35\n  |0180c",
        "lldp:eth0:\n  |0180",
    ] {
        assert!(matches!(found(rest)[0].reading(Attr::ChassisId), Reading::Unreadable(_)), "{rest}");
    }
    let live = Host::live(Path::new("/"));
    assert!(!live.is_listening() && live.listening_time().is_zero());
    assert!(!Host::live(Path::new("/tmp")).listening(Duration::from_secs(9)).is_listening(), "a copy of a machine's files hears nothing");
}

#[test]
fn lldpd_is_asked_where_it_runs_and_the_rest_is_listened_for() {
    let told = r#"{"lldp":[{"interface":[{"name":"eth0","via":"LLDP","rid":"1","age":"0 day, 00:01:10","chassis":[{"id":[{"type":"mac","value":"02:00:00:00:0a:01"}],"name":[{"value":"leaf-a"}],"descr":[{"value":"x"}]}],"port":[{"id":[{"type":"ifname","value":"Ethernet7"}],"ttl":[{"value":"120"}]}]}]}]}"#;
    let all = found(&format!(
        "/run/lldpd.socket exists\ncommand:lldpcli%20-f%20json0%20show%20neighbors:\n  |exit 0\n  |{told}\nlldp:eth1:\n  |listened 30\n  |{}",
        hex(&announced(2, "Ethernet7", 120))
    ));
    assert_eq!((all[0].reading(Attr::ChassisId), all[0].reading(Attr::PortId)), (&"mac 02:00:00:00:0a:01".into(), &"ifname Ethernet7".into()));
    assert_eq!((all[0].reading(Attr::SystemName), all[0].reading(Attr::Listened)), (&"leaf-a".into(), &Reading::Absent));
    assert_eq!(all[1].reading(Attr::ChassisId), &"mac 02:00:00:00:0a:02".into());
    for answer in ["exit 1", "exit 0\n  |{", "exit 0\n  |{\"lldp\":[{}]}", "exit 0\n  |[]"] {
        let all = found(&format!("/run/lldpd.socket exists\ncommand:lldpcli%20-f%20json0%20show%20neighbors:\n  |{answer}"));
        assert!(matches!(all[0].reading(Attr::ChassisId), Reading::Unreadable(_)), "{answer}");
    }
}

#[test]
fn a_node_without_bonds_has_no_neighbours_that_matter() {
    let ended = |snapshot: &str| Lldp.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
    assert_eq!(ended("/sys/class/net/lo/mtu: 65536"), Ok(Vec::new()));
    assert!(matches!(ended("unmentioned: absent"), Err(HostError::SourceMissing(_))));
    assert!(ended("/sys/class/net/bond0/bonding/slaves error: EIO").is_err());
}

#[test]
fn frames_are_heard_on_all_interfaces_at_once() {
    let heard = in_a_namespace(|| {
        for pair in ["a", "b", "c"] {
            run("ip", &format!("link add {pair}0 type veth peer name {pair}1"));
            run("ip", &format!("link set {pair}0 up"));
            run("ip", &format!("link set {pair}1 up"));
        }
        let send = |interface: &str, frame: &[u8]| crate::sys::lab::send(interface, frame);
        // The sender speaks after the listener has begun; the third interface stays silent.
        let sender = crate::sys::lab::beside(move || {
            for _ in 0..20 {
                std::thread::park_timeout(Duration::from_millis(50));
                send("a1", &announced(1, "Ethernet7", 120));
                send("b1", &announced(2, "Ethernet7", 120));
                send("a1", &[&[0xff; 12][..], &[0x08, 0x00, 1, 2, 3]].concat());
            }
        });
        let begun = std::time::Instant::now();
        let interfaces = ["a0".to_owned(), "b0".into()];
        let host = Host::live(Path::new("/")).listening(Duration::from_secs(20));
        let both: Vec<Component> = interfaces.iter().zip(host.lldp(&interfaces)).map(|(name, heard)| listened(name, heard)).collect();
        let ended_early = begun.elapsed() < Duration::from_secs(10);
        let silent = ["a0".to_owned(), "c0".into(), "none0".into()];
        let host = Host::live(Path::new("/")).listening(Duration::from_secs(1));
        let others: Vec<Component> = silent.iter().zip(host.lldp(&silent)).map(|(name, heard)| listened(name, heard)).collect();
        sender.join().expect("the sender ended well");
        (both, ended_early, others)
    });
    let Some((both, ended_early, others)) = heard else { return };
    assert_eq!(
        (both[0].reading(Attr::ChassisId), both[1].reading(Attr::ChassisId)),
        (&"mac 02:00:00:00:0a:01".into(), &"mac 02:00:00:00:0a:02".into())
    );
    assert!(ended_early, "it listened on though everybody was heard");
    assert_eq!((others[1].reading(Attr::ChassisId), others[1].reading(Attr::Listened)), (&Reading::Absent, &1_u64.into()));
    assert!(matches!(others[2].reading(Attr::ChassisId), Reading::Unreadable(_)), "there is no such interface: {others:?}");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(listened [0-9]{0,25})?.{0,20}(\n([0-9a-f]{0,60}|.{0,9})){0,4}") {
        let _ = frames(&text);
    }
}
