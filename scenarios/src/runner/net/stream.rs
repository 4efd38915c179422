//! The probe stream of a drill: a packet per millisecond and flow, each way, between two nodes. What was lost, from the last good packet to the first good one, is the
//! outage of that pair.

use std::net::SocketAddr;

use assay_bench::net::stream::timeline::{FlowTimeline, Gap, Moment, timelines};
use assay_bench::net::stream::{Shape, StreamConnect, StreamHalf, StreamListen};
use assay_bench::net::token::Token;
use assay_model::metric::Direction;
use assay_model::outage::Outage;
use assay_model::run::Condition;
use assay_model::unit::Unit;

use super::timeline::{self, Acts};
use super::{AROUND, AT_ONCE, Both, float, told};
use crate::remote::task::halves;
use crate::remote::{ClockOffset, Remote, RemoteTask};
use crate::runner::bench::{Outcome, Trouble};
use crate::scenario::{LinkFault, Probing};

/// Flows: enough that every member of a bond carries some, whatever its hash.
const FLOWS: u16 = 16;
/// Beyond what it is planned for: members that come back late are still heard.
const SPARE_MS: u64 = 120_000;
/// Round trips that the clocks are compared by.
const ROUNDS: u32 = 20;
/// Of an outage the harness may have caused so much.
const OWN_SHARE: f64 = 0.1;

/// Both halves at work.
pub(super) struct Stream<'a> {
    both: &'a Both<'a>,
    connecting: RemoteTask,
    serving: RemoteTask,
    clocks: (ClockOffset, ClockOffset),
}

/// What both halves have seen.
pub(super) struct Seen {
    near: StreamHalf,
    far: StreamHalf,
    pub(super) near_clock: ClockOffset,
    far_clock: ClockOffset,
    /// How much the clocks have drifted meanwhile.
    drifted_ns: u64,
}

/// When it was broken.
pub(super) struct Broke {
    /// By the clock of this process.
    pub(super) near_ns: i128,
    /// What is not known of that.
    pub(super) uncertainty_ns: u64,
    /// When it can have been broken at the earliest: what was silent before is not the fault's.
    pub(super) earliest_ns: i128,
    /// What was done, from then on.
    pub(super) acts: Acts,
    /// What did it.
    pub(super) fault: LinkFault,
}

/// How far the clocks of a node are from those of this process.
pub(super) async fn clock_of(remote: &Remote) -> Result<ClockOffset, Trouble> {
    remote.clock_offset(ROUNDS).await.map_err(told)
}

impl<'a> Stream<'a> {
    /// Begins one that goes on until it is ended, or for `most_ms` and the time in which a member comes back.
    pub(super) async fn begin(both: &'a Both<'a>, probing: Probing, most_ms: u64) -> Result<Self, Trouble> {
        let runtime_ms = most_ms + SPARE_MS;
        let clocks = (clock_of(both.from).await?, clock_of(both.to).await?);
        let token = Token::fresh().map_err(|error| format!("cannot make a token: {error}"))?;
        let shape = Shape::drill(probing.interval_ms * 1_000_000, runtime_ms * 1_000_000);
        let listen = StreamListen { token, address: SocketAddr::new(both.net.to.address, 0), flows: FLOWS, shape };
        let mut serving = both.to.start(halves::STREAM_SERVE, &listen).map_err(told)?;
        let Some(peer) = serving.event::<SocketAddr>(AT_ONCE).await.map_err(told)? else {
            return Err(serving.finish::<StreamHalf>(AT_ONCE).await.map_or_else(told, |_| Trouble::Failed("the stream was never ready".to_owned())));
        };
        let address = SocketAddr::new(both.net.from.address, 0);
        let asked = StreamConnect { token, address, peer, source_ports: vec![0; usize::from(FLOWS)], shape };
        let connecting = both.from.start(halves::STREAM_CONNECT, &asked).map_err(told)?;
        Ok(Self { both, connecting, serving, clocks })
    }

    /// Ends it: the half that is told so says goodbye to the other one.
    pub(super) async fn end(self) -> Result<Seen, Trouble> {
        self.connecting.cancel();
        let near: StreamHalf = self.connecting.finish(AROUND).await.map_err(told)?;
        let far: StreamHalf = self.serving.finish(AROUND).await.map_err(told)?;
        let (near_clock, far_clock) = self.clocks;
        let (near_later, far_later) = (clock_of(self.both.from).await?, clock_of(self.both.to).await?);
        let drifted_ns = near_clock.drift(&near_later).moved_ns.unsigned_abs().max(far_clock.drift(&far_later).moved_ns.unsigned_abs());
        Ok(Seen { near, far, near_clock, far_clock, drifted_ns })
    }
}

impl Seen {
    /// The outage of this pair as figures, and its timelines. `which` tells it from other outages of the pair: the port that failed, or the switch.
    pub(super) fn conclude(&self, both: &Both<'_>, name: &str, broke: &Broke, which: (&str, &str), outcome: &mut Outcome) -> Result<(), Trouble> {
        let Seen { near, far, near_clock, far_clock, drifted_ns } = self;
        let uncertainty_ns = near_clock.uncertainty_ns + far_clock.uncertainty_ns + drifted_ns + broke.uncertainty_ns;
        // When it was broken, by the clock of each receiver.
        let by = |at: i128, clock: &ClockOffset| {
            u64::try_from(at + i128::from(clock.monotonic_ns)).map_err(|_| "a clock is before its own boot".to_owned())
        };
        let (near_ns, far_ns) = (by(broke.near_ns, near_clock)?, by(broke.near_ns, far_clock)?);
        let ways = [
            (&both.net.from.node, &both.net.to.node, (near, near_ns), (far, far_ns), by(broke.earliest_ns, far_clock)?),
            (&both.net.to.node, &both.net.from.node, (far, far_ns), (near, near_ns), by(broke.earliest_ns, near_clock)?),
        ];
        let family = both.net.spec.family();
        let (mut worst, mut lost) = (0_u64, 0_u64);
        let (fault, node, port) = (broke.fault.name().to_owned(), both.net.from.node.clone(), which.1.to_owned());
        let mut outage = Outage { family: family.clone(), fault, node, port, ways: Vec::new() };
        for (sender, receiver, (sending, sent_ns), (receiving, at_ns), earliest_ns) in ways {
            let (moment, earliest) = (Moment { at_ns, uncertainty_ns }, Moment { at_ns: earliest_ns, uncertainty_ns });
            if !lasted((sending, sent_ns), (receiving, at_ns), broke.acts.healed.to_ns, uncertainty_ns) {
                return Err(Trouble::Failed(format!(
                    "{name}: the stream from {sender} to {receiver} did not last from before the fault until it was healed"
                )));
            }
            let flows = timelines(sending, receiving).map_err(|why| why.to_string())?;
            if flows.is_empty() {
                return Err(Trouble::Failed(format!("{name}: the stream from {sender} to {receiver} has no flows")));
            }
            // Of all flows: one without an end may be shorter than one that has ended.
            let longest = flows.iter().filter_map(|flow| flow.longest_since(&earliest)).max_by_key(|gap| gap.length_ns());
            let way_lost = flows.iter().fold(0_u64, |sum, flow| sum.saturating_add(flow.lost));
            lost = lost.saturating_add(way_lost);
            // Shorter silences than the threshold are not told from none.
            let silent = longest.map_or(0, Gap::length_ns).max(receiving.shape.gap_ns);
            worst = worst.max(silent);
            let told = story(&flows, longest, receiving.shape.gap_ns, (&moment, &earliest), way_lost);
            outcome.notes.insert(format!("{name} {sender} to {receiver}"), told);
            outage.ways.push(timeline::way((sender, receiver), &flows, receiving, (&moment, &earliest), &broke.acts));
            let before = timeline::silent_before(&flows, &earliest);
            if before > silent {
                let (before, silent) = (float(before) / 1e6, float(silent) / 1e6);
                outcome.doubts.push(Condition::NotSteady(format!(
                    "{name}: {sender} to {receiver} was silent for {before:.1} ms before anything was broken, and for {silent:.1} ms at most after it"
                )));
            }
            if let Some(gap) = longest.filter(|gap| float(gap.harness_ns) > OWN_SHARE * float(gap.length_ns())) {
                let (own, all) = (float(gap.harness_ns) / 1e6, float(gap.length_ns()) / 1e6);
                outcome.doubts.push(Condition::NeighbourBusy(format!(
                    "{name}: of {all:.1} ms without a packet from {sender} to {receiver} the harness itself was silent for {own:.1} ms"
                )));
            }
            let open = flows.iter().filter(|flow| flow.gaps.iter().any(|gap| gap.at_most_ns.is_none())).count();
            if open > 0 {
                outcome
                    .doubts
                    .push(Condition::NotSteady(format!("{name}: only one end of a gap was seen of {open} flows from {sender} to {receiver}")));
            }
            // What was lost could not be compared, and is told by the outage.
            outcome.operations += flows.iter().map(|flow| flow.received).sum::<u64>();
        }
        (outcome.all_operations, outcome.verified) = (outcome.operations, outcome.operations);
        let unheard = near.overflowed + far.overflowed;
        if unheard > 0 {
            outcome.doubts.push(Condition::HostSaturated(format!("{name}: {unheard} packets came and found no room in a socket")));
        }
        let unstamped = near.unstamped + far.unstamped;
        if unstamped > 0 {
            outcome.doubts.push(Condition::AtHarnessFloor(format!("{name}: the kernel did not say when {unstamped} packets came")));
        }
        let damaged = near.damaged + far.damaged;
        if damaged > 0 {
            *outcome.corrupt.entry("damaged packets".to_owned()).or_default() += damaged;
        }
        outcome.outages.push(outage);
        for (word, unit, value) in [("outage", Unit::Nanoseconds, float(worst)), ("lost", Unit::Count, float(lost))] {
            let mut figure = both.figure(format!("{family}.{word}"), unit, Direction::LowerIsBetter, value);
            figure.dimensions.insert(which.0.to_owned(), which.1.to_owned());
            outcome.figures.push(figure);
        }
        Ok(())
    }
}

/// Whether packets were sent and listened for from before the fault until after it was healed. Each end has its own clock, and when it was broken by that.
fn lasted((sending, sent_ns): (&StreamHalf, u64), (receiving, heard_ns): (&StreamHalf, u64), healed_ns: i64, uncertainty_ns: u64) -> bool {
    let spare = i128::from(uncertainty_ns);
    let covers = |from: i128, to: i128, broken: u64| {
        let broken = i128::from(broken);
        from <= broken - spare && to >= broken + i128::from(healed_ns) + spare
    };
    let begin = i128::from(sending.begin_ns);
    let sent = i128::from(sending.pace.ticks.saturating_mul(sending.shape.period_ns));
    covers(begin, begin + sent, sent_ns) && covers(i128::from(receiving.listened_from_ns), i128::from(receiving.listened_until_ns), heard_ns)
}

/// The timeline of one direction, in words: when it was broken, and when it can have been at the earliest.
fn story(flows: &[FlowTimeline], longest: Option<&Gap>, threshold_ns: u64, (moment, earliest): (&Moment, &Moment), lost: u64) -> String {
    let ms = |ns: i64| {
        #[allow(clippy::cast_precision_loss, reason = "milliseconds for people")]
        let ms = ns as f64 / 1e6;
        format!("{ms:+.1} ms")
    };
    let sum = |of: fn(&FlowTimeline) -> u64| flows.iter().map(of).sum::<u64>();
    let hit = flows.iter().filter(|flow| flow.longest_since(earliest).is_some()).count();
    let counted =
        format!("{lost} lost, {} duplicated, {} reordered of {}", sum(|flow| flow.duplicated), sum(|flow| flow.reordered), sum(|flow| flow.sent));
    let Some(gap) = longest else { return format!("no gap of {} ms since the fault; {counted}", threshold_ns / 1_000_000) };
    let since = gap.since(moment);
    let good = |at: Option<i64>| at.map_or_else(|| "never".to_owned(), ms);
    format!(
        "last good {}, first good {} after the fault (within {:.1} ms); longest gap {:.1} ms, {hit} of {} flows hit; {counted}",
        good(since.last_good_ns),
        good(since.first_good_ns),
        float(moment.uncertainty_ns) / 1e6,
        float(gap.length_ns()) / 1e6,
        flows.len(),
    )
}
