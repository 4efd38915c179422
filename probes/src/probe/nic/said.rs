//! An answer of one `name: value` a line, as `ethtool:` and `devlink:` give it, taken apart into readings.

use assay_model::component::Reading;

use crate::host::{HostError, malformed, unanswered, whole};

/// What was said under one name, and where it was asked.
pub(super) struct Said {
    source: String,
    text: Result<String, HostError>,
}

impl Said {
    /// An answer and its name.
    pub(super) fn new(source: String, text: Result<String, HostError>) -> Self {
        Self { source, text }
    }

    /// Where a line of it comes from.
    pub(super) fn source(&self, name: &str) -> String {
        format!("{} {name}", self.source)
    }

    /// The reason why nothing was said; none when there is a text, which may be empty.
    pub(super) fn silence(&self) -> Option<Reading> {
        self.text.as_ref().err().map(unanswered)
    }

    /// The value of the first line of that name.
    pub(super) fn line(&self, name: &str) -> Option<&str> {
        let lines = self.text.as_deref().ok()?.lines();
        lines.filter_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':')).map(str::trim).next()
    }

    /// Whether any line is of one of the names.
    pub(super) fn knows<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> bool {
        names.into_iter().any(|name| self.line(name).is_some())
    }

    /// What `understand` makes of a line that every such answer has; empty is `Absent`.
    pub(super) fn reading(&self, name: &str, understand: impl FnOnce(&str) -> Result<Reading, String>) -> Reading {
        match (self.silence(), self.line(name)) {
            (Some(silence), _) => silence,
            (None, None) => Reading::Unreadable(format!("it does not say {name}")),
            (None, Some("")) => Reading::Absent,
            (None, Some(value)) => understand(value).unwrap_or_else(|why| malformed(value, &why)),
        }
    }

    /// A whole number that every such answer has.
    pub(super) fn count(&self, name: &str) -> Reading {
        self.reading(name, |value| whole(value).map(Reading::from))
    }

    /// A `0` or `1` that every such answer has.
    pub(super) fn flag(&self, name: &str) -> Reading {
        self.reading(name, |value| match value {
            "0" => Ok(false.into()),
            "1" => Ok(true.into()),
            _ => Err("neither 0 nor 1".into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{EthtoolTopic, Host};

    fn ring(snapshot: &str) -> Said {
        let host = Host::from_snapshot(snapshot).expect("a fixture");
        Said::new(Host::ethtool_name("eth0", EthtoolTopic::Ring), host.ethtool("eth0", EthtoolTopic::Ring))
    }

    #[test]
    fn a_line_is_found_by_its_whole_name() {
        let said = ring("ethtool:eth0/ring:\n|rx_pending_max: 8192\n|rx_pending: 1024\n|tx_pending: -1");
        assert_eq!(said.count("rx_pending"), 1024_u64.into());
        assert!(matches!(said.count("tx_pending"), Reading::Unreadable(why) if why.contains("-1")));
        assert!(matches!(said.count("rx_mini"), Reading::Unreadable(why) if why.contains("does not say")));
        assert_eq!(said.source("rx_pending"), "ethtool:eth0/ring rx_pending");
    }

    #[test]
    fn an_answer_that_is_absent_or_refused_is_so_for_every_line() {
        assert_eq!(ring("unmentioned: absent").count("rx_pending"), Reading::Absent);
        assert!(matches!(ring("ethtool:eth0/ring error: EPERM").count("rx_pending"), Reading::Unreadable(_)));
    }
}
