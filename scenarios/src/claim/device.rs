//! Block devices: what sysfs, procfs and the medium itself say about one, before anything is opened for writing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, statvfs};

use super::mapped::Mapped;
use super::mounts::{self, number};
use super::refusal::{Cause, kind_of};
use super::signature::{self, GUARD};
use super::{TargetKind, scratch};
use crate::patience::patiently;
use crate::printable::Printable;

/// The kernel's views of itself; other folders than `/sys` and `/proc` only in tests.
pub(super) struct Kernel<'a> {
    pub(super) sys: &'a Path,
    pub(super) proc: &'a Path,
}

/// A device that passed every check, held exclusively and open for reading.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) exclusive: File,
    pub(super) below: Below,
    device: u64,
}

/// What a device must be, as far as something outside of it says so.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected<'a> {
    /// A loop device.
    Loop,
    /// The drive whose serial number the operator has confirmed.
    Drive(&'a str),
    /// The mapped image that was found to be assay's own.
    Image(&'a Mapped),
}

/// What a device is made of.
#[derive(Debug)]
pub(super) enum Below {
    /// A file, below a loop device.
    File(PathBuf),
    /// A drive, with its serial number.
    Drive(String),
    /// An image of a Ceph cluster that the kernel has mapped.
    Image(Box<Mapped>),
}

impl Kernel<'static> {
    pub(super) fn running() -> Self {
        Self { sys: Path::new("/sys"), proc: Path::new("/proc") }
    }
}

impl Kernel<'_> {
    /// Every check there is; only reads. `bytes` are wanted between the label areas.
    pub(super) fn examine(&self, path: &Path, bytes: u64, expected: Expected<'_>) -> Result<Examined, Cause> {
        let held = self.hold(path, expected)?;
        let size = (&held.exclusive).seek(SeekFrom::End(0)).map_err(Cause::io("read its size"))?;
        let needed = bytes.saturating_add(2 * GUARD);
        if size < needed {
            return Err(Cause::TooSmall { bytes: size, needed });
        }
        signature::is_blank(&held.exclusive, size)?;
        match &held.below {
            Below::File(backing) => room_below(backing, size)?,
            Below::Drive(_) | Below::Image(_) => {}
        }
        Ok(held)
    }

    /// Takes hold of a device that nobody uses, whatever it holds.
    fn hold(&self, path: &Path, expected: Expected<'_>) -> Result<Examined, Cause> {
        if kind_of(path)? != TargetKind::BlockDevice {
            return Err(Cause::WrongKind { what: "folder" });
        }
        let device = fs::symlink_metadata(path).map_err(Cause::io("look at it"))?.rdev();
        self.unused(device, expected)?;

        let exclusive = open_exclusively(path)?;
        // The path may mean something else by now.
        is_device(&exclusive, device)?;
        // From here on nobody can mount or claim it, so that what was true before the open is asked once more.
        let below = self.unused(device, expected)?;
        if let Some(by) = self.lasting_opener(&number(device)) {
            return Err(Cause::Busy { by });
        }
        Ok(Examined { exclusive, below, device })
    }

    /// Whether the kernel knows of any use of the device; what lies below it when not.
    fn unused(&self, device: u64, expected: Expected<'_>) -> Result<Below, Cause> {
        let own = number(device);
        let entry = self.sys.join("dev/block").join(&own);
        if !entry.exists() {
            return Err(Cause::Io { act: "find it in /sys/dev/block", source: io::ErrorKind::NotFound.into() });
        }
        let partitions = self.partitions(&entry)?;
        let family: Vec<String> = std::iter::once(own.clone()).chain(partitions.iter().map(|(number, _)| number.clone())).collect();

        if let Some(mount) = mounts::mounts(self.proc)?.iter().find(|mount| mount.is_of(&family)) {
            return Err(Cause::Mounted { on: Printable::new(&mount.on) });
        }
        let swaps = mounts::swaps(self.proc)?;
        if swaps.iter().any(|path| mounts::number_of(path).is_some_and(|number| family.contains(&number))) {
            return Err(Cause::Swap);
        }
        for folder in std::iter::once(&entry).chain(partitions.iter().map(|(_, folder)| folder)) {
            let holders = names(&folder.join("holders"))?;
            if !holders.is_empty() {
                return Err(Cause::Held { holders: holders.join(", ") });
            }
        }
        if entry.join("partition").exists() {
            return Err(Cause::Partition);
        }
        if !partitions.is_empty() {
            return Err(Cause::Partitioned { partitions: partitions.len() });
        }
        let name = kernel_name(&entry);
        match (expected, rbd_id(&name)) {
            (Expected::Image(known), Some(id)) => self.image(&entry, &own, id, known).map(Box::new).map(Below::Image),
            (Expected::Image(known), None) => Err(Cause::NotOurs { image: known.name(), why: format!("no longer as {}", Printable::new(name)) }),
            (Expected::Loop | Expected::Drive(_), _) if name.starts_with("loop") => self.loop_backing(&entry, &name, &swaps).map(Below::File),
            (Expected::Loop, _) => drive(&entry, name, None).map(Below::Drive),
            (Expected::Drive(serial), _) => drive(&entry, name, Some(serial)).map(Below::Drive),
        }
    }

    /// The image that a device maps, when it is the one that was found to be ours, and can be written to.
    fn image(&self, entry: &Path, own: &str, id: u32, known: &Mapped) -> Result<Mapped, Cause> {
        let mapped = self.mapped(id)?;
        if mapped.number != own || !mapped.is_still(known) {
            return Err(Cause::Busy { by: "its name was given to another image meanwhile".to_owned() });
        }
        if let Some(snapshot) = &mapped.snapshot {
            return Err(Cause::Snapshot { image: mapped.name(), snapshot: Printable::new(snapshot) });
        }
        if attribute(entry, "ro")? != "0" { Err(Cause::ReadOnly) } else { Ok(mapped) }
    }

    /// What the driver says of a device that it has mapped; none of other devices.
    pub(super) fn mapped_at(&self, path: &Path) -> Result<Option<Mapped>, Cause> {
        let own = number(fs::symlink_metadata(path).map_err(Cause::io("look at it"))?.rdev());
        let Some(id) = rbd_id(&kernel_name(&self.sys.join("dev/block").join(&own))) else { return Ok(None) };
        let mapped = self.mapped(id)?;
        if mapped.number == own { Ok(Some(mapped)) } else { Err(Cause::Busy { by: "its name was given to another image meanwhile".to_owned() }) }
    }

    /// The serial number of a drive; none of a loop device, and none where there is no telling.
    pub(super) fn serial(&self, path: &Path) -> Result<Option<String>, Cause> {
        let device = fs::symlink_metadata(path).map_err(Cause::io("look at it"))?.rdev();
        Ok(serial(&self.sys.join("dev/block").join(number(device))))
    }

    /// Number and folder of each partition that the kernel knows.
    fn partitions(&self, entry: &Path) -> Result<Vec<(String, PathBuf)>, Cause> {
        let folders = names(entry)?.into_iter().map(|name| entry.join(name)).filter(|folder| folder.join("partition").exists());
        folders.map(|folder| Ok((attribute(&folder, "dev")?, folder))).collect()
    }

    /// The backing file, when this is a loop device over a plain file that nothing else uses, and that may be written.
    fn loop_backing(&self, entry: &Path, name: &str, swaps: &[PathBuf]) -> Result<PathBuf, Cause> {
        if !entry.join("loop/backing_file").exists() {
            return Err(Cause::Unbound);
        }
        if attribute(entry, "ro")? != "0" {
            return Err(Cause::ReadOnly);
        }
        let untrusted = |why: &str| Cause::Backing { why: why.to_owned() };
        let backing = PathBuf::from(attribute(entry, "loop/backing_file")?);
        // A window into a file may begin behind the labels of what the file holds.
        if attribute(entry, "loop/offset")? != "0" || attribute(entry, "loop/sizelimit")? != "0" {
            return Err(untrusted("it shows only a part of its file"));
        }
        let data = fs::symlink_metadata(&backing).map_err(|error| Cause::Backing { why: format!("{}: {error}", Printable::new(&backing)) })?;
        if !data.file_type().is_file() {
            return Err(untrusted(if data.file_type().is_block_device() { "another block device, not a file" } else { "not a regular file" }));
        }
        if swaps.iter().any(|swap| is_same_file(swap, &data)) {
            return Err(untrusted("its file is in use as swap space"));
        }
        for other in names(&self.sys.join("block"))?.into_iter().filter(|other| other.starts_with("loop") && other != name) {
            let file = self.sys.join("block").join(&other).join("loop/backing_file");
            if fs::read_to_string(file).is_ok_and(|path| is_same_file(Path::new(path.trim_end_matches('\n')), &data)) {
                return Err(Cause::Backing { why: format!("{other} is bound to the same file") });
            }
        }
        Ok(backing)
    }

    fn lasting_opener(&self, device: &str) -> Option<String> {
        let characters = self.characters(&self.sys.join("dev/block").join(device));
        patiently(|| mounts::opener(self.proc, device, &characters), Option::is_some)
    }

    /// Numbers of the character devices of an NVMe namespace and its controllers: `/dev/ng3n1`, `/dev/nvme3`. Who has one open can write past the block layer.
    pub(super) fn characters(&self, entry: &Path) -> Vec<String> {
        let Some(name) = fs::canonicalize(entry).ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned())) else { return Vec::new() };
        let Some(rest) = name.strip_prefix("nvme") else { return Vec::new() };
        // `device` is the controller, or the subsystem that has several; namespaces, which have an `n` in their names, lie there too.
        let device = entry.join("device");
        let is_controller = |name: &String| name.strip_prefix("nvme").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let controllers = names(&device).unwrap_or_default().into_iter().filter(is_controller).map(|name| device.join(name));
        let folders = [self.sys.join("class/nvme-generic").join(format!("ng{rest}")), device.clone()].into_iter().chain(controllers);
        folders.filter_map(|folder| attribute(&folder, "dev").ok()).collect()
    }
}

/// The way past the block layer to the same namespace, as the kernel offers it.
#[derive(Debug)]
pub(super) struct Commands {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) nsid: u32,
    pub(super) lba_shift: u32,
}

impl Examined {
    /// The character device of an NVMe namespace: `/dev/ng3n1` beside `/dev/nvme3n1`. None where there is none, or where it cannot be told to be the same.
    pub(super) fn commands(&self) -> Option<Commands> {
        let entry = Path::new("/sys/dev/block").join(number(self.device));
        let name = fs::canonicalize(&entry).ok()?.file_name()?.to_str()?.strip_prefix("nvme").map(|rest| format!("ng{rest}"))?;
        let expected = attribute(&Path::new("/sys/class/nvme-generic").join(&name), "dev").ok()?;
        let path = Path::new("/dev").join(&name);
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags(OFlags::NOFOLLOW)).open(&path).ok()?;
        let data = file.metadata().ok()?;
        let is_it = data.file_type().is_char_device() && number(data.rdev()) == expected;
        let block: u32 = attribute(&entry, "queue/logical_block_size").ok()?.parse().ok()?;
        let nsid = attribute(&entry, "nsid").ok()?.parse().ok()?;
        (is_it && block.is_power_of_two()).then_some(Commands { file, path, nsid, lba_shift: block.trailing_zeros() })
    }

    /// Opens the device for direct reading and writing, beside the exclusive handle that goes on holding it.
    pub(super) fn open_for_writing(&self, path: &Path) -> Result<File, Cause> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags(OFlags::DIRECT | OFlags::NOFOLLOW))
            .open(path)
            .map_err(Cause::io("open it for writing"))?;
        is_device(&file, self.device)?;
        Ok(file)
    }
}

/// The kernel's name of a device.
fn kernel_name(entry: &Path) -> String {
    fs::canonicalize(entry).ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())).unwrap_or_default()
}

/// The number of a device of the driver for images of Ceph, by its name.
fn rbd_id(name: &str) -> Option<u32> {
    name.strip_prefix("rbd")?.parse().ok()
}

/// The serial number of a drive that may be written and that the operator has confirmed.
fn drive(entry: &Path, name: String, confirmed: Option<&str>) -> Result<String, Cause> {
    let what = Printable::new(name);
    let Some(serial) = serial(entry) else { return Err(Cause::Nameless { what }) };
    if attribute(entry, "ro")? != "0" {
        return Err(Cause::ReadOnly);
    }
    match confirmed {
        Some(confirmed) if confirmed == serial => Ok(serial),
        Some(confirmed) => Err(Cause::OtherDrive { what, serial: Printable::new(serial), expected: Printable::new(confirmed) }),
        None => Err(Cause::Unconfirmed { what, serial: Printable::new(serial) }),
    }
}

fn serial(entry: &Path) -> Option<String> {
    let read = |file: &&str| attribute(entry, file).ok().map(|serial| serial.trim().to_owned()).filter(|serial| !serial.is_empty());
    ["device/serial", "serial", "wwid", "device/wwid"].iter().find_map(read)
}

/// Opens a device as its only claimant. Who holds it for a moment only, as a child between fork and exec does, is waited for like udev.
fn open_exclusively(path: &Path) -> Result<File, Cause> {
    let open = || OpenOptions::new().read(true).custom_flags(flags(OFlags::EXCL | OFlags::NOFOLLOW)).open(path);
    let is_busy = |error: &io::Error| error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error());
    let opened = patiently(open, |opened| opened.as_ref().is_err_and(is_busy));
    opened.map_err(|error| {
        if is_busy(&error) { Cause::Busy { by: "the kernel gives no exclusive access".to_owned() } } else { Cause::io("open it for reading")(error) }
    })
}

fn is_device(file: &File, device: u64) -> Result<(), Cause> {
    let data = file.metadata().map_err(Cause::io("look at it"))?;
    if data.file_type().is_block_device() && data.rdev() == device {
        Ok(())
    } else {
        Err(Cause::Busy { by: "its name was given to another device meanwhile".to_owned() })
    }
}

/// A sparse backing file grows while it is written: the same share of the free space as for a scratch file.
fn room_below(backing: &Path, size: u64) -> Result<(), Cause> {
    let data = fs::metadata(backing).map_err(Cause::io("look at its file"))?;
    let missing = size.saturating_sub(data.blocks().saturating_mul(512));
    if missing == 0 {
        return Ok(());
    }
    let space = statvfs(backing).map_err(|error| Cause::io("read the free space below it")(error.into()))?;
    scratch::room(missing, space.f_bavail.saturating_mul(space.f_frsize))
}

fn is_same_file(path: &Path, data: &fs::Metadata) -> bool {
    fs::metadata(path).is_ok_and(|other| (other.dev(), other.ino()) == (data.dev(), data.ino()))
}

/// Names in a sysfs folder; a folder that is not there has none.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, Cause> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            entries.map(|entry| Ok(entry.map_err(Cause::io("list its sysfs folder"))?.file_name().to_string_lossy().into_owned())).collect()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Cause::io("list its sysfs folder")(error)),
    }
}

pub(super) fn attribute(entry: &Path, name: &str) -> Result<String, Cause> {
    let text = fs::read_to_string(entry.join(name)).map_err(Cause::io("read its sysfs attributes"))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// rustix flags are the kernel's own bits; std takes them as a signed number.
fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}
