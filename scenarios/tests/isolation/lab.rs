//! The clean layout in network namespaces: two hosts and a gateway on VLAN 6, a management controller on VLAN 99, five guest VLANs with a probe each, another
//! guest, and the switch that keeps them apart. What was planted is taken back after each trial; the namespaces go when the lab does, whatever happened.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use assay_bench::net::isolation::{GuestFindings, HostFindings, IsolationFindings, IsolationPlan, Vantage, attend, run};
use assay_bench::net::token::Token;
use assay_bench::net::wire::enter;

use crate::leaks::{Change, Leak};
use crate::switch::{Link, Port, Switch};

pub(crate) const VLANS: [u16; 5] = [10, 20, 30, 40, 50];
const SPACES: [&str; 11] = ["sw", "host-a", "host-b", "gw", "bmc", "n10", "p10", "p20", "p30", "p40", "p50"];
/// Port of the switch, the other end's namespace and name, its hardware address, and its VLAN; 999 is where nobody is.
const CABLES: [(&str, &str, &str, &str, u16); 18] = [
    ("a", "host-a", "eth0", "02:00:00:00:06:0b", 6),
    ("a10", "host-a", "a10", "02:00:00:00:06:0b", 999),
    ("b", "host-b", "eth0", "02:00:00:00:06:0c", 6),
    ("g6", "gw", "g6", "02:00:00:00:06:01", 6),
    ("g10", "gw", "g10", "02:00:00:00:10:01", 10),
    ("g20", "gw", "g20", "02:00:00:00:20:01", 20),
    ("g30", "gw", "g30", "02:00:00:00:30:01", 30),
    ("g40", "gw", "g40", "02:00:00:00:40:01", 40),
    ("g50", "gw", "g50", "02:00:00:00:50:01", 50),
    ("g99", "gw", "g99", "02:00:00:00:99:01", 99),
    ("bmc", "bmc", "eth0", "02:00:00:00:99:0b", 99),
    ("n10", "n10", "n10", "02:00:00:00:10:4d", 10),
    ("n6", "n10", "n6", "02:00:00:00:06:4d", 999),
    ("p10", "p10", "eth0", "02:00:00:00:10:fa", 10),
    ("p20", "p20", "eth0", "02:00:00:00:20:fa", 20),
    ("p30", "p30", "eth0", "02:00:00:00:30:fa", 30),
    ("p40", "p40", "eth0", "02:00:00:00:40:fa", 40),
    ("p50", "p50", "eth0", "02:00:00:00:50:fa", 50),
];
const HOST_PORTS: [u16; 5] = [22, 8006, 3300, 6789, 9100];

/// What the site of the lab declares, as declared.toml.
pub(crate) fn declared(allow: &str) -> String {
    let mut declared = r#"schema = 1
[network]
host_vlan = 6
host_networks = ["10.6.0.0/24", "fd00:6::/64"]
host_probe_addresses = ["10.6.0.250", "fd00:6::250"]
host_services = ["22/tcp", "8006/tcp", "3300/tcp", "6789/tcp", "9100/tcp", "9283/tcp", "5405/udp"]
management_services = ["8006/tcp"]
[[network.protected]]
name = "host-a"
addresses = ["10.6.0.11", "fd00:6::11", "fe80::11"]
mac = "02:00:00:00:06:0b"
[[network.protected]]
name = "host-b"
addresses = ["10.6.0.12", "fd00:6::12", "fe80::12"]
mac = "02:00:00:00:06:0c"
[[network.protected]]
name = "bmc-a"
addresses = ["10.99.0.11"]
services = ["443/tcp"]
"#
    .to_owned();
    for vlan in VLANS {
        declared.push_str(&format!(
            "[[network.guest_vlan]]\nvlan = {vlan}\nnetworks = [\"10.{vlan}.0.0/24\", \"fd00:{vlan}::/64\"]\ngateways = [\"10.{vlan}.0.1\", \"fd00:{vlan}::1\"]\n\
             probe_addresses = [\"10.{vlan}.0.250\", \"fd00:{vlan}::250\"]\ncontrol = [\"53/tcp\", \"53/udp\"]\n"
        ));
    }
    declared.push_str(allow);
    declared
}

pub(crate) struct Lab {
    prefix: String,
    pub(crate) switch: Switch,
    _listeners: Vec<TcpListener>,
    _spaces: Spaces,
}

/// The namespaces, removed when this is dropped.
struct Spaces(String);

impl Drop for Spaces {
    fn drop(&mut self) {
        for space in SPACES {
            drop(Command::new("ip").args(["netns", "del", &format!("{}-{space}", self.0)]).output());
        }
    }
}

/// Ends whoever goes on until it is dropped, also by a panic: their scope waits for them.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn ip(arguments: &[&str]) {
    let done = Command::new("ip").args(arguments).output().expect("this test needs `ip` of iproute2");
    assert!(done.status.success(), "ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr));
}

fn batch(space: Option<&str>, lines: &str) {
    use std::io::Write as _;
    let mut command = Command::new("ip");
    if let Some(space) = space {
        command.args(["-n", space]);
    }
    let mut child = command.args(["-b", "-"]).stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("ip");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("ip reads");
    let done = child.wait_with_output().expect("ip ends");
    assert!(done.status.success(), "ip in {space:?}: {}\n{lines}", String::from_utf8_lossy(&done.stderr));
}

impl Lab {
    /// Needs root, and `ip` of iproute2.
    pub(crate) fn new(number: usize) -> Self {
        let prefix = format!("iso{}x{number}", std::process::id());
        let spaces = Spaces(prefix.clone());
        let space = |name: &str| format!("{prefix}-{name}");
        batch(None, &SPACES.map(|name| format!("netns add {}\n", space(name))).concat());
        for name in SPACES {
            // Addresses are there at once, and errors are told as often as they happen.
            for (key, value) in [
                ("net/ipv6/conf/default/accept_dad", "0"),
                ("net/ipv4/conf/all/rp_filter", "0"),
                ("net/ipv4/conf/default/rp_filter", "0"),
                ("net/ipv4/icmp_ratelimit", "0"),
                ("net/ipv6/icmp/ratelimit", "0"),
                // A connection of one trial does not speak in the next.
                ("net/ipv4/tcp_synack_retries", "0"),
            ] {
                sysctl(&space(name), key, value);
            }
        }
        let cables: String = CABLES
            .iter()
            .map(|(port, name, end, mac, _)| format!("link add name {port} up type veth peer name {end} address {mac} netns {}\n", space(name)))
            .collect();
        batch(Some(&space("sw")), &cables);
        for (name, lines) in [
            (
                "host-a",
                "link set lo up\nlink set eth0 up\naddr add 10.6.0.11/24 dev eth0\naddr add fd00:6::11/64 dev eth0\naddr add fe80::11/64 dev eth0\nroute add default via 10.6.0.1\nroute add default via fd00:6::1\n",
            ),
            (
                "host-b",
                "link set lo up\nlink set eth0 up\naddr add 10.6.0.12/24 dev eth0\naddr add fd00:6::12/64 dev eth0\naddr add fe80::12/64 dev eth0\nroute add default via 10.6.0.1\nroute add default via fd00:6::1\n",
            ),
            ("bmc", "link set lo up\nlink set eth0 up\naddr add 10.99.0.11/24 dev eth0\nroute add default via 10.99.0.1\n"),
            ("n10", "link set lo up\nlink set n10 up\naddr add 10.10.0.77/24 dev n10\n"),
        ] {
            batch(Some(&space(name)), lines);
        }
        let mut gateway =
            "link set g6 up\naddr add 10.6.0.1/24 dev g6\naddr add fd00:6::1/64 dev g6\nlink set g99 up\naddr add 10.99.0.1/24 dev g99\n".to_owned();
        for vlan in VLANS {
            gateway.push_str(&format!("link set g{vlan} up\naddr add 10.{vlan}.0.1/24 dev g{vlan}\naddr add fd00:{vlan}::1/64 dev g{vlan}\n"));
        }
        batch(Some(&space("gw")), &gateway);
        // The hosts reach the management controllers, and nobody else does.
        for leg in ["g6", "g99"] {
            sysctl(&space("gw"), &format!("net/ipv4/conf/{leg}/forwarding"), "1");
        }
        for vlan in VLANS {
            batch(Some(&space(&format!("p{vlan}"))), "link set eth0 up\n");
        }
        let mut listeners = Vec::new();
        for host in ["host-a", "host-b"] {
            listeners.extend(HOST_PORTS.map(|port| listen(&space(host), &format!("[::]:{port}"))));
        }
        listeners.push(listen(&space("bmc"), "0.0.0.0:443"));
        let switch = Switch::start(&space("sw"), CABLES.map(|(port, ..)| port).to_vec());
        let lab = Self { prefix, switch, _listeners: listeners, _spaces: spaces };
        lab.reset();
        lab
    }

    pub(crate) fn space(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// Gives a namespace's interface further addresses, for as long as the lab is there.
    pub(crate) fn add_addresses(&self, name: &str, interface: &str, addresses: impl Iterator<Item = String>) {
        let lines: String = addresses.map(|address| format!("addr add {address} dev {interface}\n")).collect();
        batch(Some(&self.space(name)), &lines);
    }

    fn reset(&self) {
        let mut tables = self.switch.tables.lock().expect("no port has died");
        tables.ports = CABLES.iter().map(|(.., vlan)| Some(Port::access(*vlan))).collect();
        tables.links.clear();
        tables.between = None;
        tables.forget();
    }

    /// Plants the leak, probes from the VLANs, and takes the leak back.
    pub(crate) fn trial(&self, plan: &IsolationPlan, changes: &[Change], vlans: &[u16]) -> IsolationFindings {
        let planted = Planted::new(self, changes);
        let found = self.probe(plan, vlans, changes, true);
        drop(planted);
        found
    }

    pub(crate) fn probe(&self, plan: &IsolationPlan, vlans: &[u16], changes: &[Change], has_witness: bool) -> IsolationFindings {
        let session = Token::fresh().expect("random numbers");
        let (never, over) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let ending = Ending(&over);
            let (tell, told) = mpsc::channel();
            let witness = has_witness.then(|| {
                scope.spawn(|| -> HostFindings {
                    let vantage = Vantage { vlan: 6, netns: Some(self.space("host-a")), interface: "eth0".into() };
                    attend(plan, &vantage, &session, &over, &mut move || tell.send(()).expect("the test waits")).expect("a witness")
                })
            });
            if has_witness {
                told.recv_timeout(Duration::from_secs(20)).expect("the witness begins");
            }
            if let Some((from, until)) =
                changes.iter().find_map(|change| if let Change::Between(from, until) = change { Some((*from, *until)) } else { None })
            {
                let at = |ms| Instant::now() + Duration::from_millis(ms);
                self.switch.tables.lock().expect("no port has died").between = Some((at(from), at(until)));
            }
            let emitter = scope.spawn(|| {
                let (_tell, told) = mpsc::channel::<()>();
                while !over.load(Ordering::Relaxed) {
                    for change in changes {
                        if let Change::Emit(port, frame) = change {
                            drop(self.switch.mouths[self.switch.at(port)].send(frame));
                        }
                    }
                    let _waited = told.recv_timeout(Duration::from_millis(40));
                }
            });
            let session = &session;
            let never = &never;
            let probers: Vec<_> = vlans
                .iter()
                .map(|vlan| {
                    scope.spawn(move || -> GuestFindings {
                        let vantage = Vantage { vlan: *vlan, netns: Some(self.space(&format!("p{vlan}"))), interface: "eth0".into() };
                        run(plan, &vantage, session, never).expect("a prober")
                    })
                })
                .collect();
            let guests = probers.into_iter().map(|prober| prober.join().expect("it reports")).collect();
            drop(ending);
            emitter.join().expect("it ends");
            IsolationFindings { guests, hosts: witness.into_iter().map(|witness| witness.join().expect("it reports")).collect() }
        })
    }
}

/// What was changed; dropped, it is as before.
pub(crate) struct Planted<'a> {
    lab: &'a Lab,
    undo: Vec<Box<dyn FnOnce() + 'a>>,
    _listeners: Vec<TcpListener>,
}

impl<'a> Planted<'a> {
    pub(crate) fn new(lab: &'a Lab, changes: &[Change]) -> Self {
        let mut own = Self { lab, undo: Vec::new(), _listeners: Vec::new() };
        for change in changes {
            own.plant(change);
        }
        own
    }

    fn plant(&mut self, change: &Change) {
        let lab = self.lab;
        match change {
            Change::Port(name, set) => {
                let at = lab.switch.at(name);
                set(lab.switch.tables.lock().expect("no port has died").ports[at].as_mut().expect("a port"));
            }
            Change::Link(from, to, passes) => {
                lab.switch.tables.lock().expect("no port has died").links.push(Link { from: *from, to: *to, passes: *passes })
            }
            Change::Ip(name, make, unmake) => {
                let space = lab.space(name);
                for line in *make {
                    ip(&[&["-n", &space], line.split(' ').collect::<Vec<_>>().as_slice()].concat());
                }
                let unmake = unmake.to_vec();
                self.undo.push(Box::new(move || {
                    for line in unmake {
                        drop(Command::new("ip").args(["-n", &space]).args(line.split(' ')).output());
                    }
                }));
            }
            Change::Sysctl(name, key, value, before) => {
                let (space, key, before) = (lab.space(name), (*key).to_owned(), (*before).to_owned());
                sysctl(&space, &key, value);
                self.undo.push(Box::new(move || sysctl(&space, &key, &before)));
            }
            Change::Listen(name, address) => self._listeners.push(listen(&lab.space(name), address)),
            Change::Known => {
                for host in ["host-a", "host-b"] {
                    let lines = ["10.6.0.250", "fd00:6::250"]
                        .map(|address| format!("neigh replace {address} lladdr 02:00:00:00:10:fa nud permanent dev eth0\n"));
                    batch(Some(&lab.space(host)), &lines.concat());
                }
            }
            Change::Emit(..) | Change::Between(..) => {}
        }
    }
}

impl Drop for Planted<'_> {
    fn drop(&mut self) {
        while let Some(undo) = self.undo.pop() {
            undo();
        }
        self.lab.reset();
        for host in ["host-a", "host-b", "gw", "n10"] {
            drop(Command::new("ip").args(["-n", &self.lab.space(host), "neigh", "flush", "all", "nud", "all"]).output());
        }
    }
}

fn within<T: Send + 'static>(space: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let space = space.to_owned();
    std::thread::spawn(move || {
        enter(&space).expect("the namespace");
        act()
    })
    .join()
    .expect("it is done")
}

fn sysctl(space: &str, key: &str, value: &str) {
    let (path, value) = (format!("/proc/sys/{key}"), value.to_owned());
    within(space, move || std::fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}")));
}

fn listen(space: &str, address: &str) -> TcpListener {
    let address: SocketAddr = address.parse().expect("an address");
    within(space, move || TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}")))
}

/// The words that a leak must be found by.
pub(crate) fn missing(leak: &Leak, reason: &str) -> Vec<&'static str> {
    leak.says.iter().copied().filter(|words| !reason.contains(words)).collect()
}
