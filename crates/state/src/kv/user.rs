//! Users (in the directory alone): first those of no account, then account by account.

use super::{Key, Kind, Record, key::Parts, misshapen};
use crate::Fatal;
use model::{AccountName, KeyHash, Role, UserName};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) role: Role,
    pub(crate) key: KeyHash,
    /// Log index of the last change of role or key.
    pub(crate) revision: u64,
    pub(crate) created: u64,
    pub(crate) changed: u64,
}

impl Record for UserRecord {}

pub(crate) fn all() -> Key {
    Key::new(Kind::User)
}

/// Those of an account, or of none. No account has an empty name.
pub(crate) fn of_account(account: Option<&AccountName>) -> Key {
    all().name(account.map_or("", AccountName::as_str))
}

pub(crate) fn key(name: &UserName) -> Key {
    of_account(name.account()).name(name.user())
}

/// The user's name.
pub(crate) fn name(key: &[u8]) -> Result<UserName, Fatal> {
    let mut parts = Parts::of(key);
    let names = parts.name().and_then(|account| Some((account, parts.name()?)));
    let (account, user) = names.and_then(|names| parts.end(names)).ok_or_else(|| misshapen(key))?;
    let account = match account.as_str() {
        "" => None,
        account => Some(account.parse().map_err(|_| misshapen(key))?),
    };
    UserName::new(account, &user).map_err(|_| misshapen(key))
}
