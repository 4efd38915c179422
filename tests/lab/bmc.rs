//! The management controller of a node: `ci/lab/bmc.py`, spoken with over TLS with a password, by `curl`.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::node::repository;

const USER: &str = "ADMIN";
const PASSWORD: &str = "lab-only";
/// How long the service may take to listen, and a node to be off.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running service. Dropping it ends it.
pub(crate) struct Bmc {
    service: Child,
    folder: PathBuf,
    port: u16,
}

impl Bmc {
    /// The controller of the node in `node`, with its own things in `folder`/bmc.
    pub(crate) fn start(folder: &Path, node: &Path) -> Self {
        let folder = folder.join("bmc");
        fs::create_dir(&folder).expect("a folder");
        let at = |name: &str| folder.join(name).display().to_string();
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        fs::write(at("certificate.pem"), own.cert.pem()).expect("written");
        fs::write(at("key.pem"), own.signing_key.serialize_pem()).expect("written");
        fs::write(at("netrc"), format!("machine 127.0.0.1 login {USER} password {PASSWORD}\n")).expect("written");
        let hash = format!("import bcrypt; print('{USER}:' + bcrypt.hashpw(b'{PASSWORD}', bcrypt.gensalt(4)).decode())");
        let hashed = Command::new(python()).args(["-c", &hash]).output().expect("python in the emulator's environment");
        assert!(hashed.status.success(), "{}", String::from_utf8_lossy(&hashed.stderr));
        fs::write(at("htpasswd"), hashed.stdout).expect("written");
        // Whoever asks for port 0 gets a free one; the service takes it right after.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let configuration = format!(
            "SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'\nSUSHY_EMULATOR_LISTEN_PORT = {port}\nSUSHY_EMULATOR_SSL_CERT = '{}'\nSUSHY_EMULATOR_SSL_KEY = '{}'\n\
             SUSHY_EMULATOR_AUTH_FILE = '{}'\nSUSHY_EMULATOR_FAKE_DRIVER = True\nSUSHY_EMULATOR_STATE_DIR = '{}'\n",
            at("certificate.pem"),
            at("key.pem"),
            at("htpasswd"),
            at("")
        );
        fs::write(at("emulator.py"), configuration).expect("written");
        let log = fs::File::create(at("log")).expect("a log");
        // Its parent is this thread: it ends with the test, however that ends.
        let service = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(python())
            .arg(repository("ci/lab/bmc.py"))
            .args(["--config", &at("emulator.py")])
            .env("NODE", node)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the emulator starts");
        let bmc = Self { service, folder, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", bmc.port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the service does not listen: {}", bmc.log());
            #[allow(clippy::disallowed_methods, reason = "a test that waits for another program")]
            sleep(Duration::from_millis(50));
        }
        bmc
    }

    pub(crate) fn power_state(&self) -> String {
        self.system()["PowerState"].as_str().expect("a power state").to_owned()
    }

    /// Switches the node off, as if its cord were pulled, and waits until it is.
    pub(crate) fn power_off(&self) {
        let reset = self.system()["Actions"]["#ComputerSystem.Reset"]["target"].as_str().expect("a target").to_owned();
        self.ask(&reset, &["--json", r#"{"ResetType": "ForceOff"}"#]);
        let begun = Instant::now();
        while self.power_state() != "Off" {
            assert!(begun.elapsed() < PATIENCE, "still on: {}", self.log());
            #[allow(clippy::disallowed_methods, reason = "a test that waits for another program")]
            sleep(Duration::from_millis(100));
        }
    }

    fn system(&self) -> Value {
        let systems: Value = serde_json::from_str(&self.ask("/redfish/v1/Systems", &[])).expect("JSON");
        let first = systems["Members"][0]["@odata.id"].as_str().expect("a system").to_owned();
        serde_json::from_str(&self.ask(&first, &[])).expect("JSON")
    }

    fn ask(&self, path: &str, options: &[&str]) -> String {
        let answer = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", "30", "--cacert"])
            .arg(self.folder.join("certificate.pem"))
            .arg("--netrc-file")
            .arg(self.folder.join("netrc"))
            .args(options)
            .arg(format!("https://127.0.0.1:{}{path}", self.port))
            .output()
            .expect("curl, which ci/test installs");
        assert!(answer.status.success(), "{path}: {}\n{}", String::from_utf8_lossy(&answer.stderr), self.log());
        String::from_utf8(answer.stdout).expect("text")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Bmc {
    fn drop(&mut self) {
        // Either fails only when it has ended already.
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

/// The Python that has the emulator.
fn python() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).expect("a home");
    let path = cache.join("assay/sushy/bin/python");
    assert!(path.exists(), "{} is missing: ci/test installs it with `pip install sushy-tools bcrypt`", path.display());
    path
}
