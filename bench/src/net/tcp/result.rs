//! What one half has seen, as it travels, and what both together come to. A figure comes only out of both halves that agree: bytes are counted by who
//! received them, and the sender's count must be the same to the byte.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::pattern::{StreamFault, Verified};
use super::sample::{TcpSample, TcpSampled};
use super::spec::{Sending, TcpFlow, TcpHow, Way};

/// What one half has seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpHalf {
    /// Every stream, in their order.
    pub streams: Vec<TcpStreamEnd>,
    /// Connections that did not show the token, and were closed.
    pub strangers: u64,
    /// Time of the counted window, ns.
    pub elapsed_ns: u64,
    /// Processor time of all threads in user mode in the window, ns.
    pub user_ns: u64,
    /// Processor time of all threads in the kernel in the window, ns.
    pub system_ns: u64,
    /// What the kernel granted, and what was done otherwise than asked for and why.
    pub notes: Vec<String>,
}

/// One end of one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpStreamEnd {
    /// Our address.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// Congestion control that was really used.
    pub congestion: String,
    /// Largest segment that was really sent, bytes, without headers and options.
    pub mss: u32,
    /// MTU of the path as the kernel knows it, bytes.
    pub path_mtu: u32,
    /// SO_SNDBUF at the end, bytes.
    pub send_buffer: u64,
    /// SO_RCVBUF at the end, bytes.
    pub receive_buffer: u64,
    /// What went out, where this end sends.
    pub sent: Option<TcpSent>,
    /// What came in, where this end receives.
    pub received: Option<TcpReceived>,
    /// TCP_INFO during the window.
    pub samples: Vec<TcpSample>,
}

/// What an end has sent. No figure: only what was received is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpSent {
    /// All bytes that the kernel took, ramp and end included.
    pub bytes: u64,
    /// How it was really sent.
    pub sending: Sending,
    /// Notifications of zero-copy sends.
    pub notified: u64,
    /// Of these those that said that the kernel had copied after all.
    pub copied: u64,
}

/// What an end has received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpReceived {
    /// All bytes up to the end of the stream, ramp and end included.
    pub bytes: u64,
    /// Bytes in the window.
    pub window_bytes: u64,
    /// The window, ns.
    pub window_ns: u64,
    /// Bytes in each interval of the window; the last may be shorter.
    pub series: Vec<u64>,
    /// What the comparison with the pattern came to, where there is one.
    pub verified: Option<Verified>,
}

/// What both halves come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpRun {
    /// From the half that connects to the half that listens.
    pub forward: Option<TcpDirection>,
    /// The other way.
    pub reverse: Option<TcpDirection>,
    /// Processor time of both halves per byte received in both directions, ns.
    pub cpu_ns_per_byte: f64,
    /// Connections of strangers.
    pub strangers: u64,
}

/// One direction of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpDirection {
    /// Data received in the window, bytes/s, all streams together.
    pub goodput: f64,
    /// The same of each stream.
    pub by_stream: Vec<f64>,
    /// Bytes received in each whole interval, all streams together.
    pub series: Vec<u64>,
    /// Segments sent again, all streams together, from the beginning to the last sample.
    pub retransmits: u64,
    /// Bytes compared with the pattern, and found right.
    pub verified_bytes: u64,
    /// How it was really sent.
    pub sending: Sending,
    /// Whether no zero-copy send was copied; `None` where none was made.
    pub zero_copy: Option<bool>,
    /// Largest segment of the senders; the least of all streams.
    pub mss: u32,
    /// MTU of the path; the least of all streams.
    pub path_mtu: u32,
    /// Congestion controls that the senders really used: one, unless the kernel has changed its mind.
    pub congestion: BTreeSet<String>,
    /// What TCP_INFO of the senders comes to.
    pub sampled: TcpSampled,
}

/// Why two halves make no figure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Disagreement {
    /// A half lacks streams.
    #[error("the half that connects has {connect} streams and the half that listens {listen}, of {wanted}")]
    Streams {
        /// Of the half that connects.
        connect: usize,
        /// Of the half that listens.
        listen: usize,
        /// As the flow wants it.
        wanted: u32,
    },
    /// An end lacks what it should have sent or received.
    #[error("stream {stream} has no count of what was {what}")]
    Missing {
        /// Which, from 0.
        stream: usize,
        /// `sent`, `sent again` or `received`.
        what: &'static str,
    },
    /// Bytes are missing, or are too many.
    #[error("stream {stream}: {sent} bytes were sent and {received} were received")]
    Bytes {
        /// Which, from 0.
        stream: usize,
        /// By the sender.
        sent: u64,
        /// By the receiver.
        received: u64,
    },
    /// Content is wrong.
    #[error("stream {stream}: {faults} faults of content, the first: {first:?}")]
    Content {
        /// Which, from 0.
        stream: usize,
        /// How many.
        faults: u64,
        /// The first.
        first: Option<StreamFault>,
    },
    /// Bytes were not compared that should have been.
    #[error("stream {stream}: {verified} of {received} bytes were compared with the pattern")]
    Unverified {
        /// Which, from 0.
        stream: usize,
        /// Bytes that were right.
        verified: u64,
        /// Bytes that were received.
        received: u64,
    },
    /// Nothing was received in the window, or it was shorter than it should be.
    #[error("stream {stream}: {bytes} bytes in a window of {window_ns} ns, of {wanted_ms} ms")]
    Window {
        /// Which, from 0.
        stream: usize,
        /// Received in it.
        bytes: u64,
        /// As long as it was.
        window_ns: u64,
        /// As long as it should be.
        wanted_ms: u64,
    },
}

/// Bytes of the option of timestamps (RFC 7323), padded.
const TIMESTAMPS: u32 = 12;

impl TcpRun {
    /// Both halves of a flow as one result.
    pub fn of(flow: &TcpFlow, connect: &TcpHalf, listen: &TcpHalf) -> Result<Self, Disagreement> {
        let (here, there) = (connect.streams.len(), listen.streams.len());
        if [here, there].iter().any(|count| u32::try_from(*count) != Ok(flow.streams)) {
            return Err(Disagreement::Streams { connect: here, listen: there, wanted: flow.streams });
        }
        let forward = matches!(flow.way, Way::Forward | Way::Both).then(|| TcpDirection::of(flow, &connect.streams, &listen.streams)).transpose()?;
        let reverse = matches!(flow.way, Way::Reverse | Way::Both).then(|| TcpDirection::of(flow, &listen.streams, &connect.streams)).transpose()?;
        let goodput: f64 = [&forward, &reverse].into_iter().flatten().map(|direction| direction.goodput).sum();
        let load = |half: &TcpHalf| float(half.user_ns + half.system_ns) / float(half.elapsed_ns);
        let cpu_ns_per_byte = (load(connect) + load(listen)) * 1e9 / goodput;
        Ok(Self { forward, reverse, cpu_ns_per_byte, strangers: connect.strangers + listen.strangers })
    }
}

impl TcpDirection {
    fn of(flow: &TcpFlow, senders: &[TcpStreamEnd], receivers: &[TcpStreamEnd]) -> Result<Self, Disagreement> {
        let mut by_stream = Vec::new();
        let mut series: Vec<u64> = Vec::new();
        let (mut retransmits, mut verified_bytes, mut notified, mut copied) = (0, 0, 0, 0);
        let mut sending = None;
        let whole = usize::try_from(flow.runtime_ms / flow.interval_ms.max(1)).unwrap_or(usize::MAX);
        for (stream, (sender, receiver)) in senders.iter().zip(receivers).enumerate() {
            let sent = sender.sent.as_ref().ok_or(Disagreement::Missing { stream, what: "sent" })?;
            let received = receiver.received.as_ref().ok_or(Disagreement::Missing { stream, what: "received" })?;
            received.check(flow, stream)?;
            if sent.bytes != received.bytes {
                return Err(Disagreement::Bytes { stream, sent: sent.bytes, received: received.bytes });
            }
            by_stream.push(float(received.window_bytes) * 1e9 / float(received.window_ns));
            series.resize(series.len().max(received.series.len().min(whole)), 0);
            for (sum, bytes) in series.iter_mut().zip(&received.series) {
                *sum += bytes;
            }
            let sample = sender.samples.last().ok_or(Disagreement::Missing { stream, what: "sent again" })?;
            retransmits += u64::from(sample.retransmits);
            verified_bytes += received.verified.as_ref().map_or(0, |verified| verified.bytes);
            (notified, copied) = (notified + sent.notified, copied + sent.copied);
            sending = Some(sent.sending);
        }
        // One of several streams may have starved, and that is a result; where none brought anything there is none.
        if by_stream.iter().all(|goodput| *goodput <= 0.0) {
            let window_ns = receivers.first().and_then(|end| end.received.as_ref()).map_or(0, |received| received.window_ns);
            return Err(Disagreement::Window { stream: 0, bytes: 0, window_ns, wanted_ms: flow.runtime_ms });
        }
        let least = |of: fn(&TcpStreamEnd) -> u32| senders.iter().map(of).min().unwrap_or(0);
        Ok(Self {
            goodput: by_stream.iter().sum(),
            by_stream,
            series,
            retransmits,
            verified_bytes,
            sending: sending.unwrap_or(Sending::Plain),
            zero_copy: (notified > 0).then_some(copied == 0),
            mss: least(|end| end.mss),
            path_mtu: least(|end| end.path_mtu),
            congestion: senders.iter().map(|end| end.congestion.clone()).collect(),
            sampled: TcpSampled::of(&senders.iter().map(|end| end.samples.as_slice()).collect::<Vec<_>>()),
        })
    }

    /// What was asked of the senders and is not what they did; none where it is.
    pub fn not_granted(&self, how: &TcpHow) -> Option<String> {
        // TCP_MAXSEG is without the timestamps that every segment carries where both ends have them.
        if let Some(asked) = how.mss.filter(|asked| ![Some(0), Some(TIMESTAMPS)].contains(&asked.checked_sub(self.mss))) {
            return Some(format!("an MSS of {asked} was asked for, and segments had {} bytes over a path MTU of {}", self.mss, self.path_mtu));
        }
        let asked = how.congestion.as_ref().filter(|asked| self.congestion.iter().any(|used| used != *asked))?;
        let used: Vec<&str> = self.congestion.iter().map(String::as_str).collect();
        Some(format!("the congestion control {asked} was asked for, and {} was used", used.join(" and ")))
    }
}

impl TcpReceived {
    fn check(&self, flow: &TcpFlow, stream: usize) -> Result<(), Disagreement> {
        let window = Disagreement::Window { stream, bytes: self.window_bytes, window_ns: self.window_ns, wanted_ms: flow.runtime_ms };
        if self.window_bytes > self.bytes || self.window_ns < flow.runtime_ms.saturating_mul(999_000) {
            return Err(window);
        }
        if flow.verify.is_none() {
            return Ok(());
        }
        let verified = self.verified.clone().unwrap_or_default();
        if verified.faults > 0 {
            return Err(Disagreement::Content { stream, faults: verified.faults, first: verified.first.first().copied() });
        }
        if verified.bytes != self.bytes {
            return Err(Disagreement::Unverified { stream, verified: verified.bytes, received: self.bytes });
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "bytes and nanoseconds of one run are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn end(sent: Option<u64>, received: Option<(u64, u64, Option<Verified>)>) -> TcpStreamEnd {
        let address: SocketAddr = "127.0.0.1:1".parse().expect("an address");
        TcpStreamEnd {
            local: address,
            remote: address,
            congestion: "cubic".into(),
            mss: 1448,
            path_mtu: 1500,
            send_buffer: 1,
            receive_buffer: 1,
            sent: sent.map(|bytes| TcpSent { bytes, sending: Sending::ZeroCopy, notified: 3, copied: 1 }),
            received: received.map(|(bytes, window_bytes, verified)| TcpReceived {
                bytes,
                window_bytes,
                window_ns: 2_000_000_000,
                series: vec![window_bytes / 2, window_bytes / 2, 9],
                verified,
            }),
            samples: vec![sample(3), sample(7)],
        }
    }

    fn sample(retransmits: u32) -> TcpSample {
        TcpSample {
            at_ns: 1,
            rtt_ns: 1,
            rttvar_ns: 1,
            min_rtt_ns: 1,
            cwnd: 10,
            retransmits,
            bytes_retransmitted: 0,
            delivery_rate: 1,
            busy_ns: 1,
            window_limited_ns: 0,
            buffer_limited_ns: 0,
        }
    }

    fn half(ends: Vec<TcpStreamEnd>) -> TcpHalf {
        TcpHalf { streams: ends, strangers: 1, elapsed_ns: 2_000_000_000, user_ns: 500_000_000, system_ns: 500_000_000, notes: Vec::new() }
    }

    fn verified(bytes: u64, faults: u64) -> Option<Verified> {
        Some(Verified { bytes, faults, first: Vec::new() })
    }

    #[test]
    fn the_figure_is_what_the_receiver_counted_in_its_window() {
        let flow = TcpFlow { streams: 2, ..TcpFlow::new(Duration::from_secs(2)) };
        let run = TcpRun::of(&flow, &half(vec![end(Some(5000), None); 2]), &half(vec![end(None, Some((5000, 4000, None))); 2])).expect("agrees");
        let forward = run.forward.expect("forward");
        assert_eq!((forward.goodput, forward.by_stream, forward.series), (4000.0, vec![2000.0; 2], vec![4000, 4000]));
        assert_eq!((forward.zero_copy, run.strangers, run.reverse), (Some(false), 2, None));
        assert_eq!(forward.retransmits, 14, "the last count of each sender");
        assert!((forward.sampled.delivery_rate - 2.0).abs() < 1e-9, "of both streams together");
        assert!((run.cpu_ns_per_byte - 1e9 / 4000.0).abs() < 1e-6, "half of a processor at each end");
    }

    #[test]
    fn what_was_asked_of_the_kernel_was_granted_or_is_told() {
        let flow = TcpFlow::new(Duration::from_secs(2));
        let run = TcpRun::of(&flow, &half(vec![end(Some(5000), None)]), &half(vec![end(None, Some((5000, 4000, None)))])).expect("agrees");
        let forward = run.forward.expect("forward");
        let of = |mss, congestion: Option<&str>| forward.not_granted(&TcpHow { mss, congestion: congestion.map(str::to_owned), ..TcpHow::default() });
        // Segments had 1448 bytes, under cubic.
        for (mss, congestion, why) in [
            (None, None, None),
            (Some(1448), Some("cubic"), None),
            (Some(1460), None, None),
            (Some(1459), None, Some("an MSS of 1459 was asked for, and segments had 1448 bytes over a path MTU of 1500")),
            (Some(8960), None, Some("an MSS of 8960")),
            (Some(1400), None, Some("an MSS of 1400")),
            (None, Some("bbr"), Some("the congestion control bbr was asked for, and cubic was used")),
        ] {
            let told = of(mss, congestion);
            assert_eq!(told.is_some(), why.is_some(), "{mss:?} {congestion:?}: {told:?}");
            assert!(told.unwrap_or_default().contains(why.unwrap_or_default()), "{why:?}");
        }
    }

    #[test]
    fn what_was_sent_again_is_missing_where_it_was_never_looked_at() {
        let flow = TcpFlow::new(Duration::from_secs(2));
        let unseen = TcpStreamEnd { samples: Vec::new(), ..end(Some(5000), None) };
        let of = |sender| TcpRun::of(&flow, &half(vec![sender]), &half(vec![end(None, Some((5000, 4000, None)))]));
        assert_eq!(of(unseen), Err(Disagreement::Missing { stream: 0, what: "sent again" }));
        assert!(of(end(Some(5000), None)).is_ok());
    }

    #[test]
    fn halves_that_disagree_or_saw_wrong_content_make_no_figure() {
        let flow = TcpFlow { verify: Some(1), ..TcpFlow::new(Duration::from_secs(2)) };
        let long = TcpFlow { verify: Some(1), ..TcpFlow::new(Duration::from_secs(3)) };
        let two = TcpFlow { streams: 2, ..flow.clone() };
        let both = TcpFlow { way: Way::Both, ..flow.clone() };
        let good = (5000, 4000, verified(5000, 0));
        for (flow, sent, received, word) in [
            (&flow, Some(5001), Some(good.clone()), "5001 bytes were sent and 5000"),
            (&flow, None, Some(good.clone()), "no count of what was sent"),
            (&flow, Some(5000), None, "no count of what was received"),
            (&flow, Some(5000), Some((5000, 4000, None)), "0 of 5000 bytes were compared"),
            (&flow, Some(5000), Some((5000, 4000, verified(5000, 2))), "2 faults"),
            (&flow, Some(5000), Some((5000, 0, verified(5000, 0))), "0 bytes in a window"),
            (&long, Some(5000), Some(good.clone()), "of 3000 ms"),
            (&two, Some(5000), Some(good.clone()), "of 2"),
            (&both, Some(5000), Some(good.clone()), "no count"),
        ] {
            let why = TcpRun::of(flow, &half(vec![end(sent, None)]), &half(vec![end(None, received)])).expect_err(word).to_string();
            assert!(why.contains(word), "{why}");
        }
        assert!(TcpRun::of(&flow, &half(vec![end(Some(5000), None)]), &half(vec![end(None, Some(good.clone()))])).is_ok());
        let starved = half(vec![end(None, Some(good)), end(None, Some((5000, 0, verified(5000, 0))))]);
        let run = TcpRun::of(&two, &half(vec![end(Some(5000), None), end(Some(5000), None)]), &starved).expect("a result");
        assert!(run.forward.expect("a direction").by_stream[1] <= 0.0);
    }
}
