use super::*;
use crate::contradiction::tests::CONTRADICTIONS;

const ENTRY: &str = r#"schema = 1
[[contradiction]]
id = "X-1"
statement = "this"
kind = "conflict"
why = "that"
blocks = [1]
candidates = [
  { id = "one", statement = "the first", set = [{ line = "drives", quantity = 2 }] },
  { id = "two", statement = "the second" },
]
resolution = ""
[[contradiction]]
id = "X-2"
derived_by = "memory.modules_fit"
"#;

fn edited(from: &str, to: &str) -> String {
    assert_eq!(ENTRY.matches(from).count(), 1, "`{from}` once in the sample");
    ENTRY.replace(from, to)
}

#[test]
fn the_reference_file_has_thirty_seven_entries_of_which_thirteen_are_derived() {
    let entries = parse("contradictions.toml", CONTRADICTIONS).expect("parses");
    assert_eq!(entries.len(), 37);
    assert_eq!(entries.iter().filter(|entry| entry.rule().is_some()).count(), 13);
}

#[test]
fn a_resolution_names_a_candidate_or_says_a_sentence() {
    let resolved = |text: &str| {
        let entries = parse("c.toml", &edited("resolution = \"\"", &format!("resolution = \"{text}\""))).expect(text);
        entries[0].declared()
    };
    assert!(!resolved("").is_resolved() && !resolved("   ").is_resolved());
    assert_eq!(resolved("one").chosen().map(|candidate| candidate.id.as_str()), Some("one"));
    let own = resolved("ops decided otherwise, ticket 42");
    assert!(own.is_resolved() && own.chosen().is_none());
}

#[test]
fn what_says_nothing_or_leads_nowhere_is_refused_where_it_stands() {
    let cases: &[(&str, &str, usize, &str)] = &[
        ("schema = 1", "schema = 3", 1, "schema = 1"),
        ("id = \"X-1\"", "id = \"\"", 3, "without an id"),
        ("id = \"X-2\"", "id = \"X-1\"", 14, "a second contradiction `X-1`"),
        ("statement = \"this\"\n", "", 2, "expected `statement`"),
        ("statement = \"this\"", "statement = \" \"", 2, "expected `statement`"),
        ("kind = \"conflict\"\n", "", 2, "expected `kind`"),
        ("kind = \"conflict\"", "kind = \"odd\"", 5, "impossible"),
        ("why = \"that\"\n", "", 2, "expected `why`"),
        ("blocks = [1]\n", "", 2, "expected `blocks`"),
        ("blocks = [1]", "blocks = [12]", 7, "phases run from 1 to 11"),
        ("id = \"two\"", "id = \"one\"", 10, "a second candidate"),
        ("id = \"two\"", "id = \"the other\"", 10, "without spaces"),
        ("\"the second\"", "\"\"", 10, "says nothing"),
        ("quantity = 2", "quantity = 0", 9, "at least 1"),
        (", quantity = 2", "", 9, "changes nothing"),
        ("quantity = 2", "expect = { modle = \"x\" }", 9, "Did you mean `model`?"),
        ("quantity = 2", "expect = { model = 4 }", 9, "text in quotes"),
        ("quantity = 2", "facts = { card = 4 }", 9, "Did you mean `cards`?"),
        ("quantity = 2", "quantty = 2", 9, "quantty"),
        ("resolution = \"\"", "resolution = \"tow\"", 12, "Did you mean `two`?"),
        ("resolution = \"\"", "resolution = \"yes\"", 12, "`one` or `two`"),
        // Long enough for a sentence, yet a single word: most likely a misspelt candidate.
        ("resolution = \"\"", "resolution = \"two-of-the-others\"", 12, "a sentence"),
        ("\"memory.modules_fit\"", "\"memory.modules\"", 15, "no rule is called `memory.modules`"),
        ("\"memory.modules_fit\"", "\"memory.module_fit\"", 15, "Did you mean `memory.modules_fit`?"),
        ("derived_by = \"memory.modules_fit\"", "derived_by = \"memory.modules_fit\"\nwhy = \"because\"", 16, "no `why` beside"),
        ("id = \"X-1\"", "id = \"X-1\"\nderived_by = \"memory.modules_fit\"", 7, "no `why` beside"),
        (
            "[[contradiction]]\nid = \"X-2\"",
            "[[contradiction]]\nid = \"X-3\"\nderived_by = \"memory.modules_fit\"\n[[contradiction]]\nid = \"X-2\"",
            18,
            "the same rule",
        ),
    ];
    for (from, to, line, part) in cases {
        let error = parse("c.toml", &edited(from, to)).expect_err(to);
        assert!(error.message.contains(part), "{to}: {error}");
        assert_eq!(error.line, *line, "{to}: {error}");
    }
}

#[test]
fn a_derived_entry_may_have_words_and_phases_of_its_own() {
    let text = edited("id = \"X-2\"", "id = \"X-2\"\nstatement = \"the order's words\"\nblocks = [9]\nchecks = [\"a.b\"]");
    let entries = parse("c.toml", &text).expect("parses");
    let found = entries[1].derived(&Finding { statement: "the rule's words".into(), why: "numbers".into() });
    assert_eq!((found.statement.as_str(), found.why.as_str()), ("the order's words", "numbers"));
    assert_eq!((found.blocks[0].number(), found.checks[0].as_str()), (9, "a.b"));
}
