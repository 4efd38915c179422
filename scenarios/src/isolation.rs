//! Whether guests are kept from the hosts, tried and not read: the plan is made of what the site declares, `assay_bench::net::isolation` tries it, and here
//! what was found is judged (`isolation/judge.rs`). A leak fails; silence passes only where it is proven that an answer would have been heard.

use assay_bench::net::isolation::{IsolationPlan, Pace, Target};
use assay_model::check::{Absence, Check};
use assay_model::site::Site;
use assay_model::site::declared::{GuestVlan, Service};
use assay_model::verdict::Reason;

mod attempt;
mod coverage;
mod judge;
mod notes;
mod recorded;

use attempt::attempt;
pub use judge::judge;
pub use recorded::{Failed, Found, SCENARIO, Trial, absent, checks, failed, run};

/// Only flows that the site allows are answered from a guest VLAN.
pub const ISOLATION: &str = "vlan.isolation";
/// A guest VLAN hears nothing of the hosts' VLAN.
pub const NO_FLOODING: &str = "vlan.no_flooding";

/// Both.
pub const CHECKS: [&str; 2] = [ISOLATION, NO_FLOODING];

const ISOLATION_EXPECTED: &str = "nothing but the site's allow-list is answered from the VLAN";
const NO_FLOODING_EXPECTED: &str = "no frame of the hosts' VLAN is heard on the VLAN";

/// Ten minutes of listening, as the gate of phase 2 says, with a round of probes each minute.
const PACE: Pace = Pace {
    frames_per_s: 500,
    tries: 2,
    settle_ns: 200_000_000,
    listen_ns: 600_000_000_000,
    round_every_ns: 60_000_000_000,
    beacon_every_ns: 1_000_000_000,
};

/// The plan of the site, or the two checks that say why there is none.
pub fn plan(site: &Site) -> Result<IsolationPlan, Vec<Check>> {
    let network = &site.declared.network;
    let missing = match network.host_vlan {
        None => "the site declares no VLAN of its hosts: [network] host_vlan of declared.toml",
        Some(_) if network.guest_vlans.is_empty() => "the site declares no VLAN of guests: [[network.guest_vlan]] of declared.toml",
        Some(_) if network.protected.is_empty() => "the site declares no host that guests must not reach: [[network.protected]] of declared.toml",
        Some(host_vlan) => {
            let targets = network.protected.iter().flat_map(|host| {
                let services = if host.services.is_empty() { &network.host_services } else { &host.services };
                let asked: Vec<Service> = services.iter().copied().filter(|service| matches!(service, Service::Tcp(_) | Service::Udp(_))).collect();
                host.addresses.iter().map(move |address| Target {
                    host: host.name.clone(),
                    address: *address,
                    mac: host.mac,
                    services: asked.clone(),
                })
            });
            return Ok(IsolationPlan {
                host_vlan,
                host_networks: network.host_networks.clone(),
                host_probes: network.host_probe_addresses.clone(),
                targets: targets.collect(),
                management: network.management_services.clone(),
                guests: network.guest_vlans.clone(),
                allow: network.allow.clone(),
                pace: PACE,
            });
        }
    };
    let answer = |id, expected| match site.absence {
        Absence::NotApplicable => Check::not_applicable(id, "guest VLANs", expected, missing, "the site"),
        Absence::Inconclusive => Check::inconclusive(id, "guest VLANs", expected, Reason::Blocked(missing.to_owned()), "the site"),
    };
    Err(vec![answer(ISOLATION, ISOLATION_EXPECTED), answer(NO_FLOODING, NO_FLOODING_EXPECTED)])
}

/// Both checks of every guest VLAN of a plan, for one reason.
fn not_run(plan: &IsolationPlan, reason: &Reason) -> Vec<Check> {
    let both = |guest: &GuestVlan| {
        let subject = judge::subject(guest.vlan);
        [(ISOLATION, ISOLATION_EXPECTED), (NO_FLOODING, NO_FLOODING_EXPECTED)]
            .map(|(id, expected)| Check::inconclusive(id, subject.clone(), expected, reason.clone(), "no run"))
    };
    plan.guests.iter().flat_map(both).collect()
}
