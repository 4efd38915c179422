//! Why a target may not be written: the subject, and one cause for each thing that is looked at.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use assay_bench::ClusterError;

use crate::printable::Printable;

use super::TargetKind;

/// A target that may not be written. Nothing was written to it.
#[derive(Debug, thiserror::Error)]
#[error("cannot claim {subject} for writing: {cause}")]
pub struct Refusal {
    /// The path that was given.
    pub subject: Printable,
    /// What stands in the way.
    pub cause: Cause,
}

/// What stands in the way of a claim.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it, and stand right there")]
pub enum Cause {
    #[error("it does not exist")]
    Missing,
    #[error("it is a symbolic link; name what it points to")]
    SymbolicLink,
    #[error("it is a {what}; assay writes to scratch files of its own in a folder that you name, and to unlabelled devices")]
    WrongKind { what: &'static str },
    #[error("it is mounted on {on}")]
    Mounted { on: Printable },
    #[error("it is in use as swap space")]
    Swap,
    #[error("it is held by {holders}")]
    Held { holders: String },
    #[error("it has {partitions} partitions")]
    Partitioned { partitions: usize },
    #[error("it is a partition; only whole devices can be claimed")]
    Partition,
    #[error("it is read-only")]
    ReadOnly,
    #[error("it is {what}, and has no serial number that you could confirm it by")]
    Nameless { what: Printable },
    #[error("it is {what} with the serial number {serial}; if everything on it may be lost, say --i-own-serial {serial}")]
    Unconfirmed { what: Printable, serial: Printable },
    #[error("it is {what} with the serial number {serial}, and not {expected}")]
    OtherDrive { what: Printable, serial: Printable, expected: Printable },
    #[error("no file is bound to it")]
    Unbound,
    #[error("what lies below it cannot be trusted: {why}")]
    Backing { why: String },
    #[error("it is open elsewhere: {by}")]
    Busy { by: String },
    #[error("it has {bytes} bytes; {needed} are needed, label areas included")]
    TooSmall { bytes: u64, needed: u64 },
    #[error("it holds {what} (at byte {offset})")]
    Labelled { what: &'static str, offset: u64 },
    #[error("it is not blank: data that assay does not know begins at byte {offset}")]
    NotBlank { offset: u64 },
    #[error("{bytes} bytes are needed, and of the {free} bytes free there at most {allowed} may be used")]
    NoRoom { bytes: u64, free: u64, allowed: u64 },
    #[error("the pool {pool} is full, and what is written to it waits until there is room in it")]
    Full { pool: Printable },
    #[error("whether the pool {pool} is full cannot be told: {why}")]
    Fullness { pool: Printable, why: String },
    #[error("`{name}` is no name for a run: letters, digits and hyphens are")]
    RunName { name: Printable },
    #[error(
        "{why}; a scratch image is made in rbd:POOL/ or rbd:POOL/NAMESPACE/ (krbd:POOL/ when the kernel shall map it), with :cache=off, :object_size=4MiB or :features=layering behind it"
    )]
    NoPlace { why: String },
    #[error("the site does not name {place} among the `scratch_pools` of [ceph] in declared.toml")]
    NotNamed { place: Printable },
    #[error("{why}; scratch objects are made in rados:POOL/ or rados:POOL/NAMESPACE/")]
    NoObjectPlace { why: String },
    #[error("the site names none among the `scratch_pools` of [ceph] in declared.toml")]
    NoneNamed,
    #[error("the site names several among its `scratch_pools`: say which by --target rados:POOL/: {names}")]
    WhichPool { names: String },
    #[error("the object {object} is there already, and assay did not make it for this run")]
    ForeignObject { object: Printable },
    #[error("the image {image} is there already, and assay did not make it for this run")]
    Foreign { image: Printable },
    #[error("it maps the snapshot {snapshot} of the image {image}; what is written to is an image itself")]
    Snapshot { image: Printable, snapshot: Printable },
    #[error("it maps the image {image}, {why}; only images that assay has made are written to")]
    NotOurs { image: Printable, why: String },
    #[error("it maps an image of the cluster {fsid}, and the configuration of Ceph leads to {known}")]
    OtherCluster { fsid: Printable, known: Printable },
    #[error("this kernel has no driver for images of Ceph: {why}")]
    NoDriver { why: String },
    #[error("the driver of this kernel does not know the features {features}")]
    UnknownFeatures { features: String },
    #[error("{}", crate::error::chain(.0))]
    Cluster(#[from] ClusterError),
    #[error("its file system does not support direct I/O")]
    NoDirectIo,
    #[error("cannot {act}: {source}")]
    Io { act: &'static str, source: io::Error },
}

impl Cause {
    pub(super) fn io(act: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Cause::Io { act, source }
    }
}

pub(super) fn refused(path: &Path) -> impl FnOnce(Cause) -> Refusal + '_ {
    move |cause| Refusal { subject: Printable::new(path), cause }
}

pub(super) fn kind_of(path: &Path) -> Result<TargetKind, Cause> {
    let kind = match fs::symlink_metadata(path) {
        Ok(data) => data.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Cause::Missing),
        Err(error) => return Err(Cause::io("look at it")(error)),
    };
    if kind.is_dir() {
        Ok(TargetKind::Folder)
    } else if kind.is_block_device() {
        Ok(TargetKind::BlockDevice)
    } else if kind.is_symlink() {
        Err(Cause::SymbolicLink)
    } else {
        let kinds =
            [(kind.is_file(), "regular file"), (kind.is_fifo(), "FIFO"), (kind.is_char_device(), "character device"), (kind.is_socket(), "socket")];
        Err(Cause::WrongKind { what: kinds.iter().find(|(is, _)| *is).map_or("thing of an unknown kind", |(_, what)| what) })
    }
}
