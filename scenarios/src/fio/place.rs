//! What calibration works on: scratch files, a loop device over one of them, a zram device. All of it is made here, and gone when the value is dropped. What
//! a killed process leaves is little: a loop device detaches itself and its file has no name any more; a zram device stays, and is named by the next start.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_bench::Span;
use rustix::fs::OFlags;

use crate::claim::{self, Claim, GUARD, Leave, SCRATCH_PREFIX};
use crate::printable::Printable;

const ZRAM: &str = "/sys/class/zram-control";

/// One thing that both sides read, and write where it is claimed.
pub(super) enum Place {
    /// A scratch file or a loop device; assay may write to it.
    Claimed(Claim),
    /// A zram device that assay only reads; fio has filled it.
    Zram(Zram),
}

/// A zram device that was added for us, held exclusively.
pub(super) struct Zram {
    number: u32,
    path: PathBuf,
    bytes: u64,
    // Nobody else mounts or formats it while we have it.
    held: Option<File>,
    file: File,
}

impl Place {
    /// A scratch file in `folder`.
    pub(super) fn file(folder: &Path, name: &str, bytes: u64) -> Result<Self, String> {
        claim::scratch(folder, name, bytes).map(Place::Claimed).map_err(|refusal| refusal.to_string())
    }

    /// The operator's loop device, or drive, which is confirmed by its serial number.
    pub(super) fn given(path: &Path, serial: Option<&str>, bytes: u64) -> Result<Self, String> {
        let claimed = match serial {
            None => claim::loop_device(path, bytes),
            Some(serial) => claim::drive(path, serial, bytes),
        };
        claimed.map(Place::Claimed).map_err(|refusal| refusal.to_string())
    }

    /// A loop device over a new file in `folder`. Once it is claimed the kernel is told to detach it with its last user, and its file loses its name: a
    /// process that is killed leaves neither.
    pub(super) fn over_file(folder: &Path, name: &str, bytes: u64) -> Result<Self, String> {
        let below = claim::scratch(folder, name, bytes + 2 * GUARD).map_err(|refusal| refusal.to_string())?;
        let path = losetup(&[std::ffi::OsStr::new("--find"), std::ffi::OsStr::new("--show"), below.path().as_os_str()])?;
        let path = PathBuf::from(path.trim());
        let claimed = claim::loop_device(&path, bytes).map_err(|refusal| refusal.to_string());
        let detached = losetup(&[std::ffi::OsStr::new("--detach"), path.as_os_str()]);
        let claimed = claimed?;
        detached?;
        below.release().map_err(|refusal| refusal.to_string())?;
        Ok(Place::Claimed(claimed))
    }

    /// A new zram device of `bytes` bytes, empty.
    pub(super) fn zram(bytes: u64) -> Result<Self, String> {
        let add = Path::new(ZRAM).join("hot_add");
        let text = fs::read_to_string(&add).map_err(|error| format!("cannot add a zram device ({}): {error}", add.display()))?;
        let number: u32 = text.trim().parse().map_err(|_| format!("cannot add a zram device: hot_add answered `{}`", Printable::new(text.trim())))?;
        let path = PathBuf::from(format!("/dev/zram{number}"));
        let open = || -> io::Result<(File, File)> {
            fs::write(format!("/sys/block/zram{number}/disksize"), bytes.to_string())?;
            let flag = |flags: OFlags| flags.bits().cast_signed();
            let held = OpenOptions::new().read(true).custom_flags(flag(OFlags::EXCL | OFlags::NOFOLLOW)).open(&path)?;
            let file = OpenOptions::new().read(true).custom_flags(flag(OFlags::DIRECT | OFlags::NOFOLLOW)).open(&path)?;
            Ok((held, file))
        };
        match open() {
            Ok((held, file)) => Ok(Place::Zram(Zram { number, path, bytes, held: Some(held), file })),
            Err(error) => {
                let _ = remove_zram(number);
                Err(format!("cannot use the new zram device {}: {error}", path.display()))
            }
        }
    }

    /// Path of the file or device.
    pub(super) fn path(&self) -> &Path {
        match self {
            Place::Claimed(claim) => claim.path(),
            Place::Zram(zram) => &zram.path,
        }
    }

    /// Path of the character device that takes NVMe commands, where there is one; its path otherwise.
    pub(super) fn commands_path(&self) -> &Path {
        match self {
            Place::Claimed(claim) => claim.commands_path().unwrap_or_else(|| claim.path()),
            Place::Zram(zram) => &zram.path,
        }
    }

    /// The open target, with `O_DIRECT`; none of what is no file.
    pub(super) fn target(&self) -> Option<&File> {
        match self {
            Place::Claimed(claim) => claim.on().file(),
            Place::Zram(zram) => Some(&zram.file),
        }
    }

    /// The bytes that both sides work on.
    pub(super) fn span(&self) -> Span {
        match self {
            Place::Claimed(claim) => Span { start: claim.start(), bytes: claim.bytes() },
            Place::Zram(zram) => Span { start: 0, bytes: zram.bytes },
        }
    }

    /// The right to write, where there is one.
    pub(super) fn leave(&self) -> Result<Option<Leave>, String> {
        match self {
            Place::Claimed(claim) => claim.leave().map(Some).map_err(|refusal| refusal.to_string()),
            Place::Zram(_) => Ok(None),
        }
    }

    /// The dimension of metrics.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Place::Claimed(claim) => claim.kind(),
            Place::Zram(_) => "zram",
        }
    }

    /// What it is, for people.
    pub(super) fn describe(&self) -> String {
        let bytes = self.span().bytes;
        match self {
            Place::Claimed(claim) => format!("{bytes} bytes of {}, {}, O_DIRECT", Printable::new(claim.path()), claim.describe()),
            Place::Zram(zram) => format!("{bytes} bytes of {}, filled by fio, O_DIRECT", Printable::new(&zram.path)),
        }
    }

    /// Gives it back and says what could not be removed; dropping does the same silently.
    pub(super) fn release(self) -> Result<(), String> {
        match self {
            Place::Claimed(claim) => claim.release().map_err(|refusal| refusal.to_string()),
            Place::Zram(mut zram) => zram.remove(),
        }
    }
}

impl Zram {
    fn remove(&mut self) -> Result<(), String> {
        let Some(held) = self.held.take() else { return Ok(()) };
        drop(held);
        // An open descriptor keeps it busy: what is left of `file` is one that reads nothing.
        self.file = File::open("/dev/null").map_err(|error| format!("cannot let go of {}: {error}", self.path.display()))?;
        remove_zram(self.number).map_err(|error| format!("cannot remove {}: {error}", self.path.display()))
    }
}

impl Drop for Zram {
    fn drop(&mut self) {
        // `release` is where an error can be told.
        let _ = self.remove();
    }
}

/// Udev and a ring that is just closed may hold it for some milliseconds more.
fn remove_zram(number: u32) -> io::Result<()> {
    let mut tries = 50;
    loop {
        match fs::write(Path::new(ZRAM).join("hot_remove"), number.to_string()) {
            Err(error) if tries > 0 && error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {
                tries -= 1;
                #[allow(clippy::disallowed_methods, reason = "nothing tells when the kernel closes a device")]
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            answer => return answer,
        }
    }
}

fn losetup(words: &[&std::ffi::OsStr]) -> Result<String, String> {
    let output = Command::new("losetup").args(words).output().map_err(|error| format!("cannot start losetup: {error}"))?;
    if !output.status.success() {
        let words: Vec<String> = words.iter().map(|word| Printable::new(word).to_string()).collect();
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("losetup {} failed: {}", words.join(" "), Printable::new(why.trim())));
    }
    String::from_utf8(output.stdout).map_err(|_| "losetup answered with something that is no text".to_owned())
}

/// What of earlier calibrations is still there: loop devices over our files, and the zram devices of `zrams`, which their journals name.
pub(super) fn leftovers(zrams: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(backing) = fs::read_to_string(entry.path().join("loop/backing_file")) else { continue };
        if Path::new(backing.trim_end()).file_name().is_some_and(|file| file.as_encoded_bytes().starts_with(SCRATCH_PREFIX.as_bytes())) {
            found.push(format!("/dev/{name} over {} (losetup --detach /dev/{name})", Printable::new(backing.trim_end())));
        }
    }
    for zram in zrams {
        let Some(number) = zram.strip_prefix("/dev/zram").filter(|number| number.parse::<u32>().is_ok()) else { continue };
        let size = fs::read_to_string(format!("/sys/block/zram{number}/disksize")).unwrap_or_default();
        if !matches!(size.trim(), "" | "0") {
            found.push(format!("{zram} (echo {number} > {ZRAM}/hot_remove)"));
        }
    }
    found
}
