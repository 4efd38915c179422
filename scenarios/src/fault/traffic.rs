//! Traffic control of an interface over rtnetlink: which queueing disciplines and filters are there, and making and removing our own. Nothing of anybody else's is
//! ever changed: what is ours is known by handles that are made from the fault's id.

use std::io;

use rustix::io::Errno;

use super::error::FaultError;
use super::netlink::{CREATE_NEW, Netlink, attribute, attributes, i32_at, put, text, u32_at};

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_GETQDISC: u16 = 38;
const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;
/// `struct tcmsg`.
const TCMSG: usize = 20;
const TCA_KIND: u16 = 1;
pub(super) const TCA_OPTIONS: u16 = 2;
pub(super) const ROOT: u32 = 0xffff_ffff;
/// Where `ingress` and `clsact` sit.
pub(super) const CLSACT: u32 = 0xffff_fff1;
/// `clsact` has always this handle.
pub(super) const CLSACT_HANDLE: u32 = 0xffff_0000;
/// The two hooks of `clsact`.
pub(super) const INGRESS: u32 = 0xffff_fff2;
pub(super) const EGRESS: u32 = 0xffff_fff3;
const ETH_P_ALL: u16 = 3;

/// A queueing discipline, or a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) kind: String,
    pub(super) handle: u32,
    pub(super) parent: u32,
    /// Of a filter: its preference in the upper half, its protocol in the lower.
    pub(super) info: u32,
}

/// A message about a rule.
pub(super) fn message(index: u32, rule: &Rule) -> Vec<u8> {
    let mut body = vec![0; TCMSG];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    body[8..12].copy_from_slice(&rule.handle.to_ne_bytes());
    body[12..16].copy_from_slice(&rule.parent.to_ne_bytes());
    body[16..20].copy_from_slice(&rule.info.to_ne_bytes());
    if !rule.kind.is_empty() {
        let mut kind = rule.kind.clone().into_bytes();
        kind.push(0);
        put(&mut body, TCA_KIND, &kind);
    }
    body
}

/// The `info` of a filter for every protocol.
pub(super) fn info(preference: u16) -> u32 {
    u32::from(preference) << 16 | u32::from(ETH_P_ALL.to_be())
}

fn rules(netlink: &mut Netlink, what: u16, asked: &[u8], index: u32, name: &str) -> Result<Vec<Rule>, FaultError> {
    let failed = || FaultError::kernel("list the traffic control of", name);
    let mut found = Vec::new();
    for answer in netlink.dump(what, asked).map_err(failed())? {
        if i32_at(&answer, 4).and_then(|own| u32::try_from(own).ok()) != Some(index) {
            continue;
        }
        let cut = || io::Error::other("a rule that is cut off");
        let attributes = attributes(&answer, TCMSG).map_err(failed())?;
        let at = |at| u32_at(&answer, at).ok_or_else(cut).map_err(failed());
        let kind = attribute(&attributes, TCA_KIND).map(text).unwrap_or_default();
        found.push(Rule { kind, handle: at(8)?, parent: at(12)?, info: at(16)? });
    }
    Ok(found)
}

/// The queueing disciplines of an interface.
pub(super) fn qdiscs(netlink: &mut Netlink, index: u32, name: &str) -> Result<Vec<Rule>, FaultError> {
    rules(netlink, RTM_GETQDISC, &[0; TCMSG], index, name)
}

/// The filters of an interface at one hook. One preference can appear twice: as itself (handle 0) and as the filter in it.
pub(super) fn filters(netlink: &mut Netlink, index: u32, name: &str, parent: u32) -> Result<Vec<Rule>, FaultError> {
    let asked = message(index, &Rule { kind: String::new(), handle: 0, parent, info: 0 });
    rules(netlink, RTM_GETTFILTER, &asked, index, name)
}

pub(super) fn add_qdisc(netlink: &mut Netlink, body: &[u8], name: &str) -> Result<(), FaultError> {
    netlink.act(RTM_NEWQDISC, CREATE_NEW, body).map_err(FaultError::kernel("add a queueing discipline to", name))
}

/// Puts a discipline in place of the kernel's own, which has no handle and comes back by itself.
pub(super) fn replace_default_qdisc(netlink: &mut Netlink, body: &[u8], name: &str) -> Result<(), FaultError> {
    const CREATE: u16 = 0x400;
    netlink.act(RTM_NEWQDISC, CREATE, body).map_err(FaultError::kernel("set the queueing discipline of", name))
}

pub(super) fn add_filter(netlink: &mut Netlink, body: &[u8], name: &str) -> Result<(), FaultError> {
    netlink.act(RTM_NEWTFILTER, CREATE_NEW, body).map_err(FaultError::kernel("add a filter to", name))
}

pub(super) fn remove_qdisc(netlink: &mut Netlink, index: u32, rule: &Rule, name: &str) -> Result<(), FaultError> {
    netlink.act(RTM_DELQDISC, 0, &message(index, rule)).or_else(gone).map_err(FaultError::kernel("remove our queueing discipline of", name))
}

pub(super) fn remove_filter(netlink: &mut Netlink, index: u32, rule: &Rule, name: &str) -> Result<(), FaultError> {
    netlink.act(RTM_DELTFILTER, 0, &message(index, rule)).or_else(gone).map_err(FaultError::kernel("remove our filter of", name))
}

/// Something that is not there any more need not be removed; another process may heal at the same time.
fn gone(error: io::Error) -> io::Result<()> {
    let known = [Errno::NOENT, Errno::NODEV, Errno::INVAL].map(Errno::raw_os_error);
    if error.raw_os_error().is_some_and(|errno| known.contains(&errno)) { Ok(()) } else { Err(error) }
}

/// A number from an id that others are unlikely to use (FNV-1a), between 1 and `most`.
pub(super) fn number_of(id: &str, most: u32) -> u32 {
    id.bytes().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)) % most + 1
}
