//! Chunks and the tables that say where they are.

use crate::{BlobId, Error, Method, PolicyName, VolumeId, WriteId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// A chunk's name: `<blob>.<metachunk>.<position>.<write>`. Created exclusively, never
/// replaced, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkName {
    /// The body the chunk belongs to.
    pub blob: BlobId,
    /// Number of the metachunk within the blob, from 0.
    pub metachunk: u32,
    /// Position within the metachunk: data fragments first, then parity.
    pub position: u8,
    /// Which copy ever made of this position it is.
    pub write: WriteId,
}

impl fmt::Display for ChunkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.blob, self.metachunk, self.position, self.write)
    }
}

impl fmt::Debug for ChunkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ChunkName {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        let fail = || {
            Error::invalid(format!(
                "{:?} is not a chunk name (<blob>.<metachunk>.<position>.<write>)",
                s.chars().take(80).collect::<String>()
            ))
        };
        let mut parts = s.split('.');
        let mut part = || parts.next().ok_or_else(fail);
        let name = Self {
            blob: part()?.parse().map_err(|_| fail())?,
            metachunk: part()?.parse().map_err(|_| fail())?,
            position: part()?.parse().map_err(|_| fail())?,
            write: part()?.parse().map_err(|_| fail())?,
        };
        // One name, one spelling: no signs, leading zeros, upper case or further parts.
        if parts.next().is_some() || name.to_string() != s {
            return Err(fail());
        }
        Ok(name)
    }
}

impl Serialize for ChunkName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.collect_str(self)
        } else {
            (self.blob, self.metachunk, self.position, self.write).serialize(s)
        }
    }
}

impl<'de> Deserialize<'de> for ChunkName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            return String::deserialize(d)?.parse().map_err(de::Error::custom);
        }
        let (blob, metachunk, position, write) = Deserialize::deserialize(d)?;
        Ok(Self { blob, metachunk, position, write })
    }
}

/// One row of a chunk table: where the chunks of a metachunk are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metachunk {
    /// Bytes of content in it.
    pub length: u64,
    /// The write id of its chunks.
    pub write: WriteId,
    /// The volume of each position; `None` where no chunk is durable.
    pub volumes: Vec<Option<VolumeId>>,
    /// Positions that were rebuilt or moved since, with the write id of the newer chunk.
    pub rewritten: Vec<(u8, WriteId)>,
}

impl Metachunk {
    /// The write id of one position.
    pub fn write_of(&self, position: u8) -> WriteId {
        self.rewritten.iter().find(|(p, _)| *p == position).map_or(self.write, |(_, w)| *w)
    }

    /// Positions that have a chunk.
    pub fn durable(&self) -> usize {
        self.volumes.iter().flatten().count()
    }
}

/// A run of metachunks written under one blob id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Names its chunks.
    pub blob: BlobId,
    /// The blob under which its bytes were first written: footers and check sums name it.
    pub origin: BlobId,
    /// The policy it was written with.
    pub policy: PolicyName,
    /// How its stripes were encoded.
    pub method: Method,
    /// Blocks of a full chunk.
    pub chunk_blocks: u32,
    /// Its rows; the number of a metachunk is its index here.
    pub metachunks: Vec<Metachunk>,
}

impl Extent {
    /// Bytes of content in it.
    pub fn length(&self) -> u64 {
        self.metachunks.iter().map(|m| m.length).sum()
    }

    /// Every chunk that should be on a disk, with its volume.
    pub fn chunks(&self) -> impl Iterator<Item = (VolumeId, ChunkName)> + '_ {
        (0u32..).zip(&self.metachunks).flat_map(move |(number, metachunk)| {
            (0u8..).zip(&metachunk.volumes).filter_map(move |(position, volume)| {
                let name = self.chunk_name(number, position)?;
                Some(((*volume)?, name))
            })
        })
    }

    /// The name of the chunk at a place of the table.
    pub fn chunk_name(&self, metachunk: u32, position: u8) -> Option<ChunkName> {
        let row = self.metachunks.get(metachunk as usize)?;
        Some(ChunkName { blob: self.blob, metachunk, position, write: row.write_of(position) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_name_has_one_spelling() {
        let text = "000102030405060708090a0b0c0d0e0f.7.11.0123456789abcdef";
        let name: ChunkName = text.parse().unwrap();
        assert_eq!((name.metachunk, name.position, name.to_string()), (7, 11, text.to_owned()));
        for bad in [
            "000102030405060708090a0b0c0d0e0f.07.11.0123456789abcdef",
            "000102030405060708090A0b0c0d0e0f.7.11.0123456789abcdef",
            "000102030405060708090a0b0c0d0e0f.7.256.0123456789abcdef",
            "000102030405060708090a0b0c0d0e0f.7.11.0123456789abcdef.1",
            "000102030405060708090a0b0c0d0e0f.+7.11.0123456789abcdef",
            "../../etc/passwd",
            "",
        ] {
            assert!(bad.parse::<ChunkName>().is_err(), "{bad}");
        }
    }
}
