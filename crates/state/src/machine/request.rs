//! Answers under request ids: a repeated request is answered, not applied again.

use super::Context;
use crate::{
    Entry, Fatal, Reply,
    kv::{self, Present, request},
};

/// How long an answer is kept, in microseconds of log time.
pub(crate) const KEPT: u64 = 10 * 60 * 1_000_000;

/// Most answers kept, of those that nobody can wait for any more: younger ones are kept
/// whatever their number.
pub(crate) const MOST: u64 = 100_000;

/// How long an answer is kept in any case, in microseconds of log time: longer than a caller
/// repeats its request.
pub(crate) const KEPT_IN_ANY_CASE: u64 = 60 * 1_000_000;

/// Answers that one command removes at most. It adds one, so they never pile up.
const EXPIRED_AT_ONCE: usize = 8;

/// The answer that the request was given before.
pub(super) fn recall(cx: &Context, entry: &Entry) -> Result<Option<Reply>, Fatal> {
    let Some(id) = &entry.request else { return Ok(None) };
    let answered: Option<request::Answered> = kv::get(&cx.txn, request::key(id).as_bytes())?;
    Ok(answered.map(|answered| answered.reply))
}

/// Keeps an answer.
pub(super) fn record(cx: &mut Context, entry: &Entry, reply: &Reply) -> Result<(), Fatal> {
    let Some(id) = &entry.request else { return Ok(()) };
    let (at, index) = (cx.now(), cx.index);
    cx.partition.requests += 1;
    kv::put(&mut cx.txn, request::key(id), &request::Answered { at, reply: reply.clone() })?;
    kv::put(&mut cx.txn, request::expiry_key(at, index, id), &Present)
}

/// Removes the oldest answers, if they are old or too many.
pub(super) fn expire(cx: &mut Context) -> Result<(), Fatal> {
    // Where there are too many, several go at once: to look for them costs as much as all else
    // of a small command.
    let kept = if cx.partition.requests > MOST { KEPT_IN_ANY_CASE } else { KEPT };
    let old = |cx: &Context, at: u64| at.saturating_add(kept) <= cx.now();
    if !old(cx, cx.partition.oldest_request) {
        return Ok(());
    }
    let (from, end) = (request::expiry().u64(cx.partition.oldest_request), request::expiry());
    let oldest: Vec<_> =
        kv::between(&cx.txn, &from, &end).take(EXPIRED_AT_ONCE).collect::<Result<_, _>>()?;
    // What comes later is given later.
    let mut first_left = cx.now();
    for (key, _) in oldest {
        let (at, id) = request::parse_expiry(&key)?;
        first_left = at;
        if !old(cx, at) {
            break;
        }
        cx.txn.delete(key);
        cx.txn.delete(request::key(&id).into_bytes());
        cx.partition.requests = cx.partition.requests.saturating_sub(1);
    }
    cx.partition.oldest_request = first_left;
    Ok(())
}
