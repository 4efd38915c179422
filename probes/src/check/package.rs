//! The version of the management, pve-manager, against what is declared. That it is the same on all nodes is said by an exact version, or by comparing
//! their snapshots.

use std::cmp::Ordering;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::question::{Question, absent};
use super::seen::{Seen, looked, text};
use crate::debian_version::compare;

pub(super) const PVE_VERSION: Question = Question { id: "pve.version", expected: "pve-manager installed, of the declared version" };

const PVE_MANAGER: &str = "pve-manager";
const INSTALLED: &str = "installed";

pub(super) fn pve_version(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let software = &site.declared.software;
    if software.pve_manager.is_none() && software.pve_manager_min.is_none() {
        return vec![PVE_VERSION.absent(site, PVE_MANAGER, "the site declares no version of pve-manager", looked(inventory, Kind::Package))];
    }
    let packages = match inventory.of(Kind::Package) {
        Observed::Components(packages) => packages,
        Observed::SourceMissing(_) | Observed::Unknown(_) => return PVE_VERSION.subjects(inventory, site, Kind::Package).err().unwrap_or_default(),
    };
    let found: Vec<&Component> = packages.into_iter().filter(|package| package.locator == PVE_MANAGER).collect();
    match found.as_slice() {
        [] => {
            let verdict = Verdict::Fail("it is not installed".into());
            vec![Check::new(PVE_VERSION.id, PVE_MANAGER, verdict, PVE_VERSION.expected, "nothing", looked(inventory, Kind::Package))]
        }
        [package] => {
            let seen = Seen::of(package, &[Attr::Version, Attr::State]);
            vec![PVE_VERSION.answer(PVE_MANAGER, &seen, version(site, package, &seen))]
        }
        several => {
            let seen = Seen::across(several, Attr::Version);
            let verdict = Verdict::Inconclusive(Reason::Invalid("the package database has it more than once".into()));
            vec![PVE_VERSION.answer(PVE_MANAGER, &seen, verdict)]
        }
    }
}

fn version(site: &Site, package: &Component, seen: &Seen<'_>) -> Verdict {
    let (state, version) = match (text(package, Attr::State), text(package, Attr::Version)) {
        (Err(reason), _) | (_, Err(reason)) => return Verdict::Inconclusive(reason),
        (Ok(Some(state)), Ok(version)) => (state, version),
        (Ok(None), Ok(_)) => return absent(site, "the package database does not say whether it is installed"),
    };
    // deb-control(5), Status: what is wanted, an error flag, what is.
    if state.split_whitespace().last() != Some(INSTALLED) {
        return Verdict::Fail(format!("it is not installed completely: {state}"));
    }
    let Some(version) = version else { return absent(site, "the package database gives no version of it") };
    if !version.starts_with(|first: char| first.is_ascii_digit()) {
        return Verdict::Inconclusive(Reason::Invalid(format!("`{version}` is no version of a package")));
    }
    let software = &site.declared.software;
    if let Some(exact) = &software.pve_manager
        && compare(version, exact) != Ordering::Equal
    {
        return Verdict::Fail(format!("version {version}, declared is {exact}"));
    }
    if let Some(least) = &software.pve_manager_min
        && compare(version, least) == Ordering::Less
    {
        return Verdict::Fail(format!("version {version}, declared is at least {least}"));
    }
    Verdict::pass_on(seen.evidence())
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::inventory::ProbeEnded;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, generic, rank, strict, unreadable};

    fn declaring(exact: Option<&str>, least: Option<&str>) -> Site {
        let mut site = strict();
        site.declared.software.pve_manager = exact.map(str::to_owned);
        site.declared.software.pve_manager_min = least.map(str::to_owned);
        site
    }

    fn node(version: impl Into<Reading>, state: impl Into<Reading>) -> Node {
        Node::bare().with(component(Kind::Package, PVE_MANAGER, &[(Attr::Version, version.into()), (Attr::State, state.into())]))
    }

    #[test]
    fn versions_are_judged_as_the_table_says() {
        const OK: &str = "install ok installed";
        for (version, state, exact, expected) in [
            (Reading::from("9.0.8"), Reading::from(OK), None, Rank::Pass),
            ("9.0.10".into(), OK.into(), None, Rank::Pass),
            ("10.0.1".into(), OK.into(), None, Rank::Pass),
            ("9.0.10".into(), OK.into(), Some("9.0.10"), Rank::Pass),
            ("9.0.11".into(), OK.into(), Some("9.0.10"), Rank::Fail),
            ("9.0.7".into(), OK.into(), None, Rank::Fail),
            ("9.0.8~rc1".into(), OK.into(), None, Rank::Fail),
            ("8.4.14".into(), OK.into(), None, Rank::Fail),
            ("9.0.10".into(), "install ok half-configured".into(), None, Rank::Fail),
            ("9.0.10".into(), "deinstall ok config-files".into(), None, Rank::Fail),
            ("9.0.10".into(), "hold ok installed".into(), None, Rank::Pass),
            ("newest".into(), OK.into(), None, Rank::Inconclusive),
            (Reading::Absent, OK.into(), None, Rank::Inconclusive),
            ("9.0.10".into(), Reading::Absent, None, Rank::Inconclusive),
            (unreadable(), OK.into(), None, Rank::Inconclusive),
            ("9.0.10".into(), unreadable(), None, Rank::Inconclusive),
        ] {
            let found = pve_version(&node(version.clone(), state.clone()).0, &declaring(exact, Some("9.0.8")));
            assert_eq!(rank(&found), expected, "{version} {state}");
        }
    }

    #[test]
    fn where_it_is_not_installed_or_not_known_nothing_passes() {
        let declared = declaring(None, Some("9.0.8"));
        assert_eq!(rank(&pve_version(&Node::bare().0, &declared)), Rank::Fail);
        let gone = Node::bare().ended(Kind::Package, ProbeEnded::Failed("EIO".into()));
        assert_eq!(rank(&pve_version(&gone.0, &declared)), Rank::Inconclusive);
        let healthy = node("9.0.10", "install ok installed");
        assert_eq!(rank(&pve_version(&healthy.0, &strict())), Rank::Inconclusive, "nothing declared");
        assert_eq!(rank(&pve_version(&Node::bare().0, &generic())), Rank::NotApplicable);
    }
}
