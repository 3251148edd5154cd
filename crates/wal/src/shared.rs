//! What handles and writer share: the view, the bound of the queue, and how it all ended.

use crate::error::Error;
use crate::record::Record;
use crate::view::View;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// Permits are bytes of the queue.
    pub room: Arc<Semaphore>,
    pub failure: watch::Sender<Option<Arc<Error>>>,
}

pub(crate) struct Inner {
    pub view: View,
    /// Number of the last call accepted.
    pub number: u64,
    /// Segment files and their bytes.
    pub files: (usize, u64),
    /// Sequence of the last frame synced, of batches that somebody waited for.
    pub synced: u64,
    /// Why nothing more is accepted.
    pub ended: Option<Error>,
}

impl Shared {
    pub(crate) fn new(view: View, files: (usize, u64), synced: u64, queue_bytes: usize) -> Shared {
        Shared {
            inner: Mutex::new(Inner { view, number: 0, files, synced, ended: None }),
            room: Arc::new(Semaphore::new(queue_bytes)),
            failure: watch::Sender::new(None),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Ends everything with a cause. Only the first cause counts.
    pub(crate) fn fail(&self, cause: Error) -> Error {
        let cause = Arc::new(cause);
        let error = Error::Failed(cause.clone());
        self.inner.lock().ended = Some(error.clone());
        self.room.close();
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(cause);
            first
        });
        error
    }

    /// Why nothing more is accepted.
    pub(crate) fn ended(&self) -> Error {
        self.inner.lock().ended.clone().unwrap_or(Error::Closed)
    }
}

/// A call on its way to the disk.
pub(crate) struct Request {
    pub records: Vec<Record>,
    pub number: u64,
    pub urgency: Urgency,
    pub done: Done,
    /// Bytes of the queue, given back when the call is done.
    pub _permit: Option<OwnedSemaphorePermit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Somebody waits for the sync.
    Now,
    /// May wait for the next sync.
    Later,
    /// The last call.
    Close,
}

/// What to call when a call is durable or has failed.
pub type Callback = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// A callback that is called exactly once, come what may.
pub(crate) struct Done(Option<Callback>);

impl Done {
    pub(crate) fn new(callback: Callback) -> Done {
        Done(Some(callback))
    }

    pub(crate) fn nobody() -> Done {
        Done(None)
    }

    pub(crate) fn call(mut self, result: Result<(), Error>) {
        if let Some(callback) = self.0.take() {
            callback(result);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(callback) = self.0.take() {
            callback(Err(Error::Failed(Arc::new(Error::Stopped))));
        }
    }
}
