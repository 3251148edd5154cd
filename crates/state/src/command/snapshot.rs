//! Commands that make a container the snapshot of another. Its target is hidden until it is
//! whole: nothing but these commands finds it, and its account does not know it.

use super::CommitExtent;
use model::{
    AccountName, BlobId, ContainerId, ContainerName, ContentId, Hash, JobId, ObjectName,
    PolicyName, Properties, Version, Versioning,
};
use serde::{Deserialize, Serialize};

/// Makes the hidden target of a snapshot, or hands one that a job left behind to this job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSnapshot {
    /// The target's account.
    pub account: AccountName,
    /// The target's name.
    pub container: ContainerName,
    /// The container it is made of.
    pub source: ContainerId,
    /// The source's incarnation.
    pub source_incarnation: u64,
    /// The job; commands of any other are refused from now on.
    pub job: JobId,
    /// The source's policy.
    pub policy: Option<PolicyName>,
    /// The source's versioning.
    pub versioning: Versioning,
    /// The source's quota.
    pub quota: Option<u64>,
    /// The source's properties.
    pub properties: Properties,
}

/// Writes a version into the hidden target of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportVersion {
    /// The target.
    pub container: ContainerId,
    /// The job that makes the snapshot.
    pub job: JobId,
    /// The object's name.
    pub object: ObjectName,
    /// The version it has in the source.
    pub version: Version,
    /// What it is.
    pub body: ImportBody,
    /// Log time of its first commit, in microseconds.
    pub created: u64,
    /// Log time of its last change, in microseconds: a job that goes on tells by it whether
    /// what it imported is what is there now.
    pub modified: u64,
    /// The policy it was written with.
    pub policy: PolicyName,
    /// Its media type.
    pub mime_type: String,
    /// When it goes by itself, in seconds since 1970, once the container is not frozen any more.
    pub delete_at: Option<u64>,
    /// Its user properties.
    pub properties: Properties,
}

/// What an imported version is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportBody {
    /// A delete marker.
    Marker,
    /// A content.
    Content {
        /// Its id in the source, which it keeps.
        content: ContentId,
        /// The first blob of its extents; of an empty or drained content, one that was prepared
        /// for it.
        blob: BlobId,
        /// Bytes of content.
        size: u64,
        /// Its BLAKE3.
        hash: Option<Hash>,
        /// Its MD5.
        md5: Option<[u8; 16]>,
        /// Where its bytes are, or `None` if it was drained.
        extents: Option<Vec<CommitExtent>>,
    },
}

/// Removes versions from the hidden target of a snapshot again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropImported {
    /// The target.
    pub container: ContainerId,
    /// The job that makes the snapshot.
    pub job: JobId,
    /// The versions, at most 1,000; those that are not there are fine.
    pub versions: Vec<(ObjectName, Version)>,
    /// How long the chunks are kept, in microseconds.
    pub delete_grace: u64,
}

/// Shows the target of a snapshot, frozen for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishSnapshot {
    /// The target.
    pub container: ContainerId,
    /// The job that made it.
    pub job: JobId,
    /// Versions that must be in it, delete markers not counted.
    pub objects: u64,
    /// Bytes that they must have.
    pub bytes: u64,
}

/// Removes the hidden target of a snapshot that is not to be finished, as far as the bounds of
/// one command let it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscardSnapshot {
    /// The target.
    pub container: ContainerId,
    /// The job that makes it; none for an operator, who may discard any.
    pub job: Option<JobId>,
    /// How long the chunks are kept, in microseconds.
    pub delete_grace: u64,
}
