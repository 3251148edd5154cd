//! Objects and blobs.

use crate::{
    Failure,
    kv::{self, barred, chunks, container, content, head, owner, properties},
};
use model::{
    BlobId, Body, ChunkName, ContainerId, ContentId, Error, ErrorKind, Metachunk, Method, Object,
    ObjectEntry, ObjectName, PolicyName, Properties, Subject, Version, VolumeId,
};
use store::Read;

/// Most rows that one call for them gives: about 400 KB.
const MAX_ROWS_AT_ONCE: u32 = 4096;

/// A version with its properties and its chunk table: the one asked for, which may be a delete
/// marker, or the latest, which is *not found* if it is one. *Drained* if its content was.
pub fn locate(
    view: &dyn Read,
    container: &ContainerId,
    name: &ObjectName,
    version: Option<Version>,
) -> Result<Object, Failure> {
    let (entry, head) = existing(view, container, name, version)?;
    check_body(name, &head)?;
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
) -> Result<(ObjectEntry, Properties), Failure> {
    let (entry, _) = existing(view, container, name, version)?;
    let key = properties::of_object(container, name, entry.version);
    Ok((entry, properties::read(view, &key)?))
}

/// A version with its properties and its extents, but not their rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// What listings show of it.
    pub entry: ObjectEntry,
    /// User properties.
    pub properties: Properties,
    /// In the order of the content; none for a delete marker.
    pub extents: Vec<ExtentOutline>,
}

/// An extent without its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtentOutline {
    /// Names its chunks.
    pub blob: BlobId,
    /// The blob under which its bytes were first written.
    pub origin: BlobId,
    /// The policy it was written with.
    pub policy: PolicyName,
    /// How its stripes were encoded.
    pub method: Method,
    /// Blocks of a full chunk.
    pub chunk_blocks: u32,
    /// How many rows it has.
    pub rows: u32,
    /// Bytes of content in it.
    pub bytes: u64,
}

/// What [`locate`] finds, without the rows of its chunk table: those come with [`rows`].
pub fn outline(
    view: &dyn Read,
    container: &ContainerId,
    name: &ObjectName,
    version: Option<Version>,
) -> Result<Outline, Failure> {
    let (entry, head) = existing(view, container, name, version)?;
    check_body(name, &head)?;
    let extents = head.extents().iter().map(|extent| ExtentOutline {
        blob: extent.blob,
        origin: extent.origin,
        policy: extent.policy.clone(),
        method: extent.method,
        chunk_blocks: extent.chunk_blocks,
        rows: extent.rows,
        bytes: extent.bytes,
    });
    let extents = extents.collect();
    let key = properties::of_object(container, name, entry.version);
    Ok(Outline { properties: properties::read(view, &key)?, entry, extents })
}

/// Rows of an extent of a version, from `first` on, at most `limit` (and at most 4,096). *Not
/// found* if the version or the extent is gone; fewer rows if it was cut short meanwhile.
pub fn rows(
    view: &dyn Read,
    container: &ContainerId,
    name: &ObjectName,
    version: Version,
    blob: &BlobId,
    first: u32,
    limit: u32,
) -> Result<Vec<Metachunk>, Failure> {
    let (_, head) = existing(view, container, name, Some(version))?;
    check_body(name, &head)?;
    let gone = || {
        let message = format!("version {version} of object {name} has no extent {blob} any more");
        Error::not_found(Subject::Object, message)
    };
    let extent = head.extents().iter().find(|extent| extent.blob == *blob).ok_or_else(gone)?;
    let mut rows = Vec::new();
    let wanted = limit.min(MAX_ROWS_AT_ONCE) as usize;
    for run in chunks::runs_from(view, extent, first) {
        if rows.len() >= wanted {
            break;
        }
        let (start, run) = run?;
        let skipped = first.saturating_sub(start) as usize;
        rows.extend(run.into_iter().skip(skipped).take(wanted - rows.len()));
    }
    Ok(rows)
}

/// The version that has a content id, which may be drained. *Not found* if none has.
pub fn resolve_content(
    view: &dyn Read,
    container: &ContainerId,
    id: &ContentId,
) -> Result<(ObjectName, Version), Failure> {
    container::existing(view, container)?;
    let found: Option<content::Content> = kv::get(view, content::key(container, id).as_bytes())?;
    let message = || format!("no object of the container has the content id {id}");
    let found = found.ok_or_else(|| Error::not_found(Subject::Object, message()))?;
    Ok((found.object, found.version))
}

fn check_body(name: &ObjectName, head: &head::Head) -> Result<(), Error> {
    if head.is_drained() { Err(drained(name)) } else { Ok(()) }
}

/// The refusal of what needs the content of a drained object.
pub(crate) fn drained(name: &ObjectName) -> Error {
    let message = format!("the content of object {name} was drained");
    Error::new(ErrorKind::Drained, Subject::Object, message)
}

fn existing(
    view: &dyn Read,
    container: &ContainerId,
    name: &ObjectName,
    version: Option<Version>,
) -> Result<(ObjectEntry, head::Head), Failure> {
    container::existing(view, container)?;
    let Some(asked) = version else {
        let found = head::latest(view, container, name)?.filter(|(_, head)| !head.is_marker());
        let (version, head) = found.ok_or_else(|| missing(name, None))?;
        return Ok((head.entry(name.clone(), version, true), head));
    };
    let head = head::exact(view, container, name, asked)?.ok_or_else(|| missing(name, version))?;
    let latest = head::is_latest(view, container, name, asked)?;
    Ok((head.entry(name.clone(), asked, latest), head))
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
