//! `[[step.net]]`: what is measured between two nodes of the site, for every pair of those that take part.

use std::ops::Range;
use std::time::Duration;

use assay_bench::net::tcp::{Sending, Way};
use assay_model::source::FileError;
use assay_rdma::{Operation, Verify, Workload};
use serde::{Deserialize, Serialize};

use super::Check;
use crate::perftest;
use crate::quantity::Millis;

/// Most streams, and most requests per second, of one measurement.
const STREAMS_MAX: u32 = 1024;
/// Threads of each half of a measurement of TCP, and how many it has without being told.
const THREADS: std::ops::RangeInclusive<u32> = 1..=64;
const THREADS_UNASKED: u32 = 4;
/// Bytes of a segment that TCP_MAXSEG takes (TCP_MIN_MSS and MAX_TCP_WINDOW of the kernel).
const MSS: std::ops::RangeInclusive<u32> = 88..=32_767;
/// Letters of the name of a congestion control (TCP_CA_NAME_MAX without its end).
const CONGESTION_MAX: usize = 15;
const RATE_MAX: u32 = 100_000;
/// Bytes of a request and of its response.
const REQUEST: std::ops::RangeInclusive<u32> = 16..=1 << 20;
/// Bytes of an IP packet that a path can be asked for.
const PACKET: std::ops::RangeInclusive<u32> = 576..=65_535;
/// A fault is in effect at least for some periods of what tells the outage, and at most so long.
const HOLD_MS: std::ops::RangeInclusive<u64> = 100..=600_000;

/// Milliseconds between two packets of a flow that tells an outage, and how many of them must fit into the fault.
const INTERVAL_MS: std::ops::RangeInclusive<u64> = 1..=100;
const INTERVALS_MIN: u64 = 20;

/// How streams lay on the members of a bond.
pub(crate) const SPREAD: &str = "bond.spread";
/// What all members of a bond bring together, beside what they can.
pub(crate) const SUM: &str = "bond.sum";
/// How the members of a bond compare, each alone.
pub(crate) const MEMBERS: &str = "bond.members";

/// A measurement between two nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetSpec {
    /// What is measured.
    pub measure: Measure,
    /// In which network of the site; the only one that all nodes are in without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Milliseconds that are not measured.
    pub ramp_ms: u64,
    /// Milliseconds that are.
    pub runtime_ms: u64,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// What TCP brings over.
    Tcp(TcpSpec),
    /// How long a question and its answer take, in an open loop.
    Rtt {
        /// Questions per second.
        rate: u32,
        /// Streams of TCP that load the path meanwhile, in the same direction.
        load_streams: u32,
    },
    /// How long a question and its answer take on every link of corosync.
    Ring {
        /// Questions per second.
        rate: u32,
    },
    /// How far the clocks of both nodes are apart, asked of each over its session.
    Clock,
    /// How long a request over TCP and its response take, in an open loop.
    Requests {
        /// Requests per second.
        rate: u32,
        /// Bytes of a request and of its response.
        bytes: u32,
    },
    /// How flows whose ports nobody chose lie on the members of a bond.
    HashSpread {
        /// Flows at once.
        flows: u32,
        /// How they come by their ports.
        ports: Ports,
    },
    /// Whether packets of so many bytes pass unfragmented, and those of one byte more do not.
    Mtu {
        /// Bytes of the IP packet.
        bytes: u32,
    },
    /// How long packets are lost when something fails.
    Outage {
        /// The fault, by its name in the registry.
        fault: LinkFault,
        /// Milliseconds for which it is in effect.
        hold_ms: u64,
        /// What tells the outage.
        #[serde(default)]
        probing: Probing,
    },
    /// What RDMA brings over, or how long its messages take.
    Rdma {
        /// What both ends do, as they are told.
        workload: Workload,
        /// Index in the table of GIDs of both ends' ports; the RoCE v2 GID of the address without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gid_index: Option<u32>,
    },
}

/// What TCP is asked to bring over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcpSpec {
    /// Streams at once.
    pub streams: u32,
    /// Over which members of a bond.
    pub over: Over,
    /// Whether every byte is compared at the far end.
    pub verify: bool,
    /// Which way data goes; the node that a measurement is from is the one that connects.
    pub way: Way,
    /// How data is sent.
    pub send: Sending,
    /// Threads of each half, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// The largest segment, bytes; as the path has it without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mss: Option<u32>,
    /// Congestion control; the kernel's choice without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub congestion: Option<String>,
}

impl Default for TcpSpec {
    fn default() -> Self {
        Self { streams: 1, over: Over::Any, verify: false, way: Way::Forward, send: Sending::Plain, threads: None, mss: None, congestion: None }
    }
}

impl TcpSpec {
    /// Threads of each half.
    pub fn threads(&self) -> u32 {
        self.threads.unwrap_or(self.streams.min(THREADS_UNASKED))
    }

    fn family(&self) -> String {
        let plural = if self.streams == 1 { "stream" } else { "streams" };
        let spread = if self.over == Over::Spread { "_spread" } else { "" };
        // As iperf3's options are called, whose results serve as baselines.
        let way = match self.way {
            Way::Forward => "",
            Way::Reverse => "_reverse",
            Way::Both => "_bidir",
        };
        let verified = if self.verify { "_verified" } else { "" };
        format!("net.tcp_{}_{plural}{spread}{way}{verified}", self.streams)
    }

    /// Why it cannot be measured.
    fn fault(&self) -> Option<String> {
        let Self { streams, over, way, threads, mss, congestion, .. } = self;
        let letters = |name: &String| name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
        if !(1..=STREAMS_MAX).contains(streams) {
            Some(format!("expected 1 to {STREAMS_MAX} streams"))
        } else if threads.is_some_and(|threads| !THREADS.contains(&threads) || threads > *streams) {
            Some(format!("expected {} to {} `threads`, and no more than streams", THREADS.start(), THREADS.end()))
        } else if *way != Way::Forward && *over != Over::Any {
            Some("a `way` other than \"forward\" goes with `over = \"any\"`: ports are chosen for the bond of the node that connects".to_owned())
        } else if mss.is_some_and(|mss| !MSS.contains(&mss)) {
            Some(format!("expected an `mss` of {} to {} bytes", MSS.start(), MSS.end()))
        } else if congestion.as_ref().is_some_and(|name| name.is_empty() || name.len() > CONGESTION_MAX || !letters(name)) {
            Some(format!("expected the name of a congestion control of at most {CONGESTION_MAX} letters, as \"cubic\""))
        } else {
            None
        }
    }
}

/// What goes over the path while something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probing {
    /// Milliseconds between two packets of a flow; an outage is known to twice that.
    pub interval_ms: u64,
    /// Streams of TCP that load the path meanwhile.
    pub load_streams: u32,
}

impl Default for Probing {
    fn default() -> Self {
        Self { interval_ms: 1, load_streams: 1 }
    }
}

/// Over which members of a bond streams go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// As the kernel's ports fall.
    #[default]
    Any,
    /// Ports are chosen so that every member carries its share, and the members' counters must show it.
    Spread,
    /// On each member alone, one after the other.
    EachMember,
}

/// How flows come by their source ports when nobody looks at the bond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ports {
    /// As connect(2) hands them out.
    #[default]
    Kernel,
    /// One after the other.
    Consecutive,
}

/// A partner that speaks at the slow rate is silent for so long: `lacp-slow` is one such silence, and must outlast the fast timeout of 3 s by enough to be seen.
const SLOW_HOLD_MS: std::ops::RangeInclusive<u64> = 6_000..=30_000;

/// What fails in a drill: the fault of that name, or what somebody breaks by hand, on one member of the bond of the sending node, or with a switch on all nodes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkFault {
    /// A member goes down.
    LinkDown,
    /// A member keeps its carrier, and loses every frame.
    SilentLink,
    /// All members that lead to one switch go down at once, on every node.
    SwitchLoss,
    /// The partner of a member speaks too seldom for the timeout that it was asked for.
    LacpSlow,
    /// Nothing by assay: somebody pulls a cable or switches a port off, and puts it back.
    ByHand,
}

impl LinkFault {
    /// Its name in the registry of faults.
    pub fn name(self) -> &'static str {
        match self {
            LinkFault::LinkDown => "link-down",
            LinkFault::SilentLink => "silent-link",
            LinkFault::SwitchLoss => "switch-loss",
            LinkFault::LacpSlow => "lacp-slow",
            LinkFault::ByHand => "by-hand",
        }
    }
}

impl NetSpec {
    /// The family of its metrics.
    pub fn family(&self) -> String {
        match &self.measure {
            Measure::Tcp(TcpSpec { over: Over::EachMember, .. }) => "nic.port".to_owned(),
            Measure::Tcp(tcp) => tcp.family(),
            Measure::Rtt { load_streams: 0, .. } => "net.rtt.idle".to_owned(),
            Measure::Rtt { .. } => "net.rtt.loaded".to_owned(),
            Measure::Ring { .. } => "corosync.rtt.idle".to_owned(),
            Measure::Clock => "cluster.clock".to_owned(),
            Measure::Requests { bytes, .. } if bytes.is_multiple_of(1024) => format!("net.requests_{}k", bytes / 1024),
            Measure::Requests { bytes, .. } => format!("net.requests_{bytes}b"),
            Measure::HashSpread { ports: Ports::Kernel, .. } => "path.hash_spread".to_owned(),
            Measure::HashSpread { ports: Ports::Consecutive, .. } => "path.hash_spread_consecutive".to_owned(),
            Measure::Mtu { .. } => "path.mtu".to_owned(),
            Measure::Outage { fault: LinkFault::LinkDown, .. } => "bond.failover".to_owned(),
            Measure::Outage { fault: LinkFault::SilentLink, .. } => "bond.silent".to_owned(),
            Measure::Outage { fault: LinkFault::SwitchLoss, .. } => "bond.switch_loss".to_owned(),
            Measure::Outage { fault: LinkFault::LacpSlow, .. } => "bond.lacp_slow".to_owned(),
            Measure::Outage { fault: LinkFault::ByHand, .. } => "bond.by_hand".to_owned(),
            Measure::Rdma { workload, .. } => perftest::family(workload),
        }
    }

    /// Families of what is measured besides: of the bond that streams were put on the members of.
    pub(super) fn besides(&self) -> &'static [&'static str] {
        match self.measure {
            Measure::Tcp(TcpSpec { over: Over::EachMember, .. }) => &[MEMBERS],
            Measure::Tcp(TcpSpec { over: Over::Spread, verify: true, .. }) => &[SPREAD],
            Measure::Tcp(TcpSpec { over: Over::Spread, verify: false, .. }) => &[SPREAD, SUM],
            Measure::Tcp(TcpSpec { over: Over::Any, .. })
            | Measure::Rtt { .. }
            | Measure::Ring { .. }
            | Measure::Clock
            | Measure::Requests { .. }
            | Measure::HashSpread { .. }
            | Measure::Mtu { .. }
            | Measure::Outage { .. }
            | Measure::Rdma { .. } => &[],
        }
    }

    /// Whether `--network` says something of it: the links of corosync are the order's word, and clocks are asked over sessions.
    pub fn has_a_network(&self) -> bool {
        !matches!(self.measure, Measure::Ring { .. } | Measure::Clock)
    }

    /// Whether something is broken for it.
    pub fn breaks(&self) -> bool {
        matches!(self.measure, Measure::Outage { .. })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetFile {
    measure: Word,
    network: Option<String>,
    streams: Option<u32>,
    #[serde(default)]
    over: Option<Over>,
    #[serde(default)]
    verify: Option<bool>,
    way: Option<Way>,
    send: Option<SendWord>,
    threads: Option<u32>,
    mss: Option<u32>,
    congestion: Option<String>,
    rate: Option<u32>,
    load_streams: Option<u32>,
    flows: Option<u32>,
    ports: Option<Ports>,
    bytes: Option<u32>,
    fault: Option<LinkFault>,
    hold: Option<Millis>,
    interval: Option<Millis>,
    op: Option<Operation>,
    of: Option<assay_rdma::Measure>,
    pairs: Option<u16>,
    depth: Option<u16>,
    inline: Option<u16>,
    gid_index: Option<u32>,
    traffic_class: Option<u8>,
    ack_timeout: Option<u8>,
    #[serde(default)]
    ramp_time: Option<Millis>,
    runtime: Option<Millis>,
}

const RDMA_WORDS: &[&str] =
    &["op", "of", "bytes", "pairs", "depth", "inline", "verify", "gid_index", "traffic_class", "ack_timeout", "ramp_time", "runtime"];

impl NetFile {
    /// What both ends of an RDMA measurement are told; none where it does not say what to do.
    fn workload(&self) -> Option<Workload> {
        let (op, bytes) = (self.op?, self.bytes?);
        let runtime = Duration::from_millis(self.runtime.unwrap_or_default().0);
        let usual = match self.of.unwrap_or(assay_rdma::Measure::Bandwidth) {
            assay_rdma::Measure::Bandwidth => Workload::bandwidth(op, bytes, runtime),
            assay_rdma::Measure::Latency => Workload::latency(op, bytes, runtime),
        };
        Some(Workload {
            pairs: self.pairs.unwrap_or(usual.pairs),
            depth: self.depth.unwrap_or(usual.depth),
            inline_bytes: self.inline.unwrap_or(usual.inline_bytes),
            verify: if self.verify.unwrap_or(true) { Verify::Full } else { Verify::Stamps },
            traffic_class: self.traffic_class.unwrap_or(usual.traffic_class),
            ack_timeout: self.ack_timeout.unwrap_or(usual.ack_timeout),
            ramp_ms: self.ramp_time.unwrap_or_default().0,
            ..usual
        })
    }
}

/// How data is sent, as far as every way and a pattern to verify allow it.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SendWord {
    Plain,
    ZeroCopy,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Tcp,
    Rtt,
    Ring,
    Clock,
    Requests,
    HashSpread,
    Mtu,
    Outage,
    Rdma,
}

/// How long there is quiet before a fault and after it was healed, milliseconds: what was lost before is not the fault's, and a return must be seen.
pub(crate) const QUIET_MS: u64 = 2_000;
/// What packets of a path take, all tries together, milliseconds.
pub(crate) const MTU_MS: u64 = 3_000;

impl Check<'_> {
    pub(super) fn net(&self, span: Range<usize>, file: NetFile) -> Result<NetSpec, FileError> {
        let error = |message: String| Err(self.error(span.clone(), message));
        let workload = file.workload();
        let NetFile {
            measure,
            network,
            streams,
            over,
            verify,
            rate,
            load_streams,
            flows,
            ports,
            bytes,
            fault,
            hold,
            interval,
            ramp_time,
            runtime,
            ..
        } = file;
        let NetFile { op, of, pairs, depth, inline, gid_index, traffic_class, ack_timeout, way, send, threads, mss, congestion, .. } = file;
        // What a measurement does not know would be believed, and not be done.
        let words = [
            ("streams", streams.is_some()),
            ("over", over.is_some()),
            ("verify", verify.is_some()),
            ("way", way.is_some()),
            ("send", send.is_some()),
            ("threads", threads.is_some()),
            ("mss", mss.is_some()),
            ("congestion", congestion.is_some()),
            ("rate", rate.is_some()),
            ("load_streams", load_streams.is_some()),
            ("flows", flows.is_some()),
            ("ports", ports.is_some()),
            ("bytes", bytes.is_some()),
            ("fault", fault.is_some()),
            ("hold", hold.is_some()),
            ("interval", interval.is_some()),
            ("op", op.is_some()),
            ("of", of.is_some()),
            ("pairs", pairs.is_some()),
            ("depth", depth.is_some()),
            ("inline", inline.is_some()),
            ("gid_index", gid_index.is_some()),
            ("traffic_class", traffic_class.is_some()),
            ("ack_timeout", ack_timeout.is_some()),
            ("ramp_time", ramp_time.is_some()),
            ("runtime", runtime.is_some()),
        ];
        let known: &[&str] = match measure {
            Word::Tcp => &["streams", "over", "verify", "way", "send", "threads", "mss", "congestion", "ramp_time", "runtime"],
            Word::Rtt => &["rate", "load_streams", "ramp_time", "runtime"],
            Word::Ring => &["rate", "runtime"],
            Word::Clock => &["runtime"],
            Word::Requests => &["rate", "bytes", "ramp_time", "runtime"],
            Word::HashSpread => &["flows", "ports", "ramp_time", "runtime"],
            Word::Mtu => &["bytes"],
            Word::Outage => &["fault", "hold", "interval", "load_streams"],
            Word::Rdma => RDMA_WORDS,
        };
        if let Some((stray, _)) = words.iter().find(|(word, given)| *given && !known.contains(word)) {
            return error(format!("`{stray}` is no word of this measurement; it knows {}", known.join(", ")));
        }
        let (ramp_ms, runtime_ms) = (ramp_time.unwrap_or_default().0, runtime.unwrap_or_default().0);
        let (measure, ramp_ms, runtime_ms) = match measure {
            Word::Tcp => {
                self.times(&span, ramp_ms, runtime_ms)?;
                let send = match send.unwrap_or(SendWord::Plain) {
                    SendWord::Plain => Sending::Plain,
                    SendWord::ZeroCopy => Sending::ZeroCopy,
                };
                let usual = TcpSpec::default();
                let tcp = TcpSpec {
                    streams: streams.unwrap_or(usual.streams),
                    over: over.unwrap_or(usual.over),
                    verify: verify.unwrap_or(usual.verify),
                    way: way.unwrap_or(usual.way),
                    send,
                    threads,
                    mss,
                    congestion,
                };
                if let Some(why) = tcp.fault() {
                    return error(why);
                }
                (Measure::Tcp(tcp), ramp_ms, runtime_ms)
            }
            Word::Rtt => {
                self.times(&span, ramp_ms, runtime_ms)?;
                let (rate, load_streams) = (rate.unwrap_or(1000), load_streams.unwrap_or(0));
                if !(1..=RATE_MAX).contains(&rate) || load_streams > STREAMS_MAX {
                    return error(format!("expected a rate of 1 to {RATE_MAX} and at most {STREAMS_MAX} load_streams"));
                }
                (Measure::Rtt { rate, load_streams }, ramp_ms, runtime_ms)
            }
            Word::Ring => {
                self.times(&span, ramp_ms, runtime_ms)?;
                let rate = rate.unwrap_or(500);
                if !(1..=RATE_MAX).contains(&rate) {
                    return error(format!("expected a rate of 1 to {RATE_MAX}"));
                }
                (Measure::Ring { rate }, ramp_ms, runtime_ms)
            }
            Word::Clock => {
                self.times(&span, ramp_ms, runtime_ms)?;
                (Measure::Clock, ramp_ms, runtime_ms)
            }
            Word::Requests => {
                self.times(&span, ramp_ms, runtime_ms)?;
                let (rate, bytes) = (rate.unwrap_or(1000), bytes.unwrap_or(64));
                if !(1..=RATE_MAX).contains(&rate) || !REQUEST.contains(&bytes) {
                    return error(format!("expected a rate of 1 to {RATE_MAX} and `bytes` of {} to {}", REQUEST.start(), REQUEST.end()));
                }
                (Measure::Requests { rate, bytes }, ramp_ms, runtime_ms)
            }
            Word::HashSpread => {
                self.times(&span, ramp_ms, runtime_ms)?;
                let flows = flows.unwrap_or(256);
                if !(2..=STREAMS_MAX).contains(&flows) {
                    return error(format!("expected 2 to {STREAMS_MAX} flows"));
                }
                (Measure::HashSpread { flows, ports: ports.unwrap_or_default() }, ramp_ms, runtime_ms)
            }
            Word::Mtu => match bytes {
                Some(bytes) if PACKET.contains(&bytes) && bytes < *PACKET.end() => (Measure::Mtu { bytes }, 0, MTU_MS),
                Some(_) | None => return error(format!("expected `bytes` of {} to {}", PACKET.start(), PACKET.end() - 1)),
            },
            Word::Outage => match (fault, hold) {
                (Some(LinkFault::LacpSlow), Some(Millis(hold_ms))) if !SLOW_HOLD_MS.contains(&hold_ms) => {
                    return error("expected a `hold` of 6s to 30s: a slow partner speaks every 30 s, and the fast timeout is 3 s".to_owned());
                }
                (Some(fault), Some(Millis(hold_ms))) if HOLD_MS.contains(&hold_ms) => {
                    let default = Probing::default();
                    let interval_ms = interval.map_or(default.interval_ms, |Millis(ms)| ms);
                    let load_streams = load_streams.unwrap_or(default.load_streams);
                    if !INTERVAL_MS.contains(&interval_ms) || interval_ms * INTERVALS_MIN > hold_ms || load_streams > STREAMS_MAX {
                        return error(format!(
                            "expected an `interval` of 1ms to 100ms, {INTERVALS_MIN} times shorter than `hold`, and at most {STREAMS_MAX} load_streams"
                        ));
                    }
                    (Measure::Outage { fault, hold_ms, probing: Probing { interval_ms, load_streams } }, QUIET_MS, hold_ms + QUIET_MS)
                }
                (_, _) => return error("expected a `fault` and a `hold` of 100ms to 10min".to_owned()),
            },
            Word::Rdma => {
                self.times(&span, ramp_ms, runtime_ms)?;
                let Some(workload) = workload else { return error("expected an `op` and its `bytes`".to_owned()) };
                if let Some(why) = workload.fault() {
                    return error(why);
                }
                (Measure::Rdma { workload, gid_index }, ramp_ms, runtime_ms)
            }
        };
        let spec = NetSpec { measure, network, ramp_ms, runtime_ms };
        if spec.network.is_some() && !spec.has_a_network() {
            return error(format!("a `network` is no word of {}", spec.family()));
        }
        Ok(spec)
    }
}
