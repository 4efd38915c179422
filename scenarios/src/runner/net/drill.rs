//! A drill on a Ceph cluster: a part of it fails for a time while a client writes to and reads from an image, and the cluster is asked all the while how it is. How long
//! the client waited is the stall; afterwards every block is read back and held against every write that was acknowledged.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assay_bench::engine::rbd::{self, Image, Pool};
use assay_bench::engine::uring::WriteLeave as _;
use assay_bench::history::Expected;
use assay_bench::oplog::{self, Log, Logging, Subject};
use assay_bench::{Arrivals, EngineError, Extent, History, Job, JobResult, Lane, Load, Op, OpKind, Progress, Rw, Verify, drive};
use assay_model::metric::Direction;
use assay_model::outage;
use assay_model::run::Condition;
use assay_model::stall::{Data, Recovered, Stall};
use assay_model::unit::Unit;
use tokio::sync::oneshot;

use super::{Both, Entry as Place, Sessions, all, float, open_one, path, unless_told};
use crate::claim::Leave;
use crate::error::chain;
use crate::plan::{End, PlannedDrill, PlannedNet};
use crate::remote::Remote;
use crate::runner::bench::{Figure, Outcome, Trouble};
use crate::scenario::{ClusterFault, DrillSpec, Measure};

mod act;
mod client;
mod cluster;
mod placement;
mod recovery;

use act::{Acted, MustWait, Victim};
use client::{HeldBack, Waits};
use cluster::{Cluster, Watch};
use placement::Placement;
use recovery::Recovery;

/// What an image has to hold is read back in pieces of so many bytes.
const PIECE: u32 = 4 << 20;
/// How long a piece may take: the cluster is clean then.
const PIECE_WITHIN: Duration = Duration::from_secs(60);
/// Of a stall the harness may have caused so much.
const OWN_SHARE: f64 = 0.1;
/// An operation that is not answered for so long after the fault was healed is stuck.
const STUCK: Duration = Duration::from_secs(180);
/// What a cluster may still settle before a drill: a layout was written just now.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// What the client of a drill works on.
pub(in crate::runner) struct Stage<'a> {
    /// The image.
    pub(in crate::runner) image: &'a Image,
    /// The right to write to it.
    pub(in crate::runner) leave: &'a Leave,
    /// What was written to it before.
    pub(in crate::runner) history: &'a History,
    /// Seed of stamps.
    pub(in crate::runner) stamp_seed: u64,
    /// Number of the job, a seed of its own.
    pub(in crate::runner) job: u64,
    /// Where the log of operations is kept.
    pub(in crate::runner) folder: &'a Path,
}

impl Sessions {
    /// Makes one drill.
    pub(in crate::runner) fn drill(&mut self, drill: &PlannedDrill, stage: &Stage<'_>, stop: &AtomicBool) -> Result<Outcome, Trouble> {
        let done = self.drilled(drill, stage, stop);
        if done.is_err() {
            // What is left of it ends with its sessions.
            self.open.clear();
        }
        done
    }

    fn drilled(&mut self, drill: &PlannedDrill, stage: &Stage<'_>, stop: &AtomicBool) -> Result<Outcome, Trouble> {
        let Sessions { nodes, runtime, open } = self;
        runtime.block_on(async {
            let peers = drill.rings.iter().flat_map(PlannedNet::ends).map(|end| &end.node);
            for name in drill.nodes.iter().map(|victim| &victim.node).chain(peers) {
                if let Place::Vacant(place) = open.entry((name.clone(), true)) {
                    place.insert(unless_told(stop, open_one(&nodes.nodes, name, &nodes.identity, true)).await??);
                }
            }
            Ok::<_, Trouble>(())
        })?;
        let remotes: Vec<&Remote> = drill.nodes.iter().map(|victim| &open[&(victim.node.clone(), true)]).collect();
        let victims = runtime.block_on(async {
            let looked = drill.nodes.iter().zip(&remotes).map(|(planned, remote)| Victim::look(planned, remote, nodes));
            all(looked).await.into_iter().collect::<Result<Vec<_>, _>>()
        })?;

        let began = Instant::now();
        let pool_name = stage.image.name().split('/').next().unwrap_or_default();
        let pool = Pool::connect(pool_name, None, &cluster::connect(drill.fsid.clone())).map_err(|error| chain(&error))?;
        let watch = Watch::begin(pool.clone(), began).map_err(|error| error.to_string())?;
        let recovery = Recovery::begin(pool.clone(), began).map_err(|error| error.to_string())?;
        let spec = &drill.spec;
        let ready = runtime.block_on(watch.until_ready(READY_WITHIN, stop)).map_err(|why| refused(drill, &why))?;
        let placement = Placement::of(&pool, stage.image)?;
        let not_by_host = placement::not_by_host(&pool, &ready)?;
        let scene = act::Scene { cluster: &ready, placement: &placement, not_by_host: &not_by_host, pool: pool_name };
        let plan = act::choose(drill, &victims, &scene).map_err(|why| refused(drill, &why))?;

        // The load works on a thread of its own, and the drill ends it.
        let path = stage.folder.join(format!("operations-{}.bin", stage.job));
        let before = stage.before();
        let (load_stop, load_over, progress) = (AtomicBool::new(false), AtomicBool::new(false), Progress::default());
        let (acted, load) = std::thread::scope(|scope| {
            let load = scope.spawn(|| {
                let worked = stage.work(spec, began, &path, &load_stop, &progress);
                load_over.store(true, Ordering::Relaxed);
                worked
            });
            let (broken, is_broken) = oneshot::channel();
            let acting = act::Stage {
                drill,
                plan: &plan,
                victims: &victims,
                watch: &watch,
                ready: &ready,
                began,
                diary: &nodes.diary,
                stop,
                load_over: &load_over,
                progress: &progress,
                broken: Mutex::new(Some(broken)),
            };
            let acted = runtime.block_on(async {
                let session = |end: &End| &open[&(end.node.clone(), true)];
                let rings = plan.rings(drill).into_iter().map(|net| {
                    let (from, to) = (session(&net.from), session(&net.to));
                    Both { net, from, to, stop, probe_deadline: nodes.probe_deadline }
                });
                let rings: Vec<Both<'_>> = rings.collect();
                // Whoever acts takes the word along: when it ends without having said it, nobody waits for it.
                let (acted, ring) = tokio::join!(async move { acting.act().await }, round_trips(&rings, spec.fault, is_broken));
                acted.map(|acted| (acted, ring))
            });
            load_stop.store(true, Ordering::Relaxed);
            (acted, load.join())
        });
        let load = load.unwrap_or_else(|_| Err(Trouble::Failed("its client has died".to_owned())));
        let sightings = watch.end();
        let ((acted, ring), load) = match (acted, load) {
            (Ok(acted), Ok(load)) => (acted, load),
            // Whatever went wrong with the drill or with its client, what was lost in it is lost.
            (acted, load) => {
                let whys: Vec<Trouble> = [load.as_ref().err().cloned(), acted.err()].into_iter().flatten().collect();
                let why = together(drill, &whys);
                let data = read_log(&path).and_then(|log| stage.check(&log, &before, 0, stop));
                return match data {
                    Ok(data) if !data.wrong.is_empty() => Ok(lost(drill, load.as_ref().ok(), &data, &why)),
                    Ok(_) | Err(_) => Err(why),
                };
            }
        };
        let recovered = recovery.end(&acted);
        let log = read_log(&path)?;
        let ended_ns = nanoseconds(began.elapsed());
        let data = stage.check(&log, &before, acted.injected.from_ns, stop)?;
        let seen = Seen {
            acted: &acted,
            load: &load,
            log: &log,
            sightings: &sightings,
            recovered,
            ready: &ready,
            ended_ns,
            data: &data,
            waits_for: plan.waits(),
            expected_blocks: stage.leave.span().bytes / stage.history.unit(),
        };
        let mut outcome = conclude(drill, &seen)?;
        outcome.figures.extend(ring.figures);
        outcome.notes.extend(ring.notes);
        outcome.doubts.extend(ring.doubts);
        for (kind, count) in ring.corrupt {
            *outcome.corrupt.entry(kind).or_insert(0) += count;
        }
        Ok(outcome)
    }
}

/// Round trips on links of corosync while it is broken, all at once, under the name that they have then.
async fn round_trips(rings: &[Both<'_>], fault: ClusterFault, is_broken: oneshot::Receiver<()>) -> Outcome {
    let mut all_of_them = Outcome::default();
    if rings.is_empty() || is_broken.await.is_err() {
        return all_of_them;
    }
    for measured in all(rings.iter().map(|both| round_trip(both, fault))).await {
        // One that could not be measured hides nothing of the others.
        let Outcome { figures, notes, doubts, corrupt, .. } =
            measured.unwrap_or_else(|why| Outcome { doubts: vec![doubt_of(&why)], ..Outcome::default() });
        all_of_them.figures.extend(figures);
        all_of_them.notes.extend(notes);
        all_of_them.doubts.extend(doubts);
        for (kind, count) in corrupt {
            *all_of_them.corrupt.entry(kind).or_insert(0) += count;
        }
    }
    all_of_them
}

async fn round_trip(both: &Both<'_>, fault: ClusterFault) -> Result<Outcome, Trouble> {
    let Measure::Ring { rate } = both.net.spec.measure else { return Ok(Outcome::default()) };
    let mut outcome = path::rtt(both, rate, 0).await?;
    let family = both.net.spec.family();
    for figure in &mut outcome.figures {
        if let Some(word) = figure.name.strip_prefix(&family) {
            figure.name = format!("{}{word}", fault.ring_family());
        }
    }
    Ok(outcome)
}

fn name(drill: &PlannedDrill) -> String {
    let nodes: Vec<&str> = drill.nodes.iter().map(|victim| victim.node.as_str()).collect();
    format!("{} of {}", drill.spec.fault.name(), nodes.join(" and "))
}

/// Several things that went wrong, each with its words.
fn together(drill: &PlannedDrill, whys: &[Trouble]) -> Trouble {
    let words = whys.iter().map(|(Trouble::Failed(why) | Trouble::NotConfigured(why))| why.as_str());
    Trouble::Failed(format!("{}: {}", name(drill), words.collect::<Vec<_>>().join("; and ")))
}

fn refused(drill: &PlannedDrill, why: &str) -> Trouble {
    Trouble::Failed(format!("{} is not begun: {why}", name(drill)))
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

fn read_log(path: &Path) -> Result<Log, Trouble> {
    let failed = |why: String| Trouble::Failed(format!("the operations of {} prove nothing: {why}", crate::printable::Printable::new(path)));
    let mut file = File::open(path).map_err(|error| failed(error.to_string()))?;
    Log::read(&mut file).map_err(|error| failed(chain(&error)))
}

impl Stage<'_> {
    /// Reads and writes until it is told to stop, and writes down every operation.
    fn work(&self, spec: &DrillSpec, began: Instant, path: &Path, stop: &AtomicBool, progress: &Progress) -> Result<JobResult, Trouble> {
        let bs = u32::try_from(spec.bs).map_err(|_| "blocks that are no blocks".to_owned())?;
        let engine = |error: EngineError| Trouble::Failed(chain(&error));
        let lane = rbd::open(self.image, bs, spec.iodepth, Some(self.leave)).map_err(engine)?;
        let shown = crate::printable::Printable::new(path);
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        // Of an earlier life of this run there may be one; its image is gone.
        let again = |_| fs::remove_file(path).and_then(|()| OpenOptions::new().write(true).create_new(true).open(path));
        let file = file.or_else(again);
        let file = file.map_err(|error| format!("cannot make {shown}: {error}"))?;
        let job = Job {
            seed: self.job,
            stamp_seed: self.stamp_seed,
            verify: Verify::Stamp,
            // What waits for a cluster that waits for its drill is no stall of the harness.
            stall: Duration::from_millis(spec.hold_ms) + STUCK,
            load: Load::Open { rate: spec.rate, arrivals: Arrivals::Poisson },
            rwmixread: spec.rwmixread,
            io_size: Some(spec.written()),
            extent: Extent::Runtime(Duration::from_millis(spec.most_ms())),
            ..Job::new(Rw::RandRw, bs, spec.iodepth, self.leave.span())
        };
        let mut lane = Logging::new(Box::new(lane), file, began, self.stamp_seed, self.history.unit());
        drive(&job, &mut lane, Some(self.history), stop, Some(progress)).map_err(engine)
    }

    /// The generation of each block, as the log finds it.
    fn before(&self) -> BTreeMap<u64, u64> {
        let span = self.leave.span();
        let unit = usize::try_from(self.history.unit()).expect("a unit fits");
        let of = |offset: u64| match self.history.expected(offset) {
            Expected::Generation(generation) => Some((offset, generation)),
            Expected::Unwritten | Expected::AtLeast(_) | Expected::Uncertain => None,
        };
        (span.start..span.start + span.bytes).step_by(unit).filter_map(of).collect()
    }

    /// Reads all of the image back, past the client's cache, and holds it against the log.
    fn check(&self, log: &Log, before: &BTreeMap<u64, u64>, zero_ns: i64, stop: &AtomicBool) -> Result<oplog::Verdict, Trouble> {
        let subject = Subject { span: self.leave.span(), unit: self.history.unit(), seed: self.stamp_seed, zero_ns };
        let lane = rbd::open(self.image, PIECE, 1, None).map_err(|error| Trouble::Failed(chain(&error)))?;
        let mut image = ReadBack { lane, stop, within: PIECE_WITHIN, gone: false };
        Ok(oplog::check(log, subject, &|offset| before.get(&offset).copied(), &mut |at, into| image.read(at, into)))
    }
}

/// Reads an image back, until the cluster does not answer: what it could not read then, nobody could.
struct ReadBack<'a, L> {
    lane: L,
    stop: &'a AtomicBool,
    within: Duration,
    gone: bool,
}

impl<L: Lane> ReadBack<'_, L> {
    fn read(&mut self, at: u64, into: &mut [u8]) -> std::io::Result<()> {
        read_back(&mut self.lane, at, into, self.within, self.stop, &mut self.gone)
    }
}

fn read_back(lane: &mut dyn Lane, at: u64, into: &mut [u8], within: Duration, stop: &AtomicBool, gone: &mut bool) -> std::io::Result<()> {
    // An operation that was not answered holds its buffer for good.
    if *gone || stop.load(Ordering::Relaxed) {
        return Err(std::io::ErrorKind::TimedOut.into());
    }
    let mut done = Vec::new();
    let bytes = u32::try_from(into.len()).map_err(std::io::Error::other)?;
    lane.submit(&[Op { slot: 0, kind: OpKind::Read, offset: at, bytes }]).map_err(std::io::Error::other)?;
    let end = Instant::now() + within;
    while done.is_empty() {
        if Instant::now() > end || stop.load(Ordering::Relaxed) {
            *gone = true;
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        lane.reap(Duration::from_millis(50), &mut done).map_err(std::io::Error::other)?;
    }
    match done.first().map(|completion| completion.result) {
        Some(Ok(read)) if read == bytes => {
            into.copy_from_slice(&lane.buffer(0)[..into.len()]);
            Ok(())
        }
        Some(Err(error)) => Err(std::io::Error::from_raw_os_error(error)),
        Some(Ok(_)) | None => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}

/// All that was seen of a drill.
struct Seen<'a> {
    acted: &'a Acted,
    load: &'a JobResult,
    log: &'a Log,
    sightings: &'a [cluster::Sighting],
    recovered: Option<Recovered>,
    ready: &'a Cluster,
    ended_ns: i64,
    data: &'a oplog::Verdict,
    /// What may not be acknowledged while it is broken.
    waits_for: &'a MustWait,
    /// Blocks of the image: each was laid out.
    expected_blocks: u64,
}

fn conclude(drill: &PlannedDrill, seen: &Seen<'_>) -> Result<Outcome, Trouble> {
    let Seen { acted, load, log, sightings, recovered, ready, ended_ns, data, waits_for, expected_blocks } = *seen;
    let spec = &drill.spec;
    let zero = acted.injected.from_ns;
    let since = |ns: i64| ns.saturating_sub(zero);
    let waits = Waits { log, zero, ended_ns, until_ns: acted.clean_ns };
    let client = waits.clients();
    if client.iter().any(|client| client.acknowledged == 0) || !waits.worked_before() {
        return Err(Trouble::Failed(format!(
            "{}: the client did nothing before the fault, and what it waited for afterwards says nothing",
            name(drill)
        )));
    }
    let stall = Stall {
        family: spec.family(),
        fault: spec.fault.name().to_owned(),
        on: acted.on.clone(),
        injected: outage::Span { from_ns: 0, to_ns: since(acted.injected.to_ns) },
        healed: outage::Span { from_ns: since(acted.healed.from_ns), to_ns: since(acted.healed.to_ns) },
        uncertainty_ns: acted.uncertainty_ns,
        watched: outage::Span { from_ns: since(waits.first_ns()), to_ns: since(ended_ns) },
        asked_every_ns: u64::try_from(cluster::EVERY.as_nanos()).unwrap_or(u64::MAX),
        client,
        cluster: cluster::states(sightings, ready, zero),
        detected_ns: acted.detected_ns.map(since),
        resumed_ns: waits.resumed_ns(),
        clean_ns: Some(since(acted.clean_ns)),
        recovered,
        data: data_of(data, zero),
    };
    let mut outcome = counted(drill, Some(load), data);
    if data.unreadable > 0 {
        let text = format!("{}: {} blocks could not be read back: nothing is proved of them", name(drill), data.unreadable);
        outcome.doubts.push(Condition::DeviceErrors(text));
    }
    if data.wrong.is_empty() && data.blocks != expected_blocks {
        let text =
            format!("{}: only {} of {expected_blocks} blocks had something to lose: of the others nothing is proved", name(drill), data.blocks);
        outcome.doubts.push(Condition::DeviceErrors(text));
    }
    let (longest, ..) = waits.longest();
    doubt_lag(drill, load, longest, &mut outcome);
    outcome.doubts.extend(doubt_recovery(drill, recovered));
    let (before, during) = waits.p99();
    let waited = waits.held_back(waits_for, acted);
    if waited.acknowledged > 0 {
        // With too few copies, or in a cluster that is full: nobody may believe that it is written.
        *outcome.corrupt.entry("acknowledged while it had to wait".to_owned()).or_insert(0) += waited.acknowledged;
    }
    if let Err(why) = prove(drill, acted, &waited, (before, during)) {
        // What is lost is lost, whatever else is not proved.
        if outcome.corrupt.is_empty() {
            return Err(why);
        }
        outcome.doubts.push(doubt_of(&why));
    }
    outcome.notes.insert(name(drill), story(&stall, acted));
    if !stall.data.first.is_empty() {
        outcome.notes.insert(format!("{} data", name(drill)), stall.data.first.join("\n"));
    }
    let dimensions = dimensions(drill, acted);
    let mut figure = |word: &str, value: f64| {
        let name = format!("{}.{word}", spec.family());
        outcome.figures.push(Figure { name, unit: Unit::Nanoseconds, direction: Direction::LowerIsBetter, dimensions: dimensions.clone(), value });
    };
    figure("stall", float(longest));
    // Counted from when an operation was asked for: where many were held up by others that waited, it would flatter.
    if matches!(spec.fault, ClusterFault::OsdOut | ClusterFault::OsdSlow) {
        figure("service_p99", during);
        figure("service_p99_before", before);
    }
    #[allow(clippy::cast_precision_loss, reason = "minutes in nanoseconds")]
    let time = |ns: i64| ns as f64;
    if let Some(detected) = acted.detected_ns {
        figure("detected", time(since(detected)));
    }
    figure("clean", time(acted.clean_ns.saturating_sub(acted.healed.from_ns)));
    outcome.stalls.push(stall);
    Ok(outcome)
}

/// What the client's operations came to, those that the read-back found wrong among them.
fn counted(drill: &PlannedDrill, load: Option<&JobResult>, data: &oplog::Verdict) -> Outcome {
    let mut outcome = Outcome { elapsed: Duration::from_millis(drill.spec.hold_ms), ..Outcome::default() };
    if let Some(load) = load {
        (outcome.operations, outcome.bytes) = (load.operations, load.bytes);
        (outcome.all_operations, outcome.verified) = (load.verification.operations, load.verification.verified);
        (outcome.failed, outcome.corrupt) = (load.verification.failed.clone(), load.verification.corrupt.clone());
    }
    for (kind, count) in &data.wrong {
        *outcome.corrupt.entry(format!("{} at the read-back", kind.name())).or_insert(0) += count;
    }
    outcome
}

/// A drill that came to no end, and in which something was lost.
fn lost(drill: &PlannedDrill, load: Option<&JobResult>, data: &oplog::Verdict, why: &Trouble) -> Outcome {
    let mut outcome = counted(drill, load, data);
    // Of a client that failed itself nothing else is known.
    outcome.operations = outcome.operations.max(data.acknowledged);
    outcome.all_operations = outcome.all_operations.max(data.acknowledged);
    let first: Vec<&str> = data.first.iter().map(|finding| finding.text.as_str()).collect();
    outcome.notes.insert(format!("{} data", name(drill)), first.join("\n"));
    outcome.doubts.push(doubt_of(why));
    outcome
}

fn doubt_of(why: &Trouble) -> Condition {
    let (Trouble::Failed(why) | Trouble::NotConfigured(why)) = why;
    Condition::NotSteady(why.clone())
}

/// What tells its figures from those of other drills.
fn dimensions(drill: &PlannedDrill, acted: &Acted) -> BTreeMap<String, String> {
    let nodes: Vec<&str> = drill.nodes.iter().map(|victim| victim.node.as_str()).collect();
    let mut dimensions: BTreeMap<String, String> =
        [("node".to_owned(), nodes.join(" ")), ("bs".to_owned(), drill.spec.bs.to_string()), ("rate".to_owned(), drill.spec.rate.to_string())].into();
    if let [one] = acted.on.as_slice() {
        dimensions.insert("of".to_owned(), one.clone());
    }
    if let Some(network) = &drill.spec.network {
        dimensions.insert("network".to_owned(), network.clone());
    }
    dimensions
}

/// What recovery costs is not seen where nothing is recovered: an OSD that was taken out of a host without another one.
fn doubt_recovery(drill: &PlannedDrill, recovered: Option<Recovered>) -> Option<Condition> {
    let why = match recovered {
        None => "the managers did not say what was recovered",
        Some(Recovered { meanwhile: 0, .. }) => "no object was recovered elsewhere",
        Some(_) => return None,
    };
    (drill.spec.fault == ClusterFault::OsdOut).then(|| Condition::NotSteady(format!("{}: {why}: what recovery costs is not seen", name(drill))))
}

/// A harness that was late itself says less of the cluster.
fn doubt_lag(drill: &PlannedDrill, load: &JobResult, longest_ns: u64, outcome: &mut Outcome) {
    let own = load.open.as_ref().map_or(0, |open| open.lag.max());
    if float(own) > OWN_SHARE * float(longest_ns) {
        let (own, all) = (float(own) / 1e6, float(longest_ns) / 1e6);
        outcome.doubts.push(Condition::NeighbourBusy(format!(
            "{}: the longest wait was {all:.1} ms, and the harness itself was late by up to {own:.1} ms",
            name(drill)
        )));
    }
}

/// A fault that neither the cluster nor the client has noticed has broken nothing.
fn prove(drill: &PlannedDrill, acted: &Acted, waited: &HeldBack, (before, during): (f64, f64)) -> Result<(), Trouble> {
    let spec = &drill.spec;
    let failed = |why: String| Err(Trouble::Failed(format!("{}: {why}", name(drill))));
    match spec.fault {
        ClusterFault::OsdSlow => {
            let delay = f64::from(spec.delay_ms.unwrap_or(0)) * 1e6;
            // What is no number is no proof either.
            if during.is_nan() || during < before + delay / 2.0 {
                return failed(format!(
                    "the slowest hundredth took {:.1} ms before and {:.1} ms meanwhile: nothing was slow",
                    before / 1e6,
                    during / 1e6
                ));
            }
        }
        // Where few OSDs are left nobody tells the monitors; that I/O waits tells enough.
        ClusterFault::BelowMinSize | ClusterFault::Full => {
            if waited.waited == 0 {
                return failed("no write was seen to wait until it was healed: nothing was seen to be broken".to_owned());
            }
        }
        ClusterFault::OsdStop
        | ClusterFault::OsdKill
        | ClusterFault::OsdOut
        | ClusterFault::MonLoss
        | ClusterFault::HostLoss
        | ClusterFault::Partition => {
            if acted.detected_ns.is_none() {
                return failed(format!("the cluster did not notice it within {} s: nothing was seen to be broken", spec.hold_ms / 1000));
            }
        }
    }
    Ok(())
}

fn data_of(verdict: &oplog::Verdict, zero: i64) -> Data {
    let relative = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX).saturating_sub(zero);
    Data {
        blocks: verdict.blocks,
        right: verdict.right,
        acknowledged: verdict.acknowledged,
        unreadable: verdict.unreadable,
        wrong: verdict.wrong.iter().map(|(kind, count)| (kind.name().to_owned(), *count)).collect(),
        first: verdict.first.iter().map(|finding| finding.text.clone()).collect(),
        back_to: verdict.back_to.map(|(from, to)| outage::Span { from_ns: relative(from), to_ns: relative(to) }),
    }
}

/// The timeline in words.
fn story(stall: &Stall, acted: &Acted) -> String {
    #[allow(clippy::cast_precision_loss, reason = "seconds for people")]
    let seconds = |ns: i64| format!("{:+.2} s", ns as f64 / 1e9);
    let at = |ns: Option<i64>| ns.map_or_else(|| "never".to_owned(), seconds);
    let data = &stall.data;
    let wrong: Vec<String> = data.wrong.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    format!(
        "{}; noticed {}, healed {}, longest wait {:.2} s, over {}, clean again {}{}; of {} blocks {} hold what the {} acknowledged writes left{}{}",
        stall.on.join(", "),
        at(stall.detected_ns),
        seconds(stall.healed.from_ns),
        stall.longest().map_or(0.0, |(_, wait)| float(wait.length_ns(stall.watched.to_ns)) / 1e9),
        at(stall.resumed_ns),
        at(stall.clean_ns),
        stall.recovered.map_or_else(String::new, |of| format!(", {} objects recovered until it was healed and {} in all", of.meanwhile, of.in_all)),
        data.blocks,
        data.right,
        data.acknowledged,
        if wrong.is_empty() { String::new() } else { format!(", {}", wrong.join(", ")) },
        if acted.asides.is_empty() { String::new() } else { format!("; {}", acted.asides.join("; ")) },
    )
}

#[cfg(test)]
mod tests {
    use assay_bench::engine::Completion;

    use super::*;

    /// Answers so many reads, and none after them.
    struct Silent(usize, Vec<u8>, Vec<Completion>);

    impl Lane for Silent {
        fn target(&self) -> &str {
            "silent"
        }

        fn slots(&self) -> u32 {
            1
        }

        fn block_size(&self) -> u32 {
            4096
        }

        fn buffer(&mut self, _slot: u32) -> &mut [u8] {
            &mut self.1
        }

        fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError> {
            assert!(self.0 > 0 || self.2.is_empty(), "a slot that is out is not used again");
            if self.0 == 1 {
                // The last that is taken is not answered.
                self.0 = 0;
                return Ok(ops.len());
            }
            self.0 -= 1;
            self.2.extend(ops.iter().map(|op| Completion { slot: op.slot, result: Ok(op.bytes) }));
            Ok(ops.len())
        }

        fn reap(&mut self, _patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
            done.append(&mut self.2);
            Ok(())
        }
    }

    #[test]
    fn a_read_that_is_never_answered_ends_the_reading_and_every_later_one_at_once() {
        let mut lane = Silent(3, vec![7; 4096], Vec::new());
        let (stop, mut gone, mut into) = (AtomicBool::new(false), false, [0; 512]);
        let mut read = |within_ms| read_back(&mut lane, 0, &mut into, Duration::from_millis(within_ms), &stop, &mut gone);
        assert!(read(1000).is_ok() && read(1000).is_ok() && read(20).is_err());
        let began = Instant::now();
        // The slot is still out: to use it again would be the end of the process.
        assert!((0..1000).all(|_| read(60_000).is_err()) && began.elapsed() < Duration::from_secs(5));
        assert_eq!(into, [7; 512]);
    }
}
