//! libFuzzer at one door of `assay_probes::fuzzing`: the environment variable `ASSAY_DOOR` says which. `ci/fuzz` builds and runs it.

#![no_main]

use std::sync::OnceLock;

use assay_probes::fuzzing::{DOORS, Door};
use libfuzzer_sys::fuzz_target;

static DOOR: OnceLock<&'static Door> = OnceLock::new();

fn door() -> &'static Door {
    let name = std::env::var("ASSAY_DOOR").unwrap_or_default();
    Door::named(&name).unwrap_or_else(|| {
        let names: Vec<&str> = DOORS.iter().map(|door| door.name).collect();
        panic!("ASSAY_DOOR is `{name}`; expected one of: {}", names.join(", "))
    })
}

fuzz_target!(|bytes: &[u8]| {
    DOOR.get_or_init(door).feed(bytes);
});
