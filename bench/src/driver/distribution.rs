//! Random places in fio's distributions (fio's `lib/zipf.c`). Zipf by the method of Gray et al., "Quickly generating billion-record synthetic databases"
//! (SIGMOD 1994); ranks are scattered over the span by fio's multiplicative hash, so that hot blocks are not neighbours.

use super::offsets::Random;
use crate::job::Distribution;

/// fio's `GOLDEN_RATIO_64`.
const GOLDEN_RATIO: u64 = 0x61c8_8646_80b5_83eb;
/// Terms of the zeta sum that are added one by one; the rest is an integral, with an error below 1e-6 of the sum.
const TERMS: u64 = 10_000;

/// Draws one of `count` places.
pub(super) struct Places {
    random: Random,
    count: u64,
    shape: Shape,
}

enum Shape {
    Uniform,
    Zipf { theta: f64, zeta_n: f64, eta: f64, offset: u64 },
    Pareto { power: f64, offset: u64 },
}

impl Places {
    pub(super) fn new(distribution: Distribution, count: u64, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let n = float(count);
        let shape = match distribution {
            Distribution::Uniform => Shape::Uniform,
            Distribution::Zipf(theta) => {
                let (zeta_n, zeta_2) = (zeta(count, theta), zeta(2, theta));
                // With one or two places the formula divides by nothing; they are told apart before it is used.
                let eta = (1.0 - (2.0 / n).powf(1.0 - theta)) / (1.0 - zeta_2 / zeta_n);
                Shape::Zipf { theta, zeta_n, eta, offset: random.draw() }
            }
            Distribution::Pareto(h) => Shape::Pareto { power: h.ln() / (1.0 - h).ln(), offset: random.draw() },
        };
        Self { random, count, shape }
    }

    #[inline]
    pub(super) fn draw(&mut self) -> u64 {
        let offset = match self.shape {
            Shape::Uniform => return self.random.below(self.count),
            Shape::Zipf { offset, .. } | Shape::Pareto { offset, .. } => offset,
        };
        self.rank().wrapping_mul(GOLDEN_RATIO).wrapping_add(offset) % self.count
    }

    // 0 for the most frequent one.
    fn rank(&mut self) -> u64 {
        let uniform = self.random.unit();
        match self.shape {
            Shape::Uniform => whole(uniform * float(self.count)),
            Shape::Zipf { theta, zeta_n, eta, .. } => {
                let z = uniform * zeta_n;
                if z < 1.0 {
                    0
                } else if z < 1.0 + 0.5_f64.powf(theta) {
                    1
                } else {
                    whole(float(self.count) * (eta * uniform - eta + 1.0).powf(1.0 / (1.0 - theta)))
                }
            }
            Shape::Pareto { power, .. } => whole(float(self.count - 1) * uniform.powf(power)),
        }
        .min(self.count - 1)
    }
}

// The sum of 1 / i^theta up to n: the first terms, then by Euler and Maclaurin.
fn zeta(n: u64, theta: f64) -> f64 {
    let exact: f64 = (1..=n.min(TERMS)).map(|i| float(i).powf(-theta)).sum();
    if n <= TERMS {
        return exact;
    }
    let (m, n) = (float(TERMS), float(n));
    exact + (n.powf(1.0 - theta) - m.powf(1.0 - theta)) / (1.0 - theta) + (n.powf(-theta) - m.powf(-theta)) / 2.0
}

fn float(number: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a number of blocks, far below 2^53")]
    let float = number as f64;
    float
}

fn whole(number: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is bounded by the number of places afterwards")]
    let whole = number as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 400_000;

    fn shares(distribution: Distribution, count: u64) -> Vec<f64> {
        let mut places = Places::new(distribution, count, 5);
        let mut counts = vec![0u32; usize::try_from(count).expect("fits")];
        for _ in 0..DRAWS {
            counts[usize::try_from(places.rank()).expect("fits")] += 1;
        }
        counts.into_iter().map(|count| f64::from(count) / f64::from(DRAWS)).collect()
    }

    #[test]
    fn the_zeta_sum_is_right_to_a_millionth() {
        for theta in [0.5, 0.99, 1.2, 2.0] {
            let exact: f64 = (1..=3_000_000u64).map(|i| float(i).powf(-theta)).sum();
            assert!((zeta(3_000_000, theta) / exact - 1.0).abs() < 1e-6, "{theta}");
        }
    }

    #[test]
    fn zipf_has_the_mass_of_its_law_over_ranks() {
        for theta in [0.6, 0.9, 1.2] {
            let count = 10_000;
            let shares = shares(Distribution::Zipf(theta), count);
            let total = zeta(count, theta);
            // The two first ranks are exact; the rest is Gray's approximation, good to a few percent of the cumulative mass.
            for (rank, tolerance) in [(1u64, 0.02), (2, 0.02), (10, 0.08), (100, 0.06), (1000, 0.05)] {
                let law = zeta(rank, theta) / total;
                let drawn: f64 = shares[..usize::try_from(rank).expect("fits")].iter().sum();
                assert!((drawn / law - 1.0).abs() < tolerance, "theta {theta}: the first {rank} ranks get {drawn}, by law {law}");
            }
        }
    }

    #[test]
    fn pareto_gives_its_share_of_operations_to_its_share_of_blocks() {
        for h in [0.2, 0.3, 0.4] {
            let count = 10_000u32;
            let shares = shares(Distribution::Pareto(h), count.into());
            let blocks = usize::try_from(whole(f64::from(count) * h)).expect("fits");
            let drawn: f64 = shares[..blocks].iter().sum();
            assert!((drawn - (1.0 - h)).abs() < 0.005, "{h}: {drawn} of the operations on {blocks} blocks");
        }
    }

    #[test]
    fn hot_blocks_are_scattered_and_every_place_is_inside() {
        for distribution in [Distribution::Zipf(1.2), Distribution::Pareto(0.2), Distribution::Uniform] {
            for count in [1u64, 2, 3, 1000, 1 << 30] {
                let mut places = Places::new(distribution, count, 1);
                let drawn: Vec<u64> = (0..1000).map(|_| places.draw()).collect();
                assert!(drawn.iter().all(|place| *place < count), "{distribution:?} {count}");
                if count == 1 << 30 {
                    let upper = drawn.iter().filter(|place| **place >= count / 2).count();
                    assert!((100..=900).contains(&upper), "{distribution:?}: {upper} of 1000 in the upper half");
                }
            }
        }
    }
}
