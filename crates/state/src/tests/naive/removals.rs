//! Contents that go: deletes, truncations, drains, purges, flushes.

use super::super::harness::chunks_of;
use super::{Kind, Naive, Outcome, Stored, check, committed, marker};
use crate::{Answer, DeleteObject, Drain, Expire, Flush, Purge, PurgeCursor, Truncate};
use model::{ContainerId, ErrorKind, Extent, ObjectName, Precondition, Version};
use std::collections::BTreeSet;

impl Naive {
    pub(super) fn delete(&mut self, command: &DeleteObject) -> Outcome {
        let (id, name) = (&command.container, &command.object);
        self.writable(id)?;
        let latest = self.latest(id, name)?;
        check(&command.precondition, latest.as_ref(), self.time)?;
        let keeps = self.container(id)?.versioning.keeps_versions();
        if latest.is_none() && (command.version.is_some() || !keeps || command.missing.is_none()) {
            return Err(ErrorKind::NotFound);
        }
        if let Some(version) = command.version {
            self.container(id)?.find(name, version).ok_or(ErrorKind::NotFound)?;
            self.remove(id, name, |stored| stored.version == version);
            return Ok(Answer::ObjectDeleted { version, marker: false });
        }
        if let Some(latest) = latest.filter(|_| !keeps) {
            self.remove_latest(id, name);
            if self.latest(id, name)?.is_none() {
                return Ok(Answer::ObjectDeleted { version: latest.version, marker: false });
            }
        }
        let version = self.next_version();
        let delete_at = command.silent.then_some(self.time / 1_000_000);
        self.insert(id, name, Stored { delete_at, ..marker(version, self.time) });
        Ok(Answer::ObjectDeleted { version, marker: true })
    }

    pub(super) fn expire_versions(&mut self, command: &Expire) -> Outcome {
        let id = &command.container;
        self.writable(id)?;
        let mut versions = 0;
        for (name, version) in &command.versions {
            if !self.due().contains(&(*id, name.clone(), *version)) {
                continue;
            }
            let latest = self.containers[id].objects[name][0].version == *version;
            let delete_at = self.containers[id].objects[name][0].delete_at;
            self.remove(id, name, |v| v.version == *version);
            versions += 1;
            let shown = self.containers[id].objects.get(name).map(|v| v[0].kind.clone());
            if latest && shown.is_some_and(|kind| kind != Kind::Marker) {
                let version = self.next_version();
                self.insert(id, name, Stored { delete_at, ..marker(version, self.time) });
            }
        }
        Ok(Answer::Expired { versions, looked_at: command.versions.len() as u32 })
    }

    pub(super) fn truncate(&mut self, command: &Truncate) -> Outcome {
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

    pub(super) fn drain(&mut self, command: &Drain) -> Outcome {
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

    pub(super) fn purge(&mut self, command: &Purge) -> Outcome {
        let id = &command.container;
        let all = self.writable(id)?.all();
        if let (Some(object), None) = (&command.object, &command.after)
            && !all.iter().any(|(name, _)| name == object)
        {
            return Err(ErrorKind::NotFound);
        }
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

    pub(super) fn flush(&mut self, command: &Flush) -> Outcome {
        if self.writable(&command.container)?.incarnation != command.incarnation {
            return Err(ErrorKind::Conflict);
        }
        Ok(self.empty(&command.container, command.limit as usize))
    }

    /// Removes the last of all versions.
    pub(super) fn empty(&mut self, id: &ContainerId, limit: usize) -> Answer {
        let all = self.containers[id].all();
        let (mut versions, mut markers) = (0, 0);
        for (name, stored) in all.iter().rev().take(limit) {
            *if stored.is_marker() { &mut markers } else { &mut versions } += 1;
            self.remove(id, name, |v| v.version == stored.version);
        }
        Answer::Flushed { versions, markers, complete: all.len() <= limit }
    }
}
