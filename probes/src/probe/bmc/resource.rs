//! One Redfish resource, and the readings in it. A property that is missing or `null` is absent and never 0; one of another type than it should
//! have is unreadable. Links lead to resources, collections to their members, page by page.

use std::collections::BTreeSet;

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};
use serde_json::Value;

use crate::host::{Host, HostError, unanswered};
use crate::probe::firmware_text::stated;

/// Pages of a collection that are read; a page has 50 members or more.
const PAGES_MAX: usize = 64;
/// Members of a collection that are read.
const MEMBERS_MAX: usize = 4096;
/// Bytes of a text that are kept.
const TEXT_MAX: usize = 512;

/// A resource, or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// Where it is: `redfish:/redfish/v1/...`, with the place within it after `#`.
    pub(super) source: String,
    body: Value,
}

/// A member of a collection: the resource, or why it could not be read.
pub(super) enum Member {
    /// It was read.
    Read(Resource),
    /// It is at this path and could not be read.
    Lost {
        /// Its path.
        path: String,
        /// Why.
        error: HostError,
    },
}

impl Resource {
    /// The resource at a path.
    pub(super) fn at(host: &Host, path: &str) -> Result<Self, HostError> {
        Ok(Self { source: format!("redfish:{path}"), body: host.redfish(path)? })
    }

    /// The property at `path`, steps separated by `/`; `null` is none.
    fn get(&self, path: &str) -> Option<&Value> {
        path.split('/').try_fold(&self.body, |value, step| value.get(step)).filter(|value| !value.is_null())
    }

    /// A word. Placeholders of the firmware are absent.
    pub(super) fn text(&self, path: &str) -> Reading {
        self.understood(path, "text", |value| value.as_str().map(|text| stated(&shortened(text))))
    }

    /// A word without reading anything into it; empty when there is none.
    pub(super) fn word(&self, path: &str) -> &str {
        self.get(path).and_then(Value::as_str).unwrap_or_default().trim()
    }

    /// A whole number, in units of `scale` base units.
    pub(super) fn count(&self, path: &str, scale: u64) -> Reading {
        self.understood(path, "whole number", |value| whole(value)?.checked_mul(scale).map(Reading::from))
    }

    /// A number.
    pub(super) fn number(&self, path: &str) -> Reading {
        self.understood(path, "number", |value| value.as_f64().filter(|x| x.is_finite()).map(Reading::from))
    }

    /// A number that is measured. `null` in its place says that the service does not know it now (DSP0266), which is not that nobody measures it.
    pub(super) fn measured(&self, path: &str) -> Reading {
        match path.split('/').try_fold(&self.body, |value, step| value.get(step)) {
            Some(Value::Null) => Reading::Unreadable(format!("{path} is null")),
            Some(_) | None => self.number(path),
        }
    }

    /// Yes or no.
    pub(super) fn flag(&self, path: &str) -> Reading {
        self.understood(path, "yes or no", |value| value.as_bool().map(Reading::from))
    }

    /// What `understand` makes of a property that is there.
    pub(super) fn understood(&self, path: &str, wanted: &str, understand: impl FnOnce(&Value) -> Option<Reading>) -> Reading {
        let Some(value) = self.get(path) else { return Reading::Absent };
        understand(value).unwrap_or_else(|| Reading::Unreadable(format!("{path} is `{}`, which is no {wanted}", shortened(&value.to_string()))))
    }

    /// The first of these readings that is not absent.
    pub(super) fn first(readings: impl IntoIterator<Item = Reading>) -> Reading {
        readings.into_iter().find(|reading| *reading != Reading::Absent).unwrap_or(Reading::Absent)
    }

    /// Whether it has a property, and not `null`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// Its state: `Status/State`.
    pub(super) fn state(&self) -> Reading {
        self.text("Status/State")
    }

    /// Whether it says that nothing is fitted in its place.
    pub(super) fn is_empty_place(&self) -> bool {
        self.word("Status/State").eq_ignore_ascii_case("Absent")
    }

    /// The parts in an array within the resource; empty where there is none.
    pub(super) fn parts(&self, path: &str) -> Vec<Resource> {
        let parts = self.get(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let part = |(index, body): (usize, &Value)| Resource { source: format!("{}#/{path}/{index}", self.source), body: body.clone() };
        parts.iter().enumerate().map(part).filter(|part| part.body.is_object()).collect()
    }

    /// The part at `path`.
    pub(super) fn part(&self, path: &str) -> Option<Resource> {
        let body = self.get(path).filter(|body| body.is_object())?;
        Some(Resource { source: format!("{}#/{path}", self.source), body: body.clone() })
    }

    /// The properties of the object at `path`.
    pub(super) fn properties(&self, path: &str) -> Vec<(String, Value)> {
        let properties = self.get(path).and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The path that the link in the property leads to.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        let link = self.get(path)?.get("@odata.id")?.as_str()?;
        link.starts_with('/').then(|| link.to_owned())
    }

    /// The linked resource; `None` where there is no link, or nothing where it leads.
    pub(super) fn follow(&self, host: &Host, path: &str) -> Result<Option<Resource>, HostError> {
        let Some(link) = self.link(path) else { return Ok(None) };
        match Resource::at(host, &link) {
            Ok(resource) => Ok(Some(resource)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The members of the linked collection; `None` where there is no link, or no collection where it leads.
    pub(super) fn collection(&self, host: &Host, path: &str) -> Result<Option<Vec<Member>>, HostError> {
        let Some(collection) = self.follow(host, path)? else { return Ok(None) };
        members(host, collection).map(Some)
    }

    /// The last step of its path: what the service calls it.
    pub(super) fn id(&self) -> String {
        let id = self.word("Id");
        if id.is_empty() { last_step(&self.source).to_owned() } else { shortened(id) }
    }

    /// A reading of it for a component.
    pub(super) fn tell(&self, component: Component, attr: Attr, reading: Reading) -> Component {
        component.with(attr, self.source.clone(), reading)
    }
}

/// The members of a collection, over all its pages.
fn members(host: &Host, first: Resource) -> Result<Vec<Member>, HostError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([first.source.clone()]);
    // How many there are over all pages (DSP0266). Fewer than are there is what careless services say.
    let counted = first.get("Members@odata.count").and_then(Value::as_u64).unwrap_or_default();
    let mut page = first;
    let refuse = |page: &Resource, reason: &str| Err(HostError::Malformed { path: page.source.clone(), reason: reason.into() });
    loop {
        if !page.get("Members").is_some_and(Value::is_array) {
            return refuse(&page, "a collection without Members");
        }
        for member in page.parts("Members") {
            if found.len() >= MEMBERS_MAX {
                return refuse(&page, "a collection without an end");
            }
            found.push(member);
        }
        let next = match page.get("Members@odata.nextLink").or_else(|| page.get("@odata.nextLink")) {
            None => break,
            Some(Value::String(next)) => next.clone(),
            Some(_) => return refuse(&page, "the link to the next page is no text"),
        };
        if !next.starts_with('/') {
            return refuse(&page, "the next page is on another service");
        }
        if !seen.insert(format!("redfish:{next}")) {
            return refuse(&page, "its pages lead in a circle");
        }
        if seen.len() > PAGES_MAX {
            return refuse(&page, "a collection without an end");
        }
        page = match Resource::at(host, &next) {
            // The service named it: a page that is not there is a hole, not an end.
            Err(HostError::Absent { path, .. }) => return Err(HostError::Malformed { path, reason: "a page of a collection is missing".into() }),
            page => page?,
        };
    }
    if crate::described::total(found.len()) < counted {
        return refuse(&page, "a collection that counts more members than it lists");
    }
    Ok(found.into_iter().map(|member| resolved(host, member)).collect())
}

// A member is a link, or with it the whole resource.
fn resolved(host: &Host, member: Resource) -> Member {
    let link = member.body.get("@odata.id").and_then(Value::as_str).filter(|link| link.starts_with('/')).map(str::to_owned);
    let is_only_a_link = member.body.as_object().is_none_or(|properties| properties.keys().all(|name| name.starts_with("@odata.")));
    match link {
        Some(path) if is_only_a_link => match Resource::at(host, &path) {
            Ok(resource) => Member::Read(resource),
            Err(error) => Member::Lost { path, error },
        },
        Some(path) => Member::Read(Resource { source: format!("redfish:{path}"), body: member.body }),
        None => Member::Read(member),
    }
}

impl Member {
    /// The resource, or a component of this kind that says in each attribute why there is none.
    pub(super) fn or_lost(self, kind: Kind, attrs: &[Attr]) -> Result<Resource, Component> {
        match self {
            Member::Read(resource) => Ok(resource),
            Member::Lost { path, error } => {
                // What the service lists and does not have is no absence of the part.
                let why = match unanswered(&error) {
                    Reading::Unreadable(why) => why,
                    Reading::Absent | Reading::Value(_) => "listed and not there".into(),
                };
                let lost = Component::new(kind, last_step(&path));
                Err(attrs.iter().fold(lost, |lost, attr| lost.with(*attr, format!("redfish:{path}"), Reading::Unreadable(why.clone()))))
            }
        }
    }
}

/// The last step of a path.
pub(super) fn last_step(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

fn shortened(text: &str) -> String {
    if text.len() <= TEXT_MAX {
        return text.to_owned();
    }
    text.chars().take(TEXT_MAX / 4).chain("...".chars()).collect()
}

/// A whole number, also where a service writes it as 12.0.
fn whole(value: &Value) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range and whole, as just looked")]
    value.as_u64().or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && (0.0..9e15).contains(x)).map(|x| x as u64))
}
