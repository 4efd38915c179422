//! The command line: what can be said, and nothing of how it is done. Man page, completions and help are generated from it.

use std::path::PathBuf;

use assay_model::drift::Consequence;
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Proves that a node is what was ordered, performs as its own hardware allows and fails safely.
#[derive(Debug, Parser)]
#[command(name = "assay", version, propagate_version = true, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit status: 0 admitted, 1 a check failed, 2 usage, 3 inconclusive or blocked, 4 the harness itself failed.\n\
    Results go to standard output, progress and log to standard error.";

/// Options that every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it
    #[arg(long, global = true, value_name = "DIR", env = "ASSAY_SITE")]
    pub(crate) site: Option<PathBuf>,
    /// Probe the tree below DIR instead of /
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "snapshot")]
    pub(crate) root: Option<PathBuf>,
    /// Probe a recorded snapshot instead of this machine
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// An earlier snapshot of the same node: checks of what changed since look at both
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
    /// Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file
    /// with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD
    #[arg(long, global = true, value_name = "URL", conflicts_with_all = ["root", "snapshot"])]
    pub(crate) bmc: Option<String>,
    /// Where runs are kept
    #[arg(long, global = true, value_name = "DIR", env = "ASSAY_RUNS", default_value = "runs")]
    pub(crate) runs: PathBuf,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Seconds after which a probe that hangs is given up and reported with the path that it hung on
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) probe_deadline: u64,
    /// Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for
    /// accept and snapshot, 0 for other commands. Ends early when all were heard
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=300))]
    pub(crate) listen: Option<u64>,
    /// Say more on standard error
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object; schemas are in docs/schema
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Probe, check, run the phase's scenarios, judge the gate and write the report
    Accept(Accept),
    /// Show what the probes see of the node
    Inventory,
    /// Check the node against the site's bill of materials, without any load
    Verify,
    /// Work on the bill of materials
    #[command(subcommand)]
    Bom(Bom),
    /// List probes, checks, engines, scenarios and gates
    List,
    /// Show what a scenario would touch, how long it takes and how many bytes it writes; touches nothing
    Plan(Load),
    /// Run one scenario
    Run(Run),
    /// Measure how fast assay is beside another tool on this machine: interleaved pairs on the same scratch target, with the same parameters
    Calibrate(Calibrate),
    /// Read results of fio (`--output-format=json` or `json+`) as a baseline: its figures under assay's names, as requirements for the file of a gate
    Baseline {
        /// The file of results
        file: PathBuf,
        /// What share of each figure is to be reached
        #[arg(long, value_name = "PERCENT", default_value_t = 95, value_parser = clap::value_parser!(u32).range(1..=100))]
        share: u32,
    },
    /// Judge the gate of a phase from the node as it is now and the runs that are stored
    Gate {
        /// Phase, 1 to 11
        phase: u8,
        /// Use no stored run: what can be said of the node as it is now, and nothing else
        #[arg(long)]
        reuse_none: bool,
    },
    /// Write the HTML report of stored runs or of an acceptance
    Report {
        /// Ids of runs or of one acceptance; the newest acceptance without any
        ids: Vec<String>,
        /// File to write; replaces an older report, and nothing else
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Plant every fault of the corpus in reference nodes and print how often the checks are wrong; offline, and nothing of this machine is read
    Selftest(Selftest),
    /// After a kill, a crash or a power cut: read back what a run wrote whose scenario has `ack_log = true`, and say whether everything that was acknowledged
    /// is there. Reads only; exit 1 when something is lost
    VerifyWrites {
        /// Id of the run
        run: String,
    },
    /// Record everything that the probes read, as one plain-text file
    Snapshot(Snapshot),
    /// Show what differs between two snapshots, ranked by consequence: before and after a firmware update, or node against node; exit 1 when something differs,
    /// 3 when something could not be read
    Compare(Compare),
    /// Show the stored runs and how their figures moved
    History {
        /// Only this metric, or all of this scenario
        metric: Option<String>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page in roff
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct Accept {
    /// Phase whose gate is judged, 1 to 11
    #[arg(long, default_value_t = 1, conflicts_with = "resume")]
    pub(crate) phase: u8,
    /// Folder in which the scratch file is made and removed; the folder of the runs without it
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    /// Least seconds between the two looks at the node, where the gate asks what changed in between; an hour under load says most
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(10..=604_800))]
    pub(crate) window: u64,
    /// Finish an acceptance: its id, or the newest one that is unfinished
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    pub(crate) resume: Option<String>,
}

/// A scenario and its target.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Name of the scenario, or the path of a scenario file (.toml) or of a job file of fio (.fio)
    pub(crate) scenario: String,
    /// What the scenario works on: a folder for its scratch file, a loop device that holds nothing, or a drive that holds nothing and is confirmed; may be
    /// given several times
    #[arg(long, value_name = "PATH")]
    pub(crate) target: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) writes: Writes,
}

/// What may be done to real drives.
#[derive(Debug, Args)]
pub(crate) struct Writes {
    /// Confirm that everything on the drive with this serial number may be lost: without it no drive is written; may be given several times
    #[arg(long, value_name = "SERIAL")]
    pub(crate) i_own_serial: Vec<String>,
    /// The second key for scenarios that purge a drive as a whole: its serial number again; may be given several times
    #[arg(long, value_name = "SERIAL")]
    pub(crate) purge_serial: Vec<String>,
    /// Most of its rated life that a run may take of a drive
    #[arg(long, value_name = "PERCENT", default_value_t = 1)]
    pub(crate) endurance_percent: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Name of the scenario, or the path of a scenario file (.toml) or of a job file of fio (.fio); with --resume it may be left out
    #[arg(required_unless_present = "resume")]
    pub(crate) scenario: Option<String>,
    /// What the scenario works on: a folder for its scratch file, a loop device that holds nothing, or a drive that holds nothing and is confirmed; may be
    /// given several times
    #[arg(long, value_name = "PATH")]
    pub(crate) target: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) writes: Writes,
    /// Finish a run that was interrupted or cancelled: its id, or the newest one
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["scenario", "target"])]
    pub(crate) resume: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Calibrate {
    /// The other tool
    #[arg(long, value_enum)]
    pub(crate) against: Against,
    /// Pairs of each comparison; the first of a pair is assay and the other tool in turn
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) pairs: u32,
    /// Measured seconds of each side
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Folder for the scratch files, which are removed at the end; on a tmpfs the tools are compared, elsewhere the disk has its share
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    pub(crate) scratch: PathBuf,
    /// A loop device or a drive that holds nothing, in place of a loop device over a scratch file; 256 MiB of it are written again and again
    #[arg(long, value_name = "DEVICE")]
    pub(crate) target: Option<PathBuf>,
    /// Says that the drive with this serial number is yours to overwrite; without it no drive is written to
    #[arg(long, value_name = "SERIAL", requires = "target")]
    pub(crate) i_own_serial: Option<String>,
    /// Only the comparison with this name; may be given again
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// The fio to compare with
    #[arg(long, value_name = "PROGRAM", default_value = "fio")]
    pub(crate) fio: String,
}

/// Tools that assay can be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// fio, with the best of its flags and its latency accounting on
    Fio,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bom {
    /// Show contradictions and why; exit 3 while one that blocks is unresolved
    Lint,
    /// Write the bill of materials of this node
    Draft,
    /// Show each physical ceiling with its formula and inputs
    Limits,
}

#[derive(Debug, Args)]
pub(crate) struct Selftest {
    /// Only the checks of this phase: 1, 2 or 5
    #[arg(long, value_name = "PHASE", conflicts_with = "write_node")]
    pub(crate) phase: Option<u8>,
    /// Only the cases whose id has this in it
    #[arg(long, value_name = "TEXT")]
    pub(crate) case: Option<String>,
    /// Measure instead how well assay tells a fast target from a slow one and a sound one from a broken one: targets in memory whose truth is known go
    /// through the driver and the judgement; about a minute
    #[arg(long, conflicts_with_all = ["phase", "case", "write_node"])]
    pub(crate) measure: bool,
    /// Trials of each truth, with --measure
    #[arg(long, value_name = "N", default_value_t = 20, requires = "measure", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) trials: u32,
    /// Write a reference node as a snapshot and do nothing else, so that it can be looked at with every other command
    #[arg(long, value_names = ["NODE", "FILE"], num_args = 2, conflicts_with = "case")]
    pub(crate) write_node: Option<Vec<String>>,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The earlier snapshot, or the first node
    pub(crate) a: PathBuf,
    /// The later snapshot, or the second node
    pub(crate) b: PathBuf,
    /// Compare two nodes that should be alike: serial numbers, addresses and names may differ, and of parts must. Found out by itself from the boards' serial
    /// numbers
    #[arg(long)]
    pub(crate) peers: bool,
    /// Consequences that are expected, such as `firmware,setting`: still shown, and not decisive for the exit status
    #[arg(long, value_name = "CONSEQUENCE", value_delimiter = ',', value_parser = PossibleValuesParser::new(Consequence::ALL.iter().map(|one| one.name())))]
    pub(crate) allow: Vec<String>,
    /// Show also what changes by itself: temperatures, traffic
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Snapshot {
    /// File to write; replaces an older snapshot, and nothing else
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Replace serials, addresses and names by stable pseudonyms before anything is written
    #[arg(long)]
    pub(crate) redact: bool,
}
