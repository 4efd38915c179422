//! Questions to the Ceph cluster that a node belongs to: commands of its monitors and managers, by librados (1-6 ms each), or by the program `ceph` where the
//! library is not installed (half a second each). They are asked as `client.admin`, change nothing, and each has a deadline. Of an answer only the fields that
//! `ceph/answer.rs` names are kept and written down, as JSON with a line per element: an answer may have a thousand placement groups, and secrets beside facts.

use std::borrow::Cow;
use std::fmt;
use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use super::answer::{Answer, Ask};
use super::live::{Live, Refusal};
use super::{Act, Host, HostError, TABLE_MAX, command, locked, taken};
use crate::sys::rados::{Daemon, NoConnection, Rados};

pub(crate) mod answer;
mod lines;

/// Where the configuration stands; on Proxmox VE a link to `/etc/pve/ceph.conf`.
pub(crate) const CONFIGURATION: &str = "/etc/ceph/ceph.conf";
/// How long a call waits for an answer: a probe may hang for as long once per daemon, and takes more time than others for that.
const PATIENCE_SECONDS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(3);
/// How the text of an answer begins that was not understood.
const FAILED: &str = "failed: ";

/// One command that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CephCommand {
    daemon: Daemon,
    prefix: &'static str,
    argument: Option<(&'static str, Cow<'static, str>)>,
}

impl CephCommand {
    pub(crate) const fn monitor(prefix: &'static str) -> Self {
        Self { daemon: Daemon::Monitor, prefix, argument: None }
    }

    pub(crate) const fn manager(prefix: &'static str) -> Self {
        Self { daemon: Daemon::Manager, prefix, argument: None }
    }

    /// The same with the one argument that it takes.
    pub(crate) fn with(self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        Self { argument: Some((name, value.into())), ..self }
    }

    fn json(&self) -> String {
        let mut command = serde_json::json!({ "prefix": self.prefix, "format": "json" });
        if let Some((name, value)) = &self.argument {
            // What the managers call by this name is a list.
            command[*name] = if *name == "dumpcontents" { Value::from(vec![value.as_ref()]) } else { Value::from(value.as_ref()) };
        }
        command.to_string()
    }
}

impl fmt::Display for CephCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix)?;
        self.argument.as_ref().map_or(Ok(()), |(_, value)| write!(f, " {value}"))
    }
}

impl Host {
    /// Whether the node is configured to speak to a Ceph cluster.
    pub(crate) fn has_ceph(&self) -> Result<bool, HostError> {
        self.exists(CONFIGURATION)
    }

    /// The answer to a command. Of one that is not understood only where it is not is written down: it may hold anything.
    pub(crate) fn ceph<T: Serialize + DeserializeOwned>(&self, command: &CephCommand) -> Result<T, HostError> {
        let name = format!("ceph:{command}");
        let live = |live: &Live| {
            if !live.is_this_machine() {
                return Err(Refusal::Absent);
            }
            let answer = self.ceph.ask(command)?;
            Ok(Answer::Text(match serde_json::from_slice::<T>(&answer) {
                Ok(understood) => lines::written(&understood),
                Err(error) => format!("{FAILED}{}", without_values(&error)),
            }))
        };
        let text = taken(&name, self.ask(Act::Call, &name, Ask::Content, live).map_err(|error| explained(&name, error))?.into_text())?;
        let malformed = |reason: String| HostError::Malformed { path: name.clone(), reason };
        match text.strip_prefix(FAILED) {
            Some(why) => Err(malformed(why.to_owned())),
            None => serde_json::from_str(&text).map_err(|error| malformed(without_values(&error))),
        }
    }
}

/// What is wrong with a JSON text, without a word of it.
fn without_values(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Io => "cannot be read",
        Category::Syntax => "is no JSON",
        Category::Data => "is not of the shape that releases 16 to 19 have",
        Category::Eof => "is cut off",
    };
    format!("the answer {what}, at line {} column {}", error.line(), error.column())
}

/// The same error with what it means of a cluster.
fn explained(name: &str, error: HostError) -> HostError {
    let HostError::Refused { source, .. } = &error else { return error };
    let why = match *source {
        Errno::NOSYS => "neither librados.so.2 (package librados2) nor the program ceph (package ceph-common) is installed",
        Errno::NOKEY => "the keyring of client.admin is not where the configuration says",
        Errno::KEYREJECTED => "the monitors do not take the key of client.admin",
        Errno::TIMEDOUT => "nobody answers in time: no quorum of monitors is reached, or no manager is active",
        Errno::NOTCONN => "the program ceph does not connect",
        Errno::FBIG => "the answer is larger than any cluster's",
        _ => return error,
    };
    HostError::Malformed { path: name.to_owned(), reason: format!("{why} ({source})") }
}

/// The cluster as one probe of a running node reaches it: who does not answer a probe is asked again by the next.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    monitors: Mutex<Line>,
    managers: Mutex<Line>,
}

/// The way to one sort of daemon.
#[derive(Debug, Default)]
enum Line {
    #[default]
    Unasked,
    /// A thread that has the connection, which may hang in it.
    Connected(Worker),
    /// The library is not there: the program is asked.
    Program,
    /// It does not connect, or it did not answer in time: an OSD after the other would be asked about by the same manager.
    Refused(Errno),
}

/// A question, and where its answer goes.
type Question = (String, SyncSender<Result<Vec<u8>, Errno>>);

#[derive(Debug)]
struct Worker(SyncSender<Question>);

impl Cluster {
    fn ask(&self, command: &CephCommand) -> Result<Vec<u8>, Refusal> {
        let mut line = locked(match command.daemon {
            Daemon::Monitor => &self.monitors,
            Daemon::Manager => &self.managers,
        });
        if matches!(*line, Line::Unasked) {
            *line = Line::to(command.daemon);
        }
        let answer = match &*line {
            Line::Connected(worker) => worker.ask(command),
            Line::Program => by_program(command),
            Line::Refused(errno) => Err(*errno),
            Line::Unasked => unreachable!("it was connected above"),
        };
        answer.map_err(|errno| {
            if errno == Errno::TIMEDOUT {
                *line = Line::Refused(errno);
            }
            Refusal::Errno(errno)
        })
    }
}

impl Line {
    fn to(daemon: Daemon) -> Self {
        let (questions, asked) = sync_channel::<Question>(0);
        let (connected, outcome) = sync_channel(1);
        // Not joined: an answer that never comes holds it for ever, and the connection with it.
        let thread = thread::Builder::new().name("ceph".into()).spawn(move || {
            let mut rados = match Rados::connect(daemon, CONFIGURATION, PATIENCE_SECONDS) {
                Ok(rados) => rados,
                // Nobody listens any more once the time is over.
                Err(why) => {
                    let _ = connected.send(Err(why));
                    return;
                }
            };
            let _ = connected.send(Ok(()));
            while let Ok((command, answer)) = asked.recv() {
                let _ = answer.send(rados.ask(&command, TABLE_MAX));
            }
        });
        match thread.map(|_| outcome.recv_timeout(PATIENCE * 2)) {
            Ok(Ok(Ok(()))) => Line::Connected(Worker(questions)),
            Ok(Ok(Err(NoConnection::NoLibrary))) => Line::Program,
            // Of connecting these mean what they do not mean of a command.
            Ok(Ok(Err(NoConnection::Refused(Errno::NOENT)))) => Line::Refused(Errno::NOKEY),
            Ok(Ok(Err(NoConnection::Refused(Errno::ACCESS | Errno::PERM)))) => Line::Refused(Errno::KEYREJECTED),
            Ok(Ok(Err(NoConnection::Refused(errno)))) => Line::Refused(errno),
            Ok(Err(_)) => Line::Refused(Errno::TIMEDOUT),
            Err(_) => Line::Refused(Errno::AGAIN),
        }
    }
}

impl Worker {
    fn ask(&self, command: &CephCommand) -> Result<Vec<u8>, Errno> {
        let (answer, answered) = sync_channel(1);
        self.0.send((command.json(), answer)).map_err(|_| Errno::IO)?;
        // A monitor's answer has its own limit, which comes first.
        answered.recv_timeout(PATIENCE + PATIENCE / 2).map_err(|_| Errno::TIMEDOUT)?
    }
}

/// The same by the program, which waits five minutes where it is not told otherwise.
fn by_program(asked: &CephCommand) -> Result<Vec<u8>, Errno> {
    let patience = PATIENCE_SECONDS.to_string();
    let mut words = vec!["ceph", "--connect-timeout", &patience, "-c", CONFIGURATION, "-f", "json"];
    words.extend(asked.prefix.split(' '));
    words.extend(asked.argument.iter().map(|(_, value)| value.as_ref()));
    match command::run_within(&words, PATIENCE * 2, TABLE_MAX) {
        Ok(output) => match output.status {
            Some(0) => Ok(output.stdout.into_bytes()),
            // It says what went wrong in words only, on standard error; its status is an errno, or 1 where it does not even connect.
            Some(1) => Err(Errno::NOTCONN),
            Some(status) => Err(Errno::from_raw_os_error(status.into())),
            None => Err(Errno::IO),
        },
        Err(Refusal::Absent) => Err(Errno::NOSYS),
        Err(Refusal::Errno(errno)) => Err(errno),
        Err(Refusal::TooLarge(_)) => Err(Errno::FBIG),
        Err(Refusal::Status(_)) => Err(Errno::IO),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Named {
        names: Vec<String>,
    }

    #[test]
    fn a_command_is_json_and_has_a_name() {
        let dump = CephCommand::manager("pg dump").with("dumpcontents", "pgs");
        assert_eq!(dump.to_string(), "pg dump pgs");
        let json: Value = serde_json::from_str(&dump.json()).expect("JSON");
        assert_eq!(json, serde_json::json!({ "prefix": "pg dump", "format": "json", "dumpcontents": ["pgs"] }));
        let show = CephCommand::manager("config show").with("who", "osd.3");
        assert_eq!(serde_json::from_str::<Value>(&show.json()).expect("JSON")["who"], "osd.3");
    }

    #[test]
    fn an_answer_is_read_back_and_a_refusal_says_what_it_means() {
        let host = Host::from_snapshot(
            "ceph:mon%20dump: {\"names\": [\"a\"]}\nceph:osd%20dump: {\"names\": 7}\nceph:versions error: ETIMEDOUT\nceph:osd%20tree error: EKEYREJECTED\nceph:osd%20df error: EIO",
        )
        .expect("a fixture");
        let ask = |prefix| host.ceph::<Named>(&CephCommand::monitor(prefix));
        assert_eq!(ask("mon dump"), Ok(Named { names: vec!["a".into()] }));
        let said = |prefix| ask(prefix).expect_err("no answer").chain();
        assert!(said("osd dump").contains("not of the shape") && !said("osd dump").contains('7'), "{}", said("osd dump"));
        assert!(said("versions").contains("no quorum of monitors") && said("osd tree").contains("client.admin"));
        assert_eq!(said("osd df"), "cannot call ceph:osd df: Input/output error (os error 5)");
        assert!(matches!(ask("quorum_status"), Err(HostError::Absent { .. } | HostError::NotRecorded { .. })));
    }
}
