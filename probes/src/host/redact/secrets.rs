//! The identities of one node: those that stand where identities stand, and those that look like one.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::ops::Range;

use super::drive;
use super::patterns;
use super::pseudonym::Pseudonyms;
use super::table;
use crate::host::answer::Answer;
use crate::host::snapshot::Snapshot;
use crate::probe::{ModuleSerialNumber, is_placeholder};
use crate::smbios::TABLE;

/// Files whose whole text is an identity, by their last step.
const IDENTITIES: &[&str] = &[
    "serial",
    "serial_number",
    "product_serial",
    "product_uuid",
    "board_serial",
    "board_asset_tag",
    "chassis_serial",
    "chassis_asset_tag",
    "wwid",
    "wwn",
    "nguid",
    "eui",
    "uuid",
    "unique_id",
    "subsysnqn",
    "hostnqn",
    "hostid",
    "phys_switch_id",
    "phys_port_id",
    "node_guid",
    "sys_image_guid",
    "boot_id",
    "machine-id",
    "hostname",
    "domainname",
];

/// Properties of a management controller's resources whose whole text is an identity, in lower case.
const PROPERTIES: &[&str] = &["sku", "nodeid", "expressservicecode", "userlabel"];
/// Parts of the names of further ones: iDRAC writes `ServerInfo.1.ServiceTag`, HPE `ServerAssetTag`.
const PROPERTY_PARTS: &[&str] = &["serial", "assettag", "servicetag", "durablename", "initiatorname", "wwn", "wwpn"];
/// Parts of the names of those that name a host.
const HOST_PROPERTIES: &[&str] = &["hostname", "fqdn", "domainname", "dnsracname", "servername", "smtpserver"];
const REDFISH: &str = "redfish:";
const CEPH: &str = "ceph:";
/// Lists of daemons that are called as the hosts that they run on.
const CEPH_HOSTS: &[&str] = &["mons", "standbys"];
const EXCERPT: &str = "excerpt:";
/// Where names of people stand: what was taken of files that name them, and the settings of the SSH server.
const PLACES_OF_PEOPLE: &[&str] = &[EXCERPT, "command:sshd", "/home/"];
/// Excerpts that name nobody.
const NO_PEOPLE: &[&str] = &[
    "excerpt:/var/lib/dpkg/",
    "excerpt:/etc/apt/",
    "excerpt:/etc/ssh/sshd_config",
    "excerpt:/etc/pve/qemu-server/",
    "excerpt:/etc/pve/lxc/",
    "excerpt:/etc/pve/firewall/",
];

/// Files whose text may look like an address and is a version.
const VERSIONS: &[&str] = &["firmware_rev", "bios_version", "bios_release", "version", "osrelease", "os-release", "fw_ver", "driver", "info"];
/// Texts in which a word that is also the name of the host is not meant as one: a host may be called `debian`.
const NO_HOST_NAMES: &[&str] = &["os-release", "cpuinfo"];
const HOST_NAMES: &[&str] = &["hostname"];
/// Shorter ones are replaced where they stand only: `7` is a serial number of many a virtual disk.
const LENGTH_MIN: usize = 4;

/// The text of each identity, longest first.
pub(super) struct Secrets {
    words: Vec<String>,
    hosts: Vec<String>,
    people: Vec<String>,
    ipv4: BTreeSet<String>,
}

/// Which names, beside identities of every other kind, are looked for: where a folder of the kernel or a keyword may be called the same, none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Names {
    /// Those of hosts.
    pub(super) hosts: bool,
    /// Those of accounts and realms, and the comments of keys.
    pub(super) people: bool,
}

impl Secrets {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut found = Found::default();
        found.host(&snapshot.header.host);
        for (path, asked) in &snapshot.answers {
            found.looks(path, path);
            for answer in asked.values() {
                found.answer(path, answer);
            }
        }
        let Found { words, hosts, people, ipv4 } = found;
        let mut words: Vec<String> = words.into_iter().chain(ipv4.iter().cloned()).collect();
        let mut hosts: Vec<String> = hosts.into_iter().collect();
        let mut people: Vec<String> = people.into_iter().collect();
        for texts in [&mut words, &mut hosts, &mut people] {
            texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        }
        Self { words, hosts, people, ipv4 }
    }

    /// The text with a pseudonym in the place of each identity; names count only as whole words, and where they are looked for.
    pub(super) fn replaced(&self, text: &str, pseudonyms: &Pseudonyms, names: Names) -> String {
        let hosts = if names.hosts { self.hosts.as_slice() } else { &[] };
        let people = if names.people { self.people.as_slice() } else { &[] };
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let before = replaced_boundary(text, rest);
            let word = self.words.iter().find(|word| rest.starts_with(word.as_str()));
            let is_whole = |name: &&String| before && rest.starts_with(name.as_str()) && is_boundary(rest[name.len()..].chars().next());
            let name = || hosts.iter().find(is_whole).or_else(|| people.iter().find(is_whole));
            match word.or_else(name) {
                Some(secret) => {
                    let is_address = self.ipv4.contains(secret) || secret.parse::<Ipv6Addr>().is_ok();
                    let pseudonym = if is_address { pseudonyms.of_ip(secret) } else { pseudonyms.of(secret) };
                    replaced.push_str(&pseudonym);
                    rest = &rest[secret.len()..];
                }
                None => {
                    replaced.push(character);
                    rest = &rest[character.len_utf8()..];
                }
            }
        }
        replaced
    }
}

fn replaced_boundary(text: &str, rest: &str) -> bool {
    is_boundary(text[..text.len() - rest.len()].chars().next_back())
}

fn is_boundary(neighbour: Option<char>) -> bool {
    neighbour.is_none_or(|character| !character.is_alphanumeric())
}

#[derive(Default)]
struct Found {
    words: BTreeSet<String>,
    hosts: BTreeSet<String>,
    people: BTreeSet<String>,
    ipv4: BTreeSet<String>,
}

impl Found {
    fn answer(&mut self, path: &str, answer: &Answer) {
        match answer {
            Answer::Text(text) => {
                if is_identity(path) && !HOST_NAMES.contains(&last(path)) {
                    self.word(text);
                }
                if HOST_NAMES.contains(&last(path)) {
                    self.host(text.trim());
                }
                if path.starts_with(EXCERPT) {
                    self.people.extend(patterns::people(text).into_iter().map(str::to_owned));
                }
                for serial in labelled_serials(path, text) {
                    self.word(serial);
                }
                if let Some(resource) = path.strip_prefix(REDFISH).and_then(|_| serde_json::from_str(text).ok()) {
                    self.properties("", &resource);
                }
                if let Some(answer) = path.strip_prefix(CEPH).and_then(|_| serde_json::from_str(text).ok()) {
                    self.cluster("", &answer);
                }
                self.looks(path, text);
            }
            Answer::Bytes(bytes) if path == TABLE => table::identities(bytes).iter().for_each(|identity| self.word(identity)),
            Answer::Bytes(bytes) => {
                if let Some(serial) = scsi_serial(path, bytes) {
                    self.word(&String::from_utf8_lossy(&bytes[serial]));
                }
                for place in drive::identities(path, bytes) {
                    self.word(&String::from_utf8_lossy(&bytes[place]));
                }
                if let Some(place) = module_serial(path, bytes) {
                    self.word(&String::from_utf8_lossy(&bytes[place.at]));
                }
            }
            Answer::List(names) => names.iter().for_each(|name| self.looks(path, name)),
            Answer::Link(target) => self.looks(path, target),
            Answer::Exists | Answer::Absent | Answer::Refused(_) | Answer::TooLarge(_) | Answer::Status(_) => {}
        }
    }

    fn looks(&mut self, path: &str, text: &str) {
        for address in patterns::addresses(text) {
            self.address(address);
        }
        for found in [patterns::uuids(text), patterns::ipv6(text), patterns::disks(text)] {
            found.into_iter().for_each(|word| self.word(word));
        }
        if path.contains("/by-uuid") || path.contains("proxmox-boot") {
            patterns::volume_ids(text).into_iter().for_each(|word| self.word(word));
        }
        if path.starts_with("command:zpool") {
            patterns::guids(text).into_iter().for_each(|word| self.word(word));
        }
        // Of a management controller's resources each property is looked at by itself.
        if !VERSIONS.contains(&last(path)) && !path.starts_with(REDFISH) {
            self.ipv4.extend(patterns::ipv4(text).into_iter().map(str::to_owned));
        }
    }

    /// Identities among the properties of a resource.
    fn properties(&mut self, name: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(properties) => properties.iter().for_each(|(name, value)| self.properties(name, value)),
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.properties(name, item)),
            serde_json::Value::String(text) => {
                let name = name.to_ascii_lowercase();
                if PROPERTIES.contains(&name.as_str()) || PROPERTY_PARTS.iter().any(|part| name.contains(part)) {
                    self.word(text);
                    // As it is written in JSON, where that is not the same.
                    self.word(serde_json::Value::from(text.trim()).to_string().trim_matches('"'));
                }
                if HOST_PROPERTIES.iter().any(|part| name.contains(part)) {
                    self.host(text);
                }
                if !name.contains("version") {
                    self.ipv4.extend(patterns::ipv4(text).into_iter().map(str::to_owned));
                }
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }

    /// Hosts and drives in what a Ceph cluster tells: those of other nodes too. `name` is that of the list or property.
    fn cluster(&mut self, name: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(properties) => {
                let is_bucket =
                    properties.get("type").is_some_and(|kind| kind != "osd") && properties.get("name").is_some_and(|name| name != "default");
                let names_people_give = CEPH_HOSTS.contains(&name) || name == "nodes" && is_bucket;
                for (property, value) in properties {
                    self.cluster(if names_people_give && property == "name" { "hostname" } else { property }, value);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.cluster(name, item)),
            // A short one is as good as none, and may be a word of the answer: `a`.
            serde_json::Value::String(text) if matches!(name, "hostname" | "active_name" | "quorum_names") && text.len() >= LENGTH_MIN => {
                self.host(text)
            }
            serde_json::Value::String(text) if name == "entity_name" => {
                // `osd.3`, `mgr.pve1-node2`
                text.split_once('.').filter(|(_, host)| host.len() >= LENGTH_MIN).into_iter().for_each(|(_, host)| self.host(host));
            }
            serde_json::Value::String(text) if name == "device_ids" => {
                // `nvme2n1=KIOXIA_KCMYXRUG7T68_63E0A002T5X8`; a blank of the serial number is `_` too.
                for id in text.split(',') {
                    id.split('_').skip(2).chain(id.rsplit('_').next()).for_each(|serial| self.word(serial));
                }
            }
            serde_json::Value::String(_) | serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }

    // An address turns up in other spellings too: enx946dae010203.
    fn address(&mut self, address: &str) {
        let digits: String = address.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase();
        let pairs: Vec<&str> = digits.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok()).collect();
        for spelling in [address.to_owned(), pairs.concat(), pairs.join(":"), pairs.join("-")] {
            self.words.insert(spelling.to_ascii_uppercase());
            self.words.insert(spelling);
        }
    }

    fn word(&mut self, text: &str) {
        let text = text.trim();
        if text.len() >= LENGTH_MIN && !says_nothing(text) {
            self.words.insert(text.to_owned());
        }
    }

    fn host(&mut self, name: &str) {
        if says_nothing(name) || !patterns::is_host_name(name) || matches!(name, "localhost") {
            return;
        }
        self.hosts.insert(name.to_owned());
        if let Some((host, domain)) = name.split_once('.') {
            self.hosts.insert(host.to_owned());
            if domain.contains('.') {
                self.hosts.insert(domain.to_owned());
            }
        }
    }
}

/// Whether the whole text of the file is an identity.
pub(super) fn is_identity(path: &str) -> bool {
    IDENTITIES.contains(&last(path)) || (path.starts_with("/sys/class/net/") && last(path) == "address")
}

/// Whose names a word of the file's text may be.
pub(super) fn names_in(path: &str) -> Names {
    Names { hosts: !NO_HOST_NAMES.contains(&last(path)), people: is_place_of_people(path) }
}

/// Whether people are named in a text, or in a path.
pub(super) fn is_place_of_people(path: &str) -> bool {
    PLACES_OF_PEOPLE.iter().any(|place| path.starts_with(place)) && !NO_PEOPLE.iter().any(|place| path.starts_with(place))
}

/// Whether the text identifies nothing: a placeholder, or one character over and over.
pub(super) fn says_nothing(text: &str) -> bool {
    let mut characters = text.chars().filter(|c| c.is_alphanumeric());
    let first = characters.next();
    is_placeholder(text) || text == "(none)" || first.is_none_or(|first| text.chars().count() > 1 && characters.all(|c| c == first))
}

/// Whether it is the configuration space of a PCI function.
pub(super) fn is_configuration_space(path: &str) -> bool {
    path.starts_with("/sys/bus/pci/devices/") && last(path) == "config"
}

/// Where the serial number stands in VPD page 0x80 of a SCSI disk.
pub(super) fn scsi_serial(path: &str, bytes: &[u8]) -> Option<Range<usize>> {
    (last(path) == "vpd_pg80" && bytes.len() > 4).then_some(4..bytes.len())
}

/// Where the serial number of a network module stands in its EEPROM.
pub(super) fn module_serial(path: &str, bytes: &[u8]) -> Option<ModuleSerialNumber> {
    if path.starts_with("ethtool:") && last(path) == "module" { ModuleSerialNumber::of(bytes) } else { None }
}

/// The serial numbers of a device in what devlink says of it: `board.serial_number: MT2245X00001`.
fn labelled_serials<'a>(path: &str, text: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = if path.starts_with("devlink:") { text.lines() } else { "".lines() };
    lines.filter_map(|line| line.split_once(':').filter(|(name, _)| name.ends_with("serial_number")).map(|(_, serial)| serial.trim()))
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
