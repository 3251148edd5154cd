//! State stores on disk.

use crate::node::{OpenStores, PartitionStores};
use std::{path::Path, sync::Arc};
use store::{FjallDatabase, Store};

/// Opens fjall databases with a cache of a given size.
#[derive(Debug, Clone, Copy)]
pub struct FjallStores {
    /// Bytes of cache shared by all partitions.
    pub cache_bytes: u64,
}

impl OpenStores for FjallStores {
    fn open(&self, dir: &Path) -> Result<Arc<dyn PartitionStores>, store::Error> {
        let config = store::Config { cache_bytes: self.cache_bytes, ..store::Config::default() };
        Ok(Arc::new(FjallDatabase::open(dir, config)?))
    }
}

impl PartitionStores for FjallDatabase {
    fn partition(&self, name: &str) -> Result<Arc<dyn Store>, store::Error> {
        FjallDatabase::partition(self, name)
    }
}
