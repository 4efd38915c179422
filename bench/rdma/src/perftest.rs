//! The command of perftest (`ib_write_bw` and its sisters) that measures the same: what is printed for those who want to see it with the tool that they know.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::result::Port;
use crate::spec::{Flow, Measure, Operation, Workload};

/// Its own acknowledgement timeout.
const ACK_TIMEOUT: u8 = 14;

/// The command for the end that listens, or with the address of the other one for the end that connects. perftest compares no content, and for a latency it
/// prints half of what a write or a send takes to and fro.
pub fn command(workload: &Workload, port: &Port, peer: Option<IpAddr>) -> String {
    let operation = workload.operation.name();
    let kind = match workload.measure {
        Measure::Bandwidth => "bw",
        Measure::Latency => "lat",
    };
    // Whole seconds; a duration of 0 is refused.
    let seconds = workload.runtime_ms.div_ceil(1000).max(1);
    let Port { device, port, gid_index, .. } = port;
    let mut text = format!("ib_{operation}_{kind} -d {device} -i {port} -x {gid_index} -s {} -D {seconds} -F", workload.message_bytes);
    if workload.operation != Operation::Read {
        let _ = write!(text, " -I {}", workload.inline_bytes);
    }
    if workload.measure == Measure::Bandwidth {
        let _ = write!(text, " -q {} -t {} -Q {} --report_gbits", workload.pairs, workload.depth, workload.signal_every);
        if workload.flow == Flow::BothWays {
            text.push_str(" -b");
        }
    }
    for (option, value) in
        [("-S ", u64::from(workload.service_level)), ("--tclass=", u64::from(workload.traffic_class)), ("-m ", u64::from(workload.mtu.unwrap_or(0)))]
    {
        if value > 0 {
            let _ = write!(text, " {option}{value}");
        }
    }
    if workload.ack_timeout != ACK_TIMEOUT {
        let _ = write!(text, " -u {}", workload.ack_timeout);
    }
    if let Some(peer) = peer {
        let _ = write!(text, " {peer}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_command_says_what_the_workload_does() {
        let port = Port { device: "mlx5_bond_0".into(), port: 1, gid: "::ffff:10.6.0.11".parse().expect("a GID"), gid_index: 3, active_mtu: 4096 };
        let workload =
            Workload { pairs: 4, signal_every: 8, traffic_class: 104, ..Workload::bandwidth(Operation::Write, 65536, Duration::from_millis(10_000)) };
        assert_eq!(
            command(&workload, &port, Some("10.6.0.12".parse().expect("an address"))),
            "ib_write_bw -d mlx5_bond_0 -i 1 -x 3 -s 65536 -D 10 -F -I 0 -q 4 -t 128 -Q 8 --report_gbits --tclass=104 10.6.0.12"
        );
        let both = Workload { flow: Flow::BothWays, mtu: Some(1024), ..Workload::bandwidth(Operation::Read, 4096, Duration::from_secs(1)) };
        assert_eq!(command(&both, &port, None), "ib_read_bw -d mlx5_bond_0 -i 1 -x 3 -s 4096 -D 1 -F -q 1 -t 128 -Q 1 --report_gbits -b -m 1024");
        let latency = Workload { inline_bytes: 64, ack_timeout: 18, ..Workload::latency(Operation::Send, 64, Duration::from_millis(1500)) };
        assert_eq!(command(&latency, &port, None), "ib_send_lat -d mlx5_bond_0 -i 1 -x 3 -s 64 -D 2 -F -I 64 -u 18");
    }
}
