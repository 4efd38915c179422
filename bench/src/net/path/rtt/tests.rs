use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::super::reflector::{ReflectListen, Reflected, serve};
use super::*;

fn local() -> SocketAddr {
    SocketAddr::new(IpAddr::from(Ipv4Addr::LOCALHOST), 0)
}

fn spec(token: Token, peer: SocketAddr) -> RttConnect {
    RttConnect { token, address: local(), peer, source_ports: vec![0, 0], probes: 501, rate: 2000, ip_bytes: 128, patience_ns: 300_000_000 }
}

fn on_loopback() -> (Rtt, Reflected) {
    let token = Token::fresh().expect("random numbers");
    let (ready, peer) = mpsc::channel();
    let stop = AtomicBool::new(false);
    let listen = ReflectListen { token, address: local(), idle_ns: 10_000_000_000 };
    thread::scope(|scope| {
        let far = scope.spawn(|| serve(&listen, &stop, &mut |address| ready.send(address).expect("somebody waits")));
        let rtt = connect(&spec(token, peer.recv().expect("an address")), &AtomicBool::new(false)).expect("times");
        stop.store(true, Ordering::Relaxed);
        (rtt, far.join().expect("no panic").expect("a reflection"))
    })
}

#[test]
fn every_request_is_answered_and_its_time_is_that_of_network_and_host() {
    let (rtt, reflected) = on_loopback();
    assert_eq!((rtt.sent_and_answered(), rtt.lag.len(), rtt.stopped), ((501, 501), 501, false));
    assert_eq!((rtt.damaged, rtt.foreign, rtt.overflowed, rtt.unstamped), (0, 0, 0, 0));
    assert_eq!(reflected.pings, BTreeMap::from([(0, 251), (1, 250)]));
    for (flow, sent) in rtt.flows.iter().zip([251, 250]) {
        assert_eq!((flow.sent, flow.answered, flow.duplicated, flow.implausible), (sent, sent, 0, 0));
        assert_eq!((flow.rtt.len(), flow.network.len(), flow.far_host.len()), (sent, sent, sent));
        assert!(flow.network.at(0.5) <= flow.rtt.at(0.5));
        let (there, back) = (flow.there.expect("a variation"), flow.back.expect("a variation"));
        assert_eq!((there.differences, back.differences), (sent - 1, sent - 1));
        assert!(there.mean_ns > 0.0 && there.highest_ns >= there.last_ns);
    }
    let json = serde_json::to_string(&rtt).expect("JSON");
    assert_eq!(serde_json::from_str::<Rtt>(&json).expect("times").rtt(), rtt.rtt(), "as it travels");
}

/// A far half that answers as `answer` says: packets to send for each request.
fn with_far(answer: impl Fn(&Packet) -> Vec<Packet> + Send) -> Result<Rtt, EngineError> {
    let token = Token::fresh().expect("random numbers");
    let far = UdpSocket::bind(local()).expect("a socket");
    far.set_read_timeout(Some(Duration::from_millis(600))).expect("a timeout");
    let peer = far.local_addr().expect("an address");
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((bytes, from)) = far.recv_from(&mut buffer) {
                let Ok(packet) = Packet::read(&token, &buffer[..bytes]) else { continue };
                for answer in answer(&packet) {
                    answer.write(&token, &mut buffer[..bytes]);
                    far.send_to(&buffer[..bytes], from).expect("sent");
                }
            }
        });
        connect(&RttConnect { source_ports: vec![0], probes: 200, ..spec(token, peer) }, &AtomicBool::new(false))
    })
}

fn pong(packet: &Packet, far: u64) -> Packet {
    Packet { kind: Kind::Pong, words: [packet.words[0], 5_000_000, 5_000_000 + far], ..*packet }
}

#[test]
fn what_is_not_answered_is_lost_and_what_is_answered_twice_counts_once() {
    let rtt = with_far(|packet| match packet.sequence % 10 {
        0 => vec![],
        1 => vec![pong(packet, 0), pong(packet, 0)],
        _ => vec![pong(packet, 0)],
    });
    let flow = rtt.expect("times").flows.remove(0);
    assert_eq!((flow.sent, flow.answered, flow.duplicated, flow.rtt.len()), (200, 180, 20, 180));
}

#[test]
fn answers_that_come_in_another_order_are_counted() {
    let held = std::sync::Mutex::new(None);
    let rtt = with_far(move |packet| {
        let mut held = held.lock().expect("one thread");
        if packet.sequence.is_multiple_of(20) {
            *held = Some(pong(packet, 0));
            return vec![];
        }
        std::iter::once(pong(packet, 0)).chain(held.take()).collect()
    });
    let flow = rtt.expect("times").flows.remove(0);
    assert_eq!((flow.answered, flow.reordered), (200, 10));
}

#[test]
fn a_far_host_that_says_it_took_longer_than_the_whole_way_is_not_believed() {
    let rtt = with_far(|packet| vec![pong(packet, 60_000_000_000)]);
    let flow = rtt.expect("times").flows.remove(0);
    assert_eq!((flow.answered, flow.implausible, flow.network.len(), flow.far_host.len()), (200, 200, 0, 0));
    assert_eq!((flow.there, flow.back), (None, None), "of no believable time there is no variation");
}

#[test]
fn answers_to_what_was_never_asked_are_a_lie() {
    for lie in [
        |packet: &Packet| Packet { sequence: 199, ..pong(packet, 0) },
        |packet: &Packet| {
            let pong = pong(packet, 0);
            Packet { words: [pong.words[0] + 1, 0, 0], ..pong }
        },
    ] {
        let told = with_far(move |packet| vec![lie(packet)]);
        assert!(matches!(told, Err(EngineError::Peer { act: "believe", .. })), "{told:?}");
    }
}

#[test]
fn jitter_is_that_of_the_rfc() {
    let mut variation = Variation::default();
    // Transits of 10, 26, 26 and 10 us on clocks that are far apart.
    [(0, 10), (1000, 1026), (2000, 2026), (3000, 3010)]
        .iter()
        .for_each(|(sent, received)| variation.packet(sent * 1000, 9_000_000_000 + received * 1000));
    let jitter = variation.finish().expect("three differences");
    // 0, then 16000/16 = 1000, then less a sixteenth = 937.5, then plus (16000 - 937.5)/16.
    assert!((jitter.last_ns - 1_878.906_25).abs() < 1e-9 && (jitter.highest_ns - jitter.last_ns).abs() < 1e-9, "{jitter:?}");
    assert!((jitter.mean_ns - 32_000.0 / 3.0).abs() < 1e-9 && jitter.differences == 3);
    let mut one = Variation::default();
    one.packet(0, 10_000);
    assert_eq!((Variation::default().finish(), one.finish()), (None, None), "none is not 0");
}
