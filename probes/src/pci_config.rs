//! PCI configuration space as bytes: the PCI Express capability (PCI Express Base Specification 5.0, 7.5.1 and 7.5.3). Where the bytes come from
//! and what they mean for a node is in `probe/pci.rs`.

/// The header, which everybody may read; the capabilities behind it only an administrator.
const HEADER: usize = 64;
/// No list is longer: each capability takes four bytes of the 192 behind the header.
const CAPABILITIES_MAX: usize = 48;
/// Capability id of PCI Express.
const EXPRESS: u8 = 0x10;
/// Its length, version 2.
const EXPRESS_LENGTH: usize = 0x3c;
/// The space in which capabilities of this sort are; what is behind it is for the extended ones, which nothing here reads.
pub(crate) const SPACE: usize = 256;
/// The status bit that says that there is a list of capabilities.
const HAS_CAPABILITIES: u16 = 0x0010;

/// What a function says of itself in its PCI Express capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Express {
    /// What it is.
    pub(crate) port_type: &'static str,
    /// Largest payload that it is capable of, bytes.
    pub(crate) payload_size_max: u64,
    /// Largest payload that it sends, bytes.
    pub(crate) payload_size: u64,
    /// Largest read that it asks for, bytes.
    pub(crate) read_request_size: u64,
    /// Power saving of its link that is enabled; none where the function has no link.
    pub(crate) power_saving: Option<&'static str>,
    /// Number of the slot below it.
    pub(crate) physical_slot: Option<u64>,
}

impl Express {
    /// The capability in the bytes of a configuration space, of which more or less may have been read; none of a function of conventional PCI.
    pub(crate) fn parse(space: &[u8]) -> Result<Option<Self>, String> {
        if space.len() < HEADER {
            return Err(format!("{} bytes are no configuration space", space.len()));
        }
        if space.iter().take(4).all(|byte| *byte == 0xff) {
            return Err("all ones: the function does not answer".into());
        }
        if word(space, 0x06).is_none_or(|status| status & HAS_CAPABILITIES == 0) {
            return Ok(None);
        }
        match capability(space)? {
            Some(at) => Self::at(space, at).ok_or_else(|| cut_off(space))?.map(Some),
            None => Ok(None),
        }
    }

    /// The capability at this offset; `None` when the bytes end inside of it.
    fn at(space: &[u8], at: usize) -> Option<Result<Self, String>> {
        let flags = word(space, at + 0x02)?;
        let (device_able, device_control) = (word(space, at + 0x04)?, word(space, at + 0x08)?);
        let (link_control, slot_able) = (word(space, at + 0x10)?, [word(space, at + 0x14)?, word(space, at + 0x16)?]);
        let (port_type, has_link) = match flags >> 4 & 0x0f {
            0 => ("endpoint", true),
            1 => ("legacy endpoint", true),
            4 => ("root port", true),
            5 => ("upstream port", true),
            6 => ("downstream port", true),
            7 => ("bridge to PCI", true),
            8 => ("bridge from PCI", true),
            9 => ("integrated endpoint", false),
            10 => ("event collector", false),
            other => return Some(Err(format!("device/port type {other}, which is reserved"))),
        };
        let sizes = (size(device_able), size(device_control >> 5), size(device_control >> 12));
        let (Ok(payload_size_max), Ok(payload_size), Ok(read_request_size)) = sizes else {
            return Some(Err("a payload or read size that is reserved".into()));
        };
        let power_saving = match link_control & 0x3 {
            0 => "off",
            1 => "L0s",
            2 => "L1",
            _ => "L0s L1",
        };
        let has_slot = flags & 0x0100 != 0 && matches!(port_type, "root port" | "downstream port");
        // Bits 31:19 of the 32 of the slot capabilities.
        let number = u64::from(slot_able[1] >> 3);
        Some(Ok(Self {
            port_type,
            payload_size_max,
            payload_size,
            read_request_size,
            power_saving: has_link.then_some(power_saving),
            physical_slot: has_slot.then_some(number),
        }))
    }
}

/// The space with nothing behind its header but the list of capabilities and that of PCI Express: vital product data and what vendors define may
/// hold a serial number. None when the list cannot be followed.
pub(crate) fn without_identities(space: &[u8]) -> Option<Vec<u8>> {
    let mut kept: Vec<u8> = space.get(..HEADER)?.to_vec();
    kept.resize(space.len().min(SPACE), 0);
    let mut keep = |from: usize, length: usize| {
        let range = from..(from + length).min(kept.len());
        if let (Some(to), Some(from)) = (kept.get_mut(range.clone()), space.get(range)) {
            to.copy_from_slice(from);
        }
    };
    let mut at = usize::from(byte(space, 0x34)? & 0xfc);
    for _ in 0..CAPABILITIES_MAX {
        if at < HEADER || at >= space.len() {
            return Some(kept);
        }
        keep(at, if byte(space, at)? == EXPRESS { EXPRESS_LENGTH } else { 2 });
        at = usize::from(byte(space, at + 1)? & 0xfc);
    }
    None
}

/// Where the PCI Express capability begins.
fn capability(space: &[u8]) -> Result<Option<usize>, String> {
    let mut at = usize::from(byte(space, 0x34).unwrap_or(0) & 0xfc);
    for _ in 0..CAPABILITIES_MAX {
        if at < HEADER {
            return if at == 0 { Ok(None) } else { Err(format!("its list of capabilities leads into the header, to {at:#04x}")) };
        }
        let (Some(id), Some(next)) = (byte(space, at), byte(space, at + 1)) else { return Err(cut_off(space)) };
        match id {
            EXPRESS => return Ok(Some(at)),
            0xff => return Err("its list of capabilities ends in all ones".into()),
            _ => at = usize::from(next & 0xfc),
        }
    }
    Err("its list of capabilities has no end".into())
}

fn cut_off(space: &[u8]) -> String {
    if space.len() == HEADER {
        "only the first 64 bytes could be read: that needs CAP_SYS_ADMIN".into()
    } else {
        "the bytes end inside of a capability".into()
    }
}

/// 128 bytes times two to the power of three bits.
fn size(bits: u16) -> Result<u64, ()> {
    match bits & 0x7 {
        power @ 0..=5 => Ok(128 << power),
        _ => Err(()),
    }
}

fn byte(space: &[u8], at: usize) -> Option<u8> {
    space.get(at).copied()
}

fn word(space: &[u8], at: usize) -> Option<u16> {
    match space.get(at..at + 2) {
        Some(&[low, high]) => Some(u16::from_le_bytes([low, high])),
        Some(_) | None => None,
    }
}

/// Spaces for tests.
#[cfg(test)]
pub(crate) mod made_up {
    /// A root port in slot 21 with 512 bytes of 512, reads of 512, its capability at 0x58 behind one other.
    pub(crate) fn root_port() -> Vec<u8> {
        let mut space = vec![0; 256];
        space[..4].copy_from_slice(&[0x22, 0x10, 0xab, 0x14]);
        space[6] = 0x10;
        space[0x34] = 0x50;
        space[0x50..0x52].copy_from_slice(&[0x01, 0x58]);
        space[0x58..0x5c].copy_from_slice(&[0x10, 0x00, 0x42, 0x01]);
        set(&mut space, 0x58 + 0x04, 2);
        set(&mut space, 0x58 + 0x08, 2 << 5 | 2 << 12 | 0x1f);
        set(&mut space, 0x58 + 0x16, 21 << 3);
        space
    }

    /// A word at an offset.
    pub(crate) fn set(space: &mut [u8], at: usize, word: u16) {
        space[at..at + 2].copy_from_slice(&word.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::made_up::{root_port, set};
    use super::*;

    #[test]
    fn sizes_power_saving_and_slot_are_found() {
        let expected = Express {
            port_type: "root port",
            payload_size_max: 512,
            payload_size: 512,
            read_request_size: 512,
            power_saving: Some("off"),
            physical_slot: Some(21),
        };
        assert_eq!(Express::parse(&root_port()), Ok(Some(expected)));
        let mut other = root_port();
        set(&mut other, 0x58 + 0x08, 5 << 12);
        set(&mut other, 0x58 + 0x10, 0x42);
        let found = Express::parse(&other).expect("understood").expect("PCI Express");
        assert_eq!((found.payload_size, found.read_request_size, found.power_saving), (128, 4096, Some("L1")));
    }

    #[test]
    fn what_an_ordinary_user_may_read_is_not_taken_for_all() {
        let refused = Express::parse(&root_port()[..64]);
        assert!(refused.as_ref().is_err_and(|why| why.contains("CAP_SYS_ADMIN")), "{refused:?}");
        assert!(Express::parse(&root_port()[..0x5a]).is_err());
        assert!(Express::parse(&[]).is_err());
    }

    #[test]
    fn a_function_of_conventional_pci_has_none() {
        let mut space = root_port();
        space[0x50] = 0x05;
        space[0x51] = 0;
        assert_eq!(Express::parse(&space), Ok(None));
        space[6] = 0;
        assert_eq!(Express::parse(&space[..64]), Ok(None));
    }

    #[test]
    fn lists_that_loop_or_lead_astray_are_refused() {
        for (at, byte) in [(0x51, 0x50), (0x51, 0x20), (0x50, 0xff)] {
            let mut space = root_port();
            space[at] = byte;
            assert!(Express::parse(&space).is_err(), "{at:#x}");
        }
        assert!(Express::parse(&[0xff; 256]).is_err_and(|why| why.contains("does not answer")));
    }

    #[test]
    fn a_redacted_space_says_the_same_and_nothing_else() {
        let mut space = root_port();
        space[0x59] = 0xb0;
        space[0xb0..0xc0].copy_from_slice(b"\x09\x00SERIAL-1234567");
        let kept = without_identities(&space).expect("understood");
        assert_eq!((Express::parse(&kept), kept.len()), (Express::parse(&space), 256));
        assert!(!kept.windows(4).any(|window| window == b"1234"));
        assert_eq!(without_identities(&space[..64]).map(|kept| kept.len()), Some(64));
        assert_eq!(without_identities(&space[..10]), None);
    }

    #[test]
    fn reserved_sizes_and_types_are_refused() {
        let mut space = root_port();
        set(&mut space, 0x58 + 0x08, 6 << 5);
        assert!(Express::parse(&space).is_err());
        let mut space = root_port();
        set(&mut space, 0x58 + 0x02, 0xf0);
        assert!(Express::parse(&space).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(space in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (Express::parse(&space), without_identities(&space));
        }

        #[test]
        fn no_damaged_space_makes_it_panic(at in 0..256_usize, byte in any::<u8>(), length in 0..257_usize) {
            let mut space = root_port();
            space[at] = byte;
            let _ = Express::parse(&space[..length.min(256)]);
        }
    }
}
