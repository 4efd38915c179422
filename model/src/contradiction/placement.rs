//! Where MIG instances fit on one GPU: a search over the starting slices that the part allows, as the driver places them.

use crate::parts::{GpuPart, MigProfile};

/// A start for each wanted profile, such that no memory slice is used twice and the compute slices suffice; none when there is no such placement.
pub(crate) fn place(part: &GpuPart, wanted: &[&MigProfile]) -> Option<Vec<u32>> {
    let compute: u32 = wanted.iter().map(|profile| profile.compute).sum();
    if compute > part.whole()?.compute {
        return None;
    }
    let mut starts = Vec::with_capacity(wanted.len());
    search(wanted, &mut starts).then_some(starts)
}

/// The most instances of one profile that fit on one GPU.
pub(crate) fn most(part: &GpuPart, profile: &MigProfile) -> u32 {
    let mut wanted = Vec::new();
    let mut count = 0;
    loop {
        wanted.push(profile);
        if place(part, &wanted).is_none() {
            return count;
        }
        count += 1;
    }
}

// Depth first: the profiles are few and each has at most eight starts.
fn search(wanted: &[&MigProfile], starts: &mut Vec<u32>) -> bool {
    let Some(profile) = wanted.get(starts.len()) else { return true };
    for &start in &profile.starts {
        let free = starts.iter().zip(wanted).all(|(&other, placed)| start + profile.slices <= other || other + placed.slices <= start);
        // Instances of one profile are alike: in ascending order each set of starts is tried once.
        let ascending = !matches!(starts.len().checked_sub(1), Some(last) if wanted[last] == *profile && starts[last] >= start);
        if free && ascending {
            starts.push(start);
            if search(wanted, starts) {
                return true;
            }
            starts.pop();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::tests::shipped;

    #[test]
    fn the_most_instances_are_those_of_the_vendors_table() {
        // NVIDIA mig-parted config-default.yaml and the MIG user guide's table of the A30.
        let table: &[(&str, &[(&str, u32)])] = &[
            ("nvidia-a30", &[("1g.6gb", 4), ("2g.12gb", 2), ("4g.24gb", 1)]),
            ("nvidia-a100-40gb", &[("1g.5gb", 7), ("1g.10gb", 4), ("2g.10gb", 3), ("3g.20gb", 2), ("4g.20gb", 1), ("7g.40gb", 1)]),
            ("nvidia-a100-80gb", &[("1g.10gb", 7), ("1g.20gb", 4), ("2g.20gb", 3), ("3g.40gb", 2), ("4g.40gb", 1), ("7g.80gb", 1)]),
            ("nvidia-h100-80gb", &[("1g.10gb", 7), ("1g.20gb", 4), ("2g.20gb", 3), ("3g.40gb", 2), ("4g.40gb", 1), ("7g.80gb", 1)]),
        ];
        let parts = shipped();
        for (key, profiles) in table {
            let part = &parts.gpu[*key];
            assert_eq!(part.mig.len(), profiles.len(), "{key}: every profile is in the table");
            for (profile, expected) in *profiles {
                assert_eq!(most(part, &part.mig[*profile]), *expected, "{key} {profile}");
            }
        }
    }

    #[test]
    fn mixed_instances_are_placed_without_overlap_or_not_at_all() {
        let parts = shipped();
        let part = &parts.gpu["nvidia-a100-40gb"];
        let placed = |names: &[&str]| place(part, &names.iter().map(|name| &part.mig[*name]).collect::<Vec<_>>());
        assert_eq!(placed(&["4g.20gb", "3g.20gb"]), Some(vec![0, 4]));
        // First come, first placed would put 3g at 0 and leave no room for 4g, which begins only there.
        assert_eq!(placed(&["3g.20gb", "4g.20gb"]), Some(vec![4, 0]));
        assert_eq!(placed(&["2g.10gb", "2g.10gb", "3g.20gb"]), Some(vec![0, 2, 4]));
        assert_eq!(placed(&["3g.20gb", "3g.20gb", "1g.5gb"]), None, "memory slices are full");
        assert_eq!(placed(&["4g.20gb", "4g.20gb"]), None);
        assert_eq!(placed(&["7g.40gb", "1g.5gb"]), None);
        assert_eq!(placed(&[]), Some(vec![]));
    }

    #[test]
    fn nothing_is_placed_on_a_gpu_without_mig() {
        let parts = shipped();
        let profile = &parts.gpu["nvidia-a100-40gb"].mig["1g.5gb"];
        assert_eq!(most(&parts.gpu["nvidia-a16"], profile), 0);
    }
}
