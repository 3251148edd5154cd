//! States of containers on their way to their accounts.

use super::Context;
use crate::{
    Answer, ContainerCounters, Failure, Fatal,
    kv::{self, container::Container, outbox},
};
use model::{AccountName, ContainerId, ContainerName};

/// Queues what a container is after this entry.
pub(super) fn announce(cx: &mut Context, container: &Container) -> Result<(), Fatal> {
    let counters = ContainerCounters {
        objects: container.objects,
        bytes: container.bytes,
        live_objects: container.live_objects,
        live_bytes: container.live_bytes,
        modified: container.modified,
    };
    queue(cx, &container.account, &container.name, Some(counters))
}

/// Queues that a container is gone.
pub(super) fn announce_gone(
    cx: &mut Context,
    account: &AccountName,
    container: &ContainerName,
) -> Result<(), Fatal> {
    queue(cx, account, container, None)
}

/// The state of before, if it was not delivered yet, is taken back: states are absolute.
fn queue(
    cx: &mut Context,
    account: &AccountName,
    container: &ContainerName,
    counters: Option<ContainerCounters>,
) -> Result<(), Fatal> {
    let pointer = outbox::pointer_key(&ContainerId::of(account, container));
    match kv::get::<outbox::Pointer>(&cx.txn, pointer.as_bytes())? {
        Some(before) => cx.txn.delete(outbox::key(before.0).into_bytes()),
        None => cx.partition.outbox += 1,
    }
    let (account, container) = (account.clone(), container.clone());
    let state = outbox::State { account, container, counters };
    kv::put(&mut cx.txn, outbox::key(cx.index), &state)?;
    kv::put(&mut cx.txn, pointer, &outbox::Pointer(cx.index))
}

/// Removes states that their accounts have. Those that were replaced meanwhile are gone.
pub(super) fn delivered(cx: &mut Context, indexes: &[u64]) -> Result<Answer, Failure> {
    for index in indexes {
        let key = outbox::key(*index);
        let Some(state) = kv::get::<outbox::State>(&cx.txn, key.as_bytes())? else { continue };
        let container = ContainerId::of(&state.account, &state.container);
        cx.txn.delete(key.into_bytes());
        cx.txn.delete(outbox::pointer_key(&container).into_bytes());
        cx.partition.outbox = cx.partition.outbox.saturating_sub(1);
    }
    Ok(Answer::Done)
}
