//! What clients do: a mixture of everything, on few objects, so that they get in each other's way.

use crate::{
    history::{Action, Content, History, Outcome},
    machine::Site,
    network::SimConnect,
    random::Rng,
};
use bytes::Bytes;
use client::{
    AccountName, ByteRange, Client, ContainerName, Error, ErrorKind, ListedName, ObjectName,
    PolicyName, Source, Version, Versioning,
};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// How long an operation on metadata is tried.
const DEADLINE: Duration = Duration::from_secs(8);

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

/// The container that keeps every version.
pub const KEPT: &str = "kept";

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
    /// A client of a cluster.
    ///
    /// # Errors
    /// A defect: its configuration is not valid.
    pub fn new(
        name: &str,
        site: &Site,
        history: History,
        rng: Rng,
        mischief: Mischief,
    ) -> Result<Self, Error> {
        let random = Mutex::new(rng.fork("client"));
        let client = Client::builder()
            .seeds(site.metas.iter().cloned())
            .access_key(Site::key())
            .connector(Arc::new(SimConnect::flaky(site.flakiness.clone(), rng.fork("breaks"))))
            .random(Arc::new(move |buffer| random.lock().fill(buffer)))
            .deadline(DEADLINE)
            .upload_memory_bytes(64 << 20)
            .build()?;
        site.clients.lock().push(client.clone());
        let account = "account".parse()?;
        let (name, rng) = (name.to_owned(), Arc::new(Mutex::new(rng)));
        Ok(Self { name, client, history, rng, account, mischief })
    }

    fn below(&self, bound: u64) -> u64 {
        self.rng.lock().below(bound)
    }

    /// Waits until so many volumes are up, then creates the containers.
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
            let object = &objects[self.below(objects.len() as u64) as usize];
            match self.below(100) {
                0..40 => self.put(object).await,
                40..60 => self.get(object).await,
                60..67 => self.get_range(object).await,
                67..80 => self.delete(object).await,
                80..90 => self.show(object).await,
                _ => {
                    let (container, ..) = CONTAINERS[self.below(CONTAINERS.len() as u64) as usize];
                    self.list(container, 1 + self.below(2 * OBJECTS)).await;
                }
            }
        }
    }

    /// Looks at everything.
    pub async fn look_at_all(&self) {
        for object in objects() {
            self.get(&object).await;
        }
        for (object, version, content) in self.history.versions(KEPT) {
            self.get_version(&object, version, content).await;
        }
        for (container, ..) in CONTAINERS {
            self.list(container, 1000).await;
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

    async fn put(&self, object: &str) {
        let bytes = self.content();
        let content = self.history.know(bytes.clone());
        let ticket = self.history.invoke(&self.name, object, Action::Put(content));
        let (container, name) = parse(object);
        let source = match self.below(3) {
            0 => in_pieces(bytes, Duration::from_millis(self.below(40))),
            _ => Source::from(bytes),
        };
        let put = self.client.put_object(&self.account, &container, &name, source);
        match within(put.autocreate(false).into_future()).await {
            Ok(stored) => {
                let why = format!("version {} tolerates {}", stored.version, stored.tolerance);
                self.history.stored(object, stored.version, content);
                self.history.complete(ticket, Outcome::Done, &why);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.history.complete(ticket, Outcome::Exists, &error);
            }
            Err(error) => self.history.complete(ticket, unsuccessful(&error), &error),
        }
    }

    async fn delete(&self, object: &str) {
        let ticket = self.history.invoke(&self.name, object, Action::Delete);
        let (container, name) = parse(object);
        let delete = self.client.delete_object(&self.account, &container, &name);
        match within(delete.into_future()).await {
            Ok(_) => self.history.complete(ticket, Outcome::Done, &""),
            Err(error) => self.history.complete(ticket, missing_or(&error), &error),
        }
    }

    async fn show(&self, object: &str) {
        let ticket = self.history.invoke(&self.name, object, Action::Look);
        let (container, name) = parse(object);
        let show = self.client.show_object(&self.account, &container, &name);
        match within(show.into_future()).await {
            Ok(shown) => {
                let found = found(shown.entry.hash.map(|hash| hash.0));
                self.history.complete(ticket, found, &"shown");
            }
            Err(error) => self.history.complete(ticket, missing_or(&error), &error),
        }
    }

    async fn get(&self, object: &str) {
        self.read(object, None).await;
    }

    /// Reads a version that must be there.
    async fn get_version(&self, object: &str, version: Version, content: Content) {
        let (container, name) = parse(object);
        let reading = async {
            let get = self.client.get_object(&self.account, &container, &name);
            let download = get.version(version).await?;
            let range = download.ranges().first().cloned().unwrap_or(0..0);
            Ok((range, self.collect(download).await?))
        };
        match within(reading).await {
            Ok((range, bytes)) => self.history.given(object, content, range, &bytes),
            Err(error) => self.history.lost(object, version, &error),
        }
    }

    async fn get_range(&self, object: &str) {
        let first = self.below(1000);
        let range = (first, first + self.below(200_000));
        self.read(object, Some(range.into())).await;
    }

    async fn read(&self, object: &str, range: Option<ByteRange>) {
        let ticket = self.history.invoke(&self.name, object, Action::Look);
        let (container, name) = parse(object);
        let reading = async {
            let get = self.client.get_object(&self.account, &container, &name);
            let get = if let Some(range) = range { get.range(range) } else { get };
            let download = get.await?;
            let hash = download.object().entry.hash.map(|hash| hash.0);
            let range = download.ranges().first().cloned().unwrap_or(0..0);
            Ok((hash, range, self.collect(download).await))
        };
        let (outcome, why) = match within(reading).await {
            Ok((hash, range, Ok(bytes))) => {
                let outcome = found(hash);
                if let Outcome::Found(content) = outcome {
                    self.history.given(object, content, range, &bytes);
                }
                (outcome, format!("{} bytes", bytes.len()))
            }
            // It was found, and its bytes were not to be had.
            Ok((_, _, Err(error))) => (Outcome::Unknown, format!("cannot be read: {error}")),
            Err(error @ Error::RangeNotSatisfiable { .. }) => (Outcome::Unknown, error.to_string()),
            Err(error) => (missing_or(&error), error.to_string()),
        };
        self.history.complete(ticket, outcome, &why);
    }

    async fn collect(&self, download: client::Download) -> Result<Vec<u8>, Error> {
        use futures::StreamExt;
        let (mut download, mut all) = (download, Vec::new());
        while let Some(piece) = download.next().await {
            match piece {
                Ok(piece) => all.extend_from_slice(&piece),
                Err(_) if self.mischief.swallows_errors => break,
                Err(error) => return Err(error),
            }
        }
        if let (true, Some(last)) = (self.mischief.garbles, all.last_mut()) {
            *last ^= 1;
        }
        Ok(all)
    }

    /// Lists a container, page by page: a look at each of its objects, if all pages came.
    async fn list(&self, container: &str, limit: u64) {
        let all = objects();
        let here = all.iter().filter(|o| o.starts_with(&format!("{container}/")));
        let looks: Vec<_> =
            here.map(|o| (o, self.history.invoke(&self.name, o, Action::Look))).collect();
        let Ok(place) = container.parse() else { return };
        let listing = within(async {
            let mut listed = Vec::new();
            let mut marker = String::new();
            loop {
                let query = self.client.list_objects(&self.account, &place);
                let page = query.limit(limit as u32).marker(marker.as_str()).await?;
                listed.extend(page.items.into_iter().filter_map(|item| match item {
                    ListedName::Entry(entry) => Some(entry),
                    ListedName::Prefix(_) => None,
                }));
                match page.next {
                    Some(next) => marker = next.0,
                    None => return Ok(listed),
                }
            }
        });
        let listed = listing.await;
        for (object, ticket) in looks {
            let Ok(listed) = &listed else {
                self.history.complete(ticket, Outcome::Unknown, &"not listed");
                continue;
            };
            let entry = listed.iter().find(|e| object.ends_with(&format!("/{}", e.name)));
            let outcome =
                entry.map_or(Outcome::Missing, |entry| found(entry.hash.map(|hash| hash.0)));
            self.history.complete(ticket, outcome, &"listed");
        }
    }
}

/// Bounds a wait: what is later than that is not known.
async fn within<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::Indeterminate(model::Error::indeterminate("no answer in time"));
    timeout(PATIENCE, call).await.map_err(late)?
}

fn found(hash: Option<[u8; 32]>) -> Outcome {
    hash.map_or(Outcome::Unknown, |hash| Outcome::Found(Content::of_hash(&hash)))
}

fn unsuccessful(error: &Error) -> Outcome {
    match error.kind() {
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
