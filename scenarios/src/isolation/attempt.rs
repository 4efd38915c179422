//! The attempt as a whole: the witnesses listen first and last, the guests try in between, all at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use assay_bench::EngineError;
use assay_bench::net::isolation::{self, GuestFindings, HostFindings, IsolationFindings, IsolationPlan, Vantage};
use assay_bench::net::token::Token;

/// How long a witness may take until it listens.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// What is under way when the guests are done still arrives.
const LINGER: Duration = Duration::from_secs(2);
/// How often progress is told.
const TICK: Duration = Duration::from_millis(100);

/// What came of it.
pub(super) struct Attempted {
    pub(super) findings: IsolationFindings,
    /// Vantages that could not try, and why.
    pub(super) failed: Vec<(Vantage, EngineError)>,
}

/// Tries from every vantage of `guests` while those of `hosts` witness. A vantage that cannot try is left out of the findings, and is judged as nothing proven; why is
/// told beside them. `tick` is told the milliseconds that are done.
pub(super) fn attempt(
    plan: &IsolationPlan,
    guests: &[Vantage],
    hosts: &[Vantage],
    stop: &AtomicBool,
    tick: &mut dyn FnMut(u64),
) -> Result<Attempted, std::io::Error> {
    let token = Token::fresh()?;
    let (token, over) = (&token, &AtomicBool::new(false));
    Ok(thread::scope(|scope| {
        let (ready, listening) = mpsc::channel();
        let witnesses: Vec<_> = hosts
            .iter()
            .map(|vantage| {
                let ready = ready.clone();
                scope.spawn(move || isolation::attend(plan, vantage, token, over, &mut || _ = ready.send(())))
            })
            .collect();
        drop(ready);
        // One that fails hangs up, and is seen when it is joined.
        let heard = (0..hosts.len()).take_while(|_| listening.recv_timeout(READY_WITHIN).is_ok()).count();
        let probes: Vec<_> = if heard == hosts.len() {
            guests.iter().map(|vantage| scope.spawn(move || isolation::run(plan, vantage, token, stop))).collect()
        } else {
            Vec::new()
        };
        let began = Instant::now();
        #[allow(clippy::disallowed_methods, reason = "the probes are waited for")]
        while !probes.iter().all(thread::ScopedJoinHandle::is_finished) {
            tick(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
            thread::sleep(TICK);
        }
        let tried: Vec<thread::Result<Result<GuestFindings, EngineError>>> = probes.into_iter().map(thread::ScopedJoinHandle::join).collect();
        #[allow(clippy::disallowed_methods, reason = "frames that nobody announces are waited for")]
        if !tried.is_empty() {
            thread::sleep(LINGER);
        }
        // Before anything can panic: the witnesses listen until then, and would be waited for.
        over.store(true, Ordering::Relaxed);
        let seen: Vec<Result<HostFindings, EngineError>> = witnesses.into_iter().map(|one| one.join().expect("a witness does not panic")).collect();
        let mut findings = IsolationFindings { guests: Vec::new(), hosts: Vec::new() };
        let mut failed = Vec::new();
        for (vantage, result) in guests.iter().zip(tried) {
            match result.expect("a probe does not panic") {
                Ok(found) => findings.guests.push(found),
                Err(error) => failed.push((vantage.clone(), error)),
            }
        }
        for (vantage, result) in hosts.iter().zip(seen) {
            match result {
                Ok(found) => findings.hosts.push(found),
                Err(error) => failed.push((vantage.clone(), error)),
            }
        }
        Attempted { findings, failed }
    }))
}
