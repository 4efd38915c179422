//! `zpool get` of one pool: the block size of each vdev and device, and whether it trims by itself (zpool-get(8), vdevprops(7)). Vdevs have properties since
//! OpenZFS 2.2; an older release ends with an error, and nothing is known then: the `ashift` of a pool is only what new vdevs are made with.

use std::collections::BTreeMap;

use assay_model::component::Reading;

use crate::described::last_step;
use crate::host::{CommandOutput, Host, HostError, whole};

/// Fields are parted by tabs, and figures are exact.
const GET: [&str; 5] = ["zpool", "get", "-Hp", "-o", "name,property,value"];
const ASHIFT: &str = "ashift";
const AUTOTRIM: &str = "autotrim";

/// What was asked, and what was answered.
#[derive(Debug)]
struct Answer {
    source: String,
    output: Result<CommandOutput, String>,
}

impl Answer {
    fn of(host: &Host, pool: &str, property: &str, of: &[&str]) -> Self {
        let words: Vec<&str> = GET.into_iter().chain([property, pool]).chain(of.iter().copied()).collect();
        let source = words.join(" ");
        let output = if is_pool_name(pool) {
            host.command(&words).map_err(|error: HostError| if error.is_absent() { "it is not there".to_owned() } else { error.to_string() })
        } else {
            Err("not asked: no pool has such a name".to_owned())
        };
        Self { source, output }
    }

    /// Name and value of each line that is about `property`.
    fn lines<'a>(&'a self, property: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let text = self.output.as_ref().map_or("", |output| output.stdout.as_str());
        text.lines().filter_map(move |line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, told, value] = fields.as_slice() else { return None };
            (*told == property).then_some((*name, *value))
        })
    }

    /// The reading of what no line tells.
    fn untold(&self) -> Reading {
        Reading::Unreadable(match &self.output {
            Err(why) => why.clone(),
            Ok(CommandOutput { status: Some(0), .. }) => "it is not told".into(),
            Ok(CommandOutput { status: Some(status), .. }) => format!("it is not told, and ended with status {status}"),
            Ok(CommandOutput { status: None, .. }) => "it was killed".into(),
        })
    }
}

// What zpool-create(8) allows. A name that came from somewhere else would be taken for an option, or for several pools.
fn is_pool_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | ' ');
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_allowed)
}

/// The block sizes of one pool.
#[derive(Debug)]
pub(super) struct Ashifts {
    answer: Answer,
    told: BTreeMap<String, Reading>,
}

impl Ashifts {
    /// Asks for all of them. A release that does not find a vdev by its name leaves that one out, and may say so by its exit status: what the others are holds.
    pub(super) fn of(host: &Host, pool: &str) -> Self {
        let answer = Answer::of(host, pool, ASHIFT, &["all-vdevs"]);
        let mut told: BTreeMap<String, Reading> = BTreeMap::new();
        for (name, value) in answer.lines(ASHIFT) {
            let reading = match whole(value) {
                // What has no blocks of its own, or was never opened.
                Ok(0) => Reading::Unreadable("it says 0".into()),
                Ok(shift) => shift.into(),
                Err(why) => Reading::Unreadable(format!("it says `{}`: {why}", value.chars().take(20).collect::<String>())),
            };
            let contradicted = told.get(name).is_some_and(|earlier| *earlier != reading);
            told.insert(name.to_owned(), if contradicted { Reading::Unreadable("it is told twice, differently".into()) } else { reading });
        }
        Self { answer, told }
    }

    /// The command.
    pub(super) fn source(&self) -> &str {
        &self.answer.source
    }

    /// Of a top-level vdev, by its name.
    pub(super) fn of_vdev(&self, name: &str) -> Reading {
        self.told.get(name).cloned().unwrap_or_else(|| self.answer.untold())
    }

    /// Of a device, by its path: `zpool get` names it without folders, and a whole disk without its partition.
    pub(super) fn of_device(&self, path: &str) -> Reading {
        let last = last_step(path.to_owned());
        let told = [path, last.as_str(), without_partition(&last)].into_iter().find_map(|name| self.told.get(name));
        told.cloned().unwrap_or_else(|| self.answer.untold())
    }
}

/// `nvme-MODEL_SERIAL-part1`, `nvme0n1p1` and `sda1` without what names the partition.
fn without_partition(name: &str) -> &str {
    let rest = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if rest.len() == name.len() {
        return name;
    }
    if let Some(disk) = rest.strip_suffix("-part") {
        return disk;
    }
    match rest.strip_suffix('p') {
        Some(disk) if disk.ends_with(|c: char| c.is_ascii_digit()) => disk,
        // `nvme0n1` is a disk whose name ends with a digit.
        Some(_) | None if rest.contains(|c: char| c.is_ascii_digit() || c == '-') => name,
        Some(_) | None => rest,
    }
}

/// Whether the pool trims by itself, and where that was asked.
pub(super) fn autotrim(host: &Host, pool: &str) -> (String, Reading) {
    let answer = Answer::of(host, pool, AUTOTRIM, &[]);
    let said: Vec<&str> = answer.lines(AUTOTRIM).filter(|(name, _)| *name == pool).map(|(_, value)| value).collect();
    let reading = match said.as_slice() {
        ["on"] => true.into(),
        ["off"] => false.into(),
        [] => answer.untold(),
        several => Reading::Unreadable(format!("it says `{}`", several.join(", ").chars().take(40).collect::<String>())),
    };
    (answer.source, reading)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(command: &str, answer: &str) -> Host {
        Host::from_snapshot(&format!("command:zpool%20get%20-Hp%20-o%20name,property,value%20{command}{answer}")).expect("a fixture")
    }

    fn ashifts(answer: &str) -> Ashifts {
        Ashifts::of(&host("ashift%20tank%20all-vdevs", answer), "tank")
    }

    #[test]
    fn vdevs_are_found_by_their_names_and_devices_by_their_paths() {
        let told = ashifts(
            ":\n|exit 0\n|root-0\tashift\t0\n|draid2:4d:12c:1s-0\tashift\t12\n|nvme-A_1\tashift\t12\n|nvme3n1\tashift\t13\n|sdb\tashift\t9\n|x\tsize\t7",
        );
        assert_eq!(told.of_vdev("draid2:4d:12c:1s-0"), 12_u64.into());
        for (path, shift) in
            [("/dev/disk/by-id/nvme-A_1-part1", 12_u64), ("/dev/nvme3n1p1", 13), ("/dev/nvme3n1", 13), ("/dev/sdb1", 9), ("nvme-A_1", 12)]
        {
            assert_eq!(told.of_device(path), shift.into(), "{path}");
        }
        for path in ["/dev/nvme3n12", "/dev/nvme-A_12", "/dev/sdb11x", "x", "root-0", ""] {
            assert!(matches!(told.of_device(path), Reading::Unreadable(_)), "{path}");
        }
    }

    #[test]
    fn what_is_not_told_is_unreadable_whatever_the_reason() {
        for answer in [
            ": exit 2",
            ": exit 0",
            ": killed",
            " error: ETIMEDOUT",
            " absent",
            ":\n|exit 0\n|tank\tashift\t0",
            ":\n|exit 0\n|raidz2-0\tashift\t-",
            ":\n|exit 0\n|raidz2-0\tashift\t12\n|raidz2-0\tashift\t9",
            ":\n|exit 0\n|raidz2-0\tashift\t12\t-",
            ":\n|exit 0\n|raidz2-0 ashift 12",
        ] {
            assert!(matches!(ashifts(answer).of_vdev("raidz2-0"), Reading::Unreadable(_)), "{answer}");
        }
        assert_eq!(ashifts(":\n|exit 1\n|raidz2-0\tashift\t12").of_vdev("raidz2-0"), 12_u64.into(), "it failed elsewhere");
    }

    #[test]
    fn a_pool_trims_by_itself_or_not_or_does_not_say() {
        let told = |answer: &str| autotrim(&host("autotrim%20tank", answer), "tank").1;
        assert_eq!((told(":\n|exit 0\n|tank\tautotrim\ton"), told(":\n|exit 0\n|tank\tautotrim\toff")), (true.into(), false.into()));
        for answer in [":\n|exit 0\n|tank\tautotrim\tmaybe", ":\n|exit 0\n|other\tautotrim\ton", ": exit 1", " absent"] {
            assert!(matches!(told(answer), Reading::Unreadable(_)), "{answer}");
        }
    }

    #[test]
    fn a_name_that_no_pool_can_have_is_not_asked_for() {
        for name in ["-o", "", "a/b", "tank\tx", "tank\nx", "1tank", "t%nk"] {
            assert!(!is_pool_name(name), "{name}");
            assert!(matches!(
                Ashifts::of(&Host::from_snapshot("unmentioned: absent").expect("a fixture"), name).of_vdev("x"),
                Reading::Unreadable(_)
            ));
        }
        assert!(is_pool_name("my pool-1.2:3_a"));
    }
}
