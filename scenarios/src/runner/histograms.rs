//! Appends latency histograms to `histograms.hlog`, the interval log of HdrHistogram: one interval per repeat, tagged `<step>/<metric family>`, so that
//! any percentile can be asked for later, by any reader of the format.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::error::ScenarioError;

use super::latencies::Latencies;

/// One repeat.
pub(super) struct Interval<'a> {
    pub(super) tag: String,
    /// Since the Unix epoch.
    pub(super) began: Duration,
    pub(super) took: Duration,
    pub(super) latencies: &'a Latencies,
}

/// Appends all repeats of a step at once.
pub(super) fn append(path: &Path, intervals: &[Interval<'_>]) -> Result<(), ScenarioError> {
    if intervals.is_empty() {
        return Ok(());
    }
    let text = encoded(intervals).map_err(|why| ScenarioError::io("append to", path)(std::io::Error::other(why)))?;
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(ScenarioError::io("open", path))?;
    file.write_all(&text).map_err(ScenarioError::io("append to", path))
}

fn encoded(intervals: &[Interval<'_>]) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new().begin_log_with(&mut text, &mut serializer).map_err(|error| error.to_string())?;
    for interval in intervals {
        log.write_histogram(&interval.latencies.unpacked(), interval.began, interval.took, Tag::new(&interval.tag))
            .map_err(|error| error.to_string())?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    #[test]
    fn what_was_appended_in_two_goes_is_read_back_by_the_formats_own_reader() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("histograms.hlog");
        let mut latencies = hdrhistogram::Histogram::<u64>::new(3).expect("a histogram");
        latencies.record_n(1_000_000, 7).expect("recorded");
        let latencies = Latencies::from(&latencies);
        let interval = |second| Interval {
            tag: "random/storage.randread_4k_qd32".into(),
            began: Duration::from_secs(second),
            took: Duration::from_secs(1),
            latencies: &latencies,
        };
        append(&path, &[interval(1_800_000_000), interval(1_800_000_001)]).expect("appended");
        append(&path, &[interval(1_800_000_002)]).expect("appended");
        append(&path, &[]).expect("nothing");

        let bytes = std::fs::read(&path).expect("there");
        let mut read = 0;
        for entry in IntervalLogIterator::new(&bytes) {
            if let LogEntry::Interval(found) = entry.expect("an entry") {
                assert_eq!(found.tag().map(|tag| tag.as_str().to_owned()).as_deref(), Some("random/storage.randread_4k_qd32"));
                let packed = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, found.encoded_histogram()).expect("base64");
                let histogram: hdrhistogram::Histogram<u64> = Deserializer::new().deserialize(&mut packed.as_slice()).expect("a histogram");
                assert_eq!(histogram.len(), 7);
                read += 1;
            }
        }
        assert_eq!(read, 3);
    }
}
