//! fio's results (`--output-format=json` and `json+`) as a baseline: figures under the names and in the units of ours.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use assay_model::metric::{Direction, Metric, Samples};
use assay_model::unit::Unit;
use serde::Deserialize;

use super::job_file;

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "fio version")]
    version: Option<String>,
    #[serde(rename = "global options", default)]
    global: BTreeMap<String, String>,
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    jobname: String,
    error: i64,
    #[serde(rename = "job options", default)]
    options: BTreeMap<String, String>,
    read: Side,
    write: Side,
}

#[derive(Deserialize)]
struct Side {
    total_ios: u64,
    iops: f64,
    bw_bytes: Option<f64>,
    #[serde(default)]
    clat_ns: Latency,
    #[serde(default)]
    lat_ns: Latency,
}

#[derive(Deserialize, Default)]
struct Latency {
    #[serde(default)]
    percentile: BTreeMap<String, f64>,
    // json+: nanoseconds and how many operations took so long.
    #[serde(default)]
    bins: BTreeMap<String, u64>,
}

/// What a file of results holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// The tool's version.
    pub version: String,
    /// Its figures; each has as many samples as there are jobs of that name.
    pub figures: Vec<Metric>,
}

/// Reads a file of results. Jobs that failed, that did nothing or of which the parameters are not known are errors: a baseline is complete or none.
pub fn read(text: &str) -> Result<Baseline, String> {
    // Warnings may stand before the JSON.
    let json = text.find('{').map_or("", |begin| &text[begin..]);
    let answer: Answer = serde_json::from_str(json).map_err(|error| format!("it is no result of fio --output-format=json or json+: {error}"))?;
    let mut figures: BTreeMap<String, (Unit, Direction, Vec<f64>)> = BTreeMap::new();
    for job in &answer.jobs {
        if job.error != 0 {
            return Err(format!("job {} ended with error {}", job.jobname, job.error));
        }
        let family = family(&job.jobname, &job.options, &answer.global)?;
        let sides: Vec<(&str, &Side)> = [("read", &job.read), ("write", &job.write)].into_iter().filter(|(_, side)| side.total_ios > 0).collect();
        if sides.is_empty() {
            return Err(format!("job {} did no operation", job.jobname));
        }
        let mut add = |name: String, unit, direction, value: Option<f64>| {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                figures.entry(name).or_insert_with(|| (unit, direction, Vec::new())).2.push(value);
            }
        };
        let higher = Direction::HigherIsBetter;
        add(format!("{family}.iops"), Unit::OpsPerSecond, higher, Some(sides.iter().map(|(_, side)| side.iops).sum()));
        let bandwidth = sides.iter().map(|(_, side)| side.bw_bytes).sum::<Option<f64>>();
        add(format!("{family}.bandwidth"), Unit::BytesPerSecond, higher, bandwidth);
        for (kind, side) in &sides {
            let prefix = if sides.len() == 1 { family.clone() } else { format!("{family}.{kind}") };
            if sides.len() > 1 {
                add(format!("{prefix}.iops"), Unit::OpsPerSecond, higher, Some(side.iops));
            }
            for (word, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999)] {
                // Ours counts from the submission; where fio kept that (lat_ns), it is taken.
                let value = side.lat_ns.quantile(quantile).or_else(|| side.clat_ns.quantile(quantile));
                add(format!("{prefix}.{word}"), Unit::Nanoseconds, Direction::LowerIsBetter, value);
            }
        }
    }
    let figures = figures.into_iter().map(|(name, (unit, direction, samples))| Metric {
        name: name.as_str().into(),
        unit,
        direction,
        dimensions: BTreeMap::new(),
        samples: Samples::new(samples),
    });
    Ok(Baseline { version: answer.version.unwrap_or_else(|| "fio of an unknown version".to_owned()), figures: figures.collect() })
}

impl Latency {
    fn quantile(&self, quantile: f64) -> Option<f64> {
        let total: u64 = self.bins.values().sum();
        if total == 0 {
            let wanted = quantile * 100.0;
            return self.percentile.iter().find(|(name, _)| name.parse::<f64>().is_ok_and(|at| (at - wanted).abs() < 1e-6)).map(|(_, value)| *value);
        }
        let mut bins: Vec<(f64, u64)> = self.bins.iter().filter_map(|(at, count)| Some((at.parse().ok()?, *count))).collect();
        bins.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        #[allow(clippy::cast_precision_loss, reason = "counts of one job are far below 2^53")]
        let wanted = (total as f64 * quantile).ceil();
        let mut seen = 0.0;
        bins.iter().find_map(|(at, count)| {
            #[allow(clippy::cast_precision_loss, reason = "as above")]
            let count = *count as f64;
            seen += count;
            (seen >= wanted).then_some(*at)
        })
    }
}

/// The family of ours that does what the job did; what assay would not do so is no baseline for it.
fn family(job: &str, own: &BTreeMap<String, String>, global: &BTreeMap<String, String>) -> Result<String, String> {
    let mut options = global.clone();
    options.extend(own.clone());
    if options.get("numjobs").is_some_and(|jobs| jobs != "1") && !options.contains_key("group_reporting") {
        return Err(format!("job {job} ran several times at once, and each has a result of its own: fio adds them up with group_reporting"));
    }
    job_file::family(&options).map_err(|why| format!("job {job}: {why}"))
}

/// Requirements for a gate that ask for at least this share of every figure, percent, in the form of its file.
pub fn requirements(baseline: &Baseline, share_percent: u32) -> String {
    let mut out = String::new();
    for figure in &baseline.figures {
        let median = figure.samples.median();
        let share = f64::from(share_percent) / 100.0;
        let (word, bound) = match figure.direction {
            Direction::HigherIsBetter => ("at_least", median * share),
            Direction::LowerIsBetter => ("at_most", median / share),
        };
        let basis = toml::Value::from(format!("{share_percent} % of {}, {} jobs", baseline.version, figure.samples.values().len()));
        let name = &figure.name;
        let tool = match &baseline.version {
            version if version.starts_with("iperf") => "iperf3",
            version if version.starts_with("perftest") => "perftest",
            _ => "fio",
        };
        writeln!(
            out,
            "[[check]]\nid = \"{name}\"\nseverity = \"gate\"\ntitle = \"{name} as {tool} measured it\"\n\
             limit = {{ metric = \"{name}\", bound = {{ {word} = {bound:.1} }}, basis = {{ baseline = {basis} }} }}\n"
        )
        .expect("a string takes all");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: i64, read: u64, latency: &str) -> String {
        format!(
            r#"note: both iodepth >= 1 and synchronous I/O engine are selected
{{"fio version": "fio-3.33", "global options": {{"rw": "randread", "bs": "4k", "ioengine": "libaio", "direct": "1"}}, "jobs": [
 {{"jobname": "a", "error": {error}, "job options": {{"iodepth": "32"}},
   "read": {{"total_ios": {read}, "iops": {read}.0, "bw_bytes": {}, "clat_ns": {latency}}},
   "write": {{"total_ios": 0, "iops": 0.0, "bw_bytes": 0}}}}]}}"#,
            read * 4096
        )
    }

    fn figure<'a>(baseline: &'a Baseline, name: &str) -> Option<&'a Metric> {
        baseline.figures.iter().find(|figure| figure.name.0 == name)
    }

    #[test]
    fn figures_have_our_names_and_units() {
        let plain = read(&answer(0, 1000, r#"{"percentile": {"50.000000": 100, "99.000000": 200, "99.900000": 300}}"#)).expect("reads");
        assert_eq!(plain.version, "fio-3.33");
        let value = |name: &str| figure(&plain, name).expect(name).samples.median();
        let family = "storage.randread_4k_qd32";
        for (word, expected) in [("iops", 1000.0), ("bandwidth", 4_096_000.0), ("p50", 100.0), ("p99", 200.0), ("p99_9", 300.0)] {
            assert!((value(&format!("{family}.{word}")) - expected).abs() < 1e-9, "{word}");
        }
        // json+ has every bin: they are believed before the rounded percentiles.
        let bins = r#"{"percentile": {"50.000000": 1}, "bins": {"900": 1, "100": 50, "500": 49}}"#;
        let plus = read(&answer(0, 1000, bins)).expect("reads");
        let value = |word: &str| figure(&plus, &format!("{family}.{word}")).expect(word).samples.median();
        assert!((value("p50") - 100.0).abs() < 1e-9 && (value("p99") - 500.0).abs() < 1e-9 && (value("p99_9") - 900.0).abs() < 1e-9);
    }

    #[test]
    fn what_failed_or_did_nothing_is_no_baseline() {
        for (text, says) in
            [(answer(5, 1000, "{}"), "error 5"), (answer(0, 0, "{}"), "no operation"), ("{}".to_owned(), "no result"), (String::new(), "no result")]
        {
            let why = read(&text).expect_err(says);
            assert!(why.contains(says), "{why}");
        }
    }

    #[test]
    fn options_that_make_it_another_thing_are_refused_or_in_the_name() {
        let good = answer(0, 1000, r#"{"percentile": {"99.000000": 190}}"#);
        let with = |options: &str| read(&good.replace(r#""iodepth": "32""#, &format!(r#""iodepth": "32", {options}"#)));
        for (options, says) in [
            (r#""direct": "0""#, "direct=0"),
            (r#""rate": "10m""#, "`rate`"),
            (r#""thinktime": "100""#, "`thinktime`"),
            (r#""ioengine": "psync""#, "ioengine=psync"),
            (r#""numjobs": "4""#, "group_reporting"),
            (r#""rw": "read", "numjobs": "4", "group_reporting": """#, "goes through all of it"),
            (r#""bs": "4q""#, "4q"),
        ] {
            let why = with(options).expect_err(says);
            assert!(why.contains("job a") && why.contains(says), "{options}: {why}");
        }
        let without = read(&good.replace(r#", "direct": "1""#, "")).expect_err("the page cache");
        assert!(without.contains("page cache"), "{without}");
        for (options, family) in [
            (r#""random_distribution": "zipf:1.2""#, "storage.randread_4k_qd32_zipf1_2"),
            (r#""bssplit": "4k/60:64k/40""#, "storage.randread_4k60-64k40_qd32"),
            (r#""numjobs": "4", "group_reporting": "", "rate_iops": "1000""#, "storage.randread_4k_qd32_r4000_j4"),
            (r#""filename": "/dev/nvme0n1", "runtime": "30", "ramp_time": "2s", "size": "4g""#, "storage.randread_4k_qd32"),
        ] {
            let baseline = with(options).unwrap_or_else(|why| panic!("{options}: {why}"));
            assert!(figure(&baseline, &format!("{family}.iops")).is_some(), "{options}: {:?}", baseline.figures);
        }
    }

    #[test]
    fn the_requirements_are_those_of_a_gate() {
        let baseline = read(&answer(0, 1000, r#"{"percentile": {"99.000000": 190}}"#)).expect("reads");
        let text = requirements(&baseline, 95);
        let head = "schema = 1\nphase = 5\ntitle = \"as fio did\"\nmax_age_hours = 24\n";
        let gate = assay_model::gate::parse("gate.toml", &format!("{head}{text}")).expect("a gate");
        let bound = |name: &str| {
            let one = gate.requires.iter().find(|one| one.id.0 == name).expect(name);
            one.limit.clone().expect("a limit").bound
        };
        assert_eq!(bound("storage.randread_4k_qd32.iops"), assay_model::limit::Bound::AtLeast(950.0));
        assert_eq!(bound("storage.randread_4k_qd32.p99"), assay_model::limit::Bound::AtMost(200.0));
    }
}
