//! The index of a volume, and the walk that rebuilds it.

use super::{FileReader, Shared};
use crate::{
    Seams,
    engine::ChunkReader,
    index::{Entry, Index, IndexError},
};
use disk::offload;
use model::ChunkName;
use parking_lot::{Mutex, RwLock};
use std::{path::Path, sync::Arc};

/// What the volume has, as far as known. Trouble with the index never stops a chunk from being
/// written or read: it makes the inventory say that it does not know.
pub(super) struct Inventory {
    /// Gone once it is closed: another process may open it then.
    index: RwLock<Option<Arc<dyn Index>>>,
    /// Why it cannot list; nothing once it can.
    unknown: Mutex<Option<String>>,
    now: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Inventory {
    /// Opens the index; also tells whether it is complete or must be rebuilt.
    pub(super) fn open(seams: &Seams, dir: &Path) -> (Self, bool) {
        let (index, complete, unknown) = match seams.indexes.open(dir) {
            Ok(opened) if opened.complete => (Some(opened.index), true, None),
            Ok(opened) => (Some(opened.index), false, Some("is being rebuilt".into())),
            Err(error) => (None, true, Some(error.to_string())),
        };
        match &unknown {
            Some(why) if index.is_none() => {
                tracing::warn!(index = %dir.display(), "the index {why}")
            }
            Some(why) => tracing::info!(index = %dir.display(), "the index {why}"),
            None => {}
        }
        let inventory = Self {
            index: RwLock::new(index),
            unknown: Mutex::new(unknown),
            now: seams.now.clone(),
        };
        (inventory, complete)
    }

    /// Runs something on the index; after an error the index is of no use.
    fn with<T>(&self, work: impl FnOnce(&dyn Index) -> Result<T, IndexError>) -> Option<T> {
        match work(&**self.index.read().as_ref()?) {
            Ok(done) => Some(done),
            Err(error) => {
                let mut unknown = self.unknown.lock();
                if unknown.replace(error.to_string()).is_none() {
                    tracing::error!(%error, "an index");
                }
                None
            }
        }
    }

    pub(super) fn insert(&self, name: &ChunkName, bytes: u64) {
        let entry = Entry { bytes, stored: (self.now)(), verified: 0 };
        self.with(|index| index.insert(name, entry));
    }

    pub(super) fn remove(&self, name: &ChunkName) {
        self.with(|index| index.remove(name));
    }

    pub(super) fn note_verified(&self, name: &ChunkName) {
        let verified = (self.now)();
        self.with(|index| match index.get(name)? {
            Some(entry) => index.insert(name, Entry { verified, ..entry }),
            None => Ok(()),
        });
    }

    pub(super) fn list(&self, after: &str, limit: usize) -> Result<Vec<ChunkName>, String> {
        if let Some(why) = self.unknown.lock().clone() {
            return Err(why);
        }
        let listed = self.with(|index| index.list(after, limit));
        listed.ok_or_else(|| "cannot be read".into())
    }

    pub(super) fn count(&self) -> u64 {
        self.index.read().as_ref().map_or(0, |index| index.count())
    }

    /// Closes the index, if it is worth keeping.
    pub(super) fn close(&self) {
        if self.unknown.lock().is_none() {
            self.with(|index| index.close());
        }
        self.index.write().take();
    }

    /// Adds a chunk that a walk found.
    fn found(&self, name: &ChunkName, bytes: u64) {
        let entry = Entry { bytes, stored: name.write.millis(), verified: 0 };
        self.with(|index| match index.get(name)? {
            Some(_) => Ok(()),
            None => index.insert(name, entry),
        });
    }
}

/// Directories between two lines in the log.
const REPORT_EVERY: u32 = 256;

/// Rebuilds the inventory from the chunks there are, while others write and delete.
pub(super) async fn rebuild(shared: Arc<Shared>, complete: bool) {
    if complete {
        return;
    }
    let volume = shared.paths.root().display().to_string();
    let all = shared.paths.fan_outs();
    for n in 0..all {
        let walker = shared.clone();
        let walked = offload(&*shared.disk, move || walker.walk(n)).await;
        if let Err(error) = walked {
            tracing::error!(volume, %error, "the index cannot be rebuilt");
            *shared.inventory.unknown.lock() = Some(format!("cannot be rebuilt: {error}"));
            return;
        }
        if (n + 1) % REPORT_EVERY == 0 || n + 1 == all {
            let chunks = shared.inventory.count();
            tracing::info!(volume, done = n + 1, of = all, chunks, "rebuilding the index");
        }
        tokio::task::yield_now().await;
    }
    let mut unknown = shared.inventory.unknown.lock();
    // Should the index have failed meanwhile, it has another reason by now.
    if unknown.as_deref() == Some("is being rebuilt") {
        *unknown = None;
    }
}

impl Shared {
    fn walk(self: &Arc<Self>, n: u32) -> std::io::Result<()> {
        for entry in self.disk.read_dir(&self.paths.nth_fan_out(n))? {
            let Ok(name) = entry.name.parse::<ChunkName>() else {
                tracing::warn!(n, name = entry.name, "what is this among the chunks?");
                continue;
            };
            let Ok(_gate) = self.begin_change() else { return Ok(()) };
            // One that cannot be opened is damaged, not absent.
            let bytes = FileReader::open(self, name).map_or(0, |reader| reader.bytes());
            self.inventory.found(&name, bytes);
            // A delete unlinks first and then removes the entry; if it did both before the
            // entry was added, the chunk is gone now, and the entry must go too.
            if !self.disk.exists(&self.paths.chunk(&name))? {
                self.inventory.remove(&name);
            }
        }
        Ok(())
    }
}
