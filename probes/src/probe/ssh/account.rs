//! Accounts of `/etc/passwd` that can log in: whoever has a shell and a home, a service too. Full names are not taken.

use crate::host::{Host, HostError, whole};

const PASSWD: &str = "/etc/passwd";
/// The home of who has none, Debian Policy 9.2.3.
const NO_HOME: &str = "/nonexistent";
const NO_SHELLS: [&str; 3] = ["nologin", "false", "sync"];

/// One account.
#[derive(Debug, PartialEq)]
pub(super) struct Account {
    name: String,
    home: String,
}

impl Account {
    /// A file of `AuthorizedKeysFile`, sshd_config(5): relative to the home, with `%h`, `%u` and `%%`.
    pub(super) fn path(&self, file: &str) -> String {
        let file = file.replace("%%", "\0").replace("%h", &self.home).replace("%u", &self.name).replace('\0', "%");
        let path = if file.starts_with('/') { file } else { format!("{}/{file}", self.home) };
        let steps: Vec<&str> = path.split('/').filter(|step| !matches!(*step, "" | ".")).collect();
        format!("/{}", steps.join("/"))
    }
}

/// Those that can log in; none where the node has no such file.
pub(super) fn accounts(host: &Host) -> Result<Vec<Account>, HostError> {
    let text = match host.excerpt(PASSWD, |text| Ok(logins(text))) {
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        answer => answer?,
    };
    let account = |line: &str| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["account", name, home] => Some(Account { name: (*name).to_owned(), home: (*home).to_owned() }),
        _ => None,
    };
    Ok(text.lines().filter_map(account).collect())
}

/// `account NAME HOME` each.
fn logins(text: &str) -> String {
    let login = |line: &str| {
        let [name, _, uid, _, _, home, shell] = line.split(':').collect::<Vec<_>>().try_into().ok()?;
        whole(uid).ok()?;
        let can_log_in = home != NO_HOME && !NO_SHELLS.contains(&shell.rsplit('/').next()?);
        let is_plain = home.starts_with('/') && !home.contains("..") && [name, home].iter().all(|word| !word.contains(char::is_whitespace));
        (can_log_in && is_plain).then(|| format!("account {name} {home}"))
    };
    text.lines().filter_map(login).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
ansible:x:1000:1000:Ann Sible,Room 4,+44 20:/home/ansible:/bin/bash
postgres:x:105:113:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash
gone:x:1001:1001::/home/gone:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/bin/sh
torn:x:";

    #[test]
    fn only_those_that_can_log_in_are_taken_and_without_their_full_names() {
        assert_eq!(logins(PASSWD), "account root /root\naccount ansible /home/ansible\naccount postgres /var/lib/postgresql");
    }

    #[test]
    fn files_of_keys_are_found_from_the_home() {
        let account = Account { name: "ansible".into(), home: "/home/ansible".into() };
        for (file, path) in [
            (".ssh/authorized_keys", "/home/ansible/.ssh/authorized_keys"),
            ("%h/.ssh/keys", "/home/ansible/.ssh/keys"),
            ("/etc/ssh/keys/%u", "/etc/ssh/keys/ansible"),
            ("./a//%%b", "/home/ansible/a/%b"),
        ] {
            assert_eq!(account.path(file), path);
        }
    }
}
