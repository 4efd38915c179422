//! What the name of a dRAID vdev says of it: `draid2:4d:12c:1s-0` (zpoolconcepts(7), and `zpool_draid_name` of libzfs), and which names are those of its
//! distributed spares: `draid2-0-0`. Nothing else in what `zpool status` prints tells the geometry.

use crate::host::whole;

const PREFIX: &str = "draid";

/// Geometry of a dRAID vdev.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Devices of each redundancy group that hold parity.
    pub(super) parity: u64,
    /// Devices of each redundancy group that hold data.
    pub(super) data: u64,
    /// Devices of the vdev.
    pub(super) children: u64,
    /// Devices' worth of spare room.
    pub(super) spares: u64,
}

impl Geometry {
    /// What the name says; why it is not understood. A part that is not known may change what the others mean.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let refuse = || format!("does not understand `{}`", name.chars().take(60).collect::<String>());
        let (geometry, id) = name.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('-')).ok_or_else(refuse)?;
        whole(id).map_err(|_| refuse())?;
        let parts: Vec<&str> = geometry.split(':').collect();
        let [parity, data, children, spares] = parts.as_slice() else { return Err(refuse()) };
        let part = |text: &str, ending: &str| text.strip_suffix(ending).and_then(|number| whole(number).ok()).ok_or_else(refuse);
        Ok(Self { parity: part(parity, "")?, data: part(data, "d")?, children: part(children, "c")?, spares: part(spares, "s")? })
    }
}

/// Whether a name is that of a dRAID vdev: it has its geometry in it, or `draid-0` of a release that does not tell it.
pub(super) fn is_vdev(name: &str) -> bool {
    name.starts_with(PREFIX) && !is_spare(name) && name.contains('-')
}

/// Whether a name is that of a distributed spare: parity, vdev and number of the spare.
pub(super) fn is_spare(name: &str) -> bool {
    let numbers: Vec<&str> = name.strip_prefix(PREFIX).map(|rest| rest.split('-').collect()).unwrap_or_default();
    numbers.len() == 3 && numbers.iter().all(|number| whole(number).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_geometry_is_what_the_name_says_and_nothing_is_guessed() {
        let told = Geometry::parse("draid2:4d:12c:1s-0");
        assert_eq!(told, Ok(Geometry { parity: 2, data: 4, children: 12, spares: 1 }));
        assert_eq!(Geometry::parse("draid3:16d:84c:0s-11").map(|told| told.spares), Ok(0));
        for name in [
            "draid2:4d:12c:1s",
            "draid2:4d:12c-0",
            "draid2:12c:4d:1s-0",
            "draid2:4d:12c:1s:2w-0",
            "draid:4d:12c:1s-0",
            "draid2:d:12c:1s-0",
            "draid2:-4d:12c:1s-0",
            "draid2:99999999999999999999d:12c:1s-0",
            "draid2:4d:12c:1s-x",
            "draid-0",
            "draid2-0-0",
            "raidz2-0",
            "",
        ] {
            assert!(Geometry::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn vdevs_and_their_spares_are_told_apart() {
        for (name, vdev, spare) in [
            ("draid2:4d:12c:1s-0", true, false),
            ("draid-0", true, false),
            ("draid2-0-0", false, true),
            ("draid1-12-3", false, true),
            ("draid2-0", true, false),
            ("draid2-0-x", true, false),
            ("/dev/disk/by-id/draid2-0-0", false, false),
            ("mirror-0", false, false),
        ] {
            assert_eq!((is_vdev(name), is_spare(name)), (vdev, spare), "{name}");
        }
    }
}
