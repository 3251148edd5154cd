//! Keeping a container frozen while a job works on it.

use crate::{Error, container::Place, refresh::set_frozen};
use model::{JobId, Subject};
use parking_lot::Mutex;
use proto::v1::set_frozen_request::{Frozen, Lease as Message};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

/// Pause between tries while another job holds the container.
const PAUSE: Duration = Duration::from_millis(200);

/// A lease, renewed until it is given back or dropped.
pub(super) struct Lease {
    place: Place,
    job: JobId,
    held: Arc<Mutex<Held>>,
    renewing: AbortOnDropHandle<()>,
}

/// What is certain of a lease.
#[derive(Debug, Clone, Copy)]
struct Held {
    since: Instant,
    until: Instant,
}

impl Lease {
    /// Freezes a container. Another job's lease is waited for about as long as one's own would
    /// last: a job that died has gone by then.
    pub(super) async fn take(place: &Place, job: JobId, lasts: Duration) -> Result<Self, Error> {
        let patience = Instant::now() + lasts.saturating_mul(2);
        let held = loop {
            let sent = Instant::now();
            match renew(place, job, lasts).await {
                Ok(()) => break Held { since: Instant::now(), until: certain_until(sent, lasts) },
                Err(Error::Unavailable(error))
                    if error.subject == Subject::Container && Instant::now() < patience =>
                {
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        };
        let held = Arc::new(Mutex::new(held));
        let renewing = tokio::spawn(keep(place.clone(), job, lasts, held.clone()));
        let renewing = AbortOnDropHandle::new(renewing);
        Ok(Self { place: place.clone(), job, held, renewing })
    }

    /// Whether it was certainly held all the time from then until now.
    pub(super) fn held_since(&self, then: Instant) -> bool {
        let held = *self.held.lock();
        held.since <= then && Instant::now() < held.until
    }

    /// Lets the container take writes again.
    pub(super) async fn give_back(self) -> Result<(), Error> {
        drop(self.renewing);
        set_frozen(&self.place, None, Some(self.job.0.to_vec())).await
    }
}

/// Renews a lease for as long as it is needed.
async fn keep(place: Place, job: JobId, lasts: Duration, held: Arc<Mutex<Held>>) {
    loop {
        sleep(lasts / 8).await;
        let sent = Instant::now();
        match renew(&place, job, lasts).await {
            Ok(()) => {
                let mut held = held.lock();
                // Late, it may have been over in between.
                if Instant::now() >= held.until {
                    held.since = Instant::now();
                }
                held.until = certain_until(sent, lasts);
            }
            Err(error) => tracing::debug!(%error, "a lease is not renewed"),
        }
    }
}

/// Until when a lease that was asked for at `sent` certainly holds: log time may run ahead of the
/// clock that set its end.
fn certain_until(sent: Instant, lasts: Duration) -> Instant {
    sent + lasts / 2
}

async fn renew(place: &Place, job: JobId, lasts: Duration) -> Result<(), Error> {
    let lease = Message { job: job.0.to_vec(), lasts: lasts.as_micros() as u64 };
    set_frozen(place, Some(Frozen::Lease(lease)), None).await
}
