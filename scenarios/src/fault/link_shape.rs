//! `link-shape`: what leaves an interface is held to a rate by a token bucket (`tbf`), so that it still works and is slow. Only in place of the kernel's own queueing
//! discipline, which has no handle and comes back when ours goes.

use serde::{Deserialize, Serialize};

use super::error::FaultError;
use super::links::{Link, Links};
use super::netlink::{Netlink, put};
use super::traffic::{CLSACT, ROOT, Rule, TCA_OPTIONS, message, number_of, qdiscs, remove_qdisc, replace_default_qdisc};
use super::{Armed, Fault, FaultCtx};

/// Holds an interface to a rate.
pub(super) struct LinkShape;

/// Which interface, and how fast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkShapeSpec {
    /// Its name.
    pub interface: String,
    /// The rate, headers of Ethernet included, bytes per second.
    pub rate_bytes_per_s: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    interface: String,
    index: u32,
    rate_bytes_per_s: u64,
    /// The handle of our discipline.
    handle: u32,
}

const NAME: &str = "link-shape";
/// Slower than any link, faster than any.
const RATES: (u64, u64) = (1_000, 1 << 40);
/// Frames are segmented to this, so none is too large for the bucket.
const BURST_MIN: u64 = 128 << 10;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
/// `TC_LINKLAYER_ETHERNET`: without it the kernel wants a table of rates.
const LINK_LAYER: u8 = 1;

impl Fault for LinkShape {
    fn name(&self) -> &'static str {
        NAME
    }

    fn describe(&self) -> &'static str {
        "holds what leaves an interface to a rate"
    }

    fn arm(&self, ctx: &FaultCtx<'_>) -> Result<Armed, FaultError> {
        let LinkShapeSpec { interface, rate_bytes_per_s } = ctx.spec.on()?;
        let mut netlink = Netlink::open().map_err(FaultError::kernel("speak rtnetlink for", &interface))?;
        let links = Links::read(&mut netlink)?;
        let link = links.named(NAME, &interface)?;
        if !(RATES.0..=RATES.1).contains(&rate_bytes_per_s) {
            return Err(refused(link, &format!("{rate_bytes_per_s} bytes/s is no rate of {} to {}", RATES.0, RATES.1)));
        }
        if !link.is_up {
            return Err(refused(link, "it is down"));
        }
        ctx.lifeline.spare(NAME, link, &links, &mut netlink)?;
        let set = |rule: &&Rule| rule.parent != CLSACT && rule.handle != 0;
        if let Some(theirs) = qdiscs(&mut netlink, link.index, &link.name)?.iter().find(set) {
            return Err(refused(link, &format!("somebody's `{}` is on it, and is not to be touched", crate::remote::shown(&theirs.kind))));
        }
        // Major numbers from 1 to 0xfffe; the minor one of a discipline is 0.
        let handle = number_of(&ctx.spec.id, 0xfffe) << 16;
        ctx.spec.armed(&Noted { interface, index: link.index, rate_bytes_per_s, handle })
    }

    fn inject(&self, armed: &Armed) -> Result<(), FaultError> {
        let noted: Noted = armed.state()?;
        let mut netlink = Netlink::open().map_err(FaultError::kernel("speak rtnetlink for", &noted.interface))?;
        let mut body = message(noted.index, &ours(noted.handle));
        put(&mut body, TCA_OPTIONS, &options(noted.rate_bytes_per_s));
        replace_default_qdisc(&mut netlink, &body, &noted.interface)
    }

    fn heal(&self, armed: &Armed) -> Result<(), FaultError> {
        let noted: Noted = armed.state()?;
        let mut netlink = Netlink::open().map_err(FaultError::kernel("speak rtnetlink for", &noted.interface))?;
        let ours = ours(noted.handle);
        let found = qdiscs(&mut netlink, noted.index, &noted.interface)?;
        if found.iter().any(|rule| (rule.parent, rule.handle, &rule.kind) == (ours.parent, ours.handle, &ours.kind)) {
            remove_qdisc(&mut netlink, noted.index, &ours, &noted.interface)?;
        }
        Ok(())
    }
}

fn ours(handle: u32) -> Rule {
    Rule { kind: "tbf".to_owned(), handle, parent: ROOT, info: 0 }
}

/// `struct tc_tbf_qopt` and what does not fit into it.
fn options(rate: u64) -> Vec<u8> {
    // What a rate lets through in 4 ms, a tick of the slowest kernels; a queue of 50 ms.
    let burst = (rate / 250).max(BURST_MIN);
    let limit = burst.saturating_add(rate / 20);
    let capped = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let mut parameters = vec![0, LINK_LAYER, 0, 0, 0, 0, 0, 0];
    parameters.extend(capped(rate).to_ne_bytes());
    parameters.extend([0; 12]);
    parameters.extend(capped(limit).to_ne_bytes());
    parameters.extend([0; 8]);
    let mut options = Vec::new();
    put(&mut options, TCA_TBF_PARMS, &parameters);
    put(&mut options, TCA_TBF_BURST, &capped(burst).to_ne_bytes());
    if rate > u64::from(u32::MAX) {
        put(&mut options, TCA_TBF_RATE64, &rate.to_ne_bytes());
    }
    options
}

fn refused(link: &Link, why: &str) -> FaultError {
    FaultError::Refused { fault: NAME.to_owned(), subject: link.name.clone(), why: why.to_owned() }
}
