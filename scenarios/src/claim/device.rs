//! Block devices: what sysfs, procfs and the medium itself say about one, before anything is opened for writing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{OFlags, statvfs};

use super::mounts::{self, number};
use super::refusal::{Cause, kind_of};
use super::signature::{self, GUARD};
use super::{TargetKind, scratch};

/// Udev looks into new devices for some milliseconds; only who stays longer is a user.
const OPENER_TRIES: u32 = 5;
/// Between two looks.
const OPENER_PAUSE: Duration = Duration::from_millis(60);

/// The kernel's views of itself; other folders than `/sys` and `/proc` only in tests.
pub(super) struct Kernel<'a> {
    pub(super) sys: &'a Path,
    pub(super) proc: &'a Path,
}

/// A device that passed every check, held exclusively and open for reading.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) exclusive: File,
    pub(super) backing: PathBuf,
    device: u64,
}

impl Kernel<'static> {
    pub(super) fn running() -> Self {
        Self { sys: Path::new("/sys"), proc: Path::new("/proc") }
    }
}

impl Kernel<'_> {
    /// Every check there is; only reads. `bytes` are wanted between the label areas.
    pub(super) fn examine(&self, path: &Path, bytes: u64) -> Result<Examined, Cause> {
        if kind_of(path)? != TargetKind::BlockDevice {
            return Err(Cause::WrongKind { what: "folder" });
        }
        let device = fs::symlink_metadata(path).map_err(Cause::io("look at it"))?.rdev();
        let backing = self.unused(device)?;

        let exclusive = open_exclusively(path)?;
        // The path may mean something else by now.
        is_device(&exclusive, device)?;
        // From here on nobody can mount or claim it, so that what was true before the open is asked once more.
        self.unused(device)?;
        if let Some(by) = self.lasting_opener(&number(device)) {
            return Err(Cause::Busy { by });
        }

        let size = (&exclusive).seek(SeekFrom::End(0)).map_err(Cause::io("read its size"))?;
        let needed = bytes.saturating_add(2 * GUARD);
        if size < needed {
            return Err(Cause::TooSmall { bytes: size, needed });
        }
        signature::is_blank(&exclusive, size)?;
        room_below(&backing, size)?;
        Ok(Examined { exclusive, backing, device })
    }

    /// Whether the kernel knows of any use of the device; the file below it when not.
    fn unused(&self, device: u64) -> Result<PathBuf, Cause> {
        let own = number(device);
        let entry = self.sys.join("dev/block").join(&own);
        if !entry.exists() {
            return Err(Cause::Io { act: "find it in /sys/dev/block", source: io::ErrorKind::NotFound.into() });
        }
        let partitions = self.partitions(&entry)?;
        let family: Vec<String> = std::iter::once(own).chain(partitions.iter().map(|(number, _)| number.clone())).collect();

        if let Some(mount) = mounts::mounts(self.proc)?.iter().find(|mount| mount.is_of(&family)) {
            return Err(Cause::Mounted { on: crate::printable::Printable::new(&mount.on) });
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
        self.loop_backing(&entry, &swaps)
    }

    /// Number and folder of each partition that the kernel knows.
    fn partitions(&self, entry: &Path) -> Result<Vec<(String, PathBuf)>, Cause> {
        let folders = names(entry)?.into_iter().map(|name| entry.join(name)).filter(|folder| folder.join("partition").exists());
        folders.map(|folder| Ok((attribute(&folder, "dev")?, folder))).collect()
    }

    /// The backing file, when this is a loop device over a plain file that nothing else uses, and that may be written.
    fn loop_backing(&self, entry: &Path, swaps: &[PathBuf]) -> Result<PathBuf, Cause> {
        let name = fs::canonicalize(entry).ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())).unwrap_or_default();
        if !name.starts_with("loop") {
            let serial = ["serial", "device/serial", "device/wwid", "wwid"]
                .iter()
                .find_map(|file| attribute(entry, file).ok())
                .filter(|serial| !serial.is_empty());
            let serial = serial.map_or_else(
                || "it has no serial number".to_owned(),
                |serial| format!("its serial number is {}", crate::printable::Printable::new(serial)),
            );
            return Err(Cause::NotLoop { what: name, serial });
        }
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
        let data = fs::symlink_metadata(&backing)
            .map_err(|error| Cause::Backing { why: format!("{}: {error}", crate::printable::Printable::new(&backing)) })?;
        if !data.file_type().is_file() {
            return Err(untrusted(if data.file_type().is_block_device() { "another block device, not a file" } else { "not a regular file" }));
        }
        if swaps.iter().any(|swap| is_same_file(swap, &data)) {
            return Err(untrusted("its file is in use as swap space"));
        }
        for other in names(&self.sys.join("block"))?.into_iter().filter(|other| other.starts_with("loop") && *other != name) {
            let file = self.sys.join("block").join(&other).join("loop/backing_file");
            if fs::read_to_string(file).is_ok_and(|path| is_same_file(Path::new(path.trim_end_matches('\n')), &data)) {
                return Err(Cause::Backing { why: format!("{other} is bound to the same file") });
            }
        }
        Ok(backing)
    }

    fn lasting_opener(&self, device: &str) -> Option<String> {
        let mut by = mounts::opener(self.proc, device)?;
        for _ in 1..OPENER_TRIES {
            #[allow(clippy::disallowed_methods, reason = "nothing tells when another process closes a device")]
            std::thread::sleep(OPENER_PAUSE);
            by = mounts::opener(self.proc, device)?;
        }
        Some(by)
    }
}

impl Examined {
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

/// Opens a device as its only claimant. Who holds it for a moment only, as a child between fork and exec does, is waited for like udev.
fn open_exclusively(path: &Path) -> Result<File, Cause> {
    let open = || OpenOptions::new().read(true).custom_flags(flags(OFlags::EXCL | OFlags::NOFOLLOW)).open(path);
    let is_busy = |error: &io::Error| error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error());
    let mut opened = open();
    for _ in 1..OPENER_TRIES {
        if !opened.as_ref().is_err_and(is_busy) {
            break;
        }
        #[allow(clippy::disallowed_methods, reason = "nothing tells when another process closes a device")]
        std::thread::sleep(OPENER_PAUSE);
        opened = open();
    }
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
fn names(folder: &Path) -> Result<Vec<String>, Cause> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            entries.map(|entry| Ok(entry.map_err(Cause::io("list its sysfs folder"))?.file_name().to_string_lossy().into_owned())).collect()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Cause::io("list its sysfs folder")(error)),
    }
}

fn attribute(entry: &Path, name: &str) -> Result<String, Cause> {
    let text = fs::read_to_string(entry.join(name)).map_err(Cause::io("read its sysfs attributes"))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// rustix flags are the kernel's own bits; std takes them as a signed number.
fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}
