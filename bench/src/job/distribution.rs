//! How random operations are spread over the span, in fio's words: `random`, `zipf:1.2`, `pareto:0.2`.

use std::fmt;
use std::str::FromStr;

/// fio's `random_distribution`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Distribution {
    /// Every block as often as every other.
    #[default]
    Uniform,
    /// The block of rank r as often as 1 / r^theta; theta above 0 and not 1. Ranks are scattered over the span by a hash.
    Zipf(f64),
    /// Pareto with fio's power h, above 0 and below 1: 0.2 gives about 80 % of the operations to 20 % of the blocks.
    Pareto(f64),
}

impl Distribution {
    /// What is wrong with its parameter, if anything.
    pub fn fault(self) -> Option<String> {
        match self {
            Distribution::Uniform => None,
            Distribution::Zipf(theta) => {
                // The sums diverge or degenerate there; fio refuses 1 for the same reason.
                (!(theta > 0.0 && theta <= 5.0) || (theta - 1.0).abs() < 1e-9)
                    .then(|| format!("zipf needs a theta above 0, up to 5 and not 1, not {theta}"))
            }
            Distribution::Pareto(h) => (!(h > 0.0 && h < 1.0)).then(|| format!("pareto needs a power above 0 and below 1, not {h}")),
        }
    }

    /// As a part of a metric's name.
    pub(super) fn name(self) -> String {
        match self {
            Distribution::Uniform => String::new(),
            Distribution::Zipf(_) | Distribution::Pareto(_) => format!("_{}", self.to_string().replace(':', "").replace('.', "_")),
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distribution::Uniform => formatter.write_str("random"),
            Distribution::Zipf(theta) => write!(formatter, "zipf:{theta}"),
            Distribution::Pareto(h) => write!(formatter, "pareto:{h}"),
        }
    }
}

impl FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, parameter) = text.split_once(':').unwrap_or((text, ""));
        let number = || parameter.trim().parse::<f64>().map_err(|_| format!("`{text}` needs a number after the colon"));
        let distribution = match (word.trim(), parameter) {
            ("random", "") => Distribution::Uniform,
            ("zipf", _) => Distribution::Zipf(number()?),
            ("pareto", _) => Distribution::Pareto(number()?),
            _ => return Err(format!("`{text}` is none of random, zipf:THETA, pareto:POWER")),
        };
        distribution.fault().map_or(Ok(distribution), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fios_words_are_read_and_written() {
        for (text, distribution) in [
            ("random", Distribution::Uniform),
            ("zipf:1.2", Distribution::Zipf(1.2)),
            ("zipf:0.8", Distribution::Zipf(0.8)),
            ("pareto:0.2", Distribution::Pareto(0.2)),
        ] {
            assert_eq!(text.parse(), Ok(distribution));
            assert_eq!(distribution.to_string(), text);
        }
        for text in ["", "zipf", "zipf:1", "zipf:0", "zipf:nan", "zipf:x", "pareto:1", "pareto:0", "random:1", "normal:20"] {
            assert!(text.parse::<Distribution>().is_err(), "{text}");
        }
    }
}
