//! One attribute of several components: its different values, each with the components that have it. Twenty-three equal modules and an odd one
//! read as exactly that.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use crate::grouped::listed;
use crate::printable::Shown;
use crate::scale::{self, Bytes, Scaled};

/// One value and who has it.
pub(super) struct Seen {
    pub(super) value: Scaled,
    /// How many components have it.
    pub(super) count: usize,
    /// Which ones; empty when all have it, and for the value that more than half of them share.
    pub(super) holders: Shown,
    pub(super) class: &'static str,
}

// More would be a list that nobody reads; the inventory in JSON has them all.
const MOST_VALUES: usize = 32;
const MOST_HOLDERS: usize = 24;

/// The different readings of `attr`, most frequent first; of equal frequency in the order of the components.
pub(super) fn seen(kind: Kind, attr: Attr, components: &[&Component]) -> Vec<Seen> {
    let mut groups: Vec<(&Reading, Vec<Shown>)> = Vec::new();
    for component in components {
        let reading = component.reading(attr);
        let name = Shown::from(&component.locator);
        match groups.iter_mut().find(|(known, _)| *known == reading) {
            Some((_, holders)) => holders.push(name),
            None => groups.push((reading, vec![name])),
        }
    }
    groups.sort_by_key(|(_, holders)| std::cmp::Reverse(holders.len()));
    let hidden = groups.len().saturating_sub(MOST_VALUES);
    let mut out: Vec<Seen> = groups
        .iter()
        .take(MOST_VALUES)
        .map(|(reading, holders)| Seen {
            value: safe(scale::reading(reading, attr.unit(), Bytes::of(kind))),
            count: holders.len(),
            holders: if holders.len() * 2 > components.len() { Shown::default() } else { Shown::from(listed(holders, MOST_HOLDERS)) },
            class: match reading {
                Reading::Value(_) => "value",
                Reading::Absent => "absent",
                Reading::Unreadable(_) => "unreadable",
            },
        })
        .collect();
    if hidden > 0 {
        let text = format!("and {hidden} more different values");
        out.push(Seen { value: Scaled { exact: String::new(), text }, count: hidden, holders: Shown::default(), class: "absent" });
    }
    out
}

/// The same text with everything visible that would act instead of being read.
pub(super) fn safe(scaled: Scaled) -> Scaled {
    Scaled { text: Shown::from(scaled.text).to_string(), exact: Shown::from(scaled.exact).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_one_among_equals_is_named_and_the_equals_are_counted() {
        let components: Vec<Component> =
            (0..12_u64).map(|n| Component::new(Kind::Nvme, format!("nvme{n}")).with(Attr::LinkWidth, "x", if n == 7 { 2_u64 } else { 4 })).collect();
        let seen = seen(Kind::Nvme, Attr::LinkWidth, &components.iter().collect::<Vec<_>>());
        assert_eq!(seen.iter().map(|s| (s.value.text.as_str(), s.count)).collect::<Vec<_>>(), [("4", 11), ("2", 1)]);
        assert_eq!((seen[0].holders.as_str(), seen[1].holders.as_str()), ("", "nvme7"));
    }

    #[test]
    fn absent_and_unreadable_are_different_values() {
        let a = Component::new(Kind::Nvme, "a");
        let b = Component::new(Kind::Nvme, "b").with(Attr::Serial, "x", Reading::Unreadable("EIO".into()));
        let seen = seen(Kind::Nvme, Attr::Serial, &[&a, &b]);
        assert_eq!(seen.iter().map(|s| s.class).collect::<Vec<_>>(), ["absent", "unreadable"]);
    }
}
