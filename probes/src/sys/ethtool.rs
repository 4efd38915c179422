//! The `SIOCETHTOOL` ioctl (`linux/ethtool.h`), its GET commands and no other: a command that sets something cannot be expressed here. The crate `ethtool`
//! asks over asynchronous netlink and has neither statistics nor driver information; the ioctl has all of it, in one synchronous call each.

use std::os::unix::net::UnixDatagram;

use rustix::io::Errno;
use rustix::ioctl::{Updater, ioctl};

const SIOCETHTOOL: rustix::ioctl::Opcode = 0x8946;
const STRING_LENGTH: usize = 32;
/// The set of strings that name the statistics.
const ETH_SS_STATS: u32 = 1;
/// Statistics that a driver may add while it is being asked: queues that somebody switches on. The kernel writes as many as there are then, and not as
/// many as there is room for.
const SLACK: usize = 1 << 16;
/// More statistics than any driver has; `mlx5_core` with 64 queues has some 3000.
const STATISTICS_MAX: usize = 1 << 17;
/// More than any record of a fixed size takes, and than `ethtool_link_settings` with the most masks that its count can say (48 + 3 * 127 * 4).
const RECORD_WORDS: usize = 512;
/// The largest EEPROM that is read; SFF-8636 has 640 bytes.
const EEPROM_MAX: usize = 4096;

/// What can be asked with a record of a fixed size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// `ethtool_drvinfo`.
    Driver,
    /// `ethtool_ringparam`.
    Ring,
    /// `ethtool_pauseparam`.
    Pause,
    /// `ethtool_fecparam`.
    Fec,
    /// `ethtool_channels`.
    Channels,
    /// `ethtool_modinfo`.
    ModuleInfo,
}

impl Record {
    fn command(self) -> u32 {
        match self {
            Record::Driver => 0x03,
            Record::Ring => 0x10,
            Record::Pause => 0x12,
            Record::Channels => 0x3c,
            Record::ModuleInfo => 0x42,
            Record::Fec => 0x50,
        }
    }
}

const GSTRINGS: u32 = 0x1b;
const GSTATS: u32 = 0x1d;
const GSSET_INFO: u32 = 0x37;
const GMODULEEEPROM: u32 = 0x43;
const GLINKSETTINGS: u32 = 0x4c;

/// The bytes of a record as the driver filled it, the command's number first; longer than the record is.
pub(crate) fn record(interface: &str, record: Record) -> Result<Vec<u8>, Errno> {
    let mut words = vec![0; RECORD_WORDS];
    put(&mut words, 0, record.command());
    // SAFETY: the record of each of these commands is at most 196 bytes long and has a size that the kernel knows by itself; 4096 are there.
    unsafe { call(interface, &mut words) }?;
    Ok(bytes(&words))
}

/// `ethtool_link_settings` with its three masks of link modes.
pub(crate) fn link_settings(interface: &str) -> Result<Vec<u8>, Errno> {
    let mut words = vec![0; RECORD_WORDS];
    put(&mut words, 0, GLINKSETTINGS);
    // SAFETY: asked with a mask size of 0, the kernel writes the 48 bytes of the head and how long its masks are, as a negative number.
    unsafe { call(interface, &mut words) }?;
    const NWORDS: usize = 15;
    let masks = bytes(&words).get(NWORDS).map_or(0, |byte| byte.cast_signed());
    let masks = u8::try_from(masks.checked_neg().unwrap_or(0)).map_err(|_| Errno::PROTO)?;
    let mut words = vec![0; RECORD_WORDS];
    put(&mut words, 0, GLINKSETTINGS);
    put(&mut words, 3, u32::from_ne_bytes([0, 0, 0, masks]));
    // SAFETY: the kernel writes the head and three masks of at most 127 words each, 1572 bytes; 4096 are there.
    unsafe { call(interface, &mut words) }?;
    Ok(bytes(&words))
}

/// The driver's statistics in its order: name and value.
pub(crate) fn statistics(interface: &str) -> Result<Vec<(String, u64)>, Errno> {
    // Queues that come and go between the two questions change both; a third round would see the same.
    for _ in 0..2 {
        let count = statistics_count(interface)?;
        let names = statistics_names(interface, count)?;
        let values = statistics_values(interface, count)?;
        if names.len() == values.len() {
            return Ok(names.into_iter().zip(values).collect());
        }
    }
    Err(Errno::AGAIN)
}

fn statistics_count(interface: &str) -> Result<usize, Errno> {
    let mut words = vec![0; RECORD_WORDS];
    put(&mut words, 0, GSSET_INFO);
    put(&mut words, 2, 1 << ETH_SS_STATS);
    // SAFETY: one bit is set in the mask, so that the kernel writes one count behind the 16 bytes of the head.
    unsafe { call(interface, &mut words) }?;
    // The kernel clears the bit of a set that the driver does not have.
    if get(&words, 2) & (1 << ETH_SS_STATS) == 0 {
        return Err(Errno::OPNOTSUPP);
    }
    let count = usize::try_from(get(&words, 4)).map_err(|_| Errno::TOOBIG)?;
    if count > STATISTICS_MAX { Err(Errno::TOOBIG) } else { Ok(count) }
}

fn statistics_names(interface: &str, count: usize) -> Result<Vec<String>, Errno> {
    const HEAD: usize = 12;
    let mut words = vec![0; (HEAD + (count + SLACK) * STRING_LENGTH).div_ceil(8)];
    put(&mut words, 0, GSTRINGS);
    put(&mut words, 1, ETH_SS_STATS);
    put(&mut words, 2, u32::try_from(count).map_err(|_| Errno::TOOBIG)?);
    // SAFETY: the kernel writes the head and 32 bytes for each string; there is room for SLACK strings more than it just said to have, which no
    // reconfiguration of queues adds.
    unsafe { call(interface, &mut words) }?;
    let said = usize::try_from(get(&words, 2)).map_err(|_| Errno::TOOBIG)?;
    let taken: Vec<u8> = words.iter().take((HEAD + said * STRING_LENGTH).div_ceil(8)).flat_map(|word| word.to_ne_bytes()).collect();
    Ok(taken.get(HEAD..).unwrap_or_default().chunks_exact(STRING_LENGTH).take(said).map(string).collect())
}

fn statistics_values(interface: &str, count: usize) -> Result<Vec<u64>, Errno> {
    let mut words = vec![0; 1 + count + SLACK];
    put(&mut words, 0, GSTATS);
    put(&mut words, 1, u32::try_from(count).map_err(|_| Errno::TOOBIG)?);
    // SAFETY: the kernel writes the head and 8 bytes for each value; there is room for SLACK values more than it just said to have, which no
    // reconfiguration of queues adds.
    unsafe { call(interface, &mut words) }?;
    let said = usize::try_from(get(&words, 1)).map_err(|_| Errno::TOOBIG)?;
    Ok(words.get(1..).unwrap_or_default().iter().copied().take(said).collect())
}

/// The EEPROM of the plugged-in module, all pages that the driver gives, one after another.
pub(crate) fn module_eeprom(interface: &str) -> Result<Vec<u8>, Errno> {
    const HEAD: usize = 16;
    let info = record(interface, Record::ModuleInfo)?;
    let length = info.get(8..12).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes);
    let size = usize::try_from(length).ok().filter(|size| (1..=EEPROM_MAX).contains(size)).ok_or(Errno::PROTO)?;
    let mut words = vec![0; (HEAD + size).div_ceil(8)];
    put(&mut words, 0, GMODULEEEPROM);
    put(&mut words, 3, length);
    // SAFETY: the kernel writes the 16 bytes of the head and at most as many bytes behind it as the head asks for; all of them have room.
    unsafe { call(interface, &mut words) }?;
    let read = usize::try_from(get(&words, 3)).map_or(0, |read| read.min(size));
    Ok(bytes(&words).get(HEAD..HEAD + read).unwrap_or_default().to_vec())
}

/// Asks the driver of an interface; the command is the first word.
///
/// # Safety
/// `words` has room for all that the kernel writes for that command.
unsafe fn call(interface: &str, words: &mut [u64]) -> Result<(), Errno> {
    let socket = UnixDatagram::unbound().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    // SAFETY: `ifreq` is a C record of integers and pointers; all zero is a valid value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // A name that does not fit, its closing zero included, is the name of no interface.
    if interface.len() >= request.ifr_name.len() {
        return Err(Errno::NODEV);
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
    // SAFETY: SIOCETHTOOL takes an `ifreq` whose data point to the record of a command; that the record has room is the caller's promise, it is
    // borrowed exclusively, and the kernel keeps no pointer to it.
    let request = unsafe { Updater::<SIOCETHTOOL, libc::ifreq>::new(&mut request) };
    // SAFETY: as above; only GET commands are asked, which change nothing.
    unsafe { ioctl(&socket, request) }
}

fn string(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

// The n-th 32 bit word of the record.
fn get(words: &[u64], n: usize) -> u32 {
    let bytes = words.get(n / 2).copied().unwrap_or(0).to_ne_bytes();
    let half = if n.is_multiple_of(2) { [bytes[0], bytes[1], bytes[2], bytes[3]] } else { [bytes[4], bytes[5], bytes[6], bytes[7]] };
    u32::from_ne_bytes(half)
}

fn put(words: &mut [u64], n: usize, value: u32) {
    if let Some(word) = words.get_mut(n / 2) {
        let mut bytes = word.to_ne_bytes();
        let at = n % 2 * 4;
        bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        *word = u64::from_ne_bytes(bytes);
    }
}

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_has_no_driver_and_a_name_that_is_too_long_is_none() {
        for name in ["assay-none", "an-interface-with-a-very-long-name", ""] {
            assert_eq!(record(name, Record::Driver), Err(Errno::NODEV), "{name}");
        }
    }

    #[test]
    fn the_loopback_interface_has_neither_fec_nor_a_module() {
        assert_eq!(record("lo", Record::Fec), Err(Errno::OPNOTSUPP));
        assert_eq!(module_eeprom("lo"), Err(Errno::OPNOTSUPP));
        assert_eq!(statistics("lo"), Err(Errno::OPNOTSUPP));
    }

    #[test]
    fn halves_of_words_stay_where_they_are_put() {
        let mut words = vec![0; 2];
        (0..4).for_each(|n| put(&mut words, usize::try_from(n).expect("small"), n + 7));
        assert_eq!([get(&words, 0), get(&words, 1), get(&words, 2), get(&words, 3), get(&words, 9)], [7, 8, 9, 10, 0]);
    }
}
