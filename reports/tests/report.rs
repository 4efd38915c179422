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
