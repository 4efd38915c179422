//! How a node is reached, and the command line of ssh that comes of it. Existing keys, agents and known hosts are used; nobody is asked for anything.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use assay_model::site::{Node, reach};

use super::error::RemoteError;

/// A node and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name in the site.
    pub node: String,
    /// What ssh is told.
    pub host: String,
    /// Further options for ssh, `Name=value`.
    pub ssh_options: Vec<String>,
    /// assay at the far end: a path, or a name in the PATH of the login.
    pub assay: String,
    /// Folder of the records of armed faults at the far end; the agent's own without it.
    pub faults: Option<String>,
    /// The ssh of this machine.
    pub ssh: PathBuf,
    /// How long things may take.
    pub patience: Patience,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For ssh to connect, whole seconds.
    pub connect: Duration,
    /// For the agent to say hello after that.
    pub hello: Duration,
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Either end is given up when nothing has come from it for so long.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), hello: Duration::from_secs(15), heartbeat: Duration::from_secs(1), silence: Duration::from_secs(5) }
    }
}

impl Target {
    /// A node that is reached as `host`.
    pub fn new(node: &str, host: &str) -> Result<Self, RemoteError> {
        reach::host(host).map_err(|why| RemoteError::Target { node: super::error::shown(node), why })?;
        Ok(Self {
            node: node.to_owned(),
            host: host.to_owned(),
            ssh_options: Vec::new(),
            assay: "assay".to_owned(),
            faults: None,
            ssh: PathBuf::from("ssh"),
            patience: Patience::default(),
        })
    }

    /// A node of the site.
    pub fn of(node: &Node) -> Result<Self, RemoteError> {
        let target = Self::new(&node.name, node.ssh_host())?;
        Ok(Self { ssh_options: node.ssh_options.clone(), assay: node.assay.clone().unwrap_or(target.assay), ..target })
    }

    /// The words after `ssh`.
    pub(super) fn words(&self) -> Result<Vec<OsString>, RemoteError> {
        let refused = |why: String| RemoteError::Target { node: super::error::shown(&self.node), why };
        reach::host(&self.host).map_err(refused)?;
        for option in &self.ssh_options {
            reach::option(option).map_err(refused)?;
        }
        for path in (self.assay != "assay").then_some(&self.assay).into_iter().chain(&self.faults) {
            reach::program(path).map_err(refused)?;
        }
        // ssh takes the first value of an option that it is given: ours, where nothing else may be.
        let mut words: Vec<OsString> = Vec::new();
        let mut option = |text: String| words.extend(["-o".into(), text.into()]);
        option("BatchMode=yes".into());
        option("ClearAllForwardings=yes".into());
        option("PermitLocalCommand=no".into());
        // A shared connection would outlive this one, or end with another.
        option("ControlPath=none".into());
        self.ssh_options.iter().for_each(|own| option(own.clone()));
        option(format!("ConnectTimeout={}", self.patience.connect.as_secs().max(1)));
        words.extend(["-a", "-x", "-T", "--"].map(OsString::from));
        words.push(self.host.clone().into());
        let faults = self.faults.as_ref().map(|folder| format!(" --faults {folder}")).unwrap_or_default();
        words.push(format!("{} agent --stdio{faults}", self.assay).into());
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_asks_nobody_and_runs_the_agent() {
        let target =
            Target { ssh_options: vec!["Port=2222".into()], assay: "/opt/assay".into(), ..Target::new("a", "root@10.0.0.1").expect("sound") };
        let words: Vec<String> = target.words().expect("sound").into_iter().map(|word| word.into_string().expect("text")).collect();
        let line = words.join(" ");
        assert!(
            line.starts_with("-o BatchMode=yes ")
                && line.contains(" -o Port=2222 ")
                && line.ends_with(" -T -- root@10.0.0.1 /opt/assay agent --stdio"),
            "{line}"
        );
    }

    #[test]
    fn what_would_be_an_option_or_a_command_is_refused() {
        assert!(matches!(Target::new("a", "-oProxyCommand=reboot"), Err(RemoteError::Target { .. })));
        let sound = Target::new("a", "a").expect("sound");
        for bad in [
            Target { host: "-v".into(), ..sound.clone() },
            Target { ssh_options: vec!["ProxyCommand=reboot".into()], ..sound.clone() },
            Target { assay: "assay; reboot".into(), ..sound.clone() },
            Target { faults: Some("/run/$(reboot)".into()), ..sound.clone() },
        ] {
            assert!(matches!(bad.words(), Err(RemoteError::Target { .. })), "{bad:?}");
        }
    }
}
