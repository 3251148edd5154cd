//! Versions that go by themselves when their time has come.

use super::{
    Context, container,
    extents::Place,
    object,
    remove::{self, Object},
};
use crate::{
    Answer, Expire, Failure, Fatal, MAX_EXPIRED,
    kv::{
        self, Present,
        container::{self as containers, Container},
        expiry,
        head::{self, Head, Versioned},
    },
};
use model::Error;

/// Sets when a version goes, in its head, which the caller writes, and in the index.
pub(super) fn schedule(
    cx: &mut Context,
    place: Place,
    head: &mut Head,
    delete_at: Option<u64>,
) -> Result<(), Fatal> {
    let Place { container, object, version } = place;
    if let Some(before) = head.delete_at {
        cx.txn.delete(expiry::key(before, container, object.as_str(), version).into_bytes());
    }
    head.delete_at = delete_at;
    index(cx, place, delete_at)
}

/// Writes when a version goes into the index.
pub(super) fn index(cx: &mut Context, place: Place, delete_at: Option<u64>) -> Result<(), Fatal> {
    let Some(at) = delete_at else { return Ok(()) };
    let key = expiry::key(at, place.container, place.object.as_str(), place.version);
    kv::put(&mut cx.txn, key, &Present)
}

/// Removes the versions whose time has come, as far as the bounds of one command let it.
pub(super) fn expire(cx: &mut Context, command: &Expire) -> Result<Answer, Failure> {
    if command.versions.len() > MAX_EXPIRED {
        let count = command.versions.len();
        let message = format!("at most {MAX_EXPIRED} versions expire at once, not {count}");
        return Err(Error::invalid(message).into());
    }
    let id = &command.container;
    let mut container = containers::writable(&cx.txn, id, cx.now())?;
    let (mut versions, mut looked_at, mut rows) = (0, 0, 0);
    for (name, version) in &command.versions {
        if rows > remove::ROWS_AT_ONCE {
            break;
        }
        looked_at += 1;
        let head = head::exact(&cx.txn, id, name, *version)?;
        let Some(head) = head.filter(|head| is_due(cx, head)) else { continue };
        rows += remove::rows_of(&head);
        versions += 1;
        let object = Object { container: id, name };
        remove_one(cx, &mut container, object, (*version, head), command.delete_grace)?;
    }
    if versions > 0 {
        container.modified = cx.now();
        container::save(cx, id, &container)?;
    }
    Ok(Answer::Expired { versions, looked_at })
}

fn is_due(cx: &Context, head: &Head) -> bool {
    let at = head.delete_at.map(|seconds| seconds.saturating_mul(1_000_000));
    at.is_some_and(|at| at <= cx.now()) && !head.is_marker() && !remove::is_held(cx, head)
}

/// Removes a version for good. Where an older one would show through, a delete marker takes its
/// place.
fn remove_one(
    cx: &mut Context,
    container: &mut Container,
    object: Object,
    versioned: Versioned,
    grace: u64,
) -> Result<(), Failure> {
    let (id, name, version) = (object.container, object.name, versioned.0);
    let over = versioned.1.delete_at;
    let latest = head::is_latest(&cx.txn, id, name, version)?;
    remove::one(cx, container, object, versioned, grace)?;
    let shown = if latest { head::latest(&cx.txn, id, name)? } else { None };
    if shown.is_some_and(|(_, older)| !older.is_marker()) {
        object::cover(cx, container, object, version, over)?;
    }
    Ok(())
}
