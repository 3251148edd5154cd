//! Empties a partition's repair queue: those at the greatest risk first, several at once.
//!
//! What is at work is known here and nowhere else, and needs not be kept: every chunk that is to
//! be made was announced to the partition before, so whoever leads next gives up what it finds
//! announced, and begins again.

mod entry;
mod postponed;
mod progress;
mod targets;

pub use progress::Progress;

use super::{
    losses::{Losses, Outlook},
    search,
};
use crate::{
    node::Node,
    partition::{Partition, Refusal},
};
use entry::{Ended, Place, Work};
use model::{Error, Liveness, VolumeId};
use parking_lot::Mutex;
use postponed::{Postponed, Start};
use state::{
    Command, RepairKey,
    read::{self, QueuedRepair},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

/// How often the queue, and the volumes, are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Entries of the queue read at once.
const PAGE: usize = 256;

/// Entries looked at in one go for one that can be worked on now.
const MAX_LOOKED_AT: usize = 8_192;

/// Announced chunks given up in one command.
const MAX_GIVEN_UP: usize = 1000;

/// How long a chunk that was given up may still come to be by a request on its way: its deletion
/// comes later.
pub const GIVE_UP_GRACE: Duration = Duration::from_secs(10);

/// What the repairs of a node share.
pub struct Repairs {
    /// Volumes that are down.
    pub losses: Losses,
    /// How many metachunks are at work at once. A partition has no more in line than that, and
    /// the line is fair: none waits for another's whole queue.
    at_once: usize,
    permits: Arc<Semaphore>,
    progress: Mutex<BTreeMap<model::PartitionId, Arc<Progress>>>,
}

impl Repairs {
    /// With so many metachunks at work at once.
    pub fn new(at_once: usize) -> Self {
        let at_once = at_once.max(1);
        let permits = Arc::new(Semaphore::new(at_once));
        Self { losses: Losses::default(), at_once, permits, progress: Mutex::default() }
    }

    /// The progress of a partition.
    pub fn progress(&self, partition: model::PartitionId) -> Arc<Progress> {
        self.progress.lock().entry(partition).or_default().clone()
    }
}

pub async fn run(node: Node, partition: Partition) {
    let mut worker = Worker::new(node, partition);
    loop {
        let mut again = false;
        if !worker.partition.leads() {
            worker.forget();
        } else {
            match worker.round().await {
                Ok(more) => again = more,
                Err(refusal) => {
                    tracing::debug!(partition = %worker.partition.id(), ?refusal, "repairs wait");
                }
            }
        }
        match again {
            true => tokio::task::yield_now().await,
            false => tokio::time::sleep(EVERY).await,
        }
    }
}

/// How a look at the queue ended.
enum Look {
    /// At the queue's end.
    End,
    /// After so many entries, at this one.
    More(RepairKey),
    /// There is no room for more repairs.
    Full,
}

struct Worker {
    node: Node,
    partition: Partition,
    progress: Arc<Progress>,
    tasks: JoinSet<Ended>,
    /// Metachunks at work, with the chunks announced for them.
    active: BTreeMap<Place, (Work, Start)>,
    postponed: Postponed,
    /// Where the last look at the queue ended, if that was not its end.
    resume: Option<RepairKey>,
    up: BTreeSet<VolumeId>,
    lost: BTreeSet<VolumeId>,
}

impl Worker {
    fn new(node: Node, partition: Partition) -> Self {
        let progress = node.0.repairs.progress(partition.id());
        Self {
            node,
            partition,
            progress,
            tasks: JoinSet::new(),
            active: BTreeMap::new(),
            postponed: Postponed::default(),
            resume: None,
            up: BTreeSet::new(),
            lost: BTreeSet::new(),
        }
    }

    /// Another node leads: it begins anew.
    fn forget(&mut self) {
        if self.active.is_empty() && self.up.is_empty() {
            return;
        }
        self.tasks = JoinSet::new();
        self.active.clear();
        self.postponed = Postponed::default();
        self.resume = None;
        self.up.clear();
        self.lost.clear();
        self.progress.clear();
    }

    /// Begins what can be begun, and waits a moment for what ends; true if there is more to do
    /// at once.
    async fn round(&mut self) -> Result<bool, Refusal> {
        let before = read::lost_volumes(&*self.partition.local()).map_err(failed)?;
        let outlook = self.node.0.repairs.losses.look(&self.node, &before)?;
        self.note_changes(&outlook);
        let searching = search::step(&self.node, &self.partition, &outlook).await?;
        self.give_up_orphans().await?;
        self.progress.edit(|counts| counts.paused.clone_from(&outlook.paused));
        if outlook.paused.is_none() {
            self.begin(&outlook)?;
        }
        // While there is work, what ends makes room for the next at once.
        let pause = if searching { Duration::ZERO } else { EVERY };
        let turn = async {
            while let Some(ended) = self.tasks.join_next().await {
                self.take(ended);
                if outlook.paused.is_none() && self.partition.leads() {
                    self.begin(&outlook)?;
                }
            }
            Ok::<_, Refusal>(())
        };
        timeout(pause, turn).await.unwrap_or(Ok(()))?;
        Ok(searching || !self.tasks.is_empty())
    }

    /// What waits for a volume is tried again when one comes, or is given up for lost.
    fn note_changes(&mut self, outlook: &Outlook) {
        let volumes = outlook.map.volumes.iter().filter(|v| v.liveness == Liveness::Up);
        let up: BTreeSet<VolumeId> = volumes.map(|v| v.id).collect();
        if !up.is_subset(&self.up) || !outlook.lost.is_subset(&self.lost) {
            self.postponed.volumes_changed();
        }
        self.up = up;
        self.lost.clone_from(&outlook.lost);
    }

    /// Gives up chunks that were announced and nobody makes: by another leader, or with an
    /// outcome that was never known.
    async fn give_up_orphans(&self) -> Result<(), Refusal> {
        // What this replica has not heard of yet is found the next time.
        let announced = read::rebuilds(&*self.partition.local(), MAX_GIVEN_UP).map_err(failed)?;
        let ours: BTreeSet<_> = self.active.values().flat_map(|(work, _)| work.chunks()).collect();
        let orphans = announced.into_iter().map(|(chunk, _)| chunk);
        let chunks: Vec<_> = orphans.filter(|chunk| !ours.contains(chunk)).collect();
        if chunks.is_empty() {
            return Ok(());
        }
        let delete_grace = GIVE_UP_GRACE.as_micros() as u64;
        let command = Command::EndRebuilds { chunks, delete_grace };
        self.partition.propose(self.node.now(), None, command).await?;
        Ok(())
    }

    /// Begins as many repairs as there is room for: at the greatest risk first, and of what is
    /// behind them a part each time, lest many that nothing can be done about hide the rest.
    fn begin(&mut self, outlook: &Outlook) -> Result<(), Refusal> {
        let mut seen = BTreeSet::new();
        match self.look(None, outlook, &mut seen)? {
            Look::Full => {}
            Look::End => {
                self.resume = None;
                self.postponed.retain(&seen);
                self.progress.retain(&seen);
            }
            Look::More(end) => {
                let from = self.resume.filter(|resume| *resume > end).unwrap_or(end);
                self.resume = match self.look(Some(from), outlook, &mut seen)? {
                    Look::More(end) => Some(end),
                    Look::Full => Some(from),
                    Look::End => None,
                };
            }
        }
        Ok(())
    }

    /// Begins repairs of a part of the queue.
    fn look(
        &mut self,
        mut after: Option<RepairKey>,
        outlook: &Outlook,
        seen: &mut BTreeSet<Place>,
    ) -> Result<Look, Refusal> {
        let mut looked_at = 0;
        loop {
            let page = {
                let view = self.partition.local();
                read::repairs(&*view, after, PAGE).map_err(failed)?
            };
            let Some(last) = page.last().map(|queued| queued.key) else { return Ok(Look::End) };
            after = Some(last);
            looked_at += page.len();
            for queued in page {
                let place = Place::of(&queued);
                seen.insert(place);
                if self.active.contains_key(&place)
                    || self.postponed.waits(&place, queued.repair.positions)
                {
                    continue;
                }
                if self.active.len() >= self.node.0.repairs.at_once {
                    return Ok(Look::Full);
                }
                self.start(queued, outlook);
            }
            if looked_at >= MAX_LOOKED_AT {
                return Ok(Look::More(last));
            }
        }
    }

    fn start(&mut self, queued: QueuedRepair, outlook: &Outlook) {
        let work = Work::default();
        let start = self.postponed.start(queued.repair.positions);
        self.active.insert(Place::of(&queued), (work.clone(), start));
        self.show_activity();
        let entry = entry::Entry {
            node: self.node.clone(),
            partition: self.partition.clone(),
            progress: self.progress.clone(),
            outlook: outlook.clone(),
            queued,
            work,
        };
        let permits = self.node.0.repairs.permits.clone();
        self.tasks.spawn(async move {
            let _permit = permits.acquire_owned().await;
            entry.repair().await
        });
    }

    fn take(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(ended) => {
                if let Some((_, start)) = self.active.remove(&ended.place) {
                    self.progress.ended(ended.place, ended.verdict);
                    self.postponed.note(ended.place, start, ended.verdict);
                }
            }
            Err(error) => {
                // A defect: which one it was is not known, so all are begun again.
                tracing::error!(partition = %self.partition.id(), %error, "a repair ended badly");
                self.tasks = JoinSet::new();
                self.active.clear();
            }
        }
        self.show_activity();
    }

    fn show_activity(&self) {
        let (active, postponed) = (self.active.len() as u64, self.postponed.len() as u64);
        self.progress.edit(|counts| {
            counts.active = active;
            counts.postponed = postponed;
        });
    }
}

fn failed(failure: state::Failure) -> Error {
    Error::internal(failure.to_string())
}
