//! Emptying old segments that a few live entries keep: without it one idle group would pin
//! every segment behind its last entries.

use crate::error::Error;
use crate::image::Location;
use crate::record::{Kind, Record};
use crate::storage::{Held, Storage};

/// A sealed segment is emptied when its live entries take less than 1/4 of a full segment:
/// rewriting one byte then frees at least four.
const LIVE_SHARE: u64 = 4;
/// One batch moves about this much (or one larger entry), so that callers do not wait long.
const MOVE_BYTES: u64 = 1 << 20;

/// An entry to be moved: group, index and where it is.
type Origin = (u32, u64, Location);

impl Storage {
    /// Whether a segment is being emptied or should be, or waits to be freed.
    pub(crate) fn busy(&self) -> bool {
        self.moving.is_some() || !self.dead().is_empty() || self.victim().is_some()
    }

    /// The next entries to write again, with their payloads.
    pub(crate) fn next_moves(&mut self) -> Result<(Vec<Record>, Vec<Origin>), Error> {
        let begun = self.moving.take();
        let Some((id, mut left)) = begun.or_else(|| self.victim().map(|id| self.begin(id))) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let mut origins: Vec<Origin> = Vec::new();
        let mut bytes = 0;
        while bytes < MOVE_BYTES
            && let Some((group, index)) = left.pop()
        {
            // What was purged, truncated or replaced meanwhile needs no move.
            let at = self.image.location(group, index).filter(|at| at.segment == id);
            origins.extend(at.map(|at| (group, index, at)));
            bytes += at.map_or(0, |at| at.frame_bytes());
        }
        let Some(held) = self.segments.get_mut(&id) else { return Ok((Vec::new(), Vec::new())) };
        let payloads = match held.segment.read(&origins) {
            Ok(payloads) => payloads,
            // The entry may be purged before anybody needs it; a reader gets the same error.
            Err(error @ Error::Corrupt { .. }) => {
                tracing::error!(%error, "a log segment cannot be emptied");
                held.damaged = true;
                return Ok((Vec::new(), Vec::new()));
            }
            Err(error) => return Err(error),
        };
        self.moving = (!left.is_empty()).then_some((id, left));
        let moved = |(&(group, index, _), payload): (&Origin, _)| {
            Record::new(Kind::Moved, group, index, payload)
        };
        let records = origins.iter().zip(payloads).map(moved).collect();
        Ok((records, origins))
    }

    /// A segment and its entries, last first.
    fn begin(&self, id: u64) -> (u64, Vec<(u32, u64)>) {
        let mut entries = self.image.live_entries(id);
        entries.reverse();
        (id, entries)
    }

    /// The oldest segment worth emptying. The newest sealed segment is left alone: its entries
    /// are likely to be purged by themselves soon.
    fn victim(&self) -> Option<u64> {
        let limit = self.config.segment_bytes / LIVE_SHARE;
        let newest_sealed = self.segments.range(..self.active()).next_back().map(|(id, _)| *id)?;
        let mut old = self.segments.range(..newest_sealed);
        let worth = |held: &Held, live| !held.damaged && (1..limit).contains(&live);
        old.find(|(id, held)| worth(held, self.image.live_bytes(**id))).map(|(id, _)| *id)
    }
}
