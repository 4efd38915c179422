//! What every OSD writes by itself, and how far each is behind its peers: the same robust measure as for drives.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use assay_model::metric::{Direction, Samples};
use assay_model::spread;
use assay_model::unit::Unit;

use super::super::bench::{Figure, Outcome, Trouble};
use super::super::net::{Sessions, told, unless_told};
use super::AROUND;
use crate::osds::{self, Benched, OsdsSpec};
use crate::plan::PlannedCeph;
use crate::remote::task::rados::OSD_BENCH;
use crate::scenario::OsdBenchSpec;

/// An OSD that takes longer than this for its bytes is one that hangs; each has a deadline of its own besides.
const EACH: Duration = Duration::from_secs(80);

/// One bench of each OSD, asked for by the first node.
pub(super) fn measure(
    planned: &PlannedCeph,
    bench: OsdBenchSpec,
    round: u64,
    sessions: Option<&mut Sessions>,
    stop: &AtomicBool,
) -> Result<Outcome, Trouble> {
    let spec = OsdsSpec { bench, from: round, fsid: planned.fsid.clone() };
    let benched = match (planned.nodes.first(), sessions) {
        (None, _) => osds::bench(&spec, stop)?,
        (Some(_), None) => return Err(Trouble::Failed("the plan names no nodes".to_owned())),
        (Some(first), Some(sessions)) => sessions.together(std::slice::from_ref(first), stop, async |remotes| {
            let [remote] = remotes else { return Err(Trouble::Failed("one node asks the OSDs".to_owned())) };
            let asked = remote.call::<Vec<Benched>>(OSD_BENCH, &spec, AROUND + EACH * bench.osds_max);
            unless_told(stop, asked).await?.map_err(told)
        })?,
    };
    Ok(outcome(bench, &benched))
}

/// In the order of their numbers, whichever was the first.
fn outcome(bench: OsdBenchSpec, benched: &[Benched]) -> Outcome {
    let mut benched = benched.to_vec();
    benched.sort_unstable_by_key(|one| one.osd);
    let count = u64::try_from(benched.len()).expect("few OSDs");
    let mut outcome = Outcome {
        elapsed: benched.iter().map(|one| Duration::from_nanos(one.elapsed_ns)).sum(),
        operations: count,
        bytes: count.saturating_mul(bench.bytes),
        ..Outcome::default()
    };
    let mut figure = |osd: u32, word: &str, unit, direction, value| {
        let dimensions = [("osd", osd.to_string()), ("bytes", bench.bytes.to_string()), ("block", bench.block_bytes.to_string())];
        let dimensions: BTreeMap<String, String> = dimensions.map(|(name, value)| (name.to_owned(), value)).into();
        outcome.figures.push(Figure { name: format!("ceph.osd_bench.{word}"), unit, direction, dimensions, value });
    };
    for one in &benched {
        figure(one.osd, "bandwidth", Unit::BytesPerSecond, Direction::HigherIsBetter, one.bandwidth);
    }
    let all: Vec<f64> = benched.iter().map(|one| one.bandwidth).collect();
    // Two OSDs have no majority, and of none is anything said.
    if let Some(behind) = spread::behind(&all) {
        let middle = Samples::new(all).median();
        for (one, behind) in benched.iter().zip(behind) {
            figure(one.osd, "peer_deviation", Unit::Ratio, Direction::LowerIsBetter, behind);
            figure(one.osd, "peer_share", Unit::Ratio, Direction::HigherIsBetter, one.bandwidth / middle);
        }
    }
    let text = format!("ceph tell osd.N bench {} {}", bench.bytes, bench.block_bytes);
    outcome.notes.insert("ceph ceph.osd_bench".to_owned(), text);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn benched(bandwidths: &[f64]) -> Vec<Benched> {
        (0..).zip(bandwidths).map(|(osd, bandwidth)| Benched { osd, bandwidth: *bandwidth, elapsed_ns: 1_000_000 }).collect()
    }

    fn named(outcome: &Outcome, word: &str) -> Vec<(String, f64)> {
        let is = |figure: &&Figure| figure.name == format!("ceph.osd_bench.{word}");
        outcome.figures.iter().filter(is).map(|figure| (figure.dimensions["osd"].clone(), figure.value)).collect()
    }

    #[test]
    fn each_osd_has_its_figure_and_is_compared_with_the_median_of_all() {
        let bench = OsdBenchSpec { bytes: 64 << 20, block_bytes: 4 << 20, osds_max: 12 };
        let mut in_turn = benched(&[1000.0, 1010.0, 800.0]);
        in_turn.rotate_left(1);
        let found = outcome(bench, &in_turn);
        assert_eq!(named(&found, "bandwidth").len(), 3);
        assert_eq!(named(&found, "peer_share"), [("0", 1.0), ("1", 1.01), ("2", 0.8)].map(|(osd, share)| (osd.to_owned(), share)));
        let deviations = named(&found, "peer_deviation");
        assert!(deviations[2].1 > spread::OUTLIER && deviations[0].1.abs() < 1.0, "{deviations:?}");
        assert_eq!((found.operations, found.bytes, found.all_operations), (3, 192 << 20, 0));
        let two = outcome(bench, &benched(&[1000.0, 500.0]));
        assert!(named(&two, "peer_share").is_empty() && named(&two, "bandwidth").len() == 2);
    }
}
