//! The files: everything here blocks and belongs to the writer alone.

use crate::config::Config;
use crate::error::Error;
use crate::frame::{self, Header};
use crate::image::{Image, Location};
use crate::record::{Kind, Opening, Record};
use crate::recover::{Found, Recovery, recover};
use crate::segment::{Segment, file_name};
use bytes::Bytes;
use disk::{Disk, Mode};
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The write buffer is given back when a rare large batch has made it larger than this.
const BUFFER_BYTES: usize = 8 << 20;

/// The segments, and what their frames amount to.
pub(crate) struct Storage {
    pub image: Image,
    pub segments: BTreeMap<u64, Held>,
    pub config: Config,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Id of the segment that is written.
    active: u64,
    /// Where its next frame goes.
    at: u64,
    /// Sequence of the last frame written.
    sequence: u64,
    /// Sequence of the last frame synced.
    durable: u64,
    /// Whether a frame on disk says that everything of meaning had been synced.
    settled: bool,
    buffer: Vec<u8>,
    /// The segment being emptied and what is left in it.
    pub moving: Option<(u64, Vec<(u32, u64)>)>,
    /// Sequence of the last frame that was found.
    pub found: u64,
    _lock: Box<dyn Send + Sync>,
}

/// A segment and what it costs.
pub(crate) struct Held {
    pub segment: Arc<Segment>,
    /// Length of the file.
    pub bytes: u64,
    /// Sequence of its last frame known to be synced; of the active segment 0.
    synced: u64,
    /// A synced frame says that it is not needed.
    freed: bool,
    /// A live entry of it cannot be read, so it cannot be emptied.
    pub damaged: bool,
}

/// Where a batch went.
pub(crate) struct Committed {
    /// By record of the batch.
    pub places: Vec<Location>,
    /// Entries written again: group, index, from, to.
    pub moved: Vec<(u32, u64, Location, Location)>,
    /// Segments begun.
    pub opened: Vec<Arc<Segment>>,
}

/// Where frames were written.
struct Written {
    opened: Option<Arc<Segment>>,
    own: Vec<Location>,
    records: Vec<Location>,
}

impl Held {
    fn new(segment: Segment, bytes: u64, synced: u64) -> Held {
        Held { segment: Arc::new(segment), bytes, synced, freed: false, damaged: false }
    }
}

impl Storage {
    /// Locks and reads the directory and begins a new segment.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        config: Config,
    ) -> Result<Storage, Error> {
        config.check()?;
        disk.create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        let lock = disk.lock(&dir.join("LOCK")).map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => Error::Locked { dir: dir.clone() },
            _ => Error::io("lock", &dir)(e),
        })?;
        let recovery = recover(&*disk, &dir)?;
        clean(&*disk, &dir, &recovery)?;
        let again = recovery.unproven_entries();
        let payloads = match recovery.segments.last() {
            Some(found) => found.segment.read(&again)?,
            None => Vec::new(),
        };
        let moves = again.iter().zip(payloads);
        let moves = moves.map(|(&(g, index, _), p)| Record::new(Kind::Moved, g, index, p));
        let moves: Vec<Record> = moves.collect();
        let proven = recovery.proven;
        let held =
            |Found { segment, end, last }| (segment.id, Held::new(segment, end, last.min(proven)));
        let mut storage = Storage {
            image: recovery.image,
            segments: recovery.segments.into_iter().map(held).collect(),
            config,
            disk,
            dir,
            active: 0,
            at: 0,
            sequence: recovery.sequence,
            durable: proven,
            settled: false,
            buffer: Vec::new(),
            moving: None,
            found: recovery.sequence,
            _lock: lock,
        };
        storage.write(&moves, &[], true)?;
        Ok(storage)
    }

    /// Writes and syncs a batch, moving entries out of a segment that is nearly dead if there
    /// is one. An error is final: nothing may be written afterwards.
    pub(crate) fn commit(&mut self, records: &[Record]) -> Result<Committed, Error> {
        let (mut own, origins) = self.next_moves()?;
        let dead = self.dead();
        own.extend(dead.iter().map(|id| Record::free(*id)));
        if records.is_empty() && own.is_empty() {
            return Ok(Committed { places: Vec::new(), moved: Vec::new(), opened: Vec::new() });
        }
        let only_marks = records.iter().all(|record| record.kind == Kind::Mark);
        let written = self.write(&own, records, false)?;
        self.settled = only_marks && own.is_empty();
        for id in dead {
            self.segments.entry(id).and_modify(|held| held.freed = true);
        }
        let moved = origins.into_iter().zip(written.own);
        let moved = moved.map(|((group, index, from), to)| (group, index, from, to)).collect();
        let opened = written.opened.into_iter().collect();
        Ok(Committed { places: written.records, moved, opened })
    }

    /// Deletes the segments that were freed.
    pub(crate) fn reap(&mut self) -> Result<Vec<u64>, Error> {
        let freed = self.segments.iter().filter(|(_, held)| held.freed);
        let freed: Vec<u64> = freed.map(|(id, _)| *id).collect();
        for id in &freed {
            if let Some(held) = self.segments.remove(id) {
                let path = &held.segment.path;
                self.disk.remove_file(path).map_err(Error::io("remove", path))?;
            }
        }
        if !freed.is_empty() {
            self.disk.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))?;
        }
        Ok(freed)
    }

    /// Sealed segments without live entries: each newer segment states all else they said.
    pub(crate) fn dead(&self) -> Vec<u64> {
        let sealed = self.segments.iter().filter(|(id, held)| **id != self.active && !held.freed);
        sealed.map(|(id, _)| *id).filter(|id| self.image.live_bytes(*id) == 0).collect()
    }

    /// Segment files and their bytes.
    pub(crate) fn files(&self) -> (usize, u64) {
        (self.segments.len(), self.segments.values().map(|held| held.bytes).sum())
    }

    /// Whether a segment can be deleted.
    pub(crate) fn has_freed(&self) -> bool {
        self.segments.values().any(|held| held.freed)
    }

    /// Whether a restart would find proof that all that was written had been synced.
    pub(crate) fn settled(&self) -> bool {
        self.settled
    }

    /// Sequence of the last frame synced.
    pub(crate) fn synced(&self) -> u64 {
        self.durable
    }

    pub(crate) fn active(&self) -> u64 {
        self.active
    }

    /// Writes and syncs a batch, the log's own records first, in a new segment if it is to be or
    /// if the active one has no room.
    fn write(&mut self, own: &[Record], records: &[Record], anew: bool) -> Result<Written, Error> {
        let bytes: u64 = own.iter().chain(records).map(Record::bytes).sum();
        let full = self.segments.get(&self.active).is_none_or(|held| self.at + bytes > held.bytes);
        let mut opening = Vec::new();
        let mut ready = None;
        let mut old = None;
        if anew || full {
            self.segments.entry(self.active).and_modify(|held| held.synced = self.durable);
            let synced = self.segments.iter().filter(|(_, held)| !held.freed);
            let synced = synced.map(|(id, held)| (*id, held.synced)).collect();
            opening.push(Record::begin(&Opening(synced)));
            opening.extend(self.image.checkpoint());
            let groups = opening.len() as u64 - 1;
            ready = Some(Record::new(Kind::Ready, 0, groups, Bytes::new()));
            let head: u64 = opening.iter().chain(&ready).map(Record::bytes).sum();
            old = Some((self.active, self.at));
            // A large checkpoint must not leave so little room that tidying never ends.
            self.create(head + bytes.max(self.config.segment_bytes))?;
        }
        // In a new segment what is moved is part of the preamble, which counts only as a whole:
        // entries that only it holds are not promised by a checkpoint without them.
        let frames: Vec<&Record> = opening.iter().chain(own).chain(&ready).chain(records).collect();
        let places = self.append(&frames)?;
        if let Some((id, end)) = old {
            self.disk.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))?;
            self.trim(id, end)?;
        }
        for (record, &at) in frames.iter().zip(&places) {
            if let Err(contradiction) = self.image.apply(record, at) {
                unreachable!("the view has checked what it submitted: {contradiction}");
            }
        }
        let opened = old.and_then(|_| self.segments.get(&self.active));
        let opened = opened.map(|held| held.segment.clone());
        Ok(Written {
            opened,
            own: places[opening.len()..][..own.len()].to_vec(),
            records: places[places.len() - records.len()..].to_vec(),
        })
    }

    /// Writes frames where the last batch ended, and syncs.
    fn append(&mut self, frames: &[&Record]) -> Result<Vec<Location>, Error> {
        let Some(held) = self.segments.get(&self.active) else { return Err(Error::Stopped) };
        let Segment { id, tag, ref path, ref file } = *held.segment;
        self.buffer.clear();
        let mut places = Vec::with_capacity(frames.len());
        for record in frames {
            self.sequence += 1;
            let offset = (self.at + self.buffer.len() as u64) as u32;
            places.push(Location { segment: id, offset, payload: record.payload.len() as u32 });
            let header = Header {
                tag,
                sequence: self.sequence,
                durable: self.durable,
                index: record.index,
                group: record.group,
                kind: record.kind as u8,
                slot: record.slot,
            };
            frame::encode(&mut self.buffer, &header, &record.payload);
        }
        file.write_all_at(&[IoSlice::new(&self.buffer)], self.at)
            .map_err(Error::io("write", path))?;
        let started = Instant::now();
        file.sync_data().map_err(Error::io("sync", path))?;
        metrics::histogram!("cairn_wal_sync_seconds").record(started.elapsed().as_secs_f64());
        metrics::counter!("cairn_wal_bytes_total").increment(self.buffer.len() as u64);
        self.durable = self.sequence;
        self.at += self.buffer.len() as u64;
        if self.buffer.capacity() > BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        Ok(places)
    }

    /// Makes a new file with room for `bytes` the active segment.
    fn create(&mut self, bytes: u64) -> Result<(), Error> {
        let (id, salt) = (self.sequence + 1, self.config.salt);
        let path = self.dir.join(file_name(id, salt));
        let file = self.disk.open(&path, Mode::CreateNew).map_err(Error::io("create", &path))?;
        file.allocate(bytes).map_err(Error::io("allocate", &path))?;
        let segment = Segment::new(&self.dir, id, salt, file);
        self.segments.insert(id, Held::new(segment, bytes, 0));
        (self.active, self.at) = (id, 0);
        Ok(())
    }

    /// Gives back what a sealed segment has not used. Not synced: zeros end a segment as well.
    fn trim(&mut self, id: u64, end: u64) -> Result<(), Error> {
        let Some(held) = self.segments.get_mut(&id) else { return Ok(()) };
        held.segment.file.set_len(end).map_err(Error::io("trim", &held.segment.path))?;
        held.bytes = end;
        Ok(())
    }
}

/// Removes what a crash left: segments that never became durable, and a torn tail. Syncs what
/// was read, because a process that died between write and sync leaves it in the cache only.
fn clean(disk: &dyn Disk, dir: &Path, recovery: &Recovery) -> Result<(), Error> {
    if let Some(Found { segment: Segment { path, file, .. }, end, .. }) = recovery.segments.last() {
        file.set_len(*end).map_err(Error::io("trim", path))?;
        file.sync_data().map_err(Error::io("sync", path))?;
    }
    for path in &recovery.void {
        disk.remove_file(path).map_err(Error::io("remove", path))?;
    }
    disk.sync_dir(dir).map_err(Error::io("sync", dir))
}
