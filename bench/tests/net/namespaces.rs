//! Namespaces of one test, gone with it: also when it panics.

use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Namespaces that a test calls by short names.
pub(crate) struct Namespaces {
    prefix: String,
    names: &'static [&'static str],
}

impl Namespaces {
    /// Makes them, each with its loopback up.
    pub(crate) fn new(names: &'static [&'static str]) -> Self {
        let prefix = format!("assay-{}-{}-", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let made = Self { prefix, names };
        for name in names {
            made.run(&format!("ip netns add @{name}"));
            made.run(&format!("ip -n @{name} link set lo up"));
        }
        made
    }

    /// The kernel's name of one.
    pub(crate) fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Runs a command in which `@name` stands for a namespace.
    pub(crate) fn run(&self, command: &str) -> String {
        let command = command.replace('@', &self.prefix);
        let mut words = command.split_whitespace();
        let program = words.next().expect("a command");
        let output = Command::new(program).args(words).output();
        let output = output.unwrap_or_else(|error| panic!("cannot run {program}: {error}; the tests need iproute2 and iperf3"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}: {said} {}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Runs commands, one a line.
    pub(crate) fn run_all(&self, commands: &str) {
        commands.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| drop(self.run(line)));
    }

    /// Runs `work` on a thread inside one of them; threads that it starts are there, too.
    pub(crate) fn spawn<'scope, T: Send + 'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        name: &str,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        let path = format!("/run/netns/{}", self.full(name));
        scope.spawn(move || {
            let namespace = std::fs::File::open(&path).expect("the namespace");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("the right to enter it");
            work()
        })
    }

    /// A counter of a device, by the kernel's name under `statistics`.
    pub(crate) fn counter(&self, name: &str, device: &str, counter: &str) -> u64 {
        let said = self.run(&format!("ip -n @{name} -s -s -j link show dev {device}"));
        let links: serde_json::Value = serde_json::from_str(&said).expect("JSON of ip");
        let (direction, what) = counter.split_once('_').expect("such as tx_bytes");
        links[0]["stats64"][direction][what].as_u64().unwrap_or_else(|| panic!("{counter} in {said}"))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in self.names {
            let _ = Command::new("ip").args(["netns", "del", &self.full(name)]).output();
        }
    }
}
