//! Which members of which nodes lead to which switch, as the switches announce themselves over LLDP. Whatever leaves that open is an error: who breaks the wrong
//! ports cuts a node off.

use std::collections::{BTreeMap, BTreeSet};

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Reading, Value};
use assay_model::inventory::{Inventory, Observed};

use crate::remote::shown;

/// A switch, and all that leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chassis {
    /// As it announces itself: `mac 02:00:00:00:59:01`.
    pub(super) id: String,
    /// The name that it has beside.
    pub(super) system_name: Option<String>,
    /// Of each node, in their order, the members that lead to it.
    pub(super) members: Vec<Vec<String>>,
}

/// What a chassis is called, and by the place of a node those of its members that lead to it.
type Led = (Option<String>, BTreeMap<usize, Vec<String>>);

/// A node with a bond.
pub(super) struct Bonded<'a> {
    pub(super) node: &'a str,
    pub(super) inventory: &'a Inventory,
    pub(super) bond: &'a str,
    pub(super) members: &'a [String],
}

/// The switches that all of these nodes are behind. An error unless each of them can be lost by every node, and no node is cut off by it.
pub(super) fn chassis_of(nodes: &[Bonded<'_>]) -> Result<Vec<Chassis>, String> {
    let mut found: BTreeMap<String, Led> = BTreeMap::new();
    for (place, node) in nodes.iter().enumerate() {
        for member in node.members {
            let (id, system_name) = heard(node, member)?;
            let (name, members) = found.entry(id).or_default();
            *name = name.take().or(system_name);
            members.entry(place).or_default().push(member.clone());
        }
    }
    if let Some((one, other)) = incomparable(&found) {
        return Err(format!("{} and {} are chassis of two sorts, and their names do not tell them apart", shown(one), shown(other)));
    }
    let mut all = Vec::new();
    for (id, (system_name, members)) in found {
        let chassis = shown(&id);
        let whole = members.iter().find(|(place, of_node)| nodes[**place].members.len() == of_node.len());
        if let Some(node) = whole.map(|(place, _)| &nodes[*place]) {
            return Err(format!("every member of {} on {} leads to the chassis {chassis}: the node would be cut off", node.bond, node.node));
        }
        if let Some((_, without)) = nodes.iter().enumerate().find(|(place, _)| !members.contains_key(place)) {
            let seen: Vec<&str> = members.keys().map(|place| nodes[*place].node).collect();
            return Err(format!(
                "no member of {} on {} leads to the chassis {chassis}, which {} is behind: it cannot be lost by all of them",
                without.bond,
                without.node,
                seen.join(", ")
            ));
        }
        all.push(Chassis { id, system_name, members: members.into_values().collect() });
    }
    if all.is_empty() { Err("no member leads to any chassis".to_owned()) } else { Ok(all) }
}

/// The one chassis that announced itself on a member, and what it is called.
fn heard(node: &Bonded<'_>, member: &str) -> Result<(String, Option<String>), String> {
    let Bonded { node, inventory, .. } = node;
    let open = |why: String| format!("which switch {member} of {node} leads to is not known: {why}");
    let neighbours = match inventory.of(Kind::Neighbour) {
        Observed::Components(neighbours) => neighbours,
        Observed::SourceMissing(source) => return Err(open(format!("{source} does not exist there"))),
        Observed::Unknown(reason) => return Err(open(reason.to_string())),
    };
    let neighbour = neighbours.iter().find(|neighbour| neighbour.locator == member).ok_or_else(|| open("nobody looked".to_owned()))?;
    let id = match neighbour.reading(Attr::ChassisId) {
        Reading::Value(Value::Text(id)) if !id.is_empty() => id.clone(),
        Reading::Value(Value::List(ids)) if ids.len() > 1 => {
            return Err(open(format!("it hears {} chassis, and a link has one other end", ids.len())));
        }
        Reading::Value(other) => return Err(open(format!("it hears the chassis `{}`, which is none", shown(&other.to_string())))),
        Reading::Absent => {
            let seconds = neighbour.value(Attr::Listened).map(|seconds| format!(" in {seconds} s")).unwrap_or_default();
            return Err(open(format!("nobody announced itself by LLDP{seconds}")));
        }
        Reading::Unreadable(why) => return Err(open(shown(why))),
    };
    Ok((id, neighbour.value(Attr::SystemName).and_then(Value::as_str).map(str::to_owned)))
}

/// Two chassis of which one is known by an address, say, and the other by a name: unless they are called differently they may be one.
fn incomparable(found: &BTreeMap<String, Led>) -> Option<(&String, &String)> {
    let sort = |id: &String| id.split(' ').next().map(str::to_owned);
    let all: Vec<(&String, &Option<String>)> = found.iter().map(|(id, (name, _))| (id, name)).collect();
    let mut pairs = all.iter().enumerate().flat_map(|(at, one)| all[at + 1..].iter().map(move |other| (*one, *other)));
    let pair = pairs.find(|((one, one_name), (other, other_name))| {
        let distinct: BTreeSet<&String> = one_name.iter().chain(other_name.iter()).collect();
        sort(one) != sort(other) && distinct.len() < 2
    });
    pair.map(|((one, _), (other, _))| (one, other))
}

#[cfg(test)]
mod tests {
    use assay_model::component::Component;
    use assay_model::inventory::{ProbeEnded, ProbeOutcome};

    use super::*;

    /// What a node heard: member, chassis, name.
    fn inventory(heard: &[(&str, Reading, &str)], ended: ProbeEnded) -> Inventory {
        let components = heard.iter().map(|(member, chassis, name)| {
            let neighbour = Component::new(Kind::Neighbour, *member).with(Attr::ChassisId, "lldp", chassis.clone());
            neighbour.with(Attr::Listened, "lldp", Value::Integer(35)).with(Attr::SystemName, "lldp", *name)
        });
        let probe = ProbeOutcome { probe: "lldp".into(), kinds: vec![Kind::Neighbour], ended, elapsed_ns: 1 };
        Inventory {
            host: "n".into(),
            boot_id: "b".into(),
            taken_at: "2026-11-29T00:00:00Z".into(),
            components: components.collect(),
            probes: vec![probe],
        }
    }

    fn led(nodes: &[(&str, &Inventory)]) -> Result<Vec<Chassis>, String> {
        let members: Vec<Vec<String>> =
            nodes.iter().map(|(_, inventory)| inventory.iter(Kind::Neighbour).map(|neighbour| neighbour.locator.clone()).collect()).collect();
        let bonded = nodes.iter().zip(&members).map(|((node, inventory), members)| Bonded { node, inventory, bond: "bond0", members });
        chassis_of(&bonded.collect::<Vec<_>>())
    }

    fn node(heard: &[(&str, &str, &str)]) -> Inventory {
        let heard: Vec<_> = heard.iter().map(|(member, chassis, name)| (*member, Reading::from(*chassis), *name)).collect();
        inventory(&heard, ProbeEnded::Completed)
    }

    const ONE: &str = "mac 02:00:00:00:59:01";
    const TWO: &str = "mac 02:00:00:00:59:02";

    #[test]
    fn each_switch_is_lost_once_with_the_members_of_every_node_that_lead_to_it() {
        let a = node(&[("eth0", ONE, "leaf-1"), ("eth1", TWO, "leaf-2"), ("eth2", ONE, "leaf-1")]);
        // Cabled the other way round.
        let b = node(&[("eth0", TWO, "leaf-2"), ("eth1", ONE, "leaf-1")]);
        let chassis = led(&[("a", &a), ("b", &b)]).expect("told apart");
        let shown: Vec<String> =
            chassis.iter().map(|chassis| format!("{} {:?} {:?}", chassis.id, chassis.system_name.as_deref(), chassis.members)).collect();
        assert_eq!(
            shown,
            [format!("{ONE} Some(\"leaf-1\") [[\"eth0\", \"eth2\"], [\"eth1\"]]"), format!("{TWO} Some(\"leaf-2\") [[\"eth1\"], [\"eth0\"]]"),]
        );
    }

    #[test]
    fn nothing_is_broken_where_it_is_not_known_what_leads_where_or_a_node_would_be_cut_off() {
        let whole = node(&[("eth0", ONE, "x"), ("eth1", TWO, "y")]);
        let one_switch = node(&[("eth0", ONE, "x"), ("eth1", ONE, "x")]);
        let third = node(&[("eth0", ONE, "x"), ("eth1", "mac 02:00:00:00:59:03", "z")]);
        let by_name = node(&[("eth0", ONE, "x"), ("eth1", "local leaf-2", "x")]);
        let reading = |chassis: Reading| inventory(&[("eth0", ONE.into(), "x"), ("eth1", chassis, "y")], ProbeEnded::Completed);
        let silent = reading(Reading::Absent);
        let deaf = reading(Reading::Unreadable("it was not listened for".into()));
        let two = reading(Value::List(vec![ONE.into(), TWO.into()]).into());
        let empty = reading("".into());
        let hung = inventory(&[("eth0", ONE.into(), "x"), ("eth1", TWO.into(), "y")], ProbeEnded::Hung("/x".into()));
        let missing = inventory(&[("eth0", ONE.into(), "x"), ("eth1", TWO.into(), "y")], ProbeEnded::SourceMissing("/sys/class/net".into()));
        for (other, part) in [
            (&one_switch, "every member of bond0 on b leads to the chassis mac 02:00:00:00:59:01: the node would be cut off"),
            (&third, "no member of bond0 on b leads to the chassis mac 02:00:00:00:59:02, which a is behind"),
            (&by_name, "chassis of two sorts"),
            (&silent, "eth1 of b leads to is not known: nobody announced itself by LLDP in 35 s"),
            (&deaf, "it was not listened for"),
            (&two, "hears 2 chassis"),
            (&empty, "which is none"),
            (&hung, "hung on /x"),
            (&missing, "/sys/class/net does not exist there"),
        ] {
            let error = led(&[("a", &whole), ("b", other)]).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
        let nobody = Bonded { node: "a", inventory: &whole, bond: "bond0", members: &["eth7".to_owned()] };
        assert!(chassis_of(&[nobody]).expect_err("not looked at").contains("nobody looked"));
        assert!(chassis_of(&[]).is_err(), "nothing leads anywhere");
    }
}
