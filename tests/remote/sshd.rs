//! A real sshd in the far of two namespaces: its own host key, its own authorized key, its own configuration. Started by the test, ended with it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assay_scenarios::remote::{Identity, Patience, Remote, RemoteError, Target};
use tempfile::TempDir;

use crate::namespaces::{Namespaces, inside, tool};
use crate::program;

const PORT: u16 = 2222;

/// Two nodes and the way between them: `ssh0` (10.76.0.0/24) for the session, `data` for faults.
pub(crate) struct Bed {
    pub(crate) nodes: Namespaces,
    pub(crate) folder: TempDir,
    sshd: Child,
}

pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_assay")
}

/// Waits for something that another process does.
#[track_caller]
pub(crate) fn until(what: &str, most: Duration, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + most;
    while !is_so() {
        assert!(Instant::now() < end, "not within {most:?}: {what}");
        pause(5);
    }
}

pub(crate) fn pause(ms: u64) {
    #[allow(clippy::disallowed_methods, reason = "other processes are waited for")]
    std::thread::sleep(Duration::from_millis(ms));
}

impl Bed {
    pub(crate) fn new() -> Self {
        let nodes = Namespaces::new();
        nodes.cable("ssh0", "10.76.0", "fd76");
        let folder = TempDir::with_prefix("assay-remote-").expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "user", "stranger"] {
            tool(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", &path(key)]);
        }
        fs::copy(path("user.pub"), path("authorized_keys")).expect("copies");
        let host_key = fs::read_to_string(path("host.pub")).expect("reads");
        fs::write(path("known_hosts"), format!("[10.76.0.2]:{PORT} {host_key}")).expect("writes");
        fs::write(path("nobody_known"), "").expect("writes");
        let configuration = format!(
            "Port {PORT}\nListenAddress 10.76.0.2\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100:30:200\n",
            path("host"),
            path("authorized_keys")
        );
        fs::write(path("sshd_config"), configuration).expect("writes");
        // sshd wants it, and a service that never ran here has not made it.
        fs::create_dir_all("/run/sshd").expect("makes");
        let mut sshd = Command::new("ip")
            .args(["netns", "exec", &nodes.far, "/usr/sbin/sshd", "-D", "-e", "-f", &path("sshd_config")])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip starts");
        let mut said = BufReader::new(sshd.stderr.take().expect("piped"));
        let mut first = String::new();
        said.read_line(&mut first).expect("reads");
        assert!(first.contains("Server listening"), "openssh-server must be installed for this test: {first}");
        // Its pipe must not fill, nor break.
        std::thread::spawn(move || for _ in said.lines() {});
        let bed = Self { nodes, folder, sshd };
        let address = format!("10.76.0.2:{PORT}").parse().expect("an address");
        let reached = inside(&bed.nodes.near, || TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok());
        assert!(reached, "sshd answers at {address}");
        until("sshd has let that go", Duration::from_secs(10), || bed.connections().is_empty());
        bed
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Folder of the records of the far node.
    pub(crate) fn faults(&self) -> PathBuf {
        self.path("faults")
    }

    /// ssh that runs in the near namespace.
    fn ssh(&self) -> PathBuf {
        let path = self.path("ssh");
        if !path.exists() {
            let script = format!("#!/bin/sh\nexec ip netns exec {} ssh -F none \"$@\"\n", self.nodes.near);
            program::write(&path, &script);
        }
        path
    }

    pub(crate) fn target(&self) -> Target {
        self.target_with("known_hosts", "user")
    }

    pub(crate) fn target_with(&self, known_hosts: &str, key: &str) -> Target {
        let option = |name: &str, file: &str| format!("{name}={}", self.path(file).display());
        Target {
            ssh_options: vec![
                format!("Port={PORT}"),
                "IdentitiesOnly=yes".into(),
                "IdentityAgent=none".into(),
                option("UserKnownHostsFile", known_hosts),
                "GlobalKnownHostsFile=/dev/null".into(),
                option("IdentityFile", key),
            ],
            assay: binary().to_owned(),
            faults: Some(self.faults().display().to_string()),
            ssh: self.ssh(),
            patience: Patience {
                connect: Duration::from_secs(5),
                hello: Duration::from_secs(10),
                heartbeat: Duration::from_millis(200),
                silence: Duration::from_millis(1500),
            },
            ..Target::new("far", "root@10.76.0.2").expect("sound")
        }
    }

    /// The node with something else in place of assay.
    pub(crate) fn target_running(&self, name: &str, script: &str) -> Target {
        program::write(&self.path(name), script);
        Target { assay: self.path(name).display().to_string(), ..self.target() }
    }

    pub(crate) async fn open(&self, target: &Target) -> Result<Remote, RemoteError> {
        Remote::open(target, &identity(&self.target()).await).await
    }

    /// Processes of this bed whose command line has all these words.
    pub(crate) fn processes(&self, words: &[&str]) -> Vec<u32> {
        let folder = self.folder.path().display().to_string();
        processes(|line| line.contains(&folder) && words.iter().all(|word| line.contains(word)))
    }

    /// The agents themselves: not ssh, whose command line has theirs in it, nor a shell.
    pub(crate) fn agents(&self) -> Vec<u32> {
        self.processes(&["agent --stdio"]).into_iter().filter(|pid| is_assay(*pid)).collect()
    }

    /// The ssh clients.
    pub(crate) fn clients(&self) -> Vec<u32> {
        self.processes(&["BatchMode=yes"])
    }

    /// The watchdogs.
    pub(crate) fn watchdogs(&self) -> Vec<u32> {
        self.processes(&["agent --watchdog"]).into_iter().filter(|pid| is_assay(*pid)).collect()
    }

    /// The sshd processes that serve a connection.
    pub(crate) fn connections(&self) -> Vec<u32> {
        let own = self.sshd.id();
        let parent = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok()) == Some(own)
        };
        processes(|line| line.contains("sshd")).into_iter().filter(parent).collect()
    }

    /// Everything at the far node that could be left behind: links, addresses, routes, disciplines, records, processes, sockets.
    pub(crate) fn left(&self) -> String {
        let mut all = String::new();
        for words in [vec!["address"], vec!["route", "show", "table", "all"], vec!["-6", "route", "show", "table", "all"]] {
            all += &self.nodes.ip(&words);
        }
        all += &self.nodes.tc(&["qdisc", "show"]);
        let all = all.replace(" tentative", "");
        let mut lines: Vec<String> = all.lines().map(|line| line.trim().to_owned()).filter(|line| !line.contains("valid_lft")).collect();
        lines.sort_unstable();
        let records = fs::read_dir(self.faults()).map(|entries| entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>());
        for record in records.unwrap_or_default() {
            lines.push(format!("record {}", record.display()));
        }
        for pid in self.agents().into_iter().chain(self.watchdogs()) {
            lines.push(format!("process {pid}"));
        }
        for line in
            tool(&["ip", "netns", "exec", &self.nodes.far, "cat", "/proc/net/udp", "/proc/net/tcp"]).lines().filter(|line| line.contains(": "))
        {
            // Listening is only sshd (state 0A); the rest of a connection that ended (time wait, 06) belongs to nobody.
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [_, local, remote, state, ..] = columns.as_slice() else { panic!("no socket: {line}") };
            if !["0A", "06"].contains(state) {
                // Not the other columns: the kernel takes what was read off its count of a queue when it likes.
                lines.push(format!("socket {local} {remote} {state}"));
            }
        }
        lines.join("\n")
    }

    /// Waits until the far node is what it was before.
    #[track_caller]
    pub(crate) fn is_again(&self, before: &str, what: &str) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let left = self.left();
            if left == before {
                return;
            }
            assert!(Instant::now() < end, "{what} leaves\n{left}\nand before there was\n{before}");
            pause(20);
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for pid in self.clients().into_iter().chain(self.agents()).chain(self.watchdogs()) {
            kill(pid, "KILL");
        }
        for pid in self.connections() {
            kill(pid, "KILL");
        }
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

fn is_assay(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == Path::new(binary()))
}

fn processes(mut is: impl FnMut(&str) -> bool) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("there").filter_map(Result::ok) {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let words = String::from_utf8_lossy(&line).replace('\0', " ");
        if pid != std::process::id() && is(&words) {
            found.push(pid);
        }
    }
    found
}

pub(crate) fn kill(pid: u32, signal: &str) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

/// The build under test says itself what it is: this test binary does not know its revision.
pub(crate) async fn identity(target: &Target) -> Identity {
    static KNOWN: tokio::sync::OnceCell<Identity> = tokio::sync::OnceCell::const_new();
    KNOWN
        .get_or_init(|| async {
            let nobody = Identity { assay: "none".into(), revision: "none".into(), hostname: "near".into(), boot_id: "near".into() };
            let Err(RemoteError::Version { theirs, .. }) = Remote::open(target, &nobody).await else { panic!("another build is refused") };
            let (assay, rest) = theirs.split_once("assay ").and_then(|(_, rest)| rest.split_once(" (")).expect("its version");
            Identity { assay: assay.to_owned(), revision: rest.trim_end_matches(')').to_owned(), ..nobody }
        })
        .await
        .clone()
}
