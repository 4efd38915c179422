//! What both ends of a measurement set up before the first message: port and GID, registered memory filled with what must and must not be there, queue
//! pairs, and the exchange by which they are connected.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use crate::choice::{Choice, choose};
use crate::control::{Control, Memory, Message, Offer, VERSION};
use crate::error::RdmaError;
use crate::pattern::{Pattern, Place, remainder};
use crate::result::Port;
use crate::spec::{Endpoint, Measure, Operation, Plant, Workload};
use crate::sys::completions::{Completion, Completions};
use crate::sys::device::{Device, Domain};
use crate::sys::memory::{Region, Remote};
use crate::sys::pair::{PSN_MASK, Pair, Room, Way};

/// Room for requests beyond the depth, for latency, where completions are looked at when there is time.
const SENDS_MIN: u32 = 16;
// A request is called by its queue pair and its number on it.
const NUMBER_BITS: u32 = 48;

/// Which end this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Connecting,
    Listening,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Side::Connecting => Side::Listening,
            Side::Listening => Side::Connecting,
        }
    }

    fn number(self) -> u8 {
        match self {
            Side::Connecting => 0,
            Side::Listening => 1,
        }
    }

    /// Whether it issues operations.
    pub(crate) fn issues(self, workload: &Workload) -> bool {
        let answers_in_kind = workload.measure == Measure::Latency && workload.operation != Operation::Read;
        self == Side::Connecting || workload.flow == crate::spec::Flow::BothWays || answers_in_kind
    }
}

/// Everything of one end, connected and ready.
pub(crate) struct Session<'a> {
    // Before the memory, and memory before the control connection: dropped in this order.
    pub(crate) pairs: Vec<Pair>,
    pub(crate) sends: Rc<Completions>,
    pub(crate) receives: Rc<Completions>,
    // What this end's requests use, and what the other end's reach.
    own: Option<Rc<Region>>,
    open: Option<Rc<Region>>,
    pub(crate) theirs: Option<Memory>,
    pub(crate) control: &'a mut Control,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) workload: Workload,
    pub(crate) side: Side,
    pub(crate) pattern: Pattern,
    pub(crate) patience: Duration,
    pub(crate) plant: Option<Plant>,
    pub(crate) local: Port,
    pub(crate) remote: Port,
    pub(crate) mtu: u16,
    device: Rc<Device>,
}

/// What one end is told, whichever it is.
pub(crate) struct Terms<'a> {
    pub(crate) side: Side,
    pub(crate) workload: &'a Workload,
    pub(crate) patience: Duration,
    pub(crate) plant: Option<Plant>,
}

/// The port that this end will use: asked for before anybody is waited for.
pub(crate) struct Chosen {
    device: Rc<Device>,
    choice: Choice,
}

/// Chooses it.
pub(crate) fn chosen(endpoint: &Endpoint, workload: &Workload) -> Result<Chosen, RdmaError> {
    if let Some(why) = workload.fault() {
        return Err(RdmaError::Workload(why));
    }
    let devices = Device::all()?;
    let mut ports = Vec::new();
    for device in &devices {
        ports.extend(device.ports()?);
    }
    let choice = choose(&ports, endpoint)?;
    if workload.message_bytes > choice.port.max_message_bytes {
        let why = format!("{} takes messages of at most {} bytes", choice.port.device, choice.port.max_message_bytes);
        return Err(RdmaError::Workload(why));
    }
    let device = devices.into_iter().find(|device| device.name() == choice.port.device).expect("the port is of one of these devices");
    Ok(Chosen { device, choice })
}

impl<'a> Session<'a> {
    /// Sets everything up and returns when both ends are ready.
    pub(crate) fn new(terms: &Terms<'_>, chosen: Chosen, control: &'a mut Control, stop: &'a AtomicBool) -> Result<Self, RdmaError> {
        let Terms { side, workload, patience, plant, .. } = *terms;
        let Chosen { device, choice } = chosen;
        control.enter("setting up");
        let domain = Domain::new(&device)?;
        let count = |per_pair: u16| u32::from(per_pair) * u32::from(workload.pairs);
        let (sends_room, receives) = (u32::from(workload.depth).max(SENDS_MIN), receives(workload));
        let sends = Completions::new(&device, sends_room * u32::from(workload.pairs))?;
        let receives_queue = Completions::new(&device, count(receives).max(1))?;

        let issues = side.issues(workload);
        let answers = side.other().issues(workload);
        let region = |slots: u16, remote: Remote| {
            let bytes = workload.stride() * u64::from(count(slots));
            Region::new(&domain, usize::try_from(bytes).expect("a size of 64 bits"), remote)
        };
        let own = issues.then(|| region(workload.depth, Remote::Nothing)).transpose()?;
        let open = match workload.operation {
            _ if !answers => None,
            Operation::Write => Some(region(workload.depth, Remote::Writes)?),
            Operation::Read => Some(region(workload.depth, Remote::Reads)?),
            Operation::Send => Some(region(receives, Remote::Nothing)?),
        };
        let room = Room { sends: sends_room, receives: u32::from(receives), inline_bytes: u32::from(workload.inline_bytes) };
        let mut pairs = Vec::new();
        let mut offered = Vec::new();
        for _ in 0..workload.pairs {
            let mut pair = Pair::new(&domain, [&sends, &receives_queue], own.as_ref(), open.as_ref(), room)?;
            pair.open(choice.port.port)?;
            offered.push((pair.number(), random()? & PSN_MASK));
            pairs.push(pair);
        }

        let memory = open.as_ref().filter(|_| workload.operation != Operation::Send);
        let (reads_answered, reads_issued) = device.reads()?;
        let local = Port {
            device: choice.port.device.clone(),
            port: choice.port.port,
            gid: choice.gid.gid,
            gid_index: choice.gid.index,
            active_mtu: choice.port.active_mtu,
        };
        let offer = Offer {
            version: VERSION,
            workload: workload.clone(),
            seed: u64::from(random()?) << 32 | u64::from(random()?),
            port: local.clone(),
            pairs: offered.clone(),
            reads: reads_answered,
            memory: memory.map(|region| Memory { address: region.address(), bytes: region.bytes(), rkey: region.rkey() }),
        };
        let theirs = exchange(control, &offer, stop)?;
        let mtu = path_mtu(workload, &local, &theirs.port)?;
        let seed = if side == Side::Connecting { offer.seed } else { theirs.seed };
        let message_bytes = usize::try_from(workload.message_bytes).expect("a size of 64 bits");
        let pattern = Pattern { seed, packet_bytes: usize::from(mtu), message_bytes, verify: workload.verify };

        let mut session = Self {
            pairs,
            sends,
            receives: receives_queue,
            own,
            open,
            theirs: theirs.memory,
            control,
            stop,
            workload: workload.clone(),
            side,
            pattern,
            patience,
            plant,
            local,
            remote: theirs.port,
            mtu,
            device,
        };
        session.fill()?;
        session.prepare(&offered, &theirs.pairs, (reads_answered, reads_issued.min(theirs.reads)))?;
        session.control.say(&Message::Ready)?;
        let said = session.control.wait(stop)?;
        if said == Message::Ready { Ok(session) } else { Err(session.control.unexpected(&said)) }
    }

    // Memory before the first message: what is to be sent has its body, and where something is to arrive nothing of it is there.
    fn fill(&mut self) -> Result<(), RdmaError> {
        let (side, workload) = (self.side, self.workload.clone());
        for pair in 0..workload.pairs {
            for slot in 0..workload.depth {
                if self.own.is_some() && workload.operation != Operation::Read {
                    self.pattern.fill(self.own(pair, slot), self.place(side, pair, slot), crate::pattern::NEVER);
                }
                match workload.operation {
                    _ if self.open.is_none() => {}
                    Operation::Read => self.pattern.fill(self.open(pair, slot), self.place(side, pair, slot), 0),
                    Operation::Write => self.pattern.blank(self.open(pair, slot), self.place(side.other(), pair, slot)),
                    Operation::Send => {
                        for slot in [slot, slot + workload.depth] {
                            self.pattern.blank(self.open(pair, slot), self.place(side.other(), pair, slot % workload.depth));
                        }
                    }
                }
            }
            // Gigabytes take their time, and the other end waits.
            self.control.beat()?;
        }
        if let Some(plant) = self.plant.filter(|_| workload.operation == Operation::Read && self.open.is_some()) {
            // Whichever a read takes last, it is there.
            for slot in 0..workload.depth {
                self.flip(plant, slot);
            }
        }
        Ok(())
    }

    fn prepare(&mut self, own: &[(u32, u32)], theirs: &[(u32, u32)], (answers, issues): (u8, u8)) -> Result<(), RdmaError> {
        let gid_index = u8::try_from(self.local.gid_index).map_err(|_| RdmaError::Workload(format!("GID {} is beyond 255", self.local.gid_index)))?;
        let workload = &self.workload;
        let way = Way {
            port: self.local.port,
            gid_index,
            gid: self.remote.gid,
            mtu: self.mtu,
            traffic_class: workload.traffic_class,
            service_level: workload.service_level,
            ack_timeout: workload.ack_timeout,
            retries: workload.retries,
            answers,
            issues,
        };
        for (pair, (own, theirs)) in self.pairs.iter_mut().zip(own.iter().zip(theirs)) {
            pair.connect(&way, own.1, *theirs)?;
        }
        if self.open.is_some() && self.workload.operation == Operation::Send {
            for pair in 0..self.workload.pairs {
                for number in 0..self.workload.receives() {
                    self.receive(pair, u64::from(number))?;
                }
            }
        }
        Ok(())
    }

    /// Posts the receive of a message.
    pub(crate) fn receive(&mut self, pair: u16, number: u64) -> Result<(), RdmaError> {
        let slot = remainder(number, self.workload.receives());
        let offset = self.offset(pair, slot, self.workload.receives());
        let bytes = self.workload.message_bytes;
        self.pairs[usize::from(pair)].receive(name(pair, number), offset, bytes)
    }

    /// A slot of what this end's requests use.
    pub(crate) fn own(&self, pair: u16, slot: u16) -> &[AtomicU64] {
        self.slot(self.own.as_ref(), pair, slot, self.workload.depth)
    }

    /// A slot of what the other end's requests reach.
    pub(crate) fn open(&self, pair: u16, slot: u16) -> &[AtomicU64] {
        self.slot(self.open.as_ref(), pair, slot, receives(&self.workload).max(self.workload.depth))
    }

    fn slot<'s>(&'s self, region: Option<&'s Rc<Region>>, pair: u16, slot: u16, slots: u16) -> &'s [AtomicU64] {
        let begin = usize::try_from(self.offset(pair, slot, slots) / 8).expect("a size of 64 bits");
        let words = usize::try_from(self.workload.stride() / 8).expect("a size of 64 bits");
        &region.expect("who issues has memory of its own, who answers has open memory").words()[begin..begin + words]
    }

    /// Where a slot begins in a region with so many of each queue pair.
    pub(crate) fn offset(&self, pair: u16, slot: u16, slots: u16) -> u64 {
        (u64::from(pair) * u64::from(slots) + u64::from(slot)) * self.workload.stride()
    }

    /// Where the content of a message belongs.
    pub(crate) fn place(&self, side: Side, pair: u16, slot: u16) -> Place {
        Place { side: side.number(), pair, slot }
    }

    /// Flips a bit of a slot of open memory.
    pub(crate) fn flip(&self, plant: Plant, slot: u16) {
        let byte = usize::try_from(plant.byte).expect("a size of 64 bits");
        if let Some(word) = (plant.pair < self.workload.pairs).then(|| self.open(plant.pair, slot).get(byte / 8)).flatten() {
            word.fetch_xor(1 << (8 * (byte % 8)), std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Which message a completion is of, if it has succeeded.
    pub(crate) fn succeeded(&self, completion: &Completion) -> Result<(u16, u64), RdmaError> {
        let (pair, message) = named(completion.id);
        match completion.failure {
            None => Ok((pair, message)),
            Some(failure) => {
                let after = if failure.is_flush() { "; it was flushed because an operation before it has failed" } else { "" };
                Err(RdmaError::Failed { pair, message, status: format!("{failure}{after}") })
            }
        }
    }

    /// Whether the port still carries something.
    pub(crate) fn port_is_active(&self) -> Result<(), RdmaError> {
        let port = self.device.port(self.local.port)?;
        if port.is_active { Ok(()) } else { Err(RdmaError::PortDown { device: port.device, port: port.port, state: port.state }) }
    }

    /// Leaves together: the other end may still need this one's queue pairs for its last acknowledgement.
    pub(crate) fn part(&mut self) -> Result<(), RdmaError> {
        self.control.enter("parting");
        self.port_is_active()?;
        self.control.say(&Message::Bye)?;
        let said = self.control.wait(self.stop)?;
        if said == Message::Bye { Ok(()) } else { Err(self.control.unexpected(&said)) }
    }
}

/// What a request is called.
pub(crate) fn name(pair: u16, number: u64) -> u64 {
    u64::from(pair) << NUMBER_BITS | number
}

fn named(id: u64) -> (u16, u64) {
    (u16::try_from(id >> NUMBER_BITS).expect("16 bits are left"), id & ((1 << NUMBER_BITS) - 1))
}

// Of each queue pair.
fn receives(workload: &Workload) -> u16 {
    if workload.operation == Operation::Send { workload.receives() } else { 0 }
}

fn exchange(control: &mut Control, offer: &Offer, stop: &AtomicBool) -> Result<Offer, RdmaError> {
    control.say(&Message::Hello(Box::new(offer.clone())))?;
    let said = control.wait(stop)?;
    let Message::Hello(theirs) = &said else { return Err(control.unexpected(&said)) };
    let protocol = |why: String| Err(RdmaError::Protocol { peer: control.peer(), why });
    if theirs.version != VERSION {
        return protocol(format!("it speaks version {}, this end {VERSION}", theirs.version));
    }
    if theirs.workload != offer.workload {
        return protocol(format!("it was told to do {:?}, this end {:?}", theirs.workload, offer.workload));
    }
    if theirs.pairs.len() != offer.pairs.len() {
        return protocol(format!("it has {} queue pairs instead of {}", theirs.pairs.len(), offer.pairs.len()));
    }
    Ok(Offer::clone(theirs))
}

fn path_mtu(workload: &Workload, local: &Port, remote: &Port) -> Result<u16, RdmaError> {
    let most = local.active_mtu.min(remote.active_mtu);
    match workload.mtu {
        Some(wanted) if wanted > most => {
            let why = format!("a path MTU of {wanted} is more than the ports have ({} here, {} there)", local.active_mtu, remote.active_mtu);
            Err(RdmaError::Workload(why))
        }
        Some(wanted) => Ok(wanted),
        None if most >= 256 => Ok(most),
        None => Err(RdmaError::Workload(format!("the ports have no MTU ({} here, {} there)", local.active_mtu, remote.active_mtu))),
    }
}

fn random() -> Result<u32, RdmaError> {
    let mut bytes = [0; 4];
    let answer = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    answer.map_err(|error| RdmaError::Verb { act: "draw a random number", device: "the kernel".into(), source: error.into() })?;
    Ok(u32::from_le_bytes(bytes))
}
