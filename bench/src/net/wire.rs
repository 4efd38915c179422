//! A named interface of the current network namespace as a wire: whole frames go out as they are given, and every frame is heard, own ones too, with its VLAN
//! tags where they were. Needs CAP_NET_RAW.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use assay_model::site::declared::Mac;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::EngineError;
use crate::sys::frames::{self, FrameSocket};

/// Longer than any frame, aggregated ones too.
const FRAME_BYTES: usize = 1 << 17;
/// Both hardware addresses: where the tags of a frame begin.
const ADDRESSES: usize = 12;
/// Where `ip netns` keeps its namespaces.
const NAMESPACES: &str = "/run/netns";

/// A frame that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whether this host sent it.
    pub outgoing: bool,
    /// All of it, beginning with the hardware addresses.
    pub bytes: Vec<u8>,
}

/// An interface at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Station {
    /// Its hardware address.
    pub mac: Mac,
    /// Up, and with a carrier.
    pub running: bool,
    /// Frames that left; wraps at 2^32.
    pub sent: u32,
}

/// An interface that is spoken and listened on.
pub struct Wire {
    interface: String,
    mouth: FrameSocket,
    ear: FrameSocket,
    buffer: Vec<u8>,
    drops: u64,
}

impl Wire {
    /// Opens the interface; while the wire is open it is in promiscuous mode.
    pub fn open(interface: &str) -> Result<Self, EngineError> {
        let setup = |source| EngineError::Setup { act: "open a packet socket", target: interface.to_owned(), source };
        let ear = FrameSocket::hearing(interface).map_err(setup)?;
        // A socket does not hear what it sends itself, hence two.
        let mouth = FrameSocket::mute(interface).map_err(setup)?;
        Ok(Self { interface: interface.to_owned(), mouth, ear, buffer: vec![0; FRAME_BYTES], drops: 0 })
    }

    /// Sends a frame as it is.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.mouth.send(frame)
    }

    /// The next frame, waited for until then; an interface that went down is an error, once.
    pub fn hear(&mut self, until: Instant) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.fetch()? {
                return Ok(Some(frame));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.ear.wait(left.min(Duration::from_millis(100)))? && Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    fn fetch(&mut self) -> io::Result<Option<Frame>> {
        let Some(received) = self.ear.receive(&mut self.buffer)? else { return Ok(None) };
        if received.truncated {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame was longer than any can be"));
        }
        let mut bytes = Vec::with_capacity(received.length + 4);
        let got = &self.buffer[..received.length];
        match received.tag.filter(|_| got.len() >= ADDRESSES) {
            Some((protocol, tag)) => {
                bytes.extend_from_slice(&got[..ADDRESSES]);
                bytes.extend_from_slice(&protocol.to_be_bytes());
                bytes.extend_from_slice(&tag.to_be_bytes());
                bytes.extend_from_slice(&got[ADDRESSES..]);
            }
            None => bytes.extend_from_slice(got),
        }
        Ok(Some(Frame { outgoing: received.outgoing, bytes }))
    }

    /// Frames that came in and were lost, since the wire was opened.
    pub fn drops(&mut self) -> io::Result<u64> {
        self.drops += u64::from(self.ear.drops()?);
        Ok(self.drops)
    }

    /// The interface now.
    pub fn station(&self) -> io::Result<Station> {
        station(&self.interface)
    }
}

/// An interface of the network namespace that the calling thread is in.
pub fn station(interface: &str) -> io::Result<Station> {
    let link = frames::link(interface)?;
    Ok(Station { mac: Mac(link.mac), running: link.running, sent: link.sent })
}

/// The number of an interface of the network namespace that the calling thread is in.
pub fn index(interface: &str) -> io::Result<u32> {
    let index = frames::index_of(interface)?;
    u32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Does it in a network namespace, as `enter` takes it, in a thread that ends with it; without one in the caller's own.
pub fn within<T: Send>(namespace: Option<&str>, act: impl FnOnce() -> Result<T, EngineError> + Send) -> Result<T, EngineError> {
    let Some(namespace) = namespace else { return act() };
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| enter(namespace).and_then(|()| act()));
        inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Moves the calling thread, and nothing else, into a network namespace: a name of `ip netns`, or a path such as `/proc/4711/ns/net`. Call it in a thread that
/// ends afterwards.
pub fn enter(namespace: &str) -> Result<(), EngineError> {
    let path = Path::new(NAMESPACES).join(namespace);
    let setup = |source| EngineError::Setup { act: "enter a network namespace", target: path.display().to_string(), source };
    let file = std::fs::File::open(&path).map_err(setup)?;
    move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network)).map_err(|errno| setup(errno.into()))
}
