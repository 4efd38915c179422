//! perftest's results (`ib_write_bw`, `ib_read_lat`, ...: what it prints, or `--out_json`) as figures under the names and in the units of ours. perftest
//! compares no content, prints half of a round trip as the latency of writes and sends, and 0.00 where it could not tell how fast the clock runs.

use std::collections::BTreeMap;

use assay_model::metric::{Direction, Metric, Samples};
use assay_model::unit::Unit;
pub use assay_rdma::WITHOUT_VERBS;
use assay_rdma::{Flow, Measure, Workload};

use crate::fio::baseline::Baseline;

#[cfg(feature = "rdma")]
pub mod calibrate;
#[cfg(feature = "rdma")]
mod peer;

#[cfg(feature = "rdma")]
pub use peer::Peer;

/// perftest's MB/sec are of 2^20 bytes.
const MEBIBYTE: f64 = 1_048_576.0;
const GIGABIT: f64 = 1e9 / 8.0;

/// The family of the figures of a workload, whoever measures it: `net.rdma_write_64k_qp4`.
pub fn family(workload: &Workload) -> String {
    let kind = match workload.measure {
        Measure::Bandwidth => "",
        Measure::Latency => "_latency",
    };
    let both = match workload.flow {
        Flow::OneWay => "",
        Flow::BothWays => "_bidir",
    };
    format!("net.rdma_{}{kind}_{}_qp{}{both}", workload.operation.name(), size(workload.message_bytes.into()), workload.pairs)
}

/// What a file of results holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// The test in perftest's words.
    pub test: String,
    /// Its figures.
    pub figures: Vec<Metric>,
}

/// Whether the text is of perftest, as far as its words say.
pub fn is_of_perftest(text: &str) -> bool {
    text.contains("#bytes") || text.contains("test_info:")
}

/// The results of a file as a baseline.
pub fn baseline(text: &str) -> Result<Baseline, String> {
    let Results { test, figures } = read(text)?;
    Ok(Baseline { version: format!("perftest ({test})"), figures })
}

/// Reads a file of results. What is not known, is zero or does not agree with itself is an error: a baseline is complete or none.
pub fn read(text: &str) -> Result<Results, String> {
    let document = Document::of(text)?;
    let family = document.family()?;
    let mut figures = Vec::new();
    for row in &document.rows {
        let family =
            format!("{family}_{}_qp{}{}", size(row.number("bytes")?), document.pairs()?, if document.is_bidirectional() { "_bidir" } else { "" });
        if document.is_latency() {
            latency(&mut figures, &family, row, document.halves())?;
        } else {
            bandwidth(&mut figures, &family, row)?;
        }
    }
    if figures.is_empty() { Err("it has no line of results".into()) } else { Ok(Results { test: document.test, figures }) }
}

fn bandwidth(figures: &mut Vec<Metric>, family: &str, row: &Row) -> Result<(), String> {
    let rate = row.positive("rate")? * 1e6;
    let bytes = row.number("bytes")?;
    let average = row.positive("average")?;
    // --out_json does not say in which unit its bandwidth is; the rate of messages does. Where the output names the unit, both must agree.
    let candidates = [MEBIBYTE, GIGABIT].map(|unit| (unit, average * unit / (rate * bytes)));
    let fits = |ratio: f64| (0.8..1.25).contains(&ratio);
    let (unit, ratio) = match row.unit {
        Some(unit) => (unit, average * unit / (rate * bytes)),
        None => candidates.into_iter().find(|(_, ratio)| fits(*ratio)).ok_or("its bandwidth is not its rate of messages times their size")?,
    };
    if !fits(ratio) {
        return Err(format!("its bandwidth is {ratio:.2} times its rate of messages times their size"));
    }
    figures.push(metric(format!("{family}.bandwidth"), Unit::BytesPerSecond, Direction::HigherIsBetter, average * unit));
    figures.push(metric(format!("{family}.rate"), Unit::OpsPerSecond, Direction::HigherIsBetter, rate));
    Ok(())
}

fn latency(figures: &mut Vec<Metric>, family: &str, row: &Row, halves: f64) -> Result<(), String> {
    for (column, word) in [("typical", "p50"), ("p99", "p99"), ("p99_9", "p99_9")] {
        let nanoseconds = row.positive(column)? * 1000.0 * halves;
        figures.push(metric(format!("{family}.{word}"), Unit::Nanoseconds, Direction::LowerIsBetter, nanoseconds));
    }
    Ok(())
}

fn metric(name: String, unit: Unit, direction: Direction, value: f64) -> Metric {
    Metric { name: name.as_str().into(), unit, direction, dimensions: BTreeMap::new(), samples: Samples::new(vec![value]) }
}

// As our names have it: 64k, 8m, 2.
fn size(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= MEBIBYTE && bytes % MEBIBYTE == 0.0 => format!("{}m", bytes / MEBIBYTE),
        bytes if bytes >= 1024.0 && bytes % 1024.0 == 0.0 => format!("{}k", bytes / 1024.0),
        bytes => format!("{bytes}"),
    }
}

struct Document {
    test: String,
    settings: BTreeMap<String, String>,
    rows: Vec<Row>,
}

#[derive(Default)]
struct Row {
    values: BTreeMap<&'static str, String>,
    unit: Option<f64>,
}

impl Row {
    fn number(&self, column: &str) -> Result<f64, String> {
        let text = self.values.get(column).ok_or_else(|| format!("it does not say `{column}`"))?;
        text.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| format!("`{column}` is {text}, no number"))
    }

    fn positive(&self, column: &str) -> Result<f64, String> {
        let value = self.number(column)?;
        if value > 0.0 { Ok(value) } else { Err(format!("`{column}` is {value}: perftest could not measure it")) }
    }
}

/// Columns of the table by what stands in its head, and of `--out_json` by its names.
const COLUMNS: &[(&str, &[&str])] = &[
    ("bytes", &["#bytes", "MsgSize"]),
    ("iterations", &["#iterations", "n_iterations"]),
    ("peak", &["BW peak", "BW_peak"]),
    ("average", &["BW average", "BW_average"]),
    ("rate", &["MsgRate"]),
    ("min", &["t_min"]),
    ("max", &["t_max"]),
    ("typical", &["t_typical"]),
    ("mean", &["t_avg"]),
    ("stdev", &["t_stdev"]),
    ("p99", &["99% percentile", "percentile_99"]),
    ("p99_9", &["99.9% percentile", "percentile_99.9"]),
];

impl Document {
    fn of(text: &str) -> Result<Self, String> {
        let mut document = Self { test: String::new(), settings: BTreeMap::new(), rows: Vec::new() };
        if text.contains("test_info:") {
            document.json(text)
        } else {
            document.table(text)?
        }
        if document.test.is_empty() { Err("it is no result of perftest".into()) } else { Ok(document) }
    }

    // perftest's JSON is none: names and words without quotes, commas before braces. One field a line it is.
    fn json(&mut self, text: &str) {
        let mut row = Row::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let clean = |text: &str| text.trim().trim_end_matches(',').trim().trim_matches('"').to_owned();
            let (name, value) = (clean(name), clean(value));
            if value.is_empty() || value == "{" {
                continue;
            }
            match COLUMNS.iter().find(|(_, names)| names[1..].iter().chain(&names[..1]).any(|known| *known == name)) {
                Some((column, _)) => drop(row.values.insert(column, value)),
                None if name == "test" => self.test = value.replace('_', " "),
                None => drop(self.settings.insert(key(&name), value)),
            }
        }
        if !row.values.is_empty() {
            self.rows.push(row);
        }
    }

    fn table(&mut self, text: &str) -> Result<(), String> {
        let mut head: Option<(Vec<&'static str>, Option<f64>)> = None;
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.ends_with(" Test") {
                trimmed.clone_into(&mut self.test);
            } else if trimmed.starts_with("#bytes") {
                head = Some((columns(trimmed)?, unit(trimmed)));
            } else if trimmed.starts_with("----") {
                // The rule under the last line of results.
                head = head.filter(|_| self.rows.is_empty());
            } else if let Some((columns, unit)) = &head {
                let words: Vec<&str> = trimmed.split_whitespace().collect();
                if words.len() != columns.len() {
                    return Err(format!("a line of results has {} columns under a head of {}: {trimmed}", words.len(), columns.len()));
                }
                let values = columns.iter().copied().zip(words.iter().map(|word| (*word).to_owned())).collect();
                self.rows.push(Row { values, unit: *unit });
            } else {
                // Two settings may share a line, divided by tabs.
                for (name, value) in trimmed.split('\t').filter_map(|setting| setting.split_once(':')) {
                    self.settings.insert(key(name), value.trim().to_owned());
                }
            }
        }
        Ok(())
    }

    fn family(&self) -> Result<String, String> {
        let operation = ["Write", "Read", "Send"].into_iter().find(|operation| self.test.contains(operation));
        let operation = operation.ok_or_else(|| format!("{} is no test that assay has one like", self.test))?;
        let transport = self.settings.get("connectiontype").map_or("", String::as_str);
        if transport != "RC" {
            return Err(format!("its connections are {transport}, ours RC"));
        }
        let kind = if self.is_latency() { "_latency" } else { "" };
        Ok(format!("net.rdma_{}{kind}", operation.to_lowercase()))
    }

    fn is_latency(&self) -> bool {
        self.test.contains("Latency")
    }

    fn is_bidirectional(&self) -> bool {
        self.test.contains("Bidirectional")
    }

    // Of a write or a send perftest prints half the way to and fro.
    fn halves(&self) -> f64 {
        if self.test.contains("Read") { 1.0 } else { 2.0 }
    }

    fn pairs(&self) -> Result<u32, String> {
        let said = self.settings.get("numberofqps").ok_or("it does not say how many queue pairs there were")?;
        said.parse().map_err(|_| format!("{said} is no number of queue pairs"))
    }
}

// "Number of qps" and "Number_of_qps" are one name.
fn key(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

fn columns(head: &str) -> Result<Vec<&'static str>, String> {
    // Names may have blanks; each begins where it begins. The longer of two that begin alike stands first in the table of columns or differs at once.
    let mut found: Vec<(usize, &'static str)> = Vec::new();
    for (column, names) in COLUMNS {
        let at = head.match_indices(names[0]).find(|(at, _)| *at == 0 || head[..*at].ends_with([' ', '\t', ']']));
        if let Some((at, _)) = at {
            found.push((at, column));
        }
    }
    found.sort_unstable();
    if found.len() < 4 {
        Err(format!("a table with the head `{head}` is not known"))
    } else {
        Ok(found.into_iter().map(|(_, column)| column).collect())
    }
}

fn unit(head: &str) -> Option<f64> {
    if head.contains("average[MB/sec]") {
        Some(MEBIBYTE)
    } else if head.contains("average[Gb/sec]") {
        Some(GIGABIT)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
