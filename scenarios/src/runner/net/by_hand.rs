//! An outage that somebody else makes: a cable is pulled or a port of the switch is shut, and put back. assay breaks nothing, and watches the bond of the sending node for
//! what happens: with nothing seen to fail there is no figure.

use std::time::Duration;

use assay_model::outage::Span;

use super::carrier::Carrier;
use super::members::{Members, all_back};
use super::outage::{bulk, must_have_carried, sent, wait};
use super::stream::{Broke, Stream};
use super::timeline::Acts;
use super::{AT_ONCE, Both, told};
use crate::remote::task::clock::ClockStamps;
use crate::remote::task::counters::{self, Counters, CountersSpec};
use crate::runner::bench::{Outcome, Trouble};
use crate::scenario::{LinkFault, Probing, QUIET_MS};

/// Between two looks at the bond, milliseconds: the moment of the fault is known to that.
const LOOK_MS: u64 = 50;

/// What was seen to fail first.
struct Failed {
    port: String,
    why: String,
    at: Broke,
}

/// Watches for so long.
pub(super) async fn measure(both: &Both<'_>, hold_ms: u64, probing: Probing) -> Result<Outcome, Trouble> {
    let node = &both.net.from.node;
    let Carrier { bond, ports, .. } = Carrier::of(&both.inventory().await?, both.net.from.address)?;
    let bond = bond.ok_or_else(|| format!("{} of {node} is carried by no bond: nothing takes over when its port fails", both.net.from.address))?.name;
    let earliest_ns = i128::from(ClockStamps::now().monotonic_ns);
    Members::read(both.from, &bond).await?.all_in().map_err(|why| Trouble::Failed(format!("the drill on {node} is not begun: {why}")))?;
    let mut outcome = Outcome { elapsed: Duration::from_millis(hold_ms), ..Outcome::default() };
    let stream = Stream::begin(both, probing, hold_ms + 3 * QUIET_MS).await?;
    let watched = async {
        let quiet = counted(both, &ports).await?;
        wait(both.stop, QUIET_MS).await?;
        let ready = counted(both, &ports).await?;
        let failed = watch(both, &bond, hold_ms, earliest_ns).await?;
        let back = all_back(both.from, &bond, both.stop).await?;
        wait(both.stop, QUIET_MS).await?;
        // The backup of another member fails, and nobody notices.
        must_have_carried(&failed.port, sent(&quiet, &ready, &failed.port)?, probing)?;
        Ok::<_, Trouble>((failed, back))
    };
    let bulk = async { Ok::<_, Trouble>(bulk(both, probing).await) };
    let ((failed, back), bulk) = tokio::try_join!(watched, bulk)?;
    let seen = stream.end().await?;
    let name = format!("by hand at {node} {}", failed.port);
    outcome.notes.insert(format!("{name} bond"), format!("{}; every member carried again {back:.1?} after the time was over", failed.why));
    outcome.notes.insert(format!("{name} bulk stream"), bulk);
    seen.conclude(both, &name, &failed.at, ("port", &failed.port), &mut outcome)?;
    Ok(outcome)
}

async fn counted(both: &Both<'_>, ports: &[String]) -> Result<Counters, Trouble> {
    both.from.call(counters::NAME, &CountersSpec { interfaces: ports.to_vec() }, AT_ONCE).await.map_err(told)
}

/// Looks at the bond until the time is over; the first member that failed. The other end may have lost it and gone on before this one notices: whatever was
/// silent since all members were in may be of the fault.
async fn watch(both: &Both<'_>, bond: &str, hold_ms: u64, earliest_ns: i128) -> Result<Failed, Trouble> {
    let end = tokio::time::Instant::now() + Duration::from_millis(hold_ms);
    let (mut first, mut back, mut looked_ns) = (None, None, ClockStamps::now().monotonic_ns);
    while tokio::time::Instant::now() < end {
        let asked_ns = ClockStamps::now().monotonic_ns;
        let members = Members::read(both.from, bond).await?;
        let now_ns = ClockStamps::now().monotonic_ns;
        if let (None, Some((port, why))) = (&first, members.first_out()) {
            first = Some((looked_ns, now_ns, port.to_owned(), why.to_owned()));
        }
        if let (Some((failed_ns, ..)), None, None) = (&first, back, members.first_out()) {
            back = Some(since(*failed_ns, looked_ns, now_ns)?);
        }
        looked_ns = asked_ns;
        wait(both.stop, LOOK_MS).await?;
    }
    let Some((from_ns, to_ns, port, why)) = first else {
        return Err(Trouble::Failed(format!(
            "no member of {bond} on {} was seen to fail: nothing was broken, and nothing was measured",
            both.net.from.node
        )));
    };
    let healed = match back {
        Some(back) => back,
        // It is waited for after this, and came back some time then.
        None => since(from_ns, looked_ns, ClockStamps::now().monotonic_ns)?,
    };
    let acts = Acts { injected: since(from_ns, from_ns, to_ns)?, healed };
    let at = Broke { near_ns: i128::from(from_ns), uncertainty_ns: to_ns - from_ns, earliest_ns, acts, fault: LinkFault::ByHand };
    Ok(Failed { port, why, at })
}

/// A time of the clock of this process, from when the member was last seen to work.
fn since(zero_ns: u64, from_ns: u64, to_ns: u64) -> Result<Span, Trouble> {
    let after = |at: u64| i64::try_from(at - zero_ns).map_err(|_| "a watch of centuries".to_owned());
    Ok(Span { from_ns: after(from_ns)?, to_ns: after(to_ns)? })
}
