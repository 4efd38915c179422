//! A stand-in for a bond of two members, since not every kernel has the bonding driver: a device whose frames the kernel's own packet filter (u32, mirred)
//! distributes over two cables by the same bits of addresses and ports that layer3+4 comes down to with two members, written here a second time.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use assay_bench::net::stream::timeline::timelines;
use assay_bench::net::stream::{Shape, StreamConnect, StreamHalf, StreamListen, connect, serve};
use assay_bench::net::token::Token;
use assay_model::bond::hash::{HashPolicy, LowestBit};
use assay_model::bond::ports::Route;
use assay_model::bond::shares::{MemberCounter, SHARE_TOLERANCE, Shares, degraded};
use rustix::net::{AddressFamily, SocketType, bind, socket};

use crate::namespaces::Namespaces;

const NEAR: Ipv4Addr = Ipv4Addr::new(10, 232, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 232, 0, 2);
const MEMBERS: [&str; 2] = ["m0", "m1"];
/// A probe of the stream in a frame.
const FRAME_BYTES: u64 = 14 + 28 + 64;

/// Two namespaces with a bond of two members each, which hash by this bit of each byte.
fn bonds(bit: u16) -> Namespaces {
    let spaces = Namespaces::new(&["a", "b"]);
    spaces.run_all(
        "ip link add m0 netns @a type veth peer name m0 netns @b
         ip link add m1 netns @a type veth peer name m1 netns @b",
    );
    let addresses = NEAR.octets().iter().chain(&FAR.octets()).fold(0, |all, byte| all ^ byte);
    for (name, address) in [("a", NEAR), ("b", FAR)] {
        spaces.run_all(&format!(
            "ip -n @{name} link add bond0 type veth peer name wire0
             ip -n @{name} link set wire0 up
             ip -n @{name} link set m0 up
             ip -n @{name} link set m1 up
             ip -n @{name} link set bond0 up
             tc -n @{name} qdisc add dev wire0 clsact
             tc -n @{name} qdisc add dev m0 clsact
             tc -n @{name} qdisc add dev m1 clsact
             tc -n @{name} filter add dev m0 ingress pref 1 protocol all u32 match u32 0 0 action mirred egress redirect dev wire0
             tc -n @{name} filter add dev m1 ingress pref 1 protocol all u32 match u32 0 0 action mirred egress redirect dev wire0
             tc -n @{name} filter add dev wire0 ingress pref 2 protocol arp u32 match u32 0 0 action mirred egress redirect dev m0"
        ));
        let mask = bit << 8 | bit;
        for bits in 0..16_u16 {
            // One bit of each byte of both ports; the hash has all of them and the same bit of each byte of the addresses.
            let value = |high: bool, low: bool| if high { bit << 8 } else { 0 } | if low { bit } else { 0 };
            let (source, destination) = (value(bits & 1 != 0, bits & 2 != 0), value(bits & 4 != 0, bits & 8 != 0));
            let odd = (bits.count_ones() % 2 == 1) != (u16::from(addresses) & bit != 0);
            spaces.run(&format!(
                "tc -n @{name} filter add dev wire0 ingress pref 1 protocol ip u32 match u16 {source:#06x} {mask:#06x} at 20 match u16 {destination:#06x} {mask:#06x} at 22 \
                 action mirred egress redirect dev {}",
                MEMBERS[usize::from(odd)]
            ));
        }
        spaces.run(&format!("ip -n @{name} addr add {address}/24 dev bond0"));
    }
    spaces
}

fn route(lowest_bit: LowestBit, destination_port: u16) -> Route {
    Route {
        policy: HashPolicy::Layer3Plus4,
        lowest_bit,
        members: MEMBERS.map(str::to_owned).to_vec(),
        source_mac: [0; 6],
        destination_mac: [0; 6],
        vlan: None,
        source: NEAR.into(),
        destination: FAR.into(),
        destination_port,
        connected: true,
    }
}

/// What members counted while `work` ran, at both ends: sent by `a`, received by `b`, and the other way round.
fn counted<T>(spaces: &Namespaces, work: impl FnOnce() -> T) -> (T, [Vec<MemberCounter>; 4]) {
    const WHERE: [(&str, &str); 4] = [("a", "tx_bytes"), ("b", "rx_bytes"), ("b", "tx_bytes"), ("a", "rx_bytes")];
    let read = |(name, counter): (&str, &str)| MEMBERS.map(|member| spaces.counter(name, member, counter));
    let before = WHERE.map(read);
    let done = work();
    let after = WHERE.map(read);
    let pair = |at: usize| {
        let member = |member: usize| MemberCounter { member: MEMBERS[member].to_owned(), before: before[at][member], after: after[at][member] };
        vec![member(0), member(1)]
    };
    (done, [pair(0), pair(1), pair(2), pair(3)])
}

/// A stream with a flow from each of the ports that `choose` gives for the listening half's port.
fn stream(spaces: &Namespaces, flows: u16, shape: Shape, choose: impl FnOnce(u16) -> Vec<u16>) -> (Vec<u16>, u16, StreamHalf, StreamHalf) {
    let token = Token::fresh().expect("random numbers");
    let listen = StreamListen { token, address: SocketAddr::new(FAR.into(), 0), flows, shape };
    let stop = AtomicBool::new(false);
    let (ready, peer) = mpsc::channel();
    thread::scope(|scope| {
        let b = spaces.spawn(scope, "b", || serve(&listen, &stop, &mut |address| ready.send(address).expect("somebody waits")));
        let peer = peer.recv_timeout(Duration::from_secs(5)).expect("an address");
        let source_ports = choose(peer.port());
        let spec = StreamConnect { token, address: SocketAddr::new(NEAR.into(), 0), peer, source_ports: source_ports.clone(), shape };
        let stop = &stop;
        let a = spaces.spawn(scope, "a", move || connect(&spec, stop));
        let (a, b) = (a.join().expect("no panic").expect("a half"), b.join().expect("no panic").expect("a half"));
        (source_ports, peer.port(), a, b)
    })
}

fn short() -> Shape {
    Shape::drill(1_000_000, 1_000_000_000)
}

fn least(shares: &Shares) -> f64 {
    shares.least_of_equal().expect("members")
}

#[test]
fn chosen_ports_put_35_to_65_percent_on_each_member_at_both_ends() {
    let spaces = bonds(2);
    let choose = |port| {
        let chosen = route(LowestBit::Discarded, port).choose(8, 40_000..=40_999, &BTreeSet::new()).expect("ports");
        chosen.iter().map(|chosen| chosen.port).collect()
    };
    let ((_, _, a, b), counters) = counted(&spaces, || stream(&spaces, 8, short(), choose));
    assert!(timelines(&a, &b).expect("halves that agree").iter().all(|flow| flow.lost == 0));
    for (counters, at) in counters.iter().zip(["sent by a", "received by b", "sent by b", "received by a"]) {
        let shares = Shares::of(counters, 8 * 1000 * FRAME_BYTES).unwrap_or_else(|error| panic!("{at}: {error}"));
        assert!(least(&shares) >= 0.9, "{at}: {shares:?}");
    }
}

#[test]
fn even_ports_in_a_row_lie_on_one_member_where_the_lowest_bit_decides() {
    let spaces = bonds(1);
    let even = |_| (0..8).map(|flow| 40_000 + 2 * flow).collect();
    let ((ports, port, ..), [sent, ..]) = counted(&spaces, || stream(&spaces, 8, short(), even));
    let shares = Shares::of(&sent, 8 * 1000 * FRAME_BYTES).expect("shares");
    assert!(least(&shares) < 1.0 - SHARE_TOLERANCE, "{shares:?}");
    let computed = route(LowestBit::Kept, port).spread(&ports).expect("computed");
    assert!(computed.contains(&8) && shares.deviation(&computed).is_some_and(|apart| apart <= 0.02), "{computed:?} {shares:?}");
    let chosen = |port| {
        let chosen = route(LowestBit::Kept, port).choose(8, 40_000..=40_999, &BTreeSet::new()).expect("ports");
        chosen.iter().map(|chosen| chosen.port).collect()
    };
    let (_, [sent, ..]) = counted(&spaces, || stream(&spaces, 8, short(), chosen));
    assert!(least(&Shares::of(&sent, 8 * 1000 * FRAME_BYTES).expect("shares")) >= 1.0 - SHARE_TOLERANCE);
}

#[test]
fn iperf3_puts_all_its_streams_on_one_member_where_the_lowest_bit_decides() {
    let spaces = bonds(1);
    let measured = || {
        let (said, [sent, ..]) = counted(&spaces, || {
            let server = std::process::Command::new("ip")
                .args(["netns", "exec", &spaces.full("b"), "iperf3", "-s", "-1"])
                .stdout(std::process::Stdio::piped())
                .spawn();
            let mut server = server.expect("the tests need iproute2 and iperf3");
            let until = Instant::now() + Duration::from_secs(20);
            while !spaces.run("ip netns exec @b ss -Hltn sport = :5201").contains("5201") {
                assert!(Instant::now() < until, "iperf3 does not listen");
            }
            let said = spaces.run(&format!("timeout 30 ip netns exec @a iperf3 -c {FAR} -P 4 -t 1 -J"));
            // It may wait for another, if the client never came to it.
            server.kill().and_then(|()| server.wait()).expect("it is ours");
            said
        });
        let said: serde_json::Value = serde_json::from_str(&said).expect("JSON of iperf3");
        let ports: Vec<u16> = said["start"]["connected"]
            .as_array()
            .expect("streams")
            .iter()
            .map(|stream| stream["local_port"].as_u64().expect("a port"))
            .map(|port| u16::try_from(port).expect("a port"))
            .collect();
        (said, sent, ports)
    };
    // The ports follow one another. Where they pass a border of 256 the other byte of them changes too: once in forty times.
    let is_within = |(_, _, ports): &(serde_json::Value, _, Vec<u16>)| ports.iter().all(|port| port >> 8 == ports[0] >> 8);
    let (said, sent, ports) = (0..5).map(|_| measured()).find(is_within).expect("ports that follow one another");
    let carried = said["end"]["sum_sent"]["bytes"].as_u64().expect("bytes");
    assert!(ports.len() == 4 && ports.iter().all(|port| port.is_multiple_of(2)), "{ports:?}");
    // Large frames are counted without the headers of their parts, and retransmissions are counted: near enough for one that has nothing.
    let bytes: Vec<u64> = sent.iter().map(|counter| counter.after - counter.before).collect();
    assert!(bytes.iter().max() > Some(&(carried / 10 * 9)) && bytes.iter().min() < Some(&(carried / 100)), "{bytes:?} of {carried}");
    let computed = route(LowestBit::Kept, 5201).spread(&ports).expect("computed");
    assert_eq!(computed.iter().zip(&bytes).max_by_key(|(_, bytes)| **bytes).map(|(flows, _)| *flows), Some(4), "and on the one that was computed");
}

#[test]
fn the_spread_of_256_flows_is_counted_as_it_was_computed() {
    let spaces = bonds(2);
    let slow = Shape { period_ns: 50_000_000, gap_ns: 200_000_000, ..Shape::drill(1_000_000, 2_000_000_000) };
    // A step of 14 is uneven on purpose: an even spread would fit any computation.
    let ports = |_| (0..256).map(|flow| 32_768 + flow % 32 * 4 + flow / 32 * 256).collect();
    let ((ports, port, ..), [sent, received, ..]) = counted(&spaces, || stream(&spaces, 256, slow, ports));
    let computed = route(LowestBit::Discarded, port).spread(&ports).expect("computed");
    assert_eq!(computed.iter().sum::<u64>(), 256);
    for counters in [sent, received] {
        let shares = Shares::of(&counters, 256 * 40 * FRAME_BYTES).expect("shares");
        assert!(shares.deviation(&computed).is_some_and(|apart| apart <= 0.03), "{computed:?} {shares:?}");
    }
}

/// Bytes per second that one stream from `port` gets through.
fn goodput(spaces: &Namespaces, listener: &TcpListener, port: u16) -> f64 {
    let time = Duration::from_millis(600);
    let to = listener.local_addr().expect("an address");
    thread::scope(|scope| {
        let sender = spaces.spawn(scope, "a", move || {
            let own = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
            bind(&own, &SocketAddrV4::new(NEAR, port)).expect("the port is free");
            rustix::net::connect(&own, &to).expect("a connection");
            let mut stream = TcpStream::from(own);
            stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
            let begin = Instant::now();
            while begin.elapsed() < time {
                stream.write_all(&[0; 16_384]).expect("the far end reads");
            }
        });
        listener.set_nonblocking(true).expect("an answer");
        let until = Instant::now() + Duration::from_secs(5);
        let mut stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) => assert!(Instant::now() < until && !sender.is_finished(), "no stream has come: {error}"),
            }
            thread::park_timeout(Duration::from_millis(5));
        };
        stream.set_nonblocking(false).expect("an answer");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let mut buffer = vec![0; 1 << 16];
        let (mut bytes, begin) = (0_u32, Instant::now());
        while begin.elapsed() < time {
            match stream.read(&mut buffer).expect("bytes") {
                0 => break,
                some => bytes += u32::try_from(some).expect("a few"),
            }
        }
        let goodput = f64::from(bytes) / begin.elapsed().as_secs_f64();
        while stream.read(&mut buffer).is_ok_and(|some| some > 0) {}
        sender.join().expect("no panic");
        goodput
    })
}

#[test]
fn a_member_shaped_to_a_tenth_is_found_by_the_figures_of_each_alone() {
    let spaces = bonds(2);
    let found = |spaces: &Namespaces, from: u16| {
        let listener = thread::scope(|scope| spaces.spawn(scope, "b", || TcpListener::bind((FAR, 0)).expect("a socket")).join().expect("no panic"));
        let port = listener.local_addr().expect("an address").port();
        let chosen = route(LowestBit::Discarded, port).choose(2, from..=from + 99, &BTreeSet::new()).expect("ports");
        let alone = |member: usize| (MEMBERS[member].to_owned(), goodput(spaces, &listener, chosen[member].port));
        let goodputs = [alone(0), alone(1)];
        let found: Vec<String> = degraded(&goodputs).expect("figures").iter().map(|degraded| degraded.member.clone()).collect();
        (found, goodputs)
    };
    spaces.run_all(
        "tc -n @a qdisc add dev m0 root tbf rate 200mbit burst 64k latency 20ms
         tc -n @a qdisc add dev m1 root tbf rate 200mbit burst 64k latency 20ms",
    );
    let (healthy, goodputs) = found(&spaces, 41_000);
    assert_eq!(healthy, [] as [&str; 0], "{goodputs:?}");
    spaces.run("tc -n @a qdisc change dev m1 root tbf rate 20mbit burst 64k latency 20ms");
    let (accused, goodputs) = found(&spaces, 42_000);
    assert_eq!(accused, ["m1"], "{goodputs:?}");
}
