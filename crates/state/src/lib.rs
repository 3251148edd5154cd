//! The metadata state machine: records, commands, listings.
//!
//! A partition of the metadata is what a sequence of [`Entry`]s makes of an empty store.
//! [`apply`] turns one entry and a view of the state into the changes to write and the reply to
//! give; the functions in [`read`] answer questions from a view. Both are pure: no clock, no
//! randomness, no I/O but the view, no unordered map. Time, ids and placement are decided by
//! whoever proposes a command and travel inside it, so replicas that applied the same entries
//! hold the same bytes, which [`read::state_hash`] lets them compare.
//!
//! What a refused command must not do it does not do: it leaves no change behind but log time
//! and its recorded answer. What the state machine does not understand (an unknown command, a
//! damaged record) is [`Fatal`]: the replica halts, and never skips.
//!
//! The keys and values are documented byte by byte in [`mod@format`], each kind of record has
//! its file in `kv`, each family of commands one in `machine`.
#![forbid(unsafe_code)]

mod answer;
mod batch;
mod command;
mod digest;
mod entry;
mod error;
#[doc = include_str!("../FORMAT.md")]
pub mod format {}
mod kv;
mod machine;
pub mod read;
#[cfg(test)]
mod tests;
mod txn;

pub use answer::{Answer, Reply};
pub use batch::Batch;
pub use command::{
    Command, Commit, CommitExtent, CommitMode, ContainerCounters, ContainerState, CorrectCounters,
    CreateContainer, CreateSnapshot, Damage, DeleteObject, DeletionKey, DiscardSnapshot, Drain,
    DropImported, Expire, Flush, ImportBody, ImportVersion, InitCluster, MAX_EXPIRED, MAX_EXTENTS,
    MAX_INLINE_ROWS, MAX_LOST, MAX_REMOVED, MAX_ROWS, PAGE_ROWS, Postponed, PropertyChanges,
    PublishSnapshot, Purge, PurgeCursor, PutUser, Rebuilding, RecordScan, RegisterVolume,
    RepairKey, Rows, ScanCursor, ScanStep, SetFrozen, StagePage, Swap, Truncate, UpdateContainer,
    UpdateObject, Whole,
};
pub use digest::StateHash;
pub use entry::{Entry, MAX_ENTRY_BYTES};
pub use error::{Failure, Fatal};
pub use kv::{DRIVER_PREFIX, FEATURE_LEVEL};
pub use machine::{Applied, apply};
