//! The node's memory as the kernel sees it, from `/proc/meminfo`. Modules are in `dimm.rs`, errors in `edac.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::Probe;
use crate::host::{Host, HostError, whole};

/// The probe of `/proc/meminfo`.
pub(super) struct Memory;

const MEMINFO: &str = "/proc/meminfo";

impl Probe for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn describe(&self) -> &'static str {
        "Memory that the kernel manages, from /proc/meminfo."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Memory]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let Some(text) = host.read_or_none(MEMINFO)? else { return Err(HostError::SourceMissing(MEMINFO.into())) };
        let read = |component: Component, (attr, field): (Attr, &str)| component.with(attr, format!("{MEMINFO} {field}"), amount(&text, field));
        let fields = [(Attr::Total, "MemTotal"), (Attr::Available, "MemAvailable"), (Attr::SwapTotal, "SwapTotal")];
        Ok(vec![fields.into_iter().fold(Component::new(Kind::Memory, "node"), read)])
    }
}

/// `MemTotal:       24590912 kB` in bytes; the kernel's kB are KiB.
pub(super) fn amount(text: &str, field: &str) -> Reading {
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let Some(value) = value.map(str::trim) else { return Reading::Absent };
    let bytes = value.strip_suffix(" kB").and_then(|kib| whole(kib.trim()).ok()).and_then(|kib| kib.checked_mul(1024));
    bytes.map_or_else(|| crate::host::malformed(value, "not a number of kB"), Reading::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(snapshot: &str) -> Result<Component, HostError> {
        Memory.probe(&Host::from_snapshot(snapshot)?).map(|mut found| found.remove(0))
    }

    #[test]
    fn kib_become_bytes() {
        let found = memory("/proc/meminfo:\n|MemTotal:       2377662464 kB\n|MemFree:  1 kB\n|MemAvailable:   100 kB\n|SwapTotal:       0 kB")
            .expect("found");
        assert_eq!(found.reading(Attr::Total), &(2_377_662_464_u64 * 1024).into());
        assert_eq!(found.reading(Attr::SwapTotal), &0_u64.into());
        assert_eq!(found.source(Attr::Available), "/proc/meminfo MemAvailable");
    }

    #[test]
    fn a_missing_field_is_absent_and_a_torn_one_unreadable() {
        let found = memory("/proc/meminfo:\n|MemTotal:       many kB").expect("found");
        assert_eq!(found.reading(Attr::SwapTotal), &Reading::Absent);
        assert!(matches!(found.reading(Attr::Total), Reading::Unreadable(why) if why.contains("many kB")));
    }

    #[test]
    fn no_meminfo_is_a_missing_source_and_an_unreadable_one_a_failure() {
        assert_eq!(memory("unmentioned: absent"), Err(HostError::SourceMissing("/proc/meminfo".into())));
        assert!(memory("/proc/meminfo error: EIO").is_err_and(|error| error.chain().contains("Input/output error")));
    }
}
