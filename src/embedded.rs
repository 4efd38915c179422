//! Files compiled into the binary by `build.rs`: gates, parts catalogue and the `generic` site.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
