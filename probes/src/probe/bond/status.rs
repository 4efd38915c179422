//! `/proc/net/bonding/BOND`: the state of a bond as text for people (`drivers/net/bonding/bond_procfs.c`). Of it only the LACP partner of each member is
//! taken, because nothing else tells it. The kernel leaves the partner out for who lacks CAP_NET_ADMIN.

use assay_model::component::Reading;

use crate::host::{malformed, whole};

/// What the text says, member by member.
#[derive(Debug, Default)]
pub(super) struct Status {
    members: Vec<(String, Partner)>,
}

/// The LACP partner of one member, as the last LACP frame told it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Partner {
    pub(super) mac: Reading,
    pub(super) key: Reading,
}

impl Partner {
    const NONE: Self = Self { mac: Reading::Absent, key: Reading::Absent };

    fn untold(why: &str) -> Self {
        Self { mac: Reading::Unreadable(why.into()), key: Reading::Unreadable(why.into()) }
    }
}

impl Status {
    /// Lines that are not understood mean nothing: kernels add some.
    pub(super) fn parse(text: &str) -> Self {
        let mut status = Self::default();
        let mut of_partner = false;
        for line in text.lines() {
            let Some((label, said)) = line.trim().split_once(':') else { continue };
            let (label, said) = (label.trim(), said.trim());
            if label == "Slave Interface" {
                status.members.push((said.to_owned(), Partner::NONE));
                of_partner = false;
            }
            if label.starts_with("details ") {
                of_partner = label == "details partner lacp pdu";
            }
            let Some((_, partner)) = status.members.last_mut().filter(|_| of_partner) else { continue };
            match label {
                "system mac address" => partner.mac = mac(said),
                "oper key" => partner.key = whole(said).map_or_else(|why| malformed(said, &why), Reading::from),
                _ => {}
            }
        }
        status
    }

    /// The partner of a member. A member of an LACP bond has one, if only the one that bonding starts with: where none is told, the reader may not see it.
    pub(super) fn partner(&self, member: &str, is_lacp: bool) -> Partner {
        let mut told = self.members.iter().filter(|(name, _)| name == member);
        match (told.next(), told.next()) {
            (Some((_, partner)), None) if is_lacp && *partner == Partner::NONE => {
                Partner::untold("it does not tell the partner; only who has CAP_NET_ADMIN is told")
            }
            (Some((_, partner)), None) => partner.clone(),
            (Some(_), Some(_)) => Partner::untold("it names the member twice"),
            (None, _) => Partner::untold("it does not name the member"),
        }
    }
}

/// A hardware address in the kernel's form.
fn mac(text: &str) -> Reading {
    let pairs: Vec<&str> = text.split(':').collect();
    let is_pair = |pair: &&str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    if pairs.len() == 6 && pairs.iter().all(is_pair) { text.to_ascii_lowercase().into() } else { malformed(text, "not a hardware address") }
}
