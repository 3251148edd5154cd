//! Stores on disk, in one log-structured database per process.

mod damage;
mod opening;
mod partition;

use crate::{Error, Store};
use ::fjall::compaction::Leveled;
use ::fjall::config::CompressionPolicy;
use ::fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use parking_lot::Mutex;
use partition::Partition;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest partition name: the engine's 255 bytes less our generation.
const MAX_NAME_BYTES: usize = 200;

/// Target size of a table file. A compaction rewrites about ten of them in one go on the
/// engine's only worker, and memtables wait behind it; the engine's 64 MiB would hold them up
/// for seconds.
const TABLE_BYTES: u64 = 16 << 20;

/// How much memory the database may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Blocks of tables kept in memory, for all partitions together.
    pub cache_bytes: u64,
    /// What all partitions together gather in memory before it is written out as tables: one
    /// that is busy alone up to a third of it, and none less than a 24th. Some more may queue for
    /// the disk before writes wait.
    pub memtables_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { cache_bytes: 32 << 20, memtables_bytes: 24 << 20 }
    }
}

/// A process's database: one store per partition, one journal for all of them.
///
/// Cheap to clone. The files stay locked until every clone and every store and snapshot that
/// came from it are dropped.
#[derive(Clone)]
pub struct FjallDatabase {
    shared: Arc<Shared>,
    partitions: Arc<Mutex<BTreeMap<String, Arc<Partition>>>>,
}

/// What the partitions share.
struct Shared {
    database: Database,
    directory: PathBuf,
    memtables_bytes: u64,
    /// What partitions gather, all together.
    gathered: AtomicU64,
    /// Batches written since the database was opened.
    written: AtomicU64,
    /// How many of those are known to be durable. Held during a sync.
    synced: Mutex<u64>,
}

impl FjallDatabase {
    /// Opens the database of a directory, or creates it.
    ///
    /// [`Error::Open`] means damage: set the directory aside and rebuild what it held. A
    /// process that dies while opening is noticed at the next start; after a few such starts
    /// in a row the database counts as damaged.
    pub fn open(directory: &Path, config: Config) -> Result<Self, Error> {
        let database = opening::open(directory, config)?;
        let shared = Shared {
            database,
            directory: directory.to_owned(),
            memtables_bytes: config.memtables_bytes,
            gathered: AtomicU64::new(0),
            written: AtomicU64::new(0),
            // What recovery found in the journal may not have reached the disk.
            synced: Mutex::new(0),
        };
        shared.persist()?;
        Ok(Self { shared: Arc::new(shared), partitions: Arc::default() })
    }

    /// The store of a partition, created empty if there is none: the same store for the same
    /// name.
    pub fn partition(&self, name: &str) -> Result<Arc<dyn Store>, Error> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(Error::Name { name: name.to_owned() });
        }
        let mut partitions = self.partitions.lock();
        if let Some(partition) = partitions.get(name) {
            return Ok(partition.clone());
        }
        let partition = Arc::new(Partition::open(self.shared.clone(), name)?);
        partitions.insert(name.to_owned(), partition.clone());
        Ok(partition)
    }

    /// Bytes on disk of all partitions and the journal, approximately.
    pub fn size(&self) -> u64 {
        // The only thing that can fail is asking for the length of the journal.
        self.shared.database.disk_space().unwrap_or(0)
    }
}

impl Shared {
    /// Creates a keyspace so that it survives a loss of power.
    fn create(&self, name: &str) -> Result<Keyspace, ::fjall::Error> {
        let keyspace = self.database.keyspace(name, || {
            KeyspaceCreateOptions::default()
                // We do that (`Partition::rotate`). The engine asks its worker once per write
                // to a full memtable, through a queue into which the worker itself writes: full
                // of such requests, it stops the worker for good.
                .max_memtable_size(u64::MAX)
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
                .compaction_strategy(Arc::new(
                    Leveled::default().with_table_target_size(TABLE_BYTES),
                ))
        })?;
        // The engine syncs the keyspace's own directory, but not its entry in the parent.
        sync_directory(&self.directory.join("keyspaces"))?;
        Ok(keyspace)
    }

    /// Makes what was written before this call durable. One sync of the journal serves all
    /// partitions that wait for it.
    fn sync(&self) -> Result<(), Error> {
        let wanted = self.written.load(Ordering::Acquire);
        let mut synced = self.synced.lock();
        if *synced >= wanted {
            return Ok(());
        }
        let reached = self.written.load(Ordering::Acquire);
        self.persist()?;
        *synced = reached;
        Ok(())
    }

    fn persist(&self) -> Result<(), Error> {
        let persisted = self.database.persist(PersistMode::SyncData);
        persisted.map_err(|error| Error::engine("sync", error))
    }
}

fn sync_directory(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}
