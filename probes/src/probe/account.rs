//! Who may use the management of Proxmox VE: realms, accounts and their second factors, from `/etc/pve/domains.cfg`, `user.cfg` and `priv`. These files
//! hold passwords' hashes, seeds of one-time passwords and secrets of providers: only what `account/excerpts.rs` takes of them is seen or written down.

use std::collections::BTreeSet;

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::Probe;
use crate::host::{Host, HostError, unanswered};

mod excerpts;

/// The probe of realms and accounts.
pub(super) struct Account;

/// The cluster's file system: without it `/etc/pve` is an empty folder.
const MOUNTED: &str = "/etc/pve/local";
const DOMAINS: &str = "/etc/pve/domains.cfg";
const USERS: &str = "/etc/pve/user.cfg";
const FACTORS: &str = "/etc/pve/priv/tfa.cfg";
const SHADOW: &str = "/etc/pve/priv/shadow.cfg";
/// Both are there without being written down, PVE::AccessControl.
const BUILT_IN_REALMS: [&str; 2] = ["pam", "pve"];
const ROOT: &str = "root@pam";
/// The realm whose passwords are kept here.
const OWN: &str = "pve";

impl Probe for Account {
    fn name(&self) -> &'static str {
        "account"
    }

    fn describe(&self) -> &'static str {
        "Realms and accounts of Proxmox VE and the kinds of their second factors, from /etc/pve; no secret is taken."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Realm, Kind::Account]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        if !host.exists(MOUNTED)? {
            return Err(HostError::SourceMissing(MOUNTED.into()));
        }
        let realms = words_of(host, DOMAINS, excerpts::realms)?.unwrap_or_default();
        let users = words_of(host, USERS, excerpts::users)?.unwrap_or_default();
        let mut all: Vec<Component> = BUILT_IN_REALMS
            .iter()
            .filter(|name| !realms.iter().any(|words| words.get(2).is_some_and(|id| id == *name)))
            .map(|name| realm(name, name, None))
            .collect();
        for words in &realms {
            if let [_, kind, id, tfa @ ..] = words.as_slice() {
                all.push(realm(kind, id, tfa.first().map(String::as_str)));
            }
        }
        let known = Known {
            factors: words_of(host, FACTORS, excerpts::factors),
            passwords: words_of(host, SHADOW, excerpts::passwords),
            now: host.wall_clock().ok(),
        };
        if !users.iter().any(|words| words.get(1).is_some_and(|id| id == ROOT)) {
            all.push(known.account(ROOT, true.into()));
        }
        for words in &users {
            if let [_, id, enable, expire] = words.as_slice() {
                all.push(known.account(id, known.is_enabled(enable, expire)));
            }
        }
        Ok(all)
    }
}

fn realm(kind: &str, id: &str, tfa: Option<&str>) -> Component {
    let tfa = tfa.map_or(Reading::Absent, Reading::from);
    Component::new(Kind::Realm, id).with(Attr::RealmType, DOMAINS, kind).with(Attr::RealmTfa, DOMAINS, tfa)
}

type Words = Vec<Vec<String>>;

/// An excerpt's lines as words; none where there is no file.
fn words_of(host: &Host, path: &str, take: fn(&str) -> Result<String, String>) -> Result<Option<Words>, HostError> {
    match host.excerpt(path, take) {
        Ok(text) => Ok(Some(text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect())),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is known of all accounts.
struct Known {
    factors: Result<Option<Words>, HostError>,
    passwords: Result<Option<Words>, HostError>,
    now: Option<i64>,
}

impl Known {
    fn account(&self, id: &str, is_enabled: Reading) -> Component {
        Component::new(Kind::Account, id).with(Attr::Enabled, USERS, is_enabled).with(Attr::HasPassword, SHADOW, self.has_password(id)).with(
            Attr::Factors,
            FACTORS,
            self.factors_of(id),
        )
    }

    /// Enabled, and not past its last day. Without a clock it counts as one that is not over.
    fn is_enabled(&self, enable: &str, expire: &str) -> Reading {
        let Ok(expire) = expire.parse::<i64>() else { return Reading::Unreadable("its last day is no number".into()) };
        let is_over = expire != 0 && self.now.is_some_and(|now| now >= expire);
        match enable {
            "1" => (!is_over).into(),
            "0" | "" => false.into(),
            _ => Reading::Unreadable("neither enabled nor disabled".into()),
        }
    }

    fn has_password(&self, id: &str) -> Reading {
        match (id.rsplit_once('@'), &self.passwords) {
            (Some((name, OWN)), Ok(passwords)) => passwords.iter().flatten().any(|words| words.get(1).is_some_and(|with| with == name)).into(),
            (Some((_, OWN)), Err(error)) => unanswered(error),
            (Some(_) | None, _) => Reading::Absent,
        }
    }

    fn factors_of(&self, id: &str) -> Reading {
        let factors = match &self.factors {
            Ok(factors) => factors.iter().flatten(),
            Err(error) => return unanswered(error),
        };
        let own = factors.filter(|words| words.get(1).is_some_and(|of| of == id)).filter_map(|words| words.get(2).cloned());
        Value::List(own.collect::<BTreeSet<_>>().into_iter().collect()).into()
    }
}

#[cfg(test)]
mod tests;
