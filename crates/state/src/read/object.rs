//! Objects and blobs.

use crate::{
    Failure,
    kv::{self, barred, chunks, container, head, owner, properties},
};
use model::{BlobId, Body, ContainerId, Error, Object, ObjectEntry, ObjectName, Subject, Version};
use store::Read;

/// A version with its properties and its chunk table: the one asked for, which may be a delete
/// marker, or the latest, which is *not found* if it is one.
pub fn locate(
    view: &dyn Read,
    container: &ContainerId,
    name: &ObjectName,
    version: Option<Version>,
) -> Result<Object, Failure> {
    let (entry, head) = existing(view, container, name, version)?;
    let body = if head.is_marker() {
        Body::Marker
    } else {
        let extents = head.extents().iter().map(|extent| chunks::read(view, extent));
        Body::Extents(extents.collect::<Result<_, _>>()?)
    };
    let key = properties::of_object(container, name, entry.version);
    Ok(Object { properties: properties::read(view, &key)?, entry, body })
}

/// What [`locate`] finds, without its chunk table.
pub fn show_object(
    view: &dyn Read,
    container: &ContainerId,
    name: &ObjectName,
    version: Option<Version>,
) -> Result<(ObjectEntry, model::Properties), Failure> {
    let (entry, _) = existing(view, container, name, version)?;
    let key = properties::of_object(container, name, entry.version);
    Ok((entry, properties::read(view, &key)?))
}

fn existing(
    view: &dyn Read,
    container: &ContainerId,
    name: &ObjectName,
    version: Option<Version>,
) -> Result<(ObjectEntry, head::Head), Failure> {
    container::existing(view, container)?;
    let found = match version {
        Some(version) => head::exact(view, container, name, version)?.map(|head| (version, head)),
        None => head::latest(view, container, name)?.filter(|(_, head)| !head.is_marker()),
    };
    let (version, head) = found.ok_or_else(|| missing(name, version))?;
    let latest = head::is_latest(view, container, name, version)?;
    Ok((head.entry(name.clone(), version, latest), head))
}

/// The object, or the version of it, is *not found*.
pub(crate) fn missing(name: &ObjectName, version: Option<Version>) -> Error {
    let message = match version {
        Some(version) => format!("there is no version {version} of object {name}"),
        None => format!("there is no object {name}"),
    };
    Error::not_found(Subject::Object, message)
}

/// The version that a blob became, if it was committed and is there still.
pub fn blob_owner(view: &dyn Read, blob: &BlobId) -> Result<Option<owner::Owner>, Failure> {
    Ok(kv::get(view, owner::key(blob).as_bytes())?)
}

/// Whether a blob is barred from being committed.
pub fn is_barred(view: &dyn Read, blob: &BlobId) -> Result<bool, Failure> {
    Ok(view.get(barred::key(blob).as_bytes())?.is_some())
}
