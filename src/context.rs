//! What the global options resolve to: the site, the host, where runs are kept and how results are printed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use assay_model::inventory::Inventory;
use assay_model::site::{self, Site, SiteFiles};
use assay_probes::{Endpoint, Host, ProbeOptions, take_inventory};
use assay_reports::store::Store;

use crate::bmc;
use crate::cli::{Format, Global};
use crate::embedded;

/// The user asked for something that cannot be: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// A site that orders nothing and overrides nothing.
const BARE_SITE: &str = "schema = 1\nname = \"default\"\n";

/// A switch announces itself every 30 s (IEEE 802.1AB, msgTxInterval).
const LISTEN_SECONDS: u64 = 35;

/// How every recorded snapshot begins.
pub(crate) const SNAPSHOT_HEAD: &str = "assay-snapshot ";
const HOSTNAME: &str = "/proc/sys/kernel/hostname";
/// Largest file of a site; a bill of materials is some kilobytes.
const SITE_FILE_MAX: u64 = 1 << 20;

/// The resolved global options.
pub(crate) struct Context {
    pub(crate) format: Format,
    pub(crate) runs: PathBuf,
    pub(crate) verbose: bool,
    pub(crate) site_folder: Option<PathBuf>,
    pub(crate) probe_deadline: Duration,
    source: Source,
    since: Option<PathBuf>,
    bmc: Option<String>,
    listen: Option<u64>,
}

/// What is judged of a node: how it is, and how it was before where somebody looked then.
pub(crate) struct Looks {
    pub(crate) before: Option<Inventory>,
    pub(crate) now: Inventory,
    /// Where `now` comes from, for reports.
    pub(crate) from: String,
}

enum Source {
    Live(PathBuf),
    Snapshot(PathBuf),
}

impl Context {
    /// Resolves the options; reads nothing yet.
    pub(crate) fn new(global: &Global) -> Self {
        let source = match (&global.snapshot, &global.root) {
            (Some(file), _) => Source::Snapshot(file.clone()),
            (None, Some(root)) => Source::Live(root.clone()),
            (None, None) => Source::Live(PathBuf::from("/")),
        };
        Self {
            format: global.format,
            runs: global.runs.clone(),
            verbose: global.verbose,
            site_folder: global.site.clone(),
            probe_deadline: Duration::from_secs(global.probe_deadline),
            source,
            since: global.since.clone(),
            bmc: global.bmc.clone(),
            listen: global.listen,
        }
    }

    /// The site of `--site`, or the embedded `generic` one.
    pub(crate) fn site(&self) -> Result<Site> {
        let files = match &self.site_folder {
            Some(folder) => SiteFiles { origin: folder.display().to_string(), files: read_site(folder)? },
            None => SiteFiles { origin: "embedded generic site".into(), files: owned(embedded::GENERIC).into_iter().collect() },
        };
        site::assemble(files, &owned(embedded::GATES), &owned(embedded::PARTS)).map_err(|error| Usage(error.to_string()).into())
    }

    /// The named site, or without one a site that has the default gates of all phases: what `list` speaks of.
    pub(crate) fn site_with_default_gates(&self) -> Result<Site> {
        if self.site_folder.is_some() {
            return self.site();
        }
        let files = SiteFiles { origin: "default gates".into(), files: [("site.toml".to_owned(), BARE_SITE.to_owned())].into() };
        site::assemble(files, &owned(embedded::GATES), &owned(embedded::PARTS)).map_err(|error| Usage(error.to_string()).into())
    }

    /// The host that is probed.
    pub(crate) fn host(&self) -> Result<Host> {
        match &self.source {
            // A root that is not there would read as a machine on which nothing is fitted.
            Source::Live(root) if !root.is_dir() => Err(Usage(format!("cannot probe below {}: it is no folder", root.display())).into()),
            Source::Live(root) => self.managed(Host::live(root).listening(Duration::from_secs(self.listen.unwrap_or(0)))),
            Source::Snapshot(file) => recorded(file),
        }
    }

    /// A live host together with its management controller, where one is known.
    pub(crate) fn managed(&self, host: Host) -> Result<Host> {
        if !self.is_this_machine() {
            return Ok(host);
        }
        let site = self.site_folder.as_ref().map(|_| self.site()).transpose()?;
        let name = host.read(HOSTNAME).unwrap_or_default();
        let controller = bmc::of_node(self.bmc.as_deref(), site.as_ref(), name.trim(), self.probe_deadline)?;
        Ok(controller.into_iter().fold(host, Host::with_bmc))
    }

    /// How long a command listens for neighbours that takes the time for it.
    pub(crate) fn listening_time(&self) -> Duration {
        Duration::from_secs(self.listen.unwrap_or(LISTEN_SECONDS))
    }

    /// The node as it was in the snapshot of `--since`, which is to be comparable with the host as it is `now`.
    pub(crate) fn since(&self, now: &Host) -> Result<Option<Inventory>> {
        let Some(file) = &self.since else { return Ok(None) };
        let before = recorded(file)?;
        comparable(&before, &file.display().to_string(), now, "the host")?;
        Ok(Some(self.inventory(&before)))
    }

    /// The host as it is and as it was.
    pub(crate) fn looks(&self) -> Result<Looks> {
        let host = self.host()?;
        Ok(Looks { before: self.since(&host)?, now: self.inventory(&host), from: self.looked() })
    }

    /// Where a look at the host comes from.
    pub(crate) fn looked(&self) -> String {
        match &self.source {
            Source::Live(root) if root == Path::new("/") => "as probed when this was judged".into(),
            Source::Live(root) => format!("as probed below {} when this was judged", root.display()),
            Source::Snapshot(file) => format!("as recorded in {}", file.display()),
        }
    }

    /// The root of the live tree that is probed; none for a snapshot.
    pub(crate) fn root(&self) -> Option<&Path> {
        match &self.source {
            Source::Live(root) => Some(root),
            Source::Snapshot(_) => None,
        }
    }

    /// The command line that repeats `act` on the same site, for reports.
    pub(crate) fn command(&self, act: &str) -> String {
        let site = self.site_folder.as_ref().map(|folder| format!(" --site {}", word(folder))).unwrap_or_default();
        let source = match &self.source {
            Source::Snapshot(file) => format!(" --snapshot {}", word(file)),
            Source::Live(root) if root == Path::new("/") => String::new(),
            Source::Live(root) => format!(" --root {}", word(root)),
        };
        // One that is no address may hold a password.
        let address = self.bmc.as_ref().filter(|address| address.parse::<Endpoint>().is_ok());
        let bmc = address.map(|address| format!(" --bmc {}", word(Path::new(address)))).unwrap_or_default();
        format!("assay{site}{source}{bmc} --runs {} {}", word(&self.runs), act.trim())
    }

    /// Whether the machine itself is probed, and may be loaded.
    pub(crate) fn is_this_machine(&self) -> bool {
        match &self.source {
            Source::Live(root) => root == Path::new("/"),
            Source::Snapshot(_) => false,
        }
    }

    /// Refuses work that loads or records the machine when something else was named as the host.
    pub(crate) fn require_this_machine(&self, act: &str) -> Result<()> {
        if self.is_this_machine() {
            return Ok(());
        }
        Err(Usage(format!("{act} works on this machine only, not with --root or --snapshot")).into())
    }

    /// Probes the host.
    pub(crate) fn inventory(&self, host: &Host) -> Inventory {
        take_inventory(host, &self.probe_options())
    }

    /// The folder of runs.
    pub(crate) fn store(&self) -> Result<Store> {
        Store::open(&self.runs).with_context(|| Usage("cannot use the folder of runs".into()))
    }

    /// Deadline and time of probing.
    pub(crate) fn probe_options(&self) -> ProbeOptions {
        ProbeOptions { deadline: self.probe_deadline, now: jiff::Timestamp::now() }
    }
}

/// Refuses to compare a host under pseudonyms with one under its own names: all serial numbers and addresses differ, and none of it means anything.
pub(crate) fn comparable(a: &Host, a_name: &str, b: &Host, b_name: &str) -> Result<()> {
    let (redacted, plain) = match (a.is_redacted(), b.is_redacted()) {
        (true, false) => (a_name, b_name),
        (false, true) => (b_name, a_name),
        (true, true) | (false, false) => return Ok(()),
    };
    Err(Usage(format!("cannot compare {redacted} with {plain}: serial numbers, addresses and names are redacted in the one and not in the other"))
        .into())
}

/// The node that a snapshot file speaks of.
pub(crate) fn recorded(file: &Path) -> Result<Host> {
    let text = fs::read_to_string(file).with_context(|| Usage(format!("cannot read the snapshot {}", file.display())))?;
    // Without its head a text may be a piece of a snapshot, and a piece reads as a machine on which the rest is not fitted.
    if !text.trim_start().starts_with(SNAPSHOT_HEAD) {
        return Err(
            Usage(format!("{}: line 1 should begin with `{SNAPSHOT_HEAD}`: this is no snapshot, or only a piece of one", file.display())).into()
        );
    }
    Host::from_snapshot(&text).map_err(|error| Usage(format!("{}: {error}", file.display())).into())
}

/// Version and revision of this binary.
pub(crate) fn tool() -> String {
    format!("assay {} ({})", env!("CARGO_PKG_VERSION"), env!("ASSAY_REVISION"))
}

/// A path as one word of a shell.
pub(crate) fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ',' | ':' | '@' | '=' | '%');
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn owned(embedded: &[(&str, &str)]) -> Vec<(String, String)> {
    embedded.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn read_site(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for (below, prefix) in [(folder.to_path_buf(), ""), (folder.join("gates"), "gates/")] {
        if !prefix.is_empty() && !below.is_dir() {
            continue;
        }
        let entries = fs::read_dir(&below).with_context(|| Usage(format!("cannot list the site folder {}", below.display())))?;
        for entry in entries {
            let path = entry.with_context(|| format!("cannot list {}", below.display()))?.path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let size = fs::metadata(&path).with_context(|| Usage(format!("cannot read {}", path.display())))?.len();
            if size > SITE_FILE_MAX {
                return Err(Usage(format!("{} has {size} bytes; a file of a site has at most {SITE_FILE_MAX}", path.display())).into());
            }
            let text = fs::read_to_string(&path).with_context(|| Usage(format!("cannot read {}", path.display())))?;
            files.insert(format!("{prefix}{name}"), text);
        }
    }
    if !files.contains_key("site.toml") {
        return Err(Usage(format!("{} is no site: it has no site.toml", folder.display())).into());
    }
    Ok(files)
}
