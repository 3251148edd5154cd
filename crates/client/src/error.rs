//! What can go wrong, by what a caller can do about it.

use model::{ErrorKind, Subject, VolumeId};
use serde::Serialize;
use std::{fmt, io};

/// Why a call failed. [`Error::kind`] is the same answer in a word.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong in itself; do not repeat it.
    #[error(transparent)]
    Invalid(model::Error),
    /// The user or the key is wrong, or the user may not do this.
    #[error(transparent)]
    Denied(model::Error),
    /// The account does not exist.
    #[error(transparent)]
    NoSuchAccount(model::Error),
    /// The container does not exist.
    #[error(transparent)]
    NoSuchContainer(model::Error),
    /// The object, or the version asked for, does not exist.
    #[error(transparent)]
    NoSuchObject(model::Error),
    /// Something else that was named (a volume, a policy, a node) does not exist.
    #[error(transparent)]
    NotFound(model::Error),
    /// What should be new exists.
    #[error(transparent)]
    AlreadyExists(model::Error),
    /// The precondition does not hold.
    #[error(transparent)]
    Precondition(model::Error),
    /// The state of the thing does not allow it: not empty, frozen, re-created meanwhile.
    #[error(transparent)]
    Conflict(model::Error),
    /// Space, a quota or a limit is used up.
    #[error(transparent)]
    Exhausted(model::Error),
    /// It certainly did not happen; trying again later may work.
    #[error(transparent)]
    Unavailable(model::Error),
    /// It may or may not have happened: look before repeating it.
    #[error(transparent)]
    Indeterminate(model::Error),
    /// More of the content is lost or damaged than can be rebuilt.
    #[error(transparent)]
    Corrupt(model::Error),
    /// The content was drained on purpose; properties are all that is left of the object.
    #[error(transparent)]
    Drained(model::Error),
    /// A defect of ours.
    #[error(transparent)]
    Internal(model::Error),
    /// The deadline of an upload passed before it was committed. Nothing was stored.
    #[error("the deadline passed before {stage} was done; nothing was stored")]
    DeadlineReached {
        /// What was not done in time.
        stage: &'static str,
    },
    /// A range starts behind the end of the content.
    #[error("the range starts at byte {start}, but the object has {size} bytes")]
    RangeNotSatisfiable {
        /// First byte asked for.
        start: u64,
        /// Bytes of the content.
        size: u64,
    },
    /// The content is not the one announced. Nothing was stored.
    #[error("the content's {algorithm} is {actual}, not {expected} as announced")]
    EtagMismatch {
        /// `BLAKE3` or `MD5`.
        algorithm: &'static str,
        /// What the caller announced.
        expected: String,
        /// What came.
        actual: String,
    },
    /// The source gave another number of bytes than announced. Nothing was stored.
    #[error("the source gave {actual} bytes, not {expected} as announced")]
    LengthMismatch {
        /// What the caller announced.
        expected: u64,
        /// What came; where it was too much, the least that is known.
        actual: u64,
    },
    /// The source of an upload failed. Nothing was stored.
    #[error("the source of the content failed")]
    Source(#[source] io::Error),
    /// What a download was written to failed.
    #[error("the destination of the content failed")]
    Destination(#[source] io::Error),
    /// Too few volumes took their chunk. Nothing was stored.
    #[error(
        "metachunk {metachunk} is durable on {durable} volumes and needs {needed}: {}",
        Failures(failures)
    )]
    BelowQuorum {
        /// Number of the metachunk.
        metachunk: u32,
        /// Chunks that were acknowledged.
        durable: usize,
        /// Chunks that must be.
        needed: usize,
        /// Which volumes failed, and why.
        failures: Vec<VolumeFailure>,
    },
}

/// What one volume did wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VolumeFailure {
    /// The volume.
    pub volume: VolumeId,
    /// Its chunk server.
    pub address: String,
    /// What happened.
    pub reason: String,
    /// Whether it had no room.
    pub full: bool,
}

impl fmt::Display for VolumeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "volume {} at {}: {}", self.volume, self.address, self.reason)
    }
}

struct Failures<'a>(&'a [VolumeFailure]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, failure) in self.0.iter().enumerate() {
            write!(f, "{}{failure}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl Error {
    /// The kind of the failure, as it maps to exit codes and statuses.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) | Self::RangeNotSatisfiable { .. } => ErrorKind::Invalid,
            Self::EtagMismatch { .. } | Self::LengthMismatch { .. } => ErrorKind::Invalid,
            Self::Source(_) | Self::Destination(_) => ErrorKind::Invalid,
            Self::Denied(error) => error.kind,
            Self::NoSuchAccount(_)
            | Self::NoSuchContainer(_)
            | Self::NoSuchObject(_)
            | Self::NotFound(_) => ErrorKind::NotFound,
            Self::AlreadyExists(_) => ErrorKind::AlreadyExists,
            Self::Precondition(_) => ErrorKind::Precondition,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Exhausted(_) => ErrorKind::Exhausted,
            Self::BelowQuorum { failures, .. }
                if !failures.is_empty() && failures.iter().all(|f| f.full) =>
            {
                ErrorKind::Exhausted
            }
            Self::Unavailable(_) | Self::BelowQuorum { .. } | Self::DeadlineReached { .. } => {
                ErrorKind::Unavailable
            }
            Self::Indeterminate(_) => ErrorKind::Indeterminate,
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Drained(_) => ErrorKind::Drained,
            Self::Internal(_) => ErrorKind::Internal,
        }
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::Corrupt(model::Error::new(ErrorKind::Corrupt, Subject::Object, message))
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable(model::Error::unavailable(message))
    }

    pub(crate) fn indeterminate(message: impl Into<String>) -> Self {
        Self::Indeterminate(model::Error::indeterminate(message))
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::Internal(model::Error::internal(message))
    }
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        match (error.kind, error.subject) {
            (ErrorKind::Invalid, _) => Self::Invalid(error),
            (ErrorKind::Unauthenticated | ErrorKind::Denied, _) => Self::Denied(error),
            (ErrorKind::NotFound, Subject::Account) => Self::NoSuchAccount(error),
            (ErrorKind::NotFound, Subject::Container) => Self::NoSuchContainer(error),
            (ErrorKind::NotFound, Subject::Object) => Self::NoSuchObject(error),
            (ErrorKind::NotFound, _) => Self::NotFound(error),
            (ErrorKind::AlreadyExists, _) => Self::AlreadyExists(error),
            (ErrorKind::Precondition, _) => Self::Precondition(error),
            (ErrorKind::Conflict, _) => Self::Conflict(error),
            (ErrorKind::Exhausted, _) => Self::Exhausted(error),
            (ErrorKind::Unavailable, _) => Self::Unavailable(error),
            (ErrorKind::Indeterminate, _) => Self::Indeterminate(error),
            (ErrorKind::Corrupt, _) => Self::Corrupt(error),
            (ErrorKind::Drained, _) => Self::Drained(error),
            (ErrorKind::Internal, _) => Self::Internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_missed_for_want_of_room_alone_is_exhausted() {
        let failure = |full| VolumeFailure {
            volume: VolumeId(1),
            address: "127.0.0.1:1".into(),
            reason: "no".into(),
            full,
        };
        let kind =
            |failures| Error::BelowQuorum { metachunk: 0, durable: 0, needed: 5, failures }.kind();
        assert_eq!(kind(vec![failure(true), failure(true)]), ErrorKind::Exhausted);
        assert_eq!(kind(vec![failure(true), failure(false)]), ErrorKind::Unavailable);
        assert_eq!(kind(Vec::new()), ErrorKind::Unavailable);
    }
}
