//! Verdicts and comparisons as a shape and a word. Colour only supports them.

use assay_model::contradiction::ContradictionKind;
use assay_model::run::Ended;
use assay_model::verdict::Rank;

/// A shape (`#i-<shape>` in the template), a colour class of the same name, and the word beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) shape: &'static str,
    pub(super) word: &'static str,
}

impl Mark {
    pub(super) fn of(rank: Rank) -> Self {
        match rank {
            Rank::Fail => Mark { shape: "fail", word: "fail" },
            Rank::Inconclusive => Mark { shape: "open", word: "inconclusive" },
            Rank::Pass => Mark { shape: "pass", word: "pass" },
            Rank::NotApplicable => Mark { shape: "none", word: "not applicable" },
        }
    }

    /// A state is no verdict: it is never marked as a pass.
    pub(super) fn of_end(ended: &Ended) -> Self {
        match ended {
            Ended::Completed => Mark { shape: "done", word: "completed" },
            Ended::Interrupted => Mark { shape: "open", word: "interrupted" },
            Ended::Cancelled => Mark { shape: "open", word: "cancelled" },
            Ended::Failed(_) => Mark { shape: "fail", word: "harness failed" },
        }
    }
}

/// What a contradiction is, in a word or two.
pub(super) fn kind(kind: ContradictionKind) -> &'static str {
    match kind {
        ContradictionKind::Impossible => "physically impossible",
        ContradictionKind::Unsupported => "not supported",
        ContradictionKind::Ambiguous => "ambiguous",
        ContradictionKind::Conflict => "in conflict",
        ContradictionKind::Obsolete => "obsolete",
    }
}
