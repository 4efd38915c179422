//! Figures between nodes: by what they tell their ends, and from which of them they are known.

/// The dimensions that name the ends of a pair, the one that sends, asks or breaks first, and the network between them.
pub const FROM: &str = "from";
/// The other end.
pub const TO: &str = "to";
/// The network between both.
pub const NETWORK: &str = "network";

/// Figures that are of there and back.
const ROUND: [&str; 6] = ["net.rtt.", "corosync.rtt.idle.", "cluster.clock.", "net.requests_", "net.rdma_write_latency_", "net.rdma_send_latency_"];
/// Figures of both ways at once, which have one for each way; compared as well, or not.
const BOTH_WAYS: [&str; 2] = ["_bidir.", "_bidir_"];

/// Whether a figure is of there and back: asked from one end of a pair, it is known from both.
pub fn is_round(metric: &str) -> bool {
    ROUND.iter().any(|begin| metric.starts_with(begin))
}

/// Whether a figure is taken once of a pair, from whichever end.
pub(crate) fn is_of_pair(metric: &str) -> bool {
    is_round(metric) || BOTH_WAYS.iter().any(|word| metric.contains(word))
}
