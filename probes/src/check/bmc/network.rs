//! Whether the management controller has a network port of its own. One that it shares with the host, also only while its own has no link, brings it
//! onto the networks of the guests.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::{State, state};
use crate::check::question::{Question, absent};
use crate::check::seen::{Seen, flag, text};

pub(in crate::check) const NETWORK: Question =
    Question { id: "bmc.network", expected: "a port of its own, neither shared with the host nor falling back to one that is" };

/// Parts of the words for a port that is shared, in lower case: Shared, Failover, LOM1, NCSI, Sideband, OCP, FlexibleLOM, ...
const SHARED: &[&str] = &["shar", "failover", "lom", "ncsi", "nc-si", "sideband", "onboard", "ocp", "auto", "bond"];
/// Parts of the names of interfaces that lead to the host itself and to no network.
const TO_THE_HOST: &[&str] = &["usb", "tohost", "host interface", "hostethernet", "virtual"];

pub(in crate::check) fn dedicated_port(inventory: &Inventory, site: &Site) -> Vec<Check> {
    NETWORK.each(inventory, site, Kind::BmcPort, "no network port of the management controller is switched on", |port| ask(site, port))
}

fn ask(site: &Site, port: &Component) -> Option<Check> {
    let seen = Seen::of(port, &[Attr::PortMode, Attr::PortEnabled, Attr::Carrier, Attr::State]);
    let verdict = match (flag(port, Attr::PortEnabled), state(port), text(port, Attr::PortMode)) {
        (Ok(Some(false)), _, _) => return None,
        (Ok(None), Ok(State::Out), _) => return None,
        (_, _, Ok(Some(mode))) if is_word(mode, SHARED) => {
            Verdict::Fail(format!("it is {mode}: the management controller is on a network of the host"))
        }
        (Err(reason), _, _) | (_, _, Err(reason)) => Verdict::Inconclusive(reason),
        (Ok(_), _, Ok(Some(mode))) if mode.to_ascii_lowercase().contains("dedicated") => Verdict::pass_on(seen.evidence()),
        (Ok(_), _, Ok(Some(mode))) => Verdict::Inconclusive(Reason::Invalid(format!("`{mode}` says neither dedicated nor shared"))),
        (Ok(_), _, Ok(None))
            if is_word(&port.locator, TO_THE_HOST) || text(port, Attr::Name).is_ok_and(|name| is_word(name.unwrap_or_default(), TO_THE_HOST)) =>
        {
            return None;
        }
        (Ok(_), _, Ok(None)) => absent(site, "the management controller does not say whether the port is its own"),
    };
    Some(NETWORK.answer(&port.locator, &seen, verdict))
}

fn is_word(text: &str, words: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    words.iter().any(|word| text.contains(word))
}
