use super::*;
use crate::limit::Bound;

const HEAD: &str = "schema = 1\nphase = 1\ntitle = \"t\"\nmax_age_hours = 24\n";
const CHECK: &str = "[[check]]\nid = \"nvme.link_width\"\nseverity = \"gate\"\ntitle = \"t\"\n";
const LIMIT: &str = "limit = { metric = \"m\", bound = { efficiency = 0.7 }, basis = { policy = \"x\" } }\n";

#[test]
fn a_gate_is_read_as_written() {
    let text = format!("{HEAD}scenarios = [\"storage-quick\"]\n{CHECK}ref = \"P1.PCI.01\"\nblocked_by = [\"C-01\"]\n{LIMIT}");
    let gate = parse("g.toml", &text).expect("parses");
    assert_eq!((gate.phase, gate.max_age_hours, gate.scenarios.len(), gate.requires.len()), (Phase::FIRST, 24, 1, 1));
    assert_eq!(gate.requires[0].limit.as_ref().map(|limit| limit.bound), Some(Bound::Efficiency(0.7)));
}

#[test]
fn a_gate_that_proves_nothing_or_says_nothing_is_refused_at_its_line() {
    let limit = |from: &str, to: &str| format!("{HEAD}{CHECK}{}", LIMIT.replace(from, to));
    let cases = [
        (format!("{}{CHECK}", HEAD.replace("schema = 1", "schema = 2")), 1, "schema = 1"),
        (format!("{}{CHECK}", HEAD.replace("phase = 1", "phase = 12")), 2, "12"),
        (format!("{}{CHECK}", HEAD.replace("\"t\"", "\" \"")), 3, "title"),
        (format!("{}{CHECK}", HEAD.replace("24", "0")), 4, "above 0"),
        (format!("{}{CHECK}", HEAD.replace("24", "-1")), 4, ""),
        (HEAD.to_owned(), 1, "check"),
        (format!("{HEAD}check = []\n"), 5, "severity `gate`"),
        (format!("{HEAD}{}", CHECK.replace("\"gate\"", "\"warn\"")), 5, "severity `gate`"),
        (format!("{HEAD}{}", CHECK.replace("\"gate\"", "\"must\"")), 7, "must"),
        (format!("{HEAD}{CHECK}{CHECK}"), 10, "twice"),
        (format!("{HEAD}{}", CHECK.replace("nvme.link_width", "")), 6, "check id"),
        (format!("{HEAD}{}", CHECK.replace("nvme.link_width", "width")), 6, "check id"),
        (format!("{HEAD}{}", CHECK.replace("nvme.link_width", "NVMe.width")), 6, "check id"),
        (format!("{HEAD}{}", CHECK.replace("title = \"t\"", "title = \"\"")), 8, "title"),
        (format!("{HEAD}{CHECK}ref = \"\"\n"), 9, "reference"),
        (format!("{HEAD}{CHECK}blocked_by = [\" \"]\n"), 9, "contradiction"),
        (format!("{HEAD}{CHECK}when = {{ contradiction = \"\", candidates = [\"a\"] }}\n"), 9, "contradiction"),
        (format!("{HEAD}{CHECK}when = {{ contradiction = \"C-22\", candidates = [] }}\n"), 9, "candidates"),
        (format!("{HEAD}{CHECK}when = {{ contradiction = \"C-22\" }}\n"), 9, "candidates"),
        (format!("{HEAD}{CHECK}colour = 1\n"), 9, "colour"),
        (format!("{HEAD}scenarios = [\"\"]\n{CHECK}"), 5, "scenario"),
        (format!("{HEAD}scenarios = [\"a\", \"a\"]\n{CHECK}"), 5, "twice"),
        (limit("\"m\"", "\"\""), 9, "metric"),
        (limit("0.7", "0.0"), 9, "share"),
        (limit("0.7", "1.1"), 9, "share"),
        (limit("0.7", "nan"), 9, "share"),
        (limit("efficiency = 0.7", "at_least = inf"), 9, "above 0"),
        (limit("efficiency = 0.7", "at_most = 0.0"), 9, "above 0"),
        (limit("\"x\"", "\"\""), 9, "basis"),
        (limit(", basis = { policy = \"x\" }", ""), 9, "basis"),
    ];
    for (text, line, words) in cases {
        let error = parse("g.toml", &text).expect_err(&text);
        assert!(error.line == line && error.message.contains(words), "line {line}, `{words}` for\n{text}\n{error}");
    }
}
