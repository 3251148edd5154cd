//! The time that the commands of a partition carry.
//!
//! Log time never goes back, and what waits for a time waits for log time. A clock that was ahead
//! and is set right leaves log time in the future: if it stood still until the clock caught up,
//! nothing would expire for as long, and no lease would end. So a leader has it go on meanwhile, at
//! half the pace, that the clock can catch up.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// The log time of a replica, in microseconds since 1970.
#[derive(Debug, Default)]
pub struct LogTime {
    applied: AtomicU64,
    /// Where log time was, and when, as the clock was found behind it.
    ahead: Mutex<Option<(u64, Instant)>>,
}

impl LogTime {
    /// A command with this time was applied.
    pub fn reached(&self, time: u64) {
        self.applied.fetch_max(time, Ordering::Relaxed);
    }

    /// The time of the next command, with this clock.
    pub fn next(&self, clock: u64) -> u64 {
        let applied = self.applied.load(Ordering::Relaxed);
        let mut ahead = self.ahead.lock();
        if clock >= applied {
            *ahead = None;
            return clock;
        }
        let now = Instant::now();
        let (from, since) = *ahead.get_or_insert((applied, now));
        let time = from + now.duration_since(since).as_micros() as u64 / 2;
        if time >= applied {
            return time;
        }
        // Another leader was further.
        *ahead = Some((applied, now));
        applied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOON: u64 = 1_700_000_000_000_000;
    const HOUR: u64 = 3_600_000_000;

    #[tokio::test(start_paused = true)]
    async fn time_follows_the_clock_and_goes_on_at_half_pace_where_the_clock_is_behind() {
        let time = LogTime::default();
        assert_eq!(time.next(NOON), NOON);
        time.reached(NOON + HOUR);
        assert_eq!(time.next(NOON), NOON + HOUR);
        tokio::time::advance(Duration::from_secs(1200)).await;
        assert_eq!(time.next(NOON + HOUR / 3), NOON + HOUR + HOUR / 6);
        time.reached(NOON + HOUR + HOUR / 6);
        // What another leader reached counts.
        time.reached(NOON + HOUR + HOUR / 3);
        assert_eq!(time.next(NOON + HOUR / 3), NOON + HOUR + HOUR / 3);
        tokio::time::advance(Duration::from_secs(1800)).await;
        let further = NOON + HOUR + HOUR / 3 + HOUR / 4;
        assert_eq!(time.next(NOON + HOUR / 3 + HOUR / 2), further);
        time.reached(further);
        // Caught up with: the next time the clock is set back counts anew.
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(time.next(further + 1), further + 1);
        time.reached(further + 1);
        tokio::time::advance(Duration::from_secs(36_000)).await;
        assert_eq!(time.next(further), further + 1);
    }
}
