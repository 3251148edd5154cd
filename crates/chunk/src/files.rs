//! The first engine: one file per chunk.
//!
//! ```text
//! volume.json        what the volume is
//! lock               held by the process that serves it
//! tmp/               chunks being written; emptied at every start
//! chunks/00 … ff/    chunks by two digits of their blob's random bytes
//! index/             the inventory, which may be thrown away
//! ```
//! A chunk is written under `tmp/`, synced, renamed to its name, and its directory synced:
//! only then does it exist. The directories are made and synced when the volume is formatted.

mod changes;
mod inventory;
mod paths;
mod reader;
mod temporary;
mod writer;

pub use paths::Paths;

use crate::{
    Seams, VolumeError,
    buffers::Buffers,
    engine::{ChunkReader, ChunkWriter, Engine},
    health::Health,
};
use async_trait::async_trait;
use disk::{Disk, Space, offload};
use inventory::Inventory;
use model::ChunkName;
use parking_lot::RwLock;
use reader::FileReader;
use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
};
use temporary::Temporary;
use writer::FileWriter;

/// One volume's chunks as files.
pub struct FileEngine {
    shared: Arc<Shared>,
    walk: tokio::task::JoinHandle<()>,
}

/// What the work on a volume shares; blocking.
struct Shared {
    disk: Arc<dyn Disk>,
    paths: Paths,
    health: Arc<Health>,
    inventory: Inventory,
    buffers: Buffers,
    next_temporary: AtomicU64,
    /// Whether changes are still allowed. Held for the length of a change: what the inventory
    /// is closed with is complete.
    open: RwLock<bool>,
}

impl FileEngine {
    /// Opens a formatted volume: removes what was being written when it was last served, and
    /// nothing else; then opens its index, or begins to rebuild it in the background.
    /// Blocking; called within a tokio runtime.
    pub fn open(
        seams: &Seams,
        paths: Paths,
        health: Arc<Health>,
        buffers: Buffers,
    ) -> io::Result<Self> {
        let disk = seams.disk.clone();
        let temporaries = paths.temporaries();
        for entry in disk.read_dir(&temporaries)? {
            disk.remove_file(&temporaries.join(entry.name))?;
        }
        let (inventory, complete) = Inventory::open(seams, &paths.index());
        let shared = Arc::new(Shared {
            disk,
            paths,
            health,
            inventory,
            buffers,
            next_temporary: AtomicU64::new(0),
            open: RwLock::new(true),
        });
        let walk = tokio::spawn(inventory::rebuild(shared.clone(), complete));
        Ok(Self { shared, walk })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Shared>) -> Result<T, VolumeError> + Send + 'static,
    ) -> Result<T, VolumeError> {
        self.shared.health.check()?;
        let shared = self.shared.clone();
        offload(&*self.shared.disk, move || work(&shared)).await
    }
}

impl Drop for FileEngine {
    fn drop(&mut self) {
        self.walk.abort();
    }
}

#[async_trait]
impl Engine for FileEngine {
    async fn put(
        &self,
        name: &ChunkName,
        bytes: Option<u64>,
    ) -> Result<Box<dyn ChunkWriter>, VolumeError> {
        let name = *name;
        let temporary = self.run(move |shared| {
            shared.check_new(&name)?;
            shared.check_space(bytes.unwrap_or(0))?;
            Temporary::create(shared)
        });
        Ok(Box::new(FileWriter::new(name, temporary.await?)))
    }

    async fn get(&self, name: &ChunkName) -> Result<Arc<dyn ChunkReader>, VolumeError> {
        let name = *name;
        let reader = self.run(move |shared| FileReader::open(shared, name)).await?;
        Ok(Arc::new(reader))
    }

    async fn clone_chunk(&self, from: &ChunkName, to: &ChunkName) -> Result<u64, VolumeError> {
        let (from, to) = (*from, *to);
        self.run(move |shared| shared.clone_chunk(&from, &to)).await
    }

    async fn delete(&self, names: Vec<ChunkName>) -> Vec<Result<bool, VolumeError>> {
        let count = names.len();
        match self.run(move |shared| Ok(shared.delete(&names))).await {
            Ok(answers) => answers,
            Err(_) => {
                let again = || self.shared.health.check().map(|()| false);
                std::iter::repeat_with(again).take(count).collect()
            }
        }
    }

    async fn list(&self, after: &str, limit: usize) -> Result<Vec<ChunkName>, VolumeError> {
        let after = after.to_owned();
        self.run(move |shared| {
            shared
                .inventory
                .list(&after, limit)
                .map_err(|reason| VolumeError::Index { path: shared.paths.root().into(), reason })
        })
        .await
    }

    async fn stat(&self, name: &ChunkName) -> Result<u64, VolumeError> {
        let name = *name;
        self.run(move |shared| Ok(FileReader::open(shared, name)?.bytes())).await
    }

    async fn note_verified(&self, name: &ChunkName) {
        let name = *name;
        let noted = self.run(move |shared| {
            let _gate = shared.begin_change()?;
            shared.inventory.note_verified(&name);
            Ok(())
        });
        if let Err(error) = noted.await {
            tracing::debug!(%error, "a verification is not noted");
        }
    }

    fn chunks(&self) -> u64 {
        self.shared.inventory.count()
    }

    async fn space(&self) -> Result<Space, VolumeError> {
        self.run(|shared| shared.space()).await
    }

    async fn close(&self) {
        self.walk.abort();
        let shared = self.shared.clone();
        offload(&*self.shared.disk, move || {
            let mut open = shared.open.write();
            // Closed once: what an index is closed with must not change any more.
            if std::mem::replace(&mut *open, false) {
                shared.inventory.close();
            }
        })
        .await;
    }
}
