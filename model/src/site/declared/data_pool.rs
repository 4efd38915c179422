//! The ZFS pool of the data drives, of a site that chose that for its storage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::When;
use crate::place::Document;
use crate::source::FileError;

/// Devices of a dRAID vdev at most (zpoolconcepts(7)).
const CHILDREN_MAX: u32 = 255;
/// Smallest and largest ashift that a vdev can be made with (zpoolprops(7)).
const ASHIFT: [u32; 2] = [9, 16];

/// What is declared of the pool that holds the node's data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataPool {
    /// Its name.
    pub name: Option<String>,
    /// Line of `bom.toml` whose drives it is made of, all of them and no others.
    pub line: Option<String>,
    /// How its vdevs are made, each of them.
    pub draid: Option<Draid>,
    /// Smallest block of every vdev at least, as a power of two: 12 are 4096 bytes.
    pub ashift_at_least: Option<u32>,
    /// Days after which the next scrub is overdue.
    pub scrub_max_age_days: Option<u32>,
    /// Whether it trims what was freed by itself.
    pub autotrim: Option<bool>,
    /// It is declared only when this holds.
    pub when: Option<When>,
}

/// The geometry of a dRAID vdev: `draid2:4d:12c:1s` has parity 2, data 4, children 12 and spares 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Draid {
    /// Devices of each redundancy group that hold parity: 1 to 3.
    pub parity: u32,
    /// Devices of each redundancy group that hold data.
    pub data: u32,
    /// Devices of a vdev.
    pub children: u32,
    /// Devices' worth of spare room in a vdev.
    #[serde(default)]
    pub spares: u32,
    /// Number of such vdevs.
    #[serde(default = "one")]
    pub vdevs: u32,
}

fn one() -> u32 {
    1
}

impl std::fmt::Display for Draid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "draid{}:{}d:{}c:{}s", self.parity, self.data, self.children, self.spares)
    }
}

/// Refuses what no pool can be made with.
pub(crate) fn check(doc: Document<'_>, pool: &DataPool) -> Result<(), FileError> {
    for (key, text) in [("name", &pool.name), ("line", &pool.line)] {
        if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            return Err(doc.refuse(&["data_pool", key], "an empty word; leave it out while it is not known"));
        }
    }
    if pool.ashift_at_least.is_some_and(|ashift| ashift < ASHIFT[0] || ashift > ASHIFT[1]) {
        return Err(doc.refuse(&["data_pool", "ashift_at_least"], format!("expected a power of two from {} to {}", ASHIFT[0], ASHIFT[1])));
    }
    let Some(draid) = &pool.draid else { return Ok(()) };
    let at = |key| ["data_pool", "draid", key];
    if !(1..=3).contains(&draid.parity) {
        return Err(doc.refuse(&at("parity"), "a dRAID vdev has parity 1, 2 or 3"));
    }
    if draid.data == 0 {
        return Err(doc.refuse(&at("data"), "a redundancy group without data; expected 1 or more"));
    }
    let needed = draid.data.saturating_add(draid.parity).saturating_add(draid.spares);
    if draid.children < needed || draid.children > CHILDREN_MAX {
        return Err(doc.refuse(&at("children"), format!("expected {needed} (data, parity and spares) to {CHILDREN_MAX}")));
    }
    if draid.vdevs == 0 {
        return Err(doc.refuse(&at("vdevs"), "a pool without vdevs; expected 1 or more"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::declared::{DECLARED_SCHEMA, Declared};

    fn read(data_pool: &str) -> Result<DataPool, FileError> {
        let text = format!("schema = 1\n[data_pool]\n{data_pool}\n");
        let doc = Document::new("declared.toml", &text);
        let pool = doc.parse::<Declared>(DECLARED_SCHEMA)?.data_pool.expect("it is there");
        check(doc, &pool).map(|()| pool)
    }

    #[test]
    fn a_pool_is_read_as_written_and_says_its_geometry_as_zfs_does() {
        let pool = read("name = \"tank\"\nline = \"data drives\"\nashift_at_least = 12\ndraid = { parity = 2, data = 4, children = 12, spares = 1 }");
        let draid = pool.expect("it fits").draid.expect("declared");
        assert_eq!((draid.to_string().as_str(), draid.vdevs), ("draid2:4d:12c:1s", 1));
        assert_eq!(read(""), Ok(DataPool::default()), "all of it may be open");
    }

    #[test]
    fn what_no_pool_can_be_made_with_is_refused_at_its_line() {
        let draid = |text: &str| format!("draid = {{ {text} }}");
        for (text, words) in [
            ("name = \"\"".to_owned(), "empty"),
            ("ashift_at_least = 8".to_owned(), "9 to 16"),
            ("ashift_at_least = 17".to_owned(), "9 to 16"),
            ("ashift = 12".to_owned(), "ashift"),
            (draid("parity = 0, data = 4, children = 12"), "parity 1, 2 or 3"),
            (draid("parity = 4, data = 4, children = 12"), "parity 1, 2 or 3"),
            (draid("parity = 1, data = 0, children = 12"), "without data"),
            (draid("parity = 2, data = 4, children = 6, spares = 1"), "expected 7"),
            (draid("parity = 2, data = 4, children = 256"), "to 255"),
            (draid("parity = 2, data = 4294967295, children = 12"), "to 255"),
            (draid("parity = 2, data = 4, children = 12, vdevs = 0"), "without vdevs"),
            (draid("parity = 2, data = 4"), "children"),
        ] {
            let error = read(&text).expect_err(&text);
            assert!(error.line == 3 && error.message.contains(words), "`{words}` for {text}: {error}");
        }
    }
}
