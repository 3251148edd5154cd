//! Accounts whose sums are taken anew, and whose list is emptied.

use super::Context;
use crate::{
    Answer, ContainerCounters, Failure, Fatal,
    kv::{
        self, account,
        account::{Account, Refresh},
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
        let sums = account.refresh.get_or_insert_with(|| Refresh {
            upto: container.clone(),
            containers: 0,
            objects: 0,
            bytes: 0,
        });
        sums.upto = container;
        sums.containers = sums.containers.saturating_add(1);
        sums.objects = sums.objects.saturating_add(counters.objects);
        sums.bytes = sums.bytes.saturating_add(counters.bytes);
    }
    if complete {
        let sums = account.refresh.take();
        let sums = sums.map_or((0, 0, 0), |r| (r.containers, r.objects, r.bytes));
        (account.containers, account.objects, account.bytes) = sums;
    }
    kv::put(&mut cx.txn, account::key(name), &account)?;
    Ok(Answer::AccountRefreshed { complete })
}

/// Removes the first containers from the list.
pub(super) fn flush(cx: &mut Context, name: &AccountName) -> Result<Answer, Failure> {
    let account = read::existing_account(&cx.txn, name)?;
    let (first, complete) = listed_behind(cx, name, None)?;
    let mut left = (account.containers, account.objects, account.bytes);
    for (container, counters) in first {
        cx.txn.delete(listed::key(name, &container).into_bytes());
        left.0 = left.0.saturating_sub(1);
        left.1 = left.1.saturating_sub(counters.objects);
        left.2 = left.2.saturating_sub(counters.bytes);
    }
    if complete {
        left = (0, 0, 0);
    }
    let (containers, objects, bytes) = left;
    let account = Account { created: account.created, containers, objects, bytes, refresh: None };
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
