//! Versions of watched packages, from dpkg's database `/var/lib/dpkg/status` (deb-control(5) stanzas). Of the thousand packages of a node only those that
//! a check asks for are taken.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::Probe;
use crate::host::{Host, HostError};

/// The probe of packages.
pub(super) struct Package;

pub(super) const STATUS: &str = "/var/lib/dpkg/status";
/// The packages whose versions are asked for.
const WATCHED: [&str; 1] = ["pve-manager"];

impl Probe for Package {
    fn name(&self) -> &'static str {
        "package"
    }

    fn describe(&self) -> &'static str {
        "Versions of watched packages, from /var/lib/dpkg/status."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Package]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        match host.excerpt(STATUS, stanzas) {
            Ok(text) => Ok(paragraphs(&text).filter_map(package).collect()),
            Err(error) if error.is_absent() => Err(HostError::SourceMissing(STATUS.into())),
            Err(error) => Err(error),
        }
    }
}

/// The stanzas of the watched packages.
fn stanzas(text: &str) -> Result<String, String> {
    if !paragraphs(text).any(|paragraph| field(paragraph, "Package").is_some()) {
        return Err("it names no package at all".into());
    }
    let watched = paragraphs(text).filter(|paragraph| field(paragraph, "Package").is_some_and(|name| WATCHED.contains(&name)));
    let taken = |paragraph: &str| {
        let fields = ["Package", "Status", "Architecture", "Version"].iter();
        fields.filter_map(|name| Some(format!("{name}: {}", field(paragraph, name)?))).collect::<Vec<_>>().join("\n")
    };
    Ok(watched.map(taken).collect::<Vec<_>>().join("\n\n"))
}

fn package(paragraph: &str) -> Option<Component> {
    let source = |name: &str| format!("{STATUS} {name}");
    let reading = |name: &str| field(paragraph, name).map_or(Reading::Absent, Reading::from);
    let component = Component::new(Kind::Package, field(paragraph, "Package")?);
    Some(component.with(Attr::State, source("Status"), reading("Status")).with(Attr::Version, source("Version"), reading("Version")))
}

fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").map(|paragraph| paragraph.trim_matches('\n')).filter(|paragraph| !paragraph.is_empty())
}

/// A field of one line. Field names know no case.
fn field<'a>(paragraph: &'a str, name: &str) -> Option<&'a str> {
    let value = paragraph.lines().find_map(|line| {
        let (label, value) = line.split_once(':')?;
        label.eq_ignore_ascii_case(name).then_some(value.trim())
    });
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATABASE: &str = "/var/lib/dpkg/status:
        |Package: adduser
        |Status: install ok installed
        |Version: 3.152
        |
        |Package: pve-manager
        |Status: install ok installed
        |Priority: optional
        |Maintainer: Proxmox Support Team <support@proxmox.com>
        |Architecture: all
        |Version: 9.0.10
        |Depends: apt (>= 1.5~), corosync (>= 3.1)
        |Description: Proxmox Virtual Environment Management Tools
        | This package contains the management tools.
        | Version: 1 of the description
        |
        |Package: pve-manager-doc
        |Status: install ok installed
        |Version: 1.0";

    fn found(snapshot: &str) -> Result<Vec<Component>, HostError> {
        Package.probe(&Host::from_snapshot(snapshot).expect("a fixture"))
    }

    #[test]
    fn the_watched_package_is_found_by_its_whole_name() {
        let found = found(DATABASE).expect("looked");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].locator.as_str(), found[0].reading(Attr::Version)), ("pve-manager", &"9.0.10".into()));
        assert_eq!(found[0].reading(Attr::State), &"install ok installed".into());
        assert_eq!(found[0].source(Attr::Version), "/var/lib/dpkg/status Version");
    }

    #[test]
    fn a_node_without_it_has_none_and_one_without_dpkg_no_source() {
        assert_eq!(found("/var/lib/dpkg/status:\n|Package: bash\n|Version: 5.2"), Ok(Vec::new()));
        assert!(matches!(found("unmentioned: absent"), Err(HostError::SourceMissing(_))));
    }

    #[test]
    fn a_database_that_cannot_be_read_is_neither() {
        assert!(matches!(found("/var/lib/dpkg/status error: EIO"), Err(HostError::Refused { .. })));
        // An empty or torn database does not say that nothing is installed.
        for torn in ["", "|\u{fffd}\u{fffd}", "|ersion: 9.0.10"] {
            assert!(matches!(found(&format!("/var/lib/dpkg/status:\n{torn}")), Err(HostError::Malformed { .. })), "{torn}");
        }
        let half = found("/var/lib/dpkg/status:\n|Package: pve-manager\n|Status: install ok unpack").expect("looked");
        assert_eq!(half[0].reading(Attr::Version), &Reading::Absent);
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "(?s).{0,400}") {
            let _ = stanzas(&text).map(|text| paragraphs(&text).filter_map(package).count());
        }
    }
}
