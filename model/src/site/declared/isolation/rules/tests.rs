//! Every refusal of the `[network]` table shows the place that is wrong.

use super::*;

const SOUND: &str = r#"schema = 1
[network]
host_vlan = 6
host_networks = ["10.6.0.0/24", "fd00:6::/64"]
host_probe_addresses = ["10.6.0.250", "fd00:6::250"]
host_services = ["22/tcp", "9100/tcp", "5405/udp"]
[[network.protected]]
name = "node1"
addresses = ["10.6.0.11", "fd00:6::11", "fe80::11"]
mac = "b8:3f:d2:6a:10:c2"
[[network.protected]]
name = "bmc1"
addresses = ["10.99.0.11"]
services = ["443/tcp"]
[[network.guest_vlan]]
vlan = 10
networks = ["10.10.0.0/24"]
gateways = ["10.10.0.1"]
probe_addresses = ["10.10.0.250"]
control = ["53/tcp", "53/udp"]
[[network.allow]]
from_vlan = 10
to = "10.6.0.0/24"
service = "9100/tcp"
why = "Prometheus scrapes the hosts"
"#;

fn checked(text: &str) -> Result<(), FileError> {
    let doc = Document::new("declared.toml", text);
    let declared: crate::site::declared::Declared = doc.parse(1)?;
    check(doc, &declared.network)
}

#[test]
fn a_sound_file_is_taken() {
    checked(SOUND).expect("sound");
}

#[test]
fn what_contradicts_itself_is_refused_at_its_place() {
    for (from, to, line, says) in [
        ("host_vlan = 6", "host_vlan = 4095", 3, "4095"),
        ("host_vlan = 6", "", 2, "no VLAN of the hosts"),
        ("\"10.6.0.250\", \"fd00:6::250\"", "\"10.6.0.250\"", 4, "none of fd00:6::/64"),
        ("\"10.6.0.250\"", "\"10.7.0.250\"", 5, "in none of"),
        ("\"10.6.0.250\"", "\"10.6.0.11\"", 5, "protected host"),
        ("name = \"bmc1\"", "name = \"node1\"", 12, "second host"),
        ("name = \"bmc1\"", "name = \" \"", 12, "without a name"),
        ("[\"10.99.0.11\"]", "[\"10.6.0.11\"]", 13, "listed twice"),
        ("[\"10.99.0.11\"]", "[]", 13, "no address"),
        ("[\"10.99.0.11\"]", "[\"ff02::1\"]", 13, "no address of a host"),
        ("b8:3f:d2:6a:10:c2", "01:80:c2:00:00:0e", 10, "of a group"),
        ("host_services = [\"22/tcp\", \"9100/tcp\", \"5405/udp\"]", "", 7, "no service"),
        ("host_services = [", "management_services = [\"53/udp\"]\nhost_services = [", 6, "no TCP service"),
        ("vlan = 10\nnet", "vlan = 6\nnet", 16, "that of the hosts"),
        ("vlan = 10\nnet", "vlan = 0\nnet", 16, "no VLAN ID"),
        ("[\"10.10.0.0/24\"]", "[\"10.10.0.0/24\", \"10.6.0.128/25\"]", 17, "apart"),
        ("[\"10.10.0.0/24\"]", "[\"10.10.0.0/24\", \"fd00:10::/64\"]", 17, "none of fd00:10::/64"),
        ("[\"10.10.0.1\"]", "[]", 18, "silence would prove nothing"),
        ("[\"10.10.0.1\"]", "[\"10.10.1.1\"]", 18, "in none of"),
        ("[\"10.10.0.250\"]", "[\"10.10.0.1\"]", 19, "nobody has"),
        ("\"53/udp\"", "\"53/tcp\"", 20, "a TCP and a UDP service"),
        ("from_vlan = 10", "from_vlan = 11", 22, "no `[[network.guest_vlan]]`"),
        ("to = \"10.6.0.0/24\"", "to = \"10.7.0.0/24\"", 23, "no address"),
        ("service = \"9100/tcp\"", "service = \"9101/tcp\"", 24, "asked for 9101/tcp"),
        ("service = \"9100/tcp\"", "service = \"9100\"", 24, "is no service"),
        ("why = \"Prometheus scrapes the hosts\"", "why = \"\"", 25, "expected why"),
    ] {
        assert!(SOUND.contains(from), "{from}");
        let error = checked(&SOUND.replacen(from, to, 1)).expect_err(to);
        assert!(error.message.contains(says), "{to}: {}", error.message);
        assert_eq!(error.line, line, "{to}: {error}");
    }
}

#[test]
fn a_flow_and_a_vlan_are_listed_once() {
    let (head, flow) = SOUND.split_once("[[network.allow]]").expect("a flow");
    let error = checked(&format!("{head}[[network.allow]]{flow}[[network.allow]]{flow}")).expect_err("twice");
    assert!(error.message.contains("twice") && error.line == 29, "{error}");
    let (_, vlan) = head.split_once("[[network.guest_vlan]]").expect("a VLAN");
    let error = checked(&format!("{head}[[network.guest_vlan]]{vlan}")).expect_err("twice");
    assert!(error.message.contains("twice") && error.line == 22, "{error}");
}
