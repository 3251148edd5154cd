//! Commands out of random choices and what there is.

use super::{CONTAINERS, Run, Step};
use crate::{
    Command, CommitExtent, CommitMode, CreateSnapshot, DeleteObject, DiscardSnapshot, Drain,
    DropImported, Expire, Flush, ImportBody, ImportVersion, PropertyChanges, PublishSnapshot,
    Purge, PurgeCursor, Rows, SetFrozen, StagePage, Truncate, UpdateContainer, UpdateObject,
    tests::{
        harness::{DAY, EC22, blob, create_container, extent, id, properties},
        naive::{Kind, Stored},
    },
};
use model::{
    BlobId, ContainerId, ContentId, Extent, Frozen, Hash, JobId, ObjectName, Precondition, Version,
    Versioning, WriteId,
};

const VERSIONINGS: [Versioning; 4] =
    [Versioning::Suspended, Versioning::Unlimited, Versioning::Disabled, Versioning::Keep(2)];

impl Run {
    pub(super) fn command(&mut self, step: &Step) -> Command {
        let (account, name) = CONTAINERS[step.container];
        let container = id(account, name);
        let object: ObjectName = ["o", "p", "o/p"][step.object].parse().unwrap();
        let versioning = VERSIONINGS[step.picks[0] % 4];
        let version = self.version(&container, &object, step.picks[1]);
        let precondition = self.condition(&container, &object, step.picks[2]);
        let picks = step.picks;
        match step.kind {
            0..3 => create_container(account, name, versioning),
            3 => Command::DeleteContainer { container },
            4 => Command::UpdateContainer(UpdateContainer {
                container,
                properties: PropertyChanges::default(),
                policy: None,
                versioning: Some(versioning),
                quota: [None, Some(None), Some(Some(5000))][picks[1] % 3],
            }),
            5 => Command::Abort { blob: blob(&container, self.blob(picks[1])) },
            6 => Command::RaiseFence {
                millis: (self.machine.time - picks[1] as u64 * DAY / 20) / 1000,
            },
            7..22 => self.commit(&container, &object, step),
            22..27 => self.stage(&container, step),
            27..34 => Command::DeleteObject(DeleteObject {
                container,
                object,
                version,
                silent: picks[0].is_multiple_of(2),
                missing: picks[1].is_multiple_of(2).then(|| "EC42".parse().unwrap()),
                precondition,
                delete_grace: 1000,
            }),
            34..38 => Command::UpdateObject(UpdateObject {
                container,
                object,
                version,
                precondition,
                properties: PropertyChanges {
                    clear: picks[3].is_multiple_of(5),
                    remove: vec!["k1".into()],
                    set: properties(&[(["k1", "k2"][picks[3] % 2], "v")]),
                },
                mime_type: picks[4].is_multiple_of(3).then(|| "text/html".into()),
                delete_at: picks[4].is_multiple_of(2).then(|| self.delete_at(picks[0])),
            }),
            38..44 => self.truncate(&container, &object, step),
            44 | 45 => Command::Drain(Drain {
                container,
                object,
                version,
                precondition,
                delete_grace: 1000,
            }),
            46..49 => self.purge(&container, &object, step),
            49 => Command::Flush(Flush {
                container,
                incarnation: self.incarnation(&container, picks[1]),
                limit: 1 + picks[0] as u32 % 4,
                delete_grace: 1000,
            }),
            50 | 51 => self.freeze(&container, step),
            64.. => self.expire(&container, step),
            52 => Command::RefreshContainer {
                account: account.parse().unwrap(),
                container: name.parse().unwrap(),
            },
            _ => self.snapshot(&container, &object, step),
        }
    }

    fn commit(&mut self, container: &ContainerId, object: &ObjectName, step: &Step) -> Command {
        let mut commit = self.machine.commit(container, object.as_str(), step.size);
        commit.incarnation = self.incarnation(container, step.picks[1]);
        commit.precondition = self.condition(container, object, step.picks[2]);
        commit.properties = properties(&[(["k0", "k3"][step.object % 2], "v")]);
        commit.mode = match step.picks[4] % 9 {
            0 | 3 | 6 => CommitMode::Append,
            1 => CommitMode::Version,
            2 => CommitMode::Keep,
            _ => CommitMode::Create,
        };
        commit.delete_at = self.delete_at(step.picks[1]);
        if step.picks[4].is_multiple_of(5) {
            commit.content = Some(ContentId([step.picks[3] as u8 % 8; 16]));
        }
        commit.extents = self.extents(container, step);
        commit.size = commit.extents.iter().map(|e| self.length(e)).sum::<u64>()
            + u64::from(step.picks[1] == 59);
        commit.blob = match commit.extents.first() {
            Some(first) if step.picks[1] != 58 => first.blob,
            _ => blob(container, self.blob(step.picks[0])),
        };
        Command::Commit(Box::new(commit))
    }

    /// None for an empty content; otherwise one or two, with few rows, or with those staged.
    fn extents(&mut self, container: &ContainerId, step: &Step) -> Vec<CommitExtent> {
        let mut extents = Vec::new();
        if step.size == 0 {
            return extents;
        }
        let staged: Vec<_> = self.naive.staged.iter().map(|(b, s)| (*b, s.pages.clone())).collect();
        let mut here = staged.into_iter().filter(|(b, _)| b.slot() == container.slot());
        if let Some((blob, pages)) = here.next_back().filter(|_| step.picks[3] > 20) {
            let rows = pages.concat().len() as u32 + u32::from(step.picks[3].is_multiple_of(9));
            let named = CommitExtent::from(extent(blob, 1, 1, 0));
            extents.push(CommitExtent { rows: Rows::Staged(rows), ..named });
        }
        if extents.is_empty() || step.picks[3].is_multiple_of(2) {
            let rows = [1, 2, 16, 30, 33][step.picks[3] % 5].min(step.size);
            extents.push(self.extent(container, step, step.size, rows).into());
        }
        if step.picks[0].is_multiple_of(6) {
            let mut linked = self.extent(container, step, 7, 2);
            linked.origin = BlobId([7; 16]);
            extents.push(linked.into());
        }
        extents
    }

    fn extent(&mut self, container: &ContainerId, step: &Step, size: u64, rows: u64) -> Extent {
        let number = self.blob(step.picks[0]);
        let mut extent = extent(blob(container, number), size, rows, self.machine.time);
        let row = &mut extent.metachunks[0];
        if step.picks[3].is_multiple_of(7) {
            row.volumes[step.picks[2] % 4] = None;
        }
        if step.picks[3].is_multiple_of(21) {
            row.volumes[(step.picks[2] + 1) % 4] = None;
        }
        if step.picks[3].is_multiple_of(11) {
            row.write = WriteId::new((self.machine.time - 2 * DAY) / 1000, 0);
        }
        extent
    }

    fn length(&self, extent: &CommitExtent) -> u64 {
        match &extent.rows {
            Rows::Inline(rows) => rows.iter().map(|row| row.length).sum(),
            Rows::Staged(_) => {
                let staged = self.naive.staged.get(&extent.blob);
                staged.map_or(0, |s| s.pages.iter().flatten().map(|row| row.length).sum())
            }
        }
    }

    /// Mostly the page that comes next, sometimes one of before, or none that can be.
    fn stage(&mut self, container: &ContainerId, step: &Step) -> Command {
        let known = self.naive.staged.keys().filter(|b| b.slot() == container.slot());
        let known = known.copied().last().filter(|_| step.picks[0] > 15);
        let rows = [256, 256, 3, 40][step.picks[3] % 4];
        let mut extent = self.extent(container, step, rows * 5, rows);
        extent.blob = known.unwrap_or(extent.blob);
        let pages = self.naive.staged.get(&extent.blob).map_or(&[][..], |s| &s.pages);
        let mut page = pages.len();
        match step.picks[1] {
            0..4 => page += 1,
            4..8 if page > 0 => page -= 1,
            8..16 if page > 0 => {
                page -= 1;
                extent.metachunks.clone_from(&pages[page]);
            }
            _ => {}
        }
        Command::StagePage(Box::new(StagePage {
            container: *container,
            incarnation: self.incarnation(container, step.picks[2]),
            blob: extent.blob,
            method: EC22,
            chunk_blocks: 16,
            page: page as u32,
            rows: extent.metachunks,
        }))
    }

    /// A cut somewhere in what there is; sometimes a cut of something else.
    fn truncate(&mut self, container: &ContainerId, object: &ObjectName, step: &Step) -> Command {
        let version = self.version(container, object, step.picks[1]);
        let versions = self.stored(container, object);
        let stored = versions.iter().find(|v| version.is_none_or(|version| version == v.version));
        let extents = stored.map_or(Vec::new(), |v| v.extents.clone());
        let mut keep_extents = step.picks[0] % (extents.len() + 1);
        let mut keep_rows = 0;
        let mut kept: u64 =
            extents.iter().take(keep_extents.saturating_sub(1)).map(|e| e.length()).sum();
        let mut cut = extents.first().and_then(|e| e.metachunks.first());
        if let Some(last) = keep_extents.checked_sub(1).and_then(|at| extents.get(at)) {
            keep_rows = 1 + step.picks[3] % last.metachunks.len();
            kept += last.metachunks.iter().take(keep_rows).map(|row| row.length).sum::<u64>();
            cut = last.metachunks.get(keep_rows);
        }
        let bytes = cut.map_or(0, |row| step.size % row.length);
        let tail = (bytes > 0 && step.picks[4] > 20)
            .then(|| self.extent(container, step, bytes, 1 + step.picks[4] as u64 % 2 % bytes));
        let mut truncate = Truncate {
            container: *container,
            incarnation: self.incarnation(container, step.picks[2]),
            object: object.clone(),
            version,
            expected_size: stored_size(&versions, version),
            expected_blobs: extents.iter().map(|e| e.blob).collect(),
            keep_extents: 0,
            keep_rows: 0,
            size: kept + tail.as_ref().map_or(0, Extent::length),
            tail: tail.map(CommitExtent::from),
            delete_grace: 1000,
        };
        match step.picks[4] {
            0 => truncate.size += 1,
            1 => truncate.expected_size += 1,
            2 => drop(truncate.expected_blobs.pop()),
            3 => keep_rows += 1,
            4 => keep_extents += 1,
            5 => truncate.size = u64::MAX,
            _ => {}
        }
        (truncate.keep_extents, truncate.keep_rows) = (keep_extents as u32, keep_rows as u32);
        Command::Truncate(Box::new(truncate))
    }

    fn purge(&mut self, container: &ContainerId, object: &ObjectName, step: &Step) -> Command {
        let picks = step.picks;
        let cursor = PurgeCursor {
            object: object.clone(),
            version: self.version(container, object, picks[1]),
            kept: picks[1] as u32 % 3,
        };
        Command::Purge(Purge {
            container: *container,
            object: picks[0].is_multiple_of(4).then(|| object.clone()),
            keep: picks[2] as u32 % 4,
            markers_before: [None, Some(self.machine.time), Some(self.machine.time - 50)]
                [picks[3] % 3],
            after: picks[0].is_multiple_of(3).then_some(cursor),
            limit: 1 + picks[4] as u32 % 5,
            delete_grace: 1000,
        })
    }

    /// Mostly what is due, sometimes what is not or is not there.
    fn expire(&self, container: &ContainerId, step: &Step) -> Command {
        let due = self.naive.due().into_iter().filter(|(id, ..)| id == container);
        let mut versions: Vec<_> = due.map(|(_, object, version)| (object, version)).collect();
        versions.truncate(1 + step.picks[0] % 4);
        for name in ["o", "p"].map(|name| name.parse::<ObjectName>().unwrap()) {
            let there = self.version(container, &name, step.picks[1]);
            versions.extend(there.map(|version| (name, version)));
        }
        Command::Expire(Expire { container: *container, versions, delete_grace: 1000 })
    }

    /// Never, now, soon, later, or long ago.
    fn delete_at(&self, pick: usize) -> Option<u64> {
        let now = self.machine.time / 1_000_000;
        [None, Some(now), Some(now + 500), Some(now + 86_400), Some(now - 1), None][pick % 6]
    }

    fn freeze(&mut self, container: &ContainerId, step: &Step) -> Command {
        let (job, now) = (JobId([step.picks[1] as u8 % 2; 16]), self.machine.time);
        let until = now + [DAY / 100, DAY / 30, 0][step.picks[2] % 3];
        let frozen = match step.picks[0] {
            0..30 => Frozen::Lease { job, until },
            30..35 => Frozen::Forever,
            _ => Frozen::No,
        };
        let job = step.picks[3].is_multiple_of(2).then_some(job);
        Command::SetFrozen(SetFrozen { container: *container, frozen, job })
    }

    fn snapshot(&mut self, container: &ContainerId, object: &ObjectName, step: &Step) -> Command {
        let picks = step.picks;
        let holder = self.naive.containers.get(container).and_then(|c| c.job());
        let job = holder.filter(|_| picks[0] > 5).unwrap_or(JobId([picks[0] as u8 % 2; 16]));
        let container = *container;
        match step.kind {
            53 | 54 => {
                let (account, name) = CONTAINERS[step.container];
                let (from, source) = CONTAINERS[picks[1] % 3];
                Command::CreateSnapshot(CreateSnapshot {
                    account: account.parse().unwrap(),
                    container: name.parse().unwrap(),
                    source: id(from, source),
                    source_incarnation: 7,
                    job,
                    policy: None,
                    versioning: VERSIONINGS[picks[2] % 4],
                    quota: None,
                    properties: properties(&[("s", "t")]),
                })
            }
            55..61 => self.import(&container, object, job, step),
            61 => Command::DropImported(DropImported {
                container,
                job,
                versions: self
                    .version(&container, object, 29 + picks[1] % 30)
                    .map(|version| (object.clone(), version))
                    .into_iter()
                    .collect(),
                delete_grace: 1000,
            }),
            62 => {
                let there = self.naive.containers.get(&container);
                let there = there.map_or((0, 0), |c| (c.count(), c.bytes()));
                let objects = there.0 + u64::from(picks[1].is_multiple_of(4));
                let bytes = there.1;
                Command::PublishSnapshot(PublishSnapshot { container, job, objects, bytes })
            }
            _ => Command::DiscardSnapshot(DiscardSnapshot {
                container,
                job: picks[1].is_multiple_of(2).then_some(job),
                delete_grace: 1000,
            }),
        }
    }

    fn import(
        &mut self,
        container: &ContainerId,
        object: &ObjectName,
        job: JobId,
        step: &Step,
    ) -> Command {
        let there = self.version(container, object, step.picks[1]);
        let version = there.unwrap_or(Version(self.machine.time + step.picks[2] as u64 * 10));
        let far = if step.picks[2] == 59 { 3 * DAY } else { 0 };
        let extents = self.extents(container, step);
        let size = extents.iter().map(|e| self.length(e)).sum();
        let first = extents.first().map(|e| e.blob);
        let content = ImportBody::Content {
            content: ContentId([step.picks[3] as u8 % 16; 16]),
            blob: first.unwrap_or(blob(container, self.blob(step.picks[0]))),
            size,
            hash: Some(Hash([7; 32])),
            md5: None,
            extents: (!step.picks[4].is_multiple_of(5)).then_some(extents),
        };
        let body = if step.picks[4] < 10 { ImportBody::Marker } else { content };
        Command::ImportVersion(Box::new(ImportVersion {
            container: *container,
            job,
            object: object.clone(),
            version: Version(version.0 + far),
            body,
            created: self.machine.time - 30,
            modified: self.machine.time - 20,
            policy: "EC22".parse().unwrap(),
            mime_type: "text/plain".into(),
            delete_at: self.delete_at(step.picks[2]),
            properties: properties(&[("i", "v")]),
        }))
    }

    /// The container's, or the one before.
    fn incarnation(&self, container: &ContainerId, pick: usize) -> u64 {
        let there = self.naive.containers.get(container).map_or(0, |c| c.incarnation);
        there + u64::from(pick.is_multiple_of(12))
    }

    /// Mostly a new blob's number, sometimes one of before.
    fn blob(&mut self, pick: usize) -> u32 {
        if pick < 8 && self.blobs > 0 {
            return self.blobs - (pick as u32 % self.blobs);
        }
        self.blobs += 1;
        self.blobs
    }

    fn stored(&self, container: &ContainerId, object: &ObjectName) -> Vec<Stored> {
        let container = self.naive.containers.get(container);
        container.and_then(|c| c.objects.get(object)).cloned().unwrap_or_default()
    }

    fn version(
        &self,
        container: &ContainerId,
        object: &ObjectName,
        pick: usize,
    ) -> Option<Version> {
        let versions = self.stored(container, object);
        match pick {
            _ if versions.is_empty() => None,
            0..30 => None,
            30 => Some(Version(10)),
            pick => Some(versions[pick % versions.len()].version),
        }
    }

    fn condition(&self, container: &ContainerId, object: &ObjectName, pick: usize) -> Precondition {
        match pick {
            0..5 => Precondition::Absent,
            5 => Precondition::Etag("08".repeat(32)),
            6..9 => Precondition::Etag("07".repeat(32)),
            9..14 => self
                .version(container, object, 40 + pick)
                .map_or(Precondition::None, Precondition::Version),
            _ => Precondition::None,
        }
    }
}

/// The size of a version, or of the latest.
fn stored_size(versions: &[Stored], version: Option<Version>) -> u64 {
    let found = versions.iter().find(|v| version.is_none_or(|version| version == v.version));
    found.filter(|v| v.kind != Kind::Marker).map_or(0, |v| v.size)
}
