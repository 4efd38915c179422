//! How the members of a bond are at one moment, as the probe `bond` sees them: whether their links work and, with LACP, whether they are in the aggregator that
//! carries and their partners agree. A drill begins when all are in, and ends when all are in again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::{AT_ONCE, LOOK, told};
use crate::remote::Remote;
use crate::remote::task::bonds::{self, BondsSpec};
use crate::runner::bench::Trouble;

/// A member that was broken is back within this: LACP at the slow rate takes up to 30 s for each step.
const BACK_WITHIN: Duration = Duration::from_secs(100);
/// How long two ends of a bond may take to agree, when one of them has just said something new: a few periods of the fast rate.
const AGREES_WITHIN: Duration = Duration::from_secs(10);
/// Partners in sync, collecting, distributing (IEEE 802.1AX, port state).
const CARRYING: u64 = 0x38;
const LACP: &str = "802.3ad";

/// A bond and its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Members {
    bond: String,
    is_lacp: bool,
    /// It asks its partner for the fast timeout.
    is_fast: bool,
    /// Member, and why it carries nothing; none when it does.
    out: BTreeMap<String, Option<String>>,
    links: BTreeMap<String, String>,
}

impl Members {
    /// Those of `bond`. What cannot be read is an error: nothing is broken, and nothing is proven, without it.
    pub(super) fn of(components: &[Component], bond: &str) -> Result<Self, String> {
        let own = components.iter().find(|component| component.kind == Kind::Bond && component.locator == bond);
        let own = own.ok_or_else(|| format!("there is no bond {bond}"))?;
        let mode = text(own, Attr::BondMode)?;
        let is_lacp = mode == LACP;
        let active = if is_lacp { Some(text(own, Attr::Aggregator)?) } else { None };
        let is_fast = is_lacp && text(own, Attr::LacpRate)? == "fast";
        let Some(Value::List(names)) = own.value(Attr::Members) else { return Err(format!("the members of {bond} cannot be read")) };
        let (mut out, mut links) = (BTreeMap::new(), BTreeMap::new());
        for name in names {
            let member = components.iter().find(|component| component.kind == Kind::BondMember && component.locator == *name);
            let member = member.ok_or_else(|| format!("nothing is known of {name}, a member of {bond}"))?;
            let link = text(member, Attr::LinkMonitor)?;
            let mut why = (link != "up").then(|| format!("its link is {link}"));
            if let (None, Some(active)) = (&why, &active) {
                why = left_out(member, active)?;
            }
            out.insert(name.clone(), why);
            links.insert(name.clone(), link);
        }
        if out.is_empty() {
            return Err(format!("{bond} has no members"));
        }
        Ok(Self { bond: bond.to_owned(), is_lacp, is_fast, out, links })
    }

    /// Asks the node.
    pub(super) async fn read(remote: &Remote, bond: &str) -> Result<Self, Trouble> {
        let components: Vec<Component> = remote.call(bonds::NAME, &BondsSpec {}, AT_ONCE).await.map_err(told)?;
        Ok(Self::of(&components, bond).map_err(|why| format!("{}: {why}", remote.node()))?)
    }

    /// Why not every member carries.
    pub(super) fn all_in(&self) -> Result<(), String> {
        match self.first_out() {
            None => Ok(()),
            Some((member, why)) => Err(format!("{member} of {} carries nothing: {why}", self.bond)),
        }
    }

    /// The first member that carries nothing, with why.
    pub(super) fn first_out(&self) -> Option<(&str, &str)> {
        self.out.iter().find_map(|(member, why)| Some((member.as_str(), why.as_deref()?)))
    }

    /// Why a member carries nothing; none when it does.
    pub(super) fn why_out(&self, member: &str) -> Option<&str> {
        self.out.get(member)?.as_deref()
    }

    /// Whether the link of a member works, whatever LACP says of it.
    pub(super) fn has_link(&self, member: &str) -> bool {
        self.links.get(member).is_some_and(|link| link == "up")
    }

    /// Whether a partner that speaks at the slow rate breaks the promise that it was asked for.
    pub(super) fn asks_for_fast(&self) -> Result<(), String> {
        match (self.is_lacp, self.is_fast) {
            (true, true) => Ok(()),
            (true, false) => Err(format!("{} asks its partner for the slow rate: one that speaks every 30 s does as it was asked", self.bond)),
            (false, _) => Err(format!("{} does not use LACP", self.bond)),
        }
    }
}

/// Waits a little until every member carries: two ends that agree anew say so one after the other. Why not, otherwise.
pub(super) async fn all_in_now(remote: &Remote, bond: &str, stop: &AtomicBool) -> Result<Members, Trouble> {
    let begin = tokio::time::Instant::now();
    loop {
        let members = Members::read(remote, bond).await?;
        let Err(why) = members.all_in() else { return Ok(members) };
        if begin.elapsed() > AGREES_WITHIN || stop.load(Ordering::Relaxed) {
            return Err(Trouble::Failed(why));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until every member carries again; how long it took.
pub(super) async fn all_back(remote: &Remote, bond: &str, stop: &AtomicBool) -> Result<Duration, Trouble> {
    let begin = tokio::time::Instant::now();
    loop {
        let Err(why) = Members::read(remote, bond).await?.all_in() else { return Ok(begin.elapsed()) };
        if begin.elapsed() > BACK_WITHIN {
            return Err(Trouble::Failed(format!("{}: {why}, {} s after it was healed", remote.node(), BACK_WITHIN.as_secs())));
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Trouble::Failed("it was told to stop".to_owned()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Why LACP leaves a member with a link out.
fn left_out(member: &Component, active: &str) -> Result<Option<String>, String> {
    let own = text(member, Attr::Aggregator)?;
    if own != active {
        return Ok(Some(format!("it is in aggregator {own}, and {active} carries")));
    }
    let state = text(member, Attr::PartnerState)?;
    let bits: u64 = state.parse().map_err(|_| format!("the state of the partner of {} is `{state}`, which is none", member.locator))?;
    Ok((bits & CARRYING != CARRYING).then(|| format!("its partner's state is {bits}, not in sync, collecting and distributing")))
}

fn text(component: &Component, attr: Attr) -> Result<String, String> {
    match component.reading(attr) {
        Reading::Value(value) => Ok(value.to_string()),
        Reading::Absent => Err(format!("{} of {} is absent", attr, component.locator)),
        Reading::Unreadable(why) => Err(format!("{} of {} cannot be read: {why}", attr, component.locator)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bond of two, each member with its link, aggregator and partner state.
    fn bond(mode: &str, rate: &str, members: [(&str, &str, &str); 2]) -> Vec<Component> {
        let number = |text: &str| text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Integer);
        let names = Value::List(vec!["eth0".into(), "eth1".into()]);
        let mut all = vec![
            Component::new(Kind::Bond, "bond0")
                .with(Attr::BondMode, "s", mode)
                .with(Attr::LacpRate, "s", rate)
                .with(Attr::Aggregator, "s", Value::Integer(1))
                .with(Attr::Members, "s", names),
        ];
        for (name, (link, aggregator, state)) in ["eth0", "eth1"].into_iter().zip(members) {
            let member = Component::new(Kind::BondMember, name).with(Attr::LinkMonitor, "s", link);
            all.push(member.with(Attr::Aggregator, "s", number(aggregator)).with(Attr::PartnerState, "s", number(state)));
        }
        all
    }

    #[test]
    fn a_member_is_in_when_its_link_works_and_lacp_says_so_at_both_ends() {
        let well = ("up", "1", "63");
        let of = |members| Members::of(&bond("802.3ad", "fast", members), "bond0").expect("reads");
        of([well, well]).all_in().expect("all in");
        of([well, ("up", "1", "61")]).all_in().expect("a slow partner carries");
        for (member, why) in [
            (("down", "1", "63"), "its link is down"),
            (("going back", "1", "63"), "its link is going back"),
            (("up", "2", "63"), "in aggregator 2, and 1 carries"),
            (("up", "none", "none"), "in aggregator none"),
            (("up", "1", "55"), "state is 55"),
            (("up", "1", "47"), "state is 47"),
            (("up", "1", "31"), "state is 31"),
        ] {
            let members = of([well, member]);
            let error = members.all_in().expect_err(why);
            assert!(error.contains(why) && error.contains("eth1 of bond0"), "{error}");
            assert_eq!((members.why_out("eth0"), members.why_out("eth1").is_some()), (None, true));
            assert_eq!(members.has_link("eth1"), member.0 == "up");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_answer() {
        let well = ("up", "1", "63");
        let sound = bond("802.3ad", "fast", [well, well]);
        for attr in [Attr::BondMode, Attr::LacpRate, Attr::Aggregator, Attr::Members, Attr::LinkMonitor, Attr::PartnerState] {
            for reading in [Reading::Absent, Reading::Unreadable("a short read".into())] {
                let mut planted = sound.clone();
                for component in planted.iter_mut().filter(|component| component.attributes.contains_key(&attr)) {
                    component.attributes.insert(attr, reading.clone());
                }
                assert!(Members::of(&planted, "bond0").is_err(), "{attr} {reading:?}");
            }
        }
        assert!(Members::of(&sound[..2], "bond0").expect_err("one of two").contains("nothing is known of eth1"));
        assert!(Members::of(&sound, "bond1").expect_err("another").contains("no bond bond1"));
        assert!(Members::of(&bond("802.3ad", "fast", [well, ("up", "1", "x")]), "bond0").is_err());
    }

    #[test]
    fn only_who_asks_for_the_fast_rate_has_a_slow_partner() {
        let well = ("up", "1", "63");
        let of = |mode, rate| Members::of(&bond(mode, rate, [well, well]), "bond0").expect("reads").asks_for_fast();
        of("802.3ad", "fast").expect("fast");
        assert!(of("802.3ad", "slow").expect_err("slow").contains("does as it was asked"));
        assert!(of("active-backup", "fast").expect_err("none").contains("does not use LACP"));
        // Without LACP only links are looked at.
        let backup = bond("active-backup", "slow", [("up", "none", "none"), ("up", "9", "0")]);
        Members::of(&backup, "bond0").expect("reads").all_in().expect("both links");
    }
}
