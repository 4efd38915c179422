//! A Redfish service from its root: systems, chassis and managers.

use super::resource::{Member, Resource};
use crate::host::{Host, HostError, SERVICE_ROOT, is_not_configured};

/// What is said where no management controller is known.
pub(super) const NOT_CONFIGURED: &str = "Redfish service (no BMC endpoint is configured)";

/// A service.
pub(super) struct Service {
    root: Resource,
}

impl Service {
    /// The service of the host's management controller.
    pub(super) fn of(host: &Host) -> Result<Self, HostError> {
        match Resource::at(host, SERVICE_ROOT) {
            Ok(root) => Ok(Self { root }),
            Err(error) if is_not_configured(&error) => Err(HostError::SourceMissing(NOT_CONFIGURED.into())),
            Err(error) => Err(error),
        }
    }

    /// The computer systems.
    pub(super) fn systems(&self, host: &Host) -> Result<Vec<Member>, HostError> {
        self.all(host, "Systems")
    }

    /// The enclosures.
    pub(super) fn chassis(&self, host: &Host) -> Result<Vec<Member>, HostError> {
        self.all(host, "Chassis")
    }

    /// The managers.
    pub(super) fn managers(&self, host: &Host) -> Result<Vec<Member>, HostError> {
        self.all(host, "Managers")
    }

    /// The resource that a property of the root leads to.
    pub(super) fn follow(&self, host: &Host, property: &str) -> Result<Option<Resource>, HostError> {
        self.root.follow(host, property)
    }

    fn all(&self, host: &Host, property: &str) -> Result<Vec<Member>, HostError> {
        Ok(self.root.collection(host, property)?.unwrap_or_default())
    }
}

/// Those that could be read. One that could not would take everything below it along unseen: that is an error of the whole look.
pub(super) fn read(members: Vec<Member>) -> Result<Vec<Resource>, HostError> {
    members
        .into_iter()
        .map(|member| match member {
            Member::Read(resource) => Ok(resource),
            Member::Lost { path, error: HostError::Absent { .. } } => {
                Err(HostError::Malformed { path: format!("redfish:{path}"), reason: "it is listed and not there".into() })
            }
            Member::Lost { error, .. } => Err(error),
        })
        .collect()
}
