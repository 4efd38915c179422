//! What a management controller may say and a snapshot must never hold: passwords, keys, tokens, community strings, licences, sessions and accounts; and
//! the people who look after a machine with the room that it stands in (`Location` of DSP0268, `Admin*` and `Service*` of HPE's firmware settings).

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
    // Users.2.MD5v3Key and Users.2.SHA1v3Key of iDRAC.
    "v3key",
    "ipmikey",
    "binddn",
    "contact",
    "email",
    "phone",
    "postaladdress",
    "placement",
    "adminname",
    "adminotherinfo",
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
            "Attributes": {"AdminPassword": "hunter2", "SETUP001_Password": null, "NPS": "NPS1", "IscsiChapSecret": "x", "TpmState": "Enabled", "Users.2.MD5v3Key": "F0", "AdminName": "x", "ServicePhone": "1"},
            "Location": {"PartLocation": {"ServiceLabel": "P1-DIMMA1"}, "PostalAddress": {"City": "x"}, "Placement": {"Rack": "7"}, "Contacts": [{}]}
        });
        withhold(&mut root);
        let expected = serde_json::json!({
            "Id": "RootService",
            "Links": {},
            "Oem": {"Vendor": [{"SNMP": {"Port": 161}}]},
            "Attributes": {"NPS": "NPS1", "TpmState": "Enabled"},
            "Location": {"PartLocation": {"ServiceLabel": "P1-DIMMA1"}}
        });
        assert_eq!(root, expected);
    }
}
