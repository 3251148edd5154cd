//! A chunk that has no name yet.

use super::Shared;
use crate::VolumeError;
use bytes::Bytes;
use disk::{File, Mode};
use model::ChunkName;
use std::{
    io::{self, IoSlice},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

/// Bytes after which writing out begins, so that the sync at the end has little left to do.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// A file under `tmp/`. It is removed when it is dropped before it was committed. Its methods
/// block.
pub(super) struct Temporary {
    shared: Arc<Shared>,
    file: Arc<dyn File>,
    path: PathBuf,
    bytes: u64,
    written_out: u64,
    armed: bool,
}

impl Temporary {
    pub(super) fn create(shared: &Arc<Shared>) -> Result<Self, VolumeError> {
        let number = shared.next_temporary.fetch_add(1, Ordering::Relaxed);
        let path = shared.paths.temporaries().join(number.to_string());
        let file = shared.disk.open(&path, Mode::CreateNew);
        let file = file.map_err(|e| shared.begin_failed("create a file", e))?;
        Ok(Self { shared: shared.clone(), file, path, bytes: 0, written_out: 0, armed: true })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn append(&mut self, slices: &[Bytes]) -> Result<(), VolumeError> {
        self.shared.health.check()?;
        let bufs: Vec<_> = slices.iter().map(|s| IoSlice::new(s)).collect();
        let written = self.file.write_all_at(&bufs, self.bytes);
        written.map_err(|e| self.shared.change_failed("write a chunk", e))?;
        self.bytes += slices.iter().map(|s| s.len() as u64).sum::<u64>();
        let ahead = self.bytes - self.written_out;
        if ahead >= WRITEBACK_BYTES {
            // Only a hint: where it cannot be given, the sync does all of it.
            if let Err(error) = self.file.start_writeback(self.written_out, ahead) {
                tracing::debug!(%error, "writing out early is not possible");
            }
            self.written_out = self.bytes;
        }
        Ok(())
    }

    /// Content first, then the name, then the directory: a name that survives a crash has its
    /// whole content.
    pub(super) fn commit(mut self, name: &ChunkName) -> Result<(), VolumeError> {
        let shared = self.shared.clone();
        let _gate = shared.begin_change()?;
        let started = std::time::Instant::now();
        self.file.sync_data().map_err(|e| shared.change_failed("sync a chunk", e))?;
        metrics::histogram!("cairn_chunk_sync_seconds", "what" => "chunk")
            .record(started.elapsed());
        match shared.disk.rename_new(&self.path, &shared.paths.chunk(name)) {
            Ok(()) => self.armed = false,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(VolumeError::Exists(*name));
            }
            Err(e) => return Err(shared.change_failed("name a chunk", e)),
        }
        shared.settle(name, self.bytes)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (shared, path) = (self.shared.clone(), std::mem::take(&mut self.path));
        let remove = move || match shared.disk.remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "a temporary stays until restart");
            }
            _ => {}
        };
        // A client may have gone away on a thread that must not block.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.shared.disk.blocks() => drop(runtime.spawn_blocking(remove)),
            _ => remove(),
        }
    }
}
