//! The closed set of expectations that a BOM line can state about an attribute. Never evaluated code.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::component::Value;

/// What a value must be. In files and in JSON a bare value is `equals`, a list is `any_of`; the others are tables with one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written", into = "Written")]
#[schemars(with = "Written")]
pub enum Matcher {
    /// Exactly this value.
    Equals(Value),
    /// One of these values.
    AnyOf(Vec<Value>),
    /// A number of at least this.
    AtLeast(f64),
    /// A number between the two, both included.
    Within(f64, f64),
}

impl Matcher {
    /// Whether `value` is as expected. A value of another type, or NaN, never matches.
    pub fn matches(&self, value: &Value) -> bool {
        match self {
            Matcher::Equals(expected) => same(expected, value),
            Matcher::AnyOf(expected) => expected.iter().any(|one| same(one, value)),
            Matcher::AtLeast(low) => value.as_f64().is_some_and(|x| x >= *low),
            Matcher::Within(low, high) => value.as_f64().is_some_and(|x| x >= *low && x <= *high),
        }
    }

    /// The one value that it allows, when it allows only one.
    pub fn only(&self) -> Option<&Value> {
        match self {
            Matcher::Equals(value) => Some(value),
            Matcher::AnyOf(values) => match values.as_slice() {
                [value] => Some(value),
                [] | [_, _, ..] => None,
            },
            Matcher::AtLeast(_) | Matcher::Within(_, _) => None,
        }
    }
}

// `4` in a BOM and `4.0` from a probe are the same number.
fn same(expected: &Value, value: &Value) -> bool {
    match (expected.as_u64(), value.as_u64(), expected.as_f64(), value.as_f64()) {
        (Some(a), Some(b), _, _) => a == b,
        (_, _, Some(a), Some(b)) => a == b,
        (_, _, _, _) => expected == value,
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Matcher::Equals(value) => value.fmt(f),
            Matcher::AnyOf(values) => write!(f, "one of {}", values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")),
            Matcher::AtLeast(low) => write!(f, "at least {low}"),
            Matcher::Within(low, high) => write!(f, "from {low} to {high}"),
        }
    }
}

/// How a matcher is written in files and in JSON.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Matcher")]
enum Written {
    /// A table with one key.
    Stated(Stated),
    /// A list: any of these.
    List(Vec<Value>),
    /// A bare value: exactly this.
    Bare(Value),
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MatcherTable")]
enum Stated {
    /// Exactly this value; the form for a value that is itself a list.
    Equals(Value),
    /// One of these values.
    AnyOf(Vec<Value>),
    /// A number of at least this.
    AtLeast(f64),
    /// A number between the two, both included.
    Within(f64, f64),
}

impl From<Written> for Matcher {
    fn from(written: Written) -> Self {
        match written {
            Written::Bare(value) | Written::Stated(Stated::Equals(value)) => Matcher::Equals(value),
            Written::List(values) | Written::Stated(Stated::AnyOf(values)) => Matcher::AnyOf(values),
            Written::Stated(Stated::AtLeast(low)) => Matcher::AtLeast(low),
            Written::Stated(Stated::Within(low, high)) => Matcher::Within(low, high),
        }
    }
}

impl From<Matcher> for Written {
    fn from(matcher: Matcher) -> Self {
        match matcher {
            // A bare list would read back as "any of".
            Matcher::Equals(value @ Value::List(_)) => Written::Stated(Stated::Equals(value)),
            Matcher::Equals(value) => Written::Bare(value),
            Matcher::AnyOf(values) => Written::List(values),
            Matcher::AtLeast(low) => Written::Stated(Stated::AtLeast(low)),
            Matcher::Within(low, high) => Written::Stated(Stated::Within(low, high)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(items: &[&str]) -> Value {
        Value::List(items.iter().map(|item| (*item).to_owned()).collect())
    }

    #[test]
    fn each_matcher_accepts_and_refuses_as_the_table_says() {
        let model = |text: &str| Value::from(text);
        let cases: &[(Matcher, Value, bool)] = &[
            (Matcher::Equals(4_u64.into()), 4_u64.into(), true),
            (Matcher::Equals(4_u64.into()), 4.0.into(), true),
            (Matcher::Equals(4_u64.into()), 5_u64.into(), false),
            (Matcher::Equals(4_u64.into()), model("4"), false),
            (Matcher::Equals(u64::MAX.into()), (u64::MAX - 1).into(), false),
            (Matcher::Equals(model("A16")), model("A16"), true),
            (Matcher::Equals(model("A16")), model("a16"), false),
            (Matcher::Equals(model("A16")), model("A16 "), false),
            (Matcher::Equals(true.into()), true.into(), true),
            (Matcher::Equals(true.into()), false.into(), false),
            (Matcher::Equals(true.into()), 1_u64.into(), false),
            (Matcher::Equals(true.into()), model("yes"), false),
            (Matcher::Equals(words(&["10", "20"])), words(&["10", "20"]), true),
            (Matcher::Equals(words(&["10", "20"])), words(&["20", "10"]), false),
            (Matcher::Equals(f64::NAN.into()), f64::NAN.into(), false),
            (Matcher::AnyOf(vec![1_u64.into(), 2_u64.into()]), 2_u64.into(), true),
            (Matcher::AnyOf(vec![1_u64.into(), 2_u64.into()]), 3_u64.into(), false),
            (Matcher::AnyOf(vec![]), 3_u64.into(), false),
            (Matcher::AtLeast(4.0), 4_u64.into(), true),
            (Matcher::AtLeast(4.0), 3_u64.into(), false),
            (Matcher::AtLeast(4.0), f64::INFINITY.into(), true),
            (Matcher::AtLeast(4.0), f64::NAN.into(), false),
            (Matcher::AtLeast(f64::NAN), 4_u64.into(), false),
            (Matcher::AtLeast(4.0), model("5"), false),
            (Matcher::AtLeast(0.0), true.into(), false),
            (Matcher::Within(1.0, 4.0), 1_u64.into(), true),
            (Matcher::Within(1.0, 4.0), 4_u64.into(), true),
            (Matcher::Within(1.0, 4.0), 0.999.into(), false),
            (Matcher::Within(1.0, 4.0), 4.001.into(), false),
            (Matcher::Within(1.0, 4.0), f64::NAN.into(), false),
            (Matcher::Within(4.0, 1.0), 2_u64.into(), false),
            (Matcher::Within(1.0, f64::NAN), 2_u64.into(), false),
        ];
        for (matcher, value, expected) in cases {
            assert_eq!(matcher.matches(value), *expected, "{matcher} against {value}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<u64>().prop_map(Value::Integer),
            // Without a fraction JSON would give a float back as an integer, which is the same number and another variant.
            (-1e9_f64..1e9).prop_map(|x| Value::Float(x.floor() + 0.5)),
            ".*".prop_map(Value::Text),
            proptest::collection::vec(".*", 0..4).prop_map(Value::List),
        ]
    }

    fn any_matcher() -> impl Strategy<Value = Matcher> {
        prop_oneof![
            any_value().prop_map(Matcher::Equals),
            proptest::collection::vec(any_value(), 0..4).prop_map(Matcher::AnyOf),
            any::<i32>().prop_map(|low| Matcher::AtLeast(low.into())),
            any::<(i32, i32)>().prop_map(|(low, high)| Matcher::Within(low.into(), high.into())),
        ]
    }

    proptest! {
        #[test]
        fn nan_never_matches(matcher in any_matcher()) {
            prop_assert!(!matcher.matches(&Value::Float(f64::NAN)));
        }

        #[test]
        fn within_holds_exactly_between_its_bounds(low in -1e9_f64..1e9, high in -1e9_f64..1e9, x in -1e9_f64..1e9) {
            prop_assert_eq!(Matcher::Within(low, high).matches(&Value::Float(x)), low <= x && x <= high);
            prop_assert_eq!(Matcher::Within(low, high).matches(&Value::Float(low)), low <= high);
            prop_assert_eq!(Matcher::Within(low, high).matches(&Value::Float(high)), low <= high);
        }

        #[test]
        fn any_of_accepts_what_one_of_its_values_equals(values in proptest::collection::vec(any_value(), 0..5), value in any_value()) {
            let each = values.iter().any(|one| Matcher::Equals(one.clone()).matches(&value));
            prop_assert_eq!(Matcher::AnyOf(values).matches(&value), each);
        }

        #[test]
        fn a_value_equals_itself(value in any_value()) {
            prop_assert!(Matcher::Equals(value.clone()).matches(&value));
        }

        #[test]
        fn a_matcher_survives_serialisation(matcher in any_matcher()) {
            let json = serde_json::to_string(&matcher).expect("serialises");
            prop_assert_eq!(serde_json::from_str::<Matcher>(&json).expect("parses"), matcher);
        }
    }

    #[test]
    fn a_bare_value_a_list_and_a_table_are_read_as_written() {
        let read = |json: &str| serde_json::from_str::<Matcher>(json).expect("parses");
        assert_eq!(read("4"), Matcher::Equals(4_u64.into()));
        assert_eq!(read("[1, 2]"), Matcher::AnyOf(vec![1_u64.into(), 2_u64.into()]));
        assert_eq!(read(r#"{"equals": ["10", "20"]}"#), Matcher::Equals(words(&["10", "20"])));
        assert_eq!(read(r#"{"at_least": 4}"#), Matcher::AtLeast(4.0));
        assert!(serde_json::from_str::<Matcher>(r#"{"at_most": 4}"#).is_err());
    }
}
