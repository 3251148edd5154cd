//! The chunks that an upload may have left on disks, and when it may delete them.

use crate::{VolumeRef, servers::ChunkServers};
use futures::{StreamExt, stream};
use model::ChunkName;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

/// Chunks deleted at the same time.
const DELETES_AT_ONCE: usize = 16;

/// When chunks that were not there are deleted once more.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// How long a failed upload may delete its chunks before it says that it failed.
const TIDY: Duration = Duration::from_secs(3);

/// Every chunk that an upload began to write. Dropped before a commit was sent, it deletes
/// them; afterwards only on request, and what stays is left to garbage collection.
pub(crate) struct Traces {
    servers: Arc<ChunkServers>,
    chunks: Mutex<Vec<(VolumeRef, ChunkName)>>,
    /// Those of them that no commit will name.
    unnamed: Mutex<Vec<(VolumeRef, ChunkName)>>,
}

impl Traces {
    pub(crate) fn new(servers: Arc<ChunkServers>) -> Self {
        Self { servers, chunks: Mutex::default(), unnamed: Mutex::default() }
    }

    pub(crate) fn add(&self, volume: VolumeRef, chunk: ChunkName) {
        self.chunks.lock().push((volume, chunk));
    }

    /// The content goes on without these chunks, which may come to be all the same: where the
    /// place in the table stays empty, what fills it later has another name.
    pub(crate) fn leave_unnamed(&self, chunks: impl IntoIterator<Item = (VolumeRef, ChunkName)>) {
        self.unnamed.lock().extend(chunks);
    }

    /// The commit was done: what it does not name goes when this is dropped.
    pub(crate) fn restore_unnamed(&self) {
        let unnamed = std::mem::take(&mut *self.unnamed.lock());
        self.restore(unnamed);
    }

    /// A commit is about to be sent: from here on nothing is deleted unless [`Self::restore`]
    /// is called with what this gave.
    pub(crate) fn disarm(&self) -> Vec<(VolumeRef, ChunkName)> {
        std::mem::take(&mut *self.chunks.lock())
    }

    /// The chunks are certainly not part of any version: they go when this is dropped.
    pub(crate) fn restore(&self, chunks: Vec<(VolumeRef, ChunkName)>) {
        self.chunks.lock().extend(chunks);
    }

    /// Deletes the chunks now, as far as their servers answer in time: a process that ends
    /// with the failure of its upload has no later. The rest goes when this is dropped.
    pub(crate) async fn tidy(&self) {
        let chunks = self.disarm();
        let left = match tokio::time::timeout(TIDY, delete_all(&self.servers, chunks.clone())).await
        {
            Ok(left) => left,
            Err(_) => chunks,
        };
        self.restore(left);
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        let chunks = std::mem::take(&mut *self.chunks.lock());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if chunks.is_empty() {
            return;
        }
        let servers = self.servers.clone();
        runtime.spawn(async move {
            let left = delete_all(&servers, chunks).await;
            // A server that was making a chunk durable when its writer went away may finish
            // behind the deletion.
            tokio::time::sleep(SECOND_LOOK).await;
            // What is still there is found by garbage collection.
            delete_all(&servers, left).await;
        });
    }
}

/// Deletes chunks; gives those that were not there, or could not be deleted.
async fn delete_all(
    servers: &ChunkServers,
    chunks: Vec<(VolumeRef, ChunkName)>,
) -> Vec<(VolumeRef, ChunkName)> {
    let delete = |(volume, chunk): (VolumeRef, ChunkName)| async move {
        match servers.delete(&volume, &chunk).await {
            Ok(true) => return None,
            Ok(false) => {}
            Err(reason) => {
                tracing::debug!(volume = %volume.id, %chunk, reason, "a chunk stays for now");
            }
        }
        Some((volume, chunk))
    };
    let deleted = stream::iter(chunks).map(delete).buffer_unordered(DELETES_AT_ONCE);
    deleted.filter_map(futures::future::ready).collect().await
}
