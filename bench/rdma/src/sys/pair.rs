//! An RC queue pair: ibv_create_qp(3), ibv_modify_qp(3) to RTR and RTS over RoCE v2, ibv_post_send(3) and ibv_post_recv(3). Invariant: queues and memory that
//! work requests name live until the queue pair is destroyed, and every request stays within its region.

use std::io;
use std::net::Ipv6Addr;
use std::ptr::NonNull;
use std::rc::Rc;

use rdma_sys::{
    ibv_access_flags, ibv_create_qp, ibv_destroy_qp, ibv_gid, ibv_modify_qp, ibv_post_recv, ibv_post_send, ibv_qp, ibv_qp_attr, ibv_qp_attr_mask,
    ibv_qp_init_attr, ibv_qp_state, ibv_qp_type, ibv_recv_wr, ibv_send_flags, ibv_send_wr, ibv_sge, ibv_wr_opcode, rdma_t, wr_t,
};

use super::completions::Completions;
use super::device::{Domain, mtu_number};
use super::memory::Region;
use crate::error::RdmaError;

/// Packet numbers have 24 bits.
pub(crate) const PSN_MASK: u32 = 0xff_ffff;

/// A queue pair.
pub(crate) struct Pair {
    pair: NonNull<ibv_qp>,
    domain: Rc<Domain>,
    // What its requests come from and go to.
    requests: Option<Rc<Region>>,
    receives: Option<Rc<Region>>,
    _queues: [Rc<Completions>; 2],
}

/// What it has room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) sends: u32,
    pub(crate) receives: u32,
    pub(crate) inline_bytes: u32,
}

/// The way to the other end's queue pair.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) port: u8,
    pub(crate) gid_index: u8,
    pub(crate) gid: Ipv6Addr,
    pub(crate) mtu: u16,
    pub(crate) traffic_class: u8,
    pub(crate) service_level: u8,
    pub(crate) ack_timeout: u8,
    pub(crate) retries: u8,
    // Reads that this end answers, and issues, at a time.
    pub(crate) answers: u8,
    pub(crate) issues: u8,
}

/// What one request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Send,
    Write { address: u64, rkey: u32 },
    Read { address: u64, rkey: u32 },
}

/// One request: bytes of the region of requests, and what is done with them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) deed: Deed,
    pub(crate) offset: u64,
    pub(crate) bytes: u32,
    pub(crate) signalled: bool,
    pub(crate) inline: bool,
}

impl Pair {
    /// A new one, whose requests use one region and whose receives the other.
    pub(crate) fn new(
        domain: &Rc<Domain>,
        queues: [&Rc<Completions>; 2],
        requests: Option<&Rc<Region>>,
        receives: Option<&Rc<Region>>,
        room: Room,
    ) -> Result<Self, RdmaError> {
        // SAFETY: a structure of integers and pointers, for which zeroes are valid.
        let mut wanted = unsafe { std::mem::zeroed::<ibv_qp_init_attr>() };
        wanted.send_cq = queues[0].raw();
        wanted.recv_cq = queues[1].raw();
        wanted.qp_type = ibv_qp_type::IBV_QPT_RC;
        wanted.cap.max_send_wr = room.sends.max(1);
        wanted.cap.max_recv_wr = room.receives.max(1);
        wanted.cap.max_send_sge = 1;
        wanted.cap.max_recv_sge = 1;
        wanted.cap.max_inline_data = room.inline_bytes;
        // SAFETY: the domain is allocated, both queues live, and the pointer is valid for reads and writes.
        let pair = NonNull::new(unsafe { ibv_create_qp(domain.raw(), &raw mut wanted) });
        let act = "create a queue pair with this depth and this much inline data";
        let pair = pair.ok_or_else(|| domain.device().refused(act, io::Error::last_os_error()))?;
        let queues = queues.map(Rc::clone);
        Ok(Self { pair, domain: Rc::clone(domain), requests: requests.cloned(), receives: receives.cloned(), _queues: queues })
    }

    /// Its number, by which the other end reaches it.
    pub(crate) fn number(&self) -> u32 {
        // SAFETY: the queue pair lives as long as this value, and its number never changes.
        unsafe { (*self.pair.as_ptr()).qp_num }
    }

    /// Connects it with the other end's: numbers and first packets of both. Receives may be posted from INIT on, which [`Pair::open`] makes.
    pub(crate) fn connect(&mut self, way: &Way, psn: u32, peer: (u32, u32)) -> Result<(), RdmaError> {
        type Mask = ibv_qp_attr_mask;
        let mut to = attributes(ibv_qp_state::IBV_QPS_RTR);
        to.path_mtu = mtu_number(way.mtu);
        to.dest_qp_num = peer.0;
        to.rq_psn = peer.1 & PSN_MASK;
        to.max_dest_rd_atomic = way.answers;
        // 0.64 ms: as perftest has it.
        to.min_rnr_timer = 12;
        to.ah_attr.is_global = 1;
        to.ah_attr.port_num = way.port;
        to.ah_attr.sl = way.service_level;
        to.ah_attr.grh.dgid = ibv_gid { raw: way.gid.octets() };
        to.ah_attr.grh.sgid_index = way.gid_index;
        to.ah_attr.grh.hop_limit = 64;
        to.ah_attr.grh.traffic_class = way.traffic_class;
        let mask = Mask::IBV_QP_STATE
            | Mask::IBV_QP_AV
            | Mask::IBV_QP_PATH_MTU
            | Mask::IBV_QP_DEST_QPN
            | Mask::IBV_QP_RQ_PSN
            | Mask::IBV_QP_MAX_DEST_RD_ATOMIC
            | Mask::IBV_QP_MIN_RNR_TIMER;
        self.modify("bring a queue pair to RTR", to, mask)?;

        let mut to = attributes(ibv_qp_state::IBV_QPS_RTS);
        to.timeout = way.ack_timeout;
        to.retry_cnt = way.retries;
        // For ever: a receiver that is slow has not failed; one that is stuck is noticed by the deadline.
        to.rnr_retry = 7;
        to.sq_psn = psn & PSN_MASK;
        to.max_rd_atomic = way.issues;
        let mask = Mask::IBV_QP_STATE
            | Mask::IBV_QP_TIMEOUT
            | Mask::IBV_QP_RETRY_CNT
            | Mask::IBV_QP_RNR_RETRY
            | Mask::IBV_QP_SQ_PSN
            | Mask::IBV_QP_MAX_QP_RD_ATOMIC;
        self.modify("bring a queue pair to RTS", to, mask)
    }

    /// Lets receives be posted, and the other end read and write what is registered for it.
    pub(crate) fn open(&mut self, port: u8) -> Result<(), RdmaError> {
        type Mask = ibv_qp_attr_mask;
        let mut to = attributes(ibv_qp_state::IBV_QPS_INIT);
        to.port_num = port;
        to.qp_access_flags = (ibv_access_flags::IBV_ACCESS_REMOTE_WRITE | ibv_access_flags::IBV_ACCESS_REMOTE_READ).0;
        self.modify("initialise a queue pair", to, Mask::IBV_QP_STATE | Mask::IBV_QP_PKEY_INDEX | Mask::IBV_QP_PORT | Mask::IBV_QP_ACCESS_FLAGS)
    }

    fn modify(&mut self, act: &'static str, mut to: ibv_qp_attr, mask: ibv_qp_attr_mask) -> Result<(), RdmaError> {
        let mask = i32::try_from(mask.0).expect("flags of the low bits");
        // SAFETY: the queue pair lives, and the pointer is valid for reads and writes.
        let answer = unsafe { ibv_modify_qp(self.pair.as_ptr(), &raw mut to, mask) };
        self.domain.device().done(act, answer)
    }

    /// Hands a request to the card.
    pub(crate) fn post(&mut self, request: &Request) -> Result<(), RdmaError> {
        let mut piece = self.piece(self.requests.as_ref(), request.offset, request.bytes)?;
        // SAFETY: a structure of integers, pointers and unions of such, for which zeroes are valid.
        let mut wanted = unsafe { std::mem::zeroed::<ibv_send_wr>() };
        wanted.wr_id = request.id;
        wanted.sg_list = &raw mut piece;
        wanted.num_sge = 1;
        let (opcode, remote) = match request.deed {
            Deed::Send => (ibv_wr_opcode::IBV_WR_SEND, None),
            Deed::Write { address, rkey } => (ibv_wr_opcode::IBV_WR_RDMA_WRITE, Some((address, rkey))),
            Deed::Read { address, rkey } => (ibv_wr_opcode::IBV_WR_RDMA_READ, Some((address, rkey))),
        };
        wanted.opcode = opcode;
        if let Some((remote_addr, rkey)) = remote {
            wanted.wr = wr_t { rdma: rdma_t { remote_addr, rkey } };
        }
        let signalled = if request.signalled { ibv_send_flags::IBV_SEND_SIGNALED.0 } else { 0 };
        let inline = if request.inline { ibv_send_flags::IBV_SEND_INLINE.0 } else { 0 };
        wanted.send_flags = signalled | inline;
        let mut refused = std::ptr::null_mut();
        // SAFETY: the queue pair lives; the request and its one piece are valid for the call, which copies them; the memory that the piece names is registered
        // and lives as long as this queue pair.
        let answer = unsafe { ibv_post_send(self.pair.as_ptr(), &raw mut wanted, &raw mut refused) };
        self.domain.device().done("post a request", answer)
    }

    /// Has a message received into bytes of the region of receives.
    pub(crate) fn receive(&mut self, id: u64, offset: u64, bytes: u32) -> Result<(), RdmaError> {
        let mut piece = self.piece(self.receives.as_ref(), offset, bytes)?;
        let mut wanted = ibv_recv_wr { wr_id: id, next: std::ptr::null_mut(), sg_list: &raw mut piece, num_sge: 1 };
        let mut refused = std::ptr::null_mut();
        // SAFETY: as in post().
        let answer = unsafe { ibv_post_recv(self.pair.as_ptr(), &raw mut wanted, &raw mut refused) };
        self.domain.device().done("post a receive", answer)
    }

    // Bytes of a region, which must be within it.
    fn piece(&self, region: Option<&Rc<Region>>, offset: u64, bytes: u32) -> Result<ibv_sge, RdmaError> {
        let within = region.filter(|region| offset.checked_add(u64::from(bytes)).is_some_and(|end| end <= region.bytes()));
        let region = within.ok_or_else(|| self.domain.device().refused("name memory for a request", io::ErrorKind::InvalidInput.into()))?;
        Ok(ibv_sge { addr: region.address() + offset, length: bytes, lkey: region.lkey() })
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // SAFETY: the queue pair is the one that was created, and nobody else has it.
        let _ = unsafe { ibv_destroy_qp(self.pair.as_ptr()) };
    }
}

fn attributes(state: ibv_qp_state::Type) -> ibv_qp_attr {
    // SAFETY: a structure of integers and a GID, for which zeroes are valid.
    let mut attributes = unsafe { std::mem::zeroed::<ibv_qp_attr>() };
    attributes.qp_state = state;
    attributes
}
