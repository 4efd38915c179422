//! Where TCP is calibrated: two network namespaces of our own with a veth pair between them, or one with its loopback. Needs root. They are gone when the value
//! is dropped; their names have the pid in them, and what a killed process has left is removed by the next start.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use rustix::fd::AsFd as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::Deserialize;

use crate::printable::Printable;

/// Where ip(8) keeps namespaces.
const NAMED: &str = "/run/netns";
const PREFIX: &str = "assay-cal-";
const NEAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The interface of the near end.
const VETH: &str = "veth0";

/// What lies between both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Between {
    /// A veth pair.
    Veth { mtu: u32 },
    /// A veth pair whose near end is shaped by tbf, bit/s of Ethernet frames without their check sequence.
    Shaped { mtu: u32, bits_per_s: u64 },
    /// The loopback of one namespace.
    Loopback,
}

/// Both ends, to start something at either.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    /// The namespace that connects.
    pub(super) near: String,
    /// The namespace that listens.
    pub(super) far: String,
    /// Where it listens.
    pub(super) address: IpAddr,
}

/// Namespaces that exist as long as the value.
pub(super) struct Place {
    pub(super) ends: Ends,
    path: Between,
    names: Vec<String>,
}

impl Ends {
    /// A command that runs at an end, and ends when we do.
    pub(super) fn inside(&self, name: &str, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "ip", "netns", "exec", name, program]);
        command
    }

    /// Moves the calling thread to an end, for ever.
    pub(super) fn enter(name: &str) -> Result<(), String> {
        let path = Path::new(NAMED).join(name);
        let cannot = |error: std::io::Error| format!("cannot enter the network namespace {}: {error}", path.display());
        let file = File::open(&path).map_err(cannot)?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|error| cannot(error.into()))
    }
}

impl Place {
    /// Makes it.
    pub(super) fn make(path: Between) -> Result<Self, String> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = |end: &str| format!("{PREFIX}{}-{number}-{end}", std::process::id());
        let (near, far) = (name("near"), if path == Between::Loopback { name("near") } else { name("far") });
        let address = if path == Between::Loopback { Ipv4Addr::LOCALHOST } else { FAR };
        let mut place = Self { ends: Ends { near: near.clone(), far: far.clone(), address: address.into() }, path, names: Vec::new() };
        for name in [&near, &far] {
            if !place.names.contains(name) {
                ip(&["netns", "add", name])?;
                place.names.push(name.clone());
                ip(&["-n", name, "link", "set", "lo", "up"])?;
            }
        }
        let (mtu, shaped) = match path {
            Between::Loopback => return Ok(place),
            Between::Veth { mtu } => (mtu, None),
            Between::Shaped { mtu, bits_per_s } => (mtu, Some(bits_per_s)),
        };
        let mtu = mtu.to_string();
        ip(&["-n", &near, "link", "add", VETH, "mtu", &mtu, "type", "veth", "peer", "name", VETH, "mtu", &mtu, "netns", &far])?;
        for (name, address) in [(&near, NEAR), (&far, FAR)] {
            ip(&["-n", name, "address", "add", &format!("{address}/30"), "dev", VETH])?;
            ip(&["-n", name, "link", "set", VETH, "up"])?;
        }
        if let Some(rate) = shaped {
            // A burst holds the largest packets of a sender that leaves the cutting to the device.
            let words = ["qdisc", "add", "dev", VETH, "root", "tbf", "rate", &format!("{rate}bit"), "burst", "512kb", "latency", "20ms"];
            run(Command::new("tc").args(["-n", &near]).args(words))?;
        }
        Ok(place)
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        match self.path {
            Between::Loopback => "the loopback of a network namespace".to_owned(),
            Between::Veth { mtu } => format!("a veth pair of MTU {mtu} between two network namespaces"),
            Between::Shaped { mtu, bits_per_s } => format!("a veth pair of MTU {mtu}, shaped by tbf to {bits_per_s} bit/s"),
        }
    }

    /// One word for a dimension.
    pub(super) fn kind(&self) -> &'static str {
        match self.path {
            Between::Loopback => "loopback",
            Between::Veth { .. } => "veth",
            Between::Shaped { .. } => "tbf",
        }
    }

    /// Removes it; what cannot be removed is said, and keeps nothing else from being removed.
    pub(super) fn release(mut self) -> Result<(), String> {
        let deleted: Vec<_> = std::mem::take(&mut self.names).iter().map(|name| ip(&["netns", "delete", name])).collect();
        deleted.into_iter().try_for_each(|deleted| deleted.map(drop))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for name in &self.names {
            // Nobody hears it here; the next start removes what is left.
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// Bytes that the shaper of an end has let through, frames without their check sequence, and when that was.
pub(super) fn shaped_bytes(near: &str) -> Result<(Instant, u64), String> {
    #[derive(Deserialize)]
    struct Discipline {
        kind: String,
        bytes: u64,
    }
    let before = Instant::now();
    let said = run(Command::new("tc").args(["-n", near, "-s", "-j", "qdisc", "show", "dev", VETH]))?;
    let middle = before + before.elapsed() / 2;
    let all: Vec<Discipline> = serde_json::from_str(&said).map_err(|error| format!("tc says something else than expected: {error}"))?;
    let shaper = all.iter().find(|one| one.kind == "tbf").ok_or_else(|| "there is no tbf".to_owned())?;
    Ok((middle, shaper.bytes))
}

/// Removes what processes have left that are dead, and says what it was.
pub(super) fn sweep() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(NAMED) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let dead = |name: &String| {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()).and_then(|pid| pid.parse::<u32>().ok());
        pid.is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists())
    };
    names.filter(dead).filter(|name| ip(&["netns", "delete", name]).is_ok()).collect()
}

fn ip(words: &[&str]) -> Result<String, String> {
    run(Command::new("ip").args(words))
}

fn run(command: &mut Command) -> Result<String, String> {
    let words =
        || std::iter::once(command.get_program()).chain(command.get_args()).map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>();
    let said = words().join(" ");
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run `{said}` (install iproute2): {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("`{said}` ended with {} (it needs root): {}", output.status, Printable::new(why)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exists(name: &str) -> bool {
        Path::new(NAMED).join(name).exists()
    }

    #[test]
    fn namespaces_are_made_shaped_and_gone_again_also_those_of_the_dead() {
        let place = Place::make(Between::Shaped { mtu: 1500, bits_per_s: 2_500_000_000 }).expect("needs root, iproute2 and tbf");
        let (near, far) = (place.ends.near.clone(), place.ends.far.clone());
        assert!(exists(&near) && exists(&far) && near != far);
        let (_, before) = shaped_bytes(&near).expect("a shaper");
        let pinged = place.ends.inside(&near, "ip").args(["-br", "address"]).output().expect("runs");
        assert!(String::from_utf8_lossy(&pinged.stdout).contains("192.0.2.1/30"), "{pinged:?}");
        assert!(before < 10_000);
        let other = Place::make(Between::Loopback).expect("a place of its own");
        other.release().expect("removed");
        assert!(exists(&near));
        drop(place);
        assert!(!exists(&near) && !exists(&far));
        let place = Place::make(Between::Veth { mtu: 1500 }).expect("another place");
        let (near, far) = (place.ends.near.clone(), place.ends.far.clone());
        ip(&["netns", "delete", &near]).expect("it is there");
        let error = place.release().expect_err("one was not there any more");
        assert!(error.contains(&near) && !exists(&far), "{error}");
        // No process has such a pid.
        let dead = format!("{PREFIX}4194999-0-near");
        ip(&["netns", "add", &dead]).expect("made");
        assert!(sweep().contains(&dead) && !exists(&dead));
    }
}
