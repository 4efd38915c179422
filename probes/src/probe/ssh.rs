//! The SSH server and who may log in: the effective settings as `sshd -T` gives them, the Match blocks that it leaves out (`ssh/config.rs`), and the keys
//! of the accounts that can log in (`ssh/key.rs`). Of keys only type, length, fingerprint and comment are taken; of accounts name and home.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::Probe;
use crate::host::{Host, HostError, unanswered};

mod account;
mod config;
mod key;

/// The probe of the SSH server.
pub(super) struct Ssh;

const CONFIG: &str = "/etc/ssh/sshd_config";
const EFFECTIVE: [&str; 2] = ["sshd", "-T"];
/// The keys of a cluster of Proxmox VE; root's own file is usually a link to it.
const CLUSTER_KEYS: &str = "/etc/pve/priv/authorized_keys";
/// What sshd looks for when it does not say.
const KEY_FILES: &str = ".ssh/authorized_keys .ssh/authorized_keys2";

impl Probe for Ssh {
    fn name(&self) -> &'static str {
        "ssh"
    }

    fn describe(&self) -> &'static str {
        "The SSH server's effective settings by sshd -T, its Match blocks, and type and length of the keys that may log in."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::SshServer, Kind::SshKey]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        if !host.exists(CONFIG)? {
            return Err(HostError::SourceMissing(CONFIG.into()));
        }
        let settings = match host.command_stdout(&EFFECTIVE) {
            Err(error) if error.is_absent() => return Err(HostError::SourceMissing(format!("{CONFIG} without a server"))),
            answer => answer.map(|text| Settings::parse(&text)),
        };
        let mut all = vec![server(host, &settings)];
        all.extend(keys(host, settings.as_ref().ok().and_then(|settings| settings.value("authorizedkeysfile")).unwrap_or(KEY_FILES))?);
        Ok(all)
    }
}

/// `keyword value`, keywords in lower case.
struct Settings(Vec<(String, String)>);

impl Settings {
    fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        Self(pairs.map(|(keyword, value)| (keyword.to_lowercase(), value.trim().to_owned())).collect())
    }

    fn value(&self, keyword: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == keyword).map(|(_, value)| value.as_str())
    }

    fn flag(&self, keyword: &str) -> Reading {
        match self.value(keyword) {
            None => Reading::Absent,
            Some("yes") => true.into(),
            Some("no") => false.into(),
            Some(other) => Reading::Unreadable(format!("{keyword} is `{other}`")),
        }
    }

    /// Without PAM nothing asks for a password in this way.
    fn keyboard_interactive(&self) -> Reading {
        match (self.flag("kbdinteractiveauthentication"), self.flag("usepam")) {
            (asks, uses_pam) if asks == true.into() && uses_pam == false.into() => false.into(),
            (asks, _) => asks,
        }
    }

    /// Whatever else says which keys may log in.
    fn key_sources(&self) -> Reading {
        let is_set = |keyword: &&str| self.value(keyword).is_some_and(|value| !["none", "no"].contains(&value));
        Value::List(["authorizedkeyscommand", "trustedusercakeys", "hostbasedauthentication"].into_iter().filter(is_set).map(str::to_owned).collect())
            .into()
    }
}

fn server(host: &Host, settings: &Result<Settings, HostError>) -> Component {
    let source = EFFECTIVE.join(" ");
    let of = |read: &dyn Fn(&Settings) -> Reading| settings.as_ref().map_or_else(unanswered, read);
    let overrides = config::overrides(host, CONFIG).map_or_else(|error| unanswered(&error), |overrides| Value::List(overrides).into());
    Component::new(Kind::SshServer, "node")
        .with(Attr::PasswordAuthentication, source.as_str(), of(&|settings| settings.flag("passwordauthentication")))
        .with(Attr::KeyboardInteractive, source.as_str(), of(&Settings::keyboard_interactive))
        .with(Attr::EmptyPasswords, source.as_str(), of(&|settings| settings.flag("permitemptypasswords")))
        .with(Attr::RootLogin, source.as_str(), of(&|settings| settings.value("permitrootlogin").map_or(Reading::Absent, Reading::from)))
        .with(Attr::KeySources, source.as_str(), of(&Settings::key_sources))
        .with(Attr::MatchOverrides, CONFIG, overrides)
}

/// The keys of every account that can log in.
fn keys(host: &Host, files: &str) -> Result<Vec<Component>, HostError> {
    let mut paths: Vec<String> = Vec::new();
    for account in account::accounts(host)? {
        paths.extend(files.split_whitespace().filter(|file| *file != "none").map(|file| account.path(file)));
    }
    paths.push(CLUSTER_KEYS.into());
    paths.sort();
    paths.dedup();
    let mut all = Vec::new();
    for path in &paths {
        // A link to the cluster's file gives the same keys again.
        let is_same = path != CLUSTER_KEYS && host.link(path).is_ok_and(|target| target == CLUSTER_KEYS);
        if !is_same {
            all.extend(key::keys(host, path)?);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
