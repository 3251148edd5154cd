//! Metachunks with lost chunks, by the losses they still survive. A pointer leads from the
//! metachunk to its entry, so that there is never more than one.

use super::{Key, Kind, Record, key::Parts, misshapen};
use crate::{Fatal, RepairKey};
use model::{BlobId, ContainerId, ObjectName, Version};
use serde::{Deserialize, Serialize};

/// A metachunk with lost chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// The container.
    pub container: ContainerId,
    /// The object's name.
    pub object: ObjectName,
    /// Its version.
    pub version: Version,
    /// The blob of the extent.
    pub blob: BlobId,
    /// Number of the metachunk within the extent.
    pub metachunk: u32,
    /// The lost positions: bit 0 for position 0.
    pub positions: u32,
    /// Log time at which the first of them was queued.
    pub queued: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pointer(pub(crate) RepairKey);

impl Record for Repair {}
impl Record for Pointer {}

pub(crate) fn all() -> Key {
    Key::new(Kind::Repair)
}

pub(crate) fn key(at: RepairKey) -> Key {
    all().u8(at.survivable).u64(at.sequence)
}

pub(crate) fn parse(key: &[u8]) -> Result<RepairKey, Fatal> {
    let mut parts = Parts::of(key);
    let at = parts.fixed::<1>().zip(parts.u64());
    let at = at.map(|([survivable], sequence)| RepairKey { survivable, sequence });
    at.and_then(|at| parts.end(at)).ok_or_else(|| misshapen(key))
}

pub(crate) fn pointers(blob: &BlobId) -> Key {
    Key::new(Kind::RepairPointer).bytes(&blob.0)
}

pub(crate) fn pointer_key(blob: &BlobId, metachunk: u32) -> Key {
    pointers(blob).u32(metachunk)
}
