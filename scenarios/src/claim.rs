//! The right to write: a [`Claim`] is the only way to an engine that writes, and only the functions here make one: of a scratch file that
//! assay makes itself, of a loop device that nobody uses and that holds nothing, or of such a drive, which the operator has confirmed by its serial number. Everything is looked at read-only first; a refusal has written nothing.

use std::fs::File;
use std::path::{Path, PathBuf};

use assay_bench::Span;
use assay_bench::engine::uring::{Passthrough, WriteLeave};

use crate::printable::Printable;

mod device;
mod mounts;
mod refusal;
mod scratch;
mod signature;
#[cfg(test)]
mod tests;

pub use refusal::{Cause, Refusal};
pub use scratch::{KEEP_FREE, SCRATCH_PREFIX, SCRATCH_SHARE};
pub use signature::GUARD;

use device::{Below, Kernel};
use refusal::refused;

/// What a path is to a claim, by one `lstat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A folder: a scratch file can be made in it.
    Folder,
    /// A block device: it can be claimed when it is unused and unlabelled, and a loop device or a drive that the operator confirmed.
    BlockDevice,
}

/// Permission to write to one target, and the open target itself. Dropping it gives the target back and removes a scratch file.
#[derive(Debug)]
pub struct Claim {
    file: File,
    path: PathBuf,
    start: u64,
    bytes: u64,
    held: Held,
    commands: Option<device::Commands>,
}

#[derive(Debug)]
enum Held {
    Scratch(scratch::Scratch),
    // Keeps the device from being mounted or claimed by anyone else while the claim lives.
    Device { _exclusive: File, below: Below },
}

/// What `path` is to a claim. Reads one inode; opens nothing.
pub fn target_kind(path: &Path) -> Result<TargetKind, Refusal> {
    refusal::kind_of(path).map_err(refused(path))
}

/// Claims `bytes` bytes of a scratch file in `folder`, named after the run, and removes what earlier runs left there when they crashed.
pub fn scratch(folder: &Path, run: &str, bytes: u64) -> Result<Claim, Refusal> {
    let (scratch, file) = scratch::make(folder, run, bytes).map_err(refused(folder))?;
    Ok(Claim { file, path: scratch.path().to_owned(), start: 0, bytes, held: Held::Scratch(scratch), commands: None })
}

/// Claims `bytes` bytes of a loop device that is not mounted, held, partitioned, labelled, read-only or open elsewhere. The first and last
/// [`GUARD`] bytes, where labels live, are not part of the claim: the device is as unlabelled after the run as before.
pub fn loop_device(path: &Path, bytes: u64) -> Result<Claim, Refusal> {
    device(path, bytes, None)
}

/// The same of a drive whose serial number the operator has confirmed to be this one.
pub fn drive(path: &Path, serial: &str, bytes: u64) -> Result<Claim, Refusal> {
    device(path, bytes, Some(serial))
}

fn device(path: &Path, bytes: u64, confirmed: Option<&str>) -> Result<Claim, Refusal> {
    let examined = Kernel::running().examine(path, bytes, confirmed).map_err(refused(path))?;
    let file = examined.open_for_writing(path).map_err(refused(path))?;
    let commands = examined.commands();
    Ok(Claim {
        file,
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
    Kernel::running().examine(path, bytes, None).map_err(refused(path)).map(drop)
}

/// Makes every check of [`drive`] and opens nothing for writing.
pub fn examine_drive(path: &Path, serial: &str, bytes: u64) -> Result<(), Refusal> {
    Kernel::running().examine(path, bytes, Some(serial)).map_err(refused(path)).map(drop)
}

/// Makes every check of [`scratch`] that can be made without making the file: what `assay plan` asks.
pub fn examine_scratch(folder: &Path, bytes: u64) -> Result<(), Refusal> {
    scratch::examine(folder, bytes).map_err(refused(folder)).map(drop)
}

/// The part of a claim that an engine needs: the open target and the bytes of it that may be written. Only a claim gives one.
#[derive(Debug)]
pub struct Leave {
    file: File,
    name: String,
    span: Span,
    commands: Option<device::Commands>,
}

impl Leave {
    /// The open target, with `O_DIRECT`.
    pub fn file(&self) -> &File {
        &self.file
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
        let span = Span { start: self.start, bytes: self.bytes };
        Ok(Leave { file: shared(&self.file)?, name: Printable::new(&self.path).to_string(), span, commands })
    }

    /// The open target, with `O_DIRECT`.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Path of the device or scratch file.
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

    /// What it is, for people: kind of target and what lies below it.
    pub fn describe(&self) -> String {
        match &self.held {
            Held::Scratch(scratch) => format!("scratch file on {}", mounts::describe_folder(scratch.folder())),
            Held::Device { below: Below::File(backing), .. } => format!("loop device over {}", Printable::new(backing)),
            Held::Device { below: Below::Drive(serial), .. } => format!("drive with the serial number {}", Printable::new(serial)),
        }
    }

    /// The dimension of metrics, so that figures of different kinds of targets are never compared.
    pub fn kind(&self) -> &'static str {
        match &self.held {
            Held::Scratch(_) => "scratch_file",
            Held::Device { below: Below::File(_), .. } => "loop_device",
            Held::Device { below: Below::Drive(_), .. } => "drive",
        }
    }

    /// Gives the target back and says when a scratch file could not be removed; dropping does the same silently.
    pub fn release(self) -> Result<(), Refusal> {
        match self.held {
            Held::Scratch(mut scratch) => scratch.remove().map_err(refused(&self.path)),
            Held::Device { .. } => Ok(()),
        }
    }
}
