//! The inventory of a volume: which chunks it has, and when each was last found whole.
//!
//! An index never decides whether a chunk exists: the chunk does. Losing it costs a walk.

mod memory;
mod sled;

pub use self::sled::SledIndexes;
pub use memory::{MemoryIndex, MemoryIndexes};

use model::ChunkName;
use serde::{Deserialize, Serialize};
use std::{path::Path, sync::Arc};

/// What the index knows of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Bytes it has.
    pub bytes: u64,
    /// When it was stored, in milliseconds since 1970; when its write id was minted, if a walk
    /// found it.
    pub stored: u64,
    /// When it was last found whole, in milliseconds since 1970; 0 if never.
    pub verified: u64,
}

/// Why an index does not answer. It is of no use any more then, and rebuilt at the next start.
#[derive(Debug, Clone, thiserror::Error)]
#[error("is damaged ({0}); it is rebuilt when the server starts again")]
pub struct IndexError(pub String);

/// An index of chunks, in byte order of their names.
pub trait Index: Send + Sync {
    /// Adds or replaces an entry.
    fn insert(&self, name: &ChunkName, entry: Entry) -> Result<(), IndexError>;
    /// Removes an entry, if there is one.
    fn remove(&self, name: &ChunkName) -> Result<(), IndexError>;
    /// An entry.
    fn get(&self, name: &ChunkName) -> Result<Option<Entry>, IndexError>;
    /// Names behind `after`, at most `limit`.
    fn list(&self, after: &str, limit: usize) -> Result<Vec<ChunkName>, IndexError>;
    /// Number of entries.
    fn count(&self) -> u64;
    /// Ends in good order: what it holds is complete and may be believed next time.
    fn close(&self) -> Result<(), IndexError>;
}

/// An index as it was found.
pub struct Opened {
    /// The index.
    pub index: Arc<dyn Index>,
    /// Whether it was closed in good order; otherwise it is empty and must be rebuilt.
    pub complete: bool,
}

/// Opens indexes.
pub trait OpenIndex: Send + Sync {
    /// Opens the index in a directory of its own, or begins a new one if it is missing, was not
    /// closed in good order, or does not open.
    fn open(&self, dir: &Path) -> Result<Opened, IndexError>;
}
