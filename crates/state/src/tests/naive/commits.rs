//! Contents that come in: staged rows, commits, appends.

use super::super::harness::extent_of;
use super::{Container, Kind, Naive, Outcome, Staged, Stored, check, committed};
use crate::{Answer, Commit, CommitExtent, CommitMode, Rows, StagePage};
use model::{BlobId, ErrorKind, Extent, Metachunk, Versioning};

impl Naive {
    pub(super) fn abort(&mut self, blob: &BlobId) -> Outcome {
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

    pub(super) fn stage(&mut self, command: &StagePage) -> Outcome {
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
    pub(super) fn extents(&self, named: &[CommitExtent]) -> Result<Vec<Extent>, ErrorKind> {
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

    pub(super) fn commit(&mut self, command: &Commit) -> Outcome {
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
        let container = self.container(&command.container)?.clone();
        if command.mode == CommitMode::Version && !container.versioning.keeps_versions() {
            return Err(ErrorKind::Conflict);
        }
        let latest = self.latest(&command.container, &command.object)?;
        check(&command.precondition, latest.as_ref(), self.time)?;
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
        if container.versioning == Versioning::Suspended && command.mode != CommitMode::Keep {
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
            mime_type: command.mime_type.clone(),
            delete_at: command.delete_at,
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
        stored.delete_at = command.delete_at.or(stored.delete_at);
        Ok(())
    }
}
