//! Daemons of a Ceph cluster on this node, as processes: found by their names, of this network namespace, and told from later ones of the same number by when they began.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::super::error::FaultError;
use super::super::record::netns;

/// What a daemon's program is called, and what it is called by its name.
const PROGRAMS: [(&str, &str); 3] = [("ceph-osd", "osd"), ("ceph-mon", "mon"), ("ceph-mgr", "mgr")];
/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(10);

/// A daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Daemon {
    /// `osd.3`.
    pub name: String,
    /// Its process.
    pub pid: i32,
    /// When that began, in ticks since the boot.
    pub began: u64,
}

/// Every daemon of a Ceph cluster in this network namespace, by name.
pub fn running() -> Result<Vec<Daemon>, FaultError> {
    running_below(Path::new("/proc"), netns()?)
}

fn running_below(proc: &Path, netns: u64) -> Result<Vec<Daemon>, FaultError> {
    let failed = |source| FaultError::Kernel { act: "list the processes of", subject: "this node".to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(proc).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // One that ends meanwhile is not there.
        found.extend(daemon_at(&entry.path(), pid, netns));
    }
    found.sort_by(|one: &Daemon, other| one.name.cmp(&other.name));
    Ok(found)
}

fn daemon_at(folder: &Path, pid: i32, netns: u64) -> Option<Daemon> {
    let comm = fs::read_to_string(folder.join("comm")).ok()?;
    let (_, kind) = PROGRAMS.iter().find(|(program, _)| *program == comm.trim_end())?;
    // A host of a lab, or a container with a network of its own, is another node.
    if fs::metadata(folder.join("ns/net")).ok()?.ino() != netns {
        return None;
    }
    let words = words(&fs::read(folder.join("cmdline")).ok()?);
    let name = format!("{kind}.{}", id_of(kind, &words)?);
    let (state, began) = state_of(&fs::read_to_string(folder.join("stat")).ok()?)?;
    // A zombie holds nothing any more.
    (!matches!(state, 'Z' | 'X')).then_some(Daemon { name, pid, began })
}

pub(super) fn words(cmdline: &[u8]) -> Vec<String> {
    let text = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    text.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// `ceph-osd -f --cluster ceph --id 3`, `ceph-mon -i a`, `ceph-osd -n osd.3`.
fn id_of(kind: &str, words: &[String]) -> Option<String> {
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let (option, value) = word.split_once('=').map_or((word.as_str(), None), |(option, value)| (option, Some(value.to_owned())));
        match option {
            "-i" | "--id" => return value.or_else(|| words.next().cloned()),
            "-n" | "--name" => {
                let name = value.or_else(|| words.next().cloned())?;
                return name.strip_prefix(kind)?.strip_prefix('.').map(str::to_owned);
            }
            _ => {}
        }
    }
    None
}

/// Fields 3 and 22 of proc_pid_stat(5); the name in parentheses may hold anything.
fn state_of(stat: &str) -> Option<(char, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Field 9 of proc_pid_stat(5) has PF_EXITING.
fn is_exiting(stat: &str) -> bool {
    const PF_EXITING: u64 = 4;
    let flags = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(6)?.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & PF_EXITING != 0)
}

/// Whether SIGKILL waits for the process or its first thread, by proc_pid_status(5).
fn is_killed(status: &str) -> bool {
    const KILL: u64 = 1 << 8;
    let pending = status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:")));
    pending.filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok()).any(|mask| mask & KILL != 0)
}

impl Daemon {
    fn folder(&self) -> PathBuf {
        Path::new("/proc").join(self.pid.to_string())
    }

    fn state(&self) -> Option<char> {
        let (state, began) = state_of(&fs::read_to_string(self.folder().join("stat")).ok()?)?;
        (began == self.began).then_some(state)
    }

    /// Whether its process lives.
    pub(super) fn lives(&self) -> bool {
        self.state().is_some_and(|state| !matches!(state, 'Z' | 'X'))
    }

    /// Whether its process was killed and is still there: memory is given back, or the kernel waits for a device.
    pub(super) fn is_dying(&self) -> bool {
        let file = |name: &str| fs::read_to_string(self.folder().join(name)).unwrap_or_default();
        self.lives() && (is_exiting(&file("stat")) || is_killed(&file("status")))
    }

    /// Whether its process is stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.state().is_some_and(|state| matches!(state, 'T' | 't'))
    }

    /// What it was started with.
    pub(super) fn file(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.folder().join(name))
    }

    pub(super) fn link(&self, name: &str) -> io::Result<PathBuf> {
        fs::read_link(self.folder().join(name))
    }

    /// A handle of exactly this process; none when it is gone.
    fn handle(&self) -> Result<Option<OwnedFd>, FaultError> {
        let failed = FaultError::kernel("open the process of", &self.name);
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            // Looked at once the handle is there: it stays that of the process which had the number then.
            Ok(handle) => Ok(self.lives().then_some(handle)),
            Err(Errno::SRCH) => Ok(None),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Sends it a signal; false when it is gone.
    pub(super) fn signal(&self, signal: Signal) -> Result<bool, FaultError> {
        let Some(handle) = self.handle()? else { return Ok(false) };
        match pidfd_send_signal(&handle, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(FaultError::kernel("send a signal to", &self.name)(error.into())),
        }
    }

    /// Waits until something is so of it, for so long.
    pub(super) fn until(&self, most: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + most;
        while !is_so(self) {
            if Instant::now() > end {
                return false;
            }
            #[allow(clippy::disallowed_methods, reason = "nothing tells when a process has stopped")]
            std::thread::sleep(LOOK);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_was_killed_and_is_still_there_is_dying() {
        let stat = |flags: u32| format!("7 (ceph-osd) x) D 1 7 7 0 -1 {flags} 0 0 0 0");
        assert!(is_exiting(&stat(0x0040_0004)) && !is_exiting(&stat(0x0040_0100)) && !is_exiting(""));
        let status = |own: &str, all: &str| format!("Name:\tceph-osd\nSigPnd:\t{own}\nShdPnd:\t{all}\nSigBlk:\t0000000000000100\n");
        assert!(is_killed(&status("0000000000000100", "0000000000000000")) && is_killed(&status("0000000000000000", "0000000000000100")));
        assert!(!is_killed(&status("0000000000000000", "0000000000004000")) && !is_killed(""));
    }

    #[test]
    fn a_daemon_is_named_in_each_spelling_of_its_command_line() {
        for (kind, line, expected) in [
            ("osd", "/usr/bin/ceph-osd -f --cluster ceph --id 3 --setuser ceph", Some("3")),
            ("mon", "ceph-mon -i pve1-node1", Some("pve1-node1")),
            ("osd", "ceph-osd --id=12", Some("12")),
            ("osd", "ceph-osd -n osd.3 -f", Some("3")),
            ("mgr", "ceph-mgr --name=mgr.a.b", Some("a.b")),
            ("osd", "ceph-osd -n mon.a", None),
            ("osd", "ceph-osd --mkfs", None),
        ] {
            assert_eq!(id_of(kind, &of(line)).as_deref(), expected, "{line}");
        }
        assert_eq!(words(b"ceph-osd\0-i\x003\0"), of("ceph-osd -i 3"));
    }

    #[test]
    fn a_name_with_parentheses_hides_no_state() {
        let stat = "7 (a) S b) T 1 7 7 0 -1 4194560 1 0 0 0 42 9 0 0 20 0 1 0 12345 1 2";
        assert_eq!(state_of(stat), Some(('T', 12345)));
        assert_eq!(state_of("7 (a"), None);
    }

    #[test]
    fn only_daemons_of_this_network_namespace_are_found() {
        let root = tempfile::tempdir().expect("a folder");
        let own = fs::metadata("/proc/self/ns/net").expect("there").ino();
        let put = |pid: &str, comm: &str, cmdline: &str, state: char, netns: &Path| {
            let folder = root.path().join(pid);
            fs::create_dir_all(folder.join("ns")).expect("made");
            fs::write(folder.join("comm"), format!("{comm}\n")).expect("written");
            fs::write(folder.join("cmdline"), cmdline.replace(' ', "\0") + "\0").expect("written");
            fs::write(folder.join("stat"), format!("{pid} ({comm}) {state} 1 7 7 0 -1 4194560 1 0 0 0 42 9 0 0 20 0 1 0 77 1 2")).expect("written");
            std::os::unix::fs::symlink(netns, folder.join("ns/net")).expect("linked");
        };
        let here = Path::new("/proc/self/ns/net");
        put("10", "ceph-osd", "ceph-osd -i 1", 'S', here);
        put("11", "ceph-osd", "ceph-osd -i 2", 'S', Path::new("/proc/self/ns/mnt"));
        put("12", "ceph-mon", "ceph-mon -i a", 'S', here);
        put("13", "ceph-osd", "ceph-osd -i 9", 'Z', here);
        put("14", "bash", "ceph-osd -i 8", 'S', here);
        put("self", "ceph-osd", "ceph-osd -i 7", 'S', here);
        let found = running_below(root.path(), own).expect("listed");
        assert_eq!(found.iter().map(|daemon| (daemon.name.as_str(), daemon.pid)).collect::<Vec<_>>(), [("mon.a", 12), ("osd.1", 10)]);
        assert_eq!(found[0].began, 77);
    }
}
