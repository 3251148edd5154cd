//! A chunk read from its disk and checked whole.

use crate::{
    VolumeError,
    engine::{ChunkReader, READ_BYTES},
    volume::Volume,
};
use layout::{Footer, MAX_FOOTER_BYTES, Verifier};
use model::ChunkName;

/// Why a chunk is not found whole.
pub(crate) enum Unverified {
    /// Its bytes are not what they should be.
    Damaged(String),
    /// It could not be read.
    Volume(VolumeError),
}

impl From<VolumeError> for Unverified {
    fn from(error: VolumeError) -> Self {
        Self::Volume(error)
    }
}

/// Reads a chunk and checks every block and the footer; gives the footer. The origin is the
/// footer's own word: the metadata's is checked by whoever reads.
pub(crate) async fn verify(volume: &Volume, name: &ChunkName) -> Result<Footer, Unverified> {
    let damaged = |error: &dyn std::fmt::Display| Unverified::Damaged(error.to_string());
    let engine = volume.engine()?;
    let reader = engine.get(name).await?;
    let footer = read_footer(&*reader).await?;
    let (footer, _) = Footer::parse(&footer).map_err(|e| damaged(&e))?;
    let mut verifier = Verifier::new(name, footer.origin);
    let mut at = 0;
    while at < reader.bytes() {
        let bytes = (reader.bytes() - at).min(READ_BYTES as u64) as usize;
        let piece = reader.read(at, bytes).await?;
        at += piece.len() as u64;
        verifier.push(piece).map_err(|e| damaged(&e))?;
    }
    verifier.finish().map_err(|e| damaged(&e))?;
    engine.note_verified(name).await;
    metrics::counter!("cairn_chunk_verifications_total").increment(1);
    Ok(footer)
}

/// The last bytes of a chunk, which its footer is among.
async fn read_footer(reader: &dyn ChunkReader) -> Result<bytes::Bytes, VolumeError> {
    let bytes = reader.bytes().min(MAX_FOOTER_BYTES as u64);
    reader.read(reader.bytes() - bytes, bytes as usize).await
}
