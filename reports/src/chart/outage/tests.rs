use assay_model::outage::{Flow, Span};

use super::*;

const MS: i64 = 1_000_000;

fn span(from: i64, to: i64) -> Span {
    Span { from_ns: from * MS, to_ns: to * MS }
}

fn ns(ms: i64) -> u64 {
    u64::try_from(ms * MS).expect("positive")
}

fn gap(last: i64, first: i64) -> Gap {
    let length = ns(first - last);
    Gap { last_good_ns: Some(last * MS), first_good_ns: Some(first * MS), at_least_ns: length, at_most_ns: Some(length), harness_ns: 0, lost: None }
}

fn way(flows: Vec<Vec<Gap>>) -> Way {
    let flow = |(number, gaps): (u16, Vec<Gap>)| Flow {
        flow: number,
        sent: 8000,
        lost: 0,
        duplicated: 0,
        reordered: 0,
        gaps_seen: u64::try_from(gaps.len()).expect("few"),
        gaps,
    };
    Way {
        from: "a".into(),
        to: "b".into(),
        injected: span(0, 2),
        healed: span(1500, 1504),
        earliest_ns: 0,
        uncertainty_ns: 0,
        listened: span(-2000, 6000),
        threshold_ns: 5_000_000,
        flows: (0..).zip(flows).map(flow).collect(),
    }
}

fn outage(ways: Vec<Way>) -> Outage {
    Outage { family: "bond.failover".into(), fault: "link-down".into(), node: "a".into(), port: "eth0".into(), ways }
}

/// Numbers of the attributes `names` of every shape of a class, in order.
fn shapes(svg: &Svg, class: &str, names: &[&str]) -> Vec<Vec<f64>> {
    let markup = svg.to_string();
    let all = markup.split('<').filter(|shape| shape.contains(&format!("class=\"{class}\"")));
    let number = |shape: &str, name: &str| {
        let rest = shape.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("{name} in {shape}")).1;
        rest.split_once('"').expect("an end").0.parse::<f64>().expect("a number")
    };
    all.map(|shape| names.iter().map(|name| number(shape, name)).collect()).collect()
}

/// What a place on the axis means, by two of its labels.
fn read(svg: &Svg) -> impl Fn(f64) -> f64 {
    let markup = svg.to_string();
    let place = |label: &str| {
        let before = markup.split_once(&format!(">{label}</text>")).unwrap_or_else(|| panic!("{label} in {markup}")).0;
        let rest = before.rsplit_once("x=\"").expect("a place").1;
        rest.split_once('"').expect("an end").0.parse::<f64>().expect("a number")
    };
    let (zero, thousand) = (place("0\u{202f}ms"), place("1000"));
    move |x| (x - zero) / (thousand - zero) * 1000.0
}

fn near(got: f64, wanted: f64) -> bool {
    (got - wanted).abs() < 3.0
}

#[test]
fn a_gap_is_drawn_where_it_was_and_as_long_as_it_was() {
    let drawing = picture(&outage(vec![way(vec![vec![], vec![gap(-4, 1509)]]), way(vec![vec![gap(2, 1700)], vec![]])]), &[]);
    let ms = read(&drawing.svg);
    let bars = shapes(&drawing.svg, "gap", &["x", "width", "y", "height"]);
    assert_eq!(bars.len(), 2);
    assert!(near(ms(bars[0][0]), -4.0) && near(ms(bars[0][0] + bars[0][1]), 1509.0), "{bars:?}");
    assert!(near(ms(bars[1][0]), 2.0) && near(ms(bars[1][0] + bars[1][1]), 1700.0), "{bars:?}");
    // Each in its direction, and there in the lane of its flow.
    let lanes = shapes(&drawing.svg, "lanes", &["y", "height"]);
    let inside = |bar: &[f64], lanes: &[f64], lane: f64| {
        let (from, to) = (lanes[0] + lane * lanes[1] / 2.0, lanes[0] + (lane + 1.0) * lanes[1] / 2.0);
        from <= bar[2] && bar[2] + bar[3] <= to
    };
    assert!(inside(&bars[0], &lanes[0], 1.0) && inside(&bars[1], &lanes[1], 0.0), "{bars:?} {lanes:?}");
    let acts = shapes(&drawing.svg, "act", &["x1"]);
    assert!(near(ms(acts[0][0]), 0.0) && near(ms(acts[1][0]), 1500.0), "{acts:?}");
    assert!(drawing.names.len() == 2 && f64::from(drawing.names[0]) < lanes[0][0] && f64::from(drawing.names[1]) < lanes[1][0]);
}

#[test]
fn a_gap_crosses_the_line_of_a_limit_exactly_when_it_is_longer() {
    for (length, limit, is_longer) in [(1100, 1000, true), (900, 1000, false), (240, 200, true), (160, 200, false)] {
        let drawing = picture(&outage(vec![way(vec![vec![gap(300, 300 + length)], vec![gap(2, 80)]])]), &[1e6 * f64::from(limit)]);
        let bars = shapes(&drawing.svg, "gap", &["x", "width"]);
        let lines = shapes(&drawing.svg, "limit", &["x1", "x2"]);
        assert_eq!((lines.len(), drawing.drawn.as_slice()), (1, &[true][..]));
        assert_eq!(bars[0][0] + bars[0][1] > lines[0][0], is_longer, "{length} {limit} {bars:?} {lines:?}");
        assert!(near(read(&drawing.svg)(lines[0][0]), 300.0 + f64::from(limit)), "it counts from the last good packet");
    }
}

#[test]
fn limits_that_lie_close_together_have_labels_that_do_not_touch_and_one_beyond_the_end_is_not_drawn() {
    let drawing = picture(&outage(vec![way(vec![vec![gap(0, 5000)]])]), &[200e6, 300e6, 1e9, 3600e9]);
    assert_eq!(drawing.drawn, [true, true, true, false]);
    let markup = drawing.svg.to_string();
    let labels: Vec<(f64, f64, f64)> = markup
        .split("<text ")
        .filter_map(|text| {
            let (attributes, rest) = text.split_once('>')?;
            let word = rest.split_once("</text>")?.0;
            let number = |name: &str| attributes.split_once(&format!("{name}=\""))?.1.split_once('"')?.0.parse::<f64>().ok();
            word.starts_with("limit").then_some(())?;
            Some((number("x")?, number("y")?, LETTER * count(word.chars().count())))
        })
        .collect();
    assert_eq!(labels.len(), 3);
    for (at, one) in labels.iter().enumerate() {
        assert!(labels[..at].iter().all(|other| other.1 != one.1 || other.0 + other.2 <= one.0 || one.0 + one.2 <= other.0), "{labels:?}");
        assert!(one.0 >= 0.0 && one.0 + one.2 <= 1040.0 && one.1 < f64::from(drawing.height));
    }
}

#[test]
fn without_a_gap_there_are_the_fault_and_the_limit_that_counts_from_it() {
    let drawing = picture(&outage(vec![way(vec![vec![]; 16])]), &[200e6]);
    assert!(shapes(&drawing.svg, "gap", &["x"]).is_empty());
    let ms = read(&drawing.svg);
    assert!(near(ms(shapes(&drawing.svg, "limit", &["x1"])[0][0]), 200.0));
    assert_eq!(shapes(&drawing.svg, "act", &["x1"]).len(), 2);
}

#[test]
fn what_was_never_heard_again_ends_in_a_point_and_not_in_an_edge() {
    let unended = Gap { first_good_ns: None, at_least_ns: ns(3000), at_most_ns: None, ..gap(-1, 0) };
    let drawing = picture(&outage(vec![way(vec![vec![unended]])]), &[1e9]);
    let (bars, ms) = (shapes(&drawing.svg, "gap", &["x", "width"]), read(&drawing.svg));
    assert!(near(ms(bars[0][0]), -1.0) && near(ms(bars[0][0] + bars[0][1]), 2999.0), "{bars:?}");
    assert_eq!(drawing.svg.to_string().matches("gap open").count(), 1);
    // What was never heard at all has no edge on either side, and no place for a limit to count from.
    let silent = Gap { last_good_ns: None, first_good_ns: None, at_least_ns: ns(8000), at_most_ns: None, ..gap(0, 0) };
    let drawing = picture(&outage(vec![way(vec![vec![silent]])]), &[1e9]);
    assert_eq!((drawing.svg.to_string().matches("gap open").count(), drawing.drawn), (2, vec![false]));
}

#[test]
fn a_gap_that_the_harness_may_have_made_looks_other_than_one_of_the_network() {
    let own = Gap { harness_ns: ns(6), at_least_ns: ns(2), ..gap(-500, -492) };
    let drawing = picture(&outage(vec![way(vec![vec![own, Gap { harness_ns: ns(40), ..gap(2, 1500) }]])]), &[]);
    assert_eq!((shapes(&drawing.svg, "gap own", &["x"]).len(), shapes(&drawing.svg, "gap", &["x"]).len()), (1, 1));
}

#[test]
fn many_flows_and_many_gaps_stay_within_the_lanes_and_a_page() {
    let gaps = |flow: i64| (0..16).map(|at| gap(at * 100 + flow / 8, at * 100 + 50)).collect();
    let flows: Vec<Vec<Gap>> = (0..256).map(gaps).collect();
    let drawing = picture(&outage(vec![way(flows.clone()), way(flows)]), &[1e9]);
    assert_eq!(drawing.left_out, 2 * (256 * 16 - BARS));
    let (bars, lanes) = (shapes(&drawing.svg, "gap", &["y", "height"]), shapes(&drawing.svg, "lanes", &["y", "height"]));
    let held = |bar: &Vec<f64>| lanes.iter().any(|lanes| lanes[0] - 0.1 <= bar[0] && bar[0] + bar[1] <= lanes[0] + lanes[1] + 0.1);
    assert!(bars.len() == 2 * BARS && bars.iter().all(held));
    assert!(drawing.svg.to_string().len() < 100_000 && drawing.height < 800);
}

#[test]
fn an_outage_of_nothing_and_one_of_absurd_times_are_drawn_without_panic() {
    let empty = picture(&outage(vec![]), &[1e9]);
    assert!(empty.names.is_empty() && empty.height > 0);
    let mut absurd = way(vec![vec![Gap { last_good_ns: Some(i64::MIN), first_good_ns: Some(i64::MAX), at_least_ns: u64::MAX, ..gap(0, 1) }]]);
    absurd.uncertainty_ns = u64::MAX;
    assert!(!picture(&outage(vec![absurd, way(vec![])]), &[f64::MAX, 0.0]).svg.to_string().contains("NaN"));
}
