//! What one object is, and what each operation makes of it, told as simply as can be: the cell
//! that a history must fit.

use crate::{
    contents::{Content, Contents},
    history::{Action, Operation, Outcome},
    workload::keeps_versions,
};
use model::Version;

/// A version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Held {
    /// Its number, where the writer was told.
    version: Option<Version>,
    /// Its content; a delete marker has none.
    content: Option<Content>,
    drained: bool,
    /// When it goes by itself, in seconds.
    until: Option<u64>,
}

impl Held {
    fn sees(&self, outcome: Outcome, contents: &mut Contents) -> bool {
        let Some(content) = self.content else { return outcome == Outcome::Missing };
        match outcome {
            Outcome::Drained => self.drained,
            Outcome::Found(found) => !self.drained && found == content,
            Outcome::Seen(sight) => !self.drained && contents.shows(content, &sight),
            _ => false,
        }
    }
}

/// An object: its versions, the oldest first. A container that keeps none has one at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Object(Vec<Held>);

impl Object {
    fn latest(&self) -> Option<&Held> {
        self.0.last().filter(|held| held.content.is_some())
    }

    fn position(&self, version: Version) -> Option<usize> {
        self.0.iter().position(|held| held.version == Some(version))
    }

    /// With a new latest version; `None` if its number does not come after the others'.
    fn with(&self, operation: &Operation, content: Option<Content>) -> Option<Self> {
        let version = operation.version;
        let before = self.0.iter().rev().find_map(|held| held.version);
        if version.is_some() && version <= before {
            return None;
        }
        let keeps = keeps_versions(&operation.object);
        let mut after = if keeps { self.clone() } else { Self::default() };
        if keeps || content.is_some() {
            after.0.push(Held { version, content, drained: false, until: None });
        }
        Some(after)
    }

    /// With the latest version changed.
    fn changed(&self, change: impl FnOnce(&mut Held)) -> Self {
        let mut after = self.clone();
        if let Some(held) = after.0.last_mut() {
            change(held);
        }
        after
    }

    /// The object after an operation; `None` if the operation cannot have found it so. What has
    /// an unknown outcome has been done, if the object allows it.
    pub fn after(&self, operation: &Operation, contents: &mut Contents) -> Option<Self> {
        use {Action as A, Outcome as O};
        let same = |holds: bool| holds.then(|| self.clone());
        let latest = self.latest();
        let intact = latest.filter(|held| !held.drained).and_then(|held| held.content);
        match (operation.action, operation.outcome) {
            (A::Look, O::Missing) => same(latest.is_none()),
            (A::Look, outcome) => same(latest.is_some_and(|held| held.sees(outcome, contents))),
            (A::LookAt(version), outcome) => match self.position(version) {
                Some(at) => same(self.0[at].sees(outcome, contents)),
                None => same(outcome == O::Missing),
            },
            (_, O::Drained) => same(latest.is_some_and(|held| held.drained)),
            (A::Put(_) | A::PutUntil(..) | A::Append(_), O::Exists) => same(latest.is_some()),
            (A::Put(content), O::Done | O::Unknown) => self.with(operation, Some(content)),
            (A::PutUntil(content, second), O::Done | O::Unknown) => {
                let after = self.with(operation, Some(content))?;
                Some(after.changed(|held| held.until = Some(second)))
            }
            (A::Expire(content, second), _) => self.expired(content, second),
            (A::Append(more), O::Done | O::Unknown) => match (latest, intact) {
                (None, _) => self.with(operation, Some(more)),
                (Some(_), None) => None,
                (Some(held), Some(content)) => {
                    let of_another = |told| held.version.is_some_and(|known| known != told);
                    if operation.version.is_some_and(of_another) {
                        return None;
                    }
                    let content = contents.append(content, more)?;
                    Some(self.changed(|held| held.content = Some(content)))
                }
            },
            (A::Truncate(size), O::Done | O::Unknown) => {
                let content = contents.cut(intact?, size)?;
                Some(self.changed(|held| held.content = Some(content)))
            }
            (A::Truncate(size), O::Short) => same(contents.size(intact?)? < size),
            (A::Drain, O::Done | O::Unknown) => {
                latest.map(|_| self.changed(|held| held.drained = true))
            }
            (A::Truncate(_) | A::Drain, O::Missing) => same(latest.is_none()),
            // Where versions are kept a marker is left, also on a marker.
            (A::Delete(notes), outcome) => {
                let misses = self.0.is_empty() && !(notes && keeps_versions(&operation.object));
                match outcome {
                    O::Done | O::Unknown if !misses => self.with(operation, None),
                    O::Missing => same(misses),
                    _ => None,
                }
            }
            (A::Remove(version), O::Done | O::Unknown) => {
                let mut after = self.clone();
                after.0.remove(self.position(version)?);
                Some(after)
            }
            (A::Remove(version), O::Missing) => same(self.position(version).is_none()),
            (A::Purge(keep), O::Done | O::Unknown) => Some(self.purged(keep)),
            (A::Put(_) | A::PutUntil(..) | A::Append(_) | A::Purge(_), O::Missing)
            | (_, O::Refused | O::Exists | O::Short | O::Found(_) | O::Seen(_)) => None,
        }
    }

    /// Without what was to go by itself; a marker is left where an older content would be seen.
    fn expired(&self, content: Content, second: u64) -> Option<Self> {
        let goes = |held: &Held| held.content == Some(content) && held.until == Some(second);
        let mut after = self.clone();
        let at = after.0.iter().position(goes)?;
        after.0.remove(at);
        if at == after.0.len() && after.latest().is_some() {
            let marker = Held { version: None, content: None, drained: false, until: None };
            after.0.push(marker);
        }
        Some(after)
    }

    /// With so many of its newest contents, and every marker.
    fn purged(&self, keep: u32) -> Self {
        let mut kept = 0;
        let mut after = self.clone();
        after.0.reverse();
        after.0.retain(|held| {
            kept += u32::from(held.content.is_some());
            held.content.is_none() || kept <= keep
        });
        after.0.reverse();
        after
    }
}
