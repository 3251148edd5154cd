//! Containers: settings and counters.

use super::{Key, Kind, Record, get};
use crate::{Failure, Fatal};
use model::{
    AccountName, ContainerId, ContainerName, Error, PolicyName, Properties, Subject, Versioning,
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
}

impl Record for Container {}

pub(crate) fn key(container: &ContainerId) -> Key {
    Key::new(Kind::Container).bytes(&container.0)
}

pub(crate) fn read(view: &dyn Read, id: &ContainerId) -> Result<Option<Container>, Fatal> {
    get(view, key(id).as_bytes())
}

/// The container, or *not found*.
pub(crate) fn existing(view: &dyn Read, id: &ContainerId) -> Result<Container, Failure> {
    let missing = || Error::not_found(Subject::Container, format!("there is no container {id}"));
    Ok(read(view, id)?.ok_or_else(missing)?)
}

impl Container {
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
            properties,
        }
    }
}
