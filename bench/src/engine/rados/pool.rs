//! A pool of a Ceph cluster, with one namespace of it: sets of objects that are made, marked and removed as wholes, and the attributes of one object that tell of them. Every object
//! carries a mark from the very operation that makes it, and is removed by one that asks for the same mark.

use std::ffi::CString;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::engine::cluster::{self, Connect, Health, within};
use crate::error::ClusterError;
use crate::sys::rados::{self as sys, Change, Librados};

/// Objects that a deadline is given a second more for.
const PER_SECOND: u64 = 100;

/// A connected pool.
#[derive(Clone)]
pub struct Pool {
    handle: Arc<sys::IoContext>,
    name: String,
    library: String,
    deadline: Duration,
}

/// Objects `{prefix}{first}`, `{prefix}{first + 1}` and so on, of the same length each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSet {
    prefix: String,
    first: u64,
    count: u64,
    object_bytes: u64,
}

/// An attribute and the value of it that tells our objects from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark<'a> {
    /// Name of the attribute.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

impl ObjectSet {
    /// As many objects of `object_bytes` as hold `bytes`, numbered from `first`.
    pub fn new(prefix: &str, first: u64, bytes: u64, object_bytes: u64) -> Self {
        Self { prefix: prefix.to_owned(), first, count: bytes.div_ceil(object_bytes.max(1)), object_bytes }
    }

    /// Number of objects.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of each.
    pub fn object_bytes(&self) -> u64 {
        self.object_bytes
    }

    /// `rbd-vms/assay-scratch-1.node1.*`.
    pub(super) fn name(&self, pool: &Pool) -> String {
        format!("{}/{}*", pool.name, self.prefix)
    }

    fn names(&self) -> io::Result<Vec<CString>> {
        let numbers = self.first..self.first.saturating_add(self.count);
        numbers.map(|number| CString::new(format!("{}{number}", self.prefix)).map_err(io::Error::other)).collect()
    }
}

impl Pool {
    /// Connects to the cluster of the configuration, as the user that CEPH_ARGS names, and opens a pool of it. A namespace is there as soon as something is in it.
    pub fn connect(pool: &str, namespace: Option<&str>, connect: &Connect) -> Result<Self, ClusterError> {
        let library = Librados::load().map_err(cluster::missing)?;
        let name = cluster::name_of(pool, namespace);
        let cluster = cluster::connected(connect)?;
        let (wanted, within_it) = (pool.to_owned(), namespace.map(str::to_owned));
        let open = move || {
            let context = sys::IoContext::new(cluster, &wanted)?;
            match within_it {
                Some(namespace) => context.within(&namespace),
                None => Ok(context),
            }
        };
        let handle = within("open the pool", &name, connect.deadline, open)?;
        Ok(Self { handle: Arc::new(handle), name, library: library.version(), deadline: connect.deadline })
    }

    /// `rbd-vms`, with the namespace behind it where there is one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version of librados' interface.
    pub fn library(&self) -> &str {
        &self.library
    }

    fn call<T: Send + 'static>(
        &self,
        act: &'static str,
        object: &str,
        longer: Duration,
        call: impl FnOnce(&sys::IoContext) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ClusterError> {
        let handle = Arc::clone(&self.handle);
        let subject = if object.is_empty() { self.name.clone() } else { format!("{}/{object}", self.name) };
        within(act, &subject, self.deadline + longer, move || call(&handle))
    }

    /// Bytes that are free in the whole cluster; every copy of an object takes its own.
    pub fn free(&self) -> Result<u64, ClusterError> {
        self.call("ask how much is free of", "", Duration::ZERO, |context| context.cluster().free())
    }

    /// Whether it takes itself for full: what is written to it then waits, or is refused.
    pub fn is_full(&self) -> Result<bool, ClusterError> {
        let own = self.name.split('/').next().unwrap_or_default().to_owned();
        self.call("ask for the flags of", "", Duration::ZERO, move |context| cluster::is_full(&context.cluster().ask_monitors(cluster::POOLS)?, &own))
    }

    /// What the cluster says of its health: its status, and the names of what is wrong.
    pub fn health(&self) -> Result<Health, ClusterError> {
        self.call("ask for the health of the cluster of", "", Duration::ZERO, |context| Health::of(&context.cluster().ask_monitors(Health::COMMAND)?))
    }

    /// Copies that the pool keeps of an object.
    pub fn copies(&self) -> Result<u64, ClusterError> {
        let pool = self.name.split('/').next().unwrap_or_default().to_owned();
        self.call("ask for the copies of", "", Duration::ZERO, move |context| {
            let command = serde_json::json!({ "prefix": "osd pool get", "pool": pool, "var": "size", "format": "json" });
            copies_of(&context.cluster().ask_monitors(&command.to_string())?)
        })
    }

    /// Bytes that the OSDs of the cluster may hold in memory, all together (`osd_memory_target`).
    pub fn osd_memory(&self) -> Result<u64, ClusterError> {
        self.call("ask for the memory of the OSDs behind", "", Duration::ZERO, |context| super::osds::memory(context.cluster()))
    }

    pub(super) fn objects(&self, set: &ObjectSet) -> io::Result<Arc<sys::Objects>> {
        Ok(Arc::new(sys::Objects::new(Arc::clone(&self.handle), set.names()?.into(), set.object_bytes)))
    }

    /// Makes all objects, marked, each of its whole length, of which nothing is written. One that is there already is an error, and those that were made stay.
    pub fn make(&self, set: &ObjectSet, mark: Mark<'_>) -> Result<(), ClusterError> {
        let (names, bytes) = (set.names(), set.object_bytes);
        let (name, value) = (mark.name.to_owned(), mark.value.to_owned());
        self.call("make the objects", &format!("{}*", set.prefix), longer(set), move |context| {
            let each = context.change_each(&names?, &[Change::Create, Change::Set(&name, &value), Change::Length(bytes)])?;
            each.into_iter().collect()
        })
    }

    /// Removes all objects that carry the mark; those that are not there, or are not marked so, are passed over. How many it has removed.
    pub fn remove(&self, set: &ObjectSet, mark: Mark<'_>) -> Result<u64, ClusterError> {
        let names = set.names();
        let (name, value) = (mark.name.to_owned(), mark.value.to_owned());
        self.call("remove the objects", &format!("{}*", set.prefix), longer(set), move |context| {
            let mut removed = 0;
            for one in context.change_each(&names?, &[Change::Only(&name, &value), Change::Remove])? {
                match one {
                    Ok(()) => removed += 1,
                    Err(error) if is_another(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(removed)
        })
    }

    /// The attributes of an object; none where there is no object.
    pub fn attributes(&self, object: &str) -> Result<Option<Vec<(String, String)>>, ClusterError> {
        let name = object.to_owned();
        let looked = self.call("look at the object", object, Duration::ZERO, move |context| context.attributes(&name));
        match looked {
            Err(error) if error.is_missing() => Ok(None),
            other => other.map(Some),
        }
    }

    /// Makes an object without content that has these attributes. False where it is there already.
    pub fn make_index(&self, object: &str, attributes: &[(&str, &str)]) -> Result<bool, ClusterError> {
        let (name, attributes) = (object.to_owned(), owned(attributes));
        let made = self.call("make the object", object, Duration::ZERO, move |context| {
            let set = attributes.iter().map(|(name, value)| Change::Set(name, value));
            context.change(&name, &[Change::Create].into_iter().chain(set).collect::<Vec<_>>())
        });
        match made {
            Err(error) if error.is_there_already() => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Sets and takes away attributes of an object if one of them still has this value. False where it has not, or where the object is gone.
    pub fn change_index(&self, object: &str, only: Mark<'_>, set: &[(&str, &str)], unset: &[&str]) -> Result<bool, ClusterError> {
        let (name, set) = (object.to_owned(), owned(set));
        let (only, expected) = (only.name.to_owned(), only.value.to_owned());
        let unset: Vec<String> = unset.iter().map(|name| (*name).to_owned()).collect();
        let changed = self.call("change the object", object, Duration::ZERO, move |context| {
            let changes = [Change::Only(&only, &expected)].into_iter();
            let changes = changes.chain(set.iter().map(|(name, value)| Change::Set(name, value)));
            context.change(&name, &changes.chain(unset.iter().map(|name| Change::Unset(name))).collect::<Vec<_>>())
        });
        unless_another(changed)
    }

    /// Removes an object if one of its attributes still has this value. False where it has not, or where the object is gone.
    pub fn remove_index(&self, object: &str, only: Mark<'_>) -> Result<bool, ClusterError> {
        let (name, only, expected) = (object.to_owned(), only.name.to_owned(), only.value.to_owned());
        let remove = move |context: &sys::IoContext| context.change(&name, &[Change::Only(&only, &expected), Change::Remove]);
        unless_another(self.call("remove the object", object, Duration::ZERO, remove))
    }

    /// The value of an attribute of one of the objects, by its place in the set; none where it has not got it.
    #[cfg(test)]
    pub(super) fn mark_of(&self, set: &ObjectSet, number: u64, name: &str) -> Result<Option<String>, ClusterError> {
        let found = self.attributes(&format!("{}{}", set.prefix, set.first + number))?;
        Ok(found.into_iter().flatten().find(|(other, _)| other == name).map(|(_, value)| value))
    }
}

fn copies_of(answer: &str) -> io::Result<u64> {
    #[derive(Deserialize)]
    struct Answer {
        size: u64,
    }
    serde_json::from_str::<Answer>(answer).map(|answer| answer.size).map_err(io::Error::other)
}

/// Every object is a round trip to an OSD.
fn longer(set: &ObjectSet) -> Duration {
    Duration::from_secs(set.count / PER_SECOND)
}

/// Whether the object is gone, or another than what was asked for.
fn is_another(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ECANCELED | libc::ENODATA))
}

fn unless_another(changed: Result<(), ClusterError>) -> Result<bool, ClusterError> {
    match changed {
        Ok(()) => Ok(true),
        Err(ClusterError::Call { source, .. }) if is_another(&source) => Ok(false),
        Err(error) => Err(error),
    }
}

fn owned(attributes: &[(&str, &str)]) -> Vec<(String, String)> {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("name", &self.name).finish_non_exhaustive()
    }
}
