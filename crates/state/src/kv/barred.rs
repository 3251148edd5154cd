//! Blobs that must not be committed: their upload was aborted, or they were committed and have
//! been removed since, so that a late repetition of the commit must not bring them back.

use super::{Key, Kind, Record};
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

pub(crate) fn expiry_key(at: u64, blob: &BlobId) -> Key {
    Key::new(Kind::BarredExpiry).u64(at).bytes(&blob.0)
}
