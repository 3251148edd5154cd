//! Commands about objects.

use crate::PropertyChanges;
use model::{
    BlobId, ContainerId, Extent, Hash, ObjectName, PolicyName, Precondition, Properties, Version,
};
use serde::{Deserialize, Serialize};

/// Makes a version of what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The container.
    pub container: ContainerId,
    /// Its incarnation as prepare gave it.
    pub incarnation: u64,
    /// The object's name.
    pub object: ObjectName,
    /// The blob that was prepared; its id is that of the content too.
    pub blob: BlobId,
    /// Where the bytes are; `None` for an empty content.
    pub extent: Option<Extent>,
    /// Bytes of content.
    pub size: u64,
    /// BLAKE3 of the content.
    pub hash: Option<Hash>,
    /// MD5 of the content.
    pub md5: Option<[u8; 16]>,
    /// The media type; at most 256 bytes.
    pub mime_type: String,
    /// The policy it was written with.
    pub policy: PolicyName,
    /// User properties.
    pub properties: Properties,
    /// What must hold.
    pub precondition: Precondition,
    /// How long the chunks of versions it replaces are kept, in microseconds.
    pub delete_grace: u64,
}

/// Removes an object or a version, or covers it with a delete marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteObject {
    /// The container.
    pub container: ContainerId,
    /// The object's name.
    pub object: ObjectName,
    /// Exactly this version; otherwise the object, as the container's versioning has it.
    pub version: Option<Version>,
    /// What must hold of the latest version.
    pub precondition: Precondition,
    /// How long the chunks are kept, in microseconds.
    pub delete_grace: u64,
}

/// Changes the properties of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateObject {
    /// The container.
    pub container: ContainerId,
    /// The object's name.
    pub object: ObjectName,
    /// The version, otherwise the latest.
    pub version: Option<Version>,
    /// What must hold of the latest version.
    pub precondition: Precondition,
    /// The changes.
    pub properties: PropertyChanges,
}
