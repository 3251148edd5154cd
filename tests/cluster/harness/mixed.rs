//! Clients that do all kinds of things at once, and the record that says what must be there.
//!
//! Each client has names of its own and does one thing at a time, so what an object must be is
//! known: what the last acknowledged change made it, or one of those tried since whose outcome
//! is not known. A change that was refused for certain must not have happened.

use super::{Scene, content::content, names};
use client::{Client, Error, Source};
use parking_lot::Mutex;
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

/// Names of objects in a client's container.
const NAMES: usize = 20;

/// Policies, and sizes of contents: nothing, in one block, in one stripe, in several.
const POLICIES: [&str; 3] = ["EC42", "THREECOPIES", "SINGLE"];
const SIZES: [usize; 7] = [0, 1, 4_000, 60_000, 70_000, 400_000, 1_500_000];

/// How long a client rests after a failure.
const REST: Duration = Duration::from_millis(20);

/// Objects checked at the same time.
const CHECKS_AT_ONCE: usize = 16;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// It does not exist.
    Absent,
    /// It was made of this seed and size.
    Bytes { seed: u64, size: usize },
}

/// What is known of a thing that changes.
#[derive(Debug, Clone)]
struct Known<T> {
    /// What the last acknowledged change made it.
    acknowledged: T,
    /// What changes tried since may have made it.
    maybe: Vec<T>,
}

impl<T: Copy + PartialEq> Known<T> {
    fn new(is: T) -> Self {
        Self { acknowledged: is, maybe: Vec::new() }
    }

    /// What it can be.
    fn possible(&self) -> impl Iterator<Item = T> + '_ {
        std::iter::once(self.acknowledged).chain(self.maybe.iter().copied())
    }

    /// What it is, if that is known.
    fn certain(&self) -> Option<T> {
        self.maybe.is_empty().then_some(self.acknowledged)
    }
}

/// A container's and an object's name.
pub type Place = (String, String);

/// All that was done.
#[derive(Debug, Clone, Default)]
struct Record {
    objects: BTreeMap<Place, Known<Content>>,
    /// Containers that come and go, and whether they exist.
    containers: BTreeMap<String, Known<bool>>,
}

/// How many things were done, by what they were.
#[derive(Debug, Default)]
pub struct Counts {
    puts: AtomicUsize,
    deletes: AtomicUsize,
    listings: AtomicUsize,
    containers: AtomicUsize,
    reads: AtomicUsize,
    /// Things of which it was not known what they were when they were checked.
    open: AtomicUsize,
}

impl Counts {
    /// The fewest of any kind.
    pub fn fewest(&self) -> usize {
        let all = [&self.puts, &self.deletes, &self.listings, &self.containers, &self.reads];
        all.iter().map(|n| n.load(Ordering::Relaxed)).min().unwrap_or(0)
    }

    /// Things of which it was not known what they were when they were checked.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Objects stored.
    pub fn puts(&self) -> usize {
        self.puts.load(Ordering::Relaxed)
    }
}

/// What was done so far, over any number of rounds.
#[derive(Clone, Default)]
pub struct Mixed {
    record: Arc<Mutex<Record>>,
    /// What was done.
    pub counts: Arc<Counts>,
}

/// Clients at work.
pub struct Clients {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Ends them after a while: what they are at then has no known outcome.
    pub fn end(self, scene: &Scene, after: Duration) {
        self.stop.store(true, Ordering::Relaxed);
        scene.run(async {
            let end = tokio::time::Instant::now() + after;
            for mut task in self.tasks {
                let ended = match tokio::time::timeout_at(end, &mut task).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        task.abort();
                        task.await
                    }
                };
                if let Err(error) = ended {
                    assert!(error.is_cancelled(), "{error}");
                }
            }
        });
    }
}

impl Mixed {
    /// Sets `clients` to work, in containers of their own.
    pub fn start(&self, scene: &Scene, client: &Client, clients: usize, round: u64) -> Clients {
        let stop = Arc::<AtomicBool>::default();
        let tasks = (0..clients).map(|number| {
            let seed = (round << 16) | number as u64;
            let mut worker = Worker {
                mixed: self.clone(),
                client: client.clone(),
                number,
                seed: seed << 24,
                rng: rand::SeedableRng::seed_from_u64(seed),
            };
            let stop = stop.clone();
            scene.runtime().spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    worker.step().await;
                }
            })
        });
        Clients { tasks: tasks.collect(), stop }
    }

    /// Reads everything. What is not as it must be is told; what had no known outcome has one
    /// from now on.
    pub async fn check(&self, client: &Client) -> Vec<String> {
        let mut wrong = Vec::new();
        let Record { objects, containers } = self.record.lock().clone();
        let open = objects.values().filter(|known| known.certain().is_none()).count()
            + containers.values().filter(|known| known.certain().is_none()).count();
        self.counts.open.fetch_add(open, Ordering::Relaxed);
        let mut checks = tokio::task::JoinSet::new();
        let turns = Arc::new(tokio::sync::Semaphore::new(CHECKS_AT_ONCE));
        for (place, known) in objects {
            let (client, turns) = (client.clone(), turns.clone());
            checks.spawn(async move {
                let _turn = turns.acquire_owned().await;
                let found = read(&client, &place, known.possible()).await;
                (place, known, found)
            });
        }
        while let Some(check) = checks.join_next().await {
            let (place, known, found) = check.unwrap();
            match found {
                Ok(found) => {
                    self.record.lock().objects.insert(place, Known::new(found));
                }
                Err(why) => wrong.push(format!("{}/{}: {why}; {known:?}", place.0, place.1)),
            }
        }
        for (name, known) in containers {
            match exists(client, &name).await {
                Ok(found) if known.possible().any(|possible| possible == found) => {
                    self.record.lock().containers.insert(name, Known::new(found));
                }
                found => wrong.push(format!("container {name} is {found:?}; {known:?}")),
            }
        }
        if wrong.is_empty() {
            let all: BTreeSet<_> =
                self.record.lock().objects.keys().map(|(container, _)| container.clone()).collect();
            for container in all {
                wrong.extend(self.check_listing(client, &container).await.err());
            }
        }
        wrong
    }

    /// Where there are objects.
    pub fn places(&self) -> Vec<Place> {
        let record = self.record.lock();
        let there = |known: &Known<Content>| known.certain() != Some(Content::Absent);
        record.objects.iter().filter(|(_, k)| there(k)).map(|(place, _)| place.clone()).collect()
    }

    /// A listing has exactly the names that are known to exist, and of those whose existence is
    /// not known any.
    async fn check_listing(&self, client: &Client, container: &str) -> Result<(), String> {
        let (account, name, _) = names(container, "any");
        let before = self.objects_of(container);
        let mut listed = Vec::new();
        let mut next = None;
        loop {
            let mut page = client.list_objects(&account, &name).limit(7);
            if let Some(next) = next.take() {
                page = page.resume(next);
            }
            let page = match page.await {
                Ok(page) => page,
                Err(Error::NoSuchContainer(_) | Error::NoSuchAccount(_)) => break,
                // It was not listed; that is no wrong listing.
                Err(Error::Unavailable(_)) => return Ok(()),
                Err(error) => return Err(format!("{container} cannot be listed: {error}")),
            };
            listed.extend(page.items.into_iter().map(|item| match item {
                client::ListedName::Entry(entry) => entry.name.to_string(),
                client::ListedName::Prefix(prefix) => prefix,
            }));
            match page.next {
                Some(more) => next = Some(more),
                None => break,
            }
        }
        if !listed.is_sorted_by(|a, b| a < b) {
            return Err(format!("{container} is listed out of order or twice: {listed:?}"));
        }
        let listed: BTreeSet<_> = listed.into_iter().collect();
        for (object, known) in before {
            let is = listed.contains(&object);
            if !known.possible().any(|content| (content != Content::Absent) == is) {
                return Err(format!("{container}/{object}: listed: {is}, but {known:?}"));
            }
        }
        Ok(())
    }

    fn objects_of(&self, container: &str) -> BTreeMap<String, Known<Content>> {
        let record = self.record.lock();
        let own = record.objects.iter().filter(|((c, _), _)| c == container);
        own.map(|((_, object), known)| (object.clone(), known.clone())).collect()
    }
}

/// What an object is, which must be one of what is possible.
async fn read(
    client: &Client,
    place: &Place,
    possible: impl Iterator<Item = Content>,
) -> Result<Content, String> {
    let (account, container, object) = names(&place.0, &place.1);
    let read = async { client.get_object(&account, &container, &object).await?.bytes().await };
    let possible: Vec<_> = possible.collect();
    match read.await {
        Ok(bytes) => {
            let is = |possible: &Content| match *possible {
                Content::Absent => false,
                Content::Bytes { seed, size } => bytes[..] == content(seed, size)[..],
            };
            let found = possible.into_iter().find(is);
            found.ok_or_else(|| format!("has {} bytes that it should not have", bytes.len()))
        }
        Err(Error::NoSuchObject(_) | Error::NoSuchContainer(_) | Error::NoSuchAccount(_)) => {
            let absent = possible.contains(&Content::Absent);
            absent.then_some(Content::Absent).ok_or_else(|| "is lost".to_owned())
        }
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

async fn exists(client: &Client, container: &str) -> Result<bool, Error> {
    let (account, container, _) = names(container, "any");
    match client.show_container(&account, &container).await {
        Ok(_) => Ok(true),
        Err(Error::NoSuchContainer(_) | Error::NoSuchAccount(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// How a change ended.
enum Outcome {
    Done,
    /// For certain it did not happen.
    Refused,
    Unknown,
}

fn outcome<T>(result: Result<T, Error>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(Error::Indeterminate(_)) => Outcome::Unknown,
        Err(_) => Outcome::Refused,
    }
}

struct Worker {
    mixed: Mixed,
    client: Client,
    number: usize,
    /// The seed of the last content.
    seed: u64,
    rng: StdRng,
}

impl Worker {
    async fn step(&mut self) {
        let outcome = match self.rng.random_range(0..100) {
            0..50 => self.put().await,
            50..70 => self.delete().await,
            70..80 => self.container().await,
            80..90 => self.list().await,
            _ => self.get().await,
        };
        if !matches!(outcome, Outcome::Done) {
            tokio::time::sleep(REST).await;
        }
    }

    fn name(&mut self) -> Place {
        let name = format!("k{:02}", self.rng.random_range(0..NAMES));
        (format!("mixed{}", self.number), name)
    }

    /// Carries out a change of an object, with what comes of it written down.
    async fn change(
        &self,
        place: Place,
        to: Content,
        change: impl IntoFuture<Output = Result<(), Error>>,
    ) -> Outcome {
        // Before it is begun: whoever dies in the middle has said what it was at.
        self.note(&place, |known| known.maybe.push(to));
        let outcome = outcome(change.await);
        self.note(&place, |known| match outcome {
            Outcome::Done => *known = Known::new(to),
            Outcome::Refused => drop(known.maybe.pop()),
            Outcome::Unknown => {}
        });
        outcome
    }

    fn note(&self, place: &Place, note: impl FnOnce(&mut Known<Content>)) {
        let mut record = self.mixed.record.lock();
        let new = || Known::new(Content::Absent);
        note(record.objects.entry(place.clone()).or_insert_with(new));
    }

    async fn put(&mut self) -> Outcome {
        self.seed += 1;
        let place = self.name();
        let size = *SIZES.choose(&mut self.rng).unwrap();
        let policy = *POLICIES.choose(&mut self.rng).unwrap();
        let (account, container, object) = names(&place.0, &place.1);
        let source = Source::from(content(self.seed, size));
        let put = self.client.put_object(&account, &container, &object, source);
        let put = put.policy(policy.parse().unwrap());
        let to = Content::Bytes { seed: self.seed, size };
        let outcome = self.change(place, to, async { put.await.map(drop) }).await;
        self.counted(outcome, |counts| &counts.puts)
    }

    async fn delete(&mut self) -> Outcome {
        let place = self.name();
        let (account, container, object) = names(&place.0, &place.1);
        let delete = self.client.delete_object(&account, &container, &object);
        let delete = async {
            match delete.await {
                // It is as gone as it can be.
                Ok(_) | Err(Error::NoSuchObject(_)) => Ok(()),
                Err(error) => Err(error),
            }
        };
        let outcome = self.change(place, Content::Absent, delete).await;
        self.counted(outcome, |counts| &counts.deletes)
    }

    /// Creates a container, or deletes one.
    async fn container(&mut self) -> Outcome {
        let name = format!("own{}-{}", self.number, self.rng.random_range(0..6));
        let known = self.mixed.record.lock().containers.get(&name).cloned();
        let create = known.and_then(|known| known.certain()) != Some(true);
        let note = |note: &dyn Fn(&mut Known<bool>)| {
            let mut record = self.mixed.record.lock();
            note(record.containers.entry(name.clone()).or_insert(Known::new(false)));
        };
        note(&|known| known.maybe.push(create));
        let (account, container, _) = names(&name, "any");
        let result = if create {
            match self.client.create_container(&account, &container).await {
                Ok(_) | Err(Error::AlreadyExists(_)) => Ok(()),
                Err(error) => Err(error),
            }
        } else {
            match self.client.delete_container(&account, &container).await {
                Ok(_) | Err(Error::NoSuchContainer(_)) => Ok(()),
                Err(error) => Err(error),
            }
        };
        let outcome = outcome(result);
        note(&|known| match outcome {
            Outcome::Done => *known = Known::new(create),
            Outcome::Refused => drop(known.maybe.pop()),
            Outcome::Unknown => {}
        });
        self.counted(outcome, |counts| &counts.containers)
    }

    async fn list(&mut self) -> Outcome {
        let container = format!("mixed{}", self.number);
        self.mixed.check_listing(&self.client, &container).await.unwrap();
        self.counted(Outcome::Done, |counts| &counts.listings)
    }

    async fn get(&mut self) -> Outcome {
        let place = self.name();
        let Some(known) = self.mixed.record.lock().objects.get(&place).cloned() else {
            return Outcome::Done;
        };
        let read = read(&self.client, &place, known.possible()).await;
        match read {
            Ok(_) => self.counted(Outcome::Done, |counts| &counts.reads),
            // The power may be gone by now; what the store says then is checked afterwards.
            Err(why) if why.starts_with("cannot be read") => Outcome::Unknown,
            Err(why) => panic!("{place:?} {why}; {known:?}"),
        }
    }

    fn counted(&self, outcome: Outcome, of: impl FnOnce(&Counts) -> &AtomicUsize) -> Outcome {
        if matches!(outcome, Outcome::Done) {
            of(&self.mixed.counts).fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }
}
