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
    /// Try whether guests reach the hosts: ARP, ND, ICMP, TCP, UDP and tagged frames from interfaces on the guests' VLANs; only the site's allow-list may answer. Needs
    /// root, and a witness on the hosts' VLAN: silence is a pass only where an answer would have been heard. Stored as a run with a report; the gate of
    /// phase 2 is judged on the newest, which must have probed from every guest VLAN of the site
    Isolation(Isolation),
    /// Break something on purpose, measure the outage, and heal it: a scenario with a fault, such as bond-failover. Only on nodes that the site lists with the serial
    /// number of their board; a watchdog on the node heals when assay or the connection dies
    Drill(Drill),
    /// Measure how fast assay is beside another tool on this machine: interleaved pairs on the same scratch target, with the same parameters
    Calibrate(Calibrate),
    /// Read results of fio (`--output-format=json` or `json+`), of iperf3 (`-J`) or of perftest (`ib_write_bw` and its sisters) as a baseline: its figures under assay's names, as requirements for the file of a gate
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
    /// is there. Reads only; exit 1 when something is lost or cannot be read, 3 when the host was booted since and nothing was found missing: the log may be older
    /// than the writes then
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
    /// Serve another assay as the far end of a measurement: it starts this by itself, over SSH, and speaks with it over standard input and output
    Agent(Agent),
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
    /// What the scenario works on: a folder for its scratch file, a loop device that holds nothing, a drive that holds nothing and is confirmed, or a pool of a Ceph cluster
    /// for its scratch image: rbd:POOL/ or rbd:POOL/NAMESPACE/, with :cache=writeback, :object_size=4MiB or :features=layering+exclusive-lock behind it (krbd:POOL/: mapped
    /// by the kernel), or for its scratch objects: rados:POOL/; may be given several times
    #[arg(long, value_name = "PATH")]
    pub(crate) target: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) writes: Writes,
    #[command(flatten)]
    pub(crate) between: Between,
}

/// Between which nodes something is measured.
#[derive(Debug, Args)]
pub(crate) struct Between {
    /// Nodes of the site that take part, each reached over SSH with existing keys; `all` for every node of the site. The same build of assay must be on each
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    pub(crate) nodes: Vec<String>,
    /// Which of the site's networks data goes through: `addresses` of [[node]] in site.toml; the only one that all these nodes are in without it; in a drill
    /// on a Ceph cluster the one that a host is cut off from
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// Which of the site's networks is corosync's: in a drill on a Ceph cluster round trips of the node that fails to another one are measured in it meanwhile; with
    /// `all` on every link of corosync that the order names
    #[arg(long, value_name = "NAME")]
    pub(crate) ring: Option<String>,
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
    /// What the scenario works on: a folder for its scratch file, a loop device that holds nothing, a drive that holds nothing and is confirmed, or a pool of a Ceph cluster
    /// for its scratch image: rbd:POOL/ or rbd:POOL/NAMESPACE/, with :cache=writeback, :object_size=4MiB or :features=layering+exclusive-lock behind it (krbd:POOL/: mapped
    /// by the kernel), or for its scratch objects: rados:POOL/; may be given several times
    #[arg(long, value_name = "PATH")]
    pub(crate) target: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) writes: Writes,
    #[command(flatten)]
    pub(crate) between: Between,
    /// Finish a run that was interrupted or cancelled: its id, or the newest one
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["scenario", "target"])]
    pub(crate) resume: Option<String>,
}

/// From where isolation is tried.
#[derive(Debug, Args)]
pub(crate) struct Isolation {
    /// An interface on a guest VLAN, untagged, optionally in a network namespace; may be given for each VLAN. The inner end of a veth pair whose other end is a port of
    /// the bridge, never the tap of a running guest
    #[arg(long, value_name = "VLAN=[NETNS:]INTERFACE", required = true)]
    pub(crate) guest: Vec<String>,
    /// An interface on the hosts' VLAN that witnesses what arrives there; may be given several times
    #[arg(long, value_name = "[NETNS:]INTERFACE", required = true)]
    pub(crate) witness: Vec<String>,
    /// Seconds for which frames of the hosts' VLAN are listened for; fewer than 600 never prove that there are none
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    pub(crate) seconds: u64,
}

/// A scenario that breaks something, and where.
#[derive(Debug, Args)]
pub(crate) struct Drill {
    /// Name of the scenario, or the path of a scenario file (.toml)
    pub(crate) scenario: String,
    /// What the client of a drill on a Ceph cluster works on: a pool for its scratch image, as in `assay run --target`
    #[arg(long, value_name = "POOL")]
    pub(crate) target: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) between: Between,
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
    /// A loop device or a drive that holds nothing, in place of a loop device over a scratch file; 256 MiB of it are written again and again. Against rbd: the pool, as in
    /// `assay run --target`, where two scratch images of 128 MiB are made
    #[arg(long, value_name = "DEVICE")]
    pub(crate) target: Option<PathBuf>,
    /// Says that the drive with this serial number is yours to overwrite; without it no drive is written to
    #[arg(long, value_name = "SERIAL", requires = "target")]
    pub(crate) i_own_serial: Option<String>,
    /// Most of its rated life that the calibration may take of a drive
    #[arg(long, value_name = "PERCENT", default_value_t = 1)]
    pub(crate) endurance_percent: u32,
    /// Only the comparison with this name; may be given again
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// The fio to compare with
    #[arg(long, value_name = "PROGRAM", default_value = "fio")]
    pub(crate) fio: String,
    /// The rbd to compare with
    #[arg(long, value_name = "PROGRAM", default_value = "rbd")]
    pub(crate) rbd: String,
    /// The iperf3 to compare with
    #[arg(long, value_name = "PROGRAM", default_value = "iperf3")]
    pub(crate) iperf3: String,
    /// Against perftest: the address of this machine whose RoCE v2 GID both use
    #[arg(long, value_name = "ADDRESS")]
    #[cfg_attr(not(feature = "rdma"), allow(dead_code, reason = "a build without RDMA refuses before it reads it"))]
    pub(crate) address: Option<std::net::IpAddr>,
    /// Against perftest: the RDMA device, where several have the address
    #[arg(long, value_name = "NAME", requires = "address")]
    #[cfg_attr(not(feature = "rdma"), allow(dead_code, reason = "a build without RDMA refuses before it reads it"))]
    pub(crate) device: Option<String>,
}

/// Tools that assay can be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// fio, with the best of its flags and its latency accounting on
    Fio,
    /// iperf3, with the best of its flags, in network namespaces that are made for it (needs root)
    Iperf3,
    /// fio's engine rbd and `rbd bench`, on scratch images of a Ceph cluster (needs --target rbd:POOL/)
    Rbd,
    /// perftest, on one RDMA device whose packets come back to it (needs a build with the feature `rdma`, and --address)
    Perftest,
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
pub(crate) struct Agent {
    /// Speak the protocol over standard input and output
    #[arg(long, required_unless_present = "watchdog")]
    pub(crate) stdio: bool,
    /// Folder of the records of faults in effect; leftovers in it are healed first
    #[arg(long, value_name = "DIR", default_value = assay_scenarios::fault::FOLDER)]
    pub(crate) faults: PathBuf,
    /// Guard the fault of this record until the agent at the other end of standard input is done or dead
    #[arg(long, value_name = "RECORD", hide = true, conflicts_with = "stdio")]
    pub(crate) watchdog: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Selftest {
    /// Only the checks of this phase: 1, 2, 4 or 5
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
