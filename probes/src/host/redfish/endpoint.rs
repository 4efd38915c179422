//! The address of a management controller: `https://` and a host, or `http://` where nobody can listen in: on this machine.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ureq::http::Uri;

/// An address that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    origin: String,
    host: String,
    is_encrypted: bool,
}

/// Why an address may not be asked. The address is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no URL with a host.
    #[error("it is no URL of the form https://HOST or https://HOST:PORT")]
    Malformed,
    /// `https://user:password@host`.
    #[error("credentials do not belong into an address: name them by ASSAY_BMC_CREDENTIALS or by ASSAY_BMC_USER and ASSAY_BMC_PASSWORD")]
    Credentials,
    /// `http://` to another machine.
    #[error("http sends the password in the clear: it is for loopback addresses only, expected https")]
    InTheClear,
    /// Neither http nor https.
    #[error("expected https")]
    Scheme,
    /// Something follows the host.
    #[error("expected nothing after the host and the port: the path of the service is known")]
    Path,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.contains('@') {
            return Err(EndpointError::Credentials);
        }
        let uri: Uri = text.trim().parse().map_err(|_| EndpointError::Malformed)?;
        let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or(EndpointError::Malformed)?;
        if !matches!(uri.path(), "" | "/" | "/redfish/v1" | "/redfish/v1/") || uri.query().is_some() {
            return Err(EndpointError::Path);
        }
        let bare = authority.host().trim_start_matches('[').trim_end_matches(']');
        if bare.is_empty() {
            return Err(EndpointError::Malformed);
        }
        let is_encrypted = match scheme {
            "https" => true,
            "http" if is_loopback(bare) => false,
            "http" => return Err(EndpointError::InTheClear),
            _ => return Err(EndpointError::Scheme),
        };
        Ok(Self { origin: format!("{scheme}://{authority}"), host: bare.to_owned(), is_encrypted })
    }
}

// `localhost` itself may be made to lead elsewhere; its address may not.
fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Endpoint {
    /// Scheme, host and port.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The host alone, without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is asked by https.
    pub(super) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_on_this_machine() {
        for (text, origin) in [
            ("https://bmc1.example", "https://bmc1.example"),
            ("https://10.6.0.21:8443/", "https://10.6.0.21:8443"),
            ("https://[fe80::1]/redfish/v1/", "https://[fe80::1]"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ] {
            assert_eq!(text.parse::<Endpoint>().map(|endpoint| endpoint.origin), Ok(origin.to_owned()));
        }
    }

    #[test]
    fn other_addresses_are_refused_and_never_repeated() {
        for (text, error) in [
            ("http://10.6.0.21", EndpointError::InTheClear),
            ("http://localhost:8000", EndpointError::InTheClear),
            ("http://127.0.0.1.evil.example", EndpointError::InTheClear),
            ("https://root:calvin@10.6.0.21", EndpointError::Credentials),
            ("https://calvin@10.6.0.21", EndpointError::Credentials),
            ("https://10.6.0.21/redfish/v1/Systems", EndpointError::Path),
            ("https://10.6.0.21/?user=root", EndpointError::Path),
            ("ftp://10.6.0.21", EndpointError::Scheme),
            ("10.6.0.21", EndpointError::Malformed),
            ("https://", EndpointError::Malformed),
            ("https:// x", EndpointError::Malformed),
            ("", EndpointError::Malformed),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
            assert!(!error.to_string().contains("calvin") && !error.to_string().contains("10.6"));
        }
    }
}
