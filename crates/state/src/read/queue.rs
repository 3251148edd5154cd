//! What workers take from the queues.

use crate::{
    ContainerState, DeletionKey, Failure, RepairKey,
    kv::{self, deletion, inbound, key::Parts, outbox as kv_outbox, repair},
};
use model::{ChunkName, ContainerId, PartitionId, VolumeId};
use std::ops::Bound;
use store::Read;

/// Chunks of one batch of deletions.
const MAX_DUE_CHUNKS: usize = 16_384;

/// States of containers for their accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxBatch {
    /// In order of their indexes, none left out up to the last.
    pub states: Vec<ContainerState>,
    /// Where to go on: everything up to this index is in it or before it.
    pub upto: u64,
    /// Whether there is more behind it.
    pub more: bool,
}

/// The states behind index `after`, at most `limit`. What is to come later has higher indexes,
/// so a worker may go on from where it was; and should, as what was delivered before may take
/// the store long to step over.
pub fn outbox(view: &dyn Read, after: u64, limit: usize) -> Result<OutboxBatch, Failure> {
    let (from, end) = (kv_outbox::key(after), kv_outbox::all().successor());
    let pairs = view.range(Bound::Excluded(from.as_bytes()), Bound::Excluded(&end), false);
    let mut batch = OutboxBatch { states: Vec::new(), upto: after, more: false };
    for pair in pairs {
        let (key, value) = pair?;
        if batch.states.len() >= limit {
            batch.more = true;
            break;
        }
        let index = Parts::of(&key).u64().ok_or_else(|| kv::misshapen(&key))?;
        let kv_outbox::State { account, container, counters } = kv::decode(&key, &value)?;
        batch.upto = index;
        batch.states.push(ContainerState { index, account, container, counters });
    }
    Ok(batch)
}

/// The log index of a container's state that waits in the outbox, if one does. A call that
/// should be seen in the account waits until this is none, or past its own index.
pub fn undelivered(view: &dyn Read, container: &ContainerId) -> Result<Option<u64>, Failure> {
    let key = kv_outbox::pointer_key(container);
    let pointer: Option<kv_outbox::Pointer> = kv::get(view, key.as_bytes())?;
    Ok(pointer.map(|pointer| pointer.0))
}

/// The log index up to which the states of another partition's containers were taken over.
pub fn inbound_mark(view: &dyn Read, source: PartitionId) -> Result<u64, Failure> {
    let mark: Option<inbound::Mark> = kv::get(view, inbound::key(source).as_bytes())?;
    Ok(mark.unwrap_or_default().0)
}

/// An entry of the deletion queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDeletion {
    /// Names it.
    pub key: DeletionKey,
    /// The chunks to delete.
    pub chunks: Vec<(VolumeId, ChunkName)>,
}

/// The first entries of the deletion queue that are due between `from` and `now`, in
/// microseconds of log time: at most `limit`, and not many more than 16,384 chunks.
///
/// A worker that knows that nothing earlier is left says so with `from`: what was deleted before
/// may take the store long to step over.
pub fn due_deletions(
    view: &dyn Read,
    from: u64,
    now: u64,
    limit: usize,
) -> Result<Vec<DueDeletion>, Failure> {
    let (from, end) = (deletion::all().u64(from), deletion::all().u64(now.saturating_add(1)));
    let mut due = Vec::new();
    let mut chunks = 0;
    let range = (Bound::Included(from.as_bytes()), Bound::Excluded(end.as_bytes()));
    for pair in view.range(range.0, range.1, false).take(limit) {
        let (key, value) = pair?;
        let record: deletion::Deletion = kv::decode(&key, &value)?;
        due.push(DueDeletion { key: deletion::parse(&key)?, chunks: record.chunks().collect() });
        chunks += due.last().map_or(0, |d| d.chunks.len());
        if chunks >= MAX_DUE_CHUNKS {
            break;
        }
    }
    Ok(due)
}

/// An entry of the repair queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedRepair {
    /// Names it.
    pub key: RepairKey,
    /// What to repair.
    pub repair: repair::Repair,
}

/// Entries of the repair queue behind `after`, at most `limit`, those at the greatest risk
/// first.
pub fn repairs(
    view: &dyn Read,
    after: Option<RepairKey>,
    limit: usize,
) -> Result<Vec<QueuedRepair>, Failure> {
    let from = after.map_or(repair::all(), repair::key);
    let end = repair::all().successor();
    let pairs = view.range(Bound::Excluded(from.as_bytes()), Bound::Excluded(&end), false);
    pairs
        .take(limit)
        .map(|pair| {
            let (key, value) = pair?;
            Ok(QueuedRepair { key: repair::parse(&key)?, repair: kv::decode(&key, &value)? })
        })
        .collect()
}
