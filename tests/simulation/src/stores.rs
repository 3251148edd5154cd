//! State stores in memory, which lose at a crash what was not synced.

use crate::{observer::Observer, random::Rng};
use meta::{OpenStores, PartitionStores};
use parking_lot::Mutex;
use std::{collections::BTreeMap, path::Path, sync::Arc};
use store::{Change, Error, MemoryStore, Read, Store};

/// Key under which a replica writes how far it has applied its log.
const APPLIED_KEY: &[u8] = &[0, 1];

/// First bytes of the keys of heads of versions, and of pages of chunk tables.
const HEADS: [u8; 2] = [0x22, 0x24];

/// What damages the batches of a replica on their way to its store, on purpose.
pub type Tamper = Arc<dyn Fn(&str, &mut Vec<Change>) + Send + Sync>;

/// The state stores of a node, as they were at one moment.
#[derive(Default)]
pub struct StoresCopy(BTreeMap<String, Arc<MemoryStore>>);

/// The state stores of a metadata node. They outlive its processes. Cheap to clone.
#[derive(Clone)]
pub struct SimStores(Arc<Inner>);

struct Inner {
    node: String,
    stores: Mutex<BTreeMap<String, Arc<MemoryStore>>>,
    observer: Observer,
    tamper: Mutex<Option<Tamper>>,
}

impl SimStores {
    /// Empty stores of a node.
    pub fn new(node: &str, observer: Observer) -> Self {
        Self(Arc::new(Inner {
            node: node.to_owned(),
            stores: Mutex::default(),
            observer,
            tamper: Mutex::default(),
        }))
    }

    /// The process dies: any of the last batches that were not synced are lost.
    pub fn crash(&self, rng: &mut Rng) {
        for store in self.0.stores.lock().values_mut() {
            let keep = rng.below(store.unsynced() as u64 + 1) as usize;
            *store = Arc::new(store.crash(keep));
        }
    }

    /// The stores, by partition.
    pub fn all(&self) -> Vec<(String, Arc<MemoryStore>)> {
        self.0.stores.lock().iter().map(|(name, store)| (name.clone(), store.clone())).collect()
    }

    /// Copies all stores.
    pub fn copy(&self) -> StoresCopy {
        let copy = |(name, store): (&String, &Arc<MemoryStore>)| {
            (name.clone(), Arc::new(store.crash(usize::MAX)))
        };
        StoresCopy(self.0.stores.lock().iter().map(copy).collect())
    }

    /// Puts the stores back to a copy; to none, if it is empty. No process runs.
    pub fn restore(&self, copy: &StoresCopy) {
        *self.0.stores.lock() =
            copy.0.iter().map(|(name, store)| (name.clone(), Arc::new(store.crash(0)))).collect();
    }

    /// Has all batches from now on go through `tamper`.
    pub fn tamper(&self, tamper: Tamper) {
        *self.0.tamper.lock() = Some(tamper);
    }
}

impl OpenStores for SimStores {
    fn open(&self, _: &Path) -> Result<Arc<dyn PartitionStores>, Error> {
        Ok(Arc::new(self.clone()))
    }
}

impl PartitionStores for SimStores {
    fn partition(&self, name: &str) -> Result<Arc<dyn Store>, Error> {
        let store = self.0.stores.lock().entry(name.to_owned()).or_default().clone();
        Ok(Arc::new(SimStore { stores: self.clone(), partition: name.to_owned(), store }))
    }
}

/// One partition's store, as one process has it.
struct SimStore {
    stores: SimStores,
    partition: String,
    store: Arc<MemoryStore>,
}

impl Store for SimStore {
    fn snapshot(&self) -> Box<dyn Read> {
        self.store.snapshot()
    }

    fn write(&self, mut batch: Vec<Change>) -> Result<(), Error> {
        if let Some(tamper) = &*self.stores.0.tamper.lock() {
            tamper(&self.partition, &mut batch);
        }
        let applied = batch.iter().find(|(key, _)| key == APPLIED_KEY);
        let applied = applied.and_then(|(_, value)| value.clone());
        let heads = batch.iter().any(|(key, _)| key.first().is_some_and(|b| HEADS.contains(b)));
        self.store.write(batch)?;
        if let Some(applied) = applied {
            let view = self.store.snapshot();
            let Inner { node, observer, .. } = &*self.stores.0;
            observer.applied(node, &self.partition, &applied, heads, &*view);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        self.store.sync()
    }

    fn clear(&self) -> Result<(), Error> {
        self.store.clear()
    }

    fn size(&self) -> u64 {
        self.store.size()
    }
}
