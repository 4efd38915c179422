//! Redfish over HTTP/1.1: one GET per resource on one kept connection, each within its time, its size and the time of all together. Redirects to
//! another host are not followed, proxies of the environment not asked, and credentials stand in no error.

use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Response, StatusCode, header};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, TcpConnector};

use super::credentials::Credentials;
use super::endpoint::Endpoint;
use super::trust::{Trust, TrustError};
use super::{Bmc, BmcError};
use crate::host::TEXT_MAX;

/// How long a management controller is waited for, and how much it may say.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one resource, its retries included.
    pub request: Duration,
    /// For all resources of one look together, from the first one on.
    pub total: Duration,
    /// Bytes of one resource.
    pub size: usize,
}

impl Default for Patience {
    // Controllers take 20 to 500 ms for a resource, one that just booted takes seconds; an inventory is 100 to 200 resources.
    fn default() -> Self {
        Self { request: Duration::from_secs(10), total: Duration::from_secs(45), size: TEXT_MAX }
    }
}

/// How often a resource is asked for while the service says that it is busy.
const ATTEMPTS: u32 = 3;
/// Redirects within the service that are followed: iLO adds a slash.
const REDIRECTS: u32 = 2;
/// The longest pause that a busy service may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// How long to wait for a busy service that does not say.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest header.
const HEADER_MAX: usize = 64 << 10;

/// A client of one management controller.
pub struct RedfishClient {
    endpoint: Endpoint,
    credentials: Option<Credentials>,
    agent: Agent,
    patience: Patience,
}

impl RedfishClient {
    /// A client; nothing is asked yet. Without credentials it asks as nobody.
    pub fn new(endpoint: Endpoint, credentials: Option<Credentials>, trust: &Trust, patience: Patience) -> Result<Self, TrustError> {
        if credentials.is_some() {
            dump_no_core();
        }
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .https_only(endpoint.is_encrypted())
            .max_response_header_size(HEADER_MAX)
            .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = if endpoint.is_encrypted() {
            Agent::with_parts(config, ().chain(TcpConnector::default()).chain(trust.connector()?), DefaultResolver::default())
        } else {
            Agent::with_parts(config, ().chain(TcpConnector::default()), DefaultResolver::default())
        };
        Ok(Self { endpoint, credentials, agent, patience })
    }

    fn left(&self, begun: Instant, within: Duration) -> Result<Duration, BmcError> {
        let left = within.min(self.patience.request).saturating_sub(begun.elapsed());
        if left.is_zero() { Err(self.too_late()) } else { Ok(left) }
    }

    fn too_late(&self) -> BmcError {
        BmcError::Failed(format!("no whole answer within {:.1} s", self.patience.request.as_secs_f64()))
    }

    fn get(&self, path: &str, within: Duration) -> Result<Response<ureq::Body>, BmcError> {
        let url = format!("{}{path}", self.endpoint.origin());
        let mut request = self.agent.get(url).config().timeout_global(Some(within)).build();
        request = request.header(header::ACCEPT, "application/json").header("OData-Version", "4.0");
        if let Some(credentials) = &self.credentials {
            request = request.header(header::AUTHORIZATION, credentials.authorization());
        }
        request.call().map_err(|error| self.failed(&error))
    }

    /// The answer to one GET, after waiting for a busy service and following it within itself.
    fn answer(&self, path: &str, within: Duration) -> Result<Response<ureq::Body>, BmcError> {
        let begun = Instant::now();
        let mut path = path.to_owned();
        let (mut attempts, mut redirects) = (1, 0);
        loop {
            let response = self.get(&path, self.left(begun, within)?)?;
            match response.status() {
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS if attempts < ATTEMPTS => {
                    attempts += 1;
                    let pause = retry_after(&response).unwrap_or(PAUSE).min(PAUSE_MAX);
                    drop(response);
                    // A pause that would use up the time is not begun.
                    if self.left(begun, within)? <= pause {
                        return Err(BmcError::Failed("503 Service Unavailable: it is busy".into()));
                    }
                    #[allow(clippy::disallowed_methods, reason = "the service asked for it, and nothing else could end the wait")]
                    thread::sleep(pause);
                }
                status if status.is_redirection() => {
                    redirects += 1;
                    path = self
                        .within(&response)
                        .filter(|_| redirects <= REDIRECTS)
                        .ok_or_else(|| BmcError::Failed(format!("{status}: it sends to another place, and credentials do not go there")))?;
                }
                _ => return Ok(response),
            }
        }
    }

    /// Where a redirect leads when that is this service.
    fn within(&self, response: &Response<ureq::Body>) -> Option<String> {
        let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
        let path = location.strip_prefix(self.endpoint.origin()).unwrap_or(location);
        is_path(path).then(|| path.to_owned())
    }

    fn failed(&self, error: &ureq::Error) -> BmcError {
        #[allow(clippy::wildcard_enum_match_arm, reason = "foreign and non-exhaustive")]
        let why = match error {
            ureq::Error::Timeout(_) => return self.too_late(),
            ureq::Error::Io(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => return self.too_late(),
            ureq::Error::BodyExceedsLimit(_) => format!("the answer is larger than {} bytes", self.patience.size),
            ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(rustls::Error::InvalidCertificate(error)) => {
                    format!(
                        "{} is not believed to be the management controller: its certificate is refused: {}",
                        self.endpoint.host(),
                        refused(error)
                    )
                }
                Some(error) => format!("TLS: {error}"),
                None => error.to_string(),
            },
            ureq::Error::HostNotFound => format!("no address is known for {}", self.endpoint.host()),
            // The words of ureq; what it may repeat of the request is the address.
            other => other.to_string(),
        };
        BmcError::Failed(why)
    }
}

/// A password is in memory from here on. With a limit of 1 the kernel dumps no core (core(5)), neither into a file nor to a program that collects them.
fn dump_no_core() {
    let limit = Rlimit { current: Some(1), maximum: getrlimit(Resource::Core).maximum };
    // Refused only where the most that is allowed is 0.
    let _ = setrlimit(Resource::Core, limit);
}

impl Bmc for RedfishClient {
    fn patience(&self) -> Duration {
        self.patience.total
    }

    fn resource(&self, path: &str, within: Duration) -> Result<Value, BmcError> {
        if !is_path(path) {
            return Err(BmcError::Failed("not asked: it is no path of a Redfish service".into()));
        }
        let mut response = self.answer(path, within)?;
        let status = response.status();
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(BmcError::Absent),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.credentials.is_none() => {
                return Err(BmcError::Failed(format!("{status}: it wants credentials and none are given")));
            }
            _ => return Err(BmcError::Failed(status.to_string())),
        }
        let limit = u64::try_from(self.patience.size).unwrap_or(u64::MAX);
        let body = response.body_mut().with_config().limit(limit).read_to_vec().map_err(|error| self.failed(&error))?;
        serde_json::from_slice(&body).map_err(|error| BmcError::Failed(format!("no JSON: {error}")))
    }
}

impl fmt::Debug for RedfishClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedfishClient({})", self.endpoint)
    }
}

/// Whether it can be asked of this service and of no other.
fn is_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#');
    path.starts_with('/') && !path.starts_with("//") && path.len() < 2048 && path.bytes().all(is_plain)
}

fn retry_after(response: &Response<ureq::Body>) -> Option<Duration> {
    response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

// rustls names variants; who has to act needs what to do.
fn refused(error: &rustls::CertificateError) -> String {
    use rustls::CertificateError::{
        ApplicationVerificationFailure, BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    #[allow(clippy::wildcard_enum_match_arm, reason = "foreign and non-exhaustive")]
    match error {
        ApplicationVerificationFailure => "it is not the one whose fingerprint the site declares".into(),
        Expired | ExpiredContext { .. } => "it is expired".into(),
        NotValidForName | NotValidForNameContext { .. } => "it is for another name".into(),
        // The name of an authority that is trusted, and not its key.
        UnknownIssuer | BadSignature => "no certificate authority that is trusted has signed it".into(),
        other => other.to_string(),
    }
}
