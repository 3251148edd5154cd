//! Objects and blobs.

use crate::{
    Failure,
    kv::{self, barred, chunks, container, head, owner, properties},
};
use model::{
    BlobId, Body, ChunkName, ContainerId, Error, Object, ObjectEntry, ObjectName, Subject, Version,
    VolumeId,
};
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

/// The volume on which a chunk is, if the chunk table of a committed version names exactly this
/// chunk. What no version names may be garbage, once the fence is behind its write id.
pub fn find_chunk(view: &dyn Read, chunk: &ChunkName) -> Result<Option<VolumeId>, Failure> {
    let Some(owner) = blob_owner(view, &chunk.blob)? else { return Ok(None) };
    let head = head::exact(view, &owner.container, &owner.object, owner.version)?;
    let extents = head.iter().flat_map(head::Head::extents);
    let mut extents = extents.filter(|extent| extent.blob == chunk.blob);
    let Some(extent) = extents.next() else { return Ok(None) };
    let row = chunks::row(view, extent, chunk.metachunk)?;
    let row = row.filter(|row| row.write_of(chunk.position) == chunk.write);
    Ok(row.and_then(|row| row.volumes.get(usize::from(chunk.position)).copied().flatten()))
}
