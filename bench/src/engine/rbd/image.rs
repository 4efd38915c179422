//! An image of a Ceph cluster, open for writing: how it is laid out, what its client caches, and that it is closed before anybody removes it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::cluster::within;
use crate::error::ClusterError;
use crate::sys::rbd as sys;

/// What the client of an image caches (`rbd_cache` and `rbd_cache_policy` of Ceph). Figures with different ones are figures of different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cache {
    /// Nothing: every operation is answered by the cluster.
    #[default]
    Off,
    /// Reads; a write is complete when the cluster has it.
    WriteThrough,
    /// Writes that are under way: complete before the cluster has them, within a bound, and lost with the client. Reads are not cached.
    WriteAround,
    /// Both: a write is complete before the cluster has it, and is lost with the client.
    WriteBack,
}

impl Cache {
    /// All of them.
    pub const ALL: &[Self] = &[Cache::Off, Cache::WriteThrough, Cache::WriteAround, Cache::WriteBack];

    /// Ceph's word.
    pub fn name(self) -> &'static str {
        match self {
            Cache::Off => "off",
            Cache::WriteThrough => "writethrough",
            Cache::WriteAround => "writearound",
            Cache::WriteBack => "writeback",
        }
    }

    /// Options of Ceph that make it so, whoever opens the image. That a cache is safe until the first flush and fast afterwards would make two figures of one.
    pub(super) fn options(self) -> Vec<(&'static str, &'static str)> {
        let policy = match self {
            Cache::Off => return vec![("rbd_cache", "false")],
            Cache::WriteThrough | Cache::WriteAround | Cache::WriteBack => self.name(),
        };
        vec![("rbd_cache", "true"), ("rbd_cache_policy", policy), ("rbd_cache_writethrough_until_flush", "false")]
    }
}

impl FromStr for Cache {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = || Cache::ALL.iter().map(|cache| cache.name()).collect::<Vec<_>>().join(", ");
        Cache::ALL.iter().copied().find(|cache| cache.name() == word).ok_or_else(|| format!("`{word}` is no cache; there are {}", known()))
    }
}

/// A feature of an image, with Ceph's name and bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    bit: u64,
    // What it needs beside it.
    needs: Option<&'static str>,
}

const FEATURES: &[Feature] = &[
    Feature { name: "layering", bit: 1, needs: None },
    Feature { name: "exclusive-lock", bit: 1 << 2, needs: None },
    Feature { name: "object-map", bit: 1 << 3, needs: Some("exclusive-lock") },
    Feature { name: "fast-diff", bit: 1 << 4, needs: Some("object-map") },
    Feature { name: "deep-flatten", bit: 1 << 5, needs: None },
    Feature { name: "journaling", bit: 1 << 6, needs: Some("exclusive-lock") },
];

/// A set of features, written as `layering+exclusive-lock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Features(u64);

impl Features {
    /// Ceph's own bits.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Those of them that are not among `bits`.
    #[must_use]
    pub fn without(self, bits: u64) -> Self {
        Self(self.0 & !bits)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl TryFrom<String> for Features {
    type Error = String;

    fn try_from(words: String) -> Result<Self, String> {
        words.parse()
    }
}

impl From<Features> for String {
    fn from(features: Features) -> Self {
        features.to_string()
    }
}

impl Default for Features {
    /// Ceph's own default since 12: all but journaling.
    fn default() -> Self {
        Self(0b11_1101)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = FEATURES.iter().filter(|feature| self.0 & feature.bit != 0).map(|feature| feature.name).collect();
        f.write_str(&names.join("+"))
    }
}

impl FromStr for Features {
    type Err = String;

    fn from_str(words: &str) -> Result<Self, String> {
        let known = || FEATURES.iter().map(|feature| feature.name).collect::<Vec<_>>().join(", ");
        let mut chosen = Vec::new();
        for word in words.split('+') {
            let feature = FEATURES.iter().find(|feature| feature.name == word);
            chosen.push(feature.ok_or_else(|| format!("`{word}` is no feature of an image; there are {}", known()))?);
        }
        let missing =
            chosen.iter().find_map(|feature| feature.needs.filter(|needs| !chosen.iter().any(|other| other.name == *needs)).zip(Some(feature.name)));
        if let Some((needs, name)) = missing {
            return Err(format!("the feature {name} needs {needs}"));
        }
        Ok(Self(chosen.iter().fold(0, |mask, feature| mask | feature.bit)))
    }
}

/// How an image is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// log2 of the bytes of an object.
    order: u32,
    /// Its features.
    pub features: Features,
}

impl Default for Layout {
    /// Ceph's: objects of 4 MiB.
    fn default() -> Self {
        Self { order: 22, features: Features::default() }
    }
}

impl Layout {
    /// Objects of so many bytes, from 4 KiB to 32 MiB, a power of two.
    pub fn new(object_bytes: u64, features: Features) -> Result<Self, String> {
        if !object_bytes.is_power_of_two() || !((4 << 10)..=(32 << 20)).contains(&object_bytes) {
            return Err(format!("objects of {object_bytes} bytes are none of Ceph's: a power of two from 4 KiB to 32 MiB"));
        }
        Ok(Self { order: object_bytes.ilog2(), features })
    }

    /// Bytes of an object.
    pub fn object_bytes(&self) -> u64 {
        1 << self.order
    }

    pub(super) fn order(&self) -> u32 {
        self.order
    }

    pub(super) fn mask(&self) -> u64 {
        self.features.0
    }
}

/// What an image is made of: object `n` is called `prefix.{n:016x}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objects {
    /// Bytes of each.
    pub bytes: u64,
    /// What their names begin with.
    pub prefix: String,
}

/// An open image. Clones are the same one; it is closed when the last is dropped, or by [`Image::close`] for all.
#[derive(Clone)]
pub struct Image(Arc<Opened>);

struct Opened {
    name: String,
    bytes: u64,
    cache: Cache,
    library: String,
    deadline: Duration,
    // None after the closing.
    handle: Mutex<Option<Arc<sys::Image>>>,
}

impl Image {
    pub(super) fn new(handle: sys::Image, name: String, bytes: u64, cache: Cache, library: String, deadline: Duration) -> Self {
        Self(Arc::new(Opened { name, bytes, cache, library, deadline, handle: Mutex::new(Some(Arc::new(handle))) }))
    }

    /// `rbd-vms/assay-scratch-1`, with the namespace in between where there is one.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// The objects that it is made of.
    pub fn objects(&self) -> Result<Objects, ClusterError> {
        let handle = self.emptied()?;
        let (bytes, prefix) = within("ask for the objects of", &self.0.name, self.0.deadline, move || handle.objects())?;
        if bytes == 0 || prefix.is_empty() {
            let source = std::io::Error::other("the library says nothing of them");
            return Err(ClusterError::Call { act: "ask for the objects of", subject: self.0.name.clone(), source });
        }
        Ok(Objects { bytes, prefix })
    }

    /// What its client caches.
    pub fn cache(&self) -> Cache {
        self.0.cache
    }

    /// Version of librbd's interface.
    pub fn library(&self) -> &str {
        &self.0.library
    }

    /// The handle, after all that its client has cached is written and forgotten.
    pub(super) fn emptied(&self) -> Result<Arc<sys::Image>, ClusterError> {
        let open = self.0.handle.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let closed = || std::io::Error::other("it was closed by whoever had opened it");
        let handle = open.ok_or_else(|| ClusterError::Call { act: "work on the image", subject: self.0.name.clone(), source: closed() })?;
        if self.0.cache != Cache::Off {
            let empty = Arc::clone(&handle);
            within("empty the client's cache of", &self.0.name, self.0.deadline, move || empty.flush().and_then(|()| empty.invalidate_cache()))?;
        }
        Ok(handle)
    }

    /// Closes it for all; what was written is flushed. An error while a lane is still there.
    pub fn close(&self) -> Result<(), ClusterError> {
        let taken = self.0.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(handle) = taken else { return Ok(()) };
        let Some(handle) = Arc::into_inner(handle) else {
            let source = std::io::Error::other("operations on it are still out");
            return Err(ClusterError::Call { act: "close the image", subject: self.0.name.clone(), source });
        };
        within("close the image", &self.0.name, self.0.deadline, move || handle.flush())
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("name", &self.0.name).field("bytes", &self.0.bytes).field("cache", &self.0.cache).finish_non_exhaustive()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let taken = self.handle.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = taken.and_then(Arc::into_inner) {
            // Closing waits for the cluster, which may be gone: then the image is left to its thread.
            let _ = within("close", &self.name, self.deadline, move || {
                drop(handle);
                Ok(())
            });
        }
    }
}
