//! Containers: settings and counters.

use super::{Key, Kind, Record, get, head::Head};
use crate::{Failure, Fatal};
use model::{
    AccountName, ContainerId, ContainerName, Error, ErrorKind, Frozen, JobId, PolicyName,
    Properties, Subject, Versioning,
};
use serde::{Deserialize, Serialize};
use store::Read;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) account: AccountName,
    pub(crate) name: ContainerName,
    /// The log index of its creation.
    pub(crate) incarnation: u64,
    pub(crate) created: u64,
    pub(crate) modified: u64,
    pub(crate) policy: Option<PolicyName>,
    pub(crate) versioning: Versioning,
    pub(crate) quota: Option<u64>,
    /// Versions, delete markers not counted.
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// Names whose newest version is no delete marker.
    pub(crate) live_objects: u64,
    /// Bytes of those versions.
    pub(crate) live_bytes: u64,
    /// How often the counters were put right.
    pub(crate) corrections: u64,
    pub(crate) frozen: Frozen,
    /// Of what it is a snapshot.
    pub(crate) snapshot: Option<Snapshot>,
}

/// Of what a container is a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) source: ContainerId,
    pub(crate) incarnation: u64,
    /// The job that makes it, or made it.
    pub(crate) job: JobId,
    /// Whether it is not whole yet: then nothing but its job finds it.
    pub(crate) hidden: bool,
}

impl Record for Container {}

pub(crate) fn key(container: &ContainerId) -> Key {
    Key::new(Kind::Container).bytes(&container.0)
}

/// The container, be it hidden or not.
pub(crate) fn any(view: &dyn Read, id: &ContainerId) -> Result<Option<Container>, Fatal> {
    get(view, key(id).as_bytes())
}

/// The container, unless it is hidden.
pub(crate) fn read(view: &dyn Read, id: &ContainerId) -> Result<Option<Container>, Fatal> {
    Ok(any(view, id)?.filter(|container| !container.is_hidden()))
}

/// The container, or *not found*.
pub(crate) fn existing(view: &dyn Read, id: &ContainerId) -> Result<Container, Failure> {
    Ok(read(view, id)?.ok_or_else(|| missing(id))?)
}

/// The container, or *not found*, or what is said if it is frozen.
pub(crate) fn writable(view: &dyn Read, id: &ContainerId, now: u64) -> Result<Container, Failure> {
    let container = existing(view, id)?;
    match container.frozen.refusal(&container.name, now) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(container),
    }
}

pub(crate) fn missing(id: &ContainerId) -> Error {
    Error::not_found(Subject::Container, format!("there is no container {id}"))
}

impl Container {
    /// Whether it is the target of a snapshot that is not whole yet.
    pub(crate) fn is_hidden(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| snapshot.hidden)
    }

    /// A version is the newest of its name now.
    pub(crate) fn shows(&mut self, head: &Head) {
        if !head.is_marker() {
            self.live_objects += 1;
            self.live_bytes = self.live_bytes.saturating_add(head.size);
        }
    }

    /// A version is not the newest of its name any more.
    pub(crate) fn hides(&mut self, head: &Head) {
        if !head.is_marker() {
            self.live_objects = self.live_objects.saturating_sub(1);
            self.live_bytes = self.live_bytes.saturating_sub(head.size);
        }
    }

    /// Refuses what was begun in a container of the same name that is gone.
    pub(crate) fn check_incarnation(&self, incarnation: u64) -> Result<(), Error> {
        if self.incarnation == incarnation {
            return Ok(());
        }
        let message = format!("container {} was deleted and created again meanwhile", self.name);
        Err(Error::new(ErrorKind::Conflict, Subject::Container, message))
    }

    pub(crate) fn to_model(&self, id: ContainerId, properties: Properties) -> model::Container {
        model::Container {
            id,
            account: self.account.clone(),
            name: self.name.clone(),
            incarnation: self.incarnation,
            created: self.created,
            modified: self.modified,
            policy: self.policy.clone(),
            versioning: self.versioning,
            quota: self.quota,
            objects: self.objects,
            bytes: self.bytes,
            live_objects: self.live_objects,
            live_bytes: self.live_bytes,
            frozen: self.frozen,
            snapshot_of: self.snapshot.as_ref().map(|snapshot| snapshot.source),
            properties,
        }
    }
}
