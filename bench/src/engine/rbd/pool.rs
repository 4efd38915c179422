//! A pool of a Ceph cluster, with one namespace of it: what is done to its images as wholes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::image::{Cache, Image, Layout};
use super::kernel::KernelClient;
use crate::engine::cluster::{self, Connect, Health, within};
use crate::error::ClusterError;
use crate::sys::rados::Librados;
use crate::sys::rbd::{self as sys, Librbd};

/// A discard smaller than an object's part, or not on its border, is done too: by itself librbd says yes and does nothing.
const DISCARDS: [(&str, &str); 2] = [("rbd_discard_granularity_bytes", "4096"), ("rbd_skip_partial_discard", "false")];

/// A connected pool.
#[derive(Clone)]
pub struct Pool {
    handle: Arc<sys::Pool>,
    name: String,
    library: String,
    deadline: Duration,
}

/// What an image is, looked at without watching it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What the cluster calls it, whatever its name is.
    pub id: String,
    /// Its size.
    pub bytes: u64,
    /// What stands under the key that was asked for.
    pub mark: Option<String>,
    /// When it was last written to, seconds since 1970, to within a minute.
    pub modified: i64,
    /// Who has it open for writing.
    pub watchers: Vec<String>,
    /// Who holds an advisory lock on it.
    pub lockers: Vec<String>,
}

impl Pool {
    /// Connects to the cluster of the configuration, as the user that CEPH_ARGS names, and opens a pool of it.
    pub fn connect(pool: &str, namespace: Option<&str>, connect: &Connect) -> Result<Self, ClusterError> {
        // Each needs a package of its own, and the first is needed by the second, too.
        Librados::load().map_err(cluster::missing)?;
        let library = Librbd::load().map_err(cluster::missing)?;
        let name = cluster::name_of(pool, namespace);
        let cluster = cluster::connected(connect)?;
        let (wanted, within_it) = (pool.to_owned(), namespace.map(str::to_owned));
        let open = move || sys::Pool::new(library, cluster, &wanted, within_it.as_deref());
        let handle = within("open the pool", &name, connect.deadline, open)?;
        Ok(Self { handle: Arc::new(handle), name, library: library.version(), deadline: connect.deadline })
    }

    /// `rbd-vms`, with the namespace behind it where there is one.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn call<T: Send + 'static>(
        &self,
        act: &'static str,
        image: &str,
        call: impl FnOnce(&Arc<sys::Pool>, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ClusterError> {
        let (handle, image) = (Arc::clone(&self.handle), image.to_owned());
        let subject = if image.is_empty() { self.name.clone() } else { format!("{}/{image}", self.name) };
        within(act, &subject, self.deadline, move || call(&handle, &image))
    }

    /// What the monitors answer to a command, JSON both.
    pub fn ask(&self, command: &str) -> Result<String, ClusterError> {
        let command = command.to_owned();
        self.call("ask the monitors of", "", move |pool, _| pool.ask(&command))
    }

    /// The cluster's own number.
    pub fn fsid(&self) -> Result<String, ClusterError> {
        self.call("ask for the number of the cluster of", "", |pool, _| cluster::fsid_of(&pool.ask(cluster::FSID)?))
    }

    /// What the cluster says of its health: its status, and the names of what is wrong.
    pub fn health(&self) -> Result<Health, ClusterError> {
        self.call("ask for the health of the cluster of", "", |pool, _| Health::of(&pool.ask(Health::COMMAND)?))
    }

    /// Whether it takes itself for full: what is written to it then waits, or is refused.
    pub fn is_full(&self) -> Result<bool, ClusterError> {
        let own = self.name.split('/').next().unwrap_or_default().to_owned();
        self.call("ask for the flags of", "", move |pool, _| cluster::is_full(&pool.ask(cluster::POOLS)?, &own))
    }

    /// Bytes that are free in the whole cluster; every copy of a block takes its own.
    pub fn free(&self) -> Result<u64, ClusterError> {
        self.call("ask how much is free of", "", |pool, _| pool.free())
    }

    /// Names of all images.
    pub fn images(&self) -> Result<Vec<String>, ClusterError> {
        self.call("list the images of", "", |pool, _| pool.images())
    }

    /// Makes an image.
    pub fn create(&self, image: &str, bytes: u64, layout: Layout) -> Result<(), ClusterError> {
        self.call("make the image", image, move |pool, image| pool.create(image, bytes, layout.mask(), layout.order()))
    }

    /// Looks at an image, and at what stands under `key` of its metadata; it is not watched by that.
    pub fn look(&self, image: &str, key: &'static str) -> Result<Seen, ClusterError> {
        self.call("look at the image", image, move |pool, image| {
            let open = pool.open(image, true)?;
            let sys::Holders { watchers, lockers } = open.holders()?;
            Ok(Seen { id: open.id()?, bytes: open.bytes()?, mark: open.metadata(key)?, modified: open.modified()?, watchers, lockers })
        })
    }

    /// What stands under `key` of an image's metadata; it is not watched by that.
    pub fn note(&self, image: &str, key: &'static str) -> Result<Option<String>, ClusterError> {
        self.call("look at the image", image, move |pool, image| pool.open(image, true)?.metadata(key))
    }

    /// Writes a key of an image's metadata.
    pub fn set_note(&self, image: &str, key: &'static str, value: &str) -> Result<(), ClusterError> {
        let value = value.to_owned();
        self.call("write to the metadata of", image, move |pool, image| pool.open(image, false)?.set_metadata(key, &value))
    }

    /// What the kernel's driver needs to be a client of the same cluster, as the same user.
    pub fn kernel_client(&self) -> Result<KernelClient, ClusterError> {
        let (name, deadline) = (self.name.clone(), self.deadline);
        self.call("ask for the monitors of the cluster of", "", move |pool, _| KernelClient::of(pool, &name, deadline))
    }

    /// Opens an image that was just made, for writing, with a cache that is the same for everybody who opens it from then on, and `mark` in its metadata. The mark is set while
    /// the image is open: one that has it and is not watched was left behind.
    pub fn open_marked(&self, image: &str, (key, mark): (&'static str, &str), cache: Cache) -> Result<Image, ClusterError> {
        // Options in the metadata are read when an image is opened: this is for the next time.
        self.call("set the cache of", image, move |pool, image| {
            let open = pool.open(image, false)?;
            if !open.is_plain()? {
                return Err(io::Error::other("its data would lie in another pool or in stripes: the pool's own options say so"));
            }
            for (option, value) in cache.options().into_iter().chain(DISCARDS) {
                open.set_metadata(&format!("conf_{option}"), value)?;
            }
            // A cache on a drive of this host is one that figures would not tell of; a librbd that does not know the option does not have it.
            match open.set_metadata("conf_rbd_persistent_cache_mode", "disabled") {
                Err(error) if !matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOENT)) => Err(error),
                Ok(()) | Err(_) => Ok(()),
            }
        })?;
        let mark = mark.to_owned();
        let (handle, bytes) = self.call("open the image", image, move |pool, image| {
            let open = pool.open(image, false)?;
            open.set_metadata(key, &mark)?;
            let bytes = open.bytes()?;
            Ok((open, bytes))
        })?;
        let name = format!("{}/{image}", self.name);
        Ok(Image::new(handle, name, bytes, cache, self.library.clone(), self.deadline))
    }

    /// Opens an image a second time, as another client would.
    #[cfg(test)]
    pub(super) fn open_again(&self, image: &str) -> Result<Image, ClusterError> {
        let (handle, bytes) = self.call("open the image", image, |pool, image| {
            let open = pool.open(image, false)?;
            let bytes = open.bytes()?;
            Ok((open, bytes))
        })?;
        Ok(Image::new(handle, format!("{}/{image}", self.name), bytes, Cache::Off, self.library.clone(), self.deadline))
    }

    /// Removes an image; one that is open anywhere is an error. `bytes` of it give it more time: every object of it is removed.
    pub fn remove(&self, image: &str, bytes: u64) -> Result<(), ClusterError> {
        let larger = Self { deadline: self.deadline + Duration::from_secs(bytes >> 28), ..self.clone() };
        larger.call("remove the image", image, |pool, image| pool.remove(image))
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("name", &self.name).finish_non_exhaustive()
    }
}
