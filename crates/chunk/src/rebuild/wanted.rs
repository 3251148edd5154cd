//! What is asked of a rebuild.

use layout::{Footer, Geometry};
use model::{BlobId, ChunkName, Error, MAX_WIDTH, Method, VolumeId, WriteId};
use proto::v1;
use std::time::Duration;

/// A chunk to rebuild.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The volume that shall have it.
    pub volume: VolumeId,
    /// Its new name.
    pub name: ChunkName,
    /// The blob under which its bytes were first written.
    pub origin: BlobId,
    /// How its stripes were encoded.
    pub method: Method,
    /// Bytes of content in its metachunk.
    pub length: u64,
    /// Where to read, best first.
    pub sources: Vec<Source>,
    /// How long it may take.
    pub deadline: Duration,
}

/// A chunk to read from: one of the metachunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: ChunkName,
    /// Where it is.
    pub volume: VolumeId,
    /// The server of that volume, `host:port`.
    pub address: String,
}

impl Wanted {
    /// Whether the chunk itself is among the sources, under an older name.
    pub(super) fn has_twin_source(&self) -> bool {
        self.sources.iter().any(|source| source.name.position == self.name.position)
    }

    /// Whether a footer is that of the chunk.
    pub(super) fn is_footer(&self, footer: &Footer) -> bool {
        footer.position == self.name.position && self.is_of_metachunk(footer)
    }

    /// Whether a footer is that of a chunk of the metachunk.
    pub(super) fn is_of_metachunk(&self, footer: &Footer) -> bool {
        (footer.origin, footer.metachunk, footer.length, footer.method)
            == (self.origin, self.name.metachunk, self.length, self.method)
    }

    /// What the names of chunks with the same bytes begin with: of the blob they were written
    /// for, and of this one.
    pub(super) fn twin_prefixes(&self) -> Vec<String> {
        let ChunkName { blob, metachunk, position, .. } = self.name;
        let mut blobs = vec![self.origin, blob];
        blobs.dedup();
        blobs.iter().map(|blob| format!("{blob}.{metachunk}.{position}.")).collect()
    }
}

impl TryFrom<v1::RebuildChunkRequest> for Wanted {
    type Error = Error;

    fn try_from(message: v1::RebuildChunkRequest) -> Result<Self, Error> {
        let name: ChunkName = message.chunk.parse()?;
        let method: Method = message.method.parse()?;
        let length = message.length;
        let width = method.width();
        if usize::from(name.position) >= width {
            return Err(Error::invalid(format!("{method} has no position {}", name.position)));
        }
        if length == 0 || Geometry::new(method).stripes(length).is_none() {
            return Err(Error::invalid(format!("a metachunk of {length} bytes is not possible")));
        }
        let mut seen = 0u32;
        let mut source = |m: v1::rebuild_chunk_request::Source| {
            let position = usize::try_from(m.position).unwrap_or(usize::MAX);
            if position >= width.min(MAX_WIDTH) || seen >> position & 1 == 1 {
                return Err(Error::invalid(format!("source position {position} is not possible")));
            }
            seen |= 1 << position;
            let name = ChunkName { position: position as u8, write: WriteId(m.write), ..name };
            Ok(Source { name, volume: VolumeId(m.volume), address: m.address })
        };
        Ok(Self {
            volume: VolumeId(message.volume),
            origin: BlobId::try_from(&message.origin[..])?,
            sources: message.sources.into_iter().map(&mut source).collect::<Result<_, _>>()?,
            deadline: Duration::from_millis(message.deadline),
            name,
            method,
            length,
        })
    }
}
