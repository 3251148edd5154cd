//! The error that crosses service boundaries.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of failure it was: enough for a caller to decide what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The request is wrong in itself; do not repeat it.
    Invalid,
    /// Nobody vouches for the caller.
    Unauthenticated,
    /// The caller may not do this.
    Denied,
    /// What was named does not exist.
    NotFound,
    /// What should be new exists.
    AlreadyExists,
    /// A condition the caller stated does not hold.
    Precondition,
    /// The state of the thing does not allow it (not empty, frozen, re-created meanwhile).
    Conflict,
    /// Space, quota or a limit is used up.
    Exhausted,
    /// It certainly did not happen; trying again later may work.
    Unavailable,
    /// It may or may not have happened.
    Indeterminate,
    /// Stored data is damaged beyond what is left to rebuild it.
    Corrupt,
    /// A defect of ours.
    Internal,
    /// The object's content was drained on purpose: its metadata is all that is left.
    Drained,
}

impl ErrorKind {
    /// Every kind, in the order of its wire number (counted from 1).
    pub const ALL: [ErrorKind; 13] = [
        Self::Invalid,
        Self::Unauthenticated,
        Self::Denied,
        Self::NotFound,
        Self::AlreadyExists,
        Self::Precondition,
        Self::Conflict,
        Self::Exhausted,
        Self::Unavailable,
        Self::Indeterminate,
        Self::Corrupt,
        Self::Internal,
        Self::Drained,
    ];

    /// The kind's name as machines see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Precondition => "precondition",
            Self::Conflict => "conflict",
            Self::Exhausted => "exhausted",
            Self::Unavailable => "unavailable",
            Self::Indeterminate => "indeterminate",
            Self::Corrupt => "corrupt",
            Self::Internal => "internal",
            Self::Drained => "drained",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an error is about, where callers tell cases of one kind apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// Nothing in particular.
    Request,
    /// An account.
    Account,
    /// A container.
    Container,
    /// An object, or a version of one.
    Object,
    /// A chunk.
    Chunk,
    /// A volume.
    Volume,
    /// A node.
    Node,
    /// A storage policy.
    Policy,
    /// A partition of the metadata.
    Partition,
    /// A user.
    User,
}

impl Subject {
    /// Every subject, in the order of its wire number (counted from 0).
    pub const ALL: [Subject; 10] = [
        Self::Request,
        Self::Account,
        Self::Container,
        Self::Object,
        Self::Chunk,
        Self::Volume,
        Self::Node,
        Self::Policy,
        Self::Partition,
        Self::User,
    ];
}

/// A failure as services report it: its kind, its subject, and a sentence that says what
/// failed, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What a caller can decide on.
    pub kind: ErrorKind,
    /// What it is about.
    pub subject: Subject,
    /// For people.
    pub message: String,
}

impl Error {
    /// An error about `subject`.
    pub fn new(kind: ErrorKind, subject: Subject, message: impl Into<String>) -> Self {
        Self { kind, subject, message: message.into() }
    }

    /// The request is wrong in itself.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, Subject::Request, message)
    }

    /// `subject` does not exist.
    pub fn not_found(subject: Subject, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, subject, message)
    }

    /// It did not happen; later it may.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, Subject::Request, message)
    }

    /// It may have happened.
    pub fn indeterminate(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Indeterminate, Subject::Request, message)
    }

    /// A defect of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, Subject::Request, message)
    }
}
