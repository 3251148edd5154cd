//! Deleting and draining objects, and changing what is said of them.

use super::{
    Context,
    commit::{check_described, next_version},
    container, expiry,
    extents::Place,
    precondition,
    remove::{self, Object},
};
use crate::{
    Answer, DeleteObject, Drain, Failure, UpdateObject,
    kv::{
        self,
        container::{self as containers, Container},
        head::{self, Body, Head, Versioned},
        properties,
    },
    read::missing_object,
};
use model::{ContainerId, ObjectName, PolicyName, Precondition, Version};

/// With a version: removes it. Without: covers the object with a delete marker where versions
/// are kept, and removes it otherwise.
pub(super) fn delete(cx: &mut Context, command: &DeleteObject) -> Result<Answer, Failure> {
    let object = Object { container: &command.container, name: &command.object };
    let mut container = containers::writable(&cx.txn, object.container, cx.now())?;
    let latest = head::latest(&cx.txn, object.container, object.name)?;
    precondition::check(&command.precondition, object.name, latest.as_ref(), cx.now())?;
    let missing = || missing_object(object.name, command.version);
    let answer = match command.version {
        Some(version) => {
            let head = head::exact(&cx.txn, object.container, object.name, version)?;
            let head = head.ok_or_else(missing)?;
            remove::one(cx, &mut container, object, (version, head), command.delete_grace)?;
            Answer::ObjectDeleted { version, marker: false }
        }
        None => {
            let over = command.silent.then(|| cx.now() / 1_000_000);
            match (latest, &command.missing, container.versioning.keeps_versions()) {
                (Some(latest), _, true) => cover(cx, &mut container, object, latest.0, over)?,
                (Some(latest), _, false) => {
                    remove_latest(cx, &mut container, object, latest, over, command.delete_grace)?
                }
                (None, Some(policy), true) => {
                    let policy = container.policy.as_ref().unwrap_or(policy).clone();
                    mark(cx, object, policy, None, over)?
                }
                (None, ..) => return Err(missing().into()),
            }
        }
    };
    container.modified = cx.now();
    container::save(cx, object.container, &container)?;
    Ok(answer)
}

/// Removes the latest version. Where older ones are behind it, of a time when versions were kept,
/// a delete marker takes its place: what was overwritten must not show through.
fn remove_latest(
    cx: &mut Context,
    container: &mut Container,
    object: Object,
    latest: Versioned,
    over: Option<u64>,
    grace: u64,
) -> Result<Answer, Failure> {
    let bare = head::newest(&cx.txn, object.container, object.name, 2)?.len() == 1;
    let version = latest.0;
    remove::one(cx, container, object, latest, grace)?;
    match bare {
        true => Ok(Answer::ObjectDeleted { version, marker: false }),
        false => cover(cx, container, object, version, over),
    }
}

/// Writes a delete marker over what there is of an object, and after the version that was its
/// latest. It says when the object was over if nobody deleted it. The container is changed, not
/// written.
pub(super) fn cover(
    cx: &mut Context,
    container: &mut Container,
    object: Object,
    after: Version,
    over: Option<u64>,
) -> Result<Answer, Failure> {
    let latest = head::latest(&cx.txn, object.container, object.name)?;
    let (_, covered) = latest.ok_or_else(|| missing_object(object.name, None))?;
    container.hides(&covered);
    mark(cx, object, covered.policy, Some(after), over)
}

/// Writes a delete marker, after a version.
fn mark(
    cx: &mut Context,
    object: Object,
    policy: PolicyName,
    after: Option<Version>,
    over: Option<u64>,
) -> Result<Answer, Failure> {
    let version = next_version(cx, after);
    let marker = Head { delete_at: over, ..Head::marker(policy, cx.now(), cx.now()) };
    kv::put(&mut cx.txn, head::key(object.container, object.name.as_str(), version), &marker)?;
    Ok(Answer::ObjectDeleted { version, marker: true })
}

/// Changes what is said of a version that is no delete marker.
pub(super) fn update(cx: &mut Context, command: &UpdateObject) -> Result<Answer, Failure> {
    let (id, name) = (&command.container, &command.object);
    containers::writable(&cx.txn, id, cx.now())?;
    let (version, mut head) = found(cx, id, name, command.version, &command.precondition)?;
    let key = properties::of_object(id, name, version);
    let before = properties::read(&cx.txn, &key)?;
    let properties = command.properties.apply_to(before.clone());
    let mime_type = command.mime_type.as_ref().unwrap_or(&head.mime_type).clone();
    check_described(&properties, &mime_type)?;
    let delete_at = command.delete_at.unwrap_or(head.delete_at);
    // Without any change to make, it is touched.
    let same = properties == before && (&mime_type, delete_at) == (&head.mime_type, head.delete_at);
    if same && !command.is_empty() {
        return Ok(Answer::Done);
    }
    head.mime_type = mime_type;
    properties::write(&mut cx.txn, key, properties)?;
    expiry::schedule(cx, Place { container: id, object: name, version }, &mut head, delete_at)?;
    head.modified = cx.now();
    kv::put(&mut cx.txn, head::key(id, name.as_str(), version), &head)?;
    Ok(Answer::Done)
}

/// Drops the content of a version. What it counts for stays as it is.
pub(super) fn drain(cx: &mut Context, command: &Drain) -> Result<Answer, Failure> {
    let (id, name) = (&command.container, &command.object);
    let mut container = containers::writable(&cx.txn, id, cx.now())?;
    let (version, mut head) = found(cx, id, name, command.version, &command.precondition)?;
    if head.is_drained() {
        return Ok(Answer::Done);
    }
    remove::check_retention(cx, name, version, &head)?;
    for extent in head.extents() {
        remove::extent(cx, extent, command.delete_grace)?;
        // The blob that the version was made with goes with the version.
        if extent.blob != head.blob {
            remove::disown(cx, &extent.blob)?;
        }
    }
    head.body = Body::Drained;
    head.modified = cx.now();
    kv::put(&mut cx.txn, head::key(id, name.as_str(), version), &head)?;
    container.modified = cx.now();
    container::save(cx, id, &container)?;
    Ok(Answer::Done)
}

/// A version that is no delete marker, if the latest one meets a condition.
fn found(
    cx: &Context,
    id: &ContainerId,
    name: &ObjectName,
    version: Option<Version>,
    condition: &Precondition,
) -> Result<Versioned, Failure> {
    let latest = head::latest(&cx.txn, id, name)?;
    precondition::check(condition, name, latest.as_ref(), cx.now())?;
    live(cx, id, name, version)
}

/// A version that is no delete marker: the one asked for, or the latest.
pub(super) fn live(
    cx: &Context,
    id: &ContainerId,
    name: &ObjectName,
    version: Option<Version>,
) -> Result<Versioned, Failure> {
    let found = match version {
        Some(version) => head::exact(&cx.txn, id, name, version)?.map(|head| (version, head)),
        None => head::latest(&cx.txn, id, name)?,
    };
    let found = found.filter(|(_, head)| !head.is_marker());
    Ok(found.ok_or_else(|| missing_object(name, version))?)
}
