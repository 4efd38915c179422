//! What can be asked of a node and what it can answer: the content of recordings and snapshots.

use rustix::io::Errno;

use crate::sys::ClockState;

/// The questions that are no path: calls of the kernel, of a device, of a program, of the management controller. What follows the colon is theirs.
const CALLS: &[&str] = &["syscall:", "nvme:", "ethtool:", "netlink:", "devlink:", "lldp:", "redfish:", "command:", "excerpt:", "ceph:"];

/// Whether `name` names a call and not a path.
pub(super) fn is_call(name: &str) -> bool {
    CALLS.iter().any(|call| name.strip_prefix(call).is_some_and(|rest| !rest.trim().is_empty()))
}

/// What is asked of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ask {
    /// Its text.
    Content,
    /// Its bytes.
    Bytes,
    /// Those of its lines that begin with a label.
    Lines(String),
    /// The names in it.
    List,
    /// Where it leads.
    Link,
    /// Whether it is there.
    Existence,
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A text without its closing line end.
    Text(String),
    Bytes(Vec<u8>),
    /// Sorted names.
    List(Vec<String>),
    Link(String),
    Exists,
    Absent,
    Refused(Errno),
    /// It is larger than this many bytes.
    TooLarge(usize),
    /// The device itself refused, with this status (SCT and SC of an NVMe completion).
    Status(u16),
}

impl Answer {
    /// The text, or what it is instead.
    pub(crate) fn into_text(self) -> Result<String, &'static str> {
        match self {
            Answer::Text(text) => Ok(text),
            Answer::Bytes(bytes) => Ok(super::closed(&String::from_utf8_lossy(&bytes))),
            other @ (Answer::List(_)
            | Answer::Link(_)
            | Answer::Exists
            | Answer::Absent
            | Answer::Refused(_)
            | Answer::TooLarge(_)
            | Answer::Status(_)) => Err(other.noun()),
        }
    }

    /// The bytes, or what it is instead.
    pub(super) fn into_bytes(self) -> Result<Vec<u8>, &'static str> {
        match self {
            Answer::Bytes(bytes) => Ok(bytes),
            Answer::Text(text) => Ok(format!("{text}\n").into_bytes()),
            other @ (Answer::List(_)
            | Answer::Link(_)
            | Answer::Exists
            | Answer::Absent
            | Answer::Refused(_)
            | Answer::TooLarge(_)
            | Answer::Status(_)) => Err(other.noun()),
        }
    }

    /// The list, or what it is instead.
    pub(super) fn into_list(self) -> Result<Vec<String>, &'static str> {
        if let Answer::List(names) = self { Ok(names) } else { Err(self.noun()) }
    }

    /// The link's target, or what it is instead.
    pub(super) fn into_link(self) -> Result<String, &'static str> {
        if let Answer::Link(target) = self { Ok(target) } else { Err(self.noun()) }
    }

    fn noun(&self) -> &'static str {
        match self {
            Answer::Text(_) => "a text",
            Answer::Bytes(_) => "bytes",
            Answer::List(_) => "a list",
            Answer::Link(_) => "a link",
            Answer::Exists => "only that it exists",
            Answer::Absent => "an absence",
            Answer::Refused(_) => "an error",
            Answer::TooLarge(_) => "a file that is too large",
            Answer::Status(_) => "a device's refusal",
        }
    }
}

/// `syscall:adjtimex` as it is recorded.
pub(super) fn clock_text(clock: ClockState) -> String {
    let ClockState { state, status, max_error, offset } = clock;
    format!("state {state} status {status} maxerror {max_error} offset {offset}")
}

/// The reverse of [`clock_text`].
pub(super) fn clock_state(text: &str) -> Result<ClockState, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let field = |name: &str| {
        let value = words.chunks(2).find_map(|pair| if pair.first() == Some(&name) { pair.get(1) } else { None });
        let value = value.ok_or_else(|| format!("`{name}` is missing"))?;
        value.parse::<i64>().map_err(|_| format!("`{name}` is `{value}`, which is not a number"))
    };
    Ok(ClockState { state: field("state")?, status: field("status")?, max_error: field("maxerror")?, offset: field("offset")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_survives_its_text_and_a_torn_one_says_what_is_missing() {
        let clock = ClockState { state: 5, status: 64, max_error: 16_000_000, offset: -12 };
        let text = clock_text(clock);
        assert_eq!(clock_state(&text), Ok(clock));
        assert_eq!(clock_state("state 5 status"), Err("`status` is missing".into()));
        assert!(clock_state(&text.replace("-12", "x")).is_err());
    }
}
