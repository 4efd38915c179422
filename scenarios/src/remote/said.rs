//! What ssh and the far side say on standard error, and what the end of ssh means by it. ssh(1): it exits with the status of the remote command, or with 255 if an
//! error occurred; a shell exits with 127 when a command is not found and with 126 when it cannot be executed.

use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};

use super::error::{RemoteError, shown};
use super::target::Target;

/// Bytes that are kept.
const KEPT: usize = 16 << 10;
/// Lines that an error shows.
const LINES: usize = 4;

/// The last words.
#[derive(Debug, Default)]
pub(super) struct Said(Mutex<Vec<u8>>);

impl Said {
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
    }

    /// Everything that is kept.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// The last lines, on one.
    pub(super) fn last(&self) -> String {
        let text = self.text();
        let lines: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(shown).collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join(" / ");
        if last.is_empty() { "it said nothing".to_owned() } else { last }
    }
}

/// How a process ended, as words.
pub(super) fn ended(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "still running".to_owned(), |status| status.to_string())
}

/// What it means that ssh ended before an agent said hello.
pub(super) fn before_hello(target: &Target, status: Option<ExitStatus>, said: &Said) -> RemoteError {
    let (node, host, text) = (target.node.clone(), target.host.clone(), said.text());
    let has = |any: &[&str]| any.iter().any(|words| text.contains(words));
    let said = said.last();
    match status.and_then(|status| status.code()) {
        Some(126 | 127) => RemoteError::NotInstalled { node, host, program: target.assay.clone(), said },
        Some(255) if has(&["Host key verification failed", "HOST IDENTIFICATION HAS CHANGED", "host key is known for"]) => {
            RemoteError::HostKey { node, host, said }
        }
        Some(255) if has(&["Permission denied", "Too many authentication failures", "No supported authentication methods"]) => {
            RemoteError::KeyRefused { node, host, said }
        }
        Some(255)
            if has(&[
                "Could not resolve hostname",
                "No route to host",
                "Connection refused",
                "Connection timed out",
                "Operation timed out",
                "Network is unreachable",
                "Connection reset by peer",
                "Connection closed by",
                "kex_exchange_identification",
            ]) =>
        {
            RemoteError::Unreachable { node, host, said }
        }
        _ => RemoteError::Ssh { node, host, status: ended(status), said },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn every_end_of_ssh_has_its_own_meaning() {
        let target = Target::new("a", "root@a").expect("sound");
        let cases = [
            (255, "Host key verification failed.", "HostKey"),
            (255, "@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@", "HostKey"),
            (255, "root@a: Permission denied (publickey).", "KeyRefused"),
            (255, "ssh: Could not resolve hostname a: Name or service not known", "Unreachable"),
            (255, "ssh: connect to host a port 22: Connection refused", "Unreachable"),
            (255, "something new", "Ssh"),
            (127, "bash: line 1: assay: command not found", "NotInstalled"),
            (126, "bash: /opt/assay: Permission denied", "NotInstalled"),
            (1, "Permission denied by the motd", "Ssh"),
        ];
        for (code, words, variant) in cases {
            let said = Said::default();
            said.push(words.as_bytes());
            let error = before_hello(&target, Some(ExitStatus::from_raw(code << 8)), &said);
            assert!(format!("{error:?}").starts_with(variant), "{words}: {error:?}");
            assert!(error.to_string().contains("node a"), "{error}");
        }
    }

    #[test]
    fn words_without_end_are_not_kept_and_do_not_act_on_a_terminal() {
        let said = Said::default();
        for _ in 0..100 {
            said.push(&[b'x'; 1000]);
        }
        said.push(b"\n\x1b[2Jlast\n");
        assert!(said.text().len() <= KEPT && said.last().ends_with("\\u{1b}[2Jlast"), "{}", said.last());
    }
}
