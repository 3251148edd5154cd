//! Telling the directory which volumes there are and how they are.

use crate::{
    health::{Measures, Pulse},
    server::Volumes,
    volume::Volume,
};
use async_trait::async_trait;
use disk::Space;
use futures::future::join_all;
use model::{ClusterId, Error, ErrorKind, Location, RequestId, VolumeId, VolumeReport};
use std::{sync::Arc, time::Duration};

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
    address: String,
    cluster: Option<ClusterId>,
    directory: Arc<dyn DirectoryApi>,
    random: Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
    states: Vec<State>,
}

#[derive(Default)]
struct State {
    pulse: Pulse,
    space: Option<Space>,
    registered: bool,
    /// The request under way, until it is answered.
    request: Option<RequestId>,
    /// Why the directory refused it, and when to ask again.
    refused: Option<(Error, tokio::time::Instant)>,
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
        Self { volumes, address, cluster, directory, random, states }
    }

    /// Beats until the directory refuses every volume.
    pub(crate) async fn run(mut self) -> Error {
        let mut pause = PERIOD;
        loop {
            let beats = self.measure().await;
            match self.round(beats).await {
                Ok(()) => pause = PERIOD,
                Err(error) => {
                    tracing::warn!(%error, ?pause, "the directory does not answer");
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
            if self.states.iter().all(|s| s.refused.is_some())
                && let Some((error, _)) = self.states.first().and_then(|s| s.refused.clone())
            {
                return error;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// How every volume is now, in their order.
    async fn measure(&mut self) -> Vec<(u8, Space)> {
        let volumes = self.volumes.clone();
        let spaces = join_all(volumes.all().iter().map(|v| space_of(v))).await;
        let states = self.states.iter_mut().zip(volumes.all()).zip(spaces);
        states
            .map(|((state, volume), space)| {
                state.space = space.or(state.space);
                let space = state.space.unwrap_or(Space { total: 0, free: 0 });
                let health = volume.health();
                let score = state.pulse.beat(&Measures {
                    space,
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
                (score, space)
            })
            .collect()
    }

    /// Registers what is not registered, and tells how the rest is. An error means that the
    /// directory did not answer.
    async fn round(&mut self, measured: Vec<(u8, Space)>) -> Result<(), Error> {
        let volumes = self.volumes.clone();
        for (at, (volume, (_, space))) in volumes.all().iter().zip(&measured).enumerate() {
            self.register(at, volume, *space).await?;
        }
        let mut beats = Vec::new();
        for ((state, volume), (score, space)) in self.states.iter().zip(volumes.all()).zip(measured)
        {
            let (true, Some(id)) = (state.registered, volume.id()) else { continue };
            let failed = volume.health().failed().map(str::to_owned);
            let Space { total, free } = space;
            let report = VolumeReport { id, capacity: total, free, score, failed };
            beats.push(Beat { identity: volume.identity().identity, report });
        }
        if beats.is_empty() {
            return Ok(());
        }
        let unknown = within(self.directory.heartbeat(&self.address, beats)).await?;
        for (state, volume) in self.states.iter_mut().zip(volumes.all()) {
            if volume.id().is_some_and(|id| unknown.contains(&id)) {
                tracing::info!(path = %volume.path().display(), "the directory asks who it is");
                state.registered = false;
            }
        }
        Ok(())
    }

    async fn register(&mut self, at: usize, volume: &Volume, space: Space) -> Result<(), Error> {
        let Some(state) = self.states.get_mut(at) else { return Ok(()) };
        let waits = |(_, until): &(_, tokio::time::Instant)| tokio::time::Instant::now() < *until;
        // A failed volume that has no number cannot keep one either.
        let hopeless = volume.health().failed().is_some() && volume.id().is_none();
        if state.registered || hopeless || state.refused.as_ref().is_some_and(waits) {
            return Ok(());
        }
        let identity = volume.identity();
        let registration = Registration {
            request: *state.request.get_or_insert_with(|| RequestId((self.random)())),
            cluster: identity.cluster.or(self.cluster),
            identity: identity.identity.clone(),
            address: self.address.clone(),
            location: volume.location().clone(),
            capacity: space.total,
            free: space.free,
        };
        let path = volume.path().display();
        match within(self.directory.register(registration.clone())).await {
            Ok(Registered { id, cluster }) => {
                state.request = None;
                if let Some(ours) = registration.cluster.filter(|ours| *ours != cluster) {
                    let why = format!(
                        "volume {path} belongs to cluster {ours}, the directory to {cluster}"
                    );
                    state.refuse(Error::new(ErrorKind::Conflict, model::Subject::Volume, why));
                    return Ok(());
                }
                state.refused = None;
                // A failure here is the volume's own, and the next heartbeat tells of it.
                if volume.adopt(id, cluster).await.is_ok() {
                    self.cluster = self.cluster.or(Some(cluster));
                    tracing::info!(%path, volume = %id, %cluster, "the volume is registered");
                }
                state.registered = volume.id().is_some();
                self.volumes.number();
                Ok(())
            }
            Err(error) => match error.kind {
                ErrorKind::Unavailable | ErrorKind::Indeterminate | ErrorKind::Internal => {
                    Err(error)
                }
                _ => {
                    state.request = None;
                    tracing::error!(%path, %error, "the directory refuses the volume");
                    state.refuse(error);
                    Ok(())
                }
            },
        }
    }
}

impl State {
    fn refuse(&mut self, error: Error) {
        self.refused = Some((error, tokio::time::Instant::now() + REFUSED_PAUSE));
    }
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
