//! Reading parts of a content: which metachunks, in which order, and what to do when chunks
//! turn out to be elsewhere or gone.

use crate::{
    Damage, Damages, Error, VolumeRef,
    counters::Counters,
    download::Part,
    memory::{Memory, Window},
    metachunk::MetachunkReader,
    servers::ChunkServers,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use model::{BlobId, Extent, Metachunk, Method, Object, VolumeId};
use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Parts that wait for the caller.
const PARTS_AHEAD: u32 = 4;

/// Bytes that make a part worth sending.
const PART_BYTES: usize = 256 * 1024;

/// What a reader asks of the metadata.
pub(crate) trait Contents: Send + Sync {
    /// Where the version is now.
    fn locate(&self) -> BoxFuture<'static, Result<(Object, Vec<VolumeRef>), Error>>;
    /// Tells of chunks that are damaged.
    fn report(&self, damages: Vec<Damage>) -> BoxFuture<'static, Result<(), Error>>;
}

/// What a read needs.
pub(crate) struct ReadContext {
    pub(crate) servers: Arc<ChunkServers>,
    pub(crate) memory: Memory,
    pub(crate) counters: Arc<Counters>,
    pub(crate) contents: Arc<dyn Contents>,
    pub(crate) damages: Damages,
}

/// A version and where its volumes are reached, as last located.
pub(crate) struct Whereabouts {
    pub(crate) object: Object,
    pub(crate) volumes: BTreeMap<VolumeId, VolumeRef>,
}

impl Whereabouts {
    pub(crate) fn new(object: Object, volumes: Vec<VolumeRef>) -> Self {
        Self { object, volumes: volumes.into_iter().map(|v| (v.id, v)).collect() }
    }

    /// Whether it is time to locate again, for leave to read what is left.
    pub(crate) fn is_stale(&self) -> bool {
        self.volumes.values().any(|volume| volume.leave.is_stale())
    }
}

/// Starts reading ranges of a content. `whole` says that they are all of it, so that its hash
/// can be checked.
pub(crate) fn start(
    context: ReadContext,
    whereabouts: Whereabouts,
    ranges: Vec<Range<u64>>,
    whole: bool,
) -> (mpsc::Receiver<Part>, AbortOnDropHandle<()>) {
    // Windows bound what waits in it; the end of the content takes a place, too.
    let (sender, receiver) = mpsc::channel(PARTS_AHEAD as usize + 1);
    let hash = whereabouts.object.entry.hash.filter(|_| whole);
    let sink = Sink {
        sender,
        memory: context.memory.clone(),
        window: Window::new(PARTS_AHEAD),
        batch: Vec::new(),
        batched: 0,
        hasher: hash.map(|_| blake3::Hasher::new()),
        counters: context.counters.clone(),
    };
    let reader = Reader { context, whereabouts, sink };
    (receiver, AbortOnDropHandle::new(tokio::spawn(reader.run(ranges))))
}

struct Reader {
    context: ReadContext,
    whereabouts: Whereabouts,
    sink: Sink,
}

impl Reader {
    async fn run(mut self, ranges: Vec<Range<u64>>) {
        let result = self.read(ranges).await;
        if !self.context.damages.list().is_empty() {
            let telling = report(self.context.contents.clone(), self.context.damages.clone());
            // The bytes are with the caller already. A program that ends with its read would
            // take the report with it: it waits, but not for long.
            tokio::time::timeout(REPORT_WAIT, tokio::spawn(telling)).await.ok();
        }
        let last = match result {
            Ok(()) => Part::End,
            Err(error) => Part::Failed(error),
        };
        // A caller that is gone does not need to know.
        self.sink.sender.send(last).await.ok();
    }

    async fn read(&mut self, ranges: Vec<Range<u64>>) -> Result<(), Error> {
        // All of them, of one state of the object: it may be located again on the way, and each
        // piece is then checked to be what it was.
        let object = &self.whereabouts.object;
        let pieces: Vec<Piece> =
            ranges.into_iter().flat_map(|range| pieces(object, range)).collect();
        for piece in pieces {
            self.renew().await;
            if !piece.is_in(&self.whereabouts.object) {
                return Err(Error::unavailable("the object was replaced while it was read"));
            }
            let reader = MetachunkReader::new(
                &self.context,
                &mut self.whereabouts,
                piece.extent,
                piece.metachunk,
            )?;
            Box::pin(reader.read(piece.range, &mut self.sink)).await?;
        }
        self.sink.flush().await?;
        self.sink.check_hash(&self.whereabouts.object)
    }
}

impl Reader {
    /// Locates again before a metachunk, if that is due. Where nobody answers, what there is
    /// has to do: it is good for a while yet.
    async fn renew(&mut self) {
        if self.whereabouts.is_stale()
            && let Ok((object, volumes)) = self.context.contents.locate().await
        {
            self.whereabouts = Whereabouts::new(object, volumes);
        }
    }
}

/// A part of a metachunk.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    extent: usize,
    metachunk: u32,
    shape: Shape,
    /// Within the metachunk.
    range: Range<u64>,
}

/// What a metachunk is, wherever its chunks are.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    origin: BlobId,
    method: Method,
    length: u64,
}

impl Shape {
    fn new(extent: &Extent, row: &Metachunk) -> Self {
        Self { origin: extent.origin, method: extent.method, length: row.length }
    }
}

impl Piece {
    /// Whether an object that was located later has the metachunk still.
    fn is_in(&self, object: &Object) -> bool {
        let extent = object.extents().get(self.extent);
        let shape = extent.and_then(|extent| {
            extent.metachunks.get(self.metachunk as usize).map(|row| Shape::new(extent, row))
        });
        shape.as_ref() == Some(&self.shape)
    }
}

/// The parts of metachunks that a range of the content is made of.
fn pieces(object: &Object, range: Range<u64>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (extent, table) in object.extents().iter().enumerate() {
        for (metachunk, row) in (0u32..).zip(&table.metachunks) {
            let end = start + row.length;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let shape = Shape::new(table, row);
                pieces.push(Piece { extent, metachunk, shape, range: from - start..to - start });
            }
            start = end;
        }
    }
    pieces
}

/// How long the end of a read waits for its damages to be told of; telling goes on afterwards.
const REPORT_WAIT: Duration = Duration::from_secs(3);

/// Tells of damages that are still where they were found.
async fn report(contents: Arc<dyn Contents>, damages: Damages) {
    // Chunks may have moved, or the version gone, since the read began.
    let Ok((object, _)) = contents.locate().await else { return };
    let confirmed = damages.confirmed_by(&object);
    if confirmed.is_empty() {
        return;
    }
    if let Err(error) = contents.report(confirmed).await {
        tracing::debug!(%error, "damage could not be reported");
    }
}

/// Where the bytes go, in order.
pub(crate) struct Sink {
    sender: mpsc::Sender<Part>,
    memory: Memory,
    window: Window,
    batch: Vec<Bytes>,
    batched: usize,
    hasher: Option<blake3::Hasher>,
    counters: Arc<Counters>,
}

impl Sink {
    /// Takes the next bytes.
    pub(crate) async fn push(&mut self, slices: Vec<Bytes>) -> Result<(), Error> {
        for slice in slices {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&slice);
            }
            self.batched += slice.len();
            self.batch.push(slice);
        }
        if self.batched >= PART_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        if self.batched == 0 {
            return Ok(());
        }
        Counters::add(&self.counters.bytes_read, self.batched as u64);
        let room = self.memory.room(&self.window, self.batched).await;
        self.batched = 0;
        let part = Part::Bytes(std::mem::take(&mut self.batch), room);
        let gone = |_| Error::unavailable("the reader of the content went away");
        self.sender.send(part).await.map_err(gone)
    }

    fn check_hash(&self, object: &Object) -> Result<(), Error> {
        let Some(hasher) = &self.hasher else { return Ok(()) };
        let (expected, actual) = (object.entry.hash, *hasher.finalize().as_bytes());
        if expected.is_some_and(|expected| expected.0 != actual) {
            return Err(Error::corrupt(format!(
                "the content of {} does not have the hash it was stored with",
                object.entry.name
            )));
        }
        Ok(())
    }
}
