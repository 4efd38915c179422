//! A real sshd on hosts of the lab, and a site that knows them as nodes: assay runs on the client and reaches each over SSH. The sessions go over a network of their own
//! (10.98.0.0/24), so that they survive a host that is cut off from Ceph's. Everything ends with this value, and at the latest with the lab.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{ASSAY, Lab, said};

const PORT: u16 = 2224;

/// Hosts of a lab as nodes `pve1-node1` to `pve1-node3`, with addresses in the networks `public` and `cluster`.
pub(crate) struct Ssh<'lab> {
    lab: &'lab Lab,
    folder: TempDir,
    sshd: Vec<Child>,
}

impl<'lab> Ssh<'lab> {
    /// An sshd on each of these hosts (1 to 3). One at a time of a lab.
    pub(crate) fn on(lab: &'lab Lab, hosts: &[u8]) -> Self {
        let folder = tempfile::Builder::new().prefix("assay-ceph-ssh-").tempdir().expect("a folder below /tmp");
        let mut ssh = Self { lab, folder, sshd: Vec::new() };
        for key in ["host", "user"] {
            said(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(ssh.path(key)));
        }
        fs::copy(ssh.path("user.pub"), ssh.path("authorized_keys")).expect("copies");
        let host_key = fs::read_to_string(ssh.path("host.pub")).expect("reads");
        let known: String = hosts.iter().map(|host| format!("[{}]:{PORT} {host_key}", address(*host))).collect();
        fs::write(ssh.path("known_hosts"), known).expect("writes");
        ssh.cable(hosts);
        ssh.sshd = hosts.iter().map(|host| ssh.sshd(*host)).collect();
        ssh.site(hosts);
        ssh
    }

    /// A file of this folder, which every host sees under the same name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The network of the sessions: a switch on the client, a cable to each host.
    fn cable(&self, hosts: &[u8]) {
        let client = |words: &str| said(self.lab.on(0).arg("ip").args(words.split(' ')));
        client("link add ssh type bridge");
        client("link set ssh up");
        client(&format!("address add {}/24 dev ssh", address(0)));
        for host in hosts {
            // Process numbers of hosts are the machine's, and so must be whoever names them.
            let (of_client, of_host) = (self.lab.process(0), self.lab.process(*host));
            let cable = format!("link add ssh{host} type veth peer name ssh netns {of_host}");
            said(Command::new("nsenter").args(["--target", &of_client, "--net", "ip"]).args(cable.split(' ')));
            client(&format!("link set ssh{host} master ssh up"));
            let far = |words: &str| said(self.lab.on(*host).arg("ip").args(words.split(' ')));
            far(&format!("address add {}/24 dev ssh", address(*host)));
            far("link set ssh up");
        }
    }

    /// An sshd whose sessions see a board with the serial number `BOARD-N`, for this machine shows none; the rest of /sys/class is the host's.
    fn sshd(&self, host: u8) -> Child {
        let configuration = format!(
            "Port {PORT}\nListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100:30:200\n",
            address(host),
            self.path("host").display(),
            self.path("authorized_keys").display()
        );
        let file = self.path(&format!("sshd-{host}"));
        fs::write(&file, configuration).expect("writes");
        let script = format!(
            "set -e; mkdir -p /run/sshd /run/class; mount --rbind /sys/class /run/class; mount -t tmpfs tmpfs /sys/class\n\
             for class in $(ls /run/class); do mkdir /sys/class/$class; [ $class = dmi ] || mount --rbind /run/class/$class /sys/class/$class; done\n\
             mkdir -p /sys/class/dmi/id; echo BOARD-{host} >/sys/class/dmi/id/product_serial; umount -l /run/class; exec /usr/sbin/sshd -D -e -f {}",
            file.display()
        );
        let mut command = self.lab.on(host);
        command.args(["unshare", "--mount", "sh", "-c", &script]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut sshd = command.spawn().expect("ci/lab/ceph/exec starts");
        let mut told = BufReader::new(sshd.stderr.take().expect("piped"));
        let mut first = String::new();
        told.read_line(&mut first).expect("reads");
        assert!(first.contains("Server listening"), "openssh-server must be installed for this test: {first}");
        // Its pipe must not fill, nor break.
        std::thread::spawn(move || for _ in told.lines() {});
        sshd
    }

    /// Runs a script in the mounts that sessions to a host see, and nobody else.
    pub(crate) fn in_sessions(&self, host: u8, script: &str) {
        // Its number within the lab, where hosts share one space of processes.
        let sshd = format!("pgrep -o -f '[s]shd -D -e -f {}'", self.path(&format!("sshd-{host}")).display());
        said(self.lab.on(host).args(["sh", "-c", &format!("set -e; exec nsenter --target $({sshd}) --mount sh -ec \"$1\""), "sh", script]));
    }

    /// The site of the lab, with these hosts as its nodes.
    fn site(&self, hosts: &[u8]) {
        let site = self.path("site");
        fs::create_dir_all(&site).expect("makes");
        fs::copy(self.lab.site().join("declared.toml"), site.join("declared.toml")).expect("copies");
        // Nobody says here that corosync shares its networks with Ceph, which is a mistake, and what is to be measured.
        let order = fs::read_to_string(self.lab.site().join("bom.toml")).expect("reads");
        let order = order.replace("\n[cluster]\n", "\n[cluster]\ncorosync_links = [\"public\", \"cluster\"]\n");
        assert!(order.contains("corosync_links"), "{order}");
        fs::write(site.join("bom.toml"), order).expect("writes");
        let mut text = "schema = 1\nname = \"ceph lab\"\nabsence = \"not_applicable\"\n".to_owned();
        for host in hosts {
            let option = |name: &str, file: &str| format!("\"{name}={}\"", self.path(file).display());
            text += &format!(
                "\n[[node]]\nname = \"pve1-node{host}\"\nserial = \"BOARD-{host}\"\nssh = \"root@{}\"\nassay = \"{ASSAY}\"\n\
                 ssh_options = [\"Port={PORT}\", \"IdentitiesOnly=yes\", \"IdentityAgent=none\", {}, {}]\n\
                 addresses = {{ public = \"10.99.0.1{host}\", cluster = \"10.99.1.1{host}\" }}\n",
                address(*host),
                option("UserKnownHostsFile", "known_hosts"),
                option("IdentityFile", "user"),
            );
        }
        fs::write(site.join("site.toml"), text).expect("writes");
    }

    /// assay on the client, with this site and its runs in this folder.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.lab.on(0);
        command.arg(ASSAY).arg("--site").arg(self.path("site")).arg("--runs").arg(self.path("runs")).args(words).stdin(Stdio::null());
        command
    }

    /// The same after a script that changes what only this assay sees: its mounts are its own. Where the site is `$SITE` says.
    pub(crate) fn command_after(&self, script: &str, words: &[&str]) -> Command {
        let mut command = self.lab.on(0);
        command.env("SITE", self.path("site"));
        command.args(["unshare", "--mount", "sh", "-c", &format!("mount -t tmpfs tmpfs /mnt && {script} && exec \"$@\""), "sh", ASSAY]);
        command.arg("--site").arg(self.path("site")).arg("--runs").arg(self.path("runs")).args(words).stdin(Stdio::null());
        command
    }

    pub(crate) fn assay(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("ci/lab/ceph/exec starts")
    }

    /// A scenario file of this text.
    pub(crate) fn scenario(&self, name: &str, text: &str) -> String {
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, format!("schema = 1\nname = \"{name}\"\ndescribe = \"test\"\n{text}")).expect("writes");
        path.display().to_string()
    }

    /// The directory of the one run of a scenario.
    pub(crate) fn run_of(&self, scenario: &str) -> PathBuf {
        self.find_run(scenario).unwrap_or_else(|| panic!("one run of {scenario}"))
    }

    /// The same, if there is one by now.
    pub(crate) fn find_run(&self, scenario: &str) -> Option<PathBuf> {
        let runs: Vec<PathBuf> = fs::read_dir(self.path("runs"))
            .ok()?
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains(&format!("-{scenario}-"))))
            .collect();
        let [run] = runs.as_slice() else { return None };
        Some(run.clone())
    }

    pub(crate) fn lab(&self) -> &Lab {
        self.lab
    }

    /// What it came to.
    pub(crate) fn stored(&self, scenario: &str) -> Value {
        let text = fs::read_to_string(self.run_of(scenario).join("run.json")).expect("reads");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Agents and watchdogs that still run on the hosts.
    pub(crate) fn left(&self) -> Vec<String> {
        let listed = self.lab.on(0).args(["ps", "-eo", "args="]).output().expect("ci/lab/ceph/exec starts");
        let is_ours = |line: &&str| line.starts_with(ASSAY) && line.contains("agent");
        String::from_utf8_lossy(&listed.stdout).lines().filter(is_ours).map(str::to_owned).collect()
    }
}

impl Drop for Ssh<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for run in fs::read_dir(self.path("runs")).into_iter().flatten().filter_map(Result::ok) {
                eprintln!("{}", fs::read_to_string(run.path().join("journal.jsonl")).unwrap_or_default());
            }
        }
        // The network goes first: whatever a session left running sees it as gone. exec takes its sshd with it.
        let _ = self.lab.on(0).args(["ip", "link", "delete", "ssh"]).status();
        for sshd in &mut self.sshd {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
    }
}

/// A host's address for SSH; 0 is the client.
fn address(host: u8) -> String {
    format!("10.98.0.1{host}")
}
