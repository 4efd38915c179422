//! The two halves: one listens, the other connects. What ends one of them ends the other too, and with the reason.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::choice::PortSeen;
use crate::control::{Control, Message, Verdict};
use crate::error::{RdmaError, Seen};
use crate::result::RdmaResult;
use crate::session::{Session, Side, Terms, chosen};
use crate::spec::{Measure, RdmaConnect, RdmaListen};
use crate::sys::device::Device;
use crate::{bandwidth, latency};

/// All ports of all RDMA devices of this host; an error where there is none.
pub fn ports() -> Result<Vec<PortSeen>, RdmaError> {
    let mut ports = Vec::new();
    for device in Device::all()? {
        ports.extend(device.ports()?);
    }
    if ports.is_empty() { Err(RdmaError::NoDevice("the kernel lists none".into())) } else { Ok(ports) }
}

/// The listening half: says by `ready` where it listens, takes the one peer that shows the token, measures with it, and returns. The calling thread does all
/// the work: pin it before.
pub fn serve(spec: &RdmaListen, stop: &AtomicBool, ready: &mut dyn FnMut(SocketAddr)) -> Result<RdmaResult, RdmaError> {
    let RdmaListen { endpoint, token, workload, plant, .. } = spec;
    let patience = Duration::from_millis(spec.patience_ms);
    let port = chosen(endpoint, workload)?;
    let mut control = Control::accept(endpoint.address, token, patience, stop, ready)?;
    let terms = Terms { side: Side::Listening, workload, patience, plant: *plant };
    let outcome = Session::new(&terms, port, &mut control, stop).and_then(|mut session| measure(&mut session));
    told(control, outcome)
}

/// The connecting half.
pub fn connect(spec: &RdmaConnect, stop: &AtomicBool) -> Result<RdmaResult, RdmaError> {
    let RdmaConnect { endpoint, peer, token, workload, plant, .. } = spec;
    let patience = Duration::from_millis(spec.patience_ms);
    let port = chosen(endpoint, workload)?;
    let mut control = Control::connect(endpoint.address, *peer, token, patience)?;
    let terms = Terms { side: Side::Connecting, workload, patience, plant: *plant };
    let outcome = Session::new(&terms, port, &mut control, stop).and_then(|mut session| measure(&mut session));
    told(control, outcome)
}

fn measure(session: &mut Session<'_>) -> Result<RdmaResult, RdmaError> {
    match session.workload.measure {
        Measure::Bandwidth => bandwidth::measure(session),
        Measure::Latency => latency::measure(session),
    }
}

// The other end learns why there will be no result. Whether it still hears it changes nothing here.
fn told(mut control: Control, mut outcome: Result<RdmaResult, RdmaError>) -> Result<RdmaResult, RdmaError> {
    // A failed operation is often the first sign that the other end has gone or has failed itself, and its own reason says more.
    if let Err(RdmaError::Failed { .. }) = &outcome
        && let Err(better) = control.listen()
    {
        outcome = Err(better);
    }
    match &outcome {
        Ok(_) | Err(RdmaError::PeerGone { .. } | RdmaError::PeerFailed { .. } | RdmaError::Corrupt { by: Seen::There, .. }) => {}
        Err(RdmaError::Corrupt { by: Seen::Here, what }) => {
            let verdict = Verdict { messages: None, verified_bytes: 0, arrived: None, mismatch: Some(*what) };
            let _ = control.say(&Message::Verdict(verdict));
        }
        Err(other) => {
            let _ = control.say(&Message::Failed { why: words(other) });
        }
    }
    control.leave();
    outcome
}

fn words(error: &RdmaError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
