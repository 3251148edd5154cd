//! The deletion queue.

use super::Context;
use crate::{
    Answer, DeletionKey, Failure, Fatal, Postponed,
    kv::{self, deletion, deletion::Deletion},
};
use model::{BlobId, ChunkName, Metachunk, VolumeId};

/// Queues the chunks of some rows, to go when `grace` is over.
pub(super) fn queue(
    cx: &mut Context,
    blob: BlobId,
    first: u32,
    rows: Vec<Metachunk>,
    grace: u64,
) -> Result<(), Fatal> {
    let due = cx.now().saturating_add(grace);
    let key = DeletionKey { due, sequence: cx.partition.sequence() };
    cx.partition.deletions += 1;
    kv::put(&mut cx.txn, deletion::key(key), &Deletion { blob, first, rows })
}

/// Queues one chunk.
pub(super) fn queue_chunk(
    cx: &mut Context,
    chunk: &ChunkName,
    volume: VolumeId,
    grace: u64,
) -> Result<(), Fatal> {
    let mut volumes = vec![None; usize::from(chunk.position)];
    volumes.push(Some(volume));
    let row = Metachunk { length: 0, write: chunk.write, volumes, rewritten: Vec::new() };
    queue(cx, chunk.blob, chunk.metachunk, vec![row], grace)
}

/// Removes entries whose chunks are gone, and moves those that must wait.
pub(super) fn done(
    cx: &mut Context,
    done: &[DeletionKey],
    postponed: &[Postponed],
) -> Result<Answer, Failure> {
    for key in done {
        take(cx, *key)?;
    }
    for entry in postponed {
        let Some(mut record) = take(cx, entry.key)? else { continue };
        if record.retain(&entry.volumes) {
            // Workers rely on nothing being queued for a time that is past.
            let due = entry.due.max(cx.now());
            let key = DeletionKey { due, sequence: cx.partition.sequence() };
            cx.partition.deletions += 1;
            kv::put(&mut cx.txn, deletion::key(key), &record)?;
        }
    }
    Ok(Answer::Done)
}

fn take(cx: &mut Context, at: DeletionKey) -> Result<Option<Deletion>, Fatal> {
    let key = deletion::key(at);
    let found = kv::get(&cx.txn, key.as_bytes())?;
    if found.is_some() {
        cx.txn.delete(key.into_bytes());
        cx.partition.deletions = cx.partition.deletions.saturating_sub(1);
    }
    Ok(found)
}
