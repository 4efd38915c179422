//! stub
use super::error::HostError;
use super::snapshot::Snapshot;
pub(super) struct Redactor;
impl Redactor {
    pub(super) fn keyed_by(_secret: &[u8]) -> Result<Self, HostError> {
        Ok(Self)
    }
    pub(super) fn redact(&self, snapshot: Snapshot) -> Snapshot {
        snapshot
    }
}
