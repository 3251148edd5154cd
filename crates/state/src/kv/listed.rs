//! Containers as their account lists them.

use super::{Key, Kind, Record, key::Parts, misshapen};
use crate::{ContainerCounters, Fatal};
use model::{AccountName, ContainerName};

impl Record for ContainerCounters {}

pub(crate) fn all(account: &AccountName) -> Key {
    Key::new(Kind::Listed).name(account.as_str())
}

pub(crate) fn key(account: &AccountName, container: &ContainerName) -> Key {
    all(account).name(container.as_str())
}

/// The container's name.
pub(crate) fn name(key: &[u8]) -> Result<String, Fatal> {
    let mut parts = Parts::of(key);
    let name = parts.name().and_then(|_| parts.name());
    name.and_then(|name| parts.end(name)).ok_or_else(|| misshapen(key))
}
