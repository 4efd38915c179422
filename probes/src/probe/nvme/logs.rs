//! Log pages of the NVM Express Base Specification 2.0 (5.16.1): SMART (02h), firmware slots (03h), device self-test (06h), sanitize status (81h). Of the error log
//! (01h) the count is enough, and SMART has it.

use assay_model::attr::Attr;
use assay_model::component::Reading;

use super::identify::{Controller, celsius};
use super::page::{Fields, Page};
use crate::described::Described;
use crate::host::Host;

const SMART: (u8, usize) = (0x02, 512);
const FIRMWARE: (u8, usize) = (0x03, 512);
const SELF_TEST: (u8, usize) = (0x06, 564);
const SANITIZE: (u8, usize) = (0x81, 512);

fn page(host: &Host, name: &str, (lid, length): (u8, usize)) -> Page {
    Page::of(host.nvme_log(name, lid, length), Host::nvme_log_name(name, lid), length)
}

/// SMART / Health Information.
pub(super) fn smart<'a>(host: &Host, described: Described<'a>, name: &str) -> Described<'a> {
    let page = page(host, name, SMART).saying();
    let counters: [(Attr, &str, usize); 4] = [
        (Attr::UnsafeShutdowns, "unsafe shutdowns", 144),
        (Attr::PowerOnHours, "power on hours", 128),
        (Attr::MediaErrors, "media errors", 160),
        (Attr::ErrorLogEntries, "error log entries", 176),
    ];
    let described = described
        .put(Attr::CriticalWarning, page.field("critical warning"), page.reading(|fields| fields.u8(0).map(Reading::from)))
        .put(Attr::Temperature, page.field("composite temperature"), page.reading(|fields| fields.u16(1).map(celsius)))
        .put(Attr::AvailableSpare, page.field("available spare"), page.reading(|fields| fields.u8(3).map(Reading::from)))
        .put(Attr::SpareThreshold, page.field("available spare threshold"), page.reading(|fields| fields.u8(4).map(Reading::from)))
        .put(Attr::PercentageUsed, page.field("percentage used"), page.reading(|fields| fields.u8(5).map(Reading::from)))
        .put(Attr::HotMinutes, page.field("warning composite temperature time"), page.reading(|fields| fields.u32(192).map(Reading::from)))
        .put(Attr::CriticalMinutes, page.field("critical composite temperature time"), page.reading(|fields| fields.u32(196).map(Reading::from)));
    counters.iter().fold(described, |described, (attr, field, at)| {
        described.put(*attr, page.field(field), page.reading(|fields| fields.u128(*at).map(Reading::from)))
    })
}

/// Firmware slots: which is active, which will be after the next reset, and what is in them.
pub(super) fn firmware<'a>(host: &Host, described: Described<'a>, name: &str) -> Described<'a> {
    let page = page(host, name, FIRMWARE).saying();
    let slot = |fields: Fields<'_>, shift: u32| fields.u8(0).map(|info| info >> shift & 0b111);
    let revision = |fields: Fields<'_>, slot: u64| match usize::try_from(slot) {
        Ok(slot @ 1..=7) => fields.text(8 * slot, 8).map(|revision| if revision.is_empty() { Reading::Absent } else { revision.into() }),
        Ok(_) | Err(_) => Some(Reading::Absent),
    };
    described
        .put(Attr::FirmwareSlot, page.field("AFI"), page.reading(|fields| slot(fields, 0).map(active)))
        .put(
            Attr::FirmwareSlotNext,
            page.field("AFI"),
            page.reading(|fields| slot(fields, 4).map(|next| if next == 0 { Reading::Absent } else { next.into() })),
        )
        .put(Attr::FirmwareStored, page.field("FRS of the active slot"), page.reading(|fields| revision(fields, slot(fields, 0)?)))
        .put(Attr::FirmwareNext, page.field("FRS of the next slot"), page.reading(|fields| revision(fields, slot(fields, 4)?)))
}

fn active(slot: u64) -> Reading {
    if slot == 0 { Reading::Unreadable("slot 0 is active, and there is no slot 0".into()) } else { slot.into() }
}

/// Bytes of one result, and how many there are at most.
const RESULT: usize = 28;
const RESULTS: usize = 20;
const UNUSED: u64 = 0xf;
const EXTENDED: u64 = 2;

/// Device self-test: what runs, how the newest extended test ended, and how many of all that are remembered failed.
pub(super) fn self_test<'a>(host: &Host, described: Described<'a>, name: &str, controller: &Controller) -> Described<'a> {
    if controller.can_test_itself() == Some(false) {
        return described;
    }
    let page = page(host, name, SELF_TEST);
    let running = page.reading(|fields| fields.u8(0).map(|operation| (operation & 0xf != 0).into()));
    let newest = page.reading(|fields| {
        let extended = results(fields)?.into_iter().find(|(code, _)| *code == EXTENDED);
        Some(extended.map_or(Reading::Absent, |(_, result)| word(result).into()))
    });
    let failed = page.reading(|fields| {
        let failed = results(fields)?.into_iter().filter(|(_, result)| matches!(result, 5..=7)).count();
        Some(crate::described::total(failed).into())
    });
    described
        .put(Attr::SelfTestRunning, page.field("current operation"), running)
        .put(Attr::SelfTest, page.field("newest extended test"), newest)
        .put(Attr::SelfTestsFailed, page.field("results"), failed)
}

/// Code and result of every test that is remembered, the newest first. None when the page ends before.
fn results(fields: Fields<'_>) -> Option<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    for index in 0..RESULTS {
        let status = fields.u8(4 + RESULT * index)?;
        if status & 0xf != UNUSED && status >> 4 != 0 {
            found.push((status >> 4, status & 0xf));
        }
    }
    Some(found)
}

fn word(result: u64) -> &'static str {
    match result {
        0 => "passed",
        1 => "aborted by a command",
        2 => "aborted by a reset",
        3 => "aborted: a namespace was removed",
        4 => "aborted by a format",
        5 => "fatal error",
        6 => "failed in an unknown segment",
        7 => "failed in a known segment",
        8 => "aborted for an unknown reason",
        9 => "aborted by a sanitize",
        _ => "ended in a way that no specification knows",
    }
}

/// Sanitize status, of controllers that can sanitize.
pub(super) fn sanitize<'a>(host: &Host, described: Described<'a>, name: &str, controller: &Controller) -> Described<'a> {
    if controller.can_sanitize() == Some(false) {
        return described;
    }
    let page = page(host, name, SANITIZE).saying();
    // NVM Express 2.0, figure 202: a controller that can sanitize has the log of it.
    let page = if controller.can_sanitize() == Some(true) { page.required() } else { page };
    let status = page.reading(|fields| {
        fields.u16(2).map(|status| match status & 0b111 {
            0 => "never".into(),
            1 => "completed".into(),
            2 => "running".into(),
            3 => "failed".into(),
            4 => "completed without deallocation".into(),
            other => Reading::Unreadable(format!("state {other}, which no specification knows")),
        })
    });
    described.put(Attr::Sanitize, page.field("SSTAT"), status)
}

/// Bytes of one entry of the error log, and how many of the newest are looked at.
const ERROR: usize = 64;
const ERRORS: usize = 64;
/// Status code type and code of "invalid opcode", "invalid field" and "invalid log page".
const UNKNOWN_COMMANDS: &[(u64, u64)] = &[(0, 0x01), (0, 0x02), (1, 0x09)];

/// Error information (01h): the numbers of those entries that only say that somebody asked for what the controller does not have, as every tool that lists logs
/// does. All others are faults.
pub(super) fn errors<'a>(host: &Host, described: Described<'a>, name: &str, controller: &Controller) -> Described<'a> {
    let Some(entries) = controller.error_entries() else { return described };
    let page = page(host, name, (0x01, ERROR * entries.min(ERRORS)));
    let unknown = page.reading(|fields| {
        let all = (0..entries.min(ERRORS)).filter_map(|index| {
            let at = index * ERROR;
            let (count, queue, status) = (fields.u64(at)?, fields.u16(at + 8)?, fields.u16(at + 12)? >> 1);
            let is_unknown = queue == 0 && UNKNOWN_COMMANDS.contains(&(status >> 8 & 0b111, status & 0xff));
            (count != 0 && is_unknown).then(|| count.to_string())
        });
        Some(Reading::Value(assay_model::component::Value::List(all.collect())))
    });
    described.put(Attr::UnknownCommands, page.field("entries of unknown commands"), unknown)
}

#[cfg(test)]
mod tests {
    use assay_model::attr::Kind;
    use assay_model::component::{Component, Value};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::super::ocp;
    use super::*;

    fn page(length: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut page = vec![0; length];
        for (at, bytes) in fields {
            page[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        page
    }

    fn node(pages: &[(&str, Vec<u8>)]) -> Component {
        let text: String = pages.iter().map(|(name, bytes)| format!("nvme:nvme0/{name} bytes: {}\n", STANDARD.encode(bytes))).collect();
        let host = Host::from_snapshot(&format!("unmentioned: absent\n{text}")).expect("a fixture");
        let controller = Controller::ask(&host, "nvme0");
        let described = Described::new(&host, Kind::Nvme, "0000:41:00.0", "/sys/class/nvme/nvme0");
        let described = smart(&host, controller.describe(described), "nvme0");
        let described = errors(&host, described, "nvme0", &controller);
        let described = firmware(&host, described, "nvme0");
        let described = self_test(&host, described, "nvme0", &controller);
        let described = sanitize(&host, described, "nvme0", &controller);
        ocp::describe(&host, described, "nvme0", &controller).done()
    }

    fn identify() -> (&'static str, Vec<u8>) {
        let fields: &[(usize, &[u8])] =
            &[(4, b"S1                  "), (256, &[0x10, 0]), (261, &[0x10]), (262, &[63]), (266, &[0x5e, 1]), (328, &[2])];
        ("identify/01/0", page(4096, fields))
    }

    #[test]
    fn smart_is_read_as_the_specification_lays_it_out() {
        let smart =
            page(512, &[(0, &[4]), (1, &[0x37, 1]), (3, &[97, 10, 2]), (128, &[0xb0, 4]), (144, &[9]), (160, &[3]), (168, &[1]), (176, &[0x12])]);
        let drive = node(&[identify(), ("log/02", smart)]);
        assert_eq!(drive.reading(Attr::CriticalWarning), &4_u64.into());
        assert_eq!(drive.reading(Attr::Temperature), &38.0.into());
        assert_eq!(
            (drive.reading(Attr::AvailableSpare), drive.reading(Attr::SpareThreshold), drive.reading(Attr::PercentageUsed)),
            (&97_u64.into(), &10_u64.into(), &2_u64.into())
        );
        assert_eq!(
            (drive.reading(Attr::PowerOnHours), drive.reading(Attr::UnsafeShutdowns), drive.reading(Attr::ErrorLogEntries)),
            (&1200_u64.into(), &9_u64.into(), &18_u64.into())
        );
        assert_eq!(drive.reading(Attr::MediaErrors), &u64::MAX.into(), "the upper half counts too");
        assert_eq!(drive.reading(Attr::TemperatureMax), &77.0.into());
        assert_eq!(drive.source(Attr::MediaErrors), "nvme:nvme0/log/02 media errors");
    }

    #[test]
    fn short_pages_and_lying_sensors_are_unreadable_and_missing_pages_absent() {
        let cold = node(&[identify(), ("log/02", page(512, &[(3, &[100])]))]);
        assert!(matches!(cold.reading(Attr::Temperature), Reading::Unreadable(why) if why.contains("0 K")));
        let zeros = node(&[identify(), ("log/02", page(512, &[]))]);
        assert!(matches!(zeros.reading(Attr::MediaErrors), Reading::Unreadable(why) if why.contains("nothing but 0x00")));
        let short = node(&[identify(), ("log/02", page(511, &[]))]);
        assert!(matches!(short.reading(Attr::MediaErrors), Reading::Unreadable(_)));
        let none = node(&[identify()]);
        assert_eq!(none.reading(Attr::MediaErrors), &Reading::Absent);
    }

    #[test]
    fn unknown_commands_are_told_from_faults_in_the_error_log() {
        let entry = |count: u8, queue: u8, status: [u8; 2]| {
            let mut entry = [0; 64];
            (entry[0], entry[8], entry[12], entry[13]) = (count, queue, status[0], status[1]);
            entry
        };
        // Invalid field of the admin queue, invalid log page of it, an unrecovered read, invalid field of an I/O queue.
        let log: Vec<u8> = [entry(9, 0, [0x04, 0x40]), entry(8, 0, [0x12, 0x42]), entry(7, 1, [0x02, 0x45]), entry(6, 3, [0x04, 0x40])].concat();
        let drive = node(&[identify(), ("log/01", page(4096, &[(0, &log)]))]);
        assert_eq!(drive.value(Attr::UnknownCommands), Some(&Value::List(vec!["9".into(), "8".into()])));
    }

    #[test]
    fn firmware_slots_self_tests_and_sanitize() {
        let slots = page(512, &[(0, &[0x21]), (8, b"0104    "), (16, b"0107    ")]);
        let mut tests = page(564, &[(4, &[0x15]), (4 + 28, &[0x20]), (4 + 56, &[0x27])]);
        for index in 3..20 {
            tests[4 + 28 * index] = 0x0f;
        }
        let drive = node(&[identify(), ("log/03", slots), ("log/06", tests), ("log/81", page(512, &[(2, &[3])]))]);
        assert_eq!((drive.reading(Attr::FirmwareSlot), drive.reading(Attr::FirmwareSlotNext)), (&1_u64.into(), &2_u64.into()));
        assert_eq!((drive.reading(Attr::FirmwareStored), drive.reading(Attr::FirmwareNext)), (&"0104".into(), &"0107".into()));
        assert_eq!((drive.reading(Attr::SelfTest), drive.reading(Attr::SelfTestsFailed)), (&"passed".into(), &2_u64.into()));
        assert_eq!(drive.reading(Attr::Sanitize), &"failed".into());
    }

    #[test]
    fn the_ocp_page_is_believed_by_its_guid_only() {
        const GUID: &[u8] = &[0xc5, 0xaf, 0x10, 0x28, 0xea, 0xbf, 0xf2, 0xa4, 0x9c, 0x4f, 0x6f, 0x7c, 0xc9, 0x14, 0xd5, 0xaf];
        let fields: &[(usize, &[u8])] = &[(38, &[100]), (56, &[2]), (72, &[1]), (128, &[0x28]), (496, GUID)];
        let drive = node(&[identify(), ("log/c0", page(512, fields))]);
        assert_eq!(
            (drive.reading(Attr::UncorrectableReads), drive.reading(Attr::CapacitorHealth), drive.reading(Attr::EndToEndErrors)),
            (&2_u64.into(), &40_u64.into(), &1_u64.into())
        );
        let (mut consumer, mut list) = (identify(), page(1024, &[]));
        consumer.1[261] = 0x0e;
        let unasked = node(&[consumer.clone(), ("log/c0", page(512, fields))]);
        assert_eq!(unasked.reading(Attr::UncorrectableReads), &Reading::Absent, "an entry in its error log would be all that comes of it");
        consumer.1[261] = 0x20;
        assert_eq!(
            node(&[consumer.clone(), ("log/00", list.clone()), ("log/c0", page(512, fields))]).reading(Attr::UncorrectableReads),
            &Reading::Absent
        );
        list[4 * 0xc0] = 1;
        assert_eq!(node(&[consumer, ("log/00", list), ("log/c0", page(512, fields))]).reading(Attr::UncorrectableReads), &2_u64.into());
        let foreign = node(&[identify(), ("log/c0", page(512, &fields[..4]))]);
        assert!(matches!(foreign.reading(Attr::UncorrectableReads), Reading::Unreadable(why) if why.contains("GUID")));
    }
}
