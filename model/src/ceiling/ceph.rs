//! Ceph as a whole, bounded by the network: clients run on the nodes, each object has `size` replicas on as many hosts, and every host is primary of
//! an equal share. A client then writes to another host with probability (n - 1) / n, and size - 1 copies always cross the network.

use crate::bom::Bom;
use crate::ceiling::{Ceiling, network};
use crate::component::Reading;
use crate::parts::Parts;
use crate::unit::Unit;

/// What all clients write together, bytes/s, when each node moves `public` and `cluster` bytes/s over the two networks.
pub(super) fn write(nodes: f64, size: f64, public: f64, cluster: f64) -> f64 {
    (nodes * public / remote(nodes)).min(nodes * cluster / (size - 1.0))
}

/// The same when one network carries both.
pub(super) fn write_shared(nodes: f64, size: f64, network: f64) -> f64 {
    nodes * network / (remote(nodes) + size - 1.0)
}

/// What all clients read together, bytes/s: a read goes to the primary alone.
pub(super) fn read(nodes: f64, public: f64) -> f64 {
    nodes * public / remote(nodes)
}

fn remote(nodes: f64) -> f64 {
    (nodes - 1.0) / nodes
}

pub(super) fn of_bom(bom: &Bom, parts: &Parts) -> Vec<Ceiling> {
    let Some((cluster, ceph)) = bom.cluster.as_ref().and_then(|cluster| Some((cluster, cluster.ceph.as_ref()?))) else { return Vec::new() };
    let of_network = |name: &str| network::of_network(name, bom, parts);
    let (public, private) = (of_network(&ceph.public_network), of_network(&ceph.cluster_network));
    let counts = || [("nodes", Reading::from(u64::from(cluster.nodes))), ("replicas", Reading::from(u64::from(ceph.size)))];
    let [nodes, size] = counts();
    let public_name = format!("{}, bytes/s of a node", ceph.public_network);
    let private_name = format!("{}, bytes/s of a node", ceph.cluster_network);
    let unit = Unit::BytesPerSecond;
    let mut all_writes = if ceph.public_network == ceph.cluster_network {
        let formula = "nodes x network / ((nodes - 1) / nodes + replicas - 1)";
        let inputs = [nodes, size, (public_name.as_str(), public.as_reading())];
        Ceiling::computed("ceph.write.bandwidth", unit, formula, inputs, |[nodes, size, network]| write_shared(nodes, size, network))
    } else {
        let formula = "min(nodes x public / ((nodes - 1) / nodes), nodes x cluster / (replicas - 1))";
        let inputs = [nodes, size, (public_name.as_str(), public.as_reading()), (private_name.as_str(), private.as_reading())];
        Ceiling::computed("ceph.write.bandwidth", unit, formula, inputs, |[nodes, size, public, private]| write(nodes, size, public, private))
    };
    let [nodes, _] = counts();
    let inputs = [nodes, (public_name.as_str(), public.as_reading())];
    let mut all_reads =
        Ceiling::computed("ceph.read.bandwidth", unit, "nodes x public / ((nodes - 1) / nodes)", inputs, |[nodes, public]| read(nodes, public));
    // Which input of a network is missing is what the operator can mend.
    all_writes.name_missing([&public, &private]);
    all_reads.name_missing([&public]);
    vec![all_writes, all_reads]
}

impl Ceiling {
    fn name_missing<'a>(&mut self, of: impl IntoIterator<Item = &'a Ceiling>) {
        for (name, reading) in of.into_iter().flat_map(|ceiling| &ceiling.inputs).filter(|(_, reading)| reading.value().is_none()) {
            if !self.inputs.iter().any(|(known, _)| known == name) {
                self.inputs.push((name.clone(), reading.clone()));
            }
        }
    }
}
