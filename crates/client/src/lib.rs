//! The client library: accounts, containers and objects over erasure-coded chunks.
//!
//! A [`Client`] knows the address of a metadata node or two, a user and its key. What takes
//! options gives a builder that is awaited; contents come in as a [`Source`] and go out as a
//! [`Download`], which is a stream of bytes. Applications need only this crate: the types of
//! the store are re-exported, and no protocol type is in the interface.
//!
//! ```no_run
//! use cairn_client::{Client, Error, Source, UserKey};
//!
//! # async fn example(key: UserKey) -> Result<(), Error> {
//! let user = "acme:alice".parse()?;
//! let client = Client::builder().seed("127.0.0.1:6000").user(user, key).connect().await?;
//! let (account, container, object) = ("acme".parse()?, "stones".parse()?, "cairn".parse()?);
//!
//! client.put_object(&account, &container, &object, "a heap of stones")
//!     .mime_type("text/plain")
//!     .property("height", "2 m")
//!     .await?;
//! let download = client.get_object(&account, &container, &object).range((2, 5)).await?;
//! assert_eq!(download.bytes().await?, "heap");
//!
//! let file = Source::reader(tokio::io::empty());
//! client.put_object(&account, &container, &"empty".parse()?, file).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What can be relied on
//!
//! A download gives the exact bytes or an error. A failed upload left no object, except for
//! [`Error::Indeterminate`], after which the caller has to look. [`Error`] says what a caller
//! can do; [`Error::kind`] says it in a word.
//!
//! # What it does not do
//!
//! It keeps no state between operations but connections, the cluster map and what it has seen
//! of latencies. It decides nothing about placement, versions or repair: the servers do.
//!
//! # Modules
//!
//! - `client`, `account`, `container`, `object`, `put`, `get`, `head`, `locate`, `delete`, `link`,
//!   `truncate`, `drain`, `sweep`, `refresh`, `snapshot`, `resolve`, `timings`, `cluster`, `user`: the
//!   interface.
//! - `metadata`: which server to ask, and again until the deadline; `session`: as whom.
//! - `plan`: writing and reading a metachunk as pure state machines.
//! - `prepare`, `writing`, `writer`, `table`, `commit`, `conclude`, `row`, `lane`, `stripe`, `memory`, `source`, `traces`: how a content is written.
//! - `reader`, `metachunk`, `blocks`, `decode`, `download`, `damage`, `health`: how it is read.
//! - `copy`: the chunks of a link, copied where they are.
//! - `servers`: one chunk, one request; `leave`: that it may be sent.
//!
//! Who comes from OpenIO finds every operation of its API, and what is different, in [`openio`].
#![forbid(unsafe_code)]

#[doc = include_str!("../OPENIO.md")]
pub mod openio {}

mod account;
mod blocks;
mod changes;
mod client;
mod cluster;
mod commit;
mod conclude;
mod container;
mod copy;
mod counters;
mod damage;
mod delete;
mod download;
mod drain;
mod error;
mod get;
mod head;
mod health;
mod lane;
mod leave;
mod link;
mod locate;
mod memory;
mod metachunk;
mod metadata;
mod object;
mod plan;
mod prepare;
mod put;
mod random;
mod range;
mod reader;
mod refresh;
mod repair;
mod resolve;
mod row;
mod servers;
mod session;
mod snapshot;
mod source;
mod stripe;
mod sweep;
mod table;
mod timings;
mod traces;
mod truncate;
mod user;
mod writer;
mod writing;

pub use account::{CreateAccount, ListContainers, UpdateAccount};
pub use client::{Client, ClientBuilder};
pub use cluster::{Cluster, NodeReport, NodeStatus, RepairStatus, ReplicaStatus, SearchStatus};
pub use container::{CreateContainer, CreateContainers, ListObjects, UpdateContainer};
pub use counters::Counters;
pub use damage::{Damage, DamageKind, Damages};
pub use delete::{DeleteObject, Deleted};
pub use download::Download;
pub use drain::DrainObject;
pub use error::{Error, VolumeFailure};
pub use get::{GetObject, OpenObject};
pub use head::{HeadObject, TrustLevel};
pub use link::{Link, LinkObject, Linked};
pub use locate::{LocateObject, Located, LocatedChunk};
pub use object::{ShowObject, UpdateObject};
pub use put::{PutObject, Stored};
pub use random::FillRandom;
pub use range::ByteRange;
pub use repair::{ChunkCheck, RepairObject, Repaired};
pub use servers::{ChunkFooter, ChunkState, VolumeRef};
pub use snapshot::{Snapshot, SnapshotContainer};
pub use source::Source;
pub use sweep::{FlushContainer, PurgeContainer, Removed};
pub use timings::{Stages, Timings};
pub use truncate::{TruncateObject, Truncated};
pub use user::Users;

pub use checksum::Hashers;
pub use model::{
    Account, AccountName, Administrative, BlobId, Body, ChunkName, ClusterId, ClusterMap,
    Container, ContainerEntry, ContainerId, ContainerName, ContentId, ErrorKind, Extent, Frozen,
    Hash, ListedName, Listing, Liveness, Location, Metachunk, Method, Node, NodeId, Object,
    ObjectEntry, ObjectName, Partition, PartitionId, PartitionTable, Policy, PolicyName,
    Precondition, Properties, Role, Slot, SmallObjects, Subject, User, UserKey, UserName, Version,
    Versioning, Volume, VolumeId, WriteId,
};
pub use transport::{AccessKey, BoxIo, Connect, LocalConnector, TcpConnector};

#[cfg(test)]
mod tests;
