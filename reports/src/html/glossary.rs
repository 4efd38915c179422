//! What the words of a report mean.

/// Word and meaning, in the order in which a reader meets them.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("pass", "As expected, on the evidence that stands beside it. Without evidence there is no pass."),
    ("fail", "Observed, and not as expected."),
    ("inconclusive", "It could not be told. Never counted as a pass; the reason says what is missing."),
    ("not applicable", "The question does not arise on this node; the check says why."),
    ("blocked", "Inconclusive, because the order contradicts itself or a prerequisite is missing. The operator has to decide."),
    ("invalid", "Inconclusive, because the figure cannot be true: above the physical ceiling, or read by a counter or clock that jumped."),
    ("unreadable", "Inconclusive, because the source exists and could not be read, or a required source is not there."),
    ("interrupted", "Inconclusive, because the run ended before it was done."),
    ("not run", "Inconclusive, because nothing was looked at."),
    ("stale", "Inconclusive, because the evidence is too old or belongs to another inventory."),
    ("at the harness floor", "Inconclusive, because the instrument itself was the bottleneck."),
    ("disturbed", "Inconclusive, because throttling, other work or device errors interfered."),
    ("admitted, held", "What the gate of a phase decides: the phase may be entered upon, or it may not."),
    (
        "gate, warn, info",
        "Severity of a check at its gate: “gate” holds unless the check passes, “warn” admits with a warning, “info” never decides.",
    ),
    ("contradiction", "A statement of the order that cannot hold as written. It blocks its phases until the operator writes a resolution."),
    ("waiver", "A named person's written, expiring leave to pass a gate although a check does not pass."),
    ("ceiling", "What the hardware that was found allows at most, computed by the formula that is shown."),
    ("efficiency", "The figure divided by its ceiling."),
    ("interval", "Where the true median lies, from order statistics of the repeats, without assuming a distribution."),
    ("event", "Number of the line in the run's journal that carries the evidence."),
    ("absent, unreadable", "The node has none of it; it has one and the reading failed. Never the same thing."),
    ("GB, GiB", "GB is 10^9 bytes, GiB is 2^30 bytes. The exact value in base units is in the tooltip of each figure."),
];
