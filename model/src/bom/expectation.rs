//! What a file may state about one attribute: which TOML values fit it, by the unit and form that the vocabulary gives it. An expectation that no
//! reading could ever meet, or that every reading meets, is refused here and not discovered on a node.

use schemars::{Schema, SchemaGenerator, json_schema};
use toml::Value as Toml;

use crate::attr::Attr;
use crate::component::Value;
use crate::matcher::Matcher;
use crate::spelling;
use crate::unit::Unit;

/// An expectation that does not fit its attribute: where below it, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Keys and indices below the attribute.
    pub(crate) at: Vec<String>,
    pub(crate) message: String,
}

/// Attributes that are true or false.
pub(crate) const FLAGS: &[Attr] = &[
    Attr::Boost,
    Attr::Populated,
    Attr::Rotational,
    Attr::InQuorum,
    Attr::IsUp,
    Attr::IsIn,
    Attr::ReadOnly,
    Attr::SeveralControllers,
    Attr::SelfTestRunning,
    Attr::Removable,
    Attr::Carrier,
    Attr::Hypervisor,
    Attr::Synchronised,
    Attr::PauseReceive,
    Attr::PauseTransmit,
    Attr::PortEnabled,
    Attr::Resolved,
    Attr::VlanFiltering,
    Attr::AerHandled,
    Attr::Ipv4Forwarding,
    Attr::Ipv6Forwarding,
    Attr::NeighbourProxy,
    Attr::FirewallEnabled,
    Attr::FirewallHost,
    Attr::Enabled,
    Attr::PasswordAuthentication,
    Attr::KeyboardInteractive,
    Attr::EmptyPasswords,
    Attr::HasPassword,
    Attr::Autotrim,
];

/// Attributes that are lists of words.
pub(crate) const LISTS: &[Attr] = &[
    Attr::Distances,
    Attr::Holders,
    Attr::Members,
    Attr::Vlans,
    Attr::Addresses,
    Attr::Trunks,
    Attr::FirewallService,
    Attr::OpenRules,
    Attr::UnknownCommands,
    Attr::HardwareErrors,
    Attr::Paths,
];

const KEYS: [&str; 4] = ["equals", "any_of", "at_least", "within"];

/// The schema of a table of attributes with their matchers.
pub(crate) fn table_schema(generator: &mut SchemaGenerator) -> Schema {
    let (names, values) = (generator.subschema_for::<Attr>(), generator.subschema_for::<Matcher>());
    json_schema!({ "type": "object", "propertyNames": names, "additionalProperties": values })
}

/// What readings of an attribute look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    WholeNumber,
    Number,
    Flag,
    List,
    Text,
}

impl Form {
    fn of(attr: Attr) -> Self {
        match attr.unit() {
            Unit::Count | Unit::Bytes | Unit::BitsPerSecond | Unit::Hertz | Unit::MegatransfersPerSecond | Unit::Bits => Form::WholeNumber,
            Unit::BytesPerSecond
            | Unit::OpsPerSecond
            | Unit::Nanoseconds
            | Unit::Seconds
            | Unit::Celsius
            | Unit::GigatransfersPerSecond
            | Unit::Watts
            | Unit::Ratio => Form::Number,
            Unit::None if FLAGS.contains(&attr) => Form::Flag,
            Unit::None if LISTS.contains(&attr) => Form::List,
            Unit::None => Form::Text,
        }
    }

    fn wanted(self, attr: Attr) -> String {
        let symbol = attr.unit().symbol();
        let unit = if symbol.is_empty() { String::new() } else { format!(" ({symbol})") };
        match self {
            Form::WholeNumber => format!("a whole number{unit}"),
            Form::Number => format!("a number{unit}"),
            Form::Flag => "true or false".into(),
            Form::List => "a list of words, as `{ equals = [\"...\"] }`".into(),
            Form::Text => "text in quotes".into(),
        }
    }

    fn is_number(self) -> bool {
        match self {
            Form::WholeNumber | Form::Number => true,
            Form::Flag | Form::List | Form::Text => false,
        }
    }
}

/// The matcher that `written` states about `attr`: a bare value is `equals`, a list `any_of`, a table has one of the four keys.
pub(crate) fn matcher(attr: Attr, written: &Toml) -> Result<Matcher, Misfit> {
    match written {
        Toml::Array(items) => any_of(attr, items, &[]),
        Toml::Table(table) => {
            let (key, value) = match (table.iter().next(), table.len()) {
                (Some(entry), 1) => entry,
                _ => return Err(misfit(&[], format!("a matcher has exactly one key, {}", spelling::list(KEYS)))),
            };
            match (key.as_str(), value) {
                ("equals", value) => exactly(attr, value, &["equals"]).map(Matcher::Equals),
                ("any_of", Toml::Array(items)) => any_of(attr, items, &["any_of"]),
                ("any_of", _) => Err(misfit(&["any_of"], "`any_of` takes a list of values")),
                ("at_least", value) => bound(attr, value, &["at_least"]).map(Matcher::AtLeast),
                ("within", Toml::Array(ends)) => within(attr, ends),
                ("within", _) => Err(misfit(&["within"], "`within` takes two numbers, `[low, high]`")),
                (unknown, _) => {
                    let message = format!("unknown matcher `{unknown}`; expected {}.{}", spelling::list(KEYS), spelling::hint(unknown, KEYS));
                    Err(misfit(&[unknown], message))
                }
            }
        }
        Toml::String(_) | Toml::Integer(_) | Toml::Float(_) | Toml::Boolean(_) | Toml::Datetime(_) => {
            exactly(attr, written, &[]).map(Matcher::Equals)
        }
    }
}

fn misfit(at: &[&str], message: impl Into<String>) -> Misfit {
    Misfit { at: at.iter().map(|&step| step.to_owned()).collect(), message: message.into() }
}

fn any_of(attr: Attr, items: &[Toml], at: &[&str]) -> Result<Matcher, Misfit> {
    if items.is_empty() {
        return Err(misfit(at, format!("no value of `{attr}` is one of an empty list; expected at least one")));
    }
    let values = items.iter().enumerate().map(|(i, item)| exactly(attr, item, &[at, &[&i.to_string()]].concat()));
    values.collect::<Result<_, _>>().map(Matcher::AnyOf)
}

fn within(attr: Attr, ends: &[Toml]) -> Result<Matcher, Misfit> {
    let [low, high] = ends else {
        return Err(misfit(&["within"], "`within` takes two numbers, `[low, high]`"));
    };
    let (low, high) = (bound(attr, low, &["within", "0"])?, bound(attr, high, &["within", "1"])?);
    if low > high {
        return Err(misfit(&["within"], format!("nothing lies from {low} to {high}; expected the lower bound first")));
    }
    Ok(Matcher::Within(low, high))
}

fn bound(attr: Attr, written: &Toml, at: &[&str]) -> Result<f64, Misfit> {
    let form = Form::of(attr);
    if !form.is_number() {
        return Err(misfit(at, format!("`{attr}` has no order, bounds do not apply; expected {}", form.wanted(attr))));
    }
    match number(attr, written, at)?.as_f64() {
        Some(bound) => Ok(bound),
        None => Err(misfit(at, format!("expected {}", form.wanted(attr)))),
    }
}

fn exactly(attr: Attr, written: &Toml, at: &[&str]) -> Result<Value, Misfit> {
    let form = Form::of(attr);
    match (form, written) {
        (Form::WholeNumber | Form::Number, _) => number(attr, written, at),
        (Form::Flag, Toml::Boolean(flag)) => Ok(Value::Bool(*flag)),
        (Form::Text, Toml::String(text)) if text.is_empty() => {
            Err(misfit(at, format!("an empty `{attr}` states nothing; leave the attribute out when it is not known")))
        }
        (Form::Text, Toml::String(text)) => Ok(Value::Text(text.clone())),
        (Form::List, Toml::Array(items)) => {
            let words = items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
            words.map(Value::List).ok_or_else(|| misfit(at, format!("`{attr}` is {}", form.wanted(attr))))
        }
        (Form::Flag | Form::Text | Form::List, _) => {
            Err(misfit(at, format!("`{attr}` cannot be {}; expected {}", a_kind(written), form.wanted(attr))))
        }
    }
}

fn number(attr: Attr, written: &Toml, at: &[&str]) -> Result<Value, Misfit> {
    let form = Form::of(attr);
    let refuse = |what: String| Err(misfit(at, format!("`{attr}` cannot be {what}; expected {}", form.wanted(attr))));
    match (form, written) {
        (_, Toml::Integer(n)) => match u64::try_from(*n) {
            Ok(n) => Ok(Value::Integer(n)),
            Err(_) if attr.unit() == Unit::Celsius => i32::try_from(*n).map_or_else(|_| refuse(n.to_string()), |n| Ok(Value::Float(n.into()))),
            Err(_) => refuse("negative".into()),
        },
        (_, Toml::Float(x)) if !x.is_finite() => refuse(x.to_string()),
        (_, Toml::Float(x)) if *x < 0.0 && attr.unit() != Unit::Celsius => refuse("negative".into()),
        (Form::WholeNumber, Toml::Float(x)) if x.fract() != 0.0 => refuse(format!("{x}")),
        (_, Toml::Float(x)) => Ok(Value::Float(*x)),
        (_, Toml::String(_) | Toml::Boolean(_) | Toml::Datetime(_) | Toml::Array(_) | Toml::Table(_)) => refuse(a_kind(written).to_owned()),
    }
}

fn a_kind(written: &Toml) -> &'static str {
    match written {
        Toml::String(_) => "text",
        Toml::Integer(_) | Toml::Float(_) => "a number",
        Toml::Boolean(_) => "true or false",
        Toml::Datetime(_) => "a date",
        Toml::Array(_) => "a list",
        Toml::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attr: Attr, text: &str) -> Result<Matcher, Misfit> {
        let table: toml::Table = toml::from_str(&format!("x = {text}")).expect("TOML");
        matcher(attr, &table["x"])
    }

    #[test]
    fn every_attribute_described_by_whether_is_a_flag() {
        for attr in Attr::ALL {
            assert_eq!(attr.describe().starts_with("Whether "), FLAGS.contains(attr), "{attr}");
        }
    }

    #[test]
    fn what_fits_an_attribute_is_read_as_the_table_says() {
        let cases = [
            (Attr::Model, "\"A16\"", Matcher::Equals("A16".into())),
            (Attr::Model, "[\"A\", \"B\"]", Matcher::AnyOf(vec!["A".into(), "B".into()])),
            (Attr::Model, "{ equals = \"A16\" }", Matcher::Equals("A16".into())),
            (Attr::Cores, "64", Matcher::Equals(64_u64.into())),
            (Attr::Cores, "{ at_least = 64 }", Matcher::AtLeast(64.0)),
            (Attr::NumaNodes, "[1, 2, 4]", Matcher::AnyOf(vec![1_u64.into(), 2_u64.into(), 4_u64.into()])),
            (Attr::LinkSpeed, "32.0", Matcher::Equals(32.0.into())),
            (Attr::TemperatureMax, "{ within = [-5, 70.5] }", Matcher::Within(-5.0, 70.5)),
            (Attr::Boost, "true", Matcher::Equals(true.into())),
            (Attr::Holders, "{ equals = [\"dm-0\"] }", Matcher::Equals(Value::List(vec!["dm-0".into()]))),
        ];
        for (attr, text, expected) in cases {
            assert_eq!(read(attr, text), Ok(expected), "{attr} = {text}");
        }
    }

    #[test]
    fn what_no_reading_could_meet_is_refused_where_it_stands() {
        let cases = [
            (Attr::Model, "42", "", "text in quotes"),
            (Attr::Model, "\"\"", "", "leave the attribute out"),
            (Attr::Model, "true", "", "text in quotes"),
            (Attr::Model, "{ at_least = 3 }", "at_least", "no order"),
            (Attr::Model, "[]", "", "empty list"),
            (Attr::Model, "[\"A\", 4]", "1", "text in quotes"),
            (Attr::Cores, "\"64\"", "", "a whole number"),
            (Attr::Cores, "64.5", "", "a whole number"),
            (Attr::Cores, "-1", "", "negative"),
            (Attr::Cores, "{ at_least = -0.5 }", "at_least", "negative"),
            (Attr::Cores, "{ at_least = nan }", "at_least", "NaN"),
            (Attr::Cores, "{ within = [1, inf] }", "within/1", "inf"),
            (Attr::Cores, "{ within = [4, 1] }", "within", "lower bound first"),
            (Attr::Cores, "{ within = [4] }", "within", "two numbers"),
            (Attr::Cores, "{ within = 4 }", "within", "two numbers"),
            (Attr::Cores, "{ at_leest = 4 }", "at_leest", "Did you mean `at_least`"),
            (Attr::Cores, "{ at_least = 4, within = [1, 2] }", "", "exactly one key"),
            (Attr::Cores, "{}", "", "exactly one key"),
            (Attr::Cores, "{ any_of = [] }", "any_of", "empty list"),
            (Attr::Cores, "{ any_of = 4 }", "any_of", "a list of values"),
            (Attr::Cores, "nan", "", "NaN"),
            (Attr::Cores, "1979-05-27", "", "a date"),
            (Attr::Capacity, "\"96 GB\"", "", "(B)"),
            (Attr::Boost, "\"yes\"", "", "true or false"),
            (Attr::Boost, "1", "", "true or false"),
            (Attr::Holders, "\"dm-0\"", "", "a list of words"),
        ];
        for (attr, text, at, part) in cases {
            let misfit = read(attr, text).expect_err(text);
            assert_eq!(misfit.at.join("/"), at, "{attr} = {text}");
            assert!(misfit.message.contains(part), "{attr} = {text}: {}", misfit.message);
        }
    }
}
