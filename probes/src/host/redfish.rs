//! The management controller by Redfish (DMTF DSP0266), behind the host seam: a resource is asked for by its path and written down as JSON with sorted
//! names, without what must never be written. The HTTP is in `redfish/client.rs`; what the resources mean is in `probe/bmc`.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::error::Act;
use super::live::Refusal;
use super::{Host, HostError};

mod client;
mod credentials;
mod endpoint;
mod trust;
mod withheld;

#[cfg(test)]
mod hostile;

pub use self::client::{Patience, RedfishClient};
pub use self::credentials::{Credentials, CredentialsError};
pub use self::endpoint::{Endpoint, EndpointError};
pub use self::trust::{Trust, TrustError};

/// Where every service begins, as DSP0266 wants it written.
pub(crate) const SERVICE_ROOT: &str = "/redfish/v1/";
/// The name under which the two clocks are recorded.
const CLOCK: &str = "redfish:clock";
/// How the text of a request begins that was not answered; the text of one that was is JSON.
const FAILED: &str = "failed: ";

/// A management controller that can be asked.
pub trait Bmc: Debug + Send + Sync {
    /// The resource at `path`, which begins with a slash, within this time at the latest.
    fn resource(&self, path: &str, within: Duration) -> Result<Value, BmcError>;
    /// How long one look may take, all its resources together.
    fn patience(&self) -> Duration;
}

/// A management controller during one look: a probe's.
#[derive(Debug, Clone)]
pub(super) struct Controller {
    bmc: Arc<dyn Bmc>,
    begun: Arc<OnceLock<Instant>>,
}

impl Controller {
    /// The same controller, for another look.
    pub(super) fn afresh(&self) -> Self {
        Self { bmc: Arc::clone(&self.bmc), begun: Arc::default() }
    }

    fn resource(&self, path: &str) -> Result<Value, BmcError> {
        let all = self.bmc.patience();
        let left = all.saturating_sub(self.begun.get_or_init(Instant::now).elapsed());
        if left.is_zero() {
            return Err(BmcError::Failed(format!("not asked: the {} s for all resources together are over", all.as_secs())));
        }
        self.bmc.resource(path, left)
    }
}

/// Why a management controller gave no resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BmcError {
    /// It says that there is no such resource.
    #[error("404 Not Found")]
    Absent,
    /// No answer, or one that is none. Never contains a credential.
    #[error("{0}")]
    Failed(String),
}

impl Host {
    /// The same host with a management controller that is asked for `redfish:` resources; without one every such resource is absent.
    pub fn with_bmc(mut self, bmc: Arc<dyn Bmc>) -> Self {
        self.bmc = Some(Controller { bmc, begun: Arc::default() });
        self
    }

    /// The resource of the management controller at `path`.
    pub(crate) fn redfish(&self, path: &str) -> Result<Value, HostError> {
        let name = format!("redfish:{path}");
        let text = self.call_text(&name, || written(path, self.bmc.as_ref().ok_or(Refusal::Absent)?.resource(path)))?;
        understood(&name, &text)
    }

    /// What the node's clock said, and in the same moment the clock of the manager at `path`; `None` when the manager does not tell the time.
    pub(crate) fn redfish_clock(&self, path: &str) -> Result<Option<Clocks>, HostError> {
        let ask = || {
            let bmc = self.bmc.as_ref().ok_or(Refusal::Absent)?;
            let before = jiff::Timestamp::now();
            let answer = bmc.resource(path);
            let after = jiff::Timestamp::now();
            // The middle of the request: the answer was made somewhere within it.
            let node = before + after.duration_since(before) / 2;
            Ok(match answer {
                Err(error) => format!("{FAILED}{error}"),
                Ok(manager) => match manager.get("DateTime").and_then(Value::as_str) {
                    Some(time) => format!("node {node} bmc {time}"),
                    None => format!("node {node}"),
                },
            })
        };
        let text = self.call_text(CLOCK, ask)?;
        let malformed = |reason: String| HostError::Malformed { path: CLOCK.into(), reason };
        if let Some(why) = text.strip_prefix(FAILED) {
            return Err(malformed(why.to_owned()));
        }
        Clocks::parse(&text).map_err(malformed)
    }
}

/// Two clocks in one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clocks {
    /// The node's.
    pub(crate) node: jiff::Timestamp,
    /// The management controller's.
    pub(crate) bmc: jiff::Timestamp,
}

impl Clocks {
    /// `node TIME bmc TIME`, or `node TIME` of a manager without a clock.
    fn parse(text: &str) -> Result<Option<Self>, String> {
        let time = |word: &str| word.parse::<jiff::Timestamp>().map_err(|_| format!("`{}` is no time", word.chars().take(40).collect::<String>()));
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["node", node] => time(node).map(|_| None),
            ["node", node, "bmc", bmc] => Ok(Some(Self { node: time(node)?, bmc: time(bmc)? })),
            _ => Err("not `node TIME bmc TIME`".into()),
        }
    }
}

/// The answer as it is written down.
fn written(path: &str, answer: Result<Value, BmcError>) -> Result<String, Refusal> {
    match answer {
        Ok(mut resource) => {
            withheld::withhold(&mut resource);
            Ok(format!("{resource:#}"))
        }
        // Where the service must begin, nothing is not an absence: something else answers there.
        Err(BmcError::Absent) if path == SERVICE_ROOT => Ok(format!("{FAILED}{}: this is no Redfish service", BmcError::Absent)),
        Err(BmcError::Absent) => Err(Refusal::Absent),
        Err(error @ BmcError::Failed(_)) => Ok(format!("{FAILED}{error}")),
    }
}

fn understood(name: &str, text: &str) -> Result<Value, HostError> {
    if let Some(why) = text.strip_prefix(FAILED) {
        return Err(HostError::Malformed { path: name.into(), reason: why.to_owned() });
    }
    let refuse = |reason: String| HostError::Malformed { path: name.into(), reason };
    let resource: Value = serde_json::from_str(text).map_err(|error| refuse(format!("no JSON: {error}")))?;
    if resource.is_object() { Ok(resource) } else { Err(refuse("no JSON object".into())) }
}

/// Whether the error says that no management controller is known here.
pub(crate) fn is_not_configured(error: &HostError) -> bool {
    matches!(error, HostError::Absent { act: Act::Call, .. })
}
