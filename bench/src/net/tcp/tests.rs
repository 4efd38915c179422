//! Both halves over loopback, and through a relay that damages what it carries.

#![allow(clippy::disallowed_methods, reason = "pauses are what is planted here")]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use super::*;

type Outcome<T> = Result<T, EngineError>;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn flow(ms: u64) -> TcpFlow {
    TcpFlow { ramp_ms: 50, interval_ms: 100, patience_ms: 1000, ..TcpFlow::new(Duration::from_millis(ms)) }
}

struct Pair {
    flow: TcpFlow,
    far: TcpHow,
    near: TcpHow,
    ports: Vec<u16>,
}

impl Pair {
    fn of(flow: TcpFlow, how: TcpHow) -> Self {
        Self { flow, far: how.clone(), near: how, ports: Vec::new() }
    }

    /// Runs both halves; `through` may put something between them.
    fn run(&self, through: impl FnOnce(SocketAddr) -> SocketAddr) -> (Outcome<TcpHalf>, Outcome<TcpHalf>) {
        let token = Token::fresh().expect("random numbers");
        let listen = TcpListen { address: LOCAL, port: 0, token, flow: self.flow.clone(), how: self.far.clone() };
        let (sender, receiver) = mpsc::channel();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let far = scope.spawn(|| serve(&listen, &stop, &mut |address| sender.send(address).expect("heard")));
            let peer = through(receiver.recv().expect("an address"));
            let to = TcpConnect { peer, source: None, source_ports: self.ports.clone(), token, flow: self.flow.clone(), how: self.near.clone() };
            let near = connect(&to, &stop);
            (near, far.join().expect("no panic"))
        })
    }

    fn result(&self) -> TcpRun {
        let (near, far) = self.run(|address| address);
        TcpRun::of(&self.flow, &near.expect("the near half"), &far.expect("the far half")).expect("both agree")
    }
}

fn said(error: &EngineError) -> String {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        said = format!("{said}: {error}");
        source = error.source();
    }
    said
}

#[test]
fn every_way_of_sending_and_receiving_carries_every_byte_both_ways() {
    for sending in [Sending::Plain, Sending::ZeroCopy] {
        for receiving in [Receiving::Single, Receiving::Multishot] {
            let how = TcpHow { sending, receiving, message_bytes: 64 << 10, receive_bytes: 16 << 10, threads: 2, ..TcpHow::default() };
            let flow = TcpFlow { streams: 3, way: Way::Both, verify: Some(7), ..flow(150) };
            let run = Pair::of(flow, how).result();
            for direction in [run.forward.expect("forward"), run.reverse.expect("reverse")] {
                // One of them may starve for so short a time.
                let alive = direction.by_stream.iter().filter(|goodput| **goodput > 1e5).count();
                assert!(direction.by_stream.len() == 3 && alive >= 2, "{direction:?}");
                assert!(direction.verified_bytes > 300_000 && direction.series.len() == 1, "{direction:?}");
                assert!(direction.path_mtu == 65535 && direction.mss > 1000, "{direction:?}");
                // Loopback copies what is sent without a copy, and this is said.
                let (kind, zero_copy) = if sending == Sending::ZeroCopy { (sending, Some(false)) } else { (sending, None) };
                assert_eq!((direction.sending, direction.zero_copy), (kind, zero_copy));
            }
        }
    }
}

#[test]
fn pages_of_a_file_go_either_way_but_carry_no_pattern() {
    for way in [Way::Forward, Way::Reverse] {
        let pages = TcpHow { sending: Sending::FilePages, congestion: Some("reno".into()), ..TcpHow::default() };
        let pair = Pair::of(TcpFlow { way, ..flow(150) }, pages.clone());
        let (near, far) = pair.run(|address| address);
        let (near, far) = (near.expect("near"), far.expect("far"));
        assert!(near.streams[0].congestion == "reno" && near.streams[0].local == far.streams[0].remote && !near.streams[0].samples.is_empty());
        let run = TcpRun::of(&pair.flow, &near, &far).expect("both agree");
        assert_eq!((run.forward.is_some(), run.reverse.is_some()), (way == Way::Forward, way == Way::Reverse));
        assert!(run.cpu_ns_per_byte > 0.01 && run.cpu_ns_per_byte.is_finite());
        let direction = run.forward.or(run.reverse).expect("one way");
        assert!(direction.goodput > 1e6 && direction.sending == Sending::FilePages);
        for wrong in [TcpFlow { verify: Some(1), ..flow(100) }, TcpFlow { way: Way::Both, ..flow(100) }] {
            let listen = TcpListen { address: LOCAL, port: 0, token: Token::fresh().expect("random"), flow: wrong, how: pages.clone() };
            assert!(matches!(serve(&listen, &AtomicBool::new(false), &mut |_| {}), Err(EngineError::Job { .. })));
        }
    }
}

#[test]
fn source_ports_and_segments_are_those_that_were_asked_for() {
    // Ports that are free now; another process could only take them in this moment.
    let free: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").expect("bound")).collect();
    let ports: Vec<u16> = free.iter().map(|socket| socket.local_addr().expect("an address").port()).collect();
    drop(free);
    let how = TcpHow { mss: Some(1000), send_buffer: Some(100_000), nodelay: true, ..TcpHow::default() };
    let pair = Pair { ports: ports.clone(), ..Pair::of(TcpFlow { streams: 2, ..flow(100) }, how) };
    let (near, far) = pair.run(|address| address);
    let (near, far) = (near.expect("near"), far.expect("far"));
    assert_eq!(far.streams.iter().map(|end| end.remote.port()).collect::<Vec<_>>(), ports);
    // Twelve bytes of each are the timestamps.
    assert!(near.streams.iter().all(|end| (900..=1000).contains(&end.mss) && end.send_buffer == 200_000), "{near:?}");
}

/// Carries each connection to `to`; what goes forward is handed to `harm`, by count of bytes that went before.
fn relay(to: SocketAddr, harm: fn(u64, &mut Vec<u8>) -> bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (near, _) = listener.accept().expect("accepted");
        let far = TcpStream::connect(to).expect("connected");
        let (mut back, mut back_to) = (far.try_clone().expect("cloned"), near.try_clone().expect("cloned"));
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut back, &mut back_to);
            let _ = back_to.shutdown(std::net::Shutdown::Write);
        });
        let (mut near, mut far, mut gone) = (near, far, 0);
        let mut buffer = vec![0; 32 << 10];
        while let Ok(read @ 1..) = near.read(&mut buffer) {
            let mut piece = buffer[..read].to_vec();
            let goes_on = harm(gone, &mut piece);
            gone += u64::try_from(read).expect("fits");
            if far.write_all(&piece).is_err() || !goes_on {
                break;
            }
        }
        let _ = far.shutdown(std::net::Shutdown::Write);
    });
    address
}

/// Once, well after the hello.
fn is_the_piece(gone: u64, piece: &[u8]) -> bool {
    gone < 2_000_000 && gone + u64::try_from(piece.len()).expect("fits") >= 2_000_000 && piece.len() >= 2000
}

#[test]
fn what_a_relay_does_to_a_verified_stream_is_named_and_makes_no_figure() {
    let verified = TcpFlow { verify: Some(3), ..flow(400) };
    let pair = Pair::of(verified, TcpHow { message_bytes: 128 << 10, ..TcpHow::default() });
    let whole = pair.run(|address| relay(address, |_, _| true));
    assert!(TcpRun::of(&pair.flow, &whole.0.expect("near"), &whole.1.expect("far")).is_ok(), "a relay alone does no harm");
    let flip: fn(u64, &mut Vec<u8>) -> bool = |gone, piece| {
        if is_the_piece(gone, piece) {
            piece[1000] ^= 4;
        }
        true
    };
    let drop: fn(u64, &mut Vec<u8>) -> bool = |gone, piece| {
        if is_the_piece(gone, piece) {
            piece.drain(100..1548);
        }
        true
    };
    let double: fn(u64, &mut Vec<u8>) -> bool = |gone, piece| {
        if is_the_piece(gone, piece) {
            let again = piece[100..1548].to_vec();
            piece.splice(1548..1548, again);
        }
        true
    };
    let swap: fn(u64, &mut Vec<u8>) -> bool = |gone, piece| {
        if is_the_piece(gone, piece) {
            piece[100..1900].rotate_left(700);
        }
        true
    };
    for (harm, kind, bytes) in
        [(flip, FaultKind::Damaged, 1), (drop, FaultKind::Lost, 1448), (double, FaultKind::Duplicated, 1448), (swap, FaultKind::Misplaced, 700)]
    {
        let (near, far) = pair.run(|address| relay(address, harm));
        let (near, far) = (near.expect("near"), far.expect("far"));
        let verified = far.streams[0].received.as_ref().and_then(|received| received.verified.clone()).expect("compared");
        assert_eq!((verified.faults, verified.first[0].kind, verified.first[0].bytes), (1, kind, bytes), "{verified:?}");
        assert!(verified.first[0].offset.abs_diff(2_000_000) < 64 << 10, "{verified:?}");
        assert!(matches!(TcpRun::of(&pair.flow, &near, &far), Err(Disagreement::Content { stream: 0, .. } | Disagreement::Bytes { .. })));
    }
}

#[test]
fn bytes_that_vanish_from_an_unverified_stream_are_missed_in_the_sum() {
    let pair = Pair::of(flow(300), TcpHow::default());
    let (near, far) = pair.run(|address| {
        relay(address, |gone, piece| {
            if is_the_piece(gone, piece) {
                piece.truncate(1000);
            }
            true
        })
    });
    let why = TcpRun::of(&pair.flow, &near.expect("near"), &far.expect("far")).expect_err("bytes are missing");
    assert!(matches!(why, Disagreement::Bytes { stream: 0, sent, received } if sent > received), "{why}");
}

#[test]
fn a_connection_that_dies_makes_an_error_of_both_halves() {
    let pair = Pair::of(flow(2000), TcpHow::default());
    let begin = Instant::now();
    let (near, far) = pair.run(|address| relay(address, |gone, _| gone < 2_000_000));
    let (near, far) = (said(&near.expect_err("near")), said(&far.expect_err("far")));
    assert!(far.contains("closed the stream before the time was over"), "{far}");
    assert!(near.contains("stream 0 from 127.0.0.1"), "{near}");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn a_connection_over_which_nothing_comes_any_more_is_stalled_after_the_patience() {
    let pair = Pair::of(flow(20_000), TcpHow::default());
    let begin = Instant::now();
    let (near, far) = pair.run(|address| {
        relay(address, |gone, _| {
            if gone > 2_000_000 {
                std::thread::sleep(Duration::from_secs(8));
            }
            true
        })
    });
    assert!(matches!(far.expect_err("far"), EngineError::Stalled { waited, .. } if waited >= Duration::from_secs(1)));
    assert!(near.is_err() && begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
}

#[test]
fn who_does_not_show_the_token_is_counted_and_is_no_stream() {
    let pair = Pair::of(flow(100), TcpHow::default());
    let mut silent = Vec::new();
    let (near, far) = pair.run(|address| {
        for shown in [&b"GET / HTTP/1.0\r\n\r\n and more than a hello"[..], b"", &[0; 28]] {
            let mut stranger = TcpStream::connect(address).expect("connected");
            stranger.write_all(shown).expect("written");
            silent.push(stranger);
        }
        address
    });
    assert_eq!(far.expect("far").strangers, 3);
    assert_eq!(near.expect("near").streams.len(), 1);
}

#[test]
fn a_peer_that_never_comes_or_never_answers_is_waited_for_no_longer_than_the_patience() {
    let begin = Instant::now();
    let token = Token::fresh().expect("random numbers");
    let short = TcpFlow { patience_ms: 200, ..flow(100) };
    let listen = TcpListen { address: LOCAL, port: 0, token, flow: short.clone(), how: TcpHow::default() };
    let why = said(&serve(&listen, &AtomicBool::new(false), &mut |_| {}).expect_err("nobody came"));
    assert!(why.contains("wait for the peer at 127.0.0.1") && why.contains("1 of 1 streams did not come"), "{why}");
    let to = |peer| TcpConnect { peer, source: None, source_ports: Vec::new(), token, flow: short.clone(), how: TcpHow::default() };
    let mute = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = mute.local_addr().expect("an address");
    let why = said(&connect(&to(address), &AtomicBool::new(false)).expect_err("no answer"));
    assert!(why.contains("hear the answer of the peer") && why.contains("no answer for 200ms"), "{why}");
    drop(mute);
    let why = said(&connect(&to(address), &AtomicBool::new(false)).expect_err("nobody listens"));
    assert!(why.contains("cannot connect for 127.0.0.1") && why.contains("refused"), "{why}");
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[test]
fn an_echo_service_or_a_half_that_measures_something_else_is_no_peer() {
    let echo = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = echo.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut one, _) = echo.accept().expect("accepted");
        let mut other = one.try_clone().expect("cloned");
        let _ = std::io::copy(&mut one, &mut other);
    });
    let token = Token::fresh().expect("random numbers");
    let to = TcpConnect { peer: address, source: None, source_ports: Vec::new(), token, flow: flow(100), how: TcpHow::default() };
    let why = said(&connect(&to, &AtomicBool::new(false)).expect_err("an echo"));
    assert!(why.contains("does not show the token"), "{why}");
    let (sender, receiver) = mpsc::channel();
    let listen = TcpListen { address: LOCAL, port: 0, token, flow: flow(100), how: TcpHow::default() };
    let far = std::thread::spawn(move || serve(&listen, &AtomicBool::new(false), &mut |address| sender.send(address).expect("heard")));
    let other = TcpConnect { peer: receiver.recv().expect("an address"), flow: flow(200), ..to };
    assert!(connect(&other, &AtomicBool::new(false)).is_err());
    let why = said(&far.join().expect("no panic").expect_err("another flow"));
    assert!(why.contains("measures another flow"), "{why}");
}

#[test]
fn an_address_that_is_not_ours_a_port_in_use_and_a_device_that_is_not_there_are_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = taken.local_addr().expect("an address").port();
    let token = Token::fresh().expect("random numbers");
    let listen = |address: &str, port, device: Option<&str>| {
        let how = TcpHow { device: device.map(str::to_owned), ..TcpHow::default() };
        let spec = TcpListen { address: address.parse().expect("an address"), port, token, flow: flow(100), how };
        said(&serve(&spec, &AtomicBool::new(false), &mut |_| panic!("ready")).expect_err("refused"))
    };
    let not_ours = listen("192.0.2.1", 0, None);
    assert!(not_ours.contains("bind a socket for 192.0.2.1:0") && not_ours.contains("Cannot assign"), "{not_ours}");
    let in_use = listen("127.0.0.1", port, None);
    assert!(in_use.contains(&format!("127.0.0.1:{port}")) && in_use.contains("in use"), "{in_use}");
    let no_device = listen("127.0.0.1", 0, Some("nodev0"));
    assert!(no_device.contains("nodev0") && no_device.contains("No such device"), "{no_device}");
    let to = TcpConnect {
        peer: taken.local_addr().expect("an address"),
        source: Some(LOCAL),
        source_ports: vec![port],
        token,
        flow: flow(100),
        how: TcpHow::default(),
    };
    let in_use = said(&connect(&to, &AtomicBool::new(false)).expect_err("refused"));
    assert!(in_use.contains(&format!("127.0.0.1:{port} for stream 0")) && in_use.contains("in use"), "{in_use}");
    let too_many = TcpConnect { source_ports: vec![1, 2], ..to };
    assert!(said(&connect(&too_many, &AtomicBool::new(false)).expect_err("refused")).contains("2 source ports for 1 streams"));
}

#[test]
fn a_stream_that_is_paced_keeps_to_its_pace_and_the_same_port_serves_again_at_once() {
    let pace = TcpHow { pacing: Some(500_000), message_bytes: 16 << 10, send_buffer: Some(64 << 10), ..TcpHow::default() };
    for _ in 0..2 {
        let pair = Pair { ports: vec![47_311], ..Pair::of(flow(600), pace.clone()) };
        let goodput = pair.result().forward.expect("a direction").goodput;
        assert!((250_000.0..700_000.0).contains(&goodput), "{goodput}");
    }
}

#[test]
fn the_port_of_a_bound_address_is_the_one_that_connect_would_choose() {
    let token = Token::fresh().expect("random numbers");
    let listen = TcpListen { address: LOCAL, port: 0, token, flow: TcpFlow { streams: 8, ..flow(100) }, how: TcpHow::default() };
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let (stop, listen) = (AtomicBool::new(false), &listen);
        let far = scope.spawn(move || serve(listen, &AtomicBool::new(false), &mut |address| sender.send(address).expect("heard")));
        let peer = receiver.recv().expect("an address");
        let to = TcpConnect { peer, source: Some(LOCAL), source_ports: Vec::new(), token, flow: listen.flow.clone(), how: TcpHow::default() };
        let near = connect(&to, &stop).expect("connects");
        far.join().expect("no panic").expect("serves");
        // connect(2) prefers even ports and bind(2) odd ones.
        assert!(near.streams.iter().all(|end| end.local.ip() == LOCAL && end.local.port() % 2 == 0), "{:?}", near.streams);
    });
}

#[test]
fn a_stop_ends_both_halves_soon_and_without_a_figure() {
    let token = Token::fresh().expect("random numbers");
    let stop = AtomicBool::new(false);
    let flow = TcpFlow { patience_ms: 60_000, ..flow(60_000) };
    let listen = TcpListen { address: LOCAL, port: 0, token, flow: flow.clone(), how: TcpHow::default() };
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let far = scope.spawn(|| serve(&listen, &stop, &mut |address| sender.send(address).expect("heard")));
        let peer = receiver.recv().expect("an address");
        let to = TcpConnect { peer, source: None, source_ports: Vec::new(), token, flow, how: TcpHow::default() };
        let near = scope.spawn({
            let stop = &stop;
            move || connect(&to, stop)
        });
        std::thread::sleep(Duration::from_millis(300));
        let begin = Instant::now();
        stop.store(true, Ordering::Relaxed);
        let (near, far) = (near.join().expect("no panic"), far.join().expect("no panic"));
        assert!(near.is_err() && far.is_err());
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    });
}

#[test]
fn a_processor_that_is_not_there_is_an_error_and_no_run() {
    let pair = Pair { near: TcpHow { cpus: vec![100_000], ..TcpHow::default() }, ..Pair::of(flow(100), TcpHow::default()) };
    let (near, far) = pair.run(|address| address);
    assert!(said(&near.expect_err("near")).contains("pin a thread of TCP streams for processor list 100000"));
    assert!(far.is_err());
}

fn asked(flow: &latency::AskFlow, through: impl FnOnce(SocketAddr) -> SocketAddr) -> (Outcome<latency::Asked>, Outcome<latency::Answered>) {
    let token = Token::fresh().expect("random numbers");
    let listen = latency::AskListen { address: LOCAL, port: 0, token, flow: flow.clone(), how: TcpHow::default() };
    let (sender, receiver) = mpsc::channel();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let far = scope.spawn(|| latency::serve(&listen, &stop, &mut |address| sender.send(address).expect("heard")));
        let peer = through(receiver.recv().expect("an address"));
        let to = latency::AskConnect { peer, source: Some(LOCAL), source_port: 0, token, flow: flow.clone(), how: TcpHow::default() };
        (latency::connect(&to, &stop), far.join().expect("no panic"))
    })
}

fn questions(rate: u32) -> latency::AskFlow {
    let arrivals = crate::job::Arrivals::Constant;
    latency::AskFlow { rate, arrivals, seed: 1, bytes: 64, ramp_ms: 50, runtime_ms: 400, patience_ms: 5000 }
}

#[test]
fn every_request_of_the_window_has_a_latency() {
    let (near, far) = asked(&questions(1000), |address| address);
    let (near, far) = (near.expect("near"), far.expect("far"));
    assert!((395..=405).contains(&near.counted) && near.requests == far.requests && near.requests >= near.counted, "{near:?}");
    assert_eq!(near.latencies.iter().map(|(_, count)| count).sum::<u64>(), near.counted);
    assert!(near.p50_ns > 1000 && near.p50_ns <= near.p99_ns && near.p99_ns <= near.p99_9_ns && near.p99_9_ns <= near.max_ns, "{near:?}");
}

#[test]
fn a_pause_of_the_path_is_in_the_latency_of_every_request_that_was_due_meanwhile() {
    let (near, _) = asked(&questions(1000), |address| {
        relay(address, |gone, piece| {
            // Once, about request 200: 100 requests are due in the pause.
            if gone < 12_800 && gone + u64::try_from(piece.len()).expect("fits") >= 12_800 {
                std::thread::sleep(Duration::from_millis(100));
            }
            true
        })
    });
    let near = near.expect("near");
    let slow: u64 = near.latencies.iter().filter(|(latency, _)| *latency > 20_000_000).map(|(_, count)| count).sum();
    assert!(slow >= 70 && near.max_ns >= 95_000_000, "{slow} of {} took over 20 ms: {near:?}", near.counted);
}

#[test]
fn a_wrong_answer_and_a_missing_one_are_errors() {
    let wrong: fn(u64, &mut Vec<u8>) -> bool = |gone, piece| {
        if gone > 10_000 {
            piece[0] ^= 1;
        }
        true
    };
    let (near, _) = asked(&questions(1000), |address| relay(address, wrong));
    assert!(said(&near.expect_err("wrong")).contains("is not the one to its request"));
    let (near, far) = asked(&questions(1000), |address| relay(address, |gone, _| gone < 10_000));
    assert!(near.is_err() || far.is_err());
    let none = latency::AskFlow { rate: 0, ..questions(1) };
    assert!(asked_alone(&none).contains("no requests per second"));
}

fn asked_alone(flow: &latency::AskFlow) -> String {
    let token = Token::fresh().expect("random numbers");
    let listen = latency::AskListen { address: LOCAL, port: 0, token, flow: flow.clone(), how: TcpHow::default() };
    said(&latency::serve(&listen, &AtomicBool::new(false), &mut |_| {}).expect_err("refused"))
}
