//! An index in a sled database.
//!
//! sled may lose records or not open again after a loss of power, so what was not closed in
//! good order is thrown away and rebuilt by a walk; and it may panic over damaged files, so
//! panics are caught.

use super::{Entry, Index, IndexError, OpenIndex, Opened};
use model::ChunkName;
use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Indexes in directories of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SledIndexes;

/// Bytes sled may cache per volume. A machine has many volumes and the index is rarely read.
const CACHE_BYTES: u64 = 2 << 20;

/// Milliseconds between flushes. What a crash loses is rebuilt in any case, so there is no need
/// to wake the disk often.
const FLUSH_EVERY_MS: u64 = 10_000;

struct SledIndex {
    db: sled::Db,
    count: AtomicU64,
    clean: PathBuf,
}

impl OpenIndex for SledIndexes {
    fn open(&self, dir: &Path) -> Result<Opened, IndexError> {
        let (database, clean) = (dir.join("db"), dir.join("clean"));
        let count = fs::read_to_string(&clean).ok().and_then(|text| text.trim().parse().ok());
        // From here on the index counts as unclean until it is closed.
        remove(&clean)?;
        if let Some(count) = count
            && database.is_dir()
        {
            match open(&database) {
                Ok(db) => {
                    let index = SledIndex { db, count: AtomicU64::new(count), clean };
                    return Ok(Opened { index: Arc::new(index), complete: true });
                }
                Err(error) => tracing::warn!(path = %database.display(), %error, "an index"),
            }
        }
        match fs::remove_dir_all(&database) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        let index = SledIndex { db: open(&database)?, count: AtomicU64::new(0), clean };
        Ok(Opened { index: Arc::new(index), complete: false })
    }
}

/// sled gives its lock back a moment after its last handle is gone, on a thread of its own:
/// so often, and so long apart, is it asked again.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

fn open(path: &Path) -> Result<sled::Db, IndexError> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    for _ in 1..LOCK_TRIES {
        match guard(|| config.open()) {
            Err(error) if error.0.contains("lock") => std::thread::sleep(LOCK_PAUSE),
            done => return done,
        }
    }
    guard(|| config.open())
}

fn remove(path: &Path) -> Result<(), IndexError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(e)),
        _ => Ok(()),
    }
}

fn failed(error: impl std::fmt::Display) -> IndexError {
    IndexError(error.to_string())
}

/// Runs something of sled; its panics are errors.
fn guard<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(failed),
        Err(_) => Err(failed("the database panicked")),
    }
}

impl Index for SledIndex {
    fn insert(&self, name: &ChunkName, entry: Entry) -> Result<(), IndexError> {
        let value = postcard::to_stdvec(&entry).map_err(failed)?;
        let before = guard(|| self.db.insert(name.to_string(), value))?;
        if before.is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn remove(&self, name: &ChunkName) -> Result<(), IndexError> {
        if guard(|| self.db.remove(name.to_string()))?.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn get(&self, name: &ChunkName) -> Result<Option<Entry>, IndexError> {
        let value = guard(|| self.db.get(name.to_string()))?;
        value.map(|v| postcard::from_bytes(&v).map_err(failed)).transpose()
    }

    fn list(&self, after: &str, limit: usize) -> Result<Vec<ChunkName>, IndexError> {
        use std::ops::Bound;
        let keys = guard(|| {
            let behind = (Bound::Excluded(after.as_bytes()), Bound::Unbounded);
            let keys = self.db.range::<&[u8], _>(behind).keys();
            keys.take(limit).collect::<sled::Result<Vec<_>>>()
        })?;
        let name = |key: sled::IVec| std::str::from_utf8(&key).ok()?.parse().ok();
        keys.into_iter().map(|key| name(key).ok_or_else(|| failed("a key is no name"))).collect()
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn close(&self) -> Result<(), IndexError> {
        guard(|| self.db.flush())?;
        let count = self.count().to_string();
        // The database must be on the disk before the mark that it may be believed; sled's
        // flush does not see to that.
        let files = fs::read_dir(self.clean.with_file_name("db")).map_err(failed)?;
        for file in files.flatten().map(|f| f.path()).filter(|p| p.is_file()) {
            fs::File::open(file).and_then(|f| f.sync_all()).map_err(failed)?;
        }
        let mark = || {
            let mut file = fs::File::create(&self.clean)?;
            io::Write::write_all(&mut file, count.as_bytes())?;
            file.sync_all()
        };
        mark().map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{BlobId, WriteId};

    fn name(n: u8) -> ChunkName {
        ChunkName { blob: BlobId([n; 16]), metachunk: 0, position: 1, write: WriteId(5) }
    }
    const ENTRY: Entry = Entry { bytes: 7, stored: 8, verified: 0 };

    #[test]
    fn what_was_closed_is_believed_and_what_was_not_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let opened = SledIndexes.open(&path).unwrap();
        assert!(!opened.complete);
        for n in [3, 1, 2, 2] {
            opened.index.insert(&name(n), ENTRY).unwrap();
        }
        opened.index.remove(&name(3)).unwrap();
        opened.index.close().unwrap();
        drop(opened);

        let opened = SledIndexes.open(&path).unwrap();
        assert!(opened.complete);
        assert_eq!(opened.index.count(), 2);
        assert_eq!(opened.index.get(&name(1)).unwrap(), Some(ENTRY));
        assert_eq!(opened.index.list("", 10).unwrap(), [name(1), name(2)]);
        assert_eq!(opened.index.list(&name(1).to_string(), 10).unwrap(), [name(2)]);
        drop(opened);

        let opened = SledIndexes.open(&path).unwrap();
        assert!(!opened.complete, "it was not closed");
        assert_eq!(opened.index.count(), 0);
    }

    #[test]
    fn a_damaged_database_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let opened = SledIndexes.open(&path).unwrap();
        for n in 0..200 {
            opened.index.insert(&name(n), ENTRY).unwrap();
        }
        opened.index.close().unwrap();
        drop(opened);
        for file in ["db", "conf"] {
            fs::write(path.join("db").join(file), vec![0xa5; 100_000]).unwrap();
        }
        let opened = SledIndexes.open(&path).unwrap();
        assert!(!opened.complete);
        opened.index.insert(&name(1), ENTRY).unwrap();
    }
}
