//! Stores on disk: one fjall database for a process, one keyspace for a partition.

use crate::{Change, Error, Pairs, Read, Store, bounds, check};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use std::{
    collections::BTreeMap,
    io,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

/// How much memory a database may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Bytes of blocks read from disk and kept, for all partitions together.
    pub cache_bytes: u64,
    /// Bytes that a partition gathers in memory before it writes them out sorted. Every
    /// partition of the process may have as much.
    pub memtable_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { cache_bytes: 32 << 20, memtable_bytes: 2 << 20 }
    }
}

/// Threads that flush and compact.
const WORKERS: usize = 2;

/// The journal is kept no longer than this; the least that the engine takes.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Longest name of a partition's store: the engine's bound.
const MAX_NAME_BYTES: usize = 255;

/// The state stores of a process. Cheap to clone.
#[derive(Clone)]
pub struct FjallDatabase {
    database: Database,
    memtable_bytes: u64,
}

impl FjallDatabase {
    /// Opens the database in `dir`, creating it if there is none.
    ///
    /// # Errors
    /// [`Error::Open`] if it is damaged, [`Error::Locked`] if another process has it,
    /// [`Error::Engine`] if the system refuses (no space, no permission).
    pub fn open(dir: &Path, config: Config) -> Result<Self, Error> {
        let builder = Database::builder(dir)
            .cache_size(config.cache_bytes)
            .worker_threads(WORKERS)
            .max_journaling_size(JOURNAL_BYTES);
        // What the engine cannot make sense of may make it panic: that, too, is a store to be
        // set aside, and no reason for the process to end.
        let database = match catch_unwind(AssertUnwindSafe(|| builder.open())) {
            Ok(Ok(database)) => database,
            Ok(Err(error)) => return Err(refused(dir.into(), error)),
            Err(_) => {
                let source = "the engine panicked while it opened the store".into();
                return Err(Error::Open { path: dir.into(), source });
            }
        };
        Ok(Self { database, memtable_bytes: config.memtable_bytes })
    }

    /// The store of a partition, empty if there was none of that name.
    pub fn partition(&self, name: &str) -> Result<Arc<dyn Store>, Error> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(Error::Name { name: name.chars().take(80).collect() });
        }
        let options = || KeyspaceCreateOptions::default().max_memtable_size(self.memtable_bytes);
        let keyspace =
            self.database.keyspace(name, options).map_err(|e| Error::engine("open", e))?;
        Ok(Arc::new(Partition { database: self.database.clone(), keyspace }))
    }
}

/// Tells a damaged store from a system that refuses to open a good one.
fn refused(path: PathBuf, error: fjall::Error) -> Error {
    use io::ErrorKind as Kind;
    let system = |kind| {
        matches!(
            kind,
            Kind::PermissionDenied
                | Kind::StorageFull
                | Kind::QuotaExceeded
                | Kind::OutOfMemory
                | Kind::ReadOnlyFilesystem
        )
    };
    match error {
        fjall::Error::Locked => Error::Locked { path },
        fjall::Error::Io(error) if system(error.kind()) || error.raw_os_error() == Some(EMFILE) => {
            Error::engine("open", error)
        }
        error => Error::Open { path, source: error.into() },
    }
}

/// Too many open files.
const EMFILE: i32 = 24;

struct Partition {
    database: Database,
    keyspace: Keyspace,
}

impl Store for Partition {
    fn snapshot(&self) -> Box<dyn Read> {
        Box::new(View { snapshot: self.database.snapshot(), keyspace: self.keyspace.clone() })
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), Error> {
        check(&changes)?;
        // The engine gives a batch one sequence number: a key must be in it only once.
        let last: BTreeMap<_, _> = changes.into_iter().collect();
        let mut batch = self.database.batch();
        for (key, value) in last {
            match value {
                Some(value) => batch.insert(&self.keyspace, key, value),
                None => batch.remove(&self.keyspace, key),
            }
        }
        batch.commit().map_err(|e| Error::engine("write", e))
    }

    fn sync(&self) -> Result<(), Error> {
        self.database.persist(PersistMode::SyncData).map_err(|e| Error::engine("sync", e))
    }

    fn clear(&self) -> Result<(), Error> {
        let cleared = self.keyspace.clear();
        cleared
            .and_then(|()| self.database.persist(PersistMode::SyncAll))
            .map_err(|e| Error::engine("clear", e))
    }

    fn size(&self) -> u64 {
        self.keyspace.disk_space()
    }
}

struct View {
    snapshot: Snapshot,
    keyspace: Keyspace,
}

impl Read for View {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if key.is_empty() || key.len() > crate::MAX_KEY_BYTES {
            return Ok(None);
        }
        let value = self.snapshot.get(&self.keyspace, key);
        Ok(value.map_err(|e| Error::engine("read", e))?.map(|v| v.to_vec()))
    }

    fn range<'a>(&'a self, from: Bound<&[u8]>, to: Bound<&[u8]>, descending: bool) -> Pairs<'a> {
        let Some(range) = bounds::normalise(from, to) else { return Box::new(std::iter::empty()) };
        let pairs = self.snapshot.range(&self.keyspace, range);
        let pair = |guard: fjall::Guard| {
            let (key, value) = guard.into_inner().map_err(|e| Error::engine("read", e))?;
            Ok((key.to_vec(), value.to_vec()))
        };
        match descending {
            false => Box::new(pairs.map(pair)),
            true => Box::new(pairs.rev().map(pair)),
        }
    }
}
