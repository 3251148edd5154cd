//! Ordered key-value stores that hold a partition's state.
//!
//! The contract, which the conformance suite checks for every engine: batches are atomic and
//! seen at once by later reads; a snapshot never changes; after a crash the store is an exact
//! prefix of the batches written, or it does not open. A batch is *not* durable until
//! [`Store::sync`] has returned: the log is what an acknowledgement rests on, and it is replayed
//! from the applied index that each batch carries.
#![forbid(unsafe_code)]

use std::ops::Bound;

/// What went wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be opened: set it aside and rebuild it.
    #[error("the state store at {path} cannot be opened")]
    Open {
        /// Directory of the store.
        path: std::path::PathBuf,
        /// The engine's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A read or write failed; the process should not go on with this store.
    #[error("the state store failed to {action}")]
    Engine {
        /// What was tried: `read`, `write`, `sync`.
        action: &'static str,
        /// The engine's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Reads of one moment.
pub trait Read: Send {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;
    /// The pairs between two keys, in byte order of keys, ascending or descending, lazily.
    fn range<'a>(
        &'a self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        descending: bool,
    ) -> Box<dyn Iterator<Item = Result<Pair, Error>> + 'a>;
}

/// A change of one key: a new value, or `None` to remove it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// One partition's store.
pub trait Store: Send + Sync + 'static {
    /// A consistent view of all batches written so far.
    fn snapshot(&self) -> Box<dyn Read>;
    /// Writes a batch, all or nothing. The last change of a key in the batch wins.
    fn write(&self, batch: Vec<Change>) -> Result<(), Error>;
    /// Makes all batches written so far survive a loss of power.
    fn sync(&self) -> Result<(), Error>;
    /// Removes every key, durably: what is left opens as an empty store.
    fn clear(&self) -> Result<(), Error>;
    /// Bytes on disk, approximately.
    fn size(&self) -> u64;
}
