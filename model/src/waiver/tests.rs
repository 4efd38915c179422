use super::*;

const WAIVER: &str = "[[waiver]]\ncheck = \"nvme.link_width\"\nowner = \"ops\"\nreason = \"riser on order\"\nexpires = \"2027-01-31\"\n";

#[test]
fn a_waiver_is_read_as_written() {
    let waivers = parse("w.toml", &format!("schema = 1\n{WAIVER}")).expect("parses");
    assert_eq!((waivers.len(), waivers[0].expires.to_string().as_str()), (1, "2027-01-31"));
    assert!(parse("w.toml", "schema = 1\n").expect("none is fine").is_empty());
}

#[test]
fn one_subject_may_be_waived_beside_another_but_not_twice() {
    let of = |subject: &str| format!("{WAIVER}subject = \"{subject}\"\n");
    assert_eq!(parse("w.toml", &format!("schema = 1\n{}{}", of("a"), of("b"))).expect("two subjects").len(), 2);
    assert_eq!(parse("w.toml", &format!("schema = 1\n{}{}", of("a"), of("a"))).expect_err("twice").line, 9);
}

#[test]
fn a_waiver_that_nobody_answers_for_is_refused_at_its_line() {
    let cases = [
        (WAIVER.replace("nvme.link_width", " "), 3, "check"),
        (WAIVER.replace("ops", ""), 4, "answers"),
        (WAIVER.replace("riser on order", ""), 5, "why"),
        (WAIVER.replace("2027-01-31", "2027-02-30"), 6, ""),
        (WAIVER.replace("expires = \"2027-01-31\"\n", ""), 2, "expires"),
        (format!("{WAIVER}subject = \"\"\n"), 7, "subject"),
        (format!("{WAIVER}forever = true\n"), 7, "forever"),
    ];
    for (text, line, words) in cases {
        let error = parse("w.toml", &format!("schema = 1\n{text}")).expect_err(&text);
        assert!(error.line == line && error.message.contains(words), "line {line}, `{words}` for\n{text}\n{error}");
    }
}
