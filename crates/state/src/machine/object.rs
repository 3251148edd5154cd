//! Deleting objects and changing their properties.

use super::{
    Context,
    commit::next_version,
    container, precondition,
    remove::{self, Object},
};
use crate::{
    Answer, DeleteObject, Failure, UpdateObject,
    kv::{
        self,
        container::{self as containers, Container},
        head::{self, Body, Head, Versioned},
        properties,
    },
    read::missing_object,
};
use model::{BlobId, Version, check_properties};

/// With a version: removes it. Without: covers the object with a delete marker where versions
/// are kept, and removes it otherwise.
pub(super) fn delete(cx: &mut Context, command: &DeleteObject) -> Result<Answer, Failure> {
    let object = Object { container: &command.container, name: &command.object };
    let mut container = containers::existing(&cx.txn, object.container)?;
    let latest = head::latest(&cx.txn, object.container, object.name)?;
    precondition::check(&command.precondition, object.name, latest.as_ref())?;
    let missing = || missing_object(object.name, command.version);
    let answer = match command.version {
        Some(version) => {
            let head = head::exact(&cx.txn, object.container, object.name, version)?;
            let head = head.ok_or_else(missing)?;
            remove::one(cx, &mut container, object, (version, head), command.delete_grace)?;
            Answer::ObjectDeleted { version, marker: false }
        }
        None => {
            let latest = latest.ok_or_else(missing)?;
            if container.versioning.keeps_versions() {
                cover(cx, object, &latest)?
            } else {
                remove_all(cx, &mut container, object, &latest, command.delete_grace)?
            }
        }
    };
    container.modified = cx.now();
    container::save(cx, object.container, &container)?;
    Ok(answer)
}

/// Removes every version. Where they are too many for one command, a delete marker covers what
/// is left: what was overwritten must not show through.
fn remove_all(
    cx: &mut Context,
    container: &mut Container,
    object: Object,
    latest: &Versioned,
    grace: u64,
) -> Result<Answer, Failure> {
    if remove::all(cx, container, object, grace)? {
        return Ok(Answer::ObjectDeleted { version: latest.0, marker: false });
    }
    cover(cx, object, latest)
}

/// Writes a delete marker.
fn cover(cx: &mut Context, object: Object, latest: &Versioned) -> Result<Answer, Failure> {
    let version = next_version(cx, Some(latest.0));
    let marker = Head {
        content: BlobId([0; BlobId::LEN]),
        size: 0,
        hash: None,
        md5: None,
        mime_type: String::new(),
        policy: latest.1.policy.clone(),
        created: cx.now(),
        modified: cx.now(),
        body: Body::Marker,
        retained_until: None,
        held: false,
    };
    kv::put(&mut cx.txn, head::key(object.container, object.name.as_str(), version), &marker)?;
    Ok(Answer::ObjectDeleted { version, marker: true })
}

/// Changes the properties of a version that is no delete marker.
pub(super) fn update(cx: &mut Context, command: &UpdateObject) -> Result<Answer, Failure> {
    let (id, name) = (&command.container, &command.object);
    containers::existing(&cx.txn, id)?;
    let latest = head::latest(&cx.txn, id, name)?;
    precondition::check(&command.precondition, name, latest.as_ref())?;
    let found: Option<(Version, Head)> = match command.version {
        Some(version) => head::exact(&cx.txn, id, name, version)?.map(|head| (version, head)),
        None => latest,
    };
    let found = found.filter(|(_, head)| !head.is_marker());
    let (version, mut head) = found.ok_or_else(|| missing_object(name, command.version))?;
    let key = properties::of_object(id, name, version);
    let properties = command.properties.apply_to(properties::read(&cx.txn, &key)?);
    check_properties(&properties)?;
    properties::write(&mut cx.txn, key, properties)?;
    head.modified = cx.now();
    kv::put(&mut cx.txn, head::key(id, name.as_str(), version), &head)?;
    Ok(Answer::Done)
}
