//! The interfaces of this network namespace, and how they stand on each other, from `RTM_GETLINK`.

use std::collections::{BTreeMap, BTreeSet};

use super::error::FaultError;
use super::netlink::{Netlink, attribute, attributes, i32_at, put, text, u32_at};

pub(super) const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
/// `struct ifinfomsg`.
const IFINFO: usize = 16;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
/// Leaves statistics out.
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 8;
const IFF_LOWER_UP: u32 = 1 << 16;
/// The kernel's limit of a name, without its end.
const NAME_MAX: usize = 15;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    /// `vlan`, `bond`, `bridge`, `veth`; none for a device.
    pub(super) kind: Option<String>,
    pub(super) is_up: bool,
    pub(super) has_carrier: bool,
    pub(super) is_loopback: bool,
    /// The bond or bridge that it is a port of.
    pub(super) master: Option<u32>,
    /// What it stands on (a VLAN on its device), in this namespace.
    pub(super) lower: Option<u32>,
}

/// All of them by index.
#[derive(Debug, Clone, Default)]
pub(super) struct Links(pub(super) BTreeMap<u32, Link>);

/// Whether this can be the name of an interface: the kernel's own rule (`dev_valid_name`), and no path.
pub fn is_interface_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':')
}

impl Links {
    pub(super) fn read(netlink: &mut Netlink) -> Result<Self, FaultError> {
        let mut body = vec![0; IFINFO];
        put(&mut body, IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        let failed = || FaultError::kernel("list", "the interfaces");
        let answers = netlink.dump(RTM_GETLINK, &body).map_err(failed())?;
        let mut links = BTreeMap::new();
        for answer in answers {
            let link = link(&answer).map_err(failed())?;
            links.insert(link.index, link);
        }
        Ok(Self(links))
    }

    /// The interface of that name, or why there is none.
    pub(super) fn named(&self, fault: &str, name: &str) -> Result<&Link, FaultError> {
        let refused = |why: &str| FaultError::Refused { fault: fault.to_owned(), subject: crate::remote::shown(name), why: why.to_owned() };
        if !is_interface_name(name) {
            return Err(refused("this is no name of an interface"));
        }
        let link = self.0.values().find(|link| link.name == name).ok_or_else(|| refused("there is no such interface"))?;
        if link.is_loopback {
            return Err(refused("it is the loopback interface"));
        }
        Ok(link)
    }

    /// It and everything that stands on it: what goes down with it.
    pub(super) fn with_uppers(&self, index: u32) -> BTreeSet<u32> {
        let mut found = BTreeSet::from([index]);
        loop {
            let more: Vec<u32> = self
                .0
                .values()
                .filter(|link| link.lower.is_some_and(|lower| found.contains(&lower)) && !found.contains(&link.index))
                .map(|link| link.index)
                .collect();
            if more.is_empty() {
                return found;
            }
            found.extend(more);
        }
    }

    /// Whether what goes over `index` stops when `cut` does: it is the same, stands on it, or is a bond of which it is the last member with a carrier.
    /// Of a bridge nobody knows which port the others are behind: every port counts.
    /// Several may be cut at once.
    pub(super) fn depends(&self, index: u32, cut: &[u32]) -> bool {
        self.depends_within(index, cut, 16)
    }

    /// The bond that loses its last working member when these are cut at once.
    pub(super) fn bond_that_falls(&self, cut: &[u32]) -> Option<&Link> {
        let bond_of = |index: &u32| self.0.get(&self.0.get(index)?.master?).filter(|master| master.kind.as_deref() == Some("bond"));
        cut.iter().filter_map(bond_of).find(|bond| self.depends(bond.index, cut))
    }

    fn depends_within(&self, index: u32, cut: &[u32], depth: u32) -> bool {
        if cut.contains(&index) {
            return true;
        }
        let (Some(link), Some(deeper)) = (self.0.get(&index), depth.checked_sub(1)) else { return false };
        if link.lower.is_some_and(|lower| self.depends_within(lower, cut, deeper)) {
            return true;
        }
        let mut ports = self.0.values().filter(|port| port.master == Some(index));
        let falls = |port: &Link| self.depends_within(port.index, cut, deeper);
        if link.kind.as_deref() == Some("bond") || link.kind.as_deref() == Some("team") {
            let working: Vec<&Link> = ports.filter(|port| port.is_up && port.has_carrier).collect();
            return !working.is_empty() && working.into_iter().all(falls);
        }
        ports.any(falls)
    }
}

fn link(answer: &[u8]) -> std::io::Result<Link> {
    let cut = || std::io::Error::other("an interface that is cut off");
    let attributes = attributes(answer, IFINFO)?;
    let flags = u32_at(answer, 8).ok_or_else(cut)?;
    let number = |kind| attribute(&attributes, kind).and_then(|value| u32_at(value, 0));
    let kind = match attribute(&attributes, IFLA_LINKINFO) {
        Some(info) => attribute(&self::attributes(info, 0)?, IFLA_INFO_KIND).map(text),
        None => None,
    };
    let is_here = attribute(&attributes, IFLA_LINK_NETNSID).is_none();
    let index = i32_at(answer, 4).and_then(|index| u32::try_from(index).ok()).ok_or_else(cut)?;
    Ok(Link {
        index,
        name: attribute(&attributes, IFLA_IFNAME).map(text).ok_or_else(cut)?,
        kind,
        is_up: flags & IFF_UP != 0,
        has_carrier: flags & IFF_LOWER_UP != 0,
        is_loopback: flags & IFF_LOOPBACK != 0,
        master: number(IFLA_MASTER),
        lower: number(IFLA_LINK).filter(|lower| is_here && *lower != index),
    })
}

/// Sets an interface up or down.
pub(super) fn set_up(netlink: &mut Netlink, index: u32, name: &str, up: bool) -> Result<(), FaultError> {
    let mut body = vec![0; IFINFO];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    body[8..12].copy_from_slice(&(if up { IFF_UP } else { 0 }).to_ne_bytes());
    body[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    netlink.act(RTM_NEWLINK, 0, &body).map_err(FaultError::kernel(if up { "set up" } else { "set down" }, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Index, name, kind, whether it works, master, lower.
    type Row = (u32, &'static str, Option<&'static str>, bool, Option<u32>, Option<u32>);

    fn links(rows: &[Row]) -> Links {
        let link = |(index, name, kind, works, master, lower): &Row| Link {
            index: *index,
            name: (*name).to_owned(),
            kind: kind.map(ToOwned::to_owned),
            is_up: *works,
            has_carrier: *works,
            is_loopback: false,
            master: *master,
            lower: *lower,
        };
        Links(rows.iter().map(link).map(|link| (link.index, link)).collect())
    }

    #[test]
    fn a_bond_depends_on_its_last_member_that_works_and_a_bridge_on_every_port() {
        let node = |second: bool| {
            links(&[
                (1, "nic0", None, true, Some(3), None),
                (2, "nic1", None, second, Some(3), None),
                (3, "bond0", Some("bond"), true, Some(4), None),
                (4, "vmbr0", Some("bridge"), true, None, None),
                (5, "vmbr0.6", Some("vlan"), true, None, Some(4)),
                (6, "nic2", None, true, None, None),
                (7, "tap1", Some("tun"), true, Some(4), None),
            ])
        };
        let both = node(true);
        assert!(!both.depends(5, &[1]) && !both.depends(5, &[2]), "the other member carries on");
        assert!(both.depends(5, &[3]) && both.depends(5, &[4]) && both.depends(5, &[5]) && both.depends(5, &[7]) && !both.depends(5, &[6]));
        assert!(node(false).depends(5, &[1]), "the last one that works");
        assert!(both.depends(5, &[1, 2]), "both at once");
        assert_eq!(both.bond_that_falls(&[1, 2]).map(|bond| bond.name.as_str()), Some("bond0"));
        assert_eq!(node(false).bond_that_falls(&[1]).map(|bond| bond.name.as_str()), Some("bond0"));
        assert_eq!((both.bond_that_falls(&[1]), both.bond_that_falls(&[6])), (None, None), "one of two, and one of none");
        assert_eq!(both.with_uppers(4), BTreeSet::from([4, 5]));
        assert_eq!(both.with_uppers(1), BTreeSet::from([1]));
    }

    #[test]
    fn a_circle_ends() {
        let circle = links(&[(1, "a", None, true, None, Some(2)), (2, "b", None, true, None, Some(1))]);
        assert!(circle.depends(1, &[2]) && !circle.depends(1, &[3]));
        assert_eq!(circle.with_uppers(1).len(), 2);
    }

    #[test]
    fn hostile_names_are_none() {
        for name in ["eth0", "enp1s0f0np0", "vmbr0.6", "br-lan", "veth100i0@x"] {
            assert!(is_interface_name(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a b", "a:b", "a\nb", "abcdefghijklmnop", "ü"] {
            assert!(!is_interface_name(name), "{name}");
        }
    }
}
