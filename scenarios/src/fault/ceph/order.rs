//! Orders to a Ceph cluster that are taken back: an OSD out of the data distribution, ratios below what is stored, an OSD that answers late. They are given on the node by
//! the command `ceph`, with the key that the node has.

use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::error::FaultError;
use super::super::{Armed, Fault, FaultCtx};
use super::{PATIENCE, daemon};
use crate::child::{self, ChildError};

/// Takes an OSD out.
pub(in super::super) struct Out;
/// Fills the cluster, as far as it knows.
pub(in super::super) struct Full;
/// Makes an OSD answer late.
pub(in super::super) struct Slow;

/// Which OSD is taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutSpec {
    /// The cluster.
    pub fsid: String,
    /// Its number.
    pub osd: u32,
}

/// How full the cluster is to be taken for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullSpec {
    /// The cluster.
    pub fsid: String,
    /// The ratio from which an OSD is full; below what the fullest one holds, writes wait.
    pub ratio: f64,
}

/// Which OSD is slow, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowSpec {
    /// The cluster.
    pub fsid: String,
    /// Its number.
    pub osd: u32,
    /// Milliseconds by which every message to it is late.
    pub delay_ms: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ratios {
    nearfull: f64,
    backfillfull: f64,
    full: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WasFull {
    fsid: String,
    ratio: f64,
    before: Ratios,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WasSlow {
    osd: u32,
    delay_ms: u32,
    /// Options as they were.
    before: Vec<(String, String)>,
}

/// An order that is not taken within this is not taken.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);
/// The options that hold messages up before they are worked on.
const PROBABILITY: &str = "osd_debug_inject_dispatch_delay_probability";
const DURATION: &str = "osd_debug_inject_dispatch_delay_duration";
const DELAY_MAX_MS: u32 = 10_000;

impl Fault for Out {
    fn name(&self) -> &'static str {
        "ceph-out"
    }

    fn outlives_the_boot(&self) -> bool {
        true
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn describe(&self) -> &'static str {
        "marks an OSD of a Ceph cluster out: its data are recovered elsewhere, and back again when it is in"
    }

    fn arm(&self, ctx: &FaultCtx<'_>) -> Result<Armed, FaultError> {
        let on: OutSpec = ctx.spec.on()?;
        must_be_cluster(self.name(), &on.fsid)?;
        let osd = osd_of(&dump(self.name())?, on.osd);
        let refused = |why: &str| FaultError::Refused { fault: self.name().to_owned(), subject: format!("osd.{}", on.osd), why: why.to_owned() };
        match osd {
            None => Err(refused("the cluster has no such OSD")),
            Some((_, 0)) => Err(refused("it is out already")),
            Some((0, _)) => Err(refused("it is down")),
            Some(_) => ctx.spec.armed(&on),
        }
    }

    fn inject(&self, armed: &Armed) -> Result<(), FaultError> {
        let OutSpec { osd, .. } = armed.state()?;
        ordered("take out", &["osd", "out", &osd.to_string()])
    }

    fn heal(&self, armed: &Armed) -> Result<(), FaultError> {
        let OutSpec { osd, fsid } = armed.state()?;
        must_be_cluster(self.name(), &fsid)?;
        ordered("take in", &["osd", "in", &osd.to_string()])?;
        match osd_of(&dump(self.name())?, osd) {
            Some((_, 1)) | None => Ok(()),
            Some(_) => Err(not_taken("take in")),
        }
    }
}

impl Fault for Full {
    fn name(&self) -> &'static str {
        "ceph-full"
    }

    fn outlives_the_boot(&self) -> bool {
        true
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn describe(&self) -> &'static str {
        "sets the full ratios of a Ceph cluster below what it stores, and back: writes wait meanwhile"
    }

    fn arm(&self, ctx: &FaultCtx<'_>) -> Result<Armed, FaultError> {
        let FullSpec { fsid, ratio } = ctx.spec.on()?;
        // Not a number is not above zero.
        if !(ratio > 0.0 && ratio < 1.0) {
            return Err(ctx.spec.form("a ratio is above 0 and below 1"));
        }
        must_be_cluster(self.name(), &fsid)?;
        ctx.spec.armed(&WasFull { fsid, ratio, before: Ratios::now(self.name())? })
    }

    fn inject(&self, armed: &Armed) -> Result<(), FaultError> {
        let WasFull { ratio, .. } = armed.state()?;
        // From the lowest on: they are in order at any time.
        ratios(Ratios { nearfull: ratio * 0.8, backfillfull: ratio * 0.9, full: ratio }, false)
    }

    fn heal(&self, armed: &Armed) -> Result<(), FaultError> {
        let WasFull { fsid, before, .. } = armed.state()?;
        must_be_cluster(self.name(), &fsid)?;
        ratios(before, true)?;
        if Ratios::now(self.name())?.is(&before) { Ok(()) } else { Err(not_taken("set the ratios of")) }
    }
}

impl Ratios {
    fn now(fault: &str) -> Result<Self, FaultError> {
        let dump = dump(fault)?;
        let one = |name: &str| {
            let found = dump.get(name).and_then(Value::as_f64);
            found.ok_or_else(|| FaultError::Form { fault: fault.to_owned(), why: format!("the cluster says no {name}") })
        };
        Ok(Self { nearfull: one("nearfull_ratio")?, backfillfull: one("backfillfull_ratio")?, full: one("full_ratio")? })
    }

    /// The same to what single precision keeps, as the cluster does.
    fn is(&self, other: &Self) -> bool {
        let same = |one: f64, other: f64| (one - other).abs() < 1e-6;
        same(self.nearfull, other.nearfull) && same(self.backfillfull, other.backfillfull) && same(self.full, other.full)
    }
}

fn ratios(Ratios { nearfull, backfillfull, full }: Ratios, from_the_highest: bool) -> Result<(), FaultError> {
    let mut orders = [("set-nearfull-ratio", nearfull), ("set-backfillfull-ratio", backfillfull), ("set-full-ratio", full)];
    if from_the_highest {
        orders.reverse();
    }
    // In whichever state a death has left them, each is tried.
    let mut first = Ok(());
    for (order, ratio) in orders {
        let given = ordered("set the ratios of", &["osd", order, &ratio.to_string()]);
        first = first.and(given);
    }
    first
}

impl Fault for Slow {
    fn name(&self) -> &'static str {
        "ceph-slow"
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn describe(&self) -> &'static str {
        "makes an OSD of a Ceph cluster take every message late (osd_debug_inject_dispatch_delay): slow, and not down"
    }

    fn arm(&self, ctx: &FaultCtx<'_>) -> Result<Armed, FaultError> {
        let SlowSpec { fsid, osd, delay_ms } = ctx.spec.on()?;
        if delay_ms == 0 || delay_ms > DELAY_MAX_MS {
            return Err(ctx.spec.form(&format!("a delay is 1 to {DELAY_MAX_MS} ms")));
        }
        must_be_cluster(self.name(), &fsid)?;
        let mut before = Vec::new();
        for option in [PROBABILITY, DURATION] {
            before.push((option.to_owned(), set_on(self.name(), osd, option)?));
        }
        if before.iter().any(|(option, was)| option == PROBABILITY && was.parse::<f64>() != Ok(0.0)) {
            let why = "its messages are held up already".to_owned();
            return Err(FaultError::Refused { fault: self.name().to_owned(), subject: format!("osd.{osd}"), why });
        }
        ctx.spec.armed(&WasSlow { osd, delay_ms, before })
    }

    fn inject(&self, armed: &Armed) -> Result<(), FaultError> {
        let WasSlow { osd, delay_ms, .. } = armed.state()?;
        let seconds = f64::from(delay_ms) / 1e3;
        told(osd, DURATION, &seconds.to_string())?;
        told(osd, PROBABILITY, "1")
    }

    fn heal(&self, armed: &Armed) -> Result<(), FaultError> {
        let WasSlow { osd, before, .. } = armed.state()?;
        // One that is started anew has what its configuration says. That the others take it for down says nothing: it holds messages up all the same, and comes back.
        if daemon::running()?.iter().all(|here| here.name != named(osd)) {
            return Ok(());
        }
        // The probability first: it is the one that matters.
        let mut first = Ok(());
        for (option, was) in &before {
            first = first.and(told(osd, option, was));
        }
        first?;
        for (option, was) in &before {
            if set_on(self.name(), osd, option)? != *was {
                return Err(not_taken("set an option of"));
            }
        }
        Ok(())
    }
}

fn named(osd: u32) -> String {
    format!("osd.{osd}")
}

/// What an option of an OSD of this node is set to. By its own socket, as everything here: a message would be held up like the others, and does not come to an OSD that is taken for down.
fn set_on(fault: &str, osd: u32, option: &str) -> Result<String, FaultError> {
    let said: Value = asked(fault, &["daemon", &named(osd), "config", "get", option])?;
    let set = said.get(option).and_then(Value::as_str).map(str::to_owned);
    set.ok_or_else(|| FaultError::Form { fault: fault.to_owned(), why: format!("{} says no {option}", named(osd)) })
}

/// The cluster that this node speaks to has to be the one that is meant.
pub(super) fn must_be_cluster(fault: &str, fsid: &str) -> Result<(), FaultError> {
    let here = said("ask", &["fsid"])?;
    if here.trim() == fsid {
        return Ok(());
    }
    let why = format!("its cluster is {}, and {} is meant", crate::remote::shown(here.trim()), crate::remote::shown(fsid));
    Err(FaultError::Refused { fault: fault.to_owned(), subject: "this node".to_owned(), why })
}

fn not_taken(act: &'static str) -> FaultError {
    let source = std::io::Error::other("the order was given, and is not in effect");
    FaultError::Kernel { act, subject: "the Ceph cluster".to_owned(), source }
}

fn told(osd: u32, option: &str, value: &str) -> Result<(), FaultError> {
    ordered("set an option of", &["daemon", &named(osd), "config", "set", option, value])
}

fn dump(fault: &str) -> Result<Value, FaultError> {
    asked(fault, &["osd", "dump"])
}

/// Whether an OSD is up, and whether it is in.
fn osd_of(dump: &Value, osd: u32) -> Option<(u64, u64)> {
    let all = dump.get("osds")?.as_array()?;
    let found = all.iter().find(|one| one.get("osd").and_then(Value::as_u64) == Some(osd.into()))?;
    Some((found.get("up")?.as_u64()?, found.get("in")?.as_u64()?))
}

fn ordered(act: &'static str, words: &[&str]) -> Result<(), FaultError> {
    said(act, words).map(|_| ())
}

fn asked<T: DeserializeOwned>(fault: &str, words: &[&str]) -> Result<T, FaultError> {
    let words = [words, &["--format", "json"]].concat();
    serde_json::from_str(&said("ask", &words)?).map_err(|error| FaultError::Form { fault: fault.to_owned(), why: error.to_string() })
}

fn said(act: &'static str, words: &[&str]) -> Result<String, FaultError> {
    let failed = |source| FaultError::Kernel { act, subject: "the Ceph cluster".to_owned(), source };
    // An order that outlives whoever gave it could be taken after it was taken back.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "ceph", "--connect-timeout", "10"]).args(words);
    match child::run(&mut command, TAKEN_WITHIN, &AtomicBool::new(false)) {
        Ok(said) if said.status.success() => Ok(said.out),
        Ok(said) => Err(failed(std::io::Error::other(format!("{}`ceph {}`: {}", meant(&said.err), words.join(" "), said.failure())))),
        Err(ChildError::Missing(error)) => Err(failed(error)),
        Err(ChildError::Failed(why)) => Err(failed(std::io::Error::other(format!("`ceph {}`: {why}", words.join(" "))))),
        Err(ChildError::Stopped) => Err(failed(std::io::Error::other("it was told to stop"))),
    }
}

/// What the last words of `ceph` mean of this node: others see a cluster that answers, and do not look for the reason here.
fn meant(said: &str) -> &'static str {
    let is_import = said.contains("ImportError") || said.contains("ModuleNotFoundError");
    let is_refused = |errno: &str| said.contains(errno) && said.contains("error connecting to the cluster");
    if is_import && said.contains("rados") {
        "the command `ceph` cannot load librados on this node (packages librados2 and python3-rados in Debian): "
    } else if said.contains("failed to execute ceph") {
        "there is no command `ceph` on this node (package ceph-common in Debian): "
    } else if is_refused("[errno 13]") {
        "the monitors do not take the key of this node, or there is none where its configuration says: "
    } else if is_refused("[errno 2]") {
        "the keyring of this node is not where its configuration says: "
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_lacks_is_said_before_what_the_command_says() {
        let import = |kind: &str| {
            format!("Traceback:\n  File \"/usr/bin/ceph\", line 142, in <module>\n    import rados\n{kind}: librados.so.2: file too short\n")
        };
        let connecting = |why: &str| format!("handle_auth_bad_method server allowed_methods [2]\n[errno {why} (error connecting to the cluster)\n");
        for (said, means) in [
            (import("ImportError"), "cannot load librados"),
            (import("ModuleNotFoundError"), "cannot load librados"),
            ("setpriv: failed to execute ceph: No such file or directory\n".to_owned(), "no command `ceph`"),
            (connecting("13] RADOS permission denied"), "do not take the key"),
            (connecting("2] RADOS object not found"), "keyring of this node is not"),
        ] {
            assert!(meant(&said).contains(means), "{said}");
        }
        // A right that the key does not have is no key that is not taken.
        for said in ["Error EACCES: access denied\n", "[errno 110] RADOS timed out (error connecting to the cluster)\n", ""] {
            assert_eq!(meant(said), "");
        }
    }

    #[test]
    fn an_osd_is_found_in_what_the_cluster_says() {
        let dump = serde_json::json!({ "osds": [{ "osd": 0, "up": 1, "in": 1 }, { "osd": 2, "up": 0, "in": 1 }, { "osd": 3, "up": 1 }] });
        assert_eq!([0, 1, 2, 3].map(|osd| osd_of(&dump, osd)), [Some((1, 1)), None, Some((0, 1)), None]);
        assert_eq!(osd_of(&Value::Null, 0), None);
    }
}
