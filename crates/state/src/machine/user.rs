//! Users.

use super::Context;
use crate::{
    Answer, Failure, PutUser,
    kv::{self, user, user::UserRecord},
};
use model::{Error, ErrorKind, Role, Subject, UserName};

/// Makes a user, or changes what is said of one.
pub(super) fn put(cx: &mut Context, command: &PutUser) -> Result<Answer, Failure> {
    // Users are of a cluster, and kept in its directory alone.
    super::cluster::existing(cx)?;
    let name = &command.name;
    let record = match (find(cx, name)?, command.create) {
        (Some(_), true) => {
            let why = format!("user {name} exists already; `cairn user set` changes it");
            return Err(Error::new(ErrorKind::AlreadyExists, Subject::User, why).into());
        }
        (None, false) => return Err(missing(name).into()),
        (Some(before), false) => {
            let role = command.role.unwrap_or(before.role);
            if before.role == Role::Operator && role != Role::Operator {
                check_not_last(cx, name)?;
            }
            let key = command.key.clone().unwrap_or_else(|| before.key.clone());
            if (role, &key) == (before.role, &before.key) {
                return Ok(Answer::Done);
            }
            UserRecord { role, key, revision: cx.index, changed: cx.now(), ..before }
        }
        (None, true) => {
            let (Some(role), Some(key)) = (command.role, command.key.clone()) else {
                return Err(Error::invalid("a new user needs a role and a key").into());
            };
            let now = cx.now();
            UserRecord { role, key, revision: cx.index, created: now, changed: now }
        }
    };
    name.check_role(record.role)?;
    kv::put(&mut cx.txn, user::key(name), &record)?;
    Ok(Answer::Done)
}

/// Removes a user.
pub(super) fn delete(cx: &mut Context, name: &UserName) -> Result<Answer, Failure> {
    let record = find(cx, name)?.ok_or_else(|| missing(name))?;
    if record.role == Role::Operator {
        check_not_last(cx, name)?;
    }
    cx.txn.delete(user::key(name).into_bytes());
    Ok(Answer::Done)
}

/// Without an operator nobody could make another one, but on a daemon's machine.
fn check_not_last(cx: &Context, name: &UserName) -> Result<(), Failure> {
    let key = user::key(name).into_bytes();
    for pair in kv::scan(&cx.txn, &user::of_account(None)) {
        let (other, value) = pair.map_err(crate::Fatal::from)?;
        let record: UserRecord = kv::decode(&other, &value)?;
        if other != key && record.role == Role::Operator {
            return Ok(());
        }
    }
    let why = format!("user {name} is the last operator; create another one first");
    Err(Error::new(ErrorKind::Conflict, Subject::User, why).into())
}

fn find(cx: &Context, name: &UserName) -> Result<Option<UserRecord>, Failure> {
    Ok(kv::get(&cx.txn, user::key(name).as_bytes())?)
}

fn missing(name: &UserName) -> Error {
    Error::not_found(Subject::User, format!("there is no user {name}"))
}
