use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc;
use std::thread;

use super::timeline::{End, timelines};
use super::*;
use crate::net::packet::{Kind, PACKET_BYTES, Packet};

const MS: u64 = 1_000_000;

fn shape(runtime_ms: u64) -> Shape {
    Shape { linger_ns: 500 * MS, meet_ns: 5_000 * MS, ..Shape::drill(MS, runtime_ms * MS) }
}

fn local() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)
}

/// Both halves on loopback, with `meanwhile` in between, which is told where the listening one is.
fn both(
    listen: &StreamListen,
    connect: impl FnOnce(SocketAddr) -> StreamConnect,
    stops: (&AtomicBool, &AtomicBool),
) -> (Result<StreamHalf, EngineError>, Result<StreamHalf, EngineError>) {
    let (ready, address) = mpsc::channel();
    thread::scope(|scope| {
        let served = scope.spawn(move || serve(listen, stops.0, &mut |address| ready.send(address).expect("somebody waits")));
        let address = address.recv().expect("an address");
        let connected = super::connect(&connect(address), stops.1);
        (served.join().expect("no panic"), connected)
    })
}

fn never() -> AtomicBool {
    AtomicBool::new(false)
}

#[test]
fn every_packet_of_every_flow_arrives_in_both_directions() {
    let token = Token::fresh().expect("random numbers");
    let listen = StreamListen { token, address: local(), flows: 3, shape: shape(400) };
    let connect = |peer| StreamConnect { token, address: local(), peer, source_ports: vec![0; 3], shape: shape(400) };
    let (served, connected) = both(&listen, connect, (&never(), &never()));
    let (served, connected) = (served.expect("a stream"), connected.expect("a stream"));
    for (sender, receiver) in [(&served, &connected), (&connected, &served)] {
        // On a busy machine the last of them may fall behind the end of the time.
        let ticks = sender.pace.ticks;
        assert!((300..=400).contains(&ticks), "{ticks}");
        assert_eq!((receiver.peer_ticks, receiver.stopped), (Some(ticks), false));
        assert_eq!((receiver.damaged, receiver.foreign, receiver.overflowed, receiver.unstamped), (0, 0, 0, 0));
        for timeline in timelines(sender, receiver).expect("halves that agree") {
            assert_eq!((timeline.received, timeline.lost, timeline.duplicated, timeline.end), (ticks, 0, 0, End::Resumed));
        }
    }
    assert_eq!(served.peers, connected.addresses);
    let json = serde_json::to_string(&served).expect("JSON");
    assert_eq!(serde_json::from_str::<StreamHalf>(&json).expect("a half"), served, "as it travels");
}

#[test]
fn either_half_can_be_told_to_stop_and_the_other_ends_with_it() {
    for at_server in [false, true] {
        let token = Token::fresh().expect("random numbers");
        let listen = StreamListen { token, address: local(), flows: 1, shape: shape(60_000) };
        let connect = |peer| StreamConnect { token, address: local(), peer, source_ports: vec![0], shape: shape(60_000) };
        let (serve_stop, connect_stop) = (never(), never());
        let stop = if at_server { &serve_stop } else { &connect_stop };
        let begin = std::time::Instant::now();
        let (served, connected) = thread::scope(|scope| {
            scope.spawn(|| {
                assert!(crate::net::clock::sleep_until(crate::net::clock::now() + 300 * MS, &never()));
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            });
            both(&listen, connect, (&serve_stop, &connect_stop))
        });
        assert!(begin.elapsed() < std::time::Duration::from_secs(5));
        let (served, connected) = (served.expect("a stream"), connected.expect("a stream"));
        for (sender, receiver) in [(&served, &connected), (&connected, &served)] {
            let timeline = timelines(sender, receiver).expect("halves that agree").remove(0);
            assert!(sender.stopped && sender.pace.ticks > 10 && sender.pace.ticks < 5_000);
            assert_eq!((timeline.lost, timeline.unheard, timeline.end), (0, 0, End::Resumed), "what was sent before the end is heard");
        }
    }
}

#[test]
fn a_half_that_nobody_meets_says_so() {
    let token = Token::fresh().expect("random numbers");
    let short = Shape { meet_ns: 200 * MS, ..shape(100) };
    let alone = serve(&StreamListen { token, address: local(), flows: 2, shape: short }, &never(), &mut |_| {});
    let message = alone.expect_err("nobody").to_string();
    assert!(message.contains("0 of 2 flows have said hello within 200 ms"), "{message}");
    let nobody = UdpSocket::bind(local()).expect("a socket").local_addr().expect("an address");
    let alone = connect(&StreamConnect { token, address: local(), peer: nobody, source_ports: vec![0], shape: short }, &never());
    let message = alone.expect_err("nobody").to_string();
    assert!(message.contains("0 of 1 flows were welcomed"), "{message}");
}

#[test]
fn who_does_not_know_the_token_is_not_met_and_who_was_told_of_another_stream_is_refused() {
    let token = Token::fresh().expect("random numbers");
    let short = Shape { meet_ns: 300 * MS, ..shape(100) };
    let listen = StreamListen { token, address: local(), flows: 1, shape: short };
    let stranger = Token::fresh().expect("random numbers");
    let connect = |peer| StreamConnect { token: stranger, address: local(), peer, source_ports: vec![0], shape: short };
    let (served, connected) = both(&listen, connect, (&never(), &never()));
    assert!(served.is_err() && connected.is_err());
    let other = Shape { period_ns: 2 * MS, ..short };
    let connect = |peer| StreamConnect { token, address: local(), peer, source_ports: vec![0], shape: other };
    let (served, connected) = both(&listen, connect, (&never(), &never()));
    assert!(served.expect_err("another").to_string().contains("another period") && connected.is_err());
}

#[test]
fn packets_of_strangers_and_damaged_ones_are_counted_and_no_probes() {
    let token = Token::fresh().expect("random numbers");
    let listen = StreamListen { token, address: local(), flows: 1, shape: shape(300) };
    let (ready, address) = mpsc::channel();
    let stop = never();
    let served = thread::scope(|scope| {
        let served = scope.spawn(|| serve(&listen, &stop, &mut |address| ready.send(address).expect("somebody waits")));
        let peer = address.recv().expect("an address");
        // Told of a number that this stream never has, and from an address that did not say hello.
        let stranger = UdpSocket::bind(local()).expect("a socket");
        let spec = StreamConnect { token, address: local(), peer, source_ports: vec![0], shape: shape(300) };
        let connected = scope.spawn(move || super::connect(&spec, &never()));
        assert!(crate::net::clock::sleep_until(crate::net::clock::now() + 150 * MS, &never()));
        let mut packet = [0; PACKET_BYTES];
        Packet { kind: Kind::Probe, flow: 0, sequence: 7, words: [0; 3] }.write(&token, &mut packet);
        stranger.send_to(&packet, peer).expect("sent");
        packet[60] ^= 1;
        stranger.send_to(&packet, peer).expect("sent");
        stranger.send_to(b"hello?", peer).expect("sent");
        connected.join().expect("no panic").expect("a stream");
        served.join().expect("no panic").expect("a stream")
    });
    assert_eq!((served.foreign, served.damaged), (2, 1));
    assert_eq!((served.received[0].received, served.received[0].duplicated), (300, 0));
}

#[test]
fn a_stream_that_cannot_be_is_refused() {
    let token = Token::fresh().expect("random numbers");
    let serve_with =
        |flows, shape, address| serve(&StreamListen { token, address, flows, shape }, &never(), &mut |_| {}).expect_err("refused").to_string();
    let good = shape(100);
    let everywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    assert!(serve_with(1, good, everywhere).contains("not to all"));
    assert!(serve_with(0, good, local()).contains("0 flows"));
    assert!(serve_with(1, Shape { period_ns: 0, ..good }, local()).contains("period"));
    assert!(serve_with(1, Shape { runtime_ns: 10, ..good }, local()).contains("packets"));
    assert!(serve_with(1, Shape { gap_ns: MS, ..good }, local()).contains("two periods"));
}
