//! Users.

use super::MAX_PAGE_ENTRIES;
use crate::{
    Failure,
    kv::{self, user, user::UserRecord},
};
use model::{AccountName, KeyHash, User, UserName};
use std::ops::Bound;
use store::Read;

/// A user and the hash of its key, if there is such a user.
pub fn find_user(view: &dyn Read, name: &UserName) -> Result<Option<(User, KeyHash)>, Failure> {
    let record: Option<UserRecord> = kv::get(view, user::key(name).as_bytes())?;
    Ok(record.map(|record| (shown(name.clone(), &record), record.key)))
}

/// The users of an account, or all of them, behind `after`: at most `limit` (and at most
/// 10,000), those of no account first, then by account and name; and whether there are more.
pub fn list_users(
    view: &dyn Read,
    account: Option<&AccountName>,
    after: Option<&UserName>,
    limit: u32,
) -> Result<(Vec<User>, bool), Failure> {
    let within = match account {
        Some(account) => user::of_account(Some(account)),
        None => user::all(),
    };
    let from = match after {
        Some(after) => user::key(after).successor(),
        None => within.clone().into_bytes(),
    };
    let end = within.clone().successor();
    let from = from.max(within.into_bytes()).min(end.clone());
    let mut users = Vec::new();
    for pair in view.range(Bound::Included(&from), Bound::Excluded(&end), false) {
        let (key, value) = pair?;
        if users.len() as u32 >= limit.min(MAX_PAGE_ENTRIES) {
            return Ok((users, true));
        }
        let record: UserRecord = kv::decode(&key, &value)?;
        users.push(shown(user::name(&key)?, &record));
    }
    Ok((users, false))
}

fn shown(name: UserName, record: &UserRecord) -> User {
    let UserRecord { role, revision, created, changed, .. } = *record;
    User { name, role, revision, created, changed }
}
