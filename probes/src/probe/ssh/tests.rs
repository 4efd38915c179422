//! Settings in the form of `sshd -T` of OpenSSH 10.0.

use super::*;

const NODE: &str = "/etc/ssh/sshd_config:
    |Include /etc/ssh/sshd_config.d/*.conf
    |PermitRootLogin yes
    /etc/passwd:
    |root:x:0:0:root:/root:/bin/bash
    |ansible:x:1000:1000::/home/ansible:/bin/bash
    /etc/pve/priv/authorized_keys: ssh-ed25519 AAAA
    /root/.ssh/authorized_keys link: /etc/pve/priv/authorized_keys
    /root/.ssh/authorized_keys: ssh-ed25519 AAAA
    /home/ansible/.ssh/authorized_keys: ssh-ed25519 AAAA";

const EFFECTIVE: &str = "command:sshd%20-T:
    |exit 0
    |port 22
    |usepam yes
    |permitrootlogin yes
    |pubkeyauthentication yes
    |passwordauthentication no
    |kbdinteractiveauthentication no
    |permitemptypasswords no
    |authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2
    |authorizedkeyscommand none
    |trustedusercakeys none";

fn found(snapshot: &str) -> Result<Vec<Component>, HostError> {
    Ssh.probe(&Host::from_snapshot(snapshot).expect("a fixture"))
}

fn server_of(snapshot: &str) -> Component {
    found(snapshot).expect("looked").remove(0)
}

#[test]
fn the_effective_settings_are_read() {
    let server = server_of(&format!("{NODE}\n{EFFECTIVE}"));
    for attr in [Attr::PasswordAuthentication, Attr::KeyboardInteractive, Attr::EmptyPasswords] {
        assert_eq!(server.reading(attr), &false.into(), "{attr}");
    }
    assert_eq!(server.reading(Attr::RootLogin), &"yes".into());
    assert_eq!(server.reading(Attr::MatchOverrides), &Value::List(Vec::new()).into());
    assert_eq!(server.reading(Attr::KeySources), &Value::List(Vec::new()).into());
}

#[test]
fn pam_asks_only_where_it_is_used() {
    let asking = EFFECTIVE.replace("kbdinteractiveauthentication no", "kbdinteractiveauthentication yes");
    assert_eq!(server_of(&format!("{NODE}\n{asking}")).reading(Attr::KeyboardInteractive), &true.into());
    let alone = asking.replace("usepam yes", "usepam no");
    assert_eq!(server_of(&format!("{NODE}\n{alone}")).reading(Attr::KeyboardInteractive), &false.into());
    let unsaid = asking.replace("usepam yes", "x11forwarding no");
    assert_eq!(server_of(&format!("{NODE}\n{unsaid}")).reading(Attr::KeyboardInteractive), &true.into());
}

#[test]
fn the_keys_of_all_who_can_log_in_are_found_once() {
    let found = found(&format!("{NODE}\n{EFFECTIVE}")).expect("looked");
    let keys: Vec<&str> = found.iter().skip(1).map(|key| key.locator.as_str()).collect();
    assert_eq!(keys, ["/etc/pve/priv/authorized_keys:1", "/home/ansible/.ssh/authorized_keys:1"]);
    let more = EFFECTIVE.replace("authorizedkeyscommand none", "authorizedkeyscommand /usr/bin/sss_ssh_authorizedkeys %u");
    assert_eq!(server_of(&format!("{NODE}\n{more}")).reading(Attr::KeySources), &Value::List(vec!["authorizedkeyscommand".into()]).into());
}

#[test]
fn no_server_one_that_cannot_say_and_a_torn_answer_are_told_apart() {
    assert!(matches!(found("/etc/passwd: root:x:0:0:root:/root:/bin/bash"), Err(HostError::SourceMissing(_))));
    assert!(matches!(found(NODE), Err(HostError::SourceMissing(_))));
    for refused in ["command:sshd%20-T: exit 255", "command:sshd%20-T error: EACCES", "command:sshd%20-T: killed"] {
        let server = server_of(&format!("{NODE}\n{refused}"));
        for attr in [Attr::PasswordAuthentication, Attr::RootLogin] {
            assert!(matches!(server.reading(attr), Reading::Unreadable(_)), "{refused} {attr}");
        }
    }
    let torn = server_of(&format!("{NODE}\ncommand:sshd%20-T:\n|exit 0\n|port 22\n|passwordauthentication"));
    assert_eq!(torn.reading(Attr::PasswordAuthentication), &Reading::Absent);
    let odd = server_of(&format!("{NODE}\ncommand:sshd%20-T:\n|exit 0\n|passwordauthentication perhaps"));
    assert!(matches!(odd.reading(Attr::PasswordAuthentication), Reading::Unreadable(_)));
}
