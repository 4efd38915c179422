//! Network: what a port carries of data after its framing, what a card's slot carries, and what a bond is left with. IEEE 802.3 framing with a VLAN
//! tag, TCP over IPv4 with timestamps, RoCEv2 per the InfiniBand Architecture Specification, annex A17.

use crate::attr::{Attr, Kind};
use crate::bom::{Bom, BomLine, Bond};
use crate::ceiling::{Ceiling, expected, of_several, pcie};
use crate::component::{Component, Reading, Value};
use crate::inventory::{Inventory, Observed};
use crate::parts::{NicPart, Parts};
use crate::unit::Unit;

/// Ethernet header 14, VLAN tag 4, frame check 4, preamble 8, gap 12.
const FRAME: f64 = 42.0;
/// The tag of a VLAN.
const TAG: f64 = 4.0;
/// IPv4 20, UDP 8, base transport header 12, invariant CRC 4.
const ROCE: f64 = 44.0;
/// Payload sizes that InfiniBand knows.
const IB_MTU: [f64; 5] = [4096.0, 2048.0, 1024.0, 512.0, 256.0];

const CARD: &str = "nic.card.bandwidth";
const TCP_GOODPUT: &str = "nic.port.tcp_goodput";
const RDMA_GOODPUT: &str = "nic.port.rdma_goodput";

/// The share of a port's speed that is left for TCP data.
pub(super) fn tcp_share(mtu: f64) -> f64 {
    TcpFraming::TAGGED.share(mtu)
}

/// What packets of TCP carry besides data, as the sending host makes them. What a fabric adds behind its ports (VXLAN between switches) is none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFraming {
    /// Tags of VLANs.
    pub vlan_tags: u8,
    /// Over IPv6 instead of IPv4.
    pub ipv6: bool,
    /// The timestamps option, which Linux sends unless it was turned off.
    pub timestamps: bool,
    /// The host itself wraps packets in VXLAN, over this IP. The MTU is that of the packets inside.
    pub vxlan: Option<OuterIp>,
}

/// What a tunnel's packets are packets of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OuterIp {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl TcpFraming {
    /// IPv4 with timestamps and one tag: as a VLAN on a bond sends.
    pub const TAGGED: Self = Self { vlan_tags: 1, ipv6: false, timestamps: true, vxlan: None };
    /// The same without a tag.
    pub const UNTAGGED: Self = Self { vlan_tags: 0, ..Self::TAGGED };

    /// Bytes of headers inside the MTU.
    pub fn headers(self) -> f64 {
        let (ip, options) = (if self.ipv6 { 40.0 } else { 20.0 }, if self.timestamps { 12.0 } else { 0.0 });
        ip + 20.0 + options
    }

    /// Bytes on the line outside of the MTU: Ethernet header and check, tags, preamble, gap and encapsulation.
    pub fn frame(self) -> f64 {
        FRAME - TAG + f64::from(self.vlan_tags) * TAG + self.tunnel()
    }

    /// Bytes that the host wraps each packet in: IPv4 20 or IPv6 40, UDP 8, VXLAN 8, inner Ethernet header 14 (RFC 7348).
    fn tunnel(self) -> f64 {
        match self.vxlan {
            None => 0.0,
            Some(OuterIp::V4) => 50.0,
            Some(OuterIp::V6) => 70.0,
        }
    }

    /// The share of a line's speed that is left for data in packets of this MTU; not a number where no data fits.
    pub fn share(self, mtu: f64) -> f64 {
        let data = mtu - self.headers();
        if data > 0.0 { data / (mtu + self.frame()) } else { f64::NAN }
    }

    /// The formula in words, with its numbers.
    pub fn formula(self) -> String {
        format!("(MTU - {} B) / (MTU + {} B)", self.headers(), self.frame())
    }
}

/// The share of a port's speed that is left for RDMA data, in the largest payload that fits.
pub(super) fn rdma_share(mtu: f64) -> f64 {
    match IB_MTU.iter().find(|payload| **payload + ROCE <= mtu) {
        Some(payload) => payload / (payload + ROCE + FRAME),
        None => f64::NAN,
    }
}

/// What a card's slot carries in one direction, bit/s.
pub(super) fn card(gtps: f64, lanes: f64) -> f64 {
    pcie::line(gtps, lanes) * 8.0
}

/// What TCP carries over a path in one direction, bit/s: the lesser of the lines and the slots that they are on.
///
/// Error correction costs nothing here: the speed of a line is that of its MAC, and what RS(544,514) adds to it is in the lanes' own rate (200GBASE-R of IEEE 802.3, clause 119:
/// 200 Gbit/s x 257/256 x 544/514 = 4 lanes of 53.125 Gbit/s, each 26.5625 GBd of PAM4).
pub(super) fn tcp_path(path: &TcpPath) -> Ceiling {
    let inputs = [
        ("lines", u64::from(path.lines).into()),
        ("line speed, bit/s", path.line_bits_per_s.clone()),
        ("MTU, bytes", path.mtu.clone()),
        ("cards", u64::from(path.cards).into()),
        ("link speed, GT/s", path.gtps.clone()),
        ("lanes", path.lanes.clone()),
        path.max_payload.map_or_else(pcie::assumed_payload, |bytes| ("largest payload, bytes", u64::from(bytes).into())),
        ("VXLAN around each packet, bytes", path.framing.tunnel().into()),
    ];
    let framing = path.framing;
    let (of_line, headers, in_slot) = (framing.formula(), framing.headers(), 14.0 + framing.tunnel());
    let formula = format!(
        "min(lines x line speed x {of_line}, cards x GT/s x encoding x lanes x payload / (payload + 24 B) x (MTU - {headers} B) / (MTU + {in_slot} B))"
    );
    Ceiling::computed("network.tcp_path.goodput", Unit::BitsPerSecond, &formula, inputs, |[lines, speed, mtu, cards, gtps, lanes, payload, _]| {
        // The slot carries whole packets with their Ethernet header and what they are wrapped in, but neither preamble, gap nor check.
        let of_slot = (mtu - framing.headers()) / (mtu + in_slot);
        (lines * speed * framing.share(mtu)).min(cards * pcie::payload(gtps, lanes, payload) * 8.0 * of_slot)
    })
}

/// A path whose ceiling is wanted, as it is observed or ordered.
#[derive(Debug, Clone, PartialEq)]
pub struct TcpPath {
    /// Members of the bond, or 1.
    pub lines: u32,
    /// Speed of each, bit/s.
    pub line_bits_per_s: Reading,
    /// MTU, bytes.
    pub mtu: Reading,
    /// What packets carry besides data.
    pub framing: TcpFraming,
    /// Cards that the lines are on.
    pub cards: u32,
    /// PCI Express speed of each card, GT/s.
    pub gtps: Reading,
    /// Its lanes.
    pub lanes: Reading,
    /// The largest payload that is set (MPS), bytes; 512 is assumed without it.
    pub max_payload: Option<u32>,
}

/// Ports with the same link, on the network and to the node.
struct Alike {
    which: String,
    speed: Reading,
    mtu: Reading,
    gtps: Reading,
    lanes: Reading,
}

impl Alike {
    fn of_port(port: &Component) -> Self {
        let read = |attr| port.reading(attr).clone();
        Self {
            which: port.locator.clone(),
            speed: read(Attr::Speed),
            mtu: read(Attr::Mtu),
            gtps: read(Attr::LinkSpeed),
            lanes: read(Attr::LinkWidth),
        }
    }

    fn of_line(line: &BomLine, bom: &Bom, parts: &Parts) -> Self {
        let part = part(line, parts);
        let bonded = bonds(bom).find(|bond| bond.line == line.name).map(|bond| u64::from(bond.mtu).into());
        Self {
            which: line.name.clone(),
            speed: expected(line, Attr::Speed, part.map(|part| part.port_bits_per_s.into())),
            mtu: expected(line, Attr::Mtu, bonded),
            gtps: expected(line, Attr::LinkSpeed, part.map(|part| part.pcie_gtps.into())),
            lanes: expected(line, Attr::LinkWidth, part.map(|part| u64::from(part.pcie_lanes).into())),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        (&self.speed, &self.mtu, &self.gtps, &self.lanes) == (&other.speed, &other.mtu, &other.gtps, &other.lanes)
    }
}

pub(super) fn of_inventory(inventory: &Inventory) -> Vec<Ceiling> {
    let ports = match inventory.of(Kind::Nic) {
        Observed::Components(ports) => ports,
        Observed::SourceMissing(_) => return Vec::new(),
        Observed::Unknown(reason) => {
            let unknown = Reading::Unreadable(reason.to_string());
            let (speed, mtu, gtps) = (unknown.clone(), unknown.clone(), unknown.clone());
            return ceilings(&[Alike { which: "unknown".into(), speed, mtu, gtps, lanes: unknown }]);
        }
    };
    let mut groups: Vec<Alike> = Vec::new();
    for port in ports.into_iter().filter(|port| port.value(Attr::Carrier).and_then(Value::as_bool) != Some(false)).map(Alike::of_port) {
        match groups.iter_mut().find(|group| group.is_like(&port)) {
            Some(group) => group.which = format!("{},{}", group.which, port.which),
            None => groups.push(port),
        }
    }
    ceilings(&groups)
}

pub(super) fn of_bom(bom: &Bom, parts: &Parts) -> Vec<Ceiling> {
    let groups: Vec<Alike> = bom.of(Kind::Nic).map(|line| Alike::of_line(line, bom, parts)).collect();
    ceilings(&groups).into_iter().chain(bonds(bom).map(|bond| of_bond(bond, bom, parts))).collect()
}

fn ceilings(groups: &[Alike]) -> Vec<Ceiling> {
    let several = groups.len() > 1;
    groups.iter().flat_map(|group| of_ports(group, several)).collect()
}

fn of_ports(group: &Alike, several: bool) -> [Ceiling; 3] {
    let name = |metric| of_several(metric, several, "ports", &group.which);
    let bits = Unit::BitsPerSecond;
    let port = || [("port speed, bit/s", group.speed.clone()), ("MTU, bytes", group.mtu.clone())];
    let slot = [("link speed, GT/s", group.gtps.clone()), ("lanes", group.lanes.clone())];
    [
        Ceiling::computed(name(CARD), bits, "GT/s x encoding x lanes, one direction, all ports of the card", slot, |[gtps, lanes]| card(gtps, lanes)),
        Ceiling::computed(name(TCP_GOODPUT), bits, "port speed x (MTU - 52 B) / (MTU + 42 B)", port(), |[speed, mtu]| speed * tcp_share(mtu)),
        Ceiling::computed(
            name(RDMA_GOODPUT),
            bits,
            "port speed x payload / (payload + 86 B), payload at most 4096 B and within the MTU",
            port(),
            |[speed, mtu]| speed * rdma_share(mtu),
        ),
    ]
}

fn of_bond(bond: &Bond, bom: &Bom, parts: &Parts) -> Ceiling {
    let carrier = Carrier::of_bond(bond, bom, parts);
    let [ports, speed, cards, gtps, lanes, _] = carrier.inputs();
    let value = |[ports, speed, cards, gtps, lanes]: [f64; 5]| (ports * speed).min(cards * card(gtps, lanes));
    let formula = "min(ports x port speed, cards x GT/s x encoding x lanes), one direction";
    Ceiling::computed(format!("bond.{}.bandwidth", bond.name), Unit::BitsPerSecond, formula, [ports, speed, cards, gtps, lanes], value)
}

/// What carries a network: ports on cards.
struct Carrier {
    ports: Reading,
    cards: Reading,
    speed: Reading,
    mtu: Reading,
    gtps: Reading,
    lanes: Reading,
}

impl Carrier {
    fn of_bond(bond: &Bond, bom: &Bom, parts: &Parts) -> Self {
        let cards = bom.line(&bond.line).and_then(|line| line.fact("cards")).map_or(Reading::Absent, Reading::from);
        let mut carrier = Self::of_line(&bond.line, bom, parts);
        carrier.ports = u64::from(bond.ports).into();
        carrier.cards = cards;
        carrier.mtu = u64::from(bond.mtu).into();
        carrier
    }

    /// One port of a line.
    fn of_line(name: &str, bom: &Bom, parts: &Parts) -> Self {
        let line = bom.line(name).map(|line| Alike::of_line(line, bom, parts));
        let Alike { speed, mtu, gtps, lanes, .. } = line.unwrap_or_else(|| Alike {
            which: name.to_owned(),
            speed: Reading::Absent,
            mtu: Reading::Absent,
            gtps: Reading::Absent,
            lanes: Reading::Absent,
        });
        Self { ports: 1_u64.into(), cards: 1_u64.into(), speed, mtu, gtps, lanes }
    }

    fn inputs(self) -> [(&'static str, Reading); 6] {
        [
            ("ports", self.ports),
            ("port speed, bit/s", self.speed),
            ("cards", self.cards),
            ("link speed, GT/s", self.gtps),
            ("lanes", self.lanes),
            ("MTU, bytes", self.mtu),
        ]
    }
}

/// What one node moves over a network by TCP in one direction, bytes/s.
pub(super) fn of_network(network: &str, bom: &Bom, parts: &Parts) -> Ceiling {
    let bond = bonds(bom).find(|bond| bond.networks.iter().any(|carried| carried == network));
    let line = bom.cluster.as_ref().and_then(|cluster| cluster.networks.get(network));
    let carrier = match (bond, line) {
        (Some(bond), _) => Carrier::of_bond(bond, bom, parts),
        (None, Some(line)) => Carrier::of_line(line, bom, parts),
        (None, None) => Carrier::of_line("", bom, parts),
    };
    let value = |[ports, speed, cards, gtps, lanes, mtu]: [f64; 6]| (ports * speed * tcp_share(mtu)).min(cards * card(gtps, lanes)) / 8.0;
    let formula = "min(ports x port speed x (MTU - 52 B) / (MTU + 42 B), cards x GT/s x encoding x lanes) / 8";
    Ceiling::computed(format!("network.{network}.bandwidth"), Unit::BytesPerSecond, formula, carrier.inputs(), value)
}

fn bonds(bom: &Bom) -> impl Iterator<Item = &Bond> {
    bom.cluster.iter().flat_map(|cluster| &cluster.bond)
}

fn part<'a>(line: &BomLine, parts: &'a Parts) -> Option<&'a NicPart> {
    parts.nic.get(line.part.as_ref()?)
}
