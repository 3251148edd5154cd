//! The log shared by all partitions of a process, with group commit.
//!
//! A [`Wal`] keeps the logs of many *groups* in one row of append-only segment files with one
//! writer: whatever is queued while a sync runs shares the next one. Beside the entries a group
//! has small registers (a vote, say) and a purge marker, in the same log and the same syncs.
//!
//! The crate knows nothing of consensus: groups and indexes are numbers, payloads are bytes. It
//! never retries: a write or sync that fails ends the log, and [`Wal::failed`] tells the process
//! to end. It never repairs: what was durable and is damaged is reported and left as it is.
//!
//! What is durable when a call has succeeded: everything accepted before it, in order. After a
//! crash the log holds every call that succeeded and a prefix of those after.
//!
//! # Parts
//! - pure: `frame` (bytes of a frame), `record` (their meaning), `image` (what they amount to)
//! - files: `segment`, `recover` (reading it all back), `storage` (writing), `compact`
//! - memory: `view` (what callers see), `shared`, the task `writer`, the handle `wal`
//!
#![doc = include_str!("../FORMAT.md")]
#![forbid(unsafe_code)]

mod compact;
mod config;
mod error;
mod frame;
mod image;
mod record;
mod recover;
mod segment;
mod shared;
mod storage;
mod view;
mod wal;
mod writer;

pub use config::Config;
pub use error::Error;
pub use shared::Callback;
pub use wal::{Entry, MAX_APPEND_BYTES, MAX_ENTRY_BYTES, MAX_VALUE_BYTES, Room, Stats, Wal};
