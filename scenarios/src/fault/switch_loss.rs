//! `switch-loss`: what one node loses when a switch dies: all its interfaces that lead there go down together, as `link-down` does it with one. Which ones those are
//! is said by whoever asks; that every node loses its own at the same moment is the drill's work.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::FaultError;
use super::link_down::{Noted, note};
use super::links::{Link, Links, set_up};
use super::netlink::Netlink;
use super::{Armed, Fault, FaultCtx};

/// Sets several interfaces down at once.
pub(super) struct SwitchLoss;

/// On which interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchLossSpec {
    /// The names of all that lead to the switch.
    pub interfaces: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllNoted {
    interfaces: Vec<Noted>,
}

const NAME: &str = "switch-loss";
/// Most interfaces of a node that lead to one switch.
const INTERFACES_MAX: usize = 16;

impl Fault for SwitchLoss {
    fn name(&self) -> &'static str {
        NAME
    }

    fn describe(&self) -> &'static str {
        "sets all interfaces that lead to one switch down together, and puts back what the kernel drops with them"
    }

    fn arm(&self, ctx: &FaultCtx<'_>) -> Result<Armed, FaultError> {
        let SwitchLossSpec { interfaces } = ctx.spec.on()?;
        let distinct: BTreeSet<&String> = interfaces.iter().collect();
        if interfaces.is_empty() || interfaces.len() > INTERFACES_MAX || distinct.len() != interfaces.len() {
            return Err(ctx.spec.form(&format!("expected 1 to {INTERFACES_MAX} different interfaces")));
        }
        let mut netlink = open(&interfaces)?;
        let links = Links::read(&mut netlink)?;
        let cut = interfaces.iter().map(|interface| links.named(NAME, interface)).collect::<Result<Vec<&Link>, FaultError>>()?;
        let refused = |subject: &str, why: String| Err(FaultError::Refused { fault: NAME.to_owned(), subject: subject.to_owned(), why });
        if let Some(link) = cut.iter().find(|link| !link.is_up) {
            return refused(&link.name, "it is down already".to_owned());
        }
        let indices: Vec<u32> = cut.iter().map(|link| link.index).collect();
        if let Some(bond) = links.bond_that_falls(&indices) {
            return refused(&interfaces.join(", "), format!("no other member of {} works: the node would be cut off", bond.name));
        }
        ctx.lifeline.spare_all(NAME, &cut, &links, &mut netlink)?;
        let noted = cut.iter().map(|link| note(NAME, &mut netlink, &links, link)).collect::<Result<_, FaultError>>()?;
        ctx.spec.armed(&AllNoted { interfaces: noted })
    }

    fn inject(&self, armed: &Armed) -> Result<(), FaultError> {
        let (noted, mut netlink) = noted(armed)?;
        noted.interfaces.iter().try_for_each(|one| set_up(&mut netlink, one.index, &one.interface, false))
    }

    fn heal(&self, armed: &Armed) -> Result<(), FaultError> {
        let (noted, mut netlink) = noted(armed)?;
        let links = Links::read(&mut netlink)?;
        // All of them first: a route may lead over several. One that fails keeps none of the others down.
        let raised: Vec<_> = noted.interfaces.iter().map(|one| one.raise(&mut netlink, &links)).collect();
        let restored: Vec<_> = noted.interfaces.iter().map(|one| one.restore(&mut netlink, &links)).collect();
        raised.into_iter().chain(restored).collect()
    }
}

fn noted(armed: &Armed) -> Result<(AllNoted, Netlink), FaultError> {
    let noted: AllNoted = armed.state()?;
    let netlink = open(&noted.interfaces.iter().map(|one| one.interface.clone()).collect::<Vec<_>>())?;
    Ok((noted, netlink))
}

fn open(interfaces: &[String]) -> Result<Netlink, FaultError> {
    Netlink::open().map_err(FaultError::kernel("speak rtnetlink for", &interfaces.join(", ")))
}
