//! What a log should hold, kept as plainly as can be.

use bytes::Bytes;
use std::collections::BTreeMap;
use wal::Wal;

/// Registers that the tests use.
pub const SLOTS: u8 = 3;

#[derive(Debug, Clone)]
pub enum Step {
    Entry(u32, u64, Bytes),
    Truncate(u32, u64),
    Purge(u32, u64, Bytes),
    Put(u32, u8, Bytes),
    Drop(u32),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    pub purged: Option<(u64, Bytes)>,
    pub entries: BTreeMap<u64, Bytes>,
    pub registers: BTreeMap<u8, Bytes>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model(pub BTreeMap<u32, Group>);

impl Model {
    pub fn apply(&mut self, step: &Step) {
        match step.clone() {
            Step::Entry(group, index, payload) => {
                self.group(group).entries.insert(index, payload);
            }
            Step::Truncate(group, from) => self.group(group).entries.retain(|i, _| *i < from),
            Step::Purge(group, upto, marker) => {
                let group = self.group(group);
                if group.purged.as_ref().is_none_or(|(purged, _)| *purged < upto) {
                    group.entries.retain(|index, _| *index > upto);
                    group.purged = Some((upto, marker));
                }
            }
            Step::Put(group, slot, value) => {
                self.group(group).registers.insert(slot, value);
            }
            Step::Drop(group) => {
                self.0.remove(&group);
            }
        }
        self.0.retain(|_, group| *group != Group::default());
    }

    /// The index that continues a group.
    pub fn next(&self, group: u32) -> u64 {
        let Some(group) = self.0.get(&group) else { return 1 };
        let purged = group.purged.as_ref().map(|(purged, _)| *purged);
        group.entries.keys().next_back().copied().or(purged).map_or(1, |last| last + 1)
    }

    fn group(&mut self, group: u32) -> &mut Group {
        self.0.entry(group).or_default()
    }
}

/// What a log shows, and that its ways of showing it agree.
pub async fn observe(wal: &Wal) -> Result<Model, wal::Error> {
    let mut model = Model::default();
    for id in wal.groups() {
        let mut group = Group { purged: wal.purged(id), ..Group::default() };
        for slot in 0..SLOTS {
            group.registers.extend(wal.get(id, slot).map(|value| (slot, value)));
        }
        let entries = wal.entries(id, 0..u64::MAX, usize::MAX).await?;
        let bounds = entries.first().zip(entries.last()).map(|(a, b)| (a.index, b.index));
        assert_eq!(wal.bounds(id), bounds);
        let after = bounds.map_or(0, |(first, last)| first + (last - first) / 2);
        let bytes: usize =
            entries.iter().filter(|e| e.index > after).map(|e| e.payload.len()).sum();
        assert_eq!(wal.bytes_after(id, after), bytes as u64);
        group.entries = entries.into_iter().map(|e| (e.index, e.payload)).collect();
        model.0.insert(id, group);
    }
    Ok(model)
}
