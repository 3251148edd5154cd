//! A partition as anybody would write it who had all the memory and time there is: plain maps,
//! every rule in one place, nothing kept up to date that can be computed.

use super::harness::{DAY, chunks_of, extent_of, id};
use crate::{
    Answer, Command, Commit, CommitExtent, CommitMode, CreateSnapshot, DeleteObject, Drain, Flush,
    ImportBody, ImportVersion, PropertyChanges, Purge, PurgeCursor, Rows, SetFrozen, StagePage,
    Truncate, UpdateObject, machine,
};
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
            Command::SetFrozen(command) => self.set_frozen(command),
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
            Frozen::Forever => Err(ErrorKind::Unavailable),
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

    fn abort(&mut self, blob: &BlobId) -> Outcome {
        if self.owned().contains_key(blob) {
            return Err(ErrorKind::Conflict);
        }
        match self.barred.iter().find(|((_, b), _)| b == blob) {
            Some((_, true)) => return Err(ErrorKind::Conflict),
            Some(_) => {}
            None => {
                self.barred.insert((self.time, *blob), false);
                self.staged.remove(blob);
            }
        }
        Ok(Answer::Done)
    }

    fn stage(&mut self, command: &StagePage) -> Outcome {
        let hidden = self.containers.get(&command.container).is_some_and(|c| c.hidden);
        let container = match hidden {
            true => self.target(&command.container, None)?,
            false => self.writable(&command.container)?,
        };
        if container.incarnation != command.incarnation {
            return Err(ErrorKind::Conflict);
        }
        self.check_rows(&command.rows)?;
        if !self.is_open(&command.blob) {
            return Err(ErrorKind::Conflict);
        }
        let new = Staged { at: self.time, pages: Vec::new() };
        let staged = self.staged.entry(command.blob).or_insert(new);
        if let Some(there) = staged.pages.get(command.page as usize) {
            return if *there == command.rows {
                Ok(Answer::Done)
            } else {
                Err(ErrorKind::Conflict)
            };
        }
        let ended = staged.pages.last().is_some_and(|page| page.len() < 256);
        if ended || command.page as usize != staged.pages.len() {
            return Err(ErrorKind::Conflict);
        }
        staged.pages.push(command.rows.clone());
        Ok(Answer::Done)
    }

    fn check_rows(&self, rows: &[Metachunk]) -> Result<(), ErrorKind> {
        if rows.is_empty() {
            return Err(ErrorKind::Invalid);
        }
        if rows.iter().any(|row| row.durable() < 3) {
            return Err(ErrorKind::Unavailable);
        }
        match rows.iter().any(|row| row.write.millis() < self.fence) {
            true => Err(ErrorKind::Conflict),
            false => Ok(()),
        }
    }

    /// The extents of a command, with the rows that were staged for them.
    fn extents(&self, named: &[CommitExtent]) -> Result<Vec<Extent>, ErrorKind> {
        let mut extents = Vec::<Extent>::new();
        let mut inline = 0;
        for named in named {
            if extents.iter().any(|e| e.blob == named.blob) {
                return Err(ErrorKind::Invalid);
            }
            let rows = match &named.rows {
                Rows::Inline(rows) => {
                    inline += rows.len();
                    rows.clone()
                }
                Rows::Staged(count) => {
                    let staged = self.staged.get(&named.blob).ok_or(ErrorKind::Conflict)?;
                    let rows = staged.pages.concat();
                    if rows.len() as u32 != *count {
                        return Err(ErrorKind::Conflict);
                    }
                    rows
                }
            };
            self.check_rows(&rows)?;
            if !self.is_open(&named.blob) {
                return Err(ErrorKind::Conflict);
            }
            let named = CommitExtent { rows: Rows::Inline(rows), ..named.clone() };
            extents.push(extent_of(&named));
        }
        if inline > 32 { Err(ErrorKind::Invalid) } else { Ok(extents) }
    }

    fn commit(&mut self, command: &Commit) -> Outcome {
        if self.writable(&command.container)?.incarnation != command.incarnation {
            return Err(ErrorKind::Conflict);
        }
        let extents = self.extents(&command.extents)?;
        if extents.first().is_some_and(|e| e.blob != command.blob) {
            return Err(ErrorKind::Invalid);
        }
        if extents.is_empty() && !self.is_open(&command.blob) {
            return Err(ErrorKind::Conflict);
        }
        if extents.iter().map(Extent::length).sum::<u64>() != command.size {
            return Err(ErrorKind::Invalid);
        }
        let latest = self.latest(&command.container, &command.object)?;
        check(&command.precondition, latest.as_ref())?;
        let container = self.container(&command.container)?.clone();
        let live = latest.filter(|v| !v.is_marker());
        if let (CommitMode::Append, Some(live)) = (command.mode, &live) {
            self.append(command, live, &extents)?;
        } else {
            if container.versioning == Versioning::Disabled && live.is_some() {
                return Err(ErrorKind::AlreadyExists);
            }
            self.check_content(&command.container, command.content.unwrap_or(command.blob.into()))?;
            self.create(command, &container, &extents);
        }
        for extent in &extents {
            self.staged.remove(&extent.blob);
        }
        let after = self.container(&command.container)?;
        let (bytes, before) = (after.bytes(), container.bytes());
        if bytes > before && container.quota.is_some_and(|quota| bytes > quota) {
            return Err(ErrorKind::Exhausted);
        }
        let made = &after.objects[&command.object][0];
        Ok(committed(made, &extents))
    }

    fn create(&mut self, command: &Commit, container: &Container, extents: &[Extent]) {
        let version = self.next_version();
        if container.versioning == Versioning::Suspended {
            self.remove_latest(&command.container, &command.object);
        }
        let stored = Stored {
            version,
            kind: Kind::Content,
            blob: command.blob,
            content: command.content.unwrap_or(command.blob.into()),
            size: command.size,
            hash: command.hash,
            created: self.time,
            properties: command.properties.clone(),
            extents: extents.to_vec(),
        };
        self.insert(&command.container, &command.object, stored);
    }

    fn append(
        &mut self,
        command: &Commit,
        live: &Stored,
        extents: &[Extent],
    ) -> Result<(), ErrorKind> {
        if live.kind == Kind::Drained {
            return Err(ErrorKind::Drained);
        }
        if command.content.is_some_and(|content| content != live.content) {
            return Err(ErrorKind::Conflict);
        }
        if extents.is_empty() {
            self.barred.insert((self.time, command.blob), true);
        }
        let container = self.container(&command.container)?;
        let stored = container.find(&command.object, live.version).ok_or(ErrorKind::Internal)?;
        if !extents.is_empty() {
            stored.hash = command.hash.filter(|_| stored.size == 0);
        }
        stored.size += command.size;
        stored.extents.extend(extents.iter().cloned());
        stored.properties.extend(command.properties.clone());
        Ok(())
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

    fn delete(&mut self, command: &DeleteObject) -> Outcome {
        let (id, name) = (&command.container, &command.object);
        self.writable(id)?;
        let latest = self.latest(id, name)?;
        check(&command.precondition, latest.as_ref())?;
        let latest = latest.ok_or(ErrorKind::NotFound)?;
        if let Some(version) = command.version {
            self.container(id)?.find(name, version).ok_or(ErrorKind::NotFound)?;
            self.remove(id, name, |stored| stored.version == version);
            return Ok(Answer::ObjectDeleted { version, marker: false });
        }
        if !self.container(id)?.versioning.keeps_versions() {
            self.remove_latest(id, name);
            if self.latest(id, name)?.is_none() {
                return Ok(Answer::ObjectDeleted { version: latest.version, marker: false });
            }
        }
        let version = self.next_version();
        self.insert(id, name, marker(version, self.time));
        Ok(Answer::ObjectDeleted { version, marker: true })
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
        check(condition, latest.as_ref())?;
        let wanted = version.or(latest.map(|v| v.version)).ok_or(ErrorKind::NotFound)?;
        let found = self.container(id)?.find(name, wanted);
        found.filter(|v| !v.is_marker()).ok_or(ErrorKind::NotFound)
    }

    fn truncate(&mut self, command: &Truncate) -> Outcome {
        let (id, name) = (&command.container, &command.object);
        if self.writable(id)?.incarnation != command.incarnation {
            return Err(ErrorKind::Conflict);
        }
        let mut stored = self.live(id, name, command.version, &Precondition::None)?.clone();
        if stored.kind == Kind::Drained {
            return Err(ErrorKind::Drained);
        }
        if command.size > stored.size {
            return Err(ErrorKind::Invalid);
        }
        let blobs: Vec<_> = stored.extents.iter().map(|e| e.blob).collect();
        if (command.expected_size, &command.expected_blobs) != (stored.size, &blobs) {
            return Err(ErrorKind::Conflict);
        }
        let tail = self.extents(command.tail.as_slice())?;
        let (keep, rows) = (command.keep_extents as usize, command.keep_rows as usize);
        let last = keep.checked_sub(1).map(|last| stored.extents.get(last));
        match last {
            None if rows == 0 => {}
            Some(Some(last)) if (1..=last.metachunks.len()).contains(&rows) => {}
            _ => return Err(ErrorKind::Invalid),
        }
        let before = stored.clone();
        stored.extents.truncate(keep);
        if let Some(last) = stored.extents.last_mut() {
            last.metachunks.truncate(rows);
        }
        stored.extents.extend(tail.clone());
        if stored.extents.iter().map(Extent::length).sum::<u64>() != command.size {
            return Err(ErrorKind::Invalid);
        }
        if command.size != before.size || command.tail.is_some() {
            stored.hash = None;
        }
        stored.size = command.size;
        let left: BTreeSet<_> = chunks_of(&stored.extents).into_iter().collect();
        let gone = chunks_of(&before.extents).into_iter().filter(|chunk| !left.contains(chunk));
        self.doomed.extend(gone);
        let freed = &before.blobs() - &stored.blobs();
        self.barred.extend(freed.into_iter().map(|b| ((self.time, b), true)));
        tail.iter().for_each(|e| drop(self.staged.remove(&e.blob)));
        let there = self.container(id)?.find(name, stored.version).ok_or(ErrorKind::Internal)?;
        *there = stored.clone();
        Ok(committed(&stored, &tail))
    }

    fn drain(&mut self, command: &Drain) -> Outcome {
        self.writable(&command.container)?;
        let (name, version) = (&command.object, command.version);
        let stored = self.live(&command.container, name, version, &command.precondition)?;
        let before = stored.clone();
        stored.kind = Kind::Drained;
        stored.extents.clear();
        let freed = &before.blobs() - &stored.blobs();
        self.barred.extend(freed.into_iter().map(|b| ((self.time, b), true)));
        self.doomed.extend(chunks_of(&before.extents));
        Ok(Answer::Done)
    }

    fn purge(&mut self, command: &Purge) -> Outcome {
        let id = &command.container;
        let all = self.writable(id)?.all();
        let is_behind = |name: &ObjectName, version: Version| match &command.after {
            None => true,
            Some(PurgeCursor { object, version: None, .. }) => name >= object,
            Some(PurgeCursor { object, version: Some(at), .. }) => {
                name > object || (name == object && version < *at)
            }
        };
        let (mut versions, mut markers) = (0, 0);
        let mut at = command.after.clone();
        let mut next = None;
        for (name, stored) in all {
            let asked = command.object.as_ref().is_none_or(|object| *object == name);
            if !asked || !is_behind(&name, stored.version) {
                continue;
            }
            if versions + markers >= command.limit {
                next = at;
                break;
            }
            // It was removed with its whole object.
            if self.container(id)?.find(&name, stored.version).is_none() {
                continue;
            }
            let within = at.take().filter(|at| at.object == name && at.version.is_some());
            let expired = command.markers_before.is_some_and(|t| stored.created < t);
            if within.is_none() && stored.is_marker() && expired {
                // The oldest first, so that nothing shows through.
                let mut whole = self.container(id)?.objects[&name].clone();
                while let Some(oldest) = whole.pop() {
                    if versions + markers >= command.limit {
                        next = Some(PurgeCursor { object: name, version: None, kept: 0 });
                        return Ok(Answer::Purged { versions, markers, next });
                    }
                    *if oldest.is_marker() { &mut markers } else { &mut versions } += 1;
                    self.remove(id, &name, |v| v.version == oldest.version);
                }
                at = Some(PurgeCursor { object: name, version: Some(Version(0)), kept: 0 });
                continue;
            }
            let mut kept = within.map_or(0, |at| at.kept);
            if !stored.is_marker() {
                if kept < command.keep.max(1) {
                    kept += 1;
                } else {
                    versions += 1;
                    self.remove(id, &name, |v| v.version == stored.version);
                }
            }
            at = Some(PurgeCursor { object: name, version: Some(stored.version), kept });
        }
        Ok(Answer::Purged { versions, markers, next })
    }

    fn flush(&mut self, command: &Flush) -> Outcome {
        if self.writable(&command.container)?.incarnation != command.incarnation {
            return Err(ErrorKind::Conflict);
        }
        Ok(self.empty(&command.container, command.limit as usize))
    }

    /// Removes the last of all versions.
    fn empty(&mut self, id: &ContainerId, limit: usize) -> Answer {
        let all = self.containers[id].all();
        let (mut versions, mut markers) = (0, 0);
        for (name, stored) in all.iter().rev().take(limit) {
            *if stored.is_marker() { &mut markers } else { &mut versions } += 1;
            self.remove(id, name, |v| v.version == stored.version);
        }
        Answer::Flushed { versions, markers, complete: all.len() <= limit }
    }

    fn set_frozen(&mut self, command: &SetFrozen) -> Outcome {
        let now = self.time;
        let container = self.container(&command.container)?;
        let mut job = command.job;
        if let Frozen::Lease { job: taker, until } = command.frozen {
            if until <= now || until > now + 3600 * 1_000_000 {
                return Err(ErrorKind::Invalid);
            }
            job = Some(taker);
        }
        match (job, container.frozen) {
            (Some(_), Frozen::Forever) => return Err(ErrorKind::Conflict),
            (Some(job), Frozen::Lease { job: holder, until }) if until > now && holder != job => {
                return Err(ErrorKind::Unavailable);
            }
            _ => container.frozen = command.frozen,
        }
        Ok(Answer::Done)
    }

    fn create_snapshot(&mut self, index: u64, command: &CreateSnapshot) -> Outcome {
        let id = id(command.account.as_str(), command.container.as_str());
        if id == command.source {
            return Err(ErrorKind::Invalid);
        }
        let snapshot = Some((command.source, command.source_incarnation, command.job));
        if let Ok(there) = self.container(&id) {
            let incarnation = there.incarnation;
            return match there.snapshot == snapshot {
                true => Ok(Answer::SnapshotTarget { incarnation, published: true }),
                false => Err(ErrorKind::AlreadyExists),
            };
        }
        let container = self.containers.entry(id).or_insert(Container {
            name: command.container.to_string(),
            incarnation: index,
            versioning: command.versioning,
            quota: command.quota,
            frozen: Frozen::No,
            snapshot,
            hidden: true,
            objects: BTreeMap::new(),
        });
        (container.versioning, container.quota) = (command.versioning, command.quota);
        container.snapshot = snapshot;
        Ok(Answer::SnapshotTarget { incarnation: container.incarnation, published: false })
    }

    fn import(&mut self, command: &ImportVersion) -> Outcome {
        let (id, name, version) = (&command.container, &command.object, command.version);
        let there = self.target(id, Some(command.job))?.find(name, version).is_some();
        if there {
            return Err(ErrorKind::AlreadyExists);
        }
        if version.0 > self.time.max(self.last_version) + DAY {
            return Err(ErrorKind::Invalid);
        }
        self.last_version = self.last_version.max(version.0);
        let ImportBody::Content { content, blob, size, hash, extents, .. } = &command.body else {
            self.insert(id, name, marker(version, command.created));
            return Ok(Answer::Done);
        };
        let drained = extents.is_none();
        let extents = self.extents(extents.as_deref().unwrap_or_default())?;
        if extents.first().is_some_and(|e| e.blob != *blob) {
            return Err(ErrorKind::Invalid);
        }
        if extents.is_empty() && !self.is_open(blob) {
            return Err(ErrorKind::Conflict);
        }
        if !drained && extents.iter().map(Extent::length).sum::<u64>() != *size {
            return Err(ErrorKind::Invalid);
        }
        self.check_content(id, *content)?;
        extents.iter().for_each(|e| drop(self.staged.remove(&e.blob)));
        let stored = Stored {
            version,
            kind: if drained { Kind::Drained } else { Kind::Content },
            blob: *blob,
            content: *content,
            size: *size,
            hash: *hash,
            created: command.created,
            properties: command.properties.clone(),
            extents,
        };
        self.insert(id, name, stored);
        Ok(Answer::Done)
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

fn check(condition: &Precondition, latest: Option<&Stored>) -> Result<(), ErrorKind> {
    let live = latest.filter(|v| !v.is_marker());
    let met = match condition {
        Precondition::None => true,
        Precondition::Absent => live.is_none(),
        Precondition::Version(version) => latest.is_some_and(|v| v.version == *version),
        Precondition::Etag(tag) => {
            live.and_then(|v| v.hash).is_some_and(|hash| hash.to_string() == *tag)
        }
    };
    if met { Ok(()) } else { Err(ErrorKind::Precondition) }
}
