//! The right to write: a [`Claim`] is the only way to an engine that writes, and only the functions here make one: of a scratch file, scratch image or scratch objects that
//! assay makes itself, of a device over an image of its own that the kernel has mapped, of a loop device that nobody uses and that holds nothing, or of such a drive, which the operator has confirmed by its serial number. Everything is looked at read-only first; a refusal has written nothing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use assay_bench::Span;
use assay_bench::engine::rbd::{Cache, Connect, Image, Pool as ImagePool};
use assay_bench::engine::uring::{Passthrough, WriteLeave};
use assay_model::site::declared::Ceph;

use crate::printable::Printable;

mod device;
mod image;
mod mapped;
mod mounts;
mod objects;
mod refusal;
mod scratch;
mod signature;
#[cfg(test)]
mod tests;

pub use image::ImagePlace;
pub use objects::{ObjectPlace, examine_scratch_objects, is_object_place};
pub(crate) use objects::{Objects, Wanted, scratch_objects};
pub use refusal::{Cause, Refusal};
pub use scratch::{KEEP_FREE, SCRATCH_PREFIX, SCRATCH_SHARE};
pub use signature::GUARD;

use device::{Below, Examined, Expected, Kernel};
use refusal::refused;

/// What a path is to a claim, by one `lstat`; of a pool, by its spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A folder: a scratch file can be made in it.
    Folder,
    /// A block device: it can be claimed when it is unused and unlabelled, and a loop device or a drive that the operator confirmed.
    BlockDevice,
    /// A pool of a Ceph cluster, `rbd:POOL/`: a scratch image can be made in it.
    Pool,
    /// The same, `krbd:POOL/`: the kernel maps the image, and it is a block device.
    MappedPool,
}

/// The pools in which a site allows scratch images and objects, and the cluster that has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScratchPools {
    /// `pool`, or `pool/namespace`, each.
    pub names: Vec<String>,
    /// The number of the cluster, where the site declares it.
    pub fsid: Option<String>,
}

impl ScratchPools {
    /// Those that a site declares.
    pub fn of(ceph: &Ceph) -> Self {
        Self { names: ceph.scratch_pools.clone(), fsid: ceph.fsid.clone() }
    }
}

/// How long a device that the kernel has just mapped may be looked into by others: udev does so, and on a busy machine it takes its time.
const NEW: Duration = Duration::from_secs(10);

/// Permission to write to one target, and the open target itself. Dropping it gives the target back and removes a scratch file or image.
#[derive(Debug)]
pub struct Claim {
    on: Open,
    path: PathBuf,
    start: u64,
    bytes: u64,
    held: Held,
    commands: Option<device::Commands>,
}

#[derive(Debug)]
enum Open {
    File(File),
    Image(Image),
}

/// What a claim is on, open.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A file or device, with `O_DIRECT`.
    File(&'a File),
    /// An image of a Ceph cluster.
    Image(&'a Image),
}

impl<'a> Target<'a> {
    /// The file or device; none of an image.
    pub fn file(self) -> Option<&'a File> {
        match self {
            Target::File(file) => Some(file),
            Target::Image(_) => None,
        }
    }
}

impl Open {
    fn target(&self) -> Target<'_> {
        match self {
            Open::File(file) => Target::File(file),
            Open::Image(image) => Target::Image(image),
        }
    }
}

#[derive(Debug)]
enum Held {
    Image(Box<image::Scratch>),
    // In this order: who holds a device keeps it mapped, and who has it mapped keeps the image.
    Mapped { _exclusive: File, mapping: Box<mapped::Mapping>, scratch: Box<image::Scratch> },
    Scratch(scratch::Scratch),
    // Keeps the device from being mounted or claimed by anyone else while the claim lives.
    Device { _exclusive: File, below: Below },
}

/// What `path` is to a claim. Reads one inode; opens nothing.
pub fn target_kind(path: &Path) -> Result<TargetKind, Refusal> {
    if let Some(kind) = image::kind_of(path) {
        return Ok(kind);
    }
    refusal::kind_of(path).map_err(refused(path))
}

/// Claims `bytes` bytes of a scratch file in `folder`, named after the run, and removes what earlier runs left there when they crashed.
pub fn scratch(folder: &Path, run: &str, bytes: u64) -> Result<Claim, Refusal> {
    let (scratch, file) = scratch::make(folder, run, bytes).map_err(refused(folder))?;
    Ok(Claim { on: Open::File(file), path: scratch.path().to_owned(), start: 0, bytes, held: Held::Scratch(scratch), commands: None })
}

/// Claims a scratch image of `bytes` bytes that is made in a pool and named after the run, which is to last so long, and removes what earlier runs left there when they crashed.
pub fn scratch_image(place: &ImagePlace, run: &str, bytes: u64, lasts: Duration) -> Result<Claim, Refusal> {
    if place.is_mapped() {
        return mapped_scratch(place, run, bytes, lasts).map_err(refused(&place.path()));
    }
    let scratch = image::make(place, run, bytes, lasts).map_err(refused(&place.path()))?;
    let (on, path) = (Open::Image(scratch.image().clone()), scratch.path());
    Ok(Claim { on, path, start: 0, bytes, held: Held::Image(Box::new(scratch)), commands: None })
}

/// The same through the kernel's driver. What was made and mapped until something goes wrong is given back.
fn mapped_scratch(place: &ImagePlace, run: &str, bytes: u64, lasts: Duration) -> Result<Claim, Cause> {
    mapped::prepare(place.features())?;
    let scratch = image::make(place, run, bytes.saturating_add(2 * GUARD), lasts)?;
    let mapping = mapped::map(&scratch)?;
    let path = mapping.mapped().path();
    let examine = || Kernel::running().examine(&path, bytes, Expected::Image(mapping.mapped()));
    let end = Instant::now() + NEW;
    let mut examined = examine();
    while matches!(examined, Err(Cause::Busy { .. })) && Instant::now() < end {
        #[allow(clippy::disallowed_methods, reason = "nothing tells when udev has looked at a new device")]
        std::thread::sleep(Duration::from_millis(100));
        examined = examine();
    }
    let examined = examined?;
    // Whatever was so before the device was held is asked once more.
    mapped::ours(mapping.mapped(), scratch.pool())?;
    let on = Open::File(examined.open_for_writing(&path)?);
    let held = Held::Mapped { _exclusive: examined.exclusive, mapping: Box::new(mapping), scratch: Box::new(scratch) };
    Ok(Claim { on, path, start: GUARD, bytes, held, commands: None })
}

/// The pool of an image that the kernel has mapped as `path`, `pool` or `pool/namespace`; none of other devices.
pub fn mapped_pool(path: &Path) -> Result<Option<String>, Refusal> {
    let mapped = Kernel::running().mapped_at(path).map_err(refused(path))?;
    Ok(mapped.map(|mapped| mapped.place()))
}

/// Claims `bytes` bytes of a device that maps an image which assay has made in this pool of this cluster, as of a loop device, for a run that is to last so long. The image stays, and
/// stays mapped.
pub fn mapped_image(path: &Path, (pool, fsid): (&str, Option<&str>), bytes: u64, lasts: Duration) -> Result<Claim, Refusal> {
    let examined = examined_image(path, (pool, fsid), bytes, Some(lasts)).map_err(refused(path))?;
    let on = Open::File(examined.open_for_writing(path).map_err(refused(path))?);
    let held = Held::Device { below: examined.below, _exclusive: examined.exclusive };
    Ok(Claim { on, path: path.to_owned(), start: GUARD, bytes, held, commands: None })
}

/// Makes every check of [`mapped_image`] and opens nothing for writing.
pub fn examine_mapped_image(path: &Path, (pool, fsid): (&str, Option<&str>), bytes: u64) -> Result<(), Refusal> {
    examined_image(path, (pool, fsid), bytes, None).map_err(refused(path)).map(drop)
}

/// With `lasts`, other nodes are told until when the image is used.
fn examined_image(path: &Path, (place, fsid): (&str, Option<&str>), bytes: u64, lasts: Option<Duration>) -> Result<Examined, Cause> {
    let kernel = Kernel::running();
    let mapped = kernel.mapped_at(path)?.ok_or(Cause::WrongKind { what: "device that maps no image of Ceph" })?;
    let (name, namespace) = place.split_once('/').map_or((place, None), |(pool, namespace)| (pool, Some(namespace)));
    let pool = ImagePool::connect(name, namespace, &Connect { fsid: fsid.map(str::to_owned), ..Connect::default() })?;
    mapped::ours(&mapped, &pool)?;
    let examined = kernel.examine(path, bytes, Expected::Image(&mapped))?;
    // Whatever was so before the device was held is asked once more.
    mapped::ours(&mapped, &pool)?;
    if let Some(lasts) = lasts {
        image::note_use(&pool, &mapped.image, lasts)?;
    }
    Ok(examined)
}

/// Claims `bytes` bytes of a loop device that is not mounted, held, partitioned, labelled, read-only or open elsewhere. The first and last
/// [`GUARD`] bytes, where labels live, are not part of the claim: the device is as unlabelled after the run as before.
pub fn loop_device(path: &Path, bytes: u64) -> Result<Claim, Refusal> {
    device(path, bytes, Expected::Loop)
}

/// The same of a drive whose serial number the operator has confirmed to be this one.
pub fn drive(path: &Path, serial: &str, bytes: u64) -> Result<Claim, Refusal> {
    device(path, bytes, Expected::Drive(serial))
}

fn device(path: &Path, bytes: u64, expected: Expected<'_>) -> Result<Claim, Refusal> {
    let examined = Kernel::running().examine(path, bytes, expected).map_err(refused(path))?;
    let file = examined.open_for_writing(path).map_err(refused(path))?;
    let commands = examined.commands();
    Ok(Claim {
        on: Open::File(file),
        path: path.to_owned(),
        start: GUARD,
        bytes,
        held: Held::Device { below: examined.below, _exclusive: examined.exclusive },
        commands,
    })
}

/// The serial number of a block device; none of a loop device, and none where the kernel knows none.
pub fn serial_of(path: &Path) -> Result<Option<String>, Refusal> {
    Kernel::running().serial(path).map_err(refused(path))
}

/// Makes every check of [`loop_device`] and opens nothing for writing: what `assay plan` asks.
pub fn examine_loop_device(path: &Path, bytes: u64) -> Result<(), Refusal> {
    Kernel::running().examine(path, bytes, Expected::Loop).map_err(refused(path)).map(drop)
}

/// Makes every check of [`drive`] and opens nothing for writing.
pub fn examine_drive(path: &Path, serial: &str, bytes: u64) -> Result<(), Refusal> {
    Kernel::running().examine(path, bytes, Expected::Drive(serial)).map_err(refused(path)).map(drop)
}

/// Makes every check of [`scratch`] that can be made without making the file: what `assay plan` asks.
pub fn examine_scratch(folder: &Path, bytes: u64) -> Result<(), Refusal> {
    scratch::examine(folder, bytes).map_err(refused(folder)).map(drop)
}

/// Makes every check of [`scratch_image`] that can be made without making the image.
pub fn examine_scratch_image(place: &ImagePlace, bytes: u64) -> Result<(), Refusal> {
    let examine = || {
        if !place.is_mapped() {
            return image::examine(place, bytes).map(drop);
        }
        mapped::examine(place.features())?;
        image::examine(place, bytes.saturating_add(2 * GUARD)).map(drop)
    };
    examine().map_err(refused(&place.path()))
}

/// The part of a claim that an engine needs: the open target and the bytes of it that may be written. Only a claim gives one.
#[derive(Debug)]
pub struct Leave {
    on: Open,
    name: String,
    span: Span,
    commands: Option<device::Commands>,
}

impl Leave {
    /// The open target.
    pub fn on(&self) -> Target<'_> {
        self.on.target()
    }

    /// The same drive past the block layer, where the kernel has a character device for its namespace.
    pub fn passthrough(&self) -> Option<Passthrough<'_>> {
        self.commands.as_ref().map(|device::Commands { file, nsid, lba_shift, .. }| Passthrough { device: file, nsid: *nsid, lba_shift: *lba_shift })
    }

    /// Its printable path, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl WriteLeave for Leave {
    fn span(&self) -> Span {
        self.span
    }
}

impl Claim {
    /// What an engine needs to work on the claimed target, for as long as the claim lives.
    pub fn leave(&self) -> Result<Leave, Refusal> {
        let shared = |file: &File| {
            file.try_clone().map_err(|error| Refusal { subject: Printable::new(&self.path), cause: Cause::Io { act: "share it", source: error } })
        };
        let commands = match &self.commands {
            Some(device::Commands { file, path, nsid, lba_shift }) => {
                Some(device::Commands { file: shared(file)?, path: path.clone(), nsid: *nsid, lba_shift: *lba_shift })
            }
            None => None,
        };
        let on = match &self.on {
            Open::File(file) => Open::File(shared(file)?),
            // It stays open no longer than the claim lives.
            Open::Image(image) => Open::Image(image.clone()),
        };
        let span = Span { start: self.start, bytes: self.bytes };
        Ok(Leave { on, name: Printable::new(&self.path).to_string(), span, commands })
    }

    /// The open target.
    pub fn on(&self) -> Target<'_> {
        self.on.target()
    }

    /// Path of the device or scratch file; of an image its pool and name behind `rbd:`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of the character device that takes NVMe commands for it, where the kernel has one.
    pub fn commands_path(&self) -> Option<&Path> {
        self.commands.as_ref().map(|commands| commands.path.as_path())
    }

    /// First byte that may be written.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Number of bytes, from `start`, that may be written.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Serial number of a drive; others have none.
    pub fn serial(&self) -> Option<&str> {
        match &self.held {
            Held::Device { below: Below::Drive(serial), .. } => Some(serial),
            Held::Device { below: Below::File(_) | Below::Image(_), .. } | Held::Scratch(_) | Held::Image(_) | Held::Mapped { .. } => None,
        }
    }

    /// What it is, for people: kind of target and what lies below it.
    pub fn describe(&self) -> String {
        match &self.held {
            Held::Image(scratch) => scratch.describe(),
            Held::Mapped { scratch, .. } => scratch.describe_mapped(),
            Held::Scratch(scratch) => format!("scratch file on {}", mounts::describe_folder(scratch.folder())),
            Held::Device { below: Below::File(backing), .. } => format!("loop device over {}", Printable::new(backing)),
            Held::Device { below: Below::Image(mapped), .. } => format!("device over the image {} of a Ceph cluster", mapped.name()),
            Held::Device { below: Below::Drive(serial), .. } => format!("drive with the serial number {}", Printable::new(serial)),
        }
    }

    /// What makes figures of it doubtful now: of an image what its cluster says that is not well. Asks the cluster, which may take its time.
    pub fn ailing(&self) -> Option<String> {
        match &self.held {
            Held::Image(scratch) | Held::Mapped { scratch, .. } => scratch.ailing(),
            Held::Scratch(_) | Held::Device { .. } => None,
        }
    }

    /// The dimension of metrics, so that figures of different kinds of targets are never compared.
    pub fn kind(&self) -> &'static str {
        match &self.held {
            // What is written to a cache is no figure of the cluster.
            Held::Image(scratch) => match (scratch.image().cache(), scratch.place().is_plain()) {
                (Cache::Off, true) => "rbd_image",
                (Cache::WriteThrough, true) => "rbd_image_writethrough",
                (Cache::WriteAround, true) => "rbd_image_writearound",
                (Cache::WriteBack, true) => "rbd_image_writeback",
                // Other objects or features: neither history nor limits are those of plain ones.
                (Cache::Off, false) => "rbd_image_other",
                (Cache::WriteThrough, false) => "rbd_image_other_writethrough",
                (Cache::WriteAround, false) => "rbd_image_other_writearound",
                (Cache::WriteBack, false) => "rbd_image_other_writeback",
            },
            // The kernel's client and librbd are two programs.
            Held::Mapped { scratch, .. } if scratch.place().is_plain() => "krbd_image",
            Held::Mapped { .. } => "krbd_image_other",
            Held::Scratch(_) => "scratch_file",
            Held::Device { below: Below::File(_), .. } => "loop_device",
            // How it was made and mapped is its owner's.
            Held::Device { below: Below::Image(_), .. } => "krbd_device",
            Held::Device { below: Below::Drive(_), .. } => "drive",
        }
    }

    /// Gives the target back and says when a scratch file or image could not be removed; dropping does the same silently.
    pub fn release(self) -> Result<(), Refusal> {
        let Self { on, path, held, .. } = self;
        match held {
            Held::Image(mut scratch) => scratch.remove().map_err(refused(&path)),
            Held::Mapped { _exclusive: exclusive, mut mapping, mut scratch } => {
                drop((on, exclusive));
                mapping.unmap().map_err(refused(&path))?;
                scratch.remove().map_err(refused(&scratch.path()))
            }
            Held::Scratch(mut scratch) => scratch.remove().map_err(refused(&path)),
            Held::Device { .. } => Ok(()),
        }
    }
}
