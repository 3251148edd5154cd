//! What can be asked of a partition's state. Every answer is bounded, in entries and in bytes;
//! a page that is not the last says where the next one starts.

mod account;
mod cluster;
mod container;
mod cursor;
mod list;
mod object;
mod queue;
mod status;

pub use crate::kv::{owner::Owner, repair::Repair};
pub(crate) use account::existing as existing_account;
pub use account::{list_accounts, list_containers, show_account};
pub use cluster::{cluster_map, volume_by_identity};
pub use container::{find_container, list_objects, show_container};
pub(crate) use object::missing as missing_object;
pub use object::{blob_owner, find_chunk, is_barred, locate, show_object};
pub use queue::{
    DueDeletion, OutboxBatch, QueuedRepair, due_deletions, inbound_mark, outbox, repairs,
    undelivered,
};
pub use status::{Status, compute_state_hash, recorded_reply, state_hash, status};

/// Most entries of a page.
pub const MAX_PAGE_ENTRIES: u32 = 10_000;

/// Most bytes of a page, as entries are counted.
pub const MAX_PAGE_BYTES: usize = 8 << 20;
