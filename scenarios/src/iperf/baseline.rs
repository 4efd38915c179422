//! iperf3's results (`iperf3 -J`) as a baseline: figures under the names and in the units of ours.

use std::collections::BTreeMap;

use assay_model::metric::{Direction, Metric, Samples};
use assay_model::unit::Unit;

use super::answer::{Answer, Sum};
use crate::fio::baseline::Baseline;

/// Whether the text is of iperf3, as far as its beginning says.
pub fn is_of_iperf3(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text.trim_start()).is_ok_and(|value| {
        let said = |name: &str| value["start"].get(name).is_some();
        said("connecting_to") || said("test_start") || value["start"]["version"].as_str().is_some_and(|version| version.starts_with("iperf"))
    })
}

/// Reads a file of results. A test that failed, that moved nothing or that was no TCP test is an error: a baseline is complete or none.
pub fn read(text: &str) -> Result<Baseline, String> {
    let answer = Answer::read(text)?;
    let start = answer.start.as_ref().and_then(|start| start.test_start.as_ref()).ok_or("it is no result of iperf3 -J: it has no start")?;
    if start.protocol != "TCP" {
        return Err(format!("it is a test of {}, not of TCP", start.protocol));
    }
    let end = answer.end()?;
    let received = end.sum_received.as_ref().ok_or("its receiver said nothing")?;
    let family = if start.num_streams == 1 { "net.tcp_1_stream".to_owned() } else { format!("net.tcp_{}_streams", start.num_streams) };
    // As `way = "reverse"` and `way = "both"` of a scenario call theirs.
    let sent = end.sum_sent.as_ref();
    let ways: Vec<(String, &Sum, Option<&Sum>)> = match (start.bidir, start.reverse) {
        (0, 0) => vec![(family, received, sent)],
        (0, _) => vec![(format!("{family}_reverse"), received, sent)],
        (_, _) => {
            let back = end.sum_received_bidir_reverse.as_ref().ok_or("its receiver of the way back said nothing")?;
            let sent_back = end.sum_sent_bidir_reverse.as_ref();
            vec![(format!("{family}_bidir.forward"), received, sent), (format!("{family}_bidir.reverse"), back, sent_back)]
        }
    };
    let mut figures = Vec::new();
    for (name, received, sent) in ways {
        figures.push(figure(format!("{name}.goodput"), Unit::BitsPerSecond, Direction::HigherIsBetter, received.goodput()? * 8.0));
        if let Some(again) = sent.and_then(|sum| sum.retransmits) {
            figures.push(figure(format!("{name}.retransmits"), Unit::Count, Direction::LowerIsBetter, again));
        }
    }
    let version = answer.start.and_then(|start| start.version).unwrap_or_else(|| "iperf3 of an unknown version".to_owned());
    Ok(Baseline { version, figures })
}

fn figure(name: String, unit: Unit, direction: Direction, value: f64) -> Metric {
    Metric { name: name.as_str().into(), unit, direction, dimensions: BTreeMap::new(), samples: Samples::new(vec![value]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(protocol: &str, [reverse, bidir]: [u8; 2], bits: f64) -> String {
        let sum = format!(
            r#"{{"start": 0, "end": 2.0, "seconds": 2.0, "bytes": {}, "bits_per_second": {bits}, "retransmits": 3, "sender": true}}"#,
            bits / 4.0
        );
        let back = if bidir == 1 { format!(r#""sum_sent_bidir_reverse": {sum}, "sum_received_bidir_reverse": {sum},"#) } else { String::new() };
        format!(
            r#"{{"start": {{"connected": [], "version": "iperf 3.12", "test_start": {{"protocol": "{protocol}", "num_streams": 4, "reverse": {reverse}, "bidir": {bidir}}}}},
               "intervals": [], "end": {{"streams": [], "sum_sent": {sum}, {back} "sum_received": {sum},
               "cpu_utilization_percent": {{"host_total": 50.0, "remote_total": 40.0}}}}}}"#
        )
    }

    #[test]
    fn figures_have_our_names_and_units_and_are_those_of_the_receiver() {
        let text = result("TCP", [0, 1], 8e9);
        assert!(is_of_iperf3(&text) && !is_of_iperf3(r#"{"fio version": "fio-3.33", "jobs": []}"#) && !is_of_iperf3("{}") && !is_of_iperf3(""));
        let read = read(&text).expect("reads");
        let all: Vec<(&str, f64)> = read.figures.iter().map(|figure| (figure.name.0.as_str(), figure.samples.median())).collect();
        let both = ["forward", "reverse"].map(|way| ["goodput", "retransmits"].map(|word| format!("net.tcp_4_streams_bidir.{way}.{word}")));
        let wanted: Vec<(&str, f64)> = both.as_flattened().iter().map(String::as_str).zip([8e9, 3.0, 8e9, 3.0]).collect();
        assert_eq!(all, wanted);
        for (reverse, family) in [(0, "net.tcp_4_streams"), (1, "net.tcp_4_streams_reverse")] {
            let one_way = super::read(&result("TCP", [reverse, 0], 8e9)).expect("reads");
            let names: Vec<&str> = one_way.figures.iter().map(|figure| figure.name.0.as_str()).collect();
            assert_eq!(names, [format!("{family}.goodput"), format!("{family}.retransmits")]);
        }
        assert_eq!(read.version, "iperf 3.12");
    }

    #[test]
    fn what_failed_moved_nothing_or_is_no_tcp_is_no_baseline() {
        for (text, word) in [
            (result("UDP", [0, 0], 8e9), "not of TCP"),
            (result("TCP", [0, 0], 0.0), "no figure"),
            (result("TCP", [0, 0], 8e9).replace("sum_received", "sum_lost"), "receiver said nothing"),
            (r#"{"start": {}, "intervals": [], "end": {}, "error": "unable to connect"}"#.to_owned(), "unable to connect"),
            (r#"{"start": {"version": "iperf 3.12"}}"#.to_owned(), "no start"),
            (String::new(), "no result of iperf3"),
        ] {
            let why = read(&text).expect_err(word);
            assert!(why.contains(word), "{why}");
        }
    }
}
