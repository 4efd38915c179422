//! What a PCI function says of itself in its configuration space, `config` in its folder: payload sizes, power saving, slot.

use assay_model::attr::Attr;
use assay_model::component::Reading;

use crate::described::Described;
use crate::host::{Host, unanswered};
use crate::pci_config::{Express, SPACE};

/// The attributes of the PCI Express capability. Only the space that it is in is read: each of its bytes is asked of the device.
pub(super) fn describe<'a>(host: &Host, described: Described<'a>, folder: &str) -> Described<'a> {
    let path = format!("{folder}/config");
    let express = host.head(&path, SPACE).map(|space| Express::parse(&space));
    let of = |read: &dyn Fn(&Express) -> Reading| match &express {
        Ok(Ok(Some(express))) => read(express),
        Ok(Ok(None)) => Reading::Absent,
        Ok(Err(why)) => Reading::Unreadable(why.clone()),
        Err(error) => unanswered(error),
    };
    described
        .put(Attr::PortType, path.as_str(), of(&|express| express.port_type.into()))
        .put(Attr::PayloadSize, path.as_str(), of(&|express| express.payload_size.into()))
        .put(Attr::PayloadSizeMax, path.as_str(), of(&|express| express.payload_size_max.into()))
        .put(Attr::ReadRequestSize, path.as_str(), of(&|express| express.read_request_size.into()))
        .put(Attr::PowerSaving, path.as_str(), of(&|express| express.power_saving.map_or(Reading::Absent, Reading::from)))
        .put(Attr::PhysicalSlot, path.as_str(), of(&|express| express.physical_slot.map_or(Reading::Absent, Reading::from)))
}

#[cfg(test)]
mod tests {
    use assay_model::attr::Kind;
    use assay_model::component::Component;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::pci_config::made_up::root_port;

    const FOLDER: &str = "/sys/bus/pci/devices/0000:20:01.1";

    fn described(text: &str) -> Component {
        let host = Host::from_snapshot(text).expect("a fixture");
        describe(&host, Described::new(&host, Kind::Pci, "0000:20:01.1", FOLDER), FOLDER).done()
    }

    #[test]
    fn a_port_says_its_sizes_power_saving_and_slot() {
        let port = described(&format!("{FOLDER}/config bytes:\n|{}", STANDARD.encode(root_port())));
        assert_eq!(port.reading(Attr::PayloadSize), &512_u64.into());
        assert_eq!(port.reading(Attr::PowerSaving), &"off".into());
        assert_eq!(port.reading(Attr::PhysicalSlot), &21_u64.into());
        assert_eq!(port.source(Attr::PortType), format!("{FOLDER}/config"));
    }

    #[test]
    fn absent_refused_and_cut_off_are_three_answers() {
        assert_eq!(described("unmentioned: absent").reading(Attr::PayloadSize), &Reading::Absent);
        let header = format!("{FOLDER}/config bytes:\n|{}", STANDARD.encode(&root_port()[..64]));
        for text in [header, format!("{FOLDER}/config error: EIO"), format!("{FOLDER}/config bytes:\n|AAAA")] {
            assert!(matches!(described(&text).reading(Attr::PayloadSize), Reading::Unreadable(_)), "{text}");
        }
    }
}
