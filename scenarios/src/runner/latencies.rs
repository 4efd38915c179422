//! Latencies of one repeat, kept small: a run of days has ten thousand repeats, and a histogram of them all takes a quarter of a MiB.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};

/// A histogram in its serialised form, in which only what was counted takes room.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Vec<u8>);

impl From<&Histogram<u64>> for Latencies {
    fn from(histogram: &Histogram<u64>) -> Self {
        let mut packed = Vec::new();
        V2Serializer::new().serialize(histogram, &mut packed).expect("a histogram of latencies fits into memory");
        packed.shrink_to_fit();
        Self(packed)
    }
}

impl Latencies {
    /// The serialised form.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same again, wherever it comes from.
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Result<Self, String> {
        let read = Deserializer::new().deserialize::<u64, _>(&mut bytes.as_slice());
        read.map(|_| Self(bytes)).map_err(|error| format!("they are no histogram: {error}"))
    }

    /// The histogram as it was.
    pub(crate) fn unpacked(&self) -> Histogram<u64> {
        Deserializer::new().deserialize(&mut self.0.as_slice()).expect("what was packed here")
    }

    /// The latency at a quantile, nanoseconds.
    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a latency in nanoseconds is far below 2^53")]
        let value = self.unpacked().value_at_quantile(quantile) as f64;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_and_little_room_is_taken() {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 120_000_000_000, 3).expect("a histogram");
        (0..50_000_u64).for_each(|count| histogram.record(80_000 + count * count % 40_000).expect("recorded"));
        histogram.record(99_000_000_000).expect("recorded");
        let packed = Latencies::from(&histogram);
        assert_eq!(packed.unpacked(), histogram);
        assert!(packed.0.len() < 8192, "{}", packed.0.len());
    }
}
