//! A switch dies: on every node that takes part all members that lead to it go down at one moment. Each node arms a fault of its own, with its own record and
//! watchdog; they stand before the moment comes, and wait for it by their own clocks. Whatever happens at one of them, all are healed.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use assay_model::inventory::Inventory;
use assay_model::outage::Span;
use assay_model::run::Condition;
use assay_model::site::Node;
use serde::de::DeserializeOwned;

use super::carrier::Carrier;
use super::chassis::{Bonded, Chassis, chassis_of};
use super::members::{all_back, all_in_now};
use super::outage::{SPARE_MS, bulk, must_be_listed, must_have_broken, not_healed, sent, wait, was_told};
use super::stream::{Broke, Seen, Stream, clock_of};
use super::timeline::Acts;
use super::{AT_ONCE, Both, all, float, inventory_of, told};
use crate::fault::{Armed, FaultSpec};
use crate::plan::{End, PlannedNet};
use crate::remote::task::clock::ClockStamps;
use crate::remote::task::counters::{self, Counters, CountersSpec};
use crate::remote::task::fault::{ARM, ArmedSpec, HEAL, Healed, INJECT, InjectSpec, Injected, Standing, WasHealed};
use crate::remote::{ClockOffset, Remote, RemoteTask, shown};
use crate::runner::bench::{Fact, Nodes, Outcome, Trouble};
use crate::scenario::{LinkFault, Probing, QUIET_MS};

/// A switch announces itself every 30 s.
const LISTEN: Duration = Duration::from_secs(35);
/// From the word to inject until the moment at which all do: every watchdog stands by then.
const LEAD_MS: u64 = 3_000;
/// By then all stand, or none breaks.
const STANDING_WITHIN: Duration = Duration::from_millis(LEAD_MS - 400);
/// Between two looks at whether all are still broken.
const HOLD_LOOK: Duration = Duration::from_millis(200);
/// Nodes that lose the switch further apart than this have not lost it at one moment.
const SPREAD_MAX: Duration = Duration::from_millis(100);

/// A node that takes part.
struct Place<'a> {
    node: &'a Node,
    end: &'a End,
    remote: &'a Remote,
    inventory: Inventory,
    bond: String,
    members: Vec<String>,
}

/// Loses each switch that the nodes are behind, one after the other.
pub(super) async fn measure(
    net: &PlannedNet,
    remotes: &[&Remote],
    nodes: &Nodes,
    stop: &AtomicBool,
    (hold_ms, probing): (u64, Probing),
) -> Result<Outcome, Trouble> {
    let places = all(net.ends().zip(remotes).map(|(end, remote)| place(end, remote, nodes))).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let bonded: Vec<Bonded<'_>> = places.iter().map(Place::bonded).collect();
    let chassis = chassis_of(&bonded).map_err(|why| Trouble::Failed(format!("no switch is lost: {why}")))?;
    let mut outcome = Outcome { elapsed: Duration::from_millis(hold_ms), ..Outcome::default() };
    for (number, chassis) in chassis.iter().enumerate() {
        wait(stop, 0).await?;
        Loss { net, places: &places, nodes, stop, hold_ms, probing, chassis, number }.run(&mut outcome).await?;
    }
    Ok(outcome)
}

async fn place<'a>(end: &'a End, remote: &'a Remote, nodes: &'a Nodes) -> Result<Place<'a>, Trouble> {
    let node = nodes.nodes.iter().find(|node| node.name == end.node).ok_or_else(|| "the plan does not know the node".to_owned())?;
    let inventory = inventory_of(remote, nodes.probe_deadline, LISTEN).await?;
    must_be_listed(node, &inventory)?;
    let Carrier { bond, ports, .. } = Carrier::of(&inventory, end.address)?;
    let bond = bond.ok_or_else(|| format!("no switch is lost: {} of {} is carried by no bond, and would be cut off", end.address, node.name))?;
    Ok(Place { node, end, remote, inventory, bond: bond.name, members: ports })
}

impl Place<'_> {
    fn bonded(&self) -> Bonded<'_> {
        Bonded { node: &self.node.name, inventory: &self.inventory, bond: &self.bond, members: &self.members }
    }
}

/// One switch that dies once.
struct Loss<'a> {
    net: &'a PlannedNet,
    places: &'a [Place<'a>],
    nodes: &'a Nodes,
    stop: &'a AtomicBool,
    hold_ms: u64,
    probing: Probing,
    chassis: &'a Chassis,
    number: usize,
}

/// What was done at one node: when, by the clock of this process, and what each member had sent before and sent meanwhile.
struct Lost {
    from_ns: i128,
    to_ns: i128,
    healed_from_ns: i128,
    healed_to_ns: i128,
    uncertainty_ns: u64,
    sent: Vec<Sent>,
}

struct Sent {
    member: String,
    before: (u64, f64),
    during: (u64, f64),
}

impl Loss<'_> {
    async fn run(&self, outcome: &mut Outcome) -> Result<(), Trouble> {
        for place in self.places {
            all_in_now(place.remote, &place.bond, self.stop).await.map_err(|trouble| match trouble {
                Trouble::Failed(why) => Trouble::Failed(format!("{} is not begun: on {} {why}", self.name(), place.node.name)),
                Trouble::NotConfigured(_) => trouble,
            })?;
        }
        let nets = self.pairs();
        let pairs: Vec<Both<'_>> = nets
            .iter()
            .map(|(from, to, net)| Both {
                net,
                from: self.places[*from].remote,
                to: self.places[*to].remote,
                stop: self.stop,
                probe_deadline: self.nodes.probe_deadline,
            })
            .collect();
        let most_ms = self.hold_ms + 3 * QUIET_MS + LEAD_MS;
        let streams = all(pairs.iter().map(|both| Stream::begin(both, self.probing, most_ms))).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let bulk = async { Ok::<_, Trouble>(all(pairs.iter().map(|both| bulk(both, self.probing))).await) };
        let ((lost, back), bulk) = tokio::try_join!(self.break_and_heal(), bulk)?;
        let seen = all(streams.into_iter().map(Stream::end)).await.into_iter().collect::<Result<Vec<Seen>, _>>()?;
        for (place, lost) in self.places.iter().zip(&lost) {
            for Sent { member, before, during } in &lost.sent {
                must_have_broken(&format!("{} at {} {member}", self.name(), place.node.name), *before, *during, self.probing)?;
            }
        }
        outcome.notes.insert(format!("{} bonds", self.name()), format!("every member carried again {back:.1?} after it was healed"));
        let broke = self.broke(&lost, outcome)?;
        for ((both, seen), bulk) in pairs.iter().zip(&seen).zip(bulk) {
            seen.conclude(both, &self.name(), &broke, ("chassis", &self.chassis.id), outcome)?;
            outcome.notes.insert(both.note(&format!("{} bulk stream", self.name())), bulk);
        }
        Ok(())
    }

    fn name(&self) -> String {
        let id = shown(&self.chassis.id);
        let called = self.chassis.system_name.as_ref().map_or_else(|| id.clone(), |name| format!("{} ({id})", shown(name)));
        format!("{} of {called}", LinkFault::SwitchLoss.name())
    }

    fn id(&self, place: &Place<'_>) -> String {
        format!("{}-{}-{}", place.node.name, LinkFault::SwitchLoss.name(), self.number)
    }

    /// Every two of the nodes, by their places, as a measurement of its own.
    fn pairs(&self) -> Vec<(usize, usize, PlannedNet)> {
        let count = self.places.len();
        let pairs = (0..count).flat_map(|from| (from + 1..count).map(move |to| (from, to)));
        let end = |place: usize| self.places[place].end.clone();
        pairs.map(|(from, to)| (from, to, PlannedNet { from: end(from), to: end(to), beside: Vec::new(), ..self.net.clone() })).collect()
    }

    /// When the first node lost it. All should have at that moment.
    fn broke(&self, lost: &[Lost], outcome: &mut Outcome) -> Result<Broke, Trouble> {
        let first = lost.iter().map(|lost| lost.from_ns).min().ok_or_else(|| "no node lost anything".to_owned())?;
        let last = lost.iter().map(|lost| lost.to_ns).max().unwrap_or(first);
        let uncertainty_ns = lost.iter().map(|lost| lost.uncertainty_ns).max().unwrap_or(0);
        let spread = Duration::from_nanos(u64::try_from(last - first).map_err(|_| "a clock is centuries away".to_owned())?);
        let members: Vec<String> =
            self.places.iter().zip(&self.chassis.members).map(|(place, members)| format!("{} {}", place.node.name, members.join(" "))).collect();
        let text = format!(
            "{}: {} nodes lost it within {:.1} ms (clocks within {:.1} ms)",
            members.join(", "),
            lost.len(),
            spread.as_secs_f64() * 1e3,
            float(uncertainty_ns) / 1e6
        );
        if spread > SPREAD_MAX {
            outcome.doubts.push(Condition::NotSteady(format!("{}: the nodes lost it {spread:.0?} apart, not at one moment", self.name())));
        }
        outcome.notes.insert(self.name(), text);
        let since = |at: i128| i64::try_from(at - first).map_err(|_| "a clock is centuries away".to_owned());
        let healed = |of: fn(&Lost) -> i128| lost.iter().map(of);
        let acts = Acts {
            injected: Span { from_ns: 0, to_ns: since(last)? },
            healed: Span {
                from_ns: since(healed(|lost| lost.healed_from_ns).min().unwrap_or(last))?,
                to_ns: since(healed(|lost| lost.healed_to_ns).max().unwrap_or(last))?,
            },
        };
        Ok(Broke { near_ns: first, uncertainty_ns, earliest_ns: first, acts, fault: LinkFault::SwitchLoss })
    }

    async fn counted(&self) -> Result<Vec<Counters>, Trouble> {
        let read = |(place, members): (&Place<'_>, &Vec<String>)| {
            let task = place.remote.start(counters::NAME, &CountersSpec { interfaces: members.clone() });
            async move { task.map_err(told)?.finish(AT_ONCE).await.map_err(told) }
        };
        all(self.places.iter().zip(&self.chassis.members).map(read)).await.into_iter().collect()
    }

    /// Whatever happens after the first fault is armed, all of them are healed before this returns, or by the watchdogs of their nodes.
    async fn break_and_heal(&self) -> Result<(Vec<Lost>, Duration), Trouble> {
        let quiet = self.counted().await?;
        wait(self.stop, QUIET_MS).await?;
        let mut armed = Vec::new();
        let lost = match self.arm(&mut armed).await {
            Ok(()) => self.hold(&armed, &quiet).await,
            Err(why) => Err(why),
        };
        // Once more, whoever has healed by itself: it harms nothing, and one that fails keeps none of the others broken.
        let heals = self.places.iter().zip(&armed).map(|(place, armed)| self.heal(place, armed));
        let healed: Result<(), Trouble> = all(heals).await.into_iter().collect();
        let lost = match (lost, healed) {
            (lost, Ok(())) => lost?,
            (Ok(_), Err(why)) => return Err(why),
            (Err(why), Err(left)) => return Err(not_healed(&why, &left)),
        };
        // The return of the members is a part of it, and the streams go on meanwhile.
        let mut back = Duration::ZERO;
        for place in self.places {
            back += all_back(place.remote, &place.bond, self.stop).await?;
        }
        wait(self.stop, QUIET_MS).await?;
        Ok((lost, back))
    }

    /// Arms one node after the other; those that are armed stand in the journal, also when the next one refuses.
    async fn arm(&self, armed: &mut Vec<Armed>) -> Result<(), Trouble> {
        for (place, members) in self.places.iter().zip(&self.chassis.members) {
            let on = serde_json::json!({ "interfaces": members });
            let within_ms = LEAD_MS + self.hold_ms + SPARE_MS;
            let spec = FaultSpec { id: self.id(place), fault: LinkFault::SwitchLoss.name().to_owned(), on, within_ms };
            let one: Armed = place.remote.call(ARM, &spec, AT_ONCE).await.map_err(told)?;
            let value = serde_json::to_value(&one).map_err(|error| error.to_string())?;
            let (fault, host) = (one.fault.clone(), place.node.name.clone());
            armed.push(one);
            self.nodes.diary.write(Fact::Armed { id: self.id(place), fault, host, armed: value }).await?;
        }
        Ok(())
    }

    async fn heal(&self, place: &Place<'_>, armed: &Armed) -> Result<(), Trouble> {
        let _: WasHealed = place.remote.call(HEAL, &ArmedSpec { armed: armed.clone() }, AT_ONCE).await.map_err(told)?;
        self.nodes.diary.write(Fact::Healed { id: self.id(place) }).await
    }

    /// Injects at all nodes at one moment, holds, and tells all to heal before any of them is waited for.
    async fn hold(&self, armed: &[Armed], quiet: &[Counters]) -> Result<Vec<Lost>, Trouble> {
        let ready = self.counted().await?;
        let clocks: Vec<ClockOffset> = all(self.places.iter().map(|place| clock_of(place.remote))).await.into_iter().collect::<Result<_, _>>()?;
        let at_ns = i128::from(ClockStamps::now().monotonic_ns) + i128::from(LEAD_MS * 1_000_000);
        let mut tasks = Vec::new();
        for ((place, armed), clock) in self.places.iter().zip(armed).zip(&clocks) {
            let at = u64::try_from(at_ns + i128::from(clock.monotonic_ns)).map_err(|_| "a clock is before its own boot".to_owned())?;
            let spec = InjectSpec { armed: armed.clone(), at_monotonic_ns: Some(at) };
            // Dropped when another one cannot be started, it is told to stop.
            tasks.push(place.remote.start(INJECT, &spec).map_err(told)?);
        }
        let held = self.held(&mut tasks).await;
        tasks.iter().for_each(RemoteTask::cancel);
        let healed = all(tasks.into_iter().map(|task| task.finish::<Healed>(AT_ONCE))).await;
        // Why a task ended by itself says more than that it said nothing.
        let (injected, from, to) = match (held, healed.iter().find_map(|healed| healed.as_ref().err().filter(|error| !error.is_cancelled()))) {
            (Ok(held), None) => held,
            (_, Some(why)) => return Err(told(why.clone())),
            (Err(why), None) => return Err(why),
        };
        let mut lost = Vec::new();
        for (at, place) in self.places.iter().enumerate() {
            let healed = healed[at].as_ref().map_err(|why| told(why.clone()))?;
            Acts::of(healed).map_err(|why| format!("{}: {why}", place.node.name))?;
            was_told(healed, &format!("{} at {}", self.name(), place.node.name))?;
            let one = |member: &String| {
                let (before, during) = (sent(&quiet[at], &ready[at], member)?, sent(&from[at], &to[at], member)?);
                Ok::<_, Trouble>(Sent { member: member.clone(), before, during })
            };
            lost.push(Lost {
                from_ns: clocks[at].near_ns(injected[at].from.monotonic_ns),
                to_ns: clocks[at].near_ns(injected[at].to.monotonic_ns),
                healed_from_ns: clocks[at].near_ns(healed.from.monotonic_ns),
                healed_to_ns: clocks[at].near_ns(healed.to.monotonic_ns),
                uncertainty_ns: clocks[at].uncertainty_ns,
                sent: self.chassis.members[at].iter().map(one).collect::<Result<_, _>>()?,
            });
        }
        Ok(lost)
    }

    /// All stand before any breaks: one that does not keeps the others from it, as long as there is time.
    async fn held(&self, tasks: &mut [RemoteTask]) -> Result<(Vec<Injected>, Vec<Counters>, Vec<Counters>), Trouble> {
        all(tasks.iter_mut().map(|task| next::<Standing>(task, STANDING_WITHIN))).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let injected = all(tasks.iter_mut().map(|task| next::<Injected>(task, AT_ONCE))).await.into_iter().collect::<Result<_, _>>()?;
        for place in self.places {
            self.nodes.diary.write(Fact::Injected { id: self.id(place) }).await?;
        }
        let from = self.counted().await?;
        let end = tokio::time::Instant::now() + Duration::from_millis(self.hold_ms);
        while let Some(left) = end.checked_duration_since(tokio::time::Instant::now()).filter(|left| !left.is_zero()) {
            wait(self.stop, u64::try_from(left.min(HOLD_LOOK).as_millis()).unwrap_or(1).max(1)).await?;
            // Where one node is whole again the others need not stay broken.
            for (place, task) in self.places.iter().zip(tasks.iter_mut()) {
                if task.has_ended() {
                    return Err(Trouble::Failed(format!("{}: it was not in effect on {} any more", self.name(), place.node.name)));
                }
            }
        }
        Ok((injected, from, self.counted().await?))
    }
}

/// The next word of a task that is about to break something.
async fn next<T: DeserializeOwned>(task: &mut RemoteTask, within: Duration) -> Result<T, Trouble> {
    let word = task.event(within).await.map_err(told)?;
    word.ok_or_else(|| Trouble::Failed("the fault was never injected".to_owned()))
}
