//! Network interfaces with a device behind them, from `/sys/class/net`. Bonds, bridges and other interfaces of software are left out.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::{Probe, pci};
use crate::described::Described;
use crate::host::{Host, HostError, whole};

/// The probe of network interfaces.
pub(super) struct Nic;

const NET: &str = "/sys/class/net";
/// `speed` is in Mbit/s.
const MEGABIT: u64 = 1_000_000;

impl Probe for Nic {
    fn name(&self) -> &'static str {
        "nic"
    }

    fn describe(&self) -> &'static str {
        "Network interfaces with a device behind them: link, driver, error counters, from /sys/class/net."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Nic]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let Some(names) = host.list_or_none(NET)? else { return Err(HostError::SourceMissing(NET.into())) };
        let mut found = Vec::new();
        for name in &names {
            if host.exists(&format!("{NET}/{name}/device"))? {
                found.push(interface(host, name)?);
            }
        }
        Ok(found)
    }
}

fn interface(host: &Host, name: &str) -> Result<Component, HostError> {
    let folder = format!("{NET}/{name}");
    // net-sysfs fails carrier, speed and duplex with EINVAL while the interface is down: that is "no link", not an error.
    let described = Described::new(host, Kind::Nic, name, folder.as_str())
        .put(Attr::Name, folder.as_str(), name)
        .text(Attr::Mac, "address")
        .leads_to(Attr::Driver, "device/driver")
        .text(Attr::OperState, "operstate")
        .unless_invalid(Attr::Carrier, "carrier", carrier)
        .count(Attr::CarrierChanges, "carrier_changes")
        .unless_invalid(Attr::Speed, "speed", speed)
        .unless_invalid(Attr::Duplex, "duplex", |text| Ok(if text == "unknown" { Reading::Absent } else { text.into() }))
        .count(Attr::Mtu, "mtu")
        .count(Attr::ReceiveErrors, "statistics/rx_errors")
        .count(Attr::TransmitErrors, "statistics/tx_errors")
        .count(Attr::ReceiveDropped, "statistics/rx_dropped")
        .count(Attr::TransmitDropped, "statistics/tx_dropped");
    let described = match pci::behind(host, &folder)? {
        Some(_) => pci::identity(host, described, &format!("{folder}/device")),
        None => described,
    };
    Ok(described.done())
}

fn carrier(text: &str) -> Result<Reading, String> {
    match text {
        "0" => Ok(false.into()),
        "1" => Ok(true.into()),
        _ => Err("neither 0 nor 1".into()),
    }
}

/// Mbit/s in bit/s; -1, which old kernels print without its sign, is "no link".
fn speed(text: &str) -> Result<Reading, String> {
    if text == "-1" || text == "4294967295" {
        return Ok(Reading::Absent);
    }
    whole(text)?.checked_mul(MEGABIT).map(Reading::from).ok_or_else(|| "larger than any speed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(snapshot: &str) -> Vec<Component> {
        Nic.probe(&Host::from_snapshot(snapshot).expect("a fixture")).expect("looked")
    }

    #[test]
    fn a_port_with_a_link_has_speed_in_bits_and_its_pci_identity() {
        let all = found(
            "
            /sys/class/net/enp65s0f0np0/address: 94:6d:ae:01:02:03
            /sys/class/net/enp65s0f0np0/carrier: 1
            /sys/class/net/enp65s0f0np0/speed: 200000
            /sys/class/net/enp65s0f0np0/duplex: full
            /sys/class/net/enp65s0f0np0/mtu: 9000
            /sys/class/net/enp65s0f0np0/statistics/rx_errors: 3
            /sys/class/net/enp65s0f0np0/device link: ../../../0000:41:00.0
            /sys/class/net/enp65s0f0np0/device/subsystem link: ../../../../bus/pci
            /sys/class/net/enp65s0f0np0/device/driver link: ../../../../bus/pci/drivers/mlx5_core
            /sys/class/net/enp65s0f0np0/device/vendor: 0x15b3
            /sys/class/net/enp65s0f0np0/device/device: 0x101b
            /sys/class/net/enp65s0f0np0/device/current_link_speed: 16.0 GT/s PCIe
            /sys/class/net/enp65s0f0np0/device/current_link_width: 16
            /sys/class/net/bond0/speed: 400000
            /sys/class/net/bonding_masters: bond0",
        );
        assert_eq!(all.len(), 1, "a bond has no device");
        let port = &all[0];
        assert_eq!(port.reading(Attr::Speed), &200_000_000_000_u64.into());
        assert_eq!(port.reading(Attr::Carrier), &true.into());
        assert_eq!(port.reading(Attr::PciId), &"15b3:101b".into());
        assert_eq!(port.reading(Attr::Driver), &"mlx5_core".into());
        assert_eq!(port.reading(Attr::LinkSpeed), &16.0.into());
        assert_eq!(port.reading(Attr::ReceiveErrors), &3_u64.into());
        assert_eq!(port.reading(Attr::TransmitErrors), &Reading::Absent);
    }

    #[test]
    fn a_port_that_is_down_has_no_speed_and_that_is_no_error() {
        let down = found(
            "
            /sys/class/net/eth0/device link: ../../../0000:41:00.0
            /sys/class/net/eth0/carrier error: EINVAL
            /sys/class/net/eth0/speed error: EINVAL
            /sys/class/net/eth0/duplex error: EINVAL
            /sys/class/net/eth1/device link: ../../../0000:41:00.1
            /sys/class/net/eth1/speed: -1
            /sys/class/net/eth1/duplex: unknown
            /sys/class/net/eth2/device link: ../../../0000:41:00.2
            /sys/class/net/eth2/speed error: EIO",
        );
        for attr in [Attr::Carrier, Attr::Speed, Attr::Duplex] {
            assert_eq!((down[0].reading(attr), down[1].reading(attr)), (&Reading::Absent, &Reading::Absent), "{attr}");
        }
        assert!(matches!(down[2].reading(Attr::Speed), Reading::Unreadable(_)), "EIO is an error");
    }

    #[test]
    fn a_device_on_another_bus_has_no_pci_identity() {
        let all = found(
            "
            /sys/class/net/eth0/device link: ../../../virtio1
            /sys/class/net/eth0/device/subsystem link: ../../../../bus/virtio
            /sys/class/net/eth0/device/vendor: 0x1af4
            /sys/class/net/eth0/device/device: 0x0001",
        );
        assert_eq!(all[0].reading(Attr::PciId), &Reading::Absent);
    }

    #[test]
    fn no_network_at_all_is_a_missing_source_and_no_card_an_empty_list() {
        let ended = |snapshot: &str| Nic.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
        assert_eq!(ended("unmentioned: absent"), Err(HostError::SourceMissing(NET.into())));
        assert_eq!(ended("/sys/class/net/lo/mtu: 65536"), Ok(Vec::new()));
        assert!(ended("/sys/class/net error: EACCES").is_err());
    }
}
