//! Accounts and containers. Names are taken as the shell gives them and checked by the
//! command, which can say what is wrong with one without showing two kilobytes of it.

use super::Access;
use crate::config::{Bytes, Span};
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
    /// Bring the counters of accounts up to date
    #[command(after_help = "\
Refreshes every container that an account lists, and sums them up anew.

Examples:
  cairn account refresh work
  cairn account refresh --all")]
    Refresh {
        /// The accounts
        #[arg(value_name = "ACCOUNT", required_unless_present = "all")]
        accounts: Vec<OsString>,
        /// Every account
        #[arg(long, conflicts_with = "accounts")]
        all: bool,
    },
    /// Empty the list of an account's containers and its counters; the containers stay
    #[command(after_help = "\
The containers and what is in them stay as they are. Each is listed again with its next change,
or once it is refreshed by its name.

Example: cairn account flush work")]
    Flush {
        /// The account
        account: OsString,
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
    /// CONTAINER is the id of a container, as `cairn container show` prints it; new ones have names
    #[arg(long, global = true, help_heading = super::STORE)]
    pub cid: bool,
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
  cairn container create archive --policy THREECOPIES --versioning unlimited --quota 2TiB")]
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
    /// Delete everything in a container, and keep the container
    #[command(after_help = "\
Without --fast each object is deleted by itself, which leaves delete markers where versions are
kept; with it every version and every marker goes for good.

Example: cairn container flush photos --fast")]
    Flush {
        /// The container
        container: OsString,
        /// Remove every version for good
        #[arg(long)]
        fast: bool,
    },
    /// Remove the versions of objects beyond those that are kept
    #[command(after_help = "Example: cairn container purge photos --keep 3")]
    Purge {
        /// The container
        container: OsString,
        /// Versions of each object that stay, the newest [default: what the container's versioning
        /// says]
        #[arg(long, value_name = "NUMBER")]
        keep: Option<u32>,
        /// Also remove objects that were deleted so long ago, with all their versions
        #[arg(long, value_name = "TIME")]
        markers_older_than: Option<Span>,
    },
    /// Count what containers hold, and tell their account: also of those that are gone
    #[command(after_help = "Example: cairn container refresh photos films")]
    Refresh {
        /// The containers
        #[arg(value_name = "CONTAINER", required = true)]
        containers: Vec<OsString>,
    },
    /// Note containers as just changed
    #[command(after_help = "Example: cairn container touch photos")]
    Touch {
        /// The containers
        #[arg(value_name = "CONTAINER", required = true)]
        containers: Vec<OsString>,
    },
    /// Make a container that holds what another holds now, frozen until it is thawed
    Snapshot(SnapshotArgs),
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

impl ContainerAction {
    /// The containers it is about.
    pub fn containers_mut(&mut self) -> &mut [OsString] {
        match self {
            Self::Create { containers, .. }
            | Self::Delete { containers }
            | Self::Refresh { containers }
            | Self::Touch { containers } => containers,
            Self::Show { container }
            | Self::Flush { container, .. }
            | Self::Purge { container, .. }
            | Self::Unset { container, .. } => std::slice::from_mut(container),
            Self::Snapshot(args) => std::slice::from_mut(&mut args.container),
            Self::Set(change) => std::slice::from_mut(&mut change.container),
            Self::List(_) => &mut [],
        }
    }
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
    /// Take no writes any more
    #[arg(long, conflicts_with = "thaw")]
    pub frozen: bool,
    /// Take writes again
    #[arg(long)]
    pub thaw: bool,
}

/// `cairn container snapshot`.
#[derive(Debug, Args)]
#[command(after_help = "\
The container takes no writes meanwhile. Its snapshot takes no space of its own, and is seen once
it is whole. One that was broken off goes on when the command is repeated.

Examples:
  cairn container snapshot photos photos-2026-01
  cairn container snapshot photos photos-2026-01 --to-account archive

One that was broken off is finished by the same command, or removed with --discard. Until its
lease has ended the container stays frozen, and another snapshot of it waits.")]
pub struct SnapshotArgs {
    /// The container
    pub container: OsString,
    /// The new one, which must not exist
    pub to_container: OsString,
    /// The account of the new one [default: the same]
    #[arg(long, value_name = "ACCOUNT")]
    pub to_account: Option<OsString>,
    /// How long the container stays frozen if this command dies; at most an hour [default: 1m]
    #[arg(long, value_name = "TIME")]
    pub lease: Option<Span>,
    /// Remove what one that was broken off has left, instead of going on with it
    #[arg(long)]
    pub discard: bool,
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
    /// Only names after this one (before it with --reverse)
    #[arg(long, value_name = "NAME")]
    pub marker: Option<OsString>,
    /// Only names before this one (after it with --reverse)
    #[arg(long, value_name = "NAME")]
    pub end_marker: Option<OsString>,
    /// From the last name to the first; of each name the oldest version first
    #[arg(long)]
    pub reverse: bool,
    /// Most entries to list [default: all]
    #[arg(long, value_name = "NUMBER")]
    pub limit: Option<u64>,
}
