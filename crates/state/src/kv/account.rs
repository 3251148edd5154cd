//! Accounts: their sums. Properties are apart, because every report of a container writes
//! this record.

use super::{Key, Kind, Record};
use crate::ContainerCounters;
use model::{AccountName, ContainerName};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) created: u64,
    pub(crate) sums: Sums,
    /// Sums that are being taken anew.
    pub(crate) refresh: Option<Refresh>,
}

/// Sums over the containers up to one. What changes among those while the others are summed
/// changes these sums too, so that they are right when they are complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refresh {
    pub(crate) upto: ContainerName,
    pub(crate) sums: Sums,
}

/// Sums over containers, as those reported their counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sums {
    pub(crate) containers: u64,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) live_objects: u64,
    pub(crate) live_bytes: u64,
}

impl Sums {
    /// One more container.
    pub(crate) fn add(&mut self, counters: &ContainerCounters) {
        self.each(counters, u64::saturating_add);
    }

    /// One container less.
    pub(crate) fn remove(&mut self, counters: &ContainerCounters) {
        self.each(counters, u64::saturating_sub);
    }

    fn each(&mut self, counters: &ContainerCounters, change: fn(u64, u64) -> u64) {
        let ContainerCounters { objects, bytes, live_objects, live_bytes, modified: _ } = counters;
        self.containers = change(self.containers, 1);
        self.objects = change(self.objects, *objects);
        self.bytes = change(self.bytes, *bytes);
        self.live_objects = change(self.live_objects, *live_objects);
        self.live_bytes = change(self.live_bytes, *live_bytes);
    }
}

impl Record for Account {}

pub(crate) fn key(account: &AccountName) -> Key {
    Key::new(Kind::Account).name(account.as_str())
}
