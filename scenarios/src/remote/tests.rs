//! The far end over pipes, without SSH: every sentence that a hostile or a dead near end can say. The near end against real and lying agents is in `tests/remote`.

use std::io::{self, BufRead as _, BufReader, PipeReader, PipeWriter, Write as _};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::message::{TaskEnded, encode};
use super::serve::serve_with;
use super::task::spec;
use super::*;

const TEST_TASKS: &[TaskEntry] = &[
    TaskEntry { name: "echo", describe: "Says its spec as an event and as its result.", run: echo },
    TaskEntry { name: "sleep", describe: "Waits for the word to stop.", run: sleep },
    TaskEntry { name: "panic", describe: "Panics.", run: |_, _| panic!("planted") },
    TaskEntry { name: "flood", describe: "Says events until nobody hears.", run: flood },
];

fn echo(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    context.emit(&value)?;
    Ok(value)
}

fn sleep(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let most: u64 = spec(value)?;
    if context.stop().wait(Duration::from_millis(most)) { Err(TaskError::cancelled()) } else { Ok(json!("slept")) }
}

fn flood(_: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    loop {
        context.emit(&"x".repeat(1 << 20))?;
    }
}

/// An agent in this process, and the near end's hands on it.
struct Agent {
    to: Option<PipeWriter>,
    from: BufReader<PipeReader>,
    served: JoinHandle<(Served, Vec<String>)>,
}

fn identity() -> Identity {
    Identity { assay: "1.2.3".into(), revision: "abc".into(), hostname: "far".into(), boot_id: "boot".into() }
}

fn hello() -> Hello {
    Hello { silence_ms: Some(30_000), ..Hello::of(&identity()) }
}

impl Agent {
    fn start() -> Self {
        let (input, to) = io::pipe().expect("a pipe");
        let (from, output) = io::pipe().expect("a pipe");
        let options = AgentOptions { faults: Path::new("/nonexistent/assay-faults").to_owned(), watchdog: Vec::new() };
        let served = thread::spawn(move || {
            let mut log = Vec::new();
            let served = serve_with(TEST_TASKS, input, output, &identity(), &options, &mut |line| log.push(line.to_owned()));
            (served, log)
        });
        Self { to: Some(to), from: BufReader::new(from), served }
    }

    fn greeted() -> Self {
        Self::greeted_by(hello())
    }

    /// By a near end that may be silent for half a second only.
    fn impatient() -> Self {
        Self::greeted_by(Hello { silence_ms: Some(500), ..hello() })
    }

    fn greeted_by(hello: Hello) -> Self {
        let mut agent = Self::start();
        assert!(matches!(agent.hear(), Some(FromAgent::Hello(theirs)) if theirs.protocol == PROTOCOL && theirs.hostname == "far"));
        agent.say(&ToAgent::Hello(hello));
        agent
    }

    fn say(&mut self, message: &ToAgent) {
        let line = encode(message).expect("JSON");
        self.write(line.as_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        // An agent that has had enough does not read on.
        let _ = self.to.as_mut().expect("open").write_all(bytes);
    }

    fn start_task(&mut self, id: u64, task: &str, spec: Value) {
        self.say(&ToAgent::Start { id, task: task.into(), spec });
    }

    fn hear(&mut self) -> Option<FromAgent> {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("reads");
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The result of a task; its events are left out.
    fn result(&mut self, id: u64) -> TaskEnded {
        loop {
            match self.hear().expect("a result") {
                FromAgent::Result { id: own, ended } if own == id => return ended,
                FromAgent::Event { .. } | FromAgent::Pong { .. } => {}
                other @ (FromAgent::Hello(_) | FromAgent::Result { .. } | FromAgent::Bye { .. }) => panic!("{other:?}"),
            }
        }
    }

    /// How it ended, and the last words that it said.
    fn end(mut self) -> (Served, Option<String>) {
        let mut last = None;
        while let Some(message) = self.hear() {
            if let FromAgent::Bye { why } = message {
                last = why;
            }
        }
        (self.served.join().expect("does not panic").0, last)
    }
}

fn kind(ended: &TaskEnded) -> Option<TaskErrorKind> {
    match ended {
        TaskEnded::Ok(_) => None,
        TaskEnded::Error(error) => Some(error.kind),
    }
}

#[test]
fn tasks_run_at_once_and_each_has_its_own_events_and_its_own_result() {
    let mut agent = Agent::greeted();
    agent.start_task(1, "sleep", json!(60_000));
    agent.start_task(2, "echo", json!({"a\nb": "\u{2028}ü"}));
    assert_eq!(agent.hear(), Some(FromAgent::Event { id: 2, value: json!({"a\nb": "\u{2028}ü"}) }));
    assert_eq!(agent.result(2), TaskEnded::Ok(json!({"a\nb": "\u{2028}ü"})));
    agent.say(&ToAgent::Ping { n: 7 });
    assert_eq!(agent.hear(), Some(FromAgent::Pong { n: 7 }));
    agent.say(&ToAgent::Cancel { id: 1 });
    assert_eq!(kind(&agent.result(1)), Some(TaskErrorKind::Cancelled));
    // The word may come too late.
    agent.say(&ToAgent::Cancel { id: 2 });
    agent.say(&ToAgent::Bye);
    assert_eq!(agent.end(), (Served::Bye, None));
}

#[test]
fn an_unknown_task_a_wrong_spec_and_a_panic_are_errors_of_that_task_only() {
    let mut agent = Agent::greeted();
    for (id, task, spec, expected) in [
        (1, "format", json!({}), TaskErrorKind::Unknown),
        (2, "sleep", json!("long"), TaskErrorKind::Spec),
        (3, "panic", json!(null), TaskErrorKind::Failed),
    ] {
        agent.start_task(id, task, spec);
        let ended = agent.result(id);
        assert_eq!(kind(&ended), Some(expected), "{ended:?}");
    }
    agent.start_task(4, "echo", json!(4));
    assert_eq!(agent.result(4), TaskEnded::Ok(json!(4)));
    agent.say(&ToAgent::Bye);
    assert_eq!(agent.end().0, Served::Bye);
}

#[test]
fn the_end_of_the_connection_stops_every_task() {
    let mut agent = Agent::greeted();
    for id in 1..=20 {
        agent.start_task(id, "sleep", json!(600_000));
    }
    agent.say(&ToAgent::Ping { n: 1 });
    assert_eq!(agent.hear(), Some(FromAgent::Pong { n: 1 }));
    let begin = Instant::now();
    agent.to = None;
    assert!(matches!(agent.end().0, Served::Lost(why) if why.contains("has ended")));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn a_silent_near_end_is_given_up_within_the_time_that_it_stated() {
    let mut agent = Agent::impatient();
    agent.start_task(1, "sleep", json!(600_000));
    let begin = Instant::now();
    let (served, _) = agent.served_only();
    assert!(matches!(served, Served::Lost(why) if why.contains("silent for 500ms")));
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn a_near_end_that_does_not_read_holds_up_no_task_for_ever() {
    let mut agent = Agent::impatient();
    agent.start_task(1, "flood", json!(null));
    let begin = Instant::now();
    // Nothing is read and nothing more is said: the pipe fills, the task waits, the silence ends it.
    let (served, _) = agent.served_only();
    assert!(matches!(served, Served::Lost(_)) && begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

impl Agent {
    fn served_only(self) -> (Served, Vec<String>) {
        let Self { to, from, served } = self;
        let ended = served.join().expect("does not panic");
        drop((to, from));
        ended
    }
}

#[test]
fn another_version_is_told_both_versions() {
    let other =
        [Hello { protocol: PROTOCOL + 1, ..hello() }, Hello { assay: "9.9.9".into(), ..hello() }, Hello { revision: "def".into(), ..hello() }];
    for theirs in other {
        let mut agent = Agent::start();
        agent.hear();
        agent.say(&ToAgent::Hello(theirs.clone()));
        let (served, told) = agent.end();
        let told = told.expect("told why");
        assert_eq!(served, Served::Declined(told.clone()));
        assert!(told.contains(&theirs.version()) && told.contains(&hello().version()), "{told}");
    }
}

#[test]
fn hostile_sentences_end_the_session_and_are_named() {
    let start = |id| encode(&ToAgent::Start { id, task: "echo".into(), spec: json!(1) }).expect("JSON");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"GET / HTTP/1.1\n".to_vec(), "is no message of this protocol"),
        (b"{\"kind\":\"reboot\"}\n".to_vec(), "unknown variant"),
        (b"{\"kind\":\"start\",\"id\":-1,\"task\":\"echo\",\"spec\":1}\n".to_vec(), "no message"),
        (b"{\"kind\":\"start\",\"id\":1}\n".to_vec(), "missing field"),
        (b"\xff\xfe\n".to_vec(), "no UTF-8"),
        (vec![b'x'; LINE_MAX + 2], "more than"),
        (format!("{{\"kind\":\"start\",\"id\":1,\"task\":\"echo\",\"spec\":{}\n", "[".repeat(200_000)).into_bytes(), "recursion limit"),
        (b"\n".to_vec(), "no message"),
        (format!("{}{}", start(5), start(5)).into_bytes(), "task 5 was begun after task 5"),
        (format!("{}{}", start(5), start(4)).into_bytes(), "task 4 was begun after task 5"),
        (encode(&ToAgent::Cancel { id: 9 }).expect("JSON").into_bytes(), "never begun"),
        (encode(&ToAgent::Hello(hello())).expect("JSON").into_bytes(), "second hello"),
    ];
    for (bytes, part) in cases {
        let mut agent = Agent::greeted();
        agent.write(&bytes);
        // Nothing more comes, should it wait for the rest of a line.
        if bytes.ends_with(b"\n") {
            let (served, told) = agent.end();
            let (Served::Declined(why) | Served::Lost(why)) = &served else { panic!("{part}: {served:?}") };
            assert!(why.contains(part), "{part}: {why}");
            assert!(told.is_none_or(|told| told == *why));
        } else {
            let (served, _) = agent.served_only();
            assert!(matches!(&served, Served::Lost(why) if why.contains(part)), "{part}: {served:?}");
        }
    }
    for first in ["", "{}", "{\"kind\":\"ping\",\"n\":1}", "ssh: banner", "{\"kind\":\"hello\"}", "{\"kind\":\"hello\",\"protocol\":\"one\"}"] {
        let mut agent = Agent::start();
        agent.hear();
        agent.write(format!("{first}\n").as_bytes());
        let (served, told) = agent.end();
        assert!(matches!(served, Served::Declined(_)) && told.expect("told").contains("expected the hello"), "{first}");
    }
}

#[test]
fn every_message_is_one_line_and_comes_back_as_it_was() {
    let hostile = json!({"text": "a\nb\r\u{0}\u{2028}\u{1b}[2J\"\\", "number": 1.0e300, "deep": [[[]]]});
    let to = [
        ToAgent::Hello(hello()),
        ToAgent::Start { id: u64::MAX, task: "\n".into(), spec: hostile.clone() },
        ToAgent::Cancel { id: 0 },
        ToAgent::Ping { n: 1 },
        ToAgent::Bye,
    ];
    for message in to {
        let line = encode(&message).expect("JSON");
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(serde_json::from_str::<ToAgent>(&line).expect("reads"), message);
    }
    let error = TaskError { kind: TaskErrorKind::Refused, message: "no".into() };
    let from = [
        FromAgent::Hello(Hello { healed: vec!["a".into()], ..hello() }),
        FromAgent::Event { id: 1, value: hostile.clone() },
        FromAgent::Result { id: 1, ended: TaskEnded::Ok(hostile) },
        FromAgent::Result { id: 1, ended: TaskEnded::Ok(Value::Null) },
        FromAgent::Result { id: 2, ended: TaskEnded::Error(error) },
        FromAgent::Pong { n: 1 },
        FromAgent::Bye { why: None },
        FromAgent::Bye { why: Some("x".into()) },
    ];
    for message in from {
        let line = encode(&message).expect("JSON");
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(serde_json::from_str::<FromAgent>(&line).expect("reads"), message, "{line}");
    }
}
