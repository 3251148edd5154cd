//! A store in memory, for simulation and tests.

mod versions;

use crate::{Change, Error, Pairs, Read, Store, bounds, check};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use versions::{Snapshot, Value, Versions};

/// A [`Store`] in memory that can crash.
///
/// It keeps the state as of the last sync apart from the batches written since, so that
/// [`MemoryStore::crash`] can lose any suffix of them, as a disk would. Whoever never syncs
/// keeps every batch in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What reads see. Replaced as a whole by `clear`, so that older snapshots keep theirs.
    live: Arc<Mutex<Versions>>,
    /// What a crash cannot take.
    durable: BTreeMap<Vec<u8>, Value>,
    /// Batches since the last sync, oldest first.
    unsynced: Vec<Vec<(Vec<u8>, Option<Value>)>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many batches a crash could take now.
    pub fn unsynced(&self) -> usize {
        self.state.lock().unsynced.len()
    }

    /// The store as a crash leaves it: all that was synced and the first `keep` batches after
    /// that (all of them if there are fewer). This store is left as it was, so that whoever
    /// still holds it cannot disturb the new one.
    pub fn crash(&self, keep: usize) -> MemoryStore {
        let state = self.state.lock();
        let mut durable = state.durable.clone();
        for batch in state.unsynced.iter().take(keep) {
            apply(&mut durable, batch.clone());
        }
        let live = Versions::from_map(&durable);
        MemoryStore {
            state: Mutex::new(State {
                live: Arc::new(Mutex::new(live)),
                durable,
                unsynced: Vec::new(),
            }),
        }
    }
}

fn apply(map: &mut BTreeMap<Vec<u8>, Value>, batch: Vec<(Vec<u8>, Option<Value>)>) {
    for (key, value) in batch {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}

impl Store for MemoryStore {
    fn snapshot(&self) -> Box<dyn Read> {
        Box::new(Versions::snapshot(&self.state.lock().live))
    }

    fn write(&self, batch: Vec<Change>) -> Result<(), Error> {
        check(&batch)?;
        let batch: Vec<_> =
            batch.into_iter().map(|(key, value)| (key, value.map(Value::from))).collect();
        let mut state = self.state.lock();
        state.live.lock().write(&batch);
        state.unsynced.push(batch);
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        let state = &mut *self.state.lock();
        for batch in state.unsynced.drain(..) {
            apply(&mut state.durable, batch);
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), Error> {
        *self.state.lock() = State::default();
        Ok(())
    }

    fn size(&self) -> u64 {
        let state = self.state.lock();
        let bytes = |(key, value): (&Vec<u8>, &Value)| key.len() + value.len();
        state.durable.iter().map(bytes).sum::<usize>() as u64
    }
}

impl Read for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(Snapshot::get(self, key).map(|value| value.to_vec()))
    }

    fn range<'a>(&'a self, from: Bound<&[u8]>, to: Bound<&[u8]>, descending: bool) -> Pairs<'a> {
        let mut rest = bounds::normalise(from, to);
        Box::new(std::iter::from_fn(move || {
            // The lock is taken anew for each pair, so that a range left open holds up nobody.
            let (key, value) = self.first(rest.as_ref()?, descending)?;
            if let Some((from, to)) = &mut rest {
                let passed = if descending { to } else { from };
                *passed = Bound::Excluded(key.clone());
            }
            Some(Ok((key, value.to_vec())))
        }))
    }
}
