//! A partition as anybody would write it who had all the memory and time there is: plain maps,
//! every rule in one place, nothing kept up to date that can be computed.

use super::harness::{DAY, extents_of, id};
use crate::{Answer, Command, Commit, DeleteObject, PropertyChanges, UpdateObject, machine};
use model::{
    BlobId, ContainerId, ErrorKind, Extent, ObjectName, Precondition, Properties, RequestId,
    Version, Versioning,
};
use std::collections::{BTreeMap, VecDeque};

pub(super) type Outcome = Result<Answer, ErrorKind>;

#[derive(Clone)]
pub(super) struct Stored {
    pub(super) version: Version,
    pub(super) marker: bool,
    pub(super) blob: BlobId,
    pub(super) size: u64,
    pub(super) properties: Properties,
    pub(super) extent: Option<Extent>,
}

#[derive(Clone)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) incarnation: u64,
    versioning: Versioning,
    quota: Option<u64>,
    /// Newest first.
    pub(super) objects: BTreeMap<ObjectName, Vec<Stored>>,
}

impl Container {
    fn versions(&self) -> impl Iterator<Item = &Stored> {
        self.objects.values().flatten().filter(|v| !v.marker)
    }

    pub(super) fn count(&self) -> u64 {
        self.versions().count() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.versions().map(|v| v.size).sum()
    }
}

#[derive(Clone, Default)]
pub(super) struct Naive {
    pub(super) time: u64,
    last_version: u64,
    fence: u64,
    pub(super) containers: BTreeMap<ContainerId, Container>,
    /// Blobs that were committed.
    pub(super) live: BTreeMap<BlobId, Version>,
    /// Blobs that may not be: since when, and whether they had been.
    barred: VecDeque<(u64, BlobId, bool)>,
    answers: VecDeque<(u64, RequestId, Outcome)>,
    /// Extents whose chunks must go.
    pub(super) doomed: Vec<Extent>,
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
            if self.barred.front().is_some_and(|(at, ..)| at + 3 * DAY <= self.time) {
                self.barred.pop_front();
                self.fence = self.fence.max((self.time - 2 * DAY) / 1000);
            }
        }
    }

    fn execute(&mut self, index: u64, command: &Command) -> Outcome {
        match command {
            Command::CreateContainer(command) => {
                let id = id(command.account.as_str(), command.container.as_str());
                let created = !self.containers.contains_key(&id);
                self.containers.entry(id).or_insert(Container {
                    name: command.container.to_string(),
                    incarnation: index,
                    versioning: command.versioning,
                    quota: command.quota,
                    objects: BTreeMap::new(),
                });
                Ok(Answer::Created { created })
            }
            Command::UpdateContainer(command) => {
                let container = self.container(&command.container)?;
                container.versioning = command.versioning.unwrap_or(container.versioning);
                container.quota = command.quota.unwrap_or(container.quota);
                Ok(Answer::Done)
            }
            Command::DeleteContainer { container } => {
                if self.container(container)?.count() > 0 {
                    return Err(ErrorKind::Conflict);
                }
                self.containers.remove(container);
                Ok(Answer::ContainerDeleted { complete: true })
            }
            Command::Commit(command) => self.commit(command),
            Command::DeleteObject(command) => self.delete(command),
            Command::UpdateObject(command) => self.update(command),
            Command::Abort { blob } => {
                if self.live.contains_key(blob) {
                    return Err(ErrorKind::Conflict);
                }
                match self.barred.iter().find(|(_, b, _)| b == blob) {
                    Some((_, _, true)) => return Err(ErrorKind::Conflict),
                    Some(_) => {}
                    None => self.barred.push_back((self.time, *blob, false)),
                }
                Ok(Answer::Done)
            }
            Command::RaiseFence { millis } => {
                if *millis > self.time / 1000 {
                    return Err(ErrorKind::Invalid);
                }
                self.fence = self.fence.max(*millis);
                Ok(Answer::Fence { millis: self.fence })
            }
            other => panic!("{other:?}"),
        }
    }

    fn container(&mut self, id: &ContainerId) -> Result<&mut Container, ErrorKind> {
        self.containers.get_mut(id).ok_or(ErrorKind::NotFound)
    }

    fn latest(&mut self, id: &ContainerId, name: &ObjectName) -> Result<Option<Stored>, ErrorKind> {
        let versions = self.container(id)?.objects.get(name);
        Ok(versions.and_then(|versions| versions.first()).cloned())
    }

    fn next_version(&mut self) -> Version {
        self.last_version = (self.last_version + 10).max(self.time.div_ceil(10) * 10);
        Version(self.last_version)
    }

    fn commit(&mut self, command: &Commit) -> Outcome {
        if self.container(&command.container)?.incarnation != command.incarnation {
            return Err(ErrorKind::Conflict);
        }
        let extents = extents_of(command);
        let rows = || extents.iter().flat_map(|e| &e.metachunks);
        if rows().any(|row| row.durable() < 3) {
            return Err(ErrorKind::Unavailable);
        }
        let barred = self.barred.iter().any(|(_, blob, _)| *blob == command.blob);
        let old = rows().any(|row| row.write.millis() < self.fence);
        if old || barred || self.live.contains_key(&command.blob) {
            return Err(ErrorKind::Conflict);
        }
        let latest = self.latest(&command.container, &command.object)?;
        check(&command.precondition, latest.as_ref())?;
        let container = self.container(&command.container)?.clone();
        if container.versioning == Versioning::Disabled && latest.is_some_and(|v| !v.marker) {
            return Err(ErrorKind::AlreadyExists);
        }
        let version = self.next_version();
        if container.versioning == Versioning::Suspended {
            self.remove(&command.container, &command.object, |_| true);
        }
        self.live.insert(command.blob, version);
        let after = self.container(&command.container)?;
        after.objects.entry(command.object.clone()).or_default().insert(
            0,
            Stored {
                version,
                marker: false,
                blob: command.blob,
                size: command.size,
                properties: command.properties.clone(),
                extent: extents.first().cloned(),
            },
        );
        let (bytes, before) = (after.bytes(), container.bytes());
        if bytes > before && container.quota.is_some_and(|quota| bytes > quota) {
            return Err(ErrorKind::Exhausted);
        }
        let tolerance = rows().map(|row| row.durable() as u32 - 2).min().unwrap_or(32);
        let dropped = rows().map(|row| 4 - row.durable() as u32).sum();
        let content = command.blob.into();
        Ok(Answer::Committed { version, content, size: command.size, tolerance, dropped })
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
        for stored in gone.into_iter().filter(|stored| !stored.marker) {
            self.live.remove(&stored.blob);
            self.barred.push_back((self.time, stored.blob, true));
            self.doomed.extend(stored.extent);
        }
    }

    fn delete(&mut self, command: &DeleteObject) -> Outcome {
        let (id, name) = (&command.container, &command.object);
        let latest = self.latest(id, name)?;
        check(&command.precondition, latest.as_ref())?;
        let latest = latest.ok_or(ErrorKind::NotFound)?;
        if let Some(version) = command.version {
            if !self.container(id)?.objects[name].iter().any(|v| v.version == version) {
                return Err(ErrorKind::NotFound);
            }
            self.remove(id, name, |stored| stored.version == version);
            return Ok(Answer::ObjectDeleted { version, marker: false });
        }
        if !self.container(id)?.versioning.keeps_versions() {
            self.remove(id, name, |_| true);
            return Ok(Answer::ObjectDeleted { version: latest.version, marker: false });
        }
        let version = self.next_version();
        let marker = Stored {
            version,
            marker: true,
            blob: BlobId([0; 16]),
            size: 0,
            properties: Properties::new(),
            extent: None,
        };
        self.container(id)?.objects.entry(name.clone()).or_default().insert(0, marker);
        Ok(Answer::ObjectDeleted { version, marker: true })
    }

    fn update(&mut self, command: &UpdateObject) -> Outcome {
        let latest = self.latest(&command.container, &command.object)?;
        check(&command.precondition, latest.as_ref())?;
        let container = self.container(&command.container)?;
        let versions = container.objects.get_mut(&command.object).ok_or(ErrorKind::NotFound)?;
        let wanted = command.version.unwrap_or(versions[0].version);
        let stored = versions.iter_mut().find(|v| v.version == wanted && !v.marker);
        let stored = stored.ok_or(ErrorKind::NotFound)?;
        let PropertyChanges { clear, remove, set } = &command.properties;
        if *clear {
            stored.properties.clear();
        }
        stored.properties.retain(|key, _| !remove.contains(key));
        stored.properties.extend(set.clone());
        Ok(Answer::Done)
    }
}

fn check(condition: &Precondition, latest: Option<&Stored>) -> Result<(), ErrorKind> {
    let live = latest.is_some_and(|v| !v.marker);
    let met = match condition {
        Precondition::None => true,
        Precondition::Absent => !live,
        Precondition::Version(version) => latest.is_some_and(|v| v.version == *version),
        // All test contents have the same tag.
        Precondition::Etag(tag) => live && *tag == "07".repeat(32),
    };
    if met { Ok(()) } else { Err(ErrorKind::Precondition) }
}
