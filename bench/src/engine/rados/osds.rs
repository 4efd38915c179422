//! What single OSDs do by themselves: `tell osd.N bench` writes so many bytes into objects of its own, past network and replication, and removes them. And what they may hold in
//! memory. By `rados_osd_command`.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::engine::cluster::{Connect, connected, within};
use crate::error::ClusterError;
use crate::sys::rados as sys;

/// Most bytes of one bench: with its own options, an OSD refuses more (`osd_bench_duration` x `osd_bench_large_size_max_throughput`).
pub const OSD_BENCH_BYTES_MAX: u64 = 30 * (100 << 20);

/// The OSDs of a connected cluster.
pub struct Osds {
    cluster: Arc<sys::Cluster>,
    deadline: Duration,
}

/// What one OSD came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OsdBench {
    /// Bytes that it has written.
    pub bytes: u64,
    /// Bytes of each write.
    pub block_bytes: u64,
    /// How long it took, until all was on its medium.
    pub elapsed: Duration,
}

impl OsdBench {
    /// Bytes per second.
    pub fn bandwidth(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "at most 3 GB")]
        let bytes = self.bytes as f64;
        bytes / self.elapsed.as_secs_f64()
    }
}

impl Osds {
    /// Connects to the cluster of the configuration, as the user that CEPH_ARGS names.
    pub fn connect(connect: &Connect) -> Result<Self, ClusterError> {
        Ok(Self { cluster: Arc::new(connected(connect)?), deadline: connect.deadline })
    }

    /// Numbers of those that are up, ascending. One that is full is an error: a bench writes past all pools, and would take the last of it.
    pub fn up(&self) -> Result<Vec<u32>, ClusterError> {
        let cluster = Arc::clone(&self.cluster);
        within("ask for the OSDs of", "the Ceph cluster", self.deadline, move || {
            let dump = cluster.ask_monitors(r#"{"prefix": "osd dump", "format": "json"}"#)?;
            must_have_room(&dump)?;
            up_of(&dump)
        })
    }

    /// Has one of them write so many bytes, block by block.
    pub fn bench(&self, osd: u32, bytes: u64, block_bytes: u64) -> Result<OsdBench, ClusterError> {
        let cluster = Arc::clone(&self.cluster);
        // It takes half a minute at most by its own options, and an OSD that is busy answers late.
        let deadline = self.deadline + Duration::from_secs(60);
        within("bench", &format!("osd.{osd}"), deadline, move || {
            let command = format!(r#"{{"prefix": "bench", "count": {bytes}, "size": {block_bytes}, "format": "json"}}"#);
            bench_of(&cluster.ask_osd(osd, &command)?, bytes)
        })
    }
}

/// Bytes that all OSDs which are up may hold in memory together, as each of them says: what it was told on its command line, in its file or by the monitors, and what is usual.
pub(super) fn memory(cluster: &sys::Cluster) -> std::io::Result<u64> {
    let up = up_of(&cluster.ask_monitors(r#"{"prefix": "osd dump", "format": "json"}"#)?)?;
    up.into_iter().try_fold(0_u64, |sum, osd| {
        let answer = cluster.ask_osd(osd, r#"{"prefix": "config get", "var": "osd_memory_target", "format": "json"}"#)?;
        Ok(sum.saturating_add(target_of(&answer)?))
    })
}

fn target_of(answer: &str) -> std::io::Result<u64> {
    #[derive(Deserialize)]
    struct Answer {
        osd_memory_target: String,
    }
    let Answer { osd_memory_target } = serde_json::from_str(answer).map_err(std::io::Error::other)?;
    osd_memory_target.parse().map_err(|_| std::io::Error::other(format!("`{osd_memory_target}` is no osd_memory_target")))
}

fn must_have_room(dump: &str) -> std::io::Result<()> {
    #[derive(Deserialize)]
    struct Dump {
        osds: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        osd: u32,
        state: Vec<String>,
    }
    let dump: Dump = serde_json::from_str(dump).map_err(|error| std::io::Error::other(format!("whether one is full cannot be told: {error}")))?;
    let full = dump.osds.iter().find(|one| one.state.iter().any(|word| word == "full"));
    full.map_or(Ok(()), |full| Err(std::io::Error::other(format!("osd.{} is full", full.osd))))
}

fn up_of(answer: &str) -> std::io::Result<Vec<u32>> {
    #[derive(Deserialize)]
    struct Dump {
        osds: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        osd: u32,
        up: u8,
        r#in: u8,
    }
    let dump: Dump = serde_json::from_str(answer).map_err(std::io::Error::other)?;
    // It would have no figure, and the others would speak for it.
    if let Some(down) = dump.osds.iter().find(|one| one.r#in == 1 && one.up != 1) {
        return Err(std::io::Error::other(format!("osd.{} is in and not up", down.osd)));
    }
    let mut up: Vec<u32> = dump.osds.into_iter().filter(|one| one.up == 1).map(|one| one.osd).collect();
    up.sort_unstable();
    Ok(up)
}

fn bench_of(answer: &str, asked: u64) -> std::io::Result<OsdBench> {
    #[derive(Deserialize)]
    struct Answer {
        bytes_written: u64,
        blocksize: u64,
        elapsed_sec: f64,
    }
    let Answer { bytes_written, blocksize, elapsed_sec } = serde_json::from_str(answer).map_err(std::io::Error::other)?;
    let elapsed = Duration::try_from_secs_f64(elapsed_sec).map_err(std::io::Error::other)?;
    if bytes_written != asked || elapsed.is_zero() {
        return Err(std::io::Error::other(format!("{bytes_written} of {asked} bytes in {elapsed_sec} s are no bench")));
    }
    Ok(OsdBench { bytes: bytes_written, block_bytes: blocksize, elapsed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_osd_is_not_written_to_and_one_that_does_not_say_it_neither() {
        let of = |state: &str| must_have_room(&format!(r#"{{"osds": [{{"osd": 3, "state": ["exists", "up"]}}, {{"osd": 7{state}}}]}}"#));
        assert!(of(r#", "state": ["nearfull", "exists", "up"]"#).is_ok());
        let said = |result: std::io::Result<()>| result.expect_err("refused").to_string();
        assert_eq!(said(of(r#", "state": ["full", "exists", "up"]"#)), "osd.7 is full");
        assert!(said(of("")).contains("whether one is full cannot be told"));
    }

    #[test]
    fn only_osds_that_are_up_are_benched() {
        let dump = r#"{"epoch": 7, "osds": [{"osd": 2, "up": 1, "in": 1}, {"osd": 0, "up": 1, "in": 0}, {"osd": 1, "up": 0, "in": 0}]}"#;
        assert_eq!(up_of(dump).expect("a dump"), [0, 2]);
        assert_eq!(up_of(r#"{"osds": []}"#).expect("a dump"), [] as [u32; 0]);
        let down = up_of(r#"{"osds": [{"osd": 4, "up": 0, "in": 1}]}"#).expect_err("down").to_string();
        assert!(down.contains("osd.4"), "{down}");
        for wrong in ["", "{}", r#"{"osds": [{"osd": 1}]}"#] {
            assert!(up_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_memory_target_is_a_number_of_bytes() {
        assert_eq!(target_of(r#"{"osd_memory_target": "4294967296"}"#).expect("an answer"), 4 << 30);
        for wrong in ["", "{}", r#"{"osd_memory_target": ""}"#, r#"{"osd_memory_target": "4G"}"#, r#"{"osd_memory_target": "-1"}"#] {
            assert!(target_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_bench_that_has_not_written_what_was_asked_is_none() {
        let told = r#"{"bytes_written": 67108864, "blocksize": 4194304, "elapsed_sec": 0.25, "bytes_per_sec": 268435456.0, "iops": 64.0}"#;
        let bench = bench_of(told, 64 << 20).expect("a bench");
        assert_eq!((bench.bytes, bench.block_bytes, bench.elapsed), (64 << 20, 4 << 20, Duration::from_millis(250)));
        assert!((bench.bandwidth() - f64::from(256 << 20)).abs() < 1.0);
        assert!(bench_of(told, 128 << 20).is_err());
        for wrong in ["", "{}", &told.replace("0.25", "0.0"), &told.replace("0.25", "-1"), &told.replace("0.25", "1e300")] {
            assert!(bench_of(wrong, 64 << 20).is_err(), "{wrong}");
        }
    }
}
