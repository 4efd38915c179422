//! What fails in a drill, how it is broken and healed, and when the cluster had noticed and was as before. Whatever happens after the first fault is armed, all of them are
//! healed before this returns, or by the watchdogs of their nodes.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use assay_bench::Progress;
use assay_model::inventory::Inventory;
use assay_model::outage::Span;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::super::carrier::Carrier;
use super::super::outage::{SPARE_MS, must_be_listed, not_healed, was_told};
use super::super::stream::clock_of;
use super::super::{AT_ONCE, HEALS_WITHIN, LOOK, Nodes, all, heal_on, heal_there_or_here, inventory_of, told};
use super::cluster::{Cluster, Sighting, Watch};
use super::nanoseconds;
use super::placement::Placement;
use crate::fault::{Armed, Daemon, FaultSpec};
use crate::plan::{PlannedDrill, PlannedNet, Victim as Planned};
use crate::remote::task::clock::ClockStamps;
use crate::remote::task::daemons::{self, DaemonsSpec};
use crate::remote::task::fault::{ARM, Healed, INJECT, InjectSpec, Injected};
use crate::remote::{ClockOffset, Remote, RemoteTask};
use crate::runner::bench::{Diary, Fact, Trouble};
use crate::scenario::{ClusterFault, DrillSpec, PEACE_MS};

/// What was well a moment ago has to be well when it is begun.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// A failure beside that of a drill is believed when it was seen for so long.
const SLIP: Duration = Duration::from_secs(1);
/// Operations of the client in peace, at least.
const WORKED: u64 = 40;
/// Space that a cluster without data takes itself to use at least, parts per million: below it, full is full of nothing.
const USED_LEAST_PPM: u64 = 200;

/// A node on which something fails, with what is known of it.
pub(super) struct Victim<'a> {
    planned: &'a Planned,
    remote: &'a Remote,
    inventory: Inventory,
    pub(super) daemons: Vec<Daemon>,
}

impl<'a> Victim<'a> {
    /// Looks at it: nothing is broken on a machine that merely has the name.
    pub(super) async fn look(planned: &'a Planned, remote: &'a Remote, nodes: &Nodes) -> Result<Self, Trouble> {
        let node = nodes.nodes.iter().find(|node| node.name == planned.node).ok_or_else(|| "the plan does not know the node".to_owned())?;
        let inventory = inventory_of(remote, nodes.probe_deadline, Duration::ZERO).await?;
        must_be_listed(node, &inventory)?;
        let daemons = remote.call(daemons::NAME, &DaemonsSpec {}, AT_ONCE).await.map_err(told)?;
        Ok(Self { planned, remote, inventory, daemons })
    }

    fn node(&self) -> &str {
        &self.planned.node
    }

    /// Numbers of its OSDs, ascending.
    fn osds(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.daemons.iter().filter_map(|daemon| daemon.name.strip_prefix("osd.")?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// What is broken, and by what the cluster shows that it has noticed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    breaks: Vec<Break>,
    /// Any of these differences from before.
    signs: Vec<String>,
    /// For people.
    on: Vec<String>,
    /// What may not be acknowledged meanwhile.
    waits: MustWait,
    /// Daemons that may be missing meanwhile: `osd.3`, `mon.a`. Of no others may any be.
    may_miss: Vec<String>,
}

/// Writes that have to wait until all is healed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MustWait {
    Nothing,
    /// Those to these bytes: too few of their copies are left.
    Writes(Vec<Range<u64>>),
    /// All of them, once the cluster says that it is full.
    AllWritesOnceNoticed,
}

impl Plan {
    pub(super) fn waits(&self) -> &MustWait {
        &self.waits
    }

    /// Round trips of the node that fails, where they are measured.
    pub(super) fn rings<'a>(&self, drill: &'a PlannedDrill) -> Vec<&'a PlannedNet> {
        let fails = self.breaks.first().map(|first| &drill.nodes[first.victim].node);
        drill.rings.iter().filter(|ring| Some(&ring.from.node) == fails).collect()
    }

    /// What is missing of the cluster that this drill does not account for: another failure beside it.
    fn beside(&self, now: &Cluster, before: &Cluster) -> Option<String> {
        let is_daemon = |what: &&String| what.starts_with("osd.") || what.starts_with("mon.");
        let accounted = |what: &str| self.may_miss.iter().any(|daemon| what.strip_prefix(daemon.as_str()).is_some_and(|rest| rest.starts_with(' ')));
        now.differences(before).iter().filter(is_daemon).find(|what| !accounted(what)).cloned()
    }
}

/// One fault on one node, by its place among the victims.
#[derive(Debug, Clone, PartialEq)]
struct Break {
    victim: usize,
    fault: &'static str,
    on: Value,
}

/// Decides what fails. Why it may not, otherwise.
pub(super) fn choose(drill: &PlannedDrill, victims: &[Victim<'_>], scene: &Scene<'_>) -> Result<Plan, String> {
    let known: Vec<Known<'_>> = victims.iter().map(Known::of).collect();
    chosen(&drill.spec, &known, scene, |at| {
        let victim = &victims[at];
        let address = victim.planned.address.ok_or_else(|| format!("no address of {} is known in that network", victim.node()))?;
        let cut = Carrier::of(&victim.inventory, address)?.interface;
        for ring in drill.rings.iter().filter(|ring| ring.from.node == victim.node()) {
            if Carrier::of(&victim.inventory, ring.from.address)?.is_on(&cut) {
                return Err(format!(
                    "round trips in {} would go over {cut}, which {} is cut off from: name another network by --ring",
                    ring.network,
                    victim.node()
                ));
            }
        }
        Ok(cut)
    })
}

/// What a choice depends on of the cluster.
pub(super) struct Scene<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) placement: &'a Placement,
    /// Pools of which two copies may lie on one host.
    pub(super) not_by_host: &'a [String],
    /// The pool of the image.
    pub(super) pool: &'a str,
}

/// What a choice depends on of a node.
struct Known<'a> {
    node: &'a str,
    daemons: &'a [Daemon],
    osds: Vec<u64>,
}

impl<'a> Known<'a> {
    fn of(victim: &'a Victim<'_>) -> Self {
        Self { node: victim.node(), daemons: &victim.daemons, osds: victim.osds() }
    }
}

fn chosen(spec: &DrillSpec, victims: &[Known<'_>], scene: &Scene<'_>, interface: impl Fn(usize) -> Result<String, String>) -> Result<Plan, String> {
    let Scene { cluster, placement, not_by_host, pool } = *scene;
    let first = victims.first().ok_or("no node takes part")?;
    // The one that the client has most of.
    let osd = || {
        let osd = placement.fullest(&first.osds).ok_or_else(|| format!("no OSD runs on {}", first.node))?;
        if placement.on(&[osd]) == 0 { Err(format!("no object of the image lies on an OSD of {}: make a larger one", first.node)) } else { Ok(osd) }
    };
    let down = |osd: u64| format!("osd.{osd} down");
    let single = |fault, on, signs, what: String, may_miss: Vec<String>| Plan {
        breaks: vec![Break { victim: 0, fault, on }],
        signs,
        on: vec![format!("{what} of {}", first.node)],
        waits: MustWait::Nothing,
        may_miss,
    };
    let one = |osd: u64| vec![format!("osd.{osd}")];
    let of_node = |known: &Known<'_>| known.daemons.iter().map(|daemon| daemon.name.clone()).collect::<Vec<_>>();
    let daemons = |daemons: Value| json!({ "fsid": cluster.fsid, "daemons": daemons });
    let named = |osd: u64| daemons(json!({ "named": [format!("osd.{osd}")] }));
    // One failure domain is lost, and every pool has to go on with what is left.
    let spare = || match cluster.without_spare().as_slice() {
        [] => Ok(()),
        pools => Err(format!("pools would stop: {}", pools.join(", "))),
    };
    let by_host = || match not_by_host {
        [] => Ok(()),
        pools => Err(format!("two copies may lie on one host, by the CRUSH rules of {}: they could stop", pools.join(", "))),
    };
    let majority = |lost: usize| {
        let left = cluster.quorum.len().saturating_sub(lost);
        if left * 2 > cluster.monitors.len() {
            Ok(())
        } else {
            Err(format!("{left} of {} monitors would be left, and no quorum", cluster.monitors.len()))
        }
    };
    let monitors_of = |known: &Known<'_>| known.daemons.iter().filter(|daemon| daemon.name.starts_with("mon.")).count();
    match spec.fault {
        ClusterFault::OsdStop => {
            spare()?;
            let osd = osd()?;
            Ok(single("ceph-stop", named(osd), vec![down(osd)], format!("osd.{osd}"), one(osd)))
        }
        ClusterFault::OsdKill => {
            spare()?;
            let osd = osd()?;
            Ok(single("ceph-kill", named(osd), vec![down(osd)], format!("osd.{osd}"), one(osd)))
        }
        ClusterFault::OsdOut => {
            let osd = osd()?;
            let on = json!({ "fsid": cluster.fsid, "osd": osd });
            Ok(single("ceph-out", on, vec![format!("osd.{osd} out")], format!("osd.{osd}"), one(osd)))
        }
        ClusterFault::OsdSlow => {
            let osd = osd()?;
            let delay = spec.delay_ms.ok_or("no delay is planned")?;
            let on = json!({ "fsid": cluster.fsid, "osd": osd, "delay_ms": delay });
            Ok(single("ceph-slow", on, vec![down(osd), "health SLOW_OPS".to_owned()], format!("osd.{osd}"), one(osd)))
        }
        ClusterFault::HostLoss => {
            spare()?;
            by_host()?;
            if first.osds.is_empty() {
                return Err(format!("no OSD runs on {}", first.node));
            }
            majority(monitors_of(first))?;
            let names: Vec<&str> = first.daemons.iter().map(|daemon| daemon.name.as_str()).collect();
            let signs = first.osds.iter().map(|osd| down(*osd)).collect();
            Ok(single("ceph-stop", daemons(json!("all")), signs, names.join(", "), of_node(first)))
        }
        ClusterFault::Partition => {
            spare()?;
            by_host()?;
            if first.osds.is_empty() {
                return Err(format!("no OSD runs on {}", first.node));
            }
            majority(monitors_of(first))?;
            let interface = interface(0)?;
            let signs = first.osds.iter().map(|osd| down(*osd)).collect();
            let on = json!({ "interface": interface, "direction": "both" });
            Ok(single("silent-link", on, signs, format!("{interface} ({})", spec.network.as_deref().unwrap_or("a network")), of_node(first)))
        }
        ClusterFault::MonLoss => {
            majority(1)?;
            let name = format!("mon.{}", cluster.leader);
            let at = victims.iter().position(|known| known.daemons.iter().any(|daemon| daemon.name == name));
            let at = at.ok_or_else(|| format!("the monitor that leads, {name}, runs on none of the nodes that take part"))?;
            Ok(Plan {
                breaks: vec![Break { victim: at, fault: "ceph-stop", on: daemons(json!({ "named": [name] })) }],
                signs: vec![format!("{name} out of quorum")],
                on: vec![format!("{name} of {}", victims[at].node)],
                waits: MustWait::Nothing,
                may_miss: vec![name],
            })
        }
        ClusterFault::BelowMinSize => {
            let [here, there] = victims else { return Err("two nodes take part".to_owned()) };
            let facts = cluster.pools.get(pool).ok_or_else(|| format!("the monitors know no pool {pool}"))?;
            if facts.size.saturating_sub(2) >= facts.min_size {
                return Err(format!("with two copies less the pool {pool} goes on: size {}, min_size {}", facts.size, facts.min_size));
            }
            let pair = placement.fullest_pair(&here.osds, &there.osds);
            let (first, second) = pair.ok_or_else(|| format!("an OSD has to run on {} and on {}", here.node, there.node))?;
            let bytes = placement.bytes_on(&[first, second]);
            if bytes.is_empty() {
                return Err(format!("no object of the image lies on an OSD of {} and on one of {}: make a larger one", here.node, there.node));
            }
            let osds = [first, second];
            Ok(Plan {
                breaks: osds.iter().enumerate().map(|(victim, osd)| Break { victim, fault: "ceph-stop", on: named(*osd) }).collect(),
                signs: vec!["placement groups inactive".to_owned(), down(first), down(second)],
                on: osds.iter().zip(victims).map(|(osd, known)| format!("osd.{osd} of {}", known.node)).collect(),
                waits: MustWait::Writes(bytes),
                may_miss: osds.iter().flat_map(|osd| one(*osd)).collect(),
            })
        }
        ClusterFault::Full => {
            if cluster.used_ppm < USED_LEAST_PPM {
                return Err("nothing is stored in the cluster: it cannot be taken for full".to_owned());
            }
            #[allow(clippy::cast_precision_loss, reason = "parts per million")]
            let ratio = cluster.used_ppm as f64 / 1e6 / 2.0;
            // The image's own pool: OSDs of another class may be fuller than these.
            let signs = vec![format!("pool {pool} full")];
            Ok(Plan {
                breaks: vec![Break { victim: 0, fault: "ceph-full", on: json!({ "fsid": cluster.fsid, "ratio": ratio }) }],
                signs,
                on: vec![format!("all OSDs, by a full ratio of {ratio:.4}")],
                waits: MustWait::AllWritesOnceNoticed,
                may_miss: Vec::new(),
            })
        }
    }
}

/// What was done, in nanoseconds since the drill began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acted {
    pub(super) injected: Span,
    pub(super) healed: Span,
    pub(super) uncertainty_ns: u64,
    pub(super) detected_ns: Option<i64>,
    pub(super) clean_ns: i64,
    pub(super) on: Vec<String>,
    /// Facts for people.
    pub(super) asides: Vec<String>,
}

/// Everything that acts in a drill.
pub(super) struct Stage<'a> {
    pub(super) drill: &'a PlannedDrill,
    pub(super) plan: &'a Plan,
    pub(super) victims: &'a [Victim<'a>],
    pub(super) watch: &'a Watch,
    pub(super) ready: &'a Cluster,
    pub(super) began: Instant,
    pub(super) diary: &'a Diary,
    pub(super) stop: &'a AtomicBool,
    pub(super) load_over: &'a AtomicBool,
    pub(super) progress: &'a Progress,
    /// Told when all is broken.
    pub(super) broken: Mutex<Option<oneshot::Sender<()>>>,
}

/// When it was broken and whole again, by the clock of this process.
struct Done {
    injected: Vec<(i128, i128)>,
    healed: Vec<(i128, i128)>,
    uncertainty_ns: u64,
}

impl Stage<'_> {
    pub(super) async fn act(&self) -> Result<Acted, Trouble> {
        self.wait(PEACE_MS).await?;
        let worked = self.progress.operations();
        if worked < WORKED {
            return Err(self.not_begun(&format!("its client did {worked} operations in {} s, and says too little", PEACE_MS / 1000)));
        }
        // What this process calls the beginning, by the clock that nodes are compared with.
        let begin_ns = i128::from(ClockStamps::now().monotonic_ns) - i128::from(nanoseconds(self.began.elapsed()));
        let mut armed = Vec::new();
        let done = match self.arm(&mut armed).await {
            Ok(()) => self.hold(&armed).await,
            Err(Trouble::Failed(why) | Trouble::NotConfigured(why)) => Err(self.not_begun(&why)),
        };
        // Once more, whoever has healed by itself: it harms nothing, and one that fails keeps none of the others broken.
        let heals = self.plan.breaks.iter().zip(&armed).map(|(one, armed)| self.heal(one, armed));
        let healed: Result<(), Trouble> = all(heals).await.into_iter().collect();
        let done = match (done, healed) {
            (done, Ok(())) => done?,
            (Ok(_), Err(why)) => return Err(why),
            (Err(why), Err(left)) => return Err(not_healed(&why, &left)),
        };
        let since = |ns: i128| i64::try_from(ns - begin_ns).map_err(|_| "a clock is centuries away".to_owned());
        let bound = |spans: &[(i128, i128)]| -> Result<Span, String> {
            let from = spans.iter().map(|(from, _)| *from).min().ok_or("nothing was broken")?;
            let to = spans.iter().map(|(_, to)| *to).max().ok_or("nothing was broken")?;
            Ok(Span { from_ns: since(from)?, to_ns: since(to)? })
        };
        let (injected, healed) = (bound(&done.injected)?, bound(&done.healed)?);
        let settle = Duration::from_millis(self.drill.spec.settle_ms);
        let clean = self.watch.until_as(self.ready, healed.to_ns, settle, self.stop).await;
        let clean_ns = clean.map_err(|why| format!("{}: it is not as before: {why}", super::name(self.drill)))?;
        // Who had ended before has not seen what its operations would have waited for until now.
        self.look().await?;
        let seen = self.watch.since(injected.from_ns);
        let noticed = seen.iter().take_while(|sighting| sighting.asked_ns <= healed.from_ns).find(|sighting| {
            sighting.said.as_ref().is_ok_and(|cluster| cluster.differences(self.ready).iter().any(|what| self.plan.signs.contains(what)))
        });
        let silent = seen.iter().filter(|sighting| sighting.said.is_err()).count();
        let mut asides = Vec::new();
        if silent > 0 {
            asides.push(format!("the monitors did not answer {silent} of {} times", seen.len()));
        }
        Ok(Acted {
            injected,
            healed,
            uncertainty_ns: done.uncertainty_ns,
            detected_ns: noticed.map(|sighting| sighting.told_ns),
            clean_ns,
            on: self.plan.on.clone(),
            asides,
        })
    }

    fn id(&self, one: &Break) -> String {
        let node: String =
            self.victims[one.victim].node().chars().filter(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter)).take(40).collect();
        format!("{node}-{}", one.fault)
    }

    /// Arms one after the other; those that are armed stand in the journal, also when the next one refuses.
    async fn arm(&self, armed: &mut Vec<Armed>) -> Result<(), Trouble> {
        for one in &self.plan.breaks {
            let victim = &self.victims[one.victim];
            let within_ms = self.drill.spec.hold_ms + SPARE_MS;
            let spec = FaultSpec { id: self.id(one), fault: one.fault.to_owned(), on: one.on.clone(), within_ms };
            let fault: Armed = victim.remote.call(ARM, &spec, HEALS_WITHIN).await.map_err(told)?;
            let value = serde_json::to_value(&fault).map_err(|error| error.to_string())?;
            let (name, host) = (fault.fault.clone(), victim.node().to_owned());
            armed.push(fault);
            self.diary.write(Fact::Armed { id: self.id(one), fault: name, host, armed: value }).await?;
        }
        Ok(())
    }

    async fn heal(&self, one: &Break, armed: &Armed) -> Result<(), Trouble> {
        heal_there_or_here(armed, heal_on(self.victims[one.victim].remote, armed)).await?;
        self.diary.write(Fact::Healed { id: self.id(one) }).await
    }

    /// Injects, holds, and tells all to heal before any of them is waited for.
    async fn hold(&self, armed: &[Armed]) -> Result<Done, Trouble> {
        let remotes: Vec<&Remote> = self.plan.breaks.iter().map(|one| self.victims[one.victim].remote).collect();
        let clocks: Vec<ClockOffset> = all(remotes.iter().map(|remote| clock_of(remote))).await.into_iter().collect::<Result<_, _>>()?;
        // Something else may have failed since the plan was made.
        self.watch.until_ready(READY_WITHIN, self.stop).await.map_err(|why| self.not_begun(&why))?;
        let mut tasks = Vec::new();
        for (remote, armed) in remotes.iter().zip(armed) {
            // Dropped when another one cannot be started, it is told to stop.
            tasks.push(remote.start(INJECT, &InjectSpec { armed: armed.clone(), at_monotonic_ns: None }).map_err(told)?);
        }
        let held = self.held(&mut tasks).await;
        tasks.iter().for_each(RemoteTask::cancel);
        let healed = all(tasks.into_iter().map(|task| task.finish::<Healed>(HEALS_WITHIN))).await;
        // Why a task ended by itself says more than that it said nothing.
        let injected = match (held, healed.iter().find_map(|healed| healed.as_ref().err().filter(|error| !error.is_cancelled()))) {
            (Ok(injected), None) => injected,
            (_, Some(why)) => return Err(told(why.clone())),
            (Err(why), None) => return Err(why),
        };
        let mut done = Done { injected: Vec::new(), healed: Vec::new(), uncertainty_ns: 0 };
        for ((clock, healed), injected) in clocks.iter().zip(&healed).zip(injected) {
            let healed = healed.as_ref().map_err(|why| told(why.clone()))?;
            was_told(healed, &super::name(self.drill))?;
            let near = |stamps: &ClockStamps| clock.near_ns(stamps.monotonic_ns);
            done.injected.push((near(&injected.from), near(&injected.to)));
            done.healed.push((near(&healed.from), near(&healed.to)));
            done.uncertainty_ns = done.uncertainty_ns.max(clock.uncertainty_ns);
        }
        Ok(done)
    }

    async fn held(&self, tasks: &mut [RemoteTask]) -> Result<Vec<Injected>, Trouble> {
        let words = all(tasks.iter_mut().map(|task| task.event::<Injected>(HEALS_WITHIN))).await;
        let mut injected = Vec::new();
        for word in words {
            injected.push(word.map_err(told)?.ok_or_else(|| Trouble::Failed("the fault was never injected".to_owned()))?);
        }
        for one in &self.plan.breaks {
            self.diary.write(Fact::Injected { id: self.id(one) }).await?;
        }
        if let Some(broken) = self.broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody may listen.
            let _ = broken.send(());
        }
        let end = tokio::time::Instant::now() + Duration::from_millis(self.drill.spec.hold_ms);
        let mut since = None;
        while let Some(left) = end.checked_duration_since(tokio::time::Instant::now()).filter(|left| !left.is_zero()) {
            self.look().await?;
            self.nothing_beside(&mut since)?;
            tokio::time::sleep(left.min(LOOK)).await;
            if let Some(at) = tasks.iter().position(RemoteTask::has_ended) {
                let node = self.victims[self.plan.breaks[at].victim].node();
                return Err(Trouble::Failed(format!("{}: it was not in effect on {node} any more", super::name(self.drill))));
            }
        }
        Ok(injected)
    }

    fn not_begun(&self, why: &str) -> Trouble {
        // Its name comes in front of whatever went wrong.
        Trouble::Failed(format!("it is not begun: {why}"))
    }

    /// A second failure beside that of the drill ends it at once: what one more would take may be the last copy. One sighting alone may be a slip.
    fn nothing_beside(&self, since: &mut Option<Instant>) -> Result<(), Trouble> {
        let latest = match self.watch.latest(0) {
            // Monitors that say nothing take back nothing of what they have said.
            Some(Sighting { said: Err(_), .. }) => return Ok(()),
            Some(Sighting { said: Ok(now), .. }) => Some(now),
            None => None,
        };
        match latest.and_then(|now| self.plan.beside(&now, self.ready)) {
            None => *since = None,
            Some(what) if since.get_or_insert_with(Instant::now).elapsed() > SLIP => {
                return Err(Trouble::Failed(format!("{}: ended early, for {what} beside it", super::name(self.drill))));
            }
            Some(_) => {}
        }
        Ok(())
    }

    async fn wait(&self, ms: u64) -> Result<(), Trouble> {
        let end = tokio::time::Instant::now() + Duration::from_millis(ms);
        while tokio::time::Instant::now() < end {
            self.look().await?;
            tokio::time::sleep_until(end.min(tokio::time::Instant::now() + LOOK)).await;
        }
        Ok(())
    }

    async fn look(&self) -> Result<(), Trouble> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Trouble::Failed("it was told to stop".to_owned()));
        }
        if self.load_over.load(Ordering::Relaxed) {
            return Err(Trouble::Failed(format!("{}: its client has ended before it", super::name(self.drill))));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::net::drill::cluster::PoolFacts;
    use crate::runner::net::drill::cluster::tests::clean;
    use crate::runner::net::drill::placement::Object;

    fn spec(fault: ClusterFault) -> DrillSpec {
        DrillSpec {
            fault,
            network: None,
            ring: None,
            hold_ms: 2_000,
            settle_ms: 1_000,
            delay_ms: Some(50),
            rate: 10,
            bs: 4096,
            rwmixread: 50,
            iodepth: 4,
        }
    }

    fn daemon(name: &str) -> Daemon {
        Daemon { name: name.to_owned(), pid: 7, began: 1 }
    }

    fn of(fault: ClusterFault, nodes: &[(&str, &[&str])], cluster: &Cluster) -> Result<Plan, String> {
        let daemons: Vec<Vec<Daemon>> = nodes.iter().map(|(_, names)| names.iter().map(|name| daemon(name)).collect()).collect();
        let known: Vec<Known<'_>> = nodes
            .iter()
            .zip(&daemons)
            .map(|((node, names), daemons)| {
                let osds = names.iter().filter_map(|name| name.strip_prefix("osd.")?.parse().ok()).collect();
                Known { node, daemons, osds }
            })
            .collect();
        let object = |at: u64, acting: &[u64]| Object { bytes: at..at + 4, acting: acting.to_vec() };
        let placement = Placement(vec![object(0, &[3, 5, 9]), object(4, &[12, 6, 9]), object(8, &[3, 6, 9])]);
        let scene = Scene { cluster, placement: &placement, not_by_host: &[], pool: "rbd-vms" };
        chosen(&spec(fault), &known, &scene, |_| Ok("vlan6".to_owned()))
    }

    const NODE: (&str, &[&str]) = ("n1", &["osd.3", "osd.12", "mon.a"]);
    const OTHER: (&str, &[&str]) = ("n2", &["osd.5", "mon.b"]);

    #[test]
    fn one_part_fails_and_the_cluster_has_to_show_just_that() {
        let plan = |fault| of(fault, &[NODE, OTHER], &clean()).expect("chosen");
        assert_eq!(plan(ClusterFault::OsdStop).on, ["osd.3 of n1"]);
        assert_eq!(plan(ClusterFault::OsdKill).signs, ["osd.3 down"]);
        assert_eq!(plan(ClusterFault::HostLoss).signs, ["osd.3 down", "osd.12 down"]);
        assert_eq!(plan(ClusterFault::HostLoss).breaks[0].on, json!({ "fsid": "f", "daemons": "all" }));
        assert_eq!(plan(ClusterFault::HostLoss).may_miss, ["osd.3", "osd.12", "mon.a"]);
        assert_eq!(plan(ClusterFault::Partition).breaks[0].on, json!({ "interface": "vlan6", "direction": "both" }));
        assert_eq!(plan(ClusterFault::MonLoss).on, ["mon.a of n1"]);
        let two = plan(ClusterFault::BelowMinSize);
        assert_eq!((two.on.as_slice(), two.breaks[1].victim), (["osd.3 of n1".to_owned(), "osd.5 of n2".to_owned()].as_slice(), 1));
        assert_eq!(two.waits, MustWait::Writes(std::iter::once(0..4).collect()));
        assert_eq!(plan(ClusterFault::Full).breaks[0].on, json!({ "fsid": "f", "ratio": 0.005 }));
        assert_eq!(plan(ClusterFault::Full).signs, ["pool rbd-vms full"]);
    }

    #[test]
    fn a_failure_beside_that_of_the_drill_is_told_from_it() {
        let plan = of(ClusterFault::OsdStop, &[NODE], &clean()).expect("chosen");
        let with = |osds: &[u64]| {
            let mut before = Cluster { osds: [3, 12, 30].map(|osd| (osd, (true, true))).into(), ..clean() };
            let was = before.clone();
            before.osds.extend(osds.iter().map(|osd| (*osd, (false, true))));
            plan.beside(&before, &was)
        };
        assert_eq!((with(&[3]), with(&[3, 30]), with(&[12])), (None, Some("osd.30 down".to_owned()), Some("osd.12 down".to_owned())));
        let alone = Cluster { quorum: ["a".to_owned(), "b".to_owned()].into(), ..clean() };
        assert_eq!(plan.beside(&alone, &clean()), Some("mon.c out of quorum".to_owned()));
    }

    #[test]
    fn what_would_stop_pools_or_quorum_or_hits_nothing_is_refused() {
        let pools = |size, min_size| [("rbd-vms".to_owned(), PoolFacts { size, min_size, rule: 0, full: false })].into();
        let no_spare = Cluster { pools: pools(2, 2), ..clean() };
        for fault in [ClusterFault::OsdStop, ClusterFault::OsdKill, ClusterFault::HostLoss, ClusterFault::Partition] {
            assert!(of(fault, &[NODE], &no_spare).expect_err("refused").contains("rbd-vms (size 2, min_size 2)"), "{fault:?}");
        }
        for (size, min_size) in [(4, 2), (3, 1)] {
            let goes_on = of(ClusterFault::BelowMinSize, &[NODE, OTHER], &Cluster { pools: pools(size, min_size), ..clean() });
            assert!(goes_on.expect_err("enough copies").contains("goes on"));
        }
        let alone = Cluster { monitors: ["a".to_owned()].into(), quorum: ["a".to_owned()].into(), ..clean() };
        for fault in [ClusterFault::MonLoss, ClusterFault::HostLoss] {
            assert!(of(fault, &[NODE], &alone).expect_err("refused").contains("no quorum"), "{fault:?}");
        }
        assert!(of(ClusterFault::MonLoss, &[OTHER], &clean()).expect_err("elsewhere").contains("mon.a, runs on none"));
        assert!(of(ClusterFault::OsdStop, &[("n3", &["mon.c"])], &clean()).expect_err("none").contains("no OSD runs on n3"));
        let elsewhere = of(ClusterFault::OsdStop, &[("n4", &["osd.20"])], &clean()).expect_err("not the image's");
        assert!(elsewhere.contains("no object of the image"), "{elsewhere}");
        let apart = of(ClusterFault::BelowMinSize, &[("n1", &["osd.12"]), OTHER], &clean()).expect_err("no object on both");
        assert!(apart.contains("no object of the image lies on an OSD of n1 and on one of n2"), "{apart}");
        let empty = Cluster { used_ppm: 3, ..clean() };
        assert!(of(ClusterFault::Full, &[NODE], &empty).expect_err("empty").contains("nothing is stored"));
    }
}
