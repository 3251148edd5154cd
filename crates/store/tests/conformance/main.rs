//! The contract of a store, checked for every engine.

mod model;
mod suite;

use std::sync::Arc;
use store::{Config, FjallDatabase, MemoryStore, Store};
use tempfile::TempDir;

/// An engine under test: one store, and a way to lose everything that is not durable.
pub trait Engine {
    /// An empty store.
    fn create() -> Self;
    /// The store.
    fn store(&self) -> Arc<dyn Store>;
    /// Closes the store and opens it again. Nobody else may hold it.
    fn reopen(self) -> Self;
}

struct Memory(Arc<MemoryStore>);

impl Engine for Memory {
    fn create() -> Self {
        Self(Arc::default())
    }

    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    fn reopen(self) -> Self {
        Self(Arc::new(self.0.crash(0)))
    }
}

struct Fjall {
    store: Arc<dyn Store>,
    /// Another partition of the same database, which no test should see.
    other: Arc<dyn Store>,
    database: FjallDatabase,
    directory: TempDir,
}

impl Fjall {
    fn open(directory: TempDir) -> Self {
        // Small enough that the suite writes tables, not only the journal.
        let config = Config { cache_bytes: 1 << 20, memtables_bytes: 24 << 10 };
        let database = FjallDatabase::open(directory.path(), config).expect("opens");
        let store = database.partition("partition").expect("opens");
        let other = database.partition("other").expect("opens");
        Self { store, other, database, directory }
    }
}

impl Engine for Fjall {
    fn create() -> Self {
        let engine = Self::open(TempDir::new().expect("temporary directory"));
        let foreign = (b"foreign".to_vec(), Some(b"value".to_vec()));
        engine.other.write(vec![foreign]).expect("writes");
        engine
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn reopen(self) -> Self {
        let Self { store, other, database, directory } = self;
        drop((store, other, database));
        Self::open(directory)
    }
}

macro_rules! conformance {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $test() { crate::suite::$test::<crate::Memory>(); })*
            #[test] fn behaves_like_a_map() { crate::model::behaves_like_a_map::<crate::Memory>(256); }
        }
        mod fjall {
            $(#[test] fn $test() { crate::suite::$test::<crate::Fjall>(); })*
            #[test] fn behaves_like_a_map() { crate::model::behaves_like_a_map::<crate::Fjall>(24); }
        }
    };
}

conformance!(
    a_batch_is_seen_at_once,
    the_last_change_of_a_key_wins,
    a_removed_key_is_gone,
    a_refused_batch_changes_nothing,
    a_snapshot_never_changes,
    an_open_range_never_changes,
    ranges_respect_their_bounds,
    bounds_may_be_no_keys,
    keys_are_bytes,
    long_keys_and_values,
    a_synced_batch_survives,
    cleared_is_empty_and_stays_so,
    a_snapshot_outlives_a_clear,
    readers_never_see_half_a_batch,
    much_is_written_and_read_back,
);
