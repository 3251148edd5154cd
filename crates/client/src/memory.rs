//! What uploads and downloads have in memory: buffers that are reused, and a bound for the process.
//!
//! Nobody waits for a stream that waits for its client: what a stream has in flight first is
//! always granted, and only what it has beyond that is a share of what all have together.

use model::BLOCK_BYTES;
use parking_lot::Mutex;
use std::sync::{Arc, LazyLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that the streams of a process have in flight together, beside the first of each.
const PROCESS_BYTES: u64 = 256 << 20;

/// Bytes of unused buffers that are kept for the next upload.
const KEPT_BYTES: usize = 32 << 20;

/// Fragments start on these boundaries, where the kernels are fastest.
const ALIGNMENT: usize = 64;

/// The memory that streams share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Shared>);

struct Shared {
    /// In units of 64 KiB.
    budget: Arc<Semaphore>,
    units: u32,
    kept: Mutex<Vec<Box<[u8]>>>,
}

static PROCESS: LazyLock<Memory> = LazyLock::new(|| Memory::new(PROCESS_BYTES));

impl Memory {
    pub(crate) fn new(bytes: u64) -> Self {
        let units = u32::try_from(bytes / BLOCK_BYTES).unwrap_or(u32::MAX).max(1);
        let budget = Arc::new(Semaphore::new(units as usize));
        Self(Arc::new(Shared { budget, units, kept: Mutex::default() }))
    }

    /// The memory that all clients of this process share.
    pub(crate) fn of_the_process() -> Self {
        PROCESS.clone()
    }

    /// Room for `bytes`, once the window of the stream has some, and the stream has nothing else
    /// in flight or the memory has room.
    pub(crate) async fn room(&self, window: &Window, bytes: usize) -> Room {
        let units = (bytes as u64).div_ceil(BLOCK_BYTES);
        // What is larger than the whole budget waits until it is alone.
        let units = u32::try_from(units).unwrap_or(u32::MAX).min(self.0.units);
        let place = window.places.clone().acquire_owned().await.ok();
        let share = tokio::select! {
            biased;
            share = self.0.budget.clone().acquire_many_owned(units) => share.ok(),
            _ = window.places.acquire_many(window.count - 1) => None,
        };
        Room { _permits: (place, share) }
    }

    /// A buffer of `bytes`, once there is [room](Self::room). Its contents are arbitrary.
    pub(crate) async fn buffer(&self, window: &Window, bytes: usize) -> Buffer {
        let room = self.room(window, bytes).await;
        let memory = self.take(bytes + ALIGNMENT);
        let start = match memory.as_ptr().align_offset(ALIGNMENT) {
            offset if offset < ALIGNMENT => offset,
            _ => 0,
        };
        Buffer { memory, start, bytes, home: self.0.clone(), _room: room }
    }

    fn take(&self, bytes: usize) -> Box<[u8]> {
        let mut kept = self.0.kept.lock();
        let fit = kept.iter().rposition(|b| b.len() >= bytes && b.len() / 2 <= bytes);
        match fit {
            Some(at) => kept.swap_remove(at),
            None => vec![0; bytes].into_boxed_slice(),
        }
    }
}

/// How much one stream may have in flight.
pub(crate) struct Window {
    places: Arc<Semaphore>,
    count: u32,
}

impl Window {
    /// A window of `count` places, one at least.
    pub(crate) fn new(count: u32) -> Self {
        let count = count.max(1);
        Self { places: Arc::new(Semaphore::new(count as usize)), count }
    }
}

/// A place in a window, and a share of the memory, until it is dropped.
pub(crate) struct Room {
    _permits: (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>),
}

/// A buffer that goes back to the [`Memory`] it came from when it is dropped.
pub(crate) struct Buffer {
    memory: Box<[u8]>,
    start: usize,
    bytes: usize,
    home: Arc<Shared>,
    _room: Room,
}

impl Buffer {
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.bytes]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.bytes]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let mut kept = self.home.kept.lock();
        let held: usize = kept.iter().map(|b| b.len()).sum();
        if held + memory.len() <= KEPT_BYTES {
            kept.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_buffer_comes_back_when_the_last_slice_of_it_is_gone() {
        let memory = Memory::new(4 * BLOCK_BYTES);
        let window = Window::new(1);
        let buffer = memory.buffer(&window, 2 * BLOCK_BYTES as usize).await;
        assert_eq!(buffer.as_ref().as_ptr().align_offset(ALIGNMENT), 0);
        let place = buffer.as_ref().as_ptr();
        let whole = Bytes::from_owner(buffer);
        let (a, b) = (whole.slice(..10), whole.slice(10..));
        drop(whole);
        drop(a);
        assert!(memory.buffer(&window, 1).now_or_never().is_none(), "the window is used up");
        drop(b);
        let again = memory.buffer(&window, 2 * BLOCK_BYTES as usize).await;
        assert_eq!(again.as_ref().as_ptr(), place, "reused");
    }

    #[tokio::test]
    async fn streams_share_what_they_have_beyond_their_first() {
        let memory = Memory::new(2 * BLOCK_BYTES);
        let (one, other) = (Window::new(9), Window::new(9));
        let large = memory.buffer(&one, 9 * BLOCK_BYTES as usize).await;
        assert!(memory.buffer(&one, 1).now_or_never().is_none(), "all is used up");
        let first = memory.buffer(&other, 1).now_or_never().expect("a first one is granted");
        assert!(memory.buffer(&other, 1).now_or_never().is_none(), "all is used up");
        drop(large);
        let second = memory.buffer(&other, 2 * BLOCK_BYTES as usize).now_or_never();
        assert!(second.is_some(), "there is room");
        let waiting = memory.buffer(&other, 1);
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        assert!(waiting.as_mut().now_or_never().is_none(), "the second is in flight");
        drop(second);
        assert!(waiting.now_or_never().is_some());
    }
}
