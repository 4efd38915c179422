//! Declarations that depend on how a contradiction was resolved.

use assay_model::site::Site;
use assay_model::site::declared::When;
use assay_model::verdict::Reason;

/// The declarations that hold; as long as a contradiction on which one depends is open, none can be relied on.
pub(super) fn holding<'a, T>(site: &Site, declared: &'a [T], when: impl Fn(&T) -> Option<&When>) -> Result<Vec<&'a T>, Reason> {
    let mut holding = Vec::new();
    for declaration in declared {
        if when(declaration).map_or(Ok(true), |when| holds(site, when))? {
            holding.push(declaration);
        }
    }
    Ok(holding)
}

/// Whether what depends on the answer to a contradiction holds.
pub(super) fn holds(site: &Site, when: &When) -> Result<bool, Reason> {
    let blocked = |why: &str| Reason::Blocked(format!("what is declared depends on contradiction {}, {why}", when.contradiction));
    let contradiction = site.contradictions.iter().find(|contradiction| contradiction.id == when.contradiction);
    let Some(contradiction) = contradiction else { return Err(blocked("which the site does not have")) };
    if !contradiction.is_resolved() {
        return Err(blocked("which is not resolved"));
    }
    let chosen = contradiction.chosen().ok_or_else(|| blocked("which was resolved by none of its candidates"))?;
    Ok(when.candidates.contains(&chosen.id))
}
