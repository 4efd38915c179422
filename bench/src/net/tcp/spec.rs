//! What both halves of a TCP measurement are told, as it travels.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::net::token::Token;

/// Which way data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the half that connects to the half that listens.
    Forward,
    /// From the half that listens to the half that connects.
    Reverse,
    /// Both at once, over the same connections.
    Both,
}

/// What both halves must agree on: a hello with another flow is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpFlow {
    /// Connections.
    pub streams: u32,
    /// Which way data goes.
    pub way: Way,
    /// What is not counted at the beginning, ms.
    pub ramp_ms: u64,
    /// What is counted after it, by the clock of each receiver, ms.
    pub runtime_ms: u64,
    /// Width of a point of the series and distance of the samples of TCP_INFO, ms, at least 10.
    pub interval_ms: u64,
    /// Seed of the pattern that is sent and of which every byte is compared; without one what is sent means nothing.
    pub verify: Option<u64>,
    /// How long nothing may come, or go, before the run is broken, ms; also how long the halves wait for one another.
    pub patience_ms: u64,
}

impl TcpFlow {
    /// One stream forward for so long, unverified, after a ramp of half a second.
    pub fn new(runtime: Duration) -> Self {
        let runtime_ms = u64::try_from(runtime.as_millis()).unwrap_or(u64::MAX);
        Self { streams: 1, way: Way::Forward, ramp_ms: 500, runtime_ms, interval_ms: 1000, verify: None, patience_ms: 5000 }
    }

    pub(super) fn ramp(&self) -> Duration {
        Duration::from_millis(self.ramp_ms)
    }

    pub(super) fn runtime(&self) -> Duration {
        Duration::from_millis(self.runtime_ms)
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms)
    }

    /// Tells one flow from another in a hello.
    pub(super) fn digest(&self) -> u64 {
        twox_hash::XxHash3_64::oneshot(format!("{self:?}").as_bytes())
    }

    /// Why it cannot be measured.
    pub(super) fn complaint(&self) -> Option<String> {
        match self {
            Self { streams: 0, .. } => Some("it has no streams".to_owned()),
            Self { streams, .. } if *streams > STREAMS_MAX => Some(format!("{streams} streams are more than {STREAMS_MAX}")),
            Self { runtime_ms, .. } if *runtime_ms == 0 || *runtime_ms > RUN_MS_MAX => Some(format!("a runtime of {runtime_ms} ms")),
            Self { ramp_ms, .. } if *ramp_ms > RUN_MS_MAX => Some(format!("a ramp of {ramp_ms} ms")),
            Self { interval_ms, .. } if *interval_ms < 10 => Some(format!("an interval of {interval_ms} ms is below 10 ms")),
            Self { patience_ms, .. } if *patience_ms == 0 || *patience_ms > 600_000 => Some(format!("a patience of {patience_ms} ms")),
            Self { .. } => None,
        }
    }
}

/// Connections of one measurement, at most.
const STREAMS_MAX: u32 = 1024;
/// A week.
const RUN_MS_MAX: u64 = 7 * 86_400_000;

/// How data is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sending {
    /// By io_uring out of a buffer that the kernel copies.
    Plain,
    /// By io_uring's SEND_ZC out of registered buffers. Where packets stay on this host (veth, loopback) the kernel copies after all, and says so.
    ZeroCopy,
    /// The pages of a memory file by tee(2) and splice(2): the sender copies nothing, also where packets stay on this host. The same pages over and over, as
    /// iperf3 -Z does; not with a pattern to verify, nor both ways at once.
    FilePages,
}

impl Sending {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Sending::Plain => "plain send",
            Sending::ZeroCopy => "zero-copy send (SEND_ZC)",
            Sending::FilePages => "pages of a memory file (tee and splice)",
        }
    }
}

/// How data is received. Every byte is copied to user space, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receiving {
    /// One receive after the other.
    Single,
    /// Multishot receives into buffers that are lent to the kernel.
    Multishot,
}

/// How a half does its work; the halves need not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpHow {
    /// Threads, each with a ring of its own; streams are dealt out to them in turn. Never more than there are streams.
    pub threads: u32,
    /// The processors that the threads are pinned to, in turn; without any they are not pinned.
    pub cpus: Vec<u32>,
    /// How it sends.
    pub sending: Sending,
    /// Bytes of one send, a multiple of 8.
    pub message_bytes: u32,
    /// How it receives.
    pub receiving: Receiving,
    /// Bytes of one receive buffer.
    pub receive_bytes: u32,
    /// Congestion control; the kernel's choice without one.
    pub congestion: Option<String>,
    /// The largest segment (TCP_MAXSEG).
    pub mss: Option<u32>,
    /// SO_SNDBUF; the kernel's own adjustment without one.
    pub send_buffer: Option<u32>,
    /// SO_RCVBUF; the kernel's own adjustment without one.
    pub receive_buffer: Option<u32>,
    /// Nothing waits to be sent together (TCP_NODELAY).
    pub nodelay: bool,
    /// What each stream may send at most, bytes/s (SO_MAX_PACING_RATE); as fast as it goes without one.
    #[serde(default)]
    pub pacing: Option<u32>,
    /// The interface that traffic must take (SO_BINDTODEVICE).
    pub device: Option<String>,
}

impl Default for TcpHow {
    fn default() -> Self {
        Self {
            threads: 1,
            cpus: Vec::new(),
            sending: Sending::Plain,
            message_bytes: 1 << 20,
            receiving: Receiving::Multishot,
            receive_bytes: 128 << 10,
            congestion: None,
            mss: None,
            send_buffer: None,
            receive_buffer: None,
            nodelay: false,
            pacing: None,
            device: None,
        }
    }
}

impl TcpHow {
    /// Why it cannot be done so.
    pub(super) fn complaint(&self) -> Option<String> {
        let sizes = [("message_bytes", self.message_bytes), ("receive_bytes", self.receive_bytes)];
        let odd = sizes.iter().find(|(_, bytes)| !bytes.is_multiple_of(8) || *bytes < 1024 || *bytes > 64 << 20);
        match (odd, self.threads) {
            (Some((name, bytes)), _) => Some(format!("{name} of {bytes} is no multiple of 8 from 1 KiB to 64 MiB")),
            (None, 0) => Some("it has no threads".to_owned()),
            (None, _) if self.pacing == Some(0) => Some("a pace of 0 sends nothing".to_owned()),
            (None, _) => None,
        }
    }
}

/// What the half that listens is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TcpListen {
    /// The only address that it is bound to.
    pub address: IpAddr,
    /// The port, or 0 for one that is free.
    pub port: u16,
    /// What a connection must show.
    pub token: Token,
    /// What is measured.
    pub flow: TcpFlow,
    /// How this half does it.
    pub how: TcpHow,
}

/// What the half that connects is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TcpConnect {
    /// The half that listens.
    pub peer: SocketAddr,
    /// The address that connections come from; the kernel's choice without one.
    pub source: Option<IpAddr>,
    /// The source port of each stream, or none at all for the kernel's choice: which member of a bond a stream takes follows from it.
    pub source_ports: Vec<u16>,
    /// What connections show.
    pub token: Token,
    /// What is measured.
    pub flow: TcpFlow,
    /// How this half does it.
    pub how: TcpHow,
}

impl TcpConnect {
    /// The command of iperf3 that does the same, as far as iperf3 can: `iperf3 -s` at the other end is assumed.
    pub fn iperf3_command(&self) -> String {
        let mut words = vec!["iperf3".to_owned(), "-c".to_owned(), self.peer.ip().to_string(), "-t".to_owned()];
        let seconds = |ms: u64| ms.div_ceil(1000).to_string();
        words.push(seconds(self.flow.runtime_ms));
        let mut with = |word: &str, value: String| words.extend([word.to_owned(), value]);
        if self.flow.ramp_ms > 0 {
            with("-O", seconds(self.flow.ramp_ms));
        }
        if self.flow.streams > 1 {
            with("-P", self.flow.streams.to_string());
        }
        with("-i", format!("{}", std::time::Duration::from_millis(self.flow.interval_ms).as_secs_f64()));
        with("-l", self.how.message_bytes.min(1 << 20).to_string());
        for (word, value) in [("-C", self.how.congestion.clone()), ("-M", self.how.mss.map(|mss| mss.to_string()))] {
            if let Some(value) = value {
                with(word, value);
            }
        }
        if let Some(bytes) = self.how.send_buffer.or(self.how.receive_buffer) {
            with("-w", bytes.to_string());
        }
        if let Some(source) = self.source {
            with("-B", source.to_string());
        }
        // iperf3 takes one port and counts upwards from it.
        if let Some(port) = self.source_ports.first() {
            with("--cport", port.to_string());
        }
        if let Some(pacing) = self.how.pacing {
            with("--fq-rate", (u64::from(pacing) * 8).to_string());
        }
        if let Some(device) = &self.how.device {
            with("--bind-dev", device.clone());
        }
        match self.flow.way {
            Way::Forward => {}
            Way::Reverse => words.push("-R".to_owned()),
            Way::Both => words.push("--bidir".to_owned()),
        }
        if self.how.nodelay {
            words.push("-N".to_owned());
        }
        if self.how.sending != Sending::Plain {
            words.push("-Z".to_owned());
        }
        words.push("-J".to_owned());
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_travels_and_names_the_command_that_does_the_same() {
        let flow = TcpFlow { streams: 4, way: Way::Both, ..TcpFlow::new(Duration::from_secs(10)) };
        let how = TcpHow {
            sending: Sending::ZeroCopy,
            congestion: Some("cubic".into()),
            mss: Some(1400),
            device: Some("eth0".into()),
            ..TcpHow::default()
        };
        let token = Token::fresh().expect("random numbers");
        let peer = "10.0.0.2:5001".parse().expect("an address");
        let spec = TcpConnect { peer, source: Some("10.0.0.1".parse().expect("an address")), source_ports: vec![4000, 4001], token, flow, how };
        let back: TcpConnect = serde_json::from_str(&serde_json::to_string(&spec).expect("JSON")).expect("the same");
        assert!(back.flow == spec.flow && back.how == spec.how && back.flow.digest() == spec.flow.digest());
        assert_eq!(
            spec.iperf3_command(),
            "iperf3 -c 10.0.0.2 -t 10 -O 1 -P 4 -i 1 -l 1048576 -C cubic -M 1400 -B 10.0.0.1 --cport 4000 --bind-dev eth0 --bidir -Z -J"
        );
    }

    #[test]
    fn what_cannot_be_measured_is_refused_in_words() {
        let flow = TcpFlow::new(Duration::from_secs(1));
        assert_eq!(flow.complaint(), None);
        for (broken, word) in [
            (TcpFlow { streams: 0, ..flow.clone() }, "no streams"),
            (TcpFlow { streams: 5000, ..flow.clone() }, "5000 streams"),
            (TcpFlow { runtime_ms: 0, ..flow.clone() }, "runtime"),
            (TcpFlow { interval_ms: 1, ..flow.clone() }, "interval"),
            (TcpFlow { patience_ms: 0, ..flow.clone() }, "patience"),
        ] {
            assert!(broken.complaint().is_some_and(|why| why.contains(word)), "{word}");
            assert_ne!(broken.digest(), flow.digest());
        }
        assert!(TcpHow { message_bytes: 1001, ..TcpHow::default() }.complaint().is_some());
        assert!(TcpHow { pacing: Some(0), ..TcpHow::default() }.complaint().is_some());
        assert!(TcpHow { threads: 0, ..TcpHow::default() }.complaint().is_some() && TcpHow::default().complaint().is_none());
    }
}
