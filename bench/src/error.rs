//! What can go wrong with the instrument. What is wrong with the device under test is counted in the result instead.

use std::time::Duration;

/// A failure of the harness or of its access to the target.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The job cannot be done as described.
    #[error("cannot run {rw} on {target}: {why}")]
    Job {
        /// What was asked for.
        rw: &'static str,
        /// The target.
        target: String,
        /// What is wrong with it.
        why: String,
    },
    /// The kernel refused what the engine needs.
    #[error("cannot {act} for {target}")]
    Setup {
        /// What was attempted.
        act: &'static str,
        /// The target.
        target: String,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// Submitting or reaping failed as such; errors of single operations are counted in the result.
    #[error("cannot {act} on {target}")]
    Ring {
        /// What was attempted.
        act: &'static str,
        /// The target.
        target: String,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// Operations are out and none came back.
    #[error("{target} has completed none of {in_flight} operations for {waited:?}")]
    Stalled {
        /// The target.
        target: String,
        /// Operations that are out.
        in_flight: usize,
        /// How long nothing came back.
        waited: Duration,
    },
    /// A lane has completed what was not out: its counts cannot be believed.
    #[error("{target} has completed slot {slot}, of which nothing was out")]
    Completion {
        /// The target.
        target: String,
        /// The slot.
        slot: u32,
    },
    /// One of several lanes has failed; the others were stopped.
    #[error("lane {lane} of {lanes} has failed")]
    Lane {
        /// Which, from 0.
        lane: usize,
        /// How many there are.
        lanes: usize,
        /// What has happened to it.
        #[source]
        source: Box<EngineError>,
    },
    /// This host or device is not set up for what was asked: no fault of the device, and nothing was measured.
    #[error("{what} is not configured for {target}: {why}")]
    NotConfigured {
        /// What was asked for.
        what: &'static str,
        /// The target.
        target: String,
        /// What is missing.
        why: String,
    },
    /// The other half of a measurement did not do its part.
    #[error("cannot {act} {peer}: {why}")]
    Peer {
        /// What was attempted.
        act: &'static str,
        /// The address of the other half.
        peer: String,
        /// What it did instead.
        why: String,
    },
    /// A measuring thread could not be set up.
    #[error("cannot {act} for processor list {cpus}")]
    Thread {
        /// What was attempted.
        act: &'static str,
        /// The processors.
        cpus: String,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// A Ceph cluster did not do what the engine needs.
    #[error("cannot work on {target}")]
    Cluster {
        /// The image.
        target: String,
        /// What has happened.
        #[source]
        source: ClusterError,
    },
    /// It was told to stop before it was over.
    #[error("{target} was stopped")]
    Stopped {
        /// The target.
        target: String,
    },
}

/// What stands between this host and an image of a Ceph cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A library of Ceph is not installed, or another one.
    #[error("cannot load {library} ({why}): install the package {package} (the name in Debian)")]
    Library {
        /// Its file.
        library: String,
        /// The package that has it.
        package: &'static str,
        /// What the loader said.
        why: String,
    },
    /// The library or the cluster has refused.
    #[error("cannot {act} {subject}")]
    Call {
        /// What was attempted.
        act: &'static str,
        /// On what.
        subject: String,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
    /// There was no answer. What was asked may still happen.
    #[error("cannot {act} {subject}: no answer within {waited:?}")]
    Silent {
        /// What was attempted.
        act: &'static str,
        /// On what.
        subject: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It is not the cluster that is meant.
    #[error("the configuration of Ceph leads to the cluster {found}, and the site declares {meant} (`fsid` of [ceph] in declared.toml)")]
    OtherCluster {
        /// The number of the one that answers.
        found: String,
        /// The number of the one that is meant.
        meant: String,
    },
}

impl ClusterError {
    /// Whether the cluster has said that there is no such thing.
    pub fn is_missing(&self) -> bool {
        matches!(self, ClusterError::Call { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    /// Whether the cluster has said that the thing is there already.
    pub fn is_there_already(&self) -> bool {
        matches!(self, ClusterError::Call { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists)
    }
}
