//! The way to a Ceph cluster: configured as for its own programs, connected as the user that CEPH_ARGS names. Every call has a deadline: it is made on a thread of its own, which is
//! left behind, with all that it holds, when the cluster does not answer.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::ClusterError;
use crate::sys::rados::{self as sys, Librados};

/// What a configuration could say of images that are made and removed, as it is by itself: in the pool that was named, and gone when they are removed.
const PLAIN: [(&str, &str); 4] =
    [("rbd_default_data_pool", ""), ("rbd_default_stripe_unit", "0"), ("rbd_default_stripe_count", "0"), ("rbd_move_to_trash_on_remove", "false")];

/// How a cluster is connected to.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The configuration file; without it the one that librados finds: CEPH_CONF, /etc/ceph/ceph.conf.
    pub conf: Option<PathBuf>,
    /// How long the cluster may take to answer: to connect, to open, create and remove an image.
    pub deadline: Duration,
    /// When reads and writes that the cluster does not answer fail; without it they wait, as those of guests do.
    pub osd_op_timeout: Option<Duration>,
    /// The number of the cluster that is meant, lower case; without it whichever the configuration leads to.
    pub fsid: Option<String>,
    /// When another monitor is asked instead of one that answers nothing any more; half a minute without it.
    pub monitor_lost_after: Option<Duration>,
}

impl Connect {
    /// The user that CEPH_ARGS names, as in `client.admin` without its `client.`; none where the library's own word counts, `admin`.
    pub fn user() -> Option<String> {
        std::env::var("CEPH_ARGS").ok().and_then(|words| user_of(&words).map(str::to_owned))
    }
}

impl Default for Connect {
    fn default() -> Self {
        Self { conf: None, deadline: Duration::from_secs(20), osd_op_timeout: None, fsid: None, monitor_lost_after: None }
    }
}

/// What a cluster says of its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// `HEALTH_OK`, `HEALTH_WARN` or `HEALTH_ERR`.
    pub status: String,
    /// The codes behind it, `PG_DEGRADED`.
    pub codes: Vec<String>,
}

impl Health {
    /// What the monitors are asked for it.
    pub(super) const COMMAND: &str = r#"{"prefix": "health", "format": "json"}"#;

    pub(super) fn of(answer: &str) -> io::Result<Self> {
        #[derive(Deserialize)]
        struct Answer {
            status: String,
            #[serde(default)]
            checks: BTreeMap<String, IgnoredAny>,
        }
        let Answer { status, checks } = serde_json::from_str(answer).map_err(io::Error::other)?;
        Ok(Self { status, codes: checks.into_keys().collect() })
    }

    /// What it says that is not well: `HEALTH_WARN (OSD_DOWN)`.
    pub fn ailing(&self) -> Option<String> {
        (self.status != "HEALTH_OK").then(|| format!("{} ({})", self.status, self.codes.join(", ")))
    }
}

/// What the monitors are asked for pools and their flags.
pub(super) const POOLS: &str = r#"{"prefix": "osd pool ls", "detail": "detail", "format": "json"}"#;

/// Whether a pool takes itself for full, of the answer to [`POOLS`].
pub(super) fn is_full(answer: &str, own: &str) -> io::Result<bool> {
    #[derive(Deserialize)]
    struct Answer {
        pool_name: String,
        flags_names: String,
    }
    let pools: Vec<Answer> = serde_json::from_str(answer).map_err(io::Error::other)?;
    let pool = pools.iter().find(|pool| pool.pool_name == own).ok_or_else(|| io::Error::other("the monitors know no such pool"))?;
    Ok(pool.flags_names.split(',').any(|flag| flag == "full"))
}

/// What is said where Ceph's libraries are not installed.
pub(super) fn missing(sys::Missing { library, why }: sys::Missing) -> ClusterError {
    let package = if library.starts_with("librados") { "librados2" } else { "librbd1" };
    ClusterError::Library { package, library, why }
}

/// `rbd-vms`, with the namespace behind it where there is one.
pub(super) fn name_of(pool: &str, namespace: Option<&str>) -> String {
    namespace.map_or_else(|| pool.to_owned(), |namespace| format!("{pool}/{namespace}"))
}

/// The cluster of the configuration, connected.
pub(super) fn connected(connect: &Connect) -> Result<sys::Cluster, ClusterError> {
    let cluster = configured(Librados::load().map_err(missing)?, connect)?;
    // The library has a deadline of its own; this one is for when it does not keep it.
    let deadline = connect.deadline + Duration::from_secs(2);
    let cluster = within("connect to", "the Ceph cluster", deadline, move || cluster.connect().map(|()| cluster).map_err(explained))?;
    let Some(meant) = connect.fsid.clone() else { return Ok(cluster) };
    let asked = move || Ok((fsid_of(&cluster.ask_monitors(FSID)?)?, cluster));
    match within("ask for the number of", "the Ceph cluster", deadline, asked)? {
        (found, cluster) if found == meant => Ok(cluster),
        (found, _) => Err(ClusterError::OtherCluster { found, meant }),
    }
}

/// What the monitors are asked for the number of their cluster.
pub(super) const FSID: &str = r#"{"prefix": "fsid", "format": "json"}"#;

pub(super) fn fsid_of(answer: &str) -> io::Result<String> {
    #[derive(Deserialize)]
    struct Answer {
        fsid: String,
    }
    serde_json::from_str(answer).map(|Answer { fsid }| fsid).map_err(io::Error::other)
}

/// Why there is no connection, with what the library's answer means of a cluster.
fn explained(error: io::Error) -> io::Error {
    let user = Connect::user().unwrap_or_else(|| "admin".to_owned());
    let why = match error.raw_os_error() {
        Some(libc::ENOENT) => format!("the keyring of client.{user} is not where the configuration says"),
        Some(libc::EACCES) => format!("the monitors do not take the key of client.{user}, or there is none where the configuration says"),
        Some(libc::ETIMEDOUT) => "nobody answers in time: no quorum of monitors is reached".to_owned(),
        Some(_) | None => return error,
    };
    io::Error::new(error.kind(), format!("{why} ({error})"))
}

fn configured(library: Librados, connect: &Connect) -> Result<sys::Cluster, ClusterError> {
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| io::Error::other("its path is not valid UTF-8"));
    let file = connect.conf.as_ref().map_or_else(|| "of Ceph (CEPH_CONF, /etc/ceph/ceph.conf)".to_owned(), |path| path.display().to_string());
    let failed = |act: &'static str, subject: &str| {
        let subject = subject.to_owned();
        move |source| ClusterError::Call { act, subject, source }
    };
    if std::env::var("CEPH_ARGS").is_ok_and(|words| names_a_file(&words)) {
        let why = "it names a configuration file, which the library does not read from there: name it by CEPH_CONF";
        return Err(failed("take the options of", "CEPH_ARGS")(io::Error::other(why)));
    }
    let cluster = sys::Cluster::new(library, Connect::user().as_deref()).map_err(failed("prepare a connection to", "the Ceph cluster"))?;
    let path = connect.conf.as_deref().map(text).transpose().map_err(failed("read the configuration", &file))?;
    cluster.read_conf(path.as_deref()).map_err(failed("read the configuration", &file))?;
    cluster.read_environment().map_err(failed("take the options of", "CEPH_ARGS"))?;
    let seconds = |time: Duration| time.as_secs().max(1).to_string();
    let mut options = vec![
        ("client_mount_timeout", seconds(connect.deadline)),
        ("rados_mon_op_timeout", seconds(connect.deadline)),
        // What goes wrong is an error of ours, and no line among those of assay.
        ("log_to_stderr", "false".to_owned()),
        ("err_to_stderr", "false".to_owned()),
        ("admin_socket", String::new()),
    ];
    options.extend(PLAIN.map(|(option, value)| (option, value.to_owned())));
    if let Some(time) = connect.monitor_lost_after {
        options.extend([
            ("mon_client_ping_interval", "1".to_owned()),
            ("mon_client_ping_timeout", seconds(time)),
            ("mon_client_hunt_interval", "1".to_owned()),
        ]);
    }
    options.extend(connect.osd_op_timeout.map(|time| ("rados_osd_op_timeout", seconds(time))));
    for (option, value) in options {
        cluster.set(option, &value).map_err(failed("set the option", option))?;
    }
    Ok(cluster)
}

/// The user that the options name, which the library does not take from them by itself: `--id assay`, `--name client.assay`.
fn user_of(words: &str) -> Option<&str> {
    let mut words = words.split_whitespace();
    while let Some(word) = words.next() {
        let (option, value) = word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        match option {
            "--id" | "--user" => return value.or_else(|| words.next()),
            "--name" | "-n" => return value.or_else(|| words.next())?.strip_prefix("client."),
            _ => {}
        }
    }
    None
}

/// Whether the options lead to another cluster than the configuration file that is read.
fn names_a_file(words: &str) -> bool {
    words.split_whitespace().any(|word| matches!(word.split('=').next(), Some("-c" | "--conf" | "--cluster")))
}

/// Makes a call that may block for ever, and waits so long for it.
pub(super) fn within<T: Send + 'static>(
    act: &'static str,
    subject: &str,
    deadline: Duration,
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ClusterError> {
    let (answer, answered) = mpsc::channel();
    let failed = |source| ClusterError::Call { act, subject: subject.to_owned(), source };
    // What comes after the deadline is dropped there.
    let ask = move || drop(answer.send(call()));
    std::thread::Builder::new().name("ceph".to_owned()).spawn(ask).map_err(failed)?;
    match answered.recv_timeout(deadline) {
        Ok(answer) => answer.map_err(failed),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(ClusterError::Silent { act, subject: subject.to_owned(), waited: deadline }),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(failed(io::Error::other("the thread that asked has died"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_full_when_its_own_flags_say_so() {
        let answer = r#"[{"pool_name": "a", "flags_names": "hashpspool,full,full_quota"}, {"pool_name": "b", "flags_names": "hashpspool,nearfull"}]"#;
        assert!(is_full(answer, "a").expect("an answer") && !is_full(answer, "b").expect("an answer"));
        assert!(is_full(answer, "c").is_err() && is_full("[{}]", "a").is_err());
    }

    #[test]
    fn the_health_of_a_cluster_is_its_status_and_the_codes_behind_it() {
        let warn = r#"{"status": "HEALTH_WARN", "checks": {"PG_DEGRADED": {"severity": "HEALTH_WARN"}, "OSD_DOWN": {}}, "mutes": []}"#;
        let health = Health::of(warn).expect("an answer");
        assert_eq!(health.codes, ["OSD_DOWN", "PG_DEGRADED"]);
        assert_eq!(health.ailing().as_deref(), Some("HEALTH_WARN (OSD_DOWN, PG_DEGRADED)"));
        assert_eq!(Health::of(r#"{"status": "HEALTH_OK"}"#).expect("an answer").ailing(), None);
        assert!(Health::of("{}").is_err() && Health::of("").is_err());
    }

    #[test]
    fn a_connection_that_there_is_not_is_explained() {
        for (number, why) in [(libc::EACCES, "do not take the key of client."), (libc::ENOENT, "keyring"), (libc::ETIMEDOUT, "no quorum")] {
            let told = explained(io::Error::from_raw_os_error(number)).to_string();
            assert!(told.contains(why) && told.contains(&format!("os error {number}")), "{told}");
        }
        assert_eq!(explained(io::Error::from_raw_os_error(libc::EIO)).raw_os_error(), Some(libc::EIO));
    }

    #[test]
    fn a_configuration_file_of_ceph_args_is_noticed() {
        for (words, expected) in
            [("", false), ("--id assay", false), ("-c /etc/x.conf", true), ("--id a --conf=/etc/x.conf", true), ("--cluster x", true)]
        {
            assert_eq!(names_a_file(words), expected, "{words}");
        }
    }

    #[test]
    fn the_user_of_ceph_args_is_found_in_each_spelling() {
        for (words, user) in [
            ("", None),
            ("--id assay", Some("assay")),
            ("--conf /etc/x.conf --id=assay --debug-ms 1", Some("assay")),
            ("--user assay", Some("assay")),
            ("-n client.assay", Some("assay")),
            ("--name=client.assay", Some("assay")),
            ("--name=osd.0", None),
            ("--id", None),
        ] {
            assert_eq!(user_of(words), user, "{words}");
        }
    }
}
