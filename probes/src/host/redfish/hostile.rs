//! The client before services that lie, stall, flood and send elsewhere, each on a socket of this machine.
#![allow(clippy::disallowed_methods, reason = "a slow service sleeps")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest, Sha256};

use super::*;

const PASSWORD: &str = "hunter2-never-shown";
const LONG: Duration = Duration::from_secs(60);

/// A service: what it says to each connection, and what it heard.
struct Service {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Service {
    /// A service on http; `say` gets each request's number and its text, and answers on the stream.
    fn plain(say: impl Fn(usize, &str, &mut dyn Stream) + Send + 'static) -> Self {
        Self::on(None, say)
    }

    fn on(tls: Option<Arc<ServerConfig>>, say: impl Fn(usize, &str, &mut dyn Stream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        // Ends with the test's process: it waits for connections that no longer come.
        thread::spawn(move || {
            let mut number = 0;
            for connection in listener.incoming().flatten() {
                let mut connection: Box<dyn Stream> = match &tls {
                    None => Box::new(connection),
                    Some(config) => {
                        let session = ServerConnection::new(Arc::clone(config)).expect("a session");
                        Box::new(StreamOwned::<_, TcpStream>::new(session, connection))
                    }
                };
                while let Some(request) = request(&mut *connection) {
                    hears.lock().expect("not poisoned").push(request.clone());
                    say(number, &request, &mut *connection);
                    number += 1;
                }
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("not poisoned").clone()
    }

    fn client(&self, patience: Patience) -> RedfishClient {
        let endpoint = format!("http://{}", self.address).parse().expect("loopback");
        RedfishClient::new(endpoint, Some(credentials()), &Trust::System, patience).expect("a client")
    }

    fn encrypted(&self, trust: &Trust) -> RedfishClient {
        let endpoint = format!("https://{}", self.address).parse().expect("an address");
        RedfishClient::new(endpoint, Some(credentials()), trust, quick()).expect("a client")
    }
}

fn request(stream: &mut dyn Stream) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        text.extend(byte);
    }
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn say(stream: &mut dyn Stream, head: &str, body: &str) {
    // A client that has heard enough hangs up; that is no fault of the service.
    let _ = write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let _ = stream.flush();
}

fn credentials() -> Credentials {
    Credentials::new("ADMIN", PASSWORD).expect("they can be sent")
}

fn quick() -> Patience {
    Patience { request: Duration::from_millis(700), total: Duration::from_secs(3), size: 64 << 10 }
}

fn failed(answer: Result<Value, BmcError>) -> String {
    match answer {
        Err(BmcError::Failed(why)) => {
            assert!(!why.contains(PASSWORD) && !why.contains(&credentials().authorization()), "{why}");
            why
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_resource_is_asked_for_once_with_credentials_on_one_connection() {
    let service = Service::plain(|_, _, stream| say(stream, "200 OK", r#"{"Id": "x", "Big": 18446744073709551616, "Zahl": 1.50}"#));
    let client = service.client(quick());
    let resource = client.resource("/redfish/v1/", LONG).expect("an answer");
    assert_eq!((resource["Id"].as_str(), client.resource("/redfish/v1/Systems?$skip=2", LONG).is_ok()), (Some("x"), true));
    let heard = service.heard();
    assert!(heard[0].starts_with("GET /redfish/v1/ HTTP/1.1\r\n") && heard[1].starts_with("GET /redfish/v1/Systems?$skip=2 "), "{heard:?}");
    assert!(heard.iter().all(|request| request.contains(&credentials().authorization())));
    assert!(!format!("{client:?}").contains(PASSWORD));
}

#[test]
fn what_is_no_path_of_the_service_is_never_asked() {
    let service = Service::plain(|_, _, stream| say(stream, "200 OK", "{}"));
    let client = service.client(quick());
    for path in ["", "redfish/v1", "//evil.example/x", "https://evil.example/", "/a b", "/a\r\nX: y", "/a#b", "/ä", "@evil.example/"] {
        assert!(failed(client.resource(path, LONG)).contains("no path"), "{path}");
    }
    assert_eq!(service.heard(), Vec::<String>::new());
}

#[test]
fn a_redirect_to_another_host_is_not_followed_and_one_within_the_service_is() {
    let other = Service::plain(|_, _, stream| say(stream, "200 OK", r#"{"Id": "thief"}"#));
    let there = other.address;
    let service = Service::plain(move |number, _, stream| match number {
        0 => say(stream, &format!("302 Found\r\nLocation: http://{there}/redfish/v1/"), ""),
        1 => say(stream, "308 Permanent Redirect\r\nLocation: //127.0.0.2/redfish/v1/", ""),
        2 => say(stream, "308 Permanent Redirect\r\nLocation: /redfish/v1/Systems/", ""),
        3 => say(stream, "200 OK", r#"{"Id": "with a slash"}"#),
        _ => say(stream, "308 Permanent Redirect\r\nLocation: /redfish/v1/Systems/", ""),
    });
    let client = service.client(quick());
    assert!(failed(client.resource("/redfish/v1/", LONG)).contains("another place"));
    assert!(failed(client.resource("/redfish/v1/", LONG)).contains("another place"));
    assert_eq!(client.resource("/redfish/v1/Systems", LONG).expect("followed")["Id"], "with a slash");
    assert!(failed(client.resource("/redfish/v1/Systems", LONG)).contains("another place"), "a loop ends");
    assert_eq!(other.heard(), Vec::<String>::new(), "credentials did not follow");
}

#[test]
fn refused_busy_and_missing_are_told_apart() {
    let service = Service::plain(|_, request, stream| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        match path {
            "/401" => say(stream, "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"bmc\"", "{}"),
            "/404" => say(stream, "404 Not Found", "{}"),
            "/500" => say(stream, "500 Internal Server Error", "{}"),
            _ => say(stream, "503 Service Unavailable\r\nRetry-After: 3600", ""),
        }
    });
    let client = service.client(quick());
    assert!(failed(client.resource("/401", LONG)).contains("401"));
    assert_eq!(client.resource("/404", LONG), Err(BmcError::Absent));
    assert!(failed(client.resource("/500", LONG)).contains("500"));
    let begun = Instant::now();
    assert!(failed(client.resource("/busy", LONG)).contains("503"));
    assert!(begun.elapsed() < Duration::from_secs(1), "an hour is not waited for");
    // The service speaks with one client at a time.
    drop(client);
    let nobody =
        RedfishClient::new(format!("http://{}", service.address).parse().expect("loopback"), None, &Trust::System, quick()).expect("a client");
    assert!(failed(nobody.resource("/401", LONG)).contains("none are given"));
}

#[test]
fn a_busy_service_is_asked_again() {
    let service = Service::plain(|number, _, stream| match number {
        0 => say(stream, "503 Service Unavailable\r\nRetry-After: 0", "busy"),
        _ => say(stream, "200 OK", r#"{"Id": "ready"}"#),
    });
    assert_eq!(service.client(quick()).resource("/redfish/v1/", LONG).expect("at last")["Id"], "ready");
}

#[test]
fn an_endless_answer_is_cut_off() {
    let endless = |_: usize, _: &str, stream: &mut dyn Stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while write!(stream, "1000\r\n{}\r\n", " ".repeat(0x1000)).is_ok() {}
    };
    assert!(failed(Service::plain(endless).client(quick()).resource("/", LONG)).contains("larger than 65536 bytes"));
    let header = |_: usize, _: &str, stream: &mut dyn Stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\n");
        while write!(stream, "X-Flood: {}\r\n", "x".repeat(1000)).is_ok() {}
    };
    failed(Service::plain(header).client(quick()).resource("/", LONG));
}

#[test]
fn a_drip_and_a_silence_end_at_the_deadline() {
    let drip = |_: usize, _: &str, stream: &mut dyn Stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while stream.write_all(b" ").and_then(|()| stream.flush()).is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    };
    let silence = |_: usize, _: &str, _: &mut dyn Stream| thread::sleep(Duration::from_secs(2));
    for service in [Service::plain(drip), Service::plain(silence)] {
        let begun = Instant::now();
        let why = failed(service.client(quick()).resource("/redfish/v1/", LONG));
        assert!(why.contains("no whole answer within 0.7 s"), "{why}");
        assert!(begun.elapsed() < Duration::from_millis(1900), "{:?}", begun.elapsed());
    }
}

#[test]
fn all_requests_together_have_an_end() {
    let service = Service::plain(|_, _, stream| {
        thread::sleep(Duration::from_millis(60));
        say(stream, "200 OK", "{}");
    });
    let client = service.client(Patience { total: Duration::from_millis(200), ..quick() });
    let host = Host::live(std::path::Path::new("/")).with_bmc(Arc::new(client));
    let look = |host: &Host| (0..20).map(|_| host.redfish("/x")).collect::<Vec<_>>();
    let answers = look(&host);
    assert!(answers[0].is_ok());
    assert!(answers[19].as_ref().expect_err("too late").to_string().contains("are over"));
    assert!(service.heard().len() < 6);
    assert!(look(&host.for_probe())[0].is_ok(), "another look has its own time");
}

#[test]
fn what_is_no_json_or_nested_beyond_reason_is_refused() {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    for body in ["<html>login</html>", "", "{\"a\": ", "{\"a\": 1e999}", "{} {}", "\u{0}", deep.as_str()] {
        let said = body.to_owned();
        let service = Service::plain(move |_, _, stream| say(stream, "200 OK", &said));
        assert!(failed(service.client(quick()).resource("/", LONG)).contains("no JSON"), "{}", body.chars().take(20).collect::<String>());
    }
    let torn = Service::plain(|_, _, stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{{}}");
    });
    failed(torn.client(quick()).resource("/", LONG));
    let gibberish = Service::plain(|_, _, stream| drop(stream.write_all(&[0xff; 300])));
    failed(gibberish.client(quick()).resource("/", LONG));
}

/// A certificate authority, and services that have a certificate of it.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed"))
    }

    fn trust(&self) -> Trust {
        Trust::Authorities(self.0.pem())
    }

    /// A service with a certificate for `name`, and the fingerprint of that certificate.
    fn service(&self, name: &str, expired: bool) -> (Service, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        if expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        let fingerprint = Sha256::digest(certificate.der()).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = config.with_single_cert(vec![certificate.der().clone()], key).expect("a certificate");
        (Service::on(Some(Arc::new(config)), |_, _, stream| say(stream, "200 OK", r#"{"Id": "encrypted"}"#)), fingerprint)
    }
}

#[test]
fn a_service_is_believed_when_a_named_authority_or_its_fingerprint_vouches_for_it() {
    let authority = Authority::new();
    let (service, fingerprint) = authority.service("127.0.0.1", false);
    assert_eq!(service.encrypted(&authority.trust()).resource("/redfish/v1/", LONG).expect("believed")["Id"], "encrypted");
    let pinned = Trust::certificate(&fingerprint).expect("a fingerprint");
    assert_eq!(service.encrypted(&pinned).resource("/redfish/v1/", LONG).expect("believed")["Id"], "encrypted");
    // Controllers come with certificates of their own making, for no name and long expired: the fingerprint is what counts.
    let (other, of_the_other) = authority.service("elsewhere.example", true);
    assert!(other.encrypted(&Trust::certificate(&of_the_other).expect("a fingerprint")).resource("/", LONG).is_ok());
}

#[test]
fn a_service_that_nobody_vouches_for_hears_no_credentials() {
    let authority = Authority::new();
    let (service, fingerprint) = authority.service("127.0.0.1", false);
    let (expired, _) = authority.service("127.0.0.1", true);
    let (elsewhere, _) = authority.service("elsewhere.example", false);
    let pinned = Trust::certificate(&fingerprint).expect("a fingerprint");
    for (service, trust, word) in [
        (&service, Authority::new().trust(), "no certificate authority that is trusted"),
        (&service, Trust::System, ""),
        (&service, Trust::Certificate([7; 32]), "fingerprint"),
        (&elsewhere, pinned, "fingerprint"),
        (&expired, authority.trust(), "expired"),
        (&elsewhere, authority.trust(), "another name"),
    ] {
        let Ok(_) = trust.connector() else { continue };
        let why = failed(service.encrypted(&trust).resource("/redfish/v1/", LONG));
        assert!(why.contains("certificate is refused") && why.contains(word), "{why}");
    }
    let plain = Service::plain(|_, _, stream| say(stream, "200 OK", "{}"));
    failed(plain.encrypted(&authority.trust()).resource("/redfish/v1/", LONG));
    for service in [&service, &expired, &elsewhere, &plain] {
        assert!(service.heard().iter().all(|request| !request.contains("Basic")), "{:?}", service.heard());
    }
}

#[test]
fn secrets_that_a_service_tells_are_never_written_down() {
    let service = Service::plain(|_, _, stream| {
        say(
            stream,
            "200 OK",
            r#"{"Attributes": {"AdminPassword": "s3cr3t-1", "NPS": "NPS1"}, "Oem": {"X": [{"LicenseKey": "s3cr3t-2"}]}, "Token": {"a": "s3cr3t-3"}}"#,
        );
    });
    let host = Host::recording(std::path::Path::new("/")).with_bmc(Arc::new(service.client(quick())));
    assert!(host.redfish("/redfish/v1/").expect("an answer")["Attributes"]["NPS"] == "NPS1");
    let refused = Host::recording(std::path::Path::new("/")).with_bmc(Arc::new(
        RedfishClient::new("http://127.0.0.1:1".parse().expect("loopback"), Some(credentials()), &Trust::System, quick()).expect("a client"),
    ));
    refused.redfish("/redfish/v1/").expect_err("nobody listens");
    for (host, word) in [(host, "NPS1"), (refused, "failed: ")] {
        let options = crate::RecordingOptions { redact: false, tool: "a test".into(), now: jiff::Timestamp::UNIX_EPOCH };
        let text = format!("{}{host:?}", host.recorded(&options).expect("a snapshot"));
        assert!(text.contains(word), "{text}");
        for secret in ["s3cr3t", PASSWORD, &credentials().authorization()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_client_with_a_password_is_never_dumped() {
    let _client =
        RedfishClient::new("http://127.0.0.1:1".parse().expect("loopback"), Some(credentials()), &Trust::System, quick()).expect("a client");
    let limit = rustix::process::getrlimit(rustix::process::Resource::Core);
    assert!(limit.current == Some(1) || limit.maximum == Some(0), "{limit:?}");
}
