use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::mpsc;
use std::thread;

use super::super::reflector::{ReflectListen, Reflected, serve};
use super::*;

fn tried(ip_bytes: u32) -> SizeTried {
    SizeTried {
        ip_bytes,
        probes: 3,
        echoed: 0,
        received: 0,
        fragmented: 0,
        not_echoed: BTreeMap::new(),
        refusals: Vec::new(),
        silent: 3,
        is_alive: true,
    }
}

#[test]
fn the_fate_of_a_size_is_what_all_its_packets_agree_on() {
    let router: IpAddr = "10.0.0.1".parse().expect("an address");
    let refusal = |by, errno, probes| Refusal { by, errno, mtu: 1500, probes };
    let none = tried(9000);
    let cases = [
        (SizeTried { echoed: 3, received: 3, silent: 0, ..none.clone() }, Fate::Passes, false),
        (SizeTried { echoed: 3, received: 3, silent: 0, fragmented: 1, ..none.clone() }, Fate::Fragmented, false),
        (SizeTried { echoed: 2, received: 3, silent: 0, ..none.clone() }, Fate::Unreliable, false),
        (SizeTried { received: 1, silent: 2, ..none.clone() }, Fate::Unreliable, false),
        (SizeTried { received: 3, silent: 0, ..none.clone() }, Fate::VanishesOnTheWayBack, false),
        (SizeTried { received: 3, silent: 0, not_echoed: BTreeMap::from([(90, 3)]), ..none.clone() }, Fate::TooLargeThere, false),
        (SizeTried { silent: 0, refusals: vec![refusal(None, 90, 3)], ..none.clone() }, Fate::TooLargeHere { mtu: 1500 }, true),
        (SizeTried { silent: 0, refusals: vec![refusal(Some(router), 90, 3)], ..none.clone() }, Fate::TooLargeAt { router, mtu: 1500 }, true),
        // Routers limit how often they say so.
        (SizeTried { silent: 2, refusals: vec![refusal(Some(router), 90, 1)], ..none.clone() }, Fate::TooLargeAt { router, mtu: 1500 }, true),
        (SizeTried { silent: 0, refusals: vec![refusal(Some(router), 111, 3)], ..none.clone() }, Fate::Unreliable, false),
        (SizeTried { silent: 2, refusals: vec![refusal(None, 90, 1)], ..none.clone() }, Fate::Unreliable, false),
        (none.clone(), Fate::Vanishes, true),
        (SizeTried { is_alive: false, ..none.clone() }, Fate::Dead, false),
        (SizeTried { is_alive: false, silent: 0, refusals: vec![refusal(None, 101, 3)], ..none.clone() }, Fate::Dead, false),
        (SizeTried { probes: 0, silent: 0, ..none }, Fate::Dead, false),
    ];
    for (tried, fate, is_too_large) in cases {
        assert_eq!((tried.fate(), tried.is_too_large()), (fate, is_too_large), "{tried:?}");
    }
}

fn on_loopback(address: IpAddr, ip_bytes: Vec<u32>) -> (MtuPath, Reflected) {
    let token = Token::fresh().expect("random numbers");
    let address = SocketAddr::new(address, 0);
    let (ready, peer) = mpsc::channel();
    let stop = AtomicBool::new(false);
    let listen = ReflectListen { token, address, idle_ns: 10_000_000_000 };
    thread::scope(|scope| {
        let far = scope.spawn(|| serve(&listen, &stop, &mut |address| ready.send(address).expect("somebody waits")));
        let spec = MtuConnect { token, address, peer: peer.recv().expect("an address"), ip_bytes, probes: 3, patience_ns: 500_000_000 };
        let path = connect(&spec, &AtomicBool::new(false)).expect("a path");
        stop.store(true, Ordering::Relaxed);
        (path, far.join().expect("no panic").expect("a reflection"))
    })
}

#[test]
fn loopback_carries_every_size_whole() {
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
        let (path, reflected) = on_loopback(address, vec![1500, 9000, 65_535]);
        let fates: Vec<Fate> = path.sizes.iter().map(SizeTried::fate).collect();
        assert_eq!(fates, [Fate::Passes; 3], "{path:?}");
        // The control probes are the far half's, too.
        assert_eq!(reflected.sizes, BTreeMap::from([(1280, 4), (1500, 3), (9000, 3), (65_535, 3)]));
        assert_eq!((reflected.fragmented.len(), reflected.foreign, path.foreign, path.damaged), (0, 0, 0, 0));
    }
}

#[test]
fn a_peer_that_is_not_there_proves_nothing_of_sizes() {
    let token = Token::fresh().expect("random numbers");
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let nobody = std::net::UdpSocket::bind(address).expect("a socket").local_addr().expect("an address");
    let spec = MtuConnect { token, address, peer: nobody, ip_bytes: vec![1500], probes: 2, patience_ns: 50_000_000 };
    let path = connect(&spec, &AtomicBool::new(false)).expect("a path");
    assert_eq!((path.sizes[0].fate(), path.sizes[0].is_too_large()), (Fate::Dead, false), "{path:?}");
}

#[test]
fn what_cannot_be_tried_is_refused() {
    let token = Token::fresh().expect("random numbers");
    let here = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 9);
    let good = MtuConnect { token, address: here, peer: here, ip_bytes: vec![1500], probes: 1, patience_ns: 1 };
    for wrong in [
        MtuConnect { ip_bytes: vec![91], ..good.clone() },
        MtuConnect { ip_bytes: vec![65_536], ..good.clone() },
        MtuConnect { ip_bytes: vec![], ..good.clone() },
        MtuConnect { probes: 0, ..good.clone() },
        MtuConnect { peer: "[::1]:9".parse().expect("an address"), ..good },
    ] {
        assert!(matches!(connect(&wrong, &AtomicBool::new(false)), Err(EngineError::Job { .. })), "{wrong:?}");
    }
}
