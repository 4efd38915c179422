//! Frames that vanish: a `clsact` discipline with one classic BPF filter at a hook (`cls_bpf`, direct action), which takes them without a word. `TC_ACT_STOLEN` lets
//! the sender believe that it has sent. Both are in the kernels of Debian and Proxmox VE (`sch_ingress`, `cls_bpf`). The hooks come before bonds and bridges.

use rustix::io::Errno;

use super::FaultCtx;
use super::error::FaultError;
use super::links::{Link, Links};
use super::netlink::{Netlink, put};
use super::traffic::{
    CLSACT, CLSACT_HANDLE, EGRESS, INGRESS, Rule, TCA_OPTIONS, add_filter, add_qdisc, filters, info, message, number_of, qdiscs, remove_filter,
    remove_qdisc,
};

/// An instruction of classic BPF (`struct sock_filter`): code, jumps when true and when not, operand.
pub(super) type Instruction = (u16, u8, u8, u32);

/// Preference of our filters: the first of all.
const PREFERENCE: u16 = 1;
/// Largest handle of a `bpf` filter.
const HANDLE_MAX: u32 = 0x7fff_ffff;
const TCA_BPF_OPS_LEN: u16 = 4;
const TCA_BPF_OPS: u16 = 5;
const TCA_BPF_FLAGS: u16 = 8;
/// What the program returns is what is done.
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;
/// `BPF_RET | BPF_K` with `TC_ACT_STOLEN`.
pub(super) const TAKE: Instruction = (6, 0, 0, 4);
/// The same with `TC_ACT_UNSPEC`: as if the filter were not there.
pub(super) const LEAVE: Instruction = (6, 0, 0, u32::MAX);

/// Our filters on an interface.
pub(super) struct Filters<'a> {
    pub(super) interface: &'a str,
    pub(super) index: u32,
    /// Their handle.
    pub(super) handle: u32,
}

/// Checks that frames of an interface may vanish: its index, and the handle that our filters will have.
pub(super) fn may_vanish(fault: &str, interface: &str, ctx: &FaultCtx<'_>) -> Result<(u32, u32), FaultError> {
    let refused = |link: &Link, why: &str| FaultError::Refused { fault: fault.to_owned(), subject: link.name.clone(), why: why.to_owned() };
    let mut netlink = Netlink::open().map_err(FaultError::kernel("speak rtnetlink for", interface))?;
    let links = Links::read(&mut netlink)?;
    let link = links.named(fault, interface)?;
    if !link.is_up || !link.has_carrier {
        return Err(refused(link, "it has no carrier that could stay"));
    }
    ctx.lifeline.spare(fault, link, &links, &mut netlink)?;
    if let Some(theirs) = qdiscs(&mut netlink, link.index, &link.name)?.iter().find(|rule| rule.parent == CLSACT) {
        return Err(refused(link, &format!("somebody's `{}` is on it, and is not to be touched", crate::remote::shown(&theirs.kind))));
    }
    Ok((link.index, number_of(&ctx.spec.id, HANDLE_MAX)))
}

impl Filters<'_> {
    /// Puts the program at each hook.
    pub(super) fn put(&self, hooks: &[u32], program: &[Instruction]) -> Result<(), FaultError> {
        let mut netlink = Netlink::open().map_err(FaultError::kernel("speak rtnetlink for", self.interface))?;
        let mut qdisc = message(self.index, &clsact());
        put(&mut qdisc, TCA_OPTIONS, &[]);
        add_qdisc(&mut netlink, &qdisc, self.interface)?;
        for parent in hooks {
            let mut filter = message(self.index, &self.ours(*parent));
            let mut ops = Vec::new();
            for (code, when_true, when_not, operand) in program {
                ops.extend(code.to_ne_bytes());
                ops.extend([*when_true, *when_not]);
                ops.extend(operand.to_ne_bytes());
            }
            let mut options = Vec::new();
            put(&mut options, TCA_BPF_OPS_LEN, &u16::try_from(program.len()).unwrap_or(u16::MAX).to_ne_bytes());
            put(&mut options, TCA_BPF_OPS, &ops);
            put(&mut options, TCA_BPF_FLAGS, &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes());
            put(&mut filter, TCA_OPTIONS, &options);
            add_filter(&mut netlink, &filter, self.interface)?;
        }
        Ok(())
    }

    /// Removes them wherever they are, and the discipline when nothing else is in it.
    pub(super) fn remove(&self) -> Result<(), FaultError> {
        let mut netlink = Netlink::open().map_err(FaultError::kernel("speak rtnetlink for", self.interface))?;
        if !qdiscs(&mut netlink, self.index, self.interface)?.iter().any(|rule| rule.parent == CLSACT && rule.kind == "clsact") {
            return Ok(());
        }
        let mut others = 0;
        for parent in [INGRESS, EGRESS] {
            for rule in self.listed(&mut netlink, parent)? {
                if rule.kind == "bpf" && rule.handle == self.handle && rule.info == info(PREFERENCE) {
                    remove_filter(&mut netlink, self.index, &self.ours(parent), self.interface)?;
                }
            }
            others += self.listed(&mut netlink, parent)?.len();
        }
        // There was none when this was armed. With somebody's filters in it, it is theirs by now.
        if others == 0 {
            remove_qdisc(&mut netlink, self.index, &clsact(), self.interface)?;
        }
        Ok(())
    }

    fn ours(&self, parent: u32) -> Rule {
        Rule { kind: "bpf".to_owned(), handle: self.handle, parent, info: info(PREFERENCE) }
    }

    /// The filters at a hook; none when the discipline went away meanwhile.
    fn listed(&self, netlink: &mut Netlink, parent: u32) -> Result<Vec<Rule>, FaultError> {
        match filters(netlink, self.index, self.interface, parent) {
            Ok(rules) => Ok(rules),
            Err(FaultError::Kernel { source, .. }) if source.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn clsact() -> Rule {
    Rule { kind: "clsact".to_owned(), handle: CLSACT_HANDLE, parent: CLSACT, info: 0 }
}
