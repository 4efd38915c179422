//! How a node is reached: what ssh is told, and the addresses that data goes to. What could be read as an option or as a command of a shell is refused: a
//! site file must not be able to make ssh do anything but log in.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Node;

/// Longest of each of these values.
const LENGTH_MAX: usize = 255;

impl Node {
    /// What ssh is told.
    pub fn ssh_host(&self) -> &str {
        self.ssh.as_deref().unwrap_or(&self.name)
    }

    /// Its address in `network`.
    pub fn address(&self, network: &str) -> Option<IpAddr> {
        self.addresses.get(network).copied()
    }
}

/// Whether ssh can be told this as a host: an option, a blank, or anything that a `ProxyCommand` would hand to a shell is none.
pub fn host(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    let (user, name) = match text.split_once('@') {
        Some((user, name)) => (Some(user), name),
        None => (None, text),
    };
    let sound = |part: &str| !part.is_empty() && !part.starts_with('-') && part.len() <= LENGTH_MAX && part.chars().all(plain);
    if user.is_none_or(sound) && sound(name) {
        return Ok(());
    }
    Err(format!(
        "`{}` is nothing that ssh can be told; expected `host`, `user@host`, an address or an alias, beginning with a letter or a digit",
        text.escape_debug()
    ))
}

/// Whether `text` can follow `-o`: a name, `=` and a value on one line. Options that run a command on the machine that assay runs on are refused, as are those that
/// make ssh ask, forward or believe any host key.
pub fn option(text: &str) -> Result<(), String> {
    let refused = |why: &str| Err(format!("`{}` is no option for ssh here: {why}", text.escape_debug()));
    let Some((name, value)) = text.split_once('=') else { return refused("expected `Name=value`") };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) || value.trim().is_empty() {
        return refused("expected `Name=value`");
    }
    if text.len() > 4 * LENGTH_MAX || text.chars().any(char::is_control) {
        return refused("expected one short line");
    }
    let known = [
        "addressfamily",
        "bindaddress",
        "bindinterface",
        "ciphers",
        "compression",
        "globalknownhostsfile",
        "hostkeyalgorithms",
        "hostkeyalias",
        "identitiesonly",
    ];
    let more = [
        "identityagent",
        "identityfile",
        "ipqos",
        "kexalgorithms",
        "macs",
        "port",
        "proxyjump",
        "pubkeyacceptedalgorithms",
        "rekeylimit",
        "user",
        "userknownhostsfile",
    ];
    if !known.iter().chain(&more).any(|known| name.eq_ignore_ascii_case(known)) {
        return refused(&format!("of ssh's options only these may be set: {}, {}", known.join(", "), more.join(", ")));
    }
    Ok(())
}

/// Whether `text` is an absolute path that no shell reads anything else from.
pub fn program(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ',' | '@');
    if text.starts_with('/') && !text.ends_with('/') && text.len() <= LENGTH_MAX && text.chars().all(plain) {
        return Ok(());
    }
    Err(format!("`{}` is no absolute path of letters, digits and `/._-+,@`", text.escape_debug()))
}

/// Everything that is wrong with how `node` is reached, `others` being the nodes before it; the first, with the path to the value.
pub(super) fn check(node: &Node, others: &[Node]) -> Result<(), (Vec<String>, String)> {
    let at = |key: &str| vec![key.to_owned()];
    let told = node.ssh.as_deref().map(|ssh| (ssh, "ssh"));
    // Only a node that is to be reached needs a name that ssh can be told.
    if let Some((told, key)) = told {
        host(told).map_err(|why| (at(key), why))?;
    } else if node.name.starts_with('-') || node.name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err((at("name"), format!("`{}` is no host name", node.name.escape_debug())));
    }
    for (index, text) in node.ssh_options.iter().enumerate() {
        option(text).map_err(|why| (vec!["ssh_options".to_owned(), index.to_string()], why))?;
    }
    if let Some(path) = &node.assay {
        program(path).map_err(|why| (at("assay"), why))?;
    }
    let mut seen: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for (network, address) in &node.addresses {
        let refused = |why: String| Err((vec!["addresses".to_owned(), network.clone()], why));
        if network.trim().is_empty() || network.len() > LENGTH_MAX || network.chars().any(char::is_control) {
            return refused("expected the name of a network".to_owned());
        }
        if address.is_unspecified() || address.is_multicast() || *address == IpAddr::V4(std::net::Ipv4Addr::BROADCAST) {
            return refused(format!("{address} is no address of one host"));
        }
        if let Some(first) = seen.insert(*address, network) {
            return refused(format!("{address} is its address in `{first}` too"));
        }
        // Loopback addresses and tests of one machine apart, two nodes with one address would measure themselves.
        if let Some(other) = others.iter().find(|other| other.addresses.values().any(|theirs| theirs == address)) {
            return refused(format!("node `{}` has {address} too", other.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_ssh_takes_for_one() {
        for sound in ["pve1-node1", "root@10.7.0.11", "fd00::7", "root@node.example.org", "node_1", "fe80::1%eth0"] {
            assert_eq!(host(sound), Ok(()), "{sound}");
        }
        let hostile = [
            "",
            "-oProxyCommand=reboot",
            "root@-oProxyCommand=x",
            "-l",
            "@host",
            "root@",
            "a b",
            "a\nb",
            "a;reboot",
            "$(reboot)",
            "`x`",
            "a|b",
            "a'b",
            "ssh://a/b",
            "a@b@c",
            "ö",
        ];
        for bad in hostile {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert!(host(&"a".repeat(300)).is_err());
    }

    #[test]
    fn options_that_run_ask_or_believe_anything_are_refused() {
        for sound in ["Port=2222", "IdentityFile=/root/.ssh/a b", "userknownhostsfile=/x", "ProxyJump=root@gate"] {
            assert_eq!(option(sound), Ok(()), "{sound}");
        }
        for bad in [
            "Port",
            "=1",
            "Port=",
            "-oPort=1",
            "ProxyCommand=reboot",
            "LocalCommand=reboot",
            "PermitLocalCommand=yes",
            "KnownHostsCommand=x",
            "StrictHostKeyChecking=no",
            "BatchMode=no",
            "LocalForward=1 a:2",
            "RemoteForward=1 a:2",
            "ControlPath=/x",
            "Port=22\nProxyCommand=x",
            "Match=exec x",
            "Include=/x",
            "PKCS11Provider=/x.so",
        ] {
            assert!(option(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_program_is_an_absolute_path_without_anything_for_a_shell() {
        assert_eq!(program("/usr/local/bin/assay-0.1_x+y"), Ok(()));
        for bad in ["assay", "", "/", "/opt/a b", "/opt/$(x)", "/opt/a;b", "/opt/a'", "/opt/a\n", "-x", "~/assay"] {
            assert!(program(bad).is_err(), "{bad}");
        }
    }
}
