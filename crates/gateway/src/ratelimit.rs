//! Limits on writes, off unless the operator says: how many containers of an account are made and
//! removed a second, and how many objects of a container are written. Who comes too fast waits
//! its turn; who would wait too long is told to slow down. Each gateway counts for itself.

use crate::{call::Call, caller::Caller, config::Rates, refusal::Refusal};
use client::{AccountName, ContainerName};
use http::StatusCode;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

/// The longest a request waits.
pub const MOST_WAIT: Duration = Duration::from_secs(60);

/// How long who was slow may make up for it.
const BUFFER: Duration = Duration::from_secs(5);

/// Accounts and containers that are counted. What was not written to for long is forgotten.
const MOST: usize = 65_536;

type Key = (AccountName, Option<ContainerName>);

/// Whose turn is when.
pub struct Pace {
    started: Instant,
    /// The time from the start at which the next write is due.
    turns: Cache<Key, Arc<Mutex<Duration>>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { started: Instant::now(), turns: Cache::new(MOST) }
    }
}

/// How long a write must wait at `now`, if it need not wait too long. `next` is when it is due.
fn turn(next: &mut Duration, now: Duration, rate: NonZeroU32) -> Option<Duration> {
    let due = (*next).max(now.saturating_sub(BUFFER));
    let wait = due.saturating_sub(now);
    if wait > MOST_WAIT {
        return None;
    }
    *next = due + Duration::from_secs(1) / rate.get();
    Some(wait)
}

/// What limits a request, and how much.
fn limit(call: &Call, rates: Rates) -> Option<(Key, NonZeroU32)> {
    let account = call.account().clone();
    let container = call.target.container.clone()?;
    match (&call.target.object, call.method.as_str()) {
        (None, "PUT" | "DELETE") => Some(((account, None), rates.containers?)),
        (Some(_), "PUT" | "POST" | "DELETE" | "COPY") => {
            Some(((account, Some(container)), rates.objects?))
        }
        _ => None,
    }
}

/// Waits until it is a request's turn.
///
/// # Errors
/// 498 if that would take too long.
pub async fn wait(call: &Call) -> Result<(), Refusal> {
    // Who may write nothing takes nobody's turn.
    if matches!(call.caller, Caller::Anonymous) {
        return Ok(());
    }
    let Some((key, rate)) = limit(call, call.gateway.config.rates) else { return Ok(()) };
    let pace = &call.gateway.pace;
    let next = match pace.turns.get(&key) {
        Some(next) => next,
        None => {
            let next = Arc::new(Mutex::new(pace.started.elapsed()));
            pace.turns.insert(key, next.clone());
            next
        }
    };
    let wait = turn(&mut next.lock(), pace.started.elapsed(), rate);
    match wait {
        Some(Duration::ZERO) => Ok(()),
        Some(wait) => {
            metrics::counter!("cairn_gateway_slowed_total").increment(1);
            tokio::time::sleep(wait).await;
            Ok(())
        }
        None => {
            metrics::counter!("cairn_gateway_rate_refused_total").increment(1);
            let status = StatusCode::from_u16(498).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Err(Refusal::says(status, "Slow down"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_too_fast_waits_and_who_comes_much_too_fast_is_refused() {
        let rate = NonZeroU32::new(10).unwrap();
        let ms = Duration::from_millis;
        let mut next = ms(1000);
        assert_eq!(turn(&mut next, ms(1000), rate), Some(ms(0)));
        assert_eq!(turn(&mut next, ms(1000), rate), Some(ms(100)));
        assert_eq!(turn(&mut next, ms(1150), rate), Some(ms(50)));
        // Who was away makes up for five seconds of it.
        let at = ms(60_000);
        let at_once = (0..100).take_while(|_| turn(&mut next, at, rate) == Some(ms(0))).count();
        assert_eq!(at_once, 51);
        let waits = (0..10_000).take_while(|_| turn(&mut next, at, rate).is_some()).count();
        assert_eq!(waits, 599);
        assert_eq!(turn(&mut next, at + ms(100), rate), Some(MOST_WAIT));
    }
}
