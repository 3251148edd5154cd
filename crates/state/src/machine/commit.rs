//! Commits: new versions, and what is added to those there are.

use super::{
    Context, blob, container, expiry,
    extents::{self, Checked, Place},
    precondition, remove,
};
use crate::{
    Answer, Commit, CommitMode, Failure,
    kv::{
        self,
        container::{self as containers, Container},
        content::{self, Content},
        head::{self, Body, Head, Versioned},
        owner::{self, Owner},
        properties,
    },
    read::drained_object,
};
use model::{
    ContainerId, ContentId, Error, ErrorKind, Properties, Subject, Version, Versioning,
    check_properties,
};

/// The longest media type, in bytes, with what the gateway adds to it.
const MAX_MIME_BYTES: usize = 512;

/// Makes a version of what was written, or adds it to one, with all that belongs to it, in one
/// batch.
pub(super) fn commit(cx: &mut Context, command: &Commit) -> Result<Answer, Failure> {
    let container = containers::writable(&cx.txn, &command.container, cx.now())?;
    container.check_incarnation(command.incarnation)?;
    check_described(&command.properties, &command.mime_type)?;
    extents::prepared_for(&command.container, &command.blob)?;
    let added = extents::check(cx, &command.container, &command.extents)?;
    match command.extents.first() {
        Some(first) if first.blob != command.blob => {
            return Err(Error::invalid("the first extent must be that of the blob").into());
        }
        Some(_) => {}
        None => blob::check_open(cx, &command.blob)?,
    }
    if added.bytes() != command.size {
        let (sum, size) = (added.bytes(), command.size);
        let message = format!("the metachunks hold {sum} bytes, the content has {size}");
        return Err(Error::invalid(message).into());
    }
    if command.mode == CommitMode::Version && !container.versioning.keeps_versions() {
        let message = format!("container {} does not keep versions", container.name);
        return Err(Error::new(ErrorKind::Conflict, Subject::Container, message).into());
    }
    let latest = head::latest(&cx.txn, &command.container, &command.object)?;
    precondition::check(&command.precondition, &command.object, latest.as_ref(), cx.now())?;
    let version = latest.as_ref().map(|(version, _)| *version);
    match (command.mode, latest.filter(|(_, head)| !head.is_marker())) {
        (CommitMode::Append, Some(live)) => append(cx, command, container, live, &added),
        (_, live) => create(cx, command, container, version, live.is_some(), &added),
    }
}

fn create(
    cx: &mut Context,
    command: &Commit,
    mut container: Container,
    latest: Option<Version>,
    live: bool,
    added: &Checked,
) -> Result<Answer, Failure> {
    let (id, name) = (&command.container, &command.object);
    if container.versioning == Versioning::Disabled && live {
        let container = &container.name;
        let message =
            format!("object {name} exists, and container {container} does not allow overwrites");
        return Err(Error::new(ErrorKind::AlreadyExists, Subject::Object, message).into());
    }
    let content = command.content.unwrap_or(command.blob.into());
    check_content(cx, id, &content)?;
    let bytes_before = container.bytes;
    let version = next_version(cx, latest);
    if container.versioning == Versioning::Suspended && command.mode != CommitMode::Keep {
        // What is behind the latest version is of a time when versions were kept: it stays.
        if let Some(latest) = head::latest(&cx.txn, id, name)? {
            let object = remove::Object { container: id, name };
            remove::one(cx, &mut container, object, latest, command.delete_grace)?;
        }
    }
    container.objects += 1;
    container.bytes = container.bytes.saturating_add(command.size);
    check_quota(&container, bytes_before)?;
    if latest.is_some()
        && let Some((_, covered)) = head::latest(&cx.txn, id, name)?
    {
        container.hides(&covered);
    }
    let place = Place { container: id, object: name, version };
    let head = Head {
        blob: command.blob,
        content,
        size: command.size,
        hash: command.hash,
        md5: command.md5,
        mime_type: command.mime_type.clone(),
        policy: command.policy.clone(),
        created: cx.now(),
        modified: cx.now(),
        delete_at: command.delete_at,
        body: Body::Extents(extents::write(cx, place, &[], added)?),
        retained_until: None,
        held: false,
    };
    write(cx, place, &head, command.properties.clone())?;
    container.shows(&head);
    container.modified = cx.now();
    container::save(cx, id, &container)?;
    Ok(committed(version, &head, added))
}

/// Adds to the latest version, which keeps its version, content id, media type and policy.
fn append(
    cx: &mut Context,
    command: &Commit,
    mut container: Container,
    (version, mut head): Versioned,
    added: &Checked,
) -> Result<Answer, Failure> {
    let (id, name) = (&command.container, &command.object);
    let Body::Extents(extents) = &mut head.body else { return Err(drained_object(name).into()) };
    if command.content.is_some_and(|content| content != head.content) {
        let there = head.content;
        let message = format!("object {name} has the content id {there}, which an append keeps");
        return Err(Error::new(ErrorKind::Conflict, Subject::Object, message).into());
    }
    let bytes_before = container.bytes;
    container.bytes = container.bytes.saturating_add(command.size);
    check_quota(&container, bytes_before)?;
    container.live_bytes = container.live_bytes.saturating_add(command.size);
    let place = Place { container: id, object: name, version };
    let written = extents::write(cx, place, extents, added)?;
    if written.is_empty() {
        // There is no extent to tell by that it was committed.
        blob::bar(cx, &command.blob, true)?;
    } else if head.size == 0 {
        (head.hash, head.md5) = (command.hash, command.md5);
    } else {
        (head.hash, head.md5) = (None, None);
    }
    extents.extend(written);
    head.size = head.size.saturating_add(command.size);
    head.modified = cx.now();
    if command.delete_at.is_some() {
        expiry::schedule(cx, place, &mut head, command.delete_at)?;
    }
    if !command.properties.is_empty() {
        let key = properties::of_object(id, name, version);
        let mut properties = properties::read(&cx.txn, &key)?;
        properties.extend(command.properties.clone());
        check_properties(&properties)?;
        properties::write(&mut cx.txn, key, properties)?;
    }
    kv::put(&mut cx.txn, head::key(id, name.as_str(), version), &head)?;
    container.modified = cx.now();
    container::save(cx, id, &container)?;
    Ok(committed(version, &head, added))
}

/// Writes the records of a new version: head, properties, and what leads to it.
pub(super) fn write(
    cx: &mut Context,
    place: Place,
    head: &Head,
    properties: Properties,
) -> Result<(), Failure> {
    let Place { container, object, version } = place;
    kv::put(&mut cx.txn, head::key(container, object.as_str(), version), head)?;
    expiry::index(cx, place, head.delete_at)?;
    let key = properties::of_object(container, object, version);
    properties::write(&mut cx.txn, key, properties)?;
    let of_content = Content { object: object.clone(), version };
    kv::put(&mut cx.txn, content::key(container, &head.content), &of_content)?;
    let owner = Owner { container: *container, object: object.clone(), version };
    Ok(kv::put(&mut cx.txn, owner::key(&head.blob), &owner)?)
}

pub(super) fn committed(version: Version, head: &Head, added: &Checked) -> Answer {
    Answer::Committed {
        version,
        content: head.content,
        size: head.size,
        tolerance: added.tolerance(),
        dropped: added.dropped(),
    }
}

/// The version for a commit or delete marker now: log time in steps of 10 microseconds, after
/// every version that was given before, so that none is ever given twice.
pub(super) fn next_version(cx: &mut Context, latest: Option<Version>) -> Version {
    let last = cx.partition.last_version.max(latest.map_or(0, |version| version.0));
    let now = cx.now().div_ceil(10).saturating_mul(10);
    cx.partition.last_version = now.max(last.saturating_add(10));
    Version(cx.partition.last_version)
}

/// Refuses a content id that another version of the container has.
pub(super) fn check_content(
    cx: &Context,
    container: &ContainerId,
    id: &ContentId,
) -> Result<(), Failure> {
    let found: Option<Content> = kv::get(&cx.txn, content::key(container, id).as_bytes())?;
    let Some(Content { object, version }) = found else { return Ok(()) };
    let message = format!("version {version} of object {object} has the content id {id} already");
    Err(Error::new(ErrorKind::Conflict, Subject::Object, message).into())
}

/// Checks what describes a content.
pub(super) fn check_described(properties: &Properties, mime_type: &str) -> Result<(), Error> {
    check_properties(properties)?;
    match mime_type.len() {
        0..=MAX_MIME_BYTES => Ok(()),
        length => Err(Error::invalid(format!(
            "the media type has {length} bytes; at most {MAX_MIME_BYTES} are allowed"
        ))),
    }
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
