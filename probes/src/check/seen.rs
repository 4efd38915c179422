//! What a check looked at: readings with their places, as evidence, as text, and as the type that the check expects of them.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::Inventory;
use assay_model::verdict::{Evidence, Reason};

/// Sources named in full; further ones are counted.
const SOURCES_NAMED: usize = 3;

/// The readings that an answer rests on.
pub(super) struct Seen<'a>(Vec<(&'a Component, Attr)>);

impl<'a> Seen<'a> {
    /// Several attributes of one component.
    pub(super) fn of(component: &'a Component, attrs: &[Attr]) -> Self {
        Self(attrs.iter().map(|&attr| (component, attr)).collect())
    }

    /// One attribute of several components.
    pub(super) fn across(components: &[&'a Component], attr: Attr) -> Self {
        Self(components.iter().map(|&component| (component, attr)).collect())
    }

    /// Both together.
    pub(super) fn and(mut self, other: Seen<'a>) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Evidence of what has a value; none at all is a reason instead.
    pub(super) fn evidence(&self) -> Result<Evidence, Reason> {
        let valued = self.0.iter().filter(|(component, attr)| component.value(*attr).is_some());
        Evidence::all(valued.map(|(component, attr)| Evidence::of_reading(component.source(*attr), component.reading(*attr))))
    }

    /// The readings, for people; attributes that the node does not have are left out unless there is nothing else.
    pub(super) fn observed(&self) -> String {
        let alone = self.0.len() == 1;
        let said: Vec<String> =
            self.0
                .iter()
                .filter(|(component, attr)| alone || *component.reading(*attr) != Reading::Absent)
                .map(|(component, attr)| {
                    if alone { with_unit(component.reading(*attr), *attr) } else { format!("{attr} {}", with_unit(component.reading(*attr), *attr)) }
                })
                .collect();
        if said.is_empty() { "absent".into() } else { said.join(", ") }
    }

    /// Where the readings came from.
    pub(super) fn source(&self) -> String {
        let mut sources: Vec<&str> = Vec::new();
        for (component, attr) in &self.0 {
            let source = component.source(*attr);
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        match sources.get(SOURCES_NAMED..) {
            Some(more) if !more.is_empty() => format!("{} and {} more", sources[..SOURCES_NAMED].join(", "), more.len()),
            Some(_) | None => sources.join(", "),
        }
    }
}

/// The probes that answer for `kind`, for people.
pub(super) fn looked(inventory: &Inventory, kind: Kind) -> String {
    let probes: Vec<&str> = inventory.probes.iter().filter(|outcome| outcome.kinds.contains(&kind)).map(|outcome| outcome.probe.as_str()).collect();
    if probes.is_empty() { format!("no probe of {kind}") } else { format!("probe {}", probes.join(", ")) }
}

/// A whole number; `None` when the node has none.
pub(super) fn count(component: &Component, attr: Attr) -> Result<Option<u64>, Reason> {
    typed(component, attr, "whole number", Value::as_u64)
}

/// A finite number; `None` when the node has none.
pub(super) fn number(component: &Component, attr: Attr) -> Result<Option<f64>, Reason> {
    typed(component, attr, "finite number", |value| value.as_f64().filter(|x| x.is_finite()))
}

/// Yes or no; `None` when the node has none.
pub(super) fn flag(component: &Component, attr: Attr) -> Result<Option<bool>, Reason> {
    typed(component, attr, "yes or no", Value::as_bool)
}

/// A word; `None` when the node has none.
pub(super) fn text(component: &Component, attr: Attr) -> Result<Option<&str>, Reason> {
    typed(component, attr, "text", Value::as_str)
}

/// Several texts; `None` when the node has none.
pub(super) fn list(component: &Component, attr: Attr) -> Result<Option<&[String]>, Reason> {
    typed(component, attr, "list", |value| if let Value::List(items) = value { Some(items.as_slice()) } else { None })
}

fn typed<'a, T>(component: &'a Component, attr: Attr, wanted: &str, take: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, Reason> {
    match component.reading(attr) {
        Reading::Absent => Ok(None),
        Reading::Unreadable(why) => Err(Reason::Unreadable(format!("{}: {why}", component.source(attr)))),
        Reading::Value(value) => match take(value) {
            Some(taken) => Ok(Some(taken)),
            None => Err(Reason::Invalid(format!("{} says `{value}`, which is not a {wanted}", component.source(attr)))),
        },
    }
}

/// The operating system of a guest: what the firmware tables say there was made up by the hypervisor. `None` on bare metal and where nothing says.
pub(super) fn guest(inventory: &Inventory) -> Option<&Component> {
    inventory.iter(Kind::Os).find(|os| flag(os, Attr::Hypervisor) == Ok(Some(true)))
}

/// A reading with the base unit of its attribute, when it is a figure that has one.
fn with_unit(reading: &Reading, attr: Attr) -> String {
    match (reading.value().and_then(Value::as_f64), attr.unit().symbol()) {
        (Some(_), symbol) if !symbol.is_empty() => format!("{reading} {symbol}"),
        (_, _) => reading.to_string(),
    }
}
