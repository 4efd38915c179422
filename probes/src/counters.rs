//! The error counters of the node at one moment: read before and after each step of a run, so that a step that broke something is told from one
//! that did not. What a rise means is judged by `assay_model::judge`.

use std::time::Duration;

use assay_model::attr::{Attr, Kind};
use assay_model::component::Reading;
use assay_model::inventory::ProbeEnded;
use assay_model::run::CounterSample;

use crate::host::Host;
use crate::probe::{COUNTING, survey};

/// How long all counters together may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// What counts faults, and of which kind. Dropped frames are load, not faults.
const COUNTERS: &[(Kind, Attr)] = &[
    (Kind::Edac, Attr::CorrectedErrors),
    (Kind::Edac, Attr::UncorrectedErrors),
    (Kind::Pci, Attr::AerCorrectable),
    (Kind::Pci, Attr::AerNonfatal),
    (Kind::Pci, Attr::AerFatal),
    (Kind::Pci, Attr::RootAerCorrectable),
    (Kind::Pci, Attr::RootAerNonfatal),
    (Kind::Pci, Attr::RootAerFatal),
    (Kind::Nvme, Attr::MediaErrors),
    (Kind::Nvme, Attr::ErrorLogEntries),
    // No counter, but it says which of those entries are no faults.
    (Kind::Nvme, Attr::UnknownCommands),
    (Kind::Nvme, Attr::UncorrectableReads),
    (Kind::Nvme, Attr::EndToEndErrors),
    (Kind::Nvme, Attr::LinkRetrainings),
    (Kind::Nic, Attr::ReceiveErrors),
    (Kind::Nic, Attr::TransmitErrors),
    (Kind::Throttle, Attr::CoreThrottles),
    (Kind::Throttle, Attr::PackageThrottles),
    (Kind::MachineCheck, Attr::MachineChecks),
];

/// Every error counter of the node, ordered by kind and locator; those that a component does not have are left out. The counters of a probe that
/// could not look are unreadable, not left out.
pub fn error_counters(host: &Host) -> Vec<CounterSample> {
    counted(host, DEADLINE)
}

fn counted(host: &Host, deadline: Duration) -> Vec<CounterSample> {
    let (components, outcomes) = survey(host, COUNTING, deadline);
    let mut samples = Vec::new();
    for component in &components {
        for (_, counter) in COUNTERS.iter().filter(|(kind, _)| *kind == component.kind) {
            let reading = component.reading(*counter).clone();
            if reading != Reading::Absent {
                let (component, source) = (component.locator.clone(), component.source(*counter).to_owned());
                samples.push(CounterSample { component, counter: *counter, source, reading });
            }
        }
    }
    for outcome in outcomes {
        let why = match outcome.ended {
            ProbeEnded::Completed | ProbeEnded::SourceMissing(_) => continue,
            ProbeEnded::Failed(why) => why,
            ProbeEnded::Hung(on) => format!("hung on {on}"),
        };
        for (_, counter) in COUNTERS.iter().filter(|(kind, _)| outcome.kinds.contains(kind)) {
            let (source, reading) = (format!("probe {}", outcome.probe), Reading::Unreadable(why.clone()));
            samples.push(CounterSample { component: "node".into(), counter: *counter, source, reading });
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDAC: &str = "/sys/devices/system/edac/mc/mc0";

    fn samples(snapshot: &str) -> Vec<CounterSample> {
        error_counters(&Host::from_snapshot(snapshot).expect("a fixture"))
    }

    #[test]
    fn counters_that_exist_are_sampled_with_their_source() {
        let found = samples(&format!("{EDAC}/ce_count: 3\n{EDAC}/ue_count error: EIO\n/proc/interrupts: MCE: 0 1 Machine check exceptions"));
        let short: Vec<_> = found.iter().map(|sample| (sample.component.as_str(), sample.counter, sample.reading.clone())).collect();
        let unreadable = Reading::Unreadable("Input/output error (os error 5)".into());
        assert_eq!(
            short,
            [("mc0", Attr::CorrectedErrors, 3_u64.into()), ("mc0", Attr::UncorrectedErrors, unreadable), ("node", Attr::MachineChecks, 1_u64.into())]
        );
        assert_eq!(found[0].source, format!("{EDAC}/ce_count"));
    }

    #[test]
    fn a_node_that_counts_nothing_has_no_samples() {
        assert_eq!(samples("unmentioned: absent"), Vec::new());
    }

    #[test]
    fn counters_of_a_probe_that_could_not_look_are_unreadable() {
        let found = samples("/sys/bus/pci/devices error: EACCES");
        let counters: Vec<Attr> = found.iter().filter(|sample| sample.source == "probe pci").map(|sample| sample.counter).collect();
        assert_eq!(counters[..3], [Attr::AerCorrectable, Attr::AerNonfatal, Attr::AerFatal]);
        assert_eq!(counters[3..], [Attr::RootAerCorrectable, Attr::RootAerNonfatal, Attr::RootAerFatal]);
        assert!(found.iter().all(|sample| matches!(&sample.reading, Reading::Unreadable(why) if why.contains("Permission denied"))));
    }
}
