//! States of containers on their way to their accounts, by the log index of the change. Only
//! the last state of a container matters: a pointer leads to it, and the next one replaces it.

use super::{Key, Kind, Record};
use crate::ContainerCounters;
use model::{AccountName, ContainerId, ContainerName};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) account: AccountName,
    pub(crate) container: ContainerName,
    pub(crate) counters: Option<ContainerCounters>,
}

/// The log index of a container's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pointer(pub(crate) u64);

impl Record for State {}
impl Record for Pointer {}

pub(crate) fn all() -> Key {
    Key::new(Kind::Outbox)
}

pub(crate) fn key(index: u64) -> Key {
    all().u64(index)
}

pub(crate) fn pointer_key(container: &ContainerId) -> Key {
    Key::new(Kind::OutboxPointer).bytes(&container.0)
}
