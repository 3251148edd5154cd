//! Accounts and containers. Names are taken as the shell gives them and checked by the
//! command, which can say what is wrong with one without showing two kilobytes of it.

use super::Access;
use crate::config::Bytes;
use clap::{Args, Subcommand};
use std::ffi::OsString;

/// `cairn account`.
#[derive(Debug, Args)]
pub struct AccountCommand {
    #[command(flatten)]
    pub access: Access,
    #[command(subcommand)]
    pub action: AccountAction,
}

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountAction {
    /// Create accounts; it is no error if they exist
    #[command(after_help = "Example: cairn account create work --property owner=ada")]
    Create {
        /// The accounts
        #[arg(value_name = "ACCOUNT", required = true)]
        accounts: Vec<OsString>,
        /// A property, KEY=VALUE; may be repeated
        #[arg(long = "property", short = 'p', value_name = "KEY=VALUE")]
        properties: Vec<OsString>,
    },
    /// Show what an account holds, and its properties
    #[command(after_help = "Example: cairn account show work --json")]
    Show {
        /// The account
        account: OsString,
    },
    /// List all accounts
    #[command(after_help = "Example: cairn account list")]
    List,
    /// Delete accounts, which must be empty
    #[command(after_help = "Example: cairn account delete work play")]
    Delete {
        /// The accounts
        #[arg(value_name = "ACCOUNT", required = true)]
        accounts: Vec<OsString>,
    },
    /// Set properties of an account
    #[command(after_help = "Example: cairn account set work --property owner=ada")]
    Set {
        /// The account
        account: OsString,
        #[command(flatten)]
        change: Change,
    },
    /// Remove properties of an account
    #[command(after_help = "Example: cairn account unset work --property owner")]
    Unset {
        /// The account
        account: OsString,
        #[command(flatten)]
        unset: Removal,
    },
}

/// Properties to set.
#[derive(Debug, Args)]
pub struct Change {
    /// A property, KEY=VALUE; may be repeated
    #[arg(long = "property", short = 'p', value_name = "KEY=VALUE")]
    pub properties: Vec<OsString>,
    /// Remove all other properties
    #[arg(long)]
    pub replace: bool,
}

/// Properties to remove.
#[derive(Debug, Args)]
pub struct Removal {
    /// The key of a property; may be repeated
    #[arg(long = "property", short = 'p', value_name = "KEY")]
    pub properties: Vec<OsString>,
    /// Remove all properties
    #[arg(long)]
    pub all_properties: bool,
}

/// Which account a command works in.
#[derive(Debug, Clone, Args)]
pub struct InAccount {
    #[command(flatten)]
    pub access: Access,
    /// The account to work in [default: what the credentials say, else "default"]
    #[arg(long, short = 'a', global = true, help_heading = super::STORE, value_name = "ACCOUNT",
          env = "CAIRN_ACCOUNT", hide_env_values = true)]
    pub account: Option<OsString>,
}

/// `cairn container`.
#[derive(Debug, Args)]
pub struct ContainerCommand {
    #[command(flatten)]
    pub place: InAccount,
    #[command(subcommand)]
    pub action: ContainerAction,
}

/// What can be done with containers.
#[derive(Debug, Subcommand)]
pub enum ContainerAction {
    /// Create containers; it is no error if they exist
    #[command(after_help = "\
Examples:
  cairn container create photos
  cairn container create archive --policy EC63 --versioning unlimited --quota 2TiB")]
    Create {
        /// The containers
        #[arg(value_name = "CONTAINER", required = true)]
        containers: Vec<OsString>,
        #[command(flatten)]
        settings: ContainerSettings,
        /// A property, KEY=VALUE; may be repeated
        #[arg(long = "property", short = 'p', value_name = "KEY=VALUE")]
        properties: Vec<OsString>,
    },
    /// Show a container's settings, what it holds, and its properties
    #[command(after_help = "Example: cairn container show photos")]
    Show {
        /// The container
        container: OsString,
    },
    /// List the containers of the account
    #[command(after_help = "Example: cairn container list --account work --prefix 2026-")]
    List(ListArgs),
    /// Delete containers, which must be empty
    #[command(after_help = "Example: cairn container delete photos films")]
    Delete {
        /// The containers
        #[arg(value_name = "CONTAINER", required = true)]
        containers: Vec<OsString>,
    },
    /// Change settings and properties of a container
    #[command(after_help = "Example: cairn container set photos --versioning 5 --quota 10GiB")]
    Set(ContainerChange),
    /// Remove properties and settings of a container
    #[command(after_help = "Example: cairn container unset photos --quota --property owner")]
    Unset {
        /// The container
        container: OsString,
        #[command(flatten)]
        unset: Removal,
        /// Go back to the cluster's default policy
        #[arg(long)]
        policy: bool,
        /// Remove the quota
        #[arg(long)]
        quota: bool,
        /// Go back to one version of each object
        #[arg(long)]
        versioning: bool,
    },
}

/// What a container is created with or changed to.
#[derive(Debug, Args)]
pub struct ContainerSettings {
    /// How its objects are kept
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// Versions kept of each object: disabled (an object cannot be overwritten), suspended
    /// (one), a number, or unlimited
    #[arg(long, value_name = "VERSIONS")]
    pub versioning: Option<String>,
    /// Most bytes it may hold
    #[arg(long, value_name = "SIZE")]
    pub quota: Option<Bytes>,
}

/// `cairn container set`.
#[derive(Debug, Args)]
pub struct ContainerChange {
    /// The container
    pub container: OsString,
    #[command(flatten)]
    pub settings: ContainerSettings,
    #[command(flatten)]
    pub change: Change,
}

/// Which part of a listing is wanted.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only names that start with this
    #[arg(long, value_name = "TEXT")]
    pub prefix: Option<OsString>,
    /// Fold names that have this behind the prefix into one entry
    #[arg(long, value_name = "TEXT")]
    pub delimiter: Option<OsString>,
    /// Only names after this one
    #[arg(long, value_name = "NAME")]
    pub marker: Option<OsString>,
    /// Only names before this one
    #[arg(long, value_name = "NAME")]
    pub end_marker: Option<OsString>,
    /// Most entries to list [default: all]
    #[arg(long, value_name = "NUMBER")]
    pub limit: Option<u64>,
}
