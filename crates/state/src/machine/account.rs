//! Accounts and what containers report to them.

use super::Context;
use crate::{
    Answer, ContainerCounters, ContainerState, Failure, Fatal, PropertyChanges,
    kv::{self, account, account::Account, inbound, listed, properties},
    read,
};
use model::{AccountName, Error, ErrorKind, PartitionId, Properties, Subject, check_properties};

pub(super) fn create(
    cx: &mut Context,
    name: &AccountName,
    properties: &Properties,
) -> Result<Answer, Failure> {
    check_properties(properties)?;
    if find(cx, name)?.is_some() {
        return Ok(Answer::Created { created: false });
    }
    let account = Account { created: cx.now(), ..Account::default() };
    kv::put(&mut cx.txn, account::key(name), &account)?;
    properties::write(&mut cx.txn, properties::of_account(name), properties.clone())?;
    Ok(Answer::Created { created: true })
}

pub(super) fn update(
    cx: &mut Context,
    name: &AccountName,
    changes: &PropertyChanges,
) -> Result<Answer, Failure> {
    read::existing_account(&cx.txn, name)?;
    let key = properties::of_account(name);
    let properties = changes.apply_to(properties::read(&cx.txn, &key)?);
    check_properties(&properties)?;
    properties::write(&mut cx.txn, key, properties)?;
    Ok(Answer::Done)
}

pub(super) fn delete(cx: &mut Context, name: &AccountName) -> Result<Answer, Failure> {
    let account = read::existing_account(&cx.txn, name)?;
    let containers = account.sums.containers;
    if containers > 0 {
        let message = format!("account {name} still has {containers} containers");
        return Err(Error::new(ErrorKind::Conflict, Subject::Account, message).into());
    }
    cx.txn.delete(account::key(name).into_bytes());
    cx.txn.delete(properties::of_account(name).into_bytes());
    Ok(Answer::Done)
}

/// Takes over what another partition says of its containers. States are absolute and come in
/// order, so whatever was missed or repeated, the last one is right.
pub(super) fn take_over(
    cx: &mut Context,
    source: PartitionId,
    states: &[ContainerState],
) -> Result<Answer, Failure> {
    let key = inbound::key(source);
    let mut mark: inbound::Mark = kv::get(&cx.txn, key.as_bytes())?.unwrap_or_default();
    for state in states {
        if state.index > mark.0 {
            mark.0 = state.index;
            apply_state(cx, state)?;
        }
    }
    kv::put(&mut cx.txn, key, &mark)?;
    Ok(Answer::Done)
}

fn apply_state(cx: &mut Context, state: &ContainerState) -> Result<(), Fatal> {
    let key = listed::key(&state.account, &state.container);
    let before: Option<ContainerCounters> = kv::get(&cx.txn, key.as_bytes())?;
    if before.is_none() && state.counters.is_none() {
        return Ok(());
    }
    // A container may come before its account: it is what makes it.
    let new = || Account { created: cx.now(), ..Account::default() };
    let mut account = find(cx, &state.account)?.unwrap_or_else(new);
    // Where its sums are taken anew, this one may have been counted.
    let anew = account.refresh.as_mut().filter(|refresh| state.container <= refresh.upto);
    for sums in [&mut account.sums].into_iter().chain(anew.map(|refresh| &mut refresh.sums)) {
        before.iter().for_each(|counters| sums.remove(counters));
        state.counters.iter().for_each(|counters| sums.add(counters));
    }
    kv::put(&mut cx.txn, account::key(&state.account), &account)?;
    match state.counters {
        Some(counters) => kv::put(&mut cx.txn, key, &counters),
        None => {
            cx.txn.delete(key.into_bytes());
            Ok(())
        }
    }
}

fn find(cx: &Context, name: &AccountName) -> Result<Option<Account>, Fatal> {
    kv::get(&cx.txn, account::key(name).as_bytes())
}
