//! Accounts whose sums are taken anew, and whose list is emptied.

use super::Context;
use crate::{
    Answer, ContainerCounters, Failure, Fatal,
    kv::{
        self, account,
        account::{Account, Refresh, Sums},
        listed,
    },
    read,
};
use model::{AccountName, ContainerName};
use std::ops::Bound;
use store::Read;

/// Containers that one command sums up or removes, at most.
pub(crate) const CONTAINERS_AT_ONCE: usize = 1000;

/// Sums up the next containers of the list; at its end the sums are the account's.
pub(super) fn refresh(cx: &mut Context, name: &AccountName) -> Result<Answer, Failure> {
    let mut account = read::existing_account(&cx.txn, name)?;
    let (next, complete) = listed_behind(cx, name, account.refresh.as_ref().map(|r| &r.upto))?;
    for (container, counters) in next {
        let new = || Refresh { upto: container.clone(), sums: Sums::default() };
        let refresh = account.refresh.get_or_insert_with(new);
        refresh.upto = container;
        refresh.sums.add(&counters);
    }
    if complete {
        account.sums = account.refresh.take().map(|refresh| refresh.sums).unwrap_or_default();
    }
    kv::put(&mut cx.txn, account::key(name), &account)?;
    Ok(Answer::AccountRefreshed { complete })
}

/// Removes the first containers from the list.
pub(super) fn flush(cx: &mut Context, name: &AccountName) -> Result<Answer, Failure> {
    let Account { created, mut sums, .. } = read::existing_account(&cx.txn, name)?;
    let (first, complete) = listed_behind(cx, name, None)?;
    for (container, counters) in first {
        cx.txn.delete(listed::key(name, &container).into_bytes());
        sums.remove(&counters);
    }
    if complete {
        sums = Sums::default();
    }
    let account = Account { created, sums, refresh: None };
    kv::put(&mut cx.txn, account::key(name), &account)?;
    Ok(Answer::AccountFlushed { complete })
}

/// The next containers of the list behind one, and whether those are the last.
fn listed_behind(
    cx: &Context,
    account: &AccountName,
    behind: Option<&ContainerName>,
) -> Result<(Vec<(ContainerName, ContainerCounters)>, bool), Fatal> {
    let all = listed::all(account);
    let from = match behind {
        Some(container) => listed::key(account, container).u8(0),
        None => all.clone(),
    };
    let end = all.successor();
    let mut found = Vec::new();
    for pair in cx.txn.range(Bound::Included(from.as_bytes()), Bound::Excluded(&end), false) {
        if found.len() >= CONTAINERS_AT_ONCE {
            return Ok((found, false));
        }
        let (key, value) = pair?;
        let name = listed::name(&key)?.parse().map_err(|_| kv::misshapen(&key))?;
        found.push((name, kv::decode(&key, &value)?));
    }
    Ok((found, true))
}
