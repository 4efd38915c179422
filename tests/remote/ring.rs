//! The links of corosync among three nodes, through the real command line: each is measured between every two nodes, and the clock of a node that is wrong is told of its pairs alone.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::namespaces::tool;
use crate::program;
use crate::sshd::{binary, until};
use crate::three::{ROUND, Triangle, figures, ways};

/// What the clock of the node is set wrong by, ns.
const WRONG: f64 = 20e6;
/// What the gate asks of clocks, ns: three times what it asks of a site, for this machine is slow to answer.
const LIMIT: f64 = 15e6;
/// Two links, each by its own addresses on the same three cables.
const ORDER: &str = r#"schema = 1
node_class = "node"
revision = "1"
[[line]]
name = "ports"
kind = "os"
quantity = 1
[line.expect]
state = "up"
[cluster]
nodes = 3
corosync_links = ["data", "ring1"]
[cluster.networks]
data = "ports"
ring1 = "ports"
"#;
/// What the gate of phase 3 asks for, but for round trips, whose time is this machine's: that they come back.
const GATE: &str = r#"schema = 1
phase = 3
title = "cluster"
max_age_hours = 1

[[check]]
id = "corosync.rtt"
severity = "gate"
title = "questions are answered on each link"
limit = { metric = "corosync.rtt.idle.lost_share", bound = { at_most = 0.1 }, basis = { policy = "nothing else is sent meanwhile" } }

[[check]]
id = "cluster.clocks"
severity = "gate"
title = "clocks of the nodes near to one another"
limit = { metric = "cluster.clock.offset", bound = { at_most = 15e6 }, basis = { policy = "test" } }
"#;

/// The triangle, with a second address of every node and a site that names both networks as links.
fn with_two_links() -> Triangle {
    let triangle = Triangle::new();
    let ends = triangle.ends();
    for (number, end) in (1..).zip(ends) {
        tool(&["ip", "-n", end, "address", "add", &format!("10.82.0.{number}/32"), "dev", "lo"]);
    }
    for (name, from, to) in [("ab", 0, 1), ("ac", 0, 2), ("bc", 1, 2)] {
        for (own, other) in [(from, to), (to, from)] {
            let (own_address, other_address) = (format!("10.82.0.{}", own + 1), format!("10.82.0.{}/32", other + 1));
            tool(&["ip", "-n", ends[own], "route", "add", &other_address, "dev", name, "src", &own_address]);
        }
    }
    let site = triangle.pair.path("site");
    let text = fs::read_to_string(site.join("site.toml")).expect("reads");
    let both = (1..=3).fold(text, |text, number| {
        let of = |network: &str| format!("{network}.{number}\"");
        text.replace(&format!("{} }}", of("data = \"10.81.0")), &format!("{}, {} }}", of("data = \"10.81.0"), of("ring1 = \"10.82.0")))
    });
    assert_eq!(both.matches("ring1").count(), 3, "{both}");
    fs::write(site.join("site.toml"), both).expect("writes");
    fs::write(site.join("bom.toml"), ORDER).expect("writes");
    fs::write(site.join("gates/phase-03.toml"), GATE).expect("writes");
    triangle
}

/// The scenario of the catalogue, once and shorter, among these nodes.
fn run(triangle: &Triangle, nodes: &str) -> Value {
    let path = triangle.pair.reduced("corosync-links", &[("repeats", "1"), ("runtime", "\"2s\"")]);
    let run = triangle.pair.assay(&["run", &path, "--nodes", nodes]);
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let stored = triangle.pair.stored("corosync-links");
    assert_eq!(stored["ended"], "completed", "{said}");
    stored
}

/// Verdicts of a check, with subjects and reasons, when nothing had disturbed the run.
fn judged(triangle: &Triangle, id: &str) -> Vec<(String, String, String)> {
    triangle.forget_disturbances("corosync-links");
    let gate = triangle.pair.assay(&["gate", "3", "--format", "json"]);
    let gate: Value = serde_json::from_slice(&gate.stdout).unwrap_or_else(|error| panic!("{error}: {gate:?}"));
    let word = |check: &Value, name: &str| check[name].as_str().unwrap_or_else(|| panic!("{check}")).to_owned();
    let of_id = gate["checks"].as_array().expect("checks").iter().filter(|check| check["id"] == id);
    of_id.map(|check| (word(check, "subject"), word(check, "verdict"), word(check, "reason"))).collect()
}

#[test]
fn every_link_of_corosync_is_measured_between_every_two_nodes_and_a_wrong_clock_is_told_of_its_own_pairs() {
    let triangle = with_two_links();
    let healthy = run(&triangle, "a,b,c");
    let twice = |ways: &[&'static str]| [ways, ways].concat();
    for name in ["corosync.rtt.idle.p50", "corosync.rtt.idle.lost_share"] {
        assert_eq!(ways(&figures(&healthy, name)), twice(&ROUND), "{name}: {healthy}");
    }
    assert_eq!(ways(&figures(&healthy, "cluster.clock.offset")), ROUND, "{healthy}");
    let links: Vec<&Value> =
        healthy["steps"][0]["metrics"].as_array().expect("metrics").iter().map(|metric| &metric["fact"]["dimensions"]["network"]).collect();
    assert!(["data", "ring1"].iter().all(|link| links.iter().filter(|other| **other == link).count() == links.len() / 2), "{links:?}");
    // All of them have one clock.
    assert!(figures(&healthy, "cluster.clock.offset").iter().all(|(_, offset)| *offset < LIMIT), "{healthy}");
    for (id, count) in [("corosync.rtt", 6), ("cluster.clocks", 3)] {
        let verdicts = judged(&triangle, id);
        assert!(verdicts.len() == count && verdicts.iter().all(|(_, verdict, _)| verdict == "pass"), "{id}: {verdicts:?}: {healthy}");
    }
    let report = triangle.report_of("corosync-links");
    let report = report.replace("<wbr>", "");
    for (name, links) in [("corosync.rtt.idle.p50", &["network data", "network ring1"][..]), ("cluster.clock.offset", &[""])] {
        let tables: Vec<&str> = report.split("<figure").filter(|figure| figure.contains(&format!("<b class=\"id\">{name}</b>"))).collect();
        assert_eq!(tables.len(), links.len(), "{name}: a table of each link");
        assert!(links.iter().all(|link| tables.iter().any(|table| table.contains(link))), "{tables:?}");
        // Asked from one end of a pair, it is known from both.
        assert!(tables.iter().all(|table| table.matches("class=\"mirrored\"").count() == 3), "{tables:?}");
    }
    fs::remove_dir_all(triangle.pair.path("runs")).expect("removes");

    // Of three nodes two: the third is not spoken for.
    run(&triangle, "a,b");
    for id in ["corosync.rtt", "cluster.clocks"] {
        let verdicts = judged(&triangle, id);
        let open: Vec<&str> = verdicts.iter().filter(|(_, verdict, _)| verdict == "inconclusive").map(|(_, _, why)| why.as_str()).collect();
        for pair in ["a and c", "b and c"] {
            assert!(open.iter().any(|why| why.contains(&format!("{pair} were not measured"))), "{id}: {verdicts:?}");
        }
    }
    fs::remove_dir_all(triangle.pair.path("runs")).expect("removes");

    // b says another time than it has: as if its clock were set wrong.
    let wrong = triangle.pair.path("wrong");
    let script = format!("#!/bin/sh\n{} \"$@\" | exec perl -pe 'BEGIN {{ $| = 1 }} s/(\"realtime_ns\":)(\\d+)/$1 . ($2 + {WRONG:.0})/e'\n", binary());
    program::write(&wrong, &script);
    let site = triangle.pair.path("site/site.toml");
    let text = fs::read_to_string(&site).expect("reads");
    let (before, of_b) = text.split_once("name = \"b\"").expect("a node b");
    let of_b = of_b.replacen(&format!("assay = \"{}\"", binary()), &format!("assay = \"{}\"", wrong.display()), 1);
    fs::write(&site, format!("{before}name = \"b\"{of_b}")).expect("writes");
    let planted = run(&triangle, "a,b,c");
    for (way, offset) in figures(&planted, "cluster.clock.offset") {
        assert!(if way.contains('b') { offset >= WRONG } else { offset < LIMIT }, "{way}: {offset}");
    }
    let verdicts = judged(&triangle, "cluster.clocks");
    for (subject, verdict, why) in &verdicts {
        let is_of_b = subject.contains("from=b") || subject.contains("to=b");
        assert_eq!(verdict, if is_of_b { "fail" } else { "pass" }, "{subject}: {why}");
    }
    assert_eq!(verdicts.len(), 3, "{verdicts:?}");
    until("the agents are gone", Duration::from_secs(20), || triangle.pair.left().is_empty());
}

#[test]
fn links_that_nobody_has_ordered_or_that_nodes_have_no_address_in_are_no_links() {
    let triangle = with_two_links();
    let refused = |words: &[&str], says: &str| {
        let output = triangle.pair.assay(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(says), "{words:?}: {said}");
    };
    refused(&["plan", "corosync-links", "--nodes", "a,b", "--network", "data"], "--network does not apply");
    let order = triangle.pair.path("site/bom.toml");
    fs::write(&order, ORDER.replace("[\"data\", \"ring1\"]", "[\"ring1\", \"ring2\"]").replace("ring1 = ", "ring2 = \"ports\"\nring1 = "))
        .expect("writes");
    refused(&["plan", "corosync-links", "--nodes", "a,b"], "no address of a in network `ring2`");
    fs::write(&order, ORDER.replace("corosync_links = [\"data\", \"ring1\"]\n", "")).expect("writes");
    refused(&["plan", "corosync-links", "--nodes", "a,b"], "`corosync_links` of [cluster] in bom.toml");
}
