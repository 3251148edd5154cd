//! The chunks that an upload may have left on disks, and when it may delete them.

use crate::{VolumeRef, servers::ChunkServers};
use futures::{StreamExt, stream};
use model::ChunkName;
use parking_lot::Mutex;
use std::sync::Arc;

/// Chunks deleted at the same time.
const DELETES_AT_ONCE: usize = 16;

/// Every chunk that an upload began to write. Dropped before a commit was sent, it deletes
/// them; afterwards only on request, and what stays is left to garbage collection.
pub(crate) struct Traces {
    servers: Arc<ChunkServers>,
    chunks: Mutex<Vec<(VolumeRef, ChunkName)>>,
}

impl Traces {
    pub(crate) fn new(servers: Arc<ChunkServers>) -> Self {
        Self { servers, chunks: Mutex::default() }
    }

    pub(crate) fn add(&self, volume: VolumeRef, chunk: ChunkName) {
        self.chunks.lock().push((volume, chunk));
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
            let delete = |(volume, chunk): (VolumeRef, ChunkName)| {
                let servers = servers.clone();
                async move {
                    if let Err(reason) = servers.delete(&volume, &chunk).await {
                        // Garbage collection finds it.
                        tracing::debug!(volume = %volume.id, %chunk, reason, "a chunk stays");
                    }
                }
            };
            stream::iter(chunks).for_each_concurrent(DELETES_AT_ONCE, delete).await;
        });
    }
}
