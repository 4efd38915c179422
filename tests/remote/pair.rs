//! Two nodes with an sshd each, `a` and `b`, a cable for SSH and one for data between them, and a site that knows them; a third one, `c`, where there is one. assay runs on `a`, and
//! reaches all of them over SSH.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::namespaces::{Namespaces, tool};
use crate::sshd::{binary, kill, pause};

const PORT: u16 = 2223;

pub(crate) struct Pair {
    pub(crate) nodes: Namespaces,
    hosts: Vec<Host>,
    folder: TempDir,
    sshd: Vec<Child>,
    /// First three numbers of the addresses that are measured between.
    network: &'static str,
}

/// A node of the site.
struct Host {
    name: &'static str,
    /// The last number of its address in the network that is measured.
    number: u8,
    namespace: String,
    /// Where its sshd listens.
    ssh: &'static str,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(Namespaces::new(), "10.77.0", "")
    }

    /// Nodes whose sessions see the interfaces as `prepare` leaves them, a piece of shell that works on the folder /sys/class/net.
    pub(crate) fn with(nodes: Namespaces, network: &'static str, prepare: &str) -> Self {
        Self::among(nodes, None, network, prepare)
    }

    /// The same with a node `c`, whose namespace has an address for its sshd that `a` reaches.
    pub(crate) fn among(nodes: Namespaces, third: Option<(String, &'static str)>, network: &'static str, prepare: &str) -> Self {
        nodes.cable("ssh0", "10.76.0", "fd76");
        let two = [("a", 1, nodes.near.clone(), "10.76.0.1"), ("b", 2, nodes.far.clone(), "10.76.0.2")];
        let all = two.into_iter().chain(third.map(|(namespace, ssh)| ("c", 3, namespace, ssh)));
        let hosts: Vec<Host> = all.map(|(name, number, namespace, ssh)| Host { name, number, namespace, ssh }).collect();
        let folder = TempDir::with_prefix("assay-pair-").expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "user"] {
            tool(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", &path(key)]);
        }
        fs::copy(path("user.pub"), path("authorized_keys")).expect("copies");
        let host_key = fs::read_to_string(path("host.pub")).expect("reads");
        let known: String = hosts.iter().map(|host| format!("[{}]:{PORT} {host_key}", host.ssh)).collect();
        fs::write(path("known_hosts"), known).expect("writes");
        fs::create_dir_all("/run/sshd").expect("makes");
        let mut pair = Self { nodes, hosts, folder, sshd: Vec::new(), network };
        pair.sshd = pair.hosts.iter().map(|host| pair.sshd(host, prepare)).collect();
        pair.site("BOARD-");
        pair
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An sshd whose sessions see a board with the serial number BOARD-a, BOARD-b or BOARD-c, for this machine shows none, and have records of faults of their own.
    fn sshd(&self, host: &Host, prepare: &str) -> Child {
        let Host { name: node, namespace, ssh: address, .. } = host;
        let configuration = format!(
            "Port {PORT}\nListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100:30:200\n",
            self.path("host").display(),
            self.path("authorized_keys").display()
        );
        let file = self.path(&format!("sshd-{node}"));
        fs::write(&file, configuration).expect("writes");
        let net = self.path(&format!("net-{node}"));
        fs::create_dir_all(&net).expect("makes");
        // In the mount namespace that `ip netns exec` makes: it ends with the sshd.
        let script = format!(
            "set -e; mount --bind /sys/class/net {net}; mount -t tmpfs tmpfs /sys/class; mkdir -p /sys/class/net /sys/class/dmi/id\n\
             mount --move {net} /sys/class/net; echo BOARD-{node} >/sys/class/dmi/id/product_serial; \
             {prepare}\nmkdir -p /run/assay; mount -t tmpfs tmpfs /run/assay; exec /usr/sbin/sshd -D -e -f {file}",
            prepare = prepare.replace("FAKE", &self.path(&format!("fake-{node}")).display().to_string()),
            net = net.display(),
            file = file.display()
        );
        let mut sshd = Command::new("ip")
            .args(["netns", "exec", namespace, "sh", "-c", &script])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip starts");
        let mut said = BufReader::new(sshd.stderr.take().expect("piped"));
        let mut first = String::new();
        said.read_line(&mut first).expect("reads");
        assert!(first.contains("Server listening"), "openssh-server must be installed for this test: {first}");
        std::thread::spawn(move || for _ in said.lines() {});
        sshd
    }

    /// A site that lists the nodes by their boards, each serial number beginning so.
    pub(crate) fn site(&self, serial: &str) {
        let site = self.path("site");
        fs::create_dir_all(&site).expect("makes");
        let mut text = "schema = 1\nname = \"pair\"\nabsence = \"not_applicable\"\n".to_owned();
        for Host { name: node, number, ssh, .. } in &self.hosts {
            let option = |name: &str, file: &str| format!("\"{name}={}\"", self.path(file).display());
            text += &format!(
                "\n[[node]]\nname = \"{node}\"\nserial = \"{serial}{node}\"\nssh = \"root@{ssh}\"\nassay = \"{}\"\n\
                 ssh_options = [\"Port={PORT}\", \"IdentitiesOnly=yes\", {}, {}]\naddresses = {{ data = \"{network}.{number}\" }}\n",
                binary(),
                option("UserKnownHostsFile", "known_hosts"),
                option("IdentityFile", "user"),
                network = self.network,
            );
        }
        fs::write(site.join("site.toml"), text).expect("writes");
    }

    /// assay on node `a`, with these words.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        let (site, runs) = (self.path("site"), self.path("runs"));
        command.args(["netns", "exec", &self.nodes.near, binary(), "--site"]).arg(site).arg("--runs").arg(runs).args(words);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn assay(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("ip starts")
    }

    /// The same, left to run; what it says is shown if the test fails.
    pub(crate) fn begin(&self, words: &[&str]) -> Child {
        let said = fs::File::options().append(true).create(true).open(self.path("said")).expect("opens");
        self.command(words).stdout(Stdio::null()).stderr(said).spawn().expect("ip starts")
    }

    /// A scenario file of this text.
    pub(crate) fn scenario(&self, name: &str, text: &str) -> String {
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, format!("schema = 1\nname = \"{name}\"\ndescribe = \"test\"\n{text}")).expect("writes");
        path.display().to_string()
    }

    /// A scenario of the catalogue with other values of some words (a word without a value is left out); its figures are those of the whole one.
    pub(crate) fn reduced(&self, name: &str, values: &[(&str, &str)]) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/catalog/{name}.toml"));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let line = |line: &str| match values.iter().find(|(word, _)| line.split(' ').next() == Some(*word)) {
            Some((_, "")) => String::new(),
            Some((word, value)) => format!("{word} = {value}"),
            None => line.to_owned(),
        };
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, text.lines().map(line).collect::<Vec<_>>().join("\n")).expect("writes");
        path.display().to_string()
    }

    /// The directory of the one run of a scenario.
    pub(crate) fn run_of(&self, scenario: &str) -> PathBuf {
        let runs: Vec<PathBuf> = fs::read_dir(self.path("runs"))
            .expect("runs")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains(&format!("-{scenario}-"))))
            .collect();
        let [run] = runs.as_slice() else { panic!("one run of {scenario}: {runs:?}") };
        run.clone()
    }

    /// What it came to.
    pub(crate) fn stored(&self, scenario: &str) -> Value {
        json(&self.run_of(scenario).join("run.json"))
    }

    /// Agents and watchdogs that still run for this pair.
    pub(crate) fn left(&self) -> Vec<String> {
        let names = self.hosts.iter().map(|host| host.namespace.as_str());
        let pids = names.flat_map(|name| tool(&["ip", "netns", "pids", name]).lines().map(str::to_owned).collect::<Vec<_>>());
        pids.filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()).filter(|line| line.contains("agent")).collect()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let runs = fs::read_dir(self.path("runs")).into_iter().flatten().filter_map(Result::ok);
            for shown in runs.map(|run| run.path().join("journal.jsonl")).chain([self.path("said")]) {
                eprintln!("{}", fs::read_to_string(shown).unwrap_or_default());
            }
        }
        for Host { namespace, .. } in &self.hosts {
            for pid in tool(&["ip", "netns", "pids", namespace]).lines().filter_map(|pid| pid.parse().ok()) {
                kill(pid, "KILL");
            }
        }
        for sshd in &mut self.sshd {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
        // The last of them must be gone before their namespaces are.
        pause(50);
    }
}

pub(crate) fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}
