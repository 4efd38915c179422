//! A stand-in for a bond, where the kernel has none: two cables, an address (of a bridge without ports) that a route over both leads to, and files that say what the bonding driver would say. A
//! cable that goes down takes its half of the route with it, at both ends. What it cannot show: the driver's own timing.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};

use assay_bench::net::wire::Wire;

use crate::namespaces::{Namespaces, inside, tool};
use crate::pair::Pair;
use crate::sshd::pause;

pub(crate) mod lacp;

/// The cables, each with its network.
pub(crate) const CABLES: [(&str, &str); 2] = [("data", "10.77.0"), ("data2", "10.78.0")];
/// Interfaces as links to the real ones; those of the bond as folders, so that the driver's files can stand beside the real ones.
const SYSFS: &str = r#"
mkdir -p FAKE
for name in $(ls /sys/class/net); do
  case $name in
  bond0|data|data2)
    mkdir FAKE/$name
    for file in /sys/devices/virtual/net/$name/*; do ln -s $file FAKE/$name/; done ;;
  *) ln -s /sys/devices/virtual/net/$name FAKE/$name ;;
  esac
done
mkdir FAKE/bond0/bonding
cd FAKE/bond0/bonding
echo "data data2" >slaves; echo "802.3ad 4" >mode; echo "fast 1" >lacp_rate; echo "layer3+4 1" >xmit_hash_policy; echo 100 >miimon
echo 1 >ad_aggregator; echo 2 >ad_num_ports; echo 02:00:00:00:00:99 >ad_partner_mac
for name in data data2; do
  mkdir FAKE/$name/bonding_slave
  cd FAKE/$name/bonding_slave
  echo up >mii_status; echo 0 >link_failure_count; echo 1 >ad_aggregator_id; echo 63 >ad_partner_oper_port_state
done
cd /
mount --bind FAKE /sys/class/net
"#;

/// Two nodes with a bond of two members each.
pub(crate) fn bonded() -> Pair {
    let nodes = Namespaces::new();
    nodes.cable(CABLES[1].0, CABLES[1].1, "fd78");
    for (namespace, own) in [(&nodes.near, 1), (&nodes.far, 2)] {
        tool(&["ip", "-n", namespace, "link", "add", "bond0", "type", "bridge"]);
        tool(&["ip", "-n", namespace, "address", "add", &format!("10.80.0.{own}/32"), "dev", "bond0"]);
        tool(&["ip", "-n", namespace, "link", "set", "bond0", "up"]);
        // Ports decide on the cable, as they do in a bond.
        let spread = "echo 1 >/proc/sys/net/ipv4/fib_multipath_hash_policy; echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter";
        tool(&["ip", "netns", "exec", namespace, "sh", "-c", spread]);
    }
    for namespace in [&nodes.near, &nodes.far] {
        for (cable, _) in CABLES {
            // A member whose other end is down carries nothing, as with miimon.
            let script = format!("echo 1 >/proc/sys/net/ipv4/conf/{cable}/ignore_routes_with_linkdown");
            tool(&["ip", "netns", "exec", namespace, "sh", "-c", &script]);
        }
    }
    let pair = Pair::with(nodes, "10.80.0", SYSFS);
    lead_over(&pair, &CABLES);
    pair
}

/// Makes the bonds use these cables.
pub(crate) fn lead_over(pair: &Pair, cables: &[(&str, &str)]) {
    for (namespace, own, other) in [(&pair.nodes.near, 1, 2), (&pair.nodes.far, 2, 1)] {
        let mut words: Vec<String> = ["ip", "-n", namespace, "route", "replace"].map(str::to_owned).into();
        words.extend([format!("10.80.0.{other}/32"), "src".to_owned(), format!("10.80.0.{own}")]);
        for (cable, network) in cables {
            words.extend(["nexthop", "via", &format!("{network}.{other}"), "dev", cable].map(str::to_owned));
        }
        tool(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// What the driver of a node would say of a member.
pub(crate) fn say(pair: &Pair, node: &str, member: &str, file: &str, text: &str) {
    let path = pair.path(&format!("fake-{node}")).join(member).join("bonding_slave");
    // Whole or not at all: somebody may read it just now.
    fs::write(path.join(".new"), text).and_then(|()| fs::rename(path.join(".new"), path.join(file))).expect("writes");
}

/// Something that speaks in both namespaces until it is dropped.
pub(crate) struct Talk {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Talk {
    /// Each frame goes out by a cable in a namespace, every while.
    pub(crate) fn begin(frames: Vec<(String, &'static str, Vec<u8>)>, every_ms: u64) -> Self {
        let mouths: Vec<(Wire, Vec<u8>)> =
            frames.into_iter().map(|(namespace, cable, frame)| (inside(&namespace, || Wire::open(cable).expect("root may")), frame)).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&is_over);
        let thread = spawn(move || {
            while !until.load(Ordering::Relaxed) {
                for (mouth, frame) in &mouths {
                    // A cable that is down takes nothing.
                    let _ = mouth.send(frame);
                }
                pause(every_ms);
            }
        });
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it ends");
        }
    }
}

/// Switches at the other ends of the cables: the last byte of the chassis that node `a` hears at each, and node `b`.
pub(crate) fn switches(pair: &Pair, a: [u8; 2], b: [u8; 2]) -> Talk {
    // What a node hears is sent at the other end of its cable.
    let heard = |sender: &String, chassis: [u8; 2]| {
        let sender = sender.clone();
        CABLES.into_iter().zip(chassis).map(move |((cable, _), chassis)| (sender.clone(), cable, lldp(chassis))).collect::<Vec<_>>()
    };
    Talk::begin([heard(&pair.nodes.far, a), heard(&pair.nodes.near, b)].concat(), 100)
}

/// IEEE 802.1AB: chassis by its address, port by its name, two minutes to live, the system's name, the end.
fn lldp(chassis: u8) -> Vec<u8> {
    let address = [0x02, 0, 0, 0, 0x59, chassis];
    let mut frame = [&[0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e][..], &address, &[0x88, 0xcc]].concat();
    let mut put = |kind: u8, value: &[u8]| {
        frame.push(kind << 1);
        frame.push(u8::try_from(value.len()).expect("short"));
        frame.extend(value);
    };
    put(1, &[&[4][..], &address].concat());
    put(2, b"\x05TwoHundredGigE1/0/1");
    put(3, &[0, 120]);
    put(5, format!("leaf-{chassis}").as_bytes());
    put(0, &[]);
    frame
}
