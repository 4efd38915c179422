//! What the hardware at both ends of a path allows TCP at most: the lesser of the lines and the slots that they are on, at each end, by the formula of the model. What
//! of it cannot be read leaves it unknown.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use assay_bench::net::tcp::TcpDirection;
use assay_model::attr::{Attr, Kind};
use assay_model::ceiling::{self, Ceiling, TcpFraming, TcpPath};
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::Inventory;
use assay_model::limit::CEILING_TOLERANCE;
use assay_model::metric::Direction;
use assay_model::run::Condition;
use assay_model::unit::Unit;

use super::Both;
use super::carrier::Carrier;
use crate::runner::bench::{Outcome, Trouble};

/// Which lines of a node streams can take.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lines<'a> {
    /// As many as there are streams, if there are so many.
    Streams(u32),
    /// This one alone.
    Only(&'a str),
}

/// The hardware of both ends, as their agents see it.
pub(super) struct Hardware {
    from: Result<Inventory, String>,
    to: Result<Inventory, String>,
}

impl Hardware {
    pub(super) async fn of(both: &Both<'_>) -> Self {
        let (from, to) = both.inventories().await;
        let why = |trouble| match trouble {
            Trouble::Failed(why) | Trouble::NotConfigured(why) => why,
        };
        Self { from: from.map_err(why), to: to.map_err(why) }
    }

    /// What carries the address of the sender.
    pub(super) fn sender(&self, both: &Both<'_>) -> Result<Carrier, String> {
        self.from.as_ref().map_err(Clone::clone).and_then(|inventory| Carrier::of(inventory, both.net.from.address))
    }

    /// What carries the address of the receiver.
    pub(super) fn receiver(&self, both: &Both<'_>) -> Result<Carrier, String> {
        self.to.as_ref().map_err(Clone::clone).and_then(|inventory| Carrier::of(inventory, both.net.to.address))
    }

    /// Puts what was carried one way beside what is possible: the figure `name`, a note with the formula and its inputs, and a doubt when it was more than that.
    pub(super) fn judge(&self, both: &Both<'_>, name: &str, sent_on: Lines<'_>, streams: u32, carried: &TcpDirection, outcome: &mut Outcome) {
        let ends = [(&self.from, &both.net.from, sent_on), (&self.to, &both.net.to, Lines::Streams(streams))];
        let ends = ends.map(|(inventory, end, lines)| {
            let path = inventory.as_ref().map_err(Clone::clone).and_then(|inventory| path(inventory, end.address, lines, carried));
            (end.node.as_str(), path.map(|(path, fec)| with_fec(ceiling::of_tcp_path(&path), fec)))
        });
        let (least, text) = least(&ends);
        let label = both.net.label_of(name);
        let what = if let Lines::Only(member) = sent_on { format!("ceiling of {member} {label}") } else { format!("ceiling of {label}") };
        outcome.notes.insert(what, text);
        let Some(least) = least else { return };
        let share = carried.goodput * 8.0 / least;
        let mut figure = both.figure(format!("{name}.of_ceiling"), Unit::Ratio, Direction::HigherIsBetter, share);
        if let Lines::Only(member) = sent_on {
            figure.dimensions.insert("member".to_owned(), member.to_owned());
        }
        outcome.figures.push(figure);
        outcome.doubts.extend(impossible(&both.net.label(), share, least));
    }
}

fn impossible(label: &str, share: f64, ceiling: f64) -> Option<Condition> {
    (share > CEILING_TOLERANCE)
        .then(|| Condition::Impossible(format!("{label}: {:.3} of the {:.3} Gbit/s that the hardware allows at most", share, ceiling / 1e9)))
}

/// The lesser of both ends, and how it came to it; none when one is unknown.
fn least(ends: &[(&str, Result<Ceiling, String>)]) -> (Option<f64>, String) {
    let values: Option<Vec<f64>> = ends.iter().map(|(_, ceiling)| ceiling.as_ref().ok()?.value).collect();
    let least = values.and_then(|values| values.into_iter().reduce(f64::min));
    let mut text = least.map_or_else(|| "unknown".to_owned(), gbits);
    for (node, ceiling) in ends {
        let _ = match ceiling {
            Ok(ceiling) => {
                let inputs: Vec<String> = ceiling.inputs.iter().map(|(name, reading)| format!("{name}: {reading}")).collect();
                let value = ceiling.value.map_or_else(|| "unknown".to_owned(), gbits);
                write!(text, "; {node}: {value} = {} with {}", ceiling.formula, inputs.join(", "))
            }
            Err(why) => write!(text, "; {node}: unknown: {why}"),
        };
    }
    (least, text)
}

fn gbits(bits: f64) -> String {
    format!("{:.3} Gbit/s", bits / 1e9)
}

/// The mode of error correction stands with the inputs where it is known, and changes nothing: the speed of a line is net of it.
fn with_fec(mut ceiling: Ceiling, fec: Reading) -> Ceiling {
    if fec.value().is_some() {
        ceiling.inputs.push(("FEC, of which the line speed is net".to_owned(), fec));
    }
    ceiling
}

/// The path out of, or into, a node, and the error correction of its lines; what it lacks is in its readings.
fn path(inventory: &Inventory, address: IpAddr, lines: Lines<'_>, forward: &TcpDirection) -> Result<(TcpPath, Reading), String> {
    let carrier = Carrier::of(inventory, address)?;
    let vxlan = carrier.vxlan.map(|vxlan| vxlan.outer).transpose()?;
    let ports: Vec<&str> = match lines {
        Lines::Streams(_) => carrier.ports.iter().map(String::as_str).collect(),
        Lines::Only(member) => vec![member],
    };
    let cards: Vec<Card<'_>> = ports.iter().map(|port| Card::of(inventory, port)).collect::<Result<_, _>>()?;
    let each = |what: &str, of: &dyn Fn(&Card<'_>) -> Reading| alike(what, cards.iter().map(of));
    let count = |number: usize| u32::try_from(number).expect("a few ports");
    let most = if let Lines::Streams(streams) = lines { streams.max(1) } else { 1 };
    let slots: BTreeSet<&str> = cards.iter().map(|card| card.slot).collect();
    let payload = each("payload sizes", &|card| card.payload.clone());
    let headers = TcpFraming { timestamps: true, ipv6: address.is_ipv6(), ..TcpFraming::UNTAGGED }.headers();
    let timestamps = f64::from(forward.path_mtu) - f64::from(forward.mss) >= headers;
    // The model assumes a payload where it is told none; here that would be a number that nobody read.
    let lanes = match &payload {
        Reading::Value(_) => each("lanes", &|card| card.port.reading(Attr::LinkWidth).clone()),
        Reading::Absent => Reading::Unreadable("the largest payload of the card is not known".to_owned()),
        Reading::Unreadable(why) => Reading::Unreadable(format!("the largest payload of the card: {why}")),
    };
    let path = TcpPath {
        lines: count(ports.len()).min(most),
        line_bits_per_s: each("speeds", &|card| card.port.reading(Attr::Speed).clone()),
        mtu: if forward.path_mtu == 0 { Reading::Absent } else { u64::from(forward.path_mtu).into() },
        framing: TcpFraming { vlan_tags: carrier.tags, ipv6: address.is_ipv6(), timestamps, vxlan },
        cards: count(slots.len()).clamp(1, most.min(count(ports.len())).max(1)),
        gtps: each("link speeds", &|card| card.port.reading(Attr::LinkSpeed).clone()),
        lanes,
        max_payload: payload.value().and_then(Value::as_u64).and_then(|bytes| u32::try_from(bytes).ok()),
    };
    Ok((path, each("modes of error correction", &|card| card.port.reading(Attr::FecActive).clone())))
}

/// A port and the slot of its card.
struct Card<'a> {
    port: &'a Component,
    slot: &'a str,
    payload: Reading,
}

impl<'a> Card<'a> {
    fn of(inventory: &'a Inventory, port: &str) -> Result<Self, String> {
        let of_name = |nic: &&Component| nic.locator == port || nic.value(Attr::Name).and_then(Value::as_str) == Some(port);
        let nic = inventory.iter(Kind::Nic).find(of_name).ok_or_else(|| format!("no network card is behind {port}"))?;
        // The link was read from the folder of the function: `/sys/bus/pci/devices/0000:41:00.0/current_link_speed`.
        let function = nic.source(Attr::LinkSpeed).rsplit('/').nth(1).filter(|function| function.matches(':').count() == 2);
        let (function, slot) = function
            .and_then(|function| Some((function, function.rsplit_once('.')?.0)))
            .ok_or_else(|| format!("which slot {port} is in cannot be told"))?;
        let payload = inventory.iter(Kind::Pci).find(|other| other.locator == function).map_or_else(
            || Reading::Unreadable(format!("{function} is not among the functions that were read")),
            |function| function.reading(Attr::PayloadSize).clone(),
        );
        Ok(Self { port: nic, slot, payload })
    }
}

/// The reading that all ports give, otherwise why there is none.
fn alike(what: &str, readings: impl Iterator<Item = Reading>) -> Reading {
    let mut seen: Vec<Reading> = Vec::new();
    for reading in readings {
        if !seen.contains(&reading) {
            seen.push(reading);
        }
    }
    match seen.as_slice() {
        [] => Reading::Absent,
        [one] => one.clone(),
        [_, _, ..] => {
            let all: Vec<String> = seen.iter().map(ToString::to_string).collect();
            Reading::Unreadable(format!("{what} differ: {}", all.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests;
