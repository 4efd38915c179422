//! The purge of an NVMe namespace by Format NVM with erasure of the user data (NVM Express Base Specification 2.0, section 5.14): the whole namespace, its
//! layout as it is, and no other namespace.

use std::io;
use std::time::{Duration, Instant};

use super::uring::{Passthrough, WriteLeave};
use crate::error::EngineError;
use crate::sys::admin::{Command, IDENTIFY_BYTES, submit};
use crate::sys::nvme;

/// Drives of many terabytes without a key to throw away take their time.
pub const PATIENCE: Duration = Duration::from_secs(3600);
const USER_DATA_ERASE: u32 = 1 << 9;

const IDENTIFY_NAMESPACE: u8 = 0;
const IDENTIFY_CONTROLLER: u8 = 1;
const ACTIVE_NAMESPACES: u8 = 2;
const ALLOCATED_NAMESPACES: u8 = 0x10;

/// Erases the namespace of a claimed drive, all of it; how long that took. A controller that would erase others too, or cannot format, is left as it is.
pub fn format(target: &str, namespace: Passthrough<'_>, _leave: &dyn WriteLeave) -> Result<Duration, EngineError> {
    is_namespace(target, namespace)?;
    let mut admin = |command: Command<'_>| submit(namespace.device, command);
    let (controller, others) = others(target, namespace.nsid, &mut admin)?;
    may_format(&controller, others).map_err(|why| EngineError::NotConfigured { what: "Format NVM", target: target.to_owned(), why })?;
    let how = as_it_is(&identify(target, &mut admin, IDENTIFY_NAMESPACE, namespace.nsid)?) | USER_DATA_ERASE;
    let begun = Instant::now();
    submit(namespace.device, Command::Format { nsid: namespace.nsid, how, timeout: PATIENCE }).map_err(|source| EngineError::Ring {
        act: "format",
        target: target.to_owned(),
        source,
    })?;
    Ok(begun.elapsed())
}

/// Whether the character device is that of the namespace that is meant: what is erased must not hang on a name and an attribute alone.
pub(super) fn is_namespace(target: &str, namespace: Passthrough<'_>) -> Result<(), EngineError> {
    let setup = |source| EngineError::Setup { act: "identify the NVMe namespace of the character device", target: target.to_owned(), source };
    nvme::is_namespace(namespace.device, namespace.nsid).map_err(setup)
}

/// What a controller says of itself, and how many other namespaces than `nsid` it has.
pub(super) fn others(
    target: &str,
    nsid: u32,
    admin: &mut dyn FnMut(Command<'_>) -> io::Result<()>,
) -> Result<([u8; IDENTIFY_BYTES], usize), EngineError> {
    let controller = identify(target, admin, IDENTIFY_CONTROLLER, 0)?;
    // A controller that manages namespaces may have some that are attached elsewhere.
    let list = if controller[256] & 0b1000 != 0 { ALLOCATED_NAMESPACES } else { ACTIVE_NAMESPACES };
    let others = namespaces(&identify(target, admin, list, 0)?).filter(|other| *other != nsid).count();
    Ok((controller, others))
}

fn identify(target: &str, admin: &mut dyn FnMut(Command<'_>) -> io::Result<()>, cns: u8, nsid: u32) -> Result<[u8; IDENTIFY_BYTES], EngineError> {
    let mut answer = [0; IDENTIFY_BYTES];
    let asked = admin(Command::Identify { cns, nsid, answer: &mut answer });
    asked.map(|()| answer).map_err(|source| EngineError::Setup { act: "identify the controller", target: target.to_owned(), source })
}

/// Optional Admin Command Support and Format NVM Attributes of Identify Controller.
fn may_format(controller: &[u8; IDENTIFY_BYTES], others: usize) -> Result<(), String> {
    let (supported, attributes) = (controller[256] & 0b10 != 0, controller[524]);
    if !supported {
        return Err("its controller has no such command".to_owned());
    }
    // Bit 0: a format is one of all namespaces. Bit 1: so is an erasure.
    if attributes & 0b11 != 0 && others > 0 {
        return Err(format!("its controller would erase {others} other namespaces with it"));
    }
    Ok(())
}

/// The numbers of an active namespace list.
fn namespaces(list: &[u8; IDENTIFY_BYTES]) -> impl Iterator<Item = u32> {
    list.as_chunks().0.iter().map(|number| u32::from_le_bytes(*number)).take_while(|nsid| *nsid != 0)
}

/// Dword 10 of a format that keeps size, metadata and protection of the namespace's blocks.
fn as_it_is(namespace: &[u8; IDENTIFY_BYTES]) -> u32 {
    let (size, protection) = (u32::from(namespace[26]), u32::from(namespace[29]));
    let (low, extended, high) = (size & 0xf, (size >> 4) & 1, (size >> 5) & 0b11);
    let (kind, place) = (protection & 0b111, (protection >> 3) & 1);
    low | extended << 4 | kind << 5 | place << 8 | high << 12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_namespace_is_not_erased() {
        struct None;
        impl WriteLeave for None {
            fn span(&self) -> crate::job::Span {
                crate::job::Span { start: 0, bytes: 4096 }
            }
        }
        let device = std::fs::File::open("/dev/null").expect("there");
        let refused = format("null", Passthrough { device: &device, nsid: 1, lba_shift: 12 }, &None).expect_err("no namespace");
        assert!(matches!(&refused, EngineError::Setup { act, .. } if act.contains("namespace of the character device")), "{refused:?}");
    }

    fn controller(commands: u8, attributes: u8) -> [u8; IDENTIFY_BYTES] {
        let mut page = [0; IDENTIFY_BYTES];
        (page[256], page[524]) = (commands, attributes);
        page
    }

    #[test]
    fn other_namespaces_are_never_erased_with_it() {
        for (commands, attributes, others, allowed) in [
            (0b0000_0010, 0b000, 0, true),
            (0b0000_0010, 0b100, 3, true),
            (0b0000_0010, 0b011, 0, true),
            (0b0000_0010, 0b001, 1, false),
            (0b0000_0010, 0b010, 1, false),
            (0b1111_1101, 0b000, 0, false),
        ] {
            assert_eq!(may_format(&controller(commands, attributes), others).is_ok(), allowed, "{commands:b} {attributes:b} {others}");
        }
        let mut list = [0; IDENTIFY_BYTES];
        list[..8].copy_from_slice(&[1, 0, 0, 0, 7, 0, 0, 0]);
        assert_eq!(namespaces(&list).collect::<Vec<_>>(), [1, 7]);
    }

    #[test]
    fn blocks_keep_their_size_metadata_and_protection() {
        let mut page = [0; IDENTIFY_BYTES];
        assert_eq!(as_it_is(&page), 0);
        // Format 18 (its high bits apart), metadata at the end of each block, protection of type 2 in the first bytes.
        (page[26], page[29]) = (0b011_0010 | 1 << 4, 0b1010);
        assert_eq!(as_it_is(&page), 2 | 1 << 4 | 2 << 5 | 1 << 8 | 1 << 12);
    }
}
