//! MD5 of a stream, and of several at once.

use crate::{
    Kernel,
    kernel::{Block, Engine, Job, State},
};
use std::fmt;

const BLOCK: usize = 64;

/// An MD5 under way, computed where it is called.
///
/// ```
/// let mut md5 = checksum::Md5::new();
/// md5.update(b"mess");
/// md5.update(b"age digest");
/// assert_eq!(md5.finish()[..4], [0xf9, 0x6b, 0x69, 0x7d]);
/// ```
#[derive(Clone)]
pub struct Md5 {
    engine: Engine,
    state: State,
    /// Bytes so far. Those behind the last whole block are at the start of `rest`.
    bytes: u64,
    rest: Block,
}

impl Md5 {
    /// The MD5 of nothing yet, by the fastest kernel of this processor.
    pub fn new() -> Self {
        Self::of(Engine::best())
    }

    /// The same by the kernel named, if this processor can run it.
    pub fn with_kernel(kernel: Kernel) -> Option<Self> {
        Engine::of(kernel).map(Self::of)
    }

    fn of(engine: Engine) -> Self {
        let state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        Self { engine, state, bytes: 0, rest: [0; BLOCK] }
    }

    /// What computes it.
    pub fn kernel(&self) -> Kernel {
        self.engine.kernel()
    }

    /// Adds what comes next.
    pub fn update(&mut self, data: &[u8]) {
        let engine = self.engine;
        let job = self.take(data);
        engine.compress(job.state, job.blocks);
    }

    /// Adds to each stream what comes next of it. Streams that have about as much as each other
    /// take together little longer than one: put together what is there to be put together, and
    /// no more at a time than anybody should wait for.
    pub fn update_together(streams: &mut [(&mut Self, &[u8])]) {
        let Some(engine) = streams.first().map(|(md5, _)| md5.engine) else { return };
        let mut jobs: Vec<Job<'_>> = streams.iter_mut().map(|(md5, data)| md5.take(data)).collect();
        engine.compress_together(&mut jobs);
    }

    /// Takes data over but for its whole blocks, which are to be compressed next.
    fn take<'a>(&'a mut self, mut data: &'a [u8]) -> Job<'a> {
        let held = self.held();
        self.bytes = self.bytes.wrapping_add(data.len() as u64);
        if held > 0 {
            let missing = data.len().min(BLOCK - held);
            let (first, others) = data.split_at(missing);
            self.rest[held..held + missing].copy_from_slice(first);
            data = others;
            if held + missing < BLOCK {
                return Job { state: &mut self.state, blocks: &[] };
            }
            self.engine.compress(&mut self.state, &[self.rest]);
        }
        let (blocks, behind) = data.as_chunks::<BLOCK>();
        self.rest[..behind.len()].copy_from_slice(behind);
        Job { state: &mut self.state, blocks }
    }

    /// Bytes behind the last whole block.
    fn held(&self) -> usize {
        (self.bytes % BLOCK as u64) as usize
    }

    /// The digest of all that was added.
    pub fn finish(mut self) -> [u8; 16] {
        let held = self.held();
        let mut end = [[0; BLOCK]; 2];
        let blocks = if held < BLOCK - 8 { &mut end[..1] } else { &mut end[..] };
        let area = blocks.as_flattened_mut();
        area[..held].copy_from_slice(&self.rest[..held]);
        area[held] = 0x80;
        let length = area.len() - 8;
        area[length..].copy_from_slice(&self.bytes.wrapping_mul(8).to_le_bytes());
        self.engine.compress(&mut self.state, blocks);
        let mut digest = [0; 16];
        for (to, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *to = word.to_le_bytes();
        }
        digest
    }
}

impl Default for Md5 {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernel = self.engine.kernel();
        f.debug_struct("Md5").field("kernel", &kernel).field("bytes", &self.bytes).finish()
    }
}
