//! Accounts: their counters. Properties are apart, because every report of a container writes
//! this record.

use super::{Key, Kind, Record};
use model::{AccountName, ContainerName};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) created: u64,
    pub(crate) containers: u64,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// Sums that are being taken anew.
    pub(crate) refresh: Option<Refresh>,
}

/// Sums over the containers up to one. What changes among those while the others are summed
/// changes these sums too, so that they are right when they are complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refresh {
    pub(crate) upto: ContainerName,
    pub(crate) containers: u64,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

impl Record for Account {}

pub(crate) fn key(account: &AccountName) -> Key {
    Key::new(Kind::Account).name(account.as_str())
}
