//! How a Ceph cluster is, asked of its monitors again and again during a drill on a connection of its own: which OSDs are up and in, who is in quorum, what placement
//! groups say, which health codes are raised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use assay_bench::engine::rbd::{Connect, Pool};
use assay_model::stall::{State, Wait};
use serde_json::Value;

use super::nanoseconds;
use crate::error::chain;

/// How often the cluster is asked.
pub(super) const EVERY: Duration = Duration::from_millis(200);
/// Monitors that do not answer for so long are written down as silent.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);
/// What was clean for so long is: placement groups tell managers every five seconds how they are, and those tell the monitors some seconds later.
const SETTLED: Duration = Duration::from_millis(crate::scenario::SETTLED_MS);
/// Between two looks at what was seen.
const LOOK: Duration = Duration::from_millis(50);
/// Flags that every cluster has.
const USUAL_FLAGS: [&str; 4] = ["sortbitwise", "recovery_deletes", "purged_snapdirs", "pglog_hardlimit"];
/// Health codes that only say again what OSDs, quorum and placement groups say.
const SAID_AGAIN: [&str; 9] = [
    "OSD_DOWN",
    "OSD_HOST_DOWN",
    "OSD_ROOT_DOWN",
    "PG_DEGRADED",
    "PG_AVAILABILITY",
    "PG_DEGRADED_FULL",
    "MON_DOWN",
    "OBJECT_MISPLACED",
    "PG_NOT_SCRUBBED",
];

/// Health codes that tell of the past: averages over a quarter of an hour in which an earlier drill may have been, and crashes that nobody has archived.
const OF_THE_PAST: [&str; 4] = ["OSD_SLOW_PING_TIME_BACK", "OSD_SLOW_PING_TIME_FRONT", "RECENT_CRASH", "RECENT_MGR_MODULE_CRASH"];

/// What the cluster says of itself at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cluster {
    /// By number: whether it is up, and whether it is in.
    pub(super) osds: BTreeMap<u64, (bool, bool)>,
    pub(super) monitors: BTreeSet<String>,
    pub(super) quorum: BTreeSet<String>,
    pub(super) leader: String,
    /// How many placement groups are in each state.
    pub(super) groups: BTreeMap<String, u64>,
    pub(super) groups_expected: u64,
    /// Health codes that are raised and not muted.
    pub(super) codes: BTreeSet<String>,
    pub(super) flags: BTreeSet<String>,
    /// Parts per million of the raw space that are used.
    pub(super) used_ppm: u64,
    /// Which cluster it is.
    pub(super) fsid: String,
    pub(super) pools: BTreeMap<String, PoolFacts>,
}

/// What is so of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PoolFacts {
    pub(super) size: u64,
    pub(super) min_size: u64,
    /// Number of its CRUSH rule.
    pub(super) rule: u64,
    /// Whether it takes itself for full.
    pub(super) full: bool,
}

/// How the cluster is asked, the one that is meant where the site declares it.
pub(super) fn connect(fsid: Option<String>) -> Connect {
    Connect { fsid, deadline: ANSWERS_WITHIN, monitor_lost_after: Some(ANSWERS_WITHIN), ..Connect::default() }
}

/// One look at it.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    /// When it was asked, and when it had answered: nanoseconds since the drill began.
    pub(super) asked_ns: i64,
    pub(super) told_ns: i64,
    pub(super) said: Result<Cluster, String>,
}

/// Asks until it is ended.
pub(super) struct Watch {
    seen: Arc<Mutex<Vec<Sighting>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    began: Instant,
}

impl Watch {
    /// Begins to ask on a connection; times count from `began`.
    pub(super) fn begin(pool: Pool, began: Instant) -> std::io::Result<Self> {
        let (seen, over) = (Arc::<Mutex<Vec<Sighting>>>::default(), Arc::<AtomicBool>::default());
        let (seeing, ending) = (Arc::clone(&seen), Arc::clone(&over));
        let thread = std::thread::Builder::new().name("cluster".to_owned()).spawn(move || {
            while !ending.load(Ordering::Relaxed) {
                let asked_ns = nanoseconds(began.elapsed());
                let said = look(&pool);
                let told_ns = nanoseconds(began.elapsed());
                seeing.lock().unwrap_or_else(PoisonError::into_inner).push(Sighting { asked_ns, told_ns, said });
                #[allow(clippy::disallowed_methods, reason = "it is asked at intervals")]
                std::thread::sleep(EVERY);
            }
        });
        Ok(Self { seen, over, thread: Some(thread?), began })
    }

    /// The latest that was said, if anything was said since.
    pub(super) fn latest(&self, since_ns: i64) -> Option<Sighting> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.last().filter(|sighting| sighting.asked_ns >= since_ns).cloned()
    }

    /// All that was said from then on.
    pub(super) fn since(&self, ns: i64) -> Vec<Sighting> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|sighting| sighting.asked_ns >= ns).cloned().collect()
    }

    /// Waits until everything is well, by what was asked from now on, for so long at most. Why it is not, otherwise.
    pub(super) async fn until_ready(&self, most: Duration, stop: &AtomicBool) -> Result<Cluster, String> {
        let from = nanoseconds(self.began.elapsed());
        self.until(from, most, stop, |_, cluster| cluster.why_not_begun().map_or_else(|| Ok(cluster.clone()), Err)).await
    }

    /// Waits until the cluster is as it was before, and has been for a while: what managers say of placement groups is some seconds old. Since when it has been.
    pub(super) async fn until_as(&self, before: &Cluster, since_ns: i64, most: Duration, stop: &AtomicBool) -> Result<i64, String> {
        let mut clean_since = None;
        // Between two sightings it is what the last one said.
        let mut why = "the monitors have not answered".to_owned();
        let (mut looked, settled) = (since_ns, i64::try_from(SETTLED.as_nanos()).unwrap_or(i64::MAX));
        self.until(since_ns, most, stop, |watch, _| {
            // Each of them, also those between two looks.
            for sighting in watch.since(looked.saturating_add(1)) {
                looked = sighting.asked_ns;
                match sighting.said.as_ref().map_or_else(|why| Some(why.clone()), |cluster| cluster.why_not_as(before)) {
                    None => {
                        let from = *clean_since.get_or_insert(sighting.told_ns);
                        why = "it has been so for a moment only".to_owned();
                        if sighting.told_ns.saturating_sub(from) >= settled {
                            return Ok(from);
                        }
                    }
                    Some(reason) => {
                        clean_since = None;
                        why = reason;
                    }
                }
            }
            Err(why.clone())
        })
        .await
    }

    async fn until<T>(
        &self,
        since_ns: i64,
        most: Duration,
        stop: &AtomicBool,
        mut is_so: impl FnMut(&Self, &Cluster) -> Result<T, String>,
    ) -> Result<T, String> {
        let end = tokio::time::Instant::now() + most;
        let mut why = "the monitors have not answered".to_owned();
        loop {
            match self.latest(since_ns) {
                Some(Sighting { said: Ok(cluster), .. }) => match is_so(self, &cluster) {
                    Ok(found) => return Ok(found),
                    Err(reason) => why = reason,
                },
                Some(Sighting { said: Err(reason), .. }) => why = reason,
                None => {}
            }
            if stop.load(Ordering::Relaxed) {
                return Err("it was told to stop".to_owned());
            }
            if tokio::time::Instant::now() > end {
                return Err(format!("{why}, after {} s", most.as_secs()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends it; all that was seen.
    pub(super) fn end(mut self) -> Vec<Sighting> {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn look(pool: &Pool) -> Result<Cluster, String> {
    let ask = |prefix: &str| -> Result<Value, String> {
        let command = serde_json::json!({ "prefix": prefix, "format": "json" }).to_string();
        let answer = pool.ask(&command).map_err(|error| chain(&error))?;
        serde_json::from_str(&answer).map_err(|error| format!("the monitors' answer to `{prefix}` is none: {error}"))
    };
    Cluster::of(&ask("status")?, &ask("osd dump")?, &ask("quorum_status")?)
}

impl Cluster {
    /// From `status`, `osd dump` and `quorum_status`.
    fn of(status: &Value, dump: &Value, quorum: &Value) -> Result<Self, String> {
        let missing = |what: &str| format!("the monitors say nothing of `{what}`");
        let array = |of: &Value, path: &str| of.pointer(path).and_then(Value::as_array).cloned().ok_or_else(|| missing(path));
        let number = |of: &Value, path: &str| of.pointer(path).and_then(Value::as_u64).ok_or_else(|| missing(path));
        let name = |of: &Value| of.as_str().map(str::to_owned).ok_or_else(|| missing("a name"));
        let mut found = Self::default();
        for osd in array(dump, "/osds")? {
            let is = |word: &str| number(&osd, word).map(|value| value == 1);
            found.osds.insert(number(&osd, "/osd")?, (is("/up")?, is("/in")?));
        }
        found.flags = array(dump, "/flags_set")?.iter().map(name).collect::<Result<_, _>>()?;
        found.flags.retain(|flag| !USUAL_FLAGS.contains(&flag.as_str()));
        for pool in array(dump, "/pools")? {
            let flags = pool.get("flags_names").map(name).ok_or_else(|| missing("flags_names"))??;
            let facts = PoolFacts {
                size: number(&pool, "/size")?,
                min_size: number(&pool, "/min_size")?,
                rule: number(&pool, "/crush_rule")?,
                full: flags.split(',').any(|flag| flag == "full"),
            };
            found.pools.insert(pool.get("pool_name").map(name).ok_or_else(|| missing("pool_name"))??, facts);
        }
        found.fsid = status.get("fsid").map(name).ok_or_else(|| missing("fsid"))??;
        found.quorum = array(quorum, "/quorum_names")?.iter().map(name).collect::<Result<_, _>>()?;
        found.leader = quorum.pointer("/quorum_leader_name").map(name).ok_or_else(|| missing("/quorum_leader_name"))??;
        for monitor in array(quorum, "/monmap/mons")? {
            found.monitors.insert(monitor.get("name").map(name).ok_or_else(|| missing("/monmap/mons/name"))??);
        }
        for state in array(status, "/pgmap/pgs_by_state")? {
            let of = state.get("state_name").map(name).ok_or_else(|| missing("/pgmap/pgs_by_state/state_name"))??;
            *found.groups.entry(of).or_insert(0) += number(&state, "/count")?;
        }
        found.groups_expected = number(status, "/pgmap/num_pgs")?;
        let checks = status.pointer("/health/checks").and_then(Value::as_object).ok_or_else(|| missing("/health/checks"))?;
        found.codes = checks.iter().filter(|(_, check)| check.get("muted") != Some(&Value::Bool(true))).map(|(code, _)| code.clone()).collect();
        let used = status.pointer("/pgmap/bytes_used").and_then(Value::as_u64).unwrap_or(0);
        let total = status.pointer("/pgmap/bytes_total").and_then(Value::as_u64).unwrap_or(0);
        found.used_ppm = u64::try_from(u128::from(used) * 1_000_000 / u128::from(total.max(1))).unwrap_or(u64::MAX);
        Ok(found)
    }

    /// Placement groups that are not active and clean; what they do beside that (scrubs, snapshot trims) does not matter.
    fn unclean_groups(&self) -> Option<String> {
        let all: u64 = self.groups.values().sum();
        if all < self.groups_expected || all == 0 {
            return Some(format!("{} of {} placement groups say nothing", self.groups_expected.saturating_sub(all), self.groups_expected));
        }
        let unclean: Vec<String> =
            self.groups.iter().filter(|(state, _)| !is_clean(state)).map(|(state, count)| format!("{count} {state}")).collect();
        (!unclean.is_empty()).then(|| format!("placement groups are {}", unclean.join(", ")))
    }

    /// Pools that would stop with one copy less.
    pub(super) fn without_spare(&self) -> Vec<String> {
        let pools = self.pools.iter().filter(|(_, facts)| facts.size <= facts.min_size);
        pools.map(|(pool, facts)| format!("{pool} (size {}, min_size {})", facts.size, facts.min_size)).collect()
    }

    /// Why no drill may begin; none when everything is well.
    fn why_not_begun(&self) -> Option<String> {
        if let Some((osd, _)) = self.osds.iter().find(|(_, (up, within))| !(*up && *within)) {
            return Some(format!("osd.{osd} is not up and in"));
        }
        if let Some(out) = self.monitors.difference(&self.quorum).next() {
            return Some(format!("monitor {out} is not in quorum"));
        }
        if !self.flags.is_empty() {
            return Some(format!("flags are set: {}", joined(&self.flags)));
        }
        if let Some(why) = self.unclean_groups() {
            return Some(why);
        }
        let now: BTreeSet<String> = self.codes.iter().filter(|code| !OF_THE_PAST.contains(&code.as_str())).cloned().collect();
        if !now.is_empty() {
            return Some(format!("the cluster is not healthy: {} (what is known and harmless can be muted: ceph health mute CODE)", joined(&now)));
        }
        None
    }

    /// Why it is not as it was before.
    fn why_not_as(&self, before: &Self) -> Option<String> {
        if let Some((osd, _)) = before.osds.iter().find(|(osd, was)| self.osds.get(osd) != Some(was)) {
            return Some(format!("osd.{osd} is not as it was"));
        }
        if let Some(out) = before.quorum.difference(&self.quorum).next() {
            return Some(format!("monitor {out} is not in quorum"));
        }
        if self.flags != before.flags {
            return Some(format!("flags are {}", joined(&self.flags)));
        }
        if let Some(why) = self.unclean_groups() {
            return Some(why);
        }
        let raised = self.codes.difference(&before.codes).find(|code| !OF_THE_PAST.contains(&code.as_str()));
        raised.map(|code| format!("health {code} is raised"))
    }

    /// What is so of it and was not before: a line of the timeline each.
    pub(super) fn differences(&self, before: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (osd, (was_up, was_in)) in &before.osds {
            let (up, within) = self.osds.get(osd).copied().unwrap_or((false, false));
            if *was_up && !up {
                found.push(format!("osd.{osd} down"));
            }
            if *was_in && !within {
                found.push(format!("osd.{osd} out"));
            }
        }
        found.extend(before.quorum.difference(&self.quorum).map(|out| format!("mon.{out} out of quorum")));
        if self.groups.iter().any(|(state, _)| !state.contains("active")) || self.groups.values().sum::<u64>() < self.groups_expected {
            found.push("placement groups inactive".to_owned());
        }
        if self.groups.keys().any(|state| !is_clean(state)) {
            found.push("placement groups not clean".to_owned());
        }
        found.extend(self.flags.difference(&before.flags).map(|flag| format!("flag {flag}")));
        found.extend(self.pools.iter().filter(|(_, facts)| facts.full).map(|(pool, _)| format!("pool {pool} full")));
        let codes = self.codes.difference(&before.codes).filter(|code| !SAID_AGAIN.contains(&code.as_str()));
        found.extend(codes.map(|code| format!("health {code}")));
        found
    }
}

fn is_clean(state: &str) -> bool {
    let mut words = state.split('+');
    let harmless = ["active", "clean", "scrubbing", "deep", "snaptrim", "snaptrim_wait"];
    let of = |word: &str| state.split('+').any(|one| one == word);
    of("active") && of("clean") && words.all(|word| harmless.contains(&word))
}

fn joined(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

const SILENT: &str = "monitors silent";

/// What was so of the cluster for a time, and was not before: since the fault, which was at `zero`.
pub(super) fn states(sightings: &[Sighting], before: &Cluster, zero: i64) -> Vec<State> {
    let mut open: BTreeMap<String, i64> = BTreeMap::new();
    let mut found: Vec<State> = Vec::new();
    for sighting in sightings {
        let now: BTreeSet<String> = match &sighting.said {
            Ok(cluster) => cluster.differences(before).into_iter().collect(),
            Err(_) => [SILENT.to_owned()].into(),
        };
        // Of what nobody could ask it is not known that it has ended.
        let known = sighting.said.is_ok();
        let ended: Vec<String> = open.keys().filter(|what| (known || *what == SILENT) && !now.contains(*what)).cloned().collect();
        for what in ended {
            if let Some(from) = open.remove(&what) {
                let during = Wait { from_ns: from.saturating_sub(zero), to_ns: Some(sighting.told_ns.saturating_sub(zero)) };
                found.push(State { what, during });
            }
        }
        for what in now {
            let at = if what == SILENT { sighting.asked_ns } else { sighting.told_ns };
            open.entry(what).or_insert(at);
        }
    }
    found.extend(open.into_iter().map(|(what, from)| State { what, during: Wait { from_ns: from.saturating_sub(zero), to_ns: None } }));
    found.sort_by(|one, other| (one.during.from_ns, &one.what).cmp(&(other.during.from_ns, &other.what)));
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn clean() -> Cluster {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        Cluster {
            osds: (0..3).map(|osd| (osd, (true, true))).collect(),
            monitors: names(&["a", "b", "c"]),
            quorum: names(&["a", "b", "c"]),
            leader: "a".into(),
            groups: [("active+clean".to_owned(), 33)].into(),
            groups_expected: 33,
            codes: BTreeSet::new(),
            flags: BTreeSet::new(),
            used_ppm: 10_000,
            fsid: "f".into(),
            pools: [("rbd-vms".to_owned(), PoolFacts { size: 3, min_size: 2, rule: 1, full: false })].into(),
        }
    }

    #[test]
    fn a_drill_begins_on_a_clean_cluster_only_and_says_what_is_not() {
        assert_eq!(clean().why_not_begun(), None);
        let scrubbing = Cluster { groups: [("active+clean".to_owned(), 30), ("active+clean+scrubbing+deep".to_owned(), 3)].into(), ..clean() };
        assert_eq!(scrubbing.why_not_begun(), None);
        let after_a_drill = Cluster { codes: OF_THE_PAST.map(str::to_owned).into(), ..clean() };
        assert_eq!(after_a_drill.why_not_begun(), None);
        let groups = |state: &str| [("active+clean".to_owned(), 32), (state.to_owned(), 1)].into();
        let names = |one: &str| [one.to_owned()].into();
        let cases: Vec<(Cluster, &str)> = vec![
            (Cluster { osds: [(0, (true, true)), (1, (false, true))].into(), ..clean() }, "osd.1"),
            (Cluster { osds: [(0, (true, false))].into(), ..clean() }, "osd.0"),
            (Cluster { quorum: names("a"), ..clean() }, "monitor b"),
            (Cluster { groups: groups("active+undersized+degraded"), ..clean() }, "1 active+undersized"),
            (Cluster { groups: groups("active+clean+inconsistent"), ..clean() }, "inconsistent"),
            (Cluster { groups: groups("unknown"), ..clean() }, "unknown"),
            (Cluster { groups: [("active+clean".to_owned(), 32)].into(), ..clean() }, "1 of 33"),
            (Cluster { groups: BTreeMap::new(), groups_expected: 0, ..clean() }, "placement groups"),
            (Cluster { flags: names("noout"), ..clean() }, "noout"),
            (Cluster { codes: names("POOL_NEARFULL"), ..clean() }, "POOL_NEARFULL"),
        ];
        for (cluster, said) in cases {
            assert!(cluster.why_not_begun().is_some_and(|why| why.contains(said)), "{said}: {:?}", cluster.why_not_begun());
        }
    }

    #[test]
    fn what_the_monitors_say_is_read_and_what_they_leave_out_is_an_error() {
        let status = serde_json::json!({
            "fsid": "1a-2b",
            "health": { "status": "HEALTH_WARN", "checks": { "OSD_DOWN": { "muted": false }, "POOL_NO_REDUNDANCY": { "muted": true } } },
            "pgmap": { "pgs_by_state": [{ "state_name": "active+clean", "count": 7 }], "num_pgs": 8, "bytes_used": 5, "bytes_total": 100 },
        });
        let dump = serde_json::json!({
            "osds": [{ "osd": 4, "up": 0, "in": 1 }], "flags_set": ["sortbitwise", "noout"],
            "pools": [
                { "pool_name": "rbd", "size": 3, "min_size": 2, "crush_rule": 1, "flags_names": "hashpspool,selfmanaged_snaps" },
                { "pool_name": "tmp", "size": 2, "min_size": 2, "crush_rule": 0, "flags_names": "hashpspool,full" },
            ],
        });
        let quorum =
            serde_json::json!({ "quorum_names": ["a"], "quorum_leader_name": "a", "monmap": { "mons": [{ "name": "a" }, { "name": "b" }] } });
        let cluster = Cluster::of(&status, &dump, &quorum).expect("read");
        assert_eq!((cluster.osds[&4], cluster.leader.as_str(), cluster.groups_expected, cluster.used_ppm), ((false, true), "a", 8, 50_000));
        assert_eq!((joined(&cluster.flags), joined(&cluster.codes)), ("noout".to_owned(), "OSD_DOWN".to_owned()));
        assert_eq!(cluster.without_spare(), ["tmp (size 2, min_size 2)"]);
        assert!(cluster.fsid == "1a-2b" && cluster.pools["tmp"].full && !cluster.pools["rbd"].full);
        for (path, of) in [("/osds", 1), ("/quorum_leader_name", 2), ("/pgmap", 0), ("/health", 0), ("/monmap", 2), ("/fsid", 0), ("/pools", 1)] {
            let mut all = [status.clone(), dump.clone(), quorum.clone()];
            all[of].as_object_mut().expect("an object").remove(&path[1..]);
            assert!(Cluster::of(&all[0], &all[1], &all[2]).is_err(), "{path}");
        }
    }

    #[test]
    fn it_is_as_before_when_no_code_is_raised_that_tells_of_now() {
        let codes = |code: &str| Cluster { codes: [code.to_owned()].into(), ..clean() };
        assert_eq!(codes("OSD_SLOW_PING_TIME_BACK").why_not_as(&clean()), None);
        assert!(codes("POOL_FULL").why_not_as(&clean()).is_some_and(|why| why.contains("POOL_FULL")));
        assert_eq!(codes("POOL_FULL").why_not_as(&codes("POOL_FULL")), None);
        let full = Cluster { pools: [("p".to_owned(), PoolFacts { size: 3, min_size: 2, rule: 0, full: true })].into(), ..clean() };
        assert_eq!(full.differences(&clean()), ["pool p full"]);
    }

    #[test]
    fn states_have_a_beginning_and_an_end_and_silence_ends_none_but_its_own() {
        let at = |ms: i64, said| Sighting { asked_ns: ms * 1_000_000, told_ns: (ms + 1) * 1_000_000, said };
        let down = Cluster { osds: [(0, (true, true)), (1, (false, true)), (2, (true, true))].into(), ..clean() };
        let sightings = [
            at(0, Ok(clean())),
            at(200, Ok(down.clone())),
            at(400, Err("nobody answers".to_owned())),
            at(600, Ok(down)),
            at(800, Ok(clean())),
            at(1000, Err("nobody answers".to_owned())),
        ];
        let found = states(&sightings, &clean(), 100_000_000);
        let told: Vec<(&str, i64, Option<i64>)> =
            found.iter().map(|state| (state.what.as_str(), state.during.from_ns / 1_000_000, state.during.to_ns.map(|ns| ns / 1_000_000))).collect();
        assert_eq!(told, [("osd.1 down", 101, Some(701)), (SILENT, 300, Some(501)), (SILENT, 900, None)]);
    }
}
