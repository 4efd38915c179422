//! Configurations of guests (qm.conf(5), pct.conf(5), lxc.container.conf(5)): the options that say how a guest reaches a network. Of the arguments of QEMU, which may hold
//! secrets, only those that make a network or pass a device through are taken.

use crate::host::whole;

/// The sections of what is to be changed at the next start: of a virtual machine, of a container. Others are old states.
const PENDING: [&str; 2] = ["[PENDING]", "[pve:pending]"];
/// Raw settings of LXC that make a network, keep the node's own, or go on in another file.
const LXC: [&str; 4] = ["lxc.net.", "lxc.network.", "lxc.namespace.", "lxc.include"];
/// Options of QEMU that make a network, or read further ones from a file.
const NETWORKS: [&str; 4] = ["netdev", "nic", "net", "readconfig"];

/// One option.
#[derive(Debug, PartialEq)]
pub(super) struct GuestOption {
    /// `net0`, `hostpci1 pending`, `args 2`, `lxc.net.0`.
    pub(super) name: String,
    pub(super) said: Said,
}

/// What it says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// The options of an interface.
    Interface(String),
    /// The options of a device that is passed through.
    Device(String),
    /// What is handed to QEMU or LXC past Proxmox.
    Raw(String),
}

/// The lines of a configuration that say how a guest reaches a network, and the headings of its sections.
pub(super) fn taken(text: &str) -> String {
    let taken = text.lines().map(str::trim).filter_map(|line| {
        if line.starts_with('[') {
            return Some(line.to_owned());
        }
        let (key, value) = option(line)?;
        match key {
            "args" => Some(networks(value)).filter(|words| !words.is_empty()).map(|words| format!("args: {words}")),
            _ if is_numbered(key, "net") || is_numbered(key, "hostpci") || LXC.iter().any(|start| key.starts_with(start)) => {
                Some(format!("{key}: {value}"))
            }
            _ => None,
        }
    });
    taken.collect::<Vec<_>>().join("\n")
}

/// What was taken, as options; the reason names what is there twice.
pub(super) fn parse(taken: &str) -> Result<Vec<GuestOption>, String> {
    let mut options: Vec<GuestOption> = Vec::new();
    let (mut is_now, mut is_pending) = (true, false);
    for line in taken.lines().map(str::trim) {
        if line.starts_with('[') {
            (is_now, is_pending) = (false, PENDING.contains(&line));
            continue;
        }
        let Some((key, value)) = option(line).filter(|_| is_now || is_pending) else { continue };
        let pending = if is_pending { " pending" } else { "" };
        match key {
            "args" => options.extend(arguments(value, pending)),
            _ if key.starts_with("lxc.") => raw(&mut options, key, value, pending),
            _ => {
                let said = if is_numbered(key, "net") { Said::Interface(value.into()) } else { Said::Device(value.into()) };
                let name = format!("{key}{pending}");
                if options.iter().any(|other| other.name == name) {
                    return Err(format!("{name} is there twice"));
                }
                options.push(GuestOption { name, said });
            }
        }
    }
    Ok(options)
}

/// `KEY: VALUE`; raw settings of LXC may stand with `=`.
fn option(line: &str) -> Option<(&str, &str)> {
    let is_raw = line.starts_with("lxc.");
    let (key, value) = line.split_once(|c| c == ':' || (is_raw && c == '='))?;
    Some((key.trim(), value.trim()))
}

fn is_numbered(key: &str, name: &str) -> bool {
    key.strip_prefix(name).is_some_and(|number| whole(number).is_ok())
}

/// The options of QEMU in `args` that make a network or pass a device through, with their values.
fn networks(arguments: &str) -> String {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let taken = words.iter().enumerate().filter_map(|(at, word)| {
        let (name, value) = (qemu_option(word)?, words.get(at + 1).copied().unwrap_or_default());
        (NETWORKS.contains(&name) || (name == "device" && value.contains("vfio"))).then(|| format!("-{name} {value}"))
    });
    taken.collect::<Vec<_>>().join(" ")
}

/// `-netdev` and `--netdev` are one option.
fn qemu_option(word: &str) -> Option<&str> {
    let word = word.trim_matches(['\'', '"']);
    word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|name| !name.is_empty())
}

fn arguments(taken: &str, pending: &str) -> Vec<GuestOption> {
    let words: Vec<&str> = taken.split_whitespace().collect();
    let pairs = words.chunks(2).enumerate().map(|(at, pair)| {
        let value = pair.get(1).map_or("", |value| value.trim_matches(['\'', '"']));
        let host = suboption(value, "host").filter(|_| pair[0] == "-device" && value.starts_with("vfio-pci,"));
        let said = host.map_or_else(|| Said::Raw(format!("{} {value}", pair[0])), |host| Said::Device(host.into()));
        GuestOption { name: format!("args {}{pending}", at + 1), said }
    });
    pairs.collect()
}

/// What belongs to one interface of LXC is one option: `lxc.net.1` with `type=phys link=eth1`.
fn raw(options: &mut Vec<GuestOption>, key: &str, value: &str, pending: &str) {
    let numbered = key.splitn(4, '.').collect::<Vec<_>>();
    let (name, said) = match numbered[..] {
        ["lxc", net @ ("net" | "network"), number, fact] if whole(number).is_ok() => (format!("lxc.{net}.{number}"), format!("{fact}={value}")),
        _ => (key.to_owned(), value.to_owned()),
    };
    let name = format!("{name}{pending}");
    match options.iter_mut().find(|other| other.name == name) {
        Some(GuestOption { said: Said::Raw(text), .. }) => {
            text.push(' ');
            text.push_str(&said);
        }
        Some(_) | None => options.push(GuestOption { name, said: Said::Raw(said) }),
    }
}

/// One of the options that stand behind a comma each.
pub(super) fn suboption<'a>(options: &'a str, wanted: &str) -> Option<&'a str> {
    let mut pairs = options.split(',').filter_map(|option| option.trim().split_once('='));
    pairs.find(|(option, _)| *option == wanted).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(text: &str) -> Vec<(String, Said)> {
        parse(&taken(text)).expect("understood").into_iter().map(|option| (option.name, option.said)).collect()
    }

    #[test]
    fn of_arguments_only_networks_and_devices_are_taken() {
        let text = "args: -object secret,id=s,data=hunter2 --netdev 'user,id=n' -cpu host -device vfio-pci,host=61:00.0 -device e1000,netdev=n -nic";
        assert_eq!(taken(text), "args: -netdev 'user,id=n' -device vfio-pci,host=61:00.0 -nic ");
        assert_eq!(
            said(text),
            [
                ("args 1".into(), Said::Raw("-netdev user,id=n".into())),
                ("args 2".into(), Said::Device("61:00.0".into())),
                ("args 3".into(), Said::Raw("-nic ".into()))
            ]
        );
        assert_eq!(said("args: -device vfio-pci,sysfsdev=/sys/x")[0].1, Said::Raw("-device vfio-pci,sysfsdev=/sys/x".into()));
        assert_eq!(said("args: -cpu host -smbios type=1 -netfoo x"), []);
    }

    #[test]
    fn raw_settings_of_containers_are_gathered_by_interface() {
        let text = "lxc.net.1.type = phys\nlxc.net.1.link=eth1\nlxc.namespace.keep: net user\nlxc.mount.entry = /a b\n[pve:pending]\nlxc.net.1.type: none\n[old]\nlxc.net.2.type: none";
        assert_eq!(
            said(text),
            [
                ("lxc.net.1".into(), Said::Raw("type=phys link=eth1".into())),
                ("lxc.namespace.keep".into(), Said::Raw("net user".into())),
                ("lxc.net.1 pending".into(), Said::Raw("type=none".into()))
            ]
        );
    }

    proptest! {
        #[test]
        fn no_configuration_makes_it_panic(text in "(net[0-9]{0,3}|args|lxc.net|lxc.|\\[PENDING\\]|.{0,5})(: ?)?.{0,40}(\n(net[0-9]|args|lxc.net.0.type):.{0,30}){0,4}") {
            let _ = parse(&taken(&text));
            let _ = parse(&text);
        }
    }
}
