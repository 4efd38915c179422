//! The declared state of the operating system and its management.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::When;

/// The declared state of the operating system and its management.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Software {
    /// Version of pve-manager, exactly: what makes it equal on all nodes.
    pub pve_manager: Option<String>,
    /// Oldest version of pve-manager that will do.
    pub pve_manager_min: Option<String>,
    /// Kernel release that is to run in place of the newest installed one.
    pub kernel_pinned: Option<String>,
    /// Words that the kernel's command line must and must not have.
    pub command_line: Option<CommandLine>,
    /// Line of `bom.toml` whose drives the node boots from, all of them.
    pub boot_line: Option<String>,
    /// The pool that holds the root file system, on the drives that the node boots from.
    pub root_pool: Option<RootPool>,
    /// The enabled package repositories: these and no others.
    pub repositories: Option<Vec<PackageRepository>>,
    /// The subscription; with several, those whose condition holds.
    pub subscription: Option<Vec<SubscriptionState>>,
    /// Who may log in by SSH, and how.
    pub ssh: Option<Ssh>,
    /// Types of realm that must be there: `ad`, `ldap`, `openid`.
    pub realms: Option<Vec<String>>,
    /// What counts as a second factor; with several, those whose condition holds.
    pub second_factor: Option<Vec<SecondFactor>>,
    /// How far the clock may be off.
    pub clock: Option<ClockLimits>,
    /// Whether something of an unattended installation may be left behind.
    pub installer_leftovers: Option<Leftovers>,
}

/// Words of the kernel's command line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandLine {
    /// Words that must be there, such as `iommu=pt`.
    #[serde(default)]
    pub required: Vec<String>,
    /// Words that must not be there, such as `mitigations=off`.
    #[serde(default)]
    pub forbidden: Vec<String>,
}

/// The pool of the root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RootPool {
    /// Its name.
    pub name: String,
    /// What it is made of: `mirror`.
    pub layout: String,
    /// Days after which the next scrub is overdue.
    pub scrub_max_age_days: u32,
}

/// Suites of one package repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageRepository {
    /// Its URI; a closing slash means nothing.
    pub uri: String,
    /// Its suites.
    pub suites: Vec<String>,
    /// The components of each suite.
    #[serde(default)]
    pub components: Vec<String>,
    /// It is declared only when this holds.
    pub when: Option<When>,
}

/// A state of the subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionState {
    /// `active`, or `none` where none is bought.
    pub status: String,
    /// It is declared only when this holds.
    pub when: Option<When>,
}

/// Who may log in by SSH, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ssh {
    /// Whether passwords may be used, asked by SSH or by PAM.
    pub passwords: bool,
    /// Values of `PermitRootLogin` that will do.
    pub root_login: Option<Vec<String>>,
    /// Algorithms of the keys that may log in.
    pub keys: Option<Vec<AllowedKey>>,
}

/// An algorithm of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedKey {
    /// Its name as it stands in the key: `ssh-ed25519`, `ssh-rsa`.
    #[serde(rename = "type")]
    pub key_type: String,
    /// The least length.
    pub bits_min: Option<u64>,
}

/// What counts as a second factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactor {
    /// Kinds of which every account that can log in has one: `totp`, `webauthn`, `yubico`. Recovery keys are no factor of their own.
    #[serde(default)]
    pub factors: Vec<String>,
    /// Types of realm whose provider asks for a second factor itself: `openid`.
    #[serde(default)]
    pub realms: Vec<String>,
    /// It is declared only when this holds.
    pub when: Option<When>,
}

/// How far the clock may be off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockLimits {
    /// Largest stratum.
    pub stratum_max: u64,
    /// Largest offset from the reference, ns.
    pub offset_max_ns: u64,
}

/// What may be left behind of an unattended installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Leftovers {
    /// Nothing.
    None,
    /// Whatever it is.
    Any,
}
