//! Bonds as kernels write them, and texts that no kernel writes.

use proptest::prelude::*;

use super::*;

/// Two members of one LACP partner; the text of /proc is that of a 6.x kernel.
const LACP_BOND: &str = "
    /sys/class/net/bonding_masters: bond0
    /sys/class/net/lo/mtu: 65536
    /sys/class/net/bond0/bonding/mode: 802.3ad 4
    /sys/class/net/bond0/bonding/lacp_rate: fast 1
    /sys/class/net/bond0/bonding/xmit_hash_policy: layer3+4 1
    /sys/class/net/bond0/bonding/miimon: 100
    /sys/class/net/bond0/bonding/ad_aggregator: 1
    /sys/class/net/bond0/bonding/ad_num_ports: 2
    /sys/class/net/bond0/bonding/ad_partner_mac: 02:00:00:00:00:f1
    /sys/class/net/bond0/bonding/slaves: eth0 eth1
    /sys/class/net/eth0/bonding_slave/mii_status: up
    /sys/class/net/eth0/bonding_slave/link_failure_count: 0
    /sys/class/net/eth0/bonding_slave/ad_aggregator_id: 1
    /sys/class/net/eth0/bonding_slave/ad_partner_oper_port_state: 63
    /sys/class/net/eth1/bonding_slave/mii_status: going down
    /sys/class/net/eth1/bonding_slave/link_failure_count: 3
    /sys/class/net/eth1/bonding_slave/ad_aggregator_id: N/A
    /sys/class/net/eth1/bonding_slave/ad_partner_oper_port_state: N/A
    /proc/net/bonding/bond0:
      |Ethernet Channel Bonding Driver: v6.14.11-2-pve
      |
      |Bonding Mode: IEEE 802.3ad Dynamic link aggregation
      |Transmit Hash Policy: layer3+4 (1)
      |MII Status: up
      |MII Polling Interval (ms): 100
      |Up Delay (ms): 0
      |Down Delay (ms): 0
      |Peer Notification Delay (ms): 0
      |
      |802.3ad info
      |LACP active: on
      |LACP rate: fast
      |Min links: 0
      |Aggregator selection policy (ad_select): stable
      |System priority: 65535
      |System MAC address: 94:6d:ae:01:02:03
      |Active Aggregator Info:
      |\tAggregator ID: 1
      |\tNumber of ports: 2
      |\tActor Key: 29
      |\tPartner Key: 1
      |\tPartner Mac Address: 02:00:00:00:00:f1
      |
      |Slave Interface: eth0
      |MII Status: up
      |Speed: 200000 Mbps
      |Duplex: full
      |Link Failure Count: 0
      |Permanent HW addr: 94:6d:ae:01:02:03
      |Slave queue ID: 0
      |Aggregator ID: 1
      |Actor Churn State: none
      |Partner Churn State: none
      |Actor Churned Count: 0
      |Partner Churned Count: 0
      |details actor lacp pdu:
      |    system priority: 65535
      |    system mac address: 94:6d:ae:01:02:03
      |    port key: 29
      |    port priority: 255
      |    port number: 1
      |    port state: 63
      |details partner lacp pdu:
      |    system priority: 127
      |    system mac address: 02:00:00:00:00:F1
      |    oper key: 17
      |    port priority: 127
      |    port number: 9
      |    port state: 63
      |
      |Slave Interface: eth1
      |MII Status: going down
      |Speed: Unknown
      |Duplex: Unknown
      |Link Failure Count: 3
      |Permanent HW addr: 94:6d:ae:01:02:04
      |Slave queue ID: 0
      |Aggregator ID: N/A
      |details actor lacp pdu:
      |    system mac address: 94:6d:ae:01:02:03
      |    port key: 0
      |details partner lacp pdu:
      |    system mac address: 00:00:00:00:00:00
      |    oper key: 1
      |    port state: 1";

fn found(snapshot: &str) -> Vec<Component> {
    Bond.probe(&Host::from_snapshot(&snapshot.replace("\\t", "\t")).expect("a fixture")).expect("looked")
}

#[test]
fn a_bond_has_its_settings_and_each_member_its_own_partner() {
    let all = found(LACP_BOND);
    let [bond, first, second] = all.as_slice() else { panic!("{all:#?}") };
    assert_eq!((bond.kind, bond.locator.as_str()), (Kind::Bond, "bond0"));
    assert_eq!(bond.reading(Attr::BondMode), &"802.3ad".into());
    assert_eq!(bond.reading(Attr::LacpRate), &"fast".into());
    assert_eq!(bond.reading(Attr::XmitHashPolicy), &"layer3+4".into());
    assert_eq!(bond.reading(Attr::LinkPolling), &100_000_000_u64.into());
    assert_eq!((bond.reading(Attr::Aggregator), bond.reading(Attr::AggregatorPorts)), (&1_u64.into(), &2_u64.into()));
    assert_eq!((first.locator.as_str(), first.reading(Attr::Bond)), ("eth0", &"bond0".into()));
    assert_eq!(first.reading(Attr::PartnerMac), &"02:00:00:00:00:f1".into(), "the actor's address is another one");
    assert_eq!((first.reading(Attr::PartnerKey), first.reading(Attr::PartnerState)), (&17_u64.into(), &63_u64.into()));
    assert_eq!((second.reading(Attr::LinkMonitor), second.reading(Attr::LinkFailures)), (&"going down".into(), &3_u64.into()));
    assert_eq!((second.reading(Attr::Aggregator), second.reading(Attr::PartnerState)), (&"none".into(), &"none".into()));
    assert_eq!(second.reading(Attr::PartnerMac), &"00:00:00:00:00:00".into());
    assert_eq!(members(&Host::from_snapshot(LACP_BOND).expect("a fixture")), Ok(vec!["eth0".into(), "eth1".into()]));
}

#[test]
fn a_bond_of_another_mode_has_no_aggregators_and_that_is_no_error() {
    let all = found(
        "
        /sys/class/net/bond1/bonding/mode: active-backup 1
        /sys/class/net/bond1/bonding/lacp_rate: slow 0
        /sys/class/net/bond1/bonding/ad_aggregator:
        /sys/class/net/bond1/bonding/slaves: eth2
        /sys/class/net/eth2/bonding_slave/ad_aggregator_id: N/A
        /proc/net/bonding/bond1:
          |Slave Interface: eth2
          |MII Status: up",
    );
    assert_eq!(all[0].reading(Attr::Aggregator), &Reading::Absent);
    for attr in [Attr::Aggregator, Attr::PartnerMac, Attr::PartnerKey, Attr::PartnerState] {
        assert_eq!(all[1].reading(attr), &Reading::Absent, "{attr}");
    }
}

#[test]
fn a_reader_without_privilege_does_not_see_a_bond_without_a_partner() {
    let start = LACP_BOND.find("      |details actor").expect("there");
    let end = LACP_BOND.find("      |Slave Interface: eth1").expect("there");
    let all = found(&format!("{}{}", &LACP_BOND[..start], &LACP_BOND[end..]));
    assert!(matches!(all[1].reading(Attr::PartnerMac), Reading::Unreadable(why) if why.contains("CAP_NET_ADMIN")));
}

#[test]
fn sources_that_cannot_be_read_are_unreadable_one_by_one() {
    let planted = LACP_BOND
        .replace("bonding/lacp_rate: fast 1", "bonding/lacp_rate error: EIO")
        .replace("eth0/bonding_slave/ad_aggregator_id: 1", "eth0/bonding_slave/ad_aggregator_id: many")
        .replace("oper key: 17", "oper key: seventeen");
    let all = found(&planted);
    assert!(matches!(all[0].reading(Attr::LacpRate), Reading::Unreadable(_)));
    assert!(matches!(all[1].reading(Attr::Aggregator), Reading::Unreadable(_)));
    assert!(matches!(all[1].reading(Attr::PartnerKey), Reading::Unreadable(_)));
    let without = format!("{}\n/proc/net/bonding/bond0 error: EACCES", &LACP_BOND[..LACP_BOND.find("/proc").expect("there")]);
    assert!(matches!(found(&without)[1].reading(Attr::PartnerMac), Reading::Unreadable(_)));
}

#[test]
fn a_list_of_members_that_is_cut_off_or_unreadable_is_no_bond_of_fewer() {
    for planted in ["bonding/slaves: eth0 eth1 ++more++", "bonding/slaves error: EIO"] {
        let host = Host::from_snapshot(&LACP_BOND.replace("bonding/slaves: eth0 eth1", planted)).expect("a fixture");
        assert!(Bond.probe(&host).is_err(), "{planted}");
    }
}

#[test]
fn a_node_without_bonds_has_none_and_one_without_network_no_source() {
    let ended = |snapshot: &str| Bond.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
    assert_eq!(ended("/sys/class/net/lo/mtu: 65536"), Ok(Vec::new()));
    assert_eq!(ended("/sys/class/net/bonding_masters:\n/sys/class/net/lo/mtu: 65536"), Ok(Vec::new()));
    assert_eq!(ended("unmentioned: absent"), Err(HostError::SourceMissing(NET.into())));
    assert!(ended("/sys/class/net error: EACCES").is_err());
}

#[test]
fn a_member_that_the_status_names_twice_or_not_has_no_partner_that_is_believed() {
    for planted in ["Slave Interface: eth0", "Slave Interface: eth7"] {
        let all = found(&LACP_BOND.replace("Slave Interface: eth1", planted));
        assert!(all[1..].iter().any(|member| matches!(member.reading(Attr::PartnerMac), Reading::Unreadable(_))), "{planted}");
    }
}

proptest! {
    #[test]
    fn no_status_makes_it_panic(text in "(Slave Interface|details partner lacp pdu|oper key|system mac address|[^\n]{0,9})(:| ).{0,20}(\n.{0,30}){0,6}") {
        let status = Status::parse(&text);
        let _ = status.partner("eth0", true);
    }
}
