//! What can be asked of a partition.

mod container;
mod directory;
mod object;
mod queue;
mod snapshot;

use model::{
    AccountName, Administrative, BlobId, ChunkName, ContainerId, ContainerName, Liveness, NodeId,
    PartitionId, Policy, PolicyName, Properties, UserName, Versioning, VolumeId,
};
use serde::{Deserialize, Serialize};

pub use container::{CorrectCounters, Flush, MAX_REMOVED, Purge, PurgeCursor, SetFrozen};
pub use directory::{InitCluster, PutUser, RegisterVolume};
pub use object::{
    Commit, CommitExtent, CommitMode, DeleteObject, Drain, Expire, MAX_EXPIRED, MAX_EXTENTS,
    MAX_INLINE_ROWS, MAX_ROWS, PAGE_ROWS, Rows, StagePage, Truncate, UpdateObject,
};
pub use queue::{
    Damage, DeletionKey, MAX_LOST, Postponed, Rebuilding, RecordScan, RepairKey, ScanCursor,
    ScanStep, Swap, Whole,
};
pub use snapshot::{
    CreateSnapshot, DiscardSnapshot, DropImported, ImportBody, ImportVersion, PublishSnapshot,
};

/// A mutation of a partition's state. New commands are added at the end: the log knows them by
/// their number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Makes an account, unless it exists. Answers `Created`.
    CreateAccount {
        /// Its name.
        account: AccountName,
        /// Its first properties.
        properties: Properties,
    },
    /// Changes an account's properties. Answers `Done`.
    UpdateAccount {
        /// Its name.
        account: AccountName,
        /// The changes.
        properties: PropertyChanges,
    },
    /// Removes an account; refused while containers are listed in it. Answers `Done`.
    DeleteAccount {
        /// Its name.
        account: AccountName,
    },
    /// Takes over what another partition says of its containers. Answers `Done`.
    ApplyContainerStates {
        /// The partition that says so.
        source: PartitionId,
        /// In order of their indexes.
        states: Vec<ContainerState>,
    },
    /// Makes a container, unless it exists. Answers `Created`.
    CreateContainer(CreateContainer),
    /// Changes a container, and in any case tells its account of its state again. Answers
    /// `Done`.
    UpdateContainer(UpdateContainer),
    /// Removes a container; refused while it has versions that are no delete markers. Answers
    /// `ContainerDeleted`.
    DeleteContainer {
        /// Its id.
        container: ContainerId,
    },
    /// Makes a version of what was written. Answers `Committed`.
    Commit(Box<Commit>),
    /// Removes an object or a version, or covers it with a delete marker. Answers
    /// `ObjectDeleted`.
    DeleteObject(DeleteObject),
    /// Changes what is said of a version. Answers `Done`.
    UpdateObject(UpdateObject),
    /// Bars a blob from being committed. Refused (conflict) if it was. Answers `Done`.
    Abort {
        /// The blob.
        blob: BlobId,
    },
    /// Refuses write ids minted before `millis` from now on. A lower fence than there is
    /// changes nothing. Answers `Fence`.
    RaiseFence {
        /// In milliseconds since 1970; not after log time.
        millis: u64,
    },
    /// Removes what was delivered from the outbox. Answers `Done`.
    OutboxDelivered {
        /// Log indexes of the states.
        indexes: Vec<u64>,
    },
    /// Removes or postpones entries of the deletion queue. Answers `Done`.
    DeletionsDone {
        /// Entries whose chunks are all gone.
        done: Vec<DeletionKey>,
        /// Entries to try again later.
        postponed: Vec<Postponed>,
    },
    /// Queues verified damage for repair. What the chunk table does not say any more is passed
    /// over. Answers `Done`.
    QueueRepair {
        /// The chunks that are missing or damaged.
        damages: Vec<Damage>,
    },
    /// Takes positions that need no repair out of the repair queue. Answers `Done`.
    RepairsDone {
        /// The positions of some entries.
        whole: Vec<Whole>,
    },
    /// Names a rebuilt or moved chunk in place of another, by compare-and-set. The chunk must
    /// have been announced by `BeginRebuilds`. Answers `Done`.
    Swap(Swap),
    /// Lets apply use what a newer build can do. Answers `Done`.
    RaiseFeatureLevel {
        /// The level; lower ones change nothing.
        level: u32,
    },
    /// Makes the cluster, unless it exists. Answers `Created`.
    InitCluster(InitCluster),
    /// Makes a volume known, or tells that it moved. Answers `Volume`.
    RegisterVolume(RegisterVolume),
    /// Says whether a volume answers. Answers `Done`.
    SetLiveness {
        /// The volume.
        volume: VolumeId,
        /// Whether it does.
        liveness: Liveness,
    },
    /// Says what the operator wants of a volume. Answers `Done`.
    SetAdministrative {
        /// The volume.
        volume: VolumeId,
        /// What is wanted.
        administrative: Administrative,
    },
    /// Makes or changes a policy. Answers `Done`.
    SetPolicy {
        /// The policy.
        policy: Policy,
        /// Also make it the cluster's default.
        make_default: bool,
    },
    /// Tells where a metadata node listens. Answers `Done`.
    UpdateNode {
        /// The node.
        id: NodeId,
        /// `host:port`.
        address: String,
    },
    /// Writes a page of a chunk table that is to be committed. Answers `Done`.
    StagePage(Box<StagePage>),
    /// Cuts a version short. Answers `Committed`.
    Truncate(Box<Truncate>),
    /// Drops the content of a version and keeps its metadata. Done already is fine. Answers
    /// `Done`.
    Drain(Drain),
    /// Removes versions of objects beyond so many of each. Answers `Purged`.
    Purge(Purge),
    /// Removes all that is in a container. Answers `Flushed`.
    Flush(Flush),
    /// Freezes or thaws a container. Answers `Done`.
    SetFrozen(SetFrozen),
    /// Tells the account of a container's state again, or that there is no such container.
    /// Answers `ContainerRefreshed`.
    RefreshContainer {
        /// The account it is in.
        account: AccountName,
        /// Its name.
        container: ContainerName,
    },
    /// Sums the counters of an account up anew, as far as one command may go. Answers
    /// `AccountRefreshed`.
    RefreshAccount {
        /// Its name.
        account: AccountName,
    },
    /// Empties the list of an account's containers, and its counters with it; containers and
    /// objects stay. Answers `AccountFlushed`.
    FlushAccount {
        /// Its name.
        account: AccountName,
    },
    /// Keeps account of a scan for the chunks of a volume. Answers `Done`.
    RecordScan(RecordScan),
    /// Makes the hidden target of a snapshot. Answers `SnapshotTarget`.
    CreateSnapshot(CreateSnapshot),
    /// Writes a version into the hidden target of a snapshot. Answers `Done`.
    ImportVersion(Box<ImportVersion>),
    /// Removes versions from the hidden target of a snapshot again. Answers `Done`.
    DropImported(DropImported),
    /// Shows the target of a snapshot, frozen for good. Answers `Done`.
    PublishSnapshot(PublishSnapshot),
    /// Removes the hidden target of a snapshot. Answers `Flushed`.
    DiscardSnapshot(DiscardSnapshot),
    /// Makes a user, or changes one. Answers `Done`.
    PutUser(PutUser),
    /// Removes a user; refused for the last operator. Answers `Done`.
    DeleteUser {
        /// Its name.
        name: UserName,
    },
    /// Announces chunks that will be made, so that none is forgotten whatever happens to whoever
    /// makes them. Answers `Done`.
    BeginRebuilds {
        /// The chunks.
        rebuilds: Vec<Rebuilding>,
    },
    /// Gives up chunks that were announced and not named since: they cannot be named any more,
    /// and are queued for deletion. Answers `Done`.
    EndRebuilds {
        /// The chunks.
        chunks: Vec<ChunkName>,
        /// How long until they are deleted, in microseconds.
        delete_grace: u64,
    },
    /// Says which volumes are lost from now on: what is committed to them is queued for repair,
    /// and nothing is moved to them. Answers `Done`.
    SetLost {
        /// The volumes.
        volumes: Vec<VolumeId>,
    },
    /// Removes versions of a container whose time has come. Answers `Expired`.
    Expire(Expire),
    /// Puts the counters of a container right. Answers `Done`.
    CorrectCounters(CorrectCounters),
}

/// Changes of properties: first cleared if asked, then removed, then set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyChanges {
    /// Remove all that there are.
    pub clear: bool,
    /// Keys to remove; those that are absent are fine.
    pub remove: Vec<String>,
    /// Properties to add or replace.
    pub set: Properties,
}

impl PropertyChanges {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        !self.clear && self.remove.is_empty() && self.set.is_empty()
    }

    /// The properties after the changes.
    pub fn apply_to(&self, mut properties: Properties) -> Properties {
        if self.clear {
            properties.clear();
        }
        for key in &self.remove {
            properties.remove(key);
        }
        properties.extend(self.set.clone());
        properties
    }
}

/// A container as its own partition sees it after the change at a log index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerState {
    /// The log index of the change in the container's partition.
    pub index: u64,
    /// The account it is in.
    pub account: AccountName,
    /// Its name.
    pub container: ContainerName,
    /// What it holds; absent when it is gone.
    pub counters: Option<ContainerCounters>,
}

/// What a container holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerCounters {
    /// Versions, delete markers not counted.
    pub objects: u64,
    /// Bytes of all versions.
    pub bytes: u64,
    /// Names whose newest version is no delete marker.
    pub live_objects: u64,
    /// Bytes of those versions.
    pub live_bytes: u64,
    /// Log time of the last change, in microseconds since 1970.
    pub modified: u64,
}

/// Makes a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateContainer {
    /// The account it is in; it need not exist.
    pub account: AccountName,
    /// Its name.
    pub container: ContainerName,
    /// Its own policy, which the proposer has looked up.
    pub policy: Option<PolicyName>,
    /// How many versions it keeps.
    pub versioning: Versioning,
    /// Most bytes it may hold.
    pub quota: Option<u64>,
    /// Its first properties.
    pub properties: Properties,
}

/// Changes a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateContainer {
    /// Its id.
    pub container: ContainerId,
    /// Changes of its properties.
    pub properties: PropertyChanges,
    /// `None`: unchanged; `Some(None)`: back to the cluster's default.
    pub policy: Option<Option<PolicyName>>,
    /// `None`: unchanged.
    pub versioning: Option<Versioning>,
    /// `None`: unchanged; `Some(None)`: none.
    pub quota: Option<Option<u64>>,
}
