//! Removing versions, with all that belongs to them.

use super::{Context, blob, deletion, repair};
use crate::{
    Failure,
    kv::{
        chunks,
        container::Container,
        head::{self, Head, Versioned},
        owner, properties,
    },
};
use model::{ContainerId, Error, ErrorKind, ObjectName, Subject, Version};

/// Versions that one command removes at most.
pub(crate) const VERSIONS_AT_ONCE: usize = 100;

/// Rows of chunk tables that one command queues for deletion, roughly at most.
const ROWS_AT_ONCE: u64 = 16_384;

/// An object of a container.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) container: &'a ContainerId,
    pub(super) name: &'a ObjectName,
}

/// Removes the versions of an object, the newest first, as far as one command may go. Whether
/// none is left.
pub(super) fn all(
    cx: &mut Context,
    container: &mut Container,
    object: Object,
    grace: u64,
) -> Result<bool, Failure> {
    let found = head::newest(&cx.txn, object.container, object.name, VERSIONS_AT_ONCE + 1)?;
    let count = found.len();
    let mut rows = 0;
    for (removed, versioned) in found.into_iter().enumerate() {
        if removed >= VERSIONS_AT_ONCE || rows > ROWS_AT_ONCE {
            return Ok(false);
        }
        rows += versioned.1.extents().iter().map(|e| u64::from(e.rows)).sum::<u64>();
        one(cx, container, object, versioned, grace)?;
    }
    Ok(count <= VERSIONS_AT_ONCE)
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
    cx.txn.delete(head::key(object.container, object.name.as_str(), version).into_bytes());
    let properties = properties::of_object(object.container, object.name, version);
    cx.txn.delete(properties.into_bytes());
    if head.is_marker() {
        return Ok(());
    }
    container.objects = container.objects.saturating_sub(1);
    container.bytes = container.bytes.saturating_sub(head.size);
    cx.txn.delete(owner::key(&head.content).into_bytes());
    // A repetition of its commit that comes late must not bring it back.
    blob::bar(cx, &head.content, true)?;
    for extent in head.extents() {
        let runs: Vec<_> = chunks::runs(&cx.txn, extent).collect::<Result<_, _>>()?;
        for (first, rows) in runs {
            deletion::queue(cx, extent.blob, first, rows, grace)?;
        }
        chunks::remove(&mut cx.txn, extent);
        repair::forget(cx, &extent.blob)?;
    }
    Ok(())
}

fn check_retention(
    cx: &Context,
    name: &ObjectName,
    version: Version,
    head: &Head,
) -> Result<(), Error> {
    let retained = head.retained_until.is_some_and(|until| until > cx.now());
    if !retained && !head.held {
        return Ok(());
    }
    let message = format!("version {version} of object {name} is held and cannot be removed");
    Err(Error::new(ErrorKind::Denied, Subject::Object, message))
}
