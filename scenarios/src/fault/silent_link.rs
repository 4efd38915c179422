//! `silent-link`: the carrier stays, every frame vanishes (`vanish.rs`): LACP, LLDP and ARP too.

use serde::{Deserialize, Serialize};

use super::error::FaultError;
use super::traffic::{EGRESS, INGRESS};
use super::vanish::{Filters, TAKE, may_vanish};
use super::{Armed, Fault, FaultCtx};

/// Takes every frame.
pub(super) struct SilentLink;

/// On which interface, and which way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilentLinkSpec {
    /// Its name.
    pub interface: String,
    /// Which frames vanish.
    #[serde(default)]
    pub direction: Direction,
}

/// Seen from the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What comes in.
    In,
    /// What goes out.
    Out,
    /// All.
    #[default]
    Both,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    interface: String,
    index: u32,
    direction: Direction,
    /// The handle of our filters.
    handle: u32,
}

const NAME: &str = "silent-link";

impl Fault for SilentLink {
    fn name(&self) -> &'static str {
        NAME
    }

    fn describe(&self) -> &'static str {
        "lets every frame of an interface vanish while its carrier stays"
    }

    fn arm(&self, ctx: &FaultCtx<'_>) -> Result<Armed, FaultError> {
        let SilentLinkSpec { interface, direction } = ctx.spec.on()?;
        let (index, handle) = may_vanish(NAME, &interface, ctx)?;
        ctx.spec.armed(&Noted { interface, index, direction, handle })
    }

    fn inject(&self, armed: &Armed) -> Result<(), FaultError> {
        let noted: Noted = armed.state()?;
        noted.filters().put(noted.direction.hooks(), &[TAKE])
    }

    fn heal(&self, armed: &Armed) -> Result<(), FaultError> {
        armed.state::<Noted>()?.filters().remove()
    }
}

impl Noted {
    fn filters(&self) -> Filters<'_> {
        Filters { interface: &self.interface, index: self.index, handle: self.handle }
    }
}

impl Direction {
    fn hooks(self) -> &'static [u32] {
        match self {
            Direction::In => &[INGRESS],
            Direction::Out => &[EGRESS],
            Direction::Both => &[INGRESS, EGRESS],
        }
    }
}
