//! When a process ends.

use crate::failure::{Exit, Interrupted};
use anyhow::Context;
use std::{future::Future, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// How long requests under way may go on once the process is told to end.
pub const DRAIN: Duration = Duration::from_secs(10);

/// How long the rest of the ending may take: then the process goes, and the next start
/// recovers, as after a crash.
pub const CLOSE: Duration = Duration::from_secs(10);

/// Tells every part of the process to end. Cheap to clone.
#[derive(Clone)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Nobody has said so yet.
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Says so.
    pub fn now(&self) {
        self.0.send_replace(true);
    }

    /// Ready once somebody has said so.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut receiver = self.0.subscribe();
        async move {
            // The sender lives as long as a part that waits; if it went, that is the end too.
            let _ = receiver.wait_for(|stop| *stop).await;
        }
    }
}

/// How long uploads that were given up have to delete their chunks. What they do not get to is
/// garbage, which the cluster finds.
const GIVE_UP: Duration = Duration::from_millis(300);

/// Runs a command until it is done or a signal comes; then it is dropped, which removes what it
/// left half done.
pub async fn unless_interrupted(
    command: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::new()?;
    let signal = tokio::select! {
        done = command => return done,
        signal = signals.next() => signal,
    };
    tokio::time::sleep(GIVE_UP).await;
    Err(anyhow::Error::new(Interrupted(signal)))
}

/// The signals that end a process.
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Listens for them from now on.
    pub fn new() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("signals cannot be heard");
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
        })
    }

    /// The name of the next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
