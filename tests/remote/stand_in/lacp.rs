//! LACP on the stand-in for a bond: partners that speak on both cables, and what the drivers of both nodes make of what they hear.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, recv, socket_with};

use super::{CABLES, Talk, lead_over, say};
use crate::namespaces::inside;
use crate::pair::Pair;
use crate::sshd::pause;

/// Without a frame for so long a member is taken out.
const TIMEOUT: Duration = Duration::from_millis(2500);

/// A LACPDU, as far as the fault looks at it, and the number of its cable.
fn lacpdu(cable: u8) -> Vec<u8> {
    let mut frame = vec![0x01, 0x80, 0xc2, 0x00, 0x00, 0x02, 0x02, 0, 0, 0, 0x77, cable, 0x88, 0x09, 1, cable];
    frame.resize(124, 0);
    frame
}

/// Both nodes speak LACP on both cables.
pub(crate) fn partners(pair: &Pair) -> Talk {
    let of = |namespace: &String| (0..).zip(CABLES).map(|(number, (cable, _))| (namespace.clone(), cable, lacpdu(number))).collect::<Vec<_>>();
    Talk::begin([of(&pair.nodes.near), of(&pair.nodes.far)].concat(), 200)
}

/// What the drivers of both nodes do: a member whose partner was not heard in time carries nothing, at both ends, until it is heard again.
pub(crate) fn follow(pair: &Pair, is_over: &AtomicBool) {
    let protocol = Protocol::from_raw(NonZeroU32::new(u32::from(0x8809_u16.to_be())).expect("a protocol"));
    let ears = [("a", &pair.nodes.near), ("b", &pair.nodes.far)].map(|(node, namespace)| {
        let ear = inside(namespace, || socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::NONBLOCK, Some(protocol)).expect("root may"));
        (node, ear)
    });
    let mut heard: BTreeMap<(&str, usize), Instant> = BTreeMap::new();
    let mut out: Vec<(&str, usize)> = Vec::new();
    let mut buffer = [0; 2000];
    while !is_over.load(Ordering::Relaxed) {
        for (node, ear) in &ears {
            while let Ok((_, length)) = recv(ear, &mut buffer[..], RecvFlags::empty()) {
                if length > 15 && buffer[14] == 1 {
                    heard.insert((node, usize::from(buffer[15])), Instant::now());
                }
            }
        }
        let late: Vec<(&str, usize)> = heard.iter().filter(|(_, last)| last.elapsed() > TIMEOUT).map(|(member, _)| *member).collect();
        if late != out {
            let cables: Vec<(&str, &str)> =
                (0..).zip(CABLES).filter(|(number, _)| late.iter().all(|(_, out)| out != number)).map(|(_, cable)| cable).collect();
            lead_over(pair, &cables);
            for (node, number) in late.iter().chain(&out) {
                let state = if late.contains(&(node, *number)) { "55" } else { "63" };
                say(pair, node, CABLES[*number].0, "ad_partner_oper_port_state", state);
            }
            out = late;
        }
        pause(20);
    }
}
