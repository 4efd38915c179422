//! Who may log in by SSH, and how: the effective settings, what Match blocks open again, and the keys. A weak key is named by file, fingerprint and
//! comment.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::site::declared::{AllowedKey, Ssh};
use assay_model::verdict::Reason;

use super::findings::Findings;
use super::question::Question;
use super::seen::{Seen, count, flag, list, looked, text};

pub(super) const POLICY: Question = Question { id: "ssh.policy", expected: "no passwords, root and keys as declared" };

const KEYS: &str = "keys";
/// Settings of Match blocks that say who else may log in without a password.
const KEY_SOURCES: [&str; 4] = ["hostbasedauthentication", "authorizedkeysfile", "authorizedkeyscommand", "trustedusercakeys"];

pub(super) fn policy(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let Some(declared) = &site.declared.software.ssh else {
        return vec![POLICY.absent(site, Kind::SshServer.name(), "the site declares nothing of SSH", looked(inventory, Kind::SshServer))];
    };
    let servers = match POLICY.subjects(inventory, site, Kind::SshServer) {
        Ok(servers) => servers,
        Err(unasked) => return unasked,
    };
    let mut answers: Vec<Check> = servers.into_iter().map(|server| of_server(site, server, declared)).collect();
    if let Some(allowed) = &declared.keys {
        answers.push(of_keys(inventory, site, allowed));
    }
    answers
}

fn of_server(site: &Site, server: &Component, declared: &Ssh) -> Check {
    const SETTINGS: [(Attr, &str); 3] = [
        (Attr::PasswordAuthentication, "passwords are taken"),
        (Attr::KeyboardInteractive, "PAM asks for passwords"),
        (Attr::EmptyPasswords, "empty passwords are taken"),
    ];
    let mut findings = Findings::default();
    if !declared.passwords {
        for (attr, what) in SETTINGS {
            if findings.value(attr, flag(server, attr)) == Some(true) {
                findings.wrong(what);
            }
        }
    }
    let root_login = declared.root_login.as_deref();
    if let Some(allowed) = root_login
        && let Some(root) = findings.value(Attr::RootLogin, text(server, Attr::RootLogin))
        && !is_allowed(root, allowed)
    {
        findings.wrong(format!("PermitRootLogin is {root}, declared is {}", allowed.join(" or ")));
    }
    let overrides = findings.value("list of Match blocks", list(server, Attr::MatchOverrides));
    for line in overrides.unwrap_or_default() {
        if let [place, keyword, value] = line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            if KEY_SOURCES.contains(&keyword) {
                // Whom it lets in stands in no file that was looked at.
                if !["none", "no"].contains(&value) && declared.keys.is_some() {
                    findings.unclear(Reason::NotRun(format!("a Match block sets {keyword} {value} ({place}): keys there are not judged")));
                }
                continue;
            }
            let is_opened = match keyword {
                "permitrootlogin" => root_login.is_some_and(|allowed| !is_allowed(value, allowed)),
                _ => !declared.passwords && !value.eq_ignore_ascii_case("no"),
            };
            if is_opened {
                findings.wrong(format!("a Match block sets {keyword} {value} ({place})"));
            }
        }
    }
    let seen =
        Seen::of(server, &[Attr::PasswordAuthentication, Attr::KeyboardInteractive, Attr::EmptyPasswords, Attr::RootLogin, Attr::MatchOverrides]);
    let verdict = findings.verdict(site, &seen);
    POLICY.answer(&server.locator, &seen, verdict)
}

/// `prohibit-password` and `without-password` are one value, sshd_config(5).
fn is_allowed(value: &str, allowed: &[String]) -> bool {
    let canonical = |value: &str| if value.eq_ignore_ascii_case("without-password") { "prohibit-password".to_owned() } else { value.to_lowercase() };
    allowed.iter().any(|allowed| canonical(allowed) == canonical(value))
}

fn of_keys(inventory: &Inventory, site: &Site, allowed: &[AllowedKey]) -> Check {
    let keys = match inventory.of(Kind::SshKey) {
        Observed::Components(keys) => keys,
        Observed::SourceMissing(source) => return POLICY.absent(site, KEYS, format!("{source} does not exist on this host"), source),
        Observed::Unknown(reason) => return Check::inconclusive(POLICY.id, KEYS, POLICY.expected, reason, looked(inventory, Kind::SshKey)),
    };
    let mut findings = Findings::default();
    for key in &keys {
        let Some(name) = findings.value(format!("type of {}", key.locator), text(key, Attr::KeyType)) else { continue };
        match allowed.iter().find(|allowed| allowed.key_type == name) {
            None => findings.wrong(format!("{} is of type {name}, which is not declared", described(key))),
            Some(AllowedKey { bits_min: Some(least), .. }) => {
                if let Some(bits) = findings.value(format!("length of {}", key.locator), count(key, Attr::KeyBits))
                    && bits < *least
                {
                    findings.wrong(format!("{} is {name} of {bits} bits, declared are at least {least}", described(key)));
                }
            }
            Some(_) => {}
        }
    }
    let elsewhere = inventory.iter(Kind::SshServer).filter_map(|server| list(server, Attr::KeySources).ok().flatten());
    let elsewhere: Vec<String> = elsewhere.flatten().cloned().collect();
    if !elsewhere.is_empty() {
        findings.unclear(Reason::NotRun(format!("{} lets in keys that are in none of the files", elsewhere.join(" and "))));
    }
    if keys.is_empty() {
        findings.unclear(Reason::NotRun("no key may log in".into()));
    }
    let seen = Seen::across(&keys, Attr::KeyType).and(Seen::across(&keys, Attr::KeyBits));
    let verdict = findings.verdict(site, &seen);
    let observed = format!("{} keys", keys.len());
    Check::new(POLICY.id, KEYS, verdict, POLICY.expected, observed, if keys.is_empty() { looked(inventory, Kind::SshKey) } else { seen.source() })
}

/// A key by what tells it from others, without the key.
fn described(key: &Component) -> String {
    let said = |attr| text(key, attr).ok().flatten().unwrap_or_default();
    let words: Vec<&str> = [said(Attr::Fingerprint), said(Attr::Comment)].into_iter().filter(|word| !word.is_empty()).collect();
    if words.is_empty() { key.locator.clone() } else { format!("{} ({})", key.locator, words.join(" ")) }
}

#[cfg(test)]
mod tests {
    use assay_model::component::{Reading, Value};
    use assay_model::inventory::ProbeEnded;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, generic, rank, strict, unreadable};

    fn texts(items: &[&str]) -> Reading {
        Value::List(items.iter().map(|&item| item.to_owned()).collect()).into()
    }

    fn site() -> Site {
        let mut site = strict();
        let key = |key_type: &str, bits_min| AllowedKey { key_type: key_type.into(), bits_min };
        site.declared.software.ssh = Some(Ssh {
            passwords: false,
            root_login: Some(vec!["prohibit-password".into(), "yes".into()]),
            keys: Some(vec![key("ssh-ed25519", None), key("ssh-rsa", Some(4096))]),
        });
        site
    }

    fn key(locator: &str, key_type: &str, bits: u64) -> Component {
        component(
            Kind::SshKey,
            locator,
            &[
                (Attr::KeyType, key_type.into()),
                (Attr::KeyBits, bits.into()),
                (Attr::Fingerprint, "SHA256:abc".into()),
                (Attr::Comment, "admin".into()),
            ],
        )
    }

    fn healthy() -> Node {
        Node::bare()
            .with(component(
                Kind::SshServer,
                "node",
                &[
                    (Attr::PasswordAuthentication, false.into()),
                    (Attr::KeyboardInteractive, false.into()),
                    (Attr::EmptyPasswords, false.into()),
                    (Attr::RootLogin, "yes".into()),
                    (Attr::MatchOverrides, texts(&[])),
                    (Attr::KeySources, texts(&[])),
                ],
            ))
            .with(key("/root/.ssh/authorized_keys:1", "ssh-rsa", 4096))
            .with(key("/home/ansible/.ssh/authorized_keys:1", "ssh-ed25519", 256))
    }

    fn judged(node: &Node) -> Rank {
        rank(&policy(&node.0, &site()))
    }

    #[test]
    fn a_closed_server_passes_and_an_undeclared_one_is_not_judged() {
        assert_eq!(judged(&healthy()), Rank::Pass);
        assert_eq!((healthy().strictly(policy), healthy().generically(policy)), (Rank::Inconclusive, Rank::NotApplicable));
        assert_eq!(rank(&policy(&Node::bare().0, &generic())), Rank::NotApplicable);
    }

    #[test]
    fn settings_are_judged_as_the_table_says() {
        for (attr, reading, expected) in [
            (Attr::PasswordAuthentication, Reading::from(true), Rank::Fail),
            (Attr::PasswordAuthentication, Reading::Absent, Rank::Inconclusive),
            (Attr::PasswordAuthentication, unreadable(), Rank::Inconclusive),
            (Attr::KeyboardInteractive, true.into(), Rank::Fail),
            (Attr::KeyboardInteractive, Reading::Absent, Rank::Inconclusive),
            (Attr::EmptyPasswords, true.into(), Rank::Fail),
            (Attr::RootLogin, "without-password".into(), Rank::Pass),
            (Attr::RootLogin, "prohibit-password".into(), Rank::Pass),
            (Attr::RootLogin, "forced-commands-only".into(), Rank::Fail),
            (Attr::RootLogin, Reading::Absent, Rank::Inconclusive),
            (Attr::MatchOverrides, texts(&["/etc/ssh/sshd_config:9 passwordauthentication yes"]), Rank::Fail),
            (Attr::MatchOverrides, texts(&["/etc/ssh/sshd_config:9 passwordauthentication no"]), Rank::Pass),
            (Attr::MatchOverrides, texts(&["/etc/ssh/sshd_config:9 permitrootlogin yes"]), Rank::Pass),
            (Attr::MatchOverrides, texts(&["/etc/ssh/sshd_config:9 permitrootlogin no"]), Rank::Fail),
            (Attr::MatchOverrides, unreadable(), Rank::Inconclusive),
            (Attr::KeySources, texts(&["authorizedkeyscommand"]), Rank::Inconclusive),
        ] {
            assert_eq!(judged(&healthy().plant(Kind::SshServer, "node", attr, reading.clone())), expected, "{attr} {reading}");
        }
        assert_eq!(judged(&healthy().ended(Kind::SshServer, ProbeEnded::Failed("EACCES".into()))), Rank::Inconclusive);
    }

    #[test]
    fn keys_are_judged_as_the_table_says_and_named_without_themselves() {
        for (weak, expected) in [
            (key("/root/.ssh/authorized_keys:2", "ssh-rsa", 4095), Rank::Fail),
            (key("/root/.ssh/authorized_keys:2", "ssh-rsa", 2048), Rank::Fail),
            (key("/root/.ssh/authorized_keys:2", "ssh-dss", 1024), Rank::Fail),
            (key("/root/.ssh/authorized_keys:2", "ecdsa-sha2-nistp256", 256), Rank::Fail),
            (key("/root/.ssh/authorized_keys:2", "ssh-rsa", 8192), Rank::Pass),
            (component(Kind::SshKey, "/root/.ssh/authorized_keys:2", &[(Attr::KeyType, unreadable())]), Rank::Inconclusive),
            (component(Kind::SshKey, "/root/.ssh/authorized_keys:2", &[(Attr::KeyType, "ssh-rsa".into())]), Rank::Inconclusive),
        ] {
            let checks = policy(&healthy().with(weak.clone()).0, &site());
            assert_eq!(rank(&checks), expected, "{weak:?}");
            if expected == Rank::Fail {
                let said = checks.iter().find(|check| check.subject == KEYS).expect("an answer about keys").verdict.reason().to_owned();
                assert!(said.contains("SHA256:abc admin") && said.contains(":2"), "{said}");
            }
        }
        assert_eq!(judged(&healthy().without(Kind::SshKey)), Rank::Inconclusive);
        assert_eq!(judged(&healthy().ended(Kind::SshKey, ProbeEnded::Failed("EACCES".into()))), Rank::Inconclusive);
    }
}
