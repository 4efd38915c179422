//! librados of Ceph, loaded at run time: one binary for nodes with and without it. Declarations as in `rados/librados.h` (16.2; releases from 14 on have them all). Invariants: the
//! library is never unloaded; a cluster outlives its I/O contexts, and an I/O context everything that is done in it. Every call here may block for as long as the cluster wishes:
//! deadlines are `engine/cluster.rs`'s. Operations on objects that are measured are in `rados/objects.rs`.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::ptr;
use std::sync::OnceLock;

use libloading::Library;

mod objects;

pub(crate) use objects::Objects;

const LIBRADOS: &str = "librados.so.2";
/// `LIBRADOS_CREATE_EXCLUSIVE`.
const EXCLUSIVE: c_int = 1;
/// `LIBRADOS_CMPXATTR_OP_EQ`.
const EQUAL: u8 = 1;
/// Bytes of the value of an option; a longer one is an error.
const OPTION: usize = 4096;
/// Objects that are made or removed at the same time.
const AT_ONCE: usize = 64;

pub(crate) type Handle = *mut c_void;
pub(crate) type Callback = unsafe extern "C" fn(Handle, *mut c_void);
type Command = unsafe extern "C" fn(
    Handle,
    *const *const c_char,
    usize,
    *const c_char,
    usize,
    *mut *mut c_char,
    *mut usize,
    *mut *mut c_char,
    *mut usize,
) -> c_int;
type CommandOfOsd = unsafe extern "C" fn(
    Handle,
    c_int,
    *const *const c_char,
    usize,
    *const c_char,
    usize,
    *mut *mut c_char,
    *mut usize,
    *mut *mut c_char,
    *mut usize,
) -> c_int;

/// `struct rados_cluster_stat_t`.
#[repr(C)]
#[derive(Default)]
struct Usage {
    kb: u64,
    kb_used: u64,
    kb_avail: u64,
    num_objects: u64,
}

/// What is called, with the types of the header.
pub(crate) struct Calls {
    rados_version: unsafe extern "C" fn(*mut c_int, *mut c_int, *mut c_int),
    rados_create: unsafe extern "C" fn(*mut Handle, *const c_char) -> c_int,
    rados_conf_read_file: unsafe extern "C" fn(Handle, *const c_char) -> c_int,
    rados_conf_parse_env: unsafe extern "C" fn(Handle, *const c_char) -> c_int,
    rados_conf_set: unsafe extern "C" fn(Handle, *const c_char, *const c_char) -> c_int,
    rados_conf_get: unsafe extern "C" fn(Handle, *const c_char, *mut c_char, usize) -> c_int,
    rados_connect: unsafe extern "C" fn(Handle) -> c_int,
    rados_shutdown: unsafe extern "C" fn(Handle),
    rados_cluster_stat: unsafe extern "C" fn(Handle, *mut Usage) -> c_int,
    rados_mon_command: Command,
    rados_osd_command: CommandOfOsd,
    rados_buffer_free: unsafe extern "C" fn(*mut c_char),
    rados_ioctx_create: unsafe extern "C" fn(Handle, *const c_char, *mut Handle) -> c_int,
    rados_ioctx_set_namespace: unsafe extern "C" fn(Handle, *const c_char),
    rados_ioctx_destroy: unsafe extern "C" fn(Handle),
    rados_ioctx_get_id: unsafe extern "C" fn(Handle) -> i64,
    rados_getxattrs: unsafe extern "C" fn(Handle, *const c_char, *mut Handle) -> c_int,
    rados_getxattrs_next: unsafe extern "C" fn(Handle, *mut *const c_char, *mut *const c_char, *mut usize) -> c_int,
    rados_getxattrs_end: unsafe extern "C" fn(Handle),
    rados_create_write_op: unsafe extern "C" fn() -> Handle,
    rados_release_write_op: unsafe extern "C" fn(Handle),
    rados_write_op_assert_exists: unsafe extern "C" fn(Handle),
    rados_write_op_cmpxattr: unsafe extern "C" fn(Handle, *const c_char, u8, *const c_char, usize),
    rados_write_op_setxattr: unsafe extern "C" fn(Handle, *const c_char, *const c_char, usize),
    rados_write_op_rmxattr: unsafe extern "C" fn(Handle, *const c_char),
    rados_write_op_create: unsafe extern "C" fn(Handle, c_int, *const c_char),
    rados_write_op_write: unsafe extern "C" fn(Handle, *const c_char, usize, u64),
    rados_write_op_truncate: unsafe extern "C" fn(Handle, u64),
    rados_write_op_remove: unsafe extern "C" fn(Handle),
    rados_write_op_operate: unsafe extern "C" fn(Handle, Handle, *const c_char, *mut libc::time_t, c_int) -> c_int,
    rados_aio_write_op_operate: unsafe extern "C" fn(Handle, Handle, Handle, *const c_char, *mut libc::time_t, c_int) -> c_int,
    rados_aio_read: unsafe extern "C" fn(Handle, *const c_char, Handle, *mut c_char, usize, u64) -> c_int,
    rados_aio_flush_async: unsafe extern "C" fn(Handle, Handle) -> c_int,
    rados_aio_create_completion: unsafe extern "C" fn(*mut c_void, Option<Callback>, Option<Callback>, *mut Handle) -> c_int,
    rados_aio_wait_for_complete: unsafe extern "C" fn(Handle) -> c_int,
    rados_aio_get_return_value: unsafe extern "C" fn(Handle) -> c_int,
    rados_aio_release: unsafe extern "C" fn(Handle),
}

/// A library, or a function of it, that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Its file.
    pub(crate) library: String,
    /// What the loader said.
    pub(crate) why: String,
}

/// The library, loaded once for as long as the process lives.
#[derive(Clone, Copy)]
pub(crate) struct Librados(&'static Calls);

impl Librados {
    /// Loads it, or says again why it cannot be done.
    pub(crate) fn load() -> Result<Self, Missing> {
        static LOADED: OnceLock<Result<Calls, Missing>> = OnceLock::new();
        LOADED.get_or_init(|| calls(LIBRADOS)).as_ref().map(Self).map_err(Clone::clone)
    }

    /// `3.0.0`, the version of the interface.
    pub(crate) fn version(self) -> String {
        let (mut major, mut minor, mut extra) = (0, 0, 0);
        // SAFETY: three integers of ours are written, during the call.
        unsafe { (self.0.rados_version)(&raw mut major, &raw mut minor, &raw mut extra) };
        format!("{major}.{minor}.{extra}")
    }
}

/// Opens a library of Ceph. Leaked, so that no function of it ever dangles: its threads go on after the last of our calls.
pub(super) fn open(name: &str) -> Result<&'static Library, Missing> {
    // SAFETY: what runs at loading is Ceph's own initialisation, which asks nothing of who loads it.
    let library = unsafe { Library::new(name) };
    library.map(|library| &*Box::leak(Box::new(library))).map_err(|error| Missing { library: name.to_owned(), why: told(&error) })
}

fn calls(file: &str) -> Result<Calls, Missing> {
    let library = open(file)?;
    // SAFETY: every function is taken under the name of its field, whose type is that of the header.
    unsafe {
        Ok(Calls {
            rados_version: function(library, file, "rados_version")?,
            rados_create: function(library, file, "rados_create")?,
            rados_conf_read_file: function(library, file, "rados_conf_read_file")?,
            rados_conf_parse_env: function(library, file, "rados_conf_parse_env")?,
            rados_conf_set: function(library, file, "rados_conf_set")?,
            rados_conf_get: function(library, file, "rados_conf_get")?,
            rados_connect: function(library, file, "rados_connect")?,
            rados_shutdown: function(library, file, "rados_shutdown")?,
            rados_cluster_stat: function(library, file, "rados_cluster_stat")?,
            rados_mon_command: function(library, file, "rados_mon_command")?,
            rados_osd_command: function(library, file, "rados_osd_command")?,
            rados_buffer_free: function(library, file, "rados_buffer_free")?,
            rados_ioctx_create: function(library, file, "rados_ioctx_create")?,
            rados_ioctx_set_namespace: function(library, file, "rados_ioctx_set_namespace")?,
            rados_ioctx_destroy: function(library, file, "rados_ioctx_destroy")?,
            rados_ioctx_get_id: function(library, file, "rados_ioctx_get_id")?,
            rados_getxattrs: function(library, file, "rados_getxattrs")?,
            rados_getxattrs_next: function(library, file, "rados_getxattrs_next")?,
            rados_getxattrs_end: function(library, file, "rados_getxattrs_end")?,
            rados_create_write_op: function(library, file, "rados_create_write_op")?,
            rados_release_write_op: function(library, file, "rados_release_write_op")?,
            rados_write_op_assert_exists: function(library, file, "rados_write_op_assert_exists")?,
            rados_write_op_cmpxattr: function(library, file, "rados_write_op_cmpxattr")?,
            rados_write_op_setxattr: function(library, file, "rados_write_op_setxattr")?,
            rados_write_op_rmxattr: function(library, file, "rados_write_op_rmxattr")?,
            rados_write_op_create: function(library, file, "rados_write_op_create")?,
            rados_write_op_write: function(library, file, "rados_write_op_write")?,
            rados_write_op_truncate: function(library, file, "rados_write_op_truncate")?,
            rados_write_op_remove: function(library, file, "rados_write_op_remove")?,
            rados_write_op_operate: function(library, file, "rados_write_op_operate")?,
            rados_aio_write_op_operate: function(library, file, "rados_aio_write_op_operate")?,
            rados_aio_read: function(library, file, "rados_aio_read")?,
            rados_aio_flush_async: function(library, file, "rados_aio_flush_async")?,
            rados_aio_create_completion: function(library, file, "rados_aio_create_completion")?,
            rados_aio_wait_for_complete: function(library, file, "rados_aio_wait_for_complete")?,
            rados_aio_get_return_value: function(library, file, "rados_aio_get_return_value")?,
            rados_aio_release: function(library, file, "rados_aio_release")?,
        })
    }
}

/// # Safety
/// `T` is the type of the function of that name.
pub(super) unsafe fn function<T: Copy>(library: &'static Library, file: &str, name: &str) -> Result<T, Missing> {
    // SAFETY: the caller gives the type of this function.
    let symbol = unsafe { library.get::<T>(name.as_bytes()) };
    symbol.map(|symbol| *symbol).map_err(|error| Missing { library: file.to_owned(), why: told(&error) })
}

fn told(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| source.to_string())
}

/// A negative answer is an errno.
pub(super) fn answered(answer: c_int) -> io::Result<()> {
    if answer < 0 { Err(io::Error::from_raw_os_error(answer.saturating_neg())) } else { Ok(()) }
}

pub(crate) fn text(of: &str) -> io::Result<CString> {
    CString::new(of).map_err(io::Error::other)
}

/// A cluster handle (`rados_t`): configured, then connected.
pub(crate) struct Cluster {
    calls: &'static Calls,
    handle: Handle,
}

// SAFETY: librados may be called from any thread; see "rados_t" in its header.
unsafe impl Send for Cluster {}
// SAFETY: as above.
unsafe impl Sync for Cluster {}

impl Cluster {
    /// A handle for the user `client.{id}`; `admin` without one.
    pub(crate) fn new(Librados(calls): Librados, id: Option<&str>) -> io::Result<Self> {
        let id = id.map(text).transpose()?;
        let mut handle = ptr::null_mut();
        // SAFETY: the id is a C string or null, and lives through the call; the handle is written.
        answered(unsafe { (calls.rados_create)(&raw mut handle, id.as_deref().map_or(ptr::null(), CStr::as_ptr)) })?;
        Ok(Self { calls, handle })
    }

    /// Reads a configuration file; without a name the one that librados finds: CEPH_CONF, /etc/ceph/ceph.conf, ~/.ceph/ceph.conf, ./ceph.conf.
    pub(crate) fn read_conf(&self, path: Option<&str>) -> io::Result<()> {
        let path = path.map(text).transpose()?;
        // SAFETY: the handle lives as long as self; the path is a C string or null, and lives through the call.
        answered(unsafe { (self.calls.rados_conf_read_file)(self.handle, path.as_deref().map_or(ptr::null(), CStr::as_ptr)) })
    }

    /// Takes the options of CEPH_ARGS.
    pub(crate) fn read_environment(&self) -> io::Result<()> {
        // SAFETY: the handle lives as long as self; null stands for CEPH_ARGS.
        answered(unsafe { (self.calls.rados_conf_parse_env)(self.handle, ptr::null()) })
    }

    /// Sets an option.
    pub(crate) fn set(&self, option: &str, value: &str) -> io::Result<()> {
        let (option, value) = (text(option)?, text(value)?);
        // SAFETY: the handle lives as long as self, both texts through the call.
        answered(unsafe { (self.calls.rados_conf_set)(self.handle, option.as_ptr(), value.as_ptr()) })
    }

    /// The value of an option, with what it is composed of put in.
    pub(crate) fn option(&self, option: &str) -> io::Result<String> {
        let option = text(option)?;
        let mut value = vec![0_u8; OPTION];
        // SAFETY: the handle lives as long as self, the name through the call; at most as many bytes of ours are written as there are.
        answered(unsafe { (self.calls.rados_conf_get)(self.handle, option.as_ptr(), value.as_mut_ptr().cast(), value.len()) })?;
        let value = CStr::from_bytes_until_nul(&value).map_err(io::Error::other)?;
        value.to_str().map(str::to_owned).map_err(io::Error::other)
    }

    /// Connects; a second call is an error of the library.
    pub(crate) fn connect(&self) -> io::Result<()> {
        // SAFETY: the handle lives as long as self.
        answered(unsafe { (self.calls.rados_connect)(self.handle) })
    }

    /// Bytes that are free in the whole cluster, copies not counted as one.
    pub(crate) fn free(&self) -> io::Result<u64> {
        let mut usage = Usage::default();
        // SAFETY: the handle lives as long as self; the answer is written.
        answered(unsafe { (self.calls.rados_cluster_stat)(self.handle, &raw mut usage) })?;
        Ok(usage.kb_avail.saturating_mul(1024))
    }

    /// Asks the monitors by a command in JSON; what they answer.
    pub(crate) fn ask_monitors(&self, command: &str) -> io::Result<String> {
        let command = text(command)?;
        let words = [command.as_ptr()];
        let mut said = Said::new(self.calls);
        // SAFETY: the handle lives as long as self, the command through the call; what is said is written, and freed by who holds it.
        let answer = unsafe {
            (self.calls.rados_mon_command)(
                self.handle,
                words.as_ptr(),
                words.len(),
                ptr::null(),
                0,
                &raw mut said.answer,
                &raw mut said.answer_len,
                &raw mut said.status,
                &raw mut said.status_len,
            )
        };
        said.told(answer)
    }

    /// Asks one OSD by a command in JSON; what it answers.
    pub(crate) fn ask_osd(&self, osd: u32, command: &str) -> io::Result<String> {
        let (osd, command) = (c_int::try_from(osd).map_err(io::Error::other)?, text(command)?);
        let words = [command.as_ptr()];
        let mut said = Said::new(self.calls);
        // SAFETY: the handle lives as long as self, the command through the call; what is said is written, and freed by who holds it.
        let answer = unsafe {
            (self.calls.rados_osd_command)(
                self.handle,
                osd,
                words.as_ptr(),
                words.len(),
                ptr::null(),
                0,
                &raw mut said.answer,
                &raw mut said.answer_len,
                &raw mut said.status,
                &raw mut said.status_len,
            )
        };
        said.told(answer)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SAFETY: the last use of the handle; an I/O context that needs it owns it, and drops its own first.
        unsafe { (self.calls.rados_shutdown)(self.handle) };
    }
}

/// What a command was answered with, freed at the end.
struct Said {
    calls: &'static Calls,
    answer: *mut c_char,
    answer_len: usize,
    status: *mut c_char,
    status_len: usize,
}

impl Said {
    fn new(calls: &'static Calls) -> Self {
        Self { calls, answer: ptr::null_mut(), answer_len: 0, status: ptr::null_mut(), status_len: 0 }
    }

    /// The answer, or the error with the words that came with it.
    fn told(&self, answer: c_int) -> io::Result<String> {
        let words = |bytes: *mut c_char, length: usize| {
            if bytes.is_null() {
                return String::new();
            }
            // SAFETY: the library has written so many bytes there, and frees them in our Drop.
            String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) }).into_owned()
        };
        let status = words(self.status, self.status_len);
        match answered(answer) {
            Ok(()) => Ok(words(self.answer, self.answer_len)),
            Err(error) if status.is_empty() => Err(error),
            Err(error) => Err(io::Error::new(error.kind(), format!("{status} ({error})"))),
        }
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        for text in [self.answer, self.status] {
            if !text.is_null() {
                // SAFETY: the library has made it, and it is not used afterwards.
                unsafe { (self.calls.rados_buffer_free)(text) };
            }
        }
    }
}

/// A pool of a connected cluster, with one namespace of it (`rados_ioctx_t`).
pub(crate) struct IoContext {
    cluster: Cluster,
    handle: Handle,
}

// SAFETY: an I/O context may be used from any thread, as long as its namespace is not changed, which happens only before the value is shared.
unsafe impl Send for IoContext {}
// SAFETY: as above.
unsafe impl Sync for IoContext {}

impl IoContext {
    /// The pool, in its default namespace.
    pub(crate) fn new(cluster: Cluster, pool: &str) -> io::Result<Self> {
        let pool = text(pool)?;
        let mut handle = ptr::null_mut();
        // SAFETY: the cluster lives, and the name through the call; the handle is written.
        answered(unsafe { (cluster.calls.rados_ioctx_create)(cluster.handle, pool.as_ptr(), &raw mut handle) })?;
        Ok(Self { cluster, handle })
    }

    /// The same in a namespace.
    pub(crate) fn within(self, namespace: &str) -> io::Result<Self> {
        let namespace = text(namespace)?;
        // SAFETY: the handle is ours alone; the name lives through the call, and is copied.
        unsafe { (self.cluster.calls.rados_ioctx_set_namespace)(self.handle, namespace.as_ptr()) };
        Ok(self)
    }

    /// Its cluster.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The number of the pool.
    pub(crate) fn id(&self) -> i64 {
        // SAFETY: the handle lives as long as self.
        unsafe { (self.calls().rados_ioctx_get_id)(self.handle) }
    }

    /// For the calls of librbd, which take it too.
    pub(super) fn handle(&self) -> Handle {
        self.handle
    }

    fn calls(&self) -> &'static Calls {
        self.cluster.calls
    }

    /// All attributes of an object.
    pub(crate) fn attributes(&self, object: &str) -> io::Result<Vec<(String, String)>> {
        let (calls, object) = (self.calls(), text(object)?);
        let mut all = ptr::null_mut();
        // SAFETY: the handle lives as long as self, the name through the call; the iterator is written.
        answered(unsafe { (calls.rados_getxattrs)(self.handle, object.as_ptr(), &raw mut all) })?;
        let mut found = Vec::new();
        let ended = loop {
            let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the iterator is the one that was made, and lives until its end below; the three are written.
            if let Err(error) = answered(unsafe { (calls.rados_getxattrs_next)(all, &raw mut name, &raw mut value, &raw mut length) }) {
                break Err(error);
            }
            if name.is_null() {
                break Ok(());
            }
            // SAFETY: a name is a C string that lives as long as the iterator.
            let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
            let value = if value.is_null() {
                String::new()
            } else {
                // SAFETY: the value has so many bytes, and lives as long as the iterator.
                String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length) }).into_owned()
            };
            found.push((name, value));
        };
        // SAFETY: made above, and not used afterwards.
        unsafe { (calls.rados_getxattrs_end)(all) };
        ended.map(|()| found)
    }

    /// Does all of it to one object, or nothing.
    pub(crate) fn change(&self, object: &str, changes: &[Change<'_>]) -> io::Result<()> {
        let (object, change) = (text(object)?, WriteOp::of(self.calls(), changes)?);
        // SAFETY: handle, operation and name live through the call; null stands for now.
        answered(unsafe { (self.calls().rados_write_op_operate)(change.handle, self.handle, object.as_ptr(), ptr::null_mut(), 0) })
    }

    /// Does the same to each of many objects, several at a time; what each came to, in their order.
    pub(crate) fn change_each(&self, objects: &[CString], changes: &[Change<'_>]) -> io::Result<Vec<io::Result<()>>> {
        let calls = self.calls();
        let mut all = Vec::with_capacity(objects.len());
        for some in objects.chunks(AT_ONCE) {
            let begun: Vec<io::Result<Pending>> = some.iter().map(|object| self.begin_change(object, changes)).collect();
            // Each is waited for, whatever became of the others: what is out uses the context.
            all.extend(begun.into_iter().map(|pending| {
                let Pending(completion) = pending?;
                // SAFETY: the completion is ours until its release below.
                unsafe { (calls.rados_aio_wait_for_complete)(completion) };
                // SAFETY: as above, and it is complete.
                let answer = unsafe { (calls.rados_aio_get_return_value)(completion) };
                // SAFETY: our reference to it, given up once.
                unsafe { (calls.rados_aio_release)(completion) };
                answered(answer)
            }));
        }
        Ok(all)
    }

    fn begin_change(&self, object: &CStr, changes: &[Change<'_>]) -> io::Result<Pending> {
        let (calls, change) = (self.calls(), WriteOp::of(self.calls(), changes)?);
        let mut completion = ptr::null_mut();
        // SAFETY: nobody is called back; the completion is written.
        answered(unsafe { (calls.rados_aio_create_completion)(ptr::null_mut(), None, None, &raw mut completion) })?;
        // SAFETY: all four live through the call, which copies name and operation; null stands for now.
        let begun = unsafe { (calls.rados_aio_write_op_operate)(change.handle, self.handle, completion, object.as_ptr(), ptr::null_mut(), 0) };
        answered(begun).inspect_err(|_| {
            // SAFETY: the operation was not begun, so nobody else knows the completion.
            unsafe { (calls.rados_aio_release)(completion) };
        })?;
        Ok(Pending(completion))
    }
}

/// A change that is under way.
struct Pending(Handle);

impl Drop for IoContext {
    fn drop(&mut self) {
        // SAFETY: the last use of the handle: whoever has operations out holds the context. The cluster is dropped after it.
        unsafe { (self.calls().rados_ioctx_destroy)(self.handle) };
    }
}

/// A part of what is done to an object, all at once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'a> {
    /// Nothing is done where it is there already.
    Create,
    /// Nothing is done unless this attribute has this value.
    Only(&'a str, &'a str),
    /// An attribute.
    Set(&'a str, &'a str),
    /// An attribute less.
    Unset(&'a str),
    /// So many bytes long; what is new of it reads as zeros.
    Length(u64),
    /// It is gone.
    Remove,
}

/// Changes of one object (`rados_write_op_t`).
struct WriteOp {
    calls: &'static Calls,
    handle: Handle,
}

impl WriteOp {
    fn new(calls: &'static Calls) -> io::Result<Self> {
        // SAFETY: nothing is asked.
        let handle = unsafe { (calls.rados_create_write_op)() };
        if handle.is_null() { Err(io::Error::from_raw_os_error(libc::ENOMEM)) } else { Ok(Self { calls, handle }) }
    }

    fn of(calls: &'static Calls, changes: &[Change<'_>]) -> io::Result<Self> {
        let op = Self::new(calls)?;
        for change in changes {
            op.add(*change)?;
        }
        Ok(op)
    }

    fn add(&self, change: Change<'_>) -> io::Result<()> {
        let Self { calls, handle } = *self;
        match change {
            // SAFETY: the operation lives as long as self; no category is null.
            Change::Create => unsafe { (calls.rados_write_op_create)(handle, EXCLUSIVE, ptr::null()) },
            Change::Only(name, value) => {
                let name = text(name)?;
                // SAFETY: as above; name and value are copied during the call.
                unsafe { (calls.rados_write_op_cmpxattr)(handle, name.as_ptr(), EQUAL, value.as_ptr().cast(), value.len()) };
            }
            Change::Set(name, value) => {
                let name = text(name)?;
                // SAFETY: as above.
                unsafe { (calls.rados_write_op_setxattr)(handle, name.as_ptr(), value.as_ptr().cast(), value.len()) };
            }
            Change::Unset(name) => {
                let name = text(name)?;
                // SAFETY: as above.
                unsafe { (calls.rados_write_op_rmxattr)(handle, name.as_ptr()) };
            }
            // SAFETY: the operation lives as long as self.
            Change::Length(bytes) => unsafe { (calls.rados_write_op_truncate)(handle, bytes) },
            // SAFETY: as above.
            Change::Remove => unsafe { (calls.rados_write_op_remove)(handle) },
        }
        Ok(())
    }
}

impl Drop for WriteOp {
    fn drop(&mut self) {
        // SAFETY: the last use of the handle; what was begun with it has its own copy.
        unsafe { (self.calls.rados_release_write_op)(self.handle) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(librados: &str) -> Missing {
        calls(librados).err().expect("is missing")
    }

    #[test]
    fn a_missing_library_is_an_answer_and_names_its_file() {
        let library = missing("libassay-no-such-rados.so.2");
        assert!(library.library == "libassay-no-such-rados.so.2" && library.why.contains("cannot open shared object file"), "{library:?}");
    }

    #[test]
    fn a_library_without_the_functions_is_missing_too() {
        let library = missing("libc.so.6");
        assert!(library.library == "libc.so.6" && library.why.contains("rados_version"), "{library:?}");
    }
}
