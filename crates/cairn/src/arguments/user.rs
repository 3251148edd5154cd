//! Users and their keys.

use super::{Access, STORE};
use clap::{Args, Subcommand};
use std::{ffi::OsString, path::PathBuf};

/// `cairn user`.
#[derive(Debug, Args)]
pub struct UserCommand {
    #[command(flatten)]
    pub access: Access,
    /// Ask as a daemon, by the cluster's secret: for the first operator of a cluster
    #[arg(long, global = true, help_heading = STORE, value_name = "FILE",
          env = "CAIRN_SECRET_FILE", hide_env_values = true)]
    pub secret_file: Option<PathBuf>,
    /// The metadata nodes, where no credentials name them
    #[arg(long, global = true, help_heading = STORE, value_name = "HOST:PORT", env = "CAIRN_META",
          hide_env_values = true, value_delimiter = ',')]
    pub meta: Vec<String>,
    #[command(subcommand)]
    pub action: UserAction,
}

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub enum UserAction {
    /// Create a user; without a key of yours it gets one of 256 random bits, which is shown once
    #[command(after_help = "\
Roles: operator (everything), reseller (all accounts), admin (one account), writer (containers and
objects of one account), reader (reading of one account); and two for gateways alone: member (what
access control lists grant it) and service (as a member; its token opens the accounts of services).

Examples:
  cairn user create acme:alice --role writer
  cairn user create acme:alice --role writer --out alice.toml
  cairn user create --account acme --user bob --role reader --key-file bob.key
  pass show bob | cairn user create acme:bob --role reader --key-file -

The first operator of a cluster, on a daemon's machine:
  cairn user create root --role operator --secret-file /etc/cairn/secret \\
      --meta meta1:7800,meta2:7800,meta3:7800 --out ~/.config/cairn/credentials.toml")]
    Create {
        #[command(flatten)]
        who: Who,
        /// operator, reseller, admin, writer, reader, member or service
        #[arg(long, value_name = "ROLE")]
        role: model::Role,
        #[command(flatten)]
        key: GivenKey,
        /// Write the user's credentials to a file, which must not exist, and do not show the key
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List the users, or those of one account
    #[command(after_help = "Example: cairn user list --account acme")]
    List {
        /// Those of this account alone
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<OsString>,
    },
    /// Show one user; its key cannot be shown again
    #[command(after_help = "Example: cairn user show acme:alice")]
    Show {
        #[command(flatten)]
        who: Who,
    },
    /// Change the role or the key of a user
    #[command(after_help = "\
Who is logged in stays so, as before, until the token expires: 15 minutes, unless the metadata
nodes were told otherwise (--token-lifetime).

Examples:
  cairn user set acme:alice --role admin
  cairn user set acme:alice --new-key
  cairn user set acme:alice --ask-key")]
    Set {
        #[command(flatten)]
        who: Who,
        /// operator, reseller, admin, writer, reader, member or service
        #[arg(long, value_name = "ROLE")]
        role: Option<model::Role>,
        #[command(flatten)]
        key: GivenKey,
        /// Give it a key of 256 random bits, which is shown once
        #[arg(long, conflicts_with_all = ["key", "key_file", "ask_key"])]
        new_key: bool,
    },
    /// Delete a user
    #[command(after_help = "\
Who is logged in stays so until the token expires: 15 minutes, unless the metadata nodes were told
otherwise (--token-lifetime).

Example: cairn user delete acme:alice")]
    Delete {
        #[command(flatten)]
        who: Who,
    },
}

/// Which user.
#[derive(Debug, Args)]
pub struct Who {
    /// account:user, or user where it belongs to no account
    #[arg(value_name = "USER", required_unless_present = "user")]
    pub name: Option<OsString>,
    /// The part of the name behind the account
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    pub user: Option<OsString>,
    /// The account it belongs to, where its name does not say
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<OsString>,
}

/// A key that somebody chose.
#[derive(Debug, Args)]
pub struct GivenKey {
    /// The key; everybody on this machine can see it while the command runs
    #[arg(long, value_name = "KEY", conflicts_with_all = ["key_file", "ask_key"])]
    pub key: Option<OsString>,
    /// Read the key from the first line of a file; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "ask_key")]
    pub key_file: Option<PathBuf>,
    /// Ask for the key on the terminal, without showing it
    #[arg(long)]
    pub ask_key: bool,
}
