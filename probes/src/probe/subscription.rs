//! The support subscription of a node of Proxmox VE, from `/etc/subscription` (the crate proxmox-subscription): a key, a checksum and base64 of JSON. Of
//! it only the status is taken; key and server id never leave the function that reads them.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Probe;
use crate::host::{Host, HostError, reading_of};

/// The probe of the subscription.
pub(super) struct Subscription;

const FILE: &str = "/etc/subscription";
const PVE: &str = "/etc/pve";
const NONE: &str = "none";

impl Probe for Subscription {
    fn name(&self) -> &'static str {
        "subscription"
    }

    fn describe(&self) -> &'static str {
        "Status of the support subscription, from /etc/subscription; the key is not taken."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Subscription]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let status = match host.excerpt(FILE, status) {
            Err(error) if error.is_absent() && host.exists(PVE)? => NONE.into(),
            Err(error) if error.is_absent() => return Err(HostError::SourceMissing(PVE.into())),
            answer => reading_of(answer, |status| Ok(status.into())),
        };
        Ok(vec![Component::new(Kind::Subscription, "node").with(
            Attr::SubscriptionStatus,
            FILE,
            if status == Reading::Absent { NONE.into() } else { status },
        )])
    }
}

/// `new` of a key that was not checked yet, otherwise what the last check gave.
fn status(text: &str) -> Result<String, String> {
    let mut lines = text.lines();
    if lines.next().is_none_or(|key| key.trim().is_empty()) {
        return Ok(NONE.into());
    }
    if lines.next().is_none() {
        return Ok("new".into());
    }
    let encoded: String = lines.map(str::trim).collect();
    let json = STANDARD.decode(encoded).map_err(|_| "its data is no base64")?;
    let info: Value = serde_json::from_slice(&json).map_err(|_| "its data is no JSON")?;
    let status = info.get("status").and_then(Value::as_str).ok_or("its data gives no status")?;
    let is_word = !status.is_empty() && status.len() < 20 && status.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_word { Ok(status.to_lowercase()) } else { Err("its status is no word".into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(snapshot: &str) -> Result<Reading, HostError> {
        Subscription.probe(&Host::from_snapshot(snapshot)?).map(|found| found[0].reading(Attr::SubscriptionStatus).clone())
    }

    fn file(json: &str) -> String {
        format!("/etc/subscription:\n|pve1c-0123456789\n|Nx5qaBSAwkhF/o39/zPAeA\n|{}", STANDARD.encode(json))
    }

    #[test]
    fn only_the_status_is_taken() {
        let host =
            Host::from_snapshot(&file(r#"{"key":"pve1c-0123456789","serverid":"8300","status":"Active","productname":"Basic"}"#)).expect("a fixture");
        assert_eq!(host.excerpt(FILE, status), Ok("active".into()));
        assert_eq!(found(&file(r#"{"status":"notfound"}"#)), Ok("notfound".into()));
        assert_eq!(found("/etc/subscription: pve1c-0123456789"), Ok("new".into()));
    }

    #[test]
    fn none_not_known_and_not_here_are_told_apart() {
        assert_eq!(found("/etc/pve/local link: nodes/a"), Ok("none".into()));
        assert_eq!(found("/etc/subscription:"), Ok("none".into()));
        assert!(matches!(found("/etc/os-release: ID=debian"), Err(HostError::SourceMissing(_))));
        for torn in [
            "/etc/subscription error: EACCES".into(),
            "/etc/subscription:\n|key\n|sum\n|!!".into(),
            file("{"),
            file("{}"),
            file(r#"{"status":"a key 1"}"#),
        ] {
            assert!(matches!(found(&torn), Ok(Reading::Unreadable(_))), "{torn}");
        }
    }

    proptest! {
        #[test]
        fn any_file_comes_back(text in "(?s).{0,200}") {
            let _ = status(&text);
        }
    }
}
