//! Scratch objects `assay-scratch-<run>.<node>.<n>` in a pool of a Ceph cluster: made by us, each marked with its run by the very operation that makes it, removed at the end. Before
//! the first is made, the set stands in the attributes of one object, `assay-scratch`, which goes with the last set: a pool of millions of objects is never listed. What a crash left
//! behind stands there too: the same run and node remove it when they begin anew, any other when half an hour has passed since it was to be over. What has no such mark is not removed,
//! whatever its name is, and no write of ours makes an object.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use assay_bench::engine::rados::{Connect, Mark, ObjectSet, Pool};
use assay_bench::engine::uring::WriteLeave;
use assay_bench::{ClusterError, Span};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ScratchPools;
use super::image::{COPIES, room, takes_writes};
use super::refusal::{Cause, Refusal, refused};
use super::scratch::SCRATCH_PREFIX;
use crate::printable::Printable;

/// What a target begins with that is a pool for objects.
const SCHEME: &str = "rados:";
/// The object whose attributes say which sets there are.
const INDEX: &str = "assay-scratch";
/// The attribute of every object of ours, and of the index.
const MARK: &str = "assay.run";
/// What the index is marked with.
const INDEX_MARK: &str = "index";
/// Another one with every change of the index: whoever changes it has seen it as it is.
const TURN: &str = "assay.turn";
/// Begins the names of the attributes that are sets.
const SET: &str = "assay.set.";
/// How often a change of the index is tried, when others change it too.
const TRIES: u32 = 100;
/// A set was left behind when it was to be over so long ago; seconds.
const LEFT_BEHIND: u64 = if cfg!(test) { 2 } else { 1800 };
/// Operations that the cluster does not answer for so long fail.
const OSD_OP_TIMEOUT: Duration = Duration::from_secs(60);

/// A pool of a Ceph cluster, and one namespace of it, in which the site allows scratch objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectPlace {
    pool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// The cluster that is meant, where the site declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fsid: Option<String>,
}

/// Whether a target is a pool for objects by its spelling.
pub fn is_object_place(target: &Path) -> bool {
    target.as_os_str().as_encoded_bytes().starts_with(SCHEME.as_bytes())
}

impl ObjectPlace {
    /// `pool`, or `pool/namespace`, if the site names exactly this among `allowed`; the only one that it names, without a word.
    pub fn named(asked: Option<&str>, allowed: &ScratchPools) -> Result<Self, Refusal> {
        let subject = Path::new(asked.unwrap_or("a pool"));
        let name = match (asked, allowed.names.as_slice()) {
            (Some(name), _) => name,
            (None, [only]) => only,
            (None, []) => return Err(refused(subject)(Cause::NoneNamed)),
            (None, several) => return Err(refused(subject)(Cause::WhichPool { names: several.join(", ") })),
        };
        let place = Self { fsid: allowed.fsid.clone(), ..Self::parse(name).map_err(refused(subject))? };
        if allowed.names.contains(&place.name()) { Ok(place) } else { Err(refused(subject)(Cause::NotNamed { place: Printable::new(place.name()) })) }
    }

    /// The pool of a target, `rados:POOL/` or `rados:POOL/NAMESPACE/`, as [`ObjectPlace::named`] takes it.
    pub fn of_target(target: &Path) -> Result<String, Refusal> {
        let wrong = |why: &str| refused(target)(Cause::NoObjectPlace { why: why.to_owned() });
        let text = target.to_str().and_then(|text| text.strip_prefix(SCHEME)).ok_or_else(|| wrong("it is no pool of a Ceph cluster"))?;
        text.strip_suffix('/').map(str::to_owned).ok_or_else(|| wrong("it names an object, and assay writes to those only that it makes itself"))
    }

    fn parse(name: &str) -> Result<Self, Cause> {
        let (pool, namespace) = name.split_once('/').map_or((name, None), |(pool, namespace)| (pool, Some(namespace)));
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|one| one.is_ascii_graphic() && !"/@:".contains(one));
        if ![Some(pool), namespace].into_iter().flatten().all(is_name) {
            return Err(Cause::NoObjectPlace { why: "it has no name of a pool or of a namespace".to_owned() });
        }
        Ok(Self { pool: pool.to_owned(), namespace: namespace.map(str::to_owned), fsid: None })
    }

    /// `rbd-vms`, with the namespace behind it where there is one.
    pub fn name(&self) -> String {
        self.namespace.as_ref().map_or_else(|| self.pool.clone(), |namespace| format!("{}/{namespace}", self.pool))
    }

    fn path(&self) -> PathBuf {
        format!("{SCHEME}{}/", self.name()).into()
    }

    fn connection(&self) -> Connect {
        Connect { fsid: self.fsid.clone(), osd_op_timeout: Some(OSD_OP_TIMEOUT), ..Connect::default() }
    }

    /// A connection of its own to the pool.
    pub(crate) fn connect(&self) -> Result<Pool, ClusterError> {
        Pool::connect(&self.pool, self.namespace.as_deref(), &self.connection())
    }
}

/// Whose objects they are, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// The run.
    pub(crate) run: String,
    /// The node that works on them.
    pub(crate) node: String,
    /// Bytes of all of them.
    pub(crate) bytes: u64,
    /// Bytes of each.
    pub(crate) object_bytes: u64,
    /// Nodes that want as much at the same time.
    pub(crate) nodes: u64,
    /// After so many seconds they are not needed any more.
    pub(crate) seconds: u64,
}

/// A set of objects as it stands in the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    run: String,
    node: String,
    first: u64,
    bytes: u64,
    object_bytes: u64,
    /// Seconds since 1970.
    until: u64,
}

impl Entry {
    fn objects(&self) -> ObjectSet {
        ObjectSet::new(&format!("{SCRATCH_PREFIX}{}.{}.", self.run, self.node), self.first, self.bytes, self.object_bytes)
    }

    /// Whether it was left behind, for a run and node that begin now.
    fn is_left_behind(&self, wanted: &Wanted, now: u64) -> bool {
        (&self.run, &self.node) == (&wanted.run, &wanted.node) || now.saturating_sub(self.until) > LEFT_BEHIND
    }
}

/// Scratch objects that exist and are ours: the permission to write to them.
#[derive(Debug)]
pub(crate) struct Objects {
    pool: Pool,
    place: ObjectPlace,
    key: String,
    entry: Entry,
    removed: bool,
}

/// Looks whether scratch objects may be made; makes nothing.
pub fn examine_scratch_objects(place: &ObjectPlace, bytes: u64) -> Result<(), Refusal> {
    let look = || {
        let pool = place.connect()?;
        takes_writes(pool.name(), pool.is_full())?;
        room(bytes, pool.free()? / COPIES)
    };
    look().map_err(refused(&place.path()))
}

/// Removes leftovers, writes the set into the index, then makes the objects.
pub(crate) fn scratch_objects(place: &ObjectPlace, wanted: &Wanted) -> Result<Objects, Refusal> {
    make(place, wanted).map_err(refused(&place.path()))
}

fn make(place: &ObjectPlace, wanted: &Wanted) -> Result<Objects, Cause> {
    for name in [&wanted.run, &wanted.node] {
        if name.is_empty() || name.len() > 80 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Cause::RunName { name: Printable::new(name) });
        }
    }
    let pool = place.connect()?;
    // Before anything is removed, too: in a full pool that may wait as well.
    takes_writes(pool.name(), pool.is_full())?;
    sweep(&pool, wanted)?;
    room(wanted.bytes.saturating_mul(wanted.nodes), pool.free()? / COPIES)?;
    let id = Uuid::now_v7();
    // Numbers of their own: what an earlier life of the same run still has out meets no object of this one.
    let first = u64::from(u32::from_le_bytes(*id.as_bytes().last_chunk().expect("a UUID has sixteen bytes"))) << 24;
    let entry = Entry {
        run: wanted.run.clone(),
        node: wanted.node.clone(),
        first,
        bytes: wanted.bytes,
        object_bytes: wanted.object_bytes,
        until: now().saturating_add(wanted.seconds),
    };
    let key = format!("{SET}{}", id.simple());
    let mut objects = Objects { pool, place: place.clone(), key, entry, removed: false };
    let value = serde_json::to_string(&objects.entry).expect("an entry is JSON");
    amend(&objects.pool, &Amendment::Enter(&objects.key, &value))?;
    // Whatever goes wrong from here on, its drop removes what was made.
    match objects.pool.make(&objects.entry.objects(), mark(&objects.entry)) {
        Err(error) if error.is_there_already() => {
            let object = format!("{SCRATCH_PREFIX}{}.{}.*", wanted.run, wanted.node);
            Err(Cause::ForeignObject { object: Printable::new(object) })
        }
        // Somebody still makes them, and would go on behind whoever removes them now: they stay in the index, and are swept when they were left behind.
        Err(error @ ClusterError::Silent { .. }) => {
            objects.removed = true;
            Err(error.into())
        }
        other => Ok(other.map(|()| objects)?),
    }
}

fn mark(entry: &Entry) -> Mark<'_> {
    Mark { name: MARK, value: &entry.run }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Removes sets that were left behind.
fn sweep(pool: &Pool, wanted: &Wanted) -> Result<(), Cause> {
    let Some(index) = Index::read(pool)? else { return Ok(()) };
    for (key, entry) in index.entries.iter().filter(|(_, entry)| entry.is_left_behind(wanted, now())) {
        match pool.remove(&entry.objects(), mark(entry)) {
            Ok(_) => amend(pool, &Amendment::Leave(key))?,
            Err(error @ ClusterError::Silent { .. }) => return Err(error.into()),
            // What cannot be removed stays in the index, and does no harm to this run.
            Err(_) => {}
        }
    }
    Ok(())
}

/// The index as it was seen.
struct Index {
    turn: String,
    entries: Vec<(String, Entry)>,
    /// Sets that this assay does not understand: they stay.
    others: usize,
}

impl Index {
    fn read(pool: &Pool) -> Result<Option<Self>, Cause> {
        let Some(attributes) = pool.attributes(INDEX)? else { return Ok(None) };
        let of = |wanted: &str| attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let foreign = || Cause::ForeignObject { object: Printable::new(INDEX) };
        if of(MARK).as_deref() != Some(INDEX_MARK) {
            return Err(foreign());
        }
        let sets: Vec<&(String, String)> = attributes.iter().filter(|(name, _)| name.starts_with(SET)).collect();
        let entries: Vec<(String, Entry)> = sets.iter().filter_map(|(name, value)| Some((name.clone(), serde_json::from_str(value).ok()?))).collect();
        Ok(Some(Self { turn: of(TURN).ok_or_else(foreign)?, others: sets.len() - entries.len(), entries }))
    }
}

/// A change of the index.
enum Amendment<'a> {
    Enter(&'a str, &'a str),
    Leave(&'a str),
}

/// Changes the index as it is at that moment: tried anew when somebody else was faster.
fn amend(pool: &Pool, amendment: &Amendment<'_>) -> Result<(), Cause> {
    for _ in 0..TRIES {
        let next = Uuid::now_v7().simple().to_string();
        let index = Index::read(pool)?;
        let seen = index.as_ref().map(|index| Mark { name: TURN, value: &index.turn });
        let done = match (amendment, seen, &index) {
            (Amendment::Enter(key, value), Some(seen), _) => pool.change_index(INDEX, seen, &[(TURN, &next), (key, value)], &[])?,
            (Amendment::Enter(key, value), None, _) => pool.make_index(INDEX, &[(MARK, INDEX_MARK), (TURN, &next), (key, value)])?,
            (Amendment::Leave(key), Some(seen), Some(index)) => {
                if !index.entries.iter().any(|(other, _)| other == key) {
                    return Ok(());
                }
                // The last one takes the index with it.
                let is_last = index.entries.len() == 1 && index.others == 0;
                if is_last { pool.remove_index(INDEX, seen)? } else { pool.change_index(INDEX, seen, &[(TURN, &next)], &[key])? }
            }
            (Amendment::Leave(_), _, _) => return Ok(()),
        };
        if done {
            return Ok(());
        }
    }
    Err(Cause::ForeignObject { object: Printable::new(INDEX) })
}

impl Objects {
    /// The pool that they are in.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The place that they are in.
    pub(crate) fn place(&self) -> &ObjectPlace {
        &self.place
    }

    /// They as one range of bytes.
    pub(crate) fn set(&self) -> ObjectSet {
        self.entry.objects()
    }

    /// Removes them, and says when that could not be done; dropping does the same silently.
    pub(crate) fn release(mut self) -> Result<(), Refusal> {
        let path = self.place.path();
        self.remove().map_err(refused(&path))
    }

    fn remove(&mut self) -> Result<(), Cause> {
        if std::mem::replace(&mut self.removed, true) {
            return Ok(());
        }
        self.pool.remove(&self.entry.objects(), mark(&self.entry))?;
        amend(&self.pool, &Amendment::Leave(&self.key))
    }
}

impl WriteLeave for Objects {
    fn span(&self) -> Span {
        Span { start: 0, bytes: self.entry.bytes }
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // `release` is where an error can be told.
        let _ = self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: Option<&str>, allowed: &[&str]) -> Result<String, String> {
        let names = allowed.iter().map(|name| (*name).to_owned()).collect();
        let allowed = ScratchPools { names, fsid: None };
        ObjectPlace::named(name, &allowed).map(|place| place.name()).map_err(|refusal| refusal.cause.to_string())
    }

    #[test]
    fn a_place_is_one_that_the_site_names_and_the_only_one_needs_no_word() {
        assert_eq!(named(Some("rbd-vms"), &["rbd-vms"]), Ok("rbd-vms".to_owned()));
        assert_eq!(named(Some("rbd-vms/bench"), &["rbd-vms", "rbd-vms/bench"]), Ok("rbd-vms/bench".to_owned()));
        assert_eq!(named(None, &["rbd-vms/bench"]), Ok("rbd-vms/bench".to_owned()));
        for (name, allowed, says) in [
            (Some("rbd-vms"), &[][..], "does not name rbd-vms"),
            (Some("rbd-vms"), &["rbd-vms/bench"], "does not name rbd-vms"),
            (Some("rbd-vms/other"), &["rbd-vms"], "does not name rbd-vms/other"),
            (Some("RBD-VMS"), &["rbd-vms"], "does not name"),
            (Some(""), &["rbd-vms"], "no name of a pool"),
            (Some("rbd-vms/"), &["rbd-vms"], "no name of a pool"),
            (Some("rbd-vms/a/b"), &["rbd-vms"], "no name of a pool"),
            (None, &[], "scratch_pools"),
            (None, &["a", "b"], "a, b"),
        ] {
            let why = named(name, allowed).expect_err(says);
            assert!(why.contains(says), "{name:?}: {why}");
        }
    }

    #[test]
    fn a_target_names_a_pool_and_never_an_object() {
        assert!(is_object_place(Path::new("rados:rbd-vms/")) && !is_object_place(Path::new("./rados:x")) && !is_object_place(Path::new("rbd:x/")));
        assert_eq!(ObjectPlace::of_target(Path::new("rados:rbd-vms/bench/")).ok().as_deref(), Some("rbd-vms/bench"));
        for target in ["rados:rbd-vms", "rados:rbd-vms/rbd_data.1", "rbd:rbd-vms/", "/tmp"] {
            assert!(ObjectPlace::of_target(Path::new(target)).is_err(), "{target}");
        }
    }

    #[test]
    fn what_was_left_behind_is_the_own_or_old() {
        let entry = Entry { run: "r".into(), node: "a".into(), first: 0, bytes: 1, object_bytes: 1, until: 1000 };
        let wanted = |run: &str, node: &str| Wanted { run: run.into(), node: node.into(), bytes: 1, object_bytes: 1, nodes: 1, seconds: 1 };
        for (run, node, now, expected) in [
            ("r", "a", 0, true),
            ("r", "b", 1000 + LEFT_BEHIND, false),
            ("s", "a", 1000 + LEFT_BEHIND, false),
            ("s", "a", 1001 + LEFT_BEHIND, true),
            ("r", "b", 1001 + LEFT_BEHIND, true),
        ] {
            assert_eq!(entry.is_left_behind(&wanted(run, node), now), expected, "{run} {node} {now}");
        }
    }
}
