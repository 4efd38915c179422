//! Images of Ceph that the kernel's rbd driver has mapped (`/dev/rbd0`), by what `/sys/bus/rbd/devices/N` says of one. A device is ours when its image is: by name, mark and number,
//! in the cluster that the configuration leads to, with nobody but this device on it. Maps those that assay makes, and gives back what a crash left mapped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use assay_bench::ClusterError;
use assay_bench::engine::rbd::{self, Features, Pool, Seen};

use super::device::{Expected, Kernel, attribute, names};
use super::image::{self, MARK, Scratch};
use super::refusal::Cause;
use super::scratch::SCRATCH_PREFIX;
use crate::child::{self, ChildError};
use crate::printable::Printable;

/// Where modules lie, in a folder for each kernel.
const MODULES: &str = "/lib/modules";
/// How long the driver may take to give a device up, and how long it is asked again while somebody looks into it: udev does so after a write.
const UNMAPPING: Duration = Duration::from_secs(20);
/// How long a module may take to be loaded.
const LOADING: Duration = Duration::from_secs(20);
/// How often it is asked meanwhile.
const LOOK: Duration = Duration::from_millis(200);
/// A device that nobody holds was left behind when its image was made so long ago; seconds. Between the making and the holding of one lie calls to the cluster that may
/// take twenty seconds each.
const SETTLED: i64 = if cfg!(test) { 2 } else { 300 };

/// What the driver says of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapped {
    id: u32,
    /// `252:16`.
    pub(super) number: String,
    pool: String,
    namespace: Option<String>,
    pub(super) image: String,
    image_id: String,
    pub(super) snapshot: Option<String>,
    fsid: String,
    /// Address of the kernel's client, as the cluster sees it.
    client: String,
}

impl Mapped {
    pub(super) fn path(&self) -> PathBuf {
        format!("/dev/rbd{}", self.id).into()
    }

    /// `rbd-vms`, with the namespace behind it where there is one.
    pub(super) fn place(&self) -> String {
        self.namespace.as_ref().map_or_else(|| self.pool.clone(), |namespace| format!("{}/{namespace}", self.pool))
    }

    /// `rbd-vms/assay-scratch-1`.
    pub(super) fn name(&self) -> Printable {
        Printable::new(format!("{}/{}", self.place(), self.image))
    }

    /// Whether it is still the same device over the same image. The kernel's client has another address after it was shut out by the cluster.
    pub(super) fn is_still(&self, other: &Self) -> bool {
        *self == Self { client: self.client.clone(), ..other.clone() }
    }

    /// The run that has made the image, by its name.
    fn run(&self) -> Option<&str> {
        self.image.strip_prefix(SCRATCH_PREFIX).filter(|run| !run.is_empty())
    }

    fn not_ours(&self, why: &str) -> Cause {
        Cause::NotOurs { image: self.name(), why: why.to_owned() }
    }
}

impl Kernel<'_> {
    fn driver(&self) -> PathBuf {
        self.sys.join("bus/rbd")
    }

    /// Whether images can be mapped here, by looking: the driver is there, or a module of it for this kernel.
    pub(super) fn can_map(&self, modules: &Path) -> Result<(), Cause> {
        if self.driver().exists() {
            return Ok(());
        }
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let list = modules.join(release).join("modules.dep");
        let known = fs::read_to_string(&list).unwrap_or_default();
        let is_rbd = |line: &str| line.split(':').next().and_then(|file| file.rsplit('/').next()).is_some_and(|file| file.starts_with("rbd.ko"));
        if known.lines().any(is_rbd) {
            return Ok(());
        }
        Err(Cause::NoDriver { why: format!("/sys/bus/rbd is not there, and {} names no module rbd", Printable::new(&list)) })
    }

    /// Loads the driver where it is not loaded, as `rbd map` does.
    fn load_driver(&self) -> Result<(), Cause> {
        if self.driver().exists() {
            return Ok(());
        }
        let said = match child::run(Command::new("modprobe").arg("rbd"), LOADING, &AtomicBool::new(false)) {
            Ok(said) => said.failure(),
            Err(ChildError::Missing(error)) => error.to_string(),
            Err(ChildError::Failed(why)) => why,
            Err(ChildError::Stopped) => "it was told to stop".to_owned(),
        };
        if self.driver().exists() { Ok(()) } else { Err(Cause::NoDriver { why: format!("modprobe rbd: {}", Printable::new(said)) }) }
    }

    /// Whether the driver knows what an image has; one that does not tell is asked when it maps it.
    pub(super) fn knows(&self, features: Features) -> Result<(), Cause> {
        let Ok(text) = attribute(&self.driver(), "supported_features") else { return Ok(()) };
        let known = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let known = known.ok_or(Cause::Io { act: "read its sysfs attributes", source: io::ErrorKind::InvalidData.into() })?;
        let unknown = features.without(known);
        if unknown.is_empty() { Ok(()) } else { Err(Cause::UnknownFeatures { features: unknown.to_string() }) }
    }

    /// What the driver says of device `id`.
    pub(super) fn mapped(&self, id: u32) -> Result<Mapped, Cause> {
        let entry = self.driver().join("devices").join(id.to_string());
        let own = |name: &str| attribute(&entry, name);
        let named = |name: &str, nothing: &str| own(name).map(|text| (text != nothing).then_some(text));
        Ok(Mapped {
            id,
            number: format!("{}:{}", own("major")?, own("minor")?),
            pool: own("pool")?,
            namespace: named("pool_ns", "")?,
            image: own("name")?,
            image_id: own("image_id")?,
            snapshot: named("current_snap", "-")?,
            fsid: own("cluster_fsid")?,
            client: own("client_addr")?,
        })
    }

    /// All that is mapped, also by others; what goes meanwhile is left out.
    fn all_mapped(&self) -> Vec<Mapped> {
        let names = names(&self.driver().join("devices")).unwrap_or_default();
        names.into_iter().filter_map(|name| self.mapped(name.parse().ok()?).ok()).collect()
    }

    /// The only device over this image.
    fn only(&self, wanted: impl Fn(&Mapped) -> bool) -> Result<Option<Mapped>, String> {
        let mut all = self.all_mapped().into_iter().filter(wanted);
        match (all.next(), all.next()) {
            (found, None) => Ok(found),
            (Some(first), Some(second)) => Err(format!("rbd{} and rbd{} both map it", first.id, second.id)),
            (None, Some(_)) => Ok(None),
        }
    }

    /// `/sys/bus/rbd/add`, or what takes its place where all devices have one major number.
    fn order(&self, act: &str) -> PathBuf {
        let single = self.driver().join(format!("{act}_single_major"));
        if single.exists() { single } else { self.driver().join(act) }
    }

    /// Has the driver give a device up, unless its number means something else by now.
    fn unmap(&self, mapped: &Mapped) -> Result<(), Cause> {
        let end = Instant::now() + UNMAPPING;
        loop {
            match self.mapped(mapped.id) {
                Ok(now) if now.is_still(mapped) => {}
                Ok(_) => return Ok(()),
                Err(Cause::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(cause) => return Err(cause),
            }
            match rbd::unmap(&self.order("remove"), mapped.id, UNMAPPING) {
                Err(ClusterError::Call { source, .. }) if source.kind() == io::ErrorKind::ResourceBusy && Instant::now() < end => {}
                Err(ClusterError::Call { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
                other => return Ok(other?),
            }
            #[allow(clippy::disallowed_methods, reason = "nothing tells when another process closes a device")]
            std::thread::sleep(LOOK);
        }
    }
}

/// Whether a scratch image with such features can be mapped here; loads nothing.
pub(super) fn examine(features: Features) -> Result<(), Cause> {
    let kernel = Kernel::running();
    kernel.can_map(Path::new(MODULES))?;
    kernel.knows(features)
}

/// Loads the driver, where it is not loaded, and looks again.
pub(super) fn prepare(features: Features) -> Result<(), Cause> {
    let kernel = Kernel::running();
    kernel.load_driver()?;
    kernel.knows(features)
}

/// Whether the image of a device may be worked on: made by assay, in this pool of this cluster, and used through this device only. What the cluster says of it.
pub(super) fn ours(mapped: &Mapped, pool: &Pool) -> Result<Seen, Cause> {
    let fsid = pool.fsid()?;
    let run = may_be_ours(mapped, pool.name(), &fsid)?;
    match pool.look(&mapped.image, MARK) {
        Err(error) if error.is_missing() => Err(mapped.not_ours("which is not in its pool any more")),
        Err(error) => Err(error.into()),
        Ok(seen) => is_ours(mapped, run, &seen).map(|()| seen),
    }
}

/// What the kernel alone knows: the cluster, the pool and the name.
pub(super) fn may_be_ours<'m>(mapped: &'m Mapped, place: &str, fsid: &str) -> Result<&'m str, Cause> {
    if mapped.fsid != fsid {
        return Err(Cause::OtherCluster { fsid: Printable::new(&mapped.fsid), known: Printable::new(fsid) });
    }
    if mapped.place() != place {
        return Err(Cause::NotNamed { place: Printable::new(mapped.place()) });
    }
    if let Some(snapshot) = &mapped.snapshot {
        return Err(Cause::Snapshot { image: mapped.name(), snapshot: Printable::new(snapshot) });
    }
    mapped.run().ok_or_else(|| mapped.not_ours("whose name is none of assay's"))
}

/// What the cluster knows: that it is the same image, its mark, and who else is on it.
pub(super) fn is_ours(mapped: &Mapped, run: &str, seen: &Seen) -> Result<(), Cause> {
    if seen.id != mapped.image_id {
        return Err(mapped.not_ours("whose name means another image by now"));
    }
    if seen.mark.as_deref() != Some(run) {
        return Err(mapped.not_ours("which has not the mark of assay's that its name asks for"));
    }
    if seen.watchers.is_empty() {
        return Err(Cause::Busy { by: "its image is watched by nobody, also not by this kernel, as where it is mapped read-only".to_owned() });
    }
    // A second device of this kernel has the same address, and a watch of its own.
    if seen.watchers != [mapped.client.clone()] {
        let others: Vec<&str> = seen.watchers.iter().map(String::as_str).collect();
        return Err(Cause::Busy { by: format!("its image is watched by {}, and this kernel is {}", others.join(" and "), mapped.client) });
    }
    if !seen.lockers.is_empty() {
        return Err(Cause::Busy { by: format!("its image is locked by {}", seen.lockers.join(" and ")) });
    }
    Ok(())
}

/// A scratch image that the kernel has mapped for us. Given back on drop.
#[derive(Debug)]
pub(super) struct Mapping {
    mapped: Mapped,
    is_gone: bool,
}

impl Mapping {
    pub(super) fn mapped(&self) -> &Mapped {
        &self.mapped
    }

    /// Has the driver give it up. Nobody may have it open.
    pub(super) fn unmap(&mut self) -> Result<(), Cause> {
        if std::mem::replace(&mut self.is_gone, true) { Ok(()) } else { Kernel::running().unmap(&self.mapped) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // `release` is where an error can be told.
        let _ = self.unmap();
    }
}

/// Has the driver map a scratch image that was just made, which is closed by librbd then: from here on the kernel is who watches it.
pub(super) fn map(scratch: &Scratch) -> Result<Mapping, Cause> {
    let kernel = Kernel::running();
    let client = scratch.pool().kernel_client()?;
    let id = scratch.pool().look(scratch.name(), MARK)?.id;
    let fsid = client.fsid().to_owned();
    let is_it = move |mapped: &Mapped| mapped.image_id == id && mapped.fsid == fsid;
    match kernel.only(&is_it) {
        Ok(None) => {}
        Ok(Some(other)) => return Err(Cause::Busy { by: format!("rbd{} maps it already", other.id) }),
        Err(by) => return Err(Cause::Busy { by }),
    }
    let found = move || match Kernel::running().only(&is_it) {
        Ok(Some(mapped)) => Ok(Mapping { mapped, is_gone: false }),
        Ok(None) => {
            Err(io::Error::other("the driver has taken it, and no device says that it is it (Linux before 4.20 does not): `rbd unmap` gives it back"))
        }
        Err(why) => Err(io::Error::other(why)),
    };
    let mapping = client.map(&kernel.order("add"), scratch.name(), found)?;
    scratch.image().close()?;
    ours(&mapping.mapped, scratch.pool())?;
    Ok(mapping)
}

/// Gives back and removes what was left mapped here by a run that died: an image of ours, watched by this kernel only, whose device nobody holds and whose ends are blank, and that is of this run or was not made
/// just now. Who runs holds its device from the moment that it has it.
pub(super) fn sweep(pool: &Pool, own: &str) -> Result<(), ClusterError> {
    let kernel = Kernel::running();
    for mapped in kernel.all_mapped().into_iter().filter(|mapped| mapped.place() == pool.name()) {
        let Some(run) = mapped.run() else { continue };
        let seen = match ours(&mapped, pool) {
            Ok(seen) => seen,
            Err(Cause::Cluster(error @ ClusterError::Silent { .. })) => return Err(error),
            // It stays, as everything that cannot be said to be ours.
            Err(_) => continue,
        };
        let is_settled = run == own || image::now().saturating_sub(seen.modified) > SETTLED;
        // Whoever holds it keeps it, and whoever has put something on it by hand; we let go of it at once. Runs leave its ends blank.
        let is_free = is_settled && kernel.examine(&mapped.path(), 0, Expected::Image(&mapped)).is_ok();
        if is_free && kernel.unmap(&mapped).is_ok() {
            let left = match pool.look(&mapped.image, MARK) {
                Ok(left) => left,
                Err(error @ ClusterError::Silent { .. }) => return Err(error),
                // Another run that begins here at this moment has removed it.
                Err(_) => continue,
            };
            if left == (Seen { watchers: Vec::new(), modified: left.modified, ..seen }) {
                let _ = pool.remove(&mapped.image, left.bytes);
            }
        }
    }
    Ok(())
}
