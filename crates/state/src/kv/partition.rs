//! What a partition knows of itself, in one record that every command writes, and the hash over
//! all other records.

use super::{Key, Kind, Record, get, put};
use crate::{Fatal, StateHash, txn::Txn};
use model::VolumeId;
use serde::{Deserialize, Serialize};
use store::Read;

/// The highest feature level that this build knows.
pub const FEATURE_LEVEL: u32 = 1;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Partition {
    /// The latest time a command brought, in microseconds since 1970.
    pub(crate) log_time: u64,
    /// Write ids minted before it, in milliseconds, are refused.
    pub(crate) fence: u64,
    pub(crate) feature_level: u32,
    /// The latest version given to any object: no version is ever given twice.
    pub(crate) last_version: u64,
    /// The next number that tells entries of the queues apart.
    pub(crate) next_sequence: u64,
    /// Entries of the deletion queue.
    pub(crate) deletions: u64,
    /// Entries of the repair queue.
    pub(crate) repairs: u64,
    /// States in the outbox.
    pub(crate) outbox: u64,
    /// Answers kept.
    pub(crate) requests: u64,
    /// Log time before which no answer was given that is still kept: the store need not step
    /// over those that expired.
    pub(crate) oldest_request: u64,
    /// Log time before which no blob was barred that still is.
    pub(crate) oldest_barred: u64,
    /// Blobs that rows are staged for.
    pub(crate) staged: u64,
    /// Volumes whose chunks count as lost, in order.
    pub(crate) lost: Vec<VolumeId>,
}

impl Record for Partition {}
impl Record for StateHash {}

impl Partition {
    pub(crate) fn read(view: &dyn Read) -> Result<Self, Fatal> {
        let partition: Self = get(view, Self::key().as_bytes())?.unwrap_or_default();
        if partition.feature_level > FEATURE_LEVEL {
            let (level, known) = (partition.feature_level, FEATURE_LEVEL);
            return Err(Fatal::FeatureLevel { level, known });
        }
        Ok(partition)
    }

    pub(crate) fn write(&self, txn: &mut Txn) -> Result<(), Fatal> {
        put(txn, Self::key(), self)
    }

    pub(crate) fn sequence(&mut self) -> u64 {
        self.next_sequence += 1;
        self.next_sequence
    }

    fn key() -> Key {
        Key::new(Kind::Partition)
    }
}

/// The key of the hash.
pub(crate) fn digest_key() -> Key {
    Key::new(Kind::Digest)
}
