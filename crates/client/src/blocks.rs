//! The blocks of one chunk as they come from its server, each checked on arrival.

use crate::{
    VolumeRef,
    servers::{ChunkServers, Loss},
};
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use layout::{BLOCK_TAIL_BYTES, Block, Seed, Stripe};
use model::{BlobId, ChunkName};
use std::{collections::VecDeque, ops::Range, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// How long a server may send nothing.
const STALL: Duration = Duration::from_secs(5);

/// A fragment whose sum was checked, in the slices it came in.
#[derive(Debug, Clone)]
pub(crate) struct Fragment {
    pub(crate) slices: Vec<Bytes>,
    pub(crate) stripe_crc: u32,
}

impl Fragment {
    /// The slices of a part of it.
    pub(crate) fn part(&self, range: Range<usize>, out: &mut Vec<Bytes>) {
        let mut start = 0;
        for slice in &self.slices {
            let end = start + slice.len();
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                out.push(slice.slice(from - start..to - start));
            }
            start = end;
        }
    }

    /// All of it in one piece: without a copy if it came in one.
    pub(crate) fn contiguous(&self) -> Bytes {
        match self.slices.as_slice() {
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }
}

/// A chunk to read from.
#[derive(Debug, Clone)]
pub(crate) struct ChunkSource {
    pub(crate) volume: VolumeRef,
    pub(crate) name: ChunkName,
}

/// One GET, and what came of it that is not taken yet.
pub(crate) struct BlockStream {
    servers: Arc<ChunkServers>,
    source: ChunkSource,
    seed: Seed,
    /// Bytes of the chunk that are still to come.
    left: Range<u64>,
    body: Option<Incoming>,
    held: VecDeque<Bytes>,
    held_bytes: usize,
    first: u32,
    next: u32,
    end: u32,
}

impl BlockStream {
    /// Will read the blocks of stripes `first` to `last`.
    pub(crate) fn new(
        servers: Arc<ChunkServers>,
        source: ChunkSource,
        origin: BlobId,
        first: &Stripe,
        last: &Stripe,
    ) -> Self {
        let seed = Seed::of(&source.name, origin);
        Self {
            servers,
            source,
            seed,
            left: first.block().start..last.block().end,
            body: None,
            held: VecDeque::new(),
            held_bytes: 0,
            first: first.number(),
            next: first.number(),
            end: last.number() + 1,
        }
    }

    /// Begins anew at a stripe, if blocks were taken before; else there is no use in it.
    pub(crate) fn reopen(&mut self, stripe: &Stripe) -> bool {
        let first = self.first == stripe.number();
        self.body = None;
        self.held.clear();
        self.held_bytes = 0;
        self.first = stripe.number();
        self.next = stripe.number();
        self.left.start = stripe.block().start;
        !first
    }

    /// Whether the block of a stripe comes next.
    pub(crate) fn is_at(&self, stripe: u32) -> bool {
        self.next == stripe && stripe < self.end
    }

    /// The next block, which is that of `stripe`.
    pub(crate) async fn next(&mut self, stripe: &Stripe) -> Result<Fragment, Loss> {
        let taken = self.take(stripe).await;
        if let Err(Loss::Slow | Loss::Unreachable(_)) = &taken {
            self.servers.health.failed(self.source.volume.id);
        }
        taken
    }

    async fn take(&mut self, stripe: &Stripe) -> Result<Fragment, Loss> {
        if self.body.is_none() {
            let asked = Instant::now();
            let get = self.servers.get(&self.source.volume, &self.source.name, &self.left);
            self.body = Some(timeout(STALL, get).await.map_err(|_| Loss::Slow)??);
            self.servers.health.answered(self.source.volume.id, asked.elapsed());
        }
        while self.held_bytes < stripe.block_bytes() {
            self.receive().await?;
        }
        self.next += 1;
        let block = self.cut(stripe.block_bytes());
        self.check(stripe, block)
    }

    async fn receive(&mut self) -> Result<(), Loss> {
        let Some(body) = &mut self.body else { return Err(Loss::Slow) };
        let frame = timeout(STALL, body.frame()).await.map_err(|_| Loss::Slow)?;
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Err(Loss::Unreachable(format!("it broke off: {error}"))),
            None => return Err(Loss::Corrupt("the chunk is cut short".to_owned())),
        };
        // Trailers say nothing of interest.
        let Ok(data) = frame.into_data() else { return Ok(()) };
        self.left.start += data.len() as u64;
        self.held_bytes += data.len();
        if !data.is_empty() {
            self.held.push_back(data);
        }
        Ok(())
    }

    /// The first bytes held, as slices. The caller knows they are held.
    fn cut(&mut self, bytes: usize) -> Vec<Bytes> {
        let mut block = Vec::with_capacity(2);
        let mut missing = bytes;
        while missing > 0 {
            let Some(front) = self.held.front_mut() else { break };
            let slice = front.split_to(missing.min(front.len()));
            missing -= slice.len();
            block.push(slice);
            if !front.has_remaining() {
                self.held.pop_front();
            }
        }
        self.held_bytes -= bytes - missing;
        block
    }

    fn check(&self, stripe: &Stripe, mut block: Vec<Bytes>) -> Result<Fragment, Loss> {
        let length = stripe.fragment_bytes();
        let number = stripe.number();
        if let [whole] = block.as_mut_slice() {
            let checked = self.seed.check(number, whole);
            let stripe_crc = checked.map_err(|e| Loss::Corrupt(e.to_string()))?.stripe_crc;
            whole.truncate(length);
            return Ok(Fragment { slices: block, stripe_crc });
        }
        let tail = split_tail(&mut block);
        let mut sum = crc32fast::Hasher::new();
        block.iter().for_each(|slice| sum.update(slice));
        let computed = self.seed.crc_of(number, sum.finalize(), length);
        // A block of an empty fragment does not exist: one byte stands in to read the sums.
        let sums = [&[0][..], &tail].concat();
        let parsed = Block::parse(&sums).map_err(|e| Loss::Corrupt(e.to_string()))?;
        if parsed.crc != computed {
            let stored = parsed.crc;
            return Err(Loss::Corrupt(format!(
                "block {number} says its sum is {stored:08x}, but it is {computed:08x}"
            )));
        }
        Ok(Fragment { slices: block, stripe_crc: parsed.stripe_crc })
    }
}

/// Takes the sums off the end of a block in slices.
fn split_tail(block: &mut Vec<Bytes>) -> [u8; BLOCK_TAIL_BYTES] {
    let mut tail = [0; BLOCK_TAIL_BYTES];
    let mut missing = BLOCK_TAIL_BYTES;
    while missing > 0 {
        let Some(last) = block.last_mut() else { break };
        let run = missing.min(last.len());
        let end = last.split_off(last.len() - run);
        tail[missing - run..missing].copy_from_slice(&end);
        missing -= run;
        if last.is_empty() {
            block.pop();
        }
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_found_wherever_the_slices_end() {
        let bytes: Vec<u8> = (0..20).collect();
        for cut in 1..20 {
            for other in cut..20 {
                let parts = [&bytes[..cut], &bytes[cut..other], &bytes[other..]];
                let parts = parts.iter().filter(|p| !p.is_empty());
                let mut block: Vec<Bytes> = parts.map(|p| Bytes::copy_from_slice(p)).collect();
                assert_eq!(split_tail(&mut block), bytes[12..]);
                assert_eq!(block.concat(), bytes[..12]);
                let fragment = Fragment { slices: block, stripe_crc: 0 };
                let mut part = Vec::new();
                fragment.part(3..9, &mut part);
                assert_eq!(part.concat(), bytes[3..9]);
            }
        }
    }
}
