//! The task that owns the files: takes what is queued, writes it with one sync, tells the
//! callers, and tidies up when nobody waits.

use crate::error::Error;
use crate::record::{Kind, Record};
use crate::shared::{Request, Shared, Urgency};
use crate::storage::{Committed, Storage};
use disk::{Disk, offload};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, error::TryRecvError};

/// A batch takes calls until it has this many bytes.
const BATCH_BYTES: u64 = 4 << 20;
/// Calls that can wait are written when they have this many bytes at the latest.
const LATER_BYTES: u64 = 64 << 10;
/// After this long without calls, what waits is written, and a mark that proves to a restart
/// that the last batch was durable.
const IDLE: Duration = Duration::from_secs(1);

pub(crate) struct Writer {
    pub disk: Arc<dyn Disk>,
    pub shared: Arc<Shared>,
    /// Bounded by the permits that its requests hold.
    pub queue: UnboundedReceiver<Request>,
    pub batch: Vec<Request>,
    pub later_bytes: u64,
    pub finished: bool,
}

/// What to do with the batch gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Commit,
    /// Nobody waits: tidy.
    Idle,
    /// There will be no more calls.
    End,
}

impl Writer {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        shared: Arc<Shared>,
        queue: UnboundedReceiver<Request>,
        queue_bytes: usize,
    ) -> Writer {
        // Calls that wait here must leave room for the one that would move them.
        let later_bytes = LATER_BYTES.min(queue_bytes as u64 / 2);
        Writer { disk, shared, queue, batch: Vec::new(), later_bytes, finished: false }
    }

    /// Runs until the log is closed, its last handle is dropped, or it fails.
    pub(crate) async fn run(mut self, storage: Box<Storage>) {
        let mut storage = storage;
        loop {
            let next = self.gather(&storage).await;
            let (back, committed) = self.commit(storage, next).await;
            storage = back;
            let committed = match committed {
                Ok(committed) => committed,
                Err(error) => return self.fail(error),
            };
            let closed = self.publish(committed, &storage);
            if next != Next::End && storage.has_freed() {
                let (back, reaped) = work_with(self.disk.clone(), storage, Storage::reap).await;
                storage = back;
                match reaped {
                    Ok(dead) => {
                        let mut inner = self.shared.lock();
                        inner.files = storage.files();
                        dead.into_iter().for_each(|id| inner.view.reaped(id));
                    }
                    Err(error) => return self.fail(error),
                }
            }
            if next == Next::End {
                // The lock goes first: who waits for the close may open the log again.
                drop(storage);
                self.finished = true;
                closed.into_iter().for_each(|request| request.done.call(Ok(())));
                return;
            }
        }
    }

    /// Waits for calls and adds them to the batch.
    async fn gather(&mut self, storage: &Storage) -> Next {
        loop {
            let waiting = !self.batch.is_empty() || !storage.settled();
            let first = if storage.busy() {
                // Others get their turn even when nothing here ever waits.
                tokio::task::yield_now().await;
                match self.queue.try_recv() {
                    Ok(request) => Some(request),
                    Err(TryRecvError::Empty) => return Next::Idle,
                    Err(TryRecvError::Disconnected) => None,
                }
            } else if waiting {
                match tokio::time::timeout(IDLE, self.queue.recv()).await {
                    Ok(request) => request,
                    Err(_) => return Next::Idle,
                }
            } else {
                self.queue.recv().await
            };
            let Some(first) = first else { return Next::End };
            if let Some(next) = self.fill(first) {
                return next;
            }
        }
    }

    /// Adds a call and what is queued behind it. `None` if all of the batch can wait.
    fn fill(&mut self, first: Request) -> Option<Next> {
        let size = |request: &Request| request.records.iter().map(Record::bytes).sum::<u64>();
        let mut bytes: u64 = self.batch.iter().map(size).sum();
        let mut next = Some(first);
        while let Some(request) = next {
            let urgency = request.urgency;
            bytes += size(&request);
            self.batch.push(request);
            if urgency == Urgency::Close {
                return Some(Next::End);
            }
            next = (bytes < BATCH_BYTES).then(|| self.queue.try_recv().ok()).flatten();
        }
        let urgent = self.batch.iter().any(|request| request.urgency == Urgency::Now);
        (urgent || bytes >= self.later_bytes).then_some(Next::Commit)
    }

    /// Writes the batch, and a mark if this is a moment for it.
    fn commit(
        &self,
        storage: Box<Storage>,
        next: Next,
    ) -> impl Future<Output = (Box<Storage>, Result<Committed, Error>)> + use<> {
        let records = self.batch.iter().flat_map(|request| request.records.iter().cloned());
        let mut records: Vec<Record> = records.collect();
        if !records.is_empty() {
            let entries = records.iter().filter(|record| record.kind == Kind::Entry).count();
            metrics::histogram!("cairn_wal_batch_entries").record(entries as f64);
        }
        let work = move |storage: &mut Storage| {
            let mut committed = storage.commit(&records)?;
            let settle = next == Next::End || (next == Next::Idle && !storage.busy());
            if settle && !storage.settled() {
                records = vec![Record::mark()];
                let marked = storage.commit(&records)?;
                committed.moved.extend(marked.moved);
                committed.opened.extend(marked.opened);
            }
            Ok(committed)
        };
        work_with(self.disk.clone(), storage, work)
    }

    /// Makes a batch known to readers, then to its callers. Returns the call that closes.
    fn publish(&mut self, committed: Committed, storage: &Storage) -> Option<Request> {
        let mut inner = self.shared.lock();
        inner.files = storage.files();
        if self.batch.iter().any(|request| request.urgency == Urgency::Now) {
            inner.synced = storage.synced();
        }
        let view = &mut inner.view;
        committed.opened.into_iter().for_each(|segment| view.opened(segment));
        for (group, index, from, to) in committed.moved {
            view.moved(group, index, from, to);
        }
        let records =
            self.batch.iter().flat_map(|call| call.records.iter().map(|r| (call.number, r)));
        for ((number, record), at) in records.zip(committed.places) {
            if record.kind == Kind::Entry {
                view.stored(record.group, record.index, number, at);
            }
        }
        drop(inner);
        let mut closing = None;
        for request in std::mem::take(&mut self.batch) {
            match request.urgency {
                Urgency::Close => closing = Some(request),
                _ => request.done.call(Ok(())),
            }
        }
        closing
    }

    /// Ends the log: nobody who waits, now or later, is told of success.
    fn fail(mut self, cause: Error) {
        tracing::error!(error = &cause as &dyn std::error::Error, "the log has failed");
        let error = self.shared.fail(cause);
        self.finished = true;
        let batch = std::mem::take(&mut self.batch);
        batch.into_iter().for_each(|request| request.done.call(Err(error.clone())));
        while let Ok(request) = self.queue.try_recv() {
            request.done.call(Err(error.clone()));
        }
    }
}

/// Runs something with the files where it may block.
async fn work_with<T: Send + 'static>(
    disk: Arc<dyn Disk>,
    mut storage: Box<Storage>,
    work: impl FnOnce(&mut Storage) -> T + Send + 'static,
) -> (Box<Storage>, T) {
    offload(&*disk, move || {
        let result = work(&mut storage);
        (storage, result)
    })
    .await
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A runtime that shuts down, or a bug.
        if !self.finished {
            self.shared.fail(Error::Stopped);
        }
    }
}
