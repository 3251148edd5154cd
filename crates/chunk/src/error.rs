//! What can go wrong with a volume: at work, and when it is opened.

use model::{ChunkName, ClusterId, Error, ErrorKind, Subject, VolumeId};
use std::{io, path::PathBuf};

/// Why a volume did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// This server has no such volume.
    #[error("this server has no volume {0}; ask the directory where it is now")]
    NoVolume(VolumeId),
    /// A name is taken. Chunks are never replaced.
    #[error("chunk {0} exists already")]
    Exists(ChunkName),
    /// There is no such chunk.
    #[error("there is no chunk {0} on this volume")]
    NotFound(ChunkName),
    /// A copy would not be what its name says.
    #[error("chunk {from} cannot become {to}: metachunk and position must stay")]
    OtherPlace {
        /// The chunk to copy.
        from: ChunkName,
        /// The name asked for.
        to: ChunkName,
    },
    /// The space left is kept for deletes and the file system itself.
    #[error(
        "volume {path} has {free} bytes free, and {reserve} are kept in reserve; \
         delete something or add a volume"
    )]
    Full {
        /// The volume.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes that stay free.
        reserve: u64,
    },
    /// The file system is full.
    #[error("cannot {action} on {path}: the file system is full")]
    OutOfSpace {
        /// What was tried.
        action: &'static str,
        /// The volume.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The machine, not the disk, lacks something (descriptors, memory).
    #[error("cannot {action} on {path} now")]
    Busy {
        /// What was tried.
        action: &'static str,
        /// The volume.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// More requests are under way than the volume takes.
    #[error("volume {path} has {limit} requests under way and takes no more")]
    Crowded {
        /// The volume.
        path: PathBuf,
        /// The most it takes.
        limit: usize,
    },
    /// The volume failed and does nothing any more.
    #[error("volume {path} failed and is out of service: {reason}")]
    Failed {
        /// The volume.
        path: PathBuf,
        /// What broke.
        reason: String,
    },
    /// The volume failed when the change was made but not yet durable.
    #[error("volume {path} failed before the change was durable: {reason}")]
    Unsettled {
        /// The volume.
        path: PathBuf,
        /// What broke.
        reason: String,
    },
    /// A chunk cannot be read.
    #[error("chunk {chunk} on {path} cannot be read")]
    Read {
        /// The chunk.
        chunk: ChunkName,
        /// The volume.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The volume's index cannot answer.
    #[error("the index of volume {path} {reason}")]
    Index {
        /// The volume.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl VolumeError {
    /// What a caller can decide on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoVolume(_) | Self::NotFound(_) => ErrorKind::NotFound,
            Self::Exists(_) => ErrorKind::AlreadyExists,
            Self::OtherPlace { .. } => ErrorKind::Invalid,
            Self::Full { .. } | Self::OutOfSpace { .. } => ErrorKind::Exhausted,
            Self::Busy { .. } | Self::Crowded { .. } | Self::Failed { .. } | Self::Index { .. } => {
                ErrorKind::Unavailable
            }
            Self::Unsettled { .. } => ErrorKind::Indeterminate,
            Self::Read { .. } => ErrorKind::Corrupt,
        }
    }
}

impl From<VolumeError> for Error {
    fn from(error: VolumeError) -> Self {
        let subject = match &error {
            VolumeError::Exists(_)
            | VolumeError::NotFound(_)
            | VolumeError::OtherPlace { .. }
            | VolumeError::Read { .. } => Subject::Chunk,
            _ => Subject::Volume,
        };
        // Sources are local types: across the service boundary their text has to do.
        let message = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self::new(error.kind(), subject, message)
    }
}

/// Why a chunk server, or one of its volumes, does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// No volume was given.
    #[error("no volume is configured; give at least one directory")]
    NoVolumes,
    /// Another server uses the data directory.
    #[error("{path} is in use by another chunk server")]
    DataDirInUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The directory is no volume, and making it one was not allowed.
    #[error("{path} is not a volume; if it shall become one, allow it to be formatted")]
    NotFormatted {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds something else.
    #[error("{path} is not a volume and not empty; it is left alone: empty it or give another")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A volume was here, and now there is none.
    #[error(
        "{path} held the volume {identity} and is empty now; mount its disk, or, if the disk is \
         gone for good, remove the path from {memory}"
    )]
    Vanished {
        /// The directory.
        path: PathBuf,
        /// The volume that was there.
        identity: String,
        /// The file that remembers it.
        memory: PathBuf,
    },
    /// The volume belongs to another cluster.
    #[error("the volume {path} belongs to cluster {theirs}, and this is cluster {ours}")]
    OtherCluster {
        /// The volume.
        path: PathBuf,
        /// Its cluster.
        theirs: ClusterId,
        /// The server's.
        ours: ClusterId,
    },
    /// Two directories have the same identity: one path twice, or a copied disk.
    #[error("{path} and {other} are the same volume {identity}; give it once")]
    GivenTwice {
        /// The directory.
        path: PathBuf,
        /// The one before it.
        other: PathBuf,
        /// Their identity.
        identity: String,
    },
    /// Another process serves it.
    #[error("the volume {path} is in use by another process")]
    Locked {
        /// The volume.
        path: PathBuf,
    },
    /// A file of ours cannot be understood.
    #[error("{path} is not valid: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It was formatted by a later version.
    #[error("the volume {path} has format {format}; this server knows up to {known}")]
    Newer {
        /// The volume.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// The latest known.
        known: u32,
    },
}

/// Whether there is no room for what was to be written.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl OpenError {
    /// Whether the disk is at fault and not the configuration: a server with other volumes
    /// then starts without this one, as one dead disk must not take a machine down.
    pub fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::Vanished { .. } | Self::Io { .. })
    }
}
