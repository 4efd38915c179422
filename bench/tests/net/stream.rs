//! Outages that are made, and what the probe stream says of them.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use assay_bench::net::stream::timeline::{End, FlowTimeline, Moment, timelines};
use assay_bench::net::stream::{Shape, StreamConnect, StreamHalf, StreamListen, connect, serve};
use assay_bench::net::token::Token;
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::namespaces::Namespaces;

const MS: u64 = 1_000_000;

/// Nanoseconds since the boot: all namespaces have this clock.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).expect("seconds") * 1_000_000_000 + u64::try_from(now.tv_nsec).expect("nanoseconds")
}

pub(crate) fn sleep_until(at_ns: u64) {
    let wake = Timespec { tv_sec: (at_ns / 1_000_000_000).cast_signed(), tv_nsec: (at_ns % 1_000_000_000).cast_signed() };
    clock_nanosleep_absolute(ClockId::Monotonic, &wake).expect("a sleep");
}

/// Two namespaces on one cable.
pub(crate) fn cable() -> Namespaces {
    let spaces = Namespaces::new(&["a", "b"]);
    spaces.run_all(
        "ip link add va netns @a type veth peer name vb netns @b
         ip -n @a addr add 10.231.0.1/24 dev va
         ip -n @b addr add 10.231.0.2/24 dev vb
         ip -n @a link set va up
         ip -n @b link set vb up",
    );
    spaces
}

/// A stream between `a` and `b` while `fault` does something to them: what `a` (which connects) and `b` say.
fn during(spaces: &Namespaces, shape: Shape, flows: u16, fault: impl FnOnce()) -> (StreamHalf, StreamHalf) {
    let token = Token::fresh().expect("random numbers");
    let address = |text: &str| SocketAddr::new(text.parse().expect("an address"), 0);
    let listen = StreamListen { token, address: address("10.231.0.2"), flows, shape };
    let stop = AtomicBool::new(false);
    let (ready, peer) = mpsc::channel();
    thread::scope(|scope| {
        let b = spaces.spawn(scope, "b", || serve(&listen, &stop, &mut |address| ready.send(address).expect("somebody waits")));
        let peer = peer.recv_timeout(Duration::from_secs(5)).expect("an address");
        let spec = StreamConnect { token, address: address("10.231.0.1"), peer, source_ports: vec![0; flows.into()], shape };
        let stop = &stop;
        let a = spaces.spawn(scope, "a", move || connect(&spec, stop));
        // On a busy machine it may be a while before they have met.
        let end = Instant::now() + Duration::from_secs(8);
        while spaces.counter("b", "vb", "rx_packets") < 20 {
            assert!(Instant::now() < end, "nothing comes through");
        }
        fault();
        (a.join().expect("no panic").expect("a half"), b.join().expect("no panic").expect("a half"))
    })
}

fn shape(runtime_ms: u64) -> Shape {
    Shape { linger_ns: 600 * MS, ..Shape::drill(MS, runtime_ms * MS) }
}

/// The gap that `from` to `to` (before and after each command) has made, and nothing else.
fn check(timeline: &FlowTimeline, from: (u64, u64), to: (u64, u64)) {
    let fault = Moment { at_ns: from.1, uncertainty_ns: from.1 - from.0 };
    let gap = timeline.longest_since(&fault).unwrap_or_else(|| panic!("no gap: {timeline:?}"));
    let at_most = gap.at_most_ns.expect("it was over");
    // Made and healed somewhere within the commands; seen by packets of a millisecond.
    assert!(at_most >= to.0 - from.1, "{gap:?} is shorter than {} ns", to.0 - from.1);
    assert!(gap.at_least_ns <= to.1 - from.0 + 3 * MS, "{gap:?} is longer than {} ns", to.1 - from.0);
    assert!((290 * MS..400 * MS).contains(&(to.0 - from.1)), "the test itself was held up");
    let since = gap.since(&fault);
    let (last, first) = (since.last_good_ns.expect("a packet before"), since.first_good_ns.expect("a packet after"));
    assert!(last <= 2_000_000 && first >= i64::try_from(to.0 - from.1).expect("a moment"), "{since:?}");
    assert!(gap.lost.is_some_and(|lost| lost >= 280), "{gap:?}");
    assert_eq!(timeline.end, End::Resumed);
    assert_eq!(timeline.received + timeline.lost, timeline.sent);
    assert!(timeline.gaps.iter().all(|gap| gap.at_most_ns.is_some_and(|at_most| at_most <= 1_000 * MS)), "{:?}", timeline.gaps);
}

#[test]
fn silence_with_carrier_in_one_direction_is_seen_in_that_direction_alone() {
    let spaces = cable();
    spaces.run_all(
        "ip -n @b link add sink0 type veth peer name sink1
         ip -n @b link set sink0 up
         tc -n @b qdisc add dev vb clsact",
    );
    let mut times = ((0, 0), (0, 0));
    let (a, b) = during(&spaces, shape(1500), 2, || {
        sleep_until(now() + 500 * MS);
        let begin = now();
        // What comes in from the cable is led into a device that nobody listens to.
        spaces.run("tc -n @b filter add dev vb ingress protocol ip pref 1 u32 match u32 0 0 action mirred egress redirect dev sink0");
        times.0 = (begin, now());
        sleep_until(now() + 300 * MS);
        let begin = now();
        spaces.run("tc -n @b filter del dev vb ingress pref 1");
        times.1 = (begin, now());
    });
    for timeline in timelines(&a, &b).expect("halves that agree") {
        check(&timeline, times.0, times.1);
        assert!(timeline.refused.is_empty(), "the sender's host knows nothing of it");
    }
    for timeline in timelines(&b, &a).expect("halves that agree") {
        assert_eq!((timeline.lost, timeline.end), (0, End::Resumed), "the way back is whole");
        assert!(timeline.gaps.iter().all(|gap| gap.at_least_ns < 100 * MS), "{:?}", timeline.gaps);
    }
}

#[test]
fn an_interface_that_goes_down_is_seen_in_both_directions_and_its_host_says_why() {
    let spaces = cable();
    let mut times = ((0, 0), (0, 0));
    let (a, b) = during(&spaces, shape(2500), 1, || {
        sleep_until(now() + 500 * MS);
        let begin = now();
        spaces.run("ip -n @a link set va down");
        times.0 = (begin, now());
        sleep_until(now() + 300 * MS);
        let begin = now();
        spaces.run("ip -n @a link set va up");
        times.1 = (begin, now());
    });
    let there = timelines(&a, &b).expect("halves that agree").remove(0);
    let back = timelines(&b, &a).expect("halves that agree").remove(0);
    for timeline in [&there, &back] {
        let gap = timeline.longest_since(&Moment { at_ns: times.0.1, uncertainty_ns: times.0.1 - times.0.0 }).expect("a gap");
        // Until neighbours are found again it takes a little longer than the link was down.
        assert!(gap.at_most_ns.is_some_and(|at_most| at_most >= times.1.0 - times.0.1), "{gap:?}");
        assert!(gap.at_least_ns <= times.1.1 - times.0.0 + 1_100 * MS, "{gap:?}");
        assert_eq!((timeline.end, timeline.received + timeline.lost), (End::Resumed, timeline.sent));
    }
    let refused: u64 = there.refused.values().sum();
    assert!(refused >= 280 && refused <= there.lost, "{:?}", there.refused);
}

#[test]
fn a_link_that_stays_down_is_never_a_finite_outage() {
    let spaces = cable();
    let (a, b) = during(&spaces, shape(1500), 1, || {
        sleep_until(now() + 400 * MS);
        spaces.run("ip -n @b link set vb down");
    });
    for (sender, receiver) in [(&a, &b), (&b, &a)] {
        let timeline = timelines(sender, receiver).expect("halves that agree").remove(0);
        let gap = timeline.gaps.last().expect("a gap");
        assert_eq!((timeline.end, gap.first_good, gap.at_most_ns), (End::NotResumed, None, None));
        assert!(gap.at_least_ns > 300 * MS && gap.last_good.is_some(), "{gap:?}");
        assert_eq!(receiver.peer_ticks, None, "no goodbye came");
    }
}

/// Wire format: the kind at 24, the number at 32.
fn probe(bytes: &[u8]) -> Option<u64> {
    (bytes.len() == 64 && bytes[24] == 2).then(|| u64::from_le_bytes(bytes[32..40].try_into().expect("8 bytes")))
}

#[test]
fn a_relay_that_loses_doubles_swaps_and_damages_is_found_out_in_its_direction() {
    let token = Token::fresh().expect("random numbers");
    let local: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let listen = StreamListen { token, address: local, flows: 1, shape: shape(1000) };
    let relay = UdpSocket::bind(local).expect("a socket");
    // On a busy machine it may have to hold half a second of packets.
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&relay, 4 << 20).expect("the right to a large buffer");
    relay.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let over = AtomicBool::new(false);
    let stop = AtomicBool::new(false);
    let (ready, peer) = mpsc::channel();
    let (near, far) = thread::scope(|scope| {
        let far = scope.spawn(|| serve(&listen, &stop, &mut |address| ready.send(address).expect("somebody waits")));
        let server = peer.recv_timeout(Duration::from_secs(5)).expect("an address");
        let spec = StreamConnect { token, address: local, peer: relay.local_addr().expect("an address"), source_ports: vec![0], shape: shape(1000) };
        let (relay, over) = (&relay, &over);
        scope.spawn(move || {
            let (mut client, mut held) = (None, None);
            let mut buffer = [0; 2048];
            while !over.load(Ordering::Relaxed) {
                let Ok((bytes, from)) = relay.recv_from(&mut buffer) else { continue };
                let bytes = &mut buffer[..bytes];
                if from != server {
                    client = Some(from);
                    relay.send_to(bytes, server).expect("sent");
                    continue;
                }
                let Some(client) = client else { continue };
                match probe(bytes) {
                    Some(number) if (500..700).contains(&number) => {}
                    Some(number) if number % 100 == 10 => bytes[60] ^= 0x10,
                    Some(number) if number % 100 == 20 => drop(relay.send_to(bytes, client)),
                    Some(number) if number % 100 == 30 => held = Some(bytes.to_vec()),
                    Some(_) | None => {
                        relay.send_to(bytes, client).expect("sent");
                        if let Some(held) = held.take() {
                            relay.send_to(&held, client).expect("sent");
                        }
                        continue;
                    }
                }
                if probe(bytes).is_some_and(|number| !(500..700).contains(&number) && number % 100 != 30) {
                    relay.send_to(bytes, client).expect("sent");
                }
            }
        });
        let stop = &stop;
        let near = scope.spawn(move || connect(&spec, stop));
        let halves = (near.join().expect("no panic").expect("a half"), far.join().expect("no panic").expect("a half"));
        over.store(true, Ordering::Relaxed);
        halves
    });
    let back = timelines(&far, &near).expect("halves that agree").remove(0);
    // Of ten hundreds, two were lost as a whole.
    // On a busy machine the last packets may fall behind the end of the time; what is planted comes before them.
    let (here, away) = (far.pace.ticks, near.pace.ticks);
    assert!((940..=1000).contains(&here) && (900..=1000).contains(&away), "{here} {away}");
    assert_eq!((back.received, back.duplicated, back.reordered, near.damaged), (here - 208, 8, 8, 8));
    assert_eq!((back.lost, back.end), (208, End::Resumed));
    let gap = back.gaps.iter().max_by_key(|gap| gap.length_ns()).expect("a gap");
    assert_eq!((gap.last_good.map(|good| good.sequence), gap.first_good.map(|good| good.sequence), gap.lost), (Some(499), Some(700), Some(200)));
    let there = timelines(&near, &far).expect("halves that agree").remove(0);
    assert_eq!((there.received, there.lost, there.duplicated, there.reordered, far.damaged), (away, 0, 0, 0, 0));
}
