//! Placement groups, summed up: their states, the oldest deep scrub and what scrubs found, by `pg dump`. A cluster whose managers have not heard of them yet
//! says `unknown`, with HEALTH_OK beside it.

use std::collections::BTreeMap;

use assay_model::attr::Attr;
use assay_model::component::{Component, Reading, Value};
use jiff::Timestamp;

use super::{OSD_MAP, source, told};
use crate::described::total;
use crate::host::ceph::CephCommand;
use crate::host::ceph::answer::{OsdMap, PlacementGroup, PlacementGroups};
use crate::host::{Host, HostError};

const CLEAN: [&str; 2] = ["active", "clean"];
/// What is added to the state of one that is being looked through, or rid of a snapshot that was removed.
const AT_WORK: [&str; 4] = ["scrubbing", "deep", "snaptrim", "snaptrim_wait"];

/// Clocks of hosts differ by a little, seconds.
const CLOCKS_APART: i64 = 60;

pub(super) fn described(host: &Host, component: Component, map: &Result<OsdMap, HostError>) -> Component {
    let dump = CephCommand::manager("pg dump").with("dumpcontents", "pgs");
    let groups = host.ceph::<PlacementGroups>(&dump).and_then(|answer| {
        let begun = || HostError::Malformed { path: source(&dump), reason: "the manager has just begun and has not heard of all of them".into() };
        if answer.pg_ready { Ok(answer.pg_stats) } else { Err(begun()) }
    });
    let now = host.wall_clock();
    component
        .with(Attr::PlacementGroupsConfigured, source(&OSD_MAP), told(map, |map| map.pools.iter().map(|pool| pool.pg_num).sum::<u64>().into()))
        .with(Attr::PlacementGroups, source(&dump), told(&groups, |groups| total(groups.len()).into()))
        .with(Attr::PlacementGroupStates, source(&dump), told(&groups, |groups| Value::List(states(groups)).into()))
        .with(
            Attr::PlacementGroupsUnclean,
            source(&dump),
            told(&groups, |groups| total(groups.iter().filter(|group| !is_clean(group)).count()).into()),
        )
        .with(
            Attr::ScrubErrors,
            source(&dump),
            told(&groups, |groups| groups.iter().map(|group| group.stat_sum.num_scrub_errors).fold(0, u64::saturating_add).into()),
        )
        .with(
            Attr::DeepScrubAge,
            source(&dump),
            told(&groups, |groups| match &now {
                Ok(now) => oldest(groups, *now),
                Err(error) => Reading::Unreadable(format!("the node does not tell the time: {}", error.cause())),
            }),
        )
}

fn is_clean(group: &PlacementGroup) -> bool {
    let words: Vec<&str> = group.state.split('+').collect();
    CLEAN.iter().all(|word| words.contains(word)) && words.iter().all(|word| CLEAN.contains(word) || AT_WORK.contains(word))
}

fn states(groups: &[PlacementGroup]) -> Vec<String> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for group in groups {
        *counts.entry(&group.state).or_default() += 1;
    }
    counts.into_iter().map(|(state, count)| format!("{count} {state}")).collect()
}

/// Seconds since the oldest deep scrub. A group that was just made has its own age.
fn oldest(groups: &[PlacementGroup], now: i64) -> Reading {
    let mut oldest: Option<i64> = None;
    for group in groups {
        match group.last_deep_scrub_stamp.parse::<Timestamp>() {
            Ok(stamp) => oldest = Some(oldest.map_or(stamp.as_second(), |known| known.min(stamp.as_second()))),
            Err(_) => return Reading::Unreadable(format!("{}: `{}` is no time", group.pgid, group.last_deep_scrub_stamp)),
        }
    }
    match oldest {
        Some(stamp) if stamp > now.saturating_add(CLOCKS_APART) => {
            Reading::Unreadable("it was in the future: the clock of this node is wrong".into())
        }
        Some(stamp) => u64::try_from(now.saturating_sub(stamp)).unwrap_or(0).into(),
        None => Reading::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ceph::answer::PlacementGroupSum;

    #[test]
    fn a_state_is_clean_or_not_as_the_table_says() {
        for (state, expected) in [
            ("active+clean", true),
            ("active+clean+scrubbing+deep", true),
            ("active+clean+snaptrim_wait", true),
            ("active+clean+snaptrim", true),
            ("active+clean+inconsistent", false),
            ("active+clean+snaptrim_error", false),
            ("active+clean+remapped", false),
            ("active+undersized+degraded", false),
            ("clean", false),
            ("active", false),
            ("unknown", false),
            ("", false),
        ] {
            let stat_sum = PlacementGroupSum { num_scrub_errors: 0 };
            let group = PlacementGroup { pgid: "1.0".into(), state: state.into(), last_deep_scrub_stamp: String::new(), stat_sum };
            assert_eq!(is_clean(&group), expected, "{state}");
        }
    }
}
