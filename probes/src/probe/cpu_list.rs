//! The kernel's list form of CPUs, `0-63,128-191`, and numbered names such as `cpu12`.

use std::collections::BTreeSet;
use std::fmt;

use crate::host::whole;

/// A set of CPUs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CpuList(BTreeSet<u64>);

/// No kernel is built for more; a hostile `0-18446744073709551615` must not fill the memory.
const CPUS_MAX: u64 = 1 << 16;

impl CpuList {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut cpus = BTreeSet::new();
        for range in text.trim().split(',').filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let bound = |word: &str| whole(word).ok().filter(|cpu| *cpu < CPUS_MAX).ok_or_else(|| format!("`{range}` is not a range of CPUs"));
            let (first, last) = (bound(first)?, bound(last)?);
            if first > last {
                return Err(format!("`{range}` is not a range of CPUs"));
            }
            cpus.extend(first..=last);
        }
        Ok(Self(cpus))
    }

    pub(super) fn insert(&mut self, cpu: u64) {
        self.0.insert(cpu);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn contains(&self, cpu: u64) -> bool {
        self.0.contains(&cpu)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if(|next| *next == last + 1) {
                last = next;
            }
            if first == last {
                write!(f, "{separator}{first}")?
            } else {
                write!(f, "{separator}{first}-{last}")?
            }
            separator = ",";
        }
        Ok(())
    }
}

/// The number of `cpu12` after `cpu`; none of `cpufreq`.
pub(super) fn numbered(name: &str, prefix: &str) -> Option<u64> {
    whole(name.strip_prefix(prefix)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_lists_are_refused() {
        for text in ["a", "3-1", "0-18446744073709551615", "-1", "1-", "0-65536"] {
            assert!(CpuList::parse(text).is_err(), "{text}");
        }
        assert_eq!(CpuList::parse("\n"), Ok(CpuList::default()));
    }

    proptest! {
        #[test]
        fn every_list_survives_its_text(cpus in proptest::collection::btree_set(0..300_u64, 0..40)) {
            let list = CpuList(cpus);
            prop_assert_eq!(CpuList::parse(&list.to_string()), Ok(list));
        }
    }
}
