//! The system clock: its source from sysfs, its discipline from `adjtimex` (Documentation of `struct timex`), its reference from the time daemon
//! (`clock/tracking.rs`). How nodes agree is measured elsewhere.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::Probe;
use crate::host::{ADJTIMEX, Host, HostError, unanswered};
use crate::sys::ClockState;

mod tracking;

/// The probe of the clock.
pub(super) struct Clock;

const CLOCKSOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
/// The call's result while the clock is not synchronised.
const TIME_ERROR: i64 = 5;
/// `STA_UNSYNC`.
const UNSYNCHRONISED: i64 = 0x0040;
/// `STA_NANO`: the offset is in nanoseconds.
const NANOSECONDS: i64 = 0x2000;

impl Probe for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn describe(&self) -> &'static str {
        "Clock source, synchronisation and reference of the system clock, from /sys/devices/system/clocksource, adjtimex and chronyc tracking."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Clock]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let source = host.reading(CLOCKSOURCE);
        let state = host.adjtimex();
        if source == Reading::Absent && state.as_ref().is_err_and(HostError::is_absent) {
            return Err(HostError::SourceMissing(format!("{CLOCKSOURCE} and no {ADJTIMEX}")));
        }
        let tracking = tracking::tracking(host);
        let of = |read: fn(&ClockState) -> Reading| state.as_ref().map_or_else(unanswered, read);
        Ok(vec![
            Component::new(Kind::Clock, "node")
                .with(Attr::Clocksource, CLOCKSOURCE, source)
                .with(Attr::Synchronised, ADJTIMEX, of(|state| is_synchronised(state).into()))
                .with(Attr::ClockError, ADJTIMEX, of(|state| nanoseconds(state.max_error, 1000)))
                .with(Attr::ClockOffset, ADJTIMEX, of(|state| nanoseconds(state.offset, if state.status & NANOSECONDS == 0 { 1000 } else { 1 })))
                .with(Attr::Reference, tracking::SOURCE, tracking.reference)
                .with(Attr::Stratum, tracking::SOURCE, tracking.stratum)
                .with(Attr::ReferenceOffset, tracking::SOURCE, tracking.offset)
                .with(Attr::ReferenceAge, tracking::SOURCE, tracking.age)
                .with(Attr::LeapStatus, tracking::SOURCE, tracking.leap),
        ])
    }
}

fn is_synchronised(state: &ClockState) -> bool {
    state.state != TIME_ERROR && state.status & UNSYNCHRONISED == 0
}

fn nanoseconds(amount: i64, scale: u64) -> Reading {
    amount.unsigned_abs().saturating_mul(scale).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(snapshot: &str) -> Result<Component, HostError> {
        Clock.probe(&Host::from_snapshot(snapshot)?).map(|mut found| found.remove(0))
    }

    #[test]
    fn a_synchronised_clock_gives_its_error_in_nanoseconds() {
        let found = clock(&format!("{CLOCKSOURCE}: tsc\nsyscall:adjtimex: state 0 status 8193 maxerror 25000 offset -1200")).expect("a clock");
        assert_eq!(found.reading(Attr::Clocksource), &"tsc".into());
        assert_eq!(found.reading(Attr::Synchronised), &true.into());
        assert_eq!(found.reading(Attr::ClockError), &25_000_000_u64.into());
        assert_eq!(found.reading(Attr::ClockOffset), &1200_u64.into());
        assert_eq!(found.source(Attr::Synchronised), "syscall:adjtimex");
    }

    #[test]
    fn either_sign_of_an_unsynchronised_clock_is_enough() {
        for state in ["state 5 status 0 maxerror 16000000 offset 0", "state 0 status 64 maxerror 16000000 offset 2"] {
            let found = clock(&format!("syscall:adjtimex: {state}")).expect("a clock");
            assert_eq!(found.reading(Attr::Synchronised), &false.into(), "{state}");
        }
        let micro = clock("syscall:adjtimex: state 0 status 1 maxerror 1 offset 2").expect("a clock");
        assert_eq!(micro.reading(Attr::ClockOffset), &2000_u64.into());
    }

    #[test]
    fn a_refused_call_is_unreadable_and_never_synchronised() {
        for call in ["error: EPERM", ": torn"] {
            let found =
                clock(&format!("{CLOCKSOURCE}: tsc\nsyscall:adjtimex{}{call}", if call.starts_with(':') { "" } else { " " })).expect("a clock");
            assert!(matches!(found.reading(Attr::Synchronised), Reading::Unreadable(_)), "{call}");
        }
    }

    #[test]
    fn a_copied_root_has_no_clock() {
        assert!(matches!(clock("unmentioned: absent"), Err(HostError::SourceMissing(_))));
    }
}
