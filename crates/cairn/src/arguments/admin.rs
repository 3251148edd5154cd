//! The cluster, its volumes, policies and secret.

use super::Access;
use crate::config::{Bytes, Span};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `cairn cluster`.
#[derive(Debug, Args)]
pub struct ClusterCommand {
    #[command(flatten)]
    pub access: Access,
    #[command(subcommand)]
    pub action: ClusterAction,
}

/// What can be asked of a cluster.
#[derive(Debug, Subcommand)]
pub enum ClusterAction {
    /// Show nodes, partitions, volumes, space and queues
    #[command(after_help = "\
A cluster is healthy when every metadata node answers, every partition has a leader and every
volume that is not out is up.

Example: cairn cluster status --wait 30s && echo the cluster is healthy")]
    Status {
        /// Fail unless the cluster is healthy
        #[arg(long)]
        check: bool,
        /// Wait so long for the cluster to be healthy, then fail
        #[arg(long, value_name = "TIME")]
        wait: Option<Span>,
    },
}

/// `cairn volume`.
#[derive(Debug, Args)]
pub struct VolumeCommand {
    #[command(flatten)]
    pub access: Access,
    #[command(subcommand)]
    pub action: VolumeAction,
}

/// What can be done with volumes.
#[derive(Debug, Subcommand)]
pub enum VolumeAction {
    /// List the volumes of the cluster
    #[command(after_help = "Example: cairn volume list")]
    List,
    /// Show one volume
    #[command(after_help = "Example: cairn volume show 3")]
    Show {
        /// Its number
        volume: u32,
    },
    /// Put no new chunks on volumes
    #[command(after_help = "Example: cairn volume lock 3 4")]
    Lock {
        /// Their numbers
        #[arg(value_name = "VOLUME", required = true)]
        volumes: Vec<u32>,
    },
    /// Put new chunks on volumes again
    #[command(after_help = "Example: cairn volume unlock 3 4")]
    Unlock {
        /// Their numbers
        #[arg(value_name = "VOLUME", required = true)]
        volumes: Vec<u32>,
    },
    /// Give a lost volume up and make its chunks anew on others
    #[command(after_help = "\
The volume is set out: its chunks count as lost, are searched for in the metadata and made anew
from what is left. That goes on by itself if this command is ended, and is shown by `cairn cluster
status`; repeated, the command waits for it again. A volume that is set out does not come back
by itself: `cairn volume unlock` takes it in again.

Example: cairn volume rebuild 7")]
    Rebuild {
        /// Its number
        volume: u32,
        /// Also if the volume is up
        #[arg(long)]
        force: bool,
        /// Do not wait until every chunk is made
        #[arg(long)]
        no_wait: bool,
    },
}

/// `cairn policy`.
#[derive(Debug, Args)]
pub struct PolicyCommand {
    #[command(flatten)]
    pub access: Access,
    #[command(subcommand)]
    pub action: PolicyAction,
}

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyAction {
    /// List the policies of the cluster
    #[command(after_help = "Example: cairn policy list")]
    List,
    /// Define a policy, or change one for what is written from now on
    #[command(after_help = "\
Examples:
  cairn policy set EC82 ec/algo=rs_vand,k=8,m=2
  cairn policy set MIXED ec/algo=rs_vand,k=6,m=3 --small-bytes 128KiB --small-policy THREECOPIES")]
    Set {
        /// Its name
        policy: String,
        /// plain/nb_copy=N, or ec/algo=rs_vand,k=K,m=M
        method: String,
        /// Blocks (64 KiB of fragment each) of a full chunk
        #[arg(long, value_name = "NUMBER", default_value_t = model::Policy::DEFAULT_CHUNK_BLOCKS)]
        chunk_blocks: u32,
        /// Objects of at most this size are kept by another policy
        #[arg(long, value_name = "SIZE", requires = "small_policy")]
        small_bytes: Option<Bytes>,
        /// The policy of small objects
        #[arg(long, value_name = "POLICY", requires = "small_bytes")]
        small_policy: Option<String>,
        /// Also make it the policy of containers that name none
        #[arg(long)]
        default: bool,
    },
}

/// `cairn secret`.
#[derive(Debug, Args)]
pub struct SecretCommand {
    #[command(subcommand)]
    pub action: SecretAction,
}

/// What can be done with secrets.
#[derive(Debug, Subcommand)]
pub enum SecretAction {
    /// Create the secret that the daemons of a cluster share
    #[command(after_help = "Example: cairn secret new /etc/cairn/secret")]
    New {
        /// The file, which must not exist
        file: PathBuf,
    },
}
