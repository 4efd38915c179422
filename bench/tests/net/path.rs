//! Paths that are too narrow, each in its way, and round-trip times beside a load.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use assay_bench::net::path::mtu::{self, Fate, MtuConnect, MtuPath, SizeTried};
use assay_bench::net::path::reflector::{ReflectListen, serve};
use assay_bench::net::path::rtt::{self, Rtt, RttConnect};
use assay_bench::net::token::Token;

use crate::namespaces::Namespaces;
use crate::stream::cable;

const MS: u64 = 1_000_000;

/// What `measure` in namespace `a` says of a far half in `b` at `far`.
fn against<T: Send>(spaces: &Namespaces, far: &str, measure: impl FnOnce(Token, SocketAddr) -> T + Send) -> T {
    let token = Token::fresh().expect("random numbers");
    let listen = ReflectListen { token, address: SocketAddr::new(far.parse().expect("an address"), 0), idle_ns: 5_000 * MS };
    let stop = AtomicBool::new(false);
    let (ready, peer) = mpsc::channel();
    thread::scope(|scope| {
        let far = spaces.spawn(scope, "b", || serve(&listen, &stop, &mut |address| ready.send(address).expect("somebody waits")));
        let peer = peer.recv_timeout(Duration::from_secs(5)).expect("an address");
        let measured = spaces.spawn(scope, "a", move || measure(token, peer)).join().expect("no panic");
        stop.store(true, Ordering::Relaxed);
        far.join().expect("no panic").expect("a reflection");
        measured
    })
}

fn sizes(spaces: &Namespaces, near: &str, far: &str, ip_bytes: &[u32]) -> MtuPath {
    let address = SocketAddr::new(near.parse().expect("an address"), 0);
    let try_all = |token, peer| {
        let spec = MtuConnect { token, address, peer, ip_bytes: ip_bytes.to_vec(), probes: 3, patience_ns: 150 * MS };
        mtu::connect(&spec, &AtomicBool::new(false)).expect("a path")
    };
    against(spaces, far, try_all)
}

fn fates(path: &MtuPath) -> Vec<Fate> {
    path.sizes.iter().map(SizeTried::fate).collect()
}

#[test]
fn over_a_cable_of_9000_bytes_9000_passes_and_9001_does_not() {
    let spaces = cable();
    spaces.run_all(
        "ip -n @a link set va mtu 9000
         ip -n @b link set vb mtu 9000
         ip -n @a addr add fd31::1/64 dev va nodad
         ip -n @b addr add fd31::2/64 dev vb nodad",
    );
    for (near, far) in [("10.231.0.1", "10.231.0.2"), ("fd31::1", "fd31::2")] {
        let path = sizes(&spaces, near, far, &[9000, 9001, 1500]);
        assert_eq!(fates(&path), [Fate::Passes, Fate::TooLargeHere { mtu: 9000 }, Fate::Passes], "{path:?}");
    }
}

#[test]
fn a_router_whose_next_link_is_too_narrow_is_named() {
    let spaces = Namespaces::new(&["a", "r", "b"]);
    spaces.run_all(
        "ip link add va netns @a type veth peer name ra netns @r
         ip link add rb netns @r type veth peer name vb netns @b
         ip -n @a link set va mtu 9000 up
         ip -n @r link set ra mtu 9000 up
         ip -n @r link set rb mtu 1500 up
         ip -n @b link set vb mtu 9000 up
         ip -n @a addr add 10.231.1.1/24 dev va
         ip -n @r addr add 10.231.1.254/24 dev ra
         ip -n @r addr add 10.231.2.254/24 dev rb
         ip -n @b addr add 10.231.2.2/24 dev vb
         ip -n @a addr add fd31:1::1/64 dev va nodad
         ip -n @r addr add fd31:1::fe/64 dev ra nodad
         ip -n @r addr add fd31:2::fe/64 dev rb nodad
         ip -n @b addr add fd31:2::2/64 dev vb nodad
         ip -n @a route add default via 10.231.1.254
         ip -n @b route add default via 10.231.2.254
         ip -n @a route add default via fd31:1::fe
         ip -n @b route add default via fd31:2::fe
         ip netns exec @r sysctl -qw net.ipv4.ip_forward=1
         ip netns exec @r sysctl -qw net.ipv6.conf.all.forwarding=1",
    );
    for (near, far, router) in [("10.231.1.1", "10.231.2.2", "10.231.1.254"), ("fd31:1::1", "fd31:2::2", "fd31:1::fe")] {
        let router: IpAddr = router.parse().expect("an address");
        let path = sizes(&spaces, near, far, &[1500, 9000, 9001, 1500]);
        let expected = [Fate::Passes, Fate::TooLargeAt { router, mtu: 1500 }, Fate::TooLargeHere { mtu: 9000 }, Fate::Passes];
        assert_eq!(fates(&path), expected, "{path:?}");
    }
}

#[test]
fn a_bridge_that_is_too_narrow_swallows_what_nobody_misses() {
    let spaces = Namespaces::new(&["a", "r", "b"]);
    spaces.run_all(
        "ip link add va netns @a type veth peer name ra netns @r
         ip link add rb netns @r type veth peer name vb netns @b
         ip -n @r link add br0 type bridge
         ip -n @r link set ra master br0
         ip -n @r link set rb master br0
         ip -n @a link set va mtu 9000 up
         ip -n @r link set ra mtu 9000 up
         ip -n @r link set rb mtu 1500 up
         ip -n @r link set br0 up
         ip -n @b link set vb mtu 9000 up
         ip -n @a addr add 10.231.0.1/24 dev va
         ip -n @b addr add 10.231.0.2/24 dev vb",
    );
    let path = sizes(&spaces, "10.231.0.1", "10.231.0.2", &[1500, 9000, 9001]);
    assert_eq!(fates(&path), [Fate::Passes, Fate::Vanishes, Fate::TooLargeHere { mtu: 9000 }], "{path:?}");
    // Nothing is proven of a size where nothing gets there at all.
    spaces.run("ip -n @r link set br0 down");
    let path = sizes(&spaces, "10.231.0.1", "10.231.0.2", &[1500, 9000]);
    assert_eq!(fates(&path), [Fate::Dead, Fate::Dead], "{path:?}");
}

#[test]
fn a_relay_that_sends_on_in_fragments_is_found_out() {
    let spaces = Namespaces::new(&["a", "r", "b"]);
    spaces.run_all(
        "ip link add va netns @a type veth peer name ra netns @r
         ip link add rb netns @r type veth peer name vb netns @b
         ip -n @a link set va mtu 9000 up
         ip -n @r link set ra mtu 9000 up
         ip -n @r link set rb mtu 1500 up
         ip -n @b link set vb mtu 9000 up
         ip -n @a addr add 10.231.1.1/24 dev va
         ip -n @r addr add 10.231.1.254/24 dev ra
         ip -n @r addr add 10.231.2.254/24 dev rb
         ip -n @b addr add 10.231.2.2/24 dev vb",
    );
    let (here, there) = thread::scope(|scope| {
        let open = || ["10.231.1.254:0", "10.231.2.254:0"].map(|address| UdpSocket::bind(address).expect("a socket"));
        let sockets = spaces.spawn(scope, "r", open).join().expect("no panic");
        sockets.iter().for_each(|socket| socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout"));
        sockets.into()
    });
    let near = here.local_addr().expect("an address");
    let over = AtomicBool::new(false);
    let path = against(&spaces, "10.231.2.2", |token, far| {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut buffer = [0; 10_000];
                while !over.load(Ordering::Relaxed) {
                    let Ok((bytes, client)) = here.recv_from(&mut buffer) else { continue };
                    // Sent as any program sends: what is too large for the link goes in fragments.
                    there.send_to(&buffer[..bytes], far).expect("sent");
                    while let Ok((bytes, _)) = there.recv_from(&mut buffer) {
                        here.send_to(&buffer[..bytes], client).expect("sent");
                    }
                }
            });
            let address = "10.231.1.1:0".parse().expect("an address");
            let spec = MtuConnect { token, address, peer: near, ip_bytes: vec![1500, 9000], probes: 2, patience_ns: 400 * MS };
            let path = mtu::connect(&spec, &AtomicBool::new(false)).expect("a path");
            over.store(true, Ordering::Relaxed);
            path
        })
    });
    assert_eq!(fates(&path), [Fate::Passes, Fate::Fragmented], "{path:?}");
}

fn round_trips(spaces: &Namespaces) -> Rtt {
    let measure = |token, peer| {
        let address = "10.231.0.1:0".parse().expect("an address");
        let spec = RttConnect { token, address, peer, source_ports: vec![0; 4], probes: 1200, rate: 1000, ip_bytes: 128, patience_ns: 500 * MS };
        rtt::connect(&spec, &AtomicBool::new(false)).expect("times")
    };
    against(spaces, "10.231.0.2", measure)
}

#[test]
fn a_load_beside_it_is_seen_in_the_time_of_the_network() {
    let spaces = cable();
    spaces.run("tc -n @a qdisc add dev va root tbf rate 20mbit burst 20k latency 60ms");
    let idle = round_trips(&spaces);
    let over = AtomicBool::new(false);
    let loaded = thread::scope(|scope| {
        let load = spaces.spawn(scope, "a", || {
            // What one socket may have in the queue does not fill it.
            let sockets = [(); 4].map(|()| UdpSocket::bind("10.231.0.1:0").expect("a socket"));
            sockets.iter().for_each(|socket| socket.set_nonblocking(true).expect("an answer"));
            while !over.load(Ordering::Relaxed) {
                // Far more than 20 Mbit/s, also where the test gets a tenth of a processor.
                sockets.iter().cycle().take(24).for_each(|socket| drop(socket.send_to(&[0; 1400], "10.231.0.2:9")));
                thread::park_timeout(Duration::from_millis(1));
            }
        });
        let loaded = round_trips(&spaces);
        over.store(true, Ordering::Relaxed);
        load.join().expect("no panic");
        loaded
    });
    assert_eq!((idle.sent_and_answered(), idle.overflowed), ((1200, 1200), 0));
    let (sent, answered) = loaded.sent_and_answered();
    assert!(sent == 1200 && answered < 1200 && answered > 100, "a full queue drops: {answered}");
    let (idle_rtt, loaded_rtt) = (idle.rtt().at(0.5).expect("a median"), loaded.rtt().at(0.5).expect("a median"));
    assert!(loaded_rtt > 10 * MS && idle_rtt * 3 < loaded_rtt, "{idle_rtt} and {loaded_rtt} ns");
    for flow in &loaded.flows {
        let (network, rtt) = (flow.network.at(0.5).expect("a median"), flow.rtt.at(0.5).expect("a median"));
        // How long the far host takes is the machine's affair on which the test runs; the queue is the network's.
        assert!(network > 10 * MS && network <= rtt, "{network} in the network of {rtt}");
        assert_eq!((flow.implausible, flow.far_host.len()), (0, flow.answered));
    }
    assert_eq!(idle.rtt().len(), 1200);
    assert!(idle.rtt().at(0.999).is_some());
}
