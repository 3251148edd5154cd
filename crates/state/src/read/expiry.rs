//! Versions whose time has come.

use crate::{
    Failure,
    kv::{container, expiry},
};
use model::{ContainerId, ObjectName, Version};
use std::{collections::BTreeMap, ops::Bound};
use store::Read;

/// Versions that one page looks at, at most.
const MAX_STEPS: usize = 4096;

/// How far a walk through the versions that are due is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryCursor(Vec<u8>);

/// Versions whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryPage {
    /// Those that may go; there may be none before the end.
    pub versions: Vec<(ContainerId, ObjectName, Version)>,
    /// Where the next page goes on; none if there was nothing to look at.
    pub upto: Option<ExpiryCursor>,
    /// Whether there may be more behind it.
    pub more: bool,
}

/// The versions behind `after` whose time has come at `now`, in microseconds of log time, at most
/// `limit`: those that go first first. What is in containers that are frozen waits, and is not
/// among them.
pub fn expired(
    view: &dyn Read,
    after: Option<&ExpiryCursor>,
    now: u64,
    limit: usize,
) -> Result<ExpiryPage, Failure> {
    let all = expiry::all();
    let from = match after {
        Some(cursor) => Bound::Excluded(&cursor.0[..]),
        None => Bound::Included(all.as_bytes()),
    };
    let end = expiry::all().u64((now / 1_000_000).saturating_add(1));
    let mut page = ExpiryPage { versions: Vec::new(), upto: None, more: false };
    let mut open = BTreeMap::new();
    let pairs = view.range(from, Bound::Excluded(end.as_bytes()), false);
    for (step, pair) in pairs.enumerate() {
        if step >= MAX_STEPS || page.versions.len() >= limit {
            page.more = true;
            break;
        }
        let (key, _) = pair?;
        let (id, object, version) = expiry::parse(&key)?;
        let open = match open.get(&id) {
            Some(open) => *open,
            None => {
                let found = container::read(view, &id)?;
                let is_open = found.is_some_and(|container| !container.frozen.at(now));
                *open.entry(id).or_insert(is_open)
            }
        };
        if open {
            page.versions.push((id, object, version));
        }
        page.upto = Some(ExpiryCursor(key));
    }
    Ok(page)
}
