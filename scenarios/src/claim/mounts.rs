//! Who uses a block device, by the kernel's own lists: `/proc/self/mountinfo`, `/proc/swaps` and `/proc/<pid>/fd`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::printable::Printable;

use super::refusal::Cause;

/// One line of mountinfo.
pub(super) struct Mount {
    /// `7:0`; anonymous (`0:31`) for file systems over several devices.
    device: String,
    pub(super) on: PathBuf,
    kind: String,
    source: PathBuf,
}

/// All mounts that this process can see.
pub(super) fn mounts(proc: &Path) -> Result<Vec<Mount>, Cause> {
    let text = fs::read(proc.join("self/mountinfo")).map_err(Cause::io("read /proc/self/mountinfo"))?;
    // `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue` (proc_pid_mountinfo(5)); any number of tags before the hyphen.
    let parse = |line: &[u8]| {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let hyphen = words.iter().position(|word| *word == b"-")?;
        Some(Mount {
            device: String::from_utf8_lossy(words.get(2)?).into_owned(),
            on: unescaped(words.get(4)?),
            kind: String::from_utf8_lossy(words.get(hyphen + 1)?).into_owned(),
            source: unescaped(words.get(hyphen + 2)?),
        })
    };
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            parse(line).ok_or_else(|| Cause::Io {
                act: "read /proc/self/mountinfo",
                source: std::io::Error::other(format!("what is `{}`", line.escape_ascii())),
            })
        })
        .collect()
}

/// Octal escapes (`\040` is a blank) back to bytes.
fn unescaped(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let code =
            (*first == b'\\').then(|| after.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok())).flatten();
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

impl Mount {
    /// Whether it is of one of these devices (numbers as `7:0`), named by number or, for file systems over several devices, by path.
    pub(super) fn is_of(&self, devices: &[String]) -> bool {
        devices.contains(&self.device) || number_of(&self.source).is_some_and(|number| devices.contains(&number))
    }
}

/// `major:minor` of a block device node.
pub(super) fn number_of(path: &Path) -> Option<String> {
    let data = fs::metadata(path).ok()?;
    data.file_type().is_block_device().then(|| number(data.rdev()))
}

/// `major:minor` of a device number.
pub(super) fn number(device: u64) -> String {
    format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
}

/// Paths in use as swap space.
pub(super) fn swaps(proc: &Path) -> Result<Vec<PathBuf>, Cause> {
    match fs::read(proc.join("swaps")) {
        Ok(text) => {
            let lines = text.split(|byte| *byte == b'\n').skip(1);
            Ok(lines
                .filter_map(|line| line.split(|byte| *byte == b' ' || *byte == b'\t').next())
                .filter(|word| !word.is_empty())
                .map(unescaped)
                .collect())
        }
        // A kernel without swap has no such file.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Cause::io("read /proc/swaps")(error)),
    }
}

/// `major:minor` of a device node that is no block device.
fn characters_of(path: &Path) -> Option<String> {
    let data = fs::metadata(path).ok()?;
    data.file_type().is_char_device().then(|| number(data.rdev()))
}

/// A process other than this one that has the block device open, or one of the character devices by which commands go past it; those of other users are
/// visible to root only.
pub(super) fn opener(proc: &Path, device: &str, characters: &[String]) -> Option<String> {
    let own = std::process::id().to_string();
    for process in fs::read_dir(proc).ok()?.flatten() {
        let name = process.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) || name == own {
            continue;
        }
        let Ok(handles) = fs::read_dir(process.path().join("fd")) else { continue };
        for handle in handles.flatten() {
            // The link first: a stat through it could hang on a dead network file system.
            let is_device = fs::read_link(handle.path()).is_ok_and(|to| to.starts_with("/dev"));
            let handle = handle.path();
            let is_open =
                || number_of(&handle).is_some_and(|number| number == device) || characters_of(&handle).is_some_and(|of| characters.contains(&of));
            if is_device && is_open() {
                let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(format!("process {name} ({})", Printable::new(command.trim_end())));
            }
        }
    }
    None
}

/// File system of a folder, for people: `ext4 on /dev/vda`.
pub(super) fn describe_folder(folder: &Path) -> String {
    let Ok(device) = fs::metadata(folder).map(|data| number(data.dev())) else { return "an unknown file system".to_owned() };
    let mounts = mounts(Path::new("/proc")).unwrap_or_default();
    let mount = mounts
        .iter()
        .filter(|mount| mount.device == device)
        .max_by_key(|mount| if folder.starts_with(&mount.on) { mount.on.as_os_str().len() } else { 0 });
    mount.map_or_else(|| format!("device {device}"), |mount| format!("{} ({})", mount.kind, Printable::new(&mount.source)))
}
