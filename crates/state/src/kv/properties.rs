//! User properties of accounts, containers and versions, under keys of their own: they may be
//! large, and neither listings nor counters need them. No properties, no record.

use super::{Key, Kind, Record, get, put};
use crate::{Fatal, txn::Txn};
use model::{AccountName, ContainerId, ObjectName, Version};
use serde::{Deserialize, Serialize};
use store::Read;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Properties(model::Properties);

impl Record for Properties {}

pub(crate) fn of_account(account: &AccountName) -> Key {
    Key::new(Kind::AccountProperties).name(account.as_str())
}

pub(crate) fn of_container(container: &ContainerId) -> Key {
    Key::new(Kind::ContainerProperties).bytes(&container.0)
}

pub(crate) fn of_object(container: &ContainerId, name: &ObjectName, version: Version) -> Key {
    Key::new(Kind::ObjectProperties).bytes(&container.0).name(name.as_str()).u64(!version.0)
}

pub(crate) fn read(view: &dyn Read, key: &Key) -> Result<model::Properties, Fatal> {
    Ok(get::<Properties>(view, key.as_bytes())?.unwrap_or_default().0)
}

pub(crate) fn write(txn: &mut Txn, key: Key, properties: model::Properties) -> Result<(), Fatal> {
    if properties.is_empty() {
        txn.delete(key.into_bytes());
        return Ok(());
    }
    put(txn, key, &Properties(properties))
}
