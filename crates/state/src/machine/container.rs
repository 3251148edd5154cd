//! Containers.

use super::{Context, outbox};
use crate::{
    Answer, CorrectCounters, CreateContainer, Failure, SetFrozen, UpdateContainer,
    kv::{self, container, container::Container, head, properties},
};
use model::{
    AccountName, ContainerId, ContainerName, Error, ErrorKind, Frozen, Subject, Versioning,
    check_properties,
};

/// Delete markers that one command removes at most.
pub(crate) const MARKERS_AT_ONCE: usize = 1000;

/// The longest that a lease may last unless it is renewed, in microseconds: a job that died must
/// not keep a container frozen for good.
pub(crate) const LONGEST_LEASE: u64 = 3600 * 1_000_000;

pub(super) fn create(cx: &mut Context, command: &CreateContainer) -> Result<Answer, Failure> {
    check_properties(&command.properties)?;
    check_versioning(command.versioning)?;
    let id = ContainerId::of(&command.account, &command.container);
    match container::any(&cx.txn, &id)? {
        Some(there) if there.is_hidden() => return Err(under_way(&there).into()),
        Some(_) => return Ok(Answer::Created { created: false }),
        None => {}
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
        live_objects: 0,
        live_bytes: 0,
        corrections: 0,
        frozen: Frozen::No,
        snapshot: None,
    };
    let properties = command.properties.clone();
    properties::write(&mut cx.txn, properties::of_container(&id), properties)?;
    save(cx, &id, &container)?;
    Ok(Answer::Created { created: true })
}

pub(super) fn update(cx: &mut Context, command: &UpdateContainer) -> Result<Answer, Failure> {
    let id = &command.container;
    let changes = !command.properties.is_empty()
        || command.policy.is_some()
        || command.versioning.is_some()
        || command.quota.is_some();
    let mut container = match changes {
        true => container::writable(&cx.txn, id, cx.now())?,
        false => container::existing(&cx.txn, id)?,
    };
    let before = container.clone();
    let mut same = changes;
    if !command.properties.is_empty() {
        let key = properties::of_container(id);
        let before = properties::read(&cx.txn, &key)?;
        let properties = command.properties.apply_to(before.clone());
        check_properties(&properties)?;
        same = properties == before;
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
    // Without any change to make, it is touched.
    if same && container == before {
        return Ok(Answer::Done);
    }
    container.modified = cx.now();
    save(cx, id, &container)?;
    Ok(Answer::Done)
}

/// Removes a container that holds nothing but delete markers, and those first.
pub(super) fn delete(cx: &mut Context, id: &ContainerId) -> Result<Answer, Failure> {
    let container = container::writable(&cx.txn, id, cx.now())?;
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
        remove(cx, id);
        outbox::announce_gone(cx, &container.account, &container.name)?;
    }
    Ok(Answer::ContainerDeleted { complete })
}

/// Removes the records of a container that has nothing in it.
pub(super) fn remove(cx: &mut Context, id: &ContainerId) {
    cx.txn.delete(container::key(id).into_bytes());
    cx.txn.delete(properties::of_container(id).into_bytes());
}

/// Tells the account what there is of a container: its state, or that it is gone.
pub(super) fn refresh(
    cx: &mut Context,
    account: &AccountName,
    name: &ContainerName,
) -> Result<Answer, Failure> {
    let found = container::read(&cx.txn, &ContainerId::of(account, name))?;
    match &found {
        Some(container) => outbox::announce(cx, container)?,
        None => outbox::announce_gone(cx, account, name)?,
    }
    Ok(Answer::ContainerRefreshed { exists: found.is_some() })
}

/// Puts the counters of a container right, unless that was done meanwhile, or it is another one.
pub(super) fn correct(cx: &mut Context, command: &CorrectCounters) -> Result<Answer, Failure> {
    let id = &command.container;
    let mut container = container::existing(&cx.txn, id)?;
    let counted = (container.incarnation, container.corrections);
    if counted != (command.incarnation, command.corrections) {
        return Ok(Answer::Done);
    }
    for (counter, off) in [
        (&mut container.objects, command.objects),
        (&mut container.bytes, command.bytes),
        (&mut container.live_objects, command.live_objects),
        (&mut container.live_bytes, command.live_bytes),
    ] {
        let right = i128::from(*counter).saturating_add(off).clamp(0, i128::from(u64::MAX));
        *counter = u64::try_from(right).unwrap_or(u64::MAX);
    }
    container.corrections += 1;
    save(cx, id, &container)?;
    Ok(Answer::Done)
}

/// Freezes or thaws a container.
pub(super) fn set_frozen(cx: &mut Context, command: &SetFrozen) -> Result<Answer, Failure> {
    let id = &command.container;
    let mut container = container::existing(&cx.txn, id)?;
    let holder = match container.frozen {
        Frozen::Lease { job, .. } if container.frozen.at(cx.now()) => Some(job),
        _ => None,
    };
    let job = match command.frozen {
        Frozen::Lease { job, until } => {
            check_lease(until, cx.now())?;
            Some(job)
        }
        Frozen::No | Frozen::Forever => command.job,
    };
    if job.is_some() {
        if container.frozen == Frozen::Forever {
            let message = format!("container {} is frozen for good", container.name);
            return Err(Error::new(ErrorKind::Conflict, Subject::Container, message).into());
        }
        if holder.is_some() && holder != job {
            let message = format!("another job has frozen container {}", container.name);
            return Err(Error::new(ErrorKind::Unavailable, Subject::Container, message).into());
        }
    }
    container.frozen = command.frozen;
    kv::put(&mut cx.txn, container::key(id), &container)?;
    Ok(Answer::Done)
}

fn check_lease(until: u64, now: u64) -> Result<(), Error> {
    match until > now && until - now <= LONGEST_LEASE {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "a lease ends within an hour: {until} is not within an hour of {now}"
        ))),
    }
}

/// The refusal of what another snapshot stands in the way of.
pub(super) fn under_way(container: &Container) -> Error {
    let name = &container.name;
    let message = format!("a snapshot into container {name} is under way: finish or discard it");
    Error::new(ErrorKind::Conflict, Subject::Container, message)
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

pub(super) fn check_versioning(versioning: Versioning) -> Result<(), Error> {
    match versioning {
        Versioning::Keep(0 | 1) => Err(Error::invalid("a container keeps 2 versions or more")),
        _ => Ok(()),
    }
}
