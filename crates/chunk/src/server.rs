//! A chunk server, put together.

use crate::{
    Config, DirectoryApi, OpenError, Seams, VolumeError,
    buffers::Buffers,
    directory,
    http::Handler,
    identity::Memory,
    service::Service,
    volume::{Expected, Volume},
};
use disk::{Disk, offload};
use futures::FutureExt;
use model::{ClusterId, VolumeId};
use parking_lot::RwLock;
use proto::v1::volumes_server::VolumesServer;
use std::{collections::BTreeMap, future::Future, io, path::PathBuf, sync::Arc};
use transport::{CapabilityKey, HttpPool};

/// The volumes of a server. They come and stay; their numbers come later.
pub struct Volumes {
    all: Vec<Arc<Volume>>,
    refused: Vec<(PathBuf, OpenError)>,
    by_id: RwLock<BTreeMap<VolumeId, Arc<Volume>>>,
}

impl Volumes {
    fn new(all: Vec<Arc<Volume>>, refused: Vec<(PathBuf, OpenError)>) -> Arc<Self> {
        let volumes = Self { all, refused, by_id: Default::default() };
        volumes.number();
        Arc::new(volumes)
    }

    /// Every volume, in the order of the configuration.
    pub fn all(&self) -> &[Arc<Volume>] {
        &self.all
    }

    /// Volumes that are left out because their disks are at fault.
    pub fn refused(&self) -> &[(PathBuf, OpenError)] {
        &self.refused
    }

    /// The volume with a number.
    pub fn get(&self, id: VolumeId) -> Result<Arc<Volume>, VolumeError> {
        self.by_id.read().get(&id).cloned().ok_or(VolumeError::NoVolume(id))
    }

    /// Brings the numbers up to date.
    pub(crate) fn number(&self) {
        let numbered = self.all.iter().filter_map(|v| Some((v.id()?, v.clone())));
        *self.by_id.write() = numbered.collect();
    }
}

/// A running chunk server. Cheap to clone.
#[derive(Clone)]
pub struct ChunkServer {
    volumes: Arc<Volumes>,
    address: String,
    cluster: Option<ClusterId>,
    seams: Seams,
    /// Other servers stay away from the data directory as long as it is held.
    _lock: Arc<dyn Send + Sync>,
}

impl ChunkServer {
    /// Opens the volumes of a configuration over a disk.
    ///
    /// # Errors
    /// The configuration is wrong, or no volume can be opened. A volume whose disk is at fault
    /// ([`OpenError::is_of_the_disk`]) is left out when others work: see
    /// [`Volumes::refused`].
    pub async fn open(config: Config, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        Self::open_with(config, Seams::new(disk)).await
    }

    /// The same, with everything that comes from outside put in.
    pub async fn open_with(config: Config, seams: Seams) -> Result<Self, OpenError> {
        let lock = lock_data_dir(&config, &seams).await?;
        let (disk, dir) = (seams.disk.clone(), config.data_dir.clone());
        let before = offload(&*seams.disk, move || Memory::read(&*disk, &dir)).await?;
        let (buffers, under_way) = (Buffers::default(), Arc::default());
        let mut expected = Expected {
            seams: &seams,
            data_dir: &config.data_dir,
            memory: &before,
            cluster: config.cluster.or(before.cluster),
            format: config.format,
            reserve_bytes: config.reserve_bytes,
            buffers: &buffers,
            under_way: &under_way,
        };
        let (mut found, mut refused) = (Vec::new(), Vec::new());
        for volume in &config.volumes {
            match expected.identify(&volume.path, &found).await {
                Ok(identity) => {
                    expected.cluster = expected.cluster.or(identity.cluster);
                    found.push((volume.path.clone(), identity));
                }
                Err(error) if error.is_of_the_disk() => refused.push((volume.path.clone(), error)),
                Err(error) => return Err(error),
            }
        }
        let mut memory = before.clone();
        memory.cluster = expected.cluster;
        for (path, identity) in &found {
            memory.volumes.insert(path.clone(), identity.identity.clone());
        }
        let mut opened = Vec::new();
        for volume in &config.volumes {
            let Some((_, identity)) = found.iter().find(|(path, _)| *path == volume.path) else {
                continue;
            };
            match expected.open(volume, identity.clone()).await {
                Ok(volume) => opened.push(Arc::new(volume)),
                Err(error) if error.is_of_the_disk() => refused.push((volume.path.clone(), error)),
                Err(error) => return Err(error),
            }
        }
        let named = |(path, identity): &(&PathBuf, &String)| {
            config.volumes.iter().any(|volume| volume.path == **path)
                || found.iter().any(|(_, found)| found.identity == **identity)
        };
        for (path, _) in before.volumes.iter().filter(|volume| !named(volume)) {
            tracing::warn!(
                path = %path.display(),
                "a volume that was served here is not named any more: it will be down, and its \
                 chunks be made anew elsewhere; whoever adds a volume names all others, too"
            );
        }
        for (path, error) in &refused {
            let source = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(path = %path.display(), %error, source, "a volume is left out");
        }
        if opened.is_empty() {
            return Err(refused.pop().map_or(OpenError::NoVolumes, |(_, error)| error));
        }
        if memory != before {
            let (disk, dir) = (seams.disk.clone(), config.data_dir.clone());
            offload(&*seams.disk, move || memory.write(&*disk, &dir)).await?;
        }
        let cluster = expected.cluster;
        Ok(Self {
            volumes: Volumes::new(opened, refused),
            address: config.address,
            cluster,
            seams,
            _lock: lock,
        })
    }

    /// The volumes that are served.
    pub fn volumes(&self) -> &Arc<Volumes> {
        &self.volumes
    }

    /// What serves the bodies of chunks, to daemons and who has capabilities under `key`.
    pub fn http_handler(&self, key: CapabilityKey) -> Handler {
        Handler::new(self.volumes.clone(), key, self.seams.now.clone())
    }

    /// The control service. Over `pool` it reads from other servers what it rebuilds chunks of.
    pub fn grpc_service(&self, pool: HttpPool) -> VolumesServer<Service> {
        VolumesServer::new(Service::new(self.volumes.clone(), pool))
    }

    /// Whether it can do its work: at least one volume works.
    pub fn health(&self) -> Result<(), String> {
        let mut reasons = Vec::new();
        for volume in self.volumes.all() {
            match volume.health().failed() {
                None => return Ok(()),
                Some(reason) => reasons.push(format!("{}: {reason}", volume.path().display())),
            }
        }
        Err(format!("no volume works: {}", reasons.join("; ")))
    }

    /// Registers the volumes and tells the directory every second how they are, until
    /// `shutdown`. A directory that does not answer is asked again, more and more rarely.
    ///
    /// # Errors
    /// The directory refuses every volume of this server.
    pub fn run_heartbeats(
        &self,
        directory: Arc<dyn DirectoryApi>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = Result<(), model::Error>> + Send + 'static {
        let heart = directory::Heart::new(
            self.volumes.clone(),
            self.address.clone(),
            self.cluster,
            directory,
            self.seams.random.clone(),
        );
        async move {
            tokio::select! {
                () = shutdown => Ok(()),
                refused = heart.run() => Err(refused),
            }
        }
        .boxed()
    }

    /// Ends the work in good order: no change is taken any more, and the indexes can be
    /// believed at the next start.
    pub async fn close(&self) {
        for volume in self.volumes.all() {
            volume.close().await;
        }
    }
}

async fn lock_data_dir(config: &Config, seams: &Seams) -> Result<Arc<dyn Send + Sync>, OpenError> {
    let (disk, dir) = (seams.disk.clone(), config.data_dir.clone());
    offload(&*seams.disk, move || {
        let io = |source| OpenError::Io { action: "create", path: dir.clone(), source };
        disk.create_dir_all(&dir).map_err(io)?;
        let path = dir.join("volumes.lock");
        match disk.lock(&path) {
            Ok(guard) => Ok(Arc::from(guard)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                Err(OpenError::DataDirInUse { path: dir })
            }
            Err(source) => Err(OpenError::Io { action: "lock", path, source }),
        }
    })
    .await
}
