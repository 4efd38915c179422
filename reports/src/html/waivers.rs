//! Waivers in use, waivers that do nothing, and checks that the site declares not applicable: everything by which a person overrode a check.

use crate::dossier::Dossier;
use crate::printable::Shown;

pub(super) struct Waivers {
    pub(super) in_use: Vec<Row>,
    pub(super) idle: Vec<Row>,
    pub(super) not_here: Vec<(Shown, Shown)>,
}

pub(super) struct Row {
    pub(super) check: Shown,
    pub(super) subject: Shown,
    pub(super) owner: Shown,
    pub(super) reason: Shown,
    pub(super) expires: String,
}

impl Waivers {
    pub(super) fn new(dossier: &Dossier<'_>) -> Self {
        let row = |waiver: &assay_model::waiver::Waiver| Row {
            check: Shown::from(waiver.check.as_str()),
            subject: waiver.subject.as_deref().map_or_else(|| Shown::new("every subject"), Shown::new),
            owner: Shown::from(&waiver.owner),
            reason: Shown::from(&waiver.reason),
            expires: waiver.expires.to_string(),
        };
        let used = &dossier.judgement.waivers;
        Self {
            in_use: used.iter().map(row).collect(),
            idle: dossier.site.waivers.iter().filter(|waiver| !used.contains(waiver)).map(row).collect(),
            not_here: dossier.site.not_here.iter().map(|statement| (Shown::from(statement.check.as_str()), Shown::from(&statement.why))).collect(),
        }
    }
}
