//! libFuzzer at one door of `assay_probes::fuzzing`: the environment variable `ASSAY_DOOR` says which. `ci/fuzz` builds and runs it.

#![no_main]

use std::io::Write as _;
use std::sync::OnceLock;

use assay_probes::fuzzing::{DOORS, Door};
use libfuzzer_sys::fuzz_target;

static DOOR: OnceLock<&'static Door> = OnceLock::new();

/// The door that `ASSAY_DOOR` names. `list` prints the names of all, and `seed NAME` what the reference node says at one, and both end.
fn door() -> &'static Door {
    let name = std::env::var("ASSAY_DOOR").unwrap_or_default();
    let names: Vec<&str> = DOORS.iter().map(|door| door.name).collect();
    if name == "list" {
        println!("{}", names.join("\n"));
        std::process::exit(0);
    }
    if let Some(door) = name.strip_prefix("seed ").and_then(Door::named) {
        let _ = std::io::stdout().write_all(&door.seed().unwrap_or_default());
        std::process::exit(0);
    }
    Door::named(&name).unwrap_or_else(|| {
        eprintln!("ASSAY_DOOR is `{name}`; expected one of: {}", names.join(", "));
        std::process::exit(2);
    })
}

// Before libFuzzer watches for exits: it takes an exit from within a target for a crash.
fuzz_target!(
    init: {
        DOOR.get_or_init(door);
    },
    |bytes: &[u8]| {
        DOOR.get_or_init(door).feed(bytes);
    }
);
