//! Whom a client believes to be the management controller: whoever a certificate authority vouches for (those of the system, or one that the site
//! names), or whoever has exactly the certificate whose fingerprint the site declares. There is no way to believe everybody.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned};
use sha2::{Digest, Sha256};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter};

/// Whom to believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The certificate authorities of the system.
    System,
    /// Those in this text, in PEM, and no other.
    Authorities(String),
    /// Exactly the certificate with this SHA-256 fingerprint, whatever name and time stand in it.
    Certificate([u8; 32]),
}

/// Why nobody can be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The system has none.
    #[error("no certificate authority of the system could be read; expected one in bmc.ca, or a fingerprint of the certificate, in the site's files")]
    NoSystemAuthorities,
    /// The text has none that can be used.
    #[error("no certificate authority is in the PEM text: {0}")]
    NoAuthority(String),
    /// The text is no fingerprint.
    #[error("a SHA-256 fingerprint has 64 hex digits, with or without colons")]
    Fingerprint,
    /// rustls refuses.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl Trust {
    /// The certificate with a fingerprint as `openssl x509 -fingerprint -sha256` prints it.
    pub fn certificate(fingerprint: &str) -> Result<Self, TrustError> {
        let digits: String = fingerprint.chars().filter(|c| *c != ':').collect();
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(TrustError::Fingerprint);
        }
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|c| c.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(TrustError::Fingerprint)?;
        }
        Ok(Trust::Certificate(bytes))
    }

    /// TLS that believes nobody else.
    pub(super) fn connector(&self) -> Result<TlsConnector, TrustError> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match self {
            Trust::System => authorities(&provider, system()?)?,
            Trust::Authorities(pem) => authorities(&provider, named(pem)?)?,
            Trust::Certificate(fingerprint) => Arc::new(Pinned { fingerprint: *fingerprint, provider: Arc::clone(&provider) }),
        };
        let tls = |error: rustls::Error| TrustError::Tls(error.to_string());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(tls)?;
        // "Dangerous" is a verifier of one's own; both of these verify.
        let config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Ok(TlsConnector(Arc::new(config)))
    }
}

fn authorities(provider: &Arc<CryptoProvider>, roots: RootCertStore) -> Result<Arc<dyn ServerCertVerifier>, TrustError> {
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(built.map_err(|error| TrustError::Tls(error.to_string()))?)
}

fn system() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    let (added, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(TrustError::NoSystemAuthorities) } else { Ok(roots) }
}

fn named(pem: &str) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| TrustError::NoAuthority(error.to_string()))?;
        roots.add(certificate).map_err(|error| TrustError::NoAuthority(error.to_string()))?;
    }
    if roots.is_empty() { Err(TrustError::NoAuthority("it has no CERTIFICATE block".into())) } else { Ok(roots) }
}

/// Believes one certificate. Its key must still sign the handshake: whoever only copied it is found out there.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen: [u8; 32] = Sha256::digest(end_entity.as_ref()).into();
        if seen == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Puts TLS over a connection to an `https` address.
#[derive(Debug)]
pub(super) struct TlsConnector(Arc<ClientConfig>);

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, Tls>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|_| ureq::Error::Tls("the host is no name that a certificate could have"))?;
        let mut connection = ClientConnection::new(Arc::clone(&self.0), name).map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let mut socket = TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        socket.set_timeout(details.timeout);
        connection.complete_io(&mut socket)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(Tls { buffers, stream: StreamOwned::new(connection, socket) })))
    }
}

/// A connection under TLS.
pub(super) struct Tls {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Transport for Tls {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        std::io::Write::write_all(&mut self.stream, output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let amount = std::io::Read::read(&mut self.stream, self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_64_hex_digits() {
        let plain = "ab".repeat(32);
        let with_colons = vec!["AB"; 32].join(":");
        assert_eq!(Trust::certificate(&plain), Ok(Trust::Certificate([0xab; 32])));
        assert_eq!(Trust::certificate(&with_colons), Ok(Trust::Certificate([0xab; 32])));
        for wrong in ["", "ab", &"xy".repeat(32), &"+1".repeat(32), &"ab".repeat(33), &"ä".repeat(32)] {
            assert_eq!(Trust::certificate(wrong), Err(TrustError::Fingerprint), "{wrong}");
        }
    }

    #[test]
    fn a_text_without_an_authority_is_refused() {
        for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----"] {
            assert!(Trust::Authorities(text.into()).connector().is_err(), "{text}");
        }
    }
}
