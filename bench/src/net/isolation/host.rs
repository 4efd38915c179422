//! The half on the hosts' VLAN: it proves that the hosts are there to be reached, sends beacons that no guest must hear, and listens for probes of guests that
//! get in without an answer getting out.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assay_model::site::declared::{Mac, Service};

use super::envelope::frame;
use super::nic::{DRAINED_MAX, Nic};
use super::packet::{ARP, Ask, Body, EVERYBODY, EXPERIMENT, IPV6, Parsed, Says, arp, link_local, packet, parse, solicited};
use super::probe::{Mark, sequence};
use super::sign::{mark, speaker};
use super::{Ended, HostFindings, IsolationPlan, KEPT, Strayed, Vantage};
use crate::error::EngineError;
use crate::net::token::Token;
use crate::net::wire::{Frame, index, within};

/// A host that is there answers a connection in that time.
const CONNECT: Duration = Duration::from_millis(500);
/// How often hosts are asked before the guests begin.
const ASK_TRIES: u32 = 5;
const ASK_WAIT: Duration = Duration::from_millis(100);
/// A group that nobody is in (RFC 2365), and the port to discard (RFC 863).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 77, 77);
const GROUP_V4_MAC: Mac = Mac([0x01, 0x00, 0x5e, 0x7f, 0x4d, 0x4d]);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0x4d, 0x4d4d);
const GROUP_V6_MAC: Mac = Mac([0x33, 0x33, 0x00, 0x4d, 0x4d, 0x4d]);
const DISCARD: u16 = 9;
/// Nobody's.
const NOBODY: Mac = Mac([0x02, 0x4d, 0x4d, 0x4d, 0x4d, 0x4d]);

/// Attends on the hosts' VLAN until `stop` is set; `ready` is called when the hosts were asked and the first beacons are out: begin the guests' halves then, and
/// stop this one after them.
pub fn attend(
    plan: &IsolationPlan,
    vantage: &Vantage,
    session: &Token,
    stop: &AtomicBool,
    ready: &mut (dyn FnMut() + Send),
) -> Result<HostFindings, EngineError> {
    within(vantage.netns.as_deref(), || attend_here(plan, vantage, session, stop, ready))
}

fn attend_here(
    plan: &IsolationPlan,
    vantage: &Vantage,
    session: &Token,
    stop: &AtomicBool,
    ready: &mut (dyn FnMut() + Send),
) -> Result<HostFindings, EngineError> {
    if vantage.vlan != plan.host_vlan {
        let why = format!("the plan has VLAN {} for the hosts, not {}", plan.host_vlan, vantage.vlan);
        return Err(EngineError::NotConfigured { what: "an isolation witness", target: vantage.interface.clone(), why });
    }
    let nic = Nic::open(&vantage.interface)?;
    let scope =
        index(&vantage.interface).map_err(|source| EngineError::Setup { act: "find the number", target: vantage.interface.clone(), source })?;
    let mut witness = Witness { plan, session, stop, mac: nic.mac(), nic, alive: BTreeMap::new(), strayed: Vec::new(), more: 0, beacons: 0 };
    let ended = match witness.work(scope, ready) {
        Ok(()) => Ended::Complete,
        Err(error) => Ended::Died(error.to_string()),
    };
    Ok(HostFindings {
        vantage: vantage.clone(),
        health: witness.nic.end(ended),
        beacons: witness.beacons,
        alive: witness.alive,
        strayed: witness.strayed,
        more: witness.more,
    })
}

struct Witness<'a> {
    plan: &'a IsolationPlan,
    session: &'a Token,
    stop: &'a AtomicBool,
    nic: Nic,
    mac: Mac,
    alive: BTreeMap<IpAddr, Option<Mac>>,
    strayed: Vec<Strayed>,
    more: u64,
    beacons: u64,
}

impl Witness<'_> {
    fn work(&mut self, scope: u32, ready: &mut (dyn FnMut() + Send)) -> io::Result<()> {
        for _ in 0..ASK_TRIES {
            self.ask_hosts()?;
            self.listen(Instant::now() + ASK_WAIT)?;
            if self.plan.targets.iter().all(|target| self.alive.contains_key(&target.address)) {
                break;
            }
        }
        self.connect_hosts(scope);
        self.nic.begin();
        self.send_beacons()?;
        ready();
        let every = Duration::from_nanos(self.plan.pace.beacon_every_ns);
        while !self.stop.load(Ordering::Relaxed) {
            self.listen(Instant::now() + every)?;
            self.send_beacons()?;
        }
        self.drain()
    }

    /// Asks for the hardware addresses of all hosts, as one who has no address yet (RFC 5227) or from the link-local one.
    fn ask_hosts(&mut self) -> io::Result<()> {
        for target in &self.plan.targets {
            let made = match target.address {
                IpAddr::V4(address) => Some((EVERYBODY, ARP, arp(self.mac, Ipv4Addr::UNSPECIFIED, address, None))),
                IpAddr::V6(address) => {
                    let (group, mac) = solicited(address);
                    let ask = Ask::Solicit { target: address, mac: self.mac };
                    packet(link_local(self.mac).into(), group.into(), &ask).map(|(_, bytes)| (mac, IPV6, bytes))
                }
            };
            if let Some((to, protocol, bytes)) = made {
                self.nic.hand_over(&frame(to, self.mac, &[], protocol, &bytes))?;
            }
        }
        Ok(())
    }

    /// Connects to the hosts that have not answered, as any program of this host would: accepted or refused, somebody is there.
    fn connect_hosts(&mut self, scope: u32) {
        for target in &self.plan.targets {
            if self.alive.contains_key(&target.address) {
                continue;
            }
            let ports = target.services.iter().filter_map(|service| match service {
                Service::Tcp(port) => Some(*port),
                Service::Neighbour | Service::Icmp | Service::Udp(_) => None,
            });
            for port in ports.take(2) {
                let address = match target.address {
                    IpAddr::V6(address) if address.is_unicast_link_local() => SocketAddr::V6(SocketAddrV6::new(address, port, 0, scope)),
                    IpAddr::V4(_) | IpAddr::V6(_) => SocketAddr::new(target.address, port),
                };
                match TcpStream::connect_timeout(&address, CONNECT) {
                    Ok(_) => drop(self.alive.insert(target.address, None)),
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => drop(self.alive.insert(target.address, None)),
                    Err(_) => continue,
                }
                break;
            }
        }
    }

    fn send_beacons(&mut self) -> io::Result<()> {
        let own = link_local(self.mac).into();
        let mark = |kind| Mark::Beacon(kind).bytes(self.session);
        let group = |from, to, data: &[u8]| packet(from, to, &Ask::Udp { from_port: DISCARD, to_port: DISCARD, data });
        let source = self.plan.host_probes.iter().find(|address| address.is_ipv4()).copied().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let frames = [
            Some(frame(EVERYBODY, self.mac, &[], EXPERIMENT, &mark(0))),
            group(source, GROUP_V4.into(), &mark(1)).map(|(protocol, bytes)| frame(GROUP_V4_MAC, self.mac, &[], protocol, &bytes)),
            group(own, GROUP_V6.into(), &mark(2)).map(|(protocol, bytes)| frame(GROUP_V6_MAC, self.mac, &[], protocol, &bytes)),
            Some(frame(NOBODY, self.mac, &[], EXPERIMENT, &mark(3))),
        ];
        for frame in frames.into_iter().flatten() {
            self.nic.hand_over(&frame)?;
        }
        self.beacons += 1;
        Ok(())
    }

    fn listen(&mut self, until: Instant) -> io::Result<()> {
        while !self.stop.load(Ordering::Relaxed) {
            match self.nic.hear(until)? {
                Some(heard) => self.take(&heard),
                None if Instant::now() >= until => break,
                None => {}
            }
        }
        Ok(())
    }

    /// Takes in what has come before the end.
    fn drain(&mut self) -> io::Result<()> {
        let now = Instant::now();
        for _ in 0..DRAINED_MAX {
            let Some(heard) = self.nic.hear(now)? else { break };
            self.take(&heard);
        }
        Ok(())
    }

    fn take(&mut self, heard: &Frame) {
        let Some(parsed) = parse(&heard.bytes) else { return };
        self.note_alive(&parsed);
        if parsed.from != self.mac
            && let Some(found) = strayed(&parsed, self.plan, self.session)
        {
            keep_strayed(&mut self.strayed, found, &mut self.more);
        }
    }

    fn note_alive(&mut self, parsed: &Parsed) {
        let (address, mac) = match &parsed.body {
            Body::Arp { is_request: false, sender, sender_mac, .. } => (IpAddr::V4(*sender), *sender_mac),
            Body::Ip { says: Says::Advertise { target }, .. } => (IpAddr::V6(*target), parsed.from),
            Body::Arp { .. } | Body::Ip { .. } | Body::Other(_) => return,
        };
        if parsed.vlans.is_empty() && self.plan.targets.iter().any(|target| target.address == address) {
            self.alive.insert(address, Some(mac));
        }
    }
}

/// Whether a frame is a probe of a guest, or an answer to one.
pub(super) fn strayed(parsed: &Parsed, plan: &IsolationPlan, session: &Token) -> Option<Strayed> {
    let strayed = |from_vlan, technique, flow| Strayed { from_vlan, from: parsed.from, technique, flow, frame: parsed.to_string(), count: 1 };
    if let Some(Mark::Probe { vlan, technique, .. }) = mark(parsed, session) {
        let to = match &parsed.body {
            Body::Ip { to, says: Says::Echo { .. } | Says::Udp { .. }, .. } => Some(*to),
            Body::Arp { .. } | Body::Ip { .. } | Body::Other(_) => None,
        };
        return Some(strayed(Some(vlan), Some(technique), to.map(|to| (to, technique.service))));
    }
    if let Body::Ip { from, to, says: Says::Tcp { from_port, to_port, sequence: sent, acknowledged, syn, rst } } = &parsed.body {
        let is_own = |vlan: u16| match acknowledged {
            None => *syn && sequence(session, vlan, *to, *to_port, *from_port) == *sent,
            Some(acknowledged) => (*syn || *rst) && sequence(session, vlan, *from, *from_port, *to_port).wrapping_add(1) == *acknowledged,
        };
        let vlan = plan.guests.iter().map(|guest| guest.vlan).find(|vlan| is_own(*vlan))?;
        // A flow is one from an own address: whoever pretends to be a host is allowed nothing.
        let is_flow = acknowledged.is_none() && !plan.host_probes.contains(from);
        return Some(strayed(Some(vlan), None, is_flow.then_some((*to, Service::Tcp(*to_port)))));
    }
    let asks = match &parsed.body {
        Body::Arp { is_request: true, .. } | Body::Ip { says: Says::Solicit { .. }, .. } => speaker(parsed)?,
        Body::Arp { .. } | Body::Ip { .. } | Body::Other(_) => return None,
    };
    let guest = plan.guests.iter().find(|guest| guest.probe_addresses.contains(&asks));
    let is_ours = guest.is_some() || plan.host_probes.contains(&asks);
    // With which tags it was sent does not show any more.
    is_ours.then(|| strayed(guest.map(|guest| guest.vlan), None, None))
}

/// Keeps a strayed frame, or counts it.
pub(super) fn keep_strayed(all: &mut Vec<Strayed>, found: Strayed, more: &mut u64) {
    let alike = |it: &Strayed| (it.from_vlan, it.from, it.technique, it.flow) == (found.from_vlan, found.from, found.technique, found.flow);
    match all.iter().position(alike) {
        Some(at) => all[at].count += 1,
        None if all.iter().filter(|it| it.from_vlan == found.from_vlan).count() < KEPT => all.push(found),
        None => *more += 1,
    }
}
