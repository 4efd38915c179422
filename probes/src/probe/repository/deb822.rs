//! Files in deb822 style: stanzas of fields, each of which may name several URIs and suites.

use super::{Suite, uri};

/// apt's words for no (`StringToBool`); any other means yes.
const NO: [&str; 6] = ["no", "false", "without", "off", "disable", "0"];

pub(super) fn parse(text: &str) -> Result<Vec<Suite>, String> {
    let mut found = Vec::new();
    for stanza in stanzas(text) {
        let field = |name: &str| stanza.iter().find(|(label, _)| label.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        let words = |name: &str| field(name).unwrap_or_default().split_whitespace();
        if field("Types").is_none() || field("URIs").is_none() || field("Suites").is_none() {
            return Err("a stanza lacks Types, URIs or Suites".into());
        }
        if !words("Types").any(|kind| kind == "deb") {
            continue;
        }
        let is_enabled = field("Enabled").is_none_or(|value| !NO.contains(&value.to_lowercase().as_str()));
        for base in words("URIs") {
            for suite in words("Suites") {
                let components = words("Components").map(str::to_owned).collect();
                found.push(Suite { uri: uri(base), suite: suite.to_owned(), components, is_enabled });
            }
        }
    }
    Ok(found)
}

/// Fields with their values; lines that begin with a blank continue the one before.
fn stanzas(text: &str) -> Vec<Vec<(String, String)>> {
    let mut stanzas: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            stanzas.push(Vec::new());
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanzas.last_mut().and_then(|stanza| stanza.last_mut()) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let (Some((label, value)), Some(stanza)) = (line.split_once(':'), stanzas.last_mut()) {
            stanza.push((label.trim().to_owned(), value.trim().to_owned()));
        } else if let Some(stanza) = stanzas.last_mut() {
            // Torn: a stanza with a line that is no field names nothing that can be relied on.
            stanza.push((String::new(), line.to_owned()));
        }
    }
    stanzas.retain(|stanza| !stanza.is_empty());
    stanzas
}
