//! The grammar of the command line. What a command does is in `command` and `daemon`.

mod admin;
mod daemon;
mod data;
mod object;
mod transfer;
mod user;

pub use admin::{
    ClusterAction, ClusterCommand, PolicyAction, PolicyCommand, SecretAction, SecretCommand,
    VolumeAction, VolumeCommand,
};
pub use daemon::{ChunkArgs, Common, Founding, GatewayArgs, GatewaySettings, MetaArgs, ServerArgs};
pub use data::{
    AccountAction, AccountCommand, Change, ContainerAction, ContainerChange, ContainerCommand,
    InAccount, ListArgs, Removal, SnapshotArgs,
};
pub use object::{LinkArgs, ObjectAction, ObjectArgs, ObjectCommand, SeveralArgs, TrustLevel};
pub use transfer::{GetArgs, PutArgs, Range};
pub use user::{GivenKey, UserAction, UserCommand, Who};

use crate::config::Span;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{path::PathBuf, time::Duration};

/// An erasure-coded object store.
#[derive(Debug, Parser)]
#[command(name = "cairn", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Try it on this machine:
  cairn server                                    in one terminal; then in another
  cairn container create photos
  cairn object put photos cat.jpg ./cat.jpg
  cairn object get photos cat.jpg ./copy.jpg

With --json whatever a command tells is JSON: one document on one line, or for a listing one document
per entry and line; errors go to standard error as {\"error\":{\"kind\":..,\"message\":..}}.
Exit codes: 0 done, 1 failed, 2 wrong request, 3 unreachable, 4 denied, 5 not found, 6 conflict.";

/// The heading of what every command understands.
const EVERYWHERE: &str = "Every command";

/// The heading of how the store is reached.
const STORE: &str = "The store";

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Print JSON instead of text
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    /// What to log to standard error, such as `info` or `warn,meta=debug`
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILTER",
          env = "CAIRN_LOG", hide_env_values = true)]
    pub log: Option<String>,
    /// How log lines look
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FORMAT",
          env = "CAIRN_LOG_FORMAT", hide_env_values = true)]
    pub log_format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    // No remarks on these: they would stretch every help over three screens.
    Text,
    Json,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a whole store in one process, over one data directory
    Server(ServerArgs),
    /// Run a metadata node of a cluster
    Meta(MetaArgs),
    /// Run a chunk server of a cluster
    Chunk(ChunkArgs),
    /// Run a gateway of a cluster: OpenStack Swift's API over HTTP
    Gateway(GatewayArgs),
    /// Create, show, change and delete accounts
    Account(AccountCommand),
    /// Create, show, change and delete containers
    Container(ContainerCommand),
    /// Store, fetch, list and delete objects
    Object(ObjectCommand),
    /// Look at the cluster as a whole
    Cluster(ClusterCommand),
    /// Look at volumes, take them out of use and back
    Volume(VolumeCommand),
    /// Look at storage policies and define them
    Policy(PolicyCommand),
    /// Create, show, change and delete users
    User(UserCommand),
    /// Create the secret of a cluster
    Secret(SecretCommand),
    /// Print completions for a shell
    #[command(after_help = "Example: cairn completions bash > ~/.local/share/bash-completion/\
                            completions/cairn")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How clients reach the store.
#[derive(Debug, Clone, Args)]
pub struct Access {
    /// The file with the store's addresses, a user and its key [default: ./cairn-data/credentials.toml,
    /// then ~/.config/cairn/credentials.toml]
    #[arg(long, global = true, help_heading = STORE, value_name = "FILE",
          env = "CAIRN_CREDENTIALS", hide_env_values = true)]
    pub credentials: Option<PathBuf>,
    /// How long to try to get an answer from the metadata nodes [default: 10s, or 2s if nothing
    /// listens at their addresses]
    #[arg(long, global = true, help_heading = STORE, value_name = "TIME", env = "CAIRN_TIMEOUT",
          hide_env_values = true)]
    pub timeout: Option<Span>,
}

impl Access {
    /// How long to try to get an answer.
    pub fn patience(&self) -> Duration {
        self.timeout.map_or(Duration::from_secs(10), |timeout| timeout.0)
    }
}

#[cfg(test)]
mod tests;
