//! The words of Cairn as types: identifiers, names, policies, the cluster map, and what the
//! services say about accounts, containers, objects and chunks.
//!
//! The crate is pure: it does no I/O, asks no clock and draws no random numbers. Everything
//! that comes from outside becomes one of these types first, and a value of such a type is
//! already within its bounds.
#![forbid(unsafe_code)]

mod chunk;
mod error;
mod id;
mod location;
mod map;
mod name;
mod object;
mod policy;
mod user;

pub use chunk::{ChunkName, Extent, Metachunk};
pub use error::{Error, ErrorKind, Subject};
pub use id::{
    BlobId, ClusterId, ContainerId, ContentId, Hash, JobId, NodeId, PartitionId, RequestId, Slot,
    Version, VolumeId, WriteId,
};
pub use location::Location;
pub use map::{
    Administrative, ClusterMap, Liveness, Node, Partition, PartitionTable, Volume, VolumeReport,
};
pub use name::{AccountName, ContainerName, ObjectName, check_properties};
pub use object::{
    Account, Body, Container, ContainerEntry, Frozen, ListQuery, ListedName, Listing, Object,
    ObjectEntry, Precondition, Properties, Versioning,
};
pub use policy::{
    BLOCK_BYTES, MAX_CHUNK_BLOCKS, MAX_WIDTH, Method, Policy, PolicyName, SmallObjects,
};
pub use user::{KeyHash, Right, Role, User, UserKey, UserName};
