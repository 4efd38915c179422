//! The node as the probes saw it: every kind with every attribute, and which probes could not look.

use assay_model::attr::{Attr, Kind};
use assay_model::component::Component;
use assay_model::inventory::{Inventory, ProbeEnded};
use assay_model::unit::Unit;

use crate::dossier::Dossier;
use crate::grouped::listed;
use crate::printable::Shown;
use crate::scale;

use super::mark::Mark;
use super::seen::{Seen, seen};

pub(super) struct Hardware {
    pub(super) kinds: Vec<KindView>,
    pub(super) looked: Vec<Probe>,
    /// Probes that could not look.
    pub(super) blind: Vec<Probe>,
    pub(super) none: Shown,
}

pub(super) struct KindView {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) count: usize,
    pub(super) names: String,
    pub(super) attributes: Vec<(&'static str, &'static str, Vec<Seen>)>,
}

pub(super) struct Probe {
    pub(super) name: Shown,
    pub(super) kinds: String,
    pub(super) mark: Mark,
    pub(super) looked: bool,
    pub(super) detail: Shown,
    pub(super) elapsed: scale::Scaled,
}

impl Hardware {
    pub(super) fn new(dossier: &Dossier<'_>) -> Self {
        let Some(inventory) = dossier.inventory else {
            let none = Shown::from(format!("There is no inventory: {}.", dossier.inventory_note));
            return Self { kinds: Vec::new(), looked: Vec::new(), blind: Vec::new(), none };
        };
        let (looked, blind): (Vec<Probe>, Vec<Probe>) = inventory.probes.iter().map(probe).partition(|probe| probe.looked);
        let none = if inventory.components.is_empty() {
            Shown::new("The probes found no component. How each of them ended is listed below.")
        } else {
            Shown::default()
        };
        Self { kinds: Kind::ALL.iter().filter_map(|kind| view(*kind, inventory)).collect(), looked, blind, none }
    }
}

fn view(kind: Kind, inventory: &Inventory) -> Option<KindView> {
    let components: Vec<&Component> = inventory.iter(kind).collect();
    let names: Vec<Shown> = components.iter().map(|component| Shown::from(&component.locator)).collect();
    let known = |attr: &&Attr| components.iter().any(|component| component.attributes.contains_key(*attr));
    let attributes = Attr::ALL.iter().filter(known).map(|attr| (attr.name(), attr.describe(), seen(kind, *attr, &components))).collect();
    (!components.is_empty()).then(|| KindView {
        name: kind.name(),
        meaning: kind.describe(),
        count: components.len(),
        names: listed(&names, 12),
        attributes,
    })
}

fn probe(outcome: &assay_model::inventory::ProbeOutcome) -> Probe {
    let (mark, detail) = match &outcome.ended {
        ProbeEnded::Completed => (Mark { shape: "done", word: "looked" }, Shown::default()),
        ProbeEnded::SourceMissing(source) => (Mark { shape: "none", word: "source missing" }, Shown::from(source)),
        ProbeEnded::Failed(why) => (Mark { shape: "fail", word: "failed" }, Shown::from(why)),
        ProbeEnded::Hung(on) => (Mark { shape: "fail", word: "hung" }, Shown::from(format!("on {on}"))),
    };
    #[allow(clippy::cast_precision_loss, reason = "shown with four digits")]
    let elapsed = scale::scaled(outcome.elapsed_ns as f64, Unit::Nanoseconds);
    Probe {
        name: Shown::from(&outcome.probe),
        kinds: outcome.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "),
        mark,
        looked: outcome.ended == ProbeEnded::Completed,
        detail,
        elapsed,
    }
}
