//! Rebuilds under way, by the names of their chunks.

use model::ChunkName;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{Mutex as Turn, MutexGuard, watch};

/// The rebuilds of a server. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Runs(Arc<Mutex<BTreeMap<ChunkName, Entry>>>);

struct Entry {
    /// Rebuilds of this name.
    runs: usize,
    state: Arc<State>,
}

struct State {
    /// Held by the rebuild that is at work.
    turn: Turn<()>,
    cancelled: watch::Sender<bool>,
}

/// One rebuild.
pub(super) struct Run {
    name: ChunkName,
    state: Arc<State>,
    all: Runs,
}

impl Runs {
    /// Begins a rebuild, beside others of the same name.
    pub(super) fn begin(&self, name: ChunkName) -> Run {
        let new = || State { turn: Turn::default(), cancelled: watch::Sender::new(false) };
        let mut all = self.0.lock();
        let entry = all.entry(name).or_insert_with(|| Entry { runs: 0, state: Arc::new(new()) });
        entry.runs += 1;
        Run { name, state: entry.state.clone(), all: self.clone() }
    }

    /// Ends the rebuilds of some names; when it returns, none of them is at work any more.
    pub(super) async fn cancel(&self, names: &[ChunkName]) {
        let found: Vec<Arc<State>> = {
            let all = self.0.lock();
            names.iter().filter_map(|name| all.get(name)).map(|e| e.state.clone()).collect()
        };
        for state in found {
            state.cancelled.send_replace(true);
            drop(state.turn.lock().await);
        }
    }
}

impl Run {
    /// Waits for others of the same name.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.state.turn.lock().await
    }

    /// Returns once the chunk is to be deleted.
    pub(super) async fn cancelled(&self) {
        // The sender lives as long as this rebuild.
        let _ = self.state.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if let Some(entry) = all.get_mut(&self.name) {
            entry.runs -= 1;
            if entry.runs == 0 {
                all.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{BlobId, WriteId};

    #[tokio::test]
    async fn a_cancelled_rebuild_is_over_and_forgotten() {
        let runs = Runs::default();
        let name =
            ChunkName { blob: BlobId([1; 16]), metachunk: 0, position: 0, write: WriteId(1) };
        let run = runs.begin(name);
        let work = tokio::spawn(async move {
            let _turn = run.turn().await;
            run.cancelled().await;
        });
        while runs.0.lock().values().all(|entry| entry.state.turn.try_lock().is_ok()) {
            tokio::task::yield_now().await;
        }
        runs.cancel(&[name]).await;
        work.await.unwrap();
        assert!(runs.0.lock().is_empty());
    }
}
