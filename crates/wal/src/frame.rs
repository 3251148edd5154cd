//! The bytes of a frame: what FORMAT.md calls header, payload and padding. Pure.

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 48;
/// Largest payload.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 16 << 20;
/// Frames begin at multiples of this, so that a scan can find one after damage.
pub(crate) const ALIGN: usize = 8;

/// The fields of a frame apart from its payload and checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The segment's id and salt, see [`crate::segment::tag`].
    pub tag: u64,
    /// Position in the whole log, never repeated within a segment.
    pub sequence: u64,
    /// Every frame up to this sequence had been synced before this frame was written.
    pub durable: u64,
    /// Meaning depends on the kind.
    pub index: u64,
    pub group: u32,
    pub kind: u8,
    pub slot: u8,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the file ends within a frame")]
    Short,
    #[error("there is no frame")]
    Empty,
    #[error("the frame is of another segment")]
    Tag,
    #[error("the frame's length is impossible")]
    Length,
    #[error("the frame does not match its checksum")]
    Checksum,
}

/// Bytes of a frame with a payload of `payload` bytes.
pub(crate) fn frame_bytes(payload: usize) -> u64 {
    (HEADER_BYTES + payload.next_multiple_of(ALIGN)) as u64
}

/// Appends a frame to `out`.
pub(crate) fn encode(out: &mut Vec<u8>, header: &Header, payload: &[u8]) {
    assert!(payload.len() <= MAX_PAYLOAD_BYTES, "bounded where it came in");
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&header.tag.to_le_bytes());
    out.extend_from_slice(&header.sequence.to_le_bytes());
    out.extend_from_slice(&header.durable.to_le_bytes());
    out.extend_from_slice(&header.index.to_le_bytes());
    out.extend_from_slice(&header.group.to_le_bytes());
    out.extend_from_slice(&[header.kind, header.slot, 0, 0]);
    out.extend_from_slice(payload);
    let crc = crc32fast::hash(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    out.resize(start + frame_bytes(payload.len()) as usize, 0);
}

/// The frame at the start of `bytes`.
pub(crate) fn decode(bytes: &[u8], tag: u64) -> Result<(Header, &[u8]), Fault> {
    let head: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(Fault::Short)?;
    if head == &[0; HEADER_BYTES] {
        return Err(Fault::Empty);
    }
    if u64_at(head, 8) != tag {
        return Err(Fault::Tag);
    }
    let length = u32_at(head, 4) as usize;
    if length > MAX_PAYLOAD_BYTES {
        return Err(Fault::Length);
    }
    let covered = bytes.get(4..HEADER_BYTES + length).ok_or(Fault::Short)?;
    if crc32fast::hash(covered) != u32_at(head, 0) {
        return Err(Fault::Checksum);
    }
    let header = Header {
        tag,
        sequence: u64_at(head, 16),
        durable: u64_at(head, 24),
        index: u64_at(head, 32),
        group: u32_at(head, 40),
        kind: head[44],
        slot: head[45],
    };
    Ok((header, &bytes[HEADER_BYTES..HEADER_BYTES + length]))
}

/// All valid frames that begin at or after `from`, whatever lies between them.
pub(crate) fn scan(
    bytes: &[u8],
    from: usize,
    tag: u64,
) -> impl Iterator<Item = (usize, Header)> + '_ {
    let mut at = from.next_multiple_of(ALIGN);
    std::iter::from_fn(move || {
        while at + HEADER_BYTES <= bytes.len() {
            let here = at;
            match decode(&bytes[here..], tag) {
                Ok((header, payload)) => {
                    at += frame_bytes(payload.len()) as usize;
                    return Some((here, header));
                }
                Err(_) => at += ALIGN,
            }
        }
        None
    })
}

fn u32_at(head: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

fn u64_at(head: &[u8; HEADER_BYTES], at: usize) -> u64 {
    u64::from(u32_at(head, at)) | u64::from(u32_at(head, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { tag: 7, sequence: 9, durable: 8, index: 1 << 40, group: 3, kind: 4, slot: 5 }
    }

    #[test]
    fn a_frame_reads_back_and_its_bytes_are_those_of_the_document() {
        let mut out = Vec::new();
        encode(&mut out, &header(), b"hello");
        assert_eq!(out.len(), 56);
        assert_eq!(decode(&out, 7), Ok((header(), &b"hello"[..])));
        assert_eq!(out[4..8], [5, 0, 0, 0]);
        assert_eq!(out[8..16], [7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(out[32..40], [0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(out[40..48], [3, 0, 0, 0, 4, 5, 0, 0]);
        assert_eq!(out[0..4], crc32fast::hash(&out[4..53]).to_le_bytes());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let mut out = Vec::new();
        encode(&mut out, &header(), b"some payload");
        let end = HEADER_BYTES + 12;
        for bit in 0..end * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad, 7).is_err(), "bit {bit}");
        }
        for len in 0..end {
            assert!(decode(&out[..len], 7).is_err(), "length {len}");
        }
        assert_eq!(decode(&out, 6), Err(Fault::Tag));
        assert_eq!(decode(&[0; 64], 7), Err(Fault::Empty));
    }

    #[test]
    fn a_scan_finds_frames_behind_garbage() {
        let mut out = vec![0xff; 24];
        encode(&mut out, &header(), b"one");
        out.extend_from_slice(&[0; 80]);
        encode(&mut out, &Header { sequence: 10, ..header() }, b"");
        let found: Vec<_> = scan(&out, 3, 7).map(|(at, h)| (at, h.sequence)).collect();
        assert_eq!(found, [(24, 9), (160, 10)]);
    }
}
