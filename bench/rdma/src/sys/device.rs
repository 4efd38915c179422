//! RDMA devices by ibv_get_device_list(3) and ibv_open_device(3), their ports by ibv_query_port(3) and their GIDs by ibv_query_gid_table(3). Invariant: a
//! context is open, and a protection domain allocated, for as long as the value lives; whatever is made of them keeps them alive.

use std::ffi::CStr;
use std::io;
use std::net::Ipv6Addr;
use std::ptr::NonNull;
use std::rc::Rc;

use rdma_sys::{
    ibv_alloc_pd, ibv_close_device, ibv_context, ibv_dealloc_pd, ibv_device_attr, ibv_free_device_list, ibv_get_device_list, ibv_get_device_name,
    ibv_gid_entry, ibv_mtu, ibv_open_device, ibv_pd, ibv_port_attr, ibv_port_state, ibv_query_device,
};

use crate::choice::{ETHERNET, GidKind, GidSeen, PortSeen};
use crate::error::RdmaError;

unsafe extern "C" {
    // What the inline function ibv_query_gid_table of verbs.h calls (libibverbs 1.11, 2020); rdma-sys has inline functions only where it has written them anew.
    fn _ibv_query_gid_table(context: *mut ibv_context, entries: *mut ibv_gid_entry, max_entries: usize, flags: u32, entry_size: usize) -> isize;
}

/// As many GIDs as the kernel can be asked for: what it is told of a buffer's length has 16 bits, and one more entry of 32 bytes would be a length of 0.
const GIDS_MAX: usize = 2047;

/// An open device.
#[derive(Debug)]
pub(crate) struct Device {
    context: NonNull<ibv_context>,
    name: String,
}

impl Device {
    /// All devices of this host that can be opened.
    pub(crate) fn all() -> Result<Vec<Rc<Self>>, RdmaError> {
        let mut count = 0;
        // SAFETY: the pointer is valid for a write of one int.
        let list = unsafe { ibv_get_device_list(&raw mut count) };
        // A kernel without RDMA has no list.
        let Some(list) = NonNull::new(list) else { return Err(RdmaError::NoDevice(io::Error::last_os_error().to_string())) };
        let mut devices = Ok(Vec::new());
        for index in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: the list has `count` pointers to devices.
            let device = unsafe { *list.as_ptr().add(index) };
            // SAFETY: the device is one of the list, which is not freed yet; its name is a string within it.
            let name = unsafe { CStr::from_ptr(ibv_get_device_name(device)) }.to_string_lossy().into_owned();
            // SAFETY: the device is one of the list, which is not freed yet; an open context outlives it.
            let context = NonNull::new(unsafe { ibv_open_device(device) });
            let opened = context.map(|context| Rc::new(Self { context, name: name.clone() }));
            let error = || RdmaError::Verb { act: "open the device", device: name, source: io::Error::last_os_error() };
            devices = devices.and_then(|mut devices: Vec<Rc<Self>>| {
                devices.push(opened.ok_or_else(error)?);
                Ok(devices)
            });
        }
        // SAFETY: the list is the one that was made above, and nobody has a pointer into it any more.
        unsafe { ibv_free_device_list(list.as_ptr()) };
        devices
    }

    /// Its name, as `mlx5_0`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// All its ports.
    pub(crate) fn ports(&self) -> Result<Vec<PortSeen>, RdmaError> {
        let ports = self.attributes()?.phys_port_cnt;
        let gids = self.gids()?;
        (1..=ports)
            .map(|port| {
                let of_port = gids.iter().filter(|(of, _)| *of == u32::from(port)).map(|(_, gid)| gid.clone()).collect();
                Ok(PortSeen { gids: of_port, ..self.port(port)? })
            })
            .collect()
    }

    /// One of its ports, without GIDs.
    pub(crate) fn port(&self, port: u8) -> Result<PortSeen, RdmaError> {
        // SAFETY: a structure of integers, for which zeroes are valid.
        let mut attributes = unsafe { std::mem::zeroed::<ibv_port_attr>() };
        // SAFETY: the context is open, and the pointer valid for a write of one ibv_port_attr of this size.
        let answer = unsafe { rdma_sys::___ibv_query_port(self.context.as_ptr(), port, &raw mut attributes) };
        self.done("ask for a port", answer)?;
        Ok(PortSeen {
            device: self.name.clone(),
            port,
            is_active: attributes.state == ibv_port_state::IBV_PORT_ACTIVE,
            state: state(attributes.state).to_owned(),
            link_layer: link_layer(attributes.link_layer),
            active_mtu: mtu_bytes(attributes.active_mtu),
            max_message_bytes: attributes.max_msg_sz,
            gids: Vec::new(),
        })
    }

    /// Reads that it answers, and issues, at a time on one queue pair.
    pub(crate) fn reads(&self) -> Result<(u8, u8), RdmaError> {
        let attributes = self.attributes()?;
        let few = |count: i32| u8::try_from(count.clamp(0, 16)).unwrap_or(0);
        Ok((few(attributes.max_qp_rd_atom), few(attributes.max_qp_init_rd_atom)))
    }

    fn attributes(&self) -> Result<ibv_device_attr, RdmaError> {
        // SAFETY: a structure of integers, for which zeroes are valid.
        let mut attributes = unsafe { std::mem::zeroed::<ibv_device_attr>() };
        // SAFETY: the context is open, and the pointer valid for a write of one ibv_device_attr.
        let answer = unsafe { ibv_query_device(self.context.as_ptr(), &raw mut attributes) };
        self.done("ask for the device's attributes", answer)?;
        Ok(attributes)
    }

    // With the port of each.
    fn gids(&self) -> Result<Vec<(u32, GidSeen)>, RdmaError> {
        let mut entries: Vec<ibv_gid_entry> = Vec::with_capacity(GIDS_MAX);
        // SAFETY: the context is open; the vector has room for so many entries of this size, which is what the function is told.
        let count = unsafe { _ibv_query_gid_table(self.context.as_ptr(), entries.as_mut_ptr(), GIDS_MAX, 0, size_of::<ibv_gid_entry>()) };
        let Ok(count) = usize::try_from(count) else {
            // It answers with the negative error.
            let source = io::Error::from_raw_os_error(i32::try_from(-count).unwrap_or(0));
            return Err(RdmaError::Verb { act: "ask for the GIDs", device: self.name.clone(), source });
        };
        // SAFETY: so many entries were written, no more than there is room for.
        unsafe { entries.set_len(count.min(GIDS_MAX)) };
        let seen = |entry: &ibv_gid_entry| {
            // SAFETY: a GID is 16 bytes, whichever way it is looked at.
            let raw = unsafe { entry.gid.raw };
            let kind = match entry.gid_type {
                0 => GidKind::InfiniBand,
                1 => GidKind::RoceV1,
                2 => GidKind::RoceV2,
                _ => GidKind::Other,
            };
            (entry.port_num, GidSeen { index: entry.gid_index, gid: Ipv6Addr::from(raw), kind })
        };
        Ok(entries.iter().map(seen).collect())
    }

    /// The context, for those that keep the device alive.
    pub(super) fn context(&self) -> *mut ibv_context {
        self.context.as_ptr()
    }

    /// What an answer of 0 or an error number means.
    pub(super) fn done(&self, act: &'static str, answer: i32) -> Result<(), RdmaError> {
        match answer {
            0 => Ok(()),
            // Some functions answer with -1 and errno.
            ..0 => Err(self.refused(act, io::Error::last_os_error())),
            error => Err(self.refused(act, io::Error::from_raw_os_error(error))),
        }
    }

    pub(super) fn refused(&self, act: &'static str, source: io::Error) -> RdmaError {
        RdmaError::Verb { act, device: self.name.clone(), source }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: the context is the one that was opened, and whatever was made of it kept this value alive.
        let _ = unsafe { ibv_close_device(self.context.as_ptr()) };
    }
}

/// What memory and queue pairs of one measurement belong to.
#[derive(Debug)]
pub(crate) struct Domain {
    domain: NonNull<ibv_pd>,
    device: Rc<Device>,
}

impl Domain {
    /// A new one.
    pub(crate) fn new(device: &Rc<Device>) -> Result<Rc<Self>, RdmaError> {
        // SAFETY: the context is open.
        let domain = NonNull::new(unsafe { ibv_alloc_pd(device.context()) });
        let domain = domain.ok_or_else(|| device.refused("allocate a protection domain", io::Error::last_os_error()))?;
        Ok(Rc::new(Self { domain, device: Rc::clone(device) }))
    }

    pub(crate) fn device(&self) -> &Rc<Device> {
        &self.device
    }

    pub(super) fn raw(&self) -> *mut ibv_pd {
        self.domain.as_ptr()
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: the domain is the one that was allocated, and memory and queue pairs that belong to it kept this value alive.
        let _ = unsafe { ibv_dealloc_pd(self.domain.as_ptr()) };
    }
}

fn state(state: ibv_port_state::Type) -> &'static str {
    match state {
        ibv_port_state::IBV_PORT_DOWN => "down",
        ibv_port_state::IBV_PORT_INIT => "initialising",
        ibv_port_state::IBV_PORT_ARMED => "armed",
        ibv_port_state::IBV_PORT_ACTIVE => "active",
        ibv_port_state::IBV_PORT_ACTIVE_DEFER => "deferred",
        _ => "in an unknown state",
    }
}

// `IBV_LINK_LAYER_*` of verbs.h.
fn link_layer(layer: u8) -> String {
    match layer {
        1 => "InfiniBand".to_owned(),
        2 => ETHERNET.to_owned(),
        0 => "nothing specified".to_owned(),
        other => format!("link layer {other}"),
    }
}

fn mtu_bytes(mtu: ibv_mtu::Type) -> u16 {
    match mtu {
        ibv_mtu::IBV_MTU_256 => 256,
        ibv_mtu::IBV_MTU_512 => 512,
        ibv_mtu::IBV_MTU_1024 => 1024,
        ibv_mtu::IBV_MTU_2048 => 2048,
        ibv_mtu::IBV_MTU_4096 => 4096,
        _ => 0,
    }
}

/// The verbs' number of a path MTU.
pub(super) fn mtu_number(bytes: u16) -> ibv_mtu::Type {
    match bytes {
        4096.. => ibv_mtu::IBV_MTU_4096,
        2048.. => ibv_mtu::IBV_MTU_2048,
        1024.. => ibv_mtu::IBV_MTU_1024,
        512.. => ibv_mtu::IBV_MTU_512,
        0.. => ibv_mtu::IBV_MTU_256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rdma-sys has written structures with unions by hand: they must be those of verbs.h on x86-64, measured with its C compiler.
    #[test]
    fn hand_written_structures_have_the_sizes_and_offsets_of_the_header() {
        use std::mem::offset_of;

        use rdma_sys::{ibv_ah_attr, ibv_send_wr, ibv_wc};
        assert_eq!((size_of::<ibv_send_wr>(), offset_of!(ibv_send_wr, wr), offset_of!(ibv_send_wr, bind_mw_tso_union)), (128, 40, 80));
        assert_eq!((size_of::<ibv_wc>(), offset_of!(ibv_wc, qp_num), offset_of!(ibv_wc, wc_flags)), (48, 28, 36));
        assert_eq!((size_of::<ibv_ah_attr>(), size_of::<ibv_gid_entry>(), size_of::<rdma_sys::ibv_qp_attr>()), (32, 32, 144));
        // A newer header may have a longer one; the library is told how long ours is.
        assert!(size_of::<ibv_port_attr>() >= 52);
    }

    #[test]
    fn every_path_mtu_is_its_own_number() {
        for bytes in [256, 512, 1024, 2048, 4096] {
            assert_eq!(mtu_bytes(mtu_number(bytes)), bytes);
        }
    }
}
