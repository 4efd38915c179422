//! Files as PVE::AccessControl and the crate proxmox-tfa write them; the secrets in them are made up, and none may come out.

use proptest::prelude::*;

use super::*;

const NODE: &str = r#"/etc/pve/local link: nodes/pve1
    syscall:clock_gettime: realtime 1763900100
    /etc/pve/domains.cfg:
    |ad: corp
    |	domain corp.example
    |	server1 dc1.corp.example
    |	default 1
    |	secure 1
    |
    |openid: sso
    |	client-id pve
    |	client-key HUNTER2-CLIENT-KEY
    |	issuer-url https://sso.corp.example
    |
    |pam: pam
    |	comment Linux PAM standard authentication
    |	tfa type=yubico,id=12345,key=HUNTER2-YUBICO-KEY
    /etc/pve/user.cfg:
    |user:root@pam:1:0:Hunter:Two:hunter2@corp.example::x:
    |user:alice@corp:1:0:Alice:Hunter2:::x:
    |user:bob@pve:1:0::::::
    |user:metrics@pve:1:0::::::
    |user:gone@corp:0:0::::::
    |user:over@corp:1:1763900000::::::
    |user:later@corp:1:1863900000::::::
    |token:metrics@pve!grafana:0:1:HUNTER2-COMMENT:
    |
    |group:admins:alice@corp,bob@pve::
    |acl:1:/:@admins:Administrator:
    /etc/pve/priv/shadow.cfg:
    |bob:$5$HUNTER2$HASH:
    |metrics::
    /etc/pve/priv/tfa.cfg:
    |{"users":{"root@pam":{"totp":[{"info":{"id":"a","description":"HUNTER2-PHONE","created":1760000000},"entry":"otpauth://totp/x?secret=HUNTER2SEED"}],
    |"webauthn":[{"info":{"id":"b","description":"key","created":1,"enable":false},"entry":{"cred":"HUNTER2"}}],"recovery":{"secret":"HUNTER2","entries":["HUNTER2"],"created":1}},
    |"alice@corp":{"totp":[],"webauthn":[{"info":{"id":"c","description":"key","created":1},"entry":{"cred":"HUNTER2"}}]},
    |"bob@pve":{"recovery":null}}}"#;

fn found(snapshot: &str) -> Result<Vec<Component>, HostError> {
    Account.probe(&Host::from_snapshot(snapshot).expect("a fixture"))
}

fn list(items: &[&str]) -> Reading {
    Value::List(items.iter().map(|&item| item.to_owned()).collect()).into()
}

fn account<'a>(all: &'a [Component], id: &str) -> &'a Component {
    all.iter().find(|component| component.kind == Kind::Account && component.locator == id).unwrap_or_else(|| panic!("no {id}"))
}

#[test]
fn realms_tell_their_type_and_whether_they_ask_for_a_second_factor() {
    let found = found(NODE).expect("looked");
    let realms: Vec<(&str, &Reading)> =
        found.iter().filter(|realm| realm.kind == Kind::Realm).map(|realm| (realm.locator.as_str(), realm.reading(Attr::RealmType))).collect();
    assert_eq!(realms, [("pve", &"pve".into()), ("corp", &"ad".into()), ("sso", &"openid".into()), ("pam", &"pam".into())]);
    assert_eq!(found[3].reading(Attr::RealmTfa), &"yubico".into());
    assert_eq!(found[1].reading(Attr::RealmTfa), &Reading::Absent);
}

#[test]
fn accounts_tell_whether_they_can_log_in_and_with_which_factors() {
    let all = found(NODE).expect("looked");
    for (id, enabled, password, factors) in [
        ("root@pam", true, Reading::Absent, list(&["recovery", "totp"])),
        ("alice@corp", true, Reading::Absent, list(&["webauthn"])),
        ("bob@pve", true, true.into(), list(&[])),
        ("metrics@pve", true, false.into(), list(&[])),
        ("gone@corp", false, Reading::Absent, list(&[])),
        ("over@corp", false, Reading::Absent, list(&[])),
        ("later@corp", true, Reading::Absent, list(&[])),
    ] {
        let account = account(&all, id);
        assert_eq!(account.reading(Attr::Enabled), &enabled.into(), "{id}");
        assert_eq!(account.reading(Attr::HasPassword), &password, "{id}");
        assert_eq!(account.reading(Attr::Factors), &factors, "{id}");
    }
}

#[test]
fn no_secret_and_no_full_name_is_taken() {
    let host = Host::from_snapshot(NODE).expect("a fixture");
    for (path, take) in [
        (DOMAINS, excerpts::realms as fn(&str) -> Result<String, String>),
        (USERS, excerpts::users),
        (FACTORS, excerpts::factors),
        (SHADOW, excerpts::passwords),
    ] {
        let whole = host.read(path).expect("the file");
        let taken = host.excerpt(path, take).expect("an excerpt");
        assert!(!taken.is_empty() && whole.to_lowercase().contains("hunter2") && !taken.to_lowercase().contains("hunter"), "{path}: {taken}");
        for cut in [10, whole.len() / 2, whole.len() - 3] {
            let refused = take(&whole.chars().take(cut).collect::<String>()).err().unwrap_or_default();
            assert!(!refused.to_lowercase().contains("hunter"), "{path}: {refused}");
        }
    }
}

#[test]
fn a_new_node_has_root_and_two_realms_and_one_without_the_cluster_file_system_tells_nothing() {
    let fresh = found("/etc/pve/local link: nodes/pve1").expect("looked");
    let names: Vec<&str> = fresh.iter().map(|component| component.locator.as_str()).collect();
    assert_eq!(names, ["pam", "pve", "root@pam"]);
    assert_eq!(fresh[2].reading(Attr::Factors), &list(&[]));
    assert!(matches!(found("/etc/pve list:"), Err(HostError::SourceMissing(_))));
    for refused in ["/etc/pve/domains.cfg error: EACCES", "/etc/pve/user.cfg error: EIO", "/etc/pve/user.cfg: user:root@pam"] {
        let found = found(&format!("/etc/pve/local link: nodes/pve1\n{refused}"));
        assert!(found.as_ref().is_err_and(|error| !matches!(error, HostError::SourceMissing(_))), "{refused}: {found:?}");
    }
    let locked = found("/etc/pve/local link: nodes/pve1\n/etc/pve/priv/tfa.cfg error: EACCES").expect("looked");
    assert!(matches!(locked[2].reading(Attr::Factors), Reading::Unreadable(_)));
}

proptest! {
    #[test]
    fn any_file_comes_back(text in "(?s).{0,300}", json in "\\{\"users\":\\{\"a\":.{0,60}") {
        for take in [excerpts::realms, excerpts::users, excerpts::factors, excerpts::passwords] {
            let _ = (take(&text), take(&json));
        }
    }
}
