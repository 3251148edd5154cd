//! What can be asked of a partition's state. Every answer is bounded, in entries and in bytes;
//! a page that is not the last says where the next one starts.

mod account;
mod cluster;
mod container;
mod cursor;
mod expiry;
mod list;
mod lost;
mod named;
mod object;
mod queue;
mod recount;
mod scan;
mod status;
mod user;

pub use crate::kv::{owner::Owner, repair::Repair, scan::VolumeScan};
pub(crate) use account::existing as existing_account;
pub use account::{list_accounts, list_containers, show_account};
pub use cluster::{cluster_map, volume_by_identity};
pub use container::{
    find_container, list_objects, list_snapshot_target, show_container, show_snapshot_target,
};
pub use expiry::{ExpiryCursor, ExpiryPage, expired};
pub use lost::{RepairRow, lost_volumes, queued_repairs, rebuilds, repair_row};
pub use named::named_chunks;
pub use object::{
    ExtentOutline, Outline, blob_owner, find_chunk, is_barred, locate, outline, resolve_content,
    rows, show_object,
};
pub(crate) use object::{drained as drained_object, missing as missing_object};
pub use queue::{
    DueDeletion, OutboxBatch, QueuedRepair, due_deletions, inbound_mark, outbox, repairs,
    undelivered,
};
pub use recount::Recount;
pub use scan::{ScanPage, scan_volume, volume_scan, volume_scans};
pub use status::{Status, compute_state_hash, recorded_reply, state_hash, status};
pub use user::{find_user, list_users};

/// Most entries of a page.
pub const MAX_PAGE_ENTRIES: u32 = 10_000;

/// Most bytes of a page, as entries are counted.
pub const MAX_PAGE_BYTES: usize = 8 << 20;
