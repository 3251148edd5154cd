//! What stops a command, and what stops a replica.

/// The replica cannot go on: whatever it did next might differ from what others do.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The store under the state failed.
    #[error("the state store failed")]
    Store(#[from] store::Error),
    /// A record is damaged, or of a format this build does not know.
    #[error("the {kind} record at {key} cannot be read: {reason}")]
    Record {
        /// The kind of the record.
        kind: &'static str,
        /// Its key, in hexadecimal.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A log entry is damaged, or of a format this build does not know.
    #[error("a log entry cannot be read: {reason}")]
    Entry {
        /// What is wrong with it.
        reason: String,
    },
    /// The partition was raised to a feature level this build does not have.
    #[error("the partition is at feature level {level}; this build knows levels up to {known}")]
    FeatureLevel {
        /// The partition's.
        level: u32,
        /// The build's.
        known: u32,
    },
}

/// Why there is no answer: the request was refused, or the replica cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Refused; the caller is told why.
    #[error(transparent)]
    Refused(#[from] model::Error),
    /// The replica must halt.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Fatal(Fatal::Store(error))
    }
}
