//! Two switches as a node hears them: an LLDP frame (IEEE 802.1AB) every while on each of its links, sent into the sockets that QEMU takes for the wire.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// The nearest bridge, which no bridge forwards, and LLDP's EtherType.
const DESTINATION: [u8; 6] = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e];
const LLDP: [u8; 2] = [0x88, 0xcc];
const INTERVAL: Duration = Duration::from_millis(200);

/// What announces itself on the two links of a node. Dropping it silences them.
pub(crate) struct Switches {
    is_over: Arc<AtomicBool>,
    talk: Option<JoinHandle<()>>,
}

impl Switches {
    /// On the links of node `id`, whose sockets lie in `links`: the last byte of the chassis at each.
    pub(crate) fn announce(links: &Path, id: u8, chassis: [u8; 2]) -> Self {
        let wires: Vec<(PathBuf, Vec<u8>)> =
            (0..).zip(chassis).map(|(link, chassis)| (links.join(format!("{id}.{link}")), frame(chassis, link))).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&is_over);
        let talk = spawn(move || {
            let socket = UnixDatagram::unbound().expect("a socket");
            while !until.load(Ordering::Relaxed) {
                for (wire, frame) in &wires {
                    // A link that is down takes nothing.
                    let _ = socket.send_to(frame, wire);
                }
                #[allow(clippy::disallowed_methods, reason = "a switch that talks at its own pace")]
                sleep(INTERVAL);
            }
        });
        Self { is_over, talk: Some(talk) }
    }
}

impl Drop for Switches {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(talk) = self.talk.take() {
            talk.join().expect("the switches ended");
        }
    }
}

/// Chassis by its address, port by its name, two minutes to live, the system's name, the end.
fn frame(chassis: u8, link: u8) -> Vec<u8> {
    let address = [0x02, 0, 0, 0, 0x59, chassis];
    let mut frame = [&DESTINATION[..], &address, &LLDP].concat();
    let mut put = |kind: u8, value: &[u8]| {
        frame.push(kind << 1);
        frame.push(u8::try_from(value.len()).expect("short"));
        frame.extend(value);
    };
    put(1, &[&[4][..], &address].concat());
    put(2, &[&[5][..], format!("TwoHundredGigE1/0/{}", link + 1).as_bytes()].concat());
    put(3, &[0, 120]);
    put(5, format!("hpe5960-{chassis}").as_bytes());
    put(0, &[]);
    frame
}
