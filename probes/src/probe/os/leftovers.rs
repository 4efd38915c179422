//! What an unattended installation leaves behind: answer files, which hold a root password, hooks for the first boot (proxmox-first-boot of the Proxmox
//! installer) and the data that cloud-init was given. Only whether they are there is asked; none is opened.

use assay_model::component::{Reading, Value};

use crate::host::{Host, HostError, unanswered};

/// For people; the places are below.
pub(super) const SOURCE: &str = "answer files, /var/lib/proxmox-first-boot, /var/lib/cloud";

const PLACES: &[&str] = &[
    "/answer.toml",
    "/root/answer.toml",
    "/boot/answer.toml",
    "/etc/answer.toml",
    "/etc/proxmox-answer.toml",
    "/root/auto-installer-answer.toml",
    "/run/automatic-installer-answers",
    "/var/tmp/answer.toml",
    "/tmp/answer.toml",
    // The medium that the installer reads its answer from, still plugged in.
    "/dev/disk/by-label/PROXMOX-AIS",
    "/dev/disk/by-label/proxmox-ais",
    "/root/preseed.cfg",
    "/preseed.cfg",
    "/var/lib/cloud/instance",
    "/var/lib/cloud/seed/nocloud",
];

/// The hook that the installer puts here, its mark that it has not run yet, and the subscription key that it is to enter.
const FIRST_BOOT: &str = "/var/lib/proxmox-first-boot";

/// The places where something was found; an empty list says that all were looked at.
pub(super) fn found(host: &Host) -> Reading {
    match look(host) {
        Ok(found) => Value::List(found).into(),
        Err(error) => unanswered(&error),
    }
}

fn look(host: &Host) -> Result<Vec<String>, HostError> {
    let mut found = Vec::new();
    for place in PLACES {
        if host.exists(place)? {
            found.push((*place).to_owned());
        }
    }
    // The folder alone is the package's.
    let hooks = host.list_or_none(FIRST_BOOT)?.unwrap_or_default();
    found.extend(hooks.iter().map(|name| format!("{FIRST_BOOT}/{name}")));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_at(snapshot: &str) -> Reading {
        found(&Host::from_snapshot(snapshot).expect("a fixture"))
    }

    #[test]
    fn what_is_left_is_named() {
        let left = look_at(
            "/root/answer.toml: [global]\n/var/lib/proxmox-first-boot/pending-first-boot-setup:\n/var/lib/proxmox-first-boot/proxmox-first-boot: #!/bin/sh",
        );
        let names = ["/root/answer.toml", "/var/lib/proxmox-first-boot/pending-first-boot-setup", "/var/lib/proxmox-first-boot/proxmox-first-boot"];
        assert_eq!(left, Value::List(names.map(String::from).to_vec()).into());
    }

    #[test]
    fn a_clean_node_says_that_it_was_looked_at() {
        assert_eq!(look_at("/etc/hostname: a"), Value::List(Vec::new()).into());
        assert_eq!(look_at("/var/lib/proxmox-first-boot list:"), Value::List(Vec::new()).into());
    }

    #[test]
    fn a_place_that_may_not_be_looked_at_is_no_clean_one() {
        assert!(matches!(look_at("/root/answer.toml error: EACCES"), Reading::Unreadable(_)));
        assert!(matches!(look_at("/var/lib/proxmox-first-boot error: EIO"), Reading::Unreadable(_)));
    }
}
