//! Reading the log back: every segment in order, and the verdict on what cannot be read.
//!
//! A frame that cannot be read was either being written when the power went, and then nobody
//! was told that it is durable, or it has rotted. Frames tell which: each says up to which
//! sequence everything had been synced before it was written. If any later frame says so of the
//! bad one, it has rotted and the log is not opened; otherwise the segment ends there.

use crate::error::Error;
use crate::frame::{self, HEADER_BYTES, Header, frame_bytes};
use crate::image::{Image, Location};
use crate::record::{Kind, MAGIC, Record, VERSION};
use crate::segment::{Segment, parse_name};
use disk::{Disk, Mode};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

/// What reading the log has found. Nothing has been changed yet.
#[derive(Default)]
pub(crate) struct Recovery {
    pub image: Image,
    /// Segments with content, in order, and where it ends.
    pub segments: Vec<(Segment, u64)>,
    /// Segments whose first batch never became durable.
    pub void: Vec<PathBuf>,
    /// Largest sequence or segment id seen.
    pub sequence: u64,
    /// Largest sequence that a later frame says was synced.
    pub proven: u64,
    /// Frames of the last of `segments` that nothing proves: sequence and offset.
    unproven: VecDeque<(u64, u64)>,
}

/// Reads the log in `dir`.
pub(crate) fn recover(disk: &dyn Disk, dir: &Path) -> Result<Recovery, Error> {
    let mut recovery = Recovery::default();
    let mut segments = list(disk, dir)?.into_iter().peekable();
    while let Some(segment) = segments.next() {
        let bytes = load(&segment)?;
        let stop = recovery.walk(&segment, &bytes)?;
        if let Some(proof) = proof(&segment, &bytes, &stop, segments.peek())? {
            let why = format!("{}, but {proof} says that it had been synced", stop.why);
            return Err(Error::quarantine(&segment.path, stop.offset as u64, why));
        }
        if recovery.image.abandon_preamble() || stop.offset == 0 {
            recovery.void.push(segment.path);
        } else {
            recovery.unproven = stop.unproven;
            recovery.segments.push((segment, stop.offset as u64));
        }
    }
    recovery.image.complete().map_err(|e| Error::quarantine(dir, 0, e.to_string()))?;
    Ok(recovery)
}

/// Where the readable part of a segment stops.
struct Stop {
    offset: usize,
    /// The sequence that was expected there.
    sequence: u64,
    why: String,
    unproven: VecDeque<(u64, u64)>,
}

impl Recovery {
    /// The entries in frames that nothing proves to have been synced. They may have been read
    /// from a cache whose pages never reached the disk, so a new start writes them again.
    pub(crate) fn unproven_entries(&self) -> Vec<(u32, u64, Location)> {
        let Some((segment, _)) = self.segments.last() else { return Vec::new() };
        let unproven = self.unproven.iter().find(|(sequence, _)| *sequence > self.proven);
        let Some(&(_, from)) = unproven else { return Vec::new() };
        let live = self.image.live_entries(segment.id).into_iter();
        live.filter_map(|(group, index)| Some((group, index, self.image.location(group, index)?)))
            .filter(|(_, _, at)| u64::from(at.offset) >= from)
            .collect()
    }

    /// Applies the frames of a segment until one cannot be read.
    fn walk(&mut self, segment: &Segment, bytes: &[u8]) -> Result<Stop, Error> {
        let mut unproven = VecDeque::new();
        let (mut offset, mut sequence) = (0, segment.id);
        self.sequence = self.sequence.max(segment.id);
        let why = loop {
            let (header, payload) = match frame::decode(&bytes[offset..], segment.tag) {
                Ok((header, _)) if header.sequence != sequence => {
                    break format!("the frame has sequence {}", header.sequence);
                }
                Ok(frame) => frame,
                Err(fault) => break fault.to_string(),
            };
            self.take(segment, offset, &header, payload)?;
            self.sequence = self.sequence.max(sequence);
            self.proven = self.proven.max(header.durable);
            unproven.push_back((sequence, offset as u64));
            while unproven.front().is_some_and(|(sequence, _)| *sequence <= header.durable) {
                unproven.pop_front();
            }
            // The padding of the last frame may be cut off.
            offset = (offset + frame_bytes(payload.len()) as usize).min(bytes.len());
            sequence += 1;
        };
        Ok(Stop { offset, sequence, why, unproven })
    }

    /// Applies one frame.
    fn take(
        &mut self,
        segment: &Segment,
        offset: usize,
        header: &Header,
        payload: &[u8],
    ) -> Result<(), Error> {
        let broken = |why: String| Error::quarantine(&segment.path, offset as u64, why);
        let Some(kind) = Kind::from_byte(header.kind) else {
            return Err(broken(format!("the frame is of the unknown kind {}", header.kind)));
        };
        if (kind == Kind::Begin) != (offset == 0) || kind == Kind::Begin && payload != MAGIC {
            return Err(broken("the segment does not begin as one".into()));
        }
        if kind == Kind::Begin && header.index != VERSION {
            return Err(Error::Version { file: segment.path.clone(), version: header.index });
        }
        let Header { group, slot, index, .. } = *header;
        let at =
            Location { segment: segment.id, offset: offset as u32, payload: payload.len() as u32 };
        let record = Record { kind, group, slot, index, payload };
        self.image.apply(&record, at).map_err(|e| broken(e.to_string()))
    }
}

/// What says that the frame missing at `stop` had been synced: a later frame of its segment, or
/// the next segment, which is begun only when all before it is synced.
fn proof(
    segment: &Segment,
    bytes: &[u8],
    stop: &Stop,
    next: Option<&Segment>,
) -> Result<Option<String>, Error> {
    let mut later = frame::scan(bytes, stop.offset, segment.tag);
    if let Some((at, _)) = later.find(|(_, header)| header.durable >= stop.sequence) {
        return Ok(Some(format!("the frame at byte {at}")));
    }
    let Some(next) = next else { return Ok(None) };
    let claim = opening_claim(next)?;
    Ok((claim >= Some(stop.sequence)).then(|| format!("segment {:016x}", next.id)))
}

/// What a segment's first batch says was synced before it.
fn opening_claim(segment: &Segment) -> Result<Option<u64>, Error> {
    let mut first = [0; HEADER_BYTES + MAGIC.len()];
    let read = segment.file.read_at(&mut first, 0).map_err(Error::io("read", &segment.path))?;
    if let Ok((header, _)) = frame::decode(&first[..read], segment.tag) {
        return Ok(Some(header.durable));
    }
    // The frames of one batch all say the same.
    Ok(frame::scan(&load(segment)?, 0, segment.tag).next().map(|(_, header)| header.durable))
}

/// The segments in a directory, in the order of the log.
fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<Segment>, Error> {
    let mut segments = BTreeMap::new();
    for entry in disk.read_dir(dir).map_err(Error::io("list", dir))? {
        let Some((id, salt)) = parse_name(&entry.name) else { continue };
        let path = dir.join(&entry.name);
        let file = disk.open(&path, Mode::ReadWrite).map_err(Error::io("open", &path))?;
        if segments.insert(id, Segment::new(dir, id, salt, file)).is_some() {
            return Err(Error::quarantine(&path, 0, "another segment begins at this sequence"));
        }
    }
    Ok(segments.into_values().collect())
}

fn load(segment: &Segment) -> Result<Vec<u8>, Error> {
    let length = segment.file.len().map_err(Error::io("measure", &segment.path))?;
    if length > u64::from(u32::MAX) {
        return Err(Error::quarantine(&segment.path, length, "no segment is that long"));
    }
    let mut bytes = vec![0; length as usize];
    let read = segment.file.read_at(&mut bytes, 0).map_err(Error::io("read", &segment.path))?;
    bytes.truncate(read);
    Ok(bytes)
}
