//! Scans for the chunks of a volume.

use super::{Context, chunk};
use crate::{
    Answer, Damage, Failure, RecordScan, ScanCursor, ScanStep,
    kv::{
        self,
        scan::{self, VolumeScan},
    },
};
use model::{ContainerId, Error, ErrorKind, ObjectName, Subject, Version, VolumeId};
use std::cmp::Reverse;

pub(super) fn record(cx: &mut Context, command: &RecordScan) -> Result<Answer, Failure> {
    let volume = command.volume;
    let before: Option<VolumeScan> = kv::get(&cx.txn, scan::key(volume).as_bytes())?;
    match &command.step {
        ScanStep::Start => start(cx, volume, before),
        ScanStep::Advance { from, to, versions, found } => {
            advance(cx, volume, before, from, to, *versions, found)
        }
        ScanStep::Forget => {
            cx.txn.delete(scan::key(volume).into_bytes());
            Ok(Answer::Done)
        }
    }
}

fn start(
    cx: &mut Context,
    volume: VolumeId,
    before: Option<VolumeScan>,
) -> Result<Answer, Failure> {
    if before.is_some_and(|scan| scan.finished.is_none()) {
        return Ok(Answer::Done);
    }
    let started = cx.now();
    let scan = VolumeScan { volume, cursor: None, versions: 0, found: 0, started, finished: None };
    kv::put(&mut cx.txn, scan::key(volume), &scan)?;
    Ok(Answer::Done)
}

/// A place in the order in which versions are scanned: the newest version of an object first.
fn place(at: &ScanCursor) -> (ContainerId, &ObjectName, Reverse<Version>, u32, u32) {
    (at.container, &at.object, Reverse(at.version), at.extent, at.row)
}

fn advance(
    cx: &mut Context,
    volume: VolumeId,
    before: Option<VolumeScan>,
    from: &Option<ScanCursor>,
    to: &Option<ScanCursor>,
    versions: u64,
    found: &[Damage],
) -> Result<Answer, Failure> {
    let there = before.filter(|scan| scan.finished.is_none() && scan.cursor == *from);
    let Some(mut scan) = there else {
        let message = format!("the scan for volume {volume} is not where this step begins");
        return Err(Error::new(ErrorKind::Conflict, Subject::Volume, message).into());
    };
    if let (Some(from), Some(to)) = (from, to)
        && place(to) <= place(from)
    {
        return Err(Error::invalid("a scan goes forward").into());
    }
    scan.versions = scan.versions.saturating_add(versions);
    scan.found = scan.found.saturating_add(chunk::queue_damages(cx, found)?);
    scan.cursor.clone_from(to);
    scan.finished = to.is_none().then_some(cx.now());
    kv::put(&mut cx.txn, scan::key(volume), &scan)?;
    Ok(Answer::Done)
}
