//! What the frames of the log, read in order, amount to. Pure: recovery and the writer feed the
//! same function, so that what a restart will find is what the writer believes.

use crate::frame::frame_bytes;
use crate::record::{Kind, Record, Summary};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Where an entry's frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    /// Id of the segment.
    pub segment: u64,
    /// Where the frame begins; segments are smaller than 4 GiB.
    pub offset: u32,
    /// Bytes of the payload.
    pub payload: u32,
}

impl Location {
    pub(crate) fn frame_bytes(&self) -> u64 {
        frame_bytes(self.payload as usize)
    }
}

/// A group: its summary, which every checkpoint repeats, and where its entries are.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub summary: Summary,
    /// While the log is replayed an index within the bounds may be missing: its entry was moved
    /// and comes later. In the end all are there, see [`Image::complete`].
    pub entries: BTreeMap<u64, Location>,
}

/// The state of the log after its last frame.
#[derive(Debug, Default)]
pub(crate) struct Image {
    pub groups: BTreeMap<u32, Group>,
    /// Bytes of live entries by segment; a segment without any is dead.
    live: BTreeMap<u64, u64>,
    preamble: Option<Preamble>,
}

/// A preamble counts only as a whole, so it waits here for its last frame.
#[derive(Debug, Default)]
struct Preamble {
    groups: BTreeMap<u32, Summary>,
    moved: Vec<(u32, u64, Location)>,
}

/// A frame that cannot follow what came before it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Contradiction(String);

fn contradiction<T>(why: impl Into<String>) -> Result<T, Contradiction> {
    Err(Contradiction(why.into()))
}

impl Image {
    /// Applies the frame of `record` that was found or written at `at`.
    pub(crate) fn apply(
        &mut self,
        record: &Record<impl AsRef<[u8]>>,
        at: Location,
    ) -> Result<(), Contradiction> {
        let Record { kind, group, slot, index, ref payload } = *record;
        let payload = payload.as_ref();
        if self.preamble.is_some() != matches!(kind, Kind::Group | Kind::Ready)
            && !matches!(kind, Kind::Begin | Kind::Moved | Kind::Free)
        {
            return contradiction(format!("a {kind:?} frame at the wrong side of the preamble"));
        }
        match kind {
            Kind::Begin => self.preamble = Some(Preamble::default()),
            Kind::Group => return self.summarize(group, payload),
            Kind::Ready => return self.ready(index),
            Kind::Entry => return self.entry(group, index, at),
            Kind::Moved => match &mut self.preamble {
                Some(preamble) => preamble.moved.push((group, index, at)),
                None => return self.moved(group, index, at),
            },
            Kind::Truncate => self.truncate(group, index),
            Kind::Purge => self.purge(group, index, Bytes::copy_from_slice(payload)),
            Kind::Put => {
                let registers = &mut self.groups.entry(group).or_default().summary.registers;
                registers.insert(slot, Bytes::copy_from_slice(payload));
            }
            Kind::Drop => self.drop_group(group),
            Kind::Mark | Kind::Free => {}
        }
        Ok(())
    }

    /// Forgets a preamble that was not finished; whether there was one.
    pub(crate) fn abandon_preamble(&mut self) -> bool {
        self.preamble.take().is_some()
    }

    /// The frames that state every group's summary.
    pub(crate) fn checkpoint(&self) -> Vec<Record> {
        self.groups
            .iter()
            .map(|(&id, group)| Record::new(Kind::Group, id, 0, group.summary.encode()))
            .collect()
    }

    /// Bytes of live entries in a segment.
    pub(crate) fn live_bytes(&self, segment: u64) -> u64 {
        self.live.get(&segment).copied().unwrap_or(0)
    }

    /// The live entries of a segment.
    pub(crate) fn live_entries(&self, segment: u64) -> Vec<(u32, u64)> {
        let groups = self.groups.iter();
        groups
            .flat_map(|(&id, group)| group.entries.iter().map(move |(&index, at)| (id, index, at)))
            .filter(|(_, _, at)| at.segment == segment)
            .map(|(id, index, _)| (id, index))
            .collect()
    }

    /// Where an entry is.
    pub(crate) fn location(&self, group: u32, index: u64) -> Option<Location> {
        self.groups.get(&group)?.entries.get(&index).copied()
    }

    /// Whether every entry that the bounds promise was found.
    pub(crate) fn complete(&self) -> Result<(), Contradiction> {
        for (id, group) in &self.groups {
            let Some((first, last)) = group.summary.bounds else { continue };
            let mut expected = first;
            for &index in group.entries.keys() {
                if index != expected {
                    break;
                }
                expected += 1;
            }
            if expected <= last {
                return contradiction(format!("entry {expected} of group {id} is missing"));
            }
        }
        Ok(())
    }

    fn summarize(&mut self, group: u32, payload: &[u8]) -> Result<(), Contradiction> {
        let Some(summary) = Summary::decode(payload) else {
            return contradiction(format!("the checkpoint of group {group} cannot be read"));
        };
        if let Some(preamble) = &mut self.preamble {
            preamble.groups.insert(group, summary);
        }
        Ok(())
    }

    fn ready(&mut self, groups: u64) -> Result<(), Contradiction> {
        let Preamble { groups: summaries, moved } = self.preamble.take().unwrap_or_default();
        if summaries.len() as u64 != groups {
            return contradiction(format!("the checkpoint has {} groups", summaries.len()));
        }
        let gone: Vec<u32> =
            self.groups.keys().filter(|id| !summaries.contains_key(id)).copied().collect();
        for id in gone {
            self.drop_group(id);
        }
        for (id, summary) in summaries {
            match summary.bounds {
                Some((first, last)) => {
                    self.remove_from(id, last.saturating_add(1));
                    self.remove_below(id, first);
                }
                None => self.remove_from(id, 0),
            }
            self.groups.entry(id).or_default().summary = summary;
        }
        moved.into_iter().try_for_each(|(group, index, at)| self.moved(group, index, at))
    }

    fn entry(&mut self, id: u32, index: u64, at: Location) -> Result<(), Contradiction> {
        let group = self.groups.entry(id).or_default();
        let summary = &mut group.summary;
        let expected = match (&summary.bounds, &summary.purged) {
            (Some((_, last)), _) => last + 1,
            (None, Some((purged, _))) => purged + 1,
            (None, None) => index,
        };
        if index != expected {
            return contradiction(format!("entry {index} of group {id} follows {expected} - 1"));
        }
        summary.bounds = Some((summary.bounds.map_or(index, |(first, _)| first), index));
        self.insert(id, index, at);
        Ok(())
    }

    fn moved(&mut self, id: u32, index: u64, at: Location) -> Result<(), Contradiction> {
        let bounds = self.groups.get(&id).and_then(|group| group.summary.bounds);
        if !bounds.is_some_and(|(first, last)| first <= index && index <= last) {
            return contradiction(format!("moved entry {index} of group {id} was not live"));
        }
        self.insert(id, index, at);
        Ok(())
    }

    fn insert(&mut self, id: u32, index: u64, at: Location) {
        *self.live.entry(at.segment).or_default() += at.frame_bytes();
        let group = self.groups.entry(id).or_default();
        if let Some(old) = group.entries.insert(index, at) {
            self.release(old);
        }
    }

    fn truncate(&mut self, id: u32, from: u64) {
        self.remove_from(id, from);
        if let Some(group) = self.groups.get_mut(&id) {
            let bounds = group.summary.bounds.filter(|&(first, _)| first < from);
            group.summary.bounds = bounds.map(|(first, last)| (first, last.min(from - 1)));
        }
    }

    fn purge(&mut self, id: u32, upto: u64, marker: Bytes) {
        self.remove_below(id, upto.saturating_add(1));
        let summary = &mut self.groups.entry(id).or_default().summary;
        let bounds = summary.bounds.filter(|&(_, last)| last > upto);
        summary.bounds = bounds.map(|(first, last)| (first.max(upto + 1), last));
        summary.purged = Some((upto, marker));
    }

    fn drop_group(&mut self, id: u32) {
        self.remove_from(id, 0);
        self.groups.remove(&id);
    }

    fn remove_from(&mut self, id: u32, from: u64) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let removed = group.entries.split_off(&from);
        removed.into_values().for_each(|at| self.release(at));
    }

    fn remove_below(&mut self, id: u32, to: u64) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let kept = group.entries.split_off(&to);
        let removed = std::mem::replace(&mut group.entries, kept);
        removed.into_values().for_each(|at| self.release(at));
    }

    fn release(&mut self, at: Location) {
        if let Some(live) = self.live.get_mut(&at.segment) {
            *live -= at.frame_bytes();
            if *live == 0 {
                self.live.remove(&at.segment);
            }
        }
    }
}
