//! RDMA between two virtual nodes: verbs over a soft-RoCE device on the bond of each. Every operation with its content compared, wrong content planted at the
//! far end, a peer that is killed, stopped or cut off, and perftest beside it in the same run; and as a scenario, over SSH. `ci/lab/check` says by `ASSAY_LAB_RDMA`
//! where the door to the measurement is: it and this test's assay are built with the feature that needs libibverbs. QEMU proves functions, never speed.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::node::{ASSAY, Node};
use crate::outcome::Outcome;
use crate::program;

/// Where the package ibverbs-providers has the provider of soft-RoCE.
const PROVIDER: &str = "/usr/lib/x86_64-linux-gnu/libibverbs/librxe-rdmav34.so";
/// What a measurement may take besides its own time.
const SLACK: Duration = Duration::from_secs(60);
/// Rounds beside perftest.
const ROUNDS: usize = 10;

#[test]
#[ignore = "boots virtual nodes; ci/lab/check runs it"]
fn every_operation_is_verified_and_every_failure_is_one() {
    let _alone = crate::alone();
    let folder = tempfile::Builder::new().prefix("assay-rdma-").tempdir().expect("a folder below /tmp");
    let ends = Ends::boot(folder.path());

    addressed(&ends);
    scenario_over_wrong_content(&ends);
    // An emulator takes a quarter of an hour for all of it: what there is always time for comes first.
    if std::env::var("ASSAY_LAB_WITH_RDMA").is_ok_and(|how| how == "short") {
        operations(&ends, &workloads()[..1]);
        wrong_content(&ends, &[("send", "full")]);
        return;
    }
    scenario(&ends);
    operations(&ends, &workloads());
    wrong_content(&ends, &[("write", "full"), ("read", "full"), ("read", "stamps"), ("send", "full")]);
    peers_that_fail(&ends);
    beside_perftest(&ends);
    calibration(&ends);
    links_that_fail(&ends);
}

struct Ends {
    far: Node,
    near: Node,
}

impl Ends {
    fn boot(folder: &Path) -> Self {
        let door = std::env::var("ASSAY_LAB_RDMA").expect("ASSAY_LAB_RDMA: where `cargo build -p assay-rdma --features verbs --example rdma` put it");
        let has_rdma = cfg!(feature = "rdma");
        assert!(has_rdma, "`cargo test --features rdma` builds the assay that these nodes run");
        // iproute2 has a program of this name too.
        let verbs = folder.join("verbs");
        std::fs::copy(&door, &verbs).unwrap_or_else(|error| panic!("{door}: {error}"));
        assert!(Path::new(PROVIDER).exists(), "{PROVIDER} is missing; ci/test installs ibverbs-providers");
        let tools = [verbs.display().to_string(), PROVIDER.to_owned(), program("rdma"), program("ib_write_bw"), program("setpriv")];
        let keys = folder.join("keys").display().to_string();
        let links = folder.join("links");
        std::fs::create_dir(&links).expect("a folder");
        let wires = links.display().to_string();
        let boot = |id: &str| {
            let mut options =
                vec!["--id", id, "--sockets", "1", "--drives", "0", "--links", &wires, "--binary", env!("CARGO_BIN_EXE_assay"), "--ssh", &keys];
            options.extend(tools.iter().flat_map(|tool| ["--tool", tool]));
            Node::boot(&folder.join(id), &options)
        };
        let (mut near, mut far) = (boot("1"), boot("2"));
        near.wait();
        far.wait();
        let calibrated = near.request(CALIBRATE);
        assert!(calibrated.0 == 2 && calibrated.1.contains("no RDMA device"), "{calibrated:?}");
        for (node, address) in [(&near, NEAR), (&far, FAR)] {
            assert!(node.request("/lab/tools/verbs ports").1.contains("no RDMA device"), "a kernel without RDMA says so");
            node.sure(&format!("ip addr add {address}/24 dev bond0 && {SOFT_ROCE}"));
        }
        near.until(&format!("ping -c 1 -W 1 {FAR}"));
        let ports = near.sure("/lab/tools/verbs ports");
        assert!(
            ports.contains("\"device\":\"rxe0\"") && ports.contains(&format!("::ffff:{NEAR}")) && ports.contains("\"is_active\":true"),
            "{ports}"
        );
        Self { far, near }
    }

    /// Both halves of one measurement; what each printed. What is written below share/ is seen here at once.
    fn measure(&self, workload: &Value, plant: &Value, patience_ms: u64) -> (Value, Value) {
        let connect = self.serve(workload, plant, patience_ms);
        let near = self.near.request(&connect).1;
        (last(&near), self.served())
    }

    /// Starts the far half and waits until it listens; how to call the near half.
    fn serve(&self, workload: &Value, plant: &Value, patience_ms: u64) -> String {
        let token = "00112233445566778899aabbccddeeff";
        let spec = json!({"endpoint": {"address": FAR}, "token": token, "workload": workload, "plant": plant, "patience_ms": patience_ms});
        self.far.sure(&format!(
            "rm -f /lab/served; (/lab/tools/verbs serve '{spec}' >/lab/served 2>&1 </dev/null; echo >>/lab/served) >/dev/null 2>&1 &"
        ));
        let begun = Instant::now();
        let ready = loop {
            let said = std::fs::read_to_string(self.far.share("served")).unwrap_or_default();
            if let Some(line) = said.lines().next().filter(|_| said.contains('\n')) {
                break serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{said}: {error}"));
            }
            assert!(begun.elapsed() < SLACK, "the far half does not listen: {said}");
            rest();
        };
        let peer = ready["ready"].as_str().unwrap_or_else(|| panic!("{ready}"));
        let spec = json!({"endpoint": {"address": NEAR}, "peer": peer, "token": token, "workload": workload, "patience_ms": patience_ms});
        format!("/lab/tools/verbs connect '{spec}'")
    }

    /// What the far half said at its end.
    fn served(&self) -> Value {
        let begun = Instant::now();
        loop {
            let said = std::fs::read_to_string(self.far.share("served")).unwrap_or_default();
            if said.ends_with("\n\n") {
                return last(&said);
            }
            assert!(begun.elapsed() < SLACK, "the far half does not end: {said}");
            rest();
        }
    }
}

/// A packet is sent again after a second. With perftest's 67 ms an emulator on a busy machine is late every now and then, and what Linux 6.1's soft RoCE makes
/// of a message that is sent again from its middle is refused by the other end ("remote invalid request error").
const PATIENT: u8 = 18;
/// What soft RoCE has sent.
const SENT: &str = "/sys/class/infiniband/rxe0/ports/1/hw_counters/sent_pkts";
const NEAR: &str = "10.9.0.11";
/// busybox has a setpriv of its own, which knows less.
const CALIBRATE: &str = "PATH=/lab/tools:$PATH assay --probe-deadline 120 --listen 0 --runs /runs calibrate --against perftest --address 10.9.0.11";
const FAR: &str = "10.9.0.12";
/// A device in software on the bond. An emulated processor that polls keeps its neighbour from running for a tenth of a second (both are one thread of
/// QEMU): there is one only.
const SOFT_ROCE: &str = "echo 0 >/sys/devices/system/cpu/cpu1/online && mkdir -p /etc/libibverbs.d && echo driver rxe >/etc/libibverbs.d/rxe.driver \
    && cp /lab/tools/librxe-rdmav34.so /lib64/ && modprobe crc32_generic && modprobe ib_uverbs && modprobe rdma_rxe \
    && /lab/tools/rdma link add rxe0 type rxe netdev bond0";

fn rest() {
    #[allow(clippy::disallowed_methods, reason = "a test that waits for another program")]
    std::thread::sleep(Duration::from_millis(50));
}

fn last(said: &str) -> Value {
    said.lines().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| json!({ "silent": said }))
}

fn bandwidth(operation: &str, message_bytes: u32) -> Value {
    json!({"operation": operation, "measure": "bandwidth", "message_bytes": message_bytes, "ramp_ms": 200, "runtime_ms": 1000, "depth": 16, "ack_timeout": PATIENT})
}

fn latency(operation: &str, message_bytes: u32) -> Value {
    json!({"operation": operation, "measure": "latency", "message_bytes": message_bytes, "ramp_ms": 200, "runtime_ms": 600, "depth": 1, "ack_timeout": PATIENT})
}

fn with(mut workload: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().expect("fields") {
        workload[name] = value.clone();
    }
    workload
}

/// Tells the near node's site where the two are on the bond.
fn addressed(ends: &Ends) {
    let site = ends.near.share("site/site.toml");
    let mut text = std::fs::read_to_string(&site).expect("the lab's site");
    for (old, address) in [("10.6.0.11", NEAR), ("10.6.0.12", FAR)] {
        text = text.replace(&format!("vlan6 = \"{old}\""), &format!("vlan6 = \"{old}\", bond = \"{address}\""));
    }
    std::fs::write(&site, text).expect("written");
}

/// Every operation as a scenario between the two nodes, whose agents are reached by SSH; figures under the names of perftest's.
fn scenario(ends: &Ends) {
    std::fs::write(ends.near.share("rdma.toml"), SCENARIO).expect("written");
    let (status, said) = ends.near.request(&format!(
        "{ASSAY} --runs /runs --format json run /lab/rdma.toml --nodes virtual-1,virtual-2 --network bond >/lab/outcome.json; status=$?; \
         cp /runs/*-net-rdma-lab-*/run.json /lab/run.json; exit $status"
    ));
    // An emulator's figures are doubtful, and nothing else is.
    assert!([0, 3].contains(&status), "{status}: {said}");
    let outcome = Outcome::parse(&std::fs::read_to_string(ends.near.share("outcome.json")).expect("an outcome"));
    assert_eq!(outcome.of("net.data_verified").iter().map(|(_, verdict)| verdict.as_str()).collect::<Vec<_>>(), ["pass"], "{:?}", outcome.reasons());
    let run: Value = serde_json::from_str(&std::fs::read_to_string(ends.near.share("run.json")).expect("a run")).expect("JSON");
    assert_eq!(run["ended"], "completed", "{run}");
    let facts: Vec<&Value> = run["steps"].as_array().expect("steps").iter().flat_map(|step| step["metrics"].as_array().expect("metrics")).collect();
    for (name, ways) in [
        ("net.rdma_write_4k_qp2.bandwidth", 2),
        ("net.rdma_read_4k_qp1.rate", 2),
        ("net.rdma_send_4k_qp1.bandwidth", 2),
        ("net.rdma_write_latency_64_qp1.p50", 1),
        ("net.rdma_read_latency_64_qp1.p50", 2),
    ] {
        let named: Vec<&Value> = facts.iter().map(|metric| &metric["fact"]).filter(|fact| fact["name"] == name).collect();
        let ones: Vec<f64> = named.iter().filter_map(|fact| fact["samples"][0].as_f64()).collect();
        assert!(named.len() == ways && ones.len() == ways && ones.iter().all(|figure| *figure > 0.0), "{name}: {named:?}");
        println!("lab: {name}: {ones:?}");
    }
    let notes = run["steps"].to_string();
    for part in [
        "RC over RoCE v2, rxe0 port 1 GID",
        "bytes (every byte)",
        "bytes (the last messages)",
        "ib_write_bw -d rxe0",
        "count neither congestion nor pauses",
    ] {
        assert!(notes.contains(part), "no note says `{part}`: {notes}");
    }
    // A GID that is not the address's, asked for by its index, is no figure of another one.
    std::fs::write(ends.near.share("rdma.toml"), SCENARIO.replace("op = \"send\"", "op = \"send\"\ngid_index = 77")).expect("written");
    let (status, said) = ends
        .near
        .request(&format!("{ASSAY} --runs /runs2 run /lab/rdma.toml --nodes virtual-1,virtual-2 --network bond 2>&1 | tee /lab/said; exit 0"));
    assert!(status == 0 && said.contains("GID 77 of port 1 of rxe0 is empty") && said.contains("virtual-2"), "{said}");
}

/// Bytes that somebody else changes in the memory that is written to are the scenario's failure, and no figure.
fn scenario_over_wrong_content(ends: &Ends) {
    let text = SCENARIO.split("[[step.net]]").next().expect("its head").replace("net-rdma-lab", "net-rdma-wrong");
    let step =
        "[[step.net]]\nmeasure = \"rdma\"\nop = \"write\"\nbytes = 65536\ndepth = 13\nack_timeout = 18\nramp_time = \"200ms\"\nruntime = \"5s\"\n";
    std::fs::write(ends.near.share("wrong.toml"), format!("{text}{step}")).expect("written");
    std::fs::write(ends.far.share("wrong.sh"), WRONG).expect("written");
    ends.far.sure("(sh /lab/wrong.sh >/dev/null 2>/lab/changed </dev/null) >/dev/null 2>&1 &");
    let (status, said) = ends
        .near
        .request(&format!("{ASSAY} --runs /runs --format json run /lab/wrong.toml --nodes virtual-1,virtual-2 --network bond >/lab/outcome.json"));
    std::fs::write(ends.far.share("enough"), "").expect("written");
    let outcome = Outcome::parse(&std::fs::read_to_string(ends.near.share("outcome.json")).expect("an outcome"));
    let changed = std::fs::read_to_string(ends.far.share("changed")).unwrap_or_default();
    assert!(changed.contains("records out"), "the memory for messages was not found: {changed}");
    assert!(status == 1 && outcome.failed().contains("net.data_verified"), "{status}: {said} {:?}", outcome.reasons());
}

/// Changes the middle half of every message in the agent's memory, 13 of 64 KiB (no other mapping is that large), until it is told that it is enough: the card writes over what is
/// changed, and some of it has to be there when it is compared.
const WRONG: &str = r#"
head -c 32768 /dev/zero | tr '\0' '\377' >/tmp/wrong
for wait in $(seq 600); do
  for process in $(pidof assay); do
    found=$(awk '/rw-p 00000000 00:00 0/ { split($1, place, "-"); print place[1], place[2] }' /proc/$process/maps | while read -r begin end; do
      [ $((0x$end - 0x$begin)) = 851968 ] && echo "$begin"
    done | head -n 1)
    if [ -n "$found" ]; then
      while [ ! -e /lab/enough ] && [ -e /proc/$process/mem ]; do
        for message in 0 1 2 3 4 5 6 7 8 9 10 11 12; do
          dd if=/tmp/wrong of=/proc/$process/mem bs=4096 seek=$((0x$found / 4096 + message * 16 + 4)) conv=notrunc
        done
      done
      exit
    fi
  done
  usleep 100000
done
"#;

/// The acknowledgement timeout is [`PATIENT`].
const SCENARIO: &str = r#"
schema = 1
name = "net-rdma-lab"
describe = "every operation between two virtual nodes"

[[step]]
name = "bandwidth"
describe = "every byte new"
[[step.net]]
measure = "rdma"
op = "send"
bytes = 4096
depth = 16
ack_timeout = 18
ramp_time = "200ms"
runtime = "500ms"
[[step.net]]
measure = "rdma"
op = "write"
bytes = 4096
pairs = 2
depth = 16
ack_timeout = 18
ramp_time = "200ms"
runtime = "500ms"
[[step.net]]
measure = "rdma"
op = "read"
bytes = 4096
depth = 16
ack_timeout = 18
ramp_time = "200ms"
runtime = "500ms"

[[step]]
name = "latency"
describe = "one message at a time"
[[step.net]]
measure = "rdma"
op = "write"
of = "latency"
bytes = 64
inline = 64
ack_timeout = 18
ramp_time = "200ms"
runtime = "500ms"
[[step.net]]
measure = "rdma"
op = "read"
of = "latency"
bytes = 64
ack_timeout = 18
ramp_time = "200ms"
runtime = "500ms"
"#;

/// Every operation and size once; the first of them sends both ways over several pairs.
fn workloads() -> Vec<Value> {
    let both = json!({"flow": "both_ways", "pairs": 3, "signal_every": 5});
    vec![
        with(bandwidth("send", 1021), &both),
        bandwidth("write", 65536),
        with(bandwidth("write", 3001), &both),
        with(bandwidth("write", 2), &json!({"inline_bytes": 64})),
        with(bandwidth("write", 32768), &json!({"verify": "stamps", "mtu": 1024, "depth": 4})),
        bandwidth("read", 65536),
        with(bandwidth("read", 5000), &both),
        bandwidth("send", 4096),
        with(bandwidth("send", 8192), &json!({"verify": "stamps"})),
        latency("write", 64),
        with(latency("send", 2), &json!({"inline_bytes": 2})),
        latency("read", 4096),
    ]
}

fn operations(ends: &Ends, workloads: &[Value]) {
    for workload in workloads {
        let (near, far) = ends.measure(workload, &Value::Null, 20_000);
        let (here, there) = (&near["result"], &far["result"]);
        assert!(here.is_object() && there.is_object(), "{workload}: {near} {far}");
        let is_both = workload["flow"] == "both_ways";
        assert_eq!((&here["forth"], &here["back"]), (&there["forth"], &there["back"]), "both ends say the same");
        assert_eq!(here["back"].is_object(), is_both, "{workload}: {here}");
        for direction in [&here["forth"], &here["back"]].into_iter().filter(|direction| direction.is_object()) {
            let count = |of: &Value| of.as_u64().unwrap_or(0);
            assert!(count(&direction["completed"]["messages"]) > 0 && count(&direction["verified_bytes"]) > 0, "{workload}: {direction}");
            // Every message of a send and a read was compared whole, or by its stamps and what lies there at the end.
            let bytes = count(&direction["messages"]) * count(&workload["message_bytes"]);
            let is_whole = workload["verify"].is_null() && (workload["operation"] != "write" || workload["measure"] == "latency");
            assert!(!is_whole || count(&direction["verified_bytes"]) >= bytes, "{workload}: {direction}");
            // The other end's own count. Its clock starts when it hears of it, which on an emulator in bursts may be late: no figure to compare closely here.
            let arrived = &direction["arrived"]["messages"];
            assert!(
                arrived.is_null() == (workload["message_bytes"] == 2 && workload["measure"] == "bandwidth")
                    && count(arrived) <= count(&direction["messages"]),
                "{workload}: {direction}"
            );
        }
        if workload["measure"] == "latency" {
            let latency = &here["latency"];
            assert!(latency["count"].as_u64() > Some(0) && latency["p50_ns"].as_u64() <= latency["p99_9_ns"].as_u64(), "{latency}");
        }
        println!("lab: {} {} {} B: {}", workload["operation"], workload["measure"], workload["message_bytes"], here["forth"]["completed"]);
    }
}

/// One flipped bit at the far end is found at its byte, by both.
fn wrong_content(ends: &Ends, operations: &[(&str, &str)]) {
    for (operation, verify) in operations {
        // The byte is in no stamp, whatever the MTU.
        let workload = with(bandwidth(operation, 20_000), &json!({"pairs": 2, "signal_every": 4, "verify": verify}));
        let (near, far) = ends.measure(&workload, &json!({"pair": 1, "byte": 12_345}), 20_000);
        for said in [near, far] {
            let error = said["error"].as_str().unwrap_or_else(|| panic!("{operation} {verify}: {said} is no error"));
            assert!(
                error.contains("wrong content seen") && error.contains("queue pair 1") && error.contains("byte 12345"),
                "{operation} {verify}: {error}"
            );
        }
    }
}

/// A peer that is killed, or stopped, or that was told to do something else.
fn peers_that_fail(ends: &Ends) {
    let long = with(bandwidth("write", 4096), &json!({"runtime_ms": 60_000}));
    for (signal, says) in [("KILL", "has gone"), ("STOP", "has said nothing")] {
        for operation in ["write", "send"] {
            let connect = ends.serve(&with(long.clone(), &json!({"operation": operation})), &Value::Null, 4_000);
            ends.far.sure(&format!("(sleep 2; killall -{signal} verbs) >/dev/null 2>&1 </dev/null &"));
            let begun = Instant::now();
            let (status, said) = ends.near.request(&connect);
            assert!(status == 1 && last(&said)["error"].as_str().is_some_and(|error| error.contains(says)), "{signal} {operation}: {said}");
            assert!(begun.elapsed() < Duration::from_secs(30), "{signal}: noticed after {:?}", begun.elapsed());
            ends.far.sure("killall -CONT verbs; killall -KILL verbs; true");
        }
    }
    // The near end dies: the far one ends by itself.
    let connect = ends.serve(&long, &Value::Null, 4_000);
    ends.near.request(&format!("timeout -s KILL 3 {connect}"));
    let said = ends.served();
    assert!(said["error"].as_str().is_some_and(|error| error.contains("has gone")), "{said}");

    let connect = ends.serve(&long, &Value::Null, 20_000).replace("\"message_bytes\":4096", "\"message_bytes\":4097");
    let (_, said) = ends.near.request(&connect);
    assert!(last(&said)["error"].as_str().is_some_and(|error| error.contains("told to do")), "{said}");
    let said = ends.served();
    assert!(said["error"].as_str().is_some_and(|error| error.contains("told to do")), "{said}");

    let spec = json!({"endpoint": {"address": "10.9.0.99"}, "peer": "10.9.0.12:1", "token": "0".repeat(32), "workload": long});
    let (_, said) = ends.near.request(&format!("/lab/tools/verbs connect '{spec}'"));
    assert!(said.contains("no active RDMA port has a RoCE v2 GID of 10.9.0.99") && said.contains(NEAR), "{said}");
    // Who is not root may lock 64 KiB.
    ends.near.sure("chmod 666 /dev/infiniband/uverbs0");
    let connect = ends.serve(&bandwidth("write", 65536), &Value::Null, 20_000);
    let (_, said) = ends.near.request(&format!("ulimit -l 64; /lab/tools/setpriv --reuid 1000 --regid 1000 --clear-groups {connect}"));
    assert!(said.contains("cannot register 1048576 bytes of memory with rxe0; the limit of locked memory (ulimit -l) is 65536 bytes"), "{said}");
    assert!(ends.served()["error"].as_str().is_some_and(|error| error.contains("has failed: cannot register")));
}

/// Both links are cut under load: an operation that fails is an error, and both ends say so in time.
fn links_that_fail(ends: &Ends) {
    let before: u64 = ends.near.sure(&format!("cat {SENT}")).trim().parse().expect("a counter");
    let connect = ends.serve(&with(bandwidth("write", 4096), &json!({"runtime_ms": 60_000})), &Value::Null, 6_000);
    ends.near.sure(&format!("rm -f /lab/connected; ({connect} >/lab/connected 2>&1 </dev/null; echo >>/lab/connected) >/dev/null 2>&1 &"));
    // It has begun when packets go.
    ends.near.until(&format!("[ $(cat {SENT}) -gt {} ]", before + 200));
    for link in [0, 1] {
        ends.near.qmp().set_link(link, false);
        ends.far.qmp().set_link(link, false);
    }
    ends.near.until("[ \"$(tail -c 1 /lab/connected | od -An -c | tr -d ' ')\" = '\\n' ] && [ $(wc -l </lab/connected) -ge 2 ]");
    for said in [last(&std::fs::read_to_string(ends.near.share("connected")).expect("what it said")), ends.served()] {
        let error = said["error"].as_str().unwrap_or_else(|| panic!("{said} is no error"));
        println!("lab: cut off: {error}");
        assert!(["has failed", "has said nothing", "not active", "nothing for"].iter().any(|words| error.contains(words)), "{error}");
    }
}

/// perftest's ib_write_bw and this in turn, with as many messages of the same size out at a time. The figures are those of an emulator.
fn beside_perftest(ends: &Ends) {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let theirs = perftest(ends);
        let (near, far) = ends.measure(&with(bandwidth("write", 65536), &json!({"runtime_ms": 1500})), &Value::Null, 20_000);
        let completed = &near["result"]["forth"]["completed"];
        let figure = |name: &str| completed[name].as_f64().unwrap_or(f64::NAN);
        let ours = figure("bytes") * 8.0 / figure("elapsed_ns");
        assert!(ours > 0.0, "{near} {far}");
        println!("lab: RDMA write of 64 KiB: assay {ours:.4} Gbit/s, ib_write_bw {theirs:.4}: {:.2} times as fast", ours / theirs);
        ratios.push(ours / theirs);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "lab: median {:.2} [{:.2}-{:.2}] of {ROUNDS}, every byte written anew, on an emulator",
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1]
    );
}

/// The same as a command, on one node whose packets come back to it.
fn calibration(ends: &Ends) {
    let (status, said) = ends.near.request(&format!("{CALIBRATE} --pairs 2 --seconds 1 --only rdma-write-64k-every-byte"));
    assert!(status == 0 && said.contains("rdma-write-64k-every-byte-processors") && said.contains("2 pairs"), "{status}: {said}");
    println!("lab: {said}");
}

/// Its figure, Gbit/s. It derives its clock from the processor's and prints 0 where the emulator lets it not: then it is asked again.
fn perftest(ends: &Ends) -> f64 {
    let command = "timeout -s KILL 60 /lab/tools/ib_write_bw -d rxe0 -x 1 -s 65536 -t 16 -u 18 -n 300 -F --report_gbits";
    for _ in 0..6 {
        ends.far.sure(&format!("({command} >/dev/null 2>&1 </dev/null) >/dev/null 2>&1 &"));
        // Port 18515, listening.
        ends.far.until("grep -q ':4853 .* 0A ' /proc/net/tcp /proc/net/tcp6");
        let (_, said) = ends.near.request(&format!("{command} {FAR}"));
        ends.far.sure("killall -KILL ib_write_bw; true");
        let row = said.lines().find(|line| line.trim_start().starts_with("65536"));
        let average = row.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).filter(|average: &f64| *average > 0.0 && average.is_finite());
        match average {
            Some(average) => return average,
            None => println!("lab: ib_write_bw gives no figure: {}", said.lines().next().unwrap_or_default()),
        }
    }
    panic!("ib_write_bw never gives a figure");
}
