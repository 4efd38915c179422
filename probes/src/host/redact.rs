//! Snapshots that may leave the house: serial numbers, hardware addresses, host names, UUIDs and IP addresses become pseudonyms before anything
//! is written, wherever they stand: texts, paths, lists, links and the SMBIOS table. Pseudonyms have the length and shape of what they stand for,
//! and the same original gives the same pseudonym in every snapshot of a machine: they are keyed by its machine id, which is never written.
//!
//! What identities look like is in `redact/secrets.rs`, what is secret on a kernel's command line in `redact/command_line.rs`; free text of other kinds (who
//! logged in, in a message of a log) is not recognised.

use std::fs::File;
use std::io::Read;

use rustix::io::Errno;

use self::pseudonym::Pseudonyms;
use self::secrets::{Names, Secrets, is_identity, is_place_of_people, names_in};
use super::answer::Answer;
use super::error::{Act, HostError};
use super::snapshot::{Answers, Snapshot};
use crate::pci_config;
use crate::smbios::{ENTRY_POINT, TABLE};

mod command_line;
mod drive;
mod frames;
mod patterns;
mod pseudonym;
mod secrets;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use self::command_line::without_secrets;

const RANDOM: &str = "/dev/urandom";
const COMMAND_LINE: &str = "/proc/cmdline";

/// Replaces identities.
pub(super) struct Redactor {
    pseudonyms: Pseudonyms,
}

impl Redactor {
    /// Pseudonyms that only who knows `machine` could compute; of a machine without an id they hold for one snapshot.
    pub(super) fn keyed_by(machine: &[u8]) -> Result<Self, HostError> {
        if !machine.trim_ascii().is_empty() {
            return Ok(Self { pseudonyms: Pseudonyms::keyed(machine.trim_ascii()) });
        }
        let mut key = [0; 32];
        let read = File::open(RANDOM).and_then(|mut random| random.read_exact(&mut key));
        read.map_err(|error| HostError::Refused { act: Act::Read, path: RANDOM.into(), source: Errno::from_io_error(&error).unwrap_or(Errno::IO) })?;
        Ok(Self { pseudonyms: Pseudonyms::keyed(&key) })
    }

    /// The same snapshot without a word that says whose it is.
    pub(super) fn redact(self, mut snapshot: Snapshot) -> Snapshot {
        let substitutes = Substitutes { secrets: Secrets::of(&snapshot), pseudonyms: self.pseudonyms };
        let mut answers = Answers::new();
        for (path, asked) in std::mem::take(&mut snapshot.answers) {
            let asked = asked.into_iter().filter_map(|(ask, answer)| Some((ask, substitutes.answer(&path, answer)?))).collect();
            answers.insert(substitutes.name(&path, &path), asked);
        }
        answers.retain(|_, asked: &mut std::collections::BTreeMap<_, _>| !asked.is_empty());
        snapshot.answers = answers;
        snapshot.header.host = substitutes.whole(&snapshot.header.host);
        snapshot.header.redacted = true;
        snapshot
    }
}

/// What stands for what.
struct Substitutes {
    secrets: Secrets,
    pseudonyms: Pseudonyms,
}

impl Substitutes {
    /// The answer with pseudonyms; none when it is of a kind in which identities could not be found.
    fn answer(&self, path: &str, answer: Answer) -> Option<Answer> {
        Some(match answer {
            Answer::Text(text) if is_identity(path) => Answer::Text(self.whole(&text)),
            Answer::Text(text) if path.starts_with("lldp:") => Answer::Text(frames::redacted(&text, &|text| self.whole(text))),
            Answer::Text(text) if path.starts_with("command:lldpcli ") => Answer::Text(frames::told(&text, &|text| self.whole(text))),
            Answer::Text(text) if path == COMMAND_LINE => {
                Answer::Text(self.secrets.replaced(&without_secrets(&text), &self.pseudonyms, names_in(path)))
            }
            Answer::Text(text) => Answer::Text(self.secrets.replaced(&text, &self.pseudonyms, names_in(path))),
            Answer::Bytes(bytes) => Answer::Bytes(self.bytes(path, bytes)?),
            Answer::List(names) => {
                let mut names: Vec<String> = names.iter().map(|name| self.name(path, name)).collect();
                names.sort();
                Answer::List(names)
            }
            Answer::Link(target) => Answer::Link(self.name(path, &target)),
            other @ (Answer::Exists | Answer::Absent | Answer::Refused(_) | Answer::TooLarge(_) | Answer::Status(_)) => other,
        })
    }

    // Only of these files is it known where identities are; another one is left out rather than written as it is.
    fn bytes(&self, path: &str, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        if path == TABLE {
            let by = table::Substitution {
                identity: &|text| self.whole(text),
                text: &|text| self.secrets.replaced(text, &self.pseudonyms, Names { hosts: true, people: false }),
                bytes: &|bytes| self.pseudonyms.of_bytes(bytes),
            };
            return table::redacted(bytes, &by);
        }
        if path == ENTRY_POINT {
            return Some(bytes);
        }
        if let Some(place) = secrets::module_serial(path, &bytes) {
            let before = bytes.clone();
            let pseudonym = self.whole(&String::from_utf8_lossy(&bytes[place.at.clone()]));
            table::overwrite(&mut bytes[place.at.clone()], &pseudonym);
            place.settle(&before, &mut bytes);
            return Some(bytes);
        }
        if drive::is_page(path) {
            return drive::redacted(path, bytes, &|text| self.whole(text), &|bytes| self.pseudonyms.of_bytes(bytes));
        }
        if secrets::is_configuration_space(path) {
            return pci_config::without_identities(&bytes);
        }
        let serial = secrets::scsi_serial(path, &bytes)?;
        let pseudonym = self.whole(&String::from_utf8_lossy(&bytes[serial.clone()]));
        table::overwrite(&mut bytes[serial], &pseudonym);
        Some(bytes)
    }

    // A path, or a name in one. A host may be called `node0` as well as a folder of the kernel: names of hosts count where people give names.
    fn name(&self, path: &str, name: &str) -> String {
        let hosts = ["/sys/class/net/", "ethtool:", "/etc/pve/"].iter().any(|place| path.starts_with(place)) || path == "/sys/class/net";
        self.secrets.replaced(name, &self.pseudonyms, Names { hosts, people: is_place_of_people(path) })
    }

    /// The pseudonym of a text that is an identity as a whole.
    fn whole(&self, text: &str) -> String {
        let identity = text.trim();
        if secrets::says_nothing(identity) { text.to_owned() } else { text.replace(identity, &self.pseudonyms.of(identity)) }
    }
}
