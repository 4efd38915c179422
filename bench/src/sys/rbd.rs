//! librbd of Ceph, loaded at run time beside librados (`rados.rs`): one binary for nodes with and without them. Declarations as in `rbd/librbd.h` (16.2; releases from 14 on have
//! them all). Invariants: the libraries are never unloaded; an image outlives every operation on it, its pool every image, its cluster the pool. Every call here may block for as
//! long as the cluster wishes: deadlines are `engine/cluster.rs`'s.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::ptr;
use std::sync::{Arc, OnceLock};

use super::operations::Target;
use super::rados::{self, Callback, Cluster, Handle, IoContext, Missing, answered, function, text};
use crate::engine::{Op, OpKind};

const LIBRBD: &str = "librbd.so.1";

/// `LIBRADOS_OP_FLAG_FADVISE_FUA`: a write goes through a cache that writes back.
const FUA: c_int = 0x80;
/// Watchers and lockers that are looked at; more of them are "many".
const SHOWN: usize = 16;
/// Bytes of each answer that is a text.
const TEXT: usize = 4096;
/// `rbd_image_info_t`.
#[repr(C)]
struct Info {
    size: u64,
    obj_size: u64,
    num_objs: u64,
    order: c_int,
    block_name_prefix: [c_char; 24],
    parent_pool: i64,
    parent_name: [c_char; 96],
}

const _: () = assert!(size_of::<Info>() == 160, "as the compiler of the library lays it out on 64-bit machines");

/// `rbd_image_watcher_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Watcher {
    addr: *mut c_char,
    id: i64,
    cookie: u64,
}

/// What is called, with the types of the header.
pub(crate) struct Calls {
    rbd_version: unsafe extern "C" fn(*mut c_int, *mut c_int, *mut c_int),
    rbd_namespace_exists: unsafe extern "C" fn(Handle, *const c_char, *mut bool) -> c_int,
    rbd_list: unsafe extern "C" fn(Handle, *mut c_char, *mut usize) -> c_int,
    rbd_create2: unsafe extern "C" fn(Handle, *const c_char, u64, u64, *mut c_int) -> c_int,
    rbd_remove: unsafe extern "C" fn(Handle, *const c_char) -> c_int,
    rbd_open: unsafe extern "C" fn(Handle, *const c_char, *mut Handle, *const c_char) -> c_int,
    rbd_open_read_only: unsafe extern "C" fn(Handle, *const c_char, *mut Handle, *const c_char) -> c_int,
    rbd_close: unsafe extern "C" fn(Handle) -> c_int,
    rbd_get_size: unsafe extern "C" fn(Handle, *mut u64) -> c_int,
    rbd_get_id: unsafe extern "C" fn(Handle, *mut c_char, usize) -> c_int,
    rbd_get_data_pool_id: unsafe extern "C" fn(Handle) -> i64,
    rbd_get_stripe_count: unsafe extern "C" fn(Handle, *mut u64) -> c_int,
    rbd_stat: unsafe extern "C" fn(Handle, *mut Info, usize) -> c_int,
    rbd_get_modify_timestamp: unsafe extern "C" fn(Handle, *mut libc::timespec) -> c_int,
    rbd_metadata_get: unsafe extern "C" fn(Handle, *const c_char, *mut c_char, *mut usize) -> c_int,
    rbd_metadata_set: unsafe extern "C" fn(Handle, *const c_char, *const c_char) -> c_int,
    rbd_watchers_list: unsafe extern "C" fn(Handle, *mut Watcher, *mut usize) -> c_int,
    rbd_watchers_list_cleanup: unsafe extern "C" fn(*mut Watcher, usize),
    #[allow(clippy::type_complexity, reason = "as the header has it")]
    rbd_list_lockers: unsafe extern "C" fn(
        Handle,
        *mut c_int,
        *mut c_char,
        *mut usize,
        *mut c_char,
        *mut usize,
        *mut c_char,
        *mut usize,
        *mut c_char,
        *mut usize,
    ) -> isize,
    rbd_flush: unsafe extern "C" fn(Handle) -> c_int,
    rbd_invalidate_cache: unsafe extern "C" fn(Handle) -> c_int,
    rbd_aio_create_completion: unsafe extern "C" fn(*mut c_void, Callback, *mut Handle) -> c_int,
    rbd_aio_release: unsafe extern "C" fn(Handle),
    rbd_aio_get_return_value: unsafe extern "C" fn(Handle) -> isize,
    rbd_aio_read: unsafe extern "C" fn(Handle, u64, usize, *mut c_char, Handle) -> c_int,
    rbd_aio_write: unsafe extern "C" fn(Handle, u64, usize, *const c_char, Handle) -> c_int,
    rbd_aio_write2: unsafe extern "C" fn(Handle, u64, usize, *const c_char, Handle, c_int) -> c_int,
    rbd_aio_discard: unsafe extern "C" fn(Handle, u64, u64, Handle) -> c_int,
    rbd_aio_flush: unsafe extern "C" fn(Handle, Handle) -> c_int,
}

/// The library, loaded once for as long as the process lives.
#[derive(Clone, Copy)]
pub(crate) struct Librbd(&'static Calls);

impl Librbd {
    /// Loads it, or says again why it cannot be done.
    pub(crate) fn load() -> Result<Self, Missing> {
        static LOADED: OnceLock<Result<Calls, Missing>> = OnceLock::new();
        LOADED.get_or_init(|| calls(LIBRBD)).as_ref().map(Self).map_err(Clone::clone)
    }

    /// `1.16.0`, the version of the interface.
    pub(crate) fn version(self) -> String {
        let (mut major, mut minor, mut extra) = (0, 0, 0);
        // SAFETY: three integers of ours are written, during the call.
        unsafe { (self.0.rbd_version)(&raw mut major, &raw mut minor, &raw mut extra) };
        format!("{major}.{minor}.{extra}")
    }
}

fn calls(file: &str) -> Result<Calls, Missing> {
    let library = rados::open(file)?;
    // SAFETY: every function is taken under the name of its field, whose type is that of the header.
    unsafe {
        Ok(Calls {
            rbd_version: function(library, file, "rbd_version")?,
            rbd_namespace_exists: function(library, file, "rbd_namespace_exists")?,
            rbd_list: function(library, file, "rbd_list")?,
            rbd_create2: function(library, file, "rbd_create2")?,
            rbd_remove: function(library, file, "rbd_remove")?,
            rbd_open: function(library, file, "rbd_open")?,
            rbd_open_read_only: function(library, file, "rbd_open_read_only")?,
            rbd_close: function(library, file, "rbd_close")?,
            rbd_get_size: function(library, file, "rbd_get_size")?,
            rbd_get_id: function(library, file, "rbd_get_id")?,
            rbd_get_data_pool_id: function(library, file, "rbd_get_data_pool_id")?,
            rbd_get_stripe_count: function(library, file, "rbd_get_stripe_count")?,
            rbd_stat: function(library, file, "rbd_stat")?,
            rbd_get_modify_timestamp: function(library, file, "rbd_get_modify_timestamp")?,
            rbd_metadata_get: function(library, file, "rbd_metadata_get")?,
            rbd_metadata_set: function(library, file, "rbd_metadata_set")?,
            rbd_watchers_list: function(library, file, "rbd_watchers_list")?,
            rbd_watchers_list_cleanup: function(library, file, "rbd_watchers_list_cleanup")?,
            rbd_list_lockers: function(library, file, "rbd_list_lockers")?,
            rbd_flush: function(library, file, "rbd_flush")?,
            rbd_invalidate_cache: function(library, file, "rbd_invalidate_cache")?,
            rbd_aio_create_completion: function(library, file, "rbd_aio_create_completion")?,
            rbd_aio_release: function(library, file, "rbd_aio_release")?,
            rbd_aio_get_return_value: function(library, file, "rbd_aio_get_return_value")?,
            rbd_aio_read: function(library, file, "rbd_aio_read")?,
            rbd_aio_write: function(library, file, "rbd_aio_write")?,
            rbd_aio_write2: function(library, file, "rbd_aio_write2")?,
            rbd_aio_discard: function(library, file, "rbd_aio_discard")?,
            rbd_aio_flush: function(library, file, "rbd_aio_flush")?,
        })
    }
}

/// A pool of a connected cluster, with one namespace of it, as librbd sees it.
pub(crate) struct Pool {
    calls: &'static Calls,
    context: IoContext,
}

impl Pool {
    /// The pool, in its namespace; without one in the default namespace.
    pub(crate) fn new(Librbd(calls): Librbd, cluster: Cluster, pool: &str, namespace: Option<&str>) -> io::Result<Self> {
        let pool = Self { calls, context: IoContext::new(cluster, pool)? };
        let Some(namespace) = namespace else { return Ok(pool) };
        pool.must_have(namespace)?;
        Ok(Self { context: pool.context.within(namespace)?, ..pool })
    }

    fn must_have(&self, namespace: &str) -> io::Result<()> {
        let (namespace, mut exists) = (text(namespace)?, false);
        // SAFETY: the handle lives as long as self, the name through the call; the flag is written.
        answered(unsafe { (self.calls.rbd_namespace_exists)(self.context.handle(), namespace.as_ptr(), &raw mut exists) })?;
        if exists { Ok(()) } else { Err(io::Error::new(io::ErrorKind::NotFound, "the pool has no such namespace")) }
    }

    /// The value of an option of the connection.
    pub(crate) fn option(&self, option: &str) -> io::Result<String> {
        self.context.cluster().option(option)
    }

    /// What the monitors answer to a command, JSON both.
    pub(crate) fn ask(&self, command: &str) -> io::Result<String> {
        self.context.cluster().ask_monitors(command)
    }

    /// Bytes that are free in the whole cluster, copies not counted as one.
    pub(crate) fn free(&self) -> io::Result<u64> {
        self.context.cluster().free()
    }

    /// Names of all images.
    pub(crate) fn images(&self) -> io::Result<Vec<String>> {
        let mut names: Vec<u8> = vec![0; TEXT];
        loop {
            let mut length = names.len();
            // SAFETY: the handle lives as long as self; at most `length` bytes of ours are written.
            match answered(unsafe { (self.calls.rbd_list)(self.context.handle(), names.as_mut_ptr().cast(), &raw mut length) }) {
                Err(error) if error.raw_os_error() == Some(libc::ERANGE) && length > names.len() => names.resize(length, 0),
                Err(error) => return Err(error),
                Ok(()) => return Ok(strings(&names)),
            }
        }
    }

    /// Makes an image of objects of 2^`order` bytes with the features of this mask.
    pub(crate) fn create(&self, name: &str, bytes: u64, features: u64, order: u32) -> io::Result<()> {
        let (name, mut order) = (text(name)?, c_int::try_from(order).map_err(io::Error::other)?);
        // SAFETY: the handle lives as long as self, the name through the call; the order is read and written.
        answered(unsafe { (self.calls.rbd_create2)(self.context.handle(), name.as_ptr(), bytes, features, &raw mut order) })
    }

    /// Removes an image; one that is open anywhere is EBUSY.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let name = text(name)?;
        // SAFETY: the handle lives as long as self, the name through the call.
        answered(unsafe { (self.calls.rbd_remove)(self.context.handle(), name.as_ptr()) })
    }

    /// Opens an image for reading and writing, which watches it, or for reading only, which does not.
    pub(crate) fn open(self: &Arc<Self>, name: &str, read_only: bool) -> io::Result<Image> {
        let (calls, name) = (self.calls, text(name)?);
        let mut handle = ptr::null_mut();
        let open = if read_only { calls.rbd_open_read_only } else { calls.rbd_open };
        // SAFETY: the pool lives as long as the image, which holds it; the name lives through the call, null is no snapshot; the handle is written.
        answered(unsafe { open(self.context.handle(), name.as_ptr(), &raw mut handle, ptr::null()) })?;
        Ok(Image { pool: Arc::clone(self), handle })
    }
}

fn strings(bytes: &[u8]) -> Vec<String> {
    bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Who else holds an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Holders {
    /// Addresses of the clients that have it open for writing.
    pub(crate) watchers: Vec<String>,
    /// Those who hold an advisory lock. The one that librbd takes by itself is none: it outlives the client that had it.
    pub(crate) lockers: Vec<String>,
}

/// The tag of locks that librbd takes by itself (`exclusive-lock`).
const OWN_TAG: &str = "internal";

/// An open image (`rbd_image_t`).
pub(crate) struct Image {
    pool: Arc<Pool>,
    handle: Handle,
}

// SAFETY: librbd may be called for one image from any thread.
unsafe impl Send for Image {}
// SAFETY: as above.
unsafe impl Sync for Image {}

impl Image {
    fn calls(&self) -> &'static Calls {
        self.pool.calls
    }

    /// Its size, bytes.
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        // SAFETY: the handle lives as long as self; the size is written.
        answered(unsafe { (self.calls().rbd_get_size)(self.handle, &raw mut bytes) })?;
        Ok(bytes)
    }

    /// What the cluster calls it: another image that is given its name one day has another.
    pub(crate) fn id(&self) -> io::Result<String> {
        let mut id = [0_u8; TEXT];
        // SAFETY: the handle lives as long as self; at most as many bytes of ours are written as there are.
        answered(unsafe { (self.calls().rbd_get_id)(self.handle, id.as_mut_ptr().cast(), id.len()) })?;
        Ok(strings(&id).into_iter().next().unwrap_or_default())
    }

    /// Whether its data lie in its own pool, one object after the other, as it was asked for. The cluster's options can have it otherwise.
    pub(crate) fn is_plain(&self) -> io::Result<bool> {
        let mut stripes = 0;
        // SAFETY: the handle lives as long as self; the count is written.
        answered(unsafe { (self.calls().rbd_get_stripe_count)(self.handle, &raw mut stripes) })?;
        // SAFETY: the handle lives as long as self.
        let data = unsafe { (self.calls().rbd_get_data_pool_id)(self.handle) };
        Ok(data == self.pool.context.id() && stripes == 1)
    }

    /// Bytes of an object, and what the names of its objects begin with.
    pub(crate) fn objects(&self) -> io::Result<(u64, String)> {
        let mut info = Info { size: 0, obj_size: 0, num_objs: 0, order: 0, block_name_prefix: [0; 24], parent_pool: 0, parent_name: [0; 96] };
        // SAFETY: the handle lives as long as self; the answer has the layout of the header, which has not changed from release 14 to 19, whatever size is given.
        answered(unsafe { (self.calls().rbd_stat)(self.handle, &raw mut info, size_of::<Info>()) })?;
        let prefix: Vec<u8> = info.block_name_prefix.iter().take_while(|byte| **byte != 0).map(|byte| byte.cast_unsigned()).collect();
        Ok((info.obj_size, String::from_utf8_lossy(&prefix).into_owned()))
    }

    /// When it was last written to, by the clock of the cluster, to within a minute: seconds since 1970.
    pub(crate) fn modified(&self) -> io::Result<i64> {
        let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the handle lives as long as self; the time is written.
        answered(unsafe { (self.calls().rbd_get_modify_timestamp)(self.handle, &raw mut at) })?;
        Ok(at.tv_sec)
    }

    /// What stands under a key of its metadata.
    pub(crate) fn metadata(&self, key: &str) -> io::Result<Option<String>> {
        let key = text(key)?;
        let (mut value, mut length) = (vec![0_u8; TEXT], TEXT);
        // SAFETY: the handle lives as long as self, the key through the call; at most `length` bytes of ours are written.
        match answered(unsafe { (self.calls().rbd_metadata_get)(self.handle, key.as_ptr(), value.as_mut_ptr().cast(), &raw mut length) }) {
            Ok(()) => Ok(Some(strings(&value).into_iter().next().unwrap_or_default())),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a key of its metadata; those that begin with `conf_` are options of whoever opens the image from then on.
    pub(crate) fn set_metadata(&self, key: &str, value: &str) -> io::Result<()> {
        let (key, value) = (text(key)?, text(value)?);
        // SAFETY: the handle lives as long as self, both texts through the call.
        answered(unsafe { (self.calls().rbd_metadata_set)(self.handle, key.as_ptr(), value.as_ptr()) })
    }

    /// Who has it open for writing, or locked; ourselves included.
    pub(crate) fn holders(&self) -> io::Result<Holders> {
        Ok(Holders { watchers: self.watchers()?, lockers: self.lockers()? })
    }

    fn watchers(&self) -> io::Result<Vec<String>> {
        let mut list = [Watcher { addr: ptr::null_mut(), id: 0, cookie: 0 }; SHOWN];
        let mut count = list.len();
        // SAFETY: the handle lives as long as self; at most `count` entries of ours are written.
        match answered(unsafe { (self.calls().rbd_watchers_list)(self.handle, list.as_mut_ptr(), &raw mut count) }) {
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) => return Ok(vec![format!("{count} clients")]),
            other => other?,
        }
        let named = |watcher: &Watcher| {
            // SAFETY: the library has written a C string for each of the first `count` entries, and frees it in the clean-up below.
            unsafe { CStr::from_ptr(watcher.addr) }.to_string_lossy().into_owned()
        };
        let names = list.iter().take(count).map(named).collect();
        // SAFETY: the entries are those that were written, and are not used afterwards.
        unsafe { (self.calls().rbd_watchers_list_cleanup)(list.as_mut_ptr(), count) };
        Ok(names)
    }

    fn lockers(&self) -> io::Result<Vec<String>> {
        let mut exclusive = 0;
        let [mut tag, mut clients, mut cookies, mut addresses] = [[0_u8; TEXT]; 4];
        let [mut tag_len, mut clients_len, mut cookies_len, mut addresses_len] = [TEXT; 4];
        // SAFETY: the handle lives as long as self; of each buffer of ours at most as many bytes are written as its length says.
        let answer = unsafe {
            (self.calls().rbd_list_lockers)(
                self.handle,
                &raw mut exclusive,
                tag.as_mut_ptr().cast(),
                &raw mut tag_len,
                clients.as_mut_ptr().cast(),
                &raw mut clients_len,
                cookies.as_mut_ptr().cast(),
                &raw mut cookies_len,
                addresses.as_mut_ptr().cast(),
                &raw mut addresses_len,
            )
        };
        match answered(c_int::try_from(answer).map_err(io::Error::other)?) {
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) => return Ok(vec!["many clients".to_owned()]),
            other => other?,
        }
        let is_own = strings(&tag).first().is_some_and(|tag| tag == OWN_TAG);
        Ok(if answer == 0 || is_own { Vec::new() } else { strings(&clients) })
    }

    /// Everything that was written is on the medium.
    pub(crate) fn flush(&self) -> io::Result<()> {
        // SAFETY: the handle lives as long as self.
        answered(unsafe { (self.calls().rbd_flush)(self.handle) })
    }

    /// Forgets what the client's cache holds; what is dirty is written first.
    pub(crate) fn invalidate_cache(&self) -> io::Result<()> {
        // SAFETY: the handle lives as long as self.
        answered(unsafe { (self.calls().rbd_invalidate_cache)(self.handle) })
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: the last use of the handle: whoever has operations out holds the image. The pool is dropped after it.
        unsafe { (self.calls().rbd_close)(self.handle) };
    }
}

// SAFETY: librbd calls back once for each operation that was begun, and for none that was not.
unsafe impl Target for Image {
    type Calls = Calls;

    fn calls(&self) -> &'static Calls {
        self.pool.calls
    }

    unsafe fn completion(calls: &'static Calls, ticket: *mut c_void, over: Callback) -> io::Result<Handle> {
        let mut completion = ptr::null_mut();
        // SAFETY: the caller keeps the ticket until it is called back; the completion is written.
        answered(unsafe { (calls.rbd_aio_create_completion)(ticket, over, &raw mut completion) })?;
        Ok(completion)
    }

    unsafe fn begin(&self, op: &Op, buffer: *mut c_char, completion: Handle) -> io::Result<()> {
        let (calls, image) = (self.pool.calls, self.handle);
        let bytes = usize::try_from(op.bytes).map_err(io::Error::other)?;
        answered(match op.kind {
            // SAFETY: the caller keeps us and `bytes` of the buffer until the operation is over, and touches neither.
            OpKind::Read => unsafe { (calls.rbd_aio_read)(image, op.offset, bytes, buffer, completion) },
            // SAFETY: as above.
            OpKind::Write => unsafe { (calls.rbd_aio_write)(image, op.offset, bytes, buffer, completion) },
            // SAFETY: as above.
            OpKind::WriteFua => unsafe { (calls.rbd_aio_write2)(image, op.offset, bytes, buffer, completion, FUA) },
            // SAFETY: the caller keeps us until the operation is over.
            OpKind::Trim => unsafe { (calls.rbd_aio_discard)(image, op.offset, op.bytes.into(), completion) },
            // SAFETY: as above.
            OpKind::Flush => unsafe { (calls.rbd_aio_flush)(image, completion) },
        })
    }

    unsafe fn answer(calls: &'static Calls, completion: Handle) -> isize {
        // SAFETY: the caller says that it is complete.
        unsafe { (calls.rbd_aio_get_return_value)(completion) }
    }

    unsafe fn release(calls: &'static Calls, completion: Handle) {
        // SAFETY: the caller gives its reference up once.
        unsafe { (calls.rbd_aio_release)(completion) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_without_the_functions_is_missing_too() {
        let library = calls("libc.so.6").err().expect("is missing");
        assert!(library.library == "libc.so.6" && library.why.contains("rbd_version"), "{library:?}");
    }
}
