//! What a fault must not cut: the way to whoever will have it healed. That is the SSH connection (`SSH_CONNECTION` of sshd(8), looked for in the environments of the
//! parents too, for sudo clears it), and the default routes.

use std::fs;
use std::io;
use std::net::IpAddr;

use rustix::process::{Pid, getppid};

use super::error::FaultError;
use super::links::{Link, Links};
use super::netlink::{Netlink, attribute, attributes, u32_at};

const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
const IFADDR: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTMSG: usize = 12;
const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RT_TABLE_MAIN: u32 = 254;
const RTN_UNICAST: u8 = 1;
/// Parents that are looked at.
const PARENTS: usize = 16;

/// What must not be cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifeline {
    /// The address of this node that the SSH connection ends at; none when this process was not started over SSH.
    pub ssh: Option<IpAddr>,
}

impl Lifeline {
    /// That of this process.
    pub fn of_this_process() -> io::Result<Self> {
        let own = std::env::var("SSH_CONNECTION").ok();
        let ssh = own.map_or_else(of_parents, |text| parse(&text).map(Some))?;
        Ok(Self { ssh })
    }

    /// Refuses to cut `link` when the connection, or every way to the rest of the world, goes over it.
    pub(super) fn spare(&self, fault: &str, link: &Link, links: &Links, netlink: &mut Netlink) -> Result<(), FaultError> {
        self.spare_all(fault, &[link], links, netlink)
    }

    /// The same for several that are cut at once.
    pub(super) fn spare_all(&self, fault: &str, cut: &[&Link], links: &Links, netlink: &mut Netlink) -> Result<(), FaultError> {
        let subject = cut.iter().map(|link| link.name.as_str()).collect::<Vec<_>>().join(", ");
        let refused = |why: String| Err(FaultError::Refused { fault: fault.to_owned(), subject: subject.clone(), why });
        let cut: Vec<u32> = cut.iter().map(|link| link.index).collect();
        if let Some(address) = self.ssh {
            let holders = holders(netlink, address)?;
            if holders.is_empty() {
                return refused(format!(
                    "no interface of this namespace has {address}, at which the SSH connection ends: nobody knows what it goes over"
                ));
            }
            if holders.iter().any(|holder| links.depends(*holder, &cut)) {
                return refused(format!("the SSH connection to {address} goes over it"));
            }
        }
        for (family, words) in [(rustix::net::AddressFamily::INET, "IPv4"), (rustix::net::AddressFamily::INET6, "IPv6")] {
            let ways = default_routes(netlink, family)?;
            if !ways.is_empty() && ways.iter().all(|way| links.depends(*way, &cut)) {
                return refused(format!("the only {words} default route goes over it"));
            }
        }
        Ok(())
    }
}

/// `SSH_CONNECTION` of the nearest parent that has one.
fn of_parents() -> io::Result<Option<IpAddr>> {
    let mut next = getppid();
    for _ in 0..PARENTS {
        let Some(pid) = next.map(Pid::as_raw_nonzero).filter(|pid| pid.get() > 1) else { return Ok(None) };
        // A parent may end while it is looked at, and one of another user may not be read: neither is an answer.
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return Ok(None) };
        let found = environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"SSH_CONNECTION="));
        if let Some(text) = found {
            return parse(&String::from_utf8_lossy(text)).map(Some);
        }
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return Ok(None) };
        // The name in parentheses may hold anything; the parent is the second word after it.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)).and_then(|pid| pid.parse().ok());
        next = parent.and_then(Pid::from_raw);
    }
    Ok(None)
}

/// The server's address in `client port server port`.
fn parse(text: &str) -> io::Result<IpAddr> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let address = if let [_, _, server, _] = words[..] { server.split('%').next().and_then(|address| address.parse().ok()) } else { None };
    address.map(canonical).ok_or_else(|| io::Error::other(format!("SSH_CONNECTION is `{}`, which names no connection", crate::remote::shown(text))))
}

fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The interfaces that have this address.
fn holders(netlink: &mut Netlink, address: IpAddr) -> Result<Vec<u32>, FaultError> {
    let failed = || FaultError::kernel("list", "the addresses");
    let mut found = Vec::new();
    for answer in netlink.dump(RTM_GETADDR, &[0; IFADDR]).map_err(failed())? {
        let attributes = attributes(&answer, IFADDR).map_err(failed())?;
        let own = attribute(&attributes, IFA_LOCAL).or_else(|| attribute(&attributes, IFA_ADDRESS)).and_then(ip);
        if own.map(canonical) == Some(address) {
            found.extend(u32_at(&answer, 4));
        }
    }
    Ok(found)
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok().or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok())
}

/// The interfaces that default routes of the main table leave by, one for each way.
fn default_routes(netlink: &mut Netlink, family: rustix::net::AddressFamily) -> Result<Vec<u32>, FaultError> {
    let failed = || FaultError::kernel("list", "the routes");
    let mut asked = vec![0; RTMSG];
    asked[0] = u8::try_from(family.as_raw()).unwrap_or(0);
    let mut ways = Vec::new();
    for answer in netlink.dump(RTM_GETROUTE, &asked).map_err(failed())? {
        let attributes = attributes(&answer, RTMSG).map_err(failed())?;
        let table = attribute(&attributes, RTA_TABLE).and_then(|value| u32_at(value, 0));
        let is_default =
            answer.get(1) == Some(&0) && answer.get(7) == Some(&RTN_UNICAST) && table == Some(RT_TABLE_MAIN) && answer.first() == asked.first();
        if !is_default {
            continue;
        }
        ways.extend(attribute(&attributes, RTA_OIF).and_then(|value| u32_at(value, 0)));
        ways.extend(attribute(&attributes, RTA_MULTIPATH).map(next_hops).unwrap_or_default());
    }
    Ok(ways)
}

/// The interfaces of the next hops of a route with several (`struct rtnexthop`).
pub(super) fn next_hops(mut value: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    while let (Some(length), Some(index)) = (super::netlink::u16_at(value, 0), u32_at(value, 4)) {
        found.push(index);
        let length = usize::from(length).max(8).next_multiple_of(4);
        value = value.get(length..).unwrap_or(&[]);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_ends_at_the_third_word() {
        assert_eq!(parse("10.0.0.1 50000 10.0.0.2 22").expect("sound"), "10.0.0.2".parse::<IpAddr>().expect("an address"));
        assert_eq!(parse("fe80::1%eth0 50000 fe80::2%eth0 22").expect("sound"), "fe80::2".parse::<IpAddr>().expect("an address"));
        assert_eq!(parse("::ffff:10.0.0.1 5 ::ffff:10.0.0.2 22").expect("sound"), "10.0.0.2".parse::<IpAddr>().expect("an address"));
        for bad in ["", "10.0.0.1", "10.0.0.1 1 host 22", "1 2 3 4 5"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_next_hop_of_a_route_is_found() {
        let hop = |index: u32, more: usize| {
            let mut hop = u16::try_from(8 + more).expect("short").to_ne_bytes().to_vec();
            hop.extend([0, 0]);
            hop.extend(index.to_ne_bytes());
            hop.resize(8 + more, 0);
            hop
        };
        assert_eq!(next_hops(&[hop(3, 8), hop(4, 8)].concat()), [3, 4]);
        assert_eq!(next_hops(&[]), [0; 0]);
        assert_eq!(next_hops(&[0, 0, 0, 0, 1, 0, 0, 0]), [1]);
    }
}
