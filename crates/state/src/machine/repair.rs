//! The repair queue: one entry for each metachunk with lost chunks.

use super::Context;
use crate::{
    Answer, Failure, Fatal, RepairKey, Whole,
    kv::{self, repair, repair::Repair},
    read,
};
use model::{BlobId, ContainerId, Metachunk, ObjectName, Version, VolumeId};
use std::ops::Bound;
use store::Read;

/// The risk of an entry that there is nothing left to rebuild from: behind all those that can
/// be helped.
const BEYOND_REPAIR: u8 = u8::MAX;

/// A metachunk of a version.
pub(super) struct Place {
    pub(super) container: ContainerId,
    pub(super) object: ObjectName,
    pub(super) version: Version,
    pub(super) blob: BlobId,
    pub(super) metachunk: u32,
}

/// The positions of a row without a chunk, as bits.
pub(super) fn missing(row: &Metachunk) -> u32 {
    let positions = (0..).zip(&row.volumes).filter(|(_, volume)| volume.is_none());
    positions.fold(0, |bits, (position, _)| bits | bit(position))
}

/// The positions of a row whose chunk is on a lost volume, as bits.
pub(super) fn on_lost_volumes(cx: &Context, row: &Metachunk) -> u32 {
    let lost = |volume: &Option<VolumeId>| volume.is_some_and(|v| cx.partition.lost.contains(&v));
    let positions = (0..).zip(&row.volumes).filter(|(_, volume)| lost(volume));
    positions.fold(0, |bits, (position, _)| bits | bit(position))
}

/// The bit of a position; none for positions there cannot be.
pub(super) fn bit(position: u8) -> u32 {
    1u32.checked_shl(position.into()).unwrap_or(0)
}

/// Adds lost positions to the entry of a metachunk, and moves it to its new risk.
pub(super) fn queue(
    cx: &mut Context,
    place: Place,
    row: &Metachunk,
    data: usize,
    lost: u32,
) -> Result<(), Fatal> {
    let before = take(cx, &place.blob, place.metachunk)?;
    let (old, positions, queued) = match &before {
        Some((key, record)) => (Some(*key), record.positions | lost, record.queued),
        None => (None, lost, cx.now()),
    };
    let Place { container, object, version, blob, metachunk } = place;
    let record = Repair { container, object, version, blob, metachunk, positions, queued };
    put(cx, record, survivable(row, data, positions), old)
}

/// Takes a position off the entry of a metachunk, which is `row` now; the last one removes it.
pub(super) fn repaired(
    cx: &mut Context,
    blob: &BlobId,
    metachunk: u32,
    row: &Metachunk,
    data: usize,
    position: u8,
) -> Result<(), Fatal> {
    let Some((old, mut record)) = take(cx, blob, metachunk)? else { return Ok(()) };
    record.positions &= !bit(position);
    if record.positions == 0 {
        return Ok(());
    }
    let survivable = survivable(row, data, record.positions);
    put(cx, record, survivable, Some(old))
}

/// Removes the entries of a blob's metachunks from one on, which are no more.
pub(super) fn forget(cx: &mut Context, blob: &BlobId, from: u32) -> Result<(), Fatal> {
    if cx.partition.repairs == 0 {
        return Ok(());
    }
    let (first, end) = (repair::pointer_key(blob, from), repair::pointers(blob).successor());
    let range = (Bound::Included(first.as_bytes()), Bound::Excluded(&end[..]));
    let pointers: Vec<_> = cx.txn.range(range.0, range.1, false).collect::<Result<_, _>>()?;
    for (key, value) in pointers {
        let pointer: repair::Pointer = kv::decode(&key, &value)?;
        cx.txn.delete(key);
        cx.txn.delete(repair::key(pointer.0).into_bytes());
        cx.partition.repairs = cx.partition.repairs.saturating_sub(1);
    }
    Ok(())
}

/// Takes positions that need no repair off their entries, and removes entries of metachunks
/// that are no more.
pub(super) fn done(cx: &mut Context, whole: &[Whole]) -> Result<Answer, Failure> {
    for Whole { key, positions } in whole {
        let record: Option<Repair> = kv::get(&cx.txn, repair::key(*key).as_bytes())?;
        let Some(record) = record else { continue };
        let found = read::repair_row(&cx.txn, &record)?;
        // Its volume may have been given up for lost after a chunk was looked at.
        let lost = |found: &read::RepairRow| missing(&found.row) | on_lost_volumes(cx, &found.row);
        let whole = positions & !found.as_ref().map_or(0, lost);
        if found.is_some() && record.positions & whole == 0 {
            continue;
        }
        let Some((old, mut record)) = take(cx, &record.blob, record.metachunk)? else { continue };
        record.positions &= !whole;
        if record.positions == 0 {
            continue;
        }
        if let Some(found) = found {
            let survivable = survivable(&found.row, found.method.data(), record.positions);
            put(cx, record, survivable, Some(old))?;
        }
    }
    Ok(Answer::Done)
}

/// Losses that a row survives once some positions are lost.
fn survivable(row: &Metachunk, data: usize, lost: u32) -> u8 {
    let left = (0..).zip(&row.volumes).filter(|(p, v)| v.is_some() && lost & bit(*p) == 0).count();
    left.checked_sub(data).map_or(BEYOND_REPAIR, |more| more as u8)
}

/// Takes the entry of a metachunk out.
fn take(
    cx: &mut Context,
    blob: &BlobId,
    metachunk: u32,
) -> Result<Option<(RepairKey, Repair)>, Fatal> {
    let pointer_key = repair::pointer_key(blob, metachunk);
    let Some(pointer) = kv::get::<repair::Pointer>(&cx.txn, pointer_key.as_bytes())? else {
        return Ok(None);
    };
    let key = repair::key(pointer.0);
    let record: Option<Repair> = kv::get(&cx.txn, key.as_bytes())?;
    cx.txn.delete(pointer_key.into_bytes());
    cx.txn.delete(key.into_bytes());
    cx.partition.repairs = cx.partition.repairs.saturating_sub(1);
    Ok(record.map(|record| (pointer.0, record)))
}

/// Puts an entry in, at the place it had if its risk is the same.
fn put(
    cx: &mut Context,
    record: Repair,
    survivable: u8,
    old: Option<RepairKey>,
) -> Result<(), Fatal> {
    let key = match old {
        Some(old) if old.survivable == survivable => old,
        _ => RepairKey { survivable, sequence: cx.partition.sequence() },
    };
    cx.partition.repairs += 1;
    let pointer = repair::pointer_key(&record.blob, record.metachunk);
    kv::put(&mut cx.txn, pointer, &repair::Pointer(key))?;
    kv::put(&mut cx.txn, repair::key(key), &record)
}
