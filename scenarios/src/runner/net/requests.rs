//! How long requests over TCP and their responses take, at a fixed rate in an open loop: what a client of a service sees, acknowledgements and retransmissions included.

use std::net::SocketAddr;

use assay_bench::Arrivals;
use assay_bench::net::tcp::TcpHow;
use assay_bench::net::tcp::latency::{Answered, AskConnect, AskFlow, AskListen, Asked};
use assay_bench::net::token::Token;
use assay_model::metric::Direction;
use assay_model::run::Condition;
use assay_model::unit::Unit;
use hdrhistogram::Histogram;

use super::{AT_ONCE, Both, float, told, unless_told};
use crate::remote::task::halves;
use crate::runner::bench::{Outcome, Trouble};
use crate::runner::latencies::Latencies;

/// How long nothing may be answered before the measurement is broken.
const PATIENCE_MS: u64 = 10_000;
/// Of a time the harness may have caused so much by asking late.
const LAG_SHARE: f64 = 0.1;

/// Measures requests.
pub(super) async fn measure(both: &Both<'_>, rate: u32, bytes: u32) -> Result<Outcome, Trouble> {
    let spec = &both.net.spec;
    let token = Token::fresh().map_err(|error| format!("cannot make a token: {error}"))?;
    let flow =
        AskFlow { rate, arrivals: Arrivals::Constant, seed: 0, bytes, ramp_ms: spec.ramp_ms, runtime_ms: spec.runtime_ms, patience_ms: PATIENCE_MS };
    let listen = AskListen { address: both.net.to.address, port: 0, token, flow: flow.clone(), how: TcpHow::default() };
    let (asked, answered) = unless_told(both.stop, async {
        let mut serving = both.to.start(halves::REQUESTS_SERVE, &listen).map_err(told)?;
        let Some(peer) = serving.event::<SocketAddr>(AT_ONCE).await.map_err(told)? else {
            return Err(serving
                .finish::<Answered>(AT_ONCE)
                .await
                .map_or_else(told, |_| Trouble::Failed("the half that answers was never ready".to_owned())));
        };
        let ask = AskConnect { peer, source: Some(both.net.from.address), source_port: 0, token, flow: flow.clone(), how: TcpHow::default() };
        let asked: Asked = both.from.start(halves::REQUESTS_CONNECT, &ask).map_err(told)?.finish(both.within()).await.map_err(told)?;
        let answered: Answered = serving.finish(AT_ONCE).await.map_err(told)?;
        Ok((asked, answered))
    })
    .await??;
    let times = times(&flow, &asked, &answered).map_err(Trouble::Failed)?;
    let family = spec.family();
    let mut outcome = Outcome::default();
    for (word, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999)] {
        // The thousandth of fewer is the worst one, and no percentile. One may fall out of the window.
        let value = if word == "p99_9" && times.len() + 1 < 1000 { f64::NAN } else { float(times.value_at_quantile(quantile)) };
        outcome.figures.push(both.figure(format!("{family}.{word}"), Unit::Nanoseconds, Direction::LowerIsBetter, value));
    }
    outcome.doubts.extend(late(&family, &times, asked.lag_p99_9_ns));
    outcome
        .notes
        .insert(both.note("requests"), format!("{rate} requests per second of {bytes} bytes each way; the longest took {} us", times.max() / 1000));
    outcome.latencies = Some(Latencies::from(&times));
    outcome.operations = asked.counted;
    outcome.bytes = asked.counted * u64::from(bytes);
    // Each answer was compared with its request.
    outcome.all_operations = asked.requests;
    outcome.verified = asked.requests;
    outcome.elapsed = std::time::Duration::from_millis(spec.runtime_ms);
    Ok(outcome)
}

/// The times of all requests that were due, or why they are not.
fn times(flow: &AskFlow, asked: &Asked, answered: &Answered) -> Result<Histogram<u64>, String> {
    if answered.requests != asked.requests {
        return Err(format!("{} requests were sent and {} were answered", asked.requests, answered.requests));
    }
    // A loop that waits for answers asks less, and its times say nothing of the rate.
    let due = u64::from(flow.rate) * flow.runtime_ms / 1000;
    if asked.counted == 0 || asked.counted > asked.requests || asked.counted > due.saturating_add(1) || asked.counted.saturating_add(1) < due {
        return Err(format!("{} of the {due} requests that were due have a time", asked.counted));
    }
    let mut times = Histogram::new(3).expect("valid bounds");
    for (ns, count) in &asked.latencies {
        times.record_n(*ns, *count).map_err(|error| format!("a time of {ns} ns: {error}"))?;
    }
    if times.len() != asked.counted {
        return Err(format!("{} requests were counted, and there are times of {}", asked.counted, times.len()));
    }
    Ok(times)
}

/// What came late because the harness did is no property of the path.
fn late(family: &str, times: &Histogram<u64>, lag_p99_9_ns: u64) -> Option<Condition> {
    let p99_9 = float(times.value_at_quantile(0.999));
    let lag = float(lag_p99_9_ns);
    (lag > p99_9 * LAG_SHARE)
        .then(|| Condition::AtHarnessFloor(format!("{family}: requests went out {:.0} us late, of {:.0} us (p99.9)", lag / 1e3, p99_9 / 1e3)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> AskFlow {
        AskFlow { rate: 100, arrivals: Arrivals::Constant, seed: 0, bytes: 64, ramp_ms: 500, runtime_ms: 1000, patience_ms: 1 }
    }

    fn asked(latencies: &[(u64, u64)]) -> Asked {
        let counted = latencies.iter().map(|(_, count)| count).sum();
        let latencies = latencies.to_vec();
        Asked { requests: counted + 50, counted, latencies, p50_ns: 0, p90_ns: 0, p99_ns: 0, p99_9_ns: 0, max_ns: 0, lag_p99_9_ns: 0 }
    }

    fn answered(requests: u64) -> Answered {
        Answered { requests, strangers: 0 }
    }

    #[test]
    fn every_request_that_was_due_has_a_time_or_there_is_no_figure() {
        let whole = asked(&[(20_000, 98), (900_000, 2)]);
        let seen = times(&flow(), &whole, &answered(150)).expect("times");
        assert_eq!((seen.len(), seen.value_at_quantile(0.5) / 1000, seen.value_at_quantile(0.99) / 1000), (100, 20, 900));
        for (asked, answers, why) in [
            (whole.clone(), 149, "150 requests were sent and 149 were answered"),
            (asked(&[(20_000, 98)]), 148, "98 of the 100 requests"),
            (asked(&[]), 50, "0 of the 100 requests"),
            (Asked { counted: 101, requests: 151, ..whole }, 151, "101 requests were counted, and there are times of 100"),
        ] {
            let error = times(&flow(), &asked, &answered(answers)).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_harness_that_asks_late_doubts_its_times() {
        let seen = times(&flow(), &asked(&[(100_000, 100)]), &answered(150)).expect("times");
        assert_eq!(late("f", &seen, 10_000), None);
        assert!(matches!(late("f", &seen, 11_000), Some(Condition::AtHarnessFloor(why)) if why.contains("11 us late, of 100 us")));
    }
}
