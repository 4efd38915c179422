//! What RDMA brings over, or how long its messages take. Both halves run on the nodes and tell each other what they did and saw; a figure is one on which both
//! agree, of content that was compared, over a path whose ports counted neither congestion nor loss meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use assay_bench::net::token::Token;
use assay_model::attr::Kind;
use assay_model::inventory::{Inventory, Observed};
use assay_model::metric::Direction;
use assay_model::run::Condition;
use assay_model::unit::Unit;
use assay_rdma::result::Port;
use assay_rdma::{Endpoint, Measure, Operation, RdmaConnect, RdmaListen, RdmaResult, Workload, perftest};

use super::carrier::Carrier;
use super::{AT_ONCE, Both, congestion, float, told, unless_told};
use crate::plan::End;
use crate::remote::Remote;
use crate::remote::task::rdma::{self, PortsSpec, RdmaHalf};
use crate::runner::bench::{Outcome, Trouble};

/// For how long nothing may happen at a half. Memory is filled with what will be compared before the first message goes.
const PATIENCE_MS: u64 = 20_000;
/// The other end must have seen this share of what was completed, in its own measured time.
const ARRIVED: f64 = 0.8;
/// A quantile of one in a thousand is one of a thousand at least.
const THOUSAND: u64 = 1000;

/// Measures it.
pub(super) async fn measure(both: &Both<'_>, workload: &Workload, gid_index: Option<u32>) -> Result<Outcome, Trouble> {
    let mut outcome = Outcome::default();
    let (connect, serve) = unless_told(both.stop, async {
        let before = ports(both).await?;
        let halves = flow(both, workload, gid_index).await?;
        let after = ports(both).await?;
        for (end, before, after) in [(&both.net.from, &before.0, &after.0), (&both.net.to, &before.1, &after.1)] {
            counted(both, end, before, after, &mut outcome);
        }
        Ok::<_, Trouble>(halves)
    })
    .await??;
    match agreed(workload, connect, serve)? {
        Agreed::Wrong(what) => {
            let message = u64::from(workload.message_bytes);
            (outcome.all_operations, outcome.verified) = (message, message);
            outcome.corrupt.insert("messages that were not sent so".to_owned(), 1);
            outcome.notes.insert(both.note("corrupt"), what);
        }
        Agreed::Figures(result) => record(both, workload, &result, &mut outcome)?,
    }
    Ok(outcome)
}

/// The ports of both ends.
async fn ports(both: &Both<'_>) -> Result<(Inventory, Inventory), Trouble> {
    let of = async |remote: &Remote, end: &End| {
        let inventory: Inventory = remote.call(rdma::PORTS, &PortsSpec::default(), AT_ONCE).await.map_err(told)?;
        Ok::<_, Trouble>(Inventory { host: end.node.clone(), ..inventory })
    };
    let (from, to) = tokio::join!(of(both.from, &both.net.from), of(both.to, &both.net.to));
    Ok((from?, to?))
}

async fn flow(both: &Both<'_>, workload: &Workload, gid_index: Option<u32>) -> Result<(RdmaHalf, RdmaHalf), Trouble> {
    let token = Token::fresh().map_err(|error| format!("cannot make a token: {error}"))?;
    let endpoint = |end: &End| Endpoint { gid_index, ..Endpoint::at(end.address) };
    let (workload, patience_ms) = (workload.clone(), PATIENCE_MS);
    let listen = RdmaListen { endpoint: endpoint(&both.net.to), token, workload: workload.clone(), patience_ms, plant: None };
    let mut serving = both.to.start(rdma::SERVE, &listen).map_err(told)?;
    let Some(peer) = serving.event::<SocketAddr>(AT_ONCE).await.map_err(told)? else {
        // It has ended before it was ready, and says why.
        let ended = serving.finish::<RdmaHalf>(AT_ONCE).await;
        return Err(ended.map_or_else(told, |_| Trouble::Failed("the listening half was never ready".to_owned())));
    };
    let connect = RdmaConnect { endpoint: endpoint(&both.net.from), peer, token, workload, patience_ms, plant: None };
    let connecting = both.from.start(rdma::CONNECT, &connect).map_err(told)?;
    let connect: RdmaHalf = connecting.finish(both.within()).await.map_err(told)?;
    let serve: RdmaHalf = serving.finish(AT_ONCE).await.map_err(told)?;
    Ok((connect, serve))
}

#[derive(Debug)]
enum Agreed {
    Figures(Box<RdmaResult>),
    Wrong(String),
}

/// What both halves say; what only one of them says is nothing.
fn agreed(workload: &Workload, connect: RdmaHalf, serve: RdmaHalf) -> Result<Agreed, String> {
    let (near, far) = match (connect, serve) {
        (RdmaHalf::Measured(near), RdmaHalf::Measured(far)) => (near, far),
        (RdmaHalf::WrongContent(what), _) | (_, RdmaHalf::WrongContent(what)) => return Ok(Agreed::Wrong(what)),
    };
    if (&near.local, &near.remote, near.mtu) != (&far.remote, &far.local, far.mtu) {
        return Err("the two halves do not say the same of their ports".to_owned());
    }
    if (&near.forth, &near.back) != (&far.forth, &far.back) {
        return Err("the two halves do not say the same of what they did".to_owned());
    }
    let forth = &near.forth;
    let done = forth.completed;
    if done.messages == 0 || done.messages > forth.messages || done.bytes != done.messages.saturating_mul(workload.message_bytes.into()) {
        return Err(format!("{} messages and {} bytes of {} messages in all cannot be", done.messages, done.bytes, forth.messages));
    }
    // Latency is that of as many messages as go in the time; bandwidth has the time.
    if workload.measure == Measure::Bandwidth && Duration::from_nanos(done.elapsed_ns) < workload.runtime() {
        return Err(format!("it was measured for {} ns instead of {} ms", done.elapsed_ns, workload.runtime_ms));
    }
    if forth.verified_bytes == 0 {
        return Err("no content was compared".to_owned());
    }
    if (workload.measure == Measure::Latency) != near.latency.is_some() {
        return Err("the half that connects says no latency, or one that was not asked for".to_owned());
    }
    Ok(Agreed::Figures(near))
}

fn record(both: &Both<'_>, workload: &Workload, result: &RdmaResult, outcome: &mut Outcome) -> Result<(), Trouble> {
    let family = both.net.spec.family();
    let forth = &result.forth;
    let done = forth.completed;
    outcome.elapsed += Duration::from_nanos(done.elapsed_ns);
    outcome.operations += done.messages;
    outcome.bytes += done.bytes;
    outcome.all_operations += forth.messages.saturating_mul(workload.message_bytes.into());
    outcome.verified += forth.verified_bytes;
    let compared = workload.compared();
    let mut figure = |name: String, unit, direction, value| {
        let mut figure = both.figure(name, unit, direction, value);
        figure.dimensions.insert("compared".to_owned(), compared.to_owned());
        outcome.figures.push(figure);
    };
    match &result.latency {
        None => {
            figure(format!("{family}.bandwidth"), Unit::BytesPerSecond, Direction::HigherIsBetter, done.bandwidth());
            figure(format!("{family}.rate"), Unit::OpsPerSecond, Direction::HigherIsBetter, done.rate());
            if workload.operation == Operation::Write && workload.pairs == 1 {
                // One connection is one flow, which leaves by one port whatever the bond.
                figure("nic.port.rdma_goodput".to_owned(), Unit::BitsPerSecond, Direction::HigherIsBetter, done.bandwidth() * 8.0);
            }
        }
        Some(latency) => {
            let rare = if latency.count >= THOUSAND { float(latency.p99_9_ns) } else { f64::NAN };
            for (word, value) in [("p50", float(latency.p50_ns)), ("p99", float(latency.p99_ns)), ("p99_9", rare)] {
                figure(format!("{family}.{word}"), Unit::Nanoseconds, Direction::LowerIsBetter, value);
            }
        }
    }
    if let Some(arrived) = forth.arrived.filter(|arrived| float(arrived.messages) < ARRIVED * float(done.messages)) {
        let what = format!("{family}: of {} messages that were completed the other end saw {} arrive in its time", done.messages, arrived.messages);
        outcome.doubts.push(Condition::NotSteady(what));
    }
    let (local, remote) = (&result.local, &result.remote);
    let processor = float(forth.cpu_ns) / float(done.bytes.max(1));
    let text = format!(
        "RC over RoCE v2, {} to {}, path MTU {}; compared: {} of {} bytes ({compared}); {processor:.3} ns of processor time per byte where they were issued",
        port(local),
        port(remote),
        result.mtu,
        forth.verified_bytes,
        forth.messages.saturating_mul(workload.message_bytes.into())
    );
    outcome.notes.insert(both.note("RDMA"), text);
    let serve = perftest::command(workload, remote, None);
    let connect = perftest::command(workload, local, Some(both.net.to.address));
    outcome.notes.insert(both.note("perftest"), format!("on {}: {serve}; on {}: {connect}", both.net.to.node, both.net.from.node));
    Ok(())
}

fn port(port: &Port) -> String {
    let address = port.gid.to_ipv4_mapped().map_or_else(|| port.gid.to_string(), |address| address.to_string());
    format!("{} port {} GID {} ({address})", port.device, port.port, port.gid_index)
}

/// What the ports of an end counted meanwhile.
fn counted(both: &Both<'_>, end: &End, before: &Inventory, after: &Inventory, outcome: &mut Outcome) {
    let note = |outcome: &mut Outcome, text: String| drop(outcome.notes.insert(both.note(&format!("congestion at {}", end.node)), text));
    let carrier = match Carrier::of(before, end.address) {
        Ok(carrier) => carrier,
        Err(why) => {
            outcome.doubts.push(Condition::NeighbourBusy(format!("whether the network held RDMA back at {} cannot be told: {why}", end.node)));
            return;
        }
    };
    for looked in [before, after] {
        if let Observed::Unknown(why) = looked.of(Kind::Nic) {
            outcome.doubts.push(Condition::DeviceErrors(format!("counters cannot be told at {}: {why}", end.node)));
            return;
        }
    }
    let found = congestion::between(before, after, &carrier.ports);
    let ports = carrier.ports.join(", ");
    if found.compared == 0 && found.unknown.is_empty() {
        note(outcome, format!("{ports} count neither congestion nor pauses"));
        return;
    }
    let figure = both.figure(format!("{}.held_back", both.net.spec.family()), Unit::Count, Direction::LowerIsBetter, float(found.held_back));
    let mut figure = figure;
    figure.dimensions.insert("at".to_owned(), end.node.clone());
    outcome.figures.push(figure);
    let rose: Vec<&str> = found.held_back_by.iter().chain(&found.lost).map(String::as_str).collect();
    let rose = if rose.is_empty() { format!("{} counters of {ports}, none rose", found.compared) } else { rose.join(", ") };
    note(outcome, rose);
    let said = |what: &[String]| format!("{}: {}", end.node, what.join(", "));
    if !found.held_back_by.is_empty() {
        outcome.doubts.push(Condition::NeighbourBusy(format!("the network held RDMA back at {}", said(&found.held_back_by))));
    }
    if !found.lost.is_empty() {
        outcome.doubts.push(Condition::DeviceErrors(format!("packets were lost and sent again at {}", said(&found.lost))));
    }
    if !found.unknown.is_empty() {
        outcome.doubts.push(Condition::DeviceErrors(format!("counters cannot be told at {}", said(&found.unknown))));
    }
}

#[cfg(test)]
mod tests {
    use assay_rdma::result::{Direction as Way, Latency, Window};

    use super::*;

    fn workload() -> Workload {
        Workload::bandwidth(Operation::Write, 4096, Duration::from_secs(1))
    }

    fn port(last: u8) -> Port {
        Port { device: "rxe0".into(), port: 1, gid: format!("::ffff:10.9.0.{last}").parse().expect("a GID"), gid_index: 1, active_mtu: 1024 }
    }

    fn half(local: u8, remote: u8) -> RdmaResult {
        let completed = Window { messages: 1000, bytes: 4_096_000, elapsed_ns: 1_000_000_000 };
        let forth = Way { completed, arrived: Some(completed), messages: 1200, verified_bytes: 4_096_000, cpu_ns: 1 };
        RdmaResult { local: port(local), remote: port(remote), mtu: 1024, forth, back: None, latency: None }
    }

    fn halves(plant: impl Fn(&mut RdmaResult, &mut RdmaResult)) -> Result<Agreed, String> {
        let (mut near, mut far) = (half(11, 12), half(12, 11));
        plant(&mut near, &mut far);
        agreed(&workload(), RdmaHalf::Measured(Box::new(near)), RdmaHalf::Measured(Box::new(far)))
    }

    #[test]
    fn a_figure_is_one_on_which_both_halves_agree() {
        assert!(matches!(halves(|_, _| {}), Ok(Agreed::Figures(_))));
        type Plant = fn(&mut RdmaResult, &mut RdmaResult);
        let planted: [(Plant, &str); 8] = [
            (|near, _| near.forth.completed.messages += 1, "what they did"),
            (|_, far| far.forth.verified_bytes += 1, "what they did"),
            (|_, far| far.local.gid_index = 3, "their ports"),
            (|near, _| near.mtu = 4096, "their ports"),
            (|near, far| (near.forth.completed.bytes, far.forth.completed.bytes) = (1, 1), "cannot be"),
            (|near, far| (near.forth.messages, far.forth.messages) = (999, 999), "cannot be"),
            (|near, far| (near.forth.completed.elapsed_ns, far.forth.completed.elapsed_ns) = (999_999_999, 999_999_999), "instead of 1000 ms"),
            (|near, far| (near.forth.verified_bytes, far.forth.verified_bytes) = (0, 0), "no content was compared"),
        ];
        for (plant, word) in planted {
            let why = halves(plant).expect_err(word);
            assert!(why.contains(word), "{word}: {why}");
        }
        let latency = Latency { count: 1, min_ns: 1, p50_ns: 1, p90_ns: 1, p99_ns: 1, p99_9_ns: 1, max_ns: 1, buckets: vec![(1, 1)] };
        assert!(halves(|near, _| near.latency = Some(latency.clone())).expect_err("not asked for").contains("latency"));
    }

    #[test]
    fn wrong_content_that_either_half_has_seen_is_wrong_content() {
        let right = || RdmaHalf::Measured(Box::new(half(11, 12)));
        let wrong = || RdmaHalf::WrongContent("byte 7".into());
        for (near, far) in [(wrong(), right()), (right(), wrong()), (wrong(), wrong())] {
            assert!(matches!(agreed(&workload(), near, far), Ok(Agreed::Wrong(what)) if what == "byte 7"));
        }
    }
}
