//! One test's place in the world.

use super::daemon::Daemon;
use parking_lot::{Mutex, MutexGuard};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Tests that start daemons take turns: side by side they would wait for each other's syncs.
static TURN: Mutex<()> = Mutex::new(());

/// How often something is looked at that has not happened yet.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Bytes of the end of a log that a failed test shows.
const LOG_SHOWN: usize = 6000;

/// A temporary directory and the daemons started in it.
pub struct Scene {
    // Logs are shown before the directory goes, and the turn ends last.
    logs: Arc<Mutex<Vec<PathBuf>>>,
    dir: TempDir,
    runtime: Option<tokio::runtime::Runtime>,
    _turn: MutexGuard<'static, ()>,
}

impl Scene {
    /// An empty one, once no other test has one.
    pub fn new() -> Self {
        let turn = TURN.lock();
        Self {
            logs: Arc::default(),
            dir: tempfile::Builder::new().prefix("cairn-cluster-").tempdir().unwrap(),
            runtime: Some(tokio::runtime::Runtime::new().unwrap()),
            _turn: turn,
        }
    }

    /// A path in it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A new file in it.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Starts a daemon, `cairn <arguments>`.
    pub fn daemon(&self, name: &str, arguments: &[String]) -> Daemon {
        let daemon = Daemon::start(name, self.dir.path(), arguments);
        let mut logs = self.logs.lock();
        if !logs.contains(&daemon.log_path().to_path_buf()) {
            logs.push(daemon.log_path().to_path_buf());
        }
        daemon
    }

    /// Runs a call of the client library.
    pub fn run<T>(&self, call: impl IntoFuture<Output = T>) -> T {
        self.runtime().block_on(async { call.await })
    }

    /// Where calls of the client library run.
    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        self.runtime.as_ref().unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        if !std::thread::panicking() {
            return;
        }
        for path in self.logs.lock().iter() {
            let log = std::fs::read(path).unwrap_or_default();
            let end = &log[log.len().saturating_sub(LOG_SHOWN)..];
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            eprintln!("--- {name}, its end ---\n{}", String::from_utf8_lossy(end));
        }
    }
}

/// Looks until there is something to see; a test fails that has not seen it by the deadline.
#[track_caller]
pub fn eventually<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(started.elapsed() < deadline, "not within {deadline:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Fails the test unless the call answers in time.
pub async fn within<T>(deadline: Duration, what: &str, call: impl IntoFuture<Output = T>) -> T {
    match tokio::time::timeout(deadline, call.into_future()).await {
        Ok(answer) => answer,
        Err(_) => panic!("not within {deadline:?}: {what}"),
    }
}
