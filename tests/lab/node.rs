//! A virtual node as `ci/lab/node` boots it, and requests to it over its agent port.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::outcome::Outcome;
use crate::qmp::Qmp;

/// How long a request may take to be answered: emulated processors share this machine with whatever else it does.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a node may take to boot, several times what it needs on a busy machine, and how often it may try: the emulator fails now and then, and before a
/// node is up nothing of assay runs in it.
const BOOT: Duration = Duration::from_secs(120);
const BOOTS: u8 = 3;
/// An emulated processor needs longer than a probe's ordinary deadline, and the switches of the lab announce themselves more often than real ones.
pub(crate) const ASSAY: &str = "assay --probe-deadline 120 --listen 5 --site /lab/site";

/// A running node. Dropping it switches it off.
pub(crate) struct Node {
    qemu: Child,
    folder: PathBuf,
    options: Vec<String>,
    // What runs the script elsewhere than here.
    through: Vec<OsString>,
}

impl Node {
    /// Boots a node that keeps its things in `folder`; `options` are those of `ci/lab/node`. Returns before it is up.
    pub(crate) fn boot(folder: &Path, options: &[&str]) -> Self {
        Self::boot_through(&[], folder, options)
    }

    /// The same where another command runs `ci/lab/node`.
    pub(crate) fn boot_through(through: &[OsString], folder: &Path, options: &[&str]) -> Self {
        for below in ["", "gates"] {
            let to = folder.join("share/site").join(below);
            fs::create_dir_all(&to).expect("a share");
            let files = fs::read_dir(repository("ci/lab/site").join(below)).expect("the lab's site").map(|entry| entry.expect("an entry").path());
            for file in files.filter(|path| path.is_file()) {
                fs::copy(&file, to.join(file.file_name().expect("a name"))).expect("copied");
            }
        }
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        Self { qemu: start(through, folder, &options), folder: folder.to_path_buf(), options, through: through.to_vec() }
    }

    /// Waits until the node takes requests.
    pub(crate) fn wait(&mut self) {
        for boot in 1..=BOOTS {
            let Err(why) = self.is_up() else { return };
            assert!(boot < BOOTS, "{why}");
            eprintln!("boot {boot} of {BOOTS}: {why}");
            self.switch_off();
            // What the last boot said would be read as this one's.
            fs::write(self.folder.join("console.log"), "").expect("an empty console");
            self.qemu = start(&self.through, &self.folder, &self.options);
        }
    }

    /// Waits until the node takes requests; the reason why it does not.
    fn is_up(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let console = self.text("console.log");
            if console.contains("lab: serving") {
                return Ok(());
            }
            let ended = self.qemu.try_wait().expect("its state");
            let waited = begun.elapsed();
            if ended.is_some() || waited > BOOT {
                return Err(format!("the node is not up after {} s: {ended:?}\n{console}\n{}", waited.as_secs(), self.text("qemu.log")));
            }
            #[allow(clippy::disallowed_methods, reason = "a test that waits for another program")]
            sleep(Duration::from_millis(100));
        }
    }

    /// Runs a shell command in the node; its exit status, and what it printed.
    pub(crate) fn request(&self, command: &str) -> (i32, String) {
        let mut stream = UnixStream::connect(self.folder.join("agent.sock")).expect("the node's agent port");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        writeln!(stream, "{command}").expect("the node listens");
        let mut status = String::new();
        let answered = BufReader::new(stream).read_line(&mut status);
        let output = self.text("share/output");
        let Ok(status) = status.trim().parse() else { panic!("`{command}`: {answered:?}\n{output}\n{}", self.text("console.log")) };
        (status, output)
    }

    /// Runs a command that must succeed; what it printed.
    pub(crate) fn sure(&self, command: &str) -> String {
        let (status, output) = self.request(command);
        assert_eq!(status, 0, "`{command}`: {output}");
        output
    }

    /// Runs assay at the lab's site with its results kept on a disk that is none of the judged drives; what it judged.
    pub(crate) fn assay(&self, arguments: &str) -> Outcome {
        let (status, output) = self.request(&format!("{ASSAY} --runs /runs --format json {arguments} >/lab/outcome.json"));
        assert!([0, 1, 3].contains(&status), "`assay {arguments}` ended with {status}: {output}");
        Outcome::parse(&self.text("share/outcome.json"))
    }

    /// Asks until it is so.
    pub(crate) fn until(&self, condition: &str) {
        let begun = Instant::now();
        while self.request(condition).0 != 0 {
            assert!(begun.elapsed() < PATIENCE, "still not so: {condition}");
            #[allow(clippy::disallowed_methods, reason = "a test that waits for another program")]
            sleep(Duration::from_millis(500));
        }
    }

    /// The block device of one of its drives. The kernel numbers them as they answer; the serial number ends with the drive's own number.
    /// Names like nvme8c8n1 are paths to it, which the kernel hides.
    pub(crate) fn drive(&self, drive: u8) -> String {
        let found = self.sure(&format!("grep -ls '{drive:04} *$' /sys/block/nvme?n1/device/serial /sys/block/nvme??n1/device/serial; true"));
        let name = found.strip_prefix("/sys/block/").and_then(|path| path.split('/').next()).expect("a path of sysfs");
        format!("/dev/{name}")
    }

    /// A file that the node sees below /lab.
    pub(crate) fn share(&self, file: &str) -> PathBuf {
        self.folder.join("share").join(file)
    }

    pub(crate) fn qmp(&self) -> Qmp {
        Qmp::at(&self.folder.join("qmp.sock"))
    }

    /// Whether its power is on.
    pub(crate) fn is_on(&mut self) -> bool {
        self.qemu.try_wait().expect("its state").is_none()
    }

    fn text(&self, file: &str) -> String {
        fs::read(self.folder.join(file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn switch_off(&mut self) {
        if !self.is_on() {
            return;
        }
        // `timeout` hands the signal on to QEMU; SIGKILL would leave QEMU behind.
        let id = i32::try_from(self.qemu.id()).expect("a process id");
        // SAFETY: `id` is a child that was not waited for, so the number belongs to no other process.
        unsafe {
            libc::kill(id, libc::SIGTERM);
        }
        self.qemu.wait().expect("its end");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.switch_off();
    }
}

/// Starts `ci/lab/node`. Its parent is this thread: when the test ends in whatever way, the node does too (`setpriv --pdeathsig` there).
fn start(through: &[OsString], folder: &Path, options: &[String]) -> Child {
    let log = fs::File::create(folder.join("qemu.log")).expect("a log");
    let binary = std::env::var_os("ASSAY_LAB_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_assay").into());
    let words: Vec<OsString> = through.iter().cloned().chain([repository("ci/lab/node").into()]).collect();
    Command::new(&words[0])
        .args(&words[1..])
        .arg("--dir")
        .arg(folder)
        .arg("--binary")
        .arg(binary)
        .args(options)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("ci/lab/node starts")
}

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
