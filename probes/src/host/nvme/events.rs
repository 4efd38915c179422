//! The Persistent Event Log (0Dh) of the NVM Express Base Specification 2.0 (5.16.1.14): a header of 512 bytes, then events of any length. Of the many that a
//! drive keeps, those of its hardware and of its temperature are taken.

/// Bytes of the header.
pub(crate) const HEADER: usize = 512;
/// "NVM subsystem hardware error" and "thermal excursion".
pub(crate) const HARDWARE_ERROR: u8 = 0x05;
pub(crate) const THERMAL_EXCURSION: u8 = 0x0d;

const LOG: u8 = 0x0d;
/// Number of events, and length of the whole log.
const EVENTS_AT: usize = 4;
const LENGTH_AT: usize = 8;

/// Of the header of an event: its own length without the first three bytes, the length of what a vendor adds, and of all that follows the header.
const HEADER_LENGTH_AT: usize = 2;
const VENDOR_LENGTH_AT: usize = 20;
const EVENT_LENGTH_AT: usize = 22;
const NOT_COUNTED: usize = 3;
const EVENT_HEADER: usize = 24;
/// Of the data of an event, what the specification defines for the kinds that are kept: the rest is a vendor's.
const DATA: usize = 4;

/// An event of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    pub(crate) kind: u8,
    /// What the specification says of its kind.
    pub(crate) data: &'a [u8],
    whole: &'a [u8],
}

/// Where the header has the drive's serial number and its NQN.
pub(crate) const SERIAL: std::ops::Range<usize> = 56..76;
pub(crate) const NQN: std::ops::Range<usize> = 116..372;

/// The length that the header tells; none where it is no header of this log.
pub(crate) fn length(header: &[u8]) -> Option<usize> {
    let length = usize::try_from(u64::from_le_bytes(array(header, LENGTH_AT)?)).ok()?;
    (header.first() == Some(&LOG) && length >= HEADER).then_some(length)
}

/// All events of a log. None where it does not hold as many as its header says, within the length that its header says.
pub(crate) fn events(log: &[u8]) -> Option<Vec<Event<'_>>> {
    let mut rest = log.get(HEADER..length(log)?)?;
    let mut found = Vec::new();
    for _ in 0..u32::from_le_bytes(array(log, EVENTS_AT)?) {
        let header = usize::from(*rest.get(HEADER_LENGTH_AT)?) + NOT_COUNTED;
        let vendor = usize::from(u16::from_le_bytes(array(rest, VENDOR_LENGTH_AT)?));
        let whole = rest.get(..header + usize::from(u16::from_le_bytes(array(rest, EVENT_LENGTH_AT)?)))?;
        let data = whole.get(header + vendor..).filter(|_| header >= EVENT_HEADER)?;
        found.push(Event { kind: *whole.first()?, data, whole });
        rest = rest.get(whole.len()..)?;
    }
    Some(found)
}

/// The log with the events of hardware and temperature only, without what vendors add to them; numbers and lengths in the headers are of what is kept.
/// None where the log is broken.
pub(crate) fn excerpt(log: &[u8]) -> Option<Vec<u8>> {
    let kept: Vec<Event<'_>> = events(log)?.into_iter().filter(|event| matches!(event.kind, HARDWARE_ERROR | THERMAL_EXCURSION)).collect();
    let mut short = log.get(..HEADER)?.to_vec();
    for event in &kept {
        let mut header: [u8; EVENT_HEADER] = array(event.whole, 0)?;
        let data = event.data.get(..DATA).unwrap_or(event.data);
        header[HEADER_LENGTH_AT] = u8::try_from(EVENT_HEADER - NOT_COUNTED).ok()?;
        header[VENDOR_LENGTH_AT..EVENT_LENGTH_AT].fill(0);
        header[EVENT_LENGTH_AT..].copy_from_slice(&u16::try_from(data.len()).ok()?.to_le_bytes());
        short.extend(header.iter().chain(data));
    }
    let (number, length) = (u32::try_from(kept.len()).ok()?, u64::try_from(short.len()).ok()?);
    short.get_mut(EVENTS_AT..EVENTS_AT + 4)?.copy_from_slice(&number.to_le_bytes());
    short.get_mut(LENGTH_AT..LENGTH_AT + 8)?.copy_from_slice(&length.to_le_bytes());
    Some(short)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A log of events of a kind, with so many bytes of a vendor and these data.
    fn log(events: &[(u8, usize, &[u8])]) -> Vec<u8> {
        let mut log = vec![0; HEADER];
        for (kind, vendor, data) in events {
            let mut header = [0; EVENT_HEADER];
            (header[0], header[1], header[HEADER_LENGTH_AT]) = (*kind, 1, 21);
            header[VENDOR_LENGTH_AT] = u8::try_from(*vendor).expect("few");
            header[EVENT_LENGTH_AT..].copy_from_slice(&u16::try_from(vendor + data.len()).expect("few").to_le_bytes());
            log.extend(header.iter().chain(&vec![0xee; *vendor]).chain(*data));
        }
        log[0] = LOG;
        log[EVENTS_AT] = u8::try_from(events.len()).expect("few");
        let length = log.len() as u64;
        log[LENGTH_AT..LENGTH_AT + 8].copy_from_slice(&length.to_le_bytes());
        log
    }

    #[test]
    fn events_are_found_behind_their_headers_and_what_vendors_add() {
        let log = log(&[(1, 0, &[7; 512]), (HARDWARE_ERROR, 5, &[9, 0, 0, 0, 0xee]), (THERMAL_EXCURSION, 0, &[3, 1]), (0xde, 0, &[])]);
        let found: Vec<(u8, &[u8])> = events(&log).expect("whole").iter().map(|event| (event.kind, event.data)).collect();
        assert_eq!(found, [(1, &[7_u8; 512][..]), (HARDWARE_ERROR, &[9, 0, 0, 0, 0xee]), (THERMAL_EXCURSION, &[3, 1]), (0xde, &[])]);
        let short = excerpt(&log).expect("whole");
        let kept: Vec<(u8, &[u8])> = events(&short).expect("whole").iter().map(|event| (event.kind, event.data)).collect();
        assert_eq!(kept, [(HARDWARE_ERROR, &[9_u8, 0, 0, 0][..]), (THERMAL_EXCURSION, &[3, 1])]);
        assert_eq!(excerpt(&short).expect("whole"), short);
        assert!(!short.contains(&0xee), "what a vendor adds is left out");
    }

    #[test]
    fn a_log_without_events_is_whole_and_one_that_breaks_off_is_none() {
        assert_eq!(events(&log(&[])), Some(Vec::new()));
        let whole = log(&[(HARDWARE_ERROR, 0, &[9, 0, 0, 0])]);
        assert_eq!(events(&whole[..whole.len() - 1]), None);
        let broken: [fn(&mut Vec<u8>); 5] = [
            |log| log[0] = 0x0c,
            |log| log[EVENTS_AT] = 2,
            |log| log[LENGTH_AT] -= 1,
            |log| log[HEADER + HEADER_LENGTH_AT] = 20,
            |log| log[HEADER + EVENT_LENGTH_AT] = 5,
        ];
        for (index, damage) in broken.iter().enumerate() {
            let mut log = whole.clone();
            damage(&mut log);
            assert_eq!((events(&log), excerpt(&log)), (None, None), "{index}");
        }
        assert_eq!(length(&[0; HEADER]), None, "zeros are no empty log");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_an_excerpt_is_whole(bytes in proptest::collection::vec(any::<u8>(), 0..2048), length in 500_u64..2048, number in 0_u8..4) {
            let mut log = bytes;
            if let Some(header) = log.get_mut(..16) {
                header[0] = LOG;
                header[EVENTS_AT..LENGTH_AT].copy_from_slice(&[number, 0, 0, 0]);
                header[LENGTH_AT..].copy_from_slice(&length.to_le_bytes());
            }
            let _ = events(&log);
            if let Some(short) = excerpt(&log) {
                prop_assert!(events(&short).is_some());
            }
        }
    }
}
