//! Scratch images `assay-scratch-<run id>` in a pool of a Ceph cluster: made by us, marked in their metadata with the run, open (and so watched) while in use, removed at the end.
//! One that a crash left behind has the mark and no watcher: the same run removes it when it begins anew, any other when half an hour has passed since somebody wrote to it, for
//! a host that is cut off has no watcher either, and lives. What has no such mark is neither opened for writing nor removed, whatever its name is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use assay_bench::ClusterError;
use assay_bench::engine::rbd::{Cache, Connect, Features, Image, Layout, Pool, Seen};
use serde::{Deserialize, Serialize};

use super::refusal::{Cause, Refusal, refused};
use super::scratch::{KEEP_FREE, SCRATCH_PREFIX};
use super::{ScratchPools, TargetKind, mapped};
use crate::printable::Printable;
use crate::quantity::Size;

/// What a target begins with that is a pool whose images the kernel's driver maps.
const MAPPED: &str = "krbd:";
/// What a target begins with that is a pool.
const SCHEME: &str = "rbd:";
/// Features of an image that is mapped, where no other ones are asked for: every driver since Linux 4.9 knows them.
const MAPPED_FEATURES: &str = "layering+exclusive-lock";
/// The key of an image's metadata under which its run stands.
pub(super) const MARK: &str = "assay.run";
/// The key under which it stands when the run of a mapped image is to be over, seconds since 1970: the kernel does not note when it writes.
const UNTIL: &str = "assay.until";
/// Copies that a block is taken to have: how many there are is the pool's secret.
pub(super) const COPIES: u64 = 3;
/// A scratch image takes at most one part in this many of the free space.
const SHARE: u64 = 5;
/// How long a cluster believes that a client lives that was killed (`osd_client_watch_timeout`, 30 s), and a little more.
const DYING: Duration = Duration::from_secs(40);
/// An image that nobody watches was left behind when it was not written to for so long; seconds. Longer than any drill cuts a host off.
const LEFT_BEHIND: i64 = if cfg!(test) { 2 } else { 1800 };
/// How often it is asked meanwhile.
const LOOK: Duration = Duration::from_secs(1);

/// A pool of a Ceph cluster and what a scratch image in it is like: `rbd:POOL/` or `rbd:POOL/NAMESPACE/`, and behind it, as QEMU writes them, options: `:cache=writeback`,
/// `:object_size=4MiB`, `:features=layering+exclusive-lock`. With `krbd:` instead of `rbd:` the kernel's driver maps the image, and it is worked on as a block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePlace {
    pool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// The cluster that is meant, where the site declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fsid: Option<String>,
    #[serde(default, skip_serializing_if = "Client::is_librbd")]
    client: Client,
    cache: Cache,
    object_bytes: u64,
    features: Features,
}

/// Whose operations those on an image are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Client {
    /// Those of librbd in this process.
    #[default]
    Librbd,
    /// Those of the kernel's driver.
    Kernel,
}

impl Client {
    fn is_librbd(&self) -> bool {
        *self == Client::Librbd
    }

    fn scheme(self) -> &'static str {
        match self {
            Client::Librbd => SCHEME,
            Client::Kernel => MAPPED,
        }
    }

    fn features(self) -> Features {
        match self {
            Client::Librbd => Features::default(),
            Client::Kernel => MAPPED_FEATURES.parse().expect("their names are Ceph's"),
        }
    }
}

/// Which kind of pool a target is by its spelling; none where it is a path. A folder of such a name is `./rbd:...`.
pub(super) fn kind_of(path: &Path) -> Option<TargetKind> {
    let text = path.as_os_str().as_encoded_bytes();
    let begins = |scheme: &str| text.starts_with(scheme.as_bytes());
    if begins(SCHEME) { Some(TargetKind::Pool) } else { begins(MAPPED).then_some(TargetKind::MappedPool) }
}

impl ImagePlace {
    /// The place that a target names, if the site names it, too: `pool`, or `pool/namespace`, among `allowed`.
    pub fn named(target: &Path, allowed: &ScratchPools) -> Result<Self, Refusal> {
        let place = Self { fsid: allowed.fsid.clone(), ..Self::parse(target).map_err(refused(target))? };
        let name = place.name();
        if allowed.names.contains(&name) { Ok(place) } else { Err(refused(target)(Cause::NotNamed { place: Printable::new(name) })) }
    }

    fn parse(target: &Path) -> Result<Self, Cause> {
        let wrong = |why: &str| Cause::NoPlace { why: why.to_owned() };
        let text = target.to_str().unwrap_or_default();
        let of = |client: Client| text.strip_prefix(client.scheme()).map(|text| (client, text));
        let (client, text) = of(Client::Librbd).or_else(|| of(Client::Kernel)).ok_or_else(|| wrong("it is no pool of a Ceph cluster"))?;
        let mut words = text.split(':');
        let place = words.next().unwrap_or_default();
        let Some(place) = place.strip_suffix('/') else {
            // An image, or the beginning of one's name: of somebody, and not for us.
            return Err(wrong("it names an image, and assay writes to those only that it makes itself"));
        };
        let (pool, namespace) = place.split_once('/').map_or((place, None), |(pool, namespace)| (pool, Some(namespace)));
        for name in [Some(pool), namespace].into_iter().flatten() {
            if name.is_empty() || !name.chars().all(|one| one.is_ascii_graphic() && !"/@".contains(one)) {
                return Err(wrong("it has no name of a pool or of a namespace"));
            }
        }
        let mut found = Self {
            pool: pool.to_owned(),
            namespace: namespace.map(str::to_owned),
            fsid: None,
            client,
            cache: Cache::Off,
            object_bytes: Layout::default().object_bytes(),
            features: client.features(),
        };
        for word in words {
            found.take(word).map_err(|why| Cause::NoPlace { why })?;
        }
        found.layout().map_err(|why| Cause::NoPlace { why })?;
        if found.client == Client::Kernel && found.cache != Cache::Off {
            return Err(wrong("a cache is librbd's, and the kernel's driver has none"));
        }
        Ok(found)
    }

    fn take(&mut self, word: &str) -> Result<(), String> {
        match word.split_once('=') {
            Some(("cache", value)) => self.cache = value.parse()?,
            Some(("object_size", value)) => self.object_bytes = value.parse::<Size>()?.0,
            Some(("features", value)) => self.features = value.parse()?,
            Some(_) | None => return Err(format!("`{word}` is no option of it")),
        }
        Ok(())
    }

    fn layout(&self) -> Result<Layout, String> {
        Layout::new(self.object_bytes, self.features)
    }

    /// `rbd-vms`, with the namespace behind it where there is one.
    pub fn name(&self) -> String {
        self.namespace.as_ref().map_or_else(|| self.pool.clone(), |namespace| format!("{}/{namespace}", self.pool))
    }

    /// The cluster that is meant, where the site declares it.
    pub fn fsid(&self) -> Option<&str> {
        self.fsid.as_deref()
    }

    /// The namespace, where there is one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The target without options.
    pub fn path(&self) -> PathBuf {
        format!("{}{}/", self.client.scheme(), self.name()).into()
    }

    /// Whether its clients keep nothing.
    pub fn is_without_cache(&self) -> bool {
        self.cache == Cache::Off
    }

    /// Whether the kernel's driver maps its images.
    pub fn is_mapped(&self) -> bool {
        self.client == Client::Kernel
    }

    /// Whether images in both are alike, so that their figures may be one.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.client, self.cache, self.object_bytes, self.features) == (other.client, other.cache, other.object_bytes, other.features)
    }

    /// The features that its images have.
    pub(super) fn features(&self) -> Features {
        self.features
    }

    /// Whether images in it have the objects and features that they have by themselves.
    pub(super) fn is_plain(&self) -> bool {
        (self.object_bytes, self.features) == (Layout::default().object_bytes(), self.client.features())
    }

    /// What an image in it is like, for people.
    pub fn describe(&self) -> String {
        let client = if self.is_mapped() { "mapped by the kernel's driver, " } else { "" };
        format!("{client}cache {}, objects of {} bytes, features {}", self.cache.name(), self.object_bytes, self.features)
    }
}

/// A scratch image that exists and is ours.
#[derive(Debug)]
pub(super) struct Scratch {
    pool: Pool,
    place: ImagePlace,
    name: String,
    run: String,
    image: Image,
    removed: bool,
}

/// Looks whether a scratch image of `bytes` may be made; makes nothing.
pub(super) fn examine(place: &ImagePlace, bytes: u64) -> Result<Pool, Cause> {
    let pool = Pool::connect(&place.pool, place.namespace.as_deref(), &Connect { fsid: place.fsid.clone(), ..Connect::default() })?;
    room(bytes, pool.free()? / COPIES)?;
    takes_writes(pool.name(), pool.is_full())?;
    Ok(pool)
}

/// Whether a pool takes writes, by the answer to whether it is full: none is not that it is not.
pub(super) fn takes_writes(pool: &str, is_full: Result<bool, ClusterError>) -> Result<(), Cause> {
    let pool = Printable::new(pool);
    match is_full {
        Ok(false) => Ok(()),
        Ok(true) => Err(Cause::Full { pool }),
        Err(error) => Err(Cause::Fullness { pool, why: crate::error::chain(&error) }),
    }
}

/// Whether `bytes` may be taken of `free`.
pub(super) fn room(bytes: u64, free: u64) -> Result<(), Cause> {
    let allowed = (free / SHARE).min(free.saturating_sub(KEEP_FREE));
    if bytes > allowed { Err(Cause::NoRoom { bytes, free, allowed }) } else { Ok(()) }
}

/// Removes leftovers, then makes the image and opens it. It is for a run that is to last so long.
pub(super) fn make(place: &ImagePlace, run: &str, bytes: u64, lasts: Duration) -> Result<Scratch, Cause> {
    if run.is_empty() || run.len() > 80 || !run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(Cause::RunName { name: Printable::new(run) });
    }
    let layout = place.layout().map_err(|why| Cause::NoPlace { why })?;
    let pool = examine(place, bytes)?;
    let name = format!("{SCRATCH_PREFIX}{run}");
    let deadline = Instant::now() + DYING;
    loop {
        mapped::sweep(&pool, run)?;
        sweep(&pool, run)?;
        match pool.create(&name, bytes, layout) {
            Ok(()) => break,
            // Of the same run, whose process was killed: the cluster takes it for alive for some time more.
            Err(error) if error.is_there_already() => {
                let mark = pool.look(&name, MARK).map(|seen| seen.mark)?;
                if mark.as_deref() != Some(run) || Instant::now() >= deadline {
                    return Err(Cause::Foreign { image: Printable::new(&name) });
                }
            }
            Err(error) => return Err(error.into()),
        }
        #[allow(clippy::disallowed_methods, reason = "nothing tells when the cluster forgets a client")]
        std::thread::sleep(LOOK);
    }
    let until = || match place.client {
        Client::Librbd => Ok(()),
        Client::Kernel => pool.set_note(&name, UNTIL, &from_now(lasts).to_string()),
    };
    let image = until().and_then(|()| pool.open_marked(&name, (MARK, run), place.cache)).inspect_err(|_| {
        // Nothing was written to it; one that is not marked would never be removed.
        let _ = pool.remove(&name, bytes);
    })?;
    Ok(Scratch { pool, place: place.clone(), name, run: run.to_owned(), image, removed: false })
}

/// Removes scratch images that were left behind: ours by name and mark, not open anywhere, without a lock, and of this run or long untouched.
fn sweep(pool: &Pool, own: &str) -> Result<(), ClusterError> {
    for image in pool.images()? {
        let Some(run) = image.strip_prefix(SCRATCH_PREFIX) else { continue };
        let seen = match pool.look(&image, MARK) {
            Ok(seen) => seen,
            Err(error @ ClusterError::Silent { .. }) => return Err(error),
            // One that cannot be looked at is somebody's, or just going.
            Err(_) => continue,
        };
        let is_free = seen.mark.as_deref() == Some(run) && seen.watchers.is_empty() && seen.lockers.is_empty();
        if is_free && (run == own || now().saturating_sub(used_until(pool, &image, &seen)) > LEFT_BEHIND) {
            // A leftover that cannot be removed does no harm to this run.
            let _ = pool.remove(&image, seen.bytes);
        }
    }
    Ok(())
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

fn from_now(lasts: Duration) -> i64 {
    now().saturating_add(i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX))
}

/// Tells other nodes that an image is used for so long from now, where they do not know of longer.
pub(super) fn note_use(pool: &Pool, image: &str, lasts: Duration) -> Result<(), ClusterError> {
    let known = pool.note(image, UNTIL)?.and_then(|until| until.parse().ok()).unwrap_or(i64::MIN);
    let until = from_now(lasts);
    if known >= until { Ok(()) } else { pool.set_note(image, UNTIL, &until.to_string()) }
}

/// When an image was written to last, or its run was to be over; what cannot be told is long in the future.
fn used_until(pool: &Pool, image: &str, seen: &Seen) -> i64 {
    match pool.note(image, UNTIL) {
        Ok(None) => seen.modified,
        Ok(Some(until)) => until.parse().map_or(i64::MAX, |until: i64| until.max(seen.modified)),
        Err(_) => i64::MAX,
    }
}

impl Scratch {
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Its name in the pool.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn image(&self) -> &Image {
        &self.image
    }

    pub(super) fn place(&self) -> &ImagePlace {
        &self.place
    }

    /// What its cluster says that is not well, or why it says nothing.
    pub(super) fn ailing(&self) -> Option<String> {
        match self.pool.health() {
            Ok(health) => health.ailing().map(|what| format!("the cluster said {what}")),
            Err(error) => Some(format!("whether the cluster is well cannot be told: {}", crate::error::chain(&error))),
        }
    }

    /// `rbd:rbd-vms/assay-scratch-1`.
    pub(super) fn path(&self) -> PathBuf {
        format!("{SCHEME}{}", self.image.name()).into()
    }

    /// What it is, for people.
    pub(super) fn describe(&self) -> String {
        format!("scratch image of a Ceph cluster, {}, librbd {}", self.place.describe(), self.image.library())
    }

    /// The same of one that is mapped: `rbd-vms/assay-scratch-1` and what it is like.
    pub(super) fn describe_mapped(&self) -> String {
        format!("scratch image {} of a Ceph cluster, {}", Printable::new(self.image.name()), self.place.describe())
    }

    /// Closes and removes it, if the name still means the image that was made.
    pub(super) fn remove(&mut self) -> Result<(), Cause> {
        if std::mem::replace(&mut self.removed, true) {
            return Ok(());
        }
        self.image.close()?;
        let seen = match self.pool.look(&self.name, MARK) {
            Err(error) if error.is_missing() => return Ok(()),
            other => other?,
        };
        if seen.mark.as_deref() != Some(self.run.as_str()) {
            return Err(Cause::Foreign { image: Printable::new(&self.name) });
        }
        match self.pool.remove(&self.name, self.image.bytes()) {
            // Another start of the same run was faster.
            Err(error) if error.is_missing() => Ok(()),
            other => Ok(other?),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // `release` is where an error can be told.
        let _ = self.remove();
    }
}
