//! The half on a guest's VLAN: control probes to its gateways, then rounds of probes of every technique while everything that comes in is looked at, then the
//! control probes again. What a host asks in order to answer a probe is answered in its turn, so that its answer can come.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assay_model::site::declared::{GuestVlan, Mac, Service};

use super::envelope::{Envelope, frame};
use super::nic::{DRAINED_MAX, Nic, nanoseconds};
use super::packet::{ARP, Ask, Body, EVERYBODY, IPV6, Parsed, Says, arp, link_local, packet, parse, solicited};
use super::probe::{Mark, Source, Technique, Via, sequence};
use super::sign::{Place, mark, speaker};
use super::{Answer, Control, Ended, GuestFindings, Heard, IsolationPlan, KEPT, Offered, STATIONS_MAX, Strayed, Tried, Vantage};
use crate::error::EngineError;
use crate::net::token::Token;
use crate::net::wire::{Frame, within};

mod answers;
mod rounds;

/// Control probes are sent so often until they are answered.
const CONTROL_TRIES: u32 = 6;
/// Other guests that are asked to lead to the hosts in one round: those whose last turn is longest ago.
const LEADERS_MAX: usize = 32;
/// Other guests that are known apart.
const OTHERS_MAX: usize = 4096;
/// Rounds after the time is over, for guests that had no turn yet.
const LATE_ROUNDS: u32 = 2;
/// The local ports of probes: above those that systems hand out by themselves as far as that is possible, and below the end.
const PORTS: std::ops::Range<u16> = 20_000..60_000;

/// Why a probe was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To a host.
    Target(IpAddr),
    /// To a gateway, which should answer: the number of the control.
    Control(usize),
    /// To a station of the VLAN.
    Station(IpAddr),
    /// To all stations.
    Everybody,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    technique: Technique,
    purpose: Purpose,
    from: IpAddr,
    to: Mac,
}

/// Probes, listens and reports; ends when the plan's time is over or `stop` is set. Whatever happens on the wire is in the findings, with how it ended; an
/// error is only that it could not begin.
pub fn run(plan: &IsolationPlan, vantage: &Vantage, session: &Token, stop: &AtomicBool) -> Result<GuestFindings, EngineError> {
    let guest = plan.guests.iter().find(|guest| guest.vlan == vantage.vlan).ok_or_else(|| EngineError::NotConfigured {
        what: "an isolation probe",
        target: vantage.interface.clone(),
        why: format!("the plan has no guest VLAN {}", vantage.vlan),
    })?;
    within(vantage.netns.as_deref(), || run_here(plan, guest, vantage, session, stop))
}

fn run_here(plan: &IsolationPlan, guest: &GuestVlan, vantage: &Vantage, session: &Token, stop: &AtomicBool) -> Result<GuestFindings, EngineError> {
    let mut prober = Prober::begin(plan, guest, Nic::open(&vantage.interface)?, session, stop);
    let ended = match prober.work() {
        Ok(ended) => ended,
        Err(error) => Ended::Died(error.to_string()),
    };
    Ok(prober.end(vantage.clone(), ended))
}

struct Prober<'a> {
    plan: &'a IsolationPlan,
    guest: &'a GuestVlan,
    session: &'a Token,
    stop: &'a AtomicBool,
    nic: Nic,
    mac: Mac,
    /// Addresses that we answer for.
    own: BTreeSet<IpAddr>,
    next_slot: Instant,
    /// What is being tried: what cannot carry a mark is taken for an answer to it.
    trying: Option<(Envelope, Source)>,
    sent: Vec<Sent>,
    /// How often each address was asked, by how.
    tried: BTreeMap<Technique, BTreeMap<IpAddr, u64>>,
    /// By where it went, protocol, there and here.
    ports: HashMap<(IpAddr, bool, u16, u16), usize>,
    /// Questions for hardware addresses, by the address and by who asked.
    asked: HashMap<(IpAddr, IpAddr), usize>,
    is_after: bool,
    hosts: BTreeMap<IpAddr, Mac>,
    gateways: BTreeMap<IpAddr, Mac>,
    gateway_macs: BTreeSet<Mac>,
    neighbours: BTreeMap<IpAddr, Mac>,
    /// Stations with an address of the VLAN, and in which round they were last asked to lead to the hosts; 0 for none.
    others: BTreeMap<Mac, u32>,
    /// Whether there were more.
    has_further: bool,
    /// Who is asked in this round.
    leaders: Vec<Mac>,
    rounds: u32,
    controls: Vec<Control>,
    answers: Vec<Answer>,
    offered: Vec<Offered>,
    heard: Vec<Heard>,
    strayed: Vec<Strayed>,
    stations: BTreeMap<Mac, u64>,
    more: u64,
}

impl<'a> Prober<'a> {
    fn begin(plan: &'a IsolationPlan, guest: &'a GuestVlan, nic: Nic, session: &'a Token, stop: &'a AtomicBool) -> Self {
        let mac = nic.mac();
        let own = guest.probe_addresses.iter().chain(&plan.host_probes).copied().chain([link_local(mac).into()]);
        let services = |gateway: &IpAddr| {
            let (address, control) = (*gateway, &guest.control);
            [Service::Neighbour, Service::Icmp].into_iter().chain(control.iter().copied()).map(move |service| Control {
                address,
                service,
                before: 0,
                after: 0,
            })
        };
        Self {
            plan,
            guest,
            session,
            stop,
            mac,
            own: own.collect(),
            next_slot: nic.began(),
            trying: None,
            sent: Vec::new(),
            tried: BTreeMap::new(),
            ports: HashMap::new(),
            asked: HashMap::new(),
            is_after: false,
            hosts: BTreeMap::new(),
            gateways: BTreeMap::new(),
            gateway_macs: BTreeSet::new(),
            neighbours: BTreeMap::new(),
            others: BTreeMap::new(),
            has_further: false,
            leaders: Vec::new(),
            rounds: 0,
            controls: guest.gateways.iter().flat_map(services).collect(),
            answers: Vec::new(),
            offered: Vec::new(),
            heard: Vec::new(),
            strayed: Vec::new(),
            stations: BTreeMap::new(),
            more: 0,
            nic,
        }
    }

    fn work(&mut self) -> io::Result<Ended> {
        self.ask_controls()?;
        let until = self.nic.began() + Duration::from_nanos(self.plan.pace.listen_ns);
        self.find_stations()?;
        let mut late = 0;
        while !self.is_stopped() {
            let next = Instant::now() + Duration::from_nanos(self.plan.pace.round_every_ns);
            self.round()?;
            if self.is_stopped() {
                break;
            }
            self.rounds += 1;
            self.listen(next.min(until))?;
            if Instant::now() < until {
                continue;
            }
            if self.unled() == 0 || late == LATE_ROUNDS {
                break;
            }
            late += 1;
        }
        if self.is_stopped() {
            return Ok(Ended::Stopped);
        }
        self.is_after = true;
        self.ask_controls()?;
        self.drain()?;
        Ok(if self.is_stopped() { Ended::Stopped } else { Ended::Complete })
    }

    fn end(self, vantage: Vantage, ended: Ended) -> GuestFindings {
        let unled = self.unled();
        GuestFindings {
            vantage,
            health: self.nic.end(ended),
            rounds: self.rounds,
            tried: self.tried.into_iter().map(|(technique, times)| Tried { technique, times }).collect(),
            controls: self.controls,
            answers: self.answers,
            offered: self.offered,
            heard: self.heard,
            strayed: self.strayed,
            stations: self.stations,
            unled: Some(unled),
            more: self.more,
        }
    }

    /// Other guests that had no turn to lead to the hosts.
    fn unled(&self) -> u64 {
        let without = self.others.iter().filter(|(mac, turn)| **turn == 0 && !self.gateway_macs.contains(mac)).count();
        without as u64 + u64::from(self.has_further)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn settle(&mut self) -> io::Result<()> {
        self.listen(Instant::now() + Duration::from_nanos(self.plan.pace.settle_ns))
    }

    /// Takes in what comes until then.
    fn listen(&mut self, until: Instant) -> io::Result<()> {
        while !self.is_stopped() {
            match self.nic.hear(until)? {
                Some(frame) => self.take(&frame)?,
                None if Instant::now() >= until => break,
                None => {}
            }
        }
        Ok(())
    }

    /// Takes in what has come before the end; own frames are there as soon as they are sent.
    fn drain(&mut self) -> io::Result<()> {
        let now = Instant::now();
        for _ in 0..DRAINED_MAX {
            let Some(frame) = self.nic.hear(now)? else { break };
            self.take(&frame)?;
        }
        Ok(())
    }

    /// Sends a frame when its turn has come; whether the interface took it.
    fn pace(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let every = Duration::from_secs(1) / self.plan.pace.frames_per_s.max(1);
        let now = Instant::now();
        if now < self.next_slot {
            self.listen(self.next_slot)?;
        }
        self.next_slot = self.next_slot.max(now) + every;
        self.nic.hand_over(bytes)
    }

    fn first_ns(&self) -> u64 {
        nanoseconds(self.nic.began().elapsed())
    }
}
