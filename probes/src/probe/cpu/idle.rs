//! Idle states (C-states) of the CPUs, from `/sys/devices/system/cpu/cpu*/cpuidle`: which they may enter and which are switched off.

use assay_model::component::Reading;

use super::super::cpu_list::{CpuList, numbered};
use super::CPUS;
use crate::host::{Host, HostError, unanswered};

pub(super) const SOURCE: &str = "/sys/devices/system/cpu/cpu*/cpuidle/state*/{name,disable}";

/// The states that all of these CPUs may enter, and those that are switched off; both absent where the kernel does not manage idle states.
pub(super) fn states(host: &Host, cpus: &CpuList) -> (Reading, Reading) {
    let mut first = None;
    for cpu in cpus.iter() {
        let states = match of_cpu(host, cpu) {
            Ok(states) => states,
            Err(no) => return (no.clone(), no),
        };
        match &first {
            Some(first) if *first != states => return ("mixed".into(), "mixed".into()),
            Some(_) => {}
            None => first = Some(states),
        }
    }
    match first.flatten() {
        Some((allowed, disabled)) => (named(&allowed), named(&disabled)),
        None => (Reading::Absent, Reading::Absent),
    }
}

fn named(states: &[String]) -> Reading {
    if states.is_empty() { "none".into() } else { states.join(" ").into() }
}

/// Names of the allowed states and of the disabled ones, in the kernel's order of depth.
type States = Option<(Vec<String>, Vec<String>)>;

fn of_cpu(host: &Host, cpu: u64) -> Result<States, Reading> {
    let folder = format!("{CPUS}/cpu{cpu}/cpuidle");
    let Some(names) = host.list_or_none(&folder).map_err(|error| unanswered(&error))? else { return Ok(None) };
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| numbered(name, "state")).collect();
    numbers.sort_unstable();
    let (mut allowed, mut disabled) = (Vec::new(), Vec::new());
    for number in numbers {
        let state = |file: &str| {
            let path = format!("{folder}/state{number}/{file}");
            // A state that is listed has both files: that one is missing is no absence of the state.
            host.read(&path).map_err(|error: HostError| Reading::Unreadable(error.chain()))
        };
        let name = state("name")?.trim().to_owned();
        match state("disable")?.trim() {
            "0" => allowed.push(name),
            // 1: by an administrator; 2 and 3: by a driver, which has its reasons, and by both.
            "1" | "2" | "3" => disabled.push(name),
            other => return Err(Reading::Unreadable(format!("{folder}/state{number}/disable says `{other}`"))),
        }
    }
    Ok(Some((allowed, disabled)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(number: u64, disable: &str) -> String {
        let folder = format!("{CPUS}/cpu{number}/cpuidle");
        format!(
            "{folder}/state0/name: POLL\n{folder}/state0/disable: 0\n{folder}/state10/name: C2\n{folder}/state10/disable{disable}\n{folder}/state9/name: C1\n{folder}/state9/disable: 0\n"
        )
    }

    fn found(text: &str) -> (Reading, Reading) {
        states(&Host::from_snapshot(text).expect("a fixture"), &CpuList::parse("0-1").expect("a list"))
    }

    #[test]
    fn states_are_named_in_order_and_disabled_ones_apart() {
        assert_eq!(found(&format!("{}{}", cpu(0, ": 0"), cpu(1, ": 0"))), ("POLL C1 C2".into(), "none".into()));
        assert_eq!(found(&format!("{}{}", cpu(0, ": 1"), cpu(1, ": 1"))), ("POLL C1".into(), "C2".into()));
    }

    #[test]
    fn one_cpu_unlike_the_others_is_mixed() {
        assert_eq!(found(&format!("{}{}", cpu(0, ": 0"), cpu(1, ": 1"))).1, "mixed".into());
        assert_eq!(found(&cpu(0, ": 0")).0, "mixed".into(), "one CPU without states");
    }

    #[test]
    fn absent_and_unreadable_are_two_answers() {
        assert_eq!(found("unmentioned: absent"), (Reading::Absent, Reading::Absent));
        for disable in [" error: EIO", ": x", " absent"] {
            assert!(matches!(found(&format!("{}{}", cpu(0, disable), cpu(1, ": 0"))).1, Reading::Unreadable(_)), "{disable}");
        }
    }
}
