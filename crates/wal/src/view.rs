//! What callers see: every accepted call, whether or not it is on disk yet.

use crate::error::Error;
use crate::image::{Image, Location};
use crate::record::{Kind, Record};
use crate::segment::Segment;
use crate::wal::Entry;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// Counted for each cached payload on top of its bytes, so that the queue of small ones is
/// bounded as well.
const CACHE_OVERHEAD: usize = 128;

/// The visible state of all groups.
pub(crate) struct View {
    logs: BTreeMap<u32, Log>,
    segments: BTreeMap<u64, Arc<Segment>>,
    /// Cached entries in the order they became durable; what is gone meanwhile still counts.
    cached: VecDeque<(u32, u64, Location)>,
    cached_bytes: usize,
    cache_bytes: usize,
}

/// One group.
#[derive(Default)]
struct Log {
    purged: Option<(u64, Bytes)>,
    registers: BTreeMap<u8, Bytes>,
    /// Index of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
    /// Payload bytes of the group before the first slot, see [`Slot::end`].
    base: u64,
}

struct Slot {
    /// Payload bytes of the group up to and with this entry, counted from some origin.
    end: u64,
    state: State,
}

enum State {
    /// In the queue, as part of the call with this number.
    Pending(u64, Bytes),
    Stored(Location, Option<Bytes>),
}

/// An entry of a read: in memory, or where to find it.
pub(crate) enum Piece {
    Memory(Entry),
    Disk(u64, Location, Arc<Segment>),
}

impl View {
    pub(crate) fn new(
        image: &Image,
        segments: impl Iterator<Item = Arc<Segment>>,
        cache_bytes: usize,
    ) -> View {
        let logs = image.groups.iter().map(|(&id, group)| {
            let summary = &group.summary;
            let mut log = Log {
                purged: summary.purged.clone(),
                registers: summary.registers.clone(),
                first: summary.bounds.map_or(0, |(first, _)| first),
                ..Log::default()
            };
            for at in group.entries.values() {
                log.push(at.payload as usize, State::Stored(*at, None));
            }
            (id, log)
        });
        View {
            logs: logs.collect(),
            segments: segments.map(|segment| (segment.id, segment)).collect(),
            cached: VecDeque::new(),
            cached_bytes: 0,
            cache_bytes,
        }
    }

    /// Adds entries as part of call `number`.
    pub(crate) fn append(
        &mut self,
        group: u32,
        entries: Vec<Entry>,
        number: u64,
    ) -> Result<Vec<Record>, Error> {
        let Some(start) = entries.first().map(|entry| entry.index) else { return Ok(Vec::new()) };
        let log = self.logs.get(&group);
        let start = log.and_then(Log::next).unwrap_or(start);
        for (entry, expected) in entries.iter().zip(start..) {
            if entry.index != expected || entry.index == u64::MAX {
                return Err(Error::Gap { group, expected, found: entry.index });
            }
        }
        let log = self.logs.entry(group).or_default();
        if log.slots.is_empty() {
            log.first = start;
        }
        let record = |Entry { index, payload }: Entry| {
            log.push(payload.len(), State::Pending(number, payload.clone()));
            Record::new(Kind::Entry, group, index, payload)
        };
        Ok(entries.into_iter().map(record).collect())
    }

    /// Removes entries from an index on.
    pub(crate) fn truncate(&mut self, group: u32, from: u64) -> Vec<Record> {
        let Some(log) = self.logs.get_mut(&group) else { return Vec::new() };
        let keep = from.saturating_sub(log.first) as usize;
        if keep >= log.slots.len() {
            return Vec::new();
        }
        log.slots.truncate(keep);
        vec![Record::new(Kind::Truncate, group, from, Bytes::new())]
    }

    /// Removes entries up to an index.
    pub(crate) fn purge(&mut self, group: u32, upto: u64, marker: Bytes) -> Vec<Record> {
        let log = self.logs.entry(group).or_default();
        if log.purged.as_ref().is_some_and(|(purged, _)| *purged >= upto) {
            return Vec::new();
        }
        while log.first <= upto
            && let Some(slot) = log.slots.pop_front()
        {
            log.first += 1;
            log.base = slot.end;
        }
        log.purged = Some((upto, marker.clone()));
        vec![Record::new(Kind::Purge, group, upto, marker)]
    }

    pub(crate) fn put(&mut self, group: u32, slot: u8, value: Bytes) -> Vec<Record> {
        self.logs.entry(group).or_default().registers.insert(slot, value.clone());
        vec![Record::put(group, slot, value)]
    }

    pub(crate) fn drop_group(&mut self, group: u32) -> Vec<Record> {
        let known = self.logs.remove(&group).map(|_| ());
        known.map(|()| Record::new(Kind::Drop, group, 0, Bytes::new())).into_iter().collect()
    }

    pub(crate) fn get(&self, group: u32, slot: u8) -> Option<Bytes> {
        self.logs.get(&group)?.registers.get(&slot).cloned()
    }

    pub(crate) fn bounds(&self, group: u32) -> Option<(u64, u64)> {
        self.logs.get(&group)?.bounds()
    }

    pub(crate) fn purged(&self, group: u32) -> Option<(u64, Bytes)> {
        self.logs.get(&group)?.purged.clone()
    }

    pub(crate) fn groups(&self) -> Vec<u32> {
        let known = self.logs.iter().filter(|(_, log)| {
            log.purged.is_some() || !log.slots.is_empty() || !log.registers.is_empty()
        });
        known.map(|(&id, _)| id).collect()
    }

    pub(crate) fn bytes_after(&self, group: u32, index: u64) -> u64 {
        let Some(log) = self.logs.get(&group) else { return 0 };
        let total = log.slots.back().map_or(log.base, |slot| slot.end);
        let before = match index.checked_sub(log.first) {
            Some(at) => log.slots.get(at as usize).map_or(total, |slot| slot.end),
            None => log.base,
        };
        total - before
    }

    /// The entries of a range that exist, until their payloads exceed `max_bytes`.
    pub(crate) fn plan(&self, group: u32, range: Range<u64>, max_bytes: usize) -> Vec<Piece> {
        let Some(log) = self.logs.get(&group) else { return Vec::new() };
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        let start = range.start.max(log.first);
        let skip = (start - log.first).min(log.slots.len() as u64) as usize;
        for (index, slot) in (start..range.end).zip(log.slots.range(skip..)) {
            let (length, piece) = match &slot.state {
                State::Pending(_, payload) | State::Stored(_, Some(payload)) => {
                    let payload = payload.clone();
                    (payload.len(), Piece::Memory(Entry { index, payload }))
                }
                State::Stored(at, None) => {
                    let Some(segment) = self.segments.get(&at.segment) else { break };
                    (at.payload as usize, Piece::Disk(index, *at, segment.clone()))
                }
            };
            bytes += length;
            if bytes > max_bytes && !pieces.is_empty() {
                break;
            }
            pieces.push(piece);
        }
        pieces
    }

    pub(crate) fn opened(&mut self, segment: Arc<Segment>) {
        self.segments.insert(segment.id, segment);
    }

    pub(crate) fn reaped(&mut self, id: u64) {
        self.segments.remove(&id);
    }

    /// An entry of call `number` is on disk.
    pub(crate) fn stored(&mut self, group: u32, index: u64, number: u64, at: Location) {
        let Some(slot) = self.slot(group, index) else { return };
        // The index may have been truncated and appended again since.
        let State::Pending(pending, payload) = &slot.state else { return };
        if *pending == number {
            slot.state = State::Stored(at, Some(payload.clone()));
            self.cached.push_back((group, index, at));
            self.cached_bytes += at.payload as usize + CACHE_OVERHEAD;
            self.evict();
        }
    }

    /// An entry has been written again.
    pub(crate) fn moved(&mut self, group: u32, index: u64, from: Location, to: Location) {
        if let Some(Slot { state: State::Stored(at, _), .. }) = self.slot(group, index)
            && *at == from
        {
            *at = to;
        }
    }

    fn evict(&mut self) {
        while self.cached_bytes > self.cache_bytes
            && let Some((group, index, at)) = self.cached.pop_front()
        {
            self.cached_bytes -= at.payload as usize + CACHE_OVERHEAD;
            // If the index was appended again its payload leaves early, which does no harm.
            if let Some(Slot { state: State::Stored(_, cached), .. }) = self.slot(group, index) {
                *cached = None;
            }
        }
    }

    fn slot(&mut self, group: u32, index: u64) -> Option<&mut Slot> {
        let log = self.logs.get_mut(&group)?;
        let at = index.checked_sub(log.first)?;
        log.slots.get_mut(usize::try_from(at).ok()?)
    }
}

impl Log {
    fn push(&mut self, bytes: usize, state: State) {
        let before = self.slots.back().map_or(self.base, |slot| slot.end);
        self.slots.push_back(Slot { end: before + bytes as u64, state });
    }

    fn bounds(&self) -> Option<(u64, u64)> {
        let last = self.first + (self.slots.len() as u64).checked_sub(1)?;
        Some((self.first, last))
    }

    /// The index that continues the log; `None` if any does.
    fn next(&self) -> Option<u64> {
        let purged = self.purged.as_ref().map(|(purged, _)| *purged);
        self.bounds().map(|(_, last)| last).or(purged).map(|last| last + 1)
    }
}
