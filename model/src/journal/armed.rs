//! Faults that were armed and not healed: what every start and every watchdog heals first.

use crate::check::EventSeq;

use super::{Entry, Event};

/// A fault that may be in effect.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmedFault {
    /// Names it within the run.
    pub id: String,
    /// Its name in the registry.
    pub fault: String,
    /// The host on which it must be healed.
    pub host: String,
    /// The step that armed it.
    pub step: String,
    /// Everything that `heal` needs.
    pub armed: serde_json::Value,
    /// Whether its injection was recorded; without that it may be in effect all the same.
    pub injected: bool,
    /// The event that armed it.
    pub event: EventSeq,
}

/// Faults that are armed and not healed, in the order in which they were armed.
pub fn unhealed(entries: &[Entry]) -> Vec<ArmedFault> {
    let mut open: Vec<ArmedFault> = Vec::new();
    for entry in entries {
        match &entry.event {
            Event::FaultArmed { id, fault, host, step, armed } => open.push(ArmedFault {
                id: id.clone(),
                fault: fault.clone(),
                host: host.clone(),
                step: step.clone(),
                armed: armed.clone(),
                injected: false,
                event: entry.seq,
            }),
            Event::FaultInjected { id } => open.iter_mut().filter(|fault| fault.id == *id).for_each(|fault| fault.injected = true),
            Event::FaultHealed { id } => open.retain(|fault| fault.id != *id),
            Event::RunStarted { .. }
            | Event::Inventory { .. }
            | Event::Resumed { .. }
            | Event::StepStarted { .. }
            | Event::CountersBefore { .. }
            | Event::CountersAfter { .. }
            | Event::Metric { .. }
            | Event::Verification { .. }
            | Event::Latency { .. }
            | Event::Series { .. }
            | Event::Outage { .. }
            | Event::Stall { .. }
            | Event::Condition { .. }
            | Event::Note { .. }
            | Event::Findings { .. }
            | Event::StepEnded { .. }
            | Event::RunEnded { .. } => {}
        }
    }
    open
}
