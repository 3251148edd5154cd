//! Places of the chunk table: damage found at them, and new chunks named there.

use super::{Context, deletion, rebuild, repair};
use crate::{
    Answer, Damage, Failure, Fatal, Swap,
    kv::{
        self, chunks,
        head::{self, Head},
    },
    read::missing_object,
};
use model::{ChunkName, Error, ErrorKind, Metachunk, Subject, VolumeId, WriteId};

/// Queues damage at places that still name the damaged chunk.
pub(super) fn queue_damage(cx: &mut Context, damages: &[Damage]) -> Result<Answer, Failure> {
    queue_damages(cx, damages)?;
    Ok(Answer::Done)
}

/// How many of them were queued, or are queued already.
pub(super) fn queue_damages(cx: &mut Context, damages: &[Damage]) -> Result<u64, Fatal> {
    let mut queued = 0;
    for damage in damages {
        let head = head::exact(&cx.txn, &damage.container, &damage.object, damage.version)?;
        let extents = head.iter().flat_map(Head::extents);
        let Some(extent) = extents.into_iter().find(|e| e.blob == damage.blob) else { continue };
        let Some(row) = chunks::row(&cx.txn, extent, damage.metachunk)? else { continue };
        if named(&row, damage.position) != Some((damage.volume, damage.write)) {
            continue;
        }
        let place = repair::Place {
            container: damage.container,
            object: damage.object.clone(),
            version: damage.version,
            blob: damage.blob,
            metachunk: damage.metachunk,
        };
        let lost = repair::bit(damage.position);
        repair::queue(cx, place, &row, extent.method.data(), lost)?;
        queued += 1;
    }
    Ok(queued)
}

/// Names a rebuilt or moved chunk, if the table says what the worker read. A worker that is
/// refused deletes the chunk it made.
pub(super) fn swap(cx: &mut Context, command: &Swap) -> Result<Answer, Failure> {
    if command.write.millis() < cx.partition.fence {
        return Err(conflict("the new chunk is older than the fence").into());
    }
    let (id, name, version) = (&command.container, &command.object, command.version);
    let missing = || missing_object(name, Some(version));
    let mut head = head::exact(&cx.txn, id, name, version)?.ok_or_else(missing)?;
    let gone = || conflict("the version has no such metachunk");
    let extent = extent_of(&mut head, command).ok_or_else(gone)?;
    let mut row = chunks::row(&cx.txn, extent, command.metachunk)?.ok_or_else(gone)?;
    check_swap(&row, command)?;
    if cx.partition.lost.contains(&command.volume) {
        return Err(conflict(format!("volume {} is lost itself", command.volume)).into());
    }
    // Given up, it may be deleted at any time.
    if rebuild::take(cx, &new_chunk(command))? != Some(command.volume) {
        return Err(conflict("the new chunk was not announced, or given up since").into());
    }
    rewrite(&mut row, command);
    chunks::replace(&mut cx.txn, extent, command.metachunk, row.clone())?;
    let data = extent.method.data();
    kv::put(&mut cx.txn, head::key(id, name.as_str(), version), &head)?;
    repair::repaired(cx, &command.blob, command.metachunk, &row, data, command.position)?;
    delete_old(cx, command)?;
    Ok(Answer::Done)
}

fn extent_of<'a>(head: &'a mut Head, command: &Swap) -> Option<&'a mut head::Extent> {
    match &mut head.body {
        head::Body::Extents(extents) => extents.iter_mut().find(|e| e.blob == command.blob),
        _ => None,
    }
}

fn check_swap(row: &Metachunk, command: &Swap) -> Result<(), Error> {
    if usize::from(command.position) >= row.volumes.len() || command.volume == VolumeId(0) {
        return Err(Error::invalid("the metachunk has no such position, or the volume is 0"));
    }
    if named(row, command.position) != command.old {
        return Err(conflict("the chunk table was changed meanwhile"));
    }
    let mut others = (0..).zip(&row.volumes).filter(|(position, _)| *position != command.position);
    if others.any(|(_, volume)| *volume == Some(command.volume)) {
        let volume = command.volume;
        return Err(conflict(format!("volume {volume} has another chunk of the metachunk")));
    }
    if row.write == command.write || row.rewritten.iter().any(|(_, w)| *w == command.write) {
        return Err(Error::invalid(format!("write id {} was used before", command.write)));
    }
    Ok(())
}

/// Makes the row name the new chunk.
fn rewrite(row: &mut Metachunk, command: &Swap) {
    if let Some(place) = row.volumes.get_mut(usize::from(command.position)) {
        *place = Some(command.volume);
    }
    row.rewritten.retain(|(position, _)| *position != command.position);
    row.rewritten.push((command.position, command.write));
    row.rewritten.sort_unstable();
}

/// Queues the chunk that is not named any more.
fn delete_old(cx: &mut Context, command: &Swap) -> Result<(), Fatal> {
    let Some((volume, write)) = command.old else { return Ok(()) };
    let chunk = ChunkName { write, ..new_chunk(command) };
    deletion::queue_chunk(cx, &chunk, volume, command.delete_grace)
}

fn new_chunk(command: &Swap) -> ChunkName {
    let Swap { blob, metachunk, position, write, .. } = command;
    ChunkName { blob: *blob, metachunk: *metachunk, position: *position, write: *write }
}

/// The chunk that a row names at a position.
fn named(row: &Metachunk, position: u8) -> Option<(VolumeId, WriteId)> {
    let volume = row.volumes.get(usize::from(position)).copied().flatten()?;
    Some((volume, row.write_of(position)))
}

fn conflict(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Conflict, Subject::Chunk, message)
}
