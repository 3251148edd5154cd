//! What a command answers.

use model::{Version, VolumeId};
use serde::{Deserialize, Serialize};

/// The answer of a command, or why it was refused. It is kept with the request id.
pub type Reply = Result<Answer, model::Error>;

/// What an accepted command answers. New answers are added at the end: recorded ones are read
/// back by their number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Nothing but that it is done.
    Done,
    /// Of the creation of an account, a container or a cluster.
    Created {
        /// False if it existed already, in which case nothing was changed.
        created: bool,
    },
    /// Of [`DeleteContainer`](crate::Command::DeleteContainer).
    ContainerDeleted {
        /// False if delete markers are left: the command must be repeated under another
        /// request id, until it is true.
        complete: bool,
    },
    /// Of [`Commit`](crate::Command::Commit).
    Committed {
        /// The version it became.
        version: Version,
        /// Losses that the metachunk with the fewest durable chunks survives;
        /// [`model::MAX_WIDTH`] for an empty content, which has none to lose.
        tolerance: u32,
        /// Chunks that are not durable and were queued for repair.
        dropped: u32,
    },
    /// Of [`DeleteObject`](crate::Command::DeleteObject).
    ObjectDeleted {
        /// The (newest) version removed, or that of the delete marker that was written.
        version: Version,
        /// Whether a delete marker was written.
        marker: bool,
    },
    /// Of [`RaiseFence`](crate::Command::RaiseFence): what it is now, in milliseconds.
    Fence {
        /// Write ids minted before it are never accepted again.
        millis: u64,
    },
    /// Of [`RegisterVolume`](crate::Command::RegisterVolume).
    Volume {
        /// The volume's number.
        id: VolumeId,
    },
}
