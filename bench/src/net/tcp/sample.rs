//! TCP_INFO (`struct tcp_info` of linux/tcp.h) at one moment of one stream, and what all moments of all senders of a direction come to.

use assay_model::metric::Samples;
use serde::{Deserialize, Serialize};

/// TCP_INFO at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpSample {
    /// Since the window began, ns.
    pub at_ns: u64,
    /// Smoothed round-trip time, ns.
    pub rtt_ns: u64,
    /// Its mean deviation, ns.
    pub rttvar_ns: u64,
    /// Smallest round-trip time, ns.
    pub min_rtt_ns: u64,
    /// Congestion window, segments.
    pub cwnd: u32,
    /// Segments sent again since the connection was made.
    pub retransmits: u32,
    /// Bytes sent again since then.
    pub bytes_retransmitted: u64,
    /// Rate at which data was delivered lately, bytes/s.
    pub delivery_rate: u64,
    /// Time with data to send, since the connection was made, ns.
    pub busy_ns: u64,
    /// Of that, limited by the peer's window, ns.
    pub window_limited_ns: u64,
    /// Of that, limited by the send buffer, ns.
    pub buffer_limited_ns: u64,
}

/// What TCP_INFO of all senders of a direction comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpSampled {
    /// Smoothed round-trip time over all samples of all streams, ns.
    pub rtt_ns: Extent,
    /// Congestion window in the median of all samples of all streams, segments.
    pub cwnd: f64,
    /// Rate at which data was delivered, of all streams together, in the median of all moments, bytes/s.
    pub delivery_rate: f64,
    /// Of the time with data to send, all streams together, the share limited by the peer's window, 0..1; none where there was no such time.
    pub window_limited: Option<f64>,
    /// The share limited by the send buffer.
    pub buffer_limited: Option<f64>,
}

/// From where to where values are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Extent {
    /// The least.
    pub least: f64,
    /// The median.
    pub median: f64,
    /// The largest.
    pub largest: f64,
}

impl TcpSampled {
    /// Of the samples of each stream; NaN where there is none.
    pub(super) fn of(streams: &[&[TcpSample]]) -> Self {
        let all = |of: fn(&TcpSample) -> u64| Samples::new(streams.iter().copied().flatten().map(|sample| float(of(sample))).collect());
        let rtt = all(|sample| sample.rtt_ns);
        let edge = |pick: fn(f64, f64) -> f64| rtt.values().iter().copied().reduce(pick).unwrap_or(f64::NAN);
        // The moments that every stream was looked at: a sum that lacks one is none of all.
        let moments = streams.iter().map(|samples| samples.len()).min().unwrap_or(0);
        let together = (0..moments).map(|at| float(streams.iter().map(|samples| samples[at].delivery_rate).sum())).collect();
        // These count from the beginning of the connection: the last of each stream is all there was.
        let whole = |of: fn(&TcpSample) -> u64| float(streams.iter().filter_map(|samples| samples.last()).map(of).sum());
        let busy = whole(|sample| sample.busy_ns);
        let share = |limited: f64| (busy > 0.0).then_some(limited / busy);
        Self {
            rtt_ns: Extent { least: edge(f64::min), median: rtt.median(), largest: edge(f64::max) },
            cwnd: all(|sample| sample.cwnd.into()).median(),
            delivery_rate: Samples::new(together).median(),
            window_limited: share(whole(|sample| sample.window_limited_ns)),
            buffer_limited: share(whole(|sample| sample.buffer_limited_ns)),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "bytes and nanoseconds of one run are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rtt_ns: u64, cwnd: u32, delivery_rate: u64, [busy_ns, window_limited_ns, buffer_limited_ns]: [u64; 3]) -> TcpSample {
        TcpSample {
            at_ns: 0,
            rtt_ns,
            rttvar_ns: 0,
            min_rtt_ns: 0,
            cwnd,
            retransmits: 0,
            bytes_retransmitted: 0,
            delivery_rate,
            busy_ns,
            window_limited_ns,
            buffer_limited_ns,
        }
    }

    #[test]
    fn streams_are_one_direction_and_rates_of_one_moment_are_added() {
        let one = [sample(100, 10, 1000, [10, 0, 0]), sample(300, 20, 3000, [400, 100, 0]), sample(200, 30, 2000, [600, 200, 30])];
        // Its thread was looked at once less.
        let other = [sample(50, 40, 500, [10, 1, 1]), sample(900, 50, 100, [400, 50, 20])];
        let sampled = TcpSampled::of(&[&one, &other]);
        assert_eq!(sampled.rtt_ns, Extent { least: 50.0, median: 200.0, largest: 900.0 });
        assert!((sampled.cwnd - 30.0).abs() < 1e-9);
        // 1000 + 500 and 3000 + 100: between them lie 2300.
        assert!((sampled.delivery_rate - 2300.0).abs() < 1e-9);
        // (200 + 50) and (30 + 20) of 600 + 400.
        assert_eq!((sampled.window_limited, sampled.buffer_limited), (Some(0.25), Some(0.05)));
    }

    #[test]
    fn a_stream_that_never_had_anything_to_send_has_no_shares_and_none_at_all_has_no_figure() {
        let idle = TcpSampled::of(&[&[sample(1, 1, 0, [0, 0, 0])]]);
        assert_eq!((idle.window_limited, idle.buffer_limited), (None, None));
        let none = TcpSampled::of(&[&[]]);
        assert!(none.rtt_ns.least.is_nan() && none.rtt_ns.median.is_nan() && none.cwnd.is_nan() && none.delivery_rate.is_nan());
    }
}
