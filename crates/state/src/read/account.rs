//! Accounts and their containers.

use super::{
    MAX_PAGE_ENTRIES,
    list::{self, Look, Rest, Rows},
};
use crate::{
    ContainerCounters, Failure, Fatal,
    kv::{self, account, key::Key, key::Parts, listed, properties},
};
use model::{Account, AccountName, ContainerEntry, Error, ListQuery, Listing, Subject, Version};
use std::ops::Bound;
use store::Read;

/// An account with its properties.
pub fn show_account(view: &dyn Read, name: &AccountName) -> Result<Account, Failure> {
    let record = existing(view, name)?;
    Ok(Account {
        name: name.clone(),
        containers: record.sums.containers,
        objects: record.sums.objects,
        bytes: record.sums.bytes,
        live_objects: record.sums.live_objects,
        live_bytes: record.sums.live_bytes,
        created: record.created,
        properties: properties::read(view, &properties::of_account(name))?,
    })
}

/// The account, or *not found*.
pub(crate) fn existing(view: &dyn Read, name: &AccountName) -> Result<account::Account, Failure> {
    let missing = || Error::not_found(Subject::Account, format!("there is no account {name}"));
    Ok(kv::get(view, account::key(name).as_bytes())?.ok_or_else(missing)?)
}

/// The accounts of this partition behind `marker`, at most `limit` (and at most 10,000), in
/// byte order; and whether there are more.
pub fn list_accounts(
    view: &dyn Read,
    marker: &str,
    limit: u32,
) -> Result<(Vec<AccountName>, bool), Failure> {
    let all = Key::new(kv::Kind::Account);
    let end = all.clone().successor();
    let from = if marker.is_empty() { all.into_bytes() } else { all.name(marker).successor() };
    let mut accounts = Vec::new();
    for pair in view.range(Bound::Included(&from), Bound::Excluded(&end), false) {
        let (key, _) = pair?;
        if accounts.len() as u32 >= limit.min(MAX_PAGE_ENTRIES) {
            return Ok((accounts, true));
        }
        let name = Parts::of(&key).name().ok_or_else(|| kv::misshapen(&key))?;
        accounts.push(name.parse().map_err(|_| kv::misshapen(&key))?);
    }
    Ok((accounts, false))
}

/// A page of an account's containers.
pub fn list_containers(
    view: &dyn Read,
    account: &AccountName,
    query: &ListQuery,
) -> Result<Listing<ContainerEntry>, Failure> {
    existing(view, account)?;
    list::page(view, query, Containers(listed::all(account)))
}

struct Containers(Key);

impl Rows for Containers {
    type Entry = ContainerEntry;

    fn base(&self) -> &Key {
        &self.0
    }

    fn name(&self, key: &[u8]) -> Result<String, Fatal> {
        listed::name(key)
    }

    fn look(&mut self, key: &[u8], value: &[u8], _: bool) -> Result<Look<ContainerEntry>, Fatal> {
        let counters: ContainerCounters = kv::decode(key, value)?;
        let name = listed::name(key)?.parse().map_err(|_| kv::misshapen(key))?;
        let entry = ContainerEntry {
            name,
            objects: counters.objects,
            bytes: counters.bytes,
            live_objects: counters.live_objects,
            live_bytes: counters.live_bytes,
            modified: counters.modified,
        };
        Ok(Look {
            bytes: key.len(),
            entry: Some(entry),
            version: None::<Version>,
            rest: Rest::Skip,
        })
    }
}
