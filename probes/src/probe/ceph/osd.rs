//! OSDs: `osd dump` says which there are, `osd metadata` what lies below each, `osd tree` its class, `osd df` how full it is, `config show` what it is told.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::{OSD_MAP, TREE, source, unasked, with_protocols};
use crate::host::ceph::CephCommand;
use crate::host::ceph::answer::{MEMORY_TARGET, MESSENGER_MODES, Osd, OsdMap, OsdMetadata, OsdUsage, Settings, Tree, TreeNode, Usage};
use crate::host::{HOSTNAME, Host, HostError, whole};

const METADATA: CephCommand = CephCommand::monitor("osd metadata");
const USAGE: CephCommand = CephCommand::manager("osd df");
const KIB: u64 = 1024;

pub(super) fn osds(host: &Host, map: &OsdMap, tree: &Result<Tree, HostError>) -> Vec<Component> {
    let metadata = host.ceph::<Vec<OsdMetadata>>(&METADATA).map(|all| by_id(all, |of| of.id));
    let usage = host.ceph::<Usage>(&USAGE).map(|usage| by_id(usage.nodes, |of| of.id));
    let places = tree.as_ref().map_err(Clone::clone).map(places);
    let name = host.read(HOSTNAME);
    map.osds.iter().map(|osd| described(host, &name, osd, &metadata, &usage, &places)).collect()
}

/// Where an OSD is in the CRUSH map.
struct Place {
    class: Option<String>,
    weight: Option<f64>,
    host: Option<String>,
}

fn places(tree: &Tree) -> BTreeMap<u64, Place> {
    let host_of = |id: i64| tree.nodes.iter().find(|node| node.kind == "host" && node.children.contains(&id)).map(|node| node.name.clone());
    let osds = tree.nodes.iter().filter(|node| node.kind == "osd");
    let place = |node: &TreeNode| Place { class: node.device_class.clone(), weight: node.crush_weight, host: host_of(node.id) };
    osds.filter_map(|node| Some((u64::try_from(node.id).ok()?, place(node)))).collect()
}

fn by_id<T>(all: Vec<T>, id: impl Fn(&T) -> u64) -> BTreeMap<u64, T> {
    all.into_iter().map(|of| (id(&of), of)).collect()
}

type Each<T> = Result<BTreeMap<u64, T>, HostError>;

/// What one answer says of one OSD.
fn of_osd<T>(answer: &Each<T>, id: u64, tell: impl FnOnce(&T) -> Reading) -> Reading {
    match answer {
        Ok(all) => all.get(&id).map_or_else(|| Reading::Unreadable("it is not in the answer".into()), tell),
        Err(error) => unasked(error),
    }
}

fn described(
    host: &Host,
    own: &Result<String, HostError>,
    osd: &Osd,
    metadata: &Each<OsdMetadata>,
    usage: &Each<OsdUsage>,
    places: &Each<Place>,
) -> Component {
    let id = osd.osd;
    let name = format!("osd.{id}");
    let settings = CephCommand::manager("config show").with("who", name.clone());
    let bytes = |kib: u64| kib.checked_mul(KIB).map_or_else(|| Reading::Unreadable("larger than any count".into()), Reading::from);
    // A manager that has just begun says 0 of an OSD that it has not heard of.
    let heard = |of: &OsdUsage, reading: Reading| if of.kb == 0 { Reading::Unreadable("the manager has not heard of it".into()) } else { reading };
    let component = Component::new(Kind::CephOsd, name)
        .with(Attr::IsUp, source(&OSD_MAP), osd.up == 1)
        .with(Attr::IsIn, source(&OSD_MAP), osd.is_in == 1)
        .with(Attr::PublicAddresses, source(&OSD_MAP), with_protocols(&[&osd.public_addrs, &osd.heartbeat_front_addrs]))
        .with(Attr::ClusterAddresses, source(&OSD_MAP), with_protocols(&[&osd.cluster_addrs, &osd.heartbeat_back_addrs]))
        .with(Attr::Hostname, source(&METADATA), of_osd(metadata, id, |of| word(of.hostname.as_deref())))
        .with(Attr::DeviceIds, source(&METADATA), of_osd(metadata, id, |of| device_ids(of.device_ids.as_deref())))
        .with(Attr::Rotational, source(&METADATA), of_osd(metadata, id, |of| rotational(of.rotational.as_deref())))
        .with(Attr::DeviceClass, source(&TREE), of_osd(places, id, |place| word(place.class.as_deref())))
        .with(Attr::HostBucket, source(&TREE), of_osd(places, id, |place| Value::List(place.host.iter().cloned().collect()).into()))
        .with(Attr::CrushWeight, source(&TREE), of_osd(places, id, |place| place.weight.map_or(Reading::Absent, Reading::from)))
        .with(Attr::Capacity, source(&USAGE), of_osd(usage, id, |of| heard(of, bytes(of.kb))))
        .with(Attr::Used, source(&USAGE), of_osd(usage, id, |of| heard(of, bytes(of.kb_used))))
        .with(Attr::PlacementGroups, source(&USAGE), of_osd(usage, id, |of| heard(of, of.pgs.into())));
    // Each host looks after its own; one that does not run tells nobody what it was told.
    let runs_on = metadata.as_ref().ok().and_then(|all| all.get(&id)?.hostname.as_deref());
    let why_unasked = match own {
        Err(error) => Some(format!("whose OSD it is cannot be told: {HOSTNAME}: {}", error.cause())),
        Ok(own) if osd.up == 1 && runs_on.is_some_and(|name| is_host(name, own.trim())) => None,
        Ok(_) => Some("it is asked on its own host only, and while it runs".into()),
    };
    if let Some(why) = why_unasked {
        // Not the same as one that was told nothing.
        let unasked = || Reading::Unreadable(why.clone());
        return component.with(Attr::MemoryTarget, source(&settings), unasked()).with(Attr::MessengerModes, source(&settings), unasked());
    }
    let told = host.ceph::<Settings>(&settings);
    component.with(Attr::MemoryTarget, source(&settings), settings_reading(&told, memory_target)).with(
        Attr::MessengerModes,
        source(&settings),
        settings_reading(&told, messenger_modes),
    )
}

/// Whether both are names of one host: Ceph has the short one.
pub(crate) fn is_host(named: &str, host: &str) -> bool {
    let short = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    named == host || short(named) == short(host)
}

fn word(word: Option<&str>) -> Reading {
    word.filter(|word| !word.is_empty()).map_or(Reading::Absent, Reading::from)
}

/// `nvme0n1=KIOXIA_KCMYXRUG7T68_X1,nvme1n1=...`: the kernel's names change with a boot.
fn device_ids(ids: Option<&str>) -> Reading {
    let ids = ids.unwrap_or_default().split(',').filter(|id| !id.is_empty());
    let ids: Vec<String> = ids.map(|id| id.split_once('=').map_or(id, |(_, id)| id).to_owned()).collect();
    if ids.is_empty() { Reading::Absent } else { Value::List(ids).into() }
}

fn rotational(flag: Option<&str>) -> Reading {
    match flag {
        Some("0") => false.into(),
        Some("1") => true.into(),
        Some(other) => Reading::Unreadable(format!("says `{other}`: neither 0 nor 1")),
        None => Reading::Absent,
    }
}

fn settings_reading(answer: &Result<Settings, HostError>, tell: impl FnOnce(&Settings) -> Reading) -> Reading {
    answer.as_ref().map_or_else(unasked, tell)
}

fn memory_target(settings: &Settings) -> Reading {
    match settings.0.iter().find(|setting| setting.name == MEMORY_TARGET) {
        Some(setting) => whole(&setting.value).map_or_else(|why| Reading::Unreadable(format!("says `{}`: {why}", setting.value)), Reading::from),
        None => Reading::Absent,
    }
}

fn messenger_modes(settings: &Settings) -> Reading {
    let modes = settings.0.iter().filter(|setting| MESSENGER_MODES.contains(&setting.name.as_str()));
    Value::List(modes.map(|setting| format!("{}={}", setting.name, setting.value)).collect()).into()
}
