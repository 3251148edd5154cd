//! Changes on top of a view, readable before they are written.

use std::{collections::BTreeMap, iter::Peekable, ops::Bound};
use store::{Error, Pair, Pairs, Read};

/// A view with changes laid over it. Reads see the changes.
pub(crate) struct Txn<'a> {
    view: &'a dyn Read,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Txn<'a> {
    pub(crate) fn new(view: &'a dyn Read) -> Self {
        Self { view, changes: BTreeMap::new() }
    }

    /// What is under the changes.
    pub(crate) fn view(&self) -> &'a dyn Read {
        self.view
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }

    /// Forgets every change.
    pub(crate) fn clear(&mut self) {
        self.changes.clear();
    }

    /// The changes, in the order of their keys.
    pub(crate) fn into_changes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.changes
    }
}

impl Read for Txn<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.view.get(key),
        }
    }

    fn range<'a>(&'a self, from: Bound<&[u8]>, to: Bound<&[u8]>, descending: bool) -> Pairs<'a> {
        let under = self.view.range(from, to, descending).peekable();
        // A map panics on bounds that exclude each other; a store gives nothing.
        let over = match (from, to) {
            (Bound::Included(a), Bound::Included(b)) if a > b => None,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b))
                if a >= b && (from, to) != (Bound::Included(a), Bound::Included(b)) =>
            {
                None
            }
            _ => Some(self.changes.range::<[u8], _>((from, to))),
        };
        match (over, descending) {
            (None, _) => Box::new(under),
            (Some(over), false) => Box::new(Merge { under, over: over.peekable(), descending }),
            (Some(over), true) => {
                Box::new(Merge { under, over: over.rev().peekable(), descending })
            }
        }
    }
}

/// Two ordered sequences as one; where both have a key, what lies over the other wins.
struct Merge<'a, I: Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>> {
    under: Peekable<Pairs<'a>>,
    over: Peekable<I>,
    descending: bool,
}

impl<'a, I: Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>> Iterator for Merge<'a, I> {
    type Item = Result<Pair, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((over, _)) = self.over.peek() else { return self.under.next() };
            match self.under.peek() {
                Some(Ok((under, _))) => {
                    let order = under.cmp(over);
                    let order = if self.descending { order.reverse() } else { order };
                    if order.is_lt() {
                        return self.under.next();
                    }
                    if order.is_eq() {
                        self.under.next();
                    }
                }
                Some(Err(_)) => return self.under.next(),
                None => {}
            }
            if let Some((key, Some(value))) = self.over.next() {
                return Some(Ok((key.clone(), value.clone())));
            }
        }
    }
}
