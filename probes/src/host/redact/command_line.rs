//! Secrets among the arguments of a kernel (`/proc/cmdline`): values of arguments that are called a password, a token or the like, and who logs in at an address
//! (`https://user:password@host/`, `netroot=iscsi:user:password@host`). Nobody needs to compare them: they are crossed out and get no pseudonym.

use std::ops::Range;

/// Parts of the names of arguments whose value is secret, in lower case.
const SECRETS: &[&str] =
    &["password", "passwd", "passphrase", "passwort", "secret", "token", "credential", "psk", "apikey", "api_key", "username", "private_key"];
/// What stands before `user:password@` and is neither.
const SCHEMES: &[&str] = &["iscsi", "http", "https", "ftp", "tftp", "nfs", "nfs4", "cifs", "smb", "ssh", "nbd"];

/// The arguments with secret values crossed out: as long as before, and nothing else changed.
pub(crate) fn without_secrets(line: &str) -> String {
    let mut out = line.to_owned();
    for argument in arguments(line) {
        for secret in secrets(&line[argument.clone()]) {
            let place = argument.start + secret.start..argument.start + secret.end;
            out.replace_range(place.clone(), &"x".repeat(place.len()));
        }
    }
    out
}

/// Where arguments stand: between blanks that are not within quotes, as the kernel parts them.
fn arguments(line: &str) -> Vec<Range<usize>> {
    let (mut found, mut begin, mut quoted) = (Vec::new(), 0, false);
    for (at, character) in line.char_indices() {
        match character {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                found.push(begin..at);
                begin = at + c.len_utf8();
            }
            _ => {}
        }
    }
    found.push(begin..line.len());
    found
}

fn secrets(argument: &str) -> Vec<Range<usize>> {
    let Some((name, value)) = argument.split_once(['=', ':']) else { return Vec::new() };
    let begin = name.len() + 1;
    let name = name.to_ascii_lowercase();
    if SECRETS.iter().any(|secret| name.contains(secret)) {
        return std::iter::once(begin..argument.len()).collect();
    }
    let mut found = Vec::new();
    let mut at = begin;
    for part in value.split(',') {
        // The last `@` ends the password, which may have one itself.
        let login = part.rfind('@').map_or("", |end| &part[..end]);
        let mut word = at;
        for piece in login.split([':', '/']) {
            if !piece.is_empty() && !SCHEMES.contains(&piece) {
                found.push(word..word + piece.len());
            }
            word += piece.len() + 1;
        }
        at += part.len() + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_secret_are_crossed_out() {
        for (line, expected) in [
            ("quiet password=hunter2 iommu=pt", "quiet password=xxxxxxx iommu=pt"),
            ("rd.iscsi.password=a rd.iscsi.username=bob", "rd.iscsi.password=x rd.iscsi.username=xxx"),
            ("install_token=\"two words\" ro", "install_token=xxxxxxxxxxx ro"),
            ("systemd.set_credential=root.pw:hunter2", "systemd.set_credential=xxxxxxxxxxxxxxx"),
            ("inst.ks=https://bob:hun@ter2@10.0.0.1/ks.cfg", "inst.ks=https://xxx:xxxxxxxx@10.0.0.1/ks.cfg"),
            ("netroot=iscsi:bob:hunter2@10.0.0.1::::iqn.2009-06.a:b", "netroot=iscsi:xxx:xxxxxxx@10.0.0.1::::iqn.2009-06.a:b"),
            ("password=\"hunter2", "password=xxxxxxxx"),
            ("a.PassWord=gehe\u{fffd}m", "a.PassWord=xxxxxxxx"),
        ] {
            assert_eq!(without_secrets(line), expected);
        }
    }

    #[test]
    fn everything_else_stays() {
        for line in [
            "",
            "BOOT_IMAGE=/vmlinuz-6.14.11-2-pve root=ZFS=rpool/ROOT/pve-1 boot=zfs iommu.passthrough=1 nvme_core.default_ps_max_latency_us=0",
            "console=ttyS0,115200n8 ip=10.0.0.1:::255.255.255.0:pve1 net.ifnames=0 rd.luks.key=/key:UUID=1  quiet",
        ] {
            assert_eq!(without_secrets(line), line);
        }
    }
}
