//! A drill: one port of a node fails for a time while a packet per millisecond goes each way on every port, and a bulk stream beside them. What was lost, from the
//! last good packet to the first good one, is the outage. A fault that the port's own counters do not show has broken nothing, and proves nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assay_model::attr::{Attr, Kind};
use assay_model::component::Value;
use assay_model::inventory::Inventory;
use assay_model::site::Node;

use super::carrier::Carrier;
use super::members::{Members, all_back, all_in_now};
use super::stream::{Broke, Stream};
use super::timeline::Acts;
use super::{AT_ONCE, Both, LOOK, float, tcp, told};
use crate::fault::{Armed, FaultSpec, HealedBy};
use crate::remote::task::counters::{self, Counters, CountersSpec};
use crate::remote::task::fault::{ARM, ArmedSpec, HEAL, Healed, INJECT, InjectSpec, Injected, WasHealed};
use crate::runner::bench::{Diary, Fact, Outcome, Trouble};
use crate::scenario::{LinkFault, Probing, QUIET_MS};

/// A fault heals by itself so much after it should have been healed.
pub(super) const SPARE_MS: u64 = 15_000;
/// What a port that is broken may still count, of what it counted before: the second in which it fails.
const STILL: f64 = 0.2;
/// What a port broken for shorter has counted proves nothing, seconds.
const COUNTED_S: f64 = 0.05;
/// Packets per second that a port sends by itself: LACP, LLDP, neighbours.
const SMALL_TALK: f64 = 5.0;
/// Between two looks at whether LACP has taken a port out, milliseconds.
const LEAVING_MS: u64 = 100;
/// A port that LACP has taken out is counted for at least so long.
const AFTER_LEAVING: Duration = Duration::from_secs(1);

/// Fails each port that carries the address of `node`, one after the other.
pub(super) async fn measure(
    both: &Both<'_>,
    node: &Node,
    diary: &Diary,
    fault: LinkFault,
    (hold_ms, probing): (u64, Probing),
) -> Result<Outcome, Trouble> {
    let inventory = both.inventory().await?;
    must_be_listed(node, &inventory)?;
    let carrier = Carrier::of(&inventory, both.net.from.address)?;
    let bond = carrier.bond.as_ref().map(|bond| bond.name.as_str());
    let mut outcome = Outcome { elapsed: Duration::from_millis(hold_ms), ..Outcome::default() };
    for (number, port) in carrier.ports.iter().enumerate() {
        if both.stop.load(Ordering::Relaxed) {
            return Err(Trouble::Failed("it was told to stop".to_owned()));
        }
        let drill = Drill { both, diary, fault, hold_ms, probing, port, bond, id: format!("{}-{}-{number}", both.net.from.node, fault.name()) };
        drill.run(&mut outcome).await?;
    }
    Ok(outcome)
}

/// Nothing is broken on a machine that merely has the name.
pub(super) fn must_be_listed(node: &Node, inventory: &Inventory) -> Result<(), Trouble> {
    let serials: Vec<&str> = inventory.iter(Kind::Board).filter_map(|board| board.value(Attr::Serial).and_then(Value::as_str)).collect();
    let listed = node.serial.as_deref().unwrap_or_default();
    if listed.is_empty() || !serials.iter().any(|serial| serial.trim() == listed) {
        let found = if serials.is_empty() { "cannot be read".to_owned() } else { format!("is {}", serials.join(", ")) };
        return Err(Trouble::Failed(format!("nothing is broken on {}: the serial number of its board {found}, the site lists {listed}", node.name)));
    }
    Ok(())
}

/// One port that fails once.
struct Drill<'a> {
    both: &'a Both<'a>,
    diary: &'a Diary,
    fault: LinkFault,
    hold_ms: u64,
    probing: Probing,
    port: &'a str,
    /// The bond that it is a member of.
    bond: Option<&'a str>,
    id: String,
}

/// What was done to the port, and what it counted.
struct Broken {
    healed: Healed,
    /// In words, when the member left its aggregator.
    left: String,
    /// How long after that every member of the bond carried again.
    back: Option<Duration>,
    // Packets that it sent in the quiet time before, and while it was broken; how long each was.
    before: (u64, f64),
    during: (u64, f64),
}

impl Drill<'_> {
    async fn run(&self, outcome: &mut Outcome) -> Result<(), Trouble> {
        let both = self.both;
        self.must_be_whole().await?;
        let stream = Stream::begin(both, self.probing, self.hold_ms + 3 * QUIET_MS).await?;
        let bulk = async { Ok::<_, Trouble>(bulk(both, self.probing).await) };
        let (broken, bulk) = tokio::try_join!(self.break_and_heal(), bulk)?;
        let seen = stream.end().await?;
        must_have_broken(&self.name(), broken.before, broken.during, self.probing)?;
        if let Some(back) = broken.back {
            outcome
                .notes
                .insert(format!("{} bond", self.name()), format!("{}every member carried again {back:.1?} after it was healed", broken.left));
        }
        let near_ns = seen.near_clock.near_ns(broken.healed.injected.from.monotonic_ns);
        let at = Broke { near_ns, uncertainty_ns: 0, earliest_ns: near_ns, acts: Acts::of(&broken.healed)?, fault: self.fault };
        seen.conclude(both, &self.name(), &at, ("port", self.port), outcome)?;
        outcome.notes.insert(format!("{} bulk stream", self.name()), bulk);
        Ok(())
    }

    fn name(&self) -> String {
        format!("{} of {} {}", self.fault.name(), self.both.net.from.node, self.port)
    }

    /// A bond of which a member is out already would be cut, and what was out before proves nothing.
    async fn must_be_whole(&self) -> Result<(), Trouble> {
        let refused = |why: String| Trouble::Failed(format!("{} is not begun: {why}", self.name()));
        let Some(bond) = self.bond else {
            return match self.fault {
                LinkFault::LacpSlow => Err(refused(format!("{} is a member of no bond", self.port))),
                LinkFault::LinkDown | LinkFault::SilentLink | LinkFault::SwitchLoss | LinkFault::ByHand => Ok(()),
            };
        };
        let members = all_in_now(self.both.from, bond, self.both.stop).await.map_err(|trouble| match trouble {
            Trouble::Failed(why) => refused(why),
            Trouble::NotConfigured(_) => trouble,
        })?;
        match self.fault {
            LinkFault::LacpSlow => members.asks_for_fast().map_err(refused),
            LinkFault::LinkDown | LinkFault::SilentLink | LinkFault::SwitchLoss | LinkFault::ByHand => Ok(()),
        }
    }

    async fn counted(&self) -> Result<Counters, Trouble> {
        let spec = CountersSpec { interfaces: vec![self.port.to_owned()] };
        self.both.from.call(counters::NAME, &spec, AT_ONCE).await.map_err(told)
    }

    /// Whatever happens after the fault is armed, it is healed before this returns, or by the watchdog of its node.
    async fn break_and_heal(&self) -> Result<Broken, Trouble> {
        let from = self.both.from;
        let quiet = self.counted().await?;
        self.wait(QUIET_MS).await?;
        let ready = self.counted().await?;
        let on = serde_json::json!({ "interface": self.port });
        let spec = FaultSpec { id: self.id.clone(), fault: self.fault.name().to_owned(), on, within_ms: self.hold_ms + SPARE_MS };
        let armed: Armed = from.call(ARM, &spec, AT_ONCE).await.map_err(told)?;
        let value = serde_json::to_value(&armed).map_err(|error| error.to_string())?;
        let (id, fault, host) = (self.id.clone(), armed.fault.clone(), self.both.net.from.node.clone());
        let injecting = async {
            self.diary.write(Fact::Armed { id: id.clone(), fault, host, armed: value }).await?;
            self.hold(&armed).await
        };
        let injecting = injecting.await;
        let (healed, during, left) = match injecting {
            Ok(done) => done,
            Err(why) => {
                // The task may have ended without healing; to heal again harms nothing.
                let _: WasHealed = from.call(HEAL, &ArmedSpec { armed }, AT_ONCE).await.map_err(|left| not_healed(&why, &told(left)))?;
                self.diary.write(Fact::Healed { id }).await?;
                return Err(why);
            }
        };
        self.diary.write(Fact::Healed { id }).await?;
        // The return of a member is a part of it, and the stream goes on meanwhile.
        let back = match self.bond {
            Some(bond) => Some(all_back(from, bond, self.both.stop).await?),
            None => None,
        };
        self.wait(QUIET_MS).await?;
        Ok(Broken { healed, left, back, before: sent(&quiet, &ready, self.port)?, during })
    }

    /// Injects, holds and heals; what the port counted while it was broken, and when LACP took it out.
    async fn hold(&self, armed: &Armed) -> Result<(Healed, (u64, f64), String), Trouble> {
        let spec = InjectSpec { armed: armed.clone(), at_monotonic_ns: None };
        let mut task = self.both.from.start(INJECT, &spec).map_err(told)?;
        let injected: Option<Injected> = task.event(AT_ONCE).await.map_err(told)?;
        if injected.is_none() {
            return Err(task.finish::<Healed>(AT_ONCE).await.map_or_else(told, |_| Trouble::Failed("the fault was never injected".to_owned())));
        }
        self.diary.write(Fact::Injected { id: self.id.clone() }).await?;
        let held = self.held().await;
        task.cancel();
        let healed: Healed = task.finish(AT_ONCE).await.map_err(told)?;
        let (during, left) = held?;
        was_told(&healed, &self.name())?;
        Ok((healed, during, left))
    }

    async fn held(&self) -> Result<((u64, f64), String), Trouble> {
        let end = tokio::time::Instant::now() + Duration::from_millis(self.hold_ms);
        let mut left = String::new();
        if let (LinkFault::LacpSlow, Some(bond)) = (self.fault, self.bond) {
            left = self.leaves(bond, end).await?;
        }
        let from = self.counted().await?;
        self.wait(millis(end.saturating_duration_since(tokio::time::Instant::now()))).await?;
        let to = self.counted().await?;
        if let (LinkFault::LacpSlow, Some(bond)) = (self.fault, self.bond) {
            // One that is back while its partner still says nothing did not leave for that.
            self.is_out(&Members::read(self.both.from, bond).await?)?
                .ok_or_else(|| Trouble::Failed(format!("{}: the member carried again before it was healed", self.name())))?;
        }
        Ok((sent(&from, &to, self.port)?, left))
    }

    /// Waits until LACP has taken the port out, by its timeout and by nothing else. A fault that changes nothing in the state of LACP has broken nothing.
    async fn leaves(&self, bond: &str, end: tokio::time::Instant) -> Result<String, Trouble> {
        let begin = tokio::time::Instant::now();
        loop {
            if let Some(why) = self.is_out(&Members::read(self.both.from, bond).await?)? {
                return Ok(format!("out after {:.1?}: {why}; ", begin.elapsed()));
            }
            // What it counts while it is out needs a while, too.
            if tokio::time::Instant::now() + AFTER_LEAVING > end {
                return Err(Trouble::Failed(format!("{}: the member kept its place in {bond}: nothing was broken", self.name())));
            }
            self.wait(LEAVING_MS).await?;
        }
    }

    /// Why LACP leaves the port out; none while it carries. An error when its link is down, for that is another fault.
    fn is_out(&self, members: &Members) -> Result<Option<String>, Trouble> {
        if !members.has_link(self.port) {
            return Err(Trouble::Failed(format!("{}: its link went down, which a partner that speaks too seldom does not do", self.name())));
        }
        Ok(members.why_out(self.port).map(str::to_owned))
    }

    async fn wait(&self, ms: u64) -> Result<(), Trouble> {
        wait(self.both.stop, ms).await
    }
}

/// Two things went wrong, and whoever reads of one must hear of the other.
pub(super) fn not_healed(why: &Trouble, left: &Trouble) -> Trouble {
    let (Trouble::Failed(why) | Trouble::NotConfigured(why)) = why;
    let (Trouble::Failed(left) | Trouble::NotConfigured(left)) = left;
    Trouble::Failed(format!("{why}; and not healed: {left}"))
}

pub(super) async fn wait(stop: &AtomicBool, ms: u64) -> Result<(), Trouble> {
    let end = tokio::time::Instant::now() + Duration::from_millis(ms);
    while tokio::time::Instant::now() < end {
        if stop.load(Ordering::Relaxed) {
            return Err(Trouble::Failed("it was told to stop".to_owned()));
        }
        tokio::time::sleep_until(end.min(tokio::time::Instant::now() + LOOK)).await;
    }
    Ok(())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A fault that somebody else healed was not in effect for as long as it was asked for.
pub(super) fn was_told(healed: &Healed, name: &str) -> Result<(), Trouble> {
    match healed.by {
        HealedBy::Request => Ok(()),
        by @ (HealedBy::Deadline | HealedBy::Watchdog | HealedBy::Other) => {
            Err(Trouble::Failed(format!("{name}: it was healed before its time, by {by:?}")))
        }
    }
}

/// A port that carried nothing before, or that carried on, was not broken for these streams. Packets and seconds, before and while it was broken.
pub(super) fn must_have_broken(name: &str, before: (u64, f64), during: (u64, f64), probing: Probing) -> Result<(), Trouble> {
    must_have_carried(name, before, probing)?;
    let (before, seconds) = (rate(before), during.1);
    let during = rate(during);
    if seconds < COUNTED_S {
        return Err(Trouble::Failed(format!(
            "{name}: what the port sent while it was broken was counted for {seconds:.3} s only: that proves nothing"
        )));
    }
    // What is no number is no proof either.
    if during.is_nan() || during > before * STILL {
        return Err(Trouble::Failed(format!(
            "{name}: the port went on sending {during:.0} packets per second of {before:.0} before: nothing was broken"
        )));
    }
    Ok(())
}

/// A port that carried less than half of a flow of the stream carried LACP and other small talk, and its failure proves nothing.
pub(super) fn must_have_carried(name: &str, sent: (u64, f64), probing: Probing) -> Result<(), Trouble> {
    let least = (0.5 * 1e3 / float(probing.interval_ms)).max(SMALL_TALK);
    let rate = rate(sent);
    if rate.is_nan() || rate < least {
        return Err(Trouble::Failed(format!(
            "{name}: the port carried none of the streams before it failed, only {rate:.1} packets per second: its failure proves nothing"
        )));
    }
    Ok(())
}

fn rate((packets, seconds): (u64, f64)) -> f64 {
    float(packets) / seconds
}

/// Packets that a port has sent between two readings, and the seconds between them.
pub(super) fn sent(from: &Counters, to: &Counters, port: &str) -> Result<(u64, f64), Trouble> {
    let rose = to.since(from)?;
    let packets = rose.get(port).and_then(|counters| counters.get("tx_packets")).copied();
    let packets = packets.ok_or_else(|| Trouble::Failed(format!("{port} has no count of the packets that it has sent")))?;
    let seconds = Duration::from_nanos(to.from.monotonic_ns.saturating_sub(from.to.monotonic_ns)).as_secs_f64();
    Ok((packets, seconds.max(1e-3)))
}

/// What the bulk streams came to, in words: they are a load, and may well break.
pub(super) async fn bulk(both: &Both<'_>, probing: Probing) -> String {
    if probing.load_streams == 0 {
        return "none".to_owned();
    }
    tcp::load(both, probing.load_streams, &mut Outcome::default()).await.map_or_else(
        |why| match why {
            Trouble::Failed(why) | Trouble::NotConfigured(why) => format!("broke: {why}"),
        },
        |goodput| format!("{:.3} Gbit/s", goodput * 8.0 / 1e9),
    )
}
