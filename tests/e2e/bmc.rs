//! The management controller, spoken with by the binary over TLS: OpenStack's `sushy-emulator` with its fake driver, as `ci/test` installs it, behind a
//! certificate authority of this test.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assay_model::attr::{Attr, Kind};
use assay_model::inventory::{Inventory, ProbeEnded};
use assay_model::verdict::Rank;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

use crate::command::{Answer, Assay};

const PASSWORD: &str = "hunter2-never-shown";
/// `ADMIN:hunter2-never-shown` as HTTP sends it.
const ENCODED: &str = "QURNSU46aHVudGVyMi1uZXZlci1zaG93bg";

/// An emulator, and a site that knows it as the controller of this host.
struct Emulated {
    assay: Assay,
    emulator: Child,
    port: u16,
    certificate: String,
}

impl Emulated {
    fn start() -> Self {
        let assay = Assay::new();
        let folder = assay.folder().to_path_buf();
        let write = |name: &str, text: &str, mode: u32| {
            fs::write(folder.join(name), text).expect("written");
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).expect("permissions");
        };
        let authority = authority();
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters").signed_by(&key, &authority).expect("signed");
        write("certificate.pem", &certificate.pem(), 0o644);
        write("key.pem", &key.serialize_pem(), 0o600);
        write("authority.pem", &authority.pem(), 0o644);
        write("credentials", &format!("user=ADMIN\npassword={PASSWORD}\n"), 0o600);

        // Whoever asks for port 0 gets a free one; the emulator takes it right after.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let hash = format!("import bcrypt; print('ADMIN:' + bcrypt.hashpw(b'{PASSWORD}', bcrypt.gensalt(4)).decode())");
        let hashed = Command::new(installed("python")).args(["-c", &hash]).output().expect("python in the emulator's environment");
        assert!(hashed.status.success(), "{}", String::from_utf8_lossy(&hashed.stderr));
        write("htpasswd", &String::from_utf8_lossy(&hashed.stdout), 0o600);
        let at = |name: &str| folder.join(name).display().to_string();
        let configuration = format!(
            "SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'\nSUSHY_EMULATOR_LISTEN_PORT = {port}\nSUSHY_EMULATOR_SSL_CERT = '{}'\nSUSHY_EMULATOR_SSL_KEY = '{}'\n\
             SUSHY_EMULATOR_AUTH_FILE = '{}'\nSUSHY_EMULATOR_FAKE_DRIVER = True\nSUSHY_EMULATOR_STATE_DIR = '{}'\n",
            at("certificate.pem"),
            at("key.pem"),
            at("htpasswd"),
            at("")
        );
        write("emulator.py", &configuration, 0o644);
        let log = fs::File::create(folder.join("emulator.log")).expect("a log");
        let emulator = Command::new(installed("sushy-emulator"))
            .args(["--config", &at("emulator.py")])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("sushy-emulator starts");
        let emulated = Self { assay, emulator, port, certificate: fingerprint(&certificate) };
        emulated.wait();
        emulated.site("site", &format!("ca = '''\n{}'''\n", authority.pem()), "");
        emulated
    }

    fn wait(&self) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the emulator does not listen: {}", self.log());
            #[allow(clippy::disallowed_methods, reason = "a test that waits for another program to listen")]
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.assay.folder().join("emulator.log")).unwrap_or_default()
    }

    /// A site that reaches the emulator, with this under `[bmc]` and this with the node.
    fn site(&self, name: &str, bmc: &str, node: &str) {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
        let folder = self.assay.folder().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let site = format!("schema = 1\nname = \"lab\"\n[[node]]\nname = \"{}\"\nbmc = \"https://127.0.0.1:{}\"\n{node}\n", host.trim(), self.port);
        fs::write(folder.join("site.toml"), site).expect("written");
        fs::write(folder.join("declared.toml"), format!("schema = 1\n[bmc]\n{bmc}")).expect("written");
    }

    fn run(&self, words: &[&str], environment: &[(&str, &str)]) -> Answer {
        let mut command = self.assay.command(words);
        for name in ["ASSAY_BMC_CREDENTIALS", "ASSAY_BMC_USER", "ASSAY_BMC_PASSWORD"] {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        let answer = Answer::of(command.output().expect("the binary starts"));
        for said in [&answer.stdout, &answer.stderr] {
            assert!(!said.contains(PASSWORD) && !said.contains(ENCODED), "a credential is shown: {said}");
        }
        answer
    }

    /// The inventory at a site, with the credentials of the file.
    fn inventory(&self, site: &str) -> Inventory {
        let answer = self.run(&["--site", site, "inventory", "--format", "json"], &[("ASSAY_BMC_CREDENTIALS", "credentials")]);
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        serde_json::from_str(&answer.stdout).expect("an inventory")
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        // Either fails only when it has ended already.
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

fn fingerprint(certificate: &rcgen::Certificate) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hex"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl, which ci/test installs");
    std::io::Write::write_all(&mut openssl.stdin.take().expect("a pipe"), certificate.der()).expect("written");
    let mut text = String::new();
    openssl.stdout.take().expect("a pipe").read_to_string(&mut text).expect("read");
    assert!(openssl.wait().expect("it ends").success());
    text.split_whitespace().next_back().expect("a digest").to_owned()
}

/// A program of the emulator's Python environment.
fn installed(program: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).expect("a home");
    let path = cache.join("assay/sushy/bin").join(program);
    assert!(path.exists(), "{} is missing: ci/test installs it with `pip install sushy-tools bcrypt`", path.display());
    path
}

fn ended<'a>(inventory: &'a Inventory, probe: &str) -> &'a ProbeEnded {
    &inventory.probes.iter().find(|outcome| outcome.probe == probe).expect("the probe is registered").ended
}

#[test]
fn a_controller_is_read_over_tls_and_recorded_without_a_secret() {
    let emulated = Emulated::start();
    let inventory = emulated.inventory("site");
    for probe in ["bmc", "bmc_inventory", "bmc_sensors", "bmc_log"] {
        assert_eq!(ended(&inventory, probe), &ProbeEnded::Completed, "{probe}: {}", emulated.log());
    }
    assert!(inventory.iter(Kind::Fan).count() >= 2 && inventory.iter(Kind::BmcSensor).count() >= 2);
    let manager = inventory.iter(Kind::Bmc).next().expect("a manager");
    assert_eq!(manager.value(Attr::Firmware).and_then(|version| version.as_str()), Some("1.00"));
    let apart = manager.value(Attr::ClockDeviation).and_then(|apart| apart.as_u64()).expect("two clocks");
    assert!(apart < 5_000_000_000, "the emulator has the clock of this machine: {apart} ns");

    let environment = [("ASSAY_BMC_USER", "ADMIN"), ("ASSAY_BMC_PASSWORD", PASSWORD)];
    assert_eq!(emulated.run(&["--site", "site", "snapshot", "-o", "node.snap"], &environment).code, 0);
    let snapshot = fs::read_to_string(emulated.assay.folder().join("node.snap")).expect("a snapshot");
    assert!(snapshot.contains("redfish:/redfish/v1/:") && snapshot.contains("redfish:clock: node "), "{snapshot}");
    for secret in [PASSWORD, ENCODED, "AccountService", "SessionService", "Authorization"] {
        assert!(!snapshot.contains(secret), "{secret} is in the snapshot");
    }
    let replayed = emulated.run(&["--snapshot", "node.snap", "inventory", "--format", "json"], &[]);
    let replayed: Inventory = serde_json::from_str(&replayed.stdout).expect("an inventory");
    for kind in [Kind::Bmc, Kind::BmcHost, Kind::Fan, Kind::BmcSensor] {
        let of = |inventory: &Inventory| inventory.without_volatile().iter(kind).cloned().collect::<Vec<_>>();
        assert_eq!(of(&replayed), of(&inventory), "{kind}");
    }

    let verified = emulated.run(&["--site", "site", "verify", "--format", "json"], &environment);
    let checks = verified.json();
    let worst = |id: &str| {
        let found: Vec<Rank> = checks["checks"]
            .as_array()
            .expect("checks")
            .iter()
            .filter(|check| check["id"] == id)
            .map(|check| serde_json::from_value(check["verdict"].clone()).unwrap_or_else(|_| rank(&check["verdict"])))
            .collect();
        found.into_iter().max()
    };
    assert_eq!(worst("bmc.clock"), Some(Rank::Pass), "{}", verified.stdout);
    assert!(worst("bmc.health").is_some(), "{}", verified.stdout);
}

// A verdict is a word, or an object with one key.
fn rank(verdict: &Value) -> Rank {
    let word = verdict.as_object().and_then(|verdict| verdict.keys().next().cloned()).unwrap_or_else(|| verdict.to_string());
    serde_json::from_value(Value::from(word)).expect("a rank")
}

#[test]
fn only_who_is_believed_hears_credentials() {
    let emulated = Emulated::start();
    let failed = |site: &str| match ended(&emulated.inventory(site), "bmc") {
        ProbeEnded::Failed(why) => why.clone(),
        other @ (ProbeEnded::Completed | ProbeEnded::SourceMissing(_) | ProbeEnded::Hung(_)) => panic!("{other:?}"),
    };
    emulated.site("foreign", &format!("ca = '''\n{}'''\n", authority().pem()), "");
    assert!(failed("foreign").contains("certificate is refused"));
    emulated.site("system", "", "");
    assert!(failed("system").contains("certificate is refused"));
    emulated.site("wrong", "", &format!("bmc_certificate = \"{}\"", "ab".repeat(32)));
    assert!(failed("wrong").contains("fingerprint"));
    assert!(!emulated.log().contains("GET"), "nothing was asked: {}", emulated.log());
    emulated.site("pinned", "", &format!("bmc_certificate = \"{}\"", emulated.certificate));
    assert_eq!(ended(&emulated.inventory("pinned"), "bmc"), &ProbeEnded::Completed);

    let wrong = emulated.run(&["--site", "site", "inventory"], &[("ASSAY_BMC_USER", "ADMIN"), ("ASSAY_BMC_PASSWORD", "wrong")]);
    assert!(wrong.stdout.contains("401 Unauthorized"), "{}", wrong.stdout);
    let nobody = emulated.run(&["--site", "site", "inventory"], &[]);
    assert!(nobody.stdout.contains("it wants credentials and none are given"), "{}", nobody.stdout);
}

#[test]
fn credentials_and_addresses_that_are_not_safe_are_refused() {
    let assay = Assay::new();
    let credentials = assay.folder().join("credentials");
    fs::write(&credentials, format!("user=ADMIN\npassword={PASSWORD}\n")).expect("written");
    let run = |words: &[&str], environment: &[(&str, &str)]| {
        let mut command = assay.command(words);
        for name in ["ASSAY_BMC_CREDENTIALS", "ASSAY_BMC_USER", "ASSAY_BMC_PASSWORD"] {
            command.env_remove(name);
        }
        let answer = Answer::of(command.envs(environment.iter().copied()).output().expect("the binary starts"));
        assert!(!format!("{}{}", answer.stdout, answer.stderr).contains(PASSWORD), "{}", answer.stderr);
        answer
    };
    let file = [("ASSAY_BMC_CREDENTIALS", "credentials")];
    for mode in [0o644, 0o640, 0o660] {
        fs::set_permissions(&credentials, fs::Permissions::from_mode(mode)).expect("permissions");
        let answer = run(&["--bmc", "https://127.0.0.1:1", "inventory"], &file);
        assert!(answer.code == 2 && answer.stderr.contains("expected 0600"), "{}", answer.stderr);
    }
    fs::set_permissions(&credentials, fs::Permissions::from_mode(0o600)).expect("permissions");
    let with_password = format!("https://ADMIN:{PASSWORD}@127.0.0.1:1");
    for address in [with_password.as_str(), "http://10.6.0.21", "10.6.0.21", "https://127.0.0.1:1/redfish/v1/Systems"] {
        assert_eq!(run(&["--bmc", address, "inventory"], &file).code, 2, "{address}");
    }
    let both = [("ASSAY_BMC_CREDENTIALS", "credentials"), ("ASSAY_BMC_USER", "ADMIN"), ("ASSAY_BMC_PASSWORD", PASSWORD)];
    assert_eq!(run(&["--bmc", "https://127.0.0.1:1", "inventory"], &both).code, 2);
    assert_eq!(run(&["--bmc", "https://127.0.0.1:1", "inventory"], &both[1..2]).code, 2);
    assert_eq!(run(&["--bmc", "https://127.0.0.1:1", "--root", "/proc", "inventory"], &file).code, 2);
    // Nobody listens there: the rest of the node is seen all the same.
    let answer = run(&["--bmc", "http://127.0.0.1:1", "inventory"], &file);
    assert!(answer.code == 0 && answer.stdout.contains("probe bmc failed"), "{}{}", answer.stdout, answer.stderr);
    let answer = run(&["inventory"], &[]);
    assert!(answer.code == 0 && answer.stdout.contains("no BMC endpoint is configured"), "{}", answer.stdout);
}
