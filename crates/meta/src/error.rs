//! Why a metadata node cannot start or go on.

use std::path::PathBuf;

/// A failure of the node as a whole. Failures of requests are [`model::Error`]s.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the data directory cannot be used.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The data directory was made by something else, or with other settings.
    #[error("the data directory {path} cannot be used: {why}")]
    Identity {
        /// The data directory.
        path: PathBuf,
        /// What does not fit, and what to do.
        why: String,
    },
    /// The data directory is not what this node's peers, or the node itself, remember of it.
    #[error(
        "the data directory {path} is quarantined: {why}. What this node acknowledged since may \
         be missing in it, so it takes no part in the cluster. If there is a newer copy of the \
         directory, put that in its place; otherwise the node is lost to the cluster, which goes \
         on with the others"
    )]
    Quarantined {
        /// The data directory.
        path: PathBuf,
        /// What is remembered.
        why: String,
    },
    /// The log cannot be opened.
    #[error("the log in {path} cannot be opened")]
    Log {
        /// The log's directory.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::sync::Arc<wal::Error>,
    },
    /// The state cannot be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Consensus cannot be started or has stopped.
    #[error("partition {partition} has stopped: {why}")]
    Partition {
        /// Its number.
        partition: model::PartitionId,
        /// The library's reason.
        why: String,
    },
}
