//! Writers at work while things break, and what must be true afterwards.

use super::{content::content, scene::Scene};
use client::{Client, Error, ObjectName, PolicyName, Source};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Sizes of the contents, in turn: without a metachunk, in one stripe, in several.
const SIZES: [usize; 5] = [1, 70_000, 0, 400_000, 5_000];

/// Every so many writes one goes to the name that the writer always overwrites.
const OVERWRITE_EVERY: u64 = 3;

/// How long a writer rests after a failure, so that it does not fill its record with them.
const REST: Duration = Duration::from_millis(50);

/// How long reading one object back may take.
const READ: Duration = Duration::from_secs(60);

/// One write that was tried.
#[derive(Debug, Clone)]
struct Write {
    seed: u64,
    size: usize,
    begun: Instant,
    acknowledged: bool,
}

/// The writes of every object, in the order they were tried; never two at a time.
type Record = BTreeMap<(usize, String), Vec<Write>>;

/// Writers at work.
pub struct Load {
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<()>>,
    containers: usize,
}

impl Load {
    /// Sets `writers` to work in as many containers, `load0` and so on.
    pub fn start(scene: &Scene, client: &Client, writers: usize, policy: &str, round: u64) -> Self {
        let (record, stop) = (Arc::<Mutex<Record>>::default(), Arc::<AtomicBool>::default());
        let policy: PolicyName = policy.parse().unwrap();
        let tasks = (0..writers).map(|writer| {
            let writer = Writer {
                client: client.clone(),
                number: writer,
                policy: policy.clone(),
                round,
                record: record.clone(),
            };
            let stop = stop.clone();
            scene.runtime().spawn(async move {
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    writer.one(n).await;
                }
            })
        });
        let writers = tasks.collect::<Vec<_>>();
        Self { record, stop, containers: writers.len(), writers }
    }

    /// The fewest writes begun after `since` that any container has acknowledged.
    pub fn fewest_acknowledged(&self, since: Instant) -> usize {
        let record = self.record.lock();
        let of = |container: usize| {
            let writes = record.iter().filter(|((c, _), _)| *c == container);
            let done = |w: &&Write| w.acknowledged && w.begun >= since;
            writes.flat_map(|(_, writes)| writes.iter().filter(done)).count()
        };
        (0..self.containers).map(of).min().unwrap_or(0)
    }

    /// Lets every writer finish what it is at.
    pub fn finish(self, scene: &Scene) -> Done {
        self.stop.store(true, Ordering::Relaxed);
        scene.run(async {
            for writer in self.writers {
                writer.await.unwrap();
            }
        });
        let record = std::mem::take(&mut *self.record.lock());
        Done(record)
    }
}

/// What was written.
pub struct Done(Record);

impl Done {
    /// Writes acknowledged, and writes that were not.
    pub fn counts(&self) -> (usize, usize) {
        let writes = self.0.values().flatten();
        let (yes, no): (Vec<_>, Vec<_>) = writes.partition(|w| w.acknowledged);
        (yes.len(), no.len())
    }

    /// Every object is what its last acknowledged write made it, or what one tried after that
    /// would have; it is absent only if none was acknowledged.
    pub fn check(&self, scene: &Scene, client: &Client) {
        for ((container, object), writes) in &self.0 {
            let read = scene.run(async {
                let read = async {
                    let (account, container) = place(*container);
                    let object: ObjectName = object.parse().unwrap();
                    client.get_object(&account, &container, &object).await?.bytes().await
                };
                tokio::time::timeout(READ, read).await.unwrap()
            });
            let last = writes.iter().rposition(|w| w.acknowledged);
            match read {
                Ok(bytes) => {
                    let possible = &writes[last.unwrap_or(0)..];
                    let is = |w: &Write| bytes[..] == content(w.seed, w.size)[..];
                    let size = bytes.len();
                    assert!(
                        possible.iter().any(is),
                        "load{container}/{object} has {size} bytes that nobody wrote last: {writes:?}"
                    );
                }
                Err(
                    Error::NoSuchObject(_) | Error::NoSuchContainer(_) | Error::NoSuchAccount(_),
                ) => {
                    assert_eq!(last, None, "load{container}/{object} is lost: {writes:?}");
                }
                Err(error) => panic!("load{container}/{object}: {error}; {writes:?}"),
            }
        }
    }
}

fn place(container: usize) -> (client::AccountName, client::ContainerName) {
    ("default".parse().unwrap(), format!("load{container}").parse().unwrap())
}

struct Writer {
    client: Client,
    number: usize,
    policy: PolicyName,
    round: u64,
    record: Arc<Mutex<Record>>,
}

impl Writer {
    async fn one(&self, n: u64) {
        let object = match n % OVERWRITE_EVERY {
            0 => format!("r{}-again", self.round),
            _ => format!("r{}-{n}", self.round),
        };
        let size = SIZES[n as usize % SIZES.len()];
        let seed = (self.round << 48) | ((self.number as u64) << 32) | (n + 1);
        let write = Write { seed, size, begun: Instant::now(), acknowledged: false };
        let key = (self.number, object.clone());
        self.record.lock().entry(key.clone()).or_default().push(write);
        let (account, container) = place(self.number);
        let object: ObjectName = object.parse().unwrap();
        let source = Source::from(content(seed, size));
        let put = self.client.put_object(&account, &container, &object, source);
        match put.policy(self.policy.clone()).await {
            Ok(_) => {
                if let Some(write) = self.record.lock().get_mut(&key).and_then(|w| w.last_mut()) {
                    write.acknowledged = true;
                }
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}
