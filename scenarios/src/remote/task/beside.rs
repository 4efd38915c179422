//! `beside`: the processors beside the cards of named interfaces, from `local_cpulist` of the nearest function above `/sys/class/net/*`, as far as the agent may
//! use them. Which of them a thread is pinned to is chosen elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TaskContext, TaskError, TaskErrorKind, result, spec};
use crate::plan::cpus;

/// Its name.
pub const NAME: &str = "beside";

/// Most interfaces of one request.
const INTERFACES_MAX: usize = 256;

/// Of which interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BesideSpec {
    /// Their names.
    pub interfaces: Vec<String>,
}

/// What is beside each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// Interface, processors ascending; none of one whose card says nothing (a virtual one has none), or beside which the agent may use none.
    pub interfaces: BTreeMap<String, Vec<u32>>,
}

pub(super) fn run(value: Value, _context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let BesideSpec { interfaces } = spec(value)?;
    read(Path::new("/sys/class/net"), &interfaces, &cpus::allowed()).and_then(|beside| result(&beside))
}

fn read(net: &Path, names: &[String], allowed: &[u32]) -> Result<Beside, TaskError> {
    let refused = |message: String| TaskError { kind: TaskErrorKind::Spec, message };
    if names.is_empty() || names.len() > INTERFACES_MAX {
        return Err(refused(format!("expected 1 to {INTERFACES_MAX} interfaces")));
    }
    let mut interfaces = BTreeMap::new();
    for name in names {
        if !crate::fault::is_interface_name(name) {
            return Err(refused(format!("`{}` is no name of an interface", name.escape_debug())));
        }
        let link = net.join(name);
        let device = fs::canonicalize(&link)
            .map_err(|error| TaskError { kind: TaskErrorKind::Failed, message: format!("cannot follow {}: {error}", link.display()) })?;
        let near = cpus::beside(&device).into_iter().filter(|cpu| allowed.contains(cpu)).collect();
        interfaces.insert(name.clone(), near);
    }
    Ok(Beside { interfaces })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_port_has_the_processors_of_its_function_that_may_be_used_and_a_virtual_one_has_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let (function, virtual_one, net) = (folder.path().join("0000:41:00.0"), folder.path().join("virtual/veth0"), folder.path().join("net"));
        for made in [&function.join("net/eth0"), &virtual_one, &net] {
            fs::create_dir_all(made).expect("makes");
        }
        fs::write(function.join("local_cpulist"), "0-3,8-9\n").expect("writes");
        symlink(function.join("net/eth0"), net.join("eth0")).expect("links");
        symlink(&virtual_one, net.join("veth0")).expect("links");
        let read = |names: &[&str]| super::read(&net, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), &[1, 2, 8, 99]);
        let beside = read(&["eth0", "veth0"]).expect("reads").interfaces;
        assert_eq!((&beside["eth0"][..], &beside["veth0"][..]), (&[1, 2, 8][..], &[][..]));
        let absent = read(&["eth7"]).expect_err("absent");
        assert!(absent.message.contains("eth7") && absent.kind == TaskErrorKind::Failed);
        for hostile in ["../net", "", "a/b"] {
            assert_eq!(read(&[hostile]).expect_err(hostile).kind, TaskErrorKind::Spec);
        }
        assert_eq!(read(&[]).expect_err("none").kind, TaskErrorKind::Spec);
    }
}
