//! What can go wrong with an RDMA measurement. Nothing here is ever a figure: a measurement that meets one of these has none.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::pattern::Mismatch;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RdmaError {
    /// The workload cannot be meant so.
    #[error("cannot measure RDMA as asked: {0}")]
    Workload(String),
    /// This host has no RDMA device, or the kernel no RDMA.
    #[error("this host has no RDMA device: {0}")]
    NoDevice(String),
    /// The device that was asked for is not here.
    #[error("there is no RDMA device {wanted}; there are {present}")]
    UnknownDevice {
        /// What was asked for.
        wanted: String,
        /// What there is.
        present: String,
    },
    /// The port that was asked for is not there.
    #[error("{device} has no port {port}")]
    UnknownPort {
        /// The device.
        device: String,
        /// The port that was asked for.
        port: u8,
    },
    /// The port does not speak Ethernet.
    #[error("port {port} of {device} speaks {link_layer}; RoCE needs Ethernet")]
    NotEthernet {
        /// The device.
        device: String,
        /// The port.
        port: u8,
        /// What it speaks.
        link_layer: String,
    },
    /// The port carries nothing.
    #[error("port {port} of {device} is {state}, not active")]
    PortDown {
        /// The device.
        device: String,
        /// The port.
        port: u8,
        /// The state that it is in.
        state: String,
    },
    /// No port speaks RoCE v2 from this address.
    #[error("no active RDMA port has a RoCE v2 GID of {address}; there are {present}")]
    NoGid {
        /// The address of this end.
        address: IpAddr,
        /// The GIDs that there are.
        present: String,
    },
    /// The GID that was asked for is another one.
    #[error("GID {index} of port {port} of {device} is {found}, not RoCE v2 of {address}")]
    WrongGid {
        /// The device.
        device: String,
        /// The port.
        port: u8,
        /// Its index in the port's table.
        index: u32,
        /// What stands there.
        found: String,
        /// The address of this end.
        address: IpAddr,
    },
    /// More than one device would do, and a figure must say of which it is.
    #[error("{devices} have a RoCE v2 GID of {address}: name the device that is meant")]
    Ambiguous {
        /// Those that would do.
        devices: String,
        /// The address of this end.
        address: IpAddr,
    },
    /// Memory for messages cannot be locked and registered.
    #[error("cannot register {bytes} bytes of memory with {device}; the limit of locked memory (ulimit -l) is {limit}")]
    Memory {
        /// How much was asked for.
        bytes: usize,
        /// The device.
        device: String,
        /// RLIMIT_MEMLOCK.
        limit: String,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
    /// A verb was refused.
    #[error("cannot {act} on {device}")]
    Verb {
        /// What was attempted.
        act: &'static str,
        /// The device.
        device: String,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
    /// An operation did not succeed: the work completion says so.
    #[error("message {message} on queue pair {pair} has failed: {status}")]
    Failed {
        /// Number of the queue pair, from 0.
        pair: u16,
        /// Number of the message on it, from 0.
        message: u64,
        /// What the completion says.
        status: String,
    },
    /// A completion of what was not out: its counts cannot be believed.
    #[error("queue pair {pair} has completed message {message}, which was not out")]
    Completion {
        /// Number of the queue pair, from 0.
        pair: u16,
        /// Number of the message on it.
        message: u64,
    },
    /// What has arrived is not what was sent.
    #[error("wrong content seen {by}: {what}")]
    Corrupt {
        /// By which end.
        by: Seen,
        /// Where, and what is there.
        what: Mismatch,
    },
    /// The two ends do not agree on what was sent.
    #[error("queue pair {pair}: {claimed} messages were sent, {seen} have arrived")]
    Lost {
        /// Number of the queue pair, from 0.
        pair: u16,
        /// What the sending end says.
        claimed: u64,
        /// What the receiving end has seen.
        seen: u64,
    },
    /// Nothing has come back.
    #[error("{what}: nothing for {waited:?}")]
    Stalled {
        /// What was waited for.
        what: String,
        /// For how long.
        waited: Duration,
    },
    /// A time in which nothing happened has no rate.
    #[error("no message was completed within the {measured:?} that were measured: it takes longer")]
    Nothing {
        /// How long was measured.
        measured: Duration,
    },
    /// The connection to the other end cannot be made.
    #[error("cannot {act} {address}")]
    Connection {
        /// What was attempted.
        act: &'static str,
        /// With what.
        address: SocketAddr,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
    /// The other end is gone.
    #[error("the other end {peer} has gone while {phase}")]
    PeerGone {
        /// Who.
        peer: SocketAddr,
        /// What was going on.
        phase: &'static str,
    },
    /// The other end is there and says nothing.
    #[error("the other end {peer} has said nothing for {waited:?} while {phase}")]
    PeerSilent {
        /// Who.
        peer: SocketAddr,
        /// What was going on.
        phase: &'static str,
        /// For how long.
        waited: Duration,
    },
    /// The other end has met an error of its own.
    #[error("the other end {peer} has failed: {why}")]
    PeerFailed {
        /// Who.
        peer: SocketAddr,
        /// In its words.
        why: String,
    },
    /// The other end speaks otherwise.
    #[error("the other end {peer} does not keep to the protocol: {why}")]
    Protocol {
        /// Who.
        peer: SocketAddr,
        /// What it said.
        why: String,
    },
    /// It was told to stop before it was over.
    #[error("told to stop while {phase}")]
    Stopped {
        /// What was going on.
        phase: &'static str,
    },
}

/// Which end saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// This one.
    Here,
    /// The other one, which said so.
    There,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Seen::Here => "here",
            Seen::There => "at the other end",
        })
    }
}
