//! Whether guests reach the hosts: probes of every technique from a NIC on a guest VLAN (`isolation/guest.rs`), and at the other end somebody on the hosts'
//! VLAN who listens for them and sends what guests must not hear (`isolation/host.rs`). Both run on a named interface of a named network
//! namespace, or of the caller's; the plan is made of the site and the findings are judged in `assay-scenarios`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use assay_model::site::declared::{AllowedFlow, GuestVlan, Mac, Prefix, Service};
use serde::{Deserialize, Serialize};

mod envelope;
mod guest;
mod host;
mod nic;
mod packet;
mod probe;
mod sign;

pub use envelope::Envelope;
pub use guest::run;
pub use host::attend;
pub use probe::{Source, Technique, Via};
pub use sign::Sign;

/// Stations of a guest VLAN, its gateways aside, that are asked for management services at most.
pub const STATIONS_MAX: usize = 256;
/// Most findings of one kind that are kept one by one; further ones are counted.
const KEPT: usize = 64;

/// What is probed, of whom, and how long is listened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsolationPlan {
    /// The VLAN of the hosts.
    pub host_vlan: u16,
    /// Their networks on it.
    pub host_networks: Vec<Prefix>,
    /// Addresses of those networks that nobody has.
    pub host_probes: Vec<IpAddr>,
    /// What must not be reached.
    pub targets: Vec<Target>,
    /// TCP services that no station of a guest VLAN may offer.
    pub management: Vec<Service>,
    /// The VLANs of the guests.
    pub guests: Vec<GuestVlan>,
    /// What may be answered.
    pub allow: Vec<AllowedFlow>,
    /// How fast and how long.
    pub pace: Pace,
}

/// One address that guests must not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Of which host.
    pub host: String,
    /// The address.
    pub address: IpAddr,
    /// The declared hardware address of the host.
    pub mac: Option<Mac>,
    /// What it is asked for besides its hardware address and an echo.
    pub services: Vec<Service>,
}

/// How fast and how long a guest's NIC probes and listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Frames a second at most.
    pub frames_per_s: u32,
    /// How often each probe is sent in a round.
    pub tries: u32,
    /// How long answers are waited for before the next technique, nanoseconds.
    pub settle_ns: u64,
    /// How long is listened in all, nanoseconds.
    pub listen_ns: u64,
    /// From the beginning of one round of probes to that of the next, nanoseconds.
    pub round_every_ns: u64,
    /// From one set of beacons on the hosts' VLAN to the next, nanoseconds.
    pub beacon_every_ns: u64,
}

/// Where a half runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vantage {
    /// The VLAN that its untagged frames belong to: a guest VLAN of the plan, or that of the hosts.
    pub vlan: u16,
    /// The network namespace of the interface, as `net::wire::enter` takes it; none is that of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
    /// The interface. Frames must leave it towards the switch: the inner end of a pair, not the tap of a running guest, whose other end is the guest.
    pub interface: String,
}

/// How a half ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It did all of it.
    Complete,
    /// It was told to stop before.
    Stopped,
    /// It could not go on.
    Died(String),
}

/// What was asked in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// How.
    pub technique: Technique,
    /// How often each address was asked so.
    pub times: BTreeMap<IpAddr, u64>,
}

/// An answer to a probe of ours, or a host that asked where to send one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The probe's technique.
    pub technique: Technique,
    /// The address that was probed.
    pub target: IpAddr,
    /// What came, from whom: `SYN-ACK`.
    pub what: String,
    /// Who sent the frame.
    pub from: Mac,
    /// The frame, in words.
    pub frame: String,
    /// How often.
    pub count: u64,
    /// When it came first, nanoseconds since the half began.
    pub first_ns: u64,
}

/// A station of the guest VLAN that offers a service which none there may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address.
    pub mac: Mac,
    /// The service.
    pub service: Service,
}

/// A frame that a guest must not hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// What tells that it does not belong here.
    pub sign: Sign,
    /// Who sent it.
    pub from: Mac,
    /// The frame, in words.
    pub frame: String,
    /// How often.
    pub count: u64,
    /// When it came first, nanoseconds since the half began.
    pub first_ns: u64,
}

/// A probe, or an answer to one, of a VLAN where it does not belong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strayed {
    /// The VLAN that the probe was sent on, when the frame tells.
    pub from_vlan: Option<u16>,
    /// Who sent the frame.
    pub from: Mac,
    /// How it was sent, when the frame tells.
    pub technique: Option<Technique>,
    /// Address and service that it goes to, when it is a packet to one.
    pub flow: Option<(IpAddr, Service)>,
    /// The frame, in words.
    pub frame: String,
    /// How often.
    pub count: u64,
}

/// Whether somebody who should answer did, before the first probe and after the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The gateway.
    pub address: IpAddr,
    /// What it was asked for.
    pub service: Service,
    /// Answers before the first probe.
    pub before: u64,
    /// Answers after the last.
    pub after: u64,
}

/// What the NIC itself did, by itself: whether what it reports can be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Its hardware address.
    pub mac: Mac,
    /// Unix time of the beginning, nanoseconds.
    pub began_unix_ns: u64,
    /// Unix time of the end, nanoseconds.
    pub ended_unix_ns: u64,
    /// How long was listened, nanoseconds.
    pub listened_ns: u64,
    /// Frames that were handed to the interface.
    pub sent: u64,
    /// Frames of these that the capture has seen leave.
    pub seen_leaving: u64,
    /// Frames that left by the interface's own counter, those of others included.
    pub counted_leaving: u64,
    /// Frames that the capture has lost.
    pub drops: u64,
    /// Frames that the interface would not take.
    pub refused: u64,
    /// Whether it was down, or without a carrier, at any look.
    pub went_down: bool,
    /// How it ended.
    pub ended: Ended,
}

/// What was found from one guest VLAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestFindings {
    /// Where.
    pub vantage: Vantage,
    /// Whether it can be believed.
    pub health: Health,
    /// Rounds of probes that were finished.
    pub rounds: u32,
    /// Every probe that left, those to gateways and stations included.
    pub tried: Vec<Tried>,
    /// Who answered though he should.
    pub controls: Vec<Control>,
    /// Answers to probes.
    pub answers: Vec<Answer>,
    /// Services on the guest VLAN itself.
    pub offered: Vec<Offered>,
    /// Frames that do not belong here.
    pub heard: Vec<Heard>,
    /// Probes of other VLANs.
    pub strayed: Vec<Strayed>,
    /// Stations that were heard, by hardware address, with the number of their frames.
    pub stations: BTreeMap<Mac, u64>,
    /// Other guests that were heard and had no turn to lead to the hosts; what an earlier assay stored does not say it.
    #[serde(default)]
    pub unled: Option<u64>,
    /// Findings beyond those that are kept one by one.
    pub more: u64,
}

/// What was found on the hosts' VLAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFindings {
    /// Where.
    pub vantage: Vantage,
    /// Whether it can be believed.
    pub health: Health,
    /// Sets of beacons that were sent.
    pub beacons: u64,
    /// Targets that answered, and with which hardware address where they are on this VLAN.
    pub alive: BTreeMap<IpAddr, Option<Mac>>,
    /// Probes of guests.
    pub strayed: Vec<Strayed>,
    /// Findings beyond those that are kept one by one.
    pub more: u64,
}

/// What all halves of one run have found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IsolationFindings {
    /// One for each guest VLAN.
    pub guests: Vec<GuestFindings>,
    /// One for each host that attended.
    pub hosts: Vec<HostFindings>,
}
