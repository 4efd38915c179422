//! Files as the installer of Proxmox VE 9, Debian and Ubuntu write them.

use assay_model::component::Reading;
use proptest::prelude::*;

use super::*;

fn found(snapshot: &str) -> Result<Vec<Component>, HostError> {
    Repository.probe(&Host::from_snapshot(snapshot).expect("a fixture"))
}

const PVE: &str = "/etc/apt/sources.list.d/debian.sources:
    |Types: deb deb-src
    |URIs: http://deb.debian.org/debian/
    |Suites: trixie trixie-updates
    |Components: main contrib non-free-firmware
    |Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
    |
    |Types: deb
    |URIs: http://security.debian.org/debian-security/
    |Suites: trixie-security
    |Components: main
    /etc/apt/sources.list.d/pve-enterprise.sources:
    |types: deb
    |URIs: https://enterprise.proxmox.com/debian/pve
    |Suites: trixie
    |Components: pve-enterprise
    |Signed-By: /usr/share/keyrings/proxmox-archive-keyring.gpg
    |enabled: No";

#[test]
fn stanzas_are_taken_apart_into_suites() {
    let found = found(PVE).expect("looked");
    let said: Vec<(&str, &Reading)> = found.iter().map(|suite| (suite.locator.as_str(), suite.reading(Attr::Enabled))).collect();
    let (yes, no) = (Reading::from(true), Reading::from(false));
    let expected = [
        ("http://deb.debian.org/debian trixie", &yes),
        ("http://deb.debian.org/debian trixie-updates", &yes),
        ("http://security.debian.org/debian-security trixie-security", &yes),
        ("https://enterprise.proxmox.com/debian/pve trixie", &no),
    ];
    assert_eq!(said, expected);
    assert_eq!(found[0].reading(Attr::Components), &Value::List(["main", "contrib", "non-free-firmware"].map(String::from).to_vec()).into());
}

#[test]
fn lines_with_options_discs_and_comments_are_understood() {
    let found = found(
        "/etc/apt/sources.list:
        |# deb http://off.example/debian trixie main
        |deb [arch=amd64 signed-by=/a.gpg] https://mirror.example/debian/ trixie main contrib # ours
        |deb-src http://deb.debian.org/debian trixie main
        |deb cdrom:[Debian GNU/Linux 13 _Trixie_ - Official amd64 DVD]/ trixie main
        |deb file:/srv/packages ./
        |
        /etc/apt/sources.list.d/old.list.save: deb http://x y z
        /etc/apt/sources.list.d/again.list: deb https://mirror.example/debian trixie main",
    )
    .expect("looked");
    let names: Vec<&str> = found.iter().map(|suite| suite.locator.as_str()).collect();
    let expected = [
        "https://mirror.example/debian trixie",
        "cdrom:[Debian GNU/Linux 13 _Trixie_ - Official amd64 DVD] trixie",
        "file:/srv/packages ./",
        "https://mirror.example/debian trixie again in /etc/apt/sources.list.d/again.list",
    ];
    assert_eq!(names, expected);
    assert_eq!(found[2].reading(Attr::Components), &Value::List(Vec::new()).into());
}

#[test]
fn passwords_of_uris_are_not_taken() {
    let lines =
        "deb [trusted=yes] https://alice:hunter2@mirror.example/debian trixie main\nURIs: http://bob@a/b\thttp://c/d@e\n# https://x:hunter2@y";
    assert_eq!(without_passwords(lines), "deb [trusted=yes] https://mirror.example/debian trixie main\nURIs: http://a/b\thttp://c/d@e");
}

#[test]
fn no_apt_no_repository_and_a_torn_file_are_told_apart() {
    assert!(matches!(found("/etc/os-release: ID=alpine"), Err(HostError::SourceMissing(_))));
    assert_eq!(found("/etc/apt/apt.conf: a"), Ok(Vec::new()));
    assert!(matches!(found("/etc/apt/sources.list.d error: EACCES"), Err(HostError::Refused { .. })));
    assert!(matches!(found("/etc/apt/sources.list error: EIO"), Err(HostError::Refused { .. })));
    for torn in
        ["/etc/apt/sources.list.d/a.sources: Types: deb", "/etc/apt/sources.list: debb http://x trixie", "/etc/apt/sources.list: deb http://x"]
    {
        assert!(matches!(found(torn), Err(HostError::Malformed { .. })), "{torn}");
    }
}

proptest! {
    #[test]
    fn any_file_comes_back(text in "(?s).{0,300}") {
        let _ = (deb822::parse(&text), one_line::parse(&text), without_passwords(&text));
    }
}
