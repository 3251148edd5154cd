//! One volume of a server: found or formatted, locked, opened.

use crate::{
    OpenError, Seams, VolumeConfig, VolumeError,
    buffers::Buffers,
    engine::Engine,
    error::is_full,
    files::{FileEngine, Paths},
    health::Health,
    identity::{Identity, Memory, VOLUME_FORMAT},
};
use disk::{Disk, Mode, offload};
use model::{ClusterId, Location, VolumeId};
use parking_lot::{Mutex, RwLock};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicUsize},
};

/// A volume that is served.
pub struct Volume {
    path: PathBuf,
    location: Location,
    disk: Arc<dyn Disk>,
    identity: RwLock<Identity>,
    engine: Arc<dyn Engine>,
    health: Arc<Health>,
    /// Other processes stay away as long as it is held.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl Volume {
    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What it says it is.
    pub fn identity(&self) -> Identity {
        self.identity.read().clone()
    }

    /// Its number, once it has one.
    pub fn id(&self) -> Option<VolumeId> {
        self.identity.read().id
    }

    /// How it is.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// What keeps its chunks, if it works.
    pub fn engine(&self) -> Result<&Arc<dyn Engine>, VolumeError> {
        self.health.check()?;
        Ok(&self.engine)
    }

    /// Which file system it is on, if that is known.
    pub async fn file_system(&self) -> Option<u64> {
        let (disk, path) = (self.disk.clone(), self.path.clone());
        offload(&*self.disk, move || disk.file_system(&path)).await.ok().flatten()
    }

    /// Chunks on it, as far as known.
    pub fn chunks(&self) -> u64 {
        self.engine.chunks()
    }

    /// Writes its number and its cluster on it.
    ///
    /// # Errors
    /// No space, or the end of the volume.
    pub async fn adopt(&self, id: VolumeId, cluster: ClusterId) -> Result<(), VolumeError> {
        let before = self.identity();
        let adopted = Identity { id: Some(id), cluster: Some(cluster), ..before.clone() };
        if adopted == before {
            return Ok(());
        }
        self.health.check()?;
        if let Some(old) = before.id.filter(|old| *old != id) {
            let path = self.path.display();
            tracing::warn!(%path, %old, new = %id, "the directory gave the volume another number");
        }
        let file = Paths::new(&self.path, adopted.fan_out_digits).identity();
        let (disk, written) = (self.disk.clone(), adopted.clone());
        let done = offload(&*self.disk, move || written.write(&*disk, &file)).await;
        match done {
            Ok(()) => {}
            // What was there before still is, and there may be room later.
            Err(OpenError::Io { action, path, source }) if is_full(&source) => {
                return Err(VolumeError::OutOfSpace { action, path, source });
            }
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                self.health.fail(format!("{error}: {}", source.unwrap_or_default()));
                self.health.check()?;
            }
        }
        *self.identity.write() = adopted;
        Ok(())
    }

    /// Ends its work in good order and lets other processes have it.
    pub async fn close(&self) {
        self.engine.close().await;
        self.health.close();
        self.lock.lock().take();
    }
}

/// What a server knows before it opens a volume.
pub(crate) struct Expected<'a> {
    pub(crate) seams: &'a Seams,
    pub(crate) data_dir: &'a Path,
    pub(crate) memory: &'a Memory,
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) format: bool,
    pub(crate) reserve_bytes: Option<u64>,
    pub(crate) buffers: &'a Buffers,
    /// Counts the requests under way on all volumes.
    pub(crate) under_way: &'a Arc<AtomicUsize>,
}

impl Expected<'_> {
    /// Finds out what is at a path; formats it if it may become a volume.
    /// `others` are the volumes found before, with their paths.
    pub(crate) async fn identify(
        &self,
        path: &Path,
        others: &[(PathBuf, Identity)],
    ) -> Result<Identity, OpenError> {
        let disk = self.seams.disk.clone();
        let at = path.to_owned();
        let found = offload(&*self.seams.disk, move || look(&*disk, &at)).await?;
        let identity = match found {
            Found::Volume(identity) => identity,
            Found::Nothing | Found::HalfFormatted => self.format(path).await?,
            Found::Something => return Err(OpenError::NotEmpty { path: path.into() }),
        };
        if let (Some(theirs), Some(ours)) = (identity.cluster, self.cluster)
            && theirs != ours
        {
            return Err(OpenError::OtherCluster { path: path.into(), theirs, ours });
        }
        if let Some((other, _)) = others.iter().find(|(_, i)| i.identity == identity.identity) {
            let (path, other) = (path.into(), other.clone());
            return Err(OpenError::GivenTwice { path, other, identity: identity.identity });
        }
        if let Some(before) = self.memory.volumes.get(path)
            && *before != identity.identity
        {
            let (path, now) = (path.display(), &identity.identity);
            tracing::warn!(%path, before, now, "another volume is at this path");
        }
        Ok(identity)
    }

    async fn format(&self, path: &Path) -> Result<Identity, OpenError> {
        if let Some(identity) = self.memory.volumes.get(path) {
            return Err(OpenError::Vanished {
                path: path.into(),
                identity: identity.clone(),
                memory: Memory::path(self.data_dir),
            });
        }
        if !self.format {
            return Err(OpenError::NotFormatted { path: path.into() });
        }
        let identity = Identity {
            format: VOLUME_FORMAT,
            identity: hex(&(self.seams.random)()),
            fan_out_digits: Paths::DIGITS,
            cluster: self.cluster,
            id: None,
        };
        tracing::info!(path = %path.display(), identity = identity.identity, "formatting a volume");
        format(&self.seams.disk, path, &identity).await?;
        Ok(identity)
    }

    /// Takes a volume into service.
    pub(crate) async fn open(
        &self,
        config: &VolumeConfig,
        identity: Identity,
    ) -> Result<Volume, OpenError> {
        let paths = Paths::new(&config.path, identity.fan_out_digits);
        let health = Health::new(&config.path, self.reserve_bytes, self.under_way.clone());
        let (seams, watched) = (self.seams.clone(), health.clone());
        let (path, buffers) = (config.path.clone(), self.buffers.clone());
        let (lock, engine) = offload(&*self.seams.disk, move || {
            let lock = seams.disk.lock(&paths.lock()).map_err(|source| match source.kind() {
                io::ErrorKind::WouldBlock => OpenError::Locked { path: path.clone() },
                _ => OpenError::Io { action: "lock", path: paths.lock(), source },
            })?;
            let opened = FileEngine::open(&seams, paths, watched, buffers);
            let engine = opened.map_err(|source| OpenError::Io {
                action: "open the volume",
                path,
                source,
            })?;
            Ok::<_, OpenError>((lock, engine))
        })
        .await?;
        Ok(Volume {
            path: config.path.clone(),
            location: config.location.clone(),
            disk: self.seams.disk.clone(),
            identity: RwLock::new(identity),
            engine: Arc::new(engine),
            health,
            lock: Mutex::new(Some(lock)),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

enum Found {
    Volume(Identity),
    /// No directory, or an empty one.
    Nothing,
    /// A directory whose formatting was begun and did not end.
    HalfFormatted,
    /// A directory with something else.
    Something,
}

fn look(disk: &dyn Disk, path: &Path) -> Result<Found, OpenError> {
    let paths = Paths::new(path, Paths::DIGITS);
    let io = |action| move |source| OpenError::Io { action, path: path.into(), source };
    if let Some(identity) = Identity::read(disk, &paths.identity())? {
        return Ok(Found::Volume(identity));
    }
    if !disk.exists(path).map_err(io("look for"))? {
        return Ok(Found::Nothing);
    }
    if disk.exists(&paths.formatting()).map_err(io("look into"))? {
        return Ok(Found::HalfFormatted);
    }
    let entries = disk.read_dir(path).map_err(io("list"))?;
    // A new file system of its own has just this.
    let empty = entries.iter().all(|e| e.is_dir && e.name == "lost+found");
    Ok(if empty { Found::Nothing } else { Found::Something })
}

/// Directories made at the same time when a volume is formatted: each is made durable by
/// itself, and those that wait together share the disk's work.
const FORMATTERS: u32 = 8;

/// Makes a volume of a directory. The identity comes last: without it there is no volume.
async fn format(disk: &Arc<dyn Disk>, path: &Path, identity: &Identity) -> Result<(), OpenError> {
    let paths = Paths::new(path, identity.fan_out_digits);
    let failed = |source| OpenError::Io { action: "format the volume", path: path.into(), source };
    let (d, p) = (disk.clone(), paths.clone());
    let begin = move || {
        d.create_dir_all(p.root())?;
        if !d.exists(&p.formatting())? {
            d.open(&p.formatting(), Mode::CreateNew)?;
            d.sync_dir(p.root())?;
        }
        d.create_dir_all(&p.temporaries())
    };
    offload(&**disk, begin).await.map_err(failed)?;
    let workers = (0..FORMATTERS).map(|worker| {
        let (d, p) = (disk.clone(), paths.clone());
        let mut mine = (worker..paths.fan_outs()).step_by(FORMATTERS as usize);
        offload(&**disk, move || mine.try_for_each(|n| d.create_dir_all(&p.nth_fan_out(n))))
    });
    futures::future::try_join_all(workers).await.map_err(failed)?;
    let (d, p, identity) = (disk.clone(), paths, identity.clone());
    offload(&**disk, move || {
        identity.write(&*d, &p.identity())?;
        let tidy = d.remove_file(&p.formatting()).and_then(|()| d.sync_dir(p.root()));
        tidy.map_err(|source| OpenError::Io { action: "format", path: p.root().into(), source })
    })
    .await
}
