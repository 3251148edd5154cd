//! One partition's keyspace.

use super::Shared;
use crate::{Change, Error, Pairs, Read, Store, bounds, check};
use ::fjall::{AbstractTree, Keyspace, PersistMode, Readable, Snapshot};
use parking_lot::{RwLock, RwLockWriteGuard};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Full memtables of a partition that may queue for the disk. The engine's bound is four.
const MAX_SEALED: usize = 3;

/// The part of the memory for memtables that a partition may fill when the others have little.
const LARGEST_SHARE: u64 = 3;

/// The part that it may fill always.
const LEAST_SHARE: u64 = 24;

/// Full memtables of all partitions that may queue for the disk.
const MAX_QUEUED: usize = 16;

/// A [`Store`] in one keyspace of a [`FjallDatabase`](super::FjallDatabase).
pub struct Partition {
    shared: Arc<Shared>,
    name: String,
    /// Held exclusively while a batch is applied. The engine alone would let a snapshot see
    /// half a batch: a table registered meanwhile, of any partition, moves the visible sequence
    /// number past the batch's (`DECISIONS.md`).
    current: RwLock<Current>,
    /// What it was found to gather last.
    gathered: AtomicU64,
}

/// The keyspace in use. Its name ends in a generation, so that `clear` can put a new keyspace
/// in place before it deletes the old one.
struct Current {
    keyspace: Keyspace,
    generation: u64,
}

impl Partition {
    /// Opens the partition's latest generation, or creates the first; deletes what a `clear`
    /// that was cut short left behind.
    pub fn open(shared: Arc<Shared>, name: &str) -> Result<Self, Error> {
        let mut generations: Vec<u64> = shared
            .database
            .list_keyspace_names()
            .iter()
            .filter_map(|keyspace| generation(keyspace, name))
            .collect();
        generations.sort_unstable();
        let latest = generations.pop().unwrap_or(0);
        let open = |generation| shared.create(&keyspace_name(name, generation));
        let opened = open(latest).and_then(|keyspace| {
            for stale in generations {
                shared.database.delete_keyspace(open(stale)?)?;
            }
            Ok(keyspace)
        });
        let keyspace = opened.map_err(|error| Error::engine("open", error))?;
        let current = RwLock::new(Current { keyspace, generation: latest });
        Ok(Self { shared, name: name.to_owned(), current, gathered: AtomicU64::new(0) })
    }

    /// Waits while too much is queued for the disk: before the lock, where it holds up no
    /// reader, and below the numbers at which the engine would wait, since its waiting does not
    /// end if its worker has failed.
    fn wait_for_flushes(&self) -> Result<(), Error> {
        let database = &self.shared.database;
        loop {
            let sealed = self.current.read().keyspace.sealed_memtable_count();
            if sealed < MAX_SEALED && database.outstanding_flushes() < MAX_QUEUED {
                return Ok(());
            }
            // Writes nothing of note, and says whether the engine has given up.
            let alive = database.persist(PersistMode::Buffer);
            alive.map_err(|error| Error::engine("write", error))?;
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Hands a full memtable to the engine's worker, to be written out. Its batches are made
    /// durable in the journal first, so that no table is ever ahead of the journal.
    fn rotate(&self, current: &Current) -> Result<(), Error> {
        let bytes = current.keyspace.tree.active_memtable().size();
        let others = self.gathers(bytes) - bytes;
        let all = self.shared.memtables_bytes;
        // Larger tables are merged less often: what one partition writes is worth gathering while
        // the others have little.
        if bytes < all.saturating_sub(others).clamp(all / LEAST_SHARE, all / LARGEST_SHARE) {
            return Ok(());
        }
        self.shared.sync()?;
        let rotated = current.keyspace.rotate_memtable();
        rotated.map_err(|error| Error::engine("write", error))?;
        self.gathers(0);
        Ok(())
    }

    /// Notes what it gathers; gives what all partitions do.
    fn gathers(&self, bytes: u64) -> u64 {
        let more = bytes.wrapping_sub(self.gathered.swap(bytes, Ordering::Relaxed));
        self.shared.gathered.fetch_add(more, Ordering::Relaxed).wrapping_add(more)
    }
}

fn keyspace_name(partition: &str, generation: u64) -> String {
    format!("{partition}#{generation}")
}

fn generation(keyspace: &str, partition: &str) -> Option<u64> {
    let (name, generation) = keyspace.rsplit_once('#')?;
    (name == partition).then(|| generation.parse().ok())?
}

impl Store for Partition {
    fn snapshot(&self) -> Box<dyn Read> {
        let current = self.current.read();
        Box::new(View {
            keyspace: current.keyspace.clone(),
            snapshot: self.shared.database.snapshot(),
        })
    }

    fn write(&self, batch: Vec<Change>) -> Result<(), Error> {
        check(&batch)?;
        // All changes of a batch get one sequence number, so a key may only occur once.
        let changes: BTreeMap<_, _> = batch.into_iter().collect();
        self.wait_for_flushes()?;
        let current = self.current.write();
        let mut batch = self.shared.database.batch();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&current.keyspace, key, value),
                None => batch.remove(&current.keyspace, key),
            }
        }
        batch.commit().map_err(|error| Error::engine("write", error))?;
        self.shared.written.fetch_add(1, Ordering::Release);
        // Writers still have to wait for what follows, readers do not.
        self.rotate(&RwLockWriteGuard::downgrade(current))
    }

    fn sync(&self) -> Result<(), Error> {
        self.shared.sync()
    }

    fn clear(&self) -> Result<(), Error> {
        let failed = |error| Error::engine("clear", error);
        let mut current = self.current.write();
        let generation = current.generation + 1;
        // A new keyspace is durable once it exists, and the highest generation counts.
        let keyspace =
            self.shared.create(&keyspace_name(&self.name, generation)).map_err(failed)?;
        let old = std::mem::replace(&mut *current, Current { keyspace, generation });
        self.shared.database.delete_keyspace(old.keyspace).map_err(failed)
    }

    fn size(&self) -> u64 {
        self.current.read().keyspace.disk_space()
    }
}

/// Reads of one moment in one keyspace.
struct View {
    keyspace: Keyspace,
    snapshot: Snapshot,
}

impl Read for View {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        // The engine panics on keys it could not hold.
        if key.is_empty() || key.len() > crate::MAX_KEY_BYTES {
            return Ok(None);
        }
        let value = self.snapshot.get(&self.keyspace, key);
        let value = value.map_err(|error| Error::engine("read", error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn range<'a>(&'a self, from: Bound<&[u8]>, to: Bound<&[u8]>, descending: bool) -> Pairs<'a> {
        let Some(range) = bounds::normalise(from, to) else {
            return Box::new(std::iter::empty());
        };
        let mut pairs = self.snapshot.range(&self.keyspace, range);
        Box::new(std::iter::from_fn(move || {
            let pair = if descending { pairs.next_back() } else { pairs.next() }?;
            let pair = pair.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec()));
            Some(pair.map_err(|error| Error::engine("read", error)))
        }))
    }
}
