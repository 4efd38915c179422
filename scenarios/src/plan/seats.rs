//! Who works where: operations of a scenario spread over the targets of a run, and their lanes over the CPUs beside them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Place, PlannedIo, cpus};
use crate::claim::{self, TargetKind};
use crate::scenario::{IoSpec, Targets};

/// What tells targets from the others, and which they are.
type Group = (Option<String>, Vec<usize>);

/// Targets and CPUs of a run.
pub(super) struct Seats {
    targets: Vec<Seat>,
    allowed: Vec<u32>,
}

/// A target.
struct Seat {
    name: String,
    serial: Option<String>,
    node: Option<u32>,
    // The last CPU first: the first ones of a node serve most interrupts.
    near: Vec<u32>,
}

impl Seats {
    pub(super) fn new(places: &[Place], allowed: &[u32]) -> Self {
        let allowed: Vec<u32> = allowed.iter().rev().copied().collect();
        let targets = places.iter().map(|place| {
            let near: Vec<u32> = allowed.iter().copied().filter(|cpu| place.near.contains(cpu)).collect();
            let name = place.path.file_name().map_or_else(|| "target".to_owned(), |name| name.to_string_lossy().into_owned());
            Seat { name, serial: place.serial.clone(), node: place.node, near: if near.is_empty() { allowed.clone() } else { near } }
        });
        Self { targets: targets.collect(), allowed }
    }

    /// The CPU of what has no target.
    pub(super) fn first(&self) -> Option<u32> {
        let near = self.targets.first().map_or(&self.allowed, |seat| &seat.near);
        near.first().copied()
    }

    /// What operations of a scenario come to on the targets of the run.
    pub(super) fn planned(&self, spec: &IoSpec) -> Result<Vec<PlannedIo>, String> {
        if spec.engine == "null" {
            return Ok(vec![PlannedIo { spec: spec.clone(), on: Vec::new(), of: None, serial: None, serials: Vec::new(), cpus: Vec::new() }]);
        }
        let all: Vec<usize> = (0..self.targets.len()).collect();
        let groups: Vec<Group> = match (spec.targets, all.as_slice()) {
            (_, []) => return Err("there is no target to work on".to_owned()),
            (Targets::Each, [_]) => vec![(None, all)],
            (Targets::Each, _) => all.into_iter().map(|target| (Some(self.targets[target].name.clone()), vec![target])).collect(),
            // What several do at once one cannot show.
            (Targets::All | Targets::Node, [_]) => return Err(format!("{} needs several targets, and was given one", spec.family())),
            (Targets::All, _) => vec![(Some("all".to_owned()), all)],
            (Targets::Node, _) => self.by_node()?,
        };
        Ok(groups
            .into_iter()
            .map(|(of, on)| PlannedIo {
                cpus: self.deal(spec, &on),
                serial: self.serial(&on),
                serials: self.serials(&on),
                spec: spec.clone(),
                on,
                of,
            })
            .collect())
    }

    fn by_node(&self) -> Result<Vec<Group>, String> {
        let mut nodes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (at, seat) in self.targets.iter().enumerate() {
            let node = seat.node.ok_or_else(|| format!("on which NUMA node {} is the kernel does not say", seat.name))?;
            nodes.entry(node).or_default().push(at);
        }
        Ok(nodes.into_iter().map(|(node, on)| (Some(format!("node{node}")), on)).collect())
    }

    fn serial(&self, on: &[usize]) -> Option<String> {
        let [target] = on else { return None };
        self.targets[*target].serial.clone()
    }

    fn serials(&self, on: &[usize]) -> Vec<String> {
        // One that is not known would be left out in silence.
        let known = |target: &usize| self.targets[*target].serial.clone();
        if on.len() > 1 { on.iter().map(known).collect::<Option<_>>().unwrap_or_default() } else { Vec::new() }
    }

    // One CPU for each lane, near its target, and each as rarely as can be: a node's CPUs are dealt round.
    fn deal(&self, spec: &IoSpec, on: &[usize]) -> Vec<u32> {
        let mut used: BTreeMap<u32, u32> = BTreeMap::new();
        let mut dealt = Vec::new();
        for target in on {
            for _ in 0..spec.lanes() {
                let near = &self.targets[*target].near;
                // The first of those used least; there is one, as the process has a CPU.
                let Some(cpu) = near.iter().copied().min_by_key(|cpu| used.get(cpu).copied().unwrap_or(0)) else { continue };
                *used.entry(cpu).or_default() += 1;
                dealt.push(cpu);
            }
        }
        dealt
    }
}

impl Place {
    /// Looks where a target is; what sysfs does not say is not known.
    pub fn new(path: &Path, kind: TargetKind) -> Self {
        let mut place =
            Self { path: path.to_owned(), kind, node: None, near: Vec::new(), bytes: None, serial: None, image_pool: None, rated_bytes: None };
        if kind == TargetKind::BlockDevice
            && let Some(name) = fs::canonicalize(path).ok().as_deref().and_then(Path::file_name)
            && let Ok(device) = fs::canonicalize(Path::new("/sys/class/block").join(name))
        {
            place.node = device.ancestors().find_map(|folder| fs::read_to_string(folder.join("numa_node")).ok()?.trim().parse().ok());
            place.near = cpus::beside(&device);
            // The kernel counts sectors of 512 bytes, whatever the device has.
            place.bytes = fs::read_to_string(device.join("size")).ok().and_then(|size| size.trim().parse::<u64>().ok()?.checked_mul(512));
            place.serial = claim::serial_of(path).ok().flatten();
            place.image_pool = claim::mapped_pool(path).ok().flatten();
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use assay_bench::Rw;

    use super::*;
    use crate::scenario::Extent;

    fn place(name: &str, node: u32, near: &[u32]) -> Place {
        let path = Path::new("/dev").join(name);
        Place { node: Some(node), near: near.to_vec(), kind: TargetKind::BlockDevice, ..Place::new(&path, TargetKind::Folder) }
    }

    fn spec(targets: Targets, numjobs: Option<u32>) -> IoSpec {
        let timed = Extent::Timed { ramp_ms: 0, runtime_ms: 1, io_size: None };
        IoSpec { targets, numjobs, ..IoSpec::new("uring", Rw::RandRead, 4096, 1, timed) }
    }

    fn planned(seats: &Seats, spec: &IoSpec) -> Vec<(Option<String>, Vec<usize>, Vec<u32>)> {
        seats.planned(spec).expect("plans").into_iter().map(|io| (io.of, io.on, io.cpus)).collect()
    }

    #[test]
    fn lanes_sit_beside_their_targets_and_share_cpus_evenly() {
        let places = [place("a", 0, &[0, 1]), place("b", 1, &[2, 3]), place("c", 1, &[2, 3])];
        let seats = Seats::new(&places, &[0, 1, 2, 3]);
        assert_eq!(seats.first(), Some(1));
        let of = |name: &str| Some(name.to_owned());
        // Single lanes too: a drive at the other socket is not worked on from this one.
        assert_eq!(
            planned(&seats, &spec(Targets::Each, None)),
            [(of("a"), vec![0], vec![1]), (of("b"), vec![1], vec![3]), (of("c"), vec![2], vec![3])]
        );
        assert_eq!(planned(&seats, &spec(Targets::All, Some(2))), [(of("all"), vec![0, 1, 2], vec![1, 0, 3, 2, 3, 2])]);
        assert_eq!(planned(&seats, &spec(Targets::Node, None)), [(of("node0"), vec![0], vec![1]), (of("node1"), vec![1, 2], vec![3, 2])]);
    }

    #[test]
    fn a_single_target_has_no_name_and_nothing_is_measured_together_on_it() {
        let seats = Seats::new(&[place("a", 0, &[])], &[5, 7]);
        assert_eq!(planned(&seats, &spec(Targets::Each, Some(3))), [(None, vec![0], vec![7, 5, 7])]);
        assert!(seats.planned(&spec(Targets::All, None)).expect_err("one").contains("several targets"));
        let unknown = Place { node: None, ..place("b", 0, &[]) };
        let seats = Seats::new(&[place("a", 0, &[]), unknown], &[0]);
        assert!(seats.planned(&spec(Targets::Node, None)).expect_err("no node").contains("NUMA node b"));
    }
}
