//! Why chunks are of no use.

/// Why a chunk could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The server says it has no such chunk.
    #[error("missing")]
    Missing,
    /// Its bytes are not what they should be.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// No bytes came for a while.
    #[error("slow")]
    Slow,
    /// The server did not answer, or refused.
    #[error("unreachable: {0}")]
    Unreachable(String),
}
