//! `[[step.drill]]`: a part of a Ceph cluster that fails for a time while a client writes to and reads from an image of it.

use std::ops::Range;

use assay_model::source::FileError;
use serde::{Deserialize, Serialize};

use super::{Check, Seen};
use crate::quantity::{Millis, Size};

/// Of the client: most operations per second, and most of them in flight.
const RATE_MAX: u32 = 20_000;
const IODEPTH_MAX: u32 = 1024;
/// Bytes of an operation: whole stamps, and no more than an object.
const BS: std::ops::RangeInclusive<u64> = 4096..=4 << 20;
/// A cluster notices in seconds to half a minute; a daemon that is stopped for longer than 150 s ends itself.
const HOLD_MS: std::ops::RangeInclusive<u64> = 2_000..=120_000;
/// A cluster is as before when it stays so for [`SETTLED_MS`]; in less no drill could end well.
const SETTLE_MS: std::ops::RangeInclusive<u64> = 2 * SETTLED_MS..=6 * 3_600_000;
/// How long a cluster has to be as before.
pub(crate) const SETTLED_MS: u64 = 8_000;
const DELAY_MS: std::ops::RangeInclusive<u64> = 1..=10_000;

/// Of each kind so many operations show that a client works.
const EACH_IN_PEACE: u64 = 30;

/// What is worked before the fault and after all is clean again, milliseconds: what the cluster does in peace.
pub(crate) const PEACE_MS: u64 = 4_000;

/// One kind of drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillSpec {
    /// What fails.
    pub fault: ClusterFault,
    /// The network that a host is cut off from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The network of corosync, over which round trips are measured meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// Milliseconds for which it is in effect.
    pub hold_ms: u64,
    /// Milliseconds within which the cluster has to be clean again after it.
    pub settle_ms: u64,
    /// Milliseconds by which a slow OSD answers late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u32>,
    /// Operations per second of the client.
    pub rate: u32,
    /// Bytes of one operation.
    pub bs: u64,
    /// Of 100 operations, how many are reads.
    pub rwmixread: u8,
    /// Operations in flight at most.
    pub iodepth: u32,
}

/// What fails in a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterFault {
    /// An OSD keeps its connections and answers nothing.
    OsdStop,
    /// An OSD dies.
    OsdKill,
    /// An OSD is taken out, its data are recovered elsewhere, and back when it is in again.
    OsdOut,
    /// An OSD answers late.
    OsdSlow,
    /// The monitor that leads answers nothing.
    MonLoss,
    /// Every daemon of a host answers nothing.
    HostLoss,
    /// A host loses every frame in one network.
    Partition,
    /// An OSD on each of two hosts answers nothing: what lies on both has too few copies, and has to wait.
    BelowMinSize,
    /// The cluster takes itself for full.
    Full,
}

impl ClusterFault {
    /// Its word in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            ClusterFault::OsdStop => "osd-stop",
            ClusterFault::OsdKill => "osd-kill",
            ClusterFault::OsdOut => "osd-out",
            ClusterFault::OsdSlow => "osd-slow",
            ClusterFault::MonLoss => "mon-loss",
            ClusterFault::HostLoss => "host-loss",
            ClusterFault::Partition => "partition",
            ClusterFault::BelowMinSize => "below-min-size",
            ClusterFault::Full => "full",
        }
    }
}

impl ClusterFault {
    /// Whether `--network` says something of it.
    pub fn has_a_network(self) -> bool {
        self == ClusterFault::Partition
    }

    /// The family of the round trips on the network of corosync meanwhile: one of its own for each, as what is promised of one says nothing of another.
    pub fn ring_family(self) -> &'static str {
        match self {
            ClusterFault::OsdStop => "corosync.rtt.osd_stop",
            ClusterFault::OsdKill => "corosync.rtt.osd_kill",
            ClusterFault::OsdOut => "corosync.rtt.recovery",
            ClusterFault::OsdSlow => "corosync.rtt.osd_slow",
            ClusterFault::MonLoss => "corosync.rtt.mon_loss",
            ClusterFault::HostLoss => "corosync.rtt.host_loss",
            ClusterFault::Partition => "corosync.rtt.partition",
            ClusterFault::BelowMinSize => "corosync.rtt.below_min_size",
            ClusterFault::Full => "corosync.rtt.full",
        }
    }
}

impl DrillSpec {
    /// The family of its figures.
    pub fn family(&self) -> String {
        format!("ceph.{}", self.fault.name().replace('-', "_"))
    }

    /// Milliseconds for which its client works at most.
    pub fn most_ms(&self) -> u64 {
        2 * PEACE_MS + self.hold_ms + self.settle_ms
    }

    /// Bytes that its client writes at most.
    pub fn written(&self) -> u64 {
        let operations = u64::from(self.rate).saturating_mul(self.most_ms() / 1000 + 1);
        operations.saturating_mul(self.bs)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrillFile {
    fault: ClusterFault,
    network: Option<String>,
    ring: Option<String>,
    hold: Millis,
    settle: Option<Millis>,
    delay: Option<Millis>,
    rate: Option<u32>,
    bs: Option<Size>,
    rwmixread: Option<u8>,
    iodepth: Option<u32>,
}

/// What a client does where nothing is said of it: a few virtual machines at work, which no cluster is too slow for.
const USUAL_RATE: u32 = 200;
const USUAL_DEPTH: u32 = 64;
const USUAL_MIX: u8 = 50;
const USUAL_SETTLE_MS: u64 = 600_000;
const USUAL_DELAY_MS: u32 = 100;

impl Check<'_> {
    pub(super) fn drill(&self, span: Range<usize>, file: DrillFile, target: Option<u64>, seen: &Seen) -> Result<DrillSpec, FileError> {
        let error = |message: String| Err(self.error(span.clone(), message));
        let Some(target) = target else { return error("expected a [target] for [[step.drill]]".to_owned()) };
        if !seen.laid_out {
            return error("expected the target to be laid out before: a step with `rw = \"write\"` and `whole = true`".to_owned());
        }
        let is_slow = file.fault == ClusterFault::OsdSlow;
        let delay_ms = match file.delay {
            Some(Millis(ms)) if is_slow && DELAY_MS.contains(&ms) => Some(u32::try_from(ms).expect("within the range")),
            None if is_slow => Some(USUAL_DELAY_MS),
            None => None,
            Some(_) => return error(format!("`delay` is of `osd-slow` alone, {} to {} ms", DELAY_MS.start(), DELAY_MS.end())),
        };
        if file.network.is_some() && !file.fault.has_a_network() {
            return error("`network` is of `partition` alone, what the host is cut off from; round trips are measured in that of `ring`".to_owned());
        }
        if file.ring.is_some() && file.ring == file.network {
            return error("in the network that the host is cut off from nothing comes back: expected another `ring`".to_owned());
        }
        let spec = DrillSpec {
            fault: file.fault,
            network: file.network,
            ring: file.ring,
            hold_ms: file.hold.0,
            settle_ms: file.settle.map_or(USUAL_SETTLE_MS, |settle| settle.0),
            delay_ms,
            rate: file.rate.unwrap_or(USUAL_RATE),
            bs: file.bs.map_or(*BS.start(), |Size(bytes)| bytes),
            rwmixread: file.rwmixread.unwrap_or(USUAL_MIX),
            iodepth: file.iodepth.unwrap_or(USUAL_DEPTH),
        };
        if !HOLD_MS.contains(&spec.hold_ms) || !SETTLE_MS.contains(&spec.settle_ms) {
            let hold = format!("{} to {} s", HOLD_MS.start() / 1000, HOLD_MS.end() / 1000);
            return error(format!("expected `hold` of {hold}, and `settle` of {} s to 6h", SETTLE_MS.start() / 1000));
        }
        if !spec.bs.is_power_of_two() || !BS.contains(&spec.bs) || !target.is_multiple_of(spec.bs) {
            return error("expected `bs` to be a power of two from 4KiB to 4MiB that divides the size of the target".to_owned());
        }
        if spec.rate == 0 || spec.rate > RATE_MAX || spec.iodepth == 0 || spec.iodepth > IODEPTH_MAX {
            return error(format!("expected 1 to {RATE_MAX} operations per second, and an iodepth of 1 to {IODEPTH_MAX}"));
        }
        let each = u64::from(spec.rate) * PEACE_MS / 1000 * u64::from(spec.rwmixread.min(100_u8.saturating_sub(spec.rwmixread))) / 100;
        if each < EACH_IN_PEACE {
            return error(format!(
                "expected a rate at which {EACH_IN_PEACE} reads and as many writes come in {} s: what works in peace is seen by them",
                PEACE_MS / 1000
            ));
        }
        // Without reads nobody sees what went back meanwhile, and without writes there is nothing to be lost.
        if !(5..=95).contains(&spec.rwmixread) {
            return error("expected 5 to 95 reads of 100 operations: both kinds say something of an outage".to_owned());
        }
        Ok(spec)
    }
}
