//! What is to be measured, and from where: the specs of both halves, as they travel to the node that does it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use assay_bench::net::token::Token;
use serde::{Deserialize, Serialize};

/// Largest message: 8 MiB.
pub const MESSAGE_MAX: u32 = 8 << 20;
/// Most queue pairs of one measurement.
pub const PAIRS_MAX: u16 = 1024;
/// Most memory for messages that one end locks for one direction: 4 GiB.
pub const REGION_MAX: u64 = 4 << 30;
/// Messages begin on boundaries of this many bytes: a cache line.
pub const ALIGNMENT: u64 = 64;

/// One end's own address and, where the address alone does not say it, its RDMA port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The local address: the control socket is bound to it, and the GID is the one that it makes.
    pub address: IpAddr,
    /// The RDMA device, as `mlx5_0`; the one that has the address when absent.
    #[serde(default)]
    pub device: Option<String>,
    /// Its port, from 1; any when absent.
    #[serde(default)]
    pub port: Option<u8>,
    /// Index in the port's table of GIDs; the first of the address when absent. It must be a RoCE v2 GID of the address all the same.
    #[serde(default)]
    pub gid_index: Option<u32>,
}

impl Endpoint {
    /// The end whose port is found by its address.
    pub fn at(address: IpAddr) -> Self {
        Self { address, device: None, port: None, gid_index: None }
    }
}

/// What the operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// RDMA write into the other end's memory.
    Write,
    /// RDMA read from the other end's memory.
    Read,
    /// Send, which the other end must have a receive for.
    Send,
}

impl Operation {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Write => "write",
            Operation::Read => "read",
            Operation::Send => "send",
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// As many messages as go, `depth` of them out on each queue pair.
    Bandwidth,
    /// One message at a time: write and send go to and fro, a read is waited for.
    Latency,
}

/// Which ends issue operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// The connecting end.
    OneWay,
    /// Both, at the same time and on the same queue pairs.
    BothWays,
}

/// How much of each message is new; [`Workload::compared`] says what is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// Every byte of every message. Sends and reads are compared whole as they come; writes in bandwidth overwrite each other unseen, and every byte of what
    /// lies in the receiver's memory at the end is compared.
    Full,
    /// The first eight bytes of every packet (path MTU) of every message, which are compared as sends and reads come, and every byte of what lies in the
    /// receiver's memory at the end. For ports that are faster than a processor can write and compare.
    Stamps,
}

/// What both ends do; they must have been told the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The operation.
    pub operation: Operation,
    /// What is measured of it.
    pub measure: Measure,
    /// Who issues it.
    #[serde(default = "one_way")]
    pub flow: Flow,
    /// Bytes of a message, 2 to 8 MiB.
    pub message_bytes: u32,
    /// RC queue pairs.
    #[serde(default = "one")]
    pub pairs: u16,
    /// Messages that are out on each (tx depth).
    #[serde(default = "depth")]
    pub depth: u16,
    /// Every so many messages one asks for a completion (cq mod).
    #[serde(default = "one")]
    pub signal_every: u16,
    /// Messages up to this size travel in the work request itself.
    #[serde(default)]
    pub inline_bytes: u16,
    /// How much of them is verified.
    #[serde(default = "full")]
    pub verify: Verify,
    /// Path MTU: 256, 512, 1024, 2048 or 4096; the smaller of both ports' when absent.
    #[serde(default)]
    pub mtu: Option<u16>,
    /// Before it is measured, ms.
    #[serde(default = "ramp")]
    pub ramp_ms: u64,
    /// How long it is measured, ms.
    pub runtime_ms: u64,
    /// The traffic class byte of the IP header (DSCP and ECN): which priority the network gives it.
    #[serde(default)]
    pub traffic_class: u8,
    /// The service level, which the card maps to an Ethernet priority.
    #[serde(default)]
    pub service_level: u8,
    /// A packet that is not acknowledged is sent again after 4.096 us * 2^this.
    #[serde(default = "ack_timeout")]
    pub ack_timeout: u8,
    /// And so many times before the operation has failed.
    #[serde(default = "retries")]
    pub retries: u8,
}

fn one_way() -> Flow {
    Flow::OneWay
}
fn one() -> u16 {
    1
}
fn depth() -> u16 {
    128
}
fn full() -> Verify {
    Verify::Full
}
fn ramp() -> u64 {
    500
}
// What perftest uses.
fn ack_timeout() -> u8 {
    14
}
fn retries() -> u8 {
    7
}

impl Workload {
    /// Bandwidth of one operation in messages of one size for a time, everything else as usual.
    pub fn bandwidth(operation: Operation, message_bytes: u32, runtime: Duration) -> Self {
        Self {
            operation,
            measure: Measure::Bandwidth,
            flow: one_way(),
            message_bytes,
            pairs: one(),
            depth: depth(),
            signal_every: one(),
            inline_bytes: 0,
            verify: full(),
            mtu: None,
            ramp_ms: ramp(),
            runtime_ms: u64::try_from(runtime.as_millis()).unwrap_or(u64::MAX),
            traffic_class: 0,
            service_level: 0,
            ack_timeout: ack_timeout(),
            retries: retries(),
        }
    }

    /// Latency of the same.
    pub fn latency(operation: Operation, message_bytes: u32, runtime: Duration) -> Self {
        Self { measure: Measure::Latency, depth: 1, ..Self::bandwidth(operation, message_bytes, runtime) }
    }

    /// From the beginning of one message to the beginning of the next, in memory.
    pub fn stride(&self) -> u64 {
        u64::from(self.message_bytes).next_multiple_of(ALIGNMENT)
    }

    /// Messages that a receiver of sends has room for on each queue pair: twice what can be out, so that nobody waits for the one that verifies.
    pub fn receives(&self) -> u16 {
        self.depth.saturating_mul(2)
    }

    /// What of the messages is compared, in the words that its figures carry.
    pub fn compared(&self) -> &'static str {
        match (self.measure, self.operation, self.verify) {
            (Measure::Latency, _, _) | (Measure::Bandwidth, Operation::Read | Operation::Send, Verify::Full) => "every byte",
            (Measure::Bandwidth, Operation::Read | Operation::Send, Verify::Stamps) => "stamps and the last messages",
            (Measure::Bandwidth, Operation::Write, Verify::Full) => "the last messages",
            (Measure::Bandwidth, Operation::Write, Verify::Stamps) => "the last messages by new stamps",
        }
    }

    /// Why it can be measured nowhere, if that is so.
    pub fn fault(&self) -> Option<String> {
        let no = |why: &str| Some(why.to_owned());
        if !(2..=MESSAGE_MAX).contains(&self.message_bytes) {
            return no("a message has 2 bytes to 8 MiB");
        }
        if self.pairs == 0 || self.pairs > PAIRS_MAX || self.depth == 0 || self.depth > 8192 {
            return no("there are 1 to 1024 queue pairs with 1 to 8192 messages out on each");
        }
        if self.signal_every == 0 || self.signal_every > self.depth {
            return no("a completion is asked for at least once per depth: nothing would say that the messages before it are done");
        }
        if self.measure == Measure::Latency && (self.pairs, self.depth, self.flow) != (1, 1, Flow::OneWay) {
            return no("latency is that of one message at a time: one queue pair, depth 1, one way");
        }
        if self.measure == Measure::Latency && self.verify != Verify::Full {
            return no("latency is measured on messages that are new in every byte: the last one is waited for");
        }
        if self.operation == Operation::Read && self.inline_bytes > 0 {
            return no("a read has nothing to carry inline");
        }
        if self.mtu.is_some_and(|mtu| ![256, 512, 1024, 2048, 4096].contains(&mtu)) {
            return no("a path MTU is 256, 512, 1024, 2048 or 4096");
        }
        if self.runtime_ms == 0 {
            return no("it must be measured for a time");
        }
        if self.service_level > 15 || self.ack_timeout == 0 || self.ack_timeout > 31 || self.retries > 7 {
            return no("service levels go to 15, the acknowledgement timeout from 1 to 31 (0 would wait for ever) and retries to 7");
        }
        let slots = u64::from(if self.operation == Operation::Send { self.receives() } else { self.depth });
        let region = self.stride() * slots * u64::from(self.pairs);
        (region > REGION_MAX)
            .then(|| format!("{region} bytes of messages would be out, more than the {REGION_MAX} that may be locked: lower depth or pairs"))
    }

    /// The ramp.
    pub fn ramp(&self) -> Duration {
        Duration::from_millis(self.ramp_ms)
    }

    /// How long is measured.
    pub fn runtime(&self) -> Duration {
        Duration::from_millis(self.runtime_ms)
    }
}

/// A fault in this half itself, for tests of the instrument: the measurement must then fail, at the very byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plant {
    /// The queue pair.
    pub pair: u16,
    /// The byte of a message of which one bit is flipped in this half's memory, after it was written and before it is compared (write, send), or of every
    /// message before any is read (read).
    pub byte: u32,
}

/// What the listening half is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RdmaListen {
    /// This end.
    pub endpoint: Endpoint,
    /// What the other end must show.
    pub token: Token,
    /// What is done.
    pub workload: Workload,
    /// For how long nothing may happen, ms.
    #[serde(default = "patience")]
    pub patience_ms: u64,
    /// None in earnest.
    #[serde(default)]
    pub plant: Option<Plant>,
}

/// What the connecting half is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RdmaConnect {
    /// This end.
    pub endpoint: Endpoint,
    /// Where the listening half said that it listens.
    pub peer: SocketAddr,
    /// What is shown there.
    pub token: Token,
    /// What is done.
    pub workload: Workload,
    /// For how long nothing may happen, ms.
    #[serde(default = "patience")]
    pub patience_ms: u64,
    /// None in earnest.
    #[serde(default)]
    pub plant: Option<Plant>,
}

fn patience() -> u64 {
    10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused_and_what_can_is_not() {
        let usual = Workload::bandwidth(Operation::Write, 65536, Duration::from_secs(1));
        assert_eq!(usual.fault(), None);
        assert_eq!(Workload::latency(Operation::Send, 2, Duration::from_secs(1)).fault(), None);
        for wrong in [
            Workload { message_bytes: 1, ..usual.clone() },
            Workload { message_bytes: MESSAGE_MAX + 1, ..usual.clone() },
            Workload { pairs: 0, ..usual.clone() },
            Workload { depth: 0, ..usual.clone() },
            Workload { signal_every: 129, ..usual.clone() },
            Workload { signal_every: 0, ..usual.clone() },
            Workload { measure: Measure::Latency, ..usual.clone() },
            Workload { verify: Verify::Stamps, ..Workload::latency(Operation::Write, 64, Duration::from_secs(1)) },
            Workload { operation: Operation::Read, inline_bytes: 64, ..usual.clone() },
            Workload { mtu: Some(1500), ..usual.clone() },
            Workload { runtime_ms: 0, ..usual.clone() },
            Workload { ack_timeout: 0, ..usual.clone() },
            Workload { message_bytes: MESSAGE_MAX, pairs: 5, ..usual.clone() },
        ] {
            assert!(wrong.fault().is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn writes_in_bandwidth_are_not_said_to_be_compared_to_the_byte() {
        let one_second = Duration::from_secs(1);
        for operation in [Operation::Write, Operation::Read, Operation::Send] {
            let full = Workload::bandwidth(operation, 4096, one_second);
            let stamps = Workload { verify: Verify::Stamps, ..full.clone() };
            let is_seen = operation != Operation::Write;
            assert_eq!((full.compared() == "every byte", full.compared() == stamps.compared()), (is_seen, false), "{operation:?}");
            assert_eq!(Workload::latency(operation, 64, one_second).compared(), "every byte");
        }
    }

    #[test]
    fn a_spec_says_what_it_must_and_the_rest_is_as_usual() {
        let text = r#"{"operation":"write","measure":"bandwidth","message_bytes":65536,"runtime_ms":1000}"#;
        let read: Workload = serde_json::from_str(text).expect("a workload");
        assert_eq!(read, Workload::bandwidth(Operation::Write, 65536, Duration::from_secs(1)));
        assert!(serde_json::from_str::<Workload>(&text.replace("runtime_ms", "runtime")).is_err());
    }
}
