//! Has every OSD of a cluster that is up write by itself, one after the other: `tell osd.N bench`. By whoever is asked, for each of them is reached from everywhere.

use std::sync::atomic::{AtomicBool, Ordering};

use assay_bench::engine::rados::{Connect, OsdBench, Osds};
use serde::{Deserialize, Serialize};

use crate::error::chain;
use crate::scenario::OsdBenchSpec;

/// What they are asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OsdsSpec {
    /// How much each writes, and how many they are at most.
    pub(crate) bench: OsdBenchSpec,
    /// With which of them to begin, by its place: another one each time.
    pub(crate) from: u64,
    /// The cluster whose they are, where the site declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fsid: Option<String>,
}

/// What one of them came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Benched {
    /// Its number.
    pub(crate) osd: u32,
    /// Bytes per second.
    pub(crate) bandwidth: f64,
    /// How long it wrote, ns.
    pub(crate) elapsed_ns: u64,
}

/// Benches all of them.
pub(crate) fn bench(spec: &OsdsSpec, stop: &AtomicBool) -> Result<Vec<Benched>, String> {
    let osds = Osds::connect(&Connect { fsid: spec.fsid.clone(), ..Connect::default() }).map_err(|error| chain(&error))?;
    let up = in_turn(osds.up().map_err(|error| chain(&error))?, spec)?;
    let mut all = Vec::new();
    for osd in up {
        if stop.load(Ordering::Relaxed) {
            return Err("it was told to stop".to_owned());
        }
        let one = osds.bench(osd, spec.bench.bytes, spec.bench.block_bytes).map_err(|error| chain(&error))?;
        all.push(benched(osd, &one));
    }
    Ok(all)
}

fn benched(osd: u32, bench: &OsdBench) -> Benched {
    Benched { osd, bandwidth: bench.bandwidth(), elapsed_ns: u64::try_from(bench.elapsed.as_nanos()).unwrap_or(u64::MAX) }
}

/// The order in which they are asked: none is always the first.
fn in_turn(mut up: Vec<u32>, spec: &OsdsSpec) -> Result<Vec<u32>, String> {
    if up.is_empty() {
        return Err("no OSD of the cluster is up".to_owned());
    }
    let most = spec.bench.osds_max;
    if u32::try_from(up.len()).is_ok_and(|count| count > most) {
        return Err(format!("{} OSDs are up, and the plan speaks of at most {most}: nothing was written", up.len()));
    }
    let from = usize::try_from(spec.from % u64::try_from(up.len()).expect("few")).expect("few");
    up.rotate_left(from);
    Ok(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_begins_with_another_osd_and_more_than_were_planned_are_none() {
        let spec = |from| OsdsSpec { bench: OsdBenchSpec { bytes: 64 << 20, block_bytes: 4 << 20, osds_max: 3 }, from, fsid: None };
        assert_eq!(in_turn(vec![0, 1, 2], &spec(0)), Ok(vec![0, 1, 2]));
        assert_eq!(in_turn(vec![0, 1, 2], &spec(4)), Ok(vec![1, 2, 0]));
        assert!(in_turn(vec![0, 1, 2, 3], &spec(0)).expect_err("four").contains("4 OSDs are up"));
        assert!(in_turn(Vec::new(), &spec(0)).expect_err("none").contains("no OSD"));
    }
}
