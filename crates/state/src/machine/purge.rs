//! Removing many versions of a container, some with each command.
//!
//! Whatever a command leaves behind shows nothing that was overwritten or deleted: of what goes
//! as a whole the oldest goes first.

use super::{
    Context, container,
    remove::{self, Object},
};
use crate::{
    Answer, Failure, Fatal, Flush, MAX_REMOVED, Purge, PurgeCursor,
    kv::{
        self,
        container::{self as containers, Container},
        head::{self, Head, Versioned},
        key::Key,
    },
    read::missing_object,
};
use model::{ContainerId, ObjectName, Version};
use std::ops::Bound;
use store::Read;

/// Versions that one purge looks at, at most.
const STEPS_AT_ONCE: usize = 10_000;

/// A version of some object.
struct Doomed {
    object: ObjectName,
    version: Version,
    head: Head,
}

/// What one command removes.
#[derive(Default)]
struct Batch {
    doomed: Vec<Doomed>,
    rows: u64,
}

impl Batch {
    fn push(&mut self, object: &ObjectName, (version, head): Versioned) {
        self.rows += remove::rows_of(&head);
        self.doomed.push(Doomed { object: object.clone(), version, head });
    }

    fn is_full(&self, limit: usize) -> bool {
        self.doomed.len() >= limit || self.rows > remove::ROWS_AT_ONCE
    }
}

/// Removes versions beyond so many of each object.
pub(super) fn purge(cx: &mut Context, command: &Purge) -> Result<Answer, Failure> {
    let id = &command.container;
    let mut container = containers::writable(&cx.txn, id, cx.now())?;
    if let (Some(object), None) = (&command.object, &command.after)
        && head::latest(&cx.txn, id, object)?.is_none()
    {
        return Err(missing_object(object, None).into());
    }
    let (batch, next) = pick(cx, command)?;
    let (versions, markers) = remove_batch(cx, &mut container, id, batch, command.delete_grace)?;
    if versions + markers > 0 {
        container.modified = cx.now();
        container::save(cx, id, &container)?;
    }
    Ok(Answer::Purged { versions, markers, next })
}

/// The versions to remove, and where to go on.
fn pick(cx: &Context, command: &Purge) -> Result<(Batch, Option<PurgeCursor>), Failure> {
    let (id, limit) = (&command.container, limit_of(command.limit));
    let base = match &command.object {
        Some(object) => head::versions(id, object.as_str()),
        None => head::all(id),
    };
    let from = base.clone().into_bytes().max(first_behind(id, command.after.as_ref()));
    let end = base.successor();
    let mut batch = Batch::default();
    let mut at = command.after.clone();
    // The object that was picked whole, whose rows are still ahead.
    let mut whole: Option<ObjectName> = None;
    let pairs = cx.txn.range(Bound::Included(&from), Bound::Excluded(&end), false);
    for (step, pair) in pairs.enumerate() {
        if step >= STEPS_AT_ONCE || batch.is_full(limit) {
            return Ok((batch, at));
        }
        let (key, value) = pair?;
        let object: ObjectName = head::name(&key)?.parse().map_err(|_| kv::misshapen(&key))?;
        if whole.as_ref() == Some(&object) {
            continue;
        }
        let (version, head) = (head::split(&key)?.1, kv::decode::<Head>(&key, &value)?);
        let before = at.take().filter(|at| at.object == object && at.version.is_some());
        let expired = command.markers_before.is_some_and(|time| head.created < time);
        if before.is_none() && head.is_marker() && expired {
            if !pick_all(cx, id, &object, limit, &mut batch)? {
                return Ok((batch, Some(PurgeCursor { object, version: None, kept: 0 })));
            }
            // Behind all its versions.
            at = Some(PurgeCursor { object: object.clone(), version: Some(Version(0)), kept: 0 });
            whole = Some(object);
            continue;
        }
        let mut kept = before.map_or(0, |at| at.kept);
        if !head.is_marker() {
            if kept < command.keep.max(1) || remove::is_held(cx, &head) {
                kept = kept.saturating_add(1);
            } else {
                batch.push(&object, (version, head));
            }
        }
        at = Some(PurgeCursor { object, version: Some(version), kept });
    }
    Ok((batch, None))
}

/// The first key that a purge has not looked at.
fn first_behind(id: &ContainerId, after: Option<&PurgeCursor>) -> Vec<u8> {
    match after {
        None => Vec::new(),
        Some(PurgeCursor { object, version: None, .. }) => {
            head::versions(id, object.as_str()).into_bytes()
        }
        Some(PurgeCursor { object, version: Some(version), .. }) => {
            head::key(id, object.as_str(), *version).u8(0).into_bytes()
        }
    }
}

/// Picks all versions of an object, the oldest first. False if some are left. What is held
/// stays, with what is newer.
fn pick_all(
    cx: &Context,
    id: &ContainerId,
    object: &ObjectName,
    limit: usize,
    batch: &mut Batch,
) -> Result<bool, Fatal> {
    for versioned in oldest_first(cx, &head::versions(id, object.as_str())) {
        let (object, versioned) = versioned?;
        if remove::is_held(cx, &versioned.1) {
            return Ok(true);
        }
        if batch.is_full(limit) {
            return Ok(false);
        }
        batch.push(&object, versioned);
    }
    Ok(true)
}

/// Removes all that is in a container.
pub(super) fn flush(cx: &mut Context, command: &Flush) -> Result<Answer, Failure> {
    let id = &command.container;
    let mut container = containers::writable(&cx.txn, id, cx.now())?;
    container.check_incarnation(command.incarnation)?;
    let limit = limit_of(command.limit);
    let answer = empty(cx, &mut container, id, limit, command.delete_grace)?;
    if !matches!(answer, Answer::Flushed { versions: 0, markers: 0, .. }) {
        container.modified = cx.now();
        container::save(cx, id, &container)?;
    }
    Ok(answer)
}

/// Removes versions of a container, the last names and the oldest versions first. The container
/// is changed, not written.
pub(super) fn empty(
    cx: &mut Context,
    container: &mut Container,
    id: &ContainerId,
    limit: usize,
    grace: u64,
) -> Result<Answer, Failure> {
    let (mut batch, mut complete) = (Batch::default(), true);
    for versioned in oldest_first(cx, &head::all(id)) {
        let (object, versioned) = versioned?;
        if batch.is_full(limit) {
            complete = false;
            break;
        }
        batch.push(&object, versioned);
    }
    let (versions, markers) = remove_batch(cx, container, id, batch, grace)?;
    Ok(Answer::Flushed { versions, markers, complete })
}

/// Versions under some prefix of keys, from the last one to the first: of each object the oldest
/// first.
fn oldest_first<'a>(
    cx: &'a Context,
    base: &Key,
) -> impl Iterator<Item = Result<(ObjectName, Versioned), Fatal>> + 'a {
    let end = base.clone().successor();
    let range = (Bound::Included(base.as_bytes()), Bound::Excluded(&end[..]));
    cx.txn.range(range.0, range.1, true).map(|pair| {
        let (key, value) = pair?;
        let object = head::name(&key)?.parse().map_err(|_| kv::misshapen(&key))?;
        Ok((object, (head::split(&key)?.1, kv::decode(&key, &value)?)))
    })
}

/// Removes what was picked. How many versions and how many markers that were.
fn remove_batch(
    cx: &mut Context,
    container: &mut Container,
    id: &ContainerId,
    batch: Batch,
    grace: u64,
) -> Result<(u32, u32), Failure> {
    let (mut versions, mut markers) = (0, 0);
    for Doomed { object, version, head } in batch.doomed {
        *if head.is_marker() { &mut markers } else { &mut versions } += 1;
        let object = Object { container: id, name: &object };
        remove::one(cx, container, object, (version, head), grace)?;
    }
    Ok((versions, markers))
}

/// How many versions a command may remove.
pub(super) fn limit_of(asked: u32) -> usize {
    asked.clamp(1, MAX_REMOVED) as usize
}
