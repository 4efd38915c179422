//! Who shows the token is believed, who does not is not; and what becomes of a peer that goes, hangs, fails or talks nonsense.

use std::io::Read;
use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::thread;

use super::*;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);
static NEVER: AtomicBool = AtomicBool::new(false);

// Both ends of a connection; the other one is a plain socket that the test speaks on.
fn pair(patience: Duration) -> (Control, TcpStream) {
    let token = Token::fresh().expect("random numbers");
    let (tell, told) = mpsc::channel();
    let listening = thread::spawn(move || Control::accept(HOME, &token, LONG, &NEVER, &mut |address| tell.send(address).expect("heard")));
    let address = told.recv().expect("an address");
    assert_eq!(address.ip(), HOME);
    let mut raw = TcpStream::connect(address).expect("it listens");
    raw.write_all(token.bytes()).expect("it reads");
    let mut control = listening.join().expect("no panic").expect("accepted");
    control.patience = patience;
    (control, raw)
}

#[test]
fn strangers_are_turned_away_and_keep_nobody_out() {
    let (token, other) = (Token::fresh().expect("random numbers"), Token::fresh().expect("random numbers"));
    let (tell, told) = mpsc::channel();
    let listening = thread::spawn(move || Control::accept(HOME, &token, LONG, &NEVER, &mut |address| tell.send(address).expect("heard")));
    let address = told.recv().expect("an address");
    let silent = TcpStream::connect(address).expect("it listens");
    let mut wrong = TcpStream::connect(address).expect("it listens");
    wrong.write_all(other.bytes()).expect("it reads");
    wrong.set_read_timeout(Some(LONG)).expect("a timeout");
    assert_eq!(wrong.read(&mut [0; 1]).expect("an end"), 0, "the wrong token is not answered, the socket closed");
    let mut right = Control::connect(HOME, address, &token, LONG).expect("connects");
    right.say(&Message::Ready).expect("says");
    let mut accepted = listening.join().expect("no panic").expect("the right one is accepted");
    assert_eq!(accepted.wait(&NEVER).expect("heard"), Message::Ready);
    drop(silent);
}

#[test]
fn nobody_comes() {
    let token = Token::fresh().expect("random numbers");
    let waited = Control::accept(HOME, &token, SHORT, &NEVER, &mut |_| {}).expect_err("nobody");
    assert!(matches!(waited, RdmaError::Stalled { .. }), "{waited}");
    let stopped = Control::accept(HOME, &token, LONG, &AtomicBool::new(true), &mut |_| {}).expect_err("stopped");
    assert!(matches!(stopped, RdmaError::Stopped { .. }), "{stopped}");
}

#[test]
fn a_peer_that_goes_is_gone_and_one_that_hangs_is_silent() {
    let (mut control, raw) = pair(LONG);
    drop(raw);
    assert!(matches!(control.wait(&NEVER), Err(RdmaError::PeerGone { .. })));
    let (mut control, _raw) = pair(SHORT);
    assert!(matches!(control.wait(&NEVER), Err(RdmaError::PeerSilent { .. })));
}

#[test]
fn beats_keep_a_wait_alive_and_are_not_handed_on() {
    let (mut control, mut raw) = pair(SHORT);
    let beating = thread::spawn(move || {
        for _ in 0..10 {
            raw.write_all(b"{\"say\":\"beat\"}\n").expect("it reads");
            thread::park_timeout(Duration::from_millis(100));
        }
        raw.write_all(b"{\"say\":\"ready\"}\n").expect("it reads");
        raw
    });
    assert_eq!(control.wait(&NEVER).expect("heard"), Message::Ready);
    drop(beating.join());
}

#[test]
fn last_words_are_heard_whatever_lies_unread() {
    for _ in 0..20 {
        let (mut control, mut raw) = pair(LONG);
        let leaving = thread::spawn(move || {
            // Unread when it leaves.
            raw.write_all(b"{\"say\":\"beat\"}\n").expect("it reads");
            thread::park_timeout(Duration::from_millis(20));
            let mut heard = String::new();
            raw.set_read_timeout(Some(LONG)).expect("a timeout");
            raw.read_to_string(&mut heard).map(|_| heard)
        });
        thread::park_timeout(Duration::from_millis(10));
        control.say(&Message::Failed { why: "no port".into() }).expect("says");
        control.leave();
        let heard = leaving.join().expect("no panic").expect("an end, no reset");
        assert!(heard.contains("no port"), "{heard}");
    }
}

#[test]
fn nonsense_failures_and_wrong_content_are_errors_of_their_own() {
    for (said, expected) in [
        ("no json\n", "does not keep to the protocol"),
        ("{\"say\":\"dance\"}\n", "does not keep to the protocol"),
        ("{\"say\":\"failed\",\"why\":\"no port\"}\n", "has failed: no port"),
        (
            "{\"say\":\"verdict\",\"messages\":[1],\"verified_bytes\":0,\"arrived\":null,\"mismatch\":{\"pair\":1,\"message\":2,\"offset\":3,\"expected\":4,\"found\":5,\"holds\":null,\"untouched\":false}}\n",
            "at the other end: queue pair 1, message 2, byte 3: 0x05 instead of 0x04",
        ),
    ] {
        let (mut control, mut raw) = pair(LONG);
        raw.write_all(said.as_bytes()).expect("it reads");
        // It went at once: what it said before is the better reason.
        drop(raw);
        let error = control.wait(&NEVER).expect_err("an error").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let (mut control, mut raw) = pair(LONG);
    let flood = thread::spawn(move || while raw.write_all(&[b'x'; 65536]).is_ok() {});
    assert!(matches!(control.wait(&NEVER), Err(RdmaError::Protocol { .. })));
    drop(control);
    flood.join().expect("ends when the socket does");
}
