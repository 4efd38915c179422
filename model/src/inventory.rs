//! Everything the probes saw on one node, and which probes could not look.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attr::{Attr, Kind, Volatility};
use crate::component::Component;
use crate::verdict::Reason;

/// How one probe ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeOutcome {
    /// The probe's name.
    pub probe: String,
    /// The kinds that it answers for.
    pub kinds: Vec<Kind>,
    /// Whether it could look.
    pub ended: ProbeEnded,
    /// Wall time that it took.
    pub elapsed_ns: u64,
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeEnded {
    /// It looked everywhere it should; an empty result means "none fitted".
    Completed,
    /// The source of its knowledge does not exist on this host (no DMI table in a guest); says which.
    SourceMissing(String),
    /// It failed; says subject, act and cause.
    Failed(String),
    /// It did not answer before its deadline; says on which path or ioctl it hung.
    Hung(String),
}

/// The observed node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// Host name, or its pseudonym.
    pub host: String,
    /// The boot during which it was taken.
    pub boot_id: String,
    /// UTC time at which probing began, RFC 3339.
    pub taken_at: String,
    /// All components, ordered by kind and locator.
    pub components: Vec<Component>,
    /// One entry per probe, in registry order.
    pub probes: Vec<ProbeOutcome>,
}

/// What the inventory knows of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed<'a> {
    /// The probe looked; these are all of them (maybe none).
    Components(Vec<&'a Component>),
    /// The probe's source does not exist here.
    SourceMissing(String),
    /// Nothing can be said.
    Unknown(Reason),
}

impl Inventory {
    /// All components of `kind`, or why nothing can be said about them. A probe that failed never reads as "none fitted".
    pub fn of(&self, kind: Kind) -> Observed<'_> {
        let mut answered = false;
        let mut missing = None;
        for outcome in self.probes.iter().filter(|outcome| outcome.kinds.contains(&kind)) {
            match &outcome.ended {
                ProbeEnded::Completed => answered = true,
                ProbeEnded::SourceMissing(source) => missing = Some(source.clone()),
                ProbeEnded::Failed(why) => return Observed::Unknown(Reason::Unreadable(why.clone())),
                ProbeEnded::Hung(on) => return Observed::Unknown(Reason::Unreadable(format!("probe {} hung on {on}", outcome.probe))),
            }
        }
        match (answered, missing) {
            (true, _) => Observed::Components(self.iter(kind).collect()),
            (false, Some(source)) => Observed::SourceMissing(source),
            (false, None) => Observed::Unknown(Reason::NotRun(format!("no probe looked for {kind}"))),
        }
    }

    /// The components of `kind` that were seen, whatever the probes' ends. For reports; checks use [`Inventory::of`].
    pub fn iter(&self, kind: Kind) -> impl Iterator<Item = &Component> {
        self.components.iter().filter(move |component| component.kind == kind)
    }

    /// The same inventory without what changes by itself: two of a node that was not touched are equal.
    pub fn without_volatile(&self) -> Inventory {
        let mut stable = self.clone();
        stable.taken_at = String::new();
        for component in &mut stable.components {
            component.attributes.retain(|attr, _| is_stable(*attr));
            component.sources.retain(|attr, _| is_stable(*attr));
        }
        for outcome in &mut stable.probes {
            outcome.elapsed_ns = 0;
        }
        stable
    }
}

fn is_stable(attr: Attr) -> bool {
    match attr.volatility() {
        Volatility::Stable => true,
        Volatility::Volatile => false,
    }
}
