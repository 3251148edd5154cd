//! Metadata servers: partitions as Raft groups, their services and their workers.
//!
//! A [`Node`] hosts a replica of the directory and of every data partition. The rules of the
//! metadata are in the [`state`] crate, which is pure; this crate drives it: it puts commands
//! through consensus, answers reads that are linearizable, and does what a partition asks for
//! (delivers its outbox, deletes chunks, says which volumes answer).
//!
//! What it never does: it knows no formats of chunks, sends no bytes of contents, and keeps
//! nothing in memory that a restart would miss, except what volumes last said of themselves.
//!
//! | module | what is in it |
//! |---|---|
//! | `node` | a node's replicas and what they share |
//! | `founding` | how a cluster comes to be |
//! | `keys` | checking the keys of users |
//! | `admission`, `standing`, `witness` | that a node put back to an older state takes no part |
//! | `clocks` | whether this node's clock is as its peers' |
//! | `partition` | proposing commands and reading state; batching |
//! | `raft` | all that knows the consensus library: log, state machine, snapshots, network |
//! | `registry` | the cluster map and the volumes' latest reports |
//! | `service` | the gRPC services, a file for each kind of thing |
//! | `volumes` | what is asked of chunk servers |
//! | `worker` | what goes on in the background on the leaders |
#![forbid(unsafe_code)]

mod admission;
mod clocks;
mod config;
mod error;
mod founding;
mod identity;
mod keys;
mod logtime;
mod node;
mod partition;
mod peers;
mod raft;
mod registry;
mod service;
mod standing;
mod stores;
#[cfg(test)]
mod tests;
mod volumes;
mod witness;
mod worker;

pub use config::Config;
pub use error::Error;
pub use node::{Clock, Node, OpenStores, PartitionStores, Random, Seams};
pub use service::Services;
pub use stores::FjallStores;
