//! `counters`: the statistics of named interfaces from `/sys/class/net/*/statistics/`, with the stamps between which they were read. A counter that cannot
//! be read, or that ran backwards between two readings, is an error: nothing is proven by it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clock::ClockStamps;
use super::{TaskContext, TaskError, TaskErrorKind, result, spec};

/// Its name.
pub const NAME: &str = "counters";

/// Most interfaces of one request.
const INTERFACES_MAX: usize = 256;

/// Of which interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountersSpec {
    /// Their names.
    pub interfaces: Vec<String>,
}

/// The statistics at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Before the first was read.
    pub from: ClockStamps,
    /// After the last was read.
    pub to: ClockStamps,
    /// Interface, counter (`rx_bytes`), value.
    pub interfaces: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Counters {
    /// How much each counter rose since `earlier`. An interface or a counter that is missing on one side, and one that ran backwards, is an error.
    pub fn since(&self, earlier: &Counters) -> Result<BTreeMap<String, BTreeMap<String, u64>>, String> {
        if self.from.monotonic_ns < earlier.to.monotonic_ns {
            return Err("the later reading began before the earlier one had ended".to_owned());
        }
        let names = |counters: &Counters| counters.interfaces.iter().map(|(name, all)| (name.clone(), all.keys().cloned().collect())).collect();
        let (before, after): (BTreeMap<String, Vec<String>>, BTreeMap<String, Vec<String>>) = (names(earlier), names(self));
        if before != after {
            return Err("interfaces or counters came or went between the two readings".to_owned());
        }
        let mut rose = BTreeMap::new();
        for (interface, counters) in &self.interfaces {
            let mut of_interface = BTreeMap::new();
            for (counter, now) in counters {
                let then = earlier.interfaces[interface][counter];
                let by = now.checked_sub(then).ok_or_else(|| format!("{counter} of {interface} ran backwards, from {then} to {now}"))?;
                of_interface.insert(counter.clone(), by);
            }
            rose.insert(interface.clone(), of_interface);
        }
        Ok(rose)
    }
}

pub(super) fn run(value: Value, _context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let CountersSpec { interfaces } = spec(value)?;
    read(Path::new("/sys/class/net"), &interfaces).and_then(|counters| result(&counters))
}

fn read(net: &Path, names: &[String]) -> Result<Counters, TaskError> {
    let refused = |message: String| TaskError { kind: TaskErrorKind::Spec, message };
    if names.is_empty() || names.len() > INTERFACES_MAX {
        return Err(refused(format!("expected 1 to {INTERFACES_MAX} interfaces")));
    }
    let from = ClockStamps::now();
    let mut interfaces = BTreeMap::new();
    for name in names {
        if !crate::fault::is_interface_name(name) {
            return Err(refused(format!("`{}` is no name of an interface", name.escape_debug())));
        }
        let folder = net.join(name).join("statistics");
        let failed = |why: String| TaskError { kind: TaskErrorKind::Failed, message: format!("cannot read {}: {why}", folder.display()) };
        let mut counters = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(|error| failed(error.to_string()))? {
            let path = entry.map_err(|error| failed(error.to_string()))?.path();
            let counter = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).map_err(|error| failed(format!("{counter}: {error}")))?;
            let value = text.trim().parse().map_err(|_| failed(format!("{counter}: `{}` is no count", text.trim().escape_debug())))?;
            counters.insert(counter, value);
        }
        if counters.is_empty() {
            return Err(failed("no counter is there".to_owned()));
        }
        interfaces.insert(name.clone(), counters);
    }
    Ok(Counters { from, to: ClockStamps::now(), interfaces })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(at: u64, interface: &str, counter: &str, value: u64) -> Counters {
        let stamp = ClockStamps { monotonic_ns: at, realtime_ns: at };
        let one = BTreeMap::from([(counter.to_owned(), value)]);
        Counters { from: stamp, to: stamp, interfaces: BTreeMap::from([(interface.to_owned(), one)]) }
    }

    #[test]
    fn a_counter_that_ran_backwards_or_is_missing_proves_nothing() {
        let before = counters(1, "eth0", "rx_bytes", 10);
        assert_eq!(counters(2, "eth0", "rx_bytes", 12).since(&before).expect("rose")["eth0"]["rx_bytes"], 2);
        for (after, part) in [
            (counters(2, "eth0", "rx_bytes", 9), "ran backwards, from 10 to 9"),
            (counters(2, "eth1", "rx_bytes", 12), "came or went"),
            (counters(2, "eth0", "tx_bytes", 12), "came or went"),
            (counters(0, "eth0", "rx_bytes", 12), "before the earlier one"),
        ] {
            let error = after.since(&before).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn present_absent_and_unreadable_are_three_answers() {
        let folder = tempfile::tempdir().expect("a folder");
        let statistics = folder.path().join("eth0/statistics");
        fs::create_dir_all(&statistics).expect("makes");
        let read = || read(folder.path(), &["eth0".to_owned()]);
        assert!(read().expect_err("empty").message.contains("no counter"));
        fs::write(statistics.join("rx_bytes"), "18446744073709551615\n").expect("writes");
        assert_eq!(read().expect("reads").interfaces["eth0"]["rx_bytes"], u64::MAX);
        fs::write(statistics.join("tx_bytes"), "-1\n").expect("writes");
        assert!(read().expect_err("no count").message.contains("tx_bytes: `-1` is no count"));
        let absent = super::read(folder.path(), &["eth1".to_owned()]).expect_err("absent");
        assert!(absent.message.contains("eth1") && absent.kind == TaskErrorKind::Failed);
        for hostile in ["../eth0", "", "a/b", "a b", "."] {
            assert_eq!(super::read(folder.path(), &[hostile.to_owned()]).expect_err(hostile).kind, TaskErrorKind::Spec);
        }
    }
}
