//! What chunk tables must be, whatever the state.

use crate::kv::staged::Summary;
use model::{
    BLOCK_BYTES, BlobId, ContainerId, Error, ErrorKind, MAX_CHUNK_BLOCKS, Metachunk, Method,
    Subject, VolumeId,
};

/// Routed by its slot, an abort finds the partition that a commit goes to.
pub(in crate::machine) fn prepared_for(
    container: &ContainerId,
    blob: &BlobId,
) -> Result<(), Error> {
    match blob.slot() == container.slot() {
        true => Ok(()),
        false => Err(Error::invalid(format!("blob {blob} was not prepared for this container"))),
    }
}

/// Checks how stripes are encoded.
pub(super) fn shape(method: Method, chunk_blocks: u32) -> Result<(), Error> {
    method.checked()?;
    if !(1..=MAX_CHUNK_BLOCKS).contains(&chunk_blocks) {
        let message = format!("a chunk has 1 to {MAX_CHUNK_BLOCKS} blocks, not {chunk_blocks}");
        return Err(Error::invalid(message));
    }
    Ok(())
}

/// Checks rows, of which there must be one at least.
pub(in crate::machine) fn table(
    method: Method,
    chunk_blocks: u32,
    rows: &[Metachunk],
) -> Result<Summary, Error> {
    shape(method, chunk_blocks)?;
    if rows.is_empty() {
        return Err(Error::invalid("a chunk table has one metachunk at least"));
    }
    let mut summary = Summary::EMPTY;
    for (number, row) in rows.iter().enumerate() {
        metachunk(method, chunk_blocks, row).map_err(|e| {
            Error::new(e.kind, e.subject, format!("metachunk {number} {}", e.message))
        })?;
        summary.add(row);
    }
    Ok(summary)
}

fn metachunk(method: Method, chunk_blocks: u32, row: &Metachunk) -> Result<(), Error> {
    let most = method.data() as u64 * u64::from(chunk_blocks) * BLOCK_BYTES;
    if !(1..=most).contains(&row.length) {
        let length = row.length;
        return Err(Error::invalid(format!("has {length} bytes; it must have 1 to {most}")));
    }
    if row.volumes.len() != method.width() || !row.rewritten.is_empty() {
        let (places, width) = (row.volumes.len(), method.width());
        return Err(Error::invalid(format!("has {places} places; {method} has {width}")));
    }
    let mut volumes: Vec<VolumeId> = row.volumes.iter().flatten().copied().collect();
    volumes.sort_unstable();
    let twice = volumes.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    if let Some(volume) = twice {
        return Err(Error::invalid(format!("has two chunks on volume {volume}")));
    }
    // Volumes are numbered from 1: 0 is how messages write that there is none.
    if volumes.first() == Some(&VolumeId(0)) {
        return Err(Error::invalid("names volume 0"));
    }
    if row.durable() < method.quorum() {
        let (durable, quorum) = (row.durable(), method.quorum());
        let message = format!("has {durable} durable chunks; {method} needs {quorum}");
        return Err(Error::new(ErrorKind::Unavailable, Subject::Chunk, message));
    }
    Ok(())
}

/// Refuses chunks that garbage collection may have taken already.
pub(in crate::machine) fn fence(rows: &Summary, fence: u64) -> Result<(), Error> {
    if rows.oldest >= fence {
        return Ok(());
    }
    let oldest = rows.oldest;
    let message = format!(
        "the upload began too long ago: its chunks of {oldest} are older than the fence at {fence}"
    );
    Err(Error::new(ErrorKind::Conflict, Subject::Chunk, message))
}
