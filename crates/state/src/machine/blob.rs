//! Blobs that must not be committed, and the fence.

use super::{Context, stage};
use crate::{
    Answer, Failure, Fatal,
    kv::{self, Present, barred, owner},
};
use model::{BlobId, Error, ErrorKind, Subject};

/// How long a blob stays barred by its record, in microseconds of log time. The fence keeps it
/// out from then on.
pub(crate) const BARRED: u64 = 3 * 24 * 3600 * 1_000_000;

/// How far behind log time the fence is raised when a record expires: later than the record was
/// written by a day, which covers what clocks differ by.
const FENCE_BEHIND: u64 = 2 * 24 * 3600 * 1_000_000;

/// Records that one command removes at most.
const EXPIRED_AT_ONCE: usize = 16;

/// Bars a blob unless it was committed, and drops what is staged under it.
pub(super) fn abort(cx: &mut Context, blob: &BlobId) -> Result<Answer, Failure> {
    check_uncommitted(cx, blob)?;
    let barred: Option<barred::Barred> = kv::get(&cx.txn, barred::key(blob).as_bytes())?;
    match barred {
        // The caller would delete its chunks all the same, but it was not aborted: it was
        // committed and removed.
        Some(record) if record.committed => Err(committed(blob).into()),
        Some(_) => Ok(Answer::Done),
        None => {
            stage::discard(cx, blob)?;
            bar(cx, blob, false)?;
            Ok(Answer::Done)
        }
    }
}

/// Bars a blob.
pub(super) fn bar(cx: &mut Context, blob: &BlobId, committed: bool) -> Result<(), Fatal> {
    let at = cx.now();
    kv::put(&mut cx.txn, barred::key(blob), &barred::Barred { at, committed })?;
    kv::put(&mut cx.txn, barred::expiry_key(at, blob), &Present)
}

/// Refuses a blob that was committed or is barred.
pub(super) fn check_open(cx: &Context, blob: &BlobId) -> Result<(), Failure> {
    check_uncommitted(cx, blob)?;
    let barred: Option<barred::Barred> = kv::get(&cx.txn, barred::key(blob).as_bytes())?;
    match barred {
        Some(record) if record.committed => Err(committed(blob).into()),
        Some(_) => Err(conflict(format!("the upload of blob {blob} was aborted")).into()),
        None => Ok(()),
    }
}

fn check_uncommitted(cx: &Context, blob: &BlobId) -> Result<(), Failure> {
    match cx.has(owner::key(blob).as_bytes())? {
        true => Err(committed(blob).into()),
        false => Ok(()),
    }
}

fn committed(blob: &BlobId) -> Error {
    conflict(format!("blob {blob} was committed already"))
}

fn conflict(message: String) -> Error {
    Error::new(ErrorKind::Conflict, Subject::Object, message)
}

/// Raises the fence.
pub(super) fn raise_fence(cx: &mut Context, millis: u64) -> Result<Answer, Failure> {
    if millis > cx.now() / 1000 {
        let now = cx.now() / 1000;
        let message = format!("the fence cannot be raised to {millis}: log time is {now}");
        return Err(Error::invalid(message).into());
    }
    cx.partition.fence = cx.partition.fence.max(millis);
    Ok(Answer::Fence { millis: cx.partition.fence })
}

/// Removes the oldest records of barred blobs. Their chunks were written before they were
/// barred, so the fence, raised behind that, bars them for good.
pub(super) fn expire(cx: &mut Context) -> Result<(), Fatal> {
    let expired = |cx: &Context, at: u64| at.saturating_add(BARRED) <= cx.now();
    if !expired(cx, cx.partition.oldest_barred) {
        return Ok(());
    }
    let (from, end) = (barred::expiry().u64(cx.partition.oldest_barred), barred::expiry());
    let oldest: Vec<_> =
        kv::between(&cx.txn, &from, &end).take(EXPIRED_AT_ONCE).collect::<Result<_, _>>()?;
    // What comes later is barred later.
    let mut first_left = cx.now();
    for (key, _) in oldest {
        let (at, blob) = barred::parse_expiry(&key)?;
        first_left = at;
        if !expired(cx, at) {
            break;
        }
        cx.txn.delete(key);
        cx.txn.delete(barred::key(&blob).into_bytes());
        let fence = cx.now().saturating_sub(FENCE_BEHIND) / 1000;
        cx.partition.fence = cx.partition.fence.max(fence);
    }
    cx.partition.oldest_barred = first_left;
    Ok(())
}
