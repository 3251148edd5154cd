//! Chunk tables that were staged and are not committed yet: their pages are where those of
//! committed ones are, this is what is known of them all together.

use super::{Key, Kind, Record, key::Parts, misshapen};
use crate::Fatal;
use model::{BlobId, Metachunk, Method};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Staged {
    /// Log time of the first page.
    pub(crate) at: u64,
    pub(crate) method: Method,
    pub(crate) chunk_blocks: u32,
    pub(crate) summary: Summary,
}

/// What matters of some rows when they are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) rows: u32,
    pub(crate) bytes: u64,
    /// When the oldest of their write ids was minted, in milliseconds.
    pub(crate) oldest: u64,
    /// Durable chunks of the row that has the fewest.
    pub(crate) durable: u32,
    /// Places without a chunk.
    pub(crate) dropped: u32,
}

impl Summary {
    pub(crate) const EMPTY: Summary =
        Summary { rows: 0, bytes: 0, oldest: u64::MAX, durable: u32::MAX, dropped: 0 };

    pub(crate) fn add(&mut self, row: &Metachunk) {
        let durable = row.durable() as u32;
        self.rows = self.rows.saturating_add(1);
        self.bytes = self.bytes.saturating_add(row.length);
        self.oldest = self.oldest.min(row.write.millis());
        self.durable = self.durable.min(durable);
        self.dropped = self.dropped.saturating_add(row.volumes.len() as u32 - durable);
    }
}

impl Record for Staged {}

pub(crate) fn key(blob: &BlobId) -> Key {
    Key::new(Kind::Staged).bytes(&blob.0)
}

pub(crate) fn expiry() -> Key {
    Key::new(Kind::StagedExpiry)
}

pub(crate) fn expiry_key(at: u64, blob: &BlobId) -> Key {
    expiry().u64(at).bytes(&blob.0)
}

/// Log time and blob of an entry of the order.
pub(crate) fn parse_expiry(key: &[u8]) -> Result<(u64, BlobId), Fatal> {
    let mut parts = Parts::of(key);
    let entry = parts.u64().zip(parts.fixed().map(BlobId));
    entry.and_then(|entry| parts.end(entry)).ok_or_else(|| misshapen(key))
}
