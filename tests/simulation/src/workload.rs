//! What clients do: a mixture of everything, on few objects, so that they get in each other's way.

mod changes;
mod looks;

use crate::{
    contents::Content,
    history::{History, Outcome},
    machine::Site,
    network::SimConnect,
    random::Rng,
};
use bytes::Bytes;
use client::{
    AccountName, Client, ContainerName, Error, ErrorKind, Hashers, ListedName, ObjectName,
    PolicyName, Repaired, Role, Source, UserKey, UserName, Version, Versioning, VolumeId,
};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// How long an operation on metadata is tried.
const DEADLINE: Duration = Duration::from_secs(8);

/// The same when all is to be well: connections that broke in silence have been found out by then.
const LAST_DEADLINE: Duration = Duration::from_secs(24);

/// Whose part a worker plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Those of daemons: it founds, and repairs.
    Operator,
    /// A user's.
    User,
    /// A user's, when all is well again.
    LastLook,
}

/// How long anything may take: an answer that is later is none.
const PATIENCE: Duration = Duration::from_secs(40);

/// Objects in each container.
const OBJECTS: u64 = 4;

/// The containers: name, policy, versioning.
const CONTAINERS: [(&str, &str, Versioning); 4] = [
    ("coded", "EC22", Versioning::Suspended),
    ("copied", "COPIES3", Versioning::Suspended),
    ("once", "EC22", Versioning::Disabled),
    (KEPT, "EC22", Versioning::Unlimited),
];

/// The container that keeps every version. Its contents are never changed, only removed.
pub const KEPT: &str = "kept";

/// The account.
pub const ACCOUNT: &str = "account";

/// The user as whom clients work, one of the account.
const USER: &str = "account:worker";

/// Whether an object's container keeps versions.
pub fn keeps_versions(object: &str) -> bool {
    object.split('/').next() == Some(KEPT)
}

/// The names of all containers.
pub fn containers() -> impl Iterator<Item = &'static str> {
    CONTAINERS.into_iter().map(|(name, ..)| name)
}

/// Every object that clients touch.
pub fn objects() -> Vec<String> {
    let names = |(container, _, _)| (0..OBJECTS).map(move |n| format!("{container}/object-{n}"));
    CONTAINERS.into_iter().flat_map(names).collect()
}

/// What a client of the simulation does wrong on purpose, so that a checker is seen to fire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mischief {
    /// It takes an error in the middle of a body for its end.
    pub swallows_errors: bool,
    /// It gives the last byte of what it reads as another.
    pub garbles: bool,
    /// It lets objects go before it says so.
    pub hurries: bool,
}

/// A client at work.
#[derive(Clone)]
pub struct Worker {
    name: String,
    client: Client,
    history: History,
    rng: Arc<Mutex<Rng>>,
    account: AccountName,
    mischief: Mischief,
}

impl Worker {
    /// A client of a cluster: as the user whom the founder makes, or as the founder, who shows
    /// the key of the daemons.
    ///
    /// # Errors
    /// A defect: its configuration is not valid.
    pub fn new(
        name: &str,
        site: &Site,
        history: History,
        rng: Rng,
        mischief: Mischief,
        part: Part,
    ) -> Result<Self, Error> {
        let random = Mutex::new(rng.fork("client"));
        let client = Client::builder()
            .seeds(site.metas.iter().cloned())
            .connector(Arc::new(SimConnect::flaky(site.flakiness.clone(), rng.fork("breaks"))))
            .random(Arc::new(move |buffer| random.lock().fill(buffer)))
            .deadline(if part == Part::LastLook { LAST_DEADLINE } else { DEADLINE })
            .hashers(Hashers::inline())
            .memory_bytes(64 << 20);
        let client = match part {
            Part::Operator => client.access_key(Site::key()),
            Part::User | Part::LastLook => client.user(USER.parse()?, user_key()),
        };
        let client = client.build()?;
        site.clients.lock().push(client.clone());
        let account = ACCOUNT.parse()?;
        let (name, rng) = (name.to_owned(), Arc::new(Mutex::new(rng)));
        Ok(Self { name, client, history, rng, account, mischief })
    }

    fn below(&self, bound: u64) -> u64 {
        self.rng.lock().below(bound)
    }

    /// Waits until so many volumes are up, then creates the user and the containers.
    pub async fn prepare(&self, volumes: usize) -> Result<(), Error> {
        loop {
            let up = match self.client.cluster().map().await {
                Ok(map) => map.volumes.iter().filter(|v| v.takes_chunks()).count(),
                Err(_) => 0,
            };
            if up == volumes {
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
        let user: UserName = USER.parse()?;
        let users = self.client.users();
        loop {
            match users.create(&user, Role::Writer, &user_key()).await {
                Ok(()) | Err(Error::AlreadyExists(_)) => break,
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
        for (name, policy, versioning) in CONTAINERS {
            let (name, policy): (ContainerName, PolicyName) = (name.parse()?, policy.parse()?);
            let creating = || {
                let create = self.client.create_container(&self.account, &name);
                create.policy(policy.clone()).versioning(versioning)
            };
            while creating().await.is_err() {
                sleep(Duration::from_millis(200)).await;
            }
        }
        Ok(())
    }

    /// Does so many things.
    pub async fn work(&self, operations: u32) {
        for _ in 0..operations {
            sleep(Duration::from_millis(self.below(300))).await;
            let objects = objects();
            let object = self.pick(&objects);
            match self.below(100) {
                0..26 => self.put(object).await,
                26..36 => self.append(self.pick_changing(&objects)).await,
                36..43 => self.truncate(self.pick_changing(&objects)).await,
                43..46 => self.drain(self.pick_changing(&objects)).await,
                46..56 => self.read(object, None).await,
                56..62 => self.read_range(object).await,
                62..65 => self.read_version().await,
                65..73 => self.delete(object).await,
                73..76 => self.remove_version().await,
                76..78 => self.purge().await,
                78..82 => self.link(object).await,
                82..85 => self.link_latest(object).await,
                85..91 => self.show(object).await,
                _ => {
                    let (container, ..) = CONTAINERS[self.below(CONTAINERS.len() as u64) as usize];
                    self.list(container, 1 + self.below(2 * OBJECTS)).await;
                }
            }
        }
    }

    fn pick<'a>(&self, objects: &'a [String]) -> &'a str {
        &objects[self.below(objects.len() as u64) as usize]
    }

    /// An object whose content may change.
    fn pick_changing<'a>(&self, objects: &'a [String]) -> &'a str {
        loop {
            let object = self.pick(objects);
            if !keeps_versions(object) {
                return object;
            }
        }
    }

    /// A version that was acknowledged.
    fn pick_version(&self) -> Option<(String, Version, Content)> {
        let versions = self.history.versions(KEPT);
        self.rng.lock().pick(&versions).cloned()
    }

    /// Looks at everything.
    pub async fn look_at_all(&self) {
        for object in objects() {
            self.read(&object, None).await;
        }
        for (object, version, _) in self.history.versions(KEPT) {
            self.look_at(&object, version).await;
        }
        for container in containers() {
            self.list(container, 1000).await;
        }
    }

    /// What an operator does in the end: gives up lost volumes, and has every chunk of every
    /// version looked at by its server.
    pub async fn repair_all(&self, lost: &[VolumeId]) {
        for volume in lost {
            while self.client.cluster().rebuild_volume(*volume, false).await.is_err() {
                sleep(Duration::from_millis(500)).await;
            }
        }
        for container in containers() {
            let Ok(container) = container.parse() else { return };
            let versions = loop {
                let query = self.client.list_objects(&self.account, &container);
                match query.versions(true).limit(10_000).await {
                    Ok(listing) => break listing.items,
                    Err(_) => sleep(Duration::from_millis(500)).await,
                }
            };
            let entries = versions.into_iter().filter_map(|item| match item {
                ListedName::Entry(entry) => Some(entry),
                ListedName::Prefix(_) => None,
            });
            for entry in entries.filter(|entry| !entry.marker && !entry.drained) {
                let repair = || {
                    let repair = self.client.repair_object(&self.account, &container, &entry.name);
                    repair.version(entry.version)
                };
                // Servers of volumes that were given up do not answer: their chunks are searched.
                // All others must.
                let looked_at = |r: &Repaired| r.before.unknown == 0 || !lost.is_empty();
                loop {
                    match repair().await {
                        Ok(repaired) if looked_at(&repaired) => break,
                        // It has gone by itself.
                        Err(Error::NoSuchObject(_)) if entry.delete_at.is_some() => break,
                        _ => sleep(Duration::from_millis(500)).await,
                    }
                }
            }
        }
    }

    /// A source of a content, in one piece or in several.
    fn source(&self, bytes: Bytes) -> Source {
        match self.below(3) {
            0 => in_pieces(bytes, Duration::from_millis(self.below(40))),
            _ => Source::from(bytes),
        }
    }

    /// A content that no other is like, but for the empty one.
    fn content(&self) -> Bytes {
        let mut rng = self.rng.lock();
        let bytes = match rng.below(20) {
            0 => 0,
            1..12 => rng.within(8..400),
            12..17 => rng.within(400..20_000),
            17..19 => rng.within(20_000..150_000),
            _ => rng.within(150_000..400_000),
        };
        // Random at both ends: filling all of it would cost more than storing it.
        let mut content = vec![rng.next() as u8; bytes as usize];
        let ends = content.len().min(24);
        rng.fill(&mut content[..ends]);
        let end = content.len() - ends;
        rng.fill(&mut content[end..]);
        content.into()
    }
}

/// Bounds a wait: what is later than that is not known.
async fn within<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::Indeterminate(model::Error::indeterminate("no answer in time"));
    timeout(PATIENCE, call).await.map_err(late)?
}

fn unsuccessful(error: &Error) -> Outcome {
    match error.kind() {
        ErrorKind::Drained => Outcome::Drained,
        ErrorKind::Indeterminate => Outcome::Unknown,
        _ => Outcome::Refused,
    }
}

fn missing_or(error: &Error) -> Outcome {
    match error {
        Error::NoSuchObject(_) => Outcome::Missing,
        error => unsuccessful(error),
    }
}

fn user_key() -> UserKey {
    UserKey::generate([7; 32])
}

/// A source that gives its bytes in pieces, with pauses.
fn in_pieces(bytes: Bytes, pause: Duration) -> Source {
    let pieces: Vec<Bytes> = bytes.chunks(40_000).map(|p| bytes.slice_ref(p)).collect();
    Source::stream(futures::stream::unfold(pieces.into_iter(), move |mut pieces| async move {
        let piece = pieces.next()?;
        sleep(pause).await;
        Some((Ok::<_, std::io::Error>(piece), pieces))
    }))
}

/// The container and the object of `container/object`.
fn parse(object: &str) -> (ContainerName, ObjectName) {
    let parsed = object
        .split_once('/')
        .and_then(|(container, name)| Some((container.parse().ok()?, name.parse().ok()?)));
    parsed.unwrap_or_else(|| unreachable!("the names are ours: {object}"))
}
