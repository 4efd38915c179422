//! `sshd_config` and what it includes (sshd_config(5)): the Match blocks, which `sshd -T` leaves out. Of them only the settings that are judged are taken.

use crate::host::{Host, HostError};

/// Settings by which a Match block can open what the rest keeps closed.
const JUDGED: [&str; 9] = [
    "passwordauthentication",
    "kbdinteractiveauthentication",
    "challengeresponseauthentication",
    "permitemptypasswords",
    "permitrootlogin",
    "hostbasedauthentication",
    "authorizedkeysfile",
    "authorizedkeyscommand",
    "trustedusercakeys",
];
/// sshd allows for as many levels of inclusion.
const DEPTH_MAX: usize = 16;
const FOLDER: &str = "/etc/ssh";

/// `FILE:LINE keyword value` for each judged setting of a Match block.
pub(super) fn overrides(host: &Host, path: &str) -> Result<Vec<String>, HostError> {
    let mut found = Vec::new();
    read(host, path, false, 0, &mut found)?;
    Ok(found)
}

fn read(host: &Host, path: &str, is_conditional: bool, depth: usize, found: &mut Vec<String>) -> Result<(), HostError> {
    let refuse = |reason: &str| Err(HostError::Malformed { path: path.to_owned(), reason: reason.into() });
    if depth > DEPTH_MAX {
        return refuse("files include each other too deeply");
    }
    let text = host.excerpt(path, |text| Ok(taken(text)))?;
    for line in text.lines() {
        let [number, scope, keyword, value] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else { return refuse("an excerpt without four words") };
        let is_conditional = is_conditional || scope == "match";
        if keyword != "include" {
            if is_conditional {
                found.push(format!("{path}:{number} {keyword} {value}"));
            }
            continue;
        }
        for pattern in value.split_whitespace() {
            for file in matching(host, pattern)? {
                read(host, &file, is_conditional, depth + 1, found)?;
            }
        }
    }
    Ok(())
}

/// `LINE match|global keyword value` of the settings that are judged and of what is included.
fn taken(text: &str) -> String {
    let mut lines = Vec::new();
    let mut scope = "global";
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        let Some((keyword, value)) = line.split_once(|c: char| c.is_whitespace() || c == '=') else { continue };
        let (keyword, value) = (keyword.to_lowercase(), value.trim_start_matches(['=', ' ', '\t']).trim());
        if keyword == "match" {
            scope = "match";
        } else if keyword == "include" || (JUDGED.contains(&keyword.as_str())) {
            lines.push(format!("{} {scope} {keyword} {}", number + 1, value.trim_matches('"')));
        }
    }
    lines.join("\n")
}

/// The files that a pattern of `Include` names. A star is understood in the name of the file only.
fn matching(host: &Host, pattern: &str) -> Result<Vec<String>, HostError> {
    let pattern = pattern.trim_matches('"');
    let whole = if pattern.starts_with('/') { pattern.to_owned() } else { format!("{FOLDER}/{pattern}") };
    let (folder, name) = whole.rsplit_once('/').unwrap_or((FOLDER, pattern));
    let refuse = || HostError::Malformed { path: whole.clone(), reason: "a pattern that is not understood".into() };
    if folder.contains(['*', '?', '[']) || name.contains(['?', '[']) {
        return Err(refuse());
    }
    let Some((before, after)) = name.split_once('*') else {
        return Ok(if host.exists(&whole)? { vec![whole] } else { Vec::new() });
    };
    if after.contains('*') {
        return Err(refuse());
    }
    let names = host.list_or_none(folder)?.unwrap_or_default();
    let fits =
        |name: &&String| name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after) && !name.starts_with('.');
    Ok(names.iter().filter(fits).map(|name| format!("{folder}/{name}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overridden(snapshot: &str) -> Result<Vec<String>, HostError> {
        overrides(&Host::from_snapshot(snapshot).expect("a fixture"), "/etc/ssh/sshd_config")
    }

    #[test]
    fn match_blocks_are_followed_through_included_files() {
        let found = overridden(
            "/etc/ssh/sshd_config:
            |Include /etc/ssh/sshd_config.d/*.conf
            |PasswordAuthentication no
            |# Match address 10.0.0.0/8
            |Match User backup
            |    X11Forwarding no
            |    PasswordAuthentication=yes
            |    Include extra.conf
            /etc/ssh/sshd_config.d/10-a.conf:
            |PermitRootLogin yes
            |match address 192.0.2.0/24
            |\tpermitrootlogin \"yes\"
            /etc/ssh/sshd_config.d/README: Match all
            /etc/ssh/extra.conf: KbdInteractiveAuthentication yes",
        );
        let expected = [
            "/etc/ssh/sshd_config.d/10-a.conf:3 permitrootlogin yes",
            "/etc/ssh/sshd_config:6 passwordauthentication yes",
            "/etc/ssh/extra.conf:1 kbdinteractiveauthentication yes",
        ];
        assert_eq!(found, Ok(expected.map(String::from).to_vec()));
    }

    #[test]
    fn a_plain_configuration_overrides_nothing_and_an_unread_one_is_not_plain() {
        assert_eq!(overridden("/etc/ssh/sshd_config: PasswordAuthentication no"), Ok(Vec::new()));
        assert!(overridden("/etc/ssh/sshd_config error: EACCES").is_err());
        assert!(overridden("/etc/ssh/sshd_config: Include /etc/*/sshd.conf").is_err());
        assert!(overridden("/etc/ssh/sshd_config: Include sshd_config").is_err(), "a file that includes itself");
        assert!(overridden("/etc/ssh/sshd_config: Include /etc/ssh/sshd_config.d/*.conf\n/etc/ssh/sshd_config.d/a.conf error: EIO").is_err());
    }
}
