//! What a stream says of an outage: the last good packet and the first good one, what was lost between them, and what part of the silence was the harness's own.
//! Pure: it takes what the sending half says of a direction and what the receiving half says, and believes neither where they contradict each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::StreamHalf;
use super::arrivals::{Arrival, FlowReceived, GAPS_KEPT, RANGES_KEPT, Sequences, Silence};

/// Time in which nothing of a flow came although packets were sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The last good packet; None when none came before.
    pub last_good: Option<Arrival>,
    /// The first good packet after it; None when none came any more.
    pub first_good: Option<Arrival>,
    /// How long the network was silent at least: without the time in which the harness was silent itself.
    pub at_least_ns: u64,
    /// How long it was silent at most; None when only one end of it was seen.
    pub at_most_ns: Option<u64>,
    /// How much of it the harness may have caused.
    pub harness_ns: u64,
    /// Packets of the flow that were lost in it; None when there were too many ranges to keep them all.
    pub lost: Option<u64>,
}

/// How a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Packets came to the end.
    Resumed,
    /// Packets were sent and none came any more: the last of the gaps has no end.
    NotResumed,
}

/// One flow in one direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowTimeline {
    /// The flow.
    pub flow: u16,
    /// Packets that were sent, or that the sender's own kernel refused.
    pub sent: u64,
    /// Those that the sender's own kernel refused, by its words; they are among the lost.
    pub refused: BTreeMap<String, u64>,
    /// Packets that came, each counted once.
    pub received: u64,
    /// Packets that came again.
    pub duplicated: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that were sent while the receiver listened, and did not come.
    pub lost: u64,
    /// Those, as far as ranges were kept.
    pub lost_ranges: Vec<Sequences>,
    /// Packets of which nothing can be said, since the receiver had stopped to listen.
    pub unheard: u64,
    /// Packets that the harness sent more than a period late.
    pub late: u64,
    /// How late the latest was.
    pub latest_ns: u64,
    /// Gaps from the threshold on, in order of time; of very many the longest.
    pub gaps: Vec<Gap>,
    /// The shortest silence that is a gap.
    pub threshold_ns: u64,
    /// Whether it was there to the end.
    pub end: End,
}

/// An instant on the clock of the receiver, known as exactly as clocks of two hosts can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// Nanoseconds since the boot of the receiver.
    pub at_ns: u64,
    /// It is no further from there than this.
    pub uncertainty_ns: u64,
}

/// Where a gap lies in relation to a moment, both ways as exactly as the moment is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// From the moment to the last good packet; negative when that was before it.
    pub last_good_ns: Option<i64>,
    /// From the moment to the first good packet after the gap.
    pub first_good_ns: Option<i64>,
    /// Either may be wrong by so much.
    pub uncertainty_ns: u64,
}

/// Why the two halves of a direction cannot both be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the halves of flow {flow} contradict each other: {what}")]
pub struct Contradiction {
    /// The flow.
    pub flow: u16,
    /// What does not fit.
    pub what: String,
}

/// All flows in the direction from one half to the other.
pub fn timelines(sender: &StreamHalf, receiver: &StreamHalf) -> Result<Vec<FlowTimeline>, Contradiction> {
    let contradiction = |flow, what: String| Contradiction { flow, what };
    if sender.refused.len() != receiver.received.len() || sender.refused.is_empty() {
        let what = format!("{} flows were sent and {} received", sender.refused.len(), receiver.received.len());
        return Err(contradiction(0, what));
    }
    if sender.shape != receiver.shape {
        return Err(contradiction(0, "they were told to do different things".to_owned()));
    }
    let flows = receiver.received.iter().zip(&sender.refused).zip(0..);
    let timeline = |((received, refused), flow): ((&FlowReceived, &BTreeMap<String, u64>), u16)| {
        consistent(sender, receiver, received, refused, flow).map_err(|what| contradiction(flow, what))?;
        Ok(timeline(sender, receiver, received, refused))
    };
    flows.map(timeline).collect()
}

fn consistent(sender: &StreamHalf, receiver: &StreamHalf, received: &FlowReceived, refused: &BTreeMap<String, u64>, flow: u16) -> Result<(), String> {
    let fits = |fits: bool, what: &str| if fits { Ok(()) } else { Err(what.to_owned()) };
    let ticks = sender.pace.ticks;
    let end = received.highest.map_or(0, |highest| highest.saturating_add(1));
    let refusals = refused.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    fits(received.flow == flow, "flows are out of order")?;
    fits(ticks > 0, "nothing was sent")?;
    fits(end <= ticks, "a packet came that was never sent")?;
    fits(received.received.checked_add(received.missing) == Some(end), "what came and what is missing do not add up to the highest number")?;
    fits(received.received.checked_add(refusals).is_some_and(|sum| sum <= ticks), "packets came that the sender's own kernel had refused")?;
    fits(
        received.first.is_some() == (received.received > 0) && received.last.is_some() == (received.received > 0),
        "there are packets without a first or last",
    )?;
    fits(received.between.len() == received.received.saturating_sub(1), "times between packets and packets differ in number")?;

    let ranges = &received.missing_ranges;
    let in_order =
        ranges.windows(2).all(|pair| pair[0].last < pair[1].first) && ranges.iter().all(|range| range.first <= range.last && range.last < end);
    fits(in_order, "ranges of missing packets are out of order")?;
    let missing: u64 = ranges.iter().map(|range| range.last - range.first + 1).sum();
    fits(missing == received.missing || (ranges.len() == RANGES_KEPT && missing < received.missing), "ranges and number of missing packets differ")?;

    let silences = &received.silences_kept;
    let kept = u64::try_from(silences.len()).expect("a few thousand");
    fits(kept == received.silences || (silences.len() == GAPS_KEPT && kept < received.silences), "silences and their number differ")?;
    let in_order = silences.windows(2).all(|pair| pair[0].next.at_ns <= pair[1].last.at_ns);
    fits(in_order && silences.iter().all(|silence| silence.length_ns() >= receiver.shape.gap_ns), "silences are out of order or too short")?;
    let longest = silences.iter().map(Silence::length_ns).max().unwrap_or(0);
    // The histogram has three digits.
    let between = received.between.longest().unwrap_or(0);
    let is_alike = between.abs_diff(longest) <= between / 500 || longest >= 99_000_000_000 || between < receiver.shape.gap_ns;
    fits(is_alike && (longest > 0 || between <= receiver.shape.gap_ns), "the longest silence is not the longest time between packets")?;
    let (Some(first), Some(last)) = (received.first, received.last) else { return Ok(()) };
    let from_to = receiver.listened_from_ns <= first.at_ns && first.at_ns <= last.at_ns && last.at_ns <= receiver.listened_until_ns;
    fits(from_to && first.sequence < end && last.sequence < end, "packets came when nobody listened")?;
    let inside = |arrival: &Arrival| first.at_ns <= arrival.at_ns && arrival.at_ns <= last.at_ns && arrival.sequence < end;
    fits(silences.iter().all(|silence| inside(&silence.last) && inside(&silence.next)), "a silence is not between packets")
}

fn timeline(sender: &StreamHalf, receiver: &StreamHalf, received: &FlowReceived, refused: &BTreeMap<String, u64>) -> FlowTimeline {
    let (period_ns, threshold_ns) = (receiver.shape.period_ns, receiver.shape.gap_ns);
    let end = received.highest.map_or(0, |highest| highest + 1);
    let behind = sender.pace.ticks - end;
    let listened_from = received.last.map_or(receiver.listened_from_ns, |last| last.at_ns);
    // What was sent after the last that came, and was still listened for.
    let heard = behind.min(receiver.listened_until_ns.saturating_sub(listened_from) / period_ns);

    let mut gaps = Vec::new();
    if let Some(first) = received.first.filter(|first| first.sequence.saturating_mul(period_ns) >= threshold_ns) {
        let harness_ns = sender.pace.silent_ns(0, first.sequence);
        let silent_ns = first.sequence * period_ns;
        let lost = lost_between(received, None, first.sequence);
        gaps.push(Gap {
            last_good: None,
            first_good: Some(first),
            at_least_ns: silent_ns.saturating_sub(harness_ns),
            at_most_ns: None,
            harness_ns,
            lost,
        });
    }
    gaps.extend(received.silences_kept.iter().map(|silence| between(sender, receiver, received, silence)));
    let silent_ns = heard.saturating_mul(period_ns);
    let not_resumed = received.received == 0 || (heard > 0 && silent_ns >= threshold_ns);
    if not_resumed {
        let harness_ns = sender.pace.silent_ns(end.saturating_sub(1), end + heard).min(silent_ns);
        gaps.push(Gap {
            last_good: received.last,
            first_good: None,
            at_least_ns: silent_ns - harness_ns,
            at_most_ns: None,
            harness_ns,
            lost: Some(heard),
        });
    }
    let mut lost_ranges = received.missing_ranges.clone();
    lost_ranges.extend((heard > 0).then(|| Sequences { first: end, last: end + heard - 1 }));
    FlowTimeline {
        flow: received.flow,
        sent: sender.pace.ticks,
        refused: refused.clone(),
        received: received.received,
        duplicated: received.duplicated,
        reordered: received.reordered,
        lost: received.missing + heard,
        lost_ranges,
        unheard: behind - heard,
        late: sender.pace.late,
        latest_ns: sender.pace.latest_ns,
        gaps,
        threshold_ns,
        end: if not_resumed { End::NotResumed } else { End::Resumed },
    }
}

fn between(sender: &StreamHalf, receiver: &StreamHalf, received: &FlowReceived, silence: &Silence) -> Gap {
    let length_ns = silence.length_ns();
    // Numbers may go down where packets overtook each other.
    let (low, high) = (silence.last.sequence.min(silence.next.sequence), silence.last.sequence.max(silence.next.sequence));
    let blind_ns = receiver.blind_ns(silence.last.at_ns, silence.next.at_ns);
    let harness_ns = sender.pace.silent_ns(low, high).saturating_add(blind_ns).min(length_ns);
    Gap {
        last_good: Some(silence.last),
        first_good: Some(silence.next),
        at_least_ns: length_ns - harness_ns,
        at_most_ns: Some(length_ns),
        harness_ns,
        lost: lost_between(received, Some(low), high),
    }
}

// Missing packets after `low` and before `high`; None when not all ranges are known.
fn lost_between(received: &FlowReceived, low: Option<u64>, high: u64) -> Option<u64> {
    let known: u64 = received.missing_ranges.iter().map(|range| range.last - range.first + 1).sum();
    let from = low.map_or(0, |low| low + 1);
    let overlap = |range: &Sequences| (range.last + 1).min(high).saturating_sub(range.first.max(from));
    (known == received.missing).then(|| received.missing_ranges.iter().map(overlap).sum())
}

impl Gap {
    /// How long it was at most, as far as it was seen.
    pub fn length_ns(&self) -> u64 {
        self.at_most_ns.unwrap_or(self.at_least_ns)
    }

    /// Whether it was over by then, as far as both are known: what happened then has not made it.
    pub fn is_over_by(&self, moment: &Moment) -> bool {
        self.first_good.is_some_and(|good| good.at_ns.saturating_add(moment.uncertainty_ns) < moment.at_ns)
    }

    /// Where it lies in relation to a moment.
    pub fn since(&self, moment: &Moment) -> Since {
        // Further than that is no time since a boot, and whoever says so is not believed elsewhere.
        let from = |arrival: &Arrival| {
            let far = i128::from(arrival.at_ns) - i128::from(moment.at_ns);
            i64::try_from(far).unwrap_or(if far < 0 { i64::MIN } else { i64::MAX })
        };
        Since {
            last_good_ns: self.last_good.as_ref().map(from),
            first_good_ns: self.first_good.as_ref().map(from),
            uncertainty_ns: moment.uncertainty_ns,
        }
    }
}

impl FlowTimeline {
    /// The longest gap that was not over by a moment: the one that what happened then may have made. The longest, since a harness that is late around the
    /// moment makes short ones of its own.
    pub fn longest_since(&self, moment: &Moment) -> Option<&Gap> {
        self.gaps.iter().filter(|gap| !gap.is_over_by(moment)).max_by_key(|gap| gap.length_ns())
    }
}

#[cfg(test)]
mod tests;
