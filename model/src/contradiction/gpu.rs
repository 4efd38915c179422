//! GPUs: boards against GPUs, and a requested partition against what the part can be divided into.

use std::collections::BTreeMap;

use crate::attr::Kind;
use crate::bom::{Bom, BomLine, GpuPartition};
use crate::contradiction::ContradictionKind;
use crate::contradiction::placement;
use crate::contradiction::rule::{Finding, Rule, counted, in_words};
use crate::parts::{GpuPart, Parts};

pub(crate) const BOARDS: Rule = Rule {
    name: "gpu.boards",
    describe: "The ordered boards do not carry the ordered number of GPUs.",
    kind: ContradictionKind::Conflict,
    blocks: &[5],
    checks: &["gpu.quantity"],
    find: boards,
};

pub(crate) const MIG_SUPPORT: Rule = Rule {
    name: "gpu.mig_support",
    describe: "MIG is ordered on a GPU that has none.",
    kind: ContradictionKind::Unsupported,
    blocks: &[5],
    checks: &[],
    find: mig_support,
};

pub(crate) const MIG_PLACEMENT: Rule = Rule {
    name: "gpu.mig_placement",
    describe: "The ordered MIG instances cannot be placed in the ordered shares.",
    kind: ContradictionKind::Impossible,
    blocks: &[5],
    checks: &[],
    find: mig_placement,
};

pub(crate) const VGPU_CONTAINERS: Rule = Rule {
    name: "gpu.vgpu_containers",
    describe: "vGPU is ordered for containers; it serves virtual machines only.",
    kind: ContradictionKind::Unsupported,
    blocks: &[5],
    checks: &[],
    find: vgpu_containers,
};

fn boards(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let wrong: Vec<String> = bom.of(Kind::Gpu).filter_map(|line| miscounted(line, parts)).collect();
    (!wrong.is_empty()).then(|| Finding { statement: "number of GPUs".into(), why: wrong.join("; ") })
}

fn miscounted(line: &BomLine, parts: &Parts) -> Option<String> {
    let (key, part) = parts.gpu.get_key_value(line.part.as_deref()?)?;
    let boards = line.fact("boards")?;
    let carried = boards.saturating_mul(part.gpus.into());
    let ordered = u64::from(line.quantity);
    (carried != ordered).then(|| format!("{carried} on {} of {key}, ordered are {ordered}", counted(boards, "board")))
}

// The partition with its line and part, when the order names all three.
fn partition<'a>(bom: &'a Bom, parts: &'a Parts) -> Option<(&'a GpuPartition, &'a BomLine, &'a str, &'a GpuPart)> {
    let partition = bom.cluster.as_ref()?.gpu_partition.as_ref()?;
    let line = bom.line(&partition.line)?;
    let (key, part) = parts.gpu.get_key_value(line.part.as_deref()?)?;
    Some((partition, line, key, part))
}

fn mig_support(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let (partition, _, key, part) = partition(bom, parts)?;
    (partition.method == "mig" && part.mig.is_empty())
        .then(|| Finding { statement: format!("MIG on {key}"), why: format!("{key} has no MIG profile: {}", part.source) })
}

fn mig_placement(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let (partition, line, key, part) = partition(bom, parts)?;
    if partition.method != "mig" {
        return None;
    }
    let per_node = line.fact("boards").map_or(u64::from(line.quantity), |boards| boards.saturating_mul(part.gpus.into()));
    let nodes = u64::from(bom.cluster.as_ref()?.nodes);
    let profile = &partition.profile;
    let statement = format!("{profile} on {key}, {}", shares(&partition.shares));
    let told = |instances: u64, what: &str| {
        let wanted = Split::of(&partition.shares);
        [("one GPU", 1), ("one node", per_node), ("the cluster", per_node.saturating_mul(nodes))]
            .map(|(where_, gpus)| {
                format!("on {where_} ({}) {}", counted(gpus.saturating_mul(instances), what), wanted.told(gpus.saturating_mul(instances)))
            })
            .join(", ")
    };
    if part.mig.is_empty() {
        let needs = match memory_of(profile) {
            Some(gigabytes) if gigabytes * GIB > part.memory_bytes => {
                format!("an instance needs {gigabytes} GB, a GPU of {key} has {} GB and no MIG", part.memory_bytes / GIB)
            }
            Some(_) | None => format!("{key} has no MIG"),
        };
        return Some(Finding { statement, why: format!("{needs}; in whole GPUs: {}", told(1, "GPU")) });
    }
    let Some(mig) = part.mig.get(profile) else {
        let has: Vec<String> = part.mig.iter().map(|(name, mig)| format!("{name} x{}", placement::most(part, mig))).collect();
        return Some(Finding { statement, why: format!("{key} has no profile {profile}; per GPU it has {}", has.join(", ")) });
    };
    let per_gpu = u64::from(placement::most(part, mig));
    let wanted = Split::of(&partition.shares);
    if wanted.is_exact(per_gpu) || wanted.is_exact(per_gpu.saturating_mul(per_node)) {
        return None;
    }
    Some(Finding { statement, why: format!("at most {} {profile} per GPU; {}", in_words(per_gpu), told(per_gpu, "instance")) })
}

const GIB: u64 = 1 << 30;

// `3g.20gb` names its memory.
fn memory_of(profile: &str) -> Option<u64> {
    profile.split_once('.')?.1.strip_suffix("gb")?.parse().ok()
}

fn shares(shares: &BTreeMap<String, u32>) -> String {
    let words: Vec<&str> = shares.keys().map(String::as_str).collect();
    let counts: Vec<String> = shares.values().map(u32::to_string).collect();
    format!("{} = {}", words.join(" : "), counts.join(" : "))
}

/// The ordered shares.
struct Split(Vec<u64>);

impl Split {
    fn of(shares: &BTreeMap<String, u32>) -> Self {
        Self(shares.values().map(|share| u64::from(*share)).collect())
    }

    fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Whether all of `pieces` can be given out in these shares.
    fn is_exact(&self, pieces: u64) -> bool {
        pieces > 0 && self.sum() > 0 && pieces.is_multiple_of(self.sum())
    }

    fn told(&self, pieces: u64) -> String {
        let times = pieces.checked_div(self.sum()).unwrap_or(0);
        let given: Vec<String> = self.0.iter().map(|share| (share * times).to_string()).collect();
        match (times, pieces - times * self.sum()) {
            (0, _) => "it does not fit".into(),
            (_, 0) => format!("it fits as {}", given.join(":")),
            (_, left) => format!("it fits only with {left} left over ({})", given.join(":")),
        }
    }
}

fn vgpu_containers(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let (partition, _, key, _) = partition(bom, parts)?;
    (partition.method == "vgpu" && partition.shares.contains_key("lxc")).then(|| Finding {
        statement: format!("vGPU of {key} for containers"),
        why: "vGPU types are handed to virtual machines; containers use the host's own driver, on GPUs of their own".into(),
    })
}
