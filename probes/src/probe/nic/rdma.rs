//! The RDMA side of network cards, from `/sys/class/infiniband`: which port speaks Ethernet and which InfiniBand, and the card's firmware. A port of a VPI card that
//! speaks InfiniBand may have no network interface at all, and is seen only here.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use crate::described::Described;
use crate::host::{Host, HostError, unanswered};
use crate::probe::pci;

/// Where RDMA devices are.
pub(super) const DEVICES: &str = "/sys/class/infiniband";

/// One port of an RDMA device behind a PCI function.
pub(super) struct RdmaPort {
    device: String,
    /// Counted from 1.
    number: u64,
    address: String,
}

impl RdmaPort {
    /// A file of its device.
    pub(super) fn file(&self, file: &str) -> String {
        format!("{DEVICES}/{}/{file}", self.device)
    }

    /// Where its link layer is said.
    pub(super) fn link_layer(&self) -> String {
        self.file(&format!("ports/{}/link_layer", self.number))
    }

    /// Whether it is the port of a network interface, of which the PCI function and the number (from 0) of its port there are known.
    pub(super) fn is_of(&self, (address, port): &(String, u64)) -> bool {
        self.address == *address && port.checked_add(1) == Some(self.number)
    }

    /// The port as a component of its own, when it speaks InfiniBand or does not say what it speaks.
    pub(super) fn component(&self, host: &Host) -> Option<Component> {
        let path = self.link_layer();
        let link_layer = host.reading(&path);
        let speaks_other = link_layer.value().is_some_and(|layer| layer.as_str() != Some("InfiniBand"));
        if speaks_other || link_layer == Reading::Absent {
            return None;
        }
        let locator = if self.number == 1 { self.device.clone() } else { format!("{} port {}", self.device, self.number) };
        let folder = format!("{DEVICES}/{}", self.device);
        let described = Described::new(host, Kind::Nic, locator, folder.as_str())
            .put(Attr::Name, folder.as_str(), self.device.as_str())
            .leads_to(Attr::Driver, "device/driver")
            .put(Attr::LinkLayer, path, link_layer)
            .text(Attr::Firmware, "fw_ver")
            .text(Attr::Psid, "board_id");
        Some(pci::identity(host, described, &pci::folder(&self.address)).done())
    }
}

/// Counters of congestion and loss by the names of mlx5 (`ports/N/hw_counters/`); other drivers have some of them, or none.
const COUNTERS: &[(Attr, &str)] = &[
    (Attr::CnpSent, "np_cnp_sent"),
    (Attr::CnpHandled, "rp_cnp_handled"),
    (Attr::CnpIgnored, "rp_cnp_ignored"),
    (Attr::EcnMarked, "np_ecn_marked_roce_packets"),
    (Attr::OutOfSequence, "out_of_sequence"),
    (Attr::SequenceNaks, "packet_seq_err"),
    (Attr::AckTimeouts, "local_ack_timeout_err"),
];

/// A port with what its RDMA side counts. A port without one has no such counters; of one that cannot be looked for none is known. Of a bond that is one
/// RDMA device, the device belongs to the first port, and so do its counters.
pub(super) fn counters<'a>(host: &Host, described: Described<'a>, port: Option<&RdmaPort>, unread: Option<&HostError>) -> Described<'a> {
    COUNTERS.iter().fold(described, |described, (attr, name)| match (port, unread) {
        (Some(port), _) => {
            let path = port.file(&format!("ports/{}/hw_counters/{name}", port.number));
            let reading = host.reading_u64(&path);
            described.put(*attr, path, reading)
        }
        (None, Some(error)) => described.put(*attr, DEVICES, unanswered(error)),
        (None, None) => described.put(*attr, DEVICES, Reading::Absent),
    })
}

/// The ports of all RDMA devices behind a PCI function that is a card and not a share of one; none where the kernel has no RDMA.
pub(super) fn ports(host: &Host) -> Result<Vec<RdmaPort>, HostError> {
    let mut ports = Vec::new();
    for device in host.list_or_none(DEVICES)?.unwrap_or_default() {
        let folder = format!("{DEVICES}/{device}");
        let Some(address) = pci::behind(host, &folder)? else { continue };
        if host.exists(&format!("{folder}/device/physfn"))? {
            continue;
        }
        for number in host.list_or_none(&format!("{folder}/ports"))?.unwrap_or_default() {
            if let Ok(number) = number.parse() {
                ports.push(RdmaPort { device: device.clone(), number, address: address.clone() });
            }
        }
    }
    Ok(ports)
}
