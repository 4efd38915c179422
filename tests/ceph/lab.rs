//! A cluster of `ci/lab/ceph`, for as long as this lives, and what assay says on one of its hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ASSAY: &str = env!("CARGO_BIN_EXE_assay");

/// Of each check, by subject: the verdict and why.
pub(crate) type Verdicts = BTreeMap<String, BTreeMap<String, (String, String)>>;

/// A running cluster.
pub(crate) struct Lab {
    folder: TempDir,
}

impl Lab {
    pub(crate) fn start() -> Self {
        Self::start_with("fast")
    }

    /// With timers that notice in seconds (`fast`), or with Ceph's own (`default`).
    pub(crate) fn start_with(timers: &str) -> Self {
        Self::start_of(1, timers)
    }

    /// With so many OSDs on each host: 1 or 2.
    pub(crate) fn start_of(osds: u8, timers: &str) -> Self {
        let lab = Self { folder: tempfile::Builder::new().prefix("assay-ceph-").tempdir().expect("a folder below /tmp") };
        said(Command::new(script("start")).arg(lab.dir()).arg(timers).env("ASSAY_CEPH_OSDS", osds.to_string()));
        lab.write_site();
        lab
    }

    /// The site `ci/lab/ceph/site`, with the number that this cluster was given when it was made.
    fn write_site(&self) {
        let asked = self.on(0).args(["ceph", "--connect-timeout", "10", "fsid"]).output().expect("ci/lab/ceph/exec starts");
        assert!(asked.status.success(), "{}", shown(&asked));
        let fsid = String::from_utf8_lossy(&asked.stdout);
        std::fs::create_dir(self.site()).expect("makes");
        for file in ["site.toml", "bom.toml", "declared.toml"] {
            let text = std::fs::read_to_string(repository().join("ci/lab/ceph/site").join(file)).expect("reads");
            let text = text.replace("\n[ceph]\n", &format!("\n[ceph]\nfsid = \"{}\"\n", fsid.trim()));
            std::fs::write(self.site().join(file), text).expect("writes");
        }
    }

    /// The folder of the site.
    pub(crate) fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    /// On which OSDs each placement group of a pool belongs, as the monitors have it just now.
    pub(crate) fn up(&self, pool: &str) -> BTreeMap<String, BTreeSet<u64>> {
        let output = self.on(0).arg("/usr/bin/python3").arg(script("cluster.py")).args(["up", pool]).output().expect("ci/lab/ceph/exec starts");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", shown(&output)))
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("lab")
    }

    /// Makes or heals a fault, as `ci/lab/ceph/fault` calls it.
    pub(crate) fn fault(&self, act: &str, fault: &str) {
        said(Command::new(script("fault")).arg(self.dir()).arg(act).args(fault.split(' ')));
    }

    /// Waits until the cluster is as it was.
    pub(crate) fn clean(&self) {
        said(Command::new(script("clean")).arg(self.dir()).arg("90"));
    }

    /// What the checks of Ceph say on a host.
    pub(crate) fn verdicts(&self, host: u8) -> Verdicts {
        self.verdicts_after(host, "true")
    }

    /// The same after a script that changes what only this assay sees: its mounts are its own.
    pub(crate) fn verdicts_after(&self, host: u8, script: &str) -> Verdicts {
        let asked = format!("mount -t tmpfs tmpfs /mnt && {script} && exec {ASSAY} --site {} --format json verify", self.site().display());
        let output = self.inside(host, &asked);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", shown(&output)));
        let mut verdicts = Verdicts::new();
        for check in told["checks"].as_array().unwrap_or_else(|| panic!("{told}")) {
            let id = check["id"].as_str().expect("an id");
            let word = |name: &str| check[name].as_str().unwrap_or_else(|| panic!("{check}")).to_owned();
            if id.starts_with("ceph.") {
                verdicts.entry(id.to_owned()).or_default().insert(word("subject"), (word("verdict"), word("reason")));
            }
        }
        verdicts
    }

    /// How long the probe takes on a host, ms.
    pub(crate) fn probe_ms(&self) -> u64 {
        let output = self.inside(1, &format!("exec {ASSAY} --format json inventory"));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", shown(&output)));
        let probes = told["probes"].as_array().expect("probes");
        let probe = probes.iter().find(|probe| probe["probe"] == "ceph").expect("it was asked");
        assert_eq!(probe["ended"], "completed", "{probe}");
        probe["elapsed_ns"].as_u64().expect("a time") / 1_000_000
    }

    /// Waits until these checks fail, and say this.
    pub(crate) fn until_failed(&self, host: u8, expected: &[(&str, &str)]) {
        let began = Instant::now();
        loop {
            let verdicts = self.verdicts(host);
            let is_told = |(id, why): &&(&str, &str)| {
                verdicts.get(*id).is_some_and(|answers| answers.values().any(|answer| answer.0 == "fail" && answer.1.contains(why)))
            };
            match expected.iter().find(|expected| !is_told(expected)) {
                None => return,
                Some((id, why)) => assert!(began.elapsed() < crate::SEEN, "{id} does not fail for `{why}`: {:?}", verdicts.get(*id)),
            }
        }
    }

    /// Runs a script on a host, with mounts of its own.
    fn inside(&self, host: u8, text: &str) -> Output {
        self.on(host).args(["unshare", "--mount", "sh", "-c", text]).output().expect("ci/lab/ceph/exec starts")
    }

    /// What runs a command on a host, which the caller adds; 0 is the client.
    pub(crate) fn on(&self, host: u8) -> Command {
        let mut command = Command::new(script("exec"));
        command.arg(self.dir()).arg(host.to_string());
        command
    }

    /// The process that keeps a host's namespaces, by its number on the machine.
    pub(crate) fn process(&self, host: u8) -> String {
        let written = std::fs::read_to_string(self.dir().join("hosts").join(host.to_string())).expect("the lab runs");
        written.split_whitespace().next().expect("a number").to_owned()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let stopped = Command::new(script("stop")).arg(self.dir()).status();
        if !std::thread::panicking() {
            assert!(stopped.is_ok_and(|status| status.success()), "the lab does not stop");
        }
    }
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn script(name: &str) -> PathBuf {
    repository().join("ci/lab/ceph").join(name)
}

pub(crate) fn said(command: &mut Command) {
    let output = command.output().expect("the script starts");
    assert!(output.status.success(), "{command:?}: {}", shown(&output));
}

fn shown(output: &Output) -> String {
    format!("{} {} {}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
