//! What a volume can do, whatever keeps its chunks.

use crate::VolumeError;
use async_trait::async_trait;
use bytes::Bytes;
use disk::Space;
use model::ChunkName;
use std::sync::Arc;

/// Keeps the chunks of one volume. Nobody outside assumes files, inodes or mtimes.
///
/// Whatever answers `Ok` survives a loss of power. A future that is dropped leaves a chunk
/// whole or absent.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Begins a chunk, of `bytes` if that is known. The name must be new.
    async fn put(
        &self,
        name: &ChunkName,
        bytes: Option<u64>,
    ) -> Result<Box<dyn ChunkWriter>, VolumeError>;

    /// Opens a chunk. It stays readable through this handle when it is deleted meanwhile.
    async fn get(&self, name: &ChunkName) -> Result<Arc<dyn ChunkReader>, VolumeError>;

    /// Gives a chunk's bytes a second, independent name; answers their number.
    async fn clone_chunk(&self, from: &ChunkName, to: &ChunkName) -> Result<u64, VolumeError>;

    /// Deletes chunks; an answer for each, in order: whether it was there.
    async fn delete(&self, names: Vec<ChunkName>) -> Vec<Result<bool, VolumeError>>;

    /// Names in byte order behind `after`, at most `limit`.
    async fn list(&self, after: &str, limit: usize) -> Result<Vec<ChunkName>, VolumeError>;

    /// Bytes of a chunk.
    async fn stat(&self, name: &ChunkName) -> Result<u64, VolumeError>;

    /// Notes that a chunk was just found whole.
    async fn note_verified(&self, name: &ChunkName);

    /// Chunks there are, as far as known.
    fn chunks(&self) -> u64;

    /// Space of the volume.
    async fn space(&self) -> Result<Space, VolumeError>;

    /// Ends the work in good order, so that the next start is quick.
    async fn close(&self);
}

/// A chunk being written. Dropped before [`ChunkWriter::commit`], it leaves nothing behind.
#[async_trait]
pub trait ChunkWriter: Send {
    /// Appends bytes.
    async fn write(&mut self, slices: Vec<Bytes>) -> Result<(), VolumeError>;

    /// Makes the chunk durable and gives it its name.
    async fn commit(self: Box<Self>) -> Result<(), VolumeError>;
}

/// A chunk being read.
#[async_trait]
pub trait ChunkReader: Send + Sync {
    /// Bytes it has.
    fn bytes(&self) -> u64;

    /// Reads exactly `bytes`, at most [`READ_BYTES`], from `offset`.
    async fn read(&self, offset: u64, bytes: usize) -> Result<Bytes, VolumeError>;
}

/// Most bytes read at once: four blocks, where a read costs little beside its bytes.
pub const READ_BYTES: usize = 256 * 1024;
