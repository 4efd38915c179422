//! What changes on a port while it runs: link transitions, errors before and after FEC, drops. All of it is counted from somewhere in the past, so that only two looks
//! tell; counters that went backwards, vanished or began anew tell nothing.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading};
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::super::Window;
use super::super::question::{Question, absent};
use super::super::seen::{Seen, count, text};
use super::{is_ordered, is_strict, is_up};

pub(in super::super) const CARRIER: Question = Question { id: "nic.carrier_stable", expected: "no link transition between the two looks" };
pub(in super::super) const POST_FEC: Question =
    Question { id: "nic.post_fec_errors", expected: "no symbol that FEC left wrong and no frame with a wrong checksum, over an hour at least" };
pub(in super::super) const PRE_FEC: Question = Question {
    id: "nic.pre_fec_rate",
    expected: "FEC corrected at most 2e-4 of the received bits: the design pre-FEC rate of RS(544,514) [S31]; corrected bits as such are normal on PAM4",
};
pub(in super::super) const PRE_FEC_EXPECTED: Question = Question {
    id: "nic.pre_fec_rate_expected",
    expected: "FEC corrected at most 1e-5 of the received bits (proposal of the project's facts on the reference hardware, no vendor states it)",
};
pub(in super::super) const DROPS: Question = Question {
    id: "nic.drops",
    expected: "the port dropped at most 1e-6 of its packets (proposal of the project's facts on the reference hardware, no vendor states it)",
};

const PRE_FEC_MOST: f64 = 2e-4;
const PRE_FEC_EXPECTED_MOST: f64 = 1e-5;
const DROPS_MOST: f64 = 1e-6;
/// An hour: shorter looks find errors, but do not prove that there are none.
const POST_FEC_SECONDS: i64 = 3600;
/// A rate of 1e-5 on fewer bits than this is a handful of corrections: a single burst would decide.
const BITS_MIN: u64 = 1_000_000_000;
/// Line code and FEC add less than 10 % to the speed of a port; a counter that ran twice as fast did not count bits.
const LINE_RATE_MOST: u64 = 2;

const ERRORS: &[Attr] = &[Attr::PcsSymbolErrors, Attr::SymbolErrors, Attr::CrcErrors];
const RATE: &[Attr] = &[Attr::CorrectedBits, Attr::ReceivedBits];
const DROPPED: &[Attr] = &[Attr::ReceiveDiscards, Attr::TransmitDiscards, Attr::OutOfBuffer, Attr::SteerMissed];
/// Those of a port that only ever grow, whatever happens to it.
const GROWING: &[Attr] = &[Attr::ReceivedPackets, Attr::TransmittedPackets, Attr::ReceivedBits];

/// One port in both looks.
struct Pair<'a> {
    before: &'a Component,
    after: &'a Component,
}

impl Pair<'_> {
    /// By how much a counter grew; none when neither look has it.
    fn grown(&self, attr: Attr) -> Result<Option<u64>, Reason> {
        let source = self.after.source(attr);
        match (count(self.before, attr)?, count(self.after, attr)?) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(Reason::Invalid(format!("{source} is no longer counted"))),
            (None, Some(_)) => Err(Reason::Invalid(format!("{source} was not counted at the earlier look"))),
            (Some(before), Some(after)) => match after.checked_sub(before) {
                Some(grown) => Ok(Some(grown)),
                None => Err(Reason::Invalid(format!("{source} went from {before} back to {after}: it wrapped or began anew"))),
            },
        }
    }

    /// Why the counters of the two looks are not those of one and the same time.
    fn broken(&self) -> Option<Reason> {
        let index = |port| count(port, Attr::InterfaceIndex).ok().flatten();
        if let (Some(before), Some(after)) = (index(self.before), index(self.after))
            && before != after
        {
            return Some(Reason::Invalid(format!("{} was made anew between the looks: its driver was loaded again", self.after.locator)));
        }
        GROWING.iter().find_map(|&attr| match self.grown(attr) {
            Err(reason @ Reason::Invalid(_)) => Some(reason),
            Err(_) | Ok(_) => None,
        })
    }

    /// The growth of several counters by name, and the first reason why one of them cannot be told.
    fn growth(&self, attrs: &[Attr]) -> (Vec<(Attr, u64)>, Option<Reason>) {
        let mut doubt = self.broken();
        let mut grown = Vec::new();
        for &attr in attrs {
            match self.grown(attr) {
                Ok(growth) => grown.extend(growth.map(|growth| (attr, growth))),
                Err(reason) => doubt = doubt.or(Some(reason)),
            }
        }
        (grown, doubt)
    }

    fn lacks_all(&self, attrs: &[Attr]) -> bool {
        attrs.iter().all(|&attr| *self.before.reading(attr) == Reading::Absent && *self.after.reading(attr) == Reading::Absent)
    }

    fn seen(&self, attrs: &[Attr]) -> Seen<'_> {
        Seen::of(self.before, attrs).and(Seen::of(self.after, attrs))
    }
}

/// Asks every port of both looks. One that is only in one of them says nothing: what its counters were is not known.
fn each(
    question: &Question,
    window: &Window<'_>,
    site: &Site,
    attrs: &[Attr],
    nobody: &str,
    ask: impl Fn(&Pair<'_>) -> Option<Verdict>,
) -> Vec<Check> {
    let (before, after) = match (question.subjects(window.before, site, Kind::Nic), question.subjects(window.after, site, Kind::Nic)) {
        (Ok(before), Ok(after)) => (before, after),
        (_, Err(unasked)) | (Err(unasked), Ok(_)) => return unasked,
    };
    let mut checks = Vec::new();
    for &port in &after {
        let verdict = match before.iter().find(|other| other.locator == port.locator) {
            Some(before) => ask(&Pair { before, after: port }),
            None => lone(site, port, "it was not there at the earlier look"),
        };
        let source = Seen::of(port, attrs).source();
        let earlier =
            before.iter().find(|other| other.locator == port.locator).map_or_else(|| "nothing".into(), |other| Seen::of(other, attrs).observed());
        let observed = format!("{}; {} s before: {earlier}", Seen::of(port, attrs).observed(), window.seconds);
        checks.extend(verdict.map(|verdict| Check::new(question.id, &port.locator, verdict, question.expected, observed, source)));
    }
    for port in before.iter().filter(|port| !after.iter().any(|other| other.locator == port.locator)) {
        let verdict = match (question.id == CARRIER.id, is_strict(site)) {
            (true, true) => Some(Verdict::Fail("the port is no longer there".into())),
            (_, _) => lone(site, port, "it is no longer there"),
        };
        let seen = Seen::of(port, attrs);
        checks.extend(verdict.map(|verdict| question.answer(&port.locator, &seen, verdict)));
    }
    if checks.is_empty() { vec![question.absent(site, Kind::Nic.name(), nobody, "ethtool and /sys/class/net")] } else { checks }
}

// Where nothing was ordered, an adapter is plugged in and out as one likes; a card on PCI is not.
fn lone(site: &Site, port: &Component, why: &str) -> Option<Verdict> {
    let is_card = *port.reading(Attr::PciId) != Reading::Absent;
    (is_strict(site) || is_card).then(|| Verdict::Inconclusive(Reason::Invalid(why.into())))
}

pub(in super::super) fn carrier_stable(window: &Window<'_>, site: &Site) -> Vec<Check> {
    const TRANSITIONS: &[Attr] = &[Attr::CarrierChanges, Attr::LinkDownEvents];
    each(&CARRIER, window, site, TRANSITIONS, "no port counts link transitions", |pair| {
        // A radio comes and goes with who carries it about.
        if text(pair.after, Attr::LinkLayer) == Ok(Some("802.11")) {
            return None;
        }
        let (grown, doubt) = pair.growth(TRANSITIONS);
        Some(match (rises(&grown), doubt) {
            (Some(rises), _) => Verdict::Fail(rises),
            (None, Some(reason)) => Verdict::Inconclusive(reason),
            (None, None) if grown.iter().any(|(attr, _)| *attr == Attr::CarrierChanges) => Verdict::pass_on(pair.seen(TRANSITIONS).evidence()),
            (None, None) if is_strict(site) => absent(site, format!("{} does not count link transitions", pair.after.locator)),
            (None, None) => return None,
        })
    })
}

pub(in super::super) fn post_fec_errors(window: &Window<'_>, site: &Site) -> Vec<Check> {
    each(&POST_FEC, window, site, ERRORS, "no port with a link counts errors after FEC", |pair| {
        linked(site, pair, ERRORS, |grown| {
            if let Some(rises) = rises(grown) {
                return Verdict::Fail(rises);
            }
            if is_strict(site) && window.seconds < POST_FEC_SECONDS {
                let why = format!("no error in {} s; that there is none is said of {POST_FEC_SECONDS} s at least", window.seconds);
                return Verdict::Inconclusive(Reason::NotRun(why));
            }
            Verdict::pass_on(pair.seen(ERRORS).evidence())
        })
    })
}

pub(in super::super) fn pre_fec_rate(window: &Window<'_>, site: &Site) -> Vec<Check> {
    pre_fec(&PRE_FEC, PRE_FEC_MOST, window, site)
}

pub(in super::super) fn pre_fec_rate_expected(window: &Window<'_>, site: &Site) -> Vec<Check> {
    pre_fec(&PRE_FEC_EXPECTED, PRE_FEC_EXPECTED_MOST, window, site)
}

fn pre_fec(question: &Question, most: f64, window: &Window<'_>, site: &Site) -> Vec<Check> {
    each(question, window, site, RATE, "no port with a link counts corrected bits", |pair| {
        // For how long a link that is down now carried bits is not known; that it went down is another question.
        if is_up(pair.after) == Ok(false) {
            return None;
        }
        linked(site, pair, &[Attr::CorrectedBits], |grown| {
            let corrected = grown.iter().fold(0, |_, (_, growth)| *growth);
            match received(pair, window, corrected) {
                Err(reason) => Verdict::Inconclusive(reason),
                Ok(bits) if ratio(corrected, bits) > most => {
                    Verdict::Fail(format!("{corrected} of {bits} bits were corrected: {:.2e}, above {most:e}", ratio(corrected, bits)))
                }
                Ok(_) => Verdict::pass_on(pair.seen(RATE).evidence()),
            }
        })
    })
}

/// The bits of the window, idle ones included. `mlx5_core` counts them in kernels since 2026 only; before, they are what a link that did not go down carried.
fn received(pair: &Pair<'_>, window: &Window<'_>, corrected: u64) -> Result<u64, Reason> {
    let speed = count(pair.after, Attr::Speed)?;
    let seconds = u64::try_from(window.seconds).unwrap_or(0);
    let carried = speed.map(|speed| speed.saturating_mul(seconds));
    let bits = match (pair.grown(Attr::ReceivedBits)?, carried) {
        (Some(bits), Some(carried)) if bits / LINE_RATE_MOST > carried.saturating_add(speed.unwrap_or(0)) => {
            return Err(Reason::Invalid(format!("{bits} bits in {seconds} s are more than the link carries")));
        }
        (Some(bits), _) => bits,
        (None, None) => return Err(Reason::Unreadable(format!("{} counts no bits and tells no speed", pair.after.locator))),
        (None, Some(_)) if speed != count(pair.before, Attr::Speed)? || pair.grown(Attr::CarrierChanges)? != Some(0) => {
            return Err(Reason::Invalid(format!("{} counts no bits, and its link was not the same all the time", pair.after.locator)));
        }
        (None, Some(carried)) => carried,
    };
    if corrected > bits {
        return Err(Reason::Invalid(format!("{corrected} bits were corrected of {bits} received")));
    }
    if bits < BITS_MIN {
        return Err(Reason::NotRun(format!("{bits} bits were received between the looks, too few to tell a rate")));
    }
    Ok(bits)
}

pub(in super::super) fn drops(window: &Window<'_>, site: &Site) -> Vec<Check> {
    const SEEN: &[Attr] =
        &[Attr::ReceiveDiscards, Attr::TransmitDiscards, Attr::OutOfBuffer, Attr::SteerMissed, Attr::ReceivedPackets, Attr::TransmittedPackets];
    each(&DROPS, window, site, SEEN, "no port with a link counts drops", |pair| {
        let verdict = |grown: &[(Attr, u64)]| {
            let dropped = grown.iter().fold(0_u64, |sum, (_, growth)| sum.saturating_add(*growth));
            if dropped == 0 {
                return Verdict::pass_on(pair.seen(SEEN).evidence());
            }
            let packets = [Attr::ReceivedPackets, Attr::TransmittedPackets].map(|attr| pair.grown(attr));
            match packets {
                [Ok(Some(received)), Ok(Some(sent))] => {
                    let packets = received.saturating_add(sent);
                    if packets > 0 && ratio(dropped, packets) <= DROPS_MOST {
                        Verdict::pass_on(pair.seen(SEEN).evidence())
                    } else {
                        Verdict::Fail(format!("{dropped} dropped beside {packets} packets"))
                    }
                }
                [Err(reason), _] | [_, Err(reason)] => Verdict::Inconclusive(reason),
                [Ok(_), Ok(_)] => absent(site, format!("{} dropped {dropped} and does not count its packets", pair.after.locator)),
            }
        };
        linked(site, pair, DROPPED, verdict)
    })
}

/// The verdict on the growth of counters of a port that has a link. What was found is a fault whatever else cannot be told; nothing found is no pass when one of
/// them cannot.
fn linked(site: &Site, pair: &Pair<'_>, attrs: &[Attr], judge: impl Fn(&[(Attr, u64)]) -> Verdict) -> Option<Verdict> {
    match (is_up(pair.before), is_up(pair.after)) {
        (Ok(false), Ok(false)) => return None,
        (Err(reason), _) | (_, Err(reason)) => return Some(Verdict::Inconclusive(reason)),
        (Ok(_), Ok(_)) => {}
    }
    let is_asked = is_strict(site) && is_ordered(site, pair.after);
    if pair.lacks_all(attrs) {
        return is_asked.then(|| absent(site, format!("{} counts none of {}", pair.after.locator, names(attrs))));
    }
    let (grown, doubt) = pair.growth(attrs);
    let missing: Vec<Attr> = attrs.iter().copied().filter(|attr| *pair.after.reading(*attr) == Reading::Absent).collect();
    Some(match (judge(&grown), doubt) {
        (fault @ Verdict::Fail(_), _) => fault,
        (_, Some(reason)) => Verdict::Inconclusive(reason),
        (_, None) if is_asked && !missing.is_empty() => absent(site, format!("{} has no {}", pair.after.locator, names(&missing))),
        (verdict, None) => verdict,
    })
}

fn names(attrs: &[Attr]) -> String {
    attrs.iter().map(|attr| attr.name()).collect::<Vec<_>>().join(", ")
}

/// Those that rose, for people.
fn rises(grown: &[(Attr, u64)]) -> Option<String> {
    let rises: Vec<String> = grown.iter().filter(|(_, growth)| *growth > 0).map(|(attr, growth)| format!("{attr} rose by {growth}")).collect();
    (!rises.is_empty()).then(|| rises.join(", "))
}

#[allow(clippy::cast_precision_loss, reason = "a share of counts needs no more than 53 bits")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests;
