//! What can go wrong with a log.

use std::{io, path::Path, path::PathBuf, sync::Arc};

/// What went wrong. Cheap to clone: one failure answers every call that waits.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A setting is out of range.
    #[error("invalid log configuration: {0}")]
    Config(&'static str),
    /// Another process, or another [`crate::Wal`] of this one, holds the directory.
    #[error("the log in {dir} is in use")]
    Locked {
        /// Directory of the log.
        dir: PathBuf,
    },
    /// A segment is of a format this version does not know.
    #[error("the log segment {file} has format {version}, which is not known here")]
    Version {
        /// The segment.
        file: PathBuf,
        /// Its format.
        version: u64,
    },
    /// What was once durable is damaged or missing. Opening has changed nothing.
    #[error("the log is damaged: {file} at byte {offset}: {why}")]
    Quarantine {
        /// The damaged segment, or the directory where a whole piece is missing.
        file: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// A stored entry no longer matches its checksum.
    #[error("a log entry is damaged: {file} at byte {offset}")]
    Corrupt {
        /// The segment.
        file: PathBuf,
        /// Where its frame begins.
        offset: u64,
    },
    /// The file system refused.
    #[error("the log cannot {action} {path}")]
    Io {
        /// What was tried: `open`, `write`, `sync`, ...
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The file system's reason.
        #[source]
        source: Arc<io::Error>,
    },
    /// An earlier write or sync failed; nothing is accepted any more.
    #[error("the log has failed")]
    Failed(#[source] Arc<Error>),
    /// The writer was stopped from outside, as when its runtime shuts down.
    #[error("the writer of the log was stopped")]
    Stopped,
    /// [`crate::Wal::close`] was called.
    #[error("the log is closed")]
    Closed,
    /// An append that does not continue its group's log.
    #[error("group {group} expects index {expected}, not {found}")]
    Gap {
        /// The group.
        group: u32,
        /// The index that would continue it.
        expected: u64,
        /// The index that was given.
        found: u64,
    },
    /// More bytes than the format or a bound allows.
    #[error("{what} of {bytes} bytes is larger than {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { action, path, source: Arc::new(source) }
    }

    pub(crate) fn quarantine(file: &Path, offset: u64, why: impl Into<String>) -> Error {
        Error::Quarantine { file: file.to_path_buf(), offset, why: why.into() }
    }
}
