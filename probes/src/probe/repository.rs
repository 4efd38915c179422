//! Package repositories of apt, from `/etc/apt/sources.list` and `/etc/apt/sources.list.d` (sources.list(5): one-line and deb822 style). Sources of
//! source packages are left out: nothing is installed from them. Passwords in URIs are never taken.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Value};

use super::Probe;
use crate::host::{Host, HostError};

mod deb822;
mod one_line;

/// The probe of package repositories.
pub(super) struct Repository;

const APT: &str = "/etc/apt";
const LIST: &str = "/etc/apt/sources.list";
const FOLDER: &str = "/etc/apt/sources.list.d";

/// One suite of one repository, as a file gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Suite {
    uri: String,
    suite: String,
    components: Vec<String>,
    is_enabled: bool,
}

impl Probe for Repository {
    fn name(&self) -> &'static str {
        "repository"
    }

    fn describe(&self) -> &'static str {
        "Package repositories of apt, from /etc/apt/sources.list and /etc/apt/sources.list.d."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Repository]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        if !host.exists(APT)? {
            return Err(HostError::SourceMissing(APT.into()));
        }
        let mut files = vec![LIST.to_owned()];
        files.extend(host.list_or_none(FOLDER)?.unwrap_or_default().iter().map(|name| format!("{FOLDER}/{name}")));
        let mut found: Vec<Component> = Vec::new();
        for file in files {
            for suite in suites(host, &file)? {
                let mut locator = format!("{} {}", suite.uri, suite.suite);
                if found.iter().any(|other| other.locator == locator) {
                    locator = format!("{locator} again in {file}");
                }
                found.push(Component::new(Kind::Repository, locator).with(Attr::Enabled, file.as_str(), suite.is_enabled).with(
                    Attr::Components,
                    file.as_str(),
                    Value::List(suite.components),
                ));
            }
        }
        Ok(found)
    }
}

/// What a file names; apt passes over files that are called otherwise.
fn suites(host: &Host, file: &str) -> Result<Vec<Suite>, HostError> {
    let parse = match file.rsplit('.').next() {
        Some("list") => one_line::parse,
        Some("sources") => deb822::parse,
        Some(_) | None => return Ok(Vec::new()),
    };
    match host.excerpt(file, |text| Ok(without_passwords(text))) {
        Err(error) if error.is_absent() => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(text) => parse(&text).map_err(|reason| HostError::Malformed { path: file.to_owned(), reason }),
    }
}

/// The lines without comments, and URIs without the user and password in them.
fn without_passwords(text: &str) -> String {
    let kept = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    kept.map(|line| line.split_inclusive(char::is_whitespace).map(without_user).collect::<String>()).collect::<Vec<_>>().join("\n")
}

fn without_user(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let host = rest.split('/').next().unwrap_or_default();
    match host.rsplit_once('@') {
        Some((user, _)) => format!("{scheme}://{}", &rest[user.len() + 1..]),
        None => word.to_owned(),
    }
}

/// A closing slash means nothing.
fn uri(text: &str) -> String {
    text.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests;
