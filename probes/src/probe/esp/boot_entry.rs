//! What the firmware would start: `BootOrder` and `Boot####` in `/sys/firmware/efi/efivars` (UEFI 2.10, 3.1.3 load options, 10.3.5 media device paths).

use crate::host::{Host, HostError};

pub(super) const FOLDER: &str = "/sys/firmware/efi/efivars";
/// `EFI_GLOBAL_VARIABLE`.
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// efivarfs puts the variable's attributes in front of its content.
const ATTRIBUTES: usize = 4;
const ACTIVE: u32 = 1;
/// Type and subtype of a hard drive node, and of the end.
const HARD_DRIVE: [u8; 2] = [4, 1];
const END: u8 = 0x7f;
/// In a hard drive node: partition number, start and size come before the signature, its format and type after it.
const SIGNATURE: usize = 24;
const GUID: u8 = 2;

/// One entry that is active and in the boot order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BootEntry {
    /// `Boot0001 Linux Boot Manager`.
    pub(super) name: String,
    /// GUID of the partition that it leads to, when it leads to one.
    pub(super) partition: Option<String>,
}

/// In boot order. A machine that was not started by UEFI has no folder of variables, and none.
pub(super) fn active(host: &Host) -> Result<Vec<BootEntry>, HostError> {
    if !host.exists(FOLDER)? {
        return Err(HostError::Absent { act: crate::host::Act::List, path: FOLDER.into() });
    }
    let variable = |name: &str| format!("{FOLDER}/{name}-{GLOBAL}");
    let order = variable("BootOrder");
    let Some(numbers) = host.bytes_or_none(&order)? else { return Ok(Vec::new()) };
    let numbers = boot_order(&numbers).map_err(|reason| HostError::Malformed { path: order, reason })?;
    let mut entries = Vec::new();
    for number in numbers {
        let name = format!("Boot{number:04X}");
        let path = variable(&name);
        // The order may name entries that were deleted; firmware skips them.
        let Some(bytes) = host.bytes_or_none(&path)? else { continue };
        let option = load_option(&bytes).map_err(|reason| HostError::Malformed { path, reason })?;
        if option.is_active {
            entries.push(BootEntry { name: format!("{name} {}", option.description).trim().to_owned(), partition: option.partition });
        }
    }
    Ok(entries)
}

fn boot_order(variable: &[u8]) -> Result<Vec<u16>, String> {
    let numbers = variable.get(ATTRIBUTES..).ok_or("shorter than its attributes")?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    if rest.is_empty() { Ok(pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect()) } else { Err("half a number at its end".into()) }
}

#[derive(Debug, PartialEq)]
struct LoadOption {
    is_active: bool,
    description: String,
    partition: Option<String>,
}

fn load_option(variable: &[u8]) -> Result<LoadOption, String> {
    let short = || "shorter than it says".to_owned();
    let option = variable.get(ATTRIBUTES..).ok_or_else(short)?;
    let attributes = u32::from_le_bytes(array(option, 0).ok_or_else(short)?);
    let path_length = usize::from(u16::from_le_bytes(array(option, 4).ok_or_else(short)?));
    let (characters, _) = option.get(6..).ok_or_else(short)?.as_chunks::<2>();
    let characters: Vec<u16> = characters.iter().map(|pair| u16::from_le_bytes(*pair)).take_while(|character| *character != 0).collect();
    let path = 6 + 2 * (characters.len() + 1);
    let path = option.get(path..path + path_length).ok_or_else(short)?;
    let printable = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    let description = char::decode_utf16(characters).map(|character| printable(character.unwrap_or('\u{fffd}'))).collect();
    Ok(LoadOption { is_active: attributes & ACTIVE != 0, description, partition: partition(path)? })
}

/// The partition that a device path leads over.
fn partition(mut path: &[u8]) -> Result<Option<String>, String> {
    while let Some([kind, subtype, low, high]) = array::<4>(path, 0) {
        let length = usize::from(u16::from_le_bytes([low, high]));
        let node = path.get(..length).filter(|_| length >= 4).ok_or("a node of its path is cut off")?;
        if kind == END {
            break;
        }
        if [kind, subtype] == HARD_DRIVE {
            let signature: [u8; 16] = array(node, SIGNATURE).ok_or("a hard drive node of its path is cut off")?;
            let is_guid = node.get(SIGNATURE + 17) == Some(&GUID);
            return Ok(is_guid.then(|| guid(signature)));
        }
        path = path.get(length..).unwrap_or_default();
    }
    Ok(None)
}

/// The first three groups are little-endian numbers.
fn guid(bytes: [u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, tail @ ..] = bytes;
    let tail: Vec<String> = tail.iter().map(|byte| format!("{byte:02x}")).collect();
    let (fourth, fifth) = tail.split_at(2);
    let first = u32::from_le_bytes([a, b, c, d]);
    format!("{first:08x}-{:04x}-{:04x}-{}-{}", u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]), fourth.concat(), fifth.concat())
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// An entry as firmware writes it, for tests.
#[cfg(test)]
pub(super) fn made_up(attributes: u32, description: &str, partition: [u8; 16]) -> Vec<u8> {
    let mut drive = vec![4, 1, 42, 0];
    drive.extend(2_u32.to_le_bytes());
    drive.extend(2048_u64.to_le_bytes());
    drive.extend(2_097_152_u64.to_le_bytes());
    drive.extend(partition);
    drive.extend([2, GUID]);
    let file: Vec<u8> = r"\EFI\systemd\systemd-bootx64.efi".encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let mut path = drive;
    path.extend([4, 4]);
    path.extend(u16::try_from(file.len() + 4).expect("short").to_le_bytes());
    path.extend(file);
    path.extend([END, 0xff, 4, 0]);
    let mut option = vec![7, 0, 0, 0];
    option.extend(attributes.to_le_bytes());
    option.extend(u16::try_from(path.len()).expect("short").to_le_bytes());
    option.extend(description.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
    option.extend(path);
    option
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARTITION: [u8; 16] = [0x78, 0x56, 0x34, 0x12, 0xbc, 0x9a, 0xf0, 0xde, 1, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn an_entry_names_the_partition_that_it_leads_to() {
        let option = load_option(&made_up(1, "Linux Boot Manager", PARTITION)).expect("an entry");
        let partition = Some("12345678-9abc-def0-0102-030405060708".into());
        assert_eq!(option, LoadOption { is_active: true, description: "Linux Boot Manager".into(), partition });
        assert!(!load_option(&made_up(0, "off", PARTITION)).expect("an entry").is_active);
    }

    #[test]
    fn an_entry_of_the_network_leads_to_no_partition_and_a_torn_one_is_refused() {
        // PciRoot and a MAC address, then the end.
        let path = [[2_u8, 1, 12, 0].as_slice(), &[0; 8], &[3, 11, 37, 0], &[0; 33], &[END, 0xff, 4, 0]].concat();
        assert_eq!(partition(&path), Ok(None));
        let whole = made_up(1, "x", PARTITION);
        for cut in [0, 3, 7, 9, 14, 40, whole.len() - 5] {
            assert!(load_option(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(partition(&[4, 1, 0, 0]).is_err());
        assert!(boot_order(&[7, 0, 0, 0, 1]).is_err() && boot_order(&[7, 0]).is_err());
        assert_eq!(boot_order(&[7, 0, 0, 0, 1, 0, 0, 16]), Ok(vec![1, 0x1000]));
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (load_option(&bytes), boot_order(&bytes), partition(&bytes));
        }
    }
}
