//! Network interfaces of every sort, those of software included: what they are stacked on, which VLANs a bridge lets through them, their addresses and whether the kernel
//! routes what comes in there or answers there for others. From rtnetlink and `/proc/sys/net`; the devices behind them are in `nic.rs`.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::Probe;
use crate::described::Described;
use crate::host::{ADDRESSES, Host, HostError, LINKS, VLANS, unanswered, whole};

/// The probe of interfaces.
pub(super) struct Interface;

const SYSCTL: &str = "/proc/sys/net";

impl Probe for Interface {
    fn name(&self) -> &'static str {
        "interface"
    }

    fn describe(&self) -> &'static str {
        "Network interfaces of every sort: stacking, VLANs of bridge ports, addresses and forwarding, from rtnetlink and /proc/sys/net."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Interface]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let links = match host.links() {
            Err(error) if error.is_absent() => return Err(HostError::SourceMissing(LINKS.into())),
            links => links?,
        };
        let links = understood(LINKS, &links, parse_links)?;
        let addresses = host.addresses().and_then(|text| understood(ADDRESSES, &text, |text| of_known(&links, parse_rows(text)?)));
        let vlans = host.vlans().and_then(|text| understood(VLANS, &text, parse_rows));
        let everywhere = Everywhere::of(host);
        Ok(links.iter().map(|link| described(host, link, &addresses, &vlans, &everywhere)).collect())
    }
}

/// Texts by interface.
type Rows = BTreeMap<String, Vec<String>>;

/// One line of the links.
#[derive(Debug, PartialEq, Eq, Default)]
struct Link {
    name: String,
    facts: BTreeMap<String, String>,
}

/// What is switched on for all interfaces at once, whatever their own files say (`Documentation/networking/ip-sysctl.rst`).
struct Everywhere {
    ipv6_forwarding: Reading,
    proxies: [Reading; 3],
}

impl Everywhere {
    fn of(host: &Host) -> Self {
        let flag = |file: &str| host.reading_flag(&format!("{SYSCTL}/{file}"));
        Self {
            ipv6_forwarding: flag("ipv6/conf/all/forwarding"),
            proxies: [flag("ipv4/conf/all/proxy_arp"), flag("ipv4/conf/all/proxy_arp_pvlan"), flag("ipv6/conf/all/proxy_ndp")],
        }
    }
}

fn described(host: &Host, link: &Link, addresses: &Result<Rows, HostError>, vlans: &Result<Rows, HostError>, everywhere: &Everywhere) -> Component {
    let fact = |name: &str| link.facts.get(name).map_or(Reading::Absent, |value| value.as_str().into());
    let number = |name: &str| match link.facts.get(name).map(|value| (value, whole(value))) {
        None => Reading::Absent,
        Some((_, Ok(number))) => number.into(),
        Some((value, Err(why))) => Reading::Unreadable(format!("says `{value}`: {why}")),
    };
    let rows = |rows: &Result<Rows, HostError>| match rows {
        Ok(rows) => rows.get(&link.name).map_or(Reading::Absent, |rows| Value::List(rows.clone()).into()),
        // Who answers for the interfaces answers for their addresses too.
        Err(error) if error.is_absent() => Reading::Unreadable(error.cause()),
        Err(error) => unanswered(error),
    };
    let (ipv4, ipv6) = (format!("{SYSCTL}/ipv4/conf/{}", link.name), format!("{SYSCTL}/ipv6/conf/{}", link.name));
    let ipv6_forwarding = match host.reading_flag(&format!("{ipv6}/forwarding")) {
        // Ports of bonds and of bridges have no IPv6, nor has a kernel without it.
        Reading::Absent => Reading::Absent,
        // The kernel asks only `all`, and from Linux 6.17 on `force_forwarding` of the interface; what is the interface's own makes a router of it in other ways.
        own @ (Reading::Value(_) | Reading::Unreadable(_)) => {
            any([own, everywhere.ipv6_forwarding.clone(), host.reading_flag(&format!("{ipv6}/force_forwarding"))])
        }
    };
    let proxy = match host.reading_flag(&format!("{ipv4}/proxy_arp")) {
        Reading::Absent => Reading::Absent,
        own @ (Reading::Value(_) | Reading::Unreadable(_)) => {
            let others = [format!("{ipv4}/proxy_arp_pvlan"), format!("{ipv6}/proxy_ndp")].map(|path| host.reading_flag(&path));
            any([own].into_iter().chain(others).chain(everywhere.proxies.clone()))
        }
    };
    Described::new(host, Kind::Interface, &link.name, ipv4.as_str())
        .put(Attr::InterfaceKind, LINKS, fact("kind"))
        .put(Attr::Master, LINKS, fact("master"))
        .put(Attr::Parent, LINKS, fact("parent"))
        .put(Attr::OuterIp, LINKS, fact("outer"))
        .put(Attr::VlanId, LINKS, number("id"))
        .put(Attr::VlanFiltering, LINKS, flag(link.facts.get("vlan_filtering").map(String::as_str)))
        .put(Attr::Vlans, VLANS, rows(vlans))
        .put(Attr::Addresses, ADDRESSES, rows(addresses))
        .flag(Attr::Ipv4Forwarding, "forwarding")
        .put(Attr::Ipv6Forwarding, format!("{ipv6}/forwarding, force_forwarding and {SYSCTL}/ipv6/conf/all/forwarding"), ipv6_forwarding)
        .put(Attr::NeighbourProxy, format!("{ipv4}/proxy_arp, proxy_arp_pvlan, {ipv6}/proxy_ndp and those of all"), proxy)
        .done()
}

/// Whether any of the switches is on. One that is not there is off, one that cannot be read may be on.
fn any(switches: impl IntoIterator<Item = Reading>) -> Reading {
    let mut any = Reading::from(false);
    for switch in switches {
        match switch {
            Reading::Value(Value::Bool(true)) => return switch,
            Reading::Unreadable(_) => any = switch,
            Reading::Value(_) | Reading::Absent => {}
        }
    }
    any
}

fn flag(said: Option<&str>) -> Reading {
    match said {
        None => Reading::Absent,
        Some("0") => false.into(),
        Some("1") => true.into(),
        Some(other) => Reading::Unreadable(format!("says `{other}`: neither 0 nor 1")),
    }
}

fn understood<T>(name: &str, text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, HostError> {
    parse(text).map_err(|reason| HostError::Malformed { path: name.into(), reason })
}

/// `7 bond0.6 kind vlan parent bond0 id 6`: an index, a name, and facts as pairs of words.
fn parse_links(text: &str) -> Result<Vec<Link>, String> {
    let mut links: Vec<Link> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let refused = |why: &str| format!("`{}`: {why}", line.chars().take(60).collect::<String>());
        let words: Vec<&str> = line.split_whitespace().collect();
        let [index, name, facts @ ..] = words.as_slice() else { return Err(refused("neither index nor name")) };
        whole(index).map_err(|why| refused(&why))?;
        if links.iter().any(|link| link.name == *name) {
            return Err(refused("told twice"));
        }
        let mut link = Link { name: (*name).to_owned(), ..Link::default() };
        for pair in facts.chunks(2) {
            let [fact, value] = pair else { return Err(refused("a fact without a value")) };
            if link.facts.insert((*fact).to_owned(), (*value).to_owned()).is_some() {
                return Err(refused("a fact told twice"));
            }
        }
        links.push(link);
    }
    if links.is_empty() { Err("it tells of no interface, and every node has a loopback".into()) } else { Ok(links) }
}

/// `vmbr0 1 pvid untagged`: a name, and what is told of it.
fn parse_rows(text: &str) -> Result<Rows, String> {
    let mut rows = Rows::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, told) =
            line.trim().split_once(' ').ok_or_else(|| format!("`{}` tells nothing of it", line.chars().take(60).collect::<String>()))?;
        rows.entry(name.to_owned()).or_default().push(told.trim().to_owned());
    }
    Ok(rows)
}

/// The rows, unless one is of an interface that the links do not tell of: it would be lost.
fn of_known(links: &[Link], rows: Rows) -> Result<Rows, String> {
    match rows.keys().find(|name| links.iter().all(|link| link.name != **name)) {
        Some(name) => Err(format!("it tells of {name}, the links do not")),
        None => Ok(rows),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NODE: &str = "
        netlink:links:
          |1 lo kind loopback
          |2 enp97s0f0np0 kind device master bond0
          |4 vmbr0 kind bridge vlan_filtering 1
          |7 vmbr0.6 kind vlan parent vmbr0 id 6
          |8 tap100i0 kind tun master vmbr0
          |9 vx5 kind vxlan parent vmbr0.6 outer ipv4
        netlink:addresses:
          |lo 127.0.0.1/8
          |vmbr0.6 10.6.0.11/24
          |vmbr0.6 fe80::966d:aeff:fe01:203/64
        netlink:vlans:
          |vmbr0 1 pvid untagged
          |tap100i0 1 pvid untagged
          |tap100i0 2-4094
        /proc/sys/net/ipv4/conf/vmbr0.6/forwarding: 0
        /proc/sys/net/ipv6/conf/vmbr0.6/forwarding: 1
        /proc/sys/net/ipv4/conf/vmbr0/forwarding error: EIO";

    fn found(snapshot: &str) -> Vec<Component> {
        Interface.probe(&Host::from_snapshot(snapshot).expect("a fixture")).expect("looked")
    }

    fn list(words: &[&str]) -> Reading {
        Value::List(words.iter().map(|&word| word.to_owned()).collect()).into()
    }

    #[test]
    fn interfaces_have_their_place_their_vlans_and_their_addresses() {
        let all = found(NODE);
        let of = |name: &str| all.iter().find(|component| component.locator == name).expect("it is there");
        assert_eq!(all.len(), 6);
        assert_eq!((of("vx5").reading(Attr::Parent), of("vx5").reading(Attr::OuterIp)), (&"vmbr0.6".into(), &"ipv4".into()));
        assert_eq!(of("vmbr0.6").reading(Attr::OuterIp), &Reading::Absent);
        assert_eq!((of("vmbr0").reading(Attr::InterfaceKind), of("vmbr0").reading(Attr::VlanFiltering)), (&"bridge".into(), &true.into()));
        assert_eq!((of("vmbr0.6").reading(Attr::VlanId), of("vmbr0.6").reading(Attr::Parent)), (&6_u64.into(), &"vmbr0".into()));
        assert_eq!(of("vmbr0.6").reading(Attr::Addresses), &list(&["10.6.0.11/24", "fe80::966d:aeff:fe01:203/64"]));
        assert_eq!((of("vmbr0.6").reading(Attr::Ipv4Forwarding), of("vmbr0.6").reading(Attr::Ipv6Forwarding)), (&false.into(), &true.into()));
        assert!(matches!(of("vmbr0").reading(Attr::Ipv4Forwarding), Reading::Unreadable(_)));
        assert_eq!(of("tap100i0").reading(Attr::Vlans), &list(&["1 pvid untagged", "2-4094"]));
        assert_eq!(of("enp97s0f0np0").reading(Attr::Master), &"bond0".into());
        assert_eq!((of("lo").reading(Attr::Vlans), of("tap100i0").reading(Attr::Addresses)), (&Reading::Absent, &Reading::Absent));
    }

    #[test]
    fn what_is_switched_on_for_all_interfaces_is_on_for_each_and_what_cannot_be_read_is_not_off() {
        let with = |attr: Attr, more: &str| {
            let host = "/proc/sys/net/ipv6/conf/vmbr0.6/forwarding: 0\n/proc/sys/net/ipv4/conf/vmbr0.6/proxy_arp: 0";
            let all = found(&format!("netlink:links: 7 vmbr0.6 kind vlan\n{host}\n{more}"));
            all[0].reading(attr).clone()
        };
        for (attr, file) in [
            (Attr::Ipv6Forwarding, "ipv6/conf/all/forwarding"),
            (Attr::Ipv6Forwarding, "ipv6/conf/vmbr0.6/force_forwarding"),
            (Attr::NeighbourProxy, "ipv4/conf/all/proxy_arp"),
            (Attr::NeighbourProxy, "ipv4/conf/vmbr0.6/proxy_arp_pvlan"),
            (Attr::NeighbourProxy, "ipv6/conf/vmbr0.6/proxy_ndp"),
        ] {
            assert_eq!(with(attr, ""), false.into(), "{file}");
            assert_eq!(with(attr, &format!("/proc/sys/net/{file}: 1")), true.into(), "{file}");
            assert!(matches!(with(attr, &format!("/proc/sys/net/{file} error: EIO")), Reading::Unreadable(_)), "{file}");
        }
        let bare = found("netlink:links: 7 enp1s0 kind device\n/proc/sys/net/ipv6/conf/all/forwarding: 1");
        assert_eq!((bare[0].reading(Attr::Ipv6Forwarding), bare[0].reading(Attr::NeighbourProxy)), (&Reading::Absent, &Reading::Absent));
    }

    #[test]
    fn addresses_and_vlans_that_were_not_told_are_not_none() {
        for (name, attr) in [("netlink:addresses", Attr::Addresses), ("netlink:vlans", Attr::Vlans)] {
            for answer in ["absent", "error: EPERM", "text error: EIO"] {
                let rows = NODE.find(name).expect("there");
                let next = NODE[rows + 1..].find("\n        netlink").or_else(|| NODE[rows + 1..].find("\n        /proc")).expect("there") + rows + 1;
                let all = found(&format!("{}{name} {answer}{}", &NODE[..rows], &NODE[next..]));
                assert!(all.iter().all(|component| matches!(component.reading(attr), Reading::Unreadable(_))), "{name} {answer}");
            }
        }
    }

    #[test]
    fn a_kernel_that_tells_no_links_is_a_missing_source_and_a_torn_line_a_failure() {
        let ended = |snapshot: &str| Interface.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
        assert_eq!(ended("unmentioned: absent"), Err(HostError::SourceMissing(LINKS.into())));
        for torn in ["", "1", "x lo kind loopback", "1 lo kind", "1 lo kind a kind b", "1 lo kind a\n          |2 lo kind a"] {
            assert!(matches!(ended(&format!("netlink:links:\n          |{torn}")), Err(HostError::Malformed { .. })), "{torn}");
        }
        let lost = found("netlink:links: 1 lo kind loopback\nnetlink:addresses: eth9 192.0.2.1/24");
        assert!(matches!(lost[0].reading(Attr::Addresses), Reading::Unreadable(_)), "an address of an interface that nobody tells of");
        let odd = found("netlink:links: 3 eth0.x kind vlan id six vlan_filtering 2");
        assert!(matches!((odd[0].reading(Attr::VlanId), odd[0].reading(Attr::VlanFiltering)), (Reading::Unreadable(_), Reading::Unreadable(_))));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9]{1,3} )?[a-z0-9 .%-]{0,40}(\n.{0,40}){0,4}") {
            let _ = parse_links(&text);
            let _ = parse_rows(&text);
        }
    }
}
