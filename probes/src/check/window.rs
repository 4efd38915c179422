//! Checks that need two looks at one node: what changed in between. Whether two looks can be compared at all is decided here, once for all of them.

use assay_model::check::Check;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::Reason;

use super::{bmc, drive_window, new_errors, nic};

/// One entry of the registry of checks that need two looks at the node: what changed in between.
#[derive(Debug, Clone, Copy)]
pub struct WindowEntry {
    /// The ids of the checks that it gives.
    pub ids: &'static [&'static str],
    /// What it is about.
    pub topic: &'static str,
    /// One sentence that says what it finds out.
    pub describe: &'static str,
    /// Answers the question for every subject; never an empty list. What is no longer there in the second look is a subject too.
    pub check: fn(&Window<'_>, &Site) -> Vec<Check>,
}

/// Two looks at one node.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// The earlier one.
    pub before: &'a Inventory,
    /// The later one.
    pub after: &'a Inventory,
    /// Seconds between them.
    pub seconds: i64,
}

/// All checks of a window, in the order of reports.
pub const WINDOWS: &[WindowEntry] = &[
    WindowEntry {
        ids: &[nic::window::CARRIER.id],
        topic: "nic",
        describe: "No network port lost or gained its link between the two looks.",
        check: nic::window::carrier_stable,
    },
    WindowEntry {
        ids: &[nic::window::POST_FEC.id],
        topic: "nic",
        describe: "No network port received a symbol or frame that FEC left wrong, over an hour at least.",
        check: nic::window::post_fec_errors,
    },
    WindowEntry {
        ids: &[nic::window::PRE_FEC.id],
        topic: "nic",
        describe: "FEC corrected no more of the received bits than its design allows.",
        check: nic::window::pre_fec_rate,
    },
    WindowEntry {
        ids: &[nic::window::PRE_FEC_EXPECTED.id],
        topic: "nic",
        describe: "FEC corrected as few of the received bits as a good link needs.",
        check: nic::window::pre_fec_rate_expected,
    },
    WindowEntry {
        ids: &[nic::window::DROPS.id],
        topic: "nic",
        describe: "Network ports dropped at most one packet of a million.",
        check: nic::window::drops,
    },
    WindowEntry {
        ids: &[drive_window::ERROR_LOG.id],
        topic: "nvme",
        describe: "No drive has new entries in its error log, but for questions that it does not know.",
        check: drive_window::error_log,
    },
    WindowEntry {
        ids: &[drive_window::STABLE.id],
        topic: "nvme",
        describe: "No drive counts new media errors, unsafe shutdowns, uncorrectable reads, thermal throttling or link retraining.",
        check: drive_window::stable,
    },
    WindowEntry {
        ids: &[new_errors::PCIE.id],
        topic: "pcie",
        describe: "No PCIe error was counted between the two looks, at either end of any link.",
        check: new_errors::pcie,
    },
    WindowEntry {
        ids: &[new_errors::EDAC.id],
        topic: "edac",
        describe: "No memory error was counted between the two looks.",
        check: new_errors::edac,
    },
    WindowEntry {
        ids: &[bmc::NEW_ENTRIES.id],
        topic: "bmc",
        describe: "No event log of the management controller has a new entry of a fault, and none was cleared between the two looks.",
        check: bmc::new_entries,
    },
];

/// Every check that needs two looks. Where there are no two looks at the same boot of the same node, far enough apart, nobody was asked: each says so.
pub fn window(before: Option<&Inventory>, after: &Inventory, site: &Site) -> Vec<Check> {
    let looked = before.ok_or_else(|| Reason::NotRun("it needs an earlier look at the node: a snapshot given by --since, or an acceptance".into()));
    match looked.and_then(|before| Window::of(before, after)) {
        Ok(window) => WINDOWS.iter().flat_map(|entry| (entry.check)(&window, site)).collect(),
        Err(reason) => {
            let unasked = |entry: &WindowEntry| -> Vec<Check> {
                entry.ids.iter().map(|id| Check::inconclusive(id, entry.topic, entry.describe, reason.clone(), "the earlier look")).collect()
            };
            WINDOWS.iter().flat_map(unasked).collect()
        }
    }
}

/// Two looks closer together than this saw nothing happen because nothing had the time to.
const SHORTEST_WINDOW_SECONDS: i64 = 10;

impl<'a> Window<'a> {
    /// Two looks that can be compared, or why they cannot.
    fn of(before: &'a Inventory, after: &'a Inventory) -> Result<Self, Reason> {
        if before.host != after.host {
            return Err(Reason::Invalid(format!("the earlier look is at {}, the later one at {}", before.host, after.host)));
        }
        if before.boot_id != after.boot_id {
            return Err(Reason::Invalid("the node was booted in between: its counters began anew".into()));
        }
        let instant = |inventory: &Inventory| {
            inventory.taken_at.parse::<jiff::Timestamp>().map_err(|_| Reason::Invalid(format!("`{}` is no time", inventory.taken_at)))
        };
        let seconds = instant(after)?.duration_since(instant(before)?).as_secs();
        if seconds < SHORTEST_WINDOW_SECONDS {
            return Err(Reason::NotRun(format!("{seconds} s between the two looks, at least {SHORTEST_WINDOW_SECONDS} s say something")));
        }
        Ok(Self { before, after, seconds })
    }
}
