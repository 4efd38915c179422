//! The thread that sends: a packet of every flow per tick, each at its own time by the clock, never waiting for anything else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

use super::Shape;
use super::pace::{Pace, Pacer};
use crate::net::clock;
use crate::net::packet::{Kind, PACKET_BYTES, Packet};
use crate::net::token::Token;
use crate::net::udp::Udp;

/// What was sent.
pub(super) struct Sent {
    pub(super) begin_ns: u64,
    pub(super) pace: Pace,
    pub(super) refused: Vec<BTreeMap<String, u64>>,
}

/// Sends from each flow's socket to its peer, until all is sent or `halt` is set.
pub(super) fn send(token: &Token, flows: &[(&Udp, SocketAddr)], shape: &Shape, halt: &AtomicBool) -> Sent {
    let begin_ns = clock::now() + shape.period_ns;
    let mut pacer = Pacer::new(shape.period_ns);
    let mut refused = vec![BTreeMap::new(); flows.len()];
    let mut buffer = [0; PACKET_BYTES];
    for tick in 0..shape.ticks() {
        let due_ns = begin_ns + tick * shape.period_ns;
        if !clock::sleep_until(due_ns, halt) {
            break;
        }
        let now_ns = clock::now();
        pacer.tick(due_ns, now_ns);
        for ((flow, (udp, peer)), refused) in (0..).zip(flows).zip(&mut refused) {
            let packet = Packet { kind: Kind::Probe, flow, sequence: tick, words: [due_ns - begin_ns, now_ns.saturating_sub(begin_ns), 0] };
            packet.write(token, &mut buffer);
            // A link that is down has no route: the packet is lost, and this is why.
            if let Err(error) = udp.send(&buffer, *peer) {
                *refused.entry(error.to_string()).or_insert(0) += 1;
            }
        }
    }
    Sent { begin_ns, pace: pacer.finish(), refused }
}
