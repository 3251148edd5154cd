//! A place in a range of keys that moves forward.

use std::ops::Bound;
use store::{Error, Pair, Pairs, Read};

/// Pairs that are stepped over before a seek is cheaper.
const STEPS_BEFORE_SEEK: usize = 16;

pub(super) struct Cursor<'a> {
    view: &'a dyn Read,
    pairs: Pairs<'a>,
    end: Vec<u8>,
    here: Option<Pair>,
    /// Pairs read so far.
    pub(super) steps: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(view: &'a dyn Read, from: &[u8], end: Vec<u8>) -> Result<Self, Error> {
        let pairs = view.range(Bound::Included(from), Bound::Excluded(&end), false);
        let mut cursor = Self { view, pairs, end, here: None, steps: 0 };
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

    /// To the first pair at or behind a key, which is ahead.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<(), Error> {
        for _ in 0..STEPS_BEFORE_SEEK {
            if self.here.as_ref().is_none_or(|(here, _)| here.as_slice() >= key) {
                return Ok(());
            }
            self.advance()?;
        }
        self.pairs = self.view.range(Bound::Included(key), Bound::Excluded(&self.end), false);
        self.advance()
    }
}
