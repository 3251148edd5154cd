//! The repair of one metachunk.

use super::{
    GIVE_UP_GRACE, Progress,
    targets::{choose, sources},
};
use crate::{
    node::Node,
    partition::{Partition, Refusal},
    volumes::Found,
    worker::losses::Outlook,
};
use model::{BlobId, ChunkName, Error, ErrorKind, Liveness, VolumeId, WriteId};
use parking_lot::Mutex;
use proto::v1::{self, rebuild_chunk_request::Source};
use state::{
    Command, Damage, Rebuilding, Swap, Whole,
    read::{self, QueuedRepair, Repair, RepairRow},
};
use std::{sync::Arc, time::Duration};

/// How long one chunk may take: 64 MiB from a busy disk, and its turn.
const DEADLINE: Duration = Duration::from_secs(120);

/// A metachunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The blob of its extent.
    pub blob: BlobId,
    /// Its number.
    pub metachunk: u32,
}

impl Place {
    /// Of an entry.
    pub fn of(queued: &QueuedRepair) -> Self {
        Self { blob: queued.repair.blob, metachunk: queued.repair.metachunk }
    }
}

/// The chunks announced for a metachunk at work. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Work(Arc<Mutex<Vec<ChunkName>>>);

impl Work {
    /// Their names.
    pub fn chunks(&self) -> Vec<ChunkName> {
        self.0.lock().clone()
    }
}

/// When to try again: the earlier, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is whole, or will be queued again.
    Done,
    /// When a volume comes back, comes new, or is given up for lost.
    WaitsForVolume,
    /// After a while: every volume that takes chunks has one of the metachunk already.
    NoTarget,
    /// After a while: too few chunks are left to read.
    TooFewLeft,
    /// After a while.
    Failed,
}

/// How a try ended.
#[derive(Debug)]
pub struct Ended {
    /// Of which metachunk.
    pub place: Place,
    /// When to try again.
    pub verdict: Verdict,
}

/// One metachunk, and what is needed to repair it.
pub struct Entry {
    pub node: Node,
    pub partition: Partition,
    pub progress: Arc<Progress>,
    pub outlook: Outlook,
    pub queued: QueuedRepair,
    pub work: Work,
}

/// What is known of the positions of a row.
#[derive(Debug, Default)]
struct Assessment {
    /// Nothing is wrong with them.
    whole: u32,
    /// To be made anew.
    lost: Vec<u8>,
    /// There is no sound chunk to read at them.
    damaged: Vec<u8>,
    /// Their volume is down, and may come back.
    waiting: bool,
    /// Their server did not say what it has.
    unknown: bool,
}

impl Assessment {
    /// When to look again at what is not lost.
    fn verdict(&self) -> Verdict {
        match (self.unknown, self.waiting) {
            (true, _) => Verdict::Failed,
            (false, true) => Verdict::WaitsForVolume,
            (false, false) => Verdict::Done,
        }
    }
}

impl Entry {
    /// Repairs what can be repaired now.
    pub async fn repair(self) -> Ended {
        let place = Place::of(&self.queued);
        let verdict = match self.try_repair().await {
            Ok(verdict) => verdict,
            Err(refusal) => {
                let error = match refusal {
                    Refusal::Failed(error) => error.to_string(),
                    Refusal::NotLeader { .. } => "another node leads the partition".to_owned(),
                };
                self.fail(&error);
                Verdict::Failed
            }
        };
        Ended { place, verdict }
    }

    fn fail(&self, why: &str) {
        let Repair { blob, metachunk, .. } = &self.queued.repair;
        tracing::info!(partition = %self.partition.id(), %blob, metachunk, why, "not repaired");
        metrics::counter!("cairn_repairs_failed_total").increment(1);
        self.progress.edit(|counts| {
            counts.failed += 1;
            counts.trouble = Some(why.to_owned());
        });
    }

    async fn try_repair(&self) -> Result<Verdict, Refusal> {
        let view = self.partition.read().await?;
        let failed = |fatal: state::Fatal| Error::internal(fatal.to_string());
        let found = read::repair_row(&*view, &self.queued.repair).map_err(failed)?;
        let status = read::status(&*view).map_err(|e| Error::internal(e.to_string()))?;
        drop(view);
        let Some(found) = found else {
            self.whole(u32::MAX).await?;
            return Ok(Verdict::Done);
        };
        let assessed = self.assess(&found).await;
        if assessed.whole != 0 {
            self.whole(assessed.whole).await?;
        }
        if assessed.lost.is_empty() {
            return Ok(assessed.verdict());
        }
        let map = &self.outlook.map;
        let from = sources(map, &found.row, &assessed.damaged);
        let enough = |position: &u8| {
            from.len() >= found.method.data() || from.iter().any(|(p, _)| p == position)
        };
        let (can, cannot): (Vec<u8>, Vec<u8>) = assessed.lost.iter().copied().partition(enough);
        let seed = u64::from_le_bytes(self.node.0.seams.bytes());
        let targets = choose(map, found.method, &found.row, &can, seed);
        let mut verdict = assessed.verdict();
        if !cannot.is_empty() {
            self.fail(&format!("only {} chunks are left to read", from.len()));
            verdict = verdict.max(Verdict::TooFewLeft);
        }
        if targets.len() < can.len() {
            self.fail("every volume that takes chunks has one of the metachunk already");
            verdict = verdict.max(Verdict::NoTarget);
        }
        let log_time = self.node.mint_time(status.log_time)?;
        for (position, target) in targets {
            let write = u16::from_le_bytes(self.node.0.seams.bytes());
            let write = WriteId::new(log_time / 1000, write);
            match self.make(&found, &from, position, target, write).await {
                Ok(true) => {}
                // It is looked at again, a little later.
                Ok(false) => verdict = Verdict::Failed,
                Err(error) => {
                    self.fail(&error.to_string());
                    verdict = Verdict::Failed;
                    if error.kind == ErrorKind::Corrupt {
                        let all: Vec<u8> = from.iter().map(|(p, _)| *p).collect();
                        self.report(&found, &all).await?;
                    }
                }
            }
        }
        Ok(verdict)
    }

    /// Finds out what is wrong with the positions of the entry, and those that have no chunk.
    async fn assess(&self, found: &RepairRow) -> Assessment {
        let mut assessed = Assessment::default();
        for (position, volume) in (0u8..).zip(&found.row.volumes) {
            let queued = self.queued.repair.positions >> position & 1 == 1;
            let Some(volume) = *volume else {
                assessed.lost.push(position);
                continue;
            };
            if !queued {
                continue;
            }
            let known = self.outlook.map.volume(volume);
            let up = known.filter(|v| v.liveness == Liveness::Up);
            if self.outlook.lost.contains(&volume) {
                // One that is out and answers is still a source.
                assessed.lost.push(position);
                continue;
            }
            let Some(up) = up else {
                assessed.waiting = true;
                continue;
            };
            match self.node.verify_chunk(up, self.name(found, position)).await {
                Found::Whole => assessed.whole |= 1 << position,
                Found::Lost(reason) => {
                    tracing::debug!(position, %volume, reason, "a chunk is to be made anew");
                    assessed.lost.push(position);
                    assessed.damaged.push(position);
                }
                Found::Unknown(reason) => {
                    tracing::debug!(position, %volume, reason, "a chunk cannot be looked at");
                    assessed.unknown = true;
                }
            }
        }
        assessed
    }

    /// The name of the chunk that the row has at a position.
    fn name(&self, found: &RepairRow, position: u8) -> ChunkName {
        let Repair { blob, metachunk, .. } = self.queued.repair;
        ChunkName { blob, metachunk, position, write: found.row.write_of(position) }
    }

    /// Takes positions that need no repair out of the queue.
    async fn whole(&self, positions: u32) -> Result<(), Refusal> {
        let whole = vec![Whole { key: self.queued.key, positions }];
        let command = Command::RepairsDone { whole };
        self.partition.propose(self.node.now(), None, command).await?;
        Ok(())
    }

    /// Makes one chunk and names it; false if the metachunk changed meanwhile. Whatever happens to it was announced before: what is not
    /// named is given up, here or by whoever leads next.
    async fn make(
        &self,
        found: &RepairRow,
        from: &[(u8, VolumeId)],
        position: u8,
        target: VolumeId,
        write: WriteId,
    ) -> Result<bool, Error> {
        let old = found.row.volumes.get(usize::from(position)).copied().flatten();
        let old = old.map(|volume| (volume, found.row.write_of(position)));
        let chunk = ChunkName { write, ..self.name(found, position) };
        self.work.0.lock().push(chunk);
        let rebuilds = vec![Rebuilding { chunk, volume: target }];
        self.propose(Command::BeginRebuilds { rebuilds }).await?;
        let rebuilt = self.rebuild(found, from, chunk, target).await;
        let rebuilt = match rebuilt {
            Ok(rebuilt) => rebuilt,
            Err(error) => {
                self.give_up(chunk).await;
                return Err(error);
            }
        };
        let Repair { container, object, version, blob, metachunk, .. } = self.queued.repair.clone();
        let swap = Command::Swap(Swap {
            container,
            object,
            version,
            blob,
            metachunk,
            position,
            old,
            volume: target,
            write,
            delete_grace: self.node.0.config.delete_grace.as_micros() as u64,
        });
        match self.propose(swap).await {
            Ok(()) => {}
            // Perhaps it was named: whoever leads next finds out.
            Err(error) if error.kind == ErrorKind::Indeterminate => return Err(error),
            Err(error) => {
                self.give_up(chunk).await;
                // The table has moved on, or the version is gone: the entry with it.
                let stale = matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotFound);
                return if stale { Ok(false) } else { Err(error) };
            }
        }
        metrics::counter!("cairn_chunks_repaired_total").increment(1);
        self.progress.repaired(rebuilt.bytes);
        tracing::info!(%chunk, volume = %target, "a chunk is repaired");
        let lost: Vec<u8> = rebuilt.lost.iter().filter_map(|p| u8::try_from(*p).ok()).collect();
        if !lost.is_empty() {
            let reported = self.report(found, &lost).await;
            reported.map_err(|refusal| Error::unavailable(format!("{refusal:?}")))?;
        }
        Ok(true)
    }

    async fn rebuild(
        &self,
        found: &RepairRow,
        from: &[(u8, VolumeId)],
        chunk: ChunkName,
        target: VolumeId,
    ) -> Result<v1::RebuildChunkResponse, Error> {
        let map = &self.outlook.map;
        let sources = from.iter().filter_map(|(position, volume)| {
            let address = map.volume(*volume)?.address.clone();
            let write = found.row.write_of(*position).0;
            Some(Source { position: (*position).into(), write, volume: volume.0, address })
        });
        let request = v1::RebuildChunkRequest {
            volume: target.0,
            chunk: chunk.to_string(),
            origin: found.origin.0.to_vec(),
            method: found.method.to_string(),
            length: found.row.length,
            sources: sources.collect(),
            deadline: DEADLINE.as_millis() as u64,
        };
        let target = crate::volumes::known(map, target)?;
        self.node.rebuild_chunk(target, request).await
    }

    async fn give_up(&self, chunk: ChunkName) {
        let delete_grace = GIVE_UP_GRACE.as_micros() as u64;
        let command = Command::EndRebuilds { chunks: vec![chunk], delete_grace };
        if let Err(error) = self.propose(command).await {
            tracing::debug!(%chunk, %error, "a chunk that was given up is forgotten later");
        }
    }

    /// Queues positions whose own servers find them missing or damaged.
    async fn report(&self, found: &RepairRow, positions: &[u8]) -> Result<(), Refusal> {
        let mut damages = Vec::new();
        for position in positions {
            let volume = found.row.volumes.get(usize::from(*position)).copied().flatten();
            let Some(volume) = volume.and_then(|id| self.outlook.map.volume(id)) else { continue };
            let name = self.name(found, *position);
            if let Found::Lost(reason) = self.node.verify_chunk(volume, name).await {
                tracing::warn!(chunk = %name, volume = %volume.id, reason, "damage is confirmed");
                let Repair { container, object, version, .. } = self.queued.repair.clone();
                damages.push(Damage {
                    container,
                    object,
                    version,
                    blob: name.blob,
                    metachunk: name.metachunk,
                    position: *position,
                    volume: volume.id,
                    write: name.write,
                });
            }
        }
        if !damages.is_empty() {
            let command = Command::QueueRepair { damages };
            self.partition.propose(self.node.now(), None, command).await?;
        }
        Ok(())
    }

    async fn propose(&self, command: Command) -> Result<(), Error> {
        match self.partition.propose(self.node.now(), None, command).await {
            Ok(_) => Ok(()),
            Err(Refusal::Failed(error)) => Err(error),
            Err(Refusal::NotLeader { .. }) => {
                Err(Error::indeterminate("another node leads the partition"))
            }
        }
    }
}
