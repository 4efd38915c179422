//! Kernel and distribution, from `/proc`, `/boot` and `/etc/os-release`. The clock is in `clock.rs`; what an unattended installation left behind in
//! `os/leftovers.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::Probe;
use crate::debian_version::compare_releases;
use crate::described::Described;
use crate::host::{Host, HostError, reading_of, unanswered, without_secrets};

mod leftovers;

/// The probe of kernel and distribution.
pub(super) struct Os;

const KERNEL: &str = "/proc/sys/kernel";
const RELEASES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
const CPUINFO: &str = "/proc/cpuinfo";
const BOOT: &str = "/boot";
/// Debian and its kin name a kernel by its release.
const IMAGE: &str = "vmlinuz-";
const PIN: &str = "/etc/kernel/proxmox-boot-pin";

impl Probe for Os {
    fn name(&self) -> &'static str {
        "os"
    }

    fn describe(&self) -> &'static str {
        "Kernel, command line, distribution and boot, from /proc, /boot and /etc/os-release; what an unattended installation left behind."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Os]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        if !host.exists(KERNEL)? {
            return Err(HostError::SourceMissing(KERNEL.into()));
        }
        let (source, release) = os_release(host);
        let field = |name| match &release {
            Ok(Some(text)) => release_field(text, name),
            Ok(None) => Reading::Absent,
            Err(error) => unanswered(error),
        };
        let os = Described::new(host, Kind::Os, "node", KERNEL)
            .text(Attr::Hostname, "hostname")
            .text(Attr::Kernel, "osrelease")
            .text(Attr::KernelBuild, "version")
            .text(Attr::Architecture, "arch")
            .text(Attr::BootId, "random/boot_id")
            .count(Attr::Tainted, "tainted")
            .put(Attr::CommandLine, "/proc/cmdline", host.reading_as("/proc/cmdline", |line| Ok(without_secrets(line).into())))
            .put(Attr::Uptime, "/proc/uptime", host.reading_as("/proc/uptime", uptime))
            .put(Attr::Hypervisor, format!("{CPUINFO} flags"), reading_of(host.read(CPUINFO), hypervisor))
            .put(Attr::Distribution, format!("{source} ID"), field("ID"))
            .put(Attr::DistributionVersion, format!("{source} VERSION_ID"), field("VERSION_ID"))
            .put(Attr::KernelsInstalled, format!("{BOOT}/{IMAGE}*"), kernels(host))
            .put(Attr::KernelPinned, PIN, host.reading(PIN))
            .put(Attr::InstallerLeftovers, leftovers::SOURCE, leftovers::found(host));
        Ok(vec![os.done()])
    }
}

/// Releases of the installed kernels, oldest first.
fn kernels(host: &Host) -> Reading {
    let names = match host.list(BOOT) {
        Ok(names) => names,
        Err(error) => return unanswered(&error),
    };
    let mut releases: Vec<String> = names.iter().filter_map(|name| name.strip_prefix(IMAGE)).map(str::to_owned).collect();
    releases.retain(|release| release != "old" && !release.ends_with(".old"));
    releases.sort_by(|a, b| compare_releases(a, b).then_with(|| a.cmp(b)));
    if releases.is_empty() { Reading::Absent } else { Value::List(releases).into() }
}

fn os_release(host: &Host) -> (&'static str, Result<Option<String>, HostError>) {
    for path in RELEASES {
        match host.read_or_none(path) {
            Ok(None) => {}
            answer => return (path, answer),
        }
    }
    (RELEASES[0], Ok(None))
}

/// A value of os-release(5), without its quotes.
fn release_field(text: &str, name: &str) -> Reading {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
    let value = value.map(|value| value.trim().trim_matches(['"', '\'']));
    value.filter(|value| !value.is_empty()).map_or(Reading::Absent, Reading::from)
}

fn uptime(text: &str) -> Result<Reading, String> {
    let seconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0).map(Reading::from).ok_or_else(|| "not a number of seconds".into())
}

/// CPUID says so to every guest that does not hide it; a processor without a list of flags says nothing.
fn hypervisor(text: &str) -> Result<Reading, String> {
    let flags = text.lines().find_map(|line| line.strip_prefix("flags")?.trim_start().strip_prefix(':'));
    Ok(flags.map_or(Reading::Absent, |flags| flags.split_whitespace().any(|flag| flag == "hypervisor").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(snapshot: &str) -> Component {
        Os.probe(&Host::from_snapshot(snapshot).expect("a fixture")).expect("looked").remove(0)
    }

    #[test]
    fn kernel_and_distribution_are_read() {
        let found = os("/proc/sys/kernel/hostname: pve1
            /proc/sys/kernel/osrelease: 6.8.12-4-pve
            /proc/sys/kernel/random/boot_id: 0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a1
            /proc/sys/kernel/tainted: 4097
            /proc/cmdline: BOOT_IMAGE=/boot/vmlinuz root=/dev/mapper/pve-root ro quiet
            /proc/uptime: 350735.47 234388.90
            /proc/cpuinfo:
              |processor\t: 0
              |flags\t\t: fpu vme svm
            /etc/os-release:
              |PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"
              |VERSION_ID=\"12\"
              |ID=debian");
        assert_eq!(found.reading(Attr::Hostname), &"pve1".into());
        assert_eq!(found.reading(Attr::Kernel), &"6.8.12-4-pve".into());
        assert_eq!(found.reading(Attr::Tainted), &4097_u64.into());
        assert_eq!(found.reading(Attr::Uptime), &350_735.47.into());
        assert_eq!(found.reading(Attr::Hypervisor), &false.into());
        assert_eq!(found.reading(Attr::Distribution), &"debian".into());
        assert_eq!(found.reading(Attr::DistributionVersion), &"12".into());
        assert_eq!(found.source(Attr::Distribution), "/etc/os-release ID");
    }

    #[test]
    fn a_guest_is_told_by_the_flag_and_not_by_a_word_in_a_name() {
        let guest = os("/proc/sys/kernel/hostname: a\n/proc/cpuinfo:\n|flags : fpu hypervisor lahf_lm");
        assert_eq!(guest.reading(Attr::Hypervisor), &true.into());
        let named = os("/proc/sys/kernel/hostname: a\n/proc/cpuinfo:\n|model name : hypervisor\n|flags : fpu");
        assert_eq!(named.reading(Attr::Hypervisor), &false.into());
        let silent = os("/proc/sys/kernel/hostname: a\n/proc/cpuinfo: processor : 0");
        assert_eq!(silent.reading(Attr::Hypervisor), &Reading::Absent);
    }

    #[test]
    fn what_cannot_be_read_is_not_absent() {
        let found = os("/proc/sys/kernel/hostname: a\n/etc/os-release error: EIO\n/proc/cpuinfo error: EACCES\n/proc/uptime: soon");
        for attr in [Attr::Distribution, Attr::Hypervisor, Attr::Uptime] {
            assert!(matches!(found.reading(attr), Reading::Unreadable(_)), "{attr}");
        }
    }

    #[test]
    fn installed_kernels_come_oldest_first_and_are_told_from_other_images() {
        let found = os("/proc/sys/kernel/hostname: a
            /boot list: config-6.14.8-2-pve grub initrd.img-6.14.8-2-pve vmlinuz vmlinuz-6.14.11-2-pve vmlinuz-6.14.8-2-pve vmlinuz.old vmlinuz-6.14.8-2-pve.old
            /etc/kernel/proxmox-boot-pin: 6.14.8-2-pve");
        assert_eq!(found.reading(Attr::KernelsInstalled), &Value::List(vec!["6.14.8-2-pve".into(), "6.14.11-2-pve".into()]).into());
        assert_eq!(found.reading(Attr::KernelPinned), &"6.14.8-2-pve".into());
        let none = os("/proc/sys/kernel/hostname: a\n/boot list: grub");
        assert_eq!((none.reading(Attr::KernelsInstalled), none.reading(Attr::KernelPinned)), (&Reading::Absent, &Reading::Absent));
        let refused = os("/proc/sys/kernel/hostname: a\n/boot error: EACCES");
        assert!(matches!(refused.reading(Attr::KernelsInstalled), Reading::Unreadable(_)));
    }

    #[test]
    fn a_root_without_proc_is_a_missing_source() {
        let host = Host::from_snapshot("unmentioned: absent").expect("a fixture");
        assert_eq!(Os.probe(&host), Err(HostError::SourceMissing(KERNEL.into())));
    }
}
