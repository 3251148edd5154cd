//! Commands of the workers.

use model::{BlobId, ChunkName, ContainerId, ObjectName, Version, VolumeId, WriteId};
use serde::{Deserialize, Serialize};

/// Names an entry of the deletion queue; the order is that of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeletionKey {
    /// Log time from which its chunks may go, in microseconds.
    pub due: u64,
    /// Tells entries with the same due time apart.
    pub sequence: u64,
}

/// An entry of the deletion queue to try again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postponed {
    /// The entry.
    pub key: DeletionKey,
    /// When, in microseconds of log time.
    pub due: u64,
    /// The volumes whose chunks are left; the others' are gone.
    pub volumes: Vec<VolumeId>,
}

/// Names an entry of the repair queue; the order is that of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RepairKey {
    /// Losses still survivable; 255 where too few chunks are left to rebuild from.
    pub survivable: u8,
    /// Tells entries of the same risk apart.
    pub sequence: u64,
}

/// Positions of an entry of the repair queue that need no repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// The entry.
    pub key: RepairKey,
    /// The positions, as bits; all of them remove the entry.
    pub positions: u32,
}

/// Most volumes that are lost at once: all of them are in a record that every command reads.
pub const MAX_LOST: usize = 1024;

/// A chunk that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilding {
    /// Its name.
    pub chunk: ChunkName,
    /// Where it will be.
    pub volume: VolumeId,
}

/// A chunk that was found missing or damaged, by its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
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
    /// Position within the metachunk.
    pub position: u8,
    /// The volume it should be on.
    pub volume: VolumeId,
    /// Its write id.
    pub write: WriteId,
}

/// Names a chunk in place of another, if the table still says what the worker read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
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
    /// Position within the metachunk.
    pub position: u8,
    /// Where the table must say that the chunk is, and under which write id; `None` if it must
    /// say that there is none.
    pub old: Option<(VolumeId, WriteId)>,
    /// Where the new chunk is, durably.
    pub volume: VolumeId,
    /// Its write id.
    pub write: WriteId,
    /// How long the old chunk is kept, in microseconds.
    pub delete_grace: u64,
}

/// Where a scan of the chunk tables of a partition goes on: at this row, or the first behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanCursor {
    /// The container.
    pub container: ContainerId,
    /// The object's name.
    pub object: ObjectName,
    /// Its version.
    pub version: Version,
    /// Number of the extent within the version.
    pub extent: u32,
    /// Number of the row within the extent.
    pub row: u32,
}

/// Keeps account of a scan for the chunks of a volume, so that the next leader goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordScan {
    /// The volume.
    pub volume: VolumeId,
    /// What happened.
    pub step: ScanStep,
}

/// A step of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScanStep {
    /// It begins, at the first row. One that is under way goes on where it is.
    Start,
    /// It came from one place to another. Refused (conflict) unless it is at the first, so that
    /// two leaders do not count the same rows twice.
    Advance {
        /// Where it was; none at the first row.
        from: Option<ScanCursor>,
        /// Where it is; none at the end, which finishes it.
        to: Option<ScanCursor>,
        /// Versions looked at on the way.
        versions: u64,
        /// The volume's chunks on the way, to be queued for repair as by
        /// [`QueueRepair`](crate::Command::QueueRepair).
        found: Vec<Damage>,
    },
    /// It is forgotten.
    Forget,
}
