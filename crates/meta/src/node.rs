//! A metadata node: its replicas, what they share, and their start.

use crate::{
    Config, Error,
    identity::Identity,
    keys::KeyChecker,
    logtime::LogTime,
    partition::{Partition, Replica},
    peers::Peers,
    raft::{LogStore, Machine, Network, Raft, SnapshotDir, with_seed},
    registry::Registry,
    standing::Standing,
    witness::Boot,
    worker::repair::Repairs,
};
use disk::Disk;
use model::{AccountName, ContainerId, NodeId, PartitionId, Slot};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};
use store::Store;
use tokio::sync::{mpsc, watch};
use transport::{Connect, Keys};
use wal::Wal;

/// The clock, in microseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;
/// Fills a buffer with random bytes.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// What a node needs of the world: production and simulation bring their own.
#[derive(Clone)]
pub struct Seams {
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// How other nodes and chunk servers are reached.
    pub connector: Arc<dyn Connect>,
    /// The clock, in microseconds since 1970.
    pub clock: Clock,
    /// Fills a buffer with random bytes.
    pub random: Random,
    /// Opens the state store of each partition of a data directory.
    pub stores: Arc<dyn OpenStores>,
}

impl Seams {
    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.random)(&mut bytes);
        bytes
    }
}

/// Opens state stores.
pub trait OpenStores: Send + Sync + 'static {
    /// The stores in `dir`, created if it is missing; `dir` is left alone if it cannot be opened.
    fn open(&self, dir: &std::path::Path) -> Result<Arc<dyn PartitionStores>, store::Error>;
}

/// The state stores of a data directory.
pub trait PartitionStores: Send + Sync + 'static {
    /// The store of one partition, empty if it is new.
    fn partition(&self, name: &str) -> Result<Arc<dyn Store>, store::Error>;
}

/// Recent log entries kept in memory: what followers and the state machine are about to read.
const LOG_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// A metadata node. Cheap to clone.
#[derive(Clone)]
pub struct Node(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) seams: Seams,
    pub(crate) identity: Mutex<Identity>,
    pub(crate) id: NodeId,
    pub(crate) partitions: BTreeMap<PartitionId, Partition>,
    pub(crate) snapshots: BTreeMap<PartitionId, SnapshotDir>,
    pub(crate) peers: Arc<Peers>,
    /// Whether this node may take part, and what it remembers of its peers.
    pub(crate) standing: Arc<Standing>,
    pub(crate) registry: Registry,
    pub(crate) keys: Keys,
    pub(crate) key_checker: KeyChecker,
    pub(crate) repairs: Repairs,
    pub(crate) wal: Wal,
    /// Whether the disk has less room than the reserve, as last looked at.
    pub(crate) low: AtomicBool,
    pub(crate) fatal: mpsc::UnboundedSender<Error>,
}

impl Node {
    /// Opens the data directory and starts its replicas. The receiver yields what ends the
    /// node: an error of the log or of a replica, after which the process must end too.
    pub async fn open(
        config: Config,
        seams: Seams,
        keys: Keys,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Error>), Error> {
        let disk = seams.disk.clone();
        let identity = Identity::load(&*disk, &config.data_dir, config.partitions)?;
        if let Some(why) = identity.as_ref().and_then(|i| i.quarantined.clone()) {
            return Err(Error::Quarantined { path: config.data_dir, why });
        }
        let log_dir = config.data_dir.join("log");
        let log_config = wal::Config {
            segment_bytes: config.log_segment_bytes,
            reserve_bytes: config.reserve_bytes,
            cache_bytes: LOG_CACHE_BYTES,
            // What strangers store is in the log too: no payload of theirs may pass for a frame.
            salt: u64::from_le_bytes(seams.bytes()),
            ..wal::Config::default()
        };
        let wal = Wal::open(disk.clone(), log_dir.clone(), log_config)
            .await
            .map_err(|source| Error::Log { path: log_dir, source: source.into() })?;
        let (identity, boot) = begin_boot(identity, &config, &seams, &wal)?;
        let standing = Standing::new(identity.id.0, boot, wal.clone(), seams.clock.clone());
        let standing = Arc::new(
            standing.map_err(|why| Error::Identity { path: config.data_dir.clone(), why })?,
        );
        let stores = open_stores(&seams, &config)?;
        let peers = Arc::new(Peers::new(seams.connector.clone(), keys.daemon.clone()));

        let mut opening = Opening {
            config: &config,
            seams: &seams,
            wal: &wal,
            peers: &peers,
            standing: &standing,
            id: identity.id,
            partitions: BTreeMap::new(),
            snapshots: BTreeMap::new(),
        };
        for number in 0..=identity.partitions {
            opening.replica(PartitionId(number), &*stores).await?;
        }
        let Opening { partitions, snapshots, .. } = opening;
        let directory = &partitions[&PartitionId::DIRECTORY];
        let registry =
            Registry::new(directory.store().clone(), directory.applied(), config.volume_silence);
        let (fatal, failed) = mpsc::unbounded_channel();
        let node = Self(Arc::new(Inner {
            id: identity.id,
            identity: Mutex::new(identity),
            key_checker: KeyChecker::new(seams.bytes()),
            keys,
            repairs: Repairs::new(config.repairs_at_once),
            config,
            seams,
            partitions,
            snapshots,
            peers,
            standing,
            registry,
            wal,
            low: AtomicBool::new(false),
            fatal,
        }));
        node.watch_for_failures();
        if node.is_alone() {
            node.take_part()?;
        }
        Ok((node, failed))
    }

    /// Changes the record of the data directory, durably; one change at a time.
    pub(crate) fn record(&self, change: impl FnOnce(&mut Identity)) -> Result<(), Error> {
        let mut identity = self.0.identity.lock();
        change(&mut identity);
        identity.save(&*self.0.seams.disk, &self.0.config.data_dir)
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        self.0.id
    }

    /// The replica of a partition here.
    pub(crate) fn partition(&self, id: PartitionId) -> Result<&Partition, model::Error> {
        self.0.partitions.get(&id).ok_or_else(|| {
            model::Error::not_found(
                model::Subject::Partition,
                format!("node {} has no replica of partition {id}", self.0.id),
            )
        })
    }

    /// The directory's replica here.
    pub(crate) fn directory(&self) -> &Partition {
        &self.0.partitions[&PartitionId::DIRECTORY]
    }

    fn of_slot(&self, slot: Slot) -> Result<&Partition, model::Error> {
        self.partition(self.0.registry.logged()?.slots.partition_of(slot))
    }

    /// The partition that keeps a container.
    pub(crate) fn of_container(&self, id: &ContainerId) -> Result<&Partition, model::Error> {
        self.of_slot(id.slot())
    }

    /// The partition that keeps an account.
    pub(crate) fn of_account(&self, name: &AccountName) -> Result<&Partition, model::Error> {
        self.of_slot(name.slot())
    }

    /// The clock, in microseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        (self.0.seams.clock)()
    }

    /// The time that names are minted from, in a partition with this log time.
    ///
    /// # Errors
    /// The clock is not to be gone by.
    pub(crate) fn mint_time(&self, log_time: u64) -> Result<u64, model::Error> {
        self.0.standing.check_clock()?;
        Ok(log_time.max(self.now()))
    }

    /// A node whose clock is off leaves it to others to lead.
    pub(crate) fn look_at_clock(&self) {
        let Some(aside) = self.0.standing.look_at_clock() else { return };
        for partition in self.0.partitions.values() {
            let consensus = partition.raft().runtime_config();
            consensus.elect(!aside);
            consensus.heartbeat(!aside);
        }
    }

    /// Whether this node can serve: the cluster exists and every partition has a leader.
    pub fn ready(&self) -> Result<(), String> {
        if !self.0.standing.admitted() {
            return Err("the other metadata nodes have not admitted this one yet".to_owned());
        }
        if let Some(off) = self.0.standing.clock_off() {
            return Err(off.to_string());
        }
        self.0.registry.logged().map_err(|e| e.message)?;
        let leaderless = |p: &&Partition| p.metrics().current_leader.is_none();
        match self.0.partitions.values().filter(leaderless).count() {
            0 => Ok(()),
            n => Err(format!("{n} partitions have no leader")),
        }
    }

    /// Ends its replicas and its log, in order.
    pub async fn close(&self) {
        for partition in self.0.partitions.values() {
            if let Err(error) = partition.raft().shutdown().await {
                tracing::warn!(partition = %partition.id(), %error, "a replica did not end well");
            }
        }
        for partition in self.0.partitions.values() {
            if let Err(error) = partition.store().sync() {
                tracing::warn!(partition = %partition.id(), %error, "a state store is not synced");
            }
        }
        if let Err(error) = self.0.wal.close().await {
            tracing::warn!(%error, "the log did not end well");
        }
    }

    /// Any failure of the log or of a replica ends the node: what it would say next could not
    /// be trusted.
    fn watch_for_failures(&self) {
        let (wal, fatal) = (self.0.wal.clone(), self.0.fatal.clone());
        let path = self.0.config.data_dir.join("log");
        tokio::spawn(async move {
            let source = wal.failed().await;
            let _ = fatal.send(Error::Log { path, source });
        });
        for partition in self.0.partitions.values() {
            let mut metrics = partition.raft().metrics();
            let (id, fatal) = (partition.id(), self.0.fatal.clone());
            tokio::spawn(async move {
                let stopped = metrics.wait_for(|m| m.running_state.is_err()).await;
                if let Ok(Err(why)) = stopped.map(|m| m.running_state.clone())
                    && !matches!(why, openraft::error::Fatal::Stopped)
                {
                    let _ = fatal.send(Error::Partition { partition: id, why: why.to_string() });
                }
            });
        }
    }
}

/// Writes down that the node starts, and refuses a directory of which parts are gone.
fn begin_boot(
    identity: Option<Identity>,
    config: &Config,
    seams: &Seams,
    wal: &Wal,
) -> Result<(Identity, Boot), Error> {
    let empty = wal.groups().is_empty();
    let before = identity.as_ref().and_then(|i| i.boot.as_ref()).map_or(0, |boot| boot.found);
    // Votes and acknowledged entries were in what is gone: without them this would be another
    // node under the old one's name.
    let gone = match &identity {
        Some(identity) if identity.cluster.is_some() && empty => {
            Some("the node belongs to a cluster, and its log is gone: put the directory `log` back")
        }
        None if !empty => {
            Some("there is a log, and the record `node.json` of whose it is is gone: put it back")
        }
        Some(_) if wal.found() < before => {
            Some("its log ends before where it began to run the last time: put the newest one back")
        }
        _ => None,
    };
    if let Some(gone) = gone {
        return Err(Error::Identity {
            path: config.data_dir.clone(),
            why: format!("{gone}; without it this node cannot come back, so keep what is left"),
        });
    }
    let random = || u64::from_le_bytes(seams.bytes());
    let mut identity =
        identity.unwrap_or_else(|| Identity::new(NodeId(random().max(1)), config.partitions));
    let boot = identity.begin_boot(random(), wal.found());
    identity.save(&*seams.disk, &config.data_dir)?;
    Ok((identity, boot))
}

/// A state store that will not open is set aside: snapshots and the log bring back what it had.
fn open_stores(seams: &Seams, config: &Config) -> Result<Arc<dyn PartitionStores>, Error> {
    let dir = config.data_dir.join("state");
    let error = match seams.stores.open(&dir) {
        Ok(stores) => return Ok(stores),
        Err(error @ store::Error::Open { .. }) => error,
        Err(error) => return Err(error.into()),
    };
    let aside: PathBuf = config.data_dir.join(format!("state.damaged-{}", (seams.clock)()));
    tracing::error!(
        %error, aside = %aside.display(),
        "the state store does not open: it is set aside and rebuilt from snapshots and the log"
    );
    seams
        .disk
        .rename(&dir, &aside)
        .and_then(|()| seams.disk.sync_dir(&config.data_dir))
        .map_err(|source| Error::Io { action: "set aside", path: dir.clone(), source })?;
    Ok(seams.stores.open(&dir)?)
}

struct Opening<'a> {
    config: &'a Config,
    seams: &'a Seams,
    wal: &'a Wal,
    peers: &'a Arc<Peers>,
    standing: &'a Arc<Standing>,
    id: NodeId,
    partitions: BTreeMap<PartitionId, Partition>,
    snapshots: BTreeMap<PartitionId, SnapshotDir>,
}

impl Opening<'_> {
    async fn replica(
        &mut self,
        id: PartitionId,
        stores: &dyn PartitionStores,
    ) -> Result<(), Error> {
        let name = format!("p{id}");
        let store = stores.partition(&name)?;
        let dir = self.config.data_dir.join("snapshots").join(&name);
        let io = |source| Error::Io { action: "open", path: dir.clone(), source };
        let disk = self.seams.disk.clone();
        let snapshots = SnapshotDir::open(disk.clone(), dir.clone()).map_err(io)?;
        let (changed, applied) = watch::channel(0);
        let time = Arc::<LogTime>::default();
        let purged = self.wal.purged(id.0).map(|(index, _)| index);
        let opened_at = self.wal.bounds(id.0).map_or(purged.unwrap_or(0), |(_, last)| last);
        let log = LogStore::new(self.id.0, id.0, self.wal.clone());
        let mut machine = Machine::open(
            id,
            disk,
            store.clone(),
            snapshots.clone(),
            log.clone(),
            changed,
            time.clone(),
        )
        .map_err(io)?;
        machine.reach_snapshot().await.map_err(io)?;
        let failed = |why: String| Error::Partition { partition: id, why };
        let opening = Raft::new(
            self.id.0,
            consensus_config(id).map_err(failed)?,
            Network::new(id, self.peers.clone(), self.standing.clone()),
            log,
            machine,
        );
        let seed = u64::from_le_bytes(self.seams.bytes());
        let raft = with_seed(seed, opening).await.map_err(|e| failed(e.to_string()))?;
        // Its metrics say who the members are only when it has begun to run.
        raft.is_initialized().await.map_err(|e| failed(e.to_string()))?;
        elect_at_once_if_alone(&raft, self.id.0).await.map_err(failed)?;
        self.snapshots.insert(id, snapshots);
        let replica = Replica { raft, store, applied, opened_at, time };
        let partition = Partition::new(id, self.id.0, replica, self.standing.clone());
        self.partitions.insert(id, partition);
        Ok(())
    }
}

/// A group of one needs no election time-out to know that nobody else leads.
async fn elect_at_once_if_alone(raft: &Raft, id: u64) -> Result<(), String> {
    let alone = {
        let metrics = raft.metrics();
        let voters: Vec<_> = metrics.borrow().membership_config.voter_ids().collect();
        voters == [id]
    };
    if alone { raft.trigger().elect().await.map_err(|e| e.to_string()) } else { Ok(()) }
}

/// Time-outs that stay quiet on a busy machine and still replace a dead leader within seconds.
fn consensus_config(id: PartitionId) -> Result<Arc<openraft::Config>, String> {
    let config = openraft::Config {
        // Not before the node's peers have admitted it.
        enable_elect: false,
        cluster_name: format!("partition-{id}"),
        heartbeat_interval: 300,
        election_timeout_min: 1200,
        election_timeout_max: 2400,
        install_snapshot_timeout: 600_000,
        max_payload_entries: 64,
        // Snapshots and cuts of the log are the snapshot worker's business: it goes by bytes,
        // and keeps the log that is not yet behind two snapshots.
        snapshot_policy: openraft::SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        ..openraft::Config::default()
    };
    config.validate().map(Arc::new).map_err(|e| e.to_string())
}
