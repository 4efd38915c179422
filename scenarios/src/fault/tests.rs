//! Each fault between two network namespaces: it breaks what it says, `heal` brings everything back, also twice, also without an injection, also after half of one.
//! What happens when processes die is in `tests/remote`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use assay_bench::net::wire::Wire;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, recv, socket_with};
use serde_json::json;

use super::*;

mod namespaces;

use namespaces::{Namespaces, inside, passes};

struct Bed {
    nodes: Namespaces,
    _folder: tempfile::TempDir,
    records: PathBuf,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { nodes: Namespaces::new(), records: folder.path().join("faults"), _folder: folder }
    }

    fn arm_within(&self, fault: &str, on: Value, lifeline: &Lifeline) -> Result<Armed, FaultError> {
        let spec = FaultSpec { id: "f1".into(), fault: fault.into(), on, within_ms: 60_000 };
        inside(&self.nodes.far, || arm(&spec, lifeline, &self.records))
    }

    fn arm(&self, fault: &str, on: Value) -> Armed {
        self.arm_within(fault, on, &Lifeline::default()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(&self, fault: &str, on: Value, part: &str) {
        let error = self.arm_within(fault, on, &Lifeline::default()).expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
    }

    fn inject(&self, armed: &Armed) {
        inside(&self.nodes.far, || inject(armed)).unwrap_or_else(|error| panic!("{}", crate::error::chain(&error)));
    }

    fn heal(&self, armed: &Armed) {
        inside(&self.nodes.far, || heal(armed)).unwrap_or_else(|error| panic!("{}", crate::error::chain(&error)));
    }

    /// The kernel takes its time to say that a link works again.
    fn comes_back_to(&self, before: &str) {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while self.state() != before {
            assert!(std::time::Instant::now() < end, "this is left:\n{}\nbefore it was\n{before}", self.state());
            #[allow(clippy::disallowed_methods, reason = "the kernel is waited for")]
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Everything of the far node that a fault could leave changed.
    fn state(&self) -> String {
        let mut all = String::new();
        for words in [
            vec!["address"],
            vec!["route", "show", "table", "all"],
            vec!["-6", "route", "show", "table", "all"],
            vec!["neighbour", "show", "nud", "permanent"],
        ] {
            all += &self.nodes.ip(&words);
        }
        all += &self.nodes.tc(&["qdisc", "show"]);
        // Sorted: what is put back stands elsewhere in a list. Lifetimes and states of learning do not matter.
        let all = all.replace(" tentative", "");
        let mut lines: Vec<&str> = all.lines().map(str::trim).filter(|line| !line.contains("valid_lft")).collect();
        lines.sort_unstable();
        lines.join("\n")
    }
}

#[test]
fn a_link_that_was_down_comes_back_with_all_that_the_kernel_dropped() {
    let bed = Bed::new();
    let nodes = &bed.nodes;
    nodes.ip(&["link", "add", "upper", "link", "data", "type", "macvlan", "mode", "bridge"]);
    nodes.ip(&["link", "set", "upper", "up"]);
    nodes.ip(&["address", "add", "fd78::2/64", "dev", "upper", "nodad"]);
    nodes.ip(&["route", "add", "10.99.0.0/16", "via", "10.77.0.1", "metric", "77", "mtu", "1400"]);
    nodes.ip(&["route", "add", "10.98.0.0/16", "dev", "data", "table", "42"]);
    nodes.ip(&["route", "add", "192.0.2.0/24", "via", "198.51.100.1", "dev", "data", "onlink"]);
    nodes.ip(&["-6", "route", "add", "fd99::/64", "via", "fd77::1", "dev", "data"]);
    nodes.ip(&["neighbour", "add", "10.77.0.9", "lladdr", "02:00:00:00:00:09", "dev", "data", "nud", "permanent"]);
    let (near, far) = nodes.sockets("10.77.0.1:0", "10.77.0.2:0");
    let (near6, far6) = nodes.sockets("[fd77::1]:0", "[fd77::2]:0");
    assert!(passes(&near, &far) && passes(&far, &near) && passes(&near6, &far6));
    while !nodes.ip(&["link", "show", "upper"]).contains("state UP") {}
    let before = bed.state();
    let armed = bed.arm("link-down", json!({"interface": "data"}));
    assert_eq!(bed.state(), before, "arming changes nothing");
    bed.heal(&armed);
    bed.comes_back_to(&before);
    bed.inject(&armed);
    assert!(!passes(&near, &far) && !passes(&far, &near) && !passes(&near6, &far6));
    let broken = bed.state();
    for lost in ["fd77::2", "10.99.0.0/16", "10.98.0.0/16", "192.0.2.0/24", "fd99::/64", "10.77.0.9"] {
        assert!(before.contains(lost) && !broken.contains(lost), "the kernel drops {lost}:\n{broken}");
    }
    for _ in 0..2 {
        bed.heal(&armed);
        bed.comes_back_to(&before);
    }
    // What was asked for in vain while it was down is asked for again only after a second.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !(passes(&near, &far) && passes(&far, &near) && passes(&near6, &far6)) {
        assert!(std::time::Instant::now() < end, "it does not carry again");
    }
}

#[test]
fn a_silent_link_keeps_its_carrier_and_loses_every_frame_of_its_direction() {
    let bed = Bed::new();
    let (near, far) = bed.nodes.sockets("10.77.0.1:0", "10.77.0.2:0");
    assert!(passes(&near, &far) && passes(&far, &near));
    let before = bed.state();
    for (direction, comes, goes) in [("in", false, true), ("out", true, false), ("both", false, false)] {
        let armed = bed.arm("silent-link", json!({"interface": "data", "direction": direction}));
        assert_eq!(bed.state(), before, "arming changes nothing");
        bed.inject(&armed);
        assert_eq!((passes(&near, &far), passes(&far, &near)), (comes, goes), "{direction}");
        assert!(bed.nodes.ip(&["link", "show", "data"]).contains("LOWER_UP"), "the carrier stays");
        assert!(far.send(b"x").is_ok(), "and the sender does not notice");
        for _ in 0..2 {
            bed.heal(&armed);
            bed.comes_back_to(&before);
        }
        assert!(passes(&near, &far) && passes(&far, &near));
    }
}

/// A frame of slow protocols (EtherType 0x8809), or of another type, with this subtype; the rest counts them.
fn frame(kind: u16, subtype: u8, number: u8) -> Vec<u8> {
    let mut frame = vec![0x01, 0x80, 0xc2, 0x00, 0x00, 0x02, 0x02, 0, 0, 0, 0, 1];
    frame.extend(kind.to_be_bytes());
    frame.extend([subtype, number]);
    frame.resize(124, 0);
    frame
}

/// The subtypes of the frames sent into `data` that reach the protocols of the other end, behind its hooks.
fn frames_that_pass(bed: &Bed, kind: u16, subtypes: [u8; 3], from_far: bool) -> Vec<u8> {
    let (from, to) = if from_far { (&bed.nodes.far, &bed.nodes.near) } else { (&bed.nodes.near, &bed.nodes.far) };
    // A socket of one protocol hears what the hooks have left; one of every protocol hears all.
    let protocol = Protocol::from_raw(NonZeroU32::new(u32::from(kind.to_be())).expect("a protocol"));
    let ear = inside(to, || socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::NONBLOCK, Some(protocol)).expect("root may"));
    let wire = inside(from, || Wire::open("data").expect("root may"));
    for (number, subtype) in (0..).zip(subtypes) {
        wire.send(&frame(kind, subtype, number)).expect("sends");
    }
    let (mut heard, mut buffer) = (Vec::new(), [0; 2000]);
    let end = Instant::now() + Duration::from_millis(200);
    while Instant::now() < end {
        match recv(&ear, &mut buffer[..], RecvFlags::empty()) {
            Ok((_, length)) if length > 15 => heard.push(buffer[14]),
            _ => std::thread::yield_now(),
        }
    }
    heard
}

#[test]
fn a_slow_partner_takes_the_lacpdus_that_come_in_and_nothing_else() {
    const SLOW: u16 = 0x8809;
    let bed = Bed::new();
    let (near, far) = bed.nodes.sockets("10.77.0.1:0", "10.77.0.2:0");
    let passes_all = |bed: &Bed| {
        assert_eq!(frames_that_pass(bed, SLOW, [1, 2, 1], false), [1, 2, 1]);
        assert_eq!(frames_that_pass(bed, SLOW, [1, 2, 1], true), [1, 2, 1]);
    };
    passes_all(&bed);
    let before = bed.state();
    let armed = bed.arm("lacp-slow", json!({"interface": "data"}));
    assert_eq!(bed.state(), before, "arming changes nothing");
    bed.inject(&armed);
    assert_eq!(frames_that_pass(&bed, SLOW, [1, 2, 1], false), [2], "the marker protocol passes, no LACPDU does");
    assert_eq!(frames_that_pass(&bed, SLOW, [3, 10, 0], false), [3, 10, 0], "other slow protocols");
    assert_eq!(frames_that_pass(&bed, 0x88b5, [1, 1, 1], false), [1, 1, 1], "another EtherType");
    assert_eq!(frames_that_pass(&bed, SLOW, [1, 2, 1], true), [1, 2, 1], "what goes out is heard");
    assert!(passes(&near, &far) && passes(&far, &near), "data pass both ways");
    assert!(bed.nodes.ip(&["link", "show", "data"]).contains("LOWER_UP"), "the carrier stays");
    for _ in 0..2 {
        bed.heal(&armed);
        bed.comes_back_to(&before);
    }
    passes_all(&bed);
}

#[test]
fn a_switch_takes_all_its_interfaces_with_it_and_gives_all_of_them_back() {
    let bed = Bed::new();
    let nodes = &bed.nodes;
    for (name, network, network6) in [("data2", "10.78.0", "fd79"), ("other", "10.79.0", "fd80")] {
        nodes.cable(name, network, network6);
    }
    nodes.ip(&["route", "add", "10.99.0.0/16", "nexthop", "via", "10.77.0.1", "nexthop", "via", "10.78.0.1"]);
    nodes.ip(&["-6", "route", "add", "fd99::/64", "via", "fd79::1", "dev", "data2"]);
    let pairs = [("10.77.0.1:0", "10.77.0.2:0"), ("10.78.0.1:0", "10.78.0.2:0"), ("10.79.0.1:0", "10.79.0.2:0")];
    let pairs = pairs.map(|(near, far)| nodes.sockets(near, far));
    let works = || pairs.each_ref().map(|(near, far)| passes(near, far) && passes(far, near));
    assert_eq!(works(), [true; 3]);
    let before = bed.state();
    let both = json!({"interfaces": ["data", "data2"]});
    let armed = bed.arm("switch-loss", both.clone());
    assert_eq!(bed.state(), before, "arming changes nothing");
    bed.inject(&armed);
    assert_eq!(works(), [false, false, true]);
    let broken = bed.state();
    for lost in ["10.99.0.0/16", "fd99::/64", "fd79::2"] {
        assert!(before.contains(lost) && !broken.contains(lost), "the kernel drops {lost}:\n{broken}");
    }
    for _ in 0..2 {
        bed.heal(&armed);
        bed.comes_back_to(&before);
    }
    // Neighbours are found anew, which a busy machine takes its time for.
    let end = Instant::now() + Duration::from_secs(10);
    while works() != [true; 3] {
        assert!(Instant::now() < end, "{:?}", works());
    }
    // One of the interfaces is gone meanwhile, and with it the route over both, which is said. The other comes back.
    bed.inject(&armed);
    nodes.ip(&["link", "delete", "data2"]);
    let error = inside(&nodes.far, || heal(&armed)).expect_err("the route needs both");
    assert!(error.to_string().contains("healed data, but 1 route(s) cannot be put back"), "{error}");
    assert!(passes(&pairs[0].0, &pairs[0].1));
    for (on, part) in [
        (json!({"interfaces": []}), "1 to 16 different"),
        (json!({"interfaces": ["data", "data"]}), "1 to 16 different"),
        (json!({"interfaces": ["data", "nic9"]}), "no such interface"),
        (json!({"interface": "data"}), "unknown field"),
    ] {
        bed.refused("switch-loss", on, part);
    }
    nodes.ip(&["route", "add", "default", "nexthop", "via", "10.77.0.1", "nexthop", "via", "10.79.0.1"]);
    bed.arm("switch-loss", json!({"interfaces": ["other"]}));
    bed.refused("switch-loss", json!({"interfaces": ["data", "other"]}), "the only IPv4 default route goes over it");
    nodes.ip(&["link", "set", "other", "down"]);
    bed.refused("switch-loss", json!({"interfaces": ["data", "other"]}), "down already");
}

#[test]
fn a_shaped_link_is_slow_and_fast_again_afterwards() {
    let bed = Bed::new();
    let (near, far) = bed.nodes.sockets("10.77.0.1:0", "10.77.0.2:0");
    assert!(passes(&far, &near));
    let before = bed.state();
    let armed = bed.arm("link-shape", json!({"interface": "data", "rate_bytes_per_s": 1_000_000}));
    bed.inject(&armed);
    let shown = bed.nodes.tc(&["qdisc", "show", "dev", "data"]);
    assert!(shown.contains("tbf") && shown.contains("rate 8Mbit"), "{shown}");
    assert!(passes(&far, &near), "it still works");
    // For 600 ms as fast as it takes them: the bucket (128 KiB) and what a megabyte per second lets through meanwhile, and no more.
    let mut received = 0;
    let begin = std::time::Instant::now();
    near.set_nonblocking(true).expect("sets");
    while begin.elapsed() < std::time::Duration::from_millis(600) {
        let _ = far.send(&[0; 1000]);
        while let Ok(length) = near.recv(&mut [0; 2000]) {
            received += length + 42;
        }
    }
    let most = (128 << 10) + 1_000_000 * usize::try_from(begin.elapsed().as_millis()).expect("short") / 1000;
    assert!(received < most + most / 10 && received > 300_000, "{received} of at most {most}");
    for _ in 0..2 {
        bed.heal(&armed);
        bed.comes_back_to(&before);
    }
}

#[test]
fn half_an_injection_is_healed_too() {
    let bed = Bed::new();
    let before = bed.state();
    let armed = bed.arm("silent-link", json!({"interface": "data"}));
    bed.nodes.tc(&["qdisc", "add", "dev", "data", "clsact"]);
    bed.heal(&armed);
    bed.comes_back_to(&before);
    // Injecting on top of what somebody made in between fails, and heals to what they made.
    bed.nodes.tc(&["qdisc", "add", "dev", "data", "clsact"]);
    bed.nodes.tc(&["filter", "add", "dev", "data", "ingress", "pref", "9", "bpf", "da", "bytecode", "1,6 0 0 4294967295,"]);
    let theirs = bed.state();
    assert!(inside(&bed.nodes.far, || inject(&armed)).is_err());
    bed.heal(&armed);
    bed.comes_back_to(&theirs);
    assert!(bed.nodes.tc(&["filter", "show", "dev", "data", "ingress"]).contains("pref 9"));
}

#[test]
fn nothing_of_anybody_else_is_touched() {
    let bed = Bed::new();
    bed.nodes.tc(&["qdisc", "add", "dev", "data", "clsact"]);
    bed.refused("silent-link", json!({"interface": "data"}), "somebody's `clsact`");
    bed.refused("lacp-slow", json!({"interface": "data"}), "somebody's `clsact`");
    bed.nodes.tc(&["qdisc", "delete", "dev", "data", "clsact"]);
    let armed = bed.arm("link-shape", json!({"interface": "data", "rate_bytes_per_s": 1_000_000}));
    bed.nodes.tc(&["qdisc", "add", "dev", "data", "root", "handle", "7:", "htb"]);
    bed.refused("link-shape", json!({"interface": "data", "rate_bytes_per_s": 1_000_000}), "somebody's `htb`");
    let theirs = bed.state();
    assert!(inside(&bed.nodes.far, || inject(&armed)).is_err(), "it came in between");
    bed.heal(&armed);
    bed.comes_back_to(&theirs);
}

#[test]
fn what_must_not_be_cut_is_refused() {
    let bed = Bed::new();
    let on = json!({"interface": "data"});
    let over = Lifeline { ssh: "10.77.0.2".parse().ok() };
    for (fault, on) in [
        ("link-down", on.clone()),
        ("silent-link", on.clone()),
        ("link-shape", json!({"interface": "data", "rate_bytes_per_s": 1_000_000})),
        ("switch-loss", json!({"interfaces": ["data"]})),
        ("lacp-slow", on.clone()),
    ] {
        let error = bed.arm_within(fault, on, &over).expect_err("the connection goes over it");
        assert!(error.to_string().contains("the SSH connection to 10.77.0.2 goes over it"), "{error}");
    }
    let nowhere = Lifeline { ssh: "203.0.113.1".parse().ok() };
    assert!(bed.arm_within("link-down", on.clone(), &nowhere).expect_err("unknown").to_string().contains("nobody knows"));
    bed.nodes.cable("other", "10.78.0", "fd79");
    let elsewhere = Lifeline { ssh: "10.78.0.2".parse().ok() };
    bed.arm_within("link-down", on.clone(), &elsewhere).expect("another interface carries it");
    bed.nodes.ip(&["route", "add", "default", "via", "10.77.0.1"]);
    bed.refused("link-down", on.clone(), "the only IPv4 default route goes over it");
    bed.nodes.ip(&["route", "add", "default", "via", "10.78.0.1", "metric", "9"]);
    bed.arm("link-down", on.clone());
    bed.nodes.ip(&["-6", "route", "add", "default", "via", "fd77::1"]);
    bed.refused("silent-link", on, "the only IPv6 default route goes over it");
    for (name, part) in [("nic9", "no such interface"), ("lo", "loopback"), ("../x", "no name"), ("", "no name")] {
        bed.refused("link-down", json!({"interface": name}), part);
    }
    bed.refused("link-down", json!({"interface": "other", "more": 1}), "unknown field");
    bed.refused("switch-off", json!({}), "there is no fault `switch-off`");
    bed.nodes.ip(&["link", "set", "other", "down"]);
    bed.refused("link-down", json!({"interface": "other"}), "down already");
    bed.refused("silent-link", json!({"interface": "other"}), "no carrier");
}

#[test]
fn a_fault_of_another_boot_is_gone_and_one_of_another_namespace_is_not_healed_here() {
    let bed = Bed::new();
    let armed = bed.arm("link-down", json!({"interface": "data"}));
    bed.inject(&armed);
    bed.heal(&Armed { boot: "another".into(), ..armed.clone() });
    assert!(!bed.nodes.ip(&["link", "show", "data"]).contains("LOWER_UP"), "a reboot has healed it: nothing is done");
    assert!(matches!(heal(&armed), Err(FaultError::Elsewhere { .. })), "not in the namespace of this test");
    bed.heal(&armed);
    // An interface that is gone took the fault with it.
    bed.nodes.ip(&["link", "delete", "data"]);
    bed.heal(&armed);
}

#[test]
fn a_spec_that_could_do_harm_by_its_form_is_refused() {
    let bed = Bed::new();
    let spec = |id: &str, within_ms| FaultSpec { id: id.into(), fault: "link-down".into(), on: json!({"interface": "data"}), within_ms };
    for (id, within_ms) in [("", 1), ("../a", 1), ("-a", 1), (".a", 1), ("a b", 1), ("a", 0), ("a", WITHIN_MAX_MS + 1)] {
        let error = inside(&bed.nodes.far, || arm(&spec(id, within_ms), &Lifeline::default(), &bed.records)).expect_err(id);
        assert!(matches!(error, FaultError::Form { .. }), "{error}");
    }
}
