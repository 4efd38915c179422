//! A learning switch that knows VLANs, in this process: each port is one end of a pair of interfaces. It stands in for what the kernel here has not (a bridge
//! that filters VLANs), and can be set up as wrongly as any real one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use assay_bench::net::wire::{Wire, enter};

const TAG: u16 = 0x8100;
const SERVICE_TAG: u16 = 0x88a8;

/// How a port treats tags. As made it is an access port.
#[derive(Clone)]
pub(crate) struct Port {
    /// Where untagged frames go.
    pub(crate) pvid: u16,
    /// VLANs that go out untagged.
    pub(crate) untagged: Vec<u16>,
    /// VLANs that go in and out tagged.
    pub(crate) tagged: Vec<u16>,
    /// VLANs that go in tagged.
    pub(crate) ingress: Vec<u16>,
    /// Where priority-tagged frames go, if not where untagged ones do.
    pub(crate) priority: Option<u16>,
    pub(crate) takes_service_tags: bool,
    /// Outer tags whose inner tag is believed.
    pub(crate) hops_from: Vec<u16>,
    /// Only a service tag tells another VLAN than the own one.
    pub(crate) only_service_tags: bool,
    /// Tagged frames that are not taken in are sent back.
    pub(crate) reflects: bool,
}

impl Port {
    pub(crate) fn access(vlan: u16) -> Self {
        Self {
            pvid: vlan,
            untagged: vec![vlan],
            tagged: vec![],
            ingress: vec![],
            priority: None,
            takes_service_tags: false,
            hops_from: vec![],
            only_service_tags: false,
            reflects: false,
        }
    }

    /// The VLAN of a frame that comes in, and the frame without what told it.
    fn classify(&self, frame: &[u8]) -> Option<(u16, Vec<u8>)> {
        let number = |at: usize| frame.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
        let without = |tags: usize| [&frame[..12], &frame[12 + 4 * tags..]].concat();
        let protocol = number(12)?;
        let is_tag = protocol == TAG || (protocol == SERVICE_TAG && self.takes_service_tags);
        if !is_tag {
            return Some((self.pvid, frame.to_vec()));
        }
        let outer = number(14)? & 0x0fff;
        let inner = (number(16)? == TAG).then(|| number(18)).flatten().map(|tag| tag & 0x0fff);
        if let Some(inner) = inner
            && self.hops_from.contains(&outer)
            && (!self.only_service_tags || protocol == SERVICE_TAG)
        {
            return Some((inner, without(2)));
        }
        match outer {
            0 => Some((if inner.is_none() { self.priority.unwrap_or(self.pvid) } else { self.pvid }, without(1))),
            vlan if vlan == self.pvid
                || self.tagged.contains(&vlan)
                || (self.ingress.contains(&vlan) && (!self.only_service_tags || protocol == SERVICE_TAG)) =>
            {
                Some((vlan, without(1)))
            }
            _ => None,
        }
    }

    fn put(&self, vlan: u16, frame: &[u8]) -> Option<Vec<u8>> {
        if self.untagged.contains(&vlan) {
            return Some(frame.to_vec());
        }
        self.tagged.contains(&vlan).then(|| [&frame[..12], &TAG.to_be_bytes(), &vlan.to_be_bytes(), &frame[12..]].concat())
    }
}

/// What a link between VLANs can look at.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) to: [u8; 6],
    pub(crate) protocol: u16,
    pub(crate) arp_operation: u16,
    pub(crate) is_from_link_local: bool,
    pub(crate) icmpv4: Option<u8>,
    pub(crate) icmpv6: Option<u8>,
    pub(crate) tcp: Option<(u16, u16)>,
    pub(crate) udp: Option<(u16, u16)>,
    /// Nobody was heard from that station in the VLAN.
    pub(crate) is_unknown: bool,
}

impl Seen {
    fn of(frame: &[u8]) -> Option<Self> {
        let protocol = u16::from_be_bytes([*frame.get(12)?, *frame.get(13)?]);
        let mut seen = Seen { to: frame.get(..6)?.try_into().ok()?, protocol, ..Default::default() };
        let (number, at) = match protocol {
            0x0806 => {
                seen.arp_operation = u16::from_be_bytes([*frame.get(20)?, *frame.get(21)?]);
                return Some(seen);
            }
            0x0800 => (*frame.get(23)?, 14 + 4 * usize::from(frame.get(14)? & 0x0f)),
            0x86dd => {
                seen.is_from_link_local = frame.get(22..24)? == [0xfe, 0x80];
                (*frame.get(20)?, 54)
            }
            _ => return Some(seen),
        };
        let port = |at: usize| frame.get(at..at + 2).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
        match number {
            1 => seen.icmpv4 = frame.get(at).copied(),
            58 => seen.icmpv6 = frame.get(at).copied(),
            6 => seen.tcp = Some((port(at), port(at + 2))),
            17 => seen.udp = Some((port(at), port(at + 2))),
            _ => {}
        }
        Some(seen)
    }
}

pub(crate) struct Link {
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) passes: fn(&Seen) -> bool,
}

#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) ports: Vec<Option<Port>>,
    pub(crate) links: Vec<Link>,
    /// The links are there only then.
    pub(crate) between: Option<(Instant, Instant)>,
    learned: HashMap<(u16, [u8; 6]), usize>,
}

impl Tables {
    pub(crate) fn forget(&mut self) {
        self.learned.clear();
    }

    /// Where a frame goes that comes in at a port.
    fn forward(&mut self, at: usize, frame: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let Some(port) = self.ports[at].clone() else { return vec![] };
        let Some((vlan, mut plain)) = port.classify(frame) else {
            return if port.reflects { vec![(at, frame.to_vec())] } else { vec![] };
        };
        let Some(mut seen) = Seen::of(&plain) else { return vec![] };
        // The kernel leaves the sum to the card; there is none here.
        sum(&mut plain);
        let from: [u8; 6] = plain[6..12].try_into().expect("six bytes");
        seen.is_unknown = !self.learned.contains_key(&(vlan, seen.to));
        let is_now = self.between.is_none_or(|(from, until)| (from..until).contains(&Instant::now()));
        let passes = |link: &&Link| is_now && link.from == vlan && (link.passes)(&seen);
        let mut vlans: Vec<u16> = [vlan].into_iter().chain(self.links.iter().filter(passes).map(|link| link.to)).collect();
        vlans.sort_unstable();
        vlans.dedup();
        let mut out = Vec::new();
        for vlan in vlans {
            self.learned.insert((vlan, from), at);
            let known = self.learned.get(&(vlan, seen.to)).copied();
            for (to, port) in self.ports.iter().enumerate() {
                if to != at
                    && known.is_none_or(|known| known == to)
                    && let Some(frame) = port.as_ref().and_then(|port| port.put(vlan, &plain))
                {
                    out.push((to, frame));
                }
            }
        }
        out
    }
}

fn sum(frame: &mut [u8]) {
    let at = match (frame[12], frame[13]) {
        (0x08, 0x00) => 14 + 4 * usize::from(frame[14] & 0x0f),
        (0x86, 0xdd) => 54,
        _ => return,
    };
    let is_v4 = frame[12] == 0x08;
    let (number, end) = if is_v4 {
        (frame[23], 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]])))
    } else {
        (frame[20], 54 + usize::from(u16::from_be_bytes([frame[18], frame[19]])))
    };
    let field = match number {
        6 => at + 16,
        17 => at + 6,
        _ => return,
    };
    if end > frame.len() || field + 2 > end {
        return;
    }
    frame[field..field + 2].fill(0);
    let addresses = if is_v4 { 26..34 } else { 22..54 };
    let length = u32::try_from(end - at).expect("short");
    let words =
        frame[addresses].chunks(2).chain(frame[at..end].chunks(2)).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut total: u32 = words.sum::<u32>() + u32::from(number) + length;
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    let answer = !u16::try_from(total).expect("folded");
    frame[field..field + 2].copy_from_slice(&(if answer == 0 { 0xffff } else { answer }).to_be_bytes());
}

pub(crate) struct Switch {
    pub(crate) tables: Arc<Mutex<Tables>>,
    /// Only spoken on: what is heard belongs to the thread of its port.
    pub(crate) mouths: Arc<[Wire]>,
    names: Vec<&'static str>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Switch {
    /// On these interfaces of a namespace.
    pub(crate) fn start(namespace: &str, names: Vec<&'static str>) -> Self {
        let tables = Arc::new(Mutex::new(Tables { ports: vec![None; names.len()], ..Default::default() }));
        let stop = Arc::new(AtomicBool::new(false));
        let (namespace, interfaces) = (namespace.to_owned(), names.clone());
        let (wires, mouths) = std::thread::spawn(move || {
            enter(&namespace).expect("the namespace of the switch");
            let open = || interfaces.iter().map(|name| Wire::open(name).expect("a port"));
            (open().collect::<Vec<Wire>>(), open().collect::<Arc<[Wire]>>())
        })
        .join()
        .expect("the ports are open");
        let threads = wires.into_iter().enumerate().map(|(at, mut wire)| {
            let (tables, stop, mouths) = (Arc::clone(&tables), Arc::clone(&stop), Arc::clone(&mouths));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // An interface that is down is one that nothing comes from.
                    let Ok(Some(frame)) = wire.hear(Instant::now() + Duration::from_millis(100)) else { continue };
                    if frame.outgoing {
                        continue;
                    }
                    let out = tables.lock().expect("no port has died").forward(at, &frame.bytes);
                    for (to, frame) in out {
                        drop(mouths[to].send(&frame));
                    }
                }
            })
        });
        let threads = threads.collect();
        Self { tables, mouths, names, stop, threads }
    }

    pub(crate) fn at(&self, name: &str) -> usize {
        self.names.iter().position(|own| *own == name).unwrap_or_else(|| panic!("the switch has no port {name}"))
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}
