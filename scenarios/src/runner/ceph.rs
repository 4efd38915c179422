//! Measurements of a Ceph cluster as a whole: clients on all nodes make their objects, wait for one another, and begin at one moment of their own clocks. Only the time in which all of
//! them measured counts. What each is and does is in `client.rs`; the OSDs by themselves are in `ceph/osds.rs`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assay_bench::sum_of_series;
use assay_model::metric::Direction;
use assay_model::run::Condition;
use assay_model::unit::Unit;
use hdrhistogram::Histogram;
use uuid::Uuid;

use super::bench::{Figure, Outcome, Trouble};
use super::latencies::Latencies;
use super::net::{AT_ONCE, LOOK, Sessions, all, float, told};
use crate::client::{self, ClientResult, ClientSpec, GAP, Window, unpacked};
use crate::plan::PlannedCeph;
use crate::plan::ceph::windows;
use crate::remote::task::clock::ClockStamps;
use crate::remote::task::rados::{BEGIN, CLIENT, ClientTask, Moment, Waiting};
use crate::remote::{ClockOffset, Remote, RemoteTask};
use crate::scenario::{CephSpec, ObjectsMeasure, ObjectsSpec};

mod osds;

/// From the word to begin until the moment at which all do.
const LEAD: Duration = Duration::from_millis(1_500);
/// The same where there is nobody to agree with.
const LEAD_ALONE: Duration = Duration::from_millis(50);
/// Round trips by which a clock is known.
const ROUNDS: u32 = 16;
/// Beyond its time a client may take so long to connect, to make and to remove its objects.
const AROUND: Duration = Duration::from_secs(120);
/// Bytes per second below which laying out counts as hung.
const SLOWEST_PASS: u64 = 1 << 20;
/// Clients that have measured less of their time together than this have not measured together.
const COMMON_SHARE: f64 = 0.9;
/// A thread that used its processor for more than this share of the time had none left to wait for the cluster.
const CPU_SHARE: f64 = 0.9;
/// Of the operations that were due, at most this share may not have begun at the end.
const BACKLOG_SHARE: f64 = 0.01;

/// What a client saw, and how its clock is to ours.
struct Seen {
    node: String,
    result: ClientResult,
    /// Far less near monotonic clock.
    offset_ns: i64,
    uncertainty_ns: u64,
}

/// Makes one measurement. Each round has a number of its own.
pub(super) fn measure(
    planned: &PlannedCeph,
    (run, round): (&str, u64),
    sessions: Option<&mut Sessions>,
    stop: &AtomicBool,
) -> Result<Outcome, Trouble> {
    let objects = match &planned.spec {
        CephSpec::Objects(objects) => objects,
        CephSpec::OsdBench(bench) => return osds::measure(planned, *bench, round, sessions, stop),
    };
    let place = planned.place.as_ref().ok_or_else(|| "the plan names no pool".to_owned())?;
    let spec = |node: &str, number: u64| ClientSpec {
        place: place.clone(),
        run: run.to_owned(),
        // With its number: two names may be alike when only such letters are left.
        node: format!("{}-{number}", node.chars().take(60).map(|one| if one.is_ascii_alphanumeric() { one } else { '-' }).collect::<String>()),
        nodes: planned.clients(),
        objects: objects.clone(),
        // Clients that all work on the same places, one after the other, do not show what a cluster can do.
        seed: round ^ (number << 32),
    };
    let seen = match (planned.nodes.as_slice(), sessions) {
        ([], _) => vec![here(&spec(&hostname(), 0), stop)?],
        (_, None) => return Err(Trouble::Failed("the plan names no nodes".to_owned())),
        (names, Some(sessions)) => {
            let specs: Vec<ClientSpec> = (0..).zip(names).map(|(number, name)| spec(name, number)).collect();
            let limit = limit(planned, objects);
            sessions.together(names, stop, async |remotes| on_all(remotes, &specs, limit, stop).await)?
        }
    };
    let mut outcome = merged(objects, &seen)?;
    let note = format!("rados bench {}", planned.label());
    outcome.notes.insert(note, peer(&place.name(), objects));
    Ok(outcome)
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// How long a client may take in all.
fn limit(planned: &PlannedCeph, objects: &ObjectsSpec) -> Duration {
    let measured = Duration::from_millis(objects.ramp_ms + objects.runtime_ms) + GAP;
    measured * u32::try_from(windows(objects)).expect("two") + Duration::from_secs(2 * planned.passed_bytes() / SLOWEST_PASS) + AROUND
}

/// The command of Ceph's own that does the same from one node, without looking at what it reads.
fn peer(place: &str, objects: &ObjectsSpec) -> String {
    let (pool, namespace) = place.split_once('/').map_or((place, String::new()), |(pool, namespace)| (pool, format!(" -N {namespace}")));
    let seconds = objects.runtime_ms.div_ceil(1000);
    let ObjectsSpec { bs, object_bytes, iodepth, .. } = objects;
    match objects.measure {
        ObjectsMeasure::Write => format!("rados bench -p {pool}{namespace} -t {iodepth} -b {bs} -O {object_bytes} {seconds} write --no-cleanup"),
        ObjectsMeasure::Read => format!("rados bench -p {pool}{namespace} -t {iodepth} {seconds} seq"),
        ObjectsMeasure::Randread => format!("rados bench -p {pool}{namespace} -t {iodepth} {seconds} rand # after `write -b {bs} -O {object_bytes}`"),
    }
}

/// One client, on this node alone.
fn here(spec: &ClientSpec, stop: &AtomicBool) -> Result<Seen, Trouble> {
    let at = || ClockStamps::now().monotonic_ns + u64::try_from(LEAD_ALONE.as_nanos()).expect("some milliseconds");
    let result = client::run(spec, stop, &mut || Ok(at())).map_err(|error| error.to_string())?;
    Ok(Seen { node: hostname(), result, offset_ns: 0, uncertainty_ns: 0 })
}

/// A client on each node. Whatever happens, each has removed its objects before this returns, unless it cannot be heard any more.
async fn on_all(remotes: &[&Remote], specs: &[ClientSpec], limit: Duration, stop: &AtomicBool) -> Result<Vec<Seen>, Trouble> {
    let tokens: Vec<String> = specs.iter().map(|_| Uuid::now_v7().simple().to_string()).collect();
    let mut tasks = Vec::new();
    for ((remote, client), token) in remotes.iter().zip(specs).zip(&tokens) {
        tasks.push(remote.start(CLIENT, &ClientTask { token: token.clone(), client: client.clone() }).map_err(told)?);
    }
    let begun = begin(remotes, &mut tasks, &tokens, limit, stop).await;
    let waited = match begun {
        Ok(_) => until_ended(&tasks, limit, stop).await,
        Err(_) => Ok(()),
    };
    if begun.is_err() || waited.is_err() {
        tasks.iter().for_each(RemoteTask::cancel);
    }
    let ended = all(tasks.into_iter().map(|task| task.finish::<ClientResult>(AROUND))).await;
    // Why one has failed by itself says more than that the others were told to stop.
    if let Some(why) = ended.iter().find_map(|ended| ended.as_ref().err().filter(|error| !error.is_cancelled())) {
        return Err(told(why.clone()));
    }
    let clocks = begun?;
    waited?;
    let seen = remotes.iter().zip(ended).zip(clocks).map(|((remote, ended), clock)| {
        Ok(Seen { node: remote.node().to_owned(), result: ended.map_err(told)?, offset_ns: clock.monotonic_ns, uncertainty_ns: clock.uncertainty_ns })
    });
    seen.collect()
}

/// Waits until all are ready, and says when all begin.
async fn begin(
    remotes: &[&Remote],
    tasks: &mut [RemoteTask],
    tokens: &[String],
    limit: Duration,
    stop: &AtomicBool,
) -> Result<Vec<ClockOffset>, Trouble> {
    let ready = super::net::unless_told(stop, all(tasks.iter_mut().map(|task| task.event::<Waiting>(limit)))).await?;
    for (remote, ready) in remotes.iter().zip(ready) {
        // One that has ended instead says why when its result is taken.
        ready.map_err(told)?.ok_or_else(|| format!("the client on {} was never ready", remote.node()))?;
    }
    let clocks: Vec<ClockOffset> =
        all(remotes.iter().map(|remote| remote.clock_offset(ROUNDS))).await.into_iter().collect::<Result<_, _>>().map_err(told)?;
    let at = i128::from(ClockStamps::now().monotonic_ns) + i128::try_from(LEAD.as_nanos()).expect("seconds");
    let said = remotes.iter().zip(tokens).zip(&clocks).map(|((remote, token), clock)| {
        let at_monotonic_ns = u64::try_from(at + i128::from(clock.monotonic_ns));
        async move {
            let at_monotonic_ns = at_monotonic_ns.map_err(|_| "a clock is before its own boot".to_owned())?;
            let moment = Moment { token: token.clone(), at_monotonic_ns };
            remote.call::<ClockStamps>(BEGIN, &moment, AT_ONCE).await.map_err(told)
        }
    });
    all(said).await.into_iter().collect::<Result<Vec<_>, Trouble>>()?;
    Ok(clocks)
}

/// Waits until all have ended, as long as nobody says to stop and none hangs.
async fn until_ended(tasks: &[RemoteTask], limit: Duration, stop: &AtomicBool) -> Result<(), Trouble> {
    let end = tokio::time::Instant::now() + limit;
    while !tasks.iter().all(RemoteTask::has_ended) {
        if stop.load(Ordering::Relaxed) {
            return Err(Trouble::Failed("it was told to stop".to_owned()));
        }
        if tokio::time::Instant::now() > end {
            return Err(Trouble::Failed(format!("a client has not ended within {limit:.0?}")));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// The time in which all measured, by our clock, and the operations of each in it.
#[derive(Debug)]
struct Common {
    seconds: f64,
    operations: Vec<f64>,
    /// How far apart they began.
    apart: Duration,
}

impl Common {
    fn of(windows: &[(&Window, i64)]) -> Result<Self, String> {
        let begin = |(window, offset_ns): &(&Window, i64)| i128::from(window.began_ns) - i128::from(*offset_ns);
        let end = |one: &(&Window, i64)| begin(one) + i128::from(one.0.elapsed_ns);
        let (Some(from), Some(first), Some(to)) = (windows.iter().map(begin).max(), windows.iter().map(begin).min(), windows.iter().map(end).min())
        else {
            return Err("no client has measured anything".to_owned());
        };
        let common = u64::try_from(to - from).ok().filter(|ns| *ns > 0).ok_or("the clients have measured at no time together")?;
        let seconds = |ns: i128| Duration::from_nanos(u64::try_from(ns).unwrap_or(0)).as_secs_f64();
        let operations = windows.iter().map(|one| {
            let (before, after) = (seconds(from - begin(one)), seconds(to - begin(one)));
            let length = Duration::from_nanos(one.0.elapsed_ns).as_secs_f64();
            float(one.0.operations) - within(&one.0.series, 0.0, before) - within(&one.0.series, after, length)
        });
        Ok(Self {
            seconds: Duration::from_nanos(common).as_secs_f64(),
            operations: operations.map(|operations| operations.max(0.0)).collect(),
            apart: Duration::from_nanos(u64::try_from(from - first).unwrap_or(u64::MAX)),
        })
    }

    fn rate(&self) -> f64 {
        self.operations.iter().sum::<f64>() / self.seconds
    }
}

/// Operations of a series between two of its times. Behind its last point it goes on as it was there.
fn within(series: &[(f64, f64)], from: f64, to: f64) -> f64 {
    let (mut since, mut sum, mut last) = (0.0_f64, 0.0, 0.0);
    for (until, rate) in series {
        sum += (until.min(to) - since.max(from)).max(0.0) * rate;
        (since, last) = (*until, *rate);
    }
    sum + (to - since.max(from)).max(0.0) * last
}

fn merged(objects: &ObjectsSpec, seen: &[Seen]) -> Result<Outcome, Trouble> {
    let wanted = usize::try_from(windows(objects)).expect("two");
    if let Some(other) = seen.iter().find(|seen| seen.result.windows.len() != wanted) {
        return Err(Trouble::Failed(format!("{} has measured {} times instead of {wanted}", other.node, other.result.windows.len())));
    }
    let mut outcome = Outcome::default();
    let family = CephSpec::Objects(objects.clone()).family();
    let figure = |name: &str, unit, direction, value| Figure {
        name: format!("{family}.{name}"),
        unit,
        direction,
        dimensions: dimensions(objects, seen.len(), seen.iter().map(|seen| seen.result.copies).min().unwrap_or(0)),
        value,
    };
    for number in 0..wanted {
        let windows: Vec<(&Window, i64)> = seen.iter().map(|seen| (&seen.result.windows[number], seen.offset_ns)).collect();
        let common = Common::of(&windows)?;
        doubts(objects, &family, seen, number, &common, &mut outcome);
        let is_latency = number + 1 == wanted;
        if number == 0 {
            for (seen, operations) in seen.iter().zip(&common.operations) {
                let rate = operations / common.seconds;
                let mut of_node = match objects.measure {
                    ObjectsMeasure::Randread => figure("iops", Unit::OpsPerSecond, Direction::HigherIsBetter, rate),
                    ObjectsMeasure::Write | ObjectsMeasure::Read => {
                        figure("node_bandwidth", Unit::BytesPerSecond, Direction::HigherIsBetter, rate * f64::from(objects.bs))
                    }
                };
                of_node.dimensions.insert("node".to_owned(), seen.node.clone());
                outcome.figures.push(of_node);
            }
            let together = match objects.measure {
                ObjectsMeasure::Randread => figure("cluster_iops", Unit::OpsPerSecond, Direction::HigherIsBetter, common.rate()),
                ObjectsMeasure::Write | ObjectsMeasure::Read => {
                    figure("bandwidth", Unit::BytesPerSecond, Direction::HigherIsBetter, common.rate() * f64::from(objects.bs))
                }
            };
            outcome.figures.push(together);
        }
        if is_latency {
            let latencies = added(windows.iter().map(|(window, _)| window.latencies.as_str()))?;
            for (word, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999)] {
                outcome.figures.push(figure(word, Unit::Nanoseconds, Direction::LowerIsBetter, latencies.quantile(quantile)));
            }
            outcome.latencies = Some(latencies);
            if windows.iter().all(|(window, _)| window.open.is_some()) {
                outcome.lag = Some(added(windows.iter().filter_map(|(window, _)| window.open.as_ref()).map(|open| open.lag.as_str()))?);
            }
        }
        count(&windows, &common, &mut outcome);
    }
    for seen in seen {
        add(&seen.result.beside, &mut outcome);
        let text = format!("librados {}, clock within {:.2} ms", seen.result.library, float(seen.uncertainty_ns) / 1e6);
        outcome.notes.insert(format!("client on {}", seen.node), text);
    }
    // Each asks the same cluster.
    let mut ailing: Vec<&String> = seen.iter().flat_map(|seen| &seen.result.ailing).collect();
    ailing.sort_unstable();
    ailing.dedup();
    outcome.doubts.extend(ailing.into_iter().map(|what| Condition::NeighbourBusy(format!("{family}: the cluster said {what}"))));
    outcome.doubts.extend(cached(objects, &family, seen));
    Ok(outcome)
}

/// Whether the OSDs may have had in memory all that was read. Each object is read from one of them alone.
fn cached(objects: &ObjectsSpec, family: &str, seen: &[Seen]) -> Option<Condition> {
    if objects.measure == ObjectsMeasure::Write {
        return None;
    }
    let read = objects.size.saturating_mul(u64::try_from(seen.len()).expect("few nodes"));
    let memory = seen.iter().map(|seen| &seen.result.osd_memory).max_by_key(|memory| memory.as_ref().map_or(u64::MAX, |bytes| *bytes))?;
    let gib = |bytes: u64| float(bytes) / f64::from(1 << 30);
    match memory {
        Err(why) => Some(Condition::Cached(format!("{family}: how much the OSDs may hold in memory is not known: {why}"))),
        Ok(bytes) if read <= *bytes => Some(Condition::Cached(format!(
            "{family}: {:.2} GiB were read, and the OSDs may hold {:.2} GiB in memory (osd_memory_target): `size` has to be more",
            gib(read),
            gib(*bytes)
        ))),
        Ok(_) => None,
    }
}

/// What tells a figure from those of other work under its name.
fn dimensions(objects: &ObjectsSpec, nodes: usize, copies: u64) -> BTreeMap<String, String> {
    [
        ("nodes", nodes.to_string()),
        ("copies", copies.to_string()),
        ("clients", objects.clients.to_string()),
        ("iodepth", objects.iodepth.to_string()),
        ("bs", objects.bs.to_string()),
        ("object_size", objects.object_bytes.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// What makes a window of all of them doubtful.
fn doubts(objects: &ObjectsSpec, family: &str, seen: &[Seen], number: usize, common: &Common, outcome: &mut Outcome) {
    let planned = Duration::from_millis(objects.runtime_ms).as_secs_f64();
    let apart =
        format!("{} clients began within {:.1} ms and measured {:.3} s together", seen.len(), common.apart.as_secs_f64() * 1e3, common.seconds);
    if common.seconds < planned * COMMON_SHARE {
        outcome.doubts.push(Condition::NotSteady(format!("{family}: {apart} of {planned:.3} s")));
    }
    outcome.notes.insert(format!("window {} {family}", number + 1), apart);
    for seen in seen {
        let window = &seen.result.windows[number];
        if window.open.is_none() && window.cpu_share >= CPU_SHARE {
            let what = format!("{family}: a client on {} used its processor for {:.0} % of the time", seen.node, window.cpu_share * 100.0);
            outcome.doubts.push(Condition::AtHarnessFloor(what));
        }
        if let Some(open) = &window.open {
            let due = f64::from(open.rate) * Duration::from_nanos(window.elapsed_ns).as_secs_f64();
            if float(open.backlog) > BACKLOG_SHARE * due {
                let what = format!(
                    "{family}: at {} op/s, half of what it reached, {} operations on {} had not begun at the end",
                    open.rate, open.backlog, seen.node
                );
                outcome.doubts.push(Condition::NotSteady(what));
            }
            outcome.notes.insert(format!("half load on {}", seen.node), format!("{} op/s", open.rate));
        }
        if !window.corrupt.is_empty() {
            outcome.notes.insert(format!("corrupt on {}", seen.node), window.corrupt.join(", "));
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count that was an integer before a part of a tick was taken off")]
fn count(windows: &[(&Window, i64)], common: &Common, outcome: &mut Outcome) {
    let elapsed = Duration::from_secs_f64(common.seconds);
    let before = outcome.elapsed.as_secs_f64();
    outcome.elapsed += elapsed;
    outcome.operations += common.operations.iter().sum::<f64>() as u64;
    for (window, _) in windows {
        outcome.bytes += window.bytes;
        add(&window.verification, outcome);
    }
    let series = sum_of_series(&windows.iter().map(|(window, _)| window.series.as_slice()).collect::<Vec<_>>());
    outcome.series.extend(series.into_iter().map(|(at, rate)| (before + at, rate)));
}

fn add(verification: &assay_model::run::Verification, outcome: &mut Outcome) {
    outcome.all_operations += verification.operations;
    outcome.verified += verification.verified;
    for (into, from) in [(&mut outcome.failed, &verification.failed), (&mut outcome.corrupt, &verification.corrupt)] {
        for (what, count) in from {
            *into.entry(what.clone()).or_default() += count;
        }
    }
}

/// Histograms are added, never percentiles.
fn added<'a>(packed: impl Iterator<Item = &'a str>) -> Result<Latencies, String> {
    let mut all = Histogram::<u64>::new(3).expect("valid digits");
    for one in packed {
        all.add(unpacked(one)?.unpacked()).map_err(|error| format!("its latencies cannot be added: {error}"))?;
    }
    Ok(Latencies::from(&all))
}

#[cfg(test)]
mod tests;
