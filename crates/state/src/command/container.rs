//! Commands about all that is in a container.

use model::{ContainerId, Frozen, JobId, ObjectName, Version};
use serde::{Deserialize, Serialize};

/// Most versions that one purge or flush removes.
pub const MAX_REMOVED: u32 = 1000;

/// Removes versions of objects beyond so many of each. One command goes as far as its bounds
/// let it; its answer says where the next one goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purge {
    /// The container.
    pub container: ContainerId,
    /// Only this object.
    pub object: Option<ObjectName>,
    /// How many versions of each object are kept, the newest; delete markers do not count. 0 is
    /// taken for 1.
    pub keep: u32,
    /// Removes whole objects whose latest version is a delete marker of before this log time.
    pub markers_before: Option<u64>,
    /// Where the command before it ended.
    pub after: Option<PurgeCursor>,
    /// Most versions and markers to remove; at most [`MAX_REMOVED`].
    pub limit: u32,
    /// How long the chunks are kept, in microseconds.
    pub delete_grace: u64,
}

/// Where a purge ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeCursor {
    /// The object it was at.
    pub object: ObjectName,
    /// The version it looked at last; none if it is to look at the object again.
    pub version: Option<Version>,
    /// Versions of the object that it has kept.
    pub kept: u32,
}

/// Removes all that is in a container, delete markers and every version, as far as the bounds
/// of one command let it. What is left never shows what was overwritten or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flush {
    /// The container.
    pub container: ContainerId,
    /// Its incarnation, so that a late command empties no new container.
    pub incarnation: u64,
    /// Most versions and markers to remove; at most [`MAX_REMOVED`].
    pub limit: u32,
    /// How long the chunks are kept, in microseconds.
    pub delete_grace: u64,
}

/// Freezes or thaws a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetFrozen {
    /// The container.
    pub container: ContainerId,
    /// What it is to be. A lease is taken or renewed unless another job holds one, for an hour
    /// at most.
    pub frozen: Frozen,
    /// The job that gives its lease back; none for an operator, who may thaw whatever is frozen.
    pub job: Option<JobId>,
}

/// Puts the counters of a container right, by what they were found to be off by. Of two that were
/// found at the same time only the first does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrectCounters {
    /// The container.
    pub container: ContainerId,
    /// Its incarnation.
    pub incarnation: u64,
    /// How often its counters had been put right when it was counted.
    pub corrections: u64,
    /// What is missing of its versions; less than nothing if it has less.
    pub objects: i128,
    /// Of their bytes.
    pub bytes: i128,
    /// Of the names that are seen.
    pub live_objects: i128,
    /// Of their bytes.
    pub live_bytes: i128,
}

impl CorrectCounters {
    /// Whether there is nothing to put right.
    pub fn is_empty(&self) -> bool {
        [self.objects, self.bytes, self.live_objects, self.live_bytes] == [0; 4]
    }
}
