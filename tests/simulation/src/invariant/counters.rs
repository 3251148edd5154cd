//! A counter can be late, never wrong for good: part of invariant 8.
//!
//! When all is quiet, a container counts the versions that are listed in it and their bytes, and
//! which of them are live; its account lists it with just that, and the account's sums are those of
//! its list. What was to go by itself is not among them any more.

use crate::{
    invariant::converges::partitions,
    machine::Machine,
    workload::{ACCOUNT, containers},
};
use model::{
    AccountName, ContainerEntry, ContainerId, ContainerName, ListQuery, ListedName, Listing,
};
use state::{Failure, read};
use std::collections::BTreeMap;
use store::Store;

/// Versions and their bytes, and the live ones of them and their bytes.
type Sum = [u64; 4];

fn add(one: Sum, other: Sum) -> Sum {
    std::array::from_fn(|n| one[n] + other[n])
}

/// What is counted wrong, if anything.
pub fn check(machines: &[Machine]) -> Option<String> {
    count(machines).unwrap_or_else(|error| Some(format!("cannot be counted: {error}")))
}

fn count(machines: &[Machine]) -> Result<Option<String>, Failure> {
    let account: AccountName = ACCOUNT.parse()?;
    let mut held: BTreeMap<ContainerName, Sum> = BTreeMap::new();
    let mut told: BTreeMap<ContainerName, Sum> = BTreeMap::new();
    let mut sums = None;
    for replicas in partitions(machines).values() {
        let view = replicas[0].1.snapshot();
        for name in containers() {
            let name: ContainerName = name.parse()?;
            let id = ContainerId::of(&account, &name);
            let Some(container) = read::find_container(&*view, &id)? else { continue };
            let says =
                [container.objects, container.bytes, container.live_objects, container.live_bytes];
            let objects = entries(|query| {
                let query = ListQuery { versions: true, ..query };
                read::list_objects(&*view, &id, &query)
            })?;
            if let Some(late) = objects.iter().find(|o| !o.marker && o.delete_at.is_some()) {
                return Ok(Some(format!("{name}/{} was to go by itself: {late:?}", late.name)));
            }
            let objects = objects.iter().filter(|object| !object.marker);
            let holds = objects.fold([0; 4], |sum, object| {
                let live = u64::from(object.latest);
                add(sum, [1, object.size, live, live * object.size])
            });
            if says != holds {
                return Ok(Some(format!("container {name} counts {says:?} and holds {holds:?}")));
            }
            held.insert(name, holds);
        }
        // The account is in one of the partitions.
        let Ok(shown) = read::show_account(&*view, &account) else { continue };
        let of_all = [shown.objects, shown.bytes, shown.live_objects, shown.live_bytes];
        sums = Some((shown.containers, of_all));
        let listed = entries(|query| read::list_containers(&*view, &account, &query))?;
        let counters = |c: ContainerEntry| [c.objects, c.bytes, c.live_objects, c.live_bytes];
        told = listed.into_iter().map(|c| (c.name.clone(), counters(c))).collect();
    }
    if held != told {
        return Ok(Some(format!("containers hold {held:?}, their account lists {told:?}")));
    }
    let sum = Some((told.len() as u64, told.values().copied().fold([0; 4], add)));
    let wrong = || format!("the account counts {sums:?}, its list makes {sum:?}");
    Ok((sums != sum).then(wrong))
}

/// All entries of a listing, page by page.
pub fn entries<T>(
    page: impl Fn(ListQuery) -> Result<Listing<T>, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut all = Vec::new();
    let mut query = ListQuery { limit: 100, ..ListQuery::default() };
    loop {
        let page = page(query.clone())?;
        all.extend(page.items.into_iter().filter_map(|item| match item {
            ListedName::Entry(entry) => Some(entry),
            ListedName::Prefix(_) => None,
        }));
        match page.next {
            Some((marker, version)) => {
                (query.marker, query.marker_version) = (marker, version);
            }
            None => return Ok(all),
        }
    }
}
