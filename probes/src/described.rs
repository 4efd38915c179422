//! A component being filled from the files of one folder, each attribute together with the path that it was read from.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};
use rustix::io::Errno;

use crate::host::{Host, HostError, reading_from, reading_of, whole};

/// A component under description.
pub(crate) struct Described<'a> {
    host: &'a Host,
    folder: String,
    component: Component,
}

impl<'a> Described<'a> {
    /// A component of which nothing is known yet, and the folder that its files are in.
    pub(crate) fn new(host: &'a Host, kind: Kind, locator: impl Into<String>, folder: impl Into<String>) -> Self {
        Self { host, folder: folder.into(), component: Component::new(kind, locator) }
    }

    /// The same component, to be filled from another folder.
    pub(crate) fn at(self, folder: impl Into<String>) -> Self {
        Self { folder: folder.into(), ..self }
    }

    fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    /// A word.
    pub(crate) fn text(self, attr: Attr, file: &str) -> Self {
        self.understood(attr, file, |text| Ok(text.into()))
    }

    /// A whole number in decimal.
    pub(crate) fn count(self, attr: Attr, file: &str) -> Self {
        self.scaled(attr, file, 1)
    }

    /// A whole number in decimal, in units of `scale` base units.
    pub(crate) fn scaled(self, attr: Attr, file: &str, scale: u64) -> Self {
        self.understood(attr, file, |text| whole(text)?.checked_mul(scale).map(Reading::from).ok_or_else(|| "larger than any count".into()))
    }

    /// `1` or `0`.
    pub(crate) fn flag(self, attr: Attr, file: &str) -> Self {
        let path = self.path(file);
        let reading = self.host.reading_flag(&path);
        self.put(attr, path, reading)
    }

    /// What `understand` makes of the file's text.
    pub(crate) fn understood(self, attr: Attr, file: &str, understand: impl FnOnce(&str) -> Result<Reading, String>) -> Self {
        let path = self.path(file);
        let reading = self.host.reading_as(&path, understand);
        self.put(attr, path, reading)
    }

    /// Like [`Described::understood`], of a file that the kernel refuses with EINVAL while there is nothing to tell.
    pub(crate) fn unless_invalid(self, attr: Attr, file: &str, understand: impl FnOnce(&str) -> Result<Reading, String>) -> Self {
        let path = self.path(file);
        let reading = match self.host.read(&path) {
            Err(HostError::Refused { source: Errno::INVAL, .. }) => Reading::Absent,
            answer => reading_of(answer, understand),
        };
        self.put(attr, path, reading)
    }

    /// The NUMA node that a device is attached to; the kernel writes -1 when it knows none.
    pub(crate) fn numa_node(self, file: &str) -> Self {
        self.understood(Attr::NumaNode, file, |text| if text == "-1" { Ok(Reading::Absent) } else { whole(text).map(Reading::from) })
    }

    /// The last step of where a link leads: the name of a driver, of a device.
    pub(crate) fn leads_to(self, attr: Attr, link: &str) -> Self {
        let path = self.path(link);
        let reading = reading_from(self.host.link(&path).map(last_step));
        self.put(attr, path, reading)
    }

    /// A reading from elsewhere.
    pub(crate) fn put(self, attr: Attr, source: impl Into<String>, reading: impl Into<Reading>) -> Self {
        Self { component: self.component.with(attr, source, reading), ..self }
    }

    /// The described component.
    pub(crate) fn done(self) -> Component {
        self.component
    }
}

/// The last step of a path.
pub(crate) fn last_step(path: String) -> String {
    path.rsplit('/').next().map_or_else(String::new, str::to_owned)
}

/// A number of things.
pub(crate) fn total(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
