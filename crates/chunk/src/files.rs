//! The first engine: one file per chunk.
//!
//! ```text
//! volume.json        what the volume is
//! lock               held by the process that serves it
//! tmp/               chunks being written; emptied at every start
//! chunks/000 … fff/  chunks by three digits of their blob's random bytes
//! index/             the inventory, which may be thrown away
//! ```
//! A chunk is written under `tmp/`, synced, renamed to its name, and its directory synced:
//! only then does it exist. The directories are made and synced when the volume is formatted.

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
    health::{Health, reserve},
};
use async_trait::async_trait;
use disk::{Disk, Mode, Space, offload};
use inventory::Inventory;
use model::ChunkName;
use parking_lot::{RwLock, RwLockReadGuard};
use reader::FileReader;
use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
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

impl Shared {
    /// Admits a change, until the guard is dropped.
    fn begin_change(&self) -> Result<RwLockReadGuard<'_, bool>, VolumeError> {
        self.health.check()?;
        let open = self.open.read();
        if !*open {
            let (path, reason) = (self.root(), "the server is stopping".into());
            return Err(VolumeError::Failed { path, reason });
        }
        Ok(open)
    }

    fn root(&self) -> PathBuf {
        self.paths.root().into()
    }

    fn space(&self) -> Result<Space, VolumeError> {
        self.disk.space(self.paths.root()).map_err(|e| self.change_failed("ask for space", e))
    }

    /// Refuses to begin what the reserve does not allow. A race with others may take a little
    /// of the reserve, which is what it is for.
    fn check_space(&self, bytes: u64) -> Result<(), VolumeError> {
        let Space { total, free } = self.space()?;
        let reserve = reserve(total);
        if free.saturating_sub(bytes) < reserve {
            return Err(VolumeError::Full { path: self.root(), free, reserve });
        }
        Ok(())
    }

    /// Refuses a name that is taken before its bytes travel. What decides is the rename.
    fn check_new(&self, name: &ChunkName) -> Result<(), VolumeError> {
        match self.disk.exists(&self.paths.chunk(name)) {
            Ok(true) => Err(VolumeError::Exists(*name)),
            Ok(false) => Ok(()),
            Err(e) => Err(self.change_failed("look for a chunk", e)),
        }
    }

    /// Makes a new name durable.
    fn settle(&self, name: &ChunkName, bytes: u64) -> Result<(), VolumeError> {
        let started = std::time::Instant::now();
        if let Err(e) = self.disk.sync_dir(&self.paths.fan_out(name)) {
            // The name is there and may stay or not: nobody was told of it. Where space is
            // short it is taken back, and what a crash brings back is garbage, not a chunk.
            let error = self.change_failed("sync a directory", e);
            if let Err(e) = self.disk.remove_file(&self.paths.chunk(name)) {
                tracing::warn!(chunk = %name, error = %e, "an unsettled chunk stays");
            }
            return Err(match error {
                VolumeError::Failed { path, reason } => VolumeError::Unsettled { path, reason },
                other => other,
            });
        }
        metrics::histogram!("cairn_chunk_sync_seconds", "what" => "directory")
            .record(started.elapsed());
        self.inventory.insert(name, bytes);
        Ok(())
    }

    fn clone_chunk(self: &Arc<Self>, from: &ChunkName, to: &ChunkName) -> Result<u64, VolumeError> {
        if (from.metachunk, from.position) != (to.metachunk, to.position) {
            return Err(VolumeError::OtherPlace { from: *from, to: *to });
        }
        let gate = self.begin_change()?;
        let source = FileReader::open(self, *from)?;
        match self.disk.hard_link(&self.paths.chunk(from), &self.paths.chunk(to)) {
            Ok(()) => {
                self.settle(to, source.bytes())?;
                Ok(source.bytes())
            }
            Err(e) => match e.kind() {
                io::ErrorKind::AlreadyExists => Err(VolumeError::Exists(*to)),
                io::ErrorKind::NotFound => Err(VolumeError::NotFound(*from)),
                // The file has as many names as the file system allows, or it knows no links.
                io::ErrorKind::TooManyLinks
                | io::ErrorKind::Unsupported
                | io::ErrorKind::PermissionDenied => {
                    drop(gate);
                    self.copy(&source, to)
                }
                _ => Err(self.change_failed("link a chunk", e)),
            },
        }
    }

    fn copy(self: &Arc<Self>, source: &FileReader, to: &ChunkName) -> Result<u64, VolumeError> {
        self.check_space(source.bytes())?;
        let mut temporary = Temporary::create(self)?;
        let mut at = 0;
        while at < source.bytes() {
            let piece = source.read_now(at, crate::engine::READ_BYTES)?;
            at += piece.len() as u64;
            temporary.append(&[piece])?;
        }
        temporary.commit(to)?;
        Ok(at)
    }

    fn delete(&self, names: &[ChunkName]) -> Vec<Result<bool, VolumeError>> {
        let mut answers: Vec<_> = names.iter().map(|name| self.unlink(name)).collect();
        // One sync per directory; also where nothing was found, as the delete that removed it
        // may not have lived to sync.
        let mut directories = BTreeMap::<PathBuf, Vec<usize>>::new();
        for (at, name) in names.iter().enumerate() {
            directories.entry(self.paths.fan_out(name)).or_default().push(at);
        }
        for (directory, members) in directories {
            if let Err(e) = self.disk.sync_dir(&directory) {
                let error = self.change_failed("sync a directory", e);
                let reason = error.to_string();
                for at in members {
                    let (path, reason) = (self.root(), reason.clone());
                    answers[at] = Err(VolumeError::Unsettled { path, reason });
                }
            }
        }
        answers
    }

    fn unlink(&self, name: &ChunkName) -> Result<bool, VolumeError> {
        let _gate = self.begin_change()?;
        match self.disk.remove_file(&self.paths.chunk(name)) {
            Ok(()) => {
                self.inventory.remove(name);
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(self.change_failed("remove a chunk", e)),
        }
    }

    /// What a failed change means: no space, no descriptors, or the end of the volume. A disk
    /// that fails a write or a sync once cannot be trusted with the next.
    fn change_failed(&self, action: &'static str, source: io::Error) -> VolumeError {
        const ENOMEM: i32 = 12;
        const ENFILE: i32 = 23;
        const EMFILE: i32 = 24;
        let path = self.root();
        match (source.kind(), source.raw_os_error()) {
            (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => {
                VolumeError::OutOfSpace { action, path, source }
            }
            (_, Some(ENOMEM | ENFILE | EMFILE)) => VolumeError::Busy { action, path, source },
            _ => {
                let reason = format!("cannot {action}: {source}");
                self.health.fail(reason.clone());
                VolumeError::Failed { path, reason }
            }
        }
    }

    /// What a failed read means. The volume goes on: other chunks may be whole, and the score
    /// tells.
    fn read_failed(&self, chunk: ChunkName, source: io::Error) -> VolumeError {
        const ENOMEM: i32 = 12;
        const ENFILE: i32 = 23;
        const EMFILE: i32 = 24;
        match (source.kind(), source.raw_os_error()) {
            (io::ErrorKind::NotFound, _) => VolumeError::NotFound(chunk),
            (_, Some(ENOMEM | ENFILE | EMFILE)) => {
                VolumeError::Busy { action: "read a chunk", path: self.root(), source }
            }
            _ => {
                self.health.note_read_error();
                VolumeError::Read { chunk, path: self.root(), source }
            }
        }
    }

    fn open_for_reading(&self, name: &ChunkName) -> Result<Arc<dyn disk::File>, VolumeError> {
        let opened = self.disk.open(&self.paths.chunk(name), Mode::Read);
        opened.map_err(|e| self.read_failed(*name, e))
    }
}
