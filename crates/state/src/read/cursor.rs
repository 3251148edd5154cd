//! A place in a range of keys that moves forward, or backward.

use std::ops::Bound;
use store::{Error, Pair, Pairs, Read};

/// Pairs that are stepped over before a seek is cheaper.
const STEPS_BEFORE_SEEK: usize = 16;

pub(super) struct Cursor<'a> {
    view: &'a dyn Read,
    pairs: Pairs<'a>,
    from: Vec<u8>,
    end: Vec<u8>,
    descending: bool,
    here: Option<Pair>,
    /// Pairs read so far.
    pub(super) steps: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(
        view: &'a dyn Read,
        from: Vec<u8>,
        end: Vec<u8>,
        descending: bool,
    ) -> Result<Self, Error> {
        let pairs = view.range(Bound::Included(&from), Bound::Excluded(&end), descending);
        let mut cursor = Self { view, pairs, from, end, descending, here: None, steps: 0 };
        cursor.advance()?;
        Ok(cursor)
    }

    /// The pair at this place, unless this is the end.
    pub(super) fn here(&self) -> Option<&Pair> {
        self.here.as_ref()
    }

    /// To the next pair.
    pub(super) fn advance(&mut self) -> Result<(), Error> {
        self.steps += 1;
        self.here = self.pairs.next().transpose()?;
        Ok(())
    }

    /// To the first pair at or behind a key, which is ahead; descending to the last pair before
    /// it.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<(), Error> {
        for _ in 0..STEPS_BEFORE_SEEK {
            let arrived = |here: &Pair| (here.0.as_slice() < key) == self.descending;
            if self.here.as_ref().is_none_or(arrived) {
                return Ok(());
            }
            self.advance()?;
        }
        let (from, end) = match self.descending {
            false => (key, &self.end[..]),
            true => (&self.from[..], key),
        };
        self.pairs = self.view.range(Bound::Included(from), Bound::Excluded(end), self.descending);
        self.advance()
    }
}
