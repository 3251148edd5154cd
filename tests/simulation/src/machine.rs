//! The machines of a simulated cluster: what outlives their processes, and what those run. It is
//! what the daemons of the binary run, put together from the same parts.

use crate::{
    disk::{DiskCopy, Platter},
    network::{Flakiness, SimListener, address},
    observer::Observer,
    random::Rng,
    stores::{SimStores, StoresCopy},
};
use chunk::{ChunkServer, Directory, VolumeConfig, index::MemoryIndexes};
use meta::{Node, Services};
use model::{Method, Policy, PolicyName};
use parking_lot::Mutex;
use std::{
    fmt::Display,
    future::{Future, pending},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use transport::{AccessKey, App, Connect, Gate, HttpPool, Keys, Secret};

/// When simulations begin, in microseconds since 1970.
const EPOCH_MICROS: u64 = 1_800_000_000_000_000;

/// Where metadata nodes keep everything.
const META_DIR: &str = "/meta";

/// What a machine kept at one moment.
pub struct MachineCopy {
    disk: DiskCopy,
    stores: StoresCopy,
}

/// What every machine of a cluster knows.
#[derive(Clone)]
pub struct Site {
    /// Who watches.
    pub observer: Observer,
    /// How the machines reach each other.
    pub connector: Arc<dyn Connect>,
    /// How soon clients' connections break.
    pub flakiness: Flakiness,
    /// The addresses of the metadata nodes.
    pub metas: Vec<String>,
    /// Machines whose process has ended by itself.
    pub ended: Arc<Mutex<Vec<String>>>,
    /// Clients, which live for as long as the simulation: the connections of one are closed in
    /// the order of a hash table, and no seed says which that is.
    pub clients: Arc<Mutex<Vec<client::Client>>>,
}

impl Site {
    /// The keys of the cluster.
    pub fn keys() -> Keys {
        Secret::new([7; 32]).keys()
    }

    /// The key that daemons show.
    pub fn key() -> AccessKey {
        Self::keys().daemon
    }

    /// Runs a process for as long as it lives: nothing that it leaves behind runs on.
    async fn live(
        self,
        machine: String,
        process: impl Future<Output = Result<(), Box<dyn Display>>>,
    ) {
        self.observer.note(format_args!("{machine} starts"));
        let ended = match process.await {
            Ok(()) => "it is over".to_owned(),
            Err(error) => error.to_string(),
        };
        self.observer.note(format_args!("{machine} ends: {ended}"));
        self.ended.lock().push(machine);
        pending::<()>().await;
    }
}

/// The policies of simulated clusters: narrow, and with metachunks so short that small objects
/// have several.
pub fn policies() -> Vec<Policy> {
    let policy = |name: &str, method| Policy::new(name, method).ok();
    let code = policy("EC22", Method::Erasure { data: 2, parity: 2 });
    let code = code.map(|policy| Policy { chunk_blocks: 1, ..policy });
    let copies = policy("COPIES3", Method::Copies { copies: 3 });
    code.into_iter().chain(copies.map(|policy| Policy { chunk_blocks: 2, ..policy })).collect()
}

/// A clock that runs with the simulation, and jumps when it is told to.
#[derive(Clone)]
pub struct Clock {
    observer: Observer,
    ahead_micros: Arc<AtomicI64>,
}

impl Clock {
    fn new(observer: Observer) -> Self {
        Self { observer, ahead_micros: Arc::default() }
    }

    /// Sets how far it is ahead of the others.
    pub fn set_ahead(&self, micros: i64) {
        self.ahead_micros.store(micros, Ordering::Relaxed);
    }

    fn micros(&self) -> u64 {
        let elapsed = turmoil::sim_elapsed().map(|elapsed| elapsed.as_micros() as u64);
        let now = EPOCH_MICROS + elapsed.unwrap_or_else(|| self.observer.now());
        now.saturating_add_signed(self.ahead_micros.load(Ordering::Relaxed))
    }
}

/// What a machine is for.
pub enum Role {
    /// It serves metadata.
    Meta {
        /// Its state stores.
        stores: SimStores,
    },
    /// It serves chunks.
    Chunk {
        /// The directories of its volumes.
        volumes: Mutex<Vec<PathBuf>>,
    },
}

/// A machine: what is there whether or not its process runs. Cheap to clone.
#[derive(Clone)]
pub struct Machine(Arc<Inner>);

struct Inner {
    name: String,
    platter: Platter,
    clock: Clock,
    role: Role,
    rng: Mutex<Rng>,
}

impl Machine {
    /// A machine that serves metadata.
    pub fn meta(name: &str, rng: &Rng, observer: &Observer) -> Self {
        let stores = SimStores::new(name, observer.clone());
        Self::new(name, rng, observer, Role::Meta { stores })
    }

    /// A machine with so many volumes.
    pub fn chunk(name: &str, volumes: u64, rng: &Rng, observer: &Observer) -> Self {
        let volumes: Vec<_> = (0..volumes).map(|n| PathBuf::from(format!("/volume-{n}"))).collect();
        let machine = Self::new(name, rng, observer, Role::Chunk { volumes: Mutex::new(volumes) });
        for root in machine.volumes() {
            observer.add_volume(name, machine.platter().clone(), root);
        }
        machine
    }

    fn new(name: &str, rng: &Rng, observer: &Observer, role: Role) -> Self {
        let rng = rng.fork(name);
        Self(Arc::new(Inner {
            name: name.to_owned(),
            platter: Platter::new(name, rng.fork("disk"), observer.clone()),
            clock: Clock::new(observer.clone()),
            role,
            rng: Mutex::new(rng),
        }))
    }

    /// Its name, which is also its host's.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its disk.
    pub fn platter(&self) -> &Platter {
        &self.0.platter
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Its state stores, if it serves metadata.
    pub fn stores(&self) -> Option<&SimStores> {
        match &self.0.role {
            Role::Meta { stores } => Some(stores),
            Role::Chunk { .. } => None,
        }
    }

    /// Its volumes.
    pub fn volumes(&self) -> Vec<PathBuf> {
        match &self.0.role {
            Role::Meta { .. } => Vec::new(),
            Role::Chunk { volumes } => volumes.lock().clone(),
        }
    }

    /// Copies what a machine keeps: all of a data directory.
    pub fn copy(&self) -> MachineCopy {
        let stores = self.stores().map(SimStores::copy).unwrap_or_default();
        MachineCopy { disk: self.platter().copy(), stores }
    }

    /// Puts a machine back to a copy. Its process does not run.
    pub fn restore(&self, copy: &MachineCopy) {
        self.platter().restore(&copy.disk);
        if let Some(stores) = self.stores() {
            stores.restore(&copy.stores);
        }
    }

    /// Empties the data directory of a metadata node. Its process does not run.
    pub fn wipe(&self) {
        self.platter().lose(Path::new(META_DIR));
        if let Some(stores) = self.stores() {
            stores.restore(&StoresCopy::default());
        }
    }

    /// The segments of a metadata node's log.
    pub fn log_segments(&self) -> Vec<PathBuf> {
        let mut files = self.platter().files(Path::new(META_DIR));
        files.retain(|file| file.extension().is_some_and(|extension| extension == "wal"));
        files
    }

    /// A volume is gone for good. An empty one is put beside its place, for the next process.
    pub fn replace_volume(&self, lost: &Path, observer: &Observer) {
        let Role::Chunk { volumes } = &self.0.role else { return };
        let mut volumes = volumes.lock();
        let Some(place) = volumes.iter_mut().find(|volume| *volume == lost) else { return };
        self.platter().lose(lost);
        place.as_mut_os_string().push("-anew");
        observer.add_volume(self.name(), self.platter().clone(), place.clone());
    }

    /// What a crash does to what outlives the process: with the power goes what is in memory.
    pub fn crash(&self, power: bool) {
        match power {
            true => self.0.platter.lose_power(),
            false => self.0.platter.kill(),
        }
        if let Some(stores) = self.stores() {
            stores.crash(&mut self.0.rng.lock());
        }
    }

    /// Its process, started anew.
    pub async fn run(self, site: Site) {
        let boot = self.0.rng.lock().next();
        let rng = Arc::new(Mutex::new(Rng::new(boot)));
        let name = self.name().to_owned();
        let process = async {
            match &self.0.role {
                Role::Meta { stores } => self.serve_metadata(&site, stores, rng).await,
                Role::Chunk { .. } => self.serve_chunks(&site, &self.volumes(), rng).await,
            }
        };
        site.clone().live(name, process).await;
    }

    async fn serve_metadata(
        &self,
        site: &Site,
        stores: &SimStores,
        rng: Arc<Mutex<Rng>>,
    ) -> Result<(), Box<dyn Display>> {
        let policy: PolicyName = "EC22".parse().map_err(failed)?;
        let mut config = meta::Config::new(META_DIR.into(), address(self.name()), policy);
        config.peers = site.metas.clone();
        config.partitions = 1;
        config.policies = policies();
        config.delete_grace = Duration::from_secs(2);
        config.volume_silence = Duration::from_millis(2500);
        config.volume_grace = Duration::from_secs(1);
        config.snapshot_log_bytes = 48 * 1024;
        config.log_segment_bytes = 64 * 1024;
        config.reserve_bytes = 1024 * 1024;
        let clock = self.0.clock.clone();
        let seconds = clock.clone();
        let gate = Gate::new(&Site::keys(), Arc::new(move || seconds.micros() / 1_000_000));
        let seams = meta::Seams {
            disk: Arc::new(self.0.platter.boot()),
            connector: site.connector.clone(),
            clock: Arc::new(move || clock.micros()),
            random: Arc::new(move |buffer| rng.lock().fill(buffer)),
            stores: Arc::new(stores.clone()),
        };
        let (node, mut failures) = Node::open(config, seams, Site::keys()).await.map_err(chain)?;
        let health = {
            let node = node.clone();
            Arc::new(move || node.ready())
        };
        let app = App::new(gate, Services::routes(node.clone()), None, health, None);
        let listener = SimListener::bind().await.map_err(failed)?;
        let serving = transport::serve(listener, app, pending(), Duration::ZERO);
        let work = async {
            node.found().await.map_err(chain)?;
            pending().await
        };
        tokio::select! {
            () = serving => Ok(()),
            () = node.run(pending()) => Ok(()),
            ended = work => ended,
            failure = failures.recv() => match failure {
                Some(error) => Err(chain(error)),
                None => Ok(()),
            },
        }
    }

    async fn serve_chunks(
        &self,
        site: &Site,
        volumes: &[PathBuf],
        rng: Arc<Mutex<Rng>>,
    ) -> Result<(), Box<dyn Display>> {
        let location = |path: &Path| {
            let volume = path.file_name().and_then(|n| n.to_str()).unwrap_or("volume");
            format!("site.rack.{}.{volume}", self.name()).parse().map_err(failed)
        };
        let volumes = volumes
            .iter()
            .map(|path| Ok(VolumeConfig { path: path.clone(), location: location(path)? }));
        let config = chunk::Config {
            data_dir: "/chunk".into(),
            volumes: volumes.collect::<Result<_, Box<dyn Display>>>()?,
            address: address(self.name()),
            cluster: None,
            format: true,
            reserve_bytes: None,
        };
        let clock = self.0.clock.clone();
        let seams = chunk::Seams {
            disk: Arc::new(self.0.platter.boot()),
            random: Arc::new(move || {
                let mut bytes = [0; 16];
                rng.lock().fill(&mut bytes);
                bytes
            }),
            now: Arc::new(move || clock.micros() / 1000),
            indexes: Arc::new(MemoryIndexes),
        };
        let server = ChunkServer::open_with(config, seams).await.map_err(chain)?;
        let pool = HttpPool::new(site.connector.clone(), &Site::key());
        let routes = tonic::service::Routes::new(server.grpc_service(pool));
        let health = {
            let server = server.clone();
            Arc::new(move || server.health())
        };
        let handler = Arc::new(server.http_handler(Site::keys().capabilities));
        let app = App::new(Site::key(), routes, Some(handler), health, None);
        let listener = SimListener::bind().await.map_err(failed)?;
        let connector = site.connector.clone();
        let directory = Arc::new(Directory::new(connector, Site::key(), site.metas.clone()));
        tokio::select! {
            () = transport::serve(listener, app, pending(), Duration::ZERO) => Ok(()),
            ended = server.run_heartbeats(directory, pending()) => ended.map_err(failed),
        }
    }
}

fn failed(error: impl Display) -> Box<dyn Display> {
    Box::new(error.to_string())
}

/// An error with its causes.
fn chain(error: impl std::error::Error) -> Box<dyn Display> {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    Box::new(text)
}
