//! Containers.

use super::{Context, outbox};
use crate::{
    Answer, CreateContainer, Failure, UpdateContainer,
    kv::{self, container, container::Container, head, properties},
};
use model::{ContainerId, Error, ErrorKind, Subject, Versioning, check_properties};

/// Delete markers that one command removes at most.
pub(crate) const MARKERS_AT_ONCE: usize = 1000;

pub(super) fn create(cx: &mut Context, command: &CreateContainer) -> Result<Answer, Failure> {
    check_properties(&command.properties)?;
    check_versioning(command.versioning)?;
    let id = ContainerId::of(&command.account, &command.container);
    if container::read(&cx.txn, &id)?.is_some() {
        return Ok(Answer::Created { created: false });
    }
    let container = Container {
        account: command.account.clone(),
        name: command.container.clone(),
        incarnation: cx.index,
        created: cx.now(),
        modified: cx.now(),
        policy: command.policy.clone(),
        versioning: command.versioning,
        quota: command.quota,
        objects: 0,
        bytes: 0,
    };
    let properties = command.properties.clone();
    properties::write(&mut cx.txn, properties::of_container(&id), properties)?;
    save(cx, &id, &container)?;
    Ok(Answer::Created { created: true })
}

pub(super) fn update(cx: &mut Context, command: &UpdateContainer) -> Result<Answer, Failure> {
    let id = &command.container;
    let mut container = container::existing(&cx.txn, id)?;
    if !command.properties.is_empty() {
        let key = properties::of_container(id);
        let properties = command.properties.apply_to(properties::read(&cx.txn, &key)?);
        check_properties(&properties)?;
        properties::write(&mut cx.txn, key, properties)?;
    }
    if let Some(policy) = &command.policy {
        container.policy = policy.clone();
    }
    if let Some(versioning) = command.versioning {
        check_versioning(versioning)?;
        container.versioning = versioning;
    }
    if let Some(quota) = command.quota {
        container.quota = quota;
    }
    container.modified = cx.now();
    save(cx, id, &container)?;
    Ok(Answer::Done)
}

/// Removes a container that holds nothing but delete markers, and those first.
pub(super) fn delete(cx: &mut Context, id: &ContainerId) -> Result<Answer, Failure> {
    let container = container::existing(&cx.txn, id)?;
    if container.objects > 0 {
        let (name, objects) = (&container.name, container.objects);
        let message = format!("container {name} is not empty: {objects} versions are in it");
        return Err(Error::new(ErrorKind::Conflict, Subject::Container, message).into());
    }
    let markers: Vec<_> =
        kv::scan(&cx.txn, &head::all(id)).take(MARKERS_AT_ONCE + 1).collect::<Result<_, _>>()?;
    let complete = markers.len() <= MARKERS_AT_ONCE;
    for (key, _) in markers.into_iter().take(MARKERS_AT_ONCE) {
        cx.txn.delete(key);
    }
    if complete {
        cx.txn.delete(container::key(id).into_bytes());
        cx.txn.delete(properties::of_container(id).into_bytes());
        outbox::announce_gone(cx, &container)?;
    }
    Ok(Answer::ContainerDeleted { complete })
}

/// Writes a container and tells its account.
pub(super) fn save(
    cx: &mut Context,
    id: &ContainerId,
    container: &Container,
) -> Result<(), Failure> {
    kv::put(&mut cx.txn, container::key(id), container)?;
    Ok(outbox::announce(cx, container)?)
}

fn check_versioning(versioning: Versioning) -> Result<(), Error> {
    match versioning {
        Versioning::Keep(0 | 1) => Err(Error::invalid("a container keeps 2 versions or more")),
        _ => Ok(()),
    }
}
