//! Frozen containers, and snapshots of them.

use super::super::harness::{DAY, id};
use super::{Container, Kind, Naive, Outcome, Stored, marker};
use crate::{Answer, CreateSnapshot, ImportBody, ImportVersion, SetFrozen};
use model::{ErrorKind, Extent, Frozen};
use std::collections::BTreeMap;

impl Naive {
    pub(super) fn set_frozen(&mut self, command: &SetFrozen) -> Outcome {
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

    pub(super) fn create_snapshot(&mut self, index: u64, command: &CreateSnapshot) -> Outcome {
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

    pub(super) fn import(&mut self, command: &ImportVersion) -> Outcome {
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
            let delete_at = command.delete_at;
            self.insert(id, name, Stored { delete_at, ..marker(version, command.created) });
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
            mime_type: command.mime_type.clone(),
            delete_at: command.delete_at,
            properties: command.properties.clone(),
            extents,
        };
        self.insert(id, name, stored);
        Ok(Answer::Done)
    }
}
