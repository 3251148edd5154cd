//! What changes objects, and what clients make of the answers.

use super::{KEPT, OBJECTS, Worker, keeps_versions, missing_or, parse, unsuccessful, within};
use crate::{
    contents::Sight,
    history::{Action, Outcome, Ticket},
};
use client::{Error, ErrorKind, Stored};

/// Bytes of a metachunk of the simulated policies.
const METACHUNK: u64 = 2 * 64 * 1024;

impl Worker {
    /// Stores an object.
    pub(super) async fn put(&self, object: &str) {
        let bytes = self.content();
        let content = self.history.know(bytes.clone());
        let until = self.end(object).filter(|_| !bytes.is_empty());
        let action = until.map_or(Action::Put(content), |until| Action::PutUntil(content, until));
        let ticket = self.history.invoke(&self.name, object, action);
        let (container, name) = parse(object);
        let source = self.source(bytes);
        let put = self.client.put_object(&self.account, &container, &name, source);
        let put = if let Some(until) = until {
            self.history.invoke(&self.name, object, Action::Expire(content, until));
            put.delete_at(if self.mischief.hurries { 1 } else { until })
        } else {
            put
        };
        let stored = within(put.autocreate(false).into_future()).await;
        if let Ok(stored) = &stored {
            self.history.stored(object, stored.version, content);
        }
        self.written(object, ticket, stored);
    }

    /// When an object is to go by itself, if it is one of those that may: soon.
    fn end(&self, object: &str) -> Option<u64> {
        let now = self.history.versions(KEPT).iter().map(|(_, version, _)| version.0).max()?;
        let goes = keeps_versions(object) && self.below(4) == 0;
        goes.then(|| now / 1_000_000 + 1 + self.below(8))
    }

    /// Adds to an object.
    pub(super) async fn append(&self, object: &str) {
        let bytes = self.content();
        let content = self.history.know(bytes.clone());
        let ticket = self.history.invoke(&self.name, object, Action::Append(content));
        let (container, name) = parse(object);
        let source = self.source(bytes);
        let append = self.client.append_object(&self.account, &container, &name, source);
        self.written(object, ticket, within(append.autocreate(false).into_future()).await);
    }

    fn written(&self, object: &str, ticket: Ticket, stored: Result<Stored, Error>) {
        match stored {
            Ok(stored) => {
                let why = format!("tolerates {}", stored.tolerance);
                self.history.sized(object, stored.total);
                self.history.complete_at(ticket, Outcome::Done, Some(stored.version), &why);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.history.complete(ticket, Outcome::Exists, &error);
            }
            Err(error) => self.history.complete(ticket, unsuccessful(&error), &error),
        }
    }

    /// Cuts an object: at a place that matters, or anywhere.
    pub(super) async fn truncate(&self, object: &str) {
        let bytes = self.history.size(object);
        let size = match self.below(7) {
            0 => 0,
            1 => bytes,
            2 => bytes + 1 + self.below(100),
            3 => bytes / METACHUNK * METACHUNK,
            _ => self.below(bytes + 1),
        };
        let ticket = self.history.invoke(&self.name, object, Action::Truncate(size));
        let (container, name) = parse(object);
        let truncate = self.client.truncate_object(&self.account, &container, &name, size);
        match within(truncate.into_future()).await {
            Ok(cut) => {
                self.history.sized(object, cut.size);
                let why = format!("of {} bytes, {} rewritten", cut.before, cut.rewritten);
                self.history.complete(ticket, Outcome::Done, &why);
            }
            Err(error) if error.kind() == ErrorKind::Invalid => {
                self.history.complete(ticket, Outcome::Short, &error);
            }
            Err(error) => self.history.complete(ticket, missing_or(&error), &error),
        }
    }

    /// Drops an object's content.
    pub(super) async fn drain(&self, object: &str) {
        let ticket = self.history.invoke(&self.name, object, Action::Drain);
        let (container, name) = parse(object);
        let drain = self.client.drain_object(&self.account, &container, &name);
        match within(drain.into_future()).await {
            Ok(()) => self.history.complete(ticket, Outcome::Done, &""),
            Err(error) => self.history.complete(ticket, missing_or(&error), &error),
        }
    }

    /// Deletes an object, or notes a deletion of what may not be there.
    pub(super) async fn delete(&self, object: &str) {
        let notes = self.below(2) == 0;
        let ticket = self.history.invoke(&self.name, object, Action::Delete(notes));
        let (container, name) = parse(object);
        let delete = self.client.delete_object(&self.account, &container, &name);
        let delete = if notes { delete.mark_missing() } else { delete };
        match within(delete.into_future()).await {
            Ok(deleted) => {
                let marker = deleted.marker.then_some(deleted.version);
                self.history.complete_at(ticket, Outcome::Done, marker, &"");
            }
            Err(error) => self.history.complete(ticket, missing_or(&error), &error),
        }
    }

    /// Removes a version, if there ever was one.
    pub(super) async fn remove_version(&self) {
        let Some((object, version, _)) = self.pick_version() else { return };
        let ticket = self.history.invoke(&self.name, &object, Action::Remove(version));
        let (container, name) = parse(&object);
        let delete = self.client.delete_object(&self.account, &container, &name).version(version);
        match within(delete.into_future()).await {
            Ok(_) => self.history.complete(ticket, Outcome::Done, &""),
            Err(error) => self.history.complete(ticket, missing_or(&error), &error),
        }
    }

    /// Removes older versions, of one object or of all.
    pub(super) async fn purge(&self) {
        let keep = 1 + self.below(3) as u32;
        let all: Vec<_> = (0..OBJECTS).map(|n| format!("{KEPT}/object-{n}")).collect();
        let one = self.below(2 * OBJECTS) as usize;
        let purged = all.get(one).map_or(&all[..], std::slice::from_ref);
        let tickets: Vec<_> = purged
            .iter()
            .map(|object| self.history.invoke(&self.name, object, Action::Purge(keep)))
            .collect();
        let Ok(container) = KEPT.parse() else { return };
        let purge = self.client.purge_container(&self.account, &container).keep(keep);
        let purge = match purged {
            [object] => purge.object(&parse(object).1),
            _ => purge,
        };
        let removed = within(purge.into_future()).await;
        for ticket in tickets {
            match &removed {
                Ok(removed) => {
                    let why = format!("{} versions in all", removed.versions);
                    self.history.complete(ticket, Outcome::Done, &why);
                }
                Err(error) => self.history.complete(ticket, unsuccessful(error), error),
            }
        }
    }

    /// Links an object as it is to one that nobody else knows, and reads that: a look at what
    /// the object was at one moment.
    pub(super) async fn link_latest(&self, object: &str) {
        let ticket = self.history.invoke(&self.name, object, Action::Look);
        let ((from, from_name), (to, to_name)) =
            (parse(object), parse(&format!("coded/of-{}", self.name)));
        let link = self.client.link_object(&self.account, &from, &from_name);
        let link = link.to(&self.account, &to, &to_name).autocreate(false);
        let linked = async {
            let linked = link.await?;
            let read = self.client.get_object(&self.account, &to, &to_name);
            // What comes of reading the link says nothing of the object.
            let bytes = async { read.version(linked.version).await?.bytes().await }.await.ok();
            Ok((linked, bytes))
        };
        match within(linked).await {
            Ok((linked, Some(bytes))) => {
                let seen = Sight::part(linked.size, 0..linked.size, &bytes);
                self.history.complete(ticket, Outcome::Seen(seen), &"linked");
            }
            Ok((linked, None)) => {
                let seen = Sight::size(linked.size);
                self.history.complete(ticket, Outcome::Seen(seen), &"linked");
            }
            Err(error) => self.history.complete(ticket, missing_or(&error), &error),
        }
    }

    /// Makes an object a link of a version, whose content nobody changes.
    pub(super) async fn link(&self, object: &str) {
        let Some((source, version, content)) = self.pick_version() else { return };
        let looked = self.history.invoke(&self.name, &source, Action::LookAt(version));
        let ticket = self.history.invoke(&self.name, object, Action::Put(content));
        let ((from, from_name), (to, to_name)) = (parse(&source), parse(object));
        let link = self.client.link_object(&self.account, &from, &from_name).version(version);
        let link = link.to(&self.account, &to, &to_name).autocreate(false);
        match within(link.into_future()).await {
            Ok(linked) => {
                let why = format!("a link of {source}, tolerates {}", linked.tolerance);
                self.history.complete(looked, Outcome::Found(content), &"linked");
                self.history.stored(object, linked.version, content);
                self.history.sized(object, linked.size);
                self.history.complete_at(ticket, Outcome::Done, Some(linked.version), &why);
            }
            Err(error) => {
                let seen = match error {
                    Error::NoSuchObject(_) => Outcome::Missing,
                    _ => Outcome::Unknown,
                };
                self.history.complete(looked, seen, &error);
                let outcome = match error.kind() {
                    ErrorKind::AlreadyExists => Outcome::Exists,
                    ErrorKind::Indeterminate => Outcome::Unknown,
                    _ => Outcome::Refused,
                };
                self.history.complete(ticket, outcome, &error);
            }
        }
    }
}
