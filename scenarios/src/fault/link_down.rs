//! `link-down`: an interface set down, as if its cable were pulled at this end. The kernel drops more than the link with it: IPv6 addresses, routes and static
//! neighbours of the interface and of the VLANs on it. They are noted as the kernel tells them, and put back the same way.

use std::collections::BTreeSet;
use std::io;

use netlink_packet_core::NlasIterator;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::error::FaultError;
use super::lifeline::next_hops;
use super::links::{Link, Links, set_up};
use super::netlink::{CREATE_NEW, Netlink, attribute, attributes, u16_at, u32_at};
use super::{Armed, Fault, FaultCtx};

/// Sets an interface down.
pub(super) struct LinkDown;

/// On which interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkDownSpec {
    /// Its name.
    pub interface: String,
}

/// All that comes back with the interface. `switch-loss` has one for each of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Noted {
    pub(super) interface: String,
    pub(super) index: u32,
    /// It and what stands on it, in the order in which they come up, each as it was.
    links: Vec<NotedLink>,
    /// Messages of rtnetlink, hex.
    addresses: Vec<String>,
    routes: Vec<String>,
    neighbours: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotedLink {
    index: u32,
    name: String,
    up: bool,
}

const NAME: &str = "link-down";
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const IFADDR: usize = 8;
const RTMSG: usize = 12;
const NDMSG: usize = 12;
const AF_INET6: u8 = 10;
const AF_INET: u8 = 2;
const IFA_F_TEMPORARY: u32 = 1;
const IFA_FLAGS: u16 = 8;
const RTN_UNICAST: u8 = 1;
const RTPROT_KERNEL: u8 = 2;
const RTM_F_CLONED: u32 = 0x200;
/// Of the flags of a route and of its next hops only this one may be set: the others tell of its state.
const RTNH_F_ONLINK: u8 = 4;
const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
const RTA_NH_ID: u16 = 30;
const NUD_PERMANENT: u16 = 0x80;

impl Fault for LinkDown {
    fn name(&self) -> &'static str {
        NAME
    }

    fn describe(&self) -> &'static str {
        "sets an interface down, and puts back with it the addresses, routes and neighbours that the kernel drops"
    }

    fn arm(&self, ctx: &FaultCtx<'_>) -> Result<Armed, FaultError> {
        let LinkDownSpec { interface } = ctx.spec.on()?;
        let mut netlink = Netlink::open().map_err(FaultError::kernel("speak rtnetlink for", &interface))?;
        let links = Links::read(&mut netlink)?;
        let link = links.named(NAME, &interface)?;
        if !link.is_up {
            return Err(refused(link, "it is down already"));
        }
        ctx.lifeline.spare(NAME, link, &links, &mut netlink)?;
        ctx.spec.armed(&note(NAME, &mut netlink, &links, link)?)
    }

    fn inject(&self, armed: &Armed) -> Result<(), FaultError> {
        let noted: Noted = armed.state()?;
        let mut netlink = Netlink::open().map_err(FaultError::kernel("speak rtnetlink for", &noted.interface))?;
        set_up(&mut netlink, noted.index, &noted.interface, false)
    }

    fn heal(&self, armed: &Armed) -> Result<(), FaultError> {
        let noted: Noted = armed.state()?;
        let mut netlink = Netlink::open().map_err(FaultError::kernel("speak rtnetlink for", &noted.interface))?;
        let links = Links::read(&mut netlink)?;
        noted.raise(&mut netlink, &links)?;
        noted.restore(&mut netlink, &links)
    }
}

impl Noted {
    /// Sets the interface up, and what stood up on it. One that was removed meanwhile has nothing to set up.
    pub(super) fn raise(&self, netlink: &mut Netlink, links: &Links) -> Result<(), FaultError> {
        let is_there = links.0.contains_key(&self.index);
        for link in self.links.iter().filter(|link| is_there && link.up && links.0.contains_key(&link.index)) {
            set_up(netlink, link.index, &link.name, true)?;
        }
        Ok(())
    }

    /// Puts back what the kernel dropped with it.
    pub(super) fn restore(&self, netlink: &mut Netlink, links: &Links) -> Result<(), FaultError> {
        if !links.0.contains_key(&self.index) {
            return Ok(());
        }
        // In this order: a route needs the address that it prefers, and the network of its gateway.
        put_back(netlink, RTM_NEWADDR, &self.addresses, "address", &self.interface)?;
        put_back(netlink, RTM_NEWROUTE, &self.routes, "route", &self.interface)?;
        put_back(netlink, RTM_NEWNEIGH, &self.neighbours, "neighbour", &self.interface)
    }
}

fn refused(link: &Link, why: &str) -> FaultError {
    FaultError::Refused { fault: NAME.to_owned(), subject: link.name.clone(), why: why.to_owned() }
}

/// Everything that goes with the interface.
pub(super) fn note(fault: &str, netlink: &mut Netlink, links: &Links, link: &Link) -> Result<Noted, FaultError> {
    let affected = links.with_uppers(link.index);
    let listed = |what: &'static str| FaultError::kernel(what, &link.name);
    let mut addresses = Vec::new();
    for answer in netlink.dump(RTM_GETADDR, &family(AF_INET6, IFADDR)).map_err(listed("list the addresses of"))? {
        let of = u32_at(&answer, 4).is_some_and(|index| affected.contains(&index));
        let attributes = attributes(&answer, IFADDR).map_err(listed("read the addresses of"))?;
        let flags = attribute(&attributes, IFA_FLAGS).and_then(|value| u32_at(value, 0)).unwrap_or(0);
        // Temporary ones are made anew by the kernel from the one that they belong to.
        if answer.first() == Some(&AF_INET6) && of && flags & IFA_F_TEMPORARY == 0 {
            addresses.push(hex(&answer));
        }
    }
    let mut routes = Vec::new();
    for kind in [AF_INET, AF_INET6] {
        for answer in netlink.dump(RTM_GETROUTE, &family(kind, RTMSG)).map_err(listed("list the routes of"))? {
            if answer.first() == Some(&kind) && is_dropped_with(&answer, &affected).map_err(listed("read the routes of"))? {
                if attribute(&attributes(&answer, RTMSG).map_err(listed("read the routes of"))?, RTA_NH_ID).is_some() {
                    let why = "a route over it is one of a nexthop object, which cannot be put back here".to_owned();
                    return Err(FaultError::Refused { fault: fault.to_owned(), subject: link.name.clone(), why });
                }
                routes.push(hex(&without_state(answer)));
            }
        }
    }
    let mut neighbours = Vec::new();
    for kind in [AF_INET, AF_INET6] {
        for answer in netlink.dump(RTM_GETNEIGH, &family(kind, NDMSG)).map_err(listed("list the neighbours of"))? {
            let of = u32_at(&answer, 4).is_some_and(|index| affected.contains(&index));
            let permanent = u16_at(&answer, 8) == Some(NUD_PERMANENT);
            if answer.first() == Some(&kind) && of && permanent {
                neighbours.push(hex(&answer));
            }
        }
    }
    let mut noted: Vec<NotedLink> = Vec::new();
    for index in &affected {
        if let Some(link) = links.0.get(index) {
            noted.push(NotedLink { index: *index, name: link.name.clone(), up: link.is_up });
        }
    }
    // Lower ones first: what stands on an interface that is down cannot come up.
    let depth = |index: u32| std::iter::successors(links.0.get(&index), |link| links.0.get(&link.lower?)).take(16).count();
    noted.sort_by_key(|link| depth(link.index));
    Ok(Noted { interface: link.name.clone(), index: link.index, links: noted, addresses, routes, neighbours })
}

fn family(family: u8, fixed: usize) -> Vec<u8> {
    let mut body = vec![0; fixed];
    body[0] = family;
    body
}

/// Whether a route goes when these interfaces go down, and is not one that the kernel makes itself.
fn is_dropped_with(route: &[u8], affected: &BTreeSet<u32>) -> io::Result<bool> {
    let (protocol, kind, flags) = (route.get(5), route.get(7), u32_at(route, 8).unwrap_or(0));
    if protocol == Some(&RTPROT_KERNEL) || kind != Some(&RTN_UNICAST) || flags & RTM_F_CLONED != 0 {
        return Ok(false);
    }
    let attributes = attributes(route, RTMSG)?;
    let single = attribute(&attributes, RTA_OIF).and_then(|value| u32_at(value, 0)).into_iter();
    let several = attribute(&attributes, RTA_MULTIPATH).map(next_hops).unwrap_or_default();
    Ok(single.chain(several).any(|index| affected.contains(&index)))
}

/// A route without what the kernel says of its state, which it refuses to be told.
fn without_state(mut route: Vec<u8>) -> Vec<u8> {
    // Native byte order: the flag that may stay fits into one byte of it.
    let flags = u32_at(&route, 8).unwrap_or(0) & u32::from(RTNH_F_ONLINK);
    route[8..12].copy_from_slice(&flags.to_ne_bytes());
    let mut at = RTMSG;
    while let Some(rest) = route.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(Ok(nla)) = NlasIterator::new(rest).next() else { break };
        let (length, kind) = (4 + nla.value().len(), nla.kind());
        if kind == RTA_MULTIPATH {
            let mut hop = at + 4;
            while let Some(size) = u16_at(&route, hop).map(usize::from).filter(|size| *size >= 8 && hop + size <= at + length) {
                route[hop + 2] &= RTNH_F_ONLINK;
                hop += size.next_multiple_of(4);
            }
        }
        at += length.next_multiple_of(4);
    }
    route
}

/// Says the noted messages to the kernel again. What is there already is as it should be.
fn put_back(netlink: &mut Netlink, kind: u16, noted: &[String], what: &str, interface: &str) -> Result<(), FaultError> {
    let mut left: Vec<Vec<u8>> = Vec::new();
    for text in noted {
        left.push(unhex(text).ok_or_else(|| FaultError::Form { fault: NAME.to_owned(), why: format!("a noted {what} is no message") })?);
    }
    // One may need another that comes later: as long as some go in, the others are tried again.
    while !left.is_empty() {
        let (before, mut refused) = (left.len(), Vec::new());
        let mut last = None;
        for message in left {
            match netlink.act(kind, CREATE_NEW, &message) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {}
                Err(error) => {
                    last = Some(error);
                    refused.push(message);
                }
            }
        }
        left = refused;
        if let Some(error) = last.filter(|_| left.len() == before) {
            let why = format!("{} {what}(s) cannot be put back: {error}", left.len());
            return Err(FaultError::Incomplete { subject: interface.to_owned(), why });
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noted_message_is_read_back_or_refused() {
        assert_eq!(unhex(&hex(&[0, 255, 16])), Some(vec![0, 255, 16]));
        for bad in ["0", "zz", "é0"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_route_is_told_without_its_state() {
        let mut route = vec![0; RTMSG];
        route[8..12].copy_from_slice(&0x1cu32.to_ne_bytes());
        let mut hops = Vec::new();
        for flags in [0x11u8, 0x04] {
            hops.extend([8, 0, flags, 0, 3, 0, 0, 0]);
        }
        super::super::netlink::put(&mut route, RTA_OIF, &3u32.to_ne_bytes());
        super::super::netlink::put(&mut route, RTA_MULTIPATH, &hops);
        let told = without_state(route);
        assert_eq!(u32_at(&told, 8), Some(4));
        let attributes = attributes(&told, RTMSG).expect("sound");
        let hops = attribute(&attributes, RTA_MULTIPATH).expect("there");
        assert_eq!((hops[2], hops[10]), (0, 4));
    }
}
