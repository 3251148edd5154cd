//! One partition's log, kept in the log shared by the process.

use super::{LogId, StorageError, TypeConfig};
use bytes::Bytes;
use openraft::{
    AnyError, Entry, LogState, RaftLogReader, StorageIOError, Vote,
    storage::{LogFlushed, RaftLogStorage},
};
use std::{fmt::Debug, io, ops::Bound, ops::RangeBounds};
use wal::Wal;

/// The register of the shared log that holds a partition's vote.
const VOTE: u8 = 0;

/// Bytes of entries read at once for a follower: below what a message may have.
const READ_BYTES: usize = 2 * 1024 * 1024;

/// A partition's view of the shared log.
#[derive(Clone)]
pub struct LogStore {
    node: u64,
    group: u32,
    wal: Wal,
}

impl LogStore {
    /// The log of the replica of partition `group` on `node`.
    pub fn new(node: u64, group: u32, wal: Wal) -> Self {
        Self { node, group, wal }
    }

    /// The last index that was cut off, if any was.
    pub fn purged(&self) -> Option<u64> {
        self.wal.purged(self.group).map(|(index, _)| index)
    }

    /// The last index that it has, or was cut off.
    pub fn end(&self) -> Option<u64> {
        self.wal.bounds(self.group).map(|(_, last)| last).max(self.purged())
    }

    /// Whether the log has this very entry.
    pub async fn has(&self, id: LogId) -> Result<bool, StorageError> {
        let found = self.read(id.index..=id.index, usize::MAX).await?;
        Ok(found.first().is_some_and(|entry| entry.log_id == id))
    }

    /// Removes the entries from an index on.
    pub async fn forget_from(&self, index: u64) -> Result<(), StorageError> {
        self.wal.truncate(self.group, index).await.map_err(write_failed)
    }

    async fn read(
        &self,
        range: impl RangeBounds<u64>,
        max_bytes: usize,
    ) -> Result<Vec<Entry<TypeConfig>>, StorageError> {
        let Some((first, last)) = self.wal.bounds(self.group) else { return Ok(Vec::new()) };
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => first,
        };
        let to = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(to) => *to,
            Bound::Unbounded => last + 1,
        };
        let (from, to) = (from.max(first), to.min(last + 1));
        if from >= to {
            return Ok(Vec::new());
        }
        let entries =
            self.wal.entries(self.group, from..to, max_bytes).await.map_err(read_failed)?;
        entries.iter().map(|e| decode(&e.payload)).collect()
    }
}

fn read_failed(error: impl std::error::Error + 'static) -> StorageError {
    StorageIOError::read_logs(AnyError::new(&error)).into()
}

fn write_failed(error: impl std::error::Error + 'static) -> StorageError {
    StorageIOError::write_logs(AnyError::new(&error)).into()
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, StorageError> {
    // `Bytes` in a proposal borrow while decoding; what comes out owns its data.
    postcard::from_bytes(bytes).map_err(read_failed)
}

fn encode(value: &impl serde::Serialize) -> Result<Bytes, StorageError> {
    postcard::to_stdvec(value).map(Bytes::from).map_err(write_failed)
}

/// A vote as a replica of `node` starts with it: one that led does not lead any more.
///
/// The library would let it lead on in its term. But which entries were committed it has
/// forgotten, and nothing new of its term would tell: it would answer reads from a state that
/// lacks what it had acknowledged. A new term begins with an entry of its own, whose commit says
/// that of all before it. Nobody else has this vote, so nobody misses the word.
fn without_leading(vote: Vote<u64>, node: u64) -> Vote<u64> {
    let led = vote.leader_id().voted_for() == Some(node);
    Vote { committed: vote.committed && !led, ..vote }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<TypeConfig>>, StorageError> {
        self.read(range, usize::MAX).await
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry<TypeConfig>>, StorageError> {
        self.read(start..end, READ_BYTES).await
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let purged: Option<LogId> = match self.wal.purged(self.group) {
            Some((_, marker)) => Some(decode(&marker)?),
            None => None,
        };
        let last = match self.wal.bounds(self.group) {
            Some((_, last)) => {
                self.read(last..=last, usize::MAX).await?.first().map(|entry| entry.log_id)
            }
            None => None,
        };
        Ok(LogState { last_purged_log_id: purged, last_log_id: last.or(purged) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), StorageError> {
        let failed = |e| StorageIOError::write_vote(AnyError::new(&e));
        let encoded = encode(vote)?;
        Ok(self.wal.put(self.group, VOTE, encoded).await.map_err(failed)?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, StorageError> {
        let vote = self.wal.get(self.group, VOTE).map(|bytes| decode(&bytes)).transpose()?;
        Ok(vote.map(|vote| without_leading(vote, self.node)))
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<TypeConfig>,
    ) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + Send,
        I::IntoIter: Send,
    {
        let entries = entries
            .into_iter()
            .map(|entry| Ok(wal::Entry { index: entry.log_id.index, payload: encode(&entry)? }))
            .collect::<Result<Vec<_>, StorageError>>()?;
        let done = Box::new(|result: Result<(), wal::Error>| {
            callback.log_io_completed(result.map_err(io::Error::other));
        });
        self.wal.append(self.group, entries, done).await.map_err(write_failed)
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.forget_from(log_id.index).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let marker = encode(&log_id)?;
        self.wal.purge(self.group, log_id.index, marker).await.map_err(write_failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_led_starts_without_leading_and_keeps_its_vote_for_others() {
        let led = Vote::new_committed(7, 3);
        assert_eq!(without_leading(led, 3), Vote::new(7, 3));
        assert_eq!(without_leading(led, 4), led);
    }
}
