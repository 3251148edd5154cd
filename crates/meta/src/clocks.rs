//! What the clocks of a node's peers say.
//!
//! The leader's clock moves a partition's log time on, which never goes back: one that is far ahead
//! would have versions, leases and expiries of tomorrow, for good. Nobody knows the right time, but
//! the median of all clocks is between two that are right as long as most of them are.

use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// How far a clock may be from the median.
const LIMIT: Duration = Duration::from_secs(5);

/// How long a peer's word counts: many heartbeats.
const FRESH: Duration = Duration::from_secs(10);

/// The clocks of peers, in microseconds since 1970, and when they were heard.
#[derive(Debug, Default)]
pub struct Clocks(BTreeMap<u64, (u64, Instant)>);

/// A clock that is not to be gone by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Off {
    /// How far it is ahead of the median, in microseconds; less than 0 if it is behind.
    pub ahead: i64,
    /// Clocks that were compared, this one among them.
    pub clocks: usize,
}

impl Clocks {
    /// A peer's clock, as a message says that came just now.
    pub fn heard(&mut self, node: u64, clock: u64, now: Instant) {
        self.0.insert(node, (clock, now));
    }

    /// Whether the clock that reads `own` is too far from the median of all. Of an even number it
    /// must be near both that are in the middle: of two that differ none is known to be right.
    pub fn judge(&self, own: u64, now: Instant) -> Option<Off> {
        let fresh = self.0.values().filter(|(_, heard)| now.duration_since(*heard) <= FRESH);
        let ahead = fresh.map(|&(clock, heard)| {
            let theirs = clock as i128 + now.duration_since(heard).as_micros() as i128;
            (own as i128 - theirs).clamp(i64::MIN.into(), i64::MAX.into()) as i64
        });
        let mut ahead: Vec<i64> = ahead.chain([0]).collect();
        ahead.sort_unstable();
        let middle = [ahead[(ahead.len() - 1) / 2], ahead[ahead.len() / 2]];
        let far = middle.into_iter().max_by_key(|ahead| ahead.unsigned_abs())?;
        let off = u128::from(far.unsigned_abs()) > LIMIT.as_micros();
        off.then_some(Off { ahead: far, clocks: ahead.len() })
    }
}

impl std::fmt::Display for Off {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, way) = (
            self.ahead.unsigned_abs() as f64 / 1e6,
            match self.ahead {
                0.. => "ahead of",
                _ => "behind",
            },
        );
        let others = self.clocks - 1;
        write!(f, "its clock is {seconds:.1} s {way} those of {others} other metadata nodes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_700_000_000_000_000;
    const SECOND: i64 = 1_000_000;

    /// What a node with a clock that reads noon finds, whose peers are so many seconds ahead.
    fn judged(peers: &[i64]) -> Option<i64> {
        let (mut clocks, now) = (Clocks::default(), Instant::now());
        for (node, ahead) in peers.iter().enumerate() {
            clocks.heard(node as u64, NOON.checked_add_signed(ahead * SECOND).unwrap(), now);
        }
        clocks.judge(NOON, now).map(|off| off.ahead / SECOND)
    }

    #[test]
    fn the_median_says_what_time_it_is() {
        for (peers, ahead) in [
            (&[][..], None),
            (&[5], None),
            (&[6], Some(-6)),
            (&[-6], Some(6)),
            (&[0, 3600], None),
            (&[-3600, 3600], None),
            (&[6, 3600], Some(-6)),
            (&[-6, -7], Some(6)),
            (&[0, 0, 100, 100], None),
            (&[6, 7, 8, 0], Some(-6)),
            (&[0, 100, 100], Some(-100)),
        ] {
            assert_eq!(judged(peers), ahead, "{peers:?}");
        }
    }

    #[test]
    fn time_goes_on_between_messages_and_silence_is_forgotten() {
        let (mut clocks, start) = (Clocks::default(), Instant::now());
        clocks.heard(1, NOON, start);
        let later = start + Duration::from_secs(9);
        assert_eq!(clocks.judge(NOON + 9_000_000, later), None);
        let off = clocks.judge(NOON, later).unwrap();
        assert_eq!(off, Off { ahead: -9 * SECOND, clocks: 2 });
        assert_eq!(off.to_string(), "its clock is 9.0 s behind those of 1 other metadata nodes");
        assert_eq!(clocks.judge(NOON, start + FRESH + Duration::from_millis(1)), None);
    }
}
