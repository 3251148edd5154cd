//! Chunks that are being made, by their names. No chunk table names them yet: one that never
//! will be is found here, and deleted.

use super::{Key, Kind, Record, key::Parts, misshapen};
use crate::Fatal;
use model::{BlobId, ChunkName, VolumeId, WriteId};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rebuild {
    /// Where it is being made.
    pub(crate) volume: VolumeId,
}

impl Record for Rebuild {}

pub(crate) fn all() -> Key {
    Key::new(Kind::Rebuild)
}

pub(crate) fn key(chunk: &ChunkName) -> Key {
    let ChunkName { blob, metachunk, position, write } = chunk;
    all().bytes(&blob.0).u32(*metachunk).u8(*position).u64(write.0)
}

pub(crate) fn parse(key: &[u8]) -> Result<ChunkName, Fatal> {
    let mut parts = Parts::of(key);
    let blob = parts.fixed().map(BlobId);
    let place = parts.fixed::<4>().map(u32::from_be_bytes).zip(parts.fixed::<1>());
    let name = blob.zip(place).zip(parts.u64()).map(|((blob, (metachunk, [position])), write)| {
        ChunkName { blob, metachunk, position, write: WriteId(write) }
    });
    name.and_then(|name| parts.end(name)).ok_or_else(|| misshapen(key))
}
