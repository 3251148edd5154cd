//! Telling the directory which volumes there are and how they are.

mod grpc;

pub use grpc::Directory;

use crate::{
    VolumeError,
    health::{Measures, Pulse},
    identity::Identity,
    server::Volumes,
    volume::Volume,
};
use async_trait::async_trait;
use disk::Space;
use futures::future::join_all;
use model::{ClusterId, Error, ErrorKind, Location, RequestId, Subject, VolumeId, VolumeReport};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// The directory as a chunk server needs it: over gRPC, or in the same process.
#[async_trait]
pub trait DirectoryApi: Send + Sync + 'static {
    /// Makes a volume known, or tells that it moved.
    ///
    /// # Errors
    /// `Unavailable` and `Indeterminate`: ask again, with the same request. Others: the volume
    /// is refused (another cluster; the same identity lives elsewhere), and the message says
    /// why.
    async fn register(&self, registration: Registration) -> Result<Registered, Error>;

    /// Tells how volumes are. Answers the numbers that the directory does not know under
    /// their identity.
    async fn heartbeat(&self, address: &str, beats: Vec<Beat>) -> Result<Vec<VolumeId>, Error>;
}

/// What a volume says to be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The same for every repetition of one registration.
    pub request: RequestId,
    /// The cluster it belongs to, if it knows.
    pub cluster: Option<ClusterId>,
    /// Its identity.
    pub identity: String,
    /// Its server, `host:port`.
    pub address: String,
    /// Where it is.
    pub location: Location,
    /// Bytes it can hold.
    pub capacity: u64,
    /// Bytes free.
    pub free: u64,
}

/// What the directory makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// Its number.
    pub id: VolumeId,
    /// The cluster.
    pub cluster: ClusterId,
}

/// How a volume is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Its identity.
    pub identity: String,
    /// The rest.
    pub report: VolumeReport,
}

/// Between heartbeats.
const PERIOD: Duration = Duration::from_secs(1);

/// How long the directory may take for an answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Longest pause after answers that did not come.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// How long a volume that was refused waits before it asks again: whoever has its identity
/// may go away.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// What keeps the volumes known.
pub(crate) struct Heart {
    volumes: Arc<Volumes>,
    caller: Caller,
    states: Vec<State>,
    /// For each volume, how many of this server are on its file system.
    sharers: Vec<u64>,
}

/// Who talks to whom.
struct Caller {
    address: String,
    cluster: Option<ClusterId>,
    directory: Arc<dyn DirectoryApi>,
    random: Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
}

/// Where a volume stands with the directory.
#[derive(Default)]
struct State {
    pulse: Pulse,
    /// Space of its file system, when it was last known.
    measured: Option<Space>,
    /// Its share of that.
    space: Option<Space>,
    registered: bool,
    /// Whether it ever was registered since the start.
    let_in: bool,
    /// The request under way, until it is answered.
    request: Option<RequestId>,
    /// Why the directory refused it.
    refused: Option<Error>,
    /// Not before this it asks again, and then it waits twice as long.
    again: Option<Instant>,
    pause: Duration,
}

impl Heart {
    pub(crate) fn new(
        volumes: Arc<Volumes>,
        address: String,
        cluster: Option<ClusterId>,
        directory: Arc<dyn DirectoryApi>,
        random: Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
    ) -> Self {
        let states = volumes.all().iter().map(|_| State::default()).collect();
        let sharers = Vec::new();
        Self { volumes, caller: Caller { address, cluster, directory, random }, states, sharers }
    }

    /// Beats until the directory refuses every volume.
    pub(crate) async fn run(mut self) -> Error {
        self.sharers = sharers(&self.volumes).await;
        let mut pause = PERIOD;
        loop {
            let scores = self.measure().await;
            let (volumes, caller) = (self.volumes.clone(), &self.caller);
            // Each for itself: one that gets no answer does not hold up the others.
            let states = self.states.iter_mut().zip(volumes.all());
            let (known, new): (Vec<_>, Vec<_>) = states.partition(|(_, v)| v.id().is_some());
            join_all(known.into_iter().map(|(state, volume)| state.register(volume, caller))).await;
            // New ones in order, so that their numbers are in the order they were given in.
            for (state, volume) in new {
                state.register(volume, caller).await;
            }
            volumes.number();
            if let Some(error) = self.all_refused() {
                return error;
            }
            match self.tell(scores).await {
                Ok(()) => pause = PERIOD,
                Err(error) => {
                    tracing::warn!(%error, ?pause, "the directory does not answer");
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn all_refused(&self) -> Option<Error> {
        let mut refusals = self.states.iter().map(|s| s.refused.as_ref());
        let first = refusals.next()??.clone();
        refusals.all(|r| r.is_some()).then_some(first)
    }

    /// Measures every volume; their scores, in their order.
    async fn measure(&mut self) -> Vec<u8> {
        let volumes = self.volumes.clone();
        let spaces = join_all(volumes.all().iter().map(|v| space_of(v))).await;
        let states = self.states.iter_mut().zip(volumes.all()).zip(spaces).zip(&self.sharers);
        states
            .map(|(((state, volume), space), sharers)| {
                state.measured = space.or(state.measured);
                let measured = state.measured.unwrap_or(Space { total: 0, free: 0 });
                // Space that several could fill is counted once.
                let Space { total, free } = measured;
                state.space = Some(Space { total: total / sharers, free: free / sharers });
                let space = state.space();
                let health = volume.health();
                let score = state.pulse.beat(&Measures {
                    space: measured,
                    reserve: health.reserve(total),
                    under_way: health.under_way(),
                    read_errors: health.take_read_errors(),
                    failed: health.failed().is_some(),
                });
                let path = volume.path().display().to_string();
                let gauge = |name: &'static str| metrics::gauge!(name, "volume" => path.clone());
                gauge("cairn_volume_free_bytes").set(space.free as f64);
                gauge("cairn_volume_capacity_bytes").set(space.total as f64);
                gauge("cairn_volume_score").set(f64::from(score));
                gauge("cairn_volume_chunks").set(volume.chunks() as f64);
                score
            })
            .collect()
    }

    /// Tells how those are that have a number. An error means that no answer came.
    async fn tell(&mut self, scores: Vec<u8>) -> Result<(), Error> {
        let volumes = self.volumes.clone();
        let mut beats = Vec::new();
        for ((state, volume), score) in self.states.iter().zip(volumes.all()).zip(scores) {
            let (true, Some(id)) = (state.registered, volume.id()) else { continue };
            let failed = volume.health().failed().map(str::to_owned);
            let Space { total, free } = state.space();
            let report = VolumeReport { id, capacity: total, free, score, failed };
            beats.push(Beat { identity: volume.identity().identity, report });
        }
        if beats.is_empty() {
            return Ok(());
        }
        let Caller { directory, address, .. } = &self.caller;
        let unknown = within(directory.heartbeat(address, beats)).await?;
        for (state, volume) in self.states.iter_mut().zip(volumes.all()) {
            if volume.id().is_some_and(|id| unknown.contains(&id)) {
                tracing::info!(path = %volume.path().display(), "the directory asks who it is");
                state.registered = false;
            }
        }
        Ok(())
    }
}

impl State {
    fn space(&self) -> Space {
        self.space.unwrap_or(Space { total: 0, free: 0 })
    }

    /// Registers a volume that is not registered, unless it is too early to ask again.
    async fn register(&mut self, volume: &Volume, caller: &Caller) {
        // A failed volume that has no number cannot keep one either.
        let hopeless = volume.health().failed().is_some() && volume.id().is_none();
        let early = self.again.is_some_and(|again| Instant::now() < again);
        if self.registered || hopeless || early {
            return;
        }
        let Identity { identity, cluster, .. } = volume.identity();
        let cluster = cluster.or(caller.cluster);
        let registration = Registration {
            request: *self.request.get_or_insert_with(|| RequestId((caller.random)())),
            cluster,
            identity,
            address: caller.address.clone(),
            location: volume.location().clone(),
            capacity: self.space().total,
            free: self.space().free,
        };
        let path = volume.path().display();
        let answer = within(caller.directory.register(registration)).await;
        let answer = answer.and_then(|registered| match cluster {
            Some(ours) if ours != registered.cluster => Err(Error::new(
                ErrorKind::Conflict,
                Subject::Volume,
                format!(
                    "volume {path} belongs to cluster {ours}, the directory to {}",
                    registered.cluster
                ),
            )),
            _ => Ok(registered),
        });
        match answer {
            Ok(Registered { id, cluster }) => {
                let before = std::mem::take(self);
                self.pulse = before.pulse;
                (self.measured, self.space) = (before.measured, before.space);
                (self.registered, self.let_in) = (true, true);
                match volume.adopt(id, cluster).await {
                    Ok(()) => {
                        tracing::info!(%path, volume = %id, %cluster, "the volume is registered");
                    }
                    Err(error @ VolumeError::OutOfSpace { .. }) => {
                        self.registered = false;
                        self.pause = (before.pause * 2).clamp(PERIOD, MAX_PAUSE);
                        self.again = Some(Instant::now() + self.pause);
                        let pause = self.pause;
                        tracing::warn!(%path, %error, ?pause, "there is no room for its number");
                    }
                    // The volume's own failure, and the next heartbeat tells of it.
                    Err(_) => self.registered = volume.id().is_some(),
                }
            }
            // One that was let in before meets a node that is not as it should be; one that
            // never was has the wrong secret, and no repetition changes that.
            Err(error) if is_no_answer(&error) || (self.let_in && is_stranger(&error)) => {
                self.pause = (self.pause * 2).clamp(PERIOD, MAX_PAUSE);
                self.again = Some(Instant::now() + self.pause);
                tracing::warn!(%path, %error, pause = ?self.pause, "the volume is not registered");
            }
            Err(error) => {
                tracing::error!(%path, %error, "the directory refuses the volume");
                self.request = None;
                self.again = Some(Instant::now() + REFUSED_PAUSE);
                self.refused = Some(error);
            }
        }
    }
}

/// Whether an error says nothing of the volume.
fn is_no_answer(error: &Error) -> bool {
    use ErrorKind::{Exhausted, Indeterminate, Internal, Unavailable};
    matches!(error.kind, Exhausted | Indeterminate | Internal | Unavailable)
}

/// Whether an error says that the directory does not know who is calling.
fn is_stranger(error: &Error) -> bool {
    error.kind == ErrorKind::Unauthenticated
}

/// For each volume, how many are on its file system: their space is the same.
async fn sharers(volumes: &Volumes) -> Vec<u64> {
    let on = join_all(volumes.all().iter().map(|v| v.file_system())).await;
    let sharers = on.iter().map(|this| match this {
        Some(_) => on.iter().filter(|other| *other == this).count() as u64,
        None => 1,
    });
    let sharers: Vec<u64> = sharers.collect();
    for (volume, sharers) in volumes.all().iter().zip(&sharers).filter(|(_, n)| **n > 1) {
        let path = volume.path().display();
        tracing::info!(%path, sharers, "the volume shares its file system; each counts its part");
    }
    sharers
}

/// Space of a volume, if it works.
async fn space_of(volume: &Volume) -> Option<Space> {
    volume.engine().ok()?.space().await.ok()
}

/// Bounds the wait for the directory.
async fn within<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::indeterminate("the directory took too long");
    tokio::time::timeout(DEADLINE, call).await.map_err(late)?
}
