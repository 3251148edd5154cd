//! What a commit must be, whatever the state.

use crate::Commit;
use model::{
    BLOCK_BYTES, Error, ErrorKind, Extent, MAX_CHUNK_BLOCKS, Metachunk, Subject, VolumeId,
    check_properties,
};

/// The longest media type, in bytes.
const MAX_MIME_BYTES: usize = 256;

/// Checks the content and its chunk table.
pub(super) fn content(command: &Commit) -> Result<(), Error> {
    check_properties(&command.properties)?;
    if command.mime_type.len() > MAX_MIME_BYTES {
        let length = command.mime_type.len();
        return Err(Error::invalid(format!(
            "the media type has {length} bytes; at most {MAX_MIME_BYTES} are allowed"
        )));
    }
    // Routed by its slot, an abort finds the partition that a commit goes to.
    if command.blob.slot() != command.container.slot() {
        let message = format!("blob {} was not prepared for this container", command.blob);
        return Err(Error::invalid(message));
    }
    let Some(extent) = &command.extent else {
        return match command.size {
            0 => Ok(()),
            size => Err(Error::invalid(format!("a content of {size} bytes needs chunks"))),
        };
    };
    table(command, extent)
}

fn table(command: &Commit, extent: &Extent) -> Result<(), Error> {
    let sound = extent.blob == command.blob
        && !extent.metachunks.is_empty()
        && (1..=MAX_CHUNK_BLOCKS).contains(&extent.chunk_blocks);
    if !sound {
        let message = "the chunk table must be that of the blob, with at least one metachunk, \
                       in chunks of an allowed size";
        return Err(Error::invalid(message));
    }
    extent.method.checked()?;
    let mut sum = 0u64;
    for (number, row) in extent.metachunks.iter().enumerate() {
        metachunk(extent, row).map_err(|e| {
            Error::new(e.kind, e.subject, format!("metachunk {number} {}", e.message))
        })?;
        sum = sum.saturating_add(row.length);
    }
    if sum != command.size {
        let size = command.size;
        let message = format!("the metachunks hold {sum} bytes, the content has {size}");
        return Err(Error::invalid(message));
    }
    Ok(())
}

fn metachunk(extent: &Extent, row: &Metachunk) -> Result<(), Error> {
    let method = extent.method;
    let most = method.data() as u64 * u64::from(extent.chunk_blocks) * BLOCK_BYTES;
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
pub(super) fn fence(command: &Commit, fence: u64) -> Result<(), Error> {
    let rows = command.extent.iter().flat_map(|extent| &extent.metachunks);
    match rows.map(|row| row.write.millis()).min() {
        Some(oldest) if oldest < fence => {
            let message = format!(
                "the upload began too long ago: its chunks of {oldest} are older than the fence \
                 at {fence}"
            );
            Err(Error::new(ErrorKind::Conflict, Subject::Chunk, message))
        }
        _ => Ok(()),
    }
}
