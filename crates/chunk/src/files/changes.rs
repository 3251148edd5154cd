//! Changes of a volume, and what it means when one fails. All of it blocks.

use super::{FileReader, Shared, Temporary};
use crate::{
    VolumeError,
    engine::{ChunkReader, READ_BYTES},
    error::is_full,
};
use disk::{Mode, Space};
use model::ChunkName;
use parking_lot::RwLockReadGuard;
use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc};

// Errors of the machine rather than of the disk, the same on every Linux.
const ENOMEM: i32 = 12;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

impl Shared {
    /// Admits a change, until the guard is dropped.
    pub(super) fn begin_change(&self) -> Result<RwLockReadGuard<'_, bool>, VolumeError> {
        self.health.check()?;
        let open = self.open.read();
        if !*open {
            let (path, reason) = (self.root(), "the server is stopping".into());
            return Err(VolumeError::Failed { path, reason });
        }
        Ok(open)
    }

    pub(super) fn root(&self) -> PathBuf {
        self.paths.root().into()
    }

    pub(super) fn space(&self) -> Result<Space, VolumeError> {
        self.disk.space(self.paths.root()).map_err(|e| self.begin_failed("ask for space", e))
    }

    /// Refuses to begin what the reserve does not allow. A race with others may take a little
    /// of the reserve, which is what it is for.
    pub(super) fn check_space(&self, bytes: u64) -> Result<(), VolumeError> {
        let Space { total, free } = self.space()?;
        let reserve = self.health.reserve(total);
        if free.saturating_sub(bytes) < reserve {
            return Err(VolumeError::Full { path: self.root(), free, reserve });
        }
        Ok(())
    }

    /// Refuses a name that is taken before its bytes travel. What decides is the rename.
    pub(super) fn check_new(&self, name: &ChunkName) -> Result<(), VolumeError> {
        match self.disk.exists(&self.paths.chunk(name)) {
            Ok(true) => Err(VolumeError::Exists(*name)),
            Ok(false) => Ok(()),
            Err(e) => Err(self.begin_failed("look for a chunk", e)),
        }
    }

    /// Makes a new name durable.
    pub(super) fn settle(&self, name: &ChunkName, bytes: u64) -> Result<(), VolumeError> {
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

    pub(super) fn clone_chunk(
        self: &Arc<Self>,
        from: &ChunkName,
        to: &ChunkName,
    ) -> Result<u64, VolumeError> {
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
            let piece = source.read_now(at, READ_BYTES)?;
            at += piece.len() as u64;
            temporary.append(&[piece])?;
        }
        temporary.commit(to)?;
        Ok(at)
    }

    pub(super) fn delete(&self, names: &[ChunkName]) -> Vec<Result<bool, VolumeError>> {
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
            // Not of our making, and no reason to distrust the disk.
            Err(e) if e.kind() == io::ErrorKind::IsADirectory => {
                tracing::warn!(chunk = %name, volume = %self.root().display(), "a directory is in its place");
                Ok(false)
            }
            Err(e) => Err(self.change_failed("remove a chunk", e)),
        }
    }

    /// What it means that a change could not begin: that may be the machine's fault.
    pub(super) fn begin_failed(&self, action: &'static str, source: io::Error) -> VolumeError {
        match source.raw_os_error() {
            Some(ENOMEM) => VolumeError::Busy { action, path: self.root(), source },
            _ => self.change_failed(action, source),
        }
    }

    /// What a failed change means: no space, no descriptors (to sync a directory it is opened),
    /// or the end of the volume. A disk that fails a write or a sync once cannot be trusted
    /// with the next: what was in memory may be lost, and a second sync would not say so.
    pub(super) fn change_failed(&self, action: &'static str, source: io::Error) -> VolumeError {
        let path = self.root();
        match source.raw_os_error() {
            _ if is_full(&source) => VolumeError::OutOfSpace { action, path, source },
            Some(ENFILE | EMFILE) => VolumeError::Busy { action, path, source },
            _ => {
                let reason = format!("cannot {action}: {source}");
                self.health.fail(reason.clone());
                VolumeError::Failed { path, reason }
            }
        }
    }

    /// What a failed read means. The volume goes on: other chunks may be whole, and the score
    /// tells.
    pub(super) fn read_failed(&self, chunk: ChunkName, source: io::Error) -> VolumeError {
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

    pub(super) fn open_for_reading(
        &self,
        name: &ChunkName,
    ) -> Result<Arc<dyn disk::File>, VolumeError> {
        let opened = self.disk.open(&self.paths.chunk(name), Mode::Read);
        opened.map_err(|e| self.read_failed(*name, e))
    }
}
