//! What a driver says of its interface over `SIOCETHTOOL` (`ethtool:eth0/TOPIC`): the fields of `linux/ethtool.h` by their names, one `name: value` a line, and the
//! module's EEPROM as bytes. A driver that does not answer a topic (`EOPNOTSUPP`) has none.

use rustix::io::Errno;

use super::live::Refusal;
use super::{Host, HostError};
use crate::sys::ethtool::{self, Record};

/// A topic that is answered in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EthtoolTopic {
    /// Driver, its version and that of the firmware.
    Driver,
    /// The driver's counters, by the driver's names.
    Statistics,
    /// Descriptors of the rings.
    Ring,
    /// Flow control.
    Pause,
    /// Forward error correction: `active_fec` and `fec`, which is what is configured.
    Fec,
    /// Port, autonegotiation and masks of link modes.
    Link,
    /// Queues.
    Channels,
}

impl EthtoolTopic {
    fn name(self) -> &'static str {
        match self {
            EthtoolTopic::Driver => "driver",
            EthtoolTopic::Statistics => "stats",
            EthtoolTopic::Ring => "ring",
            EthtoolTopic::Pause => "pause",
            EthtoolTopic::Fec => "fec",
            EthtoolTopic::Link => "link",
            EthtoolTopic::Channels => "channels",
        }
    }
}

const RING: &[&str] = &[
    "rx_max_pending",
    "rx_mini_max_pending",
    "rx_jumbo_max_pending",
    "tx_max_pending",
    "rx_pending",
    "rx_mini_pending",
    "rx_jumbo_pending",
    "tx_pending",
];
const PAUSE: &[&str] = &["autoneg", "rx_pause", "tx_pause"];
const CHANNELS: &[&str] = &["max_rx", "max_tx", "max_other", "max_combined", "rx_count", "tx_count", "other_count", "combined_count"];
/// `enum ethtool_fec_config_bits`.
const FEC_MODES: &[&str] = &["None", "Auto", "Off", "RS", "BaseR", "LLRS"];
const MASKS: &[&str] = &["supported", "advertising", "lp_advertising"];

impl Host {
    /// How the answer to a topic is called.
    pub(crate) fn ethtool_name(interface: &str, topic: EthtoolTopic) -> String {
        format!("ethtool:{interface}/{}", topic.name())
    }

    /// How the module's EEPROM is called.
    pub(crate) fn ethtool_module_name(interface: &str) -> String {
        format!("ethtool:{interface}/module")
    }

    /// The text of a topic.
    pub(crate) fn ethtool(&self, interface: &str, topic: EthtoolTopic) -> Result<String, HostError> {
        self.call_text(&Self::ethtool_name(interface, topic), || {
            let record = |record| ethtool::record(interface, record);
            let text = match topic {
                EthtoolTopic::Driver => record(Record::Driver).map(|bytes| driver(&bytes)),
                EthtoolTopic::Statistics => ethtool::statistics(interface).map(|all| statistics(&all)),
                EthtoolTopic::Ring => record(Record::Ring).map(|bytes| words(&bytes, RING)),
                EthtoolTopic::Pause => record(Record::Pause).map(|bytes| words(&bytes, PAUSE)),
                EthtoolTopic::Fec => record(Record::Fec).map(|bytes| fec(&bytes)),
                EthtoolTopic::Link => ethtool::link_settings(interface).map(|bytes| link(&bytes)),
                EthtoolTopic::Channels => record(Record::Channels).map(|bytes| words(&bytes, CHANNELS)),
            };
            text.map_err(refusal)
        })
    }

    /// The EEPROM of the plugged-in module: the pages that the driver gives, one after another.
    pub(crate) fn ethtool_module(&self, interface: &str) -> Result<Vec<u8>, HostError> {
        self.call_bytes(&Self::ethtool_module_name(interface), || ethtool::module_eeprom(interface).map_err(refusal))
    }
}

fn refusal(errno: Errno) -> Refusal {
    if errno == Errno::OPNOTSUPP || errno == Errno::NODEV { Refusal::Absent } else { Refusal::Errno(errno) }
}

fn driver(bytes: &[u8]) -> String {
    let fields = [("driver", 4, 32), ("version", 36, 32), ("fw_version", 68, 32), ("bus_info", 100, 32)];
    lines(fields.map(|(name, at, length)| (name, string(bytes.get(at..at + length).unwrap_or_default()))))
}

fn statistics(all: &[(String, u64)]) -> String {
    lines(all.iter().map(|(name, value)| (name.as_str(), value)))
}

// The record's words after its first, which is the command.
fn words(bytes: &[u8], names: &[&'static str]) -> String {
    lines(names.iter().enumerate().map(|(n, name)| (*name, word(bytes, n + 1))))
}

fn fec(bytes: &[u8]) -> String {
    lines([("active_fec", modes(word(bytes, 1))), ("fec", modes(word(bytes, 2)))])
}

/// The names of the bits that are set; one without a name as `bit 9`.
fn modes(mask: u32) -> String {
    let set = (0..32_usize).filter(|bit| mask & (1 << bit) != 0);
    set.map(|bit| FEC_MODES.get(bit).map_or_else(|| format!("bit{bit}"), |name| (*name).to_owned())).collect::<Vec<_>>().join(" ")
}

fn link(bytes: &[u8]) -> String {
    let byte = |at: usize| u32::from(bytes.get(at).copied().unwrap_or(0));
    let nwords = bytes.get(15).map_or(0, |&byte| usize::from(byte.cast_signed().max(0).unsigned_abs()));
    let mut facts = vec![
        ("speed", word(bytes, 1).to_string()),
        ("duplex", byte(8).to_string()),
        ("port", byte(9).to_string()),
        ("phy_address", byte(10).to_string()),
        ("autoneg", byte(11).to_string()),
        ("transceiver", byte(16).to_string()),
    ];
    // The most significant word first, as one number.
    for (n, name) in MASKS.iter().enumerate() {
        let mask: Vec<String> = (0..nwords).rev().map(|at| format!("{:08x}", word(bytes, 12 + n * nwords + at))).collect();
        facts.push((*name, format!("0x{}", mask.concat())));
    }
    lines(facts)
}

fn word(bytes: &[u8], n: usize) -> u32 {
    bytes.get(n * 4..n * 4 + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

fn string(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim().to_owned()
}

fn lines<'a, V: ToString>(facts: impl IntoIterator<Item = (&'a str, V)>) -> String {
    let lines = facts.into_iter().map(|(name, value)| {
        let (name, value) = (name.trim(), value.to_string());
        // A counter's name is the driver's: a line end in one must not make two facts of it.
        format!("{}: {}", name.replace(char::is_control, "?"), value.replace(char::is_control, "?"))
    });
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn record(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn records_become_lines_with_the_names_of_the_header() {
        assert_eq!(words(&record(&[0x12, 0, 1, 1]), PAUSE), "autoneg: 0\nrx_pause: 1\ntx_pause: 1");
        assert_eq!(fec(&record(&[0x50, 8, 2 | 8, 0])), "active_fec: RS\nfec: Auto RS");
        assert_eq!(fec(&record(&[0x50, 0, 1 << 9, 0])), "active_fec:\nfec: bit9");
        let mut drvinfo = vec![0; 196];
        drvinfo[4..13].copy_from_slice(b"mlx5_core");
        drvinfo[68..96].copy_from_slice(b"20.43.2566 (MT_0000000223) \0");
        assert_eq!(driver(&drvinfo), "driver: mlx5_core\nversion:\nfw_version: 20.43.2566 (MT_0000000223)\nbus_info:");
    }

    #[test]
    fn link_settings_have_three_masks_of_the_length_that_the_kernel_said() {
        let mut bytes = record(&[0x4c, 200_000, 0, 0]);
        bytes[8..12].copy_from_slice(&[1, 3, 0, 1]);
        bytes[15] = 2;
        bytes.extend(record(&[0; 8]));
        bytes.extend(record(&[1, 0, 2, 0, 3, 0x8000]));
        let text = link(&bytes);
        assert!(text.starts_with("speed: 200000\nduplex: 1\nport: 3\nphy_address: 0\nautoneg: 1\n"), "{text}");
        assert!(text.ends_with("supported: 0x0000000000000001\nadvertising: 0x0000000000000002\nlp_advertising: 0x0000800000000003"), "{text}");
    }

    #[test]
    fn a_short_record_is_all_zero_and_never_a_panic() {
        for length in 0..20 {
            let bytes = vec![0xff; length];
            let _ = (driver(&bytes), words(&bytes, RING), fec(&bytes), link(&bytes));
        }
    }

    #[test]
    fn the_loopback_interface_of_this_machine_has_a_link_and_no_fec() {
        let host = Host::live(Path::new("/"));
        assert!(host.ethtool("lo", EthtoolTopic::Fec).is_err_and(|error| error.is_absent()));
        assert!(host.ethtool_module("lo").is_err_and(|error| error.is_absent()));
        assert!(host.ethtool("assay-none", EthtoolTopic::Driver).is_err_and(|error| error.is_absent()));
    }

    #[test]
    fn answers_come_back_from_a_snapshot() {
        let host = Host::from_snapshot(
            "ethtool:eth0/stats:\n|rx_packets: 7\n|rx_bits_phy: 9\nethtool:eth0/module bytes:\n|EQg=\nethtool:eth0/fec error: EIO",
        )
        .expect("a fixture");
        assert_eq!(host.ethtool("eth0", EthtoolTopic::Statistics).as_deref(), Ok("rx_packets: 7\nrx_bits_phy: 9"));
        assert_eq!(host.ethtool_module("eth0").as_deref(), Ok([0x11, 8].as_slice()));
        assert!(host.ethtool("eth0", EthtoolTopic::Fec).is_err_and(|error| !error.is_absent()));
        assert!(host.ethtool("eth0", EthtoolTopic::Ring).is_err_and(|error| error.is_absent()));
    }
}
