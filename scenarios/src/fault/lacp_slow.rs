//! `lacp-slow`: no LACPDU (IEEE 802.1AX, EtherType 0x8809, subtype 1) comes in by an interface, and every other frame does. Until it is healed that is what a member
//! hears of a partner between two LACPDUs: one that was asked for the fast timeout and speaks at the slow rate is silent for 30 s.

use serde::{Deserialize, Serialize};

use super::error::FaultError;
use super::traffic::INGRESS;
use super::vanish::{Filters, Instruction, LEAVE, TAKE, may_vanish};
use super::{Armed, Fault, FaultCtx};

/// Takes the LACPDUs that come in.
pub(super) struct LacpSlow;

/// On which interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LacpSlowSpec {
    /// Its name.
    pub interface: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    interface: String,
    index: u32,
    /// The handle of our filter.
    handle: u32,
}

const NAME: &str = "lacp-slow";
/// `ldh [12]; jeq #0x8809; ldb [14]; jeq #1; ret stolen; ret unspec`. The marker protocol (subtype 2) and OAM have the same EtherType.
const LACPDUS: [Instruction; 6] = [(0x28, 0, 0, 12), (0x15, 0, 3, 0x8809), (0x30, 0, 0, 14), (0x15, 0, 1, 1), TAKE, LEAVE];

impl Fault for LacpSlow {
    fn name(&self) -> &'static str {
        NAME
    }

    fn describe(&self) -> &'static str {
        "takes the LACPDUs that come in by an interface, as if its partner spoke too seldom, and lets every other frame pass"
    }

    fn arm(&self, ctx: &FaultCtx<'_>) -> Result<Armed, FaultError> {
        let LacpSlowSpec { interface } = ctx.spec.on()?;
        let (index, handle) = may_vanish(NAME, &interface, ctx)?;
        ctx.spec.armed(&Noted { interface, index, handle })
    }

    fn inject(&self, armed: &Armed) -> Result<(), FaultError> {
        armed.state::<Noted>()?.filters().put(&[INGRESS], &LACPDUS)
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
