//! Pages of names: prefix, delimiter, markers and bounds, for containers and objects alike.

use super::{MAX_PAGE_BYTES, MAX_PAGE_ENTRIES, cursor::Cursor};
use crate::{Failure, Fatal, kv::key::Key};
use model::{Error, ListQuery, ListedName, Listing, Version};
use store::{Pair, Read};

/// Pairs that a page reads before it ends early, with what it has: nothing, where a run of deleted
/// names is longer than this.
const MAX_PAGE_STEPS: usize = 100_000;

/// Rows with names in their keys.
pub(super) trait Rows {
    type Entry;

    /// What all keys begin with, before the name.
    fn base(&self) -> &Key;

    /// The name in a key.
    fn name(&self, key: &[u8]) -> Result<String, Fatal>;

    /// Rows of a name come with the newest last in reverse: takes notice of the newest, and gives
    /// it where it is the one to look at instead.
    fn newest(&mut self, _key: &[u8]) -> Result<Option<Pair>, Fatal> {
        Ok(None)
    }

    /// What to do with a row. Rows come in order; some may have been skipped. Of one that is
    /// folded only a prefix is shown.
    fn look(&mut self, key: &[u8], value: &[u8], folded: bool) -> Result<Look<Self::Entry>, Fatal>;
}

/// What to do with a row.
pub(super) struct Look<E> {
    /// What to list, if anything.
    pub(super) entry: Option<E>,
    /// The version that tells it from other entries of the same name.
    pub(super) version: Option<Version>,
    /// Its size in an answer, roughly.
    pub(super) bytes: usize,
    pub(super) rest: Rest,
}

/// What to do with further rows of the same name.
pub(super) enum Rest {
    Look,
    Skip,
}

/// A page of the rows that a query asks for.
pub(super) fn page<R: Rows>(
    view: &dyn Read,
    query: &ListQuery,
    mut rows: R,
) -> Result<Listing<R::Entry>, Failure> {
    if query.limit == 0 {
        return Err(Error::invalid("the limit of a listing must be at least 1").into());
    }
    let (from, end) = bounds(rows.base(), query);
    let mut listing = Listing { items: Vec::new(), next: None };
    if from >= end {
        return Ok(listing);
    }
    let mut cursor = Cursor::new(view, from, end, query.reverse)?;
    let mut last = None;
    let mut bytes = 0;
    while let Some(here) = cursor.here() {
        let newest = if query.reverse { rows.newest(&here.0)? } else { None };
        let (key, value) = newest.as_ref().unwrap_or(here);
        let name = rows.name(key)?;
        let folded = fold(query, &name);
        let past = |rows: Key| match query.reverse {
            false => rows.successor(),
            true => rows.into_bytes(),
        };
        let behind = past(match folded {
            Some(folded) => rows.base().clone().partial(folded),
            None => rows.base().clone().name(&name),
        });
        // It was the last of the page before.
        if folded == Some(query.marker.as_str()) {
            cursor.seek(&behind)?;
            continue;
        }
        let look = rows.look(key, value, folded.is_some())?;
        let Some(entry) = look.entry else {
            if cursor.steps > MAX_PAGE_STEPS {
                listing.next = Some((name, None));
                break;
            }
            // What is not listed may yet be one of many under a prefix that is.
            cursor.seek(&past(rows.base().clone().name(&name)))?;
            continue;
        };
        let full = listing.items.len() >= query.limit.min(MAX_PAGE_ENTRIES) as usize
            || (last.is_some() && bytes + look.bytes > MAX_PAGE_BYTES);
        if full {
            listing.next = last;
            break;
        }
        bytes += look.bytes;
        if let Some(folded) = folded {
            last = Some((folded.to_owned(), None));
            listing.items.push(ListedName::Prefix(folded.to_owned()));
        } else {
            last = Some((name.clone(), look.version));
            listing.items.push(ListedName::Entry(entry));
        }
        match (folded, look.rest) {
            (None, Rest::Look) => cursor.advance()?,
            _ => cursor.seek(&behind)?,
        }
    }
    Ok(listing)
}

/// The first key of a page, and the first behind all pages; in reverse the first of all pages, and
/// the first behind the page.
fn bounds(base: &Key, query: &ListQuery) -> (Vec<u8>, Vec<u8>) {
    let prefix = base.clone().partial(&query.prefix);
    let (mut from, mut end) = (prefix.clone().into_bytes(), prefix.successor());
    if !query.marker.is_empty() {
        let marker = base.clone().name(&query.marker);
        match (query.reverse, query.marker_version.filter(|_| query.versions)) {
            // The key of that version, and the first one behind it.
            (false, Some(version)) => from = from.max(marker.u64(!version.0).u8(0).into_bytes()),
            (false, None) => from = from.max(marker.successor()),
            (true, Some(version)) => end = end.min(marker.u64(!version.0).into_bytes()),
            (true, None) => end = end.min(marker.into_bytes()),
        }
    }
    if !query.end_marker.is_empty() {
        match query.reverse {
            false => end = end.min(base.clone().partial(&query.end_marker).into_bytes()),
            true => from = from.max(base.clone().name(&query.end_marker).successor()),
        }
    }
    (from, end)
}

/// The part of a name up to the first delimiter behind the prefix.
fn fold<'a>(query: &ListQuery, name: &'a str) -> Option<&'a str> {
    if query.delimiter.is_empty() {
        return None;
    }
    let rest = name.get(query.prefix.len()..)?;
    let at = rest.find(query.delimiter.as_str())?;
    name.get(..query.prefix.len() + at + query.delimiter.len())
}
