//! Chunks that are being made, and volumes whose chunks are lost.

use super::{Context, deletion};
use crate::{
    Answer, Failure, Fatal, MAX_LOST, Rebuilding,
    kv::{self, rebuild, rebuild::Rebuild, scan},
};
use model::{ChunkName, Error, ErrorKind, Subject, VolumeId};

/// Takes over which volumes are lost.
pub(super) fn set_lost(cx: &mut Context, volumes: &[VolumeId]) -> Result<Answer, Failure> {
    let mut volumes = volumes.to_vec();
    volumes.sort_unstable();
    volumes.dedup();
    if volumes.len() > MAX_LOST {
        let message = format!("{} volumes are lost; at most {MAX_LOST} can be", volumes.len());
        return Err(Error::invalid(message).into());
    }
    // A volume that is back may be lost once more, with other chunks: it is searched for anew.
    for back in std::mem::take(&mut cx.partition.lost) {
        if volumes.binary_search(&back).is_err() {
            cx.txn.delete(scan::key(back).into_bytes());
        }
    }
    cx.partition.lost = volumes;
    Ok(Answer::Done)
}

/// Announces chunks. Until they are named or given up they are remembered.
pub(super) fn begin(cx: &mut Context, rebuilds: &[Rebuilding]) -> Result<Answer, Failure> {
    for Rebuilding { chunk, volume } in rebuilds {
        if *volume == VolumeId(0) {
            return Err(Error::invalid("there is no volume 0").into());
        }
        let key = rebuild::key(chunk);
        if cx.has(key.as_bytes())? {
            let message = format!("chunk {chunk} is being made already");
            return Err(Error::new(ErrorKind::AlreadyExists, Subject::Chunk, message).into());
        }
        kv::put(&mut cx.txn, key, &Rebuild { volume: *volume })?;
    }
    Ok(Answer::Done)
}

/// Gives chunks up. Those that were named meanwhile are not announced any more and stay.
pub(super) fn end(
    cx: &mut Context,
    chunks: &[ChunkName],
    delete_grace: u64,
) -> Result<Answer, Failure> {
    for chunk in chunks {
        if let Some(volume) = take(cx, chunk)? {
            deletion::queue_chunk(cx, chunk, volume, delete_grace)?;
        }
    }
    Ok(Answer::Done)
}

/// Takes the announcement of a chunk; the volume it names.
pub(super) fn take(cx: &mut Context, chunk: &ChunkName) -> Result<Option<VolumeId>, Fatal> {
    let key = rebuild::key(chunk);
    let found: Option<Rebuild> = kv::get(&cx.txn, key.as_bytes())?;
    if found.is_some() {
        cx.txn.delete(key.into_bytes());
    }
    Ok(found.map(|found| found.volume))
}
