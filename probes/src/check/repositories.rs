//! Whether the enabled package repositories are exactly those that are declared: one more brings versions that nobody wanted, one less no updates.

use std::collections::{BTreeMap, BTreeSet};

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading};
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::site::declared::PackageRepository;
use assay_model::verdict::{Evidence, Verdict};

use super::declared::holding;
use super::findings::Findings;
use super::question::Question;
use super::seen::{Seen, flag, list, looked};

pub(super) const REPOSITORIES: Question = Question { id: "apt.repositories", expected: "exactly the declared repositories are enabled" };

const SUBJECT: &str = "enabled repositories";

pub(super) fn repositories(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let looked = looked(inventory, Kind::Repository);
    let Some(declared) = &site.declared.software.repositories else {
        return vec![REPOSITORIES.absent(site, SUBJECT, "the site declares no repositories", looked)];
    };
    let found = match inventory.of(Kind::Repository) {
        Observed::Components(found) => found,
        Observed::SourceMissing(_) | Observed::Unknown(_) => {
            return REPOSITORIES.subjects(inventory, site, Kind::Repository).err().unwrap_or_default();
        }
    };
    let declared = match holding(site, declared, |repository| repository.when.as_ref()) {
        Ok(declared) => declared,
        Err(reason) => return vec![Check::inconclusive(REPOSITORIES.id, SUBJECT, REPOSITORIES.expected, reason, looked)],
    };
    let mut findings = Findings::default();
    let mut enabled: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut untold: BTreeSet<String> = BTreeSet::new();
    for repository in &found {
        let is_enabled = findings.value(format!("state of {}", repository.locator), flag(repository, Attr::Enabled));
        let components = findings.value(format!("list of components of {}", repository.locator), list(repository, Attr::Components));
        match (is_enabled, components) {
            (Some(true), Some(components)) => enabled.entry(name(repository)).or_default().extend(components.iter().map(String::as_str)),
            (Some(false), _) => {}
            (_, _) => drop(untold.insert(name(repository))),
        }
    }
    let declared = suites(&declared);
    for (suite, components) in enabled.iter().filter(|(suite, _)| !untold.contains(*suite)) {
        match declared.get(suite) {
            None => findings.wrong(format!("{suite} is enabled and not declared")),
            Some(wanted) if wanted != components => findings.wrong(format!("{suite} has {}, declared is {}", words(components), words(wanted))),
            Some(_) => {}
        }
    }
    for suite in declared.keys().filter(|suite| !enabled.contains_key(*suite) && !untold.contains(*suite)) {
        findings.wrong(format!("{suite} is declared and not enabled"));
    }
    let seen = Seen::across(&found, Attr::Enabled).and(Seen::across(&found, Attr::Components));
    let observed = if enabled.is_empty() { "none".into() } else { enabled.keys().cloned().collect::<Vec<_>>().join(", ") };
    let verdict = match findings.verdict(site, &seen) {
        // That there is none was looked for.
        Verdict::Inconclusive(_) if found.is_empty() && declared.is_empty() => {
            Verdict::pass_on(Evidence::of_reading(&looked, &Reading::from("none")))
        }
        verdict @ (Verdict::Pass(_) | Verdict::Fail(_) | Verdict::NotApplicable(_) | Verdict::Inconclusive(_)) => verdict,
    };
    vec![Check::new(REPOSITORIES.id, SUBJECT, verdict, REPOSITORIES.expected, observed, if found.is_empty() { looked } else { seen.source() })]
}

/// `URI suite`, whichever file it is in.
fn name(repository: &Component) -> String {
    repository.locator.split(" again in ").next().unwrap_or_default().to_owned()
}

fn suites<'a>(declared: &[&'a PackageRepository]) -> BTreeMap<String, BTreeSet<&'a str>> {
    let mut suites: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for repository in declared {
        for suite in &repository.suites {
            let name = format!("{} {suite}", repository.uri.trim_end_matches('/'));
            suites.entry(name).or_default().extend(repository.components.iter().map(String::as_str));
        }
    }
    suites
}

fn words(components: &BTreeSet<&str>) -> String {
    if components.is_empty() { "no components".into() } else { components.iter().copied().collect::<Vec<_>>().join(" ") }
}

#[cfg(test)]
mod tests {
    use assay_model::component::Value;
    use assay_model::inventory::ProbeEnded;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, generic, rank, strict, unreadable};

    const DEBIAN: &str = "http://deb.debian.org/debian trixie";
    const PVE: &str = "http://download.proxmox.com/debian/pve trixie";

    fn site() -> Site {
        let repository = |uri: &str, components: &[&str]| PackageRepository {
            uri: uri.into(),
            suites: vec!["trixie".into()],
            components: components.iter().map(|&component| component.to_owned()).collect(),
            when: None,
        };
        let mut site = strict();
        site.declared.software.repositories = Some(vec![
            repository("http://deb.debian.org/debian/", &["main", "contrib"]),
            repository("http://download.proxmox.com/debian/pve", &["pve-no-subscription"]),
        ]);
        site
    }

    fn suite(locator: &str, enabled: impl Into<Reading>, components: &[&str]) -> Component {
        let components = Value::List(components.iter().map(|&component| component.to_owned()).collect());
        component(Kind::Repository, locator, &[(Attr::Enabled, enabled.into()), (Attr::Components, components.into())])
    }

    fn healthy() -> Node {
        Node::bare().with(suite(DEBIAN, true, &["contrib", "main"])).with(suite(PVE, true, &["pve-no-subscription"])).with(suite(
            "https://enterprise.proxmox.com/debian/pve trixie",
            false,
            &["pve-enterprise"],
        ))
    }

    fn judged(node: &Node) -> Rank {
        rank(&repositories(&node.0, &site()))
    }

    #[test]
    fn exactly_the_declared_ones_pass() {
        assert_eq!(judged(&healthy()), Rank::Pass);
        let in_two_files = Node::bare()
            .with(suite(DEBIAN, true, &["main"]))
            .with(suite(&format!("{DEBIAN} again in /etc/apt/sources.list.d/b.list"), true, &["contrib"]))
            .with(suite(PVE, true, &["pve-no-subscription"]));
        assert_eq!(judged(&in_two_files), Rank::Pass);
        assert_eq!((healthy().strictly(repositories), healthy().generically(repositories)), (Rank::Inconclusive, Rank::NotApplicable));
        let mut none = strict();
        none.declared.software.repositories = Some(Vec::new());
        assert_eq!(rank(&repositories(&Node::bare().0, &none)), Rank::Pass);
        assert_eq!(rank(&repositories(&healthy().0, &none)), Rank::Fail);
    }

    #[test]
    fn one_more_one_less_and_another_component_are_wrong() {
        let enterprise = "https://enterprise.proxmox.com/debian/pve trixie";
        for (node, expected) in [
            (healthy().plant(Kind::Repository, enterprise, Attr::Enabled, true), Rank::Fail),
            (healthy().with(suite("http://download.proxmox.com/debian/pve trixie-test", true, &["pve-test"])), Rank::Fail),
            (healthy().plant(Kind::Repository, PVE, Attr::Components, Value::List(vec!["pve-test".into()])), Rank::Fail),
            (healthy().plant(Kind::Repository, DEBIAN, Attr::Enabled, false), Rank::Fail),
            (healthy().pulled(Kind::Repository, DEBIAN), Rank::Fail),
            (healthy().plant(Kind::Repository, DEBIAN, Attr::Components, unreadable()), Rank::Inconclusive),
            (healthy().plant(Kind::Repository, enterprise, Attr::Enabled, unreadable()), Rank::Inconclusive),
            (healthy().ended(Kind::Repository, ProbeEnded::Failed("EACCES".into())), Rank::Inconclusive),
            (healthy().ended(Kind::Repository, ProbeEnded::SourceMissing("/etc/apt".into())), Rank::Inconclusive),
            (healthy().without(Kind::Repository), Rank::Fail),
        ] {
            assert_eq!(judged(&node), expected, "{:?}", node.0.components);
        }
        assert_eq!(rank(&repositories(&Node::bare().0, &generic())), Rank::NotApplicable);
    }
}
