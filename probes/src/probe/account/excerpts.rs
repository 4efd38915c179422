//! What is taken of the files of `/etc/pve` (PVE::AccessControl, PVE::SectionConfig, the crate proxmox-tfa): names and kinds, one fact per line. A reason
//! why a file cannot be understood never quotes it.

use serde_json::Value;

/// Kinds of second factor in `tfa.cfg`, each a list of entries.
const LISTED: [&str; 4] = ["totp", "u2f", "webauthn", "yubico"];
/// One-time keys for who lost the other factor.
const RECOVERY: &str = "recovery";

/// `domains.cfg`: `realm TYPE ID [TFA]` of each section.
pub(super) fn realms(text: &str) -> Result<String, String> {
    let mut realms: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if line.starts_with([' ', '\t']) {
            let Some((key, value)) = line.trim().split_once(char::is_whitespace) else { continue };
            // `type=yubico,id=...,key=...`: no more than the type.
            let kind = value.split(',').find_map(|part| part.trim().strip_prefix("type="));
            if let (Some(realm), "tfa", Some(kind)) = (realms.last_mut(), key, kind) {
                realm.push(' ');
                realm.push_str(word(kind)?);
            }
        } else {
            let (kind, id) = line.split_once(':').ok_or("a section begins without a type")?;
            realms.push(format!("realm {} {}", word(kind)?, word(id)?));
        }
    }
    Ok(realms.join("\n"))
}

/// `user.cfg`: `user ID ENABLED EXPIRES` of each user; neither names nor addresses.
pub(super) fn users(text: &str) -> Result<String, String> {
    let mut users = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("user:") {
            let [id, enable, expire, ..] = rest.split(':').collect::<Vec<_>>()[..] else {
                return Err("a user without the field of its last day".into());
            };
            users.push(format!(
                "user {} {} {}",
                word(id)?,
                if enable.is_empty() { "0" } else { word(enable)? },
                if expire.is_empty() { "0" } else { word(expire)? }
            ));
        } else if line.split(':').count() < 2 && !line.trim().is_empty() && !line.starts_with('#') {
            return Err("a line of no kind".into());
        }
    }
    Ok(users.join("\n"))
}

/// `tfa.cfg`: `factor USER KIND` for each kind of which a user has an enabled entry; no entry.
pub(super) fn factors(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    // serde_json's message may quote what it stumbled over.
    let root: Value = serde_json::from_str(text).map_err(|error| format!("no JSON in line {}", error.line()))?;
    let users = match root.get("users") {
        None => return Ok(String::new()),
        Some(users) => users.as_object().ok_or("its users are no object")?,
    };
    let mut factors = Vec::new();
    for (user, of) in users {
        let user = word(user)?;
        for kind in LISTED {
            let entries = of.get(kind).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            if entries.iter().any(is_enabled) {
                factors.push(format!("factor {user} {kind}"));
            }
        }
        if of.get(RECOVERY).is_some_and(|recovery| recovery.is_object() && is_enabled(recovery)) {
            factors.push(format!("factor {user} {RECOVERY}"));
        }
    }
    Ok(factors.join("\n"))
}

/// One that does not say is enabled.
fn is_enabled(entry: &Value) -> bool {
    entry.get("info").and_then(|info| info.get("enable")).or_else(|| entry.get("enable")).and_then(Value::as_bool).unwrap_or(true)
}

/// `shadow.cfg`: `password NAME` of each who has one; no hash.
pub(super) fn passwords(text: &str) -> Result<String, String> {
    let mut names = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (name, hash) = line.split_once(':').ok_or("a line without a password")?;
        if !hash.trim_matches(':').is_empty() {
            names.push(format!("password {}", word(name)?));
        }
    }
    Ok(names.join("\n"))
}

/// A word that may stand in an excerpt.
fn word(text: &str) -> Result<&str, String> {
    let text = text.trim();
    let is_plain = !text.is_empty() && text.len() <= 256 && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_plain { Ok(text) } else { Err("a name that is none".into()) }
}
