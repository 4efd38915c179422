//! Where a cluster is measured: in which pool, and by clients on which nodes.

use assay_bench::History;
use assay_bench::engine::rados;
use assay_bench::stamp::UNIT;
use assay_model::site::Node;
use serde::{Deserialize, Serialize};

use super::PlanContext;
use crate::claim::ObjectPlace;
use crate::error::chain;
use crate::scenario::{CephSpec, ObjectsMeasure, ObjectsSpec};

/// Bytes per second with which the duration of laying out and reading back is guessed.
const GUESSED_PASS: u64 = 500 << 20;
/// What connecting, agreeing on a moment and removing takes about, milliseconds.
const AROUND_MS: u64 = 5_000;
/// One OSD after the other.
const GUESSED_OSD: u64 = 500 << 20;

/// One measurement of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCeph {
    /// What is measured.
    pub spec: CephSpec,
    /// Where objects are made; nowhere for what OSDs do by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<ObjectPlace>,
    /// The cluster whose OSDs are meant, where the site declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsid: Option<String>,
    /// The nodes whose clients take part, by name; this one alone when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
}

impl PlannedCeph {
    /// The family of its metrics.
    pub fn label(&self) -> String {
        self.spec.family()
    }

    /// Nodes that have a client.
    pub fn clients(&self) -> u64 {
        u64::try_from(self.nodes.len().max(1)).expect("few nodes")
    }

    /// About how long it takes, milliseconds.
    pub(crate) fn duration_ms(&self) -> u64 {
        match &self.spec {
            CephSpec::Objects(objects) => {
                let pass = objects.size.saturating_mul(self.clients()).saturating_mul(1000) / GUESSED_PASS;
                AROUND_MS + pass + windows(objects) * (objects.ramp_ms + objects.runtime_ms)
            }
            CephSpec::OsdBench(bench) => AROUND_MS + bench.bytes.saturating_mul(bench.osds_max.into()).saturating_mul(1000) / GUESSED_OSD,
        }
    }

    /// Bytes that are laid out or read back, however long that takes.
    pub(crate) fn passed_bytes(&self) -> u64 {
        match &self.spec {
            CephSpec::Objects(objects) => objects.size.saturating_mul(self.clients()),
            CephSpec::OsdBench(bench) => bench.bytes.saturating_mul(bench.osds_max.into()),
        }
    }

    /// Bytes that it writes at most, each copy counted as none.
    pub(super) fn written(&self) -> u64 {
        match &self.spec {
            CephSpec::Objects(objects) => objects.written().saturating_mul(self.clients()),
            CephSpec::OsdBench(_) => self.passed_bytes(),
        }
    }

    /// Memory that a client on this node takes; those of others are their own.
    pub(super) fn memory(&self) -> u64 {
        match &self.spec {
            CephSpec::Objects(objects) if self.nodes.is_empty() => {
                let lanes = rados::footprint(objects.bs.into(), objects.iodepth).saturating_mul(objects.clients.into());
                History::footprint(objects.size, UNIT) + lanes
            }
            CephSpec::Objects(_) | CephSpec::OsdBench(_) => 0,
        }
    }
}

/// How often it is measured: random reads once for the most and once for the latency at half of it.
pub(crate) fn windows(objects: &ObjectsSpec) -> u64 {
    match objects.measure {
        ObjectsMeasure::Write | ObjectsMeasure::Read => 1,
        ObjectsMeasure::Randread => 2,
    }
}

/// What `spec` comes to with clients on `nodes`, in a pool that the site allows.
pub(super) fn planned(spec: &CephSpec, context: &PlanContext<'_>) -> Result<PlannedCeph, String> {
    let allowed = &context.permits.scratch_pools;
    let place = match spec {
        CephSpec::Objects(objects) => Some(ObjectPlace::named(objects.pool.as_deref(), allowed).map_err(|refusal| chain(&refusal))?),
        // OSDs write beside all pools: where the site allows no scratch pool, it allows nothing in the cluster.
        CephSpec::OsdBench(_) if allowed.names.is_empty() => {
            return Err("the site names no `scratch_pools` of [ceph] in declared.toml: nothing may be written to the OSDs of its cluster".to_owned());
        }
        CephSpec::OsdBench(_) => None,
    };
    let nodes = context.nodes.iter().map(|Node { name, .. }| name.clone()).collect();
    Ok(PlannedCeph { spec: spec.clone(), place, fsid: allowed.fsid.clone(), nodes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::ScratchPools;
    use crate::plan::Permits;
    use crate::plan::{PlannedWork, plan};
    use crate::scenario::Scenario;

    const OBJECTS: &str = "measure = \"write\"\nsize = \"1GiB\"\nio_size = \"4GiB\"\nruntime = \"2s\"";
    const OSDS: &str = "measure = \"osd_bench\"\nosds_max = 36";

    fn node(name: &str) -> Node {
        Node {
            name: name.into(),
            serial: None,
            bmc: None,
            bmc_certificate: None,
            ssh: None,
            ssh_options: Vec::new(),
            assay: None,
            addresses: std::collections::BTreeMap::new(),
        }
    }

    fn planned_of(words: &str, nodes: &[Node], pools: &[&str]) -> Result<crate::plan::Plan, String> {
        let text =
            format!("schema = 1\nname = \"x\"\ndescribe = \"x\"\n[[step]]\nname = \"s\"\ndescribe = \"x\"\nrepeats = 3\n[[step.ceph]]\n{words}\n");
        let scenario = Scenario::parse("x.toml", &text, &["null"]).expect("loads");
        let permits = Permits {
            scratch_pools: ScratchPools { names: pools.iter().map(|pool| (*pool).to_owned()).collect(), fsid: Some("1-2".to_owned()) },
            ..Permits::default()
        };
        let context =
            PlanContext { targets: &[], inventory: None, cpus: &[0], memory_available: 8 << 30, edges: &[], permits: &permits, nodes, rings: &[] };
        plan(&scenario, &context).map_err(|error| error.to_string())
    }

    fn work(plan: &crate::plan::Plan) -> &PlannedCeph {
        match &plan.steps[0].work[..] {
            [PlannedWork::Ceph(ceph)] => ceph,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_node_writes_its_own_objects_in_the_pool_that_the_site_names() {
        let nodes = ["a", "b", "c"].map(node);
        let plan = planned_of(OBJECTS, &nodes, &["rbd-vms"]).expect("planned");
        assert_eq!(
            (work(&plan).nodes.join(","), work(&plan).place.as_ref().map(ObjectPlace::name)),
            ("a,b,c".to_owned(), Some("rbd-vms".to_owned()))
        );
        assert_eq!((plan.bytes_written, plan.nodes.len(), plan.targets.len()), (3 * 3 * (4 << 30), 3, 0));
        assert!(plan.duration_ms >= 3 * 2000 && work(&plan).memory() == 0);
        let alone = planned_of(OBJECTS, &[], &["rbd-vms"]).expect("planned");
        assert!(work(&alone).nodes.is_empty() && alone.bytes_written == 3 * (4 << 30) && alone.memory_bytes >= 2 * 16 * (4 << 20));
        assert_eq!(serde_json::from_slice::<crate::plan::Plan>(&plan.to_json()).expect("is read"), plan);
    }

    #[test]
    fn where_the_site_allows_nothing_nothing_is_planned() {
        for (words, pools, says) in [
            (OBJECTS.to_owned(), &[][..], "scratch_pools"),
            (OBJECTS.to_owned(), &["a", "b"], "a, b"),
            (format!("{OBJECTS}\npool = \"other\""), &["rbd-vms"], "does not name other"),
            (OSDS.to_owned(), &[], "scratch_pools"),
        ] {
            let why = planned_of(&words, &[], pools).expect_err(says);
            assert!(why.contains(says), "{words}: {why}");
        }
        let plan = planned_of(OSDS, &[node("a")], &["a", "b"]).expect("planned");
        assert_eq!((work(&plan).place.clone(), work(&plan).fsid.as_deref(), plan.bytes_written), (None, Some("1-2"), 3 * 36 * (64 << 20)));
    }
}
