//! A partition as anybody would write it who had all the memory and time there is: plain maps,
//! every rule in one place, nothing kept up to date that can be computed.

mod commits;
mod removals;
mod snapshots;

use super::harness::{DAY, chunks_of, id};
use crate::{Answer, Command, PropertyChanges, UpdateObject, machine};
use model::{
    BlobId, ChunkName, ContainerId, ContentId, ErrorKind, Extent, Frozen, Hash, JobId, Metachunk,
    ObjectName, Precondition, Properties, RequestId, Version, Versioning, VolumeId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) type Outcome = Result<Answer, ErrorKind>;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Marker,
    Content,
    Drained,
}

#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) version: Version,
    pub(super) kind: Kind,
    pub(super) blob: BlobId,
    pub(super) content: ContentId,
    pub(super) size: u64,
    pub(super) hash: Option<Hash>,
    pub(super) created: u64,
    pub(super) mime_type: String,
    pub(super) delete_at: Option<u64>,
    pub(super) properties: Properties,
    pub(super) extents: Vec<Extent>,
}

impl Stored {
    pub(super) fn is_marker(&self) -> bool {
        self.kind == Kind::Marker
    }

    fn blobs(&self) -> BTreeSet<BlobId> {
        let all = self.extents.iter().map(|e| e.blob).chain([self.blob]);
        all.filter(|blob| *blob != BlobId::NONE).collect()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) incarnation: u64,
    versioning: Versioning,
    quota: Option<u64>,
    pub(super) frozen: Frozen,
    /// Source, its incarnation, and the job.
    snapshot: Option<(ContainerId, u64, JobId)>,
    pub(super) hidden: bool,
    /// Newest first.
    pub(super) objects: BTreeMap<ObjectName, Vec<Stored>>,
}

impl Container {
    fn versions(&self) -> impl Iterator<Item = &Stored> {
        self.objects.values().flatten().filter(|v| !v.is_marker())
    }

    pub(super) fn count(&self) -> u64 {
        self.versions().count() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.versions().map(|v| v.size).sum()
    }

    /// Names that are there, and the bytes of what is seen of them.
    pub(super) fn live(&self) -> (u64, u64) {
        let newest = self.objects.values().filter_map(|versions| versions.first());
        let live: Vec<_> = newest.filter(|v| !v.is_marker()).map(|v| v.size).collect();
        (live.len() as u64, live.iter().sum())
    }

    pub(super) fn job(&self) -> Option<JobId> {
        self.snapshot.map(|(_, _, job)| job)
    }

    fn find(&mut self, name: &ObjectName, version: Version) -> Option<&mut Stored> {
        self.objects.get_mut(name)?.iter_mut().find(|v| v.version == version)
    }

    /// Every version with its name, in the order of listings.
    fn all(&self) -> Vec<(ObjectName, Stored)> {
        let all = self.objects.iter();
        all.flat_map(|(name, v)| v.iter().map(|v| (name.clone(), v.clone()))).collect()
    }
}

/// Rows under a blob that was not committed yet.
#[derive(Debug, Clone)]
pub(super) struct Staged {
    at: u64,
    pub(super) pages: Vec<Vec<Metachunk>>,
}

#[derive(Clone, Default)]
pub(super) struct Naive {
    pub(super) time: u64,
    last_version: u64,
    fence: u64,
    pub(super) containers: BTreeMap<ContainerId, Container>,
    pub(super) staged: BTreeMap<BlobId, Staged>,
    /// Blobs that may not be committed: since when, and whether they had been.
    barred: BTreeMap<(u64, BlobId), bool>,
    answers: VecDeque<(u64, RequestId, Outcome)>,
    /// Chunks that must go.
    pub(super) doomed: Vec<(VolumeId, ChunkName)>,
}

impl Naive {
    pub(super) fn run(
        &mut self,
        index: u64,
        time: u64,
        request: Option<RequestId>,
        command: &Command,
    ) -> Outcome {
        self.time = self.time.max(time);
        let known = self.answers.iter().find(|(_, id, _)| Some(*id) == request);
        let outcome = match known {
            Some((_, _, outcome)) => outcome.clone(),
            None => {
                let mut after = self.clone();
                let outcome = after.execute(index, command);
                if outcome.is_ok() {
                    *self = after;
                }
                if let Some(id) = request {
                    self.answers.push_back((self.time, id, outcome.clone()));
                }
                outcome
            }
        };
        self.expire();
        outcome
    }

    /// Versions that may go, as the index has them: those that go first first.
    pub(super) fn due(&self) -> Vec<(ContainerId, ObjectName, Version)> {
        let mut due = Vec::new();
        for (id, container) in &self.containers {
            if container.hidden || container.frozen.at(self.time) {
                continue;
            }
            for (name, stored) in container.all() {
                let is_due = stored.delete_at.is_some_and(|at| at <= self.time / 1_000_000);
                if is_due && !stored.is_marker() {
                    due.push((stored.delete_at, (*id, name, stored.version)));
                }
            }
        }
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().map(|(_, version)| version).collect()
    }

    /// A command passed that changes nothing here.
    pub(super) fn pass(&mut self, time: u64) {
        self.time = self.time.max(time);
        self.expire();
    }

    fn expire(&mut self) {
        for _ in 0..8 {
            if self.answers.front().is_some_and(|(at, ..)| at + machine::request::KEPT <= self.time)
            {
                self.answers.pop_front();
            }
        }
        for _ in 0..16 {
            if self.barred.keys().next().is_some_and(|(at, _)| at + 3 * DAY <= self.time) {
                self.barred.pop_first();
                self.fence = self.fence.max((self.time - 2 * DAY) / 1000);
            }
        }
        let oldest = self.staged.iter().min_by_key(|(blob, staged)| (staged.at, **blob));
        let oldest = oldest.filter(|(_, staged)| staged.at + 3 * DAY <= self.time);
        if let Some(blob) = oldest.map(|(blob, _)| *blob) {
            self.staged.remove(&blob);
        }
    }

    fn execute(&mut self, index: u64, command: &Command) -> Outcome {
        match command {
            Command::CreateContainer(command) => {
                let id = id(command.account.as_str(), command.container.as_str());
                if self.containers.get(&id).is_some_and(|c| c.hidden) {
                    return Err(ErrorKind::Conflict);
                }
                let created = !self.containers.contains_key(&id);
                self.containers.entry(id).or_insert(Container {
                    name: command.container.to_string(),
                    incarnation: index,
                    versioning: command.versioning,
                    quota: command.quota,
                    frozen: Frozen::No,
                    snapshot: None,
                    hidden: false,
                    objects: BTreeMap::new(),
                });
                Ok(Answer::Created { created })
            }
            Command::UpdateContainer(command) => {
                let container = self.writable(&command.container)?;
                container.versioning = command.versioning.unwrap_or(container.versioning);
                container.quota = command.quota.unwrap_or(container.quota);
                Ok(Answer::Done)
            }
            Command::DeleteContainer { container } => {
                if self.writable(container)?.count() > 0 {
                    return Err(ErrorKind::Conflict);
                }
                self.containers.remove(container);
                Ok(Answer::ContainerDeleted { complete: true })
            }
            Command::Commit(command) => self.commit(command),
            Command::DeleteObject(command) => self.delete(command),
            Command::UpdateObject(command) => self.update(command),
            Command::Abort { blob } => self.abort(blob),
            Command::RaiseFence { millis } => {
                if *millis > self.time / 1000 {
                    return Err(ErrorKind::Invalid);
                }
                self.fence = self.fence.max(*millis);
                Ok(Answer::Fence { millis: self.fence })
            }
            Command::StagePage(command) => self.stage(command),
            Command::Truncate(command) => self.truncate(command),
            Command::Drain(command) => self.drain(command),
            Command::Purge(command) => self.purge(command),
            Command::Flush(command) => self.flush(command),
            Command::Expire(command) => self.expire_versions(command),
            Command::SetFrozen(command) => self.set_frozen(command),
            // What is counted each time is never wrong.
            Command::CorrectCounters(command) => {
                self.container(&command.container)?;
                Ok(Answer::Done)
            }
            Command::RefreshContainer { account, container } => {
                let found = self.container(&ContainerId::of(account, container)).is_ok();
                Ok(Answer::ContainerRefreshed { exists: found })
            }
            Command::CreateSnapshot(command) => self.create_snapshot(index, command),
            Command::ImportVersion(command) => self.import(command),
            Command::DropImported(command) => {
                self.target(&command.container, Some(command.job))?;
                for (name, version) in &command.versions {
                    self.remove(&command.container, name, |v| v.version == *version);
                }
                Ok(Answer::Done)
            }
            Command::PublishSnapshot(command) => {
                if let Ok(container) = self.container(&command.container)
                    && container.job() == Some(command.job)
                {
                    return Ok(Answer::Done);
                }
                let container = self.target(&command.container, Some(command.job))?;
                if (container.count(), container.bytes()) != (command.objects, command.bytes) {
                    return Err(ErrorKind::Conflict);
                }
                container.hidden = false;
                container.frozen = Frozen::Forever;
                Ok(Answer::Done)
            }
            Command::DiscardSnapshot(command) => {
                self.target(&command.container, command.job)?;
                let answer = self.empty(&command.container, 1000);
                if let Answer::Flushed { complete: true, .. } = answer {
                    self.containers.remove(&command.container);
                }
                Ok(answer)
            }
            other => panic!("{other:?}"),
        }
    }

    fn container(&mut self, id: &ContainerId) -> Result<&mut Container, ErrorKind> {
        self.containers.get_mut(id).filter(|c| !c.hidden).ok_or(ErrorKind::NotFound)
    }

    fn writable(&mut self, id: &ContainerId) -> Result<&mut Container, ErrorKind> {
        let now = self.time;
        let container = self.container(id)?;
        match container.frozen {
            Frozen::Lease { until, .. } if until > now => Err(ErrorKind::Unavailable),
            Frozen::Forever => Err(ErrorKind::Conflict),
            _ => Ok(container),
        }
    }

    fn target(
        &mut self,
        id: &ContainerId,
        job: Option<JobId>,
    ) -> Result<&mut Container, ErrorKind> {
        let found = self.containers.get_mut(id).filter(|c| c.hidden).ok_or(ErrorKind::NotFound)?;
        match job.is_some() && found.job() != job {
            true => Err(ErrorKind::Conflict),
            false => Ok(found),
        }
    }

    fn latest(&mut self, id: &ContainerId, name: &ObjectName) -> Result<Option<Stored>, ErrorKind> {
        let versions = self.container(id)?.objects.get(name);
        Ok(versions.and_then(|versions| versions.first()).cloned())
    }

    fn next_version(&mut self) -> Version {
        self.last_version = (self.last_version + 10).max(self.time.div_ceil(10) * 10);
        Version(self.last_version)
    }

    /// Blobs that belong to some version, with it.
    pub(super) fn owned(&self) -> BTreeMap<BlobId, (ContainerId, Version)> {
        let mut owned = BTreeMap::new();
        for (id, container) in &self.containers {
            for stored in container.objects.values().flatten() {
                owned.extend(stored.blobs().into_iter().map(|b| (b, (*id, stored.version))));
            }
        }
        owned
    }

    fn is_open(&self, blob: &BlobId) -> bool {
        !self.barred.keys().any(|(_, b)| b == blob) && !self.owned().contains_key(blob)
    }

    fn check_content(&mut self, id: &ContainerId, content: ContentId) -> Result<(), ErrorKind> {
        let container = self.containers.get(id).ok_or(ErrorKind::NotFound)?;
        match container.versions().any(|v| v.content == content) {
            true => Err(ErrorKind::Conflict),
            false => Ok(()),
        }
    }

    /// Puts a version where it belongs among those of its name.
    fn insert(&mut self, id: &ContainerId, name: &ObjectName, stored: Stored) {
        let Some(container) = self.containers.get_mut(id) else { return };
        let versions = container.objects.entry(name.clone()).or_default();
        versions.push(stored);
        versions.sort_by_key(|v| std::cmp::Reverse(v.version));
    }

    fn remove_latest(&mut self, id: &ContainerId, name: &ObjectName) {
        if let Ok(Some(latest)) = self.latest(id, name) {
            self.remove(id, name, |stored| stored.version == latest.version);
        }
    }

    /// Removes the versions that a test picks.
    fn remove(&mut self, id: &ContainerId, name: &ObjectName, pick: impl Fn(&Stored) -> bool) {
        let Some(container) = self.containers.get_mut(id) else { return };
        let Some(versions) = container.objects.get_mut(name) else { return };
        let (gone, kept) = versions.drain(..).partition(pick);
        *versions = kept;
        if versions.is_empty() {
            container.objects.remove(name);
        }
        let gone: Vec<Stored> = gone;
        for stored in gone {
            self.barred.extend(stored.blobs().into_iter().map(|b| ((self.time, b), true)));
            self.doomed.extend(chunks_of(&stored.extents));
        }
    }

    fn update(&mut self, command: &UpdateObject) -> Outcome {
        self.writable(&command.container)?;
        let (name, version) = (&command.object, command.version);
        let stored = self.live(&command.container, name, version, &command.precondition)?;
        let PropertyChanges { clear, remove, set } = &command.properties;
        if *clear {
            stored.properties.clear();
        }
        stored.properties.retain(|key, _| !remove.contains(key));
        stored.properties.extend(set.clone());
        stored.delete_at = command.delete_at.unwrap_or(stored.delete_at);
        stored.mime_type = command.mime_type.clone().unwrap_or(stored.mime_type.clone());
        Ok(Answer::Done)
    }

    fn live(
        &mut self,
        id: &ContainerId,
        name: &ObjectName,
        version: Option<Version>,
        condition: &Precondition,
    ) -> Result<&mut Stored, ErrorKind> {
        let latest = self.latest(id, name)?;
        check(condition, latest.as_ref(), self.time)?;
        let wanted = version.or(latest.map(|v| v.version)).ok_or(ErrorKind::NotFound)?;
        let found = self.container(id)?.find(name, wanted);
        found.filter(|v| !v.is_marker()).ok_or(ErrorKind::NotFound)
    }
}

fn marker(version: Version, created: u64) -> Stored {
    Stored {
        version,
        kind: Kind::Marker,
        blob: BlobId::NONE,
        content: ContentId([0; 16]),
        size: 0,
        hash: None,
        created,
        mime_type: String::new(),
        delete_at: None,
        properties: Properties::new(),
        extents: Vec::new(),
    }
}

/// The answer to who brought extents into a version.
fn committed(stored: &Stored, extents: &[Extent]) -> Answer {
    let rows = || extents.iter().flat_map(|e| &e.metachunks);
    Answer::Committed {
        version: stored.version,
        content: stored.content,
        size: stored.size,
        tolerance: rows().map(|row| row.durable() as u32 - 2).min().unwrap_or(32),
        dropped: rows().map(|row| 4 - row.durable() as u32).sum(),
    }
}

fn check(condition: &Precondition, latest: Option<&Stored>, now: u64) -> Result<(), ErrorKind> {
    let live = latest.filter(|v| !v.is_marker());
    let met = match condition {
        Precondition::None => true,
        Precondition::Absent => {
            live.and_then(|v| v.delete_at).map_or(live.is_none(), |at| at * 1_000_000 <= now)
        }
        Precondition::Version(version) => latest.is_some_and(|v| v.version == *version),
        Precondition::Etag(tag) => {
            live.and_then(|v| v.hash).is_some_and(|hash| hash.to_string() == *tag)
        }
    };
    if met { Ok(()) } else { Err(ErrorKind::Precondition) }
}
