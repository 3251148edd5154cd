//! Hidden targets of snapshots.

use super::{
    Context, blob,
    commit::{self, check_content, check_described},
    container,
    extents::{self, Place},
    outbox, purge,
    remove::{self, Object},
};
use crate::{
    Answer, CreateSnapshot, DiscardSnapshot, DropImported, Failure, Fatal, ImportBody,
    ImportVersion, MAX_REMOVED, PublishSnapshot,
    kv::{
        self,
        container::{self as containers, Container, Snapshot},
        head::{self, Body, Head},
        properties,
    },
};
use model::{ContainerId, Error, ErrorKind, Frozen, JobId, Subject, check_properties};

/// How far the versions of other partitions may be ahead of log time, in microseconds.
const AHEAD: u64 = 24 * 3600 * 1_000_000;

/// Makes a hidden target, or takes over one that a job left behind.
pub(super) fn create(cx: &mut Context, command: &CreateSnapshot) -> Result<Answer, Failure> {
    check_properties(&command.properties)?;
    container::check_versioning(command.versioning)?;
    let id = ContainerId::of(&command.account, &command.container);
    if id == command.source {
        let message = "a container cannot be the snapshot of itself";
        return Err(Error::new(ErrorKind::Invalid, Subject::Container, message).into());
    }
    let snapshot = Snapshot {
        source: command.source,
        incarnation: command.source_incarnation,
        job: command.job,
        hidden: true,
    };
    let before = containers::any(&cx.txn, &id)?;
    if let Some(there) = before.as_ref().filter(|there| !there.is_hidden()) {
        let published = Some(Snapshot { hidden: false, ..snapshot });
        if there.snapshot == published {
            let incarnation = there.incarnation;
            return Ok(Answer::SnapshotTarget { incarnation, published: true });
        }
        let message = format!("container {} exists", there.name);
        return Err(Error::new(ErrorKind::AlreadyExists, Subject::Container, message).into());
    }
    let new = || Container {
        account: command.account.clone(),
        name: command.container.clone(),
        incarnation: cx.index,
        created: cx.now(),
        modified: cx.now(),
        policy: None,
        versioning: command.versioning,
        quota: None,
        objects: 0,
        bytes: 0,
        live_objects: 0,
        live_bytes: 0,
        corrections: 0,
        frozen: Frozen::No,
        snapshot: None,
    };
    let container = Container {
        policy: command.policy.clone(),
        versioning: command.versioning,
        quota: command.quota,
        snapshot: Some(snapshot),
        ..before.unwrap_or_else(new)
    };
    let incarnation = container.incarnation;
    let properties = command.properties.clone();
    properties::write(&mut cx.txn, properties::of_container(&id), properties)?;
    kv::put(&mut cx.txn, containers::key(&id), &container)?;
    Ok(Answer::SnapshotTarget { incarnation, published: false })
}

/// Writes a version as it is in the source.
pub(super) fn import(cx: &mut Context, command: &ImportVersion) -> Result<Answer, Failure> {
    let id = &command.container;
    let mut container = target(cx, id, Some(command.job))?;
    check_described(&command.properties, &command.mime_type)?;
    let (name, version) = (&command.object, command.version);
    if head::exact(&cx.txn, id, name, version)?.is_some() {
        let message = format!("version {version} of object {name} is imported already");
        return Err(Error::new(ErrorKind::AlreadyExists, Subject::Object, message).into());
    }
    // A version from afar would leave none for what is committed after it.
    if version.0 > cx.now().max(cx.partition.last_version).saturating_add(AHEAD) {
        let message = format!("version {version} is of a time to come");
        return Err(Error::new(ErrorKind::Invalid, Subject::Object, message).into());
    }
    let mut head = Head::marker(command.policy.clone(), command.created, command.modified);
    cx.partition.last_version = cx.partition.last_version.max(version.0);
    head.delete_at = command.delete_at;
    let ImportBody::Content { content, blob, size, hash, md5, extents } = &command.body else {
        show(cx, &mut container, command, &head)?;
        kv::put(&mut cx.txn, head::key(id, name.as_str(), version), &head)?;
        kv::put(&mut cx.txn, containers::key(id), &container)?;
        return Ok(Answer::Done);
    };
    extents::prepared_for(id, blob)?;
    let added = extents::check(cx, id, extents.as_deref().unwrap_or_default())?;
    match extents.as_deref() {
        Some([first, ..]) if first.blob != *blob => {
            return Err(Error::invalid("the first extent must be that of the blob").into());
        }
        Some([_, ..]) => {}
        Some([]) | None => blob::check_open(cx, blob)?,
    }
    if extents.is_some() && added.bytes() != *size {
        let sum = added.bytes();
        let message = format!("the metachunks hold {sum} bytes, the content has {size}");
        return Err(Error::invalid(message).into());
    }
    check_content(cx, id, content)?;
    let place = Place { container: id, object: name, version };
    let written = extents::write(cx, place, &[], &added)?;
    (head.blob, head.content, head.size) = (*blob, *content, *size);
    (head.hash, head.md5) = (*hash, *md5);
    head.mime_type.clone_from(&command.mime_type);
    head.body = if extents.is_some() { Body::Extents(written) } else { Body::Drained };
    show(cx, &mut container, command, &head)?;
    commit::write(cx, place, &head, command.properties.clone())?;
    container.objects += 1;
    container.bytes = container.bytes.saturating_add(*size);
    kv::put(&mut cx.txn, containers::key(id), &container)?;
    Ok(Answer::Done)
}

/// Takes into account what an imported version covers, before it is written, unless it is covered
/// itself.
fn show(
    cx: &Context,
    container: &mut Container,
    command: &ImportVersion,
    head: &Head,
) -> Result<(), Fatal> {
    let newest = head::latest(&cx.txn, &command.container, &command.object)?;
    if newest.as_ref().is_some_and(|(newest, _)| *newest > command.version) {
        return Ok(());
    }
    if let Some((_, covered)) = newest {
        container.hides(&covered);
    }
    container.shows(head);
    Ok(())
}

/// Removes versions again.
pub(super) fn drop_imported(cx: &mut Context, command: &DropImported) -> Result<Answer, Failure> {
    let id = &command.container;
    let mut container = target(cx, id, Some(command.job))?;
    if command.versions.len() > MAX_REMOVED as usize {
        let count = command.versions.len();
        let message = format!("at most {MAX_REMOVED} versions are dropped at once, not {count}");
        return Err(Error::invalid(message).into());
    }
    for (name, version) in &command.versions {
        if let Some(head) = head::exact(&cx.txn, id, name, *version)? {
            let object = Object { container: id, name };
            remove::one(cx, &mut container, object, (*version, head), command.delete_grace)?;
        }
    }
    kv::put(&mut cx.txn, containers::key(id), &container)?;
    Ok(Answer::Done)
}

/// Shows a target that is whole.
pub(super) fn publish(cx: &mut Context, command: &PublishSnapshot) -> Result<Answer, Failure> {
    let id = &command.container;
    if let Some(container) = containers::read(&cx.txn, id)?
        && container.snapshot.as_ref().is_some_and(|snapshot| snapshot.job == command.job)
    {
        return Ok(Answer::Done);
    }
    let mut container = target(cx, id, Some(command.job))?;
    if (container.objects, container.bytes) != (command.objects, command.bytes) {
        let (name, objects, bytes) = (&container.name, container.objects, container.bytes);
        let message = format!(
            "the snapshot {name} has {objects} versions of {bytes} bytes; {} of {} are wanted",
            command.objects, command.bytes
        );
        return Err(Error::new(ErrorKind::Conflict, Subject::Container, message).into());
    }
    if let Some(snapshot) = &mut container.snapshot {
        snapshot.hidden = false;
    }
    container.frozen = Frozen::Forever;
    container.modified = cx.now();
    kv::put(&mut cx.txn, containers::key(id), &container)?;
    outbox::announce(cx, &container)?;
    Ok(Answer::Done)
}

/// Removes a target with all that is in it.
pub(super) fn discard(cx: &mut Context, command: &DiscardSnapshot) -> Result<Answer, Failure> {
    let id = &command.container;
    let mut container = target(cx, id, command.job)?;
    let limit = purge::limit_of(MAX_REMOVED);
    let answer = purge::empty(cx, &mut container, id, limit, command.delete_grace)?;
    match answer {
        Answer::Flushed { complete: true, .. } => container::remove(cx, id),
        _ => kv::put(&mut cx.txn, containers::key(id), &container)?,
    }
    Ok(answer)
}

/// The hidden container, if it is this job's.
fn target(cx: &Context, id: &ContainerId, job: Option<JobId>) -> Result<Container, Failure> {
    let found = containers::any(&cx.txn, id)?.filter(Container::is_hidden);
    let container = found.ok_or_else(|| containers::missing(id))?;
    let holder = container.snapshot.as_ref().map(|snapshot| snapshot.job);
    if job.is_some() && holder != job {
        let message = format!("another job makes the snapshot {} now", container.name);
        return Err(Error::new(ErrorKind::Conflict, Subject::Container, message).into());
    }
    Ok(container)
}
