//! The halves of an RDMA measurement, and what the ports of the node count beside it. A build without verbs has the tasks all the same, and says what it lacks.

use std::path::Path;
use std::time::Duration;

use assay_probes::{Host, ProbeOptions, take_inventory_of};
use assay_rdma::RdmaResult;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TaskContext, TaskError, result, spec};

/// The half that listens; where, is its event.
pub const SERVE: &str = "rdma-serve";
/// The half that connects.
pub const CONNECT: &str = "rdma-connect";

/// What the probes see of ports, what they carry, and what they count.
pub const PORTS: &str = "rdma-ports";

/// The probes that are asked.
const PROBES: &[&str] = &["nic", "interface", "bond"];
/// How long one of them may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// How ports are asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortsSpec {}

/// An inventory of ports, bonds and interfaces.
pub(super) fn ports(value: Value, _context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let PortsSpec {} = spec(value)?;
    let options = ProbeOptions { deadline: DEADLINE, now: jiff::Timestamp::now() };
    result(&take_inventory_of(&Host::live(Path::new("/")), &options, PROBES))
}

/// What a half came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RdmaHalf {
    /// Figures.
    Measured(Box<RdmaResult>),
    /// What arrived is not what was sent: no failure of the harness, but what it looks for. In words, which end saw it and where.
    WrongContent(String),
}

#[cfg(feature = "rdma")]
pub(super) use verbs::{connect, serve};

#[cfg(feature = "rdma")]
mod verbs {
    use assay_rdma::{RdmaConnect, RdmaError, RdmaListen};

    use super::{RdmaHalf, RdmaResult, TaskContext, TaskError, Value, result, spec};

    pub(in super::super) fn serve(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
        let asked: RdmaListen = spec(value)?;
        let mut unsaid = None;
        let seen = assay_rdma::serve(&asked, context.stop().flag(), &mut |address| unsaid = context.emit(&address).err());
        match unsaid {
            Some(error) => Err(error),
            None => result(&half(seen)?),
        }
    }

    pub(in super::super) fn connect(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
        let asked: RdmaConnect = spec(value)?;
        result(&half(assay_rdma::connect(&asked, context.stop().flag()))?)
    }

    fn half(seen: Result<RdmaResult, RdmaError>) -> Result<RdmaHalf, TaskError> {
        match seen {
            Ok(measured) => Ok(RdmaHalf::Measured(Box::new(measured))),
            Err(wrong @ RdmaError::Corrupt { .. }) => Ok(RdmaHalf::WrongContent(wrong.to_string())),
            Err(error) => Err(TaskError::failed(&error)),
        }
    }

    #[cfg(test)]
    mod tests {
        use assay_rdma::error::Seen;
        use assay_rdma::pattern::Mismatch;

        use super::*;

        #[test]
        fn wrong_content_is_an_answer_and_whatever_else_goes_wrong_is_none() {
            let what = Mismatch { pair: 0, message: 3, offset: 7, expected: 1, found: 0, holds: None, untouched: false };
            let wrong = half(Err(RdmaError::Corrupt { by: Seen::There, what })).expect("an answer");
            assert!(matches!(&wrong, RdmaHalf::WrongContent(said) if said.contains("wrong content seen at the other end")), "{wrong:?}");
            assert!(half(Err(RdmaError::Lost { pair: 0, claimed: 2, seen: 1 })).is_err());
        }
    }
}

#[cfg(not(feature = "rdma"))]
pub(super) fn serve(_value: Value, _context: &TaskContext<'_>) -> Result<Value, TaskError> {
    Err(without())
}

#[cfg(not(feature = "rdma"))]
pub(super) fn connect(_value: Value, _context: &TaskContext<'_>) -> Result<Value, TaskError> {
    Err(without())
}

#[cfg(not(feature = "rdma"))]
fn without() -> TaskError {
    TaskError { kind: super::TaskErrorKind::Refused, message: assay_rdma::WITHOUT_VERBS.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::remote::stop::Stop;
    use crate::remote::task::{AgentOptions, TASKS};

    #[test]
    fn the_probes_that_tell_of_ports_are_there() {
        for name in PROBES {
            assert!(assay_probes::PROBES.iter().any(|probe| probe.name() == *name), "{name}");
        }
    }

    #[test]
    fn an_agent_without_rdma_says_so_and_one_with_it_looks_for_a_device() {
        let options = AgentOptions { faults: PathBuf::new(), watchdog: Vec::new() };
        let stop = Stop::default();
        let context = TaskContext { stop: &stop, emit: &|_| Ok(()), options: &options };
        let workload = json!({"operation": "write", "measure": "bandwidth", "message_bytes": 4096, "runtime_ms": 1});
        // An address that nobody has.
        let spec = json!({"endpoint": {"address": "192.0.2.77"}, "peer": "192.0.2.78:1", "token": "0".repeat(32), "workload": workload});
        let mut listen = spec.clone();
        listen.as_object_mut().expect("fields").remove("peer");
        for (name, spec) in [(SERVE, listen), (CONNECT, spec)] {
            let task = TASKS.iter().find(|task| task.name == name).expect("registered in either build");
            let why = (task.run)(spec, &context).expect_err("no device has this address").message;
            let expected = if assay_rdma::HAS_VERBS { ["no RDMA device", "no active RDMA port"] } else { ["built without RDMA"; 2] };
            assert!(expected.iter().any(|words| why.contains(words)), "{name}: {why}");
        }
    }
}
