//! What a management controller may say and a snapshot must never hold: passwords, keys, tokens, community strings, licences, sessions and accounts.

use serde_json::Value;

/// A property is left out when its name contains one of these, written in lower case without separators.
const SECRETS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "community",
    "privatekey",
    "encryptionkey",
    "authenticationkey",
    "licensekey",
    "licensestring",
    "apikey",
    "sshkey",
    "session",
    "account",
    "username",
    "chapname",
];

/// Leaves out every property that may hold a secret, at any depth.
pub(super) fn withhold(value: &mut Value) {
    match value {
        Value::Object(properties) => {
            properties.retain(|name, _| !is_secret(name));
            properties.values_mut().for_each(withhold);
        }
        Value::Array(items) => items.iter_mut().for_each(withhold),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    SECRETS.iter().any(|secret| plain.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_at_any_depth_and_everything_else_stays() {
        let mut root = serde_json::json!({
            "Id": "RootService",
            "Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}},
            "SessionService": {"@odata.id": "/redfish/v1/SessionService"},
            "AccountService": {"@odata.id": "/redfish/v1/AccountService"},
            "Oem": {"Vendor": [{"License-Key": "AAAA-BBBB", "SNMP": {"CommunityNames": ["public-x"], "Port": 161}}]},
            "Attributes": {"AdminPassword": "hunter2", "SETUP001_Password": null, "NPS": "NPS1", "IscsiChapSecret": "x", "TpmState": "Enabled"}
        });
        withhold(&mut root);
        let expected = serde_json::json!({
            "Id": "RootService",
            "Links": {},
            "Oem": {"Vendor": [{"SNMP": {"Port": 161}}]},
            "Attributes": {"NPS": "NPS1", "TpmState": "Enabled"}
        });
        assert_eq!(root, expected);
    }
}
