//! Which version a blob became. Written and removed in the version's own batch.

use super::{Key, Kind, Record};
use model::{BlobId, ContainerId, ObjectName, Version};
use serde::{Deserialize, Serialize};

/// The version that a blob became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The container.
    pub container: ContainerId,
    /// The object's name.
    pub object: ObjectName,
    /// Its version.
    pub version: Version,
}

impl Record for Owner {}

pub(crate) fn key(blob: &BlobId) -> Key {
    Key::new(Kind::Owner).bytes(&blob.0)
}
