//! An index in memory, for simulations and tests.

use super::{Entry, Index, IndexError, OpenIndex, Opened};
use model::ChunkName;
use parking_lot::Mutex;
use std::{collections::BTreeMap, ops::Bound, path::Path, sync::Arc};

/// An index that is gone with its process.
#[derive(Debug, Default)]
pub struct MemoryIndex(Mutex<BTreeMap<String, (ChunkName, Entry)>>);

impl Index for MemoryIndex {
    fn insert(&self, name: &ChunkName, entry: Entry) -> Result<(), IndexError> {
        self.0.lock().insert(name.to_string(), (*name, entry));
        Ok(())
    }

    fn remove(&self, name: &ChunkName) -> Result<(), IndexError> {
        self.0.lock().remove(&name.to_string());
        Ok(())
    }

    fn get(&self, name: &ChunkName) -> Result<Option<Entry>, IndexError> {
        Ok(self.0.lock().get(&name.to_string()).map(|(_, entry)| *entry))
    }

    fn list(&self, after: &str, limit: usize) -> Result<Vec<ChunkName>, IndexError> {
        let entries = self.0.lock();
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        Ok(entries.range::<str, _>(behind).take(limit).map(|(_, (name, _))| *name).collect())
    }

    fn count(&self) -> u64 {
        self.0.lock().len() as u64
    }

    fn close(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

/// Opens a new [`MemoryIndex`] each time.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryIndexes;

impl OpenIndex for MemoryIndexes {
    fn open(&self, _: &Path) -> Result<Opened, IndexError> {
        Ok(Opened { index: Arc::new(MemoryIndex::default()), complete: false })
    }
}
