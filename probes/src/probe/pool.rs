//! ZFS pools and their devices, by `zpool status`: nothing else tells what a pool is made of, what its devices counted and when it was scrubbed. Its JSON
//! (OpenZFS 2.3) is read in `pool/json.rs`, the text of older ones in `pool/text.rs`; on which drive a device lies in `drive.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use self::status::{Device, Scan, Status};
use super::Probe;
use super::drive::drive_of;
use crate::host::{Host, HostError, unanswered};

mod json;
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
        "ZFS pools and their devices: layout, state, errors and last scrub, by zpool status; none is asked where the module is not loaded."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Pool, Kind::PoolDevice]
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
    let mut all = vec![
        Component::new(Kind::Pool, pool.name.as_str())
            .with(Attr::State, source, pool.state.clone())
            .with(Attr::Layout, source, Value::List(pool.layout.clone()))
            .with(Attr::DataErrors, source, pool.data_errors.clone())
            .with(Attr::Scan, source, scan(&pool.scan))
            .with(Attr::ScrubAge, source, scrub_age(host, &pool.scan))
            .with(Attr::ScrubErrors, source, pool.scan.as_ref().map_or_else(|why| Reading::Unreadable(why.clone()), |scan| scan.errors.clone())),
    ];
    all.extend(pool.devices.iter().map(|device| member(host, source, pool, device)));
    all
}

fn member(host: &Host, source: &str, pool: &Status, device: &Device) -> Component {
    Component::new(Kind::PoolDevice, format!("{} {}", pool.name, device.path))
        .with(Attr::Pool, source, pool.name.as_str())
        .with(Attr::State, source, device.state.clone())
        .with(Attr::ReadErrors, source, device.read_errors.clone())
        .with(Attr::WriteErrors, source, device.write_errors.clone())
        .with(Attr::ChecksumErrors, source, device.checksum_errors.clone())
        .with(Attr::Drive, device.path.as_str(), drive_of(host, &device.path))
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
