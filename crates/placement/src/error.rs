//! Why there is no placement.

use model::{ErrorKind, Method, Subject};

/// Why there is no placement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The method is wider than the cluster: no waiting helps.
    #[error("{method} needs {} volumes; {exist} exist", method.width())]
    TooWide {
        /// How contents would be kept.
        method: Method,
        /// Volumes that are not out.
        exist: usize,
    },
    /// Enough volumes exist, but too many are down, locked, full or avoided.
    #[error(
        "{method} needs {} volumes; {exist} exist, {take} take chunks, {avoided} of them are avoided",
        method.width()
    )]
    TooFew {
        /// How contents would be kept.
        method: Method,
        /// Volumes that are not out.
        exist: usize,
        /// Volumes that are up, in and not full.
        take: usize,
        /// Of those that take chunks, the ones the caller avoids.
        avoided: usize,
    },
}

impl From<Error> for model::Error {
    fn from(error: Error) -> Self {
        let (kind, subject) = match error {
            Error::TooWide { .. } => (ErrorKind::Invalid, Subject::Policy),
            Error::TooFew { .. } => (ErrorKind::Unavailable, Subject::Volume),
        };
        Self::new(kind, subject, error.to_string())
    }
}
