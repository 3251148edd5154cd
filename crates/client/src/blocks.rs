//! The blocks of one chunk as they come from its server, each checked on arrival.

use crate::{VolumeRef, servers::ChunkServers};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use layout::{Seed, Stripe};
use model::{BlobId, ChunkName};
use recovery::{Blocks, Fragment, Loss};
use std::{ops::Range, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// How long a server may send nothing.
const STALL: Duration = Duration::from_secs(5);

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
    /// Bytes of the chunk that are still to come.
    left: Range<u64>,
    body: Option<Incoming>,
    blocks: Blocks,
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
            left: first.block().start..last.block().end,
            body: None,
            blocks: Blocks::new(seed),
            first: first.number(),
            next: first.number(),
            end: last.number() + 1,
        }
    }

    /// Begins anew at a stripe, if blocks were taken before; else there is no use in it.
    pub(crate) fn reopen(&mut self, stripe: &Stripe) -> bool {
        let first = self.first == stripe.number();
        self.body = None;
        self.blocks.clear();
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
        while !self.blocks.has(stripe) {
            self.receive().await?;
        }
        self.next += 1;
        self.blocks.take(stripe)
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
        self.blocks.push(data);
        Ok(())
    }
}
