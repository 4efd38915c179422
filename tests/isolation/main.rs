//! `assay isolation` through the real command line, in the network namespaces of `scenarios/tests/isolation`: what it stores, and what the gate of phase 2 makes of
//! that. Needs root and `ip` of iproute2. With ISOLATION_SECONDS=600 the whole ten minutes are listened, and the gate admits.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use assay_model::journal::fold;
use assay_model::run::{Ended, Run};
use serde_json::Value;

use command::{Answer, Assay};
use lab::{Lab, Planted, VLANS};
use leaks::{FLOODING, ISOLATION, LEAKS, Leak};

#[allow(dead_code, reason = "shared with the other tests of the command line")]
#[path = "../e2e/command.rs"]
mod command;
#[allow(dead_code, reason = "shared with the tests of the probes, which plant more")]
#[path = "../../scenarios/tests/isolation/lab.rs"]
mod lab;
#[allow(dead_code, reason = "shared with the tests of the probes, which plant all of them")]
#[path = "../../scenarios/tests/isolation/leaks.rs"]
mod leaks;
#[allow(dead_code, reason = "shared with the tests of the probes, which set up more of it")]
#[path = "../../scenarios/tests/isolation/switch.rs"]
mod switch;

/// What the gate asks to be listened for, seconds.
const WHOLE: u64 = 600;

/// The lab, and assay with the site of it in the folder `site`.
struct Stage {
    lab: Lab,
    assay: Assay,
}

fn seconds() -> u64 {
    std::env::var("ISOLATION_SECONDS").map_or(5, |text| text.parse().expect("seconds"))
}

fn write_site(assay: &Assay, folder: &str, name: &str, declared: &str) {
    let folder = assay.folder().join(folder);
    std::fs::create_dir_all(folder.join("gates")).expect("makes");
    let check = |id: &str| format!("[[check]]\nid = \"{id}\"\nseverity = \"gate\"\ntitle = \"guests are kept from hosts\"\n");
    let gate = format!("schema = 1\nphase = 2\ntitle = \"network\"\nmax_age_hours = 24\n{}{}", check(ISOLATION), check(FLOODING));
    for (file, text) in [
        // Nothing is ordered: there is no earlier phase to be admitted to.
        ("site.toml", format!("schema = 1\nname = \"{name}\"\nabsence = \"not_applicable\"\n")),
        ("declared.toml", declared.to_owned()),
        ("gates/phase-02.toml", gate),
    ] {
        std::fs::write(folder.join(file), text).expect("writes");
    }
}

/// Few services, so that a round takes seconds at the pace of the command.
fn declared() -> String {
    let all = lab::declared("");
    let begin = all.find("host_services = ").expect("services");
    let end = begin + all[begin..].find('\n').expect("a line");
    format!("{}host_services = [\"22/tcp\", \"5405/udp\"]{}", &all[..begin], &all[end..])
}

impl Stage {
    fn new(number: usize) -> Self {
        let stage = Self { lab: Lab::new(number), assay: Assay::new() };
        write_site(&stage.assay, "site", "lab", &declared());
        stage
    }

    fn words(&self, site: &str, vlans: &[u16]) -> Vec<String> {
        let guests = vlans.iter().flat_map(|vlan| ["--guest".to_owned(), format!("{vlan}={}:eth0", self.lab.space(&format!("p{vlan}")))]);
        let words = ["isolation", "--site", site, "--format", "json", "--seconds"].map(str::to_owned).into_iter();
        let witness = ["--witness".to_owned(), format!("{}:eth0", self.lab.space("host-a"))];
        words.chain([seconds().to_string()]).chain(guests).chain(witness).collect()
    }

    /// Tries from these VLANs.
    fn attempt(&self, site: &str, vlans: &[u16]) -> Answer {
        let words = self.words(site, vlans);
        self.assay.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Begins to try, and comes back in the middle of it.
    fn begin(&self) -> (Child, String) {
        let (words, before) = (self.words("site", &VLANS), self.assay.runs());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut child = self.assay.command(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        let begun = Instant::now();
        let is_new = |name: &String| !before.contains(name) && !name.starts_with('.');
        let name = loop {
            let journal = |name: &String| std::fs::read_to_string(self.run_folder(name).join("journal.jsonl")).unwrap_or_default();
            let runs = self.assay.runs();
            if let Some(name) = runs.iter().find(|name| is_new(name) && journal(name).contains("counters_before")) {
                break name.clone();
            }
            if begun.elapsed() > Duration::from_secs(60) {
                child.kill().and_then(|()| child.wait()).expect("ends");
                panic!("no run begins: {runs:?}");
            }
            wait(Duration::from_millis(20));
        };
        wait(Duration::from_secs(2));
        (child, name)
    }

    fn run_folder(&self, name: &str) -> std::path::PathBuf {
        self.assay.folder().join("runs").join(name)
    }

    fn stored(&self, name: &str) -> Run {
        fold(std::fs::read(self.run_folder(name).join("journal.jsonl")).expect("a journal")).expect("folds")
    }

    fn gate(&self, words: &[&str]) -> Answer {
        self.assay.run(&[&["gate", "2", "--format", "json", "--site", "site"], words].concat())
    }
}

fn wait(time: Duration) {
    #[allow(clippy::disallowed_methods, reason = "another process is waited for")]
    std::thread::sleep(time);
}

/// Verdict and reason of a check of one VLAN.
fn verdict<'a>(outcome: &'a Value, id: &str, vlan: u16) -> (&'a str, &'a str) {
    let checks = outcome["checks"].as_array().expect("a list");
    let mut of: Vec<_> = checks.iter().filter(|check| check["id"] == id && check["subject"] == format!("VLAN {vlan}")).collect();
    let check = of.pop().unwrap_or_else(|| panic!("no {id} of VLAN {vlan}: {outcome:#}"));
    assert!(of.is_empty(), "{id} of VLAN {vlan} twice: {outcome:#}");
    (check["verdict"].as_str().expect("a word"), check["reason"].as_str().expect("text"))
}

/// Both checks of every VLAN are inconclusive for this reason.
fn assert_doubtful(outcome: &Value, says: &str) {
    for (id, vlan) in [ISOLATION, FLOODING].into_iter().flat_map(|id| VLANS.map(|vlan| (id, vlan))) {
        let (rank, reason) = verdict(outcome, id, vlan);
        assert!(rank == "inconclusive" && reason.contains(says), "{id} of VLAN {vlan} is {rank}: {reason}; not `{says}`");
    }
}

/// What a clean layout is worth after the seconds that were listened.
fn assert_clean(answer: &Answer, vlans: &[u16]) {
    let (outcome, is_whole) = (answer.json(), seconds() >= WHOLE);
    for vlan in vlans {
        assert_eq!(verdict(&outcome, ISOLATION, *vlan).0, "pass", "VLAN {vlan}: {outcome:#}\n{}", answer.stderr);
        let (rank, reason) = verdict(&outcome, FLOODING, *vlan);
        let expected = if is_whole { ("pass", "") } else { ("inconclusive", "s of 600.0 s") };
        assert!(rank == expected.0 && reason.contains(expected.1), "VLAN {vlan} is {rank}: {reason}");
    }
}

fn leak(name: &str) -> &'static Leak {
    LEAKS.iter().find(|leak| leak.name == name).unwrap_or_else(|| panic!("no leak is called `{name}`"))
}

#[test]
fn a_clean_layout_is_stored_and_the_gate_takes_it_for_this_node_and_this_site_only() {
    let stage = Stage::new(0);
    let none = stage.gate(&[]);
    assert_doubtful(&none.json(), "there is no run of scenario vlan-isolation");
    assert_eq!(none.code, 3);

    let answer = stage.attempt("site", &VLANS);
    assert_clean(&answer, &VLANS);
    let (outcome, code) = (answer.json(), if seconds() >= WHOLE { 0 } else { 3 });
    assert_eq!(answer.code, code, "{}", answer.stderr);
    let name = outcome["run_id"].as_str().expect("an id").to_owned();
    let run = stage.stored(&name);
    assert_eq!((&run.ended, run.steps.len()), (&Ended::Completed, 1));
    assert_eq!(serde_json::from_slice::<Run>(&std::fs::read(stage.run_folder(&name).join("run.json")).expect("derived")).expect("reads"), run);
    everything_is_written_down(&run);
    let report = std::fs::read_to_string(stage.assay.folder().join(outcome["report"].as_str().expect("a report"))).expect("reads");
    for words in ["VLAN 10 from", "sets of beacons", "nothing that does not belong there", &name] {
        assert!(report.contains(words), "the report does not speak of `{words}`");
    }

    let gate = stage.gate(&[]);
    assert_clean(&gate, &VLANS);
    assert_eq!(gate.code, code, "{}", gate.stdout);
    assert!(gate.stdout.contains(&format!("run {name}, step attempt")), "{}", gate.stdout);
    assert_doubtful(&stage.gate(&["--reuse-none"]).json(), "there is no run of scenario vlan-isolation");

    // Of another node, of another site, or of what is not declared any more: it proves nothing.
    let words = ["selftest", "--write-node", "cloud-vm", "node.snap"];
    let written = stage.assay.run(&words);
    assert_eq!(written.code, 0, "{}", written.stderr);
    assert_doubtful(&stage.gate(&["--snapshot", "node.snap"]).json(), "the run is of ");
    write_site(&stage.assay, "site", "another", &declared());
    assert_doubtful(&stage.gate(&[]).json(), "the run was made for site lab, this is another");
    write_site(&stage.assay, "site", "lab", &declared().replace("\"10.99.0.11\"", "\"10.99.0.11\", \"10.99.0.12\""));
    assert_doubtful(&stage.gate(&[]).json(), "says otherwise now than when it was tried: [[network.protected]]");
    write_site(&stage.assay, "site", "lab", &declared());
    assert_clean(&stage.gate(&[]), &VLANS);

    // One that cannot be read does not make room for the older one that passed.
    let damaged = stage.run_folder("29991231T235959Z-vlan-isolation-00000000");
    std::fs::create_dir(&damaged).expect("makes");
    std::fs::write(damaged.join("journal.jsonl"), "garbage\n").expect("writes");
    let held = stage.gate(&[]);
    assert!(held.code == 3 && held.stdout.contains("run 29991231T235959Z-vlan-isolation-00000000: cannot fold"), "{}", held.stdout);
}

/// The journal holds each probe, from where it was sent, and what came.
fn everything_is_written_down(run: &Run) {
    let step = &run.steps[0];
    let found = &step.findings.as_ref().expect("findings").fact;
    let guests = found["findings"]["guests"].as_array().expect("a list");
    assert_eq!(guests.iter().map(|guest| guest["vantage"]["vlan"].as_u64().expect("a VLAN")).collect::<Vec<_>>(), VLANS.map(u64::from));
    for guest in guests {
        let times = |tried: &Value| tried["times"].as_object().expect("addresses").values().filter_map(Value::as_u64).sum::<u64>();
        let tried: u64 = guest["tried"].as_array().expect("a list").iter().map(times).sum();
        let sent = guest["health"]["sent"].as_u64().expect("a count");
        // What is sent besides answers questions.
        assert!(tried > 1000 && tried <= sent, "{tried} of {sent}");
        let of = |service: &str| guest["tried"].as_array().expect("a list").iter().any(|tried| tried["technique"]["service"] == service);
        assert!(["neighbour", "icmp", "22/tcp", "5405/udp", "443/tcp", "53/udp"].iter().all(|service| of(service)), "{}", guest["tried"]);
    }
    for vlan in VLANS {
        assert!(step.notes.keys().any(|name| name.starts_with(&format!("VLAN {vlan} from ")) && name.ends_with(", tried")), "{:?}", step.notes);
    }
    assert!(!step.notes.keys().any(|name| name.ends_with("not tried")), "{:?}", step.notes);
}

#[test]
fn leaks_doubts_and_interruptions_reach_the_gate_as_what_they_are() {
    let stage = Stage::new(1);
    for (name, vlan, check) in [("one VLAN of five is not apart", 30, ISOLATION), ("a guest's port is in both VLANs, untagged", 10, FLOODING)] {
        let leak = leak(name);
        let planted = Planted::new(&stage.lab, leak.changes);
        let answer = stage.attempt("site", &VLANS);
        drop(planted);
        for (by, answer) in [("the command", answer), ("the gate", stage.gate(&[]))] {
            let outcome = answer.json();
            let (rank, reason) = verdict(&outcome, check, vlan);
            assert!(answer.code == 1 && rank == "fail" && lab::missing(leak, reason).is_empty(), "{by}, {name}: {}, {rank}: {reason}", answer.code);
            let apart = verdict(&outcome, ISOLATION, 40);
            assert_ne!(apart.0, "fail", "{by}, {name}: VLAN 40 is accused: {}", apart.1);
        }
    }

    // Nobody was on VLAN 50; the others are as they are.
    let answer = stage.attempt("site", &VLANS[..4]);
    assert_eq!(answer.code, 3, "{}", answer.stderr);
    let gate = stage.gate(&[]);
    assert_clean(&gate, &VLANS[..4]);
    for id in [ISOLATION, FLOODING] {
        let outcome = gate.json();
        let (rank, reason) = verdict(&outcome, id, 50);
        assert!(rank == "inconclusive" && reason.contains("nobody probed from VLAN 50"), "{rank}: {reason}");
    }
    assert_eq!(gate.code, 3);

    // Killed in the middle, and stopped in the middle: neither passes, and neither is finished by somebody else.
    let (mut child, name) = stage.begin();
    child.kill().expect("kills");
    child.wait().expect("waits");
    assert_eq!(stage.stored(&name).ended, Ended::Interrupted);
    let gate = stage.gate(&[]);
    assert_doubtful(&gate.json(), "the run was interrupted");
    assert_eq!(gate.code, 3);
    for id in [name.as_str(), ""] {
        let words: Vec<&str> = ["run", "--resume", id].into_iter().filter(|word| !word.is_empty()).collect();
        assert_eq!(stage.assay.run(&words).code, 2, "{words:?}");
    }
    let (child, name) = stage.begin();
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    let answer = Answer::of(child.wait_with_output().expect("ends"));
    assert_eq!((answer.code, stage.stored(&name).ended), (3, Ended::Cancelled), "{}", answer.stdout);
    assert_doubtful(&stage.gate(&[]).json(), "the run was cancelled");
    assert!(Path::new(&stage.run_folder(&name).join("report.html")).exists());
}
