//! What a command answers.

use crate::PurgeCursor;
use model::{ContentId, Version, VolumeId};
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
    /// Of [`Commit`](crate::Command::Commit) and [`Truncate`](crate::Command::Truncate).
    Committed {
        /// The version it became, or became part of.
        version: Version,
        /// The id of the version's content.
        content: ContentId,
        /// Bytes of the version's content.
        size: u64,
        /// Losses that the metachunk with the fewest durable chunks survives, of those that the
        /// command brought; [`model::MAX_WIDTH`] if it brought none.
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
    /// Of [`Purge`](crate::Command::Purge).
    Purged {
        /// Versions removed, delete markers not counted.
        versions: u32,
        /// Delete markers removed.
        markers: u32,
        /// Where the next command goes on; none at the end.
        next: Option<PurgeCursor>,
    },
    /// Of [`Flush`](crate::Command::Flush) and
    /// [`DiscardSnapshot`](crate::Command::DiscardSnapshot).
    Flushed {
        /// Versions removed, delete markers not counted.
        versions: u32,
        /// Delete markers removed.
        markers: u32,
        /// False if some are left: the command must be repeated under another request id.
        complete: bool,
    },
    /// Of [`RefreshContainer`](crate::Command::RefreshContainer).
    ContainerRefreshed {
        /// Whether there is such a container.
        exists: bool,
    },
    /// Of [`RefreshAccount`](crate::Command::RefreshAccount).
    AccountRefreshed {
        /// False if it must go on: the command must be repeated under another request id.
        complete: bool,
    },
    /// Of [`FlushAccount`](crate::Command::FlushAccount).
    AccountFlushed {
        /// False if containers are left: the command must be repeated under another request id.
        complete: bool,
    },
    /// Of [`CreateSnapshot`](crate::Command::CreateSnapshot).
    SnapshotTarget {
        /// The target's incarnation.
        incarnation: u64,
        /// Whether this very job has published it already: there is nothing left to do.
        published: bool,
    },
    /// Of [`Expire`](crate::Command::Expire).
    Expired {
        /// Versions removed.
        versions: u32,
        /// How many of the command's versions were looked at: the others are left for the next.
        looked_at: u32,
    },
}
