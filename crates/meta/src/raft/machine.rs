//! The state machine as consensus drives it: commands go through [`state::apply`] into the
//! partition's store, together with the applied index.

use super::{
    LogId, LogStore, Membership, Replies, SnapshotDir, SnapshotFile, StorageError, TypeConfig,
    sequence,
    snapshot::{self, Meta},
};
use crate::logtime::LogTime;
use disk::Disk;
use model::PartitionId;
use openraft::{
    AnyError, Entry, EntryPayload, RaftLogReader, RaftSnapshotBuilder, Snapshot, SnapshotMeta,
    StorageIOError, storage::RaftStateMachine,
};
use std::{io, sync::Arc};
use store::{Change, Store};
use tokio::sync::watch;

/// Key of the last applied log id. Keys that begin with a zero byte are the driver's own.
const APPLIED_KEY: &[u8] = &[0, 1];
/// Key of the last applied membership.
const MEMBERSHIP_KEY: &[u8] = &[0, 2];

/// One partition's state machine.
pub struct Machine {
    partition: PartitionId,
    disk: Arc<dyn Disk>,
    store: Arc<dyn Store>,
    snapshots: SnapshotDir,
    log: LogStore,
    applied: Option<LogId>,
    membership: Membership,
    /// Tells workers and readers that something was applied.
    changed: watch::Sender<u64>,
    time: Arc<LogTime>,
}

impl Machine {
    /// The state machine over a store; if the store is behind where the log is cut, it is made
    /// anew from the newest snapshot.
    ///
    /// # Errors
    /// The store cannot be read, is ahead of the log, or is behind it and no snapshot is whole.
    pub fn open(
        partition: PartitionId,
        disk: Arc<dyn Disk>,
        store: Arc<dyn Store>,
        snapshots: SnapshotDir,
        log: LogStore,
        changed: watch::Sender<u64>,
        time: Arc<LogTime>,
    ) -> io::Result<Self> {
        let purged = log.purged();
        let mut machine = Self {
            partition,
            disk,
            store,
            snapshots,
            log,
            applied: None,
            membership: Membership::default(),
            changed,
            time,
        };
        machine.load()?;
        if machine.applied.is_none() {
            // Whatever is in it was left by a restore that did not end.
            machine.store.clear().map_err(io::Error::other)?;
        }
        let applied = machine.applied.map(|id| id.index);
        if purged.is_some() && applied < purged {
            tracing::warn!(
                %partition, ?applied, ?purged,
                "the state store is older than the log: it is rebuilt from a snapshot"
            );
            machine.rebuild(purged)?;
        }
        let (applied, end) = (machine.applied.map(|id| id.index), machine.log.end());
        // Nothing is applied before it is synced in the log, but for a snapshot that was received
        // of another member, and that the log has not heard of.
        let received = machine.membership.voter_ids().count() > 1
            && machine.snapshots.newest_index()? >= applied;
        if applied > end && !received {
            let number = |index: Option<u64>| index.map_or("none".to_owned(), |i| i.to_string());
            let (applied, end) = (number(applied), number(end));
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "partition {partition}: its state has applied entry {applied}, and the last \
                     entry of its log is {end}: the directory `log` is an older copy, or the end \
                     of the log is lost: put the newest log back, or leave this node off"
                ),
            ));
        }
        Ok(machine)
    }

    fn rebuild(&mut self, purged: Option<u64>) -> io::Result<()> {
        let found = self.snapshots.newest()?;
        let newest = found.filter(|(meta, _)| meta.last_log_id.map(|id| id.index) >= purged);
        let Some((meta, file)) = newest else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "partition {}: the state store is older than the log and no whole snapshot \
                     covers the gap: put the newest snapshots back if there is a copy of them, \
                     or leave this node off",
                    self.partition
                ),
            ));
        };
        self.install(&meta, &file)
    }

    /// Brings the store up to the newest snapshot, which the library takes for applied.
    ///
    /// A loss of power may leave the store behind a snapshot that was taken of it, because the
    /// snapshot is synced and the store is not: then the log has what is missing. Where neither
    /// store nor log reach it, it was received, and a crash came before it was installed: that
    /// is done now, because no leader would send it again.
    ///
    /// # Errors
    /// The log, the snapshot or the store cannot be used.
    pub async fn reach_snapshot(&mut self) -> io::Result<()> {
        let log = self.log.clone();
        let applied = self.applied.map(|id| id.index);
        if self.snapshots.newest_index()? <= applied {
            return Ok(());
        }
        let Some((meta, file)) = self.snapshots.newest()? else { return Ok(()) };
        let Some(last) = meta.last_log_id.filter(|last| Some(last.index) > applied) else {
            return Ok(());
        };
        if log.has(last).await.map_err(io::Error::other)? {
            return self.replay(&log, last.index).await;
        }
        tracing::warn!(
            partition = %self.partition, ?applied, snapshot = last.index,
            "a snapshot was received and not installed: it is installed now"
        );
        // What the log has at its end was never committed if it contradicts the snapshot, and is
        // in the snapshot if it does not.
        let behind = applied.map_or(0, |applied| applied + 1);
        log.forget_from(behind).await.map_err(io::Error::other)?;
        self.install(&meta, &file)
    }

    /// Applies what the log has up to an index that is known to be committed.
    async fn replay(&mut self, log: &LogStore, upto: u64) -> io::Result<()> {
        let mut next = self.applied.map_or(0, |applied| applied.index + 1);
        while next <= upto {
            let entries = log.clone().limited_get_log_entries(next, upto + 1).await;
            let entries = entries.map_err(io::Error::other)?;
            if entries.first().map(|entry| entry.log_id.index) != Some(next) {
                let gone = format!("partition {}: log entry {next} is missing", self.partition);
                return Err(io::Error::new(io::ErrorKind::InvalidData, gone));
            }
            for entry in entries {
                next = entry.log_id.index + 1;
                self.apply_entry(entry)?;
            }
        }
        self.changed.send_replace(upto);
        Ok(())
    }

    fn install(&mut self, meta: &Meta, file: &SnapshotFile) -> io::Result<()> {
        let own = own_records(meta.last_log_id, &meta.last_membership)?;
        snapshot::restore(file, &*self.store, own)?;
        self.load()
    }

    fn load(&mut self) -> io::Result<()> {
        let view = self.store.snapshot();
        let get = |key| view.get(key).map_err(io::Error::other);
        self.applied = get(APPLIED_KEY)?
            .map(|bytes| postcard::from_bytes(&bytes))
            .transpose()
            .map_err(io::Error::other)?;
        self.membership = get(MEMBERSHIP_KEY)?
            .map(|bytes| postcard::from_bytes(&bytes))
            .transpose()
            .map_err(io::Error::other)?
            .unwrap_or_default();
        let status = state::read::status(&*view).map_err(io::Error::other)?;
        self.time.reached(status.log_time);
        self.changed.send_replace(self.applied.map_or(0, |id| id.index));
        Ok(())
    }

    /// Applies one log entry: every command of its batch, in a single write with the new
    /// applied index, so that a crash leaves all of it or nothing.
    fn apply_entry(&mut self, entry: Entry<TypeConfig>) -> io::Result<Replies> {
        let mut replies = Vec::new();
        let mut changes: Vec<Change> = Vec::new();
        let mut reached = 0;
        match entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Membership(membership) => {
                self.membership = Membership::new(Some(entry.log_id), membership);
            }
            EntryPayload::Normal(batch) => {
                let view = self.store.snapshot();
                let mut batch_state = state::Batch::new(&*view);
                for (ordinal, encoded) in batch.0.into_iter().enumerate() {
                    let sequence = sequence(entry.log_id.index, ordinal);
                    let command = state::Entry::decode(sequence, &encoded.0);
                    let command = command.map_err(io::Error::other)?;
                    reached = reached.max(command.time);
                    replies.push(batch_state.apply(&command).map_err(io::Error::other)?);
                }
                changes = batch_state.into_changes();
            }
        }
        changes.extend(own_records(Some(entry.log_id), &self.membership)?);
        self.store.write(changes).map_err(io::Error::other)?;
        self.applied = Some(entry.log_id);
        self.time.reached(reached);
        Ok(Replies(replies))
    }
}

fn own_records(applied: Option<LogId>, membership: &Membership) -> io::Result<Vec<Change>> {
    let membership = postcard::to_stdvec(membership).map_err(io::Error::other)?;
    let mut records = vec![(MEMBERSHIP_KEY.to_vec(), Some(membership))];
    if let Some(applied) = applied {
        let applied = postcard::to_stdvec(&applied).map_err(io::Error::other)?;
        records.push((APPLIED_KEY.to_vec(), Some(applied)));
    }
    Ok(records)
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Replies>, StorageError>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + Send,
        I::IntoIter: Send,
    {
        let mut replies = Vec::new();
        for entry in entries {
            let log_id = entry.log_id;
            let applied = self.apply_entry(entry).map_err(|error| {
                tracing::error!(partition = %self.partition, %log_id, %error, "cannot apply");
                StorageError::from(StorageIOError::apply(log_id, AnyError::new(&error)))
            })?;
            replies.push(applied);
        }
        self.changed.send_replace(self.applied.map_or(0, |id| id.index));
        Ok(replies)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let last_log_id = self.applied;
        Builder {
            disk: self.disk.clone(),
            snapshots: self.snapshots.clone(),
            view: Some(self.store.snapshot()),
            meta: SnapshotMeta {
                last_log_id,
                last_membership: self.membership.clone(),
                snapshot_id: last_log_id.map_or("empty".to_owned(), |id| id.to_string()),
            },
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<SnapshotFile>, StorageError> {
        let received = self.snapshots.receive();
        Ok(Box::new(received.map_err(|e| StorageIOError::write_snapshot(None, AnyError::new(&e)))?))
    }

    /// The file was checked and kept before the library heard of it, because the library cuts the
    /// log without waiting for this.
    async fn install_snapshot(
        &mut self,
        meta: &Meta,
        file: Box<SnapshotFile>,
    ) -> Result<(), StorageError> {
        let (store, last) = (self.store.clone(), (meta.last_log_id, meta.last_membership.clone()));
        let restored = disk::offload(&*self.disk, move || {
            snapshot::restore(&file, &*store, own_records(last.0, &last.1)?)
        })
        .await;
        restored.and_then(|()| self.load()).map_err(|error| {
            tracing::error!(partition = %self.partition, %error, "cannot install a snapshot");
            StorageIOError::write_snapshot(Some(meta.signature()), AnyError::new(&error)).into()
        })
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, StorageError> {
        let snapshots = self.snapshots.clone();
        let newest = disk::offload(&*self.disk, move || snapshots.newest()).await;
        let newest = newest.map_err(|e| StorageIOError::read_snapshot(None, AnyError::new(&e)))?;
        match newest {
            Some((meta, file)) => Ok(Some(Snapshot { meta, snapshot: Box::new(file) })),
            // The log is cut behind snapshots that are damaged or gone, and the library, which
            // relies on one, would take that for the end of the replica. The store has it all.
            None if self.log.purged().is_some() => {
                Ok(Some(self.get_snapshot_builder().await.build_snapshot().await?))
            }
            None => Ok(None),
        }
    }
}

/// Writes one snapshot, beside the state machine.
pub struct Builder {
    disk: Arc<dyn Disk>,
    snapshots: SnapshotDir,
    view: Option<Box<dyn store::Read>>,
    meta: Meta,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError> {
        let (snapshots, meta) = (self.snapshots.clone(), self.meta.clone());
        let Some(view) = self.view.take() else {
            let twice = io::Error::other("a snapshot builder builds once");
            return Err(StorageIOError::write_snapshot(None, AnyError::new(&twice)).into());
        };
        let written = disk::offload(&*self.disk, move || snapshots.write(&meta, &*view)).await;
        let file = written.map_err(|e| {
            StorageIOError::write_snapshot(Some(self.meta.signature()), AnyError::new(&e))
        })?;
        Ok(Snapshot { meta: self.meta.clone(), snapshot: Box::new(file) })
    }
}
