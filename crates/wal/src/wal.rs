//! The handle.

use crate::config::Config;
use crate::error::Error;
use crate::frame::MAX_PAYLOAD_BYTES;
use crate::record::Record;
use crate::shared::{Callback, Done, Request, Shared, Urgency};
use crate::storage::Storage;
use crate::view::{Piece, View};
use crate::writer::Writer;
use bytes::Bytes;
use disk::{Disk, offload};
use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Largest payload of an entry, in bytes.
pub const MAX_ENTRY_BYTES: usize = MAX_PAYLOAD_BYTES;
/// Largest sum of the payloads of one append, in bytes.
pub const MAX_APPEND_BYTES: usize = 256 << 20;
/// Largest register or purge marker, in bytes; a checkpoint repeats them all.
pub const MAX_VALUE_BYTES: usize = 16 << 10;

/// An entry of a group's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Position in the group's log.
    pub index: u64,
    /// What the caller stores, at most [`MAX_ENTRY_BYTES`].
    pub payload: Bytes,
}

/// Free space of the file system that holds the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Free bytes.
    pub free: u64,
    /// Whether they are fewer than [`Config::reserve_bytes`].
    pub low: bool,
}

/// What the log holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Segment files.
    pub segments: usize,
    /// Bytes of the segment files, preallocated ones included.
    pub bytes: u64,
    /// Groups of which something is known.
    pub groups: usize,
    /// Entries that are not purged.
    pub entries: u64,
}

/// A handle to a log; cheap to clone. The writer ends when [`Wal::close`] is called or when the
/// last handle is dropped, after writing what was accepted.
#[derive(Clone)]
pub struct Wal {
    shared: Arc<Shared>,
    queue: mpsc::UnboundedSender<Request>,
    disk: Arc<dyn Disk>,
    dir: Arc<PathBuf>,
    config: Arc<Config>,
    found: u64,
}

impl Wal {
    /// Opens or creates the log in a directory: takes its lock, replays every segment, begins a
    /// new one, and spawns the writer on the current runtime.
    ///
    /// # Errors
    /// [`Error::Quarantine`] if something that had been acknowledged is damaged or missing;
    /// nothing has been changed then. [`Error::Locked`], [`Error::Version`], [`Error::Config`]
    /// and [`Error::Io`] as they say.
    pub async fn open(disk: Arc<dyn Disk>, dir: PathBuf, config: Config) -> Result<Wal, Error> {
        let (on, at, with) = (disk.clone(), dir.clone(), config.clone());
        let storage = offload(&*disk, move || Storage::open(on, at, with).map(Box::new)).await?;
        let segments = storage.segments.values().map(|held| held.segment.clone());
        let view = View::new(&storage.image, segments, config.cache_bytes);
        let found = storage.found;
        let (files, synced) = (storage.files(), storage.synced());
        let shared = Arc::new(Shared::new(view, files, synced, config.queue_bytes));
        let (queue, requests) = mpsc::unbounded_channel();
        let writer = Writer::new(disk.clone(), shared.clone(), requests, config.queue_bytes);
        tokio::spawn(writer.run(storage));
        Ok(Wal { shared, queue, disk, dir: Arc::new(dir), config: Arc::new(config), found })
    }

    /// Appends entries that continue the group's log. A group that has neither entries nor a
    /// purge marker begins at any index.
    ///
    /// Waits for room in the queue only. When it returns, the entries are visible to readers;
    /// `done` is called when they are durable, in the order of calls. `done` is called exactly
    /// once in every case, also when this returns an error; it runs on the writer and must not
    /// block. A call that is cancelled while it waits for room has no effect.
    ///
    /// # Errors
    /// [`Error::Gap`] and [`Error::TooLarge`], which change nothing; [`Error::Failed`] and
    /// [`Error::Closed`].
    pub async fn append(
        &self,
        group: u32,
        entries: Vec<Entry>,
        done: Callback,
    ) -> Result<(), Error> {
        let done = Done::new(done);
        let bytes = match check_entries(&entries) {
            Ok(bytes) => bytes,
            Err(error) => return refuse(done, error),
        };
        let permit = match self.reserve(bytes).await {
            Ok(permit) => permit,
            Err(error) => return refuse(done, error),
        };
        let append = |view: &mut View, number| view.append(group, entries, number);
        self.submit(permit, Urgency::Now, done, append)
    }

    /// [`Wal::append`] that returns when the entries are durable. Once the call is queued it is
    /// carried out even if the future is dropped.
    ///
    /// # Errors
    /// As [`Wal::append`].
    pub async fn append_synced(&self, group: u32, entries: Vec<Entry>) -> Result<(), Error> {
        let (done, durable) = waiting();
        self.append(group, entries, done).await?;
        wait(durable).await
    }

    /// Removes the entries from an index on; returns when that is durable. The removal is visible
    /// and ordered before later calls as soon as it is queued.
    ///
    /// # Errors
    /// [`Error::Failed`] and [`Error::Closed`].
    pub async fn truncate(&self, group: u32, from_index: u64) -> Result<(), Error> {
        self.change(0, |view| view.truncate(group, from_index)).await
    }

    /// Removes the entries up to an index, which may be beyond the last, and remembers a marker
    /// of the caller's; returns when that is durable. The group then continues behind `upto`.
    /// Purging what is purged already changes nothing.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Failed`] and [`Error::Closed`].
    pub async fn purge(&self, group: u32, upto: u64, marker: Bytes) -> Result<(), Error> {
        check("a purge marker", marker.len(), MAX_VALUE_BYTES)?;
        // The index behind it must exist and be smaller than the largest one.
        let upto = upto.min(u64::MAX - 2);
        self.change(marker.len(), |view| view.purge(group, upto, marker)).await
    }

    /// Sets a register of a group; returns when that is durable.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Failed`] and [`Error::Closed`].
    pub async fn put(&self, group: u32, slot: u8, value: Bytes) -> Result<(), Error> {
        check("a register", value.len(), MAX_VALUE_BYTES)?;
        self.change(value.len(), |view| view.put(group, slot, value)).await
    }

    /// Sets a register that may be lost in a crash: it is written with the next call that
    /// somebody waits for, or after a second without calls. Never reordered with other calls.
    ///
    /// # Errors
    /// As [`Wal::put`].
    pub async fn put_later(&self, group: u32, slot: u8, value: Bytes) -> Result<(), Error> {
        check("a register", value.len(), MAX_VALUE_BYTES)?;
        let permit = self.reserve(value.len()).await?;
        let put = |view: &mut View, _| Ok(view.put(group, slot, value));
        self.submit(permit, Urgency::Later, Done::nobody(), put)
    }

    /// Removes all of a group: entries, marker and registers; returns when that is durable.
    ///
    /// # Errors
    /// [`Error::Failed`] and [`Error::Closed`].
    pub async fn drop_group(&self, group: u32) -> Result<(), Error> {
        self.change(0, |view| view.drop_group(group)).await
    }

    /// Returns when everything accepted before is durable.
    ///
    /// # Errors
    /// [`Error::Failed`] and [`Error::Closed`].
    pub async fn flush(&self) -> Result<(), Error> {
        self.change(0, |_| Vec::new()).await
    }

    /// A register's value.
    pub fn get(&self, group: u32, slot: u8) -> Option<Bytes> {
        self.shared.lock().view.get(group, slot)
    }

    /// First and last index of a group's entries; `None` if it has none.
    pub fn bounds(&self, group: u32) -> Option<(u64, u64)> {
        self.shared.lock().view.bounds(group)
    }

    /// Last index purged and its marker.
    pub fn purged(&self, group: u32) -> Option<(u64, Bytes)> {
        self.shared.lock().view.purged(group)
    }

    /// The groups of which entries, a marker or registers exist, ascending.
    pub fn groups(&self) -> Vec<u32> {
        self.shared.lock().view.groups()
    }

    /// Payload bytes of a group's entries behind an index.
    pub fn bytes_after(&self, group: u32, index: u64) -> u64 {
        self.shared.lock().view.bytes_after(group, index)
    }

    /// Sequence of the last frame that was there when the log was opened; 0 of a new one. It is
    /// never less than what [`Wal::synced`] was before, unless the directory is an older copy.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Sequence of the last frame synced that came with something somebody waits for: grows over
    /// all the life of a directory, and stays where it is while only registers that may be lost
    /// are set.
    pub fn synced(&self) -> u64 {
        self.shared.lock().synced
    }

    /// What the log holds.
    pub fn stats(&self) -> Stats {
        let inner = self.shared.lock();
        let (segments, bytes) = inner.files;
        let groups = inner.view.groups();
        let entries = groups.iter().filter_map(|group| inner.view.bounds(*group));
        let entries = entries.map(|(first, last)| last - first + 1).sum();
        Stats { segments, bytes, groups: groups.len(), entries }
    }

    /// The entries of a range that exist, in order and without gaps, the first of them and as
    /// many more as fit in `max_bytes` of payload. Compare the first index: what is purged is
    /// left out. Accepted entries are returned whether or not they are durable.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a stored entry does not match its checksum; [`Error::Io`];
    /// [`Error::Failed`] and [`Error::Closed`].
    pub async fn entries(
        &self,
        group: u32,
        range: Range<u64>,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, Error> {
        let pieces = {
            let inner = self.shared.lock();
            if let Some(error) = &inner.ended {
                return Err(error.clone());
            }
            inner.view.plan(group, range, max_bytes)
        };
        if pieces.iter().all(|piece| matches!(piece, Piece::Memory(_))) {
            return read(group, pieces);
        }
        offload(&*self.disk, move || read(group, pieces)).await
    }

    /// Free space where the log is.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn space(&self) -> Result<Room, Error> {
        let (disk, dir) = (self.disk.clone(), self.dir.clone());
        let space =
            offload(&*self.disk, move || disk.space(&dir).map_err(Error::io("measure", &dir)));
        let free = space.await?.free;
        Ok(Room { free, low: free < self.config.reserve_bytes })
    }

    /// Resolves with the cause when the log has failed: a write or sync that returned an error,
    /// or a writer that was stopped. The process should end, because what the disk holds is not
    /// known. Never resolves if the log is closed in order.
    pub fn failed(&self) -> impl Future<Output = Arc<Error>> + Send + 'static {
        let mut failure = self.shared.failure.subscribe();
        async move {
            let cause = failure.wait_for(Option::is_some).await.ok().and_then(|f| f.clone());
            match cause {
                Some(cause) => cause,
                None => std::future::pending().await,
            }
        }
    }

    /// Writes what was accepted, stops the writer and releases the directory. Later calls get
    /// [`Error::Closed`], on every handle.
    ///
    /// # Errors
    /// [`Error::Failed`]; [`Error::Closed`] if it was closed before.
    pub async fn close(&self) -> Result<(), Error> {
        let (done, closed) = waiting();
        self.submit(None, Urgency::Close, Done::new(done), |_, _| Ok(Vec::new()))?;
        self.shared.room.close();
        wait(closed).await
    }

    /// Submits a change of `bytes` and waits until it is durable.
    async fn change(
        &self,
        bytes: usize,
        change: impl FnOnce(&mut View) -> Vec<Record>,
    ) -> Result<(), Error> {
        let permit = self.reserve(bytes).await?;
        let (done, durable) = waiting();
        self.submit(permit, Urgency::Now, Done::new(done), |view, _| Ok(change(view)))?;
        wait(durable).await
    }

    /// Waits for room in the queue. A call larger than the queue takes all of it.
    async fn reserve(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let permits = (bytes + CALL_BYTES).min(self.config.queue_bytes) as u32;
        let permit = self.shared.room.clone().acquire_many_owned(permits).await;
        permit.map(Some).map_err(|_| self.shared.ended())
    }

    /// Changes the view and queues the same change, in one step, so that the log has the order
    /// that callers saw.
    fn submit(
        &self,
        permit: Option<OwnedSemaphorePermit>,
        urgency: Urgency,
        done: Done,
        change: impl FnOnce(&mut View, u64) -> Result<Vec<Record>, Error>,
    ) -> Result<(), Error> {
        let mut inner = self.shared.lock();
        let number = inner.number + 1;
        let records = match inner.ended.clone() {
            Some(error) => Err(error),
            None => change(&mut inner.view, number),
        };
        let records = match records {
            Ok(records) => records,
            Err(error) => {
                drop(inner);
                return refuse(done, error);
            }
        };
        inner.number = number;
        if urgency == Urgency::Close {
            inner.ended = Some(Error::Closed);
        }
        let sent = self.queue.send(Request { records, number, urgency, done, _permit: permit });
        drop(inner);
        // Without a writer the call is dropped, and `done` is told so, outside the lock.
        sent.map_err(|_| self.shared.ended())
    }
}

/// What a call counts in the queue on top of its payloads.
const CALL_BYTES: usize = 128;

fn check(what: &'static str, bytes: usize, limit: usize) -> Result<(), Error> {
    if bytes > limit { Err(Error::TooLarge { what, bytes, limit }) } else { Ok(()) }
}

fn check_entries(entries: &[Entry]) -> Result<usize, Error> {
    let mut bytes = 0;
    for Entry { payload, .. } in entries {
        check("an entry", payload.len(), MAX_ENTRY_BYTES)?;
        bytes += payload.len();
    }
    check("an append", bytes, MAX_APPEND_BYTES)?;
    Ok(bytes + entries.len() * CALL_BYTES)
}

fn refuse(done: Done, error: Error) -> Result<(), Error> {
    done.call(Err(error.clone()));
    Err(error)
}

fn waiting() -> (Callback, oneshot::Receiver<Result<(), Error>>) {
    let (send, receive) = oneshot::channel();
    // The caller may have stopped waiting.
    (Box::new(move |result| drop(send.send(result))), receive)
}

async fn wait(durable: oneshot::Receiver<Result<(), Error>>) -> Result<(), Error> {
    durable.await.unwrap_or_else(|_| Err(Error::Failed(Arc::new(Error::Stopped))))
}

/// Collects the pieces of a read, with one read for neighbours in a segment.
fn read(group: u32, pieces: Vec<Piece>) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::with_capacity(pieces.len());
    let mut pieces = pieces.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        let (index, at, segment) = match piece {
            Piece::Memory(entry) => {
                entries.push(entry);
                continue;
            }
            Piece::Disk(index, at, segment) => (index, at, segment),
        };
        let mut wanted = vec![(group, index, at)];
        while let Some(Piece::Disk(index, at, _)) =
            pieces.next_if(|next| matches!(next, Piece::Disk(_, _, s) if s.id == segment.id))
        {
            wanted.push((group, index, at));
        }
        let payloads = segment.read(&wanted)?;
        let found = wanted.iter().zip(payloads);
        entries.extend(found.map(|(&(_, index, _), payload)| Entry { index, payload }));
    }
    Ok(entries)
}
