//! A connection to a Ceph cluster by librados, loaded at run time (`librados.so.2`, `rados/librados.h`), with one use: questions to monitors or managers,
//! each of them a command whose JSON goes in and whose answer comes out. Nothing here opens a pool. The library is looked for where the dynamic loader looks:
//! whoever starts assay with a path of their own means it.
//!
//! Invariant: `cluster` is the handle of a connection that was made, it is used by one thread at a time (`&mut self`), and the library stays loaded for as
//! long as the handle lives; it is never unloaded, for its threads may outlive `rados_shutdown`.
//!
//! A command to a manager has no time limit of the library's: with `rados_mon_op_timeout` set, `rados_mgr_command` comes back at that time and leaves pointers to
//! its dead stack with the command, through which a late answer is written (Ceph issue 65985). Whoever asks a manager must be able to wait for ever.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

use libloading::{Library, Symbol};
use rustix::io::Errno;

const LIBRARY: &str = "librados.so.2";

type Handle = *mut c_void;
type Create = unsafe extern "C" fn(*mut Handle, *const c_char) -> c_int;
type ConfReadFile = unsafe extern "C" fn(Handle, *const c_char) -> c_int;
type ConfSet = unsafe extern "C" fn(Handle, *const c_char, *const c_char) -> c_int;
type Connect = unsafe extern "C" fn(Handle) -> c_int;
type Shutdown = unsafe extern "C" fn(Handle);
type Command = unsafe extern "C" fn(
    Handle,
    *mut *const c_char,
    usize,
    *const c_char,
    usize,
    *mut *mut c_char,
    *mut usize,
    *mut *mut c_char,
    *mut usize,
) -> c_int;
type BufferFree = unsafe extern "C" fn(*mut c_char);

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoConnection {
    /// The library is not installed, or has not what is asked of it.
    NoLibrary,
    /// The cluster, or the configuration of how it is reached, refuses.
    Refused(Errno),
}

/// Who answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Daemon {
    Monitor,
    Manager,
}

/// A connection.
pub(crate) struct Rados {
    cluster: Handle,
    shutdown: Shutdown,
    command: Command,
    buffer_free: BufferFree,
}

// SAFETY: a `rados_t` may be used from any thread (librados.h: it is a reference-counted client with its own locks), and nothing else is in here but functions.
unsafe impl Send for Rados {}

impl std::fmt::Debug for Rados {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rados").finish_non_exhaustive()
    }
}

impl Rados {
    /// Connects to ask that sort of daemon, as a configuration file says. To connect takes no longer than so many seconds, nor does an answer of a monitor.
    pub(crate) fn connect(daemon: Daemon, configuration: &str, seconds: u32) -> Result<Self, NoConnection> {
        // SAFETY: librados runs nothing at load time that asks for more than the usual constructors of C++ libraries.
        let library = unsafe { Library::new(LIBRARY) }.map_err(|_| NoConnection::NoLibrary)?;
        // Never unloaded: see above.
        let library: &'static Library = Box::leak(Box::new(library));
        let command = match daemon {
            Daemon::Monitor => b"rados_mon_command\0",
            Daemon::Manager => b"rados_mgr_command\0",
        };
        // SAFETY: the type is that of rados/librados.h, which has kept it since version 0.94 of the library (soname 2).
        let create = unsafe { symbol::<Create>(library, b"rados_create\0") }?;
        // SAFETY: as above.
        let conf_read_file = unsafe { symbol::<ConfReadFile>(library, b"rados_conf_read_file\0") }?;
        // SAFETY: as above.
        let conf_set = unsafe { symbol::<ConfSet>(library, b"rados_conf_set\0") }?;
        // SAFETY: as above.
        let connect = unsafe { symbol::<Connect>(library, b"rados_connect\0") }?;
        // SAFETY: as above.
        let shutdown = unsafe { symbol::<Shutdown>(library, b"rados_shutdown\0") }?;
        // SAFETY: as above; both commands have one type.
        let command = unsafe { symbol::<Command>(library, command) }?;
        // SAFETY: as above.
        let buffer_free = unsafe { symbol::<BufferFree>(library, b"rados_buffer_free\0") }?;
        let text = |text: &str| CString::new(text).map_err(|_| NoConnection::Refused(Errno::INVAL));
        let mut cluster: Handle = ptr::null_mut();
        // SAFETY: the handle is written to a live place of ours, and no id (null) means client.admin.
        answered(unsafe { create(&raw mut cluster, ptr::null()) }).map_err(NoConnection::Refused)?;
        // From here on the handle is given back when this is dropped; shutting down what is not connected is allowed.
        let rados = Self { cluster, shutdown: *shutdown, command: *command, buffer_free: *buffer_free };
        let path = text(configuration)?;
        // SAFETY: the handle is live and the path a terminated text that outlives the call.
        answered(unsafe { conf_read_file(rados.cluster, path.as_ptr()) }).map_err(NoConnection::Refused)?;
        let limit = text(&seconds.to_string())?;
        let limited: &[&str] = match daemon {
            Daemon::Monitor => &["client_mount_timeout", "rados_mon_op_timeout"],
            Daemon::Manager => &["client_mount_timeout"],
        };
        for option in limited {
            let option = text(option)?;
            // SAFETY: as above.
            answered(unsafe { conf_set(rados.cluster, option.as_ptr(), limit.as_ptr()) }).map_err(NoConnection::Refused)?;
        }
        if daemon == Daemon::Manager {
            let (option, never) = (text("rados_mon_op_timeout")?, text("0")?);
            // SAFETY: as above. What the configuration file says of it is overruled.
            answered(unsafe { conf_set(rados.cluster, option.as_ptr(), never.as_ptr()) }).map_err(NoConnection::Refused)?;
        }
        // Its log would go to standard error.
        for (option, value) in [("log_to_stderr", "false"), ("err_to_stderr", "false"), ("log_file", "")] {
            let (option, value) = (text(option)?, text(value)?);
            // SAFETY: as above. A library that does not know the option has nothing to be silenced.
            let _ = unsafe { conf_set(rados.cluster, option.as_ptr(), value.as_ptr()) };
        }
        // SAFETY: the handle is live and configured.
        answered(unsafe { connect(rados.cluster) }).map_err(NoConnection::Refused)?;
        Ok(rados)
    }

    /// The answer to a command, of at most `limit` bytes; the daemon's refusal otherwise.
    pub(crate) fn ask(&mut self, command: &str, limit: usize) -> Result<Vec<u8>, Errno> {
        let command = CString::new(command).map_err(|_| Errno::INVAL)?;
        let mut commands = [command.as_ptr()];
        let (mut out, mut out_length) = (ptr::null_mut(), 0);
        let (mut status, mut status_length) = (ptr::null_mut(), 0);
        // SAFETY: the handle is connected, the one command is terminated and outlives the call, there is no input, and the four answers go to live places
        // of ours.
        let result = unsafe {
            (self.command)(
                self.cluster,
                commands.as_mut_ptr(),
                commands.len(),
                ptr::null(),
                0,
                &raw mut out,
                &raw mut out_length,
                &raw mut status,
                &raw mut status_length,
            )
        };
        let answer = if out.is_null() || out_length > limit {
            Vec::new()
        } else {
            // SAFETY: the library says that `out` is its own buffer of that length, which lives until it is given back below.
            unsafe { std::slice::from_raw_parts(out.cast::<u8>(), out_length) }.to_vec()
        };
        for buffer in [out, status] {
            if !buffer.is_null() {
                // SAFETY: it came from this library's command and is given back once.
                unsafe { (self.buffer_free)(buffer) };
            }
        }
        answered(result)?;
        if out_length > limit { Err(Errno::FBIG) } else { Ok(answer) }
    }
}

impl Drop for Rados {
    fn drop(&mut self) {
        // SAFETY: the handle is live and nobody else has it.
        unsafe { (self.shutdown)(self.cluster) };
    }
}

/// # Safety
/// `T` is the type of that function.
unsafe fn symbol<'a, T>(library: &'a Library, name: &[u8]) -> Result<Symbol<'a, T>, NoConnection> {
    // SAFETY: the caller's.
    unsafe { library.get(name) }.map_err(|_| NoConnection::NoLibrary)
}

/// librados answers with 0, or with an errno below it.
fn answered(result: c_int) -> Result<(), Errno> {
    match result.checked_neg() {
        Some(errno) if (1..4096).contains(&errno) => Err(Errno::from_raw_os_error(errno)),
        Some(_) if result >= 0 => Ok(()),
        Some(_) | None => Err(Errno::IO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_errnos_below_zero() {
        for (result, expected) in [(0, Ok(())), (7, Ok(())), (-110, Err(Errno::TIMEDOUT)), (-4096, Err(Errno::IO)), (c_int::MIN, Err(Errno::IO))] {
            assert_eq!(answered(result), expected, "{result}");
        }
    }
}
