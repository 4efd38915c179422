//! `ceph-kill`: daemons of this node killed with SIGKILL, as a crash ends them: whoever speaks to them is refused at once. They are started again by systemd, where it
//! has started them, or else with the very words that they were started with.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::super::error::FaultError;
use super::super::{Armed, Fault, FaultCtx};
use super::PATIENCE;
use super::daemon::{Daemon, running, words};
use super::{DaemonsSpec, meant};
use crate::child::{self, ChildError};

/// Kills daemons.
pub(in super::super) struct Kill;

/// What is started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    daemons: Vec<Started>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Started {
    daemon: Daemon,
    by: By,
}

/// Who starts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum By {
    /// systemd, by this name.
    Unit(String),
    /// Whoever runs this again.
    Command {
        /// Program and words.
        words: Vec<String>,
        /// Variables, each as `NAME=value`.
        environment: Vec<String>,
        /// The folder that it ran in.
        folder: PathBuf,
    },
}

const NAME: &str = "ceph-kill";
/// What is killed is gone when its memory is given back.
const GONE_WITHIN: Duration = Duration::from_secs(20);
/// A daemon that is started returns when it has read its store.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

impl Fault for Kill {
    fn name(&self) -> &'static str {
        NAME
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn describe(&self) -> &'static str {
        "kills daemons of a Ceph cluster (SIGKILL), and starts them again as they were started"
    }

    fn arm(&self, ctx: &FaultCtx<'_>) -> Result<Armed, FaultError> {
        let on: DaemonsSpec = ctx.spec.on()?;
        let daemons = meant(NAME, &on)?.into_iter().map(started).collect::<Result<_, _>>()?;
        ctx.spec.armed(&Noted { daemons })
    }

    fn inject(&self, armed: &Armed) -> Result<(), FaultError> {
        let Noted { daemons } = armed.state()?;
        for Started { daemon, .. } in &daemons {
            if !daemon.signal(Signal::KILL)? {
                let why = "it has ended since it was armed".to_owned();
                return Err(FaultError::Refused { fault: NAME.to_owned(), subject: daemon.name.clone(), why });
            }
        }
        match daemons.iter().find(|started| !started.daemon.until(GONE_WITHIN, |daemon| !daemon.lives())) {
            Some(Started { daemon, .. }) => {
                let source = std::io::Error::other(format!("it was not gone within {} s", GONE_WITHIN.as_secs()));
                Err(FaultError::Kernel { act: "kill", subject: daemon.name.clone(), source })
            }
            None => Ok(()),
        }
    }

    fn heal(&self, armed: &Armed) -> Result<(), FaultError> {
        let Noted { daemons } = armed.state()?;
        let mut first = Ok(());
        for started in &daemons {
            // One that cannot be started keeps no other down.
            if let Err(error) = start(started) {
                first = first.and(Err(error));
            }
        }
        first
    }
}

pub(super) fn started(daemon: Daemon) -> Result<Started, FaultError> {
    let failed = |what: &'static str| FaultError::kernel(what, &daemon.name);
    let group = daemon.file("cgroup").map_err(failed("read the control group of"))?;
    if let Some(unit) = unit_of(&String::from_utf8_lossy(&group)) {
        return Ok(Started { daemon, by: By::Unit(unit) });
    }
    let words = words(&daemon.file("cmdline").map_err(failed("read the command line of"))?);
    let environment = self::words(&daemon.file("environ").map_err(failed("read the environment of"))?);
    let folder = daemon.link("cwd").map_err(failed("read the folder of"))?;
    // What was started for the first time with that word stays in the foreground of somebody who waits for it.
    if words.iter().any(|word| matches!(word.as_str(), "-f" | "-d" | "--foreground")) {
        let why = "no unit of systemd has started it, and who has is not known: nobody would start it again".to_owned();
        return Err(FaultError::Refused { fault: NAME.to_owned(), subject: daemon.name.clone(), why });
    }
    Ok(Started { daemon, by: By::Command { words, environment, folder } })
}

/// `0::/system.slice/system-ceph\x2dosd.slice/ceph-osd@3.service`: the last part that is a service, of Ceph's.
fn unit_of(group: &str) -> Option<String> {
    let path = group.lines().find_map(|line| line.strip_prefix("0::"))?;
    let unit = path.split('/').rev().find(|part| part.ends_with(".service"))?;
    unit.starts_with("ceph").then(|| unit.to_owned())
}

fn start(Started { daemon, by }: &Started) -> Result<(), FaultError> {
    // One that was killed and is still there is not one that runs again.
    if daemon.is_dying() && !daemon.until(GONE_WITHIN, |daemon| !daemon.lives()) {
        let source = std::io::Error::other(format!("it is still there after {} s", GONE_WITHIN.as_secs()));
        return Err(FaultError::Kernel { act: "start again", subject: daemon.name.clone(), source });
    }
    if running()?.iter().any(|other| other.name == daemon.name) {
        return Ok(());
    }
    match by {
        By::Unit(unit) => {
            // Killed several times it is not started any more unless that is forgotten.
            let _ = run(&daemon.name, Command::new("systemctl").arg("reset-failed").arg(unit));
            run(&daemon.name, Command::new("systemctl").arg("start").arg(unit))
        }
        By::Command { words, environment, folder } => {
            let Some((program, rest)) = words.split_first() else {
                return Err(FaultError::Form { fault: NAME.to_owned(), why: format!("{} was started by no command", daemon.name) });
            };
            let variable = |one: &String| one.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            let mut command = Command::new(program);
            command.args(rest).env_clear().envs(environment.iter().filter_map(variable)).current_dir(folder);
            // It makes itself a daemon, and its parent returns.
            run(&daemon.name, &mut command)
        }
    }
}

fn run(subject: &str, command: &mut Command) -> Result<(), FaultError> {
    let failed = |source| FaultError::Kernel { act: "start", subject: subject.to_owned(), source };
    // A daemon keeps its standard output; who waits for the end of a pipe would wait for it.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match child::status(command, STARTS_WITHIN, &AtomicBool::new(false)) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(std::io::Error::other(format!("{} ended with {status}", shown(command.get_program()))))),
        Err(ChildError::Missing(error)) => Err(failed(error)),
        Err(ChildError::Failed(why)) => Err(failed(std::io::Error::other(why))),
        Err(ChildError::Stopped) => Err(failed(std::io::Error::other("it was told to stop"))),
    }
}

fn shown(program: &OsStr) -> String {
    crate::printable::Printable::new(OsString::from_vec(program.as_bytes().to_vec())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_that_started_it_is_found_through_slices_and_containers() {
        for (group, expected) in [
            ("0::/system.slice/system-ceph\\x2dosd.slice/ceph-osd@3.service\n", Some("ceph-osd@3.service")),
            ("0::/system.slice/system-ceph.slice/ceph-1a2b@osd.3.service/libpod-payload-77\n", Some("ceph-1a2b@osd.3.service")),
            ("12:pids:/x\n0::/user.slice/user-0.slice/session-3.scope\n", None),
            ("0::/system.slice/ssh.service\n", None),
            ("0::/\n", None),
            ("", None),
        ] {
            assert_eq!(unit_of(group).as_deref(), expected, "{group}");
        }
    }
}
