//! The firmware of a network card: what runs, what is stored for the next reset, and the board id (PSID) that it belongs to. From devlink where the driver has it, else
//! from `/sys/class/infiniband` and from the driver information.

use assay_model::attr::Attr;
use assay_model::component::Reading;

use super::rdma::RdmaPort;
use super::said::Said;
use crate::described::Described;
use crate::host::{EthtoolTopic, Host};
use crate::probe::is_placeholder;

/// The versions that stand for the whole firmware, in the order in which they are believed.
const WHOLE: &[&str] = &["fw.version", "fw", "fw.bundle_id", "fw.mgmt"];

/// The port with the firmware of its card.
pub(super) fn firmware<'a>(host: &Host, described: Described<'a>, name: &str, address: Option<&str>, rdma: Option<&RdmaPort>) -> Described<'a> {
    let driver = Said::new(Host::ethtool_name(name, EthtoolTopic::Driver), host.ethtool(name, EthtoolTopic::Driver));
    let info = address.map(|address| Said::new(Host::devlink_name(address), host.devlink(address)));
    let described = running(host, described, &driver, info.as_ref(), rdma);
    match &info {
        Some(info) => stored(described, info),
        None => described,
    }
}

fn running<'a>(host: &Host, described: Described<'a>, driver: &Said, info: Option<&Said>, rdma: Option<&RdmaPort>) -> Described<'a> {
    let (version, board) = versioned(driver.line("fw_version").unwrap_or_default());
    let from_info = |names: &[String]| names.iter().find_map(|name| Some((info?.source(name), Reading::from(info?.line(name)?))));
    let from_rdma = |file: &str| {
        let path = rdma?.file(file);
        let reading = host.reading(&path);
        (reading != Reading::Absent).then_some((path, reading))
    };
    let from_driver = |text: &str| {
        let silence = driver.silence().unwrap_or(Reading::Absent);
        (driver.source("fw_version"), if is_placeholder(text) || text.is_empty() { silence } else { text.into() })
    };
    let whole: Vec<String> = WHOLE.iter().map(|name| format!("running {name}")).collect();
    let (source, reading) = match (from_info(&whole), from_rdma("fw_ver")) {
        (Some((one, a)), Some((other, b))) if a != b => (other.clone(), Reading::Unreadable(format!("{other} says {b}, {one} says {a}"))),
        (Some(said), _) | (None, Some(said)) => said,
        (None, None) => from_driver(version),
    };
    let described = described.put(Attr::Firmware, source, reading);
    // A function that calls its board by two names is unlike the others by either.
    let (source, reading) = match (from_rdma("board_id"), from_info(&["fixed fw.psid".into()])) {
        (Some((source, Reading::Value(a))), Some((_, Reading::Value(b)))) if a != b => (source, format!("{a} (by devlink {b})").into()),
        (Some(said), _) | (None, Some(said)) => said,
        (None, None) => from_driver(board),
    };
    described.put(Attr::Psid, source, reading)
}

/// What is stored under the name that also runs: other pairs are not comparable.
fn stored<'a>(described: Described<'a>, info: &Said) -> Described<'a> {
    if let Some(silence) = info.silence() {
        return described.put(Attr::FirmwareStored, info.source("stored fw.version"), silence);
    }
    let both = WHOLE.iter().find(|name| info.line(&format!("running {name}")).is_some());
    let name = format!("stored {}", both.unwrap_or(&"fw.version"));
    let reading = info.line(&name).filter(|version| !version.is_empty()).map_or(Reading::Absent, Reading::from);
    described.put(Attr::FirmwareStored, info.source(&name), reading)
}

/// `20.43.2566 (MT_0000000223)` is a version and a board.
fn versioned(text: &str) -> (&str, &str) {
    let board = text.strip_suffix(')').and_then(|text| text.rsplit_once(" (")).filter(|(_, board)| !board.contains(' '));
    board.unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_with_a_board_is_taken_apart_and_another_one_is_left_whole() {
        assert_eq!(versioned("20.43.2566 (MT_0000000223)"), ("20.43.2566", "MT_0000000223"));
        assert_eq!(versioned("4.40 0x8001c7d4 1.3534.0"), ("4.40 0x8001c7d4 1.3534.0", ""));
        assert_eq!(versioned("1.2 (from ROM)"), ("1.2 (from ROM)", ""));
        assert_eq!(versioned(""), ("", ""));
    }
}
