//! Commands about objects.

use crate::PropertyChanges;
use model::{
    BlobId, ContainerId, ContentId, Extent, Hash, Metachunk, Method, ObjectName, PolicyName,
    Precondition, Properties, Version,
};
use serde::{Deserialize, Serialize};

/// Most rows that the extents of one command bring themselves, all together; longer tables are
/// staged before.
pub const MAX_INLINE_ROWS: usize = 32;

/// Rows of a full page of a staged chunk table.
pub const PAGE_ROWS: usize = 256;

/// Most rows of all the extents of a version.
pub const MAX_ROWS: u32 = 65_536;

/// Most extents of a version: each append adds one.
pub const MAX_EXTENTS: usize = 1024;

/// Makes a version of what was written, or adds it to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The container.
    pub container: ContainerId,
    /// Its incarnation as prepare gave it.
    pub incarnation: u64,
    /// The object's name.
    pub object: ObjectName,
    /// What it does with a live latest version.
    pub mode: CommitMode,
    /// The content id that the writer chose. It must be new in the container; of an append to a
    /// version that is there, it must be that version's.
    pub content: Option<ContentId>,
    /// The blob that was prepared: that of the first extent, if there is one.
    pub blob: BlobId,
    /// Where the bytes are, each extent under a blob of its own; none for an empty content.
    pub extents: Vec<CommitExtent>,
    /// Bytes in the extents.
    pub size: u64,
    /// BLAKE3 of the content.
    pub hash: Option<Hash>,
    /// MD5 of the content.
    pub md5: Option<[u8; 16]>,
    /// The media type; at most 512 bytes.
    pub mime_type: String,
    /// The policy it was written with.
    pub policy: PolicyName,
    /// User properties; an append adds them to those there are.
    pub properties: Properties,
    /// When the version goes by itself, in seconds since 1970; an append leaves it as it is unless
    /// this says when.
    pub delete_at: Option<u64>,
    /// What must hold.
    pub precondition: Precondition,
    /// How long the chunks of versions it replaces are kept, in microseconds.
    pub delete_grace: u64,
}

/// What a commit does with a live latest version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitMode {
    /// Makes a new version in its place or above it, as the container's versioning has it.
    Create,
    /// Adds the extents to it. Without one, it makes a version.
    Append,
    /// Makes a new version above it, and nothing where versions are not kept.
    Version,
    /// Makes a new version above it, which stays also where versions are not kept, until it is
    /// deleted by its version.
    Keep,
}

/// An extent of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitExtent {
    /// Names its chunks; prepared for the container.
    pub blob: BlobId,
    /// The blob under which its bytes were first written; another one in a link.
    pub origin: BlobId,
    /// The policy it was written with.
    pub policy: PolicyName,
    /// How its stripes were encoded.
    pub method: Method,
    /// Blocks of a full chunk.
    pub chunk_blocks: u32,
    /// Its chunk table.
    pub rows: Rows,
}

/// The chunk table of a new extent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rows {
    /// All of it; at most [`MAX_INLINE_ROWS`] in a command.
    Inline(Vec<Metachunk>),
    /// As many rows, staged before under the blob.
    Staged(u32),
}

impl From<Extent> for CommitExtent {
    fn from(extent: Extent) -> Self {
        Self {
            blob: extent.blob,
            origin: extent.origin,
            policy: extent.policy,
            method: extent.method,
            chunk_blocks: extent.chunk_blocks,
            rows: Rows::Inline(extent.metachunks),
        }
    }
}

/// Writes a page of a chunk table that is to be committed. Pages come in order; all but the last
/// are full. One that was staged already may be repeated. Staged rows that are not committed
/// within three days are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagePage {
    /// The container, which may be the hidden target of a snapshot.
    pub container: ContainerId,
    /// Its incarnation as prepare gave it.
    pub incarnation: u64,
    /// The blob of the extent.
    pub blob: BlobId,
    /// How its stripes are encoded.
    pub method: Method,
    /// Blocks of a full chunk.
    pub chunk_blocks: u32,
    /// Number of the page, from 0.
    pub page: u32,
    /// Its rows, at most [`PAGE_ROWS`].
    pub rows: Vec<Metachunk>,
}

/// Cuts a version short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truncate {
    /// The container.
    pub container: ContainerId,
    /// Its incarnation as prepare gave it.
    pub incarnation: u64,
    /// The object's name.
    pub object: ObjectName,
    /// The version, otherwise the latest.
    pub version: Option<Version>,
    /// Bytes that it must have.
    pub expected_size: u64,
    /// The blobs that its extents must have, in their order.
    pub expected_blobs: Vec<BlobId>,
    /// How many extents are kept.
    pub keep_extents: u32,
    /// How many rows of the last one kept; 0 if none is.
    pub keep_rows: u32,
    /// What was in the metachunk that is cut, up to the cut, written anew.
    pub tail: Option<CommitExtent>,
    /// Bytes of content afterwards.
    pub size: u64,
    /// How long the chunks that go are kept, in microseconds.
    pub delete_grace: u64,
}

/// Drops the content of a version and keeps its metadata, its size among it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The container.
    pub container: ContainerId,
    /// The object's name.
    pub object: ObjectName,
    /// The version, otherwise the latest.
    pub version: Option<Version>,
    /// What must hold of the latest version.
    pub precondition: Precondition,
    /// How long the chunks are kept, in microseconds.
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
    /// Whether a delete marker that it writes says that the object is over, as that of one that
    /// expired does, and not that it was deleted.
    pub silent: bool,
    /// Where versions are kept, a delete marker is written even if there is nothing to cover: of
    /// this policy, unless the container has one.
    pub missing: Option<PolicyName>,
    /// What must hold of the latest version.
    pub precondition: Precondition,
    /// How long the chunks are kept, in microseconds.
    pub delete_grace: u64,
}

/// Changes what is said of a version: its properties, its media type, when it goes.
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
    /// Changes of its properties.
    pub properties: PropertyChanges,
    /// The media type; `None`: unchanged.
    pub mime_type: Option<String>,
    /// When it goes by itself, in seconds since 1970. `None`: unchanged; `Some(None)`: it does
    /// not.
    pub delete_at: Option<Option<u64>>,
}

impl UpdateObject {
    /// Whether it changes nothing, so that the version is touched.
    pub fn is_empty(&self) -> bool {
        self.properties.is_empty() && self.mime_type.is_none() && self.delete_at.is_none()
    }
}

/// Most versions that one command removes because their time has come: as many as it has room
/// for, however long their names are.
pub const MAX_EXPIRED: usize = 200;

/// Removes versions of a container whose time has come. Each is looked at again: what is to go
/// later now, is held or is gone stays as it is, and so does all if the container is frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expire {
    /// The container.
    pub container: ContainerId,
    /// The versions, at most [`MAX_EXPIRED`].
    pub versions: Vec<(ObjectName, Version)>,
    /// How long the chunks are kept, in microseconds.
    pub delete_grace: u64,
}
