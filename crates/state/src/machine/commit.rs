//! Commits.

mod check;

use super::{Context, blob, container, precondition, remove, repair};
use crate::{
    Answer, Commit, Failure,
    kv::{
        self, chunks,
        container::{self as containers, Container},
        head::{self, Body, Head},
        owner::{self, Owner},
        properties,
    },
};
use model::{Error, ErrorKind, Extent, MAX_WIDTH, Subject, Version, Versioning};

/// Makes a version of what was written, with all that belongs to it, in one batch.
pub(super) fn commit(cx: &mut Context, command: &Commit) -> Result<Answer, Failure> {
    let mut container = containers::existing(&cx.txn, &command.container)?;
    if container.incarnation != command.incarnation {
        let message =
            format!("container {} was deleted and created again meanwhile", container.name);
        return Err(Error::new(ErrorKind::Conflict, Subject::Container, message).into());
    }
    check::content(command)?;
    check::fence(command, cx.partition.fence)?;
    blob::check_open(cx, &command.blob)?;

    let latest = head::latest(&cx.txn, &command.container, &command.object)?;
    precondition::check(&command.precondition, &command.object, latest.as_ref())?;
    let live = latest.as_ref().is_some_and(|(_, head)| !head.is_marker());
    if container.versioning == Versioning::Disabled && live {
        let (object, name) = (&command.object, &container.name);
        let message =
            format!("object {object} exists, and container {name} does not allow overwrites");
        return Err(Error::new(ErrorKind::AlreadyExists, Subject::Object, message).into());
    }
    let bytes_before = container.bytes;
    let version = next_version(cx, latest.map(|(version, _)| version));
    if container.versioning == Versioning::Suspended {
        let object = remove::Object { container: &command.container, name: &command.object };
        remove::all(cx, &mut container, object, command.delete_grace)?;
    }
    container.objects += 1;
    container.bytes = container.bytes.saturating_add(command.size);
    check_quota(&container, bytes_before)?;
    container.modified = cx.now();
    write(cx, command, version)?;
    container::save(cx, &command.container, &container)?;
    let (tolerance, dropped) = queue_dropped(cx, command, version)?;
    Ok(Answer::Committed { version, tolerance, dropped })
}

/// The version for a commit or delete marker now: log time in steps of 10 microseconds, after
/// every version that was given before, so that none is ever given twice.
pub(super) fn next_version(cx: &mut Context, latest: Option<Version>) -> Version {
    let last = cx.partition.last_version.max(latest.map_or(0, |version| version.0));
    let now = cx.now().div_ceil(10).saturating_mul(10);
    cx.partition.last_version = now.max(last.saturating_add(10));
    Version(cx.partition.last_version)
}

/// A container over its quota may still be overwritten in with less.
fn check_quota(container: &Container, before: u64) -> Result<(), Error> {
    match container.quota {
        Some(quota) if container.bytes > quota && container.bytes > before => {
            let (name, bytes) = (&container.name, container.bytes);
            let message =
                format!("container {name} would hold {bytes} bytes; its quota is {quota}");
            Err(Error::new(ErrorKind::Exhausted, Subject::Container, message))
        }
        _ => Ok(()),
    }
}

/// Writes the version's records.
fn write(cx: &mut Context, command: &Commit, version: Version) -> Result<(), Failure> {
    let mut extents = Vec::new();
    if let Some(extent) = &command.extent {
        extents.push(chunks::write(&mut cx.txn, extent)?);
    }
    let head = Head {
        content: command.blob,
        size: command.size,
        hash: command.hash,
        md5: command.md5,
        mime_type: command.mime_type.clone(),
        policy: command.policy.clone(),
        created: cx.now(),
        modified: cx.now(),
        body: Body::Extents(extents),
        retained_until: None,
        held: false,
    };
    let (id, name) = (command.container, &command.object);
    kv::put(&mut cx.txn, head::key(&id, name.as_str(), version), &head)?;
    let key = properties::of_object(&id, name, version);
    properties::write(&mut cx.txn, key, command.properties.clone())?;
    let owner = Owner { container: id, object: name.clone(), version };
    Ok(kv::put(&mut cx.txn, owner::key(&command.blob), &owner)?)
}

/// Queues the positions that no chunk is durable at. The losses that the weakest metachunk
/// survives, and how many chunks were dropped.
fn queue_dropped(
    cx: &mut Context,
    command: &Commit,
    version: Version,
) -> Result<(u32, u32), Failure> {
    let Some(extent) = &command.extent else { return Ok((MAX_WIDTH as u32, 0)) };
    let (mut tolerance, mut dropped) = (MAX_WIDTH, 0);
    for (number, row) in (0..).zip(&extent.metachunks) {
        let lost = repair::missing(row);
        tolerance = tolerance.min(row.durable().saturating_sub(extent.method.data()));
        dropped += lost.count_ones();
        if lost != 0 {
            let at = place(command, extent, version, number);
            repair::queue(cx, at, row, extent.method.data(), lost)?;
        }
    }
    Ok((tolerance as u32, dropped))
}

fn place(command: &Commit, extent: &Extent, version: Version, metachunk: u32) -> repair::Place {
    repair::Place {
        container: command.container,
        object: command.object.clone(),
        version,
        blob: extent.blob,
        metachunk,
    }
}
