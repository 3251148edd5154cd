//! How long the stages of an operation took.

use parking_lot::Mutex;
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Filled in by the operation that it is given to, as far as that gets. Cheap to clone: keep one
/// and give the operation the other.
#[derive(Debug, Clone, Default)]
pub struct Timings(Arc<Mutex<Stages>>);

/// How long each stage took; absent where there was none, or where it has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stages {
    /// Finding out what is where: of an upload the cluster map, of a download the object.
    pub resolve: Option<Duration>,
    /// Of an upload: choosing the volumes of its first metachunks, and making the container if
    /// it had to be made.
    pub prepare: Option<Duration>,
    /// Of an upload: reading the source, encoding and storing it, until every chunk was durable
    /// or given up.
    pub upload: Option<Duration>,
    /// Of an upload: making it a version.
    pub commit: Option<Duration>,
    /// Of a download: from its start until the first bytes came.
    pub ttfb: Option<Duration>,
    /// Of a download: from its start until the last bytes came.
    pub ttlb: Option<Duration>,
}

impl Timings {
    /// What is known by now.
    pub fn stages(&self) -> Stages {
        *self.0.lock()
    }

    pub(crate) fn note(&self, note: impl FnOnce(&mut Stages)) {
        note(&mut self.0.lock());
    }
}

/// Measures stages that follow each other, if somebody wants to know.
pub(crate) struct Stopwatch {
    timings: Option<Timings>,
    begun: Instant,
}

impl Stopwatch {
    pub(crate) fn start(timings: Option<Timings>) -> Self {
        Self { timings, begun: Instant::now() }
    }

    /// Notes how long the stage took that ends now; the next one begins.
    pub(crate) fn lap(&mut self, stage: impl FnOnce(&mut Stages) -> &mut Option<Duration>) {
        if let Some(timings) = &self.timings {
            timings.note(|stages| *stage(stages) = Some(self.begun.elapsed()));
            self.begun = Instant::now();
        }
    }

    /// Notes how long it is since the start, unless that was noted before.
    pub(crate) fn split(&self, stage: impl FnOnce(&mut Stages) -> &mut Option<Duration>) {
        if let Some(timings) = &self.timings {
            timings.note(|stages| {
                stage(stages).get_or_insert_with(|| self.begun.elapsed());
            });
        }
    }
}
