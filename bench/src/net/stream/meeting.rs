//! How the halves find each other: each flow says hello until it is welcomed, and it is when all of them have said hello. Only then packets are sent, so that
//! none is lost to a half that is not there yet.

use std::sync::atomic::{AtomicBool, Ordering};

use super::receiver::Receiver;
use crate::error::EngineError;
use crate::net::clock;
use crate::net::packet::Kind;

/// How often hello is said again.
pub(super) const AGAIN_NS: u64 = 20_000_000;

/// Waits until every flow has said hello, and welcomes them.
pub(super) fn listen(receiver: &mut Receiver<'_>, stop: &AtomicBool) -> Result<(), EngineError> {
    let end = clock::now() + receiver.shape.meet_ns;
    while receiver.peers.iter().any(Option::is_none) {
        let greeted = receiver.peers.iter().flatten().count();
        check(receiver, end, stop, &format!("{greeted} of {} flows have said hello", receiver.peers.len()))?;
        receiver.wait_and_take()?;
    }
    (0..receiver.peers.len()).for_each(|flow| receiver.say(Kind::Welcome, flow, 0));
    receiver.take_greeted();
    Ok(())
}

/// Says hello until every flow is welcomed.
pub(super) fn call(receiver: &mut Receiver<'_>, stop: &AtomicBool) -> Result<(), EngineError> {
    let end = clock::now() + receiver.shape.meet_ns;
    let mut again = 0;
    while !receiver.welcomed.iter().all(|welcomed| *welcomed) {
        let welcomed = receiver.welcomed.iter().filter(|welcomed| **welcomed).count();
        check(receiver, end, stop, &format!("{welcomed} of {} flows were welcomed", receiver.peers.len()))?;
        if clock::now() >= again {
            (0..receiver.peers.len()).filter(|flow| !receiver.welcomed[*flow]).for_each(|flow| receiver.say(Kind::Hello, flow, 0));
            again = clock::now() + AGAIN_NS;
        }
        receiver.wait_and_take()?;
    }
    Ok(())
}

fn check(receiver: &Receiver<'_>, end_ns: u64, stop: &AtomicBool, so_far: &str) -> Result<(), EngineError> {
    let why = if stop.load(Ordering::Relaxed) {
        format!("told to stop before it was met; {so_far}")
    } else if clock::now() >= end_ns {
        format!("{so_far} within {} ms", receiver.shape.meet_ns / 1_000_000)
    } else {
        return Ok(());
    };
    Err(EngineError::Peer { act: "meet the other half of the probe stream at", peer: receiver.place(), why })
}
