//! Two network namespaces with a cable (veth) between them, for tests: made with `ip`, removed when dropped. A tool that is missing fails the test.

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Runs a tool that must be there and must succeed; what it printed.
pub(crate) fn tool(words: &[&str]) -> String {
    let output =
        Command::new(words[0]).args(&words[1..]).output().unwrap_or_else(|error| panic!("{} must be installed for this test: {error}", words[0]));
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Two nodes, `near` and `far`, each with an interface `data` (10.77.0.1 and 10.77.0.2, fd77::1 and fd77::2).
pub(crate) struct Namespaces {
    pub(crate) near: String,
    pub(crate) far: String,
}

impl Namespaces {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = |end: &str| format!("assay{}-{number}{end}", std::process::id());
        let pair = Self { near: name("n"), far: name("f") };
        for end in [&pair.near, &pair.far] {
            tool(&["ip", "netns", "add", end]);
            tool(&["ip", "-n", end, "link", "set", "lo", "up"]);
            // Nobody else is there whose address it could be; looking for one takes seconds.
            let dad = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad";
            tool(&["ip", "netns", "exec", end, "sh", "-c", dad]);
        }
        pair.cable("data", "10.77.0", "fd77");
        pair
    }

    /// One more cable between them.
    pub(crate) fn cable(&self, name: &str, network: &str, network6: &str) {
        tool(&["ip", "link", "add", name, "netns", &self.near, "type", "veth", "peer", "name", name, "netns", &self.far]);
        for (end, number) in [(&self.near, 1), (&self.far, 2)] {
            tool(&["ip", "-n", end, "address", "add", &format!("{network}.{number}/24"), "dev", name]);
            tool(&["ip", "-n", end, "address", "add", &format!("{network6}::{number}/64"), "dev", name, "nodad"]);
            tool(&["ip", "-n", end, "link", "set", name, "up"]);
        }
        // The kernel takes its time to say that both ends are there.
        let settled = |end: &str| {
            let shown = tool(&["ip", "-n", end, "address", "show", name]);
            shown.contains("state UP") && shown.contains("inet6 fe80:") && !shown.contains("tentative")
        };
        let begin = Instant::now();
        while !(settled(&self.near) && settled(&self.far)) {
            assert!(begin.elapsed() < Duration::from_secs(10), "{}", tool(&["ip", "-n", &self.far, "address", "show", name]));
            #[allow(clippy::disallowed_methods, reason = "the kernel is waited for")]
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// `ip` in the far one.
    pub(crate) fn ip(&self, words: &[&str]) -> String {
        tool(&[&["ip", "-n", &self.far], words].concat())
    }

    /// `tc` in the far one.
    pub(crate) fn tc(&self, words: &[&str]) -> String {
        tool(&[&["tc", "-n", &self.far], words].concat())
    }

    /// A pair of sockets, near and far, at these addresses.
    pub(crate) fn sockets(&self, near: &str, far: &str) -> (UdpSocket, UdpSocket) {
        let bind = |namespace: &str, address: &str| {
            let address = address.to_owned();
            let socket = inside(namespace, move || UdpSocket::bind(address).expect("binds"));
            socket.set_read_timeout(Some(Duration::from_millis(150))).expect("sets");
            socket
        };
        let (a, b) = (bind(&self.near, near), bind(&self.far, far));
        a.connect(b.local_addr().expect("bound")).expect("connects");
        b.connect(a.local_addr().expect("bound")).expect("connects");
        (a, b)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for end in [&self.near, &self.far] {
            let _ = Command::new("ip").args(["netns", "delete", end]).output();
        }
    }
}

/// Does something on a thread within a namespace.
pub(crate) fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{namespace}")).expect("the namespace is there");
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may");
            work()
        });
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Whether a datagram of `from` reaches `to`: some are tried, for the first may be lost to neighbour discovery.
pub(crate) fn passes(from: &UdpSocket, to: &UdpSocket) -> bool {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..4 {
        let word = COUNT.fetch_add(1, Ordering::Relaxed).to_ne_bytes();
        // An interface that is down refuses it at once.
        if from.send(&word).is_err() {
            continue;
        }
        let mut buffer = [0; 16];
        while let Ok(length) = to.recv(&mut buffer) {
            if buffer[..length] == word {
                return true;
            }
        }
    }
    false
}
