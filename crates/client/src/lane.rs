//! What flows to one position of a metachunk: a queue that feeds the body of its PUT.
//!
//! A lane needs no bound of its own: every stripe in it holds a share of its stream's window.

use bytes::Bytes;
use http_body::Frame;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
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
    taken: u64,
    waker: Option<Waker>,
}

/// The queue of one position. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Lane(Arc<Mutex<State>>);

impl Lane {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.0.lock();
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

    /// Bytes that went into the body.
    pub(crate) fn taken(&self) -> u64 {
        self.0.lock().taken
    }

    /// Whether nothing follows what is queued.
    pub(crate) fn is_ended(&self) -> bool {
        self.0.lock().ended
    }

    /// Whether everything went into the body.
    pub(crate) fn is_drained(&self) -> bool {
        let state = self.0.lock();
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
        let mut state = self.lane.0.lock();
        if state.closed || state.attempt != self.attempt {
            return Poll::Ready(Some(Err("the position was given up".into())));
        }
        if state.open {
            if let Some(piece) = state.queue.pop_front() {
                state.taken += piece.len() as u64;
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if state.ended {
                return Poll::Ready(None);
            }
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
