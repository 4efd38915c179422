//! The extended SMART log of the OCP Datacenter NVMe SSD Specification 2.0 (4.8.6), log page C0h. Vendors have pages of their own under that number: only its GUID
//! says that its fields mean what the specification says.

use assay_model::attr::Attr;
use assay_model::component::Reading;

use super::identify::{Controller, Has};
use super::page::{Fields, Page};
use crate::described::Described;
use crate::host::Host;

const LID: u8 = 0xc0;
const BYTES: usize = 512;
const GUID_AT: usize = 496;
/// AFD514C9-7C6F-4F9C-A4F2-BFEA2810AFC5, as it is stored: the least significant byte first.
const GUID: [u8; 16] = [0xc5, 0xaf, 0x10, 0x28, 0xea, 0xbf, 0xf2, 0xa4, 0x9c, 0x4f, 0x6f, 0x7c, 0xc9, 0x14, 0xd5, 0xaf];
/// A capacitor health of FFFFh says that there is none; bad system blocks of FFFFh, that they are counted with those of the user.
const ALL_ONES: u64 = 0xffff;

/// Whether a page C0h bears the GUID of the specification.
pub(crate) fn is_ocp_page(page: &[u8]) -> bool {
    page.get(GUID_AT..BYTES) == Some(&GUID)
}

/// Describes it where the controller has it. A page with another GUID is not believed, and says so.
pub(super) fn describe<'a>(host: &Host, described: Described<'a>, name: &str, controller: &Controller) -> Described<'a> {
    let page = || Page::of(host.nvme_log(name, LID, BYTES), Host::nvme_log_name(name, LID), BYTES);
    let page = match controller.has(host, name, LID) {
        Has::No => return described,
        Has::Perhaps => page(),
        Has::Yes => page().required(),
    };
    let page = match page.fields().map(|fields| is_ocp_page(fields.0)) {
        Some(false) => page.refused(Reading::Unreadable("its GUID is not that of the OCP page: another vendor's page under the same number".into())),
        Some(true) | None => page,
    };
    type Read = fn(Fields<'_>) -> Option<Reading>;
    let fields: &[(Attr, &str, Read)] = &[
        (Attr::BadUserBlocks, "bad user NAND blocks, normalised", |fields| fields.u16(38).map(normalised)),
        (Attr::BadSystemBlocks, "bad system NAND blocks, normalised", |fields| {
            fields.u16(46).map(|blocks| if blocks == ALL_ONES { Reading::Absent } else { normalised(blocks) })
        }),
        (Attr::UncorrectableReads, "uncorrectable read errors", |fields| fields.u64(56).map(Reading::from)),
        // Corrected ones, then all that were detected; drives of before version 2.0 have them the other way round.
        (Attr::EndToEndErrors, "end-to-end errors", |fields| Some(fields.u32(72)?.max(fields.u32(76)?).into())),
        (Attr::ThermalThrottles, "thermal throttling events", |fields| fields.u8(96).map(Reading::from)),
        (Attr::IncompleteShutdowns, "incomplete shutdowns", |fields| fields.u32(112).map(Reading::from)),
        (Attr::CapacitorHealth, "capacitor health", |fields| {
            fields.u16(128).map(|health| if health == ALL_ONES { Reading::Absent } else { health.into() })
        }),
        (Attr::LinkRetrainings, "PCIe link retraining", |fields| fields.u64(192).map(Reading::from)),
    ];
    fields.iter().fold(described, |described, (attr, field, read)| described.put(*attr, page.field(field), page.reading(read)))
}

/// From 100 of a new drive down to 0.
fn normalised(blocks: u64) -> Reading {
    if blocks <= 100 { blocks.into() } else { Reading::Unreadable(format!("it says {blocks}, and 100 is the most")) }
}
