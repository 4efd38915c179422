//! `[[step.ceph]]`: what a Ceph cluster does as a whole, by clients on all nodes that take part at the same time, or what its single OSDs do by themselves.

use std::ops::Range;

use assay_bench::engine::rados::OSD_BENCH_BYTES_MAX;
use assay_bench::stamp::UNIT;
use assay_bench::{BlockSizes, Rw};
use assay_model::source::FileError;
use serde::{Deserialize, Serialize};

use super::Check;
use crate::quantity::{Millis, Size};

/// An object of Ceph's own block devices and of its own bench.
const OBJECT_BYTES: u64 = 4 << 20;
/// Sizes of an object: Ceph refuses larger writes than 90 MiB.
const OBJECT: std::ops::RangeInclusive<u64> = (64 << 10)..=(32 << 20);
/// Most operations in flight of a client, and clients of a node.
const IODEPTH_MAX: u32 = 1024;
const CLIENTS_MAX: u32 = 64;
/// Most of what an OSD writes at a time: `osd_bench_max_block_size`.
const OSD_BLOCK_MAX: u64 = 64 << 20;
/// Below this an OSD counts operations instead of bytes, and refuses early (`osd_bench_small_size_max_iops`).
const OSD_BLOCK_MIN: u64 = 1 << 20;
/// Most OSDs that a scenario can speak of.
const OSDS_MAX: u32 = 10_000;

/// A measurement of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CephSpec {
    /// Reads or writes of objects.
    Objects(ObjectsSpec),
    /// What every OSD writes by itself.
    OsdBench(OsdBenchSpec),
}

/// Reads or writes of objects by all nodes at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectsSpec {
    /// What is measured.
    pub measure: ObjectsMeasure,
    /// The pool, and the namespace behind a slash; the only one that the site allows without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Bytes of an operation.
    pub bs: u32,
    /// Bytes of an object.
    pub object_bytes: u64,
    /// Bytes of all objects of a node.
    pub size: u64,
    /// Operations in flight of each client.
    pub iodepth: u32,
    /// Clients of a node, each with a connection and a thread of its own.
    pub clients: u32,
    /// Bytes that a node writes at most while it is measured; none of reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_size: Option<u64>,
    /// Milliseconds that are not measured.
    pub ramp_ms: u64,
    /// Milliseconds that are; of `randread` once for the most and once for the latency at half of it.
    pub runtime_ms: u64,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectsMeasure {
    /// Writes, one after the other.
    Write,
    /// Reads, one after the other.
    Read,
    /// Reads at random places: as many as can be, then half as many by a clock.
    Randread,
}

/// What every OSD writes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsdBenchSpec {
    /// Bytes that one writes.
    pub bytes: u64,
    /// Bytes of each of its writes.
    pub block_bytes: u64,
    /// So many OSDs at most.
    pub osds_max: u32,
}

impl ObjectsMeasure {
    /// The pattern of its operations.
    pub fn rw(self) -> Rw {
        match self {
            ObjectsMeasure::Write => Rw::Write,
            ObjectsMeasure::Read => Rw::Read,
            ObjectsMeasure::Randread => Rw::RandRead,
        }
    }
}

impl ObjectsSpec {
    /// Bytes that a node writes at most: what is measured, or what is laid out to be read.
    pub fn written(&self) -> u64 {
        match self.measure {
            ObjectsMeasure::Write => self.io_size.unwrap_or(self.size),
            ObjectsMeasure::Read | ObjectsMeasure::Randread => self.size,
        }
    }

    fn family(&self) -> String {
        let rw = self.measure.rw().name();
        // Without a size it is Ceph's own.
        let is_usual = self.measure != ObjectsMeasure::Randread && u64::from(self.bs) == OBJECT_BYTES && self.object_bytes == OBJECT_BYTES;
        if is_usual { format!("ceph.{rw}") } else { format!("ceph.{rw}_{}", BlockSizes::one(self.bs).name()) }
    }
}

impl CephSpec {
    /// The family of its metrics.
    pub fn family(&self) -> String {
        match self {
            CephSpec::Objects(objects) => objects.family(),
            CephSpec::OsdBench(_) => "ceph.osd_bench".to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CephFile {
    measure: Word,
    pool: Option<String>,
    bs: Option<Size>,
    object_size: Option<Size>,
    size: Option<Size>,
    iodepth: Option<u32>,
    clients: Option<u32>,
    io_size: Option<Size>,
    ramp_time: Option<Millis>,
    runtime: Option<Millis>,
    bytes: Option<Size>,
    block: Option<Size>,
    osds_max: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Write,
    Read,
    Randread,
    OsdBench,
}

const OF_OBJECTS: &[&str] = &["pool", "bs", "object_size", "size", "iodepth", "clients", "io_size", "ramp_time", "runtime"];
const OF_OSDS: &[&str] = &["bytes", "block", "osds_max"];

impl Check<'_> {
    pub(super) fn ceph(&self, span: Range<usize>, file: &CephFile) -> Result<CephSpec, FileError> {
        // What a measurement does not know would be believed, and not be done.
        let words = [
            ("pool", file.pool.is_some()),
            ("bs", file.bs.is_some()),
            ("object_size", file.object_size.is_some()),
            ("size", file.size.is_some()),
            ("iodepth", file.iodepth.is_some()),
            ("clients", file.clients.is_some()),
            ("io_size", file.io_size.is_some()),
            ("ramp_time", file.ramp_time.is_some()),
            ("runtime", file.runtime.is_some()),
            ("bytes", file.bytes.is_some()),
            ("block", file.block.is_some()),
            ("osds_max", file.osds_max.is_some()),
        ];
        let known = if file.measure == Word::OsdBench { OF_OSDS } else { OF_OBJECTS };
        if let Some((stray, _)) = words.iter().find(|(word, given)| *given && !known.contains(word)) {
            return Err(self.error(span, format!("`{stray}` is no word of this measurement; it knows {}", known.join(", "))));
        }
        match file.measure {
            Word::Write => self.objects(&span, ObjectsMeasure::Write, file),
            Word::Read => self.objects(&span, ObjectsMeasure::Read, file),
            Word::Randread => self.objects(&span, ObjectsMeasure::Randread, file),
            Word::OsdBench => osd_bench(file).map_err(|message| self.error(span, message)),
        }
    }

    fn objects(&self, span: &Range<usize>, measure: ObjectsMeasure, file: &CephFile) -> Result<CephSpec, FileError> {
        let or = |size: &Option<Size>, usual: u64| size.as_ref().map_or(usual, |Size(bytes)| *bytes);
        let wrong = |message: String| Err(self.error(span.clone(), message));
        let object_bytes = or(&file.object_size, OBJECT_BYTES);
        if !object_bytes.is_power_of_two() || !OBJECT.contains(&object_bytes) {
            return wrong(format!("expected an `object_size` of a power of two from {} to {} bytes", OBJECT.start(), OBJECT.end()));
        }
        let bs = or(&file.bs, if measure == ObjectsMeasure::Randread { 4096 } else { object_bytes });
        if bs == 0 || !bs.is_multiple_of(UNIT) || !object_bytes.is_multiple_of(bs) {
            return wrong(format!("expected a `bs` of whole {UNIT} bytes of which an object is made"));
        }
        let (iodepth, clients) = (file.iodepth.unwrap_or(16), file.clients.unwrap_or(1));
        if !(1..=IODEPTH_MAX).contains(&iodepth) || !(1..=CLIENTS_MAX).contains(&clients) {
            return wrong(format!("expected an iodepth of 1 to {IODEPTH_MAX}, and 1 to {CLIENTS_MAX} clients"));
        }
        let Some(Size(size)) = file.size.filter(|Size(size)| *size > 0 && size.is_multiple_of(object_bytes)) else {
            return wrong("expected a `size` of whole objects: what each node works on".to_owned());
        };
        if size / u64::from(clients) / bs < u64::from(iodepth) {
            return wrong("expected a `size` of at least one block for each operation in flight of each client".to_owned());
        }
        let io_size = file.io_size.map(|Size(bytes)| bytes);
        if (measure == ObjectsMeasure::Write) != io_size.is_some_and(|bytes| bytes >= bs) {
            return wrong("expected an `io_size` of writes, and of nothing else: the bytes after which a node is done earlier".to_owned());
        }
        let (ramp_ms, runtime_ms) = (file.ramp_time.unwrap_or_default().0, file.runtime.unwrap_or_default().0);
        self.times(span, ramp_ms, runtime_ms)?;
        let bs = u32::try_from(bs).expect("at most an object");
        let pool = file.pool.clone();
        Ok(CephSpec::Objects(ObjectsSpec { measure, pool, bs, object_bytes, size, iodepth, clients, io_size, ramp_ms, runtime_ms }))
    }
}

fn osd_bench(file: &CephFile) -> Result<CephSpec, String> {
    let bytes = file.bytes.map_or(64 << 20, |Size(bytes)| bytes);
    let block_bytes = file.block.map_or(4 << 20, |Size(bytes)| bytes);
    if !(OSD_BLOCK_MIN..=OSD_BLOCK_MAX).contains(&block_bytes) {
        return Err(format!("expected a `block` of {OSD_BLOCK_MIN} to {OSD_BLOCK_MAX} bytes: OSDs refuse others"));
    }
    if bytes == 0 || !bytes.is_multiple_of(block_bytes) || bytes > OSD_BENCH_BYTES_MAX {
        return Err(format!("expected `bytes` of whole blocks, at most {OSD_BENCH_BYTES_MAX}: an OSD refuses more"));
    }
    let osds_max = file.osds_max.filter(|osds| (1..=OSDS_MAX).contains(osds));
    let osds_max = osds_max.ok_or_else(|| format!("expected `osds_max` of 1 to {OSDS_MAX}: what is written has a bound"))?;
    Ok(CephSpec::OsdBench(OsdBenchSpec { bytes, block_bytes, osds_max }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Rounds, Scenario, Work};

    fn parsed(words: &str) -> Result<CephSpec, String> {
        let text = format!("schema = 1\nname = \"x\"\ndescribe = \"x\"\n[[step]]\nname = \"s\"\ndescribe = \"x\"\n[[step.ceph]]\n{words}\n");
        let scenario = Scenario::parse("x.toml", &text, &["null"]).map_err(|error| error.to_string())?;
        match &scenario.steps[0].work[..] {
            [Work::Ceph(spec)] => Ok(spec.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn objects_have_cephs_own_sizes_unless_it_is_said() {
        let write = parsed("measure = \"write\"\nsize = \"1GiB\"\nio_size = \"8GiB\"\nruntime = \"1s\"").expect("writes");
        let CephSpec::Objects(spec) = &write else { panic!("{write:?}") };
        assert_eq!((spec.bs, spec.object_bytes, spec.iodepth, spec.clients), (4 << 20, 4 << 20, 16, 1));
        assert_eq!((write.family(), spec.written()), ("ceph.write".to_owned(), 8 << 30));
        for (words, family) in [
            ("measure = \"read\"\nsize = \"1GiB\"", "ceph.read"),
            ("measure = \"read\"\nsize = \"1GiB\"\nbs = \"64KiB\"", "ceph.read_64k"),
            ("measure = \"read\"\nsize = \"1GiB\"\nobject_size = \"1MiB\"", "ceph.read_1m"),
            ("measure = \"randread\"\nsize = \"1GiB\"", "ceph.randread_4k"),
            ("measure = \"randread\"\nsize = \"1GiB\"\nbs = \"16KiB\"", "ceph.randread_16k"),
        ] {
            assert_eq!(parsed(&format!("{words}\nruntime = \"1s\"")).expect(words).family(), family);
        }
        let osds = parsed("measure = \"osd_bench\"\nosds_max = 36").expect("a bench");
        assert_eq!(osds, CephSpec::OsdBench(OsdBenchSpec { bytes: 64 << 20, block_bytes: 4 << 20, osds_max: 36 }));
    }

    #[test]
    fn what_cannot_be_meant_does_not_load() {
        for (words, says) in [
            ("measure = \"append\"", "unknown variant"),
            ("measure = \"read\"\nruntime = \"1s\"", "`size` of whole objects"),
            ("measure = \"read\"\nsize = \"6MiB\"\nruntime = \"1s\"", "`size` of whole objects"),
            ("measure = \"read\"\nsize = \"1GiB\"", "runtime"),
            ("measure = \"read\"\nsize = \"32MiB\"\nruntime = \"1s\"", "one block for each operation"),
            ("measure = \"read\"\nsize = \"1GiB\"\nbs = \"3MiB\"\nruntime = \"1s\"", "of which an object is made"),
            ("measure = \"randread\"\nsize = \"1GiB\"\nbs = \"512B\"\nruntime = \"1s\"", "of which an object is made"),
            ("measure = \"read\"\nsize = \"1GiB\"\nobject_size = \"3MiB\"\nruntime = \"1s\"", "a power of two"),
            ("measure = \"read\"\nsize = \"1GiB\"\nclients = 0\nruntime = \"1s\"", "clients"),
            ("measure = \"read\"\nsize = \"1GiB\"\niodepth = 5000\nruntime = \"1s\"", "iodepth"),
            ("measure = \"read\"\nsize = \"1GiB\"\nio_size = \"1GiB\"\nruntime = \"1s\"", "`io_size` of writes"),
            ("measure = \"write\"\nsize = \"1GiB\"\nruntime = \"1s\"", "`io_size` of writes"),
            ("measure = \"read\"\nsize = \"1GiB\"\nbytes = \"1MiB\"\nruntime = \"1s\"", "`bytes` is no word"),
            ("measure = \"osd_bench\"", "osds_max"),
            ("measure = \"osd_bench\"\nosds_max = 0", "osds_max"),
            ("measure = \"osd_bench\"\nosds_max = 3\nblock = \"4KiB\"", "`block` of"),
            ("measure = \"osd_bench\"\nosds_max = 3\nbytes = \"4GiB\"", "an OSD refuses more"),
            ("measure = \"osd_bench\"\nosds_max = 3\nbytes = \"6MiB\"", "whole blocks"),
            ("measure = \"osd_bench\"\nosds_max = 3\nruntime = \"1s\"", "`runtime` is no word"),
        ] {
            let why = parsed(words).expect_err(says);
            assert!(why.contains(says), "{words}: {why}");
        }
    }

    #[test]
    fn a_cluster_is_measured_in_rounds_and_each_thing_once() {
        let read = "[[step.ceph]]\nmeasure = \"read\"\nsize = \"1GiB\"\nruntime = \"1s\"\n";
        let step = |words: &str| format!("schema = 1\nname = \"x\"\ndescribe = \"x\"\n[[step]]\nname = \"s\"\ndescribe = \"x\"\n{words}");
        let parse = |words: &str| Scenario::parse("x.toml", &step(words), &["null"]).map_err(|error| error.to_string());
        let scenario = parse(&format!("repeats = 5\nrepeats_max = 9\n{read}")).expect("rounds");
        assert_eq!(scenario.steps[0].rounds, Rounds::Sequential { from: 5, to: 9 });
        assert!(!scenario.needs_nodes() && scenario.takes_nodes() && !scenario.breaks());
        assert_eq!(scenario.families(), ["ceph.read"]);
        assert!(parse(&format!("{read}{read}")).expect_err("twice").contains("measured twice"));
        assert!(parse(&format!("steady = {{ window = 5 }}\n{read}")).expect_err("steady").contains("expected `repeats`"));
    }
}
