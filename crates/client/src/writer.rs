//! Writing a content: the source becomes stripes, stripes become metachunks.

use crate::{
    Error, VolumeFailure,
    memory::{Memory, Window},
    row::{Placed, Row, RowContext},
    source::Source,
    stripe::{self, Encoder, Filling, MetachunkSums, buffer_bytes},
};
use bytes::Bytes;
use checksum::Md5Stream;
use futures::future::BoxFuture;
use layout::{Footer, Geometry};
use model::{AccountName, ContainerName, Hash, Metachunk, ObjectName, Policy, VolumeId};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    io::AsyncRead,
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

/// Stripes of a stream that are in memory at the same time, and bytes of data where stripes are
/// so small that it would take more of them to keep the processors from waiting for each other.
const STRIPES_IN_FLIGHT: u32 = 4;
const BYTES_IN_FLIGHT: u64 = 1 << 20;

/// A source that does not fill a stripe for this long ends its metachunk before it, so that chunk
/// servers need not wait for it.
pub(crate) const SOURCE_STALL: Duration = Duration::from_secs(30);

/// Metachunks whose acknowledgements are waited for while a later one is written.
const ROWS_FINISHING: usize = 2;

/// Most metachunks placed by one call.
pub(crate) const MOST_PLACED: u32 = 16;

/// Decides where metachunks go.
pub(crate) trait Placer: Send + Sync {
    /// Places up to `count` metachunks, not on volumes that failed.
    fn place(
        &self,
        count: u32,
        avoid: Vec<VolumeId>,
    ) -> BoxFuture<'static, Result<Vec<Placed>, Error>>;
}

/// What is written, as footers say it.
pub(crate) struct Spec {
    pub(crate) account: AccountName,
    pub(crate) container: ContainerName,
    pub(crate) object: ObjectName,
    pub(crate) policy: Policy,
    /// What computes the MD5, where one is wanted.
    pub(crate) md5: Option<Md5Stream>,
    /// Bytes that must come, where the caller said so.
    pub(crate) length: Option<u64>,
    /// How long the source may take for a stripe within a metachunk.
    pub(crate) stall: Duration,
}

/// A content whose chunks are durable, not yet committed.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) metachunks: Vec<Metachunk>,
    pub(crate) size: u64,
    pub(crate) hash: Hash,
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) failures: Vec<VolumeFailure>,
}

/// A metachunk that is being written.
struct Active {
    number: u32,
    placed: Placed,
    row: Row,
    sums: MetachunkSums,
    stripes: u32,
    bytes: u64,
}

/// Writes one content.
pub(crate) struct Writer {
    spec: Spec,
    context: Arc<RowContext>,
    placer: Arc<dyn Placer>,
    memory: Memory,
    window: Window,
    encoder: Encoder,
    /// Placements for the metachunks to come.
    placements: VecDeque<Placed>,
    placing: Option<AbortOnDropHandle<Result<Vec<Placed>, Error>>>,
    next_count: u32,
    finishing: VecDeque<Active>,
    begun: u32,
    done: Written,
}

impl Writer {
    /// A writer with the placements of the first metachunks.
    pub(crate) fn new(
        spec: Spec,
        context: Arc<RowContext>,
        placer: Arc<dyn Placer>,
        memory: Memory,
        placements: Vec<Placed>,
    ) -> Result<Self, Error> {
        let stripe_bytes = Geometry::new(spec.policy.method).stripe_bytes();
        let window = STRIPES_IN_FLIGHT.max((BYTES_IN_FLIGHT / stripe_bytes) as u32);
        let encoder = Encoder::new(spec.policy.method)?;
        let done = Written {
            metachunks: Vec::new(),
            size: 0,
            hash: Hash([0; 32]),
            md5: None,
            failures: Vec::new(),
        };
        Ok(Self {
            spec,
            context,
            placer,
            memory,
            window: Window::new(window),
            encoder,
            placements: placements.into(),
            placing: None,
            next_count: 1,
            finishing: VecDeque::new(),
            begun: 0,
            done,
        })
    }

    /// Writes the whole source. After an error nothing of it is of use.
    pub(crate) async fn write(mut self, mut source: Source) -> Result<Written, Error> {
        let failed = self.context.failed.clone();
        // A row that failed ends the upload even while the source is silent.
        tokio::select! {
            biased;
            () = failed.cancelled() => return Err(self.context.take_error()),
            result = self.write_all(&mut source.reader) => result?,
        }
        self.done.hash = self.encoder.digest();
        if let Some(md5) = self.spec.md5 {
            self.done.md5 = Some(md5.finish().await);
        }
        Ok(self.done)
    }

    async fn write_all(
        &mut self,
        source: &mut (impl AsyncRead + Unpin + ?Sized),
    ) -> Result<(), Error> {
        let mut active = None;
        loop {
            let bytes = buffer_bytes(self.spec.policy.method);
            let buffer = self.memory.buffer(&self.window, bytes).await;
            let mut filling = Filling::new(buffer, self.spec.policy.method);
            let more = self.fill(source, &mut filling, &mut active).await?;
            if filling.bytes() > 0 {
                self.send(filling, &mut active).await?;
            }
            if !more {
                break;
            }
        }
        self.check_length(true)?;
        self.end(active.take()).await?;
        while !self.finishing.is_empty() {
            self.settle_one().await?;
        }
        Ok(())
    }

    /// Fills a stripe; false if the source ended. Opens a metachunk as soon as there is a byte
    /// for it, and ends the one under way if that takes long; the next one is then opened when
    /// the stripe is there.
    async fn fill(
        &mut self,
        source: &mut (impl AsyncRead + Unpin + ?Sized),
        filling: &mut Filling,
        active: &mut Option<Active>,
    ) -> Result<bool, Error> {
        let mut until = Some(Instant::now() + self.spec.stall);
        while !filling.is_full() {
            let before = filling.bytes();
            let read = filling.read(source);
            let more = match until {
                Some(until) if active.is_some() => timeout_at(until, read).await.ok(),
                _ => Some(read.await),
            };
            let Some(more) = more else {
                until = None;
                self.end(active.take()).await?;
                continue;
            };
            let more = more.map_err(Error::Source)?;
            self.done.size += (filling.bytes() - before) as u64;
            self.check_length(false)?;
            if !more {
                return Ok(false);
            }
            if active.is_none() && until.is_some() {
                *active = Some(self.begin().await?);
                until = Some(Instant::now() + self.spec.stall);
            }
        }
        Ok(true)
    }

    fn check_length(&self, all: bool) -> Result<(), Error> {
        let actual = self.done.size;
        match self.spec.length {
            Some(expected) if actual > expected || (all && actual != expected) => {
                Err(Error::LengthMismatch { expected, actual })
            }
            _ => Ok(()),
        }
    }

    /// Opens the next metachunk.
    async fn begin(&mut self) -> Result<Active, Error> {
        // The source may have been slow: what was given long ago is asked for anew.
        loop {
            self.placements.retain(|placed| !placed.is_stale());
            if !self.placements.is_empty() {
                break;
            }
            let placing = match self.placing.take() {
                Some(placing) => placing,
                None => self.place_more(),
            };
            let placed = placing.await.map_err(|error| Error::internal(error.to_string()))??;
            if placed.is_empty() {
                return Err(Error::internal("a placement without a metachunk was answered"));
            }
            self.placements.extend(placed);
        }
        let Some(placed) = self.placements.pop_front() else {
            return Err(Error::internal("no placement is there"));
        };
        let number = self.begun;
        self.begun += 1;
        let row = Row::open(self.context.clone(), number, &placed);
        let sums = MetachunkSums::new(self.context.blob, number, self.spec.policy.method);
        Ok(Active { number, placed, row, sums, stripes: 0, bytes: 0 })
    }

    /// Asks where further metachunks go: twice as many each time, as a long content is likely
    /// to become longer.
    fn place_more(&mut self) -> AbortOnDropHandle<Result<Vec<Placed>, Error>> {
        let left = self.spec.length.map(|length| length.saturating_sub(self.done.size));
        let metachunk = self.spec.policy.metachunk_bytes().max(1);
        let useful = left.map_or(u64::MAX, |left| left.div_ceil(metachunk).max(1));
        let count = u64::from(self.next_count).min(useful) as u32;
        self.next_count = (self.next_count * 2).min(MOST_PLACED);
        let avoid = self.done.failures.iter().map(|f| f.volume).collect();
        AbortOnDropHandle::new(tokio::spawn(self.placer.place(count, avoid)))
    }

    /// Encodes a stripe and hands it to its metachunk.
    async fn send(&mut self, filling: Filling, active: &mut Option<Active>) -> Result<(), Error> {
        let mut current = match active.take() {
            Some(current) => current,
            // The one before ended while the source was silent in the middle of this stripe.
            None => self.begin().await?,
        };
        let bytes = filling.bytes();
        current.bytes += bytes as u64;
        let pieces = self.encoder.encode(filling, &mut current.sums, current.stripes)?;
        let data = stripe::data(&pieces, self.spec.policy.method, bytes);
        let data: Vec<Bytes> = data.filter(|_| self.spec.md5.is_some()).collect();
        current.row.push(pieces);
        // It is hashed while it is sent. Until both are done it is in the stream's window, and so
        // what waits here is bounded too.
        for piece in data {
            if let Some(md5) = &mut self.spec.md5 {
                md5.update(piece).await;
            }
        }
        current.stripes += 1;
        let blocks = self.spec.policy.chunk_blocks;
        if current.stripes == blocks {
            return self.end(Some(current)).await;
        }
        let more_expected = self.spec.length.is_none_or(|length| length > self.done.size);
        let none_placed = self.placements.is_empty() && self.placing.is_none();
        if current.stripes == blocks.div_ceil(2) && more_expected && none_placed {
            self.placing = Some(self.place_more());
        }
        *active = Some(current);
        Ok(())
    }

    /// Ends a metachunk: its positions get their footers and are waited for while the next one
    /// is written. One without data is given up.
    async fn end(&mut self, active: Option<Active>) -> Result<(), Error> {
        let Some(active) = active else { return Ok(()) };
        if active.stripes == 0 {
            // Its number is used again, on other volumes: a server may not have noticed yet
            // that the chunk it waits for is given up.
            self.begun = active.number;
            return Ok(());
        }
        let footers: Vec<Bytes> = (0..self.spec.policy.method.width() as u8)
            .map(|position| Bytes::from(self.footer(&active, position).encode()))
            .collect();
        active.row.end(footers);
        self.finishing.push_back(active);
        while self.finishing.len() > ROWS_FINISHING {
            self.settle_one().await?;
        }
        Ok(())
    }

    fn footer(&self, active: &Active, position: u8) -> Footer {
        Footer {
            origin: self.context.blob,
            content: self.context.blob,
            metachunk: active.number,
            position,
            length: active.bytes,
            stripes: active.sums.stripes.finish(),
            policy: self.spec.policy.name.clone(),
            method: self.spec.policy.method,
            account: self.spec.account.clone(),
            container: self.spec.container.clone(),
            object: self.spec.object.clone(),
        }
    }

    /// Waits for the oldest metachunk that is finishing.
    async fn settle_one(&mut self) -> Result<(), Error> {
        // It stays in the queue while it is waited for: a cancellation must find it there.
        let Some(oldest) = self.finishing.front_mut() else { return Ok(()) };
        let outcome = oldest.row.finished().await?;
        let Some(oldest) = self.finishing.pop_front() else { return Ok(()) };
        self.done.failures.extend(outcome.failures);
        self.done.metachunks.push(Metachunk {
            length: oldest.bytes,
            write: oldest.placed.write,
            volumes: outcome.volumes,
            rewritten: Vec::new(),
        });
        Ok(())
    }
}
