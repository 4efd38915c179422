//! What firmware writes where it has nothing to say: the board maker's placeholders in DMI strings. They are no serial numbers and no models.

use assay_model::component::Reading;

const PLACEHOLDERS: &[&str] = &[
    "default string",
    "empty",
    "n/a",
    "na",
    "no dimm",
    "no module installed",
    "none",
    "not available",
    "not provided",
    "not specified",
    "not applicable",
    "o.e.m.",
    "oem",
    "system manufacturer",
    "system product name",
    "system serial number",
    "to be filled by o.e.m.",
    "undefined",
    "unknown",
    "unspecified",
];

/// Whether firmware says nothing with this text.
pub(crate) fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || PLACEHOLDERS.iter().any(|placeholder| text.eq_ignore_ascii_case(placeholder))
}

/// The text of a firmware string as a reading: a placeholder is absent.
pub(crate) fn stated(text: &str) -> Reading {
    if is_placeholder(text) { Reading::Absent } else { text.trim().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_absent_and_serial_numbers_are_not() {
        for text in ["", "  ", "Not Specified", "To Be Filled By O.E.M.", "UNKNOWN", "NO DIMM "] {
            assert_eq!(stated(text), Reading::Absent, "{text}");
        }
        for text in ["S123", "0", "Nonesuch", "Unknown-1"] {
            assert_eq!(stated(text), text.into());
        }
    }
}
