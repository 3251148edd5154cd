//! What a frame says: its kind and its fields by meaning. Pure.

use crate::frame::frame_bytes;
use bytes::{Buf, BufMut, Bytes};
use std::collections::BTreeMap;

/// Format of the segments written.
pub(crate) const VERSION: u64 = 1;
/// Start of the payload of a [`Kind::Begin`] frame, so that a hex dump tells what the file is.
const MAGIC: &[u8] = b"CAIRNWAL";

/// The kinds of frames; the numbers are permanent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// First frame of a segment. Index: format version. Payload: [`Opening`].
    Begin = 1,
    /// Checkpoint of one group. Payload: [`Summary`].
    Group = 2,
    /// End of the preamble. Index: how many groups the checkpoint has.
    Ready = 3,
    /// A new last entry of a group.
    Entry = 4,
    /// A live entry, written again so that an older segment can go.
    Moved = 5,
    /// Entries from the index on are gone.
    Truncate = 6,
    /// Entries up to the index are gone. Payload: the marker.
    Purge = 7,
    /// A register's value.
    Put = 8,
    /// All of a group is gone.
    Drop = 9,
    /// Nothing but its own durable sequence.
    Mark = 10,
    /// An older segment is going to be deleted. Index: its id.
    Free = 11,
}

impl Kind {
    pub(crate) fn from_byte(byte: u8) -> Option<Kind> {
        use Kind::*;
        [Begin, Group, Ready, Entry, Moved, Truncate, Purge, Put, Drop, Mark, Free]
            .into_iter()
            .find(|&kind| kind as u8 == byte)
    }
}

/// A frame before it has a place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record<P = Bytes> {
    pub kind: Kind,
    pub group: u32,
    pub slot: u8,
    pub index: u64,
    pub payload: P,
}

impl Record {
    pub(crate) fn new(kind: Kind, group: u32, index: u64, payload: Bytes) -> Record {
        Record { kind, group, slot: 0, index, payload }
    }

    pub(crate) fn begin(opening: &Opening) -> Record {
        Record::new(Kind::Begin, 0, VERSION, opening.encode())
    }

    pub(crate) fn free(segment: u64) -> Record {
        Record::new(Kind::Free, 0, segment, Bytes::new())
    }

    pub(crate) fn mark() -> Record {
        Record::new(Kind::Mark, 0, 0, Bytes::new())
    }

    pub(crate) fn put(group: u32, slot: u8, value: Bytes) -> Record {
        Record { kind: Kind::Put, group, slot, index: 0, payload: value }
    }

    /// Bytes of its frame.
    pub(crate) fn bytes(&self) -> u64 {
        frame_bytes(self.payload.len())
    }
}

/// What a segment says of those before it: their ids, and up to which sequence the frames of each
/// had been synced. A reader that finds less knows that something was lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Opening(pub BTreeMap<u64, u64>);

impl Opening {
    fn encode(&self) -> Bytes {
        let mut out = MAGIC.to_vec();
        for (id, synced) in &self.0 {
            out.put_u64_le(*id);
            out.put_u64_le(*synced);
        }
        out.into()
    }

    /// `None` if the bytes are not those of an opening.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Opening> {
        let mut input = bytes.strip_prefix(MAGIC)?;
        let mut opening = Opening::default();
        while !input.is_empty() {
            let id = input.try_get_u64_le().ok()?;
            opening.0.insert(id, input.try_get_u64_le().ok()?);
        }
        Some(opening)
    }
}

/// All a checkpoint says of a group: everything but the entries themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Last index purged and its marker.
    pub purged: Option<(u64, Bytes)>,
    /// First and last index.
    pub bounds: Option<(u64, u64)>,
    /// Values by slot.
    pub registers: BTreeMap<u8, Bytes>,
}

impl Summary {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        out.put_u8(u8::from(self.purged.is_some()) | u8::from(self.bounds.is_some()) << 1);
        if let Some((first, last)) = self.bounds {
            out.put_u64_le(first);
            out.put_u64_le(last);
        }
        if let Some((index, marker)) = &self.purged {
            out.put_u64_le(*index);
            out.put_u32_le(marker.len() as u32);
            out.put_slice(marker);
        }
        for (slot, value) in &self.registers {
            out.put_u8(*slot);
            out.put_u32_le(value.len() as u32);
            out.put_slice(value);
        }
        out.into()
    }

    /// `None` if the bytes are not those of a summary.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Summary> {
        let mut input = bytes;
        let mut summary = Summary::default();
        let flags = input.try_get_u8().ok().filter(|flags| flags & !3 == 0)?;
        if flags & 2 != 0 {
            let (first, last) = (input.try_get_u64_le().ok()?, input.try_get_u64_le().ok()?);
            summary.bounds = (first <= last).then_some((first, last));
            summary.bounds?;
        }
        if flags & 1 != 0 {
            summary.purged = Some((input.try_get_u64_le().ok()?, take_value(&mut input)?));
        }
        while !input.is_empty() {
            let slot = input.get_u8();
            summary.registers.insert(slot, take_value(&mut input)?);
        }
        Some(summary)
    }
}

fn take_value(input: &mut &[u8]) -> Option<Bytes> {
    let length = input.try_get_u32_le().ok()? as usize;
    let (value, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(Bytes::copy_from_slice(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_back() {
        for byte in 0..=255 {
            if let Some(kind) = Kind::from_byte(byte) {
                assert_eq!(kind as u8, byte);
            }
        }
        assert_eq!((1..=11).filter_map(Kind::from_byte).count(), 11);
        assert_eq!(Kind::from_byte(0), None);
        assert_eq!(Kind::from_byte(12), None);
    }

    #[test]
    fn summaries_read_back_and_no_prefix_panics() {
        let summary = Summary {
            purged: Some((41, Bytes::from_static(b"term 3"))),
            bounds: Some((42, 50)),
            registers: [(0, Bytes::from_static(b"vote")), (9, Bytes::new())].into(),
        };
        for summary in [summary, Summary::default()] {
            let bytes = summary.encode();
            assert_eq!(Summary::decode(&bytes), Some(summary));
            for length in 0..bytes.len() {
                let _ = Summary::decode(&bytes[..length]);
            }
        }
        let opening = Opening([(1, 7), (8, 9)].into());
        assert_eq!(Opening::decode(&opening.encode()), Some(opening.clone()));
        assert_eq!(Opening::decode(&opening.encode()[..20]), None);
        assert_eq!(Summary::decode(&[]), None);
        assert_eq!(Summary::decode(&[4]), None);
    }
}
