//! Chunks to delete, by the time from which they may go.

use super::{Key, Kind, Record, key::Parts, misshapen};
use crate::{DeletionKey, Fatal};
use model::{BlobId, ChunkName, Metachunk, VolumeId};
use serde::{Deserialize, Serialize};

/// Rows of a chunk table whose version is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deletion {
    pub(crate) blob: BlobId,
    /// The number of the first row.
    pub(crate) first: u32,
    pub(crate) rows: Vec<Metachunk>,
}

impl Record for Deletion {}

impl Deletion {
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (VolumeId, ChunkName)> + '_ {
        (self.first..).zip(&self.rows).flat_map(move |(metachunk, row)| {
            (0u8..).zip(&row.volumes).filter_map(move |(position, volume)| {
                let write = row.write_of(position);
                Some(((*volume)?, ChunkName { blob: self.blob, metachunk, position, write }))
            })
        })
    }

    /// Forgets the chunks on all but some volumes. Whether any are left.
    pub(crate) fn retain(&mut self, volumes: &[VolumeId]) -> bool {
        for place in self.rows.iter_mut().flat_map(|row| &mut row.volumes) {
            *place = place.filter(|volume| volumes.contains(volume));
        }
        self.chunks().next().is_some()
    }
}

pub(crate) fn all() -> Key {
    Key::new(Kind::Deletion)
}

pub(crate) fn key(at: DeletionKey) -> Key {
    all().u64(at.due).u64(at.sequence)
}

pub(crate) fn parse(key: &[u8]) -> Result<DeletionKey, Fatal> {
    let mut parts = Parts::of(key);
    let at = parts.u64().zip(parts.u64()).map(|(due, sequence)| DeletionKey { due, sequence });
    at.and_then(|at| parts.end(at)).ok_or_else(|| misshapen(key))
}
