//! Ports of network cards: interfaces with a device behind them from `/sys/class/net`, what their driver says over ethtool and devlink, and ports of VPI cards that have
//! no interface because they speak InfiniBand. Bonds, bridges and other interfaces of software are left out, and so are shares of a card (virtual functions
//! and representors) and the USB port by which a management controller speaks with its host.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use self::rdma::RdmaPort;
use self::said::Said;
use super::{Probe, pci};
use crate::described::Described;
use crate::host::{EthtoolTopic, Host, HostError, unanswered, whole};

mod counters;
mod firmware;
mod module;
mod rdma;
mod said;

pub(crate) use self::module::SerialNumber;

/// The probe of network interfaces.
pub(super) struct Nic;

const NET: &str = "/sys/class/net";
/// `speed` is in Mbit/s.
const MEGABIT: u64 = 1_000_000;
/// `PORT_*` of `linux/ethtool.h`.
const MEDIA: &[(&str, &str)] = &[
    ("0", "twisted pair"),
    ("1", "AUI"),
    ("2", "MII"),
    ("3", "fibre"),
    ("4", "BNC"),
    ("5", "direct attach cable"),
    ("239", "none"),
    ("255", "other"),
];

impl Probe for Nic {
    fn name(&self) -> &'static str {
        "nic"
    }

    fn describe(&self) -> &'static str {
        "Ports of network cards: link, FEC, firmware, module and counters, from /sys/class/net, ethtool, devlink and /sys/class/infiniband."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Nic]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let Some(names) = host.list_or_none(NET)? else { return Err(HostError::SourceMissing(NET.into())) };
        let rdma = rdma::ports(host);
        let mut found = Vec::new();
        let mut seen = Vec::new();
        for name in &names {
            let folder = format!("{NET}/{name}");
            if host.exists(&format!("{folder}/device"))? && !is_share(host, &folder) && !is_of_management(host, &folder) {
                // Cards with several ports on one function number their interfaces; most have one and say 0.
                let number = host.reading_u64(&format!("{folder}/dev_port")).value().and_then(Value::as_u64).unwrap_or(0);
                let place = pci::behind(host, &folder)?.map(|address| (address, number));
                found.push(interface(host, name, place.as_ref(), &rdma)?);
                seen.extend(place);
            }
        }
        let alone = rdma.iter().flatten().filter(|port| !seen.iter().any(|place| port.is_of(place)));
        found.extend(alone.filter_map(|port| port.component(host)));
        Ok(found)
    }
}

/// USB ids of the network interface that management controllers are to their host: AMI's (MegaRAC, Supermicro, ASUS), Dell's iDRAC and IBM's and Lenovo's XCC.
const MANAGEMENT_CONTROLLERS: [[&str; 2]; 3] = [["046b", "ffb0"], ["413c", "a102"], ["04b3", "4010"]];

/// The Redfish host interface of a management controller: no port that anybody ordered or cabled. What cannot be told must not hide a port.
fn is_of_management(host: &Host, folder: &str) -> bool {
    // The interface of a USB device is a step of its path, below the device itself: `.../1-1.2/1-1.2:2.0/net/enx...`.
    let Ok(target) = host.link(folder) else { return false };
    let Some((device, _)) = target.rsplit_once("/net/").and_then(|(interface, _)| interface.rsplit_once('/')) else { return false };
    let device = format!("/sys/{}", device.trim_start_matches("../"));
    let id = |name: &str| host.read(&format!("{device}/{name}")).unwrap_or_default().trim().to_ascii_lowercase();
    let ids = [id("idVendor"), id("idProduct")];
    MANAGEMENT_CONTROLLERS.iter().any(|known| ids == *known)
}

/// A virtual function, or an interface that stands for one in the switch of its card. What cannot be told must not hide a port.
fn is_share(host: &Host, folder: &str) -> bool {
    // Drivers without such a name refuse it with EOPNOTSUPP.
    let name = host.read(&format!("{folder}/phys_port_name")).unwrap_or_default();
    let is_representor = name.trim().starts_with("pf") && (name.contains("vf") || name.contains("sf"));
    is_representor || host.exists(&format!("{folder}/device/physfn")).unwrap_or(false)
}

fn interface(host: &Host, name: &str, place: Option<&(String, u64)>, rdma: &Result<Vec<RdmaPort>, HostError>) -> Result<Component, HostError> {
    let folder = format!("{NET}/{name}");
    // net-sysfs fails carrier, speed and duplex with EINVAL while the interface is down: that is "no link", not an error.
    let described = Described::new(host, Kind::Nic, name, folder.as_str())
        .put(Attr::Name, folder.as_str(), name)
        .text(Attr::Mac, "address")
        .leads_to(Attr::Driver, "device/driver")
        .text(Attr::OperState, "operstate")
        .unless_invalid(Attr::Carrier, "carrier", carrier)
        .count(Attr::CarrierChanges, "carrier_changes")
        .count(Attr::InterfaceIndex, "ifindex")
        .unless_invalid(Attr::Speed, "speed", speed)
        .unless_invalid(Attr::Duplex, "duplex", |text| Ok(if text == "unknown" { Reading::Absent } else { text.into() }))
        .count(Attr::Mtu, "mtu")
        .count(Attr::ReceiveErrors, "statistics/rx_errors")
        .count(Attr::TransmitErrors, "statistics/tx_errors")
        .count(Attr::ReceiveDropped, "statistics/rx_dropped")
        .count(Attr::TransmitDropped, "statistics/tx_dropped");
    let said = |topic| Said::new(Host::ethtool_name(name, topic), host.ethtool(name, topic));
    let described = settings(described, &said(EthtoolTopic::Ring), &said(EthtoolTopic::Pause), &said(EthtoolTopic::Fec));
    let described = queues(described, &said(EthtoolTopic::Channels), &said(EthtoolTopic::Link));
    let statistics = said(EthtoolTopic::Statistics);
    let described = counters::pauses(counters::counters(described, &statistics), &statistics);
    let described = plugged(host, described, name);

    let port = rdma.as_ref().ok().into_iter().flatten().find(|port| place.is_some_and(|place| port.is_of(place)));
    let described = match (rdma, place) {
        (Err(error), Some(_)) => described.put(Attr::LinkLayer, rdma::DEVICES, unanswered(error)),
        (Ok(_) | Err(_), _) => link_layer(host, described, &folder, port),
    };
    let described = rdma::counters(host, described, port, rdma.as_ref().err().filter(|_| place.is_some()));
    let described = firmware::firmware(host, described, name, place.map(|(address, _)| address.as_str()), port);
    let described = match place {
        Some((address, _)) => pci::identity(host, described, &pci::folder(address)),
        None => described,
    };
    Ok(with_slot_bandwidth(described.done()))
}

fn settings<'a>(described: Described<'a>, ring: &Said, pause: &Said, fec: &Said) -> Described<'a> {
    let words = |name: &str| fec.reading(name, |modes| Ok(modes.into()));
    described
        .put(Attr::RingReceive, ring.source("rx_pending"), ring.count("rx_pending"))
        .put(Attr::RingTransmit, ring.source("tx_pending"), ring.count("tx_pending"))
        .put(Attr::RingReceiveMax, ring.source("rx_max_pending"), ring.count("rx_max_pending"))
        .put(Attr::RingTransmitMax, ring.source("tx_max_pending"), ring.count("tx_max_pending"))
        .put(Attr::PauseReceive, pause.source("rx_pause"), pause.flag("rx_pause"))
        .put(Attr::PauseTransmit, pause.source("tx_pause"), pause.flag("tx_pause"))
        .put(Attr::FecActive, fec.source("active_fec"), words("active_fec"))
        .put(Attr::FecConfigured, fec.source("fec"), words("fec"))
}

fn queues<'a>(described: Described<'a>, channels: &Said, link: &Said) -> Described<'a> {
    let medium = link.reading("port", |port| {
        let known = MEDIA.iter().find(|(number, _)| *number == port);
        known.map(|(_, medium)| (*medium).into()).ok_or_else(|| "not a kind of port".into())
    });
    // Either combined queues or queues for each direction; the larger number is what traffic is spread over.
    let counts = ["combined_count", "rx_count"].map(|name| channels.count(name));
    let most = counts.iter().max_by_key(|count| count.value().and_then(Value::as_u64)).cloned().unwrap_or(Reading::Absent);
    described.put(Attr::Queues, channels.source("combined_count"), most).put(Attr::Medium, link.source("port"), medium)
}

fn plugged<'a>(host: &Host, described: Described<'a>, name: &str) -> Described<'a> {
    let source = Host::ethtool_module_name(name);
    let unread = |described: Described<'a>, reading: Reading| {
        [Attr::ModuleVendor, Attr::ModulePart, Attr::ModuleSerial, Attr::ModuleTemperature]
            .into_iter()
            .fold(described, |described, attr| described.put(attr, source.as_str(), reading.clone()))
    };
    match host.ethtool_module(name).map(|bytes| module::facts(&bytes)) {
        Ok(Ok(facts)) => facts.into_iter().fold(described, |described, (attr, reading)| described.put(attr, source.as_str(), reading)),
        Ok(Err(why)) => unread(described, Reading::Unreadable(why)),
        Err(error) => unread(described, unanswered(&error)),
    }
}

/// What the RDMA device says; without one, what the kind of interface is by itself.
fn link_layer<'a>(host: &Host, described: Described<'a>, folder: &str, port: Option<&RdmaPort>) -> Described<'a> {
    if let Some(port) = port {
        let path = port.link_layer();
        let reading = host.reading(&path);
        return described.put(Attr::LinkLayer, path, reading);
    }
    let radio = format!("{folder}/phy80211");
    match host.exists(&radio) {
        Ok(true) => described.put(Attr::LinkLayer, radio, "802.11"),
        Err(error) => described.put(Attr::LinkLayer, radio, unanswered(&error)),
        // ARPHRD_ETHER and ARPHRD_INFINIBAND of linux/if_arp.h.
        Ok(false) => described.understood(Attr::LinkLayer, "type", |kind| match whole(kind)? {
            1 => Ok("Ethernet".into()),
            32 => Ok("InfiniBand".into()),
            other => Ok(format!("type {other}").into()),
        }),
    }
}

/// What the link of the card carries in one direction before packets: lanes, rate and line code.
fn with_slot_bandwidth(port: Component) -> Component {
    let speed = port.value(Attr::LinkSpeed).and_then(Value::as_f64).filter(|speed| (2.0..=128.0).contains(speed));
    let width =
        port.value(Attr::LinkWidth).and_then(Value::as_u64).filter(|width| (1..=32).contains(width)).and_then(|width| u32::try_from(width).ok());
    let (Some(speed), Some(width)) = (speed, width) else { return port };
    let code = if speed < 8.0 { 8.0 / 10.0 } else { 128.0 / 130.0 };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 32 lanes of 128 GT/s, and positive")]
    let bits = (speed * 1e9 * code * f64::from(width)) as u64;
    let source = format!("{} x {}", port.source(Attr::LinkSpeed), port.source(Attr::LinkWidth));
    port.with(Attr::SlotBandwidth, source, bits)
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
            /sys/bus/pci/devices/0000:41:00.0/vendor: 0x15b3
            /sys/bus/pci/devices/0000:41:00.0/device: 0x101b
            /sys/bus/pci/devices/0000:41:00.0/current_link_speed: 16.0 GT/s PCIe
            /sys/bus/pci/devices/0000:41:00.0/current_link_width: 16
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

    const CARD: &str = "
        /sys/class/net/enp97s0f0np0/type: 1
        /sys/class/net/enp97s0f0np0/dev_port: 0
        /sys/class/net/enp97s0f0np0/phys_port_name: p0
        /sys/class/net/enp97s0f0np0/statistics/rx_packets: 5
        /sys/class/net/enp97s0f0np0/device link: ../../../0000:61:00.0
        /sys/class/net/enp97s0f0np0/device/subsystem link: ../../../../bus/pci
        /sys/bus/pci/devices/0000:61:00.0/current_link_speed: 16.0 GT/s PCIe
        /sys/bus/pci/devices/0000:61:00.0/current_link_width: 16
        /sys/class/infiniband/mlx5_0/device link: ../../../0000:61:00.0
        /sys/class/infiniband/mlx5_0/device/subsystem link: ../../../../bus/pci
        /sys/class/infiniband/mlx5_0/ports/1/link_layer: Ethernet
        /sys/class/infiniband/mlx5_0/fw_ver: 20.43.2566
        /sys/class/infiniband/mlx5_0/board_id: MT_0000000223
        ethtool:enp97s0f0np0/driver:
        |driver: mlx5_core
        |fw_version: 20.43.2566 (MT_0000000223)
        ethtool:enp97s0f0np0/fec:
        |active_fec: RS
        |fec: Auto
        ethtool:enp97s0f0np0/ring:
        |rx_max_pending: 8192
        |tx_max_pending: 8192
        |rx_pending: 1024
        |tx_pending: 512
        ethtool:enp97s0f0np0/pause:
        |autoneg: 0
        |rx_pause: 1
        |tx_pause: 0
        ethtool:enp97s0f0np0/channels:
        |combined_count: 63
        |rx_count: 0
        ethtool:enp97s0f0np0/link: port: 3
        ethtool:enp97s0f0np0/stats:
        |rx_packets: 6
        |rx_packets_phy: 7
        |rx_bits_phy: 900000000000
        |rx_corrected_bits_phy: 41
        |rx_pcs_symbol_err_phy: 0
        |rx_out_of_buffer: 2
        |module_high_temp: x
        devlink:pci/0000:61:00.0/info:
        |driver: mlx5_core
        |fixed fw.psid: MT_0000000223
        |running fw.version: 20.43.2566
        |running fw: 20.43.2566
        |stored fw.version: 20.44.1036
        |stored fw: 20.44.1036";

    #[test]
    fn a_card_says_what_its_driver_its_firmware_and_its_slot_say() {
        let all = found(CARD);
        assert_eq!(all.len(), 1, "the RDMA device is the same port");
        for (attr, reading) in [
            (Attr::LinkLayer, "Ethernet".into()),
            (Attr::FecActive, "RS".into()),
            (Attr::FecConfigured, "Auto".into()),
            (Attr::Firmware, "20.43.2566".into()),
            (Attr::FirmwareStored, "20.44.1036".into()),
            (Attr::Psid, "MT_0000000223".into()),
            (Attr::RingReceive, 1024_u64.into()),
            (Attr::RingTransmitMax, 8192_u64.into()),
            (Attr::PauseReceive, true.into()),
            (Attr::PauseTransmit, false.into()),
            (Attr::Queues, 63_u64.into()),
            (Attr::Medium, "fibre".into()),
            (Attr::SlotBandwidth, 252_061_538_461_u64.into()),
            (Attr::ReceivedPackets, 7_u64.into()),
            (Attr::ReceivedBits, 900_000_000_000_u64.into()),
            (Attr::CorrectedBits, 41_u64.into()),
            (Attr::OutOfBuffer, 2_u64.into()),
            (Attr::SymbolErrors, Reading::Absent),
            (Attr::ModuleVendor, Reading::Absent),
        ] {
            assert_eq!(all[0].reading(attr), &reading, "{attr}");
        }
        assert!(matches!(all[0].reading(Attr::ModuleTooHot), Reading::Unreadable(_)));
        assert_eq!(all[0].source(Attr::CorrectedBits), "ethtool:enp97s0f0np0/stats rx_corrected_bits_phy");
    }

    #[test]
    fn without_devlink_the_firmware_is_what_the_rdma_device_or_the_driver_says() {
        let without = |from: &str, marker: &str| from.split(marker).next().expect("a beginning").to_owned();
        let undevlinked = without(CARD, "devlink:");
        let port = &found(&undevlinked)[0];
        assert_eq!((port.reading(Attr::Firmware), port.reading(Attr::FirmwareStored)), (&"20.43.2566".into(), &Reading::Absent));
        assert_eq!(port.source(Attr::Psid), "/sys/class/infiniband/mlx5_0/board_id");
        let plain = &found(&undevlinked.replace("/sys/class/infiniband/mlx5_0", "/sys/class/other/mlx5_0"))[0];
        assert_eq!((plain.reading(Attr::Firmware), plain.reading(Attr::Psid)), (&"20.43.2566".into(), &"MT_0000000223".into()));
        assert_eq!(plain.reading(Attr::LinkLayer), &"Ethernet".into(), "an interface of type 1 is one of Ethernet");
        let refused = &found(&format!("{undevlinked}devlink:pci/0000:61:00.0/info error: EPERM"))[0];
        assert!(matches!(refused.reading(Attr::FirmwareStored), Reading::Unreadable(_)));
    }

    #[test]
    fn topics_that_the_driver_refuses_are_unreadable_and_those_that_it_lacks_are_absent() {
        let port = &found(
            "/sys/class/net/eth0/device link: ../x\n/sys/class/net/eth0/statistics/rx_packets: 5\n/sys/class/net/eth0/statistics/rx_missed_errors: 1\nethtool:eth0/fec error: EIO\nethtool:eth0/module error: EIO\nethtool:eth0/ring: nonsense",
        )[0];
        for attr in [Attr::FecActive, Attr::ModulePart, Attr::ModuleTemperature, Attr::RingReceive] {
            assert!(matches!(port.reading(attr), Reading::Unreadable(_)), "{attr}");
        }
        for attr in [Attr::PauseReceive, Attr::Firmware, Attr::FirmwareStored, Attr::Psid, Attr::CrcErrors, Attr::Medium, Attr::Queues] {
            assert_eq!(port.reading(attr), &Reading::Absent, "{attr}");
        }
        assert_eq!(port.reading(Attr::ReceivedPackets), &5_u64.into(), "the kernel's counter stands in");
        assert_eq!(port.reading(Attr::OutOfBuffer), &1_u64.into());
        let refused = &found("/sys/class/net/eth0/device link: ../x\n/sys/class/net/eth0/statistics/rx_packets: 5\nethtool:eth0/stats error: EIO")[0];
        assert!(matches!(refused.reading(Attr::ReceivedPackets), Reading::Unreadable(_)));
    }

    #[test]
    fn congestion_and_loss_are_counted_by_the_rdma_side_and_pauses_of_all_priorities_together() {
        let counted = CARD.replace(
            "        /sys/class/infiniband/mlx5_0/fw_ver",
            "        /sys/class/infiniband/mlx5_0/ports/1/hw_counters/np_cnp_sent: 12
        /sys/class/infiniband/mlx5_0/ports/1/hw_counters/rp_cnp_handled: x
        /sys/class/infiniband/mlx5_0/ports/1/hw_counters/local_ack_timeout_err error: EIO
        /sys/class/infiniband/mlx5_0/fw_ver",
        );
        let port = &found(&counted.replace(
            "        |rx_packets: 6",
            "        |rx_packets: 6\n        |rx_prio0_pause: 1\n        |rx_prio3_pause: 40\n        |tx_prio3_pause: y",
        ))[0];
        assert_eq!((port.reading(Attr::CnpSent), port.reading(Attr::EcnMarked)), (&12_u64.into(), &Reading::Absent));
        assert_eq!(port.source(Attr::CnpSent), "/sys/class/infiniband/mlx5_0/ports/1/hw_counters/np_cnp_sent");
        assert_eq!(port.reading(Attr::PriorityPausesReceived), &41_u64.into());
        for attr in [Attr::CnpHandled, Attr::AckTimeouts, Attr::PriorityPausesSent] {
            assert!(matches!(port.reading(attr), Reading::Unreadable(_)), "{attr}");
        }
        let silent = &found("/sys/class/net/eth0/device link: ../x\nethtool:eth0/stats error: EIO")[0];
        assert!(matches!(silent.reading(Attr::PriorityPausesReceived), Reading::Unreadable(_)));
        let plain = &found("/sys/class/net/eth0/device link: ../x")[0];
        assert_eq!((plain.reading(Attr::CnpSent), plain.reading(Attr::PriorityPausesSent)), (&Reading::Absent, &Reading::Absent));
    }

    #[test]
    fn a_vpi_port_that_speaks_infiniband_is_seen_with_and_without_an_interface() {
        let speaks = |layer: &str| CARD.replace("link_layer: Ethernet", &format!("link_layer: {layer}"));
        assert_eq!(found(&speaks("InfiniBand"))[0].reading(Attr::LinkLayer), &"InfiniBand".into());
        let bare = |text: &str| found(&format!("/sys/class/net/lo/type: 772\n{}", text.replace("/sys/class/net/", "/sys/class/gone/")));
        let alone = bare(&speaks("InfiniBand"));
        assert_eq!((alone.len(), alone[0].locator.as_str()), (1, "mlx5_0"));
        assert_eq!(alone[0].reading(Attr::LinkLayer), &"InfiniBand".into());
        assert_eq!(bare(&speaks("Ethernet")), Vec::new());
        assert_eq!(bare(&speaks("Unspecified")), Vec::new());
        assert_eq!(found("/sys/class/net/ib0/device link: ../x\n/sys/class/net/ib0/type: 32")[0].reading(Attr::LinkLayer), &"InfiniBand".into());
    }

    #[test]
    fn an_rdma_side_that_cannot_be_read_leaves_the_link_layer_open() {
        let port =
            &found(&format!("{}/sys/class/infiniband error: EACCES", CARD.replace("/sys/class/infiniband/mlx5_0", "/sys/class/other/mlx5_0") + "\n"))
                [0];
        assert!(matches!(port.reading(Attr::LinkLayer), Reading::Unreadable(_)));
    }

    #[test]
    fn shares_of_a_card_and_interfaces_of_software_are_no_ports_and_wifi_is_no_ethernet() {
        let all = found(
            "
            /sys/class/net/vf0/device/physfn link: ../0000:61:00.0
            /sys/class/net/eth0_0/device link: ../../../0000:61:00.0
            /sys/class/net/eth0_0/phys_port_name: pf0vf3
            /sys/class/net/veth0/type: 1
            /sys/class/net/wlan0/device link: ../../../0000:03:00.0
            /sys/class/net/wlan0/phy80211 link: ../../ieee80211/phy0
            /sys/class/net/wlan0/type: 1
            /sys/class/net/eth1/device link: ../x
            /sys/class/net/eth1/phys_port_name error: EOPNOTSUPP
            /sys/class/net/eth1/device/physfn error: EIO
            /sys/class/net/eth1/phy80211 error: EIO",
        );
        let names: Vec<&str> = all.iter().map(|port| port.locator.as_str()).collect();
        assert_eq!(names, ["eth1", "wlan0"]);
        assert_eq!(all[1].reading(Attr::LinkLayer), &"802.11".into());
        assert!(matches!(all[0].reading(Attr::LinkLayer), Reading::Unreadable(_)), "what cannot be told hides no port and makes no Ethernet");
    }

    #[test]
    fn no_network_at_all_is_a_missing_source_and_no_card_an_empty_list() {
        let ended = |snapshot: &str| Nic.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
        assert_eq!(ended("unmentioned: absent"), Err(HostError::SourceMissing(NET.into())));
        assert_eq!(ended("/sys/class/net/lo/mtu: 65536"), Ok(Vec::new()));
        assert!(ended("/sys/class/net error: EACCES").is_err());
    }
}
