//! On what perftest 4.5 of Debian 12 really wrote, on soft-RoCE in a virtual node: the figures are an emulator's, and some are none.

use super::*;

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("recorded/", $name))
    };
}

fn figure(results: &Results, name: &str) -> f64 {
    let found = results.figures.iter().find(|metric| metric.name.0.as_str() == name);
    let found =
        found.unwrap_or_else(|| panic!("{name} is not among {:?}", results.figures.iter().map(|metric| metric.name.0.as_str()).collect::<Vec<_>>()));
    found.samples.values()[0]
}

#[test]
fn what_it_prints_and_what_it_writes_are_the_same_figures() {
    for (table, json, name, expected) in [
        (recorded!("write_bw_gbits.txt"), recorded!("write_bw_gbits.json"), "net.rdma_write_64k_qp2", 0.057_914 * 1e9 / 8.0),
        (recorded!("write_bw_duration.txt"), recorded!("write_bw_duration.json"), "net.rdma_write_4k_qp1", 1.94 * 1_048_576.0),
    ] {
        for text in [table, json] {
            let results = read(text).expect("a result");
            let bandwidth = figure(&results, &format!("{name}.bandwidth"));
            assert!((bandwidth / expected - 1.0).abs() < 1e-6, "{bandwidth} {expected}");
            let rate = figure(&results, &format!("{name}.rate"));
            assert!(rate > 0.0 && (bandwidth / rate / 4096.0 > 0.9), "{rate}");
        }
    }
}

#[test]
fn a_read_counts_whole_and_a_write_to_and_fro() {
    for text in [recorded!("read_lat.txt"), recorded!("read_lat.json")] {
        let results = read(text).expect("a result");
        assert!((figure(&results, "net.rdma_read_latency_64_qp1.p50") - 82_840.0).abs() < 1e-6);
        assert!((figure(&results, "net.rdma_read_latency_64_qp1.p99_9") - 32_572_800.0).abs() < 1e-3);
        // The same table as of a write.
        let write = read(&text.replace("Read", "Write")).expect("a result");
        assert!((figure(&write, "net.rdma_write_latency_64_qp1.p50") - 2.0 * 82_840.0).abs() < 1e-6);
    }
}

#[test]
fn what_it_could_not_measure_is_no_figure() {
    for text in [recorded!("write_bw.txt"), recorded!("write_bw.json")] {
        let why = read(text).expect_err("0.00 MB/sec");
        assert!(why.contains("could not measure"), "{why}");
    }
    for text in [recorded!("write_lat.txt"), recorded!("write_lat.json")] {
        let why = read(text).expect_err("inf");
        assert!(why.contains("inf, no number"), "{why}");
    }
}

#[test]
fn what_is_cut_off_or_of_another_kind_is_refused() {
    let table = recorded!("write_bw_gbits.txt");
    assert!(read("").is_err() && read("{}").is_err());
    assert!(read(&table[..table.find("#bytes").expect("a head")]).expect_err("no results").contains("no line of results"));
    assert!(read(&table.replace("            0.000110", "")).expect_err("a column is missing").contains("4 columns under a head of 5"));
    assert!(read(&table.replace(": RC", ": UD")).expect_err("UD").contains("UD, ours RC"));
    assert!(read(&table.replace("RDMA_Write BW", "Atomic_BW")).is_err());
    // The unit that the head names and the rate of messages do not agree.
    assert!(read(&table.replace("Gb/sec", "MB/sec")).expect_err("another unit").contains("times its rate"));
    let json = recorded!("write_bw_gbits.json");
    assert!(read(&json.replace("BW_average: 0.057914", "BW_average: 3.14")).is_err());
    assert!(read(&json.replace("MsgRate: 0.000110,", "")).expect_err("no rate").contains("`rate`"));
}

#[test]
fn both_ways_have_a_name_of_their_own() {
    let text = recorded!("write_bw_gbits.txt").replace("RDMA_Write BW Test", "RDMA_Write Bidirectional BW Test");
    assert!(figure(&read(&text).expect("a result"), "net.rdma_write_64k_qp2_bidir.bandwidth") > 0.0);
}

#[test]
fn a_workload_of_ours_has_figures_of_the_names_that_perftest_s_have() {
    use assay_rdma::{Operation, Workload};
    let runtime = std::time::Duration::from_secs(1);
    let write = family(&Workload { pairs: 2, ..Workload::bandwidth(Operation::Write, 65536, runtime) });
    let read_latency = family(&Workload::latency(Operation::Read, 64, runtime));
    for (text, names) in [
        (recorded!("write_bw_gbits.txt"), vec![format!("{write}.bandwidth"), format!("{write}.rate")]),
        (recorded!("read_lat.txt"), vec![format!("{read_latency}.p50"), format!("{read_latency}.p99"), format!("{read_latency}.p99_9")]),
    ] {
        assert!(is_of_perftest(text));
        let baseline = baseline(text).expect("a result");
        assert_eq!(baseline.figures.iter().map(|metric| metric.name.0.to_string()).collect::<Vec<_>>(), names);
        let gate = crate::fio::baseline::requirements(&baseline, 90);
        assert!(gate.contains(&format!("id = \"{}\"", names[0])) && gate.contains("as perftest measured it"), "{gate}");
    }
    assert!(!is_of_perftest(r#"{"fio version": "fio-3.33"}"#));
}
