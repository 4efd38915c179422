use super::*;
use crate::contradiction::tests::{CONTRADICTIONS, ordered};
use crate::parts::tests::shipped;

/// The reference contradictions with resolutions written into them.
fn resolved(resolutions: &[(&str, &str)]) -> String {
    let mut text = CONTRADICTIONS.to_owned();
    for (id, resolution) in resolutions {
        let at = text.find(&format!("id = \"{id}\"")).expect("the entry");
        let open = at + text[at..].find("resolution = \"\"").expect("its resolution");
        text.replace_range(open..open + "resolution = \"\"".len(), &format!("resolution = \"{resolution}\""));
    }
    text
}

fn resolve_all(resolutions: &[(&str, &str)]) -> Result<(Bom, Vec<Contradiction>), FileError> {
    let text = resolved(resolutions);
    let entries = contradiction::parse("contradictions.toml", &text)?;
    resolve(Document::new("contradictions.toml", &text), &ordered(), &shipped(), &entries)
}

fn quantity(bom: &Bom, name: &str) -> u32 {
    bom.line(name).expect("the line").quantity
}

fn by_id<'a>(contradictions: &'a [Contradiction], id: &str) -> &'a Contradiction {
    contradictions.iter().find(|contradiction| contradiction.id == id).unwrap_or_else(|| panic!("{id} is listed"))
}

#[test]
fn without_resolutions_the_order_stays_as_written() {
    let (bom, contradictions) = resolve_all(&[]).expect("sound");
    assert_eq!(bom, ordered());
    assert_eq!(contradictions.iter().filter(|contradiction| !contradiction.is_resolved()).count(), 37);
}

#[test]
fn a_chosen_candidate_changes_the_order_and_stays_listed_as_resolved() {
    let (bom, contradictions) = resolve_all(&[("C-01", "two-sockets"), ("C-02", "two-sockets")]).expect("sound");
    assert_eq!((quantity(&bom, "memory modules"), quantity(&bom, "processors")), (24, 2));
    assert_eq!(contradictions.len(), 37);
    assert!(by_id(&contradictions, "C-01").is_resolved() && by_id(&contradictions, "C-02").is_resolved());
    assert!(by_id(&contradictions, "C-01").why.contains("at most 24 modules"), "what it was about is still told");
}

#[test]
fn every_candidate_of_the_reference_site_can_be_chosen() {
    let entries = contradiction::parse("contradictions.toml", CONTRADICTIONS).expect("parses");
    for entry in &entries {
        for candidate in entry.candidates() {
            let (_, contradictions) =
                resolve_all(&[(entry.id(), &candidate.id)]).unwrap_or_else(|error| panic!("{} {}: {error}", entry.id(), candidate.id));
            assert!(by_id(&contradictions, entry.id()).is_resolved());
        }
    }
}

#[test]
fn a_decision_in_words_changes_no_line() {
    let (bom, contradictions) = resolve_all(&[("C-01", "the vendor will say on Monday")]).expect("sound");
    assert_eq!(bom, ordered());
    assert!(by_id(&contradictions, "C-01").is_resolved());
}

#[test]
fn resolutions_that_disagree_are_refused() {
    let error = resolve_all(&[("C-01", "two-sockets"), ("C-02", "one-socket")]).expect_err("one socket and two");
    assert!(error.message.contains("sets quantity of `processors` to 1") && error.message.contains("C-01 sets it to 2"), "{error}");
    assert!(error.to_string().contains("resolution = \"one-socket\""), "{error}");
}

#[test]
fn a_candidate_that_leaves_the_contradiction_is_refused() {
    let text = resolved(&[("C-01", "two-sockets")]).replace(
        "{ line = \"memory modules\", quantity = 24, expect = { configured_speed = 4800 } }",
        "{ line = \"memory modules\", quantity = 60 }",
    );
    let entries = contradiction::parse("c.toml", &text).expect("parses");
    let error = resolve(Document::new("c.toml", &text), &ordered(), &shipped(), &entries).expect_err("60 do not fit either");
    assert!(error.message.contains("it still holds") && error.message.contains("60 modules"), "{error}");
}

#[test]
fn what_another_resolution_settles_is_listed_as_settled() {
    let (bom, contradictions) = resolve_all(&[("C-05", "two-cards")]).expect("sound");
    assert_eq!(bom.line("fast ports").and_then(|line| line.fact("cards")), Some(2));
    assert_eq!(by_id(&contradictions, "C-06").resolution.as_deref(), Some(SETTLED));
    let (_, contradictions) = resolve_all(&[("C-05", "one-card")]).expect("sound");
    assert!(!by_id(&contradictions, "C-06").is_resolved());
}

#[test]
fn what_a_resolution_brings_about_is_a_contradiction_of_its_own() {
    let text = resolved(&[("C-02", "two-sockets")]).replacen(
        "set = [{ line = \"processors\", quantity = 2 }]",
        "set = [{ line = \"processors\", quantity = 3 }]",
        1,
    );
    let entries = contradiction::parse("c.toml", &text).expect("parses");
    let (_, contradictions) = resolve(Document::new("c.toml", &text), &ordered(), &shipped(), &entries).expect("sound otherwise");
    let new = by_id(&contradictions, "cpu.sockets");
    assert!(!new.is_resolved() && new.why.contains("at most 2 sockets"), "{new:?}");
}

#[test]
fn a_candidate_must_fit_the_order_even_before_it_is_chosen() {
    for (from, to, part) in [
        ("{ line = \"data drives\", part = \"kioxia-cm7-r\" }", "{ line = \"data drive\", part = \"kioxia-cm7-r\" }", "Did you mean `data drives`?"),
        ("part = \"kioxia-cm7-r\"", "part = \"kioxia-cm7\"", "Did you mean `kioxia-cm7-r`?"),
        ("{ line = \"data drives\", part = \"kioxia-cm7-r\" }", "{ line = \"memory modules\", part = \"kioxia-cm7-r\" }", "no `part`"),
    ] {
        assert!(CONTRADICTIONS.contains(from), "{from}");
        let text = CONTRADICTIONS.replacen(from, to, 1);
        let entries = contradiction::parse("c.toml", &text).expect("parses");
        let error = resolve(Document::new("c.toml", &text), &ordered(), &shipped(), &entries).expect_err(to);
        assert!(error.message.contains(part), "{error}");
    }
}
