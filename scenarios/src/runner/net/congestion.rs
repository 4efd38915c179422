//! What the ports of a node count of congestion and of packets that were sent again, read before and after a measurement: a figure that the network held back is
//! not what the path can do. From the inventory (`hw_counters` of the RDMA device, priority pauses of `ethtool -S`).

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::Inventory;

/// Somebody on the way could not take what came.
const HELD_BACK: &[Attr] =
    &[Attr::CnpSent, Attr::CnpHandled, Attr::CnpIgnored, Attr::EcnMarked, Attr::PriorityPausesReceived, Attr::PriorityPausesSent];
/// Something was lost.
const LOST: &[Attr] = &[Attr::OutOfSequence, Attr::SequenceNaks, Attr::AckTimeouts];

/// What came of the counters of one node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Congestion {
    /// Notifications, marks and pauses.
    pub(super) held_back: u64,
    /// Which counters say so, `eth0 cnp_sent 12`.
    pub(super) held_back_by: Vec<String>,
    /// Which counters say that something was lost.
    pub(super) lost: Vec<String>,
    /// What cannot be told any more.
    pub(super) unknown: Vec<String>,
    /// Counters that were compared.
    pub(super) compared: usize,
}

/// Compares two inventories of one node in what `ports` count.
pub(super) fn between(before: &Inventory, after: &Inventory, ports: &[String]) -> Congestion {
    let mut found = Congestion::default();
    for port in ports {
        let (old, new) = (card(before, port), card(after, port));
        let (Some(old), Some(new)) = (old, new) else {
            // A port that is no card of its own (veth, a bridge's) counts nothing of this; one that came or went cannot be compared.
            if old.is_some() || new.is_some() {
                found.unknown.push(format!("{port} came or went"));
            }
            continue;
        };
        for attr in HELD_BACK.iter().chain(LOST) {
            match rose(old.reading(*attr), new.reading(*attr)) {
                Ok(None) => {}
                Ok(Some(by)) => {
                    found.compared += 1;
                    if by > 0 && LOST.contains(attr) {
                        found.lost.push(format!("{port} {attr} {by}"));
                    } else if by > 0 {
                        found.held_back = found.held_back.saturating_add(by);
                        found.held_back_by.push(format!("{port} {attr} {by}"));
                    }
                }
                Err(why) => found.unknown.push(format!("{port} {attr}: {why}")),
            }
        }
    }
    found
}

fn card<'a>(inventory: &'a Inventory, port: &str) -> Option<&'a Component> {
    inventory.iter(Kind::Nic).find(|card| card.locator == port)
}

/// By how much a counter rose; none where the port has none.
fn rose(old: &Reading, new: &Reading) -> Result<Option<u64>, String> {
    let count = |reading: &Reading| reading.value().and_then(Value::as_u64);
    match (old, new) {
        (Reading::Absent, Reading::Absent) => Ok(None),
        (Reading::Unreadable(why), _) | (_, Reading::Unreadable(why)) => Err(format!("cannot be read: {why}")),
        (Reading::Absent, Reading::Value(_)) | (Reading::Value(_), Reading::Absent) => Err("came or went".to_owned()),
        (Reading::Value(_), Reading::Value(_)) => match (count(old), count(new)) {
            (Some(old), Some(new)) => new.checked_sub(old).map(Some).ok_or_else(|| format!("ran backwards, from {old} to {new}")),
            (_, _) => Err(format!("{old} and {new} are no counts")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(cards: &[(&str, &[(Attr, Reading)])]) -> Inventory {
        let components = cards
            .iter()
            .map(|(name, readings)| {
                readings.iter().fold(Component::new(Kind::Nic, *name), |card, (attr, reading)| card.with(*attr, "sysfs", reading.clone()))
            })
            .collect();
        Inventory { host: "n1".into(), boot_id: "b".into(), taken_at: "2026-11-29T00:00:00Z".into(), components, probes: Vec::new() }
    }

    fn ports() -> Vec<String> {
        vec!["eth0".into(), "eth1".into()]
    }

    #[test]
    fn each_counter_that_rose_is_named_with_its_port() {
        let quiet: &[(Attr, Reading)] =
            &[(Attr::CnpSent, 5_u64.into()), (Attr::PriorityPausesReceived, 7_u64.into()), (Attr::OutOfSequence, 0_u64.into())];
        let before = inventory(&[("eth0", quiet), ("eth1", quiet), ("eth2", quiet)]);
        let same = between(&before, &before, &ports());
        assert_eq!(same, Congestion { compared: 6, ..Congestion::default() });
        let planted: &[(Attr, Reading)] =
            &[(Attr::CnpSent, 6_u64.into()), (Attr::PriorityPausesReceived, 10_u64.into()), (Attr::OutOfSequence, 2_u64.into())];
        let found = between(&before, &inventory(&[("eth0", quiet), ("eth1", planted), ("eth2", quiet)]), &ports());
        assert_eq!((found.held_back, found.lost.len(), found.unknown.len()), (4, 1, 0));
        assert!(found.held_back_by.iter().all(|what| what.starts_with("eth1 ")) && found.lost[0].starts_with("eth1 "), "{found:?}");
        // Another port's are none of this path's.
        let elsewhere = between(&before, &inventory(&[("eth0", quiet), ("eth1", quiet), ("eth2", planted)]), &ports());
        assert_eq!(elsewhere.held_back, 0);
    }

    #[test]
    fn absent_unreadable_gone_and_reset_are_four_answers() {
        let has = |reading: Reading| inventory(&[("eth0", &[(Attr::CnpSent, reading)])]);
        let of = |before: &Inventory, after: &Inventory| between(before, after, &ports());
        assert_eq!(of(&has(Reading::Absent), &has(Reading::Absent)), Congestion::default());
        assert_eq!(of(&inventory(&[]), &inventory(&[])), Congestion::default());
        for (before, after, word) in [
            (has(5_u64.into()), has(Reading::Unreadable("EIO".into())), "EIO"),
            (has(5_u64.into()), has(Reading::Absent), "came or went"),
            (has(5_u64.into()), has(4_u64.into()), "ran backwards, from 5 to 4"),
            (has(5_u64.into()), inventory(&[]), "eth0 came or went"),
        ] {
            let found = of(&before, &after);
            assert!(found.unknown.len() == 1 && found.unknown[0].contains(word), "{word}: {found:?}");
        }
    }
}
