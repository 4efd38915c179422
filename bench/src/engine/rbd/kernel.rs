//! What the kernel's rbd driver is told (`/sys/bus/rbd/add`, Documentation/ABI/testing/sysfs-bus-rbd of Linux) so that it maps an image as the same user of the same cluster as librbd:
//! the monitors by their own map, the user, and the key from where librados has it. The key goes to the kernel by add_key(2) and stands in no text. Which image, and whether, is a claim's.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use crate::engine::cluster::{Connect, within};
use crate::error::ClusterError;
use crate::sys::keys;
use crate::sys::rados::text;
use crate::sys::rbd as sys;

/// How the driver reaches a cluster.
#[derive(Clone)]
pub struct KernelClient {
    fsid: String,
    monitors: Monitors,
    // `rbd-vms`, with the namespace behind it where there is one.
    pool: String,
    user: String,
    // None of a cluster that asks for none.
    key: Option<Arc<[u8]>>,
    deadline: Duration,
}

/// Where the monitors are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Monitors {
    addresses: Vec<String>,
    // The second version of the messenger needs a word; `rbd map` says none either where there is the first.
    mode: Option<&'static str>,
}

impl KernelClient {
    /// Asks for what there is to know; blocks as long as the cluster wishes.
    pub(super) fn of(pool: &Arc<sys::Pool>, name: &str, deadline: Duration) -> io::Result<Self> {
        let (fsid, monitors) = monitors(&pool.ask(r#"{"prefix": "mon dump", "format": "json"}"#)?)?;
        let user = Connect::user().unwrap_or_else(|| "admin".to_owned());
        let key = match Key::found(&user, |option| pool.option(option)) {
            Ok(Some(Key(key))) => Some(key.into()),
            Ok(None) if pool.option("auth_client_required")?.split([',', ' ', ';']).any(|method| method == "none") => None,
            Ok(None) => return Err(io::Error::other(format!("the configuration has no key of client.{user} for the kernel"))),
            Err(error) => return Err(error),
        };
        Ok(Self { fsid, monitors, pool: name.to_owned(), user, key, deadline })
    }

    /// The cluster's own number, as the kernel shows it of what it has mapped.
    pub fn fsid(&self) -> &str {
        &self.fsid
    }

    /// Writes to `add` that an image of the pool shall be mapped, and hands back what `found` finds afterwards. What is only mapped after the deadline is found, and dropped.
    pub fn map<T: Send + 'static>(&self, add: &Path, image: &str, found: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, ClusterError> {
        let (client, add, wanted) = (self.clone(), add.to_owned(), image.to_owned());
        let subject = format!("{}/{image}", self.pool);
        // The kernel gives up by itself in time, as long as it is the monitors that do not answer.
        within("have the kernel map the image", &subject, 2 * self.deadline, move || {
            let line = client.line(&wanted)?;
            if let Some(key) = &client.key {
                keys::give(keys::CEPH, &text(&client.key_name())?, key)
                    .map_err(|error| io::Error::new(error.kind(), format!("it takes no key: {error}")))?;
            }
            told(&add, &line)?;
            found()
        })
    }

    fn key_name(&self) -> String {
        format!("client.{}", self.user)
    }

    /// `10.0.0.1:6789,10.0.0.2:6789 name=admin,key=client.admin rbd-vms assay-scratch-1`.
    fn line(&self, image: &str) -> io::Result<String> {
        let (pool, namespace) = self.pool.split_once('/').map_or((self.pool.as_str(), None), |(pool, namespace)| (pool, Some(namespace)));
        let mut options = vec![format!("name={}", self.user), format!("mount_timeout={}", self.deadline.as_secs().max(1))];
        options.extend(self.key.is_some().then(|| format!("key={}", self.key_name())));
        options.extend(self.monitors.mode.map(|mode| format!("ms_mode={mode}")));
        options.extend(namespace.map(|namespace| format!("_pool_ns={namespace}")));
        // Blanks and commas are what the kernel parts words by: no name with one of them may become an option.
        let is_word = |word: &str| !word.is_empty() && word.chars().all(|one| one.is_ascii_graphic() && one != ',');
        if let Some(word) = [pool, image, &self.user, namespace.unwrap_or("-")].into_iter().find(|word| !is_word(word)) {
            return Err(io::Error::other(format!("the kernel cannot be told the name `{}`", word.escape_debug())));
        }
        Ok(format!("{} {} {pool} {image}", self.monitors.addresses.join(","), options.join(",")))
    }
}

impl fmt::Debug for KernelClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelClient").field("fsid", &self.fsid).field("monitors", &self.monitors).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Writes to `remove` that the device of this number shall be given up; EBUSY while somebody has it open.
pub fn unmap(remove: &Path, id: u32, deadline: Duration) -> Result<(), ClusterError> {
    let (remove, subject) = (remove.to_owned(), format!("rbd{id}"));
    within("have the kernel unmap", &subject, deadline, move || told(&remove, &id.to_string()))
}

/// One write: the driver takes what one says for the whole.
fn told(file: &Path, words: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(file)?;
    let written = file.write(words.as_bytes())?;
    if written == words.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// A user's key as it is decoded. Shown by nothing.
struct Key(Vec<u8>);

impl Key {
    /// Where librados looks, in its order: the option `key`, the file of `keyfile`, the first keyring that there is.
    fn found(user: &str, option: impl Fn(&str) -> io::Result<String>) -> io::Result<Option<Self>> {
        let key = option("key")?;
        if !key.is_empty() {
            return Self::decoded(&key).map(Some);
        }
        let file = option("keyfile")?;
        if !file.is_empty() {
            return Self::decoded(&fs::read_to_string(&file)?).map(Some);
        }
        for file in option("keyring")?.split([',', ';', ' ']).filter(|file| !file.is_empty()) {
            match fs::read_to_string(file) {
                Ok(text) => return Self::in_keyring(&text, user).map(Self::decoded).transpose(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io::Error::new(error.kind(), format!("the keyring {file}: {error}"))),
            }
        }
        Ok(None)
    }

    fn in_keyring<'a>(text: &'a str, user: &str) -> Option<&'a str> {
        let mut lines = text.lines().map(str::trim).skip_while(|line| *line != format!("[client.{user}]")).skip(1);
        lines.by_ref().take_while(|line| !line.starts_with('[')).find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == "key").then(|| value.trim())
        })
    }

    fn decoded(text: &str) -> io::Result<Self> {
        // What could not be decoded is not shown: it may be most of a key.
        BASE64.decode(text.trim()).map(Self).map_err(|_| io::Error::other("a key of Ceph is written in base64, and this one is not"))
    }
}

fn monitors(answer: &str) -> io::Result<(String, Monitors)> {
    #[derive(Deserialize)]
    struct Map {
        fsid: String,
        mons: Vec<Monitor>,
    }
    #[derive(Deserialize)]
    struct Monitor {
        public_addrs: Addresses,
    }
    #[derive(Deserialize)]
    struct Addresses {
        addrvec: Vec<Address>,
    }
    #[derive(Deserialize)]
    struct Address {
        #[serde(rename = "type")]
        kind: String,
        addr: String,
    }
    let Map { fsid, mons } = serde_json::from_str(answer).map_err(io::Error::other)?;
    let of_kind = |kind: &str| -> Vec<String> {
        let all = mons.iter().flat_map(|monitor| &monitor.public_addrs.addrvec);
        all.filter(|address| address.kind == kind && is_address(&address.addr)).map(|address| address.addr.clone()).collect()
    };
    let monitors = match (of_kind("v1"), of_kind("v2")) {
        (first, _) if !first.is_empty() => Monitors { addresses: first, mode: None },
        (_, second) if !second.is_empty() => Monitors { addresses: second, mode: Some("prefer-crc") },
        _ => return Err(io::Error::other("the monitors know no address of theirs")),
    };
    Ok((fsid, monitors))
}

/// `10.0.0.1:6789`, `[fd00::1]:6789`, and no word that the kernel would take for another one.
fn is_address(text: &str) -> bool {
    text.parse::<std::net::SocketAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AQBvaBFnAAAAABAAHh0cGxoZGBcWFRQTEhEQDw==";

    fn client(pool: &str, user: &str, answer: &str) -> KernelClient {
        let (fsid, monitors) = monitors(answer).expect("an answer");
        KernelClient {
            fsid,
            monitors,
            pool: pool.into(),
            user: user.into(),
            key: Some(BASE64.decode(KEY).expect("a key").into()),
            deadline: Duration::from_secs(20),
        }
    }

    const BOTH: &str = r#"{"epoch": 1, "fsid": "d1c5", "mons": [
        {"name": "a", "public_addrs": {"addrvec": [{"type": "v2", "addr": "10.99.0.11:3300", "nonce": 0}, {"type": "v1", "addr": "10.99.0.11:6789", "nonce": 0}]}},
        {"name": "b", "public_addrs": {"addrvec": [{"type": "v1", "addr": "[fd00::2]:6789", "nonce": 0}]}},
        {"name": "c", "public_addrs": {"addrvec": [{"type": "v1", "addr": "x,secret=1 rbd", "nonce": 0}]}}]}"#;
    const SECOND: &str = r#"{"fsid": "d1c5", "mons": [{"public_addrs": {"addrvec": [{"type": "v2", "addr": "10.99.0.11:3300", "nonce": 0}]}}]}"#;

    #[test]
    fn the_kernel_is_told_of_monitors_user_and_image_and_never_the_key() {
        let plain = client("rbd-vms", "admin", BOTH);
        let line = plain.line("assay-scratch-1").expect("a line");
        assert_eq!(line, "10.99.0.11:6789,[fd00::2]:6789 name=admin,mount_timeout=20,key=client.admin rbd-vms assay-scratch-1");
        let other = client("rbd-vms/tenant", "assay", SECOND).line("i").expect("a line");
        assert_eq!(other, "10.99.0.11:3300 name=assay,mount_timeout=20,key=client.assay,ms_mode=prefer-crc,_pool_ns=tenant rbd-vms i");
        for text in [format!("{plain:?}"), line, other] {
            assert!(!text.contains(KEY) && !text.contains("secret"), "{text}");
        }
        assert!(monitors(r#"{"fsid": "d1c5", "mons": []}"#).is_err() && monitors("{}").is_err());
    }

    #[test]
    fn no_name_becomes_an_option() {
        for (pool, user, image) in [
            ("a b", "admin", "i"),
            ("a", "admin,secret=1", "i"),
            ("a", "admin", "i j"),
            ("a/b,ro", "admin", "i"),
            ("a", "admin", ""),
            ("a/", "admin", "i"),
        ] {
            assert!(client(pool, user, BOTH).line(image).is_err(), "{pool} {user} {image}");
        }
    }

    #[test]
    fn a_key_is_found_where_librados_finds_it_and_no_error_shows_it() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let found = |key: &str, keyfile: &str, keyring: &str| {
            let told = |option: &str| {
                Ok(match option {
                    "key" => key,
                    "keyfile" => keyfile,
                    _ => keyring,
                }
                .to_owned())
            };
            Key::found("assay", told).map(|key| key.map(|Key(key)| BASE64.encode(key)))
        };
        let ring = file("ring", &format!("[client.admin]\n\tkey = AAAA\n[client.assay]\n\tcaps mon = \"profile rbd\"\n\tkey = {KEY}\n"));
        let foreign = file("foreign", "[client.assay2]\n\tkey = AAAA\n[client.assay]\n\tcaps mon = \"a\"\n[client.z]\n\tkey = AAAA\n");
        assert_eq!(found(KEY, "/none", &foreign).expect("a key").as_deref(), Some(KEY));
        assert_eq!(found("", &file("alone", &format!("{KEY}\n")), &foreign).expect("a key").as_deref(), Some(KEY));
        assert_eq!(found("", "", &format!("/none,{ring}")).expect("a key").as_deref(), Some(KEY));
        assert_eq!(found("", "", &foreign).expect("no key"), None);
        assert_eq!(found("", "", "/none;/none").expect("no key"), None);
        let broken = found("AQBvaBFn!", "", "").expect_err("no base64").to_string();
        assert!(!broken.contains("AQBvaBFn"), "{broken}");
        assert!(found("", "/none", &ring).is_err(), "one that was named must be there");
    }
}
