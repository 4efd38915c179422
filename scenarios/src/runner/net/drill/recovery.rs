//! How many objects a Ceph cluster has recovered, as its managers count them (`pg dump sum`). Asked once a second during a drill on a thread of its own: managers may be silent for
//! longer than monitors, and nobody who looks at those waits for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use assay_bench::engine::rbd::Pool;
use assay_model::stall::Recovered;
use serde_json::Value;

use super::act::Acted;
use super::nanoseconds;

/// How often managers are asked.
const EVERY: Duration = Duration::from_secs(1);

/// What they had counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    /// When they were asked, and when they had answered: nanoseconds since the drill began.
    asked_ns: i64,
    told_ns: i64,
    objects: u64,
}

/// Asks until it is ended.
pub(super) struct Recovery {
    counts: Arc<Mutex<Vec<Count>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Recovery {
    /// Begins to ask; times count from `began`.
    pub(super) fn begin(pool: Pool, began: Instant) -> std::io::Result<Self> {
        let (counts, over) = (Arc::<Mutex<Vec<Count>>>::default(), Arc::<AtomicBool>::default());
        let (counting, ending) = (Arc::clone(&counts), Arc::clone(&over));
        let thread = std::thread::Builder::new().name("recovery".to_owned()).spawn(move || {
            while !ending.load(Ordering::Relaxed) {
                let asked_ns = nanoseconds(began.elapsed());
                if let Some(objects) = count(&pool) {
                    let told_ns = nanoseconds(began.elapsed());
                    counting.lock().unwrap_or_else(PoisonError::into_inner).push(Count { asked_ns, told_ns, objects });
                }
                std::thread::park_timeout(EVERY);
            }
        });
        Ok(Self { counts, over, thread: Some(thread?) })
    }

    /// Ends it: what was recovered of what was done. None where managers did not say it in time.
    pub(super) fn end(mut self, acted: &Acted) -> Option<Recovered> {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
        recovered(&self.counts.lock().unwrap_or_else(PoisonError::into_inner), acted.injected.from_ns, acted.healed.from_ns)
    }
}

impl Drop for Recovery {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn count(pool: &Pool) -> Option<u64> {
    let command = serde_json::json!({ "prefix": "pg dump", "dumpcontents": ["sum"], "format": "json" });
    objects(&serde_json::from_str(&pool.ask(&command.to_string()).ok()?).ok()?)
}

/// Managers that have just begun have not heard of every placement group, and count too few.
fn objects(answer: &Value) -> Option<u64> {
    let is_ready = answer.get("pg_ready").and_then(Value::as_bool)?;
    let sum = answer.pointer("/pg_map/pg_stats_sum/stat_sum/num_objects_recovered").and_then(Value::as_u64);
    sum.filter(|_| is_ready)
}

/// More than before the fault: what was counted while it was in effect, and in all.
fn recovered(counts: &[Count], injected_ns: i64, healed_ns: i64) -> Option<Recovered> {
    let before = counts.iter().rfind(|count| count.told_ns <= injected_ns)?.objects;
    let most = |until_ns: i64| {
        let after = counts.iter().filter(|count| count.asked_ns >= injected_ns && count.told_ns <= until_ns);
        after.map(|count| count.objects.saturating_sub(before)).max()
    };
    Some(Recovered { meanwhile: most(healed_ns)?, in_all: most(i64::MAX)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_before_the_fault_was_recovered_of_something_else() {
        let count = |asked_ns, objects| Count { asked_ns, told_ns: asked_ns + 1, objects };
        let seen = [count(0, 90), count(8, 100), count(12, 100), count(18, 107), count(19, 104), count(22, 120)];
        assert_eq!(recovered(&seen, 10, 20), Some(Recovered { meanwhile: 7, in_all: 20 }));
        // On its way at the moment itself, it tells of neither side.
        assert_eq!(recovered(&[count(8, 100), count(10, 105), count(20, 109), count(30, 109)], 10, 20), Some(Recovered { meanwhile: 5, in_all: 9 }));
        assert_eq!(recovered(&[count(8, 100), count(12, 100)], 10, 20), Some(Recovered { meanwhile: 0, in_all: 0 }));
        // Nobody has said how many there were, or how many there are.
        for unknown in [&seen[2..], &seen[..2], &[count(8, 100), count(22, 120)], &[]] {
            assert_eq!(recovered(unknown, 10, 20), None, "{unknown:?}");
        }
    }

    #[test]
    fn managers_that_have_not_heard_of_everything_count_nothing() {
        let answer =
            |ready: bool| serde_json::json!({ "pg_ready": ready, "pg_map": { "pg_stats_sum": { "stat_sum": { "num_objects_recovered": 8 } } } });
        assert_eq!((objects(&answer(true)), objects(&answer(false)), objects(&serde_json::json!({ "pg_ready": true }))), (Some(8), None, None));
    }
}
