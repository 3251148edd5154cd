//! Counting what a container holds, to compare with its counters.

use crate::{
    CorrectCounters, Failure,
    kv::{
        container, decode,
        head::{self, Head},
    },
};
use model::ContainerId;
use std::ops::Bound;
use store::Read;

/// Versions that one step looks at; few in tests, so that there are steps.
const STEP: usize = if cfg!(test) { 2 } else { 4096 };

/// A walk through all versions of a container, in a view that must be the same for all its steps.
///
/// What the counters are off by in that view is what they are off by after every change since, so
/// the walk may take its time.
#[derive(Debug, Default)]
pub struct Recount {
    /// The last key that was counted; empty before the first.
    at: Vec<u8>,
    objects: u64,
    bytes: u64,
    live_objects: u64,
    live_bytes: u64,
}

impl Recount {
    /// Counts some more; true at the end.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn step(&mut self, view: &dyn Read, id: &ContainerId) -> Result<bool, Failure> {
        let all = head::all(id);
        let from = match self.at.is_empty() {
            true => Bound::Included(all.as_bytes().to_vec()),
            false => Bound::Excluded(self.at.clone()),
        };
        let from = from.as_ref().map(Vec::as_slice);
        let end = all.successor();
        let mut seen = 0;
        for pair in view.range(from, Bound::Excluded(&end), false).take(STEP) {
            let (key, value) = pair?;
            let found: Head = decode(&key, &value)?;
            // The newest version of a name comes first.
            let name = head::split(&key)?.0;
            let is_latest = self.at.is_empty() || head::split(&self.at)?.0 != name;
            if !found.is_marker() {
                self.objects += 1;
                self.bytes = self.bytes.saturating_add(found.size);
                if is_latest {
                    self.live_objects += 1;
                    self.live_bytes = self.live_bytes.saturating_add(found.size);
                }
            }
            self.at = key.to_vec();
            seen += 1;
        }
        Ok(seen < STEP)
    }

    /// What puts the counters right, once the walk is at its end; none if they are, or if there is
    /// no such container.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn correction(
        self,
        view: &dyn Read,
        id: &ContainerId,
    ) -> Result<Option<CorrectCounters>, Failure> {
        let Some(stored) = container::read(view, id)? else { return Ok(None) };
        let off = |counted: u64, stored: u64| i128::from(counted) - i128::from(stored);
        let correction = CorrectCounters {
            container: *id,
            incarnation: stored.incarnation,
            corrections: stored.corrections,
            objects: off(self.objects, stored.objects),
            bytes: off(self.bytes, stored.bytes),
            live_objects: off(self.live_objects, stored.live_objects),
            live_bytes: off(self.live_bytes, stored.live_bytes),
        };
        Ok(Some(correction).filter(|correction| !correction.is_empty()))
    }
}
