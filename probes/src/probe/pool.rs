//! ZFS pools, their vdevs and devices, by `zpool status`: nothing else tells what a pool is made of, what its devices counted and when it was scrubbed. Its
//! JSON (OpenZFS 2.3) is read in `pool/json.rs`, the text of older ones in `pool/text.rs`, the names of dRAID vdevs in `pool/draid.rs`; block sizes are
//! properties (`pool/properties.rs`), and on which drive a device lies is in `drive.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use self::draid::Geometry;
use self::properties::Ashifts;
use self::status::{Counters, Device, Scan, Status, Vdev};
use super::Probe;
use super::drive::drive_of;
use crate::host::{Host, HostError, unanswered};

mod draid;
mod json;
mod properties;
mod status;
mod text;

/// The probe of ZFS pools.
pub(super) struct Pool;

const MODULE: &str = "/sys/module/zfs";
const JSON: [&str; 4] = ["zpool", "status", "-j", "--json-int"];
const TEXT: [&str; 3] = ["zpool", "status", "-Pp"];

impl Probe for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn describe(&self) -> &'static str {
        "ZFS pools, their vdevs and devices: layout, state, errors, spares, block size and last scrub, by zpool status and zpool get; none is asked where the module is not loaded."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Pool, Kind::PoolVdev, Kind::PoolDevice]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        if !host.exists(MODULE)? {
            return Err(HostError::SourceMissing(MODULE.into()));
        }
        let (source, pools) = status(host)?;
        Ok(pools.iter().flat_map(|pool| components(host, &source, pool)).collect())
    }
}

/// What the tool says: in JSON where it can, as text where it is too old for that.
fn status(host: &Host) -> Result<(String, Vec<Status>), HostError> {
    let output = host.command(&JSON)?;
    let (command, parsed) = if output.status == Some(0) {
        (JSON.join(" "), json::parse(&output.stdout))
    } else {
        let ended = output.status.map_or_else(|| "was killed".into(), |status| format!("ended with status {status}"));
        let text = match host.command_stdout(&TEXT) {
            Err(error) if error.is_absent() => return Err(HostError::Malformed { path: format!("command:{}", JSON.join(" ")), reason: ended }),
            answer => answer?,
        };
        (TEXT.join(" "), text::parse(&text))
    };
    parsed.map(|pools| (command.clone(), pools)).map_err(|reason| HostError::Malformed { path: format!("command:{command}"), reason })
}

fn components(host: &Host, source: &str, pool: &Status) -> Vec<Component> {
    let ashifts = Ashifts::of(host, &pool.name);
    let (asked, autotrim) = properties::autotrim(host, &pool.name);
    let whole = Component::new(Kind::Pool, pool.name.as_str())
        .with(Attr::State, source, pool.state.clone())
        .with(Attr::Layout, source, Value::List(pool.layout.clone()))
        .with(Attr::DataErrors, source, pool.data_errors.clone())
        .with(Attr::Scan, source, scan(&pool.scan))
        .with(Attr::ScrubAge, source, scrub_age(host, &pool.scan))
        .with(Attr::ScrubErrors, source, pool.scan.as_ref().map_or_else(|why| Reading::Unreadable(why.clone()), |scan| scan.errors.clone()))
        .with(Attr::Autotrim, asked, autotrim);
    let mut all = vec![counted(whole, source, &pool.counters)];
    all.extend(pool.vdevs.iter().map(|of| vdev(source, pool, of, &ashifts)));
    all.extend(pool.devices().map(|device| member(host, source, pool, device, &ashifts)));
    all
}

fn vdev(source: &str, pool: &Status, vdev: &Vdev, ashifts: &Ashifts) -> Component {
    let geometry = (vdev.kind == "draid").then(|| Geometry::parse(&vdev.name));
    let told = |of: fn(&Geometry) -> u64| match &geometry {
        None => Reading::Absent,
        Some(Ok(geometry)) => of(geometry).into(),
        Some(Err(why)) => Reading::Unreadable(why.clone()),
    };
    let children = match &geometry {
        Some(Ok(Geometry { children, .. })) if *children != vdev.children => {
            Reading::Unreadable(format!("its name says {children}, {} are listed", vdev.children))
        }
        Some(Ok(_) | Err(_)) | None => vdev.children.into(),
    };
    let rebuild = match &pool.scan {
        Ok(_) => pool.rebuilds.get(&vdev.name).map_or("none", String::as_str).into(),
        Err(why) => Reading::Unreadable(why.clone()),
    };
    let component = Component::new(Kind::PoolVdev, format!("{} {}", pool.name, vdev.name))
        .with(Attr::Pool, source, pool.name.as_str())
        .with(Attr::VdevClass, source, vdev.class)
        .with(Attr::VdevType, source, vdev.kind.as_str())
        .with(Attr::State, source, vdev.state.clone())
        .with(Attr::Children, source, children)
        .with(Attr::Parity, source, told(|geometry| geometry.parity))
        .with(Attr::GroupData, source, told(|geometry| geometry.data))
        .with(Attr::DistributedSpares, source, told(|geometry| geometry.spares))
        .with(Attr::Ashift, ashifts.source(), ashifts.of_vdev(&vdev.name))
        .with(Attr::Rebuild, source, rebuild);
    counted(component, source, &vdev.counters)
}

fn member(host: &Host, source: &str, pool: &Status, device: &Device, ashifts: &Ashifts) -> Component {
    let is_distributed = device.kind.as_deref() == Some("dspare");
    // What is no device of its own lies on no drive, and what belongs to no vdev is not asked for.
    let ashift = if is_distributed || device.vdev.is_none() { Reading::Absent } else { ashifts.of_device(&device.path) };
    let drive = if is_distributed { Reading::Absent } else { drive_of(host, &device.path) };
    let component = Component::new(Kind::PoolDevice, format!("{} {}", pool.name, device.path))
        .with(Attr::Pool, source, pool.name.as_str())
        .with(Attr::Vdev, source, device.vdev.as_deref().map_or(Reading::Absent, Reading::from))
        .with(Attr::VdevClass, source, device.class)
        .with(Attr::VdevType, source, device.kind.as_deref().map_or(Reading::Absent, Reading::from))
        .with(Attr::State, source, device.state.clone())
        .with(Attr::StandsInFor, source, pool.in_place_of(device).map_or(Reading::Absent, Reading::from))
        .with(Attr::Ashift, ashifts.source(), ashift)
        .with(Attr::Drive, device.path.as_str(), drive);
    counted(component, source, &device.counters)
}

fn counted(component: Component, source: &str, counters: &Counters) -> Component {
    component.with(Attr::ReadErrors, source, counters.read.clone()).with(Attr::WriteErrors, source, counters.write.clone()).with(
        Attr::ChecksumErrors,
        source,
        counters.checksum.clone(),
    )
}

fn scan(scan: &Result<Scan, String>) -> Reading {
    scan.as_ref().map_or_else(|why| Reading::Unreadable(why.clone()), |scan| scan.name().into())
}

/// Seconds since the last scrub came to its end. A resilver, or a scrub that still runs, says nothing of the one before.
fn scrub_age(host: &Host, scan: &Result<Scan, String>) -> Reading {
    let ended = match scan {
        Ok(Scan { ended: Some(ended), .. }) => ended,
        Ok(_) => return Reading::Absent,
        Err(why) => return Reading::Unreadable(why.clone()),
    };
    match (ended, host.wall_clock()) {
        (Err(why), _) => Reading::Unreadable(why.clone()),
        (Ok(_), Err(error)) if error.is_absent() => Reading::Unreadable("the node does not tell the time".into()),
        (Ok(_), Err(error)) => unanswered(&error),
        (Ok(ended), Ok(now)) => {
            u64::try_from(now.saturating_sub(*ended)).map_or_else(|_| Reading::Unreadable("it ended in the future".into()), Reading::from)
        }
    }
}

#[cfg(test)]
mod tests;
