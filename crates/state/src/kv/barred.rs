//! Blobs that must not be committed: their upload was aborted, or they were committed and have
//! been removed since, so that a late repetition of the commit must not bring them back.

use super::{Key, Kind, Record, key::Parts, misshapen};
use crate::Fatal;
use model::BlobId;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Barred {
    /// Log time at which it was barred.
    pub(crate) at: u64,
    /// Whether it had been committed.
    pub(crate) committed: bool,
}

impl Record for Barred {}

pub(crate) fn key(blob: &BlobId) -> Key {
    Key::new(Kind::Barred).bytes(&blob.0)
}

/// Blobs in the order in which they were barred.
pub(crate) fn expiry() -> Key {
    Key::new(Kind::BarredExpiry)
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
