//! Files that the user asked for by name: written whole or not at all, and only where nothing is or where assay wrote before.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use assay_reports::printable::Shown;

use crate::context::Usage;

/// Writes `content` to `path`. What is there already is replaced only when it is empty or begins with `head`, as everything of this kind that assay
/// writes does: a report never replaces somebody's file, and never a device or a link.
pub(crate) fn write_whole(path: &Path, head: &str, content: &str) -> Result<()> {
    let shown = || Shown::from(path.display().to_string());
    refuse_foreign(path, head).with_context(|| Usage(format!("cannot write {}", shown())))?;
    let partial = partial(path);
    let write = || -> io::Result<()> {
        let mut file = File::create_new(&partial)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write()
        .inspect_err(|_| {
            // The first error is the one that counts.
            let _ = fs::remove_file(&partial);
        })
        .with_context(|| format!("cannot write {}", shown()))
}

fn refuse_foreign(path: &Path, head: &str) -> Result<()> {
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return parent_of(path),
        Err(error) => return Err(error.into()),
    };
    if !there.is_file() {
        bail!("it is there and no regular file");
    }
    let mut begin = Vec::new();
    File::open(path)?.take(u64::try_from(head.len())?).read_to_end(&mut begin)?;
    if !begin.is_empty() && begin != head.as_bytes() {
        bail!("it is there and was not written by assay");
    }
    Ok(())
}

fn parent_of(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.file_name().is_none() || !fs::metadata(parent)?.is_dir() {
        bail!("it does not name a file in a folder");
    }
    Ok(())
}

// In the same folder, so that it can take the name at once; of this process, so that two never share it.
fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.partial", std::process::id()))
}
