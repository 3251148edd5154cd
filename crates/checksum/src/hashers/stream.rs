//! One stream and the bytes of it that wait.

use super::{Crew, TURN_BYTES};
use crate::Md5;
use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// A stream that has as many bytes waiting takes no more, until half of them are hashed.
const WAITING_BYTES: usize = 1 << 20;

/// A stream that has as many bytes waiting does not wait for others to be hashed with.
const HURRY_BYTES: usize = WAITING_BYTES / 2;

/// The first so many bytes of a stream are hashed where they are added: to wake a thread costs as
/// much, and a stream that ends there has nothing to wait for.
const INLINE_BYTES: usize = 64 * 1024;

/// An MD5 under way, computed by [`Hashers`](crate::Hashers). Dropped before its end it is
/// forgotten, with all that waits.
pub struct Md5Stream {
    line: Arc<Line>,
    crew: Option<Arc<Crew>>,
    /// It was listed.
    open: bool,
}

impl Md5Stream {
    pub(super) fn new(crew: Option<Arc<Crew>>) -> Self {
        Self { line: Arc::default(), crew, open: false }
    }

    /// Adds what comes next. It is held, not copied, until it is hashed. Waits while too much of
    /// this stream does; a call that was dropped while it waited has added nothing.
    pub async fn update(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        let Some(crew) = &self.crew else {
            self.line.0.lock().md5.update(&data);
            return;
        };
        poll_fn(|context| self.line.poll_room(WAITING_BYTES, WAITING_BYTES / 2, context)).await;
        let mut state = self.line.0.lock();
        if state.inline + data.len() <= INLINE_BYTES {
            state.inline += data.len();
            state.md5.update(&data);
            return;
        }
        state.inline = INLINE_BYTES;
        let hurry = state.bytes < HURRY_BYTES && state.bytes + data.len() >= HURRY_BYTES;
        state.bytes += data.len();
        state.pieces.push_back(data);
        let listed = std::mem::replace(&mut state.listed, true);
        drop(state);
        if !std::mem::replace(&mut self.open, true) {
            crew.pool.open(self.line.clone());
        } else if !listed {
            crew.pool.list([self.line.clone()]);
        }
        if hurry {
            crew.pool.hurry();
        }
    }

    /// The digest of all that was added, once it is hashed.
    pub async fn finish(self) -> [u8; 16] {
        if self.line.0.lock().bytes > 0
            && let Some(crew) = &self.crew
        {
            crew.pool.hurry();
        }
        poll_fn(|context| self.line.poll_room(1, 0, context)).await;
        self.line.0.lock().md5.clone().finish()
    }
}

impl Drop for Md5Stream {
    fn drop(&mut self) {
        let mut state = self.line.0.lock();
        state.forgotten = true;
        let pieces = std::mem::take(&mut state.pieces);
        drop(state);
        drop(pieces);
        if let Some(crew) = self.crew.as_ref().filter(|_| self.open) {
            crew.pool.close();
        }
    }
}

impl fmt::Debug for Md5Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Md5Stream").field("waiting", &self.line.0.lock().bytes).finish()
    }
}

/// What a stream and the thread that hashes it share.
#[derive(Default)]
pub(super) struct Line(Mutex<State>);

#[derive(Default)]
struct State {
    /// Not that of the stream while a thread has it.
    md5: Md5,
    /// Bytes that were hashed where they were added, or the most there may be, if one was listed.
    inline: usize,
    pieces: VecDeque<Bytes>,
    /// Bytes that wait, and those that a thread has.
    bytes: usize,
    /// A thread has it, or will take it.
    listed: bool,
    /// Nobody wants it any more.
    forgotten: bool,
    /// Who waits until no more bytes than this do.
    waiter: Option<(usize, Waker)>,
}

impl Line {
    /// Ready if fewer than `limit` bytes wait; else it wakes when no more than `low` do.
    fn poll_room(&self, limit: usize, low: usize, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.bytes < limit {
            return Poll::Ready(());
        }
        state.waiter = Some((low, context.waker().clone()));
        Poll::Pending
    }

    /// What a thread is to hash, if it is still wanted.
    pub(super) fn take(self: Arc<Self>) -> Option<Taken> {
        let mut state = self.0.lock();
        let piece = state.pieces.pop_front()?;
        let md5 = std::mem::take(&mut state.md5);
        drop(state);
        Some(Taken { line: self, md5, piece })
    }
}

/// A stream at a thread.
pub(super) struct Taken {
    line: Arc<Line>,
    md5: Md5,
    piece: Bytes,
}

impl Taken {
    /// What is hashed in a turn.
    pub(super) fn turn(&mut self) -> (&mut Md5, &[u8]) {
        (&mut self.md5, &self.piece[..self.piece.len().min(TURN_BYTES)])
    }

    /// After its turn: the stream, if it is to be listed again.
    pub(super) fn give_back(mut self) -> Option<Arc<Line>> {
        let hashed = self.piece.len().min(TURN_BYTES);
        self.piece.advance(hashed);
        let mut state = self.line.0.lock();
        state.md5 = self.md5;
        state.bytes -= hashed;
        if !self.piece.is_empty() && !state.forgotten {
            state.pieces.push_front(self.piece);
        }
        state.listed = !state.pieces.is_empty();
        let listed = state.listed;
        let bytes = state.bytes;
        let waker = state.waiter.take_if(|(low, _)| bytes <= *low);
        drop(state);
        if let Some((_, waker)) = waker {
            waker.wake();
        }
        listed.then_some(self.line)
    }
}
