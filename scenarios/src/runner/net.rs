//! Measurements between nodes. Each node has an agent behind an SSH session of its own; both halves of a measurement run there, and what they have seen is put
//! together here. Nothing is measured in this process.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use assay_model::inventory::Inventory;
use assay_model::metric::Direction;
use assay_model::site::Node;
use assay_model::unit::Unit;
use tokio::runtime::Runtime;

use crate::error::chain;
use crate::fault::Armed;
use crate::plan::{End, PlannedNet};
use crate::remote::task::fault::{ArmedSpec, HEAL, WasHealed};
use crate::remote::task::inventory::{self, InventorySpec};
use crate::remote::{Identity, Remote, RemoteError, Target};
use crate::scenario::{LinkFault, Measure};

use super::bench::{Figure, Nodes, Outcome, Trouble};
pub(super) use drill::Stage;

mod beside;
mod by_hand;
mod carrier;
mod ceiling;
mod chassis;
mod clock;
mod congestion;
mod drill;
mod members;
mod outage;
mod path;
mod rdma;
mod requests;
mod routed;
mod spread;
mod stream;
mod switch;
mod tcp;
mod timeline;

/// How long an agent may take for what it does at once.
pub(super) const AT_ONCE: Duration = Duration::from_secs(20);
/// A daemon that is started again may take so long, and an order to a cluster.
const HEALS_WITHIN: Duration = Duration::from_secs(90);
/// Beyond its planned time a half may take so long to meet the other one, and to end.
const AROUND: Duration = Duration::from_secs(30);
/// A session may go over the very bond that fails, and TCP doubles the time after which it tries again. The fault does not wait for it: it ends at its own deadline.
const DRILL_SILENCE: Duration = Duration::from_secs(30);
/// Between two looks at the word to stop.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// The nodes of a plan, each with a session once it was needed.
pub(super) struct Sessions {
    nodes: Nodes,
    runtime: Runtime,
    /// By the name of the node, and whether it is one for drills.
    open: BTreeMap<(String, bool), Remote>,
}

impl Sessions {
    pub(super) fn new(nodes: Nodes) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { nodes, runtime, open: BTreeMap::new() })
    }

    /// Makes one measurement.
    pub(super) fn work(&mut self, net: &PlannedNet, stop: &AtomicBool) -> Result<Outcome, Trouble> {
        let runtime = &self.runtime;
        let Nodes { nodes, identity, diary, probe_deadline } = &self.nodes;
        let open = &mut self.open;
        let done = runtime.block_on(async {
            let breaks = net.spec.breaks();
            for name in net.ends().map(|end| &end.node) {
                // A session that was lost is made anew: a node that was restarted is measured again, by its new agent.
                if let Entry::Vacant(place) = open.entry((name.clone(), breaks)) {
                    place.insert(unless_told(stop, open_one(nodes, name, identity, breaks)).await??);
                }
            }
            let session = |end: &End| &open[&(end.node.clone(), breaks)];
            let both = Both { net, from: session(&net.from), to: session(&net.to), stop, probe_deadline: *probe_deadline };
            match &net.spec.measure {
                Measure::Tcp(tcp) => tcp::measure(&both, tcp).await,
                Measure::Rtt { rate, load_streams } => path::rtt(&both, *rate, *load_streams).await,
                Measure::Ring { rate } => path::rtt(&both, *rate, 0).await,
                Measure::Clock => clock::measure(&both).await,
                Measure::Requests { rate, bytes } => requests::measure(&both, *rate, *bytes).await,
                Measure::HashSpread { flows, ports } => spread::measure(&both, *flows, *ports).await,
                Measure::Mtu { bytes } => path::mtu(&both, *bytes).await,
                Measure::Rdma { workload, gid_index } => rdma::measure(&both, workload, *gid_index).await,
                Measure::Outage { fault: LinkFault::SwitchLoss, hold_ms, probing } => {
                    let remotes: Vec<&Remote> = net.ends().map(session).collect();
                    switch::measure(net, &remotes, &self.nodes, stop, (*hold_ms, *probing)).await
                }
                Measure::Outage { fault: LinkFault::ByHand, hold_ms, probing } => by_hand::measure(&both, *hold_ms, *probing).await,
                Measure::Outage { fault, hold_ms, probing } => {
                    let node = nodes.iter().find(|node| node.name == net.from.node).ok_or_else(|| "the plan does not know the node".to_owned())?;
                    outage::measure(&both, node, diary, *fault, (*hold_ms, *probing)).await
                }
            }
        });
        if done.is_err() {
            // What is left of a failed measurement ends with its sessions.
            self.open.clear();
        }
        // Of several pairs one may be to blame.
        done.map_err(|trouble| match trouble {
            Trouble::Failed(why) => Trouble::Failed(format!("{}: {why}", net.label())),
            Trouble::NotConfigured(_) => trouble,
        })
    }
}

impl Sessions {
    /// Opens a session with each of these nodes, and does what needs all of them.
    pub(super) fn together<T>(
        &mut self,
        names: &[String],
        stop: &AtomicBool,
        work: impl AsyncFnOnce(&[&Remote]) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let Self { nodes: Nodes { nodes, identity, .. }, runtime, open } = self;
        let done = runtime.block_on(async {
            for name in names {
                if let Entry::Vacant(place) = open.entry((name.clone(), false)) {
                    place.insert(unless_told(stop, open_one(nodes, name, identity, false)).await??);
                }
            }
            work(&names.iter().map(|name| &open[&(name.clone(), false)]).collect::<Vec<_>>()).await
        });
        if done.is_err() {
            self.open.clear();
        }
        done
    }
}

async fn open_one(nodes: &[Node], name: &str, identity: &Identity, breaks: bool) -> Result<Remote, Trouble> {
    let node = nodes.iter().find(|node| node.name == name).ok_or_else(|| format!("the plan does not know the node {name}"))?;
    let mut target = Target::of(node).map_err(told)?;
    if breaks {
        target.patience.silence = DRILL_SILENCE;
    }
    Remote::open(&target, identity).await.map_err(told)
}

/// What a node says of itself, with what it hears in so long of LLDP.
async fn inventory_of(remote: &Remote, deadline: Duration, listen: Duration) -> Result<Inventory, Trouble> {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let spec = InventorySpec { deadline_ms: ms(deadline), listen_ms: ms(listen) };
    remote.call(inventory::NAME, &spec, AT_ONCE.saturating_add(deadline).saturating_add(listen)).await.map_err(told)
}

/// Does all of it at the same time; what each came to, in their order.
pub(super) async fn all<T>(works: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut works: Vec<_> = works.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = works.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (work, done) in works.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(result) = work.as_mut().poll(context) {
                *done = Some(result);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Does `work` unless the word to stop comes before its end; then it is dropped, and the agents hear of it.
pub(super) async fn unless_told<T>(stop: &AtomicBool, work: impl Future<Output = T>) -> Result<T, Trouble> {
    let told = async {
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        done = work => Ok(done),
        () = told => Err(Trouble::Failed("it was told to stop".to_owned())),
    }
}

pub(super) fn told(error: RemoteError) -> Trouble {
    Trouble::Failed(chain(&error))
}

/// Both ends of a measurement.
struct Both<'a> {
    net: &'a PlannedNet,
    from: &'a Remote,
    to: &'a Remote,
    stop: &'a AtomicBool,
    probe_deadline: Duration,
}

impl Both<'_> {
    /// What the nodes say of themselves, the one that sends first.
    async fn inventories(&self) -> (Result<Inventory, Trouble>, Result<Inventory, Trouble>) {
        let of = |remote| inventory_of(remote, self.probe_deadline, Duration::ZERO);
        tokio::join!(of(self.from), of(self.to))
    }

    /// What the node that sends says of itself.
    async fn inventory(&self) -> Result<Inventory, Trouble> {
        inventory_of(self.from, self.probe_deadline, Duration::ZERO).await
    }

    /// What tells a figure of this pair from others of its name.
    fn dimensions(&self) -> BTreeMap<String, String> {
        let PlannedNet { network, from, to, .. } = self.net;
        [("from", &from.node), ("to", &to.node), ("network", network)].map(|(name, value)| (name.to_owned(), value.clone())).into()
    }

    /// A figure of this pair.
    fn figure(&self, name: String, unit: Unit, direction: Direction, value: f64) -> Figure {
        Figure { name, unit, direction, dimensions: self.dimensions(), value }
    }

    /// How long a half may take in all.
    fn within(&self) -> Duration {
        Duration::from_millis(self.net.spec.ramp_ms + self.net.spec.runtime_ms) + AROUND
    }

    /// The name of a note of this measurement, which no other one of its step has.
    fn note(&self, what: &str) -> String {
        format!("{what} {}", self.net.label())
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of one measurement are far below 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// Has the agent of a node heal.
async fn heal_on(remote: &Remote, armed: &Armed) -> Result<(), Trouble> {
    let _: WasHealed = remote.call(HEAL, &ArmedSpec { armed: armed.clone() }, HEALS_WITHIN).await.map_err(told)?;
    Ok(())
}

/// Heals by way of the node, or from here where that fails and what was broken is no part of the node: it may be gone, and with it whoever guarded the fault.
async fn heal_there_or_here(armed: &Armed, there: impl Future<Output = Result<(), Trouble>>) -> Result<(), Trouble> {
    let Err(why) = there.await else { return Ok(()) };
    let armed = armed.clone();
    match tokio::task::spawn_blocking(move || crate::fault::heal_from_elsewhere(&armed)).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) | Err(_) => Err(why),
        Ok(Err(error)) => Err(outage::not_healed(&why, &Trouble::Failed(crate::error::chain(&error)))),
    }
}

/// Heals what an earlier life of a run has left broken on its node.
pub(super) fn heal(nodes: &[Node], version: &str, revision: &str, fault: &assay_model::journal::ArmedFault) -> Result<(), String> {
    let identity = Identity::of_this_host(version, revision).map_err(|error| error.to_string())?;
    let armed: Armed = serde_json::from_value(fault.armed.clone()).map_err(|error| format!("it is not described as a fault is: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let healed = runtime.block_on(heal_there_or_here(&armed, async {
        let remote = open_one(nodes, &fault.host, &identity, true).await?;
        // A new agent heals what its predecessor has left, and this once more does no harm.
        heal_on(&remote, &armed).await?;
        remote.close().await.map_err(told)
    }));
    healed.map_err(|trouble| match trouble {
        Trouble::Failed(why) | Trouble::NotConfigured(why) => why,
    })
}
