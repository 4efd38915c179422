//! Identities in what an NVMe controller says of itself: serial number, NQN and the identifiers of controller and namespace in the Identify structures, and
//! whatever a vendor put into the parts that are its own. Of log pages the persistent event log has the first two, and nobody knows what is in a vendor's page.

use std::ops::Range;

use crate::host::nvme::events;

const SERIAL: Range<usize> = 4..24;
const FRU_GUID: Range<usize> = 112..128;
const NQN: Range<usize> = 768..1024;
const VENDORS_OF_CONTROLLER: Range<usize> = 3072..4096;
const NGUID: Range<usize> = 104..120;
const EUI64: Range<usize> = 120..128;
const VENDORS_OF_NAMESPACE: Range<usize> = 384..4096;
/// Pages of the specification without an identity.
const HARMLESS: &[&str] = &["00", "01", "02", "03", "06", "81"];

/// What a page is, by the name of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Controller,
    Namespace,
    Log,
    Events,
    /// Not known, or a vendor's own.
    Foreign,
}

/// Whether it is an answer of a controller.
pub(super) fn is_page(name: &str) -> bool {
    name.starts_with("nvme:")
}

fn page(name: &str, bytes: &[u8]) -> Page {
    match name.split('/').collect::<Vec<_>>().as_slice() {
        [_, "identify", "01", _] => Page::Controller,
        [_, "identify", "00", _] => Page::Namespace,
        [_, "log", "0d"] if events::excerpt(bytes).is_some() => Page::Events,
        [_, "log", id] if HARMLESS.contains(id) => Page::Log,
        [_, "log", "c0"] if crate::probe::is_ocp_page(bytes) => Page::Log,
        _ => Page::Foreign,
    }
}

/// The texts of a page that identify the drive, without what fills them up.
pub(super) fn identities(name: &str, bytes: &[u8]) -> Vec<Range<usize>> {
    match page(name, bytes) {
        Page::Controller => [SERIAL, NQN].into_iter().filter_map(|place| said(bytes, place)).collect(),
        Page::Events => [events::SERIAL, events::NQN].into_iter().filter_map(|place| said(bytes, place)).collect(),
        Page::Namespace | Page::Log | Page::Foreign => Vec::new(),
    }
}

/// The page with pseudonyms; none where it is not known what is in it.
pub(super) fn redacted(name: &str, mut bytes: Vec<u8>, text: &dyn Fn(&str) -> String, binary: &dyn Fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    for place in identities(name, &bytes) {
        let pseudonym = text(&String::from_utf8_lossy(&bytes[place.clone()]));
        super::table::overwrite(&mut bytes[place], &pseudonym);
    }
    let (identifiers, vendors) = match page(name, &bytes) {
        Page::Controller => (&[FRU_GUID][..], VENDORS_OF_CONTROLLER),
        Page::Namespace => (&[NGUID, EUI64][..], VENDORS_OF_NAMESPACE),
        Page::Log => return Some(bytes),
        Page::Events => return events::excerpt(&bytes),
        Page::Foreign => return None,
    };
    for place in identifiers {
        // Zeros say that there is none, and go on saying so.
        if let Some(identifier) = bytes.get_mut(place.clone()).filter(|identifier| identifier.iter().any(|byte| *byte != 0)) {
            let pseudonym = binary(identifier);
            identifier.copy_from_slice(&pseudonym);
        }
    }
    let from = vendors.start.min(bytes.len());
    bytes[from..].fill(0);
    Some(bytes)
}

fn said(bytes: &[u8], place: Range<usize>) -> Option<Range<usize>> {
    let field = bytes.get(place.clone())?;
    let is_filler = |byte: &u8| *byte == b' ' || *byte == 0;
    let first = field.iter().position(|byte| !is_filler(byte))?;
    let end = field.iter().rposition(|byte| !is_filler(byte))? + 1;
    Some(place.start + first..place.start + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(name: &str, bytes: Vec<u8>) -> Option<Vec<u8>> {
        redacted(name, bytes, &|text| "x".repeat(text.len()), &|bytes| vec![7; bytes.len()])
    }

    #[test]
    fn identities_of_both_structures_are_replaced_in_their_places() {
        let mut controller = vec![0; 4096];
        controller[4..24].copy_from_slice(b"63E0A002T5X8        ");
        controller[24..30].copy_from_slice(b"KIOXIA");
        controller[768..775].copy_from_slice(b"nqn.a:b");
        controller[3100] = 1;
        let after = plain("nvme:nvme2/identify/01/0", controller).expect("known");
        assert_eq!((&after[4..24], &after[24..30], &after[768..776]), (&b"xxxxxxxxxxxx        "[..], &b"KIOXIA"[..], &b"xxxxxxx\0"[..]));
        assert!(after[112..128].iter().chain(&after[3072..]).all(|byte| *byte == 0), "no identifier stays none");
        let mut namespace = vec![1; 4096];
        namespace[104..120].fill(0);
        let after = plain("nvme:nvme2/identify/00/1", namespace).expect("known");
        assert_eq!((after[104], after[120], after[127], after[128], after[384]), (0, 7, 7, 1, 0));
    }

    #[test]
    fn pages_of_the_specification_stay_and_those_of_vendors_go() {
        assert_eq!(plain("nvme:nvme2/log/02", vec![3; 512]), Some(vec![3; 512]));
        assert_eq!(plain("nvme:nvme2/log/c0", vec![3; 512]), None, "not the OCP page");
        assert_eq!(plain("nvme:nvme2/log/ca", vec![3; 512]), None);
    }

    #[test]
    fn the_persistent_event_log_keeps_its_events_and_loses_its_identities() {
        let mut log = vec![0; events::HEADER];
        (log[0], log[9]) = (0x0d, 2);
        log[events::SERIAL][..4].copy_from_slice(b"S123");
        log[events::NQN][..5].copy_from_slice(b"nqn.a");
        let after = plain("nvme:nvme2/log/0d", log).expect("known");
        assert_eq!((&after[56..61], &after[116..122], events::events(&after).map(|events| events.len())), (&b"xxxx\0"[..], &b"xxxxx\0"[..], Some(0)));
        assert_eq!(plain("nvme:nvme2/log/0d", vec![0x0d; 512]), None, "no such log");
    }

    #[test]
    fn short_structures_do_not_panic() {
        for length in [0, 5, 24, 113, 120, 125, 800, 4095] {
            for name in ["nvme:nvme0/identify/01/0", "nvme:nvme0/identify/00/1", "nvme:nvme0/log/c0", "nvme:"] {
                let _ = plain(name, vec![b'A'; length]);
            }
        }
    }
}
