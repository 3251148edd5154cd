use std::path::PathBuf;

/// What went wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store is damaged and cannot be opened: set it aside and rebuild it.
    #[error("the state store at {path} cannot be opened")]
    Open {
        /// Directory of the store.
        path: PathBuf,
        /// The engine's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process has the store open: leave it alone.
    #[error("the state store at {path} is open in another process")]
    Locked {
        /// Directory of the store.
        path: PathBuf,
    },
    /// A read or write failed, or the system refused to open the store (no space, permission,
    /// file handles): the process should not go on with this store, and the store is not to be
    /// blamed.
    #[error("the state store failed to {action}")]
    Engine {
        /// What was tried: `open`, `read`, `write`, `sync`, `clear`.
        action: &'static str,
        /// The engine's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A key is empty or longer than [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES).
    #[error("a key of {bytes} bytes cannot be stored")]
    Key {
        /// Length of the key.
        bytes: usize,
    },
    /// A value is longer than [`MAX_VALUE_BYTES`](crate::MAX_VALUE_BYTES).
    #[error("a value of {bytes} bytes cannot be stored")]
    Value {
        /// Length of the value.
        bytes: usize,
    },
    /// A partition's name is empty or too long.
    #[error("{name:?} cannot name a partition's store")]
    Name {
        /// The name.
        name: String,
    },
}

impl Error {
    /// An engine's failure of `action`.
    pub(crate) fn engine(
        action: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Engine { action, source: source.into() }
    }
}
