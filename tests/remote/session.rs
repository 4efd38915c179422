//! A session that goes well, and every way in which it can be lost.

use std::time::{Duration, Instant};

use assay_scenarios::remote::task::counters::{Counters, CountersSpec};
use assay_scenarios::remote::{RemoteError, Target};
use serde_json::{Value, json};

use crate::sshd::{Bed, kill, until};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_session_measures_the_clock_reads_counters_and_ends_in_order() {
    let bed = Bed::new();
    let remote = bed.open(&bed.target()).await.expect("opens");
    assert_eq!(remote.hello().hostname, rustix::system::uname().nodename().to_string_lossy());
    let first = remote.clock_offset(50).await.expect("a clock");
    // Both ends are this machine: the truth is known, and lies within what is claimed.
    assert!(
        first.monotonic_ns.unsigned_abs() <= first.uncertainty_ns && first.realtime_ns.unsigned_abs() <= first.uncertainty_ns + 1_000_000,
        "{first:?}"
    );
    assert!(first.uncertainty_ns < 100_000_000 && first.rounds == 50, "{first:?}");
    let spec = CountersSpec { interfaces: vec!["data".into(), "ssh0".into()] };
    let read = || remote.call::<Counters>("counters", &spec, SOON);
    let (one, two) = tokio::join!(read(), read());
    let (one, two) = (one.expect("reads"), two.expect("reads"));
    assert!(one.interfaces["ssh0"]["rx_bytes"] > 0 && two.interfaces.contains_key("data"));
    let three = read().await.expect("reads").since(&one).expect("rises");
    assert!(three["ssh0"]["rx_bytes"] > 0, "the session itself goes over it");
    let missing = remote.call::<Value>("counters", &json!({"interfaces": ["nic9"]}), SOON).await.expect_err("no such interface");
    assert!(matches!(&missing, RemoteError::Task { node, why, .. } if node == "far" && why.contains("nic9")), "{missing}");
    let unknown = remote.call::<Value>("format-all", &json!({}), SOON).await.expect_err("no such task");
    assert!(unknown.to_string().contains("there is no task `format-all`"), "{unknown}");
    let drift = first.drift(&remote.clock_offset(50).await.expect("a clock"));
    assert!(drift.moved_ns.unsigned_abs() <= drift.uncertainty_ns && drift.over_ns > 0, "{drift:?}");
    remote.close().await.expect("ends in order");
    until("the agent is gone", SOON, || bed.agents().is_empty() && bed.clients().is_empty());
}

#[tokio::test]
async fn every_failure_of_ssh_has_its_own_error() {
    let bed = Bed::new();
    let sound = bed.target();
    bed.open(&sound).await.expect("opens").close().await.expect("closes");
    let error = async |target: Target| bed.open(&target).await.err().expect("an error");
    let unknown = error(bed.target_with("nobody_known", "user")).await;
    assert!(matches!(unknown, RemoteError::HostKey { .. }), "{unknown}");
    let refused = error(bed.target_with("known_hosts", "stranger")).await;
    assert!(matches!(refused, RemoteError::KeyRefused { .. }), "{refused}");
    let missing = error(Target { assay: "/nonexistent/assay".into(), ..sound.clone() }).await;
    assert!(matches!(&missing, RemoteError::NotInstalled { program, .. } if program == "/nonexistent/assay"), "{missing}");
    let closed = error(Target { ssh_options: ["Port=1".into()].into_iter().chain(sound.ssh_options.clone()).collect(), ..sound.clone() }).await;
    assert!(matches!(closed, RemoteError::Unreachable { .. }), "{closed}");
    let nowhere = error(Target { host: "10.76.0.99".into(), ..sound.clone() }).await;
    assert!(matches!(nowhere, RemoteError::Unreachable { .. }), "{nowhere}");
    let nameless = error(Target { host: "no-such-host.invalid".into(), ..sound.clone() }).await;
    assert!(matches!(nameless, RemoteError::Unreachable { .. }), "{nameless}");
    let without = error(Target { ssh: "/nonexistent/ssh".into(), ..sound.clone() }).await;
    assert!(matches!(without, RemoteError::NoSsh { .. }), "{without}");
    for error in [unknown, refused, missing, closed, nowhere, nameless, without] {
        assert!(error.to_string().contains("node far"), "{error}");
    }
}

#[tokio::test]
async fn a_dropped_connection_and_a_dead_agent_are_noticed_at_once() {
    let bed = Bed::new();
    for victim in ["connection", "agent", "client"] {
        let remote = bed.open(&bed.target()).await.expect("opens");
        let task = remote.start("fault-inject", &json!({})).expect("starts");
        assert!(task.finish::<Value>(SOON).await.is_err(), "no spec of it");
        let pids = match victim {
            "connection" => bed.connections(),
            "agent" => bed.agents(),
            _ => bed.clients(),
        };
        assert!(!pids.is_empty(), "{victim}");
        let begin = Instant::now();
        pids.into_iter().for_each(|pid| kill(pid, "KILL"));
        let error = loop {
            match remote.call::<Value>("clock", &json!({}), SOON).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(&error, RemoteError::Dropped { node, .. } if node == "far"), "{victim}: {error}");
        assert!(begin.elapsed() < Duration::from_secs(6), "{victim}: {:?}", begin.elapsed());
        assert!(remote.close().await.is_err(), "a lost session does not end in order");
        until("the agent is gone", SOON, || bed.agents().is_empty() && bed.clients().is_empty());
    }
}

#[tokio::test]
async fn an_agent_that_hangs_is_noticed_within_the_stated_time() {
    let bed = Bed::new();
    let remote = bed.open(&bed.target()).await.expect("opens");
    let agents = bed.agents();
    assert_eq!(agents.len(), 1, "{agents:?}");
    kill(agents[0], "STOP");
    let begin = Instant::now();
    let error = remote.call::<Value>("clock", &json!({}), SOON).await.expect_err("it does not answer");
    assert!(matches!(&error, RemoteError::Hung { act, .. } if act == "clock ran"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    kill(agents[0], "CONT");
    until("it ends when it goes on", SOON, || bed.agents().is_empty());
}

#[tokio::test]
async fn a_near_end_that_hangs_is_noticed_by_the_agent() {
    let bed = Bed::new();
    let remote = bed.open(&bed.target()).await.expect("opens");
    let clients = bed.clients();
    assert!(!clients.is_empty());
    clients.iter().for_each(|pid| kill(*pid, "STOP"));
    until("the agent has given up", SOON, || bed.agents().is_empty());
    let error = remote.call::<Value>("clock", &json!({}), SOON).await.expect_err("hung");
    assert!(matches!(error, RemoteError::Hung { .. }), "{error}");
    clients.iter().for_each(|pid| kill(*pid, "CONT"));
}

#[tokio::test]
async fn a_session_that_is_dropped_leaves_nobody_at_the_far_end() {
    let bed = Bed::new();
    drop(bed.open(&bed.target()).await.expect("opens"));
    until("everybody is gone", SOON, || bed.agents().is_empty() && bed.clients().is_empty() && bed.connections().is_empty());
}

#[test]
fn an_agent_on_a_terminal_says_what_it_is_for() {
    // script(1) of util-linux gives it a terminal.
    let output = std::process::Command::new("script")
        .args(["-qec", &format!("{} agent --stdio", crate::sshd::binary()), "/dev/null"])
        .stdin(std::process::Stdio::null())
        .output()
        .expect("bsdutils must be installed for this test");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(2) && said.contains("started by another assay over SSH"), "{:?}: {said}", output.status);
}
