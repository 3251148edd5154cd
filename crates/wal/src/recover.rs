//! Reading the log back: every segment in order, and the verdict on what cannot be read.
//!
//! A frame that cannot be read was either being written when the power went, and then nobody
//! was told that it is durable, or it has rotted. Frames tell which: each says up to which
//! sequence everything had been synced before it was written, and each segment says so of every
//! segment before it. What has been synced and cannot be read keeps the log from being opened;
//! otherwise the segment ends there.

use crate::error::Error;
use crate::frame::{self, Header, frame_bytes};
use crate::image::{Image, Location};
use crate::record::{Kind, Opening, Record, VERSION};
use crate::segment::{Segment, parse_name};
use disk::{Disk, Mode};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// A segment with content.
pub(crate) struct Found {
    pub segment: Segment,
    /// Where its content ends.
    pub end: u64,
    /// Sequence of its last frame.
    pub last: u64,
}

/// What reading the log has found. Nothing has been changed yet.
#[derive(Default)]
pub(crate) struct Recovery {
    pub image: Image,
    /// In order.
    pub segments: Vec<Found>,
    /// Segments whose first batch never became durable.
    pub void: Vec<PathBuf>,
    /// Largest sequence or segment id seen.
    pub sequence: u64,
    /// Largest sequence that a later frame says was synced.
    pub proven: u64,
    /// Frames of the last of `segments` that nothing proves: sequence and offset.
    unproven: VecDeque<(u64, u64)>,
    /// Segments that the last of `segments` needs.
    needed: BTreeSet<u64>,
}

/// Reads the log in `dir`.
pub(crate) fn recover(disk: &dyn Disk, dir: &Path) -> Result<Recovery, Error> {
    let mut recovery = Recovery::default();
    let segments = list(disk, dir)?;
    let synced = synced(&segments)?;
    for segment in segments {
        let bytes = load(&segment)?;
        let stop = recovery.walk(&segment, &bytes)?;
        let mut later = frame::scan(&bytes, stop.offset, segment.tag);
        let proof = match later.find(|(_, header)| header.durable >= stop.sequence) {
            Some((at, _)) => Some(format!("the frame at byte {at}")),
            None => (synced.get(&segment.id) >= Some(&stop.sequence))
                .then(|| "a later segment".to_string()),
        };
        if let Some(proof) = proof {
            let why = format!("{}, but {proof} says that it had been synced", stop.why);
            return Err(Error::quarantine(&segment.path, stop.offset as u64, why));
        }
        if recovery.image.abandon_preamble() || stop.offset == 0 {
            recovery.void.push(segment.path);
        } else {
            recovery.unproven = stop.unproven;
            recovery.needed = stop.needed;
            let (end, last) = (stop.offset as u64, stop.sequence - 1);
            recovery.segments.push(Found { segment, end, last });
        }
    }
    recovery.complete(dir)?;
    Ok(recovery)
}

/// Where the readable part of a segment stops.
struct Stop {
    offset: usize,
    /// The sequence that was expected there.
    sequence: u64,
    why: String,
    unproven: VecDeque<(u64, u64)>,
    needed: BTreeSet<u64>,
}

impl Recovery {
    /// Whether nothing is missing as a whole.
    fn complete(&self, dir: &Path) -> Result<(), Error> {
        let present: BTreeSet<u64> = self.segments.iter().map(|f| f.segment.id).collect();
        if let Some(id) = self.needed.difference(&present).next() {
            return Err(Error::quarantine(dir, 0, format!("segment {id:016x} is missing")));
        }
        self.image.complete().map_err(|e| Error::quarantine(dir, 0, e.to_string()))
    }

    /// The entries in frames that nothing proves to have been synced. They may have been read
    /// from a cache whose pages never reached the disk, so a new start writes them again.
    pub(crate) fn unproven_entries(&self) -> Vec<(u32, u64, Location)> {
        let Some(Found { segment, .. }) = self.segments.last() else { return Vec::new() };
        let unproven = self.unproven.iter().find(|(sequence, _)| *sequence > self.proven);
        let Some(&(_, from)) = unproven else { return Vec::new() };
        let live = self.image.live_entries(segment.id).into_iter();
        live.filter_map(|(group, index)| Some((group, index, self.image.location(group, index)?)))
            .filter(|(_, _, at)| u64::from(at.offset) >= from)
            .collect()
    }

    /// Applies the frames of a segment until one cannot be read.
    fn walk(&mut self, segment: &Segment, bytes: &[u8]) -> Result<Stop, Error> {
        let (mut unproven, mut needed) = (VecDeque::new(), BTreeSet::new());
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
            self.take(segment, offset, &header, payload, &mut needed)?;
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
        Ok(Stop { offset, sequence, why, unproven, needed })
    }

    /// Applies one frame.
    fn take(
        &mut self,
        segment: &Segment,
        offset: usize,
        header: &Header,
        payload: &[u8],
        needed: &mut BTreeSet<u64>,
    ) -> Result<(), Error> {
        let broken = |why: String| Error::quarantine(&segment.path, offset as u64, why);
        let Some(kind) = Kind::from_byte(header.kind) else {
            return Err(broken(format!("the frame is of the unknown kind {}", header.kind)));
        };
        if (kind == Kind::Begin) != (offset == 0) {
            return Err(broken("the segment does not begin as one".into()));
        }
        match kind {
            Kind::Begin if header.index != VERSION => {
                return Err(Error::Version { file: segment.path.clone(), version: header.index });
            }
            Kind::Begin => {
                let opening = Opening::decode(payload);
                let opening = opening.ok_or_else(|| broken("the opening is unreadable".into()))?;
                needed.extend(opening.0.into_keys());
            }
            Kind::Free => drop(needed.remove(&header.index)),
            _ => {}
        }
        let Header { group, slot, index, .. } = *header;
        let at =
            Location { segment: segment.id, offset: offset as u32, payload: payload.len() as u32 };
        let record = Record { kind, group, slot, index, payload };
        self.image.apply(&record, at).map_err(|e| broken(e.to_string()))
    }
}

/// Up to which sequence later segments say that the frames of each segment were synced.
fn synced(segments: &[Segment]) -> Result<BTreeMap<u64, u64>, Error> {
    let mut synced = BTreeMap::new();
    let mut claim = |id, sequence: u64| {
        let known: &mut u64 = synced.entry(id).or_default();
        *known = sequence.max(*known);
    };
    let mut previous = None;
    for segment in segments {
        let bytes = head(segment)?;
        match frame::decode(&bytes, segment.tag) {
            Ok((_, payload)) => {
                let opening = Opening::decode(payload).unwrap_or_default();
                opening.0.into_iter().for_each(|(id, sequence)| claim(id, sequence));
            }
            // Without its first frame it is void or damaged. Any other frame of its first batch
            // still speaks for the segment that was written before.
            Err(_) => {
                let first = frame::scan(&load(segment)?, 0, segment.tag).next();
                if let (Some((_, header)), Some(id)) = (first, previous) {
                    claim(id, header.durable);
                }
            }
        }
        previous = Some(segment.id);
    }
    Ok(synced)
}

/// The first frame of a segment, if it is there, and maybe more.
fn head(segment: &Segment) -> Result<Vec<u8>, Error> {
    const USUAL_BYTES: usize = 4096;
    let mut bytes = vec![0; USUAL_BYTES];
    let read = segment.file.read_at(&mut bytes, 0).map_err(Error::io("read", &segment.path))?;
    bytes.truncate(read);
    match frame::decode(&bytes, segment.tag) {
        Err(frame::Fault::Short) => load(segment),
        _ => Ok(bytes),
    }
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
