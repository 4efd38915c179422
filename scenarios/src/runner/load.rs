//! What else the machine did while a step measured: processor time of others, of the hypervisor and left over (`/proc/stat`, `/proc/self/stat`), and
//! jumps of the wall clock. The limits were set before anything was measured, each with its reason.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use assay_model::run::Condition;
use rustix::time::{ClockId, clock_gettime};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, ThreadKind};

/// Others may use this share of all processor time: repeats of a quiet machine differ by about as much, so less cannot be told from noise.
const NEIGHBOUR_SHARE: f64 = 0.05;
/// On a small machine that share is less than a shell prompt takes; a quarter of one CPU is always theirs.
const NEIGHBOUR_CPUS: f64 = 0.25;
/// A hypervisor that takes more than this gives a processor that is not there, and the figure is of its scheduler.
const STEAL_SHARE: f64 = 0.10;
/// With less left over, operations waited for a processor and not for the device.
const IDLE_SHARE: f64 = 0.02;
/// A clock that is steered moves at most 0.05 % (25 ms in a step of 50 s); what exceeds ntpd's own step threshold was set.
const CLOCK_STEP_NS: i128 = 128_000_000;

/// Daemons that serve a cluster: where it is what is measured, they are no neighbours.
const OF_CLUSTER: &[&str] = &["ceph-osd", "ceph-mon", "ceph-mgr"];

/// Whose processor time is a part of the measurement, besides that of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Partners {
    /// Nobody's.
    #[default]
    None,
    /// That of a Ceph cluster's daemons on this node, and of the agent that works for us here.
    Cluster,
}

/// Sums over the measured parts of one step.
#[derive(Debug, Clone, Default)]
pub(super) struct Load {
    busy: Cpu,
    own_user: u64,
    clock_ns: i128,
    cpus: u32,
    unreadable: Option<String>,
    partners: Partners,
}

/// Processor time of the whole machine, ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cpu {
    user: u64,
    left: u64,
    steal: u64,
    total: u64,
    cpus: u32,
}

/// The state at the beginning of a measured part.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    cpu: Result<(Cpu, u64), String>,
    clock_ns: i128,
}

impl Mark {
    pub(super) fn now(partners: Partners) -> Self {
        Self { cpu: processor_time(partners), clock_ns: wall_over_monotonic() }
    }
}

impl Load {
    pub(super) fn beside(partners: Partners) -> Self {
        Self { partners, ..Self::default() }
    }

    /// The state now, for what is measured from here on.
    pub(super) fn mark(&self) -> Mark {
        Mark::now(self.partners)
    }

    /// Adds what happened since `begin`.
    pub(super) fn add_since(&mut self, begin: &Mark) {
        let end = self.mark();
        let moved = end.clock_ns - begin.clock_ns;
        if moved.abs() > self.clock_ns.abs() {
            self.clock_ns = moved;
        }
        match (&begin.cpu, end.cpu) {
            (Ok((old, own_old)), Ok((new, own_new))) => {
                self.busy.user += new.user.saturating_sub(old.user);
                self.busy.left += new.left.saturating_sub(old.left);
                self.busy.steal += new.steal.saturating_sub(old.steal);
                self.busy.total += new.total.saturating_sub(old.total);
                self.own_user += own_new.saturating_sub(*own_old);
                self.cpus = new.cpus;
            }
            (Err(why), _) => self.unreadable = Some(why.clone()),
            (_, Err(why)) => self.unreadable = Some(why),
        }
    }

    /// What makes the step's figures doubtful. `fills_cpus` is said of work that is meant to use every processor; `who` are the busiest others.
    pub(super) fn conditions(&self, fills_cpus: bool, who: &str) -> Vec<Condition> {
        let mut found = Vec::new();
        if self.clock_ns.abs() > CLOCK_STEP_NS {
            found.push(Condition::ClockStepped(format!("the wall clock moved by {} ms against the monotonic clock", self.clock_ns / 1_000_000)));
        }
        if let Some(why) = &self.unreadable {
            // Not knowing who else was busy is not the same as nobody.
            found.push(Condition::NeighbourBusy(format!("whether others used the machine cannot be told: {why}")));
            return found;
        }
        if self.busy.total == 0 {
            return found;
        }
        let cpus = f64::from(self.cpus.max(1));
        let share = |ticks: u64| ratio(ticks, self.busy.total);
        let others = share(self.busy.user.saturating_sub(self.own_user));
        if others > (NEIGHBOUR_CPUS / cpus).max(NEIGHBOUR_SHARE) {
            found.push(Condition::NeighbourBusy(format!("other processes used {:.2} CPUs of {cpus:.0}{who}", others * cpus)));
        }
        if share(self.busy.steal) > STEAL_SHARE {
            found.push(Condition::HostSaturated(format!("the hypervisor took {:.0} % of the processor time", share(self.busy.steal) * 100.0)));
        }
        if !fills_cpus && share(self.busy.left) < IDLE_SHARE {
            found.push(Condition::HostSaturated(format!("{:.1} % of the processor time was left over", share(self.busy.left) * 100.0)));
        }
        found
    }
}

#[allow(clippy::cast_precision_loss, reason = "ticks of a step are far below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// The machine's processor time, and the user time of this process and its partners: kernel threads that work for us have no user time, so that the rest is others'.
fn processor_time(partners: Partners) -> Result<(Cpu, u64), String> {
    let machine = fs::read_to_string("/proc/stat").map_err(|error| format!("/proc/stat: {error}"))?;
    let cpu = machine_time(&machine).ok_or("/proc/stat: no line of all processors")?;
    let own = fs::read_to_string("/proc/self/stat").map_err(|error| format!("/proc/self/stat: {error}"))?;
    let user = own_user_time(&own).ok_or("/proc/self/stat: no user time")?;
    let theirs = match partners {
        Partners::None => 0,
        Partners::Cluster => user_time_of_cluster(Path::new("/proc")),
    };
    Ok((cpu, user + theirs))
}

/// User time of a cluster's daemons and of agents. One that ends meanwhile takes its time with it, and what it used counts as others'.
fn user_time_of_cluster(proc: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(proc) else { return 0 };
    let is_agent = |process: &Path| {
        fs::read(process.join("cmdline")).is_ok_and(|line| line.split(|byte| *byte == 0).nth(1).is_some_and(|word| word == b"agent"))
    };
    let is_partner = |process: &Path| match fs::read_to_string(process.join("comm")) {
        Ok(name) => OF_CLUSTER.contains(&name.trim()) || (name.trim() == "assay" && is_agent(process)),
        Err(_) => false,
    };
    let partners = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|process| is_partner(process));
    partners.filter_map(|process| own_user_time(&fs::read_to_string(process.join("stat")).ok()?)).sum()
}

/// `cpu  user nice system idle iowait irq softirq steal guest guest_nice` (proc_stat(5)); guests are part of user.
fn machine_time(text: &str) -> Option<Cpu> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let single = text.lines().filter(|line| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit())));
    let cpus = u32::try_from(single.count()).ok()?;
    let ticks: Vec<u64> = line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = ticks[..] else { return None };
    let left = idle + iowait;
    Some(Cpu { user: user + nice, left, steal, total: user + nice + system + left + irq + softirq + steal, cpus })
}

/// Field 14 of proc_pid_stat(5); the name in parentheses may hold anything.
fn own_user_time(text: &str) -> Option<u64> {
    text.rsplit_once(')')?.1.split_ascii_whitespace().nth(11)?.parse().ok()
}

fn wall_over_monotonic() -> i128 {
    let ns = |clock| {
        let now = clock_gettime(clock);
        i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
    };
    ns(ClockId::Realtime) - ns(ClockId::Monotonic)
}

/// Processor time of every process, to name the busy ones. Looked at between measured parts only.
pub(super) struct Processes(BTreeMap<u32, (String, u64)>);

impl Processes {
    /// Without partners: who is a part of the measurement is none of the others.
    pub(super) fn now(partners: Partners) -> Self {
        let Ok(mut system) = sysinfo::System::new() else { return Self(BTreeMap::new()) };
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing().with_cpu().without_tasks());
        let own = std::process::id();
        let is_partner = |name: &OsStr| partners == Partners::Cluster && OF_CLUSTER.iter().any(|daemon| name == *daemon);
        let others = system
            .processes()
            .iter()
            .filter(|(pid, process)| pid.as_u32() != own && process.thread_kind() != Some(ThreadKind::Kernel) && !is_partner(process.name()));
        Self(others.map(|(pid, process)| (pid.as_u32(), (process.name().to_string_lossy().into_owned(), process.accumulated_cpu_time()))).collect())
    }

    /// The three that used most since `before`, for people: ` (cc1 1.2 s, sshd 0.1 s)`.
    pub(super) fn busiest_since(&self, before: &Self) -> String {
        let mut used: Vec<(&str, u64)> = Vec::new();
        for (pid, (name, now)) in &self.0 {
            let earlier = before.0.get(pid).map_or(0, |(_, earlier)| *earlier);
            if now.saturating_sub(earlier) >= 20 {
                used.push((name, now - earlier));
            }
        }
        used.sort_by_key(|(_, ms)| std::cmp::Reverse(*ms));
        let named: Vec<String> =
            used.iter().take(3).map(|(name, ms)| format!("{} {}.{} s", crate::printable::Printable::new(name), ms / 1000, ms % 1000 / 100)).collect();
        if named.is_empty() { String::new() } else { format!(", busiest: {}", named.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(user: u64, own: u64, left: u64, steal: u64) -> Load {
        Load { busy: Cpu { user, left, steal, total: 1000, cpus: 0 }, own_user: own, clock_ns: 0, cpus: 2, ..Load::default() }
    }

    fn names(conditions: &[Condition]) -> Vec<&'static str> {
        conditions
            .iter()
            .map(|condition| match condition {
                Condition::Throttled(_) => "throttled",
                Condition::HostSaturated(_) => "saturated",
                Condition::AtHarnessFloor(_) => "floor",
                Condition::ClockStepped(_) => "clock",
                Condition::NeighbourBusy(_) => "neighbour",
                Condition::DeviceErrors(_) => "errors",
                Condition::NotSteady(_) => "unsteady",
                Condition::Cached(_) => "cached",
                Condition::Impossible(_) => "impossible",
            })
            .collect()
    }

    #[test]
    fn limits_hold_just_inside_and_break_just_outside() {
        let cases: Vec<(Load, bool, u32, Vec<&str>)> = vec![
            (load(500, 500, 400, 0), false, 2, vec![]),
            // 2 CPUs: a quarter of a CPU is 12.5 % of the machine.
            (load(625, 500, 300, 0), false, 2, vec![]),
            (load(626, 500, 300, 0), false, 2, vec!["neighbour"]),
            // 128 CPUs: 5 %.
            (load(550, 500, 300, 0), false, 128, vec![]),
            (load(551, 500, 300, 0), false, 128, vec!["neighbour"]),
            (load(500, 500, 20, 0), false, 2, vec![]),
            (load(500, 500, 19, 0), false, 2, vec!["saturated"]),
            (load(500, 500, 0, 0), true, 2, vec![]),
            (load(500, 500, 300, 100), true, 2, vec![]),
            (load(500, 500, 300, 101), true, 2, vec!["saturated"]),
            (load(500, 600, 300, 0), false, 2, vec![]),
        ];
        for (load, fills, cpus, expected) in cases {
            let load = Load { cpus, ..load };
            assert_eq!(names(&load.conditions(fills, "")), expected, "{load:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_is_told_and_one_that_is_steered_is_not() {
        let moved = |ns| Load { clock_ns: ns, ..load(500, 500, 300, 0) };
        assert!(moved(128_000_000).conditions(false, "").is_empty());
        assert_eq!(names(&moved(-128_000_001).conditions(false, "")), ["clock"]);
    }

    #[test]
    fn not_knowing_is_a_condition() {
        let blind = Load { unreadable: Some("/proc/stat: gone".into()), ..Load::default() };
        assert_eq!(names(&blind.conditions(false, "")), ["neighbour"]);
    }

    #[test]
    fn the_kernels_lines_are_read() {
        let text = "cpu  100 20 30 400 50 1 2 3 4 5\ncpu0 1 2 3\n";
        assert_eq!(machine_time(text), Some(Cpu { user: 120, left: 450, steal: 3, total: 606, cpus: 1 }));
        assert_eq!(machine_time("cpu0 1 2 3\n"), None);
        assert_eq!(own_user_time("7 (a) b) c) S 1 7 7 0 -1 4194560 1 0 0 0 42 9 0 0 20"), Some(42));
    }

    #[test]
    fn a_busy_process_is_seen_and_named() {
        let before = Processes::now(Partners::None);
        let mark = Mark::now(Partners::None);
        // Before all others: the test is of who is named, not of who gets a processor.
        let mut busy = std::process::Command::new("nice").args(["-n", "-20", "sh", "-c", "while :; do :; done"]).spawn().expect("starts");
        #[allow(clippy::disallowed_methods, reason = "the neighbour needs time to be busy")]
        std::thread::sleep(std::time::Duration::from_millis(600));
        let mut load = Load::default();
        load.add_since(&mark);
        let who = Processes::now(Partners::None).busiest_since(&before);
        busy.kill().and_then(|()| busy.wait()).expect("ends");
        assert!(who.contains("sh "), "{who}");
        // 0.6 s of one CPU are 60 ticks.
        assert!(load.busy.user.saturating_sub(load.own_user) >= 20, "{load:?}");
    }

    #[test]
    fn daemons_of_a_cluster_and_agents_are_partners_and_nobody_else_is() {
        let proc = tempfile::TempDir::new().expect("a folder");
        for (pid, comm, cmdline, user) in [
            ("1", "systemd", "/sbin/init\0", 7),
            ("20", "ceph-osd", "/usr/bin/ceph-osd\0-f\0", 100),
            ("21", "ceph-osd", "/usr/bin/ceph-osd\0-f\0", 50),
            ("22", "ceph-mon", "/usr/bin/ceph-mon\0", 3),
            ("30", "assay", "assay\0agent\0--stdio\0", 1000),
            ("31", "assay", "assay\0run\0storage-quick\0", 5000),
            ("40", "kvm", "/usr/bin/kvm\0agent\0", 9000),
        ] {
            let process = proc.path().join(pid);
            fs::create_dir(&process).expect("made");
            fs::write(process.join("comm"), format!("{comm}\n")).expect("written");
            fs::write(process.join("cmdline"), cmdline).expect("written");
            fs::write(process.join("stat"), format!("{pid} ({comm}) S 1 1 1 0 -1 0 0 0 0 0 {user} 9 0 0")).expect("written");
        }
        fs::create_dir(proc.path().join("gone")).expect("made");
        assert_eq!(user_time_of_cluster(proc.path()), 1153);
        assert_eq!(user_time_of_cluster(&proc.path().join("none")), 0);
    }
}
