//! Writes the BOM of an observed node as commented TOML that `bom::parse` reads back. It states what the order of such a node would state: models,
//! capacities, widths. What is one unit's own (serials, hardware addresses), what changes by itself and what is set up later is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::attr::{Attr, Kind};
use crate::bom::{BOM_SCHEMA, expectation};
use crate::component::{Component, Reading, Value};
use crate::inventory::{Inventory, Observed};

/// What a drafted line of one kind is made of.
struct Recipe {
    kind: Kind,
    /// Components that differ in one of these are different lines.
    identity: &'static [Attr],
    /// What is stated besides, where the components of a line agree.
    stated: &'static [Attr],
}

const RECIPES: &[Recipe] = &[
    Recipe { kind: Kind::Board, identity: &[Attr::Vendor, Attr::Model], stated: &[Attr::Firmware] },
    Recipe {
        kind: Kind::Cpu,
        identity: &[Attr::Vendor, Attr::Model, Attr::Family, Attr::ModelNumber, Attr::Stepping],
        stated: &[Attr::Cores, Attr::Threads, Attr::ThreadsPerCore, Attr::L2Bytes, Attr::L3Bytes, Attr::L3Domains, Attr::NumaNodes],
    },
    Recipe { kind: Kind::MemoryArray, identity: &[Attr::ErrorCorrection], stated: &[Attr::Slots, Attr::CapacityMax] },
    Recipe {
        kind: Kind::Dimm,
        identity: &[Attr::Populated, Attr::Vendor, Attr::PartNumber, Attr::Capacity],
        stated: &[Attr::MemoryType, Attr::FormFactor, Attr::RatedSpeed, Attr::ConfiguredSpeed, Attr::TotalWidth, Attr::DataWidth, Attr::Ranks],
    },
    Recipe {
        kind: Kind::Nvme,
        identity: &[Attr::Model, Attr::PciId, Attr::Capacity],
        stated: &[Attr::Firmware, Attr::Transport, Attr::LinkSpeed, Attr::LinkWidth, Attr::Namespaces],
    },
    Recipe {
        kind: Kind::Block,
        identity: &[Attr::Vendor, Attr::Model, Attr::Capacity],
        stated: &[Attr::Rotational, Attr::LogicalBlockSize, Attr::PhysicalBlockSize, Attr::Removable],
    },
    Recipe {
        kind: Kind::Nic,
        identity: &[Attr::Model, Attr::PciId, Attr::PciSubsystem, Attr::Driver],
        stated: &[Attr::Firmware, Attr::Speed, Attr::Duplex, Attr::Mtu, Attr::LinkSpeed, Attr::LinkWidth],
    },
    Recipe { kind: Kind::Gpu, identity: &[Attr::Model, Attr::PciId, Attr::PciSubsystem], stated: &[Attr::Firmware, Attr::Capacity, Attr::LinkWidth] },
];

/// The BOM of the observed node.
pub fn draft(inventory: &Inventory) -> String {
    let mut text = format!(
        "# Drafted from what the probes saw on {} at {}. It says what IS there: read it against the order before it becomes the BOM.\n\
         # Left out: serial numbers, hardware addresses and other marks of one unit; what changes by itself; kernel and distribution.\n\
         schema = {BOM_SCHEMA}\nnode_class = \"drafted\"\nrevision = \"draft\"\n",
        comment(&inventory.host),
        comment(&inventory.taken_at),
    );
    let mut drafted = 0;
    for recipe in RECIPES {
        match inventory.of(recipe.kind) {
            Observed::Components(components) => drafted += kind(&mut text, recipe, &components),
            Observed::SourceMissing(source) => note(&mut text, &format!("{}: not drafted, {source} does not exist on this host", recipe.kind)),
            Observed::Unknown(reason) => note(&mut text, &format!("{}: not drafted, {reason}", recipe.kind)),
        }
    }
    if drafted == 0 {
        // A BOM without a line does not load; this one loads, and holds for no node.
        note(&mut text, "Nothing could be drafted. The line below stands for what has to be written by hand; no node meets it.");
        text.push_str("[[line]]\nname = \"to be written\"\nkind = \"board\"\nquantity = 1\n[line.expect]\nmodel = \"to be written\"\n");
    }
    text
}

/// The components of one kind that agree in their identity.
struct Group<'a> {
    identity: BTreeMap<Attr, &'a Value>,
    members: Vec<&'a Component>,
}

fn kind(text: &mut String, recipe: &Recipe, components: &[&Component]) -> usize {
    let mut groups = grouped(recipe, components);
    let selects = selections(recipe, &mut groups);
    let mut drafted = 0;
    for (i, (group, select)) in groups.iter().zip(&selects).enumerate() {
        let name = if groups.len() == 1 { recipe.kind.to_string() } else { format!("{} {}", recipe.kind, i + 1) };
        drafted += usize::from(line(text, recipe, &name, group, select));
    }
    drafted
}

fn grouped<'a>(recipe: &Recipe, components: &[&'a Component]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for component in components {
        let identity: BTreeMap<Attr, &Value> = recipe.identity.iter().filter_map(|&attr| Some((attr, statable(attr, component)?))).collect();
        match groups.iter_mut().find(|group| group.identity == identity) {
            Some(group) => group.members.push(component),
            None => groups.push(Group { identity, members: vec![component] }),
        }
    }
    groups
}

// What each line selects: the identity in which the lines differ. A group whose marks all belong to another group as well cannot be selected;
// the first such one takes the rest, further ones are counted with it.
fn selections<'a>(recipe: &Recipe, groups: &mut Vec<Group<'a>>) -> Vec<BTreeMap<Attr, &'a Value>> {
    if groups.len() < 2 {
        return groups.iter().map(|_| BTreeMap::new()).collect();
    }
    let differs: BTreeSet<Attr> =
        recipe.identity.iter().copied().filter(|attr| groups.iter().any(|group| group.identity.get(attr) != groups[0].identity.get(attr))).collect();
    let select = |group: &Group<'a>| -> BTreeMap<Attr, &'a Value> {
        group.identity.iter().filter(|(attr, _)| differs.contains(attr)).map(|(attr, value)| (*attr, *value)).collect()
    };
    let within = |inner: &BTreeMap<Attr, &Value>, outer: &BTreeMap<Attr, &Value>| inner.iter().all(|(attr, value)| outer.get(attr) == Some(value));
    let all: Vec<_> = groups.iter().map(select).collect();
    let is_hidden = |i: usize| all.iter().enumerate().any(|(j, other)| i != j && within(&all[i], other));
    let (mut kept, mut selects, mut rest): (Vec<Group<'a>>, Vec<_>, Option<Group<'a>>) = (Vec::new(), Vec::new(), None);
    for (i, group) in std::mem::take(groups).into_iter().enumerate() {
        if !is_hidden(i) {
            kept.push(group);
            selects.push(all[i].clone());
        } else if let Some(rest) = &mut rest {
            rest.identity.retain(|attr, value| group.identity.get(attr) == Some(value));
            rest.members.extend(group.members);
        } else {
            rest = Some(group);
        }
    }
    if let Some(rest) = rest {
        kept.push(rest);
        selects.push(BTreeMap::new());
    }
    *groups = kept;
    selects
}

// Writes one line; false when there is nothing to expect of it, which is said in a comment instead.
fn line(text: &mut String, recipe: &Recipe, name: &str, group: &Group<'_>, select: &BTreeMap<Attr, &Value>) -> bool {
    let mut expect: Vec<String> = Vec::new();
    let mut remarks: Vec<String> = Vec::new();
    for &attr in recipe.identity.iter().chain(recipe.stated) {
        match agreed(attr, group) {
            Agreed::On(value) => expect.push(format!("{attr} = {}", written(value))),
            Agreed::Absent => {}
            Agreed::Not(why) => remarks.push(format!("{attr}: {why}")),
        }
    }
    let places: Vec<&str> = group.members.iter().map(|component| component.locator.as_str()).collect();
    let _ = writeln!(text, "\n# {}", comment(&format!("{name}: {}", places.join(", "))));
    for remark in &remarks {
        let _ = writeln!(text, "# {}", comment(remark));
    }
    if expect.is_empty() {
        let _ = writeln!(text, "# {name}: nothing that could be expected was read of {} components", places.len());
        return false;
    }
    let _ = writeln!(text, "[[line]]\nname = \"{name}\"\nkind = \"{}\"\nquantity = {}", recipe.kind, group.members.len());
    if !select.is_empty() {
        text.push_str("[line.select]\n");
        for (attr, value) in select {
            let _ = writeln!(text, "{attr} = {}", written(value));
        }
    }
    let _ = writeln!(text, "[line.expect]\n{}", expect.join("\n"));
    true
}

enum Agreed<'a> {
    On(&'a Value),
    Absent,
    Not(String),
}

fn agreed<'a>(attr: Attr, group: &Group<'a>) -> Agreed<'a> {
    let readings: Vec<&Reading> = group.members.iter().map(|component| component.reading(attr)).collect();
    if let Some(Reading::Unreadable(why)) = readings.iter().find(|reading| matches!(reading, Reading::Unreadable(_))) {
        return Agreed::Not(format!("not stated, could not be read ({why})"));
    }
    if readings.iter().all(|reading| **reading == Reading::Absent) {
        return Agreed::Absent;
    }
    if readings.iter().any(|reading| *reading != readings[0]) {
        let distinct: BTreeSet<String> = readings.iter().map(|reading| reading.to_string()).collect();
        return Agreed::Not(format!("not stated, they differ: {}", distinct.into_iter().collect::<Vec<_>>().join(", ")));
    }
    match group.members.first().and_then(|component| statable(attr, component)) {
        Some(value) => Agreed::On(value),
        None => Agreed::Not(format!("not stated, {} cannot be written as an expectation", readings[0])),
    }
}

// A value that a BOM file can state of the attribute and read back: the parser decides, as it will when the file is read.
fn statable(attr: Attr, component: &Component) -> Option<&Value> {
    let value = component.value(attr)?;
    let read_back = expectation::matcher(attr, &toml_of(value)?).ok()?;
    read_back.matches(value).then_some(value)
}

fn toml_of(value: &Value) -> Option<toml::Value> {
    Some(match value {
        Value::Bool(flag) => toml::Value::Boolean(*flag),
        Value::Integer(n) => toml::Value::Integer(i64::try_from(*n).ok()?),
        Value::Float(x) => toml::Value::Float(*x),
        Value::Text(text) => toml::Value::String(text.clone()),
        Value::List(items) => toml::Value::Table(toml::Table::from_iter([(
            "equals".to_owned(),
            toml::Value::Array(items.iter().cloned().map(toml::Value::String).collect()),
        )])),
    })
}

fn written(value: &Value) -> String {
    toml_of(value).map_or_else(String::new, |value| value.to_string())
}

fn note(text: &mut String, what: &str) {
    let _ = writeln!(text, "\n# {}", comment(what));
}

// Text from the node must not end the comment that it stands in.
fn comment(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { c.escape_unicode().to_string() } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests;
