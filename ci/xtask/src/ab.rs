//! `cargo xtask ab inventory`: how long `assay inventory` takes beside the tools that people use for it, in one run, interleaved; the order within a pair
//! alternates. Prints the median of the pairwise ratios with its range.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The tools beside which assay is measured; each prints what it finds on the same machine.
const PEERS: &[&[&str]] = &[&["lshw", "-json"], &["dmidecode"]];

/// Measures `pairs` pairs with each peer, after one run of each that warms the caches.
pub(crate) fn inventory(pairs: usize, extra: &[&str]) -> Result<()> {
    if pairs == 0 {
        bail!("expected at least one pair");
    }
    let assay = built()?;
    let mut ours: Vec<&str> = vec![assay.as_str()];
    ours.extend(extra);
    ours.extend(["inventory", "--format", "json"]);
    for peer in PEERS {
        if timed(peer).is_err() {
            println!("{:<12} is not installed or does not work here", peer[0]);
            continue;
        }
        timed(&ours)?;
        let mut ratios = Vec::with_capacity(pairs);
        let (mut own, mut theirs) = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            let (a, b) = if pair % 2 == 0 {
                let a = timed(&ours)?;
                (a, timed(peer)?)
            } else {
                let b = timed(peer)?;
                (timed(&ours)?, b)
            };
            ratios.push(b.as_secs_f64() / a.as_secs_f64());
            own.push(a.as_secs_f64());
            theirs.push(b.as_secs_f64());
        }
        ratios.sort_by(f64::total_cmp);
        println!(
            "{:<12} {:.1} ms, assay {:.1} ms: {:.1} times as fast [{:.1}-{:.1}], {pairs} pairs",
            peer[0],
            median(&mut theirs) * 1e3,
            median(&mut own) * 1e3,
            ratios[pairs / 2],
            ratios[0],
            ratios[pairs - 1]
        );
    }
    Ok(())
}

/// The release build of this tree, or the one that `ASSAY_BINARY` names: where cargo is not, as in a virtual node.
fn built() -> Result<String> {
    if let Some(binary) = std::env::var_os("ASSAY_BINARY") {
        return Ok(binary.to_string_lossy().into_owned());
    }
    let status = Command::new("cargo").args(["build", "--release", "--quiet", "--package", "assay"]).current_dir(super::root()).status();
    if !status.context("cannot start cargo")?.success() {
        bail!("cannot build assay");
    }
    let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| super::root().join("target"), Into::into);
    Ok(target.join("release/assay").display().to_string())
}

/// Wall time of one run. A peer that cannot look (no DMI table) ends with another status and is not measured.
fn timed(words: &[&str]) -> Result<Duration> {
    let begun = Instant::now();
    let status = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start {}", words[0]))?;
    if status.success() { Ok(begun.elapsed()) } else { bail!("{} ended with {status}", words.join(" ")) }
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
