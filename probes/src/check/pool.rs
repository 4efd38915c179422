//! What is asked of any ZFS pool that a site declares: nothing counted, and scrubbed in time. Which pool that is and what it lies on is decided by
//! `boot_drives.rs` and `data_pool.rs`.

use assay_model::attr::Attr;
use assay_model::component::Component;
use assay_model::verdict::Reason;

use super::findings::Findings;
use super::seen::{count, text};

/// The state of what is well.
pub(super) const ONLINE: &str = "ONLINE";

const SCRUBBED: &str = "scrub finished";
const SECONDS_PER_DAY: u64 = 86_400;

/// A pool, a vdev or a device without a read, write or checksum error.
pub(super) fn without_errors(findings: &mut Findings, component: &Component) {
    for (attr, what) in [(Attr::ReadErrors, "read errors"), (Attr::WriteErrors, "write errors"), (Attr::ChecksumErrors, "checksum errors")] {
        if let Some(errors) = findings.value(format!("{attr} of {}", component.locator), count(component, attr))
            && errors > 0
        {
            findings.wrong(format!("{} has {errors} {what}", component.locator));
        }
    }
}

/// A device that is online and without errors.
pub(super) fn online(findings: &mut Findings, device: &Component) {
    if let Some(state) = findings.value(format!("state of {}", device.locator), text(device, Attr::State))
        && state != ONLINE
    {
        findings.wrong(format!("{} is {state}", device.locator));
    }
    without_errors(findings, device);
}

/// A pool whose last scrub found nothing and is no older than that.
pub(super) fn scrubbed(findings: &mut Findings, pool: &Component, max_age_days: u32) {
    match findings.value(Attr::Scan, text(pool, Attr::Scan)) {
        Some(SCRUBBED) => {
            findings.expect("errors of the last scrub", count(pool, Attr::ScrubErrors), &0);
            let limit = u64::from(max_age_days) * SECONDS_PER_DAY;
            if let Some(age) = findings.value("age of the last scrub", count(pool, Attr::ScrubAge))
                && age > limit
            {
                findings.wrong(format!("the last scrub ended {} days ago, at most {max_age_days} are declared", age / SECONDS_PER_DAY));
            }
        }
        Some("none") => findings.wrong("it was never scrubbed"),
        Some("scrub canceled") => findings.wrong("the last scrub was cancelled"),
        // A resilver takes the place of the scrub before it in what ZFS remembers.
        Some(scan) => findings.unclear(Reason::NotRun(format!("the last scan is {scan}: nothing tells when it was scrubbed"))),
        None => {}
    }
}
