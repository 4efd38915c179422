//! The report of whole dossiers: golden files, markup that cannot be broken from the node, and charts that can be read without seeing.

use std::collections::BTreeSet;

use assay_reports::{dossier, html, text};

#[path = "report/markup.rs"]
mod markup;
#[path = "../specimen/specimen.rs"]
mod specimen;

use markup::{Piece, read, words};
use specimen::Specimen;

fn page(specimen: &Specimen) -> String {
    html::html(&specimen.dossier()).expect("renders")
}

fn every() -> Vec<(&'static str, Specimen)> {
    vec![
        ("held", specimen::held_node()),
        ("admitted", specimen::admitted_vm()),
        ("interrupted", specimen::interrupted()),
        ("empty", specimen::empty()),
        ("hostile", specimen::hostile()),
        ("nodes", specimen::nodes()),
    ]
}

#[test]
fn golden_reports_of_an_admitted_vm() {
    let specimen = specimen::admitted_vm();
    insta::assert_snapshot!("admitted_html", words(&page(&specimen)));
    insta::assert_snapshot!("admitted_text", text::text(&specimen.dossier()));
}

#[test]
fn golden_reports_of_a_held_node() {
    let specimen = specimen::held_node();
    insta::assert_snapshot!("held_html", words(&page(&specimen)));
    insta::assert_snapshot!("held_text", text::text(&specimen.dossier()));
}

#[test]
fn golden_reports_of_an_interrupted_run() {
    let specimen = specimen::interrupted();
    insta::assert_snapshot!("interrupted_html", words(&page(&specimen)));
    insta::assert_snapshot!("interrupted_text", text::text(&specimen.dossier()));
}

#[test]
fn golden_reports_of_an_empty_inventory() {
    let specimen = specimen::empty();
    insta::assert_snapshot!("empty_html", words(&page(&specimen)));
    insta::assert_snapshot!("empty_text", text::text(&specimen.dossier()));
}

#[test]
fn the_json_object_has_every_check_figure_and_contradiction() {
    let specimen = specimen::interrupted();
    let outcome = dossier::outcome(&specimen.dossier());
    assert_eq!(outcome.checks.len(), specimen.judgement.judged.len());
    insta::assert_snapshot!("interrupted_json", serde_json::to_string_pretty(&outcome).expect("serialises"));
    let held = specimen::held_node();
    let outcome = dossier::outcome(&held.dossier());
    assert_eq!((outcome.exit_code, outcome.contradictions.len(), outcome.metrics.len()), (1, 5, 6));
    assert!(outcome.contradictions.iter().any(|row| row.id == "C-02" && row.resolved) && outcome.contradictions.iter().any(|row| !row.resolved));
}

#[test]
fn the_same_dossier_gives_the_same_bytes() {
    assert_eq!(page(&specimen::held_node()), page(&specimen::held_node()));
}

#[test]
fn no_page_has_a_script_an_event_handler_or_a_way_out() {
    let tags = [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "svg",
        "symbol",
        "path",
        "circle",
        "rect",
        "line",
        "polyline",
        "polygon",
        "text",
        "use",
        "a",
        "div",
        "nav",
        "p",
        "ul",
        "ol",
        "li",
        "span",
        "main",
        "header",
        "h1",
        "h2",
        "h3",
        "dl",
        "dt",
        "dd",
        "b",
        "code",
        "section",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "article",
        "blockquote",
        "details",
        "summary",
        "figure",
        "figcaption",
        "pre",
        "footer",
        "wbr",
    ];
    for (name, specimen) in every() {
        let page = page(&specimen);
        assert!(
            page.contains("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"),
            "{name}"
        );
        for piece in read(&page) {
            let Piece::Open { tag, attributes } = piece else { continue };
            assert!(tags.contains(&tag.as_str()), "{name}: <{tag}>");
            for (attribute, value) in attributes {
                assert!(
                    !attribute.starts_with("on") && !["src", "style", "srcdoc", "action", "xlink:href"].contains(&attribute.as_str()),
                    "{name}: {tag} {attribute}={value}"
                );
                assert!(attribute != "href" || value.starts_with('#'), "{name}: {tag} leads to {value}");
            }
        }
    }
}

#[test]
fn attacks_from_the_node_are_shown_and_not_obeyed() {
    let hostile = specimen::hostile();
    let page = page(&hostile);
    assert!(!page.contains("<script") && !page.contains('\u{202e}') && !page.contains('\u{1b}'));
    let said = words(&page).replace(' ', "");
    assert!(
        said.contains("<script>alert(1)</script>") && said.contains("‹U+202E›gnp‹U+001B›[31m") && said.contains("{{7*7}}"),
        "the attack is readable"
    );
    let text = text::text(&hostile.dossier());
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && text.contains("‹U+001B›"));
}

#[test]
fn every_link_has_its_target_and_every_id_is_there_once() {
    for (name, specimen) in every() {
        let (mut ids, mut links) = (BTreeSet::new(), BTreeSet::new());
        for piece in read(&page(&specimen)) {
            let Piece::Open { attributes, .. } = piece else { continue };
            for (attribute, value) in attributes {
                match attribute.as_str() {
                    "id" => assert!(ids.insert(value.clone()), "{name}: id {value} twice"),
                    "href" => drop(links.insert(value.trim_start_matches('#').to_owned())),
                    "aria-labelledby" => drop(links.insert(value)),
                    _ => {}
                }
            }
        }
        assert!(links.is_subset(&ids), "{name}: {:?}", links.difference(&ids).collect::<Vec<_>>());
        assert!(links.len() > 10, "{name}: the page has its navigation");
    }
}

#[test]
fn every_chart_says_in_words_what_it_shows() {
    let page = page(&specimen::held_node());
    let pieces = read(&page);
    let mut charts = 0;
    for (at, piece) in pieces.iter().enumerate() {
        let Piece::Open { tag, attributes } = piece else { continue };
        let of = |wanted: &str| attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        if tag != "svg" || of("aria-hidden") == Some("true") {
            continue;
        }
        charts += 1;
        let label = of("aria-label").expect("a label");
        assert_eq!(of("role"), Some("img"));
        assert!(matches!(&pieces[at + 1], Piece::Open { tag, .. } if tag == "title"), "a title comes first");
        assert!(matches!(&pieces[at + 2], Piece::Text(title) if title.len() > 20), "{label}");
    }
    assert_eq!(charts, 3 + 2 + 2, "three bars, two latency curves, two series");
    assert_eq!(page.matches("<summary>Data</summary>").count(), 4, "each plot has its table");
    assert!(page.contains("All figures as a table"));
}

#[test]
fn no_section_is_empty() {
    for (name, specimen) in every() {
        let (mut inside, mut heading, mut said) = (None, false, 0);
        for piece in read(&page(&specimen)) {
            match piece {
                Piece::Open { tag, attributes } if tag == "section" => {
                    inside = attributes.into_iter().find(|(name, _)| name == "id").map(|(_, id)| id);
                    said = 0;
                }
                Piece::Close(tag) if tag == "section" => assert!(said > 0, "{name}: section {inside:?} says nothing"),
                Piece::Open { tag, .. } if tag == "h2" => heading = true,
                Piece::Close(tag) if tag == "h2" => heading = false,
                Piece::Text(text) if inside.is_some() && !heading => said += text.len(),
                Piece::Open { .. } | Piece::Close(_) | Piece::Text(_) => {}
            }
        }
    }
}

#[test]
fn a_report_of_a_full_node_stays_far_below_a_megabyte() {
    for (name, specimen) in every() {
        let size = page(&specimen).len();
        assert!(size < 600_000, "{name}: {size} bytes");
    }
}

#[test]
fn a_text_report_ends_with_verdict_worst_check_and_path_and_begins_with_verdict_gate_and_warnings() {
    for (name, specimen) in every() {
        let text = text::text(&specimen.dossier());
        let lines: Vec<&str> = text.lines().collect();
        let starts = |line: &str, words: &str| assert!(line.starts_with(words), "{name}: {line}");
        for (line, words) in lines.iter().zip(["verdict ", "gate ", "warnings "]) {
            starts(line, words);
        }
        for (line, words) in lines[lines.len() - 3..].iter().zip(["verdict: ", "worst: ", "report: "]) {
            starts(line, words);
        }
        assert!(lines[lines.len() - 4].is_empty(), "{name}: exactly three lines");
    }
}

#[test]
fn the_top_of_the_page_never_says_more_than_the_judgement() {
    let top = |specimen: &Specimen| words(&page(specimen)).lines().take_while(|line| !line.starts_with("Node |")).collect::<Vec<_>>().join("\n");
    let held = top(&specimen::held_node());
    assert!(held.contains("Held") && held.contains("fail") && !held.contains("Admitted"), "{held}");
    let interrupted = top(&specimen::interrupted());
    assert!(interrupted.contains("Held") && interrupted.contains("inconclusive") && !interrupted.contains("Admitted"), "{interrupted}");
    let mut absurd = specimen::interrupted();
    absurd.judgement.decision = assay_model::gate::Decision::Admit { warnings: vec![] };
    assert!(top(&absurd).contains("Do not rely on it"), "a judgement that contradicts itself is not smoothed over");
    let admitted = top(&specimen::admitted_vm());
    assert!(admitted.contains("Admitted") && admitted.contains("cpu.governor_alike"), "the warning stands at the top: {admitted}");
}

#[test]
fn what_is_a_part_of_a_phase_admits_to_nothing() {
    for (specimen, said) in [(specimen::admitted_vm(), "Passed"), (specimen::held_node(), "Not passed")] {
        let mut dossier = specimen.dossier();
        dossier.asked = "the isolation of guests from hosts".into();
        let page = html::html(&dossier).expect("renders");
        let title = page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).expect("a title");
        assert!(title.starts_with(&format!("{said}: the isolation of guests from hosts of ")), "{title}");
        let verdict = &page[page.find("id=\"verdict\"").expect("a verdict")..page.find("id=\"holds\"").expect("what holds")];
        assert!(verdict.contains(said) && verdict.contains("not judged: this is a part of what it asks"), "{verdict}");
        assert!(!["Admitted", "admitted", "Held", ">held"].iter().any(|word| verdict.contains(word)), "{verdict}");
        assert!(!page.contains("the gate admits"));
        let text = text::text(&dossier);
        let line = format!("the isolation of guests from hosts is {}", said.to_lowercase());
        assert!(text.matches(&line).count() == 2 && !text.contains("admitted"), "{text}");
    }
}

/// The tables from node by node: heading, and each cell's class with its words.
fn maps(page: &str) -> Vec<(String, Vec<(String, String)>)> {
    let (mut maps, mut heading, mut in_table, mut in_cell) = (Vec::<(String, Vec<(String, String)>)>::new(), None, false, false);
    for piece in read(page) {
        match piece {
            Piece::Open { tag, .. } if tag == "figure" => heading = Some(String::new()),
            Piece::Open { tag, attributes } if tag == "table" => {
                in_table = attributes.iter().any(|(name, value)| name == "class" && value == "heat");
                if in_table {
                    maps.push((heading.take().unwrap_or_default(), Vec::new()));
                }
            }
            Piece::Close(tag) if tag == "table" => in_table = false,
            Piece::Close(tag) if tag == "td" => in_cell = false,
            Piece::Open { tag, attributes } if in_table && tag == "td" => {
                in_cell = true;
                let class = attributes.into_iter().find(|(name, _)| name == "class").map(|(_, class)| class).unwrap_or_default();
                maps.last_mut().expect("a table").1.push((class, String::new()));
            }
            Piece::Text(text) => match (in_cell.then(|| maps.last_mut().and_then(|map| map.1.last_mut())).flatten(), &mut heading) {
                (Some((_, words)), _) => words.push_str(&format!("{text} ")),
                (None, Some(heading)) => heading.push_str(&text),
                (None, None) => {}
            },
            Piece::Open { .. } | Piece::Close(_) => {}
        }
    }
    maps
}

fn plain(text: &str) -> String {
    text.replace(['\u{202f}', '\u{a0}'], " ").trim().to_owned()
}

#[test]
fn every_pair_of_nodes_has_a_cell_and_one_without_a_figure_says_so_and_is_never_shaded() {
    let page = page(&specimen::nodes());
    let maps = maps(&page);
    let (heading, cells) = &maps[0];
    assert!(heading.starts_with("net.tcp_8_streams.goodput") && heading.contains("network data"), "{heading}");
    assert_eq!(cells.len(), 4 * 4);
    let cell = |from: usize, to: usize| (cells[from * 4 + to].0.as_str(), plain(&cells[from * 4 + to].1));
    assert_eq!(cell(0, 1), ("best", "188 Gbit/s best".into()));
    assert_eq!(cell(1, 0), ("shade0", "187.2 Gbit/s \u{2212}0.4 %".into()));
    assert_eq!(cell(0, 2).0, "shade3", "half of it");
    // The limit fails: the shade alone does not say so.
    assert_eq!(cell(2, 1), ("shade4", "21 Gbit/s \u{2212}88.8 % fail".into()));
    assert_eq!(cell(1, 2), ("unmeasured", "not measured".into()));
    for other in 0..3 {
        assert_eq!((cell(3, other).0, cell(other, 3).0), ("unmeasured", "unmeasured"), "nobody reached it");
    }
    assert!((0..4).all(|node| cell(node, node).0 == "self"));
    let words = plain(&words(&page));
    assert!(words.contains("7 of 12 pairs not measured. Of pve4 there is no figure at all."), "{words}");
    assert!(words.contains("Run 20261123T032000Z-net-pairs-9c9c between a, b has no figure: it failed: step tcp: cannot reach node b."));
}

#[test]
fn a_round_trip_is_one_figure_of_both_directions_and_a_doubtful_one_says_so() {
    let maps = maps(&page(&specimen::nodes()));
    let of = |heading: &str, step: &str| &maps.iter().find(|(name, _)| name.starts_with(heading) && name.contains(step)).expect("a table").1;
    let idle = of("net.rtt.idle.p99_9", "step idle");
    assert_eq!((idle[1].0.as_str(), plain(&idle[1].1)), ("best", "62 µs best".to_owned()));
    assert_eq!((idle[4].0.as_str(), plain(&idle[4].1)), ("mirrored", "as pve1 to pve2".to_owned()));
    assert_eq!((idle[2].0.as_str(), plain(&idle[2].1)), ("shade1", "71 µs +14.5 %".to_owned()));
    let loaded = of("net.rtt.idle.p99_9", "step loaded");
    assert_eq!((loaded[1].0.as_str(), plain(&loaded[1].1)), ("alone", "900 µs doubtful".to_owned()));
    assert!(words(&page(&specimen::nodes())).contains("Doubtful: something disturbed its step. 10 of 12 pairs not measured."));
    // With two nodes there are two cells, and of equal figures none is better.
    let two = of("path.mtu.bytes", "step mtu");
    assert_eq!(
        two.iter().map(|(class, words)| (class.as_str(), plain(words))).collect::<Vec<_>>(),
        [("self", "–".to_owned()), ("alone", "9000 B".to_owned()), ("alone", "9000 B".to_owned()), ("self", "–".to_owned())]
    );
}

#[test]
fn the_picture_of_an_outage_stands_beside_its_table_and_its_limits() {
    let page = page(&specimen::nodes());
    let said = plain(&words(&page));
    let section = said.split_once("\nOutages\n").expect("a section").1;
    let section = section.split_once("\nDrills on the cluster\n").expect("its end").0;
    insta::assert_snapshot!("outages", section);
    // The limits are those of the site, and judged ones carry the verdict on this very port.
    assert_eq!(section.matches("pass at most 1 s").count(), 1, "{section}");
    assert_eq!(section.matches("fail at most 1 s").count(), 1, "{section}");
    let pictures: Vec<&str> =
        page.split("<figure class=\"chart outage\">").skip(1).map(|rest| rest.split_once("</figure>").expect("ends").0).collect();
    assert_eq!(pictures.len(), 4);
    assert!(pictures.iter().all(|picture| picture.matches("class=\"lanes\"").count() == 2), "both directions");
    assert!(
        pictures[0].matches("class=\"limit\"").count() == 4 && pictures[2].matches("class=\"limit\"").count() == 2,
        "two limits each way, and one"
    );
    assert!(pictures[3].matches("class=\"gap\"").count() == 0 && pictures[3].contains("no gap of"), "nobody missed it");
    assert_eq!(pictures[2].matches("class=\"gap open\"").count(), 1, "one flow was never heard again");
    for (picture, port) in pictures.iter().zip(["ens1f0np0", "ens1f1np1"].iter().cycle()) {
        assert!(picture.contains(port) && picture.contains(">pve1 to pve2</text>") && picture.contains(">pve2 to pve1</text>"));
    }
}

#[test]
fn a_drill_on_a_cluster_shows_what_waited_what_the_cluster_said_and_what_is_lost() {
    let page = page(&specimen::nodes());
    let said = plain(&words(&page));
    let section = said.split_once("\nDrills on the cluster\n").expect("a section").1;
    let section = section.split_once("\nLatency and throughput\n").expect("its end").0;
    insta::assert_snapshot!("drills", section);
    let pictures: Vec<&str> =
        page.split("<figure class=\"chart outage drill\">").skip(1).map(|rest| rest.split_once("</figure>").expect("ends").0).collect();
    assert_eq!(pictures.len(), 2);
    // Both kinds of operations, and six states; the limit counts from the longest wait, and ends within both.
    assert!(pictures.iter().all(|picture| picture.matches("class=\"lanes\"").count() == 8 && picture.matches("class=\"limit\"").count() == 1));
    assert!(pictures[0].contains("hold what 6") && !pictures[0].contains("is not there"), "{}", pictures[0]);
    assert!(pictures[1].contains("lost at byte 4096") && pictures[1].contains("set back to that time"), "{}", pictures[1]);
}

#[test]
fn without_a_gate_that_limits_it_an_outage_has_no_line_and_says_so() {
    let mut specimen = specimen::nodes();
    specimen.site.gates.clear();
    let page = page(&specimen);
    assert!(!page.contains("class=\"limit\" x1=\"24") && page.matches("No gate of the site limits this outage.").count() == 4);
    let drawn =
        page.split("<figure class=\"chart outage\">").skip(1).any(|rest| rest.split_once("</figure>").expect("ends").0.contains("class=\"limit\""));
    assert!(!drawn);
}

#[test]
fn a_report_of_one_node_has_no_section_about_several() {
    for page in [page(&specimen::held_node()), page(&specimen::empty())] {
        assert!(
            !page.contains("id=\"between\"")
                && !page.contains("id=\"drills\"")
                && !page.contains("id=\"outages\"")
                && !page.contains("\"#outages\"")
                && !page.contains("\"#between\"")
        );
    }
}

#[test]
fn names_of_nodes_and_ports_that_attack_are_shown_in_pictures_and_tables_and_not_obeyed() {
    let page = page(&specimen::hostile());
    let outages = page.split_once("id=\"outages\"").expect("a section").1.split_once("</section>").expect("ends").0;
    let between = page.split_once("id=\"between\"").expect("a section").1.split_once("</section>").expect("ends").0;
    let drills = page.split_once("id=\"drills\"").expect("a section").1.split_once("</section>").expect("ends").0;
    for section in [outages, between, drills] {
        assert!(section.contains("&#60;script&#62;alert(1)") && !section.contains("<script") && !section.contains('\u{202e}'), "{section}");
    }
    assert!(outages.contains("<text class=\"way\"") && outages.contains("silent-link&#60;script"));
}

#[test]
fn of_several_limits_on_one_figure_each_is_shown_with_its_own_verdict() {
    let mut specimen = specimen::nodes();
    specimen.site.gates[0].phase = assay_model::phase::Phase::FIRST;
    let row = specimen.judgement.metrics.iter().find(|row| row.name.starts_with("bond.failover.outage")).expect("a row").name.clone();
    for judged in &mut specimen.judgement.judged {
        judged.check.subject.clone_from(&row);
        if judged.check.id.as_str() == "bond.sum" {
            judged.check.id = "bond.failover_expected".into();
        }
    }
    specimen.judgement.judged.retain(|judged| judged.check.evidence != [61]);
    let said = plain(&words(&page(&specimen)));
    let line = said.lines().find(|line| line.starts_with(&row) && line.contains("required: ")).expect("a line of the figure");
    assert!(line.contains("pass required: at most 1 s") && line.contains("fail required: at most 200 ms"), "{line}");
}

#[test]
fn notes_that_say_the_same_of_several_pairs_are_said_once() {
    let mut specimen = specimen::nodes();
    specimen.runs[0].steps[0].notes =
        [("TCP a-b", "MSS 1448"), ("TCP b-a", "MSS 1448"), ("TCP a-c", "MSS 8948")].map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let said = words(&page(&specimen));
    assert!(said.contains("TCP a-b, TCP b-a | MSS 1448") && said.matches("MSS 1448").count() == 1 && said.contains("TCP a-c | MSS 8948"), "{said}");
    assert!(said.contains("20261123T030000Z-net-pairs-1f2e on pve1-node1, between pve1, pve2, pve3, pve4"));
}
