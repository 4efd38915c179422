//! PCI Express: what a link carries per direction. PCI Express Base Specification 5.0: 8b/10b up to 5 GT/s, 128b/130b from 8 to 32 GT/s.

use crate::component::Reading;

/// Bytes around the payload of a packet: framing 2, sequence number 2, header with a 64-bit address 16, link CRC 4.
const TLP_OVERHEAD: f64 = 24.0;

/// The payload of one packet, assumed where it is not observed: the largest that server root ports set. A smaller one lowers what is reached.
pub(super) const MAX_PAYLOAD: u64 = 512;

/// The assumed payload as an input.
pub(super) fn assumed_payload() -> (&'static str, Reading) {
    ("largest payload, bytes (assumed)", MAX_PAYLOAD.into())
}

/// What the line carries, bytes/s; not a number for a speed of no known generation.
pub(super) fn line(gtps: f64, lanes: f64) -> f64 {
    let encoding = match gtps {
        2.5 | 5.0 => 8.0 / 10.0,
        8.0 | 16.0 | 32.0 => 128.0 / 130.0,
        _ => f64::NAN,
    };
    gtps * 1e9 * encoding * lanes / 8.0
}

/// What is left of it for data in packets of `payload` bytes, bytes/s.
pub(super) fn payload(gtps: f64, lanes: f64, payload: f64) -> f64 {
    line(gtps, lanes) * payload / (payload + TLP_OVERHEAD)
}
