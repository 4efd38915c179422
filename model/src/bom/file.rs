//! `bom.toml`: `[[line]]` tables and an optional `[cluster]`. Whatever could make a line vacuous, unmeetable or ambiguous is an error here, with
//! file, line, caret and what was expected.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::attr::{Attr, Kind};
use crate::bom::expectation::table_schema;
use crate::bom::{BOM_SCHEMA, Bom, BomLine, Cluster, FACTS, cluster, expectation};
use crate::matcher::Matcher;
use crate::parts::Parts;
use crate::place::Document;
use crate::source::FileError;
use crate::spelling;

/// More of one thing than any node holds: beyond it a quantity is a slip of the pen.
const QUANTITY_MAX: u32 = 10_000;

/// The file as written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "bom.toml", rename = "BomFile")]
pub(crate) struct BomFile {
    /// Version of the file format and of its rules; 1.
    schema: u32,
    /// Name of this class of nodes.
    node_class: String,
    /// Revision of the order.
    revision: String,
    /// The lines of the order.
    #[serde(default)]
    line: Vec<LineFile>,
    /// What the order says beyond single components.
    cluster: Option<Cluster>,
}

/// One line of the order.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BomFileLine")]
struct LineFile {
    /// For people and reports; unique.
    name: String,
    /// Component kind.
    #[schemars(with = "Kind")]
    kind: String,
    /// How many, at least 1.
    quantity: u32,
    /// Key of the part in the parts catalogue.
    part: Option<String>,
    /// Which components of the kind the line speaks of; all that no other line selects without it.
    #[serde(default)]
    #[schemars(schema_with = "table_schema")]
    select: BTreeMap<String, toml::Value>,
    /// What each of them must be; at least one expectation.
    #[schemars(schema_with = "table_schema")]
    expect: BTreeMap<String, toml::Value>,
    /// Facts that no probe of the component reads, as inputs of ceilings and contradictions.
    #[serde(default)]
    facts: BTreeMap<String, u64>,
}

/// Reads a BOM file.
pub fn parse(file: &str, text: &str) -> Result<Bom, FileError> {
    let doc = Document::new(file, text);
    let written: BomFile = doc.parse(BOM_SCHEMA)?;
    for (key, value) in [("node_class", &written.node_class), ("revision", &written.revision)] {
        if value.trim().is_empty() {
            return Err(doc.refuse(&[key], format!("`{key}` is empty; expected a word that names it")));
        }
    }
    if written.line.is_empty() {
        return Err(doc.refuse(&[], "the BOM orders nothing; expected at least one `[[line]]`"));
    }
    let lines = written.line.iter().enumerate().map(|(i, line)| one_line(doc, &i.to_string(), line)).collect::<Result<Vec<_>, _>>()?;
    told_apart(doc, &lines)?;
    if let Some(cluster) = &written.cluster {
        cluster::check(doc, cluster, &lines)?;
    }
    Ok(Bom { schema: written.schema, node_class: written.node_class, revision: written.revision, lines, cluster: written.cluster })
}

/// Refuses parts that the catalogue does not have.
pub(crate) fn parts_known(doc: Document<'_>, bom: &Bom, parts: &Parts) -> Result<(), FileError> {
    for (i, line) in bom.lines.iter().enumerate() {
        if let Some(part) = &line.part {
            parts.knows(line.kind, part).map_err(|message| doc.refuse(&["line", &i.to_string(), "part"], message))?;
        }
    }
    Ok(())
}

fn one_line(doc: Document<'_>, index: &str, line: &LineFile) -> Result<BomLine, FileError> {
    let at = |key: &str, message: String| Err(doc.refuse(&["line", index, key], message));
    if line.name.trim().is_empty() {
        return at("name", "a line without a name; expected a few words for people".into());
    }
    let Ok(kind) = line.kind.parse::<Kind>() else {
        let known = || Kind::ALL.iter().map(|kind| kind.name());
        let hint = spelling::hint(&line.kind, known());
        return at("kind", format!("unknown component kind `{}`; expected {}.{hint}", line.kind, spelling::list(known())));
    };
    if line.quantity == 0 {
        return at("quantity", "a line that orders 0 says nothing; expected at least 1".into());
    }
    if line.quantity > QUANTITY_MAX {
        return at("quantity", format!("{} of one thing in one node; expected at most {QUANTITY_MAX}", line.quantity));
    }
    if line.expect.is_empty() {
        return at("expect", format!("line `{}` expects nothing and would always pass; expected at least one attribute", line.name));
    }
    Ok(BomLine {
        name: line.name.clone(),
        kind,
        quantity: line.quantity,
        part: line.part.clone(),
        select: matchers(doc, &["line", index, "select"], &line.select)?,
        expect: matchers(doc, &["line", index, "expect"], &line.expect)?,
        facts: facts(doc, &["line", index, "facts"], &line.facts)?,
    })
}

/// Reads a table of attributes with their matchers, as lines and overrides have them.
pub(crate) fn matchers(doc: Document<'_>, path: &[&str], written: &BTreeMap<String, toml::Value>) -> Result<BTreeMap<Attr, Matcher>, FileError> {
    let mut matchers = BTreeMap::new();
    for (name, value) in written {
        let path = [path, &[name.as_str()]].concat();
        let Ok(attr) = name.parse::<Attr>() else {
            let known = || Attr::ALL.iter().map(|attr| attr.name());
            let hint = spelling::hint(name, known());
            let message = if hint.is_empty() {
                format!("unknown attribute `{name}`; expected {}", spelling::list(known()))
            } else {
                format!("unknown attribute `{name}`.{hint}")
            };
            return Err(doc.refuse_key(&path, message));
        };
        let matcher = expectation::matcher(attr, value).map_err(|misfit| {
            let below: Vec<&str> = misfit.at.iter().map(String::as_str).collect();
            doc.refuse(&[path.as_slice(), below.as_slice()].concat(), misfit.message)
        })?;
        matchers.insert(attr, matcher);
    }
    Ok(matchers)
}

/// Checks a table of facts against [`FACTS`].
pub(crate) fn facts(doc: Document<'_>, path: &[&str], written: &BTreeMap<String, u64>) -> Result<BTreeMap<String, u64>, FileError> {
    for (name, value) in written {
        let path = [path, &[name.as_str()]].concat();
        let known = || FACTS.iter().map(|(fact, _)| *fact);
        if known().all(|fact| fact != name) {
            let message = format!("unknown fact `{name}`; expected {}.{}", spelling::list(known()), spelling::hint(name, known()));
            return Err(doc.refuse_key(&path, message));
        }
        if *value == 0 {
            return Err(doc.refuse(&path, format!("0 {name} carry nothing; expected at least 1, or leave the fact out when it is not known")));
        }
    }
    Ok(written.clone())
}

// Two lines that speak of the same components would both be counted from them.
fn told_apart(doc: Document<'_>, lines: &[BomLine]) -> Result<(), FileError> {
    for (i, line) in lines.iter().enumerate() {
        let index = i.to_string();
        if let Some(other) = lines[..i].iter().find(|other| other.name == line.name) {
            return Err(doc.refuse(&["line", &index, "name"], format!("a second line `{}`; expected a name of its own", other.name)));
        }
        if let Some(other) = lines[..i].iter().find(|other| other.kind == line.kind && other.select == line.select) {
            let speaks = if line.select.is_empty() { "takes whatever no other line selects" } else { "selects the same components" };
            let message =
                format!("like `{}`, line `{}` of kind {} {speaks}; expected a [line.select] that tells them apart", other.name, line.name, line.kind);
            return Err(doc.refuse(&["line", &index, "name"], message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
