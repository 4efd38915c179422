//! Peers that are no honest agents: other versions, banners, floods, liars. Each is a clear error within seconds, whatever it says.

use std::time::{Duration, Instant};

use assay_scenarios::remote::{PROTOCOL, RemoteError};
use serde_json::{Value, json};

use crate::sshd::{Bed, identity, until};

const SOON: Duration = Duration::from_secs(10);

/// A script that says hello as this build does, and then what it likes.
async fn liar(bed: &Bed, then: &str) -> String {
    let identity = identity(&bed.target()).await;
    let hello =
        json!({"kind": "hello", "protocol": PROTOCOL, "assay": identity.assay, "revision": identity.revision, "hostname": "liar", "boot_id": "b"});
    format!("#!/bin/sh\necho '{hello}'\nread hello\nbegin() {{ while read line; do case $line in *start*) return;; esac; done; }}\n{then}\n")
}

#[tokio::test]
async fn whatever_answers_instead_of_an_agent_is_named() {
    let bed = Bed::new();
    let hello = |protocol: u32, assay: &str| {
        format!(r#"{{"kind":"hello","protocol":{protocol},"assay":"{assay}","revision":"r","hostname":"h","boot_id":"b"}}"#)
    };
    let cases = [
        ("newer", format!("echo '{}'; sleep 5", hello(PROTOCOL + 1, "9.0.0")), "Version", format!("protocol {}, assay 9.0.0 (r)", PROTOCOL + 1)),
        ("other", format!("echo '{}'; sleep 5", hello(PROTOCOL, "0.0.1")), "Version", "assay 0.0.1 (r)".into()),
        ("banner", "echo 'Welcome to far!'; sleep 5".into(), "NoProtocol", "Welcome to far!".into()),
        ("escape", r"printf '\033[2J\033]0;x\007\n'; sleep 5".into(), "NoProtocol", r"\u{1b}[2J".into()),
        ("binary", r"printf '\377\376\n'; sleep 5".into(), "NoProtocol", "no UTF-8".into()),
        ("flood", "exec head -c 20000000 /dev/zero".into(), "NoProtocol", "more than".into()),
        ("empty", "echo; sleep 5".into(), "NoProtocol", "expected the hello".into()),
        ("old", "echo 'error: unrecognized subcommand' >&2; exit 2".into(), "Ssh", "unrecognized subcommand".into()),
        ("gone", "exit 0".into(), "Ssh", "exit status: 0".into()),
        ("declined", r#"echo '{"kind":"bye","why":"a fault was left"}'"#.into(), "Declined", "a fault was left".into()),
    ];
    for (name, script, variant, part) in cases {
        let begin = Instant::now();
        let error = bed.open(&bed.target_running(name, &format!("#!/bin/sh\n{script}\n"))).await.err().expect(name);
        assert!(format!("{error:?}").starts_with(variant) && error.to_string().contains(&part), "{name}: {error:?}");
        assert!(error.to_string().contains("node far") && begin.elapsed() < Duration::from_secs(25), "{name}: {:?}", begin.elapsed());
    }
    let mut silent = bed.target_running("silent", "#!/bin/sh\nsleep 30\n");
    (silent.patience.connect, silent.patience.hello) = (Duration::from_secs(1), Duration::from_secs(1));
    let error = bed.open(&silent).await.err().expect("silent");
    assert!(matches!(error, RemoteError::NoAnswer { .. }), "{error}");
}

#[tokio::test]
async fn a_peer_that_lies_is_not_believed() {
    let bed = Bed::new();
    // Answers every ping truly, but for what the case says first.
    let honest = "while read line; do case $line in *ping*) n=${line##*:}; echo \"{\\\"kind\\\":\\\"pong\\\",\\\"n\\\":${n%\\}}}\";; esac; done";
    let cases = [
        ("stranger", r#"echo '{"kind":"result","id":99,"ok":{"monotonic_ns":1,"realtime_ns":1}}'"#, "Lies", "a result of task 99"),
        ("event", r#"echo '{"kind":"event","id":7,"value":1}'"#, "Lies", "an event of task 7"),
        ("pong", r#"echo '{"kind":"pong","n":12345}'"#, "Lies", "ping 12345"),
        ("twice", r#"echo '{"kind":"hello","protocol":1,"assay":"x","revision":"y","hostname":"h","boot_id":"b"}'"#, "Lies", "hello twice"),
        ("garbage", "echo 'Segmentation fault'", "NoProtocol", "Segmentation fault"),
        ("unknown", r#"echo '{"kind":"reboot"}'"#, "NoProtocol", "unknown variant"),
        ("half", r#"echo '{"kind":"result","id":1}'"#, "NoProtocol", "is no message"),
        ("torn", r#"printf '{"kind":"result","id":1,"ok":{"monotonic_ns":1,"rea'; exit 0"#, "Dropped", "exit status: 0"),
        ("bye", r#"echo '{"kind":"bye"}'; sleep 5"#, "Declined", "no reason"),
        ("shape", r#"begin; echo '{"kind":"result","id":1,"ok":{"monotonic_ns":"many"}}'"#, "Form", "task clock"),
        ("negative", r#"begin; echo '{"kind":"result","id":1,"ok":{"monotonic_ns":-5,"realtime_ns":1}}'"#, "Form", "task clock"),
        ("failed", r#"begin; echo '{"kind":"result","id":1,"error":{"kind":"failed","message":"planted"}}'"#, "Task", "planted"),
        ("mute", "sleep 30", "Hung", "1.5s"),
        ("idle", "", "Late", "no result within 3s"),
    ];
    for (name, says, variant, part) in cases {
        let begin = Instant::now();
        let mut target = bed.target_running(name, &liar(&bed, &format!("{says}\n{honest}")).await);
        // A ping may come before the task.
        if says.starts_with("begin") {
            target.patience.heartbeat = Duration::from_secs(60);
            target.patience.silence = Duration::from_secs(100);
        }
        let remote = bed.open(&target).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let error =
            remote.call::<assay_scenarios::remote::task::clock::ClockStamps>("clock", &json!({}), Duration::from_secs(3)).await.expect_err(name);
        assert!(format!("{error:?}").starts_with(variant) && error.to_string().contains(part), "{name}: {error:?}");
        assert!(begin.elapsed() < Duration::from_secs(25), "{name}: {:?}", begin.elapsed());
        drop(remote);
    }
    until("their shells are gone", SOON, || bed.clients().is_empty());
}

#[tokio::test]
async fn a_clock_that_cannot_be_is_not_believed() {
    let bed = Bed::new();
    let answers = "id=0; while read line; do case $line in *ping*) n=${line##*:}; echo \"{\\\"kind\\\":\\\"pong\\\",\\\"n\\\":${n%\\}}}\";; \
                   *clock*) id=$((id+1)); echo \"{\\\"kind\\\":\\\"result\\\",\\\"id\\\":$id,\\\"ok\\\":{\\\"monotonic_ns\\\":$((1000000-id)),\\\"realtime_ns\\\":1}}\";; esac; done";
    let remote = bed.open(&bed.target_running("clock", &liar(&bed, answers).await)).await.expect("opens");
    let error = remote.clock_offset(5).await.expect_err("it runs backwards");
    assert!(matches!(&error, RemoteError::Lies { why, .. } if why.contains("backwards")), "{error}");
    let value = remote.call::<Value>("clock", &json!({}), SOON).await.expect("the session itself goes on");
    assert_eq!(value["realtime_ns"], 1);
}
