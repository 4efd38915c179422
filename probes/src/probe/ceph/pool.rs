//! Pools: `osd dump` says what each is told, `osd crush rule dump` and `osd tree` where its copies may lie.

use std::collections::{BTreeMap, BTreeSet};

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::{OSD_MAP, TREE, source, unasked};
use crate::described::total;
use crate::host::ceph::CephCommand;
use crate::host::ceph::answer::{OsdMap, Pool, Rule, Tree, TreeNode};
use crate::host::{Host, HostError};

const RULES: CephCommand = CephCommand::monitor("osd crush rule dump");

pub(super) fn pools(host: &Host, map: &OsdMap, tree: &Result<Tree, HostError>) -> Vec<Component> {
    let rules = host.ceph::<Vec<Rule>>(&RULES);
    map.pools.iter().map(|pool| described(pool, &rules, tree)).collect()
}

fn described(pool: &Pool, rules: &Result<Vec<Rule>, HostError>, tree: &Result<Tree, HostError>) -> Component {
    let place = match rules {
        Ok(rules) => {
            let rule = rules.iter().find(|rule| rule.rule_id == pool.crush_rule);
            rule.map_or_else(|| Err(format!("there is no rule {}", pool.crush_rule)), Place::of).map_err(Reading::Unreadable)
        }
        Err(error) => Err(unasked(error)),
    };
    let placed = |tell: &dyn Fn(&Place) -> Reading| place.as_ref().map_or_else(Clone::clone, tell);
    let targets = placed(&|place| match tree {
        Ok(tree) => place.targets(tree).map_or(Reading::Absent, Reading::from),
        Err(error) => unasked(error),
    });
    let word = |word: &Option<String>| word.as_deref().map_or(Reading::Absent, Reading::from);
    let limited = |quota: u64| if quota == 0 { Reading::Absent } else { quota.into() };
    let kind = match pool.kind {
        1 => "replicated".into(),
        3 => "erasure".into(),
        other => Reading::Unreadable(format!("says type {other}")),
    };
    Component::new(Kind::CephPool, pool.pool_name.as_str())
        .with(Attr::PoolType, source(&OSD_MAP), kind)
        .with(Attr::ReplicaSize, source(&OSD_MAP), pool.size)
        .with(Attr::ReplicaMin, source(&OSD_MAP), pool.min_size)
        .with(Attr::AutoscaleMode, source(&OSD_MAP), word(&pool.pg_autoscale_mode))
        .with(Attr::TargetRatio, source(&OSD_MAP), pool.options.target_size_ratio.map_or(Reading::Absent, Reading::from))
        .with(Attr::Quota, source(&OSD_MAP), limited(pool.quota_max_bytes))
        .with(Attr::ObjectQuota, source(&OSD_MAP), limited(pool.quota_max_objects))
        .with(Attr::Applications, source(&OSD_MAP), Value::List(pool.application_metadata.keys().cloned().collect()))
        .with(Attr::FailureDomain, source(&RULES), placed(&|place| word(&place.domain)))
        .with(Attr::DeviceClass, source(&RULES), placed(&|place| word(&place.class)))
        .with(Attr::RuleTargets, source(&TREE), targets)
}

/// Where a rule puts copies.
struct Place {
    root: String,
    class: Option<String>,
    domain: Option<String>,
}

impl Place {
    /// A rule of several passes, or of none, is not of this simple sort: nothing is claimed of it.
    fn of(rule: &Rule) -> Result<Self, String> {
        let of = |op: &str| rule.steps.iter().filter(move |step| step.op.starts_with(op)).collect::<Vec<_>>();
        let (takes, chooses) = (of("take"), of("choose"));
        let ([take], [choose]) = (takes.as_slice(), chooses.as_slice()) else {
            return Err(format!("rule {} takes {} times and chooses {} times", rule.rule_id, takes.len(), chooses.len()));
        };
        // `default~nvme` is the shadow of that root with devices of that class only.
        let name = take.item_name.as_deref().unwrap_or_default();
        let (root, class) = name.split_once('~').map_or((name, None), |(root, class)| (root, Some(class)));
        Ok(Self { root: root.to_owned(), class: class.map(str::to_owned), domain: choose.kind.clone().filter(|kind| !kind.is_empty()) })
    }

    /// How many failure domains below the root hold an OSD of the class.
    fn targets(&self, tree: &Tree) -> Option<u64> {
        let nodes: BTreeMap<i64, &TreeNode> = tree.nodes.iter().map(|node| (node.id, node)).collect();
        let root = tree.nodes.iter().find(|node| node.name == self.root)?;
        let domain = self.domain.as_ref()?;
        let mut found = BTreeSet::new();
        let mut open = vec![(root, None::<i64>)];
        let mut seen = BTreeSet::new();
        while let Some((node, within)) = open.pop() {
            // A tree that leads back into itself is no tree.
            if !seen.insert(node.id) {
                return None;
            }
            let within = if node.kind == *domain { Some(node.id) } else { within };
            let is_meant = node.kind == "osd" && self.class.as_ref().is_none_or(|class| node.device_class.as_ref() == Some(class));
            found.extend(within.filter(|_| is_meant));
            open.extend(node.children.iter().filter_map(|child| Some((*nodes.get(child)?, within))));
        }
        Some(total(found.len()))
    }
}
