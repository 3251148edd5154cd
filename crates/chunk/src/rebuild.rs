//! A lost chunk made anew where it shall be: read from the chunks that are left, block by block
//! verified, decoded as far as it must be, written as any other chunk.
//!
//! Nothing is believed: not a source's block (its sum), not what was decoded (the stripe's sum),
//! not the whole (the footer's hash over the stripes' sums). What fails a check is a loss, and
//! another source takes its place.

mod runs;
mod source;
mod stripes;
mod wanted;

pub use wanted::{Source, Wanted};

use crate::{
    VolumeError,
    engine::ChunkWriter,
    server::Volumes,
    verify::{Unverified, verify},
    volume::Volume,
};
use bytes::Bytes;
use layout::{Footer, Geometry, Seed, StripesHash, Verifier};
use model::{ChunkName, Error, ErrorKind, Subject};
use runs::{Run, Runs};
use std::{sync::Arc, time::Duration};
use stripes::Stripes;
use tokio::{sync::Semaphore, time::timeout};
use transport::HttpPool;

/// Rebuilds a server does at once: each reads from as many servers as its code has data
/// fragments, and holds a stripe and what their connections read ahead.
const AT_ONCE: usize = 4;

/// The longest deadline that is honoured.
const MAX_DEADLINE: Duration = Duration::from_secs(10 * 60);

/// Chunks of the same place that are looked at for one to clone.
const MAX_TWINS: usize = 8;

/// A chunk that was rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Its bytes.
    pub bytes: u64,
    /// Bytes that were read for it.
    pub read: u64,
    /// Positions of sources found missing or damaged.
    pub lost: Vec<u8>,
}

/// Rebuilds chunks on the volumes of a server. Cheap to clone.
#[derive(Clone)]
pub struct Rebuilder {
    volumes: Arc<Volumes>,
    pool: HttpPool,
    turns: Arc<Semaphore>,
    runs: Runs,
}

impl Rebuilder {
    /// On volumes, from what the pool reads.
    pub fn new(volumes: Arc<Volumes>, pool: HttpPool) -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Self { volumes, pool, turns, runs: Runs::default() }
    }

    /// Rebuilds a chunk, once it is its turn. Whoever asked may go away: it is then rebuilt or
    /// not, but whole if it is there.
    pub async fn rebuild(&self, wanted: Wanted) -> Result<Rebuilt, Error> {
        let volume = self.volumes.get(wanted.volume)?;
        let this = self.clone();
        let run = self.runs.begin(wanted.name);
        // In a task of its own: dropped with the call, the last step of a chunk would go on
        // without anybody knowing, and a deletion could not wait for it.
        let task = tokio::spawn(async move { this.run(&volume, &wanted, &run).await });
        task.await.map_err(|error| Error::internal(format!("a rebuild ended: {error}")))?
    }

    /// Ends the rebuilds of chunks that are about to be deleted.
    pub async fn cancel(&self, names: &[ChunkName]) {
        self.runs.cancel(names).await;
    }

    async fn run(&self, volume: &Volume, wanted: &Wanted, run: &Run) -> Result<Rebuilt, Error> {
        let deadline = wanted.deadline.min(MAX_DEADLINE);
        let _turn = run.turn().await;
        let mut twins = true;
        loop {
            let work = async {
                let _permit = self.turns.acquire().await;
                let _under_way = volume.health().admit()?;
                self.make(volume, wanted, twins).await
            };
            let made = tokio::select! {
                made = timeout(deadline, work) => made.map_err(|_| late(wanted, deadline))??,
                () = run.cancelled() => {
                    let name = wanted.name;
                    let why = format!("the rebuild of {name} was cancelled: it is to be deleted");
                    return Err(Error::new(ErrorKind::Conflict, Subject::Chunk, why));
                }
            };
            // What gives the chunk its name is not cut short: a deletion that waits for the end of
            // the rebuild must find it.
            match made {
                Made::There(bytes) => return Ok(Rebuilt { bytes, read: 0, lost: Vec::new() }),
                Made::Twin(twin) => match volume.engine()?.clone_chunk(&twin, &wanted.name).await {
                    Ok(bytes) => return Ok(Rebuilt { bytes, read: 0, lost: Vec::new() }),
                    Err(error @ (VolumeError::Failed { .. } | VolumeError::Unsettled { .. })) => {
                        return Err(error.into());
                    }
                    Err(error) => {
                        tracing::debug!(%twin, %error, "a twin is not cloned");
                        twins = false;
                    }
                },
                Made::Written(writer, rebuilt) => {
                    writer.commit().await?;
                    metrics::counter!("cairn_chunk_rebuilds_total").increment(1);
                    metrics::counter!("cairn_chunk_rebuild_bytes_total").increment(rebuilt.bytes);
                    return Ok(rebuilt);
                }
            }
        }
    }

    async fn make(&self, volume: &Volume, wanted: &Wanted, twins: bool) -> Result<Made, Error> {
        if let Some(bytes) = there(volume, wanted).await? {
            return Ok(Made::There(bytes));
        }
        if twins && let Some(twin) = find_twin(volume, wanted).await? {
            return Ok(Made::Twin(twin));
        }
        // The same chunk elsewhere is the cheapest source, but nothing of it proves that its
        // stripes are those of the others: if it fails the last check, they decide.
        match self.write(volume, wanted, true).await {
            Err(error) if error.kind == ErrorKind::Corrupt && wanted.has_twin_source() => {
                tracing::warn!(chunk = %wanted.name, %error, "rebuilt without its twin");
                self.write(volume, wanted, false).await
            }
            made => made,
        }
    }

    /// Reads, decodes and writes the chunk, all but its name.
    async fn write(&self, volume: &Volume, wanted: &Wanted, twin: bool) -> Result<Made, Error> {
        let geometry = Geometry::new(wanted.method);
        let mut stripes = Stripes::new(&self.pool, wanted, twin)?;
        let footer = stripes.footer().await?;
        let bytes = footer.body_bytes() + footer.encode().len() as u64;
        let mut writer = volume.engine()?.put(&wanted.name, Some(bytes)).await?;
        let mut verifier = Verifier::new(&wanted.name, wanted.origin);
        let seed = Seed::of(&wanted.name, wanted.origin);
        let mut sums = StripesHash::new();
        let mut batch = Batch::new(volume.health().batch_bytes());
        for number in 0.. {
            let Some(stripe) = geometry.stripe(wanted.length, number) else { break };
            let (fragment, stripe_crc) = stripes.fragment(&stripe).await?;
            sums.push(stripe_crc);
            let tail = seed.tail(number, &fragment, stripe_crc);
            batch.push(fragment, &mut verifier)?;
            batch.push(Bytes::copy_from_slice(&tail), &mut verifier)?;
            batch.write_if_full(&mut *writer).await?;
        }
        let footer = stripes.footer_of(footer, sums.finish()).await?;
        batch.push(footer.encode().into(), &mut verifier)?;
        let whole = verifier.finish().map_err(|e| corrupt(wanted, e))?;
        batch.write(&mut *writer).await?;
        let (read, lost) = stripes.outcome();
        Ok(Made::Written(writer, Rebuilt { bytes: whole.bytes, read, lost }))
    }
}

enum Made {
    /// It exists, durably, with so many bytes.
    There(u64),
    /// The volume has the same bytes under another name.
    Twin(ChunkName),
    /// It has everything but its name.
    Written(Box<dyn ChunkWriter>, Rebuilt),
}

/// Slices that are not written yet.
struct Batch {
    slices: Vec<Bytes>,
    bytes: usize,
    enough: usize,
}

impl Batch {
    fn new(enough: usize) -> Self {
        Self { slices: Vec::new(), bytes: 0, enough }
    }

    fn push(&mut self, slice: Bytes, verifier: &mut Verifier) -> Result<(), Error> {
        self.bytes += slice.len();
        self.slices.push(slice.clone());
        verifier.push(slice).map_err(|e| Error::internal(format!("a rebuilt chunk: {e}")))
    }

    async fn write_if_full(&mut self, writer: &mut dyn ChunkWriter) -> Result<(), VolumeError> {
        if self.bytes < self.enough {
            return Ok(());
        }
        self.write(writer).await
    }

    async fn write(&mut self, writer: &mut dyn ChunkWriter) -> Result<(), VolumeError> {
        self.bytes = 0;
        writer.write(std::mem::take(&mut self.slices)).await
    }
}

/// The bytes of the chunk if it is there under its name, from an earlier call.
async fn there(volume: &Volume, wanted: &Wanted) -> Result<Option<u64>, Error> {
    match verify(volume, &wanted.name).await {
        Ok(footer) if wanted.is_footer(&footer) => Ok(Some(footer_total(&footer))),
        Ok(_) | Err(Unverified::Damaged(_)) => Err(Error::new(
            ErrorKind::AlreadyExists,
            Subject::Chunk,
            format!(
                "chunk {} exists, and is not what it should be; take another name",
                wanted.name
            ),
        )),
        Err(Unverified::Volume(VolumeError::NotFound(_))) => Ok(None),
        Err(Unverified::Volume(error)) => Err(error.into()),
    }
}

/// A chunk of this volume that has the wanted bytes under another name: of the object it was
/// linked from or to, or of a rebuild whose outcome was not known.
async fn find_twin(volume: &Volume, wanted: &Wanted) -> Result<Option<ChunkName>, Error> {
    let engine = volume.engine()?;
    for prefix in wanted.twin_prefixes() {
        // An index that is not whole yet finds none, which costs the reads and no more.
        let Ok(names) = engine.list(&prefix, MAX_TWINS).await else { continue };
        for twin in names.into_iter().filter(|name| name.to_string().starts_with(&prefix)) {
            if let Ok(footer) = verify(volume, &twin).await
                && wanted.is_footer(&footer)
            {
                return Ok(Some(twin));
            }
        }
    }
    Ok(None)
}

fn footer_total(footer: &Footer) -> u64 {
    footer.body_bytes() + footer.encode().len() as u64
}

fn late(wanted: &Wanted, deadline: Duration) -> Error {
    Error::unavailable(format!("chunk {} was not rebuilt within {deadline:?}", wanted.name))
}

fn corrupt(wanted: &Wanted, why: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        Subject::Chunk,
        format!("chunk {} cannot be rebuilt: {why}", wanted.name),
    )
}
