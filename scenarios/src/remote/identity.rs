//! Who speaks: the build, the host and its boot. Both ends say it first, and go on only when the builds are the same.

use std::io;

/// What an end says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Version of assay.
    pub assay: String,
    /// Its git revision.
    pub revision: String,
    /// Name of the host.
    pub hostname: String,
    /// The boot, `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

impl Identity {
    /// The build as said, the host as this kernel says.
    pub fn of_this_host(assay: &str, revision: &str) -> io::Result<Self> {
        Ok(Self {
            assay: assay.to_owned(),
            revision: revision.to_owned(),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot_id: boot_id()?,
        })
    }
}

/// The boot of this kernel.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}
