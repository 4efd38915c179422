//! Objects of one pool as one range of bytes: each holds as many as every other, one after the other. A write never makes an object that is not there: what was removed behind a
//! client's back stays removed.

use std::ffi::{CString, c_char, c_void};
use std::io;
use std::ptr;
use std::sync::Arc;

use super::{Callback, Calls, Handle, IoContext, WriteOp, answered};
use crate::engine::{Op, OpKind};
use crate::sys::operations::Target;

/// The objects, by number.
pub(crate) struct Objects {
    context: Arc<IoContext>,
    names: Arc<[CString]>,
    object_bytes: u64,
}

impl Objects {
    /// Objects of so many bytes each.
    pub(crate) fn new(context: Arc<IoContext>, names: Arc<[CString]>, object_bytes: u64) -> Self {
        Self { context, names, object_bytes }
    }

    /// The object that an operation is on, and where in it. One that is behind the last object has none, and one over the border of two is two.
    fn place(&self, op: &Op) -> io::Result<(&CString, u64)> {
        let none = || io::Error::from_raw_os_error(libc::ENOENT);
        let (number, offset) = (op.offset / self.object_bytes, op.offset % self.object_bytes);
        let name = usize::try_from(number).ok().and_then(|number| self.names.get(number)).ok_or_else(none)?;
        if offset + u64::from(op.bytes) > self.object_bytes {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        Ok((name, offset))
    }
}

// SAFETY: librados calls back once for each operation that was begun, and for none that was not.
unsafe impl Target for Objects {
    type Calls = Calls;

    fn calls(&self) -> &'static Calls {
        self.context.calls()
    }

    unsafe fn completion(calls: &'static Calls, ticket: *mut c_void, over: Callback) -> io::Result<Handle> {
        let mut completion = ptr::null_mut();
        // SAFETY: the caller keeps the ticket until it is called back; the completion is written.
        answered(unsafe { (calls.rados_aio_create_completion)(ticket, Some(over), None, &raw mut completion) })?;
        Ok(completion)
    }

    unsafe fn begin(&self, op: &Op, buffer: *mut c_char, completion: Handle) -> io::Result<()> {
        let (calls, context) = (self.calls(), self.context.handle);
        let bytes = usize::try_from(op.bytes).map_err(io::Error::other)?;
        match op.kind {
            OpKind::Read => {
                let (name, offset) = self.place(op)?;
                // SAFETY: the caller keeps `bytes` of the buffer, and us, until the operation is over; the name is copied.
                answered(unsafe { (calls.rados_aio_read)(context, name.as_ptr(), completion, buffer, bytes, offset) })
            }
            // A write is complete when all copies have it on their media.
            OpKind::Write | OpKind::WriteFua => {
                let (name, offset) = self.place(op)?;
                let write = WriteOp::new(calls)?;
                // SAFETY: the operation lives as long as `write`.
                unsafe { (calls.rados_write_op_assert_exists)(write.handle) };
                // SAFETY: as above; the bytes are copied during the call.
                unsafe { (calls.rados_write_op_write)(write.handle, buffer, bytes, offset) };
                // SAFETY: the caller keeps us until the operation is over; name and operation are copied, null stands for now.
                answered(unsafe { (calls.rados_aio_write_op_operate)(write.handle, context, completion, name.as_ptr(), ptr::null_mut(), 0) })
            }
            // SAFETY: the caller keeps us until the operation is over.
            OpKind::Flush => answered(unsafe { (calls.rados_aio_flush_async)(context, completion) }),
            OpKind::Trim => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
        }
    }

    unsafe fn answer(calls: &'static Calls, completion: Handle) -> isize {
        // SAFETY: the caller says that it is complete. 32 bits fit.
        let answer = unsafe { (calls.rados_aio_get_return_value)(completion) };
        isize::try_from(answer).expect("32 bits fit")
    }

    unsafe fn release(calls: &'static Calls, completion: Handle) {
        // SAFETY: the caller gives its reference up once.
        unsafe { (calls.rados_aio_release)(completion) };
    }
}
