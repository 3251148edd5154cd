//! What repair reads: rows to repair, chunks that are being made, lost volumes.

use crate::{
    Failure, Fatal,
    kv::{
        self, chunks,
        head::{self, Head},
        partition::Partition,
        rebuild,
        repair::{self, Repair},
    },
};
use model::{BlobId, ChunkName, Metachunk, Method, VolumeId};
use store::Read;

/// A row to repair, and how its bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairRow {
    /// The blob under which its bytes were first written.
    pub origin: BlobId,
    /// How its stripes were encoded.
    pub method: Method,
    /// The row.
    pub row: Metachunk,
}

/// The row that an entry of the repair queue is about; `None` if it is no more.
pub fn repair_row(view: &dyn Read, repair: &Repair) -> Result<Option<RepairRow>, Fatal> {
    let head = head::exact(view, &repair.container, &repair.object, repair.version)?;
    let extents = head.iter().flat_map(Head::extents);
    let Some(extent) = extents.into_iter().find(|e| e.blob == repair.blob) else {
        return Ok(None);
    };
    let row = chunks::row(view, extent, repair.metachunk)?;
    Ok(row.map(|row| RepairRow { origin: extent.origin, method: extent.method, row }))
}

/// Metachunks of a blob in the repair queue.
pub fn queued_repairs(view: &dyn Read, blob: &BlobId) -> Result<u64, Failure> {
    let mut count = 0;
    for pair in kv::scan(view, &repair::pointers(blob)) {
        pair?;
        count += 1;
    }
    Ok(count)
}

/// Chunks that are being made, with their volumes, at most `limit`.
pub fn rebuilds(view: &dyn Read, limit: usize) -> Result<Vec<(ChunkName, VolumeId)>, Failure> {
    kv::scan(view, &rebuild::all())
        .take(limit)
        .map(|pair| {
            let (key, value) = pair?;
            let record: rebuild::Rebuild = kv::decode(&key, &value)?;
            Ok((rebuild::parse(&key)?, record.volume))
        })
        .collect()
}

/// The volumes whose chunks count as lost, in order.
pub fn lost_volumes(view: &dyn Read) -> Result<Vec<VolumeId>, Failure> {
    Ok(Partition::read(view)?.lost)
}
