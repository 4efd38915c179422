//! What is done to a node from outside, by QEMU's machine protocol (QMP): a drive pulled, a link taken down.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// How long QEMU may take to answer; it does not wait for the node.
const PATIENCE: Duration = Duration::from_secs(60);

/// The socket of one node.
pub(crate) struct Qmp {
    path: PathBuf,
}

impl Qmp {
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// One command on a connection of its own.
    fn execute(&self, command: &str, arguments: &Value) {
        let mut stream = UnixStream::connect(&self.path).unwrap_or_else(|error| panic!("no QEMU at {}: {error}", self.path.display()));
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        for request in [json!({"execute": "qmp_capabilities"}), json!({"execute": command, "arguments": arguments})] {
            writeln!(stream, "{request}").expect("QEMU listens");
            loop {
                let line = lines.next().expect("QEMU is there").expect("QEMU answers");
                let answer: Value = serde_json::from_str(&line).expect("JSON");
                assert!(answer.get("error").is_none(), "{request}: {answer}");
                // Its greeting and events stand between the answers.
                if answer.get("return").is_some() {
                    break;
                }
            }
        }
    }

    /// Takes a network link down or up: the node sees the carrier go.
    pub(crate) fn set_link(&self, link: u8, up: bool) {
        self.execute("set_link", &json!({"name": format!("link{link}"), "up": up}));
    }

    /// Pulls a drive out of its slot.
    pub(crate) fn pull_drive(&self, drive: u8) {
        self.execute("device_del", &json!({"id": format!("drive{drive}")}));
    }
}
