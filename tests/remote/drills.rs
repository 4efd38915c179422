//! Faults over a session: they break what they say, and heal whoever dies, hangs or overstays. At the end nothing is left at the far node.

use std::os::unix::fs::DirBuilderExt as _;
use std::time::{Duration, Instant};

use assay_scenarios::fault::{Armed, FaultSpec, HealedBy};
use assay_scenarios::remote::task::clock::ClockStamps;
use assay_scenarios::remote::task::fault::{ArmedSpec, Healed, InjectSpec, Injected, Standing, WasHealed};
use assay_scenarios::remote::{Remote, RemoteError, RemoteTask};
use serde_json::{Value, json};

use crate::namespaces::passes;
use crate::sshd::{Bed, kill, pause, until};

const SOON: Duration = Duration::from_secs(10);
/// Drills of one bed; two run at once.
const DRILLS: usize = 50;

fn on(fault: &str) -> Value {
    match fault {
        "link-shape" => json!({"interface": "data", "rate_bytes_per_s": 100_000}),
        "switch-loss" => json!({"interfaces": ["data"]}),
        _ => json!({"interface": "data"}),
    }
}

fn spec(id: &str, fault: &str, within_ms: u64) -> FaultSpec {
    FaultSpec { id: id.into(), fault: fault.into(), on: on(fault), within_ms }
}

async fn arm(remote: &Remote, spec: &FaultSpec) -> Result<Armed, RemoteError> {
    remote.call("fault-arm", spec, SOON).await
}

async fn inject(remote: &Remote, armed: &Armed) -> RemoteTask {
    let mut task = remote.start("fault-inject", &ArmedSpec { armed: armed.clone() }).expect("starts");
    match task.event::<Injected>(SOON).await.expect("in time") {
        Some(injected) => assert!(injected.from.monotonic_ns < injected.to.monotonic_ns),
        None => panic!("{}", task.finish::<Value>(SOON).await.expect_err("not injected")),
    }
    task
}

#[tokio::test]
async fn every_fault_breaks_what_it_says_and_is_healed_when_told() {
    let bed = Bed::new();
    let (near, far) = bed.nodes.sockets("10.77.0.1:0", "10.77.0.2:0");
    assert!(passes(&near, &far) && passes(&far, &near));
    let before = bed.left();
    let remote = bed.open(&bed.target()).await.expect("opens");
    for fault in ["link-down", "silent-link", "link-shape", "lacp-slow", "switch-loss"] {
        let armed = arm(&remote, &spec(fault, fault, 60_000)).await.expect("armed");
        let task = inject(&remote, &armed).await;
        assert_eq!(passes(&far, &near), fault == "link-shape" || fault == "lacp-slow", "{fault}");
        assert!(bed.faults().join(format!("{fault}.json")).exists() && bed.watchdogs().len() == 1);
        if fault == "silent-link" {
            task.cancel();
            let _: Healed = task.finish(SOON).await.expect("healed");
            continue;
        }
        let second = arm(&remote, &spec("second", "silent-link", 1000)).await.expect_err("one at a time");
        assert!(second.to_string().contains(&format!("fault {fault} is armed already")), "{second}");
        let direct = remote.call::<Value>("fault-inject", &ArmedSpec { armed: Armed { id: "second".into(), ..armed.clone() } }, SOON).await;
        assert!(direct.expect_err("one at a time").to_string().contains("armed already"));
        task.cancel();
        let healed: Healed = task.finish(SOON).await.expect("healed");
        assert!(healed.by == HealedBy::Request && healed.injected.to.monotonic_ns < healed.from.monotonic_ns, "{healed:?}");
        assert!(passes(&near, &far) && passes(&far, &near), "{fault}");
        // What the journal of a dead runner says can be healed once more.
        let _: WasHealed = remote.call("fault-heal", &ArmedSpec { armed }, SOON).await.expect("healed");
    }
    let cut = FaultSpec { on: json!({"interface": "ssh0"}), ..spec("cut", "link-down", 1000) };
    let refused = arm(&remote, &cut).await.expect_err("the session goes over it");
    assert!(refused.to_string().contains("the SSH connection to 10.76.0.2 goes over it"), "{refused}");
    remote.close().await.expect("ends in order");
    bed.is_again(&before, "every fault");
}

#[tokio::test]
async fn a_fault_ends_at_its_deadline_and_with_its_watchdog() {
    let bed = Bed::new();
    let before = bed.left();
    let remote = bed.open(&bed.target()).await.expect("opens");
    let armed = arm(&remote, &spec("short", "silent-link", 300)).await.expect("armed");
    let begin = Instant::now();
    let healed: Healed = inject(&remote, &armed).await.finish(SOON).await.expect("healed");
    assert!(healed.by == HealedBy::Deadline && begin.elapsed() >= Duration::from_millis(300), "{healed:?}");
    // Unguarded no fault stays.
    let armed = arm(&remote, &spec("unguarded", "link-down", 60_000)).await.expect("armed");
    let task = inject(&remote, &armed).await;
    bed.watchdogs().into_iter().for_each(|pid| kill(pid, "KILL"));
    let error = task.finish::<Healed>(SOON).await.expect_err("not as it was asked for");
    assert!(error.to_string().contains("its watchdog is gone"), "{error}");
    remote.close().await.expect("ends in order");
    bed.is_again(&before, "a deadline");
}

#[tokio::test]
async fn a_fault_waits_for_its_moment_guarded_and_breaks_nothing_when_it_is_too_late() {
    let bed = Bed::new();
    let (near, far) = bed.nodes.sockets("10.77.0.1:0", "10.77.0.2:0");
    let before = bed.left();
    let remote = bed.open(&bed.target()).await.expect("opens");
    let clock = remote.clock_offset(5).await.expect("a clock");
    let in_ms = |ms: i64| {
        let now = i64::try_from(ClockStamps::now().monotonic_ns).expect("fits") + clock.monotonic_ns;
        u64::try_from(now + ms * 1_000_000).ok()
    };
    let armed = arm(&remote, &spec("moment", "silent-link", 60_000)).await.expect("armed");
    let at = in_ms(600);
    let mut task = remote.start("fault-inject", &InjectSpec { armed: armed.clone(), at_monotonic_ns: at }).expect("starts");
    let standing: Standing = task.event(SOON).await.expect("in time").expect("stands");
    assert!(Some(standing.since.monotonic_ns) < at && bed.faults().join("moment.json").exists() && bed.watchdogs().len() == 1);
    assert!(passes(&far, &near), "nothing is broken yet");
    let injected: Injected = task.event(SOON).await.expect("in time").expect("injected");
    let late = injected.from.monotonic_ns.checked_sub(at.expect("a moment")).expect("not before its moment");
    assert!(late < 200_000_000, "{late} ns late");
    assert!(!passes(&far, &near));
    task.cancel();
    let _: Healed = task.finish(SOON).await.expect("healed");
    // Told to stop before its moment, over, and too far ahead: nothing is broken.
    for (at, part) in [(in_ms(20_000), "told to stop"), (in_ms(-50), "after the moment that it was asked for"), (in_ms(60_000), "waits at most 30s")]
    {
        let task = remote.start("fault-inject", &InjectSpec { armed: armed.clone(), at_monotonic_ns: at }).expect("starts");
        if part == "told to stop" {
            until("it stands", SOON, || bed.faults().join("moment.json").exists());
            task.cancel();
        }
        let error = task.finish::<Healed>(SOON).await.expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
        assert!(passes(&far, &near), "{part}");
    }
    remote.close().await.expect("ends in order");
    bed.is_again(&before, "a moment");
}

#[tokio::test]
async fn an_agent_that_hangs_does_not_keep_a_fault() {
    let bed = Bed::new();
    let (near, far) = bed.nodes.sockets("10.77.0.1:0", "10.77.0.2:0");
    let before = bed.left();
    let remote = bed.open(&bed.target()).await.expect("opens");
    let armed = arm(&remote, &spec("hung", "silent-link", 60_000)).await.expect("armed");
    let task = inject(&remote, &armed).await;
    assert!(!passes(&far, &near));
    let agents = bed.agents();
    agents.iter().for_each(|pid| kill(*pid, "STOP"));
    let begin = Instant::now();
    until("the watchdog has healed", SOON, || passes(&far, &near));
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    assert!(matches!(task.finish::<Healed>(SOON).await.expect_err("lost"), RemoteError::Hung { .. }));
    agents.iter().for_each(|pid| kill(*pid, "CONT"));
    until("nothing is left", SOON, || bed.left().lines().filter(|line| !before.contains(line)).count() == 0);
}

#[tokio::test]
async fn a_leftover_that_others_could_have_written_is_refused() {
    let bed = Bed::new();
    bed.open(&bed.target()).await.expect("opens").close().await.expect("closes");
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(bed.faults()).expect("makes");
    std::fs::write(bed.faults().join("planted.json"), "{\"fault\":\"link-down\"}").expect("writes");
    let error = bed.open(&bed.target()).await.err().expect("refused");
    assert!(matches!(&error, RemoteError::Declined { why, .. } if why.contains("cannot trust") && why.contains("planted.json")), "{error}");
}

/// Numbers that need no more than to differ (Numerical Recipes).
struct Dice(u32);

impl Dice {
    fn below(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % most
    }
}

/// Whether a fault was in effect, or about to be, when the victim died.
async fn drill(bed: &Bed, before: &str, number: usize, dice: &mut Dice) -> bool {
    let fault = ["link-down", "silent-link", "link-shape", "lacp-slow", "switch-loss", "lacp-slow", "switch-loss"][number % 7];
    let victim = ["agent", "client", "watchdog", "agent and watchdog", "connection"][number % 5];
    let remote = bed.open(&bed.target()).await.unwrap_or_else(|error| panic!("drill {number}: {error}"));
    let armed = arm(&remote, &spec(&format!("drill-{number}"), fault, 30_000)).await.unwrap_or_else(|error| panic!("drill {number}: {error}"));
    let task = remote.start("fault-inject", &ArmedSpec { armed }).expect("starts");
    pause(dice.below(60).into());
    let victims = match victim {
        "agent" => bed.agents(),
        "client" => bed.clients(),
        "watchdog" => bed.watchdogs(),
        "connection" => bed.connections(),
        _ => [bed.agents(), bed.watchdogs()].concat(),
    };
    let in_effect = bed.faults().join(format!("drill-{number}.json")).exists();
    victims.iter().for_each(|pid| kill(*pid, "KILL"));
    if victim == "watchdog" {
        task.cancel();
        let ended = task.finish::<Healed>(SOON).await;
        assert!(!matches!(&ended, Err(error) if !matches!(error, RemoteError::Task { .. })), "drill {number}: {ended:?}");
        remote.close().await.unwrap_or_else(|error| panic!("drill {number}: {error}"));
    } else {
        drop((task, remote));
    }
    if victim == "agent and watchdog" {
        // The restart: what was left is healed before anything is said.
        let again = bed.open(&bed.target()).await.unwrap_or_else(|error| panic!("drill {number}: {error}"));
        again.close().await.unwrap_or_else(|error| panic!("drill {number}: {error}"));
    }
    bed.is_again(before, &format!("drill {number}: {fault} with {victim} killed"));
    in_effect
}

fn drills(seed: u32) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bed = Bed::new();
    let (near, far) = bed.nodes.sockets("10.77.0.1:0", "10.77.0.2:0");
    assert!(passes(&near, &far));
    let before = bed.left();
    let mut dice = Dice(seed);
    let in_effect = (0..DRILLS).filter(|number| runtime.block_on(drill(&bed, &before, *number, &mut dice))).count();
    assert!(passes(&near, &far) && passes(&far, &near));
    in_effect
}

#[test]
fn whoever_is_killed_at_whatever_moment_nothing_is_left() {
    let seed = std::process::id();
    let begin = Instant::now();
    let other = std::thread::spawn(move || drills(seed.wrapping_mul(7)));
    let in_effect = drills(seed) + other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    println!("{} drills, {in_effect} of them with a fault in effect, in {:?} (seed {seed})", 2 * DRILLS, begin.elapsed());
    assert!(in_effect >= 2 * DRILLS / 4, "only {in_effect} kills fell into a fault: the moments do not fit this machine");
}
