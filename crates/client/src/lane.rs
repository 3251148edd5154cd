//! What flows to one position of a metachunk: a queue that feeds the body of its PUT.
//!
//! A lane needs no bound of its own: every stripe in it holds a share of its stream's window.

use bytes::Bytes;
use http_body::Frame;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};
use transport::BoxError;

#[derive(Default)]
struct State {
    queue: VecDeque<Bytes>,
    /// Nothing follows what is queued.
    ended: bool,
    /// The server wants the body.
    open: bool,
    /// The position was given up.
    closed: bool,
    /// Which try of the position feeds from here; bodies of earlier ones fail.
    attempt: u32,
    waker: Option<Waker>,
}

/// A piece on its way: what is behind the connection's buffers has left us, and is counted. A
/// connection takes a whole window into its buffers while its server stands still, so what it
/// took says nothing of progress.
struct Sent {
    piece: Bytes,
    counter: Arc<AtomicU64>,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.counter.fetch_add(self.piece.len() as u64, Relaxed);
    }
}

/// The queue of one position. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Lane {
    state: Arc<Mutex<State>>,
    sent: Arc<AtomicU64>,
}

impl Lane {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.state.lock();
            change(&mut state);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Adds what comes next; nothing if the position was given up.
    pub(crate) fn push(&self, pieces: impl IntoIterator<Item = Bytes>) {
        self.change(|state| {
            if !state.closed {
                state.queue.extend(pieces.into_iter().filter(|p| !p.is_empty()));
            }
        });
    }

    /// Nothing follows.
    pub(crate) fn end(&self) {
        self.change(|state| state.ended = true);
    }

    /// Gives the position up: frees what is queued and fails the body.
    pub(crate) fn close(&self) {
        self.change(|state| {
            state.closed = true;
            state.queue.clear();
        });
    }

    /// Lets bytes flow into the body of this try.
    pub(crate) fn open(&self, attempt: u32) {
        self.change(|state| state.open |= state.attempt == attempt);
    }

    /// Bytes that left this process, as far as it can tell.
    pub(crate) fn taken(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Whether nothing follows what is queued.
    pub(crate) fn is_ended(&self) -> bool {
        self.state.lock().ended
    }

    /// Whether everything went into the body.
    pub(crate) fn is_drained(&self) -> bool {
        let state = self.state.lock();
        state.ended && state.queue.is_empty()
    }

    /// The body of a new try. Only before bytes have flowed: they are not kept.
    pub(crate) fn body(&self) -> (u32, LaneBody) {
        let mut attempt = 0;
        self.change(|state| {
            state.attempt += 1;
            state.open = false;
            attempt = state.attempt;
        });
        (attempt, LaneBody { lane: self.clone(), attempt })
    }
}

/// The body of a PUT. It ends with the footer, or fails.
pub(crate) struct LaneBody {
    lane: Lane,
    attempt: u32,
}

impl http_body::Body for LaneBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = self.lane.state.lock();
        if state.closed || state.attempt != self.attempt {
            return Poll::Ready(Some(Err("the position was given up".into())));
        }
        if state.open {
            if let Some(piece) = state.queue.pop_front() {
                let sent = Sent { piece, counter: self.lane.sent.clone() };
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(sent)))));
            }
            if state.ended {
                return Poll::Ready(None);
            }
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use http_body_util::BodyExt;

    #[test]
    fn bytes_in_a_connections_buffers_are_no_progress() {
        let lane = Lane::default();
        let (attempt, mut body) = lane.body();
        lane.open(attempt);
        lane.push([Bytes::from_static(b"stripe"), Bytes::from_static(b"tail")]);
        let mut next = || body.frame().now_or_never().flatten().unwrap().unwrap();
        let buffered = [next(), next()];
        assert_eq!(lane.taken(), 0, "buffered, not sent");
        let [first, second] = buffered;
        drop(first);
        assert_eq!(lane.taken(), 6);
        drop(second);
        assert_eq!(lane.taken(), 10);
    }
}
