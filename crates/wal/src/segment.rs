//! Segment files: their names, and reading entries out of them.

use crate::error::Error;
use crate::frame::{self, Fault};
use crate::image::Location;
use crate::record::Kind;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One read covers at most this much of neighbouring entries (or one larger entry).
const READ_BYTES: u64 = 1 << 20;

/// An open segment file.
pub(crate) struct Segment {
    /// The sequence of its first frame.
    pub id: u64,
    /// What its frames carry, see [`tag`].
    pub tag: u64,
    pub path: PathBuf,
    pub file: Arc<dyn disk::File>,
}

/// What the frames of a segment carry: recognisable for us, not to be guessed by who does not
/// know the salt.
pub(crate) fn tag(id: u64, salt: u64) -> u64 {
    id ^ salt
}

/// The file name of a segment.
pub(crate) fn file_name(id: u64, salt: u64) -> String {
    format!("{id:016x}-{salt:016x}.wal")
}

/// Id and salt of a segment's file name; `None` if it is not one.
pub(crate) fn parse_name(name: &str) -> Option<(u64, u64)> {
    let (id, salt) = name.strip_suffix(".wal")?.split_once('-')?;
    let (id, salt) = (u64::from_str_radix(id, 16).ok()?, u64::from_str_radix(salt, 16).ok()?);
    (file_name(id, salt) == name && id > 0).then_some((id, salt))
}

impl Segment {
    pub(crate) fn new(dir: &Path, id: u64, salt: u64, file: Arc<dyn disk::File>) -> Segment {
        Segment { id, tag: tag(id, salt), path: dir.join(file_name(id, salt)), file }
    }

    /// The payloads of entries of this segment. Neighbours share a read.
    pub(crate) fn read(&self, wanted: &[(u32, u64, Location)]) -> Result<Vec<Bytes>, Error> {
        let mut payloads = Vec::with_capacity(wanted.len());
        let mut rest = wanted;
        while let Some(&(_, _, start)) = rest.first() {
            let begin = u64::from(start.offset);
            let mut end = begin + start.frame_bytes();
            let mut count = 1;
            for (_, _, at) in &rest[1..] {
                let after = u64::from(at.offset) + at.frame_bytes();
                if u64::from(at.offset) != end || after - begin > READ_BYTES {
                    break;
                }
                end = after;
                count += 1;
            }
            let mut buffer = vec![0; (end - begin) as usize];
            let read =
                self.file.read_at(&mut buffer, begin).map_err(Error::io("read", &self.path))?;
            buffer.truncate(read);
            let buffer = Bytes::from(buffer);
            let (run, later) = rest.split_at(count);
            for wanted in run {
                payloads.push(self.payload(&buffer, begin, wanted)?);
            }
            rest = later;
        }
        Ok(payloads)
    }

    /// One entry out of a buffer read at `begin`, checked to be the one wanted.
    fn payload(
        &self,
        buffer: &Bytes,
        begin: u64,
        &(group, index, at): &(u32, u64, Location),
    ) -> Result<Bytes, Error> {
        let start = (u64::from(at.offset) - begin) as usize;
        let found = buffer.get(start..).ok_or(Fault::Short);
        let found = found.and_then(|bytes| frame::decode(bytes, self.tag));
        match found {
            Ok((header, payload))
                if header.group == group
                    && header.index == index
                    && [Kind::Entry as u8, Kind::Moved as u8].contains(&header.kind) =>
            {
                Ok(buffer.slice_ref(payload))
            }
            _ => Err(Error::Corrupt { file: self.path.clone(), offset: u64::from(at.offset) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_ignored() {
        assert_eq!(parse_name(&file_name(1, u64::MAX)), Some((1, u64::MAX)));
        for name in ["LOCK", "1-2.wal", "", "0000000000000000-0000000000000000.wal", "x.wal"] {
            assert_eq!(parse_name(name), None, "{name}");
        }
    }
}
