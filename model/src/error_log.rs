//! The error log of an NVMe drive between two looks. It takes an entry for every question that the drive does not know, as any tool that lists log pages
//! asks them; only what is left besides these is a fault.

use crate::component::{Reading, Value};

/// New faults among the entries after number `from` up to number `to`, where `unknown` lists the numbers of entries that only say that somebody asked for
/// what the drive does not have. Without a list all are faults.
pub fn faults(from: u64, to: u64, unknown: &Reading) -> u64 {
    let new = to.saturating_sub(from);
    let Reading::Value(Value::List(numbers)) = unknown else { return new };
    let harmless = numbers.iter().filter_map(|number| number.parse::<u64>().ok()).filter(|number| *number > from && *number <= to).count();
    new.saturating_sub(u64::try_from(harmless).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_that_a_drive_does_not_know_are_no_faults() {
        let list = |numbers: &[&str]| Reading::Value(Value::List(numbers.iter().map(|number| (*number).to_owned()).collect()));
        let cases = [
            ("nothing new", 7, 7, list(&["7", "6"]), 0),
            ("two questions", 7, 9, list(&["9", "8", "7"]), 0),
            ("one of two", 7, 9, list(&["8", "7", "6"]), 1),
            ("old questions excuse nothing", 7, 9, list(&["7", "6", "5"]), 2),
            ("nor does one that came after the look", 7, 9, list(&["10"]), 2),
            ("no list", 7, 9, Reading::Absent, 2),
            ("a list that cannot be read", 7, 9, Reading::Unreadable("EIO".into()), 2),
            ("words that are no numbers", 7, 9, list(&["eight", "0"]), 2),
            ("a log that went back", 9, 7, list(&[]), 0),
        ];
        for (what, from, to, unknown, expected) in cases {
            assert_eq!(faults(from, to, &unknown), expected, "{what}");
        }
    }
}
