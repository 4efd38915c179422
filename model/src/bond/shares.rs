//! What the counters of a bond's members prove: that each has carried its share of what was sent, and that each is as able as its peers. A bond whose figures
//! as a whole are fine can hide a member that carries nothing or a tenth.

use serde::{Deserialize, Serialize};

/// How far a member's share may be from an equal one, as a part of the equal one: of two members each carries 35 to 65 %.
pub const SHARE_TOLERANCE: f64 = 0.3;
/// What members carry beside the flows that are judged, as a part of what these carried: above it the counters speak of somebody else's traffic. Headers of
/// full frames take 2 to 6 %.
pub const FOREIGN_TOLERANCE: f64 = 0.2;
/// A member that carries less than this part of what its peers carry is degraded.
pub const DEGRADED_BELOW: f64 = 0.8;

/// One counter of one member, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberCounter {
    /// The member.
    pub member: String,
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
}

/// What one member carried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The member.
    pub member: String,
    /// Bytes.
    pub bytes: u64,
    /// Its part of what all of them carried, 0 to 1.
    pub share: f64,
}

/// What all members of one end carried in one direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Each member, in the order of the counters.
    pub members: Vec<Share>,
    /// What the members carried above what the flows did, as a part of the latter.
    pub beside: f64,
}

/// Why counters prove nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// A share needs others.
    #[error("counters of {0} members: there is no share to speak of")]
    Members(usize),
    /// The same member twice.
    #[error("{0} is counted twice")]
    Twice(String),
    /// A counter went backwards.
    #[error("the counter of {member} went from {before} to {after}: it was reset, or lies")]
    Reset {
        /// The member.
        member: String,
        /// Before.
        before: u64,
        /// After.
        after: u64,
    },
    /// Nothing was sent.
    #[error("the flows carried nothing")]
    Nothing,
    /// The counters have seen less than the flows carried.
    #[error("members counted {counted} bytes of {carried} that the flows carried: these counters do not see them all")]
    Short {
        /// What the counters say.
        counted: u64,
        /// What the flows carried.
        carried: u64,
    },
    /// Somebody else used the bond meanwhile.
    #[error("members counted {counted} bytes where the flows carried {carried}: the shares are those of other traffic")]
    Foreign {
        /// What the counters say.
        counted: u64,
        /// What the flows carried.
        carried: u64,
    },
    /// A figure is missing.
    #[error("{0} has no figure")]
    Unmeasured(String),
}

impl Shares {
    /// Shares of one end in one direction, when flows carried `carried` bytes of payload in it.
    pub fn of(counters: &[MemberCounter], carried: u64) -> Result<Self, Unproven> {
        if counters.len() < 2 {
            return Err(Unproven::Members(counters.len()));
        }
        let mut counted = 0_u64;
        for (at, counter) in counters.iter().enumerate() {
            if counters[..at].iter().any(|other| other.member == counter.member) {
                return Err(Unproven::Twice(counter.member.clone()));
            }
            let bytes = counter.after.checked_sub(counter.before);
            let reset = Unproven::Reset { member: counter.member.clone(), before: counter.before, after: counter.after };
            counted = bytes.and_then(|bytes| counted.checked_add(bytes)).ok_or(reset)?;
        }
        if carried == 0 {
            return Err(Unproven::Nothing);
        }
        if counted < carried {
            return Err(Unproven::Short { counted, carried });
        }
        let beside = float(counted - carried) / float(carried);
        if beside > FOREIGN_TOLERANCE {
            return Err(Unproven::Foreign { counted, carried });
        }
        let share = |counter: &MemberCounter| {
            let bytes = counter.after - counter.before;
            Share { member: counter.member.clone(), bytes, share: float(bytes) / float(counted) }
        };
        Ok(Self { members: counters.iter().map(share).collect(), beside })
    }

    /// How far the member that differs most is from what was computed for the flows, `predicted` bytes for each member: a part of the whole. None when
    /// `predicted` is of another number of members, or nothing.
    pub fn deviation(&self, predicted: &[u64]) -> Option<f64> {
        let all: u64 = predicted.iter().sum();
        if predicted.len() != self.members.len() || all == 0 {
            return None;
        }
        let apart = self.members.iter().zip(predicted).map(|(share, bytes)| (share.share - float(*bytes) / float(all)).abs());
        Some(apart.fold(0.0, f64::max))
    }

    /// The member that carried least, and its share.
    pub fn least(&self) -> Option<&Share> {
        self.members.iter().min_by(|one, other| one.share.total_cmp(&other.share))
    }

    /// What the member that carried least did carry as a part of an equal share, 0 to 1: of any number of members 1 is what a bond can do at best.
    pub fn least_of_equal(&self) -> Option<f64> {
        Some(self.least()?.share * float(u64::try_from(self.members.len()).expect("a number of members")))
    }
}

/// A member that works, and does so worse than its peers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Degraded {
    /// The member.
    pub member: String,
    /// What it carries alone, bytes per second.
    pub goodput: f64,
    /// Median of what the others carry alone.
    pub peers: f64,
}

/// Members that alone carry less than `DEGRADED_BELOW` of the median of the others. That all are slow alike cannot be seen here: a ceiling tells that.
pub fn degraded(goodputs: &[(String, f64)]) -> Result<Vec<Degraded>, Unproven> {
    if goodputs.len() < 2 {
        return Err(Unproven::Members(goodputs.len()));
    }
    if let Some((member, _)) = goodputs.iter().find(|(_, goodput)| !goodput.is_finite() || *goodput < 0.0) {
        return Err(Unproven::Unmeasured(member.clone()));
    }
    if goodputs.iter().all(|(_, goodput)| *goodput == 0.0) {
        return Err(Unproven::Nothing);
    }
    let degraded = goodputs.iter().enumerate().filter_map(|(at, (member, goodput))| {
        let others: Vec<f64> = goodputs.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, (_, goodput))| *goodput).collect();
        let peers = crate::metric::Samples::new(others).median();
        (*goodput < DEGRADED_BELOW * peers).then(|| Degraded { member: member.clone(), goodput: *goodput, peers })
    });
    Ok(degraded.collect())
}

fn float(count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a share is no more exact than that")]
    let float = count as f64;
    float
}

#[cfg(test)]
mod tests;
