//! What a measurement came to: what the requesting end completed by its own clock, and what the other end saw arrive by its own.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The outcome at one end. Both ends of one measurement have the same `forth` and `back`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RdmaResult {
    /// This end's port.
    pub local: Port,
    /// The other end's.
    pub remote: Port,
    /// The path MTU that was used, bytes.
    pub mtu: u16,
    /// Operations of the connecting end; of a latency those that were counted into it.
    pub forth: Direction,
    /// Operations of the listening end, where both issue them.
    pub back: Option<Direction>,
    /// At the connecting end of a latency measurement.
    pub latency: Option<Latency>,
}

/// Which port was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The RDMA device.
    pub device: String,
    /// Its port.
    pub port: u8,
    /// The GID, as an IPv6 address (IPv4 is mapped).
    pub gid: std::net::Ipv6Addr,
    /// Index in the port's table.
    pub gid_index: u32,
    /// The port's own MTU, bytes.
    pub active_mtu: u16,
}

/// Operations that one end issued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Direction {
    /// Completed successfully in the measured time, by the clock of the end that issued them.
    pub completed: Window,
    /// Seen to arrive in the measured time by the other end and its clock; at a read, by the end that reads. Absent where a message is too short to say which
    /// one it is: writes of less than 8 bytes.
    pub arrived: Option<Window>,
    /// All of them, ramp and end included.
    pub messages: u64,
    /// Bytes whose content was compared by the end that received them, and was right.
    pub verified_bytes: u64,
    /// Processor time of the thread that issued them in the measured time, ns.
    pub cpu_ns: u64,
}

/// What happened within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Window {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long it was, ns.
    pub elapsed_ns: u64,
}

impl Window {
    /// Bytes per second; NaN when nothing happened.
    pub fn bandwidth(&self) -> f64 {
        per_second(self.bytes, self.elapsed_ns)
    }

    /// Messages per second; NaN when nothing happened.
    pub fn rate(&self) -> f64 {
        per_second(self.messages, self.elapsed_ns)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a rate is not that exact")]
fn per_second(count: u64, elapsed_ns: u64) -> f64 {
    if count == 0 || elapsed_ns == 0 { f64::NAN } else { count as f64 * 1e9 / elapsed_ns as f64 }
}

/// How long messages took, ns. A write or a send goes to and fro and counts as the whole round trip; a read counts until its data is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// The shortest.
    pub min_ns: u64,
    /// The median.
    pub p50_ns: u64,
    /// One in ten was longer.
    pub p90_ns: u64,
    /// One in a hundred.
    pub p99_ns: u64,
    /// One in a thousand.
    pub p99_9_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// The whole histogram (0.1 %): highest value of each bucket that is not empty, and how many are in it.
    pub buckets: Vec<(u64, u64)>,
}

impl Latency {
    /// Of a histogram of ns; none of an empty one.
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| histogram.value_at_quantile(quantile);
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            min_ns: histogram.min(),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p99_9_ns: at(0.999),
            max_ns: histogram.max(),
            buckets: histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_figure() {
        assert!(Window::default().bandwidth().is_nan() && Window { messages: 1, bytes: 8, elapsed_ns: 0 }.rate().is_nan());
        assert_eq!(Latency::of(&Histogram::new(3).expect("digits")), None);
        let second = Window { messages: 2, bytes: 16, elapsed_ns: 500_000_000 };
        assert!((second.bandwidth() - 32.0).abs() < 1e-9 && (second.rate() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn a_latency_keeps_its_whole_histogram() {
        let mut histogram = Histogram::new_with_bounds(1, 1_000_000_000, 3).expect("bounds");
        for value in 1..=1000 {
            histogram.record(value * 1000).expect("in bounds");
        }
        let latency = Latency::of(&histogram).expect("some");
        assert_eq!((latency.count, latency.buckets.iter().map(|(_, count)| count).sum::<u64>()), (1000, 1000));
        assert!(latency.p50_ns.abs_diff(500_000) < 1000 && latency.p99_9_ns.abs_diff(999_000) < 2000 && latency.max_ns >= 1_000_000);
    }
}
