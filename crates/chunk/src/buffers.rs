//! Buffers that are used again: a read of 256 KiB into fresh memory costs as much in page
//! faults as the copy itself. Small ones come from the allocator, which has such memory at hand.

use crate::engine::READ_BYTES;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

/// Buffers kept for later, 8 MiB in all: enough for the reads under way on a machine's disks.
const KEPT: usize = 32;

/// Up to so many bytes a buffer is not worth keeping: a block and a little.
const SMALL_BYTES: usize = 72 * 1024;

/// A pool of read buffers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// A buffer of `bytes`, at most [`READ_BYTES`], with arbitrary content.
    pub fn take(&self, bytes: usize) -> Buffer {
        let bytes = bytes.min(READ_BYTES);
        let memory = if bytes <= SMALL_BYTES {
            vec![0; bytes]
        } else {
            let kept = self.0.lock().pop();
            kept.unwrap_or_else(|| vec![0; READ_BYTES])
        };
        Buffer { memory, bytes, home: self.clone() }
    }
}

/// A buffer that returns to its pool when it, or what was made of it, is dropped.
#[derive(Debug)]
pub struct Buffer {
    memory: Vec<u8>,
    bytes: usize,
    home: Buffers,
}

impl Buffer {
    /// Its bytes, to read into.
    pub fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.bytes]
    }

    /// Its bytes, to pass on without a copy.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.bytes]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.memory.len() < READ_BYTES {
            return;
        }
        let mut free = self.home.0.lock();
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_returns_when_the_last_slice_of_it_is_gone() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take(100_000);
        buffer.as_mut()[..10].copy_from_slice(b"0123456789");
        let bytes = buffer.freeze();
        let part = bytes.slice(3..5);
        drop(bytes);
        assert_eq!((&part[..], buffers.0.lock().len()), (&b"34"[..], 0));
        drop(part);
        assert_eq!(buffers.0.lock().len(), 1);
        assert_eq!(buffers.take(usize::MAX).as_ref().len(), READ_BYTES);
        assert_eq!(buffers.0.lock().len(), 1);
        drop(buffers.take(10));
        assert_eq!(buffers.0.lock().len(), 1, "a small one is not kept");
    }
}
