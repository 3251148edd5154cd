//! The partition itself.

use crate::{
    DRIVER_PREFIX, Failure, Reply, StateHash,
    kv::{self, partition, partition::Partition, request},
};
use model::RequestId;
use std::ops::Bound;
use store::Read;

/// What a partition knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Log time, in microseconds since 1970.
    pub log_time: u64,
    /// Write ids minted before it, in milliseconds since 1970, are refused.
    pub fence: u64,
    /// What apply may use.
    pub feature_level: u32,
    /// Entries of the deletion queue.
    pub deletions: u64,
    /// Entries of the repair queue.
    pub repairs: u64,
    /// States in the outbox.
    pub outbox: u64,
    /// Answers kept under request ids.
    pub requests: u64,
    /// Blobs that rows are staged for.
    pub staged: u64,
}

/// Log time, fence and the lengths of the queues: a single read.
pub fn status(view: &dyn Read) -> Result<Status, Failure> {
    let partition = Partition::read(view)?;
    Ok(Status {
        log_time: partition.log_time,
        fence: partition.fence,
        feature_level: partition.feature_level,
        deletions: partition.deletions,
        repairs: partition.repairs,
        outbox: partition.outbox,
        requests: partition.requests,
        staged: partition.staged,
    })
}

/// The answer that was given to a request, while it is kept.
pub fn recorded_reply(view: &dyn Read, request: &RequestId) -> Result<Option<Reply>, Failure> {
    let answered: Option<request::Answered> = kv::get(view, request::key(request).as_bytes())?;
    Ok(answered.map(|a| a.reply))
}

/// The hash over the state, as it is kept up to date.
pub fn state_hash(view: &dyn Read) -> Result<StateHash, Failure> {
    Ok(kv::get(view, partition::digest_key().as_bytes())?.unwrap_or_default())
}

/// The hash over the state, from every record there is. Not bounded: for verifying a store.
pub fn compute_state_hash(view: &dyn Read) -> Result<StateHash, Failure> {
    let digest = partition::digest_key();
    let mut hash = StateHash::default();
    for pair in view.range(Bound::Included(&[DRIVER_PREFIX + 1]), Bound::Unbounded, false) {
        let (key, value) = pair?;
        if key != digest.as_bytes() {
            hash.add(&key, &value);
        }
    }
    Ok(hash)
}
