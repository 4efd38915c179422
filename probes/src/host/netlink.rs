//! What the kernel says of all interfaces over rtnetlink: `netlink:links` and `netlink:addresses` (`RTM_GETLINK`, `RTM_GETADDR`) and `netlink:vlans`, the VLANs of
//! the ports of bridges (`RTM_GETLINK` of `AF_BRIDGE`); `netlink:vfs`, those of virtual functions. One line per interface, address, VLAN of a port or function, as words. It asks and sets nothing, and needs no privilege.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    AfSpecBridge, BridgeVlanInfoFlags, InfoBridge, InfoData, InfoVlan, InfoVxlan, LinkAttribute, LinkExtentMask, LinkInfo, LinkLayerType,
    LinkMessage, VfInfo,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{self, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::live::Refusal;
use super::{Host, HostError};

/// The kernel answers from memory; a lock that is held must not hold the probe.
const LIMIT: Duration = Duration::from_secs(5);
/// More than the kernel puts into one datagram of a dump.
const DATAGRAM_MAX: usize = 256 << 10;
/// More datagrams than any node has interfaces.
const DATAGRAMS_MAX: usize = 100_000;
/// The kernel's word for a dump during which something changed.
const NLM_F_DUMP_INTR: u16 = 0x10;
const ATTEMPTS: usize = 5;

/// The names of the calls.
pub(crate) const LINKS: &str = "netlink:links";
pub(crate) const ADDRESSES: &str = "netlink:addresses";
pub(crate) const VLANS: &str = "netlink:vlans";
pub(crate) const VFS: &str = "netlink:vfs";

impl Host {
    /// All interfaces, one a line: `7 bond0.6 kind vlan id 6 parent bond0` or `9 vx5 kind vxlan parent bond0.6 outer ipv4`.
    pub(crate) fn links(&self) -> Result<String, HostError> {
        self.call_text(LINKS, || Ok(link_lines(&links()?)))
    }

    /// All IP addresses, one a line: `vmbr0.6 10.6.0.11/24`.
    pub(crate) fn addresses(&self) -> Result<String, HostError> {
        self.call_text(ADDRESSES, || Ok(address_lines(&names(&links()?), &addresses()?)))
    }

    /// The VLANs that bridges let through their ports, one row a line: `tap100i0 2-4094` or `vmbr0 1 pvid untagged`.
    pub(crate) fn vlans(&self) -> Result<String, HostError> {
        self.call_text(VLANS, || Ok(vlan_lines(&bridge_ports()?)))
    }

    /// The VLANs in which cards keep their virtual functions, 0 for none, one a line: `enp97s0f0np0 3 vlan 12`.
    pub(crate) fn virtual_functions(&self) -> Result<String, HostError> {
        self.call_text(VFS, || Ok(vf_lines(&links_with(vec![LinkExtentMask::Vf, LinkExtentMask::SkipStats])?)))
    }
}

fn links() -> Result<Vec<LinkMessage>, Refusal> {
    links_with(vec![LinkExtentMask::SkipStats])
}

fn links_with(mask: Vec<LinkExtentMask>) -> Result<Vec<LinkMessage>, Refusal> {
    let mut asked = LinkMessage::default();
    asked.attributes.push(LinkAttribute::ExtMask(mask));
    Ok(dump(RouteNetlinkMessage::GetLink(asked))?.into_iter().filter_map(link).collect())
}

fn bridge_ports() -> Result<Vec<LinkMessage>, Refusal> {
    let mut asked = LinkMessage::default();
    asked.header.interface_family = AddressFamily::Bridge;
    asked.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::BrvlanCompressed]));
    Ok(dump(RouteNetlinkMessage::GetLink(asked))?.into_iter().filter_map(link).collect())
}

fn link(message: RouteNetlinkMessage) -> Option<LinkMessage> {
    if let RouteNetlinkMessage::NewLink(link) = message { Some(link) } else { None }
}

fn addresses() -> Result<Vec<AddressMessage>, Refusal> {
    let answers = dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
    Ok(answers.into_iter().filter_map(|message| if let RouteNetlinkMessage::NewAddress(address) = message { Some(address) } else { None }).collect())
}

#[allow(clippy::wildcard_enum_match_arm, reason = "of what the kernel tells, and of what it will tell, few things are asked")]
fn link_lines(links: &[LinkMessage]) -> String {
    let names = names(links);
    let named = |index: u32| names.get(&index).map_or("elsewhere", String::as_str);
    let mut lines = String::new();
    for link in links {
        let Some(name) = names.get(&link.header.index) else { continue };
        let (mut kind, mut facts) = (None, String::new());
        let is_parent_here = !link.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::LinkNetNsId(_)));
        let is_stacked = link.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::Link(_)));
        for attribute in &link.attributes {
            let parent = |index: &u32| if is_parent_here { named(*index) } else { "elsewhere" };
            let _ = match attribute {
                LinkAttribute::Controller(index) => write!(facts, " master {}", named(*index)),
                LinkAttribute::Link(index) => write!(facts, " parent {}", parent(index)),
                LinkAttribute::LinkInfo(infos) => {
                    kind = infos.iter().find_map(|info| if let LinkInfo::Kind(kind) = info { Some(kind.to_string()) } else { None });
                    // A tunnel is stacked on the interface that it is bound to, and IFLA_LINK does not say so.
                    if let (Some(index), false) = (bound_to(infos), is_stacked) {
                        let _ = write!(facts, " parent {}", parent(&index));
                    }
                    write!(facts, "{}", particulars(infos))
                }
                _ => Ok(()),
            };
        }
        let is_loopback = link.header.link_layer_type == LinkLayerType::Loopback;
        let kind = kind.unwrap_or_else(|| if is_loopback { "loopback" } else { "device" }.into());
        let _ = writeln!(lines, "{} {name} kind {kind}{facts}", link.header.index);
    }
    lines
}

/// The interface that a VXLAN is told to leave by.
fn bound_to(infos: &[LinkInfo]) -> Option<u32> {
    vxlan(infos).find_map(|fact| if let InfoVxlan::Link(index) = fact { Some(*index) } else { None }).filter(|index| *index != 0)
}

fn vxlan(infos: &[LinkInfo]) -> impl Iterator<Item = &InfoVxlan> {
    infos.iter().filter_map(|info| if let LinkInfo::Data(InfoData::Vxlan(facts)) = info { Some(facts) } else { None }).flatten()
}

#[allow(clippy::wildcard_enum_match_arm, reason = "of what the kernel tells, and of what it will tell, few things are asked")]
fn outer(fact: &InfoVxlan) -> Option<&'static str> {
    match fact {
        InfoVxlan::Group(_) | InfoVxlan::Local(_) => Some("ipv4"),
        InfoVxlan::Group6(_) | InfoVxlan::Local6(_) => Some("ipv6"),
        _ => None,
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "of what the kernel tells, and of what it will tell, few things are asked")]
fn particulars(infos: &[LinkInfo]) -> String {
    let mut said = String::new();
    for info in infos {
        let _ = match info {
            LinkInfo::Data(InfoData::Vlan(data)) => {
                let id = data.iter().find_map(|fact| if let InfoVlan::Id(id) = fact { Some(id) } else { None });
                id.map_or(Ok(()), |id| write!(said, " id {id}"))
            }
            LinkInfo::Data(InfoData::Bridge(data)) => {
                let filters = data.iter().find_map(|fact| if let InfoBridge::VlanFiltering(filters) = fact { Some(filters) } else { None });
                filters.map_or(Ok(()), |filters| write!(said, " vlan_filtering {}", u8::from(*filters)))
            }
            // Its own end and the other one are of one sort; of neither, where it has no fixed ones, nothing is told.
            LinkInfo::Data(InfoData::Vxlan(data)) => data.iter().find_map(outer).map_or(Ok(()), |outer| write!(said, " outer {outer}")),
            _ => Ok(()),
        };
    }
    said
}

fn names(links: &[LinkMessage]) -> BTreeMap<u32, String> {
    let name = |link: &LinkMessage| {
        link.attributes.iter().find_map(|attribute| if let LinkAttribute::IfName(name) = attribute { Some(name.clone()) } else { None })
    };
    links.iter().filter_map(|link| Some((link.header.index, name(link)?))).collect()
}

fn address_lines(names: &BTreeMap<u32, String>, addresses: &[AddressMessage]) -> String {
    let mut lines = String::new();
    for message in addresses {
        // With a peer, IFA_ADDRESS is the peer's and IFA_LOCAL the node's own.
        let of = |take: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(take);
        let local = of(|attribute| if let AddressAttribute::Local(address) = attribute { Some(*address) } else { None });
        let own = local.or_else(|| of(|attribute| if let AddressAttribute::Address(address) = attribute { Some(*address) } else { None }));
        // An interface that came up between the two questions has no name yet: its address must not be lost.
        let name = names.get(&message.header.index).map_or_else(|| format!("index{}", message.header.index), Clone::clone);
        if let Some(own) = own {
            let _ = writeln!(lines, "{name} {own}/{}", message.header.prefix_len);
        }
    }
    lines
}

fn vlan_lines(ports: &[LinkMessage]) -> String {
    let names = names(ports);
    let mut lines = String::new();
    for port in ports {
        let Some(name) = names.get(&port.header.index) else { continue };
        let facts =
            port.attributes.iter().filter_map(|attribute| if let LinkAttribute::AfSpecBridge(facts) = attribute { Some(facts) } else { None });
        let mut begun = None;
        for fact in facts.flatten() {
            let AfSpecBridge::VlanInfo(vlan) = fact else { continue };
            if vlan.flags.contains(BridgeVlanInfoFlags::RangeBegin) {
                begun = Some(vlan.vid);
                continue;
            }
            let range = begun.take().map_or_else(|| vlan.vid.to_string(), |first| format!("{first}-{}", vlan.vid));
            let pvid = if vlan.flags.contains(BridgeVlanInfoFlags::Pvid) { " pvid" } else { "" };
            let untagged = if vlan.flags.contains(BridgeVlanInfoFlags::Untagged) { " untagged" } else { "" };
            let _ = writeln!(lines, "{name} {range}{pvid}{untagged}");
        }
    }
    lines
}

fn vf_lines(links: &[LinkMessage]) -> String {
    let names = names(links);
    let mut lines = String::new();
    for link in links {
        let Some(name) = names.get(&link.header.index) else { continue };
        let functions = link.attributes.iter().filter_map(|attribute| if let LinkAttribute::VfInfoList(all) = attribute { Some(all) } else { None });
        for fact in functions.flatten().flat_map(|function| &function.0) {
            if let VfInfo::Vlan(vlan) = fact {
                let _ = writeln!(lines, "{name} {} vlan {}", vlan.vf_id, vlan.vlan_id);
            }
        }
    }
    lines
}

/// All answers to one request. What changed while the kernel told it is asked for again.
fn dump(request: RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>, Errno> {
    let mut message = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(request));
    message.header.flags = NLM_F_DUMP | NLM_F_REQUEST;
    message.finalize();
    let mut request = vec![0; message.buffer_len()];
    message.serialize(&mut request);
    for _ in 0..ATTEMPTS {
        if let Some(answers) = dumped(&request)? {
            return Ok(answers);
        }
    }
    Err(Errno::AGAIN)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "of what the kernel tells, and of what it will tell, few things are asked")]
fn dumped(request: &[u8]) -> Result<Option<Vec<RouteNetlinkMessage>>, Errno> {
    let socket = net::socket_with(net::AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(LIMIT))?;
    net::send(&socket, request, SendFlags::empty())?;
    let mut buffer = vec![0; DATAGRAM_MAX];
    let mut answers = Vec::new();
    let mut is_whole = true;
    for _ in 0..DATAGRAMS_MAX {
        let (_, length) = net::recv(&socket, buffer.as_mut_slice(), RecvFlags::TRUNC)?;
        let mut datagram = buffer.get(..length).ok_or(Errno::MSGSIZE)?;
        while !datagram.is_empty() {
            // A message that is not understood may be the one that counts: none is left out.
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(datagram).map_err(|_| Errno::PROTO)?;
            is_whole &= message.header.flags & NLM_F_DUMP_INTR == 0;
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                NetlinkPayload::Done(_) => return Ok(is_whole.then_some(answers)),
                NetlinkPayload::Error(error) => {
                    let errno = error.raw_code().checked_neg().filter(|errno| (1..4096).contains(errno));
                    return Err(errno.map_or(Errno::PROTO, Errno::from_raw_os_error));
                }
                NetlinkPayload::Overrun(_) => return Err(Errno::OVERFLOW),
                _ => {}
            }
            let taken = usize::try_from(message.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
            datagram = datagram.get(taken..).unwrap_or_default();
        }
    }
    Err(Errno::OVERFLOW)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use netlink_packet_route::link::{BridgeVlanInfo, InfoKind, LinkVfInfo, VfInfoTrust, VfInfoVlan};

    use super::*;
    use crate::sys::lab::{in_a_namespace, run};

    #[test]
    fn the_running_kernel_tells_of_its_loopback() {
        let host = Host::live(Path::new("/"));
        let links = host.links().expect("rtnetlink needs no privilege");
        assert!(links.lines().any(|line| line == "1 lo kind loopback"), "{links}");
        assert!(host.addresses().expect("answers").lines().all(|line| line.split(' ').count() == 2));
        assert!(host.vlans().is_ok() && host.virtual_functions().is_ok());
    }

    #[test]
    fn bridges_ports_and_addresses_are_told_as_they_were_made() {
        let told = in_a_namespace(|| {
            for command in [
                "link add fwbr1 type bridge",
                "link add eth0 type veth peer name eth1",
                "link set eth0 master fwbr1",
                "tuntap add tap100i0 mode tap",
                "link set tap100i0 master fwbr1",
                "link add vx4 type vxlan id 4 local 10.6.0.11 remote 10.6.0.12 dev eth1 dstport 4789",
                "link add vx6 type vxlan id 6 local fd00:6::11 remote fd00:6::12 dev eth1 dstport 4789",
                "link add vx0 type vxlan external dstport 4790",
                "addr add 10.6.0.11/24 dev fwbr1",
                "addr add 10.9.0.1 peer 10.9.0.2/32 dev eth1",
                "addr add fd00:6::11/64 dev eth1",
            ] {
                run("ip", command);
            }
            let host = Host::live(Path::new("/"));
            (host.links().expect("told"), host.addresses().expect("told"))
        });
        let Some((links, addresses)) = told else { return };
        for (name, facts) in [
            ("fwbr1", "kind bridge"),
            ("eth0", "kind veth master fwbr1 parent eth1"),
            ("eth1", "kind veth parent eth0"),
            ("tap100i0", "kind tun master fwbr1"),
            ("vx4", "kind vxlan parent eth1 outer ipv4"),
            ("vx6", "kind vxlan parent eth1 outer ipv6"),
            ("vx0", "kind vxlan"),
        ] {
            let line = links.lines().find(|line| line.split(' ').nth(1) == Some(name)).unwrap_or_else(|| panic!("no {name} in {links}"));
            for fact in facts.split(' ') {
                assert!(line.split(' ').any(|word| word == fact), "{fact} is not in {line}");
            }
            assert!(name != "vx0" || !line.contains("parent") && !line.contains("outer"), "{line}");
        }
        for address in ["fwbr1 10.6.0.11/24", "eth1 10.9.0.1/32", "eth1 fd00:6::11/64"] {
            assert!(addresses.lines().any(|line| line == address), "{address} is not in {addresses}");
        }
    }

    fn made(index: u32, name: &str, attributes: Vec<LinkAttribute>) -> LinkMessage {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes = attributes;
        link.attributes.push(LinkAttribute::IfName(name.into()));
        link
    }

    #[test]
    fn vlans_of_interfaces_bridges_and_ports_are_told() {
        let info = |kind, data| LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]);
        let links = [
            made(4, "vmbr0", vec![info(InfoKind::Bridge, InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)]))]),
            made(7, "vmbr0.6", vec![LinkAttribute::Link(4), info(InfoKind::Vlan, InfoData::Vlan(vec![InfoVlan::Id(6)]))]),
            // The other end is in the namespace of a container, where another interface may have the same index.
            made(
                8,
                "vx5",
                vec![info(InfoKind::Vxlan, InfoData::Vxlan(vec![InfoVxlan::Id(5), InfoVxlan::Local6([0; 16].into()), InfoVxlan::Link(7)]))],
            ),
            made(9, "veth101i0", vec![LinkAttribute::Link(4), LinkAttribute::LinkNetNsId(0), LinkAttribute::Controller(4)]),
        ];
        assert_eq!(
            link_lines(&links),
            "4 vmbr0 kind bridge vlan_filtering 1\n7 vmbr0.6 kind vlan parent vmbr0 id 6\n8 vx5 kind vxlan parent vmbr0.6 outer ipv6\n9 veth101i0 kind device parent elsewhere master vmbr0\n"
        );
        let vlan = |vid, flags| AfSpecBridge::VlanInfo(BridgeVlanInfo { vid, flags });
        let both = BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged;
        let rows = vec![vlan(1, both), vlan(2, BridgeVlanInfoFlags::RangeBegin), vlan(4094, BridgeVlanInfoFlags::RangeEnd)];
        let ports = [made(8, "tap100i0", vec![LinkAttribute::AfSpecBridge(rows)]), made(3, "bond0", Vec::new())];
        assert_eq!(vlan_lines(&ports), "tap100i0 1 pvid untagged\ntap100i0 2-4094\n");
        let function = |id, vlan| LinkVfInfo(vec![VfInfo::Trust(VfInfoTrust::new(id, true)), VfInfo::Vlan(VfInfoVlan::new(id, vlan, 0))]);
        let cards = [made(4, "enp97s0f0np0", vec![LinkAttribute::VfInfoList(vec![function(0, 12), function(1, 0)])]), made(3, "bond0", Vec::new())];
        assert_eq!(vf_lines(&cards), "enp97s0f0np0 0 vlan 12\nenp97s0f0np0 1 vlan 0\n");
    }
}
