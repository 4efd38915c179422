//! Snapshots: round trips of arbitrary nodes, hostile files, and what an unmentioned path means.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::host::{Host, HostError};

fn options() -> RecordingOptions {
    RecordingOptions { redact: false, tool: "assay 0.1.0".into(), now: jiff::Timestamp::UNIX_EPOCH }
}

fn answers() -> impl Strategy<Value = (Ask, Answer)> {
    let no = |ask: Ask| {
        let errno = (1..134).prop_map(|number| Answer::Refused(Errno::from_raw_os_error(number)));
        prop_oneof![Just(Answer::Absent), errno, any::<usize>().prop_map(Answer::TooLarge), any::<u16>().prop_map(Answer::Status)]
            .prop_map(move |answer| (ask.clone(), answer))
    };
    let text = vec("[^\\p{Cc}]{0,20}", 0..4).prop_map(|lines| lines.join("\n"));
    prop_oneof![
        text.clone().prop_map(|text| (Ask::Content, Answer::Text(text))),
        ("[A-Za-z: ]{1,5}", text).prop_map(|(label, text)| (Ask::Lines(label), Answer::Text(text))),
        vec(any::<u8>(), 0..200).prop_map(|bytes| (Ask::Bytes, Answer::Bytes(bytes))),
        vec("[^/]{1,8}", 0..4).prop_map(|mut names| {
            names.sort();
            (Ask::List, Answer::List(names))
        }),
        ".{1,20}".prop_map(|target| (Ask::Link, Answer::Link(target))),
        Just((Ask::Existence, Answer::Exists)),
        no(Ask::Content),
        no(Ask::List),
        no(Ask::Link),
        no(Ask::Existence),
    ]
}

fn node() -> impl Strategy<Value = BTreeMap<(String, Ask), Answer>> {
    let path = vec("[^/]{1,6}", 1..4).prop_map(|steps| format!("/{}", steps.join("/")));
    let plain = path.prop_filter("plain paths", |path| !path.split('/').any(|step| matches!(step, "." | "..")));
    btree_map(plain, vec(answers(), 1..3), 0..12).prop_map(|node| {
        node.into_iter().flat_map(|(path, given)| given.into_iter().map(move |(ask, answer)| ((path.clone(), ask), answer))).collect()
    })
}

proptest! {
    #[test]
    fn every_recording_survives_its_text(recorded in node()) {
        let snapshot = Snapshot::new(&options(), "node-1", recorded.clone());
        let text = snapshot.to_string();
        let read = Snapshot::parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&read, &snapshot);
        for ((path, ask), answer) in recorded {
            prop_assert_eq!(read.answer(&path, &ask), Some(answer));
        }
    }

    #[test]
    fn a_snapshot_cut_off_anywhere_is_refused(recorded in node(), cut in 0.0..1.0_f64) {
        let text = Snapshot::new(&options(), "node-1", recorded).to_string();
        let whole = text.trim_end();
        let mut ends = whole.char_indices().map(|(at, _)| at).collect::<Vec<_>>();
        ends.retain(|at| *at < whole.len());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index into a short list")]
        let at = ends[(cut * ends.len() as f64) as usize];
        prop_assert!(Snapshot::parse(&text[..at]).is_err(), "{}", &text[..at]);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(?s).{0,200}") {
        let _ = Snapshot::parse(&text);
    }

    #[test]
    fn no_line_after_a_good_header_makes_the_reader_panic(lines in vec("(/|\\||end |syscall:|a: )?[ -~]{0,30}", 0..8)) {
        let _ = Snapshot::parse(&format!("unmentioned: absent\n{}", lines.join("\n")));
    }
}

#[test]
fn hostile_files_are_refused_with_line_and_reason() {
    let long = format!("/{}", "x".repeat(1 << 20));
    for (text, line, reason) in [
        ("", 1, "nothing in it"),
        ("assay-snapshot 2\n", 1, "version `2`"),
        ("assay-snapshot 1\n/a: b\n", 2, "`end` line is missing"),
        ("assay-snapshot 1\n/a: b\nend 2\n", 3, "counts 2 answers and 1 were read"),
        ("assay-snapshot 1\n/a: b\nend 1\n/c: d\n", 4, "follows the `end` line"),
        ("assay-snapshot 1\nassay-snapshot 1\n", 2, "must come first"),
        ("tool: x\n/a: b", 2, "`assay-snapshot 1` is missing"),
        ("unmentioned: maybe\n", 1, "not a header line"),
        ("unmentioned: absent\nunmentioned: absent\n", 2, "given twice"),
        ("\u{7f}ELF", 1, "control character"),
        ("/a: b\r\n", 1, "control character"),
        ("/a: b\n/a: c", 2, "answered twice"),
        ("/a", 1, "says nothing"),
        ("/a: b\nhello", 2, "neither an answer nor `end`"),
        ("|text", 1, "follows nothing"),
        ("/a absent\n  |text", 2, "follows nothing"),
        ("/a absent: yes", 1, "is written"),
        ("/a error: EWHAT", 1, "not an errno"),
        ("/a error: errno 99999999999999999999", 1, "not an errno"),
        ("/a too-large: -1", 1, "not a number of bytes"),
        ("/a bytes: !!!!", 1, "not base64"),
        ("/a bytes:\n  |AAAA\n  |A\n/b: c", 4, "not base64"),
        ("/a list: b/c", 1, "not a name"),
        ("/a dance: b", 1, "not a kind of answer"),
        ("/a/../b: c", 1, "plain path"),
        ("/a//b: c", 1, "plain path"),
        ("/%zz: c", 1, "two hex digits"),
        ("/%ff: c", 1, "not UTF-8"),
        (long.as_str(), 1, "says nothing"),
    ] {
        let error = Host::from_snapshot(text).map(|_| ()).expect_err(text);
        let HostError::Snapshot { line: at, reason: why } = &error else { panic!("{error:?}") };
        assert!(*at == line && why.contains(reason) && why.len() < 300, "{text:.80}: {error}");
    }
}

#[test]
fn an_unmentioned_path_is_absent_only_in_fixtures() {
    let fixture = Host::from_snapshot("\n    /sys/class/nvme/nvme0/model: SAMSUNG\n    /sys/class/nvme/nvme1 absent\n").expect("a fixture");
    assert_eq!(fixture.list("/sys/class/nvme"), Ok(vec!["nvme0".into()]));
    assert_eq!(fixture.read_or_none("/sys/class/nvme/nvme0/serial"), Ok(None));
    assert_eq!(fixture.exists("/sys/class"), Ok(true));
    assert!(fixture.list("/sys/class/nvme/nvme0/model").is_err_and(|error| !error.is_absent()), "a file is no folder");

    let recording = Host::from_snapshot("assay-snapshot 1\n/sys/class/nvme/nvme0/model: SAMSUNG\nend 1").expect("a recording");
    assert_eq!(recording.read("/sys/class/nvme/nvme0/model"), Ok("SAMSUNG".into()));
    let error = recording.read_or_none("/sys/class/nvme/nvme0/serial").expect_err("nobody asked");
    assert_eq!(error.to_string(), "cannot read /sys/class/nvme/nvme0/serial: not recorded in the snapshot");
    assert!(recording.list_or_none("/sys/class/nvme").is_err());
}

#[test]
fn a_refusal_is_not_an_absence() {
    let host = Host::from_snapshot("/a error: EIO\n/b absent\n/c list error: EACCES\n/c: text").expect("a fixture");
    assert_eq!(host.read_or_none("/a").map_err(|error| error.chain()), Err("cannot read /a: Input/output error (os error 5)".into()));
    assert!(host.list_or_none("/a").is_err() && host.exists("/a").is_err());
    assert_eq!(host.read_or_none("/b"), Ok(None));
    assert!(host.list_or_none("/c").is_err() && host.read("/c") == Ok("text".into()));
}

#[test]
fn the_examples_of_the_documentation_are_read() {
    let page = include_str!("../../../../docs/snapshot-format.md");
    let examples: Vec<&str> = page.split("```text\n").skip(1).map(|rest| rest.split("```").next().expect("a block")).collect();
    assert_eq!(examples.len(), 2);
    let recording = Host::from_snapshot(examples[0]).expect("the recording");
    assert_eq!(recording.list("/sys/class/nvme"), Ok(vec!["nvme0".into(), "nvme1".into()]));
    assert_eq!(recording.lines("/proc/interrupts", "MCE").map(|line| line.contains("Machine check")), Ok(true));
    assert_eq!(recording.adjtimex().map(|clock| clock.max_error), Ok(25_000));
    assert_eq!(Host::from_snapshot(examples[1]).expect("the fixture").exists("/sys/class/nvme/nvme0"), Ok(true));
}
