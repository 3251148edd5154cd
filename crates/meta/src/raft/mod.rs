//! Consensus. Everything that knows the consensus library is in this module, so that its next
//! version is a contained change; the rest of the crate sees [`crate::partition::Partition`].

mod log;
mod machine;
mod network;
mod runtime;
mod snapshot;

pub use log::LogStore;
pub use machine::Machine;
pub use network::Network;
pub use runtime::with_seed;
pub use snapshot::{SnapshotDir, SnapshotFile};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

openraft::declare_raft_types!(
    /// The types consensus is over: batches of commands in, their answers out.
    pub TypeConfig:
        D = Batch,
        R = Replies,
        NodeId = u64,
        Node = openraft::BasicNode,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = SnapshotFile,
        AsyncRuntime = runtime::Runtime,
);

/// One partition's consensus.
pub type Raft = openraft::Raft<TypeConfig>;
/// A place in the log.
pub type LogId = openraft::LogId<u64>;
/// Who is a member, and since when.
pub type Membership = openraft::StoredMembership<u64, openraft::BasicNode>;
/// A failure of the log or the state store.
pub type StorageError = openraft::StorageError<u64>;

/// Most commands in one batch: their numbers within it must fit in [`ORDINAL_BITS`].
pub const MAX_BATCH: usize = 1 << ORDINAL_BITS;

/// A command's sequence number is the log index of its batch, followed by this many bits for
/// its place in the batch.
const ORDINAL_BITS: u32 = 10;

/// The sequence number of a command: grows along the log and is never used twice.
pub fn sequence(log_index: u64, ordinal: usize) -> u64 {
    (log_index << ORDINAL_BITS) | (ordinal as u64 & (MAX_BATCH as u64 - 1))
}

/// Commands that share a log entry, and so a sync. The library writes one entry at a time and
/// waits for its sync; batching above it is what lets a partition take more than one command
/// per sync.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Batch(
    /// Encoded [`state::Entry`]s, in order.
    pub Vec<EncodedEntry>,
);

/// An encoded [`state::Entry`]. Encoded once, by the proposer.
#[derive(Debug, Clone)]
pub struct EncodedEntry(pub Bytes);

impl Serialize for EncodedEntry {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for EncodedEntry {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let bytes: &[u8] = Deserialize::deserialize(d)?;
        Ok(Self(Bytes::copy_from_slice(bytes)))
    }
}

/// The answers to a batch, in its order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Replies(pub Vec<state::Reply>);
