//! A network of one's own for a test: a namespace that ends with the thread that is in it.

use std::process::Command;
use std::thread;

/// What `work` gives in a new network namespace; none, said on standard error, where only root could make one.
pub(crate) fn in_a_namespace<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: a network namespace needs root");
        return None;
    }
    let alone = thread::spawn(|| {
        // SAFETY: CLONE_NEWNET concerns this thread and its future children only; no memory and no descriptor is touched.
        let made = unsafe { libc::unshare(libc::CLONE_NEWNET) };
        assert_eq!(made, 0, "cannot make a network namespace: {}", std::io::Error::last_os_error());
        work()
    });
    Some(alone.join().expect("the work in the namespace ended well"))
}

/// Runs `ip` or `bridge` in the namespace of this thread.
pub(crate) fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Work in a thread of its own, in the namespace of this one.
pub(crate) fn beside(work: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(work)
}

/// Sends a frame out of an interface.
pub(crate) fn send(interface: &str, frame: &[u8]) {
    let socket = super::packet::lldp_socket(interface).expect("a socket");
    rustix::net::send(&socket, frame, rustix::net::SendFlags::empty()).expect("sent");
}
