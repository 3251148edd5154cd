//! Removing versions, with all that belongs to them.

use super::{Context, blob, deletion, repair};
use crate::{
    Failure,
    kv::{
        chunks,
        container::Container,
        content, expiry,
        head::{self, Extent, Head, Versioned},
        owner, properties,
    },
};
use model::{BlobId, ContainerId, Error, ErrorKind, ObjectName, Subject, Version};

/// Rows of chunk tables that one command queues for deletion, roughly at most.
pub(super) const ROWS_AT_ONCE: u64 = 16_384;

/// An object of a container.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) container: &'a ContainerId,
    pub(super) name: &'a ObjectName,
}

/// Removes one version. The container's counters are changed, not written.
pub(super) fn one(
    cx: &mut Context,
    container: &mut Container,
    object: Object,
    (version, head): Versioned,
    grace: u64,
) -> Result<(), Failure> {
    check_retention(cx, object.name, version, &head)?;
    let latest = head::is_latest(&cx.txn, object.container, object.name, version)?;
    cx.txn.delete(head::key(object.container, object.name.as_str(), version).into_bytes());
    let properties = properties::of_object(object.container, object.name, version);
    cx.txn.delete(properties.into_bytes());
    if latest {
        container.hides(&head);
        if let Some((_, shown)) = head::latest(&cx.txn, object.container, object.name)? {
            container.shows(&shown);
        }
    }
    if head.is_marker() {
        return Ok(());
    }
    if let Some(at) = head.delete_at {
        let entry = expiry::key(at, object.container, object.name.as_str(), version);
        cx.txn.delete(entry.into_bytes());
    }
    container.objects = container.objects.saturating_sub(1);
    container.bytes = container.bytes.saturating_sub(head.size);
    cx.txn.delete(content::key(object.container, &head.content).into_bytes());
    for extent in head.extents() {
        self::extent(cx, extent, grace)?;
    }
    for blob in head.blobs() {
        disown(cx, &blob)?;
    }
    Ok(())
}

/// Queues the chunks of an extent for deletion and removes its pages and repairs.
pub(super) fn extent(cx: &mut Context, extent: &Extent, grace: u64) -> Result<(), Failure> {
    queue_rows(cx, extent, 0, grace)?;
    chunks::remove(&mut cx.txn, extent);
    Ok(repair::forget(cx, &extent.blob, 0)?)
}

/// Queues the chunks of an extent's rows behind the first `keep` for deletion, and removes those
/// rows. The head must be written by the caller.
pub(super) fn rows(
    cx: &mut Context,
    extent: &mut Extent,
    keep: u32,
    grace: u64,
) -> Result<(), Failure> {
    queue_rows(cx, extent, keep, grace)?;
    chunks::cut(&mut cx.txn, extent, keep)?;
    Ok(repair::forget(cx, &extent.blob, keep)?)
}

fn queue_rows(cx: &mut Context, extent: &Extent, from: u32, grace: u64) -> Result<(), Failure> {
    let runs: Vec<_> = chunks::runs_from(&cx.txn, extent, from).collect::<Result<_, _>>()?;
    for (first, mut rows) in runs {
        let skipped = from.saturating_sub(first);
        rows.drain(..rows.len().min(skipped as usize));
        if !rows.is_empty() {
            deletion::queue(cx, extent.blob, first + skipped, rows, grace)?;
        }
    }
    Ok(())
}

/// Takes a blob from the version it belonged to, for good: a repetition of its commit that comes
/// late must not bring it back.
pub(super) fn disown(cx: &mut Context, blob: &BlobId) -> Result<(), Failure> {
    cx.txn.delete(owner::key(blob).into_bytes());
    Ok(blob::bar(cx, blob, true)?)
}

/// Rows of the chunk tables of a version.
pub(super) fn rows_of(head: &Head) -> u64 {
    head.extents().iter().map(|extent| u64::from(extent.rows)).sum()
}

/// Whether a version may not be removed.
pub(super) fn is_held(cx: &Context, head: &Head) -> bool {
    head.held || head.retained_until.is_some_and(|until| until > cx.now())
}

/// Refuses to remove what must be kept.
pub(super) fn check_retention(
    cx: &Context,
    name: &ObjectName,
    version: Version,
    head: &Head,
) -> Result<(), Error> {
    if !is_held(cx, head) {
        return Ok(());
    }
    let message = format!("version {version} of object {name} is held and cannot be removed");
    Err(Error::new(ErrorKind::Denied, Subject::Object, message))
}
