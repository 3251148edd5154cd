//! What every daemon's process has: metrics, a listener that is served, and an orderly end.

use super::stop::{CLOSE, DRAIN, Signals, Stop};
use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{future::Future, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};
use transport::App;

/// How often the recorder sorts samples into its histograms; unsorted ones take memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// The most listeners of a daemon: for daemons, for Swift, and for public containers.
const LISTENERS: u64 = 3;

/// Descriptors that a daemon asks for: those of its connections, and of its files.
const DESCRIPTORS: u64 = LISTENERS * transport::MAX_CONNECTIONS as u64 + 8192;

/// Has this process get the descriptors it may need. Shells give few, and a log that cannot open
/// its next file for the connections there are ends the process.
fn ask_for_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= DESCRIPTORS) {
        return;
    }
    let most = maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS));
    let asked = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum });
    if most < DESCRIPTORS || asked.is_err() {
        tracing::warn!(
            most,
            wanted = DESCRIPTORS,
            "this process may open few files: raise the hard limit (ulimit -Hn, LimitNOFILE)"
        );
    }
}

/// Starts to record metrics; the handle renders them.
pub fn record_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle =
        PrometheusBuilder::new().install_recorder().context("metrics cannot be recorded")?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// A daemon at work.
pub struct Process {
    signals: Signals,
    stop: Stop,
    serving: JoinHandle<()>,
}

impl Process {
    /// Serves `app` from now on.
    pub fn start(listener: TcpListener, app: App, stop: Stop) -> anyhow::Result<Self> {
        ask_for_descriptors();
        let signals = Signals::new()?;
        let serving = tokio::spawn(transport::serve(listener, app, stop.wait(), DRAIN));
        Ok(Self { signals, stop, serving })
    }

    /// Runs `start` and then for good, until a signal comes, or until `start` or `failed` yield
    /// why the daemon cannot go on. Either way it is to be ended in order.
    pub async fn run(
        &mut self,
        start: impl Future<Output = anyhow::Result<()>>,
        failed: impl Future<Output = anyhow::Error>,
    ) -> anyhow::Result<()> {
        let work = async {
            match start.await {
                Ok(()) => std::future::pending().await,
                Err(error) => error,
            }
        };
        let error = tokio::select! {
            signal = self.signals.next() => {
                tracing::info!(signal, "ending: requests under way may finish");
                return Ok(());
            }
            error = work => error,
            error = failed => error,
        };
        tracing::error!(error = format!("{error:#}"), "ending");
        Err(error)
    }

    /// Drains the listener, then has `close` end the rest, all in bounded time. A second signal
    /// ends it at once.
    pub async fn end(mut self, close: impl Future<Output = ()>) {
        self.stop.now();
        let orderly = async {
            if let Err(error) = self.serving.await {
                tracing::error!(%error, "the listener did not end well");
            }
            if tokio::time::timeout(CLOSE, close).await.is_err() {
                tracing::warn!("not all was closed in time: the next start recovers it");
            }
        };
        tokio::select! {
            () = orderly => tracing::info!("ended"),
            signal = self.signals.next() => tracing::warn!(signal, "ending at once"),
        }
    }
}
